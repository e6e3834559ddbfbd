//! Linear-time wildcard matching: `*` any run, `?` exactly one character. No other syntax, and no
//! regular expression is ever built from input.

/// Whether `pattern` matches the whole of `s`, byte by byte, case-sensitive.
#[must_use]
pub fn matches(pattern: &str, s: &str) -> bool {
    matches_by(pattern.as_bytes(), s.as_bytes(), |a, b| a == b)
}

/// Whether `pattern` matches the whole of `s`, ignoring ASCII case.
#[must_use]
pub fn matches_ignore_case(pattern: &str, s: &str) -> bool {
    matches_by(pattern.as_bytes(), s.as_bytes(), |a, b| a.eq_ignore_ascii_case(&b))
}

/// Two-pointer match with backtracking to the last `*` only: O(len(p) * len(s)) at worst, no recursion.
fn matches_by(p: &[u8], s: &[u8], eq: impl Fn(u8, u8) -> bool) -> bool {
    let (mut pi, mut si) = (0usize, 0usize);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&c) = s.get(si) {
        match p.get(pi) {
            Some(b'*') => {
                star = Some((pi, si));
                pi += 1;
            }
            Some(&q) if q == b'?' || eq(q, c) => {
                // `?` stands for one character, not one byte of a longer UTF-8 sequence.
                si += if q == b'?' { char_len(s, si) } else { 1 };
                pi += 1;
            }
            _ => match star {
                Some((sp, ss)) => {
                    pi = sp + 1;
                    si = ss + 1;
                    star = Some((sp, ss + 1));
                }
                None => return false,
            },
        }
    }
    p.get(pi..).is_some_and(|rest| rest.iter().all(|&b| b == b'*'))
}

/// [`matches`] for a pattern in pieces; the wildcards of a piece that is literal (`true`) stand for
/// themselves. `eq` compares two bytes.
#[must_use]
pub fn matches_pieces<S: AsRef<str>>(
    pieces: &[(S, bool)],
    s: &str,
    eq: impl Fn(u8, u8) -> bool,
) -> bool {
    let s = s.as_bytes();
    // The byte at a place of the pattern, whether it is literal, and the place behind it.
    let at = |mut place: (usize, usize)| loop {
        let (text, literal) = pieces.get(place.0)?;
        if let Some(&b) = text.as_ref().as_bytes().get(place.1) {
            return Some((b, *literal, (place.0, place.1 + 1)));
        }
        place = (place.0 + 1, 0);
    };
    let (mut pi, mut si) = ((0usize, 0usize), 0usize);
    let mut star: Option<((usize, usize), usize)> = None;
    while let Some(&c) = s.get(si) {
        match at(pi) {
            Some((b'*', false, next)) => {
                star = Some((next, si));
                pi = next;
            }
            Some((b'?', false, next)) => {
                si += char_len(s, si);
                pi = next;
            }
            Some((q, _, next)) if eq(q, c) => {
                si += 1;
                pi = next;
            }
            _ => match star {
                Some((behind, from)) => {
                    pi = behind;
                    si = from + 1;
                    star = Some((behind, from + 1));
                }
                None => return false,
            },
        }
    }
    while let Some((b'*', false, next)) = at(pi) {
        pi = next;
    }
    at(pi).is_none()
}

fn char_len(s: &[u8], at: usize) -> usize {
    let mut n = 1;
    while s.get(at + n).is_some_and(|b| b & 0xC0 == 0x80) {
        n += 1;
    }
    n
}

/// Whether every string that `inner` matches is matched by `outer` too, byte by byte, case-sensitive.
///
/// Sound, not complete: `true` always holds, `false` may also mean "not seen". The wildcards of
/// `inner` become symbols of their own: a run is absorbed only by `*`, a single character also by `?`.
#[must_use]
pub fn contains(outer: &str, inner: &str) -> bool {
    contains_by(outer.as_bytes(), inner.as_bytes(), |a, b| a == b)
}

/// [`contains`] without regard to ASCII case.
#[must_use]
pub fn contains_ignore_case(outer: &str, inner: &str) -> bool {
    contains_by(outer.as_bytes(), inner.as_bytes(), |a, b| a.eq_ignore_ascii_case(&b))
}

