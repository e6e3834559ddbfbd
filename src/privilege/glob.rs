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

fn char_len(s: &[u8], at: usize) -> usize {
    let mut n = 1;
    while s.get(at + n).is_some_and(|b| b & 0xC0 == 0x80) {
        n += 1;
    }
    n
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
}
