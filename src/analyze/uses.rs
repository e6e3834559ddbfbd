//! Use of grants, and use without one.

use std::collections::HashMap;

use rayon::prelude::*;

use super::beyond::{self, Contents};
use super::index::Index;
use super::observe::Place;
use super::scope;
use crate::facts::store::evidence_ref;
use crate::facts::{
    Decision, Grant, GrantFact, Outcome, Text, Tier, Time, Usage, UsageFact, UsageGrain, text,
};

/// Usage rows that name no grant of the inputs, by who acted, in order of time.
#[derive(Debug)]
pub struct Unlinked<'a>(HashMap<&'a str, Vec<Row<'a>>>);

/// A row with its begin, and the latest end of the rows up to it.
#[derive(Debug)]
pub struct Row<'a> {
    /// Its begin.
    pub from: Time,
    reach: Time,
    /// Privilege that it names, or that the session stands for.
    pub privilege: Option<&'a str>,
    /// The record.
    pub usage: &'a Usage,
}

impl Row<'_> {
    /// Whether it may be use of a privilege at a scope.
    #[must_use]
    pub fn fits(
        &self,
        ix: &Index<'_>,
        platform: Option<&str>,
        privilege: &str,
        grant_scope: Option<&str>,
    ) -> bool {
        fits(ix, (self.usage, self.privilege), platform, privilege, grant_scope)
    }
}

impl<'a> Unlinked<'a> {
    /// Collects them, up to the as-of time.
    #[must_use]
    pub fn new(ix: &Index<'a>) -> Self {
        let mut sorted: Vec<(&str, Row<'a>)> = Vec::new();
        for u in &ix.facts.usage {
            let linked = u.grant_id.as_deref().is_some_and(|g| ix.has_grant(g));
            let (Some(own), Some(t), false) = (u.principal_id.as_deref(), u.first_at, linked)
            else {
                continue;
            };
            if t > ix.as_of || !is_use(u) {
                continue;
            }
            let mut add = |who: &'a str, privilege: Option<&'a str>| {
                let reach = u.last_at.unwrap_or(t);
                sorted.push((who, Row { from: t, reach, privilege, usage: u }));
            };
            add(own, u.privilege.as_deref());
            // A session of Identity Center is its person's, too.
            if let Some((who, privilege)) = ix.actor(u).filter(|(who, _)| *who != own) {
                add(who, privilege);
            }
        }
        sorted.sort_by_key(|(p, r)| (*p, r.from, &r.usage.source_id, &r.usage.source_ref));
        let mut map: HashMap<&str, Vec<Row<'a>>> = HashMap::new();
        for (p, mut row) in sorted {
            let rows = map.entry(p).or_default();
            row.reach = rows.last().map_or(row.reach, |before| before.reach.max(row.reach));
            rows.push(row);
        }
        Self(map)
    }

    /// All rows by who acted, in order of the names.
    pub fn by_principal(&self) -> impl Iterator<Item = (&'a str, &[Row<'a>])> {
        let mut all: Vec<(&'a str, &[Row<'a>])> =
            self.0.iter().map(|(who, rows)| (*who, rows.as_slice())).collect();
        all.sort_unstable_by_key(|(who, _)| *who);
        all.into_iter()
    }

    fn of(&self, principal: &str, from: Time) -> (&[Row<'a>], &[Row<'a>]) {
        let rows = self.0.get(principal).map_or(&[][..], Vec::as_slice);
        rows.split_at(rows.partition_point(|r| r.from < from))
    }

    /// Rows of a principal that begin in `[from, until)`.
    pub fn between(
        &self,
        principal: &str,
        from: Time,
        until: Time,
    ) -> impl Iterator<Item = &Row<'a>> + '_ {
        let (_, rows) = self.of(principal, from);
        rows.iter().take_while(move |r| r.from < until)
    }

    /// Whether a row that fits sums up uses since before `from` and lasts beyond it: some of its uses
    /// may lie behind it. Too many rows to look through leave it open.
    fn across(&self, principal: &str, from: Time, fits: impl Fn(&Row<'a>) -> bool) -> bool {
        let (rows, _) = self.of(principal, from);
        let mut near = rows.iter().rev().take_while(|r| r.reach >= from).enumerate();
        near.any(|(n, r)| {
            n >= MAX_ACROSS || (r.usage.last_at.is_some_and(|t| t >= from) && fits(r))
        })
    }
}

