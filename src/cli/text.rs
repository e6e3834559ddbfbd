//! Untrusted text on a terminal.

use std::borrow::Cow;
use std::fmt::Write;

/// Makes text safe to print on one line of a terminal: control characters (C0, DEL, C1), line and
/// paragraph separators, bidirectional and invisible format characters become visible escapes.
/// A backslash is doubled only where the text has such characters, so that the result is
/// unambiguous there and ordinary text stays as it is.
#[must_use]
pub fn safe(s: &str) -> Cow<'_, str> {
    if !s.chars().any(is_unsafe) {
        return Cow::Borrowed(s);
    }
    let mut out = String::with_capacity(s.len() + 16);
    for c in s.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if is_unsafe(c) => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Makes JSON text safe to print: the same characters as in [`safe`] become `\u` escapes of JSON, which
/// mean the same to a program. Outside of strings JSON has none of them but line breaks.
#[must_use]
pub fn safe_json(json: &str) -> Cow<'_, str> {
    let unsafe_here = |c: char| is_unsafe(c) && c != '\n';
    if !json.chars().any(unsafe_here) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if unsafe_here(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Rows with aligned columns, two blanks between them, nothing behind the last one.
/// Columns whose header starts with `>` are aligned to the right.
#[must_use]
pub fn aligned(header: &[&str], rows: &[Vec<String>]) -> String {
    let titles: Vec<&str> = header.iter().map(|h| h.trim_start_matches('>')).collect();
    let mut widths: Vec<usize> = titles.iter().map(|t| t.chars().count()).collect();
    let rows: Vec<Vec<Cow<'_, str>>> =
        rows.iter().map(|r| r.iter().map(|c| safe(c)).collect()).collect();
    for row in &rows {
        for (w, cell) in widths.iter_mut().zip(row) {
            *w = (*w).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for ((cell, width), head) in cells.zip(&widths).zip(header) {
            let fill = " ".repeat(width.saturating_sub(cell.chars().count()));
            if head.starts_with('>') {
                text.push_str(&fill);
                text.push_str(cell);
            } else {
                text.push_str(cell);
                text.push_str(&fill);
            }
            text.push_str("  ");
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(&mut titles.iter().copied());
    for row in &rows {
        line(&mut row.iter().map(AsRef::as_ref));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn controls_become_visible() {
        assert_eq!(safe("plain \\ text é"), "plain \\ text é");
        assert_eq!(safe("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(safe("x\u{202e}gpj.exe\n"), "x\\u{202e}gpj.exe\\n");
        assert_eq!(safe("\u{9b}2J\\\0\u{7f}"), "\\u{9b}2J\\\\\\u{0}\\u{7f}");
    }

    #[test]
    fn json_stays_the_same_json() {
        let text = "{\n \"a\": \"x\u{202e}\u{9b}\u{e0041}\u{7f}é\"\n}\n";
        let printed = safe_json(text);
        assert_eq!(printed, "{\n \"a\": \"x\\u202e\\u009b\\udb40\\udc41\\u007fé\"\n}\n");
        let [a, b]: [serde_json::Value; 2] =
            [text, &printed].map(|t| serde_json::from_str(t).unwrap());
        assert_eq!(a, b);
    }

    #[test]
    fn columns_line_up() {
        let rows = vec![vec!["a".into(), "10".into()], vec!["long".into(), "7".into()]];
        assert_eq!(aligned(&["name", ">n"], &rows), "name   n\na     10\nlong   7\n");
    }

    proptest! {
        #[test]
        fn nothing_unsafe_is_left(s in any::<String>()) {
            prop_assert!(!safe(&s).chars().any(is_unsafe));
        }
    }
}
