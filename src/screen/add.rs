//! Rows of fixed width out of records in words. What a dictionary lists is worked out once for all its rows.

use std::borrow::Cow;

use super::cell::NO_CODE;
use super::id::Id;
use super::marks::canonical;
use super::memo::{Home, Where, Who};
use super::read::Worker;
use super::rows::{Approval, Grant, NEVER, NOBODY, Task, Use, at, bit, place, verdict};
use super::shared::fill;
use super::store::push;
use super::told::{More, SKEW_S, Told, ToldUse, may_name_ticket, what};
use super::vocabulary::Privilege;
use super::whole::inverted;
use crate::analyze::scope;
use crate::analyze::tasks::{issue_numbers, ticket_ids};
use crate::facts::cell::Word;
use crate::facts::identity::{kind_by_form, normalise};
use crate::facts::{PrincipalKind, TaskState, text};

/// A grant whose names are hashed.
#[derive(Debug)]
pub struct Named {
    /// Its own id.
    pub id: Id,
    /// Task that it names.
    pub task: Id,
    /// Approval that it names.
    pub approval: Id,
    /// Principal.
    pub who: Who,
    /// Kind of the principal.
    pub kind: Option<PrincipalKind>,
    /// Number of the ledger system.
    pub system: u32,
    /// Number of the privilege.
    pub privilege: u32,
    /// Name of the privilege.
    pub privilege_id: Id,
    /// Scope.
    pub place: Where,
    /// What most do not tell.
    pub more: More,
    /// A reason is given.
    pub has_reason: bool,
    /// A scope is given.
    pub has_scope: bool,
    /// The reference may name a system in front of the task.
    pub system_task: bool,
    /// The row engine judges it.
    pub aside: bool,
    /// Request.
    pub requested: i64,
    /// Start.
    pub start: i64,
    /// Authorised end.
    pub due: i64,
    /// Recorded end.
    pub ended: i64,
    /// Place of the principal in its dictionary.
    pub known: u32,
}

impl Worker<'_, '_> {
    pub(super) fn see(&mut self, us: i64) {
        if us != NEVER {
            self.span = (self.span.0.min(us), self.span.1.max(us));
        }
    }

    pub(super) fn id(&self, s: &str) -> Id {
        self.shared.key.id(s.as_bytes())
    }

    /// Name of a principal in the form that all names of it share.
    fn principal(&self, s: &str) -> Id {
        canonical(&self.shared.key, s)
    }

    pub(super) fn add_grant(&mut self, row: u32, t: &Told<'_>) {
        let who = self.memos.who.known(t.codes.who).unwrap_or_else(|| self.who(t.codes.who, t.who));
        let seen = t.codes.home.and_then(|key| self.memos.homes.get(&key).copied());
        let home = seen.unwrap_or_else(|| self.home(t.codes.home, t.system, t.platform.as_deref()));
        let (privilege, privilege_id) = self
            .privilege_known(home, t.codes.privilege)
            .unwrap_or_else(|| self.privilege(home, t.codes.privilege, t.privilege));
        let found = self
            .place_known(t.codes.scope, home)
            .unwrap_or_else(|| self.place_of(t.codes.scope, t.scope, home));
        let (several, system_task) =
            t.task.map_or((false, false), |name| self.task_form(name.as_bytes()));
        let named = Named {
            id: self.id(t.id),
            task: t.task.map_or(Id::NONE, |name| self.id(name)),
            approval: t.approval.map_or(Id::NONE, |a| self.id(a)),
            who,
            kind: t.kind,
            system: home.system,
            privilege,
            privilege_id,
            place: found,
            more: t.more,
            has_reason: t.reason.is_some(),
            has_scope: t.scope.is_some(),
            system_task,
            aside: t.aside || several,
            requested: t.requested,
            start: t.start,
            due: t.due,
            ended: t.ended,
            known: t.codes.who,
        };
        let at = self.put_grant(row, &named);
        if let Some(reason) = t.reason {
            self.tickets(reason, at);
        }
    }

