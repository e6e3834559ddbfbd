//! What stands behind each hop of a path: its actions, the statements that allow them, and what stays
//! undecided.

use super::action::catalogue;
use super::arn;
use super::bounded::{lifting, lifting_keys};
use super::condition::Context;
use super::document::Effect;
use super::escalation::Node;
use super::evaluate::{Decider, Setting, SubjectKind};
use super::hops::{is_session, session_of, sessions};
use super::own::{attachable, keys};
use super::paths::{Path, Target, administrator, lifts, paths};
use super::reached::{Change, Hop};
use super::tri::Tri;

/// One action of a hop.
#[derive(Clone, Debug)]
pub struct Act<'a> {
    /// Action.
    pub action: &'static str,
    /// Resource; `None` = any resource will do.
    pub on: Option<String>,
    /// Statements that decide: those that allow it, and undecided ones.
    pub deciders: Vec<Decider<'a>>,
}

impl<'a> Act<'a> {
    /// The statement that carries the action: certain before conditional, in the order of policies.
    #[must_use]
    pub fn witness(&self) -> Option<&Decider<'a>> {
        let allows = self.deciders.iter().filter(|d| {
            d.binding.is_some() && d.statement.effect == Effect::Allow && d.verdict.possible()
        });
        allows.rev().max_by_key(|d| d.verdict)
    }

    /// Texts of conditions that the verdict depends on; none when a statement allows for certain and
    /// none may deny.
    #[must_use]
    pub fn conditions(&self) -> Vec<String> {
        let certain = self.witness().is_some_and(|w| w.verdict == Tri::T);
        let open = self.deciders.iter().filter(|d| d.verdict == Tri::U);
        let texts = open.filter_map(|d| {
            let text = &d.statement.condition_text;
            match d.statement.effect {
                _ if text.is_empty() => None,
                Effect::Deny => Some(format!("unless {text}")),
                Effect::Allow if d.binding.is_some() && certain => None,
                Effect::Allow => Some(text.clone()),
            }
        });
        texts.collect()
    }
}

/// What a known technique is.
#[derive(Clone, Debug)]
pub struct Technique {
    /// Identifier (`iam-005`).
    pub id: &'static str,
    /// Name.
    pub name: &'static str,
    /// Services that are handed a role, or run with one.
    pub services: Vec<&'static str>,
    /// Needs an existing resource that the inputs do not show.
    pub potential: bool,
}

/// The technique of a hop.
#[must_use]
pub fn technique(hop: &Hop) -> Option<Technique> {
    let path = paths().get(hop.path)?;
    let services = match &path.target {
        Target::PassRole(services) => services.iter().map(String::as_str).collect(),
        Target::Existing(service) => service.iter().copied().collect(),
        _ => Vec::new(),
    };
    Some(Technique { id: &path.id, name: &path.name, services, potential: path.potential })
}

/// The actions of a hop with what decides them.
#[must_use]
pub fn acts<'n>(from: &Node<'n>, to: &Node<'_>, hop: &Hop) -> Vec<Act<'n>> {
    let Some(path) = paths().get(hop.path) else { return Vec::new() };
    let admin = attached(path, from, to, hop);
    let lifted = hop.change.is_some_and(Change::lifts).then(|| lift(from, to)).flatten();
    let places = path.actions.iter().enumerate();
    let done = places.filter_map(|(place, action)| {
        let name = catalogue().name(*action);
        let on = resource(path, name, to, hop, from);
        let about = on.clone().unwrap_or_default();
        let mut extra = keys(path, place, &about, &admin);
        if name == "iam:PassRole"
            && let Target::PassRole(services) = &path.target
            && let Some(service) = services.first()
        {
            extra.push(("iam:passedtoservice", service.as_str()));
        }
        let context: &dyn Context = &Setting { subject: from.subject, extra: &extra };
        let deciders = from.rights.deciders(*action, on.as_deref(), context);
        // The way in by a trust policy that names the principal needs no statement of its own.
        let trusted = name == "sts:AssumeRole" && deciders.is_empty();
        (!trusted).then_some(Act { action: name, on, deciders })
    });
    lifted.into_iter().chain(done).collect()
}

/// The action that takes the boundary of the target away.
fn lift<'n>(from: &Node<'n>, to: &Node<'_>) -> Option<Act<'n>> {
    let (place, on, _) = lifting(from, to)?;
    let action = *lifts().get(place)?;
    let admin = administrator(&from.subject.home.partition);
    let extra = lifting_keys(action, to, &admin);
    let context: &dyn Context = &Setting { subject: from.subject, extra: &extra };
    let deciders = from.rights.deciders(action, Some(&on), context);
    Some(Act { action: catalogue().name(action), on: Some(on), deciders })
}

