//! Files in, rows of fixed width out. A row of the plain kind is read here; of any other the adapter of
//! the format says what it means, so that nothing is accepted, refused or understood in another way.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;

#[cfg(feature = "columnar-io")]
use super::block::Scratch;
use super::cell::{Cell, NO_CODE, Odd, is_day};
use super::id::Id;
use super::join::BY_REASON;
use super::marks::canonical;
use super::memo::{Memos, key};
use super::plan::{File, Kind};
use super::rows::{Approval, Grant, Key, NEVER, Said, Spot, Task, Use, bit, micros, verdict};
use super::shared::{Filled, Shared, Sums};
use super::store::{gather, push};
use super::told::{
    Codes, More, Told, ToldUse, beyond, home_words, kind_of, lower, open, said, task_state,
    uncarried, verdict_in, verdict_of,
};
use super::vocabulary::Map;
use crate::facts::{self, Outcome, Text, Time, UsageGrain};
use crate::ingest::source::Batch;
use crate::ingest::table::Single;

/// One worker's view of one file.
#[derive(Debug)]
pub struct Worker<'s, 'b> {
    pub(super) shared: &'s Shared<'b>,
    file: &'s File,
    pub(super) number: usize,
    single: Single<'s>,
    /// Place of each of our fields among the adapter's.
    fields: Vec<usize>,
    pub(super) parts: usize,
    pub(super) grants: Vec<Vec<Grant>>,
    pub(super) tasks: Vec<Vec<Task>>,
    pub(super) approvals: Vec<Vec<Approval>>,
    pub(super) uses: Vec<Vec<Use>>,
    /// Per grant its own name and those of the task and the approval that it names.
    pub(super) names: Vec<Vec<[Id; 3]>>,
    /// Partition and place of a grant, and the ticket that its reason names.
    pub(super) tickets: Vec<(usize, u32, Id)>,
    /// The same, and when the ledger itself says that it was approved.
    pub(super) said: Vec<(usize, u32, i64)>,
    pub(super) approvers: Map<u32>,
    pub(super) platform_numbers: Map<u32>,
    /// Platforms of ledger systems, by the number of the platform.
    pub(super) platform_names: BTreeMap<u32, Option<Text>>,
    pub(super) privileges: Map<u32>,
    pub(super) systems: Map<u32>,
    batch: Batch,
    pub(super) sums: Sums,
    /// By number of the system; as in [`Sums::fills`].
    pub(super) fills: Vec<Option<Filled>>,
    /// As in [`Sums::grains`].
    pub(super) platforms: Vec<Option<Text>>,
    pub(super) memos: Memos,
    /// Earliest and latest time of a record.
    pub(super) span: (i64, i64),
    pub(super) zoneless: i64,
    #[cfg(feature = "columnar-io")]
    pub(super) scratch: Scratch,
    held: usize,
}

/// Rows that a worker keeps before it hands them on.
const HAND_ON: usize = 65_536;

impl<'s, 'b> Worker<'s, 'b> {
    /// For a file.
    #[must_use]
    pub fn new(shared: &'s Shared<'b>, number: usize, file: &'s File, single: Single<'s>) -> Self {
        let named = |name: &str| file.adapter.fields.iter().position(|f| f.name == name);
        let parts = shared.grants.parts();
        Self {
            shared,
            file,
            number,
            single,
            fields: file.kind.read().filter_map(named).collect(),
            parts,
            grants: gather(parts),
            tasks: gather(parts),
            approvals: gather(parts),
            uses: gather(parts),
            names: gather(parts),
            tickets: Vec::new(),
            said: Vec::new(),
            approvers: Map::default(),
            platform_numbers: Map::default(),
            platform_names: BTreeMap::new(),
            privileges: Map::default(),
            systems: Map::default(),
            batch: Batch::new(&file.id),
            sums: Sums::default(),
            fills: Vec::new(),
            platforms: Vec::new(),
            memos: Memos::default(),
            span: (i64::MAX, i64::MIN),
            zoneless: 0,
            #[cfg(feature = "columnar-io")]
            scratch: Scratch::default(),
            held: 0,
        }
    }

