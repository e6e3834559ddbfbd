//! The story of one grant: request, approval, window, activation, task, use, revocation, residue and
//! cells, each with the records that show it. The terminal page and the report tell the same one.
//!
//! The questions are those of the landscape specification, end of section 4: the chain from request
//! to removal, whether access outlived the approval, whether it was used beyond it, and what proves
//! that it is gone. What no input shows is said to be unknown, with the reason.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use row::{Row, table};

use super::text::{counted, duration};
use crate::facts::time::parse_rfc3339;
use crate::facts::{EVIDENCE_CHAIN, Time};
use crate::findings::Finding;

mod row;

/// Tables that the story is told from.
pub const TABLES: [&str; 10] = [
    "sources",
    "grants",
    "grant_events",
    "approvals",
    "tasks",
    "usage",
    "credentials",
    "grant_facts",
    "usage_facts",
    "segments",
];

/// Records of one kind that are listed; the rest is counted.
const MAX_LISTED: usize = 12;

/// All about one grant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// Id of the grant in its ledger.
    pub grant_id: String,
    /// The ledger.
    pub system: String,
    /// Who holds it.
    pub principal: String,
    /// What it gives.
    pub privilege: String,
    /// Fingerprints of the findings about it, worst first.
    pub findings: Vec<String>,
    /// Parts in order: a word and what there is to say, one line each; a line without a word goes on with
    /// the part before.
    pub lines: Vec<(String, String)>,
    /// Spans of time by layer; an end that is null goes on.
    pub lanes: Vec<Lane>,
}

/// A span of time in one layer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// Layer: `task`, `grant`, `state`, `use`, `credential`.
    pub name: String,
    /// Start, RFC 3339.
    pub from: String,
    /// End, RFC 3339; null when it goes on.
    pub until: Option<String>,
}

/// Rows of [`TABLES`]; a table that the run does not have is empty.
pub type Rows = BTreeMap<String, Vec<Value>>;

struct Page<'a> {
    rows: &'a Rows,
    fact: Row<'a>,
    ledger: Option<Row<'a>>,
    files: BTreeMap<&'a str, &'a str>,
    as_of: Option<Time>,
    out: Vec<(String, String)>,
}

/// Tells of one grant. `at` is its place in `grant_facts`; `None` when there is no such row.
#[must_use]
pub fn tell<'f>(
    rows: &Rows,
    at: usize,
    findings: impl IntoIterator<Item = &'f Finding>,
    as_of: &str,
) -> Option<Story> {
    let fact = table(rows, "grant_facts").nth(at)?;
    let same = |r: &Row<'_>| {
        let own = |name| r.str(name) == fact.str(name);
        own("grant_id") && own("system")
    };
    let mut page = Page {
        rows,
        fact,
        // Both tables have one row per grant, mostly in one order; the ids guard that.
        ledger: table(rows, "grants")
            .nth(at)
            .filter(same)
            .or_else(|| table(rows, "grants").find(same)),
        files: table(rows, "sources")
            .filter_map(|s| Some((s.str("source_id")?, s.str("file")?)))
            .collect(),
        as_of: parse_rfc3339(as_of),
        out: Vec::new(),
    };
    let about: Vec<&Finding> = findings
        .into_iter()
        .filter(|x| x.grant_id.as_deref() == fact.str("grant_id"))
        .filter(|x| x.principal.as_deref().is_none_or(|p| Some(p) == fact.str("principal_id")))
        .collect();
    page.head(&about);
    page.request();
    page.approval();
    page.window();
    page.task();
    page.uses();
    page.revocation();
    page.residue();
    page.cells();
    page.records();
    let own = |name| fact.str(name).unwrap_or_default().to_owned();
    Some(Story {
        grant_id: own("grant_id"),
        system: own("system"),
        principal: own("principal_id"),
        privilege: own("privilege"),
        findings: about.iter().map(|x| x.fingerprint.clone()).collect(),
        lanes: page.lanes(),
        lines: page.out,
    })
}

impl<'a> Page<'a> {
    fn line(&mut self, name: &str, text: &str) {
        self.out.push((name.to_owned(), text.to_owned()));
    }

    fn more(&mut self, text: &str) {
        self.line("", text);
    }

    fn place(&self, r: Row<'_>) -> String {
        let source = r.str("source_id").unwrap_or_default();
        let file = self.files.get(source).copied().unwrap_or(source);
        format!("{file} {}", r.str("source_ref").unwrap_or("?"))
    }

