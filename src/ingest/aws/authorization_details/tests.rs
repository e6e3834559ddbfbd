use super::*;
use crate::settings::Settings;

fn read(content: &str) -> Result<Batch, IngestError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("authz.json");
    std::fs::write(&path, content).unwrap();
    let input = Input { path, name: "authz.json".into(), size: 0 };
    let settings = Settings::defaults();
    let id = text("S1");
    let ctx = Context { settings: &settings, mapping: None, realm: None, source_id: &id };
    let mut batch = Batch::new(&id);
    AuthorizationDetails.read(&input, &ctx, &mut batch).map(|()| batch)
}

const USER: &str = r#"{"UserName":"a","UserId":"AIDA1","Arn":"arn:aws:iam::1:user/p/a","CreateDate":"2022-08-07 12:55:42+00:00","GroupList":["g"],"Tags":[{"Key":"Owner","Value":"team-1"},{"Key":"BreakGlass","Value":"true"},{"Key":"env","Value":"prod"},{"Key":"kind","Value":"agent"}]}"#;
const GROUP: &str = r#"{"GroupName":"g","Arn":"arn:aws:iam::1:group/q/g","AttachedManagedPolicies":[{"PolicyName":"P","PolicyArn":"arn:aws:iam::1:policy/P"}]}"#;

