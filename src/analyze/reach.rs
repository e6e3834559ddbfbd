//! Who holds what: IAM content evaluated per principal, with activity, ownership and trust. AWS is
//! evaluated here; every other platform in [`super::estate`].
//!
//! A holding is what one binding contributes after the principal's every Deny and its boundary;
//! `combined` holds what only the union of several bindings reaches. Columns about ledger, tasks and
//! baseline stay null here; reconciliation fills them.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::estate;
use rayon::prelude::*;

use super::index::Tiers;
use crate::facts::store::evidence_ref;
use crate::facts::{
    CredentialFact, Escalation, ExposureFact, Facts, Holding, IdentityFact, PolicyFact,
    PolicyInForce, Text, Tier, Time, Tri, TrustFact, UseProfile, text,
};
use crate::privilege::aws::action::catalogue;
use crate::privilege::aws::classes::classes;
use crate::settings::Settings;

mod access;
pub(super) mod activity;
mod breadth;
pub mod credentials;
mod duties;
mod escalations;
mod exposed;
mod graph;
pub(super) mod guards;
mod holdings;
mod identities;
mod judge;
mod narrower;
mod outsiders;
pub(super) mod people;
mod policies;
mod profiles;
mod root;
mod sensitive;
mod shares;
mod spans;
mod tracked;
mod trusts;

pub(super) use access::{contents, subject};

/// What the inputs say about held privilege.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// One row per principal, privilege and scope.
    pub holdings: Vec<Holding>,
    /// One row per principal.
    pub identity_facts: Vec<IdentityFact>,
    /// One row per credential.
    pub credential_facts: Vec<CredentialFact>,
    /// One row per trust statement and party.
    pub trust_facts: Vec<TrustFact>,
    /// One row per policy in force on a principal.
    pub policies_in_force: Vec<PolicyInForce>,
    /// Shortest path per principal and kind of gain.
    pub escalations: Vec<Escalation>,
    /// One row per principal and class of what its permissions lay open.
    pub exposures: Vec<ExposureFact>,
    /// One row per policy document.
    pub policy_facts: Vec<PolicyFact>,
    /// One row per principal: what it uses of what it holds.
    pub use_profiles: Vec<UseProfile>,
    /// Tiers of actions and privileges, from content.
    pub tiers: PrivilegeTiers,
}

/// Tiers from content.
#[derive(Clone, Debug, Default)]
pub struct PrivilegeTiers {
    /// Policies and roles by identifier, and by name where all of that name agree.
    named: BTreeMap<Text, Option<Tier>>,
    /// The same on other platforms, by platform and identifier or name.
    elsewhere: BTreeMap<(Text, Text), Option<Tier>>,
}

impl PrivilegeTiers {
    fn put(&mut self, name: &Text, tier: Option<Tier>) {
        self.named
            .entry(name.clone())
            .and_modify(|have| {
                // One name for several contents of different weight: not known which is meant.
                if *have != tier {
                    *have = None;
                }
            })
            .or_insert(tier);
    }

    /// Tier of an action, or the strongest tier of the actions a pattern stands for, on a whole account.
    #[must_use]
    pub fn tier_of_action(&self, action: &str) -> Option<Tier> {
        let c = catalogue();
        match c.id(action) {
            Some(id) => Some(classes().of_action(id).tier(true)),
            None => c.expand(action).ones().map(|id| classes().of_action(id).tier(true)).min(),
        }
    }

    /// Tier of a policy or role by ARN or name, from its content.
    #[must_use]
    pub fn tier_of_privilege(&self, platform: Option<&str>, name: &str) -> Option<Tier> {
        if let Some(platform) = platform.filter(|p| *p != "aws") {
            let known = self.elsewhere.get(&(text(platform), text(name))).copied();
            return known.unwrap_or_else(|| estate::tier_of(Some(platform), name));
        }
        self.named.get(name).copied().flatten()
    }
}

impl Tiers for PrivilegeTiers {
    fn of_action(&self, platform: Option<&str>, action: &str) -> Option<Tier> {
        if platform.is_some_and(|p| p != "aws") {
            return estate::tier_of(platform, action);
        }
        self.tier_of_action(action)
    }

    fn of_privilege(&self, platform: Option<&str>, privilege: &str) -> Option<Tier> {
        self.tier_of_privilege(platform, privilege)
    }
}

