//! Delegation: who acts for whom, with what, how long, and who stands at the origin.
//!
//! Specification: compliance, rules DEL-001 to DEL-003; grants model, section 3 (rules A4, G2). Hops come
//! from the sources (agent spans, sessions), from grants that name a person behind the beneficiary, and
//! from use on behalf of another. A chain is walked from hop to hop: the hop above is the one whose child
//! is this hop's parent, of the same chain where both name one, in force when this hop began.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::index::Index;
use super::observe::{Place, reserved_set};
use super::scope;
use crate::facts::identity::normalise;
use crate::facts::store::evidence_ref;
use crate::facts::{
    Decision, DelegationFact, GrantFact, Holding, Layer, Outcome, PrincipalKind, Text, Tier, Time,
    Tri, text,
};

/// Hops that a chain is followed through; longer ones are loops or forged.
const MAX_HOPS: usize = 64;

/// Hops looked through for the one above.
const MAX_LOOK: usize = 4096;

/// Privileges of a parent that are compared.
const MAX_HELD: usize = 512;

/// Clock skew between systems within which one hop precedes another, seconds (section 4.6).
const SKEW_S: i64 = 120;

/// A hop, whatever it came from.
#[derive(Clone, Debug, Default)]
struct Hop<'a> {
    parent: Text,
    child: Text,
    privilege: Option<Text>,
    scope: Option<Text>,
    decided: Option<bool>,
    grant_id: Option<Text>,
    grant: Option<&'a GrantFact>,
    from: Option<Time>,
    until: Option<Time>,
    parent_until: Option<Time>,
    chain: Option<Text>,
    origin: Option<Text>,
    evidence: Text,
    refs: Vec<Text>,
}

/// Grants by id, and by beneficiary in order of start.
struct Grants<'a> {
    by_id: HashMap<&'a str, Vec<&'a GrantFact>>,
    by_principal: HashMap<&'a str, Vec<&'a GrantFact>>,
}

impl<'a> Grants<'a> {
    fn new(facts: &'a [GrantFact]) -> Self {
        let mut out = Self { by_id: HashMap::new(), by_principal: HashMap::new() };
        for g in facts {
            out.by_id.entry(&g.grant_id).or_default().push(g);
            if g.effective && !g.interval_inverted {
                out.by_principal.entry(&g.principal_id).or_default().push(g);
            }
        }
        out.by_principal
            .values_mut()
            .for_each(|list| list.sort_by_key(|g| (g.started_at, &g.grant_id)));
        out
    }

    /// The grant with this id; of several ledgers the one of that beneficiary.
    fn named(&self, id: &str, principal: &str) -> Option<&'a GrantFact> {
        match self.by_id.get(id)?.as_slice() {
            [only] => Some(only),
            many => many.iter().copied().find(|g| &*g.principal_id == principal),
        }
    }

    /// Grants of a principal in force at an instant.
    fn in_force(&self, principal: &str, at: Time) -> impl Iterator<Item = &'a GrantFact> + '_ {
        let list = self.by_principal.get(principal).map_or(&[][..], Vec::as_slice);
        let upto = list.partition_point(|g| g.started_at.is_some_and(|s| s <= at));
        let near = list.iter().take(upto).rev().take(MAX_HELD).copied();
        near.filter(move |g| g.ended_at.is_none_or(|e| e > at))
    }
}

/// One row per hop.
#[must_use]
pub fn delegation_facts(
    ix: &Index<'_>,
    grants: &[GrantFact],
    holdings: &[Holding],
) -> Vec<DelegationFact> {
    let grants = Grants::new(grants);
    let hops = hops(ix, &grants);
    if hops.is_empty() {
        return Vec::new();
    }
    let mut held: HashMap<&str, Vec<&Holding>> = HashMap::new();
    for h in holdings {
        held.entry(&h.principal_id).or_default().push(h);
    }
    let chains = Chains::new(&hops);
    // Evidence of a kind that names an origin anywhere could name it everywhere.
    let names_origin: BTreeSet<&Text> = hops
        .iter()
        .filter(|h| h.origin.is_some() || ix.kind(&h.parent) == PrincipalKind::Human)
        .map(|h| &h.evidence)
        .collect();
    let stage = Stage { ix, grants: &grants, held: &held, chains: &chains, names_origin };
    hops.iter().enumerate().map(|(i, h)| stage.fact(i, h)).collect()
}

