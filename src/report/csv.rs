//! CSV after RFC 4180: findings, grant register, conclusions.
//!
//! Spreadsheets run cells that start with `=`, `+`, `-`, `@`, tab or carriage return as formulas
//! (CWE-1236); text cells that do are prefixed with an apostrophe. Numbers stay numbers.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use super::view::{Conclusion, GrantRow};
use super::{Format, OutputFile, ReportError, View};
use crate::findings::{ControlRef, Finding};

/// The CSV format.
#[derive(Clone, Copy, Debug)]
pub struct Csv;

impl Format for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn title(&self) -> &'static str {
        "Findings, grant register and conclusions as CSV"
    }

    fn render<'v>(&self, view: &'v View) -> Result<Vec<OutputFile<'v>>, ReportError> {
        Ok(vec![
            file("findings.csv", FINDING_COLUMNS, || {
                let mut controls = Listed::default();
                view.findings.iter().map(move |f| finding_cells(f, &mut controls))
            }),
            file("grants.csv", GRANT_COLUMNS, || view.grants.iter().map(grant_cells)),
            file("conclusions.csv", CONCLUSION_COLUMNS, || {
                view.frameworks.iter().flat_map(|f| &f.conclusions).map(conclusion_cells)
            }),
        ])
    }
}

/// Text that no spreadsheet takes for a formula. Leading blanks count too: some programs trim them.
fn neutral(s: &str) -> Cow<'_, str> {
    let starts = |s: &str| {
        s.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\0', '＝', '＋', '－', '＠'])
    };
    if starts(s) || starts(s.trim_start()) { Cow::Owned(format!("'{s}")) } else { Cow::Borrowed(s) }
}

enum Cell<'a> {
    Text(&'a str),
    Owned(String),
    Shared(Arc<str>),
    Number(i128),
    Empty,
}

impl<'a> Cell<'a> {
    fn opt(s: &'a Option<String>) -> Self {
        s.as_deref().map_or(Cell::Empty, Cell::Text)
    }

    fn num(n: Option<i64>) -> Self {
        n.map_or(Cell::Empty, |n| Cell::Number(n.into()))
    }

    fn list(items: &[String]) -> Self {
        Cell::Owned(items.join("; "))
    }
}

fn file<'a, const N: usize, R>(
    path: &str,
    columns: [&'static str; N],
    rows: impl Fn() -> R + Send + Sync + 'a,
) -> OutputFile<'a>
where
    R: Iterator<Item = [Cell<'a>; N]>,
{
    OutputFile::new(path, "text/csv; charset=utf-8", move |out| {
        let mut writer =
            csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
        writer.write_record(columns)?;
        for row in rows() {
            for cell in &row {
                let text: Cow<'_, str> = match cell {
                    Cell::Text(s) => neutral(s),
                    Cell::Owned(s) => neutral(s),
                    Cell::Shared(s) => neutral(s),
                    Cell::Number(n) => Cow::Owned(n.to_string()),
                    Cell::Empty => Cow::Borrowed(""),
                };
                writer.write_field(text.as_bytes())?;
            }
            writer.write_record(None::<&[u8]>)?;
        }
        writer.flush()
    })
}

/// Texts of the list of controls that was met last: the findings of a rule share one.
#[derive(Default)]
struct Listed {
    of: Option<Arc<[ControlRef]>>,
    tested: Arc<str>,
    supported: Arc<str>,
}

impl Listed {
    fn set(&mut self, controls: &Arc<[ControlRef]>) {
        if self.of.as_ref().is_some_and(|have| Arc::ptr_eq(have, controls)) {
            return;
        }
        let with = |relation: &str| {
            let named = controls.iter().filter(|c| c.relation == relation);
            let all: Vec<String> = named.map(|c| format!("{} {}", c.framework, c.id)).collect();
            Arc::from(all.join("; "))
        };
        (self.tested, self.supported) = (with("tests"), with("supports"));
        self.of = Some(Arc::clone(controls));
    }
}

const FINDING_COLUMNS: [&str; 26] = [
    "fingerprint",
    "rule",
    "title",
    "severity",
    "certainty",
    "confidence",
    "status",
    "principal",
    "principal_kind",
    "privilege",
    "scope",
    "platform",
    "tier",
    "grant_id",
    "task_id",
    "credential_id",
    "owner",
    "message",
    "remediation",
    "severity_reasons",
    "evidence",
    "sources",
    "controls_tested",
    "controls_supported",
    "first_seen",
    "state_digest",
];

