//! sudo: its JSON log and its text log. Every command that was accepted is a session-long grant.
//!
//! Field table: grants model, section 8, measured with sudo 1.9.13. The JSON file is one object in which
//! the keys `accept`, `exit`, `reject` and `alert` repeat; a reader into a map would keep the last of
//! each. Names of users are those of one host. `uuid` joins an exit to its accept. Arguments of commands may hold secrets and are not read.

use std::collections::BTreeMap;

use serde_json::Value;

use super::in_realm;
use super::lines::{self, head_time};
use super::vendor::{Doc, mentions};
use crate::facts::{
    BrokerKind, Decision, EndKind, EventKind, Grant, GrantEvent, Layer, Outcome, PrincipalKind,
    Text, Time, Usage, UsageGrain, text,
};
use crate::ingest::records::{self, Place, json_message};
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe, Shape};
use crate::ingest::{detect, reader};

/// `log_format=json`, also `json_compact` (one object per line) and I/O log server output.
#[derive(Debug)]
pub struct SudoJson;

/// The text log, and sudo's lines in syslog.
#[derive(Debug)]
pub struct SudoText;

impl Adapter for SudoJson {
    fn format(&self) -> &'static str {
        "sudo-json"
    }

    fn title(&self) -> &'static str {
        "sudo log, JSON"
    }

    fn layer(&self) -> Layer {
        Layer::Ledger
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        mentions(probe, &["\"submituser\"", "\"server_time\""]).then_some(Match::Specific)
    }

    fn read(&self, input: &Input, ctx: &Context<'_>, batch: &mut Batch) -> Result<(), IngestError> {
        let _ = ctx;
        let (head, complete) = reader::head(input)?;
        let shape = detect::detect(&head, complete).shape;
        let mut log = Log::default();
        records::each(input, shape, batch, &mut |place: &Place, raw, batch| {
            let whole = shape == Shape::JsonObject;
            document(raw, place, whole, &mut log, batch);
            Ok(())
        })?;
        log.finish(batch);
        Ok(())
    }
}

/// The objects of one document, with repeated keys.
fn document(raw: &str, place: &Place, whole: bool, log: &mut Log, batch: &mut Batch) {
    let mut n = 0usize;
    let mut bad = Vec::new();
    let mut one = |key: &str, value: &str| {
        n += 1;
        let at = if whole { format!("/{key}/{n}") } else { format!("{place}/{key}/{n}") };
        let read = serde_json::from_str::<Value>(value)
            .map_err(|e| json_message(&e))
            .and_then(|v| log.object(key, Doc(&v), &text(&at)));
        if let Err(reason) = read {
            bad.push((at, reason));
        }
        Ok(())
    };
    // The compact form wraps each object once more.
    let read = records::object(raw, &mut |key, value| {
        if key == "sudo" { records::object(value, &mut one) } else { one(key, value) }
    });
    // The document was counted as one record; its objects are the records.
    batch.records += i64::try_from(n).unwrap_or(i64::MAX) - 1;
    for (at, reason) in bad {
        batch.quarantine(at, reason);
    }
    if let Err(reason) = read {
        batch.records += 1;
        batch.quarantine(place.to_string(), reason);
    }
}

impl Adapter for SudoText {
    fn format(&self) -> &'static str {
        "sudo-text"
    }

    fn title(&self) -> &'static str {
        "sudo log, text or syslog"
    }

    fn layer(&self) -> Layer {
        Layer::Ledger
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        let text = matches!(probe.shape, Shape::Text | Shape::Csv);
        let holds = |word| super::vendor::contains(probe, word);
        (text && holds(" ; USER=") && holds("COMMAND=") && holds("PWD=")).then_some(Match::Specific)
    }

    fn read(&self, input: &Input, ctx: &Context<'_>, batch: &mut Batch) -> Result<(), IngestError> {
        let year = lines::stated_year(ctx);
        let mut log = Log::default();
        let mut held: Option<(String, u64)> = None;
        let take = |entry: Option<(String, u64)>, log: &mut Log, batch: &mut Batch| {
            if let Some((line, n)) = entry
                && let Err(reason) = log.line(&line, n, year, batch)
            {
                batch.quarantine(format!("L{n}"), reason);
            }
        };
        lines::each(input, batch, &mut |line, n, batch| {
            // The file log wraps long entries; what follows is indented.
            if line.starts_with("    ")
                && let Some((entry, _)) = &mut held
            {
                batch.records -= 1;
                if entry.len() < MAX_ENTRY {
                    entry.push(' ');
                    entry.push_str(line.trim());
                }
                return Ok(());
            }
            take(held.replace((line.to_owned(), n)), &mut log, batch);
            Ok(())
        })?;
        take(held.take(), &mut log, batch);
        log.finish(batch);
        Ok(())
    }
}

