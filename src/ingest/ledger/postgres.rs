//! PostgreSQL: what the server log tells about roles and memberships. Their state is read by
//! [`crate::ingest::services::postgres`].
//!
//! Field table: grants model, section 8, measured with PostgreSQL 15. `VALID UNTIL` limits password
//! authentication alone: an expired role connects by any other method. So it is the expiry of a
//! password and never the end of access. `pg_auth_members` has no times; the log has them when it
//! records statements (`log_statement = ddl`).

use std::collections::{BTreeMap, BTreeSet};

use super::history::{History, Keys, Style, Told, slot};
use super::lines;
use super::vendor::contains;
use crate::facts::time::{parse_duration, parse_time};
use crate::facts::{
    Credential, CredentialKind, Decision, EndKind, EventKind, Grant, Layer, Outcome, Text, Time,
    text,
};
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe, Shape};

pub(crate) mod statement;

use statement::{Change, Statement};

/// Platform word.
const PLATFORM: &str = "postgres";

/// The server log with statements (`log_statement = ddl` or more) and connections.
#[derive(Debug)]
pub struct ServerLog;

const STYLE: Style = Style {
    system: "postgres-log",
    platform: Some(PLATFORM),
    keys: Keys::Slot,
    missing_end: EndKind::Open,
    missing_decision: Decision::Unknown,
};

impl Adapter for ServerLog {
    fn format(&self) -> &'static str {
        "postgres-log"
    }

    fn title(&self) -> &'static str {
        "PostgreSQL server log"
    }

    fn layer(&self) -> Layer {
        Layer::Ledger
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        let text = matches!(probe.shape, Shape::Text | Shape::Csv);
        let holds = |word| contains(probe, word);
        (text
            && (holds(" LOG:  statement: ")
                || holds(" LOG:  connection authorized: ")
                || holds(" LOG:  disconnection: session time: ")))
        .then_some(Match::Specific)
    }

    fn read(&self, input: &Input, ctx: &Context<'_>, batch: &mut Batch) -> Result<(), IngestError> {
        let _ = ctx;
        let mut log = Log::default();
        lines::each(input, batch, &mut |line, n, batch| log.line(line, n, batch))?;
        let others = log.others;
        for session in std::mem::take(&mut log.live).into_values() {
            // Still there when the log ends, or its end was not logged.
            log.session(session, None);
        }
        log.history.finish(&STYLE, batch);
        lines::note_others(batch, others);
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Log {
    history: History,
    /// Slots that are open, by member: a dropped role loses all of them.
    open: BTreeMap<String, BTreeSet<String>>,
    /// Sessions that have begun, by process.
    live: BTreeMap<String, Session>,
    others: u64,
}

#[derive(Debug)]
struct Session {
    user: Text,
    database: Option<Text>,
    from: Time,
    place: Text,
}

/// Process number of a line, in brackets in the prefix.
fn process(head: &str) -> Option<&str> {
    head.split_ascii_whitespace().find_map(|w| {
        w.strip_prefix('[')
            .and_then(|w| w.strip_suffix(']'))
            .filter(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit() || b == b'-'))
    })
}

/// Head of a line: `2026-11-22 02:04:56.432 UTC [26469] user@database ...`. The prefix is set by the
/// administrator; time first is the default, and a `user@database` is looked for.
fn prefix(head: &str) -> Result<(Time, bool, Option<&str>), String> {
    let mut words = head.split_ascii_whitespace();
    let (day, clock) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let zone = words.next().unwrap_or("");
    let zoned = format!("{day} {clock} {zone}");
    let bare = format!("{day} {clock}");
    let parsed = [zoned.as_str(), bare.as_str()]
        .into_iter()
        .find_map(|s| parse_time(s).ok().flatten())
        .ok_or("the line does not begin with a time")?;
    let user = head
        .split_ascii_whitespace()
        .find_map(|w| w.split_once('@'))
        .map(|(user, _)| user)
        .filter(|u| !u.is_empty() && *u != "[unknown]");
    Ok((parsed.lo, parsed.zoneless, user))
}

