//! Classes that the permissions of a role give, after its own conditions, the condition of the
//! assignment and deny assignments (cloud semantics, sections 4.3 and 8). Names of roles never count.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue::{Catalogue, Operation};
use super::condition::{Condition, Grade, Roles, bare_id};
use super::permission::{Block, Pattern, Plane};
use crate::facts::Time;
use crate::privilege::class::{Class, ClassSet};

/// The operation that gives roles away.
pub const ASSIGN: &str = "microsoft.authorization/roleassignments/write";
/// Operations that give roles away by a schedule.
const SCHEDULE: [&str; 2] = [
    "microsoft.authorization/roleassignmentschedulerequests/write",
    "microsoft.authorization/roleeligibilityschedulerequests/write",
];
/// An operation that no service has: who may it, may everything of its plane.
const UNHEARD: &str = "overstay.probe/anything/write";
/// Roles that may be given which may be given roles in turn: deeper than this, anything is assumed.
const DEEPEST: usize = 3;
/// Operations that give nothing beyond writing without a second one: a tenant is let in through
/// Lighthouse only by who may assign roles, and a delegation key signs only for what its maker may read
/// (Microsoft Learn, "Onboard a customer to Azure Lighthouse" and "Create a user delegation SAS").
const PARTNERS: [(&str, &str, Plane); 2] = [
    ("microsoft.managedservices/registrationassignments/write", ASSIGN, Plane::Control),
    (
        "microsoft.storage/storageaccounts/blobservices/generateuserdelegationkey/action",
        "microsoft.storage/storageaccounts/blobservices/containers/blobs/read",
        Plane::Data,
    ),
];
/// Most operations that are told.
const TOLD: usize = 12;

/// Roles by their ids without hyphens: what a condition may let be assigned.
#[derive(Debug, Default)]
pub struct Roster<'a> {
    /// Content by id.
    pub roles: BTreeMap<String, &'a [Block]>,
}

impl<'a> Roster<'a> {
    /// The built-in roles, and those of the inputs, which win.
    pub fn new(
        catalogue: &'a Catalogue,
        own: impl Iterator<Item = (&'a str, &'a [Block])>,
    ) -> Self {
        let built_in = catalogue.roles.iter().map(|(id, r)| (bare_id(id), r.blocks.as_slice()));
        let mut roles: BTreeMap<String, &[Block]> = built_in.collect();
        roles.extend(own.map(|(id, blocks)| (bare_id(id), blocks)));
        Self { roles }
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Content of the role.
    pub blocks: &'a [Block],
    /// Condition of the assignment.
    pub condition: Option<&'a Condition>,
    /// Blocks that deny assignments take away, each with the condition it depends on.
    pub denied: &'a [&'a Block],
    /// As-of time.
    pub as_of: Time,
}

/// How sure something is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// Not at all.
    No,
    /// Under conditions that the inputs do not decide.
    Perhaps,
    /// Certainly.
    Yes,
}

/// What a role gives.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Classes certainly held.
    pub certain: ClassSet,
    /// Classes held for certain or if conditions are met.
    pub possible: ClassSet,
    /// Strongest operations, at most twelve, strongest first.
    pub strongest: Vec<String>,
    /// Patterns with a wildcard that give more than reading.
    pub wildcards: Vec<String>,
    /// Number of operations; `None` when a wildcard hides it.
    pub n_operations: Option<i64>,
    /// Operations of class escalation, by their place in the catalogue, and whether certainly held.
    pub steps: Vec<(usize, bool)>,
    /// Conditions that are left undecided.
    pub conditions: BTreeSet<String>,
}

/// How a condition grades an operation, and what it leaves of the roles that may be given.
fn merged(a: Grade, b: Grade) -> Grade {
    match (a, b) {
        (Grade::Never, _) | (_, Grade::Never) => Grade::Never,
        (Grade::Free, other) | (other, Grade::Free) => other,
        (Grade::Depends(mut a), Grade::Depends(b)) => {
            // Both must let a role through.
            a.certain = intersect(a.certain, &b.certain);
            a.possible = intersect(a.possible, &b.possible);
            Grade::Depends(a)
        }
    }
}

fn intersect(a: Roles, b: &Roles) -> Roles {
    match (a, b) {
        (Roles::Only(a), b) => Roles::Only(a.into_iter().filter(|id| b.has(id)).collect()),
        (a, Roles::Only(b)) => Roles::Only(b.iter().filter(|id| a.has(id)).cloned().collect()),
        (Roles::AllBut(a), Roles::AllBut(b)) => Roles::AllBut(&a | b),
    }
}

