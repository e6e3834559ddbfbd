//! Rows of `holdings`.

use std::sync::OnceLock;

use super::access::{Binding, Outcome, Plan};
use super::activity::Activity;
use super::identities::ROLE_TRACKED_DAYS;
use super::judge::Part;
use super::people::{People, Person};
use super::profiles::SERVICES;
use super::{COMBINED, aws, is_privileged, sorted, tracked};
use crate::facts::{Holding, Standing, Text, Time, UseProfile, text};
use crate::findings::fingerprint::digest;
use crate::privilege::aws::classes::{CLASSES, Class};
use crate::privilege::aws::evaluate::SubjectKind;

/// The word of a class, one text for all rows.
fn word(class: Class) -> Text {
    static WORDS: OnceLock<Vec<(Class, Text)>> = OnceLock::new();
    let words = WORDS.get_or_init(|| CLASSES.iter().map(|c| (*c, text(c.word()))).collect());
    let known = words.iter().find(|(c, _)| *c == class);
    known.map_or_else(|| text(class.word()), |(_, t)| t.clone())
}

/// Tag keys that say that something is meant to end.
const TEMPORARY_TAGS: [&str; 6] = ["expires", "expiry", "expiration", "ttl", "temporary", "jit"];

/// What logs of events show of the use of each principal: profiles in the order of principals.
#[derive(Debug)]
pub struct Logged<'a>(pub &'a [UseProfile]);

impl Logged<'_> {
    fn of(&self, id: &str) -> Option<&UseProfile> {
        let at = self.0.binary_search_by(|p| (*p.principal_id).cmp(id)).ok()?;
        self.0.get(at)
    }

    /// Whether a part of a policy gives nothing but what leaves no trace when it is used, such as
    /// `iam:PassRole`: that is never unused (5.6).
    fn exempt(&self, id: &str, part: &Part) -> bool {
        let Some(p) = self.of(id).filter(|p| !p.exempt.is_empty()) else { return false };
        let of = |service: &str| part.held.services.contains(&service);
        let n = p.exempt.iter().filter(|a| a.split_once(':').is_some_and(|(s, _)| of(s))).count();
        part.held
            .n_actions
            .is_some_and(|have| have > 0 && i64::try_from(n).is_ok_and(|n| have <= n))
    }

    /// Window of a log, long enough to count, that would show the use of every service of a part of a
    /// policy and shows none. A service with actions that the log would not show is never unused (5.6).
    fn unused(&self, id: &str, part: &Part, activity: &Activity) -> Option<(Time, Time)> {
        let p = self.of(id).filter(|p| p.granularity.as_deref() == Some("action"))?;
        let (from, end) = p.window_start.zip(p.window_end)?;
        let used = activity.of(id);
        let seen = |s: &str| used.services.get(s).copied().flatten().is_some_and(|t| t >= from);
        let shown = |s: &&'static str| !seen(s) && !p.not_observable.iter().any(|n| &**n == *s);
        let long = end.days_since(from) >= activity.idle_days && !activity.too_old(Some(end));
        // A list of services that was cut does not name them all.
        let whole = p.not_observable.len() < SERVICES && !part.held.services.is_empty();
        (long && whole && part.held.services.iter().all(shown)).then_some((from, end))
    }
}

/// Most rows that [`rows`] makes of what a principal was judged to hold.
pub fn most(outcome: &Outcome) -> usize {
    outcome.parts.iter().map(Vec::len).sum::<usize>() + usize::from(outcome.combined.is_some())
}

