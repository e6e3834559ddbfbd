//! Ledger against IAM state: what the ledger ended and IAM still shows, what IAM shows and no ledger
//! knows, what the ledger calls active and IAM lacks.
//!
//! A snapshot speaks for its instant only, and for its realm: the policy of another project neither shows
//! nor lacks a binding of this one. An export that does not state its instant was made no
//! earlier than its newest record: a lower bound, good enough to prove presence *after* an end.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::grants::expects_binding;
use super::index::Index;
use super::shrunken::Shrunken;
use super::{scope, tasks};
use crate::facts::store::evidence_ref;
use crate::facts::{
    BindingKind, Completeness, Entitlement, GrantFact, Holding, Layer, Source, Standing, Text,
    Time, text,
};

/// Instant of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The instant, or its lower bound.
    pub at: Time,
    /// Stated by the source or the settings.
    pub exact: bool,
}

/// Time within which the broker's work after start counts as still going on, seconds (section 4.6).
const PROVISIONING_S: i64 = 60;
/// Differences of ends below this are clock skew, seconds (section 4.6).
const SKEW_S: i64 = 120;

/// Snapshot of a source; `None` when nothing tells its instant.
fn snapshot(ix: &Index<'_>, s: &Source) -> Option<Snapshot> {
    let stated = s.collected_at.or(s.window_end);
    let at = stated.or(s.last_time)?;
    Some(Snapshot { at: at.min(ix.as_of), exact: stated.is_some() })
}

/// Snapshots by source.
#[must_use]
pub fn snapshots(ix: &Index<'_>) -> HashMap<Text, Snapshot> {
    let sources = ix.facts.sources.iter().filter(|s| s.layer == Layer::State);
    sources.filter_map(|s| Some((s.source_id.clone(), snapshot(ix, s)?))).collect()
}

/// Format and realm: exports that agree in both are of one policy.
type Policy<'a> = (&'a str, Option<&'a str>);

/// Snapshots of one policy, in order of time, and what they show besides what is bound now.
#[derive(Debug, Default)]
pub struct History<'a> {
    sources: HashMap<&'a str, (&'a Source, Snapshot)>,
    /// Sources by format and realm, in order of their instants.
    series: BTreeMap<Policy<'a>, Vec<(Snapshot, bool)>>,
    /// Realms of the sources of a format.
    realms: HashMap<&'a str, BTreeSet<&'a str>>,
    /// First sight of bindings that several snapshots show, by their evidence.
    first_seen: HashMap<Text, Time>,
    /// Bindings that were removed, by principal.
    gone: HashMap<&'a str, Vec<&'a Entitlement>>,
}