#[test]
fn pages_in_one_file() {
    let first = format!(r#"{{"UserDetailList":[{USER}],"IsTruncated":true,"Marker":"m"}}"#);
    let last = format!(r#"{{"GroupDetailList":[{GROUP}],"IsTruncated":false}}"#);
    for whole in [format!("{first}\n{last}"), format!("[{first},{last}]")] {
        let b = read(&whole).unwrap();
        assert_eq!(b.completeness, Completeness::Complete);
        assert_eq!(&*b.facts.memberships[0].group_id, "arn:aws:iam::1:group/q/g");
    }
    let b = read(&first).unwrap();
    assert_eq!(b.completeness, Completeness::Truncated);
    let source = |c, l: Option<&str>, file: &str| Source {
        format: text("aws-authorization-details"),
        realm: Some(text("aws:1")),
        completeness: c,
        limitation: l.map(text),
        file: text(file),
        ..Source::default()
    };
    let mut facts = Facts {
        sources: vec![
            source(Completeness::Truncated, Some(MORE_PAGES), "x/1.json"),
            source(Completeness::Complete, None, "x/2.json"),
            source(Completeness::Truncated, Some(MORE_PAGES), "y/1.json"),
        ],
        ..Facts::default()
    };
    reconcile_pages(&mut facts);
    let words: Vec<_> = facts.sources.iter().map(|s| s.completeness).collect();
    assert_eq!(words, [Completeness::Complete, Completeness::Complete, Completeness::Truncated]);
}

/// Two pages in two files are one export: it is whole, the member has its group, and the policy on the
/// second page bounds the binding on the first.
#[test]
fn pages_in_two_files() {
    let first = format!(
        r#"{{"UserDetailList":[{USER},{{"UserName":"b","Arn":"arn:aws:iam::1:user/b","AttachedManagedPolicies":[{{"PolicyName":"T","PolicyArn":"arn:aws:iam::1:policy/T"}}]}}],"IsTruncated":true,"Marker":"m"}}"#
    );
    let until = r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:CurrentTime":"2026-03-01T00:00:00Z"}}}]}"#;
    let second = format!(
        r#"{{"GroupDetailList":[{GROUP}],"Policies":[{{"PolicyName":"T","Arn":"arn:aws:iam::1:policy/T","DefaultVersionId":"v1","PolicyVersionList":[{{"VersionId":"v1","IsDefaultVersion":true,"Document":{until}}}]}}],"IsTruncated":false}}"#
    );
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("page1.json"), &first).unwrap();
    std::fs::write(dir.path().join("page2.json"), second).unwrap();
    let read = |path: std::path::PathBuf| {
        crate::ingest::ingest(&[path], &Settings::defaults()).unwrap().facts
    };
    let both = read(dir.path().to_path_buf());
    let words: Vec<_> = both.sources.iter().map(|s| s.completeness).collect();
    assert_eq!(words, [Completeness::Complete, Completeness::Complete]);
    assert_eq!(&*both.memberships[0].group_id, "arn:aws:iam::1:group/q/g");
    let bound = both.entitlements.iter().find(|e| &*e.privilege == "T").unwrap();
    assert_eq!(bound.not_after.unwrap().to_date(), "2026-03-01");
    let alone = read(dir.path().join("page1.json"));
    assert_eq!(alone.sources[0].completeness, Completeness::Truncated);
}

#[test]
fn what_tags_declare() {
    let b = read(&format!(r#"{{"UserDetailList":[{USER}]}}"#)).unwrap();
    let p = &b.facts.principals[0];
    assert!(p.break_glass && p.inventoried);
    assert_eq!((p.kind, p.environment.as_deref()), (PrincipalKind::Agent, Some("prod")));
    assert_eq!(p.created_at.unwrap().to_rfc3339(), "2022-08-07T12:55:42Z");
    assert_eq!(b.facts.owners[0].owner.as_deref(), Some("team-1"));
}

/// One bad record is named by its place; the others are read.
#[test]
fn bad_records() {
    let b = read(&format!(
        r#"{{"UserDetailList":[{USER},{{"UserName":5}},3],"RoleDetailList":[{{"RoleName":"r","Arn":"arn:aws:iam::1:role/r","CreateDate":"soon","AssumeRolePolicyDocument":"%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%22%2A%22%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D","RoleLastUsed":{{}}}}],"Policies":null}}"#
    ))
    .unwrap();
    let places: Vec<&str> = b.facts.quarantine.iter().map(|q| &*q.source_ref).collect();
    assert_eq!(places, ["/UserDetailList/1", "/UserDetailList/2", "/RoleDetailList/0/CreateDate"]);
    assert_eq!(b.facts.principals.len(), 2);
    assert_eq!(&*b.facts.trusts[0].trusted_kind, "any");
    assert_eq!(b.facts.usage[0].count, Some(0), "looked and never used");
    assert!(read("").is_err() && read("3").is_err() && read("{").is_err());
}

/// The version marked as default counts, and a disagreement is shown (5.1.3).
#[test]
fn default_version() {
    let b = read(
        r#"{"UserDetailList":[],"Policies":[{"PolicyName":"P","Arn":"arn:aws:iam::1:policy/P","DefaultVersionId":"v1","PolicyVersionList":[{"VersionId":"v1","IsDefaultVersion":false,"Document":{"Statement":[]}},{"VersionId":"v2","IsDefaultVersion":true,"Document":{ "Statement": [ ] , "Version":"2012-10-17"}}]}]}"#,
    )
    .unwrap();
    let r = &b.facts.roles[0];
    assert_eq!(
        (r.version.as_deref(), r.document.as_deref()),
        (Some("v2"), Some(r#"{"Statement":[],"Version":"2012-10-17"}"#))
    );
    assert_eq!(b.facts.quarantine.len(), 1);
}

/// A date in a policy that is none: the statement never holds, or may, which looks like no right at all, and that
/// is told (5.3.3).
#[test]
fn a_policy_date_that_cannot_be_read_is_told() {
    let with = |date: &str| {
        format!(
            r#"{{"UserDetailList":[{{"UserName":"u","Arn":"arn:aws:iam::1:user/u","UserPolicyList":[{{"PolicyName":"p","PolicyDocument":{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"iam:*","Resource":"*","Condition":{{"DateLessThan":{{"aws:CurrentTime":"{date}"}}}}}}]}}}}]}}],"IsTruncated":false}}"#
        )
    };
    let b = read(&with("2026-13-01T00:00:00Z")).unwrap();
    let told = "`2026-13-01T00:00:00Z` is not a date";
    assert!(b.limitation.as_deref().unwrap().contains(told));
    assert!(b.facts.roles[0].malformed.as_deref().unwrap().contains(told));
    assert_eq!(b.facts.entitlements.len(), 1, "the binding is read");
    let b = read(&with("soon")).unwrap();
    assert!(b.limitation.as_deref().unwrap().ends_with("never holds"), "{:?}", b.limitation);
    for date in ["2026-07-01T00:00:00Z", "1782864000", "${aws:PrincipalTag/end}"] {
        let b = read(&with(date)).unwrap();
        assert!(b.limitation.is_none() && b.facts.roles[0].malformed.is_none(), "{date}");
    }
}

/// A value that cannot be read costs itself only: the record it stands in is read, and counts.
#[test]
fn a_record_with_a_bad_date_is_read() {
    let bad = USER.replace("2022-08-07 12:55:42+00:00", "yesterday");
    let b = read(&format!(r#"{{"UserDetailList":[{bad}]}}"#)).unwrap();
    assert_eq!((b.records, b.accepted(), b.facts.quarantine.len()), (1, 1, 1));
    assert_eq!(b.facts.principals.len(), 1);
    // Two notes about one record, and a record that is lost.
    let role = r#"{"RoleName":"r","Arn":"arn:aws:iam::1:role/r","CreateDate":"x","RoleLastUsed":{"LastUsedDate":"y"},"AssumeRolePolicyDocument":{"Statement":7}}"#;
    let b = read(&format!(r#"{{"RoleDetailList":[{role},{{"RoleName":5}}]}}"#)).unwrap();
    assert_eq!((b.records, b.accepted(), b.facts.quarantine.len()), (2, 1, 4));
    let b = read(r#"{"RoleDetailList":[{"RoleName":5}]}"#).unwrap();
    assert_eq!((b.records, b.accepted()), (1, 0));
}

/// What has none of the lists is no page of an empty account, and without a page the export is not whole.
#[test]
fn a_page_without_lists_is_none() {
    let good = format!(r#"{{"UserDetailList":[{USER}],"IsTruncated":false}}"#);
    for odd in [r#"{"Message":"Rate exceeded"}"#, r#"{"UserDetailList":null}"#, "null", "[]"] {
        let b = read(&format!("{good}\n{odd}")).unwrap();
        let lost = usize::from(odd != "[]");
        assert_eq!(b.facts.quarantine.len(), lost, "{odd}");
        assert_eq!((b.records, b.accepted()), (1 + i64::from(odd != "[]"), 1), "{odd}");
        let whole = b.completeness == Completeness::Complete;
        assert_eq!(whole, odd == "[]", "{odd}");
        assert!(read(odd).is_err(), "{odd}");
    }
}
