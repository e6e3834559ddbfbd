//! Instants and durations of the facts.

use chrono::{DateTime, NaiveDateTime, SecondsFormat};

/// Instant in microseconds since 1970-01-01T00:00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// From microseconds since the epoch.
    #[must_use]
    #[inline]
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
    #[inline]
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
    #[inline]
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
    #[inline]
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

/// What a time text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsedTime {
    /// The instant; for a text with day precision the start of the day.
    pub lo: Time,
    /// Equal to `lo`; for a text with day precision the end of the day (start of the next).
    pub hi: Time,
    /// Nanoseconds (0 to 999) below the microsecond, which only order events.
    pub nanos: u16,
    /// The text has no zone and was read as UTC.
    pub zoneless: bool,
}

impl ParsedTime {
    const fn exact(t: Time, nanos: u16, zoneless: bool) -> Self {
        Self { lo: t, hi: t, nanos, zoneless }
    }

    /// The same reading for a zoneless text whose clock is `offset_s` seconds ahead of UTC.
    #[must_use]
    pub const fn with_offset(self, offset_s: i64) -> Self {
        if self.zoneless {
            Self {
                lo: self.lo.plus_secs(-offset_s),
                hi: self.hi.plus_secs(-offset_s),
                nanos: self.nanos,
                zoneless: false,
            }
        } else {
            self
        }
    }
}

/// Why a text is not a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// No known format.
    #[error("not a time in a known format")]
    Format,
    /// A known format with a field out of range (month 13, 30 February).
    #[error("a time with a field out of range")]
    Range,
}

const DAY_US: i64 = 86_400_000_000;

/// Reads a time in any of the formats that ledgers, CI systems and clouds write (grants model 4.9):
/// RFC 3339 with 0 to 9 fractional digits, a blank instead of `T`, ` UTC` or ` -0700` as zone, English
/// month names, `20261122020449Z`, `20210905` (day precision), and epoch numbers whose unit follows
/// from their magnitude.
///
/// Sentinels that mean "no time" (empty, `0`, `infinity`, `0001-01-01...`, `9999-12-31...`, small
/// numbers) give `None`.
///
/// # Errors
/// When the text is in none of the formats, or a field is out of range.
pub fn parse_time(s: &str) -> Result<Option<ParsedTime>, TimeError> {
    if let Some(t) = fast_utc(s.as_bytes()) {
        return Ok(Some(ParsedTime::exact(t, 0, false)));
    }
    let s = s.trim();
    if is_no_time(s) {
        return Ok(None);
    }
    let mut c = Cursor { b: s.as_bytes() };
    let parsed = if s.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        number(s)?
    } else if s.len() > 4 && s.as_bytes().get(4).is_some_and(|b| matches!(b, b'-' | b'/')) {
        iso(&mut c)?.map(Some).ok_or(TimeError::Format)?
    } else if s.as_bytes().get(..8).is_some_and(|d| d.iter().all(u8::is_ascii_digit)) {
        compact(&mut c)?.map(Some).ok_or(TimeError::Format)?
    } else {
        Some(named_month(s)?)
    };
    // Go's zero time and the usual "for ever" are absences, whatever their zone or fraction.
    Ok(parsed.filter(|p| {
        p.lo.micros() >= days_from_civil(1, 1, 3) * DAY_US
            && p.lo.micros() < days_from_civil(9999, 12, 30) * DAY_US
    }))
}

fn is_no_time(s: &str) -> bool {
    const WORDS: [&str; 12] = [
        "",
        "-",
        "null",
        "none",
        "nil",
        "n/a",
        "na",
        "never",
        "infinity",
        "+infinity",
        "-infinity",
        "no_information",
    ];
    s.len() <= 14 && WORDS.iter().any(|w| s.eq_ignore_ascii_case(w))
}

