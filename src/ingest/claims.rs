//! Ends that people write into names and descriptions (`JIT INC-91 until 2025-06-08`).
//!
//! Such an end is a claim: no platform enforces it. It is read where a word that says "end" stands just
//! before a date of ISO 8601; other ways to write a date (`06/08/2025`) could mean two days and are not
//! read.

use crate::facts::Time;
use crate::facts::time::parse_time;

/// Words that announce an end.
const WORDS: [&str; 12] = [
    "until",
    "till",
    "til",
    "expires",
    "expire",
    "expiry",
    "expiration",
    "ends",
    "end",
    "through",
    "bis",
    "valid-to",
];
/// Words between one of those and its date.
const FILLERS: [&str; 9] = ["on", "at", "date", "by", "to", "the", "is", "of", "day"];
/// Most bytes that are looked at.
const MOST: usize = 4096;

/// The latest end that a text claims, with the words that do. A date without a time is its first
/// instant, UTC.
#[must_use]
pub fn claimed_end(text: &str) -> Option<(Time, String)> {
    let mut cut = text.len().min(MOST);
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    let text = text.get(..cut).unwrap_or_default();
    let mut announced: Option<&str> = None;
    let mut best: Option<(Time, String)> = None;
    for word in words(text) {
        let low = word.to_ascii_lowercase();
        let bare = low.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        // `expires=2025-06-08` and `until:2025-06-08` are one word.
        let (head, tail) = match bare.find(['=', ':']).filter(|_| !starts_as_date(bare)) {
            Some(at) => (bare.get(..at).unwrap_or(bare), bare.get(at + 1..).unwrap_or_default()),
            None => (bare, ""),
        };
        if starts_as_date(bare) || starts_as_date(tail) {
            let written = if tail.is_empty() { bare } else { tail };
            if WORDS.contains(&head) {
                announced = WORDS.iter().copied().find(|w| *w == head);
            }
            if let (Some(by), Some(t)) = (announced, date(written)) {
                let new = (t, format!("{by} {}", written.to_ascii_uppercase()));
                if best.as_ref().is_none_or(|(have, _)| *have < t) {
                    best = Some(new);
                }
            }
            announced = None;
        } else if let Some(by) = WORDS.iter().copied().find(|w| *w == head) {
            announced = Some(by);
        } else if !FILLERS.contains(&head) && !head.is_empty() {
            announced = None;
        }
    }
    best
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '(' | ')' | '[' | ']' | '"'))
}

/// `2025-06-08` and whatever follows.
fn starts_as_date(s: &str) -> bool {
    let b = s.as_bytes();
    let digit = |i: usize| b.get(i).is_some_and(u8::is_ascii_digit);
    (0..4).chain(5..7).chain(8..10).all(digit)
        && b.get(4) == Some(&b'-')
        && b.get(7) == Some(&b'-')
        && !digit(10)
}

fn date(written: &str) -> Option<Time> {
    let written = written.to_ascii_uppercase();
    let read = |s: &str| parse_time(s).ok().flatten().map(|t| t.lo);
    // `2025-06-08.` or `2025-06-08-oncall`: the day is there.
    read(&written).or_else(|| read(written.get(..10)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn end(s: &str) -> Option<(String, String)> {
        claimed_end(s).map(|(t, by)| (t.to_rfc3339(), by))
    }

    #[test]
    fn ends_that_people_write() {
        let day = |by: &str| Some(("2025-06-08T00:00:00Z".to_owned(), format!("{by} 2025-06-08")));
        for (text, by) in [
            ("JIT INC-91 until 2025-06-08", "until"),
            ("temporary (expires on 2025-06-08)", "expires"),
            ("expiry: 2025-06-08, asked by ann", "expiry"),
            ("Expires=2025-06-08;ticket=INC-91", "expires"),
            ("valid through the 2025-06-08.", "through"),
            ("from 2025-06-01 until 2025-06-08", "until"),
            ("until 2025-06-01, extended until 2025-06-08", "until"),
        ] {
            assert_eq!(end(text), day(by), "{text}");
        }
        assert_eq!(
            end("until 2025-06-08T12:00:00Z").map(|e| e.0),
            Some("2025-06-08T12:00:00Z".to_owned())
        );
    }

    #[test]
    fn other_dates_are_no_ends() {
        for text in [
            "",
            "created 2025-06-08",
            "INC-91 2025-06-08",
            "until the migration is done, see 2025-06-08",
            "until 06/08/2025",
            "until 2025-13-41",
            "until 20250608",
            "until next friday",
        ] {
            assert_eq!(end(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(s in "\\PC{0,200}") {
            let _ = claimed_end(&s);
            let _ = claimed_end(&format!("until {s} 2025-06-0{s}"));
        }
    }

    #[test]
    fn long_texts_cost_no_more() {
        assert_eq!(end(&format!("{} until 2025-06-08", "ä".repeat(1_000_000))), None);
    }
}
