//! One request against all layers of policies (5.4): identity and group policies, permission boundary,
//! service and resource control policies, session policy, resource policy or trust policy.
//!
//! [`decide`] gives the verdict alone and allocates nothing (policy values that need a decoded date or a
//! pattern with many variables aside); [`explain`] gives the statements and conditions it rests on.

mod explain;
mod party;
mod program;
mod special;

pub use explain::{Deciding, Explanation, Layer, Open, explain};
pub use program::{Line, Padding, Program, Programs};
pub use special::{asks_trust, lacks_policies};

use super::action::catalogue;
use super::arn;
use super::condition::Context;
use super::document::Effect;
use super::tri::Tri;
use party::Named;

/// Outcome of a decision (5.4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Allowed under every completion of what is unknown.
    Allow,
    /// Depends on what is unknown.
    Conditional,
    /// Nothing allows it, or a ceiling does not.
    Deny,
    /// A Deny statement forbids it.
    ExplicitDeny,
}

impl Verdict {
    /// The word for people and programs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Conditional => "conditional",
            Self::Deny | Self::ExplicitDeny => "deny",
        }
    }
}

/// An action asked for.
#[derive(Clone, Copy, Debug)]
pub struct Action<'a> {
    /// As `service:Name`.
    pub text: &'a str,
    /// Its place in the catalogue, if it is there.
    pub id: Option<usize>,
}

impl<'a> Action<'a> {
    /// Looks an action up.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { text, id: catalogue().id(text) }
    }

    /// An action of the catalogue.
    #[must_use]
    pub fn known(id: usize) -> Action<'static> {
        Action { text: catalogue().name(id), id: Some(id) }
    }
}

/// A resource asked for: its first five parts and its sixth; none for `*`.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Head (first five parts) and tail of the ARN; `None` when it is `*` or no ARN.
    pub arn: Option<(&'a str, &'a str)>,
}

/// Kind of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallerKind {
    /// IAM user.
    User,
    /// Session of an IAM role.
    Role,
    /// Root user of an account.
    Root,
    /// AWS service; `arn` is its name (`lambda.amazonaws.com`).
    Service,
    /// Identity of a provider that assumes a role; `arn` is the provider as trust policies name it.
    Federated,
}

impl CallerKind {
    /// Users, roles and root users belong to an account.
    #[must_use]
    pub const fn has_account(self) -> bool {
        matches!(self, Self::User | Self::Role | Self::Root)
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// Kind.
    pub kind: CallerKind,
    /// ARN; of a role session, that of the role.
    pub arn: &'a str,
    /// Account id; empty for services and providers.
    pub account: &'a str,
    /// Name of the role session, when known.
    pub session: Option<&'a str>,
    /// Unique id (`AIDA...`, `AROA...`), when known.
    pub unique_id: Option<&'a str>,
    /// The account manages the organisation: no service control policy limits it (5.4.7).
    pub management: Tri,
    /// A permission boundary is set (5.4.8).
    pub bounded: bool,
}

impl<'a> Caller<'a> {
    /// Name without path.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.arn.rsplit('/').next().unwrap_or_default()
    }

    /// Role that a service made for itself; organisation policies do not limit it (5.4.7).
    #[must_use]
    pub fn service_linked(&self) -> bool {
        self.kind == CallerKind::Role && self.arn.contains(":role/aws-service-role/")
    }
}

/// One request.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Who asks.
    pub caller: Caller<'a>,
    /// For what.
    pub action: Action<'a>,
    /// On what.
    pub target: Target<'a>,
    /// Account that owns the resource; `None` when it is not known.
    pub resource_account: Option<&'a str>,
    /// That account manages the organisation: no resource control policy limits what is in it.
    pub resource_management: Tri,
    /// Context keys.
    pub context: &'a dyn Context,
}

impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { caller, action, target, resource_account, resource_management, .. } = self;
        f.debug_struct("Request")
            .field("caller", caller)
            .field("action", action)
            .field("target", target)
            .field("resource_account", resource_account)
            .field("resource_management", resource_management)
            .finish_non_exhaustive()
    }
}

impl<'a> Target<'a> {
    /// The resource of a request; actions without resource type are asked on `*` (5.2.4).
    #[must_use]
    pub fn new(action: &Action<'_>, resource: &'a str) -> Self {
        let lone = action.id.is_some_and(|id| catalogue().wildcard_only().contains(id));
        Self { arn: if lone { None } else { arn::split_tail(resource) } }
    }
}

