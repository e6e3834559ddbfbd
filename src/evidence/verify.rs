//! Checking a bundle: every digest, every count, and what is there besides.
//!
//! Nothing in the bundle is trusted: paths are taken from the directory, never from the lists in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::findings::Finding;
use crate::findings::fingerprint::is_sha256;

use super::bundle::{BundleError, MAX_JSON, read, read_file, sha256_file};
use super::files::{FINDINGS, MANIFEST, SUMS};
use super::manifest::{Counts, InputEntry, Manifest};

/// One thing that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Difference {
    /// File, or the count concerned.
    pub what: String,
    /// `missing`, `extra`, `changed`, `malformed`, `count`.
    pub kind: &'static str,
    /// Details.
    pub detail: String,
}

impl Difference {
    fn new(what: impl Into<String>, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { what: what.into(), kind, detail: detail.into() }
    }
}

/// Most entries of a bundle directory that are looked at.
const MAX_FILES: usize = 100_000;

/// Checks digests, manifest and counts of a bundle. An empty list means that all hold.
///
/// # Errors
/// When the bundle cannot be read at all.
pub fn check(dir: &Path) -> Result<Vec<Difference>, BundleError> {
    let mut out = BTreeSet::new();
    let manifest = read(dir);
    if !dir.join(MANIFEST).is_file() && !dir.join(SUMS).is_file() {
        // Not a bundle: its files are not looked at.
        return manifest.map(|_| Vec::new());
    }
    let found = walk(dir, &mut out)?;
    let sums = read_sums(&dir.join(SUMS), &mut out)?;
    let listed: BTreeMap<&str, (&str, Option<u64>)> =
        sums.iter().map(|(p, d)| (p.as_str(), (d.as_str(), None))).collect();
    check_list(SUMS, &listed, &found, &[SUMS], &mut out);
    let manifest = match manifest {
        Ok(manifest) => manifest,
        // It is not the manifest that was written: a difference, and the answer.
        Err(_) if out.iter().any(|d| d.what == MANIFEST) => return Ok(out.into_iter().collect()),
        Err(e) => return Err(e),
    };
    let outputs: BTreeMap<&str, (&str, Option<u64>)> = manifest
        .outputs
        .iter()
        .map(|o| (o.path.as_str(), (o.sha256.as_str(), Some(o.size))))
        .collect();
    if outputs.len() != manifest.outputs.len() {
        out.insert(Difference::new(MANIFEST, "malformed", "lists a file twice"));
    }
    check_list(MANIFEST, &outputs, &found, &[SUMS, MANIFEST], &mut out);
    check_counts(dir, &manifest, &mut out)?;
    Ok(out.into_iter().collect())
}

/// Digest and size of every regular file below `dir`, by relative path.
fn walk(
    dir: &Path,
    out: &mut BTreeSet<Difference>,
) -> Result<BTreeMap<String, (String, u64)>, BundleError> {
    let mut found = BTreeMap::new();
    let mut todo: Vec<(PathBuf, String)> = vec![(dir.to_path_buf(), String::new())];
    while let Some((path, prefix)) = todo.pop() {
        let failed =
            |source| BundleError::Io { action: "list", path: path.display().to_string(), source };
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                todo.push((entry.path(), format!("{name}/")));
            } else if kind.is_file() {
                found.insert(name, sha256_file(&entry.path())?);
            } else {
                out.insert(Difference::new(name, "malformed", "is not a regular file"));
            }
            if found.len() + todo.len() > MAX_FILES {
                return Err(BundleError::Malformed {
                    path: dir.display().to_string(),
                    message: format!("has more than {MAX_FILES} files; it is not a bundle"),
                });
            }
        }
    }
    Ok(found)
}