/// Evaluates what every principal holds, reaches and uses. Identities must be resolved.
#[must_use]
pub fn reach(facts: &Facts, settings: &Settings, as_of: Time) -> Reach {
    let mut people = people::collect(facts, settings, as_of);
    let activity = activity::Activity::new(facts, settings, as_of);
    let world = estate::World { facts, settings, as_of, people: &people, activity: &activity };
    let mut estate = estate::read(&world);
    for (id, person) in std::mem::take(&mut estate.people) {
        people.entry(id).or_insert(person);
    }
    for id in &estate.provider_owned {
        if let Some(person) = people.get_mut(id) {
            person.provider_owned = true;
        }
    }
    let mut store = access::Store::default();
    let plans = access::plan(facts, &people, &mut store, as_of);
    let mut tiers = PrivilegeTiers {
        elsewhere: std::mem::take(&mut estate.tiers),
        ..PrivilegeTiers::default()
    };
    let policy_facts = policies::rows(facts, &mut store, &plans, as_of);
    access::policy_tiers(facts, &policy_facts, &mut tiers);
    store.close();
    let evaluated = access::evaluate(&plans, &store);
    let dormant = graph::dormant(facts, &plans, &evaluated);
    let nodes = graph::nodes(facts, &plans, &evaluated, &dormant);
    let sensitive = sensitive::Sensitive::new(facts);
    let judged = access::judge(&plans, &evaluated, &nodes, &sensitive, &activity);
    // Rights and paths take the most room: what asks for them comes first, and then they go.
    let mut escalations = escalations::rows(&plans, &nodes, &judged, &people);
    let duties = duties::found(&plans, &nodes, &judged, settings);
    drop(nodes);
    let mut use_profiles =
        profiles::rows(facts, settings, &people, &activity, (&plans, &evaluated));
    let (laid, places) = exposed::laid(evaluated);
    drop(dormant);
    let policies_in_force = access::in_force(&plans, &store);
    later(store);
    let also =
        [root::rows(facts, &people, &activity), estate::holdings(&estate, &people, &activity)];
    let logged = holdings::Logged(&use_profiles);
    let n: usize = judged.iter().map(holdings::most).sum();
    // Rows are large: they come in parts, and there is room for all of them once.
    let mut holdings: Vec<Holding> = Vec::new();
    holdings.reserve_exact(n + also.iter().map(Vec::len).sum::<usize>());
    for (plans, judged) in plans.chunks(ROWS_OF).zip(judged.chunks(ROWS_OF)) {
        let of_plans = plans.par_iter().zip(judged).map(|(plan, outcome)| {
            let mut rows = holdings::rows(plan, outcome, &people, (&activity, &logged));
            rows.sort_by(in_order);
            rows
        });
        of_plans.collect::<Vec<_>>().into_iter().for_each(|rows| holdings.extend(rows));
    }
    also.into_iter().for_each(|rows| holdings.extend(rows));
    // Plans are in the order of principals. To sort large rows takes the room of as many again.
    if !holdings.is_sorted_by(|a, b| in_order(a, b).is_le()) {
        holdings.par_sort_by(in_order);
    }
    estate::repeats(&mut holdings);
    // People of the identity store have an outcome for each of their assignments.
    let mut verdicts: BTreeMap<Text, Vec<&access::Outcome>> = BTreeMap::new();
    for (plan, outcome) in plans.iter().zip(&judged) {
        verdicts.entry(plan.principal.clone()).or_default().push(outcome);
    }
    let mut identity_facts =
        identities::rows(facts, &people, &verdicts, &holdings, &activity, as_of);
    drop(verdicts);
    later(judged);
    profiles::on_standing(&mut use_profiles, &holdings);
    for fact in &identity_facts {
        if fact.platform.as_deref() == Some("aws") {
            tiers.put(&fact.principal_id, fact.tier);
            if let Some(name) = &fact.name
                && fact.principal_id.contains(":role/")
            {
                tiers.put(name, fact.tier);
            }
        }
    }
    estate::on_identities(&estate, &mut identity_facts);
    let strongest: BTreeMap<&str, Option<Tier>> =
        identity_facts.iter().map(|f| (&*f.principal_id, f.tier)).collect();
    escalations::on_tiers(&mut escalations, &strongest);
    let beyond = estate::escalations(&estate, &people, &identity_facts);
    let credential_facts = credentials::rows(facts, &people, &strongest, as_of);
    let mut trust_facts = trusts::rows(facts, settings, &people, &strongest);
    trust_facts.append(&mut estate.trusts);
    estate::on_escalating(&beyond, &mut identity_facts);
    escalations.extend(beyond);
    escalations::on_identities(&escalations, &mut identity_facts);
    duties::fill(&plans, duties, &mut identity_facts);
    let exposures = exposed::rows(&plans, (&laid, &places), &people);
    exposed::mark(&mut identity_facts, &exposures);
    spans::mark(facts, settings, &mut identity_facts);
    Reach {
        holdings,
        identity_facts,
        credential_facts,
        trust_facts,
        policies_in_force,
        escalations,
        exposures,
        policy_facts,
        use_profiles,
        tiers,
    }
}

/// Plans whose rows are made at one time.
const ROWS_OF: usize = 1_024;

/// The order of holdings.
fn in_order(a: &Holding, b: &Holding) -> Ordering {
    let key = (&a.principal_id, &a.scope, &a.privilege, &a.role_id, &a.via);
    key.cmp(&(&b.principal_id, &b.scope, &b.privilege, &b.role_id, &b.via))
}

/// The platform, one text for all rows.
fn aws() -> Text {
    static AWS: std::sync::OnceLock<Text> = std::sync::OnceLock::new();
    AWS.get_or_init(|| text("aws")).clone()
}

/// Word of a privilege that only several bindings together give.
const COMBINED: &str = "combined";

/// Sorted references without repetition.
pub(super) fn refs<'a>(items: impl IntoIterator<Item = (&'a Text, &'a Text)>) -> Vec<Text> {
    let set: BTreeSet<Text> = items.into_iter().map(|(s, r)| evidence_ref(s, r)).collect();
    set.into_iter().collect()
}

/// Lets go of something large while other work goes on: to free it piece by piece takes time.
fn later(large: impl Send + 'static) {
    rayon::spawn(move || drop(large));
}

/// Texts in order, each once.
fn sorted(items: impl IntoIterator<Item = Text>) -> Vec<Text> {
    let mut out: Vec<Text> = items.into_iter().collect();
    out.sort_unstable();
    out.dedup();
    out.shrink_to_fit();
    out
}

pub(super) fn is_privileged(tier: Option<Tier>) -> Option<bool> {
    tier.map(|t| t <= Tier::T1)
}

pub(super) fn stronger(a: Tri, b: Tri) -> Tri {
    let rank = |t: Tri| match t {
        Tri::Yes => 2,
        Tri::Conditional => 1,
        Tri::No => 0,
    };
    if rank(a) >= rank(b) { a } else { b }
}

#[cfg(test)]
mod tests;
