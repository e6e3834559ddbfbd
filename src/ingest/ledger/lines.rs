//! Text logs line by line, and the times at the head of their lines.

use std::io::{BufRead, BufReader};

use crate::facts::time::parse_time;
use crate::facts::{Time, text};
use crate::ingest::reader::{self, BOUNDS, LineGuard};
use crate::ingest::source::{Batch, Context, IngestError, Input};

/// Calls `each` with every line that is not blank and its number. A line that `each` refuses, and one
/// that is no text, goes to quarantine. Lines are bounded like records.
///
/// # Errors
/// When the file cannot be read, or a line hits the bound.
pub fn each(
    input: &Input,
    batch: &mut Batch,
    each: &mut dyn FnMut(&str, u64, &mut Batch) -> Result<(), String>,
) -> Result<(), IngestError> {
    let stream = LineGuard::new(reader::open(input)?, BOUNDS.line);
    let mut stream = BufReader::with_capacity(256 * 1024, stream);
    let mut line = Vec::new();
    let mut number = 0u64;
    loop {
        line.clear();
        let n = stream.read_until(b'\n', &mut line).map_err(|e| reader::explain(input, e))?;
        if n == 0 {
            return Ok(());
        }
        number += 1;
        let body = line.trim_ascii_end();
        if body.trim_ascii().is_empty() {
            continue;
        }
        batch.records += 1;
        match std::str::from_utf8(body) {
            Err(_) => batch.quarantine(format!("L{number}"), "not UTF-8 text"),
            Ok(body) => {
                if let Err(reason) = each(body, number, batch) {
                    batch.quarantine(format!("L{number}"), reason);
                }
            }
        }
    }
}

/// Year that the mapping of a file states for times without one (`constants = { year = "2026" }`).
#[must_use]
pub fn stated_year(ctx: &Context<'_>) -> Option<i64> {
    ctx.mapping?.constants.get("year")?.trim().parse().ok()
}

/// Time at the head of a line of syslog, and the rest of the line: RFC 3339, or `Nov 22 02:04:49` with
/// the year behind it or stated by the mapping. Zoneless times are read as UTC and counted.
///
/// # Errors
/// When the head is no time, or has no year and none is stated.
pub fn head_time<'l>(
    line: &'l str,
    year: Option<i64>,
    batch: &mut Batch,
) -> Result<(Time, &'l str), String> {
    let (first, rest) = line.split_once(' ').ok_or("the line has no time")?;
    let mut count = |zoneless: bool| batch.ambiguous_times += i64::from(zoneless);
    if first.contains('T')
        && let Ok(Some(t)) = parse_time(first)
    {
        count(t.zoneless);
        return Ok((t.lo, rest.trim_start()));
    }
    let mut words = line.split_ascii_whitespace();
    let (month, day, clock) = match (words.next(), words.next(), words.next()) {
        (Some(m), Some(d), Some(c)) if c.contains(':') => (m, d, c.trim_end_matches(':')),
        _ => return Err("the line does not begin with a time".into()),
    };
    let after = rest_behind(line, 3);
    let (own, after) = match after.split_once(' ') {
        Some((y, tail)) if y.len() == 4 && y.bytes().all(|b| b.is_ascii_digit()) => {
            (y.parse::<i64>().ok(), tail)
        }
        _ => (None, after),
    };
    let Some(year) = own.or(year) else {
        return Err(
            "the time has no year: write the log with one (`log_year` of sudo, ISO times of \
             syslog), or state it in a mapping (`constants = { year = \"2026\" }`)"
                .into(),
        );
    };
    let written = format!("{month} {day}, {year} {clock}");
    let t = parse_time(&written)
        .ok()
        .flatten()
        .ok_or_else(|| format!("`{}` is no time", crate::ingest::table::short(&written)))?;
    count(true);
    Ok((t.lo, after.trim_start()))
}

/// What stands behind the first `n` words of a line.
fn rest_behind(line: &str, n: usize) -> &str {
    let mut rest = line;
    for _ in 0..n {
        rest = rest.trim_start();
        rest = rest.find(char::is_whitespace).and_then(|at| rest.get(at..)).unwrap_or("");
    }
    rest.trim_start()
}

/// Notes on the source that a text log has no place for other lines.
pub fn note_others(batch: &mut Batch, n: u64) {
    if n > 0 {
        batch.limitation = Some(text(format!("{n} lines are about other things")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::time::parse_rfc3339;

    #[test]
    fn times_at_the_head_of_lines() {
        let mut batch = Batch::new(&text("S1"));
        let mut at = |s: &str, year| head_time(s, year, &mut batch).map(|(t, r)| (t, r.to_owned()));
        let want = parse_rfc3339("2026-11-22T02:04:49Z").unwrap();
        let ok = |rest: &str| Ok((want, rest.to_owned()));
        assert_eq!(at("Nov 22 02:04:49 2026 : a : b", None), ok(": a : b"));
        assert_eq!(at("Nov 22 02:04:49 : a : b", Some(2026)), ok(": a : b"));
        assert_eq!(at("Nov  2 02:04:49 h x", Some(2026)).unwrap().1, "h x");
        assert_eq!(at("2026-11-22T03:04:49+01:00 h sudo: x", None), ok("h sudo: x"));
        assert!(at("Nov 22 02:04:49 : a : b", None).unwrap_err().contains("no year"));
        for bad in ["", "x", "Nov", "Nov 22", "a b c", "Nov 99 02:04:49 2026 x", "é é é:é 2026 x"]
        {
            assert!(at(bad, Some(2026)).is_err(), "{bad}");
        }
        assert_eq!(batch.ambiguous_times, 3);
    }
}
