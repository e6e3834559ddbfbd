//! Rows of `use_profiles`: what each principal uses of what it is granted (AWS semantics, 5.6,
//! "unused"). Only what the evidence would show is counted: without data events in a log the use of
//! data actions is not observable, and what no log ever shows is exempt. Never counted as unused
//! are Deny statements, which grant nothing.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::access::{Evaluated, Plan};
use super::activity::Activity;
use super::breadth::Breadth;
use super::narrower::{self, Seen};
use super::people::{People, Person};
use super::{aws, refs, tracked};
use crate::facts::{
    Completeness, Facts, Holding, Layer, Outcome, Standing, Text, Tier, Time, Usage, UsageGrain,
    UseProfile, text,
};
use crate::privilege::aws::action::{ActionSet, catalogue};
use crate::privilege::aws::classes::classes;
use crate::privilege::aws::evaluate::{Scope, SubjectKind};
use crate::privilege::aws::exposure::{exposures, services};
use crate::settings::Settings;

/// Format of the sources that tell the last use of services.
pub(super) const LAST_ACCESSED: &str = "aws-service-last-accessed";
/// Actions that a row names.
const USED: usize = 60;
/// Services that a row names.
pub(super) const SERVICES: usize = 60;
/// Actions outside of what is granted that a row names.
const FOREIGN: usize = 20;
const DAY: i64 = 86_400;

/// A log of events, with the window it covers.
struct Log {
    realm: Option<Text>,
    from: Time,
    until: Time,
    format: Text,
}

/// Rows in the order of principals; [`on_standing`] fills what the holdings say. A group with members is
/// no principal of its own.
pub fn rows(
    facts: &Facts,
    settings: &Settings,
    people: &People,
    activity: &Activity,
    (plans, evaluated): (&[Plan], &Evaluated<'_>),
) -> Vec<UseProfile> {
    let logs = logs(facts, activity.as_of);
    let used = by_principal(facts, &logs);
    let shown = data_services(&used);
    let mut corroborated: BTreeMap<&str, Vec<Text>> = BTreeMap::new();
    for f in &facts.provider_findings {
        if &*f.status == "ACTIVE" && f.kind.starts_with("Unused") {
            let line = text(format!("{} {}", f.kind, f.finding_id));
            corroborated.entry(&f.resource_id).or_default().push(line);
        }
    }
    let nobody = Person::default();
    let mut breadth = Breadth::new(facts, settings);
    let mut out = Vec::new();
    let mut sessions: BTreeMap<&Text, Vec<usize>> = BTreeMap::new();
    for (i, plan) in plans.iter().enumerate().filter(|(_, p)| p.subject.kind == SubjectKind::Policy)
    {
        sessions.entry(&plan.principal).or_default().push(i);
    }
    for (i, plan) in plans.iter().enumerate() {
        let group = plan.subject.kind == SubjectKind::Group;
        // People of the identity store have one row for all of their sessions.
        let own = [i];
        let all = sessions.get(&plan.principal).map_or(&own[..], Vec::as_slice);
        if group || plan.bindings.is_empty() || all.first() != Some(&i) {
            continue;
        }
        let person = people.get(&plan.principal).unwrap_or(&nobody);
        let mut row = base(plan, person, activity.as_of);
        if let Some(list) = corroborated.get(&*plan.principal) {
            row.corroborated_by.clone_from(list);
            row.corroborated_by.sort_unstable();
            row.corroborated_by.dedup();
        }
        match granted(plans, evaluated, all) {
            None => row.use_unknown = Some(text("role_unexpanded")),
            Some((granted, wide)) => {
                let mine = used.get(&*plan.principal).map_or(&[][..], Vec::as_slice);
                let window = window(&logs, person.realm.as_ref());
                let evidence = Evidence { rows: mine, window, shown: &shown, activity, settings };
                evidence.fill(&mut row, &granted);
                let used = evidence.granted_use(&row, &granted);
                breadth.fill(&mut row, wide.into_owned(), used.as_deref());
            }
        }
        out.push(row);
    }
    out.sort_by(|a, b| a.principal_id.cmp(&b.principal_id));
    out
}

/// Actions that the plans of one principal certainly allow on something, and on whole types; `None` when the
/// content of some binding is unknown.
fn granted<'e>(
    plans: &[Plan],
    evaluated: &'e Evaluated<'_>,
    of: &[usize],
) -> Option<(Cow<'e, ActionSet>, Cow<'e, ActionSet>)> {
    let mut out: Option<(Cow<'e, ActionSet>, Cow<'e, ActionSet>)> = None;
    for i in of {
        let plan = plans.get(*i)?;
        let rights =
            evaluated.of(*i).filter(|_| plan.bindings.iter().all(|b| b.unknown.is_none()))?;
        let (some, all) = (rights.grants.certain(Scope::Some), rights.grants.certain(Scope::All));
        match &mut out {
            None => out = Some((Cow::Borrowed(some), Cow::Borrowed(all))),
            Some((a, b)) => {
                a.to_mut().union_with(some);
                b.to_mut().union_with(all);
            }
        }
    }
    out
}

