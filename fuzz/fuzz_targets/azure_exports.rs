//! The adapters of Azure and Entra read any bytes without a panic; the first byte chooses the adapter.
#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;
use overstay::facts::text;
use overstay::ingest::azure::{ADAPTERS, finish};
use overstay::ingest::source::{Batch, Context, Input};
use overstay::settings::Settings;

fuzz_target!(|data: &[u8]| {
    let Some((choice, content)) = data.split_first() else { return };
    let Some(adapter) = ADAPTERS.get(usize::from(*choice) % ADAPTERS.len()) else { return };
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(content).expect("a writable temporary file");
    let settings = Settings::defaults();
    let id = text("S0001");
    let realm = (choice & 1 == 1).then_some("groups/g/members");
    let context = Context { settings: &settings, mapping: None, realm, source_id: &id };
    let input = Input {
        path: file.path().to_path_buf(),
        name: "fuzz.json".into(),
        size: content.len() as u64,
    };
    let mut batch = Batch::new(&id);
    let _ = adapter.read(&input, &context, &mut batch);
    finish(&mut batch.facts);
});
