//! What is held on every platform but AWS, in one form.
//!
//! A platform reads its own base facts with its own semantics and says what each binding gives
//! ([`Held`]) and by which steps one identity becomes another ([`Edge`]). Holdings, identities and
//! escalation paths are made of that here, the same way for all, so that a path may cross platforms: a
//! pod, the cloud role it acts as, the account that role administers.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::reach::activity::Activity;
use super::reach::people::People;
use crate::facts::{Facts, Standing, Text, Tier, Time, Tri, TrustFact};
use crate::privilege::class::{Breadth, ClassSet};
use crate::settings::Settings;

mod azure;
mod cross;
mod gcp;
mod gke;
mod k8s;
mod paths;
mod protections;
mod repositories;
mod rows;
mod services;

pub use paths::escalations;
pub use rows::{holdings, on_escalating, on_identities, repeats};

/// All platforms. Adding one is a line here.
static PLATFORMS: &[&dyn Platform] = &[
    &k8s::KUBERNETES,
    &azure::AZURE,
    &services::postgres::POSTGRES,
    &gcp::GCP,
    &services::vault::VAULT,
    &services::github::GITHUB,
    &services::okta::OKTA,
    &services::snowflake::SNOWFLAKE,
    // One line each.
];

/// One platform's semantics over the facts.
pub trait Platform: Sync {
    /// Words of the `platform` columns that it judges.
    fn names(&self) -> &'static [&'static str];

    /// What the facts say about the platform. Called only when some base row is of the platform.
    fn read(&self, world: &World<'_>) -> Estate;

    /// Tier, on a whole account, of a role or permission that only a ledger names, from the embedded
    /// catalogue of the platform's own roles; `None` when it is not in there.
    fn tier_of(&self, privilege: &str) -> Option<Tier> {
        let _ = privilege;
        None
    }
}

/// What a platform may consult.
pub struct World<'a> {
    /// Base facts with resolved identities.
    pub facts: &'a Facts,
    /// Settings.
    pub settings: &'a Settings,
    /// As-of time.
    pub as_of: Time,
    /// All principals.
    pub people: &'a People,
    /// Use by principal.
    pub activity: &'a Activity,
}

impl std::fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("as_of", &self.as_of).finish_non_exhaustive()
    }
}

/// What one or all platforms say.
#[derive(Clone, Debug, Default)]
pub struct Estate {
    /// What each binding gives.
    pub held: Vec<Held>,
    /// Steps from one identity to another.
    pub edges: Vec<Edge>,
    /// Ends of paths besides principals that are administrators by what they hold.
    pub goals: Vec<Goal>,
    /// Trust in parties outside, and federation.
    pub trusts: Vec<TrustFact>,
    /// Principals that the platform itself made and that nobody is to fix: they are counted, and are no
    /// start of a path.
    pub provider_owned: BTreeSet<Text>,
    /// Principals that no inventory lists and that a path may begin at: repositories whose runs sign in.
    pub people: People,
    /// Principals whose content the inputs do not show whole, with the reason.
    pub unknown: BTreeMap<Text, Text>,
    /// Tier by content of a role, by platform and by identifier and name; `None` where one name stands
    /// for several contents of different tier.
    pub tiers: BTreeMap<(Text, Text), Option<Tier>>,
}

/// What one binding gives one principal: after deny, exceptions and conditions.
#[derive(Clone, Debug)]
pub struct Held {
    /// Principal, canonical. Members hold what a group gives, each by its own row; a group without known
    /// members holds it itself.
    pub principal: Text,
    /// Platform.
    pub platform: Text,
    /// Cluster, project, tenant.
    pub realm: Option<Text>,
    /// Name of the role.
    pub privilege: Text,
    /// Key into `roles`.
    pub role_id: Text,
    /// Scope, canonical.
    pub scope: Text,
    /// Breadth of the scope.
    pub breadth: Breadth,
    /// Way it reaches the principal (`direct`, `group:...`).
    pub via: Vec<Text>,
    /// Classes certainly held.
    pub certain: ClassSet,
    /// Classes held for certain or if undecided conditions are met.
    pub possible: ClassSet,
    /// Why the content is not known (`role_unexpanded`, `malformed`); the classes are then empty.
    pub unknown: Option<Text>,
    /// Embedded catalogue, with its date, that the content is taken from; null when the inputs define it.
    pub basis: Option<Text>,
    /// Standing state. A `residue` has no effect, whatever the classes say it would give.
    pub standing: Standing,
    /// Why it is residue.
    pub residue: Option<Text>,
    /// Start of validity.
    pub not_before: Option<Time>,
    /// End of validity.
    pub not_after: Option<Time>,
    /// Undecided conditions.
    pub conditions: Vec<Text>,
    /// Wildcard permissions.
    pub wildcards: Vec<Text>,
    /// Number of permissions, where they can be counted.
    pub n_actions: Option<i64>,
    /// The strongest permissions, at most twelve.
    pub strongest: Vec<Text>,
    /// Default of the platform, which it would restore: counted, never a finding.
    pub provider_owned: bool,
    /// The role is the provider's own, wildcards included.
    pub by_provider: bool,
    /// End that a person wrote down, and where. Nothing enforces it.
    pub claimed: Option<(Time, Text)>,
    /// What activating it asks for, when it is eligible and the inputs say so.
    pub activation: Option<Activation>,
    /// A broker or a purpose with an end left its mark on it.
    pub temporary: bool,
    /// Use, where the platform knows it by binding; else the use by the identity counts.
    pub used: Option<Use>,
    /// Normal form of the permissions, for the digest of the state: equal text, equal privilege.
    pub normal: String,
    /// Evidence.
    pub refs: Vec<(Text, Text)>,
}

