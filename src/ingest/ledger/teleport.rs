//! Teleport audit events (grants model, section 8; `events.proto` of the product).
//!
//! Access requests are grants; a user certificate issued under one is access; sessions are use. What
//! the log calls `delete` is not a revocation: certificates live on. An impersonator acts under the name of
//! `user`; a session in a cloud acts under a role of that cloud (identity rules T1 and T2).

use serde_json::Value;

use super::fold::{Event, Target};
use super::in_realm;
use super::json::{Doc, JsonLedger, Record, joined};
use crate::facts::time::ParsedTime;
use crate::facts::{
    CredentialKind, Delegation, EndKind, EventKind, Grant, Outcome, Principal, PrincipalKind, Text,
    Time, Usage, Verdict, text,
};
use crate::ingest::ledger::credentials::truncate_id;
use crate::ingest::source::Batch;

/// Name of the ledger and of the platform.
const SYSTEM: &str = "teleport";

/// The format.
pub static ADAPTER: JsonLedger = JsonLedger {
    format: "teleport-audit",
    title: "Teleport audit events",
    lists: &["events"],
    prefixed: false,
    keys: &[&["event", "code", "time"]],
    hints: &[],
    is: |d| d.names(&["event", "code", "time"]) && is_code(d.get("code")),
    read,
};

