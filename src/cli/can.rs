//! `overstay can`: may this principal do this action on this resource, and why.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::anyhow;
use serde_json::{Value, json};

use super::input::{self, parse_time, pipeline_failure};
use super::text::safe;
use super::{Cli, Failure, Outcome, exit};
use crate::analyze::effective::{Effective, NotFound, Prepared, Question, Who};
use crate::facts::Time;
use crate::pipeline::{self, Reading, ScanRequest};
use crate::privilege::aws::action::catalogue;
use crate::privilege::aws::decide::{Deciding, Explanation, Open, Verdict};

/// How to print an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// What both questions take.
#[derive(Clone, Debug, clap::Args)]
pub struct Asked {
    /// A value of a context key (`aws:SourceIp=203.0.113.7`); may be repeated, also for one key. Keys
    /// that are not given are derived from the inputs or unknown.
    #[arg(long = "context", value_name = "KEY=VALUE", value_parser = key_value)]
    pub context: Vec<(String, String)>,
    /// A context key that the request does not have; may be repeated.
    #[arg(long, value_name = "KEY")]
    pub absent: Vec<String>,
    /// Account that owns the resource, where the ARN does not say.
    #[arg(long, value_name = "ACCOUNT")]
    pub resource_account: Option<String>,
    /// Ask about an action that the catalogue does not know, as it is written, though it is spelt nearly
    /// like a known one.
    #[arg(long)]
    pub as_written: bool,
    /// How to print the answer.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Settings file [default: `overstay.toml` beside the inputs].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Time of the request [default: the settings, else the newest evidence].
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub as_of: Option<Time>,
}

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(
    about = "Say whether an AWS principal may do an action on a resource, and what decides",
    long_about = "Say whether an AWS principal may do an action on a resource, and what decides.\n\n\
        Every layer of policies that the inputs hold takes part: identity and group policies, permission \
        boundary, service and resource control policies, and the policy of the resource or the trust \
        policy of the role. Layers that they lack are named. The answer is allow, deny, or conditional: \
        then it depends on context that the inputs do not give.",
    after_help = "Exit code: 0 allow, 1 deny, 4 conditional; 2 wrong arguments, 3 no usable input."
)]
pub struct Args {
    /// ARN of a user, role, role session or root user; a name that only one of them has; or a service
    /// (`lambda.amazonaws.com`).
    #[arg(value_name = "PRINCIPAL")]
    pub principal: String,
    /// `service:Action`.
    #[arg(value_name = "ACTION")]
    pub action: String,
    /// ARN of one resource; `*` for an action that has no resource type.
    #[arg(value_name = "RESOURCE")]
    pub resource: String,
    /// Exports: files and directories.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Context and output.
    #[command(flatten)]
    pub asked: Asked,
}

fn key_value(s: &str) -> Result<(String, String), String> {
    match s.split_once('=') {
        Some((k, v)) if !k.trim().is_empty() => Ok((k.trim().to_ascii_lowercase(), v.to_owned())),
        _ => Err("use KEY=VALUE, for instance aws:SourceIp=203.0.113.7".to_owned()),
    }
}

fn usage(message: String) -> Failure {
    Failure::new(exit::USAGE, anyhow!(message))
}

impl Asked {
    /// The question, checked; and what is to be said about how it was understood.
    ///
    /// # Errors
    /// When action or resource are not one action on one resource.
    pub fn question(
        &self,
        action: &str,
        resource: &str,
    ) -> Result<(Question, Vec<String>), Failure> {
        let mut notes = Vec::new();
        let whole = action.split_once(':').is_some_and(|(s, a)| !s.is_empty() && !a.is_empty());
        if !whole || action.contains(['*', '?']) || action.contains(char::is_whitespace) {
            return Err(usage(format!(
                "`{}` is not one action; use SERVICE:ACTION without wildcards, such as s3:GetObject",
                safe(action)
            )));
        }
        let id = catalogue().id(action);
        let lone = id.is_some_and(|id| catalogue().wildcard_only().contains(id));
        if id.is_none() {
            notes.push(self.unknown(action)?);
        }
        if lone {
            if resource != "*" {
                notes.push("the action has no resource type: it is asked on `*`".to_owned());
            }
        } else if resource.contains(['*', '?']) {
            return Err(usage(format!(
                "`{}` stands for many resources; ask about one of them (only an action without \
                 resource type is asked on `*`)",
                safe(resource)
            )));
        } else if resource.splitn(6, ':').count() < 6 || !resource.starts_with("arn:") {
            return Err(usage(format!(
                "`{}` is not the ARN of a resource (arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE)",
                safe(resource)
            )));
        }
        let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (k, v) in &self.context {
            keys.entry(k.clone()).or_default().push(v.clone());
        }
        for k in &self.absent {
            let key = k.trim().to_ascii_lowercase();
            if keys.insert(key, Vec::new()).is_some() {
                return Err(usage(format!("`{}` is given both a value and as absent", safe(k))));
            }
        }
        let question = Question {
            action: id.map_or(action, |id| catalogue().name(id)).to_owned(),
            resource: if lone { "*".to_owned() } else { resource.to_owned() },
            resource_account: self.resource_account.clone(),
            keys,
        };
        Ok((question, notes))
    }

