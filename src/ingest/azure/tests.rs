use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::facts::{BindingKind, CredentialKind, Layer, Outcome, PrincipalKind, UsageGrain};
use crate::ingest::Ingested;
use crate::ingest::driver::ingest_bytes;
use crate::settings::Settings;

fn shared(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(path);
    assert!(path.exists(), "this test needs the shared data at `{}`", path.display());
    path
}

fn read(name: &str, content: &str) -> Ingested {
    ingest_bytes(name, content.as_bytes(), &Settings::defaults()).unwrap()
}

fn sample(path: &str) -> Ingested {
    read(path.rsplit('/').next().unwrap(), &std::fs::read_to_string(shared(path)).unwrap())
}

fn format(found: &Ingested) -> &str {
    assert_eq!(found.failed.iter().map(|f| &f.error).collect::<Vec<_>>(), Vec::<&String>::new());
    &found.facts.sources[0].format
}

fn reasons(found: &Ingested) -> Vec<&str> {
    found.facts.quarantine.iter().map(|q| &*q.reason).collect()
}

/// A list out of a fixture that holds several under keys.
fn part(path: &str, key: &str) -> String {
    let all: Value = serde_json::from_str(&std::fs::read_to_string(shared(path)).unwrap()).unwrap();
    all[key].to_string()
}

#[test]
fn assignments_in_every_wrapping() {
    let flat = sample("azure/shape/az_role_assignment_list.json");
    assert_eq!((format(&flat), flat.facts.entitlements.len()), ("azure-role-assignments", 9));
    let first = &flat.facts.entitlements[0];
    assert_eq!(
        (&*first.scope, first.scope_rank),
        ("/subscriptions/5aa00000-0000-4000-8000-000000000001", Some(2))
    );
    assert_eq!(&*first.role_id, "8e3af657-a8ff-443c-a75c-2fe8c4bcb635");
    let ranks: Vec<_> = flat.facts.entitlements.iter().map(|e| e.scope_rank.unwrap()).collect();
    assert_eq!(ranks, [2, 2, 4, 3, 1, 1, 1, 0, 2]);
    // The same as the resource manager prints it, as lines, and from PowerShell.
    let list: Vec<Value> = serde_json::from_str(
        &std::fs::read_to_string(shared("azure/shape/az_role_assignment_list.json")).unwrap(),
    )
    .unwrap();
    let arm: Vec<Value> = list
        .iter()
        .map(|v| {
            let mut inner = v.clone();
            let map = inner.as_object_mut().unwrap();
            let head = ["id", "name", "type"].map(|k| (k.to_owned(), map.remove(k).unwrap()));
            let mut out: serde_json::Map<String, Value> = head.into_iter().collect();
            out.insert("properties".into(), inner);
            Value::Object(out)
        })
        .collect();
    let lines: Vec<String> = list.iter().map(Value::to_string).collect();
    for other in [
        read("x.json", &serde_json::json!({ "value": arm }).to_string()),
        read("x.json", &serde_json::json!({ "Value": arm, "nextLink": null }).to_string()),
        read("x.ndjson", &lines.join("\n")),
    ] {
        let key = |f: &Ingested| -> Vec<_> {
            let rows = f.facts.entitlements.iter();
            rows.map(|e| (e.entitlement_id.clone(), e.condition.clone(), e.bound_at_lo)).collect()
        };
        assert_eq!(key(&other), key(&flat));
    }
    let csv = sample("azure/shape/Get-AzRoleAssignment.csv");
    assert_eq!((format(&csv), csv.facts.entitlements.len()), ("azure-role-assignments", 2));
    assert_eq!(
        csv.facts.entitlements[1].origin_hint.as_deref(),
        Some(crate::privilege::azure::ORPHAN)
    );
    assert_eq!(csv.facts.entitlements[1].condition, None, "an empty cell is no condition");
    let limit = flat.facts.sources[0].limitation.as_deref().unwrap();
    assert!(limit.contains("one subscription") && limit.contains("2026-08-22"), "{limit}");
}

