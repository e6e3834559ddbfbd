//! Microsoft Entra Privileged Identity Management: schedule requests, in the spelling
//! of Microsoft Graph (directory roles) and of Azure Resource Manager (resource roles).
//!
//! Field table: grants model, section 8. Requests are the ledger: those with one target schedule are
//! one grant, together with what the directory audits say of them ([`super::views`]). Instances are state and are read there ([`crate::ingest::azure`]).

use super::history::{History, Keys, Style, Told};
use super::vendor::{Doc, JsonAdapter, mentions};
use crate::facts::{Decision, EndKind, EventKind, Grant, Layer, PrincipalKind, Text, Time, text};
use crate::ingest::azure;
use crate::ingest::source::Batch;
use crate::ingest::table::short;

/// How both are read; the platform is stated by each record.
const STYLE: Style = Style {
    system: "entra-pim",
    platform: None,
    keys: Keys::Native,
    missing_end: EndKind::Unknown,
    missing_decision: Decision::Unknown,
};

/// `roleAssignmentScheduleRequests` of Graph and of Resource Manager.
pub static REQUESTS: JsonAdapter = JsonAdapter {
    format: "entra-pim-requests",
    title: "Microsoft Entra PIM, role assignment schedule requests (Graph, ARM)",
    layer: Layer::Ledger,
    recognise: |p| {
        mentions(p, &["\"scheduleInfo\"", "\"principalId\"", "\"roleDefinitionId\""])
            && (mentions(p, &["\"action\""]) || mentions(p, &["\"requestType\""]))
            && !mentions(p, &["leEligibilityScheduleRequests"])
    },
    style: STYLE,
    record: request,
};

/// Last part of a path of ids.
fn tail(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

/// Name of a role where the export expands it or the role is built in, else its id.
fn role(doc: Doc<'_>) -> Result<Text, String> {
    let id = tail(doc.need("roleDefinitionId")?).to_lowercase();
    let stated =
        doc.first(&["expandedProperties/roleDefinition/displayName", "roleDefinition/displayName"]);
    Ok(text(azure::role_name(stated, &id)))
}

/// Platform and scope. Directory scopes are paths below the tenant, which is called `entra` here.
fn scope(doc: Doc<'_>) -> (&'static str, Text, Option<i64>) {
    if let Some(scope) = doc.str("scope") {
        let parts = scope.trim_matches('/').split('/').count();
        let rank = match scope.to_ascii_lowercase() {
            s if s.starts_with("/providers/microsoft.management/managementgroups/") => 3,
            s if s.starts_with("/subscriptions/") && parts == 2 => 2,
            s if s.starts_with("/subscriptions/") && parts == 4 => 1,
            s if s.starts_with("/subscriptions/") => 0,
            _ => return ("azure", text(scope), None),
        };
        return ("azure", text(scope), Some(rank));
    }
    match doc.first(&["directoryScopeId", "appScopeId"]) {
        None | Some("/") => ("entra", text("entra"), Some(4)),
        Some(path) => ("entra", text(format!("entra/{}", path.trim_matches('/'))), Some(1)),
    }
}

fn kind(doc: Doc<'_>) -> Option<PrincipalKind> {
    let word = doc.first(&["principalType", "expandedProperties/principal/type"])?;
    Some(match word.to_ascii_lowercase().as_str() {
        "user" => PrincipalKind::Human,
        "group" => PrincipalKind::Group,
        "serviceprincipal" => PrincipalKind::App,
        _ => PrincipalKind::Unknown,
    })
}

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    /// Access was given, or taken as asked.
    Done,
    /// Given, and revoked since.
    Revoked,
    /// It will take effect at its start.
    Scheduled,
    Pending,
    Denied,
    Lapsed,
    Withdrawn,
    Failed,
}

/// The 22 values of Resource Manager, which include those of Graph.
fn status(word: &str) -> Result<Status, String> {
    Ok(match word.to_ascii_lowercase().as_str() {
        "provisioned" | "granted" | "adminapproved" => Status::Done,
        "revoked" => Status::Revoked,
        "schedulecreated" => Status::Scheduled,
        "accepted"
        | "pendingevaluation"
        | "pendingprovisioning"
        | "pendingrevocation"
        | "pendingapprovalprovisioning"
        | "pendingapproval"
        | "pendingadmindecision"
        | "provisioningstarted"
        | "pendingschedulecreation"
        | "pendingexternalprovisioning" => Status::Pending,
        "denied" | "admindenied" => Status::Denied,
        "timedout" => Status::Lapsed,
        "canceled" => Status::Withdrawn,
        "failed" | "failedasresourceislocked" | "invalid" => Status::Failed,
        _ => return Err(format!("`status` is `{}`: not a status of a request", short(word))),
    })
}

/// Start and end of the window a request asks for, and its length in seconds.
type Window = (Option<Time>, Option<Time>, Option<i64>);

fn window(doc: Doc<'_>) -> Result<Window, String> {
    let start = doc.time("scheduleInfo/startDateTime")?;
    let how = doc.str("scheduleInfo/expiration/type").unwrap_or_default().to_ascii_lowercase();
    if how == "noexpiration" {
        return Ok((start, None, None));
    }
    let end = doc.time("scheduleInfo/expiration/endDateTime")?;
    let asked = doc
        .duration("scheduleInfo/expiration/duration")?
        .or(start.zip(end).map(|(s, e)| e.secs_since(s)).filter(|s| *s >= 0));
    let end = end.or(start.zip(asked).map(|(s, d)| s.plus_secs(d)));
    Ok((start, end, asked))
}