/// All hops, in the order of their sources.
fn hops<'a>(ix: &Index<'a>, grants: &Grants<'a>) -> Vec<Hop<'a>> {
    let mut out: Vec<Hop<'a>> = Vec::new();
    let mut told: BTreeSet<(Text, Text)> = BTreeSet::new();
    for d in &ix.facts.delegations {
        let parent = d.parent_id.clone().unwrap_or_else(|| d.parent.clone());
        let child = d.child_id.clone().unwrap_or_else(|| d.child.clone());
        if parent == child {
            continue;
        }
        let grant = d.grant_id.as_deref().and_then(|id| grants.named(id, &child));
        if let Some(id) = &d.grant_id {
            told.insert((id.clone(), child.clone()));
        }
        out.push(Hop {
            parent,
            privilege: d.privilege.clone().or_else(|| grant.map(|g| g.privilege.clone())),
            scope: d.scope.clone().or_else(|| grant.and_then(|g| g.scope.clone())),
            decided: d.decided,
            grant_id: d.grant_id.clone(),
            grant,
            from: d.from.or_else(|| grant.and_then(|g| g.started_at)),
            until: d.until.or_else(|| grant.and_then(|g| g.ended_at)),
            parent_until: d.parent_until,
            chain: d.chain.clone(),
            origin: d.origin.as_deref().map(normalise),
            evidence: d.evidence.clone(),
            refs: vec![evidence_ref(&d.source_id, &d.source_ref)],
            child,
        });
    }
    let mut ledger: Vec<&GrantFact> = grants.by_id.values().flatten().copied().collect();
    ledger.sort_by_key(|g| (&g.system, &g.grant_id, &g.principal_id));
    for g in ledger {
        let Some(parent) = g.on_behalf_of_id.clone().filter(|p| *p != g.principal_id) else {
            continue;
        };
        if !g.effective || told.contains(&(g.grant_id.clone(), g.principal_id.clone())) {
            continue;
        }
        out.push(Hop {
            parent,
            child: g.principal_id.clone(),
            privilege: Some(g.privilege.clone()),
            scope: g.scope.clone(),
            grant_id: Some(g.grant_id.clone()),
            grant: Some(g),
            from: g.started_at,
            until: g.ended_at,
            evidence: text("ledger"),
            refs: g.refs.iter().take(1).cloned().collect(),
            ..Hop::default()
        });
    }
    out.extend(by_use(ix));
    out
}

/// Use on behalf of another: one hop per pair, privilege and scope, over the time of its uses.
fn by_use<'a>(ix: &Index<'a>) -> Vec<Hop<'a>> {
    type Key = (Text, Text, Option<Text>, Option<Text>);
    let mut found: BTreeMap<Key, Hop<'a>> = BTreeMap::new();
    for u in ix.facts.usage.iter().filter(|u| u.first_at.is_none_or(|t| t <= ix.as_of)) {
        let Some(parent) = u.on_behalf_of.as_deref().map(normalise) else { continue };
        let child = u.principal_id.clone().unwrap_or_else(|| u.principal.clone());
        if parent == child || u.outcome == Outcome::Denied || u.count == Some(0) {
            continue;
        }
        let key = (parent.clone(), child.clone(), u.privilege.clone(), u.scope.clone());
        let hop = found.entry(key).or_insert_with(|| Hop {
            parent,
            child,
            privilege: u.privilege.clone(),
            scope: u.scope.clone(),
            // Identity Center decides each sign-in by an assignment (grants model, rule A5).
            decided: u.principal_id.as_deref().and_then(reserved_set).map(|_| true),
            evidence: text("usage"),
            ..Hop::default()
        });
        let last = u.last_at.or(u.first_at);
        hop.from = hop.from.into_iter().chain(u.first_at).min();
        hop.until = hop.until.max(last);
        if hop.refs.len() < 12 {
            hop.refs.push(evidence_ref(&u.source_id, &u.source_ref));
        }
    }
    found.into_values().collect()
}

/// Hops by their child, and by chain and child, in order of start.
struct Chains<'h, 'a> {
    hops: &'h [Hop<'a>],
    by_child: HashMap<&'h str, Vec<usize>>,
    by_chain: HashMap<(&'h str, &'h str), Vec<usize>>,
}

