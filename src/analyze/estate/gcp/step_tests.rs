//! Every row of the table of dangerous permissions, and the steps across levels, clusters and resources.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::tests::{PROJECT, bind, levels, of, policy};
use crate::analyze::reach::Reach;
use crate::facts::{Escalation, Tri};
use crate::privilege::class::Class;
use crate::privilege::gcp::meaning::{self, ACT_AS, table};

/// Rows of the table that open no step though their class is one of paths, with the reason.
const NO_STEP: [(&str, &str); 2] = [
    (
        "iam.googleapis.com/oauthClientCredentials.create",
        "a secret of a client acts for nobody until people sign in to it",
    ),
    (
        "iam.googleapis.com/workforcePoolProviderKeys.create",
        "the key decrypts what an identity provider asserts and asserts nothing",
    ),
];

/// Classes of rows that open no step by what they are.
fn quiet(class: Class) -> Option<&'static str> {
    Some(match class {
        Class::PermissionsLimited => "decides about one resource of data or workload",
        Class::Secrets => "reads what is kept, which is nobody's identity by itself",
        Class::DataRead | Class::DataWrite | Class::Destructive => "is about data",
        Class::Read => "is no right over anything",
        _ => return None,
    })
}

fn role(name: &str, permissions: &[&str]) -> Value {
    json!({"name": format!("projects/p/roles/{name}"), "title": "r", "includedPermissions": permissions})
}

fn path<'r>(r: &'r Reach, who: &str) -> Option<&'r Escalation> {
    r.escalations.iter().find(|e| e.principal_id.starts_with(who))
}

const BOSS: &str = "boss@p.iam.gserviceaccount.com";

/// One principal per row of the table, which holds that permission alone (and `actAs` where the row asks
/// for it) on the organisation, in an estate where each step has somewhere to go.
#[test]
fn every_row_of_the_table_opens_a_step_or_says_why_not() {
    let rows: Vec<(&String, &meaning::Dangerous)> = table().iter().collect();
    assert_eq!(rows.len(), 156);
    let mut roles = vec![
        json!({"name": "projects/p/roles/tagged", "title": "t", "includedPermissions": ["resourcemanager.projects.setIamPolicy"]}),
    ];
    let mut org = vec![bind(
        "roles/owner",
        &["principal://iam.googleapis.com/locations/global/workforcePools/staff/subject/s"],
        None,
    )];
    let mut project = vec![bind(
        "roles/owner",
        &[
            &format!("serviceAccount:{BOSS}"),
            "serviceAccount:3@cloudservices.gserviceaccount.com",
            "principalSet://iam.googleapis.com/projects/3/locations/global/workloadIdentityPools/gh/*",
        ],
        None,
    )];
    project.push(bind(
        "roles/container.serviceAgent",
        &["serviceAccount:service-3@container-engine-robot.iam.gserviceaccount.com"],
        None,
    ));
    for (i, (permission, row)) in rows.iter().enumerate() {
        let mut held = vec![permission.as_str()];
        if row.needs_act_as {
            held.push(ACT_AS);
        }
        if permission.as_str() == ACT_AS {
            held.push("run.services.create");
        }
        if permission.ends_with("eys.create") && permission.starts_with("api")
            || permission.as_str() == "serviceusage.apiKeys.create"
        {
            held.push("iam.serviceAccountApiKeyBindings.create");
        }
        let name = format!("organizations/1/roles/r{i}");
        roles.push(json!({"name": name, "title": "r", "includedPermissions": held}));
        let who = format!("user:u{i}@x.example");
        org.push(bind(&name, &[&who], None));
        if row.class == "escalation-tag" {
            project.push(bind(
                "projects/p/roles/tagged",
                &[&who],
                Some("resource.matchTag('1/env', 'dev')"),
            ));
        }
    }
    let keys = json!([{"name": "projects/3/locations/global/keys/abc", "uid": "abc", "createTime": "2026-01-01T00:00:00Z", "serviceAccountEmail": BOSS}]);
    let r = of(&[
        ("p.json", levels(json!(org), json!([]), json!(project))),
        ("r.json", json!(roles)),
        ("k.json", keys),
    ]);
    let admins: BTreeMap<&str, Tri> =
        r.identity_facts.iter().map(|i| (&*i.principal_id, i.admin_equivalent)).collect();
    let mut wrong = Vec::new();
    for (i, (permission, _)) in rows.iter().enumerate() {
        let who = format!("u{i}@x.example");
        let opens = path(&r, &who).is_some() || admins.get(&*who) == Some(&Tri::Yes);
        let class = meaning::of(permission).classes.iter().next().unwrap();
        let listed = NO_STEP.iter().find(|(p, _)| p == permission).map(|(_, why)| *why);
        match (opens, listed.or_else(|| quiet(class))) {
            (false, None) => wrong.push(format!("{permission} ({}) opens nothing", class.word())),
            (true, Some(why)) if listed.is_some() => {
                wrong.push(format!("{permission} opens a step, and is listed: {why}"));
            }
            _ => {}
        }
    }
    assert_eq!(wrong, [""; 0]);
    // A row that only reads leads on where it reads keys that are bound to an account.
    let i = rows.iter().position(|(p, _)| p.as_str() == "apikeys.keys.getKeyString").unwrap();
    let found = path(&r, &format!("u{i}@")).unwrap();
    assert_eq!(&*found.techniques[0], "gcp:apikeys.keys.getKeyString");
}

