//! Clusters and clouds as their exports come: what a user reads of them.

use std::fs;
use std::path::PathBuf;

use crate::program::{findings, json, json_file, ran, root};

fn shared(path: &str) -> PathBuf {
    let path = root().join("../shared/data").join(path);
    assert!(path.exists(), "this test needs the shared data at `{}`", path.display());
    path
}

/// What the platform makes itself is counted where the reader sees it, and is no finding.
#[test]
fn bindings_of_the_platform_are_counted_and_not_reported() {
    let out = tempfile::tempdir().unwrap();
    let bundle = out.path().join("out");
    let shown = ran![
        "scan",
        shared("k8s/cluster-kps"),
        "--as-of",
        "2026-06-30T00:00:00Z",
        "--format",
        "all",
        "-o",
        &bundle
    ]
    .exits(0);
    let line = "bindings that the platforms make themselves were counted and not reported (k8s ";
    assert!(shown.out.replace("\n  ", " ").contains(line), "{}", shown.out);
    let report = json_file(&bundle.join("report.json"));
    let n = report["summary"]["provider_holdings"]["k8s"].as_u64().unwrap();
    assert!(n > 50, "{n}");
    for file in ["report.html", "summary.md"] {
        let text = fs::read_to_string(bundle.join(file)).unwrap();
        assert!(text.contains(line), "{file}");
    }
    let rows = ran!["facts", &bundle, "holdings", "--json"].exits(0);
    let default: Vec<_> =
        rows.out.lines().map(json).filter(|r| r["provider_owned"] == true).collect();
    assert_eq!(u64::try_from(default.len()).unwrap(), n);
    // No finding is about a binding that is counted so.
    let key =
        |v: &serde_json::Value, who: &str| format!("{} {} {}", v[who], v["privilege"], v["scope"]);
    let quiet: std::collections::BTreeSet<String> =
        default.iter().map(|r| key(r, "principal_id")).collect();
    for f in findings(&bundle).iter().filter(|f| f["rule"].as_str().unwrap().starts_with("STD")) {
        assert!(!quiet.contains(&key(f, "principal")), "{f}");
    }
}

/// A role that the inputs do not define is judged by a dated catalogue, and whoever reads the finding is told.
#[test]
fn a_role_out_of_the_embedded_catalogue_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    fs::create_dir(&input).unwrap();
    fs::write(
        input.join("b.yaml"),
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: ops}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\nsubjects: [{kind: User, name: ann}]\n",
    )
    .unwrap();
    fs::write(
        input.join("p.json"),
        r#"[{"assetType":"cloudresourcemanager.googleapis.com/Project","resource":"//cloudresourcemanager.googleapis.com/projects/p","project":"projects/3","policy":{"bindings":[{"role":"roles/owner","members":["user:bob@x.example"]},{"role":"projects/p/roles/own","members":["user:cid@x.example"]}]}}]"#,
    )
    .unwrap();
    fs::write(
        input.join("r.json"),
        r#"[{"name":"projects/p/roles/own","title":"o","includedPermissions":["resourcemanager.projects.setIamPolicy"]}]"#,
    )
    .unwrap();
    let bundle = dir.path().join("out");
    ran!["--quiet", "scan", &input, "--as-of", "2026-06-30T00:00:00Z", "-o", &bundle].exits(0);
    let found = findings(&bundle);
    let basis = |who: &str| {
        let f = found
            .iter()
            .find(|f| f["rule"] == "STD-001" && f["principal"].as_str().unwrap().contains(who))
            .unwrap_or_else(|| panic!("no finding of {who}"));
        f["evidence"]["content_basis"].as_str().unwrap().to_owned()
    };
    assert_eq!(basis("ann"), "embedded default roles of Kubernetes v1.20.2");
    assert!(basis("bob@").contains("of 2026-08-22"), "{}", basis("bob@"));
    assert_eq!(basis("cid@"), "inputs");
    let page = fs::read_to_string(bundle.join("report.html")).unwrap();
    for line in [
        "1 holding is of a role that the inputs do not define: judged by the embedded default roles of Kubernetes v1.20.2.",
        "1 holding is of a role that the inputs do not define: judged by the embedded catalogue of predefined roles (",
    ] {
        assert!(page.contains(line), "{line}");
    }
    let report = json_file(&bundle.join("report.json"));
    let said: Vec<&str> = report["sources"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|s| s["limitation"].as_str())
        .collect();
    for words in ["embedded list (v1.20.2)", "of 2026-08-22"] {
        assert!(said.iter().any(|s| s.contains(words)), "{words}: {said:?}");
    }
}

