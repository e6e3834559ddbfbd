//! The raw record behind an evidence place, read back from the input file.
//!
//! File names and places come from a bundle, which others may have written: the file must lie below
//! the directory the user gave, must be the one of the recorded digest, and no more than a bounded
//! piece of it is shown.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::findings::SourceRef;

use super::bundle::sha256_file;
use super::verify::candidates;

/// Most characters shown of one record.
const MAX_CHARS: usize = 4000;
/// Most decompressed bytes looked at.
const MAX_BYTES: u64 = 2 << 30;
/// Largest file that is parsed as one JSON document, decompressed.
const MAX_JSON: u64 = 512 << 20;

/// Text of the record a reference points to.
///
/// # Errors
/// One line that says why it cannot be shown.
pub fn record(source: &SourceRef, inputs: &[PathBuf]) -> Result<String, String> {
    let found = candidates(&source.file, inputs);
    if found.is_empty() {
        return Err("the file is not under the given inputs".into());
    }
    for path in found {
        if sha256_file(&path).map_err(|e| e.to_string())?.0 == *source.sha256 {
            return at(&path, &source.place).map(|t| clip(&t));
        }
    }
    Err("the file is not the one that was analysed (its SHA-256 differs)".into())
}

fn at(path: &Path, place: &str) -> Result<String, String> {
    if place.is_empty() {
        return Err("the finding is about the file as a whole".into());
    }
    if place.starts_with('/') {
        return pointer(path, place);
    }
    let number = |prefix: char| place.strip_prefix(prefix).and_then(|n| n.parse::<u64>().ok());
    if let Some(n) = number('L') {
        return line(path, n);
    }
    if number('R').is_some() {
        return Err(format!("record {place} of a format without lines cannot be shown as text"));
    }
    Err(format!("`{place}` is not a place in a file"))
}

fn open(path: &Path) -> Result<Box<dyn Read>, String> {
    let failed = |e: std::io::Error| e.to_string();
    let mut magic = [0u8; 4];
    let n = File::open(path).and_then(|mut f| f.read(&mut magic)).map_err(failed)?;
    let file = File::open(path).map_err(failed)?;
    let reader: Box<dyn Read> = match magic.get(..n) {
        Some([0x1f, 0x8b, ..]) => Box::new(flate2::read::MultiGzDecoder::new(file)),
        Some([0x28, 0xb5, 0x2f, 0xfd]) => Box::new(zstd::Decoder::new(file).map_err(failed)?),
        _ => Box::new(file),
    };
    Ok(Box::new(reader.take(MAX_BYTES)))
}

fn line(path: &Path, number: u64) -> Result<String, String> {
    let mut reader = BufReader::new(open(path)?);
    let mut at = 1u64;
    loop {
        let bytes = reader.fill_buf().map_err(|e| e.to_string())?;
        if bytes.is_empty() {
            return Err(format!("the file has no line {number}"));
        }
        if at == number {
            break;
        }
        match bytes.iter().position(|b| *b == b'\n') {
            Some(i) => {
                reader.consume(i + 1);
                at += 1;
            }
            None => {
                let n = bytes.len();
                reader.consume(n);
            }
        }
    }
    let mut out = Vec::new();
    // Four bytes are the most a character takes.
    let limit = (MAX_CHARS as u64 + 1) * 4;
    reader.take(limit).read_until(b'\n', &mut out).map_err(|e| e.to_string())?;
    Ok(String::from_utf8_lossy(&out).trim_end_matches(['\n', '\r']).to_owned())
}

fn pointer(path: &Path, place: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    open(path)?.take(MAX_JSON + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 > MAX_JSON {
        return Err(format!("the file is larger than {MAX_JSON} bytes and one JSON document"));
    }
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|e| e.to_string())?;
    let part = value.pointer(place).ok_or_else(|| format!("the file has nothing at `{place}`"))?;
    Ok(part.to_string())
}

fn clip(s: &str) -> String {
    match s.char_indices().nth(MAX_CHARS) {
        None => s.to_owned(),
        Some((i, _)) => format!("{}... (cut)", s.get(..i).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::fingerprint::sha256;

    fn show(name: &str, bytes: &[u8], place: &str) -> Result<String, String> {
        let tmp = tempfile::tempdir().unwrap();
        std::fs::write(tmp.path().join(name), bytes).unwrap();
        let source =
            SourceRef { file: name.into(), place: place.into(), sha256: sha256(bytes).into() };
        record(&source, &[tmp.path().to_path_buf()])
    }

    #[test]
    fn lines_pointers_and_compression() {
        assert_eq!(show("a.csv", b"id,x\r\n1,2\r\n3,4", "L2").unwrap(), "1,2");
        assert_eq!(show("a.csv", b"id\n1\n3,4", "L3").unwrap(), "3,4");
        assert_eq!(show("a.json", br#"{"a/b":[{"c":1}]}"#, "/a~1b/0").unwrap(), r#"{"c":1}"#);
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gz, b"one\ntwo\n").unwrap();
        assert_eq!(show("a.gz", &gz.finish().unwrap(), "L2").unwrap(), "two");
        let zst = zstd::encode_all(&b"one\ntwo\n"[..], 1).unwrap();
        assert_eq!(show("a.zst", &zst, "L1").unwrap(), "one");
    }

    #[test]
    fn hostile_places_and_files_are_messages() {
        for place in ["L0", "L9", "L-1", "L99999999999999999999", "R1", "x", "/nothing", "é"] {
            assert!(show("a.json", b"{}\n", place).is_err(), "{place}");
        }
        assert!(show("a.json", &[0x1f, 0x8b, 0, 0, 1], "L1").is_err());
        assert!(show("a.json", "[".repeat(100_000).as_bytes(), "/0").is_err());
        let long = show("a.csv", "ä".repeat(100_000).as_bytes(), "L1").unwrap();
        assert!(long.ends_with("... (cut)") && long.len() < 9000);
    }

    #[test]
    fn only_the_analysed_file_below_the_inputs_is_shown() {
        let tmp = tempfile::tempdir().unwrap();
        let inputs = tmp.path().join("in");
        std::fs::create_dir(&inputs).unwrap();
        std::fs::write(tmp.path().join("secret"), "s").unwrap();
        std::fs::write(inputs.join("a"), "changed").unwrap();
        let show = |file: &str, content: &str| {
            let sha256 = sha256(content.as_bytes()).into();
            record(
                &SourceRef { file: file.into(), place: "L1".into(), sha256 },
                std::slice::from_ref(&inputs),
            )
        };
        assert!(show("../secret", "s").unwrap_err().contains("not under"));
        assert!(show("a", "original").unwrap_err().contains("SHA-256 differs"));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(tmp.path().join("secret"), inputs.join("link")).unwrap();
            assert!(show("link", "s").unwrap_err().contains("not under"));
        }
    }
}
