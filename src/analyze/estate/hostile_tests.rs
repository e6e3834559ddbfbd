//! Exports as nobody should write them: whatever is in a file, reading and judging it ends, soon and without a
//! panic.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::analyze::reach::{Reach, reach};
use crate::facts::time::parse_rfc3339;
use crate::ingest::ingest;
use crate::settings::Settings;

/// Damaged files by default; `OVERSTAY_MUTATIONS` asks for more.
const MUTATIONS: u64 = 150;

fn judge(folder: &Path) -> Option<Reach> {
    let settings = Settings::defaults();
    let mut facts = ingest(&[folder.to_path_buf()], &settings).ok()?.facts;
    crate::analyze::identities(&mut facts, &settings);
    Some(reach(&facts, &settings, parse_rfc3339("2026-06-30T00:00:00Z").unwrap()))
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % below.max(1)
    }
}

fn samples() -> Vec<(PathBuf, Vec<u8>)> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let mut out = Vec::new();
    for folder in
        ["gcp/shape", "gcp/panther", "k8s/kubehound/attacks", "k8s/kubesplaining", "k8s/audit2rbac"]
    {
        let folder = base.join(folder);
        assert!(folder.exists(), "this test needs the shared data at `{}`", folder.display());
        let mut stack = vec![folder];
        while let Some(at) = stack.pop() {
            if at.is_dir() {
                stack.extend(std::fs::read_dir(&at).unwrap().map(|e| e.unwrap().path()));
                continue;
            }
            let bytes = std::fs::read(&at).unwrap();
            if bytes.len() < 200_000 {
                out.push((at, bytes));
            }
        }
    }
    out.sort();
    out
}

/// Bits of text that readers look for, in places where they are not expected.
const SHARDS: [&str; 24] = [
    "null",
    "[]",
    "{}",
    "\"\"",
    "-1",
    "1e999",
    "true",
    "\"*\"",
    "\u{0}",
    "\\u0000",
    "\u{202e}",
    "[[[[[[[[",
    "{\"a\":",
    "&a [*a, *a]",
    "*a",
    "9999999999999999999999",
    "//cloudresourcemanager.googleapis.com/projects/",
    "projects//",
    "system:serviceaccount:",
    "serviceAccount:p.svc.id.goog[/]",
    "/ns/",
    "#",
    "principalSet://iam.googleapis.com/",
    "\u{feff}",
];

fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.next(6) {
        let (at, other) = (dice.next(bytes.len() + 1), dice.next(bytes.len() + 1));
        match dice.next(6) {
            0 => {
                if let Some(b) = bytes.get_mut(at) {
                    *b = u8::try_from(dice.next(256)).unwrap();
                }
            }
            1 => {
                bytes.drain(at.min(other)..at.max(other).min(at.min(other) + 200));
            }
            2 => {
                let part: Vec<u8> =
                    bytes[at.min(other)..at.max(other)].iter().take(2_000).copied().collect();
                let to = dice.next(bytes.len() + 1);
                bytes.splice(to..to, part);
            }
            3 => {
                bytes.truncate(at);
            }
            _ => {
                // In the place of a value, where there is one.
                let shard = SHARDS[dice.next(SHARDS.len())].as_bytes();
                let from = bytes[at..].iter().position(|b| *b == b':').map_or(at, |i| at + i + 1);
                let len = bytes[from..].iter().position(|b| b",}]\n".contains(b)).unwrap_or(0);
                bytes.splice(from..from + len, shard.iter().copied());
            }
        }
    }
}

