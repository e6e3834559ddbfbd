//! AWS exports.

use super::source::Adapter;

/// Adapters of this platform.
pub const ADAPTERS: &[&dyn Adapter] = &[];
