//! `report.json`: the view, so that any format can be rendered later without the inputs. Of many
//! findings it holds the worst; the bundle's `findings.jsonl` holds all, and readers take them from there.

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

    #[test]
    fn of_many_findings_the_worst_and_the_total() {
        let mut view = fixture::plausible();
        let one = view.findings.remove(0);
        view.findings = (0..View::MAX_FINDINGS + 2)
            .map(|i| crate::findings::Finding { fingerprint: format!("{i:064}"), ..one.clone() })
            .collect();
        view.count_findings();
        let bytes = Json.render(&view).unwrap().remove(0).to_bytes().unwrap();
        let mut back: View = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((back.version, back.findings.len()), (2, View::MAX_FINDINGS));
        assert_eq!(back.findings_total, Some(5_002));
        assert!(back.is_cut());
        let mut lines = Vec::new();
        crate::report::jsonl::write_findings(&view.findings, &mut lines).unwrap();
        // A file with fewer lines is not the one that belongs to it.
        let first = lines.split_inclusive(|b| *b == b'\n').next().unwrap();
        assert!(back.clone().complete(first).unwrap_err().contains("5002"));
        assert!(back.clone().complete(b"{").unwrap_err().contains("line 1"));
        back.complete(&lines).unwrap();
        assert_eq!(back.findings, view.findings);
        assert!(!back.is_cut());
        // Without any left out nothing is said, and old programs read it.
        view.findings.truncate(3);
        view.count_findings();
        let text = String::from_utf8(Json.render(&view).unwrap().remove(0).to_bytes().unwrap());
        let text = text.unwrap();
        assert!(text.contains("\"version\": 1,") && !text.contains("findings_total"));
    }
}
