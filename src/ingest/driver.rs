//! Finds the input files, reads them in parallel and joins the facts in the order of their names.
//!
//! Whatever happens to a file is shown: read, recognised by nobody, failed, or not an input.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::facts::{Completeness, Facts, Source, Text, text};
use crate::privilege::glob;
use crate::settings::{CoverageClaim, Mapping, Settings};

use super::ledger::fold::Book;
use super::source::{Adapter, Batch, Context, IngestError, Input, Shape};
use super::{detect, fold, reader, registry, subject};

/// Name under which standard input is shown.
pub const STDIN: &str = "stdin";

/// A file that was not read, on purpose.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ignored {
    /// Name.
    pub file: String,
    /// Why.
    pub why: String,
}

/// A file that no adapter recognises.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unknown {
    /// Name.
    pub file: String,
    /// What it looks like.
    pub why: String,
}

/// A file that could not be read as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failed {
    /// Name.
    pub file: String,
    /// Error, with the place and the remedy.
    pub error: String,
}

/// Files found under the input arguments.
#[derive(Debug, Default)]
pub struct Collected {
    /// Files to read, sorted by name.
    pub inputs: Vec<Input>,
    /// Files left out.
    pub ignored: Vec<Ignored>,
    /// Directories and files that cannot be listed or opened.
    pub failed: Vec<Failed>,
    /// Standard input, kept on disk while this lives.
    spool: Vec<tempfile::TempPath>,
}

/// What ingest yields.
#[derive(Clone, Debug, Default)]
pub struct Ingested {
    /// Base facts; `sources` is in the order of names.
    pub facts: Facts,
    /// Files that no adapter recognises.
    pub unknown: Vec<Unknown>,
    /// Files that could not be read.
    pub failed: Vec<Failed>,
    /// Files left out on purpose.
    pub ignored: Vec<Ignored>,
    /// Files that were read, by source id.
    pub inputs: BTreeMap<Text, Input>,
}

/// Patterns of files that lie beside evidence and are none, with what they are.
const NOT_INPUTS: &[(&str, &str)] = &[
    ("overstay.toml", "settings"),
    ("*.overstay.toml", "settings"),
    ("README*", "documentation"),
    ("*.md", "documentation"),
    ("LICENSE*", "licence"),
    ("NOTICE*", "licence"),
    ("truth.*", "planted truth of a generator"),
    ("*_truth.*", "planted truth of a generator"),
    ("SHA256SUMS*", "digests"),
    ("manifest.json", "manifest of a bundle"),
];

/// Finds the files under the arguments: directories recursively, `-` for standard input.
#[must_use]
pub fn collect(paths: &[PathBuf], settings: &Settings) -> Collected {
    let mut walk =
        Walk { settings, found: Vec::new(), out: Collected::default(), seen: BTreeSet::new() };
    for path in paths {
        if path.as_os_str() == "-" {
            walk.stdin();
            continue;
        }
        let name = path
            .file_name()
            .map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
        match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => walk.directory(path, "", path),
            Ok(meta) => walk.file(path, &name, &meta, path),
            Err(e) => walk.out.failed.push(Failed {
                file: path.display().to_string(),
                error: format!("cannot read: {e}"),
            }),
        }
    }
    walk.finish()
}

struct Walk<'a> {
    settings: &'a Settings,
    /// Input and the argument it was found under.
    found: Vec<(Input, PathBuf)>,
    out: Collected,
    /// Canonical paths met so far: symbolic links cannot loop, no file is read twice.
    seen: BTreeSet<PathBuf>,
}

