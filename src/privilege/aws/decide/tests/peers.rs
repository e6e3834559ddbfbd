//! Each defect of evaluation that other tools were measured to have (AWS semantics, section 3), as a
//! question that they get wrong.
//!
//! | tool | defect | test |
//! |---|---|---|
//! | cloudsplaining 1 | a Deny clears everything of its name, whatever its resource, condition or policy | `deny_has_a_resource_and_a_condition`, `deny_of_another_policy_counts` |
//! | cloudsplaining 2 | star-like patterns and NotResource count as constrained | `star_like_patterns_are_stars`, `not_resource_allows` |
//! | cloudsplaining 3 | `?`, case and `*:*` are not expanded; `s3` and NotAction end the run | `odd_actions` |
//! | cloudsplaining 4 | any condition is safe | `conditions_are_three_valued` |
//! | cloudsplaining 5 | several policies, boundary and organisation policies are not seen | `the_union_counts`, `ceilings_count` |
//! | cloudsplaining 7 | other partitions | `partitions` |
//! | cloudsplaining 8 | NotPrincipal, web identity | `not_principal`, `web_identity` |
//! | parliament | Allow with NotAction lists the actions it leaves out | `not_action_leaves_out` |
//! | PMapper | resources in any case, `+` as a regular expression | `resources_are_case_sensitive_text` |
//! | PMapper | `IfExists` of numbers, dates, addresses; first value only; absent key of a negated operator; JSON booleans | `operators` |
//! | PMapper | trust policies without context | `trust_under_a_condition_is_conditional` |
//! | PMapper | a policy that names the role passes its boundary | `boundary_and_role` |
//! | moto | case of actions, unescaped patterns, unmet Allow denies, no Resource permits | `odd_actions`, `resources_are_case_sensitive_text`, `unmet_allow_denies_nothing`, `deny_but_for` |
//! | policyuniverse | `?`, Deny, negated operators | `odd_actions`, `deny_has_a_resource_and_a_condition`, `operators` |
//! | iamspy | NotResource as OR of NOT; set operators skipped; Federated skipped | `not_resource_allows`, `operators`, `web_identity` |
//! | iam-simulate | epoch seconds, `*:*`, wildcards in the service, product wildcards, service-linked roles | `odd_actions`, `operators`, `service_linked_roles` |

use super::golden::Case;
use super::random::word;

const OBJECT: &str = "s3:GetObject arn:aws:s3:::b/k";

fn case(ask: &str, identity: &[&str]) -> Case {
    let identity = identity.iter().map(|s| (*s).to_owned()).collect();
    Case { ask: ask.to_owned(), identity, ..Case::default() }
}

fn lines(list: &[&str]) -> Option<Vec<String>> {
    Some(list.iter().map(|s| (*s).to_owned()).collect())
}

fn says(case: &Case) -> &'static str {
    word(case.run().verdict)
}

fn own(ask: &str, identity: &[&str]) -> &'static str {
    says(&case(ask, identity))
}

fn keyed(condition: &str, keys: &[(&str, Option<&str>)]) -> &'static str {
    let mut c = case(OBJECT, &[&format!("Allow * on * if {condition}")]);
    for (k, v) in keys {
        c.keys.insert((*k).to_owned(), v.map_or(serde_json::Value::Null, Into::into));
    }
    says(&c)
}

#[test]
fn deny_has_a_resource_and_a_condition() {
    let key = "iam:CreateAccessKey arn:aws:iam::111122223333:user/bob";
    assert_eq!(own(key, &["Allow * on *", "Deny iam:* on arn:aws:iam::*:user/eve"]), "allow");
    assert_eq!(own(key, &["Allow * on *", "Deny iam:* on arn:aws:iam::*:user/b*"]), "explicit");
    let maybe = r#"Deny iam:* on * if {"Bool":{"aws:SecureTransport":"false"}}"#;
    assert_eq!(own(key, &["Allow * on *", maybe]), "conditional");
}

#[test]
fn deny_of_another_policy_counts() {
    let mut c = case(OBJECT, &["Allow * on *"]);
    c.also = vec!["Deny s3:* on *".to_owned()];
    assert_eq!(says(&c), "explicit");
}

#[test]
fn star_like_patterns_are_stars() {
    for p in ["**", "arn:*", "arn:aws:s3:::*", "arn:aws:iam::*:user/*,arn:aws:s3:::*"] {
        assert_eq!(own(OBJECT, &[&format!("Allow s3:* on {p}")]), "allow", "{p}");
    }
}

