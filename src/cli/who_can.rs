//! `overstay who-can`: which users and roles may do an action on a resource.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::json;

use super::can::{Asked, Format, assumptions};
use super::text::safe;
use super::{Cli, Outcome, exit, input};
use crate::analyze::effective::Effective;
use crate::privilege::aws::action::catalogue;
use crate::privilege::aws::decide::Verdict;

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(
    about = "List the AWS users and roles that may do an action on a resource",
    long_about = "List the AWS users and roles of the inputs that may do an action on a resource, for \
        certain or under conditions that the inputs do not decide; how, `overstay can` tells for each.\n\n\
        What a principal may do itself counts, not what it could do through a role it can assume; root \
        users, services and other accounts are not listed.",
    after_help = "Exit code: 0 whatever the answer is; 2 wrong arguments, 3 no usable input."
)]
pub struct Args {
    /// `service:Action`.
    #[arg(value_name = "ACTION")]
    pub action: String,
    /// ARN of one resource; `*` for an action that has no resource type.
    #[arg(value_name = "RESOURCE")]
    pub resource: String,
    /// Exports: files and directories.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// List those too who may not.
    #[arg(long)]
    pub all: bool,
    /// Context and output.
    #[command(flatten)]
    pub asked: Asked,
}

/// Principals that are asked which layers are missing.
const FIRST: usize = 32;

/// Runs the verb.
///
/// # Errors
/// A failure with its exit code.
pub fn run(_cli: &Cli, args: &Args) -> Outcome {
    let (question, mut notes) = args.asked.question(&args.action, &args.resource)?;
    let reading = args.asked.read(&args.inputs)?;
    let mut effective = Effective::new(&reading.facts, reading.as_of);
    let mut prepared = effective.prepare(&question);
    let mut groups: BTreeMap<&str, Vec<String>> =
        ["allow", "conditional", "deny"].into_iter().map(|w| (w, Vec::new())).collect();
    let mut not_supplied: Vec<&str> = Vec::new();
    for (i, who) in effective.everybody().into_iter().enumerate() {
        let verdict: Verdict = effective.verdict(&who, &mut prepared);
        if let Some(list) = groups.get_mut(verdict.word()) {
            list.push(who.arn.to_string());
        }
        // Which layers are missing is the same for all but roles that no organisation policy limits.
        if i == 0 || (not_supplied.len() < 3 && i < FIRST) {
            for layer in effective.explain(&who, &mut prepared).not_supplied {
                if !not_supplied.contains(&layer) {
                    not_supplied.push(layer);
                }
            }
        }
    }
    assumptions(&prepared, &question, &reading, "that of each principal", &mut notes);
    notes.push(
        "what they may do themselves; roles they can assume, root users and services are not \
         counted"
            .to_owned(),
    );
    if args.asked.format == Format::Json {
        let shown = |word: &str| groups.get(word).cloned().unwrap_or_default();
        let mut value = json!({
            "action": question.action,
            "resource": question.resource,
            "allow": shown("allow"),
            "conditional": shown("conditional"),
            "denied": shown("deny").len(),
            "not_supplied": not_supplied,
            "notes": notes,
        });
        if args.all
            && let Some(object) = value.as_object_mut()
        {
            object.insert("deny".to_owned(), shown("deny").into());
        }
        input::print_json(&value)?;
        return Ok(exit::OK);
    }
    let mut out = String::new();
    let (action, resource) = (safe(&question.action), safe(&question.resource));
    let _ = writeln!(out, "{action} on {resource}");
    if catalogue().id(&question.action).is_none() {
        out.push_str("the catalogue does not know this action\n");
    }
    for (word, list) in &groups {
        let _ = writeln!(out, "\n{word}: {}", list.len());
        if *word != "deny" || args.all {
            for arn in list {
                let _ = writeln!(out, "  {}", safe(arn));
            }
        }
    }
    if !not_supplied.is_empty() {
        let _ = writeln!(out, "\nnot supplied: {}", not_supplied.join(", "));
    }
    for n in &notes {
        let _ = writeln!(out, "note: {}", safe(n));
    }
    input::print(&out)?;
    Ok(exit::OK)
}
