//! Values as they lie in a file, and what is plain about them.

use std::borrow::Cow;

use super::rows::NEVER;
use crate::facts::Time;
use crate::facts::time::parse_time;

/// A value as it lies in a file.
#[derive(Clone, Copy, Debug)]
pub enum Cell<'a> {
    /// None.
    Null,
    /// Text.
    Text(&'a str),
    /// Text without NUL and without blanks at its ends, and its place in the dictionary of its column.
    Known(&'a str, u32),
    /// An instant in microseconds, and whether it is told from a clock on the wall.
    Instant(i64, bool),
    /// A whole number.
    Whole(i64),
    /// A day by its first instant, microseconds.
    Day(i64),
}

/// No place in a dictionary.
pub const NO_CODE: u32 = u32::MAX;

/// Instants that a text of them gives back, microseconds: the years 1900 to 8999.
pub const PLAIN_YEARS: std::ops::Range<i64> = -2_208_988_800_000_000..221_845_392_000_000_000;

impl<'a> Cell<'a> {
    /// Trimmed text; `Err` for what is not plain.
    ///
    /// # Errors
    /// When only the adapter can tell what it means.
    #[inline]
    pub fn text(self) -> Result<Option<&'a str>, Odd> {
        match self {
            Self::Null => Ok(None),
            Self::Known(s, _) => Ok(Some(s)),
            Self::Text(s) => {
                let b = s.as_bytes();
                if b.iter().fold(false, |nul, c| nul | (*c == 0)) {
                    return Err(Odd);
                }
                let plain = |c: Option<&u8>| c.is_some_and(|c| (0x21..0x7f).contains(c));
                let s = if plain(b.first()) && plain(b.last()) { s } else { s.trim() };
                Ok(Some(s).filter(|s| !s.is_empty()))
            }
            Self::Instant(..) | Self::Whole(_) | Self::Day(_) => Err(Odd),
        }
    }

    /// Its place in the dictionary of its column; [`NO_CODE`] when it has none.
    #[must_use]
    #[inline]
    pub fn code(self) -> u32 {
        if let Self::Known(_, code) = self { code } else { NO_CODE }
    }

    /// Instant, and whether its zone is unknown; `Err` for what is not plain.
    ///
    /// # Errors
    /// When only the adapter can tell what it means.
    #[inline]
    pub fn instant(self) -> Result<(i64, bool), Odd> {
        match self {
            Self::Null => Ok((NEVER, false)),
            Self::Instant(us, wall) if PLAIN_YEARS.contains(&us) => Ok((us, wall)),
            Self::Text(s) | Self::Known(s, _) => match (s.len(), parse_time(s)) {
                (0, _) => Ok((NEVER, false)),
                (20, Ok(Some(t))) if t.lo == t.hi && t.nanos == 0 && !t.zoneless => {
                    Ok((t.lo.micros(), false))
                }
                _ => Err(Odd),
            },
            Self::Instant(..) | Self::Whole(_) | Self::Day(_) => Err(Odd),
        }
    }

    /// Number of 0 or more, -1 for none; `Err` for what is not plain.
    ///
    /// # Errors
    /// When only the adapter can tell what it means.
    #[inline]
    pub fn count(self) -> Result<i64, Odd> {
        match self {
            Self::Null => Ok(-1),
            Self::Whole(n) if n >= 0 => Ok(n),
            Self::Text("") => Ok(-1),
            Self::Text(s) | Self::Known(s, _)
                if s.len() < 16 && s.bytes().all(|b| b.is_ascii_digit()) =>
            {
                s.parse().map_err(|_| Odd)
            }
            _ => Err(Odd),
        }
    }

    /// The text that the adapter would be given.
    #[must_use]
    pub fn shown(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Null => None,
            Self::Text(s) | Self::Known(s, _) => Some(Cow::Borrowed(s)),
            Self::Whole(n) => Some(Cow::Owned(n.to_string())),
            Self::Day(us) => Some(Cow::Owned(Time::from_micros(us).to_date())),
            Self::Instant(us, wall) => {
                let text = Time::from_micros(us).to_rfc3339();
                Some(Cow::Owned(if wall { text.trim_end_matches('Z').to_owned() } else { text }))
            }
        }
    }
}

/// A row that is not of the plain kind.
#[derive(Clone, Copy, Debug)]
pub struct Odd;

/// A day of the calendar that every reader takes; others are for the adapter.
#[must_use]
pub fn is_day(cell: Cell<'_>) -> bool {
    match cell {
        Cell::Null => true,
        Cell::Day(us) | Cell::Instant(us, _) => PLAIN_YEARS.contains(&us),
        Cell::Text(s) | Cell::Known(s, _) => {
            let mut parts = s.split('-');
            let mut part = |len: usize, range: std::ops::RangeInclusive<u32>| {
                parts.next().is_some_and(|p| {
                    p.len() == len
                        && p.bytes().all(|b| b.is_ascii_digit())
                        && p.parse().is_ok_and(|n| range.contains(&n))
                })
            };
            s.len() == 10 && part(4, 1900..=8999) && part(2, 1..=12) && part(2, 1..=28)
        }
        Cell::Whole(_) => false,
    }
}
