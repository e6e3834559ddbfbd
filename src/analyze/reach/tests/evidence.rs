//! Where the evidence ends: documents that cannot be read, sessions of IAM Identity Center, reports that
//! are old, and what a source does not tell.

use super::*;
use crate::analyze::tests::of_files as files;
use crate::facts::{Completeness, Layer, Usage, UsageGrain};

const SET: &str = "arn:aws:sso:::permissionSet/ssoins-1/ps-1234567890abcdef";
const PERSON: &str = "arn:aws:identitystore:::user/u-1";

fn account(users: &str, roles: &str) -> String {
    format!(
        r#"{{"UserDetailList":[{users}],"GroupDetailList":[],"RoleDetailList":[{roles}],"Policies":[],"IsTruncated":false}}"#
    )
}

/// Identity Center with one person, one permission set, and assignments to these accounts.
fn center(inline: &str, more: &str, accounts: &[&str]) -> String {
    let assigned: Vec<String> = accounts
        .iter()
        .map(|a| {
            format!(
                r#"{{"AccountId":"{a}","PermissionSetArn":"{SET}","PrincipalType":"USER","PrincipalId":"u-1"}}"#
            )
        })
        .collect();
    let inline = serde_json::to_string(&doc(inline)).unwrap();
    format!(
        r#"{{"Users":[{{"UserName":"alice","UserId":"u-1","DisplayName":"Alice","IdentityStoreId":"d-1"}}],
        "PermissionSets":[{{"PermissionSetArn":"{SET}","Name":"Ops","InlinePolicy":{inline},"AttachedManagedPolicies":[{more}],"CustomerManagedPolicyReferences":[]}}],
        "AccountAssignments":[{}],"IdentityStoreId":"d-1"}}"#,
        assigned.join(",")
    )
}

fn of<'a>(r: &'a Reach, id: &str) -> Vec<&'a Holding> {
    r.holdings.iter().filter(|h| &*h.principal_id == id).collect()
}

fn person(r: &Reach) -> &IdentityFact {
    r.identity_facts.iter().find(|i| &*i.principal_id == PERSON).unwrap()
}

const IAM: &str = r#"{"Effect":"Allow","Action":"iam:*","Resource":"*"}"#;

