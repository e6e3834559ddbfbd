//! Asking one target of each class finds what asking every target finds.

use proptest::prelude::*;

use super::*;
use crate::privilege::aws::escalation::{Graph, path_actions};

const ACCOUNT: &str = "arn:aws:iam::111122223333";

/// Actions of known paths on principals, and what makes some of them useful.
fn actions() -> Vec<String> {
    let known = path_actions().ones().map(|a| catalogue().name(a).to_owned());
    let mut out: Vec<String> =
        known.filter(|a| a.starts_with("iam:") || a.starts_with("sts:")).collect();
    let services = ["ec2:RunInstances", "lambda:*", "glue:*", "cloudformation:*", "codebuild:*"];
    out.extend(services.iter().map(|s| (*s).to_owned()));
    out.extend(["iam:*", "iam:*User*", "s3:GetObject", "s3:*"].iter().map(|s| (*s).to_owned()));
    out
}

/// Resources that tell principals apart in every way that patterns can.
const RESOURCES: &[&str] = &[
    "*",
    "*",
    "arn:aws:iam::*:role/*",
    "arn:aws:iam::111122223333:*",
    "arn:aws:iam::*:role/app-*",
    "arn:aws:iam::111122223333:role/*1",
    "arn:aws:iam::111122223333:role/app-2",
    "arn:aws:iam::*:user/u?",
    "arn:aws:iam::111122223333:user/${aws:username}",
    "arn:aws:iam::111122223333:user/${aws:username}*",
    "arn:aws:iam::111122223333:role/${aws:PrincipalTag/team}-*",
    "arn:aws:iam::999999999999:role/*",
    "arn:aws:iam::111122223333:policy/*",
];

const CONDITIONS: &[&str] = &[
    "",
    "",
    "",
    r#","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#,
    r#","Condition":{"StringEquals":{"iam:PassedToService":"ec2.amazonaws.com"}}"#,
    r#","Condition":{"StringEquals":{"aws:username":"u1"}}"#,
];

fn statement() -> impl Strategy<Value = String> {
    let effect = prop::sample::select(vec!["Allow", "Allow", "Allow", "Allow", "Deny"]);
    let list = prop::collection::vec(prop::sample::select(actions()), 1..4);
    let element = prop::sample::select(vec!["Resource", "Resource", "Resource", "NotResource"]);
    let resource = prop::sample::select(RESOURCES);
    let condition = prop::sample::select(CONDITIONS);
    (effect, list, element, resource, condition).prop_map(|(e, list, element, r, c)| {
        let list: Vec<String> = list.iter().map(|a| format!("\"{a}\"")).collect();
        let list = list.join(",");
        format!(r#"{{"Effect":"{e}","Action":[{list}],"{element}":"{r}"{c}}}"#)
    })
}

/// Statements of a principal; now and then of an administrator.
fn documents() -> impl Strategy<Value = Vec<String>> {
    let some = prop::collection::vec(statement(), 0..4);
    (some, 0..12_usize).prop_map(|(mut out, one)| {
        if one == 0 {
            out.push(STAR.to_owned());
        }
        out
    })
}

fn trust() -> impl Strategy<Value = String> {
    let names = |kind: &str| -> Vec<String> {
        (0..3).map(|i| trusts(&format!(r#"{{"AWS":"{ACCOUNT}:{kind}{i}"}}"#))).collect()
    };
    let mut all = [names("user/u"), names("role/app-"), names("role/r")].concat();
    for who in [
        r#""*""#,
        r#"{"AWS":"111122223333"}"#,
        r#"{"AWS":"arn:aws:iam::111122223333:root"}"#,
        r#"{"AWS":"arn:aws:iam::999999999999:root"}"#,
        r#"{"Service":"ec2.amazonaws.com"}"#,
        r#"{"Service":["lambda.amazonaws.com","glue.amazonaws.com"]}"#,
        r#"{"Service":"cloudformation.amazonaws.com"}"#,
    ] {
        let one = trusts(who);
        let body = one.strip_suffix('}').unwrap();
        all.push(format!(r#"{body},"Condition":{{"StringEquals":{{"aws:username":"u1"}}}}}}"#));
        all.push(one);
    }
    let deny = format!(
        r#"{{"Effect":"Deny","Principal":{{"AWS":"{ACCOUNT}:user/u1"}},"Action":"sts:AssumeRole"}}"#
    );
    let first = prop::sample::select(all.clone());
    let second = prop::sample::select(all);
    (first, second, 0..4_usize).prop_map(move |(a, b, n)| match n {
        0 => format!("{a},{b}"),
        1 => format!("{a},{deny}"),
        _ => a,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn one_of_each_class_is_enough(
        users in prop::collection::vec(documents(), 2..7),
        roles in prop::collection::vec((documents(), trust(), any::<bool>()), 2..10),
    ) {
        let users: Vec<String> = users
            .iter()
            .enumerate()
            .map(|(i, d)| user(&format!("u{i}"), &d.iter().map(String::as_str).collect::<Vec<_>>(), ""))
            .collect();
        let roles: Vec<String> = roles
            .iter()
            .enumerate()
            .map(|(i, (d, t, app))| {
                let name = if *app { format!("app-{i}") } else { format!("r{i}") };
                role(&name, &d.iter().map(String::as_str).collect::<Vec<_>>(), t, "")
            })
            .collect();
        let mut facts = export(&users.join(","), "", &roles.join(","), "");
        let (settings, now) = (Settings::defaults(), as_of(NOW));
        crate::analyze::identities(&mut facts, &settings);
        let people = people::collect(&facts, &settings, now);
        let mut store = access::Store::default();
        let plans = access::plan(&facts, &people, &mut store, now);
        let evaluated = access::evaluate(&plans, &store);
        let dormant = graph::dormant(&facts, &plans, &evaluated);
        let nodes = graph::nodes(&facts, &plans, &evaluated, &dormant);
        prop_assert_eq!(nodes.len(), users.len() + roles.len());
        let (quick, plain) = (Graph::new(&nodes), Graph::asking_all(&nodes));
        for (i, node) in nodes.iter().enumerate() {
            let (a, b) = (format!("{:?}", quick.reach(i)), format!("{:?}", plain.reach(i)));
            prop_assert_eq!(a, b, "{}", node.subject.arn);
        }
    }
}
