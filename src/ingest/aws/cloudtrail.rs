//! CloudTrail: who used what, which sessions were issued and for how long, and on whose behalf.
//! `{"Records": [...]}` files as the trail writes them, arrays, one event per line, and the output of
//! `lookup-events`.
//!
//! Events become rows by principal, action, resource and day, so that what is held grows with what is
//! different in the log, not with its length. Sessions issued by STS become credentials.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::{self, Obj};
use super::{reason, utf8};
use crate::facts::time::parse_time;
use crate::facts::*;
use crate::ingest::records::{self, Place};
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe, Shape};
use crate::ingest::{detect, reader};

mod assignments;
mod names;
mod sessions;

/// Adapter of CloudTrail logs.
#[derive(Debug)]
pub struct CloudTrail;

/// Format id.
pub const FORMAT: &str = "aws-cloudtrail";

/// Groups of one file beyond which resources are no longer told apart: a log of object reads names
/// more objects than anybody can look at.
const MAX_GROUPS: usize = 1 << 16;

/// Bin of the use of a session, seconds (grants model, 4.8).
pub const USE_BIN_S: i64 = 300;

impl Adapter for CloudTrail {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn title(&self) -> &'static str {
        "AWS CloudTrail events (trail files, lookup-events)"
    }

    fn layer(&self) -> Layer {
        Layer::Usage
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        if !json::is_json(probe) {
            return None;
        }
        let says = |word: &str| json::says(probe, word);
        let event = probe.has(&["eventVersion", "eventName"])
            || probe.has(&["eventSource", "eventName", "eventTime"])
            || (probe.has(&["EventName", "CloudTrailEvent"]));
        let trail = probe.has(&["Records"])
            && (says("\"eventVersion\"")
                || says("\"eventSource\"")
                || json::is_empty_list(probe, "Records"));
        let lookup = probe.has(&["Events"]) && says("\"CloudTrailEvent\"");
        // Notifications of Amazon S3 look alike and tell who wrote an object, not who may.
        let notification = || says("\"aws:s3\"");
        ((event || trail || lookup) && !notification()).then_some(Match::Specific)
    }

    fn read(
        &self,
        input: &Input,
        _ctx: &Context<'_>,
        batch: &mut Batch,
    ) -> Result<(), IngestError> {
        let mut log = Log::default();
        let (head, complete) = reader::head(input)?;
        let shape = detect::detect(&head, complete).shape;
        if shape == Shape::Ndjson {
            records::each(input, shape, batch, &mut |place: &Place, raw, batch| {
                log.event(raw, &place.to_string(), batch);
                Ok(())
            })?;
        } else {
            whole(input, batch, &mut log)?;
        }
        log.close(batch);
        Ok(())
    }
}

/// A document that holds its events in a list, or is one.
fn whole(input: &Input, batch: &mut Batch, log: &mut Log) -> Result<(), IngestError> {
    let bytes = reader::read_all(input)?;
    let content = utf8(input, &bytes)?;
    let stream = serde_json::Deserializer::from_str(content).into_iter::<&RawValue>();
    for (n, item) in stream.enumerate() {
        let raw = item.map_err(|e| {
            super::malformed(
                input,
                format!("line {}, column {}", e.line(), e.column()),
                format!("not valid JSON: {}; fetch the file again", reason(&e)),
            )
        })?;
        let raw = raw.get();
        let prefix = if n == 0 { String::new() } else { format!("/document{n}") };
        let lists: Vec<(String, &str)> = if raw.starts_with('[') {
            vec![(prefix.clone(), raw)]
        } else {
            match Obj::parse(raw) {
                Ok(o) => {
                    log.truncated |= o.has("NextToken");
                    ["Records", "Events"]
                        .iter()
                        .filter_map(|k| Some((format!("{prefix}/{k}"), o.raw(k)?)))
                        .collect()
                }
                Err(e) => {
                    json::refuse(batch, &prefix, e);
                    continue;
                }
            }
        };
        if lists.is_empty() {
            batch.records += 1;
            log.event(raw, if prefix.is_empty() { "/" } else { &prefix }, batch);
        }
        for (prefix, list) in lists {
            if !list.starts_with('[') {
                json::refuse(batch, &prefix, "not a list of events");
            }
            for (i, raw) in json::elements(list).into_iter().enumerate() {
                batch.records += 1;
                log.event(raw, &format!("{prefix}/{i}"), batch);
            }
        }
    }
    Ok(())
}