#[test]
fn halves_meet_on_resources_beside_each_other_in_one_project_only() {
    let account = |p: &str| {
        format!(
            "//iam.googleapis.com/projects/{p}/serviceAccounts/boss@{p}.iam.gserviceaccount.com"
        )
    };
    let service = |p: &str| format!("//run.googleapis.com/projects/{p}/locations/l/services/s");
    let mut p = json!([
        policy(PROJECT, json!([bind("roles/owner", &[&format!("serviceAccount:{BOSS}")], None)])),
        policy(
            &account("p"),
            json!([bind(
                "projects/p/roles/acts",
                &["user:ann@x.example", "user:bob@x.example"],
                None
            )])
        ),
        policy(
            &service("p"),
            json!([
                bind("projects/p/roles/updates", &["user:ann@x.example"], None),
                bind("projects/p/roles/creates", &["user:cid@x.example"], None),
            ])
        ),
        policy(
            &service("q"),
            json!([bind("projects/p/roles/updates", &["user:bob@x.example"], None)])
        ),
    ]);
    p[3]["project"] = json!("projects/9");
    let roles = json!([
        role("acts", &[ACT_AS]),
        role("updates", &["run.services.update"]),
        role("creates", &["run.services.create"]),
    ]);
    let r = of(&[("p.json", p), ("r.json", roles)]);
    let ann = path(&r, "ann@").unwrap();
    assert_eq!((&*ann.target_id, ann.verdict, &*ann.gain), (BOSS, Tri::Yes, "principal"));
    assert!(ann.steps[0].contains("on the account itself") && ann.steps[0].contains("services/s"));
    assert!(path(&r, "bob@").is_none() && path(&r, "cid@").is_none());
}

/// What runs in a project, by an inventory of its resources.
#[test]
fn code_runs_as_the_accounts_that_are_attached() {
    let vm = |name: &str| format!("//compute.googleapis.com/projects/p/zones/z/instances/{name}");
    let asset = |name: &str, email: &str| {
        json!({"asset_type": "compute.googleapis.com/Instance", "name": name,
               "resource": {"data": {"serviceAccounts": [{"email": email}]}},
               "ancestors": ["projects/3", "folders/2", "organizations/1"]})
    };
    let p = json!([
        policy(
            PROJECT,
            json!([
                bind("roles/owner", &[&format!("serviceAccount:{BOSS}")], None),
                bind("projects/p/roles/meta", &["user:ann@x.example"], None),
                bind("projects/p/roles/jobs", &["user:dan@x.example"], None),
            ])
        ),
        policy(
            &vm("strong"),
            json!([bind("projects/p/roles/meta", &["user:bob@x.example"], None)])
        ),
        policy(&vm("weak"), json!([bind("projects/p/roles/meta", &["user:cid@x.example"], None)])),
    ]);
    let roles = json!([
        role("meta", &["compute.instances.setMetadata"]),
        role("jobs", &["run.jobs.runWithOverrides"]),
    ]);
    let bare = of(&[("p.json", p.clone()), ("r.json", roles.clone())]);
    // Without an inventory any account of the project may be attached.
    for who in ["ann@", "bob@", "cid@", "dan@"] {
        assert_eq!(&*path(&bare, who).unwrap().gain, "potential", "{who}");
    }
    let assets =
        json!([asset(&vm("strong"), BOSS), asset(&vm("weak"), "low@p.iam.gserviceaccount.com")]);
    let r = of(&[("p.json", p), ("r.json", roles), ("a.json", assets)]);
    for who in ["ann@", "bob@"] {
        let found = path(&r, who).unwrap();
        assert_eq!((&*found.target_id, &*found.gain, found.verdict), (BOSS, "principal", Tri::Yes));
    }
    assert!(path(&r, "cid@").is_none());
    assert_eq!(&*path(&r, "dan@").unwrap().gain, "potential");
}