    /// A grant whose names are hashed; says where it was put.
    pub(super) fn put_grant(&mut self, row: u32, n: &Named) -> (usize, u32) {
        for us in [n.requested, n.start, n.ended] {
            self.see(us);
        }
        let mut bits = 0;
        for (there, b) in [
            (n.place.nests, bit::NESTS),
            (n.who.session, bit::SESSION),
            (n.approval.is_some(), bit::NAMES_APPROVAL),
            (n.task.is_some(), bit::NAMES_TASK),
            (n.system_task, bit::SYSTEM_TASK),
            (n.aside, bit::ASIDE),
            (!n.has_reason && !n.more.ticket, bit::NO_REASON),
            (!n.more.requester, bit::NO_REQUESTER),
            (!n.has_scope, bit::NO_SCOPE),
        ] {
            bits |= if there { b } else { 0 };
        }
        bits |= n.more.said;
        let early = at(n.requested).zip(at(n.start));
        if early.is_some_and(|(asked, start)| asked.secs_since(start) > SKEW_S) {
            bits |= bit::BEFORE_REQUEST;
        }
        self.note_grant(n, place(self.number, row));
        let grant = Grant {
            principal: n.who.id,
            privilege: n.privilege,
            spot: n.place.spot.high(),
            what: what(&self.shared.key, n.privilege_id, n.place.scope),
            approval: n.approval.high(),
            requested: n.requested,
            start: n.start,
            due: n.due,
            ended: n.ended,
            bits,
            row,
            file: self.number as u16,
            system: self.system(n.system),
        };
        let part = grant.part(self.parts);
        let Some((grants, names)) = self.grants.get_mut(part).zip(self.names.get_mut(part)) else {
            return (part, 0);
        };
        let at = u32::try_from(grants.len()).unwrap_or(u32::MAX);
        if n.more.decided != NEVER {
            self.said.push((part, at, n.more.decided));
        }
        grants.push(grant);
        names.push([n.id, n.task, n.approval]);
        (part, at)
    }

    fn system(&self, number: u32) -> u16 {
        u16::try_from(number).unwrap_or_else(|_| {
            self.shared.refuse("more ledger systems than 16 bits count");
            u16::MAX
        })
    }

    /// Tickets that the reason of a grant names.
    pub(super) fn tickets(&mut self, reason: &str, at: (usize, u32)) {
        if !self.shared.has_tasks {
            return;
        }
        let (ticket, issue) = may_name_ticket(reason);
        let tickets = ticket.then(|| ticket_ids(reason)).into_iter().flatten();
        for name in tickets.chain(issue.then(|| issue_numbers(reason)).into_iter().flatten()) {
            self.tickets.push((at.0, at.1, self.shared.key.id(name.as_bytes())));
        }
    }

    /// Whether a reference is to several tasks, and whether it may name a system in front of the task.
    #[inline]
    pub(super) fn task_form(&self, name: &[u8]) -> (bool, bool) {
        let (mut several, mut system) = (false, false);
        for b in name {
            several |= matches!(b, b',' | b';');
            system |= *b == b':';
        }
        if several {
            self.shared.marks.say("a reference to several tasks");
        }
        (several, system)
    }

    /// Reads a principal.
    pub(super) fn who(&mut self, code: u32, name: &str) -> Who {
        let who = Who {
            id: self.principal(name),
            form: kind_by_form(name),
            session: name.contains(":assumed-role/"),
            noted: false,
        };
        self.memos.who.keep(code, who);
        who
    }

    /// Reads a ledger system and its platform.
    pub(super) fn home(&mut self, key: Option<u64>, system: &str, platform: Option<&str>) -> Home {
        let id = self.id(system);
        let number = u32::try_from(self.memos.homes.len()).unwrap_or(u32::MAX);
        let home = Home {
            system: self.shared.systems.number(&mut self.systems, id, || text(system)),
            platform: self.shared.platforms.number(
                &mut self.platform_numbers,
                platform.map_or(Id::NONE, |p| self.shared.key.id(p.as_bytes())),
                || platform.map(text),
            ),
            number: key.map_or(u32::MAX, |_| number),
        };
        self.platform_names.entry(home.platform).or_insert_with(|| platform.map(text));
        if let Some(key) = key {
            self.memos.homes.insert(key, home);
        }
        home
    }

