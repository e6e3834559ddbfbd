//! `overstay verify`: does a bundle hold, and do its inputs give it again?

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Parser;

use super::text::safe;
use super::{Cli, Failure, Outcome, exit, input};
use crate::evidence::verify::{Difference, check, check_inputs, compare};
use crate::evidence::{Manifest, bundle, files};

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 all holds, 1 differences, 2 wrong usage, 3 the bundle or the inputs cannot be read.")]
pub struct Args {
    /// Bundle.
    bundle: PathBuf,
    /// Inputs of the run: compare their digests, rerun it and compare byte by byte.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    inputs: Vec<PathBuf>,
    /// Baseline of the run [default: the copy in the bundle].
    #[arg(long, value_name = "FILE", requires = "inputs")]
    baseline: Option<PathBuf>,
    /// Waivers of the run [default: the copy in the bundle].
    #[arg(long, value_name = "FILE", requires = "inputs")]
    waivers: Option<PathBuf>,
    /// Rule directories of the run.
    #[arg(long = "rules", value_name = "DIR", requires = "inputs")]
    rule_dirs: Vec<PathBuf>,
    /// Print the differences as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
///
/// # Errors
/// A failure with its exit code.
pub fn run(cli: &Cli, args: &Args) -> Outcome {
    let dir = bundle::locate(&args.bundle);
    let mut found = check(&dir).map_err(input::bundle_failure)?;
    let mut done = vec!["digests and counts".to_owned()];
    let manifest = bundle::read(&dir);
    if !args.inputs.is_empty() && manifest.is_err() {
        input::note(cli, "inputs not compared: the manifest that lists them cannot be read");
    } else if !args.inputs.is_empty() {
        let manifest = manifest.map_err(input::bundle_failure)?;
        let inputs = check_inputs(&manifest, &args.inputs).map_err(input::bundle_failure)?;
        done.push(format!("{} inputs", manifest.inputs.len()));
        if inputs.is_empty() && found.is_empty() {
            found.extend(rerun(cli, args, &dir, &manifest)?);
            done.push("a rerun".into());
        } else {
            input::note(cli, "not rerun: bundle or inputs are not those of the manifest");
        }
        found.extend(inputs);
    }
    if args.json {
        input::print_json(&found)?;
    } else {
        input::print(&lines(&found, &done))?;
    }
    Ok(if found.is_empty() { exit::OK } else { exit::FINDINGS })
}

fn lines(found: &[Difference], done: &[String]) -> String {
    let mut out = String::new();
    for d in found {
        let _ = writeln!(out, "{:<9} {}: {}", d.kind, safe(&d.what), safe(&d.detail));
    }
    let word = if found.is_empty() { "holds" } else { "DOES NOT HOLD" };
    let _ = writeln!(out, "bundle {word}: checked {}", done.join(", "));
    out
}

/// Runs `scan` again through the same command line a user would type, into a temporary directory.
fn rerun(
    cli: &Cli,
    args: &Args,
    dir: &Path,
    manifest: &Manifest,
) -> Result<Vec<Difference>, Failure> {
    let internal = |e: std::io::Error| Failure::new(exit::INTERNAL, anyhow!("cannot rerun: {e}"));
    let tmp = tempfile::Builder::new().prefix("overstay-verify-").tempdir().map_err(internal)?;
    let out = tmp.path().join("bundle");
    let command = command(args, dir, manifest, &out, cli.threads)?;
    let parsed = Cli::try_parse_from(command)
        .map_err(|e| Failure::new(exit::INTERNAL, anyhow!("cannot rerun: {e}")))?;
    match super::run(&parsed)? {
        exit::OK => {}
        code => return Err(Failure::new(code, anyhow!("the rerun ended with exit code {code}"))),
    }
    compare(dir, &out).map_err(input::bundle_failure)
}

fn command(
    args: &Args,
    dir: &Path,
    manifest: &Manifest,
    out: &Path,
    threads: Option<usize>,
) -> Result<Vec<std::ffi::OsString>, Failure> {
    let mut words: Vec<std::ffi::OsString> = ["overstay", "--quiet"].map(Into::into).to_vec();
    let mut option = |name: &str, value: &std::ffi::OsStr| {
        let mut word = std::ffi::OsString::from(format!("{name}="));
        word.push(value);
        words.push(word);
    };
    if let Some(n) = threads {
        option("--threads", n.to_string().as_ref());
    }
    words.push("scan".into());
    let mut option = |name: &str, value: &std::ffi::OsStr| {
        let mut word = std::ffi::OsString::from(format!("{name}="));
        word.push(value);
        words.push(word);
    };
    option("--output", out.as_os_str());
    let settings = dir.join(files::SETTINGS);
    if settings.is_file() {
        option("--config", settings.as_os_str());
    }
    option("--as-of", manifest.as_of.as_ref());
    if let Some((a, b)) = &manifest.period {
        option("--period", format!("{a}..{b}").as_ref());
    }
    for (digest, name, given, copy) in [
        ("baseline", "--baseline", &args.baseline, files::BASELINE),
        ("waivers", "--waivers", &args.waivers, files::WAIVERS),
    ] {
        if manifest.digests.get(digest).is_none_or(String::is_empty) {
            continue;
        }
        let copy = dir.join(copy);
        match given {
            Some(path) => option(name, path.as_os_str()),
            None if copy.is_file() => option(name, copy.as_os_str()),
            None => {
                let error = anyhow!(
                    "the run used {digest}, of which the bundle has no copy; give {name} FILE"
                );
                return Err(Failure::new(exit::USAGE, error));
            }
        }
    }
    if !manifest.formats.is_empty() {
        option("--format", manifest.formats.join(",").as_ref());
    }
    for rules in &args.rule_dirs {
        option("--rules", rules.as_os_str());
    }
    // What follows is a path, whatever it looks like.
    words.push("--".into());
    words.extend(args.inputs.iter().map(|p| p.clone().into_os_string()));
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command;
    use crate::gate::testing;

    fn args(words: &[&str]) -> Args {
        let words = ["overstay", "verify"].iter().chain(words);
        match Cli::try_parse_from(words).unwrap().command {
            Command::Verify(a) => a,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_rerun_is_the_command_of_the_manifest() {
        let tmp = tempfile::tempdir().unwrap();
        let mut view = testing::view();
        view.period = Some(("2026-10-01T00:00:00Z".into(), "2026-11-01T00:00:00Z".into()));
        view.digests.insert("baseline".into(), "c".repeat(64));
        let m = Manifest::new(&view, &["md".into()], None);
        std::fs::write(tmp.path().join(files::SETTINGS), "").unwrap();
        let a = args(&["b", "--inputs", "in", "more"]);
        let e = command(&a, tmp.path(), &m, Path::new("out"), None).unwrap_err();
        assert_eq!(e.code, exit::USAGE);
        std::fs::write(tmp.path().join(files::BASELINE), "").unwrap();
        let got: Vec<String> = command(&a, tmp.path(), &m, Path::new("out"), Some(2))
            .unwrap()
            .iter()
            .map(|w| w.to_string_lossy().replace(tmp.path().to_str().unwrap(), "B"))
            .collect();
        assert_eq!(
            got.join(" "),
            "overstay --quiet --threads=2 scan --output=out --config=B/settings.toml --as-of=2026-11-01T00:00:00Z \
             --period=2026-10-01T00:00:00Z..2026-11-01T00:00:00Z --baseline=B/baseline.jsonl --format=md -- in more"
        );
    }

    #[test]
    fn differences_are_named_and_safe() {
        let d = Difference { what: "a\u{1b}[2J".into(), kind: "missing", detail: "listed".into() };
        let text = lines(&[d], &["digests and counts".into()]);
        assert_eq!(
            text,
            "missing   a\\u{1b}[2J: listed\nbundle DOES NOT HOLD: checked digests and counts\n"
        );
    }

    #[test]
    fn exit_codes() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("b");
        let run = |dir: &Path| {
            let cli = Cli::try_parse_from(["overstay", "verify", dir.to_str().unwrap()]).unwrap();
            super::super::run(&cli).map_err(|f| f.code)
        };
        assert_eq!(run(&dir), Err(exit::NO_INPUT));
        let view = testing::view();
        bundle::write(&dir, files::view_files(&view), Manifest::new(&view, &[], None)).unwrap();
        assert_eq!(run(&dir), Ok(exit::OK));
        std::fs::write(dir.join("more"), "").unwrap();
        assert_eq!(run(&dir), Ok(exit::FINDINGS));
    }
}
