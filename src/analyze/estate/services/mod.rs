//! Vault, GitHub, PostgreSQL, Snowflake and Okta: from their bindings to what is held.

use super::{Edge, Estate, Goal, Held, Platform, World};

pub mod postgres;
mod tree;

#[cfg(test)]
mod tests;
