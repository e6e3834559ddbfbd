//! The step across files: the same record in two exports counts once, contradicting records are
//! named, observations of one task at several times become its last state.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use crate::facts::{
    Approval, Completeness, Decision, EndKind, Facts, Grant, GrantEvent, Layer, Quarantined,
    Source, Task, TaskKind, TaskState, Text, Time, Usage, text,
};

/// A row with an identity.
trait Keyed: PartialEq + Clone {
    /// Hash of the identity; rows without one are left alone.
    fn key(&self) -> Option<u64>;
    /// Whether two rows of equal hash really have one identity.
    fn same_key(&self, other: &Self) -> bool;
    /// Source id and place.
    fn place(&self) -> (&Text, &Text);
    /// The row as if it stood at that place.
    fn moved(&self, source_id: &Text, source_ref: &Text) -> Self;
    /// What to call it in a message.
    fn label(&self) -> String;
    /// A newer observation of the same thing, when `later` is one and no contradiction.
    fn update(&self, _later: &Self) -> Option<Self> {
        None
    }
    /// The row without what the contradicting one denies, with words for it; `None`: it stays.
    fn disputed(&self, _other: &Self) -> Option<(Self, &'static str)> {
        None
    }
}

/// Hashes with fixed keys: the same on every run.
fn hash(parts: impl Hash) -> u64 {
    let mut h = DefaultHasher::new();
    parts.hash(&mut h);
    h.finish()
}

macro_rules! placed {
    () => {
        fn place(&self) -> (&Text, &Text) {
            (&self.source_id, &self.source_ref)
        }
        fn moved(&self, source_id: &Text, source_ref: &Text) -> Self {
            Self { source_id: source_id.clone(), source_ref: source_ref.clone(), ..self.clone() }
        }
    };
}

impl Keyed for Grant {
    placed!();
    fn key(&self) -> Option<u64> {
        Some(hash((&self.system, &self.grant_id)))
    }
    fn same_key(&self, other: &Self) -> bool {
        self.system == other.system && self.grant_id == other.grant_id
    }
    fn label(&self) -> String {
        format!("grant `{}`", self.grant_id)
    }
    /// Exports at two times show one grant at two stages of its life.
    fn update(&self, later: &Self) -> Option<Self> {
        if later.continues(self) {
            Some(later.clone())
        } else {
            let older = self.continues(later).then(|| self.clone());
            older.or_else(|| super::ledger::history::join_views(self, later))
        }
    }
}

impl Grant {
    /// Whether this row tells the same as an earlier one, and only more: what was open then is filled.
    fn continues(&self, earlier: &Self) -> bool {
        let mut back = self.moved(&earlier.source_id, &earlier.source_ref);
        macro_rules! undo {
            ($when:expr => $($field:ident),*) => {
                if $when { $( back.$field = earlier.$field.clone(); )* }
            };
        }
        undo!(matches!(earlier.decision, Decision::Pending | Decision::Unknown) => decision);
        undo!(earlier.decided_at.is_none() => decided_at);
        undo!(earlier.approval_ref.is_none() => approval_ref);
        undo!(earlier.activated_at_lo.is_none() =>
            activated_at_lo, activated_at_hi, not_before, not_after);
        undo!(earlier.revoke_requested_at.is_none() => revoke_requested_at);
        undo!(earlier.ended_at_lo.is_none() => ended_at_lo, ended_at_hi);
        undo!(matches!(earlier.end_kind, EndKind::Open | EndKind::Unknown) => end_kind);
        undo!(earlier.residual_until.is_none() => residual_until);
        undo!(self.n_extensions > earlier.n_extensions => n_extensions, not_after);
        undo!(self.n_renewals > earlier.n_renewals => n_renewals);
        back == *earlier
    }
}

