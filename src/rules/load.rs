//! The rule pack: rules embedded in the binary, and directories that add or override rules.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::error::RuleError;
use super::model::Rule;
use crate::findings::fingerprint::digest;

/// Embedded rule files, written by the build script.
mod embedded {
    include!(concat!(env!("OUT_DIR"), "/embedded_rules.rs"));
}

/// Largest rule file, bytes.
const MAX_FILE: u64 = 1 << 20;
/// Deepest directory below a rule directory.
const MAX_DIR_DEPTH: usize = 8;

/// One rule with where it came from.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The rule.
    pub rule: Rule,
    /// File, as given.
    pub file: String,
    /// Text of the file.
    pub text: String,
}

/// A set of rules with unique ids.
#[derive(Clone, Debug, Default)]
pub struct Pack {
    entries: BTreeMap<String, Entry>,
}

impl Pack {
    /// The rules embedded in the binary.
    ///
    /// # Errors
    /// When an embedded file is not a rule; the tests of this crate exclude it.
    pub fn builtin() -> Result<Self, RuleError> {
        Self::from_texts(embedded::EMBEDDED.iter().copied())
    }

    /// A pack of texts, each with the path it stands for.
    ///
    /// # Errors
    /// When a text is not a rule, or two state the same id.
    pub fn from_texts<'a>(
        texts: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, RuleError> {
        let texts: Vec<(&str, &str)> = texts.into_iter().collect();
        let read = texts.par_iter().map(|(file, text)| {
            let (rule, file, text) = (parse(file, text)?, (*file).into(), (*text).into());
            Ok(Entry { rule, file, text })
        });
        // All are read before the first that is wrong is told: which it is must not be chance.
        let read: Vec<Result<Entry, RuleError>> = read.collect();
        let mut pack = Self::default();
        for entry in read {
            pack.insert_new(entry?)?;
        }
        Ok(pack)
    }

    /// A pack of the rules in a file or below a directory.
    ///
    /// # Errors
    /// When something cannot be read or is not a rule, or two files state the same id.
    pub fn from_path(path: &Path) -> Result<Self, RuleError> {
        let mut pack = Self::default();
        for file in rule_files(path)? {
            let shown = file.display().to_string();
            let text = read(&file)?;
            pack.insert_new(Entry { rule: parse(&shown, &text)?, file: shown, text })?;
        }
        Ok(pack)
    }

    /// Adds the rules of a directory (or of one file); a rule with a known id replaces that rule.
    ///
    /// # Errors
    /// When something cannot be read or is not a rule, or two files of the directory state the same id.
    pub fn add_dir(&mut self, dir: &Path) -> Result<(), RuleError> {
        let added = Self::from_path(dir)?;
        if added.entries.is_empty() {
            return Err(RuleError::File {
                file: dir.display().to_string(),
                place: String::new(),
                message: "no rule files (`*.yaml`) here; check the path".into(),
            });
        }
        self.entries.extend(added.entries);
        Ok(())
    }

    /// Adds the rules of another pack, none of which may be here already.
    ///
    /// # Errors
    /// When both have a rule of one id.
    pub fn merge(&mut self, other: Self) -> Result<(), RuleError> {
        other.entries.into_values().try_for_each(|entry| self.insert_new(entry))
    }

    /// The rules, by id.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> + '_ {
        self.entries.values().map(|e| &e.rule)
    }

    /// The rules with their files and texts, by id.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> + '_ {
        self.entries.values()
    }

    /// A rule by id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Rule> {
        self.entries.get(id).map(|e| &e.rule)
    }

    /// Number of rules.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// SHA-256 over ids and texts, in order of the ids. Paths are no part of it.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut fields = vec!["overstay-rules-v1"];
        for (id, entry) in &self.entries {
            fields.push(id);
            fields.push(&entry.text);
        }
        digest(&fields)
    }

    fn insert_new(&mut self, entry: Entry) -> Result<(), RuleError> {
        let id = entry.rule.id.clone();
        if let Some(first) = self.entries.get(&id) {
            return Err(RuleError::Duplicate { id, first: first.file.clone(), second: entry.file });
        }
        self.entries.insert(id, entry);
        Ok(())
    }
}

/// Whether a rule id has the form `ABC-123`.
#[must_use]
pub fn valid_id(id: &str) -> bool {
    match id.as_bytes() {
        [a, b, c, b'-', x, y, z] => {
            [a, b, c].iter().all(|l| l.is_ascii_uppercase())
                && [x, y, z].iter().all(|d| d.is_ascii_digit())
        }
        _ => false,
    }
}

/// Reads one rule text.
fn parse(file: &str, text: &str) -> Result<Rule, RuleError> {
    let options = serde_saphyr::options! { strict_booleans: true };
    let rule: Rule = serde_saphyr::from_str_with_options(text, options).map_err(|e| {
        let place = e.location().filter(|l| l.line() > 0);
        RuleError::File {
            file: file.into(),
            place: place.map_or_else(String::new, |l| {
                format!(", line {}, column {}", l.line(), l.column())
            }),
            message: format!(
                "{}; docs/rules.md shows the fields of a rule",
                e.without_snippet().to_string().lines().next().unwrap_or_default()
            ),
        }
    })?;
    if !valid_id(&rule.id) {
        return Err(RuleError::File {
            file: file.into(),
            place: line_of(text, "id:"),
            message: format!(
                "`{}` is not a rule id; use three capital letters, a hyphen and three digits (`GRT-003`)",
                rule.id.escape_debug()
            ),
        });
    }
    Ok(rule)
}

