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
