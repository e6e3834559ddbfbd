//! What other scanners expect of their own fixtures, and of one cluster.

use std::collections::{BTreeMap, BTreeSet};

use super::tests::{judge, of, path, shared};
use crate::facts::{Holding, Tier};

fn classes(out: &crate::analyze::reach::Reach) -> BTreeSet<String> {
    out.holdings
        .iter()
        .flat_map(|h| h.classes.iter().chain(&h.classes_possible))
        .map(ToString::to_string)
        .collect()
}

/// Fixtures of kubescape: what its controls flag is in the classes, what they pass is not. The exceptions are
/// errors of the fixtures, told one by one.
#[test]
fn kubescape_fixtures() {
    let wanted: BTreeMap<&str, &str> = [
        ("rule-can-create-pod", "escalation"),
        ("rule-can-create-service-account-token", "escalation"),
        ("rule-can-impersonate-users-groups-v1", "escalation"),
        ("rule-can-list-get-secrets-v1", "secrets"),
        ("rule-excessive-delete-rights-v1", "destructive"),
        ("rule-list-all-cluster-admins-v1", "admin"),
        ("system-authenticated-allowed-to-take-over-cluster", "escalation"),
    ]
    .into();
    let differ = [
        // Everything of the core group in one namespace is not the administration of the cluster.
        "rule-list-all-cluster-admins-v1/clusterrole-rolebinding",
        // `pods/*` and `nodes/*` match no subresource: the API knows `*` and `*/sub` only.
        "system-authenticated-allowed-to-take-over-cluster/fail",
    ];
    for (rule, class) in wanted {
        for case in std::fs::read_dir(shared(&format!("k8s/kubescape/{rule}/test"))).unwrap() {
            let case = case.unwrap().path();
            let name = format!("{rule}/{}", case.file_name().unwrap().to_string_lossy());
            let text = std::fs::read_to_string(case.join("expected.json")).unwrap();
            let flagged = text.trim() != "[]";
            let (_, out) = judge(&[case.join("input")]);
            let found = classes(&out).contains(class);
            let want = flagged != differ.contains(&name.as_str());
            assert_eq!(found, want, "{name}: {:?}", classes(&out));
        }
    }
}

/// Labels of kubesplaining's corpus: paths that must be found, and those that must not.
#[test]
fn kubesplaining_corpus() {
    let (_, out) = judge(&[shared("k8s/kubesplaining/snapshots/csr-issuance.json")]);
    for who in ["certs:minter", "certs:signer"] {
        assert!(path(&out, who).is_some_and(|p| p.to_admin), "{who}");
    }
    let (_, out) = judge(&[shared("k8s/kubesplaining/snapshots/minimal-risky.json")]);
    let reader = of(&out, "default:reader");
    let has = |class: &str| reader.iter().any(|h| h.classes.iter().any(|c| &**c == class));
    assert!(has("secrets") && has("escalation"));
    // Denied there: no path to the administration of the cluster, since nothing that runs administers it.
    assert!(path(&out, "default:reader").is_none_or(|p| !p.to_admin), "{:?}", out.escalations);
    let (_, out) = judge(&[shared("k8s/kubesplaining/e2e/vulnerable/16-privesc-rbac.yaml")]);
    for (who, class) in [
        ("sa-pod-exec", "escalation"),
        ("sa-secret-read", "secrets"),
        ("sa-secret-mint", "escalation"),
        ("sa-ephemeral", "escalation"),
        ("sa-portforward", "data-write (control plane)"),
        ("sa-node-migrate", "escalation (possible)"),
        ("sa-pod-create-escape", "escalation"),
    ] {
        let found = of(&out, who);
        let all: Vec<_> = found.iter().flat_map(|h| &h.classes).collect();
        assert!(all.iter().any(|c| &***c == class), "{who}: {all:?}");
    }
}

/// Every identity that rbac-police rates high or critical is privileged here, a default, or one of those whose
/// right is a possible escalation; and those that only we report are known by name.
#[test]
fn the_cluster_of_the_peers() {
    let (_, out) = judge(&[shared("k8s/cluster-kps")]);
    let text = std::fs::read_to_string(shared("k8s/cluster-kps/peer/rbac-police.json")).unwrap();
    let policies: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut theirs: BTreeSet<String> = BTreeSet::new();
    for p in policies.as_array().unwrap() {
        if !matches!(p["severity"].as_str(), Some("High" | "Critical")) {
            continue;
        }
        for v in p["violations"]["serviceAccounts"].as_array().into_iter().flatten() {
            let word = |k: &str| v[k].as_str().unwrap().to_owned();
            theirs.insert(format!("{}:{}", word("namespace"), word("name")));
        }
    }
    let account = |h: &&Holding| {
        let (_, rest) = h.principal_id.split_once("system:serviceaccount:")?;
        Some(rest.to_owned())
    };
    let strong = |h: &&Holding| h.tier.is_some_and(|t| t <= Tier::T1);
    let ours: BTreeSet<String> =
        out.holdings.iter().filter(strong).filter_map(|h| account(&h)).collect();
    let only =
        |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>();
    assert_eq!(only(&theirs, &ours), ["kube-system:node-controller", "kube-system:ttl-controller"]);
    let mine = only(&ours, &theirs);
    for known in
        ["certificate-controller", "bootstrap-signer", "token-cleaner", "fluentd-gcp-scaler"]
    {
        assert!(mine.contains(&format!("kube-system:{known}")), "{mine:?}");
    }
    let open: BTreeSet<String> = out
        .holdings
        .iter()
        .filter(strong)
        .filter(|h| !h.provider_owned)
        .filter_map(|h| account(&h))
        .collect();
    let open: Vec<&str> = open.iter().map(String::as_str).collect();
    assert_eq!(
        open,
        [
            "kube-system:fluentd-gcp-scaler",
            "kube-system:metadata-agent",
            "monitoring:kube-state-metrics",
            "monitoring:prometheus-operator",
        ]
    );
}