/// `YYYY-MM-DDTHH:MM:SSZ` and nothing else: the form of nearly every record of a large ledger.
fn fast_utc(b: &[u8]) -> Option<Time> {
    let b: &[u8; 20] = b.try_into().ok()?;
    let [
        y1,
        y2,
        y3,
        y4,
        b'-',
        m1,
        m2,
        b'-',
        d1,
        d2,
        b'T',
        h1,
        h2,
        b':',
        i1,
        i2,
        b':',
        s1,
        s2,
        b'Z',
    ] = *b
    else {
        return None;
    };
    let two = |a: u8, b: u8| {
        let (a, b) = (a.wrapping_sub(b'0'), b.wrapping_sub(b'0'));
        (a < 10 && b < 10).then(|| i64::from(a) * 10 + i64::from(b))
    };
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    let (month, day) = (two(m1, m2)?, two(d1, d2)?);
    let (hour, minute, second) = (two(h1, h2)?, two(i1, i2)?, two(s1, s2)?);
    if !(1900..9000).contains(&year)
        || !valid_date(year, month, day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let s = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Some(Time::from_secs(s))
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let mp = (month + 9) % 12;
    let doy = (153 * mp + 2) / 5 + day - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

const fn valid_date(year: i64, month: i64, day: i64) -> bool {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    year >= 1 && year <= 9999 && day >= 1 && day <= last
}

fn date(year: i64, month: i64, day: i64) -> Result<i64, TimeError> {
    if valid_date(year, month, day) {
        Ok(days_from_civil(year, month, day))
    } else {
        Err(TimeError::Range)
    }
}

/// Reads from the front of a byte string; never looks behind its end.
struct Cursor<'a> {
    b: &'a [u8],
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.b.first().copied()
    }

    fn eat(&mut self, wanted: &[u8]) -> bool {
        match self.b.split_first() {
            Some((c, rest)) if wanted.contains(c) => {
                self.b = rest;
                true
            }
            _ => false,
        }
    }

    fn blanks(&mut self) {
        while self.eat(b" \t") {}
    }

    /// Exactly `n` digits.
    fn digits(&mut self, n: usize) -> Option<i64> {
        let (head, rest) = self.b.split_at_checked(n)?;
        let mut v = 0i64;
        for c in head {
            v = v * 10 + i64::from(c.checked_sub(b'0').filter(|d| *d < 10)?);
        }
        self.b = rest;
        Some(v)
    }

    /// One or two digits.
    fn up_to_two(&mut self) -> Option<i64> {
        self.digits(2).or_else(|| self.digits(1))
    }

    fn word(&mut self, word: &str) -> bool {
        match self.b.split_at_checked(word.len()) {
            Some((head, rest)) if head.eq_ignore_ascii_case(word.as_bytes()) => {
                self.b = rest;
                true
            }
            _ => false,
        }
    }
}

/// Clock time: seconds of the day, microseconds, remaining nanoseconds.
fn clock(c: &mut Cursor<'_>) -> Result<(i64, i64, u16), TimeError> {
    let hour = c.up_to_two().ok_or(TimeError::Format)?;
    if !c.eat(b":") {
        return Err(TimeError::Format);
    }
    let minute = c.digits(2).ok_or(TimeError::Format)?;
    let (mut second, mut micros, mut nanos) = (0, 0, 0);
    if c.eat(b":") {
        second = c.digits(2).ok_or(TimeError::Format)?;
        if c.eat(b".,") {
            (micros, nanos) = fraction(c)?;
        }
    }
    // 60 is a leap second, 24:00 the end of the day; both are legal ISO 8601.
    let whole_day = hour == 24 && minute == 0 && second == 0 && micros == 0;
    if (hour > 23 && !whole_day) || minute > 59 || second > 60 {
        return Err(TimeError::Range);
    }
    Ok((hour * 3600 + minute * 60 + second, micros, nanos))
}

