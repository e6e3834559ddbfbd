//! Use: the activity log, sign-ins, and the last sign-in of applications.
//!
//! The activity log holds writes and actions, never reads, for ninety days: what is not in it may have
//! been read all the same. Sign-ins show that an identity authenticated, not which permission it used.

use super::{Reader, Rec, see, short};
use crate::facts::{Outcome, Text, Usage, UsageGrain, text};
use crate::ingest::source::Batch;
use crate::privilege::azure::scope;

/// `az monitor activity-log list`, and the same from diagnostic settings.
pub(super) fn activity(
    r: Rec<'_>,
    place: &Text,
    reader: &mut Reader<'_>,
    batch: &mut Batch,
) -> Result<(), String> {
    let at = r
        .time(&["eventTimestamp", "time", "submissionTimestamp"])?
        .ok_or("`eventTimestamp` is missing")?;
    let operation = r.need(&["operationName/value", "operationName", "authorization/action"])?;
    let status = r.str(&["status/value", "status", "resultType", "activityStatusValue"]);
    let outcome = match status.unwrap_or_default().to_ascii_lowercase().as_str() {
        "" | "succeeded" | "success" | "resolved" | "active" => Outcome::Allowed,
        "started" | "start" | "accepted" | "accept" | "inprogress" | "in progress" | "updated" => {
            reader.seen.intermediate += 1;
            return Ok(());
        }
        "failed" | "failure" | "canceled" => {
            let sub = r.str(&["subStatus/value", "resultSignature", "httpRequest/statusCode"]);
            let low = sub.unwrap_or_default().to_ascii_lowercase();
            if ["forbidden", "unauthorized", "403", "401"].iter().any(|w| low.contains(w)) {
                Outcome::Denied
            } else {
                Outcome::Error
            }
        }
        other => {
            return Err(format!("`status` is `{}`: not a status of an activity", short(other)));
        }
    };
    batch.see(at);
    let object = "http://schemas.microsoft.com/identity/claims/objectidentifier";
    let claim = |name: &str| {
        ["claims", "identity/claims"].into_iter().find_map(|p| r.at(p)?.get(name)?.as_str())
    };
    let caller = r
        .str(&["caller", "identity/authorization/evidence/principalId"])
        .or_else(|| claim(object))
        .or_else(|| claim("appid"));
    let Some(caller) = caller else {
        reader.seen.nameless += 1;
        return Ok(());
    };
    let resource = r.str(&["resourceId", "resourceUri"]);
    let at_scope = r.str(&["authorization/scope", "identity/authorization/scope"]).or(resource);
    batch.facts.usage.push(Usage {
        principal: text(caller.to_ascii_lowercase()),
        platform: Some(text("azure")),
        scope: at_scope.map(|s| text(scope::canonical(s))),
        action: Some(text(operation.to_ascii_lowercase())),
        resource: resource.map(|s| text(scope::canonical(s))),
        first_at: Some(at),
        last_at: Some(at),
        count: Some(1),
        errors: (outcome == Outcome::Error).then_some(1),
        outcome,
        grain: UsageGrain::Event,
        source_ip: r.str(&["httpRequest/clientIpAddress", "callerIpAddress"]).map(text),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Usage::default()
    });
    Ok(())
}

/// A sign-in, as Graph prints it or as diagnostic settings send it.
///
/// # Errors
/// Why the record cannot be read.
pub fn sign_in(r: Rec<'_>, place: &Text, batch: &mut Batch) -> Result<(), String> {
    let at = r.time(&["createdDateTime", "time"])?.ok_or("`createdDateTime` is missing")?;
    batch.see(at);
    let who = r
        .str(&[
            "userPrincipalName",
            "userId",
            "servicePrincipalId",
            "servicePrincipalName",
            "appId",
        ])
        .ok_or("neither a user nor a service principal")?;
    let code = r.at("status/errorCode").and_then(|c| c.0.as_i64());
    let failed = code.is_some_and(|c| c != 0)
        || r.str(&["resultType"])
            .is_some_and(|c| c != "0" && c.bytes().all(|b| b.is_ascii_digit()));
    batch.facts.usage.push(Usage {
        principal: text(who.to_ascii_lowercase()),
        platform: Some(text("entra")),
        action: Some(text("sign-in")),
        resource: r.str(&["resourceDisplayName", "appDisplayName"]).map(text),
        first_at: Some(at),
        last_at: Some(at),
        count: Some(1),
        outcome: if failed { Outcome::Denied } else { Outcome::Allowed },
        grain: UsageGrain::Event,
        source_ip: r.str(&["ipAddress", "callerIpAddress"]).map(text),
        user_agent: r.str(&["userAgent"]).map(text),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Usage::default()
    });
    Ok(())
}

/// Graph beta `reports/servicePrincipalSignInActivities`: the last sign-in of each application, by its
/// own credential or for a user.
pub(super) fn sign_in_activity(r: Rec<'_>, place: &Text, batch: &mut Batch) -> Result<(), String> {
    let app = r.need_id(&["appId"])?;
    let mut last = None;
    for key in [
        "lastSignInActivity",
        "applicationAuthenticationClientSignInActivity",
        "delegatedClientSignInActivity",
    ] {
        last = last.max(r.time(&[&format!("{key}/lastSignInDateTime")])?);
    }
    see(batch, last);
    batch.facts.usage.push(Usage {
        principal: app,
        platform: Some(text("entra")),
        first_at: None,
        last_at: last,
        count: if last.is_none() { Some(0) } else { None },
        grain: UsageGrain::Identity,
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Usage::default()
    });
    Ok(())
}
