//! The crosswalk: ids that circulate in the literature, and the official ids that carry their meaning.
//!
//! A cited id is kept apart from what we assert: exports carry official ids only, a report for people may
//! show the citation beside them.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::findings::ControlRef;
use crate::report::view::CrosswalkRow;

const TEXT: &str = include_str!("../../rules/frameworks/crosswalk.yaml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    cited: Cited,
    meaning: String,
    verdict: String,
    #[serde(default)]
    same_number: Option<SameNumber>,
    official: Vec<Target>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cited {
    framework: String,
    id: String,
}

/// What the official catalogue has under the cited number.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SameNumber {
    framework: String,
    id: String,
    title: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    framework: String,
    id: String,
    strength: String,
    #[serde(default)]
    when: Option<String>,
}

static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(embedded);

#[expect(clippy::panic, reason = "the text is part of the binary and a test reads it")]
fn embedded() -> Vec<Entry> {
    let file: File =
        serde_saphyr::from_str(TEXT).unwrap_or_else(|e| panic!("embedded crosswalk: {e}"));
    file.entries
}

/// The crosswalk as the report shows it. The relation of an official id is its strength:
/// `primary`, `secondary` or `context`, with the case it applies to.
#[must_use]
pub fn crosswalk() -> Vec<CrosswalkRow> {
    ENTRIES
        .iter()
        .map(|e| CrosswalkRow {
            cited_framework: e.cited.framework.clone(),
            cited_id: e.cited.id.clone(),
            meaning: e.meaning.clone(),
            verdict: e.same_number.as_ref().map_or_else(
                || e.verdict.clone(),
                |s| {
                    if s.title == s.id {
                        format!("{} ({})", e.verdict, s.framework)
                    } else {
                        format!("{}: {} is {} ({})", e.verdict, s.id, s.title, s.framework)
                    }
                },
            ),
            official: by_strength(&e.official)
                .into_iter()
                .map(|t| ControlRef {
                    framework: t.framework.clone(),
                    id: t.id.clone(),
                    relation: t.when.as_ref().map_or_else(
                        || t.strength.clone(),
                        |when| format!("{}: {when}", t.strength),
                    ),
                })
                .collect(),
        })
        .collect()
}

/// Targets with the primary ones first, else in the order of the file.
fn by_strength(targets: &[Target]) -> Vec<&Target> {
    let mut sorted: Vec<&Target> = targets.iter().collect();
    sorted.sort_by_key(|t| match t.strength.as_str() {
        "primary" => 0,
        "secondary" => 1,
        _ => 2,
    });
    sorted
}

/// Citations that mean an official id: framework as cited and id as cited, in the order of the crosswalk.
#[must_use]
pub fn cited_as(framework: &str, id: &str) -> Vec<(&'static str, &'static str)> {
    ENTRIES
        .iter()
        .filter(|e| e.official.iter().any(|t| t.framework == framework && t.id == id))
        .map(|e| (e.cited.framework.as_str(), e.cited.id.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frameworks::catalogue;

    #[test]
    fn every_target_resolves() {
        for entry in ENTRIES.iter() {
            assert!(!entry.official.is_empty());
            for t in &entry.official {
                let known = catalogue(&t.framework).unwrap();
                assert!(known.control(&t.id).is_some(), "{} {}", t.framework, t.id);
                assert!(["primary", "secondary", "context"].contains(&t.strength.as_str()));
            }
            if let Some(same) = &entry.same_number {
                let control = catalogue(&same.framework).unwrap().control(&same.id).unwrap();
                assert_eq!(control.title, same.title);
            }
        }
    }

    #[test]
    fn the_first_official_id_is_primary() {
        for row in crosswalk() {
            assert_eq!(row.official.first().unwrap().relation, "primary", "{row:?}");
        }
    }

    #[test]
    fn a_number_that_means_something_else_is_told_apart() {
        let row = crosswalk().into_iter().find(|r| r.cited_id == "NHI-02").unwrap();
        assert!(row.verdict.contains("NHI2:2025 is Secret Leakage"), "{}", row.verdict);
        assert_eq!(row.official.first().unwrap().id, "NHI5:2025");
        assert_eq!(cited_as("nist-csf-2.0", "PR.AA-05"), [("NIST CSF 2.0", "PR.AC-4")]);
        assert!(cited_as("nist-csf-2.0", "GV.PO-01").is_empty());
    }
}
