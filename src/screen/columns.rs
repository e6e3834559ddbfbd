//! The columns of `grant_facts`, `chains` and `access_spans` for chunks of swept rows. Each column is what
//! [`crate::analyze`] derives for the row; the names and meanings are those of the fact tables.

use std::sync::Arc;

use super::judge::Columns;
use super::lanes::{ChainRow, Context, OPEN, SpanRow, Swept, is_effective, is_inverted};
use super::rows::{NEVER, at, bit};
use super::whole::{Access, Demands};
use crate::analyze::index::Window;
use crate::facts::cell::Word;
use crate::facts::{TaskState, Tier, Time};
use crate::rules::value::Value;
use crate::rules::vector::{Bits, Chunk, Maker, Number, Vector};

/// What the sweep has of `grant_facts`.
pub const GRANTS: Columns = Columns {
    table: "grant_facts",
    values: &[
        "effective",
        "break_glass",
        "externally_modified",
        "catalogued",
        "broker_kind",
        "decision",
        "tier",
        "started_at",
        "not_after",
        "ended_at",
        "end_kind",
        "open_ended",
        "active_now",
        "revoked",
        "interval_inverted",
        "duration_s",
        "held_s",
        "max_duration_s",
        "revocation_lag_s",
        "task_resolved",
        "task_unknown",
        "task_state",
        "task_started_at",
        "task_ended_at",
        "task_running",
        "lead_s",
        "n_tasks",
        "overstay_ledger_s",
        "overstay_s",
        "overstay_hi_s",
        "approval_required",
        "human_approval_required",
        "n_approvals",
        "approvals_needed",
        "approved",
        "approved_at",
        "self_approved",
        "approval_late_s",
        "approval_age_s",
        "approval_reuse",
        "approver_authorised",
        "approved_by_rule_only",
        "wider_than_approved",
        "use_count",
        "use_unknown",
        "first_used_at",
        "last_used_at",
        "used_after_end_s",
        "used_before_start_s",
        "used_after_revocation_s",
        "overlaps_earlier",
        "overlap_s",
        "silent_extension",
        "evidence_missing",
        "contradictions",
    ],
    nulls: &["task_id"],
    same: &[("break_glass", false), ("externally_modified", false)],
};

/// What the sweep has of `chains`.
pub const CHAINS: Columns = Columns {
    table: "chains",
    values: &["n_grants", "span_s", "started_at", "ended_at", "tier"],
    nulls: &[],
    same: &[],
};

/// What the sweep has of `access_spans`.
pub const SPANS: Columns = Columns {
    table: "access_spans",
    values: &["n_grants", "covered_s", "period_s", "covered_share", "tier"],
    nulls: &[],
    same: &[],
};

fn whole(data: Vec<i64>, number: Number) -> Vector {
    let known = Arc::new(Bits::of(&data, |x| *x != NEVER));
    Vector::Whole { data: Arc::new(data), known, number }
}

fn word(codes: Vec<u8>, words: &'static [&'static str]) -> Vector {
    Vector::Word { codes: Arc::new(codes), words }
}

/// Columns of `chains`.
pub fn chains(cx: &Context<'_>, rows: &[ChainRow]) -> Chunk {
    let ends = |r: &ChainRow| if r.reach == OPEN { NEVER } else { r.reach };
    let span = |r: &ChainRow| {
        let until = at(ends(r)).unwrap_or(cx.as_of);
        until.secs_since(Time::from_micros(r.start)).max(0)
    };
    let columns = [
        ("n_grants", whole(rows.iter().map(|r| r.n).collect(), Number::Int)),
        ("span_s", whole(rows.iter().map(span).collect(), Number::Int)),
        ("started_at", whole(rows.iter().map(|r| r.start).collect(), Number::Time)),
        ("ended_at", whole(rows.iter().map(ends).collect(), Number::Time)),
        ("tier", word(rows.iter().map(|r| r.tier).collect(), Tier::ALL)),
    ];
    Chunk { rows: rows.len(), columns: columns.into_iter().collect() }
}