/// A row that shows use: an event or action that was not denied, not a last-used time. A call that
/// failed for another reason exercised the privilege.
#[must_use]
pub fn is_use(u: &Usage) -> bool {
    matches!(u.grain, UsageGrain::Event | UsageGrain::Action)
        && u.outcome != Outcome::Denied
        && u.count != Some(0)
}

/// Whether the row's privilege and scope fit the grant's. What the log does not say does not hinder.
fn fits(
    ix: &Index<'_>,
    (u, named): (&Usage, Option<&str>),
    platform: Option<&str>,
    privilege: &str,
    grant_scope: Option<&str>,
) -> bool {
    let platform_fits = match (u.platform.as_deref(), platform) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    };
    let scope_fits = match (u.scope.as_deref(), grant_scope) {
        (Some(a), Some(b)) => {
            let (outer, inner) = (scope::canonical(platform, b), scope::canonical(platform, a));
            scope::contains(&outer, &inner) || scope::undecided(&outer, &inner)
        }
        _ => true,
    };
    let same = |p: &str| p == privilege || ix.privilege_name(p) == ix.privilege_name(privilege);
    platform_fits && scope_fits && named.is_none_or(same)
}

/// Fills the use columns. Needs the timeline and the task columns.
pub fn add(ix: &Index<'_>, unlinked: &Unlinked<'_>, g: &Grant, f: &mut GrantFact) {
    let Some(start) = f.started_at else {
        f.use_unknown = Some(text("end_unknown"));
        return;
    };
    let end = f.ended_at.map_or(ix.as_of, |e| e.min(ix.as_of));
    let named: Vec<&Usage> = ix.usage_of_grant(g).into_iter().filter(|u| is_use(u)).collect();
    let fitting = |r: &Row<'_>| r.fits(ix, g.platform.as_deref(), &g.privilege, g.scope.as_deref());
    let rows = unlinked.between(&f.principal_id, start, end).filter(|r| fitting(r));
    let by_key = rows.map(|r| r.usage);
    let place = Place {
        platform: g.platform.as_deref(),
        privilege: &g.privilege,
        scope: g.scope.as_deref(),
        principal: &f.principal_id,
    };
    let mut observable = ix.use_observable(place, start, end.max(start));
    if observable.is_ok() && unlinked.across(&f.principal_id, start, fitting) {
        observable = Err("use_aggregated");
    }
    let mut uses = 0;
    let mut after_task = 0;
    for u in named.iter().copied().chain(by_key) {
        let (Some(first), n) = (u.first_at, u.count.unwrap_or(1)) else { continue };
        let own = u.grant_id.as_deref().is_some_and(|id| ix.has_grant(id));
        let last = match u.last_at {
            // The last use of a row that names no grant may belong to what came after the grant, and
            // what comes after the as-of time has not happened yet.
            Some(t) if (!own && t >= end) || t > ix.as_of => first,
            other => other.unwrap_or(first),
        };
        uses += n;
        f.first_used_at = Some(f.first_used_at.map_or(first, |t| t.min(first)));
        f.last_used_at = Some(f.last_used_at.map_or(last, |t| t.max(last)));
        // Between the end of the task and that of the access; later use is of USE-001.
        let kept =
            f.ended_at.max(f.residual_until).is_none_or(|e| first < e) || f.ended_at.is_none();
        if kept && f.task_ended_at.is_some_and(|e| last > e) {
            after_task += 1;
        }
        if f.refs.len() < MAX_USE_REFS {
            f.refs.push(evidence_ref(&u.source_id, &u.source_ref));
        }
    }
    if uses == 0
        && let Err(reason) = observable
    {
        f.use_unknown = Some(text(reason));
        return;
    }
    f.use_count = Some(uses);
    f.uses_after_task = f.task_ended_at.map(|_| after_task);
    // Rows that name the grant can lie outside its window; rows linked by time cannot.
    let known = |t: &Time| *t <= ix.as_of;
    let last_named = named.iter().filter_map(|u| u.last_at.filter(known).or(u.first_at)).max();
    let first_named = named.iter().filter_map(|u| u.first_at).min();
    let excess =
        |t: Option<Time>, end: Option<Time>| t.zip(end).map_or(0, |(t, e)| t.secs_since(e));
    f.used_after_end_s = Some(excess(last_named, f.ended_at));
    f.used_before_start_s = Some(first_named.map_or(0, |t| start.secs_since(t)));
    if f.revoked {
        let revoked_at = g.ended_at_lo.or(g.ended_at_hi).or(g.revoke_requested_at);
        f.used_after_revocation_s = Some(excess(last_named, revoked_at));
    }
}

/// Rows looked through for sums that reach into a grant.
const MAX_ACROSS: usize = 4096;

