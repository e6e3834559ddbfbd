//! A thin layer over the SVG backend of plotters: named inks instead of colours, and the finished
//! text made fit for dark pages and screen readers.
//!
//! Plotters writes colours as attributes. Each ink has one colour that nothing else uses, so the
//! finished text can be given a class per ink; a style sheet that knows the class may recolour it,
//! and a reader without style sheets still sees the colour.

use plotters::coord::Shift;
use plotters::element::{Circle, PathElement, Polygon, Rectangle};
use plotters::prelude::{DrawingArea, IntoDrawingArea, IntoFont, RGBColor, SVGBackend, TextStyle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle};

use crate::report::ReportError;
use crate::report::text::visible;

/// What is drawn, not which colour it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Text.
    Ink,
    /// Secondary text.
    Muted,
    /// Grid and frames.
    Grid,
    /// Page.
    Paper,
    /// Tier T0.
    T0,
    /// Tier T1.
    T1,
    /// Tier T2.
    T2,
    /// Tier T3.
    T3,
    /// Tier T4.
    T4,
    /// Not known or not assessed.
    Unknown,
    /// A task.
    Task,
    /// A grant, or what agrees with the ledger.
    Grant,
    /// Excess, or what contradicts the ledger.
    Excess,
    /// State of the IAM.
    State,
    /// Use.
    Use,
    /// A credential.
    Credential,
    /// What is missing of a whole.
    Rest,
}

impl Ink {
    const ALL: [Self; 17] = [
        Self::Ink,
        Self::Muted,
        Self::Grid,
        Self::Paper,
        Self::T0,
        Self::T1,
        Self::T2,
        Self::T3,
        Self::T4,
        Self::Unknown,
        Self::Task,
        Self::Grant,
        Self::Excess,
        Self::State,
        Self::Use,
        Self::Credential,
        Self::Rest,
    ];

    /// Class name and colour on light and dark pages. Tiers fall in lightness, so that their order
    /// survives a grey print.
    fn look(self) -> (&'static str, [u8; 3], &'static str) {
        match self {
            Self::Ink => ("ink", [0x1f, 0x29, 0x37], "#e6eaf0"),
            Self::Muted => ("muted", [0x5f, 0x6b, 0x7a], "#9aa7b8"),
            Self::Grid => ("grid", [0xe2, 0xe6, 0xec], "#2c3644"),
            Self::Paper => ("paper", [0xff, 0xff, 0xff], "#151b24"),
            Self::T0 => ("t0", [0x7d, 0x16, 0x1b], "#f0595b"),
            Self::T1 => ("t1", [0xc2, 0x45, 0x1e], "#f08a4b"),
            Self::T2 => ("t2", [0xdf, 0x9a, 0x2b], "#e3b341"),
            Self::T3 => ("t3", [0x8f, 0xb4, 0xd6], "#5b88b5"),
            Self::T4 => ("t4", [0xc9, 0xdc, 0xec], "#3d5a78"),
            Self::Unknown => ("unknown", [0xb4, 0xbb, 0xc6], "#6b7686"),
            Self::Task => ("task", [0x0f, 0x76, 0x6e], "#2ba89e"),
            Self::Grant => ("grant", [0x25, 0x63, 0x9b], "#4e95d6"),
            Self::Excess => ("excess", [0xb9, 0x1c, 0x1c], "#f0595c"),
            Self::State => ("state", [0x64, 0x74, 0x8b], "#8593a8"),
            Self::Use => ("use", [0x6d, 0x3f, 0xb5], "#a884e6"),
            Self::Credential => ("credential", [0xa1, 0x62, 0x07], "#d19a2e"),
            Self::Rest => ("rest", [0xee, 0xf1, 0xf5], "#232d3a"),
        }
    }

    fn color(self) -> RGBColor {
        let [r, g, b] = self.look().1;
        RGBColor(r, g, b)
    }

    fn hex(self) -> String {
        let [r, g, b] = self.look().1;
        format!("#{r:02X}{g:02X}{b:02X}")
    }
}

/// Style rules for dark pages, as the body of a media query or of a theme selector.
#[must_use]
pub fn dark_rules(prefix: &str) -> String {
    Ink::ALL
        .iter()
        .map(|ink| {
            let (class, _, dark) = ink.look();
            format!("{prefix}.fill-{class}{{fill:{dark}}}{prefix}.line-{class}{{stroke:{dark}}}")
        })
        .collect()
}

