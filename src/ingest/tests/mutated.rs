//! Samples of platform exports with bytes changed, cut, doubled and swapped at random: every record is read or
//! in quarantine, and the run goes on. The numbers are drawn from a fixed seed.

use crate::ingest::driver::ingest_bytes;
use crate::settings::Settings;

/// A small generator of numbers (Knuth's constants), so that a failure comes again.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % n.max(1)
    }
}

/// Pieces that parsers trip over.
const PIECES: [&[u8]; 16] = [
    b"null",
    b"{}",
    b"[]",
    b"[[[[[[[[",
    b"\"",
    b"\\u0000",
    b"\x00",
    b"\xff\xfe",
    b"9999999999999999999",
    b"-1",
    b"\x1b[31m",
    b"\n",
    b",",
    b"{\"value\":",
    b"true",
    b"\\",
];

fn mutated(sample: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut out = sample.to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(out.len() + 1);
        match numbers.below(5) {
            0 => {
                if let Some(b) = out.get_mut(at) {
                    *b = u8::try_from(numbers.below(256)).unwrap_or_default();
                }
            }
            1 => {
                let piece = PIECES[numbers.below(PIECES.len())];
                out.splice(at..at, piece.iter().copied());
            }
            2 => {
                let end = (at + numbers.below(40)).min(out.len());
                out.drain(at..end);
            }
            3 => {
                let end = (at + numbers.below(200)).min(out.len());
                let part = out[at..end].to_vec();
                out.splice(at..at, part);
            }
            _ => {
                // A value of another type behind some key.
                let colon = out.iter().skip(at).position(|b| *b == b':').map(|i| at + i + 1);
                if let Some(start) = colon {
                    let piece = PIECES[numbers.below(5)];
                    let end = (start + numbers.below(30)).min(out.len());
                    out.splice(start..end, piece.iter().copied());
                }
            }
        }
    }
    out
}