fn check_list(
    list: &str,
    listed: &BTreeMap<&str, (&str, Option<u64>)>,
    found: &BTreeMap<String, (String, u64)>,
    not_listed: &[&str],
    out: &mut BTreeSet<Difference>,
) {
    for (path, (digest, size)) in listed {
        match found.get(*path) {
            None => {
                out.insert(Difference::new(*path, "missing", format!("{list} lists it")));
            }
            Some((have, have_size)) if have != digest || size.is_some_and(|s| s != *have_size) => {
                out.insert(Difference::new(
                    *path,
                    "changed",
                    format!("{list} has SHA-256 {digest}, the file {have}"),
                ));
            }
            Some(_) => {}
        }
    }
    for path in found.keys() {
        if !listed.contains_key(path.as_str()) && !not_listed.contains(&path.as_str()) {
            out.insert(Difference::new(path, "extra", format!("{list} does not list it")));
        }
    }
}

fn read_sums(
    path: &Path,
    out: &mut BTreeSet<Difference>,
) -> Result<BTreeMap<String, String>, BundleError> {
    let mut sums = BTreeMap::new();
    if !path.is_file() {
        out.insert(Difference::new(SUMS, "missing", "every bundle has it"));
        return Ok(sums);
    }
    let bytes = read_file(path, 64 << 20)?;
    for (i, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
        let parsed = line
            .split_once("  ")
            .or_else(|| line.split_once(" *"))
            .filter(|(d, p)| is_sha256(d) && !p.is_empty());
        let fresh = match parsed {
            Some((digest, path)) => sums.insert(path.to_owned(), digest.to_owned()).is_none(),
            None => false,
        };
        if !fresh {
            out.insert(Difference::new(SUMS, "malformed", format!("line {}", i + 1)));
        }
    }
    Ok(sums)
}

/// Recounts `findings.jsonl` against the manifest's control totals.
fn check_counts(
    dir: &Path,
    manifest: &Manifest,
    out: &mut BTreeSet<Difference>,
) -> Result<(), BundleError> {
    let path = dir.join(FINDINGS);
    if !path.is_file() {
        out.insert(Difference::new(FINDINGS, "missing", "every bundle has it"));
        return Ok(());
    }
    let mut findings = Vec::new();
    let bytes = read_file(&path, MAX_JSON)?;
    for (i, line) in bytes.split(|b| *b == b'\n').enumerate().filter(|(_, l)| !l.is_empty()) {
        match serde_json::from_slice::<Finding>(line) {
            Ok(f) => findings.push(f),
            Err(e) => {
                let detail = format!("line {}: {e}", i + 1);
                out.insert(Difference::new(FINDINGS, "malformed", detail));
            }
        }
    }
    let counted = Counts::of_findings(&findings);
    for (name, stated, have) in [
        ("findings", &manifest.counts.findings, &counted.findings),
        ("statuses", &manifest.counts.statuses, &counted.statuses),
    ] {
        if stated != have {
            let detail = format!("the manifest states {stated:?}, {FINDINGS} has {have:?}");
            out.insert(Difference::new(name, "count", detail));
        }
    }
    Ok(())
}

/// Compares input files with the digests of the manifest. A file is looked for under each path by
/// the name it has in the manifest.
///
/// # Errors
/// When a file cannot be read.
pub fn check_inputs(
    manifest: &Manifest,
    paths: &[PathBuf],
) -> Result<Vec<Difference>, BundleError> {
    let mut out = Vec::new();
    for input in &manifest.inputs {
        let mut digests = BTreeSet::new();
        for path in candidates(&input.name, paths) {
            digests.insert(sha256_file(&path)?.0);
        }
        if digests.is_empty() {
            out.push(Difference::new(&input.name, "missing", "not found under the given inputs"));
        } else if !digests.contains(&input.sha256) {
            out.push(changed_input(input, &digests));
        }
    }
    Ok(out)
}

fn changed_input(input: &InputEntry, digests: &BTreeSet<String>) -> Difference {
    let have = digests.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    Difference::new(
        &input.name,
        "changed",
        format!("the manifest has SHA-256 {}, the file {have}", input.sha256),
    )
}