/// One to nine fractional digits.
fn fraction(c: &mut Cursor<'_>) -> Result<(i64, u16), TimeError> {
    let (mut v, mut n) = (0i64, 0u32);
    while let Some(d) = c.peek().filter(u8::is_ascii_digit) {
        c.eat(&[d]);
        n += 1;
        if n > 9 {
            return Err(TimeError::Format);
        }
        v = v * 10 + i64::from(d - b'0');
    }
    if n == 0 {
        return Err(TimeError::Format);
    }
    let ns = v * 10i64.pow(9 - n);
    Ok((ns / 1000, u16::try_from(ns % 1000).unwrap_or(0)))
}

/// Zone at the end: offset in seconds; `None` when there is none.
fn zone(c: &mut Cursor<'_>) -> Result<Option<i64>, TimeError> {
    c.blanks();
    let Some(first) = c.peek() else { return Ok(None) };
    let offset = match first {
        b'+' | b'-' => {
            c.eat(b"+-");
            let hours = c.digits(2).ok_or(TimeError::Format)?;
            c.eat(b":");
            let minutes = if c.b.is_empty() { 0 } else { c.digits(2).ok_or(TimeError::Format)? };
            if hours > 23 || minutes > 59 {
                return Err(TimeError::Range);
            }
            let s = hours * 3600 + minutes * 60;
            if first == b'-' { -s } else { s }
        }
        _ if c.word("UTC") || c.word("GMT") || c.word("Z") => 0,
        _ => return Err(TimeError::Format),
    };
    c.blanks();
    if c.b.is_empty() { Ok(Some(offset)) } else { Err(TimeError::Format) }
}

fn assemble(days: i64, clock: (i64, i64, u16), zone: Option<i64>) -> ParsedTime {
    let s = days * 86_400 + clock.0 - zone.unwrap_or(0);
    ParsedTime::exact(Time(s * 1_000_000 + clock.1), clock.2, zone.is_none())
}

fn whole_day(days: i64) -> ParsedTime {
    ParsedTime { lo: Time(days * DAY_US), hi: Time((days + 1) * DAY_US), nanos: 0, zoneless: true }
}

/// `YYYY-MM-DD`, alone or followed by a clock time and a zone.
fn iso(c: &mut Cursor<'_>) -> Result<Option<ParsedTime>, TimeError> {
    let Some(year) = c.digits(4) else { return Ok(None) };
    c.eat(b"-/");
    let month = c.up_to_two().ok_or(TimeError::Format)?;
    if !c.eat(b"-/") {
        return Ok(None);
    }
    let day = c.up_to_two().ok_or(TimeError::Format)?;
    let days = date(year, month, day)?;
    if c.b.is_empty() {
        return Ok(Some(whole_day(days)));
    }
    if !c.eat(b"Tt ") {
        return Ok(None);
    }
    c.blanks();
    let clock = clock(c)?;
    let zone = zone(c)?;
    Ok(Some(assemble(days, clock, zone)))
}

/// `20261122020449Z`, `20261122T020449Z`, with optional fraction.
fn compact(c: &mut Cursor<'_>) -> Result<Option<ParsedTime>, TimeError> {
    let (Some(year), Some(month), Some(day)) = (c.digits(4), c.digits(2), c.digits(2)) else {
        return Ok(None);
    };
    let days = date(year, month, day)?;
    if c.b.is_empty() {
        return Ok(Some(whole_day(days)));
    }
    c.eat(b"Tt");
    let (Some(hour), Some(minute), Some(second)) = (c.digits(2), c.digits(2), c.digits(2)) else {
        return Ok(None);
    };
    if hour > 23 || minute > 59 || second > 60 {
        return Err(TimeError::Range);
    }
    let (micros, nanos) = if c.eat(b".") { fraction(c)? } else { (0, 0) };
    let zone = zone(c)?;
    Ok(Some(assemble(days, (hour * 3600 + minute * 60 + second, micros, nanos), zone)))
}

