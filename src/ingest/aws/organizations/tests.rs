use super::*;
use crate::ingest::{Ingested, ingest};
use crate::settings::Settings;

fn read(files: &[(&str, &str)]) -> Ingested {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    ingest(&[dir.path().to_path_buf()], &Settings::defaults()).unwrap()
}

fn shared(path: &str) -> std::path::PathBuf {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(path);
    assert!(path.exists(), "this test needs the shared data at `{}`", path.display());
    path
}

const DENY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}"#;

fn summary(id: &str, kind: &str) -> String {
    let path = kind.to_lowercase();
    format!(
        r#"{{"Id":"{id}","Arn":"arn:aws:organizations::111111111111:policy/o-abc1234567/{path}/{id}","Name":"N-{id}","Type":"{kind}","AwsManaged":false}}"#
    )
}

#[test]
fn policy_attachment_and_tree_of_the_commands() {
    let scp = "SERVICE_CONTROL_POLICY";
    let describe = format!(
        r#"{{"Policy":{{"PolicySummary":{},"Content":{}}}}}"#,
        summary("p-aaaaaaaa", scp),
        serde_json::to_string(DENY).unwrap()
    );
    let full = r#"{"Id":"p-FullAWSAccess","Arn":"arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess","Name":"FullAWSAccess","Type":"SERVICE_CONTROL_POLICY","AwsManaged":true}"#;
    let attached = format!(
        r#"{{"TargetId":"ou-ab12-cdefghij","Policies":[{full},{},{}]}}"#,
        summary("p-aaaaaaaa", scp),
        summary("p-tagtagtag", "TAG_POLICY")
    );
    let unit = r#"{"OrganizationalUnits":[{"Id":"ou-ab12-cdefghij","Arn":"arn:aws:organizations::111111111111:ou/o-abc1234567/ou-ab12-cdefghij","Name":"Prod"}]}"#;
    let account = |id: &str| {
        format!(
            r#"{{"Id":"{id}","Arn":"arn:aws:organizations::111111111111:account/o-abc1234567/{id}","Name":"A","Status":"ACTIVE"}}"#
        )
    };
    let found = read(&[
        ("describe-policy.json", &describe),
        ("attached.json", &attached),
        (
            "targets_p-aaaaaaaa.json",
            r#"{"Targets":[{"TargetId":"222222222222","Arn":"arn:aws:organizations::111111111111:account/o-abc1234567/222222222222","Name":"A","Type":"ACCOUNT"},{"TargetId":"ou-ab12-cdefghij","Type":"ORGANIZATIONAL_UNIT"}]}"#,
        ),
        (
            "org.json",
            r#"{"Organization":{"Id":"o-abc1234567","Arn":"arn:aws:organizations::111111111111:organization/o-abc1234567","MasterAccountId":"111111111111"}}"#,
        ),
        (
            "roots.json",
            r#"{"Roots":[{"Id":"r-ab12","Arn":"arn:aws:organizations::111111111111:root/o-abc1234567/r-ab12","Name":"Root","PolicyTypes":[]}]}"#,
        ),
        ("units_r-ab12.json", unit),
        (
            "accounts.json",
            &format!(r#"{{"Accounts":[{},{}]}}"#, account("111111111111"), account("222222222222")),
        ),
        (
            "of-unit.json",
            &format!(
                r#"{{"ParentId":"ou-ab12-cdefghij","Accounts":[{}]}}"#,
                account("222222222222")
            ),
        ),
        ("list-parents_111111111111.json", r#"{"Parents":[{"Id":"r-ab12","Type":"ROOT"}]}"#),
    ]);
    assert!(found.unknown.is_empty() && found.failed.is_empty(), "{:?}", found.unknown);
    assert!(found.facts.quarantine.is_empty(), "{:?}", found.facts.quarantine);
    let f = &found.facts;
    let mut nodes: Vec<_> = f
        .realms
        .iter()
        .map(|r| (&*r.realm_id, r.kind.as_str(), r.parent_id.as_deref(), r.management))
        .collect();
    nodes.sort_unstable();
    assert_eq!(
        nodes,
        [
            ("111111111111", "account", Some("r-ab12"), Some(true)),
            ("222222222222", "account", Some("ou-ab12-cdefghij"), Some(false)),
            ("o-abc1234567", "organisation", None, None),
            ("ou-ab12-cdefghij", "unit", Some("r-ab12"), None),
            ("r-ab12", "root", Some("o-abc1234567"), None),
        ]
    );
    assert!(f.realms.iter().all(|r| r.organisation.as_deref() == Some("o-abc1234567")));
    let mut rails: Vec<_> =
        f.guardrails.iter().map(|g| (&*g.name, g.target_id.as_deref(), g.kind.as_str())).collect();
    rails.sort_unstable();
    // Named by three files, attached to two targets.
    assert_eq!(
        rails,
        [
            ("FullAWSAccess", Some("ou-ab12-cdefghij"), "scp"),
            ("N-p-aaaaaaaa", Some("222222222222"), "scp"),
            ("N-p-aaaaaaaa", Some("ou-ab12-cdefghij"), "scp"),
        ]
    );
    assert_eq!(f.roles.len(), 2, "{:?}", f.roles);
    assert!(
        f.roles.iter().all(|r| r.document.is_some() && r.kind == RoleKind::ServiceControlPolicy)
    );
    let limits: Vec<_> = f.sources.iter().filter_map(|s| s.limitation.as_deref()).collect();
    assert_eq!(limits, ["1 policies are neither service nor resource control policies"]);
}

#[test]
fn place_gives_kind_and_target() {
    let rcp = DENY.replace("\"Action\"", "\"Principal\":\"*\",\"Action\"");
    let found = read(&[
        ("scp/ou-ab12-cdefghij/a.json", DENY),
        ("scp/b.json", DENY),
        ("rcp_111122223333.json", &rcp),
        ("elsewhere.json", &rcp),
        ("unknown.json", DENY),
        ("levels.json", &format!(r#"{{"levels":[[{DENY}],[{DENY},3]]}}"#)),
    ]);
    let unknown: Vec<_> = found.unknown.iter().map(|u| u.file.as_str()).collect();
    assert_eq!(unknown, ["unknown.json"], "a bare document may be anything");
    let rails: Vec<_> = found
        .facts
        .guardrails
        .iter()
        .map(|g| (g.kind.as_str(), g.target_id.as_deref(), g.level, &*g.role_id))
        .collect();
    assert_eq!(
        rails,
        [
            ("rcp", None, None, "rcp:elsewhere.json"),
            ("scp", None, Some(0), "scp:levels.json#/levels/0/0"),
            ("scp", None, Some(1), "scp:levels.json#/levels/1/0"),
            ("rcp", Some("111122223333"), None, "rcp:rcp_111122223333.json"),
            ("scp", None, None, "scp:scp/b.json"),
            ("scp", Some("ou-ab12-cdefghij"), None, "scp:scp/ou-ab12-cdefghij/a.json"),
        ]
    );
    assert_eq!(found.facts.quarantine.len(), 1);
    assert_eq!(&*found.facts.quarantine[0].source_ref, "/levels/1/1");
    let unattached: Vec<_> = found
        .facts
        .sources
        .iter()
        .filter(|s| s.limitation.as_deref() == Some(UNATTACHED))
        .map(|s| &*s.file)
        .collect();
    assert_eq!(unattached, ["elsewhere.json", "scp/b.json"]);
    // A mapping says what the place does not.
    let settings = Settings::parse(
        "[[mapping]]\nfile = \"guard*.json\"\nformat = \"aws-organizations\"\nconstants = { kind = \"scp\" }\n",
    )
    .unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("guard.json"), DENY).unwrap();
    let mapped = ingest(&[dir.path().to_path_buf()], &settings).unwrap();
    assert_eq!(mapped.facts.guardrails[0].kind, GuardrailKind::Scp);
}

/// All sample files are recognised, from the folder above and from the folder itself; the one that is
/// not JSON fails with the line.
#[test]
fn the_samples_of_aws() {
    for (paths, folder) in [(vec!["aws/scp", "aws/rcp"], ""), (vec!["aws/rcp"], "")] {
        let paths: Vec<_> = paths.iter().map(|p| shared(&format!("{folder}{p}"))).collect();
        let found = ingest(&paths, &Settings::defaults()).unwrap();
        assert!(found.unknown.is_empty(), "{:?}", found.unknown);
        let count = |k| found.facts.guardrails.iter().filter(|g| g.kind == k).count();
        let (scp, failed) = if paths.len() == 2 { (56, 1) } else { (0, 0) };
        assert_eq!((count(GuardrailKind::Scp), count(GuardrailKind::Rcp)), (scp, 23));
        assert_eq!(found.failed.len(), failed, "{:?}", found.failed);
        if let Some(f) = found.failed.first() {
            assert!(f.file.ends_with("deny-service-specific-credential-by-type.json"), "{f:?}");
            assert!(f.error.contains("line ") && f.error.contains("not valid JSON"), "{f:?}");
        }
        let bad: Vec<_> = found
            .facts
            .roles
            .iter()
            .filter(|r| r.malformed.is_some())
            .map(|r| (&r.name, &r.malformed))
            .collect();
        assert!(bad.is_empty(), "{bad:?}");
    }
}

#[test]
fn hostile_documents_cost_themselves_only() {
    let deep = "[".repeat(20_000) + &"]".repeat(20_000);
    let found = read(&[
        ("scp/deep.json", &format!(r#"{{"Version":"2012-10-17","Statement":{deep}}}"#)),
        (
            "a.json",
            r#"{"Roots":[{"Id":"r-ab12","Arn":"arn:aws:organizations::1:root/o-1/r-ab12"},{"Id":7},{"Id":"../../etc"},null,"x"],"Roots":[]}"#,
        ),
        (
            "b.json",
            r#"{"OrganizationalUnits":[{"Id":"ou-ab12-cdefghij"},{"Id":7},null,"x",{"Id":"x","Id":"y"}]}"#,
        ),
        ("c.json", r#"{"Targets":[{"TargetId":"111122223333"}]}"#),
        ("d.json", r#"{"Policies":[{"Type":"SERVICE_CONTROL_POLICY"}],"NextToken":"x"}"#),
        ("levels.json", r#"{"levels":{"a":[1]}}"#),
    ]);
    assert!(
        found.unknown.is_empty() && found.failed.is_empty(),
        "{:?} {:?}",
        found.unknown,
        found.failed
    );
    assert_eq!(found.facts.realms.len(), 1);
    assert_eq!(found.facts.quarantine.len(), 1 + 4 + 1 + 1);
    assert!(found.facts.roles[0].malformed.is_some());
    let d = found.facts.sources.iter().find(|s| &*s.file == "d.json").unwrap();
    assert_eq!(d.completeness, Completeness::Truncated);
}
