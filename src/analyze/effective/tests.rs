use super::*;
use crate::analyze;
use crate::analyze::tests::of_files;
use crate::ingest::driver::ingest_bytes;
use crate::settings::Settings;

fn doc(statement: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#)
}

/// Two users and a role; `ann` is in a group, `bob` in one that the export lacks.
fn facts() -> Facts {
    let star = doc(r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#);
    let assume = doc(r#"{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}"#);
    let trust = doc(
        r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}"#,
    );
    let user = |name: &str, group: &str| {
        format!(
            r#"{{"Path":"/","UserName":"{name}","UserId":"AIDA{name}","Arn":"arn:aws:iam::111122223333:user/{name}",
            "CreateDate":"2024-01-01T00:00:00Z","GroupList":["{group}"],"AttachedManagedPolicies":[],
            "UserPolicyList":[{{"PolicyName":"own","PolicyDocument":{assume}}}]}}"#
        )
    };
    let export = format!(
        r#"{{"UserDetailList":[{},{}],"GroupDetailList":[{{"Path":"/","GroupName":"devs","GroupId":"AGPA1",
        "Arn":"arn:aws:iam::111122223333:group/devs","CreateDate":"2024-01-01T00:00:00Z","AttachedManagedPolicies":[],
        "GroupPolicyList":[{{"PolicyName":"s3","PolicyDocument":{star}}}]}}],
        "RoleDetailList":[{{"Path":"/app/","RoleName":"ops","RoleId":"AROA1","Arn":"arn:aws:iam::111122223333:role/app/ops",
        "CreateDate":"2024-01-01T00:00:00Z","AssumeRolePolicyDocument":{trust},"InstanceProfileList":[],"RolePolicyList":[],
        "AttachedManagedPolicies":[],"RoleLastUsed":{{}}}}],"Policies":[]}}"#,
        user("ann", "devs"),
        user("bob", "gone"),
    );
    let settings = Settings::defaults();
    let mut found = ingest_bytes("a.json", export.as_bytes(), &settings).unwrap();
    assert!(found.facts.quarantine.is_empty(), "{:?}", found.facts.quarantine);
    analyze::identities(&mut found.facts, &settings);
    found.facts
}

fn question(action: &str, resource: &str) -> Question {
    Question { action: action.into(), resource: resource.into(), ..Question::default() }
}

fn verdict(facts: &Facts, who: &str, q: &Question) -> Verdict {
    let mut e = Effective::new(facts, Time::from_secs(1_780_000_000));
    let who = e.find(who).unwrap();
    let mut prepared = e.prepare(q);
    let fast = e.verdict(&who, &mut prepared);
    assert_eq!(fast, e.explain(&who, &mut prepared).verdict);
    fast
}

