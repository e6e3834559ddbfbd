//! Delegations to other tenants, classic administrators, groups that may hold directory roles.

use super::*;

const UAA: &str = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9";
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";

fn definition() -> String {
    format!(
        r#"{{"id":"{SUB}/providers/Microsoft.ManagedServices/registrationDefinitions/d1","name":"d1","type":"Microsoft.ManagedServices/registrationDefinitions","properties":{{"registrationDefinitionName":"operations","managedByTenantId":"vendor-tenant","manageeTenantId":"our-tenant","provisioningState":"Succeeded","authorizations":[{{"principalId":"v-ops","principalIdDisplayName":"Vendor operations","roleDefinitionId":"{VM}"}},{{"principalId":"v-uaa","roleDefinitionId":"{UAA}","delegatedRoleDefinitionIds":["{READER}"]}}],"eligibleAuthorizations":[{{"principalId":"v-el","roleDefinitionId":"{OWNER}"}}]}}}}"#
    )
}

fn assigned(definition: Option<&str>) -> String {
    let inner = definition.map(|d| format!(r#","registrationDefinition":{d}"#)).unwrap_or_default();
    format!(
        r#"[{{"id":"{SUB}/providers/Microsoft.ManagedServices/registrationAssignments/a1","name":"a1","type":"Microsoft.ManagedServices/registrationAssignments","properties":{{"registrationDefinitionId":"{SUB}/providers/Microsoft.ManagedServices/registrationDefinitions/d1","provisioningState":"Succeeded"{inner}}}}}]"#
    )
}

#[test]
fn a_delegation_is_held_by_the_other_tenant() {
    let inside = assigned(Some(&definition()));
    let apart = [("d.json", format!("[{}]", definition())), ("a.json", assigned(None))];
    let one = [("a.json", inside)];
    for inputs in [&apart[..], &one[..]] {
        let list: Vec<(&str, &str)> = inputs.iter().map(|(n, c)| (*n, c.as_str())).collect();
        let (_dir, s) = files(&list);
        assert!(s.facts.quarantine.is_empty(), "{:?}", s.facts.quarantine);
        let ops = held(&s, "v-ops", "Virtual Machine Contributor");
        assert_eq!((&*ops.scope, ops.standing), (SUB, Standing::Standing));
        // It may assign reading only: the roles it may give away limit it.
        let uaa = held(&s, "v-uaa", "User Access Administrator");
        assert!(uaa.tier > Some(Tier::T1), "{:?} {:?}", uaa.tier, uaa.classes);
        assert_eq!(held(&s, "v-el", "Owner").standing, Standing::Eligible);
        let outside: Vec<&Finding> =
            s.view.findings.iter().filter(|f| f.rule == "EXT-001").collect();
        assert!(
            outside.iter().any(|f| f.principal.as_deref() == Some("v-ops")),
            "{:?}",
            outside.iter().map(|f| &f.message).collect::<Vec<_>>()
        );
        let links = s.facts.links.iter().filter(|l| l.kind.starts_with("lighthouse")).count();
        assert_eq!(links, 0, "they are joined");
    }
}

#[test]
fn halves_of_a_delegation_are_said() {
    let (_dir, s) = files(&[("d.json", &format!("[{}]", definition()))]);
    assert!(s.derived.holdings.is_empty(), "a definition alone is in force nowhere");
    let said = s.facts.sources.iter().filter_map(|s| s.limitation.as_deref());
    assert!(said.into_iter().any(|l| l.contains("delegations are definitions")));
    let (_dir, s) = files(&[("a.json", &assigned(None))]);
    let h = &s.derived.holdings[0];
    assert_eq!(
        (s.derived.holdings.len(), h.content_unknown.as_deref()),
        (1, Some("role_unexpanded"))
    );
    assert_eq!(&*h.principal_id, "lighthouse:d1");
}

#[test]
fn classic_administrators_are_retired() {
    let list = format!(
        r#"{{"value":[{{"id":"{SUB}/providers/Microsoft.Authorization/classicAdministrators/1","name":"1","type":"Microsoft.Authorization/classicAdministrators","properties":{{"emailAddress":"Old@x.example","role":"ServiceAdministrator;AccountAdministrator"}}}},{{"id":"{SUB}/providers/Microsoft.Authorization/classicAdministrators/2","name":"2","type":"Microsoft.Authorization/classicAdministrators","properties":{{"emailAddress":"pay@x.example","role":"AccountAdministrator"}}}}]}}"#
    );
    let among = format!(
        r#"[{},{{"id":"NA(classic admins)","name":"NA(classic admins)","principalId":"NA(classic admins)","principalName":"co@x.example","roleDefinitionId":"NA(classic admin role)","roleDefinitionName":"CoAdministrator","scope":"{SUB}"}}]"#,
        assignment("1", "ann", "User", READER, SUB)
    );
    let (_dir, s) = files(&[("classic.json", &list), ("ra.json", &among)]);
    assert!(s.facts.quarantine.is_empty(), "{:?}", s.facts.quarantine);
    for (who, role) in
        [("old@x.example", "ServiceAdministrator"), ("co@x.example", "CoAdministrator")]
    {
        let h = held(&s, who, role);
        assert_eq!(
            (h.standing, h.residue.as_deref()),
            (Standing::Residue, Some("expired")),
            "{who}"
        );
        assert_eq!(h.not_after, Some(t("2024-08-31T00:00:00Z")));
        assert_eq!(found(&s, "REC-005", who).len(), 1);
    }
    assert!(s.derived.holdings.iter().all(|h| &*h.principal_id != "pay@x.example"));
    // At a time before, they administered the subscription.
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("classic.json"), &list).unwrap();
    let before = scan(&ScanRequest {
        inputs: vec![dir.path().to_path_buf()],
        as_of: Some(t("2024-01-01T00:00:00Z")),
        ..ScanRequest::default()
    })
    .unwrap();
    let h = held(&before, "old@x.example", "ServiceAdministrator");
    assert_eq!((h.standing, h.tier, h.admin), (Standing::TimeBound, Some(Tier::T0), Tri::Yes));
}

/// A group that holds a directory role is one that only few may change, whether or not the list of groups
/// says so.
#[test]
fn a_group_with_a_directory_role_takes_no_members_from_a_group_administrator() {
    let admin = "fdd7a751-b60b-444a-984c-02652fe8fa1c";
    let privileged = "e8611ab8-c189-46e8-94e1-60213ab1f814";
    let directory = format!(
        r##"{{"value":[
        {{"id":"a","principalId":"gina","roleDefinitionId":"{admin}","directoryScopeId":"/"}},
        {{"id":"b","principalId":"grp","principal":{{"@odata.type":"#microsoft.graph.group"}},"roleDefinitionId":"{privileged}","directoryScopeId":"/"}}]}}"##
    );
    let (_dir, s) = files(&[("d.json", &directory)]);
    assert!(
        s.derived.escalations.iter().all(|e| &*e.principal_id != "gina"),
        "{:#?}",
        s.derived.escalations
    );
}