/// Columns of `access_spans`.
pub fn spans(cx: &Context<'_>, rows: &[SpanRow]) -> Chunk {
    let period_s = cx.period.1.secs_since(cx.period.0);
    #[expect(clippy::cast_precision_loss, reason = "seconds of a period fit a double exactly")]
    let share = |r: &SpanRow| r.covered_s as f64 / period_s as f64;
    let columns = [
        ("n_grants", whole(rows.iter().map(|r| r.n).collect(), Number::Int)),
        ("covered_s", whole(rows.iter().map(|r| r.covered_s).collect(), Number::Int)),
        ("period_s", Vector::Same(Value::Int(period_s))),
        (
            "covered_share",
            Vector::Real {
                data: Arc::new(rows.iter().map(share).collect()),
                known: Arc::new(Bits::all(rows.len(), cx.long_enough)),
            },
        ),
        ("tier", word(rows.iter().map(|r| r.tier).collect(), Tier::ALL)),
    ];
    Chunk { rows: rows.len(), columns: columns.into_iter().collect() }
}

const END_KINDS: &[&str] = &["open", "unknown", "expired"];
const TASK_REASONS: &[&str] = &[
    "field_not_recorded",
    "no_source",
    "out_of_window",
    "no_task_link",
    "interval_inverted",
    "end_unknown",
];
const USE_REASONS: &[&str] = &["end_unknown", "out_of_window", "no_source"];
const DECISIONS: &[&str] = &["unknown", "approved", "auto_approved"];
const MISSING: &[&str] = &["reason", "approver", "scope", "task", "requester"];
const CONTRADICTIONS: &[&str] = &[
    "started before it was requested",
    "approved before it was requested",
    "ended before it started",
];
/// Code of a word that is null.
pub const NO_WORD: u8 = u8::MAX;

/// Three truth values of a column in the making.
struct Truths {
    yes: Maker,
    known: Maker,
    last: Option<bool>,
}

impl Truths {
    fn new(rows: usize) -> Self {
        Self { yes: Maker::new(rows), known: Maker::new(rows), last: None }
    }

    #[inline]
    fn push(&mut self, value: Option<bool>) {
        self.yes.push(value == Some(true));
        self.known.push(value.is_some());
        self.last = value;
    }

    fn done(self) -> Vector {
        Vector::Bool { yes: self.yes.done(), known: self.known.done() }
    }
}

macro_rules! making {
    ($($kind:ident: $($name:ident),*;)*) => {
        /// Columns in the making.
        struct Making { $( $( $name: making!(@ $kind), )* )* }

        impl Making {
            /// With room for so many rows.
            fn new(rows: usize) -> Self {
                Self { $( $( $name: making!(@ room $kind rows), )* )* }
            }
        }
    };
    (@ room truth $rows:ident) => { Truths::new($rows) };
    (@ room $kind:ident $rows:ident) => { Vec::with_capacity($rows) };
    (@ truth) => { Truths };
    (@ number) => { Vec<i64> };
    (@ code) => { Vec<u8> };
    (@ marks) => { Vec<u16> };
}

making! {
    truth: effective, catalogued, open_ended, active_now, revoked, interval_inverted, task_resolved,
        task_running, approval_required, human, approved, self_approved, by_rule, overlaps, silent;
    number: started_at, not_after, ended_at, duration_s, held_s, max_duration_s, revocation_lag_s,
        task_started_at, task_ended_at, lead_s, n_tasks, overstay_ledger_s, overstay_hi_s, n_approvals,
        needed, approved_at, late_s, age_s, reuse, use_count, first_used_at, last_used_at, after_end_s,
        before_start_s, after_revocation_s, overlap_s;
    code: tier, decision, end_kind, task_unknown, task_state, task_id, use_unknown;
    marks: missing, contradictions;
}

fn secs(a: i64, b: i64) -> i64 {
    Time::from_micros(a).secs_since(Time::from_micros(b))
}

/// Seconds between two instants, null when one is not known.
fn between(a: i64, b: i64) -> i64 {
    if a == NEVER || b == NEVER { NEVER } else { secs(a, b) }
}

/// Columns of `grant_facts`.
pub fn grants(cx: &Context<'_>, rows: &[Swept]) -> Chunk {
    let mut m = Making::new(rows.len());
    for s in rows {
        let a = &s.access;
        let d = cx.demands.get(a.grant.privilege as usize).copied().unwrap_or_default();
        let shape = Shape::of(a, cx.as_of.micros());
        timeline(&mut m, a, &d, shape);
        task(cx, &mut m, a, shape);
        used(cx, &mut m, a, shape);
        approvals(cx, &mut m, a, &d, shape);
        m.overlaps.push(Some(s.overlap_s.is_some()));
        m.overlap_s.push(s.overlap_s.unwrap_or(NEVER));
    }
    finish(m, rows.len())
}