impl<'h, 'a> Chains<'h, 'a> {
    fn new(hops: &'h [Hop<'a>]) -> Self {
        let mut out = Self { hops, by_child: HashMap::new(), by_chain: HashMap::new() };
        let mut order: Vec<usize> = (0..hops.len()).collect();
        order.sort_by_key(|i| (hops.get(*i).and_then(|h| h.from), *i));
        for i in order {
            let Some(h) = hops.get(i) else { continue };
            out.by_child.entry(&h.child).or_default().push(i);
            if let Some(chain) = &h.chain {
                out.by_chain.entry((chain, &h.child)).or_default().push(i);
            }
        }
        out
    }

    /// The hop above: the latest that was in force when this one began. Hops of another chain are not
    /// taken where both name one.
    fn above(&self, at: usize) -> Option<usize> {
        let h = self.hops.get(at)?;
        let from = h.from?;
        let fits = |i: &usize| {
            self.hops.get(*i).is_some_and(|up| {
                *i != at
                    && up.from.is_some_and(|f| f <= from.plus_secs(SKEW_S))
                    && up.until.is_none_or(|u| u >= from)
                    && (up.chain.is_none() || h.chain.is_none() || up.chain == h.chain)
            })
        };
        let look = |list: &Vec<usize>| {
            let upto = list.partition_point(|i| {
                self.hops.get(*i).is_some_and(|up| up.from <= Some(from.plus_secs(SKEW_S)))
            });
            list.iter().take(upto).rev().take(MAX_LOOK).copied().find(|i| fits(i))
        };
        let same = h.chain.as_deref().and_then(|c| self.by_chain.get(&(c, &*h.parent)));
        same.and_then(look).or_else(|| self.by_child.get(&*h.parent).and_then(look))
    }

    /// Hops from this one up to the first, and whether they run in a circle.
    fn path(&self, at: usize) -> (Vec<usize>, bool) {
        let mut path = vec![at];
        while let Some(up) = path.last().and_then(|i| self.above(*i)) {
            if path.contains(&up) || path.len() >= MAX_HOPS {
                return (path, true);
            }
            path.push(up);
        }
        (path, false)
    }
}

/// What a parent has, to be compared with what a child receives.
struct Held<'a> {
    privilege: &'a str,
    scope: Option<&'a str>,
    tier: Option<Tier>,
    admin: bool,
    until: Option<Time>,
}

/// What is known at the time of all hops.
struct Stage<'s, 'h, 'a> {
    ix: &'s Index<'a>,
    grants: &'s Grants<'a>,
    held: &'s HashMap<&'s str, Vec<&'s Holding>>,
    chains: &'s Chains<'h, 'a>,
    names_origin: BTreeSet<&'s Text>,
}