/// A policy in a layer.
#[derive(Clone, Copy, Debug)]
pub struct Attached<'a> {
    /// Policy ARN or other identifier.
    pub id: &'a str,
    /// Version in force, when known.
    pub version: Option<&'a str>,
    /// Content; `None` when the inputs lack the document: then nothing about it is known (5.1.1).
    pub program: Option<&'a Program>,
}

/// One level of organisation policies: root, unit or account.
#[derive(Clone, Copy, Debug)]
pub struct Level<'a> {
    /// Node the policies are attached to.
    pub id: &'a str,
    /// Policies attached there.
    pub policies: &'a [Attached<'a>],
    /// Whether the level lies above the account; undecided when the tree is not known.
    pub applies: Tri,
}

/// The policy of the resource.
#[derive(Clone, Copy, Debug, Default)]
pub enum ResourcePolicy<'a> {
    /// The inputs do not have it.
    #[default]
    NotSupplied,
    /// The resource has none.
    Absent,
    /// This one.
    Policy(Attached<'a>),
}

/// All layers of a decision.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layers<'a> {
    /// Own policies and those of groups.
    pub identity: &'a [Attached<'a>],
    /// Permission boundary.
    pub boundary: Option<Attached<'a>>,
    /// Session policies; `None` when the session has none.
    pub session: Option<&'a [Attached<'a>]>,
    /// Service control policies by level; `None` when they were not supplied.
    pub scps: Option<&'a [Level<'a>]>,
    /// Resource control policies by level; `None` when they were not supplied.
    pub rcps: Option<&'a [Level<'a>]>,
    /// Resource policy, or trust policy of a role.
    pub resource: ResourcePolicy<'a>,
    /// Policy of the network endpoint; `None` when there is none.
    pub endpoint: Option<Attached<'a>>,
}

/// Allow and Deny of one layer (5.4.2).
#[derive(Clone, Copy, Debug)]
struct Sides {
    allow: Tri,
    deny: Tri,
}

impl Sides {
    const SILENT: Self = Self { allow: Tri::F, deny: Tri::F };

    fn or(self, other: Self) -> Self {
        Self { allow: self.allow.or(other.allow), deny: self.deny.or(other.deny) }
    }
}

fn one(request: &Request<'_>, policy: &Attached<'_>, padding: Padding) -> Sides {
    let Some(program) = policy.program else { return Sides { allow: Tri::U, deny: Tri::U } };
    let mut out = Sides::SILENT;
    for line in &program.lines {
        let side = match line.effect {
            Effect::Allow => &mut out.allow,
            Effect::Deny => &mut out.deny,
        };
        if *side != Tri::T {
            let m = line.speaks(&request.action, &request.target, padding, request.context);
            *side = side.or(m);
        }
    }
    out
}

fn all(request: &Request<'_>, policies: &[Attached<'_>], padding: Padding) -> Sides {
    policies.iter().fold(Sides::SILENT, |acc, p| acc.or(one(request, p, padding)))
}

/// What a resource-based policy says to the caller.
#[derive(Clone, Copy, Debug)]
struct Consent {
    named: Named,
    deny: Tri,
}

fn consent(request: &Request<'_>, policy: &ResourcePolicy<'_>) -> Consent {
    let policy = match policy {
        ResourcePolicy::Policy(p) => p,
        ResourcePolicy::Absent => return Consent { named: Named::NOBODY, deny: Tri::F },
        ResourcePolicy::NotSupplied => {
            let named = Named { account: Tri::U, ..Named::NOBODY };
            return Consent { named, deny: Tri::F };
        }
    };
    let Some(program) = policy.program else {
        return Consent { named: Named { itself: Tri::U, ..Named::NOBODY }, deny: Tri::U };
    };
    let mut out = Consent { named: Named::NOBODY, deny: Tri::F };
    for line in &program.lines {
        let named = party::of(line, &request.caller);
        if named.any() == Tri::F {
            continue;
        }
        let m = line.speaks(&request.action, &request.target, Padding::AnyStar, request.context);
        match line.effect {
            Effect::Allow => out.named = out.named.or(named.and(m)),
            Effect::Deny => out.deny = out.deny.or(named.any().and(m)),
        }
    }
    out
}

/// Everything a verdict rests on.
#[derive(Clone, Copy, Debug)]
struct Weighed {
    deny: Tri,
    grant: Tri,
    /// Service control policies and endpoint.
    ceiling: Tri,
    identity: Tri,
    boundary: Tri,
    session: Tri,
    consent: Consent,
    same_account: Tri,
    needs_consent: bool,
}

