//! Analysis: base facts in, derived facts out. All algebra lives here, once; rules are predicates.
//!
//! Order: identities are resolved, holdings are evaluated from IAM content (`reach`), grants are
//! placed on the time axis with their tasks, approvals and use, chains and overlaps follow, then
//! ledger and IAM state are set against each other, and last the 48 cells are swept.

pub mod approvals;
pub mod approvers;
pub mod beyond;
pub mod cells;
pub mod chains;
pub mod coverage;
pub mod cursor;
pub mod delegations;
pub mod effective;
pub mod emergencies;
pub mod estate;
pub mod grants;
pub mod hours;
pub mod index;
pub mod interval;
pub mod machine_use;
pub mod metrics;
pub mod names;
pub mod observe;
pub mod organisation;
pub mod reach;
pub mod reviews;
pub mod scope;
pub mod shrunken;
pub mod snapshots;
pub mod state;
pub mod strays;
pub mod survey;
pub mod tasks;
pub mod timeline;
pub mod use_spans;
pub mod uses;
pub mod work;

use crate::facts::identity::{DeclaredIdentity, Resolution, resolve};
use crate::facts::{Derived, Facts, Layer, Time, text};
use crate::settings::Settings;
use index::Index;

/// What the analysis needs besides facts and settings.
pub struct Options<'a> {
    /// As-of time.
    pub as_of: Time,
    /// Whether rules in use need a layer.
    pub needed: &'a dyn Fn(Layer) -> bool,
    /// What the whole of the inputs shows, when the facts are a part of them.
    pub survey: Option<&'a survey::Survey>,
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("as_of", &self.as_of).finish_non_exhaustive()
    }
}

/// Resolves identities in place: fills the `*_id` columns of the base tables.
pub fn identities(facts: &mut Facts, settings: &Settings) -> Resolution {
    let declared: Vec<DeclaredIdentity> = settings
        .identities
        .iter()
        .map(|l| DeclaredIdentity {
            principal: text(&l.principal),
            same_as: l.same_as.iter().map(text).collect(),
            kind: l.kind(),
            person: l.person.as_ref().map(text),
        })
        .collect();
    resolve(facts, &declared)
}

/// Derives all tables but `waiver_facts`, which needs the findings, and the baseline columns of
/// `holdings`, which the gate fills. Identities must be resolved.
#[must_use]
pub fn derive(
    facts: &mut Facts,
    settings: &Settings,
    resolution: &Resolution,
    options: &Options<'_>,
) -> Derived {
    snapshots::fold(facts, options.as_of);
    let reached = reach::reach(facts, settings, options.as_of);
    let mut derived = Derived {
        holdings: reached.holdings,
        identity_facts: reached.identity_facts,
        credential_facts: reached.credential_facts,
        trust_facts: reached.trust_facts,
        policies_in_force: reached.policies_in_force,
        escalations: reached.escalations,
        exposures: reached.exposures,
        policy_facts: reached.policy_facts,
        use_profiles: reached.use_profiles,
        ..Derived::default()
    };
    let links;
    {
        let ix = Index::surveyed(
            (facts, options.survey),
            settings,
            resolution,
            options.as_of,
            &reached.tiers,
        );
        let profile = grants::Profile::new(&ix);
        let unlinked = uses::Unlinked::new(&ix);
        let mut grant_facts = grants::grant_facts(&ix, &profile, &unlinked);
        let strays = strays::find(&ix, &unlinked, &grant_facts);
        strays::after_end(&strays, &mut grant_facts);
        let spans = use_spans::of_grants(&ix, &unlinked, &grant_facts);
        state::reconcile_grants(&ix, &mut grant_facts, &derived.holdings);
        (derived.chains, derived.access_spans) = chains::derive(&ix, &mut grant_facts, &spans);
        let shrunken = shrunken::Shrunken::new(&ix, &grant_facts, &derived.holdings);
        state::reconcile_holdings(&ix, &grant_facts, &shrunken, &mut derived.holdings);
        reviews::on_holdings(&ix, &mut derived.holdings);
        let uses = timeline::Uses { of_grants: &spans, strays: &strays };
        let swept = timeline::segments(&ix, &grant_facts, &derived.holdings, &uses);
        derived.segments = swept.segments;
        derived.usage_facts = uses::usage_facts(&ix, &grant_facts);
        derived.delegation_facts =
            delegations::delegation_facts(&ix, &grant_facts, &derived.holdings);
        derived.approver_facts = approvers::approver_facts(&ix);
        derived.emergency_facts =
            emergencies::emergency_facts(&ix, &profile, &grant_facts, &derived.identity_facts);
        derived.machine_uses = machine_use::machine_uses(&ix);
        derived.coverage = coverage::coverage(&ix, &profile, &shrunken, options.needed);
        let basis = metrics::Basis {
            grants: &grant_facts,
            uses: &spans,
            spans: &derived.access_spans,
            chains: &derived.chains,
            holdings: &derived.holdings,
            usage: &derived.usage_facts,
            hours: &swept.hours,
            by_principal: &swept.by_principal,
        };
        derived.metrics = metrics::metrics(&ix, &basis);
        derived.principal_metrics = metrics::principals::rows(&ix, &basis);
        links = tasks::links(&ix, &grant_facts);
        derived.grant_facts = grant_facts;
    }
    facts.task_links = links;
    derived
}

#[cfg(test)]
mod conduct_tests;
#[cfg(test)]
mod ledger_tests;
#[cfg(test)]
mod links_tests;
#[cfg(test)]
mod tests;