    /// Number of a privilege and the hash of its name, if they were worked out for its place.
    #[inline]
    pub(super) fn privilege_known(&self, home: Home, code: u32) -> Option<(u32, Id)> {
        if code == NO_CODE || home.number == u32::MAX {
            return None;
        }
        let place = u64::from(home.number) << 32 | u64::from(code);
        self.memos.privileges.get(&place).copied()
    }

    /// Number of a privilege, and the hash of its name.
    pub(super) fn privilege(&mut self, home: Home, code: u32, name: &str) -> (u32, Id) {
        let id = self.id(name);
        let pair =
            self.shared.key.join([u64::from(home.platform), 0, id.high(), u64::from(id.low())]);
        let platforms = &self.platform_names;
        let number = self.shared.privileges.number(&mut self.privileges, pair, || Privilege {
            platform: platforms.get(&home.platform).cloned().flatten(),
            name: text(name),
        });
        if code != NO_CODE && home.number != u32::MAX {
            let place = u64::from(home.number) << 32 | u64::from(code);
            self.memos.privileges.insert(place, (number, id));
        }
        (number, id)
    }

    /// A scope on a platform, if it was worked out for its place.
    #[inline]
    pub(super) fn place_known(&self, code: u32, home: Home) -> Option<Where> {
        self.memos.scopes.known(code).filter(|w| w.platform == home.platform)
    }

    /// Reads a scope.
    pub(super) fn place_of(&mut self, code: u32, name: Option<&str>, home: Home) -> Where {
        let scope = name.map_or(Id::NONE, |s| self.id(s));
        let (spot, nests) = match name {
            None => (self.id("*"), false),
            Some(s) => {
                let platform = self.platform_names.get(&home.platform);
                let canonical = scope::canonical(platform.and_then(|p| p.as_deref()), s);
                let nests = canonical.contains('/') || canonical.starts_with("arn:");
                let spot = if canonical.len() == s.len() { scope } else { self.id(&canonical) };
                (spot, nests)
            }
        };
        let found = Where { platform: home.platform, scope, spot, nests };
        self.memos.scopes.keep(code, found);
        found
    }

    fn note_grant(&mut self, n: &Named, place: u64) {
        self.sums.grants += 1;
        self.sums.named += u64::from(n.approval.is_some());
        let (task, more) = (n.task.is_some(), &n.more);
        let filled = [task, n.has_reason, n.has_scope, more.requester, more.extended];
        fill(&mut self.fills, n.system as usize, filled);
        if n.start != NEVER {
            let first = (n.start, place);
            self.sums.first_start = Some(self.sums.first_start.map_or(first, |f| f.min(first)));
        }
        let who = n.who;
        let kind = n.kind.unwrap_or(who.form);
        if kind != PrincipalKind::Unknown && !who.noted {
            let have = self.sums.kinds.entry(who.id).or_insert((place, kind));
            if place < have.0 {
                *have = (place, kind);
            }
            // The rows of a dictionary come in order, so the first of them decides.
            self.memos.who.keep(n.known, Who { noted: true, ..who });
        }
    }

    pub(super) fn add_task(&mut self, id: &str, start: i64, end: i64, state: TaskState) {
        let word = TaskState::ALL.iter().position(|w| *w == state.word()).unwrap_or(0) as u32;
        self.put_task(Task { id: self.id(id), start, end, state: word });
    }

    /// A task whose name is hashed.
    pub(super) fn put_task(&mut self, task: Task) {
        self.see(task.start);
        self.see(task.end);
        if inverted(task.start, task.end) {
            *self.sums.inverted.entry(self.number).or_default() += 1;
        }
        push(&mut self.tasks, task.id.part(self.parts), task);
    }

