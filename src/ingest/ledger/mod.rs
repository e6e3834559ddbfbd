//! Ledgers: grants, approvals, events, credentials. Closed or home-made brokers by column names, the
//! others by adapters of their own, one file per system.

pub mod anthropic;
pub mod approvals;
pub mod credentials;
pub mod databricks;
pub mod entra_pim;
pub mod entra_pim_audit;
pub mod events;
pub mod fold;
pub mod gcp_pam;
pub mod github;
pub mod github_audit;
pub mod grants;
pub mod history;
pub mod jit_groups;
pub mod json;
pub mod lines;
pub mod okta;
pub mod openai;
pub mod polkit;
pub mod postgres;
pub mod sudo;
pub mod vendor;

use super::source::Adapter;
use crate::facts::{ApprovalMethod, Verdict};

/// Adapters of systems whose logs and exports are JSON.
pub static NATIVE: &[&vendor::JsonAdapter] = &[
    &gcp_pam::GRANTS,
    &gcp_pam::AUDIT,
    &jit_groups::AUDIT,
    &entra_pim::REQUESTS,
    &entra_pim::INSTANCES,
    &entra_pim_audit::AUDIT,
    &github::ACCESS,
    &github_audit::AUDIT,
    &okta::SYSTEM_LOG,
    &openai::AUDIT,
    &anthropic::ACTIVITY,
    &databricks::AUDIT,
];

/// Adapters of systems with a form of their own.
pub static SPECIAL: &[&dyn Adapter] =
    &[&postgres::ServerLog, &sudo::SudoJson, &sudo::SudoText, &polkit::Polkit];

/// Reads the word of a decision on a request as an approver's verdict. `None` for an unknown word.
#[must_use]
pub fn verdict(word: &str) -> Option<Verdict> {
    Some(match word {
        "approve" | "approved" | "allow" | "allowed" | "accepted" | "accept" | "granted"
        | "yes" | "auto_approved" => Verdict::Approve,
        "deny" | "denied" | "reject" | "rejected" | "refused" | "declined" | "no" => Verdict::Deny,
        "lapsed" | "expired" | "timed_out" | "timeout" | "not_reviewed" => Verdict::Lapsed,
        "pending" | "unknown" | "abstain" | "abstained" | "withdrawn" | "canceled"
        | "cancelled" => Verdict::Unknown,
        _ => return None,
    })
}

/// Reads the word of an approval method. `None` for an unknown word.
#[must_use]
pub fn method(word: &str) -> Option<ApprovalMethod> {
    Some(match word {
        "human" | "manual" | "person" | "user" => ApprovalMethod::Human,
        "policy" | "auto" | "automatic" | "system" | "rule" | "auto_approved" => {
            ApprovalMethod::Policy
        }
        "break_glass" | "emergency" => ApprovalMethod::BreakGlass,
        "unknown" => ApprovalMethod::Unknown,
        _ => return None,
    })
}
