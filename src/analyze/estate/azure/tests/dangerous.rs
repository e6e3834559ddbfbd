//! Every row of the tables of dangerous permissions (cloud semantics, section 7): it opens a step of a path,
//! or its holder is an end of paths, or it reaches data, or it is listed here with the reason why not.

use std::collections::BTreeSet;

use super::*;

/// Rows that open no step, with the reason.
const NO_STEP: &[(&str, &str)] = &[
    ("AdministrativeUnit.ReadWrite.All", "needs a right to reset or to join beside it"),
    ("Application.ReadWrite.OwnedBy", "its own applications; links of ownership say which"),
    ("AuditLog.Read.All", "reads logs"),
    (
        "Microsoft.ManagedServices/registrationAssignments/write",
        "lets a tenant in only with the right to assign roles, which is a way of its own",
    ),
    (
        "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",
        "signs as far as the data rights of its holder go, and alone for nothing",
    ),
    ("Global Reader", "reads the tenant"),
    ("Conditional Access Administrator", "takes guards away and no identity"),
    ("Policy.ReadWrite.ConditionalAccess", "takes guards away and no identity"),
    ("Security Administrator", "takes guards away and no identity"),
    (
        "Policy.ReadWrite.AuthenticationMethod",
        "lets weaker methods in, which somebody must then set",
    ),
    ("DeviceManagementConfiguration.ReadWrite.All", "who uses which device, no input says"),
    ("DeviceManagementScripts.ReadWrite.All", "who uses which device, no input says"),
    (
        "External Identity Provider Administrator",
        "new users of a foreign provider, none that exist",
    ),
    ("Synchronization.ReadWrite.All", "what provisioning writes, no input says"),
    ("User.ReadWrite.All", "edits users; passwords need a permission of their own"),
];

/// What a row does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    /// Opens a step to another identity.
    Step,
    /// Gives away rights: the holder is where paths end.
    End,
    /// Reads, changes or destroys data, and takes no identity.
    Data,
    Nothing,
}

fn rows(file: &str) -> Vec<(String, csv::StringRecord)> {
    let text = std::fs::read_to_string(shared(file)).unwrap();
    let mut csv = csv::ReaderBuilder::new().has_headers(true).from_reader(text.as_bytes());
    csv.records().map(|r| r.unwrap()).map(|r| (r[1].to_owned(), r)).collect()
}

fn does(s: &Scan, who: &str) -> Does {
    if s.derived.escalations.iter().any(|e| &*e.principal_id == who) {
        return Does::Step;
    }
    let has = |words: &[&str]| {
        s.derived
            .holdings
            .iter()
            .filter(|h| &*h.principal_id == who)
            .any(|h| h.classes.iter().any(|c| words.contains(&&**c)))
    };
    if has(&["admin", "permissions-management"]) {
        Does::End
    } else if has(&["secrets", "data-read", "data-write", "destructive"]) {
        Does::Data
    } else {
        Does::Nothing
    }
}

/// Rows that do nothing must be listed, and those that are listed must do nothing.
fn hold(found: &[(String, Does)], listed: &[(&str, &str)]) {
    let quiet: BTreeSet<&str> =
        found.iter().filter(|(_, d)| *d == Does::Nothing).map(|(p, _)| p.as_str()).collect();
    let told: BTreeSet<&str> = listed.iter().map(|(p, _)| *p).collect();
    let silent: Vec<_> = quiet.difference(&told).collect();
    assert!(silent.is_empty(), "they open nothing, and no reason is listed: {silent:#?}");
    let known: BTreeSet<&str> = found.iter().map(|(p, _)| p.as_str()).collect();
    let stale: Vec<_> =
        told.iter().filter(|p| known.contains(**p) && !quiet.contains(**p)).collect();
    assert!(stale.is_empty(), "they are listed, and open something: {stale:?}");
    assert!(listed.iter().all(|(_, why)| why.len() > 8));
}

