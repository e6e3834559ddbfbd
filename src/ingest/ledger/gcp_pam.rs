//! Google Cloud Privileged Access Manager: lists of grants, and the audit log of the service.
//!
//! Field table: grants model, section 8 (API library 0.4.2, audit reference). `EXPIRED` means that the
//! *request* lapsed; access that ended on time is `ENDED`. There is no extension. The array of a
//! timeline is not in the order of time. A revocation is a long-running operation with two entries.

use super::history::{History, Keys, Style, Told};
use super::vendor::{Doc, JsonAdapter, mentions};
use crate::facts::{
    Decision, EndKind, EventKind, Grant, Layer, Outcome, PrincipalKind, Text, text,
};
use crate::ingest::source::Batch;
use crate::ingest::table::short;

const STYLE: Style = Style {
    system: "gcp-pam",
    platform: Some("gcp"),
    keys: Keys::Native,
    missing_end: EndKind::Open,
    // Every approval is an event of the timeline and a call in the log; without one none was asked for.
    missing_decision: Decision::AutoApproved,
};

/// `gcloud pam grants list --format=json`, `grants.list` and `grants.search` of the API.
pub static GRANTS: JsonAdapter = JsonAdapter {
    format: "gcp-pam-grants",
    title: "Google Cloud Privileged Access Manager, list of grants",
    layer: Layer::Ledger,
    recognise: |p| {
        mentions(p, &["\"privilegedAccess\"", "\"gcpIamAccess\"", "/grants/"])
            && !mentions(p, &["\"protoPayload\""])
    },
    style: STYLE,
    record: listed,
};

/// Cloud Audit Logs of `privilegedaccessmanager.googleapis.com`.
pub static AUDIT: JsonAdapter = JsonAdapter {
    format: "gcp-pam-audit",
    title: "Google Cloud Privileged Access Manager, audit log",
    layer: Layer::Ledger,
    recognise: |p| {
        mentions(p, &["\"protoPayload\"", "privilegedaccessmanager.googleapis.com", "methodName"])
    },
    style: STYLE,
    record: entry,
};

/// Key of a grant. Names carry the id or the number of the project for the same grant; the ids that
/// the service makes are unique without it.
fn key(name: &str) -> &str {
    let unique = name.rsplit('/').next().is_some_and(|id| id.len() >= 32);
    match name.find("/entitlements/") {
        Some(at) if unique => name.get(at + 1..).unwrap_or(name),
        _ => name,
    }
}

fn scope(resource: &str) -> Text {
    let path = resource.strip_prefix("//").and_then(|r| r.split_once('/')).map(|(_, path)| path);
    match path {
        Some(path) if resource.starts_with("//cloudresourcemanager.") => text(path),
        _ => text(resource),
    }
}

/// Key and content of each role of a grant. Most grants hold one; several are several grants, named
/// after the role.
fn grants(doc: Doc<'_>) -> Result<Vec<(String, Grant)>, String> {
    let name = doc.need("name")?;
    let requester = doc.need("requester")?;
    let access = "privilegedAccess/gcpIamAccess";
    let common = Grant {
        beneficiary: text(requester),
        beneficiary_kind: requester.contains('@').then(|| {
            if requester.ends_with(".gserviceaccount.com") {
                PrincipalKind::ServiceAccount
            } else {
                PrincipalKind::Human
            }
        }),
        requester: Some(text(requester)),
        scope: doc.str(&format!("{access}/resource")).map(scope),
        duration_requested_s: doc.duration("requestedDuration")?,
        justification: doc.text("justification/unstructuredJustification"),
        externally_modified: doc.flag("externallyModified").unwrap_or(false),
        activated_at_hi: doc.time("auditTrail/accessGrantTime")?,
        ended_at_hi: doc.time("auditTrail/accessRemoveTime")?,
        ..Grant::default()
    };
    let roles: Vec<(&str, bool)> = doc
        .list(&format!("{access}/roleBindings"))
        .filter_map(|b| Some((b.str("role")?, b.str("conditionExpression").is_some())))
        .collect();
    if roles.is_empty() {
        return Err("`privilegedAccess.gcpIamAccess.roleBindings` names no role".into());
    }
    let one = roles.len() == 1;
    Ok(roles
        .into_iter()
        .map(|(role, conditional)| {
            let id = if one { key(name).to_owned() } else { format!("{}#{role}", key(name)) };
            let grant = Grant {
                privilege: text(role),
                grant_kind: conditional.then(|| text("conditional")),
                ..common.clone()
            };
            (id, grant)
        })
        .collect())
}

