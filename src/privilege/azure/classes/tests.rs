use std::path::{Path, PathBuf};

use super::super::catalogue::catalogue;
use super::super::permission::blocks;
use super::*;
use crate::facts::Tier;
use crate::facts::time::parse_time;
use crate::privilege::class::Breadth;

fn at() -> Time {
    parse_time("2026-06-30T00:00:00Z").unwrap().unwrap().lo
}

/// Shared data beside the repository.
fn shared(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(path);
    assert!(path.exists(), "this test needs the shared data at `{}`", path.display());
    path
}

fn judged(role: &[Block], condition: Option<&str>, denied: &[Block]) -> Verdict {
    let condition = condition.map(Condition::parse);
    let denied: Vec<&Block> = denied.iter().collect();
    let q = Question { blocks: role, condition: condition.as_ref(), denied: &denied, as_of: at() };
    verdict(&q, catalogue(), &Roster::new(catalogue(), std::iter::empty()))
}

fn built_in(name: &str) -> &'static [Block] {
    let id = catalogue().role_named(name).unwrap();
    &catalogue().roles[id].blocks
}

fn of(json: &str) -> Vec<Block> {
    blocks(json).unwrap()
}

fn words(set: ClassSet) -> Vec<&'static str> {
    set.iter().map(Class::word).collect()
}

#[test]
fn the_roles_that_everybody_knows() {
    let classes = |name: &str| words(judged(built_in(name), None, &[]).certain);
    assert_eq!(classes("Owner")[0], "admin");
    assert_eq!(classes("User Access Administrator")[0], "permissions-management");
    assert_eq!(classes("Contributor")[0], "escalation");
    assert!(!classes("Contributor").contains(&"permissions-management"));
    assert_eq!(classes("Reader"), ["read"]);
    assert_eq!(classes("Key Vault Secrets User"), ["secrets", "data-read"]);
    assert_eq!(classes("Storage Account Key Operator Service Role")[0], "secrets");
    let d = judged(built_in("Storage Blob Data Contributor"), None, &[]);
    assert_eq!(d.certain.tier_at(Breadth::Account), Tier::T2);
    assert!(d.n_operations.is_some() && d.wildcards.is_empty());
}

