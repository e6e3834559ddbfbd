//! Grants with their approvals, their use and their task: one hash table per partition, which fits the
//! cache.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Mutex, PoisonError};

use super::id::Id;
use super::judge::{Judge, Sums};
use super::rows::{
    Access, Approval, Decision, Grant, Mention, NEVER, Place, Task, Use, at, bit, verdict,
};
use super::shared::Shared;
use super::store::{Store, gather, push};
use super::told::SKEW_S;
use super::usage;
use crate::facts::cell::Word;
use crate::facts::{TaskState, Time};

/// Place of an approval whose grant is not in the ledger.
const LOOSE: Place = Place::MAX;

/// Where names lie in a slice.
#[derive(Debug)]
struct Table {
    slots: Vec<u32>,
    mask: usize,
}

impl Table {
    /// Of names that are all different, else `None`.
    fn new(
        names: impl ExactSizeIterator<Item = Id>,
        of: impl Fn(u32) -> Option<Id>,
    ) -> Option<Self> {
        let size = (names.len() * 2).next_power_of_two().max(2);
        let mut out = Self { slots: vec![u32::MAX; size], mask: size - 1 };
        for (i, name) in names.enumerate() {
            let mut at = name.low() as usize & out.mask;
            loop {
                let slot = out.slots.get_mut(at)?;
                if *slot == u32::MAX {
                    *slot = u32::try_from(i).ok()?;
                    break;
                }
                if of(*slot) == Some(name) {
                    return None;
                }
                at = (at + 1) & out.mask;
            }
        }
        Some(out)
    }

    fn find(&self, name: Id, of: impl Fn(u32) -> Option<Id>) -> Option<usize> {
        let mut at = name.low() as usize & self.mask;
        loop {
            let slot = *self.slots.get(at)?;
            if slot == u32::MAX {
                return None;
            }
            if of(slot) == Some(name) {
                return Some(slot as usize);
            }
            at = (at + 1) & self.mask;
        }
    }
}

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

/// What joining gives, for all partitions.
#[derive(Debug)]
pub struct Joined<'b> {
    /// Grants by their task.
    pub by_task: Store<'b, Access>,
    /// Grants by their lane.
    pub by_lane: Store<'b, Access>,
    /// Approvals that grants name, and those that name no grant of the ledger.
    pub mentions: Store<'b, Mention>,
    /// Decisions by approver.
    pub decisions: Store<'b, Decision>,
    /// Ledger systems with approvals.
    pub approved_systems: Mutex<BTreeSet<u32>>,
    /// Somebody refused a request.
    pub refusals: std::sync::atomic::AtomicBool,
    /// Grants whose reason names a task that is there.
    pub ticketed: Mutex<BTreeSet<Place>>,
    /// Tasks that ended before they began, by number of the file.
    pub inverted: Mutex<std::collections::BTreeMap<usize, i64>>,
}

/// What joining reads besides the rows.
#[derive(Debug)]
pub struct Context<'a> {
    /// What was read.
    pub shared: &'a Shared<'a>,
    /// By number of the privilege.
    pub demands: &'a [Demands],
    /// As-of time.
    pub as_of: Time,
    /// Rules.
    pub judge: &'a Judge<'a>,
}

