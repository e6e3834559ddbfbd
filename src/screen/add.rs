//! Rows of fixed width out of records in words. What a dictionary lists is worked out once for all its rows.

use super::cell::NO_CODE;
use super::id::Id;
use super::memo::{Home, Where, Who};
use super::read::Worker;
use super::rows::{Approval, Grant, Mention, NEVER, Task, Use, at, bit, place};
use super::shared::fill;
use super::store::push;
use super::told::{SKEW_S, Told, ToldUse, may_name_ticket, what};
use super::vocabulary::Privilege;
use crate::analyze::scope;
use crate::analyze::tasks::{issue_numbers, ticket_ids};
use crate::facts::cell::Word;
use crate::facts::identity::{kind_by_form, normalise};
use crate::facts::{PrincipalKind, TaskState, text};

impl Worker<'_, '_> {
    pub(super) fn see(&mut self, us: i64) {
        if us != NEVER {
            self.span = (self.span.0.min(us), self.span.1.max(us));
        }
    }

    fn id(&self, s: &str) -> Id {
        self.shared.key.id(s.as_bytes())
    }

    /// Name of a principal in the form that all names of it share.
    fn principal(&self, s: &str) -> Id {
        let plain = s.is_ascii() && !s.bytes().any(|b| b.is_ascii_uppercase());
        if plain || !s.contains('@') { self.id(s) } else { self.id(&normalise(s)) }
    }

    pub(super) fn add_grant(&mut self, row: u32, t: &Told<'_>) {
        for us in [t.requested, t.start, t.ended] {
            self.see(us);
        }
        let key = self.shared.key;
        let place = place(self.number, row);
        let id = self.id(t.id);
        let who = self.who(t);
        let home = self.home(t);
        let (privilege, privilege_id) = self.privilege(t, home);
        let found = self.place_of(t, home.platform);
        let mut bits = if found.nests { bit::NESTS } else { 0 };
        if who.session {
            bits |= bit::SESSION;
        }
        let task = self.task_of(t, place, &mut bits);
        let approval = t.approval.map_or(Id::NONE, |a| self.id(a));
        for (missing, b) in
            [(t.reason.is_none(), bit::NO_REASON), (t.scope.is_none(), bit::NO_SCOPE)]
        {
            bits |= if missing { b } else { 0 };
        }
        let early = at(t.requested).zip(at(t.start));
        if early.is_some_and(|(asked, start)| asked.secs_since(start) > SKEW_S) {
            bits |= bit::BEFORE_REQUEST;
        }
        self.note_grant(t, place, who, home.system);
        push(
            &mut self.grants,
            id.part(self.parts),
            Grant {
                id,
                task,
                approval,
                principal: who.id,
                scope: found.scope,
                spot: found.spot.high(),
                what: what(&key, privilege_id, found.scope),
                privilege,
                system: home.system,
                place,
                requested: t.requested,
                start: t.start,
                due: t.due,
                ended: t.ended,
                bits,
            },
        );
    }

    /// The task that a grant names, and what else may lead to one.
    fn task_of(&mut self, t: &Told<'_>, place: u64, bits: &mut u32) -> Id {
        if let Some(reason) = t.reason.filter(|r| self.shared.has_tasks && may_name_ticket(r)) {
            for ticket in ticket_ids(reason).chain(issue_numbers(reason)) {
                let id = self.id(ticket);
                push(&mut self.tickets, id.part(self.parts), Mention { id, place });
            }
        }
        let Some(name) = t.task else { return Id::NONE };
        if name.bytes().any(|b| matches!(b, b',' | b';')) {
            self.shared.refuse("a reference to several tasks");
        }
        if name.contains(':') {
            *bits |= bit::SYSTEM_TASK;
        }
        self.id(name)
    }

    fn who(&mut self, t: &Told<'_>) -> Who {
        if let Some(who) = self.memos.who.known(t.codes.who) {
            return who;
        }
        let who = Who {
            id: self.principal(t.who),
            form: kind_by_form(t.who),
            session: t.who.contains(":assumed-role/"),
            noted: false,
        };
        self.memos.who.keep(t.codes.who, who);
        who
    }

    fn home(&mut self, t: &Told<'_>) -> Home {
        if let Some(home) = t.codes.home.and_then(|key| self.memos.homes.get(&key)) {
            return *home;
        }
        let id = self.id(t.system);
        let number = u32::try_from(self.memos.homes.len()).unwrap_or(u32::MAX);
        let home = Home {
            system: self.shared.systems.number(&mut self.systems, id, || text(t.system)),
            platform: t.platform.as_ref().map_or(Id::NONE, |p| self.id(p)),
            number,
        };
        if let Some(key) = t.codes.home {
            self.memos.homes.insert(key, home);
        }
        home
    }