    /// What is to be said of an action that the catalogue does not know.
    ///
    /// # Errors
    /// When it is spelt nearly like one that the catalogue knows: an answer would be one to a question that
    /// nobody meant to ask.
    fn unknown(&self, action: &str) -> Result<String, Failure> {
        let near: Vec<String> =
            catalogue().similar(action).iter().map(|name| format!("`{name}`")).collect();
        if near.is_empty() || self.as_written {
            return Ok(
                "the catalogue of AWS actions does not know this action: the answer holds if \
                       AWS has it"
                    .to_owned(),
            );
        }
        Err(usage(format!(
            "the catalogue of AWS actions does not know `{}`; did you mean {}? `--as-written` asks about \
             an action that AWS may have made since",
            safe(action),
            near.join(" or ")
        )))
    }

    /// Reads the inputs.
    ///
    /// # Errors
    /// When nothing can be read.
    pub fn read(&self, inputs: &[PathBuf]) -> Result<Reading, Failure> {
        let request = ScanRequest {
            inputs: inputs.to_vec(),
            config: self.config.clone(),
            as_of: self.as_of,
            ..ScanRequest::default()
        };
        pipeline::read(&request).map_err(pipeline_failure)
    }
}

/// What was assumed or could not be read.
pub fn assumptions(
    prepared: &Prepared,
    question: &Question,
    reading: &Reading,
    whose: &str,
    notes: &mut Vec<String>,
) {
    if prepared.resource_account().is_none() && question.resource != "*" {
        notes.push(format!(
            "nothing says which account owns the resource; {whose} is assumed \
             (`--resource-account` states it)"
        ));
    }
    if reading.unreadable > 0 {
        notes.push(format!(
            "{} files or records could not be read; see `overstay inspect`",
            reading.unreadable
        ));
    }
}

/// Runs the verb.
///
/// # Errors
/// A failure with its exit code.
pub fn run(_cli: &Cli, args: &Args) -> Outcome {
    let (question, mut notes) = args.asked.question(&args.action, &args.resource)?;
    let reading = args.asked.read(&args.inputs)?;
    let mut effective = Effective::new(&reading.facts, reading.as_of);
    let who = effective.find(&args.principal).map_err(|e| not_found(&args.principal, e))?;
    let mut prepared = effective.prepare(&question);
    let answer = effective.explain(&who, &mut prepared);
    assumptions(&prepared, &question, &reading, "that of the principal", &mut notes);
    match args.asked.format {
        Format::Json => input::print_json(&as_json(&who, &question, &answer, &notes))?,
        Format::Text => input::print(&as_text(&who, &question, &answer, &notes))?,
    }
    Ok(match answer.verdict {
        Verdict::Allow => exit::OK,
        Verdict::Conditional => exit::WEAK_EVIDENCE,
        Verdict::Deny | Verdict::ExplicitDeny => exit::FINDINGS,
    })
}

fn not_found(name: &str, e: NotFound) -> Failure {
    let list =
        |l: &[crate::facts::Text]| l.iter().map(|t| format!("\n  {}", safe(t))).collect::<String>();
    let name = safe(name);
    usage(match e {
        NotFound::Nobody(near) if near.is_empty() => {
            format!("the inputs have no user or role `{name}`")
        }
        NotFound::Nobody(near) => {
            format!("the inputs have no user or role `{name}`; similar are:{}", list(&near))
        }
        NotFound::Several(all) => {
            format!("several are called `{name}`; give the ARN of one:{}", list(&all))
        }
    })
}

