//! One hop: whether a principal can get at what another principal has, by a known path (5.6).

use std::collections::BTreeSet;

use super::action::catalogue;
use super::arn;
use super::escalation::{Node, TrustRule};
use super::evaluate::{Grants, Scope, Setting, Subject, SubjectKind};
use super::own::with_keys;
use super::paths::{ASSUME, Path, Target, paths};
use super::tri::Tri;

/// What one path means for all principals with the same rights, before any target is looked at.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// Place in the list of known paths.
    pub(super) path: usize,
    /// Verdict of the actions on the target when it is the same for every target of the account.
    pub(super) steady: Option<Tri>,
    /// Verdict of the actions that are not on the target.
    pub(super) rest: Tri,
}

impl View {
    pub(super) fn path(&self) -> Option<&'static Path> {
        paths().get(self.path)
    }
}

/// Kind of resource that an action of a path is on.
fn shape(home: &arn::Home, kind: &str) -> String {
    format!("arn:{}:iam::{}:{kind}/*", home.partition, home.account)
}

fn on_policy(name: &str) -> bool {
    name == "iam:CreatePolicyVersion" || name == "iam:SetDefaultPolicyVersion"
}

/// The views of a principal's rights: paths to others whose every action it may hold.
pub(super) fn views(node: &Node<'_>) -> Vec<View> {
    let held = node.rights.grants.possible(Scope::Some);
    let assume = catalogue().id("sts:AssumeRole");
    let mut out = Vec::new();
    for (index, path) in paths().iter().enumerate().filter(|(_, p)| !p.retired) {
        let own = matches!(
            path.target,
            Target::OwnUser
                | Target::OwnRole
                | Target::OwnGroup
                | Target::OwnPolicy
                | Target::NewRole
        );
        // A trust policy that names the principal needs no identity policy.
        let trusted = path.needs.contains("role_trusts_principal");
        let holds =
            path.actions.iter().all(|a| held.contains(*a) || (trusted && Some(*a) == assume));
        if own || !holds || (path.target == Target::AnyGroup && !joins(node, path)) {
            continue;
        }
        let rest = rest(node, path);
        if rest.possible() {
            out.push(View { path: index, steady: steady(node, path), rest });
        }
    }
    out
}

fn joins(node: &Node<'_>, path: &Path) -> bool {
    !path.needs.contains("principal=user") || node.subject.kind == SubjectKind::User
}

fn rest(node: &Node<'_>, path: &Path) -> Tri {
    let pass = catalogue().id("iam:PassRole");
    let g = &node.rights.grants;
    match &path.target {
        Target::PassRole(_) => {
            let others = path.actions.iter().filter(|a| Some(**a) != pass);
            Tri::all(others.map(|a| anywhere(g, *a)))
        }
        Target::Existing(_) => Tri::all(path.actions.iter().map(|a| anywhere(g, *a))),
        _ => Tri::T,
    }
}

/// The verdict on the target, when statements take in all targets of the account or none.
fn steady(node: &Node<'_>, path: &Path) -> Option<Tri> {
    let home = &node.subject.home;
    let assume = catalogue().id("sts:AssumeRole");
    let kind = match &path.target {
        Target::Existing(_) => return Some(Tri::T),
        Target::OtherUser => "user",
        Target::AnyGroup => "group",
        _ => "role",
    };
    let resource_of =
        |a: usize| shape(home, if on_policy(catalogue().name(a)) { "policy" } else { kind });
    if let Target::PassRole(services) = &path.target {
        let pass = catalogue().id("iam:PassRole")?;
        let whole = shape(home, "role");
        return node
            .rights
            .is_uniform(pass, &whole)
            .then(|| passes(node, services, &whole.replace('*', "x")));
    }
    let acts = |a: &usize| Some(*a) != assume || path.id == ASSUME;
    let uniform = path
        .actions
        .iter()
        .filter(|a| acts(a))
        .all(|a| node.rights.is_uniform(*a, &resource_of(*a)));
    uniform.then(|| {
        with_keys(node, path, "", |a, context| {
            if !acts(&a) {
                return Tri::T;
            }
            node.rights.decide(a, &resource_of(a).replace('*', "x"), context)
        })
    })
}

/// The role may be handed to all of these services.
fn passes(node: &Node<'_>, services: &[String], role: &str) -> Tri {
    let Some(pass) = catalogue().id("iam:PassRole") else { return Tri::F };
    Tri::all(services.iter().map(|s| {
        let extra = [("iam:passedtoservice", s.as_str())];
        node.rights.decide(pass, role, &Setting { subject: node.subject, extra: &extra })
    }))
}

/// Verdict of a path from a principal to one target. With `least`, only whether it is at least that
/// certain matters, and work that cannot change the answer is left out.
pub(super) fn hop(node: &Node<'_>, target: &Node<'_>, view: &View, least: Tri) -> Tri {
    let Some(path) = view.path() else { return Tri::F };
    if target.provider_owned && path.id != ASSUME {
        return Tri::F;
    }
    let ceiling = if path.potential { Tri::U } else { Tri::T };
    let mut verdict = ceiling.and(view.rest).and(target_facts(&path.needs, target));
    if verdict < least || !verdict.possible() {
        return Tri::F;
    }
    verdict = verdict.and(match &path.target {
        Target::PassRole(services) => services_trusted(target, services)
            .and(view.steady.unwrap_or_else(|| passes(node, services, &target.subject.arn))),
        Target::Existing(service) => match service {
            Some(s) => services_trusted(target, &[(*s).to_owned()]),
            None => Tri::F,
        },
        Target::PolicyOfOtherRole => {
            let one = |p: &String| on_target(node, path, target, Some(p));
            Tri::any(target.attached_policies.iter().map(one))
        }
        _ if path.id == ASSUME => can_assume(node, target),
        _ => {
            let identity = view.steady.unwrap_or_else(|| identity_on(node, path, target, None));
            identity.and(assumes(node, path, target))
        }
    });
    if verdict < least { Tri::F } else { verdict }
}

