//! The evidence bundle: what is in it, how it is written whole or not at all, and how it is checked.

pub mod bundle;
pub mod files;
pub mod manifest;
pub mod tables;
pub mod verify;

pub use bundle::{BundleError, is_bundle, read, write};
pub use manifest::Manifest;
