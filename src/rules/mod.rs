//! Rules: a population and an exception, as data. One YAML file is one rule, with its own tests.
//!
//! A rule reads one fact table through predicates in a small, checked SQL expression language;
//! joins, windows and algebra live in `analyze`, once.

pub mod check;
pub mod compile;
pub mod docs;
pub mod error;
pub mod eval;
pub mod explain;
pub mod expr;
pub mod finding;
mod hints;
pub mod load;
pub mod lower;
pub mod message;
pub mod model;
pub mod parse;
pub mod run;
pub mod severity;
pub mod test;
mod typing;
pub mod value;
pub mod vector;

pub use check::{check_pack, check_rule};
pub use compile::{Compiled, compile, controls};
pub use error::{Problem, RuleError};
pub use explain::{Explanation, explain, find_rows};
pub use load::Pack;
pub use model::{Identity, Modifier, Population, Rule, RuleTest, SeverityBasis};
pub use run::{RunInput, RunOutput, run};