/// The interval of a grant.
#[derive(Clone, Copy)]
struct Shape {
    effective: bool,
    inverted: bool,
    ended: i64,
    as_of: i64,
    revoked: bool,
}

impl Shape {
    fn of(a: &Access, as_of: i64) -> Self {
        Self {
            effective: is_effective(a, as_of),
            inverted: is_inverted(a),
            ended: if a.grant.ended == NEVER { a.grant.due } else { a.grant.ended },
            as_of,
            // A ledger that records an end before the due time records a revocation.
            revoked: a.bits & (bit::ACTIVE_WORD | bit::EXPIRED_WORD) == 0
                && a.grant.ended != NEVER
                && a.grant.ended <= as_of
                && (a.grant.due == NEVER || a.grant.ended < a.grant.due),
        }
    }

    /// The end of access up to the as-of time.
    fn end_lo(self) -> i64 {
        if self.ended == NEVER { self.as_of } else { self.ended.min(self.as_of) }
    }
}

fn timeline(m: &mut Making, a: &Access, d: &Demands, s: Shape) {
    m.effective.push(Some(s.effective));
    m.catalogued.push(d.catalogued);
    m.open_ended.push(Some(s.ended == NEVER));
    m.active_now.push(Some(s.effective && (s.ended == NEVER || s.ended > s.as_of)));
    m.revoked.push(Some(s.revoked));
    m.interval_inverted.push(Some(s.inverted));
    m.started_at.push(a.grant.start);
    m.not_after.push(a.grant.due);
    m.ended_at.push(s.ended);
    m.duration_s.push(match between(a.grant.due, a.grant.start) {
        d if d < 0 => NEVER,
        d => d,
    });
    let held = s.effective && !s.inverted;
    m.held_s.push(if held { secs(s.end_lo(), a.grant.start).max(0) } else { NEVER });
    m.max_duration_s.push(d.max_duration_s.unwrap_or(NEVER));
    let ahead = a.grant.ended > s.as_of;
    m.revocation_lag_s.push(if ahead { NEVER } else { between(a.grant.ended, a.grant.due) });
    m.tier.push(d.tier);
    m.end_kind.push(match (a.bits & bit::ACTIVE_WORD, a.bits & bit::EXPIRED_WORD) {
        (0, 0) => u8::from(s.ended != NEVER),
        (0, _) => 2,
        _ => 0,
    });
}

fn task(cx: &Context<'_>, m: &mut Making, a: &Access, s: Shape) {
    let linked = a.bits & bit::TASK != 0;
    let running = a.bits & bit::RUNNING != 0;
    m.n_tasks.push(i64::from(linked));
    m.task_started_at.push(a.task_start);
    m.task_ended_at.push(a.task_end);
    m.lead_s.push(between(a.task_start, a.grant.start));
    m.task_running.push(linked.then_some(running));
    m.task_state.push(if linked { u8::try_from(a.state).unwrap_or(NO_WORD) } else { NO_WORD });
    m.task_id.push(if linked { 0 } else { NO_WORD });
    if linked {
        m.task_resolved.push(Some(true));
        m.task_unknown.push(match (running || a.task_end != NEVER, a.bits & bit::TASK_INVERTED) {
            (true, _) => NO_WORD,
            (false, 0) => 5,
            _ => 4,
        });
    } else {
        unlinked(cx, m, a);
    }
    let (mut ledger, mut hi) = (NEVER, NEVER);
    if s.effective && !s.inverted {
        if running {
            (ledger, hi) = (0, 0);
        } else if a.task_end != NEVER {
            ledger = secs(s.end_lo(), a.task_end);
            hi = ledger;
            if s.ended != NEVER {
                hi = hi.max(secs(s.ended, a.task_end));
            }
        }
    }
    m.overstay_ledger_s.push(ledger);
    m.overstay_hi_s.push(hi);
}

