//! The timeline of one exception: task, grant, excess, IAM state, use, credential.

use super::canvas::{Align, Canvas, Ink, TEXT, WIDTH, draw, text_width};
use super::{Chart, Table, label};
use crate::facts::Time;
use crate::facts::time::parse_rfc3339;
use crate::report::ReportError;
use crate::report::text::{anchor, day, duration, when};
use crate::report::view::{Bar, Strip};

const LEFT: f64 = 96.0;
const RIGHT: f64 = 736.0;
const TOP: f64 = 10.0;
const LANE: f64 = 30.0;
const THICK: f64 = 16.0;
/// Distances of the time grid, seconds.
const STEPS: [i64; 18] = [
    60,
    300,
    900,
    1800,
    3600,
    10_800,
    21_600,
    43_200,
    86_400,
    172_800,
    604_800,
    1_209_600,
    2_592_000,
    7_862_400,
    15_724_800,
    31_536_000,
    157_680_000,
    1_576_800_000,
];
const MAX_MARKS: usize = 8;

struct Span<'a> {
    bar: &'a Bar,
    from: Time,
    until: Option<Time>,
}

/// Draws the strip of a finding.
///
/// # Errors
/// When drawing fails.
pub fn chart(strip: &Strip, as_of: &str) -> Result<Chart, ReportError> {
    let id = format!("strip-{}", anchor(&strip.fingerprint));
    let mut table = Table::new(&["Lane", "What", "From", "Until", "Length"]);
    for b in &strip.bars {
        table.rows.push(row(b));
    }
    for m in &strip.marks {
        let at = when(&m.at).into_owned();
        table.rows.push(vec![m.lane.clone(), m.label.clone(), at, String::new(), String::new()]);
    }
    let spans: Vec<Span<'_>> = strip
        .bars
        .iter()
        .filter_map(|bar| {
            let until = match &bar.until {
                Some(t) => Some(parse_rfc3339(t)?),
                None => None,
            };
            Some(Span { bar, from: parse_rfc3339(&bar.from)?, until })
        })
        .collect();
    let marks: Vec<(Time, &str, &str)> = strip
        .marks
        .iter()
        .filter_map(|m| Some((parse_rfc3339(&m.at)?, m.lane.as_str(), m.label.as_str())))
        .take(MAX_MARKS)
        .collect();
    let Some(axis) = Axis::of(&spans, &marks, parse_rfc3339(as_of)) else {
        return Ok(Chart { table, ..Chart::empty(&id, "Timeline", "No time is known.") });
    };
    let mut lanes: Vec<&str> = Vec::new();
    for lane in spans.iter().map(|s| s.bar.lane.as_str()).chain(marks.iter().map(|m| m.1)) {
        if !lanes.contains(&lane) {
            lanes.push(lane);
        }
    }
    let height = TOP + LANE * lanes.len() as f64 + 30.0 + 18.0 * marks.len().div_ceil(2) as f64;
    let reading = describe(&spans);
    let title = format!("Timeline of {}", strip.title);
    let svg = draw(&id, height, (&title, &reading), |c| paint(c, &axis, &lanes, &spans, &marks))?;
    Ok(Chart { id, title, reading, svg: Some(svg), table })
}

fn row(b: &Bar) -> Vec<String> {
    let length = match (parse_rfc3339(&b.from), b.until.as_deref().and_then(parse_rfc3339)) {
        (Some(from), Some(until)) => duration(until.secs_since(from)),
        _ => String::new(),
    };
    let until = b.until.as_deref().map_or("open".into(), |t| when(t).into_owned());
    let what = match b.label.as_str() {
        "" => b.kind.clone(),
        label => format!("{label} ({})", b.kind),
    };
    vec![b.lane.clone(), what, when(&b.from).into_owned(), until, length]
}