impl Keyed for Approval {
    placed!();
    fn key(&self) -> Option<u64> {
        Some(hash((
            &self.approval_id,
            &self.grant_id,
            &self.approver,
            self.approval_id.is_empty().then_some((self.at, self.verdict)),
        )))
    }
    fn same_key(&self, other: &Self) -> bool {
        self.approval_id == other.approval_id
            && self.grant_id == other.grant_id
            && self.approver == other.approver
            && (!self.approval_id.is_empty()
                || (self.at, self.verdict) == (other.at, other.verdict))
    }
    fn label(&self) -> String {
        format!("approval `{}`", self.approval_id)
    }
    /// The ledger row and the table of approvals may tell of one approval with different detail.
    fn update(&self, later: &Self) -> Option<Self> {
        let agree = |a: bool| a.then_some(());
        agree(self.verdict == later.verdict)?;
        agree(self.at == later.at || self.at.is_none() || later.at.is_none())?;
        agree(
            self.required == later.required || self.required.is_none() || later.required.is_none(),
        )?;
        agree(
            self.privilege == later.privilege
                || self.privilege.is_none()
                || later.privilege.is_none(),
        )?;
        agree(self.scope == later.scope || self.scope.is_none() || later.scope.is_none())?;
        let unknown = crate::facts::ApprovalMethod::Unknown;
        agree(self.method == later.method || self.method == unknown || later.method == unknown)?;
        Some(Self {
            at: self.at.or(later.at),
            required: self.required.or(later.required),
            privilege: self.privilege.clone().or_else(|| later.privilege.clone()),
            scope: self.scope.clone().or_else(|| later.scope.clone()),
            method: if self.method == unknown { later.method } else { self.method },
            ..self.clone()
        })
    }
}

impl Keyed for GrantEvent {
    placed!();
    fn key(&self) -> Option<u64> {
        Some(hash((
            &self.grant_id,
            self.kind,
            self.occurred_at,
            &self.actor,
            self.new_end,
            &self.reason,
        )))
    }
    fn same_key(&self, other: &Self) -> bool {
        self.moved(&other.source_id, &other.source_ref) == *other
    }
    fn label(&self) -> String {
        "event".into()
    }
}

impl Keyed for Task {
    placed!();
    fn key(&self) -> Option<u64> {
        Some(hash((&self.system, self.kind, &self.task_id)))
    }
    fn same_key(&self, other: &Self) -> bool {
        self.system == other.system && self.kind == other.kind && self.task_id == other.task_id
    }
    fn label(&self) -> String {
        format!("task `{}`", self.task_id)
    }
    /// A task that was seen before and after its end is one task; two ends contradict.
    fn update(&self, later: &Self) -> Option<Self> {
        let (a, b) = (self.ended_at_lo.is_some(), later.ended_at_lo.is_some());
        let (new, old) = match (a, b) {
            // A run that waited for approval was `completed` before it ran: the later end holds.
            // A ticket that was reopened and closed again ended at the last of its ends.
            (true, true) if matches!(&*self.system, "github" | "jira" | "servicenow") => {
                if self.ended_at_hi == later.ended_at_hi && self.state != later.state {
                    // Of one end two outcomes are told, unless one of them says nothing.
                    match (self.state, later.state) {
                        (TaskState::Unknown, _) => (later, self),
                        (_, TaskState::Unknown) => (self, later),
                        _ => return None,
                    }
                } else if later.ended_at_hi >= self.ended_at_hi {
                    (later, self)
                } else {
                    (self, later)
                }
            }
            (true, true) => return None,
            (true, false) => (self, later),
            (false, true) => (later, self),
            (false, false) if stage(later.state) >= stage(self.state) => (later, self),
            (false, false) => (self, later),
        };
        let start = |t: &Self| (t.started_at_lo, t.started_at_hi);
        let (started_at_lo, started_at_hi) =
            if new.started_at_lo.is_some() { start(new) } else { start(old) };
        let mut other_ids = [new.other_ids.clone(), old.other_ids.clone()].concat();
        other_ids.sort();
        other_ids.dedup();
        Some(Self {
            queued_at: new.queued_at.or(old.queued_at),
            started_at_lo,
            started_at_hi,
            triggered_by: new.triggered_by.clone().or_else(|| old.triggered_by.clone()),
            target: new.target.clone().or_else(|| old.target.clone()),
            parent_id: new.parent_id.clone().or_else(|| old.parent_id.clone()),
            title: new.title.clone().or_else(|| old.title.clone()),
            other_ids,
            ..new.clone()
        })
    }
    /// Which outcome is true does not depend on which file came first.
    fn disputed(&self, other: &Self) -> Option<(Self, &'static str)> {
        let row = Self { state: TaskState::Unknown, ..self.clone() };
        let one_end = self.ended_at_hi == other.ended_at_hi;
        (one_end && self.state != other.state).then_some((row, ", but not its outcome"))
    }
}