/// Fills how strong what a principal holds without an end is. The holdings are sorted by principal.
pub fn on_standing(rows: &mut [UseProfile], holdings: &[Holding]) {
    let mut standing: BTreeMap<&str, &[Holding]> = BTreeMap::new();
    for of in holdings.chunk_by(|a, b| a.principal_id == b.principal_id) {
        standing.extend(of.first().map(|h| (&*h.principal_id, of)));
    }
    let stands = |h: &&Holding| matches!(h.standing, Standing::Standing | Standing::Recurring);
    for row in rows {
        let held = standing.get(&*row.principal_id).copied().unwrap_or_default();
        let unknown = held.iter().filter(stands).any(|h| h.tier.is_none());
        let tier = held.iter().filter(stands).filter_map(|h| h.tier).min();
        let privileged = tier.is_some_and(|t| t <= Tier::T1);
        row.tier = tier;
        row.privileged = if privileged || !unknown { Some(privileged) } else { None };
    }
}

fn base(plan: &Plan, person: &Person, as_of: Time) -> UseProfile {
    UseProfile {
        principal_id: plan.principal.clone(),
        principal_kind: person.kind,
        platform: aws(),
        realm: person.realm.clone(),
        environment: person.environment.clone(),
        provider_owned: person.provider_owned,
        break_glass: person.break_glass,
        age_days: person.created_at.map(|t| as_of.days_since(t)),
        owner: person.owner.clone(),
        refs: refs(person.refs.iter().map(|(s, r)| (s, r))),
        ..UseProfile::default()
    }
}

/// Complete sources of events with a known window. Last-use records list single actions too, but
/// not when they were used before.
fn logs(facts: &Facts, as_of: Time) -> BTreeMap<Text, Log> {
    // A log that leaves the action of some use open cannot show that an action was not used.
    let mut names_actions: BTreeMap<&str, bool> = BTreeMap::new();
    for u in &facts.usage {
        if matches!(u.grain, UsageGrain::Event | UsageGrain::Action) {
            let named = u.action.as_deref().is_some_and(|a| a.contains(':') && !a.ends_with('*'));
            *names_actions.entry(&u.source_id).or_insert(true) &= named;
        }
    }
    let mut out = BTreeMap::new();
    for s in &facts.sources {
        let log = s.layer == Layer::Usage
            && &*s.format != LAST_ACCESSED
            && s.completeness == Completeness::Complete
            && names_actions.get(&*s.source_id) == Some(&true);
        if let (true, Some(from), Some(until)) = (log, s.window_start, s.window_end) {
            let log = Log {
                realm: s.realm.clone(),
                from,
                until: until.min(as_of),
                format: s.format.clone(),
            };
            if log.from < log.until {
                out.insert(s.source_id.clone(), log);
            }
        }
    }
    out
}

/// A window without gaps, and the logs that cover it.
struct Window<'a> {
    from: Time,
    until: Time,
    logs: Vec<&'a Log>,
}

/// The latest window that the logs about an account cover without a gap.
fn window<'a>(logs: &'a BTreeMap<Text, Log>, realm: Option<&Text>) -> Option<Window<'a>> {
    let mut about: Vec<&Log> = logs
        .values()
        .filter(|l| l.realm.is_none() || realm.is_none() || l.realm.as_ref() == realm)
        .collect();
    about.sort_by_key(|l| (l.from, l.until));
    let mut found: Option<Window<'a>> = None;
    for l in about {
        match &mut found {
            Some(w) if l.from <= w.until => {
                w.until = w.until.max(l.until);
                w.logs.push(l);
            }
            _ => found = Some(Window { from: l.from, until: l.until, logs: vec![l] }),
        }
    }
    found
}

/// Rows of the logs by principal: successful use of a named action.
fn by_principal<'a>(
    facts: &'a Facts,
    logs: &BTreeMap<Text, Log>,
) -> BTreeMap<&'a str, Vec<&'a Usage>> {
    let mut out: BTreeMap<&str, Vec<&Usage>> = BTreeMap::new();
    for u in &facts.usage {
        let grain = matches!(u.grain, UsageGrain::Event | UsageGrain::Action);
        if let (true, Some(id)) = (grain && u.outcome == Outcome::Allowed, &u.principal_id)
            && u.count != Some(0)
            && logs.contains_key(&u.source_id)
        {
            out.entry(id).or_default().push(u);
        }
    }
    out
}