/// No task: whether that is known, and why not.
fn unlinked(cx: &Context<'_>, m: &mut Making, a: &Access) {
    let recorded = a.bits & bit::NAMES_TASK != 0;
    let system = cx.systems.get(a.grant.system as usize).copied().unwrap_or_default();
    let covered = |w: &Window| {
        w.0.is_none_or(|f| a.grant.start >= f.micros())
            && w.1.is_none_or(|u| a.grant.start <= u.micros())
    };
    let reason = if !recorded && !system.task {
        Some(0)
    } else if recorded && !cx.shared.has_tasks {
        Some(1)
    } else if recorded
        && a.grant.start != NEVER
        && cx.task_windows.as_ref().is_some_and(|all| !all.iter().any(covered))
    {
        Some(2)
    } else {
        None
    };
    m.task_resolved.push(reason.is_none().then_some(false));
    m.task_unknown.push(reason.unwrap_or(3));
}

fn used(cx: &Context<'_>, m: &mut Making, a: &Access, s: Shape) {
    let mut count = a.uses;
    let mut why = NO_WORD;
    if a.grant.start == NEVER {
        (count, why) = (NEVER, 0);
    } else if a.uses == 0 {
        let windows = cx.observed.get(a.grant.privilege as usize).map_or(&[][..], |o| &o.windows);
        let until = s.end_lo().max(a.grant.start);
        let inside = |w: &Window, t: i64| {
            *w != (None, None)
                && w.0.is_none_or(|f| t >= f.micros())
                && w.1.is_none_or(|u| t <= u.micros())
        };
        if !windows.iter().any(|w| inside(w, a.grant.start) && inside(w, until)) {
            (count, why) = (NEVER, if windows.is_empty() { 2 } else { 1 });
        }
    }
    let known = count != NEVER;
    m.use_count.push(count);
    m.use_unknown.push(why);
    m.first_used_at.push(if known { a.first_use } else { NEVER });
    m.last_used_at.push(if known { a.last_use } else { NEVER });
    let excess = |t: i64, end: i64| {
        if t == NEVER || end == NEVER { 0 } else { secs(t, end) }
    };
    m.after_end_s.push(if known { excess(a.last_use, s.ended) } else { NEVER });
    m.before_start_s.push(if known { excess(a.grant.start, a.first_use) } else { NEVER });
    let revoked = known && s.revoked;
    m.after_revocation_s.push(if revoked { excess(a.last_use, a.grant.ended) } else { NEVER });
}

fn approvals(cx: &Context<'_>, m: &mut Making, a: &Access, d: &Demands, s: Shape) {
    let system = cx.systems.get(a.grant.system as usize).copied().unwrap_or_default();
    let auto = a.bits & bit::AUTO_WORD != 0;
    let approved = if a.approvals > 0 || auto {
        Some(true)
    } else if system.approvals {
        // A word of the ledger is not the record of an approval.
        Some(false)
    } else {
        (a.bits & bit::APPROVED_WORD != 0).then_some(true)
    };
    let named = a.bits & bit::APPROVER != 0;
    let by_rule = match (a.bits & bit::BY_RULE != 0, a.bits & bit::BY_PERSON != 0) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => (a.approvals == 0 && auto).then_some(true),
    };
    m.decision.push(match (auto, a.bits & bit::APPROVED_WORD != 0) {
        (true, _) => 2,
        (_, approved) => u8::from(approved),
    });
    m.silent.push(system.extensions.then_some(false));
    m.approval_required.push(Some(d.approval));
    m.human.push(Some(d.human));
    m.needed.push(d.needed);
    m.approved.push(approved);
    // A word without a record does not say how many there were.
    let counted = a.approvals > 0 || approved == Some(false);
    m.n_approvals.push(if counted { i64::from(a.approvals) } else { NEVER });
    m.by_rule.push(by_rule);
    m.self_approved.push(named.then_some(a.bits & bit::SELF != 0));
    let approved_at = if approved == Some(true) { a.approved } else { NEVER };
    m.approved_at.push(approved_at);
    let first_use = if m.use_count.last() == Some(&NEVER) { NEVER } else { a.first_use };
    let begun = match (a.grant.start, first_use) {
        (NEVER, t) | (t, NEVER) => t,
        (t, u) => t.min(u),
    };
    m.late_s.push(between(approved_at, begun));
    m.age_s.push(between(a.grant.start, approved_at));
    // The approval that the grant names, else the first that names it, and no other grant has either.
    let told = a.approvals > 0 && a.bits & bit::BARE == 0;
    let one = a.bits & bit::NAMES_APPROVAL != 0 || told;
    m.reuse.push(if one { 1 } else { NEVER });
    let mut missing = 0u16;
    let nobody = approved == Some(true) && !named && by_rule != Some(true) && system.approvals;
    let resolved = m.task_resolved.last == Some(false);
    for (i, lacks) in [
        system.reason && a.bits & bit::NO_REASON != 0,
        d.approval && nobody,
        system.scope && a.bits & bit::NO_SCOPE != 0,
        resolved,
        system.requester && a.bits & bit::NO_REQUESTER != 0,
    ]
    .into_iter()
    .enumerate()
    {
        missing |= u16::from(lacks) << i;
    }
    m.missing.push(missing);
    let mut against = 0u16;
    for (i, b) in [a.bits & bit::BEFORE_REQUEST != 0, a.bits & bit::APPROVED_EARLY != 0, s.inverted]
        .into_iter()
        .enumerate()
    {
        against |= u16::from(b) << i;
    }
    m.contradictions.push(against);
}

