use super::*;

#[test]
fn the_cartography_account() {
    let names = [
        "snowflake_roles",
        "snowflake_users",
        "snowflake_account_grants",
        "snowflake_access_tokens",
        "snowflake_credentials",
    ];
    let paths: Vec<_> =
        names.iter().map(|n| shared(&format!("other/cartography/{n}.json"))).collect();
    let (facts, reach) = judged(ingest(&paths, &Settings::defaults()).unwrap());
    let rows = held(&reach, "snowflake");
    for expected in [
        "snowflake/user:BURNS | ACCOUNTADMIN | account | T0 | admin, permissions-management, permissions-management (limited)",
        "snowflake/user:HOMER | SAFETY_INSPECTOR | account | T0 | permissions-management, permissions-management (limited)",
    ] {
        assert!(
            rows.iter().any(|r| r.starts_with(expected)),
            "`{expected}` is not in\n{}",
            rows.join("\n")
        );
    }
    let tokens: Vec<(&str, Option<bool>)> = facts
        .credentials
        .iter()
        .filter(|c| c.credential_id.starts_with("token "))
        .map(|c| (&*c.credential_id, c.active))
        .collect();
    assert_eq!(
        tokens,
        [
            ("token donut_dashboard of HOMER, every role of the user", Some(true)),
            ("token scram_ingest of SCRAM_BOT, role SAFETY_INSPECTOR only", Some(true)),
            ("token retired_contractor of SMITHERS, every role of the user", Some(false)),
        ]
    );
    assert!(!format!("{facts:?}").contains("SHA256:"));
}

#[test]
fn names_of_own_roles_say_nothing_and_history_gives_nothing() {
    let csv = "CREATED_ON,DELETED_ON,PRIVILEGE,GRANTED_ON,NAME,TABLE_CATALOG,TABLE_SCHEMA,GRANTED_TO,GRANTEE_NAME,GRANT_OPTION,GRANTED_BY\n\
        2026-01-01 00:00:00,,MANAGE GRANTS,ACCOUNT,A1,,,ROLE,HARMLESS,false,ACCOUNTADMIN\n\
        2026-01-01 00:00:00,2026-02-01 00:00:00,OWNERSHIP,DATABASE,DB,,,ROLE,BIG_ADMIN,false,X\n\
        2026-01-01 00:00:00,,SELECT,TABLE,T,DB,S,ROLE,BIG_ADMIN,true,X\n\
        2026-01-01 00:00:00,,USAGE,ROLE,HARMLESS,,,ROLE,OUTER,false,X\n";
    let users = "CREATED_ON,DELETED_ON,ROLE,GRANTED_TO,GRANTEE_NAME,GRANTED_BY\n\
        2026-01-01 00:00:00,,OUTER,USER,ANN,X\n\
        2026-01-01 00:00:00,,BIG_ADMIN,USER,BOB,X\n\
        2026-01-01 00:00:00,2026-03-01 00:00:00,HARMLESS,USER,BOB,X\n";
    let (_, reach) = files(&[("grants_to_roles.csv", csv), ("grants_to_users.csv", users)]);
    assert_eq!(
        held(&reach, "snowflake"),
        [
            "snowflake/user:ANN | OUTER | account | T0 | permissions-management",
            "snowflake/user:BOB | BIG_ADMIN | database/DB/S/T | T3 | permissions-management (limited), data-read",
        ]
    );
}

#[test]
fn the_owner_of_a_role_grants_it_to_itself() {
    let csv = "privilege,granted_on,name,granted_to,grantee_name,grant_option\n\
        MANAGE GRANTS,ACCOUNT,A1,ROLE,KEEPER,false\n\
        OWNERSHIP,ROLE,KEEPER,ROLE,MAKER,true\n\
        USAGE,ROLE,MAKER,USER,ANN,false\n";
    let (_, reach) = files(&[("grants.csv", csv)]);
    assert_eq!(
        paths(&reach, "snowflake"),
        [
            "snowflake/role:MAKER | self_grant | role `KEEPER` of Snowflake | yes | `MAKER` owns the role `KEEPER` and grants it to itself",
            "snowflake/user:ANN | self_grant | role `KEEPER` of Snowflake | yes | `MAKER` owns the role `KEEPER` and grants it to itself",
        ]
    );
}

/// Queries and sign-ins are use of the user; texts of queries are never kept.
#[test]
fn query_and_login_history() {
    let (facts, _) = judged(
        ingest(&[shared("other/panther/snowflake_rules.ndjson")], &Settings::defaults()).unwrap(),
    );
    let source = &facts.sources[0];
    assert_eq!((&*source.format, source.layer), ("snowflake-history", crate::facts::Layer::Usage));
    assert_eq!(source.records, source.accepted + source.quarantined);
    let reasons: std::collections::BTreeSet<&str> =
        facts.quarantine.iter().map(|q| &*q.reason).collect();
    assert_eq!(
        reasons.into_iter().collect::<Vec<_>>(),
        ["the row carries no time", "the row names no role"]
    );
    let queries: Vec<_> =
        facts.usage.iter().filter(|u| u.action.as_deref() != Some("login")).collect();
    let logins: Vec<_> =
        facts.usage.iter().filter(|u| u.action.as_deref() == Some("login")).collect();
    assert_eq!((queries.len(), logins.len()), (8, 17));
    use crate::facts::Outcome;
    assert!(logins.iter().any(|u| u.outcome == Outcome::Denied));
    let lex = queries.iter().find(|u| &*u.principal == "snowflake/user:LEX_LUTHOR").unwrap();
    assert_eq!(
        (lex.action.as_deref(), lex.privilege.as_deref()),
        (Some("get_files"), Some("PUBLIC"))
    );
    assert!(!format!("{facts:?}").contains("data_exfil"), "the text of a query was kept");
    let csv = "QUERY_ID,USER_NAME,ROLE_NAME,QUERY_TYPE,EXECUTION_STATUS,DATABASE_NAME,SCHEMA_NAME,START_TIME\n1,ANN,OPS,SELECT,SUCCESS,FIN,PUBLIC,2026-06-01 10:00:00.000 Z\n2,ANN,OPS,DROP,FAIL,FIN,,2026-06-01 11:00:00.000 Z\n";
    let (facts, _) = files(&[("q.csv", csv)]);
    let rows: Vec<_> = facts
        .usage
        .iter()
        .map(|u| (u.scope.as_deref().unwrap_or_default(), u.outcome.as_str()))
        .collect();
    assert_eq!(
        rows,
        [("database/FIN/PUBLIC", "allowed"), ("database/FIN", "error")],
        "{:?}",
        facts.quarantine
    );
}
