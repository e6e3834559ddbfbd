//! Every row of the table of dangerous permissions of these platforms (cloud semantics, section 7): it
//! opens a step of a path, or its holder is where paths end, or it reaches data, or it is listed here with
//! the reason why not.

use std::collections::BTreeMap;

use super::*;

/// Rows that no input of ours shows as a step, with the reason.
const NO_STEP: &[(&str, &str)] = &[
    (
        "sys/generate-root*",
        "unauthenticated, and useless without the unseal keys, which no input shows",
    ),
    (
        "auth/token/create create|update (no allowed_parameters; sudo lets periodic)",
        "without sudo a child token has at most the policies of its parent",
    ),
    (
        "database/creds/* read",
        "which login is issued, the role of the engine says, which is not exported",
    ),
    (
        "aws/creds/* | gcp/*/token | azure/creds/* read",
        "which cloud role is issued, the engine's role says",
    ),
    ("pki/issue/* create|update", "whom a certificate signs in, the systems that trust it say"),
    ("ssh/sign/* create|update", "which hosts trust the authority, no input says"),
    ("API token", "a credential with the rights of its user, who is judged by its own roles"),
    (
        "USER_ADMIN",
        "resets users and groups without administrator roles; what those reach is in other systems",
    ),
    (
        "HELP_DESK_ADMIN",
        "resets users without administrator roles; what those reach is in other systems",
    ),
    ("GROUP_MEMBERSHIP_ADMIN", "groups with administrator roles are out of its reach"),
    (
        "CREATE INTEGRATION | USAGE on INTEGRATION",
        "what an integration reaches outside, no export says",
    ),
    (
        "programmatic access token without role_restriction",
        "a credential with every role of its user, who is judged by them",
    ),
    (
        "workflows:write",
        "a step only with the right to write contents, and to repositories that are trusted",
    ),
    ("secrets:write", "which secrets a run uses, no input says"),
    ("actions:write", "starts runs that others wrote"),
    ("organization_secrets:write", "which secrets a run uses, no input says"),
    ("workflow", "a step only together with `repo`"),
    ("CREATE on schema", "whose search path a shadowed function would be in, no export says"),
    ("TRIGGER", "who writes to the table and so runs the code, no export says"),
    ("grantee PUBLIC", "says who holds something, and is no permission"),
    ("rolcreatedb", "creates databases of its own"),
    ("MOBILE_ADMIN", "manages devices and takes no identity"),
    ("READ_ONLY_ADMIN", "reads the configuration"),
    ("REPORT_ADMIN", "reads reports"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Step,
    End,
    Data,
    Nothing,
}

fn does(reach: &Reach, who: &str) -> Does {
    if reach.escalations.iter().any(|e| *e.principal_id == *who) {
        return Does::Step;
    }
    let has = |words: &[&str]| {
        reach
            .holdings
            .iter()
            .filter(|h| *h.principal_id == *who)
            .any(|h| h.classes.iter().chain(&h.classes_possible).any(|c| words.contains(&&**c)))
    };
    if has(&["admin", "permissions-management"]) {
        Does::End
    } else if has(&["escalation", "escalation (possible)"]) {
        // What opens a path in principle and none here is to be explained.
        Does::Nothing
    } else if has(&[
        "secrets",
        "data-read",
        "data-write",
        "destructive",
        "permissions-management (limited)",
    ]) {
        Does::Data
    } else {
        Does::Nothing
    }
}

/// Permissions of a platform in the table.
fn table(platform: &str) -> Vec<String> {
    let text = std::fs::read_to_string(shared("other/dangerous_permissions.csv")).unwrap();
    let mut csv = csv::Reader::from_reader(text.as_bytes());
    let all: Vec<csv::StringRecord> = csv.records().map(|r| r.unwrap()).collect();
    assert_eq!(all.len(), 90);
    all.iter().filter(|r| &r[0] == platform).map(|r| r[1].to_owned()).collect()
}

/// Each row does something, or is listed; and what is listed does nothing.
fn hold(platform: &str, found: &BTreeMap<String, Does>) {
    let rows = table(platform);
    let listed: BTreeMap<&str, &str> = NO_STEP.iter().copied().collect();
    let mut wrong = Vec::new();
    for row in &rows {
        let told = listed.get(row.as_str());
        match (found.get(row), told) {
            (None, None) => wrong.push(format!("{platform} `{row}` is not tried")),
            (Some(Does::Nothing), None) => {
                wrong.push(format!("{platform} `{row}` opens nothing and no reason is listed"));
            }
            (Some(Does::Step), Some(_)) => {
                wrong.push(format!("{platform} `{row}` is listed and opens a step"));
            }
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for tried in found.keys() {
        assert!(rows.contains(tried), "{platform} `{tried}` is no row of the table");
    }
    assert!(NO_STEP.iter().all(|(_, why)| why.len() > 8));
}

#[test]
fn vault() {
    // Row, path, capabilities.
    let rows: [(&str, &str, &str); 26] = [
        ("path \"*\" with sudo", "*", "create read update delete list sudo"),
        ("policy root", "", ""),
        ("sys/policies/acl/* create|update", "sys/policies/acl/*", "create update"),
        ("sys/policy/* create|update", "sys/policy/*", "create update"),
        (
            "auth/token/create create|update (no allowed_parameters; sudo lets periodic)",
            "auth/token/create",
            "create update",
        ),
        ("auth/token/create-orphan sudo", "auth/token/create-orphan", "create update sudo"),
        ("auth/token/roles/* create|update", "auth/token/roles/*", "create update"),
        ("auth/approle/role/* create|update", "auth/approle/role/*", "create update"),
        ("auth/approle/role/+/secret-id create|update", "auth/approle/role/+/secret-id", "update"),
        ("auth/*/role* create|update", "auth/+/role/*", "create update"),
        ("identity/entity* create|update", "identity/entity*", "create update"),
        ("identity/group* create|update", "identity/group*", "create update"),
        ("sys/auth/* create|update|sudo", "sys/auth/*", "create update sudo"),
        ("sys/mounts/* create|update|delete", "sys/mounts/*", "create update delete"),
        ("sys/audit/* delete|sudo", "sys/audit/*", "delete sudo"),
        ("sys/raw/* read", "sys/raw/*", "read sudo"),
        ("sys/generate-root*", "sys/generate-root*", "update"),
        ("secret/data/* read", "secret/data/*", "read"),
        ("secret/data/* create|update", "secret/data/*", "create update"),
        ("secret/metadata/* delete", "secret/metadata/*", "delete"),
        ("database/creds/* read", "database/creds/*", "read"),
        ("aws/creds/* | gcp/*/token | azure/creds/* read", "aws/creds/*", "read"),
        ("pki/issue/* create|update", "pki/issue/*", "create update"),
        ("ssh/sign/* create|update", "ssh/sign/*", "create update"),
        ("transit/decrypt/* update", "transit/decrypt/*", "update"),
        ("auth/token/accessors list + revoke-accessor", "auth/token/revoke-accessor", "update"),
    ];
    let mut inputs: Vec<(String, String)> = vec![(
        "roles.json".into(),
        r#"{"big":{"data":{"bind_secret_id":true,"secret_id_ttl":0,"token_policies":["d0"],"token_no_default_policy":true}}}"#.into(),
    )];
    for (i, (_, path, caps)) in rows.iter().enumerate() {
        let list: Vec<String> = caps.split(' ').map(|c| format!("\"{c}\"")).collect();
        if !path.is_empty() {
            let body = format!("path \"{path}\" {{ capabilities = [{}] }}\n", list.join(","));
            inputs.push((format!("policies/d{i}.hcl"), body));
        }
        let policy = if path.is_empty() { "root".to_owned() } else { format!("d{i}") };
        inputs.push((
            format!("e{i}.json"),
            format!(r#"{{"data":{{"id":"p{i}","name":"n{i}","policies":["{policy}"],"direct_group_ids":[],"aliases":[]}}}}"#),
        ));
    }
    let list: Vec<(&str, &str)> = inputs.iter().map(|(n, c)| (n.as_str(), c.as_str())).collect();
    let (_, reach) = files(&list);
    let found = rows
        .iter()
        .enumerate()
        .map(|(i, (row, ..))| ((*row).to_owned(), does(&reach, &format!("p{i}"))))
        .collect();
    hold("vault", &found);
}

const ROLE: &str = r#"{"UserDetailList":[],"GroupDetailList":[],"Policies":[],"RoleDetailList":[{"Path":"/","RoleName":"deploy","RoleId":"AROA1","Arn":"arn:aws:iam::111122223333:role/deploy","CreateDate":"2025-01-01T00:00:00+00:00","AssumeRolePolicyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringLike":{"token.actions.githubusercontent.com:sub":"repo:acme/web:*"}}}]},"InstanceProfileList":[],"RolePolicyList":[{"PolicyName":"all","PolicyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}}],"AttachedManagedPolicies":[],"Tags":[]}]}"#;

#[test]
fn github() {
    let apps = table("github-app");
    let classic = table("github-pat-classic");
    let mut installations = Vec::new();
    for (i, row) in apps.iter().enumerate() {
        let (name, level) = row.split_once(':').unwrap();
        installations.push(format!(
            r#"{{"id":{i},"app_id":{i},"app_slug":"a{i}","account":{{"login":"acme"}},"repository_selection":"selected","permissions":{{"{name}":"{level}"}},"created_at":"2026-01-01T00:00:00Z","suspended_at":null,"events":[]}}"#
        ));
    }
    let all = |id: u32, slug: &str| {
        format!(
            r#"{{"id":{id},"app_id":{id},"app_slug":"{slug}","account":{{"login":"acme"}},"repository_selection":"all","permissions":{{"checks":"write"}},"created_at":"2026-01-01T00:00:00Z","suspended_at":null,"events":[]}}"#
        )
    };
    installations.push(all(900, "everywhere"));
    let tokens: Vec<String> = classic
        .iter()
        .enumerate()
        .map(|(i, scope)| {
            format!(
                r#"{{"login":"c{i}","credential_id":{i},"credential_type":"personal access token","token_last_eight":"12345678","credential_authorized_at":"2026-01-01T00:00:00Z","scopes":["{scope}"]}}"#
            )
        })
        .collect();
    let fine = r#"[{"id":1,"token_id":1,"token_name":"t","owner":{"login":"fine"},"repository_selection":"all","repositories_url":"https://api.github.com/organizations/7/x","permissions":{"repository":{"checks":"write"}},"access_granted_at":"2026-01-01T00:00:00Z","token_expired":false,"token_expires_at":"2026-12-01T00:00:00Z","token_last_used_at":null}]"#;
    let keys = r#"{"acme/web":[{"id":1,"key":"ssh-ed25519 AAAA","title":"k","read_only":false,"created_at":"2025-01-01T00:00:00Z","verified":true,"enabled":true}]}"#;
    let owners = r#"[{"login":"boss","id":1,"type":"User","site_admin":false}]"#;
    let (facts, reach) = files(&[
        ("details.json", ROLE),
        (
            "installations.json",
            &format!(r#"{{"total_count":1,"installations":[{}]}}"#, installations.join(",")),
        ),
        ("classic.json", &format!("[{}]", tokens.join(","))),
        ("fine.json", fine),
        ("keys.json", keys),
        ("owners.json", owners),
    ]);
    assert!(facts.quarantine.is_empty(), "{:?}", facts.quarantine);
    let of = |rows: &[String], prefix: &str| -> BTreeMap<String, Does> {
        let one = |(i, row): (usize, &String)| (row.clone(), does(&reach, &format!("{prefix}{i}")));
        rows.iter().enumerate().map(one).collect()
    };
    hold("github-app", &of(&apps, "a"));
    hold("github-pat-classic", &of(&classic, "c"));
    let found: BTreeMap<String, Does> = [
        ("deploy key read_only=false", "deploy key k of acme/web"),
        ("organization owner", "boss"),
        ("app installation repository_selection=all with any write", "everywhere"),
        ("fine-grained PAT repository_selection=all with any write", "fine"),
    ]
    .into_iter()
    .map(|(row, who)| (row.to_owned(), does(&reach, who)))
    .collect();
    hold("github", &found);
}

#[test]
fn okta() {
    let rows = table("okta");
    let mut roles = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        roles.push(format!(
            r#""00u{i:03}":[{{"id":"r{i}","type":"{row}","label":"x","status":"ACTIVE","assignmentType":"USER"}}]"#
        ));
    }
    let client = r#"[{"id":"oag1","scopeId":"okta.roles.manage","issuer":"https://x.okta.com","clientId":"0oa1","status":"ACTIVE","created":"2024-01-01T00:00:00.000Z"}]"#;
    let (_, reach) =
        files(&[("roles.json", &format!("{{{}}}", roles.join(","))), ("grants.json", client)]);
    let one = |(i, row): (usize, &String)| (row.clone(), does(&reach, &format!("00u{i:03}")));
    let found: BTreeMap<String, Does> = rows.iter().enumerate().map(one).collect();
    assert_eq!(found["APP_ADMIN"], Does::Step, "a credential of a client with scopes");
    hold("okta", &found);
}

#[test]
fn postgres() {
    let header = "rolname,rolsuper,rolinherit,rolcreaterole,rolcreatedb,rolcanlogin,rolreplication,rolbypassrls,rolconnlimit,rolvaliduntil,oid\n";
    let attributes = [
        ("rolsuper", "t,t,f,f,t,f,f"),
        ("rolcreaterole", "f,t,t,f,t,f,f"),
        ("rolbypassrls", "f,t,f,f,t,f,t"),
        ("rolreplication", "f,t,f,f,t,t,f"),
        ("rolcreatedb", "f,t,f,t,t,f,f"),
    ];
    let members = [
        "pg_execute_server_program",
        "pg_write_server_files",
        "pg_read_server_files",
        "pg_read_all_data",
        "pg_write_all_data",
        "pg_signal_backend",
    ];
    let tables = [("TRUNCATE", "tru"), ("DELETE", "del"), ("TRIGGER", "tri")];
    let mut csv = header.to_owned();
    let mut grants = "role,member,grantor,admin_option\n".to_owned();
    let mut relations = "grantor,grantee,table_catalog,table_schema,table_name,privilege_type,is_grantable,with_hierarchy\n".to_owned();
    let mut line = |name: &str, flags: &str| csv.push_str(&format!("{name},{flags},-1,,1\n"));
    for (name, flags) in attributes {
        line(&format!("a_{name}"), flags);
    }
    for role in members {
        line(role, "f,t,f,f,f,f,f");
        line(&format!("m_{role}"), "f,t,f,f,t,f,f");
        grants.push_str(&format!("{role},m_{role},postgres,f\n"));
    }
    for (word, name) in tables {
        line(name, "f,t,f,f,t,f,f");
        relations.push_str(&format!("boss,{name},db,fin,t,{word},NO,NO\n"));
    }
    for name in ["boss", "gives", "definer", "schema", "adm"] {
        line(name, if name == "boss" { "t,t,f,f,t,f,f" } else { "f,t,f,f,t,f,f" });
    }
    line("grp", "f,t,t,f,f,f,f");
    grants.push_str("grp,adm,postgres,t\n");
    relations.push_str("boss,gives,db,fin,t,SELECT,YES,NO\n");
    let (facts, reach) = files(&[
        ("pg_roles.csv", &csv),
        ("pg_auth_members.csv", &grants),
        ("role_table_grants.csv", &relations),
        (
            "pg_namespace_acl.csv",
            "nspname,owner,nspacl\nfin,boss,\"{boss=UC/boss,schema=C/boss}\"\n",
        ),
        (
            "security_definer.csv",
            "nspname,proname,owner,prosecdef,proacl\nfin,close,boss,t,\"{boss=X/boss,definer=X/boss}\"\n",
        ),
    ]);
    assert!(facts.quarantine.is_empty(), "{:?}", facts.quarantine);
    let mut pairs: Vec<(&str, String)> = vec![
        ("admin_option on a membership", "adm".into()),
        ("CREATE on schema", "schema".into()),
        ("EXECUTE on SECURITY DEFINER function", "definer".into()),
        ("is_grantable=YES", "gives".into()),
    ];
    pairs.extend(attributes.map(|(n, _)| (n, format!("a_{n}"))));
    pairs.extend(members.map(|m| (m, format!("m_{m}"))));
    pairs.extend(tables.map(|(w, n)| (w, n.to_owned())));
    let found: BTreeMap<String, Does> = pairs
        .into_iter()
        .map(|(row, who)| (row.to_owned(), does(&reach, &format!("postgres/{who}"))))
        .collect();
    for step in ["pg_execute_server_program", "EXECUTE on SECURITY DEFINER function"] {
        assert_eq!(found[step], Does::Step, "{step}");
    }
    hold("postgres", &found);
}

#[test]
fn snowflake() {
    // Row, privilege, kind, name; rows of roles that the system defines have no kind.
    let rows: [(&str, &str, &str, &str, &str); 13] = [
        ("ACCOUNTADMIN", "", "", "ACCOUNTADMIN", "false"),
        ("SECURITYADMIN", "", "", "SECURITYADMIN", "false"),
        ("USERADMIN", "", "", "USERADMIN", "false"),
        ("SYSADMIN", "", "", "SYSADMIN", "false"),
        ("MANAGE GRANTS on ACCOUNT", "MANAGE GRANTS", "ACCOUNT", "A1", "false"),
        ("OWNERSHIP", "OWNERSHIP", "TABLE", "DB.S.T", "false"),
        ("grant_option=true", "SELECT", "TABLE", "DB.S.T", "true"),
        ("CREATE USER | CREATE ROLE on ACCOUNT", "CREATE USER", "ACCOUNT", "A1", "false"),
        ("IMPERSONATE on USER / EXECUTE AS", "IMPERSONATE", "USER", "BOSS", "false"),
        ("CREATE INTEGRATION | USAGE on INTEGRATION", "USAGE", "INTEGRATION", "I1", "false"),
        ("SELECT", "SELECT", "TABLE", "DB.S.T", "false"),
        ("INSERT | UPDATE", "INSERT", "TABLE", "DB.S.T", "false"),
        ("DELETE | TRUNCATE | DROP", "DELETE", "TABLE", "DB.S.T", "false"),
    ];
    let mut grants = vec![r#"{"created_on":"1780000000.000","role":"ACCOUNTADMIN","granted_to":"USER","grantee_name":"BOSS","granted_by":"X"}"#.to_owned()];
    for (i, (_, privilege, kind, name, option)) in rows.iter().enumerate() {
        let role = if kind.is_empty() { (*name).to_owned() } else { format!("R{i}") };
        grants.push(format!(
            r#"{{"created_on":"1780000000.000","role":"{role}","granted_to":"USER","grantee_name":"U{i}","granted_by":"X"}}"#
        ));
        if !kind.is_empty() {
            grants.push(format!(
                r#"{{"created_on":"1780000000.000","privilege":"{privilege}","granted_on":"{kind}","name":"{name}","granted_to":"ROLE","grantee_name":"R{i}","grant_option":"{option}","granted_by":"X"}}"#
            ));
        }
    }
    grants.push(r#"{"created_on":"1780000000.000","role":"R99","granted_to":"USER","grantee_name":"U99","granted_by":"X"}"#.into());
    grants.push(r#"{"created_on":"1780000000.000","privilege":"IMPORTED PRIVILEGES","granted_on":"DATABASE","name":"SNOWFLAKE","granted_to":"ROLE","grantee_name":"R99","grant_option":"false","granted_by":"X"}"#.into());
    let (facts, reach) = files(&[("grants.json", &format!("[{}]", grants.join(",")))]);
    assert!(facts.quarantine.is_empty(), "{:?}", facts.quarantine);
    let mut found: BTreeMap<String, Does> = rows
        .iter()
        .enumerate()
        .map(|(i, (row, ..))| ((*row).to_owned(), does(&reach, &format!("snowflake/user:U{i}"))))
        .collect();
    found.insert("IMPORTED PRIVILEGES".into(), does(&reach, "snowflake/user:U99"));
    assert_eq!(found["IMPERSONATE on USER / EXECUTE AS"], Does::Step);
    hold("snowflake", &found);
}
