//! What an export is about, when the export itself does not say: the name of a cluster, a project, a
//! subscription. `kubectl get` and `gcloud projects get-iam-policy` print no such thing.
//!
//! In this order: `realm` of the file's `[[mapping]]`, the file `<name>.realm` beside it, the file
//! `cluster_name` in its folder. Both files hold one line; they are sources of their own, so the
//! evidence lists their digests.

use std::path::{Path, PathBuf};

use super::reader;
use super::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe, Shape};
use crate::facts::{Layer, text};
use crate::settings::Mapping;

/// Bytes that a name may have.
const LONGEST: usize = 512;

/// The adapter of the files that name a subject.
#[derive(Debug)]
pub struct Subject;

/// Its only instance.
pub static SUBJECT: Subject = Subject;

impl Adapter for Subject {
    fn format(&self) -> &'static str {
        "subject"
    }

    fn title(&self) -> &'static str {
        "Name of what an export is about (`cluster_name`, `<file>.realm`)"
    }

    fn layer(&self) -> Layer {
        Layer::Context
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        let base = probe.name.rsplit('/').next().unwrap_or(probe.name);
        let named = base == "cluster_name" || base.ends_with(".realm");
        let plain = matches!(probe.shape, Shape::Text | Shape::Csv);
        (named && plain && one_line(probe.head).is_some()).then_some(Match::Specific)
    }

    fn read(&self, input: &Input, _: &Context<'_>, batch: &mut Batch) -> Result<(), IngestError> {
        speaks_of(input)?;
        let bytes = reader::read_all(input)?;
        batch.records = 1;
        match one_line(&bytes) {
            Some(name) => batch.realm = Some(text(name)),
            None => batch.quarantine("L1", "not one line with a name of at most 512 bytes"),
        }
        Ok(())
    }
}

/// Refuses a `.realm` file beside which no file has the name before the suffix: it would say nothing, and
/// whoever wrote it believes that it does.
fn speaks_of(input: &Input) -> Result<(), IngestError> {
    let name = input.name.rsplit('/').next().unwrap_or(&input.name);
    let Some(of) = name.strip_suffix(".realm") else { return Ok(()) };
    if input.path.with_file_name(of).is_file() {
        return Ok(());
    }
    Err(IngestError::Malformed {
        file: input.name.clone(),
        place: "its name".into(),
        message: format!(
            "there is no file `{of}` beside it, so it names the subject of nothing; call it as the whole \
             export with `.realm` behind (`export.json.realm` for `export.json`)"
        ),
    })
}

/// The one line of a file that names a subject.
fn one_line(bytes: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(bytes).ok()?.trim();
    let fit = !line.is_empty() && line.len() <= LONGEST && !line.chars().any(char::is_control);
    fit.then_some(line)
}

/// What a file is about, by its mapping or the files beside it.
#[must_use]
pub fn of(input: &Input, mapping: Option<&Mapping>) -> Option<String> {
    if let Some(realm) = mapping.and_then(|m| m.realm.clone()) {
        return Some(realm);
    }
    let mut own = input.path.clone().into_os_string();
    own.push(".realm");
    let folder = input.path.parent().map(|d| d.join("cluster_name"));
    [Some(PathBuf::from(own)), folder].into_iter().flatten().find_map(|p| first_line(&p))
}

fn first_line(path: &Path) -> Option<String> {
    let size = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?.len();
    if size > 4096 {
        return None;
    }
    one_line(&std::fs::read(path).ok()?).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_names_and_nothing_else() {
        assert_eq!(one_line(b"prod-1\n"), Some("prod-1"));
        for bad in [&b""[..], b"a\nb", b"\xff", b"a\x1b[0m", &[b'a'; 600]] {
            assert_eq!(one_line(bad), None);
        }
    }

    /// `policy.realm` beside `policy.json` was taken and did nothing.
    #[test]
    fn a_realm_of_no_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let policy = r#"{"bindings":[{"role":"roles/viewer","members":["user:ann@x.example"]}],"etag":"BwX","version":1}"#;
        std::fs::write(dir.path().join("policy.json"), policy).unwrap();
        std::fs::write(dir.path().join("policy.json.realm"), "projects/pay").unwrap();
        let settings = crate::settings::Settings::defaults();
        let read = || crate::ingest::ingest(&[dir.path().to_path_buf()], &settings).unwrap();
        assert!(read().failed.is_empty(), "{:?}", read().failed);
        std::fs::write(dir.path().join("policy.realm"), "projects/pay").unwrap();
        let found = read();
        let [f] = found.failed.as_slice() else { panic!("{:?}", found.failed) };
        assert!(f.file.ends_with("policy.realm") && f.error.contains("`policy`"), "{f:?}");
    }

    #[test]
    fn the_mapping_wins_over_the_files_beside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy.json");
        let input = Input { path, name: "policy.json".into(), size: 0 };
        assert_eq!(of(&input, None), None);
        std::fs::write(dir.path().join("cluster_name"), "c1\n").unwrap();
        assert_eq!(of(&input, None).as_deref(), Some("c1"));
        std::fs::write(dir.path().join("policy.json.realm"), "projects/pay").unwrap();
        assert_eq!(of(&input, None).as_deref(), Some("projects/pay"));
        let mapping: Mapping = toml::from_str("file = '*'\nrealm = 'p2'").unwrap();
        assert_eq!(of(&input, Some(&mapping)).as_deref(), Some("p2"));
    }
}
