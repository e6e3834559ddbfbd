//! Deny assignments: they win over every role, but for whom they except (cloud semantics, 4.3).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Deserialize;

use super::super::World;
use super::members::Members;
use crate::facts::{GuardrailKind, Role, Tri};
use crate::privilege::azure::permission::{Block, blocks};
use crate::privilege::azure::scope::{Tree, is_group};

/// The id that stands for everybody.
const EVERYBODY: &str = "00000000-0000-0000-0000-000000000000";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    #[serde(borrow)]
    permissions: &'a serde_json::value::RawValue,
    principals: Vec<String>,
    exclude_principals: Vec<String>,
    do_not_apply_to_child_scopes: bool,
}

#[derive(Debug)]
struct Deny {
    scope: String,
    blocks: Vec<Block>,
    principals: Vec<String>,
    except: Vec<String>,
}

/// All deny assignments.
#[derive(Debug)]
pub(super) struct Denies<'a> {
    list: Vec<Deny>,
    /// Places in the list by scope.
    at: BTreeMap<String, Vec<usize>>,
    /// Those at management groups, by the group.
    groups: BTreeMap<String, Vec<usize>>,
    /// Those that may stand over what hangs below a node of unknown place, by the node.
    perhaps: RefCell<BTreeMap<String, Rc<Vec<usize>>>>,
    tree: &'a Tree,
}

impl<'a> Denies<'a> {
    pub(super) fn new(world: &World<'_>, tree: &'a Tree) -> Self {
        let roles: BTreeMap<&str, &Role> =
            world.facts.roles.iter().map(|r| (&*r.role_id, r)).collect();
        let list: Vec<Deny> = world
            .facts
            .guardrails
            .iter()
            .filter(|g| g.kind == GuardrailKind::Deny && &*g.platform == "azure")
            .filter_map(|g| {
                let role = roles.get(&*g.role_id)?;
                let written: Written<'_> = serde_json::from_str(role.document.as_deref()?).ok()?;
                // What holds at the scope alone leaves everything below it: an assignment at the same
                // scope keeps its effect there.
                if written.do_not_apply_to_child_scopes {
                    return None;
                }
                Some(Deny {
                    scope: g.target_id.as_deref()?.to_owned(),
                    blocks: blocks(written.permissions.get()).ok()?,
                    principals: written.principals,
                    except: written.exclude_principals,
                })
            })
            .collect();
        let mut at: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (i, d) in list.iter().enumerate() {
            at.entry(d.scope.clone()).or_default().push(i);
        }
        let groups = at.iter().filter(|(s, _)| is_group(s));
        let groups = groups.map(|(s, list)| (s.clone(), list.clone())).collect();
        Self { list, at, groups, perhaps: RefCell::default(), tree }
    }

    /// Deny assignments at management groups of which no input says whether they stand over a scope.
    pub(super) fn perhaps_on(&self, scope: &str) -> Rc<Vec<usize>> {
        let top = if self.groups.is_empty() { None } else { self.tree.unplaced(scope) };
        let Some(top) = top else { return Rc::default() };
        if let Some(known) = self.perhaps.borrow().get(&top) {
            return Rc::clone(known);
        }
        // A group that stands over the scope for certain hangs below the node, as all that decides is
        // whether it does: the answer is the same for everything below.
        let open = |group: &str| self.tree.relation(group, &top) == Tri::Conditional;
        let found: Vec<usize> =
            self.groups.iter().filter(|(g, _)| open(g)).flat_map(|(_, l)| l).copied().collect();
        let found = Rc::new(found);
        self.perhaps.borrow_mut().insert(top, Rc::clone(&found));
        found
    }

    /// Scope of a deny assignment.
    pub(super) fn scope_of(&self, which: usize) -> Option<&str> {
        self.list.get(which).map(|d| d.scope.as_str())
    }

    /// Deny assignments that cover a whole scope; one below it takes only a part away.
    pub(super) fn on(&self, scope: &str) -> Vec<usize> {
        if self.list.is_empty() {
            return Vec::new();
        }
        let own = self.at.get(scope);
        let above = self.tree.above(scope);
        let above = above.iter().filter_map(|s| self.at.get(s));
        own.into_iter().chain(above).flatten().copied().collect()
    }

    /// Blocks of those that concern a principal.
    pub(super) fn against(
        &self,
        which: &[usize],
        principal: &str,
        members: &Members,
    ) -> Vec<(usize, &Block)> {
        if which.is_empty() {
            return Vec::new();
        }
        let groups = members.groups_of(principal);
        let named = |list: &[String]| {
            list.iter().any(|id| id == principal || groups.iter().any(|g| **g == **id))
        };
        let hits = |d: &&Deny| {
            let all = d.principals.iter().any(|p| p == EVERYBODY);
            (all || named(&d.principals)) && !named(&d.except)
        };
        which
            .iter()
            .filter_map(|i| Some((*i, self.list.get(*i)?)))
            .filter(|(_, d)| hits(d))
            .flat_map(|(i, d)| d.blocks.iter().map(move |b| (i, b)))
            .collect()
    }
}
