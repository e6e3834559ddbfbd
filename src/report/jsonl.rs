//! `findings.jsonl` and `conclusions.json`: the two data files every bundle has, whatever formats
//! are asked for.

use serde::Serialize;

use super::View;
use super::view::FrameworkView;
use crate::findings::{Finding, RuleResult};

/// One finding a line, in the order given; keys and their order are stable.
#[must_use]
#[expect(clippy::expect_used, reason = "string keys and plain values always have a JSON form")]
pub fn findings_jsonl(findings: &[Finding]) -> Vec<u8> {
    let mut out = Vec::new();
    for finding in findings {
        serde_json::to_writer(&mut out, finding).expect("a finding has a JSON form");
        out.push(b'\n');
    }
    out
}

#[derive(Serialize)]
struct Conclusions<'a> {
    version: u32,
    report_id: &'a str,
    as_of: &'a str,
    period: &'a Option<(String, String)>,
    frameworks: &'a [FrameworkView],
    rules: &'a [RuleResult],
}

/// Conclusions by framework and the population of every rule behind them.
#[must_use]
#[expect(clippy::expect_used, reason = "string keys and plain values always have a JSON form")]
pub fn conclusions_json(view: &View) -> Vec<u8> {
    let mut out = serde_json::to_vec_pretty(&Conclusions {
        version: view.version,
        report_id: &view.report_id,
        as_of: &view.as_of,
        period: &view.period,
        frameworks: &view.frameworks,
        rules: &view.rules,
    })
    .expect("conclusions have a JSON form");
    out.push(b'\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn one_line_per_finding_even_with_hostile_text() {
        let view = fixture::hostile();
        let text = String::from_utf8(findings_jsonl(&view.findings)).unwrap();
        let back: Vec<Finding> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(back, view.findings);
    }

    #[test]
    fn optional_keys_are_written_as_null() {
        let mut finding = fixture::plausible().findings.remove(0);
        finding.task_id = None;
        let line = String::from_utf8(findings_jsonl(&[finding])).unwrap();
        assert!(line.contains("\"task_id\":null"), "{line}");
    }

    #[test]
    fn conclusions_carry_the_population_of_every_rule() {
        let view = fixture::plausible();
        let json: serde_json::Value = serde_json::from_slice(&conclusions_json(&view)).unwrap();
        assert_eq!(json["rules"].as_array().unwrap().len(), view.rules.len());
        assert_eq!(json["frameworks"].as_array().unwrap().len(), view.frameworks.len());
    }
}