#[test]
fn damaged_exports_are_read_and_judged() {
    let n = std::env::var("OVERSTAY_MUTATIONS").map_or(MUTATIONS, |n| n.parse().unwrap());
    let samples = samples();
    assert!(samples.len() >= 25, "{}", samples.len());
    let mut read = 0;
    for i in 1..=n {
        let mut dice = Dice(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let dir = tempfile::tempdir().unwrap();
        // Two files of one run meet in everything that joins files.
        for part in 0..2 {
            let (path, bytes) = &samples[dice.next(samples.len())];
            let mut bytes = bytes.clone();
            damage(&mut bytes, &mut dice);
            let name = path.file_name().unwrap().to_string_lossy();
            std::fs::write(dir.path().join(format!("{part}-{name}")), bytes).unwrap();
        }
        let started = Instant::now();
        read += u64::from(judge(dir.path()).is_some());
        assert!(started.elapsed().as_secs() < 60, "run {i} takes too long");
    }
    assert!(read > n / 4, "only {read} of {n} runs had anything to judge");
}

fn write(dir: &Path, name: &str, content: &str) {
    std::fs::write(dir.join(name), content).unwrap();
}

#[test]
fn depth_is_no_danger() {
    let dir = tempfile::tempdir().unwrap();
    let n = 200_000;
    let nested =
        |open: &str, close: &str, n: usize| format!("{}{}", open.repeat(n), close.repeat(n));
    let lists = nested("[", "]", n);
    write(dir.path(), "a.json", &format!(r#"{{"kind":"List","apiVersion":"v1","items":{lists}}}"#));
    let kinds = nested(r#"{"kind":"RoleList","apiVersion":"v1","items":["#, "]}", 20_000);
    write(dir.path(), "b.json", &kinds);
    write(
        dir.path(),
        "c.json",
        &format!(r#"[{{"protoPayload":{{"methodName":"io.k8s.x","a":{lists}}}}}]"#),
    );
    write(
        dir.path(),
        "d.json",
        &format!(r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":{lists}}}"#),
    );
    let yaml = format!(
        "apiVersion: v1\nkind: Role\nmetadata: {{name: x}}\nrules: {}\n",
        nested("[", "]", 20_000)
    );
    write(dir.path(), "e.yaml", &yaml);
    let mut aliases =
        String::from("apiVersion: v1\nkind: Role\nmetadata: {name: x}\na0: &a0 [x, x]\n");
    for i in 1..60 {
        writeln!(aliases, "a{i}: &a{i} [*a{0}, *a{0}, *a{0}, *a{0}]", i - 1).unwrap();
    }
    write(dir.path(), "f.yaml", &aliases);
    write(
        dir.path(),
        "g.yaml",
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: fine, namespace: \"a\\u0007\\u202eb\"}\n",
    );
    let settings = Settings::defaults();
    let found = ingest(&[dir.path().to_path_buf()], &settings).unwrap();
    assert!(found.facts.principals.iter().any(|p| p.principal_id.ends_with(":fine")));
    let told = |file: &str| {
        found.facts.sources.iter().any(|s| &*s.file == file && s.quarantined > 0)
            || found.failed.iter().any(|f| format!("{f:?}").contains(file))
            || found.unknown.iter().any(|f| format!("{f:?}").contains(file))
    };
    for file in ["a.json", "b.json", "c.json", "e.yaml", "f.yaml"] {
        assert!(
            told(file),
            "{file}: {:?} {:?} {:?}",
            found.facts.sources,
            found.failed,
            found.unknown
        );
    }
    assert!(judge(dir.path()).is_some());
}

/// Accounts that all may do everything, in places that all join: steps grow with them, not with their square.
#[test]
fn many_wide_bindings_are_linear_work() {
    let build = |n: usize| {
        let dir = tempfile::tempdir().unwrap();
        let mut members = Vec::new();
        let mut policies = Vec::new();
        let mut manifest = String::new();
        for i in 0..n {
            members.push(format!(r#""serviceAccount:p.svc.id.goog[ns{i}/sa]""#));
            members.push(format!(r#""serviceAccount:a{i}@p.iam.gserviceaccount.com""#));
            policies.push(format!(
                r#"{{"assetType":"run.googleapis.com/Service","resource":"//run.googleapis.com/projects/p/locations/l/services/s{i}","project":"projects/3","policy":{{"bindings":[{{"role":"roles/run.admin","members":["user:u{}@x.example"]}}]}}}}"#,
                i % 3
            ));
            policies.push(format!(
                r#"{{"assetType":"iam.googleapis.com/ServiceAccount","resource":"//iam.googleapis.com/projects/p/serviceAccounts/a{i}@p.iam.gserviceaccount.com","project":"projects/3","policy":{{"bindings":[{{"role":"roles/iam.serviceAccountUser","members":["user:u{}@x.example"]}}]}}}}"#,
                i % 3
            ));
            writeln!(
                manifest,
                "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: sa, namespace: ns{i}, annotations: {{iam.gke.io/gcp-service-account: a{i}@p.iam.gserviceaccount.com}}}}"
            )
            .unwrap();
        }
        let project = format!(
            r#"{{"assetType":"cloudresourcemanager.googleapis.com/Project","resource":"//cloudresourcemanager.googleapis.com/projects/p","project":"projects/3","policy":{{"bindings":[{{"role":"roles/editor","members":[{}]}}]}}}}"#,
            members.join(",")
        );
        policies.push(project);
        write(dir.path(), "p.json", &format!("[{}]", policies.join(",")));
        write(dir.path(), "c.yaml", &manifest);
        let settings = Settings::defaults();
        let as_of = parse_rfc3339("2026-06-30T00:00:00Z").unwrap();
        let mut facts = ingest(&[dir.path().to_path_buf()], &settings).unwrap().facts;
        crate::analyze::identities(&mut facts, &settings);
        let started = Instant::now();
        let people = crate::analyze::reach::people::collect(&facts, &settings, as_of);
        let activity = crate::analyze::reach::activity::Activity::new(&facts, &settings, as_of);
        let world = super::World {
            facts: &facts,
            settings: &settings,
            as_of,
            people: &people,
            activity: &activity,
        };
        let estate = super::read(&world);
        let rows = super::escalations(&estate, &people, &[]);
        (estate.edges.len(), rows.len(), started.elapsed().as_secs_f64())
    };
    let (small, _, _) = build(500);
    let (large, _, seconds) = build(4_000);
    assert!(large < small * 9, "{small} steps of 500, {large} of 4,000");
    assert!(seconds < 60.0, "{seconds} s");
}
