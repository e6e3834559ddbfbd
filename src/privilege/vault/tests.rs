use proptest::prelude::*;

use super::*;
use crate::privilege::dangerous;

fn acl(policies: &[&str]) -> Acl {
    let parsed: Vec<Vec<Rule>> = policies.iter().map(|p| parse(p).unwrap()).collect();
    Acl::new(&parsed.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn given(policy: &str) -> Vec<(Breadth, Vec<&'static str>)> {
    let acl = acl(&[policy]);
    let mut by: BTreeMap<Breadth, ClassSet> = BTreeMap::new();
    for g in acl.gives() {
        for (b, set) in g.by {
            by.entry(b).or_default().extend(set);
        }
    }
    by.into_iter().map(|(b, s)| (b, s.iter().map(Class::word).collect())).collect()
}

#[test]
fn the_language() {
    let text = r#"
        # comment
        name = "x"
        path "secret/data/pay/+/db" { capabilities = ["read", "list"] } // end
        path "/sys/policies/acl/*" {
          capabilities = ["create"] /* more
          lines */
          allowed_parameters = { "policies" = [["default"], ["a"]] "x" = [] }
          control_group = { factor "ops" { identity { group_names = ["m"] approvals = 1 } } }
        }
        path "old/*" { policy = "write" }"#;
    let rules = parse(text).unwrap();
    assert_eq!(
        rules
            .iter()
            .map(|r| (r.path.as_str(), r.caps.words(), r.limited, r.guarded))
            .collect::<Vec<_>>(),
        [
            ("secret/data/pay/+/db", "read,list".to_owned(), false, false),
            ("sys/policies/acl/*", "create".to_owned(), true, true),
            ("old/*", "create,read,update,delete,list".to_owned(), false, false),
        ]
    );
    let json = r#"{"path": {"a/*": {"capabilities": ["sudo"]}, "b": [{"policy": "deny"}]}}"#;
    assert_eq!(parse(json).unwrap().len(), 2);
    for bad in [
        "path",
        "path \"a\"",
        "path \"a\" {",
        "path \"a\" { capabilities = [\"fly\"] }",
        "path \"a\" { x }",
        "path \"a\" { capabilities = \"read\" }",
        "\"",
        "/*",
        "{",
        "{\"path\": 1}",
        "= 1",
        "<<E\nx",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
    let deep = format!("x = {}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(parse(&deep).is_err());
}

#[test]
fn the_most_specific_pattern_decides() {
    let a = acl(&[r#"path "*" { capabilities = ["read","sudo"] }
        path "secret/*" { capabilities = ["update"] }
        path "secret/+/x" { capabilities = ["delete"] }
        path "secret/a/*" { capabilities = ["list"] }
        path "secret/a/x" { capabilities = ["deny"] }"#]);
    let by = |p: &str| a.decides(p).map(|r| r.path.as_str());
    assert_eq!(by("other"), Some("*"));
    assert_eq!(by("secret/q"), Some("secret/*"));
    // Both begin to be wild at the same place; the one that does not end in a star is more specific.
    assert_eq!(by("secret/b/x"), Some("secret/+/x"));
    assert_eq!(by("secret/a/y"), Some("secret/a/*"));
    assert_eq!(by("secret/a/x"), Some("secret/a/x"));
    assert!(!a.allows("secret/a/x", Caps::READ));
    // Capabilities of one path are united over policies; deny wins there and nowhere else.
    let two = acl(&[
        r#"path "a/*" { capabilities = ["read"] }"#,
        r#"path "a/*" { capabilities = ["update"] } path "a/b" { capabilities = ["deny"] }"#,
    ]);
    assert!(two.allows("a/c", Caps::READ) && two.allows("a/c", Caps::UPDATE));
    assert!(!two.allows("a/b", Caps::READ));
}

#[test]
fn what_policies_give() {
    let everything =
        r#"path "*" { capabilities = ["create","read","update","delete","list","sudo"] }"#;
    let classes = given(everything);
    assert_eq!(classes[0].0, Breadth::Tenant);
    assert!(classes[0].1.starts_with(&[
        "admin",
        "permissions-management",
        "escalation",
        "secrets"
    ]));
    assert_eq!(
        given(r#"path "secret/data/pay/+/db" { capabilities = ["read"] }"#),
        [(Breadth::Group, vec!["secrets"])]
    );
    assert_eq!(
        given(r#"path "secret/metadata/pay/*" { policy = "read" }"#),
        [(Breadth::Group, vec!["read"])]
    );
    assert_eq!(
        given(r#"path "database/creds/pay-api" { capabilities = ["read"] }"#),
        [(Breadth::Resource, vec!["secrets", "escalation (possible)"])]
    );
    // Without sudo a child token has no more than its parent; limits of parameters are a guard.
    assert_eq!(
        given(r#"path "auth/token/create" { capabilities = ["update"] }"#),
        [(Breadth::Tenant, vec!["escalation (possible)"])]
    );
    assert_eq!(
        given(
            r#"path "sys/policies/acl/x" { capabilities = ["update"] allowed_parameters = {"a" = []} }"#
        ),
        [(Breadth::Tenant, vec!["escalation (possible)"])]
    );
    // Root-protected paths need sudo.
    assert_eq!(
        given(r#"path "sys/raw/*" { capabilities = ["read"] }"#),
        [(Breadth::Group, vec!["read"])]
    );
    // A deny of policies leaves nothing of them.
    let denied = r#"path "sys/*" { capabilities = ["update"] } path "sys/policies/*" { capabilities = ["deny"] }
        path "sys/policy/*" { capabilities = ["deny"] }"#;
    assert!(!given(denied).iter().any(|(_, c)| c.contains(&"permissions-management")));
}

#[test]
fn every_row_of_the_catalogue_is_found() {
    for row in dangerous::of("vault") {
        let Some((path, rest)) = row.permission.split_once(' ') else { continue };
        if !path.contains('/') || row.permission.contains(" | ") {
            continue;
        }
        // Stars in the middle stand for a segment in the catalogue.
        let path = path.trim_end_matches('*').replace('*', "+")
            + if path.ends_with('*') { "*" } else { "" };
        let word = rest.split([' ', '(']).next().unwrap_or_default();
        let mut caps: Vec<&str> = word.split('|').filter(|w| Caps::of(w).is_some()).collect();
        if path.starts_with("sys/a") || path.starts_with("sys/raw") || caps == ["sudo"] {
            caps.extend(["sudo", "update", "delete"]);
        }
        let path = path.replace("auth/token/accessors", "auth/token/revoke-accessor");
        if path.contains("accessor") {
            caps.push("update");
        }
        let policy = format!("path {path:?} {{ capabilities = {caps:?} }}");
        let found: Vec<&str> = given(&policy).into_iter().flat_map(|(_, c)| c).collect();
        // What is issued or made may be worth anything: the catalogue counts it as certain.
        let fits = found.contains(&row.class.word())
            || (row.class == Class::Escalation && found.contains(&"escalation (possible)"));
        assert!(fits, "{}: {policy} gives {found:?}", row.permission);
    }
}

/// The reference: the vendor's five rules, one after the other, over all patterns that match.
fn slow<'a>(patterns: &'a [String], path: &str) -> Option<&'a String> {
    fn fits(p: &[&str], s: &[&str], star: bool) -> bool {
        match (p, s) {
            ([], []) => true,
            ([last], [_, ..]) if star => s.join("/").starts_with(last),
            ([a, p @ ..], [b, s @ ..]) => (*a == "+" || a == b) && fits(p, s, star),
            _ => false,
        }
    }
    let hit = |p: &&String| {
        let body = p.strip_suffix('*').unwrap_or(p);
        let segments: Vec<&str> = body.split('/').collect();
        fits(&segments, &path.split('/').collect::<Vec<_>>(), p.ends_with('*'))
    };
    let first = |p: &str| {
        let chars: Vec<char> = p.chars().collect();
        (0..chars.len()).find(|i| {
            let edge = |j: Option<&char>| j.is_none_or(|c| *c == '/');
            (chars[*i] == '*' && *i + 1 == chars.len())
                || (chars[*i] == '+'
                    && edge(i.checked_sub(1).and_then(|j| chars.get(j)))
                    && edge(chars.get(i + 1)))
        })
    };
    let plus = |p: &str| p.trim_end_matches('*').split('/').filter(|s| *s == "+").count();
    patterns.iter().filter(hit).reduce(|a, b| {
        let (fa, fb) = (first(a).unwrap_or(usize::MAX), first(b).unwrap_or(usize::MAX));
        let lower = if fa != fb {
            fa < fb
        } else if a.ends_with('*') != b.ends_with('*') {
            a.ends_with('*')
        } else if plus(a) != plus(b) {
            plus(a) > plus(b)
        } else if a.len() != b.len() {
            a.len() < b.len()
        } else {
            a < b
        };
        if lower { b } else { a }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn the_deciding_pattern_equals_the_slow_reference(
        patterns in proptest::collection::btree_set("([ab+]{1,2}/){0,3}[ab+]{0,2}\\*?", 1..8),
        path in "([ab]{1,2}/){0,3}[ab]{1,2}",
    ) {
        let patterns: Vec<String> = patterns.into_iter().filter(|p| !p.ends_with("+*")).collect();
        let rules: Vec<Rule> = patterns
            .iter()
            .map(|p| Rule { path: p.clone(), caps: Caps::READ, limited: false, guarded: false })
            .collect();
        let acl = Acl::new(&[&rules]);
        prop_assert_eq!(acl.decides(&path).map(|r| &r.path), slow(&patterns, &path));
    }

    #[test]
    fn a_witness_is_matched_by_both(
        a in "([ab+]{1}/){0,3}[ab]{0,2}\\*?",
        b in "([ab+]{1}/){0,3}[ab]{0,2}\\*?",
    ) {
        if let Some(w) = witness(&a, &b) {
            prop_assert!(matches(&a, &w) && matches(&b, &w), "{a} {b} {w}");
        }
    }

    #[test]
    fn never_panics(s in "(path|name|[a-z\"{}\\[\\]=,#/*\\\\ \n<é+])*") {
        let _ = parse(&s);
    }
}
