//! What a run is about: the audited entity and the realms (accounts, tenants, clusters) its sources
//! cover.
//!
//! A baseline of one organisation says nothing about another. The scope id is the digest of entity
//! and realms; it names a baseline's scope in one word. A run whose realms only overlap is still
//! the same scope: an export that is missing today, or an account that is new, must show as
//! "unknown" and "new" findings, not as a refusal.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::fingerprint::digest;

/// Entity and realms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Audited entity as the settings name it.
    pub entity: Option<String>,
    /// Realms the sources cover.
    pub realms: BTreeSet<String>,
}

impl Scope {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