fn describe(spans: &[Span<'_>]) -> String {
    let parts: Vec<String> = spans
        .iter()
        .map(|s| {
            let until = s.until.map_or("open".to_string(), |t| t.to_rfc3339());
            format!("{} {} from {} to {until}", s.bar.lane, s.bar.kind, s.from.to_rfc3339())
        })
        .collect();
    format!("{}.", parts.join("; "))
}

/// A linear time axis. Bars that are open end beyond it, so it closes a little after the last
/// known instant instead of squeezing everything into the corner before a late as-of time.
struct Axis {
    from: i64,
    until: i64,
}

impl Axis {
    fn of(spans: &[Span<'_>], marks: &[(Time, &str, &str)], as_of: Option<Time>) -> Option<Self> {
        let starts = spans.iter().map(|s| s.from).chain(marks.iter().map(|m| m.0));
        let from = starts.clone().min()?.secs();
        let known = starts.chain(spans.iter().filter_map(|s| s.until)).max()?.secs();
        let open = spans.iter().any(|s| s.until.is_none());
        let length = known.saturating_sub(from).max(600);
        let mut until = known;
        if open {
            let beyond = known.saturating_add(length / 4);
            until = as_of.map_or(beyond, |t| t.secs().clamp(known, beyond));
        }
        Some(Self {
            from: from.saturating_sub(length / 50),
            until: until.saturating_add(length / 50),
        })
    }

    fn x(&self, t: i64) -> f64 {
        let length = self.until.saturating_sub(self.from).max(1) as f64;
        let share = t.saturating_sub(self.from) as f64 / length;
        LEFT + share.clamp(0.0, 1.0) * (RIGHT - LEFT)
    }

    fn step(&self) -> i64 {
        let length = self.until.saturating_sub(self.from);
        STEPS.into_iter().find(|s| length / s <= 6).unwrap_or(i64::MAX)
    }
}

fn ink(kind: &str) -> Ink {
    match kind {
        "task" => Ink::Task,
        "grant" => Ink::Grant,
        "excess" => Ink::Excess,
        "state" => Ink::State,
        "use" => Ink::Use,
        "credential" => Ink::Credential,
        "cell_high" => Ink::Excess,
        _ => Ink::Unknown,
    }
}

fn paint(
    c: &mut Canvas<'_>,
    axis: &Axis,
    lanes: &[&str],
    spans: &[Span<'_>],
    marks: &[(Time, &str, &str)],
) {
    let bottom = TOP + LANE * lanes.len() as f64;
    grid(c, axis, bottom);
    let y_of = |lane: &str| {
        let at = lanes.iter().position(|l| *l == lane).unwrap_or(0);
        TOP + LANE * at as f64 + (LANE - THICK) / 2.0
    };
    for lane in lanes {
        c.text(LEFT - 12.0, y_of(lane) + THICK / 2.0, &label(lane, 12), Align::End, Ink::Ink);
    }
    for s in spans {
        bar(c, axis, s, y_of(&s.bar.lane));
    }
    // The stroke stands at the instant; its number moves aside where another one is in the way.
    let mut free: Vec<(&str, f64)> = Vec::new();
    for (i, (at, lane, text)) in marks.iter().enumerate() {
        let (x, y) = (axis.x(at.secs()), y_of(lane) - 2.0);
        let taken = free.iter().filter(|(l, _)| l == lane).map(|(_, x)| *x);
        let number_x = taken.fold(x, f64::max);
        free.push((lane, number_x + 15.0));
        let number = (i + 1).to_string();
        c.path(&[(x, y), (x, y + THICK + 4.0)], 2, Ink::Ink);
        c.dot(number_x, y, 7, Ink::Ink);
        c.bold(number_x, y, &number, Align::Middle, Ink::Paper);
        let column = if i.is_multiple_of(2) { LEFT } else { f64::midpoint(LEFT, RIGHT) };
        let line = bottom + 40.0 + 18.0 * (i / 2) as f64;
        let note = format!("{number}  {}  {text}", day(&at.to_rfc3339()));
        c.text(column, line, &label(&note, 52), Align::Start, Ink::Muted);
    }
}

fn grid(c: &mut Canvas<'_>, axis: &Axis, bottom: f64) {
    let step = axis.step();
    let mut t = axis.from.div_euclid(step).saturating_add(1).saturating_mul(step);
    while t < axis.until {
        let x = axis.x(t);
        c.path(&[(x, TOP), (x, bottom)], 1, Ink::Grid);
        let text = Time::from_secs(t).to_rfc3339();
        let text = when(&text);
        let shown: String = if step >= 86_400 {
            text.chars().take(10).collect()
        } else {
            text.chars().skip(5).take(11).collect()
        };
        if x > LEFT + 20.0 && x < RIGHT - 20.0 {
            c.text(x, bottom + 13.0, &shown, Align::Middle, Ink::Muted);
        }
        t = t.saturating_add(step);
    }
}

fn bar(c: &mut Canvas<'_>, axis: &Axis, s: &Span<'_>, y: f64) {
    let from = axis.x(s.from.secs());
    let to = s.until.map_or(RIGHT - 9.0, |t| axis.x(t.secs()).max(from + 2.0));
    let ink = ink(&s.bar.kind);
    c.rect(from, y, to - from, THICK, ink);
    if ink == Ink::Excess {
        c.hatch(from, y, to - from, THICK, Ink::Paper);
    }
    if s.until.is_none() {
        let tip = [(to, y - 2.0), (RIGHT, y + THICK / 2.0), (to, y + THICK + 2.0)];
        c.polygon(&tip, ink);
    }
    if s.bar.label.is_empty() {
        return;
    }
    let text = label(&s.bar.label, 40);
    let width = text_width(&text, TEXT) + 12.0;
    let mid = y + THICK / 2.0;
    if to - from > width {
        let x = (from + to) / 2.0;
        c.rect(x - width / 2.0 + 2.0, y + 1.0, width - 4.0, THICK - 2.0, ink);
        c.bold(x, mid, &text, Align::Middle, Ink::Paper);
    } else if to + width < WIDTH.min(RIGHT + 10.0) && s.bar.kind != "grant" && s.bar.kind != "task"
    {
        c.text(to + 6.0, mid, &text, Align::Start, Ink::Ink);
    } else if from - width > LEFT {
        c.text(from - 6.0, mid, &text, Align::End, Ink::Ink);
    } else if s.until.is_some() && to + width < RIGHT && s.bar.kind == "task" {
        c.text(to + 6.0, mid, &text, Align::Start, Ink::Ink);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn a_strip_without_times_says_so() {
        let mut strip = fixture::plausible().charts.strips.remove(0);
        for b in &mut strip.bars {
            b.from = "soon".into();
        }
        strip.marks.clear();
        let chart = chart(&strip, "2026-03-31T00:00:00Z").unwrap();
        assert!(chart.svg.is_none());
        assert_eq!(chart.table.rows.len(), strip.bars.len());
    }

    #[test]
    fn an_open_bar_does_not_squeeze_the_rest() {
        let strip = fixture::plausible().charts.strips.remove(0);
        let near = chart(&strip, "2026-03-19T12:00:00Z").unwrap().svg.unwrap();
        let far = chart(&strip, "2036-01-01T00:00:00Z").unwrap().svg.unwrap();
        assert_ne!(near, far);
        assert!(far.contains("2026-03-14"), "{far}");
    }

    #[test]
    fn times_at_the_ends_of_the_range_are_drawn() {
        let mut strip = fixture::plausible().charts.strips.remove(0);
        strip.bars[0].from = "0001-01-01T00:00:00Z".into();
        strip.bars[0].until = Some("9999-12-31T23:59:59Z".into());
        assert!(chart(&strip, "junk").unwrap().svg.is_some());
    }
}
