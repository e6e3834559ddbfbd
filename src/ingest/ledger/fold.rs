//! Event logs of brokers: what many records say about one grant becomes one grant.
//!
//! An adapter of a log does not build [`Grant`]s. It fills a [`Book`]: per grant a [`Draft`] with what
//! records state of it and the canonical events of its life. When all files are read, [`settle`] joins
//! the drafts of all files, so that a log that was rotated in the middle of a grant reads like one
//! file, and derives decision, interval and end from the events.
//!
//! Specification: grants model, sections 4.2 (order), 4.3 (censoring), 4.4 (duplicates), 4.5 (renewal).

use std::collections::BTreeMap;

use crate::facts::{
    BrokerKind, Credential, CredentialKind, Decision, EndKind, EventKind, Facts, Grant, GrantEvent,
    Outcome, Quarantined, Text, Time, Usage, UsageGrain, text,
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
    have.max_expires_at = have.max_expires_at.max(c.max_expires_at);
    have.revoked_at = least(have.revoked_at, c.revoked_at);
    have.last_used_at = have.last_used_at.max(c.last_used_at);
    have.use_tracked |= c.use_tracked;
    have.mfa = have.mfa.or(c.mfa);
    have.active = if have.revoked_at.is_some() { Some(false) } else { c.active.or(have.active) };
}

/// Joins what all files say and writes grants, events, credentials and uses. Returns contradictions.
///
/// A grant whose request no file shows (it lies before the log) has no beneficiary or no privilege.
/// Its events are kept, it is not a grant row, and the source says so.
pub fn settle(books: Vec<Book>, facts: &mut Facts) -> Vec<Quarantined> {
    let mut all = Book::default();
    let mut conflicts = Vec::new();
    for book in books {
        join_books(&mut all, book, facts);
    }
    let until = seen_until(&all, facts);
    place_loose(&mut all, facts);
    let mut strays: BTreeMap<Text, i64> = BTreeMap::new();
    for ((system, grant_id), mut draft) in all.drafts {
        conflicts.append(&mut draft.conflicts);
        draft.order();
        let nameless = draft.facts.beneficiary.is_empty() || draft.facts.privilege.is_empty();
        if nameless {
            let source = draft.events.first().map_or(&draft.facts.source_id, |e| &e.source_id);
            *strays.entry(source.clone()).or_default() += 1;
        } else {
            facts.grants.push(build(&draft, until.get(&system).copied()));
        }
        facts.grant_events.extend(draft.events.into_iter().map(|e| e.row(Some(&grant_id))));
    }
    facts.credentials.extend(all.credentials.into_values().filter(|c| !c.principal.is_empty()));
    facts.usage.extend(all.uses.into_values());
    facts.usage.extend(all.sessions.into_values());
    for s in &mut facts.sources {
        let Some(n) = strays.get(&s.source_id) else { continue };
        let also = format!("{n} grants are mentioned whose request is not in the inputs");
        s.limitation =
            Some(text(s.limitation.as_ref().map_or(also.clone(), |l| format!("{l}; {also}"))));
    }
    conflicts
}

fn join_books(all: &mut Book, book: Book, facts: &mut Facts) {
    for (key, draft) in book.drafts {
        match all.drafts.get_mut(&key) {
            Some(have) => have.absorb(draft),
            None => {
                all.drafts.insert(key, draft);
            }
        }
    }
    for (key, c) in book.credentials {
        match all.credentials.get_mut(&key) {
            Some(have) => join_credential(have, c),
            None => {
                all.credentials.insert(key, c);
            }
        }
    }
    for (id, u) in book.sessions {
        all.session(&id, u);
    }
    all.loose.extend(book.loose);
    for (key, u) in book.uses {
        match all.uses.get(&key) {
            // The same log under two names counts once; another part of the day counts beside it.
            Some(have)
                if (have.first_at, have.last_at, have.count)
                    == (u.first_at, u.last_at, u.count) => {}
            Some(_) => facts.usage.push(u),
            None => {
                all.uses.insert(key, u);
            }
        }
    }
}

/// Running grants that a [`Target::Running`] event chooses among: the last ones that began.
const CANDIDATES: usize = 32;

