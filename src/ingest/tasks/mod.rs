//! Task logs: what says when work began and ended. One file per system.

pub mod airflow;
pub mod argo;
pub mod circleci;
pub mod document;
pub mod generic;
pub mod github;
pub mod gitlab;
pub mod jenkins;
pub mod jira;
pub mod kubernetes;
pub mod mcp;
pub mod otel;
pub mod servicenow;

use super::source::Adapter;

/// Adapters of this folder but the generic table; one line each.
pub static ADAPTERS: &[&dyn Adapter] = &[
    &github::GithubActions,
    &gitlab::FORMAT,
    &jenkins::FORMAT,
    &circleci::FORMAT,
    &argo::FORMAT,
    &airflow::FORMAT,
    &kubernetes::FORMAT,
    &jira::FORMAT,
    &servicenow::FORMAT,
    &otel::Otel,
    &mcp::Mcp,
];

#[cfg(test)]
mod tests;
