//! What an activation asks for, and who approves.

use super::*;

const GLOBAL: &str = "62e90394-69f5-4237-9190-012177145e10";

fn eligible(role: &str) -> String {
    format!(
        r#"{{"value":[{{"id":"e1","principalId":"ann","roleDefinitionId":"{role}","directoryScopeId":"/","memberType":"Direct","roleEligibilityScheduleId":"e1","startDateTime":"2026-01-01T00:00:00Z","endDateTime":"2026-12-31T00:00:00Z"}}]}}"#
    )
}

fn graph(approval: bool) -> String {
    format!(
        r##"{{"value":[{{"id":"DirectoryRole_t1_p1_{GLOBAL}","policyId":"p1","scopeId":"/","scopeType":"DirectoryRole","roleDefinitionId":"{GLOBAL}","policy":{{"id":"p1","rules":[
        {{"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyExpirationRule","id":"Expiration_EndUser_Assignment","isExpirationRequired":true,"maximumDuration":"PT8H"}},
        {{"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyEnablementRule","id":"Enablement_EndUser_Assignment","enabledRules":["MultiFactorAuthentication","Justification"]}},
        {{"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyEnablementRule","id":"Enablement_Admin_Assignment","enabledRules":[]}},
        {{"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyApprovalRule","id":"Approval_EndUser_Assignment","setting":{{"isApprovalRequired":{approval},"approvalStages":[{{"approvalStageTimeOutInDays":1,"primaryApprovers":[{{"@odata.type":"#microsoft.graph.singleUser","userId":"BOB"}},{{"@odata.type":"#microsoft.graph.groupMembers","groupId":"board"}}],"escalationApprovers":[]}}]}}}}]}}}}]}}"##
    )
}

const USERS: &str = r#"{"value":[{"id":"ann","userPrincipalName":"ann@x.example"},{"id":"bob","userPrincipalName":"bob@x.example"},{"id":"cleo","userPrincipalName":"cleo@x.example"}]}"#;
const BOARD: &str = r##"{"value":[{"id":"board","displayName":"board","securityEnabled":true,"members":[{"id":"cleo","@odata.type":"#microsoft.graph.user"}]}]}"##;

#[test]
fn the_policy_of_a_directory_role() {
    let (_dir, s) = files(&[
        ("eligible.json", &eligible(GLOBAL)),
        ("policies.json", &graph(true)),
        ("users.json", USERS),
        ("groups.json", BOARD),
    ]);
    assert!(s.facts.quarantine.is_empty(), "{:?}", s.facts.quarantine);
    let h = held(&s, "ann", "Global Administrator");
    assert_eq!(h.standing, Standing::Eligible);
    assert_eq!(
        (h.activation_approval, h.activation_reason, h.activation_mfa, h.activation_max_s),
        (Some(true), Some(true), Some(true), Some(8 * 3600))
    );
    let who: Vec<&str> = h.activation_approvers.iter().map(|a| &**a).collect();
    assert_eq!(who, ["board", "bob"]);
    assert!(found(&s, "STD-003", "ann").is_empty(), "it ends, and somebody is asked");
    // Who approves is half of a way to the role, through the group too.
    for approver in ["bob", "cleo"] {
        let e = path(&s, approver);
        assert_eq!(&*e.techniques[0], "entra-pim-approver", "{approver}");
        assert!(e.to_admin && &*e.gain == "potential", "{e:?}");
    }
    let bob = s.derived.identity_facts.iter().find(|i| &*i.principal_id == "bob").unwrap();
    assert_eq!(bob.escalates_to_admin, Tri::Conditional);
}

#[test]
fn an_activation_that_nobody_approves_is_an_exception() {
    let (_dir, s) = files(&[
        ("eligible.json", &eligible(GLOBAL)),
        ("policies.json", &graph(false)),
        ("users.json", USERS),
    ]);
    let all = found(&s, "STD-003", "ann");
    assert_eq!(all.len(), 1);
    assert!(all[0].message.contains("without anybody's approval"), "{}", all[0].message);
    assert!(s.derived.escalations.is_empty(), "nobody approves");
    // Without the policy nothing is known of it: neither exception nor clean.
    let (_dir, s) = files(&[("eligible.json", &eligible(GLOBAL)), ("users.json", USERS)]);
    let rule = s.view.rules.iter().find(|r| r.rule == "STD-003").unwrap();
    assert!(found(&s, "STD-003", "ann").is_empty());
    assert_eq!((rule.population, rule.clean, rule.not_assessed), (1, 0, 1));
}

