//! Identities that reach across environments: where they live, what they are bound to, granted, and
//! what they use.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{Facts, IdentityFact, Outcome, Text, text};
use crate::privilege::glob;
use crate::settings::Settings;

/// Words for production in names of environments.
const PRODUCTION: [&str; 4] = ["prod", "production", "prd", "live"];

fn is_production(name: &str) -> bool {
    PRODUCTION.iter().any(|p| name.eq_ignore_ascii_case(p))
}

/// Environments that the settings or tags declare.
pub(super) fn declared<'a>(facts: &'a Facts, settings: &'a Settings) -> BTreeSet<&'a str> {
    let mut out: BTreeSet<&str> = settings.environments.iter().map(|e| e.name.as_str()).collect();
    out.extend(facts.principals.iter().filter_map(|p| p.environment.as_deref()));
    out.extend(facts.resources.iter().filter_map(|r| r.environment.as_deref()));
    out
}

/// Fills the columns about environments. Nothing is said unless the settings, or tags, declare at
/// least two environments.
pub fn mark(facts: &Facts, settings: &Settings, identities: &mut [IdentityFact]) {
    let declared = declared(facts, settings);
    let enough = declared.len() > 1;
    let mut places = Places::new(facts, settings);
    let mut seen: BTreeMap<&str, BTreeSet<Text>> = BTreeMap::new();
    if enough {
        for e in facts.entitlements.iter().filter(|e| e.unbound_at_hi.is_none()) {
            places.put(&mut seen, Some(&e.principal_id), Some(&e.scope));
        }
        for g in &facts.grants {
            places.put(&mut seen, g.beneficiary_id.as_ref(), g.scope.as_ref());
        }
        for u in facts.usage.iter().filter(|u| u.outcome == Outcome::Allowed) {
            if u.count != Some(0) {
                places.put(&mut seen, u.principal_id.as_ref(), u.scope.as_ref());
                places.put(&mut seen, u.principal_id.as_ref(), u.resource.as_ref());
            }
        }
        for t in &facts.tasks {
            if let (Some(id), Some(target)) = (&t.principal_id, t.target.as_deref())
                && let Some(name) = declared.iter().find(|d| d.eq_ignore_ascii_case(target))
            {
                seen.entry(id).or_default().insert(text(name));
            }
        }
    }
    for fact in identities {
        let mut all = seen.remove(&*fact.principal_id).unwrap_or_default();
        all.extend(fact.environment.clone());
        if enough {
            let production = all.iter().any(|e| is_production(e));
            fact.spans_environments = Some(production && all.iter().any(|e| !is_production(e)));
        }
        fact.environments = all.into_iter().collect();
    }
}

/// Environments of scopes and resources, remembered: usage repeats them.
pub(super) struct Places<'a> {
    settings: &'a Settings,
    labelled: BTreeMap<&'a str, Text>,
    known: BTreeMap<Text, Option<Text>>,
}

impl<'a> Places<'a> {
    pub(super) fn new(facts: &'a Facts, settings: &'a Settings) -> Self {
        let labelled = facts
            .resources
            .iter()
            .filter_map(|r| Some((&*r.resource_id, r.environment.clone()?)))
            .collect();
        Self { settings, labelled, known: BTreeMap::new() }
    }

    fn put<'f>(
        &mut self,
        seen: &mut BTreeMap<&'f str, BTreeSet<Text>>,
        principal: Option<&'f Text>,
        place: Option<&Text>,
    ) {
        if let (Some(id), Some(place)) = (principal, place)
            && let Some(name) = self.of(place)
        {
            seen.entry(id).or_default().insert(name);
        }
    }

    /// The environment of a scope or resource: its own label, else the first pattern of the settings
    /// that fits it or the account in its ARN.
    pub(super) fn of(&mut self, place: &Text) -> Option<Text> {
        if let Some(known) = self.known.get(place) {
            return known.clone();
        }
        let account = place.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(3));
        let realm = account.filter(|a| !a.is_empty()).map(|a| format!("aws:{a}"));
        let fits = |p: &String| {
            glob::matches(p, place) || realm.as_deref().is_some_and(|r| glob::matches(p, r))
        };
        let found = self.labelled.get(&**place).cloned().or_else(|| {
            let of = self.settings.environments.iter().find(|e| e.scopes.iter().any(fits));
            of.map(|e| text(&e.name))
        });
        self.known.insert(place.clone(), found.clone());
        found
    }
}
