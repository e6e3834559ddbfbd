//! HashiCorp Vault and OpenBao: audit log, lease lookups, token lookups.
//!
//! A token is a grant of its policies, a lease one of the role that issued it. Lines come in pairs,
//! `request` and `response`; only the response says what happened. A lease that runs out leaves no
//! line, and a line that issues one does not say for how long: its end is then unknown. Ids in the log
//! are HMACs with a salt per audit device, so they join within one device only.

use sha2::{Digest, Sha256};

use super::fold::{Event, Target};
use super::json::{Doc, JsonLedger, Record, joined};
use crate::facts::time::ParsedTime;
use crate::facts::{
    BrokerKind, Completeness, Credential, CredentialKind, EndKind, EventKind, Grant, Outcome,
    PrincipalKind, Text, Time, Usage, text,
};
use crate::findings::fingerprint::hex;
use crate::ingest::ledger::credentials::truncate_id;
use crate::ingest::services::{Sink, vault as state};
use crate::ingest::source::Batch;

/// Name of the ledger and of the platform.
const SYSTEM: &str = "vault";

/// Audit log.
pub static AUDIT: JsonLedger = JsonLedger {
    format: "vault-audit",
    title: "HashiCorp Vault and OpenBao audit log",
    lists: &[],
    prefixed: true,
    keys: &[&["type", "time", "request"]],
    hints: &[],
    is: |d| {
        d.names(&["type", "time", "request"])
            && (d.names(&["auth"]) || d.names(&["response"]))
            && matches!(d.word("type").as_str(), "" | "request" | "response")
    },
    read: audit,
};

/// Answers of the API about leases and tokens.
pub static LOOKUPS: JsonLedger = JsonLedger {
    format: "vault-lookups",
    title: "HashiCorp Vault and OpenBao lease and token lookups",
    lists: &[],
    prefixed: false,
    keys: &[&["data"], &["lease_id"], &["auth"], &["issue_time"], &["creation_ttl"]],
    // Answers that were collected in one list begin with any of them.
    hints: &["\"last_renewal\"", "\"explicit_max_ttl\"", "\"lease_count\""],
    is: |d| {
        let lookup = |d: &Doc<'_>| {
            d.names(&["issue_time", "expire_time", "last_renewal"])
                || d.names(&["creation_ttl", "explicit_max_ttl", "accessor"])
                || d.names(&["leases", "lease_count"])
        };
        lookup(d) || d.child("data").ok().flatten().is_some_and(|data| lookup(&data))
    },
    read: lookup,
};

/// Grant id of a token: a digest of its accessor, since an accessor can revoke its token.
fn token_id(accessor: &str) -> String {
    let digest = hex(&Sha256::digest(accessor.as_bytes()));
    format!("token-{}", digest.get(..24).unwrap_or(&digest))
}

/// Accessor without the marker of the HMAC, cut.
fn shown(accessor: &str) -> Text {
    text(truncate_id(accessor.strip_prefix("hmac-sha256:").unwrap_or(accessor)))
}

/// The identity behind a token: the entity where there is one, else the display name.
fn holder(auth: &Doc<'_>) -> Result<Option<Text>, String> {
    Ok(auth.text("entity_id")?.or(auth.text("display_name")?))
}

fn audit(r: &Record<'_>, batch: &mut Batch) -> Result<bool, String> {
    let d = r.doc;
    let at = d.need_time("time", batch)?;
    let answered = match d.need("type")? {
        "response" => true,
        "request" => false,
        other => {
            return Err(format!(
                "`type` is `{}`, which is unknown",
                crate::ingest::table::short(other)
            ));
        }
    };
    let request = d.child("request")?.ok_or("`request` is missing")?;
    batch.see(at.lo);
    let auth = d.child("auth")?;
    let failed = d.str("error")?;
    let line = Line {
        r,
        at,
        path: request.str("path")?.unwrap_or_default().trim_start_matches('/').to_owned(),
        operation: request.word("operation"),
        request,
        response: d.child("response")?,
        holder: auth.as_ref().map(holder).transpose()?.flatten(),
        accessor: auth.as_ref().map(|a| a.str("accessor")).transpose()?.flatten(),
        failed,
    };
    // A line that was refused has no valid token behind it.
    if let Some(auth) = auth.filter(|_| failed.is_none_or(|e| !e.contains("permission denied"))) {
        line.token(batch, &auth, true)?;
    }
    if !answered {
        return Ok(true);
    }
    line.answer(batch)
}

