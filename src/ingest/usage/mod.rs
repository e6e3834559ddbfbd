//! Access logs and usage tables.

pub mod generic;