impl<'a> History<'a> {
    /// Collects them.
    #[must_use]
    pub fn new(ix: &Index<'a>) -> Self {
        let mut out = Self::default();
        for s in ix.facts.sources.iter().filter(|s| s.layer == Layer::State) {
            let Some(snapshot) = snapshot(ix, s) else { continue };
            out.sources.insert(&s.source_id, (s, snapshot));
            let whole = s.completeness != Completeness::Truncated;
            let of = out.series.entry((&*s.format, s.realm.as_deref())).or_default();
            of.push((snapshot, whole));
            out.realms.entry(&s.format).or_default().extend(s.realm.as_deref());
        }
        for list in out.series.values_mut() {
            list.sort_by_key(|(s, _)| (s.at, s.exact));
        }
        for e in &ix.facts.entitlements {
            if e.unbound_at_hi.is_some() {
                out.gone.entry(&e.principal_id).or_default().push(e);
            } else if let Some(t) = e.first_seen {
                out.first_seen.insert(evidence_ref(&e.source_id, &e.source_ref), t);
            }
        }
        out
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    fn of<'s>(&'s self, format: &'s str, realm: Option<&'s str>) -> &'s [(Snapshot, bool)] {
        self.series.get(&(format, realm)).map_or(&[][..], Vec::as_slice)
    }

    /// The snapshots that would show a binding of a principal at a canonical scope: those of the realm that
    /// the scope lies in, else those that list the principal. Of Google Cloud, where each file is the policy
    /// of one resource, none when no file is of that project.
    fn series<'s>(
        &'s self,
        ix: &'s Index<'_>,
        principal: &str,
        place: Option<&str>,
    ) -> &'s [(Snapshot, bool)] {
        let Some(p) = ix.principal(principal).filter(|p| p.inventoried) else { return &[] };
        let Some((own, _)) = self.sources.get(&*p.source_id) else { return &[] };
        let format = &*own.format;
        let of = |realm| self.of(format, realm);
        let (Some(place), Some(realm)) = (place, own.realm.as_deref()) else {
            return of(own.realm.as_deref());
        };
        if scope::contains(realm, place) {
            return of(Some(realm));
        }
        let realms = self.realms.get(format);
        if let Some(holds) = realms.and_then(|r| r.iter().find(|r| scope::contains(r, place))) {
            return of(Some(holds));
        }
        if realm.starts_with("projects/") && place.starts_with("projects/") {
            return &[];
        }
        of(Some(realm))
    }

    /// The latest snapshot that would show a binding of a principal at a canonical scope.
    fn latest(&self, ix: &Index<'_>, principal: &str, place: Option<&str>) -> Option<Snapshot> {
        self.series(ix, principal, place).last().map(|(s, _)| *s)
    }

    /// Instants at which a holding was seen first and last; `None` when no source of it is a snapshot.
    fn sight(&self, h: &Holding) -> Option<(Time, Time)> {
        let mut out: Option<(Time, Time)> = None;
        for r in &h.refs {
            let Some(source) = r.split_once('#').and_then(|(id, _)| self.sources.get(id)) else {
                continue;
            };
            let last = source.1.at;
            let first = self.first_seen.get(r).copied().map_or(last, |t| t.min(last));
            out = Some(out.map_or((first, last), |(a, b)| (a.min(first), b.max(last))));
        }
        out
    }

    /// Presence over time of a privilege that a principal holds, held, or does not hold. `held` are its
    /// bindings of now that are meant by it; `meant` says whether a removed one is.
    #[must_use]
    pub fn track(
        &self,
        ix: &Index<'_>,
        principal: &str,
        place: Option<&str>,
        held: &[&Holding],
        meant: impl Fn(&Entitlement) -> bool,
    ) -> Presence {
        let series = self.series(ix, principal, place);
        let snapshots: Vec<(Time, bool)> = series.iter().map(|(s, whole)| (s.at, *whole)).collect();
        let mut out = Presence { snapshots, present: Vec::new(), open: Vec::new() };
        let Some((begin, _)) = out.snapshots.first().copied() else { return out };
        let inert = |h: &Holding| matches!(h.standing, Standing::Residue | Standing::Eligible);
        for h in held.iter().filter(|h| !inert(h)) {
            let from = self.sight(h).map_or(begin, |(first, _)| first);
            out.since(from, None);
        }
        for e in self.gone.get(principal).into_iter().flatten().filter(|e| meant(e)) {
            let source = self.sources.get(&*e.source_id).map(|(_, s)| s.at);
            let Some(from) = e.bound_at_hi.or(e.first_seen).or(source) else { continue };
            let (Some(lo), Some(hi)) = (e.unbound_at_lo, e.unbound_at_hi) else { continue };
            // A snapshot shows the instant at which it was taken.
            let lo = if hi > lo { lo.plus_secs(1).min(hi) } else { lo };
            out.since(from, Some(lo.max(from)));
            out.open.push((lo.max(from), hi));
        }
        out
    }
}

/// Presence of a binding over time, as far as snapshots and events tell.
#[derive(Debug, Default)]
pub struct Presence {
    /// Instants of the snapshots, and whether what they lack was absent.
    snapshots: Vec<(Time, bool)>,
    /// When it was there; an end that is null goes on.
    present: Vec<(Time, Option<Time>)>,
    /// When it may have been there.
    open: Vec<(Time, Time)>,
}

