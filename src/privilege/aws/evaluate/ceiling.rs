//! What limits a union of policies: Deny statements, permission boundary and organisation policies; and
//! what is left where an allow and its limits are both narrow.

use std::sync::Arc;

use super::{ActionSet, Bound, Boundary, Compiled, Effect, Grants, Rights, Scope, Tri, arn, minus};

/// One level of organisation policies: root, unit or account (5.4.3).
#[derive(Clone, Debug)]
pub struct Guardrail<'a> {
    pub(super) policies: Vec<Bound<'a>>,
    /// Whether the level limits the principal; undecided when the tree is not known.
    pub(super) applies: Tri,
    /// The inputs lack a document of the level.
    pub(super) missing: bool,
    /// The level may let more through than its policies say: it may not apply, or a document is missing.
    pub(super) open: bool,
}

impl<'a> Guardrail<'a> {
    /// A level with the policies attached there. `missing`: the inputs lack some of their documents. A
    /// level that certainly does not apply is none: leave it out.
    #[must_use]
    pub fn new(mut policies: Vec<Bound<'a>>, applies: Tri, missing: bool) -> Self {
        for b in &mut policies {
            for (s, m) in b.policy.statements.iter().zip(&mut b.applies) {
                let limit = match s.effect {
                    Effect::Deny => applies,
                    // What is missing may deny it.
                    Effect::Allow if missing => Tri::U,
                    Effect::Allow => Tri::T,
                };
                *m = m.and(limit);
            }
        }
        Self { policies, applies, missing, open: missing || applies != Tri::T }
    }

    pub(super) fn allowed(&self, known: &dyn Fn(&Bound<'a>) -> Arc<Grants>) -> Grants {
        let mut out = if self.open { Grants::unknown() } else { Grants::none() };
        for b in &self.policies {
            out.union_with(&known(b));
        }
        out
    }
}

/// Removes an action; a set that never grew that far does not hold it.
fn drop_one(set: &mut ActionSet, action: usize) {
    if set.contains(action) {
        set.remove(action);
    }
}

/// One layer that must allow too.
struct Cap<'c, 'a> {
    grants: &'c Grants,
    policies: &'c [Bound<'a>],
    /// It may let more through than its policies say.
    open: bool,
}

/// Resources that an allow and its limits have in common.
#[derive(Clone, Debug)]
struct Area {
    shape: String,
    /// A pattern around all of it, when `shape` is only one ARN of it.
    hull: Option<String>,
    holds: Tri,
}

/// Areas that are followed; where there are more, the answer is undecided.
const AREAS: usize = 64;

impl<'a> Rights<'a> {
    /// Cuts what the policies in `from` allow by every Deny, the organisation policies, and the boundary
    /// when it is given.
    pub(super) fn cut(
        &self,
        mut g: Grants,
        ceiling: Option<&Grants>,
        from: &[Bound<'a>],
    ) -> Grants {
        for c in ceiling.into_iter().chain(&self.limits) {
            g.intersect_with(c);
        }
        let [whole_certain, whole_possible] = &self.denials.whole;
        let [part_certain, part_possible] = &self.denials.part;
        for set in &mut g.certain {
            set.difference_with(whole_possible);
        }
        for set in &mut g.possible {
            set.difference_with(whole_certain);
        }
        let [.., all] = &mut g.certain;
        all.difference_with(part_possible);
        let [.., all] = &mut g.possible;
        all.difference_with(part_certain);
        self.refine(&mut g, ceiling, from);
        g
    }

    fn caps<'c>(&'c self, ceiling: Option<&'c Grants>) -> Vec<Cap<'c, 'a>> {
        let boundary = ceiling.map(|grants| match &self.boundary {
            Boundary::Known(b) => Cap { grants, policies: std::slice::from_ref(b), open: false },
            Boundary::Absent | Boundary::Missing => Cap { grants, policies: &[], open: true },
        });
        let levels = self.guardrails.iter().zip(&self.limits);
        let levels = levels.map(|(g, grants)| Cap { grants, policies: &g.policies, open: g.open });
        boundary.into_iter().chain(levels).collect()
    }

