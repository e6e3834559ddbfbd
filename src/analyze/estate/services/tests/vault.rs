use super::*;

#[test]
fn policies_tokens_and_approles() {
    let (facts, reach) = folder("other/vault");
    // No policy of the folder defines what the root policy is, and none needs to.
    let all = "admin, permissions-management, escalation, secrets, escalation (possible), destructive, data-write";
    assert_eq!(
        held(&reach, "vault"),
        [
            format!("auth/approle/role/ci | ci-admin | vault | T0 | {all}"),
            "auth/approle/role/ci | default | vault | T4 |  | default".into(),
            // A secret id for one login: somebody issues it anew each time.
            "auth/approle/role/pay-api | default | vault | T4 |  | eligible | default".into(),
            "auth/approle/role/pay-api | pay-read | vault | T2 | secrets, escalation (possible), read | eligible".into(),
            // A period without a maximum: the token stands, whatever its time to live.
            format!("e2 | ci-admin | vault | T0 | {all}"),
            "e2 | default | vault | T4 |  | default".into(),
            "e3 | default | vault | T4 |  | time_bound until 2026-06-30T00:20:00Z | default".into(),
            "e3 | pay-read | vault | T2 | secrets, escalation (possible), read | time_bound until 2026-06-30T00:20:00Z".into(),
            "root | root | vault | T0 | admin".into(),
        ]
    );
    assert!(facts.credentials.iter().all(|c| !c.principal.is_empty()));
}

#[test]
fn who_makes_secret_ids_becomes_the_role() {
    let (_, reach) = files(&[
        (
            "policies/writer.hcl",
            "path \"auth/approle/role/+/secret-id\" { capabilities = [\"update\"] }\npath \"auth/approle/role/+/role-id\" { capabilities = [\"read\"] }\n",
        ),
        (
            "policies/all.hcl",
            "path \"*\" { capabilities = [\"create\",\"read\",\"update\",\"delete\",\"list\",\"sudo\"] }\n",
        ),
        (
            "policies/maybe.hcl",
            "path \"secret/data/{{identity.entity.name}}/*\" { capabilities = [\"read\"] }\n",
        ),
        (
            "roles.json",
            r#"{"big":{"data":{"bind_secret_id":true,"secret_id_ttl":0,"token_policies":["all"],"token_no_default_policy":true}},
            "small":{"data":{"bind_secret_id":true,"secret_id_ttl":600,"secret_id_num_uses":1,"token_policies":["writer"],"token_no_default_policy":true}}}"#,
        ),
        (
            "entity.json",
            r#"{"data":{"id":"e1","name":"ann","policies":["writer","maybe","gone"],"direct_group_ids":["g1"],"aliases":[]}}"#,
        ),
        (
            "group.json",
            r#"{"data":{"id":"g1","name":"ops","policies":["all"],"member_entity_ids":["e1","e2"]}}"#,
        ),
    ]);
    let rows = held(&reach, "vault");
    for expected in [
        "e1 | gone | vault | - | ",
        "e1 | maybe | vault | T4 |  | possibly secrets",
        "auth/approle/role/small | writer | vault | T0 | escalation | eligible",
    ] {
        assert!(rows.iter().any(|r| r == expected), "`{expected}` is not in\n{}", rows.join("\n"));
    }
    // Members hold what the group gives.
    assert!(rows.iter().any(|r| r.starts_with("e1 | all | vault | T0 | admin")));
    assert!(rows.iter().any(|r| r.starts_with("e2 | all | vault | T0 | admin")));
    assert!(!rows.iter().any(|r| r.starts_with("g1 ")));
    let found = paths(&reach, "vault");
    assert!(
        found.iter().any(|p| p.starts_with("auth/approle/role/small | principal | auth/approle/role/big | yes | It makes a secret id")),
        "{}", found.join("\n")
    );
}
