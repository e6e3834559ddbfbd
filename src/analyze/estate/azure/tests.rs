use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::facts::time::parse_time;
use crate::facts::{Escalation, Holding, Standing, Tier, Time, Tri};
use crate::findings::Finding;
use crate::pipeline::{Scan, ScanRequest, scan};

fn t(s: &str) -> Time {
    parse_time(s).unwrap().unwrap().lo
}

/// Shared data beside the repository.
fn shared(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(path);
    assert!(path.exists(), "this test needs the shared data at `{}`", path.display());
    path
}

fn scanned(inputs: Vec<PathBuf>) -> Scan {
    scan(&ScanRequest { inputs, as_of: Some(t("2026-06-30T00:00:00Z")), ..ScanRequest::default() })
        .unwrap()
}

fn files(files: &[(&str, &str)]) -> (tempfile::TempDir, Scan) {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    let scan = scanned(vec![dir.path().to_path_buf()]);
    assert_eq!(scan.failed_files, []);
    (dir, scan)
}

fn shape() -> Scan {
    let scan = scanned(vec![shared("azure/shape")]);
    assert_eq!(
        scan.unknown_files.iter().map(|f| f.0.as_str()).collect::<Vec<_>>(),
        ["expected.json"]
    );
    assert_eq!(scan.failed_files, []);
    let bad: Vec<_> = scan.facts.quarantine.iter().map(|q| (&q.source_ref, &q.reason)).collect();
    assert!(bad.is_empty(), "{bad:?}");
    scan
}

fn held<'a>(scan: &'a Scan, principal: &str, privilege: &str) -> &'a Holding {
    let all: Vec<&Holding> = scan
        .derived
        .holdings
        .iter()
        .filter(|h| &*h.principal_id == principal && &*h.privilege == privilege)
        .collect();
    assert_eq!(all.len(), 1, "{principal} {privilege}: {all:#?}");
    all[0]
}

fn found<'a>(scan: &'a Scan, rule: &str, principal: &str) -> Vec<&'a Finding> {
    let all = scan.view.findings.iter();
    all.filter(|f| f.rule == rule && f.principal.as_deref() == Some(principal)).collect()
}

