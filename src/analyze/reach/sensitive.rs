//! Resources that the inputs class as sensitive, and which of them a binding reads.

use std::collections::BTreeMap;

use crate::facts::{Facts, Text};
use crate::privilege::aws::action::catalogue;
use crate::privilege::aws::classes::{Class, classes};
use crate::privilege::aws::document::Effect;
use crate::privilege::aws::evaluate::{Bound, Grants, Rights, Scope};
use crate::privilege::aws::tri;

/// Labels that say that a resource is harmless; every other label is taken to mean sensitive.
const HARMLESS: [&str; 9] = [
    "public",
    "internal",
    "none",
    "low",
    "open",
    "unclassified",
    "non-sensitive",
    "nonsensitive",
    "normal",
];

/// Resources that a row names.
const NAMED: usize = 12;

/// Sensitive resources by the service in their ARN.
#[derive(Clone, Debug, Default)]
pub struct Sensitive {
    by_service: BTreeMap<String, Vec<Text>>,
    /// Some resource carries a label, sensitive or not.
    labelled: bool,
}

impl Sensitive {
    /// Collects them.
    pub fn new(facts: &Facts) -> Self {
        let mut out = Self::default();
        for r in &facts.resources {
            let Some(label) = r.sensitivity.as_deref().map(str::trim).filter(|l| !l.is_empty())
            else {
                continue;
            };
            out.labelled = true;
            let mut parts = r.resource_id.split(':');
            if let (Some("arn"), Some(service)) = (parts.next(), parts.nth(1))
                && !HARMLESS.iter().any(|h| label.eq_ignore_ascii_case(h))
            {
                out.by_service.entry(service.to_owned()).or_default().push(r.resource_id.clone());
            }
        }
        for list in out.by_service.values_mut() {
            list.sort_unstable();
            list.dedup();
        }
        out
    }

    /// Those that bindings certainly read, at most a dozen; `None` when they read data and no input
    /// says how sensitive any is.
    pub fn read_by(
        &self,
        grants: &Grants,
        from: &[&Bound<'_>],
        rights: &Rights<'_>,
    ) -> Option<Vec<Text>> {
        let mut reads = grants.certain(Scope::Some).clone();
        match classes().set(Class::DataRead) {
            Some(set) => reads.intersect_with(set),
            None => reads = catalogue().none(),
        }
        if reads.is_clear() {
            return Some(Vec::new());
        }
        if !self.labelled {
            return None;
        }
        let mut out = Vec::new();
        for (service, resources) in &self.by_service {
            let Some(range) = catalogue().service(service) else { continue };
            let mut here = catalogue().none();
            here.extend(range.filter(|id| reads.contains(*id)));
            if here.is_clear() {
                continue;
            }
            for arn in resources {
                let inside = format!("{arn}/*");
                let allowed = from.iter().flat_map(|b| b.live(Effect::Allow)).any(|(s, m)| {
                    m == tri::Tri::T
                        && !s.actions.is_disjoint(&here)
                        && (s.overlaps(arn) || s.overlaps(&inside))
                });
                let denied = rights.denying().any(|(d, _)| {
                    here.is_subset(&d.actions) && d.takes_in(arn) && d.takes_in(&inside)
                });
                if allowed && !denied {
                    out.push(arn.clone());
                }
                if out.len() >= NAMED {
                    return Some(out);
                }
            }
        }
        Some(out)
    }
}