/// Joins one partition of grants with its approvals and uses.
///
/// # Errors
/// When the temporary file cannot be read or written.
pub fn grants(cx: &Context<'_>, out: &Joined<'_>, at: usize, sums: &mut Sums) -> io::Result<()> {
    let shared = cx.shared;
    let rows = shared.grants.take(at)?;
    let approvals = shared.approvals.take(at)?;
    let uses = shared.uses.take(at)?;
    let name = |i: u32| rows.get(i as usize).map(|g| g.id);
    let Some(table) = Table::new(rows.iter().map(|g| g.id), name) else {
        shared.refuse("a grant id that occurs twice");
        return Ok(());
    };
    let parts = out.by_lane.parts();
    let mut mentions = gather(parts);
    let mut decisions = gather(parts);
    // Approvals of one grant hang together by the place of the next.
    let mut first: Vec<u32> = vec![u32::MAX; rows.len()];
    let mut next: Vec<u32> = vec![u32::MAX; approvals.len()];
    for (i, a) in approvals.iter().enumerate() {
        let grant = table.find(a.grant, name);
        let row = grant.and_then(|g| rows.get(g));
        if let (Some(slot), Some(link)) = (grant.and_then(|g| first.get_mut(g)), next.get_mut(i)) {
            *link = *slot;
            *slot = u32::try_from(i).unwrap_or(u32::MAX);
        }
        match row {
            Some(g) if g.approval != a.id => {
                shared.refuse("an approval that its grant does not name");
            }
            Some(_) => {}
            None => push(&mut mentions, a.id.part(parts), Mention { id: a.id, place: LOOSE }),
        }
        decide(out, a, row, &mut decisions, parts);
    }
    let used = usage::by_grant(cx, &rows, &uses, |id| table.find(id, name), sums);
    let mut by_task = gather(parts);
    let mut by_lane = gather(parts);
    let mut systems = BTreeSet::new();
    let mut list: Vec<&Approval> = Vec::new();
    for ((g, head), used) in rows.iter().zip(&first).zip(&used) {
        list.clear();
        let mut link = *head;
        while let Some(a) = approvals.get(link as usize) {
            list.push(a);
            link = next.get(link as usize).copied().unwrap_or(u32::MAX);
        }
        let mut access = start_of(shared, g);
        if g.approval.is_some() {
            access.bits |= bit::NAMES_APPROVAL;
            let mention = Mention { id: g.approval, place: g.place };
            push(&mut mentions, g.approval.part(parts), mention);
        }
        (access.first_use, access.last_use, access.uses) = (used.first, used.last, used.count);
        if !list.is_empty() {
            systems.insert(g.system);
            approved(cx, g, &mut list, &mut access);
        }
        if access.task.is_some() && shared.has_tasks {
            push(&mut by_task, access.task.part(parts), access);
        } else {
            push(&mut by_lane, access.lane.part(parts), access);
        }
    }
    out.approved_systems.lock().unwrap_or_else(PoisonError::into_inner).extend(systems);
    drop((rows, approvals, uses));
    out.mentions.add(&mut mentions)?;
    out.decisions.add(&mut decisions)?;
    out.by_task.add(&mut by_task)?;
    out.by_lane.add(&mut by_lane)
}

fn start_of(shared: &Shared<'_>, g: &Grant) -> Access {
    let who = u64::from(g.principal.low()) << 32 | u64::from(g.privilege);
    Access {
        lane: shared.key.join([g.principal.high(), who, 1, 2]),
        task: g.task,
        scope: g.scope,
        spot: g.spot,
        place: g.place,
        start: g.start,
        due: g.due,
        ended: g.ended,
        approved: NEVER,
        first_use: NEVER,
        last_use: NEVER,
        uses: 0,
        task_start: NEVER,
        task_end: NEVER,
        privilege: g.privilege,
        system: g.system,
        bits: g.bits,
        approvals: 0,
        state: u32::MAX,
    }
}

/// The decision for the table of approvers. One by a policy, or of nobody, says nothing about a person.
fn decide(
    out: &Joined<'_>,
    a: &Approval,
    grant: Option<&Grant>,
    decisions: &mut [Vec<Decision>],
    parts: usize,
) {
    if a.verdict & verdict::DENY != 0 {
        out.refusals.store(true, std::sync::atomic::Ordering::Relaxed);
    }
    let counts = a.verdict & (verdict::APPROVE | verdict::DENY) != 0
        && a.verdict & verdict::POLICY == 0
        && a.approver.is_some();
    if counts {
        let row = Decision {
            approver: a.approver,
            asked: grant.map_or(Id::NONE, |g| g.principal),
            request: a.id,
            at: a.at,
            requested: grant.map_or(NEVER, |g| g.requested),
            verdict: a.verdict,
            place: a.place,
        };
        push(decisions, a.approver.part(parts), row);
    }
}

/// What the approvals of a grant say of it.
fn approved(cx: &Context<'_>, g: &Grant, list: &mut Vec<&Approval>, access: &mut Access) {
    if list.len() > 1 {
        list.sort_unstable_by_key(|a| (a.approver, a.at));
        if list.windows(2).any(|w| matches!(w, [a, b] if a.approver == b.approver)) {
            cx.shared.refuse("an approval that occurs twice");
        }
    }
    list.retain(|a| a.verdict & verdict::APPROVE != 0);
    access.approvals = u32::try_from(list.len()).unwrap_or(u32::MAX);
    if list.is_empty() {
        return;
    }
    list.sort_unstable_by_key(|a| a.at);
    let needed = cx.demands.get(g.privilege as usize).map_or(0, |d| d.needed).max(1);
    let nth = usize::try_from(needed - 1).unwrap_or(0);
    let timed = list.partition_point(|a| a.at == NEVER);
    let timed = list.get(timed..).unwrap_or(&[]);
    let deciding = timed.get(nth).or_else(|| timed.last());
    access.approved = deciding.map_or(NEVER, |a| a.at);
    let by_policy = |a: &&Approval| a.verdict & verdict::POLICY != 0;
    if list.iter().any(|a| a.approver.is_some() && !by_policy(a)) {
        access.bits |= bit::BY_PERSON;
    } else if list.iter().all(by_policy) {
        access.bits |= bit::BY_RULE;
    }
    if list.iter().any(|a| a.approver.is_some()) {
        access.bits |= bit::APPROVER;
        let own = list.iter().any(|a| a.approver == g.principal);
        // Approvers of one grant are all different here.
        let independent =
            list.iter().filter(|a| a.approver.is_some() && a.approver != g.principal).count();
        if own && i64::try_from(independent).unwrap_or(i64::MAX) < needed {
            access.bits |= bit::SELF;
        }
    }
    let early = at(g.requested).zip(at(access.approved));
    if early.is_some_and(|(asked, approved)| asked.secs_since(approved) > SKEW_S) {
        access.bits |= bit::APPROVED_EARLY;
    }
}