fn finish(m: Making, rows: usize) -> Chunk {
    let int = |data| whole(data, Number::Int);
    let time = |data| whole(data, Number::Time);
    let same = |v| Vector::Same(v);
    let overstay = int(m.overstay_ledger_s);
    let columns: Vec<(&'static str, Vector)> = vec![
        ("effective", m.effective.done()),
        ("break_glass", same(Value::Bool(false))),
        ("externally_modified", same(Value::Bool(false))),
        ("catalogued", m.catalogued.done()),
        ("broker_kind", same(Value::Text("binding".into()))),
        ("decision", word(m.decision, DECISIONS)),
        ("tier", word(m.tier, Tier::ALL)),
        ("started_at", time(m.started_at)),
        ("not_after", time(m.not_after)),
        ("ended_at", time(m.ended_at)),
        ("end_kind", word(m.end_kind, END_KINDS)),
        ("open_ended", m.open_ended.done()),
        ("active_now", m.active_now.done()),
        ("revoked", m.revoked.done()),
        ("interval_inverted", m.interval_inverted.done()),
        ("duration_s", int(m.duration_s)),
        ("held_s", int(m.held_s)),
        ("max_duration_s", int(m.max_duration_s)),
        ("revocation_lag_s", int(m.revocation_lag_s)),
        ("task_resolved", m.task_resolved.done()),
        ("task_unknown", word(m.task_unknown, TASK_REASONS)),
        ("task_state", word(m.task_state, TaskState::ALL)),
        ("task_id", word(m.task_id, &["linked"])),
        ("task_started_at", time(m.task_started_at)),
        ("task_ended_at", time(m.task_ended_at)),
        ("task_running", m.task_running.done()),
        ("lead_s", int(m.lead_s)),
        ("n_tasks", int(m.n_tasks)),
        ("overstay_s", overstay.clone()),
        ("overstay_ledger_s", overstay),
        ("overstay_hi_s", int(m.overstay_hi_s)),
        ("approval_required", m.approval_required.done()),
        ("human_approval_required", m.human.done()),
        ("n_approvals", int(m.n_approvals)),
        ("approvals_needed", int(m.needed)),
        ("approved", m.approved.done()),
        ("approved_at", time(m.approved_at)),
        ("self_approved", m.self_approved.done()),
        ("approval_late_s", int(m.late_s)),
        ("approval_age_s", int(m.age_s)),
        ("approval_reuse", int(m.reuse)),
        ("approver_authorised", same(Value::Null)),
        ("approved_by_rule_only", m.by_rule.done()),
        ("wider_than_approved", same(Value::Null)),
        ("use_count", int(m.use_count)),
        ("use_unknown", word(m.use_unknown, USE_REASONS)),
        ("first_used_at", time(m.first_used_at)),
        ("last_used_at", time(m.last_used_at)),
        ("used_after_end_s", int(m.after_end_s)),
        ("used_before_start_s", int(m.before_start_s)),
        ("used_after_revocation_s", int(m.after_revocation_s)),
        ("overlaps_earlier", m.overlaps.done()),
        ("overlap_s", int(m.overlap_s)),
        ("silent_extension", m.silent.done()),
        ("evidence_missing", Vector::Marks { masks: Arc::new(m.missing), words: MISSING }),
        (
            "contradictions",
            Vector::Marks { masks: Arc::new(m.contradictions), words: CONTRADICTIONS },
        ),
    ];
    Chunk { rows, columns: columns.into_iter().collect() }
}
