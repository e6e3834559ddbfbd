//! Google Cloud IAM: what roles hold, what conditions say about time, whom members and deny policies
//! mean (cloud semantics, 4.2, 6, 7 and 8). Nothing here reads files or fact tables.

pub mod catalogue;
pub mod condition;
pub mod content;
pub mod deny;
pub mod meaning;
pub mod member;

/// Basic roles: they reach all services, and IAM refuses conditions on them.
pub const BASIC: [&str; 3] = ["roles/owner", "roles/editor", "roles/viewer"];
