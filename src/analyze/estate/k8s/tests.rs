use std::path::{Path, PathBuf};

use super::*;
use crate::analyze::reach::{Reach, reach};
use crate::facts::{Facts, Holding};
use crate::ingest::driver::ingest;
use crate::settings::Settings;

pub(super) fn shared(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(path);
    assert!(path.exists(), "this test needs the shared data at `{}`", path.display());
    path
}

fn as_of() -> Time {
    crate::facts::time::parse_rfc3339("2026-06-30T00:00:00Z").unwrap()
}

pub(super) fn judge(paths: &[PathBuf]) -> (Facts, Reach) {
    let settings = Settings::defaults();
    let mut facts = ingest(paths, &settings).unwrap().facts;
    crate::analyze::identities(&mut facts, &settings);
    let out = reach(&facts, &settings, as_of());
    (facts, out)
}

fn files(files: &[(&str, &str)]) -> (Facts, Reach) {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    judge(&[dir.path().to_path_buf()])
}

pub(super) fn of<'r>(out: &'r Reach, who: &str) -> Vec<&'r Holding> {
    out.holdings.iter().filter(|h| h.principal_id.ends_with(who)).collect()
}

fn role(kind: &str, namespace: &str, name: &str, rules: &str) -> String {
    format!(
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: '{namespace}'}}\nrules: [{rules}]\n"
    )
}

fn bind(kind: &str, namespace: &str, name: &str, role: (&str, &str), subjects: &str) -> String {
    format!(
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: '{namespace}'}}\nroleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {}, name: {}}}\nsubjects: [{subjects}]\n",
        role.0, role.1
    )
}

fn sa(namespace: &str, name: &str) -> String {
    format!("{{kind: ServiceAccount, namespace: {namespace}, name: {name}}}")
}

pub(super) fn path<'r>(out: &'r Reach, who: &str) -> Option<&'r crate::facts::Escalation> {
    out.escalations.iter().find(|e| e.principal_id.ends_with(who))
}

const EXEC: &str = "{apiGroups: [''], resources: [pods/exec], verbs: [create]}";
const ADMIN: &str = "{apiGroups: ['*'], resources: ['*'], verbs: ['*']}";

#[test]
fn d1_bind_with_a_binding_is_administration_and_bind_on_bindings_is_nothing() {
    let right = "{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [bind]}, {apiGroups: [rbac.authorization.k8s.io], resources: [clusterrolebindings], verbs: [create]}";
    let wrong =
        "{apiGroups: [rbac.authorization.k8s.io], resources: [clusterrolebindings], verbs: [bind]}";
    let yaml = [
        role("ClusterRole", "", "right", right),
        role("ClusterRole", "", "wrong", wrong),
        bind("ClusterRoleBinding", "", "a", ("ClusterRole", "right"), &sa("pay", "a")),
        bind("ClusterRoleBinding", "", "b", ("ClusterRole", "wrong"), &sa("pay", "b")),
    ];
    let (_, out) = files(&[("m.yaml", &yaml.concat())]);
    assert_eq!(of(&out, "pay:a")[0].tier, Some(Tier::T0));
    assert_eq!(of(&out, "pay:b")[0].tier, Some(Tier::T3));
    assert!(path(&out, "pay:b").is_none());
}

#[test]
fn d2_a_service_account_behind_a_group_is_seen() {
    let yaml = bind(
        "ClusterRoleBinding",
        "",
        "x",
        ("ClusterRole", "cluster-admin"),
        &format!("{{kind: Group, name: ops-team}}, {}", sa("pay", "late")),
    );
    let (_, out) = files(&[("m.yaml", &yaml)]);
    assert_eq!(of(&out, "pay:late")[0].admin, Tri::Yes);
    assert_eq!(of(&out, "group:ops-team")[0].admin, Tri::Yes);
}

