use crate::ingest::driver::ingest_bytes;
use crate::settings::Settings;

#[test]
fn hostile_rows_are_quarantined_and_counted() {
    let deep = "[".repeat(5000) + &"]".repeat(5000);
    for content in [
        "rolname,rolvaliduntil,rolcanlogin\na,never ever,t\nb,,perhaps\nc,,t,extra\nd,,t\n"
            .to_owned(),
        "nspname,owner,nspacl\nfin,o,\"{a=r\"\nfin,o,\"{\\\"\"\nfin,o,{}\n".to_owned(),
        format!(
            "{{\"rolname\":\"a\",\"rolvaliduntil\":null,\"rolcanlogin\":true}}\n{{\"rolname\":{deep}}}\n"
        ),
        format!("rolname,rolvaliduntil,rolcanlogin\n{},,t\n", "x".repeat(2_000_000)),
    ] {
        let found = ingest_bytes("export", content.as_bytes(), &Settings::defaults()).unwrap();
        let s = &found.facts.sources[0];
        assert!(s.format.starts_with("postgres-"), "{}", s.format);
        assert_eq!(s.records, s.accepted + s.quarantined, "a record was lost");
        assert!(s.quarantined > 0 || content.len() > 1_000_000);
        assert_eq!(i64::try_from(found.facts.quarantine.len()).unwrap(), s.quarantined);
    }
}

#[test]
fn every_format_survives_wrong_types_depth_and_bytes() {
    let deep = "[".repeat(5000) + &"]".repeat(5000);
    let heads = [
        r#"{"bind_secret_id":"x","token_policies":7,"secret_id_ttl":[]}"#,
        r#"{"member_entity_ids":{},"policies":"p"}"#,
        r#"{"login":7,"site_admin":"maybe","type":[]}"#,
        r#"{"slug":"a","privacy":1,"permission":{}}"#,
        r#"{"userId":null,"tokenWindow":"soon"}"#,
        r#"{"assignmentType":"USER","label":1,"status":{},"type":null}"#,
        r#"{"scopeId":[],"issuer":""}"#,
        r#"{"privilege":{},"granted_on":1,"grantee_name":[]}"#,
        r#"{"role_restriction":"","user_name":null,"name":1,"expires_at":"never ever"}"#,
        r#"{"login_name":"a","has_rsa_public_key":"perhaps"}"#,
    ];
    for head in heads {
        let mut content = format!("{head}\n{{\"x\":{deep}}}\n").into_bytes();
        content.extend_from_slice(b"{\"login\":\"\xff\"}\n");
        let found = ingest_bytes("export", &content, &Settings::defaults()).unwrap();
        assert_eq!(found.failed, []);
        for s in &found.facts.sources {
            assert_eq!(s.records, s.accepted + s.quarantined, "{head}");
            assert!(s.quarantined > 0, "{head}");
        }
        assert_eq!(found.facts.sources.len(), 1, "{head} is of no format");
    }
    let policy = format!("path \"a\" {{ capabilities = {deep} }}\n");
    let found = ingest_bytes("p.hcl", policy.as_bytes(), &Settings::defaults()).unwrap();
    assert!(found.facts.roles[0].malformed.is_some());
}
