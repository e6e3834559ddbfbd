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
        r#"{"query_type":[],"user_name":{},"execution_status":1}"#,
        r#"{"event_type":"LOGIN","is_success":"perhaps","user_name":"a","event_timestamp":[]}"#,
        r#"{"bound_service_account_names":7,"bound_service_account_namespaces":{},"token_policies":{"a":1},"token_ttl":[]}"#,
        r#"{"user_claim":1,"bound_claims":[],"token_policies":[1],"token_ttl":"x"}"#,
        r#"{"protection_rules":{},"name":[],"environments":7}"#,
        r#"{"enforcement":[],"ref_name":1,"rules":{},"conditions":"x"}"#,
        r#"{"enforce_admins":7,"enabled":[],"required_pull_request_reviews":"x"}"#,
        r#"{"permissions":[{"label":7},"okta."],"created":[]}"#,
        r#"{"resources":[[]],"orn":{},"id":7}"#,
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
    // Patterns that name more accounts than there are.
    let names: Vec<String> = (0..200).map(|i| format!("\"n{i}\"")).collect();
    let many = names.join(",");
    let wide = format!(
        "{{\"bound_service_account_names\":[{many}],\"bound_service_account_namespaces\":[{many}],\"token_policies\":[\"p\"],\"token_ttl\":0}}"
    );
    let found = ingest_bytes("role.json", wide.as_bytes(), &Settings::defaults()).unwrap();
    assert!(found.facts.quarantine[0].reason.contains("more than"), "{:?}", found.facts.quarantine);
    let policy = format!("path \"a\" {{ capabilities = {deep} }}\n");
    let found = ingest_bytes("p.hcl", policy.as_bytes(), &Settings::defaults()).unwrap();
    assert!(found.facts.roles[0].malformed.is_some());
}
