#![no_main]
//! State of Vault, GitHub, PostgreSQL, Snowflake and Okta: any bytes behind a head that makes the file
//! one of each format, and any text as a policy of Vault or an access list of PostgreSQL.

use libfuzzer_sys::fuzz_target;
use overstay::ingest::driver::ingest_bytes;
use overstay::privilege::vault::{Acl, parse};
use overstay::settings::Settings;

/// Begins by which a file is recognised.
const HEADS: [&str; 16] = [
    "rolname,rolvaliduntil,rolcanlogin\n",
    "nspname,relname,relkind,owner,relacl\n",
    "CREATE ROLE a;\nALTER ROLE a WITH NOSUPERUSER INHERIT;\n",
    "path \"a\" { capabilities = [\"read\"] }\n",
    "{\"bind_secret_id\":true,\"token_policies\":[]}\n",
    "{\"login\":\"a\",\"site_admin\":false,\"type\":\"User\"}\n",
    "{\"userId\":\"00u\",\"tokenWindow\":\"P30D\"}\n",
    "privilege,granted_on,grantee_name\n",
    "{\"auth/gh/role/a\":{\"data\":{\"user_claim\":\"sub\",\"token_policies\":[]}}}\n",
    "{\"bound_service_account_names\":[],\"token_policies\":[],\"token_ttl\":0}\n",
    "{\"total_count\":0,\"environments\":[{\"name\":\"a\",\"protection_rules\":[]}]}\n",
    "{\"enforcement\":\"active\",\"conditions\":{\"ref_name\":{}},\"rules\":[]}\n",
    "{\"url\":\"https://api.github.com/repos/a/b/branches/c/protection\",\"enforce_admins\":{\"enabled\":true}}\n",
    "{\"cr0x\":{\"permissions\":[{\"label\":\"okta.users.manage\"}]}}\n",
    "query_type,execution_status,user_name\n",
    "{\"event_type\":\"LOGIN\",\"is_success\":\"YES\",\"user_name\":\"a\"}\n",
];

fuzz_target!(|data: &[u8]| {
    let (head, rest) = match data.split_first() {
        Some((n, rest)) => (HEADS[usize::from(*n) % HEADS.len()], rest),
        None => (HEADS[0], data),
    };
    let mut file = head.as_bytes().to_vec();
    file.extend_from_slice(rest);
    let found =
        ingest_bytes("state", &file, &Settings::defaults()).expect("no mapping to be wrong");
    for s in &found.facts.sources {
        assert_eq!(s.records, s.accepted + s.quarantined, "a record was lost");
    }
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let _ = overstay::privilege::postgres::acl(text);
    if let Ok(rules) = parse(text) {
        let acl = Acl::new(&[&rules]);
        let _ = (acl.decides("sys/policies/acl/x").is_some(), acl.gives().len());
    }
});
