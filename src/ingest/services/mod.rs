//! State of Vault, GitHub, PostgreSQL, Snowflake and Okta: who holds what there now.
//!
//! Exports of these systems come in many wrappings of the same records: pages of an API, maps by name,
//! one answer per file, CSV of a query. So one reader finds the records wherever they stand, by their
//! keys, and a table per system says what each kind of record is. What none of them knows is counted.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::ledger::vendor::Doc;
use super::reader::{self, BOUNDS, LineGuard};
use super::records::{self, json_message};
use super::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe, Shape};
use crate::facts::time::parse_time;
use crate::facts::{
    Alias, BindingKind, Confidence, Credential, Entitlement, Link, Membership, Principal,
    PrincipalKind, Role, RoleKind, Text, Time, Usage, UsageGrain, text,
};
use crate::ingest::{detect, table};
use crate::privilege::class::Breadth;

pub mod github;
mod github_guards;
pub mod okta;
pub mod postgres;
pub mod snowflake;
pub mod vault;

/// All adapters of these systems.
pub static ADAPTERS: &[&dyn Adapter] = &[
    &postgres::ROLES,
    &postgres::MEMBERS,
    &postgres::PRIVILEGES,
    &postgres::Dump,
    &vault::STATE,
    &vault::Policy,
    &vault::PolicyList,
    &github::STATE,
    &okta::STATE,
    &snowflake::STATE,
    &snowflake::HISTORY,
    // One line each.
];

/// Levels of wrapping under which records are looked for.
const DEPTH: usize = 6;

/// One export format: records in JSON (any wrapping), NDJSON or CSV.
#[derive(Clone, Copy, Debug)]
pub struct Export {
    /// Format id.
    pub format: &'static str,
    /// Title.
    pub title: &'static str,
    /// Layer it feeds.
    pub layer: crate::facts::Layer,
    /// Keys are compared in lower case: exports come in both.
    pub lower: bool,
    /// Whether a file is of this format.
    pub recognise: fn(&Probe<'_>) -> bool,
    /// Reads one record; `false` when it is none of this format.
    pub record: fn(&Rec<'_>, &mut Sink<'_>) -> Result<bool, String>,
}

/// A record with what stands around it.
#[derive(Clone, Copy, Debug)]
pub struct Rec<'a> {
    /// The record.
    pub doc: Doc<'a>,
    /// Keys of the objects around it, outermost first: the name of what a map lists.
    pub keys: &'a [String],
    /// What the file is about, when something beside it says so.
    pub realm: Option<&'a str>,
    /// File name without folder and suffix.
    pub stem: &'a str,
    /// Place in the source.
    pub place: &'a Text,
}

impl Rec<'_> {
    /// The innermost key around the record that is a name and no wrapper of an API.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        const WRAPPERS: [&str; 6] = ["data", "items", "value", "records", "rows", "results"];
        self.keys.iter().rev().map(String::as_str).find(|k| !WRAPPERS.contains(k))
    }

    /// True or false, also written as text (`t`, `true`, `YES`, `on`).
    ///
    /// # Errors
    /// When it is neither.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, String> {
        match self.doc.at(key) {
            None => Ok(None),
            Some(Value::Bool(b)) => Ok(Some(*b)),
            Some(Value::String(s)) => match s.trim().to_ascii_lowercase().as_str() {
                "t" | "true" | "yes" | "y" | "on" | "1" => Ok(Some(true)),
                "f" | "false" | "no" | "n" | "off" | "0" => Ok(Some(false)),
                "" | "null" => Ok(None),
                _ => Err(format!("`{key}` is `{}`, not true or false", table::short(s))),
            },
            Some(_) => Err(format!("`{key}` is not true or false")),
        }
    }

    /// Whole number, also written as text.
    #[must_use]
    pub fn int(&self, key: &str) -> Option<i64> {
        match self.doc.at(key)? {
            Value::Number(n) => n.as_i64(),
            Value::String(s) => s.trim().parse().ok(),
            _ => None,
        }
    }

    /// Time; empty texts and sentinels are none.
    ///
    /// # Errors
    /// When there is a value that is no time.
    pub fn time(&self, key: &str) -> Result<Option<Time>, String> {
        match self.doc.at(key) {
            Some(Value::String(s)) if s.trim().is_empty() => Ok(None),
            Some(Value::String(s)) => parse_time(s.trim())
                .map(|p| p.map(|p| p.lo))
                .map_err(|e| format!("`{key}` is `{}`: {e}", table::short(s))),
            _ => self.doc.time(key),
        }
    }
}