/// Files that may be the one called `name`. The name comes from a file that others may have
/// written, so it must stay below the given path.
#[must_use]
pub fn candidates(name: &str, paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for path in paths {
        // Names that occurred under several inputs have the input in front.
        let shown = path.to_string_lossy().replace('\\', "/");
        let below =
            name.strip_prefix(shown.trim_end_matches('/')).and_then(|n| n.strip_prefix('/'));
        if path.is_dir() {
            out.extend([Some(name), below].into_iter().flatten().filter_map(|n| inside(path, n)));
        } else if path.is_file() && (shown == name || (is_plain(name) && path.ends_with(name))) {
            out.push(path.clone());
        }
    }
    out
}

/// Relative, and down only. Names of inputs may have any character their file system takes.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && Path::new(name).components().all(|c| matches!(c, Component::Normal(_)))
}

fn inside(dir: &Path, name: &str) -> Option<PathBuf> {
    let file = dir.join(Some(name).filter(|n| is_plain(n))?);
    let (real, root) = (file.canonicalize().ok()?, dir.canonicalize().ok()?);
    (real.starts_with(root) && real.is_file()).then_some(file)
}

/// Compares two bundles byte by byte. `generated_at` is the one field that may differ (it follows
/// `SOURCE_DATE_EPOCH`), and with it the digest of the manifest.
///
/// # Errors
/// When one cannot be read.
pub fn compare(a: &Path, b: &Path) -> Result<Vec<Difference>, BundleError> {
    let mut out = BTreeSet::new();
    let left = walk(a, &mut out)?;
    let right = walk(b, &mut out)?;
    let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    for name in names.into_iter().filter(|n| *n != SUMS && *n != MANIFEST) {
        match (left.get(name), right.get(name)) {
            (Some(_), None) => {
                out.insert(Difference::new(name, "missing", "the rerun does not write it"));
            }
            (None, Some(_)) => {
                out.insert(Difference::new(name, "extra", "only the rerun writes it"));
            }
            (Some((x, _)), Some((y, _))) if x != y => {
                let detail = format!("SHA-256 {x} in the bundle, {y} in the rerun");
                out.insert(Difference::new(name, "changed", detail));
            }
            _ => {}
        }
    }
    let (mut x, mut y) = (read(a)?, read(b)?);
    y.generated_at.clone_from(&x.generated_at);
    // Outputs are compared above, each by its name.
    x.outputs.clear();
    y.outputs.clear();
    if x != y {
        out.insert(Difference::new(MANIFEST, "changed", differing_keys(&x, &y)));
    }
    Ok(out.into_iter().collect())
}

