//! GitHub: protected branches, rulesets and environments, which stand before runs that act elsewhere.
//!
//! Shapes: REST `repos/O/R/branches/B/protection`, `repos/O/R/rulesets/ID` (or a list of them),
//! `repos/O/R/environments`. The repository is in the record's own address, the key around it, or
//! `<file>.realm`.

use serde_json::{Value, json};

use super::{Rec, Sink};
use crate::facts::{Guardrail, GuardrailKind, text};
use crate::ingest::ledger::vendor::{Doc, mentions};
use crate::ingest::source::Probe;

const PLATFORM: &str = "github";

/// Whether a file holds any of these.
pub(super) fn recognise(p: &Probe<'_>) -> bool {
    mentions(p, &["\"protection_rules\""])
        || mentions(p, &["\"enforce_admins\"", "\"enabled\""])
        || mentions(p, &["\"required_approving_review_count\""])
        || mentions(p, &["\"enforcement\"", "\"ref_name\""])
}

/// Repository of a record.
fn repository(r: &Rec<'_>) -> Result<String, String> {
    let of_url = |u: &str| {
        let (_, rest) = u.split_once("/repos/")?;
        let mut parts = rest.splitn(3, '/');
        Some(format!("{}/{}", parts.next()?, parts.next()?))
    };
    let url = ["url", "_links/self/href", "html_url"].iter().find_map(|k| of_url(r.doc.str(k)?));
    let source = r.doc.str("source").filter(|s| s.contains('/')).map(str::to_owned);
    let around = r.keys.iter().rev().find(|k| is_repository(k)).cloned();
    let page = r.doc.str("html_url").and_then(|u| {
        let path = u.strip_prefix("https://github.com/")?;
        let mut parts = path.splitn(3, '/');
        Some(format!("{}/{}", parts.next()?, parts.next()?))
    });
    let beside = r.realm.filter(|s| is_repository(s)).map(str::to_owned);
    around.or(source).or(url).or(page).or(beside).ok_or_else(|| {
        "the record does not say of which repository: put `OWNER/NAME` into `<file>.realm`"
            .to_owned()
    })
}

fn is_repository(s: &str) -> bool {
    s.split('/').filter(|p| !p.is_empty()).count() == 2 && s.matches('/').count() == 1
}

/// Reads one record; `None` when it is none of these.
pub(super) fn record(r: &Rec<'_>, sink: &mut Sink<'_>) -> Option<Result<(), String>> {
    let d = r.doc;
    let has = |k: &str| d.at(k).is_some();
    if d.at("environments").is_some_and(Value::is_array) {
        return Some(environments(r, sink));
    }
    if has("protection_rules") && d.str("name").is_some() {
        return Some(repository(r).map(|repo| environment(d, &repo, sink)));
    }
    if has("enforcement") && (has("rules") || has("conditions")) {
        return Some(ruleset(r, sink));
    }
    if has("enforce_admins") || has("required_pull_request_reviews") {
        return Some(branch(r, sink));
    }
    None
}

fn put(sink: &mut Sink<'_>, target: &str, document: &Value) {
    let id = format!("{PLATFORM}/guard/{target}");
    sink.role(PLATFORM, &id, target, Some(document.to_string()));
    let (source_id, source_ref) = (sink.batch.source_id.clone(), sink.place.clone());
    sink.batch.facts.guardrails.push(Guardrail {
        platform: text(PLATFORM),
        kind: GuardrailKind::Activation,
        target_id: Some(text(target)),
        role_id: text(id),
        name: text(target),
        source_id,
        source_ref,
        ..Guardrail::default()
    });
}

