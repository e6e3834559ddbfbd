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

const WRITER: &str = "path \"sys/policies/acl/*\" { capabilities = [\"create\",\"update\"] }\n";

/// Roles of every auth method: who they are, what they hold, who logs in as them.
#[test]
fn roles_of_other_auth_methods() {
    let roles = r#"{
      "auth/gh/role/deploy": {"data":{"role_type":"jwt","user_claim":"sub","bound_audiences":["vault"],"bound_subject":"repo:acme/web:ref:refs/heads/main","token_policies":["writer"],"token_no_default_policy":true}},
      "auth/gh/role/any": {"data":{"role_type":"jwt","user_claim":"sub","bound_claims":{"repository_owner":"acme*"},"bound_claims_type":"glob","token_policies":["writer"],"token_no_default_policy":true}},
      "auth/oidc/role/default": {"data":{"role_type":"oidc","user_claim":"email","bound_audiences":[],"token_policies":["writer"],"token_no_default_policy":true}},
      "auth/k8s/role/app": {"data":{"bound_service_account_names":["app"],"bound_service_account_namespaces":["pay"],"token_policies":["writer"],"token_no_default_policy":true}},
      "auth/k8s/role/all": {"data":{"bound_service_account_names":["*"],"bound_service_account_namespaces":["*"],"token_policies":["reader"],"token_no_default_policy":true}},
      "auth/aws/role/ci": {"data":{"auth_type":"iam","bound_iam_principal_arn":["arn:aws:iam::111122223333:role/ci"],"token_policies":["writer"],"token_no_default_policy":true}},
      "auth/gcp/role/ci": {"data":{"type":"iam","bound_service_accounts":["CI@p.iam.gserviceaccount.com"],"token_policies":["writer"],"token_no_default_policy":true}},
      "auth/azure/role/ci": {"data":{"bound_service_principal_ids":["ABC"],"token_policies":["writer"],"token_no_default_policy":true}},
      "auth/cert/certs/web": {"data":{"allowed_common_names":["web"],"display_name":"web","token_policies":["reader"],"token_no_default_policy":true}},
      "auth/userpass/users/ann": {"data":{"token_policies":["reader"],"token_ttl":0,"token_no_default_policy":true}},
      "auth/ldap/groups/ops": {"data":{"policies":["reader"]}},
      "auth/github/map/teams/core": {"data":{"key":"core","value":"reader,writer"}},
      "auth/token/roles/deploy": {"data":{"allowed_policies":["writer"],"orphan":true,"renewable":true,"token_period":0}}
    }"#;
    let reader = "path \"auth/token/create/deploy\" { capabilities = [\"update\"] }\n";
    let (facts, reach) = files(&[
        ("policies/writer.hcl", WRITER),
        ("policies/reader.hcl", reader),
        ("roles.json", roles),
    ]);
    assert!(facts.quarantine.is_empty(), "{:?}", facts.quarantine);
    let rows = held(&reach, "vault");
    for expected in [
        "auth/gh/role/deploy | writer | vault | T0 | permissions-management",
        "auth/oidc/role/default | writer | vault | T0 | permissions-management",
        "auth/k8s/role/app | writer | vault | T0 | permissions-management",
        "auth/aws/role/ci | writer | vault | T0 | permissions-management",
        "auth/gcp/role/ci | writer | vault | T0 | permissions-management",
        "auth/azure/role/ci | writer | vault | T0 | permissions-management",
        "auth/cert/certs/web | reader | vault | T2 | escalation (possible)",
        "auth/userpass/users/ann | reader | vault | T2 | escalation (possible)",
        "auth/ldap/groups/ops | reader | vault | T2 | escalation (possible)",
        "auth/ldap/groups/ops | default | vault | T4 |  | default",
        "auth/github/map/teams/core | writer | vault | T0 | permissions-management",
        "auth/token/roles/deploy | writer | vault | T0 | permissions-management",
    ] {
        assert!(rows.iter().any(|r| r == expected), "`{expected}` is not in\n{}", rows.join("\n"));
    }
    let kind = |id: &str| facts.principals.iter().find(|p| &*p.principal_id == id).unwrap().kind;
    use crate::facts::PrincipalKind as Kind;
    assert_eq!(kind("auth/userpass/users/ann"), Kind::Human);
    assert_eq!(kind("auth/ldap/groups/ops"), Kind::Group);
    assert_eq!(kind("auth/k8s/role/app"), Kind::Workload);
    // A role of tokens is a way to what it allows.
    let token =
        reach.escalations.iter().find(|e| &*e.principal_id == "auth/ldap/groups/ops").unwrap();
    assert_eq!(token.techniques.iter().map(|t| &**t).collect::<Vec<_>>(), ["vault:token_role"]);
    // What a role does not ask for.
    let trust = |id: &str| reach.trust_facts.iter().find(|t| &*t.principal_id == id);
    let guards = |id: &str| {
        let t = trust(id).unwrap();
        let words = |l: &[crate::facts::Text]| l.iter().map(|m| m.to_string()).collect::<Vec<_>>();
        (words(&t.missing_guards), words(&t.weak_guards))
    };
    assert_eq!(guards("auth/gh/role/deploy"), (vec![], vec![]));
    assert_eq!(guards("auth/oidc/role/default").0, ["aud", "sub"]);
    let (missing, weak) = guards("auth/gh/role/any");
    assert_eq!(missing, ["aud"]);
    assert!(weak[0].contains("repository_owner"), "{weak:?}");
    assert_eq!(guards("auth/k8s/role/all").1, ["any service account of the cluster"]);
    assert!(trust("auth/aws/role/ci").is_none(), "the cloud vouches for the role it names");
}

