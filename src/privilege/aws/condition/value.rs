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

/// ISO 8601 or epoch seconds (5.3.6).
pub(super) fn date(s: &str) -> Option<Time> {
    let s = s.trim();
    if let Ok(secs) = s.parse::<i64>() {
        // Four digits are a year, as ISO 8601 allows.
        return if s.len() == 4 {
            parse_rfc3339(&format!("{s}-01-01"))
        } else {
            Some(Time::from_secs(secs))
        };
    }
    parse_rfc3339(s).or_else(|| {
        let minutes = s.strip_suffix('Z').unwrap_or(s);
        parse_rfc3339(&format!("{minutes}:00"))
    })
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
