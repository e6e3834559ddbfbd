//! Bytes in: transparent decompression, bounds against hostile input, encoding checks, digests.
//!
//! Compression is recognised by magic bytes, never by name. Bounds hold for compressed input only:
//! an uncompressed file cannot be larger than the disk it lies on, and is read as a stream.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::source::{IngestError, Input};

/// Bytes that [`head`] shows at most.
pub const HEAD: usize = 256 * 1024;
/// Most bytes that are made room for before any is read: what the file system says of a size need not be so.
const ROOM: u64 = 256 << 20;

/// Bounds on one input.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Decompressed bytes of a compressed stream.
    pub stream: u64,
    /// Bytes of a document that must be held whole.
    pub document: u64,
    /// Highest ratio of decompressed to stored bytes, judged beyond `ratio_free`.
    pub ratio: u64,
    /// Decompressed bytes that pass whatever the ratio.
    pub ratio_free: u64,
    /// Bytes of one line.
    pub line: usize,
}

/// Bounds in force. Access logs compress 10 to 60 times, the most repetitive ledger seen 120 times;
/// a gzip bomb reaches 1,030.
pub const BOUNDS: Bounds =
    Bounds { stream: 4 << 30, document: 1 << 30, ratio: 400, ratio_free: 64 << 20, line: 16 << 20 };

/// Opens a file for streaming: decompressed, without UTF-8 byte order mark.
///
/// # Errors
/// When the file cannot be read or is UTF-16. Bounds are reported by the reader as
/// [`io::ErrorKind::FileTooLarge`]; [`explain`] turns them into an [`IngestError`].
pub fn open(input: &Input) -> Result<Box<dyn Read + Send>, IngestError> {
    open_with(input, BOUNDS)
}

/// [`open`] with given bounds.
///
/// # Errors
/// As [`open`].
pub fn open_with(input: &Input, bounds: Bounds) -> Result<Box<dyn Read + Send>, IngestError> {
    let fail = |e| explain(input, e);
    let mut stored = BufReader::with_capacity(128 * 1024, File::open(&input.path).map_err(fail)?);
    let magic = peek(&mut stored, 4).map_err(fail)?;
    let plain: Box<dyn Read + Send> = if magic.starts_with(&[0x1f, 0x8b]) {
        let decoder = flate2::bufread::MultiGzDecoder::new(stored);
        Box::new(Guard::new(decoder, input.size, bounds))
    } else if magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(stored).map_err(fail)?;
        // A frame may ask for a window of gigabytes; 128 MiB is what `zstd` itself allows by default.
        decoder.window_log_max(27).map_err(fail)?;
        Box::new(Guard::new(decoder, input.size, bounds))
    } else {
        Box::new(stored)
    };
    let mut plain = BufReader::with_capacity(128 * 1024, plain);
    let start = peek(&mut plain, 64).map_err(fail)?;
    if let Some(encoding) = utf16(&start) {
        return Err(IngestError::Malformed {
            file: input.name.clone(),
            place: "byte 0".into(),
            message: format!(
                "text is {encoding}, not UTF-8; convert it (`iconv -f {encoding} -t UTF-8`)"
            ),
        });
    }
    if start.starts_with(&[0xef, 0xbb, 0xbf]) {
        plain.consume(3);
    }
    Ok(Box::new(plain))
}

/// The first `n` bytes without consuming them; fewer at the end of the stream or of the buffer.
fn peek(reader: &mut impl BufRead, n: usize) -> io::Result<Vec<u8>> {
    let buffer = reader.fill_buf()?;
    Ok(buffer.iter().take(n).copied().collect())
}

fn utf16(start: &[u8]) -> Option<&'static str> {
    match start {
        [0xff, 0xfe, ..] => Some("UTF-16LE"),
        [0xfe, 0xff, ..] => Some("UTF-16BE"),
        // Without mark: ASCII text in UTF-16 has a NUL in every other byte.
        [a, 0, b, 0, c, 0, ..]
            if [a, b, c].iter().all(|x| x.is_ascii_graphic() || x.is_ascii_whitespace()) =>
        {
            Some("UTF-16LE")
        }
        [0, a, 0, b, 0, c, ..]
            if [a, b, c].iter().all(|x| x.is_ascii_graphic() || x.is_ascii_whitespace()) =>
        {
            Some("UTF-16BE")
        }
        _ => None,
    }
}

