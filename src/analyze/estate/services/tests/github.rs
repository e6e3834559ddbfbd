use super::*;

#[test]
fn installations_and_deploy_keys() {
    let (facts, reach) = folder("other/github");
    assert_eq!(
        held(&reach, "github"),
        [
            "deploy key jenkins of contoso/pay | write | contoso/pay | T3 | escalation (possible), data-write, data-read",
            "deploy key mirror of contoso/pay | read | contoso/pay | T3 | data-read",
            "deploy-bot | administration:write, contents:write, metadata:read, secrets:write | organization | T0 | admin, permissions-management, escalation, data-write, read",
            "lint | checks:write, contents:read, metadata:read | organization | T3 | data-read, data-write (control plane), read | residue",
        ]
    );
    let keys: Vec<(&str, Option<bool>)> =
        facts.credentials.iter().map(|c| (&*c.principal, c.no_expiry)).collect();
    assert_eq!(keys.len(), 2);
    assert!(keys.iter().all(|(_, none)| *none == Some(true)));
    // The record of an installation is no grant that would explain it.
    assert!(reach.holdings.iter().all(|h| h.covered_by_grant != Some(true)));
}

#[test]
fn owners_outsiders_and_tokens() {
    let people = |names: &[&str]| {
        let one = |n: &&str| {
            format!("{{\"login\":\"{n}\",\"id\":1,\"type\":\"User\",\"site_admin\":false}}")
        };
        format!("[{}]", names.iter().map(one).collect::<Vec<_>>().join(","))
    };
    let token = |login: &str, id: u32, selection: &str| {
        format!(
            r#"{{"id":{id},"token_id":{id},"token_name":"t","owner":{{"login":"{login}"}},"repository_selection":"{selection}","repositories_url":"https://api.github.com/organizations/7/x","permissions":{{"repository":{{"contents":"write"}}}},"access_granted_at":"2026-01-01T00:00:00Z","token_expired":false,"token_expires_at":"2026-12-01T00:00:00Z","token_last_used_at":null}}"#
        )
    };
    let (_, reach) = files(&[
        ("owners.json", &people(&["boss"])),
        ("outside_collaborators.json", &people(&["guest"])),
        (
            "collaborators.json",
            r#"{"acme/pay":[{"login":"dev","site_admin":false,"type":"User","role_name":"write","permissions":{"admin":false,"push":true,"pull":true}}]}"#,
        ),
        ("tokens.json", &format!("[{},{}]", token("boss", 1, "all"), token("dev", 2, "all"))),
    ]);
    assert_eq!(
        held(&reach, "github"),
        [
            "boss | owner | organization | T0 | admin",
            "boss | repository/contents:write | organizations/7 | T0 | admin, data-write | time_bound until 2026-12-01T00:00:00Z",
            "dev | write | acme/pay | T3 | escalation (possible), data-write, data-read",
            "dev | repository/contents:write | organizations/7 | T4 |  | possibly admin, data-write | time_bound until 2026-12-01T00:00:00Z",
            "guest | outside collaborator | organization | T4 | read",
        ]
    );
    let outside: Vec<&str> = reach.trust_facts.iter().map(|t| &*t.trusted).collect();
    assert_eq!(outside, ["guest"]);
}

#[test]
fn tokens_of_the_cartography_sample() {
    let (_, reach) = judged(
        ingest(&[shared("other/cartography/github_pats.json")], &Settings::defaults()).unwrap(),
    );
    let rows = held(&reach, "github");
    assert_eq!(rows.len(), 4, "{}", rows.join("\n"));
    assert!(rows.iter().all(|r| r.contains("hjsimpson") || r.contains("mbsimpson")));
}
