//! The policies in force on each principal, as a baseline keeps them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::facts::{Text, text};

/// What a policy does for a principal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "of")]
pub enum Layer {
    /// Grants: own policies and those of groups.
    Identity,
    /// Limits as permission boundary.
    Boundary,
    /// Limits as organisation policy, at this node or level.
    Guardrail(String),
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
    /// Policies of a principal; none when it is not there.
    #[must_use]
    pub fn parts(&self, id: &str) -> &[Part] {
        self.principals.get(id).map_or(&[], Vec::as_slice)
    }

    /// Adds a policy to a principal. Call [`Snapshot::finish`] after the last.
    pub fn add(&mut self, id: &Text, layer: Layer, role_id: &Text, document: Option<&Text>) {
        let digest = document.map(|d| {
            let digest = document_digest(d);
            self.documents.entry(digest.clone()).or_insert_with(|| d.clone());
            digest
        });
        let part = Part { layer, role_id: role_id.clone(), digest };
        self.principals.entry(id.clone()).or_default().push(part);
    }

    /// Puts the policies of each principal in order.
    pub fn finish(&mut self) {
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