/// Digits only: an epoch number, or a compact date.
fn number(s: &str) -> Result<Option<ParsedTime>, TimeError> {
    if !s.contains('.')
        && matches!(s.len(), 8 | 14)
        && (s.starts_with("19") || s.starts_with("20"))
        && let Ok(Some(t)) = compact(&mut Cursor { b: s.as_bytes() })
    {
        return Ok(Some(t));
    }
    let (whole, rest) = s.split_once('.').unwrap_or((s, ""));
    if rest.contains('.') {
        return Err(TimeError::Format);
    }
    let whole: i64 = whole.parse().map_err(|_| TimeError::Format)?;
    // The magnitude names the unit: each covers 1973 to 5138.
    let per_second: i64 = match whole {
        // Small numbers stand for "not set" in the systems that write them.
        0..100_000_000 => return Ok(None),
        100_000_000..100_000_000_000 => 1,
        100_000_000_000..100_000_000_000_000 => 1000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000_000,
        _ => {
            let nanos = u16::try_from(whole.rem_euclid(1000)).unwrap_or(0);
            return Ok(Some(ParsedTime::exact(Time(whole.div_euclid(1000)), nanos, false)));
        }
    };
    let factor = 1_000_000 / per_second;
    let mut t = Time(whole.saturating_mul(factor));
    if !rest.is_empty() {
        let (micros, _) =
            fraction(&mut Cursor { b: rest.get(..rest.len().min(9)).unwrap_or("").as_bytes() })?;
        t = Time(t.0.saturating_add(micros / per_second));
    }
    Ok(Some(ParsedTime::exact(t, 0, false)))
}

/// `Jul 10, 2023, 12:31:14 PM`, `Mon, 10 Jul 2023 12:31:14 +0000`.
fn named_month(s: &str) -> Result<ParsedTime, TimeError> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    if s.len() > 64 {
        return Err(TimeError::Format);
    }
    let starts = |word: &str, list: &[&str]| {
        let head = word.get(..3).filter(|_| word.bytes().all(|b| b.is_ascii_alphabetic()))?;
        list.iter().position(|m| m.eq_ignore_ascii_case(head))
    };
    let (mut month, mut day, mut year, mut time, mut pm, mut tail) =
        (None, None, None, None, None, None);
    for word in s.split([' ', ',', '\t', '\u{202f}']).filter(|w| !w.is_empty()) {
        let int = || word.parse::<i64>().ok().filter(|_| word.len() <= 4);
        if month.is_none() && starts(word, &MONTHS).is_some() {
            month = starts(word, &MONTHS).and_then(|m| i64::try_from(m + 1).ok());
        } else if month.is_none() && day.is_none() && starts(word, &WEEKDAYS).is_some() {
        } else if word.contains(':') && time.is_none() {
            let mut c = Cursor { b: word.as_bytes() };
            let t = clock(&mut c)?;
            if !c.b.is_empty() {
                return Err(TimeError::Format);
            }
            time = Some(t);
        } else if day.is_none() && word.len() <= 2 && int().is_some() {
            day = int();
        } else if year.is_none() && word.len() == 4 && int().is_some() {
            year = int();
        } else if pm.is_none()
            && (word.eq_ignore_ascii_case("pm") || word.eq_ignore_ascii_case("am"))
        {
            pm = Some(word.eq_ignore_ascii_case("pm"));
        } else if tail.is_none() && time.is_some() {
            tail = Some(zone(&mut Cursor { b: word.as_bytes() })?);
        } else {
            return Err(TimeError::Format);
        }
    }
    let (Some(month), Some(day), Some(year)) = (month, day, year) else {
        return Err(TimeError::Format);
    };
    let days = date(year, month, day)?;
    let Some((mut s, micros, nanos)) = time else { return Ok(whole_day(days)) };
    if let Some(pm) = pm {
        let hour = s / 3600;
        if !(1..=12).contains(&hour) {
            return Err(TimeError::Range);
        }
        s = s % 3600 + (hour % 12 + if pm { 12 } else { 0 }) * 3600;
    }
    Ok(assemble(days, (s, micros, nanos), tail.flatten()))
}