/// Event codes are `T`, letters, digits, and `I`, `W` or `E` for the severity.
fn is_code(code: Option<&Value>) -> bool {
    let Some(code) = code else { return true };
    let Some(code) = code.as_str() else { return false };
    let upper = code.to_ascii_uppercase();
    upper.starts_with('T')
        && upper.ends_with(['I', 'W', 'E'])
        && (4..=12).contains(&upper.len())
        && upper.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn read(r: &Record<'_>, batch: &mut Batch) -> Result<bool, String> {
    let d = r.doc;
    let event = d.need("event")?;
    let at = d.need_time("time", batch)?;
    batch.see(at.lo);
    if let Some(cluster) = d.text("cluster_name")? {
        batch.realm.get_or_insert(cluster);
    }
    match event {
        "access_request.create" => request(r, batch, at, EventKind::Requested)?,
        "access_request.update" => request(r, batch, at, EventKind::RequestUpdated)?,
        "access_request.review" => review(r, batch, at)?,
        "access_request.delete" => {
            let e = Event {
                end: Some(EndKind::LedgerDeleted),
                ..base(r, EventKind::LedgerDeleted, at)?
            };
            batch.book.draft(SYSTEM, d.need("id")?).push(e);
        }
        "access_request.expire" => {
            // The resource expired. Whether certificates issued under it did is another matter.
            let e = Event { unconfirmed: true, ..base(r, EventKind::Expired, at)? };
            batch.book.draft(SYSTEM, d.need("id")?).push(e);
        }
        "cert.create" => certificate(r, batch, at)?,
        "lock.created" => lock(r, batch, at)?,
        _ => return usage(r, batch, event, at),
    }
    Ok(true)
}

/// An event with its identity and actor. One `uid` was seen on several events, so type, code and index
/// belong to the key.
fn base(r: &Record<'_>, kind: EventKind, at: ParsedTime) -> Result<Event, String> {
    let d = r.doc;
    let seq = d.int("ei")?.unwrap_or(0);
    let key = d.str("uid")?.map_or_else(Text::default, |uid| {
        text(format!("{uid}/{}/{}/{seq}", d.word("event"), d.word("code")))
    });
    let actor = named(&d, &d, "updated_by")?.or(named(&d, &d, "user")?);
    Ok(Event { seq, key, actor, reason: d.text("reason")?, ..r.event(kind, at) })
}

/// A user whom a field of the record or of a part of it names. Users are those of one cluster.
fn named(d: &Doc<'_>, part: &Doc<'_>, field: &str) -> Result<Option<Text>, String> {
    let cluster = d.str("user_cluster_name")?.or(d.str("cluster_name")?);
    Ok(part.str(field)?.map(|name| in_realm(SYSTEM, cluster, name)))
}

/// `kind/name` of every resource asked for, with the cluster in front where it is named.
fn resources(d: &Doc<'_>) -> Result<Option<Text>, String> {
    let mut names = Vec::new();
    for id in d.children("resource_ids")? {
        let parts = [id.str("cluster")?, id.str("kind")?, id.str("name")?, id.str("sub_resource")?];
        names.push(parts.into_iter().flatten().collect::<Vec<_>>().join("/"));
    }
    if names.is_empty() {
        names = d.strings("resource_names")?.into_iter().map(str::to_owned).collect();
    }
    Ok(joined(&names))
}

fn request(
    r: &Record<'_>,
    batch: &mut Batch,
    at: ParsedTime,
    kind: EventKind,
) -> Result<(), String> {
    let d = r.doc;
    let id = d.need("id")?;
    let created = kind == EventKind::Requested;
    let user = named(&d, &d, "user")?;
    let state = d.word("state");
    let facts = Grant {
        platform: Some(text(SYSTEM)),
        // On an update `user` is who updated it.
        beneficiary: user.clone().filter(|_| created).unwrap_or_default(),
        beneficiary_kind: principal_kind(&d)?.filter(|_| created),
        requester: user.clone().filter(|_| created),
        on_behalf_of: named(&d, &d, "delegator")?.filter(|_| created),
        privilege: joined(&d.strings("roles")?).unwrap_or_default(),
        scope: resources(&d)?,
        request_expires_at: d.time("expires", batch)?,
        // Despite its name a time: the end of access.
        not_after: d.time("max_duration", batch)?,
        not_before: d.time("assume_start_time", batch)?,
        justification: d.text("reason")?.filter(|_| created),
        grant_kind: (state == "promoted").then(|| text("access_list")),
        ..r.grant()
    };
    let event = base(r, kind, at)?;
    let decided = match state.as_str() {
        "" | "pending" | "none" => None,
        "approved" | "promoted" => Some((EventKind::Approved, Verdict::Approve)),
        "denied" => Some((EventKind::Denied, Verdict::Deny)),
        other => {
            return Err(format!(
                "`state` is `{}`, which is unknown",
                crate::ingest::table::short(other)
            ));
        }
    };
    // A plugin relays a person's decision and names the person as delegator.
    let by = named(&d, &d, "delegator")?.or(named(&d, &d, "updated_by")?);
    let draft = batch.book.draft(SYSTEM, id);
    draft.request_end_holds = true;
    draft.endless |= state == "promoted";
    draft.key(format!("request:{id}"));
    if let Some(user) = user.filter(|_| created) {
        draft.key(format!("user:{user}"));
    }
    for role in d.strings("roles")? {
        draft.key(format!("role:{role}"));
    }
    draft.state(at.lo, facts);
    if let Some((kind, _)) = decided {
        draft.push(Event { kind, actor: by.clone().or(event.actor.clone()), ..event.clone() });
    }
    if created || decided.is_none() {
        draft.push(event);
    }
    if let Some((_, verdict)) = decided.filter(|_| !created) {
        let mut approval = r.approval(id, by, verdict);
        approval.at = Some(at.lo);
        batch.facts.approvals.push(approval);
    }
    Ok(())
}

fn review(r: &Record<'_>, batch: &mut Batch, at: ParsedTime) -> Result<(), String> {
    let d = r.doc;
    let id = d.need("id")?;
    let verdict = match d.word("proposed_state").as_str() {
        "approved" | "promoted" => Verdict::Approve,
        "denied" => Verdict::Deny,
        _ => Verdict::Unknown,
    };
    let reviewer = named(&d, &d, "reviewer")?;
    let event = Event { actor: reviewer.clone(), ..base(r, EventKind::Reviewed, at)? };
    let mut approval = r.approval(id, reviewer, verdict);
    approval.at = Some(at.lo);
    batch.facts.approvals.push(approval);
    let draft = batch.book.draft(SYSTEM, id);
    // The state after the review: a review that meets the threshold decides.
    let decided = match d.word("state").as_str() {
        "approved" | "promoted" => Some(EventKind::Approved),
        "denied" => Some(EventKind::Denied),
        _ => None,
    };
    draft.endless |= d.word("state") == "promoted";
    if let Some(kind) = decided {
        draft.push(Event { kind, ..event.clone() });
    }
    draft.push(event);
    Ok(())
}

/// Requests in force for the identity of an event.
fn in_force(d: &Doc<'_>) -> Result<Vec<Text>, String> {
    Ok(d.strings("access_requests")?.into_iter().map(text).collect())
}

fn certificate(r: &Record<'_>, batch: &mut Batch, at: ParsedTime) -> Result<(), String> {
    let d = r.doc;
    let Some(identity) = d.child("identity")? else { return Ok(()) };
    let Some(user) = named(&d, &identity, "user")? else { return Ok(()) };
    let expires = identity.time("expires", batch)?;
    let mut requests = in_force(&identity)?;
    for id in in_force(&d)? {
        if !requests.contains(&id) {
            requests.push(id);
        }
    }
    // Certificates have no id in the log, and one `uid` was seen on two of them.
    let uid = d.str("uid")?;
    let end = expires.map_or_else(String::new, |t| t.to_rfc3339());
    let whole = format!("{}/{user}/{}/{end}", uid.unwrap_or("-"), at.lo);
    let shown = uid.map_or_else(
        || format!("certificate of {user} of {}", at.lo),
        |uid| format!("{} of {user}", truncate_id(uid)),
    );
    let mut c = r.credential();
    c.credential_id = text(shown);
    c.kind = CredentialKind::Cert;
    c.principal = user.clone();
    c.grant_id = requests.first().cloned();
    c.issued_at = Some(at.lo);
    c.rotated_at = Some(at.lo);
    c.expires_at = expires;
    c.no_expiry = expires.map(|_| false);
    batch.book.credential(&whole, c);
    if let Some(by) = named(&d, &identity, "impersonator")? {
        let hop = Delegation {
            parent: by,
            child: user.clone(),
            privilege: joined(&identity.strings("roles")?),
            grant_id: requests.first().cloned(),
            from: Some(at.lo),
            until: expires,
            // The roles of the impersonator are asked before such a certificate is issued.
            decided: Some(true),
            evidence: text("impersonator"),
            source_id: r.source_id.clone(),
            source_ref: r.source_ref.clone(),
            ..Delegation::default()
        };
        batch.facts.delegations.push(hop);
    }
    for id in requests {
        let e = Event {
            actor: Some(user.clone()),
            new_end: expires,
            ..base(r, EventKind::CredentialIssued, at)?
        };
        let draft = batch.book.draft(SYSTEM, &id);
        let residual = Grant { residual_until: expires, ..r.grant() };
        draft.state(at.lo, residual);
        draft.push(e);
    }
    Ok(())
}

/// A lock stops every session and certificate of its target at once, whatever the request says.
fn lock(r: &Record<'_>, batch: &mut Batch, at: ParsedTime) -> Result<(), String> {
    let d = r.doc;
    let Some(target) = d.child("target")? else { return Ok(()) };
    let until = d.time("expires", batch)?;
    let event = Event {
        end: Some(EndKind::RevokedBySystem),
        // Behind a lock that expires access may return.
        unconfirmed: until.is_some(),
        reason: d.text("reason")?.or_else(|| Some(text("lock created"))),
        ..base(r, EventKind::Revoked, at)?
    };
    let mut reached = false;
    for (field, key) in [("user", "user"), ("role", "role"), ("access_request", "request")] {
        let name = if field == "user" { named(&d, &target, field)? } else { target.text(field)? };
        if let Some(name) = name {
            let key = text(format!("{key}:{name}"));
            batch.book.loose(SYSTEM, Target::Every(key), event.clone());
            reached = true;
        }
    }
    if !reached {
        // A lock on a device, node or login revokes no request.
        batch.book.loose(SYSTEM, Target::Unknown, event);
    }
    Ok(())
}

fn principal_kind(d: &Doc<'_>) -> Result<Option<PrincipalKind>, String> {
    Ok(match d.int("user_kind")? {
        Some(1) => Some(PrincipalKind::Human),
        Some(2) => Some(PrincipalKind::Bot),
        Some(3) => Some(PrincipalKind::System),
        _ => d.str("bot_name")?.map(|_| PrincipalKind::Bot),
    })
}

/// On whose behalf a use is (rule T1), and the cloud identities under which it acts (rule T2). The product
/// checks both against the roles of whoever asks, when the session begins.
fn identities(
    r: &Record<'_>,
    batch: &mut Batch,
    (by, user): (Option<Text>, &Text),
    (sid, from, until): (Option<&str>, Time, Option<Time>),
) -> Result<(), String> {
    let mut hops: Vec<(Text, Text, &str)> =
        by.map(|by| (by, user.clone(), "impersonator")).into_iter().collect();
    for key in ["aws_role_arn", "gcp_service_account", "azure_identity"] {
        hops.extend(r.doc.text(key)?.map(|child| (user.clone(), child, key)));
    }
    for (parent, child, evidence) in hops {
        // Start and end of a session both say so; uses without a session are one stretch.
        let key = format!("{SYSTEM}/{}/{parent}/{child}", sid.unwrap_or("-"));
        let hop = Delegation {
            parent,
            child,
            decided: Some(true),
            from: Some(from),
            until: until.or(sid.is_none().then_some(from)),
            chain: sid.map(text),
            evidence: text(evidence),
            source_id: r.source_id.clone(),
            source_ref: r.source_ref.clone(),
            ..Delegation::default()
        };
        batch.book.hop(&key, hop);
    }
    Ok(())
}

/// Families of events that are use of access, with the keys that name what was used.
const USES: [(&str, &[&str]); 6] = [
    ("session.", &["server_hostname", "server_id"]),
    ("db.session.", &["db_service", "db_instance"]),
    ("app.session.", &["app_name", "public_addr", "app_public_addr"]),
    ("windows.desktop.session.", &["desktop_name", "desktop_addr"]),
    ("kube.request", &["kubernetes_cluster"]),
    ("exec", &["server_hostname", "server_id"]),
];

fn usage(r: &Record<'_>, batch: &mut Batch, event: &str, at: ParsedTime) -> Result<bool, String> {
    let d = r.doc;
    let family = USES.iter().find(|(family, _)| {
        event == *family
            || event.strip_prefix(family).is_some_and(|e| {
                matches!(e, "start" | "end" | "rejected" | "query" | "request" | "join")
            })
    });
    let user = named(&d, &d, "user")?;
    let (Some((family, names)), Some(user)) = (family, user) else { return Ok(false) };
    let mut place = None;
    for key in *names {
        place = place.or(d.text(key)?);
    }
    let code = d.int("response_code")?.unwrap_or(0);
    let refused = event.ends_with("rejected") || matches!(code, 401 | 403);
    let failed = d.flag("success")? == Some(false) || code >= 400;
    let verb = d.str("verb")?;
    let by = named(&d, &d, "impersonator")?.filter(|by| *by != user);
    // Kind and bot are those of whoever acts: of the impersonator, where there is one.
    if let Some(kind) = principal_kind(&d)? {
        batch.book.kind(Principal {
            principal_id: by.as_ref().unwrap_or(&user).clone(),
            kind,
            source_id: r.source_id.clone(),
            source_ref: r.source_ref.clone(),
            ..Principal::default()
        });
    }
    let row = Usage {
        principal: user,
        platform: Some(text(SYSTEM)),
        action: Some(text(verb.map_or_else(
            || family.trim_end_matches('.').to_owned(),
            |verb| format!("{family}:{verb}"),
        ))),
        resource: place,
        outcome: if refused {
            Outcome::Denied
        } else if failed {
            Outcome::Error
        } else {
            Outcome::Allowed
        },
        source_ip: d.text("addr.remote")?.or(d.text("addr_remote")?),
        ..r.usage()
    };
    let mut grants: Vec<Option<Text>> = in_force(&d)?.into_iter().map(Some).collect();
    if grants.is_empty() {
        grants.push(None);
    }
    // The record of an end may be written long after the session ended; the session's own times hold.
    let start = d.time("session_start", batch)?;
    let stop = d.time("session_stop", batch)?;
    let sid = d.str("sid")?.filter(|_| family.ends_with('.'));
    if !refused {
        identities(r, batch, (by, &row.principal), (sid, start.unwrap_or(at.lo), stop))?;
    }
    for grant_id in grants {
        let of = grant_id.as_deref().unwrap_or("-").to_owned();
        let row = Usage { grant_id, ..row.clone() };
        match sid {
            Some(sid) => {
                let end = event.ends_with("end");
                let last = stop.or((!end || start.is_none()).then_some(at.lo));
                let row = Usage {
                    first_at: start.or(Some(at.lo)),
                    last_at: last.or(start),
                    count: Some(1),
                    ..row
                };
                batch.book.session(&format!("{sid}/{of}/{}", row.outcome), row);
            }
            None => batch.book.used(Usage { first_at: Some(at.lo), ..row }),
        }
    }
    Ok(true)
}
