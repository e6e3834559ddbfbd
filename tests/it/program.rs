//! The built program, run the way a user runs it, and what every run must hold whatever it is given.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

/// Path of the program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_overstay");

/// Arguments given as text, with paths among them.
macro_rules! ran {
    ($($word:expr),+ $(,)?) => {
        $crate::program::overstay(&[$(std::ffi::OsString::from($word)),+])
    };
}
pub(crate) use ran;

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// The sample organisation.
pub fn sample() -> PathBuf {
    root().join("sample-data")
}

/// What a run gave.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Checks what holds for every run: an exit code of ours, no panic, nothing that steers a terminal.
    pub fn of(output: Output, what: &str) -> Self {
        let out = String::from_utf8(output.stdout).expect("standard output is UTF-8");
        let err = String::from_utf8(output.stderr).expect("standard error is UTF-8");
        let code = output.status.code().unwrap_or_else(|| panic!("{what}: killed; {err}"));
        assert!(!err.contains("panicked"), "{what}: {err}");
        assert!([0, 1, 2, 3, 4, 5, 70].contains(&code), "{what}: exit code {code}; {err}");
        for (stream, text) in [("output", &out), ("error", &err)] {
            if let Some(c) = text.chars().find(|c| steers(*c)) {
                panic!("{what}: {c:?} reached standard {stream}:\n{}", text.escape_debug());
            }
        }
        Self { code, out, err }
    }

    /// Checks the exit code.
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }

    /// Checks that standard error says all of these.
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.err.contains(word), "`{word}` is not in: {}", self.err);
        }
        self
    }

    /// Checks that one of the streams tells all of these: a gate's reasons are its result.
    pub fn tells(self, words: &[&str]) -> Self {
        for word in words {
            let told = self.err.contains(word) || self.out.contains(word);
            assert!(told, "`{word}` is not in: {}{}", self.out, self.err);
        }
        self
    }

    /// Checks that standard output shows all of these.
    pub fn shows(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.out.contains(word), "`{word}` is not in: {}", self.out);
        }
        self
    }
}

/// Characters that move the cursor, colour or reverse what follows.
pub fn steers(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The program with these arguments, nothing on standard input.
pub fn command<S: AsRef<OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(args).stdin(Stdio::null()).env_remove("SOURCE_DATE_EPOCH");
    command
}

/// Runs the program.
pub fn overstay<S: AsRef<OsStr>>(args: &[S]) -> Ran {
    let what: Vec<String> =
        args.iter().map(|a| a.as_ref().to_string_lossy().chars().take(200).collect()).collect();
    Ran::of(command(args).output().expect("the program starts"), &what.join(" "))
}

/// Files of a folder by relative path.
pub fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                todo.push(path);
            } else {
                let name = path.strip_prefix(dir).expect("inside").to_string_lossy().into_owned();
                found.insert(name, std::fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    for (name, bytes) in files(from) {
        let path = to.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }
}

/// JSON of a text.
pub fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// JSON of a file.
pub fn json_file(path: &Path) -> serde_json::Value {
    json(&std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

/// Findings of a bundle.
pub fn findings(bundle: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(bundle.join("findings.jsonl")).expect("findings.jsonl");
    text.lines().map(json).collect()
}

/// A bundle of the sample, made once; to be read only. It stays in Cargo's folder for such things.
pub fn sample_bundle() -> &'static Path {
    static BUNDLE: LazyLock<PathBuf> = LazyLock::new(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e/sample");
        ran!["--quiet", "scan", sample(), "-o", &dir].exits(0);
        dir
    });
    &BUNDLE
}

/// A ledger of one clean grant with its task.
pub const LEDGER: &str = "\
grant_id,broker,system,principal,principal_type,role,scope,task_id,approval_id,requested_at,granted_at,expires_at,revoked_at,justification
g1,broker,aws,alice,human,reader,aws:1,t1,a1,2026-01-01T08:00:00Z,2026-01-01T08:01:00Z,2026-01-01T09:00:00Z,2026-01-01T09:00:00Z,look at the queue
";
