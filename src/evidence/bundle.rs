//! Writing a bundle whole or not at all, and reading one back.
//!
//! The new bundle is written and fsynced in a sibling directory. The standard library has no atomic
//! exchange of directories, so an existing bundle is replaced by two renames: `DIR` to
//! `.DIR.overstay-old-PID`, then the new one to `DIR`. What a crash leaves behind:
//!
//! | crash | left | next start |
//! | --- | --- | --- |
//! | before the first rename | old bundle whole, a staging directory | removes the staging directory |
//! | between the renames | old bundle whole under its aside name, the new one whole in staging | renames the old one back |
//! | after the second rename | new bundle whole, the old one aside | removes the old one |
//!
//! Readers look at the aside name too ([`locate`]), so at no instant is there no whole bundle to be
//! read. Two runs with the same target are kept apart by advisory locks, which the system drops when
//! a process dies: one on the parent directory while names change, one on each staging directory
//! while its owner lives.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use sha2::{Digest, Sha256};

use crate::findings::fingerprint::hex;
use crate::report::OutputFile;

use super::files::{MANIFEST, SUMS};
use super::manifest::{Manifest, OutputEntry};

/// Why a bundle could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file system refused.
    #[error("cannot {action} `{path}`: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Path.
        path: String,
        /// Cause.
        source: io::Error,
    },
    /// The target is something else.
    #[error(
        "`{path}` is not empty and not a bundle (it has no {MANIFEST}); choose another directory or empty it"
    )]
    NotABundle {
        /// Path.
        path: String,
    },
    /// A file name that would leave the bundle, or collide.
    #[error("`{path}` cannot be the name of a file in a bundle: {why}")]
    BadName {
        /// Name.
        path: String,
        /// Why.
        why: &'static str,
    },
    /// A table could not be encoded or decoded.
    #[error("table `{table}`: {message}")]
    Table {
        /// Table or file.
        table: String,
        /// Cause.
        message: String,
    },
    /// A file of the bundle is not what it must be.
    #[error("`{path}`: {message}")]
    Malformed {
        /// File.
        path: String,
        /// What is wrong, and the remedy.
        message: String,
    },
    /// JSON could not be written.
    #[error("cannot serialise: {0}")]
    Json(#[from] serde_json::Error),
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BundleError {
    let path = path.display().to_string();
    move |source| BundleError::Io { action, path, source }
}

/// Points at which a crash leaves a different picture; tests stop there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The staging directory exists, nothing is in it.
    Staged,
    /// Some of the files are written.
    PartWritten,
    /// All files are written and on disk.
    Written,
    /// The old bundle is aside, the new one not yet in place.
    Aside,
    /// The new bundle is in place, the old one not yet removed.
    Swapped,
}

/// Action of the error that a hook gives.
const STOPPED: &str = "go on with";

/// Writes a bundle. `manifest.outputs` is filled in; `SHA256SUMS` and `manifest.json` are added.
///
/// # Errors
/// When the target is a directory that is not a bundle, a name is unusable, or the file system
/// refuses; an existing bundle is then as it was.
pub fn write(
    dir: &Path,
    files: Vec<OutputFile<'_>>,
    manifest: Manifest,
) -> Result<(), BundleError> {
    write_steps(dir, files, manifest, &mut |_| Ok(()))
}

/// [`write`] with a hook after each step. An error of the hook ends the run on the spot and leaves
/// everything as a crash would.
fn write_steps(
    dir: &Path,
    mut files: Vec<OutputFile<'_>>,
    manifest: Manifest,
    hook: &mut dyn FnMut(Step) -> io::Result<()>,
) -> Result<(), BundleError> {
    files.sort_by(|a, b| a.path.cmp(&b.path));
    check_names(&files)?;
    let place = Place::of(dir)?;
    let stop = |s| io_error(STOPPED, dir)(s);
    let lock = lock_dir(&place.parent)?;
    place.recover()?;
    refuse_foreign(dir)?;
    let staging = place.new_staging()?;
    let alive = lock_dir(&staging)?;
    drop(lock);
    hook(Step::Staged).map_err(stop)?;
    if let Err(e) = fill(&staging, &files, manifest, hook) {
        if !matches!(&e, BundleError::Io { action: STOPPED, .. }) {
            // A full disk must not keep the half-written copy too. The error that matters is `e`.
            let _ = fs::remove_dir_all(&staging);
        }
        return Err(e);
    }
    hook(Step::Written).map_err(stop)?;
    let lock = lock_dir(&place.parent)?;
    // Another run may have put something there meanwhile.
    refuse_foreign(dir)?;
    place.swap(&staging, hook)?;
    drop(alive);
    drop(lock);
    Ok(())
}