#[test]
fn api_keys_that_are_bound_act_as_their_account() {
    let p = json!([policy(
        PROJECT,
        json!([
            bind("roles/owner", &[&format!("serviceAccount:{BOSS}")], None),
            bind("roles/viewer", &["user:ann@x.example"], None),
        ])
    )]);
    let key = |bound: Value| json!([{"name": "projects/3/locations/global/keys/abc", "uid": "abc", "createTime": "2026-01-01T00:00:00Z", "serviceAccountEmail": bound}]);
    let r = of(&[("p.json", p.clone()), ("k.json", key(json!(BOSS)))]);
    let ann = path(&r, "ann@").unwrap();
    assert_eq!((&*ann.target_id, ann.verdict), (BOSS, Tri::Conditional));
    assert!(ann.conditions[0].contains("take an API key"), "{:?}", ann.conditions);
    // A key of the project alone is nobody's, and so is one that nobody listed.
    assert!(path(&of(&[("p.json", p.clone()), ("k.json", key(Value::Null))]), "ann@").is_none());
    assert!(path(&of(&[("p.json", p)]), "ann@").is_none());
}

/// A cluster of a project: rights of IAM inside of it, and its service accounts in the project.
fn cluster(context: &str, annotated: bool) -> String {
    let annotation = if annotated {
        format!(", annotations: {{iam.gke.io/gcp-service-account: {BOSS}}}")
    } else {
        String::new()
    };
    format!(
        "# {context}\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: runner, namespace: pay{annotation}}}\n\
         ---\napiVersion: v1\nkind: Pod\nmetadata: {{name: r1, namespace: pay}}\nspec: {{serviceAccountName: runner, nodeName: n1, containers: [{{name: c, image: i}}]}}\n\
         ---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: shell, namespace: pay}}\nrules: [{{apiGroups: [''], resources: [pods/exec], verbs: [create]}}]\n\
         ---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: b, namespace: pay}}\nroleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: shell}}\nsubjects: [{{kind: User, name: dev}}]\n"
    )
}

fn with_cluster(context: Option<&str>, annotated: bool, project: Value, account: Value) -> Reach {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, content: &str| std::fs::write(dir.path().join(name), content).unwrap();
    let on = format!("//iam.googleapis.com/projects/p/serviceAccounts/{BOSS}");
    put("p.json", &json!([policy(PROJECT, project), policy(&on, account)]).to_string());
    put(
        "r.json",
        &json!([
            role("execs", &["container.pods.exec"]),
            role("uses", &["iam.serviceAccounts.getAccessToken"])
        ])
        .to_string(),
    );
    put("c.yaml", &cluster("c", annotated));
    if let Some(context) = context {
        put("c.yaml.realm", context);
    }
    super::tests::judged(dir.path(), &crate::settings::Settings::defaults())
}

const MEMBER: &str = "serviceAccount:p.svc.id.goog[pay/runner]";

