//! Members of groups, through groups in groups.

use std::collections::{HashMap, HashSet};

use crate::facts::{Facts, Text, Time, Tri, text};
use crate::privilege::gcp::deny;

/// A principal that a group brings in.
#[derive(Clone, Debug)]
pub struct Joined {
    /// Principal.
    pub member: Text,
    /// Way: the groups, outermost first.
    pub via: Vec<Text>,
    /// End of the membership that ends first.
    pub not_after: Option<Time>,
    /// A membership on the way has ended.
    pub expired: bool,
    /// Evidence of the memberships.
    pub refs: Vec<(Text, Text)>,
}

/// Deepest nesting of groups that is followed.
const DEPTH: usize = 20;

/// Memberships.
#[derive(Debug)]
pub struct Groups {
    all: HashMap<Text, Vec<Joined>>,
    sets: HashMap<Text, HashSet<Text>>,
}

impl Groups {
    /// Reads the memberships of groups that have rows. A membership that has ended brings nobody in.
    pub fn new(facts: &Facts, as_of: Time) -> Self {
        let mut direct: HashMap<Text, Vec<Joined>> = HashMap::new();
        for m in facts.memberships.iter().filter(|m| m.group_id.starts_with("group:")) {
            direct.entry(m.group_id.clone()).or_default().push(Joined {
                member: m.principal_id.clone(),
                via: vec![m.group_id.clone()],
                not_after: m.not_after,
                expired: m.not_after.is_some_and(|t| t <= as_of),
                refs: vec![(m.source_id.clone(), m.source_ref.clone())],
            });
        }
        let mut names: Vec<&Text> = direct.keys().collect();
        names.sort();
        let all: HashMap<Text, Vec<Joined>> =
            names.into_iter().map(|g| (g.clone(), expand(g, &direct))).collect();
        let inside = |list: &[Joined]| -> HashSet<Text> {
            list.iter().filter(|j| !j.expired).map(|j| j.member.clone()).collect()
        };
        let sets = direct
            .keys()
            .map(|g| (g.clone(), all.get(g).map(|l| inside(l)).unwrap_or_default()))
            .collect();
        Self { all, sets }
    }

    /// Who a group brings in; empty when the inputs do not show it.
    pub fn members(&self, group: &str) -> &[Joined] {
        self.all.get(group).map_or(&[], Vec::as_slice)
    }
}

fn expand(group: &Text, direct: &HashMap<Text, Vec<Joined>>) -> Vec<Joined> {
    let mut out: Vec<Joined> = Vec::new();
    let mut seen: HashSet<Text> = [group.clone()].into();
    let mut level: Vec<Joined> = direct.get(group).cloned().unwrap_or_default();
    for _ in 0..DEPTH {
        let mut next = Vec::new();
        for j in level {
            if !seen.insert(j.member.clone()) {
                continue;
            }
            match direct.get(&j.member) {
                Some(inner) => next.extend(inner.iter().map(|i| Joined {
                    member: i.member.clone(),
                    via: j.via.iter().chain(&i.via).cloned().collect(),
                    not_after: super::earlier(j.not_after, i.not_after),
                    expired: j.expired || i.expired,
                    refs: j.refs.iter().chain(&i.refs).cloned().collect(),
                })),
                None => out.push(j),
            }
        }
        if next.is_empty() {
            break;
        }
        level = next;
    }
    out.sort_by(|a, b| a.member.cmp(&b.member));
    out
}

impl deny::Groups for Groups {
    fn holds(&self, group: &str, principal: &str) -> Tri {
        if group == principal {
            return Tri::Yes;
        }
        match self.sets.get(group) {
            Some(set) if set.contains(&text(principal)) => Tri::Yes,
            Some(_) => Tri::No,
            // Nobody but a person, an account or a group can be in one.
            None if principal.contains("://") => Tri::No,
            None => Tri::Conditional,
        }
    }
}