#[test]
fn d5_controllers_of_every_cluster_are_counted_and_not_reported() {
    let (_, out) = judge(&[shared("k8s/cluster-kps")]);
    let (own, given): (Vec<&Holding>, Vec<&Holding>) =
        out.holdings.iter().partition(|h| !h.provider_owned);
    assert!(given.len() > 40, "{}", given.len());
    let controllers: Vec<&&Holding> = own
        .iter()
        .filter(|h| h.principal_id.contains("-controller") && h.privileged == Some(true))
        .collect();
    assert!(
        controllers.iter().all(|h| !h.privilege.starts_with("system:controller:")
            || h.principal_id.contains("user:system:controller:")),
        "{controllers:#?}"
    );
    // A binding that an add-on adds is no default.
    assert!(own.iter().any(|h| h.principal_id.contains("fluentd-gcp-scaler")));
}

#[test]
fn a_default_binding_with_others_in_it_is_reported() {
    let object = |subjects: &str, role: &str| {
        format!(
            r#"{{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{{"name":"{role}","creationTimestamp":"2026-01-01T00:00:00Z","labels":{{"kubernetes.io/bootstrapping":"rbac-defaults"}}}},"roleRef":{{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"{role}"}},"subjects":[{subjects}]}}"#
        )
    };
    let masters = r#"{"kind":"Group","name":"system:masters"}"#;
    let mallory = r#"{"kind":"User","name":"mallory"}"#;
    let (_, out) = files(&[
        ("a.json", &object(&format!("{masters},{mallory}"), "cluster-admin")),
        (
            "b.json",
            &object(r#"{"kind":"Group","name":"system:unauthenticated"}"#, "system:heapster"),
        ),
        (
            "c.json",
            &object(
                r#"{"kind":"Group","name":"system:unauthenticated"}"#,
                "system:public-info-viewer",
            ),
        ),
        (
            "d.json",
            &object(
                r#"{"kind":"Group","name":"system:authenticated"}"#,
                "system:kube-controller-manager",
            ),
        ),
    ]);
    assert!(of(&out, "group:system:masters")[0].provider_owned);
    assert!(!of(&out, "user:mallory")[0].provider_owned);
    let open =
        |name: &str| out.holdings.iter().find(|h| &*h.privilege == name).unwrap().provider_owned;
    assert!(open("system:public-info-viewer"));
    assert!(!open("system:kube-controller-manager"));
}

#[test]
fn everybody_is_a_stranger() {
    let yaml = [
        role("ClusterRole", "", "exec", EXEC),
        bind(
            "ClusterRoleBinding",
            "",
            "x",
            ("ClusterRole", "exec"),
            "{kind: User, name: 'system:anonymous'}",
        ),
    ];
    let (_, out) = files(&[("m.yaml", &yaml.concat())]);
    assert_eq!(out.trust_facts.len(), 1);
    let t = &out.trust_facts[0];
    assert_eq!((&*t.trusted, t.external, &*t.openness), ("system:anonymous", Some(true), "open"));
    assert_eq!(t.tier, Some(Tier::T0));
}

#[test]
fn residue_of_roles_and_accounts_that_are_not_there() {
    let list = r#"{"apiVersion":"v1","kind":"List","items":[
        {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"cluster-admin","uid":"1"},"rules":[]},
        {"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default","namespace":"pay"}},
        {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"a"},"roleRef":{"kind":"ClusterRole","name":"gone"},"subjects":[{"kind":"ServiceAccount","namespace":"pay","name":"default"},{"kind":"ServiceAccount","name":"nowhere"}]},
        {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"b"},"roleRef":{"kind":"ClusterRole","name":"cluster-admin"},"subjects":[{"kind":"ServiceAccount","namespace":"pay","name":"old"},{"kind":"ServiceAccount","namespace":"other","name":"x"},{"kind":"User","name":"who"}]}
    ]}"#;
    let (_, out) = files(&[("all.json", list)]);
    let residue = |who: &str| of(&out, who)[0].residue.clone().map(|r| r.to_string());
    assert_eq!(residue("pay:default").as_deref(), Some("missing_role"));
    assert_eq!(residue("pay:old").as_deref(), Some("missing_principal"));
    // Another namespace was not listed, and users have no objects.
    assert_eq!((residue("other:x"), residue("user:who")), (None, None));
}

