//! Generic table of use: events, or counts per principal and privilege.

use crate::facts::{Layer, Outcome, Usage, UsageGrain, text};
use crate::ingest::ledger::credentials::truncate_id;
use crate::ingest::source::Batch;
use crate::ingest::table::{Row, TableAdapter, fields};

fields! {
    Principal = "principal" | "identity" | "actor",
    Platform = "platform" | "system" | "cloud",
    Privilege = "privilege" | "role",
    Scope = "scope",
    GrantId = "grant_id",
    TaskId = "task_id",
    CredentialId = "credential_id",
    OnBehalfOf = "on_behalf_of",
    Action = "action",
    Resource = "resource",
    Day = "day" | "date",
    At = "at" | "time" | "timestamp" | "event_time",
    FirstSeen = "first_seen" | "first_at" | "first_used",
    LastSeen = "last_seen" | "last_at" | "last_used",
    Count = "count" | "uses",
    Errors = "errors",
    OutcomeOf = "outcome",
    SourceIp = "source_ip" | "ip",
    UserAgent = "user_agent",
}

/// Format id; rows of these sources are folded when two files hold the same export.
pub const FORMAT: &str = "usage-generic";

/// The format.
pub const ADAPTER: TableAdapter = TableAdapter {
    format: FORMAT,
    title: "Use of privileges (generic table)",
    layer: Layer::Usage,
    fields: FIELDS,
    required: &[&["principal"], &["first_seen", "last_seen", "at"]],
    recognise: |n| {
        n.any(&["principal", "identity", "actor"])
            && (n.any(&["first_seen", "last_seen", "first_at", "last_at"])
                || (n.any(&["at", "time", "timestamp", "event_time"]) && n.any(&["action"])))
            && n.any(&["count", "uses", "action", "day", "role", "privilege"])
            && !n.any(&["granted_at", "requested_at", "issued_at", "event", "decision"])
    },
    row,
};

fn row(row: &Row<'_>, batch: &mut Batch) -> Result<(), String> {
    let at = row.instant(F::At)?;
    let first_seen = row.instant(F::FirstSeen)?;
    let last_seen = row.instant(F::LastSeen)?;
    let first_at = first_seen.or(at).or(last_seen);
    let last_at = last_seen.or(at).or(first_seen);
    let count = row.count(F::Count)?;
    let errors = row.count(F::Errors)?;
    // The day of a count says less than its first and last use; it is read to be checked only.
    row.check_time(F::Day)?;
    if first_at.is_none() && count != Some(0) {
        return Err("no time of use: `first_seen`, `last_seen` and `at` are missing".into());
    }
    if let (Some(a), Some(b)) = (first_at, last_at)
        && b < a
    {
        return Err("`last_seen` is before `first_seen`".into());
    }
    let action = row.shared(F::Action);
    let credential_id = row.get(F::CredentialId).map(|s| row.share(&shorten(s)));
    let grant_id = row.text(F::GrantId);
    let privilege = row.shared(F::Privilege);
    let grain = match (&action, count) {
        (_, None) if at.is_some() => UsageGrain::Event,
        (Some(a), _) if a.ends_with(":*") => UsageGrain::Service,
        (Some(_), _) => UsageGrain::Action,
        // A row by role or grant lists the uses of a privilege, without naming single actions.
        (None, _) if grant_id.is_some() || privilege.is_some() => UsageGrain::Action,
        (None, _) if credential_id.is_some() => UsageGrain::Credential,
        (None, _) => UsageGrain::Identity,
    };
    let outcome = match row.word(F::OutcomeOf).as_deref() {
        Some("allowed" | "success" | "ok" | "allow") => Outcome::Allowed,
        Some("denied" | "deny" | "forbidden") => Outcome::Denied,
        Some("error" | "failure" | "failed") => Outcome::Error,
        Some(_) => return Err(row.unknown_word(F::OutcomeOf)),
        None if count.is_some_and(|c| c > 0 && errors.is_some_and(|e| e >= c)) => Outcome::Error,
        None => Outcome::Allowed,
    };
    let usage = Usage {
        principal: row.share(row.need(F::Principal)?),
        principal_id: None,
        on_behalf_of: row.shared(F::OnBehalfOf),
        credential_id,
        grant_id,
        task_id: row.text(F::TaskId),
        platform: row.get(F::Platform).map(|p| row.share(&p.to_lowercase())),
        privilege,
        scope: row.shared(F::Scope),
        action,
        resource: row.shared(F::Resource),
        first_at,
        last_at,
        count: count.or((grain == UsageGrain::Event).then_some(1)),
        errors,
        outcome,
        grain,
        source_ip: row.shared(F::SourceIp),
        user_agent: row.shared(F::UserAgent),
        source_id: row.source_id.clone(),
        source_ref: text(&row.source_ref),
    };
    for t in [first_at, last_at].into_iter().flatten() {
        batch.see(t);
    }
    batch.facts.usage.push(usage);
    Ok(())
}

/// Ids of the tables of credentials are cut; one that already is stays as it is.
fn shorten(id: &str) -> String {
    if id.contains("...") { id.to_owned() } else { truncate_id(id) }
}