/// Where a text stands relative to its point.
#[derive(Clone, Copy, Debug)]
pub enum Align {
    /// The text starts at the point.
    Start,
    /// The text is centred on the point.
    Middle,
    /// The text ends at the point.
    End,
}

/// A drawing of a fixed size. The first error is kept and reported at the end.
pub struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    failed: Option<String>,
}

impl std::fmt::Debug for Canvas<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Canvas").field("failed", &self.failed).finish_non_exhaustive()
    }
}

/// Rounds to the pixel grid of the backend; what lies beyond it is cut, never wrapped.
fn px(v: f64) -> i32 {
    v.round().clamp(-10_000.0, 100_000.0) as i32
}

/// Width of a text at a size, estimated: the backend has no font metrics and needs none.
#[must_use]
pub fn text_width(s: &str, size: f64) -> f64 {
    s.chars().count() as f64 * size * 0.56
}

impl Canvas<'_> {
    fn keep<E: std::fmt::Display>(&mut self, done: Result<(), E>) {
        if let (Err(e), None) = (done, &self.failed) {
            self.failed = Some(e.to_string());
        }
    }

    /// Filled rectangle from corner to corner; at least one pixel wide and high.
    pub fn rect(&mut self, x: f64, y: f64, w: f64, h: f64, ink: Ink) {
        let (x, y, w, h) = (px(x), px(y), px(w).max(1), px(h).max(1));
        let shape = Rectangle::new([(x, y), (x + w, y + h)], ink.color().filled());
        let done = self.area.draw(&shape);
        self.keep(done);
    }

    /// Line through points.
    pub fn path(&mut self, points: &[(f64, f64)], width: u32, ink: Ink) {
        let points: Vec<(i32, i32)> = points.iter().map(|(x, y)| (px(*x), px(*y))).collect();
        let done = self.area.draw(&PathElement::new(points, ink.color().stroke_width(width)));
        self.keep(done);
    }

    /// Broken vertical line.
    pub fn dashed(&mut self, x: f64, top: f64, bottom: f64, ink: Ink) {
        let mut y = top;
        while y < bottom {
            self.path(&[(x, y), (x, (y + 5.0).min(bottom))], 2, ink);
            y += 9.0;
        }
    }

    /// Slanted hatching over a rectangle, so that a kind is told without colour.
    pub fn hatch(&mut self, x: f64, y: f64, w: f64, h: f64, ink: Ink) {
        let mut from = x + 4.0;
        while from < x + w {
            let rise = h.min(x + w - from);
            self.path(&[(from, y + h), (from + rise, y + h - rise)], 1, ink);
            from += 8.0;
        }
    }

    /// Filled polygon.
    pub fn polygon(&mut self, points: &[(f64, f64)], ink: Ink) {
        let points: Vec<(i32, i32)> = points.iter().map(|(x, y)| (px(*x), px(*y))).collect();
        let done = self.area.draw(&Polygon::new(points, ink.color().filled()));
        self.keep(done);
    }

    /// Filled circle.
    pub fn dot(&mut self, x: f64, y: f64, radius: i32, ink: Ink) {
        let done = self.area.draw(&Circle::new((px(x), px(y)), radius, ink.color().filled()));
        self.keep(done);
    }

    /// One line of text, vertically centred on `y`.
    pub fn text(&mut self, x: f64, y: f64, s: &str, align: Align, ink: Ink) {
        self.write(x, y, s, (align, ink, FontStyle::Normal));
    }

    /// One line of bold text.
    pub fn bold(&mut self, x: f64, y: f64, s: &str, align: Align, ink: Ink) {
        self.write(x, y, s, (align, ink, FontStyle::Bold));
    }

    fn write(&mut self, x: f64, y: f64, s: &str, (align, ink, style): (Align, Ink, FontStyle)) {
        let h = match align {
            Align::Start => HPos::Left,
            Align::Middle => HPos::Center,
            Align::End => HPos::Right,
        };
        // The backend divides sizes by 1.24.
        let font = ("sans-serif", TEXT * 1.24).into_font().style(style);
        let color = ink.color();
        let style = TextStyle::from(font).color(&color).pos(Pos::new(h, VPos::Center));
        let done = self.area.draw_text(&visible(s), &style, (px(x), px(y)));
        self.keep(done);
    }
}

