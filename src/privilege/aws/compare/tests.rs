use super::snapshot::document_digest;
use super::*;
use crate::facts::PolicyInForce;
use crate::privilege::aws::condition::{Context, Known};
use crate::privilege::aws::document::{Patterns, Statement};
use crate::privilege::aws::tri::Tri;

const ALICE: &str = "arn:aws:iam::111122223333:user/alice";

fn doc(statements: &str) -> Text {
    text(format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#))
}

fn text(s: impl AsRef<str>) -> Text {
    crate::facts::text(s)
}

fn row(layer: &str, role: &str, digest: Option<Text>) -> PolicyInForce {
    PolicyInForce { principal_id: text(ALICE), layer: text(layer), role_id: text(role), digest }
}

/// A snapshot of one principal: layer word, policy, statements.
fn snapshot(parts: &[(&str, &str, &str)]) -> Snapshot {
    let documents: Vec<Text> = parts.iter().map(|(_, _, s)| doc(s)).collect();
    let rows: Vec<PolicyInForce> = parts
        .iter()
        .zip(&documents)
        .map(|((layer, role, _), d)| row(layer, role, Some(document_digest(d))))
        .collect();
    Snapshot::new(&rows, &documents)
}

fn change(old: &[(&str, &str, &str)], new: &[(&str, &str, &str)]) -> AccessChange {
    let (old, new) = (snapshot(old), snapshot(new));
    Comparer::new(&old, &new).principal(ALICE)
}

const READ: &str = r#"{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}"#;
const ALL: &str = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;

#[test]
fn rewordings_are_covered() {
    let cases: &[(&str, &str)] = &[
        // Another policy name, upper case, split statements, NotAction for the rest, `?`.
        (READ, r#"{"Effect":"Allow","Action":["S3:get*"],"Resource":["*"]}"#),
        (
            r#"{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::a/*"}"#,
            r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::a/*"},{"Effect":"Allow","Action":"s3:Put?bject","Resource":"arn:aws:s3:::a/*"}"#,
        ),
        (
            r#"{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"iam:*","Resource":"*"}"#,
        ),
        (
            r#"{"Effect":"Allow","Action":"s3:*","NotResource":"arn:aws:s3:::secret/*"}"#,
            r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"},{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::secret/*"}"#,
        ),
        // A type that an action does not have adds nothing.
        (
            r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::a/*"},{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::a"}"#,
            r#"{"Effect":"Allow","Action":["s3:GetObject","s3:ListBucket"],"Resource":["arn:aws:s3:::a","arn:aws:s3:::a/*"]}"#,
        ),
        // Narrower: fewer actions, resources, longer conditions, earlier end.
        (READ, r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::a/*"}"#),
        (
            READ,
            r#"{"Effect":"Allow","Action":"s3:Get*","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}"#,
        ),
        (
            r#"{"Effect":"Allow","Action":"s3:Get*","Resource":"*","Condition":{"DateLessThan":{"aws:CurrentTime":"2026-12-01T00:00:00Z"}}}"#,
            r#"{"Effect":"Allow","Action":"s3:Get*","Resource":"*","Condition":{"DateLessThan":{"aws:CurrentTime":"2026-11-01T00:00:00Z"}}}"#,
        ),
    ];
    for (old, new) in cases {
        let got = change(&[("identity", "p1", old)], &[("identity", "p2", new)]);
        assert_eq!(got, AccessChange::Covered, "{old} -> {new}");
    }
}

#[test]
fn wider_rights_are_seen_in_any_wording() {
    let cases: &[(&str, &str)] = &[
        (READ, r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#),
        (READ, r#"{"Effect":"Allow","NotAction":["ec2:*"],"Resource":"*"}"#),
        (
            r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::a/*"}"#,
            r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::a*"}"#,
        ),
        (
            r#"{"Effect":"Allow","Action":"s3:*","NotResource":"arn:aws:s3:::secret/*"}"#,
            r#"{"Effect":"Allow","Action":"s3:*","NotResource":"arn:aws:s3:::secret/top/*"}"#,
        ),
        (
            r#"{"Effect":"Allow","Action":"s3:Get*","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}"#,
            READ,
        ),
        (
            r#"{"Effect":"Allow","Action":"s3:Get*","Resource":"*","Condition":{"DateLessThan":{"aws:CurrentTime":"2026-11-01T00:00:00Z"}}}"#,
            r#"{"Effect":"Allow","Action":"s3:Get*","Resource":"*","Condition":{"DateLessThan":{"aws:CurrentTime":"2027-11-01T00:00:00Z"}}}"#,
        ),
        // The Allow stays, the Deny goes or shrinks or gets a condition.
        (
            r#"{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"iam:*","Resource":"*"}"#,
            ALL,
        ),
        (
            r#"{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"iam:*","Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"iam:*","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"false"}}}"#,
        ),
        // Actions that the catalogue does not know.
        (READ, r#"{"Effect":"Allow","Action":["s3:Get*","brandnew:DoIt"],"Resource":"*"}"#),
        (r#"{"Effect":"Allow","NotAction":"brandnew:*","Resource":"*"}"#, ALL),
        (
            r#"{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"brandnew:*","Resource":"*"}"#,
            ALL,
        ),
    ];
    for (old, new) in cases {
        let got = change(&[("identity", "p", old)], &[("identity", "p", new)]);
        assert!(!got.is_covered(), "{old} -> {new}");
    }
}

#[test]
fn ceilings_count() {
    let narrow = r#"{"Effect":"Allow","Action":["s3:*","ec2:*"],"Resource":"*"}"#;
    let reworded = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;
    let admin = ("identity", "p", ALL);
    // Boundary lifted, widened, narrowed.
    assert!(!change(&[admin, ("boundary", "b", narrow)], &[admin]).is_covered());
    assert!(
        !change(&[admin, ("boundary", "b", narrow)], &[admin, ("boundary", "b", ALL)]).is_covered()
    );
    assert!(
        change(&[admin, ("boundary", "b", narrow)], &[admin, ("boundary", "c", reworded)])
            .is_covered()
    );
    // More identity rights under the same boundary reach nothing new.
    let two = r#"{"Effect":"Allow","Action":["s3:*","ec2:*"],"Resource":"*"}"#;
    assert!(
        change(
            &[("identity", "p", two), ("boundary", "b", narrow)],
            &[admin, ("boundary", "b", narrow)]
        )
        .is_covered()
    );
    // An organisation policy that denies, gone.
    let deny = r#"{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"cloudtrail:StopLogging","Resource":"*"}"#;
    assert!(!change(&[admin, ("guardrail:root", "scp", deny)], &[admin]).is_covered());
    assert!(change(&[admin], &[admin, ("guardrail:root", "scp", deny)]).is_covered());
}

/// A level that may not lie above the account limits only where it did before; a policy of a level whose
/// content nobody knows leaves the level open.
#[test]
fn levels_that_may_not_apply() {
    let deny = r#"{"Effect":"Deny","Action":"iam:*","Resource":"*"}"#;
    let two = r#"{"Effect":"Allow","Action":["s3:*","iam:*"],"Resource":"*"}"#;
    let (narrow, wide) = (("identity", "p", READ), ("identity", "p", two));
    let sure = ("guardrail:r-1", "scp", deny);
    let unsure = ("guardrail:?r-1", "scp", deny);
    // It neither makes up for more rights, nor for a level that was sure.
    assert!(!change(&[narrow], &[wide, unsure]).is_covered());
    assert!(!change(&[wide, sure], &[wide, unsure]).is_covered());
    assert!(!change(&[wide, unsure], &[wide]).is_covered());
    assert!(change(&[wide, unsure], &[narrow, unsure]).is_covered());
    assert!(change(&[wide, unsure], &[wide, sure]).is_covered());
    // One policy of two is not known: more of the other may be more of the level.
    let level = |known: &str| {
        let documents = [doc(two), doc(known)];
        let rows = [
            row("identity", "p", Some(document_digest(&documents[0]))),
            row("guardrail:r-1", "known", Some(document_digest(&documents[1]))),
            row("guardrail:r-1", "lost", None),
        ];
        Snapshot::new(&rows, &documents)
    };
    let (one, more) = (level(READ), level(two));
    assert!(!Comparer::new(&one, &more).principal(ALICE).is_covered());
    assert!(Comparer::new(&one, &one).principal(ALICE).is_covered());
    // 5.2.3: a short pattern of an organisation policy that does not end in `*` matches nothing.
    let deny = |resource: &str| {
        format!(r#"{ALL},{{"Effect":"Deny","Action":"iam:*","Resource":"{resource}"}}"#)
    };
    let (short, long) = (deny("arn:aws:iam"), deny("*"));
    let under = |scp: &str| {
        let old = [narrow];
        let new = [wide, ("guardrail:r-1", "scp", scp)];
        change(&old, &new).is_covered()
    };
    assert!(!under(&short));
    let old = [("identity", "p", r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#)];
    assert!(change(&old, &[wide, ("guardrail:r-1", "scp", &long)]).is_covered());
}

/// 5.6: conditions on addresses are compared as sets of addresses.
#[test]
fn addresses_are_compared() {
    let from = |net: &str| {
        format!(
            r#"{{"Effect":"Allow","Action":"s3:Get*","Resource":"*","Condition":{{"IpAddress":{{"aws:SourceIp":"{net}"}}}}}}"#
        )
    };
    let (wide, narrow) = (from("10.0.0.0/8"), from("10.0.0.0/16"));
    fn part(text: &str) -> [(&str, &str, &str); 1] {
        [("identity", "p", text)]
    }
    fn with(b: &str) -> [(&str, &str, &str); 2] {
        [("identity", "p", ALL), ("boundary", "b", b)]
    }
    assert!(change(&part(&wide), &part(&narrow)).is_covered());
    assert!(!change(&part(&narrow), &part(&wide)).is_covered());
    // As a boundary, too.
    assert!(change(&with(&wide), &with(&narrow)).is_covered());
    assert!(!change(&with(&wide), &with(&from("0.0.0.0/0"))).is_covered());
}

/// A variable in a document of version 2008-10-17 is plain text: a Deny that used it denies nobody now.
#[test]
fn a_variable_that_became_text() {
    let both = format!(
        r#"{ALL},{{"Effect":"Deny","Action":"iam:*","Resource":"arn:aws:iam::*:user/${{aws:username}}"}}"#
    );
    let new = doc(&both);
    let old = text(new.replace("2012-10-17", "2008-10-17"));
    let of = |d: &Text| {
        let rows = [row("identity", "p", Some(document_digest(d)))];
        Snapshot::new(&rows, [d])
    };
    let (literal, variable) = (of(&old), of(&new));
    assert!(!Comparer::new(&variable, &literal).principal(ALICE).is_covered());
}

#[test]
fn unknown_content_is_wider_unless_it_was_unknown_before() {
    let unknown = Snapshot::new(&[row("identity", "arn:p", None)], []);
    let known = snapshot(&[("identity", "q", READ)]);
    assert!(!Comparer::new(&known, &unknown).principal(ALICE).is_covered());
    assert!(Comparer::new(&unknown, &unknown).principal(ALICE).is_covered());
    assert!(!Comparer::new(&unknown, &known).principal(ALICE).is_covered());
    assert!(Comparer::new(&known, &Snapshot::default()).principal(ALICE).is_covered());
}

/// What was read of one principal says nothing of the next.
#[test]
fn sides_are_remembered_for_one_principal_only() {
    const BOB: &str = "arn:aws:iam::111122223333:user/bob";
    let of = |alice: &str, bob: &str| {
        let documents = [doc(alice), doc(bob)];
        let rows = [ALICE, BOB].iter().zip(&documents).map(|(who, d)| PolicyInForce {
            principal_id: text(who),
            ..row("identity", "p", Some(document_digest(d)))
        });
        Snapshot::new(&rows.collect::<Vec<_>>(), &documents)
    };
    let (old, new) = (of(READ, ALL), of(ALL, READ));
    let mut c = Comparer::new(&old, &new);
    for _ in 0..2 {
        assert!(!c.policy(ALICE, "p").is_covered());
        assert!(!c.principal(ALICE).is_covered());
        assert!(c.policy(BOB, "p").is_covered());
    }
}

#[test]
fn one_policy_is_judged_against_all_that_was_held() {
    let old = snapshot(&[("identity", "p", ALL)]);
    let new = snapshot(&[("identity", "p", ALL), ("identity", "q", READ)]);
    let mut c = Comparer::new(&old, &new);
    assert_eq!(c.policy(ALICE, "q"), AccessChange::Covered);
    let old = snapshot(&[("identity", "p", READ)]);
    let wide = snapshot(&[("identity", "p", READ), ("identity", "q", ALL)]);
    let mut c = Comparer::new(&old, &wide);
    assert!(c.policy(ALICE, "p").is_covered());
    let AccessChange::Wider(why) = c.policy(ALICE, "q") else { panic!() };
    assert!(why[0].starts_with("`q` statement 0: allows "), "{why:?}");
}

/// Slow reference: decides one request by the text of the specification, conditions by a table.
struct Asked<'a> {
    action: &'a str,
    resource: &'a str,
    keys: &'a [(&'a str, &'a str)],
}

impl Context for Asked<'_> {
    fn get(&self, key: &str) -> Known {
        self.keys
            .iter()
            .find(|(k, _)| *k == key)
            .map_or(Known::Absent, |(_, v)| Known::Values(vec![(*v).to_owned()]))
    }
}

fn glob_slow(p: &[u8], s: &[u8]) -> bool {
    match (p.split_first(), s.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            glob_slow(rest, s) || s.split_first().is_some_and(|(_, tail)| glob_slow(p, tail))
        }
        (Some((b'?', rest)), Some((_, tail))) => glob_slow(rest, tail),
        (Some((a, rest)), Some((b, tail))) => a == b && glob_slow(rest, tail),
        _ => false,
    }
}

fn hits(p: &Patterns, f: impl Fn(&str) -> bool) -> bool {
    p.list.iter().any(|x| f(x)) != p.negate
}

fn applies(s: &Statement, q: &Asked<'_>) -> bool {
    let action = hits(&s.actions, |p| {
        p == "*"
            || glob_slow(
                p.to_ascii_lowercase().as_bytes(),
                q.action.to_ascii_lowercase().as_bytes(),
            )
    });
    let resource = s
        .resources
        .as_ref()
        .is_none_or(|r| hits(r, |p| p == "*" || glob_slow(p.as_bytes(), q.resource.as_bytes())));
    action && resource && s.condition.evaluate(q, true) == Tri::T
}

fn allowed(side: &Snapshot, q: &Asked<'_>) -> bool {
    let mut layers: BTreeMap<&Layer, bool> = BTreeMap::new();
    layers.insert(&Layer::Identity, false);
    for part in side.parts(ALICE) {
        let document = Document::parse(&side.documents[part.digest.as_ref().unwrap()]);
        for s in document.statements.iter().filter(|s| applies(s, q)) {
            if s.effect == Effect::Deny {
                return false;
            }
            layers.insert(&part.layer, true);
        }
        layers.entry(&part.layer).or_insert(false);
    }
    layers.values().all(|ok| *ok)
}

fn arb_statement() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let action = prop::sample::select(vec![
        "*",
        "s3:*",
        "s3:GetObject",
        "s3:Get*",
        "s3:PutObject",
        "S3:?etObject",
        "sqs:SendMessage",
        "brandnew:Go",
    ]);
    let resource = prop::sample::select(vec![
        "*",
        "arn:aws:s3:::a/*",
        "arn:aws:s3:::a/x",
        "arn:aws:s3:::*",
        "arn:aws:s3:::b/*",
        "arn:aws:sqs:us-east-1:111122223333:q",
        "arn:aws:s3:::?/x",
    ]);
    let condition = prop::sample::select(vec![
        "",
        "",
        "",
        r#"{"StringEquals":{"aws:RequestedRegion":"eu-west-1"}}"#,
        r#"{"StringEquals":{"aws:RequestedRegion":["eu-west-1","us-east-1"]}}"#,
        r#"{"StringNotEquals":{"aws:RequestedRegion":"eu-west-1"}}"#,
        r#"{"StringLike":{"aws:RequestedRegion":"eu-*"}}"#,
        r#"{"StringEqualsIfExists":{"aws:RequestedRegion":"eu-west-1"}}"#,
        r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#,
        r#"{"IpAddress":{"aws:SourceIp":["10.1.0.0/16","192.168.0.1"]}}"#,
        r#"{"NotIpAddress":{"aws:SourceIp":"10.1.0.0/16"}}"#,
        r#"{"NumericLessThan":{"s3:max-keys":"10"}}"#,
        r#"{"NumericLessThan":{"s3:max-keys":"100"}}"#,
        r#"{"Bool":{"aws:SecureTransport":"true"},"StringLike":{"aws:RequestedRegion":"*"}}"#,
    ]);
    (
        any::<bool>(),
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.15),
        prop::collection::vec(action, 1..3),
        prop::collection::vec(resource, 1..3),
        condition,
        prop::bool::weighted(0.25),
    )
        .prop_map(|(_, not_action, not_resource, actions, resources, condition, deny)| {
            let condition = if condition.is_empty() {
                String::new()
            } else {
                format!(r#","Condition":{condition}"#)
            };
            format!(
                r#"{{"Effect":"{}","{}":{},"{}":{}{condition}}}"#,
                if deny { "Deny" } else { "Allow" },
                if not_action { "NotAction" } else { "Action" },
                serde_json::to_string(&actions).unwrap(),
                if not_resource { "NotResource" } else { "Resource" },
                serde_json::to_string(&resources).unwrap(),
            )
        })
}

fn arb_side() -> impl proptest::strategy::Strategy<Value = Vec<(&'static str, String)>> {
    use proptest::prelude::*;
    let statement = || arb_statement();
    (
        prop::collection::vec(statement(), 1..4),
        prop::option::weighted(0.3, prop::collection::vec(statement(), 1..3)),
    )
        .prop_map(|(identity, boundary)| {
            let mut out = vec![("identity", identity.join(","))];
            out.extend(boundary.map(|b| ("boundary", b.join(","))));
            out
        })
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(800))]
    /// *Covered* holds for every request; and adding to a side keeps it covered by the sum.
    #[test]
    fn covered_is_sound(old in arb_side(), new in arb_side(), same in proptest::prelude::any::<bool>()) {
        let as_parts = |s: &[(&'static str, String)]| -> Vec<(&'static str, String)> { s.to_vec() };
        let (old, mut new) = (as_parts(&old), as_parts(&new));
        if same {
            // Near rewordings are the cases that matter: the old words with one statement more.
            let more = new[0].1.clone();
            new = old.clone();
            new[0].1 = format!("{},{more}", new[0].1);
        }
        let build = |s: &[(&'static str, String)]| {
            let parts: Vec<(&str, &str, &str)> = s.iter().map(|(l, t)| (*l, *l, t.as_str())).collect();
            snapshot(&parts)
        };
        let (old, new) = (build(&old), build(&new));
        let found = Comparer::new(&old, &new).principal(ALICE);
        if found.is_covered() {
            let resources = [
                "arn:aws:s3:::a/x", "arn:aws:s3:::a/y", "arn:aws:s3:::b/x", "arn:aws:s3:::b/y",
                "arn:aws:s3:::abc", "arn:aws:sqs:us-east-1:111122223333:q",
            ];
            for action in ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "sqs:SendMessage", "brandnew:Go"] {
                let service = action.split(':').next().unwrap();
                // An action that neither the catalogue nor a policy names is not compared.
                let named = |s: &Snapshot| s.documents.values().any(|d| d.contains("brandnew"));
                if service == "brandnew" && !named(&old) && !named(&new) { continue; }
                for resource in resources {
                    // A request names a resource of a type that the action has.
                    let fits = match service {
                        "s3" => resource.contains(":s3:") && (action == "s3:ListBucket") != resource.contains('/'),
                        "sqs" => resource.contains(":sqs:"),
                        _ => true,
                    };
                    if !fits { continue; }
                    for region in [None, Some("eu-west-1"), Some("us-east-1"), Some("ap-south-1")] {
                        for keys in [None, Some("5"), Some("50"), Some("500")] {
                            for (tls, ip) in [("true", "10.2.0.1"), ("false", "10.1.0.1"), ("true", "192.168.0.1")] {
                                let mut list = vec![("aws:securetransport", tls), ("aws:sourceip", ip)];
                                list.extend(region.map(|r| ("aws:requestedregion", r)));
                                list.extend(keys.map(|k| ("s3:max-keys", k)));
                                let q = Asked { action, resource, keys: &list };
                                proptest::prop_assert!(
                                    !allowed(&new, &q) || allowed(&old, &q),
                                    "{action} {resource} {list:?}\nold {:?}\nnew {:?}", old.documents, new.documents
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}
