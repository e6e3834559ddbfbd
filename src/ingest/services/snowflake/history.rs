//! What was in Snowflake. Use: `ACCOUNT_USAGE.QUERY_HISTORY` and `LOGIN_HISTORY`, as rows or as a log
//! pipeline wraps them. Texts of queries are not kept: they may hold data and secrets. Grants that were taken
//! back: rows of `GRANTS_TO_USERS` and `GRANTS_TO_ROLES` with a time of deletion.

use super::super::{Rec, Sink, columns};
use super::{PLATFORM, is_role, role_id, user_id};
use crate::facts::{
    EventKind, Grant, GrantEvent, Outcome, PrincipalKind, Text, Time, Usage, UsageGrain, text,
};
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

/// A role that somebody had from one instant to another: one table is ledger and state, and this is a row
/// of the ledger. Single privileges that were taken back are counted only.
pub(super) fn taken_back(r: &Rec<'_>, at: Time, sink: &mut Sink<'_>) -> Result<bool, String> {
    let d = r.doc;
    let whole = d.str("privilege").is_none_or(|p| p.eq_ignore_ascii_case("USAGE"));
    let role = d.first(&["role", "name"]);
    let (Some(role), true) = (role, whole && is_role(d.str("granted_on").unwrap_or("ROLE"))) else {
        sink.limit("privileges on objects that were taken back are history");
        return Ok(true);
    };
    let given = r.time("created_on")?.ok_or("`created_on` is missing")?;
    let to = d.first(&["granted_to", "grantee_type"]).unwrap_or("ROLE");
    let name = d.need("grantee_name")?;
    let user = to.eq_ignore_ascii_case("USER");
    let who = if user { user_id(r, name) } else { role_id(r, name) };
    let id = text(format!("{who}|{role}@{}", given.to_rfc3339()));
    let (source_id, source_ref) = (sink.batch.source_id.clone(), sink.place.clone());
    for (kind, occurred_at) in [(EventKind::Activated, given), (EventKind::Revoked, at)] {
        sink.batch.see(occurred_at);
        sink.batch.facts.grant_events.push(GrantEvent {
            grant_id: Some(id.clone()),
            kind,
            occurred_at,
            // The row names who gave it, not who took it.
            actor: d.text("granted_by").filter(|_| kind == EventKind::Activated),
            source_id: source_id.clone(),
            source_ref: source_ref.clone(),
            ..GrantEvent::default()
        });
    }
    sink.batch.facts.grants.push(Grant {
        grant_id: id,
        system: text(PLATFORM),
        platform: Some(text(PLATFORM)),
        beneficiary: who,
        beneficiary_kind: (!user).then_some(PrincipalKind::Role),
        privilege: text(role),
        scope: Some(text("account")),
        not_before: Some(given),
        activated_at_lo: Some(given),
        activated_at_hi: Some(given),
        ended_at_lo: Some(at),
        ended_at_hi: Some(at),
        grant_kind: Some(text("role")),
        source_id,
        source_ref,
        ..Grant::default()
    });
    sink.limit(
        "roles that were taken back are grants; rules on grants need a ledger among the inputs",
    );
    Ok(true)
}
