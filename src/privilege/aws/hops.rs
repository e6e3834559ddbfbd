//! One hop: whether a principal can get at what another principal has, by a known path (5.6).

use super::alike::{named, naming};
use super::arn;
use super::bounded::lifting;
use super::escalation::{Node, TrustRule};
use super::evaluate::{Grants, Scope, Setting, Subject, SubjectKind};
use super::own::{attachable, keys, with_any_policy};
use super::paths::{ASSUME, Need, Path, Target, assume_role, on_policy, pass_role, paths};
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
    /// No target is reached with more certainty than this.
    pub(super) most: Tri,
    /// What the statements for the action on the target can take in, when targets differ.
    pub(super) reaches: Vec<Reaches>,
    /// Patterns with variables, which tell apart targets that look alike ([`super::alike`]); `None` when
    /// every target must be asked.
    pub(super) named: Option<Vec<String>>,
    /// The boundary of the target is taken away first.
    pub(super) lifts: bool,
}

/// Beginning of the ARNs that an Allow statement takes in for the action on the target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reaches {
    /// Text before the first wildcard; empty when everything is taken in.
    pub(super) prefix: String,
    /// The conditions of the statement hold for certain.
    pub(super) sure: bool,
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

/// The views of a principal's rights: paths to others whose every action it may hold.
pub(super) fn views(node: &Node<'_>) -> Vec<View> {
    let held = node.rights.grants.possible(Scope::Some);
    let assume = assume_role();
    let naming = naming(node.rights);
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
        let trusted = path.trusted;
        let holds =
            path.actions.iter().all(|a| held.contains(*a) || (trusted && Some(*a) == assume));
        if own || !holds || (path.target == Target::AnyGroup && !joins(node, path)) {
            continue;
        }
        let rest = rest(node, path);
        if rest.possible() {
            let named = named(&naming, path);
            out.push(View { named, ..view(node, index, path, rest) });
        }
    }
    out
}

fn view(node: &Node<'_>, index: usize, path: &Path, rest: Tri) -> View {
    let steady = steady(node, path);
    let ceiling = if path.potential { Tri::U } else { Tri::T };
    // A trust policy may let the principal in by itself, and rewritten policies are judged one by one.
    let by_identity = path.id != ASSUME && path.target != Target::PolicyOfOtherRole;
    let most = steady.filter(|_| by_identity).unwrap_or(Tri::T).and(rest).and(ceiling);
    let reaches = match (steady, narrowing_action(path)) {
        (None, Some((place, action))) => reaches(node, path, place, action),
        // Nothing narrows the targets.
        (None, None) => vec![Reaches { prefix: String::new(), sure: true }],
        (Some(_), _) => Vec::new(),
    };
    View { path: index, steady, rest, most, reaches, named: None, lifts: false }
}

/// The action of a path whose patterns say most about the target, with its place in the path.
pub(super) fn narrowing_action(path: &Path) -> Option<(usize, usize)> {
    let assume = assume_role();
    let pass = pass_role();
    let mut actions = path.actions.iter().copied().enumerate();
    match path.target {
        Target::PassRole(_) => pass.map(|a| (0, a)),
        Target::Existing(_) => None,
        _ if path.id == ASSUME => assume.map(|a| (0, a)),
        _ => actions.find(|(_, a)| Some(*a) != assume),
    }
}

/// Where the statements lead whose conditions may hold with the keys that the path sets. Of a path
/// that hands a role to several services the first is asked: the others only take away.
fn reaches(node: &Node<'_>, path: &Path, place: usize, action: usize) -> Vec<Reaches> {
    let home = &node.subject.home;
    let mut out = Vec::new();
    for (policy, _) in attachable(node, path) {
        let extra = match &path.target {
            Target::PassRole(services) => {
                services.first().map(|s| ("iam:passedtoservice", s.as_str())).into_iter().collect()
            }
            _ if path.id == ASSUME => Vec::new(),
            _ => keys(path, place, "", &policy),
        };
        let context = Setting { subject: node.subject, extra: &extra };
        let shapes = node.rights.shapes_under(action, &context).into_iter();
        out.extend(
            shapes.map(|(shape, m)| Reaches {
                prefix: literal_prefix(&shape, home),
                sure: m == Tri::T,
            }),
        );
    }
    out.sort_unstable();
    out.dedup();
    out
}

/// The text before the first wildcard of a pattern, with the own account in place of a wildcard one;
/// empty when the pattern takes everything in.
pub(super) fn literal_prefix(shape: &str, home: &arn::Home) -> String {
    let parts: Vec<&str> = shape.splitn(6, ':').collect();
    let until = |s: &str| s.split(['*', '?']).next().unwrap_or_default().to_owned();
    let [_, _, service, region, _, tail] = parts.as_slice() else { return until(shape) };
    // Case does not matter before the sixth part, and wildcards there stand for the own account.
    if !service.eq_ignore_ascii_case("iam") || !region.is_empty() {
        return if shape.contains(['*', '?']) { String::new() } else { shape.to_owned() };
    }
    format!("arn:{}:iam::{}:{}", home.partition, home.account, until(tail))
}

fn joins(node: &Node<'_>, path: &Path) -> bool {
    !path.needs.contains("principal=user") || node.subject.kind == SubjectKind::User
}

fn rest(node: &Node<'_>, path: &Path) -> Tri {
    let pass = pass_role();
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
    let assume = assume_role();
    let kind = match &path.target {
        Target::Existing(_) => return Some(Tri::T),
        Target::OtherUser => "user",
        Target::AnyGroup => "group",
        _ => "role",
    };
    let resource_of = |a: usize| shape(home, if on_policy(a) { "policy" } else { kind });
    if let Target::PassRole(services) = &path.target {
        let pass = pass_role()?;
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
        with_any_policy(node, path, "", |a, context| {
            if !acts(&a) {
                return Tri::T;
            }
            node.rights.decide(a, &resource_of(a).replace('*', "x"), context)
        })
    })
}

