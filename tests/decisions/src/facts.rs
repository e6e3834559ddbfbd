//! What the evaluator uses of the fact tables.

#[path = "../../../src/facts/time.rs"]
pub mod time;

pub use time::Time;

/// The answer as the fact tables word it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tri {
    Yes,
    No,
    Conditional,
}