/// Each statement of `expected.json`, in its order.
#[test]
fn every_statement_about_the_shapes_holds() {
    let s = shape();
    let file = std::fs::read_to_string(shared("azure/shape/expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&file).unwrap();
    assert_eq!(expected["statements"].as_array().unwrap().len(), 13, "a statement was added");
    // r1
    let r1 = held(&s, "p-sp-ci", "Owner");
    assert_eq!((r1.standing, r1.tier, r1.admin), (Standing::Standing, Some(Tier::T0), Tri::Yes));
    assert_eq!((r1.used, r1.idle_days), (Some(false), Some(271)));
    let k1 = s.derived.credential_facts.iter().find(|c| &*c.credential_id == "k1").unwrap();
    assert_eq!(&*k1.principal_id, "p-sp-ci");
    assert!(k1.lifetime_days > Some(100_000) && k1.tier == Some(Tier::T0));
    assert_eq!(found(&s, "STD-001", "p-sp-ci").len(), 3, "Owner, two directory privileges");
    assert!(!found(&s, "STD-004", "p-sp-ci").is_empty());
    // r2
    let r2 = held(&s, "p-user-ann", "Contributor");
    assert_eq!((r2.standing, r2.not_after, r2.looks_temporary), (Standing::Standing, None, true));
    // The end that the description names is a claim: it is shown, and ends nothing.
    assert_eq!((r2.claimed_end, r2.past_claim_days), (Some(t("2025-06-08T00:00:00Z")), Some(387)));
    assert_eq!(r2.claimed_by.as_deref(), Some("description says until 2025-06-08"));
    let standing = found(&s, "STD-001", "p-user-ann");
    assert_eq!(standing.len(), 1);
    let told = "Its description says until 2025-06-08, 387 days ago; nothing enforces that.";
    assert!(standing[0].message.ends_with(told), "{}", standing[0].message);
    // r3
    let r3 = held(&s, "p-user-root", "User Access Administrator");
    assert_eq!((&*r3.scope, r3.standing, r3.tier), ("/", Standing::Standing, Some(Tier::T0)));
    // r6
    let r6 = held(&s, "p-gone", "Virtual Machine Contributor");
    assert_eq!(
        (r6.standing, r6.residue.as_deref()),
        (Standing::Residue, Some("missing_principal"))
    );
    assert_eq!(found(&s, "REC-005", "p-gone").len(), 1);
    // r7
    let r7 = held(&s, "p-sp-vend", "Role Based Access Control Administrator");
    assert_eq!(r7.classes.first().map(|c| &**c), Some("secrets"));
    assert_eq!(r7.tier, Some(Tier::T2));
    // r8
    let r8 = held(&s, "p-sp-agent", "Storage Blob Data Contributor");
    let has = |list: &[crate::facts::Text], w: &str| list.iter().any(|c| &**c == w);
    assert!(has(&r8.classes_possible, "data-read") && has(&r8.classes, "data-write"));
    assert_eq!(r8.conditions.len(), 1);
    // r9
    let r9 = held(&s, "p-grp-ops", "Contoso VM Operator");
    assert!(has(&r9.classes, "escalation") && r9.tier == Some(Tier::T0));
    // PIM
    let bo: Vec<&Holding> =
        s.derived.holdings.iter().filter(|h| &*h.principal_id == "p-user-bo").collect();
    let i2 = bo
        .iter()
        .find(|h| &*h.privilege == "Contributor" && h.standing != Standing::Eligible)
        .unwrap();
    assert_eq!((i2.standing, i2.not_after), (Standing::Activated, Some(t("2026-06-30T04:00:00Z"))));
    let i3 = held(&s, "p-user-cy", "Contributor");
    assert_eq!((i3.standing, i3.not_after), (Standing::TimeBound, Some(t("2026-12-31T00:00:00Z"))));
    // Graph application permission
    let graph = held(&s, "p-sp-ci", "RoleManagement.ReadWrite.Directory");
    assert_eq!((graph.tier, graph.standing), (Some(Tier::T0), Standing::Standing));
    assert_eq!(graph.classes.iter().map(|c| &**c).collect::<Vec<_>>(), ["permissions-management"]);
    let ci = s.derived.identity_facts.iter().find(|i| &*i.principal_id == "p-sp-ci").unwrap();
    assert_eq!((ci.admin, ci.admin_equivalent), (Tri::Yes, Tri::Yes));
    // k9
    let k9 = s.derived.credential_facts.iter().find(|c| &*c.credential_id == "k9").unwrap();
    assert_eq!(&*k9.principal_id, "p-sp-ci");
    // f2
    let loose: Vec<&Finding> = s.view.findings.iter().filter(|f| f.rule == "EXT-002").collect();
    assert_eq!(loose.len(), 1, "{loose:#?}");
    assert!(format!("{:?}", loose[0]).contains("any pull request"));
    // vendor-backup
    let vendor = found(&s, "IDN-003", "p-sp-vend");
    assert_eq!(vendor.len(), 1);
    let mail = held(&s, "p-sp-vend", "Mail.ReadWrite (delegated)");
    assert_eq!((&*mail.scope, mail.standing), ("entra", Standing::Standing));
    assert!(mail.classes.is_empty() && has(&mail.classes_possible, "data-read"));
    // eligible
    let eligible: Vec<&Holding> = s
        .derived
        .holdings
        .iter()
        .filter(|h| &*h.principal_id == "p-user-bo" && &*h.privilege == "Global Administrator")
        .collect();
    let states: Vec<_> = eligible.iter().map(|h| (h.standing, h.not_after.is_some())).collect();
    assert_eq!(states, [(Standing::Activated, true), (Standing::Eligible, false)]);
    assert!(!found(&s, "STD-003", "p-user-bo").is_empty());
}

/// An assignment that a schedule made, and the same in the list of all, is one holding.
#[test]
fn nothing_of_the_shapes_counts_twice() {
    let s = shape();
    let mut seen: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for h in s.derived.holdings.iter().filter(|h| h.standing != Standing::Eligible) {
        *seen.entry((&h.principal_id, &h.role_id, &h.scope)).or_default() += 1;
    }
    // The table lists r1 and r6 once more.
    let twice: Vec<_> = seen.iter().filter(|(_, n)| **n > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    // The platform rotates the keys of managed identities: they are no credentials of ours.
    assert!(s.derived.credential_facts.iter().all(|c| &*c.principal_id != "p-mi-api"));
    // Activity log and sign-in activity are joined by what they name.
    assert!(s.facts.usage.iter().any(|u| u.principal_id.as_deref() == Some("p-sp-ci")));
    assert!(s.facts.usage.iter().any(|u| u.principal_id.as_deref() == Some("p-user-root")));
}

const SUB: &str = "/subscriptions/s1";

fn assignment(name: &str, who: &str, kind: &str, role: &str, scope: &str) -> String {
    format!(
        r#"{{"id":"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}","name":"{name}","type":"Microsoft.Authorization/roleAssignments","scope":"{scope}","roleDefinitionId":"/x/roleDefinitions/{role}","principalId":"{who}","principalType":"{kind}","principalName":"{who}-name"}}"#
    )
}

const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
const VM: &str = "9980e02c-c2be-4d73-94e8-173b1dc7cf3c";

fn path<'a>(s: &'a Scan, from: &str) -> &'a Escalation {
    let all: Vec<&Escalation> =
        s.derived.escalations.iter().filter(|e| &*e.principal_id == from).collect();
    assert_eq!(all.len(), 1, "{from}: {:#?}", s.derived.escalations);
    all[0]
}

/// Code on a machine acts as the identity of the machine, wherever the right stands above it.
#[test]
fn a_right_on_a_group_of_machines_leads_to_their_identities() {
    let vm = format!("{SUB}/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v");
    let roles = format!(
        "[{},{},{}]",
        assignment("1", "op", "User", VM, &format!("{SUB}/resourceGroups/G")),
        assignment("2", "mi", "ServicePrincipal", OWNER, SUB),
        assignment("3", "far", "User", VM, &format!("{SUB}/resourceGroups/other")),
    );
    let resources = format!(
        r#"[{{"id":"{vm}","name":"v","type":"Microsoft.Compute/virtualMachines","identity":{{"principalId":"mi","type":"SystemAssigned"}}}}]"#
    );
    let (_dir, s) = files(&[("ra.json", &roles), ("vm.json", &resources)]);
    let e = path(&s, "op");
    assert_eq!((&*e.target_id, e.target_tier, e.to_admin), ("mi", Some(Tier::T0), true));
    assert_eq!((e.n_hops, e.verdict), (1, Tri::Yes));
    assert!(e.steps[0].contains("Microsoft.Compute/virtualMachines/"), "{:?}", e.steps);
    assert!(s.derived.escalations.iter().all(|e| &*e.principal_id != "far"));
    let op = s.derived.identity_facts.iter().find(|i| &*i.principal_id == "op").unwrap();
    assert_eq!(op.escalates_to_admin, Tri::Yes);
}

/// Owner of an application, a way into a group, a role of the directory: three ways to one owner.
#[test]
fn ways_through_the_directory() {
    let roles = format!(
        "[{},{}]",
        assignment("1", "sp", "ServicePrincipal", OWNER, SUB),
        assignment("2", "grp", "Group", OWNER, SUB),
    );
    let apps = r##"[{"id":"obj","appId":"app","displayName":"deploy","signInAudience":"x","passwordCredentials":[],"owners":[{"@odata.type":"#microsoft.graph.user","id":"ann","userPrincipalName":"ann@x.example"}]}]"##;
    let sps = r#"[{"id":"sp","appId":"app","displayName":"deploy","servicePrincipalType":"Application","accountEnabled":true}]"#;
    let groups = r##"{"value":[{"id":"grp","displayName":"owners","securityEnabled":true,"members":[{"id":"boss","@odata.type":"#microsoft.graph.user"}],"owners":[{"id":"gus","@odata.type":"#microsoft.graph.user"}]}]}"##;
    // Application Administrator, and Groups Administrator.
    let directory = r#"{"value":[
        {"id":"a","principalId":"dora","roleDefinitionId":"9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3","directoryScopeId":"/"},
        {"id":"b","principalId":"gina","roleDefinitionId":"fdd7a751-b60b-444a-984c-02652fe8fa1c","directoryScopeId":"/"}]}"#;
    let (_dir, s) = files(&[
        ("ra.json", &roles),
        ("apps.json", apps),
        ("sps.json", sps),
        ("groups.json", groups),
        ("directory.json", directory),
    ]);
    for (who, technique) in [
        ("ann", "entra-owner-add-secret"),
        ("gus", "entra-owner-add-member"),
        ("dora", "entra-add-secret"),
        ("gina", "entra-add-member"),
    ] {
        let e = path(&s, who);
        assert_eq!((&*e.techniques[0], e.to_admin, e.n_hops), (technique, true, 1), "{who}");
    }
    // Members hold what the group gives, and the group itself no row of its own.
    let boss = held(&s, "boss", "Owner");
    assert_eq!(boss.via.iter().map(|v| &**v).collect::<Vec<_>>(), ["group:owners"]);
    assert!(s.derived.holdings.iter().all(|h| &*h.principal_id != "grp"));
}

