//! Okta System Log: administrator roles, group and application memberships, support access, API
//! tokens, access requests.
//!
//! Field table: grants model, section 8; event types from the vendor's catalogue. A record of
//! `user.account.privilege.grant` lists all roles it gives in one text. `access.request.resolve` does
//! not say how a request was resolved; refusals and lapses have types of their own.

use super::history::{History, Keys, Style, Told, opaque, slot};
use super::vendor::{Doc, JsonAdapter, mentions};
use crate::facts::{
    ApprovalMethod, Credential, CredentialKind, Decision, EndKind, EventKind, Grant, Layer,
    Outcome, PrincipalKind, Text, Time, text,
};
use crate::ingest::source::Batch;

/// `GET /api/v1/logs`, exports and log streams.
pub static SYSTEM_LOG: JsonAdapter = JsonAdapter {
    format: "okta-system-log",
    title: "Okta System Log",
    layer: Layer::Ledger,
    recognise: |p| {
        mentions(p, &["\"eventType\"", "\"published\"", "\"actor\""])
            && (mentions(p, &["\"legacyEventType\""]) || mentions(p, &["\"debugContext\""]))
    },
    style: Style {
        system: "okta",
        platform: Some("okta"),
        keys: Keys::Slot,
        missing_end: EndKind::Open,
        missing_decision: Decision::Unknown,
    },
    record,
};

/// Name of somebody or something in the log: the login, else the id.
fn name<'v>(doc: Doc<'v>) -> Option<&'v str> {
    doc.str("alternateId").filter(|a| *a != "unknown").or_else(|| doc.first(&["id", "displayName"]))
}

fn target<'v>(doc: Doc<'v>, kinds: &[&str]) -> Option<Doc<'v>> {
    doc.list("target").find(|t| t.str("type").is_some_and(|k| kinds.contains(&k)))
}

/// What most records share.
struct Base<'v> {
    doc: Doc<'v>,
    event: &'v str,
    at: Time,
    actor: Option<Text>,
    outcome: Outcome,
    place: &'v Text,
}

impl Base<'_> {
    fn tell(&self, key: String, kind: EventKind, about: Option<Grant>, history: &mut History) {
        let own = about.as_ref().is_some_and(|g| self.actor.as_ref() == Some(&g.beneficiary));
        history.tell(Told {
            key,
            kind,
            at: self.at,
            actor: self.actor.clone(),
            outcome: self.outcome,
            reason: self.doc.text("outcome/reason"),
            end_kind: match (kind, own) {
                (EventKind::Revoked, true) => EndKind::RevokedByOwner,
                (EventKind::Revoked, false) => EndKind::RevokedByAdmin,
                _ => EndKind::Unknown,
            },
            method: ApprovalMethod::Unknown,
            about: about.map(Box::new),
            place: self.place.clone(),
            ..Told::default()
        });
    }
}

fn record(doc: Doc<'_>, place: &Text, history: &mut History, _: &mut Batch) -> Result<(), String> {
    let event = doc.need("eventType")?;
    let Some((family, verb)) = event.rsplit_once('.') else {
        history.other("are of other types");
        return Ok(());
    };
    let known = matches!(
        family,
        "user.account.privilege"
            | "group.privilege"
            | "group.user_membership"
            | "application.user_membership"
            | "user.session.impersonation"
            | "system.api_token"
            | "access.request"
    );
    if !known {
        history.other("are of other types");
        return Ok(());
    }
    let at = doc.need_time("published")?;
    let actor = doc.at("actor").map(Doc).and_then(name).map(text);
    let outcome = match doc.str("outcome/result") {
        Some("FAILURE" | "DENY") => Outcome::Denied,
        _ => Outcome::Allowed,
    };
    let base = Base { doc, event, at, actor, outcome, place };
    match family {
        "access.request" => request(&base, verb, history),
        "system.api_token" => token(&base, verb, history),
        "user.session.impersonation" => support(&base, verb, history),
        "user.account.privilege" | "group.privilege" => privileges(&base, verb, history),
        _ => membership(&base, verb, history),
    }
}

/// The actor exercised administrative rights.
fn administered(base: &Base<'_>, beneficiary: &str, history: &mut History) {
    if let Some(actor) = base.actor.as_ref().filter(|a| ***a != *beneficiary) {
        history.used(actor, base.event, None, base.outcome, (base.at, base.place));
    }
}

fn privileges(base: &Base<'_>, verb: &str, history: &mut History) -> Result<(), String> {
    let (kind, field) = match verb {
        "grant" => (EventKind::Activated, "privilegeGranted"),
        "revoke" => (EventKind::Revoked, "privilegeRevoked"),
        _ => {
            history.other("are of other types");
            return Ok(());
        }
    };
    let who = target(base.doc, &["User", "UserGroup", "Group", "PublicClientApp"])
        .ok_or("no target that the role is given to")?;
    let beneficiary = name(who).ok_or("the target has no name")?;
    administered(base, beneficiary, history);
    let roles = base.doc.str(&format!("debugContext/debugData/{field}"));
    let principal = match who.str("type") {
        Some("User") => PrincipalKind::Human,
        Some("UserGroup" | "Group") => PrincipalKind::Group,
        _ => PrincipalKind::App,
    };
    let Some(roles) = roles else {
        if kind == EventKind::Activated {
            return Err(format!("`debugContext.debugData.{field}` is missing"));
        }
        // A removal of all roles names none; which grants it ends is not known.
        base.tell(format!("{beneficiary}|unnamed roles|"), kind, None, history);
        return Ok(());
    };
    for role in roles.split(',').map(str::trim).filter(|r| !r.is_empty()) {
        let about = Grant {
            beneficiary: text(beneficiary),
            beneficiary_kind: Some(principal),
            privilege: text(role),
            grant_kind: Some(text("administrator role")),
            ..Grant::default()
        };
        base.tell(slot(beneficiary, role, None), kind, Some(about), history);
    }
    Ok(())
}

