//! `overstay explain`: one finding, its rule and its evidence; or one grant on one page.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::text::safe;
use super::{Cli, Failure, Outcome, exit, grant_page, input};
use crate::evidence::Manifest;
use crate::evidence::records::record;
use crate::findings::Finding;
use crate::report::{View, story};
use crate::rules::{self, Pack, find_rows};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Bundle; with --grant also inputs, which are analysed then.
    #[arg(required_unless_present = "grant")]
    bundle: Option<PathBuf>,
    /// Fingerprint, or its first digits (six at least).
    #[arg(required_unless_present = "grant", conflicts_with = "grant")]
    fingerprint: Option<String>,
    /// Show all about one grant: its id in the ledger, or `ledger:id`; a unique beginning is enough.
    #[arg(long, value_name = "ID", conflicts_with_all = ["inputs", "json"])]
    grant: Option<String>,
    /// Inputs of the run: show the records behind the finding.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    inputs: Vec<PathBuf>,
    /// Directory with further or overriding rules of the run; may be repeated.
    #[arg(long = "rules", value_name = "DIR")]
    rule_dirs: Vec<PathBuf>,
    /// Print the finding as JSON.
    #[arg(long)]
    json: bool,
}

/// Fewest digits of a fingerprint.
const MIN_DIGITS: usize = 6;

/// Runs the verb.
///
/// # Errors
/// A failure with its exit code.
pub fn run(_cli: &Cli, args: &Args) -> Outcome {
    if let Some(id) = &args.grant {
        return grant(args, id);
    }
    let dir = crate::evidence::bundle::locate(args.bundle.as_deref().unwrap_or(Path::new(".")));
    let (view, manifest) = input::bundle_view(&dir)?;
    let fingerprint = args.fingerprint.as_deref().unwrap_or_default();
    let finding = find(&view, fingerprint).map_err(|e| Failure::new(exit::USAGE, anyhow!(e)))?;
    if args.json {
        input::print_json(finding)?;
    } else {
        let tree = evaluated(&dir, &manifest, &view, finding, &args.rule_dirs);
        input::print(&explain(&view, finding, &args.inputs, tree))?;
    }
    Ok(exit::OK)
}

/// The page of one grant, from a bundle or from inputs.
fn grant(args: &Args, id: &str) -> Outcome {
    let (view, rows) =
        input::grant_rows(args.bundle.as_deref().unwrap_or(Path::new(".")), &args.rule_dirs)?;
    let at = grant_page::find(&rows, id).map_err(|e| Failure::new(exit::USAGE, anyhow!(e)))?;
    if let Some(story) = story::tell(&rows, at, &view.findings, &view.as_of) {
        input::print(&grant_page::page(&story))?;
    }
    Ok(exit::OK)
}

/// The rule of the finding, evaluated over its row in the bundle's facts.
///
/// # Errors
/// One line that says why it cannot be.
fn evaluated(
    dir: &Path,
    manifest: &Manifest,
    view: &View,
    f: &Finding,
    rule_dirs: &[PathBuf],
) -> Result<String, String> {
    let mut pack = Pack::builtin().map_err(|e| e.to_string())?;
    for rules in rule_dirs {
        pack.add_dir(rules).map_err(|e| e.to_string())?;
    }
    let rule = pack.get(&f.rule).ok_or_else(|| {
        format!("rule {} is not built in; give its directory with --rules", f.rule)
    })?;
    let frame = input::table_frame(dir, manifest, &rule.population.table)
        .map_err(|e| format!("{:#}", e.error))?;
    let limits = input::bundle_limits(dir, manifest).map_err(|e| format!("{:#}", e.error))?;
    let as_of = input::parse_time(&view.as_of)?;
    let rows =
        find_rows(rule, &frame, &f.fingerprint, &limits, as_of).map_err(|e| e.to_string())?;
    let Some(row) = rows.first() else {
        return Err("no row of the facts gives this finding under the rules of this version".into());
    };
    let explanation =
        rules::explain(rule, &frame, *row, &limits, as_of).map_err(|e| e.to_string())?;
    let mut out = rules::explain::render(&explanation);
    if rows.len() > 1 {
        let _ = writeln!(
            out,
            "({} rows of the facts give this finding; the worst is shown)",
            rows.len()
        );
    }
    Ok(out)
}

