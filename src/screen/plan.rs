//! Which inputs can be screened: flat tables of our own schema, with columns whose meaning the sweep
//! carries. Anything else goes to the row engine; [`Refusal`] says why.

use std::collections::BTreeSet;

use crate::facts::{Text, text};
use crate::ingest::source::{Adapter, Input, Shape};
use crate::ingest::table::TableAdapter;
use crate::ingest::{self, Collected, detect, driver, registry};
use crate::settings::Settings;

/// Why inputs are not screened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// They are not large, so nobody needs to be told.
    Small,
    /// They hold something that only the row engine understands.
    NotFlat(String),
    /// They cannot be read.
    Failed(String),
    /// The temporary file cannot be written or read.
    Temporary(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Small => f.write_str("the ledger is small"),
            Self::NotFlat(why) | Self::Failed(why) => f.write_str(why),
            Self::Temporary(why) => write!(f, "the temporary file failed: {why}"),
        }
    }
}

/// A kind of flat table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Grants.
    Grants,
    /// Tasks.
    Tasks,
    /// Approvals.
    Approvals,
    /// Usage.
    Usage,
}

impl Kind {
    /// Fields that the sweep reads, by the names of the adapter; the rest of a row is looked up by them.
    #[must_use]
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Grants => &[
                "native_id",
                "broker",
                "system",
                "platform",
                "beneficiary",
                "kind",
                "privilege",
                "scope",
                "requested_at",
                "granted_at",
                "not_after",
                "ended_at",
                "revoked_at",
                "justification",
                "task",
                "approval",
            ],
            Self::Tasks => {
                &["task_id", "started_at", "ended_at", "state", "kind", "owner", "title"]
            }
            Self::Approvals => &["approval_id", "grant_id", "approver", "decision", "decided_at"],
            Self::Usage => &[
                "principal",
                "platform",
                "privilege",
                "scope",
                "grant_id",
                "day",
                "first_seen",
                "last_seen",
                "count",
                "errors",
            ],
        }
    }

    /// Fields in which most rows say nothing, or nothing that counts: a row that does is read by its adapter,
    /// and what the sweep does not carry of it has the row engine judge the grant.
    #[must_use]
    pub fn more(self) -> &'static [&'static str] {
        match self {
            Self::Grants => &[
                "requester",
                "on_behalf_of",
                "broker_kind",
                "request_expires_at",
                "decided_at",
                "decision",
                "activated_at",
                "not_before",
                "duration",
                "revoke_requested_at",
                "end_kind",
                "residual_until",
                "approver",
                "ticket",
                "ticket_system",
                "break_glass",
                "externally_modified",
                "approved_privilege",
                "session_duration",
                "n_extensions",
                "n_renewals",
                "extended_until",
                "extended_at",
                "session_tags",
                "oidc_claims",
                "annotations",
                "trace_id",
                "session_name",
            ],
            Self::Tasks => &["system", "queued_at", "target"],
            Self::Approvals => &["required", "method", "privilege", "scope"],
            Self::Usage => &[],
        }
    }

    /// All fields that are read, [`Self::fields`] first.
    pub fn read(self) -> impl Iterator<Item = &'static str> {
        self.fields().iter().chain(self.more()).copied()
    }

    fn of(format: &str) -> Option<Self> {
        let tables = [
            (&ingest::ledger::grants::ADAPTER, Self::Grants),
            (&ingest::tasks::generic::ADAPTER, Self::Tasks),
            (&ingest::ledger::approvals::ADAPTER, Self::Approvals),
            (&ingest::usage::generic::ADAPTER, Self::Usage),
        ];
        tables.iter().find(|(t, _)| t.format == format).map(|(_, kind)| *kind)
    }
}

/// A file to sweep.
#[derive(Clone, Debug)]
pub struct File {
    /// The file.
    pub input: Input,
    /// How it is read row by row.
    pub adapter: &'static TableAdapter,
    /// The same, for the row of `sources`.
    pub format: &'static dyn Adapter,
    /// What it lists.
    pub kind: Kind,
    /// Shape.
    pub shape: Shape,
    /// Source id.
    pub id: Text,
    /// Rows, or an estimate from the size where the format does not say.
    pub rows: usize,
}

impl std::fmt::Debug for dyn Adapter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.format())
    }
}

/// Bytes of a line of a text table, for the estimate of the number of rows.
const LINE: u64 = 120;

/// Bytes that a grant takes at least, in whatever format.
const LEAST_ROW: u64 = 4;

