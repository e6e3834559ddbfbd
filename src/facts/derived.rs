//! Derived tables: what `analyze` makes of the base tables and what rules read. One row carries every
//! quantity a rule may ask, so that a rule is a one-line predicate.
//!
//! Conventions as in [`crate::facts::base`]. Durations are seconds (`_s`). A null boolean or number
//! means *not assessed*; the matching `*_unknown` text column, where there is one, says why, with the
//! result codes of the grants model, section 7 (`no_source`, `out_of_window`, `incomplete_snapshot`,
//! `no_task_link`, `identity_unresolved`, `group_membership_missing`, `role_unexpanded`, `end_unknown`).
//! `refs` lists the evidence records of the row as `<source_id>#<source_ref>`.

mod access;
mod conduct;
mod delegations;
mod evidence;
mod exposure;
mod grants;
mod metrics;
mod paths;
mod policies;

pub use access::*;
pub use conduct::*;
pub use delegations::*;
pub use evidence::*;
pub use exposure::*;
pub use grants::*;
pub use metrics::*;
pub use paths::*;
pub use policies::*;
