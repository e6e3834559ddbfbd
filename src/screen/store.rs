//! Rows of fixed width in partitions: in memory up to a limit that all stores share, in a temporary file
//! beyond it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::id::Id;

/// A row that can lie in a file.
pub trait Packed: Copy + Send {
    /// Appends the row.
    fn put(&self, out: &mut Vec<u8>);
    /// Reads a row back; `None` at the end.
    fn take(from: &mut Bytes<'_>) -> Option<Self>;
}

/// Bytes read from the front.
#[derive(Debug)]
pub struct Bytes<'a>(pub &'a [u8]);

/// A field of a row.
pub trait Field: Sized {
    /// Appends the field.
    fn put(self, out: &mut Vec<u8>);
    /// Reads the field back; `None` at the end.
    fn take(from: &mut Bytes<'_>) -> Option<Self>;
}

macro_rules! fields {
    ($($kind:ty)*) => { $(
        impl Field for $kind {
            #[inline]
            fn put(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            #[inline]
            fn take(from: &mut Bytes<'_>) -> Option<Self> {
                let (head, tail) = from.0.split_first_chunk()?;
                from.0 = tail;
                Some(Self::from_le_bytes(*head))
            }
        }
    )* };
}

fields! { u16 u32 u64 i64 }

impl Field for Id {
    #[inline]
    fn put(self, out: &mut Vec<u8>) {
        self.high().put(out);
        self.low().put(out);
    }

    #[inline]
    fn take(from: &mut Bytes<'_>) -> Option<Self> {
        Some(Self::new(u64::take(from)?, u32::take(from)?))
    }
}

/// Memory that the stores of a run may take together.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: AtomicUsize,
}

impl Budget {
    /// So many bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, used: AtomicUsize::new(0) }
    }

    /// Notes bytes that are held outside the stores; what the stores may hold is less by them.
    #[must_use]
    pub fn hold(&self, bytes: usize) -> Held<'_> {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Held { budget: self, bytes }
    }
}

/// Bytes that are held until this is dropped.
#[derive(Debug)]
pub struct Held<'b> {
    budget: &'b Budget,
    bytes: usize,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Rows of a partition below this many bytes stay in memory whatever the budget says: a file of tiny
/// pieces would be slower than the memory is worth.
const LEAST_SPILL: usize = 64 * 1024;

/// Partitioned rows.
#[derive(Debug)]
pub struct Store<'b, T> {
    parts: Vec<Mutex<Part<T>>>,
    file: Mutex<Option<File>>,
    budget: &'b Budget,
}

#[derive(Debug)]
struct Part<T> {
    blocks: Vec<Vec<T>>,
    held: usize,
    /// Rows, wherever they are.
    rows: usize,
    /// Place and length in the file, bytes.
    spilled: Vec<(u64, usize)>,
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'b, T: Packed> Store<'b, T> {
    /// Empty, with so many partitions.
    #[must_use]
    pub fn new(parts: usize, budget: &'b Budget) -> Self {
        let part =
            || Mutex::new(Part { blocks: Vec::new(), held: 0, rows: 0, spilled: Vec::new() });
        Self { parts: (0..parts).map(|_| part()).collect(), file: Mutex::new(None), budget }
    }

    /// Number of partitions.
    #[must_use]
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Adds what was gathered per partition, and empties it.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn add(&self, gathered: &mut [Vec<T>]) -> io::Result<()> {
        self.add_told(gathered, |_, _, _| {})
    }

    /// The same, and tells for each partition the place of the first of these rows in what [`Self::take`]
    /// will give.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn add_told(
        &self,
        gathered: &mut [Vec<T>],
        mut told: impl FnMut(usize, usize, &[T]),
    ) -> io::Result<()> {
        for (at, (part, rows)) in self.parts.iter().zip(gathered).enumerate() {
            if rows.is_empty() {
                continue;
            }
            // The room for gathering stays with the worker.
            let block = rows.as_slice().to_vec();
            let bytes = block.len() * size_of::<T>();
            let mut part = lock(part);
            let first = part.rows;
            part.rows += block.len();
            part.held += bytes;
            part.blocks.push(block);
            let used = self.budget.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
            if used > self.budget.limit && part.held >= LEAST_SPILL {
                self.spill(&mut part)?;
            }
            drop(part);
            told(at, first, rows);
            rows.clear();
        }
        Ok(())
    }

    fn spill(&self, part: &mut Part<T>) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(part.held);
        for row in part.blocks.drain(..).flatten() {
            row.put(&mut bytes);
        }
        let mut file = lock(&self.file);
        let file = match file.as_mut() {
            Some(file) => file,
            None => file.insert(tempfile::tempfile()?),
        };
        let at = file.seek(SeekFrom::End(0))?;
        file.write_all(&bytes)?;
        part.spilled.push((at, bytes.len()));
        self.budget.used.fetch_sub(part.held, Ordering::Relaxed);
        part.held = 0;
        Ok(())
    }

    /// Gives the temporary file back, when all rows were taken out.
    pub fn close(&self) {
        *lock(&self.file) = None;
    }

    /// Takes the rows of a partition out, in the order in which they were added.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn take(&self, at: usize) -> io::Result<Vec<T>> {
        let Some(part) = self.parts.get(at) else { return Ok(Vec::new()) };
        let mut part = lock(part);
        let mut out: Vec<T> = Vec::new();
        for (place, length) in std::mem::take(&mut part.spilled) {
            let mut bytes = vec![0u8; length];
            if let Some(file) = lock(&self.file).as_mut() {
                file.seek(SeekFrom::Start(place))?;
                file.read_exact(&mut bytes)?;
            }
            let mut rest = Bytes(&bytes);
            while let Some(row) = T::take(&mut rest) {
                out.push(row);
            }
        }
        let blocks = std::mem::take(&mut part.blocks);
        out.reserve_exact(blocks.iter().map(Vec::len).sum());
        for block in blocks {
            out.extend_from_slice(&block);
        }
        self.budget.used.fetch_sub(part.held, Ordering::Relaxed);
        part.held = 0;
        part.rows = 0;
        Ok(out)
    }
}

/// Rows gathered per partition by one worker.
#[must_use]
pub fn gather<T>(parts: usize) -> Vec<Vec<T>> {
    (0..parts).map(|_| Vec::new()).collect()
}

/// Adds a row to what was gathered.
#[inline]
pub fn push<T>(gathered: &mut [Vec<T>], part: usize, row: T) {
    if let Some(rows) = gathered.get_mut(part) {
        rows.push(row);
    }
}
