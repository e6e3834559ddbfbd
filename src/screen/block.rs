//! Blocks of rows, column by column: a name is hashed where it lies, what a dictionary lists is worked out
//! once, and only what is not plain is looked at row by row.

use super::add::Named;
use super::cell::{Cell, NO_CODE, Odd, PLAIN_YEARS, is_day};
use super::id::{Id, Key};
use super::memo::{Home, Memo, Who, key_of};
use super::pages::{Column, Form, micros};
use super::plan::Kind;
use super::read::Worker;
use super::rows::{Approval, NEVER, NOBODY, Task, Use, verdict};
use super::told::{More, home_words, kind_of, lower, open, task_state, verdict_of, what};
use crate::facts::cell::Word;
use crate::facts::{PrincipalKind, TaskState};

/// Columns of a block in the making.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Per row whether the adapter must read it.
    odd: Vec<bool>,
    ids: [Vec<Id>; 3],
    times: [Vec<i64>; 5],
    numbers: [Vec<i64>; 2],
}

/// Hashes the names of a column; none where the row has none.
pub fn names(
    key: &Key,
    column: Option<&Column>,
    memo: &mut Memo<Id>,
    out: &mut Vec<Id>,
    odd: &mut [bool],
) {
    out.clear();
    let Some(column) = column else { return out.resize(odd.len(), Id::NONE) };
    if column.form() != Form::Text {
        odd.fill(true);
        return out.resize(odd.len(), Id::NONE);
    }
    for ((row, code), odd) in column.codes().iter().enumerate().zip(odd) {
        if let Some(id) = memo.known(*code) {
            out.push(id);
            continue;
        }
        let found = column.plain(*code).and_then(|s| key.plain_id(s));
        out.push(found.unwrap_or_else(|| {
            let cell = column.get(row);
            let id = cell.text().map(|s| s.map_or(Id::NONE, |s| key.id(s.as_bytes())));
            match id {
                Ok(id) => memo.keep(cell.code(), id),
                Err(Odd) => *odd = true,
            }
            id.unwrap_or(Id::NONE)
        }));
    }
}

/// Instants of a column in microseconds, and whether they are of a clock on the wall.
fn instants(column: &Option<Column>, out: &mut Vec<i64>, odd: &mut [bool]) -> bool {
    out.clear();
    let Some(column) = column else {
        out.resize(odd.len(), NEVER);
        return false;
    };
    if let Form::Instant(per, wall) = column.form() {
        let us = |x: &i64| if *x == NEVER { NEVER } else { micros(*x, per) };
        out.extend(column.values().iter().map(us));
        for (x, odd) in out.iter().zip(odd) {
            *odd |= *x != NEVER && !PLAIN_YEARS.contains(x);
        }
        return wall;
    }
    for (row, odd) in odd.iter_mut().enumerate() {
        match column.get(row).instant() {
            Ok((us, false)) => out.push(us),
            _ => {
                *odd = true;
                out.push(NEVER);
            }
        }
    }
    false
}

/// Numbers of a column; -1 where the row has none.
fn counts(column: &Option<Column>, out: &mut Vec<i64>, odd: &mut [bool]) {
    out.clear();
    let Some(column) = column else { return out.resize(odd.len(), -1) };
    for (row, odd) in odd.iter_mut().enumerate() {
        let n = column.get(row).count();
        *odd |= n.is_err();
        out.push(n.unwrap_or(-1));
    }
}

/// Marks the rows in which a column says something.
fn filled(column: &Column, odd: &mut [bool]) {
    for (row, odd) in odd.iter_mut().enumerate() {
        *odd |= !column.is_null(row);
    }
}

/// Marks the rows of which a text that means nothing here is not plain.
fn inert(column: &Option<Column>, odd: &mut [bool]) {
    let Some(column) = column else { return };
    if column.form() != Form::Text {
        odd.iter_mut().enumerate().for_each(|(row, odd)| *odd |= column.get(row).text().is_err());
        return;
    }
    for ((row, code), odd) in column.codes().iter().enumerate().zip(odd) {
        let listed = column.is_known(*code);
        *odd |= !listed && column.get(row).text().is_err();
    }
}

/// Text of a row, and its place in the dictionary.
#[inline]
fn text(column: &Option<Column>, row: usize) -> Result<(Option<&str>, u32), Odd> {
    let Some(column) = column else { return Ok((None, NO_CODE)) };
    let cell = column.get(row);
    Ok((cell.text()?, cell.code()))
}