/// An event as a trail writes it; what is not asked for is not decoded.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "eventTime", borrow)]
    time: Option<Cow<'a, str>>,
    #[serde(rename = "eventSource", borrow)]
    source: Option<Cow<'a, str>>,
    #[serde(rename = "eventName", borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(rename = "eventID", borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(rename = "errorCode", borrow)]
    error: Option<Cow<'a, str>>,
    #[serde(rename = "recipientAccountId", borrow)]
    account: Option<Cow<'a, str>>,
    #[serde(rename = "userIdentity", borrow)]
    who: Option<Identity<'a>>,
    #[serde(rename = "requestParameters", borrow)]
    request: Option<&'a RawValue>,
    #[serde(rename = "responseElements", borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    resources: Option<Vec<Resource<'a>>>,
}

#[derive(Deserialize)]
struct Identity<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    arn: Option<Cow<'a, str>>,
    #[serde(rename = "accountId", borrow)]
    account: Option<Cow<'a, str>>,
    #[serde(rename = "accessKeyId", borrow)]
    key: Option<Cow<'a, str>>,
    #[serde(rename = "userName", borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(rename = "invokedBy", borrow)]
    invoked_by: Option<Cow<'a, str>>,
    #[serde(rename = "sessionContext", borrow)]
    session: Option<Session<'a>>,
}

#[derive(Deserialize)]
struct Session<'a> {
    #[serde(rename = "sessionIssuer", borrow)]
    issuer: Option<Issuer<'a>>,
    #[serde(borrow)]
    attributes: Option<Attributes<'a>>,
    #[serde(rename = "sourceIdentity", borrow)]
    source: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Issuer<'a> {
    #[serde(borrow)]
    arn: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Attributes<'a> {
    #[serde(rename = "creationDate", borrow)]
    created: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(rename = "ARN", alias = "arn", borrow)]
    arn: Option<Cow<'a, str>>,
}

/// An entry of `lookup-events`: the event is a text inside it, and may lack what the entry says.
#[derive(Deserialize)]
struct Lookup<'a> {
    #[serde(rename = "EventName", borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(rename = "EventTime")]
    time: Option<&'a RawValue>,
    #[serde(rename = "EventSource", borrow)]
    source: Option<Cow<'a, str>>,
    #[serde(rename = "EventId", borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(rename = "CloudTrailEvent", borrow)]
    event: Cow<'a, str>,
}

/// What tells one usage row from another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    principal: Text,
    action: Text,
    resource: Option<Text>,
    /// Day since the epoch (UTC).
    day: i64,
    outcome: Outcome,
    scope: Option<Text>,
    on_behalf_of: Option<Text>,
}

/// What a row sums up.
struct Sum {
    first: Time,
    last: Time,
    count: i64,
    place: Text,
}

impl Sum {
    fn add(&mut self, t: Time) {
        self.first = self.first.min(t);
        self.last = self.last.max(t);
        self.count += 1;
    }
}

/// A file's events, summed up.
#[derive(Default)]
struct Log {
    usage: BTreeMap<Key, Sum>,
    /// Use of a session by principal, session, bin and outcome.
    sessions: BTreeMap<(Text, Text, i64, Outcome), Sum>,
    invoked: BTreeMap<(Text, Text), Sum>,
    seen: HashSet<u64>,
    duplicates: usize,
    nameless: usize,
    coarse: bool,
    truncated: bool,
    accounts: BTreeSet<Text>,
}

/// An event with what every part of it needs.
struct Seen<'e, 'a> {
    event: &'e Event<'a>,
    at: Time,
    action: Text,
    principal: Option<Text>,
    outcome: Outcome,
    place: &'e str,
}