/// Text size in the drawings.
pub const TEXT: f64 = 12.0;
/// Width of the drawings.
pub const WIDTH: f64 = 760.0;

/// Draws and returns the SVG element, with a name and a description for readers who do not see it.
/// `id` must be an identifier of our own making.
///
/// # Errors
/// When the backend fails.
pub fn draw(
    id: &str,
    height: f64,
    (title, description): (&str, &str),
    paint: impl FnOnce(&mut Canvas<'_>),
) -> Result<String, ReportError> {
    let fail = |message: String| ReportError::Render { format: "svg", message };
    let mut raw = String::new();
    let size = (WIDTH as u32, px(height).unsigned_abs());
    {
        let area = SVGBackend::with_string(&mut raw, size).into_drawing_area();
        let mut canvas = Canvas { area, failed: None };
        paint(&mut canvas);
        if let Some(message) = canvas.failed {
            return Err(fail(message));
        }
        canvas.area.present().map_err(|e| fail(e.to_string()))?;
    }
    let body = raw
        .split_once(">\n")
        .map(|(_, body)| body)
        .ok_or_else(|| fail("the drawing has no root element".into()))?;
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" role=\"img\" \
         viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" aria-labelledby=\"{id}-t {id}-d\">\n\
         <title id=\"{id}-t\">{}</title>\n<desc id=\"{id}-d\">{}</desc>\n{}",
        escape(title),
        escape(description),
        classes(body),
        w = size.0,
        h = size.1,
    ))
}

/// Adds a class per ink and drops attributes that say nothing. Escaped text holds no quotes, so
/// these patterns only ever match attributes.
fn classes(body: &str) -> String {
    let mut out = body
        .replace(" opacity=\"1\"", "")
        .replace(" stroke=\"none\"", "")
        .replace(" stroke-width=\"1\"", "")
        .replace("font-family=\"sans-serif\"", "font-family=\"system-ui, sans-serif\"");
    for ink in Ink::ALL {
        let (class, _, _) = ink.look();
        let hex = ink.hex();
        out = out
            .replace(&format!("fill=\"{hex}\""), &format!("class=\"fill-{class}\" fill=\"{hex}\""))
            .replace(
                &format!("stroke=\"{hex}\""),
                &format!("class=\"line-{class}\" stroke=\"{hex}\""),
            );
    }
    out
}

/// Text as XML character data, without characters that XML forbids.
#[must_use]
pub fn escape(s: &str) -> String {
    visible(s)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// A drawing as a file of its own: it follows the reader's colour scheme by itself.
#[must_use]
pub fn document(svg: &str) -> String {
    let style = format!(
        "<style>svg{{background:#fff}}@media (prefers-color-scheme: dark){{svg{{background:#151b24}}{}}}</style>\n<title",
        dark_rules("")
    );
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", svg.replacen("<title", &style, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ink_has_its_own_colour_and_class() {
        let mut hex: Vec<String> = Ink::ALL.iter().map(|i| i.hex()).collect();
        hex.sort();
        hex.dedup();
        assert_eq!(hex.len(), Ink::ALL.len());
        let mut class: Vec<&str> = Ink::ALL.iter().map(|i| i.look().0).collect();
        class.sort_unstable();
        class.dedup();
        assert_eq!(class.len(), Ink::ALL.len());
    }

    #[test]
    fn text_stays_text() {
        let hostile = "</text><script>x</script> fill=\"#1F2937\"\u{1b}]]>";
        let svg = draw("c", 40.0, (hostile, hostile), |c| {
            c.text(1.0, 1.0, hostile, Align::Start, Ink::Muted);
        })
        .unwrap();
        assert!(!svg.contains("<script"), "{svg}");
        assert!(!svg.contains("fill-ink"), "{svg}");
        assert!(!svg.contains('\u{1b}'), "{svg}");
    }

    #[test]
    fn drawings_are_well_formed() {
        let svg = draw("c", 40.0, ("t", "d"), |c| {
            c.rect(1.0, 1.0, 5.0, 5.0, Ink::T0);
            c.dashed(5.0, 0.0, 30.0, Ink::Grid);
            c.dot(3.0, 3.0, 2, Ink::Use);
        })
        .unwrap();
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg}");
        assert!(svg.contains("class=\"fill-t0\" fill=\"#7D161B\""), "{svg}");
        assert!(document(&svg).contains("prefers-color-scheme"), "{svg}");
    }
}
