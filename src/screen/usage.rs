//! Uses that name their grant: their sum per grant, and the rows of `usage_facts`.

use std::sync::Arc;

use super::judge::{CHUNK, Columns, Sums};
use super::rows::{Grant, NEVER, Used, bit};
use super::whole::{Access, Context, used};
use crate::rules::value::Value;
use crate::rules::vector::{Bits, Chunk, Number, Vector};

/// What the sweep has of `usage_facts`.
pub const COLUMNS: Columns = Columns {
    table: "usage_facts",
    values: &[
        "link",
        "in_grant",
        "jit_only",
        "after_refusal",
        "outcome",
        "in_window",
        "beyond_grant",
        "first_at",
        "last_at",
        "count",
    ],
    nulls: &["beyond_unknown", "in_grant_unknown"],
    // A request that its ledger calls refused or open goes aside, and so does a use that names no grant.
    same: &[("jit_only", false), ("after_refusal", false), ("beyond_grant", false)],
};

const LINKS: &[&str] = &["grant_id"];
const OUTCOMES: &[&str] = &["allowed", "error"];

/// Adds the uses to their grants; one that is of another access than its grant sends it aside.
pub fn add(cx: &Context<'_>, grants: &mut [Access], uses: &[Used]) {
    let as_of = cx.as_of.micros();
    for u in uses {
        let Some(access) = grants.get_mut(u.grant as usize) else { continue };
        if access.grant.what as u32 != u.what {
            cx.shared.marks.say("use of another privilege or scope than its grant's");
            access.bits |= bit::ASIDE;
        }
        used(access, u, as_of);
    }
}

/// Judges each use of the grants that stay. Gives the places of grants with a finding about one of them,
/// which go aside too; then the counts are worth nothing.
#[must_use]
pub fn judge(cx: &Context<'_>, grants: &[Access], uses: &[Used], sums: &mut Sums) -> Vec<u32> {
    let mut out = Vec::new();
    if !cx.judge.asks(COLUMNS.table) {
        return out;
    }
    let as_of = cx.as_of.micros();
    let mut rows: Vec<(Used, Interval)> = Vec::with_capacity(CHUNK);
    for part in uses.chunks(CHUNK) {
        rows.clear();
        for u in part.iter().filter(|u| u.first != NEVER && u.first <= as_of) {
            let stays = grants.get(u.grant as usize).filter(|a| a.bits & bit::ASIDE == 0);
            rows.extend(stays.map(|a| (*u, Interval::of(&a.grant))));
        }
        if !rows.is_empty() {
            let chunk = chunk(cx, &rows);
            cx.judge.chunk(COLUMNS.table, &chunk, &mut sums.counts, &mut |_, row, _| {
                out.extend(rows.get(row).map(|(u, _)| u.grant));
            });
        }
    }
    out
}

/// When a grant gives access.
#[derive(Clone, Copy)]
struct Interval {
    start: i64,
    end: i64,
}

impl Interval {
    fn of(g: &Grant) -> Self {
        Self { start: g.start, end: if g.ended == NEVER { g.due } else { g.ended } }
    }
}

fn chunk(cx: &Context<'_>, rows: &[(Used, Interval)]) -> Chunk {
    let as_of = cx.as_of.micros();
    let started = Bits::of(rows, |(_, g)| g.start != NEVER);
    let inside = Bits::of(rows, |(u, g)| {
        g.start != NEVER && u.last >= g.start && (g.end == NEVER || u.first < g.end)
    });
    let time = |f: &dyn Fn(&Used) -> i64| Vector::Whole {
        data: Arc::new(rows.iter().map(|(u, _)| f(u)).collect()),
        known: Arc::new(Bits::all(rows.len(), true)),
        number: Number::Time,
    };
    let columns = [
        ("link", Vector::Word { codes: Arc::new(vec![0; rows.len()]), words: LINKS }),
        ("in_grant", Vector::truth(Bits::of(rows, |(_, g)| g.start != NEVER && g.start <= as_of))),
        ("jit_only", Vector::Same(Value::Bool(false))),
        ("after_refusal", Vector::Same(Value::Bool(false))),
        (
            "outcome",
            Vector::Word {
                codes: Arc::new(rows.iter().map(|(u, _)| u8::from(u.failed())).collect()),
                words: OUTCOMES,
            },
        ),
        ("in_window", Vector::Bool { yes: inside, known: started }),
        ("beyond_grant", Vector::Same(Value::Bool(false))),
        ("first_at", time(&|u| u.first)),
        ("last_at", time(&|u| u.last)),
        (
            "count",
            Vector::Whole {
                data: Arc::new(rows.iter().map(|(u, _)| u.count()).collect()),
                known: Arc::new(Bits::of(rows, |(u, _)| u.count() >= 0)),
                number: Number::Int,
            },
        ),
    ];
    Chunk { rows: rows.len(), columns: columns.into_iter().collect() }
}