impl Stage<'_, '_, '_> {
    fn fact(&self, at: usize, h: &Hop<'_>) -> DelegationFact {
        let ix = self.ix;
        let (path, circle) = self.chains.path(at);
        let above = path.get(1).and_then(|i| self.chains.hops.get(*i));
        let first = path.last().and_then(|i| self.chains.hops.get(*i)).unwrap_or(h);
        let platform = h.grant.and_then(|g| g.platform.clone());
        let tier = h.grant.and_then(|g| g.tier).or_else(|| {
            h.privilege.as_deref().and_then(|p| ix.privilege(platform.as_deref(), p).0)
        });
        let mut chain: Vec<Text> = vec![first.parent.clone()];
        let hops = path.iter().rev().filter_map(|i| self.chains.hops.get(*i));
        chain.extend(hops.map(|h| h.child.clone()));
        let root_id = first.origin.clone().unwrap_or_else(|| first.parent.clone());
        let key = h.grant_id.as_ref().or(h.chain.as_ref()).or(h.privilege.as_ref());
        let name = key.map_or_else(String::new, |k| format!(" ({k})"));
        let mut out = DelegationFact {
            delegation_id: text(format!("{} > {}{name}", h.parent, h.child)),
            principal_id: h.child.clone(),
            principal_kind: ix.kind(&h.child),
            parent_id: h.parent.clone(),
            parent_kind: ix.kind(&h.parent),
            environment: ix.environment(h.scope.as_deref(), &h.child),
            platform,
            privilege: h.privilege.clone(),
            scope: h.scope.clone(),
            tier,
            hop: path.len() as i64,
            chain,
            root_kind: ix.kind(&root_id),
            root_id,
            started_at: h.from,
            until: h.until,
            evidence: h.evidence.clone(),
            grant_id: h.grant_id.clone(),
            owner: ix.owner_name(&h.child),
            refs: h.refs.clone(),
            ..DelegationFact::default()
        };
        self.decided(h, &mut out);
        let within = self.contained(h, above, &mut out);
        self.outlives(h, above, within, &mut out);
        self.origin(h, &path, circle, &mut out);
        out
    }

    /// Whether a boundary is crossed, and by a decision of its own (DEL-001).
    fn decided(&self, h: &Hop<'_>, out: &mut DelegationFact) {
        let ix = self.ix;
        let until = h.until.unwrap_or(ix.as_of).min(ix.as_of);
        let Some(from) = h.from else {
            out.boundary = h.privilege.is_some().then_some(true);
            out.decided = h.decided;
            out.decided_unknown = out.decided.is_none().then(|| text("start_unknown"));
            return;
        };
        let used = ix.usage_of_principal(&h.child).iter().any(|u| {
            u.outcome != Outcome::Denied
                && u.count != Some(0)
                && u.first_at.is_some_and(|t| t < until || t == from)
                && u.last_at.or(u.first_at).is_some_and(|t| t >= from)
        });
        out.boundary = if h.privilege.is_some() || used {
            Some(true)
        } else {
            let place = Place {
                platform: out.platform.as_deref(),
                scope: h.scope.as_deref(),
                principal: &h.child,
                ..Place::default()
            };
            match ix.use_observable(place, from, until.max(from)) {
                Ok(()) => Some(false),
                Err(reason) => {
                    out.decided_unknown = Some(text(reason));
                    None
                }
            }
        };
        let by_grant = h.grant.and_then(|g| match g.decision {
            Decision::Approved | Decision::AutoApproved => Some(true),
            _ => g.approved,
        });
        let own = h.decided.or(by_grant).or_else(|| {
            // A grant of the child's own, in force when the hop began, is a decision about the child.
            let covers = |g: &GrantFact| {
                h.privilege.as_deref().is_none_or(|p| same_privilege(p, &g.privilege))
            };
            self.grants.in_force(&h.child, from).any(covers).then_some(true)
        });
        out.decided = own.or_else(|| {
            // The ledger covers the time and has no grant to the child: nobody decided about it.
            (h.grant_id.is_none() && ix.has_layer(Layer::Ledger) && ix.ledger_covers(from))
                .then_some(false)
        });
        if out.decided.is_none() {
            let reason = if h.grant_id.is_some() {
                "decision_not_recorded"
            } else if ix.has_layer(Layer::Ledger) {
                "out_of_window"
            } else {
                "no_source"
            };
            out.decided_unknown = Some(text(reason));
        }
    }

    /// What the parent had when the hop began.
    fn of_parent<'p>(&'p self, h: &'p Hop<'_>, above: Option<&'p Hop<'_>>) -> Vec<Held<'p>> {
        let mut out = Vec::new();
        if let Some(up) = above
            && let Some(privilege) = &up.privilege
        {
            out.push(Held {
                privilege,
                scope: up.scope.as_deref(),
                tier: self.ix.privilege(None, privilege).0,
                admin: false,
                until: up.until,
            });
        }
        if let Some(from) = h.from {
            out.extend(self.grants.in_force(&h.parent, from).map(|g| Held {
                privilege: &g.privilege,
                scope: g.scope.as_deref(),
                tier: g.tier,
                admin: false,
                until: g.ended_at,
            }));
        }
        let holdings = self.held.get(&*h.parent).map_or(&[][..], Vec::as_slice);
        out.extend(holdings.iter().take(MAX_HELD).map(|x| Held {
            privilege: &x.privilege,
            scope: Some(&x.scope),
            tier: x.tier,
            admin: x.admin == Tri::Yes,
            until: x.not_after,
        }));
        out
    }

    /// Whether the child's right is within the parent's (DEL-002). Returns the end of the right that
    /// contains it, when one does: the outer option says that one does.
    fn contained(
        &self,
        h: &Hop<'_>,
        above: Option<&Hop<'_>>,
        out: &mut DelegationFact,
    ) -> Option<Option<Time>> {
        let Some(privilege) = h.privilege.as_deref() else {
            out.contained_unknown = Some(text("privilege_not_recorded"));
            return None;
        };
        let held = self.of_parent(h, above);
        let platform = out.platform.as_deref();
        out.parent_holds = held
            .iter()
            .take(12)
            .map(|x| text(format!("{} on {}", x.privilege, x.scope.unwrap_or("?"))))
            .collect();
        let mut open = false;
        let mut end: Option<Option<Time>> = None;
        for x in &held {
            match within(x, privilege, h.scope.as_deref(), out.tier, platform) {
                // Of several rights that contain it the longest counts; no end is the longest.
                Some(true) => {
                    end = Some(match end {
                        None => x.until,
                        Some(have) => have.zip(x.until).map(|(a, b)| a.max(b)),
                    });
                }
                None => open = true,
                Some(false) => {}
            }
        }
        if end.is_some() {
            out.contained = Some(true);
            return end;
        }
        // Nothing of the parent's is known: it may hold anything.
        let listed = self.ix.principal(&h.parent).is_some_and(|p| p.inventoried);
        if open {
            out.contained_unknown = Some(text("role_unexpanded"));
        } else if held.is_empty() && !listed {
            out.contained_unknown = Some(text("identity_unresolved"));
        } else {
            out.contained = Some(false);
        }
        None
    }

    /// Whether the child lives longer than what it descends from (DEL-003).
    fn outlives(
        &self,
        h: &Hop<'_>,
        above: Option<&Hop<'_>>,
        within: Option<Option<Time>>,
        out: &mut DelegationFact,
    ) {
        let ix = self.ix;
        let parent = ix.principal(&h.parent);
        let gone = parent.and_then(|p| p.deleted_at.or(p.disabled_at));
        let own = h.parent_until.or_else(|| above.and_then(|up| up.until));
        // A right of the parent that contains the child's and has no end bounds nothing; the account does.
        let endless = own.is_none() && gone.is_none() && within == Some(None);
        out.parent_until = [own.or_else(|| within.flatten()), gone].into_iter().flatten().min();
        let open = h.grant.is_some_and(|g| g.active_now == Some(true));
        let child = match h.until {
            Some(t) => Some(t.min(ix.as_of)),
            None if open => Some(ix.as_of),
            None => None,
        };
        match (child, out.parent_until) {
            (_, None) if endless => out.outlives_s = Some(0),
            (Some(c), Some(p)) => out.outlives_s = Some(c.secs_since(p)),
            _ => out.outlives_unknown = Some(text("end_unknown")),
        }
    }

    /// Whether the chain still knows where it came from (DEL-003).
    fn origin(&self, h: &Hop<'_>, path: &[usize], circle: bool, out: &mut DelegationFact) {
        let hops: Vec<&Hop<'_>> = path.iter().filter_map(|i| self.chains.hops.get(*i)).collect();
        let named: BTreeSet<&Text> = hops.iter().filter_map(|h| h.origin.as_ref()).collect();
        let first = hops.last().map_or(&h.parent, |f| &f.parent);
        // Names of one person in two systems are one origin.
        let persons: BTreeSet<&str> = named.iter().map(|n| self.ix.person(n)).collect();
        let lost = h.origin.is_none() && !named.is_empty();
        out.origin_known = if circle || persons.len() > 1 {
            Some(false)
        } else if self.ix.kind(first) == PrincipalKind::Human {
            Some(true)
        } else if lost {
            Some(false)
        } else if h.origin.is_some() {
            Some(true)
        } else if self.names_origin.contains(&h.evidence) {
            Some(false)
        } else {
            None
        };
        if out.origin_known.is_none() {
            out.origin_unknown = Some(text("field_not_recorded"));
        }
    }
}

/// Whether a right of the parent contains the child's; `None` when that cannot be compared.
fn within(
    x: &Held<'_>,
    privilege: &str,
    scope: Option<&str>,
    tier: Option<Tier>,
    platform: Option<&str>,
) -> Option<bool> {
    let scopes = match (x.scope, scope) {
        (Some(outer), Some(inner)) => Some(scope::contains(
            &scope::canonical(platform, outer),
            &scope::canonical(platform, inner),
        )),
        (None, None) => Some(true),
        _ => None,
    };
    // T0 is the strongest: a stronger privilege is in no weaker one.
    let stronger = tier.zip(x.tier).is_some_and(|(child, parent)| child < parent);
    if scopes == Some(false) || (stronger && !x.admin) {
        return Some(false);
    }
    if x.admin || same_privilege(x.privilege, privilege) {
        return scopes;
    }
    None
}

/// Whether two texts name one privilege: equal, or one is the last part of the other's path.
fn same_privilege(a: &str, b: &str) -> bool {
    let last =
        |s: &str, name: &str| s.rsplit(['/', ':']).next() == Some(name) && s.contains(['/', ':']);
    a == b || last(a, b) || last(b, a)
}