fn request(doc: Doc<'_>, place: &Text, history: &mut History, _: &mut Batch) -> Result<(), String> {
    let outer = doc;
    let doc = doc.at("properties").map_or(doc, Doc);
    if doc.flag("isValidationOnly") == Some(true) {
        history.other("are validations only");
        return Ok(());
    }
    let id = outer.str("name").or(outer.str("id").map(tail)).ok_or("`id` is missing")?;
    let key = doc
        .first(&["targetScheduleId", "targetRoleAssignmentScheduleId"])
        .map_or(id, tail)
        .to_owned();
    let action =
        doc.first(&["action", "requestType"]).ok_or("`action` is missing")?.to_ascii_lowercase();
    let created = doc
        .time("createdDateTime")?
        .or(doc.time("createdOn")?)
        .ok_or("`createdDateTime` is missing")?;
    let completed = doc.time("completedDateTime")?;
    let actor =
        doc.first(&["createdBy/user/id", "createdBy/application/id", "requestorId"]).map(text);
    let status = status(doc.need("status")?)?;
    let (start, end, asked) = window(doc)?;
    let request = Some(text(id.to_lowercase()));
    let told = Told { key, at: created, actor, request, place: place.clone(), ..Told::default() };
    let own = action.starts_with("self");
    match action.trim_start_matches("self").trim_start_matches("admin") {
        "assign" | "activate" | "renew" => {
            let (platform, scope, _) = scope(doc);
            let about = Grant {
                beneficiary: text(doc.need("principalId")?),
                beneficiary_kind: kind(doc),
                requester: told.actor.clone(),
                platform: Some(text(platform)),
                privilege: role(doc)?,
                scope: Some(scope),
                not_before: start,
                not_after: end,
                duration_requested_s: asked,
                justification: doc.text("justification"),
                ticket_system: doc.text("ticketInfo/ticketSystem"),
                ticket_id: doc.text("ticketInfo/ticketNumber"),
                approval_ref: doc.str("approvalId").map(tail).map(text),
                grant_kind: Some(text(if own { "activation" } else { "assignment" })),
                ..Grant::default()
            };
            begin(told, about, status, own, completed, history);
        }
        "extend" | "update" => {
            if matches!(status, Status::Done | Status::Revoked | Status::Scheduled) {
                let kind = if action.ends_with("update") {
                    EventKind::RequestUpdated
                } else {
                    EventKind::Extended
                };
                history.tell(Told { kind, at: completed.unwrap_or(created), new_end: end, ..told });
            } else {
                let reason = Some(text("a change of the end that did not take effect"));
                history.tell(Told { kind: EventKind::RequestUpdated, reason, ..told });
            }
        }
        "deactivate" | "remove" => {
            let end_kind = if own { EndKind::RevokedByOwner } else { EndKind::RevokedByAdmin };
            let (kind, at) = match status {
                Status::Done | Status::Revoked => {
                    (EventKind::Revoked, completed.unwrap_or(created))
                }
                Status::Failed | Status::Denied => (EventKind::RevokeFailed, created),
                _ => (EventKind::RevokeRequested, created),
            };
            history.tell(Told { kind, at, end_kind, ..told });
        }
        other => return Err(format!("`action` is `{}`: not an action of a request", short(other))),
    }
    Ok(())
}

/// Events of a request that begins a grant.
fn begin(
    told: Told,
    mut about: Grant,
    status: Status,
    own: bool,
    completed: Option<Time>,
    history: &mut History,
) {
    let approved = about.approval_ref.is_some();
    let start = about.not_before.unwrap_or(told.at);
    let mut more = Vec::new();
    match status {
        Status::Done | Status::Revoked | Status::Scheduled => {
            about.decision = if approved {
                Decision::Approved
            } else if own {
                // The policy of the role asks for no approval.
                Decision::AutoApproved
            } else {
                Decision::Unknown
            };
            if approved || own {
                about.decided_at = completed.filter(|_| approved);
            }
            if status == Status::Scheduled {
                more.push((EventKind::Scheduled, completed.unwrap_or(told.at)));
            } else {
                // It is in force when its start has come and it is provisioned.
                about.activated_at_hi = Some(completed.map_or(start, |c| c.max(start)));
                more.push((EventKind::Activated, start));
            }
            if status == Status::Revoked {
                about.end_kind = EndKind::RevokedByAdmin;
            }
        }
        Status::Pending => about.decision = Decision::Pending,
        Status::Denied => more.push((EventKind::Denied, completed.unwrap_or(told.at))),
        Status::Lapsed => more.push((EventKind::Lapsed, completed.unwrap_or(told.at))),
        Status::Withdrawn => more.push((EventKind::Withdrawn, completed.unwrap_or(told.at))),
        Status::Failed => more.push((EventKind::ActivationFailed, completed.unwrap_or(told.at))),
    }
    for (kind, at) in more {
        // Who decided, the request does not say.
        history.tell(Told { kind, at, actor: None, ..told.clone() });
    }
    history.tell(Told { kind: EventKind::Requested, about: Some(Box::new(about)), ..told });
}