fn membership(base: &Base<'_>, verb: &str, history: &mut History) -> Result<(), String> {
    let kind = match verb {
        "add" => EventKind::Activated,
        "remove" => EventKind::Revoked,
        _ => {
            history.other("are of other types");
            return Ok(());
        }
    };
    let who = target(base.doc, &["User", "AppUser"]).ok_or("no target of type `User`")?;
    let of = target(base.doc, &["UserGroup", "AppInstance"])
        .ok_or("no target of type `UserGroup` or `AppInstance`")?;
    let beneficiary = name(who).ok_or("the target has no name")?;
    let id = of.first(&["id", "displayName"]).ok_or("the target has no id")?;
    administered(base, beneficiary, history);
    let about = Grant {
        beneficiary: text(beneficiary),
        beneficiary_kind: Some(PrincipalKind::Human),
        privilege: text(of.first(&["displayName", "alternateId"]).unwrap_or(id)),
        scope: Some(text(id)),
        grant_kind: Some(text("membership")),
        ..Grant::default()
    };
    base.tell(slot(beneficiary, id, None), kind, Some(about), history);
    Ok(())
}

/// Access that the organisation gives to the vendor's support.
fn support(base: &Base<'_>, verb: &str, history: &mut History) -> Result<(), String> {
    let kind = match verb {
        "grant" => EventKind::Activated,
        "extend" => EventKind::Extended,
        "revoke" => EventKind::Revoked,
        "initiate" => EventKind::Used,
        _ => {
            history.other("are of other types");
            return Ok(());
        }
    };
    let about = Grant {
        beneficiary: text("Okta Support"),
        beneficiary_kind: Some(PrincipalKind::Human),
        requester: base.actor.clone().filter(|_| kind == EventKind::Activated),
        privilege: text("impersonation"),
        grant_kind: Some(text("support access")),
        ..Grant::default()
    };
    base.tell(slot("Okta Support", "impersonation", None), kind, Some(about), history);
    Ok(())
}

fn token(base: &Base<'_>, verb: &str, history: &mut History) -> Result<(), String> {
    let target = target(base.doc, &["Token"]).ok_or("no target of type `Token`")?;
    let id = target.need("id")?;
    let kind = match verb {
        "create" => EventKind::CredentialIssued,
        "revoke" => EventKind::Revoked,
        _ => {
            history.other("are of other types");
            return Ok(());
        }
    };
    if base.outcome == Outcome::Allowed {
        let created = Some(base.at).filter(|_| kind == EventKind::CredentialIssued);
        let revoked = Some(base.at).filter(|_| kind == EventKind::Revoked);
        history.credential(
            id,
            Credential {
                kind: CredentialKind::Token,
                // The token acts as whoever made it; who revokes it may be anybody.
                principal: base.actor.clone().filter(|_| created.is_some()).unwrap_or_default(),
                active: revoked.map(|_| false),
                issued_at: created,
                rotated_at: created,
                revoked_at: revoked,
                source_ref: base.place.clone(),
                ..Credential::default()
            },
        );
    }
    base.tell(format!("api token {}", opaque(id)), kind, None, history);
    Ok(())
}

fn request(base: &Base<'_>, verb: &str, history: &mut History) -> Result<(), String> {
    let kind = match verb {
        "create" => EventKind::Requested,
        // Done, one way or the other.
        "resolve" => EventKind::Reviewed,
        "reject" => EventKind::Denied,
        "cancel" => EventKind::Withdrawn,
        "expire" => EventKind::Lapsed,
        _ => {
            history.other("are of other types");
            return Ok(());
        }
    };
    let what = base
        .doc
        .list("target")
        .find(|t| t.str("type").is_some_and(|k| !k.eq_ignore_ascii_case("user")))
        .ok_or("no target that is the request")?;
    let id = what.need("id")?;
    let who = target(base.doc, &["User"]).and_then(name).map(text).or_else(|| base.actor.clone());
    let about = who.filter(|_| kind == EventKind::Requested).map(|who| Grant {
        beneficiary: who,
        beneficiary_kind: Some(PrincipalKind::Human),
        requester: base.actor.clone(),
        privilege: text(what.first(&["displayName", "alternateId"]).unwrap_or("not named")),
        grant_kind: Some(text("access request")),
        ..Grant::default()
    });
    base.tell(format!("access request {id}"), kind, about, history);
    Ok(())
}
