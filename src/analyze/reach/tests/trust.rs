//! Trusts of roles and resources, credentials, environments, sensitive data.

use super::*;
use crate::facts::{
    ProviderFinding, Realm, RealmKind, Resource, ResourcePolicy, Task, TaskKind, Usage, UsageGrain,
};
use crate::settings::model::Environment;

fn rows<'a>(r: &'a Reach, name: &str) -> Vec<&'a TrustFact> {
    r.trust_facts.iter().filter(|t| t.principal_id.ends_with(name)).collect()
}

fn github(sub_operator: &str, sub: &str) -> String {
    let audience = r#""token.actions.githubusercontent.com:aud":"sts.amazonaws.com""#;
    let subject = format!(r#""token.actions.githubusercontent.com:sub":"{sub}""#);
    let condition = if sub_operator == "StringEquals" {
        format!(r#"{{"StringEquals":{{{audience},{subject}}}}}"#)
    } else {
        format!(r#"{{"StringEquals":{{{audience}}},"{sub_operator}":{{{subject}}}}}"#)
    };
    format!(
        r#"{{"Effect":"Allow","Principal":{{"Federated":"arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"}},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{condition}}}"#
    )
}

/// 5.6, "trust": every kind of party by what it is to the account.
#[test]
fn relations_of_parties() {
    let cases = [
        (r#"{"Service":"lambda.amazonaws.com"}"#, "service", Some(false)),
        (r#"{"AWS":"arn:aws:iam::111122223333:root"}"#, "own_account", Some(false)),
        (r#"{"AWS":"111122223333"}"#, "own_account", Some(false)),
        (r#"{"AWS":"arn:aws:iam::111122223333:role/x"}"#, "own_principal", Some(false)),
        (r#"{"AWS":"arn:aws:iam::999988887777:root"}"#, "unknown_account", Some(true)),
        (r#"{"AWS":"arn:aws:iam::555566667777:role/x"}"#, "known_account", Some(false)),
        (r#"{"AWS":"arn:aws:iam::*:root"}"#, "any_account", Some(true)),
        (r#"{"AWS":"*"}"#, "any", Some(true)),
        (r#"{"AWS":"AROAJQABLZS4A3QDU576Q"}"#, "deleted", None),
        (r#"{"Federated":"arn:aws:iam::111122223333:saml-provider/okta"}"#, "saml", Some(false)),
    ];
    let roles: Vec<String> = cases
        .iter()
        .enumerate()
        .map(|(i, c)| role(&format!("r{i}"), &[], &trusts(c.0), ""))
        .collect();
    let settings =
        Settings { trusted_accounts: vec!["555566667777".into()], ..Settings::defaults() };
    let r = reach(&export("", "", &roles.join(","), ""), &settings, as_of(NOW));
    for (i, (party, relation, external)) in cases.iter().enumerate() {
        let t = rows(&r, &format!("role/r{i}"))[0];
        assert_eq!((&*t.relation, t.external), (*relation, *external), "{party}");
        assert_eq!(&*t.resource_kind, "role");
    }
}

/// A subject that is there and too loose, one that nobody can meet, and a Deny that shuts all out.
#[test]
fn loose_dead_and_closed() {
    let any_repository = github("StringLike", "repo:acme/*");
    let narrow = github("StringEquals", "repo:acme/app:environment:prod");
    let dead = github("StringEquals", "repo:acme/*");
    let shut = format!(
        r#"{},{{"Effect":"Deny","Principal":"*","Action":"sts:*"}}"#,
        trusts(r#"{"AWS":"arn:aws:iam::999988887777:root"}"#)
    );
    let roles = [
        role("loose", &[], &any_repository, ""),
        role("narrow", &[], &narrow, ""),
        role("dead", &[], &dead, ""),
        role("shut", &[], &shut, ""),
    ]
    .join(",");
    let r = run(&export("", "", &roles, ""));
    let loose = rows(&r, "/loose")[0];
    assert_eq!(loose.provider.as_deref(), Some("github"));
    assert!(loose.missing_guards.is_empty());
    assert_eq!(&*loose.weak_guards[0], "`repo:acme/*`: any repository of the organisation");
    assert!(rows(&r, "/narrow")[0].weak_guards.is_empty());
    assert_eq!(&*rows(&r, "/dead")[0].openness, "closed");
    assert_eq!(&*rows(&r, "/shut")[0].openness, "closed");
    assert_eq!(&*rows(&r, "/narrow")[0].openness, "conditional");
}

fn policy(resource: &str, service: &str, statements: &str) -> ResourcePolicy {
    ResourcePolicy {
        platform: text("aws"),
        resource_id: text(resource),
        service: text(service),
        realm: Some(text("aws:111122223333")),
        document: Some(text(doc(statements))),
        source_id: text("S0009"),
        source_ref: text("/Policy"),
        ..ResourcePolicy::default()
    }
}

/// Resource policies: who is let in from outside, and which conditions keep strangers out.
#[test]
fn resource_policies_join_the_trusts() {
    let allow = |principal: &str, condition: &str| {
        format!(
            r#"{{"Effect":"Allow","Principal":{principal},"Action":"s3:GetObject","Resource":"*"{condition}}}"#
        )
    };
    let org = r#","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-abc"}}"#;
    let mine = r#","Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}"#;
    let wide = r#","Condition":{"StringLike":{"aws:PrincipalAccount":"*"}}"#;
    let tls = r#"{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}"#;
    let mut facts = export("", "", "", "");
    facts.resource_policies = vec![
        policy("arn:aws:s3:::open", "s3", &format!("{},{tls}", allow(r#""*""#, ""))),
        policy("arn:aws:s3:::org", "s3", &allow(r#""*""#, org)),
        policy("arn:aws:s3:::mine", "s3", &allow(r#""*""#, mine)),
        policy("arn:aws:s3:::wide", "s3", &allow(r#""*""#, wide)),
        policy(
            "arn:aws:s3:::third",
            "s3",
            &allow(r#"{"AWS":"arn:aws:iam::999988887777:root"}"#, ""),
        ),
        policy("arn:aws:s3:::own", "s3", &allow(r#"{"AWS":"111122223333"}"#, "")),
        policy(
            "arn:aws:s3:::logs",
            "s3",
            &allow(r#"{"Service":"delivery.logs.amazonaws.com"}"#, ""),
        ),
        policy("arn:aws:s3:::bad", "s3", "3"),
        ResourcePolicy { document: None, ..policy("arn:aws:s3:::none", "s3", "") },
    ];
    let r = run(&facts);
    let one = |n: &str| {
        let found = rows(&r, n);
        assert_eq!(found.len(), 1, "{n}");
        (found[0].relation.to_string(), found[0].external, found[0].openness.to_string())
    };
    assert_eq!(one(":::open"), ("any".into(), Some(true), "open".into()));
    // No input says which organisation is ours.
    assert_eq!(one(":::org"), ("any".into(), None, "conditional".into()));
    assert_eq!(one(":::mine"), ("any".into(), Some(false), "conditional".into()));
    assert_eq!(one(":::wide"), ("any".into(), Some(true), "open".into()));
    assert_eq!(one(":::third"), ("unknown_account".into(), Some(true), "open".into()));
    assert_eq!(one(":::logs").0, "service");
    assert_eq!(words(&rows(&r, ":::logs")[0].missing_guards), ["source_account"]);
    // Whom a policy lets in that cannot be read is not known.
    assert_eq!(one(":::bad"), ("any".into(), None, "conditional".into()));
    for none in [":::own", ":::none"] {
        assert!(rows(&r, none).is_empty(), "{none}");
    }
    assert_eq!(&*rows(&r, ":::open")[0].resource_kind, "s3");
}

/// The id of an identity that is there names it; other ids are of deleted ones. A Deny for other sources guards
/// what a service may do.
#[test]
fn ids_and_sources() {
    let roles = [
        role("live", &[], &trusts(r#"{"AWS":"AROAentry"}"#), ""),
        role("gone", &[], &trusts(r#"{"AWS":"AROAold"}"#), ""),
        role("entry", &[], &trusts(r#"{"Service":"states.amazonaws.com"}"#), ""),
        role("box", &[], &trusts(r#"{"Service":"ec2.amazonaws.com"}"#), ""),
    ];
    let mut facts = export("", "", &roles.join(","), "");
    let logs = r#"{"Effect":"Allow","Principal":{"Service":"delivery.logs.amazonaws.com"},"Action":"s3:PutObject","Resource":"*"}"#;
    let ours = r#"{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{"StringNotEqualsIfExists":{"aws:SourceOrgID":"o-abc"}}}"#;
    let tls = r#"{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}"#;
    facts.resource_policies = vec![
        policy("arn:aws:s3:::guarded", "s3", &format!("{logs},{ours}")),
        policy("arn:aws:s3:::open", "s3", &format!("{logs},{tls}")),
    ];
    let r = run(&facts);
    let relation = |n: &str| rows(&r, n)[0].relation.to_string();
    assert_eq!((relation("/live"), relation("/gone")), ("own_principal".into(), "deleted".into()));
    let lacks = |n: &str| words(&rows(&r, n)[0].missing_guards).join(" ");
    assert_eq!(lacks("/entry"), "source_account");
    assert_eq!(lacks("/box"), "");
    assert_eq!(lacks(":::open"), "source_account");
    assert_eq!(lacks(":::guarded"), "");
}

/// An organisation that a condition names is compared with those that the inputs describe: equal is
/// internal, another external, none given undecided. Roles and resources alike.
#[test]
fn organisations_are_compared() {
    let asks =
        |key: &str, value: &str| format!(r#","Condition":{{"StringEquals":{{"{key}":{value}}}}}"#);
    let id = |v: &str| asks("aws:PrincipalOrgID", v);
    let cases = [
        ("ours", id(r#""o-ours""#), Some(false), None),
        ("other", id(r#""o-other""#), Some(true), None),
        ("both", id(r#"["o-ours","o-other"]"#), Some(true), None),
        (
            "path",
            asks("aws:PrincipalOrgPaths", r#"["o-ours/r-ab12/ou-ab12-1/*"]"#),
            Some(false),
            None,
        ),
        ("far", asks("aws:PrincipalOrgPaths", r#"["o-other/r-ab12/*"]"#), Some(true), None),
        ("wild", asks("aws:PrincipalOrgPaths", r#""o-*/r-ab12/*""#), Some(true), Some(true)),
        ("account", asks("aws:PrincipalAccount", r#""111122223333""#), Some(false), Some(false)),
    ];
    let roles: Vec<String> = cases
        .iter()
        .map(|(name, condition, ..)| {
            let trust = format!(
                r#"{{"Effect":"Allow","Principal":{{"AWS":"*"}},"Action":"sts:AssumeRole"{condition}}}"#
            );
            role(name, &[], &trust, "")
        })
        .collect();
    let mut facts = export("", "", &roles.join(","), "");
    facts.resource_policies = cases
        .iter()
        .map(|(name, condition, ..)| {
            let s = format!(
                r#"{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"{condition}}}"#
            );
            policy(&format!("arn:aws:s3:::{name}"), "s3", &s)
        })
        .collect();
    let check = |facts: &Facts, described: bool| {
        let r = run(facts);
        for (name, _, told, untold) in &cases {
            let want = if described { told } else { untold };
            for end in [format!(":role/{name}"), format!(":::{name}")] {
                assert_eq!(rows(&r, &end)[0].external, *want, "{end}, described: {described}");
            }
        }
    };
    check(&facts, false);
    facts.realms.push(Realm {
        platform: text("aws"),
        realm_id: text("111122223333"),
        kind: RealmKind::Account,
        organisation: Some(text("o-ours")),
        ..Realm::default()
    });
    check(&facts, true);
}

fn words(list: &[Text]) -> Vec<&str> {
    list.iter().map(|t| &**t).collect()
}

/// A machine whose tasks run where tokens are signed; the provider's finding as a second witness.
#[test]
fn credentials_where_federation_exists() {
    let mut facts = export(&[user("ci", &[], ""), user("other", &[], "")].join(","), "", "", "");
    let id = |n: &str| text(format!("arn:aws:iam::111122223333:user/{n}"));
    for name in ["ci", "other"] {
        facts.credentials.push(Credential {
            credential_id: text(format!("key of {name}")),
            kind: CredentialKind::Key,
            principal: id(name),
            principal_id: Some(id(name)),
            active: Some(true),
            no_expiry: Some(true),
            use_tracked: true,
            source_id: text("S0001"),
            ..Credential::default()
        });
    }
    facts.tasks.push(Task {
        task_id: text("1"),
        system: text("github"),
        kind: TaskKind::CiRun,
        principal_id: Some(id("ci")),
        ..Task::default()
    });
    for (status, n) in [("ACTIVE", "f1"), ("RESOLVED", "f2")] {
        facts.provider_findings.push(ProviderFinding {
            finding_id: text(n),
            kind: text("UnusedIAMUserAccessKey"),
            status: text(status),
            resource_id: id("ci"),
            ..ProviderFinding::default()
        });
    }
    let r = run(&facts);
    let of = |n: &str| r.credential_facts.iter().find(|c| c.principal_id == id(n)).unwrap();
    assert_eq!(
        (of("ci").can_federate, of("ci").federation.as_deref()),
        (Some(true), Some("github"))
    );
    assert_eq!(of("other").can_federate, None);
    assert_eq!(words(&of("ci").corroborated_by), ["UnusedIAMUserAccessKey f1"]);
    assert_eq!(of("ci").use_source.as_deref(), Some("aws-authorization-details"));
}

/// An identity of production that is used elsewhere; nothing is said with one environment only.
#[test]
fn environments_of_identities() {
    let mut facts = export(&[user("both", &[], ""), user("one", &[], "")].join(","), "", "", "");
    let id = text("arn:aws:iam::111122223333:user/both");
    facts.usage.push(Usage {
        principal: id.clone(),
        principal_id: Some(id),
        action: Some(text("sqs:SendMessage")),
        resource: Some(text("arn:aws:sqs:eu-west-1:444455556666:q")),
        count: Some(1),
        grain: UsageGrain::Event,
        ..Usage::default()
    });
    let environment = |name: &str, account: &str| Environment {
        name: name.into(),
        scopes: vec![format!("aws:{account}")],
        principals: Vec::new(),
        jit_only: false,
    };
    let mut settings = Settings::defaults();
    settings.environments = vec![environment("prod", "111122223333")];
    let r = reach(&facts, &settings, as_of(NOW));
    assert_eq!(identity(&r, "both").spans_environments, None);
    settings.environments.push(environment("staging", "444455556666"));
    let r = reach(&facts, &settings, as_of(NOW));
    assert_eq!(identity(&r, "both").spans_environments, Some(true));
    assert_eq!(words(&identity(&r, "both").environments), ["prod", "staging"]);
    assert_eq!(identity(&r, "one").spans_environments, Some(false));
}

/// Reading what is labelled sensitive; without labels, reading data is not judged.
#[test]
fn sensitive_data() {
    let read = |resource: &str| {
        format!(r#"{{"Effect":"Allow","Action":"s3:GetObject","Resource":"{resource}"}}"#)
    };
    let deny = r#"{"Effect":"Deny","Action":"s3:*","Resource":["arn:aws:s3:::cards","arn:aws:s3:::cards/*"]}"#;
    let users = [
        user("cards", &[&read("arn:aws:s3:::cards/*")], ""),
        user("docs", &[&read("arn:aws:s3:::docs/*")], ""),
        user("denied", &[&format!("{},{deny}", read("arn:aws:s3:::*"))], ""),
        user("none", &[r#"{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}"#], ""),
    ]
    .join(",");
    let mut facts = export(&users, "", "", "");
    let of = |r: &Reach, n: &str| {
        let h = held(r, n)[0].clone();
        (h.reads_sensitive, words(&h.sensitive_resources).join(" "))
    };
    let r = run(&facts);
    assert_eq!(of(&r, "cards"), (None, String::new()));
    assert_eq!(of(&r, "none"), (Some(false), String::new()));
    for (arn, label) in [("arn:aws:s3:::cards", "Restricted"), ("arn:aws:s3:::docs", "public")] {
        facts.resources.push(Resource {
            resource_id: text(arn),
            sensitivity: Some(text(label)),
            ..Resource::default()
        });
    }
    let r = run(&facts);
    assert_eq!(of(&r, "cards"), (Some(true), "arn:aws:s3:::cards".into()));
    assert_eq!(of(&r, "docs"), (Some(false), String::new()));
    assert_eq!(of(&r, "denied"), (Some(false), String::new()));
}

/// 5.4.6: an outside party that a Deny shuts out is not let in, in whatever words the Deny says so.
#[test]
fn denies_shut_outsiders_out() {
    let allow = trusts(r#"{"AWS":"999988887777"}"#);
    let with = |deny: &str| format!("{allow},{deny}");
    let stranger = r#"{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole","Condition":{"StringNotEquals":{"aws:PrincipalAccount":"111122223333"}}}"#;
    let root = r#"{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::999988887777:root"},"Action":"sts:AssumeRole"}"#;
    let others = r#"{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole","Condition":{"StringNotEquals":{"aws:PrincipalAccount":"999988887777"}}}"#;
    let roles = [
        role("plain", &[], &allow, ""),
        role("stranger", &[], &with(stranger), ""),
        role("root", &[], &with(root), ""),
        role("others", &[], &with(others), ""),
        // Tags alone make nobody a role.
        role("tags", &[], r#"{"Effect":"Allow","Principal":"*","Action":"sts:TagSession"}"#, ""),
    ];
    let r = run(&export("", "", &roles.join(","), ""));
    let open = |name: &str| rows(&r, name)[0].openness.to_string();
    assert_eq!(open("/plain"), "open");
    assert_eq!(open("/stranger"), "closed");
    assert_eq!(open("/root"), "closed");
    assert_eq!(open("/others"), "open");
    assert_eq!(open("/tags"), "closed");
    // An account is one party, however it is written.
    assert_eq!(&*rows(&r, "/plain")[0].trusted, "arn:aws:iam::999988887777:root");
}

/// 5.4.3: a resource control policy above the account shuts strangers out of roles and of resources.
#[test]
fn resource_control_policies_shut_outsiders_out() {
    use crate::facts::{Guardrail, GuardrailKind, Role};
    let roles = role("r", &[], &trusts(r#"{"AWS":"arn:aws:iam::999988887777:root"}"#), "");
    let mut facts = export("", "", &roles, "");
    facts.resource_policies = vec![policy(
        "arn:aws:s3:::b",
        "s3",
        r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}"#,
    )];
    facts.realms = vec![Realm {
        platform: text("aws"),
        realm_id: text("111122223333"),
        kind: RealmKind::Account,
        organisation: Some(text("o-ours")),
        ..Realm::default()
    }];
    facts.roles.push(Role {
        role_id: text("rcp"),
        platform: text("aws"),
        document: Some(text(doc(
            r#"{"Effect":"Deny","Principal":"*","Action":["sts:AssumeRole","s3:*"],"Resource":"*","Condition":{"StringNotEqualsIfExists":{"aws:PrincipalOrgID":"o-ours"},"BoolIfExists":{"aws:PrincipalIsAWSService":"false"}}}"#,
        ))),
        ..Role::default()
    });
    let open = |facts: &Facts| {
        let r = run(facts);
        ["role/r", ":b"].map(|name| rows(&r, name)[0].openness.to_string())
    };
    assert_eq!(open(&facts), ["open", "open"]);
    facts.guardrails.push(Guardrail {
        platform: text("aws"),
        kind: GuardrailKind::Rcp,
        target_id: Some(text("111122223333")),
        role_id: text("rcp"),
        ..Guardrail::default()
    });
    assert_eq!(open(&facts), ["closed", "closed"]);
    // Nobody says that it lies above the account: nothing is proved.
    facts.guardrails[0].target_id = Some(text("ou-1"));
    assert_eq!(open(&facts), ["conditional", "conditional"]);
    // The management account is free of it.
    facts.guardrails[0].target_id = Some(text("111122223333"));
    facts.realms[0].management = Some(true);
    assert_eq!(open(&facts), ["open", "open"]);
}

/// The identity of a distribution does not say whose it is.
#[test]
fn an_origin_access_identity_cannot_be_placed() {
    let mut facts = export("", "", "", "");
    facts.resource_policies = vec![policy(
        "arn:aws:s3:::site",
        "s3",
        r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E2EXAMPLE"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::site/*"}"#,
    )];
    let r = run(&facts);
    let row = rows(&r, ":site")[0];
    assert_eq!((row.external, &*row.relation), (None, "unknown"));
}