/// Catalogue index of the action of a usage row.
fn action_of(u: &Usage) -> Option<usize> {
    u.action.as_deref().and_then(|a| catalogue().id(a))
}

/// Services of which the logs show data events.
fn data_services(used: &BTreeMap<&str, Vec<&Usage>>) -> BTreeSet<String> {
    let data = exposures().data_events();
    used.values()
        .flatten()
        .filter(|u| action_of(u).is_some_and(|id| data.contains(id)))
        .filter_map(|u| u.action.as_deref()?.split_once(':'))
        .map(|(service, _)| service.to_ascii_lowercase())
        .collect()
}

/// What the sources say of one principal.
struct Evidence<'a> {
    rows: &'a [&'a Usage],
    window: Option<Window<'a>>,
    shown: &'a BTreeSet<String>,
    activity: &'a Activity,
    settings: &'a Settings,
}

impl Evidence<'_> {
    fn fill(&self, row: &mut UseProfile, granted: &ActionSet) {
        row.exempt = exposures()
            .unlogged()
            .in_common(granted)
            .map(|id| text(catalogue().name(id)))
            .collect();
        let by_service = self.activity.of(&row.principal_id).by_service;
        let long = |w: &Window<'_>| w.until.days_since(w.from) >= self.activity.idle_days;
        match &self.window {
            Some(w) if long(w) || !by_service => self.by_action(row, granted, w),
            _ if by_service => self.by_service(row, granted),
            _ => row.use_unknown = Some(text("no_source")),
        }
        if let (Some(n), Some(used)) = (row.n_observable, row.n_used)
            && n > 0
        {
            #[expect(clippy::cast_precision_loss, reason = "numbers of actions are small")]
            let share = 1.0 - used as f64 / n as f64;
            row.unused_share = Some(share);
        }
    }

    /// Rows of the log, inside its window, about actions that are granted; `None` without such a log.
    fn granted_use(&self, row: &UseProfile, granted: &ActionSet) -> Option<Vec<&Usage>> {
        let from = row.window_start.filter(|_| row.granularity.as_deref() == Some("action"))?;
        let inside = |u: &Usage| {
            u.last_at.or(u.first_at).is_some_and(|t| t >= from && t <= self.activity.as_of)
        };
        let of = self.rows.iter().copied().filter(|u| inside(u));
        Some(of.filter(|u| action_of(u).is_some_and(|id| granted.contains(id))).collect())
    }

    /// A log of events: every granted action that the log would show is used or not.
    fn by_action(&self, row: &mut UseProfile, granted: &ActionSet, w: &Window<'_>) {
        let c = catalogue();
        let data = exposures().data_events();
        let mut observable = granted.clone();
        observable.difference_with(exposures().unlogged());
        let mut hidden = c.none();
        for (_, range) in c.services().filter(|(s, _)| !self.shown.contains(*s)) {
            for id in range.filter(|id| data.contains(*id) && granted.contains(*id)) {
                hidden.insert(id);
            }
        }
        observable.difference_with(&hidden);
        let mut used = c.none();
        let mut foreign = BTreeSet::new();
        let inside = |u: &&&Usage| {
            u.last_at.or(u.first_at).is_some_and(|t| t >= w.from && t <= self.activity.as_of)
        };
        let rows: Vec<&Usage> = self.rows.iter().filter(inside).copied().collect();
        for u in &rows {
            match action_of(u) {
                Some(id) if granted.contains(id) => used.insert(id),
                _ => {
                    foreign.extend(u.action.as_ref().filter(|a| !a.ends_with('*')).cloned());
                }
            }
        }
        let mut counted = used.clone();
        counted.intersect_with(&observable);
        row.granularity = Some(text("action"));
        row.sources = names(w.logs.iter().map(|l| &l.format));
        row.window_start = Some(w.from);
        row.window_end = Some(w.until);
        row.window_days = Some(w.until.days_since(w.from));
        row.n_granted = count(granted);
        row.n_observable = count(&observable);
        row.n_used = count(&counted);
        let live: BTreeSet<String> = services(&used).into_iter().collect();
        let idle = services(&observable).into_iter().filter(|s| !live.contains(s));
        row.unused_services = idle.take(SERVICES).map(text).collect();
        row.used = used.ones().take(USED).map(|id| text(c.name(id))).collect();
        row.used_not_granted = foreign.into_iter().take(FOREIGN).collect();
        row.not_observable = services(&hidden).into_iter().take(SERVICES).map(text).collect();
        let seen: Vec<Seen<'_>> = rows
            .iter()
            .filter_map(|u| Some(Seen { action: action_of(u)?, resource: u.resource.as_deref() }))
            .filter(|s| used.contains(s.action))
            .collect();
        let kept: Vec<&str> = row.exempt.iter().map(|a| &**a).collect();
        row.proposal = narrower::policy(&seen, &kept).map(text);
        self.days(row, &rows, w);
        let mut refs = std::mem::take(&mut row.refs);
        refs.extend(
            rows.iter()
                .take(4)
                .map(|u| crate::facts::store::evidence_ref(&u.source_id, &u.source_ref)),
        );
        refs.sort_unstable();
        refs.dedup();
        row.refs = refs;
    }

    /// Days of use, and what just-in-time access would have taken.
    fn days(&self, row: &mut UseProfile, rows: &[&Usage], w: &Window<'_>) {
        let strong = |u: &&&Usage| {
            let of = action_of(u).map(|id| classes().of_action(id).tier(true));
            of.is_some_and(|t| t <= Tier::T1)
        };
        let all = Days::of(rows.iter().copied(), w, 0);
        let grant = self.settings.limits.whole("jit_grant_s").max(1);
        let privileged = Days::of(rows.iter().filter(strong).copied(), w, grant);
        row.days_used = Some(all.certain);
        row.days_privileged = Some(privileged.certain);
        row.days_privileged_hi = Some(privileged.possible);
        row.longest_idle_days = privileged.longest_idle;
        row.grants_needed = Some(privileged.grants);
    }

    /// Last use by service: services of which something is granted against those used in the window.
    fn by_service(&self, row: &mut UseProfile, granted: &ActionSet) {
        let used = self.activity.of(&row.principal_id);
        // Of what came after it was made the source knows nothing.
        let end = used.until.map_or(self.activity.as_of, |t| t.min(self.activity.as_of));
        if self.activity.too_old(Some(end)) {
            row.use_unknown = Some(text("out_of_window"));
            return;
        }
        // What leaves no trace is exempt, and a service of which nothing else is granted with it (5.6).
        let mut of = granted.clone();
        of.difference_with(exposures().unlogged());
        let of = services(&of);
        // What the source does not list it does not track.
        let (tracked, hidden): (Vec<String>, Vec<String>) =
            of.into_iter().partition(|s| used.services.contains_key(s));
        let recent = |s: &&String| {
            let last = used.services.get(*s).copied().flatten();
            last.is_some_and(|t| end.days_since(t) <= self.activity.idle_days)
        };
        let (live, idle): (Vec<&String>, Vec<&String>) = tracked.iter().partition(recent);
        let number = |n: usize| i64::try_from(n).ok();
        row.granularity = Some(text("service"));
        row.sources = vec![text(LAST_ACCESSED)];
        row.window_start = used.since;
        row.window_end = Some(end);
        row.window_days = used.since.map(|t| end.days_since(t));
        row.n_granted = number(tracked.len() + hidden.len());
        row.n_observable = number(tracked.len());
        row.n_used = number(live.len());
        row.unused_services = idle.iter().take(SERVICES).map(text).collect();
        row.used = live.iter().take(USED).map(|s| text(format!("{s}:*"))).collect();
        let exempt: Vec<&str> = row.exempt.iter().map(|a| &**a).collect();
        let recent = |t: Time| end.days_since(t) <= self.activity.idle_days;
        if let Some(of) = tracked::by_action(granted, used, &live, recent, &exempt) {
            // A service whose actions are told is not told as a whole.
            let told = |s: &&Text| {
                let service = s.strip_suffix('*').unwrap_or(s);
                !of.used.iter().any(|a| a.starts_with(service))
            };
            let mut all: Vec<Text> = row.used.iter().filter(told).cloned().collect();
            all.extend(of.used.iter().map(text));
            all.sort_unstable();
            all.truncate(USED);
            row.used = all;
            row.unused_actions = of.unused.iter().map(text).collect();
            row.proposal = of.proposal.map(text);
        }
        row.not_observable = hidden.iter().take(SERVICES).map(text).collect();
    }
}

