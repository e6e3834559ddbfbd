//! What was not assessed: layers, rules, inputs, quarantine, frameworks, blind spots.

use std::collections::BTreeMap;

use super::{Assemble, number, unsigned};
use crate::report::text::{count, titled, words};
use crate::report::view::{NotAssessed, UnreadRow};

/// Lists everything, layers first.
pub(super) fn not_assessed(input: &Assemble<'_>, unread: &[UnreadRow]) -> Vec<NotAssessed> {
    let mut out = layers(input);
    out.extend(inputs(input, unread));
    out.extend(rules(input));
    out.extend(frameworks(input));
    out.extend(input.blind_spots.iter().cloned());
    out
}

fn item(kind: &str, what: String, why: String, remedy: Option<&str>, items: u64) -> NotAssessed {
    NotAssessed { kind: kind.into(), what, why, remedy: remedy.map(Into::into), items }
}

/// What a reader can do about a reason code of the grants model, section 7.
fn remedy(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "no_source" => "add an export of this layer to the inputs",
        "out_of_window" => "add the records of the missing time",
        "incomplete_snapshot" => "export the snapshot again, without limits and with all pages",
        "no_task_link" => "record the task or ticket id with the grant",
        "ambiguous_task" => {
            "name the task's system with the grant (`ticket_system`, or `system:id`)"
        }
        "identity_unresolved" => "link the names in `[[identity]]` of the settings",
        "group_membership_missing" => "add the group membership export",
        "role_unexpanded" => "add the role definitions, or declare the tier in `[[privilege]]`",
        "end_unknown" => "record when access was removed",
        "unreadable" => "repair or export the file again",
        "incomplete_ledger" => "export the ledger again, whole and with all open grants",
        "use_aggregated" => "give single uses, or sums that name the grant",
        _ => return None,
    })
}

fn layers(input: &Assemble<'_>) -> Vec<NotAssessed> {
    input
        .derived
        .coverage
        .iter()
        .filter(|c| c.coverage_id.starts_with("layer:") && &*c.outcome != "assessed")
        .map(|c| {
            let reason = c.reason.as_deref().unwrap_or("no reason recorded");
            let partly = if &*c.outcome == "partial" { "in part: " } else { "" };
            let why = format!("{partly}{}", words(reason));
            item("layer", c.layer.as_str().into(), why, remedy(reason), 0)
        })
        .collect()
}

/// Files of which nothing could be read, with what to do about each.
pub(super) fn unread(input: &Assemble<'_>) -> Vec<UnreadRow> {
    let row = |(file, why): &(String, String), word: &str, remedy: &str| UnreadRow {
        file: file.clone(),
        why: format!("{word}: {why}"),
        remedy: remedy.to_owned(),
    };
    let failed = input
        .failed_files
        .iter()
        .map(|f| row(f, "could not be read", "repair or export the file again"));
    let unknown = input.unknown_files.iter().map(|f| {
        let remedy = "name its format in `[[mapping]]`, or list it under `ignore`";
        row(f, "format not recognised", remedy)
    });
    failed.chain(unknown).collect()
}

fn inputs(input: &Assemble<'_>, unread: &[UnreadRow]) -> Vec<NotAssessed> {
    let mut out = Vec::new();
    for f in unread {
        out.push(item("input", f.file.clone(), f.why.clone(), Some(&f.remedy), 0));
    }
    for s in input.facts.sources.iter().filter(|s| s.quarantined > 0) {
        let (bad, all) = (unsigned(s.quarantined), unsigned(s.records));
        let verb = if bad == 1 { "is" } else { "are" };
        let why = format!("{} of {} records {verb} in quarantine", count(bad), count(all));
        let remedy = Some("repair the records listed under quarantine");
        out.push(item("input", s.file.to_string(), why, remedy, bad));
    }
    for pattern in &input.settings.ignore {
        let why = "left out by the settings".to_string();
        out.push(item("ignored", pattern.clone(), why, None, 0));
    }
    out
}

fn rules(input: &Assemble<'_>) -> Vec<NotAssessed> {
    let mut out: Vec<NotAssessed> = input
        .settings
        .disabled_rules
        .iter()
        .map(|(rule, why)| {
            let why = format!("switched off by the settings: {why}");
            item("rule", rule.clone(), why, Some("remove it from `disabled_rules`"), 0)
        })
        .collect();
    for r in input.results.iter().filter(|r| r.outcome != "assessed") {
        let worst = most(&r.reasons);
        let mut why: Vec<String> = Vec::new();
        if r.outcome == "partial" {
            let of = count(r.population);
            why.push(format!("{} of {of} could not be tested", count(r.not_assessed)));
        }
        why.extend(r.reason.as_deref().map(words));
        // The engine's own sentence names most reasons already, with their counts.
        let said = |code: &str| r.reason.as_deref().is_some_and(|text| text.contains(code));
        why.extend(
            r.reasons
                .iter()
                .filter(|(code, _)| !said(code))
                .map(|(code, n)| format!("{} ({})", words(code), count(*n))),
        );
        if why.is_empty() {
            why.push("no reason recorded".into());
        }
        out.push(item(
            "rule",
            format!("{} {}", r.rule, r.title),
            why.join("; "),
            worst.and_then(remedy),
            r.not_assessed,
        ));
    }
    out
}

/// The reason most rows have; the first by name among equals.
fn most(reasons: &BTreeMap<String, u64>) -> Option<&str> {
    let most = reasons.values().max()?;
    reasons.iter().find(|(_, n)| *n == most).map(|(reason, _)| reason.as_str())
}

fn frameworks(input: &Assemble<'_>) -> Vec<NotAssessed> {
    input
        .frameworks
        .iter()
        .filter_map(|f| {
            let n = f.conclusions.iter().filter(|c| c.conclusion == "not_assessed").count();
            let verb = if n == 1 { "was" } else { "were" };
            let why = format!("{n} of {} controls {verb} not assessed", f.conclusions.len());
            (n > 0).then(|| item("framework", titled(&f.name, &f.version), why, None, number(n)))
        })
        .collect()
}
