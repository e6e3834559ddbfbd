//! Instants and durations of the facts.

use chrono::{DateTime, NaiveDateTime, SecondsFormat};

/// Instant in microseconds since 1970-01-01T00:00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// From microseconds since the epoch.
    #[must_use]
    pub const fn from_micros(us: i64) -> Self {
        Self(us)
    }

    /// From whole seconds since the epoch; saturates at the ends of the range.
    #[must_use]
    pub const fn from_secs(s: i64) -> Self {
        Self(s.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Difference `self - earlier` in whole seconds, rounded towards zero.
    #[must_use]
    pub const fn secs_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0) / 1_000_000
    }

    /// Difference `self - earlier` in whole days, rounded towards zero.
    #[must_use]
    pub const fn days_since(self, earlier: Self) -> i64 {
        self.secs_since(earlier) / 86_400
    }

    /// This instant moved by seconds (may be negative).
    #[must_use]
    pub const fn plus_secs(self, s: i64) -> Self {
        Self(self.0.saturating_add(s.saturating_mul(1_000_000)))
    }

    /// RFC 3339 in UTC with `Z`; fractional digits only when there are any.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        match DateTime::from_timestamp_micros(self.0) {
            Some(t) if self.0.rem_euclid(1_000_000) == 0 => {
                t.to_rfc3339_opts(SecondsFormat::Secs, true)
            }
            Some(t) => t.to_rfc3339_opts(SecondsFormat::Micros, true),
            None => format!("{}us", self.0),
        }
    }

    /// `YYYY-MM-DD`.
    #[must_use]
    pub fn to_date(self) -> String {
        DateTime::from_timestamp_micros(self.0)
            .map_or_else(|| format!("{}us", self.0), |t| t.format("%Y-%m-%d").to_string())
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

/// Reads RFC 3339 (`T` or blank between date and time, `Z` or an offset; without one: UTC).
/// Returns `None` for anything else; the full set of formats is in [`crate::ingest`].
#[must_use]
pub fn parse_rfc3339(s: &str) -> Option<Time> {
    let s = s.trim();
    if let Ok(t) = DateTime::parse_from_rfc3339(s) {
        return Some(Time(t.timestamp_micros()));
    }
    for f in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"] {
        if let Ok(t) = NaiveDateTime::parse_from_str(s, f) {
            return Some(Time(t.and_utc().timestamp_micros()));
        }
    }
    chrono::NaiveDate::parse_from_str(s, "%Y-%m-%d")
        .ok()
        .and_then(|d| d.and_hms_opt(0, 0, 0))
        .map(|t| Time(t.and_utc().timestamp_micros()))
}
