//! `tests/data/aws-decide/golden.yaml`: decisions with known answers.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::random::word;
use crate::facts::Time;
use crate::privilege::aws::arn::Home;
use crate::privilege::aws::condition::{Context, Known};
use crate::privilege::aws::decide::{
    Action, Attached, Caller, CallerKind, Explanation, Layers, Level, Program, Programs, Request,
    ResourcePolicy, Target, decide, explain,
};
use crate::privilege::aws::evaluate::{Subject, SubjectKind};
use crate::privilege::aws::tri::Tri;

const GOLDEN: &str = include_str!("../../../../../tests/data/aws-decide/golden.yaml");
const OWN: &str = "111122223333";

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Case {
    pub rule: String,
    pub what: String,
    pub ask: String,
    #[serde(rename = "as")]
    pub caller: String,
    pub version: Option<String>,
    pub identity: Vec<String>,
    pub also: Vec<String>,
    pub raw: Option<String>,
    pub missing: bool,
    pub boundary: Option<Vec<String>>,
    pub boundary_missing: bool,
    pub session: Option<Vec<String>>,
    pub scps: Option<Vec<Vec<String>>>,
    pub rcps: Option<Vec<Vec<String>>>,
    pub resource: Option<Vec<String>>,
    pub no_resource_policy: bool,
    pub resource_account: Option<String>,
    pub management: Option<String>,
    /// Keys as the inputs give them, beside those of `keys`.
    pub derive: bool,
    pub keys: BTreeMap<String, Value>,
    pub expect: String,
}

/// A statement out of its one line.
fn statement(line: &str) -> Value {
    let (line, condition) = match line.split_once(" if ") {
        Some((l, c)) => (l, Some(serde_json::from_str::<Value>(c).expect("a condition"))),
        None => (line, None),
    };
    let (line, parties) = match line.split_once(" for ") {
        Some((l, p)) => (l, Some(p)),
        None => (line, None),
    };
    let (line, resources) = match line.split_once(" on ") {
        Some((l, r)) => (l, Some(r)),
        None => (line, None),
    };
    let (effect, actions) = line.split_once(' ').expect("an effect");
    let mut out = json!({"Effect": effect});
    let mut put = |name: &str, text: &str| {
        let (not, text) = match text.strip_prefix("not ") {
            Some(rest) => ("Not", rest),
            None => ("", text),
        };
        // Variables with a default hold a comma.
        let list: Vec<String> =
            text.replace(", '", "\u{1}'").split(',').map(|x| x.replace('\u{1}', ", ")).collect();
        out[format!("{not}{name}")] = if name == "Principal" {
            let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for party in &list {
                match party.split_once(':') {
                    Some((kind, who)) => kinds.entry(kind).or_default().push(who),
                    None => kinds.entry("AWS").or_default().push(party),
                }
            }
            json!(kinds)
        } else {
            json!(list)
        };
    };
    put("Action", actions);
    if let Some(r) = resources {
        put("Resource", r);
    }
    if let Some(p) = parties {
        put("Principal", p);
    }
    if let Some(c) = condition {
        out["Condition"] = c;
    }
    out
}

struct Keys<'a> {
    given: &'a BTreeMap<String, Value>,
    derived: Option<Subject>,
}

impl Context for Keys<'_> {
    fn get(&self, key: &str) -> Known {
        match self.given.get(key) {
            None => self.derived.as_ref().map_or(Known::Unknown, |s| s.get(key)),
            Some(Value::Null) => Known::Absent,
            Some(Value::Array(list)) => {
                Known::Values(list.iter().map(|v| v.as_str().unwrap().to_owned()).collect())
            }
            Some(v) => Known::Values(vec![v.as_str().expect("text").to_owned()]),
        }
    }

    fn look<'s>(&'s self, key: &str) -> crate::privilege::aws::condition::Seen<'s> {
        use crate::privilege::aws::condition::Seen;
        match (self.given.get(key), &self.derived) {
            (None, Some(s)) => s.look(key),
            _ => match self.get(key) {
                Known::Values(v) if v.len() == 1 => Seen::One(v[0].clone().into()),
                Known::Values(v) => Seen::Many(v.into()),
                Known::Absent => Seen::Absent,
                Known::Unknown => Seen::Unknown,
            },
        }
    }
}

