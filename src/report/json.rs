//! `report.json`: exactly the view, so that any format can be rendered later without the inputs.

use super::{Format, OutputFile, ReportError, View};

/// The JSON format.
#[derive(Clone, Copy, Debug)]
pub struct Json;

impl Format for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn title(&self) -> &'static str {
        "The whole report as JSON"
    }

    fn render<'v>(&self, view: &'v View) -> Result<Vec<OutputFile<'v>>, ReportError> {
        Ok(vec![OutputFile::new("report.json", "application/json", |out| {
            serde_json::to_writer_pretty(&mut *out, view)?;
            out.write_all(b"\n")
        })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn the_view_survives_the_round_trip() {
        for view in [fixture::plausible(), fixture::hostile()] {
            let bytes = Json.render(&view).unwrap().remove(0).to_bytes().unwrap();
            let back: View = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(Json.render(&back).unwrap().remove(0).to_bytes().unwrap(), bytes);
        }
    }
}
