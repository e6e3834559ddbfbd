//! The Kubernetes adapters read any bytes without a panic; the first byte chooses the adapter. What they
//! read as a role is evaluated.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overstay::ingest::k8s::ADAPTERS;
use overstay::privilege::k8s::{Content, Document};
use overstay_fuzz::read_with;

fuzz_target!(|data: &[u8]| {
    let Some(batch) = read_with(ADAPTERS, data, "objects.yaml", Some("c")) else { return };
    for role in &batch.facts.roles {
        if let Some(Ok(document)) = role.document.as_deref().map(Document::parse) {
            let _ = Content::new(document.rules);
        }
    }
});