impl Presence {
    fn since(&mut self, from: Time, until: Option<Time>) {
        self.present.push((from, until));
        // The snapshot before lacked it: when it came in between, nobody says.
        if let Some((before, _)) = self.snapshots.iter().rev().find(|(at, _)| *at < from) {
            self.open.push((*before, from));
        }
    }

    /// Whether no snapshot speaks.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.snapshots.is_empty()
    }

    /// Instants at which what is known changes.
    pub fn cuts(&self) -> impl Iterator<Item = Time> + '_ {
        let spans = self.present.iter().flat_map(|(a, b)| [Some(*a), *b]).flatten();
        let open = self.open.iter().flat_map(|(a, b)| [*a, *b]);
        self.snapshots.iter().map(|(at, _)| *at).chain(spans).chain(open)
    }

    /// Whether it was there at an instant; `None` when that is not known.
    #[must_use]
    pub fn at(&self, t: Time) -> Option<bool> {
        if self.present.iter().any(|(a, b)| *a <= t && b.is_none_or(|b| t < b)) {
            return Some(true);
        }
        if self.open.iter().any(|(a, b)| *a <= t && t < *b) {
            return None;
        }
        // Before the first snapshot nothing is known, and one that is cut short proves no absence.
        let (_, whole) = self.snapshots.iter().rev().find(|(at, _)| *at <= t)?;
        whole.then_some(false)
    }
}

/// Holdings by principal.
type Held<'a> = HashMap<&'a str, Vec<&'a Holding>>;

/// Fills the state columns of the grants.
pub fn reconcile_grants(ix: &Index<'_>, facts: &mut [GrantFact], holdings: &[Holding]) {
    let history = History::new(ix);
    let mut held: Held<'_> = HashMap::new();
    for h in holdings {
        held.entry(&h.principal_id).or_default().push(h);
    }
    let roles: BTreeSet<&str> =
        ix.facts.roles.iter().flat_map(|r| [&*r.role_id, &*r.name]).collect();
    let claims = claims(facts, &held, ix.as_of);
    let windows = windows(&history, facts);
    for f in facts.iter_mut() {
        if !f.effective || !expects_binding(f) {
            continue;
        }
        if f.active_now.is_none() {
            f.state_unknown = Some(text("end_unknown"));
            continue;
        }
        let mut context = match snapshot_of(ix, &history, &roles, f) {
            Ok(s) => s,
            Err(reason) => {
                f.state_unknown = Some(text(reason));
                continue;
            }
        };
        let binding = held.get(&*f.principal_id).and_then(|hs| matching(f, hs));
        judge_active(ix, f, context, binding);
        if let Some((_, last)) = binding.and_then(|b| history.sight(b)) {
            context = Snapshot { at: last, ..context };
        }
        let claim = binding.and_then(|b| claims.get(&address(b)));
        judge_ended(f, context, binding, claim, ix.as_of);
        if binding.is_none()
            && let Some((e, seen)) = removed_late(&history, &windows, f)
        {
            f.present_after_end = Some(true);
            f.present_after_end_s = f.ended_at.map(|end| seen.secs_since(end));
            f.refs.push(evidence_ref(&e.source_id, &e.source_ref));
            context.at = seen;
        }
        if let Some(b) = binding
            && (f.present_after_end == Some(true) || f.drift.is_some())
        {
            f.refs.extend(b.refs.iter().take(4).cloned());
        }
        if f.present_after_end == Some(true)
            && let Some(task_end) = f.task_ended_at
        {
            f.overstay_state_s = Some(context.at.secs_since(task_end));
            tasks::bounds(f, task_end, ix.as_of);
        }
    }
}

/// When a grant gave access, to tell whose residue a binding is that is gone now.
struct Window {
    grant_id: Text,
    privilege: Text,
    from: Time,
    until: Option<Time>,
}