/// Settings that the sweep does not carry.
fn unsupported(settings: &Settings) -> Option<&'static str> {
    let s = settings;
    [
        (!s.mappings.is_empty(), "settings: [[mapping]]"),
        (!s.identities.is_empty(), "settings: [[identity]]"),
        (!s.break_glass.is_empty(), "settings: break_glass"),
        (!s.ticket_patterns.is_empty(), "settings: ticket_patterns"),
        (!s.approval.approvers.is_empty(), "settings: approval.approvers"),
        (s.environments.iter().any(|e| e.jit_only), "settings: an environment that is jit_only"),
    ]
    .into_iter()
    .find(|(there, _)| *there)
    .map(|(_, what)| what)
}

/// The files to sweep, when the ledger among them has at least so many rows.
///
/// # Errors
/// Why the inputs are not screened.
pub fn files(
    collected: &Collected,
    settings: &Settings,
    least: usize,
) -> Result<Vec<File>, Refusal> {
    let refuse = |why: String| Err(Refusal::NotFlat(why));
    let mut files: Vec<File> = Vec::new();
    let mut other = None;
    let mut jobs = 0;
    for input in &collected.inputs {
        let Some((adapter, _)) = driver::recognised(input, settings) else { continue };
        jobs += 1;
        let table = registry::table_by_format(adapter.format());
        let Some((table, kind)) = table.and_then(|t| Some((t, Kind::of(t.format)?))) else {
            other.get_or_insert_with(|| format!("`{}` is {}", input.name, adapter.title()));
            continue;
        };
        let (_, detected) = detect::examine(input).map_err(|e| Refusal::Failed(e.to_string()))?;
        let rows = match detected.shape {
            Shape::Parquet => rows_of(input)?,
            Shape::Csv | Shape::Ndjson => {
                usize::try_from(input.size.div_ceil(LINE)).unwrap_or(usize::MAX)
            }
            _ => {
                other.get_or_insert_with(|| format!("`{}` is one JSON document", input.name));
                0
            }
        };
        if let Some(column) = unread(table, kind, &detected.keys) {
            other.get_or_insert_with(|| format!("`{}` has the column `{column}`", input.name));
        }
        files.push(File {
            input: input.clone(),
            adapter: table,
            format: adapter,
            kind,
            shape: detected.shape,
            id: text(format!("S{jobs:04}")),
            rows,
        });
    }
    let ledger = files.iter().filter(|f| f.kind == Kind::Grants).map(|f| f.rows).sum::<usize>();
    if ledger == 0 || ledger < least {
        return Err(Refusal::Small);
    }
    if let Some(why) = other {
        return refuse(why);
    }
    if let Some(what) = unsupported(settings) {
        return refuse(what.into());
    }
    // Two files may hold one export of use, and only a look at whole rows tells.
    if files.iter().filter(|f| f.kind == Kind::Usage).count() > 1 {
        return refuse("use is in several files".into());
    }
    if files.len() > usize::from(u16::MAX) {
        return refuse("too many files".into());
    }
    Ok(files)
}

/// Grants of the ledgers among the inputs, by what the files say or their sizes tell.
#[must_use]
pub fn grants(collected: &Collected, settings: &Settings) -> usize {
    let of = |input: &Input| {
        let (adapter, _) = driver::recognised(input, settings)?;
        let table = registry::table_by_format(adapter.format())?;
        let (_, detected) =
            detect::examine(input).ok().filter(|_| Kind::of(table.format) == Some(Kind::Grants))?;
        if detected.shape == Shape::Parquet {
            return rows_of(input).ok();
        }
        usize::try_from(input.size / LINE).ok()
    };
    // Recognising thousands of small files costs more than the answer is worth.
    let bytes: u64 = collected.inputs.iter().map(|i| i.size).sum();
    if bytes / LEAST_ROW <= settings.screening.rows_up_to as u64 {
        return 0;
    }
    collected.inputs.iter().filter_map(of).fold(0, usize::saturating_add)
}

/// A column that feeds a field which the sweep does not read.
fn unread(table: &TableAdapter, kind: Kind, header: &[String]) -> Option<String> {
    let known: BTreeSet<&str> = kind.read().collect();
    let layout = table.columns(header)?;
    let fed = table.fields.iter().zip(layout);
    fed.filter(|(f, _)| !known.contains(f.name))
        .find_map(|(_, column)| header.get(column?).cloned())
}

#[cfg(feature = "columnar-io")]
fn rows_of(input: &Input) -> Result<usize, Refusal> {
    let failed = |e: String| Refusal::Failed(format!("`{}`: {e}", input.name));
    let mut reader = ingest::parquet::open(input).map_err(|e| failed(e.to_string()))?;
    reader.num_rows().map_err(|e| failed(e.to_string()))
}

#[cfg(not(feature = "columnar-io"))]
fn rows_of(input: &Input) -> Result<usize, Refusal> {
    Err(Refusal::Failed(format!("`{}`: built without Parquet", input.name)))
}
