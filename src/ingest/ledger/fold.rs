//! Event logs of brokers: what many records say about one grant becomes one grant.
//!
//! An adapter of a log does not build [`Grant`]s. It fills a [`Book`]: per grant a [`Draft`] with what
//! records state of it and the canonical events of its life. When all files are read, [`settle`] joins
//! the drafts of all files, so that a log that was rotated in the middle of a grant reads like one
//! file, and derives decision, interval and end from the events.
//!
//! Specification: grants model, sections 4.2 (order), 4.3 (censoring), 4.4 (duplicates), 4.5 (renewal).

mod life;
mod settle;
#[cfg(test)]
mod tests;

pub use settle::settle;

use std::collections::BTreeMap;

use super::views::Views;
use crate::facts::{
    Credential, CredentialKind, Delegation, EndKind, EventKind, Grant, GrantEvent, Outcome,
    Principal, PrincipalKind, Quarantined, Text, Time, Usage, UsageGrain, text,
};
use crate::ingest::ledger::credentials::truncate_id;

/// One canonical event of a log. Events of one grant are ordered by time (down to nanoseconds), then
/// by the rank of the kind (its order of declaration), then by the log's own sequence, and never by
/// their place in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    /// Canonical kind.
    pub kind: EventKind,
    /// When it happened.
    pub at: Time,
    /// Nanoseconds below the microsecond of `at`.
    pub nanos: u16,
    /// The log's own sequence among records of one time; 0 where it has none.
    pub seq: i64,
    /// Native id of the record, where ids are unique per event; events of one kind, time and id are
    /// one. Empty: events are one when their whole content is equal.
    pub key: Text,
    /// When the log wrote it.
    pub recorded_at: Option<Time>,
    /// Actor as written; `None` for scheduled events.
    pub actor: Option<Text>,
    /// Outcome.
    pub outcome: Outcome,
    /// New end, for `extended` (the authorised end) and `renewed` (the end of the credential).
    pub new_end: Option<Time>,
    /// Reason or detail.
    pub reason: Option<Text>,
    /// How access ended, for an event that ends it; `None` where the kind says all.
    pub end: Option<EndKind>,
    /// The removal was only accepted, or is only the ledger's own view: access may be gone from `at`
    /// on, but nothing shows by when it was.
    pub unconfirmed: bool,
    /// Source.
    pub source_id: Text,
    /// Place in the source.
    pub source_ref: Text,
}

impl Event {
    /// What makes two records the same event.
    fn same(&self, other: &Self) -> bool {
        if self.key != other.key {
            return false;
        }
        !self.key.is_empty()
            || Self {
                source_id: other.source_id.clone(),
                source_ref: other.source_ref.clone(),
                recorded_at: other.recorded_at,
                ..self.clone()
            } == *other
    }

    fn rank(&self) -> (Time, u16, EventKind, i64) {
        (self.at, self.nanos, self.kind, self.seq)
    }

    fn row(self, grant_id: Option<&Text>) -> GrantEvent {
        GrantEvent {
            grant_id: grant_id.cloned(),
            kind: self.kind,
            occurred_at: self.at,
            recorded_at: self.recorded_at,
            actor: self.actor,
            outcome: self.outcome,
            new_end: self.new_end,
            reason: self.reason,
            source_id: self.source_id,
            source_ref: self.source_ref,
        }
    }
}

/// Which grants an event is about that names none by its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The one grant with this key in [`Draft::keys`] that runs and whose due time is nearest: a
    /// revocation that names holder and privilege only.
    Running(Text),
    /// Every grant with this key that began before: a lock on a user or a role.
    Every(Text),
    /// Every grant whose id begins so and that began before: revocation of leases by prefix.
    Prefix(Text),
    /// Nothing in the record leads to a grant. The event is kept without one.
    Unknown,
}