#[test]
fn custom_roles_by_their_content() {
    let vm = of(
        r#"[{"actions":["Microsoft.Compute/virtualMachines/*"],"notActions":["Microsoft.Compute/virtualMachines/delete"]}]"#,
    );
    let v = judged(&vm, None, &[]);
    assert_eq!(words(v.certain)[0], "escalation");
    assert!(v.strongest.iter().any(|s| s.ends_with("runCommand/action")), "{:?}", v.strongest);
    assert_eq!(v.wildcards, ["microsoft.compute/virtualmachines/*"]);
    // A role that is wide and may not give roles is no administrator.
    let wide = of(r#"[{"actions":["*"],"notActions":["Microsoft.Authorization/*/write"]}]"#);
    assert!(!judged(&wide, None, &[]).certain.contains(Class::Admin));
    // Two blocks together are.
    let two = of(
        r#"[{"actions":["*"],"notActions":["Microsoft.Authorization/*"]},{"actions":["Microsoft.Authorization/roleAssignments/*"]}]"#,
    );
    assert!(judged(&two, None, &[]).certain.contains(Class::Admin));
    // A service that no list knows.
    let new =
        of(r#"[{"actions":["Contoso.New/things/*"],"dataActions":["Contoso.New/things/read"]}]"#);
    assert_eq!(
        words(judged(&new, None, &[]).certain),
        ["destructive", "data-read", "data-write (control plane)", "read"]
    );
    assert_eq!(judged(&[], None, &[]).n_operations, Some(0));
}

#[test]
fn both_wildcard_forms_of_a_segment_fit() {
    let ids =
        of(r#"[{"actions":["Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action"]}]"#);
    assert!(judged(&ids, None, &[]).certain.contains(Class::Escalation));
    let plain =
        of(r#"[{"actions":["Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"]}]"#);
    assert!(judged(&plain, None, &[]).certain.contains(Class::Escalation));
}

/// The class of who may give roles under a condition is that of the roles.
#[test]
fn constrained_delegation() {
    let rbac = built_in("Role Based Access Control Administrator");
    let only = |ids: &str| {
        format!(
            "((!(ActionMatches{{'Microsoft.Authorization/roleAssignments/write'}})) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {{{ids}}}))"
        )
    };
    assert_eq!(words(judged(rbac, None, &[]).certain)[0], "permissions-management");
    let secrets = judged(rbac, Some(&only("4633458b-17de-408a-b874-0445c86b69e6")), &[]);
    assert_eq!(words(secrets.certain)[0], "secrets");
    assert_eq!(secrets.possible.tier_at(Breadth::Account), Tier::T1);
    assert_eq!(secrets.conditions.len(), 1);
    let owner = judged(rbac, Some(&only("8e3af657-a8ff-443c-a75c-2fe8c4bcb635")), &[]);
    assert_eq!(words(owner.certain)[0], "admin");
    let nobody = judged(rbac, Some(&only("00000000-0000-0000-0000-00000000dead")), &[]);
    assert!(nobody.certain.tier_at(Breadth::Account) > Tier::T1);
    assert!(nobody.possible.contains(Class::Permissions), "nobody shows what that role gives");
    // All but the three that administer: what runs code as an identity is left.
    let all_but = "@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAllValues:GuidNotEquals {8e3af657-a8ff-443c-a75c-2fe8c4bcb635, 18d7d88d-d35e-4fb5-a5c3-7773c20a72d9, f58310d9-a9f6-439a-9e8d-f62e7b41a168}";
    assert!(judged(rbac, Some(all_but), &[]).certain.contains(Class::Escalation));
    let unread = judged(rbac, Some("what ( is this"), &[]);
    assert!(unread.certain.is_empty() && unread.possible.contains(Class::Permissions));
}

#[test]
fn a_role_that_may_give_itself_ends() {
    let own = of(
        r#"[{"actions":["Microsoft.Authorization/roleAssignments/write"],"condition":"@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] GuidEquals {c1}"}]"#,
    );
    let q = Question { blocks: &own, condition: None, denied: &[], as_of: at() };
    let roster = Roster::new(catalogue(), std::iter::once(("c1", own.as_slice())));
    assert!(!verdict(&q, catalogue(), &roster).certain.contains(Class::Admin));
}

#[test]
fn denied_operations_are_not_held() {
    let deny = of(r#"[{"actions":["*"],"notActions":["*/read"]}]"#);
    let v = judged(built_in("Owner"), None, &deny);
    assert_eq!(words(v.certain), ["read"]);
    // Data actions are on a plane of their own.
    let v = judged(built_in("Storage Blob Data Contributor"), None, &deny);
    assert!(v.certain.contains(Class::DataWrite));
    let perhaps = of(r#"[{"actions":["*"],"condition":"@Resource[x:y] StringEquals 'a'"}]"#);
    let v = judged(built_in("Owner"), None, &perhaps);
    assert!(v.certain.is_empty() && v.possible.contains(Class::Admin));
    assert_eq!(v.conditions.len(), 1);
}

#[test]
fn a_guard_of_one_data_action_leaves_the_others() {
    let condition = "((!(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'})) OR (@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringEquals 'reports'))";
    let v = judged(built_in("Storage Blob Data Contributor"), Some(condition), &[]);
    assert!(!v.certain.contains(Class::DataRead) && v.possible.contains(Class::DataRead));
    assert!(v.certain.contains(Class::DataWrite) && v.conditions.len() == 1);
}

/// Agreement with AzTier about the roles that both rate: tier 0 or not, on a subscription.
/// `docs/comparisons.md` explains each difference; the numbers there are these.
#[test]
fn agreement_with_aztier() {
    let file = std::fs::read_to_string(shared("azure/azure_role_tiers_aztier.csv")).unwrap();
    let mut csv = csv::Reader::from_reader(file.as_bytes());
    let (mut both, mut missed, mut extra, mut rated) = (0, Vec::new(), Vec::new(), 0);
    for row in csv.records() {
        let row = row.unwrap();
        let Some(role) = catalogue().roles.get(&row[0]) else { continue };
        rated += 1;
        let ours = judged(&role.blocks, None, &[]).certain.tier_at(Breadth::Account) == Tier::T0;
        match (&row[2] == "0", ours) {
            (true, true) => both += 1,
            (true, false) => missed.push(row[1].to_owned()),
            (false, true) => extra.push(row[1].to_owned()),
            (false, false) => {}
        }
    }
    missed.sort();
    extra.sort();
    assert_eq!((rated, both), (136, 32), "missed {missed:?}, extra {extra:?}");
    assert_eq!(
        missed,
        [
            "App Compliance Automation Administrator",
            "Azure File Sync Administrator",
            "Azure Kubernetes Service Cluster User Role",
            "Cognitive Services OpenAI Contributor",
        ]
    );
    assert_eq!(
        extra,
        [
            "Desktop Virtualization Power On Off Contributor",
            "Log Analytics Contributor",
            "Logic Apps Standard Operator (Preview)",
        ]
    );
}
