//! `overstay.toml`: limits, environments, declared privileges, identity links, ledger mappings.
//!
//! Read once at the start; every stage takes what it needs by reference. Unknown keys are errors, so
//! that a typing mistake never loosens a check silently.

pub mod limits;
pub mod model;
pub mod screening;

pub use limits::{LIMITS, LimitDef, Limits};
pub use model::*;
pub use screening::Screening;
