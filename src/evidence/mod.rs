//! The evidence bundle: what is in it, how it is written whole or not at all, and how it is checked.

pub mod bundle;
pub mod files;
pub mod manifest;
pub mod records;
pub mod tables;
#[cfg(test)]
#[expect(
    clippy::duplicate_mod,
    reason = "evidence does not import gate; both test on the same view"
)]
#[path = "../gate/testing.rs"]
pub(crate) mod testing;
pub mod verify;

pub use bundle::{BundleError, is_bundle, read, write};
pub use manifest::Manifest;
