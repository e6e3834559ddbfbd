//! Classes of privilege, breadth of scope, and the tier the two make together, the same for all
//! platforms (cloud semantics, section 8). Content decides; names of roles never do.

use crate::facts::Tier;

/// Class of privilege, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Everything, or everything in identity and access management.
    Admin,
    /// Decides who may do what.
    Permissions,
    /// A complete path to more than is held.
    Escalation,
    /// Reads secrets.
    Secrets,
    /// Decides who may do what with one resource, or within a guard.
    PermissionsLimited,
    /// Part of a path, or a path that needs something the inputs do not show.
    EscalationPossible,
    /// Destroys data, resources or traces.
    Destructive,
    /// Changes data.
    DataWrite,
    /// Reads data.
    DataRead,
    /// Changes resources.
    Write,
    /// Reads.
    Read,
}

/// All classes, strongest first.
pub const CLASSES: [Class; 11] = [
    Class::Admin,
    Class::Permissions,
    Class::Escalation,
    Class::Secrets,
    Class::PermissionsLimited,
    Class::EscalationPossible,
    Class::Destructive,
    Class::DataWrite,
    Class::DataRead,
    Class::Write,
    Class::Read,
];

impl Class {
    /// The public word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Permissions => "permissions-management",
            Self::PermissionsLimited => "permissions-management (limited)",
            Self::Escalation => "escalation",
            Self::EscalationPossible => "escalation (possible)",
            Self::Secrets => "secrets",
            Self::Destructive => "destructive",
            Self::DataWrite => "data-write",
            Self::DataRead => "data-read",
            Self::Write => "data-write (control plane)",
            Self::Read => "read",
        }
    }

    /// Reads the public word back.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        CLASSES.into_iter().find(|c| c.word() == word)
    }

    /// Tier at a breadth: the severity table of section 8, where critical is T0 and info T4.
    #[must_use]
    pub fn tier_at(self, breadth: Breadth) -> Tier {
        let wide = breadth <= Breadth::Account;
        match self {
            Self::Admin | Self::Permissions | Self::Escalation if wide => Tier::T0,
            Self::Admin | Self::Permissions | Self::Escalation => Tier::T1,
            Self::Secrets | Self::PermissionsLimited => match breadth {
                _ if wide => Tier::T1,
                Breadth::Group => Tier::T2,
                _ => Tier::T3,
            },
            Self::EscalationPossible | Self::Destructive | Self::DataWrite | Self::DataRead
                if wide =>
            {
                Tier::T2
            }
            Self::Read => Tier::T4,
            _ => Tier::T3,
        }
    }

    /// Tier on a whole account (`wide`) or on named resources.
    #[must_use]
    pub fn tier(self, wide: bool) -> Tier {
        self.tier_at(if wide { Breadth::Account } else { Breadth::Resource })
    }
}

/// How wide a scope is, widest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Breadth {
    /// B0: tenant, organisation, directory root, whole cluster.
    Tenant,
    /// B1: folder, management group, organisational unit.
    Folder,
    /// B2: project, subscription, account, database cluster, the namespace `kube-system`.
    Account,
    /// B3: resource group, another namespace, schema.
    Group,
    /// B4: one or named resources.
    Resource,
}

impl Breadth {
    /// The number that `entitlements.scope_rank` holds: 4 for the widest, 0 for one resource.
    #[must_use]
    pub fn rank(self) -> i64 {
        match self {
            Self::Tenant => 4,
            Self::Folder => 3,
            Self::Account => 2,
            Self::Group => 1,
            Self::Resource => 0,
        }
    }

    /// Reads the number back; anything above four is the widest.
    #[must_use]
    pub fn from_rank(rank: i64) -> Self {
        match rank {
            i64::MIN..=0 => Self::Resource,
            1 => Self::Group,
            2 => Self::Account,
            3 => Self::Folder,
            _ => Self::Tenant,
        }
    }
}

/// A set of classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClassSet(u16);

impl ClassSet {
    /// No class.
    pub const EMPTY: Self = Self(0);

    /// Adds a class.
    pub fn insert(&mut self, class: Class) {
        self.0 |= 1 << class as u16;
    }

    /// Adds all classes of another set.
    pub fn extend(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Takes a class out.
    pub fn remove(&mut self, class: Class) {
        self.0 &= !(1 << class as u16);
    }

    /// Whether the class is in.
    #[must_use]
    pub fn contains(self, class: Class) -> bool {
        self.0 & (1 << class as u16) != 0
    }

    /// Whether no class is in.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The classes that are in this set and not in the other.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The classes, strongest first.
    pub fn iter(self) -> impl Iterator<Item = Class> {
        CLASSES.into_iter().filter(move |c| self.contains(*c))
    }

    /// Strongest tier of the classes at a breadth; nothing held is harmless.
    #[must_use]
    pub fn tier_at(self, breadth: Breadth) -> Tier {
        self.iter().map(|c| c.tier_at(breadth)).min().unwrap_or(Tier::T4)
    }
}

impl FromIterator<Class> for ClassSet {
    fn from_iter<I: IntoIterator<Item = Class>>(classes: I) -> Self {
        let mut out = Self::EMPTY;
        for c in classes {
            out.insert(c);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_follow_the_severity_table() {
        let tier = |c: Class, b| c.tier_at(b);
        assert_eq!(tier(Class::Admin, Breadth::Tenant), Tier::T0);
        assert_eq!(tier(Class::Escalation, Breadth::Account), Tier::T0);
        assert_eq!(tier(Class::Permissions, Breadth::Group), Tier::T1);
        assert_eq!(tier(Class::Secrets, Breadth::Account), Tier::T1);
        assert_eq!(tier(Class::Secrets, Breadth::Group), Tier::T2);
        assert_eq!(tier(Class::Secrets, Breadth::Resource), Tier::T3);
        assert_eq!(tier(Class::DataRead, Breadth::Folder), Tier::T2);
        assert_eq!(tier(Class::DataWrite, Breadth::Group), Tier::T3);
        assert_eq!(tier(Class::Write, Breadth::Tenant), Tier::T3);
        assert_eq!(tier(Class::Read, Breadth::Tenant), Tier::T4);
    }

    #[test]
    fn words_and_sets_round_trip() {
        for c in CLASSES {
            assert_eq!(Class::from_word(c.word()), Some(c));
        }
        let set: ClassSet = [Class::Read, Class::Admin].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [Class::Admin, Class::Read]);
        assert_eq!(set.tier_at(Breadth::Resource), Tier::T1);
        for b in
            [Breadth::Tenant, Breadth::Folder, Breadth::Account, Breadth::Group, Breadth::Resource]
        {
            assert_eq!(Breadth::from_rank(b.rank()), b);
        }
    }
}
