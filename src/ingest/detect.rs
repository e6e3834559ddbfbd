//! What a file is, by its first bytes: shape, delimiter, and the keys at the top.
//!
//! The JSON scanner is iterative and tolerant, because it sees heads that are cut anywhere.

use super::reader;
use super::source::{IngestError, Input, Probe, Shape};

/// Shape and keys of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// Shape.
    pub shape: Shape,
    /// Keys or column names, as in [`Probe::keys`].
    pub keys: Vec<String>,
    /// Delimiter, for [`Shape::Csv`].
    pub delimiter: u8,
}

/// Looks at the head of a file. `complete` says that the head is the whole content.
#[must_use]
pub fn detect(head: &[u8], complete: bool) -> Detected {
    let found = |shape, keys| Detected { shape, keys, delimiter: b',' };
    if head.starts_with(b"PAR1") {
        return found(Shape::Parquet, Vec::new());
    }
    let body = head.trim_ascii_start();
    if body.is_empty() {
        return found(Shape::Empty, Vec::new());
    }
    match body.first() {
        Some(b'{') => {
            let scan = scan_object(body);
            let rest = body.get(scan.end..).unwrap_or(&[]);
            let one_line = !body.get(..scan.end).unwrap_or(&[]).contains(&b'\n');
            let more = !rest.trim_ascii_start().is_empty();
            if scan.closed && one_line && more {
                found(Shape::Ndjson, scan.keys)
            } else if scan.keys.is_empty() && !scan.closed && complete {
                found(Shape::Text, Vec::new())
            } else {
                found(Shape::JsonObject, scan.keys)
            }
        }
        Some(b'[') => {
            let inner = body.get(1..).unwrap_or(&[]).trim_ascii_start();
            let keys =
                if inner.first() == Some(&b'{') { scan_object(inner).keys } else { Vec::new() };
            found(Shape::JsonArray, keys)
        }
        _ if is_binary(head, complete) => found(Shape::Binary, Vec::new()),
        _ => csv_header(body).unwrap_or_else(|| found(Shape::Text, Vec::new())),
    }
}

/// Head, shape and keys of a file on disk; the columns of a Parquet file come from its footer.
///
/// # Errors
/// When the file cannot be read.
pub fn examine(input: &Input) -> Result<(Vec<u8>, Detected), IngestError> {
    let (head, complete) = reader::head(input)?;
    let mut detected = detect(&head, complete);
    if detected.shape == Shape::Parquet {
        detected.keys = super::table::parquet_columns(input)?;
    }
    Ok((head, detected))
}

/// Lower-case name without the suffix of a compression.
#[must_use]
pub fn probe_name(name: &str) -> String {
    let lower = name.to_lowercase();
    for suffix in [".gz", ".zst", ".zstd", ".gzip"] {
        if let Some(stem) = lower.strip_suffix(suffix) {
            return stem.to_owned();
        }
    }
    lower
}

/// Name with the folder that was given as the argument in front: some formats are told apart by where
/// a file lies, and the folder says as much when it is the argument itself.
#[must_use]
pub fn place_name(input: &Input) -> String {
    let path = input.path.to_string_lossy().replace('\\', "/");
    let folder = path
        .strip_suffix(&input.name)
        .and_then(|root| root.trim_end_matches('/').rsplit('/').next())
        .filter(|f| !f.is_empty() && *f != "." && *f != "..");
    match folder {
        Some(folder) => format!("{folder}/{}", input.name),
        None => input.name.clone(),
    }
}

/// Builds the probe that adapters see.
#[must_use]
pub fn probe<'a>(name: &'a str, head: &'a [u8], detected: &Detected) -> Probe<'a> {
    Probe { name, head, shape: detected.shape, keys: detected.keys.clone() }
}

struct Scan {
    keys: Vec<String>,
    /// Bytes up to and with the closing brace, or all when it is not in the head.
    end: usize,
    closed: bool,
}

/// Collects the keys of the object that `b` starts with; stops at its end or the end of the head.
fn scan_object(b: &[u8]) -> Scan {
    let mut keys = Vec::new();
    let mut depth = 0usize;
    let mut expect_key = false;
    let mut i = 0usize;
    while let Some(&c) = b.get(i) {
        match c {
            b'{' | b'[' => {
                depth += 1;
                expect_key = c == b'{' && depth == 1;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Scan { keys, end: i + 1, closed: true };
                }
            }
            b',' if depth == 1 => expect_key = true,
            b'"' => {
                let Some(close) = string_end(b, i) else { break };
                if depth == 1 && expect_key {
                    let raw = b.get(i..=close).unwrap_or(&[]);
                    if let Ok(key) = serde_json::from_slice::<String>(raw) {
                        keys.push(key);
                    }
                    expect_key = false;
                }
                i = close;
            }
            _ => {}
        }
        i += 1;
    }
    Scan { keys, end: b.len(), closed: false }
}

