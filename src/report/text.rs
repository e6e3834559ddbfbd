//! Words that every format shares: durations, times, counts, and untrusted text made visible.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Characters that change what a reader or a terminal sees without being seen themselves: C0 and C1
/// controls, bidirectional controls, zero-width characters, line and paragraph separators, tags.
#[must_use]
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{FFFE}' | '\u{FFFF}'
            | '\u{E0000}'..='\u{E007F}')
}

/// Replaces deceptive characters by visible escapes (`\n`, `\u{1b}`, `\u{202e}`).
#[must_use]
pub fn visible(s: &str) -> Cow<'_, str> {
    if !s.chars().any(is_deceptive) {
        return Cow::Borrowed(s);
    }
    let mut out = String::with_capacity(s.len() + 16);
    for c in s.chars() {
        if is_deceptive(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Shortens to at most `max` characters and says how many there were.
#[must_use]
pub fn clip(s: &str, max: usize) -> Cow<'_, str> {
    let total = s.chars().count();
    if total <= max {
        return Cow::Borrowed(s);
    }
    let mut out: String = s.chars().take(max).collect();
    // Writing to a String cannot fail.
    let _ = write!(out, "… ({} characters)", count(u64::try_from(total).unwrap_or(u64::MAX)));
    Cow::Owned(out)
}

/// A duration in its two largest units (`6 h 40 min`, `17 d 18 h`, `45 s`).
#[must_use]
pub fn duration(s: i64) -> String {
    let sign = if s < 0 { "-" } else { "" };
    let s = s.unsigned_abs();
    let units = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let mut parts = Vec::new();
    let mut rest = s;
    for (size, unit) in units {
        let n = rest / size;
        rest %= size;
        if n > 0 {
            parts.push(format!("{} {unit}", count(n)));
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() {
        return "0 s".into();
    }
    format!("{sign}{}", parts.join(" "))
}

/// A count with a thin grouping comma (`12,345`).
#[must_use]
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A count with its noun (`1 grant`, `12 grants`).
#[must_use]
pub fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// A share as a percentage; never rounds an incomplete share up to 100 % nor a positive one to 0 %.
#[must_use]
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".into();
    }
    let tenths = u128::from(part) * 1000 / u128::from(whole);
    let exact = u128::from(part) * 1000 == tenths * u128::from(whole);
    match (tenths, exact) {
        (0, false) => "< 0.1 %".into(),
        (t, _) if t % 10 == 0 => format!("{} %", t / 10),
        (t, _) => format!("{}.{} %", t / 10, t % 10),
    }
}

/// An RFC 3339 UTC time as people read it (`2026-03-01 12:00:05`); other text stays as it is.
#[must_use]
pub fn when(s: &str) -> Cow<'_, str> {
    let well_formed =
        s.len() >= 20 && s.ends_with('Z') && s.is_ascii() && s.as_bytes().get(10) == Some(&b'T');
    if !well_formed {
        return Cow::Borrowed(s);
    }
    let body = s.trim_end_matches('Z').replacen('T', " ", 1);
    // Fractions of a second stay in the data files; here they are noise.
    Cow::Owned(body.split('.').next().unwrap_or(&body).to_string())
}

/// A title with its version, which many titles name already.
#[must_use]
pub fn titled(name: &str, version: &str) -> String {
    let first = version.split_whitespace().next().unwrap_or_default();
    if name.split_whitespace().any(|word| word == first) || version.is_empty() {
        return name.to_string();
    }
    format!("{name} {version}")
}

/// A UTC time without what says nothing: midnight is shown as its day, seconds only where they count.
#[must_use]
pub fn day(s: &str) -> Cow<'_, str> {
    let shown = when(s);
    if shown.len() != 19 || shown.as_bytes().get(10) != Some(&b' ') {
        return shown;
    }
    match shown.strip_suffix(":00") {
        Some(minutes) => match minutes.strip_suffix(" 00:00") {
            Some(day) => Cow::Owned(day.to_string()),
            None => Cow::Owned(minutes.to_string()),
        },
        None => shown,
    }
}

/// Pieces of a message: what stands at odd places was between back-ticks. A back-tick without a
/// second one is text.
#[must_use]
pub fn pieces(s: &str) -> Vec<String> {
    let mut out: Vec<String> = s.split('`').map(ToString::to_string).collect();
    if out.len().is_multiple_of(2)
        && let (Some(last), Some(before)) = (out.pop(), out.last_mut())
    {
        before.push('`');
        before.push_str(&last);
    }
    out
}

/// An Amazon resource name as the part that repeats (partition, service, account) and the part that
/// tells; other text as it is.
#[must_use]
pub fn arn(s: &str) -> (&str, &str) {
    if !s.starts_with("arn:") {
        return ("", s);
    }
    match s.match_indices(':').nth(4) {
        Some((at, _)) if at + 1 < s.len() => s.split_at(at + 1),
        _ => ("", s),
    }
}