/// Looks for approvals that several grants share.
///
/// # Errors
/// When the temporary file cannot be read.
pub fn mentions(cx: &Context<'_>, out: &Joined<'_>, at: usize) -> io::Result<()> {
    let mut rows = out.mentions.take(at)?;
    rows.sort_unstable_by_key(|m| m.id);
    for same in rows.chunk_by(|a, b| a.id == b.id) {
        if same.len() < 2 {
            continue;
        }
        // Also where no listed grant is meant: records of one id may repeat or contradict each other.
        cx.shared.refuse(if same.iter().any(|m| m.place != LOOSE) {
            "an approval of several grants"
        } else {
            "an approval that occurs twice"
        });
    }
    Ok(())
}

/// Joins one partition of grants with its tasks.
///
/// # Errors
/// When the temporary file cannot be read or written.
pub fn tasks(cx: &Context<'_>, out: &Joined<'_>, at: usize) -> io::Result<()> {
    let shared = cx.shared;
    let tasks = shared.tasks.take(at)?;
    let tickets = shared.tickets.take(at)?;
    let name = |i: u32| tasks.get(i as usize).map(|t| t.id);
    let Some(table) = Table::new(tasks.iter().map(|t| t.id), name) else {
        shared.refuse("a task id that occurs twice");
        return Ok(());
    };
    let named: Vec<Place> =
        tickets.iter().filter(|m| table.find(m.id, name).is_some()).map(|m| m.place).collect();
    out.ticketed.lock().unwrap_or_else(PoisonError::into_inner).extend(named);
    for t in tasks.iter().filter(|t| is_inverted(t)) {
        let mut inverted = out.inverted.lock().unwrap_or_else(PoisonError::into_inner);
        *inverted.entry((t.state >> 8) as usize).or_default() += 1;
    }
    let mut accesses = out.by_task.take(at)?;
    let mut by_lane = gather(out.by_lane.parts());
    for access in &mut accesses {
        match table.find(access.task, name).and_then(|i| tasks.get(i)) {
            Some(t) => linked(cx, t, access),
            None if access.bits & bit::SYSTEM_TASK != 0 => {
                shared.refuse("a reference to a task behind the name of a system");
            }
            None => {}
        }
        push(&mut by_lane, access.lane.part(out.by_lane.parts()), *access);
    }
    out.by_lane.add(&mut by_lane)
}

fn is_inverted(t: &Task) -> bool {
    t.end != NEVER && t.start != NEVER && t.end < t.start
}

fn linked(cx: &Context<'_>, t: &Task, access: &mut Access) {
    let as_of = cx.as_of.micros();
    let running_word = TaskState::ALL.iter().position(|w| *w == TaskState::Running.word());
    let open = t.end != NEVER || Some((t.state & 0xff) as usize) == running_word;
    let running = t.start != NEVER && t.start <= as_of && (t.end == NEVER || t.end > as_of) && open;
    access.bits |= bit::TASK;
    access.task_start = t.start;
    access.state = t.state & 0xff;
    if running {
        access.bits |= bit::RUNNING;
    } else if is_inverted(t) {
        access.bits |= bit::TASK_INVERTED;
    } else {
        access.task_end = t.end;
    }
}

/// Sum of the uses of one grant.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// First.
    pub first: i64,
    /// Last.
    pub last: i64,
    /// How many.
    pub count: i64,
}

impl Used {
    /// No use.
    pub const NONE: Self = Self { first: NEVER, last: NEVER, count: 0 };

    /// Adds a record; one that counts nothing shows no use.
    pub fn add(&mut self, u: &Use) {
        if u.count == 0 || u.first == NEVER {
            return;
        }
        self.first = if self.first == NEVER { u.first } else { self.first.min(u.first) };
        self.last = self.last.max(if u.last == NEVER { u.first } else { u.last });
        self.count += if u.count < 0 { 1 } else { u.count };
    }
}
