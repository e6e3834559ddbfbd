use crate::facts::{CredentialKind, Facts, Outcome, UsageGrain};
use crate::ingest::driver::{Ingested, ingest, ingest_bytes};
use crate::settings::Settings;
use std::path::{Path, PathBuf};

fn read(name: &str, content: &str) -> Ingested {
    ingest_bytes(name, content.as_bytes(), &Settings::defaults()).unwrap()
}

fn shared(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/k8s").join(path);
    assert!(path.exists(), "this test needs the shared data at `{}`", path.display());
    path
}

fn folder(path: &str) -> Ingested {
    ingest(&[shared(path)], &Settings::defaults()).unwrap()
}

fn bindings(facts: &Facts) -> Vec<(String, String, String)> {
    let mut out: Vec<_> = facts
        .entitlements
        .iter()
        .map(|e| (e.principal_id.to_string(), e.role_id.to_string(), e.scope.to_string()))
        .collect();
    out.sort();
    out
}

const ROLE: &str = r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"r"},"rules":[{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}]}"#;
const BINDING: &str = r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"b","namespace":"pay","creationTimestamp":"2026-01-02T00:00:00Z"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"r"},"subjects":[{"kind":"ServiceAccount","name":"s"},{"kind":"User","name":"Ana@Corp.example"},{"kind":"Group","name":"ops"},{"kind":"User","name":"system:serviceaccount:x:y"}]}"#;