fn finding_cells<'a>(f: &'a Finding, controls: &mut Listed) -> [Cell<'a>; 26] {
    controls.set(&f.controls);
    let mut evidence = String::new();
    for (k, v) in f.evidence.raw() {
        let between = if evidence.is_empty() { "" } else { "; " };
        // Writing to a String cannot fail.
        let _ = write!(evidence, "{between}{k}={v}");
    }
    let mut sources = String::new();
    for s in &f.sources {
        let between = if sources.is_empty() { "" } else { "; " };
        let _ = write!(sources, "{between}{}#{}", s.file, s.place);
    }
    [
        Cell::Text(&f.fingerprint),
        Cell::Text(&f.rule),
        Cell::Text(&f.title),
        Cell::Text(f.severity.as_str()),
        Cell::Text(&f.certainty),
        Cell::Text(&f.confidence),
        Cell::Text(f.status.as_str()),
        Cell::opt(&f.principal),
        Cell::opt(&f.principal_kind),
        Cell::opt(&f.privilege),
        Cell::opt(&f.scope),
        Cell::opt(&f.platform),
        Cell::opt(&f.tier),
        Cell::opt(&f.grant_id),
        Cell::opt(&f.task_id),
        Cell::opt(&f.credential_id),
        Cell::opt(&f.owner),
        Cell::Text(&f.message),
        Cell::Text(&f.remediation),
        Cell::list(&f.severity_reasons),
        Cell::Owned(evidence),
        Cell::Owned(sources),
        Cell::Shared(Arc::clone(&controls.tested)),
        Cell::Shared(Arc::clone(&controls.supported)),
        Cell::Text(&f.first_seen),
        Cell::Text(&f.state_digest),
    ]
}

const GRANT_COLUMNS: [&str; 19] = [
    "grant_id",
    "principal",
    "on_behalf_of",
    "privilege",
    "scope",
    "tier",
    "requester",
    "approver",
    "started_at",
    "not_after",
    "ended_at",
    "end_kind",
    "task_id",
    "task_ended_at",
    "overstay_s",
    "use_count",
    "complete",
    "missing",
    "findings",
];

fn grant_cells(g: &GrantRow) -> [Cell<'_>; 19] {
    [
        Cell::Text(&g.grant_id),
        Cell::Text(&g.principal),
        Cell::opt(&g.on_behalf_of),
        Cell::Text(&g.privilege),
        Cell::opt(&g.scope),
        Cell::opt(&g.tier),
        Cell::opt(&g.requester),
        Cell::opt(&g.approver),
        Cell::opt(&g.started_at),
        Cell::opt(&g.not_after),
        Cell::opt(&g.ended_at),
        Cell::Text(&g.end_kind),
        Cell::opt(&g.task_id),
        Cell::opt(&g.task_ended_at),
        Cell::num(g.overstay_s),
        Cell::num(g.use_count),
        Cell::Text(if g.complete { "yes" } else { "no" }),
        Cell::list(&g.missing),
        Cell::list(&g.findings),
    ]
}

const CONCLUSION_COLUMNS: [&str; 13] = [
    "framework",
    "control",
    "title",
    "conclusion",
    "statement",
    "population",
    "exceptions",
    "accepted",
    "not_assessed",
    "rules_testing",
    "rules_supporting",
    "gaps",
    "findings",
];

fn conclusion_cells(c: &Conclusion) -> [Cell<'_>; 13] {
    [
        Cell::Text(&c.framework),
        Cell::Text(&c.control),
        Cell::Text(&c.title),
        Cell::Text(&c.conclusion),
        Cell::Text(&c.statement),
        Cell::Number(c.population.into()),
        Cell::Number(c.exceptions.into()),
        Cell::Number(c.accepted.into()),
        Cell::Number(c.not_assessed.into()),
        Cell::list(&c.rules_testing),
        Cell::list(&c.rules_supporting),
        Cell::list(&c.gaps),
        Cell::list(&c.findings),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::fixture;

    fn text_of(view: &View, path: &str) -> String {
        let files = Csv.render(view).unwrap();
        let found = files.into_iter().find(|f| f.path == path).unwrap();
        String::from_utf8(found.to_bytes().unwrap()).unwrap()
    }

    #[test]
    fn tables_of_a_plausible_run() {
        let view = fixture::plausible();
        let all = ["findings.csv", "grants.csv", "conclusions.csv"]
            .map(|p| format!("--- {p}\n{}", text_of(&view, p)))
            .join("\n");
        insta::assert_snapshot!("csv_plausible", all.replace('\r', ""));
    }

    #[test]
    fn no_cell_of_a_hostile_run_is_a_formula() {
        let view = fixture::hostile();
        for path in ["findings.csv", "grants.csv", "conclusions.csv"] {
            let text = text_of(&view, path);
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let mut rows = 0;
            for record in reader.records() {
                for cell in &record.unwrap() {
                    let number = cell.parse::<i64>().is_ok();
                    assert!(
                        number || !cell.starts_with(['=', '+', '-', '@', '\t', '\r']),
                        "{path}: {cell:?}"
                    );
                }
                rows += 1;
            }
            assert!(rows > 0, "{path} is empty");
        }
    }

    #[test]
    fn negative_numbers_stay_numbers() {
        let mut view = fixture::plausible();
        view.grants.truncate(1);
        view.grants[0].overstay_s = Some(-60);
        assert!(text_of(&view, "grants.csv").contains(",-60,"));
    }

    proptest! {
        #[test]
        fn every_text_comes_back(message in any::<String>()) {
            let mut view = fixture::plausible();
            view.findings.truncate(1);
            view.findings[0].message = message.clone();
            let text = text_of(&view, "findings.csv");
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let record = reader.records().next().unwrap().unwrap();
            let cell = record.get(17).unwrap();
            prop_assert!(cell == message || cell.strip_prefix('\'') == Some(message.as_str()));
        }
    }
}