/// Reads a duration, whole seconds rounded down: `2700s`, `15m0s`, `1h30m`, `PT8H`, `P1DT12H`,
/// `30d`, or a bare number of `unit_s` seconds. `None` for anything else.
#[must_use]
pub fn parse_duration(s: &str, unit_s: f64) -> Option<i64> {
    let s = s.trim();
    let seconds = if let Ok(v) = s.parse::<f64>() {
        v * unit_s
    } else if let Some(rest) = s.strip_prefix(['P', 'p']) {
        iso_duration(rest)?
    } else {
        unit_sum(
            s,
            &[
                ("ns", 1e-9),
                ("us", 1e-6),
                ("µs", 1e-6),
                ("ms", 1e-3),
                ("w", 604_800.0),
                ("d", 86_400.0),
                ("h", 3600.0),
                ("m", 60.0),
                ("s", 1.0),
            ],
        )?
    };
    #[expect(clippy::cast_possible_truncation, reason = "bounded to a thousand years")]
    (seconds.is_finite() && (0.0..=31_536_000_000.0).contains(&seconds)).then_some(seconds as i64)
}

fn iso_duration(s: &str) -> Option<f64> {
    let upper = s.to_ascii_uppercase();
    let (date, time) = upper.split_once('T').unwrap_or((&upper, ""));
    if date.is_empty() && time.is_empty() {
        return None;
    }
    // Years and months have no fixed length and no broker writes them: refused, not guessed.
    let part =
        |s: &str, units: &[(&str, f64)]| if s.is_empty() { Some(0.0) } else { unit_sum(s, units) };
    Some(
        part(date, &[("W", 604_800.0), ("D", 86_400.0)])?
            + part(time, &[("H", 3600.0), ("M", 60.0), ("S", 1.0)])?,
    )
}

