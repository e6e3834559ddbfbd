//! Ledgers: the event logs and exports of brokers, one module each, and the tables of closed or
//! home-made ones (grants, approvals, events, credentials) by column names.

pub mod anthropic;
pub mod approvals;
pub mod boundary;
pub mod conductorone;
pub mod credentials;
pub mod databricks;
pub mod entra_pim;
pub mod entra_pim_audit;
pub mod events;
pub mod fold;
pub mod gcp_pam;
pub mod github;
pub mod github_audit;
pub mod glide;
pub mod grants;
pub mod history;
pub mod infisical;
pub mod jit_groups;
pub mod json;
pub mod kube_jit;
pub mod lines;
pub mod okta;
pub mod opal;
pub mod openai;
pub mod polkit;
pub mod postgres;
pub mod spire;
pub mod strongdm;
pub mod sudo;
pub mod teleport;
pub mod vault;
pub mod vendor;
pub mod views;

use crate::facts::{ApprovalMethod, Text, Verdict, text};
use crate::ingest::source::Adapter;

/// Ledgers and event logs of brokers, one module each.
pub static LEDGERS: &[&dyn Adapter] = &[
    &teleport::ADAPTER,
    &vault::AUDIT,
    &vault::LOOKUPS,
    &boundary::ADAPTER,
    &glide::ADAPTER,
    &conductorone::ADAPTER,
    &opal::ADAPTER,
    &strongdm::ADAPTER,
    &infisical::ADAPTER,
    &kube_jit::ADAPTER,
    &spire::ADAPTER,
    &gcp_pam::GRANTS,
    &gcp_pam::AUDIT,
    &jit_groups::AUDIT,
    &entra_pim::REQUESTS,
    &entra_pim_audit::AUDIT,
    &github::ACCESS,
    &okta::SYSTEM_LOG,
    &openai::AUDIT,
    &anthropic::ACTIVITY,
    &databricks::AUDIT,
    &postgres::ServerLog,
    &sudo::SudoJson,
    &sudo::SudoText,
    &polkit::Polkit,
];

/// A name that is unique in one realm only, a host or a cluster, with the realm in front of it (grants model,
/// decision 7 and rules K1 and P1): `root` of two hosts is two principals. An address names one person
/// everywhere, and where no realm is known the name stays as it is.
#[must_use]
pub fn in_realm(platform: &str, realm: Option<&str>, name: &str) -> Text {
    match realm.map(str::trim).filter(|r| !r.is_empty()) {
        Some(realm) if !name.contains('@') => text(format!("{platform}:{realm}/{name}")),
        _ => text(name),
    }
}

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
