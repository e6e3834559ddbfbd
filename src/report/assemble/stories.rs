//! The stories of the grants that the worst findings are about.

use std::collections::BTreeSet;

use polars::prelude::PolarsResult;

use crate::facts::{Derived, Facts, Row, Time, json};
use crate::findings::{Finding, Status};
use crate::report::story::{Rows, Story, tell};

/// Grants that are told of: those of the strips, which belong to the same findings.
pub(super) const MAX_STORIES: usize = super::strips::MAX_STRIPS;

/// Tells of the grants of the worst open findings, worst first, one story per grant.
pub(super) fn stories(
    findings: &[Finding],
    facts: &Facts,
    derived: &Derived,
    as_of: Time,
) -> Vec<Story> {
    let mut seen = BTreeSet::new();
    let worst: Vec<(&str, &str)> = findings
        .iter()
        .filter(|f| f.status == Status::Open)
        .filter_map(|f| Some((f.grant_id.as_deref()?, f.principal.as_deref()?)))
        .filter(|key| seen.insert(*key))
        .take(MAX_STORIES)
        .collect();
    if worst.is_empty() {
        return Vec::new();
    }
    // The tables can hold only what was put into them here, so a failure leaves the stories out.
    let Ok((rows, order)) = rows(&worst, facts, derived) else { return Vec::new() };
    let as_of = as_of.to_rfc3339();
    worst
        .iter()
        .filter_map(|key| {
            // Two ledgers may use one id for one principal; then it is not known which is meant.
            let mut at = order.iter().enumerate().filter(|(_, k)| *k == key).map(|(i, _)| i);
            let (first, second) = (at.next()?, at.next());
            if second.is_some() {
                return None;
            }
            let about = findings.iter().filter(|f| f.grant_id.as_deref() == Some(key.0));
            tell(&rows, first, about, &as_of)
        })
        .collect()
}

/// The rows about these grants, and the keys of the rows of `grant_facts`.
fn rows<'a>(
    keys: &[(&str, &str)],
    facts: &Facts,
    derived: &'a Derived,
) -> PolarsResult<(Rows, Vec<(&'a str, &'a str)>)> {
    let ids: BTreeSet<&str> = keys.iter().map(|k| k.0).collect();
    let people: BTreeSet<&str> = keys.iter().map(|k| k.1).collect();
    let named = |id: Option<&str>| id.is_some_and(|id| ids.contains(id));
    let mut out = Rows::new();
    let told: Vec<_> = derived
        .grant_facts
        .iter()
        .filter(|g| keys.contains(&(&*g.grant_id, &*g.principal_id)))
        .collect();
    let tasks: BTreeSet<&str> = told.iter().filter_map(|g| g.task_id.as_deref()).collect();
    let order = told.iter().map(|g| (&*g.grant_id, &*g.principal_id)).collect();
    put(&mut out, told)?;
    put(&mut out, facts.sources.iter().collect())?;
    let grants: Vec<_> = facts.grants.iter().filter(|g| named(Some(&g.grant_id))).collect();
    let approvals: BTreeSet<&str> =
        grants.iter().filter_map(|g| g.approval_ref.as_deref()).collect();
    put(&mut out, grants)?;
    put(&mut out, facts.grant_events.iter().filter(|e| named(e.grant_id.as_deref())).collect())?;
    let of_grant = facts
        .approvals
        .iter()
        .filter(|a| named(a.grant_id.as_deref()) || approvals.contains(&*a.approval_id));
    put(&mut out, of_grant.collect())?;
    put(&mut out, facts.tasks.iter().filter(|t| tasks.contains(&*t.task_id)).collect())?;
    put(&mut out, facts.usage.iter().filter(|u| named(u.grant_id.as_deref())).collect())?;
    let credentials = facts.credentials.iter().filter(|c| named(c.grant_id.as_deref()));
    put(&mut out, credentials.collect())?;
    let uses = derived.usage_facts.iter().filter(|u| named(u.grant_id.as_deref()));
    put(&mut out, uses.collect())?;
    let segments = derived.segments.iter().filter(|s| people.contains(&*s.principal_id));
    put(&mut out, segments.collect())?;
    Ok((out, order))
}

fn put<R: Row>(out: &mut Rows, rows: Vec<&R>) -> PolarsResult<()> {
    let frame = R::part(&rows, &|_| true)?;
    out.insert(R::TABLE.name.to_owned(), json::rows(&frame)?);
    Ok(())
}