/// Deny assignments win, but for whom they except, and not at scopes above.
#[test]
fn deny_assignments() {
    let group = format!("{SUB}/resourceGroups/g");
    let roles = format!(
        "[{},{},{}]",
        assignment("1", "in", "User", OWNER, &group),
        assignment("2", "out", "User", OWNER, &group),
        assignment("3", "above", "User", OWNER, SUB),
    );
    let deny = format!(
        r#"[{{"id":"{group}/d","name":"d","denyAssignmentName":"managed","scope":"{group}","doNotApplyToChildScopes":false,"isSystemProtected":true,"permissions":[{{"actions":["*"],"notActions":["*/read"]}}],"principals":[{{"id":"00000000-0000-0000-0000-000000000000","type":"SystemDefined"}}],"excludePrincipals":[{{"id":"OUT","type":"User"}}]}}]"#
    );
    let (_dir, s) = files(&[("ra.json", &roles), ("deny.json", &deny)]);
    assert_eq!(held(&s, "in", "Owner").classes.iter().map(|c| &**c).collect::<Vec<_>>(), ["read"]);
    assert_eq!(held(&s, "out", "Owner").tier, Some(Tier::T1));
    assert_eq!(held(&s, "above", "Owner").tier, Some(Tier::T0));
    let (_dir, s) = files(&[
        ("ra.json", &roles),
        ("deny.json", &deny.replace("ChildScopes\":false", "ChildScopes\":true")),
    ]);
    assert_eq!(held(&s, "in", "Owner").tier, Some(Tier::T1));
}

