//! Imports point one way: no module may use one to its right in the data's way. Files and
//! functions stay small.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Module and the modules it may import. `pipeline` joins the stages; `cli` prints what it gives.
const MAY_USE: &[(&str, &[&str])] = &[
    ("facts", &[]),
    ("findings", &["facts"]),
    ("settings", &["facts", "findings"]),
    ("privilege", &["facts", "settings"]),
    ("ingest", &["facts", "settings", "privilege", "findings"]),
    ("analyze", &["facts", "findings", "settings", "privilege"]),
    ("rules", &["facts", "findings", "settings"]),
    ("screen", &["facts", "findings", "settings", "ingest", "privilege", "analyze", "rules"]),
    ("report", &["facts", "findings", "settings"]),
    ("frameworks", &["facts", "findings", "settings", "report"]),
    ("gate", &["facts", "findings", "settings", "privilege", "report"]),
    ("evidence", &["facts", "findings", "settings", "report"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn rust_files(dir: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Modules that a file of ours names as `crate::<module>`, outside comments and unit tests (which
/// may set a stage up with the help of another).
fn uses(text: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for line in text.lines().take_while(|l| *l != "#[cfg(test)]") {
        let code = line.trim_start();
        if code.starts_with("//") {
            continue;
        }
        for part in code.split("crate::").skip(1) {
            let name: String =
                part.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            if !name.is_empty() {
                out.insert(name);
            }
        }
    }
    out
}

/// A file that holds only unit tests.
fn is_test(file: &Path) -> bool {
    let stem = file.file_stem().unwrap().to_string_lossy();
    stem.ends_with("tests")
        || stem == "testing"
        || stem == "fixture"
        || file.components().any(|c| c.as_os_str() == "tests")
}

#[test]
fn imports_point_one_way() {
    let mut wrong = Vec::new();
    for (module, allowed) in MAY_USE {
        let mut files = Vec::new();
        rust_files(&root().join(module), &mut files);
        assert!(!files.is_empty(), "module {module} has no files");
        for file in files.iter().filter(|f| !is_test(f)) {
            let text = std::fs::read_to_string(file).unwrap();
            for used in uses(&text) {
                if used != *module && !allowed.contains(&used.as_str()) {
                    wrong.push(format!("{} uses {used}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Files whose length is that of a table, not of logic.
const TABLES: &[&str] = &["report/view.rs"];

#[test]
fn files_stay_short() {
    let mut files = Vec::new();
    rust_files(&root(), &mut files);
    let mut long = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines = text.lines().take_while(|l| *l != "#[cfg(test)]").count();
        let table = TABLES.iter().any(|t| file.ends_with(t));
        if lines > 600 && !table && !is_test(&file) {
            long.push(format!("{}: {lines} lines before its tests", file.display()));
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}
