//! Severity of self-grants and of paths that something limits (5.6): named policies, demanded boundaries,
//! organisation policies that list what is allowed, ends that limits set, potential paths.

use super::*;
use crate::facts::{Guardrail, Role};

fn policy(name: &str, statement: &str) -> String {
    format!(
        r#"{{"PolicyName":"{name}","Arn":"arn:aws:iam::111122223333:policy/{name}","DefaultVersionId":"v1","PolicyVersionList":[{{"VersionId":"v1","IsDefaultVersion":true,"Document":{}}}]}}"#,
        doc(statement)
    )
}

fn bounded(by: &str) -> String {
    format!(
        r#","PermissionsBoundary":{{"PermissionsBoundaryType":"Policy","PermissionsBoundaryArn":"arn:aws:iam::111122223333:policy/{by}"}}"#
    )
}

/// A path that needs a resource which no input shows is no tier: it is told as potential, low.
#[test]
fn potential_paths_give_no_tier() {
    let start = r#"{"Effect":"Allow","Action":"ssm:StartSession","Resource":"*"}"#;
    let boss = role("boss", &[STAR], &trusts(r#"{"Service":"ec2.amazonaws.com"}"#), "");
    let r = run(&export(&user("u", &[start], ""), "", &boss, ""));
    assert_eq!(identity(&r, "u").path_gain.as_deref(), Some("potential"));
    assert_eq!(identity(&r, "u").path_tier, Some(Tier::T3));
    let h = held(&r, "u")[0];
    assert!(h.tier_possible.unwrap() >= Tier::T2, "{:?} {:?}", h.tier_possible, h.classes_possible);
}

/// The provider's pattern of delegation: roles may be made only under a boundary, which decides.
#[test]
fn roles_that_must_carry_a_boundary() {
    let make = |boundary: &str| {
        format!(
            r#"{{"Effect":"Allow","Action":["iam:CreateRole","iam:PutRolePolicy","iam:AttachRolePolicy","sts:AssumeRole"],"Resource":"arn:aws:iam::111122223333:role/*","Condition":{{"StringEquals":{{"iam:PermissionsBoundary":"arn:aws:iam::111122223333:policy/{boundary}"}}}}}}"#
        )
    };
    let users = [
        user("narrow", &[&make("s3")], ""),
        user("wide", &[&make("all")], ""),
        user("lost", &[&make("missing")], ""),
    ]
    .join(",");
    let policies =
        [policy("s3", r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#), policy("all", STAR)]
            .join(",");
    let r = run(&export(&users, "", "", &policies));
    let narrow = identity(&r, "narrow");
    assert_eq!((narrow.admin, narrow.escalates), (Tri::No, Tri::No), "{:?}", narrow.proof);
    assert_eq!(narrow.controls_itself, Tri::No);
    assert!(held(&r, "narrow")[0].tier_possible.unwrap() > Tier::T0);
    assert_eq!(identity(&r, "wide").admin, Tri::Yes, "{:?}", identity(&r, "wide").proof);
    // Nobody knows what the boundary leaves.
    assert_eq!(identity(&r, "lost").admin, Tri::Conditional);
}

/// 5.3.7: `iam:PolicyARN` is what the path attaches; whether that administrates is a question of content.
#[test]
fn policies_that_may_be_attached() {
    let attach = |operator: &str, policy: &str| {
        format!(
            r#"{{"Effect":"Allow","Action":"iam:AttachUserPolicy","Resource":"arn:aws:iam::111122223333:user/*","Condition":{{"{operator}":{{"iam:PolicyARN":"{policy}"}}}}}}"#
        )
    };
    let own = "arn:aws:iam::111122223333:policy/";
    let of_aws = "arn:aws:iam::aws:policy/";
    let users = [
        user("reader", &[&attach("ArnEquals", &format!("{of_aws}ReadOnlyAccess"))], ""),
        user("all", &[&attach("ArnEquals", &format!("{own}all"))], ""),
        user("s3", &[&attach("ArnEquals", &format!("{own}s3"))], ""),
        user("but", &[&attach("ArnNotEquals", &format!("{of_aws}AdministratorAccess"))], ""),
    ]
    .join(",");
    let policies =
        [policy("s3", r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#), policy("all", STAR)]
            .join(",");
    let r = run(&export(&users, "", "", &policies));
    for (name, admin, at_most) in [
        ("reader", Tri::No, Tier::T1),
        ("s3", Tri::No, Tier::T1),
        ("all", Tri::Yes, Tier::T0),
        ("but", Tri::Yes, Tier::T0),
    ] {
        let i = identity(&r, name);
        assert_eq!(i.admin, admin, "{name}: {:?}", i.proof);
        assert_eq!(held(&r, name)[0].tier_possible, Some(at_most), "{name}");
    }
}

/// The same on others: whoever may attach a policy that administrates to somebody and become that one does.
#[test]
fn policies_that_may_be_attached_to_others() {
    let attach = |operator: &str, policy: &str| {
        format!(
            r#"{{"Effect":"Allow","Action":["iam:AttachUserPolicy","iam:AttachRolePolicy"],"Resource":["arn:aws:iam::111122223333:user/weak","arn:aws:iam::111122223333:role/weak"],"Condition":{{"{operator}":{{"iam:PolicyARN":"{policy}"}}}}}}"#
        )
    };
    let key = r#"{"Effect":"Allow","Action":"iam:CreateAccessKey","Resource":"arn:aws:iam::111122223333:user/weak"}"#;
    let assume = r#"{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::111122223333:role/weak"}"#;
    let (own, of_aws) = ("arn:aws:iam::111122223333:policy/", "arn:aws:iam::aws:policy/");
    let cases = [
        ("reader", "ArnEquals", format!("{of_aws}ReadOnlyAccess"), Tri::No),
        ("all", "ArnEquals", format!("{own}all"), Tri::Yes),
        ("s3", "ArnEquals", format!("{own}s3"), Tri::No),
        ("but", "ArnNotEquals", format!("{of_aws}AdministratorAccess"), Tri::Yes),
    ];
    let mut users = vec![user("weak", &[], "")];
    for (name, operator, policy, _) in &cases {
        let attach = attach(operator, policy);
        users.push(user(&format!("{name}-key"), &[&attach, key], ""));
        users.push(user(&format!("{name}-assume"), &[&attach, assume], ""));
    }
    let roles = role("weak", &[], &trusts(r#"{"AWS":"arn:aws:iam::111122223333:root"}"#), "");
    let policies =
        [policy("s3", r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#), policy("all", STAR)]
            .join(",");
    let r = run(&export(&users.join(","), "", &roles, &policies));
    for (name, _, _, admin) in &cases {
        for way in ["key", "assume"] {
            let i = identity(&r, &format!("{name}-{way}"));
            assert_eq!(i.escalates_to_admin, *admin, "{name}-{way}: {:?}", i.proof);
            let told = i.path.iter().any(|s| s.contains("(policy `p0`, statement 0)"));
            assert_eq!(told, *admin == Tri::Yes, "{:?}", i.path);
        }
    }
}

/// 5.6, bounded_self_grant: an organisation policy that lists what is allowed holds like a boundary.
#[test]
fn organisation_policies_that_list_what_is_allowed() {
    let put = r#"{"Effect":"Allow","Action":"iam:PutUserPolicy","Resource":"*"}"#;
    let with = |statement: &str| {
        let mut facts = export(&user("u", &[put], ""), "", "", "");
        facts.roles.push(Role {
            role_id: text("scp"),
            platform: text("aws"),
            document: Some(text(doc(statement))),
            ..Role::default()
        });
        facts.guardrails.push(Guardrail {
            platform: text("aws"),
            target_id: Some(text("111122223333")),
            role_id: text("scp"),
            ..Guardrail::default()
        });
        let r = run(&facts);
        let tier = held(&r, "u")[0].tier;
        (tier, identity(&r, "u").controls_itself_bounded)
    };
    let list = r#"{"Effect":"Allow","Action":["s3:*","iam:PutUserPolicy"],"Resource":"*"}"#;
    assert_eq!(with(list), (Some(Tier::T1), true));
    // To deny one action leaves room to gain nearly everything.
    let deny = format!(
        r#"{STAR},{{"Effect":"Deny","Action":"organizations:LeaveOrganization","Resource":"*"}}"#
    );
    assert_eq!(with(&deny).0, Some(Tier::T0));
}

/// What a limit ends, ends: a boundary whose statements end, a Deny that starts.
#[test]
fn limits_end_what_has_no_end() {
    let timed = |effect: &str, operator: &str, action: &str| {
        format!(
            r#"{{"Effect":"{effect}","Action":"{action}","Resource":"*","Condition":{{"{operator}":{{"aws:CurrentTime":"2026-07-01T00:00:00Z"}}}}}}"#
        )
    };
    let deny = timed("Deny", "DateGreaterThan", "*");
    let part = timed("Deny", "DateGreaterThan", "iam:Delete*");
    let iam = r#"{"Effect":"Allow","Action":"iam:*","Resource":"*"}"#;
    let users = [
        user("bounded", &[iam], &bounded("ends")),
        user("open", &[iam], &bounded("both")),
        user("denied", &[iam, &deny], ""),
        user("partly", &[iam, &part], ""),
    ]
    .join(",");
    let ends = timed("Allow", "DateLessThan", "*");
    let policies = [policy("ends", &ends), policy("both", &format!("{ends},{iam}"))].join(",");
    let r = run(&export(&users, "", "", &policies));
    for (name, end) in [
        ("bounded", Some("2026-07-01")),
        ("denied", Some("2026-07-01")),
        ("open", None),
        ("partly", None),
    ] {
        let h = held(&r, name).into_iter().find(|h| &*h.privilege == "p0").unwrap();
        assert_eq!(h.not_after.map(|t| t.to_date()).as_deref(), end, "{name}");
        let standing = if end.is_some() { Standing::TimeBound } else { Standing::Standing };
        assert_eq!(h.standing, standing, "{name}");
    }
}

/// A boundary that the bounded principal may rewrite holds nobody.
#[test]
fn a_boundary_that_can_be_rewritten() {
    let limit =
        |more: &str| format!(r#"{{"Effect":"Allow","Action":["s3:*"{more}],"Resource":"*"}}"#);
    let users = [user("free", &[STAR], &bounded("open")), user("held", &[STAR], &bounded("shut"))];
    let policies =
        [policy("open", &limit(r#","iam:CreatePolicyVersion""#)), policy("shut", &limit(""))]
            .join(",");
    let r = run(&export(&users.join(","), "", "", &policies));
    assert_eq!(identity(&r, "free").admin, Tri::Yes, "{:?}", identity(&r, "free").proof);
    assert_eq!(identity(&r, "held").admin, Tri::No, "{:?}", identity(&r, "held").proof);
}

/// A boundary that the bounded principal may put another version of in force holds nobody, when that version
/// leaves more.
#[test]
fn a_boundary_with_a_wider_version() {
    let bound = |name: &str, dormant: &str| {
        let now =
            r#"{"Effect":"Allow","Action":["s3:*","iam:SetDefaultPolicyVersion"],"Resource":"*"}"#;
        format!(
            r#"{{"PolicyName":"{name}","Arn":"arn:aws:iam::111122223333:policy/{name}","DefaultVersionId":"v2","PolicyVersionList":[{{"VersionId":"v2","IsDefaultVersion":true,"Document":{}}},{{"VersionId":"v1","IsDefaultVersion":false,"Document":{}}}]}}"#,
            doc(now),
            doc(dormant)
        )
    };
    let narrow = r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}"#;
    let users =
        [user("free", &[STAR], &bounded("wide")), user("held", &[STAR], &bounded("narrow"))];
    let policies = [bound("wide", STAR), bound("narrow", narrow)].join(",");
    let r = run(&export(&users.join(","), "", "", &policies));
    let free = identity(&r, "free");
    assert_eq!(free.admin, Tri::Yes, "{:?}", free.proof);
    assert!(free.proof.iter().any(|p| p.contains("policy/wide version v1")), "{:?}", free.proof);
    assert_eq!(identity(&r, "held").admin, Tri::No, "{:?}", identity(&r, "held").proof);
}

/// Who may take away the boundary of another has what the other has without it.
#[test]
fn boundaries_of_others_that_can_be_taken_away() {
    let on = |actions: &str, resource: &str| {
        format!(
            r#"{{"Effect":"Allow","Action":[{actions}],"Resource":"arn:aws:iam::111122223333:{resource}"}}"#
        )
    };
    let assume = on(r#""sts:AssumeRole""#, "role/*");
    let with = |name: &str, action: &str, resource: &str| {
        user(name, &[&assume, &on(&format!("\"{action}\""), resource)], "")
    };
    let write = on(r#""iam:PutRolePolicy""#, "role/weak");
    let delete = |role: &str| on(r#""iam:DeleteRolePermissionsBoundary""#, role);
    let own = r#"{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}"#;
    let users = [
        with("delete", "iam:DeleteRolePermissionsBoundary", "role/boss"),
        with("put", "iam:PutRolePermissionsBoundary", "role/boss"),
        with("rewrite", "iam:CreatePolicyVersion", "policy/narrow"),
        with("assume", "iam:GetRole", "role/boss"),
        with("elsewhere", "iam:DeleteRolePermissionsBoundary", "role/other"),
        with("version", "iam:CreatePolicyVersion", "policy/other"),
        user("both", &[&assume, &write, &delete("role/weak")], ""),
        user("write", &[&assume, &write], ""),
        user("no-way-in", &[&delete("role/boss")], ""),
        user(
            "key",
            &[&on(r#""iam:DeleteUserPermissionsBoundary","iam:CreateAccessKey""#, "user/chief")],
            "",
        ),
        user("chief", &[STAR], &bounded("narrow")),
    ];
    let account = trusts(r#"{"AWS":"arn:aws:iam::111122223333:root"}"#);
    let roles = [
        role("boss", &[STAR], &account, &bounded("narrow")),
        role("weak", &[own], &account, &bounded("narrow")),
    ];
    let policies = [
        policy("narrow", r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#),
        policy("other", STAR),
    ];
    let r = run(&export(&users.join(","), "", &roles.join(","), &policies.join(",")));
    for (name, admin) in [
        ("delete", Tri::Yes),
        ("put", Tri::Yes),
        ("rewrite", Tri::Yes),
        ("both", Tri::Yes),
        ("key", Tri::Conditional),
        ("assume", Tri::No),
        ("elsewhere", Tri::No),
        ("version", Tri::No),
        ("write", Tri::No),
        ("no-way-in", Tri::No),
        ("boss", Tri::No),
    ] {
        assert_eq!(
            identity(&r, name).escalates_to_admin,
            admin,
            "{name}: {:?}",
            identity(&r, name).proof
        );
    }
    let step = |name: &str| identity(&r, name).path[0].to_string();
    assert!(
        step("delete").contains("iam:DeleteRolePermissionsBoundary on role `boss`"),
        "{}",
        step("delete")
    );
    assert!(step("delete").ends_with("act as role `boss`, freed of its permissions boundary"));
    assert!(
        step("rewrite")
            .contains("iam:CreatePolicyVersion on `arn:aws:iam::111122223333:policy/narrow`"),
        "{}",
        step("rewrite")
    );
    assert!(step("both").contains("freed of its permissions boundary and raised to administrator"));
    // The right that takes the boundary away is part of what makes the path.
    let tiers: Vec<Option<Tier>> = held(&r, "delete").iter().map(|h| h.tier).collect();
    assert!(tiers.contains(&Some(Tier::T0)), "{tiers:?}");
}

/// 5.1.2: services of the partition of China have names of their own.
#[test]
fn services_of_another_partition() {
    let run_it = r#"{"Effect":"Allow","Action":["iam:PassRole","ec2:RunInstances","iam:CreateInstanceProfile","iam:AddRoleToInstanceProfile"],"Resource":"*"}"#;
    let boss = role("boss", &[STAR], &trusts(r#"{"Service":"ec2.amazonaws.com.cn"}"#), "");
    let china = |s: String| s.replace("arn:aws:", "arn:aws-cn:");
    let r = run(&export(&china(user("u", &[run_it], "")), "", &china(boss), ""));
    assert_eq!(identity(&r, "u").escalates_to_admin, Tri::Yes, "{:?}", identity(&r, "u").proof);
}
