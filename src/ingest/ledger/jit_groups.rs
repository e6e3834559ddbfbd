//! JIT Groups and JIT Access for Google Cloud: the audit entries of the application.
//!
//! Field table: grants model, section 8. The application writes JSON to standard output; Cloud Run
//! wraps it into a log entry, whose `timestamp` is the only time (the JSON has none). The user stands
//! in the message alone. There is no event for an end: the membership of the group expires at
//! `group/expiry`, and only an export of the memberships shows that it did.

use super::history::{History, Keys, Style, Told, slot};
use super::vendor::{Doc, JsonAdapter, mentions};
use crate::facts::{
    ApprovalMethod, Decision, EndKind, EventKind, Grant, Layer, Outcome, PrincipalKind, Text, text,
};
use crate::ingest::source::Batch;

/// Log entries of the application.
pub static AUDIT: JsonAdapter = JsonAdapter {
    format: "jit-groups-audit",
    title: "JIT Groups (Google Cloud), audit entries",
    layer: Layer::Ledger,
    recognise: |p| mentions(p, &["\"event/id\"", "api.groups.", "\"group/id\""]),
    style: Style {
        system: "jit-groups",
        platform: Some("gcp"),
        keys: Keys::Slot,
        missing_end: EndKind::Unknown,
        missing_decision: Decision::Unknown,
    },
    record: entry,
};

/// Prefix of the inputs that the person who joins gives, and of those of a proposal.
const INPUTS: [&str; 2] = ["join/input/", "proposal/input/"];

/// Value of a label. Their names hold slashes, so they are no paths.
fn label<'v>(labels: Option<&'v serde_json::Value>, name: &str) -> Option<&'v str> {
    labels?.get(name)?.as_str().map(str::trim).filter(|s| !s.is_empty())
}

fn entry(doc: Doc<'_>, place: &Text, history: &mut History, _: &mut Batch) -> Result<(), String> {
    // Cloud Logging moves the labels to the entry; raw output has them under their full name.
    let payload = doc.at("jsonPayload").map_or(doc, Doc);
    let labels = [doc.at("labels"), payload.0.get("logging.googleapis.com/labels")]
        .into_iter()
        .flatten()
        .find(|l| l.get("event/id").is_some());
    let Some(event) = label(labels, "event/id") else {
        history.other("are no audit entries");
        return Ok(());
    };
    let outcome = match event {
        "api.groups.join" | "api.groups.approve" => Outcome::Allowed,
        "api.groups.constraintFailed" | "api.groups.accessDenied" => Outcome::Denied,
        _ => {
            history.other("are of other events");
            return Ok(());
        }
    };
    let at = doc
        .time("timestamp")?
        .or(doc.time("time")?)
        .ok_or("`timestamp` is missing: export the entries of Cloud Logging, not the raw output")?;
    let message = doc.str("message").or(payload.str("message")).or(doc.str("textPayload"));
    let group = label(labels, "group/id").ok_or("`group/id` is missing")?;
    let (user, other) = people(message.unwrap_or_default());
    // An approver acts on the request of the user whom the message names second.
    let (user, approver) = match (event, user, other) {
        ("api.groups.approve", Some(approver), Some(user)) => (user, Some(approver)),
        (_, Some(user), _) => (user, None),
        (_, None, _) => return Err("the message names no user, and nothing else does".into()),
    };
    let expiry = label(labels, "group/expiry")
        .map(|s| crate::facts::time::parse_time(s).map_err(|e| format!("`group/expiry`: {e}")))
        .transpose()?
        .flatten()
        .map(|p| p.hi);
    let unasked =
        expiry.is_some() && message.is_some_and(|m| m.contains("approval was not required"));
    let inputs = labels.and_then(serde_json::Value::as_object).map(|all| {
        let mut said: Vec<String> = all
            .iter()
            .filter_map(|(k, v)| {
                let name = INPUTS.iter().find_map(|p| k.strip_prefix(p))?;
                Some(format!("{name}={}", v.as_str()?))
            })
            .collect();
        said.sort();
        said.join("; ")
    });
    let grant = Grant {
        beneficiary: text(user),
        beneficiary_kind: Some(PrincipalKind::Human),
        requester: Some(text(user)),
        privilege: text(group),
        not_after: expiry,
        // The policy of the group asks for nobody's approval: a rule decided.
        decision: if unasked { Decision::AutoApproved } else { Decision::Unknown },
        justification: inputs.filter(|s| !s.is_empty()).map(text),
        grant_kind: Some(text("group membership")),
        ..Grant::default()
    };
    let key = slot(user, group, None);
    let told = Told {
        key,
        at,
        outcome,
        place: place.clone(),
        about: Some(Box::new(grant)),
        ..Told::default()
    };
    if let Some(approver) = approver {
        history.tell(Told {
            kind: EventKind::Approved,
            actor: Some(text(approver)),
            method: ApprovalMethod::Human,
            ..told.clone()
        });
    }
    // A join without expiry is a proposal that waits; with one the membership exists.
    let kind = if expiry.is_some() || outcome != Outcome::Allowed {
        EventKind::Activated
    } else {
        EventKind::Requested
    };
    let reason = message.filter(|_| outcome != Outcome::Allowed).map(text);
    history.tell(Told { kind, actor: Some(text(user)), reason, ..told });
    Ok(())
}

/// First and second e-mail address of a message.
fn people(message: &str) -> (Option<&str>, Option<&str>) {
    let mut found = message
        .split(|c: char| {
            c.is_whitespace() || matches!(c, '\'' | '"' | ',' | '(' | ')' | '<' | '>' | '`')
        })
        .map(|w| w.trim_end_matches(['.', ':', ';']))
        .map(|w| w.strip_prefix("user:").unwrap_or(w))
        .filter(|w| w.split_once('@').is_some_and(|(a, b)| !a.is_empty() && b.contains('.')));
    (found.next(), found.next())
}
