//! What cuts policies, as a key: rights with equal frames cut what a policy gives alike, so it is worked
//! out once for all of them.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::action::ActionSet;
use super::super::arn;
use super::super::document::Effect;
use super::super::tri::Tri;
use super::{Boundary, Compiled, Grants, Rights, Scope};
use crate::privilege::glob;
use crate::privilege::memo::Memo;

/// Address of a policy, and whether each of its statements applies.
pub type BoundKey = (usize, Vec<Tri>);

/// What policies allow by themselves, remembered for a run. Keys are addresses of policies, so it must
/// not outlive them.
pub type Allowed = Memo<BoundKey, Arc<Grants>>;

/// What cuts the policies of a principal ([`Rights::frame`]): layers with the keys of their policies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame(Vec<(u8, BoundKey)>);

impl Rights<'_> {
    /// Whether nothing cuts the policies: no boundary, no organisation policy, no Deny.
    #[must_use]
    pub fn is_uncut(&self) -> bool {
        matches!(self.boundary, Boundary::Absent)
            && self.guardrails.is_empty()
            && self.denying().next().is_none()
    }

    /// What cuts the policies of these rights: the boundary, the organisation policies, and the policies
    /// that deny. Rights with equal frames cut what a policy gives alike.
    #[must_use]
    pub fn frame(&self) -> Frame {
        let mut out = Vec::new();
        match &self.boundary {
            Boundary::Absent => {}
            Boundary::Missing => out.push((1, (0, Vec::new()))),
            Boundary::Known(b) => out.push((2, b.key())),
        }
        for g in &self.guardrails {
            out.push((3, (usize::from(g.open) + 2 * usize::from(g.missing), vec![g.applies])));
            out.extend(g.policies.iter().map(|b| (4, b.key())));
        }
        let denying = self.bindings.iter().filter(|b| b.live(Effect::Deny).next().is_some());
        // Of a policy that denies, what it allows does not matter here; nor does the order.
        let mut denying: Vec<(u8, BoundKey)> = denying
            .map(|b| {
                let mut key = b.key();
                for (s, m) in b.policy.statements.iter().zip(&mut key.1) {
                    if s.effect == Effect::Allow {
                        *m = Tri::F;
                    }
                }
                (5, key)
            })
            .collect();
        denying.sort_unstable();
        denying.dedup();
        out.extend(denying);
        Frame(out)
    }
}

impl Compiled {
    /// Resource patterns as written, with variables widened; those of a complement too.
    pub(in crate::privilege::aws) fn widened_resources(
        &self,
    ) -> impl Iterator<Item = Cow<'_, str>> {
        let widen = self.variables;
        let list = self.resources.iter().flatten();
        list.map(move |r| if widen { arn::widen_variables(r) } else { Cow::Borrowed(r.as_str()) })
    }

    /// Resource patterns with variables in them that may stand for the names of any principals or of their
    /// policies. The name of the user that asks, alone, stands for no other user of the account.
    pub(in crate::privilege::aws) fn names_by_variable(&self) -> impl Iterator<Item = &str> {
        let list = self.variables.then_some(&self.resources).into_iter().flatten().flatten();
        list.map(String::as_str).filter(|r| {
            let Some((head, tail)) = arn::split_tail(r) else { return false };
            // Variables count in the last part only (5.2.6).
            let service = head.split(':').nth(2).unwrap_or_default();
            r.contains("${")
                && tail != "user/${aws:username}"
                && glob::matches_ignore_case(service, "iam")
        })
    }

    /// Whether this Allow statement by itself, whatever cuts it, gives one of these actions at a scope:
    /// what [`Rights::contribution_of`] would say of it when nothing cuts.
    #[must_use]
    pub fn gives_any(&self, scope: Scope, actions: &ActionSet) -> bool {
        match &self.spread {
            None => !self.actions.is_disjoint(actions),
            Some(sp) if self.negate && sp.everything => false,
            Some(sp) if self.negate => {
                let beyond = if scope == Scope::All { &sp.touched } else { &sp.every_whole };
                self.actions.meets_outside(actions, beyond)
            }
            Some(sp) if sp.everything => !self.actions.is_disjoint(actions),
            Some(sp) => {
                let within = if scope == Scope::Some { &sp.touched } else { &sp.any_whole };
                self.actions.meets_within(actions, within)
            }
        }
    }
}

/// Lets equal sets share one body.
pub(super) fn share([certain, possible]: &mut [ActionSet; 2]) {
    certain.shrink();
    possible.shrink();
    if certain == possible {
        possible.clone_from(certain);
    }
}