fn find<'a>(view: &'a View, prefix: &str) -> Result<&'a Finding, String> {
    let lower = prefix.to_ascii_lowercase();
    if lower.len() < MIN_DIGITS || !lower.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(format!(
            "`{}` is not the beginning of a fingerprint; give at least {MIN_DIGITS} hex digits",
            safe(prefix)
        ));
    }
    let hits: Vec<&Finding> =
        view.findings.iter().filter(|f| f.fingerprint.starts_with(&lower)).collect();
    match hits.as_slice() {
        [one] => Ok(one),
        [] => {
            Err(format!("no finding of this bundle has a fingerprint that begins with `{lower}`"))
        }
        [first, ..] if hits.iter().all(|f| f.fingerprint == first.fingerprint) => Ok(first),
        many => {
            let list: Vec<&str> = many.iter().take(10).map(|f| f.fingerprint.as_str()).collect();
            Err(format!(
                "`{lower}` begins {} fingerprints; give more digits: {}",
                many.len(),
                safe(&list.join(", "))
            ))
        }
    }
}

fn explain(view: &View, f: &Finding, inputs: &[PathBuf], tree: Result<String, String>) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{} {}: {}", safe(&f.rule), f.severity, safe(&f.title));
    let _ = writeln!(out, "  {}", safe(&f.message));
    let _ = writeln!(out, "fingerprint  {}", safe(&f.fingerprint));
    let _ = writeln!(
        out,
        "status       {}, {}, confidence {}, first seen {}",
        f.status.as_str(),
        safe(&f.certainty),
        safe(&f.confidence),
        safe(&f.first_seen)
    );
    for (name, value) in [
        ("principal", &f.principal),
        ("kind", &f.principal_kind),
        ("privilege", &f.privilege),
        ("scope", &f.scope),
        ("platform", &f.platform),
        ("tier", &f.tier),
        ("grant", &f.grant_id),
        ("task", &f.task_id),
        ("credential", &f.credential_id),
        ("owner", &f.owner),
    ] {
        if let Some(value) = value {
            let _ = writeln!(out, "{name:<12} {}", safe(value));
        }
    }
    if !f.severity_reasons.is_empty() {
        let _ = writeln!(out, "severity     {}", safe(&f.severity_reasons.join("; ")));
    }
    let steps = f.path_steps();
    if !steps.is_empty() {
        out.push_str("path\n");
        for (i, (technique, step)) in steps.iter().enumerate() {
            let technique = technique.as_ref().map_or_else(String::new, |t| format!(" [{t}]"));
            let _ = writeln!(out, "  {}. {}{}", i + 1, safe(step), safe(&technique));
        }
        if let Some(end) = f.path_end() {
            let _ = writeln!(out, "  => {}", safe(&end));
        }
    }
    rule(&mut out, view, f);
    match tree {
        Ok(text) => {
            out.push_str("evaluated\n");
            for line in text.lines() {
                let _ = writeln!(out, "  {}", safe(line));
            }
        }
        Err(why) => {
            let _ = writeln!(out, "evaluated    not: {}", safe(&why));
        }
    }
    out.push_str("evidence\n");
    for (name, value) in f.evidence.to_map() {
        let _ = writeln!(out, "  {} = {}", safe(&name), safe(&value_text(&value)));
    }
    sources(&mut out, f, inputs);
    if !f.controls.is_empty() {
        out.push_str("controls\n");
        for c in f.controls.iter() {
            let _ =
                writeln!(out, "  {} {} ({})", safe(&c.framework), safe(&c.id), safe(&c.relation));
        }
    }
    let _ = writeln!(out, "remediation\n  {}", safe(&f.remediation));
    out
}

