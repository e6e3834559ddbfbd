//! Management groups: what the tree shows, in every export of it, and what its absence leaves open.

use super::*;

const GROUP: &str = "/providers/Microsoft.Management/managementGroups/mg";
const OTHER: &str = "/providers/Microsoft.Management/managementGroups/other";

/// The subscription `s1` below `mg` and `other` beside it, as each export writes it.
fn trees() -> Vec<(&'static str, String)> {
    let show = format!(
        r#"{{"id":"{GROUP}","name":"mg","type":"Microsoft.Management/managementGroups","tenantId":"t1","displayName":"mg","details":{{"parent":{{"id":"/providers/Microsoft.Management/managementGroups/t1"}}}},"children":[{{"id":"{SUB}","name":"s1","type":"/subscriptions","displayName":"one"}}]}}"#
    );
    let descendants = format!(
        r#"{{"value":[{{"id":"{SUB}","type":"Microsoft.Management/managementGroups/subscriptions","name":"s1","properties":{{"displayName":"one","parent":{{"id":"{GROUP}"}}}}}},{{"id":"{GROUP}","type":"Microsoft.Management/managementGroups","name":"mg","properties":{{"displayName":"mg","tenantId":"t1","parent":{{"id":"/providers/Microsoft.Management/managementGroups/t1"}}}}}}]}}"#
    );
    let entities = format!(
        r#"[{{"id":"{SUB}","name":"s1","type":"/subscriptions","displayName":"one","tenantId":"t1","parent":{{"id":"{GROUP}"}},"parentNameChain":["t1","mg"]}},{{"id":"{GROUP}","name":"mg","type":"Microsoft.Management/managementGroups","tenantId":"t1","parent":{{"id":"/providers/Microsoft.Management/managementGroups/t1"}}}}]"#
    );
    let under = format!(
        r#"[{{"id":"{GROUP}/subscriptions/s1","name":"s1","type":"Microsoft.Management/managementGroups/subscriptions","displayName":"one","state":"Active","parent":{{"id":"{GROUP}"}}}},{{"id":"{GROUP}","name":"mg","type":"Microsoft.Management/managementGroups","tenantId":"t1","parent":{{"id":"/providers/Microsoft.Management/managementGroups/t1"}}}}]"#
    );
    let graph = format!(
        r#"{{"count":1,"data":[{{"id":"{SUB}","name":"one","type":"microsoft.resources/subscriptions","subscriptionId":"s1","tenantId":"t1","properties":{{"managementGroupAncestorsChain":[{{"name":"mg","displayName":"mg"}},{{"name":"t1","displayName":"Tenant Root Group"}}]}}}}],"total_records":1}}"#
    );
    vec![
        ("show -e", show),
        ("descendants", descendants),
        ("entities list", entities),
        ("show-sub-under-mg", under),
        ("resource graph", graph),
    ]
}

fn estate() -> (String, String) {
    let roles = format!(
        "[{},{},{}]",
        assignment("1", "op", "User", VM, GROUP),
        assignment("2", "far", "User", VM, OTHER),
        assignment("3", "mi", "ServicePrincipal", OWNER, SUB),
    );
    let vm = format!("{SUB}/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v");
    let resources = format!(
        r#"[{{"id":"{vm}","name":"v","type":"Microsoft.Compute/virtualMachines","identity":{{"principalId":"mi","type":"SystemAssigned"}}}}]"#
    );
    (roles, resources)
}

#[test]
fn every_export_of_the_tree_places_a_subscription() {
    let (roles, resources) = estate();
    for (name, tree) in trees() {
        let (_dir, s) =
            files(&[("ra.json", &roles), ("vm.json", &resources), ("tree.json", &tree)]);
        assert!(s.facts.quarantine.is_empty(), "{name}: {:?}", s.facts.quarantine);
        assert!(s.unknown_files.is_empty(), "{name}: {:?}", s.unknown_files);
        let e = path(&s, "op");
        assert_eq!((&*e.target_id, e.verdict), ("mi", Tri::Yes), "{name}");
        let far = s.derived.escalations.iter().filter(|e| &*e.principal_id == "far").count();
        assert_eq!(far, 0, "{name}: the branch is known up to the root, so `other` is elsewhere");
    }
}