/// What the records read so far say about one grant.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// What records state: names, scope, authorised window, reason. Fields that nothing stated are
    /// empty. Decision, activation and end may be stated here by a record that shows only the last
    /// state; events win over them.
    pub facts: Grant,
    /// Time of the last statement in `facts`.
    stated_at: Option<Time>,
    /// Canonical events, in the order they were read.
    pub events: Vec<Event>,
    /// The log never says when access ends: without an end the grant is not open-ended, its end is
    /// unknown.
    pub ends_unstated: bool,
    /// Access ends with the request (`request_expires_at`) unless an end of its own is stated.
    pub request_end_holds: bool,
    /// The grant became permanent: no stated end holds any more.
    pub endless: bool,
    /// What to call the beneficiary where no record names one, if the grant matters even so.
    pub holder_else: Option<Text>,
    /// Names by which an event without grant id can reach it (see [`Target`]).
    pub keys: Vec<Text>,
    /// Contradictions between records.
    conflicts: Vec<Quarantined>,
}

/// Joins two statements about one grant field by field: what the later one says wins, what it leaves
/// open stays. The place is that of the earlier one.
fn join(earlier: &Grant, later: &Grant) -> Grant {
    let mut g = earlier.clone();
    macro_rules! over {
        ($($option:ident),*; $($name:ident),*; $($word:ident),*) => {
            $( if later.$option.is_some() { g.$option.clone_from(&later.$option); } )*
            $( if !later.$name.is_empty() { g.$name.clone_from(&later.$name); } )*
            $( if later.$word != Default::default() { g.$word = later.$word; } )*
        };
    }
    over!(
        platform, beneficiary_kind, requester, on_behalf_of, scope, requested_at, request_expires_at,
        decided_at, not_before, not_after, duration_requested_s, activated_at_lo, activated_at_hi,
        revoke_requested_at, ended_at_lo, ended_at_hi, justification, ticket_system, ticket_id,
        task_ref, approval_ref, break_glass, approved_privilege, grant_kind, session_duration_s;
        beneficiary, privilege;
        broker_kind, decision, end_kind
    );
    for hint in &later.task_hints {
        if !g.task_hints.contains(hint) {
            g.task_hints.push(hint.clone());
        }
    }
    g.residual_until = g.residual_until.max(later.residual_until);
    g.externally_modified |= later.externally_modified;
    g.n_extensions = g.n_extensions.max(later.n_extensions);
    g.n_renewals = g.n_renewals.max(later.n_renewals);
    g
}

impl Draft {
    /// Adds what a record of this time states; system and id need not be set. Of two statements the later one wins, whatever their
    /// order in the files. A record that gives the grant to somebody else is a contradiction: it is
    /// named, and not believed.
    pub fn state(&mut self, at: Time, facts: Grant) {
        let facts = Grant {
            system: self.facts.system.clone(),
            grant_id: self.facts.grant_id.clone(),
            ..facts
        };
        let Some(before) = self.stated_at else {
            (self.facts, self.stated_at) = (facts, Some(at));
            return;
        };
        let (a, b) = (&self.facts.beneficiary, &facts.beneficiary);
        if !a.is_empty() && !b.is_empty() && a != b {
            self.conflicts.push(Quarantined {
                source_id: facts.source_id.clone(),
                source_ref: facts.source_ref.clone(),
                reason: text(format!(
                    "grant `{}` is already at {}#{} with another beneficiary; the first is kept",
                    facts.grant_id, self.facts.source_id, self.facts.source_ref
                )),
            });
            return;
        }
        self.facts =
            if at < before { join(&facts, &self.facts) } else { join(&self.facts, &facts) };
        self.stated_at = Some(before.max(at));
    }

    /// Adds a key for [`Target`].
    pub fn key(&mut self, key: impl AsRef<str>) {
        if !self.keys.iter().any(|k| **k == *key.as_ref()) {
            self.keys.push(text(key));
        }
    }

    /// The earliest time at which anything is known of the grant.
    fn began(&self) -> Option<Time> {
        let f = &self.facts;
        [f.requested_at, f.not_before, f.activated_at_lo, self.stated_at]
            .into_iter()
            .flatten()
            .chain(self.events.iter().map(|e| e.at))
            .min()
    }

    /// When it is due, as far as records state it.
    fn due(&self) -> Option<Time> {
        let f = &self.facts;
        let start = || f.activated_at_lo.or(f.not_before).or_else(|| self.began());
        f.not_after.or_else(|| Some(start()?.plus_secs(f.duration_requested_s?)))
    }