fn value_text(v: &serde_json::Value) -> String {
    match v {
        serde_json::Value::Null => "unknown".into(),
        serde_json::Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

/// What the rule found over its whole population, and the limits it judged by.
fn rule(out: &mut String, view: &View, f: &Finding) {
    let Some(r) = view.rules.iter().find(|r| r.rule == f.rule) else { return };
    let _ = writeln!(
        out,
        "rule         {} on {}: population {}, exceptions {}, clean {}, not assessed {}",
        safe(&r.outcome),
        safe(&r.table),
        r.population,
        r.exceptions,
        r.clean,
        r.not_assessed
    );
    if !r.limits.is_empty() {
        let limits: Vec<String> = r.limits.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let _ = writeln!(out, "limits       {}", safe(&limits.join(", ")));
    }
}

fn sources(out: &mut String, f: &Finding, inputs: &[PathBuf]) {
    out.push_str("sources\n");
    for s in &f.sources {
        let _ = writeln!(out, "  {} {}  sha256 {}", safe(&s.file), safe(&s.place), safe(&s.sha256));
        if !inputs.is_empty() {
            match record(s, inputs) {
                Ok(text) => {
                    let _ = writeln!(out, "    | {}", safe(&text));
                }
                Err(why) => {
                    let _ = writeln!(out, "    (not shown: {})", safe(&why));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::fingerprint::sha256;
    use crate::gate::testing::view;

    #[test]
    fn prefixes() {
        let mut v = view();
        v.findings[0].fingerprint = format!("abcdef{}", "0".repeat(58));
        v.findings[1].fingerprint = format!("abcdef{}", "1".repeat(58));
        assert_eq!(find(&v, "ABCDEF0").unwrap().principal.as_deref(), Some("alice"));
        for (prefix, word) in [
            ("abcde", "at least 6"),
            ("", "at least"),
            ("xyzxyz", "hex"),
            ("abcdef", "begins 2"),
            ("abcdef2", "no finding"),
            ("abcdeé", "hex"),
        ] {
            let e = find(&v, prefix).unwrap_err();
            assert!(e.contains(word), "{prefix}: {e}");
        }
    }

    #[test]
    fn finding_with_its_record_made_safe() {
        let tmp = tempfile::tempdir().unwrap();
        let ledger = b"id,who\ng1,alice\x1b[2J\n";
        std::fs::write(tmp.path().join("ledger.csv"), ledger).unwrap();
        let mut v = view();
        v.findings[0].sources[0].sha256 = sha256(ledger).into();
        v.rules[0].limits.insert("task_grace_s".into(), "900".into());
        let text = explain(
            &v,
            &v.findings[0],
            &[tmp.path().to_path_buf()],
            Ok("exception: a > b\n".into()),
        );
        for part in [
            "GRT-003 high: Grant outlives",
            "overstay_s = 3600",
            "population 10, exceptions 2",
            "task_grace_s=900",
            "ledger.csv L2",
            "| g1,alice\\u{1b}[2J",
            "Remove it.",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains('\u{1b}'));
        let text = explain(&v, &v.findings[1], &[tmp.path().to_path_buf()], Err("no table".into()));
        assert!(text.contains("not shown: the file is not the one"), "{text}");
        assert!(text.contains("evaluated    not: no table"), "{text}");
    }

    #[test]
    fn a_path_is_told_step_by_step() {
        let mut v = view();
        let f = &mut v.findings[0];
        f.evidence
            .insert("path".into(), serde_json::json!(["user `a` may x", "role `b\u{1b}` may y"]));
        f.evidence.insert("path_techniques".into(), serde_json::json!(["iam-012", "sts-001"]));
        f.evidence.insert("path_end".into(), "arn:aws:iam::1:role/c".into());
        f.evidence.insert("escalates_to_admin".into(), "yes".into());
        let text = explain(&v, &v.findings[0], &[], Err("no table".into()));
        assert!(text.contains("  1. user `a` may x [iam-012]\n"), "{text}");
        assert!(text.contains("  2. role `b\\u{1b}` may y [sts-001]\n"), "{text}");
        assert!(text.contains("  => administrator, as `arn:aws:iam::1:role/c`"), "{text}");
    }

    /// The bundle's own facts are enough to evaluate the rule again.
    #[cfg(feature = "columnar-io")]
    #[test]
    fn rule_is_evaluated_over_the_bundle() {
        use crate::evidence::{bundle, files};
        use crate::facts::{Derived, GrantFact, text};

        const RULE: &str = include_str!("../../tests/data/rules-sample/grt/GRT-003-sample.yaml");
        let tmp = tempfile::tempdir().unwrap();
        let rules = tmp.path().join("rules");
        std::fs::create_dir(&rules).unwrap();
        std::fs::write(rules.join("GRT-003.yaml"), RULE).unwrap();
        let derived = Derived {
            grant_facts: vec![GrantFact {
                grant_id: text("g"),
                principal_id: text("alice"),
                effective: true,
                tier: Some(crate::facts::Tier::T1),
                overstay_s: Some(7200),
                ..GrantFact::default()
            }],
            ..Derived::default()
        };
        let frames = derived.frames().unwrap();
        // The fingerprint the rule gives this row.
        let pack = Pack::from_texts([("r.yaml", RULE)]).unwrap();
        let limits = crate::settings::Limits::default();
        let mut v = view();
        let as_of = input::parse_time(&v.as_of).unwrap();
        let out = rules::run(
            &pack,
            &rules::RunInput {
                tables: crate::facts::store::tables_of(&frames),
                limits: &limits,
                as_of,
                sources: &[],
                present: &["ledger", "task"].map(str::to_owned).into(),
                disabled: &std::collections::BTreeMap::new(),
                only: None,
            },
        )
        .unwrap();
        v.findings = vec![out.findings.into_iter().next().unwrap()];
        v.rules.truncate(1);
        let dir = tmp.path().join("b");
        let mut all = files::view_files(&v);
        all.extend(files::facts_files(&frames));
        bundle::write(&dir, all, Manifest::new(&v, &[], None)).unwrap();
        let manifest = bundle::read(&dir).unwrap();
        let text = evaluated(&dir, &manifest, &v, &v.findings[0], &[rules]).unwrap();
        assert!(text.contains("7200"), "{text}");
    }
}
