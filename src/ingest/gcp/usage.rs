//! What was used: last authentication of accounts and keys, and permissions exercised by binding.

use super::{Sink, accounts, scope};
use crate::facts::time::parse_duration;
use crate::facts::*;
use crate::ingest::ledger::vendor::Doc;
use crate::ingest::source::Batch;
use crate::privilege::gcp::member;

/// `policy-intelligence query-activity`: no time means none in the window, not none ever.
pub fn activity(
    sink: &mut Sink<'_>,
    doc: Doc<'_>,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    let (from, to) =
        (doc.time("observationPeriod/startTime")?, doc.time("observationPeriod/endTime")?);
    widen(batch, from, to);
    let last = doc.time("activity/lastAuthenticatedTime")?;
    let kind = doc.need("activityType")?;
    let name = doc.need("fullResourceName")?;
    let number = doc
        .id("activity/serviceAccount/projectNumber")
        .or_else(|| doc.id("activity/serviceAccountKey/projectNumber"));
    if let (Some(number), Some(project)) = (number, scope::project_in(name)) {
        sink.number(&number, &project, place, batch);
    }
    let (grain, email, credential) = match kind {
        "serviceAccountLastAuthentication" => {
            let email = name.rsplit('/').next().unwrap_or_default().to_lowercase();
            (UsageGrain::Identity, email, None)
        }
        "serviceAccountKeyLastAuthentication" => {
            let (email, key) = accounts::parts(name).ok_or("the key has no name")?;
            let id = accounts::key_id(&email, key);
            (UsageGrain::Credential, email, Some(id))
        }
        other => return Err(format!("`activityType` is `{other}`, which is not known")),
    };
    sink.notes.insert(
        "requests by API keys that are bound to a service account are not counted here".into(),
    );
    batch.facts.usage.push(Usage {
        principal: text(email),
        credential_id: credential,
        platform: Some(text("gcp")),
        first_at: last,
        last_at: last,
        count: last.is_none().then_some(0),
        outcome: Outcome::Allowed,
        grain,
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Usage::default()
    });
    Ok(())
}

fn widen(batch: &mut Batch, from: Option<Time>, to: Option<Time>) {
    let (a, b) = batch.window.unwrap_or((None, None));
    let earliest = match (a, from) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    batch.window = Some((earliest, b.max(to)));
}

/// `recommender insights list`: which permissions of a binding were exercised. An empty list says that
/// none was.
pub fn insight(
    sink: &mut Sink<'_>,
    doc: Doc<'_>,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    if doc.str("insightSubtype") != Some("PERMISSIONS_USAGE") {
        sink.aside("insights are about something else than exercised permissions");
        return Ok(());
    }
    let content = doc.at("content").map(Doc).ok_or("`content` is missing")?;
    let member = member::parse(content.need("member")?);
    let role = text(content.need("role")?);
    let exercised =
        content.at("exercisedPermissions").ok_or("`exercisedPermissions` is missing")?;
    let exercised = exercised.as_array().ok_or("`exercisedPermissions` is no list")?;
    let end = doc.time("lastRefreshTime")?;
    let length = doc.str("observationPeriod").and_then(|s| parse_duration(s, 1.0));
    widen(batch, end.zip(length).map(|(e, l)| e.plus_secs(-l)), end);
    let target = doc.list("targetResources").find_map(|t| t.0.as_str().map(scope::canonical));
    let row = Usage {
        principal: member.id,
        platform: Some(text("gcp")),
        privilege: Some(role),
        scope: target.map(|(s, _)| s),
        outcome: Outcome::Allowed,
        grain: UsageGrain::Action,
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Usage::default()
    };
    if exercised.is_empty() {
        batch.facts.usage.push(Usage { count: Some(0), ..row });
        return Ok(());
    }
    for p in exercised {
        let name = p.get("permission").and_then(serde_json::Value::as_str);
        let name = name.ok_or("an exercised permission without a name")?;
        batch.facts.usage.push(Usage { action: Some(text(name)), ..row.clone() });
    }
    Ok(())
}
