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
    let rewrites = ["iam:CreatePolicyVersion", "iam:UpdateAssumeRolePolicy", "sts:AssumeRole"];
    for _ in 0..6 {
        out.extend(rewrites.iter().map(|s| (*s).to_owned()));
    }
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
    "arn:aws:iam::*:policy/team/*",
    "arn:aws:iam::111122223333:policy/p1",
    "arn:aws:iam::*:policy/${aws:username}",
    "arn:aws:iam::*:policy/team/${aws:PrincipalTag/team}*",
    "arn:aws:iam::*:*/${aws:PrincipalTag/team}",
    "arn:aws:iam::*:role/${aws:username}",
    "arn:aws:iam::${aws:PrincipalAccount}:role/*",
    "arn:aws:iam::*:role/${iam:PassedToService}*",
    "arn:aws:s3:::${aws:username}",
];

/// Customer-managed policies that roles carry.
const POLICIES: [&str; 4] = ["p1", "team/p2", "team/app-1", "u1"];

fn policies() -> String {
    let one = |name: &str| {
        format!(
            r#"{{"PolicyName":"{}","Arn":"{ACCOUNT}:policy/{name}","DefaultVersionId":"v1","PolicyVersionList":[{{"VersionId":"v1","IsDefaultVersion":true,"Document":{}}}]}}"#,
            name.rsplit('/').next().unwrap(),
            doc(r#"{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}"#)
        )
    };
    POLICIES.map(one).join(",")
}

/// Policies attached to a principal, and its tags.
fn extras() -> impl Strategy<Value = String> {
    let attached = prop::sample::subsequence(POLICIES.to_vec(), 0..3);
    let tag = prop::sample::select(vec!["", "app", "r1", "r2", "app-3", "p", "app-1", "*"]);
    let bounded = prop::option::weighted(0.3, prop::sample::select(POLICIES.to_vec()));
    (attached, tag, any::<bool>(), bounded).prop_map(|(attached, tag, tagged, bounded)| {
        let one = |name: &&str| {
            format!(r#"{{"PolicyName":"{name}","PolicyArn":"{ACCOUNT}:policy/{name}"}}"#)
        };
        let attached: Vec<String> = attached.iter().map(one).collect();
        let mut attached = format!(r#","AttachedManagedPolicies":[{}]"#, attached.join(","));
        if let Some(by) = bounded {
            attached.push_str(&format!(
                r#","PermissionsBoundary":{{"PermissionsBoundaryType":"Policy","PermissionsBoundaryArn":"{ACCOUNT}:policy/{by}"}}"#
            ));
        }
        let tags = format!(r#","Tags":[{{"Key":"team","Value":"{tag}"}}]"#);
        if tagged { attached + &tags } else { attached }
    })
}

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
        r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/r1/deploy"}"#,
        r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/app-2/deploy"}"#,
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

/// Documents and the rest of a user; the same of a role, with whom it trusts and how its name begins.
type User = (Vec<String>, String);
type Role = (Vec<String>, String, &'static str, String);

/// How names of roles begin. Variables stand for some of these names.
const BEGINS: [&str; 4] = ["app-", "r", "u", "lambda.amazonaws.com"];

fn role_of() -> impl Strategy<Value = Role> {
    (documents(), trust(), prop::sample::select(&BEGINS), extras())
}

/// Statements about few actions, mostly on names for which variables stand.
fn aimed() -> impl Strategy<Value = String> {
    let effect = prop::sample::select(vec!["Allow", "Allow", "Allow", "Deny"]);
    let actions = [
        "sts:AssumeRole",
        "iam:UpdateAssumeRolePolicy",
        "iam:CreatePolicyVersion",
        "iam:CreateAccessKey",
        "iam:PassRole",
    ];
    let list = prop::sample::subsequence(actions.to_vec(), 1..4);
    let named = RESOURCES.iter().copied().filter(|r| r.contains("${"));
    let resource = prop::sample::select(named.chain(["*"]).collect::<Vec<_>>());
    let element = prop::sample::select(vec!["Resource", "Resource", "Resource", "NotResource"]);
    (effect, list, element, resource).prop_map(|(effect, list, element, resource)| {
        let list = list.join(r#"",""#);
        format!(r#"{{"Effect":"{effect}","Action":["{list}"],"{element}":"{resource}"}}"#)
    })
}

fn aiming_user() -> impl Strategy<Value = User> {
    (prop::collection::vec(aimed(), 1..4), extras()).prop_map(|(mut docs, extra)| {
        docs.push(r#"{"Effect":"Allow","Action":["lambda:*","s3:*"],"Resource":"*"}"#.into());
        (docs, extra)
    })
}

/// Roles that look alike but for their names and policies, most of them without anything to gain.
fn aimed_role() -> impl Strategy<Value = Role> {
    let root = trusts(r#"{"AWS":"arn:aws:iam::111122223333:root"}"#);
    let service = trusts(r#"{"Service":"lambda.amazonaws.com"}"#);
    let trust = prop::sample::select(vec![root.clone(), root, service]);
    let begins = prop::sample::select(&BEGINS);
    (0..40_usize, aimed(), trust, begins, extras()).prop_map(|(n, aimed, trust, begins, extra)| {
        let read = r#"{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}"#;
        let more = r#"{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*"}"#;
        let docs = match n {
            0 | 1 => vec![STAR.to_owned()],
            2 | 3 => vec![more.to_owned()],
            4..8 => vec![aimed],
            _ => vec![read.to_owned()],
        };
        (docs, trust, begins, extra)
    })
}

/// Compares what is found by asking one of each class with what is found by asking each.
fn same_answers(users: &[User], roles: &[Role]) -> Result<(), TestCaseError> {
    for (name, quick, plain) in answers(users, roles) {
        prop_assert_eq!(quick, plain, "{}", name);
    }
    Ok(())
}

/// What each principal reaches, by asking one of each class and by asking each.
fn answers(users: &[User], roles: &[Role]) -> Vec<(String, String, String)> {
    let users: Vec<String> = users
        .iter()
        .enumerate()
        .map(|(i, (d, more))| {
            user(&format!("u{i}"), &d.iter().map(String::as_str).collect::<Vec<_>>(), more)
        })
        .collect();
    let roles: Vec<String> = roles
        .iter()
        .enumerate()
        .map(|(i, (d, t, begins, more))| {
            role(
                &format!("{begins}{i}"),
                &d.iter().map(String::as_str).collect::<Vec<_>>(),
                t,
                more,
            )
        })
        .collect();
    let mut facts = export(&users.join(","), "", &roles.join(","), &policies());
    let (settings, now) = (Settings::defaults(), as_of(NOW));
    crate::analyze::identities(&mut facts, &settings);
    let people = people::collect(&facts, &settings, now);
    let mut store = access::Store::default();
    let plans = access::plan(&facts, &people, &mut store, now);
    let evaluated = access::evaluate(&plans, &store);
    let dormant = graph::dormant(&facts, &plans, &evaluated);
    let nodes = graph::nodes(&facts, &plans, &evaluated, &dormant);
    assert_eq!(nodes.len(), users.len() + roles.len());
    let (quick, plain) = (Graph::new(&nodes), Graph::asking_all(&nodes));
    let all = nodes.iter().enumerate();
    all.map(|(i, n)| {
        let name = n.subject.arn.clone();
        (name, format!("{:?}", quick.reach(i)), format!("{:?}", plain.reach(i)))
    })
    .collect()
}

const READS: &str = r#"{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}"#;

fn allow(action: &str, resource: &str) -> String {
    format!(r#"{{"Effect":"Allow","Action":"{action}","Resource":"{resource}"}}"#)
}

/// A user with statements and tag, roles by name, statement and policy, whom they trust; and the one role
/// to which a way must be found.
type Case = (
    Vec<String>,
    &'static str,
    Vec<(&'static str, String, &'static str)>,
    &'static str,
    &'static str,
);

/// The one target that matters is not the first of those that look alike.
#[test]
fn the_one_that_is_told_apart_is_found() {
    let (star, reads) = (|| STAR.to_owned(), || READS.to_owned());
    let update = "iam:UpdateAssumeRolePolicy";
    let iam = "arn:aws:iam::*";
    let lambda = r#"{"Service":"lambda.amazonaws.com"}"#;
    let nobody = r#"{"AWS":"arn:aws:iam::999999999999:root"}"#;
    let anybody = r#"{"AWS":"arn:aws:iam::111122223333:root"}"#;
    let mut many: Vec<(&str, String, &str)> = (0..49).map(|_| ("m", reads(), "p1")).collect();
    many.push(("last", allow("sqs:SendMessage", "*"), "p1"));
    let cases: Vec<Case> = vec![
        (
            vec![allow(update, &format!("{iam}:role/${{aws:PrincipalTag/team}}"))],
            "b1",
            vec![("a", star(), "p1"), ("b", star(), "p1"), ("c", star(), "p1")],
            nobody,
            "role/b1",
        ),
        (
            vec![
                allow("iam:PassRole", &format!("{iam}:role/${{iam:PassedToService}}*")),
                allow("lambda:*", "*"),
            ],
            "",
            vec![("a", star(), "p1"), ("lambda.amazonaws.com", star(), "p1")],
            lambda,
            "role/lambda.amazonaws.com1",
        ),
        (
            vec![
                allow(
                    "iam:CreatePolicyVersion",
                    &format!("{iam}:policy/${{aws:PrincipalTag/team}}"),
                ),
                allow(update, "*"),
            ],
            "u1",
            vec![("a", reads(), "p1"), ("b", reads(), "u1"), ("c", reads(), "u1")],
            nobody,
            "role/b1",
        ),
        (
            vec![allow("iam:CreatePolicyVersion", &format!("{iam}:policy/u1")), allow(update, "*")],
            "",
            vec![("a", reads(), "p1"), ("b", reads(), "u1"), ("c", reads(), "u1")],
            nobody,
            "role/b1",
        ),
        (vec![allow("sts:AssumeRole", "*"), allow("s3:*", "*")], "", many, anybody, "role/last49"),
    ];
    for (docs, tag, roles, trusted, wanted) in cases {
        let tags = format!(r#","Tags":[{{"Key":"team","Value":"{tag}"}}]"#);
        let roles: Vec<Role> = roles
            .into_iter()
            .map(|(name, doc, policy)| {
                let attached = format!(
                    r#","AttachedManagedPolicies":[{{"PolicyName":"{policy}","PolicyArn":"{ACCOUNT}:policy/{policy}"}}]"#
                );
                (vec![doc], trusts(trusted), name, attached)
            })
            .collect();
        for (name, quick, plain) in answers(&[(docs.clone(), tags)], &roles) {
            assert_eq!(quick, plain, "{name}");
            assert!(!name.ends_with("/u0") || quick.contains(wanted), "{docs:?}: {quick}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn one_of_each_class_is_enough(
        users in prop::collection::vec((documents(), extras()), 2..7),
        roles in prop::collection::vec(role_of(), 2..10),
    ) {
        same_answers(&users, &roles)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    /// Variables in patterns tell apart what looks alike.
    #[test]
    fn names_for_which_variables_stand_are_asked(
        users in prop::collection::vec(aiming_user(), 2..6),
        roles in prop::collection::vec(aimed_role(), 4..16),
    ) {
        same_answers(&users, &roles)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Classes with so many members that their rights are joined, at more than one level.
    #[test]
    fn one_of_each_large_class_is_enough(
        users in prop::collection::vec(aiming_user(), 2..5),
        roles in prop::collection::vec(aimed_role(), 60..160),
    ) {
        same_answers(&users, &roles)?;
    }
}