#[test]
fn roles_of_a_repository_take_their_parts_together() {
    let part = "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: crds\n  labels: {rbac.authorization.k8s.io/aggregate-to-mine: 'true'}\nrules: [{apiGroups: [''], resources: [secrets], verbs: [list]}]\n";
    let whole = "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: mine}\naggregationRule: {clusterRoleSelectors: [{matchLabels: {rbac.authorization.k8s.io/aggregate-to-mine: 'true'}}]}\nrules: [{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]\n";
    let yaml = [
        part,
        whole,
        &bind("ClusterRoleBinding", "", "x", ("ClusterRole", "mine"), &sa("pay", "a")),
    ];
    let (_, out) = files(&[("m.yaml", &yaml.concat())]);
    let h = of(&out, "pay:a")[0];
    assert_eq!((h.tier, h.admin), (Some(Tier::T1), Tri::No));
}

#[test]
fn names_of_roles_decide_nothing() {
    let yaml = |name: &str| {
        [
            role(
                "ClusterRole",
                "",
                name,
                "{apiGroups: [''], resources: [nodes/proxy], verbs: [get]}",
            ),
            bind("ClusterRoleBinding", "", "x", ("ClusterRole", name), &sa("pay", "a")),
        ]
        .concat()
    };
    let (_, a) = files(&[("m.yaml", &yaml("view"))]);
    let (_, b) = files(&[("m.yaml", &yaml("zzz"))]);
    assert_eq!(of(&a, "pay:a")[0].classes, of(&b, "pay:a")[0].classes);
    assert_eq!(of(&a, "pay:a")[0].tier, Some(Tier::T0));
}

#[test]
fn a_shell_in_a_pod_of_an_administrator_is_a_path() {
    let pod = |ns: &str, name: &str, account: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {ns}}}\nspec: {{serviceAccountName: {account}, nodeName: n1, containers: [{{name: c}}]}}\n"
        )
    };
    let yaml = [
        role("Role", "ops", "exec", EXEC),
        bind("RoleBinding", "ops", "x", ("Role", "exec"), "{kind: Group, name: dev}"),
        role("ClusterRole", "", "all", ADMIN),
        bind("ClusterRoleBinding", "", "y", ("ClusterRole", "all"), &sa("ops", "boss")),
        pod("ops", "p", "boss"),
    ];
    let (_, out) = files(&[("m.yaml", &yaml.concat())]);
    let found = path(&out, "group:dev").unwrap();
    assert_eq!((found.verdict, found.n_hops, found.to_admin), (Tri::Yes, 1, true));
    assert!(
        found.steps[0].contains("create `pods/exec` in the namespace `ops`"),
        "{:?}",
        found.steps
    );
    let group = out.identity_facts.iter().find(|f| f.principal_id.ends_with("group:dev")).unwrap();
    assert_eq!((group.members_known, group.escalates_to_admin), (Some(false), Tri::Yes));
}

#[test]
fn halves_of_a_pair_meet_across_bindings() {
    let bind_role =
        "{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [bind]}";
    let make =
        "{apiGroups: [rbac.authorization.k8s.io], resources: [rolebindings], verbs: [create]}";
    let yaml = [
        role("ClusterRole", "", "half", bind_role),
        role("Role", "kube-system", "other", make),
        bind("ClusterRoleBinding", "", "x", ("ClusterRole", "half"), &sa("pay", "a")),
        bind("RoleBinding", "kube-system", "y", ("Role", "other"), &sa("pay", "a")),
        bind("ClusterRoleBinding", "", "z", ("ClusterRole", "half"), &sa("pay", "b")),
    ];
    let (_, out) = files(&[("m.yaml", &yaml.concat())]);
    let found = path(&out, "pay:a").unwrap();
    assert!(found.target_id.contains("kube-system") && found.to_admin, "{found:?}");
    assert!(path(&out, "pay:b").is_none());
}

