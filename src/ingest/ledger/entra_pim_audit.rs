//! Directory audits of Microsoft Entra Privileged Identity Management.
//!
//! Field table: grants model, section 8. The service writes each activation and each end twice or
//! more: a row of its own, a row of the core directory, rows of the approval. A removal has a request of
//! its own, so that no id joins it to the start; rows are folded by role, principal and scope. A start
//! while access is given already repeats the first: so do the alerts about an assignment outside of
//! the service, which come again about every two hours while it lasts. Where the schedule requests are
//! read too, rows of one request are one grant with them ([`super::views`]).

use super::history::{History, Keys, Style, Told};
use super::vendor::{Doc, JsonAdapter, mentions};
use crate::facts::{
    ApprovalMethod, Decision, EndKind, EventKind, Grant, Layer, Outcome, PrincipalKind, Text, Time,
    text,
};
use crate::ingest::azure::{self, Rec};
use crate::ingest::source::Batch;

/// `auditLogs/directoryAudits` of Graph, and the same in diagnostic settings (`properties`).
pub static AUDIT: JsonAdapter = JsonAdapter {
    format: "entra-pim-audit",
    title: "Microsoft Entra PIM, directory audits",
    layer: Layer::Ledger,
    recognise: |p| {
        mentions(p, &["\"activityDisplayName\"", "\"loggedByService\"", "\"targetResources\""])
    },
    style: Style {
        system: "entra-pim",
        platform: Some("entra"),
        keys: Keys::Slot,
        missing_end: EndKind::Unknown,
        missing_decision: Decision::Unknown,
    },
    record,
};

/// What an activity means for a grant.
#[derive(Clone, Copy)]
struct Meaning {
    kind: EventKind,
    end_kind: EndKind,
    /// Word for the kind of grant; `None` where the activity is about any.
    grant_kind: Option<&'static str>,
}

/// Words that an activity's name holds, lower case, and what it means; the first row that fits wins.
/// The names are the same for roles, groups and resources.
const ACTIVITIES: &[(&[&str], EventKind, EndKind, Option<&str>)] = {
    use EventKind as K;
    const NONE: EndKind = EndKind::Unknown;
    const ACTIVATION: Option<&str> = Some("activation");
    const ASSIGNMENT: Option<&str> = Some("assignment");
    &[
        (&["outside of pim"], K::Activated, NONE, OUTSIDE),
        (&["approval requested", "pim activation"], K::RequestUpdated, NONE, ACTIVATION),
        (&["request approved"], K::Approved, NONE, ACTIVATION),
        (&["request denied"], K::Denied, NONE, ACTIVATION),
        (&["activation request expired"], K::Lapsed, NONE, ACTIVATION),
        (&["remove member", "activation expired"], K::Expired, EndKind::Expired, None),
        (&["update member in pim approved"], K::Extended, NONE, None),
        (&["process role removal request"], K::RevokeFailed, NONE, None),
        (&["remove member", "requested", "deactivate"], K::RevokeRequested, NONE, None),
        (&["remove member", "completed", "deactivate"], K::Revoked, EndKind::RevokedByOwner, None),
        (&["remove member", "in pim requested"], K::RevokeRequested, NONE, None),
        (&["remove member", "in pim completed"], K::Revoked, EndKind::RevokedByAdmin, None),
        (&["add member", "canceled", "pim"], K::Withdrawn, NONE, ACTIVATION),
        (&["add member", "requested", "pim activation"], K::Requested, NONE, ACTIVATION),
        (&["add member", "completed", "pim activation"], K::Activated, NONE, ACTIVATION),
        (&["add member", "in pim requested"], K::Requested, NONE, ASSIGNMENT),
        (&["add member", "in pim completed"], K::Activated, NONE, ASSIGNMENT),
    ]
};

/// Kind of grant that the service only watches.
const OUTSIDE: Option<&str> = Some("outside of PIM");

/// Reads the name of an activity. Eligibility is no access.
fn meaning(activity: &str) -> Option<Meaning> {
    let name = activity.to_ascii_lowercase();
    if name.contains("eligible") {
        return None;
    }
    ACTIVITIES.iter().find(|(words, ..)| words.iter().all(|w| name.contains(w))).map(
        |(_, kind, end_kind, grant_kind)| Meaning {
            kind: *kind,
            end_kind: *end_kind,
            grant_kind: *grant_kind,
        },
    )
}

/// Value of an additional detail.
fn detail<'v>(doc: Doc<'v>, key: &str) -> Option<&'v str> {
    doc.list("additionalDetails")
        .find(|d| d.str("key").is_some_and(|k| k.eq_ignore_ascii_case(key)))?
        .str("value")
        .map(|v| v.trim_matches('"'))
        .filter(|v| !v.is_empty())
}

/// The target of a type, by its place among the targets.
fn target<'v>(doc: Doc<'v>, kinds: &[&str]) -> Option<Doc<'v>> {
    doc.list("targetResources")
        .find(|t| t.str("type").is_some_and(|k| kinds.iter().any(|w| k.eq_ignore_ascii_case(w))))
}