impl Walk<'_> {
    fn directory(&mut self, dir: &Path, prefix: &str, root: &Path) {
        // An own stack, so that a deep tree cannot exhaust the thread's.
        let mut stack = vec![(dir.to_path_buf(), prefix.to_owned())];
        while let Some((dir, prefix)) = stack.pop() {
            let shown = if prefix.is_empty() { dir.display().to_string() } else { prefix.clone() };
            let fail =
                |e: &io::Error| Failed { file: shown.clone(), error: format!("cannot list: {e}") };
            let real = match fs::canonicalize(&dir) {
                Ok(real) => real,
                Err(e) => {
                    self.out.failed.push(fail(&e));
                    continue;
                }
            };
            if !self.seen.insert(real) {
                self.ignore(
                    &shown,
                    "a directory that was already read (a link or a repeated argument)",
                );
                continue;
            }
            let entries = match fs::read_dir(&dir).and_then(Iterator::collect::<io::Result<Vec<_>>>)
            {
                Ok(entries) => entries,
                Err(e) => {
                    self.out.failed.push(fail(&e));
                    continue;
                }
            };
            let mut entries: Vec<(String, PathBuf)> = entries
                .iter()
                .map(|e| (e.file_name().to_string_lossy().into_owned(), e.path()))
                .collect();
            entries.sort();
            for (file_name, path) in entries {
                let name = if prefix.is_empty() {
                    file_name.clone()
                } else {
                    format!("{prefix}/{file_name}")
                };
                if file_name.starts_with('.') {
                    self.ignore(&name, "hidden");
                    continue;
                }
                match fs::metadata(&path) {
                    Ok(meta) if meta.is_dir() => stack.push((path, name)),
                    Ok(meta) => self.file(&path, &name, &meta, root),
                    Err(e) => self
                        .out
                        .failed
                        .push(Failed { file: name, error: format!("cannot read: {e}") }),
                }
            }
        }
    }

    fn ignore(&mut self, file: &str, why: &str) {
        self.out.ignored.push(Ignored { file: file.to_owned(), why: why.to_owned() });
    }

    fn file(&mut self, path: &Path, name: &str, meta: &fs::Metadata, root: &Path) {
        let base = name.rsplit('/').next().unwrap_or(name);
        if !meta.is_file() {
            return self.ignore(name, "not a regular file");
        }
        if let Some(p) =
            self.settings.ignore.iter().find(|p| glob::matches(p, name) || glob::matches(p, base))
        {
            return self.ignore(name, &format!("ignored by `{p}` of the settings"));
        }
        if let Some((_, what)) = NOT_INPUTS.iter().find(|(p, _)| glob::matches_ignore_case(p, base))
        {
            return self.ignore(name, &format!("not an input: {what}"));
        }
        let real = match fs::canonicalize(path) {
            Ok(real) => real,
            Err(e) => {
                self.out
                    .failed
                    .push(Failed { file: name.to_owned(), error: format!("cannot read: {e}") });
                return;
            }
        };
        let settings = self.settings.file.as_ref().and_then(|f| fs::canonicalize(f).ok());
        if settings.as_ref() == Some(&real) {
            return self.ignore(name, "not an input: settings");
        }
        if !self.seen.insert(real) {
            return self.ignore(name, "the same file was given before");
        }
        let input = Input { path: path.to_path_buf(), name: name.to_owned(), size: meta.len() };
        self.found.push((input, root.to_path_buf()));
    }

    fn stdin(&mut self) {
        let spool = || -> io::Result<(tempfile::TempPath, u64)> {
            let mut file = tempfile::NamedTempFile::new()?;
            let size = io::copy(&mut io::stdin().lock(), file.as_file_mut())?;
            Ok((file.into_temp_path(), size))
        };
        if !self.out.spool.is_empty() {
            return self.ignore(STDIN, "the same file was given before");
        }
        match spool() {
            Ok((path, size)) => {
                let input = Input { path: path.to_path_buf(), name: STDIN.into(), size };
                self.found.push((input, PathBuf::from("-")));
                self.out.spool.push(path);
            }
            Err(e) => self
                .out
                .failed
                .push(Failed { file: STDIN.into(), error: format!("cannot read: {e}") }),
        }
    }

    /// Sorts by name; names that occur under several arguments get the argument in front.
    fn finish(mut self) -> Collected {
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for (input, _) in &self.found {
            *times.entry(input.name.clone()).or_default() += 1;
        }
        for (mut input, root) in self.found {
            if times.get(&input.name).is_some_and(|n| *n > 1) {
                let root = root.to_string_lossy().replace('\\', "/");
                if !root.ends_with(&input.name) {
                    input.name = format!("{}/{}", root.trim_end_matches('/'), input.name);
                } else {
                    input.name = root;
                }
            }
            self.out.inputs.push(input);
        }
        self.out.inputs.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
        self.out.ignored.sort();
        self.out.failed.sort();
        self.out
    }
}

/// Reads all files under the arguments.
///
/// # Errors
/// When an argument does not exist, or a mapping of the settings is wrong. Files that cannot be
/// read are no error here: they are listed in [`Ingested::failed`]. No usable file at all is an
/// empty `facts.sources`; the caller decides what that means.
pub fn ingest(paths: &[PathBuf], settings: &Settings) -> Result<Ingested, IngestError> {
    check_mappings(settings)?;
    for path in paths.iter().filter(|p| p.as_os_str() != "-") {
        fs::metadata(path)
            .map_err(|source| IngestError::Io { file: path.display().to_string(), source })?;
    }
    Ok(ingest_collected(&collect(paths, settings), settings))
}

