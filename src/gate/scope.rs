//! Which sources a finding rests on, and whether a run read them again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::findings::scope::Scope;
use crate::report::View;
use crate::report::view::SourceRow;

/// Scope of a view.
#[must_use]
pub fn scope_of(view: &View) -> Scope {
    Scope {
        entity: view.entity.clone(),
        realms: view.sources.iter().filter_map(|s| s.realm.clone()).collect(),
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
    /// The first file that could not be read.
    unread: Option<String>,
}

impl Reread {
    /// What a view read.
    #[must_use]
    pub fn of(view: &View) -> Self {
        let unread = view.unread.first().map(|f| f.file.clone());
        let mut out = Self { unread, ..Self::default() };
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
        // It may be the very file that the finding came from, whatever else of its kind was read.
        if let Some(file) = &self.unread {
            return Some(format!("`{file}` could not be read"));
        }
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
    use crate::report::view::UnreadRow;

    #[test]
    fn doubt_names_what_was_not_looked_at() {
        let mut view = testing::view();
        let keys: BTreeSet<SourceKey> = view.sources.iter().map(SourceKey::of).collect();
        assert_eq!(Reread::of(&view).doubt("GRT-003", &keys), None);
        assert!(Reread::of(&view).doubt("XXX-001", &keys).unwrap().contains("no rule XXX-001"));
        view.sources[0].completeness = "truncated".into();
        assert!(Reread::of(&view).doubt("GRT-003", &keys).unwrap().contains("truncated"));
        view.sources[0].completeness = "complete".into();
        view.unread = vec![UnreadRow { file: "a.gz".into(), ..UnreadRow::default() }];
        assert_eq!(Reread::of(&view).doubt("GRT-003", &keys).unwrap(), "`a.gz` could not be read");
        view.unread.clear();
        let gone = view.sources.remove(0);
        let doubt = Reread::of(&view).doubt("GRT-003", &keys).unwrap();
        assert!(doubt.contains(&gone.format), "{doubt}");
    }
}
