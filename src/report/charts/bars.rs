//! What the bar charts share: a linear axis with round steps, and a legend.

use super::canvas::{Align, Canvas, Ink, TEXT, text_width};

/// Left edge of the bars.
pub const LEFT: f64 = 132.0;
/// Right edge of the plot.
pub const RIGHT: f64 = 690.0;
/// Height of one bar.
pub const BAR: f64 = 20.0;
/// Distance of bars.
pub const STEP: f64 = 32.0;

/// A linear axis from zero.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Value at the right edge.
    pub max: f64,
    /// Distance of the grid lines.
    pub step: f64,
}

impl Scale {
    /// An axis for values up to `max`, with at most six round steps.
    #[must_use]
    pub fn up_to(max: u64) -> Self {
        let max = max.max(1) as f64;
        let mut step = 1.0;
        loop {
            for factor in [1.0, 2.0, 5.0] {
                if max / (step * factor) <= 6.0 {
                    let step = step * factor;
                    return Self { max: (max / step).ceil() * step, step };
                }
            }
            step *= 10.0;
        }
    }

    /// Position of a value.
    #[must_use]
    pub fn x(&self, v: f64) -> f64 {
        LEFT + (v / self.max).clamp(0.0, 1.0) * (RIGHT - LEFT)
    }
}

/// Grid lines and their labels below the plot.
pub fn axis(
    c: &mut Canvas<'_>,
    scale: Scale,
    top: f64,
    bottom: f64,
    format: impl Fn(f64) -> String,
) {
    let mut v = 0.0;
    while v <= scale.max + scale.step / 2.0 {
        let x = scale.x(v);
        c.path(&[(x, top), (x, bottom)], 1, Ink::Grid);
        c.text(x, bottom + 14.0, &format(v), Align::Middle, Ink::Muted);
        v += scale.step;
    }
}

/// Swatches with their names in one line.
pub fn legend(c: &mut Canvas<'_>, left: f64, y: f64, items: &[(Ink, &str)]) {
    let mut x = left;
    for (ink, name) in items {
        c.rect(x, y - 5.0, 10.0, 10.0, *ink);
        c.text(x + 15.0, y, name, Align::Start, Ink::Muted);
        x += 15.0 + text_width(name, TEXT) + 18.0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn axes_hold_their_values(max in 0u64..1_000_000_000_000_000) {
            let s = Scale::up_to(max);
            prop_assert!(s.max >= max as f64);
            prop_assert!(s.max / s.step <= 7.0);
            prop_assert!(s.x(max as f64) <= RIGHT);
        }
    }
}