    /// Adds an event.
    pub fn push(&mut self, event: Event) {
        self.events.push(event);
    }

    fn absorb(&mut self, other: Self) {
        if let Some(at) = other.stated_at {
            self.state(at, other.facts);
        }
        self.events.extend(other.events);
        self.conflicts.extend(other.conflicts);
        for key in &other.keys {
            self.key(key);
        }
        self.ends_unstated |= other.ends_unstated;
        self.request_end_holds |= other.request_end_holds;
        self.endless |= other.endless;
        self.holder_else = self.holder_else.take().or(other.holder_else);
    }

    /// Orders the events and drops the repeated ones.
    fn order(&mut self) {
        self.events.sort_by(|a, b| a.rank().cmp(&b.rank()).then_with(|| a.key.cmp(&b.key)));
        let mut kept: Vec<Event> = Vec::with_capacity(self.events.len());
        let mut run = 0;
        for e in self.events.drain(..) {
            if kept.last().is_none_or(|last| last.rank() != e.rank()) {
                run = kept.len();
            }
            // Records of one rank are few; a log with thousands has keys and they are sorted.
            let mut near = kept.get(run..).unwrap_or(&[]).iter().rev().take(64);
            if !near.any(|have| have.same(&e)) {
                kept.push(e);
            }
        }
        self.events = kept;
    }
}

/// Keys of a use that is counted per day.
type UseKey = (Text, [Option<Text>; 8], Outcome, i64);

/// What one file says about grants, credentials and use, not yet joined with other files.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// Drafts by ledger system and native id.
    drafts: BTreeMap<(Text, Text), Draft>,
    /// Credentials by kind and whole id. Whole ids stay in here: rows get the truncated one.
    credentials: BTreeMap<(CredentialKind, Text), Credential>,
    /// Uses per day.
    uses: BTreeMap<UseKey, Usage>,
    /// Sessions by the log's id.
    sessions: BTreeMap<Text, Usage>,
    /// Events that name no grant, by ledger system.
    loose: Vec<(Text, Target, Event)>,
    /// Other names of grants that are rows already, to find them in other exports.
    views: Views,
    /// Hops of acting for another, by session.
    hops: BTreeMap<Text, Delegation>,
    /// Principals whose kind records of use state.
    kinds: BTreeMap<Text, Principal>,
}

impl Book {
    /// The draft of a grant; a new one knows its system and id only.
    pub fn draft(&mut self, system: &str, grant_id: &str) -> &mut Draft {
        let key = (text(system), text(grant_id));
        self.drafts.entry(key).or_insert_with_key(|(system, grant_id)| Draft {
            facts: Grant { system: system.clone(), grant_id: grant_id.clone(), ..Grant::default() },
            ..Draft::default()
        })
    }

    /// Adds an event that names no grant by its id. Which grants it is about is decided when all files
    /// are read; if it reaches none, it is kept without a grant.
    pub fn loose(&mut self, system: &str, target: Target, event: Event) {
        self.loose.push((text(system), target, event));
    }

    /// Adds other names of a grant that is a row of its own (see [`super::views`]).
    pub fn view(
        &mut self,
        system: &str,
        grant_id: &str,
        native: bool,
        request: Option<&Text>,
        ids: Option<&(Text, Text)>,
    ) {
        let view = self.views.entry((text(system), text(grant_id))).or_default();
        view.add(native, request, ids);
    }

    /// Adds a hop that several records of one session tell of; `key` is the session's own.
    pub fn hop(&mut self, key: &str, hop: Delegation) {
        match self.hops.get_mut(key) {
            Some(have) => join_hop(have, hop),
            None => {
                self.hops.insert(text(key), hop);
            }
        }
    }

    /// Notes a principal whose kind a record of use states; a contradiction leaves the kind unknown. An
    /// e-mail address is left to the directory that has it.
    pub fn kind(&mut self, p: Principal) {
        if p.principal_id.contains('@') {
            return;
        }
        match self.kinds.get_mut(&p.principal_id) {
            Some(have) if have.kind != p.kind => have.kind = PrincipalKind::Unknown,
            Some(_) => {}
            None => {
                self.kinds.insert(p.principal_id.clone(), p);
            }
        }
    }

