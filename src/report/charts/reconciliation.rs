//! How ledger and IAM agree, as bars.

use super::bars::{BAR, LEFT, STEP, Scale, axis};
use super::canvas::{Align, Ink, draw};
use super::{Chart, Table, label};
use crate::report::ReportError;
use crate::report::text::{count, percent};
use crate::report::view::Charts;

const TITLE: &str = "Ledger against IAM state";

fn meaning(word: &str) -> (Ink, &'static str) {
    match word {
        "matched" => (Ink::Grant, "ledger and IAM agree"),
        "drift" => (Ink::T2, "bound otherwise than granted"),
        "shadow" => (Ink::T1, "temporary in IAM, unknown to the ledger"),
        "residue" => (Ink::Credential, "expired binding left behind"),
        "still present" => (Ink::Excess, "ended in the ledger, effective in IAM"),
        "missing" => (Ink::State, "active in the ledger, absent in IAM"),
        _ => (Ink::Unknown, "not comparable with the inputs"),
    }
}

/// Draws the chart.
///
/// # Errors
/// When drawing fails.
pub fn chart(data: &Charts) -> Result<Chart, ReportError> {
    let rows = &data.reconciliation;
    let total: u64 = rows.iter().map(|(_, n)| n).sum();
    if total == 0 {
        return Ok(Chart::empty(
            "reconciliation",
            TITLE,
            "Nothing to compare: no grant ledger or no IAM state was read.",
        ));
    }
    let of = |word: &str| rows.iter().find(|(w, _)| w == word).map_or(0, |(_, n)| *n);
    let reading = format!(
        "{} of {} items agree; {} could not be compared.",
        count(of("matched")),
        count(total),
        count(of("not assessed"))
    );
    let bottom = 10.0 + STEP * rows.len() as f64;
    let scale = Scale::up_to(rows.iter().map(|(_, n)| *n).max().unwrap_or(1));
    let svg = draw("reconciliation", bottom + 30.0, (TITLE, &reading), |c| {
        axis(c, scale, 6.0, bottom, |v| count(v as u64));
        for (i, (word, n)) in rows.iter().enumerate() {
            let y = 12.0 + STEP * i as f64;
            let mid = y + BAR / 2.0;
            c.text(LEFT - 10.0, mid, &label(word, 17), Align::End, Ink::Ink);
            if *n > 0 {
                c.rect(LEFT, y, (scale.x(*n as f64) - LEFT).max(2.0), BAR, meaning(word).0);
            }
            c.bold(scale.x(*n as f64) + 8.0, mid, &count(*n), Align::Start, Ink::Ink);
        }
    })?;
    let mut table = Table::new(&["Outcome", "Items", "Share", "Meaning"]);
    for (word, n) in rows {
        let row = [word.clone(), count(*n), percent(*n, total), meaning(word).1.into()];
        table.rows.push(row.into());
    }
    Ok(Chart { id: "reconciliation".into(), title: TITLE.into(), reading, svg: Some(svg), table })
}