/// The policy that a path attaches: of those that administrate the first that serves best.
fn attached(path: &Path, from: &Node<'_>, to: &Node<'_>, hop: &Hop) -> String {
    let mut best: Option<(Tri, String)> = None;
    for (policy, admin) in attachable(from, path) {
        let each = path.actions.iter().enumerate().map(|(place, action)| {
            let on = resource(path, catalogue().name(*action), to, hop, from);
            let about = on.unwrap_or_default();
            let extra = keys(path, place, &about, &policy);
            from.rights.decide(*action, &about, &Setting { subject: from.subject, extra: &extra })
        });
        let verdict = Tri::all(each).and(admin);
        if best.as_ref().is_none_or(|(have, _)| verdict > *have) {
            best = Some((verdict, policy));
        }
    }
    best.map_or_else(|| administrator(&from.subject.home.partition), |(_, policy)| policy)
}

/// What an action of a path is done on.
fn resource(
    path: &Path,
    action: &str,
    to: &Node<'_>,
    hop: &Hop,
    from: &Node<'_>,
) -> Option<String> {
    let target = || Some(to.subject.arn.clone());
    match &path.target {
        Target::PassRole(_) => {
            if action == "iam:PassRole" {
                target()
            } else {
                None
            }
        }
        Target::Existing(_) => None,
        Target::PolicyOfOtherRole if action == "iam:CreatePolicyVersion" => {
            let may = |p: &&String| from.rights.shapes_match(action, p);
            to.attached_policies.iter().find(may).cloned()
        }
        Target::OwnUser | Target::OwnRole => Some(from.subject.arn.clone()),
        Target::OwnPolicy => {
            let r = hop.resource.as_deref().unwrap_or_default();
            Some(r.split(" version ").next().unwrap_or_default().to_owned())
        }
        Target::OwnGroup | Target::NewRole => hop.resource.clone(),
        _ => target(),
    }
}

/// What about the target of a hop is undecided: conditions of its trust policy, facts that the inputs
/// do not say.
#[must_use]
pub fn open_questions(from: &Node<'_>, to: &Node<'_>, hop: &Hop) -> Vec<String> {
    let Some(path) = paths().get(hop.path) else { return Vec::new() };
    let mut out = Vec::new();
    let assumes = path.actions.iter().any(|a| catalogue().name(*a) == "sts:AssumeRole");
    let root =
        format!("arn:{}:iam::{}:root", from.subject.home.partition, from.subject.home.account);
    let service = |s: &str| match &path.target {
        Target::PassRole(list) => list.iter().any(|x| x.eq_ignore_ascii_case(s)),
        Target::Existing(Some(one)) => one.eq_ignore_ascii_case(s),
        _ => false,
    };
    let own_sessions = sessions(from.subject);
    let by_session = |who: &str| own_sessions.as_deref().is_some_and(|own| is_session(who, own));
    for rule in to.trust.iter().filter(|r| r.assume) {
        if assumes
            && by_session(&rule.trusted)
            && let Some((_, name)) = session_of(&rule.trusted)
        {
            let word = if rule.allow { "only" } else { "unless" };
            out.push(format!("trust: {word} in a session with the name `{name}`"));
        }
        if rule.condition_text.is_empty() {
            continue;
        }
        let about = if rule.kind == "service" {
            service(&rule.trusted)
        } else {
            assumes
                && (rule.kind == "any"
                    || rule.trusted == from.subject.arn
                    || by_session(&rule.trusted)
                    || rule.trusted == root
                    || rule.trusted == from.subject.home.account)
        };
        let decided = rule.kind != "service"
            && !rule.doubtful
            && rule.condition.evaluate(from.subject, true) != Tri::U;
        if about && !decided {
            let word = if rule.allow { "trust: " } else { "trust: unless " };
            out.push(format!("{word}{}", rule.condition_text));
        }
    }
    let name = &to.subject.name;
    for need in &path.needs {
        let (unknown, what) = match need.as_str() {
            "access_keys<2" | "access_keys=2" => (to.access_keys.is_none(), "access keys"),
            "login_profile" | "no_login_profile" => {
                (to.login_profile.is_none(), "console password")
            }
            "instance_profile" | "no_instance_profile" => {
                (to.instance_profile.is_none(), "instance profile")
            }
            _ => (false, ""),
        };
        if unknown {
            out.push(format!("{what} of `{name}` not in the inputs"));
        }
    }
    out
}

/// Kind and name of a principal, for people: user `alice`.
#[must_use]
pub fn title(node: &Node<'_>) -> String {
    let kind = match node.subject.kind {
        SubjectKind::User => "user",
        SubjectKind::Role => "role",
        SubjectKind::Group => "group",
        // What somebody may do with a permission set in an account.
        SubjectKind::Policy => "permission set",
    };
    format!("{kind} `{}`", node.subject.name)
}

/// Whether two principals are of one account.
#[must_use]
pub fn same_account(a: &Node<'_>, b: &Node<'_>) -> bool {
    a.subject.home == b.subject.home
}

impl super::evaluate::Rights<'_> {
    /// Whether some Allow pattern for an action takes a resource in.
    fn shapes_match(&self, action: &str, resource: &str) -> bool {
        let Some(id) = catalogue().id(action) else { return false };
        self.shapes(id).iter().any(|s| arn::matches(s, resource))
    }
}