/// A code word as a phrase (`no_task_link` -> `no task link`).
#[must_use]
pub fn words(code: &str) -> String {
    code.replace('_', " ")
}

/// The anchor of a finding: hexadecimal digits of its fingerprint only, so that no input text ever
/// becomes an id, whatever a bundle's `report.json` holds.
#[must_use]
pub fn anchor(fingerprint: &str) -> String {
    let hex = fingerprint.len() >= 16
        && fingerprint.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let digits = if hex {
        fingerprint.to_string()
    } else {
        crate::findings::fingerprint::digest(&[fingerprint])
    };
    format!("f-{}", digits.chars().take(16).collect::<String>())
}

/// First twelve characters of a digest or fingerprint, for reading.
#[must_use]
pub fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_read_well() {
        for (s, want) in [
            (0, "0 s"),
            (45, "45 s"),
            (60, "1 min"),
            (24_000, "6 h 40 min"),
            (86_400, "1 d"),
            (86_401, "1 d"),
            (1_533_600, "17 d 18 h"),
            (-90, "-1 min 30 s"),
            (i64::MIN, "-106,751,991,167,300 d 15 h"),
        ] {
            assert_eq!(duration(s), want, "{s}");
        }
    }

    #[test]
    fn percentages_never_flatter() {
        assert_eq!(percent(999_999, 1_000_000), "99.9 %");
        assert_eq!(percent(1, 1_000_000), "< 0.1 %");
        assert_eq!(percent(0, 7), "0 %");
        assert_eq!(percent(7, 7), "100 %");
        assert_eq!(percent(0, 0), "–");
    }

    #[test]
    fn anchors_hold_hex_only() {
        assert_eq!(anchor(&"a1".repeat(32)), "f-a1a1a1a1a1a1a1a1");
        let hostile = anchor("\" onload=alert(1) x=\"");
        assert!(hostile.strip_prefix("f-").unwrap().bytes().all(|b| b.is_ascii_hexdigit()));
    }

    #[test]
    fn versions_are_said_once() {
        assert_eq!(titled("NIST CSF 2.0", "2.0"), "NIST CSF 2.0");
        assert_eq!(titled("Top 10 for 2026", "2026 (published 2025)"), "Top 10 for 2026");
        assert_eq!(titled("SP 800-53 Rev. 5", "5.1.1"), "SP 800-53 Rev. 5 5.1.1");
        assert_eq!(titled("Own", ""), "Own");
    }

    #[test]
    fn midnight_is_a_day() {
        assert_eq!(day("2026-11-01T00:00:00Z"), "2026-11-01");
        assert_eq!(day("2026-11-01T06:30:00Z"), "2026-11-01 06:30");
        assert_eq!(day("2026-11-01T06:30:05Z"), "2026-11-01 06:30:05");
        assert_eq!(day("soon:00"), "soon:00");
    }

    #[test]
    fn odd_pieces_stood_between_back_ticks() {
        assert_eq!(pieces("`a` used `b`."), ["", "a", " used ", "b", "."]);
        assert_eq!(pieces("a ` b"), ["a ` b"]);
        assert_eq!(pieces("`a` ` b"), ["", "a", " ` b"]);
        assert_eq!(pieces("plain"), ["plain"]);
    }

    #[test]
    fn names_fall_into_account_and_resource() {
        assert_eq!(arn("arn:aws:iam::1:role/a:b"), ("arn:aws:iam::1:", "role/a:b"));
        assert_eq!(arn("arn:aws:iam::1:"), ("", "arn:aws:iam::1:"));
        assert_eq!(arn("user:é@x"), ("", "user:é@x"));
    }

    #[test]
    fn times_lose_only_their_punctuation() {
        assert_eq!(when("2026-03-01T12:00:05Z"), "2026-03-01 12:00:05");
        assert_eq!(when("2026-03-01T12:00:05.123456Z"), "2026-03-01 12:00:05");
        assert_eq!(when("not a time"), "not a time");
    }

    proptest! {
        #[test]
        fn visible_text_holds_nothing_deceptive(s in any::<String>()) {
            prop_assert!(!visible(&s).chars().any(is_deceptive));
            prop_assert_eq!(visible(&visible(&s)).into_owned(), visible(&s).into_owned());
        }

        #[test]
        fn clipping_keeps_a_prefix(s in any::<String>(), max in 0usize..40) {
            let clipped = clip(&s, max);
            let kept: String = s.chars().take(max).collect();
            prop_assert!(clipped.starts_with(&kept));
        }

        #[test]
        fn pieces_keep_the_text(s in any::<String>()) {
            let all = pieces(&s);
            prop_assert_eq!(all.len() % 2, 1);
            prop_assert_eq!(all.concat().replace('`', ""), s.replace('`', ""));
            let (account, rest) = arn(&s);
            prop_assert_eq!(format!("{account}{rest}"), s);
        }

        #[test]
        fn grouping_keeps_digits(n in any::<u64>()) {
            prop_assert_eq!(count(n).replace(',', ""), n.to_string());
        }
    }
}
