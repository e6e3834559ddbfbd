//! The step across files: drafts of one grant are joined, and events that name no grant find theirs.

use std::collections::BTreeMap;

use super::{Book, Draft, Event, Target, join_credential, life};
use crate::facts::{Credential, CredentialKind, EventKind, Facts, Quarantined, Text, Time, text};

/// A token or lease that was used after its end was renewed, and until when the log does not say (grants
/// model, section 2: renewal makes a short life standing).
fn renewed(mut c: Credential) -> Credential {
    let renewable = matches!(c.kind, CredentialKind::Token | CredentialKind::Lease);
    let late = c.expires_at.zip(c.last_used_at).is_some_and(|(e, u)| u.secs_since(e) > SKEW_S);
    if renewable && late && c.revoked_at.is_none() {
        c.expires_at = None;
    }
    c
}

/// Clock skew between systems, seconds (section 4.6).
const SKEW_S: i64 = 120;

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
            facts.grants.push(life::build(&draft, until.get(&system).copied()));
        }
        facts.grant_events.extend(draft.events.into_iter().map(|e| e.row(Some(&grant_id))));
    }
    let credentials = all.credentials.into_values().filter(|c| !c.principal.is_empty());
    facts.credentials.extend(credentials.map(renewed));
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