/// Windows of the grants of those principals that lost a binding.
fn windows(history: &History<'_>, facts: &[GrantFact]) -> HashMap<Text, Vec<Window>> {
    let mut out: HashMap<Text, Vec<Window>> = HashMap::new();
    for f in facts.iter().filter(|f| f.effective && expects_binding(f)) {
        if let (Some(from), true) = (f.started_at, history.gone.contains_key(&*f.principal_id)) {
            out.entry(f.principal_id.clone()).or_default().push(Window {
                grant_id: f.grant_id.clone(),
                privilege: f.privilege.clone(),
                from,
                until: f.ended_at,
            });
        }
    }
    out
}

/// A binding of the grant that is gone now, and the last instant after the end of the grant at which a
/// snapshot still showed it. Another grant of the privilege that was in force then, or ended later,
/// explains it.
fn removed_late<'a>(
    history: &History<'a>,
    windows: &HashMap<Text, Vec<Window>>,
    f: &GrantFact,
) -> Option<(&'a Entitlement, Time)> {
    if f.present_after_end != Some(false) {
        return None;
    }
    let end = f.ended_at?;
    let others = windows.get(&f.principal_id).map_or(&[][..], Vec::as_slice);
    let explained = |seen: Time| {
        others.iter().any(|w| {
            w.grant_id != f.grant_id
                && w.privilege == f.privilege
                && w.from <= seen
                && w.until.is_none_or(|u| u > end)
        })
    };
    let gone = history.gone.get(&*f.principal_id)?.iter();
    gone.filter(|e| history.sources.contains_key(&*e.source_id) && removed(f, e))
        .filter_map(|e| Some((*e, e.last_seen?)))
        .filter(|(_, seen)| *seen > end && !explained(*seen))
        .max_by_key(|(_, seen)| *seen)
}

/// Whether a removed binding is of the privilege and scope of a grant.
fn removed(f: &GrantFact, e: &Entitlement) -> bool {
    (*e.privilege == *f.privilege || *e.role_id == *f.privilege)
        && e.binding_kind == BindingKind::Active
        && place_fits(f.platform.as_deref(), f.scope.as_deref(), (&e.platform, &e.scope))
}

/// What the grants of a principal say about one binding, under whatever name or scope they ask for it.
#[derive(Debug, Default)]
struct Claim {
    /// A grant in force explains it.
    active: bool,
    /// The grant that ended last: a binding seen later is its residue, not that of grants before.
    last: Option<(Time, Text)>,
}

/// Names a row for the length of one analysis; never ordered or written.
fn address(h: &Holding) -> usize {
    std::ptr::from_ref(h).addr()
}

fn claims(facts: &[GrantFact], held: &Held<'_>, as_of: Time) -> HashMap<usize, Claim> {
    let mut out: HashMap<usize, Claim> = HashMap::new();
    for f in facts.iter().filter(|f| f.effective && expects_binding(f)) {
        let own = held.get(&*f.principal_id).map_or(&[][..], Vec::as_slice);
        for h in own.iter().filter(|h| concerns(f, h)) {
            let claim = out.entry(address(h)).or_default();
            claim.active |= f.ended_at.is_none_or(|e| e > as_of);
            if let Some(end) = f.ended_at {
                claim.last = claim.last.take().max(Some((end, f.grant_id.clone())));
            }
        }
    }
    out
}

/// The directory of identities of a platform; one serves both of Microsoft's.
#[must_use]
pub fn directory(platform: &str) -> &str {
    if platform == "entra" { "azure" } else { platform }
}