impl Default for Held {
    fn default() -> Self {
        Self {
            principal: Text::default(),
            platform: Text::default(),
            realm: None,
            privilege: Text::default(),
            role_id: Text::default(),
            scope: Text::default(),
            breadth: Breadth::Resource,
            via: Vec::new(),
            certain: ClassSet::EMPTY,
            possible: ClassSet::EMPTY,
            unknown: None,
            basis: None,
            standing: Standing::Standing,
            residue: None,
            not_before: None,
            not_after: None,
            conditions: Vec::new(),
            wildcards: Vec::new(),
            n_actions: None,
            strongest: Vec::new(),
            provider_owned: false,
            by_provider: false,
            claimed: None,
            activation: None,
            temporary: false,
            used: None,
            normal: String::new(),
            refs: Vec::new(),
        }
    }
}

/// What activating an eligible binding asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activation {
    /// The approval of somebody else.
    pub approval: Option<bool>,
    /// A reason or a ticket.
    pub reason: Option<bool>,
    /// A second factor, or a sign-in of a stated strength.
    pub mfa: Option<bool>,
    /// Longest activation, seconds.
    pub max_s: Option<i64>,
    /// Who approves.
    pub approvers: Vec<Text>,
}

/// Use of one binding.
#[derive(Clone, Debug, Default)]
pub struct Use {
    /// Last use.
    pub last: Option<Time>,
    /// Used inside the observation window; null when the source cannot say.
    pub used: Option<bool>,
    /// Days without use.
    pub idle_days: Option<i64>,
    /// Why it cannot be said.
    pub unknown: Option<Text>,
}

/// One step from an identity to another, or a relation that is no step of its own.
///
/// Nodes are canonical principal ids, or names of junctions (`k8s#any service account of ns pay`): a
/// right that reaches a thousand accounts is one edge to a junction and one from it to each of them.
#[derive(Clone, Debug)]
pub struct Edge {
    /// Start.
    pub from: Text,
    /// End.
    pub to: Text,
    /// Identifier of the technique; empty for a relation.
    pub technique: Text,
    /// Sentence: who does what on what, by which binding. Empty for a relation (membership, junction),
    /// which costs no hop.
    pub step: Text,
    /// `Yes`, or `Conditional` when it depends on conditions that the inputs do not decide.
    pub verdict: Tri,
    /// Needs a partner or a fact of the environment that the inputs do not show.
    pub potential: bool,
    /// Undecided conditions.
    pub conditions: Vec<Text>,
    /// End of validity of the right.
    pub not_after: Option<Time>,
    /// Evidence.
    pub refs: Vec<(Text, Text)>,
}

impl Edge {
    /// A relation: membership, or the way through a junction.
    #[must_use]
    pub fn relation(from: Text, to: Text) -> Self {
        Self {
            from,
            to,
            technique: Text::default(),
            step: Text::default(),
            verdict: Tri::Yes,
            potential: false,
            conditions: Vec::new(),
            not_after: None,
            refs: Vec::new(),
        }
    }
}

/// End of a path that is no principal: the administration of a cluster, a project, a tenant.
#[derive(Clone, Debug)]
pub struct Goal {
    /// Node.
    pub node: Text,
    /// What it is, as a report names it.
    pub title: Text,
    /// Tier of who gets there.
    pub tier: Tier,
    /// Full or equivalent administration of the realm.
    pub admin: bool,
}

impl Estate {
    fn append(&mut self, mut other: Self) {
        self.held.append(&mut other.held);
        self.edges.append(&mut other.edges);
        self.goals.append(&mut other.goals);
        self.trusts.append(&mut other.trusts);
        self.provider_owned.append(&mut other.provider_owned);
        self.unknown.append(&mut other.unknown);
        self.people.append(&mut other.people);
        for (key, tier) in other.tiers {
            self.put_tier(key.0, key.1, tier);
        }
    }

    /// Notes the tier of a role by identifier or name.
    pub fn put_tier(&mut self, platform: Text, name: Text, tier: Option<Tier>) {
        self.tiers
            .entry((platform, name))
            .and_modify(|have| {
                if *have != tier {
                    *have = None;
                }
            })
            .or_insert(tier);
    }
}

/// Platforms that some base row is of.
fn present(facts: &Facts) -> BTreeSet<&str> {
    let principals = facts.principals.iter().filter_map(|p| p.platform.as_deref());
    let roles = facts.roles.iter().map(|r| &*r.platform);
    let entitlements = facts.entitlements.iter().map(|e| &*e.platform);
    let links = facts.links.iter().map(|l| &*l.platform);
    principals.chain(roles).chain(entitlements).chain(links).collect()
}

/// Reads every platform that the inputs show, in the order of registration.
#[must_use]
pub fn read(world: &World<'_>) -> Estate {
    let present = present(world.facts);
    let there = |p: &&&dyn Platform| p.names().iter().any(|n| present.contains(n));
    let platforms: Vec<&&dyn Platform> = PLATFORMS.iter().filter(there).collect();
    let all: Vec<Estate> = platforms.par_iter().map(|p| p.read(world)).collect();
    let mut out = Estate::default();
    for estate in all {
        out.append(estate);
    }
    cross::add(world, &mut out);
    out
}

/// Tier of a privilege that a ledger names, by the platform's own catalogue.
#[must_use]
pub fn tier_of(platform: Option<&str>, privilege: &str) -> Option<Tier> {
    let of = |p: &&&dyn Platform| platform.is_some_and(|name| p.names().contains(&name));
    PLATFORMS.iter().filter(of).find_map(|p| p.tier_of(privilege))
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;
