//! Opening inputs.

use std::io::Read;

use super::source::{IngestError, Input};

/// Opens an input for reading.
///
/// # Errors
/// When the file cannot be opened.
pub fn open(input: &Input) -> Result<Box<dyn Read + Send>, IngestError> {
    let fail = |source| IngestError::Io { file: input.name.clone(), source };
    std::fs::File::open(&input.path).map(|f| Box::new(f) as Box<dyn Read + Send>).map_err(fail)
}

/// Reads an input whole.
///
/// # Errors
/// When the file cannot be read.
pub fn read_all(input: &Input) -> Result<Vec<u8>, IngestError> {
    let mut out = Vec::new();
    open(input)?
        .read_to_end(&mut out)
        .map_err(|source| IngestError::Io { file: input.name.clone(), source })?;
    Ok(out)
}
