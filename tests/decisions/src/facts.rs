//! What the evaluator uses of the fact tables.

#[path = "../../../src/facts/time.rs"]
pub mod time;

pub use time::Time;

/// Shared text, as the fact tables hold it.
pub type Text = std::sync::Arc<str>;

/// Builds a [`Text`].
pub fn text(s: impl AsRef<str>) -> Text {
    Text::from(s.as_ref())
}

/// The answer as the fact tables word it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tri {
    Yes,
    No,
    Conditional,
}
