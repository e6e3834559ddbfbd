//! Standing privileges by platform and tier, as stacked bars.

use std::collections::BTreeMap;

use super::bars::{BAR, LEFT, STEP, Scale, axis, legend};
use super::canvas::{Align, Ink, TEXT, draw, text_width};
use super::{Chart, Table, label};
use crate::report::ReportError;
use crate::report::text::{count, counted};
use crate::report::view::Charts;

const TITLE: &str = "Standing privileges by platform and tier";
const TIERS: [(&str, Ink); 6] = [
    ("T0", Ink::T0),
    ("T1", Ink::T1),
    ("T2", Ink::T2),
    ("T3", Ink::T3),
    ("T4", Ink::T4),
    ("unknown", Ink::Unknown),
];
/// Platforms drawn; the table has all.
const MAX_BARS: usize = 12;

/// Draws the chart.
///
/// # Errors
/// When drawing fails.
pub fn chart(data: &Charts) -> Result<Chart, ReportError> {
    let mut platforms: BTreeMap<&str, [u64; 6]> = BTreeMap::new();
    for s in &data.standing {
        let at = TIERS.iter().position(|(t, _)| *t == s.tier).unwrap_or(TIERS.len() - 1);
        if let Some(n) = platforms.entry(&s.platform).or_default().get_mut(at) {
            *n += s.count;
        }
    }
    platforms.retain(|_, tiers| tiers.iter().any(|n| *n > 0));
    if platforms.is_empty() {
        return Ok(Chart::empty(
            "standing",
            TITLE,
            "No standing privilege was found in what was read.",
        ));
    }
    let mut rows: Vec<(&str, [u64; 6])> = platforms.into_iter().collect();
    rows.sort_by_key(|(name, n)| (std::cmp::Reverse(n.iter().sum::<u64>()), *name));
    let total: u64 = rows.iter().flat_map(|(_, n)| n).sum();
    let strong: u64 = rows.iter().flat_map(|(_, n)| n.iter().take(2)).sum();
    let reading = format!(
        "{} without an end; {} at tier T0 or T1.",
        counted(total, "privilege stands", "privileges stand"),
        count(strong)
    );
    let svg =
        draw("standing", 62.0 + STEP * rows.len().min(MAX_BARS) as f64, (TITLE, &reading), |c| {
            paint(c, &rows)
        })?;
    let mut table = Table::new(&["Platform", "T0", "T1", "T2", "T3", "T4", "Unknown", "Total"]);
    for (name, n) in &rows {
        let mut row = vec![(*name).to_string()];
        row.extend(n.iter().map(|n| count(*n)));
        row.push(count(n.iter().sum()));
        table.rows.push(row);
    }
    Ok(Chart { id: "standing".into(), title: TITLE.into(), reading, svg: Some(svg), table })
}

fn paint(c: &mut super::canvas::Canvas<'_>, rows: &[(&str, [u64; 6])]) {
    let shown = rows.get(..rows.len().min(MAX_BARS)).unwrap_or(rows);
    let scale = Scale::up_to(shown.iter().map(|(_, n)| n.iter().sum()).max().unwrap_or(1));
    let used: Vec<(Ink, &str)> = TIERS
        .iter()
        .enumerate()
        .filter(|(i, _)| rows.iter().any(|(_, n)| n.get(*i).is_some_and(|n| *n > 0)))
        .map(|(_, (name, ink))| (*ink, *name))
        .collect();
    legend(c, LEFT, 10.0, &used);
    let bottom = 28.0 + STEP * shown.len() as f64;
    axis(c, scale, 26.0, bottom, |v| count(v as u64));
    for (i, (name, tiers)) in shown.iter().enumerate() {
        let y = 32.0 + STEP * i as f64;
        let mid = y + BAR / 2.0;
        c.text(LEFT - 10.0, mid, &label(name, 17), Align::End, Ink::Ink);
        let mut sum = 0_u64;
        for (n, (_, ink)) in tiers.iter().zip(TIERS) {
            if *n == 0 {
                continue;
            }
            let (from, to) = (scale.x(sum as f64), scale.x((sum + n) as f64));
            c.rect(from, y, (to - from - 1.0).max(2.0), BAR, ink);
            let text = count(*n);
            if to - from > text_width(&text, TEXT) + 10.0 {
                let on_dark = matches!(ink, Ink::T0 | Ink::T1);
                let ink = if on_dark { Ink::Paper } else { Ink::Ink };
                c.text((from + to) / 2.0, mid, &text, Align::Middle, ink);
            }
            sum += n;
        }
        c.bold(scale.x(sum as f64) + 8.0, mid, &count(sum), Align::Start, Ink::Ink);
    }
}