#[test]
fn a_pod_takes_a_cloud_role_that_administers_the_account() {
    let arn = "arn:aws:iam::111122223333:role/ops";
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/AA"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"oidc.eks.eu-west-1.amazonaws.com/id/AA:sub":"system:serviceaccount:pay:runner"}}}]}"#;
    let aws = format!(
        r#"{{"UserDetailList":[],"GroupDetailList":[],"Policies":[],"RoleDetailList":[{{"Path":"/","RoleName":"ops","RoleId":"AROAEXAMPLEID","Arn":"{arn}","CreateDate":"2026-01-01T00:00:00Z","AssumeRolePolicyDocument":{trust},"InstanceProfileList":[],"RolePolicyList":[{{"PolicyName":"all","PolicyDocument":{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"*","Resource":"*"}}]}}}}],"AttachedManagedPolicies":[],"Tags":[]}}]}}"#
    );
    let yaml = [
        format!(
            "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: runner, namespace: pay, annotations: {{eks.amazonaws.com/role-arn: '{arn}'}}}}\n"
        ),
        role("Role", "pay", "maker", "{apiGroups: [''], resources: [pods], verbs: [create]}"),
        bind("RoleBinding", "pay", "x", ("Role", "maker"), "{kind: User, name: dev}"),
        role("Role", "pay", "reader", "{apiGroups: [''], resources: [pods], verbs: [get]}"),
        bind("RoleBinding", "pay", "y", ("Role", "reader"), &sa("pay", "runner")),
    ];
    let (_, out) = files(&[("m.yaml", &yaml.concat()), ("aws.json", &aws)]);
    let found = path(&out, "user:dev").unwrap();
    assert_eq!((&*found.target_id, found.n_hops, found.verdict), (arn, 2, Tri::Yes));
    assert!(found.to_admin);
    let own = path(&out, "pay:runner").unwrap();
    assert_eq!(own.n_hops, 1);
    // A trust of another account's subject is no way in.
    let other = aws.replace("pay:runner", "pay:other");
    let (_, out) = files(&[("m.yaml", &yaml.concat()), ("aws.json", &other)]);
    assert!(path(&out, "pay:runner").is_none());
}

#[test]
fn aws_identities_act_in_the_cluster_as_the_config_map_says() {
    let map = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"aws-auth","namespace":"kube-system"},"data":{"mapRoles":"- rolearn: arn:aws:iam::111122223333:role/dev\n  groups: [system:masters]\n"}}"#;
    let aws = r#"{"UserDetailList":[],"GroupDetailList":[],"Policies":[],"RoleDetailList":[{"Path":"/","RoleName":"dev","RoleId":"AROAEXAMPLEID","Arn":"arn:aws:iam::111122223333:role/dev","CreateDate":"2026-01-01T00:00:00Z","AssumeRolePolicyDocument":{"Version":"2012-10-17","Statement":[]},"InstanceProfileList":[],"RolePolicyList":[],"AttachedManagedPolicies":[],"Tags":[]}]}"#;
    let (_, out) = files(&[("aws-auth.json", map), ("aws.json", aws)]);
    let found = path(&out, "role/dev").unwrap();
    assert!(found.to_admin && found.steps[0].contains("group:system:masters"), "{found:?}");
}

#[test]
fn kubehound_attacks_are_found() {
    for (file, who, certain) in [
        ("POD_CREATE.yaml", "pod-create-sa", true),
        ("POD_PATCH.yaml", "pod-patch-sa", true),
        ("POD_EXEC.yaml", "pod-exec-sa", true),
        ("TOKEN_BRUTEFORCE.yaml", "tokenget-sa", false),
        ("TOKEN_LIST.yaml", "tokenlist-sa", false),
    ] {
        let (_, out) = judge(&[shared("k8s/kubehound/attacks").join(file)]);
        let classes: Vec<String> = of(&out, who)
            .iter()
            .flat_map(|h| h.classes.iter().chain(&h.classes_possible).map(ToString::to_string))
            .collect();
        let want = if certain { "escalation" } else { "secrets" };
        assert!(classes.iter().any(|c| c.starts_with(want)), "{file}: {classes:?}");
    }
    // Users and groups lie in no namespace, so the Role of this manifest allows nothing.
    let (_, out) = judge(&[shared("k8s/kubehound/attacks/IDENTITY_IMPERSONATE.yaml")]);
    assert!(of(&out, "impersonate-sa").iter().all(|h| h.privileged == Some(false)));
}