impl Case {
    fn program(&self, programs: &mut Programs, lines: &[String]) -> Program {
        let list: Vec<Value> = lines.iter().map(|l| statement(l)).collect();
        let version = self.version.as_deref().unwrap_or("2012-10-17");
        let doc = json!({"Version": version, "Statement": list});
        let program = Program::clone(&programs.of(&doc.to_string()));
        assert!(program.malformed.is_none(), "{}: {:?}", self.what, program.malformed);
        program
    }

    fn caller(&self) -> (CallerKind, String, Option<&str>) {
        let mut words = self.caller.split(' ');
        let kind = words.next().unwrap_or_default();
        let name = words.next().unwrap_or_default();
        match kind {
            "" => (CallerKind::User, format!("arn:aws:iam::{OWN}:user/ann"), None),
            "role" => (CallerKind::Role, format!("arn:aws:iam::{OWN}:role/{name}"), words.next()),
            "root" => (CallerKind::Root, format!("arn:aws:iam::{OWN}:root"), None),
            "service" => (CallerKind::Service, name.to_owned(), None),
            "federated" => (CallerKind::Federated, name.to_owned(), None),
            other => panic!("no caller {other}"),
        }
    }

    /// Verdict and reasons.
    pub fn run(&self) -> Explanation {
        let mut programs = Programs::default();
        let mut program = |lines: &[String]| self.program(&mut programs, lines);
        let mut identity: Vec<Option<Program>> =
            [&self.identity, &self.also].map(|l| Some(program(l))).to_vec();
        let boundary = self.boundary.as_ref().map(|b| program(b));
        let session = self.session.as_ref().map(|s| program(s));
        let resource = self.resource.as_ref().map(|r| program(r));
        let mut tree = |list: &Option<Vec<Vec<String>>>| -> Option<Vec<Program>> {
            list.as_ref().map(|l| l.iter().map(|level| program(level)).collect())
        };
        let (scps, rcps) = (tree(&self.scps), tree(&self.rcps));
        identity.extend(self.raw.iter().map(|r| Some(Program::clone(&programs.of(r)))));
        if self.missing {
            identity.push(None);
        }
        let attach = |p| Attached { id: "p", version: None, program: p };
        let identity: Vec<Attached<'_>> = identity.iter().map(|p| attach(p.as_ref())).collect();
        let scp_docs: Vec<[Attached<'_>; 1]> =
            scps.iter().flatten().map(|p| [attach(Some(p))]).collect();
        let rcp_docs: Vec<[Attached<'_>; 1]> =
            rcps.iter().flatten().map(|p| [attach(Some(p))]).collect();
        fn nodes<'a>(docs: &'a [[Attached<'a>; 1]]) -> Vec<Level<'a>> {
            docs.iter().map(|d| Level { id: "node", policies: d, applies: Tri::T }).collect()
        }
        let (scp_nodes, rcp_nodes) = (nodes(&scp_docs), nodes(&rcp_docs));
        let session = session.as_ref().map(|s| [attach(Some(s))]);
        let layers = Layers {
            identity: &identity,
            boundary: match (&boundary, self.boundary_missing) {
                (Some(b), _) => Some(attach(Some(b))),
                (None, true) => Some(attach(None)),
                (None, false) => None,
            },
            session: session.as_ref().map(<[_; 1]>::as_slice),
            scps: scps.is_some().then_some(scp_nodes.as_slice()),
            rcps: rcps.is_some().then_some(rcp_nodes.as_slice()),
            resource: match (&resource, self.no_resource_policy) {
                (Some(r), _) => ResourcePolicy::Policy(attach(Some(r))),
                (None, true) => ResourcePolicy::Absent,
                (None, false) => ResourcePolicy::NotSupplied,
            },
            endpoint: None,
        };
        let (kind, arn, session_name) = self.caller();
        let subject = Subject {
            arn: arn.clone(),
            kind: if kind == CallerKind::Role { SubjectKind::Role } else { SubjectKind::User },
            home: Home { partition: "aws".into(), account: OWN.into() },
            name: arn.rsplit('/').next().unwrap().to_owned(),
            unique_id: Some(
                if kind == CallerKind::Role { "AROAUNIQUE" } else { "AIDAUNIQUE" }.into(),
            ),
            tags: vec![("team".into(), "red".into())],
            organisation: None,
            as_of: Time::from_secs(1_780_000_000),
        };
        let keys = Keys { given: &self.keys, derived: self.derive.then_some(subject) };
        let (action, target) = self.ask.split_once(' ').expect("action and resource");
        let action = Action::new(action);
        let stated = target.split(':').nth(4).filter(|a| !a.is_empty()).unwrap_or(OWN);
        let account = self.resource_account.as_deref().unwrap_or(stated);
        let request = Request {
            caller: Caller {
                kind,
                arn: &arn,
                account: if kind.has_account() { OWN } else { "" },
                session: session_name,
                unique_id: None,
                management: match self.management.as_deref() {
                    None => Tri::F,
                    Some("unknown") => Tri::U,
                    Some(_) => Tri::T,
                },
                bounded: self.boundary.is_some() || self.boundary_missing,
            },
            target: Target::new(&action, target),
            action,
            resource_account: (account != "unknown").then_some(account),
            resource_management: Tri::F,
            context: &keys,
        };
        let explained = explain(&request, &layers);
        assert_eq!(explained.verdict, decide(&request, &layers), "{}", self.what);
        explained
    }
}

pub fn cases() -> Vec<Case> {
    serde_saphyr::from_str(GOLDEN).expect("golden.yaml")
}

#[test]
fn golden_cases() {
    let cases = cases();
    let mut wrong = Vec::new();
    for c in &cases {
        let got = c.run();
        if word(got.verdict) != c.expect {
            wrong.push(format!("{} {}: {} {got:#?}", c.rule, c.what, word(got.verdict)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases.len() >= 150, "{} cases", cases.len());
    for (section, last) in [("5.1", 3), ("5.2", 7), ("5.3", 7), ("5.4", 9)] {
        for n in 1..=last {
            let rule = format!("{section}.{n}");
            assert!(cases.iter().any(|c| c.rule == rule), "no case for {rule}");
        }
    }
}

/// Every verdict comes with what it rests on.
#[test]
fn verdicts_have_reasons() {
    for c in cases() {
        let got = c.run();
        let why = format!("{} {}: {got:#?}", c.rule, c.what);
        let root = c.caller == "root";
        match word(got.verdict) {
            _ if got.fixed.is_some() => {}
            "allow" => {
                assert!(root || got.statements.iter().any(|s| !s.deny && s.certain), "{why}")
            }
            "explicit" => assert!(got.statements.iter().all(|s| s.deny && s.certain), "{why}"),
            "conditional" => assert!(!got.open.is_empty(), "{why}"),
            _ => assert!(!got.lacking.is_empty(), "{why}"),
        }
        assert_eq!(
            word(got.verdict) == "explicit",
            !got.statements.is_empty()
                && got.statements.iter().all(|s| s.deny && s.certain)
                && got.open.is_empty(),
            "{why}"
        );
    }
}

/// Services whose resources have no policy of their own, however the action is written.
#[test]
fn only_iam_lacks_policies_of_resources() {
    let cases = [
        ("iam:GetRole", true),
        ("IAM:PassRole", true),
        ("sts:AssumeRole", false),
        ("iamx:GetRole", false),
        ("s3:iam:GetObject", false),
        ("iam", false),
        ("", false),
    ];
    for (action, lacks) in cases {
        assert_eq!(crate::privilege::aws::decide::lacks_policies(action), lacks, "{action}");
    }
}