/// Pods, repositories and those who write in them hold nothing in the cloud and reach the owner of a project.
#[test]
fn pods_and_repositories_that_hold_nothing_are_findings() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in");
    fs::create_dir(&input).unwrap();
    let put = |name: &str, text: &str| fs::write(input.join(name), text).unwrap();
    let boss = "boss@p.iam.gserviceaccount.com";
    let pool = "projects/3/locations/global/workloadIdentityPools/gh";
    put(
        "c.yaml",
        &format!(
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: runner, namespace: pay, annotations: {{iam.gke.io/gcp-service-account: {boss}}}}}\n"
        ),
    );
    put("c.yaml.realm", "gke_p_europe-west1_main");
    put(
        "p.json",
        &format!(
            r#"[{{"assetType":"cloudresourcemanager.googleapis.com/Project","resource":"//cloudresourcemanager.googleapis.com/projects/p","project":"projects/3","policy":{{"bindings":[{{"role":"roles/owner","members":["serviceAccount:{boss}"]}}]}}}},{{"assetType":"iam.googleapis.com/ServiceAccount","resource":"//iam.googleapis.com/projects/p/serviceAccounts/{boss}","project":"projects/3","policy":{{"bindings":[{{"role":"roles/iam.workloadIdentityUser","members":["serviceAccount:p.svc.id.goog[pay/runner]","principalSet://iam.googleapis.com/{pool}/attribute.repository/acme/app"]}}]}}}}]"#
        ),
    );
    put(
        "pools.json",
        &format!(
            r#"[{{"name":"{pool}/providers/g","state":"ACTIVE","attributeCondition":"assertion.repository_owner == 'acme'","oidc":{{"issuerUri":"https://token.actions.githubusercontent.com"}}}}]"#
        ),
    );
    put(
        "collaborators.json",
        r#"{"acme/app":[{"login":"dev","site_admin":false,"type":"User","role_name":"write","permissions":{"push":true}}]}"#,
    );
    let bundle = dir.path().join("out");
    let shown = ran!["scan", &input, "--as-of", "2026-06-30T00:00:00Z", "-o", &bundle].exits(0);
    let found = findings(&bundle);
    let of = |who: &str| {
        found
            .iter()
            .find(|f| f["rule"] == "ESC-001" && f["principal"] == who)
            .unwrap_or_else(|| panic!("no path of {who}: {found:#?}"))
    };
    for who in [
        "k8s:gke_p_europe-west1_main/system:serviceaccount:pay:runner",
        "repo:acme/app",
        "dev",
        "serviceAccount:p.svc.id.goog[pay/runner]",
    ] {
        let f = of(who);
        assert_eq!((&f["certainty"], &f["severity"]), (&"certain".into(), &"critical".into()));
        assert_eq!(f["evidence"]["path_end"], boss, "{f}");
    }
    assert_eq!(of("dev")["evidence"]["path"].as_array().unwrap().len(), 3);
    // Each step stands on its own, and the last line says where it leads.
    let text: String = shown.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "- pushes to `acme/app` (`write`) and so decides what its runs do - a run of `acme/app`",
        "takes access tokens of `boss@p.iam.gserviceaccount.com`",
        "- ends at administrator ",
    ] {
        assert!(text.contains(words), "{words}: {}", shown.out);
    }
}