/// Gives the events that name no grant to the grants they are about.
fn place_loose(all: &mut Book, facts: &mut Facts) {
    let mut loose = std::mem::take(&mut all.loose);
    if loose.is_empty() {
        return;
    }
    // Stable: events of one time keep the order of files and lines.
    loose.sort_by(|a, b| (&a.0, &a.1, a.2.rank()).cmp(&(&b.0, &b.1, b.2.rank())));
    loose.dedup_by(|a, b| {
        (&a.0, &a.1) == (&b.0, &b.1) && a.2.rank() == b.2.rank() && a.2.same(&b.2)
    });
    // Grants by system and key, in the order they began.
    let mut by_key: BTreeMap<(Text, Text), Vec<(Time, Text)>> = BTreeMap::new();
    for ((system, id), d) in &all.drafts {
        let Some(began) = d.began() else { continue };
        for key in &d.keys {
            by_key.entry((system.clone(), key.clone())).or_default().push((began, id.clone()));
        }
    }
    by_key.values_mut().for_each(|v| v.sort());
    for group in loose.chunk_by(|a, b| (&a.0, &a.1) == (&b.0, &b.1)) {
        let Some((system, target, _)) = group.first() else { continue };
        let hit = match target {
            Target::Unknown => vec![false; group.len()],
            Target::Running(key) => {
                let known = by_key.get(&(system.clone(), key.clone()));
                place_running(all, system, known.map_or(&[], Vec::as_slice), group)
            }
            Target::Every(key) => {
                let known = by_key.get(&(system.clone(), key.clone())).cloned().unwrap_or_default();
                place_every(all, system, &known, group)
            }
            Target::Prefix(prefix) => {
                let from = (system.clone(), prefix.clone());
                let known: Vec<(Time, Text)> = all
                    .drafts
                    .range(from..)
                    .take_while(|((s, id), _)| s == system && id.starts_with(&**prefix))
                    .filter_map(|((_, id), d)| Some((d.began()?, id.clone())))
                    .collect();
                place_every(all, system, &known, group)
            }
        };
        let unplaced = group.iter().zip(hit).filter(|(_, hit)| !hit);
        facts.grant_events.extend(unplaced.map(|((_, _, e), _)| e.clone().row(None)));
    }
}

/// Each grant gets the first event of the group that came after it began. Returns which events were
/// given to any.
fn place_every(
    all: &mut Book,
    system: &Text,
    known: &[(Time, Text)],
    group: &[(Text, Target, Event)],
) -> Vec<bool> {
    let mut hit = vec![false; group.len()];
    for (began, id) in known {
        let at = group.partition_point(|(_, _, e)| e.at < *began);
        let Some((_, _, e)) = group.get(at) else { continue };
        if let Some(d) = all.drafts.get_mut(&(system.clone(), id.clone())) {
            d.push(e.clone());
            if let Some(h) = hit.get_mut(at) {
                *h = true;
            }
        }
    }
    hit
}

/// Each event goes to the running grant whose due time is nearest, else to the one that began last.
fn place_running(
    all: &mut Book,
    system: &Text,
    known: &[(Time, Text)],
    group: &[(Text, Target, Event)],
) -> Vec<bool> {
    let mut ended: BTreeMap<Text, Time> = BTreeMap::new();
    let mut hit = Vec::with_capacity(group.len());
    for (_, _, e) in group {
        let begun = known.partition_point(|(began, _)| *began <= e.at);
        let recent = known.get(begun.saturating_sub(CANDIDATES)..begun).unwrap_or(&[]);
        let ends = is_end(e.kind);
        let chosen = recent
            .iter()
            .rev()
            .filter(|(_, id)| ended.get(id).is_none_or(|t| !ends || *t == e.at))
            .min_by_key(|(_, id)| {
                let d = all.drafts.get(&(system.clone(), id.clone()));
                d.and_then(Draft::due).map_or(i64::MAX, |due| due.secs_since(e.at).abs())
            })
            .map(|(_, id)| id.clone());
        hit.push(chosen.is_some());
        let Some(id) = chosen else { continue };
        if ends {
            ended.insert(id.clone(), e.at);
        }
        if let Some(d) = all.drafts.get_mut(&(system.clone(), id)) {
            d.push(e.clone());
        }
    }
    hit
}

