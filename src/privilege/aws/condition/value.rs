//! Values of conditions as their types read them (5.3.6).

use std::net::IpAddr;

use crate::facts::Time;
use crate::facts::time::parse_rfc3339;
use crate::privilege::aws::arn;
use crate::privilege::glob;

/// Six-part glob, case-sensitive, `*` not crossing the first five colons (5.3.6).
pub(super) fn arn_like(p: &str, v: &str) -> Option<bool> {
    if p.splitn(6, ':').count() < 6 {
        // `*` alone is written by many and stands for every ARN.
        return arn::is_any(p).then_some(true);
    }
    let values = v.splitn(6, ':');
    Some(
        values.clone().count() == 6
            && p.splitn(6, ':').zip(values).all(|(a, b)| glob::matches(a, b)),
    )
}

pub(super) fn number(s: &str) -> Option<f64> {
    s.trim().parse::<f64>().ok().filter(|n| n.is_finite())
}

/// Seconds of the year 10000, from which on a number is no date that can be written.
const LAST: i64 = 253_402_300_800;

/// A date as conditions may be given it (IAM user guide, "Date condition operators"): the W3C profile of
/// ISO 8601 (`2026`, `2026-07`, `2026-07-01`, `2026-07-01T08:30Z`, `...T08:30:00.5+02:00`; a time of day
/// has a zone), or seconds since 1970. `None` for any other text: what AWS makes of it is not documented.
pub(super) fn date(s: &str) -> Option<Time> {
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    // Four digits are a year.
    if digits(s) && s.len() != 4 {
        return s.parse().ok().filter(|n| *n < LAST).map(Time::from_secs);
    }
    let day = |t: &str| {
        let shape = t.bytes().enumerate();
        let dashes = |i: usize| i == 4 || i == 7;
        let shaped =
            shape.into_iter().all(|(i, b)| if dashes(i) { b == b'-' } else { b.is_ascii_digit() });
        t.len() == 10 && shaped
    };
    let Some((date, rest)) = s.split_once('T') else {
        let whole = match s.len() {
            4 => format!("{s}-01-01"),
            7 => format!("{s}-01"),
            _ => s.to_owned(),
        };
        return day(&whole).then(|| parse_rfc3339(&whole)).flatten();
    };
    let (clock, zone) = match rest.strip_suffix('Z') {
        Some(clock) => (clock, "Z"),
        None => rest.split_at_checked(rest.len().checked_sub(6)?)?,
    };
    let minutes = if clock.len() == 5 { ":00" } else { "" };
    let zoned = zone == "Z" || zone.starts_with(['+', '-']) && zone.get(3..4) == Some(":");
    let whole = format!("{date}T{clock}{minutes}{zone}");
    (day(date) && zoned).then(|| parse_rfc3339(&whole)).flatten()
}

/// Whether a text that is no documented date may still be one: it begins with a number.
#[must_use]
pub fn may_be_date(s: &str) -> bool {
    s.trim_start_matches(['+', '-', ' ']).starts_with(|c: char| c.is_ascii_digit())
}

/// Addresses of a CIDR block, or one address (5.3.6).
pub(super) struct Range {
    /// 4 or 6.
    pub(super) version: u8,
    pub(super) first: u128,
    pub(super) last: u128,
}

/// Reads a CIDR block; `None` for any other text.
pub(super) fn range(p: &str) -> Option<Range> {
    let (net, bits) = match p.split_once('/') {
        Some((n, b)) => (n, Some(b.parse::<u32>().ok()?)),
        None => (p, None),
    };
    let (version, address, width) = match net.parse().ok()? {
        IpAddr::V4(n) => (4, u128::from(n.to_bits()), 32),
        IpAddr::V6(n) => (6, n.to_bits(), 128),
    };
    let free = u32::checked_sub(width, bits.unwrap_or(width))?;
    // A shift by the whole width: every address.
    let rest = u128::MAX.checked_shr(128 - free).unwrap_or(0);
    Some(Range { version, first: address & !rest, last: address | rest })
}

pub(super) fn in_range(v: &str, p: &str) -> Option<bool> {
    let block = range(p)?;
    // A request value is one address.
    let Some(ip) = range(v).filter(|_| !v.contains('/')) else { return Some(false) };
    Some(ip.version == block.version && (block.first..=block.last).contains(&ip.first))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The forms that AWS documents, and texts that look like one.
    #[test]
    fn dates_as_documented() {
        for (text, want) in [
            ("2026", "2026-01-01T00:00:00Z"),
            ("2026-07", "2026-07-01T00:00:00Z"),
            ("2026-07-01", "2026-07-01T00:00:00Z"),
            ("2026-07-01T08:30Z", "2026-07-01T08:30:00Z"),
            ("2026-07-01T08:30+02:00", "2026-07-01T06:30:00Z"),
            ("2026-07-01T08:30:15Z", "2026-07-01T08:30:15Z"),
            ("2026-07-01T08:30:15-01:30", "2026-07-01T10:00:15Z"),
            ("2026-07-01T08:30:15.5Z", "2026-07-01T08:30:15.500000Z"),
            ("0", "1970-01-01T00:00:00Z"),
            ("1782864000", "2026-07-01T00:00:00Z"),
        ] {
            assert_eq!(date(text).map(|t| t.to_rfc3339()).as_deref(), Some(want), "{text}");
        }
        for text in [
            "",
            " ",
            "soon",
            "2026-7-1",
            "2026-13",
            "2026-02-30",
            "26-07-01",
            "2026/07/01",
            "2026-07-01T08:30:00",
            "2026-07-01T08:30",
            "2026-07-01 08:30:00Z",
            "2026-07-01T08:30:00+0000",
            "2026-07-01T08:30:00 Z",
            "2026-07-01T08Z",
            "2026-07-01T08:30:00z",
            " 2026-07-01",
            "+5",
            "-5",
            "1.5",
            "1782864000000",
            "99999999999999999999",
            "T",
            "TZ",
            "2026-07-01T+02:00",
            "é",
            "Té+02:00",
            "01 July 2026",
            "${aws:CurrentTime}",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }
}
