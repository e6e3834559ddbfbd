//! What several fuzz targets do alike.

use std::io::Write;

use overstay::facts::text;
use overstay::ingest::source::{Adapter, Batch, Context, Input};
use overstay::settings::Settings;

/// Gives the bytes behind the first to the adapter that the first chooses, as a file of this name about
/// `realm`. `None` when there is no first byte.
pub fn read_with(
    adapters: &[&dyn Adapter],
    data: &[u8],
    name: &str,
    realm: Option<&str>,
) -> Option<Batch> {
    let (choice, content) = data.split_first()?;
    let adapter = adapters.get(usize::from(*choice) % adapters.len())?;
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(content).expect("a writable temporary file");
    let settings = Settings::defaults();
    let id = text("S0001");
    let context = Context { settings: &settings, mapping: None, realm, source_id: &id };
    let input = Input {
        path: file.path().to_path_buf(),
        name: name.into(),
        size: content.len() as u64,
    };
    let mut batch = Batch::new(&id);
    let _ = adapter.read(&input, &context, &mut batch);
    Some(batch)
}

/// Few records may give many lines of quarantine, but not without bound.
pub fn quarantine_is_bounded(batch: &Batch) {
    assert!(batch.facts.quarantine.len() as i64 <= batch.records.saturating_mul(32).max(32));
}
