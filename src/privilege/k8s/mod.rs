//! Kubernetes RBAC: matching of rules, the catalogue of permissions that matter, what a role gives.

pub mod content;
pub mod permissions;
pub mod rbac;

pub use content::{Content, Place};
pub use rbac::{Document, Rule};

/// Label by which the API server marks what it makes itself.
pub const DEFAULTS: &str = "kubernetes.io/bootstrapping=rbac-defaults";
