//! Many accounts of one organisation in one run.

use super::*;
use crate::facts::{Completeness, Facts};

/// Authorization details of a small account.
fn account(n: usize) -> (String, String) {
    let id = format!("{:012}", 100_000_000_000usize + n);
    let arn = |kind: &str, name: &str| format!("arn:aws:iam::{id}:{kind}/{name}");
    let users: Vec<String> = (0..3)
        .map(|u| {
            format!(
                r#"{{"UserName":"u{u}","UserId":"AIDA{id}{u}","Arn":"{}","CreateDate":"2026-01-01T00:00:00Z","GroupList":["ops"]}}"#,
                arn("user", &format!("u{u}"))
            )
        })
        .collect();
    let content = format!(
        r#"{{"UserDetailList":[{}],"GroupDetailList":[{{"GroupName":"ops","GroupId":"AGPA{id}","Arn":"{}","AttachedManagedPolicies":[{{"PolicyName":"ReadOnlyAccess","PolicyArn":"arn:aws:iam::aws:policy/ReadOnlyAccess"}}]}}],"RoleDetailList":[{{"RoleName":"deploy","RoleId":"AROA{id}","Arn":"{}","AssumeRolePolicyDocument":{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::100000000000:root"}},"Action":"sts:AssumeRole"}}]}},"AttachedManagedPolicies":[{{"PolicyName":"P","PolicyArn":"{}"}}]}}],"Policies":[{{"PolicyName":"P","Arn":"{}","DefaultVersionId":"v1","PolicyVersionList":[{{"VersionId":"v1","IsDefaultVersion":true,"Document":{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b{n}/*"}}]}}}}]}}],"IsTruncated":false}}"#,
        users.join(","),
        arn("group", "ops"),
        arn("role", "deploy"),
        arn("policy", "P"),
        arn("policy", "P"),
    );
    (format!("{id}/authz.json"), content)
}

fn read_accounts(n: usize, threads: usize) -> Facts {
    let files: Vec<(String, String)> = (0..n).map(account).collect();
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(name, c)| (name.as_str(), c.as_bytes())).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let found = pool.install(|| read(&files));
    assert!(found.unknown.is_empty() && found.failed.is_empty(), "{:?}", found.failed);
    found.facts
}

/// Names repeat from account to account; nothing is mixed up, and the order does not depend on threads.
#[test]
fn three_hundred_accounts_stay_apart() {
    let f = read_accounts(300, 4);
    assert_eq!((f.sources.len(), f.principals.len(), f.memberships.len()), (300, 1_500, 900));
    assert!(f.quarantine.is_empty());
    assert!(f.sources.iter().all(|s| s.completeness == Completeness::Complete));
    for (i, s) in f.sources.iter().enumerate() {
        assert_eq!(s.realm.as_deref(), Some(format!("aws:{}", 100_000_000_000usize + i).as_str()));
    }
    let account = |arn: &str| arn.split(':').nth(4).unwrap_or_default().to_owned();
    assert!(f.memberships.iter().all(|m| account(&m.principal_id) == account(&m.group_id)));
    let one = read_accounts(300, 1);
    assert_eq!(f.principals, one.principals);
    assert_eq!(f.entitlements, one.entitlements);
    assert_eq!(f.roles, one.roles);
}
