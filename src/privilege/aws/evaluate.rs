//! From statement to layer to principal (5.4, 5.5): what a principal may do after the union of its
//! policies, every Deny, and its permission boundary, as sets of actions at three scopes.

use std::sync::Arc;

use super::action::{ActionSet, catalogue};
use super::arn::{self, Spread};
use super::condition::{Condition, Context};
use super::document::Effect;
pub use super::grants::{Grants, Scope};
pub use super::subject::{Setting, Subject, SubjectKind};
use super::tri::Tri;
use super::variable;

/// A statement with its actions and resources as sets.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Place in the document and Sid.
    pub label: String,
    /// Effect.
    pub effect: Effect,
    /// Actions.
    pub actions: Arc<ActionSet>,
    /// Action patterns as written.
    pub patterns: super::document::Patterns,
    /// Resource patterns; `None` = no resource element.
    resources: Option<Vec<String>>,
    negate: bool,
    spread: Option<Arc<Spread>>,
    /// Condition.
    pub condition: Condition,
    /// Condition as text.
    pub condition_text: String,
    variables: bool,
    doubtful: bool,
    /// All resources are the caller itself (`${aws:username}`).
    own: bool,
}

/// A document ready for evaluation in one account.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Statements.
    pub statements: Vec<Compiled>,
    /// What is wrong with the document.
    pub malformed: Option<String>,
    /// The outcome differs between principals of the same kind and account.
    pub personal: bool,
}

impl Compiled {
    /// Whether the statement applies to this principal as far as conditions go.
    fn applies(&self, context: &dyn Context) -> Tri {
        let mut m = if self.doubtful { Tri::U } else { Tri::T };
        if !self.condition.is_empty() {
            m = m.and(self.condition.evaluate(context, self.variables));
        }
        let wild = |r: &String| arn::wild_product(r);
        if self.effect == Effect::Deny && self.resources.iter().flatten().any(wild) {
            m = m.and(Tri::U);
        }
        if m.possible() && self.variables && !self.negate && self.dead_variables(context) {
            m = Tri::F;
        }
        m
    }

    /// Whether the statement applies with these context keys, as far as conditions go.
    #[must_use]
    pub fn applies_under(&self, context: &dyn Context) -> Tri {
        self.applies(context)
    }

    /// Whether the statement would apply to this principal at another time.
    #[must_use]
    pub fn applies_at(&self, subject: &Subject, time: crate::facts::Time) -> Tri {
        self.applies(&Subject { as_of: time, ..subject.clone() })
    }

    /// Every resource pattern needs a variable that the principal is known to lack.
    fn dead_variables(&self, context: &dyn Context) -> bool {
        let Some(list) = &self.resources else { return false };
        !list.is_empty() && list.iter().all(|r| variable::lacks(r, context))
    }

    /// Whether the resource element takes in this resource.
    fn on(&self, resource: &str, context: &dyn Context) -> Tri {
        let Some(list) = &self.resources else { return Tri::T };
        let one = |r: &String| {
            if self.variables {
                if self.negate && variable::may_lack(r, context) {
                    return Tri::U;
                }
                arn::matches_with(r, resource, context)
            } else {
                Tri::from_bool(arn::matches(r, resource))
            }
        };
        let any = Tri::any(list.iter().map(one));
        if self.negate { !any } else { any }
    }

    /// Whether the statement says something about this action on this resource.
    fn decides(&self, action: usize, resource: &str, context: &dyn Context) -> Tri {
        if !self.actions.contains(action) {
            return Tri::F;
        }
        match self.on(resource, context) {
            Tri::F => Tri::F,
            on => on.and(self.applies(context)),
        }
    }

    /// Resource patterns with variables widened, for questions about sets; `*` for complements.
    fn shapes(&self) -> Vec<String> {
        match &self.resources {
            Some(list) if !self.negate => {
                list.iter().map(|r| arn::widen_variables(r).into_owned()).collect()
            }
            _ => vec!["*".into()],
        }
    }