fn unit_sum(s: &str, units: &[(&str, f64)]) -> Option<f64> {
    let mut rest = s;
    let mut sum = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let value: f64 = number.parse().ok()?;
        let (unit, factor) = units.iter().find(|(u, _)| tail.starts_with(u))?;
        sum += value * factor;
        rest = tail.strip_prefix(unit)?;
    }
    (!s.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn utc(s: &str) -> Time {
        parse_rfc3339(s).unwrap()
    }

    fn at(s: &str) -> ParsedTime {
        parse_time(s).unwrap().unwrap_or_else(|| panic!("{s} read as a sentinel"))
    }

    #[test]
    fn formats_of_the_field() {
        let cases = [
            ("2026-11-22T02:04:49Z", "2026-11-22T02:04:49Z", false),
            ("2026-11-22T02:04:49.123456789+02:00", "2026-11-22T00:04:49.123456Z", false),
            ("2023-01-10 13:50:02 UTC", "2023-01-10T13:50:02Z", false),
            ("2024-10-10 12:56:35.822 -0700", "2024-10-10T19:56:35.822Z", false),
            ("2016-09-28T15:21:44.000+0000", "2016-09-28T15:21:44Z", false),
            ("Jul 10, 2023, 12:31:14 PM", "2023-07-10T12:31:14Z", true),
            ("Jul 10, 2023, 12:31:14 AM", "2023-07-10T00:31:14Z", true),
            ("Apr 25, 2023 7:24:50 PM", "2023-04-25T19:24:50Z", true),
            ("Mon, 10 Jul 2023 12:31:14 +0200", "2023-07-10T10:31:14Z", false),
            ("2026-06-15 10:00:00.123456+00:00", "2026-06-15T10:00:00.123456Z", false),
            ("2025-10-15 18:45:47.048000000", "2025-10-15T18:45:47.048Z", true),
            ("20261122020449Z", "2026-11-22T02:04:49Z", false),
            ("20261122020449", "2026-11-22T02:04:49Z", true),
            ("1700000000", "2023-11-14T22:13:20Z", false),
            ("1700000000.25", "2023-11-14T22:13:20.25Z", false),
            ("1700000000123", "2023-11-14T22:13:20.123Z", false),
            ("1700000000123456", "2023-11-14T22:13:20.123456Z", false),
            ("1700000000123456789", "2023-11-14T22:13:20.123456Z", false),
            ("2026-11-22T02:04Z", "2026-11-22T02:04:00Z", false),
        ];
        for (text, want, zoneless) in cases {
            let p = at(text);
            assert_eq!((p.lo, p.hi, p.zoneless), (utc(want), utc(want), zoneless), "{text}");
        }
        assert_eq!(at("2026-11-22T02:04:49.123456789Z").nanos, 789);
    }

    #[test]
    fn day_precision_is_a_pair() {
        for text in ["20210905", "2021-09-05", "2021/9/5", "Sep 5, 2021"] {
            let p = at(text);
            assert_eq!((p.lo, p.hi), (utc("2021-09-05"), utc("2021-09-06")), "{text}");
            assert!(p.zoneless);
        }
    }

    #[test]
    fn sentinels_are_no_time() {
        for text in [
            "",
            "  ",
            "0",
            "infinity",
            "-infinity",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "9999-12-31 23:59:59.999999",
            "9999-12-31",
            "111111",
            "null",
            "never",
            "0001-01-01T00:00:00+05:00",
        ] {
            assert_eq!(parse_time(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn nonsense_is_an_error() {
        for text in [
            "yesterday",
            "2026-13-01T00:00:00Z",
            "2026-02-30",
            "2026-11-22T25:00:00Z",
            "-5",
            "1.2.3",
            "2026-11-22T02:04:49Zz",
            "2026-11-22T02:04:49.Z",
            "99999999999999999999999",
            "é",
            "\0",
            "2026-11-22T02:04:49 CET",
            "12:31:14",
            "Jul 10",
            "Foo 10, 2023",
            "20261322020449Z",
            "Jul 10, 2023, 13:31:14 PM",
            "Jul\u{202e}10 2023",
            "....",
            "2026-1",
            "2026-11-22T",
        ] {
            assert!(parse_time(text).is_err(), "{text:?} gave {:?}", parse_time(text));
        }
    }

    #[test]
    fn durations() {
        for (text, want) in [
            ("2700s", Some(2700)),
            ("15m0s", Some(900)),
            ("1h30m", Some(5400)),
            ("PT8H", Some(28800)),
            ("P1DT12H", Some(129_600)),
            ("PT0.5S", Some(0)),
            ("8", Some(28800)),
            ("30d", Some(2_592_000)),
            ("1500ms", Some(1)),
            ("", None),
            ("P", None),
            ("PT", None),
            ("P1Y", None),
            ("-5s", None),
            ("8x", None),
            ("NA", None),
            ("inf", None),
            ("1e400", None),
            ("s", None),
        ] {
            assert_eq!(parse_duration(text, 3600.0), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(us in -2_000_000_000_000_000i64..200_000_000_000_000_000) {
            let t = Time::from_micros(us);
            prop_assert_eq!(parse_time(&t.to_rfc3339()), Ok(Some(ParsedTime::exact(t, 0, false))));
        }

        #[test]
        fn agrees_with_chrono(s in -2_000_000_000i64..200_000_000_000, offset in -1439i64..1439) {
            let zone = chrono::FixedOffset::east_opt(i32::try_from(offset * 60).unwrap()).unwrap();
            let t = DateTime::from_timestamp(s, 0).unwrap();
            let text = t.with_timezone(&zone).to_rfc3339();
            prop_assert_eq!(at(&text).lo, Time::from_secs(s), "{}", text);
            let rfc2822 = t.with_timezone(&zone).to_rfc2822();
            prop_assert_eq!(at(&rfc2822).lo, Time::from_secs(s), "{}", rfc2822);
        }

        #[test]
        fn never_panics(s in "\\PC{0,40}") {
            let _ = parse_time(&s);
            let _ = parse_duration(&s, 1.0);
        }

        #[test]
        fn never_panics_near_formats(s in "[0-9TZ:., +/-]{0,32}") {
            let _ = parse_time(&s);
            let _ = parse_duration(&s, 1.0);
        }
    }
}
