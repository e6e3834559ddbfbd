//! Use in Snowflake: `ACCOUNT_USAGE.QUERY_HISTORY` and `LOGIN_HISTORY`, as rows or as a log pipeline wraps
//! them. Texts of queries are not kept: they may hold data and secrets.

use super::super::{Rec, Sink, columns};
use super::{PLATFORM, user_id};
use crate::facts::{Outcome, Text, Usage, UsageGrain, text};
use crate::ingest::ledger::vendor::mentions;
use crate::ingest::source::Probe;

/// Keys that show a row of either view.
const VIEWS: [[&str; 3]; 2] =
    [["query_type", "execution_status", "user_name"], ["event_type", "is_success", "user_name"]];

/// Whether a file holds rows of either view, as a table or in JSON of either letter case.
pub(super) fn recognise(p: &Probe<'_>) -> bool {
    let in_json = |view: &[&str; 3], upper: bool| {
        let key = |k: &str| if upper { k.to_uppercase() } else { k.to_owned() };
        view.iter().all(|k| mentions(p, &[&format!("\"{}\"", key(k))]))
    };
    VIEWS.iter().any(|view| in_json(view, true) || in_json(view, false) || columns(p, view))
}

/// Reads one row; `None` when it is none of these.
pub(super) fn record(r: &Rec<'_>, sink: &mut Sink<'_>) -> Option<Result<(), String>> {
    let d = r.doc;
    if d.at("query_type").is_some() && d.at("user_name").is_some() {
        return Some(row(r, Kind::Query, sink));
    }
    let login = d.str("event_type").is_some_and(|t| t.eq_ignore_ascii_case("login"));
    (login && d.at("user_name").is_some()).then(|| row(r, Kind::Login, sink))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Query,
    Login,
}

fn row(r: &Rec<'_>, kind: Kind, sink: &mut Sink<'_>) -> Result<(), String> {
    let d = r.doc;
    let user = d.need("user_name")?;
    let mut at = None;
    for key in ["start_time", "event_timestamp", "end_time", "p_event_time"] {
        at = r.time(key)?;
        if at.is_some() {
            break;
        }
    }
    let at = at.ok_or("the row carries no time")?;
    let worked = match kind {
        Kind::Login => r.flag("is_success")?,
        Kind::Query => {
            d.str("execution_status").map(|s| s.to_ascii_uppercase().starts_with("SUCCESS"))
        }
    };
    let outcome = match (kind, worked) {
        // A sign-in that failed is nobody's use; a query that failed was allowed to run.
        (Kind::Login, Some(false)) => Outcome::Denied,
        (_, Some(false)) => Outcome::Error,
        (_, Some(true)) => Outcome::Allowed,
        // Whether it worked is not said: it was tried.
        (_, None) => Outcome::Error,
    };
    let action: Text = match kind {
        Kind::Login => text("login"),
        Kind::Query => text(d.need("query_type")?.to_ascii_lowercase()),
    };
    sink.batch.see(at);
    let (source_id, source_ref) = (sink.batch.source_id.clone(), sink.place.clone());
    let schema = || {
        let db = d.str("database_name")?;
        Some(match d.str("schema_name") {
            Some(schema) => format!("database/{db}/{schema}"),
            None => format!("database/{db}"),
        })
    };
    sink.batch.facts.usage.push(Usage {
        principal: user_id(r, user),
        platform: Some(text(PLATFORM)),
        privilege: d.text("role_name"),
        scope: schema().map(text),
        action: Some(action),
        first_at: Some(at),
        last_at: Some(at),
        count: Some(1),
        outcome,
        grain: UsageGrain::Event,
        source_ip: d.text("client_ip"),
        user_agent: d.text("reported_client_type"),
        source_id,
        source_ref,
        ..Usage::default()
    });
    sink.limit(
        "queries are read without their text; what they touched is known by database and schema",
    );
    Ok(())
}