/// Checks that every file can stand beside the others and beside what the bundle adds.
fn check_names(files: &[OutputFile<'_>]) -> Result<(), BundleError> {
    let mut seen = BTreeSet::new();
    for f in files {
        check_name(&f.path)?;
        let bad = |why| Err(BundleError::BadName { path: f.path.clone(), why });
        if f.path == MANIFEST || f.path == SUMS {
            return bad("the name is reserved");
        }
        // File systems that ignore case would merge them.
        if !seen.insert(f.path.to_lowercase()) {
            return bad("two files have this name");
        }
    }
    Ok(())
}

/// Only plain relative paths of visible characters: nothing may leave the bundle, and each name
/// must survive one line of `SHA256SUMS`.
pub(super) fn check_name(path: &str) -> Result<(), BundleError> {
    let bad = |why| Err(BundleError::BadName { path: path.to_owned(), why });
    if path.is_empty() || path.split('/').any(|p| p.is_empty() || p == "." || p == "..") {
        return bad("it is not a plain relative path");
    }
    if path.contains(['\\', ':']) || path.chars().any(char::is_control) {
        return bad("it has a character that not every file system takes");
    }
    if !Path::new(path).components().all(|c| matches!(c, Component::Normal(_))) {
        return bad("it is not a plain relative path");
    }
    Ok(())
}

/// Writes all files, then the manifest that lists them, then the checksums.
fn fill(
    staging: &Path,
    files: &[OutputFile<'_>],
    mut manifest: Manifest,
    hook: &mut dyn FnMut(Step) -> io::Result<()>,
) -> Result<(), BundleError> {
    let mut dirs = BTreeSet::from([staging.to_path_buf()]);
    for f in files {
        let path = staging.join(&f.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(io_error("create", parent))?;
            dirs.extend(parent.ancestors().take_while(|a| *a != staging).map(Path::to_path_buf));
        }
    }
    let (first, rest) = files.split_at(files.len().min(1));
    manifest.outputs = synced(|disk| put_all(staging, first, disk))?;
    hook(Step::PartWritten).map_err(io_error(STOPPED, staging))?;
    synced(|disk| {
        manifest.outputs.extend(put_all(staging, rest, disk)?);
        manifest.outputs.sort_by(|a, b| a.path.cmp(&b.path));
        let bytes = manifest.to_bytes()?;
        let own = OutputFile::of_bytes(MANIFEST, "application/json", bytes);
        let mut listed: Vec<OutputEntry> = manifest.outputs;
        listed.push(put(staging, &own, disk)?);
        listed.sort_by(|a, b| a.path.cmp(&b.path));
        let sums: String = listed.iter().map(|o| format!("{}  {}\n", o.sha256, o.path)).collect();
        put(staging, &OutputFile::of_bytes(SUMS, "text/plain", sums.into_bytes()), disk)
    })?;
    // An entry is on disk once its directory is.
    synced(|disk| {
        for dir in dirs.into_iter().filter(|_| cfg!(unix)) {
            let opened = File::open(&dir).map_err(io_error("sync", &dir))?;
            let _ = disk.send((dir, opened));
        }
        Ok(())
    })
}

/// Files that are written and wait to be brought to disk, each with its path.
type Disk = mpsc::Sender<(PathBuf, File)>;

/// Threads that wait for the disk. Files that are asked for at one time go to disk with one another; one
/// after the other each waits for the journal of the file system anew.
const SYNCING: usize = 4;

/// Writes files while other threads bring those that are written to disk: waiting for the disk takes no
/// work. All are on disk when this ends well.
fn synced<T: Send>(
    write: impl FnOnce(&Disk) -> Result<T, BundleError> + Send,
) -> Result<T, BundleError> {
    let (disk, written) = mpsc::channel::<(PathBuf, File)>();
    let written = Mutex::new(written);
    let next = || written.lock().unwrap_or_else(PoisonError::into_inner).recv();
    let sync = || -> Result<(), BundleError> {
        while let Ok((path, file)) = next() {
            file.sync_all().map_err(|source| io_error("fill", &path)(source))?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..SYNCING).map(|_| scope.spawn(sync)).collect();
        let mut out = write(&disk);
        drop(disk);
        for thread in threads {
            match thread.join() {
                // What the disk refused is told before what came of it.
                Ok(done) => out = done.and(out),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        out
    })
}

/// Writes files side by side; the entries come in no order.
fn put_all(
    staging: &Path,
    files: &[OutputFile<'_>],
    disk: &Disk,
) -> Result<Vec<OutputEntry>, BundleError> {
    // The reports take the most time, so they are begun before the tables.
    let mut order: Vec<&OutputFile<'_>> = files.iter().collect();
    order.sort_by_key(|f| {
        let late = HEAVY.iter().position(|heavy| f.path == *heavy).unwrap_or(HEAVY.len());
        (late, f.path.contains('/'), f.path.as_str())
    });
    // Whoever is free takes the next: halves of the list would leave the longest to the end.
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Result<OutputEntry, BundleError>>> = Mutex::default();
    rayon::scope(|scope| {
        for _ in 0..rayon::current_num_threads().min(order.len()) {
            let disk = disk.clone();
            let (next, done, order) = (&next, &done, &order);
            scope.spawn(move |_| {
                while let Some(f) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let entry = put(staging, f, &disk);
                    let failed = entry.is_err();
                    done.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
                    if failed {
                        // The bundle will not be: nobody needs to begin another file.
                        next.store(order.len(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().collect()
}

/// Files that take the most time, the longest first.
const HEAVY: [&str; 5] =
    ["report.html", "report.json", "findings.jsonl", "findings.csv", "sarif/findings.sarif"];

/// Writes one file, and passes it on to be brought to disk.
fn put(staging: &Path, file: &OutputFile<'_>, disk: &Disk) -> Result<OutputEntry, BundleError> {
    let path = staging.join(&file.path);
    let out = File::create_new(&path).map_err(io_error("create", &path))?;
    let mut out =
        io::BufWriter::with_capacity(WRITE_BUFFER, Hashed { out, hash: Sha256::new(), size: 0 });
    file.write_to(&mut out).map_err(io_error("fill", &path))?;
    let whole = out.into_inner().map_err(|e| io_error("fill", &path)(e.into_error()))?;
    let entry = OutputEntry {
        path: file.path.clone(),
        size: whole.size,
        sha256: hex(&whole.hash.finalize()),
        media_type: file.media_type.to_owned(),
    };
    // Nobody takes it only when the disk failed, and then that is told.
    let _ = disk.send((path, whole.out));
    Ok(entry)
}

/// Bytes gathered before they are hashed and written.
const WRITE_BUFFER: usize = 1 << 17;

/// A file that knows size and digest of what was written to it.
struct Hashed {
    out: File,
    hash: Sha256,
    size: u64,
}

impl Write for Hashed {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.out.write(buf)?;
        self.hash.update(buf.get(..n).unwrap_or(buf));
        self.size += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Where a bundle lives and how its siblings are named.
struct Place {
    dir: PathBuf,
    parent: PathBuf,
    name: String,
}

impl Place {
    fn of(dir: &Path) -> Result<Self, BundleError> {
        let name =
            dir.file_name().and_then(|n| n.to_str()).ok_or_else(|| BundleError::BadName {
                path: dir.display().to_string(),
                why: "a bundle needs a directory name of its own in UTF-8 (not `.`, `..` or `/`)",
            })?;
        let parent = match dir.parent() {
            Some(p) if !p.as_os_str().is_empty() => p.to_path_buf(),
            _ => PathBuf::from("."),
        };
        fs::create_dir_all(&parent).map_err(io_error("create", &parent))?;
        Ok(Self { dir: dir.to_path_buf(), parent, name: name.to_owned() })
    }

    fn siblings(&self, kind: &str) -> Result<Vec<PathBuf>, BundleError> {
        let prefix = format!(".{}.overstay-{kind}-", self.name);
        let mut out = Vec::new();
        for entry in fs::read_dir(&self.parent).map_err(io_error("list", &self.parent))? {
            let entry = entry.map_err(io_error("list", &self.parent))?;
            let ours = entry.file_name().to_str().is_some_and(|n| n.starts_with(&prefix));
            if ours && entry.file_type().is_ok_and(|t| t.is_dir()) {
                out.push(entry.path());
            }
        }
        out.sort();
        Ok(out)
    }

    /// Puts right what an interrupted run left. The caller holds the lock of the parent.
    fn recover(&self) -> Result<(), BundleError> {
        let mut old = self.siblings("old")?;
        if !self.dir.exists()
            && let Some(i) = old.iter().rposition(|p| is_bundle(p))
        {
            let whole = old.remove(i);
            fs::rename(&whole, &self.dir).map_err(io_error("restore", &self.dir))?;
            sync_dir(&self.parent)?;
        }
        for dead in old {
            fs::remove_dir_all(&dead).map_err(io_error("remove", &dead))?;
        }
        for staging in self.siblings("new")? {
            // A staging directory whose lock can be had belongs to nobody alive.
            let free = File::open(&staging).is_ok_and(|f| f.try_lock().is_ok());
            if free {
                fs::remove_dir_all(&staging).map_err(io_error("remove", &staging))?;
            }
        }
        Ok(())
    }

    fn new_staging(&self) -> Result<PathBuf, BundleError> {
        let pid = std::process::id();
        for n in 0..1000 {
            let path = self.parent.join(format!(".{}.overstay-new-{pid}-{n}", self.name));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(path),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(io_error("create", &path)(e)),
            }
        }
        Err(io_error("create", &self.parent)(io::ErrorKind::AlreadyExists.into()))
    }

    fn swap(
        &self,
        staging: &Path,
        hook: &mut dyn FnMut(Step) -> io::Result<()>,
    ) -> Result<(), BundleError> {
        let stop = |s| io_error(STOPPED, &self.dir)(s);
        let aside = self.parent.join(format!(".{}.overstay-old-{}", self.name, std::process::id()));
        let replaces = self.dir.exists();
        if replaces {
            fs::rename(&self.dir, &aside).map_err(io_error("set aside", &self.dir))?;
            sync_dir(&self.parent)?;
            hook(Step::Aside).map_err(stop)?;
        }
        if let Err(e) = fs::rename(staging, &self.dir) {
            if replaces {
                // Put the old bundle back; if that fails too, the next start does it.
                let _ = fs::rename(&aside, &self.dir);
            }
            return Err(io_error("put in place", &self.dir)(e));
        }
        sync_dir(&self.parent)?;
        hook(Step::Swapped).map_err(stop)?;
        if replaces {
            fs::remove_dir_all(&aside).map_err(io_error("remove", &aside))?;
        }
        Ok(())
    }
}

fn refuse_foreign(dir: &Path) -> Result<(), BundleError> {
    let foreign = || BundleError::NotABundle { path: dir.display().to_string() };
    match fs::symlink_metadata(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(io_error("look at", dir)(e)),
        Ok(m) if !m.is_dir() => Err(foreign()),
        Ok(_) if is_bundle(dir) => Ok(()),
        Ok(_) => {
            let mut entries = fs::read_dir(dir).map_err(io_error("list", dir))?;
            if entries.next().is_none() { Ok(()) } else { Err(foreign()) }
        }
    }
}

/// Opens a directory and locks it. File systems and platforms without such locks are taken as they
/// are: the lock keeps two runs of ours apart, crash safety does not rest on it.
fn lock_dir(dir: &Path) -> Result<Option<File>, BundleError> {
    match File::open(dir) {
        Ok(f) => {
            let _ = f.lock();
            Ok(Some(f))
        }
        Err(_) if cfg!(windows) => Ok(None),
        Err(e) => Err(io_error("open", dir)(e)),
    }
}

fn sync_dir(dir: &Path) -> Result<(), BundleError> {
    if cfg!(unix) {
        File::open(dir).and_then(|f| f.sync_all()).map_err(io_error("sync", dir))?;
    }
    Ok(())
}

/// Whether a directory is a bundle: it has a manifest.
#[must_use]
pub fn is_bundle(dir: &Path) -> bool {
    dir.join(MANIFEST).is_file()
}

/// The directory to read for a bundle: itself, or the whole old bundle that an interrupted
/// replacement left aside.
#[must_use]
pub fn locate(dir: &Path) -> PathBuf {
    if dir.exists() {
        return dir.to_path_buf();
    }
    let aside = dir.parent().zip(dir.file_name().and_then(|n| n.to_str())).and_then(|(p, name)| {
        let parent = if p.as_os_str().is_empty() { Path::new(".") } else { p };
        if !parent.is_dir() {
            return None;
        }
        let place = Place { dir: dir.into(), parent: parent.into(), name: name.to_owned() };
        place.siblings("old").ok()?.into_iter().rfind(|p| is_bundle(p))
    });
    aside.unwrap_or_else(|| dir.to_path_buf())
}

/// Largest JSON file of a bundle that is read, bytes.
pub const MAX_JSON: u64 = 4 << 30;

/// Reads the manifest of a bundle.
///
/// # Errors
/// When there is none, or it is malformed or of a later version.
pub fn read(dir: &Path) -> Result<Manifest, BundleError> {
    let dir = locate(dir);
    let path = dir.join(MANIFEST);
    let bytes = read_file(&path, 256 << 20)?;
    let malformed =
        |message: String| BundleError::Malformed { path: path.display().to_string(), message };
    let version: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|e| malformed(e.to_string()))?;
    let version = version.get("schema_version").and_then(serde_json::Value::as_u64);
    match version {
        Some(v) if v <= u64::from(super::manifest::MANIFEST_VERSION) && v > 0 => {}
        Some(v) => {
            return Err(malformed(format!(
                "schema version {v} is not known to this version of overstay; use a newer one"
            )));
        }
        None => {
            return Err(malformed(
                "has no `schema_version`; it is not a manifest of overstay".into(),
            ));
        }
    }
    serde_json::from_slice(&bytes).map_err(|e| malformed(e.to_string()))
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// When it cannot be read, is no regular file, or is larger.
pub fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, BundleError> {
    let meta = fs::metadata(path).map_err(io_error("read", path))?;
    let malformed =
        |message: String| BundleError::Malformed { path: path.display().to_string(), message };
    if !meta.is_file() {
        return Err(malformed("is not a regular file".into()));
    }
    if meta.len() > limit {
        return Err(malformed(format!("is larger than {limit} bytes")));
    }
    fs::read(path).map_err(io_error("read", path))
}

/// SHA-256 and size of a file, read in pieces.
///
/// # Errors
/// When it cannot be read.
pub fn sha256_file(path: &Path) -> Result<(String, u64), BundleError> {
    let mut hash = Sha256::new();
    let mut file = File::open(path).map_err(io_error("read", path))?;
    let mut buffer = vec![0u8; 1 << 16];
    let mut size = 0u64;
    loop {
        let n = io::Read::read(&mut file, &mut buffer).map_err(io_error("read", path))?;
        let Some(piece) = buffer.get(..n).filter(|p| !p.is_empty()) else { break };
        hash.update(piece);
        size += n as u64;
    }
    Ok((hex(&hash.finalize()), size))
}

#[cfg(test)]
mod tests;