    /// Reads one row: the cells of [`Kind::read`], and its row or line.
    pub fn row(&mut self, cells: &[Cell<'_>], row: u32, mark: char) {
        let kind = self.file.kind;
        let (plain, more) = cells.split_at(cells.len().min(kind.fields().len()));
        let says = |cell: &Cell<'_>| !matches!(cell, Cell::Null);
        let done = match kind {
            _ if more.iter().any(says) => Err(Odd),
            Kind::Grants => self.grant(plain, row),
            Kind::Tasks => self.task(plain),
            Kind::Approvals => self.approval(plain),
            Kind::Usage => self.usage(plain),
        };
        if done.is_err() {
            self.odd(cells, row, mark);
        }
        self.came(1);
    }

    /// Counts rows that came, and hands them on when they are many.
    pub(super) fn came(&mut self, rows: usize) {
        self.batch.records += i64::try_from(rows).unwrap_or(i64::MAX);
        self.held += rows;
        if self.held >= HAND_ON
            && let Err(e) = self.hand_on()
        {
            self.shared.fail(&e);
        }
    }

    /// What its file lists.
    #[cfg(feature = "columnar-io")]
    pub(super) fn kind(&self) -> Kind {
        self.file.kind
    }

    /// A row that the adapter must read.
    pub(super) fn odd(&mut self, cells: &[Cell<'_>], row: u32, mark: char) {
        let mut all: Vec<Option<Cow<'_, str>>> = vec![None; self.file.adapter.fields.len()];
        for (cell, at) in cells.iter().zip(&self.fields) {
            if let Some(slot) = all.get_mut(*at) {
                *slot = cell.shown();
            }
        }
        let mut batch = Batch::new(&self.file.id);
        self.single.read(&all, &format!("{mark}{row}"), &mut batch);
        self.zoneless += batch.ambiguous_times;
        if let Some((a, b)) = batch.span {
            self.see(a.micros());
            self.see(b.micros());
        }
        self.batch.facts.quarantine.append(&mut batch.facts.quarantine);
        for g in &batch.facts.grants {
            self.told_grant(g, row);
        }
        for t in &batch.facts.tasks {
            self.told_task(t);
        }
        for a in &batch.facts.approvals {
            self.told_approval(a);
        }
        for u in &batch.facts.usage {
            self.told_use(u);
        }
    }

    fn grant(&mut self, cells: &[Cell<'_>], row: u32) -> Result<(), Odd> {
        let [
            id,
            broker,
            system,
            platform,
            who,
            kind,
            privilege,
            scope,
            requested,
            granted,
            due,
            ended,
            revoked,
            reason,
            task,
            approval,
        ] = *cells
        else {
            return Err(Odd);
        };
        let codes = Codes {
            who: who.code(),
            home: key([broker, system, platform]),
            platform: platform.code(),
            privilege: privilege.code(),
            scope: scope.code(),
        };
        let (id, who, privilege) =
            (id.text()?.ok_or(Odd)?, who.text()?.ok_or(Odd)?, privilege.text()?.ok_or(Odd)?);
        let (broker, system, platform) = (broker.text()?, system.text()?, platform.text()?);
        let (kind, scope, reason) = (kind.text()?, scope.text()?, reason.text()?);
        let (task, approval) = (task.text()?, approval.text()?);
        let ((requested, a), (granted, b)) = (requested.instant()?, granted.instant()?);
        let ((due, c), (mut ended, mut d)) = (due.instant()?, ended.instant()?);
        let revoked = revoked.instant()?;
        if ended == NEVER {
            (ended, d) = revoked;
        }
        if granted == NEVER {
            return Err(Odd);
        }
        self.zoneless += [a, b, c, d].iter().map(|w| i64::from(*w)).sum::<i64>();
        let (system, platform) = home_words(broker, system, platform);
        let kind = kind_of(kind);
        self.add_grant(
            row,
            &Told {
                id,
                system,
                platform,
                who,
                kind,
                privilege,
                scope,
                reason,
                task,
                more: More::default(),
                approval,
                requested,
                start: granted,
                due,
                ended,
                aside: false,
                codes,
            },
        );
        Ok(())
    }

    /// A grant as its adapter tells it.
    fn told_grant(&mut self, g: &facts::Grant, row: u32) {
        let start = g.activated_at_lo.or(g.not_before);
        if let Some(why) = beyond(g) {
            self.shared.refuse(why);
        }
        let why = uncarried(g).or_else(|| {
            let asks = |who| {
                canonical(&self.shared.key, who) != canonical(&self.shared.key, &g.beneficiary)
            };
            g.requester.as_deref().is_some_and(asks).then_some("a request of somebody else")
        });
        if let Some(why) = why {
            self.shared.marks.say(why);
        }
        // A ticket is a reference like another.
        let task = g.task_ref.as_deref().or(g.ticket_id.as_deref());
        let said = said(g);
        let approved = said & (bit::APPROVED_WORD | bit::AUTO_WORD) != 0;
        self.add_grant(
            row,
            &Told {
                id: &g.grant_id,
                system: &g.system,
                platform: g.platform.as_deref().map(Cow::Borrowed),
                who: &g.beneficiary,
                kind: g.beneficiary_kind,
                privilege: &g.privilege,
                scope: g.scope.as_deref(),
                reason: g.justification.as_deref(),
                task,
                more: More {
                    requester: g.requester.is_some(),
                    extended: g.n_extensions > 0,
                    ticket: g.ticket_id.is_some(),
                    said,
                    decided: if approved { micros(g.decided_at) } else { NEVER },
                },
                approval: g.approval_ref.as_deref(),
                requested: micros(g.requested_at),
                start: micros(start),
                due: micros(g.not_after),
                ended: micros(g.ended_at_lo),
                aside: why.is_some(),
                codes: Codes::NONE,
            },
        );
    }

    fn task(&mut self, cells: &[Cell<'_>]) -> Result<(), Odd> {
        let [id, start, end, state, kind, owner, title] = *cells else { return Err(Odd) };
        let id = id.text()?.ok_or(Odd)?;
        let ((start, a), (end, b)) = (start.instant()?, end.instant()?);
        let state = task_state(state.text()?);
        for inert in [kind, owner, title] {
            inert.text()?;
        }
        self.zoneless += i64::from(a) + i64::from(b);
        let end = if open(state) { NEVER } else { end };
        self.add_task(id, start, end, state);
        Ok(())
    }

    fn told_task(&mut self, t: &facts::Task) {
        let (start, end) = (t.started_at_lo, t.ended_at_hi.or(t.ended_at_lo));
        self.add_task(&t.task_id, micros(start), micros(end), t.state);
    }

    fn approval(&mut self, cells: &[Cell<'_>]) -> Result<(), Odd> {
        let [id, grant, approver, decision, decided] = *cells else { return Err(Odd) };
        let code = approver.code();
        let (id, grant, approver) = (id.text()?, grant.text()?, approver.text()?);
        let verdict = verdict_of(decision.text()?)?;
        let (at, wall) = decided.instant()?;
        let (id, grant) = (id.ok_or(Odd)?, grant.ok_or(Odd)?);
        self.zoneless += i64::from(wall);
        self.add_approval((Some(id), Some(grant)), (approver, code), (at, verdict));
        Ok(())
    }

    fn told_approval(&mut self, a: &facts::Approval) {
        let more = a.required.is_some() || a.privilege.is_some() || a.scope.is_some();
        let verdict = verdict_in(a) | if more { verdict::MORE } else { 0 };
        let id = Some(&*a.approval_id).filter(|id| !id.is_empty());
        let who = (a.approver.as_deref(), NO_CODE);
        self.add_approval((id, a.grant_id.as_deref()), who, (micros(a.at), verdict));
    }

    fn usage(&mut self, cells: &[Cell<'_>]) -> Result<(), Odd> {
        let [who, platform, privilege, scope, grant, day, first, last, count, errors] = *cells
        else {
            return Err(Odd);
        };
        let codes = Codes {
            who: who.code(),
            home: None,
            platform: platform.code(),
            privilege: privilege.code(),
            scope: scope.code(),
        };
        let (who, grant) = (who.text()?.ok_or(Odd)?, grant.text()?.ok_or(Odd)?);
        let (platform, privilege, scope) = (platform.text()?, privilege.text()?, scope.text()?);
        let ((first, a), (last, b)) = (first.instant()?, last.instant()?);
        let (count, errors) = (count.count()?, errors.count()?);
        if first == NEVER || last == NEVER || last < first || !is_day(day) {
            return Err(Odd);
        }
        self.zoneless += i64::from(a) + i64::from(b);
        let told = ToldUse {
            who,
            platform: platform.map(lower),
            privilege,
            scope,
            grant,
            first,
            last,
            count,
            failed: count > 0 && errors >= count,
            codes,
        };
        self.add_use(&told);
        Ok(())
    }

    fn told_use(&mut self, u: &facts::Usage) {
        let told = ToldUse {
            who: &u.principal,
            platform: u.platform.as_deref().map(Cow::Borrowed),
            privilege: u.privilege.as_deref(),
            scope: u.scope.as_deref(),
            grant: u.grant_id.as_deref().unwrap_or(""),
            first: micros(u.first_at),
            last: micros(u.last_at),
            count: u.count.unwrap_or(-1),
            failed: u.outcome == Outcome::Error,
            codes: Codes::NONE,
        };
        if u.grant_id.is_some() {
            return self.add_use(&told);
        }
        self.see(told.first);
        self.see(told.last);
        // A row that says when somebody was last seen says nothing about the use of grants.
        let lists = matches!(u.grain, UsageGrain::Event | UsageGrain::Action);
        self.used_by(&told, lists);
        if !lists {
            return;
        }
        let key = self.shared.key;
        self.shared.marks.name("use that names no grant", |names| {
            names.users.insert(key.id(told.who.as_bytes()), ());
            names.principals.insert(canonical(&key, told.who), ());
        });
    }

    /// Hands the rows on that were gathered.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn hand_on(&mut self) -> io::Result<()> {
        self.held = 0;
        let shared = self.shared;
        let parts = self.parts;
        let mut keys = gather(parts);
        let mut named = gather(parts);
        let mut wanted = gather(parts);
        // The first of each partition, for the tickets.
        let mut firsts = vec![0; parts];
        shared.grants.add_told(&mut self.grants, |part, first, grants| {
            if let Some(slot) = firsts.get_mut(part) {
                *slot = first;
            }
            let Some(names) = self.names.get_mut(part) else { return };
            for ((grant, [id, task, approval]), at) in
                grants.iter().zip(names.drain(..)).zip(first..)
            {
                let at = u32::try_from(at).unwrap_or(u32::MAX);
                let spot = Spot::new(part, at, grant.system);
                push(&mut keys, id.part(parts), Key::new(id, spot));
                if approval.is_some() {
                    push(&mut named, approval.part(parts), Key::new(approval, spot));
                }
                if shared.has_tasks && task.is_some() {
                    push(&mut wanted, task.part(parts), Key::new(task, Spot::new(part, at, 0)));
                }
            }
        })?;
        for (part, at, ticket) in self.tickets.drain(..) {
            let at = u32::try_from(firsts.get(part).map_or(0, |f| *f))
                .map_or(u32::MAX, |f| f.saturating_add(at));
            push(&mut wanted, ticket.part(parts), Key::new(ticket, Spot::new(part, at, BY_REASON)));
        }
        let mut said = gather(parts);
        for (part, at, us) in self.said.drain(..) {
            let grant = u32::try_from(firsts.get(part).map_or(0, |f| *f))
                .map_or(u32::MAX, |f| f.saturating_add(at));
            push(&mut said, part, Said { grant, at: us });
        }
        shared.sides.said.add(&mut said)?;
        shared.keys.add(&mut keys)?;
        shared.wanted.add(&mut wanted)?;
        shared.named.add(&mut named)?;
        shared.tasks.add(&mut self.tasks)?;
        shared.approvals.add(&mut self.approvals)?;
        shared.uses.add(&mut self.uses)
    }

    /// Hands everything on.
    pub fn finish(mut self) {
        if let Err(e) = self.hand_on() {
            self.shared.fail(&e);
        }
        self.batch.ambiguous_times = self.zoneless;
        if self.span.0 <= self.span.1 {
            self.batch.see(Time::from_micros(self.span.0));
            self.batch.see(Time::from_micros(self.span.1));
        }
        let mut sums = std::mem::take(&mut self.sums);
        for (id, form, n) in self.memos.users.all() {
            sums.users.entry(id).or_insert((form, 0)).1 += n;
        }
        sums.files.insert(self.number, std::mem::take(&mut self.batch));
        let fills = self.fills.iter().zip(0u32..);
        sums.fills.extend(fills.filter_map(|(f, system)| Some((system, (*f)?))));
        if !self.platforms.is_empty() {
            sums.grains.insert(self.number, self.platforms.drain(..).collect());
        }
        let mut all = self.shared.sums.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        all.absorb(sums);
    }

    /// The batch that a reader of text files puts what is no row into.
    pub fn batch(&mut self) -> &mut Batch {
        &mut self.batch
    }

    /// Reads a CSV or NDJSON file.
    ///
    /// # Errors
    /// When the file as a whole cannot be read.
    pub fn text_file(&mut self, single: &Single<'_>) -> Result<(), String> {
        let (head, detected) =
            crate::ingest::detect::examine(&self.file.input).map_err(|e| e.to_string())?;
        let mut framing = Batch::new(&self.file.id);
        let fields = self.fields.clone();
        let outcome = single.each(&head, &detected, &mut framing, &mut |all, place, _| {
            let number = place.get(1..).and_then(|n| n.parse::<u32>().ok());
            let Some(number) = number.filter(|_| place.starts_with('L')) else {
                return self.shared.refuse("more lines than 32 bits count");
            };
            let cells: Vec<Cell<'_>> = fields
                .iter()
                .map(|at| match all.get(*at) {
                    Some(Some(s)) => Cell::Text(s),
                    _ => Cell::Null,
                })
                .collect();
            self.row(&cells, number, 'L');
        });
        outcome.map_err(|e| e.to_string())?;
        // Rows were counted as they came; what is left is what was no row.
        self.batch.records += framing.facts.quarantine.len() as i64;
        self.batch.facts.quarantine.append(&mut framing.facts.quarantine);
        self.batch.limitation = framing.limitation;
        self.batch.completeness = framing.completeness;
        Ok(())
    }
}
