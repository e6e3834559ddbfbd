use super::*;
use crate::ingest::{Ingested, ingest};
use crate::settings::Settings;

fn read(files: &[(&str, &str)]) -> Ingested {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    ingest(&[dir.path().to_path_buf()], &Settings::defaults()).unwrap()
}

const SET: &str = "arn:aws:sso:::permissionSet/ssoins-1/ps-1234567890abcdef";
const POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;

/// The sample is a table of several command outputs under keys of its own; under the commands' own
/// keys it reads as documented.
#[test]
fn the_sample() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/data/grants/aws_identity_center/cartography_state.json");
    let sample: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap_or_else(|e| {
            panic!("this test needs the shared data at `{}`: {e}", path.display())
        }))
        .unwrap();
    let merged = serde_json::json!({
        "Users": sample["LIST_USERS"],
        "Groups": sample["LIST_GROUPS"],
        "Instances": sample["LIST_INSTANCES"],
        "PermissionSets": sample["LIST_PERMISSION_SETS"],
        "AccountAssignments": sample["MULTI_ACCOUNT_USER_ASSIGNMENTS"],
    });
    let found = read(&[("idc.json", &merged.to_string())]);
    let f = &found.facts;
    assert!(f.quarantine.is_empty() && found.unknown.is_empty(), "{:?}", f.quarantine);
    let user = "arn:aws:identitystore:::user/aaaaaaaa-a0d1-aaac-5af0-59c813ec7671";
    let bound: Vec<_> =
        f.entitlements.iter().map(|e| (&*e.principal_id, &*e.privilege, &*e.scope)).collect();
    assert_eq!(
        bound,
        [
            (user, "AdministratorAccess", "aws:111111111111"),
            (user, "AdministratorAccess", "aws:222222222222")
        ]
    );
    assert_eq!(f.roles.len(), 1);
    assert_eq!(f.roles[0].max_session_s, Some(12 * 3600));
    assert_eq!((&f.roles[0].document, &f.roles[0].version), (&None, &None));
    let p = f.principals.iter().find(|p| &*p.principal_id == user).unwrap();
    assert_eq!(p.email.as_deref(), Some("test.user1@example.com"));
    assert_eq!((p.realm.as_deref(), p.kind), (Some("aws:d-1234567890"), PrincipalKind::Human));
    assert_eq!(f.principals.len(), 2);
    assert!(
        f.sources[0].limitation.as_deref().unwrap().contains("inline policy"),
        "content unknown"
    );
    assert_eq!(f.sources[0].layer, Layer::State);
}

