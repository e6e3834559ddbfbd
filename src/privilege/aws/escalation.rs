//! How a principal can reach more than it holds: the known paths, each judged for a principal's whole
//! set of policies against concrete targets of the same export.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::action::{ActionSet, catalogue};
use super::arn;
use super::classes::classes;
use super::condition::Condition;
use super::evaluate::{Grants, Rights, Scope, Setting, Subject, SubjectKind};
use super::paths::{ADMINISTRATOR, ASSUME, Path, Target, paths};
pub use super::reached::{Reached, Used};
use super::tri::Tri;

/// One statement of a trust policy.
#[derive(Clone, Debug)]
pub struct TrustRule {
    /// Trusted party as written.
    pub trusted: String,
    /// Its kind, as in the `trusts` table.
    pub kind: String,
    /// Allow.
    pub allow: bool,
    /// Covers `sts:AssumeRole`.
    pub assume: bool,
    /// Condition.
    pub condition: Condition,
    /// A condition is there that could not be read.
    pub doubtful: bool,
}

/// A principal as target and as start of paths.
#[derive(Debug)]
pub struct Node<'a> {
    /// Principal.
    pub subject: &'a Subject,
    /// Its rights.
    pub rights: &'a Rights<'a>,
    /// Groups it is a member of: indexes of nodes.
    pub groups: Vec<usize>,
    /// Customer-managed policies attached to it or its groups.
    pub own_policies: Vec<String>,
    /// Trust policy.
    pub trust: Vec<TrustRule>,
    /// An instance profile holds the role; `None` = the inputs do not say.
    pub instance_profile: Option<bool>,
    /// Active access keys; `None` = the inputs do not say.
    pub access_keys: Option<usize>,
    /// Console password; `None` = the inputs do not say.
    pub login_profile: Option<bool>,
    /// Owned by the provider: can be neither changed nor passed.
    pub provider_owned: bool,
    /// Policies attached to the role itself, customer-managed.
    pub attached_policies: Vec<String>,
}

/// All principals of the export, ready for questions about paths.
#[derive(Debug)]
pub struct Graph<'a> {
    nodes: &'a [Node<'a>],
    admin: Vec<Tri>,
    /// Roles by service that may assume them, strongest first.
    by_service: BTreeMap<String, Vec<usize>>,
    /// Roles that other principals may assume, strongest first.
    assumable: Vec<usize>,
    /// Roles by the principal that their trust policy names; `*` = anybody.
    named: BTreeMap<String, Vec<usize>>,
    users: Vec<usize>,
    groups: Vec<usize>,
    roles: Vec<usize>,
}