/// Every action on the target (or the policy for actions on policies), and the way in by its trust.
pub(super) fn on_target(
    node: &Node<'_>,
    path: &Path,
    target: &Node<'_>,
    policy: Option<&String>,
) -> Tri {
    let identity = identity_on(node, path, target, policy);
    if identity.possible() { identity.and(assumes(node, path, target)) } else { identity }
}

fn identity_on(node: &Node<'_>, path: &Path, target: &Node<'_>, policy: Option<&String>) -> Tri {
    let assume = catalogue().id("sts:AssumeRole");
    with_keys(node, path, &target.subject.arn, |a, context| {
        if Some(a) == assume {
            return Tri::T;
        }
        let on = if on_policy(catalogue().name(a)) { policy } else { Some(&target.subject.arn) };
        on.map_or(Tri::F, |r| node.rights.decide(a, r, context))
    })
}

/// The part of a path that assumes the target.
fn assumes(node: &Node<'_>, path: &Path, target: &Node<'_>) -> Tri {
    let Some(assume) = catalogue().id("sts:AssumeRole") else { return Tri::F };
    let names = |name: &str| path.actions.iter().any(|a| catalogue().name(*a) == name);
    let rewrites = names("iam:UpdateAssumeRolePolicy");
    if path.needs.contains("role_trusts_principal") {
        can_assume(node, target)
    } else if rewrites {
        // Trust that the path itself rewrites lets the principal in; only a Deny can stop it.
        node.rights.not_denied(assume, &target.subject.arn, node.subject)
    } else {
        Tri::T
    }
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
        let named = rule.trusted == me.arn;
        let any = rule.kind == "any";
        let mine = rule.trusted == root || rule.trusted == me.home.account;
        if !(named || any || mine || rule.trusted.starts_with("not:")) {
            continue;
        }
        let mut m = rule.condition.evaluate(me, true);
        if rule.doubtful {
            m = m.and(Tri::U);
        }
        if !rule.allow {
            denied = denied.or(m);
        } else if rule.trusted.starts_with("not:") {
            account = account.or(m.and(Tri::U));
        } else if named || any {
            direct = direct.or(m);
        } else {
            account = account.or(m);
        }
    }
    if denied == Tri::T || !direct.or(account).possible() {
        return Tri::F;
    }
    let identity = node.rights.decide(action, &role.subject.arn, me);
    let free = node.rights.not_denied(action, &role.subject.arn, me);
    let grant = if same_account {
        direct.and(free).or(account.and(identity))
    } else {
        direct.or(account).and(identity)
    };
    grant.and(!denied)
}

fn services_trusted(target: &Node<'_>, services: &[String]) -> Tri {
    Tri::all(services.iter().map(|s| {
        let rules = target.trust.iter().filter(|r| {
            r.allow && r.assume && r.kind == "service" && r.trusted.eq_ignore_ascii_case(s)
        });
        Tri::any(rules.map(|r| if r.doubtful { Tri::U } else { service_trust(r, target) }))
    }))
}

/// Conditions on the source account hold for a resource of the own account; others stay open.
fn service_trust(rule: &TrustRule, target: &Node<'_>) -> Tri {
    if rule.condition.is_empty() {
        return Tri::T;
    }
    let extra = [("aws:sourceaccount", target.subject.home.account.as_str())];
    let nobody = Subject {
        arn: String::new(),
        kind: SubjectKind::Policy,
        home: arn::Home::default(),
        name: String::new(),
        unique_id: None,
        tags: Vec::new(),
        organisation: None,
        as_of: target.subject.as_of,
    };
    rule.condition.evaluate(&Setting { subject: &nobody, extra: &extra }, true)
}

pub(super) fn anywhere(g: &Grants, action: usize) -> Tri {
    if g.certain(Scope::Some).contains(action) {
        Tri::T
    } else if g.possible(Scope::Some).contains(action) {
        Tri::U
    } else {
        Tri::F
    }
}

/// Facts about the target that a path asks for; what the inputs do not say is undecided.
fn target_facts(needs: &BTreeSet<String>, target: &Node<'_>) -> Tri {
    let known = |value: Option<bool>| value.map_or(Tri::U, Tri::from_bool);
    Tri::all(needs.iter().map(|need| match need.as_str() {
        "access_keys<2" => known(target.access_keys.map(|n| n < 2)),
        "access_keys=2" => known(target.access_keys.map(|n| n >= 2)),
        "login_profile" => known(target.login_profile),
        "no_login_profile" => known(target.login_profile.map(|b| !b)),
        "instance_profile" => known(target.instance_profile),
        "no_instance_profile" => known(target.instance_profile.map(|b| !b)),
        // Judged where the principal is known.
        "role_trusts_principal" | "principal=user" => Tri::T,
        _ => Tri::U,
    }))
}