#[test]
fn a_pod_acts_as_a_google_account_that_owns_the_project() {
    let owner = || json!([bind("roles/owner", &[&format!("serviceAccount:{BOSS}")], None)]);
    let lets = || json!([bind("roles/iam.workloadIdentityUser", &[MEMBER], None)]);
    let named = Some("gke_p_europe-west1_main");
    let r = with_cluster(named, true, owner(), lets());
    // From whoever may open a shell in the pod, over the pod's account, to the owner of the project.
    let dev = path(&r, "k8s:gke_p_europe-west1_main/user:dev").unwrap();
    assert_eq!((&*dev.target_id, dev.n_hops, dev.verdict), (BOSS, 2, Tri::Yes), "{dev:?}");
    assert!(dev.to_admin && dev.steps[1].contains("acts as"), "{:?}", dev.steps);
    let pod = path(&r, "k8s:gke_p_europe-west1_main/system:serviceaccount:pay:runner").unwrap();
    assert_eq!((pod.n_hops, pod.verdict), (1, Tri::Yes));
    // The role that lets the account be used may have any name.
    let own = || json!([bind("projects/p/roles/uses", &[MEMBER], None)]);
    let r = with_cluster(named, true, owner(), own());
    assert_eq!(path(&r, "k8s:gke_p_europe-west1_main/user:dev").unwrap().verdict, Tri::Yes);
    // Without the binding the annotation alone is one side of two.
    let r = with_cluster(named, true, owner(), json!([]));
    let dev = path(&r, "k8s:gke_p_europe-west1_main/user:dev").unwrap();
    assert_eq!(dev.verdict, Tri::Conditional);
    // A cluster of another project is not of this pool.
    let r = with_cluster(Some("gke_q_europe-west1_main"), false, owner(), lets());
    assert!(path(&r, "k8s:gke_q_europe-west1_main/user:dev").is_none());
    // Without the annotation a pod may still ask; of a cluster without a name it is not known whose it is.
    let r = with_cluster(named, false, owner(), lets());
    assert_eq!(path(&r, "k8s:gke_p_europe-west1_main/user:dev").unwrap().verdict, Tri::Yes);
    let r = with_cluster(None, false, owner(), lets());
    let dev = path(&r, "k8s/user:dev").unwrap();
    assert_eq!(dev.verdict, Tri::Conditional);
    assert!(dev.conditions.iter().any(|c| c.contains("one of `projects/p`")), "{dev:?}");
    // Both sides name each other: that tells whose the cluster is.
    let r = with_cluster(None, true, owner(), lets());
    assert_eq!(path(&r, "k8s/user:dev").unwrap().verdict, Tri::Yes);
}

#[test]
fn rights_of_iam_reach_into_the_clusters_of_the_project() {
    let project = json!([
        bind("roles/owner", &[&format!("serviceAccount:{BOSS}")], None),
        bind("projects/p/roles/execs", &["user:ann@x.example"], None),
    ]);
    let lets = json!([bind("roles/iam.workloadIdentityUser", &[MEMBER], None)]);
    let r = with_cluster(Some("gke_p_europe-west1_main"), true, project.clone(), lets.clone());
    let ann = path(&r, "ann@").unwrap();
    assert_eq!((&*ann.target_id, ann.n_hops, ann.verdict), (BOSS, 2, Tri::Yes), "{ann:?}");
    assert_eq!(&*ann.techniques[0], "gcp:container.pods.exec");
    // Where no cluster of the project is in the inputs, its service accounts are the end.
    let r = with_cluster(Some("gke_q_europe-west1_main"), true, project, lets);
    let ann = path(&r, "ann@").unwrap();
    assert!(ann.target_id.contains("none is in the inputs"), "{ann:?}");
    assert!(!ann.to_admin);
}

/// Members times bindings of a group are rows; beyond a bound the group holds the rest, and says so.
#[test]
fn large_groups_with_many_bindings_hold_for_their_members() {
    let members: Vec<Value> = (0..300)
        .map(|i| json!({"kind": "admin#directory#member", "type": "USER", "role": "MEMBER", "email": format!("u{i}@x.example")}))
        .collect();
    let bindings: Vec<Value> = (0..100)
        .map(|i| bind(&format!("projects/p/roles/r{i}"), &["group:all@x.example"], None))
        .collect();
    let roles: Vec<Value> =
        (0..100).map(|i| role(&format!("r{i}"), &["secretmanager.versions.access"])).collect();
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("p.json", json!([policy(PROJECT, json!(bindings))]).to_string()),
        ("r.json", json!(roles).to_string()),
        ("m.json", json!(members).to_string()),
        ("m.json.realm", "all@x.example".to_owned()),
    ] {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    let r = super::tests::judged(dir.path(), &crate::settings::Settings::defaults());
    let of = |who: &str| r.holdings.iter().filter(|h| h.principal_id.contains(who)).count();
    assert_eq!((of("u0@"), of("u299@"), of("group:all@")), (66, 66, 34));
    let group =
        r.identity_facts.iter().find(|i| &*i.principal_id == "group:all@x.example").unwrap();
    assert!(group.proof.iter().any(|p| p.contains("each of its 300 members")), "{:?}", group.proof);
}