/// Reads a whole document, decompressed.
///
/// # Errors
/// When it cannot be read or hits a bound.
pub fn read_all(input: &Input) -> Result<Vec<u8>, IngestError> {
    let limit = BOUNDS.document;
    // Room for all of a plain file at once; what grows by doubling takes twice the room.
    let mut out = Vec::with_capacity(usize::try_from(input.size.min(ROOM)).unwrap_or(0) + 1);
    open(input)?.take(limit + 1).read_to_end(&mut out).map_err(|e| explain(input, e))?;
    if out.len() as u64 > limit {
        return Err(IngestError::Limit {
            file: input.name.clone(),
            message: format!(
                "document is larger than {} MiB; split the export, or write it as NDJSON, which is \
                 read as a stream",
                limit >> 20
            ),
        });
    }
    Ok(out)
}

/// First bytes of the decompressed content, and whether they are all of it.
///
/// # Errors
/// When the file cannot be read.
pub fn head(input: &Input) -> Result<(Vec<u8>, bool), IngestError> {
    let mut out = Vec::new();
    let mut reader = open(input)?.take(HEAD as u64 + 1);
    // A stream that breaks behind the first bytes is still recognised; the adapter names the break.
    if let Err(e) = reader.read_to_end(&mut out)
        && out.is_empty()
    {
        return Err(explain(input, e));
    }
    let complete = out.len() <= HEAD;
    out.truncate(HEAD);
    Ok((out, complete))
}

/// Why the first bytes are not all that should be there: a stream that breaks within them. A file that
/// nothing recognises may be unknown for that alone.
#[must_use]
pub fn broken_head(input: &Input) -> Option<IngestError> {
    let mut start = match open(input) {
        Ok(reader) => reader.take(HEAD as u64 + 1),
        Err(e) => return Some(e),
    };
    io::copy(&mut start, &mut io::sink()).err().map(|e| explain(input, e))
}

/// SHA-256 of the stored bytes (lower-case hex) and their number.
///
/// # Errors
/// When the file cannot be read.
pub fn digest(path: &Path) -> io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 128 * 1024];
    let mut size = 0u64;
    loop {
        let n = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        hasher.update(buffer.get(..n).unwrap_or(&[]));
        size += n as u64;
    }
    Ok((crate::findings::fingerprint::hex(&hasher.finalize()), size))
}

/// Turns an error of a reader into one that names the file, the cause and the remedy.
#[must_use]
pub fn explain(input: &Input, error: io::Error) -> IngestError {
    let file = input.name.clone();
    match error.kind() {
        io::ErrorKind::FileTooLarge => IngestError::Limit { file, message: error.to_string() },
        io::ErrorKind::UnexpectedEof => IngestError::Malformed {
            file,
            place: "end of file".into(),
            message: "compressed data ends too early; fetch the file again".into(),
        },
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => IngestError::Malformed {
            file,
            place: "compressed data".into(),
            message: format!("{error}; fetch the file again"),
        },
        _ => IngestError::Io { file, source: error },
    }
}

/// Counts decompressed bytes and stops at the bounds.
struct Guard<R> {
    inner: R,
    stored: u64,
    seen: u64,
    bounds: Bounds,
}

impl<R> Guard<R> {
    fn new(inner: R, stored: u64, bounds: Bounds) -> Self {
        Self { inner, stored: stored.max(1), seen: 0, bounds }
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.seen += n as u64;
        if self.seen > self.bounds.ratio_free && self.seen / self.stored > self.bounds.ratio {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!(
                    "decompresses to more than {} times its size, like a decompression bomb; if it \
                     is honest, unpack it and pass the unpacked file",
                    self.bounds.ratio
                ),
            ));
        }
        if self.seen > self.bounds.stream {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!(
                    "decompresses to more than {} MiB; unpack it and pass the unpacked file",
                    self.bounds.stream >> 20
                ),
            ));
        }
        Ok(n)
    }
}

/// Stops a stream whose line grows beyond a bound, so that no record is held without end.
#[derive(Debug)]
pub struct LineGuard<R> {
    inner: R,
    line: usize,
    bound: usize,
}

impl<R: Read> LineGuard<R> {
    /// Guard over a reader.
    pub fn new(inner: R, bound: usize) -> Self {
        Self { inner, line: 0, bound }
    }
}