fn snapshot_of(
    ix: &Index<'_>,
    history: &History<'_>,
    roles: &BTreeSet<&str>,
    f: &GrantFact,
) -> Result<Snapshot, &'static str> {
    if history.is_empty() {
        return Err("no_source");
    }
    let Some(p) = ix.principal(&f.principal_id).filter(|p| p.inventoried) else {
        return Err("identity_unresolved");
    };
    if let (Some(a), Some(b)) = (&f.platform, &p.platform)
        && directory(a) != directory(b)
    {
        return Err("no_source");
    }
    if !roles.contains(&*f.privilege) {
        return Err("role_unexpanded");
    }
    let place = f.scope.as_deref().map(|s| scope::canonical(f.platform.as_deref(), s));
    history.latest(ix, &f.principal_id, place.as_deref()).ok_or("no_source")
}

/// The binding that the grant would have made: same privilege by name or id, on the grant's scope or
/// one that contains it, and in effect.
fn matching<'a>(f: &GrantFact, held: &[&'a Holding]) -> Option<&'a Holding> {
    held.iter()
        .copied()
        .filter(|h| !matches!(h.standing, Standing::Residue | Standing::Eligible))
        .find(|h| concerns(f, h))
}

/// Same privilege by name or id, on equal or nested scope, whether in effect or not.
fn concerns(f: &GrantFact, h: &Holding) -> bool {
    let policy = gives_policies(f) && f.privilege.split(", ").any(|p| *p == *h.privilege);
    if *h.privilege != *f.privilege && *h.role_id != *f.privilege && !policy {
        return false;
    }
    place_fits(f.platform.as_deref(), f.scope.as_deref(), (&h.platform, &h.scope))
}

/// Whether a binding at a scope is at what is asked for: equal or nested scope.
#[must_use]
pub fn place_fits(
    platform: Option<&str>,
    asked: Option<&str>,
    (bound_on, bound_at): (&str, &str),
) -> bool {
    let Some(asked) = asked else { return true };
    let asked = scope::canonical(platform, asked);
    let own = scope::canonical(Some(bound_on), bound_at);
    // A ledger's own word for a place (`prod-db`, a bucket) cannot be set against an account.
    !names_place(bound_on, &asked) || scope::contains(&own, &asked) || scope::contains(&asked, &own)
}

/// A token of Vault: what it gives are the policies that its grant lists, not a binding of its own.
fn gives_policies(f: &GrantFact) -> bool {
    f.platform.as_deref() == Some("vault") && !expects_binding(f)
}

/// Whether a canonical scope says where it is, in terms of the platform.
fn names_place(platform: &str, scope: &str) -> bool {
    platform != "aws" || scope == "*" || scope::aws_account(scope).is_some()
}

fn judge_active(ix: &Index<'_>, f: &mut GrantFact, snap: Snapshot, binding: Option<&Holding>) {
    let until = if snap.exact { snap.at } else { ix.as_of };
    let begun = f.started_at.is_some_and(|s| s.plus_secs(PROVISIONING_S) <= snap.at);
    if !begun || f.ended_at.is_some_and(|e| e <= until) {
        return;
    }
    f.missing_in_state = Some(binding.is_none());
    let Some(b) = binding else { return };
    let mut drift = Vec::new();
    let mut wider = false;
    if let (Some(bound), Some(end)) = (b.not_after, f.not_after)
        && bound.secs_since(end).abs() > SKEW_S
    {
        drift.push(text("end"));
        wider |= bound > end;
    }
    if let Some(s) = f.scope.as_deref() {
        let (own, asked) = (
            scope::canonical(Some(&b.platform), &b.scope),
            scope::canonical(f.platform.as_deref(), s),
        );
        // Bindings of AWS stand at the account; which resources a policy names is its content.
        let comparable = &*b.platform != "aws" || (asked.starts_with("aws:") && asked != "*");
        if comparable && own != asked {
            drift.push(text("scope"));
            wider |= scope::contains(&own, &asked);
        }
    }
    f.drift_wider = Some(wider);
    f.drift = Some(drift);
}