    /// Number of the privilege, and the hash of its name.
    fn privilege(&mut self, t: &Told<'_>, home: Home) -> (u32, Id) {
        let known = t.codes.privilege != NO_CODE && t.codes.home.is_some();
        let place = u64::from(home.number) << 32 | u64::from(t.codes.privilege);
        if let Some(found) = self.memos.privileges.get(&place).filter(|_| known) {
            return *found;
        }
        let id = self.id(t.privilege);
        let platform = home.platform;
        let pair = self.shared.key.join([
            platform.high(),
            u64::from(platform.low()),
            id.high(),
            u64::from(id.low()),
        ]);
        let number = self.shared.privileges.number(&mut self.privileges, pair, || Privilege {
            platform: t.platform.as_deref().map(text),
            name: text(t.privilege),
        });
        if known {
            self.memos.privileges.insert(place, (number, id));
        }
        (number, id)
    }

    fn place_of(&mut self, t: &Told<'_>, platform: Id) -> Where {
        let known = self.memos.scopes.known(t.codes.scope).filter(|w| w.platform == platform);
        if let Some(found) = known {
            return found;
        }
        let scope = t.scope.map_or(Id::NONE, |s| self.id(s));
        let (spot, nests) = match t.scope {
            None => (self.id("*"), false),
            Some(s) => {
                let canonical = scope::canonical(t.platform.as_deref(), s);
                let nests = canonical.contains('/') || canonical.starts_with("arn:");
                let spot = if canonical.len() == s.len() { scope } else { self.id(&canonical) };
                (spot, nests)
            }
        };
        let found = Where { platform, scope, spot, nests };
        self.memos.scopes.keep(t.codes.scope, found);
        found
    }

    fn note_grant(&mut self, t: &Told<'_>, place: u64, who: Who, system: u32) {
        self.sums.grants += 1;
        fill(
            &mut self.fills,
            system as usize,
            [t.task.is_some(), t.reason.is_some(), t.scope.is_some()],
        );
        if t.start != NEVER {
            let first = self.sums.first_start.unwrap_or(t.start);
            self.sums.first_start = Some(first.min(t.start));
        }
        let kind = t.kind.unwrap_or(who.form);
        if kind != PrincipalKind::Unknown && !who.noted {
            let have = self.sums.kinds.entry(who.id).or_insert((place, kind));
            if place < have.0 {
                *have = (place, kind);
            }
            // The rows of a dictionary come in order, so the first of them decides.
            self.memos.who.keep(t.codes.who, Who { noted: true, ..who });
        }
    }

    pub(super) fn add_task(&mut self, id: &str, start: i64, end: i64, state: TaskState) {
        self.see(start);
        self.see(end);
        let id = self.id(id);
        let word = TaskState::ALL.iter().position(|w| *w == state.word()).unwrap_or(0) as u32;
        let state = word | (self.number as u32) << 8;
        push(&mut self.tasks, id.part(self.parts), Task { id, start, end, state });
    }

    pub(super) fn add_approval(
        &mut self,
        (id, grant): (&str, &str),
        (approver, code): (Option<&str>, u32),
        (at, verdict): (i64, u32),
        row: u32,
    ) {
        self.see(at);
        self.sums.approvals += 1;
        let (id, grant) = (self.id(id), self.id(grant));
        let who = match (self.memos.approvers.known(code), approver) {
            (Some(who), _) => who,
            (None, None) => Id::NONE,
            (None, Some(name)) => {
                let who = self.principal(name);
                self.sums.approvers.entry(who).or_insert_with(|| normalise(name));
                self.memos.approvers.keep(code, who);
                who
            }
        };
        let place = place(self.number, row);
        let row = Approval { id, grant, approver: who, at, verdict, place };
        push(&mut self.approvals, grant.part(self.parts), row);
    }

    pub(super) fn add_use(&mut self, t: &ToldUse<'_>) {
        self.see(t.first);
        self.see(t.last);
        let (Some(privilege), Some(scope)) = (t.privilege, t.scope) else {
            return self.shared.refuse("use that does not name its privilege and scope");
        };
        let grant = self.id(t.grant);
        if t.count != 0 && t.first != NEVER {
            let (id, form, n) = self
                .memos
                .users
                .known(t.codes.who)
                .unwrap_or_else(|| (self.principal(t.who), kind_by_form(t.who), 0));
            if t.codes.who == NO_CODE {
                self.sums.users.entry(id).or_insert((form, 0)).1 += 1;
            } else {
                self.memos.users.keep(t.codes.who, (id, form, n + 1));
            }
        }
        if self.memos.platforms.known(t.codes.platform).is_none() {
            if !self.platforms.iter().any(|p| p.as_deref() == t.platform.as_deref()) {
                self.platforms.push(t.platform.as_deref().map(text));
            }
            self.memos.platforms.keep(t.codes.platform, ());
        }
        let privilege = self.memos.used.known(t.codes.privilege).unwrap_or_else(|| {
            let id = self.id(privilege);
            self.memos.used.keep(t.codes.privilege, id);
            id
        });
        let scope = self.memos.places.known(t.codes.scope).unwrap_or_else(|| {
            let id = self.id(scope);
            self.memos.places.keep(t.codes.scope, id);
            id
        });
        let what = what(&self.shared.key, privilege, scope);
        push(
            &mut self.uses,
            grant.part(self.parts),
            Use {
                grant,
                what,
                first: t.first,
                last: t.last,
                count: t.count,
                failed: u32::from(t.failed),
            },
        );
    }
}
