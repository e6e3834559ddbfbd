//! Grants of one partition with what approvals, use and task add.

use std::io;

use super::id::Id;
use super::join::decides;
use super::judge::Judge;
use super::rows::{
    Approved, Decision, Grant, NEVER, NOBODY, Place, Stray, TICKET, Used, Worked, at, bit, verdict,
};
use super::shared::Shared;
use super::store::{gather, push};
use super::told::SKEW_S;
use super::usage;
use super::vocabulary::Map;
use crate::facts::cell::Word;
use crate::facts::{TaskState, Time};

/// What a privilege asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Demands {
    /// Place of the tier among its words; beyond them when it is unknown.
    pub tier: u8,
    /// Longest authorised duration, seconds.
    pub max_duration_s: Option<i64>,
    /// An approval is required.
    pub approval: bool,
    /// A named person is required.
    pub human: bool,
    /// Approvals needed.
    pub needed: i64,
    /// Listed in the catalogue of roles; `None` without one.
    pub catalogued: Option<bool>,
}

/// A grant with what approvals, use and task add.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// What its record says.
    pub grant: Grant,
    /// [`Grant::bits`] with those that were found.
    pub bits: u32,
    /// Approvals.
    pub approvals: u32,
    /// Time of the deciding approval.
    pub approved: i64,
    /// First use.
    pub first_use: i64,
    /// Last use.
    pub last_use: i64,
    /// Number of uses.
    pub uses: i64,
    /// Start of the task.
    pub task_start: i64,
    /// End of the task.
    pub task_end: i64,
    /// State of the task.
    pub state: u32,
}

impl Access {
    fn new(grant: Grant) -> Self {
        Self {
            grant,
            bits: grant.bits,
            approvals: 0,
            approved: NEVER,
            first_use: NEVER,
            last_use: NEVER,
            uses: 0,
            task_start: NEVER,
            task_end: NEVER,
            state: u32::MAX,
        }
    }

    /// Place of its record.
    #[must_use]
    #[inline]
    pub fn place(&self) -> Place {
        self.grant.place()
    }
}

/// What putting together reads besides the rows.
#[derive(Debug)]
pub struct Context<'a> {
    /// What was read.
    pub shared: &'a Shared<'a>,
    /// By number of the privilege.
    pub demands: &'a [Demands],
    /// Canonical names of approvers by their number.
    pub approvers: &'a [Id],
    /// Numbers of approvers.
    pub deciders: &'a Map<u32>,
    /// Principals of which every grant goes aside.
    pub principals: &'a Map<()>,
    /// As-of time.
    pub as_of: Time,
    /// By number of the file, the time up to which it speaks.
    pub until: &'a [i64],
    /// No grant names an approval ([`super::join::lone_names`]).
    pub lone: bool,
    /// Rules.
    pub judge: &'a Judge<'a>,
}

/// One partition.
#[derive(Debug)]
pub struct Part {
    /// Grants.
    pub rows: Vec<Access>,
    /// Their uses.
    pub uses: Vec<Used>,
    /// By place of the grant, what its approvals say about the approvers.
    decisions: Vec<(u32, Decision)>,
    /// By place of the grant, approvals that it does not name.
    strays: Vec<(u32, u64)>,
}

impl Part {
    /// Hands on what the approvals of the grants that stay say, when it is known which those are.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn hand_on(&self, shared: &Shared<'_>) -> io::Result<()> {
        let stays = |at: u32| self.rows.get(at as usize).filter(|a| a.bits & bit::ASIDE == 0);
        let parts = shared.sides.decisions.parts();
        let (mut decisions, mut strays) = (gather(parts), gather(parts));
        for (_, d) in self.decisions.iter().filter(|(at, _)| stays(*at).is_some()) {
            push(&mut decisions, d.part(parts), *d);
        }
        // Also of those that go: another grant that names the approval would have to go too.
        for (at, id) in &self.strays {
            if let Some(grant) = self.rows.get(*at as usize) {
                let row = Stray { id: *id, place: grant.place() };
                push(&mut strays, row.part(parts), row);
            }
        }
        shared.sides.strays.add(&mut strays)?;
        shared.sides.decisions.add(&mut decisions)
    }
}

