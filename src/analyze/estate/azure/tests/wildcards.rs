//! Wildcards: once per principal and role, and not for the provider's own wording.

use super::*;

const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";

#[test]
fn a_role_is_one_finding_however_many_bindings_give_it() {
    let custom = r#"[{"id":"/x/roleDefinitions/c1","name":"c1","roleName":"Operators","roleType":"CustomRole","assignableScopes":["/"],"permissions":[{"actions":["Microsoft.Compute/virtualMachines/*"],"notActions":[]}]}]"#;
    let mut rows = Vec::new();
    for i in 0..20 {
        let group = format!("{SUB}/resourceGroups/g{i}");
        rows.push(assignment(&format!("o{i}"), "ann", "User", OWNER, &group));
        rows.push(assignment(&format!("c{i}"), "ann", "User", "c1", &group));
        rows.push(assignment(&format!("r{i}"), "ann", "User", READER, &group));
        rows.push(assignment(&format!("b{i}"), "bob", "User", "c1", &group));
    }
    rows.push(assignment("wide", "ann", "User", "c1", SUB));
    let (_dir, s) = files(&[("ra.json", &format!("[{}]", rows.join(","))), ("def.json", custom)]);
    let list: Vec<(&str, &str, &str)> = s
        .view
        .findings
        .iter()
        .filter(|f| f.rule == "SCP-001")
        .map(|f| {
            let text = |s: &'_ Option<String>| s.as_deref().unwrap_or_default().to_owned();
            let key = (text(&f.principal), text(&f.privilege), text(&f.scope));
            (
                Box::leak(key.0.into_boxed_str()),
                Box::leak(key.1.into_boxed_str()),
                Box::leak(key.2.into_boxed_str()),
            )
        })
        .map(|(a, b, c): (&mut str, &mut str, &mut str)| (&*a, &*b, &*c))
        .collect();
    assert_eq!(
        list,
        [
            ("ann", "Operators", "/subscriptions/s1"),
            ("ann", "Owner", "/subscriptions/s1/resourcegroups/g0"),
            ("bob", "Operators", "/subscriptions/s1/resourcegroups/g0"),
        ],
        "the widest binding speaks for the role"
    );
    let ann = s
        .view
        .findings
        .iter()
        .find(|f| f.rule == "SCP-001" && f.privilege.as_deref() == Some("Operators"))
        .unwrap();
    assert!(ann.message.contains("and by 20 more bindings with the wildcard"), "{}", ann.message);
    // Every binding is in the table, with the count of the role.
    let rows: Vec<_> = s.derived.holdings.iter().filter(|h| &*h.principal_id == "bob").collect();
    assert_eq!(rows.len(), 20);
    assert!(rows.iter().all(|h| h.n_bindings == 20 && !h.by_provider));
    assert_eq!(rows.iter().filter(|h| !h.repeats).count(), 1);
}