#[test]
fn not_resource_allows() {
    assert_eq!(own(OBJECT, &["Allow s3:* on not arn:aws:s3:::c/*"]), "allow");
    // All of the listed patterns are left out, not only those that all patterns match.
    assert_eq!(own(OBJECT, &["Allow s3:* on not arn:aws:s3:::c/*,arn:aws:s3:::b/*"]), "deny");
}

#[test]
fn odd_actions() {
    let attach = "iam:AttachUserPolicy arn:aws:iam::111122223333:user/bob";
    for (pattern, want) in [
        ("iam:?ttachUserPolicy", "allow"),
        ("IAM:Attach*", "allow"),
        ("iam:attachuserpolicy", "allow"),
        ("*:*", "allow"),
        ("i*:Attach*", "allow"),
        ("iam:ttachUserPolicy?", "deny"),
        ("iam", "deny"),
        ("iam:.ttachUserPolicy", "deny"),
        ("not s3:*", "allow"),
        ("not nosuch:*", "allow"),
        ("not *:*", "deny"),
    ] {
        assert_eq!(own(attach, &[&format!("Allow {pattern} on *")]), want, "{pattern}");
    }
}

#[test]
fn conditions_are_three_valued() {
    let always = r#"{"StringLike":{"aws:PrincipalArn":"*"}}"#;
    assert_eq!(keyed(always, &[("aws:principalarn", Some("arn:aws:iam::1:user/x"))]), "allow");
    assert_eq!(keyed(r#"{"StringEquals":{"aws:SourceVpc":"v"}}"#, &[]), "conditional");
    assert_eq!(keyed(r#"{"StringEquals":{"x":"v"}}"#, &[("x", Some("w"))]), "deny");
}

#[test]
fn the_union_counts() {
    let pass = "iam:PassRole arn:aws:iam::111122223333:role/ops";
    let mut c = case(pass, &["Allow lambda:* on *"]);
    assert_eq!(says(&c), "deny");
    c.also = vec!["Allow iam:PassRole on *".to_owned()];
    assert_eq!(says(&c), "allow");
}

#[test]
fn ceilings_count() {
    let mut bounded = case(OBJECT, &["Allow * on *"]);
    bounded.boundary = lines(&["Allow ec2:* on *"]);
    assert_eq!(says(&bounded), "deny");
    let mut organised = case(OBJECT, &["Allow * on *"]);
    organised.scps = Some(vec![vec!["Allow * on *".into(), "Deny s3:* on *".into()]]);
    assert_eq!(says(&organised), "explicit");
    let mut controlled = case(OBJECT, &["Allow * on *"]);
    controlled.rcps = Some(vec![vec!["Deny s3:* on *".into()]]);
    assert_eq!(says(&controlled), "explicit");
}

#[test]
fn partitions() {
    let china = "s3:GetObject arn:aws-cn:s3:::b/k";
    assert_eq!(own(china, &["Allow s3:* on arn:aws-cn:s3:::*"]), "allow");
    assert_eq!(own(china, &["Allow s3:* on arn:aws:s3:::*"]), "deny");
}

#[test]
fn not_principal() {
    let mut c = case(OBJECT, &["Allow * on *"]);
    c.resource = lines(&["Deny s3:* on * for not AWS:arn:aws:iam::111122223333:user/bob"]);
    assert_eq!(says(&c), "explicit");
}

#[test]
fn web_identity() {
    let provider = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com";
    let mut c = case("sts:AssumeRoleWithWebIdentity arn:aws:iam::111122223333:role/ci", &[]);
    c.caller = format!("federated {provider}");
    c.resource = Some(vec![format!(
        r#"Allow sts:AssumeRoleWithWebIdentity for Federated:{provider} if {{"StringLike":{{"token.actions.githubusercontent.com:sub":"repo:org/*"}}}}"#
    )]);
    assert_eq!(says(&c), "conditional");
    let sub = "token.actions.githubusercontent.com:sub".to_owned();
    c.keys.insert(sub.clone(), "repo:org/app:ref:refs/heads/main".into());
    assert_eq!(says(&c), "allow");
    c.keys.insert(sub, "repo:else/app".into());
    assert_eq!(says(&c), "deny");
}

#[test]
fn not_action_leaves_out() {
    assert_eq!(own(OBJECT, &["Allow not s3:* on *"]), "deny");
    let user = "iam:CreateUser arn:aws:iam::111122223333:user/bob";
    assert_eq!(own(user, &["Allow not s3:* on *"]), "allow");
}

#[test]
fn resources_are_case_sensitive_text() {
    assert_eq!(own(OBJECT, &["Allow s3:* on arn:aws:s3:::B/*"]), "deny");
    for (pattern, resource, want) in [
        ("arn:aws:s3:::b/a+b", "arn:aws:s3:::b/a+b", "allow"),
        ("arn:aws:s3:::b/a+b", "arn:aws:s3:::b/aab", "deny"),
        ("arn:aws:s3:::b/a.b", "arn:aws:s3:::b/axb", "deny"),
        ("arn:aws:s3:::b/(a|[b", "arn:aws:s3:::b/(a|[b", "allow"),
        ("arn:aws:s3:::b/a?", "arn:aws:s3:::b/a", "deny"),
    ] {
        let got = own(&format!("s3:GetObject {resource}"), &[&format!("Allow s3:* on {pattern}")]);
        assert_eq!(got, want, "{pattern} {resource}");
    }
}

#[test]
fn operators() {
    let date = [("aws:currenttime", Some("2026-06-01T00:00:00Z"))];
    for (condition, keys, want) in [
        (r#"{"NumericLessThanIfExists":{"n":"5"}}"#, &[("n", Some("3"))][..], "allow"),
        (r#"{"DateLessThanIfExists":{"aws:CurrentTime":"2027-01-01T00:00:00Z"}}"#, &date, "allow"),
        (r#"{"IpAddressIfExists":{"i":"10.0.0.0/8"}}"#, &[("i", Some("10.1.1.1"))], "allow"),
        (r#"{"IpAddressIfExists":{"i":"10.0.0.0/8"}}"#, &[("i", Some("192.0.2.1"))], "deny"),
        (r#"{"DateGreaterThan":{"aws:CurrentTime":["2030-01-01","2020-01-01"]}}"#, &date, "allow"),
        (r#"{"DateLessThan":{"aws:CurrentTime":"1893456000"}}"#, &date, "allow"),
        (r#"{"StringNotLike":{"x":"a*"}}"#, &[("x", None)], "allow"),
        (r#"{"StringNotEquals":{"x":"a"}}"#, &[("x", Some("b"))], "allow"),
        (r#"{"Bool":{"b":true}}"#, &[("b", Some("true"))], "allow"),
        (r#"{"Null":{"b":true}}"#, &[("b", None)], "allow"),
        (r#"{"ForAnyValue:StringEquals":{"k":["a","b"]}}"#, &[("k", Some("b"))], "allow"),
        (r#"{"ForAnyValue:StringEquals":{"k":["a","b"]}}"#, &[("k", Some("c"))], "deny"),
    ] {
        assert_eq!(keyed(condition, keys), want, "{condition}");
    }
}

#[test]
fn trust_under_a_condition_is_conditional() {
    let mut c = case("sts:AssumeRole arn:aws:iam::111122223333:role/ops", &["Allow sts:* on *"]);
    let trust = r#"Allow sts:AssumeRole for AWS:111122223333 if {"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#;
    c.resource = lines(&[trust]);
    assert_eq!(says(&c), "conditional");
}

#[test]
fn boundary_and_role() {
    let mut c = case(OBJECT, &[]);
    c.caller = "role ops s1".into();
    c.boundary = lines(&["Allow ec2:* on *"]);
    c.resource = lines(&["Allow s3:* on * for AWS:arn:aws:iam::111122223333:role/ops"]);
    assert_eq!(says(&c), "deny");
}

#[test]
fn unmet_allow_denies_nothing() {
    let mut c =
        case(OBJECT, &[r#"Allow s3:* on * if {"Bool":{"b":"true"}}"#, "Allow s3:Get* on *"]);
    c.keys.insert("b".into(), "false".into());
    assert_eq!(says(&c), "allow");
}

#[test]
fn deny_but_for() {
    assert_eq!(own(OBJECT, &["Deny s3:* on not arn:aws:s3:::c/*", "Allow s3:* on *"]), "explicit");
}

#[test]
fn service_linked_roles() {
    let mut c = case(OBJECT, &["Allow * on *"]);
    c.caller = "role aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS s1".into();
    c.scps = Some(vec![vec!["Deny * on *".into()]]);
    assert_eq!(says(&c), "allow");
    let iam = "iam:GetUser arn:aws:iam::111122223333:user/bob";
    assert_eq!(own(iam, &["Allow iam:* on arn:aws:iam::*:us*r/bob"]), "allow");
}
