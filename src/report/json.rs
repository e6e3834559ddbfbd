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

    fn render(&self, view: &View) -> Result<Vec<OutputFile>, ReportError> {
        let mut bytes = serde_json::to_vec_pretty(view)
            .map_err(|e| ReportError::Render { format: "json", message: e.to_string() })?;
        bytes.push(b'\n');
        Ok(vec![OutputFile { path: "report.json".into(), media_type: "application/json", bytes }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn the_view_survives_the_round_trip() {
        for view in [fixture::plausible(), fixture::hostile()] {
            let bytes = Json.render(&view).unwrap().remove(0).bytes;
            let back: View = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(Json.render(&back).unwrap().remove(0).bytes, bytes);
        }
    }
}