/// Where rows go: the batch, with the place of the record on each.
#[derive(Debug)]
pub struct Sink<'a> {
    /// The batch.
    pub batch: &'a mut Batch,
    /// Place of the record.
    pub place: Text,
    /// Bindings of the file so far: queries repeat them per grantor and column.
    pub(super) seen: &'a mut BTreeSet<Text>,
}

/// A binding, in short.
#[derive(Clone, Debug)]
pub struct Binding<'a> {
    /// Platform.
    pub platform: &'a str,
    /// Who holds it, canonical.
    pub who: &'a Text,
    /// Role or permission: key into `roles`.
    pub role_id: String,
    /// Its name.
    pub privilege: &'a str,
    /// Scope.
    pub scope: &'a str,
    /// Breadth of the scope.
    pub breadth: Breadth,
}

impl Sink<'_> {
    /// A principal of an inventory.
    pub fn principal(
        &mut self,
        (id, platform, kind): (&Text, &str, PrincipalKind),
        with: impl FnOnce(&mut Principal),
    ) {
        let mut row = Principal {
            principal_id: id.clone(),
            kind,
            platform: Some(text(platform)),
            inventoried: true,
            source_id: self.batch.source_id.clone(),
            source_ref: self.place.clone(),
            ..Principal::default()
        };
        with(&mut row);
        self.batch.facts.principals.push(row);
    }

    /// Whether the file has not given this before.
    pub fn first(&mut self, what: &Text) -> bool {
        self.seen.insert(what.clone())
    }

    /// Another name of a principal.
    pub fn alias(&mut self, id: &Text, kind: &str, alias: &str, confidence: Confidence) {
        if alias.trim().is_empty() || *alias == **id {
            return;
        }
        self.batch.facts.aliases.push(Alias {
            principal_id: id.clone(),
            alias_type: text(kind),
            alias: text(alias),
            confidence,
            rule: text("inventory"),
            source_id: self.batch.source_id.clone(),
            source_ref: self.place.clone(),
            ..Alias::default()
        });
    }

    /// A binding; `None` when the file has it already.
    pub fn entitlement(&mut self, b: &Binding<'_>) -> Option<&mut Entitlement> {
        let id = text(format!("{}|{}|{}|{}", b.platform, b.who, b.role_id, b.scope));
        if !self.seen.insert(id.clone()) {
            return None;
        }
        self.batch.facts.entitlements.push(Entitlement {
            entitlement_id: id,
            principal_id: b.who.clone(),
            role_id: text(&b.role_id),
            privilege: text(b.privilege),
            scope: text(b.scope),
            scope_rank: Some(b.breadth.rank()),
            platform: text(b.platform),
            binding_kind: BindingKind::Active,
            source_id: self.batch.source_id.clone(),
            source_ref: self.place.clone(),
            ..Entitlement::default()
        });
        self.batch.facts.entitlements.last_mut()
    }

    /// A role with its content.
    pub fn role(&mut self, platform: &str, id: &str, name: &str, document: Option<String>) {
        self.batch.facts.roles.push(Role {
            role_id: text(id),
            platform: text(platform),
            name: text(name),
            kind: RoleKind::Role,
            document: document.map(text),
            source_id: self.batch.source_id.clone(),
            source_ref: self.place.clone(),
            ..Role::default()
        });
    }

    /// A membership.
    pub fn member(&mut self, who: &Text, group: &Text) {
        self.batch.facts.memberships.push(Membership {
            principal_id: who.clone(),
            group_id: group.clone(),
            source_id: self.batch.source_id.clone(),
            source_ref: self.place.clone(),
            ..Membership::default()
        });
    }

    /// A way from one identity to another.
    pub fn link(
        &mut self,
        (platform, kind): (&str, &str),
        (who, target): (&Text, &Text),
        subject: Option<Text>,
    ) {
        self.batch.facts.links.push(Link {
            platform: text(platform),
            kind: text(kind),
            principal_id: who.clone(),
            target_id: target.clone(),
            subject,
            source_id: self.batch.source_id.clone(),
            source_ref: self.place.clone(),
            ..Link::default()
        });
    }

    /// When an identity was last there (signed in), whatever it did.
    pub fn was_there(&mut self, who: &Text, platform: &str, at: Time) {
        self.batch.facts.usage.push(Usage {
            principal: who.clone(),
            platform: Some(text(platform)),
            grain: UsageGrain::Identity,
            first_at: Some(at),
            last_at: Some(at),
            source_id: self.batch.source_id.clone(),
            source_ref: self.place.clone(),
            ..Usage::default()
        });
    }

    /// A credential.
    pub fn credential(&mut self, c: Credential) {
        self.batch.facts.credentials.push(Credential {
            source_id: self.batch.source_id.clone(),
            source_ref: self.place.clone(),
            ..c
        });
    }

    /// Notes what the file does not show.
    pub fn limit(&mut self, what: &str) {
        note(self.batch, what);
    }
}

