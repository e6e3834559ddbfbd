use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::facts::*;
use crate::ingest::{Ingested, ingest};
use crate::settings::Settings;

fn shared(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/gcp").join(path);
    assert!(path.exists(), "this test needs the shared data at `{}`", path.display());
    path
}

fn read(files: &[(&str, &str)]) -> Ingested {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    ingest(&[dir.path().to_path_buf()], &Settings::defaults()).unwrap()
}

fn sample(path: &str) -> Ingested {
    ingest(&[shared(path)], &Settings::defaults()).unwrap()
}

/// Member, role, scope and condition of all bindings.
fn bindings(found: &Ingested) -> BTreeSet<(String, String, String, Option<String>)> {
    let rows = found.facts.entitlements.iter();
    rows.map(|e| {
        let condition = e.condition.as_deref().map(str::to_owned);
        (e.principal_id.to_string(), e.role_id.to_string(), e.scope.to_string(), condition)
    })
    .collect()
}

#[test]
fn every_envelope_of_one_policy_says_the_same() {
    let assets = sample("shape/asset_export_iam_policy.ndjson");
    let search = sample("shape/search_all_iam_policies.json");
    assert_eq!(bindings(&assets), bindings(&search));
    assert!(assets.facts.quarantine.is_empty() && search.facts.quarantine.is_empty());
    assert_eq!((assets.facts.sources[0].records, search.facts.sources[0].records), (5, 5));
    let ancestors = sample("shape/get_ancestors_iam_policy.json");
    let containers: BTreeSet<_> =
        bindings(&assets).into_iter().filter(|b| !b.2.starts_with("//")).collect();
    assert_eq!(bindings(&ancestors), containers);
    let policy = std::fs::read_to_string(shared("shape/projects_get_iam_policy.json")).unwrap();
    let named = read(&[("p.json", &policy), ("p.json.realm", "pay-prod\n")]);
    let project: BTreeSet<_> =
        containers.into_iter().filter(|b| b.2 == "projects/pay-prod").collect();
    assert_eq!(bindings(&named), project);
    // Without a name the policy is of nothing, and the message says what to do.
    let nameless = read(&[("p.json", &policy)]);
    assert!(nameless.facts.entitlements.is_empty());
    assert!(
        nameless.facts.quarantine[0].reason.contains(".realm"),
        "{:?}",
        nameless.facts.quarantine
    );
}

#[test]
fn a_binding_in_four_exports_is_one_and_the_log_dates_it() {
    let found = sample("shape");
    let f = &found.facts;
    let ids: BTreeSet<&str> = f.entitlements.iter().map(|e| &*e.entitlement_id).collect();
    assert_eq!(ids.len(), f.entitlements.len());
    let oncall = f
        .entitlements
        .iter()
        .find(|e| &*e.principal_id == "oncall@example.com" && e.role_id.contains("instanceAdmin"))
        .unwrap();
    assert_eq!(oncall.bound_at_hi.unwrap().to_rfc3339(), "2026-02-27T20:11:00Z");
    assert_eq!(oncall.not_after.unwrap().to_date(), "2026-03-01");
    // Numbers of projects become names: the insight and the tree meet the policy.
    assert!(f.realms.iter().all(|r| &*r.realm_id != "projects/4400"), "{:?}", f.realms);
    let insight = f.usage.iter().find(|u| u.count == Some(0) && u.privilege.is_some()).unwrap();
    assert_eq!(insight.scope.as_deref(), Some("projects/pay-prod"));
    let parent = f.realms.iter().find(|r| &*r.realm_id == "projects/pay-prod").unwrap();
    assert_eq!(parent.parent_id.as_deref(), Some("folders/222"));
    let delegated = &f.delegations[0];
    assert!(
        delegated.parent.starts_with("terraform@") && delegated.child.starts_with("ci-deploy@")
    );
}