impl<'a> Graph<'a> {
    /// Prepares the graph: self-granted administration first, since targets are measured by it.
    #[must_use]
    pub fn new(nodes: &'a [Node<'a>]) -> Self {
        let admin: Vec<Tri> = nodes
            .iter()
            .map(|n| {
                let mut r = Reached::default();
                own_paths(n, nodes, &mut r);
                classes().admin(&n.rights.grants).or(r.self_admin)
            })
            .collect();
        let mut order: Vec<usize> = (0..nodes.len()).collect();
        let weight = |i: usize| {
            let size =
                nodes.get(i).map_or(0, |n| n.rights.grants.certain(Scope::Some).count_ones(..));
            (admin.get(i).copied().unwrap_or(Tri::F), size)
        };
        order.sort_by_cached_key(|i| {
            let arn = nodes.get(*i).map(|n| n.subject.arn.clone());
            (std::cmp::Reverse(weight(*i)), arn)
        });
        let of = |kind: SubjectKind| -> Vec<usize> {
            let is = |i: &usize| nodes.get(*i).is_some_and(|n| n.subject.kind == kind);
            order.iter().copied().filter(is).collect()
        };
        let roles = of(SubjectKind::Role);
        let mut by_service: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut assumable = Vec::new();
        let mut named: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for &i in &roles {
            let Some(node) = nodes.get(i) else { continue };
            for rule in node.trust.iter().filter(|t| t.allow && t.assume) {
                if rule.kind == "service" {
                    let list = by_service.entry(rule.trusted.to_ascii_lowercase()).or_default();
                    if list.last() != Some(&i) {
                        list.push(i);
                    }
                    continue;
                }
                if assumable.last() != Some(&i) {
                    assumable.push(i);
                }
                let who = if rule.kind == "any" { "*" } else { rule.trusted.as_str() };
                let list = named.entry(who.to_owned()).or_default();
                if list.last() != Some(&i) {
                    list.push(i);
                }
            }
        }
        let (users, groups) = (of(SubjectKind::User), of(SubjectKind::Group));
        Self { nodes, admin, by_service, assumable, named, users, groups, roles }
    }

    /// What a principal holds, without paths: for groups, which act through their members only.
    #[must_use]
    pub fn standing(&self, index: usize) -> Reached {
        let mut out = Reached::default();
        if let Some(node) = self.nodes.get(index) {
            out.full_admin = classes().full_admin(&node.rights.grants);
        }
        out
    }

    /// What a principal can reach by one hop.
    #[must_use]
    pub fn reach(&self, index: usize) -> Reached {
        let mut out = Reached::default();
        let Some(node) = self.nodes.get(index) else { return out };
        out.full_admin = classes().full_admin(&node.rights.grants);
        if out.full_admin == Tri::T {
            out.proof
                .push("full administrator: every critical action on whole resource types".into());
            return out;
        }
        if classes().admin(&node.rights.grants) == Tri::T {
            out.proof.push("administrator: every action of identity and access management".into());
        } else if out.full_admin == Tri::U {
            out.proof.push(
                "administrator (conditional): every critical action, under conditions".into(),
            );
        }
        own_paths(node, self.nodes, &mut out);
        let held = node.rights.grants.possible(Scope::Some);
        for path in paths() {
            // A trust policy that names the principal needs no identity policy.
            if path.id == ASSUME || path.actions.iter().all(|a| held.contains(*a)) {
                self.follow(index, node, path, &mut out);
            }
        }
        out.settle();
        out
    }

    fn follow(&self, index: usize, node: &Node<'_>, path: &Path, out: &mut Reached) {
        let candidates: Cow<'_, [usize]> = match &path.target {
            Target::OwnUser
            | Target::OwnRole
            | Target::OwnGroup
            | Target::OwnPolicy
            | Target::NewRole => return,
            Target::AnyGroup if node.subject.kind != SubjectKind::User => return,
            Target::AnyGroup => Cow::Borrowed(&self.groups),
            Target::OtherUser => Cow::Borrowed(&self.users),
            Target::OtherRole if path.id == ASSUME => {
                let held = node.rights.grants.possible(Scope::Some);
                if path.actions.iter().all(|a| held.contains(*a)) {
                    Cow::Borrowed(&self.assumable)
                } else {
                    let of = |k: &str| self.named.get(k).map_or(&[][..], Vec::as_slice);
                    Cow::Owned([of(&node.subject.arn), of("*")].concat())
                }
            }
            Target::OtherRole | Target::PolicyOfOtherRole => Cow::Borrowed(&self.roles),
            Target::PassRole(services) => self.trusting(services),
            Target::Existing(service) => match service {
                Some(s) => self.trusting(&[(*s).to_owned()]),
                None => Cow::Borrowed(&[]),
            },
        };
        let mut best: Option<(Tri, bool, &str)> = None;
        for &i in candidates.iter() {
            let Some(target) = self.nodes.get(i) else { continue };
            let admin = self.admin.get(i).copied().unwrap_or(Tri::F) == Tri::T;
            // Candidates come strongest first: once something is found, weaker ones add nothing.
            if best.is_some_and(|(v, a, _)| v == Tri::T || (a && !admin)) {
                break;
            }
            // Identity, services and their roles belong to one account; only a role may be assumed
            // from another one.
            let reachable = path.id == ASSUME || target.subject.home == node.subject.home;
            if i == index || !reachable || !self.stronger(index, i) {
                continue;
            }
            let verdict = self.hop(node, target, path);
            if verdict.possible() && best.is_none_or(|(v, _, _)| verdict > v) {
                best = Some((verdict, admin, target.subject.arn.as_str()));
            }
        }
        if let Some((verdict, admin, arn)) = best {
            out.note(path, verdict, admin, arn);
        }
    }

    /// Roles that trust all of these services, strongest first.
    fn trusting(&self, services: &[String]) -> Cow<'_, [usize]> {
        let mut lists =
            services.iter().map(|s| self.by_service.get(s).map_or(&[][..], Vec::as_slice));
        let first = Cow::Borrowed(lists.next().unwrap_or_default());
        lists.fold(first, |acc, l| acc.iter().copied().filter(|i| l.contains(i)).collect())
    }

    /// Whether a target has administration or rights that the principal lacks.
    fn stronger(&self, of: usize, than: usize) -> bool {
        let (Some(a), Some(b)) = (self.nodes.get(of), self.nodes.get(than)) else { return false };
        let admin = |i: usize| self.admin.get(i).copied().unwrap_or(Tri::F);
        if admin(than) > admin(of) {
            return true;
        }
        admin(of) != Tri::T && b.rights.grants.exceeds(&a.rights.grants)
    }

    /// Verdict of a path from a principal to one target.
    fn hop(&self, node: &Node<'_>, target: &Node<'_>, path: &Path) -> Tri {
        let existing = path.needs.iter().any(|n| n.starts_with("existing:"));
        let ceiling = if existing { Tri::U } else { Tri::T };
        let facts = facts_hold(&path.needs, node, target);
        let first = ceiling.and(facts);
        if !first.possible() {
            return Tri::F;
        }
        let verdict = match &path.target {
            Target::PassRole(services) => pass_role(node, target, path, services),
            Target::Existing(_) => Tri::U.and(all_anywhere(node, &path.actions)),
            Target::PolicyOfOtherRole => Tri::any(
                target.attached_policies.iter().map(|p| on_target(node, path, target, Some(p))),
            ),
            _ => on_target(node, path, target, None),
        };
        first.and(verdict)
    }
}

