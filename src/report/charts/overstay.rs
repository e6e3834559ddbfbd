//! How long access outlives its task: cumulative share of grants by excess, with the grace line.

use super::canvas::{Align, Canvas, Ink, draw};
use super::{Chart, Table};
use crate::report::ReportError;
use crate::report::text::{counted, duration, percent};
use crate::report::view::{Charts, Summary};

const TITLE: &str = "Excess time after the end of the task";
const LEFT: f64 = 62.0;
const RIGHT: f64 = 730.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 224.0;
/// Left end of the time axis, seconds: all that is shorter stands here.
const FIRST: f64 = 60.0;
/// Round times.
const TICKS: [i64; 12] = [
    60,
    300,
    900,
    3600,
    14_400,
    86_400,
    259_200,
    604_800,
    2_592_000,
    7_776_000,
    31_536_000,
    315_360_000,
];

/// Draws the chart.
///
/// # Errors
/// When drawing fails.
pub fn chart(data: &Charts, summary: &Summary) -> Result<Chart, ReportError> {
    let points: Vec<(i64, f64)> = data
        .overstay_curve
        .iter()
        .filter(|(_, share)| share.is_finite())
        .map(|(s, share)| ((*s).max(0), share.clamp(0.0, 1.0)))
        .collect();
    let Some(last) = points.iter().map(|(s, _)| *s).max() else {
        return Ok(Chart::empty(
            "overstay",
            TITLE,
            "No grant could be set against the end of a task, so no excess can be shown.",
        ));
    };
    let reading = format!(
        "{} of {} kept access longer than the grace of {} after the task had ended.",
        percent(summary.overstayed, summary.overstay_assessed),
        counted(summary.overstay_assessed, "grant with a task", "grants with a task"),
        duration(data.overstay_grace_s),
    );
    let longest = last.max(data.overstay_grace_s.saturating_mul(4)).max(3600);
    let svg = draw("overstay", 270.0, (TITLE, &reading), |c| {
        paint(c, &points, data.overstay_grace_s, longest);
    })?;
    let mut table = Table::new(&["Excess of at most", "Share of grants"]);
    for (s, share) in spread(&points, 24) {
        table.rows.push(vec![duration(s), percent((share * 10_000.0) as u64, 10_000)]);
    }
    Ok(Chart { id: "overstay".into(), title: TITLE.into(), reading, svg: Some(svg), table })
}

fn position(s: f64, longest: i64) -> f64 {
    let (first, last) = (FIRST.ln(), (longest as f64).max(FIRST * 2.0).ln());
    let share = (s.max(FIRST).ln() - first) / (last - first);
    LEFT + share.clamp(0.0, 1.0) * (RIGHT - LEFT)
}

fn height(share: f64) -> f64 {
    BOTTOM - share * (BOTTOM - TOP)
}

fn paint(c: &mut Canvas<'_>, points: &[(i64, f64)], grace: i64, longest: i64) {
    for quarter in 0..=4_u32 {
        let share = f64::from(quarter) / 4.0;
        let y = height(share);
        c.path(&[(LEFT, y), (RIGHT, y)], 1, Ink::Grid);
        c.text(LEFT - 8.0, y, &format!("{} %", quarter * 25), Align::End, Ink::Muted);
    }
    let mut free = LEFT - 100.0;
    for tick in TICKS.into_iter().filter(|t| *t <= longest) {
        let x = position(tick as f64, longest);
        if x - free < 62.0 {
            continue;
        }
        free = x;
        c.path(&[(x, BOTTOM), (x, BOTTOM + 5.0)], 1, Ink::Muted);
        let name = if tick == 60 { "≤ 1 min".into() } else { duration(tick) };
        c.text(x, BOTTOM + 17.0, &name, Align::Middle, Ink::Muted);
    }
    c.text((LEFT + RIGHT) / 2.0, BOTTOM + 36.0, "excess (logarithmic)", Align::Middle, Ink::Muted);
    // Steps: the share holds until the next excess that occurs.
    let mut line = vec![(LEFT, BOTTOM)];
    let mut before = 0.0;
    for (s, share) in points {
        let x = position(*s as f64, longest);
        line.push((x, height(before)));
        line.push((x, height(*share)));
        before = *share;
    }
    line.push((RIGHT, height(before)));
    c.path(&line, 3, Ink::Grant);
    let x = position(grace as f64, longest);
    c.dashed(x, TOP - 8.0, BOTTOM, Ink::Excess);
    let name = format!("grace {}", duration(grace));
    if x < RIGHT - 150.0 {
        c.bold(x + 8.0, TOP - 6.0, &name, Align::Start, Ink::Excess);
    } else {
        c.bold(x - 8.0, TOP - 6.0, &name, Align::End, Ink::Excess);
    }
}

/// At most `n` points, first and last included.
fn spread(points: &[(i64, f64)], n: usize) -> Vec<(i64, f64)> {
    let last = points.len().saturating_sub(1);
    let step = last.div_ceil(n.saturating_sub(1).max(1)).max(1);
    points
        .iter()
        .enumerate()
        .filter(|(i, _)| i.is_multiple_of(step) || *i == last)
        .map(|(_, p)| *p)
        .collect()
}
