//! What the paths of one principal lead to, with proof.

use super::action::catalogue;
use super::paths::{Path, Target};
use super::tri::Tri;

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
    /// The paths found.
    pub used: Vec<Used>,
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
    pub actions: Vec<usize>,
    /// Leads to administration.
    pub to_admin: bool,
    /// The principal raises itself, without another principal's rights.
    pub own: bool,
}

impl Default for Reached {
    fn default() -> Self {
        Self {
            full_admin: Tri::F,
            self_admin: Tri::F,
            escalates: Tri::F,
            to_admin: Tri::F,
            proof: Vec::new(),
            used: Vec::new(),
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
        self.proof.extend(self.ranked.drain(..).take(PROOFS).map(|(_, _, text)| text));
        if more > 0 {
            self.proof.push(format!("and {more} further paths"));
        }
    }

    pub(super) fn note(&mut self, path: &Path, verdict: Tri, to_admin: bool, target: &str) {
        self.escalates = self.escalates.or(verdict);
        if to_admin {
            self.to_admin = self.to_admin.or(verdict);
        }
        let names: Vec<&str> = path.actions.iter().map(|a| catalogue().name(*a)).collect();
        let sure = if verdict == Tri::T { "" } else { " (conditional)" };
        let gain = if to_admin { "administrator" } else { "more than it holds" };
        let text = format!(
            "{} {}{sure}: {} on `{target}` gives {gain}",
            path.id,
            path.name,
            names.join(" + ")
        );
        let rank = std::cmp::Reverse((verdict, to_admin));
        self.ranked.push((rank, path.actions.len(), text));
        let own = matches!(
            path.target,
            Target::OwnUser
                | Target::OwnRole
                | Target::OwnGroup
                | Target::OwnPolicy
                | Target::NewRole
        );
        self.used.push(Used { verdict, actions: path.actions.clone(), to_admin, own });
    }
}
