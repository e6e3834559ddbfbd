//! Classes and tiers of what a set of actions can do (cloud semantics, section 8, AWS column).
//! Content decides; names of policies and roles never do.

use std::sync::OnceLock;

use super::action::{ActionSet, Level, catalogue};
use super::evaluate::{Grants, Scope};
use super::tri::Tri;
use crate::facts::{Text, Tier};

pub use crate::privilege::class::{CLASSES, Class};

const TABLE: &str = include_str!("../../../rules/privilege/aws_action_classes.csv");

/// The actions of each class.
#[derive(Debug)]
pub struct Classes {
    sets: Vec<(Class, ActionSet)>,
    own_credential: ActionSet,
    critical: ActionSet,
    iam: ActionSet,
    partners: ActionSet,
}

/// The embedded classification.
pub fn classes() -> &'static Classes {
    static CLASSES: OnceLock<Classes> = OnceLock::new();
    CLASSES.get_or_init(Classes::load)
}

impl Classes {
    fn load() -> Self {
        let c = catalogue();
        let of_level = |levels: &[Level]| {
            let mut set = c.none();
            set.extend((0..c.len()).filter(|id| levels.contains(&c.level(*id))));
            set
        };
        let listed = |class: &str| {
            let mut set = c.none();
            for row in csv::Reader::from_reader(TABLE.as_bytes()).records().flatten() {
                if row.get(0) == Some(class) {
                    set.union_with(&c.expand(row.get(1).unwrap_or_default()));
                }
            }
            set
        };
        let changes = of_level(&[Level::Write, Level::Permissions]);
        let policy = of_level(&[Level::Permissions]);
        let mut permissions = listed("permissions-management");
        permissions.intersect_with(&changes);
        permissions.difference_with(&listed("not-permissions"));
        let mut limited = policy.clone();
        limited.difference_with(&c.expand("iam:*"));
        limited.difference_with(&permissions);
        let iam = c.expand("iam:*");
        let mut critical = policy;
        for pattern in ["iam:*", "sts:AssumeRole", "organizations:*"] {
            critical.union_with(&c.expand(pattern));
        }
        let mut partners = c.expand("iam:PassRole");
        partners.union_with(&c.expand("sts:AssumeRole"));
        let mut destructive = listed("destructive");
        destructive.intersect_with(&changes);
        let sets = vec![
            (Class::Permissions, permissions),
            (Class::Secrets, listed("secrets")),
            (Class::PermissionsLimited, limited),
            (Class::EscalationPossible, partners.clone()),
            (Class::Destructive, destructive),
            (Class::DataWrite, listed("data-write")),
            (Class::DataRead, listed("data-read")),
            (Class::Write, of_level(&[Level::Write, Level::Tagging])),
            (Class::Read, of_level(&[Level::Read, Level::List])),
        ];
        Self { sets, own_credential: listed("own-credential"), critical, iam, partners }
    }

    /// Actions that full administration needs (5.6).
    #[must_use]
    pub fn critical(&self) -> &ActionSet {
        &self.critical
    }

    /// Actions that are half of an escalation path.
    #[must_use]
    pub fn partners(&self) -> &ActionSet {
        &self.partners
    }

    /// The actions of a class; none for the classes that are not sets of actions.
    #[must_use]
    pub fn set(&self, class: Class) -> Option<&ActionSet> {
        self.sets.iter().find(|(c, _)| *c == class).map(|(_, s)| s)
    }

    /// Strongest class of one action.
    #[must_use]
    pub fn of_action(&self, id: usize) -> Class {
        let found = self.sets.iter().find(|(_, s)| s.contains(id)).map(|(c, _)| *c);
        found.unwrap_or(match catalogue().level(id) {
            Level::Permissions | Level::Write | Level::Tagging => Class::Write,
            Level::Read | Level::List => Class::Read,
        })
    }