/// One line of the audit log.
struct Line<'a> {
    r: &'a Record<'a>,
    at: ParsedTime,
    path: String,
    operation: String,
    request: Doc<'a>,
    response: Option<Doc<'a>>,
    holder: Option<Text>,
    accessor: Option<&'a str>,
    failed: Option<&'a str>,
}

impl Line<'_> {
    fn event(&self, kind: EventKind) -> Result<Event, String> {
        Ok(Event {
            key: self.request.text("id")?.unwrap_or_default(),
            actor: self.holder.clone(),
            reason: self.failed.map(text),
            outcome: if self.failed.is_some() { Outcome::Error } else { Outcome::Allowed },
            ..self.r.event(kind, self.at)
        })
    }

    /// What `auth` says of a token: once as a grant, on every line as a credential in use.
    fn token(&self, batch: &mut Batch, auth: &Doc<'_>, in_use: bool) -> Result<(), String> {
        let (Some(accessor), Some(holder)) = (auth.str("accessor")?, holder(auth)?) else {
            return Ok(());
        };
        let issued = auth.parsed("token_issue_time", batch)?;
        let ttl = auth.int("token_ttl")?;
        let start = issued.map(|t| t.lo).or((!in_use).then_some(self.at.lo));
        let end = start.zip(ttl.filter(|s| *s > 0)).map(|(s, ttl)| s.plus_secs(ttl));
        let id = token_id(accessor);
        let used = in_use.then_some(self.at.lo);
        let mut c = self.r.credential();
        c.credential_id = shown(accessor);
        c.kind = CredentialKind::Token;
        c.principal = holder.clone();
        c.grant_id = Some(text(&id));
        (c.issued_at, c.rotated_at) = (start, start);
        c.expires_at = end;
        c.no_expiry = ttl.map(|s| s == 0);
        c.ttl_s = ttl.filter(|s| *s > 0);
        c.last_used_at = used;
        c.use_tracked = in_use;
        batch.book.credential(accessor, c);
        if !batch.book.knows(SYSTEM, &id) {
            let facts = Grant {
                platform: Some(text(SYSTEM)),
                broker_kind: BrokerKind::Credential,
                beneficiary: holder,
                privilege: joined(&auth.strings("policies")?)
                    .or(joined(&auth.strings("token_policies")?))
                    .unwrap_or_default(),
                not_before: start,
                not_after: end,
                duration_requested_s: ttl.filter(|s| *s > 0),
                activated_at_lo: start,
                activated_at_hi: start,
                grant_kind: Some(text("token")),
                ..self.r.grant()
            };
            let draft = batch.book.draft(SYSTEM, &id);
            draft.ends_unstated = ttl.is_none();
            draft.state(start.unwrap_or(self.at.lo), facts);
        }
        self.outlived(batch, &id, end)
    }

    /// A token that works after its first time to live was renewed, be it before the log began.
    fn outlived(&self, batch: &mut Batch, id: &str, end: Option<Time>) -> Result<(), String> {
        let Some(end) = end.filter(|end| *end < self.at.lo && self.failed.is_none()) else {
            return Ok(());
        };
        let draft = batch.book.draft(SYSTEM, id);
        if draft.events.last().is_some_and(|e| e.kind == EventKind::Renewed) {
            return Ok(());
        }
        let at = ParsedTime { lo: end, hi: end, nanos: 0, zoneless: false };
        draft.push(Event {
            key: text("implied"),
            reason: Some(text(
                "used after its first time to live: renewed, until when is not recorded",
            )),
            ..self.r.event(EventKind::Renewed, at)
        });
        Ok(())
    }

    /// What the response shows to have happened.
    fn answer(&self, batch: &mut Batch) -> Result<bool, String> {
        if self.lifecycle(batch)? {
            return Ok(true);
        }
        let response = self.response;
        if let Some(auth) = response.map(|x| x.child("auth")).transpose()?.flatten() {
            if self.failed.is_none() {
                self.issued_token(batch, &auth)?;
            }
            return Ok(true);
        }
        let secret = response.map(|x| x.child("secret")).transpose()?.flatten();
        if let Some(lease) = secret.map(|s| s.str("lease_id")).transpose()?.flatten() {
            self.issued_lease(batch, lease)?;
            return Ok(true);
        }
        self.used(batch)?;
        Ok(true)
    }

    fn issued_token(&self, batch: &mut Batch, auth: &Doc<'_>) -> Result<(), String> {
        self.token(batch, auth, false)?;
        if let Some(accessor) = auth.str("accessor")? {
            let ttl = auth.int("token_ttl")?.filter(|s| *s > 0);
            let event = Event {
                actor: holder(auth)?,
                new_end: ttl.map(|s| self.at.lo.plus_secs(s)),
                ..self.event(EventKind::CredentialIssued)?
            };
            batch.book.draft(SYSTEM, &token_id(accessor)).push(event);
        }
        Ok(())
    }

    fn issued_lease(&self, batch: &mut Batch, lease: &str) -> Result<(), String> {
        let holder = self.holder.clone().ok_or("`auth` does not say who got the lease")?;
        let facts = Grant {
            requester: Some(holder.clone()),
            ..lease_grant(self.r, lease, Some(&holder), (Some(self.at.lo), None))
        };
        batch.book.credential(lease, lease_credential(self.r, lease, &holder, self.at.lo));
        let event = self.event(EventKind::CredentialIssued)?;
        let draft = batch.book.draft(SYSTEM, lease);
        // The line does not say how long the lease lasts.
        draft.ends_unstated = true;
        draft.state(self.at.lo, facts);
        draft.push(event);
        Ok(())
    }

    /// Renewals and revocations. `false` for other paths.
    fn lifecycle(&self, batch: &mut Batch) -> Result<bool, String> {
        if let Some(rest) = one_of(&self.path, &["sys/leases/renew", "sys/renew"]) {
            let of = rest.map(str::to_owned).or(self.answered_lease()?);
            let event = self.event(EventKind::Renewed)?;
            put(batch, of.as_deref(), event);
        } else if let Some(rest) = one_of(&self.path, &["sys/leases/revoke", "sys/revoke"]) {
            // Queued by default: accepted now, done later.
            let sync = match self.request.child("data")? {
                Some(data) => data.flag("sync")?.unwrap_or(false),
                None => false,
            };
            let event = Event { unconfirmed: !sync, ..self.revoked()? };
            put(batch, rest, event);
        } else if let Some(rest) = one_of(
            &self.path,
            &[
                "sys/leases/revoke-prefix",
                "sys/revoke-prefix",
                "sys/leases/revoke-force",
                "sys/revoke-force",
            ],
        ) {
            // A forced revocation drops the lease whatever the backend answers.
            let event = Event { unconfirmed: true, ..self.revoked()? };
            let target = rest.map_or(Target::Unknown, |p| Target::Prefix(text(p)));
            batch.book.loose(SYSTEM, target, event);
        } else if let Some(rest) = one_of(&self.path, &["auth/token"]) {
            return self.token_lifecycle(batch, rest.unwrap_or_default());
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn revoked(&self) -> Result<Event, String> {
        let kind = if self.failed.is_some() { EventKind::RevokeFailed } else { EventKind::Revoked };
        Ok(Event { outcome: Outcome::Allowed, ..self.event(kind)? })
    }

    fn token_lifecycle(&self, batch: &mut Batch, what: &str) -> Result<bool, String> {
        // Data of the request is an HMAC like the accessor in `auth`, so that the two compare.
        let named = match self.request.child("data")? {
            Some(data) => data.str("accessor")?,
            None => None,
        };
        match what {
            "renew" | "renew-self" | "renew-accessor" => {
                let auth = self.response.map(|x| x.child("auth")).transpose()?.flatten();
                let new = auth.map(|a| a.str("accessor")).transpose()?.flatten();
                let own = self.accessor.filter(|_| what == "renew-self");
                let ttl = auth.map(|a| a.int("token_ttl")).transpose()?.flatten();
                let event = Event {
                    new_end: ttl.filter(|s| *s > 0).map(|s| self.at.lo.plus_secs(s)),
                    ..self.event(EventKind::Renewed)?
                };
                put(batch, new.or(named).or(own).map(token_id).as_deref(), event);
            }
            "revoke-self" | "revoke" | "revoke-accessor" | "revoke-orphan" => {
                let own = self.accessor.filter(|_| what == "revoke-self");
                let mut event = self.revoked()?;
                if own.is_none() && named.is_none() {
                    event.reason =
                        event.reason.or_else(|| Some(text("names a token, not its accessor")));
                }
                put(batch, named.or(own).map(token_id).as_deref(), event);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn answered_lease(&self) -> Result<Option<String>, String> {
        let secret = self.response.map(|x| x.child("secret")).transpose()?.flatten();
        let lease = secret.map(|s| s.str("lease_id")).transpose()?.flatten();
        Ok(lease.map(str::to_owned))
    }

    /// A use, by mount: paths are without number, mounts are not.
    fn used(&self, batch: &mut Batch) -> Result<(), String> {
        let Some(principal) = self.holder.clone() else { return Ok(()) };
        let mount = self.request.str("mount_point")?.map(str::to_owned);
        let mount = mount.or_else(|| self.path.split('/').next().map(str::to_owned));
        let row = Usage {
            principal,
            platform: Some(text(SYSTEM)),
            credential_id: self.accessor.map(shown),
            grant_id: self.accessor.map(|a| text(token_id(a))),
            action: Some(text(&self.operation)).filter(|a| !a.is_empty()),
            resource: mount.filter(|m| !m.is_empty()).map(text),
            first_at: Some(self.at.lo),
            outcome: match self.failed {
                None => Outcome::Allowed,
                Some(e) if e.contains("permission denied") => Outcome::Denied,
                Some(_) => Outcome::Error,
            },
            source_ip: self.request.text("remote_address")?,
            ..self.r.usage()
        };
        batch.book.used(row);
        Ok(())
    }
}

/// The rest of a path behind one of these heads; `Some(None)` when nothing follows.
fn one_of<'p>(path: &'p str, heads: &[&str]) -> Option<Option<&'p str>> {
    heads.iter().find_map(|head| {
        let rest = path.strip_prefix(head)?;
        if rest.is_empty() {
            return Some(None);
        }
        rest.strip_prefix('/').map(|r| Some(r).filter(|r| !r.is_empty()))
    })
}

fn put(batch: &mut Batch, id: Option<&str>, event: Event) {
    match id {
        Some(id) => batch.book.draft(SYSTEM, id).push(event),
        // The lease id in the body of a request is an HMAC; the line that issued it has the plain id.
        None => batch.book.loose(SYSTEM, Target::Unknown, event),
    }
}

/// Leases that one listing returns at most, unless it is asked for all.
const LIST_LIMIT: usize = 10_000;

fn lookup(r: &Record<'_>, batch: &mut Batch) -> Result<bool, String> {
    let data = r.doc.child("data").unwrap_or(None);
    let d = data.unwrap_or(r.doc);
    if d.has("leases") {
        return irrevocable(r, &d, batch);
    }
    if d.has("creation_ttl") && d.has("accessor") {
        return looked_up_token(r, &d, batch);
    }
    if d.has("issue_time") && d.has("id") {
        return looked_up_lease(r, &d, batch);
    }
    if d.list("keys").is_ok_and(|keys| keys.len() >= LIST_LIMIT) {
        batch.completeness = Completeness::Truncated;
        batch.limitation = Some(text(
            "a list of leases has 10,000 entries, where a listing stops; list with `limit=none`",
        ));
    }
    Ok(false)
}

/// The instant of a lookup: the end less what is left.
fn looked_at(end: Option<Time>, left: Option<i64>, batch: &mut Batch) {
    if let Some(at) = end.zip(left.filter(|s| *s > 0)).map(|(e, s)| e.plus_secs(-s)) {
        batch.collected_at = batch.collected_at.max(Some(at));
    }
}

fn looked_up_lease(r: &Record<'_>, d: &Doc<'_>, batch: &mut Batch) -> Result<bool, String> {
    let id = d.need("id")?;
    let issued = d.need_time("issue_time", batch)?;
    let end = d.time("expire_time", batch)?;
    let renewed = d.parsed("last_renewal", batch)?;
    looked_at(end, d.int("ttl")?, batch);
    batch.see(issued.lo);
    let holder = login(id).map(text);
    let facts = lease_grant(r, id, holder.as_ref(), (Some(issued.lo), end));
    if let Some(holder) = holder {
        let mut c = lease_credential(r, id, &holder, issued.lo);
        c.expires_at = end;
        c.no_expiry = Some(end.is_none());
        c.active = Some(true);
        batch.book.credential(id, c);
    }
    let mut events = vec![r.event(EventKind::CredentialIssued, issued)];
    events.extend(renewed.map(|t| Event { new_end: end, ..r.event(EventKind::Renewed, t) }));
    let draft = batch.book.draft(SYSTEM, id);
    draft.state(renewed.unwrap_or(issued).lo, facts);
    for e in events {
        draft.push(e);
    }
    Ok(true)
}

fn looked_up_token(r: &Record<'_>, d: &Doc<'_>, batch: &mut Batch) -> Result<bool, String> {
    // `id` is the token itself, a secret: never read.
    let accessor = d.need("accessor")?;
    let id = token_id(accessor);
    let created = d.time("creation_time", batch)?;
    let issued = d.parsed("issue_time", batch)?;
    let issued_at = issued.map(|t| t.lo).or(created).ok_or("`issue_time` is missing")?;
    let expires = d.time("expire_time", batch)?;
    let first = d.duration("creation_ttl", 1.0)?;
    let max = d.duration("explicit_max_ttl", 1.0)?.filter(|s| *s > 0);
    let period = d.duration("period", 1.0)?.filter(|s| *s > 0);
    looked_at(expires, d.int("ttl")?, batch);
    batch.see(issued_at);
    let name = holder(d)?.ok_or("`display_name` is missing")?;
    let limit = max.map(|s| issued_at.plus_secs(s));
    // A periodic token without a maximum can be renewed for ever: it stands, whatever its period.
    let standing = limit.is_none() && (period.is_some() || expires.is_none());
    let mut policies = d.strings("policies")?;
    policies.extend(d.strings("identity_policies")?);
    let facts = Grant {
        platform: Some(text(SYSTEM)),
        broker_kind: BrokerKind::Credential,
        beneficiary: name.clone(),
        privilege: joined(&policies).unwrap_or_else(|| text("none")),
        not_before: Some(issued_at),
        not_after: if standing { None } else { limit.filter(|_| period.is_some()).or(expires) },
        duration_requested_s: first.filter(|s| *s > 0 && !standing),
        activated_at_lo: Some(issued_at),
        activated_at_hi: Some(issued_at),
        residual_until: expires,
        end_kind: if standing { EndKind::Open } else { EndKind::Unknown },
        grant_kind: Some(text(if period.is_some() { "periodic token" } else { "token" })),
        ..r.grant()
    };
    let mut c = r.credential();
    c.credential_id = shown(accessor);
    c.kind = CredentialKind::Token;
    c.principal = name;
    c.grant_id = Some(text(&id));
    c.issued_at = Some(issued_at);
    c.rotated_at = d.time("last_renewal", batch)?.or(Some(issued_at));
    c.expires_at = expires;
    c.no_expiry = Some(expires.is_none());
    c.ttl_s = first.filter(|s| *s > 0);
    c.max_expires_at = limit;
    c.active = Some(true);
    batch.book.credential(accessor, c);
    state(r, d, (&facts, &policies, standing), batch)?;
    let draft = batch.book.draft(SYSTEM, &id);
    draft.endless |= standing;
    draft.state(issued_at, facts);
    Ok(true)
}

/// What a token gives its holder now: its policies, as long as it lives.
fn state(
    r: &Record<'_>,
    d: &Doc<'_>,
    (grant, policies, standing): (&Grant, &[&str], bool),
    batch: &mut Batch,
) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    let mut sink = Sink { batch, place: r.source_ref.clone(), seen: &mut seen };
    let who = grant.beneficiary.clone();
    let machine = d.str("path")?.is_some_and(|p| p.starts_with("auth/approle/"));
    let kind = if machine { PrincipalKind::Workload } else { PrincipalKind::Unknown };
    let name = d.text("display_name")?;
    sink.principal((&who, SYSTEM, kind), |p| p.name = name);
    for policy in policies {
        if let Some(e) = sink.entitlement(&state::bind(&who, policy)) {
            e.entitlement_id = text(format!("{}|{}", e.entitlement_id, grant.source_ref));
            e.via = vec![text("token")];
            (e.bound_at_lo, e.bound_at_hi) = (grant.not_before, grant.not_before);
            e.not_after = if standing { None } else { grant.residual_until };
        }
    }
    sink.limit("batch tokens have no accessor and are not listed");
    Ok(())
}

/// Leases whose revocation failed for good.
fn irrevocable(r: &Record<'_>, d: &Doc<'_>, batch: &mut Batch) -> Result<bool, String> {
    for lease in d.children("leases")? {
        let Some(id) = lease.str("lease_id")?.or(lease.str("id")?) else {
            return Err("a lease has no `lease_id`".into());
        };
        let issued = lease.parsed("issue_time", batch)?;
        let end = lease.parsed("expire_time", batch)?;
        let window = (issued.map(|t| t.lo), end.map(|t| t.lo));
        let facts = Grant {
            end_kind: EndKind::FailedToRevoke,
            ..lease_grant(r, id, login(id).map(text).as_ref(), window)
        };
        let why = lease.str("errors")?.or(lease.str("error")?).or(lease.str("err")?);
        let mut events: Vec<Event> =
            issued.map(|t| r.event(EventKind::CredentialIssued, t)).into_iter().collect();
        // The list does not say when it was tried: the end of the lease is the last occasion to begin.
        events.extend(end.map(|t| Event {
            key: text("irrevocable"),
            reason: Some(text(match why {
                Some(why) => format!("the lease is listed as irrevocable: {why}"),
                None => "the lease is listed as irrevocable".to_owned(),
            })),
            ..r.event(EventKind::RevokeFailed, t)
        }));
        for t in [issued, end].into_iter().flatten() {
            batch.see(t.lo);
        }
        let at = issued.map(|t| t.lo).or(batch.collected_at).unwrap_or_default();
        let draft = batch.book.draft(SYSTEM, id);
        draft.ends_unstated |= end.is_none();
        // Only the log says who got it; what stands behind the lease exists whoever that was.
        draft.holder_else = Some(text(format!("holder of lease {id}")));
        draft.state(at, facts);
        for e in events {
            draft.push(e);
        }
    }
    Ok(true)
}

/// The grant that a lease is: of the role that issued it, in a window as far as the record tells.
fn lease_grant(
    r: &Record<'_>,
    lease: &str,
    holder: Option<&Text>,
    (from, until): (Option<Time>, Option<Time>),
) -> Grant {
    Grant {
        platform: Some(text(SYSTEM)),
        broker_kind: BrokerKind::Credential,
        beneficiary: holder.cloned().unwrap_or_default(),
        privilege: text(issuer(lease)),
        not_before: from,
        not_after: until,
        grant_kind: Some(text("lease")),
        ..r.grant()
    }
}

/// What a lease hands out.
fn lease_credential(r: &Record<'_>, lease: &str, holder: &Text, issued: Time) -> Credential {
    let mut c = r.credential();
    c.kind = CredentialKind::Lease;
    c.principal = holder.clone();
    c.grant_id = Some(text(lease));
    (c.issued_at, c.rotated_at) = (Some(issued), Some(issued));
    c
}

/// The role that issued a lease.
fn issuer(lease: &str) -> &str {
    lease.rsplit_once('/').map_or(lease, |(role, _)| role)
}

/// Who got a lease: only that of a login says so.
fn login(lease: &str) -> Option<&str> {
    issuer(lease).strip_prefix("auth/")?.split_once("/login/").map(|(_, who)| who)
}
