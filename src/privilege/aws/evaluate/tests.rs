use proptest::prelude::*;

use super::*;
use crate::facts::Time;
use crate::privilege::aws::arn::Home;
use crate::privilege::aws::document::Document;
use crate::privilege::aws::grants::SCOPES;

fn home() -> Home {
    Home { partition: "aws".into(), account: "111122223333".into() }
}

fn subject() -> Subject {
    Subject {
        arn: "arn:aws:iam::111122223333:user/me".into(),
        kind: SubjectKind::User,
        home: home(),
        name: "me".into(),
        unique_id: Some("AIDAME".into()),
        tags: vec![("team".into(), "red".into())],
        organisation: None,
        as_of: Time::from_secs(1_780_000_000),
    }
}

fn compile(statements: &str) -> Policy {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    Compiler::default().compile(&Document::parse(&text), &home())
}

fn id(action: &str) -> usize {
    catalogue().id(action).unwrap()
}

/// Scope of an action, certainly and possibly, for documents and a boundary.
fn scopes(docs: &[&str], boundary: Option<&str>, action: &str) -> (Option<Scope>, Option<Scope>) {
    let me = subject();
    let policies: Vec<Policy> = docs.iter().map(|d| compile(d)).collect();
    let cap = boundary.map(compile);
    let rights = Rights::new(
        policies.iter().map(|p| Bound::new(p, &me)).collect(),
        cap.as_ref().map_or(Boundary::Absent, |c| Boundary::Known(Bound::new(c, &me))),
    );
    let widest = |get: &dyn Fn(Scope) -> bool| SCOPES.iter().rev().copied().find(|s| get(*s));
    let g = &rights.grants;
    (
        widest(&|s| g.certain(s).contains(id(action))),
        widest(&|s| g.possible(s).contains(id(action))),
    )
}