/// Place in the dictionary of a row; [`NO_CODE`] when it has none.
#[inline]
fn code(column: &Option<Column>, row: usize) -> u32 {
    column.as_ref().map_or(NO_CODE, |c| c.known_code(row))
}

/// The same with 0 for no value, and `None` when a text is in no dictionary.
#[inline]
fn place(column: &Option<Column>, row: usize) -> Option<u32> {
    let Some(column) = column else { return Some(0) };
    match column.known_code(row) {
        NO_CODE => column.is_null(row).then_some(0),
        code => Some(code + 1),
    }
}

impl Worker<'_, '_> {
    /// Reads a block of rows, of which the first is the given row of the file, counted from 1: the columns
    /// of [`Kind::read`].
    pub fn block(&mut self, columns: &[Option<Column>], first: u32, rows: usize) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.odd.clear();
        scratch.odd.resize(rows, false);
        let (plain, more) = columns.split_at(columns.len().min(self.kind().fields().len()));
        for column in more.iter().flatten() {
            filled(column, &mut scratch.odd);
        }
        match self.kind() {
            Kind::Grants => self.grants_of(plain, first, &mut scratch),
            Kind::Tasks => self.tasks_of(plain, &mut scratch),
            Kind::Approvals => self.approvals_of(plain, &mut scratch),
            Kind::Usage => self.uses_of(plain, &mut scratch),
        }
        for (row, place) in (0..rows).zip(first..) {
            if scratch.odd.get(row) == Some(&true) {
                let cells: Vec<Cell<'_>> =
                    columns.iter().map(|c| c.as_ref().map_or(Cell::Null, |c| c.get(row))).collect();
                self.odd(&cells, place, 'R');
            }
        }
        self.scratch = scratch;
        self.came(rows);
    }

    fn grants_of(&mut self, columns: &[Option<Column>], first: u32, s: &mut Scratch) {
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
        ] = columns
        else {
            return s.odd.fill(true);
        };
        let Scratch { odd, ids: [ids, tasks, approvals], times, .. } = s;
        let [requests, starts, dues, ends, revocations] = times;
        let key = self.shared.key;
        let [of_id, of_task, of_approval] = &mut self.memos.names;
        names(&key, id.as_ref(), of_id, ids, odd);
        names(&key, task.as_ref(), of_task, tasks, odd);
        names(&key, approval.as_ref(), of_approval, approvals, odd);
        let walls = [
            instants(requested, requests, odd),
            instants(granted, starts, odd),
            instants(due, dues, odd),
            instants(ended, ends, odd),
        ];
        let wall = instants(revoked, revocations, odd);
        let mut zoneless = 0;
        for (row, place_of) in (0..odd.len()).zip(first..) {
            let at = |all: &[i64]| all.get(row).copied().unwrap_or(NEVER);
            let name = |all: &[Id]| all.get(row).copied().unwrap_or_default();
            let Some(odd) = odd.get_mut(row).filter(|odd| !**odd) else { continue };
            let (start, mut end, mut end_wall) = (at(starts), at(ends), walls[3]);
            if end == NEVER {
                (end, end_wall) = (at(revocations), wall);
            }
            let mut read = || -> Result<(), Odd> {
                let id = name(ids);
                if start == NEVER || !id.is_some() {
                    return Err(Odd);
                }
                let (who, known) = self.who_of(who, row)?;
                let kind = self.form_of(kind, row)?;
                let home = self.home_of([broker, system, platform], row)?;
                let (privilege, privilege_id) = self.role_of(home, privilege, row)?;
                let known_scope = code(scope, row);
                let place = match self.place_known(known_scope, home) {
                    Some(place) => place,
                    None => self.place_of(known_scope, text(scope, row)?.0, home),
                };
                let (reason, _) = text(reason, row)?;
                let said =
                    task.as_ref().filter(|_| name(tasks).is_some()).and_then(|c| c.said(row));
                let (several, system_task) =
                    said.map_or((false, false), |s| self.task_form(s.as_bytes()));
                let named = Named {
                    id,
                    task: name(tasks),
                    approval: name(approvals),
                    who,
                    kind,
                    system: home.system,
                    privilege,
                    privilege_id,
                    place,
                    more: More::default(),
                    has_reason: reason.is_some(),
                    has_scope: place.scope.is_some(),
                    system_task,
                    aside: several,
                    requested: at(requests),
                    start,
                    due: at(dues),
                    ended: end,
                    known,
                };
                for (t, wall) in [
                    (named.requested, walls[0]),
                    (start, walls[1]),
                    (named.due, walls[2]),
                    (end, end_wall),
                ] {
                    zoneless += i64::from(wall && t != NEVER);
                }
                let at = self.put_grant(place_of, &named);
                reason.into_iter().for_each(|reason| self.tickets(reason, at));
                Ok(())
            };
            *odd = read().is_err();
        }
        self.zoneless += zoneless;
    }

    #[inline]
    fn who_of(&mut self, column: &Option<Column>, row: usize) -> Result<(Who, u32), Odd> {
        let known = code(column, row);
        if let Some(who) = self.memos.who.known(known) {
            return Ok((who, known));
        }
        let name = text(column, row)?.0.ok_or(Odd)?;
        Ok((self.who(known, name), known))
    }

    /// Ledger system and platform.
    #[inline]
    fn home_of(&mut self, columns: [&Option<Column>; 3], row: usize) -> Result<Home, Odd> {
        let [broker, system, platform] = columns;
        let (a, b, c) = (place(broker, row), place(system, row), place(platform, row));
        let spot = match (a, b, c) {
            (Some(a), Some(b), Some(c)) => key_of([a, b, c]),
            _ => None,
        };
        if let Some(home) = spot.and_then(|spot| self.memos.homes.get(&spot).copied()) {
            return Ok(home);
        }
        let (broker, system) = (text(broker, row)?.0, text(system, row)?.0);
        let (system, platform) = home_words(broker, system, text(platform, row)?.0);
        Ok(self.home(spot, system, platform.as_deref()))
    }

    /// Number of the privilege, and the hash of its name.
    #[inline]
    fn role_of(
        &mut self,
        home: Home,
        column: &Option<Column>,
        row: usize,
    ) -> Result<(u32, Id), Odd> {
        let known = code(column, row);
        if let Some(found) = self.privilege_known(home, known) {
            return Ok(found);
        }
        let name = text(column, row)?.0.ok_or(Odd)?;
        Ok(self.privilege(home, known, name))
    }

    #[inline]
    fn form_of(
        &mut self,
        column: &Option<Column>,
        row: usize,
    ) -> Result<Option<PrincipalKind>, Odd> {
        let known = code(column, row);
        if let Some(kind) = self.memos.forms.known(known) {
            return Ok(kind);
        }
        let kind = kind_of(text(column, row)?.0);
        self.memos.forms.keep(known, kind);
        Ok(kind)
    }

    fn tasks_of(&mut self, columns: &[Option<Column>], s: &mut Scratch) {
        let [id, start, end, state, kind, owner, title] = columns else {
            return s.odd.fill(true);
        };
        let Scratch { odd, ids: [ids, ..], times: [starts, ends, ..], .. } = s;
        let [of_id, ..] = &mut self.memos.names;
        names(&self.shared.key, id.as_ref(), of_id, ids, odd);
        let walls = [instants(start, starts, odd), instants(end, ends, odd)];
        for column in [kind, owner, title] {
            inert(column, odd);
        }
        let rows = ids.iter().zip(starts.iter()).zip(ends.iter()).zip(odd).enumerate();
        for (row, (((id, start), end), odd)) in rows.filter(|(_, (_, odd))| !**odd) {
            let known = code(state, row);
            let state = match self.memos.states.known(known) {
                Some(state) => Ok(state),
                None => text(state, row).map(|(word, _)| {
                    let state = task_state(word);
                    self.memos.states.keep(known, state);
                    state
                }),
            };
            let (Ok(state), true) = (state, id.is_some()) else {
                *odd = true;
                continue;
            };
            self.zoneless += i64::from(walls[0] && *start != NEVER);
            self.zoneless += i64::from(walls[1] && *end != NEVER);
            let end = if open(state) { NEVER } else { *end };
            let word = TaskState::ALL.iter().position(|w| *w == state.word()).unwrap_or(0) as u32;
            self.put_task(Task { id: *id, start: *start, end, state: word });
        }
    }

    fn approvals_of(&mut self, columns: &[Option<Column>], s: &mut Scratch) {
        let [id, grant, approver, decision, decided] = columns else {
            return s.odd.fill(true);
        };
        let Scratch { odd, ids: [ids, grants, _], times: [times, ..], .. } = s;
        let [of_id, of_grant, _] = &mut self.memos.names;
        names(&self.shared.key, id.as_ref(), of_id, ids, odd);
        names(&self.shared.key, grant.as_ref(), of_grant, grants, odd);
        let wall = instants(decided, times, odd);
        let rows = ids.iter().zip(grants.iter()).zip(times.iter()).zip(odd).enumerate();
        for (row, (((id, grant), at), odd)) in rows.filter(|(_, (_, odd))| !**odd) {
            let mut read = || -> Result<(), Odd> {
                let known = code(decision, row);
                let verdict = match self.memos.verdicts.known(known) {
                    Some(verdict) => verdict,
                    None => {
                        let verdict = verdict_of(text(decision, row)?.0)?;
                        self.memos.verdicts.keep(known, verdict);
                        verdict
                    }
                };
                let known = code(approver, row);
                let approver = match self.memos.approvers.known(known) {
                    Some(number) => number,
                    None => match text(approver, row)?.0 {
                        None => NOBODY,
                        Some(name) => {
                            let number = self.approver(name);
                            self.memos.approvers.keep(known, number);
                            number
                        }
                    },
                };
                let (id, grant, verdict) = match (id.is_some(), grant.is_some()) {
                    (true, true) => (*id, *grant, verdict),
                    (true, false) => (*id, *id, verdict | verdict::NO_GRANT),
                    _ => return Err(Odd),
                };
                self.zoneless += i64::from(wall && *at != NEVER);
                self.put_approval(Approval { id, grant, approver, at: *at, verdict });
                Ok(())
            };
            *odd = read().is_err();
        }
    }

    fn uses_of(&mut self, columns: &[Option<Column>], s: &mut Scratch) {
        let [who, platform, privilege, scope, grant, day, first, last, count, errors] = columns
        else {
            return s.odd.fill(true);
        };
        let Scratch { odd, ids: [ids, ..], times: [firsts, lasts, ..], numbers: [n, failed] } = s;
        let [of_grant, ..] = &mut self.memos.names;
        let key = self.shared.key;
        names(&key, grant.as_ref(), of_grant, ids, odd);
        let walls = [instants(first, firsts, odd), instants(last, lasts, odd)];
        counts(count, n, odd);
        counts(errors, failed, odd);
        if let Some(day) = day {
            odd.iter_mut().enumerate().for_each(|(row, odd)| *odd |= !is_day(day.get(row)));
        }
        let times = firsts.iter().zip(lasts.iter()).zip(n.iter().zip(failed.iter()));
        let rows = ids.iter().zip(times).zip(odd).enumerate();
        for (row, ((grant, ((first, last), (count, errors))), odd)) in rows {
            if *odd {
                continue;
            }
            let mut read = || -> Result<(), Odd> {
                let (first, last) = (*first, *last);
                if !grant.is_some() || first == NEVER || last == NEVER || last < first {
                    return Err(Odd);
                }
                let known =
                    [code(who, row), code(platform, row), code(privilege, row), code(scope, row)];
                if self.memos.users.known(known[0]).is_none() {
                    text(who, row)?.0.ok_or(Odd)?;
                }
                let platform = match self.memos.platforms.known(known[1]) {
                    Some(()) => None,
                    None => Some(text(platform, row)?.0),
                };
                let privilege = match self.memos.used.known(known[2]) {
                    Some(id) => Some(id),
                    None => text(privilege, row)?.0.map(|s| self.used(known[2], s)),
                };
                let scope = match self.memos.places.known(known[3]) {
                    Some(id) => Some(id),
                    None => text(scope, row)?.0.map(|s| self.used_at(known[3], s)),
                };
                self.zoneless += i64::from(walls[0]) + i64::from(walls[1]);
                if *count != 0 && first <= self.shared.latest {
                    self.count_user(known[0], || text(who, row).ok().and_then(|t| t.0));
                }
                if let Some(platform) = platform {
                    self.platform(known[1], platform.map(lower));
                }
                let (Some(privilege), Some(scope)) = (privilege, scope) else {
                    self.see(first);
                    self.see(last);
                    self.put_use(Use::bare(*grant));
                    return Ok(());
                };
                self.put_use(Use {
                    grant: *grant,
                    what: what(&key, privilege, scope),
                    first,
                    last,
                    count: *count,
                    failed: u32::from(*count > 0 && errors >= count),
                });
                Ok(())
            };
            *odd = read().is_err();
        }
    }
}
