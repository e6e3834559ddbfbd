//! What activating an eligible role asks for, and who may let somebody activate it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::{Activation, Edge, Estate, Goal, World};
use super::content::Contents;
use super::{Breadth, Entitlement, Roster, scope};
use crate::facts::{GuardrailKind, Role, Text, Tri, text};
use crate::privilege::class::Class;

/// What the adapter wrote.
#[derive(Debug, Deserialize)]
struct Written {
    role: String,
    approval: Option<bool>,
    approvers: Vec<String>,
    reason: Option<bool>,
    mfa: Option<bool>,
    max_s: Option<i64>,
}

/// One policy.
#[derive(Debug)]
struct Policy<'a> {
    platform: &'a Text,
    scope: &'a str,
    role: String,
    activation: Activation,
    at: (Text, Text),
}

/// All policies, by scope and role: one holds there and nowhere below.
#[derive(Debug)]
pub(super) struct Activations<'a>(BTreeMap<(String, String), Policy<'a>>);

impl<'a> Activations<'a> {
    pub(super) fn new(world: &World<'a>) -> Self {
        let roles: BTreeMap<&str, &Role> = world
            .facts
            .roles
            .iter()
            .filter(|r| r.role_id.starts_with(crate::privilege::azure::ACTIVATION))
            .map(|r| (&*r.role_id, r))
            .collect();
        let mut out = BTreeMap::new();
        let ours = |p: &str| matches!(p, "azure" | "entra");
        let mine =
            |g: &&crate::facts::Guardrail| g.kind == GuardrailKind::Activation && ours(&g.platform);
        for g in world.facts.guardrails.iter().filter(mine) {
            let document = roles.get(&*g.role_id).and_then(|r| r.document.as_deref());
            let (Some(document), Some(at)) = (document, g.target_id.as_deref()) else { continue };
            let Ok(w) = serde_json::from_str::<Written>(document) else { continue };
            let activation = Activation {
                approval: w.approval,
                reason: w.reason,
                mfa: w.mfa,
                max_s: w.max_s,
                approvers: w.approvers.iter().map(text).collect(),
            };
            out.entry((at.to_owned(), w.role.clone())).or_insert(Policy {
                platform: &g.platform,
                scope: at,
                role: w.role,
                activation,
                at: (g.source_id.clone(), g.source_ref.clone()),
            });
        }
        Self(out)
    }

    /// What activating a role at a scope asks for.
    pub(super) fn of(&self, scope: &str, role: &str) -> Option<Activation> {
        let found = self.0.get(&(scope.to_owned(), role.to_owned()))?;
        Some(found.activation.clone())
    }

    /// Who approves decides, together with somebody who is eligible, who holds the role: half a step.
    pub(super) fn edges(
        &self,
        world: &World<'_>,
        contents: &Contents<'_>,
        roster: &Roster<'_>,
        estate: &mut Estate,
    ) {
        for p in self.0.values().filter(|p| p.activation.approval == Some(true)) {
            let e = Entitlement {
                role_id: text(&p.role),
                platform: p.platform.clone(),
                scope: text(p.scope),
                ..Entitlement::default()
            };
            let rights = contents.rights(contents.of(&e), &e, &[], roster);
            let breadth = scope::breadth(p.scope);
            let strong =
                [Class::Admin, Class::Permissions].iter().any(|c| rights.certain.contains(*c));
            if !strong {
                continue;
            }
            let name = contents.name(p.platform, &p.role);
            let node = text(format!("azure#activation of {} at {}", p.role, p.scope));
            for approver in &p.activation.approvers {
                if world.people.get(approver).is_none() {
                    continue;
                }
                estate.edges.push(Edge {
                    technique: text("entra-pim-approver"),
                    step: text(format!(
                        "approves that somebody activates `{name}` on `{}`",
                        p.scope
                    )),
                    verdict: Tri::Conditional,
                    // Nobody approves a request of his own.
                    potential: true,
                    conditions: vec![text(format!(
                        "somebody who may activate `{name}` acts with it"
                    ))],
                    refs: vec![p.at.clone()],
                    ..Edge::relation(approver.clone(), node.clone())
                });
            }
            estate.goals.push(Goal {
                node,
                title: text(format!("an activation of `{name}`")),
                tier: rights.certain.tier_at(breadth),
                admin: breadth <= Breadth::Account,
            });
        }
    }
}
