use super::*;
use crate::facts::cell::Word;
use crate::facts::{BrokerKind, Decision, Facts, Source};
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
    assert!(facts.sources[0].limitation.as_ref().unwrap().starts_with("1 grants are mentioned"));
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
    let renewed =
        |s: i64, end: Option<i64>| Event { new_end: end.map(at), ..event(EventKind::Renewed, s) };
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
