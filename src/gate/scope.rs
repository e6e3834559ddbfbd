//! What a run is about: the audited entity and the realms (accounts, tenants, clusters) its sources
//! cover.
//!
//! A baseline of one organisation says nothing about another. The scope id is the digest of entity
//! and realms; it names a baseline's scope in one word. A run whose realms only overlap is still
//! the same scope: an export that is missing today, or an account that is new, must show as
//! "unknown" and "new" findings, not as a refusal.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::findings::fingerprint::digest;
use crate::report::View;
use crate::report::view::SourceRow;

/// Entity and realms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Audited entity as the settings name it.
    pub entity: Option<String>,
    /// Realms the sources cover.
    pub realms: BTreeSet<String>,
}

impl Scope {
    /// Scope of a view.
    #[must_use]
    pub fn of(view: &View) -> Self {
        Self {
            entity: view.entity.clone(),
            realms: view.sources.iter().filter_map(|s| s.realm.clone()).collect(),
        }
    }

    /// Digest of entity and realms.
    #[must_use]
    pub fn id(&self) -> String {
        let mut fields = vec!["overstay-scope-v1", self.entity.as_deref().unwrap_or("")];
        fields.extend(self.realms.iter().map(String::as_str));
        digest(&fields)
    }

    /// Why `other` is another scope; `None` when it is the same.
    #[must_use]
    pub fn differs(&self, other: &Self) -> Option<String> {
        if self.entity != other.entity {
            let word = |e: &Option<String>| e.clone().unwrap_or_else(|| "(none)".into());
            return Some(format!(
                "it is about the entity `{}`, the run about `{}`",
                word(&self.entity),
                word(&other.entity)
            ));
        }
        let apart = !self.realms.is_empty()
            && !other.realms.is_empty()
            && self.realms.is_disjoint(&other.realms);
        apart.then(|| {
            let list = |r: &BTreeSet<String>| r.iter().cloned().collect::<Vec<_>>().join(", ");
            format!(
                "it covers the realms `{}`, the run `{}`",
                list(&self.realms),
                list(&other.realms)
            )
        })
    }
}

/// What kind of source something was found in: enough to say whether it was read again, whatever
/// the file is called next week.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourceKey {
    /// Evidence layer.
    pub layer: String,
    /// Format.
    pub format: String,
    /// Realm; null when the format does not say.
    pub realm: Option<String>,
}

impl SourceKey {
    /// Key of a source.
    #[must_use]
    pub fn of(s: &SourceRow) -> Self {
        Self { layer: s.layer.clone(), format: s.format.clone(), realm: s.realm.clone() }
    }
}

impl std::fmt::Display for SourceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}", self.layer, self.format)?;
        if let Some(realm) = &self.realm {
            write!(f, ", {realm}")?;
        }
        f.write_str(")")
    }
}

/// What a run read, and what it could judge: decides between "gone" and "not looked at".
#[derive(Clone, Debug, Default)]
pub struct Reread {
    whole: BTreeSet<SourceKey>,
    cut: BTreeMap<SourceKey, String>,
    rules: BTreeMap<String, (String, Option<String>)>,
}

impl Reread {
    /// What a view read.
    #[must_use]
    pub fn of(view: &View) -> Self {
        let mut out = Self::default();
        for s in &view.sources {
            let key = SourceKey::of(s);
            if s.completeness == "truncated" {
                out.cut.insert(key, format!("`{}` is truncated", s.file));
            } else if s.quarantined > 0 {
                let why = format!("`{}` has {} records in quarantine", s.file, s.quarantined);
                out.cut.insert(key, why);
            } else {
                out.whole.insert(key);
            }
        }
        for r in &view.rules {
            out.rules.insert(r.rule.clone(), (r.outcome.clone(), r.reason.clone()));
        }
        out
    }

    /// Why it cannot be said that a finding of `rule` on `sources` is gone; `None` when it can.
    #[must_use]
    pub fn doubt(&self, rule: &str, sources: &BTreeSet<SourceKey>) -> Option<String> {
        for key in sources {
            if let Some(why) = self.cut.get(key) {
                return Some(why.clone());
            }
            if !self.whole.contains(key) {
                return Some(format!("no source of {key} was read"));
            }
        }
        match self.rules.get(rule) {
            None => Some(format!("the run has no rule {rule}")),
            Some((outcome, _)) if outcome == "assessed" => None,
            Some((outcome, reason)) => {
                let word = if outcome == "partial" { "partly" } else { "not" };
                let why = reason.as_deref().map_or_else(String::new, |r| format!(": {r}"));
                Some(format!("rule {rule} was {word} assessed{why}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::testing;

    #[test]
    fn overlapping_realms_are_one_scope() {
        let scope = |entity: Option<&str>, realms: &[&str]| Scope {
            entity: entity.map(Into::into),
            realms: realms.iter().map(ToString::to_string).collect(),
        };
        let a = scope(Some("acme"), &["1", "2"]);
        assert_eq!(a.differs(&scope(Some("acme"), &["2", "3"])), None);
        assert_eq!(a.differs(&scope(Some("acme"), &[])), None);
        assert!(a.differs(&scope(Some("acme"), &["9"])).unwrap().contains("realms `1, 2`"));
        assert!(a.differs(&scope(Some("other"), &["1", "2"])).unwrap().contains("`other`"));
        assert!(a.differs(&scope(None, &["1", "2"])).is_some());
        assert_ne!(a.id(), scope(Some("acme"), &["1"]).id());
        assert_ne!(scope(Some("a"), &["b"]).id(), scope(None, &["a", "b"]).id());
    }

    #[test]
    fn doubt_names_what_was_not_looked_at() {
        let mut view = testing::view();
        let keys: BTreeSet<SourceKey> = view.sources.iter().map(SourceKey::of).collect();
        assert_eq!(Reread::of(&view).doubt("GRT-003", &keys), None);
        assert!(Reread::of(&view).doubt("XXX-001", &keys).unwrap().contains("no rule XXX-001"));
        view.sources[0].completeness = "truncated".into();
        assert!(Reread::of(&view).doubt("GRT-003", &keys).unwrap().contains("truncated"));
        let gone = view.sources.remove(0);
        let doubt = Reread::of(&view).doubt("GRT-003", &keys).unwrap();
        assert!(doubt.contains(&gone.format), "{doubt}");
    }
}