    fn own(&self, name: &'static str) -> impl Iterator<Item = Row<'a>> + use<'a> {
        let id = self.fact.str("grant_id");
        let who = self.fact.str("principal_id");
        table(self.rows, name).filter(move |r| {
            // Where several ledgers use one id, the principal tells them apart.
            r.str("grant_id").is_some()
                && r.str("grant_id") == id
                && r.str("principal_id").is_none_or(|p| Some(p) == who)
        })
    }

    fn list(&mut self, lines: &[String], what: &str) {
        for l in lines.iter().take(MAX_LISTED) {
            self.more(l);
        }
        if lines.len() > MAX_LISTED {
            self.more(&format!("and {} more {what}", lines.len() - MAX_LISTED));
        }
    }

    fn head(&mut self, about: &[&Finding]) {
        let f = self.fact;
        let text = |name| f.str(name).unwrap_or("unknown");
        let scope = f.str("scope").map_or(String::new(), |s| format!(" on {s}"));
        let grant = format!("{} of {}", text("grant_id"), text("system"));
        self.line("grant", &grant);
        let gives = format!("{}{scope}, tier {}", text("privilege"), text("tier"));
        self.line("gives", &gives);
        let mut to = format!("{} ({})", text("principal_id"), text("principal_kind"));
        if let Some(person) = f.str("on_behalf_of_id") {
            let _ = write!(to, ", on behalf of {person}");
        }
        if let Some(owner) = f.str("owner") {
            let _ = write!(to, ", owner {owner}");
        }
        self.line("to", &to);
        if f.flag("break_glass") == Some(true) {
            self.line("emergency", "declared");
        }
        if about.is_empty() {
            self.line("findings", "none");
        }
        for (i, x) in about.iter().enumerate() {
            let text = format!(
                "{} {} {}: {}",
                x.rule,
                x.severity,
                x.fingerprint.get(..8).unwrap_or_default(),
                x.message
            );
            self.line(if i == 0 { "findings" } else { "" }, &text);
        }
    }

    fn request(&mut self) {
        let f = self.fact;
        let who = f.str("requester_id").unwrap_or("nobody recorded");
        let at = f.time("requested_at").map_or("at an unrecorded time".into(), instant);
        self.line("request", &format!("{at} by {who}"));
        if let Some(g) = self.ledger {
            let reason = g.str("justification").unwrap_or("none recorded");
            self.more(&format!("reason: {reason}"));
            if let Some(s) = g.int("duration_requested_s") {
                self.more(&format!("asked for {}", duration(s)));
            }
            let place = self.place(g);
            self.more(&format!("[{place}]"));
        }
    }

    fn approval(&mut self) {
        let f = self.fact;
        let needed = f.int("approvals_needed").unwrap_or(0);
        let state = match f.flag("approved") {
            Some(true) => "approved",
            Some(false) => "no approval recorded",
            None => "unknown: neither an approval nor a decision is among the inputs",
        };
        let asks = if f.flag("approval_required") == Some(true) {
            format!("{} required", needed.max(1))
        } else {
            "none required for this tier".to_owned()
        };
        let decision = f.str("decision").unwrap_or("unknown");
        self.line("approval", &format!("{state}; {asks}; decision {decision}"));
        let reference = self.ledger.and_then(|g| g.str("approval_ref"));
        let id = f.str("grant_id");
        let lines: Vec<String> = table(self.rows, "approvals")
            .filter(|a| {
                let by_grant = a.str("grant_id").is_some() && a.str("grant_id") == id;
                by_grant || (reference.is_some() && a.str("approval_id") == reference)
            })
            .map(|a| {
                let at = a.time("at").map_or("at an unrecorded time".into(), instant);
                let who = a.str("approver_id").or(a.str("approver")).unwrap_or("nobody named");
                let (verdict, method) = (a.str("verdict"), a.str("method"));
                let (verdict, method) = (verdict.unwrap_or("?"), method.unwrap_or("?"));
                format!("{at} {verdict} by {who} ({method}) [{}]", self.place(a))
            })
            .collect();
        self.list(&lines, "approvals");
        if let Some(s) = f.int("approval_late_s").filter(|s| *s > 0) {
            self.more(&format!("{} after access began", duration(s)));
        }
        if let Some(relation) = f.str("self_approval_relation") {
            self.more(&format!("the approver is the {relation}"));
        }
        if f.flag("wider_than_approved") == Some(true) {
            self.more("the grant goes beyond what the approval names");
        }
    }