impl Question<'_> {
    /// What the blocks that give an operation leave of it, one grade per block.
    fn grades(&self, operation: &str, plane: Plane) -> Vec<Grade> {
        let mut denied = Grade::Free;
        for block in self.denied.iter().filter(|b| b.plane(plane).has(operation)) {
            denied = match &block.condition {
                None => return Vec::new(),
                // A deny that may or may not apply leaves the operation in doubt.
                Some(c) => match c.grade(operation, self.as_of) {
                    Grade::Free => return Vec::new(),
                    Grade::Never => denied,
                    Grade::Depends(mut d) => {
                        d.certain = Roles::none();
                        d.possible = Roles::any();
                        merged(denied, Grade::Depends(d))
                    }
                },
            };
        }
        let grade =
            |c: Option<&Condition>| c.map_or(Grade::Free, |c| c.grade(operation, self.as_of));
        self.blocks
            .iter()
            .filter(|b| b.plane(plane).has(operation))
            .map(|b| {
                let own = merged(grade(b.condition.as_ref()), grade(self.condition));
                merged(own, denied.clone())
            })
            .filter(|g| *g != Grade::Never)
            .collect()
    }

    /// Whether an operation, lower case, is held.
    #[must_use]
    pub fn holds(&self, operation: &str, plane: Plane) -> Held {
        let grades = self.grades(operation, plane);
        if grades.is_empty() {
            Held::No
        } else if grades.contains(&Grade::Free) {
            Held::Yes
        } else {
            Held::Perhaps
        }
    }

    /// Conditions in play.
    fn conditions(&self) -> impl Iterator<Item = &Condition> {
        let denied = self.denied.iter().filter_map(|b| b.condition.as_ref());
        self.blocks.iter().filter_map(|b| b.condition.as_ref()).chain(self.condition).chain(denied)
    }
}

/// Judges a role.
#[must_use]
pub fn verdict<'a>(q: &Question<'_>, catalogue: &'a Catalogue, roster: &'a Roster<'a>) -> Verdict {
    judge(q, Around { catalogue, roster, depth: 0 })
}

/// What a role is judged against.
#[derive(Clone, Copy)]
struct Around<'a> {
    catalogue: &'a Catalogue,
    roster: &'a Roster<'a>,
    /// Roles that may be given away on the way here.
    depth: usize,
}

fn judge(q: &Question<'_>, around: Around<'_>) -> Verdict {
    let mut out = Verdict::default();
    let mut told: Vec<(Class, bool, &str)> = Vec::new();
    let mut limited = false;
    for i in candidates(q.blocks, around.catalogue) {
        let Some(op) = around.catalogue.operations.get(i) else { continue };
        let assigns = op.key == ASSIGN || SCHEDULE.contains(&op.key.as_str());
        if assigns && op.plane == Plane::Control {
            limited |= delegation(q, op, around, &mut out, &mut told);
            continue;
        }
        let alone = q.holds(&op.key, op.plane);
        let partner = PARTNERS.iter().find(|(first, ..)| *first == op.key);
        let held = partner.map_or(alone, |(_, second, plane)| q.holds(second, *plane).min(alone));
        limited |= held == Held::Perhaps;
        note(&mut out, op.class, held);
        if held == Held::No {
            continue;
        }
        if op.class == Class::Escalation {
            out.steps.push((i, held == Held::Yes));
        }
        if !matches!(op.class, Class::Read | Class::Write) {
            told.push((op.class, held == Held::Yes, &op.name));
        }
    }
    by_form(q, &mut out, &mut limited);
    everything(q, &mut out);
    told.sort_unstable_by(|a, b| (a.0, !a.1, a.2).cmp(&(b.0, !b.1, b.2)));
    let mut seen = BTreeSet::new();
    told.retain(|(_, _, name)| seen.insert(*name));
    out.strongest = told.iter().take(TOLD).map(|(_, _, name)| (*name).to_owned()).collect();
    if limited {
        out.conditions = q.conditions().map(|c| c.text.clone()).collect();
    }
    out
}

fn note(out: &mut Verdict, class: Class, held: Held) {
    match held {
        Held::Yes => {
            out.certain.insert(class);
            out.possible.insert(class);
        }
        Held::Perhaps => out.possible.insert(class),
        Held::No => {}
    }
}

/// Operations of the catalogue that some pattern may give, without repetition.
fn candidates(blocks: &[Block], catalogue: &Catalogue) -> BTreeSet<usize> {
    let mut out = BTreeSet::new();
    for block in blocks {
        for plane in [Plane::Control, Plane::Data] {
            for pattern in &block.plane(plane).give {
                let near = catalogue.beginning(pattern.prefix());
                let fits = near.filter(|(_, o)| o.plane == plane && pattern.matches(&o.key));
                out.extend(fits.map(|(i, _)| i));
            }
        }
    }
    out
}