/// The environments of one repository: all there are.
fn environments(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<(), String> {
    let list: Vec<Doc<'_>> = r.doc.list("environments").collect();
    let named = list.iter().find_map(|e| {
        let url = e.str("url").or(e.str("html_url"))?;
        let rest = url.split_once("/repos/").map(|(_, r)| r);
        let rest = rest.or(url.strip_prefix("https://github.com/"))?;
        let mut parts = rest.splitn(3, '/');
        Some(format!("{}/{}", parts.next()?, parts.next()?))
    });
    let repo = match named {
        Some(repo) => repo,
        None => repository(r)?,
    };
    let all = r.int("total_count").is_none_or(|n| usize::try_from(n) == Ok(list.len()));
    if all {
        put(sink, &format!("{repo}#environments"), &json!({}));
    } else {
        sink.limit("a page of environments is not the whole list");
    }
    for e in list {
        environment(e, &repo, sink);
    }
    Ok(())
}

fn environment(d: Doc<'_>, repo: &str, sink: &mut Sink<'_>) {
    let Some(name) = d.str("name") else { return };
    let mut reviewers: Vec<String> = Vec::new();
    let mut wait = 0;
    for rule in d.list("protection_rules") {
        match rule.str("type") {
            Some("required_reviewers") => {
                for r in rule.list("reviewers") {
                    let who = r.first(&["reviewer/login", "reviewer/slug", "reviewer/name"]);
                    reviewers.push(who.unwrap_or("somebody").to_owned());
                }
                // A rule whose reviewers are not shown still asks.
                if reviewers.is_empty() {
                    reviewers.push("somebody".to_owned());
                }
            }
            Some("wait_timer") => wait = rule.at("wait_timer").and_then(Value::as_i64).unwrap_or(0),
            _ => {}
        }
    }
    let policy = d.at("deployment_branch_policy").map(Doc);
    let branches = policy.and_then(|p| {
        if p.flag("protected_branches") == Some(true) {
            Some("protected")
        } else if p.flag("custom_branch_policies") == Some(true) {
            Some("named")
        } else {
            None
        }
    });
    let document = json!({ "reviewers": reviewers, "wait_minutes": wait, "branches": branches });
    put(sink, &format!("{repo}#environment:{name}"), &document);
}

/// Protection of one branch.
fn branch(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<(), String> {
    let repo = repository(r)?;
    let url = r.doc.str("url").unwrap_or_default();
    let of_url = url.split_once("/branches/").and_then(|(_, b)| b.strip_suffix("/protection"));
    let around = r.key().filter(|k| !is_repository(k));
    let name = r.doc.str("name").or(of_url).or(around).ok_or("the record names no branch")?;
    let reviews = r.doc.at("required_pull_request_reviews").map(Doc);
    // The review is asked for even when its count is not shown.
    let count = reviews.map_or(0, |d| {
        d.at("required_approving_review_count").and_then(Value::as_i64).unwrap_or(1)
    });
    put(sink, &format!("{repo}#branch:{name}"), &json!({ "reviews": count }));
    Ok(())
}

/// A ruleset: what holds for the branches that its patterns name.
fn ruleset(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<(), String> {
    let d = r.doc;
    if d.str("source_type") == Some("Organization") {
        sink.limit("rulesets of an organisation are not judged: their repositories are not listed");
        return Ok(());
    }
    let repo = repository(r)?;
    let target = d.str("target").unwrap_or("branch");
    if d.str("enforcement") != Some("active") || target != "branch" {
        return Ok(());
    }
    if d.at("rules").is_none() {
        sink.limit("rulesets come without their rules: ask for each by its id");
        return Ok(());
    }
    let pull = d.list("rules").find(|rule| rule.str("type") == Some("pull_request"));
    let reviews = pull.map_or(0, |rule| {
        rule.at("parameters/required_approving_review_count").and_then(Value::as_i64).unwrap_or(0)
    });
    let include: Vec<&str> = d
        .at("conditions/ref_name/include")
        .and_then(Value::as_array)
        .map_or_else(Vec::new, |l| l.iter().filter_map(Value::as_str).collect());
    let exclude = d.at("conditions/ref_name/exclude").and_then(Value::as_array);
    if exclude.is_some_and(|l| !l.is_empty()) {
        sink.limit("a ruleset leaves out some branches; which of them it holds for is not decided");
        return Ok(());
    }
    for pattern in include {
        let (name, default) = match pattern {
            "~ALL" => ("*".to_owned(), false),
            "~DEFAULT_BRANCH" => ("~default".to_owned(), true),
            other => (other.strip_prefix("refs/heads/").unwrap_or(other).to_owned(), false),
        };
        let document = json!({ "reviews": reviews, "default_branch": default });
        put(sink, &format!("{repo}#branch:{name}"), &document);
    }
    Ok(())
}