/// Every action on the target (or the policy for actions on policies).
fn on_target(node: &Node<'_>, path: &Path, target: &Node<'_>, policy: Option<&str>) -> Tri {
    if target.provider_owned && path.id != ASSUME {
        return Tri::F;
    }
    let assume = catalogue().id("sts:AssumeRole");
    Tri::all(path.actions.iter().map(|a| {
        if Some(*a) == assume {
            // Trust that the path itself rewrites lets the principal in; else the trust policy decides.
            let rewrites =
                path.actions.iter().any(|b| catalogue().name(*b) == "iam:UpdateAssumeRolePolicy");
            return if rewrites {
                Tri::T.and(not_denied(node, *a, &target.subject.arn))
            } else {
                can_assume(node, target)
            };
        }
        let name = catalogue().name(*a);
        let on_policy = name == "iam:CreatePolicyVersion" || name == "iam:SetDefaultPolicyVersion";
        let resource = if on_policy { policy.unwrap_or_default() } else { &target.subject.arn };
        let extra: &[(&str, &str)] =
            if name.starts_with("iam:Attach") { &[("iam:policyarn", ADMINISTRATOR)] } else { &[] };
        node.rights.decide(*a, resource, &Setting { subject: node.subject, extra })
    }))
}

/// A trust policy that names the principal itself needs no identity policy; only a Deny can stop it.
fn not_denied(node: &Node<'_>, action: usize, resource: &str) -> Tri {
    node.rights.not_denied(action, resource, node.subject)
}

/// Whether a principal may assume a role of the export (5.4.5).
#[must_use]
pub fn can_assume(node: &Node<'_>, role: &Node<'_>) -> Tri {
    let Some(action) = catalogue().id("sts:AssumeRole") else { return Tri::F };
    let me = node.subject;
    let same_account = me.home == role.subject.home;
    let root = format!("arn:{}:iam::{}:root", me.home.partition, me.home.account);
    let (mut direct, mut account, mut denied) = (Tri::F, Tri::F, Tri::F);
    for rule in role.trust.iter().filter(|r| r.assume) {
        let mut m = rule.condition.evaluate(me, true);
        if rule.doubtful {
            m = m.and(Tri::U);
        }
        let named = rule.trusted == me.arn;
        let any = rule.kind == "any";
        let mine = rule.trusted == root || rule.trusted == me.home.account;
        if !rule.allow {
            if named || any || mine {
                denied = denied.or(m);
            }
        } else if rule.trusted.starts_with("not:") {
            account = account.or(m.and(Tri::U));
        } else if named || any {
            direct = direct.or(m);
        } else if mine {
            account = account.or(m);
        }
    }
    if denied == Tri::T || !direct.or(account).possible() {
        return Tri::F;
    }
    let identity = node.rights.decide(action, &role.subject.arn, me);
    let free = not_denied(node, action, &role.subject.arn);
    let grant = if same_account {
        direct.and(free).or(account.and(identity))
    } else {
        direct.or(account).and(identity)
    };
    grant.and(!denied)
}