    pub(super) fn add_approval(
        &mut self,
        (id, grant): (Option<&str>, Option<&str>),
        (by, code): (Option<&str>, u32),
        (at, verdict): (i64, u32),
    ) {
        let approver = match (self.memos.approvers.known(code), by) {
            (Some(who), _) => who,
            (None, None) => NOBODY,
            (None, Some(name)) => {
                let number = self.approver(name);
                self.memos.approvers.keep(code, number);
                number
            }
        };
        let approval = match (id.map(|s| self.id(s)), grant.map(|s| self.id(s))) {
            (Some(id), Some(grant)) => Approval { id, grant, approver, at, verdict },
            // It lies where its name does.
            (Some(id), None) => {
                Approval { id, grant: id, approver, at, verdict: verdict | verdict::NO_GRANT }
            }
            (None, Some(grant)) => {
                // It is of its grant and of its approver, and of no other.
                let who = by.map_or(Id::NONE, |name| self.principal(name));
                let (low, by) = (u64::from(grant.low()), u64::from(who.low()));
                let id = self.shared.key.join([grant.high(), low, who.high(), by]);
                Approval { id, grant, approver, at, verdict: verdict | verdict::BARE }
            }
            (None, None) => return,
        };
        self.put_approval(approval);
    }

    /// Number of an approver.
    pub(super) fn approver(&mut self, name: &str) -> u32 {
        let who = self.principal(name);
        let number =
            self.shared.approvers.number(&mut self.approvers, who, || (who, normalise(name)));
        if number >= NOBODY >> verdict::BITS {
            self.shared.refuse("more approvers than 27 bits count");
        }
        number
    }

    /// An approval whose names are hashed.
    pub(super) fn put_approval(&mut self, approval: Approval) {
        self.see(approval.at);
        self.sums.approvals += 1;
        push(&mut self.approvals, approval.grant.part(self.parts), approval);
    }

    pub(super) fn add_use(&mut self, t: &ToldUse<'_>) {
        self.used_by(t, true);
        let (Some(privilege), Some(scope)) = (t.privilege, t.scope) else {
            self.see(t.first);
            self.see(t.last);
            return self.put_use(Use::bare(self.id(t.grant)));
        };
        let known = self.memos.used.known(t.codes.privilege);
        let privilege = known.unwrap_or_else(|| self.used(t.codes.privilege, privilege));
        let known = self.memos.places.known(t.codes.scope);
        let scope = known.unwrap_or_else(|| self.used_at(t.codes.scope, scope));
        let what = what(&self.shared.key, privilege, scope);
        self.put_use(Use {
            grant: self.id(t.grant),
            what,
            first: t.first,
            last: t.last,
            count: t.count,
            failed: u32::from(t.failed),
        });
    }

    /// Counts a record of use, and notes its platform if it lists uses.
    pub(super) fn used_by(&mut self, t: &ToldUse<'_>, lists: bool) {
        if t.count != 0 && t.first != NEVER && t.first <= self.shared.latest {
            self.count_user(t.codes.who, || Some(t.who));
        }
        if lists && self.memos.platforms.known(t.codes.platform).is_none() {
            self.platform(t.codes.platform, t.platform.as_deref().map(Cow::Borrowed));
        }
    }

    /// Hash of the privilege of a use.
    pub(super) fn used(&mut self, code: u32, name: &str) -> Id {
        let id = self.id(name);
        self.memos.used.keep(code, id);
        id
    }

    /// Hash of the scope of a use.
    pub(super) fn used_at(&mut self, code: u32, name: &str) -> Id {
        let id = self.id(name);
        self.memos.places.keep(code, id);
        id
    }

    /// Notes the platform of a use.
    pub(super) fn platform(&mut self, code: u32, platform: Option<Cow<'_, str>>) {
        if !self.platforms.iter().any(|p| p.as_deref() == platform.as_deref()) {
            self.platforms.push(platform.as_deref().map(text));
        }
        self.memos.platforms.keep(code, ());
    }

    /// Counts a record of use of a principal.
    #[inline]
    pub(super) fn count_user<'t>(&mut self, code: u32, name: impl Fn() -> Option<&'t str>) {
        let (id, form, n) = match self.memos.users.known(code) {
            Some(found) => found,
            None => {
                let who = name().unwrap_or("");
                (self.principal(who), kind_by_form(who), 0)
            }
        };
        if code == NO_CODE {
            self.sums.users.entry(id).or_insert((form, 0)).1 += 1;
        } else {
            self.memos.users.keep(code, (id, form, n + 1));
        }
    }

    /// A use whose names are hashed.
    pub(super) fn put_use(&mut self, u: Use) {
        self.see(u.first);
        self.see(u.last);
        push(&mut self.uses, u.grant.part(self.parts), u);
    }
}
