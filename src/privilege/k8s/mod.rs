//! Kubernetes RBAC: matching of rules, the catalogue of permissions that matter, what a role gives.

pub mod content;
pub mod permissions;
pub mod rbac;

pub use content::{Content, Place};
pub use rbac::{Document, Rule};