#[test]
fn keys_know_their_last_use_and_googles_own_are_left_out() {
    let found = sample("shape");
    let keys: Vec<&Credential> = found.facts.credentials.iter().collect();
    assert_eq!(keys.len(), 2);
    let aaaa = keys.iter().find(|k| k.credential_id.ends_with("/aaaa")).unwrap();
    assert_eq!((aaaa.no_expiry, aaaa.expires_at, aaaa.active), (Some(true), None, Some(true)));
    assert!(aaaa.use_tracked && aaaa.last_used_at.unwrap().to_date() == "2025-09-02");
    let bbbb = keys.iter().find(|k| k.credential_id.ends_with("/bbbb")).unwrap();
    assert_eq!(bbbb.active, Some(false));
    let source =
        found.facts.sources.iter().find(|s| &*s.format == "gcp-service-account-keys").unwrap();
    assert!(source.limitation.as_deref().unwrap().contains("1 keys that Google manages"));
    assert_eq!(super::accounts::key_id("a@b", "0123456789abcdef").as_ref(), "a@b/keys/01234567...");
}

#[test]
fn other_collections_are_read_whole() {
    for (path, formats) in [("cartography", 5), ("policy-library", 8), ("panther", 2)] {
        let found = sample(path);
        assert!(found.failed.is_empty() && found.unknown.is_empty(), "{path}: {:?}", found.unknown);
        assert_eq!(found.facts.sources.len(), formats, "{path}");
        let stray: Vec<_> = found
            .facts
            .quarantine
            .iter()
            .filter(|q| path != "panther" && !q.source_ref.contains("OAUTH_TOKENS"))
            .collect();
        assert!(stray.is_empty(), "{path}: {stray:?}");
    }
    let found = sample("cartography");
    let f = &found.facts;
    let expired = f.entitlements.iter().find(|e| &*e.role_id == "roles/storage.admin").unwrap();
    assert_eq!(expired.not_after.unwrap().to_date(), "2024-12-31");
    let marge: Vec<&str> = f
        .memberships
        .iter()
        .filter(|m| m.principal_id.starts_with("mbsimpson"))
        .map(|m| &*m.group_id)
        .collect();
    assert_eq!(marge, ["group:engineering@simpson.corp"]);
    assert!(
        f.realms
            .iter()
            .any(|r| &*r.realm_id == "folders/2001"
                && r.parent_id.as_deref() == Some("folders/2000"))
    );
    assert!(f.links.iter().any(|l| l.issuer.as_deref() == Some("aws:111122223333")));
}

#[test]
fn partial_exports_say_so() {
    let hidden = r#"[{"id":"p","type":"project","policy":{"version":1,"bindings":[{"role":"roles/viewer_withcond_0123","members":["user:a@b.example"]}]}}]"#;
    let found = read(&[("a.json", hidden)]);
    let s = &found.facts.sources[0];
    assert_eq!(s.completeness, Completeness::Truncated);
    assert!(s.limitation.as_deref().unwrap().contains("version 1"));
    let names = r#"[{"name":"roles/x","title":"X","stage":"GA"},{"name":"projects/p/roles/y","title":"Y","etag":"e"}]"#;
    let found = read(&[("roles.json", names)]);
    assert!(found.facts.roles.iter().all(|r| r.document.is_none()));
    assert!(
        found.facts.sources[0].limitation.as_deref().unwrap().contains("without their permissions")
    );
    let rules = r#"[{"name":"policies/cloudresourcemanager.googleapis.com%2Fprojects%2F1/denypolicies/d","kind":"DenyPolicy","uid":"u"}]"#;
    let found = read(&[("deny.json", rules)]);
    assert_eq!(found.facts.guardrails[0].target_id.as_deref(), Some("projects/1"));
    assert_eq!(found.facts.sources[0].completeness, Completeness::Truncated);
}