fn contains_by(p: &[u8], s: &[u8], eq: impl Fn(u8, u8) -> bool) -> bool {
    let (mut pi, mut si) = (0usize, 0usize);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&c) = s.get(si) {
        match p.get(pi) {
            Some(b'*') => {
                star = Some((pi, si));
                pi += 1;
            }
            // One `?` of the outer pattern stands for one character of the inner text, or for a `?`.
            Some(b'?') if c != b'*' => {
                si += char_len(s, si);
                pi += 1;
            }
            Some(&q) if c != b'*' && c != b'?' && eq(q, c) => {
                si += 1;
                pi += 1;
            }
            _ => match star {
                Some((sp, ss)) => {
                    pi = sp + 1;
                    si = ss + 1;
                    star = Some((sp, ss + 1));
                }
                None => return false,
            },
        }
    }
    p.get(pi..).is_some_and(|rest| rest.iter().all(|&b| b == b'*'))
}

/// Whether some string is matched by both patterns, byte by byte, case-sensitive. May say `true`
/// wrongly only where `?` meets part of a multi-byte character.
#[must_use]
pub fn overlaps(a: &str, b: &str) -> bool {
    overlaps_by(a.as_bytes(), b.as_bytes(), |x, y| x == y)
}

/// [`overlaps`] without regard to ASCII case.
#[must_use]
pub fn overlaps_ignore_case(a: &str, b: &str) -> bool {
    overlaps_by(a.as_bytes(), b.as_bytes(), |x, y| x.eq_ignore_ascii_case(&y))
}

/// Row-by-row reachability over the product of both patterns: O(len(a) * len(b)), no recursion.
fn overlaps_by(a: &[u8], b: &[u8], eq: impl Fn(u8, u8) -> bool) -> bool {
    let literal = |p: &[u8]| p.iter().position(|c| matches!(c, b'*' | b'?')).unwrap_or(p.len());
    let shared = literal(a).min(literal(b));
    if !a.iter().zip(b).take(shared).all(|(&x, &y)| eq(x, y)) {
        return false;
    }
    // Mostly one of them is a run and nothing else, or both are plain.
    let run = |p: &[u8]| !p.is_empty() && p.iter().all(|c| *c == b'*');
    if run(a) || run(b) {
        return true;
    }
    if literal(a) == a.len() && literal(b) == b.len() {
        return a.len() == b.len();
    }
    // row[j]: the empty rest of `a` handled so far can still agree with the first j bytes of `b`.
    let mut row = vec![false; b.len() + 1];
    let mut open = true;
    for (slot, c) in row.iter_mut().zip(std::iter::once(&b'*').chain(b)) {
        open = open && *c == b'*';
        *slot = open;
    }
    let mut next = Vec::with_capacity(row.len());
    for &x in a {
        next.clear();
        let mut left = false;
        let mut diagonal = false;
        for (j, &up) in row.iter().enumerate() {
            let y = j.checked_sub(1).and_then(|i| b.get(i)).copied();
            let here = if x == b'*' {
                up || left
            } else {
                match y {
                    None => false,
                    Some(b'*') => up || left || diagonal,
                    Some(y) => diagonal && (x == b'?' || y == b'?' || eq(x, y)),
                }
            };
            // A `*` in `b` may also stay empty (`left`) or swallow this byte of `a` (`up`).
            next.push(here);
            left = here;
            diagonal = up;
        }
        std::mem::swap(&mut row, &mut next);
    }
    row.last().copied().unwrap_or(false)
}

/// Product of the lengths of two patterns up to which [`witness`] looks for a common text.
const WITNESS_WORK: usize = 1 << 18;