/// Bytes of one wrapped entry.
const MAX_ENTRY: usize = 1 << 20;

/// A session that ran or was refused.
#[derive(Debug)]
struct Session {
    grant: Grant,
    command: Option<Text>,
    reason: Option<Text>,
}

#[derive(Debug, Default)]
struct Log {
    /// By uuid or place.
    sessions: BTreeMap<String, Session>,
    /// Exits that came before or without their accept.
    exits: BTreeMap<String, (Time, Text)>,
    /// Sessions of the text log that may still run, by user, target user and command.
    running: BTreeMap<(String, String, String), Vec<String>>,
    others: u64,
}

/// What the two lines of one command in the text log have in common.
fn key(user: &str, run: &str, command: Option<&Text>) -> (String, String, String) {
    (user.to_owned(), run.to_owned(), command.map(ToString::to_string).unwrap_or_default())
}

/// Time of an object: seconds and nanoseconds.
fn clock(doc: Doc<'_>, names: &[&str]) -> Result<Time, String> {
    for name in names {
        let Some(t) = doc.at(name).map(Doc) else { continue };
        let seconds = t.at("seconds").and_then(Value::as_i64);
        let nanos = t.at("nanoseconds").and_then(Value::as_i64).unwrap_or(0);
        return match seconds {
            Some(s)
                if (0..=253_402_300_799).contains(&s) && (0..1_000_000_000).contains(&nanos) =>
            {
                Ok(Time::from_micros(s * 1_000_000 + nanos / 1000))
            }
            _ => Err(format!("`{name}.seconds` is no time")),
        };
    }
    Err(format!("`{}` is missing", names.first().copied().unwrap_or("server_time")))
}

impl Log {
    /// One object of the JSON log.
    fn object(&mut self, key: &str, doc: Doc<'_>, place: &Text) -> Result<(), String> {
        match key {
            "accept" | "reject" => {
                let at = clock(doc, &["submit_time", "server_time"])?;
                let id = doc.str("uuid").map_or_else(|| place.to_string(), str::to_owned);
                let session = Session {
                    grant: session(
                        doc.need("submituser")?,
                        doc.str("runuser").or(doc.str("rungroup")).unwrap_or("root"),
                        doc.str("submithost"),
                        (at, key == "accept"),
                        place,
                    ),
                    command: doc.text("command"),
                    reason: doc.text("reason"),
                };
                self.sessions.insert(id, session);
            }
            "exit" => {
                let at = clock(doc, &["exit_time", "server_time"])?;
                let id = doc.need("uuid")?;
                self.exits.insert(id.to_owned(), (at, place.clone()));
            }
            _ => self.others += 1,
        }
        Ok(())
    }

    /// One entry of the text log or of syslog.
    fn line(
        &mut self,
        line: &str,
        n: u64,
        year: Option<i64>,
        batch: &mut Batch,
    ) -> Result<(), String> {
        if !line.contains("USER=") || !line.contains("COMMAND=") {
            self.others += 1;
            return Ok(());
        }
        let (at, rest) = head_time(line, year, batch)?;
        // `: user : ...` in the file, `host sudo[1]:   user : ...` in syslog.
        let (host, rest) = match rest.split_once("sudo") {
            Some((host, tail)) if tail.starts_with([':', '[']) => {
                (Some(host.trim()), tail.split_once(':').map_or(tail, |(_, t)| t))
            }
            _ => (None, rest.trim_start_matches(':')),
        };
        let (user, rest) = rest.split_once(" : ").ok_or("the entry has no user")?;
        let mut fields = BTreeMap::new();
        let mut said = Vec::new();
        let (head, command) = rest.split_once("COMMAND=").ok_or("the entry has no command")?;
        for part in head.split(" ; ").map(str::trim).filter(|p| !p.is_empty()) {
            match part.split_once('=') {
                Some((k, v)) if k.bytes().all(|b| b.is_ascii_uppercase()) => {
                    fields.insert(k, v.trim_end_matches(';').trim());
                }
                _ => said.push(part.trim_end_matches(';').trim()),
            }
        }
        let (command, exit) = match command.rsplit_once(" ; EXIT=") {
            Some((command, exit)) => (command, Some(exit)),
            None => (command, None),
        };
        let command = command.split_ascii_whitespace().next().map(text);
        let user = user.trim();
        let run = fields.get("USER").copied().unwrap_or("root");
        let place = text(format!("L{n}"));
        if exit.is_some() {
            // The line at the exit repeats the one at the begin; the latest such session ends.
            let open = self.running.get_mut(&key(user, run, command.as_ref())).and_then(Vec::pop);
            match open {
                Some(id) => {
                    self.exits.insert(id, (at, place));
                }
                None => {
                    self.exits.insert(format!("unknown of L{n}"), (at, place));
                }
            }
            return Ok(());
        }
        let refused = said.first().copied();
        let grant = session(user, run, host, (at, refused.is_none()), &place);
        let id = format!("{}#{n:012}", at.to_rfc3339());
        if refused.is_none() {
            self.running.entry(key(user, run, command.as_ref())).or_default().push(id.clone());
        }
        self.sessions.insert(id, Session { grant, command, reason: refused.map(text) });
        Ok(())
    }

