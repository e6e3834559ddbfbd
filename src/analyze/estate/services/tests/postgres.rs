use super::*;

#[test]
fn a_real_cluster() {
    let (_, reach) = folder("other/postgres15");
    let rows = held(&reach, "postgres");
    for expected in [
        "postgres/PUBLIC | CONNECT, TEMPORARY | database/billing | T4 | read | default",
        "postgres/PUBLIC | EXECUTE, SELECT | database/billing/fin | T3 | data-read, read",
        "postgres/agent_reader | pg_read_all_data | cluster | T2 | data-read",
        "postgres/agent_reader | readonly | database/billing/fin | T3 | data-read",
        "postgres/bob | app_owner | database/billing | T2 | permissions-management (limited), destructive, data-write (control plane)",
        "postgres/bob | app_owner | database/billing/fin | T3 | permissions-management (limited), destructive, data-write, data-read",
        "postgres/breakglass | SUPERUSER | cluster | T0 | admin",
        "postgres/ci_deployer | CREATEROLE | cluster | T0 | permissions-management",
        "postgres/ci_deployer | pg_write_server_files | cluster | T0 | escalation",
        "postgres/ci_deployer | rw | database/billing/fin | T2 | permissions-management (limited), escalation (possible), data-write (control plane), read",
        "postgres/etl_bot | pg_execute_server_program | cluster | T0 | escalation",
        "postgres/etl_bot | EXECUTE | database/billing/fin | T4 | read",
        "postgres/legacy_admin | BYPASSRLS | cluster | T4 |  | possibly data-read",
        "postgres/postgres | SUPERUSER | cluster | T0 | admin",
        "postgres/repl | REPLICATION | cluster | T2 | data-read",
    ] {
        assert!(rows.iter().any(|r| r == expected), "`{expected}` is not in\n{}", rows.join("\n"));
    }
    // A superuser's other attributes add nothing; roles without login hold through their members.
    assert!(!rows.iter().any(|r| r.starts_with("postgres/postgres | CREATEROLE")));
    assert!(
        !rows.iter().any(|r| r.starts_with("postgres/rw ") || r.starts_with("postgres/readonly "))
    );
    let steps = paths(&reach, "postgres");
    let of = |who: &str| {
        let start = format!("postgres/{who} | ");
        let found: Vec<&String> = steps.iter().filter(|p| p.starts_with(&start)).collect();
        assert_eq!(found.len(), 1, "{who} in\n{}", steps.join("\n"));
        found[0].clone()
    };
    assert!(
        of("etl_bot")
            .contains("superuser of PostgreSQL | yes | A member of `pg_execute_server_program`")
    );
    assert!(
        of("PUBLIC").contains(
            "potential | postgres/breakglass | yes | Every login calls `fin.close_month`"
        )
    );
}

const NAMES: [&str; 10] = [
    "app_owner",
    "readonly",
    "ci_deployer",
    "etl_bot",
    "agent_reader",
    "repl",
    "breakglass",
    "legacy_admin",
    "bob",
    "rw",
];

/// Replaces a whole word: `rw` is also a part of the letters of privileges.
fn swap(content: &str, from: &str, to: &str) -> String {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let (mut out, mut rest) = (String::new(), content);
    while let Some(at) = rest.find(from) {
        let (head, tail) = (&rest[..at], &rest[at + from.len()..]);
        let inside = part(head.chars().last()) || part(tail.chars().next());
        out.push_str(head);
        out.push_str(if inside { from } else { to });
        rest = tail;
    }
    out + rest
}

/// The real cluster with every role renamed.
fn renamed() -> Vec<(String, String)> {
    let folder = shared("other/postgres15");
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut content = std::fs::read_to_string(&path).unwrap();
        for (i, role) in NAMES.iter().enumerate() {
            content = swap(&content, role, &format!("zz{i}x"));
        }
        out.push((name, content));
    }
    out
}

#[test]
fn names_of_roles_say_nothing() {
    let (_, before) = folder("other/postgres15");
    let files_: Vec<(String, String)> = renamed();
    let borrowed: Vec<(&str, &str)> =
        files_.iter().map(|(n, c)| (n.as_str(), c.as_str())).collect();
    let (_, after) = files(&borrowed);
    let back = |row: &String| {
        NAMES
            .iter()
            .enumerate()
            .fold(row.clone(), |row, (i, role)| row.replace(&format!("zz{i}x"), role))
    };
    let sorted = |mut rows: Vec<String>| {
        rows.sort();
        rows
    };
    let rows: Vec<String> = held(&after, "postgres").iter().map(back).collect();
    assert_eq!(sorted(rows), sorted(held(&before, "postgres")));
}

#[test]
fn a_group_of_superusers_is_an_end_and_versions_matter() {
    let roles = "rolname,rolsuper,rolinherit,rolcreaterole,rolcreatedb,rolcanlogin,rolreplication,rolbypassrls,rolvaliduntil\n\
        dba,t,t,f,f,f,f,f,\nann,f,t,f,f,t,f,f,\nmaker,f,t,t,f,t,f,f,\nlone,f,t,f,f,t,f,f,\npg_use_reserved_connections,f,t,f,f,f,f,f,\n";
    let members = "role,member,grantor,admin_option,inherit_option,set_option\n\
        dba,ann,postgres,f,t,t\ndba,lone,postgres,f,f,f\n";
    let (_, reach) = files(&[("r.csv", roles), ("m.csv", members)]);
    assert_eq!(
        paths(&reach, "postgres"),
        ["postgres/ann | self_grant | superuser `dba` | yes | `ann` becomes `dba` by SET ROLE"]
    );
    let rows = held(&reach, "postgres");
    assert!(
        rows.contains(
            &"postgres/maker | CREATEROLE | cluster | T1 | permissions-management (limited)"
                .to_owned()
        ),
        "{rows:?}"
    );
    // Nothing says which version it is.
    let (_, reach) =
        files(&[("r.csv", "rolname,rolcreaterole,rolcanlogin,rolvaliduntil\nmaker,t,t,\n")]);
    assert_eq!(
        held(&reach, "postgres"),
        [
            "postgres/maker | CREATEROLE | cluster | T1 | permissions-management (limited) | possibly permissions-management"
        ]
    );
    assert!(paths(&reach, "postgres")[0].contains("| conditional |"));
}

#[test]
fn a_dump_says_the_same_as_the_catalogue() {
    let one = |file: &str| {
        let path = shared(&format!("other/postgres15/{file}"));
        std::fs::read_to_string(path).unwrap()
    };
    let (_, dump) = files(&[("roles.sql", &one("pg_dumpall_roles_only.sql"))]);
    let (_, lists) =
        files(&[("r.csv", &one("pg_roles.csv")), ("m.csv", &one("pg_auth_members.csv"))]);
    let members = |reach: &Reach| -> Vec<String> {
        let of = |h: &&Holding| !h.principal_id.contains("pg_") && &*h.scope == "cluster";
        reach
            .holdings
            .iter()
            .filter(of)
            .map(|h| format!("{} {}", h.principal_id, h.privilege))
            .collect()
    };
    assert_eq!(members(&dump), members(&lists));
}
