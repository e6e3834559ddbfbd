//! The Kubernetes adapters read any bytes without a panic; the first byte chooses the adapter. What they
//! read as a role is evaluated.
#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;
use overstay::facts::text;
use overstay::ingest::k8s::ADAPTERS;
use overstay::ingest::source::{Batch, Context, Input};
use overstay::privilege::k8s::{Content, Document};
use overstay::settings::Settings;

fuzz_target!(|data: &[u8]| {
    let Some((choice, content)) = data.split_first() else { return };
    let Some(adapter) = ADAPTERS.get(usize::from(*choice) % ADAPTERS.len()) else { return };
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(content).expect("a writable temporary file");
    let settings = Settings::defaults();
    let id = text("S0001");
    let context = Context { settings: &settings, mapping: None, realm: Some("c"), source_id: &id };
    let input = Input {
        path: file.path().to_path_buf(),
        name: "objects.yaml".into(),
        size: content.len() as u64,
    };
    let mut batch = Batch::new(&id);
    let _ = adapter.read(&input, &context, &mut batch);
    for role in &batch.facts.roles {
        if let Some(Ok(document)) = role.document.as_deref().map(Document::parse) {
            let _ = Content::new(document.rules);
        }
    }
});