    /// Whether everything (critical) is allowed on whole types: full administration (5.6).
    #[must_use]
    pub fn full_admin(&self, g: &Grants) -> Tri {
        self.covered(&self.critical, g)
    }

    /// Full administration, or everything in identity and access management.
    #[must_use]
    pub fn admin(&self, g: &Grants) -> Tri {
        self.full_admin(g).or(self.covered(&self.iam, g))
    }

    fn covered(&self, set: &ActionSet, g: &Grants) -> Tri {
        if set.is_subset(g.certain(Scope::AllExcept)) {
            Tri::T
        } else if set.is_subset(g.possible(Scope::AllExcept)) {
            Tri::U
        } else {
            Tri::F
        }
    }

    /// Classes and tiers of grants. `guarded`: a boundary keeps the principal from gaining more by
    /// changing its own permissions.
    #[must_use]
    pub fn judge(&self, g: &Grants, guarded: bool) -> Judgement {
        self.judge_within(g, guarded, &catalogue().none())
    }

    /// [`Classes::judge`] where some actions are possible only with policies that do not administrate
    /// ([`super::named`]).
    #[must_use]
    pub fn judge_within(&self, g: &Grants, guarded: bool, limited: &ActionSet) -> Judgement {
        let mut out = Judgement::default();
        match self.admin(g) {
            Tri::T => out.certain(Class::Admin, true),
            Tri::U if self.critical.is_disjoint(limited) => out.possible(Class::Admin, true),
            Tri::U | Tri::F => {}
        }
        for (class, set) in &self.sets {
            let shown = if guarded && *class == Class::Permissions {
                Class::PermissionsLimited
            } else {
                *class
            };
            let narrowed;
            let set = if *class == Class::Permissions {
                // Credentials of the caller itself give nobody more than it has.
                let mut own = self.own_credential.clone();
                own.difference_with(g.beyond_self());
                let mut rest = set.clone();
                rest.difference_with(&own);
                narrowed = rest;
                &narrowed
            } else {
                set
            };
            if !set.is_disjoint(g.certain(Scope::AllExcept)) {
                out.certain(shown, true);
            } else if !set.is_disjoint(g.certain(Scope::Some)) {
                out.certain(shown, false);
            }
            let mut possible = |set: &ActionSet, shown: Class| {
                if !set.is_disjoint(g.possible(Scope::AllExcept)) {
                    out.possible(shown, true);
                } else if !set.is_disjoint(g.possible(Scope::Some)) {
                    out.possible(shown, false);
                }
            };
            if *class == Class::Permissions && !set.is_disjoint(limited) {
                let (mut free, mut bound) = (set.clone(), set.clone());
                free.difference_with(limited);
                bound.intersect_with(limited);
                possible(&free, shown);
                possible(&bound, Class::PermissionsLimited);
            } else {
                possible(set, shown);
            }
        }
        out
    }

    /// At most `n` actions, those of the strongest classes first, in catalogue order within a class.
    #[must_use]
    pub fn strongest(&self, actions: &ActionSet, n: usize) -> Vec<Text> {
        let mut picked: Vec<usize> = Vec::new();
        for (_, set) in &self.sets {
            for id in set.in_common(actions) {
                if picked.len() >= n {
                    return catalogue().texts(picked);
                }
                if !picked.contains(&id) {
                    picked.push(id);
                }
            }
        }
        catalogue().texts(picked)
    }
}

/// Classes with the widest breadth they are held at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    certain: Vec<(Class, bool)>,
    possible: Vec<(Class, bool)>,
}

fn put(list: &mut Vec<(Class, bool)>, class: Class, wide: bool) {
    match list.iter_mut().find(|(c, _)| *c == class) {
        Some((_, w)) => *w |= wide,
        None => list.push((class, wide)),
    }
    list.sort_unstable();
}

impl Judgement {
    /// Adds a class that is certainly held.
    pub fn certain(&mut self, class: Class, wide: bool) {
        put(&mut self.certain, class, wide);
        put(&mut self.possible, class, wide);
    }

