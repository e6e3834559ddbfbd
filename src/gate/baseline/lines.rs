//! The body lines of a baseline file and their order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{FindingLine, HoldingLine};

/// One line of the body.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Line {
    Finding(FindingLine),
    Holding(HoldingLine),
    Document(DocumentLine),
    Policy(PolicyLine),
}

/// A policy document that accepted access rests on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentLine {
    /// SHA-256 of the text.
    pub digest: String,
    /// The document.
    pub text: String,
}

/// A policy in force on a principal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyLine {
    /// Principal.
    pub principal: String,
    /// `identity`, `boundary` or `guardrail:<node>`.
    pub layer: String,
    /// Policy.
    pub policy: String,
    /// Digest of its document; null when the inputs lacked it.
    pub digest: Option<String>,
}

/// Kinds of body lines in the order of the file, and the last one read of each.
#[derive(Default)]
pub(super) struct Order {
    stage: u8,
    holding: Option<HoldingLine>,
    document: Option<String>,
    policy: Option<PolicyLine>,
}

impl Order {
    /// Whether a line may follow those before it.
    pub(super) fn allows(&mut self, line: &Line, findings: &BTreeMap<String, FindingLine>) -> bool {
        let (stage, after) = match line {
            Line::Finding(f) => {
                (0, findings.last_key_value().is_none_or(|(k, _)| *k < f.fingerprint))
            }
            Line::Holding(h) => (1, self.holding.replace(h.clone()).is_none_or(|last| last < *h)),
            Line::Document(d) => {
                (2, self.document.replace(d.digest.clone()).is_none_or(|last| last < d.digest))
            }
            Line::Policy(p) => (3, self.policy.replace(p.clone()).is_none_or(|last| last < *p)),
        };
        let forward = stage >= self.stage;
        self.stage = stage;
        forward && after
    }
}
