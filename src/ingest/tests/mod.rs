//! Tests through the driver: whole files in, facts and verdicts out.

mod accounts;
mod brokers;
mod formats;
mod hostile;
mod ledgers;
mod mutated;

use std::path::{Path, PathBuf};

use super::{Ingested, ingest};
use crate::settings::Settings;

/// A directory with files.
fn dir(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    dir
}

fn read_with(files: &[(&str, &[u8])], settings: &Settings) -> Ingested {
    let dir = dir(files);
    ingest(&[dir.path().to_path_buf()], settings).unwrap()
}

fn read(files: &[(&str, &[u8])]) -> Ingested {
    read_with(files, &Settings::defaults())
}

fn settings(toml: &str) -> Settings {
    Settings::parse(toml).unwrap()
}

/// Shared data beside the repository.
fn shared(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(path);
    assert!(path.exists(), "this test needs the shared data at `{}`", path.display());
    path
}

/// Place and reason of everything in quarantine.
fn quarantine(found: &Ingested) -> Vec<(String, String)> {
    found
        .facts
        .quarantine
        .iter()
        .map(|q| (q.source_ref.to_string(), q.reason.to_string()))
        .collect()
}

const GRANTS: &str = "grant_id,broker,system,principal,principal_type,role,scope,task_id,approval_id,requested_at,granted_at,expires_at,revoked_at,justification\n";