/// What the state of a grant says that its timeline may lack.
fn state(word: &str, g: &mut Grant) -> Result<(), String> {
    match word {
        "APPROVAL_AWAITED" | "STATE_UNSPECIFIED" => g.decision = Decision::Pending,
        "DENIED" => g.decision = Decision::Denied,
        "SCHEDULED" | "ACTIVATING" => g.decision = Decision::Approved,
        "EXPIRED" => g.decision = Decision::Lapsed,
        "ACTIVATION_FAILED" => {
            g.decision = Decision::Failed;
            g.end_kind = EndKind::Failed;
        }
        "WITHDRAWN" => {
            g.decision = Decision::Withdrawn;
            g.end_kind = EndKind::Withdrawn;
        }
        "ACTIVE" => g.end_kind = EndKind::Open,
        "ENDED" => g.end_kind = EndKind::Expired,
        "REVOKED" => g.end_kind = EndKind::RevokedByUser,
        // Asked for, and not yet known to be done.
        "REVOKING" | "WITHDRAWING" => {}
        other => return Err(format!("`state` is `{}`: not a state of a grant", short(other))),
    }
    Ok(())
}

fn listed(
    doc: Doc<'_>,
    place: &Text,
    history: &mut History,
    batch: &mut Batch,
) -> Result<(), String> {
    let created = doc.time("createTime")?;
    if let Some(t) = doc.time("updateTime")? {
        batch.see(t);
    }
    let mut events = Vec::new();
    let (mut lapses, mut scheduled) = (None, None);
    for e in doc.list("timeline/events") {
        events.extend(timeline(e)?);
        lapses = e.time("requested/expireTime")?.or(lapses);
        scheduled = e.time("scheduled/scheduledActivationTime")?.or(scheduled);
    }
    let has = |kind| events.iter().any(|t: &Told| t.kind == kind);
    let began = has(EventKind::Activated);
    let ended = has(EventKind::Revoked) || has(EventKind::Expired);
    if events.is_empty() {
        let at = created.ok_or("`createTime` is missing")?;
        events.push(Told { kind: EventKind::RequestUpdated, at, ..Told::default() });
    }
    for (key, mut grant) in grants(doc)? {
        state(doc.need("state")?, &mut grant)?;
        grant.requested_at = created;
        grant.request_expires_at = lapses;
        grant.not_before = scheduled;
        // The trail of the grant is the later bound beside an event of the timeline, else both.
        grant.activated_at_lo = grant.activated_at_hi.filter(|_| !began);
        grant.ended_at_lo = grant.ended_at_hi.filter(|_| !ended);
        let mut about = Some(Box::new(grant));
        for t in &events {
            let (key, place) = (key.clone(), place.clone());
            history.tell(Told { key, place, about: about.take(), ..t.clone() });
        }
    }
    Ok(())
}