fn is_end(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Revoked
            | EventKind::Expired
            | EventKind::UnboundObserved
            | EventKind::LedgerDeleted
    )
}

/// Until when the logs of each system were read: the last record time of the sources that speak of it.
fn seen_until(all: &Book, facts: &Facts) -> BTreeMap<Text, Time> {
    let last: BTreeMap<&Text, Time> = facts
        .sources
        .iter()
        .filter_map(|s| Some((&s.source_id, s.collected_at.or(s.window_end).or(s.last_time)?)))
        .collect();
    let mut out: BTreeMap<Text, Time> = BTreeMap::new();
    for ((system, _), d) in &all.drafts {
        let named =
            std::iter::once(&d.facts.source_id).chain(d.events.iter().map(|e| &e.source_id));
        let seen = named.filter_map(|id| last.get(id).copied());
        if let Some(t) = seen.chain(d.events.iter().map(|e| e.at)).max() {
            let have = out.entry(system.clone()).or_insert(t);
            *have = (*have).max(t);
        }
    }
    out
}

/// State of a grant while its events are gone through in order.
#[derive(Default)]
struct Life {
    decision: Option<(Decision, Time)>,
    activated: Option<Time>,
    ended_lo: Option<Time>,
    ended_hi: Option<Time>,
    end_kind: Option<EndKind>,
    revoke_failed: bool,
    /// The end that was stated no longer holds, and no other is.
    end_unknown: bool,
}

impl Life {
    fn take(&mut self, g: &mut Grant, e: &Event) {
        if e.outcome != Outcome::Allowed {
            // A refused or failed attempt changed nothing, except that a removal did not happen.
            self.revoke_failed |= matches!(e.kind, EventKind::RevokeFailed | EventKind::Revoked);
            return;
        }
        match e.kind {
            EventKind::Requested => {
                g.requested_at = Some(g.requested_at.map_or(e.at, |t| t.min(e.at)));
            }
            EventKind::Approved => self.decide(Decision::Approved, e.at),
            EventKind::AutoApproved => self.decide(Decision::AutoApproved, e.at),
            EventKind::Denied => self.decide(Decision::Denied, e.at),
            EventKind::Lapsed if self.decision.is_none() => self.decide(Decision::Lapsed, e.at),
            EventKind::Withdrawn if self.activated.is_none() => {
                self.decide(Decision::Withdrawn, e.at);
            }
            EventKind::Withdrawn => self.end(e, EndKind::Withdrawn),
            EventKind::ActivationFailed if self.activated.is_none() => {
                self.decide(Decision::Failed, e.at);
            }
            // What a broker calls a failure without saying of what: of the removal, when access was on.
            EventKind::ActivationFailed => self.revoke_failed = true,
            EventKind::Activated | EventKind::Reopened => {
                self.activated = Some(self.activated.unwrap_or(e.at));
                // Access that was given again has not ended.
                (self.ended_lo, self.ended_hi, self.end_kind) = (None, None, None);
                self.revoke_failed = false;
            }
            // A credential is access, where nothing else says when access began.
            EventKind::CredentialIssued => {
                self.activated = Some(self.activated.unwrap_or(e.at));
            }
            EventKind::Extended => g.not_after = e.new_end.or(g.not_after),
            EventKind::Renewed => self.renew(g, e),
            EventKind::ExternallyModified => g.externally_modified = true,
            EventKind::RevokeRequested => {
                g.revoke_requested_at = g.revoke_requested_at.or(Some(e.at));
            }
            EventKind::RevokeFailed => self.revoke_failed = true,
            EventKind::Revoked => self.end(e, revoker(g, e)),
            // An end before any decision and any access is the end of the request.
            EventKind::Expired if self.decision.is_none() && self.unbegun(g) => {
                self.decide(Decision::Lapsed, e.at);
            }
            EventKind::Expired => self.end(e, EndKind::Expired),
            EventKind::UnboundObserved => self.end(e, EndKind::Unknown),
            EventKind::LedgerDeleted => self.end(e, EndKind::LedgerDeleted),
            _ => {}
        }
    }