/// Evidence references of one grant stay readable.
const MAX_USE_REFS: usize = 12;

/// One row per use at event or action granularity, set against the ledger.
#[must_use]
pub fn usage_facts(ix: &Index<'_>, grants: &[GrantFact]) -> Vec<UsageFact> {
    let mut by_principal: HashMap<&str, Vec<&GrantFact>> = HashMap::new();
    let mut by_id: HashMap<&str, Vec<&GrantFact>> = HashMap::new();
    for g in grants {
        by_id.entry(&g.grant_id).or_default().push(g);
    }
    let mut sorted: Vec<&GrantFact> =
        grants.iter().filter(|g| g.effective && !g.interval_inverted).collect();
    sorted.sort_by_key(|g| (g.started_at, &g.grant_id));
    for g in sorted {
        by_principal.entry(&g.principal_id).or_default().push(g);
    }
    let mut refused: HashMap<&str, Vec<&GrantFact>> = HashMap::new();
    for g in grants.iter().filter(|g| is_refused(g)) {
        refused.entry(&g.principal_id).or_default().push(g);
    }
    refused.values_mut().for_each(|list| list.sort_by_key(|g| (g.requested_at, &g.grant_id)));
    let contents = Contents::new(ix, grants);
    let any = !grants.is_empty() || ix.survey.is_some_and(|s| s.grants);
    let table = Ledger { by_principal, by_id, refused, any, contents };
    ix.facts
        .usage
        .par_iter()
        .filter(|u| {
            matches!(u.grain, UsageGrain::Event | UsageGrain::Action)
                && u.first_at.is_some_and(|t| t <= ix.as_of)
        })
        .map(|u| usage_fact(ix, &table, u))
        .collect()
}

struct Ledger<'a> {
    by_principal: HashMap<&'a str, Vec<&'a GrantFact>>,
    by_id: HashMap<&'a str, Vec<&'a GrantFact>>,
    /// Requests that gave nothing, by who asked, in order of time.
    refused: HashMap<&'a str, Vec<&'a GrantFact>>,
    any: bool,
    contents: Contents<'a>,
}

impl<'a> Ledger<'a> {
    /// The grant that a use names; of several with one id, the one of the same principal.
    fn named(&self, u: &Usage, principal: &str) -> Option<&'a GrantFact> {
        match self.by_id.get(u.grant_id.as_deref()?)?.as_slice() {
            [only] => Some(only),
            many => many.iter().copied().find(|g| &*g.principal_id == principal),
        }
    }

    /// The last refused request before an instant of a use for what was used, unless a grant of it began
    /// since: then the use follows that grant (USE-001).
    fn request(
        &self,
        ix: &Index<'_>,
        (u, named): (&Usage, &str),
        principal: &str,
        t: Time,
    ) -> Option<&'a GrantFact> {
        let requests = self.refused.get(principal)?;
        let upto = requests.partition_point(|g| g.requested_at.is_none_or(|r| r <= t));
        let fitting = |g: &&&GrantFact| {
            let platform = g.platform.as_deref();
            // The log must say where it was, or the request be for anywhere.
            let placed = match (u.scope.as_deref(), g.scope.as_deref()) {
                (Some(used), Some(asked)) => scope::contains(
                    &scope::canonical(platform, asked),
                    &scope::canonical(platform, used),
                ),
                (_, asked) => asked.is_none(),
            };
            placed && fits(ix, (u, Some(named)), platform, &g.privilege, g.scope.as_deref())
        };
        let before = requests.get(..upto)?.iter().rev().take(MAX_ACROSS);
        let request = before.filter(|g| g.requested_at.is_some()).find(fitting)?;
        let granted = self.by_principal.get(principal).map_or(&[][..], Vec::as_slice);
        let begun = granted.partition_point(|g| g.started_at.is_some_and(|s| s <= t));
        let since = granted.get(..begun)?.iter().rev();
        let mut since = since.take_while(|g| g.started_at >= request.requested_at);
        (!since.any(|g| fitting(&g))).then_some(request)
    }
}

/// A request that gave no access: denied, lapsed, or not decided yet. What was withdrawn nobody refused, and
/// one whose activation failed was granted.
fn is_refused(g: &GrantFact) -> bool {
    !g.effective && matches!(g.decision, Decision::Denied | Decision::Lapsed | Decision::Pending)
}

fn name_request(g: &GrantFact, out: &mut UsageFact) {
    out.after_refusal = true;
    out.request_id = Some(g.grant_id.clone());
    out.request_decision = Some(g.decision);
    out.requested_at = g.requested_at;
    out.refs.extend(g.refs.first().cloned());
}