/// Index of the quote that closes the string opened at `at`.
fn string_end(b: &[u8], at: usize) -> Option<usize> {
    let mut i = at + 1;
    loop {
        match b.get(i)? {
            b'\\' => i += 2,
            b'"' => return Some(i),
            _ => i += 1,
        }
    }
}

fn is_binary(head: &[u8], complete: bool) -> bool {
    let first = head.get(..4096).unwrap_or(head);
    if first.contains(&0) {
        return true;
    }
    let controls = first
        .iter()
        .filter(|b| **b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b))
        .count();
    // Latin-1 text has stray high bytes; only a head full of them is binary.
    let broken = match std::str::from_utf8(first) {
        Ok(_) => 0,
        Err(e) if !complete && e.valid_up_to() + 4 > first.len() => 0,
        Err(_) => first.iter().filter(|b| **b >= 0x80).count(),
    };
    controls * 20 > first.len() || broken * 3 > first.len()
}

/// Header of delimited text: the delimiter that splits the first line most often.
fn csv_header(body: &[u8]) -> Option<Detected> {
    let delimiter = [b',', b';', b'\t']
        .into_iter()
        .map(|d| (first_record(body, d).map_or(0, |cells| cells.len()), d))
        .max_by_key(|(n, d)| (*n, std::cmp::Reverse(*d)))
        .filter(|(n, _)| *n > 1)?
        .1;
    let keys = first_record(body, delimiter)?;
    let plausible =
        |k: &String| k.chars().count() <= 128 && !k.contains(['{', '}', '<', '>', '\u{fffd}']);
    let named = keys.iter().filter(|k| !k.is_empty()).count();
    (named >= 2 && keys.iter().all(plausible)).then_some(Detected {
        shape: Shape::Csv,
        keys,
        delimiter,
    })
}

fn first_record(body: &[u8], delimiter: u8) -> Option<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(body.get(..64 * 1024).unwrap_or(body));
    let mut record = csv::ByteRecord::new();
    let read = reader.read_byte_record(&mut record).ok()?;
    read.then(|| record.iter().map(|c| String::from_utf8_lossy(c).trim().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shape(s: &str) -> (Shape, Vec<String>) {
        let d = detect(s.as_bytes(), true);
        (d.shape, d.keys)
    }

    fn keys(list: &[&str]) -> Vec<String> {
        list.iter().map(|s| (*s).to_owned()).collect()
    }

    #[test]
    fn shapes() {
        assert_eq!(
            shape(" {\"a\": {\"x\":1}, \"b\": [\"{\"]}"),
            (Shape::JsonObject, keys(&["a", "b"]))
        );
        assert_eq!(shape("{\"a\":1}\n{\"a\":2}\n"), (Shape::Ndjson, keys(&["a"])));
        assert_eq!(
            shape("[ {\"a\":\"b\\\"c\",\"d\":[1,2]}, {}]"),
            (Shape::JsonArray, keys(&["a", "d"]))
        );
        assert_eq!(shape("[]"), (Shape::JsonArray, vec![]));
        assert_eq!(shape(" a , b ;c,d\n1,2,3\n"), (Shape::Csv, keys(&["a", "b ;c", "d"])));
        assert_eq!(shape("a\tb\n1\t2"), (Shape::Csv, keys(&["a", "b"])));
        assert_eq!(shape("a;b;c\n1,5;2;3"), (Shape::Csv, keys(&["a", "b", "c"])));
        assert_eq!(shape("\"x,y\",z\n"), (Shape::Csv, keys(&["x,y", "z"])));
        assert_eq!(shape("one word"), (Shape::Text, vec![]));
        assert_eq!(shape("  \n"), (Shape::Empty, vec![]));
        assert_eq!(shape("\u{1}\u{0}abc"), (Shape::Binary, vec![]));
        assert_eq!(detect(b"PAR1\x15\x04", false).shape, Shape::Parquet);
        assert_eq!(detect(b"\x7fELF\x02\x01\x01\0\0\0", true).shape, Shape::Binary);
    }

    #[test]
    fn cut_heads_keep_their_keys() {
        let d = detect(br#"{"GroupDetailList": [{"x": "y"}], "Users": [{"na"#, false);
        assert_eq!((d.shape, d.keys), (Shape::JsonObject, keys(&["GroupDetailList", "Users"])));
        let d = detect(br#"[{"id": 1, "ro"#, false);
        assert_eq!((d.shape, d.keys), (Shape::JsonArray, keys(&["id"])));
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        assert_eq!(detect(deep.as_bytes(), false).shape, Shape::JsonObject);
    }

    proptest! {
        #[test]
        fn never_panics(b in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = detect(&b, true);
            let _ = detect(&b, false);
        }

        #[test]
        fn never_panics_near_json(s in "[\\[\\]{}\",:\\\\a1 \n]{0,80}") {
            let _ = detect(s.as_bytes(), false);
        }
    }
}