/// A text that both patterns match, byte by byte; `None` when there is none, or when it is not looked
/// for (patterns that are very long or hold more than ASCII).
#[must_use]
pub fn witness(a: &str, b: &str, eq: impl Fn(u8, u8) -> bool) -> Option<String> {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if !a.is_ascii() || !b.is_ascii() || (a.len() + 1) * (b.len() + 1) > WITNESS_WORK {
        return None;
    }
    let width = b.len() + 1;
    // fits[i * width + j]: the rests behind i and j agree on some text.
    let mut fits = vec![false; (a.len() + 1) * width];
    for i in (0..=a.len()).rev() {
        for j in (0..=b.len()).rev() {
            let at = |i: usize, j: usize| fits.get(i * width + j).copied().unwrap_or(false);
            let yes = match (a.get(i), b.get(j)) {
                (None, None) => true,
                (Some(b'*'), _) if at(i + 1, j) => true,
                (_, Some(b'*')) if at(i, j + 1) => true,
                (Some(b'*'), Some(_)) => at(i, j + 1),
                (Some(_), Some(b'*')) => at(i + 1, j),
                (Some(&x), Some(&y)) => (x == b'?' || y == b'?' || eq(x, y)) && at(i + 1, j + 1),
                _ => false,
            };
            if let Some(slot) = fits.get_mut(i * width + j) {
                *slot = yes;
            }
        }
    }
    let at = |i: usize, j: usize| j < width && fits.get(i * width + j).copied().unwrap_or(false);
    if !at(0, 0) {
        return None;
    }
    let (mut i, mut j) = (0, 0);
    let mut out = String::new();
    let mut put = |c: u8| out.push(if c == b'?' { 'x' } else { char::from(c) });
    loop {
        match (a.get(i), b.get(j)) {
            (Some(b'*'), _) if at(i + 1, j) => i += 1,
            (_, Some(b'*')) if at(i, j + 1) => j += 1,
            (Some(b'*'), Some(&y)) => {
                put(y);
                j += 1;
            }
            (Some(&x), Some(b'*')) => {
                put(x);
                i += 1;
            }
            (Some(&x), Some(&y)) => {
                put(if x == b'?' { y } else { x });
                i += 1;
                j += 1;
            }
            _ => return Some(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basics() {
        assert!(matches("*", ""));
        assert!(matches("a*c", "abbbc"));
        assert!(matches("a?c", "aéc"));
        assert!(!matches("a?c", "ac"));
        assert!(!matches("a", "ab"));
        assert!(matches_ignore_case("IAM:get*", "iam:GetUser"));
        assert!(matches("*a*b*c*", "xxaxxbxxcxx"));
        assert!(!matches("*a*b*c", "xxaxxbxxcxx"));
    }

    #[test]
    fn containment() {
        assert!(contains("arn:*", "arn:aws:s3:::b/*"));
        assert!(!contains("arn:aws:s3:::b/?", "arn:aws:s3:::b/*"));
        assert!(contains("a?c", "a?c"));
        assert!(!contains("abc", "a?c"));
        assert!(overlaps("a*", "*b"));
        assert!(!overlaps("a*", "b*"));
        assert!(overlaps("*", ""));
        assert!(overlaps("", "***"));
        assert!(!overlaps("?", ""));
    }

    /// Slow reference: recursion over both texts.
    fn slow(p: &[u8], s: &[u8]) -> bool {
        match (p.split_first(), s.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) if slow(rest, s) => true,
            (Some((b'*', _)), Some((_, tail))) => slow(p, tail),
            (Some((c, rest)), Some((d, tail))) if c == d || *c == b'?' => slow(rest, tail),
            _ => false,
        }
    }

    fn words() -> Vec<String> {
        let mut all = vec![String::new()];
        let mut last = all.clone();
        for _ in 0..5 {
            last = last.iter().flat_map(|w| ["a", "b"].map(|c| format!("{w}{c}"))).collect();
            all.extend(last.clone());
        }
        all
    }

    proptest::proptest! {
        #[test]
        fn matches_agrees_with_the_slow_reference(p in "[ab*?]{0,7}", s in "[ab]{0,7}") {
            proptest::prop_assert_eq!(matches(&p, &s), slow(p.as_bytes(), s.as_bytes()));
        }

        #[test]
        fn pieces_agree_with_the_whole(p in "[ab*?]{0,4}", q in "[ab*?]{0,4}", l in "[ab]{0,3}", s in "[ab]{0,8}") {
            let pieces = [(p.as_str(), false), (l.as_str(), true), (q.as_str(), false)];
            let whole = format!("{p}{l}{q}");
            proptest::prop_assert_eq!(matches_pieces(&pieces, &s, |a, b| a == b), matches(&whole, &s));
        }

        #[test]
        fn containment_is_sound(p in "[ab*?]{0,5}", q in "[ab*?]{0,5}") {
            if contains(&p, &q) {
                for w in words() {
                    proptest::prop_assert!(!matches(&q, &w) || matches(&p, &w), "{} {} {}", p, q, w);
                }
            }
        }

        #[test]
        fn a_witness_is_matched_by_both(p in "[ab*?]{0,6}", q in "[ab*?]{0,6}") {
            match witness(&p, &q, |x, y| x == y) {
                Some(w) => proptest::prop_assert!(matches(&p, &w) && matches(&q, &w), "{} {} {}", p, q, w),
                None => proptest::prop_assert!(!overlaps(&p, &q), "{} {}", p, q),
            }
        }

        #[test]
        fn overlap_is_exact(p in "[ab*?]{0,4}", q in "[ab*?]{0,4}") {
            let some = words().iter().any(|w| matches(&p, w) && matches(&q, w));
            // A shortest common word never needs more bytes than both patterns together.
            if some {
                proptest::prop_assert!(overlaps(&p, &q));
            } else if p.len() + q.len() <= 5 {
                proptest::prop_assert!(!overlaps(&p, &q), "{} {}", p, q);
            }
        }
    }
}