#[test]
fn a_later_policy_that_lacks_a_binding_removed_it() {
    let asset = |day: u8, members: &str| {
        format!(
            r#"{{"name":"//cloudresourcemanager.googleapis.com/projects/p","asset_type":"cloudresourcemanager.googleapis.com/Project","iam_policy":{{"bindings":[{{"role":"roles/viewer","members":[{members}]}}]}},"ancestors":["projects/1"],"update_time":"2026-01-{day:02}T00:00:00Z"}}"#
        )
    };
    let found = read(&[
        ("a.ndjson", &asset(1, r#""user:ann@x.example","user:bob@x.example""#)),
        ("b.ndjson", &asset(9, r#""user:bob@x.example""#)),
    ]);
    let rows: Vec<(&str, Option<String>)> = found
        .facts
        .entitlements
        .iter()
        .map(|e| (&*e.principal_id, e.unbound_at_hi.map(|t| t.to_date())))
        .collect();
    assert_eq!(rows, [("ann@x.example", Some("2026-01-09".into())), ("bob@x.example", None)]);
}

#[test]
fn eligible_people_api_keys_and_memberships_with_an_end() {
    let found = read(&[
        (
            "ent.json",
            r#"[{"name":"projects/p/locations/global/entitlements/e","state":"AVAILABLE","createTime":"2026-01-01T00:00:00Z","eligibleUsers":[{"principals":["user:ann@x.example","group:ops@x.example"]}],"privilegedAccess":{"gcpIamAccess":{"resource":"//cloudresourcemanager.googleapis.com/projects/p","roleBindings":[{"role":"roles/owner"}]}}}]"#,
        ),
        (
            "keys.json",
            r#"[{"name":"projects/1/locations/global/keys/0123456789","uid":"0123456789","createTime":"2026-01-01T00:00:00Z","serviceAccountEmail":"a@p.iam.gserviceaccount.com","keyString":"SECRET"}]"#,
        ),
        (
            "m.json",
            r#"[{"name":"groups/1/memberships/2","preferredMemberKey":{"id":"ann@x.example"},"roles":[{"name":"MEMBER","expiryDetail":{"expireTime":"2026-09-01T00:00:00Z"}}],"type":"USER"}]"#,
        ),
        ("m.json.realm", "ops@x.example"),
    ]);
    let f = &found.facts;
    assert!(found.unknown.is_empty() && f.quarantine.is_empty(), "{:?}", f.quarantine);
    assert_eq!(
        f.entitlements.iter().filter(|e| e.binding_kind == BindingKind::Eligible).count(),
        2
    );
    assert_eq!(&*f.credentials[0].principal, "a@p.iam.gserviceaccount.com");
    assert!(!format!("{f:?}").contains("SECRET"));
    let m = &f.memberships[0];
    assert_eq!(
        (&*m.group_id, m.not_after.unwrap().to_date().as_str()),
        ("group:ops@x.example", "2026-09-01")
    );
}

#[test]
fn hostile_exports_cost_themselves_only() {
    let deep = "[".repeat(20_000) + &"]".repeat(20_000);
    let long = "x".repeat(2 << 20);
    let policy = |members: &str, role: &str| {
        format!(
            r#"{{"assetType":"cloudresourcemanager.googleapis.com/Project","resource":"//cloudresourcemanager.googleapis.com/projects/p","policy":{{"bindings":[{{"role":{role},"members":{members}}}]}}}}"#
        )
    };
    let good = policy(r#"["user:ann@x.example"]"#, r#""roles/viewer""#);
    let lines = [
        good.clone(),
        policy("{}", r#""roles/viewer""#),
        policy(r#"[7,null,"","user:"]"#, r#""roles/viewer""#),
        policy(r#"["user:a@b.example"]"#, "7"),
        policy(&format!(r#"["user:{long}"]"#), r#""roles/viewer""#),
        format!(r#"{{"assetType":"x.googleapis.com/Y","name":"n","policy":{deep}}}"#),
        r#"{"assetType":"x.googleapis.com/Y"}"#.into(),
        "17".into(),
        r#"{"what":"ever"}"#.into(),
        r#"{"assetType":"a","name":"b","policy":{"bindings":7}}"#.into(),
        format!(
            r#"{{"assetType":"cloudresourcemanager.googleapis.com/Project","resource":"//cloudresourcemanager.googleapis.com/projects/q","policy":{{"bindings":[{{"role":"roles/viewer","members":["user:c@x.example"],"condition":{{"expression":"{}"}}}}]}}}}"#,
            "(".repeat(100_000)
        ),
    ];
    let found = read(&[("a.ndjson", &lines.join("\n"))]);
    assert!(found.failed.is_empty(), "{:?}", found.failed);
    let f = &found.facts;
    assert!(f.entitlements.iter().any(|e| &*e.principal_id == "ann@x.example"));
    assert!(f.quarantine.len() >= 7, "{:#?}", f.quarantine);
    let s = &f.sources[0];
    assert!(s.records >= 11 && s.quarantined == i64::try_from(f.quarantine.len()).unwrap());
    let mut bytes = good.into_bytes();
    bytes.extend(b"\n{\"assetType\":\"\xff\xfe\"}\n");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("b.ndjson"), bytes).unwrap();
    let found = ingest(&[dir.path().to_path_buf()], &Settings::defaults()).unwrap();
    assert_eq!((found.facts.entitlements.len(), found.facts.quarantine.len()), (1, 1));
}

fn call(method: &str, resource: &str, extra: &str) -> String {
    format!(
        r#"{{"insertId":"{method}{resource}","timestamp":"2026-06-20T10:00:00Z","logName":"projects/p/logs/cloudaudit.googleapis.com%2Factivity","resource":{{"type":"k8s_cluster","labels":{{"project_id":"p","location":"europe-west1","cluster_name":"main"}}}},"protoPayload":{{"@type":"type.googleapis.com/google.cloud.audit.AuditLog","serviceName":"k8s.io","methodName":"{method}","resourceName":"{resource}","authenticationInfo":{{"principalEmail":"system:serviceaccount:pay:runner"}},"authorizationInfo":[{{"granted":true,"permission":"{method}","resource":"{resource}"}}]}}{extra}}}"#
    )
}

/// The same calls in Cloud Audit Logs and in the log of the API server give the same rows.
#[test]
fn calls_to_clusters_are_read_as_the_api_server_logs_them() {
    let reason = |b: &str| {
        format!(
            r#"RBAC: allowed by RoleBinding \"{b}/pay\" of Role \"reader\" to ServiceAccount \"runner/pay\""#
        )
    };
    let labels = format!(
        r#","labels":{{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"{}"}}"#,
        reason("b")
    );
    let cloud = [
        call("io.k8s.core.v1.pods.list", "core/v1/namespaces/pay/pods", &labels),
        call("io.k8s.core.v1.pods.exec.create", "core/v1/namespaces/pay/pods/x/exec", ""),
        call("io.k8s.core.v1.nodes.get", "core/v1/nodes/n1", r#","severity":"ERROR""#)
            .replace(r#""granted":true"#, r#""granted":false"#),
    ];
    let event = |verb: &str, object: &str, code: u16, annotations: &str| {
        format!(
            r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"{verb}{code}{}","stage":"ResponseComplete","verb":"{verb}","user":{{"username":"system:serviceaccount:pay:runner"}},"objectRef":{object},"responseStatus":{{"code":{code}}},"requestReceivedTimestamp":"2026-06-20T10:00:00Z","stageTimestamp":"2026-06-20T10:00:00Z","annotations":{{{annotations}}}}}"#,
            object.len()
        )
    };
    let own = [
        event(
            "list",
            r#"{"resource":"pods","namespace":"pay","apiVersion":"v1"}"#,
            200,
            &format!(r#""authorization.k8s.io/reason":"{}""#, reason("b")),
        ),
        event(
            "create",
            r#"{"resource":"pods","subresource":"exec","namespace":"pay","name":"x"}"#,
            200,
            "",
        ),
        event("get", r#"{"resource":"nodes","name":"n1"}"#, 403, ""),
    ];
    let rows = |name: &str, lines: &[String]| {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(name), lines.join("\n")).unwrap();
        if name == "own.ndjson" {
            std::fs::write(dir.path().join("own.ndjson.realm"), "gke_p_europe-west1_main").unwrap();
        }
        let found = ingest(&[dir.path().to_path_buf()], &Settings::defaults()).unwrap();
        assert!(found.facts.quarantine.is_empty(), "{:?}", found.facts.quarantine);
        let mut rows: Vec<Usage> = found.facts.usage;
        for r in &mut rows {
            r.source_id = text("s");
            r.source_ref = text("r");
        }
        rows.sort_by(|a, b| (&a.action, &a.resource).cmp(&(&b.action, &b.resource)));
        rows
    };
    let got = rows("cloud.ndjson", &cloud);
    assert_eq!(format!("{got:#?}"), format!("{:#?}", rows("own.ndjson", &own)));
    assert_eq!(got.len(), 4);
    assert_eq!(got[0].resource.as_deref(), Some("RoleBinding:b"));
    assert_eq!(&*got[0].principal, "k8s:gke_p_europe-west1_main/system:serviceaccount:pay:runner");
}

#[test]
fn a_log_and_an_export_of_one_cluster_find_each_other() {
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: reader, namespace: pay}\nrules: []\n";
    let line = call("io.k8s.core.v1.pods.list", "core/v1/namespaces/pay/pods", "");
    let scope = |realm: Option<&str>| {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("log.ndjson"), format!("{line}\n")).unwrap();
        std::fs::write(dir.path().join("role.yaml"), role).unwrap();
        if let Some(realm) = realm {
            std::fs::write(dir.path().join("role.yaml.realm"), realm).unwrap();
        }
        let found = ingest(&[dir.path().to_path_buf()], &Settings::defaults()).unwrap();
        let u = found.facts.usage[0].clone();
        format!("{} {}", u.scope.unwrap(), u.principal)
    };
    assert_eq!(scope(None), "k8s/ns/pay system:serviceaccount:pay:runner");
    assert_eq!(scope(Some("main")), "k8s:main/ns/pay k8s:main/system:serviceaccount:pay:runner");
    // Of a cluster of another name nothing follows.
    assert!(scope(Some("other")).starts_with("k8s:gke_p_europe-west1_main/ns/pay "));
}

/// A call that cannot be read costs itself only, and what can be read of odd ones is.
#[test]
fn damaged_calls_to_clusters_are_told() {
    let good = call("io.k8s.core.v1.pods.list", "core/v1/namespaces/pay/pods", "");
    let odd = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replace(from, to).replace("\"insertId\":\"", "\"insertId\":\"x")
    };
    let lines = [
        good.clone(),
        // The same entry twice counts once.
        good.clone(),
        odd("\"methodName\":\"io.k8s.core.v1.pods.list\"", "\"methodName\":7"),
        odd("2026-06-20T10:00:00Z", "yesterday"),
        odd("\"timestamp\":\"2026-06-20T10:00:00Z\",", ""),
        odd("\"resourceName\":\"core/v1/namespaces/pay/pods\"", "\"resourceName\":[1]"),
        odd("\"cluster_name\":\"main\"", "\"cluster_name\":{}"),
        odd("\"labels\":{", "\"labels\":[{").replace("\"main\"}}", "\"main\"}]}"),
        odd("\"protoPayload\":{", "\"protoPayload\":{\"status\":{\"code\":\"seven\"},"),
        odd("\"principalEmail\":\"system:serviceaccount:pay:runner\"", "\"principalEmail\":null"),
    ];
    let found = read(&[("log.ndjson", &lines.join("\n"))]);
    let source = &found.facts.sources[0];
    assert_eq!((source.records, source.quarantined), (10, 3), "{:?}", found.facts.quarantine);
    let scopes: BTreeSet<&str> =
        found.facts.usage.iter().map(|u| u.scope.as_deref().unwrap()).collect();
    // A path that is no resource is one of the cluster; a call to a cluster without a name is one of none.
    assert_eq!(
        scopes,
        ["k8s/ns/pay", "k8s:gke_p_europe-west1_main", "k8s:gke_p_europe-west1_main/ns/pay"].into()
    );
}