#[test]
fn checkov_fixtures_and_the_one_that_asks_the_wrong_resource() {
    let classes = |file: &str| {
        let text = std::fs::read_to_string(shared("k8s/checkov").join(file)).unwrap();
        let rules: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let rules = crate::privilege::k8s::rbac::rules(rules.get("rules")).unwrap();
        let content = crate::privilege::k8s::Content::new(rules);
        let g = content.at(Place::Cluster);
        let mut all = g.classes;
        all.extend(g.classes_named);
        all
    };
    let strong = |file: &str| {
        let c = classes(file);
        is_strong(c) || c.contains(Class::EscalationPossible) || c.contains(Class::Secrets)
    };
    for file in [
        "example_RbacEscalateRoles/clusterrole-failed-1.yaml",
        "example_RbacEscalateRoles/role-failed-2.yaml",
        "example_RbacApproveCertificateSigningRequests/clusterrole-failed-1.yaml",
        "example_RbacApproveCertificateSigningRequests/clusterrole-failed-2.yaml",
        "example_RbacApproveCertificateSigningRequests/clusterrole-failed-3.yaml",
        "example_RbacControlWebhooks/clusterrole-failed-1.yaml",
        "example_RbacControlWebhooks/clusterrole-failed-2.yaml",
    ] {
        assert!(strong(file), "{file}: {:?}", classes(file).iter().collect::<Vec<_>>());
    }
    for file in [
        "example_RbacEscalateRoles/clusterrole-passed-1.yaml",
        // The fixture asks for `bind` on bindings, which no server authorises.
        "example_RbacBindRoleBindings/clusterrole-failed-1.yaml",
    ] {
        assert!(
            !classes(file).contains(Class::Permissions),
            "{file}: {:?}",
            classes(file).iter().collect::<Vec<_>>()
        );
    }
}

#[test]
fn the_log_says_which_bindings_are_in_use() {
    let get = "{apiGroups: [''], resources: [pods], verbs: [get]}";
    let wide = "{apiGroups: [''], resources: [pods, nodes], verbs: [get, list]}";
    let yaml = [
        role("ClusterRole", "", "wide", wide),
        role("ClusterRole", "", "narrow", get),
        role("ClusterRole", "", "maps", "{apiGroups: [''], resources: [configmaps], verbs: [get]}"),
        bind("ClusterRoleBinding", "", "a", ("ClusterRole", "wide"), &sa("pay", "s")),
        bind("RoleBinding", "pay", "b", ("ClusterRole", "narrow"), &sa("pay", "s")),
        bind("RoleBinding", "pay", "c", ("ClusterRole", "maps"), &sa("pay", "s")),
    ];
    let event = |id: u32, day: &str| {
        format!(
            r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"e{id}","stage":"ResponseComplete","verb":"get","user":{{"username":"system:serviceaccount:pay:s"}},"objectRef":{{"resource":"pods","namespace":"pay","name":"p","apiVersion":"v1"}},"responseStatus":{{"code":200}},"stageTimestamp":"{day}T10:00:00Z","annotations":{{"authorization.k8s.io/reason":"RBAC: allowed by ClusterRoleBinding \"a\" of ClusterRole \"wide\" to ServiceAccount \"s/pay\""}}}}"#
        )
    };
    let long = format!("{}\n{}\n", event(1, "2026-01-02"), event(2, "2026-06-29"));
    let (_, out) = files(&[("m.yaml", &yaml.concat()), ("audit.ndjson", &long)]);
    let used = |name: &str| {
        let h = out.holdings.iter().find(|h| &*h.privilege == name).unwrap();
        (h.used, h.use_unknown.as_deref().map(str::to_owned))
    };
    assert_eq!(used("wide"), (Some(true), None));
    // What the wide binding gives anyway.
    assert_eq!(used("narrow"), (Some(false), None));
    assert_eq!(used("maps"), (Some(false), None));
    let (_, out) = files(&[("m.yaml", &yaml.concat()), ("audit.ndjson", &event(2, "2026-06-29"))]);
    let maps = out.holdings.iter().find(|h| &*h.privilege == "maps").unwrap();
    assert_eq!((maps.used, maps.use_unknown.as_deref()), (None, Some("window_too_short")));
}