/// The role can be handed to the service, and the other actions are allowed on something.
fn pass_role(node: &Node<'_>, target: &Node<'_>, path: &Path, services: &[String]) -> Tri {
    if target.provider_owned {
        return Tri::F;
    }
    let Some(pass) = catalogue().id("iam:PassRole") else { return Tri::F };
    let arn = target.subject.arn.as_str();
    let passed = Tri::all(services.iter().map(|s| {
        let extra = [("iam:passedtoservice", s.as_str())];
        node.rights.decide(pass, arn, &Setting { subject: node.subject, extra: &extra })
    }));
    if !passed.possible() {
        return Tri::F;
    }
    let trusted = Tri::all(services.iter().map(|s| {
        Tri::any(
            target
                .trust
                .iter()
                .filter(|r| r.allow && r.assume && r.trusted.eq_ignore_ascii_case(s))
                .map(|r| if r.doubtful { Tri::U } else { service_trust(r, target) }),
        )
    }));
    let others: Vec<usize> = path.actions.iter().copied().filter(|a| *a != pass).collect();
    passed.and(trusted).and(all_anywhere(node, &others))
}

/// Conditions on the source account hold for a resource of the own account; others stay open.
fn service_trust(rule: &TrustRule, target: &Node<'_>) -> Tri {
    let extra = [("aws:sourceaccount", target.subject.home.account.as_str())];
    let nobody = Subject {
        arn: String::new(),
        kind: SubjectKind::Policy,
        home: arn::Home::default(),
        name: String::new(),
        unique_id: None,
        tags: Vec::new(),
        as_of: target.subject.as_of,
    };
    rule.condition.evaluate(&Setting { subject: &nobody, extra: &extra }, true)
}

fn all_anywhere(node: &Node<'_>, actions: &[usize]) -> Tri {
    let g = &node.rights.grants;
    Tri::all(actions.iter().map(|a| anywhere(g, *a)))
}

fn anywhere(g: &Grants, action: usize) -> Tri {
    if g.certain(Scope::Some).contains(action) {
        Tri::T
    } else if g.possible(Scope::Some).contains(action) {
        Tri::U
    } else {
        Tri::F
    }
}

fn facts_hold(needs: &BTreeSet<String>, node: &Node<'_>, target: &Node<'_>) -> Tri {
    let known = |value: Option<bool>| value.map_or(Tri::U, Tri::from_bool);
    Tri::all(needs.iter().map(|need| match need.as_str() {
        "role_trusts_principal" => can_assume(node, target),
        "access_keys<2" => known(target.access_keys.map(|n| n < 2)),
        "access_keys=2" => known(target.access_keys.map(|n| n >= 2)),
        "login_profile" => known(target.login_profile),
        "no_login_profile" => known(target.login_profile.map(|b| !b)),
        "instance_profile" => known(target.instance_profile),
        "no_instance_profile" => known(target.instance_profile.map(|b| !b)),
        "principal=user" => Tri::from_bool(node.subject.kind == SubjectKind::User),
        n if n.starts_with("existing:") || n.starts_with("condition:") => Tri::T,
        _ => Tri::U,
    }))
}