impl Log {
    fn event(&mut self, raw: &str, place: &str, batch: &mut Batch) {
        if raw.contains("\"CloudTrailEvent\"")
            && let Ok(entry) = serde_json::from_str::<Lookup<'_>>(raw)
        {
            let inner = entry.event.into_owned();
            return match serde_json::from_str::<Event<'_>>(&inner) {
                Ok(mut event) => {
                    event.name = event.name.or(entry.name);
                    event.source = event.source.or(entry.source);
                    event.id = event.id.or(entry.id);
                    let outer = entry.time.and_then(|t| records::scalar(t.get()).ok().flatten());
                    event.time = event.time.or(outer);
                    self.read(&event, place, batch);
                }
                Err(e) => batch.quarantine(place, format!("`CloudTrailEvent`: {}", reason(&e))),
            };
        }
        match serde_json::from_str::<Event<'_>>(raw) {
            Ok(event) => self.read(&event, place, batch),
            Err(e) => batch.quarantine(place, reason(&e)),
        }
    }

    fn read(&mut self, event: &Event<'_>, place: &str, batch: &mut Batch) {
        let Some(name) = event.name.as_deref().filter(|n| !n.is_empty()) else {
            return batch.quarantine(place, "an event without `eventName`");
        };
        let Some(at) = event.time.as_deref().and_then(|t| instant(t, batch)) else {
            return batch.quarantine(place, "`eventTime` is no time");
        };
        // A trail delivers an event more than once now and then.
        if let Some(id) = event.id.as_deref() {
            let mut h = DefaultHasher::new();
            id.hash(&mut h);
            if !self.seen.insert(h.finish()) {
                self.duplicates += 1;
                return;
            }
        }
        batch.see(at);
        if let Some(account) = event.account.as_deref().filter(|a| json::is_account(a)) {
            self.accounts.insert(super::realm(account));
        }
        let error = event.error.as_deref().filter(|e| !e.is_empty());
        let outcome = match error {
            None => Outcome::Allowed,
            Some(e) if e.contains("AccessDenied") || e.contains("Unauthorized") => Outcome::Denied,
            Some(_) => Outcome::Error,
        };
        let seen = Seen {
            event,
            at,
            action: names::action(event.source.as_deref(), name),
            principal: event.who.as_ref().and_then(principal),
            outcome,
            place,
        };
        self.usage_of(&seen);
        sessions::issued(&seen, batch);
        assignments::changed(&seen, batch);
    }

    fn usage_of(&mut self, s: &Seen<'_, '_>) {
        let (Some(principal), Some(who)) = (&s.principal, &s.event.who) else {
            self.nameless += 1;
            return;
        };
        let full = self.usage.len() >= MAX_GROUPS;
        let mut key = Key {
            principal: principal.clone(),
            action: s.action.clone(),
            resource: s.event.resources.iter().flatten().find_map(|r| r.arn.as_deref()).map(text),
            day: s.at.micros().div_euclid(86_400_000_000),
            outcome: s.outcome,
            scope: s.event.account.as_deref().filter(|a| json::is_account(a)).map(super::realm),
            on_behalf_of: person(who),
        };
        if full && !self.usage.contains_key(&key) {
            key.resource = None;
            self.coarse = true;
        }
        let new = || Sum { first: s.at, last: s.at, count: 0, place: text(s.place) };
        self.usage.entry(key).or_insert_with(new).add(s.at);
        if let Some(id) = sessions::id(who) {
            let bin = s.at.micros().div_euclid(USE_BIN_S * 1_000_000);
            self.sessions
                .entry((principal.clone(), id, bin, s.outcome))
                .or_insert_with(new)
                .add(s.at);
        }
        if let Some(service) = who.invoked_by.as_deref()
            && service != &**principal
        {
            let key = (principal.clone(), text(service));
            self.invoked.entry(key).or_insert_with(new).add(s.at);
        }
    }

    fn close(self, batch: &mut Batch) {
        for (key, sum) in &self.usage {
            let failed = if key.outcome == Outcome::Error { sum.count } else { 0 };
            batch.facts.usage.push(Usage {
                principal: key.principal.clone(),
                on_behalf_of: key.on_behalf_of.clone(),
                scope: key.scope.clone(),
                action: Some(key.action.clone()),
                resource: key.resource.clone(),
                errors: Some(failed),
                outcome: key.outcome,
                grain: if sum.count == 1 { UsageGrain::Event } else { UsageGrain::Action },
                ..row(sum, batch)
            });
        }
        for ((principal, id, _, outcome), sum) in &self.sessions {
            batch.facts.usage.push(Usage {
                outcome: *outcome,
                principal: principal.clone(),
                credential_id: Some(id.clone()),
                grain: UsageGrain::Credential,
                ..row(sum, batch)
            });
        }
        for ((principal, service), sum) in &self.invoked {
            batch.facts.delegations.push(Delegation {
                parent: principal.clone(),
                child: service.clone(),
                from: Some(sum.first),
                until: Some(sum.last),
                evidence: text("invoked_by"),
                source_id: batch.source_id.clone(),
                source_ref: sum.place.clone(),
                ..Delegation::default()
            });
        }
        if self.accounts.len() == 1 {
            batch.realm = self.accounts.into_iter().next();
        }
        let mut limits = Vec::new();
        if self.truncated {
            batch.completeness = Completeness::Truncated;
            limits.push("the export says `NextToken`: further events are missing".to_owned());
        }
        if self.nameless > 0 {
            limits.push(format!("{} events name no identity", self.nameless));
        }
        if self.duplicates > 0 {
            limits.push(format!("{} events were delivered twice and count once", self.duplicates));
        }
        if self.coarse {
            limits.push(format!("resources are told apart in the first {MAX_GROUPS} groups only"));
        }
        if !limits.is_empty() {
            batch.limitation = Some(text(limits.join("; ")));
        }
    }
}