fn usage_fact(ix: &Index<'_>, ledger: &Ledger<'_>, u: &Usage) -> UsageFact {
    let principal_id = u.principal_id.clone().unwrap_or_else(|| u.principal.clone());
    let environment = ix.declared_environment(u.scope.as_deref(), &principal_id);
    let tier =
        u.action.as_deref().and_then(|a| ix.tiers.of_action(u.platform.as_deref(), a)).or_else(
            || u.privilege.as_deref().and_then(|p| ix.privilege(u.platform.as_deref(), p).0),
        );
    let mut out = UsageFact {
        principal_kind: ix.kind(&principal_id),
        platform: u.platform.clone(),
        environment: ix.environment(u.scope.as_deref(), &principal_id),
        jit_only: environment.is_some_and(|e| e.jit_only),
        privilege: u.privilege.clone().or_else(|| u.action.clone()).unwrap_or_else(|| text("?")),
        scope: u.scope.clone(),
        action: u.action.clone(),
        first_at: u.first_at,
        last_at: u.last_at.or(u.first_at),
        count: u.count,
        outcome: u.outcome,
        tier,
        privileged: tier.map(|t| t <= Tier::T2),
        owner: ix.owner_name(&principal_id),
        refs: vec![evidence_ref(&u.source_id, &u.source_ref)],
        principal_id,
        ..UsageFact::default()
    };
    in_grant(ix, ledger, u, &mut out);
    out
}

fn in_grant(ix: &Index<'_>, ledger: &Ledger<'_>, u: &Usage, out: &mut UsageFact) {
    let (Some(first), Some(last)) = (out.first_at, out.last_at) else { return };
    if let Some(g) = ledger.named(u, &out.principal_id) {
        out.grant_id = Some(g.grant_id.clone());
        out.link = Some(text("grant_id"));
        // A use that names its grant is that grant's business (USE-001), not a use without one; a
        // request that was never granted covers nothing.
        out.in_grant = Some(g.effective);
        ledger.contents.judge(u, g, out);
        if is_refused(g) && g.requested_at.is_none_or(|t| t <= last) {
            name_request(g, out);
        }
        return;
    }
    out.beyond_unknown = Some(beyond::unnamed());
    let actor = ix.actor(u).filter(|(who, _)| **who != *out.principal_id);
    let covered = |first: Time, last: Time| {
        let own = (&*out.principal_id, u.privilege.as_deref());
        let by =
            |(who, named): (&str, Option<&str>)| covering(ix, ledger, (u, named), who, first, last);
        by(own).or_else(|| actor.and_then(by))
    };
    let hit = covered(first, last);
    if let Some(id) = hit {
        out.grant_id = Some(id);
        out.link = Some(text("key_and_time"));
        out.in_grant = Some(true);
        return;
    }
    let asked = |t: Time| {
        let own = (&*out.principal_id, u.privilege.as_deref());
        std::iter::once(own).chain(actor).find_map(|(who, named)| {
            let named = named?;
            ledger.request(ix, (u, named), who, t)
        })
    };
    if !ledger.any {
        out.in_grant_unknown = Some(text("no_source"));
        return;
    }
    // The first and the last use are proved; what lies between them is not.
    let bare = |t: Time| ix.ledger_covers(t) && covered(t, t).is_none();
    let uncovered = [last, first].into_iter().find(|t| bare(*t));
    if let Some(t) = uncovered {
        out.in_grant = Some(false);
        if let Some(request) = asked(t) {
            name_request(request, out);
        }
    } else if ix.ledger_covers(first) && ix.ledger_covers(last) {
        out.in_grant_unknown = Some(text("use_aggregated"));
    } else {
        out.in_grant_unknown = Some(text("out_of_window"));
    }
}

/// A grant of the principal in force during the whole use, on that privilege and scope.
fn covering(
    ix: &Index<'_>,
    ledger: &Ledger<'_>,
    used: (&Usage, Option<&str>),
    principal: &str,
    first: Time,
    last: Time,
) -> Option<Text> {
    let list = ledger.by_principal.get(principal)?;
    let upto = list.partition_point(|g| g.started_at.is_some_and(|s| s <= first));
    list.iter()
        .take(upto)
        .rev()
        .find(|g| {
            g.ended_at.is_none_or(|e| last < e)
                && fits(ix, used, g.platform.as_deref(), &g.privilege, g.scope.as_deref())
        })
        .map(|g| g.grant_id.clone())
}