/// 5.1.1, 5.4.9: a document that cannot be read neither allows nor denies for certain.
#[test]
fn what_cannot_be_read_decides_nothing() {
    let user = |documents: &[&str]| {
        let list: Vec<String> = documents
            .iter()
            .enumerate()
            .map(|(i, d)| format!(r#"{{"PolicyName":"p{i}","PolicyDocument":{d}}}"#))
            .collect();
        format!(
            r#"{{"UserDetailList":[{{"UserName":"u","Arn":"arn:aws:iam::111122223333:user/u","UserPolicyList":[{}]}}],"IsTruncated":false}}"#,
            list.join(",")
        )
    };
    let q = question("s3:GetObject", "arn:aws:s3:::b/x");
    let star = doc(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#);
    for broken in [
        r#""{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Res""#,
        r#"{"Version":"2012-10-17"}"#,
        r#"{"Version":"2012-10-17","Statement":"x"}"#,
        r#"{"Version":"2012-10-17","Statement":[{"Action":"*","Resource":"*"}]}"#,
    ] {
        for documents in [&[broken][..], &[&star, broken]] {
            let facts = of_files(&[("g.json", &user(documents))]);
            assert_eq!(verdict(&facts, "u", &q), Verdict::Conditional, "{documents:?}");
        }
    }
    let number =
        |effect: &str| doc(&format!(r#"{{"Effect":"{effect}","Action":5,"Resource":"*"}}"#));
    let alone = of_files(&[("g.json", &user(&[&number("Allow")]))]);
    assert_eq!(verdict(&alone, "u", &q), Verdict::Conditional);
    let denied = of_files(&[("g.json", &user(&[&star, &number("Deny")]))]);
    assert_eq!(verdict(&denied, "u", &q), Verdict::Conditional);
    // So with the policy of the resource.
    let bucket =
        r#"[{"arn":"arn:aws:s3:::b","policy":{"Statement":"x"},"account":"111122223333"}]"#;
    let facts = of_files(&[("g.json", &user(&[&star])), ("rp.json", bucket)]);
    assert_eq!(verdict(&facts, "u", &q), Verdict::Conditional);
}

/// 5.3.7: a root user is known to conditions, and the place of an account in its organisation.
#[test]
fn keys_of_root_and_of_the_organisation() {
    let root = "arn:aws:iam::111122223333:root";
    let account = r#"{"UserDetailList":[{"UserName":"u","Arn":"arn:aws:iam::111122223333:user/u","UserPolicyList":[{"PolicyName":"p","PolicyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-a1b2c3d4e5/r-ab12/*"}}}]}}]}],"IsTruncated":false}"#;
    let deny = doc(
        r#"{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringLike":{"aws:PrincipalArn":"arn:aws:iam::*:root"}}},{"Effect":"Allow","Action":"*","Resource":"*"}"#,
    );
    let mut facts = of_files(&[("g.json", account), ("scp/111122223333/p.json", &deny)]);
    let q = question("s3:GetObject", "arn:aws:s3:::b/x");
    assert_eq!(verdict(&facts, root, &q), Verdict::ExplicitDeny);
    assert_eq!(verdict(&facts, "u", &q), Verdict::Conditional, "the place is not known");
    let node =
        |id: &str, kind, parent: Option<&str>, organisation: Option<&str>| crate::facts::Realm {
            platform: text("aws"),
            realm_id: text(id),
            kind,
            parent_id: parent.map(text),
            organisation: organisation.map(text),
            ..crate::facts::Realm::default()
        };
    use crate::facts::RealmKind::{Account, Root};
    facts.realms.push(node("111122223333", Account, Some("r-ab12"), None));
    facts.realms.push(node("r-ab12", Root, None, Some("o-a1b2c3d4e5")));
    assert_eq!(verdict(&facts, "u", &q), Verdict::Allow);
}

#[test]
fn groups_count_and_missing_ones_are_unknown() {
    let facts = facts();
    let q = question("s3:GetObject", "arn:aws:s3:::b/k");
    assert_eq!(verdict(&facts, "ann", &q), Verdict::Allow);
    assert_eq!(verdict(&facts, "bob", &q), Verdict::Conditional);
    assert_eq!(verdict(&facts, "ops", &q), Verdict::Deny);
}

#[test]
fn the_trust_policy_is_asked() {
    let facts = facts();
    let q = question("sts:AssumeRole", "arn:aws:iam::111122223333:role/app/ops");
    assert_eq!(verdict(&facts, "ann", &q), Verdict::Allow);
    assert_eq!(verdict(&facts, "ec2.amazonaws.com", &q), Verdict::Deny);
    assert_eq!(verdict(&facts, "arn:aws:iam::111122223333:root", &q), Verdict::Deny);
    // The trust policy of a role that the inputs lack.
    let other = question("sts:AssumeRole", "arn:aws:iam::444455556666:role/x");
    assert_eq!(verdict(&facts, "ann", &other), Verdict::Conditional);
}

#[test]
fn nobody_reaches_into_the_iam_of_another_account() {
    let mut facts = facts();
    for role in &mut facts.roles {
        role.document = Some(text(doc(r#"{"Effect":"Allow","Action":"iam:*","Resource":"*"}"#)));
    }
    let pass = |account: &str| question("iam:PassRole", &format!("arn:aws:iam::{account}:role/x"));
    assert_eq!(verdict(&facts, "ann", &pass("111122223333")), Verdict::Allow);
    assert_eq!(verdict(&facts, "ann", &pass("444455556666")), Verdict::Deny);
}

#[test]
fn names_that_nobody_or_several_have() {
    let facts = facts();
    let e = Effective::new(&facts, Time::from_secs(0));
    assert_eq!(e.find("eve"), Err(NotFound::Nobody(Vec::new())));
    let near = vec![text("arn:aws:iam::111122223333:user/ann")];
    assert_eq!(e.find("Anna"), Err(NotFound::Nobody(near)));
    let session = e.find("arn:aws:sts::111122223333:assumed-role/ops/me").unwrap();
    assert_eq!(&*session.arn, "arn:aws:iam::111122223333:role/app/ops");
    assert_eq!(session.session.as_deref(), Some("me"));
    assert!(e.find("arn:aws:sts::444455556666:assumed-role/ops/me").is_err());
}

#[test]
fn organisation_and_resource_policies_take_part() {
    use crate::facts::{Guardrail, ResourcePolicy as Row, Role};
    let mut facts = facts();
    let q = question("s3:GetObject", "arn:aws:s3:::b/k");
    let deny = doc(r#"{"Effect":"Deny","Action":"s3:GetObject","Resource":"*","Principal":"*"}"#);
    let scp = doc(r#"{"Effect":"Allow","Action":"ec2:*","Resource":"*"}"#);
    let mut with_policy = facts.clone();
    with_policy.resource_policies.push(Row {
        platform: text("aws"),
        resource_id: text("arn:aws:s3:::b"),
        service: text("s3"),
        document: Some(text(deny)),
        ..Row::default()
    });
    assert_eq!(verdict(&with_policy, "ann", &q), Verdict::ExplicitDeny);
    facts.roles.push(Role {
        role_id: text("p-1"),
        platform: text("aws"),
        document: Some(text(scp)),
        ..Role::default()
    });
    facts.guardrails.push(Guardrail {
        platform: text("aws"),
        target_id: Some(text("111122223333")),
        role_id: text("p-1"),
        ..Guardrail::default()
    });
    assert_eq!(verdict(&facts, "ann", &q), Verdict::Deny);
    // Attached to a unit of which nobody knows whether the account is in it.
    facts.guardrails[0].target_id = Some(text("ou-1"));
    assert_eq!(verdict(&facts, "ann", &q), Verdict::Conditional);
}