    /// Resource patterns that narrow the statement, each once; a complement is one entry.
    #[must_use]
    pub fn narrowing(&self) -> Vec<String> {
        match &self.resources {
            Some(list) if self.negate => {
                let mut list: Vec<&str> = list.iter().map(String::as_str).collect();
                list.sort_unstable();
                vec![format!("not {}", list.join(" "))]
            }
            Some(list) if !list.iter().any(|r| r == "*") => {
                // In version 2008-10-17 a variable is plain text.
                let literal = |r: &String| !self.variables && r.contains("${");
                let one = |r| if literal(r) { format!("{r} (literal)") } else { r.clone() };
                list.iter().map(one).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether some resource of this shape may be one of the statement's; a complement takes in any.
    #[must_use]
    pub fn overlaps(&self, shape: &str) -> bool {
        match &self.resources {
            None => true,
            Some(list) if self.negate => !list.iter().any(|r| arn::contains(r, shape)),
            Some(list) => list.iter().any(|r| arn::overlaps(&arn::widen_variables(r), shape)),
        }
    }

    /// Whether a Deny statement takes in every resource of this shape.
    #[must_use]
    pub fn takes_in(&self, shape: &str) -> bool {
        match &self.resources {
            None => true,
            Some(list) if self.negate => !list.iter().any(|r| arn::overlaps(r, shape)),
            Some(list) => list.iter().any(|r| !r.contains("${") && arn::contains(r, shape)),
        }
    }
}

/// Denied actions: wholly or in part, certainly and possibly.
#[derive(Clone, Debug)]
struct Denials {
    whole: [ActionSet; 2],
    part: [ActionSet; 2],
}

fn minus(a: &ActionSet, b: &ActionSet) -> ActionSet {
    let mut out = a.clone();
    out.difference_with(b);
    out
}

fn meet(a: &ActionSet, b: &ActionSet) -> ActionSet {
    let mut out = a.clone();
    out.intersect_with(b);
    out
}

/// A policy with the outcome of its conditions for one principal.
#[derive(Clone, Debug)]
pub struct Bound<'a> {
    /// Policy.
    pub policy: &'a Policy,
    /// Whether each statement applies.
    pub applies: Vec<Tri>,
}

impl<'a> Bound<'a> {
    /// Evaluates the conditions of a policy for a principal.
    #[must_use]
    pub fn new(policy: &'a Policy, subject: &Subject) -> Self {
        Self { policy, applies: policy.statements.iter().map(|s| s.applies(subject)).collect() }
    }

    /// Statements of one effect that may apply.
    pub fn live(&self, effect: Effect) -> impl Iterator<Item = (&'a Compiled, Tri)> + '_ {
        let pairs = self.policy.statements.iter().zip(&self.applies);
        pairs.filter(move |(s, m)| s.effect == effect && m.possible()).map(|(s, m)| (s, *m))
    }

    /// Whether the policy's statements of one effect speak about an action on a resource.
    fn says(&self, effect: Effect, action: usize, resource: &str, context: &dyn Context) -> Tri {
        let statements = self.policy.statements.iter().filter(|s| s.effect == effect);
        Tri::any(statements.map(|s| s.decides(action, resource, context)))
    }

    /// The policy and the outcomes of its conditions: what it gives depends on nothing else.
    #[must_use]
    pub fn key(&self) -> BoundKey {
        (std::ptr::from_ref(self.policy).addr(), self.applies.clone())
    }

    fn allowed(&self) -> Grants {
        let mut out = Grants::none();
        for (s, m) in self.live(Effect::Allow) {
            match &s.spread {
                None => out.add(Scope::All, m, &s.actions),
                Some(sp) if s.negate && sp.everything => {}
                Some(sp) if s.negate => {
                    out.add(Scope::AllExcept, m, &minus(&s.actions, &sp.every_whole));
                    out.add(Scope::All, m, &minus(&s.actions, &sp.touched));
                }
                Some(sp) if sp.everything => out.add(Scope::All, m, &s.actions),
                Some(sp) => {
                    let touched = meet(&s.actions, &sp.touched);
                    if !touched.is_clear() {
                        out.add(Scope::Some, m, &touched);
                        out.add(Scope::All, m, &meet(&s.actions, &sp.any_whole));
                    }
                }
            }
            if !s.own {
                out.beyond_self.union_with(&s.actions);
            }
        }
        out.share();
        out
    }

    fn denied(&self, out: &mut Denials) {
        for (s, m) in self.live(Effect::Deny) {
            let (whole, part) = match &s.spread {
                None => ((*s.actions).clone(), catalogue().none()),
                Some(sp) if s.negate && sp.everything => continue,
                Some(sp) if s.negate => (
                    minus(&s.actions, &sp.touched),
                    minus(&meet(&s.actions, &sp.touched), &sp.every_whole),
                ),
                Some(sp) if sp.everything => ((*s.actions).clone(), catalogue().none()),
                Some(sp) => {
                    let touched = meet(&s.actions, &sp.touched);
                    let whole = meet(&touched, &sp.every_whole);
                    (whole, touched)
                }
            };
            let [whole_certain, whole_possible] = &mut out.whole;
            let [part_certain, part_possible] = &mut out.part;
            if m == Tri::T {
                whole_certain.union_with(&whole);
                part_certain.union_with(&part);
            }
            whole_possible.union_with(&whole);
            part_possible.union_with(&part);
        }
    }
}

fn leaves(ceiling: &Grants, actions: &ActionSet) -> Tri {
    if actions.is_subset(ceiling.certain(Scope::AllExcept)) {
        Tri::T
    } else if actions.is_subset(ceiling.possible(Scope::AllExcept)) {
        Tri::U
    } else {
        Tri::F
    }
}

/// The permission boundary of a principal.
#[derive(Clone, Debug, Default)]
pub enum Boundary<'a> {
    /// None is set.
    #[default]
    Absent,
    /// Set, and its document is there.
    Known(Bound<'a>),
    /// Set, but the export lacks its document: nothing is certain.
    Missing,
}

/// All policies of a principal.
#[derive(Clone, Debug)]
pub struct Rights<'a> {
    /// Policies that grant, one per binding.
    pub bindings: Vec<Bound<'a>>,
    /// Boundary.
    pub boundary: Boundary<'a>,
    /// Levels of organisation policies, each of which must allow.
    pub guardrails: Vec<Guardrail<'a>>,
    denials: Denials,
    ceiling: Option<Grants>,
    /// What each level lets through.
    limits: Vec<Grants>,
    /// What organisation policies deny wholly, certainly and possibly.
    denied_above: [ActionSet; 2],
    /// What the union allows after Deny, boundary and organisation policies.
    pub grants: Grants,
    /// What the union would allow without the boundary; present when there is one.
    pub unbounded: Option<Grants>,
}

impl<'a> Rights<'a> {
    /// Evaluates the union of policies after every Deny and the boundary. Policies whose documents the
    /// inputs lack are not part of it; callers say so.
    #[must_use]
    pub fn new(bindings: Vec<Bound<'a>>, boundary: Boundary<'a>) -> Self {
        Self::limited(bindings, boundary, Vec::new())
    }

    /// [`Rights::new`] under the organisation policies of the account.
    #[must_use]
    pub fn limited(
        bindings: Vec<Bound<'a>>,
        boundary: Boundary<'a>,
        guardrails: Vec<Guardrail<'a>>,
    ) -> Self {
        Self::made(bindings, boundary, guardrails, &|b| Arc::new(b.allowed()))
    }

    /// [`Rights::limited`] for many principals that hold the same policies.
    #[must_use]
    pub fn remembered(
        bindings: Vec<Bound<'a>>,
        boundary: Boundary<'a>,
        guardrails: Vec<Guardrail<'a>>,
        known: &Allowed,
    ) -> Self {
        Self::made(bindings, boundary, guardrails, &|b| {
            known.get_or(b.key(), |_| Arc::new(b.allowed()))
        })
    }

    fn made(
        bindings: Vec<Bound<'a>>,
        boundary: Boundary<'a>,
        guardrails: Vec<Guardrail<'a>>,
        allowed: &dyn Fn(&Bound<'a>) -> Arc<Grants>,
    ) -> Self {
        let empty = || [ActionSet::new(), ActionSet::new()];
        let mut denials = Denials { whole: empty(), part: empty() };
        for b in guardrails.iter().flat_map(|g| &g.policies) {
            b.denied(&mut denials);
        }
        let denied_above = denials.whole.clone();
        for b in &bindings {
            b.denied(&mut denials);
        }
        let ceiling = match &boundary {
            Boundary::Absent => None,
            Boundary::Known(b) => {
                b.denied(&mut denials);
                Some((*allowed(b)).clone())
            }
            Boundary::Missing => Some(Grants::unknown()),
        };
        share(&mut denials.whole);
        share(&mut denials.part);
        let limits = guardrails.iter().map(|g| g.allowed(allowed)).collect();
        let mut out = Self {
            bindings,
            boundary,
            guardrails,
            denials,
            ceiling,
            limits,
            denied_above,
            grants: Grants::none(),
            unbounded: None,
        };
        let mut union = Grants::none();
        for b in &out.bindings {
            union.union_with(&allowed(b));
        }
        if out.ceiling.is_some() {
            let mut unbounded = out.cut(union.clone(), None, &out.bindings);
            unbounded.share();
            out.unbounded = Some(unbounded);
        }
        out.grants = out.cut(union, out.ceiling.as_ref(), &out.bindings);
        out.grants.share();
        out
    }

    /// What one binding contributes after the principal's Deny statements and boundary.
    #[must_use]
    pub fn contribution(&self, binding: &Bound<'a>) -> Grants {
        self.cut(binding.allowed(), self.ceiling.as_ref(), std::slice::from_ref(binding))
    }

    /// What several bindings together contribute after the principal's Deny statements and boundary.
    #[must_use]
    pub fn contribution_of(&self, bindings: &[Bound<'a>]) -> Grants {
        let mut union = Grants::none();
        for b in bindings {
            union.union_with(&b.allowed());
        }
        self.cut(union, self.ceiling.as_ref(), bindings)
    }

    /// Deny statements that may apply, of all policies, the boundary and the organisation.
    pub fn denying(&self) -> impl Iterator<Item = (&'a Compiled, Tri)> + '_ {
        let boundary = match &self.boundary {
            Boundary::Known(b) => Some(b),
            _ => None,
        };
        let above = self.guardrails.iter().flat_map(|g| &g.policies);
        self.bindings.iter().chain(boundary).chain(above).flat_map(|b| b.live(Effect::Deny))
    }

    /// Verdict on one action on one resource (5.4.6) with the keys that the path under test sets.
    #[must_use]
    pub fn decide(&self, action: usize, resource: &str, context: &dyn Context) -> Tri {
        let free = self.not_denied(action, resource, context);
        if free == Tri::F {
            return Tri::F;
        }
        let inside = match &self.boundary {
            Boundary::Absent => Tri::T,
            Boundary::Missing => Tri::U,
            Boundary::Known(b) => b.says(Effect::Allow, action, resource, context),
        };
        let allowed = Tri::any(
            self.bindings.iter().map(|b| b.says(Effect::Allow, action, resource, context)),
        );
        allowed.and(inside).and(free).and(self.guardrails_allow(action, resource, context))
    }

    /// Whether every level of organisation policies lets one action on one resource through, their Deny
    /// statements aside.
    #[must_use]
    pub fn guardrails_allow(&self, action: usize, resource: &str, context: &dyn Context) -> Tri {
        Tri::all(self.guardrails.iter().map(|g| {
            let said = Tri::any(
                g.policies.iter().map(|b| b.says(Effect::Allow, action, resource, context)),
            );
            let said = if g.open { said.or(Tri::U) } else { said };
            if g.missing { said.and(Tri::U) } else { said }
        }))
    }

    /// Whether no Deny statement stops one action on one resource.
    #[must_use]
    pub fn not_denied(&self, action: usize, resource: &str, context: &dyn Context) -> Tri {
        let boundary = match &self.boundary {
            Boundary::Known(b) => Some(b),
            _ => None,
        };
        let own = self.bindings.iter().chain(boundary);
        let denied = Tri::any(own.map(|b| b.says(Effect::Deny, action, resource, context)));
        let above = self.guardrails.iter().map(|g| {
            let said = g.policies.iter().map(|b| b.says(Effect::Deny, action, resource, context));
            Tri::any(said).and(g.applies)
        });
        !denied.or(Tri::any(above))
    }

    /// Whether the organisation policies leave all of these actions on whole types.
    #[must_use]
    pub fn guardrails_leave(&self, actions: &ActionSet) -> Tri {
        Tri::all(self.limits.iter().map(|l| leaves(l, actions))).and(self.undenied_above(actions))
    }

    /// Whether some level of organisation policies allows less than these actions, its Deny statements
    /// aside: it lists what is allowed.
    #[must_use]
    pub fn guardrails_list_less_than(&self, actions: &ActionSet) -> bool {
        self.limits.iter().any(|l| leaves(l, actions) == Tri::F)
    }

    /// Whether no Deny statement of the organisation takes one of these actions away wholly.
    fn undenied_above(&self, actions: &ActionSet) -> Tri {
        let [certain, possible] = &self.denied_above;
        if !actions.is_disjoint(certain) {
            Tri::F
        } else if actions.is_disjoint(possible) {
            Tri::T
        } else {
            Tri::U
        }
    }

    /// Whether the boundary leaves all of these actions on whole types.
    #[must_use]
    pub fn boundary_leaves(&self, actions: &ActionSet) -> Tri {
        self.ceiling.as_ref().map_or(Tri::T, |c| leaves(c, actions))
    }

    /// Resource patterns of Allow statements for an action, variables widened.
    #[must_use]
    pub fn shapes(&self, action: usize) -> Vec<String> {
        let allows = self.bindings.iter().flat_map(|b| b.live(Effect::Allow));
        let mut out: Vec<String> = allows
            .filter(|(s, _)| s.actions.contains(action))
            .flat_map(|(s, _)| s.shapes())
            .collect();
        out.sort_unstable();
        out.dedup();
        out
    }

    /// Resource patterns of Allow statements for an action that may apply with the keys that the path
    /// under test sets, variables widened, each with the outcome of its conditions.
    #[must_use]
    pub fn shapes_under(&self, action: usize, context: &dyn Context) -> Vec<(String, Tri)> {
        let allows = self.bindings.iter().flat_map(|b| b.live(Effect::Allow));
        let mut out = Vec::new();
        for (s, _) in allows.filter(|(s, _)| s.actions.contains(action)) {
            let m = s.applies(context);
            if m.possible() {
                out.extend(s.shapes().into_iter().map(|shape| (shape, m)));
            }
        }
        out
    }

    /// Labels of Allow statements that let an action through, as proof.
    #[must_use]
    pub fn witnesses(&self, action: usize) -> Vec<(usize, &'a str)> {
        self.bindings
            .iter()
            .enumerate()
            .flat_map(|(i, b)| {
                b.live(Effect::Allow)
                    .filter(|(s, _)| s.actions.contains(action))
                    .map(move |(s, _)| (i, s.label.as_str()))
            })
            .collect()
    }
}

mod ceiling;

mod compile;
pub use ceiling::Guardrail;
pub use compile::{Compiler, as_guardrail};
mod frame;
use frame::share;
pub use frame::{Allowed, BoundKey, Frame};
mod proof;
pub use proof::Decider;
mod ends;
pub use ends::Ends;

#[cfg(test)]
mod tests;