    fn window(&mut self) {
        let f = self.fact;
        let from = self.ledger.and_then(|g| g.time("not_before")).or(f.time("started_at"));
        let until = f.time("not_after").map_or("no end".into(), instant);
        let mut text = format!("{} to {until}", from.map_or("an unknown start".into(), instant));
        if let Some(s) = f.int("duration_s") {
            let _ = write!(text, ", {}", duration(s));
        }
        match f.int("max_duration_s") {
            Some(max) => {
                let _ = write!(text, " (limit {})", duration(max));
            }
            None => text.push_str(" (no limit set)"),
        }
        self.line("window", &text);
        let active = match (f.flag("effective"), f.time("started_at")) {
            (Some(false), _) => "never took effect".to_owned(),
            (_, Some(t)) => instant(t),
            _ => "not recorded; whether and when access began is unknown".to_owned(),
        };
        self.line("activation", &active);
        let moved: Vec<String> = self
            .own("grant_events")
            .map(|e| {
                let at = e.time("occurred_at").map_or("?".into(), instant);
                let actor = e.str("actor").map_or(String::new(), |a| format!(" by {a}"));
                let to = e.time("new_end").map_or(String::new(), |t| format!(" to {}", instant(t)));
                format!("{at} {}{actor}{to} [{}]", e.str("kind").unwrap_or("?"), self.place(e))
            })
            .collect();
        if !moved.is_empty() {
            self.line("events", &counted(moved.len() as u64, "event", "events"));
            self.list(&moved, "events");
        }
    }

    fn task(&mut self) {
        let f = self.fact;
        let reference = f.str("task_ref").unwrap_or("none recorded");
        let Some(id) = f.str("task_id") else {
            let why = f.str("task_unknown").unwrap_or("no_task_link");
            self.line("task", &format!("reference {reference}; resolves to no task ({why})"));
            let candidates = f.list("task_candidates");
            if !candidates.is_empty() {
                self.more(&format!("may be one of {}", candidates.join(", ")));
            }
            return;
        };
        let state = f.str("task_state").unwrap_or("unknown");
        let from = f.time("task_started_at").map_or("?".into(), instant);
        let until = f.time("task_ended_at").map_or("still open".into(), instant);
        self.line("task", &format!("{id}, {state}, {from} to {until}"));
        let how = f.str("link_kind").unwrap_or("?");
        let sure = f.str("link_confidence").unwrap_or("?");
        self.more(&format!(
            "linked by {how} ({sure}): {}",
            f.str("link_evidence").unwrap_or(reference)
        ));
        for (name, what) in [
            ("overstay_ledger_s", "by the ledger"),
            ("overstay_state_s", "by the IAM state"),
            ("overstay_credential_s", "by its credentials"),
        ] {
            match f.int(name) {
                Some(s) if s > 0 => {
                    self.more(&format!("access outlived the task by {} {what}", duration(s)));
                }
                Some(s) if s < 0 => {
                    self.more(&format!("access ended {} before the task {what}", duration(-s)));
                }
                _ => {}
            }
        }
        let lines: Vec<String> = table(self.rows, "tasks")
            .filter(|t| t.str("task_id") == Some(id))
            .map(|t| format!("[{}]", self.place(t)))
            .collect();
        self.list(&lines, "records");
    }

