use super::*;

#[test]
fn tokens_and_administrators() {
    let (facts, reach) = folder("other/okta");
    assert_eq!(
        held(&reach, "okta"),
        ["00u1 | SUPER_ADMIN | okta | T0 | admin", "00u2 | USER_ADMIN | okta | T0 | escalation"]
    );
    let tokens: Vec<(&str, Option<bool>, Option<bool>)> = facts
        .credentials
        .iter()
        .map(|c| (c.principal_id.as_deref().unwrap(), c.no_expiry, c.active))
        .collect();
    assert_eq!(tokens, [("00u1", Some(true), Some(true)), ("00u2", Some(true), Some(true))]);
    let valid: Vec<(&str, Option<bool>)> =
        reach.credential_facts.iter().map(|c| (&*c.principal_id, c.valid_now)).collect();
    assert_eq!(valid, [("00u1", Some(true)), ("00u2", Some(true))]);
    assert!(!format!("{facts:?}").contains("\"00T1\""));
}

#[test]
fn groups_custom_roles_and_scopes() {
    let (_, reach) = files(&[
        (
            "groups/roles.json",
            r#"{"00g1":[{"id":"r1","type":"APP_ADMIN","label":"Whatever","status":"ACTIVE","assignmentType":"GROUP","created":"2024-01-01T00:00:00.000Z"}],
            "00u9":[{"id":"r2","type":"CUSTOM","role":"cr0x","label":"Super Administrator","status":"ACTIVE","assignmentType":"USER"},
                    {"id":"r3","type":"SUPER_ADMIN","label":"x","status":"INACTIVE","assignmentType":"USER"}]}"#,
        ),
        (
            "members.json",
            r#"{"00g1":[{"id":"00u5","status":"SUSPENDED","statusChanged":"2024-01-01T00:00:00.000Z","created":"2023-01-01T00:00:00.000Z","profile":{"login":"ann@x.example","email":"Ann@x.example"}}]}"#,
        ),
        (
            "grants.json",
            r#"[{"id":"oag1","scopeId":"okta.roles.manage","issuer":"https://x.okta.com","clientId":"0oa1","status":"ACTIVE","created":"2024-01-01T00:00:00.000Z"},
            {"id":"oag2","scopeId":"okta.users.read","issuer":"https://x.okta.com","clientId":"0oa1","status":"ACTIVE"}]"#,
        ),
    ]);
    assert_eq!(
        held(&reach, "okta"),
        [
            "00u5 | APP_ADMIN | okta | T0 | escalation",
            // The label of a custom role says what somebody called it.
            "00u9 | SUPER_ADMIN | okta | T0 | admin | residue",
            "00u9 | cr0x | okta | - | ",
            "0oa1 | okta.roles.manage | okta | T0 | permissions-management",
            "0oa1 | okta.users.read | okta | T4 | read",
        ]
    );
    let ann = reach.identity_facts.iter().find(|f| &*f.principal_id == "00u5").unwrap();
    assert_eq!(ann.disabled, Some(true));
}

/// What a custom role permits, and how wide its resource set is.
#[test]
fn custom_roles_and_resource_sets() {
    let bound = r#"{"00u9":[
        {"id":"r1","type":"CUSTOM","role":"cr0x","resource-set":"iamall","label":"Helpers","status":"ACTIVE","assignmentType":"USER"},
        {"id":"r2","type":"CUSTOM","role":"cr0x","resource-set":"iamone","label":"Helpers","status":"ACTIVE","assignmentType":"USER"},
        {"id":"r3","type":"CUSTOM","role":"cr0x","resource-set":"iamopen","label":"Helpers","status":"ACTIVE","assignmentType":"USER"},
        {"id":"r4","type":"CUSTOM","role":"cr0r","resource-set":"iamall","label":"Administrators","status":"ACTIVE","assignmentType":"USER"}]}"#;
    let permissions = r#"{"cr0x":{"permissions":[{"label":"okta.users.manage","created":"2024-01-01T00:00:00.000Z"},{"label":"okta.groups.read","created":"2024-01-01T00:00:00.000Z"}]},
        "cr0r":{"permissions":[{"label":"okta.users.read"},{"label":"okta.apps.manage","conditions":{"include":{"okta:ResourceAttribute/User/Profile":["city"]}}}]}}"#;
    let resources = r#"{"iamall":{"resources":[{"id":"ire1","orn":"orn:okta:directory:00o1:users"}]},
        "iamone":{"resources":[{"id":"ire2","orn":"orn:okta:directory:00o1:groups:00g1"}]}}"#;
    let (facts, reach) = files(&[
        ("roles.json", bound),
        ("permissions.json", permissions),
        ("resources.json", resources),
    ]);
    assert!(facts.quarantine.is_empty(), "{:?}", facts.quarantine);
    assert_eq!(
        held(&reach, "okta"),
        [
            "00u9 | cr0r | okta/resource-set:iamall | T4 | read | possibly escalation",
            "00u9 | cr0x | okta/resource-set:iamall | T0 | escalation, read",
            "00u9 | cr0x | okta/resource-set:iamone | T1 | escalation, read",
            "00u9 | cr0x | okta/resource-set:iamopen | T4 |  | possibly escalation, read",
        ]
    );
}