#[test]
fn without_a_tree_a_way_is_possible() {
    let (roles, resources) = estate();
    let (_dir, s) = files(&[("ra.json", &roles), ("vm.json", &resources)]);
    for who in ["op", "far"] {
        let e = path(&s, who);
        assert_eq!((&*e.target_id, e.verdict), ("mi", Tri::Conditional), "{who}");
        assert!(
            e.conditions.iter().any(|c| c.contains("no input holds the tree")),
            "{:?}",
            e.conditions
        );
    }
}

/// A deny at a management group takes for certain what is below it, and nothing elsewhere; without the
/// tree it takes the certainty.
#[test]
fn deny_assignments_at_management_groups() {
    let group = GROUP.to_ascii_lowercase();
    let roles = format!("[{}]", assignment("1", "ann", "User", OWNER, SUB));
    let deny = format!(
        r#"[{{"id":"{GROUP}/d","name":"d","denyAssignmentName":"frozen","scope":"{GROUP}","doNotApplyToChildScopes":false,"permissions":[{{"actions":["*"],"notActions":["*/read"]}}],"principals":[{{"id":"00000000-0000-0000-0000-000000000000","type":"SystemDefined"}}],"excludePrincipals":[]}}]"#
    );
    for (name, tree) in trees() {
        let (_dir, s) = files(&[("ra.json", &roles), ("deny.json", &deny), ("tree.json", &tree)]);
        assert_eq!(held(&s, "ann", "Owner").tier, Some(Tier::T4), "{name}");
    }
    let (_dir, s) = files(&[("ra.json", &roles), ("deny.json", &deny)]);
    let h = held(&s, "ann", "Owner");
    assert_eq!((h.tier, h.tier_possible), (Some(Tier::T4), Some(Tier::T0)));
    assert!(h.conditions.iter().any(|c| c.contains(&group)), "{:?}", h.conditions);
    let elsewhere = trees()[0].1.replace(SUB, "/subscriptions/s2").replace("s1", "s2");
    let placed = format!(
        r#"[{elsewhere},{{"id":"{OTHER}","name":"other","type":"Microsoft.Management/managementGroups","tenantId":"t1","details":{{"parent":{{"id":"/providers/Microsoft.Management/managementGroups/t1"}}}},"children":[{{"id":"{SUB}","name":"s1","type":"/subscriptions"}}]}}]"#
    );
    let (_dir, s) = files(&[("ra.json", &roles), ("deny.json", &deny), ("tree.json", &placed)]);
    assert_eq!(held(&s, "ann", "Owner").tier, Some(Tier::T0), "another branch");
}

/// Use in a subscription is use of what a management group gives, if the tree says so; else nothing is
/// said.
#[test]
fn use_below_a_management_group() {
    let roles = format!("[{}]", assignment("1", "ann", "User", VM, GROUP));
    let log = format!(
        r#"[{{"caller":"ann","claims":{{"http://schemas.microsoft.com/identity/claims/objectidentifier":"ann"}},"eventTimestamp":"2026-06-20T10:00:00Z","operationName":{{"value":"Microsoft.Compute/virtualMachines/restart/action"}},"resourceId":"{SUB}/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v","status":{{"value":"Succeeded"}},"authorization":{{"action":"Microsoft.Compute/virtualMachines/restart/action","scope":"{SUB}/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v"}}}}]"#
    );
    let (_dir, s) = files(&[("ra.json", &roles), ("log.json", &log), ("tree.json", &trees()[0].1)]);
    let h = held(&s, "ann", "Virtual Machine Contributor");
    assert_eq!((h.used, h.idle_days), (Some(true), Some(10)));
    let (_dir, s) = files(&[("ra.json", &roles), ("log.json", &log)]);
    let h = held(&s, "ann", "Virtual Machine Contributor");
    assert_eq!((h.used, h.use_unknown.as_deref()), (None, Some("scope_tree_missing")));
}
