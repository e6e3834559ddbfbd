use super::*;
use proptest::prelude::*;

fn rule(verbs: &[&str], groups: &[&str], resources: &[&str], names: &[&str]) -> Rule {
    let own = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    Rule {
        verbs: own(verbs),
        groups: own(groups),
        resources: own(resources),
        names: own(names),
        urls: Vec::new(),
    }
}

fn request<'a>(verb: &'a str, group: &'a str, resource: &'a str, name: &'a str) -> Request<'a> {
    Request { verb, group, resource, name }
}

#[test]
fn a_resource_is_not_its_subresources_and_a_wildcard_is() {
    let pods = rule(&["get"], &[""], &["pods"], &[]);
    assert!(pods.allows(&request("get", "", "pods", "a")));
    assert!(!pods.allows(&request("get", "", "pods/exec", "a")));
    let all = rule(&["*"], &[""], &["*"], &[]);
    assert!(all.allows(&request("get", "", "pods/exec", "a")));
    assert!(!all.allows(&request("get", "apps", "deployments", "a")));
    let exec = rule(&["create"], &[""], &["*/exec"], &[]);
    assert!(exec.allows(&request("create", "", "pods/exec", "a")));
    assert!(!exec.allows(&request("create", "", "pods", "a")));
}

#[test]
fn names_never_match_a_request_without_one() {
    let named = rule(&["create", "get"], &[""], &["secrets"], &["db"]);
    assert!(named.allows(&request("get", "", "secrets", "db")));
    assert!(!named.allows(&request("get", "", "secrets", "other")));
    assert!(!named.allows(&request("create", "", "secrets", "")));
}

#[test]
fn urls_have_a_wildcard_at_the_end_only() {
    let urls =
        Rule { verbs: vec!["get".into()], urls: vec!["/healthz/*".into()], ..Rule::default() };
    assert!(urls.allows_url("get", "/healthz/etcd"));
    assert!(!urls.allows_url("get", "/metrics"));
    assert!(!urls.allows_url("post", "/healthz/etcd"));
}

#[test]
fn rights_are_covered_by_the_union() {
    let own = [rule(&["get", "list"], &[""], &["pods"], &[]), rule(&["*"], &["apps"], &["*"], &[])];
    assert!(covers(&own, &rule(&["get"], &[""], &["pods"], &["x"])));
    assert!(covers(
        &own,
        &rule(&["create"], &["apps"], &["deployments", "deployments/scale"], &[])
    ));
    assert!(!covers(&own, &rule(&["get", "watch"], &[""], &["pods"], &[])));
    // Named rights do not cover the right to all names.
    let named = [rule(&["get"], &[""], &["pods"], &["x"])];
    assert!(!covers(&named, &rule(&["get"], &[""], &["pods"], &[])));
    // A wildcard is covered by a wildcard only.
    assert!(!covers(&own, &rule(&["get"], &["*"], &["pods"], &[])));
    let huge: Vec<String> = (0..30_000).map(|i| format!("v{i}")).collect();
    assert!(!covers(&own, &Rule { verbs: huge, ..rule(&[], &[""], &["pods"], &[]) }));
}

#[test]
fn selectors() {
    let labels: BTreeMap<String, String> = [("a".to_owned(), "1".to_owned())].into();
    let select = |json: &str| Selector::read(&serde_json::from_str(json).unwrap()).selects(&labels);
    assert!(select(r#"{"matchLabels":{"a":"1"}}"#));
    assert!(!select(r#"{"matchLabels":{"a":"2"}}"#));
    assert!(select("{}"));
    assert!(select(r#"{"matchExpressions":[{"key":"a","operator":"In","values":["1","2"]}]}"#));
    assert!(select(r#"{"matchExpressions":[{"key":"b","operator":"DoesNotExist"}]}"#));
    assert!(select(r#"{"matchExpressions":[{"key":"b","operator":"NotIn","values":["1"]}]}"#));
    assert!(!select(r#"{"matchExpressions":[{"key":"a","operator":"Odd","values":["1"]}]}"#));
}

#[test]
fn documents_of_another_form_are_refused() {
    for bad in [
        "[]",
        "{",
        r#"{"rules":{}}"#,
        r#"{"rules":[1]}"#,
        r#"{"rules":[{"verbs":"get"}]}"#,
        r#"{"rules":[{"verbs":[1]}]}"#,
    ] {
        assert!(Document::parse(bad).is_err(), "{bad}");
    }
    let deep = format!("{{\"rules\":{}", "[".repeat(100_000));
    assert!(Document::parse(&deep).is_err());
    let fine = Document::parse(r#"{"rules":null,"aggregationRule":{"clusterRoleSelectors":[{}]}}"#);
    assert_eq!(fine.unwrap().aggregation.len(), 1);
}

/// The slow reference: every combination of the rule is written out and compared as text.
fn slow(rule: &Rule, r: &Request<'_>) -> bool {
    let mut hit = false;
    for v in &rule.verbs {
        for g in &rule.groups {
            for res in &rule.resources {
                let verb = v == "*" || v == r.verb;
                let group = g == "*" || g == r.group;
                let sub = r.resource.split('/').nth(1);
                let resource = match res.as_str() {
                    "*" => true,
                    other if other.starts_with("*/") => {
                        sub.is_some_and(|s| *other == format!("*/{s}"))
                    }
                    other => other == r.resource,
                };
                let name = rule.names.is_empty() || rule.names.iter().any(|n| n == r.name);
                hit |= verb && group && resource && name;
            }
        }
    }
    hit
}

fn some(words: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(proptest::sample::select(words).prop_map(str::to_owned), 0..3)
}

fn any_rule() -> impl Strategy<Value = Rule> {
    (
        some(&["get", "list", "create", "*"]),
        some(&["", "apps", "*"]),
        some(&["pods", "pods/exec", "secrets", "*", "*/exec", "*/"]),
        some(&["a", "b"]),
    )
        .prop_map(|(verbs, groups, resources, names)| Rule {
            verbs,
            groups,
            resources,
            names,
            urls: Vec::new(),
        })
}

proptest! {
    #[test]
    fn matching_is_that_of_the_slow_reference(
        rule in any_rule(),
        verb in proptest::sample::select(vec!["get", "list", "create", "delete"]),
        group in proptest::sample::select(vec!["", "apps", "batch"]),
        resource in proptest::sample::select(vec!["pods", "pods/exec", "secrets", "deployments/scale"]),
        name in proptest::sample::select(vec!["", "a", "c"]),
    ) {
        let r = Request { verb, group, resource, name };
        prop_assert_eq!(rule.allows(&r), slow(&rule, &r));
    }

    /// What covers a rule allows every request that the rule allows.
    #[test]
    fn what_covers_allows_as_much(own in proptest::collection::vec(any_rule(), 0..3), wanted in any_rule()) {
        if covers(&own, &wanted) {
            for verb in ["get", "list", "create", "delete"] {
                for group in ["", "apps", "batch"] {
                    for resource in ["pods", "pods/exec", "secrets", "deployments/scale"] {
                        for name in ["", "a", "c"] {
                            let r = Request { verb, group, resource, name };
                            prop_assert!(!wanted.allows(&r) || own.iter().any(|o| o.allows(&r)));
                        }
                    }
                }
            }
        }
    }
}
