//! The shipped JSON Schemas say what the code writes and reads: same keys, valid samples, and
//! damaged ones refused.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::facts::cell::Word;
use crate::facts::vocab::Layer;
use crate::facts::{PolicyInForce, text};
use crate::gate::Baseline;
use crate::gate::baseline::HoldingLine;
use crate::gate::held::Held;
use crate::gate::testing;
use crate::privilege::aws::compare::{Snapshot, document_digest};
use crate::settings::{LIMITS, Settings};

fn schema(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn keys(v: &Value) -> BTreeSet<String> {
    v.as_object().unwrap().keys().cloned().collect()
}

fn properties(v: &Value) -> BTreeSet<String> {
    assert_eq!(v["additionalProperties"], json!(false));
    keys(&v["properties"])
}

fn errors(schema: &Value, instance: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(schema).unwrap();
    validator.iter_errors(instance).map(|e| format!("{}: {e}", e.instance_path())).collect()
}

#[test]
fn findings() {
    let schema = schema("findings.schema.json");
    let mut view = testing::view();
    view.findings[0].controls = [crate::findings::ControlRef {
        framework: "nist-800-53-r5".into(),
        id: "AC-6".into(),
        relation: "tests".into(),
    }]
    .into();
    let sample = serde_json::to_value(&view.findings[0]).unwrap();
    assert_eq!(keys(&sample), properties(&schema));
    for (list, item) in [("sources", &sample["sources"][0]), ("controls", &sample["controls"][0])] {
        assert_eq!(keys(item), properties(&schema["properties"][list]["items"]), "{list}");
    }
    assert_eq!(errors(&schema, &sample), Vec::<String>::new());
    for key in keys(&sample) {
        let mut less = sample.clone();
        less.as_object_mut().unwrap().remove(&key);
        assert!(!errors(&schema, &less).is_empty(), "without {key}");
    }
    let mut more = sample.clone();
    more["extra"] = json!(1);
    assert!(!errors(&schema, &more).is_empty());
    let mut wrong = sample;
    wrong["severity"] = json!("catastrophic");
    assert!(!errors(&schema, &wrong).is_empty());
}

#[test]
fn baselines() {
    let schema = schema("baseline.schema.json");
    let view = testing::view();
    let holding = HoldingLine {
        principal: "p".into(),
        privilege: "x".into(),
        scope: "*".into(),
        tier: None,
        standing: "standing".into(),
        state: "s".into(),
    };
    let document = text(r#"{"Version":"2012-10-17","Statement":[]}"#);
    let row = PolicyInForce {
        principal_id: text("p"),
        layer: text("identity"),
        role_id: text("x"),
        digest: Some(document_digest(&document)),
    };
    let access = Snapshot::new(&[row], [&document]);
    let held = Held { lines: vec![holding], access };
    let text = Baseline::create(&view, &held, false).unwrap().to_text();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(errors(&schema, &line), Vec::<String>::new());
        let kind = ["header", "finding", "holding", "document", "policy"]
            .iter()
            .position(|k| line["kind"] == **k);
        assert_eq!(keys(&line), properties(&schema["oneOf"][kind.unwrap()]));
        let mut more = line.clone();
        more["extra"] = json!(1);
        assert!(!errors(&schema, &more).is_empty());
    }
    assert_eq!(text.lines().count(), 6);
}

/// Keys that the settings know at a place, as their own error message lists them.
fn known(place: &str, rest: &str) -> BTreeSet<String> {
    let text = format!("{place}\nzz_unknown = 1\n{rest}");
    let message = Settings::parse(&text).unwrap_err();
    let list = message.split("expected").nth(1).unwrap_or_else(|| panic!("{place}: {message}"));
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn settings_keys() {
    let schema = schema("settings.schema.json");
    assert_eq!(known("", ""), properties(&schema));
    let at = |name: &str| schema["properties"][name].clone();
    assert_eq!(known("[approval]", ""), properties(&at("approval")));
    assert_eq!(known("[screening]", ""), properties(&at("screening")));
    assert_eq!(
        known("[[approval.approvers]]", ""),
        properties(&at("approval")["properties"]["approvers"]["items"])
    );
    let lists =
        ["privilege", "environment", "identity", "coverage", "mapping", "not_applicable", "duties"];
    for list in lists {
        assert_eq!(known(&format!("[[{list}]]"), ""), properties(&at(list)["items"]), "{list}");
    }
    let words = |v: &Value| -> BTreeSet<String> {
        v.as_array().unwrap().iter().map(|w| w.as_str().unwrap().to_owned()).collect()
    };
    let layers: BTreeSet<String> = Layer::ALL.iter().map(|l| (*l).to_owned()).collect();
    assert_eq!(layers, words(&at("coverage")["items"]["properties"]["layer"]["enum"]));
    let limits: BTreeSet<String> = LIMITS.iter().map(|l| l.name.to_owned()).collect();
    assert_eq!(limits, properties(&at("limits")));
    for l in LIMITS {
        let have = at("limits")["properties"][l.name]["default"].as_f64();
        assert_eq!(have, Some(l.default), "{}", l.name);
    }
}

const SETTINGS: &str = r#"
entity = "Acme"
as_of = "2026-11-01T00:00:00Z"
period = "2026-08-01..2026-11-01"
approved_roles = ["deploy"]
break_glass = ["*/break-glass-*"]
brokers = ["arn:aws:iam::111111111111:role/broker"]
audit_logs = ["arn:aws:s3:::trail"]
trusted_accounts = ["111111111111"]
rule_dirs = ["rules"]
ignore = ["*.bak"]
[limits]
task_grace_s = "15m"
idle_days = 60
[max_duration]
T0 = "4h"
unknown = "8h"
[approval]
required_for = ["T0", "T1", "unknown"]
human_for = ["T0"]
quorum = { T0 = 2 }
approvers = [{ privilege = "*", approvers = ["a@example.com"] }]
[[privilege]]
pattern = "DBA*"
tier = "T1"
max_duration = "2h"
[[environment]]
name = "prod"
scopes = ["arn:aws:*:111111111111:*"]
jit_only = true
[[identity]]
principal = "alice"
same_as = ["alice@example.com"]
kind = "human"
[[coverage]]
layer = "usage"
start = "2026-08-01"
complete = true
[[mapping]]
file = "*.csv"
columns = { grant_id = "ID" }
values = { state = { A = "active" } }
missing_end_means = "open"
realm = "prod-1"
[[duties]]
name = "pay and approve"
first = ["dynamodb:PutItem"]
second_privileges = ["approver*"]
[[not_applicable]]
framework = "nist-800-53-r5"
control = "AC-20"
reason = "no external systems are in scope"
[screening]
from_grants = 500000
[disabled_rules]
STD-007 = "advice is handled elsewhere"
"#;

/// Whether the schema and the program take a settings text.
fn taken(schema: &Value, text: &str) -> (bool, bool) {
    let value: toml::Value = toml::from_str(text).unwrap();
    let value = serde_json::to_value(value).unwrap();
    (errors(schema, &value).is_empty(), Settings::parse(text).is_ok())
}

#[test]
fn settings_schema_and_program_agree() {
    let schema = schema("settings.schema.json");
    assert_eq!(taken(&schema, SETTINGS), (true, true));
    assert_eq!(taken(&schema, ""), (true, true));
    for text in [
        "[limits]\ntask_grace = 1",
        "[limits]\ntask_grace_s = -1",
        "[limits]\ntask_grace_s = true",
        "[max_duration]\nT9 = '1h'",
        "[max_duration]\nT0 = 'long'",
        "[approval]\nrequired_for = ['T9']",
        "[approval.quorum]\nT0 = 0",
        "[[privilege]]\ntier = 'T0'",
        "[[privilege]]\npattern = 'x'\ntier = 't0'",
        "[[identity]]\nprincipal = 'x'\nkind = 'alien'",
        "[[coverage]]\nfile = 'x'",
        "[[coverage]]\nlayer = 'usages'",
        "[[not_applicable]]\nframework = 'nist-800-53-r5'\ncontrol = 'AC-20'",
        "[[mapping]]\nformat = 'x'",
        "as_of = 'yesterday'",
        "period = '2026-01-01'",
        "entity = 3",
    ] {
        assert_eq!(taken(&schema, text), (false, false), "{text}");
    }
}