#[test]
fn operations_of_the_resource_manager() {
    let list = rows("azure/dangerous_permissions.csv");
    assert_eq!(list.len(), 102);
    let mut definitions = Vec::new();
    let mut assignments = vec![assignment("mi", "mi", "ServicePrincipal", OWNER, SUB)];
    let mut families: BTreeSet<String> = BTreeSet::new();
    for (i, (operation, row)) in list.iter().enumerate() {
        definitions.push(format!(
            r#"{{"id":"/x/roleDefinitions/c{i}","name":"c{i}","roleName":"role {i}","roleType":"CustomRole","assignableScopes":["/"],"permissions":[{{"{}":["{operation}"]}}]}}"#,
            &row[2]
        ));
        assignments.push(assignment(
            &format!("a{i}"),
            &format!("p{i}"),
            "User",
            &format!("c{i}"),
            SUB,
        ));
        let mut parts = operation.split('/');
        let family = format!("{}/{}", parts.next().unwrap(), parts.next().unwrap());
        // Records of these are read as what they are, and run nothing.
        if !["Microsoft.ManagedServices", "Microsoft.Authorization"]
            .iter()
            .any(|p| family.starts_with(p))
        {
            families.insert(family);
        }
    }
    let resources: Vec<String> = families
        .iter()
        .map(|f| {
            format!(
                r#"{{"id":"{SUB}/resourceGroups/g/providers/{f}/x","name":"x","type":"{f}","identity":{{"principalId":"mi","type":"SystemAssigned"}}}}"#
            )
        })
        .collect();
    let (_dir, s) = files(&[
        ("defs.json", &format!("[{}]", definitions.join(","))),
        ("ra.json", &format!("[{}]", assignments.join(","))),
        ("resources.json", &format!("[{}]", resources.join(","))),
        // A policy runs with an identity of its own.
        (
            "sps.json",
            &format!(
                r#"[{{"id":"mi","appId":"app","displayName":"policy","servicePrincipalType":"ManagedIdentity","accountEnabled":true,"alternativeNames":["isExplicit=False","{SUB}/providers/Microsoft.Authorization/policyAssignments/pa"]}}]"#
            ),
        ),
    ]);
    assert!(s.facts.quarantine.is_empty(), "{:?}", s.facts.quarantine);
    let found: Vec<(String, Does)> = list
        .iter()
        .enumerate()
        .map(|(i, (operation, _))| (operation.clone(), does(&s, &format!("p{i}"))))
        .collect();
    // The classes of the table are what rows of it do.
    for ((operation, does), (_, row)) in found.iter().zip(&list) {
        let fits = match &row[3] {
            "permissions-management" => *does == Does::End,
            "escalation" => matches!(does, Does::Step | Does::Nothing),
            _ => *does != Does::Nothing,
        };
        let listed = NO_STEP.iter().any(|(p, _)| p == operation);
        assert!(fits || listed, "{operation} is {} and {does:?}", &row[3]);
    }
    hold(&found, NO_STEP);
}

#[test]
fn roles_of_the_directory_and_permissions_of_graph() {
    let list = rows("azure/entra_dangerous.csv");
    assert_eq!(list.len(), 59);
    let (mut roles, mut grants) = (Vec::new(), Vec::new());
    for (i, (_, row)) in list.iter().enumerate() {
        let (who, id) = (format!("p{i}"), &row[2]);
        if &row[0] == "entra-role" {
            roles.push(format!(
                r#"{{"id":"r{i}","principalId":"{who}","roleDefinitionId":"{id}","directoryScopeId":"/"}}"#
            ));
        } else {
            grants.push(format!(
                r#"{{"id":"g{i}","appRoleId":"{id}","principalId":"{who}","principalType":"ServicePrincipal","principalDisplayName":"{who}","resourceId":"graph","resourceDisplayName":"Microsoft Graph"}}"#
            ));
        }
    }
    let held = format!(
        "[{},{},{}]",
        assignment("1", "sp", "ServicePrincipal", OWNER, SUB),
        assignment("2", "grp", "Group", OWNER, SUB),
        assignment("3", "boss", "User", OWNER, SUB),
    );
    let sps = r#"[{"id":"sp","appId":"app","displayName":"deploy","servicePrincipalType":"Application","accountEnabled":true}]"#;
    let (_dir, s) = files(&[
        ("directory.json", &format!(r#"{{"value":[{}]}}"#, roles.join(","))),
        ("graph.json", &format!(r#"{{"value":[{}]}}"#, grants.join(","))),
        ("ra.json", &held),
        ("sps.json", sps),
    ]);
    assert!(s.facts.quarantine.is_empty(), "{:?}", s.facts.quarantine);
    let found: Vec<(String, Does)> = list
        .iter()
        .enumerate()
        .map(|(i, (name, _))| (name.clone(), does(&s, &format!("p{i}"))))
        .collect();
    hold(&found, NO_STEP);
}
