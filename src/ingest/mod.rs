//! Ingest: files in, base facts out. Formats are recognised by content.

pub mod aws;
pub mod azure;
pub mod claims;
pub mod detect;
pub mod driver;
pub mod fold;
pub mod gcp;
pub mod k8s;
pub mod ledger;
pub mod owners;
#[cfg(feature = "columnar-io")]
pub mod parquet;
pub mod reader;
pub mod records;
pub mod registry;
pub mod reviews;
pub mod services;
pub mod source;
pub mod subject;
pub mod table;
pub mod tasks;
pub mod usage;

pub use driver::{Collected, Failed, Ignored, Ingested, Unknown, collect, ingest};

#[cfg(test)]
mod tests;
