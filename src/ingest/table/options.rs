//! How the values of a table are to be read: times, offsets, durations, translated words.

use std::collections::BTreeMap;

use crate::facts::Time;
use crate::facts::time::{ParsedTime, parse_time};
use crate::settings::Mapping;

/// How values are to be read, from the mapping.
#[derive(Clone, Debug, Default)]
pub struct Options {
    format: TimeFormat,
    offset_s: Option<i64>,
    /// Seconds per unit of a bare duration.
    pub duration_unit_s: f64,
    /// A missing end means that the grant is still held.
    pub missing_end_is_open: bool,
    pub(super) values: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Clone, Debug, Default)]
enum TimeFormat {
    #[default]
    Any,
    Epoch(i64),
    Pattern(String),
}

impl Options {
    /// Options of a mapping; the defaults without one.
    ///
    /// # Errors
    /// When a value of the mapping is none that is known.
    pub fn new(mapping: Option<&Mapping>) -> Result<Self, String> {
        let Some(m) = mapping else {
            return Ok(Self { duration_unit_s: 1.0, ..Self::default() });
        };
        let format = match m.time_format.as_deref() {
            None | Some("rfc3339" | "any") => TimeFormat::Any,
            Some("epoch_s") => TimeFormat::Epoch(1_000_000),
            Some("epoch_ms") => TimeFormat::Epoch(1000),
            Some(p) if p.contains('%') => TimeFormat::Pattern(p.to_owned()),
            Some(p) => {
                return Err(format!(
                    "time_format `{p}` is not known; use rfc3339, epoch_s, epoch_ms or a pattern such as `%d.%m.%Y %H:%M`"
                ));
            }
        };
        let offset_s = m.time_offset.as_deref().map(parse_offset).transpose()?;
        let duration_unit_s = match m.duration_unit.as_deref() {
            None | Some("s" | "iso8601") => 1.0,
            Some("m") => 60.0,
            Some("h") => 3600.0,
            Some("ms") => 0.001,
            Some(u) => {
                return Err(format!(
                    "duration_unit `{u}` is not known; use s, m, h, ms or iso8601"
                ));
            }
        };
        let missing_end_is_open = match m.missing_end_means.as_deref() {
            None | Some("unknown") => false,
            Some("open") => true,
            Some(w) => {
                return Err(format!("missing_end_means `{w}` is not known; use open or unknown"));
            }
        };
        Ok(Self {
            format,
            offset_s,
            duration_unit_s,
            missing_end_is_open,
            values: m.values.clone(),
        })
    }

    pub(super) fn time(&self, s: &str) -> Result<Option<ParsedTime>, String> {
        let parsed = match &self.format {
            TimeFormat::Any => parse_time(s).map_err(|e| e.to_string())?,
            TimeFormat::Epoch(us) => {
                let v: f64 = s.parse().map_err(|_| "not an epoch number".to_owned())?;
                let whole: i64 = s.parse().unwrap_or_else(|_| {
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "saturates; absurd values are refused below"
                    )]
                    let rounded = v as i64;
                    rounded
                });
                let t = Time::from_micros(whole.saturating_mul(*us));
                if !(0.0..1e15).contains(&v) {
                    return Err("an epoch number out of range".into());
                }
                (whole != 0).then_some(ParsedTime { lo: t, hi: t, nanos: 0, zoneless: false })
            }
            TimeFormat::Pattern(p) => {
                if matches!(parse_time(s), Ok(None)) {
                    return Ok(None);
                }
                Some(by_pattern(s, p).ok_or_else(|| format!("not a time of the form `{p}`"))?)
            }
        };
        Ok(match self.offset_s {
            Some(o) => parsed.map(|p| p.with_offset(o)),
            None => parsed,
        })
    }
}

fn by_pattern(s: &str, pattern: &str) -> Option<ParsedTime> {
    let exact = |us, zoneless| ParsedTime {
        lo: Time::from_micros(us),
        hi: Time::from_micros(us),
        nanos: 0,
        zoneless,
    };
    if let Ok(t) = chrono::DateTime::parse_from_str(s, pattern) {
        return Some(exact(t.timestamp_micros(), false));
    }
    if let Ok(t) = chrono::NaiveDateTime::parse_from_str(s, pattern) {
        return Some(exact(t.and_utc().timestamp_micros(), true));
    }
    let day = chrono::NaiveDate::parse_from_str(s, pattern).ok()?.and_hms_opt(0, 0, 0)?;
    let lo = Time::from_micros(day.and_utc().timestamp_micros());
    Some(ParsedTime { lo, hi: lo.plus_secs(86_400), nanos: 0, zoneless: true })
}

fn parse_offset(s: &str) -> Result<i64, String> {
    let wrong = || format!("time_offset `{s}` is not an offset; use +02:00");
    if s.eq_ignore_ascii_case("z") || s.eq_ignore_ascii_case("utc") {
        return Ok(0);
    }
    let (sign, rest) = match s.split_at_checked(1) {
        Some(("+", rest)) => (1, rest),
        Some(("-", rest)) => (-1, rest),
        _ => return Err(wrong()),
    };
    let (h, m) = rest.split_once(':').ok_or_else(wrong)?;
    let (h, m): (u8, u8) = (h.parse().map_err(|_| wrong())?, m.parse().map_err(|_| wrong())?);
    if h > 23 || m > 59 {
        return Err(wrong());
    }
    Ok(sign * (i64::from(h) * 3600 + i64::from(m) * 60))
}