/// What giving roles away comes to: the strongest of what the roles give that may be given. Returns
/// whether a condition leaves something open.
fn delegation<'c>(
    q: &Question<'_>,
    op: &'c Operation,
    around: Around<'_>,
    out: &mut Verdict,
    told: &mut Vec<(Class, bool, &'c str)>,
) -> bool {
    let mut limited = false;
    for grade in q.grades(&op.key, op.plane) {
        let Grade::Depends(d) = grade else {
            note(out, op.class, Held::Yes);
            told.push((op.class, true, &op.name));
            continue;
        };
        for (roles, held) in [(&d.certain, Held::Yes), (&d.possible, Held::Perhaps)] {
            if *roles == Roles::any() {
                note(out, op.class, held);
                told.push((op.class, held == Held::Yes, &op.name));
                continue;
            }
            let given = given(roles, q.as_of, around);
            for class in given.iter() {
                note(out, class, held);
            }
            if let Some(strongest) = given.iter().next() {
                told.push((strongest, held == Held::Yes, &op.name));
            }
        }
        // A role that nobody shows may give anything.
        let unseen = |id: &String| !around.roster.roles.contains_key(id);
        if matches!(&d.possible, Roles::Only(list) if list.iter().any(unseen)) {
            note(out, Class::Permissions, Held::Perhaps);
        }
        limited |= d.certain != d.possible || d.certain != Roles::any();
    }
    limited
}

/// Classes that the roles give which may be assigned.
fn given(roles: &Roles, as_of: Time, around: Around<'_>) -> ClassSet {
    let of = |id: &str| match around.roster.roles.get(id) {
        None => ClassSet::EMPTY,
        // Too deep a chain: it may be anything.
        Some(_) if around.depth >= DEEPEST => [Class::Permissions].into_iter().collect(),
        Some(blocks) => {
            let inner = Question { blocks, condition: None, denied: &[], as_of };
            judge(&inner, Around { depth: around.depth + 1, ..around }).certain
        }
    };
    let mut out = ClassSet::EMPTY;
    match roles {
        Roles::Only(list) => {
            for id in list {
                out.extend(of(id));
            }
        }
        // Nearly everything may be given: that some role left over runs code as an identity needs no
        // proof by going through all of them.
        Roles::AllBut(except) => {
            for id in around.roster.roles.keys().filter(|id| !except.contains(*id)) {
                out.extend(of(id));
                if out.contains(Class::Admin) {
                    break;
                }
            }
        }
    }
    out
}

/// Classes by the form of the patterns: services that the catalogue does not know count too.
fn by_form(q: &Question<'_>, out: &mut Verdict, limited: &mut bool) {
    let mut count = Some(0i64);
    let mut wild = BTreeSet::new();
    for block in q.blocks {
        for plane in [Plane::Control, Plane::Data] {
            for pattern in &block.plane(plane).give {
                let mut effect = false;
                for (operation, class) in examples(pattern, plane) {
                    let held = q.holds(&operation, plane);
                    note(out, class, held);
                    *limited |= held == Held::Perhaps;
                    effect |= held != Held::No;
                }
                if effect && pattern.is_wild() {
                    count = None;
                    if !pattern.as_str().ends_with("/read") {
                        wild.insert(pattern.as_str().to_owned());
                    }
                } else if effect {
                    count = count.map(|n| n + 1);
                }
            }
        }
    }
    out.n_operations = count;
    out.wildcards = wild.into_iter().collect();
}

/// Operations that a pattern gives, with their classes; for one with wildcards operations that no
/// service has.
fn examples(pattern: &Pattern, plane: Plane) -> Vec<(String, Class)> {
    let text = pattern.as_str();
    let one = |operation: String| {
        let class = super::catalogue::by_name(&operation, plane);
        (operation, class)
    };
    if !pattern.is_wild() {
        return vec![one(text.to_owned())];
    }
    let filled = text.replace('*', "overstayprobe");
    if text.ends_with('*') {
        return ["read", "write", "delete"].map(|verb| one(format!("{filled}/{verb}"))).into();
    }
    vec![one(filled)]
}

/// Administration: giving any role, and writing everything else.
fn everything(q: &Question<'_>, out: &mut Verdict) {
    let assign = q.holds(ASSIGN, Plane::Control);
    let write = q.holds(UNHEARD, Plane::Control);
    note(out, Class::Admin, assign.min(write));
}

#[cfg(test)]
mod tests;