/// Puts one partition together.
///
/// # Errors
/// When the temporary file cannot be read.
pub fn grants(cx: &Context<'_>, at: usize) -> io::Result<Part> {
    let shared = cx.shared;
    let mut rows: Vec<Access> = shared.grants.take(at)?.into_iter().map(Access::new).collect();
    for at in shared.marks.of(at) {
        aside(&mut rows, at);
    }
    if !cx.principals.is_empty() {
        for a in rows.iter_mut().filter(|a| cx.principals.contains_key(&a.grant.principal)) {
            a.bits |= bit::ASIDE;
        }
    }
    let active = |a: &Access| a.bits & bit::ACTIVE_WORD != 0 && a.grant.ended == NEVER;
    for a in rows.iter_mut().filter(|a| active(a)) {
        let until = cx.until.get(usize::from(a.grant.file)).copied().unwrap_or(NEVER);
        let until = until.min(cx.as_of.micros());
        if until != NEVER && a.grant.due != NEVER && until > a.grant.due {
            shared.marks.say("a grant that its ledger calls active beyond its end");
            a.bits |= bit::ASIDE;
        }
    }
    for said in shared.sides.said.take(at)? {
        if let Some(access) = rows.get_mut(said.grant as usize) {
            access.approved = said.at;
        }
    }
    for w in shared.sides.worked.take(at)? {
        if let Some(access) = rows.get_mut(w.grant as usize) {
            linked(cx, &w, access);
        }
    }
    if shared.has_tasks {
        let behind = bit::SYSTEM_TASK | bit::NAMES_TASK;
        for a in &mut rows {
            if a.bits & behind == behind && a.bits & bit::TASK == 0 {
                shared.marks.say("a reference to a task behind the name of a system");
                a.bits |= bit::ASIDE;
            }
        }
    }
    let uses = shared.sides.used.take(at)?;
    usage::add(cx, &mut rows, &uses);
    let mut part = Part { rows, uses, decisions: Vec::new(), strays: Vec::new() };
    approvals(cx, &mut part, &shared.sides.approved.take(at)?);
    Ok(part)
}

/// Marks a grant.
pub fn aside(rows: &mut [Access], at: u32) {
    if let Some(a) = rows.get_mut(at as usize) {
        a.bits |= bit::ASIDE;
    }
}

fn linked(cx: &Context<'_>, t: &Worked, access: &mut Access) {
    if t.state == TICKET {
        access.bits |= bit::TICKETED;
        return;
    }
    let as_of = cx.as_of.micros();
    let running_word = TaskState::ALL.iter().position(|w| *w == TaskState::Running.word());
    let open = t.end != NEVER || Some(t.state as usize) == running_word;
    let running = t.start != NEVER && t.start <= as_of && (t.end == NEVER || t.end > as_of) && open;
    access.bits |= bit::TASK;
    access.task_start = t.start;
    access.state = t.state;
    if running {
        access.bits |= bit::RUNNING;
    } else if inverted(t.start, t.end) {
        access.bits |= bit::TASK_INVERTED;
    } else {
        access.task_end = t.end;
    }
}

/// Whether a task ended before it began.
#[must_use]
#[inline]
pub fn inverted(start: i64, end: i64) -> bool {
    end != NEVER && start != NEVER && end < start
}

/// Puts approvals to their grants, and keeps what they say about the approvers.
fn approvals(cx: &Context<'_>, part: &mut Part, approvals: &[Approved]) {
    let Part { rows, decisions, strays, .. } = part;
    decisions.reserve(approvals.len());
    // Approvals of one grant hang together by the place of the next.
    let mut first: Vec<u32> = vec![u32::MAX; rows.len()];
    let mut next: Vec<u32> = vec![u32::MAX; approvals.len()];
    for ((a, link), i) in approvals.iter().zip(&mut next).zip(0u32..) {
        let at = a.grant as usize;
        let (Some(access), Some(slot)) = (rows.get_mut(at), first.get_mut(at)) else { continue };
        (*link, *slot) = (*slot, i);
        let names = access.bits & bit::NAMES_APPROVAL != 0;
        if a.verdict() & verdict::MORE != 0 {
            cx.shared.marks.say("an approval that names what it is for, or how many are needed");
            access.bits |= bit::ASIDE;
        }
        let bare = a.verdict() & verdict::BARE != 0;
        if bare {
            access.bits |= bit::BARE;
        }
        if !cx.lone && !bare && (!names || access.grant.approval != a.id) {
            strays.push((a.grant, a.id));
            if names {
                cx.shared.marks.say("a grant that names another approval than its own");
                access.bits |= bit::ASIDE;
            }
        }
        if decides(a.approver(), a.verdict()) {
            let row = Decision {
                approver: a.approver(),
                asked: cx.deciders.get(&access.grant.principal).copied().unwrap_or(NOBODY),
                verdict: a.verdict(),
                at: a.at,
                requested: access.grant.requested,
            };
            decisions.push((a.grant, row));
        }
    }
    let mut list: Vec<&Approved> = Vec::new();
    for (access, head) in rows.iter_mut().zip(&first) {
        let Some(one) = approvals.get(*head as usize) else { continue };
        if next.get(*head as usize) == Some(&u32::MAX) {
            alone(cx, one, access);
            continue;
        }
        list.clear();
        let mut link = *head;
        while let Some(a) = approvals.get(link as usize) {
            list.push(a);
            link = next.get(link as usize).copied().unwrap_or(u32::MAX);
        }
        approved(cx, &mut list, access);
    }
}