    /// Nothing shows that access was ever given.
    fn unbegun(&self, g: &Grant) -> bool {
        self.activated.is_none()
            && g.activated_at_lo.is_none()
            && matches!(g.decision, Decision::Unknown | Decision::Pending)
            && g.requested_at.is_some()
    }

    /// A renewal leaves an authorised window as it is (section 4.5). Where the grant is nothing but a
    /// credential, the window is the life of the credential and moves with it.
    fn renew(&mut self, g: &mut Grant, e: &Event) {
        g.residual_until = g.residual_until.max(e.new_end);
        if g.broker_kind != BrokerKind::Credential {
            return;
        }
        match (g.not_after, e.new_end) {
            (Some(end), Some(new)) => g.not_after = Some(end.max(new)),
            // Renewed, and until when is not said.
            (Some(end), None) if e.at >= end => {
                g.not_after = None;
                self.end_unknown = true;
            }
            _ => {}
        }
    }

    /// The decision that stands is the last one; one that is only repeated keeps its first time.
    fn decide(&mut self, decision: Decision, at: Time) {
        if self.decision.is_none_or(|(have, _)| have != decision) {
            self.decision = Some((decision, at));
        }
    }

    /// The first event that ends access says how; a later one can only confirm that it is gone.
    fn end(&mut self, e: &Event, by_kind: EndKind) {
        self.ended_lo = Some(self.ended_lo.unwrap_or(e.at));
        if !e.unconfirmed && e.kind != EventKind::LedgerDeleted {
            self.ended_hi = Some(self.ended_hi.unwrap_or(e.at));
            self.revoke_failed = false;
        }
        self.end_kind = self.end_kind.or(Some(e.end.unwrap_or(by_kind)));
    }
}

/// Who revoked, by the actor: the holder or the requester, else somebody with authority over them.
/// Without an actor it is not said.
fn revoker(g: &Grant, e: &Event) -> EndKind {
    match &e.actor {
        None => EndKind::Unknown,
        Some(a) if *a == g.beneficiary || g.requester.as_ref() == Some(a) => EndKind::RevokedByUser,
        Some(_) => EndKind::RevokedByAdmin,
    }
}

/// Builds the grant row from what was stated and what happened.
fn build(draft: &Draft, until: Option<Time>) -> Grant {
    let mut g = draft.facts.clone();
    let mut life = Life::default();
    for e in &draft.events {
        life.take(&mut g, e);
    }
    let count = |kind: EventKind| {
        let n = draft.events.iter().filter(|e| e.kind == kind && e.outcome == Outcome::Allowed);
        i64::try_from(n.count()).unwrap_or(i64::MAX)
    };
    g.n_extensions = g.n_extensions.max(count(EventKind::Extended));
    g.n_renewals = g.n_renewals.max(count(EventKind::Renewed));
    if let Some((decision, at)) = life.decision {
        g.decision = decision;
        g.decided_at = Some(at);
    } else if g.decision == Decision::Unknown && only_asked(draft, &g, &life) {
        g.decision = Decision::Pending;
    }
    if let Some(t) = life.activated {
        g.activated_at_lo = Some(g.activated_at_lo.map_or(t, |have| have.min(t)));
        g.activated_at_hi = g.activated_at_hi.or(Some(t));
    }
    let approved = matches!(g.decision, Decision::Approved | Decision::AutoApproved);
    if draft.request_end_holds && g.not_after.is_none() {
        g.not_after = g.request_expires_at;
    }
    let start = g.activated_at_lo.or(g.not_before).or(g.decided_at.filter(|_| approved));
    if g.not_after.is_none() {
        let length = g.duration_requested_s.filter(|_| !life.end_unknown);
        g.not_after = start.zip(length).map(|(s, d)| s.plus_secs(d));
    }
    if draft.endless {
        g.not_after = None;
    }
    finish_end(draft, &mut g, &life, start, until);
    g
}

/// A request is in the log, and nothing that came of it.
fn only_asked(draft: &Draft, g: &Grant, life: &Life) -> bool {
    life.activated.is_none()
        && g.activated_at_lo.is_none()
        && draft.events.iter().any(|e| e.kind == EventKind::Requested)
        && !draft.events.iter().any(|e| {
            matches!(e.kind, EventKind::CredentialIssued | EventKind::Used | EventKind::Scheduled)
        })
}