#[test]
fn all_wrappings_give_the_same_rows() {
    let want = bindings(&read("a.json", &format!("[{ROLE},{BINDING}]")).facts);
    assert_eq!(
        want.iter().map(|(p, _, s)| (p.as_str(), s.as_str())).collect::<Vec<_>>(),
        [
            ("ana@corp.example", "k8s/ns/pay"),
            ("k8s/group:ops", "k8s/ns/pay"),
            ("system:serviceaccount:pay:s", "k8s/ns/pay"),
            ("system:serviceaccount:x:y", "k8s/ns/pay"),
        ]
    );
    let yaml = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r}\nrules:\n- {apiGroups: [\"\"], resources: [pods], verbs: [get]}\n---\nkind: RoleBinding\napiVersion: rbac.authorization.k8s.io/v1\nmetadata: {name: b, namespace: pay}\nroleRef: {kind: ClusterRole, name: r, apiGroup: rbac.authorization.k8s.io}\nsubjects:\n- {kind: ServiceAccount, name: s}\n- {kind: User, name: Ana@Corp.example}\n- {kind: Group, name: ops}\n- {kind: User, name: 'system:serviceaccount:x:y'}\n";
    for (name, content) in [
        ("list.json", format!(r#"{{"apiVersion":"v1","kind":"List","items":[{ROLE},{BINDING}]}}"#)),
        ("lines.ndjson", format!("{ROLE}\n{BINDING}\n")),
        ("two.json", format!("{ROLE}\n\n{BINDING}")),
        (
            "typed.json",
            format!(
                r#"{{"kind":"RoleBindingList","apiVersion":"rbac.authorization.k8s.io/v1","items":[{}]}}"#,
                BINDING.replace(r#""kind":"RoleBinding","#, "")
            ),
        ),
        ("manifest.yaml", yaml.to_owned()),
    ] {
        let found = read(name, &content);
        assert_eq!(bindings(&found.facts), want, "{name}");
        assert!(found.facts.quarantine.is_empty(), "{name}: {:?}", found.facts.quarantine);
    }
    let none = read("none.json", r#"{"apiVersion":"v1","items":null,"kind":"List","metadata":{}}"#);
    assert_eq!((none.unknown.len(), none.facts.sources.len()), (0, 1));
}

#[test]
fn what_cannot_be_read_is_said() {
    let bad = [
        r#"{"apiVersion":"v1","kind":"List","items":[1,{"kind":"RoleBinding"},{"metadata":{}},"#,
        r#"{"kind":"ClusterRole","metadata":{"name":"x"},"rules":"all"},"#,
        r#"{"kind":"RoleBinding","metadata":{"name":"b","namespace":"n"},"roleRef":{"kind":"Role","name":"r"},"subjects":[{"kind":"Robot","name":"x"},{"kind":"User"}]},"#,
        r#"{"kind":"Service","metadata":{"name":"web"}}]}"#,
    ]
    .concat();
    let found = read("bad.json", &bad);
    let reasons: Vec<String> =
        found.facts.quarantine.iter().map(|q| format!("{} {}", q.source_ref, q.reason)).collect();
    assert_eq!(reasons.len(), 5, "{reasons:?}");
    assert!(reasons[0].contains("/items/0") && reasons[1].contains("metadata.name"), "{reasons:?}");
    assert_eq!(found.facts.roles[0].malformed.as_deref(), Some("`rules` is not a list"));
    let limitation = found.facts.sources[0].limitation.as_deref().unwrap();
    assert!(limitation.contains("Service 1"), "{limitation}");
}

#[test]
fn hostile_files_cost_themselves_only() {
    let deep = format!(r#"{{"kind":"Role","apiVersion":"v1","metadata":{}"#, "[".repeat(100_000));
    let long = format!(
        r#"{{"kind":"ClusterRole","apiVersion":"v1","metadata":{{"name":"{}"}}}}"#,
        "x".repeat(100_000)
    );
    let bomb = {
        let mut s =
            String::from("apiVersion: v1\nkind: ClusterRole\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for i in 1..12 {
            let of = format!("*a{}", i - 1);
            s.push_str(&format!("a{i}: &a{i} [{}]\n", [of.as_str(); 10].join(",")));
        }
        s
    };
    let nested = format!("kind: Role\napiVersion: v1\na: {}", "[".repeat(50_000));
    for (name, content) in
        [("deep.json", deep), ("long.json", long), ("bomb.yaml", bomb), ("nested.yaml", nested)]
    {
        let found = read(name, &content);
        assert!(found.facts.roles.is_empty(), "{name}");
        let told = found.facts.quarantine.len() + found.failed.len() + found.unknown.len();
        assert!(told > 0, "{name}");
    }
    let mut bytes = br#"{"kind":"Role","apiVersion":"v1","metadata":{"name":""#.to_vec();
    bytes.extend([0xff, 0xfe]);
    let found = ingest_bytes("bytes.json", &bytes, &Settings::defaults()).unwrap();
    assert_eq!(found.failed.len() + found.unknown.len(), 1);
}

#[test]
fn values_of_secrets_are_never_kept() {
    let found = read(
        "secrets.json",
        r#"{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Secret","type":"kubernetes.io/service-account-token","metadata":{"name":"s-token","namespace":"pay","creationTimestamp":"2026-01-01T00:00:00Z","annotations":{"kubernetes.io/service-account.name":"s","kubectl.kubernetes.io/last-applied-configuration":"SGlkZGVuVmFsdWU="},"labels":{"kubernetes.io/legacy-token-last-used":"2026-02-03"}},"data":{"token":"SGlkZGVuVmFsdWU="},"stringData":{"x":"SGlkZGVuVmFsdWU="}}]}"#,
    );
    let facts = format!("{:?}", found.facts);
    assert!(!facts.contains("SGlkZGVuVmFsdWU"), "{facts}");
    let c = &found.facts.credentials[0];
    assert_eq!(&*c.principal, "system:serviceaccount:pay:s");
    assert_eq!((c.kind, c.no_expiry, c.use_tracked), (CredentialKind::Token, Some(true), true));
    assert!(found.facts.sources[0].limitation.as_deref().unwrap().contains("carry values"));
}

#[test]
fn an_object_in_two_files_counts_once() {
    let found = folder("cluster-kps");
    let whole = ingest(&[shared("cluster-kps/all.json")], &Settings::defaults()).unwrap();
    assert_eq!(found.facts.roles.len(), whole.facts.roles.len());
    assert_eq!(found.facts.entitlements.len(), whole.facts.entitlements.len());
    assert_eq!(found.facts.workloads.len(), whole.facts.workloads.len());
    assert!(found.facts.quarantine.is_empty());
}

#[test]
fn collectors_are_read() {
    let kubehound = folder("kubehound/collector");
    assert!(!kubehound.facts.entitlements.is_empty() && kubehound.unknown.is_empty());
    let snapshot = folder("kubesplaining/snapshots/minimal-risky.json");
    let rows = bindings(&snapshot.facts);
    assert_eq!(rows[0].0, "k8s:fixture-cluster/system:serviceaccount:default:reader");
    assert_eq!(snapshot.facts.workloads.len(), 3);
    let dump = folder("cartography/k8s_rbac.json");
    let clusters: std::collections::BTreeSet<_> = dump
        .facts
        .entitlements
        .iter()
        .map(|e| e.scope.split('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(clusters.len(), 2, "{clusters:?}");
    let kinds: Vec<&str> = dump.facts.links.iter().map(|l| &*l.kind).collect();
    assert_eq!(kinds, ["irsa", "gke_workload_identity"]);
    let csr = folder("kubesplaining/snapshots/csr-issuance.json");
    assert!(csr.facts.credentials.iter().all(|c| c.kind == CredentialKind::Cert));
    assert!(!csr.facts.credentials.is_empty());
    let defaults = folder("defaults-1.20.2");
    assert!(defaults.facts.quarantine.is_empty() && defaults.facts.roles.len() > 60);
}

#[test]
fn audit_logs_of_every_shape_say_who_did_what() {
    for file in [
        "rbac-tool/auditgen/testdata-01.json",
        "rbac-tool/auditgen/testdata-02.json",
        "audit2rbac/demo.log",
        "kubesplaining/audit/native/minimal-risky-audit.log",
        "kubesplaining/audit/eks/minimal-risky-eks-audit.json",
    ] {
        let found = folder(file);
        assert!(!found.facts.usage.is_empty(), "{file}: {:?} {:?}", found.unknown, found.failed);
        assert!(found.facts.quarantine.is_empty(), "{file}: {:?}", found.facts.quarantine);
    }
    let demo = folder("audit2rbac/demo.log");
    let bob = demo.facts.usage.iter().find(|u| &*u.principal == "k8s/user:bob").unwrap();
    assert_eq!(bob.on_behalf_of.as_deref(), Some("k8s/user:system:admin"));
    assert!(demo.facts.usage.iter().any(|u| u.outcome == Outcome::Denied));
    let eks = folder("kubesplaining/audit/eks/minimal-risky-eks-audit.json");
    let by: Vec<&str> = eks
        .facts
        .usage
        .iter()
        .filter(|u| u.grain == UsageGrain::Identity)
        .filter_map(|u| u.resource.as_deref())
        .collect();
    assert_eq!(by, ["ClusterRoleBinding:reader-role"]);
}

#[test]
fn mappings_of_eks() {
    let auth = read(
        "aws-auth.json",
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"aws-auth","namespace":"kube-system"},"data":{"mapRoles":"- rolearn: arn:aws:iam::111122223333:role/admins\n  username: admin\n  groups: [system:masters]\n- rolearn: arn:aws:iam::111122223333:role/node\n  username: system:node:{{EC2PrivateDNSName}}\n  groups: [system:nodes]\n"}}"#,
    );
    let links: Vec<(&str, &str)> =
        auth.facts.links.iter().map(|l| (&*l.principal_id, &*l.target_id)).collect();
    assert_eq!(
        links,
        [
            ("arn:aws:iam::111122223333:role/admins", "k8s/group:system:masters"),
            ("arn:aws:iam::111122223333:role/admins", "k8s/user:admin"),
            ("arn:aws:iam::111122223333:role/node", "k8s/group:system:nodes"),
        ]
    );
    let policy = read(
        "policies.json",
        r#"{"associatedAccessPolicies":[{"policyArn":"arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy","accessScope":{"type":"cluster","namespaces":[]}},{"policyArn":"arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy","accessScope":{"type":"namespace","namespaces":["pay"]}}],"clusterName":"prod","principalArn":"arn:aws:iam::111122223333:role/ops"}"#,
    );
    let rows = bindings(&policy.facts);
    assert_eq!(rows[0].1, "k8s:prod/clusterrole/cluster-admin");
    assert_eq!(rows[1].2, "k8s:prod/ns/pay");
    let pod = read(
        "pod.json",
        r#"{"association":{"clusterName":"prod","namespace":"pay","serviceAccount":"s","roleArn":"arn:aws:iam::111122223333:role/pay"}}"#,
    );
    assert_eq!(&*pod.facts.links[0].principal_id, "k8s:prod/system:serviceaccount:pay:s");
}
