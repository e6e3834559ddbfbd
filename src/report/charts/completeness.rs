//! Which parts of the evidence chain the grants have, as shares of a whole.

use super::bars::{BAR, LEFT, STEP};
use super::canvas::{Align, Ink, draw};
use super::{Chart, Table, label};
use crate::report::ReportError;
use crate::report::text::{count, percent};
use crate::report::view::Charts;

const TITLE: &str = "Completeness of the evidence chain";
const RIGHT: f64 = 560.0;

/// Draws the chart.
///
/// # Errors
/// When drawing fails.
pub fn chart(data: &Charts) -> Result<Chart, ReportError> {
    let rows: Vec<_> = data.completeness.iter().filter(|(_, _, of)| *of > 0).collect();
    let Some(weakest) =
        rows.iter().min_by_key(|(_, n, of)| u128::from(*n) * 1_000_000 / u128::from(*of))
    else {
        return Ok(Chart::empty(
            "completeness",
            TITLE,
            "No grant was read, so there is no evidence chain to judge.",
        ));
    };
    let reading = if weakest.1 >= weakest.2 {
        "Every grant records every part.".to_string()
    } else {
        format!(
            "Weakest part: {}, recorded for {} of {} grants.",
            weakest.0,
            count(weakest.1),
            count(weakest.2)
        )
    };
    let height = 8.0 + STEP * rows.len() as f64;
    let svg = draw("completeness", height, (TITLE, &reading), |c| {
        for (i, (name, n, of)) in rows.iter().enumerate() {
            let y = 6.0 + STEP * i as f64;
            let mid = y + BAR / 2.0;
            c.text(LEFT - 10.0, mid, &label(name, 17), Align::End, Ink::Ink);
            c.rect(LEFT, y, RIGHT - LEFT, BAR, Ink::Rest);
            let share = (*n as f64 / *of as f64).clamp(0.0, 1.0);
            if *n > 0 {
                c.rect(LEFT, y, (share * (RIGHT - LEFT)).floor(), BAR, Ink::Task);
            }
            let text = format!("{} of {} ({})", count(*n), count(*of), percent(*n, *of));
            c.text(RIGHT + 10.0, mid, &text, Align::Start, Ink::Ink);
        }
    })?;
    let mut table = Table::new(&["Part", "Grants with it", "Grants", "Share"]);
    for (name, n, of) in rows {
        table.rows.push(vec![name.clone(), count(*n), count(*of), percent(*n, *of)]);
    }
    Ok(Chart { id: "completeness".into(), title: TITLE.into(), reading, svg: Some(svg), table })
}