/// Reads one file from memory, as if it lay on disk under this name.
///
/// # Errors
/// When a mapping of the settings is wrong, or there is no room for a temporary file.
pub fn ingest_bytes(
    name: &str,
    bytes: &[u8],
    settings: &Settings,
) -> Result<Ingested, IngestError> {
    check_mappings(settings)?;
    let failed = |source| IngestError::Io { file: name.to_owned(), source };
    let mut file = tempfile::NamedTempFile::new().map_err(failed)?;
    io::Write::write_all(&mut file, bytes).map_err(failed)?;
    let path = file.into_temp_path();
    let input = Input {
        path: path.to_path_buf(),
        name: name.to_owned(),
        size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
    };
    let collected = Collected { inputs: vec![input], spool: vec![path], ..Collected::default() };
    Ok(ingest_collected(&collected, settings))
}

/// Reads collected files; standard input among them must still be spooled, so they are borrowed.
#[must_use]
pub fn ingest_collected(collected: &Collected, settings: &Settings) -> Ingested {
    let mut out = Ingested {
        ignored: collected.ignored.clone(),
        failed: collected.failed.clone(),
        ..Ingested::default()
    };
    let recognised: Vec<Recognised<'_>> =
        collected.inputs.par_iter().map(|i| recognise(i, settings)).collect();
    let mut jobs = Vec::new();
    for (input, outcome) in collected.inputs.iter().zip(recognised) {
        match outcome {
            Recognised::As(adapter, mapping) => {
                let id = text(format!("S{:04}", jobs.len() + 1));
                jobs.push(Job { input, adapter, mapping, id });
            }
            Recognised::Nothing(why) => out.unknown.push(Unknown { file: input.name.clone(), why }),
            Recognised::Broken(error) => {
                out.failed.push(Failed { file: input.name.clone(), error })
            }
        }
    }
    let results: Vec<Result<Part, IngestError>> =
        jobs.par_iter().map(|job| read(job, settings)).collect();
    let mut books = Vec::new();
    for (job, result) in jobs.iter().zip(results) {
        match result {
            Ok(part) => {
                books.push(part.book);
                out.facts.append(part.facts);
                out.facts.sources.push(part.source);
                out.inputs.insert(job.id.clone(), job.input.clone());
            }
            Err(e) => {
                out.failed.push(Failed { file: job.input.name.clone(), error: e.to_string() })
            }
        }
    }
    out.unknown.sort();
    out.failed.sort();
    super::aws::finish(&mut out.facts);
    super::gcp::finish(&mut out.facts);
    super::azure::finish(&mut out.facts);
    super::k8s::finish(&mut out.facts);
    let conflicts = super::ledger::fold::settle(books, &mut out.facts);
    fold::count_conflicts(&mut out.facts, conflicts);
    fold::finish(&mut out.facts);
    out
}

enum Recognised<'a> {
    As(&'static dyn Adapter, Option<&'a Mapping>),
    Nothing(String),
    Broken(String),
}

/// The adapter that reads a file, with the mapping that fits it; `None` when the file cannot be read.
#[must_use]
pub fn recognised<'a>(
    input: &Input,
    settings: &'a Settings,
) -> Option<(&'static dyn Adapter, Option<&'a Mapping>)> {
    match recognise(input, settings) {
        Recognised::As(adapter, mapping) => Some((adapter, mapping)),
        Recognised::Nothing(_) | Recognised::Broken(_) => None,
    }
}

/// The row of `sources` for a file that was read by other means than its adapter.
#[must_use]
pub fn source_of(
    input: &Input,
    adapter: &'static dyn Adapter,
    id: &Text,
    batch: Batch,
    (sha256, bytes): (String, u64),
    settings: &Settings,
) -> (Facts, Source) {
    let job = Job { input, adapter, mapping: None, id: id.clone() };
    let part = finish_source(&job, batch, sha256, bytes, settings);
    (part.facts, part.source)
}

struct Job<'a> {
    input: &'a Input,
    adapter: &'static dyn Adapter,
    mapping: Option<&'a Mapping>,
    id: Text,
}

struct Part {
    facts: Facts,
    source: Source,
    book: Book,
}

fn matches(pattern: &str, name: &str) -> bool {
    glob::matches(pattern, name) || glob::matches(pattern, name.rsplit('/').next().unwrap_or(name))
}

fn recognise<'a>(input: &Input, settings: &'a Settings) -> Recognised<'a> {
    let mapping = settings.mappings.iter().find(|m| matches(&m.file, &input.name));
    if let Some(adapter) = mapping.and_then(forced_format).and_then(registry::by_format) {
        return Recognised::As(adapter, mapping);
    }
    let (head, detected) = match detect::examine(input) {
        Ok(found) => found,
        Err(e) => return Recognised::Broken(e.to_string()),
    };
    let name = detect::probe_name(&detect::place_name(input));
    match registry::recognise(&detect::probe(&name, &head, &detected)) {
        Some(adapter) => {
            adapter.expect();
            Recognised::As(adapter, mapping)
        }
        None => match reader::broken_head(input) {
            Some(e) => Recognised::Broken(e.to_string()),
            None => Recognised::Nothing(why_unknown(&detected)),
        },
    }
}