#[test]
fn a_failed_look_up_is_told_from_a_principal_that_is_gone() {
    let row = |extra: &str| {
        format!(
            r#"[{{"scope":"/subscriptions/s","roleDefinitionId":"r","principalId":"P","principalType":"User"{extra}}}]"#
        )
    };
    let asked = read("a.json", &row(r#","principalName":"""#));
    assert_eq!(
        asked.facts.entitlements[0].origin_hint.as_deref(),
        Some(crate::privilege::azure::ORPHAN)
    );
    let unasked = read("a.json", &row(""));
    assert_eq!(unasked.facts.entitlements[0].origin_hint, None);
    assert!(unasked.facts.sources[0].limitation.as_deref().unwrap().contains("was not asked"));
}

#[test]
fn definitions_of_both_services_and_of_powershell() {
    let custom = sample("azure/shape/az_role_definition_list_custom.json");
    let role = &custom.facts.roles[0];
    assert_eq!(
        (&*role.role_id, &*role.name),
        ("c0000000-0000-4000-8000-00000000c001", "Contoso VM Operator")
    );
    assert!(!role.provider_managed && role.document.as_deref().unwrap().contains("notActions"));
    let shell = read(
        "r.json",
        r#"[{"Name":"My Role","Id":"C1","IsCustom":true,"Actions":["a/read"],"NotActions":[],"DataActions":["b/write"],"NotDataActions":[],"AssignableScopes":["/"]}]"#,
    );
    assert_eq!(shell.facts.roles[0].role_id.as_ref(), "c1");
    assert_eq!(
        shell.facts.roles[0].document.as_deref(),
        Some(r#"[{"actions":["a/read"],"dataActions":["b/write"]}]"#)
    );
    let graph = sample("azure/shape/graph_roleDefinitions.json");
    assert_eq!((format(&graph), graph.facts.roles.len()), ("azure-role-definitions", 3));
    assert!(graph.facts.roles.iter().all(|r| r.document.is_none()));
    let all = read(
        "d.json",
        &part("azure/cartography/entra_directory_roles.json", "MOCK_ROLE_DEFINITIONS"),
    );
    assert_eq!(all.facts.roles.len(), 2);
    let held = read(
        "d.json",
        &part("azure/cartography/entra_directory_roles.json", "MOCK_ROLE_ASSIGNMENTS"),
    );
    assert_eq!((format(&held), held.facts.entitlements.len()), ("entra-role-assignments", 3));
    assert_eq!(&*held.facts.entitlements[0].privilege, "Global Administrator");
}

#[test]
fn applications_and_their_credentials() {
    let apps = sample("azure/shape/az_ad_app_list.json");
    assert_eq!(
        (format(&apps), apps.facts.sources[0].layer),
        ("entra-applications", Layer::Credential)
    );
    let c = &apps.facts.credentials;
    assert_eq!(c.len(), 2);
    assert!(c.iter().all(|c| c.kind == CredentialKind::Key && c.no_expiry == Some(false)));
    let sps = sample("azure/shape/az_ad_sp_list.json");
    assert_eq!(sps.facts.credentials.len(), 1, "keys of a managed identity are the platform's");
    assert!(
        sps.facts.sources[0].limitation.as_deref().unwrap().contains("1 credentials of managed")
    );
    let kinds: Vec<_> = sps.facts.principals.iter().map(|p| (p.kind, p.disabled)).collect();
    assert_eq!(
        kinds,
        [
            (PrincipalKind::App, Some(false)),
            (PrincipalKind::Workload, Some(false)),
            (PrincipalKind::App, Some(true))
        ]
    );
    let many = read(
        "a.json",
        &part("azure/cartography/entra_applications.json", "MOCK_ENTRA_APPLICATIONS"),
    );
    assert_eq!((format(&many), reasons(&many).len()), ("entra-applications", 0));
    // A secret without an end has none.
    let open = read(
        "a.json",
        r#"[{"appId":"a","id":"o","passwordCredentials":[{"keyId":"0123456789","startDateTime":"2026-01-01T00:00:00Z","endDateTime":null,"secretText":"TOP"}]}]"#,
    );
    let c = &open.facts.credentials[0];
    assert_eq!((&*c.credential_id, c.no_expiry), ("01234567...", Some(true)));
    assert!(!format!("{:?}", open.facts).contains("TOP"));
}

#[test]
fn files_that_do_not_say_whose() {
    let lone = read(
        "c.json",
        r#"[{"keyId":"k","startDateTime":"2026-01-01T00:00:00Z","endDateTime":"2027-01-01T00:00:00Z","displayName":"x","hint":"abc"}]"#,
    );
    assert!(reasons(&lone)[0].contains(".realm"));
    let settings: Settings =
        Settings::parse("[[mapping]]\nfile = '*.json'\nrealm = 'APP-1'").unwrap();
    let told = ingest_bytes("c.json", br#"[{"keyId":"k","startDateTime":"2026-01-01T00:00:00Z","endDateTime":null,"displayName":"x"}]"#, &settings).unwrap();
    assert_eq!(&*told.facts.credentials[0].principal, "app-1");
    let page = read(
        "f.json",
        r#"{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#applications('O-1')/federatedIdentityCredentials","value":[{"id":"f","name":"n","issuer":"https://x","subject":"s","audiences":["a"]}]}"#,
    );
    assert_eq!(&*page.facts.links[0].target_id, "o-1");
    let settings =
        Settings::parse("[[mapping]]\nfile = '*.json'\nrealm = 'groups/G1/members'").unwrap();
    let list =
        r##"{"value":[{"@odata.type":"#microsoft.graph.user","id":"A","displayName":"Ann"}]}"##;
    let told = ingest_bytes("m.json", list.as_bytes(), &settings).unwrap();
    let m = &told.facts.memberships[0];
    assert_eq!((&*m.principal_id, &*m.group_id), ("a", "g1"));
    assert!(reasons(&read("m.json", list))[0].contains("does not say of what"));
}

#[test]
fn the_directory_of_the_fixtures() {
    let users = read("u.json", &part("azure/cartography/entra_users.json", "MOCK_ENTRA_USERS"));
    assert_eq!(format(&users), "entra-directory");
    assert!(users.facts.principals.iter().all(|p| p.kind == PrincipalKind::Human && p.inventoried));
    let groups = read("g.json", &part("azure/cartography/entra_groups.json", "MOCK_ENTRA_GROUPS"));
    assert!(groups.facts.principals.iter().all(|p| p.kind == PrincipalKind::Group));
    let tree = read(
        "m.json",
        &part("azure/cartography/azure_management_groups.json", "EXPANDED_PARENT_MANAGEMENT_GROUP"),
    );
    assert_eq!(format(&tree), "azure-resources");
    let parents: Vec<_> = tree
        .facts
        .realms
        .iter()
        .map(|r| {
            (
                r.realm_id.rsplit('/').next().unwrap(),
                r.parent_id.as_deref().and_then(|p| p.rsplit('/').next()),
            )
        })
        .collect();
    assert_eq!(
        parents,
        [
            ("test-management-group", Some("11111111-2222-3333-4444-555555555555")),
            ("test-child-mgmt-group", Some("test-management-group")),
            ("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", Some("test-child-mgmt-group")),
        ]
    );
    let grants = read(
        "g.json",
        &part("azure/cartography/entra_applications.json", "MOCK_APP_ROLE_ASSIGNMENTS"),
    );
    assert_eq!(format(&grants), "entra-role-assignments");
}

#[test]
fn access_policies_of_vaults() {
    let vault = |rbac: bool| {
        read(
            "v.json",
            &format!(
                r#"[{{"id":"/subscriptions/S/resourceGroups/G/providers/Microsoft.KeyVault/vaults/V","name":"V","type":"Microsoft.KeyVault/vaults","properties":{{"vaultUri":"https://v","enableRbacAuthorization":{rbac},"accessPolicies":[{{"tenantId":"t","objectId":"P","permissions":{{"secrets":["Get","List"],"keys":["all"],"certificates":[]}}}}]}}}}]"#
            ),
        )
    };
    let open = vault(false);
    assert_eq!((format(&open), open.facts.entitlements.len()), ("azure-resources", 1));
    assert_eq!(open.facts.entitlements[0].scope_rank, Some(0));
    let document = open.facts.roles[0].document.as_deref().unwrap();
    assert!(document.contains("secrets/getSecret/action") && document.contains("keys/sign/action"));
    assert!(!document.contains("setSecret"));
    assert!(vault(true).facts.entitlements.is_empty(), "role-based: policies have no effect");
}

#[test]
fn logs_and_sign_ins() {
    let log = sample("azure/shape/az_monitor_activity_log_list.json");
    assert_eq!(format(&log), "azure-activity-log");
    let u = &log.facts.usage;
    assert_eq!((u.len(), &*u[1].principal), (2, "root@contoso.example"));
    assert_eq!(u[1].action.as_deref(), Some("microsoft.authorization/elevateaccess/action"));
    let diagnostic = sample("azure/panther/azure_activity_rules.ndjson");
    assert_eq!((format(&diagnostic), reasons(&diagnostic).len()), ("azure-activity-log", 0));
    let limit = diagnostic.facts.sources[0].limitation.as_deref().unwrap();
    assert!(limit.contains("name no caller"), "{limit}");
    let activity = sample("azure/shape/graph_servicePrincipalSignInActivities.json");
    assert_eq!(format(&activity), "entra-sign-in-activity");
    assert!(activity.facts.usage.iter().all(|u| u.grain == UsageGrain::Identity));
    let never = read("s.json", r#"{"value":[{"id":"x","appId":"a","lastSignInActivity":null}]}"#);
    assert_eq!((never.facts.usage[0].last_at, never.facts.usage[0].count), (None, Some(0)));
    // One export of diagnostic settings holds audits and sign-ins.
    let mixed = sample("azure/panther/azure_signin_rules.ndjson");
    assert_eq!(format(&mixed), "entra-pim-audit");
    let signs: Vec<_> =
        mixed.facts.usage.iter().filter(|u| u.action.as_deref() == Some("sign-in")).collect();
    assert!(signs.len() > 20, "{}", signs.len());
    assert!(signs.iter().any(|u| u.outcome == Outcome::Denied));
    let first = r#"{"time":"2026-01-01T00:00:00Z","category":"SignInLogs","operationName":"Sign-in activity","properties":{"userPrincipalName":"A@x.y","ipAddress":"1.1.1.1"}}"#;
    assert_eq!(format(&read("s.json", first)), "entra-sign-ins");
    let refused = first.replace("\"ipAddress\"", "\"status\":{\"errorCode\":50126},\"ipAddress\"");
    assert_eq!(read("s.json", &refused).facts.usage[0].outcome, Outcome::Denied);
    let forbidden = r#"[{"eventTimestamp":"2026-01-01T00:00:00Z","operationName":{"value":"a/write"},"caller":"c","status":{"value":"Failed"},"subStatus":{"value":"Forbidden"}},{"eventTimestamp":"2026-01-01T00:00:00Z","operationName":{"value":"a/write"},"caller":"c","status":{"value":"Started"}}]"#;
    let found = read("l.json", forbidden);
    assert_eq!((found.facts.usage.len(), found.facts.usage[0].outcome), (1, Outcome::Denied));
    assert!(found.facts.sources[0].limitation.as_deref().unwrap().contains("1 records are steps"));
}

/// A schedule's instance and the assignment that it made are one binding.
#[test]
fn an_assignment_that_a_schedule_made_is_kept_once() {
    let dir = tempfile::tempdir().unwrap();
    for name in [
        "az_role_assignment_list.json",
        "pim_roleAssignmentScheduleInstances.json",
        "pim_roleEligibilityScheduleInstances.json",
    ] {
        std::fs::copy(shared("azure/shape").join(name), dir.path().join(name)).unwrap();
    }
    let found = crate::ingest::ingest(&[dir.path().to_path_buf()], &Settings::defaults()).unwrap();
    let e = &found.facts.entitlements;
    assert_eq!(e.len(), 9 + 3 + 1 - 1);
    assert_eq!(e.iter().filter(|e| &*e.principal_id == "p-sp-ci").count(), 1);
    assert_eq!(e.iter().filter(|e| e.binding_kind == BindingKind::Eligible).count(), 1);
    // A second file with the same list adds nothing, and fills what the first left open.
    std::fs::copy(shared("azure/shape/Get-AzRoleAssignment.csv"), dir.path().join("a.csv"))
        .unwrap();
    let found = crate::ingest::ingest(&[dir.path().to_path_buf()], &Settings::defaults()).unwrap();
    let e = &found.facts.entitlements;
    assert_eq!(e.len(), 9 + 3 + 1 - 1);
    let gone = e.iter().find(|e| &*e.principal_id == "p-gone").unwrap();
    assert!(gone.bound_at_lo.is_some(), "the table has no date of creation, the list has");
}

fn head(s: &str) -> String {
    s.chars().take(80).collect()
}

/// Deep nesting, wrong types, huge texts and bytes that are no text cost records, never the run.
#[test]
fn hostile_exports() {
    let deep = format!("{}1{}", "{\"children\":[".repeat(5_000), "]}".repeat(5_000));
    let long = "x".repeat(2_000_000);
    let good = r#"{"scope":"/subscriptions/s","roleDefinitionId":"r","principalId":"p","principalName":"n"}"#;
    let other = good.replace("\"p\"", "\"q\"");
    for bad in [
        r#"{"scope":1,"roleDefinitionId":[],"principalId":{}}"#.to_owned(),
        r#"{"scope":"/s","roleDefinitionId":"r","principalId":"p","createdOn":"not a time"}"#
            .into(),
        r#"{"denyAssignmentName":"d","principals":{},"scope":"/"}"#.into(),
        r#"{"permissions":[[[]]],"roleName":7,"name":null}"#.into(),
        r#"{"appId":"a","passwordCredentials":[{"keyId":1}]}"#.into(),
        r#"{"issuer":"i","audiences":"a","subject":null}"#.into(),
        r#"{"type":"Microsoft.Management/managementGroups","id":null}"#.into(),
        r#"{"operationName":{"value":[]},"eventTimestamp":5}"#.into(),
        "[1,2]".into(),
        "null".into(),
        deep,
    ] {
        let found = read("x.ndjson", &format!("{good}\n{bad}\n{other}\n"));
        assert_eq!(found.facts.entitlements.len(), 2, "{}", head(&bad));
        assert_eq!(found.facts.quarantine.len(), 1, "{}", head(&bad));
    }
    let nested = (0..40).fold(String::from("[]"), |inner, i| {
        format!(r#"[{{"id":"/providers/Microsoft.Management/managementGroups/m{i}","type":"Microsoft.Management/managementGroups","children":{inner}}}]"#)
    });
    assert!(reasons(&read("m.json", &nested))[0].contains("deeper than"));
    let huge = read(
        "x.json",
        &format!(
            r#"[{good},{{"scope":"/{long}","roleDefinitionId":"r","principalId":"p","condition":"{long}"}}]"#
        ),
    );
    assert_eq!(huge.facts.entitlements.len(), 2);
    let mut bytes = good.as_bytes().to_vec();
    bytes.extend_from_slice(
        b"\n{\"scope\":\"\xff\xfe\",\"roleDefinitionId\":\"r\",\"principalId\":\"p\"}\n",
    );
    let found = ingest_bytes("x.ndjson", &bytes, &Settings::defaults()).unwrap();
    assert_eq!((found.facts.entitlements.len(), found.facts.quarantine.len()), (1, 1));
    let csv = read(
        "a.csv",
        "RoleAssignmentId,Scope,RoleDefinitionId,ObjectId,ObjectType\na,/subscriptions/s,r,p,User\nb,c\n\"x\n",
    );
    assert_eq!((csv.facts.entitlements.len(), csv.facts.quarantine.len()), (1, 2));
}