/// Events of one element of a timeline.
fn timeline(e: Doc<'_>) -> Result<Option<Told>, String> {
    let kinds = [
        ("requested", EventKind::Requested),
        ("approved", EventKind::Approved),
        ("denied", EventKind::Denied),
        ("revoked", EventKind::Revoked),
        ("scheduled", EventKind::Scheduled),
        ("activated", EventKind::Activated),
        ("activationFailed", EventKind::ActivationFailed),
        // The request lapsed; the end of access is `ended`.
        ("expired", EventKind::Lapsed),
        ("ended", EventKind::Expired),
        ("withdrawn", EventKind::Withdrawn),
        ("externallyModified", EventKind::ExternallyModified),
    ];
    let Some((word, kind)) = kinds.iter().find(|(word, _)| e.at(word).is_some()) else {
        return Ok(None);
    };
    Ok(Some(Told {
        kind: *kind,
        at: e.need_time("eventTime")?,
        actor: e.text(&format!("{word}/actor")),
        reason: e
            .text(&format!("{word}/reason"))
            .or_else(|| e.text(&format!("{word}/error/message"))),
        end_kind: if *kind == EventKind::Revoked {
            EndKind::RevokedByUser
        } else {
            EndKind::Unknown
        },
        ..Told::default()
    }))
}

/// One entry of the audit log.
fn entry(
    doc: Doc<'_>,
    place: &Text,
    history: &mut History,
    batch: &mut Batch,
) -> Result<(), String> {
    let _ = batch;
    let payload = doc.at("protoPayload").map(Doc).ok_or("`protoPayload` is missing")?;
    if payload.str("serviceName") != Some("privilegedaccessmanager.googleapis.com") {
        history.other("are of other services");
        return Ok(());
    }
    // Versions differ (`v1`, `v1beta`, `v1alpha`); the last part of the name is the method.
    let method = payload.need("methodName")?.rsplit('.').next().unwrap_or_default();
    let (first, last) = (doc.flag("operation/first"), doc.flag("operation/last"));
    let accepted = first == Some(true) && last != Some(true);
    let kind = match method {
        "CreateGrant" => EventKind::Requested,
        "ApproveGrant" => EventKind::Approved,
        "DenyGrant" => EventKind::Denied,
        "WithdrawGrant" => EventKind::Withdrawn,
        "RevokeGrant" if accepted => EventKind::RevokeRequested,
        "RevokeGrant" => EventKind::Revoked,
        "PAMActivateGrant" => EventKind::Activated,
        "PAMEndGrant" => EventKind::Expired,
        "PAMExpireGrant" => EventKind::Lapsed,
        "PAMDeleteGrant" => EventKind::LedgerDeleted,
        "PAMReportExternalGrantModification" => EventKind::ExternallyModified,
        _ => {
            history.other("are of other methods");
            return Ok(());
        }
    };
    let at = doc.need_time("timestamp")?;
    let named = ["response/name", "request/name", "resourceName", "response/grant/name"];
    let name = named
        .iter()
        .filter_map(|p| payload.str(p))
        .find(|n| n.contains("/grants/"))
        .ok_or("the entry names no grant")?;
    let code = payload.at("status/code").and_then(serde_json::Value::as_i64).unwrap_or(0);
    let actor = payload.text("authenticationInfo/principalEmail");
    let mut abouts = match payload.at("response").map(Doc) {
        Some(grant) if grant.str("requester").is_some() => grants(grant)?,
        _ => vec![(key(name).to_owned(), Grant::default())],
    };
    for (key, mut about) in abouts.drain(..) {
        // The response shows the grant as it is then; when it began and ended, later entries tell.
        about.activated_at_hi = None;
        about.ended_at_hi = None;
        if kind == EventKind::RevokeRequested && code == 0 {
            about.ended_at_lo = Some(at);
        }
        history.tell(Told {
            key,
            kind,
            at,
            recorded_at: doc.time("receiveTimestamp")?,
            actor: actor.clone(),
            outcome: match code {
                0 => Outcome::Allowed,
                7 | 16 => Outcome::Denied,
                _ => Outcome::Error,
            },
            reason: payload.text("request/reason").or_else(|| payload.text("status/message")),
            end_kind: if kind == EventKind::Revoked {
                EndKind::RevokedByUser
            } else {
                EndKind::Unknown
            },
            about: Some(Box::new(about)),
            place: place.clone(),
            ..Told::default()
        });
    }
    Ok(())
}
