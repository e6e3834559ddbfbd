//! Reports: one file per format behind one trait; all render the same [`View`].

pub mod assemble;
pub mod charts;
pub mod csv;
pub mod html;
pub mod json;
pub mod jsonl;
pub mod markdown;
pub mod registry;
pub mod sarif;
pub mod text;
pub mod view;

pub use assemble::{Assemble, assemble};
pub use registry::{FORMATS, render};
pub use view::View;

#[cfg(test)]
pub(crate) mod fixture {
    use super::view::*;
    use crate::findings::*;

    include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/fixture.rs"));
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A template failed.
    #[error("cannot render {format}: {message}")]
    Render {
        /// Format.
        format: &'static str,
        /// Cause.
        message: String,
    },
    /// No such format.
    #[error("unknown report format `{name}`; known: {known}")]
    Unknown {
        /// Name asked for.
        name: String,
        /// Known formats.
        known: String,
    },
}

/// A file of the bundle.
#[derive(Clone, Debug)]
pub struct OutputFile {
    /// Path relative to the bundle, with `/`.
    pub path: String,
    /// Media type for the manifest.
    pub media_type: &'static str,
    /// Content.
    pub bytes: Vec<u8>,
}

/// One report format.
pub trait Format: Sync {
    /// Name used in `--format`.
    fn name(&self) -> &'static str;
    /// What it is.
    fn title(&self) -> &'static str;
    /// Renders the view.
    ///
    /// # Errors
    /// When a template fails; content never makes it fail.
    fn render(&self, view: &View) -> Result<Vec<OutputFile>, ReportError>;
}
