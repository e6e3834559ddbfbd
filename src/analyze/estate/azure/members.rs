//! Groups of the directory: who is in them, through other groups too.

use std::collections::{BTreeMap, BTreeSet};

use super::super::World;
use crate::facts::{BindingKind, Text, Time, text};

/// Groups within groups are followed this far.
const DEEPEST: usize = 32;

/// Somebody who holds what is assigned to a principal: itself, or a member of the group it is.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub id: Text,
    /// Groups on the way, the assigned one first.
    pub via: Vec<Text>,
    /// Latest begin of the memberships on the way.
    pub not_before: Option<Time>,
    /// Earliest end of the memberships on the way.
    pub not_after: Option<Time>,
    /// Some membership must be activated first.
    pub eligible: bool,
    pub refs: Vec<(Text, Text)>,
}

#[derive(Clone, Debug)]
struct Step {
    member: Text,
    not_before: Option<Time>,
    not_after: Option<Time>,
    eligible: bool,
    at: (Text, Text),
}

/// Members by group, all levels.
#[derive(Debug, Default)]
pub(super) struct Members {
    direct: BTreeMap<Text, Vec<Step>>,
    up: BTreeMap<Text, Vec<Text>>,
    names: BTreeMap<Text, Text>,
}

impl Members {
    pub(super) fn new(world: &World<'_>) -> Self {
        let mut out = Self::default();
        let ours = |id: &Text| {
            world.people.get(id).is_some_and(|p| p.platform.as_deref() == Some("entra"))
        };
        for m in world.facts.memberships.iter().filter(|m| ours(&m.group_id)) {
            if m.not_after.is_some_and(|t| t <= world.as_of) {
                continue;
            }
            out.direct.entry(m.group_id.clone()).or_default().push(Step {
                member: m.principal_id.clone(),
                not_before: m.not_before,
                not_after: m.not_after,
                eligible: m.binding_kind == BindingKind::Eligible,
                at: (m.source_id.clone(), m.source_ref.clone()),
            });
            if m.binding_kind == BindingKind::Active {
                out.up.entry(m.principal_id.clone()).or_default().push(m.group_id.clone());
            }
            if let Some(name) = world.people.get(&m.group_id).and_then(|p| p.name.clone()) {
                out.names.insert(m.group_id.clone(), name);
            }
        }
        out
    }

    /// Holders of what is assigned to a principal. A group whose members the inputs do not show holds it
    /// itself.
    pub(super) fn of(&self, id: &Text) -> Vec<Member> {
        let own = Member {
            id: id.clone(),
            via: Vec::new(),
            not_before: None,
            not_after: None,
            eligible: false,
            refs: Vec::new(),
        };
        if !self.direct.contains_key(id) {
            return vec![own];
        }
        let mut seen: BTreeSet<Text> = BTreeSet::from([id.clone()]);
        let mut out = Vec::new();
        let mut level = vec![own];
        for _ in 0..DEEPEST {
            let mut next = Vec::new();
            for group in level {
                let name = self.names.get(&group.id).unwrap_or(&group.id);
                for step in self.direct.get(&group.id).into_iter().flatten() {
                    if !seen.insert(step.member.clone()) {
                        continue;
                    }
                    let mut via = group.via.clone();
                    via.push(text(format!("group:{name}")));
                    let mut refs = group.refs.clone();
                    refs.push(step.at.clone());
                    let member = Member {
                        id: step.member.clone(),
                        via,
                        not_before: group.not_before.max(step.not_before),
                        not_after: group.not_after.into_iter().chain(step.not_after).min(),
                        eligible: group.eligible || step.eligible,
                        refs,
                    };
                    if self.direct.contains_key(&member.id) {
                        next.push(member);
                    } else {
                        out.push(member);
                    }
                }
            }
            if next.is_empty() {
                break;
            }
            level = next;
        }
        out
    }

    /// Groups that a principal is in, all levels.
    pub(super) fn groups_of(&self, id: &str) -> BTreeSet<Text> {
        let mut out: BTreeSet<Text> = BTreeSet::new();
        let mut queue: Vec<&Text> = self.up.get(id).into_iter().flatten().collect();
        while let Some(group) = queue.pop() {
            if out.insert(group.clone()) {
                queue.extend(self.up.get(group).into_iter().flatten());
            }
        }
        out
    }

    /// Pairs of member and group that hold now.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&Text, &Text, Option<Time>)> {
        self.direct.iter().flat_map(|(group, steps)| {
            steps.iter().filter(|s| !s.eligible).map(move |s| (&s.member, group, s.not_after))
        })
    }
}