    /// Allow statements of the boundary and of organisation policies that are undecided, and that let
    /// some of these actions through which nothing else of their layer certainly does.
    #[must_use]
    pub fn undecided_limits(&self, actions: &ActionSet) -> Vec<&'a Compiled> {
        let mut out = Vec::new();
        for cap in self.caps(self.ceiling.as_ref()) {
            let open = minus(actions, cap.grants.certain(Scope::Some));
            let allows = cap.policies.iter().flat_map(|b| b.live(Effect::Allow));
            let asked = allows.filter(|(s, m)| *m == Tri::U && !s.actions.is_disjoint(&open));
            out.extend(asked.map(|(s, _)| s));
        }
        out
    }

    /// Decides, for actions allowed on some resources only and touched by a partial Deny or limit,
    /// whether anything is left.
    fn refine(&self, g: &mut Grants, ceiling: Option<&Grants>, from: &[Bound<'a>]) {
        let [_, part_possible] = &self.denials.part;
        let mut touched = part_possible.clone();
        let caps = self.caps(ceiling);
        for c in &caps {
            touched.union_with(&minus(
                c.grants.possible(Scope::Some),
                c.grants.certain(Scope::AllExcept),
            ));
        }
        if touched.is_clear() {
            return;
        }
        touched.intersect_with(&minus(g.possible(Scope::Some), g.certain(Scope::AllExcept)));
        let ids: Vec<usize> = touched.ones().collect();
        for action in ids {
            let left = self.left(action, &caps, from);
            let [some, except, _] = &mut g.certain;
            if left != Tri::T {
                drop_one(some, action);
                drop_one(except, action);
            }
            if left == Tri::F {
                for set in &mut g.possible {
                    drop_one(set, action);
                }
            }
        }
    }

    fn left(&self, action: usize, caps: &[Cap<'_, 'a>], from: &[Bound<'a>]) -> Tri {
        let mut best = Tri::F;
        let allows = from.iter().flat_map(|b| b.live(Effect::Allow));
        for (s, holds) in allows.filter(|(s, _)| s.actions.contains(action)) {
            for shape in s.shapes() {
                let mut areas = vec![Area { shape, hull: None, holds }];
                for cap in caps {
                    // A cap on all but named resources leaves something of every pattern.
                    if !cap.grants.certain(Scope::AllExcept).contains(action) {
                        areas = narrowed(&areas, cap, action);
                    }
                    if areas.len() > AREAS {
                        areas.truncate(AREAS);
                        best = best.or(Tri::U);
                    }
                }
                for area in &areas {
                    best = best.or(self.left_of(area, action));
                    if best == Tri::T {
                        return best;
                    }
                }
            }
        }
        best
    }

    fn left_of(&self, area: &Area, action: usize) -> Tri {
        let denied = |shape: &str| {
            let about = self.denying().filter(|(d, _)| d.actions.contains(action));
            Tri::any(about.filter(|(d, _)| d.takes_in(shape)).map(|(_, m)| m))
        };
        let here = area.holds.and(!denied(&area.shape));
        match &area.hull {
            // One ARN is denied; others of the area may not be.
            Some(hull) if here != Tri::T => here.or(area.holds.and(!denied(hull)).and(Tri::U)),
            _ => here,
        }
    }
}

/// What of some areas a cap lets through.
fn narrowed(areas: &[Area], cap: &Cap<'_, '_>, action: usize) -> Vec<Area> {
    let mut out = Vec::new();
    for area in areas {
        let allows = cap.policies.iter().flat_map(|b| b.live(Effect::Allow));
        for (t, m) in allows.filter(|(t, _)| t.actions.contains(action)) {
            let holds = area.holds.and(m);
            if t.negate {
                out.extend(outside(t, area).map(|m| Area { holds: holds.and(m), ..area.clone() }));
                continue;
            }
            for pattern in t.shapes() {
                let limit = |m: Tri| holds.and(m);
                match arn::meet(&area.shape, &pattern) {
                    Some((shape, false)) => {
                        let hull = area.hull.clone();
                        out.push(Area { shape, hull, holds: limit(Tri::T) });
                    }
                    Some((shape, true)) => {
                        let hull = area.hull.clone().unwrap_or_else(|| area.shape.clone());
                        out.push(Area { shape, hull: Some(hull), holds: limit(Tri::T) });
                    }
                    // Not found is not the same as nothing; and of a hull only one ARN was tried.
                    None => {
                        let around = area.hull.as_ref().unwrap_or(&area.shape);
                        if arn::overlaps(around, &pattern) {
                            out.push(Area { holds: limit(Tri::U), ..area.clone() });
                        }
                    }
                }
            }
        }
        if cap.open {
            out.push(Area { holds: area.holds.and(Tri::U), ..area.clone() });
        }
    }
    out
}

/// Whether something of an area is outside of the patterns of a complement.
fn outside(t: &Compiled, area: &Area) -> Option<Tri> {
    let list = t.resources.iter().flatten();
    let near = list.filter(|r| arn::overlaps(&arn::widen_variables(r), &area.shape));
    let mut n = 0;
    for r in near {
        if arn::contains(r, &area.shape) {
            // Of a hull only one ARN was tried.
            return area.hull.is_some().then_some(Tri::U);
        }
        n += 1;
    }
    // Several patterns together may take in what none of them does alone.
    Some(if n <= 1 { Tri::T } else { Tri::U })
}
