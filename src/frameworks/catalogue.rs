//! The catalogues: ids and titles of the frameworks, embedded from `rules/frameworks/`.

use std::sync::LazyLock;

use serde::Deserialize;

/// Frameworks that carry conclusions, in the order of the report.
pub const MAIN: [&str; 7] = [
    "owasp-nhi-2025",
    "owasp-asi-2026",
    "csa-maestro-2025",
    "nist-800-53-r5",
    "nist-csf-2.0",
    "nist-800-207",
    "nist-ai-rmf-1.0",
];

/// Embedded files: one line registers a framework.
const FILES: &[(&str, &str)] = &[
    ("owasp-nhi-2025", include_str!("../../rules/frameworks/owasp-nhi-2025.yaml")),
    ("owasp-asi-2026", include_str!("../../rules/frameworks/owasp-asi-2026.yaml")),
    ("csa-maestro-2025", include_str!("../../rules/frameworks/csa-maestro-2025.yaml")),
    ("nist-800-53-r5", include_str!("../../rules/frameworks/nist-800-53-r5.yaml")),
    ("nist-csf-2.0", include_str!("../../rules/frameworks/nist-csf-2.0.yaml")),
    ("nist-800-207", include_str!("../../rules/frameworks/nist-800-207.yaml")),
    ("nist-ai-rmf-1.0", include_str!("../../rules/frameworks/nist-ai-rmf-1.0.yaml")),
    ("nist-csf-1.1", include_str!("../../rules/frameworks/nist-csf-1.1.yaml")),
    ("owasp-asi-threats-1.0", include_str!("../../rules/frameworks/owasp-asi-threats-1.0.yaml")),
];

/// One framework.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Id with version (`nist-800-53-r5`).
    pub id: String,
    /// Full name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Publisher.
    pub publisher: String,
    /// Where the publication is.
    pub url: String,
    /// What stands in `title`.
    pub title_policy: String,
    /// Which part of the framework is listed.
    pub selection: String,
    /// Where ids and titles were taken from.
    pub origin: String,
    /// Terms of the publication.
    pub licence: String,
    /// Controls in the order of the publication.
    pub controls: Vec<Control>,
}

/// One control, subcategory, tenet, layer or risk of a framework.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Official id.
    pub id: String,
    /// Title; equal to the id where the framework gives none.
    pub title: String,
    /// False when the title is ours.
    #[serde(default = "yes")]
    pub title_is_official: bool,
    /// Family, category or topic.
    #[serde(default)]
    pub family: Option<String>,
    /// `tenet` or `section`, where the framework has both.
    #[serde(default)]
    pub kind: Option<String>,
    /// Id in OSCAL catalogues.
    #[serde(default)]
    pub oscal_id: Option<String>,
    /// What it asks for, in our own words; not normative.
    pub summary: String,
}

const fn yes() -> bool {
    true
}

impl Control {
    /// Text to print beside the id: the title, or our summary where the framework gives no title.
    #[must_use]
    pub fn heading(&self) -> &str {
        if self.title == self.id { &self.summary } else { &self.title }
    }
}

impl Catalogue {
    /// Finds a control by its official id.
    #[must_use]
    pub fn control(&self, id: &str) -> Option<&Control> {
        self.controls.iter().find(|c| c.id == id)
    }
}

static CATALOGUES: LazyLock<Vec<Catalogue>> =
    LazyLock::new(|| FILES.iter().map(|(id, text)| embedded(id, text)).collect());

#[expect(clippy::panic, reason = "the text is part of the binary and a test reads every file")]
fn embedded(id: &str, text: &str) -> Catalogue {
    serde_saphyr::from_str(text).unwrap_or_else(|e| panic!("embedded catalogue `{id}`: {e}"))
}

/// All catalogues: the main ones in report order, then those that only resolve citations.
#[must_use]
pub fn catalogues() -> &'static [Catalogue] {
    &CATALOGUES
}

/// Finds a catalogue by id.
#[must_use]
pub fn catalogue(id: &str) -> Option<&'static Catalogue> {
    catalogues().iter().find(|c| c.id == id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::rules::Rule;

    #[test]
    fn every_embedded_file_reads_and_carries_its_own_id() {
        for ((id, _), read) in FILES.iter().zip(catalogues()) {
            assert_eq!(*id, read.id);
            assert!(!read.controls.is_empty(), "{id}");
            for text in [&read.name, &read.version, &read.publisher, &read.origin, &read.licence] {
                assert!(!text.is_empty(), "{id}");
            }
            let ids: BTreeSet<_> = read.controls.iter().map(|c| &c.id).collect();
            assert_eq!(ids.len(), read.controls.len(), "{id} has an id twice");
        }
        assert!(MAIN.iter().all(|id| catalogue(id).is_some()));
    }

    #[test]
    fn every_catalogue_file_is_registered() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/frameworks");
        let on_disk: BTreeSet<String> = std::fs::read_dir(dir)
            .unwrap()
            .filter_map(|e| e.unwrap().file_name().into_string().ok())
            .filter_map(|n| n.strip_suffix(".yaml").map(str::to_owned))
            .filter(|n| n != "crosswalk")
            .collect();
        let registered: BTreeSet<String> = FILES.iter().map(|(id, _)| (*id).to_owned()).collect();
        assert_eq!(on_disk, registered);
    }

    #[test]
    fn a_control_without_title_is_headed_by_our_summary() {
        let csf = catalogue("nist-csf-2.0").unwrap().control("PR.AA-05").unwrap();
        assert_eq!(csf.title, csf.id);
        assert_ne!(csf.heading(), csf.id);
        let ac6 = catalogue("nist-800-53-r5").unwrap().control("AC-6").unwrap();
        assert_eq!(ac6.heading(), "Least Privilege");
        assert!(ac6.title_is_official);
        let tenet = catalogue("nist-800-207").unwrap().control("2.1-T3").unwrap();
        assert!(!tenet.title_is_official);
    }

    /// The rule files themselves, read from the source tree.
    fn rule_files() -> Vec<(String, Rule)> {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        let mut out = Vec::new();
        for family in std::fs::read_dir(root).unwrap() {
            let family = family.unwrap().path();
            if !family.is_dir() || family.ends_with("frameworks") {
                continue;
            }
            for file in std::fs::read_dir(family).unwrap() {
                let path = file.unwrap().path();
                if path.extension().is_none_or(|e| e != "yaml") {
                    continue;
                }
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                let text = std::fs::read_to_string(&path).unwrap();
                let rule = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
                out.push((name, rule));
            }
        }
        out.sort_by(|a, b| a.0.cmp(&b.0));
        out
    }

    #[test]
    fn every_control_a_rule_maps_resolves() {
        let rules = rule_files();
        assert!(rules.len() >= 47, "{} rules", rules.len());
        for (file, rule) in rules {
            assert!(file.starts_with(&format!("{}-", rule.id)), "{file} holds {}", rule.id);
            for (framework, ids) in &rule.controls {
                let known = catalogue(framework).unwrap_or_else(|| panic!("{file}: {framework}"));
                for id in ids {
                    assert!(known.control(id).is_some(), "{file}: {framework} has no {id}");
                }
            }
        }
    }

    #[test]
    fn every_named_false_positive_has_its_test() {
        // A rule that promises to know a false positive must show it.
        for (file, rule) in rule_files() {
            let shown = rule.tests.iter().filter(|t| t.name.starts_with("false positive")).count();
            assert!(rule.false_positives.is_empty() || shown > 0, "{file}");
        }
    }
}
