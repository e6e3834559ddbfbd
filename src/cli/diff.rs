//! `overstay diff`: what changed between two bundles.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::text::safe;
use super::{Cli, Outcome, exit, input};
use crate::gate::diff::{Diff, diff};

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 no differences, 1 differences, 3 a bundle cannot be read.")]
pub struct Args {
    /// Older bundle.
    old: PathBuf,
    /// Newer bundle.
    new: PathBuf,
    /// List unchanged findings too.
    #[arg(long)]
    all: bool,
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
///
/// # Errors
/// A failure with its exit code.
pub fn run(_cli: &Cli, args: &Args) -> Outcome {
    let (old, _) = input::bundle_view(&args.old)?;
    let (new, _) = input::bundle_view(&args.new)?;
    let d = diff(&old, &new);
    if args.json {
        input::print_json(&d)?;
    } else {
        input::print(&lines(&d, args.all))?;
    }
    Ok(if d.is_empty() { exit::OK } else { exit::FINDINGS })
}

/// One line per finding: change, severity, rule, fingerprint, subject, reason.
#[must_use]
pub fn lines(d: &Diff, all: bool) -> String {
    let mut out = String::new();
    for note in &d.notes {
        let _ = writeln!(out, "note: {}", safe(note));
    }
    for l in d.lines.iter().filter(|l| all || l.change != "unchanged") {
        let subject: Vec<&str> =
            [&l.principal, &l.privilege, &l.scope].iter().filter_map(|s| s.as_deref()).collect();
        let _ = writeln!(
            out,
            "{:<9} {:<8} {} {}  {}: {}",
            l.change,
            l.severity.as_str(),
            safe(&l.rule),
            safe(l.fingerprint.get(..12).unwrap_or(&l.fingerprint)),
            safe(&subject.join(" ")),
            safe(&l.reason)
        );
    }
    let counts: Vec<String> = ["new", "updated", "absent", "unknown", "unchanged"]
        .iter()
        .map(|k| format!("{} {k}", d.counts.get(k).copied().unwrap_or(0)))
        .collect();
    let _ = writeln!(out, "{} ({} -> {})", counts.join(", "), safe(&d.old), safe(&d.new));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::Severity;
    use crate::gate::testing::{finding, view};

    #[test]
    fn one_line_each_and_counts() {
        let mut new = view();
        new.findings[1] = finding("carol\u{1b}[2J", Severity::Low);
        let d = diff(&view(), &new);
        let text = lines(&d, false);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.starts_with("new       low      GRT-003"), "{text}");
        assert!(text.contains("carol\\u{1b}[2J Admin"));
        assert!(text.contains("1 new, 0 updated, 1 absent, 0 unknown, 1 unchanged"));
        assert_eq!(lines(&d, true).lines().count(), 4);
    }
}