/// No name of a role is ever read for its weight.
#[test]
fn renaming_every_role_changes_nothing() {
    let catalogue = crate::privilege::azure::catalogue::catalogue();
    let ids: Vec<&String> = catalogue.roles.keys().collect();
    let list = |named: &dyn Fn(usize) -> String| {
        let row = |(i, id): (usize, &&String)| {
            let row = assignment(&format!("a{i}"), &format!("u{i}"), "User", id, SUB);
            row.replace(
                "\"principalName\"",
                &format!("\"roleDefinitionName\":\"{}\",\"principalName\"", named(i)),
            )
        };
        format!("[{}]", ids.iter().enumerate().map(row).collect::<Vec<_>>().join(","))
    };
    let tiers = |s: &Scan| -> BTreeMap<String, (Option<Tier>, Vec<String>)> {
        let words = |h: &Holding| h.classes.iter().map(ToString::to_string).collect();
        let rows = s.derived.holdings.iter();
        rows.map(|h| (h.principal_id.to_string(), (h.tier, words(h)))).collect()
    };
    let (_dir, plain) = files(&[("ra.json", &list(&|i| format!("role {i}")))]);
    let (_dir, other) =
        files(&[("ra.json", &list(&|i| format!("Owner Administrator {}", 9999 - i)))]);
    assert_eq!(tiers(&plain).len(), ids.len());
    assert_eq!(tiers(&plain), tiers(&other));
    let t0 = tiers(&plain).values().filter(|(t, _)| *t == Some(Tier::T0)).count();
    assert!((80..=100).contains(&t0), "{t0} of the built-in roles are T0");
}

/// A definition of the export wins over the embedded one; an unknown role is unknown.
#[test]
fn definitions_of_the_export_win() {
    let roles = format!(
        "[{},{}]",
        assignment("1", "a", "User", OWNER, SUB),
        assignment("2", "b", "User", "00000000-0000-4000-8000-00000000dead", SUB),
    );
    let definitions = format!(
        r#"{{"value":[{{"id":"/x/roleDefinitions/{OWNER}","name":"{OWNER}","type":"Microsoft.Authorization/roleDefinitions","properties":{{"roleName":"Owner","type":"BuiltInRole","assignableScopes":["/"],"permissions":[{{"actions":["*/read"],"notActions":[]}}]}}}}]}}"#
    );
    let (_dir, s) = files(&[("ra.json", &roles), ("defs.json", &definitions)]);
    assert_eq!(held(&s, "a", "Owner").tier, Some(Tier::T4));
    let b = s.derived.holdings.iter().find(|h| &*h.principal_id == "b").unwrap();
    assert_eq!((b.tier, b.content_unknown.as_deref()), (None, Some("role_unexpanded")));
}

mod activation;
mod dangerous;
mod delegation;
mod tree;
mod wildcards;
