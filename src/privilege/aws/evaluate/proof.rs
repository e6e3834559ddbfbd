//! What escalation paths ask of a principal's rights beyond a verdict: whether it is the same for all
//! resources of a type, which statements decide it, and what the rights are after one policy changed.

use super::super::arn;
use super::super::condition::Context;
use super::super::document::Effect;
use super::super::tri::Tri;
use super::{Bound, Boundary, Compiled, Grants, Policy, Rights, Subject};

/// A statement that takes part in a verdict.
#[derive(Clone, Copy, Debug)]
pub struct Decider<'a> {
    /// Place of the policy among the bindings; `None` for the boundary and organisation policies.
    pub binding: Option<usize>,
    /// The statement.
    pub statement: &'a Compiled,
    /// Whether it applies.
    pub verdict: Tri,
}

impl<'a> Rights<'a> {
    fn boundary_policy(&self) -> Option<&Bound<'a>> {
        match &self.boundary {
            Boundary::Known(b) => Some(b),
            Boundary::Absent | Boundary::Missing => None,
        }
    }

    /// Whether an action has one and the same verdict on all resources of a shape: each statement about
    /// it takes the whole shape in, or nothing of it. Sound, not complete.
    #[must_use]
    pub fn is_uniform(&self, action: usize, shape: &str) -> bool {
        let above = self.guardrails.iter().flat_map(|g| &g.policies);
        let layers = self.bindings.iter().chain(self.boundary_policy()).chain(above);
        let mut about =
            layers.flat_map(|b| &b.policy.statements).filter(|s| s.actions.contains(action));
        about.all(|s| {
            let Some(list) = &s.resources else { return true };
            !list.iter().any(|r| r.contains("${"))
                && (list.iter().any(|r| arn::contains(r, shape))
                    || !list.iter().any(|r| arn::overlaps(r, shape)))
        })
    }

    /// All policies that say something: granting ones, the boundary, and those of the organisation.
    pub fn policies(&self) -> impl Iterator<Item = &'a Policy> + '_ {
        let above = self.guardrails.iter().flat_map(|g| &g.policies);
        self.bindings.iter().chain(self.boundary_policy()).chain(above).map(|b| b.policy)
    }

    /// Statements that decide an action on a resource, or on anything when there is none: those that
    /// allow it, and of the others those that are undecided.
    #[must_use]
    pub fn deciders(
        &self,
        action: usize,
        resource: Option<&str>,
        context: &dyn Context,
    ) -> Vec<Decider<'a>> {
        let own = self.bindings.iter().enumerate().map(|(i, b)| (Some(i), b));
        let mut out = Vec::new();
        let above = self.guardrails.iter().flat_map(|g| &g.policies);
        let above = self.boundary_policy().into_iter().chain(above).map(|b| (None, b));
        for (binding, bound) in own.chain(above) {
            for statement in bound.policy.statements.iter().filter(|s| s.actions.contains(action)) {
                let verdict = match resource {
                    Some(r) => statement.decides(action, r, context),
                    None => statement.applies(context),
                };
                let decides = match (statement.effect, binding) {
                    (Effect::Allow, Some(_)) => verdict.possible(),
                    _ => verdict == Tri::U,
                };
                if decides {
                    out.push(Decider { binding, statement, verdict });
                }
            }
        }
        out
    }

    /// The rights with some bindings taken away and others put in their place.
    #[must_use]
    pub fn changed(&self, drop: &[usize], put: Option<Bound<'a>>) -> Self {
        let kept = self.bindings.iter().enumerate().filter(|(i, _)| !drop.contains(i));
        let bindings = kept.map(|(_, b)| b.clone()).chain(put).collect();
        Self::limited(bindings, self.boundary.clone(), self.guardrails.clone())
    }

    /// Whether some statement of a binding denies, under the principal's conditions.
    #[must_use]
    pub fn denies(&self, binding: usize) -> bool {
        self.bindings.get(binding).is_some_and(|b| b.live(Effect::Deny).next().is_some())
    }
}

impl<'a> Rights<'a> {
    /// What the principal may give itself at most: what its boundary and the policies of the organisation
    /// allow after every Deny. `None` when neither limits it, or when the document of the boundary is missing.
    #[must_use]
    pub fn headroom(&self) -> Option<Grants> {
        match &self.boundary {
            Boundary::Known(b) => Some(self.cut(b.allowed(), None, std::slice::from_ref(b))),
            Boundary::Absent if !self.guardrails.is_empty() => {
                Some(self.cut(Grants::everything(), None, &[]))
            }
            Boundary::Absent | Boundary::Missing => None,
        }
    }

    /// Whether the boundary would let an action through once the policies allow everything.
    #[must_use]
    pub fn headroom_decides(&self, action: usize, resource: &str, subject: &Subject) -> Tri {
        let allowed = match &self.boundary {
            Boundary::Absent => Tri::T,
            Boundary::Missing => Tri::U,
            Boundary::Known(b) => Tri::any(
                b.policy
                    .statements
                    .iter()
                    .filter(|s| s.effect == Effect::Allow)
                    .map(|s| s.decides(action, resource, subject)),
            ),
        };
        allowed
            .and(self.not_denied(action, resource, subject))
            .and(self.guardrails_allow(action, resource, subject))
    }

    /// The rights under another boundary.
    #[must_use]
    pub fn bounded_by(&self, boundary: Bound<'a>) -> Self {
        let boundary = Boundary::Known(boundary);
        Self::limited(self.bindings.clone(), boundary, self.guardrails.clone())
    }

    /// The rights without the boundary.
    #[must_use]
    pub fn freed(&self) -> Self {
        Self::limited(self.bindings.clone(), Boundary::Absent, self.guardrails.clone())
    }
}
