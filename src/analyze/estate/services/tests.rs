//! Whole exports in, holdings and paths out: the rows a reader would expect, written out.

use std::path::{Path, PathBuf};

use crate::analyze::reach::{Reach, reach};
use crate::facts::{Facts, Holding, Standing, Time};
use crate::ingest::{Ingested, ingest};
use crate::settings::Settings;

mod dangerous;
mod github;
mod okta;
mod postgres;
mod snowflake;
mod vault;

fn shared(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(path);
    assert!(path.exists(), "this test needs the shared data at `{}`", path.display());
    path
}

fn as_of() -> Time {
    crate::facts::time::parse_rfc3339("2026-06-30T00:10:00Z").unwrap()
}

fn judged(mut found: Ingested) -> (Facts, Reach) {
    assert_eq!(found.failed, [], "failed");
    let settings = Settings::defaults();
    crate::analyze::identities(&mut found.facts, &settings);
    let reach = reach(&found.facts, &settings, as_of());
    (found.facts, reach)
}

fn folder(path: &str) -> (Facts, Reach) {
    judged(ingest(&[shared(path)], &Settings::defaults()).unwrap())
}

fn files(files: &[(&str, &str)]) -> (Facts, Reach) {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    judged(ingest(&[dir.path().to_path_buf()], &Settings::defaults()).unwrap())
}

/// A holding in one line: who, what, where, tier, classes.
fn line(h: &Holding) -> String {
    let tier = h.tier.map_or("-", crate::facts::Tier::as_str);
    let mut out = format!(
        "{} | {} | {} | {tier} | {}",
        h.principal_id,
        h.privilege,
        h.scope,
        h.classes.join(", ")
    );
    if !h.classes_possible.is_empty() {
        out.push_str(&format!(" | possibly {}", h.classes_possible.join(", ")));
    }
    if h.standing != Standing::Standing {
        out.push_str(&format!(" | {}", h.standing));
    }
    if let Some(end) = h.not_after {
        out.push_str(&format!(" until {}", end.to_rfc3339()));
    }
    if h.provider_owned {
        out.push_str(" | default");
    }
    out
}

fn held(reach: &Reach, platform: &str) -> Vec<String> {
    reach.holdings.iter().filter(|h| &*h.platform == platform).map(line).collect()
}

/// A path in one line: who, gain, end, certainty, steps.
fn paths(reach: &Reach, platform: &str) -> Vec<String> {
    reach
        .escalations
        .iter()
        .filter(|e| &*e.platform == platform)
        .map(|e| {
            format!(
                "{} | {} | {} | {} | {}",
                e.principal_id,
                e.gain,
                e.target_id,
                e.verdict,
                e.steps.join(" ")
            )
        })
        .collect()
}