    fn uses(&mut self) {
        let f = self.fact;
        match f.int("use_count") {
            None => {
                let why = f.str("use_unknown").unwrap_or("no_source");
                self.line("use", &format!("unknown ({why})"));
                return;
            }
            Some(0) => self.line("use", "none, in a log that covers the grant"),
            Some(n) => {
                let n = u64::try_from(n).unwrap_or(0);
                let first = f.time("first_used_at").map_or("?".into(), instant);
                let last = f.time("last_used_at").map_or("?".into(), instant);
                self.line("use", &format!("{}, {first} to {last}", counted(n, "use", "uses")));
            }
        }
        for (name, what) in [
            ("used_before_start_s", "before access began"),
            ("used_after_end_s", "after the end of access"),
            ("used_after_revocation_s", "after the revocation, with a session issued before"),
        ] {
            if let Some(s) = f.int(name).filter(|s| *s > 0) {
                self.more(&format!("used {} {what}", duration(s)));
            }
        }
        if let Some(n) =
            f.int("uses_after_task").and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0)
        {
            self.more(&format!("{} after the task had ended", counted(n, "record", "records")));
        }
        let beyond: Vec<String> = self
            .own("usage_facts")
            .filter(|u| u.flag("beyond_grant") == Some(true))
            .map(|u| {
                let what = u.str("action").or(u.str("privilege")).unwrap_or("?");
                format!("beyond the grant in {}: {what}", u.list("beyond").join(", "))
            })
            .collect();
        self.list(&beyond, "uses beyond the grant");
        let lines: Vec<String> =
            self.own("usage").map(|u| format!("[{}]", self.place(u))).collect();
        self.list(&lines, "records");
    }

    fn revocation(&mut self) {
        let f = self.fact;
        let kind = f.str("end_kind").unwrap_or("unknown").replace('_', " ");
        let text = match (f.time("ended_at"), f.time("ended_at_hi")) {
            (Some(lo), Some(hi)) if hi > lo => {
                format!("{kind}, between {} and {}", instant(lo), instant(hi))
            }
            (Some(lo), Some(_)) => format!("{kind}, {}", instant(lo)),
            (Some(lo), None) => format!("{kind}, {} at the earliest", instant(lo)),
            (None, _) if f.flag("open_ended") == Some(true) => "none: still in force".to_owned(),
            (None, _) if f.flag("active_now") == Some(true) => {
                "none: still in force beyond its authorised end, by the ledger itself".to_owned()
            }
            (None, _) => "unknown: the ledger records no end".to_owned(),
        };
        self.line("revocation", &text);
        if let Some(s) = f.int("revocation_lag_s").filter(|s| *s > 0) {
            self.more(&format!("{} after it was due", duration(s)));
        }
        let proof = match (f.flag("present_after_end"), f.flag("missing_in_state")) {
            (Some(true), _) => {
                let s = f.int("present_after_end_s").unwrap_or(0);
                format!("not removed: IAM still shows the binding {} after the end", duration(s))
            }
            (Some(false), _) => "removal proved: a later IAM export lacks the binding".to_owned(),
            (None, Some(true)) => "IAM lacks the binding although the grant is active".to_owned(),
            (None, Some(false)) => "IAM shows the binding, and the grant is active".to_owned(),
            (None, None) => format!(
                "removal not proved: {}",
                f.str("state_unknown").unwrap_or("no IAM export after the end")
            ),
        };
        self.more(&proof);
    }

    fn residue(&mut self) {
        let f = self.fact;
        let lines: Vec<String> = self
            .own("credentials")
            .map(|c| {
                let at = |name| c.time(name).map_or("unknown".into(), instant);
                let endless = c.flag("no_expiry") == Some(true);
                let mut text = format!(
                    "{} {}: issued {}, expires {}",
                    c.str("kind").unwrap_or("credential"),
                    c.str("credential_id").unwrap_or("?"),
                    at("issued_at"),
                    if endless { "never".to_owned() } else { at("expires_at") }
                );
                for (name, word) in [("revoked_at", "revoked"), ("last_used_at", "last used")] {
                    if let Some(t) = c.time(name) {
                        let _ = write!(text, ", {word} {}", instant(t));
                    }
                }
                format!("{text} [{}]", self.place(c))
            })
            .collect();
        let text = match (f.time("residual_until"), f.int("residual_s")) {
            (Some(t), Some(s)) if s > 0 => {
                let live = self.as_of.is_some_and(|now| t > now);
                let still = if live { ", and still is" } else { "" };
                // A length of sessions that the broker allows is no session.
                let may = lines.is_empty()
                    && self.ledger.is_some_and(|g| g.int("session_duration_s").is_some());
                let was = if may {
                    "a session may have been valid until"
                } else {
                    "a credential was valid until"
                };
                let still = if may { "" } else { still };
                format!("{was} {}, {} after the end{still}", instant(t), duration(s))
            }
            (Some(t), _) => format!("credentials ended by {}, with the access", instant(t)),
            (None, _) if lines.is_empty() => {
                "no credential of the grant is among the inputs".into()
            }
            (None, _) => "unknown: no credential has a recorded end".into(),
        };
        self.line("residue", &text);
        if let Some(s) = self.ledger.and_then(|g| g.int("session_duration_s")) {
            self.more(&format!("a session may outlive the end by up to {}", duration(s)));
        }
        self.list(&lines, "credentials");
    }

    /// Segments that the grant is part of, in order of time.
    fn segments(&self) -> Vec<Row<'a>> {
        let (id, who) = (self.fact.str("grant_id"), self.fact.str("principal_id"));
        let mut out: Vec<Row<'a>> = table(self.rows, "segments")
            .filter(|s| s.str("principal_id") == who)
            .filter(|s| id.is_some_and(|id| s.list("grant_ids").contains(&id)))
            .collect();
        out.sort_by_key(|s| s.time("from"));
        out
    }

    fn cells(&mut self) {
        let segments = self.segments();
        if segments.is_empty() {
            self.line("cells", "none but quiet ones");
            return;
        }
        self.line("cells", "ledger, task, state, use: cell");
        let lines: Vec<String> = segments
            .iter()
            .map(|s| {
                let axis = |name| s.str(name).unwrap_or("?");
                let until = s.time("until").map_or("open".into(), instant);
                let from = s.time("from").map_or("?".into(), instant);
                let (cell, floor) = (axis("cell"), s.str("cell_floor").unwrap_or_default());
                let least = match floor {
                    "" => String::new(),
                    same if same == cell => String::new(),
                    proved => format!("; at least {proved}, {}", axis("severity_floor")),
                };
                format!(
                    "{from} to {until}  {} {} {} {}: {cell} ({}, {}{least})",
                    axis("ledger"),
                    axis("task"),
                    axis("state"),
                    axis("usage"),
                    axis("severity"),
                    axis("certainty")
                )
            })
            .collect();
        self.list(&lines, "segments");
    }

    /// Spans of time by layer.
    fn lanes(&self) -> Vec<Lane> {
        let f = self.fact;
        let mut lanes: Vec<Lane> = Vec::new();
        let mut lane = |name: &str, from: Option<Time>, until: Option<Time>| {
            if let Some(from) = from {
                lanes.push(Lane {
                    name: name.to_owned(),
                    from: instant(from),
                    until: until.map(|u| instant(u.max(from))),
                });
            }
        };
        lane("task", f.time("task_started_at"), f.time("task_ended_at"));
        lane("grant", f.time("started_at"), f.time("ended_at"));
        for s in self.segments().iter().filter(|s| s.str("state") == Some("1")) {
            lane("state", s.time("from"), s.time("until"));
        }
        let used: Vec<Row<'_>> =
            self.segments().into_iter().filter(|s| s.str("usage") == Some("1")).collect();
        for s in &used {
            lane("use", s.time("from"), s.time("until"));
        }
        // What lies between the first and the last use is not proved to be use.
        if used.is_empty() {
            lane("use", f.time("first_used_at"), f.time("first_used_at"));
            if f.time("last_used_at") != f.time("first_used_at") {
                lane("use", f.time("last_used_at"), f.time("last_used_at"));
            }
        }
        if let Some(t) = f.time("residual_until") {
            lane("credential", f.time("started_at"), Some(t));
        }
        lanes
    }

    /// What the evidence chain lacks, and all records behind the page.
    fn records(&mut self) {
        let missing = self.fact.list("evidence_missing");
        let shown = self.fact.list("evidenced");
        let absent: Vec<&str> =
            EVIDENCE_CHAIN.iter().copied().filter(|part| !shown.contains(part)).collect();
        let chain = if !missing.is_empty() {
            format!("lacks {}", missing.join(", "))
        } else if absent.is_empty() {
            "complete".into()
        } else {
            "complete as far as the ledger records it".into()
        };
        self.line("evidence", &chain);
        if !shown.is_empty() {
            self.more(&format!("shown: {}", shown.join(", ")));
        }
        if !absent.is_empty() {
            self.more(&format!("not shown: {}", absent.join(", ")));
        }
        for c in self.fact.list("contradictions") {
            self.more(&format!("contradiction: {c}"));
        }
        let mut refs: Vec<String> = self
            .fact
            .list("refs")
            .into_iter()
            .filter_map(|r| r.split_once('#'))
            .map(|(s, place)| format!("{} {place}", self.files.get(s).copied().unwrap_or(s)))
            .collect();
        refs.sort();
        refs.dedup();
        self.list(&refs, "records");
    }
}

fn instant(t: Time) -> String {
    t.to_rfc3339()
}