impl<R: Read> Read for LineGuard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        let got = buffer.get(..n).unwrap_or(&[]);
        self.line = match got.iter().rposition(|b| *b == b'\n') {
            Some(at) => n - at - 1,
            None => self.line + n,
        };
        if self.line > self.bound {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!(
                    "a line is longer than {} MiB; no record of a log or ledger is that long",
                    self.bound >> 20
                ),
            ));
        }
        Ok(n)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::io::Write;

    /// A file with this content, and the input that names it.
    pub(crate) fn file(name: &str, content: &[u8]) -> (tempfile::TempDir, Input) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        let input = Input { path, name: name.into(), size: content.len() as u64 };
        (dir, input)
    }

    pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
        let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        e.write_all(content).unwrap();
        e.finish().unwrap()
    }

    #[test]
    fn compression_is_recognised_by_content() {
        let mut two_members = gzip(b"first\n");
        two_members.extend(gzip(b"second\n"));
        let zst = zstd::encode_all(&b"first\nsecond\n"[..], 3).unwrap();
        for bytes in
            [two_members, zst, b"first\nsecond\n".to_vec(), b"\xef\xbb\xbffirst\nsecond\n".to_vec()]
        {
            let (_dir, input) = file("a.log", &bytes);
            assert_eq!(read_all(&input).unwrap(), b"first\nsecond\n");
            assert_eq!(head(&input).unwrap(), (b"first\nsecond\n".to_vec(), true));
        }
    }

    #[test]
    fn a_bomb_is_refused_and_an_honest_log_passes() {
        let bounds = Bounds { ratio_free: 1 << 20, ..BOUNDS };
        let (_dir, bomb) = file("b.gz", &gzip(&vec![0u8; 8 << 20]));
        let mut seen = Vec::new();
        let e = open_with(&bomb, bounds).unwrap().read_to_end(&mut seen).unwrap_err();
        assert!(seen.len() < 5 << 20, "{}", seen.len());
        let e = explain(&bomb, e);
        assert!(
            matches!(e, IngestError::Limit { .. }) && e.to_string().contains("400 times"),
            "{e}"
        );

        let mut log = String::new();
        for i in 0..40_000u32 {
            log.push_str(&format!(
                "{{\"id\":{},\"user\":\"u{}\",\"ok\":true}}\n",
                i.wrapping_mul(2_654_435_761),
                i % 97
            ));
        }
        let (_dir, honest) = file("c.gz", &gzip(log.as_bytes()));
        let mut seen = Vec::new();
        open_with(&honest, bounds).unwrap().read_to_end(&mut seen).unwrap();
        assert_eq!(seen.len(), log.len());
    }

    #[test]
    fn the_size_bound_holds() {
        let bounds = Bounds { stream: 1000, ..BOUNDS };
        let (_dir, input) = file("b.gz", &gzip(&vec![b'x'; 5000]));
        // The first bytes are looked at when the file is opened, so the bound is hit there already.
        let e = open_with(&input, bounds).err().unwrap();
        assert!(matches!(e, IngestError::Limit { .. }), "{e}");
    }

    #[test]
    fn broken_compression_is_named() {
        let mut cut = gzip(&b"hello world ".repeat(2000));
        cut.truncate(cut.len() / 2);
        let (_dir, input) = file("cut.gz", &cut);
        let e = read_all(&input).unwrap_err().to_string();
        assert!(e.contains("fetch the file again"), "{e}");
    }

    #[test]
    fn utf16_is_refused_with_the_remedy() {
        let le: Vec<u8> = "grant_id".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let marked: Vec<u8> = [0xff, 0xfe].into_iter().chain(le.clone()).collect();
        for bytes in [le, marked] {
            let (_dir, input) = file("u.csv", &bytes);
            let e = head(&input).unwrap_err().to_string();
            assert!(e.contains("iconv -f UTF-16LE"), "{e}");
        }
    }

    #[test]
    fn digest_is_of_the_stored_bytes() {
        let (_dir, input) = file("abc", b"abc");
        let (hex, size) = digest(&input.path).unwrap();
        assert_eq!(size, 3);
        assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let text = [b"short\n".repeat(50), vec![b'x'; 3000]].concat();
        let mut guard = LineGuard::new(&text[..], 1000);
        let e = guard.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::FileTooLarge);
        let mut fine = LineGuard::new(&b"short\n"[..], 1000);
        assert!(fine.read_to_end(&mut Vec::new()).is_ok());
    }
}
