//! Roles and memberships in the output of `pg_dumpall --roles-only`.
//!
//! A reader of the statements that pg_dumpall writes, one a line; others are counted. Passwords are
//! noted as there and never kept.

use std::collections::{BTreeMap, BTreeSet};

use super::{MemberFacts, RoleFacts, put_member, put_role};
use crate::facts::time::parse_time;
use crate::facts::{Layer, Text, Time, text};
use crate::ingest::ledger::lines;
use crate::ingest::ledger::postgres::statement::{Token, tokens};
use crate::ingest::ledger::vendor::contains;
use crate::ingest::services::Sink;
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe, Shape};

/// `pg_dumpall --roles-only`.
#[derive(Debug)]
pub struct Dump;

#[derive(Debug, Default)]
struct Found {
    login: Option<bool>,
    inherit: Option<bool>,
    attributes: Vec<&'static str>,
    until: Option<Time>,
    password: bool,
    place: Text,
}

#[derive(Debug, Default)]
struct Reader {
    roles: BTreeMap<String, Found>,
    seen: BTreeSet<Text>,
    others: u64,
}

impl Adapter for Dump {
    fn format(&self) -> &'static str {
        "postgres-dump"
    }

    fn title(&self) -> &'static str {
        "PostgreSQL roles (pg_dumpall --roles-only)"
    }

    fn layer(&self) -> Layer {
        Layer::State
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        let text = matches!(probe.shape, Shape::Text | Shape::Csv);
        (text
            && contains(probe, "CREATE ROLE ")
            && contains(probe, "ALTER ROLE ")
            && (contains(probe, " WITH NOSUPERUSER ") || contains(probe, " WITH SUPERUSER ")))
        .then_some(Match::Specific)
    }

    fn read(&self, input: &Input, ctx: &Context<'_>, batch: &mut Batch) -> Result<(), IngestError> {
        let mut reader = Reader::default();
        lines::each(input, batch, &mut |line, n, batch| reader.line(line, n, ctx.realm, batch))?;
        for (name, found) in &reader.roles {
            let facts = RoleFacts {
                name,
                oid: None,
                login: found.login,
                inherit: found.inherit,
                attributes: found.attributes.clone(),
                // Passwords are left out of most dumps; one that is there is there.
                until: found.password.then_some(found.until),
                password: found.password.then_some(true),
            };
            let mut sink = Sink { batch, place: found.place.clone(), seen: &mut reader.seen };
            put_role(ctx.realm, &facts, &mut sink);
        }
        lines::note_others(batch, reader.others);
        Ok(())
    }
}

const ATTRIBUTES: [(&str, &str); 5] = [
    ("superuser", "SUPERUSER"),
    ("createrole", "CREATEROLE"),
    ("createdb", "CREATEDB"),
    ("replication", "REPLICATION"),
    ("bypassrls", "BYPASSRLS"),
];

fn word(t: &Token) -> Option<&str> {
    match t {
        Token::Word { text, .. } => Some(text),
        _ => None,
    }
}

impl Reader {
    fn line(
        &mut self,
        line: &str,
        n: u64,
        realm: Option<&str>,
        batch: &mut Batch,
    ) -> Result<(), String> {
        if line.trim_start().starts_with("--") || line.starts_with('\\') {
            self.others += 1;
            return Ok(());
        }
        let all = tokens(line);
        let place = text(format!("L{n}"));
        match all.as_slice() {
            [a, b, name, rest @ ..] if (a.is("create") || a.is("alter")) && b.is("role") => {
                let name = word(name).ok_or("the statement names no role")?;
                let found = self.roles.entry(name.to_owned()).or_default();
                if found.place.is_empty() || a.is("alter") {
                    found.place = place;
                }
                options(found, rest)
            }
            [a, rest @ ..] if a.is("grant") => self.grant(rest, realm, place, batch),
            _ => {
                self.others += 1;
                Ok(())
            }
        }
    }

    fn grant(
        &mut self,
        rest: &[Token],
        realm: Option<&str>,
        place: Text,
        batch: &mut Batch,
    ) -> Result<(), String> {
        // `GRANT role TO member WITH ADMIN OPTION, INHERIT FALSE, SET TRUE GRANTED BY grantor;`
        let [role, to, member, tail @ ..] = rest else {
            return Err("a GRANT without role and member".into());
        };
        let (Some(role), Some(member), true) = (word(role), word(member), to.is("to")) else {
            self.others += 1;
            return Ok(());
        };
        let after = |name: &str| -> Option<&str> {
            tail.windows(2).find(|w| w.first().is_some_and(|t| t.is(name)))?.get(1).and_then(word)
        };
        let truth = |name: &str| match after(name) {
            Some("true" | "option") => Some(true),
            Some("false") => Some(false),
            _ => None,
        };
        let found = MemberFacts {
            role,
            member,
            grantor: tail
                .windows(3)
                .find(|w| matches!(w, [a, b, _] if a.is("granted") && b.is("by")))
                .and_then(|w| w.get(2))
                .and_then(word),
            admin: truth("admin") == Some(true),
            inherit: truth("inherit"),
            set: truth("set"),
        };
        put_member(realm, &found, &mut Sink { batch, place, seen: &mut self.seen });
        Ok(())
    }
}

fn options(found: &mut Found, rest: &[Token]) -> Result<(), String> {
    for (i, t) in rest.iter().enumerate() {
        let Token::Word { text, quoted: false } = t else { continue };
        match text.as_str() {
            "login" => found.login = Some(true),
            "nologin" => found.login = Some(false),
            "inherit" => found.inherit = Some(true),
            "noinherit" => found.inherit = Some(false),
            "password" => {
                found.password = matches!(rest.get(i + 1), Some(Token::Literal(_)));
            }
            "until" => {
                if let Some(Token::Literal(until)) = rest.get(i + 1) {
                    found.until =
                        parse_time(until).map_err(|e| format!("VALID UNTIL: {e}"))?.map(|p| p.lo);
                }
            }
            other => {
                if let Some((_, word)) = ATTRIBUTES.iter().find(|(a, _)| *a == other)
                    && !found.attributes.contains(word)
                {
                    found.attributes.push(word);
                }
            }
        }
    }
    Ok(())
}