/// A Deny of which the actions cannot be read may deny anything: nothing beside it is certain (5.1.1).
#[test]
fn an_unreadable_statement_leaves_nothing_certain() {
    let number = r#"{"Effect":"Deny","Action":5,"Resource":"*"}"#;
    let r = run(&export(&user("a", &[STAR, number], ""), "", "", ""));
    let star = held(&r, "a").into_iter().find(|h| &*h.privilege == "p0").unwrap().clone();
    assert_eq!((star.tier, star.tier_possible), (Some(Tier::T4), Some(Tier::T0)));
    assert_eq!(identity(&r, "a").admin, Tri::Conditional);
    // The same of a document of which nothing can be read.
    let cut = r#"{"PolicyName":"cut","PolicyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Eff"}"#;
    let whole = user("a", &[STAR], "")
        .replace(r#""UserPolicyList":["#, &format!(r#""UserPolicyList":[{cut},"#));
    let r = run(&files(&[("a.json", &account(&whole, ""))]));
    assert_eq!(identity(&r, "a").admin, Tri::Conditional);
    assert!(held(&r, "a").iter().all(|h| h.tier != Some(Tier::T0)));
}

/// A trust policy that cannot be read may let anybody in; a path through it is possible.
#[test]
fn a_trust_that_cannot_be_read_is_possible() {
    let assume = r#"{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}"#;
    for trust in [
        r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole","Foo":1}"#,
        r#"{"Effect":"Allow","Principal":{"AWS":5},"Action":"sts:AssumeRole"}"#,
        r#"{"Effect":"Allow","Principal":5,"Action":"sts:AssumeRole"}"#,
    ] {
        let export = account(&user("a", &[assume], ""), &role("boss", &[STAR], trust, ""));
        let r = run(&files(&[("a.json", &export)]));
        assert_eq!(identity(&r, "a").escalates_to_admin, Tri::Conditional, "{trust}");
        assert!(r.trust_facts.iter().all(|t| &*t.openness == "conditional"), "{trust}");
        assert!(r.trust_facts.iter().all(|t| t.external != Some(true)), "{trust}");
    }
}

/// 5.4.3: what a person may do in an account is under the policies of that account; two accounts and two
/// sets never add up.
#[test]
fn sessions_are_under_the_policies_of_their_account() {
    let ic = center(IAM, "", &["111122223333", "444455556666"]);
    let deny = doc(r#"{"Effect":"Deny","Action":"iam:*","Resource":"*"}"#);
    let r = run(&files(&[("ic.json", &ic), ("scp/111122223333/p.json", &deny)]));
    let tiers: Vec<_> = of(&r, PERSON).iter().map(|h| (h.scope.to_string(), h.tier)).collect();
    assert_eq!(
        tiers,
        [("aws:111122223333".into(), Some(Tier::T4)), ("aws:444455556666".into(), Some(Tier::T0))]
    );
    assert_eq!(person(&r).admin, Tri::Yes, "in the other account");
    let r = run(&files(&[
        ("ic.json", &center(IAM, "", &["111122223333"])),
        ("scp/111122223333/p.json", &deny),
    ]));
    assert_eq!((person(&r).admin, person(&r).escalates), (Tri::No, Tri::No));
    // One row tells of a person's use, however many assignments there are.
    let r = run(&files(&[("ic.json", &ic)]));
    assert_eq!(r.use_profiles.iter().filter(|p| &*p.principal_id == PERSON).count(), 1);
}

const PASS: &str = r#"{"Effect":"Allow","Action":["iam:PassRole","lambda:CreateFunction","lambda:InvokeFunction"],"Resource":"*"}"#;

/// A person acts in the account: its roles are within reach. What a permission set may do is no policy
/// that the person could rewrite, and its role is written by nobody.
#[test]
fn sessions_reach_the_roles_of_their_account() {
    let boss = role("boss", &[STAR], &trusts(r#"{"Service":"lambda.amazonaws.com"}"#), "");
    let roles = account("", &boss);
    let r = run(&files(&[("ic.json", &center(PASS, "", &["111122223333"])), ("g.json", &roles)]));
    assert_eq!(person(&r).escalates_to_admin, Tri::Yes);
    assert!(
        person(&r).path.iter().any(|s| s.contains("permission set `Ops`")),
        "{:?}",
        person(&r).path
    );
    let r = run(&files(&[("ic.json", &center(PASS, "", &["999988887777"])), ("g.json", &roles)]));
    assert_eq!(person(&r).escalates_to_admin, Tri::No, "another account");
    let put =
        r#"{"Effect":"Allow","Action":["iam:PutUserPolicy","iam:PutRolePolicy"],"Resource":"*"}"#;
    let r = run(&files(&[("ic.json", &center(put, "", &["111122223333"]))]));
    assert_eq!(person(&r).admin, Tri::No, "{:?}", person(&r).proof);
}

/// What IAM Identity Center put into a role is what the customer wrote: the role is judged, unless the
/// inputs tell who is assigned to it.
#[test]
fn reserved_roles_are_judged_by_their_content() {
    let trust = r#"{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:saml-provider/AWSSSO_x"},"Action":"sts:AssumeRoleWithSAML"}"#;
    let name = "AWSReservedSSO_Ops_0123456789abcdef";
    let reserved = role(name, &[STAR], trust, "")
        .replace(":role/", ":role/aws-reserved/sso.amazonaws.com/eu-west-1/");
    let alone = run(&files(&[("g.json", &account("", &reserved))]));
    let h = held(&alone, name)[0];
    assert_eq!((h.tier, h.provider_owned), (Some(Tier::T0), false));
    let ic = center(STAR, "", &["111122223333"]);
    let both = run(&files(&[("g.json", &account("", &reserved)), ("ic.json", &ic)]));
    assert!(held(&both, name)[0].provider_owned, "the person is judged instead");
    assert_eq!(of(&both, PERSON)[0].tier, Some(Tier::T0));
    let linked =
        role("L", &[STAR], trust, "").replace(":role/", ":role/aws-service-role/x.amazonaws.com/");
    assert!(held(&run(&files(&[("g.json", &account("", &linked))])), "L")[0].provider_owned);
}

/// 5.1.1: of a permission set only the part that no input has is unknown.
#[test]
fn what_is_known_of_a_set_holds() {
    let more = r#"{"Name":"X","Arn":"arn:aws:iam::aws:policy/X"}"#;
    let r = run(&files(&[("ic.json", &center(IAM, more, &["111122223333"]))]));
    let h = of(&r, PERSON)[0];
    assert_eq!((h.tier, h.admin), (Some(Tier::T0), Tri::Yes));
    assert_eq!(h.content_unknown.as_deref(), Some("role_unexpanded"));
    // Less than that may be more than it looks.
    let read = r#"{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}"#;
    let r = run(&files(&[("ic.json", &center(read, more, &["111122223333"]))]));
    let h = of(&r, PERSON)[0];
    assert_eq!((h.tier, h.admin), (None, Tri::Conditional));
    assert_eq!(person(&r).admin, Tri::Conditional);
}

/// A date of last use that cannot be read says that there was use.
#[test]
fn an_unreadable_last_use_is_not_never() {
    let trust = trusts(r#"{"Service":"ec2.amazonaws.com"}"#);
    let used = r#","RoleLastUsed":{"LastUsedDate":"2026-05-31 garbage"}"#;
    let never = r#","RoleLastUsed":{}"#;
    let roles =
        [role("used", &[STAR], &trust, used), role("never", &[STAR], &trust, never)].join(",");
    let facts = files(&[("g.json", &account("", &roles))]);
    assert_eq!(facts.quarantine.len(), 1);
    assert!(facts.quarantine[0].source_ref.ends_with("/RoleLastUsed/LastUsedDate"));
    let r = run(&facts);
    assert_eq!((identity(&r, "used").never_active, identity(&r, "used").idle_days), (None, None));
    // Older use than of 400 days is not in the tracking window (5.6).
    assert_eq!(identity(&r, "never").idle_days, Some(400));
    assert_eq!(held(&r, "never")[0].idle_days, Some(400));
}

fn last_accessed(principal: &str, completed: &str, services: &str) -> String {
    format!(
        r#"{{"Arn":"{principal}","JobStatus":"COMPLETED","JobCreationDate":"{completed}","JobCompletionDate":"{completed}","IsTruncated":false,"ServicesLastAccessed":[{services}]}}"#
    )
}

/// Last use of services and actions is no log of events: it does not show how often, nor the rest.
#[test]
fn last_use_is_no_log() {
    let id = "arn:aws:iam::111122223333:role/r";
    let s3 = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;
    let export = account("", &role("r", &[s3], &trusts(r#"{"Service":"ec2.amazonaws.com"}"#), ""));
    let service = r#"{"ServiceNamespace":"s3","LastAuthenticated":"2026-05-20T00:00:00Z","TrackedActionsLastAccessed":[{"ActionName":"PutBucketPolicy","LastAccessedTime":"2026-05-20T00:00:00Z"},{"ActionName":"DeleteBucket"}]}"#;
    let la = last_accessed(id, "2026-05-31T00:00:00Z", service);
    let r = run(&files(&[("g.json", &export), ("la.jsonl", &la)]));
    let p = r.use_profiles.iter().find(|p| &*p.principal_id == id).unwrap();
    assert_eq!((p.granularity.as_deref(), p.n_used), (Some("service"), Some(1)));
    assert_eq!((p.days_used, p.grants_needed), (None, None));
    assert_eq!(p.window_end.map(Time::to_date).as_deref(), Some("2026-05-31"));
}

/// Where a report tracks actions, they are told apart within a service that is used: a policy of actions
/// that nobody used is unused, and the smaller policy leaves them out.
#[test]
fn tracked_actions_are_told_apart() {
    let id = "arn:aws:iam::111122223333:user/u";
    let allow =
        |actions: &str| format!(r#"{{"Effect":"Allow","Action":[{actions}],"Resource":"*"}}"#);
    let (write, read, mixed, other) = (
        allow(r#""iam:CreateUser","iam:DeleteUser""#),
        allow(r#""iam:GetUser","iam:ListUsers""#),
        allow(r#""iam:CreateUser","iam:PutUserPolicy""#),
        allow(r#""sqs:*""#),
    );
    let tracked = r#"{"ServiceNamespace":"iam","LastAuthenticated":"2026-05-20T00:00:00Z","TrackedActionsLastAccessed":[{"ActionName":"GetUser","LastAccessedTime":"2026-05-20T00:00:00Z"},{"ActionName":"ListUsers","LastAccessedTime":"2025-08-01T00:00:00Z"},{"ActionName":"CreateUser"},{"ActionName":"DeleteUser"}]},{"ServiceNamespace":"sqs","LastAuthenticated":"2026-05-21T00:00:00Z"}"#;
    let users = user("u", &[&write, &read, &mixed, &other], "");
    let la = last_accessed(id, "2026-05-31T00:00:00Z", tracked);
    let r = run(&files(&[("g.json", &account(&users, "")), ("la.jsonl", &la)]));
    let used = |name: &str| {
        let h = held(&r, "u").into_iter().find(|h| &*h.privilege == name).unwrap();
        (h.used, h.last_used_at.map(Time::to_date))
    };
    assert_eq!(used("p0"), (Some(false), None));
    assert_eq!(used("p1"), (Some(true), Some("2026-05-20".into())));
    // One of its actions is not tracked: only the service speaks.
    assert_eq!(used("p2"), (Some(true), Some("2026-05-20".into())));
    assert_eq!(used("p3").0, Some(true));
    let p = &r.use_profiles[0];
    let words = |list: &[Text]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(words(&p.unused_actions), ["iam:CreateUser", "iam:DeleteUser", "iam:ListUsers"]);
    assert_eq!(words(&p.used), ["iam:GetUser", "sqs:*"]);
    assert_eq!(
        p.proposal.as_deref(),
        Some(
            r#"{"Statement":[{"Action":["iam:GetUser","iam:PutUserPolicy","sqs:*"],"Effect":"Allow","Resource":["*"]}],"Version":"2012-10-17"}"#
        )
    );
    assert_eq!((p.granularity.as_deref(), p.n_used), (Some("service"), Some(2)));
}

/// A log that is newer than the report counts for the actions that the report tracks.
#[test]
fn a_log_counts_for_tracked_actions() {
    let id = "arn:aws:iam::111122223333:user/u";
    let write = r#"{"Effect":"Allow","Action":"iam:CreateUser","Resource":"*"}"#;
    let tracked = r#"{"ServiceNamespace":"iam","LastAuthenticated":"2026-05-20T00:00:00Z","TrackedActionsLastAccessed":[{"ActionName":"CreateUser"}]}"#;
    let la = last_accessed(id, "2026-05-25T00:00:00Z", tracked);
    let export = account(&user("u", &[write], ""), "");
    let mut facts = files(&[("g.json", &export), ("la.jsonl", &la)]);
    assert_eq!(held(&run(&facts), "u")[0].used, Some(false));
    facts.usage.push(Usage {
        principal: text(id),
        principal_id: Some(text(id)),
        platform: Some(text("aws")),
        action: Some(text("iam:CreateUser")),
        last_at: Some(as_of("2026-05-30T00:00:00Z")),
        grain: UsageGrain::Event,
        ..Usage::default()
    });
    assert_eq!(held(&run(&facts), "u")[0].used, Some(true));
}

/// Of what came after a report it says nothing; and what leaves no trace is never unused.
#[test]
fn reports_speak_for_their_window() {
    let id = "arn:aws:iam::111122223333:user/u";
    let pass = r#"{"Effect":"Allow","Action":"iam:PassRole","Resource":"*"}"#;
    let export = account(&user("u", &[IAM], ""), "");
    let old = r#"{"ServiceNamespace":"iam","LastAuthenticated":"2025-02-01T00:00:00Z"}"#;
    let read = |export: &str, completed: &str, services: &str| {
        run(&files(&[("g.json", export), ("la.jsonl", &last_accessed(id, completed, services))]))
    };
    let r = read(&export, "2025-06-01T00:00:00Z", old);
    let h = held(&r, "u")[0];
    assert_eq!(
        (h.used, h.idle_days, h.use_unknown.as_deref()),
        (None, None, Some("out_of_window"))
    );
    assert_eq!(identity(&r, "u").activity_unknown.as_deref(), Some("out_of_window"));
    assert_eq!(identity(&r, "u").idle_days, None);
    assert_eq!(r.use_profiles[0].use_unknown.as_deref(), Some("out_of_window"));
    let r = read(&export, "2026-05-22T00:00:00Z", old);
    let h = held(&r, "u")[0];
    assert_eq!((h.used, h.idle_days), (Some(false), Some(475)), "up to the report");
    let never = r#"{"ServiceNamespace":"iam"},{"ServiceNamespace":"lambda","LastAuthenticated":"2026-05-20T00:00:00Z"}"#;
    let both = format!(r#"{{"Effect":"Allow","Action":"lambda:*","Resource":"*"}},{pass}"#);
    let r = read(&account(&user("u", &[&both], ""), ""), "2026-05-22T00:00:00Z", never);
    assert!(r.use_profiles[0].unused_services.is_empty(), "{:?}", r.use_profiles[0]);
    let r = read(&account(&user("u", &[pass], ""), ""), "2026-05-22T00:00:00Z", never);
    assert_eq!(held(&r, "u")[0].use_unknown.as_deref(), Some("not_applicable"));
}

/// A log that covers the account shows non-use, but not of what it would not show.
#[test]
fn a_whole_log_shows_non_use() {
    let log = |facts: &mut Facts, actions: &[&str]| {
        facts.sources.push(Source {
            source_id: text("L1"),
            format: text("aws-cloudtrail"),
            layer: Layer::Usage,
            completeness: Completeness::Complete,
            realm: Some(text("aws:111122223333")),
            window_start: Some(as_of("2026-01-01T00:00:00Z")),
            window_end: Some(as_of(NOW)),
            ..Source::default()
        });
        for action in actions {
            facts.usage.push(Usage {
                principal: text("arn:aws:iam::111122223333:user/u"),
                principal_id: Some(text("arn:aws:iam::111122223333:user/u")),
                platform: Some(text("aws")),
                action: Some(text(action)),
                last_at: Some(as_of("2026-05-20T00:00:00Z")),
                grain: UsageGrain::Event,
                source_id: text("L1"),
                ..Usage::default()
            });
        }
    };
    let kms = r#"{"Effect":"Allow","Action":"sqs:CreateQueue","Resource":"*"}"#;
    let objects =
        r#"{"Effect":"Allow","Action":["s3:PutBucketPolicy","s3:GetObject"],"Resource":"*"}"#;
    let pass = r#"{"Effect":"Allow","Action":"iam:PassRole","Resource":"*"}"#;
    let mut facts = export(&user("u", &[IAM, kms, objects], ""), "", "", "");
    log(&mut facts, &["sqs:CreateQueue"]);
    let r = run(&facts);
    let use_of = |r: &Reach, name: &str| {
        let h = held(r, "u").into_iter().find(|h| &*h.privilege == name).unwrap().clone();
        (h.used, h.idle_days, h.use_unknown.map(|w| w.to_string()))
    };
    assert_eq!(use_of(&r, "p0"), (Some(false), Some(151), None));
    assert_eq!(use_of(&r, "p1").0, Some(true));
    assert_eq!(
        use_of(&r, "p2"),
        (None, None, Some("no_source".into())),
        "no data events in the log"
    );
    let mut facts = export(&user("u", &[pass, kms], ""), "", "", "");
    log(&mut facts, &["sqs:CreateQueue"]);
    assert_eq!(use_of(&run(&facts), "p0").2.as_deref(), Some("not_applicable"));
}

/// A key that was rotated shows nothing of the use of the one before.
#[test]
fn a_rotated_key_says_nothing_of_before() {
    let id = text("arn:aws:iam::111122223333:user/v");
    let mut facts = export(&user("v", &[IAM], ""), "", "", "");
    facts.credentials.push(Credential {
        credential_id: text("access key 1 of v"),
        kind: CredentialKind::Key,
        principal: id.clone(),
        principal_id: Some(id),
        active: Some(true),
        use_tracked: true,
        rotated_at: Some(as_of("2026-05-01T00:00:00Z")),
        source_id: text("S0001"),
        ..Credential::default()
    });
    let row = identity(&run(&facts), "v").clone();
    assert_eq!((row.never_active, row.idle_days), (Some(true), Some(31)));
    facts.credentials[0].last_used_at = Some(as_of("2026-05-02T00:00:00Z"));
    assert_eq!(identity(&run(&facts), "v").idle_days, Some(30));
    // One credential that an analyzer tells of is not all of them.
    let finding = r#"{"id":"f5","resource":"arn:aws:iam::111122223333:user/v","resourceType":"AWS::IAM::User","resourceOwnerAccount":"111122223333","status":"ACTIVE","findingType":"UnusedIAMUserPassword","analyzedAt":"2026-05-30T00:00:00Z","findingDetails":[{"unusedIamUserPasswordDetails":{"lastAccessed":"2025-06-01T00:00:00Z"}}]}"#;
    let r = run(&files(&[("g.json", &account(&user("v", &[IAM], ""), "")), ("f.json", finding)]));
    let row = identity(&r, "v");
    assert_eq!(
        (row.idle_days, row.activity_unknown.as_deref()),
        (None, Some("incomplete_snapshot"))
    );
    assert_eq!(row.last_activity_at.map(Time::to_date).as_deref(), Some("2025-06-01"));
}

/// A resource policy that cannot be read may let anybody in; a complement of actions is told as one.
#[test]
fn policies_of_resources_as_they_are() {
    let policies = r#"[{"arn":"arn:aws:s3:::b","policy":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","NotAction":"s3:DeleteBucket","Resource":"arn:aws:s3:::b/*"}]},"account":"111122223333"},{"arn":"arn:aws:s3:::c","policy":{"Statement":"x"},"account":"111122223333"}]"#;
    let facts = files(&[("rp.json", policies)]);
    assert!(facts.quarantine.iter().any(|q| q.reason.contains("policy of the resource")));
    let r = run(&facts);
    let of = |id: &str| r.trust_facts.iter().find(|t| &*t.principal_id == id).unwrap();
    assert_eq!(of("arn:aws:s3:::b").actions[0].as_ref(), "not:s3:DeleteBucket");
    let unread = of("arn:aws:s3:::c");
    assert_eq!((&*unread.openness, unread.external), ("conditional", None));
}