/// Who no service control policy limits (5.4.7).
fn scp_exempt(caller: &Caller<'_>) -> Tri {
    if !caller.kind.has_account() || caller.service_linked() { Tri::T } else { caller.management }
}

/// Whether resource control policies reach this action (5.4.3).
#[must_use]
pub fn under_resource_policies(action: &str) -> bool {
    special::under_rcp(action)
}

/// Whom and what no resource control policy limits (5.4.3).
fn rcp_exempt(request: &Request<'_>) -> Tri {
    if request.caller.service_linked() {
        return Tri::T;
    }
    request.resource_management.or(Tri::from_bool(!special::under_rcp(request.action.text)))
}

fn weigh(request: &Request<'_>, layers: &Layers<'_>) -> Weighed {
    let caller = &request.caller;
    let root = caller.kind == CallerKind::Root;
    let identity = if root {
        Sides { allow: Tri::T, deny: Tri::F }
    } else {
        all(request, layers.identity, Padding::Always)
    };
    let open = Sides { allow: Tri::T, deny: Tri::F };
    let boundary = layers.boundary.as_ref().map_or(open, |b| one(request, b, Padding::Always));
    let session = layers.session.map_or(open, |s| all(request, s, Padding::Always));
    let consent = consent(request, &layers.resource);
    let mut deny = identity.deny.or(boundary.deny).or(session.deny).or(consent.deny);
    let mut ceiling = Tri::T;
    let exempt = scp_exempt(caller);
    if exempt != Tri::T {
        for level in layers.scps.unwrap_or_default() {
            let s = all(request, level.policies, Padding::TrailingStar);
            ceiling = ceiling.and(s.allow.or(!level.applies).or(exempt));
            deny = deny.or(s.deny.and(level.applies).and(!exempt));
        }
    }
    let exempt = rcp_exempt(request);
    if exempt != Tri::T {
        for level in layers.rcps.unwrap_or_default() {
            let s = resource_control(request, level.policies);
            deny = deny.or(s.and(level.applies).and(!exempt));
        }
    }
    if let Some(endpoint) = &layers.endpoint {
        let s = one(request, endpoint, Padding::Always);
        ceiling = ceiling.and(s.allow);
        deny = deny.or(s.deny);
    }
    let same_account = match request.resource_account {
        // What the provider owns (its managed policies) is there for every account.
        Some(a) => Tri::from_bool(a == caller.account || a == "aws"),
        None => Tri::U,
    };
    let mut out = Weighed {
        deny,
        grant: Tri::F,
        ceiling,
        identity: identity.allow,
        boundary: boundary.allow,
        session: session.allow,
        consent,
        same_account,
        needs_consent: special::needs_consent(request),
    };
    out.grant = grant(caller, &out, layers);
    out
}

/// Deny of resource control policies; they name everybody.
fn resource_control(request: &Request<'_>, policies: &[Attached<'_>]) -> Tri {
    all(request, policies, Padding::Never).deny
}

/// 5.4.5.
fn grant(caller: &Caller<'_>, w: &Weighed, layers: &Layers<'_>) -> Tri {
    let named = w.consent.named;
    if !caller.kind.has_account() {
        return named.itself;
    }
    let supplied = !matches!(layers.resource, ResourcePolicy::NotSupplied);
    let own = w.identity.and(w.boundary).and(w.session);
    let same = || {
        let direct = if supplied {
            let limited = named.role.and(w.boundary).or(named.itself);
            named.session.or(limited.and(w.session))
        } else {
            Tri::F
        };
        direct.or(if w.needs_consent { own.and(named.account) } else { own })
    };
    let cross = || named.any().and(own);
    match w.same_account {
        Tri::T => same(),
        Tri::F => cross(),
        Tri::U => {
            let (a, b) = (same(), cross());
            if a == b { a } else { Tri::U }
        }
    }
}

impl Weighed {
    /// 5.4.6.
    fn verdict(&self) -> Verdict {
        if self.deny == Tri::T {
            return Verdict::ExplicitDeny;
        }
        match self.grant.and(self.ceiling) {
            Tri::F => Verdict::Deny,
            Tri::T if self.deny == Tri::F => Verdict::Allow,
            _ => Verdict::Conditional,
        }
    }
}

/// Decides a request.
#[must_use]
pub fn decide(request: &Request<'_>, layers: &Layers<'_>) -> Verdict {
    match special::fixed(request) {
        Some((verdict, _)) => verdict,
        None => weigh(request, layers).verdict(),
    }
}

#[cfg(test)]
mod tests;