fn stage(state: TaskState) -> u8 {
    match state {
        TaskState::Unknown => 0,
        TaskState::Queued => 1,
        TaskState::Waiting => 2,
        TaskState::Running => 3,
        _ => 4,
    }
}

/// Joins what several files say.
pub fn finish(facts: &mut Facts) {
    let mut conflicts = Vec::new();
    fold(&mut facts.grants, &mut conflicts);
    fold(&mut facts.approvals, &mut conflicts);
    fold(&mut facts.grant_events, &mut conflicts);
    fold(&mut facts.tasks, &mut conflicts);
    fold_usage(facts);
    run_ends(facts);
    count_conflicts(facts, conflicts);
    companions(&mut facts.sources);
    facts.quarantine.sort_by(|a, b| a.source_id.cmp(&b.source_id));
}

/// Approvals and events speak of grants that another file lists. Without one there is no ledger, and
/// nothing may be tested as if an empty one had been read.
fn companions(sources: &mut [Source]) {
    use super::ledger::{approvals, events};
    let is_companion =
        |s: &Source| [approvals::ADAPTER.format, events::ADAPTER.format].contains(&&*s.format);
    if sources.iter().any(|s| s.layer == Layer::Ledger && !is_companion(s)) {
        return;
    }
    for s in sources.iter_mut().filter(|s| s.layer == Layer::Ledger) {
        s.layer = Layer::Context;
        s.limitation = Some(text("no file lists the grants that it speaks of"));
    }
}

/// Keeps the first row of each identity, in place.
fn fold<T: Keyed>(rows: &mut Vec<T>, conflicts: &mut Vec<Quarantined>) {
    let mut order: Vec<(u64, usize)> =
        rows.iter().enumerate().filter_map(|(i, r)| Some((r.key()?, i))).collect();
    order.sort_unstable();
    let mut drop = vec![false; rows.len()];
    let mut found: Vec<(usize, Quarantined)> = Vec::new();
    for group in order.chunk_by(|a, b| a.0 == b.0).filter(|g| g.len() > 1) {
        let mut settled: Vec<usize> = Vec::new();
        for (at, (_, i)) in group.iter().enumerate() {
            let earlier = group.iter().take(at).map(|(_, j)| *j).find(|j| {
                !drop.get(*j).copied().unwrap_or(true)
                    && matches!((rows.get(*j), rows.get(*i)), (Some(a), Some(b)) if a.same_key(b))
            });
            let Some(j) = earlier else { continue };
            let (Some(a), Some(b)) = (rows.get(j), rows.get(*i)) else { continue };
            let (source_id, source_ref) = a.place();
            if b.moved(source_id, source_ref) != *a && !settled.contains(&j) {
                let new = if let Some(new) = a.update(b) {
                    Some(new)
                } else {
                    let (new, but) =
                        a.disputed(b).map_or((None, ""), |(row, but)| (Some(row), but));
                    let reason = text(format!(
                        "{} is already at {source_id}#{source_ref} with different content; the first is kept{but}",
                        b.label(),
                    ));
                    let (source_id, source_ref) = b.place();
                    let (source_id, source_ref) = (source_id.clone(), source_ref.clone());
                    found.push((*i, Quarantined { source_id, source_ref, reason }));
                    if new.is_some() {
                        settled.push(j);
                    }
                    new
                };
                if let (Some(new), Some(slot)) = (new, rows.get_mut(j)) {
                    *slot = new;
                }
            }
            if let Some(d) = drop.get_mut(*i) {
                *d = true;
            }
        }
    }
    found.sort_by_key(|(i, _)| *i);
    conflicts.extend(found.into_iter().map(|(_, q)| q));
    let mut flags = drop.into_iter();
    rows.retain(|_| !flags.next().unwrap_or(false));
}