fn allow(action: &str, resource: &str) -> String {
    format!(r#"{{"Effect":"Allow","Action":"{action}","Resource":{resource}}}"#)
}

fn deny(action: &str, resource: &str) -> String {
    allow(action, resource).replace("Allow", "Deny")
}

/// What, documents, boundary, (certain, possible).
type Case = (&'static str, Vec<String>, Option<String>, (Option<Scope>, Option<Scope>));

/// 5.5 and the peers' defects 1 to 4 and 7, one line each.
#[test]
fn golden_scopes() {
    use Scope::{All, AllExcept, Some as Part};
    const ORG: &str = r#","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}}"#;
    let star = allow("*", r#""*""#);
    let s3 = |r: &str| allow("s3:GetObject", r);
    let with = |s: &str, c: &str| format!("{}{c}", s.strip_suffix('}').unwrap());
    let mut cases: Vec<Case> = Vec::new();
    let mut case =
        |what, docs: Vec<String>, cap: Option<String>, want| cases.push((what, docs, cap, want));
    case("star", vec![star.clone()], None, (Some(All), Some(All)));
    case(
        "star-like list",
        vec![s3(r#"["arn:aws:s3:::*","arn:aws:iam::*:user/*"]"#)],
        None,
        (Some(All), Some(All)),
    );
    case("one bucket", vec![s3(r#""arn:aws:s3:::b/*""#)], None, (Some(Part), Some(Part)));
    case("other partition", vec![s3(r#""arn:aws-cn:s3:::*""#)], None, (None, None));
    case(
        "deny elsewhere",
        vec![star.clone(), deny("s3:*", r#""arn:aws:s3:::x/*""#)],
        None,
        (Some(AllExcept), Some(AllExcept)),
    );
    case("deny all", vec![star.clone(), deny("s3:Get*", r#""*""#)], None, (None, None));
    case(
        "deny under condition",
        vec![star.clone(), with(&deny("*", r#""*""#), ORG)],
        None,
        (None, Some(All)),
    );
    case(
        "deny takes the pattern in",
        vec![s3(r#""arn:aws:s3:::b/x/*""#), deny("s3:*", r#""arn:aws:s3:::b/*""#)],
        None,
        (None, None),
    );
    case(
        "deny beside the pattern",
        vec![s3(r#""arn:aws:s3:::b/x/*""#), deny("s3:*", r#""arn:aws:s3:::c/*""#)],
        None,
        (Some(Part), Some(Part)),
    );
    case(
        "deny but for it",
        vec![
            s3(r#""arn:aws:s3:::b/*""#),
            deny("s3:*", "0").replace(r#""Resource":0"#, r#""NotResource":"arn:aws:s3:::b/*""#),
        ],
        None,
        (Some(Part), Some(Part)),
    );
    case(
        "deny but for another",
        vec![
            s3(r#""arn:aws:s3:::b/*""#),
            deny("s3:*", "0").replace(r#""Resource":0"#, r#""NotResource":"arn:aws:s3:::c/*""#),
        ],
        None,
        (None, None),
    );
    case(
        "deny NotAction",
        vec![star.clone(), deny("iam:*", r#""*""#).replace("Action", "NotAction")],
        None,
        (None, None),
    );
    case(
        "allow NotAction",
        vec![allow("iam:*", r#""*""#).replace("Action", "NotAction")],
        None,
        (Some(All), Some(All)),
    );
    case(
        "allow NotResource",
        vec![s3("0").replace(r#""Resource":0"#, r#""NotResource":"arn:aws:s3:::b/*""#)],
        None,
        (Some(AllExcept), Some(AllExcept)),
    );
    case("allow under condition", vec![with(&s3(r#""*""#), ORG)], None, (None, Some(All)));
    case(
        "condition that always holds",
        vec![with(&s3(r#""*""#), r#","Condition":{"StringLike":{"aws:PrincipalArn":"*"}}}"#)],
        None,
        (Some(All), Some(All)),
    );
    case(
        "condition that never holds",
        vec![with(&s3(r#""*""#), r#","Condition":{"StringEquals":{"aws:username":"you"}}}"#)],
        None,
        (None, None),
    );
    case(
        "own tag",
        vec![with(
            &s3(r#""*""#),
            r#","Condition":{"StringEquals":{"aws:PrincipalTag/Team":"red"}}}"#,
        )],
        None,
        (Some(All), Some(All)),
    );
    case("boundary", vec![star.clone()], Some(allow("ec2:*", r#""*""#)), (None, None));
    case(
        "boundary on a bucket",
        vec![star.clone()],
        Some(s3(r#""arn:aws:s3:::b/*""#)),
        (Some(Part), Some(Part)),
    );
    case(
        "boundary beside",
        vec![s3(r#""arn:aws:s3:::a/*""#)],
        Some(s3(r#""arn:aws:s3:::b/*""#)),
        (None, None),
    );
    case(
        "boundary denies",
        vec![star.clone()],
        Some(format!("{star},{}", deny("s3:*", r#""*""#))),
        (None, None),
    );
    case("boundary under condition", vec![star.clone()], Some(with(&star, ORG)), (None, Some(All)));
    case("odd case", vec![allow("S3:gET?bject", r#""*""#)], None, (Some(All), Some(All)));
    case(
        "wildcard in the product",
        vec![star, deny("s3:*", r#""arn:aws:s3:::b*/x""#)],
        None,
        (Some(AllExcept), Some(AllExcept)),
    );
    for (what, docs, cap, want) in &cases {
        let docs: Vec<&str> = docs.iter().map(String::as_str).collect();
        assert_eq!(scopes(&docs, cap.as_deref(), "s3:GetObject"), *want, "{what}");
    }
    // 5.2.4: an action without resource type needs a literal star.
    let lists = |r: &str| scopes(&[&allow("s3:*", r)], None, "s3:ListAllMyBuckets").0;
    assert_eq!(lists(r#""arn:aws:s3:::*""#), None);
    assert_eq!(lists(r#""*""#), Some(All));
}

#[test]
fn malformed_is_never_certain() {
    let bad = r#"{"Effect":"allow","Action":"*","Resource":"*"}"#;
    assert_eq!(scopes(&[bad], None, "s3:GetObject"), (None, Some(Scope::All)));
    let deny = r#"{"Effect":"Deny","Action":"*","Resource":"*","Nonsense":1}"#;
    assert_eq!(
        scopes(&[&allow("*", r#""*""#), deny], None, "s3:GetObject"),
        (None, Some(Scope::All))
    );
}

/// Organisation policies cut what is held; a level that may not apply makes it conditional.
#[test]
fn guardrails_are_ceilings() {
    use Scope::{All, AllExcept, Some as Part};
    let me = subject();
    let star = allow("*", r#""*""#);
    let scopes = |doc: &str, levels: &[(Tri, String)]| {
        let own = compile(doc);
        let above: Vec<(Tri, Policy)> = levels.iter().map(|(t, d)| (*t, compile(d))).collect();
        let guardrails = above
            .iter()
            .map(|(t, p)| Guardrail::new(vec![Bound::new(p, &me)], *t, false))
            .collect();
        let rights = Rights::limited(vec![Bound::new(&own, &me)], Boundary::Absent, guardrails);
        let widest = |get: &dyn Fn(Scope) -> bool| SCOPES.iter().rev().copied().find(|s| get(*s));
        let g = &rights.grants;
        let a = id("s3:GetObject");
        (widest(&|s| g.certain(s).contains(a)), widest(&|s| g.possible(s).contains(a)))
    };
    let s3 = |r: &str| allow("s3:GetObject", r);
    let none = || (None, None);
    for (what, doc, levels, want) in [
        ("all", star.clone(), vec![(Tri::T, star.clone())], (Some(All), Some(All))),
        ("another service", star.clone(), vec![(Tri::T, allow("ec2:*", r#""*""#))], none()),
        (
            "two levels",
            star.clone(),
            vec![(Tri::T, star.clone()), (Tri::T, allow("ec2:*", r#""*""#))],
            none(),
        ),
        ("perhaps", star.clone(), vec![(Tri::U, allow("ec2:*", r#""*""#))], (None, Some(All))),
        (
            "deny",
            star.clone(),
            vec![(Tri::T, format!("{star},{}", deny("s3:*", r#""*""#)))],
            none(),
        ),
        (
            "deny perhaps",
            star.clone(),
            vec![(Tri::U, format!("{star},{}", deny("s3:*", r#""*""#)))],
            (None, Some(All)),
        ),
        (
            "deny a bucket",
            star.clone(),
            vec![(Tri::T, format!("{star},{}", deny("s3:*", r#""arn:aws:s3:::b/*""#)))],
            (Some(AllExcept), Some(AllExcept)),
        ),
        (
            "narrow in narrow",
            s3(r#""arn:aws:s3:::b/*""#),
            vec![(Tri::T, s3(r#""arn:aws:s3:::b/x/*""#))],
            (Some(Part), Some(Part)),
        ),
        (
            "narrow beside narrow",
            s3(r#""arn:aws:s3:::b/*""#),
            vec![(Tri::T, s3(r#""arn:aws:s3:::c/*""#))],
            none(),
        ),
        (
            "narrow across narrow",
            s3(r#""arn:aws:s3:::b/*""#),
            vec![(Tri::T, s3(r#""arn:aws:s3:::?/*.txt""#))],
            (Some(Part), Some(Part)),
        ),
        (
            "what both allow is denied",
            s3(r#""arn:aws:s3:::b/*""#),
            vec![(
                Tri::T,
                format!(
                    "{},{}",
                    s3(r#""arn:aws:s3:::b/x/*""#),
                    deny("s3:*", r#""arn:aws:s3:::b/x/*""#)
                ),
            )],
            none(),
        ),
        (
            "three in a row",
            s3(r#""arn:aws:s3:::b/*""#),
            vec![(Tri::T, s3(r#""arn:aws:s3:::b/x/*""#)), (Tri::T, s3(r#""arn:aws:s3:::b/y/*""#))],
            none(),
        ),
    ] {
        assert_eq!(scopes(&doc, &levels), want, "{what}");
    }
    // 5.2.3: a short pattern counts in organisation policies only with a star at its end.
    for (pattern, held) in [("arn:aws:s3", false), ("arn:aws:s3*", true)] {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
            allow("*", &format!("{pattern:?}"))
        );
        let above = Compiler::default().compile_guardrail(&Document::parse(&text), &home());
        let own = compile(&star);
        let level = Guardrail::new(vec![Bound::new(&above, &me)], Tri::T, false);
        let rights = Rights::limited(vec![Bound::new(&own, &me)], Boundary::Absent, vec![level]);
        assert_eq!(rights.grants.possible(Part).contains(id("s3:GetObject")), held, "{pattern}");
    }
}

#[derive(Clone, Debug)]
struct Random {
    allow: bool,
    not_action: bool,
    actions: Vec<&'static str>,
    not_resource: bool,
    resources: Vec<&'static str>,
    condition: Option<bool>,
}

const ACTIONS: [&str; 4] = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:GetObjectAcl"];
const PATTERNS: [&str; 5] = ["*", "s3:*", "s3:Get*", "s3:?utObject", "s3:GetObject"];
const RESOURCES: [&str; 4] =
    ["arn:aws:s3:::a/x", "arn:aws:s3:::a/y", "arn:aws:s3:::b/x", "arn:aws:s3:::c/d/e"];
const SHAPES: [&str; 6] = [
    "*",
    "arn:aws:s3:::*",
    "arn:aws:s3:::a/*",
    "arn:aws:s3:::?/x",
    "arn:aws:s3:::b/x",
    "arn:aws:s3:::c/*",
];

impl Random {
    fn json(&self) -> String {
        let condition = match self.condition {
            None => String::new(),
            Some(true) => r#","Condition":{"StringEquals":{"aws:username":"me"}}"#.into(),
            Some(false) => r#","Condition":{"Bool":{"x:unknown":"true"}}"#.into(),
        };
        format!(
            r#"{{"Effect":"{}","{}Action":{:?},"{}Resource":{:?}{condition}}}"#,
            if self.allow { "Allow" } else { "Deny" },
            if self.not_action { "Not" } else { "" },
            self.actions,
            if self.not_resource { "Not" } else { "" },
            self.resources,
        )
    }

    /// Straight from the text of the rules, without sets.
    fn says(&self, action: &str, resource: &str, unknown: bool) -> bool {
        use crate::privilege::glob::{matches, matches_ignore_case};
        let a = self.actions.iter().any(|p| matches_ignore_case(p, action)) != self.not_action;
        let r = self.resources.iter().any(|p| matches(p, resource)) != self.not_resource;
        a && r && self.condition.unwrap_or(true) | unknown
    }
}

fn statement() -> impl Strategy<Value = Random> {
    (
        any::<bool>(),
        proptest::bool::weighted(0.2),
        proptest::sample::subsequence(PATTERNS.to_vec(), 1..=2),
        proptest::bool::weighted(0.2),
        proptest::sample::subsequence(SHAPES.to_vec(), 1..=2),
        proptest::option::weighted(0.3, any::<bool>()),
    )
        .prop_map(|(deny, not_action, actions, not_resource, resources, condition)| Random {
            allow: !deny,
            not_action,
            actions,
            not_resource,
            resources,
            condition,
        })
}

/// Decision of the slow reference with the unknown key false or true.
fn slow(docs: &[Random], caps: &[&[Random]], a: &str, r: &str, unknown: bool) -> bool {
    let says = |list: &[Random], allow: bool| {
        list.iter().any(|s| s.allow == allow && s.says(a, r, unknown))
    };
    let denied = says(docs, false) || caps.iter().any(|c| says(c, false));
    !denied && says(docs, true) && caps.iter().all(|c| says(c, true))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    /// The evaluator decides as the reference does for every completion, and sets never claim what no
    /// resource of the universe shows.
    #[test]
    fn agrees_with_brute_force(
        docs in proptest::collection::vec(statement(), 1..4),
        cap in proptest::option::weighted(0.4, proptest::collection::vec(statement(), 1..3)),
        levels in proptest::collection::vec(proptest::collection::vec(statement(), 1..3), 0..3),
    ) {
        let me = subject();
        let text: Vec<String> = docs.iter().map(Random::json).collect();
        let policies: Vec<Policy> = text.iter().map(|t| compile(t)).collect();
        let cap_policy = cap.as_ref().map(|c| {
            compile(&c.iter().map(Random::json).collect::<Vec<_>>().join(","))
        });
        let level_policies: Vec<Policy> = levels
            .iter()
            .map(|l| compile(&l.iter().map(Random::json).collect::<Vec<_>>().join(",")))
            .collect();
        let guardrails = level_policies
            .iter()
            .map(|p| Guardrail::new(vec![Bound::new(p, &me)], Tri::T, false))
            .collect();
        let caps: Vec<&[Random]> =
            cap.iter().map(Vec::as_slice).chain(levels.iter().map(Vec::as_slice)).collect();
        let rights = Rights::limited(
            policies.iter().map(|p| Bound::new(p, &me)).collect(),
            cap_policy.as_ref().map_or(Boundary::Absent, |c| Boundary::Known(Bound::new(c, &me))),
            guardrails,
        );
        for a in ACTIONS {
            let mut some_possible = false;
            for r in RESOURCES {
                let outcomes = [false, true].map(|u| slow(&docs, &caps, a, r, u));
                some_possible |= outcomes.contains(&true);
                match rights.decide(id(a), r, &me) {
                    Tri::T => prop_assert_eq!(outcomes, [true, true], "{} {}", a, r),
                    Tri::F => prop_assert_eq!(outcomes, [false, false], "{} {}", a, r),
                    // With one unknown key, undecided may hide an equal outcome, never a wrong one.
                    Tri::U => {}
                }
                // A certain claim on the whole type holds here, unless exceptions were named.
                if rights.grants.certain(Scope::All).contains(id(a)) {
                    prop_assert_eq!(outcomes, [true, true], "all {} {}", a, r);
                }
            }
            if some_possible {
                prop_assert!(rights.grants.possible(Scope::Some).contains(id(a)), "{}", a);
            }
            for (inner, outer) in [(Scope::All, Scope::AllExcept), (Scope::AllExcept, Scope::Some)] {
                prop_assert!(rights.grants.certain(inner).is_subset(rights.grants.certain(outer)));
                prop_assert!(rights.grants.possible(inner).is_subset(rights.grants.possible(outer)));
            }
        }
    }
}