/// The same calls inside Cloud Audit Logs: a binding that the label names is used; of bindings that allow
/// reading nothing is said where no read was logged.
#[test]
fn calls_in_cloud_audit_logs_say_which_bindings_are_in_use() {
    let write = "{apiGroups: [''], resources: [pods], verbs: [delete]}";
    let yaml = [
        role("ClusterRole", "", "eraser", write),
        role("ClusterRole", "", "maker", "{apiGroups: [''], resources: [pods], verbs: [create]}"),
        role("ClusterRole", "", "maps", "{apiGroups: [''], resources: [configmaps], verbs: [get]}"),
        bind("ClusterRoleBinding", "", "a", ("ClusterRole", "eraser"), &sa("pay", "s")),
        bind("RoleBinding", "pay", "b", ("ClusterRole", "maker"), &sa("pay", "s")),
        bind("RoleBinding", "pay", "c", ("ClusterRole", "maps"), &sa("pay", "s")),
    ]
    .concat();
    let call = |id: u32, day: &str, verb: &str| {
        let label = if verb == "delete" {
            r#","labels":{"authorization.k8s.io/reason":"RBAC: allowed by ClusterRoleBinding \"a\" of ClusterRole \"eraser\" to ServiceAccount \"s/pay\""}"#
        } else {
            ""
        };
        format!(
            r#"{{"insertId":"e{id}","timestamp":"{day}T10:00:00Z","resource":{{"type":"k8s_cluster","labels":{{"project_id":"p","location":"l","cluster_name":"main"}}}},"protoPayload":{{"serviceName":"k8s.io","methodName":"io.k8s.core.v1.pods.{verb}","resourceName":"core/v1/namespaces/pay/pods/x","authenticationInfo":{{"principalEmail":"system:serviceaccount:pay:s"}}}}{label}}}"#
        ) + "\n"
    };
    let used = |log: &str| {
        let (_, out) = files(&[("m.yaml", &yaml), ("log.ndjson", log)]);
        ["eraser", "maker", "maps"].map(|name| {
            let h = out.holdings.iter().find(|h| &*h.privilege == name).unwrap();
            format!("{:?} {}", h.used, h.use_unknown.as_deref().unwrap_or("-"))
        })
    };
    let writes = call(1, "2026-01-02", "delete") + &call(2, "2026-06-29", "delete");
    assert_eq!(used(&writes), ["Some(true) -", "Some(false) -", "None reads_not_logged"]);
    let reads = writes + &call(3, "2026-06-01", "list");
    assert_eq!(used(&reads), ["Some(true) -", "Some(false) -", "Some(false) -"]);
}

/// One account with very many bindings, each half of a pair and on named objects too: work grows with them.
#[test]
fn many_bindings_of_one_account_are_linear_work() {
    let build = |n: usize| {
        let half = "{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [bind]}, {apiGroups: [''], resources: ['*'], verbs: ['*'], resourceNames: [x]}, {apiGroups: [''], resources: [serviceaccounts/token], verbs: [create], resourceNames: [s, t]}";
        let other = "{apiGroups: [rbac.authorization.k8s.io], resources: [rolebindings], verbs: [create]}, {apiGroups: [''], resources: [secrets], verbs: [get]}";
        let mut yaml =
            role("ClusterRole", "", "half", half) + &role("ClusterRole", "", "other", other);
        for i in 0..n {
            yaml += &bind(
                "ClusterRoleBinding",
                "",
                &format!("c{i}"),
                ("ClusterRole", "half"),
                &sa("pay", "s"),
            );
            yaml += &bind(
                "RoleBinding",
                &format!("n{i}"),
                "b",
                ("ClusterRole", "other"),
                &sa("pay", "s"),
            );
            yaml += &format!(
                "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: t, namespace: n{i}}}\n"
            );
        }
        let started = std::time::Instant::now();
        let (_, out) = files(&[("m.yaml", &yaml)]);
        assert!(out.holdings.len() > 2 * n);
        started.elapsed().as_secs_f64()
    };
    let (small, large) = (build(200), build(1_600));
    // Eight times as much; its square would be sixty-four times.
    assert!(large < small.max(0.5) * 30.0, "{small} s for 200, {large} s for 1,600");
}