    fn finish(self, batch: &mut Batch) {
        let mut exits = self.exits;
        for (id, Session { mut grant, command, reason }) in self.sessions {
            grant.grant_id = text(&id);
            grant.source_id = batch.source_id.clone();
            let start = grant.requested_at.unwrap_or_default();
            let accepted = grant.decision == Decision::AutoApproved;
            let exit = exits.remove(&id).filter(|_| accepted);
            let mut event = |kind, at, reason: Option<Text>, place: &Text, actor: Option<&Text>| {
                batch.see(at);
                batch.facts.grant_events.push(GrantEvent {
                    grant_id: Some(text(&id)),
                    kind,
                    occurred_at: at,
                    actor: actor.cloned(),
                    reason,
                    source_id: batch.source_id.clone(),
                    source_ref: place.clone(),
                    ..GrantEvent::default()
                });
            };
            let kind = if accepted { EventKind::Activated } else { EventKind::Denied };
            event(kind, start, reason, &grant.source_ref, Some(&grant.beneficiary));
            if let Some((end, place)) = &exit {
                event(EventKind::Revoked, *end, Some(text("the command ended")), place, None);
                grant.ended_at_lo = Some(*end);
                grant.ended_at_hi = Some(*end);
                // The session ends with the command of whoever holds it.
                grant.end_kind = EndKind::RevokedByOwner;
            }
            batch.facts.usage.push(Usage {
                principal: grant.beneficiary.clone(),
                grant_id: Some(grant.grant_id.clone()),
                platform: grant.platform.clone(),
                privilege: Some(grant.privilege.clone()),
                scope: grant.scope.clone(),
                action: command,
                first_at: Some(start),
                last_at: Some(exit.map_or(start, |(end, _)| end)),
                count: Some(1),
                outcome: if accepted { Outcome::Allowed } else { Outcome::Denied },
                grain: UsageGrain::Event,
                source_id: grant.source_id.clone(),
                source_ref: grant.source_ref.clone(),
                ..Usage::default()
            });
            batch.facts.grants.push(grant);
        }
        for (at, place) in exits.into_values() {
            batch.see(at);
            batch.facts.grant_events.push(GrantEvent {
                kind: EventKind::Revoked,
                occurred_at: at,
                reason: Some(text("the log has no begin of this command")),
                source_id: batch.source_id.clone(),
                source_ref: place,
                ..GrantEvent::default()
            });
        }
        lines::note_others(batch, self.others);
    }
}

/// Grant of one command. The rules of sudo decide; nobody is asked.
fn session(
    user: &str,
    run: &str,
    host: Option<&str>,
    (at, accepted): (Time, bool),
    place: &Text,
) -> Grant {
    let given = Some(at).filter(|_| accepted);
    let who = in_realm("unix", host, user);
    Grant {
        system: text("sudo"),
        platform: Some(text("unix")),
        beneficiary: who.clone(),
        requester: Some(who),
        privilege: text(run),
        scope: host.filter(|h| !h.is_empty()).map(text),
        broker_kind: BrokerKind::Session,
        requested_at: Some(at),
        decided_at: Some(at),
        decision: if accepted { Decision::AutoApproved } else { Decision::Denied },
        not_before: given,
        activated_at_lo: given,
        activated_at_hi: given,
        end_kind: EndKind::Unknown,
        beneficiary_kind: (user == "root").then_some(PrincipalKind::System),
        grant_kind: Some(text("command")),
        source_ref: place.clone(),
        ..Grant::default()
    }
}