fn differing_keys(a: &Manifest, b: &Manifest) -> String {
    let keys = |m: &Manifest| serde_json::to_value(m).unwrap_or_default();
    let (a, b) = (keys(a), keys(b));
    let names: Vec<&str> = a
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(k, v)| b.get(k.as_str()) != Some(*v))
        .map(|(k, _)| k.as_str())
        .collect();
    format!("keys that differ: {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::bundle::write;
    use crate::evidence::testing;
    use crate::findings::fingerprint::sha256;

    fn bundle(dir: &Path) {
        let view = testing::view();
        let files = crate::evidence::files::view_files(&view);
        write(dir, files, Manifest::new(&view, &[], None)).unwrap();
    }

    fn kinds(dir: &Path) -> Vec<(String, &'static str)> {
        check(dir).unwrap().into_iter().map(|d| (d.what, d.kind)).collect()
    }

    #[test]
    fn names_missing_extra_and_changed_files() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("b");
        bundle(&dir);
        assert_eq!(kinds(&dir), vec![]);
        fs::write(dir.join("notes.txt"), "x").unwrap();
        fs::remove_file(dir.join("conclusions.json")).unwrap();
        let mut report = fs::read(dir.join("report.json")).unwrap();
        report[10] ^= 1;
        fs::write(dir.join("report.json"), report).unwrap();
        let got = kinds(&dir);
        for want in
            [("notes.txt", "extra"), ("conclusions.json", "missing"), ("report.json", "changed")]
        {
            assert!(got.contains(&(want.0.to_owned(), want.1)), "{want:?} in {got:?}");
        }
    }

    #[test]
    fn recounts_findings_even_when_all_digests_were_rewritten() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("b");
        bundle(&dir);
        // Somebody drops a finding and repairs the digests, but not the control totals.
        let text = fs::read_to_string(dir.join(FINDINGS)).unwrap();
        let shorter: String = text.lines().skip(1).map(|l| format!("{l}\n")).collect();
        fs::write(dir.join(FINDINGS), &shorter).unwrap();
        let mut m = read(&dir).unwrap();
        let entry = m.outputs.iter_mut().find(|o| o.path == FINDINGS).unwrap();
        entry.sha256 = sha256(shorter.as_bytes());
        entry.size = shorter.len() as u64;
        let bytes = m.to_bytes().unwrap();
        fs::write(dir.join(MANIFEST), &bytes).unwrap();
        let sums: String = fs::read_to_string(dir.join(SUMS))
            .unwrap()
            .lines()
            .map(|l| match l.split_once("  ").unwrap().1 {
                FINDINGS => format!("{}  {FINDINGS}\n", sha256(shorter.as_bytes())),
                MANIFEST => format!("{}  {MANIFEST}\n", sha256(&bytes)),
                _ => format!("{l}\n"),
            })
            .collect();
        fs::write(dir.join(SUMS), sums).unwrap();
        let got = kinds(&dir);
        assert!(got.contains(&("findings".into(), "count")), "{got:?}");
        assert!(got.iter().all(|(_, k)| *k == "count"), "{got:?}");
    }

    #[test]
    fn hostile_sums_are_named_not_followed() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("b");
        bundle(&dir);
        let mut sums = fs::read_to_string(dir.join(SUMS)).unwrap();
        sums.push_str(&format!("{}  ../../etc/passwd\nnonsense\n\u{1b}[2J\n", "0".repeat(64)));
        fs::write(dir.join(SUMS), sums).unwrap();
        let got = kinds(&dir);
        assert!(got.contains(&("../../etc/passwd".into(), "missing")));
        assert_eq!(got.iter().filter(|(_, k)| *k == "malformed").count(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_named_not_followed() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("b");
        bundle(&dir);
        std::os::unix::fs::symlink("/etc/hostname", dir.join("link")).unwrap();
        assert_eq!(kinds(&dir), vec![("link".to_owned(), "malformed")]);
    }

    #[test]
    fn inputs_are_found_by_name_and_digest() {
        let tmp = tempfile::tempdir().unwrap();
        fs::create_dir(tmp.path().join("sub")).unwrap();
        fs::write(tmp.path().join("sub/a.csv"), "same").unwrap();
        fs::write(tmp.path().join("b.csv"), "other").unwrap();
        let input = |name: &str| InputEntry {
            name: name.into(),
            sha256: sha256(b"same"),
            ..InputEntry::default()
        };
        let m = Manifest {
            inputs: vec![input("sub/a.csv"), input("b.csv"), input("c.csv"), input("../x")],
            ..Manifest::default()
        };
        let got = check_inputs(&m, &[tmp.path().to_path_buf()]).unwrap();
        let got: Vec<_> = got.iter().map(|d| (d.what.as_str(), d.kind)).collect();
        assert_eq!(got, [("b.csv", "changed"), ("c.csv", "missing"), ("../x", "missing")]);
    }

    #[test]
    fn comparison_ignores_generated_at_only() {
        let tmp = tempfile::tempdir().unwrap();
        let (a, b) = (tmp.path().join("a"), tmp.path().join("b"));
        let view = testing::view();
        let files = || crate::evidence::files::view_files(&view);
        write(&a, files(), Manifest::new(&view, &[], None)).unwrap();
        write(&b, files(), Manifest::new(&view, &[], Some("5"))).unwrap();
        assert_eq!(compare(&a, &b).unwrap(), vec![]);
        let mut other = Manifest::new(&view, &[], None);
        other.as_of = "2020-01-01T00:00:00Z".into();
        write(&b, files(), other).unwrap();
        let got = compare(&a, &b).unwrap();
        assert_eq!(got.len(), 1);
        assert!(got[0].detail.contains("as_of"), "{got:?}");
    }
}
