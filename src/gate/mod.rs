//! The gate: what was accepted before (baseline, waivers), what changed since, and the verdict.

pub mod accept;
pub mod baseline;
pub mod compare;
pub mod diff;
pub mod held;
pub mod scope;
#[cfg(test)]
pub(crate) mod testing;
pub mod verdict;
pub mod waivers;

pub use baseline::{Baseline, BaselineError};
pub use compare::{Change, Comparison};
pub use verdict::{Policy, Verdict, decide};
pub use waivers::{WaiverError, Waivers};