    /// Adds a class that is held if undecided conditions are met.
    pub fn possible(&mut self, class: Class, wide: bool) {
        put(&mut self.possible, class, wide);
    }

    /// Classes certainly held, strongest first.
    pub fn held(&self) -> impl Iterator<Item = Class> + '_ {
        self.certain.iter().map(|(c, _)| *c)
    }

    /// Classes held only if undecided conditions are met, strongest first.
    pub fn only_possible(&self) -> impl Iterator<Item = Class> + '_ {
        let held = |class: Class| self.certain.iter().any(|(c, _)| *c == class);
        self.possible.iter().map(|(c, _)| *c).filter(move |c| !held(*c))
    }

    /// Tier of what is certainly held; nothing held is harmless.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.certain.iter().map(|(c, wide)| c.tier(*wide)).min().unwrap_or(Tier::T4)
    }

    /// Tier if undecided conditions are met.
    #[must_use]
    pub fn tier_possible(&self) -> Tier {
        self.possible.iter().map(|(c, wide)| c.tier(*wide)).min().unwrap_or(Tier::T4)
    }

    /// Whether a class is certainly held.
    #[must_use]
    pub fn holds(&self, class: Class) -> bool {
        self.certain.iter().any(|(c, _)| *c == class)
    }

    /// Whether this has a class or a tier that none of the parts has.
    #[must_use]
    pub fn beyond(&self, parts: &[&Self]) -> bool {
        let more = |mine: &[(Class, bool)], of: fn(&Self) -> &Vec<(Class, bool)>| {
            mine.iter().any(|(c, wide)| {
                !parts.iter().any(|p| of(p).iter().any(|(d, w)| c == d && (*w || !*wide)))
            })
        };
        more(&self.certain, |p| &p.certain) || more(&self.possible, |p| &p.possible)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_pattern_stands_for_something() {
        for row in csv::Reader::from_reader(TABLE.as_bytes()).records() {
            let row = row.unwrap();
            assert!(!catalogue().expand(&row[1]).is_clear(), "{row:?}");
        }
    }

    #[test]
    fn classes_of_actions() {
        let of = |a: &str| classes().of_action(catalogue().id(a).unwrap());
        for (action, class) in [
            ("iam:AttachUserPolicy", Class::Permissions),
            ("organizations:AttachPolicy", Class::Permissions),
            ("kms:PutKeyPolicy", Class::Permissions),
            ("iam:PassRole", Class::EscalationPossible),
            ("sts:AssumeRole", Class::EscalationPossible),
            ("s3:PutBucketPolicy", Class::PermissionsLimited),
            ("secretsmanager:GetSecretValue", Class::Secrets),
            ("kms:Decrypt", Class::Secrets),
            ("s3:GetObject", Class::DataRead),
            ("s3:PutObject", Class::DataWrite),
            ("ec2:TerminateInstances", Class::Destructive),
            ("ec2:RunInstances", Class::Write),
            ("ec2:CreateTags", Class::Write),
            ("iam:GetUser", Class::Read),
            ("organizations:ListRoots", Class::Read),
            ("s3:ListBucket", Class::Read),
        ] {
            assert_eq!(of(action), class, "{action}");
        }
    }

    #[test]
    fn tiers_follow_class_and_breadth() {
        assert_eq!(Class::Admin.tier(true), Tier::T0);
        assert_eq!(Class::Permissions.tier(false), Tier::T1);
        assert_eq!(Class::Secrets.tier(true), Tier::T1);
        assert_eq!(Class::Secrets.tier(false), Tier::T3);
        assert_eq!(Class::DataRead.tier(true), Tier::T2);
        assert_eq!(Class::DataRead.tier(false), Tier::T3);
        assert_eq!(Class::Write.tier(true), Tier::T3);
        assert_eq!(Class::Read.tier(true), Tier::T4);
    }
}