fn judge_ended(
    f: &mut GrantFact,
    snap: Snapshot,
    binding: Option<&Holding>,
    claim: Option<&Claim>,
    as_of: Time,
) {
    let Some(end) = f.ended_at.filter(|e| *e <= as_of) else { return };
    if snap.at <= end {
        f.state_unknown = Some(text("out_of_window"));
        return;
    }
    let last = claim.and_then(|c| c.last.as_ref()).is_none_or(|(_, id)| *id == f.grant_id);
    if binding.is_some() && !last {
        f.state_unknown = Some(text("later_grant"));
        return;
    }
    let present = binding.is_some() && !claim.is_some_and(|c| c.active);
    f.present_after_end = Some(present);
    f.present_after_end_s = Some(if present { snap.at.secs_since(end) } else { 0 });
}

/// Fills the ledger columns of the holdings.
pub fn reconcile_holdings(
    ix: &Index<'_>,
    facts: &[GrantFact],
    shrunken: &Shrunken<'_>,
    holdings: &mut [Holding],
) {
    let mut by_principal: HashMap<&str, Vec<&GrantFact>> = HashMap::new();
    let mut brokered: BTreeSet<&str> = BTreeSet::new();
    for f in facts.iter().filter(|f| f.effective && (expects_binding(f) || gives_policies(f))) {
        by_principal.entry(&f.principal_id).or_default().push(f);
        if expects_binding(f) {
            brokered.insert(&f.privilege);
        }
    }
    let ledger = ix.has_layer(Layer::Ledger);
    let running = running_principals(ix);
    for h in holdings {
        h.task_running = running.as_ref().map(|r| r.contains(&*h.principal_id));
        if !ledger {
            h.ledger_unknown = Some(text("no_source"));
            continue;
        }
        h.looks_temporary |= brokered.contains(&*h.privilege) || brokered.contains(&*h.role_id);
        let own: Vec<&GrantFact> =
            by_principal.get(&*h.principal_id).map_or_else(Vec::new, |list| {
                list.iter().copied().filter(|f| concerns(f, h)).collect()
            });
        match shrunken.may_hide(h).filter(|_| own.is_empty()) {
            Some(why) => h.ledger_unknown = Some(text(why)),
            None => h.known_to_ledger = Some(!own.is_empty()),
        }
        // A record that is the grant and the holding in one explains nothing by itself.
        let itself =
            |f: &GrantFact| !f.refs.is_empty() && f.refs.iter().all(|r| h.refs.contains(r));
        let valid = own.iter().find(|f| f.active_now == Some(true) && !itself(f));
        // A grant whose end is unknown may cover it.
        let open = own.iter().any(|f| f.active_now.is_none() && !itself(f));
        h.covered_by_grant = valid.map(|_| true).or((!open).then_some(false));
        h.grant_id = valid.or_else(|| own.last()).map(|f| f.grant_id.clone());
    }
}