fn finish_end(draft: &Draft, g: &mut Grant, life: &Life, start: Option<Time>, until: Option<Time>) {
    if life.end_kind.is_some() {
        (g.ended_at_lo, g.ended_at_hi) = (life.ended_lo, life.ended_hi);
    }
    let refused = matches!(
        g.decision,
        Decision::Denied | Decision::Withdrawn | Decision::Lapsed | Decision::Failed
    );
    let given = g.activated_at_lo.is_some() || (start.is_some() && !refused);
    g.end_kind = if life.revoke_failed || g.end_kind == EndKind::FailedToRevoke {
        (g.ended_at_lo, g.ended_at_hi) = (None, None);
        EndKind::FailedToRevoke
    } else if let Some(kind) = life.end_kind.filter(|_| given) {
        kind
    } else if g.end_kind != EndKind::Unknown {
        g.end_kind
    } else if !given {
        // What never began did not end; deleting the record of a refused request ends nothing.
        (g.ended_at_lo, g.ended_at_hi) = (None, None);
        match g.decision {
            Decision::Withdrawn => EndKind::Withdrawn,
            Decision::Failed => EndKind::Failed,
            _ => EndKind::Unknown,
        }
    } else if g.ended_at_lo.is_some() || g.decision == Decision::Pending {
        EndKind::Unknown
    } else {
        match g.not_after {
            None if draft.ends_unstated || life.end_unknown => EndKind::Unknown,
            None => EndKind::Open,
            Some(end) if until.is_none_or(|u| end > u) => EndKind::Open,
            // The log goes on after the due time and does not say that access was removed.
            Some(_) => EndKind::Unknown,
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Source;
    use crate::facts::cell::Word;
    use proptest::prelude::*;

    fn at(s: i64) -> Time {
        Time::from_secs(s)
    }

    fn event(kind: EventKind, s: i64) -> Event {
        Event { kind, at: at(s), source_id: text("S1"), source_ref: text("L1"), ..Event::default() }
    }

    fn stated() -> Grant {
        Grant {
            beneficiary: text("alice"),
            privilege: text("admin"),
            not_after: Some(at(1000)),
            source_id: text("S1"),
            source_ref: text("L1"),
            ..Grant::default()
        }
    }

    fn book(events: &[Event]) -> Book {
        let mut book = Book::default();
        let d = book.draft("broker", "g1");
        d.state(at(0), stated());
        for e in events {
            d.push(e.clone());
        }
        book
    }

    fn settled(books: Vec<Book>) -> (Facts, Vec<Quarantined>) {
        let mut facts = Facts {
            sources: vec![Source {
                source_id: text("S1"),
                last_time: Some(at(500)),
                ..Source::default()
            }],
            ..Facts::default()
        };
        let conflicts = settle(books, &mut facts);
        (facts, conflicts)
    }

    fn grant(events: &[Event]) -> Grant {
        settled(vec![book(events)]).0.grants.remove(0)
    }

    #[test]
    fn events_are_ordered_by_time_and_rank_and_not_by_place() {
        use EventKind::{Activated, Approved, LedgerDeleted, Requested, Revoked, Scheduled};
        let g = grant(&[
            event(Revoked, 30),
            event(Scheduled, 10),
            event(Activated, 20),
            event(LedgerDeleted, 30),
            event(Approved, 10),
            event(Requested, 10),
        ]);
        assert_eq!((g.decision, g.decided_at), (Decision::Approved, Some(at(10))));
        assert_eq!((g.requested_at, g.activated_at_lo), (Some(at(10)), Some(at(20))));
        assert_eq!((g.ended_at_lo, g.ended_at_hi), (Some(at(30)), Some(at(30))));
        assert_eq!(g.end_kind, EndKind::Unknown, "revoked, by whom is not said");
        // Two events within one microsecond are told apart by their nanoseconds.
        let late = Event { nanos: 9, ..event(Approved, 10) };
        let early = Event { nanos: 3, ..event(EventKind::Denied, 10) };
        assert_eq!(grant(&[late, early]).decision, Decision::Approved);
    }

    #[test]
    fn a_repeated_record_counts_once() {
        let keyed = |n: i64, key: &str| Event {
            key: text(key),
            new_end: Some(at(2000 + n)),
            ..event(EventKind::Extended, 20)
        };
        assert_eq!(grant(&[keyed(0, "a"), keyed(1, "a"), keyed(2, "b")]).n_extensions, 2);
        let bare = event(EventKind::Renewed, 20);
        let moved = Event { source_ref: text("L9"), recorded_at: Some(at(21)), ..bare.clone() };
        let other = Event { actor: Some(text("bob")), ..bare.clone() };
        assert_eq!(grant(&[bare, other, moved]).n_renewals, 2);
    }

    #[test]
    fn an_open_grant_is_censored_by_what_was_read() {
        use EventKind::{Activated, Approved};
        let ran = [event(Approved, 10), event(Activated, 20)];
        assert_eq!(grant(&ran).end_kind, EndKind::Open, "the log ends before the due time");
        let later = [&ran[..], &[event(EventKind::Used, 1500)]].concat();
        let g = grant(&later);
        assert_eq!((g.end_kind, g.ended_at_lo), (EndKind::Unknown, None));
        let mut endless = book(&later);
        endless.draft("broker", "g1").facts.not_after = None;
        assert_eq!(settled(vec![endless.clone()]).0.grants[0].end_kind, EndKind::Open);
        endless.draft("broker", "g1").ends_unstated = true;
        assert_eq!(settled(vec![endless]).0.grants[0].end_kind, EndKind::Unknown);
    }

    #[test]
    fn the_first_end_holds_and_a_later_one_confirms_it() {
        let accepted = Event {
            unconfirmed: true,
            end: Some(EndKind::RevokedByUser),
            ..event(EventKind::Revoked, 30)
        };
        let run = [event(EventKind::Activated, 20), accepted];
        let g = grant(&run);
        assert_eq!((g.ended_at_lo, g.ended_at_hi), (Some(at(30)), None));
        let done = event(EventKind::Expired, 90);
        let g = grant(&[&run[..], &[done]].concat());
        assert_eq!((g.ended_at_lo, g.ended_at_hi), (Some(at(30)), Some(at(90))));
        assert_eq!(g.end_kind, EndKind::RevokedByUser);
        // A removal that failed did not remove, until a later one did.
        let failed = event(EventKind::RevokeFailed, 40);
        let g = grant(&[&run[..1], std::slice::from_ref(&failed)].concat());
        assert_eq!((g.end_kind, g.ended_at_lo), (EndKind::FailedToRevoke, None));
        let g = grant(&[&run[..1], &[failed, event(EventKind::Revoked, 50)]].concat());
        assert_eq!((g.end_kind, g.ended_at_hi), (EndKind::Unknown, Some(at(50))));
    }

    #[test]
    fn a_refused_request_never_ends() {
        use EventKind::{Denied, Expired, LedgerDeleted, Requested};
        let g = grant(&[event(Requested, 10), event(Denied, 20), event(LedgerDeleted, 30)]);
        assert_eq!((g.decision, g.end_kind), (Decision::Denied, EndKind::Unknown));
        assert_eq!((g.ended_at_lo, g.ended_at_hi), (None, None));
        let g = grant(&[event(Requested, 10)]);
        assert_eq!((g.decision, g.end_kind), (Decision::Pending, EndKind::Unknown));
        let g = grant(&[event(Requested, 10), event(Expired, 30)]);
        assert_eq!(g.ended_at_lo, None, "nothing was given that could expire");
    }

    #[test]
    fn a_grant_without_request_is_no_row_and_is_counted() {
        let mut stray = Book::default();
        stray.draft("broker", "g9").push(event(EventKind::Revoked, 30));
        let (facts, _) = settled(vec![stray]);
        assert!(facts.grants.is_empty());
        assert_eq!(facts.grant_events[0].grant_id.as_deref(), Some("g9"));
        assert!(
            facts.sources[0].limitation.as_ref().unwrap().starts_with("1 grants are mentioned")
        );
    }

    #[test]
    fn another_beneficiary_is_a_contradiction() {
        let mut b = book(&[]);
        b.draft("broker", "g1").state(at(5), Grant { beneficiary: text("eve"), ..stated() });
        let (facts, conflicts) = settled(vec![b]);
        assert_eq!(&*facts.grants[0].beneficiary, "alice");
        assert!(conflicts[0].reason.contains("another beneficiary"), "{conflicts:?}");
    }

    #[test]
    fn uses_of_one_day_are_one_row() {
        let used = |s: i64, who: &str| Usage {
            principal: text(who),
            first_at: Some(at(s)),
            ..Usage::default()
        };
        let mut b = Book::default();
        for (s, who) in [(100, "a"), (50, "a"), (100_000, "a"), (70, "b")] {
            b.used(used(s, who));
        }
        let (facts, _) = settled(vec![b.clone(), b]);
        let rows: Vec<_> = facts
            .usage
            .iter()
            .map(|u| (&*u.principal, u.first_at, u.last_at, u.count, u.grain.word()))
            .collect();
        assert_eq!(
            rows,
            [
                ("a", Some(at(50)), Some(at(100)), Some(2), "action"),
                ("a", Some(at(100_000)), Some(at(100_000)), Some(1), "event"),
                ("b", Some(at(70)), Some(at(70)), Some(1), "event"),
            ]
        );
    }

    #[test]
    fn a_credential_is_joined_and_its_id_is_cut() {
        let c = |issued: Option<i64>, expires: Option<i64>, revoked: Option<i64>| Credential {
            kind: CredentialKind::Token,
            principal: text("a"),
            issued_at: issued.map(at),
            expires_at: expires.map(at),
            revoked_at: revoked.map(at),
            ..Credential::default()
        };
        let (mut one, mut two) = (Book::default(), Book::default());
        two.credential("s.wOrq9dO9kzOcuvB06CMviJhZ", c(Some(10), Some(100), None));
        one.credential("s.wOrq9dO9kzOcuvB06CMviJhZ", c(None, Some(300), Some(200)));
        let (facts, _) = settled(vec![one, two]);
        let [k] = &facts.credentials[..] else { panic!("{:?}", facts.credentials) };
        assert_eq!(&*k.credential_id, "s.wO...iJhZ");
        assert_eq!(
            (k.issued_at, k.expires_at, k.revoked_at),
            (Some(at(10)), Some(at(300)), Some(at(200)))
        );
        assert_eq!(k.active, Some(false));
    }

    fn keyed_book(grants: &[(&str, i64, i64)]) -> Book {
        let mut b = Book::default();
        for (id, from, due) in grants {
            let d = b.draft("broker", id);
            let facts = Grant { not_after: Some(at(*due)), ..stated() };
            d.state(at(*from), facts);
            d.key("user:alice");
            d.push(event(EventKind::Activated, *from));
        }
        b
    }

    fn ends(b: Book) -> Vec<(String, Option<i64>)> {
        let (facts, _) = settled(vec![b]);
        let end = |g: &Grant| (g.grant_id.to_string(), g.ended_at_lo.map(Time::secs));
        facts.grants.iter().map(end).collect()
    }

    #[test]
    fn a_revocation_without_id_ends_the_running_grant_that_is_due() {
        let mut b = keyed_book(&[("a", 10, 20), ("b", 15, 25), ("c", 100, 110)]);
        for s in [20, 25, 110] {
            let target = Target::Running(text("user:alice"));
            b.loose("broker", target, event(EventKind::Revoked, s));
        }
        let want = [("a", Some(20)), ("b", Some(25)), ("c", Some(110))];
        assert_eq!(ends(b), want.map(|(id, s)| (id.to_owned(), s)));
        // One lost revocation does not shift the later ones.
        let mut b = keyed_book(&[("a", 10, 20), ("c", 100, 110)]);
        b.loose("broker", Target::Running(text("user:alice")), event(EventKind::Revoked, 110));
        assert_eq!(ends(b), [("a".to_owned(), None), ("c".to_owned(), Some(110))]);
    }

    #[test]
    fn a_lock_ends_every_grant_that_began_before_it() {
        let mut b = keyed_book(&[("a", 10, 900), ("b", 15, 900), ("c", 100, 900)]);
        b.loose("broker", Target::Every(text("user:alice")), event(EventKind::Revoked, 50));
        b.loose("broker", Target::Every(text("user:bob")), event(EventKind::Revoked, 60));
        b.loose("broker", Target::Unknown, event(EventKind::Revoked, 70));
        let (facts, _) = settled(vec![b.clone()]);
        let unlinked = facts.grant_events.iter().filter(|e| e.grant_id.is_none()).count();
        assert_eq!(unlinked, 2, "the lock on bob and the event of nobody are kept");
        let want = [("a", Some(50)), ("b", Some(50)), ("c", None)];
        assert_eq!(ends(b), want.map(|(id, s)| (id.to_owned(), s)));
        let mut b = keyed_book(&[("db/1", 10, 900), ("db/2", 80, 900), ("kv/1", 10, 900)]);
        b.loose("broker", Target::Prefix(text("db/")), event(EventKind::Revoked, 50));
        let want = [("db/1", Some(50)), ("db/2", None), ("kv/1", None)];
        assert_eq!(ends(b), want.map(|(id, s)| (id.to_owned(), s)));
    }

    #[test]
    fn the_actor_tells_who_revoked() {
        let by = |who: &str| Event { actor: Some(text(who)), ..event(EventKind::Revoked, 30) };
        let began = event(EventKind::Activated, 20);
        assert_eq!(grant(&[began.clone(), by("alice")]).end_kind, EndKind::RevokedByUser);
        assert_eq!(grant(&[began, by("root")]).end_kind, EndKind::RevokedByAdmin);
    }

    #[test]
    fn a_request_that_expires_undecided_has_lapsed() {
        let g = grant(&[event(EventKind::Requested, 10), event(EventKind::Expired, 90)]);
        assert_eq!((g.decision, g.ended_at_lo), (Decision::Lapsed, None));
        let run = [event(EventKind::Approved, 10), event(EventKind::Expired, 90)];
        assert_eq!(grant(&run).end_kind, EndKind::Expired);
    }

    #[test]
    fn a_failure_after_activation_is_one_of_the_removal() {
        let failed = event(EventKind::ActivationFailed, 90);
        assert_eq!(grant(std::slice::from_ref(&failed)).decision, Decision::Failed);
        let g = grant(&[event(EventKind::Activated, 20), failed]);
        assert_eq!(g.end_kind, EndKind::FailedToRevoke);
    }

    #[test]
    fn a_renewed_credential_moves_its_own_end_only() {
        let renewed = |s: i64, end: Option<i64>| Event {
            new_end: end.map(at),
            ..event(EventKind::Renewed, s)
        };
        let mut b = book(&[renewed(500, Some(3000))]);
        assert_eq!(settled(vec![b.clone()]).0.grants[0].not_after, Some(at(1000)));
        b.draft("broker", "g1").facts.broker_kind = BrokerKind::Credential;
        let g = settled(vec![b.clone()]).0.grants.remove(0);
        assert_eq!((g.not_after, g.n_renewals), (Some(at(3000)), 1));
        b.draft("broker", "g1").push(renewed(3500, None));
        let g = settled(vec![b]).0.grants.remove(0);
        assert_eq!((g.not_after, g.end_kind), (None, EndKind::Unknown), "until when is not said");
    }

    proptest! {
        /// However a log is cut into files, and in whatever order the files come, the grant is the same.
        #[test]
        fn files_may_be_cut_anywhere(
            kinds in proptest::collection::vec((0usize..EventKind::ALL.len(), 1i64..60), 0..12),
            cut in 0usize..12,
            reversed in any::<bool>(),
        ) {
            let events: Vec<Event> = kinds
                .iter()
                .map(|(k, s)| event(EventKind::from_word(EventKind::ALL[*k]).unwrap(), *s))
                .collect();
            let whole = grant(&events);
            let (a, b) = events.split_at(cut.min(events.len()));
            let mut rest = Book::default();
            for e in b {
                rest.draft("broker", "g1").push(e.clone());
            }
            let mut books = vec![book(a), rest];
            if reversed {
                books.reverse();
            }
            let (facts, conflicts) = settled(books);
            prop_assert_eq!(&facts.grants[0], &whole);
            prop_assert!(conflicts.is_empty());
        }
    }
}
