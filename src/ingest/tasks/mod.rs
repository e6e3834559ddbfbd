//! Task logs: generic tables, GitHub Actions.

pub mod generic;
pub mod github;