fn place(policy: &str, version: Option<&str>, index: Option<usize>, sid: Option<&str>) -> String {
    let mut out = safe(policy).into_owned();
    if let Some(v) = version {
        let _ = write!(out, " {}", safe(v));
    }
    if let Some(i) = index {
        let _ = write!(out, ", statement {i}");
    }
    if let Some(sid) = sid {
        let _ = write!(out, " ({})", safe(sid));
    }
    out
}

fn as_text(who: &Who, question: &Question, answer: &Explanation, notes: &[String]) -> String {
    let (arn, action, resource) =
        (safe(&who.arn), safe(&question.action), safe(&question.resource));
    let mut out = match answer.verdict {
        Verdict::Allow => format!("allow: {arn} may do {action} on {resource}\n"),
        Verdict::Conditional => {
            format!(
                "conditional: {arn} may do {action} on {resource}, if what is open turns out so\n"
            )
        }
        Verdict::Deny | Verdict::ExplicitDeny => {
            format!("deny: {arn} may not do {action} on {resource}\n")
        }
    };
    if catalogue().id(&question.action).is_none() {
        out.push_str("the catalogue does not know this action\n");
    }
    if let Some(rule) = answer.fixed {
        let _ = writeln!(out, "\nwhatever the policies say: {rule}");
    }
    if !answer.lacking.is_empty() {
        out.push_str("\nbecause\n");
        for l in &answer.lacking {
            let _ = writeln!(out, "  {}", safe(l));
        }
    }
    if !answer.statements.is_empty() {
        let head =
            if answer.verdict == Verdict::Deny { "allowed in part by" } else { "decided by" };
        let _ = writeln!(out, "\n{head}");
        for s in &answer.statements {
            statement(s, &mut out);
        }
    }
    if !answer.open.is_empty() {
        out.push_str("\nopen\n");
        for o in &answer.open {
            open(o, &mut out);
        }
    }
    if !answer.not_supplied.is_empty() {
        let _ = writeln!(out, "\nnot supplied: {}", answer.not_supplied.join(", "));
    }
    for n in notes {
        let _ = writeln!(out, "note: {}", safe(n));
    }
    out
}

fn statement(s: &Deciding, out: &mut String) {
    let effect = if s.deny { "deny " } else { "allow" };
    let at = place(&s.policy, s.version.as_deref(), Some(s.index), s.sid.as_deref());
    let _ = writeln!(out, "  {effect}  {}: {at}", safe(&s.layer.to_string()));
    if !s.condition.is_empty() {
        let _ = writeln!(out, "         if {}", safe(&s.condition));
    }
}

fn open(o: &Open, out: &mut String) {
    let at = place(&o.policy, None, o.index, None);
    let at = if at.is_empty() { String::new() } else { format!(" {at}") };
    let _ = writeln!(out, "  {}:{at} {}", safe(&o.layer.to_string()), safe(&o.why));
    for k in &o.keys {
        let _ = writeln!(out, "    {}", safe(k));
    }
}

fn as_json(who: &Who, question: &Question, answer: &Explanation, notes: &[String]) -> Value {
    json!({
        "principal": &*who.arn,
        "session": who.session,
        "action": question.action,
        "resource": question.resource,
        "verdict": answer.verdict.word(),
        "explicit": answer.verdict == Verdict::ExplicitDeny,
        "rule": answer.fixed,
        "because": answer.lacking,
        "statements": answer.statements.iter().map(|s| json!({
            "effect": if s.deny { "Deny" } else { "Allow" },
            "layer": s.layer.to_string(),
            "policy": s.policy,
            "version": s.version,
            "statement": s.index,
            "sid": s.sid,
            "certain": s.certain,
            "condition": serde_json::from_str::<Value>(&s.condition).ok(),
        })).collect::<Vec<_>>(),
        "open": answer.open.iter().map(|o| json!({
            "layer": o.layer.to_string(),
            "policy": o.policy,
            "statement": o.index,
            "keys": o.keys,
            "why": o.why,
        })).collect::<Vec<_>>(),
        "not_supplied": answer.not_supplied,
        "notes": notes,
    })
}