fn line_of(text: &str, key: &str) -> String {
    text.lines()
        .position(|l| l.starts_with(key))
        .map_or_else(String::new, |i| format!(", line {}", i + 1))
}

fn read(file: &Path) -> Result<String, RuleError> {
    let fail = |source| RuleError::Read { path: file.to_path_buf(), source };
    let size = std::fs::metadata(file).map_err(fail)?.len();
    if size > MAX_FILE {
        return Err(RuleError::File {
            file: file.display().to_string(),
            place: String::new(),
            message: format!("{size} bytes; a rule file has at most {MAX_FILE}"),
        });
    }
    std::fs::read_to_string(file).map_err(fail)
}

/// The file itself, or all rule files below a directory, sorted by path.
fn rule_files(path: &Path) -> Result<Vec<PathBuf>, RuleError> {
    let fail = |source| RuleError::Read { path: path.to_path_buf(), source };
    if std::fs::metadata(path).map_err(fail)?.is_file() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    collect(path, 0, &mut files)?;
    files.sort();
    Ok(files)
}

fn collect(dir: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), RuleError> {
    let fail = |source| RuleError::Read { path: dir.to_path_buf(), source };
    if depth > MAX_DIR_DEPTH {
        return Err(RuleError::File {
            file: dir.display().to_string(),
            place: String::new(),
            message: format!("directories are nested deeper than {MAX_DIR_DEPTH}"),
        });
    }
    for entry in std::fs::read_dir(dir).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let path = entry.path();
        let is_yaml = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
        // Links to directories are not followed: they may lead in a circle.
        if entry.file_type().map_err(fail)?.is_dir() {
            // Framework catalogues stand beside the rules and are none.
            if entry.file_name() != "frameworks" {
                collect(&path, depth + 1, files)?;
            }
        } else if is_yaml {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = include_str!("../../tests/data/rules-sample/grt/GRT-003-sample.yaml");

    #[test]
    fn ids_have_one_form() {
        for (id, good) in [
            ("GRT-003", true),
            ("grt-003", false),
            ("GRT-03", false),
            ("GRTX-003", false),
            ("É-001", false),
        ] {
            assert_eq!(valid_id(id), good, "{id}");
        }
        let text = RULE.replace("id: GRT-003", "id: GRT-3");
        let message = Pack::from_texts([("a.yaml", text.as_str())]).unwrap_err().to_string();
        assert!(message.contains("a.yaml`, line 1") && message.contains("GRT-003"), "{message}");
    }

    #[test]
    fn duplicate_ids_name_both_files() {
        let message =
            Pack::from_texts([("a.yaml", RULE), ("b.yaml", RULE)]).unwrap_err().to_string();
        assert!(message.contains("a.yaml") && message.contains("b.yaml"), "{message}");
    }

    #[test]
    fn unknown_fields_name_file_line_and_field() {
        let text = format!("{RULE}\nseverty: high\n");
        let message = Pack::from_texts([("a.yaml", text.as_str())]).unwrap_err().to_string();
        assert!(message.contains("a.yaml") && message.contains("line "), "{message}");
        assert!(message.contains("severty"), "{message}");
    }

    #[test]
    fn hostile_yaml_is_an_error() {
        let bomb = (0..40).fold(String::from("a0: &a0 x\n"), |text, i| {
            format!("{text}a{}: &a{} [*a{i}, *a{i}, *a{i}, *a{i}, *a{i}, *a{i}]\n", i + 1, i + 1)
        });
        let deep = "[".repeat(100_000);
        for text in ["", "\0", "- a", "id: GRT-001", "%YAML 9.9\n---\n", &bomb, &deep] {
            assert!(Pack::from_texts([("x.yaml", text)]).is_err());
        }
    }

    #[test]
    fn a_directory_adds_and_overrides() {
        let dir = tempfile::tempdir().unwrap();
        let other = RULE.replace("id: GRT-003", "id: ZZZ-999");
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::fs::create_dir(dir.path().join("frameworks")).unwrap();
        std::fs::write(dir.path().join("frameworks/x.yaml"), "not: a rule").unwrap();
        std::fs::write(dir.path().join("sub/z.yaml"), other).unwrap();
        std::fs::write(
            dir.path().join("a.yml"),
            RULE.replace("title: Grant outlives its task", "title: Changed"),
        )
        .unwrap();
        let mut pack = Pack::from_texts([("a.yaml", RULE)]).unwrap();
        let before = pack.digest();
        pack.add_dir(dir.path()).unwrap();
        assert_eq!(pack.rules().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["GRT-003", "ZZZ-999"]);
        assert_eq!(pack.get("GRT-003").unwrap().title, "Changed");
        assert_ne!(pack.digest(), before);
        assert!(pack.add_dir(&dir.path().join("nowhere")).is_err());
    }

    #[test]
    fn the_digest_does_not_know_paths() {
        let a = Pack::from_texts([("a.yaml", RULE)]).unwrap().digest();
        let b = Pack::from_texts([("elsewhere/b.yaml", RULE)]).unwrap().digest();
        assert_eq!(a, b);
    }
}
