//! Rules: a population and an exception, as data. One YAML file is one rule, with its own tests.
//!
//! A rule reads one fact table through predicates in a small, checked SQL expression language;
//! joins, windows and algebra live in `analyze`, once.

pub mod error;
pub mod eval;
pub mod expr;
pub mod lower;
pub mod model;
pub mod parse;
mod typing;
pub mod value;

pub use error::{Problem, RuleError};
pub use model::{Identity, Modifier, Population, Rule, RuleTest, SeverityBasis};