/// Two files with the same export count once; two equal rows inside one file are two uses.
fn fold_usage(facts: &mut Facts) {
    let generic: Vec<&Text> = facts
        .sources
        .iter()
        .filter(|s| &*s.format == super::usage::generic::FORMAT)
        .map(|s| &s.source_id)
        .collect();
    if generic.len() < 2 {
        return;
    }
    let key = |u: &Usage| {
        hash((
            &u.principal,
            &u.privilege,
            &u.scope,
            &u.grant_id,
            u.first_at,
            u.last_at,
            (&u.action, &u.resource, u.count),
        ))
    };
    let mut order: Vec<(u64, usize)> = facts
        .usage
        .iter()
        .enumerate()
        .filter(|(_, u)| generic.contains(&&u.source_id))
        .map(|(i, u)| (key(u), i))
        .collect();
    order.sort_unstable();
    let mut drop = vec![false; facts.usage.len()];
    for group in order.chunk_by(|a, b| a.0 == b.0).filter(|g| g.len() > 1) {
        // Distinct contents in the group, with their number per source.
        let mut contents: Vec<(&Usage, BTreeMap<Text, usize>, usize)> = Vec::new();
        for (_, i) in group {
            let Some(u) = facts.usage.get(*i) else { continue };
            let same = |v: &Usage| {
                Usage {
                    source_id: u.source_id.clone(),
                    source_ref: u.source_ref.clone(),
                    ..v.clone()
                } == *u
            };
            let Some((_, per_source, kept)) = contents.iter_mut().find(|(v, ..)| same(v)) else {
                contents.push((u, BTreeMap::from([(u.source_id.clone(), 1)]), 1));
                continue;
            };
            let n = per_source.entry(u.source_id.clone()).or_default();
            *n += 1;
            if *n <= *kept {
                if let Some(d) = drop.get_mut(*i) {
                    *d = true;
                }
            } else {
                *kept = *n;
            }
        }
    }
    let mut flags = drop.into_iter();
    facts.usage.retain(|_| !flags.next().unwrap_or(false));
}

/// A run is over when its last job is; its own `updated_at` moves on whenever anything of it is touched
/// (section 9). Where further jobs may exist, the last one that is known bounds the end from below only.
fn run_ends(facts: &mut Facts) {
    let cut: BTreeSet<&Text> = facts
        .sources
        .iter()
        .filter(|s| s.completeness == Completeness::Truncated)
        .map(|s| &s.source_id)
        .collect();
    let tasks = &mut facts.tasks;
    let mut last: BTreeMap<Text, Option<Time>> = BTreeMap::new();
    let mut partly: BTreeSet<Text> = BTreeSet::new();
    for job in tasks.iter().filter(|t| t.kind == TaskKind::CiJob && &*t.system == "github") {
        let Some(parent) = &job.parent_id else { continue };
        if cut.contains(&job.source_id) {
            partly.insert(parent.clone());
        }
        // A job without end leaves the run as it is.
        let end = last.entry(parent.clone()).or_insert(job.ended_at_hi);
        *end = match (*end, job.ended_at_hi) {
            (Some(a), Some(b)) => Some(a.max(b)),
            _ => None,
        };
    }
    for run in tasks.iter_mut().filter(|t| t.kind == TaskKind::CiRun && &*t.system == "github") {
        if let (Some(hi), Some(Some(end))) = (run.ended_at_hi, last.get(&run.task_id))
            && *end < hi
        {
            run.ended_at_lo = Some(*end);
            if !partly.contains(&run.task_id) {
                run.ended_at_hi = Some(*end);
            }
        }
    }
}

/// Counts contradicting records with their sources and puts them into quarantine.
pub(super) fn count_conflicts(facts: &mut Facts, conflicts: Vec<Quarantined>) {
    let mut per_source: BTreeMap<Text, i64> = BTreeMap::new();
    for c in &conflicts {
        *per_source.entry(c.source_id.clone()).or_default() += 1;
    }
    for source in &mut facts.sources {
        if let Some(n) = per_source.get(&source.source_id) {
            source.conflicting_duplicates += n;
            source.quarantined += n;
            source.accepted = (source.accepted - n).max(0);
        }
    }
    facts.quarantine.extend(conflicts);
}
