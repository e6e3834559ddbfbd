//! Ledgers of closed or home-made brokers: grants, approvals, events, credentials, by column names.

pub mod approvals;
pub mod credentials;
pub mod events;
pub mod fold;
pub mod grants;
pub mod json;

use crate::facts::{ApprovalMethod, Verdict};

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