fn parts(customer: &str) -> Vec<(&'static str, String)> {
    vec![
        ("set.json", format!(r#"{{"PermissionSet":{{"Name":"Ops","PermissionSetArn":"{SET}","SessionDuration":"PT4H"}}}}"#)),
        ("inline_ps-1234567890abcdef.json", format!(r#"{{"InlinePolicy":{}}}"#, serde_json::to_string(POLICY).unwrap())),
        ("managed.json", format!(r#"{{"PermissionSetArn":"{SET}","AttachedManagedPolicies":[{{"Name":"P","Arn":"arn:aws:iam::aws:policy/P"}}]}}"#)),
        ("customer.json", format!(r#"{{"PermissionSetArn":"{SET}","CustomerManagedPolicyReferences":{customer}}}"#)),
        ("assign.json", format!(r#"{{"AccountAssignments":[{{"AccountId":"111122223333","PermissionSetArn":"{SET}","PrincipalType":"GROUP","PrincipalId":"g-1"}}]}}"#)),
        ("again.json", format!(r#"{{"AccountAssignments":[{{"AccountId":"111122223333","PermissionSetArn":"{SET}","PrincipalType":"GROUP","PrincipalId":"g-1"}}]}}"#)),
        ("groups.json", r#"{"Groups":[{"GroupId":"g-1","DisplayName":"Ops","IdentityStoreId":"d-1"}]}"#.into()),
        ("members.json", r#"{"GroupMemberships":[{"IdentityStoreId":"d-1","MembershipId":"m","GroupId":"g-1","MemberId":{"UserId":"u-1"}}]}"#.into()),
        ("account.json", r#"{"UserDetailList":[],"Policies":[{"PolicyName":"P","Arn":"arn:aws:iam::aws:policy/P","DefaultVersionId":"v1","PolicyVersionList":[{"VersionId":"v1","IsDefaultVersion":true,"Document":{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sqs:*","Resource":"*"}}}]}]}"#.into()),
    ]
}

#[test]
fn one_command_per_file() {
    let files = parts("[]");
    let files: Vec<_> = files.iter().map(|(n, c)| (*n, c.as_str())).collect();
    let found = read(&files);
    let f = &found.facts;
    assert!(
        found.unknown.is_empty() && f.quarantine.is_empty(),
        "{:?} {:?}",
        found.unknown,
        f.quarantine
    );
    assert_eq!(f.entitlements.len(), 1, "two files tell of one assignment");
    let e = &f.entitlements[0];
    assert_eq!((&*e.privilege, &*e.role_id), ("Ops", SET));
    assert_eq!(
        (&*e.principal_id, &*e.scope),
        ("arn:aws:identitystore:::group/g-1", "aws:111122223333")
    );
    let sets: Vec<_> = f.roles.iter().filter(|r| r.kind == RoleKind::PermissionSet).collect();
    assert_eq!(sets.len(), 1);
    assert_eq!((&*sets[0].name, sets[0].max_session_s), ("Ops", Some(4 * 3600)));
    assert_eq!(
        sets[0].document.as_deref().unwrap(),
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*"},{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#
    );
    assert_eq!(f.memberships[0].group_id.as_ref(), "arn:aws:identitystore:::group/g-1");
    // What differs from account to account is not guessed.
    let files = parts(r#"[{"Name":"Local","Path":"/"}]"#);
    let files: Vec<_> = files.iter().map(|(n, c)| (*n, c.as_str())).collect();
    let f = read(&files).facts;
    let set = f.roles.iter().find(|r| r.kind == RoleKind::PermissionSet).unwrap();
    // What is known of the set stays known; that there is more is said (5.1.1).
    assert!(set.document.as_deref().unwrap().contains("s3:*"));
    assert!(set.malformed.as_deref().unwrap().contains("account to account"));
    let s = f.sources.iter().find(|s| &*s.file == "set.json").unwrap();
    assert!(s.limitation.as_deref().unwrap().contains("account to account"));
}

#[test]
fn hostile_documents_cost_themselves_only() {
    let deep = "[".repeat(20_000) + &"]".repeat(20_000);
    let found = read(&[
        (
            "a.json",
            &format!(
                r#"{{"AccountAssignments":[{{"AccountId":"1"}},{{"AccountId":"111122223333","PermissionSetArn":"{SET}","PrincipalType":"X","PrincipalId":"y"}},null,{deep}],"NextToken":"t"}}"#
            ),
        ),
        ("b.json", &format!(r#"{{"InlinePolicy":{deep}}}"#)),
        (
            "c.json",
            &format!(
                r#"{{"PermissionSet":{{"PermissionSetArn":"{SET}","SessionDuration":"soon"}}}}"#
            ),
        ),
        (
            "d.json",
            r#"{"PermissionSets":["arn:aws:sso:::permissionSet/ssoins-1/ps-2",{"Name":7},"x",3]}"#,
        ),
    ]);
    assert!(
        found.unknown.is_empty() && found.failed.is_empty(),
        "{:?} {:?}",
        found.unknown,
        found.failed
    );
    assert!(found.facts.entitlements.is_empty());
    assert_eq!(found.facts.quarantine.len(), 4 + 1 + 1 + 3, "{:?}", found.facts.quarantine);
    assert_eq!(found.facts.sources[0].completeness, Completeness::Truncated);
}