/// Joins what several files of a log say: a session's use may lie in another file than its issue, and an
/// event may be delivered twice. Called once with all facts of a run.
pub fn finish(facts: &mut Facts) {
    let logs: BTreeSet<Text> = facts
        .sources
        .iter()
        .filter(|s| &*s.format == FORMAT)
        .map(|s| s.source_id.clone())
        .collect();
    if logs.is_empty() {
        return;
    }
    let mut last: BTreeMap<Text, Time> = BTreeMap::new();
    for u in facts.usage.iter().filter(|u| u.grain == UsageGrain::Credential) {
        if let (Some(id), Some(t), true) =
            (&u.credential_id, u.last_at, logs.contains(&u.source_id))
        {
            let slot = last.entry(id.clone()).or_insert(t);
            *slot = (*slot).max(t);
        }
    }
    let mut known = BTreeSet::new();
    facts.credentials.retain_mut(|c| {
        if !logs.contains(&c.source_id) {
            return true;
        }
        c.last_used_at = last.get(&c.credential_id).copied();
        known.insert((c.credential_id.clone(), c.principal.clone(), c.expires_at))
    });
    let mut known = BTreeSet::new();
    facts.delegations.retain(|d| {
        !logs.contains(&d.source_id)
            || d.decided.is_none()
            || known.insert((
                d.parent.clone(),
                d.child.clone(),
                d.from,
                d.until,
                d.evidence.clone(),
            ))
    });
    assignments::finish(facts, &logs);
}

fn row(sum: &Sum, batch: &Batch) -> Usage {
    Usage {
        platform: Some(text("aws")),
        first_at: Some(sum.first),
        last_at: Some(sum.last),
        count: Some(sum.count),
        source_id: batch.source_id.clone(),
        source_ref: sum.place.clone(),
        ..Usage::default()
    }
}

/// Instant of an event. One without zone is UTC, as all of CloudTrail, and counted.
fn instant(s: &str, batch: &mut Batch) -> Option<Time> {
    let Some(parsed) = parse_time(s).ok().flatten() else { return super::parse_date(s) };
    batch.ambiguous_times += i64::from(parsed.zoneless);
    Some(parsed.lo)
}

/// Who acted: the role behind a session (A1), else the caller's ARN, else the service.
fn principal(who: &Identity<'_>) -> Option<Text> {
    let full = |s: &Option<Cow<'_, str>>| s.as_deref().filter(|s| !s.is_empty()).map(text);
    if who.kind.as_deref() == Some("AssumedRole")
        && let Some(role) =
            who.session.as_ref().and_then(|s| s.issuer.as_ref()).and_then(|i| full(&i.arn))
    {
        return Some(role);
    }
    full(&who.arn)
        .or_else(|| full(&who.invoked_by))
        .or_else(|| match who.kind.as_deref() {
            // A token of another provider: its subject is the name.
            Some("WebIdentityUser" | "SAMLUser") => full(&who.name),
            _ => None,
        })
        .or_else(|| Some(text(format!("account:{}", full(&who.account)?))))
}

/// The person behind a session: the source identity that was set when it was issued, or the user in the
/// session name of a role that IAM Identity Center made.
fn person(who: &Identity<'_>) -> Option<Text> {
    let session = who.session.as_ref()?;
    if let Some(source) = session.source.as_deref().filter(|s| !s.is_empty()) {
        return Some(text(source));
    }
    let mut parts = who.arn.as_deref()?.rsplit('/');
    let (name, role) = (parts.next()?, parts.next()?);
    role.starts_with("AWSReservedSSO_").then(|| text(name))
}

#[cfg(test)]
mod tests;