/// Adds a sentence to the limitation of a source, once.
fn note(batch: &mut Batch, what: &str) {
    let have = batch.limitation.as_deref().unwrap_or("");
    if have.contains(what) {
        return;
    }
    let all = if have.is_empty() { what.to_owned() } else { format!("{have}; {what}") };
    batch.limitation = Some(text(all));
}

impl Adapter for Export {
    fn format(&self) -> &'static str {
        self.format
    }

    fn title(&self) -> &'static str {
        self.title
    }

    fn layer(&self) -> crate::facts::Layer {
        self.layer
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        (self.recognise)(probe).then_some(Match::Specific)
    }

    fn read(&self, input: &Input, ctx: &Context<'_>, batch: &mut Batch) -> Result<(), IngestError> {
        let (head, complete) = reader::head(input)?;
        let found = detect::detect(&head, complete);
        let base = input.name.rsplit('/').next().unwrap_or(&input.name).to_owned();
        let stem = base.split('.').next().unwrap_or(&base).to_owned();
        let mut run =
            Run { export: self, ctx, stem, keys: Vec::new(), others: 0, seen: BTreeSet::new() };
        match found.shape {
            Shape::Csv => run.csv(input, found.delimiter, batch)?,
            shape => {
                let whole = shape == Shape::JsonObject;
                records::each(input, shape, batch, &mut |place, raw, batch| {
                    // Each record inside counts by itself.
                    batch.records -= 1;
                    let at = if whole { String::new() } else { place.to_string() };
                    match serde_json::from_str::<Value>(raw) {
                        Ok(value) => {
                            if !run.walk(&value, &at, 0, batch) {
                                batch.records += 1;
                                run.others += 1;
                            }
                        }
                        Err(e) => {
                            batch.records += 1;
                            batch.quarantine(place.to_string(), json_message(&e));
                        }
                    }
                    Ok(())
                })?;
            }
        }
        if run.others > 0 {
            note(batch, &format!("{} records are of other kinds", run.others));
        }
        Ok(())
    }
}

/// One file being read.
struct Run<'a> {
    export: &'a Export,
    ctx: &'a Context<'a>,
    stem: String,
    keys: Vec<String>,
    others: u64,
    seen: BTreeSet<Text>,
}