/// The role may be handed to all of these services.
fn passes(node: &Node<'_>, services: &[String], role: &str) -> Tri {
    let Some(pass) = pass_role() else { return Tri::F };
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
    let mut verdict = ceiling.and(view.rest).and(target_facts(&path.target_needs, target));
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
            // The way in says no for most, and is the same for all policies of the target.
            let way = assumes(node, path, target);
            let one = |p: &String| identity_on(node, path, target, Some(p));
            if way.possible() {
                Tri::any(target.attached_policies.iter().map(one)).and(way)
            } else {
                way
            }
        }
        _ if path.id == ASSUME => can_assume(node, target),
        _ => {
            let identity = view.steady.unwrap_or_else(|| identity_on(node, path, target, None));
            identity.and(assumes(node, path, target))
        }
    });
    if view.lifts && verdict.possible() {
        verdict = verdict.and(lifting(node, target).map_or(Tri::F, |(.., lifts)| lifts));
    }
    if verdict < least { Tri::F } else { verdict }
}

/// Every action on the target, or on the policy for actions on policies.
fn identity_on(node: &Node<'_>, path: &Path, target: &Node<'_>, policy: Option<&String>) -> Tri {
    let assume = assume_role();
    with_any_policy(node, path, &target.subject.arn, |a, context| {
        if Some(a) == assume {
            return Tri::T;
        }
        let on = if on_policy(a) { policy } else { Some(&target.subject.arn) };
        on.map_or(Tri::F, |r| node.rights.decide(a, r, context))
    })
}

/// The part of a path that assumes the target.
fn assumes(node: &Node<'_>, path: &Path, target: &Node<'_>) -> Tri {
    let Some(assume) = assume_role() else { return Tri::F };
    if path.trusted {
        can_assume(node, target)
    } else if path.rewrites_trust {
        // Trust that the path itself rewrites lets the principal in; only a Deny can stop it.
        node.rights.not_denied(assume, &target.subject.arn, node.subject)
    } else {
        Tri::T
    }
}

/// How the ARNs of the sessions of a role begin; `None` for what has no sessions. The path of the role is
/// not in them.
pub(super) fn sessions(subject: &Subject) -> Option<String> {
    let Subject { home, name, kind, .. } = subject;
    (*kind == SubjectKind::Role)
        .then(|| format!("arn:{}:sts::{}:assumed-role/{name}", home.partition, home.account))
}

/// The start of a session's ARN that all sessions of its role share, and the name of the session; `None`
/// when a trusted party is no session.
pub(super) fn session_of(trusted: &str) -> Option<(&str, &str)> {
    let (sessions, name) = trusted.rsplit_once('/')?;
    let (head, role) = sessions.rsplit_once(":assumed-role/")?;
    (head.starts_with("arn:") && head.contains(":sts::") && !role.contains('/') && !name.is_empty())
        .then_some((sessions, name))
}

/// Whether a principal may assume a role of the export (5.4.5). A trust policy that names one session of
/// a role leaves it open: whoever assumes that role chooses the name of the session.
#[must_use]
pub fn can_assume(node: &Node<'_>, role: &Node<'_>) -> Tri {
    let Some(action) = assume_role() else { return Tri::F };
    let me = node.subject;
    let same_account = me.home == role.subject.home;
    let (mut direct, mut account, mut denied) = (Tri::F, Tri::F, Tri::F);
    let sessions = sessions(me);
    for rule in role.trust.iter().filter(|r| r.assume) {
        let session = sessions.as_deref().is_some_and(|own| is_session(&rule.trusted, own));
        let named = rule.trusted == me.arn || session;
        let any = rule.kind == "any";
        let mine = rule.trusted == me.home.account || is_root(&rule.trusted, &me.home);
        if !(named || any || mine || rule.trusted.starts_with("not:")) {
            continue;
        }
        let mut m = rule.condition.evaluate(me, true);
        if rule.doubtful || session {
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

/// Whether a trusted party is a session of the role whose sessions begin so.
pub(super) fn is_session(trusted: &str, sessions: &str) -> bool {
    session_of(trusted).is_some_and(|(of, _)| of == sessions)
}

/// Whether a trusted party is the account itself.
pub(super) fn is_root(trusted: &str, home: &arn::Home) -> bool {
    let account = trusted
        .strip_prefix("arn:")
        .and_then(|t| t.strip_prefix(home.partition.as_str()))
        .and_then(|t| t.strip_prefix(":iam::"))
        .and_then(|t| t.strip_suffix(":root"));
    account == Some(home.account.as_str())
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
fn target_facts(needs: &[Need], target: &Node<'_>) -> Tri {
    let known = |value: Option<bool>| value.map_or(Tri::U, Tri::from_bool);
    Tri::all(needs.iter().map(|need| match need {
        Need::FewerKeysThanTwo => known(target.access_keys.map(|n| n < 2)),
        Need::TwoKeys => known(target.access_keys.map(|n| n >= 2)),
        Need::LoginProfile => known(target.login_profile),
        Need::NoLoginProfile => known(target.login_profile.map(|b| !b)),
        Need::InstanceProfile => known(target.instance_profile),
        Need::NoInstanceProfile => known(target.instance_profile.map(|b| !b)),
        Need::Unseen => Tri::U,
    }))
}