#[test]
fn the_policy_of_a_role_at_a_subscription_holds_there_only() {
    let policy = format!(
        r#"{{"value":[{{"id":"{SUB}/providers/Microsoft.Authorization/roleManagementPolicyAssignments/x","name":"x","type":"Microsoft.Authorization/RoleManagementPolicyAssignment","properties":{{"scope":"{SUB}","roleDefinitionId":"{SUB}/providers/Microsoft.Authorization/roleDefinitions/{OWNER}","policyId":"y","effectiveRules":[{{"id":"Expiration_EndUser_Assignment","ruleType":"RoleManagementPolicyExpirationRule","maximumDuration":"PT2H"}},{{"id":"Enablement_EndUser_Assignment","enabledRules":[]}},{{"id":"AuthenticationContext_EndUser_Assignment","isEnabled":true,"claimValue":"c1"}},{{"id":"Approval_EndUser_Assignment","setting":{{"isApprovalRequired":false,"approvalStages":[]}}}}]}}}}]}}"#
    );
    let row = |id: &str, at: &str| {
        format!(
            r#"{{"name":"{id}","properties":{{"principalId":"{id}","principalType":"User","scope":"{at}","roleDefinitionId":"/x/roleDefinitions/{OWNER}","memberType":"Direct","status":"Provisioned","startDateTime":"2026-01-01T00:00:00Z","endDateTime":"2026-12-31T00:00:00Z","roleEligibilityScheduleId":"{id}"}}}}"#
        )
    };
    let rows = format!(
        r#"{{"value":[{},{}]}}"#,
        row("here", SUB),
        row("below", &format!("{SUB}/resourceGroups/g"))
    );
    let (_dir, s) = files(&[("e.json", &rows), ("p.json", &policy)]);
    assert!(s.facts.quarantine.is_empty(), "{:?}", s.facts.quarantine);
    let here = held(&s, "here", "Owner");
    assert_eq!(
        (
            here.activation_approval,
            here.activation_reason,
            here.activation_mfa,
            here.activation_max_s
        ),
        (Some(false), Some(false), Some(true), Some(7200))
    );
    assert_eq!(held(&s, "below", "Owner").activation_approval, None);
}

/// Policies without rules, of groups, or of no role are said, not dropped.
#[test]
fn policies_that_say_too_little() {
    let read = |content: &str| {
        crate::ingest::driver::ingest_bytes(
            "p.json",
            content.as_bytes(),
            &crate::settings::Settings::defaults(),
        )
        .unwrap()
    };
    let bare = read(
        r#"[{"id":"a","policyId":"p","scopeId":"/","scopeType":"DirectoryRole","roleDefinitionId":"r"}]"#,
    );
    assert!(bare.facts.quarantine[0].reason.contains("without its rules"));
    let odd = read(
        r#"[{"id":"a","policyId":"p","scopeId":"/","scopeType":"DirectoryRole","roleDefinitionId":"r","policy":{"rules":[{"id":"Expiration_EndUser_Assignment","maximumDuration":["PT8H"]}]}}]"#,
    );
    assert!(odd.facts.quarantine[0].reason.contains("Expiration_EndUser_Assignment"));
    let group = read(
        r#"[{"id":"a","policyId":"p","scopeId":"g","scopeType":"Group","roleDefinitionId":"member"}]"#,
    );
    assert!(
        group.facts.sources[0].limitation.as_deref().unwrap().contains("memberships in groups")
    );
    let loose = read(
        r#"[{"id":"/s/providers/Microsoft.Authorization/roleManagementPolicies/x","type":"Microsoft.Authorization/roleManagementPolicies","properties":{"scope":"/s","effectiveRules":[]}}]"#,
    );
    assert!(loose.facts.sources[0].limitation.as_deref().unwrap().contains("of which role"));
}