impl Run<'_> {
    /// Gives one object to the format. `None`: it is none of its records.
    fn record(&mut self, value: &Value, place: &str, batch: &mut Batch) -> Option<()> {
        let lowered;
        let value = match value {
            Value::Object(map) if self.export.lower && map.keys().any(|k| upper(k)) => {
                lowered =
                    Value::Object(map.iter().map(|(k, v)| (k.to_lowercase(), v.clone())).collect());
                &lowered
            }
            other => other,
        };
        let place = text(if place.is_empty() { "L1" } else { place });
        let rec = Rec {
            doc: Doc(value),
            keys: &self.keys,
            realm: self.ctx.realm,
            stem: &self.stem,
            place: &place,
        };
        let mut sink = Sink { batch, place: place.clone(), seen: &mut self.seen };
        match (self.export.record)(&rec, &mut sink) {
            Ok(false) => return None,
            Ok(true) => batch.records += 1,
            Err(reason) => {
                batch.records += 1;
                batch.quarantine(&place, reason);
            }
        }
        Some(())
    }

    /// Finds the records in a value; whether there was any. Nesting is bounded by the JSON reader and
    /// by [`DEPTH`].
    fn walk(&mut self, value: &Value, at: &str, depth: usize, batch: &mut Batch) -> bool {
        match value {
            Value::Object(map) => {
                if self.record(value, at, batch).is_some() {
                    return true;
                }
                if depth >= DEPTH {
                    return false;
                }
                let mut any = false;
                let mut missed = 0u64;
                for (key, child) in map.iter().filter(|(_, v)| v.is_object() || v.is_array()) {
                    self.keys.push(key.clone());
                    let escaped = key.replace('~', "~0").replace('/', "~1");
                    let found = self.walk(child, &format!("{at}/{escaped}"), depth + 1, batch);
                    missed += u64::from(!found && child.is_object());
                    any |= found;
                    self.keys.pop();
                }
                self.missed(any, missed, batch);
                any || is_empty_page(map)
            }
            Value::Array(list) => {
                let mut any = list.is_empty();
                let mut missed = 0u64;
                for (i, child) in list.iter().enumerate() {
                    let found = self.walk(child, &format!("{at}/{i}"), depth + 1, batch);
                    missed += u64::from(!found);
                    any |= found;
                }
                self.missed(any, missed, batch);
                any
            }
            _ => false,
        }
    }

    /// What has records in it is a wrapping; what else it lists are records of other kinds.
    fn missed(&mut self, any: bool, missed: u64, batch: &mut Batch) {
        if any {
            self.others += missed;
            batch.records += i64::try_from(missed).unwrap_or(i64::MAX);
        }
    }

    fn csv(&mut self, input: &Input, delimiter: u8, batch: &mut Batch) -> Result<(), IngestError> {
        let stream = LineGuard::new(reader::open(input)?, BOUNDS.line);
        let mut rows = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .from_reader(stream);
        let wrong = |e: csv::Error| IngestError::Malformed {
            file: input.name.clone(),
            place: e.position().map_or_else(|| "start".into(), |p| format!("L{}", p.line())),
            message: "not delimited text; export it again as CSV with a header".into(),
        };
        let mut row = csv::ByteRecord::new();
        rows.read_byte_record(&mut row).map_err(wrong)?;
        let names: Vec<String> =
            row.iter().map(|c| String::from_utf8_lossy(c).trim().to_lowercase()).collect();
        while rows.read_byte_record(&mut row).map_err(wrong)? {
            let place = format!("L{}", row.position().map_or(0, csv::Position::line));
            if row.len() != names.len() {
                batch.records += 1;
                let reason = format!("has {} fields, the header has {}", row.len(), names.len());
                batch.quarantine(place, reason);
                continue;
            }
            let mut map = Map::new();
            let mut bad = false;
            for (name, cell) in names.iter().zip(row.iter()) {
                match std::str::from_utf8(cell) {
                    Ok(cell) if !cell.contains('\0') => {
                        // An empty cell is NULL.
                        let value = cell.trim();
                        if !value.is_empty() {
                            map.insert(name.clone(), Value::String(value.to_owned()));
                        }
                    }
                    _ => bad = true,
                }
            }
            if bad {
                batch.records += 1;
                batch.quarantine(place, "not UTF-8 text, or a NUL byte");
            } else if self.record(&Value::Object(map), &place, batch).is_none() {
                batch.records += 1;
                self.others += 1;
            }
        }
        Ok(())
    }
}

fn upper(key: &str) -> bool {
    key.bytes().any(|b| b.is_ascii_uppercase())
}

/// Whether a value is a list of texts.
pub(super) fn is_text_list(value: &Value) -> bool {
    value.as_array().is_some_and(|list| list.iter().all(Value::is_string))
}

/// A page of an API without entries.
fn is_empty_page(map: &Map<String, Value>) -> bool {
    !map.is_empty()
        && map.values().any(|v| v.as_array().is_some_and(Vec::is_empty))
        && map.values().all(|v| !v.is_object() && v.as_array().is_none_or(Vec::is_empty))
}

/// Whether the columns of a CSV or the keys at the top of JSON are all there, in either case.
pub(super) fn columns(probe: &Probe<'_>, all: &[&str]) -> bool {
    let there = |k: &&str| probe.keys.iter().any(|have| have.trim().eq_ignore_ascii_case(k));
    all.iter().all(there)
}

#[cfg(test)]
mod tests;
