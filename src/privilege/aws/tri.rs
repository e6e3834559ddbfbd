//! Three-valued logic: true, false, or undecided by the inputs.

/// A truth value; the order is false, unknown, true, so that AND is the minimum and OR the maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tri {
    /// False under every completion of what is unknown.
    F,
    /// Depends on what is unknown.
    U,
    /// True under every completion of what is unknown.
    T,
}

impl Tri {
    /// From a known truth value.
    #[must_use]
    pub const fn from_bool(b: bool) -> Self {
        if b { Self::T } else { Self::F }
    }

    /// Conjunction.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.min(other)
    }

    /// Disjunction.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.max(other)
    }

    /// Conjunction of all; true for none.
    pub fn all(items: impl IntoIterator<Item = Self>) -> Self {
        items.into_iter().fold(Self::T, Self::and)
    }

    /// Disjunction of all; false for none.
    pub fn any(items: impl IntoIterator<Item = Self>) -> Self {
        items.into_iter().fold(Self::F, Self::or)
    }

    /// Not false.
    #[must_use]
    pub fn possible(self) -> bool {
        self != Self::F
    }

    /// The answer as the fact tables word it.
    #[must_use]
    pub fn word(self) -> crate::facts::Tri {
        match self {
            Self::T => crate::facts::Tri::Yes,
            Self::U => crate::facts::Tri::Conditional,
            Self::F => crate::facts::Tri::No,
        }
    }
}

impl std::ops::Not for Tri {
    type Output = Self;
    fn not(self) -> Self {
        match self {
            Self::T => Self::F,
            Self::U => Self::U,
            Self::F => Self::T,
        }
    }
}
