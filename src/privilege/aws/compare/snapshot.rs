//! The policies in force on each principal, as a baseline keeps them.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::facts::{PolicyInForce, Text, text};
use crate::privilege::aws::tri::Tri;

/// What a policy does for a principal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Grants: own policies and those of groups.
    Identity,
    /// Limits as permission boundary.
    Boundary,
    /// Limits as organisation policy, at this node or level; `?` before it says that it may not lie
    /// above the account.
    Guardrail(String),
}

impl Layer {
    /// The layer of organisation policies at a node. `applies`: whether it lies above the account.
    #[must_use]
    pub fn guardrail(node: &str, applies: Tri) -> Self {
        Self::Guardrail(if applies == Tri::T { node.to_owned() } else { format!("?{node}") })
    }

    /// Whether it limits for certain.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        !matches!(self, Self::Guardrail(node) if node.starts_with('?'))
    }

    /// The word that `policies_in_force` and baselines hold.
    #[must_use]
    pub fn word(&self) -> String {
        match self {
            Self::Identity => "identity".into(),
            Self::Boundary => "boundary".into(),
            Self::Guardrail(node) => format!("guardrail:{node}"),
        }
    }

    /// Reads the word back; `None` for any other text.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "identity" => Some(Self::Identity),
            "boundary" => Some(Self::Boundary),
            _ => word.strip_prefix("guardrail:").map(|n| Self::Guardrail(n.to_owned())),
        }
    }
}

/// One policy on one principal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// Layer.
    pub layer: Layer,
    /// Policy.
    pub role_id: Text,
    /// Digest of its document; `None` when the inputs lack it.
    pub digest: Option<Text>,
}

/// Policies of all principals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Documents by digest.
    pub documents: BTreeMap<Text, Text>,
    /// Policies by principal, sorted.
    pub principals: BTreeMap<Text, Vec<Part>>,
}

impl Snapshot {
    /// Whether no policy of anybody is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.principals.is_empty()
    }

    /// Policies of a principal; none when it is not there.
    #[must_use]
    pub fn parts(&self, id: &str) -> &[Part] {
        self.principals.get(id).map_or(&[], Vec::as_slice)
    }

    /// Snapshot from the rows of `policies_in_force` and the documents of the policies. A row whose
    /// document is not among them counts as unknown.
    pub fn new<'a>(rows: &[PolicyInForce], documents: impl IntoIterator<Item = &'a Text>) -> Self {
        let asked: BTreeSet<&Text> = rows.iter().filter_map(|r| r.digest.as_ref()).collect();
        let mut out = Self::default();
        let mut seen: BTreeSet<&Text> = BTreeSet::new();
        for document in documents {
            if !seen.insert(document) {
                continue;
            }
            let digest = document_digest(document);
            if asked.contains(&digest) {
                out.documents.insert(digest, document.clone());
            }
        }
        for row in rows {
            let Some(layer) = Layer::from_word(&row.layer) else { continue };
            let digest = row.digest.clone().filter(|d| out.documents.contains_key(d));
            let part = Part { layer, role_id: row.role_id.clone(), digest };
            out.principals.entry(row.principal_id.clone()).or_default().push(part);
        }
        out.finish();
        out
    }

    /// Puts the policies of each principal in order.
    fn finish(&mut self) {
        for parts in self.principals.values_mut() {
            parts.sort_unstable();
            parts.dedup();
        }
    }
}

/// Digest under which a snapshot keeps a document: SHA-256, lower-case hex.
#[must_use]
pub fn document_digest(document: &str) -> Text {
    let hash = Sha256::digest(document.as_bytes());
    text(hash.iter().map(|b| format!("{b:02x}")).collect::<String>())
}
