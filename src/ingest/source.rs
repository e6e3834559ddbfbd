//! What an adapter is: the trait, what it gets ([`Input`], [`Context`]) and what it fills ([`Batch`]).

use std::path::PathBuf;

use crate::facts::{Completeness, Facts, Layer, Quarantined, Text, Time, text};
use crate::settings::{Mapping, Settings};

use super::ledger::fold::Book;

/// A file to read.
#[derive(Clone, Debug)]
pub struct Input {
    /// Path on disk.
    pub path: PathBuf,
    /// Path relative to the input argument it was found under, with `/`; what reports show.
    pub name: String,
    /// Size on disk, bytes.
    pub size: u64,
}

/// First part of a file, decompressed, from which formats are recognised.
#[derive(Clone, Debug)]
pub struct Probe<'a> {
    /// Path relative to the input argument, behind the name of the argument's own folder; lower case,
    /// compression suffix removed.
    pub name: &'a str,
    /// First bytes after decompression (at most 256 KiB).
    pub head: &'a [u8],
    /// Coarse shape of the content.
    pub shape: Shape,
    /// Top-level keys of a JSON object, of the first element of a JSON array, or of the first NDJSON
    /// record, as far as `head` shows them; column names of a CSV header or Parquet schema, trimmed.
    pub keys: Vec<String>,
}

impl Probe<'_> {
    /// Whether all of these keys or columns are there (exact case).
    #[must_use]
    pub fn has(&self, keys: &[&str]) -> bool {
        keys.iter().all(|k| self.keys.iter().any(|have| have == k))
    }
}

/// Coarse shape of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One JSON object.
    JsonObject,
    /// One JSON array.
    JsonArray,
    /// One JSON value per line.
    Ndjson,
    /// Delimited text with a header.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// Other text.
    Text,
    /// Other bytes.
    Binary,
    /// No bytes.
    Empty,
}

/// How sure an adapter is that a file is its own; the highest wins, ties by registration order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Match {
    /// Recognised by generic columns or keys.
    Generic,
    /// Recognised by keys that only this format has.
    Specific,
}

/// What an adapter may consult.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Settings of the run.
    pub settings: &'a Settings,
    /// Mapping whose file pattern matches this file, if any.
    pub mapping: Option<&'a Mapping>,
    /// What the file is about, when something beside it says so ([`super::subject`]): a cluster, a project.
    pub realm: Option<&'a str>,
    /// Id of the source, to be put on every row.
    pub source_id: &'a Text,
}

/// Why a whole file could not be read. Single records go to quarantine instead.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// Input or output failed.
    #[error("cannot read `{file}`: {source}")]
    Io {
        /// File.
        file: String,
        /// Cause.
        source: std::io::Error,
    },
    /// The file is not what it seemed.
    #[error("`{file}` at {place}: {message}")]
    Malformed {
        /// File.
        file: String,
        /// Line, row, byte or pointer.
        place: String,
        /// What is wrong, and the remedy.
        message: String,
    },
    /// A bound on size, depth or compression ratio was hit.
    #[error("`{file}`: {message}")]
    Limit {
        /// File.
        file: String,
        /// Which bound, and how to raise it.
        message: String,
    },
}

/// What one file yields. Rows carry `source_id` and `source_ref`; the driver fills the rest of the
/// `sources` row and merges batches in the order of sources, whatever the thread count.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Source id to put on rows.
    pub source_id: Text,
    /// Rows of the base tables (`sources` stays empty).
    pub facts: Facts,
    /// Records seen.
    pub records: i64,
    /// Rows of the quarantine that are about a part of a record whose rest was read.
    pub parts: i64,
    /// First and last record time.
    pub span: Option<(Time, Time)>,
    /// Window the source states it covers.
    pub window: Option<(Option<Time>, Option<Time>)>,
    /// Instant of export or snapshot.
    pub collected_at: Option<Time>,
    /// Realm.
    pub realm: Option<Text>,
    /// Whether the source is whole.
    pub completeness: Completeness,
    /// What limits it.
    pub limitation: Option<Text>,
    /// Times without a zone.
    pub ambiguous_times: i64,
    /// Layer, where the adapter decides it by content (a generic file); else the adapter's own.
    pub layer: Option<Layer>,
    /// Grants, credentials and uses of an event log, which are joined over all files before they
    /// become facts.
    pub book: Book,
}

impl Batch {
    /// Empty batch for a source.
    #[must_use]
    pub fn new(source_id: &Text) -> Self {
        Self { source_id: source_id.clone(), ..Self::default() }
    }

    /// Puts a record into quarantine. `place` is `L<line>`, `R<row>` or a JSON pointer.
    pub fn quarantine(&mut self, place: impl AsRef<str>, reason: impl AsRef<str>) {
        self.facts.quarantine.push(Quarantined {
            source_id: self.source_id.clone(),
            source_ref: text(place),
            reason: text(reason),
        });
    }

    /// Puts a part of a record into quarantine, where the rest of the record is read: the record counts as
    /// accepted. `place` as in [`Self::quarantine`].
    pub fn quarantine_part(&mut self, place: impl AsRef<str>, reason: impl AsRef<str>) {
        self.parts += 1;
        self.quarantine(place, reason);
    }

    /// Records of which something was read: all but those that went to quarantine as a whole.
    #[must_use]
    pub fn accepted(&self) -> i64 {
        let rows = i64::try_from(self.facts.quarantine.len()).unwrap_or(i64::MAX);
        (self.records - (rows - self.parts)).max(0)
    }

    /// Widens the span of record times.
    pub fn see(&mut self, t: Time) {
        self.span = Some(self.span.map_or((t, t), |(a, b)| (a.min(t), b.max(t))));
    }
}

/// One input format.
pub trait Adapter: Sync {
    /// Stable id (`aws-authorization-details`).
    fn format(&self) -> &'static str;
    /// What it is, for `overstay inspect` and the documentation.
    fn title(&self) -> &'static str;
    /// Layer it feeds.
    fn layer(&self) -> Layer;
    /// Whether the file is of this format.
    fn recognise(&self, probe: &Probe<'_>) -> Option<Match>;
    /// Called when a file turns out to be of this format, before it is read: what reading and analysis
    /// will need may be loaded meanwhile.
    fn expect(&self) {}
    /// Reads the file.
    ///
    /// # Errors
    /// When the file as a whole cannot be read; single bad records go to the quarantine of the batch.
    fn read(&self, input: &Input, ctx: &Context<'_>, batch: &mut Batch) -> Result<(), IngestError>;
}