/// Identities of elsewhere log in: service accounts, roles of AWS.
#[test]
fn identities_of_elsewhere_log_in() {
    let roles = r#"{"auth/k8s/role/app": {"data":{"bound_service_account_names":["app"],"bound_service_account_namespaces":["pay"],"token_policies":["writer"],"token_no_default_policy":true}},
      "auth/aws/role/ci": {"data":{"auth_type":"iam","bound_iam_principal_arn":["arn:aws:iam::111122223333:role/c*"],"token_policies":["writer"],"token_no_default_policy":true}}}"#;
    let cluster = r#"{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"app","namespace":"pay"}},{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"other","namespace":"pay"}}]}"#;
    let aws = r#"{"UserDetailList":[],"GroupDetailList":[],"Policies":[],"RoleDetailList":[{"Path":"/","RoleName":"ci","RoleId":"AROA1","Arn":"arn:aws:iam::111122223333:role/ci","CreateDate":"2025-01-01T00:00:00+00:00","AssumeRolePolicyDocument":{"Version":"2012-10-17","Statement":[]},"InstanceProfileList":[],"RolePolicyList":[],"AttachedManagedPolicies":[],"Tags":[]}]}"#;
    let (_, reach) = files(&[
        ("policies/writer.hcl", WRITER),
        ("roles.json", roles),
        ("k8s/accounts.json", cluster),
        ("aws/details.json", aws),
    ]);
    let of = |who: &str| {
        let mut all = reach.escalations.iter().filter(|e| e.principal_id.ends_with(who));
        let first = all.next().unwrap_or_else(|| panic!("{who}: {:#?}", reach.escalations));
        assert!(all.next().is_none());
        (first.techniques.join(" "), first.verdict.to_string(), first.target_id.to_string())
    };
    // Which cluster the method asks, its configuration says.
    assert_eq!(of("system:serviceaccount:pay:app").1, "conditional");
    let (techniques, verdict, target) = of("role/ci");
    assert_eq!((&*techniques, &*verdict, &*target), ("vault:login", "yes", "auth/aws/role/ci"));
    assert!(!reach.escalations.iter().any(|e| e.principal_id.ends_with("pay:other")));
}

/// A list of all policies tells a policy that was not exported from one that is not there.
#[test]
fn a_list_of_policies_is_evidence_of_what_is_missing() {
    let entity = r#"{"data":{"id":"e1","name":"ann","policies":["writer","kept","gone"],"direct_group_ids":[],"aliases":[]}}"#;
    let base = [("policies/writer.hcl", WRITER), ("entity.json", entity)];
    let (_, reach) = files(&base);
    let rows = held(&reach, "vault");
    assert!(rows.contains(&"e1 | gone | vault | - | ".to_owned()), "{rows:#?}");
    for list in [
        r#"["default","kept","writer","root"]"#,
        r#"{"request_id":"x","data":{"keys":["default","kept","writer","root"],"policies":["default","kept","writer","root"]}}"#,
    ] {
        let (facts, reach) = files(&[base[0], base[1], ("list.json", list)]);
        let rows = held(&reach, "vault");
        assert!(
            rows.iter().any(|r| r.starts_with("e1 | gone") && r.ends_with("residue")),
            "{rows:#?}"
        );
        assert!(rows.contains(&"e1 | kept | vault | - | ".to_owned()), "{rows:#?}");
        let source = facts.sources.iter().find(|s| &*s.format == "vault-policy-list").unwrap();
        assert_eq!((source.records, source.completeness.as_str()), (4, "complete"));
    }
}