fn count(set: &ActionSet) -> Option<i64> {
    i64::try_from(set.count_ones(..)).ok()
}

fn names<'a>(items: impl Iterator<Item = &'a Text>) -> Vec<Text> {
    items.collect::<BTreeSet<_>>().into_iter().cloned().collect()
}

/// Days with use in a window.
#[derive(Debug, PartialEq, Eq)]
struct Days {
    /// Days that certainly had use.
    certain: i64,
    /// Days that may have had use: an aggregated record hides on which days its uses fell.
    possible: i64,
    /// Longest run without use; unknown when a record hides its days.
    longest_idle: Option<i64>,
    /// Grants of a given length that cover the use, at most.
    grants: i64,
}

impl Days {
    fn of<'a>(rows: impl Iterator<Item = &'a Usage>, w: &Window<'_>, grant_s: i64) -> Self {
        let mut spans: Vec<(i64, i64, Option<i64>)> = rows
            .filter_map(|u| {
                let first = u.first_at.or(u.last_at)?.max(w.from).min(w.until).secs();
                let last = u.last_at.or(u.first_at)?.max(w.from).min(w.until).secs();
                Some((first.min(last), last, u.count))
            })
            .collect();
        spans.sort_unstable();
        let day = |s: i64| s.div_euclid(DAY);
        let total = (w.until.secs() - w.from.secs()).div_euclid(DAY).max(1);
        let mut certain: BTreeSet<i64> = BTreeSet::new();
        let mut hidden = 0;
        let mut blurred = false;
        let (mut grants, mut covered) = (0i64, i64::MIN);
        for (first, last, n) in &spans {
            certain.insert(day(*first));
            certain.insert(day(*last));
            let between = (day(*last) - day(*first) - 1).max(0);
            if between > 0 && *n != Some(2) {
                blurred = true;
                hidden += n.map_or(between, |n| between.min((n - 2).max(0)));
            }
            if grant_s > 0 && *last > covered {
                let start = if *first > covered { *first } else { covered };
                let more = 1 + (*last - start).max(0).div_euclid(grant_s);
                grants += more;
                covered = start.saturating_add(more.saturating_mul(grant_s));
            }
        }
        let n = i64::try_from(certain.len()).unwrap_or(i64::MAX);
        let mut longest = 0;
        let mut before = day(w.from.secs()) - 1;
        for d in certain.iter().copied().chain([day(w.until.secs() - 1) + 1]) {
            longest = longest.max(d - before - 1);
            before = d;
        }
        Self {
            certain: n.min(total),
            possible: n.saturating_add(hidden).min(total.max(n)),
            longest_idle: (!blurred).then_some(longest),
            grants,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Time {
        Time::from_secs(secs)
    }

    fn days(rows: &[(i64, i64, Option<i64>)]) -> Days {
        let rows: Vec<Usage> = rows
            .iter()
            .map(|(a, b, n)| Usage {
                first_at: Some(at(*a)),
                last_at: Some(at(*b)),
                count: *n,
                ..Usage::default()
            })
            .collect();
        let w = Window { from: at(0), until: at(100 * DAY), logs: Vec::new() };
        Days::of(rows.iter(), &w, 8 * 3600)
    }

    #[test]
    fn days_and_grants() {
        let none = Days { certain: 0, possible: 0, longest_idle: Some(100), grants: 0 };
        assert_eq!(days(&[]), none);
        let one = |d: i64| (d * DAY + 3600, d * DAY + 7200, Some(3));
        assert_eq!(
            days(&[one(10), one(10), one(40)]),
            Days { certain: 2, possible: 2, longest_idle: Some(59), grants: 2 }
        );
        // Twenty hours without a pause take three grants of eight hours.
        assert_eq!(days(&[(0, 20 * 3600, None)]).grants, 3);
        // A sum of ten uses over thirty days hides eight of its days at most.
        assert_eq!(
            days(&[(0, 30 * DAY, Some(10))]),
            Days { certain: 2, possible: 10, longest_idle: None, grants: 91 }
        );
    }

    #[test]
    fn windows_join_only_without_a_gap() {
        let log = |n: &str, a: i64, b: i64, realm: Option<&str>| {
            let log = Log {
                realm: realm.map(text),
                from: at(a * DAY),
                until: at(b * DAY),
                format: text("x"),
            };
            (text(n), log)
        };
        let logs: BTreeMap<Text, Log> = [
            log("a", 0, 10, None),
            log("b", 10, 30, Some("aws:1")),
            log("c", 40, 50, Some("aws:2")),
        ]
        .into();
        let found = window(&logs, Some(&text("aws:1"))).unwrap();
        assert_eq!((found.from, found.until), (at(0), at(30 * DAY)));
        let found = window(&logs, Some(&text("aws:2"))).unwrap();
        assert_eq!((found.from, found.until), (at(40 * DAY), at(50 * DAY)));
        assert!(window(&BTreeMap::new(), None).is_none());
    }
}
