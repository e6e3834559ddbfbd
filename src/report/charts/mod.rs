//! Charts: one file each, drawn from the view's data, always with the table behind them.

pub mod bars;
pub mod canvas;
pub mod completeness;
pub mod overstay;
pub mod reconciliation;
pub mod standing;
pub mod strip;

use serde::Serialize;

use super::text::visible;
use super::{OutputFile, ReportError, View};

/// A chart, or the sentence that stands in its place, and its data.
#[derive(Clone, Debug, Serialize)]
pub struct Chart {
    /// File stem and anchor, of our own making.
    pub id: String,
    /// Title.
    pub title: String,
    /// What to read from it, one sentence.
    pub reading: String,
    /// The drawing; null when there is nothing to draw.
    pub svg: Option<String>,
    /// The data.
    pub table: Table,
}

/// Data of a chart.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Table {
    /// Column names; the first column names the row.
    pub head: Vec<String>,
    /// Rows.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|s| (*s).to_string()).collect(), rows: Vec::new() }
    }
}

impl Chart {
    /// A chart without data: the sentence says so.
    fn empty(id: &str, title: &str, sentence: &str) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            reading: sentence.into(),
            svg: None,
            table: Table::default(),
        }
    }
}

/// The charts of the whole report, in order; strips of single findings are not among them.
///
/// # Errors
/// When drawing fails.
pub fn overview(view: &View) -> Result<Vec<Chart>, ReportError> {
    Ok(vec![
        standing::chart(&view.charts)?,
        overstay::chart(&view.charts, &view.summary)?,
        reconciliation::chart(&view.charts)?,
        completeness::chart(&view.charts)?,
    ])
}

/// All drawings as files of the bundle.
///
/// # Errors
/// When drawing fails.
pub fn files(view: &View) -> Result<Vec<OutputFile<'static>>, ReportError> {
    let mut charts = overview(view)?;
    for s in &view.charts.strips {
        charts.push(strip::chart(s, &view.as_of)?);
    }
    charts.sort_by(|a, b| a.id.cmp(&b.id));
    charts.dedup_by(|a, b| a.id == b.id);
    Ok(charts
        .into_iter()
        .filter_map(|c| {
            Some(OutputFile::of_bytes(
                format!("charts/{}.svg", c.id),
                "image/svg+xml",
                canvas::document(&c.svg?).into_bytes(),
            ))
        })
        .collect())
}

/// A label short enough for the space left of a bar.
fn label(s: &str, max: usize) -> String {
    let text = visible(s);
    if text.chars().count() <= max {
        return text.into_owned();
    }
    let mut out: String = text.chars().take(max.saturating_sub(1)).collect();
    out.push('…');
    out
}