/// Paths by which a principal raises itself: on itself, its groups, its policies, or a role it makes.
fn own_paths(node: &Node<'_>, nodes: &[Node<'_>], out: &mut Reached) {
    let held: &ActionSet = node.rights.grants.possible(Scope::Some);
    let me = node.subject;
    let full = classes().full_admin(&node.rights.grants) == Tri::T;
    if full || node.provider_owned {
        return;
    }
    for path in paths() {
        if !path.actions.iter().all(|a| held.contains(*a)) {
            continue;
        }
        let removal = path.needs.contains("has_boundary");
        if removal || path.needs.iter().any(|n| n.starts_with("deny_in_")) {
            if removal {
                remove_boundary(node, path, out);
            }
            continue;
        }
        let (verdict, target) = match &path.target {
            Target::OwnUser if me.kind == SubjectKind::User => {
                (own(node, path, &me.arn), me.arn.clone())
            }
            Target::OwnRole if me.kind == SubjectKind::Role => {
                (own(node, path, &me.arn), me.arn.clone())
            }
            Target::OwnGroup if me.kind == SubjectKind::User => best(
                node.groups
                    .iter()
                    .filter_map(|g| nodes.get(*g))
                    .map(|g| (own(node, path, &g.subject.arn), g.subject.arn.clone())),
            ),
            Target::OwnPolicy => {
                let dormant = path.needs.contains("stronger_inactive_version");
                let limit = if dormant { Tri::U } else { Tri::T };
                best(node.own_policies.iter().map(|p| (own(node, path, p).and(limit), p.clone())))
            }
            Target::NewRole => new_role(node, path),
            _ => continue,
        };
        let bounded = if path.target == Target::NewRole {
            // The new role carries no boundary unless a condition asks for one, which stays open.
            Tri::T
        } else {
            node.rights.boundary_leaves(classes().critical()).or(can_drop_boundary(node))
        };
        // No self-grant lifts the organisation's policies.
        let guarded = node.rights.guardrails_leave(classes().critical());
        let verdict = verdict.and(bounded).and(guarded);
        if verdict.possible() {
            // Choosing another version of one's own policy gives what that version says, not everything.
            let to_admin = !path.needs.contains("stronger_inactive_version");
            if to_admin {
                out.self_admin = out.self_admin.or(verdict);
            }
            out.note(path, verdict, to_admin, &target);
        }
    }
}

fn best(found: impl Iterator<Item = (Tri, String)>) -> (Tri, String) {
    found.fold((Tri::F, String::new()), |a, b| if b.0 > a.0 { b } else { a })
}

fn own(node: &Node<'_>, path: &Path, resource: &str) -> Tri {
    Tri::all(path.actions.iter().map(|a| {
        let attach = catalogue().name(*a).starts_with("iam:Attach");
        let extra: &[(&str, &str)] = if attach { &[("iam:policyarn", ADMINISTRATOR)] } else { &[] };
        node.rights.decide(*a, resource, &Setting { subject: node.subject, extra })
    }))
}

/// A role that the principal may both create and give rights; tried on the names its patterns allow.
fn new_role(node: &Node<'_>, path: &Path) -> (Tri, String) {
    let home = &node.subject.home;
    let prefix = format!("arn:{}:iam::{}:role/", home.partition, home.account);
    let mut names = vec![format!("{prefix}example")];
    for action in &path.actions {
        for shape in node.rights.shapes(*action) {
            if let Some((_, tail)) = shape.split_once(":role/") {
                names.push(format!("{prefix}{}", tail.replace(['*', '?'], "x")));
            }
        }
    }
    names.sort_unstable();
    names.dedup();
    best(names.into_iter().map(|n| (own(node, path, &n), n)))
}

/// Whether the principal may take away or replace its own boundary.
fn can_drop_boundary(node: &Node<'_>) -> Tri {
    let actions: [&str; 2] = match node.subject.kind {
        SubjectKind::User => {
            ["iam:DeleteUserPermissionsBoundary", "iam:PutUserPermissionsBoundary"]
        }
        SubjectKind::Role => {
            ["iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary"]
        }
        SubjectKind::Group | SubjectKind::Policy => return Tri::F,
    };
    let me = node.subject;
    let ids = actions.iter().filter_map(|a| catalogue().id(a));
    Tri::any(ids.map(|a| node.rights.decide(a, &me.arn, me)))
}

/// Taking the own boundary away gives what the policies allow without it.
fn remove_boundary(node: &Node<'_>, path: &Path, out: &mut Reached) {
    let Some(free) = &node.rights.unbounded else { return };
    let fits = match path.target {
        Target::OwnUser => node.subject.kind == SubjectKind::User,
        Target::OwnRole => node.subject.kind == SubjectKind::Role,
        _ => false,
    };
    if !fits || !free.exceeds(&node.rights.grants) {
        return;
    }
    let verdict = own(node, path, &node.subject.arn);
    let gain = classes().admin(free);
    if verdict.possible() {
        let to_admin = gain.possible();
        out.self_admin = out.self_admin.or(verdict.and(gain));
        out.note(
            path,
            if to_admin { verdict.and(gain) } else { verdict },
            to_admin,
            &node.subject.arn,
        );
    }
}