fn record(
    doc: Doc<'_>,
    place: &Text,
    history: &mut History,
    batch: &mut Batch,
) -> Result<(), String> {
    // Diagnostic settings put the audit below `properties`.
    let outer = doc;
    let doc = doc.at("properties").map_or(doc, Doc);
    // One export of diagnostic settings may hold both logs.
    if outer.str("category").is_some_and(|c| c.ends_with("SignInLogs")) {
        return azure::sign_in(Rec(outer.0), place, batch);
    }
    let activity = doc
        .str("activityDisplayName")
        .or(outer.str("operationName"))
        .ok_or("`activityDisplayName` is missing")?;
    let Some(means) = meaning(activity) else {
        history.other("are of other activities");
        return Ok(());
    };
    let at = doc.need_time("activityDateTime")?;
    let actor = doc
        .first(&["initiatedBy/user/userPrincipalName", "initiatedBy/user/id"])
        .map(|a| text(a.to_lowercase()));
    let role = target(doc, &["Role"]).ok_or("no target of type `Role`")?;
    let name = role.first(&["displayName", "id"]).ok_or("the role has neither name nor id")?;
    let who = target(doc, &["User", "ServicePrincipal", "Group"]);
    // Names are not unique; a principal name is, and an id.
    let beneficiary = who
        .and_then(|w| w.first(&["userPrincipalName", "id", "displayName"]))
        .map(str::to_lowercase)
        .or_else(|| actor.as_deref().map(str::to_owned))
        .ok_or("no target that receives the role")?;
    let scope = scope(doc);
    let outside = means.grant_kind == OUTSIDE;
    let mut key = format!("{beneficiary}|{name}|{scope}");
    if outside {
        key.insert_str(0, "outside|");
    }
    let time = |key: &str| detail(doc, key).and_then(|s| crate::facts::time::parse_time(s).ok());
    let end: Option<Time> = time("ExpirationTime").flatten().map(|p| p.lo);
    let failed = doc.str("result").is_some_and(|r| !r.eq_ignore_ascii_case("success"));
    let justification = detail(doc, "Justification").or(doc.str("resultReason"));
    let about = Grant {
        beneficiary: text(&beneficiary),
        beneficiary_kind: who.and_then(|w| w.str("type")).and_then(kind),
        requester: actor.clone().filter(|_| means.kind == EventKind::Requested),
        privilege: text(name),
        scope: Some(text(&scope)),
        not_after: end.filter(|_| means.kind != EventKind::Extended),
        justification: justification
            .filter(|_| matches!(means.kind, EventKind::Requested | EventKind::Activated))
            .map(text),
        ticket_system: detail(doc, "TicketSystem").map(text),
        ticket_id: detail(doc, "TicketNumber").map(text),
        grant_kind: means.grant_kind.map(text),
        externally_modified: outside,
        ..Grant::default()
    };
    let begins = matches!(
        means.kind,
        EventKind::Requested | EventKind::Activated | EventKind::RequestUpdated
    );
    history.tell(Told {
        key,
        kind: means.kind,
        at,
        // Expiry and alerts are the service's own doing.
        actor: actor.filter(|_| !outside && means.kind != EventKind::Expired),
        outcome: if failed && means.kind != EventKind::RevokeFailed {
            Outcome::Error
        } else {
            Outcome::Allowed
        },
        new_end: end.filter(|_| means.kind == EventKind::Extended),
        reason: doc.str("resultReason").filter(|_| failed).map(text),
        request: detail(doc, "RequestId")
            .or_else(|| target(doc, &["Request"]).and_then(|t| t.str("id")))
            .map(|id| text(id.to_lowercase())),
        ids: who
            .and_then(|w| w.str("id"))
            .zip(role.str("id"))
            .map(|(who, role)| (text(who.to_lowercase()), text(role.to_lowercase()))),
        end_kind: means.end_kind,
        method: ApprovalMethod::Human,
        about: begins.then(|| Box::new(about)),
        place: place.clone(),
        ..Told::default()
    });
    Ok(())
}

fn kind(word: &str) -> Option<PrincipalKind> {
    match word.to_ascii_lowercase().as_str() {
        "user" => Some(PrincipalKind::Human),
        "serviceprincipal" => Some(PrincipalKind::App),
        "group" => Some(PrincipalKind::Group),
        _ => None,
    }
}

/// Scope: the resource for roles of resources, the group for roles in groups, else the tenant.
fn scope(doc: Doc<'_>) -> String {
    let of = |t: Doc<'_>| t.first(&["id", "displayName"]).map(str::to_owned);
    match doc.str("category") {
        Some("ResourceManagement") => target(doc, &["Subscription", "ResourceGroup", "Resource"])
            .and_then(of)
            .unwrap_or_else(|| "azure".to_owned()),
        Some("GroupManagement") => target(doc, &["Group"])
            .and_then(of)
            .map_or_else(|| "entra/groups".to_owned(), |id| format!("entra/groups/{id}")),
        _ => "entra".to_owned(),
    }
}