/// A mapping that names columns is about a table; a grant ledger unless it says otherwise.
fn forced_format(mapping: &Mapping) -> Option<&str> {
    match &mapping.format {
        Some(format) => Some(format),
        None if !mapping.columns.is_empty() => Some(super::ledger::grants::ADAPTER.format),
        None => None,
    }
}

fn why_unknown(detected: &detect::Detected) -> String {
    let keys = || {
        let list: Vec<_> =
            detected.keys.iter().take(12).map(|k| super::table::short(k).into_owned()).collect();
        let more = if detected.keys.len() > list.len() { ", ..." } else { "" };
        format!("{}{more}", list.join(", "))
    };
    let remedy = "name its columns in a [[mapping]] of the settings, or its pattern under `ignore`";
    match detected.shape {
        Shape::Empty => "empty".into(),
        Shape::Binary => "binary data of no known format".into(),
        Shape::Text => "text of no known format".into(),
        Shape::Csv => format!("table with unknown columns ({}); {remedy}", keys()),
        Shape::Parquet => format!("Parquet with unknown columns ({}); {remedy}", keys()),
        Shape::JsonObject | Shape::JsonArray | Shape::Ndjson if detected.keys.is_empty() => {
            "JSON without keys that a known format has".into()
        }
        Shape::JsonObject | Shape::JsonArray | Shape::Ndjson => {
            format!("JSON with unknown keys ({}); {remedy}", keys())
        }
    }
}

fn read(job: &Job<'_>, settings: &Settings) -> Result<Part, IngestError> {
    let input = job.input;
    let (sha256, bytes) = reader::digest(&input.path)
        .map_err(|source| IngestError::Io { file: input.name.clone(), source })?;
    let mut batch = Batch::new(&job.id);
    let realm = subject::of(input, job.mapping);
    let realm = realm.as_deref();
    let ctx = Context { settings, mapping: job.mapping, realm, source_id: &job.id };
    // The file may have changed since it was listed; bounds are judged by what is there now.
    let input = Input { size: bytes, ..input.clone() };
    job.adapter.read(&input, &ctx, &mut batch)?;
    Ok(finish_source(job, batch, sha256, bytes, settings))
}

fn finish_source(
    job: &Job<'_>,
    batch: Batch,
    sha256: String,
    bytes: u64,
    settings: &Settings,
) -> Part {
    let quarantined = i64::try_from(batch.facts.quarantine.len()).unwrap_or(i64::MAX);
    let accepted = batch.accepted();
    let layer = batch.layer.unwrap_or_else(|| job.adapter.layer());
    let window = batch.window.unwrap_or((None, None));
    let mut source = Source {
        source_id: job.id.clone(),
        file: text(&job.input.name),
        format: text(job.adapter.format()),
        layer,
        realm: batch.realm,
        sha256: text(sha256),
        bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
        records: batch.records,
        accepted,
        quarantined,
        first_time: batch.span.map(|s| s.0),
        last_time: batch.span.map(|s| s.1),
        window_start: window.0,
        window_end: window.1,
        collected_at: batch.collected_at,
        completeness: batch.completeness,
        limitation: batch.limitation,
        conflicting_duplicates: 0,
        ambiguous_times: batch.ambiguous_times,
    };
    let claim = settings.coverage.iter().find(|c| claims(c, &source));
    if let Some(c) = claim {
        source.window_start = c.start.or(source.window_start);
        source.window_end = c.end.or(source.window_end);
        // The user vouches for the export, not for records that were cut off inside the file.
        if c.complete && source.completeness != Completeness::Truncated {
            source.completeness = Completeness::Complete;
        }
    }
    Part { facts: batch.facts, source, book: batch.book }
}

fn claims(claim: &CoverageClaim, source: &Source) -> bool {
    claim.layer == source.layer.as_str()
        && claim.file.as_ref().is_none_or(|p| matches(p, &source.file))
}

/// Refuses mappings that could not work with any file.
fn check_mappings(settings: &Settings) -> Result<(), IngestError> {
    let file =
        settings.file.as_ref().map_or_else(|| "settings".to_owned(), |f| f.display().to_string());
    for mapping in &settings.mappings {
        let wrong = |message| IngestError::Malformed {
            file: file.clone(),
            place: format!("mapping `{}`", mapping.file),
            message,
        };
        let Some(format) = forced_format(mapping) else { continue };
        if let Some(table) = registry::table_by_format(format) {
            table.check_mapping(mapping).map_err(wrong)?;
        } else if registry::by_format(format).is_none() {
            let known: Vec<_> = registry::adapters().iter().map(|a| a.format()).collect();
            return Err(wrong(format!("unknown format `{format}`; formats: {}", known.join(", "))));
        }
    }
    Ok(())
}