    /// Adds what a record says of a session with an id; its start and end may be separate records.
    pub fn session(&mut self, id: &str, u: Usage) {
        match self.sessions.get_mut(id) {
            Some(have) => join_session(have, u),
            None => {
                self.sessions.insert(text(id), u);
            }
        }
    }

    /// Whether a grant was mentioned before in this file.
    #[must_use]
    pub fn knows(&self, system: &str, grant_id: &str) -> bool {
        self.drafts.contains_key(&(text(system), text(grant_id)))
    }

    /// Adds what a record says of a credential. `id` is the whole id; it is truncated here (unless the
    /// adapter gives a name of its own) and the whole one is dropped with the book. Records of one credential are joined: first issue, last
    /// expiry, first revocation, last use.
    pub fn credential(&mut self, id: &str, mut c: Credential) {
        if c.credential_id.is_empty() {
            c.credential_id = text(truncate_id(id));
        }
        let key = (c.kind, text(id));
        match self.credentials.get_mut(&key) {
            Some(have) => join_credential(have, c),
            None => {
                self.credentials.insert(key, c);
            }
        }
    }

    /// Counts a use of one instant (`first_at`). Uses that differ in nothing but the time of day are
    /// one row with first, last and count, so that memory does not grow with the lines of a log.
    pub fn used(&mut self, u: Usage) {
        let Some(at) = u.first_at else { return };
        let key = (
            u.principal.clone(),
            [
                u.on_behalf_of.clone(),
                u.credential_id.clone(),
                u.grant_id.clone(),
                u.task_id.clone(),
                u.privilege.clone(),
                u.scope.clone(),
                u.action.clone(),
                u.resource.clone(),
            ],
            u.outcome,
            at.secs().div_euclid(86_400),
        );
        match self.uses.get_mut(&key) {
            Some(have) => {
                have.first_at = have.first_at.min(Some(at));
                have.last_at = have.last_at.max(Some(at));
                have.count = have.count.map(|n| n.saturating_add(1));
                have.grain = UsageGrain::Action;
                if have.source_ip != u.source_ip {
                    have.source_ip = None;
                }
                if have.user_agent != u.user_agent {
                    have.user_agent = None;
                }
            }
            None => {
                let row =
                    Usage { last_at: Some(at), count: Some(1), grain: UsageGrain::Event, ..u };
                self.uses.insert(key, row);
            }
        }
    }
}

fn join_session(have: &mut Usage, u: Usage) {
    have.first_at = match (have.first_at, u.first_at) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    have.last_at = have.last_at.max(u.last_at);
    have.grant_id = have.grant_id.take().or(u.grant_id);
    have.resource = have.resource.take().or(u.resource);
    have.source_ip = have.source_ip.take().or(u.source_ip);
}

fn join_hop(have: &mut Delegation, hop: Delegation) {
    have.from = match (have.from, hop.from) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    have.until = have.until.max(hop.until);
}

fn join_credential(have: &mut Credential, c: Credential) {
    let least = |a: Option<Time>, b: Option<Time>| match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    if have.principal.is_empty() {
        have.principal = c.principal;
    }
    have.grant_id = have.grant_id.take().or(c.grant_id);
    have.issued_at = least(have.issued_at, c.issued_at);
    have.rotated_at = have.rotated_at.max(c.rotated_at);
    have.expires_at = have.expires_at.max(c.expires_at);
    have.no_expiry = match (have.no_expiry, c.no_expiry) {
        (Some(a), Some(b)) => Some(a || b),
        (a, b) => a.or(b),
    };
    have.ttl_s = have.ttl_s.or(c.ttl_s);
    have.max_expires_at = have.max_expires_at.max(c.max_expires_at);
    have.revoked_at = least(have.revoked_at, c.revoked_at);
    have.last_used_at = have.last_used_at.max(c.last_used_at);
    have.use_tracked |= c.use_tracked;
    have.mfa = have.mfa.or(c.mfa);
    have.active = if have.revoked_at.is_some() { Some(false) } else { c.active.or(have.active) };
}
