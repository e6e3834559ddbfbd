//! How long access outlives its task: the share of grants still effective so long after the task
//! ended (the complement of the cumulative curve), with the grace line. The axis ends at the largest
//! share, for most grants end with their task and the story is in the rest.

use super::canvas::{Align, Canvas, Ink, draw};
use super::{Chart, Table};
use crate::report::ReportError;
use crate::report::text::{counted, duration, percent};
use crate::report::view::{Charts, Summary};

const TITLE: &str = "Access still effective after the task ended";
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
    let curve = Curve::of(&points, longest);
    let svg = if curve.top > 0.0 {
        Some(draw("overstay", 270.0, (TITLE, &reading), |c| {
            paint(c, &curve, data.overstay_grace_s);
        })?)
    } else {
        None
    };
    let mut table = Table::new(&["Ended after at most", "Share of grants"]);
    for (s, share) in spread(&points, 24) {
        table.rows.push(vec![duration(s), percent((share * 10_000.0) as u64, 10_000)]);
    }
    Ok(Chart { id: "overstay".into(), title: TITLE.into(), reading, svg, table })
}

fn position(s: f64, longest: i64) -> f64 {
    let (first, last) = (FIRST.ln(), (longest as f64).max(FIRST * 2.0).ln());
    let share = (s.max(FIRST).ln() - first) / (last - first);
    LEFT + share.clamp(0.0, 1.0) * (RIGHT - LEFT)
}

/// What is drawn: steps of (excess, share still effective beyond it), and the axes.
struct Curve {
    steps: Vec<(f64, f64)>,
    longest: i64,
    top: f64,
    step: f64,
}

impl Curve {
    /// `points` hold the share of grants that ended by then, rising.
    fn of(points: &[(i64, f64)], longest: i64) -> Self {
        let left = |(s, ended): &(i64, f64)| (*s as f64, (1.0 - ended).max(0.0));
        let soon = points.iter().rfind(|(s, _)| *s as f64 <= FIRST).map_or(1.0, |p| left(p).1);
        let mut steps = vec![(FIRST, soon)];
        steps.extend(points.iter().filter(|(s, _)| *s as f64 > FIRST).map(left));
        // Shares below a millionth are rounding.
        let max = steps.iter().map(|(_, v)| *v).fold(0.0, f64::max);
        let max = if max < 1e-6 { 0.0 } else { max };
        let mut step = 1e-6;
        while max / step > 5.0 {
            let next = [2.0, 2.5, 5.0, 10.0].map(|factor| step * factor);
            match next.into_iter().find(|s| max / s <= 5.0) {
                Some(fits) => step = fits,
                None => step *= 10.0,
            }
        }
        Self { steps, longest, top: (max / step).ceil() * step, step }
    }

    fn x(&self, s: f64) -> f64 {
        position(s, self.longest)
    }

    fn y(&self, share: f64) -> f64 {
        BOTTOM - (share / self.top.max(1e-9)).clamp(0.0, 1.0) * (BOTTOM - TOP)
    }

    /// Outline from `from` seconds on: the share holds until the next end that occurs.
    fn outline(&self, from: f64) -> Vec<(f64, f64)> {
        let before = self.steps.iter().rfind(|(s, _)| *s <= from).map_or(0.0, |p| p.1);
        let mut y = self.y(before);
        let mut line = vec![(self.x(from), y)];
        for (s, share) in self.steps.iter().filter(|(s, _)| *s > from) {
            line.push((self.x(*s), y));
            y = self.y(*share);
            line.push((self.x(*s), y));
        }
        line.push((RIGHT, y));
        line
    }
}

fn share_label(share: f64, step: f64) -> String {
    let digits = match step * 100.0 {
        s if s >= 0.999 && (s - s.round()).abs() < 1e-6 => 0,
        s if s >= 0.0999 => 1,
        s if s >= 0.00999 => 2,
        _ => 4,
    };
    format!("{:.digits$} %", share * 100.0)
}

fn paint(c: &mut Canvas<'_>, curve: &Curve, grace: i64) {
    let mut share = 0.0;
    while share <= curve.top + curve.step / 2.0 {
        let y = curve.y(share);
        c.path(&[(LEFT, y), (RIGHT, y)], 1, Ink::Grid);
        c.text(LEFT - 8.0, y, &share_label(share, curve.step), Align::End, Ink::Muted);
        share += curve.step;
    }
    let mut free = LEFT - 100.0;
    for tick in TICKS.into_iter().filter(|t| *t <= curve.longest) {
        let x = curve.x(tick as f64);
        if x - free < 62.0 {
            continue;
        }
        free = x;
        c.path(&[(x, BOTTOM), (x, BOTTOM + 5.0)], 1, Ink::Muted);
        c.text(x, BOTTOM + 17.0, &duration(tick), Align::Middle, Ink::Muted);
    }
    let name = "time since the task ended (logarithmic)";
    c.text(f64::midpoint(LEFT, RIGHT), BOTTOM + 36.0, name, Align::Middle, Ink::Muted);
    let at = (grace as f64).max(FIRST);
    let x = curve.x(at);
    let mut area = curve.outline(at);
    area.extend([(RIGHT, BOTTOM), (x, BOTTOM)]);
    c.polygon(&area, Ink::Excess);
    c.path(&curve.outline(FIRST), 3, Ink::Grant);
    c.dashed(x, TOP - 8.0, BOTTOM, Ink::Excess);
    let name = format!("grace {}", duration(grace));
    if x < RIGHT - 150.0 {
        c.bold(x + 8.0, TOP - 10.0, &name, Align::Start, Ink::Excess);
    } else {
        c.bold(x - 8.0, TOP - 10.0, &name, Align::End, Ink::Excess);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_small_rest_fills_the_axis() {
        let curve = Curve::of(&[(0, 0.989), (3600, 0.995), (86_400, 1.0)], 86_400);
        assert!((0.011..0.016).contains(&curve.top), "{}", curve.top);
        assert!(curve.y(0.011) < TOP + 70.0, "the rest is not squeezed to a line");
        assert_eq!(share_label(0.005, curve.step), "0.5 %");
    }

    #[test]
    fn all_ended_with_their_tasks_draws_nothing() {
        assert!(Curve::of(&[(0, 1.0)], 3600).top < 1e-9);
        let charts = Charts { overstay_curve: vec![(0, 1.0)], ..Charts::default() };
        assert!(chart(&charts, &Summary::default()).unwrap().svg.is_none());
    }

    proptest! {
        #[test]
        fn axes_have_few_round_steps(ended in 0.0..1.0f64) {
            let curve = Curve::of(&[(10, ended), (7200, 1.0)], 7200);
            let steps = curve.top / curve.step;
            prop_assert!(steps <= 5.01 && (steps - steps.round()).abs() < 1e-6, "{steps}");
            prop_assert!(curve.top >= (1.0 - ended) - 1e-6);
        }
    }
}