const SAMPLES: [(&str, &str); 19] = [
    (
        "tree.json",
        r#"{"count":1,"data":[{"id":"/subscriptions/s1","name":"one","type":"microsoft.resources/subscriptions","subscriptionId":"s1","tenantId":"t1","properties":{"managementGroupAncestorsChain":[{"name":"mg"},{"name":"t1"}]}}]}"#,
    ),
    (
        "under.json",
        r#"[{"id":"/providers/Microsoft.Management/managementGroups/mg/subscriptions/s1","type":"Microsoft.Management/managementGroups/subscriptions","parent":{"id":"/providers/Microsoft.Management/managementGroups/mg"}}]"#,
    ),
    (
        "policy.json",
        r#"{"value":[{"id":"a","policyId":"p","scopeId":"/","scopeType":"DirectoryRole","roleDefinitionId":"r","policy":{"rules":[{"id":"Expiration_EndUser_Assignment","maximumDuration":"PT8H"},{"id":"Approval_EndUser_Assignment","setting":{"isApprovalRequired":true,"approvalStages":[{"primaryApprovers":[{"userId":"b"}]}]}}]}}]}"#,
    ),
    (
        "lighthouse.json",
        r#"[{"id":"/subscriptions/s/providers/Microsoft.ManagedServices/registrationAssignments/a","type":"Microsoft.ManagedServices/registrationAssignments","properties":{"registrationDefinitionId":"d","registrationDefinition":{"properties":{"managedByTenantId":"v","authorizations":[{"principalId":"p","roleDefinitionId":"r","delegatedRoleDefinitionIds":["x"]}]}}}}]"#,
    ),
    (
        "classic.json",
        r#"[{"id":"/subscriptions/s/providers/Microsoft.Authorization/classicAdministrators/1","type":"Microsoft.Authorization/classicAdministrators","properties":{"emailAddress":"a@x.example","role":"CoAdministrator"}}]"#,
    ),
    (
        "ra.json",
        r#"[{"scope":"/subscriptions/s","roleDefinitionId":"r","principalId":"p","principalName":"n","description":"JIT until 2025-06-08","condition":"((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})))"}]"#,
    ),
    (
        "group.json",
        r##"{"value":[{"id":"g","displayName":"d","securityEnabled":true,"isAssignableToRole":true,"members":[{"id":"m","@odata.type":"#microsoft.graph.user","userPrincipalName":"u@x"}],"owners":[{"id":"o"}]}]}"##,
    ),
    (
        "vault.json",
        r#"{"auth/gh/role/deploy":{"data":{"role_type":"jwt","user_claim":"sub","bound_claims":{"sub":["repo:a/b:*"]},"bound_audiences":["v"],"token_policies":["p"]}},"auth/k8s/role/a":{"data":{"bound_service_account_names":["a"],"bound_service_account_namespaces":["b"],"token_policies":["p"]}}}"#,
    ),
    (
        "tokenrole.json",
        r#"{"auth/token/roles/x":{"data":{"allowed_policies":["p"],"orphan":true,"renewable":true}}}"#,
    ),
    ("list.json", r#"["default","root","a"]"#),
    (
        "p.hcl",
        "path \"secret/data/+/x*\" { capabilities = [\"read\", \"list\"] allowed_parameters = { \"a\" = [\"b\"] } }\n# c\npath \"sys/*\" { policy = \"write\" }\n",
    ),
    (
        "env.json",
        r#"{"total_count":1,"environments":[{"name":"prod","url":"https://api.github.com/repos/a/b/environments/prod","protection_rules":[{"type":"required_reviewers","reviewers":[{"reviewer":{"login":"x"}}]}],"deployment_branch_policy":{"protected_branches":true}}]}"#,
    ),
    (
        "rules.json",
        r#"{"id":7,"target":"branch","source_type":"Repository","source":"a/b","enforcement":"active","conditions":{"ref_name":{"include":["~ALL"],"exclude":[]}},"rules":[{"type":"pull_request","parameters":{"required_approving_review_count":2}}]}"#,
    ),
    (
        "main.json",
        r#"{"url":"https://api.github.com/repos/a/b/branches/main/protection","enforce_admins":{"enabled":true},"required_pull_request_reviews":{"required_approving_review_count":1}}"#,
    ),
    ("okta.json", r#"{"cr0x":{"permissions":[{"label":"okta.users.manage","conditions":null}]}}"#),
    ("set.json", r#"{"iamone":{"resources":[{"id":"i","orn":"orn:okta:directory:00o1:users"}]}}"#),
    (
        "roles.json",
        r#"{"00u9":[{"id":"r","type":"CUSTOM","role":"cr0x","resource-set":"iamone","label":"x","status":"ACTIVE","assignmentType":"USER"}]}"#,
    ),
    (
        "history.json",
        r#"[{"USER_NAME":"A","ROLE_NAME":"R","QUERY_TYPE":"SELECT","EXECUTION_STATUS":"SUCCESS","START_TIME":"2026-06-01 10:00:00.000"}]"#,
    ),
    (
        "grants.json",
        r#"[{"created_on":"1780000000.000","privilege":"SELECT","granted_on":"TABLE","name":"D.S.T","granted_to":"ROLE","grantee_name":"R","grant_option":"false"}]"#,
    ),
];

#[test]
fn mutated_samples_cost_records_never_the_run() {
    let settings = Settings::defaults();
    let mut numbers = Numbers(20_260_630);
    for (name, sample) in SAMPLES {
        let whole = ingest_bytes(name, sample.as_bytes(), &settings).unwrap();
        assert_eq!(whole.facts.sources.len(), 1, "{name} is of no format");
        assert!(whole.facts.quarantine.is_empty(), "{name}: {:?}", whole.facts.quarantine);
        for round in 0..150 {
            let bytes = mutated(sample.as_bytes(), &mut numbers);
            let mut found = ingest_bytes(name, &bytes, &settings).unwrap();
            for s in &found.facts.sources {
                assert_eq!(
                    s.records,
                    s.accepted + s.quarantined,
                    "{name}, round {round}: {}",
                    String::from_utf8_lossy(&bytes)
                );
            }
            // What was read must be judged without a panic, too.
            if round % 10 == 0 {
                crate::analyze::identities(&mut found.facts, &settings);
                let at = crate::facts::Time::from_secs(1_782_777_600);
                let _ = crate::analyze::reach::reach(&found.facts, &settings, at);
            }
        }
    }
}