/// What was decided after the as-of time was not decided then.
#[inline]
fn ahead(cx: &Context<'_>, a: &Approved) -> bool {
    a.at != NEVER && a.at > cx.as_of.micros()
}

/// What the only approval of a grant says of it, as [`approved`] has it of several.
#[inline]
fn alone(cx: &Context<'_>, a: &Approved, access: &mut Access) {
    if a.verdict() & verdict::APPROVE == 0 || ahead(cx, a) {
        return;
    }
    access.approvals = 1;
    access.approved = a.at;
    let named = a.approver() != NOBODY;
    if a.verdict() & verdict::POLICY != 0 {
        access.bits |= bit::BY_RULE;
    } else if named {
        access.bits |= bit::BY_PERSON;
    }
    if named {
        access.bits |= bit::APPROVER;
        if cx.approvers.get(a.approver() as usize) == Some(&access.grant.principal) {
            access.bits |= bit::SELF;
        }
    }
    note_early(access);
}

/// What the approvals of a grant say of it.
fn approved(cx: &Context<'_>, list: &mut Vec<&Approved>, access: &mut Access) {
    if list.len() > 1 {
        list.sort_unstable_by_key(|a| (a.approver(), a.at));
        if list.windows(2).any(|w| matches!(w, [a, b] if a.approver() == b.approver())) {
            cx.shared.marks.say("an approval that occurs twice");
            access.bits |= bit::ASIDE;
        }
    }
    let bare = |a: &&Approved| a.verdict() & verdict::BARE != 0;
    if list.iter().any(bare) && !list.iter().all(bare) {
        cx.shared.marks.say("an approver in the ledger beside records of approvals");
        access.bits |= bit::ASIDE;
    }
    list.retain(|a| a.verdict() & verdict::APPROVE != 0 && !ahead(cx, a));
    // It may be of a further person or not; where there are several, that decides about the quorum.
    if list.len() > 1 && list.iter().any(|a| a.approver() == NOBODY) {
        cx.shared.marks.say("an approval that names nobody beside others");
        access.bits |= bit::ASIDE;
    }
    access.approvals = u32::try_from(list.len()).unwrap_or(u32::MAX);
    if list.is_empty() {
        return;
    }
    list.sort_unstable_by_key(|a| a.at);
    let needed = cx.demands.get(access.grant.privilege as usize).map_or(0, |d| d.needed).max(1);
    let nth = usize::try_from(needed - 1).unwrap_or(0);
    let timed = list.partition_point(|a| a.at == NEVER);
    let timed = list.get(timed..).unwrap_or(&[]);
    let deciding = timed.get(nth).or_else(|| timed.last());
    access.approved = deciding.map_or(NEVER, |a| a.at);
    let by_policy = |a: &&Approved| a.verdict() & verdict::POLICY != 0;
    if list.iter().any(|a| a.approver() != NOBODY && !by_policy(a)) {
        access.bits |= bit::BY_PERSON;
    } else if list.iter().all(by_policy) {
        access.bits |= bit::BY_RULE;
    }
    if list.iter().any(|a| a.approver() != NOBODY) {
        access.bits |= bit::APPROVER;
        let who = access.grant.principal;
        let own = |a: &&&Approved| cx.approvers.get(a.approver() as usize) == Some(&who);
        // Approvers of one grant are all different here.
        let independent = list.iter().filter(|a| a.approver() != NOBODY && !own(a)).count();
        if list.iter().any(|a| own(&a)) && i64::try_from(independent).unwrap_or(i64::MAX) < needed {
            access.bits |= bit::SELF;
        }
    }
    note_early(access);
}

#[inline]
fn note_early(access: &mut Access) {
    let early = at(access.grant.requested).zip(at(access.approved));
    if early.is_some_and(|(asked, approved)| asked.secs_since(approved) > SKEW_S) {
        access.bits |= bit::APPROVED_EARLY;
    }
}

/// Sum of the uses of one grant.
pub fn used(access: &mut Access, u: &Used, as_of: i64) {
    let count = u.count();
    if count == 0 || u.first == NEVER || u.first > as_of {
        return;
    }
    let first = access.first_use;
    access.first_use = if first == NEVER { u.first } else { first.min(u.first) };
    access.last_use = {
        let ahead = u.last == NEVER || u.last > as_of;
        access.last_use.max(if ahead { u.first } else { u.last })
    };
    access.uses = access.uses.saturating_add(if count < 0 { 1 } else { count });
}