impl Log {
    fn line(&mut self, line: &str, n: u64, batch: &mut Batch) -> Result<(), String> {
        let Some((head, message)) = line.split_once(" LOG:  ") else {
            self.others += 1;
            return Ok(());
        };
        let statement = message
            .strip_prefix("statement: ")
            .or_else(|| message.split_once("execute ")?.1.split_once(": ").map(|(_, s)| s));
        let place = text(format!("L{n}"));
        if let Some(sql) = statement {
            let Some(statement) = statement::read(sql) else {
                self.others += 1;
                return Ok(());
            };
            let (at, zoneless, user) = prefix(head)?;
            batch.ambiguous_times += i64::from(zoneless);
            return self.statement(&statement, at, user, &place);
        }
        let begins = message.starts_with("connection authorized: ");
        if !begins && !message.starts_with("disconnection: ") {
            self.others += 1;
            return Ok(());
        }
        let (at, zoneless, _) = prefix(head)?;
        batch.ambiguous_times += i64::from(zoneless);
        let field = |name: &str| {
            let words = &mut message.split_ascii_whitespace();
            words.find_map(|w| w.strip_prefix(name)).filter(|v| !v.is_empty())
        };
        let session = Session {
            user: text(field("user=").ok_or("the line names no user")?),
            database: field("database=").map(|d| text(format!("database/{d}"))),
            from: at,
            place,
        };
        let pid = process(head);
        let before = pid.and_then(|p| self.live.remove(p));
        if begins {
            // The number of a process that ended unseen was given again.
            if let Some(lost) = before {
                self.session(lost, None);
            }
            match pid {
                Some(pid) => {
                    self.live.insert(pid.to_owned(), session);
                }
                None => self.session(session, None),
            }
            return Ok(());
        }
        let lasted = message.split_once("session time: ").and_then(|(_, t)| session_start(at, t));
        let from = before.as_ref().map(|s| s.from).or(lasted).unwrap_or(at);
        self.session(Session { from, ..session }, Some(at));
        Ok(())
    }

    /// Use of a login: a session from its begin to its end, or its begin alone.
    fn session(&mut self, s: Session, to: Option<Time>) {
        let what = (s.user, text("connect"), s.database, Outcome::Allowed);
        self.history.lasted(what, (s.from, to.unwrap_or(s.from)), &s.place);
    }

    fn statement(
        &mut self,
        s: &Statement,
        at: Time,
        user: Option<&str>,
        place: &Text,
    ) -> Result<(), String> {
        let actor = user.map(text);
        let told = |key: String, kind: EventKind, member: &str| Told {
            key,
            kind,
            at,
            actor: actor.clone(),
            end_kind: match (kind, user == Some(member)) {
                (EventKind::Revoked, true) => EndKind::RevokedByOwner,
                (EventKind::Revoked, false) => EndKind::RevokedByAdmin,
                _ => EndKind::Unknown,
            },
            place: place.clone(),
            ..Told::default()
        };
        match &s.change {
            Change::Grant { privilege, object, to, admin } => {
                for member in to {
                    let key = slot(member, privilege, object.as_deref());
                    self.open.entry(member.clone()).or_default().insert(key.clone());
                    let about = Grant {
                        beneficiary: text(member),
                        privilege: text(privilege),
                        scope: Some(text(object.as_deref().unwrap_or("cluster"))),
                        grant_kind: Some(text(match (object, admin) {
                            (Some(_), _) => "privilege",
                            (None, true) => "membership with admin option",
                            (None, false) => "membership",
                        })),
                        ..Grant::default()
                    };
                    let told = told(key, EventKind::Activated, member);
                    self.history.tell(Told { about: Some(Box::new(about)), ..told });
                }
            }
            Change::Revoke { privilege, object, from } => {
                for member in from {
                    let key = slot(member, privilege, object.as_deref());
                    if let Some(open) = self.open.get_mut(member) {
                        open.remove(&key);
                    }
                    self.history.tell(told(key, EventKind::Revoked, member));
                }
            }
            Change::ValidUntil { role, until, created } => {
                let until = until
                    .as_deref()
                    .map(|u| parse_time(u).map_err(|e| format!("VALID UNTIL: {e}")))
                    .transpose()?;
                self.history.credential(
                    role,
                    Credential {
                        kind: CredentialKind::Password,
                        principal: text(role),
                        issued_at: Some(at).filter(|_| *created),
                        rotated_at: Some(at),
                        // A date is its first instant, as the server reads it.
                        expires_at: until.flatten().map(|p| p.lo),
                        no_expiry: until.map(|u| u.is_none()),
                        source_ref: place.clone(),
                        ..Credential::default()
                    },
                );
            }
            Change::Drop { roles } => {
                for role in roles {
                    for key in self.open.remove(role).unwrap_or_default() {
                        let reason = Some(text("the role was dropped"));
                        self.history.tell(Told { reason, ..told(key, EventKind::Revoked, role) });
                    }
                }
            }
        }
        Ok(())
    }
}

/// Begin of a session that ends at `at` after `h:mm:ss.mmm`.
fn session_start(at: Time, lasted: &str) -> Option<Time> {
    let word = lasted.split_ascii_whitespace().next()?;
    let mut parts = word.split(':');
    let (h, m, s) = (parts.next()?, parts.next()?, parts.next()?);
    parse_duration(&format!("{h}h{m}m{s}s"), 1.0).map(|d| at.plus_secs(-d))
}
