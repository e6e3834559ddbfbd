//! What the paths of one principal lead to, with proof.

use super::action::{ActionSet, catalogue};
use super::evaluate::Grants;
use super::paths::{Path, Target, paths};
use super::tri::Tri;

/// Kind of gain at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gain {
    /// The principal raises itself.
    SelfGrant,
    /// Another principal is taken over.
    Principal,
    /// As `Principal`, by way of an existing resource that the inputs do not show.
    Potential,
}

impl Gain {
    /// The public word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::SelfGrant => "self_grant",
            Self::Principal => "principal",
            Self::Potential => "potential",
        }
    }
}

/// One hop of a path.
#[derive(Clone, Debug)]
pub struct Hop {
    /// Who acts: place of the node.
    pub from: usize,
    /// Whose rights are gained; the same place for a change of the own permissions.
    pub to: usize,
    /// Place in the list of known techniques.
    pub path: usize,
    /// Verdict.
    pub verdict: Tri,
    /// What is acted on, for a change of the own permissions.
    pub resource: Option<String>,
    /// What is changed of the target first, so that it becomes an administrator.
    pub change: Option<Change>,
}

/// A change of a principal by which whoever takes it over has everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Its policies are written; that is part of the path.
    Policies,
    /// Its permissions boundary is taken away.
    Boundary,
    /// Both.
    Both,
}

impl Change {
    /// Whether a boundary is taken away, which the path itself does not do.
    #[must_use]
    pub fn lifts(self) -> bool {
        self != Self::Policies
    }
}

/// The shortest path to one kind of gain.
#[derive(Clone, Debug)]
pub struct Found {
    /// Kind of gain.
    pub gain: Gain,
    /// Ends in full or equivalent administration.
    pub to_admin: bool,
    /// Holds for certain, or under conditions.
    pub verdict: Tri,
    /// The hops, in order.
    pub hops: Vec<Hop>,
    /// What is held at the end, where that is neither administration nor what the last target holds.
    pub gained: Option<Grants>,
}

/// What a principal can reach.
#[derive(Clone, Debug)]
pub struct Reached {
    /// Everything (5.6).
    pub full_admin: Tri,
    /// Can grant itself everything.
    pub self_admin: Tri,
    /// Reaches anything stronger than it holds.
    pub escalates: Tri,
    /// Reaches full or equivalent administration by a path.
    pub to_admin: Tri,
    /// Proof, strongest first.
    pub proof: Vec<String>,
    /// Paths by services that take no new customers: for information, part of no verdict.
    pub retired: Vec<String>,
    /// The paths found.
    pub used: Vec<Used>,
    /// The shortest path to each kind of gain.
    pub found: Vec<Found>,
    /// Can give itself permissions, within a boundary that it cannot take away.
    pub bounded_self_grant: Tri,
    /// The search for longer paths to something stronger was ended before all was seen.
    pub cut: bool,
    ranked: Vec<Ranked>,
}

/// A path found, in the order of proof: verdict and gain, number of actions, text.
type Ranked = (std::cmp::Reverse<(Tri, bool)>, usize, String);

/// Paths that the proof names.
const PROOFS: usize = 8;

/// One path that leads somewhere.
#[derive(Clone, Debug)]
pub struct Used {
    /// Verdict.
    pub verdict: Tri,
    /// Actions it needs.
    pub actions: &'static [usize],
    /// Leads to administration.
    pub to_admin: bool,
    /// The principal raises itself, without another principal's rights.
    pub own: bool,
    /// Needs a resource that the inputs do not show, now or further on: potential (5.6).
    pub potential: bool,
}

impl Default for Reached {
    fn default() -> Self {
        Self {
            full_admin: Tri::F,
            self_admin: Tri::F,
            escalates: Tri::F,
            to_admin: Tri::F,
            proof: Vec::new(),
            retired: Vec::new(),
            used: Vec::new(),
            found: Vec::new(),
            bounded_self_grant: Tri::F,
            cut: false,
            ranked: Vec::new(),
        }
    }
}

impl Reached {
    /// Full or equivalent administrator.
    #[must_use]
    pub fn admin(&self) -> Tri {
        self.full_admin.or(self.self_admin)
    }

    /// Turns the paths found into proof: certain before conditional, to administration before to less,
    /// short before long.
    pub(super) fn settle(&mut self) {
        self.ranked.sort_unstable();
        let more = self.ranked.len().saturating_sub(PROOFS);
        // Taken whole, so that the room of all that is not named goes too.
        let ranked = std::mem::take(&mut self.ranked);
        self.proof.extend(ranked.into_iter().take(PROOFS).map(|(_, _, text)| text));
        self.used.shrink_to_fit();
        if more > 0 {
            self.proof.push(format!("and {more} further paths"));
        }
        if self.cut {
            // What was not looked at may lead further.
            self.escalates = self.escalates.or(Tri::U);
            self.proof.push("the search for longer paths was ended before all was seen".into());
        }
    }

    /// Tells of paths by services that take no new customers: for information, they count for nothing.
    pub(super) fn note_retired(&mut self, held: &ActionSet) {
        for path in paths().iter().filter(|p| p.retired) {
            if path.actions.iter().all(|a| held.contains(*a)) {
                let names: Vec<&str> = path.actions.iter().map(|a| catalogue().name(*a)).collect();
                self.retired.push(format!(
                    "{} {}: {}, where a service is still in use that takes no new customers",
                    path.id,
                    path.name,
                    names.join(" + ")
                ));
            }
        }
    }

    pub(super) fn note(
        &mut self,
        path: &'static Path,
        verdict: Tri,
        to_admin: bool,
        target: &str,
        potential: bool,
    ) {
        self.put(path, (&path.actions, ""), (verdict, to_admin), target, potential);
    }

    /// Notes a path to administration for which the boundary of its target is taken away first; `lift`: the
    /// place of the action that does it, `on`: the target and what that action is done on.
    pub(super) fn note_lifted(
        &mut self,
        path: &'static Path,
        lift: usize,
        verdict: Tri,
        (target, on): (&str, &str),
        potential: bool,
    ) {
        let actions = path.lifted.get(lift).unwrap_or(&path.actions);
        let by = if on == target {
            " without its boundary".to_owned()
        } else {
            format!(" without its boundary `{on}`")
        };
        self.put(path, (actions, &by), (verdict, true), target, potential);
    }

    fn put(
        &mut self,
        path: &'static Path,
        (actions, how): (&'static [usize], &str),
        (verdict, to_admin): (Tri, bool),
        target: &str,
        potential: bool,
    ) {
        self.escalates = self.escalates.or(verdict);
        if to_admin {
            self.to_admin = self.to_admin.or(verdict);
        }
        let names: Vec<&str> = actions.iter().map(|a| catalogue().name(*a)).collect();
        let sure = if verdict == Tri::T { "" } else { " (conditional)" };
        let gain = if to_admin { "administrator" } else { "more than it holds" };
        let text = format!(
            "{} {}{sure}: {} on `{target}`{how} gives {gain}",
            path.id,
            path.name,
            names.join(" + ")
        );
        let rank = std::cmp::Reverse((verdict, to_admin));
        self.ranked.push((rank, actions.len(), text));
        let own = matches!(
            path.target,
            Target::OwnUser
                | Target::OwnRole
                | Target::OwnGroup
                | Target::OwnPolicy
                | Target::NewRole
        );
        self.used.push(Used { verdict, actions, to_admin, own, potential });
    }
}
