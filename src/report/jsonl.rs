//! `findings.jsonl`: one finding a line, in every bundle, whatever formats are asked for.

use std::io::{self, Write};

use crate::findings::Finding;

/// Writes one finding a line, in the order given; keys and their order are stable.
///
/// # Errors
/// When the writer fails.
pub fn write_findings(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    // A line is made in memory first: many small writes through a trait object cost more.
    let mut line = Vec::with_capacity(4096);
    for finding in findings {
        line.clear();
        serde_json::to_writer(&mut line, finding)?;
        line.push(b'\n');
        out.write_all(&line)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn text(findings: &[Finding]) -> String {
        let mut out = Vec::new();
        write_findings(findings, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_line_per_finding_even_with_hostile_text() {
        let view = fixture::hostile();
        let back: Vec<Finding> =
            text(&view.findings).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(back, view.findings);
    }

    #[test]
    fn optional_keys_are_written_as_null() {
        let mut finding = fixture::plausible().findings.remove(0);
        finding.task_id = None;
        let line = text(&[finding]);
        assert!(line.contains("\"task_id\":null"), "{line}");
    }
}
