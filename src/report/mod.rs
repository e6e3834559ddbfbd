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
pub mod story;
pub mod text;
pub mod view;

use std::io::{self, Write};
use std::sync::Arc;

pub use assemble::{Assemble, assemble};
pub use registry::{FORMATS, render};
pub use view::View;

#[cfg(test)]
pub(crate) mod fixture {
    use super::story::{Lane, Story};
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

/// Writes the content of a file; gives the same bytes however often it is called.
type Content<'a> = Arc<dyn Fn(&mut dyn Write) -> io::Result<()> + Send + Sync + 'a>;

/// A file of the bundle. Its content is made while it is written, so that the files of a large run
/// are never all in memory.
#[derive(Clone)]
pub struct OutputFile<'a> {
    /// Path relative to the bundle, with `/`.
    pub path: String,
    /// Media type for the manifest.
    pub media_type: &'static str,
    content: Content<'a>,
}

impl std::fmt::Debug for OutputFile<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutputFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl<'a> OutputFile<'a> {
    /// A file whose content is written piece by piece when it is asked for.
    pub fn new(
        path: impl Into<String>,
        media_type: &'static str,
        content: impl Fn(&mut dyn Write) -> io::Result<()> + Send + Sync + 'a,
    ) -> Self {
        Self { path: path.into(), media_type, content: Arc::new(content) }
    }

    /// A file whose content is there already.
    pub fn of_bytes(path: impl Into<String>, media_type: &'static str, bytes: Vec<u8>) -> Self {
        Self::new(path, media_type, move |out| out.write_all(&bytes))
    }

    /// Writes the content. `out` should be buffered.
    ///
    /// # Errors
    /// When `out` refuses, or a template fails.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        (self.content)(out)
    }

    /// The content as a whole.
    ///
    /// # Errors
    /// When a template fails.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        self.write_to(&mut out)?;
        Ok(out)
    }
}

/// One report format.
pub trait Format: Sync {
    /// Name used in `--format`.
    fn name(&self) -> &'static str;
    /// What it is.
    fn title(&self) -> &'static str;
    /// The files of the format. Content is rendered when it is written.
    ///
    /// # Errors
    /// When a template fails; content never makes it fail.
    fn render<'v>(&self, view: &'v View) -> Result<Vec<OutputFile<'v>>, ReportError>;
}