/// Holdings of one principal. Members hold what a group gives; a group without members holds it itself.
pub fn rows(
    plan: &Plan,
    outcome: &Outcome,
    people: &People,
    (activity, logged): (&Activity, &Logged<'_>),
) -> Vec<Holding> {
    if plan.subject.kind == SubjectKind::Group && plan.has_members {
        return Vec::new();
    }
    let nobody = Person::default();
    let person = people.get(&plan.principal).unwrap_or(&nobody);
    let row = |b: &Binding, part: &Part| {
        let mut h = base(plan, person, part);
        h.privilege = b.privilege.clone();
        h.role_id = b.role_id.clone();
        h.scope = b.scope.clone();
        h.via = b.via.iter().cloned().collect();
        h.looks_temporary |= b.temporary || h.standing == Standing::TimeBound;
        h.content_unknown = b.unknown.map(text);
        h.content_basis = b.unknown.is_none().then(|| text("inputs"));
        h.refs = sorted(b.refs.iter().cloned());
        use_columns(&mut h, plan, part, person, (activity, logged));
        finish(h, part)
    };
    let mut out: Vec<Holding> = plan
        .bindings
        .iter()
        .zip(&outcome.parts)
        .flat_map(|(b, parts)| {
            let row = &row;
            parts.iter().map(move |part| row(b, part))
        })
        .collect();
    if let Some(part) = &outcome.combined {
        let mut h = base(plan, person, part);
        h.privilege = text(COMBINED);
        h.role_id = text(plan.bindings.iter().map(|b| &*b.role_id).collect::<Vec<_>>().join("+"));
        h.scope = plan.bindings.first().map(|b| b.scope.clone()).unwrap_or_default();
        let mut via: Vec<Text> = plan.bindings.iter().flat_map(|b| b.via.iter().cloned()).collect();
        via.sort_unstable();
        via.dedup();
        h.via = via;
        h.refs = sorted(plan.bindings.iter().flat_map(|b| b.refs.iter().cloned()));
        use_columns(&mut h, plan, part, person, (activity, logged));
        out.push(finish(h, part));
    }
    out
}

fn base(plan: &Plan, person: &Person, part: &Part) -> Holding {
    let held = &part.held;
    let tier = part.judgement.as_ref().map(|j| j.tier());
    let words = |classes: &mut dyn Iterator<Item = Class>| classes.map(word).collect();
    let tagged = person.tags.iter().any(|t| {
        let key = t.split_once('=').map_or(&**t, |(k, _)| k);
        TEMPORARY_TAGS.iter().any(|want| key.eq_ignore_ascii_case(want))
    });
    Holding {
        principal_id: plan.principal.clone(),
        principal_kind: person.kind,
        platform: aws(),
        realm: person.realm.clone(),
        environment: person.environment.clone(),
        classes: part.judgement.as_ref().map(|j| words(&mut j.held())).unwrap_or_default(),
        classes_possible: part
            .judgement
            .as_ref()
            .map(|j| words(&mut j.only_possible()))
            .unwrap_or_default(),
        tier,
        tier_possible: part.judgement.as_ref().map(|j| j.tier_possible()),
        privileged: is_privileged(tier),
        admin: part.admin,
        reads_secrets: part.judgement.as_ref().map(|j| j.holds(Class::Secrets)),
        reads_sensitive: match &part.judgement {
            Some(_) => held.sensitive.as_ref().map(|list| !list.is_empty()),
            None => None,
        },
        sensitive_resources: held.sensitive.clone().unwrap_or_default(),
        principal_age_days: person.created_at.map(|t| plan.subject.as_of.days_since(t)),
        provider_owned: person.provider_owned,
        break_glass: person.break_glass,
        conditions: held.conditions.clone(),
        wildcards: held.wildcards.clone(),
        n_actions: if part.unknown { None } else { held.n_actions },
        strongest_actions: held.strongest.clone(),
        looks_temporary: tagged,
        standing: part.life.standing,
        not_before: part.life.not_before,
        not_after: part.life.not_after,
        statements: part.life.statements.clone(),
        owner: person.owner.clone(),
        ..Holding::default()
    }
}

fn finish(mut h: Holding, part: &Part) -> Holding {
    let end = h.not_after.map(Time::to_rfc3339).unwrap_or_default();
    let tier = h.tier.map(|t| t.as_str()).unwrap_or_default();
    h.state = text(digest(&[&part.held.digest, &end, tier]));
    h
}

/// Use of what the binding grants, by service, and by action where reports track all of what it grants of a
/// service; an identity without any use used nothing.
fn use_columns(
    h: &mut Holding,
    plan: &Plan,
    part: &Part,
    person: &Person,
    (activity, logged): (&Activity, &Logged<'_>),
) {
    let used = activity.of(&plan.principal);
    let as_of = activity.as_of;
    let days = |t: Time| as_of.days_since(t).max(0);
    let seen = |s: &&str| used.services.get(*s).copied();
    let of = |s: &&'static str| tracked::last_of(&part.held, used, s).flatten();
    let last = part.held.services.iter().filter_map(of).max();
    h.last_used_at = last;
    if used.by_service {
        h.services_granted = i64::try_from(part.held.services.len()).ok();
        let recent = part
            .held
            .services
            .iter()
            .filter(|s| seen(s).flatten().is_some_and(|t| activity.recent(t)));
        h.services_used = i64::try_from(recent.count()).ok();
    }
    if h.content_unknown.is_some() {
        h.services_granted = None;
        h.services_used = None;
        h.use_unknown = h.content_unknown.clone();
        return;
    }
    if let Some(t) = last
        && activity.recent(t)
    {
        h.used = Some(true);
        h.idle_days = Some(days(t));
        return;
    }
    let begin = used.since.max(person.created_at);
    // The source says nothing of what came after it was made.
    let until = used.until.map_or(as_of, |t| t.min(as_of));
    let days_to = |t: Time, end: Time| end.days_since(t).max(0);
    // Every granted service is in the source's list, and none was used in the window.
    let listed = used.by_service && part.held.services.iter().all(|s| seen(s).is_some());
    let complete = listed && !activity.too_old(used.until);
    let never = matches!(used.identity, Some(None)) && used.last.is_none();
    let stale = used
        .identity
        .flatten()
        .filter(|_| used.last.as_ref().is_some_and(|(t, _)| !activity.recent(*t)));
    if logged.exempt(&plan.principal, part) {
        h.use_unknown = Some(text("not_applicable"));
    } else if complete {
        h.used = Some(false);
        h.idle_days = last.or(begin).map(|t| days_to(t, until));
    } else if never {
        h.used = Some(false);
        // What is older is not in the tracking window (5.6).
        h.idle_days = person.created_at.map(|t| days(t).min(ROLE_TRACKED_DAYS));
    } else if let Some(t) = stale {
        // The identity itself has not been used since.
        h.used = Some(false);
        h.idle_days = Some(days(last.unwrap_or(t)));
    } else if let Some((from, end)) = logged.unused(&plan.principal, part, activity) {
        h.used = Some(false);
        let since = last.max(person.created_at).map_or(from, |t| t.max(from));
        h.idle_days = Some(days_to(since, end));
    } else {
        let reason = match (listed, used.by_service) {
            (true, _) => "out_of_window",
            (false, true) => "incomplete_snapshot",
            (false, false) => "no_source",
        };
        h.use_unknown = Some(text(reason));
    }
}