/// Principals with a running task; `None` without a task source.
fn running_principals(ix: &Index<'_>) -> Option<BTreeSet<Text>> {
    ix.has_layer(Layer::Task).then(|| {
        ix.facts
            .tasks
            .iter()
            .filter(|t| tasks::is_running(t, ix.as_of))
            .filter_map(|t| t.principal_id.clone())
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::index::NoTiers;
    use crate::facts::identity::Resolution;
    use crate::facts::*;
    use crate::settings::Settings;

    const ANN: &str = "arn:aws:iam::111122223333:user/ann";

    fn facts(stated: bool) -> Facts {
        let day = |d: i64| Some(Time::from_secs(d * 86_400));
        Facts {
            sources: vec![
                Source {
                    source_id: text("S1"),
                    layer: Layer::State,
                    collected_at: if stated { day(90) } else { None },
                    last_time: day(90),
                    ..Source::default()
                },
                Source { source_id: text("S2"), layer: Layer::Ledger, ..Source::default() },
            ],
            principals: vec![Principal {
                principal_id: text(ANN),
                platform: Some(text("aws")),
                inventoried: true,
                source_id: text("S1"),
                ..Principal::default()
            }],
            roles: vec![Role { role_id: text("arn:p"), name: text("jit-x"), ..Role::default() }],
            ..Facts::default()
        }
    }

    fn grant(id: &str, from: i64, until: Option<i64>) -> GrantFact {
        let day = |d: i64| Time::from_secs(d * 86_400);
        GrantFact {
            grant_id: text(id),
            principal_id: text(ANN),
            privilege: text("jit-x"),
            platform: Some(text("aws")),
            scope: Some(text("111122223333")),
            effective: true,
            started_at: Some(day(from)),
            ended_at: until.map(day),
            not_after: until.map(day),
            active_now: Some(until.is_none_or(|u| u > 100)),
            ..GrantFact::default()
        }
    }

    fn holding() -> Holding {
        Holding {
            principal_id: text(ANN),
            platform: text("aws"),
            privilege: text("jit-x"),
            role_id: text("arn:p"),
            scope: text("aws:111122223333"),
            ..Holding::default()
        }
    }

    fn reconciled(facts: &Facts, grants: Vec<GrantFact>, held: &[Holding]) -> Vec<GrantFact> {
        let (settings, resolution) = (Settings::defaults(), Resolution::default());
        let as_of = Time::from_secs(100 * 86_400);
        let ix = Index::new(facts, &settings, &resolution, as_of, &NoTiers);
        let mut grants = grants;
        reconcile_grants(&ix, &mut grants, held);
        grants
    }

    #[test]
    fn bound_after_the_end_is_proved_by_a_later_snapshot() {
        let g = reconciled(&facts(false), vec![grant("g", 10, Some(20))], &[holding()]).remove(0);
        assert_eq!(g.present_after_end, Some(true));
        assert_eq!(g.present_after_end_s, Some(70 * 86_400));
    }

    #[test]
    fn removed_binding_is_clean_and_an_earlier_snapshot_says_nothing() {
        let g = reconciled(&facts(true), vec![grant("g", 10, Some(20))], &[]).remove(0);
        assert_eq!(g.present_after_end, Some(false));
        let g = reconciled(&facts(true), vec![grant("g", 10, Some(95))], &[holding()]).remove(0);
        assert_eq!(g.present_after_end, None);
        assert_eq!(g.state_unknown.as_deref(), Some("out_of_window"));
    }

    #[test]
    fn another_grant_in_force_explains_the_binding() {
        let grants = vec![grant("old", 10, Some(20)), grant("now", 30, None)];
        let out = reconciled(&facts(true), grants, &[holding()]);
        assert_eq!(out[0].present_after_end, Some(false));
        assert_eq!(out[1].missing_in_state, Some(false));
    }

    #[test]
    fn a_grant_by_another_name_or_scope_explains_the_binding_too() {
        let mut now = grant("now", 30, None);
        now.privilege = text("arn:p");
        now.scope = None;
        let out = reconciled(&facts(true), vec![grant("old", 10, Some(20)), now], &[holding()]);
        assert_eq!(out[0].present_after_end, Some(false));
    }

    #[test]
    fn a_scope_in_the_ledgers_own_words_is_neither_absence_nor_drift() {
        for place in ["production", "arn:aws:s3:::bucket", "arn:aws:sqs:eu-west-1:111122223333:q"] {
            let mut g = grant("g", 10, None);
            g.scope = Some(text(place));
            let g = reconciled(&facts(true), vec![g], &[holding()]).remove(0);
            assert_eq!(g.missing_in_state, Some(false), "{place}");
            assert_eq!(g.drift.as_deref(), Some(&[][..]), "{place}");
        }
        let mut g = grant("g", 10, None);
        g.scope = Some(text("444455556666"));
        let g = reconciled(&facts(true), vec![g], &[holding()]).remove(0);
        assert_eq!(g.missing_in_state, Some(true), "another account is another place");
    }

    #[test]
    fn only_the_last_of_several_ended_grants_owns_the_residue() {
        let grants = vec![grant("a", 10, Some(20)), grant("b", 30, Some(40))];
        let out = reconciled(&facts(true), grants, &[holding()]);
        assert_eq!(out[0].state_unknown.as_deref(), Some("later_grant"));
        assert_eq!(out[1].present_after_end, Some(true));
    }

    #[test]
    fn expired_condition_is_not_presence() {
        let mut h = holding();
        h.standing = Standing::Residue;
        let g = reconciled(&facts(true), vec![grant("g", 10, Some(20))], &[h]).remove(0);
        assert_eq!(g.present_after_end, Some(false));
    }

    #[test]
    fn what_cannot_be_looked_up_is_not_assessed() {
        let mut g = grant("g", 10, Some(20));
        g.privilege = text("some-permission-set");
        let out = reconciled(&facts(true), vec![g], &[]);
        assert_eq!(out[0].state_unknown.as_deref(), Some("role_unexpanded"));
        let mut g = grant("g", 10, Some(20));
        g.principal_id = text("ann@x.example");
        let out = reconciled(&facts(true), vec![g], &[]);
        assert_eq!(out[0].state_unknown.as_deref(), Some("identity_unresolved"));
    }

    #[test]
    fn active_grant_without_binding_is_missing_and_a_longer_bound_is_drift() {
        let out = reconciled(&facts(true), vec![grant("g", 10, Some(200))], &[]);
        assert_eq!(out[0].missing_in_state, Some(true));
        let mut h = holding();
        h.not_after = Some(Time::from_secs(300 * 86_400));
        let out = reconciled(&facts(true), vec![grant("g", 10, Some(200))], &[h]);
        assert_eq!(out[0].drift.as_deref(), Some(&[text("end")][..]));
        assert_eq!(out[0].drift_wider, Some(true));
    }

    #[test]
    fn a_record_does_not_explain_itself_and_tokens_give_their_policies() {
        let f = facts(true);
        let (settings, resolution) = (Settings::defaults(), Resolution::default());
        let ix = Index::new(&f, &settings, &resolution, Time::from_secs(100 * 86_400), &NoTiers);
        let mut own = grant("g", 10, None);
        own.refs = vec![text("S1:L1")];
        let mut held = vec![holding(), holding()];
        held[0].refs = vec![text("S1:L1")];
        held[1].refs = vec![text("S2:L1")];
        reconcile_holdings(&ix, &[own.clone()], &Shrunken::default(), &mut held);
        assert_eq!((held[0].covered_by_grant, held[0].known_to_ledger), (Some(false), Some(true)));
        assert_eq!(held[1].covered_by_grant, Some(true));
        own.platform = Some(text("vault"));
        own.broker_kind = BrokerKind::Credential;
        own.privilege = text("default, writer");
        own.scope = None;
        let mut held = vec![holding(), holding()];
        held[0].privilege = text("writer");
        held[1].privilege = text("write");
        for h in &mut held {
            h.platform = text("vault");
        }
        reconcile_holdings(&ix, &[own], &Shrunken::default(), &mut held);
        assert_eq!(
            held.iter().map(|h| h.covered_by_grant).collect::<Vec<_>>(),
            [Some(true), Some(false)]
        );
    }

    #[test]
    fn shadow_and_covered_holdings() {
        let f = facts(true);
        let (settings, resolution) = (Settings::defaults(), Resolution::default());
        let as_of = Time::from_secs(100 * 86_400);
        let ix = Index::new(&f, &settings, &resolution, as_of, &NoTiers);
        let mut held = vec![holding(), holding()];
        held[1].principal_id = text("arn:aws:iam::111122223333:user/bob");
        reconcile_holdings(&ix, &[grant("g", 10, None)], &Shrunken::default(), &mut held);
        assert_eq!((held[0].covered_by_grant, held[0].known_to_ledger), (Some(true), Some(true)));
        assert_eq!((held[1].covered_by_grant, held[1].known_to_ledger), (Some(false), Some(false)));
        assert!(held[1].looks_temporary, "the broker issues this privilege to others");
    }
}
