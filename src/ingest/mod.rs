//! Ingest: files in, base facts out. Formats are recognised by content.

pub mod aws;
pub mod reader;
pub mod source;
