use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::analyze::reach::{Reach, reach};
use crate::facts::identity::resolve;
use crate::facts::time::parse_rfc3339;
use crate::facts::*;
use crate::ingest::ingest;
use crate::settings::Settings;

fn shared(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/gcp").join(path);
    assert!(path.exists(), "this test needs the shared data at `{}`", path.display());
    path
}

/// What is held at 2026-06-30 according to the files of a folder.
pub(super) fn judged(folder: &Path, settings: &Settings) -> Reach {
    let mut found = ingest(&[folder.to_path_buf()], settings).unwrap();
    assert!(found.failed.is_empty(), "{:?}", found.failed);
    resolve(&mut found.facts, &[]);
    reach(&found.facts, settings, parse_rfc3339("2026-06-30T00:00:00Z").unwrap())
}

pub(super) fn of(files: &[(&str, Value)]) -> Reach {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(dir.path().join(name), content.to_string()).unwrap();
    }
    judged(dir.path(), &Settings::defaults())
}

/// A policy as `search-all-iam-policies` prints it, in organisation 1, folder 2, project `p` (3).
pub(super) fn policy(resource: &str, bindings: Value) -> Value {
    json!({
        "assetType": "cloudresourcemanager.googleapis.com/Project",
        "resource": resource,
        "project": "projects/3",
        "folders": ["folders/2"],
        "organization": "organizations/1",
        "policy": {"bindings": bindings},
    })
}

const ORG: &str = "//cloudresourcemanager.googleapis.com/organizations/1";
const FOLDER: &str = "//cloudresourcemanager.googleapis.com/folders/2";
pub(super) const PROJECT: &str = "//cloudresourcemanager.googleapis.com/projects/p";

/// Policies of the three levels. Those above the project carry no project.
pub(super) fn levels(org: Value, folder: Value, project: Value) -> Value {
    let mut all = [policy(ORG, org), policy(FOLDER, folder), policy(PROJECT, project)];
    all[0]["project"] = Value::Null;
    all[0]["folders"] = json!([]);
    all[1]["project"] = Value::Null;
    json!(all)
}

pub(super) fn bind(role: &str, members: &[&str], condition: Option<&str>) -> Value {
    let mut b = json!({"role": role, "members": members});
    if let Some(c) = condition {
        b["condition"] = json!({"expression": c, "title": "t"});
    }
    b
}

fn held<'r>(r: &'r Reach, who: &str, role: &str, scope: &str) -> &'r Holding {
    let all = &r.holdings;
    all.iter()
        .find(|h| h.principal_id.contains(who) && &*h.privilege == role && &*h.scope == scope)
        .unwrap_or_else(|| panic!("no holding of {who}, {role}, {scope}: {all:#?}"))
}

fn classes(h: &Holding) -> Vec<&str> {
    h.classes.iter().map(|c| &**c).collect()
}

fn shape() -> Reach {
    let dir = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(shared("shape")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_owned();
        if name != "expected.json" {
            std::fs::copy(&path, dir.path().join(name)).unwrap();
        }
    }
    std::fs::write(dir.path().join("projects_get_iam_policy.json.realm"), "projects/pay-prod")
        .unwrap();
    judged(dir.path(), &Settings::defaults())
}

/// The statements of `shape/expected.json`, in their order. How a key's use is known and that the grant
/// `g2` was modified outside the broker are tests of the adapters.
#[test]
fn what_the_sample_organisation_must_show() {
    let expected = std::fs::read_to_string(shared("shape/expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    assert_eq!(expected["statements"].as_array().unwrap().len(), 13);
    let r = shape();
    let project = "projects/pay-prod";

    let expired = held(&r, "oncall@", "roles/compute.instanceAdmin.v1", project);
    assert_eq!(
        (expired.standing, expired.residue.as_deref()),
        (Standing::Residue, Some("expired"))
    );
    assert!(expired.classes.is_empty() && expired.privileged == Some(false));

    let bound = held(&r, "oncall@", "roles/container.admin", project);
    assert_eq!((bound.standing, bound.tier), (Standing::TimeBound, Some(Tier::T0)));
    assert_eq!(bound.not_after.unwrap().to_date(), "2026-07-01");

    let hours = held(&r, "agent-ops@", "roles/cloudsql.client", project);
    assert_eq!(hours.standing, Standing::Recurring);
    assert_eq!(hours.not_after.unwrap().to_date(), "2026-12-31");
    assert!(classes(hours).contains(&"data-read"));

    let gone = held(&r, "deleted:serviceAccount:old-etl", "roles/storage.admin", project);
    assert_eq!(gone.residue.as_deref(), Some("deleted_principal"));

    // Bound at the folder, held once, there; it reaches the projects below.
    let editor = held(&r, "ci-deploy@", "roles/editor", "folders/222");
    assert_eq!(editor.tier, Some(Tier::T0));
    assert!(classes(editor).contains(&"escalation") && editor.admin == Tri::No);
    assert!(editor.realm.as_deref() == Some("folders/222"));

    // The deny policy stands at the folder: above it nothing is taken away.
    let founder = held(&r, "founder@", "roles/owner", "organizations/111");
    assert!(classes(founder).contains(&"admin"));
    assert!(founder.conditions.is_empty(), "{:?}", founder.conditions);

    let public = r.trust_facts.iter().find(|t| &*t.trusted == "allUsers").unwrap();
    assert_eq!((&*public.openness, public.external), ("open", Some(true)));
    let reads = held(
        &r,
        "allUsers",
        "roles/storage.objectViewer",
        "//storage.googleapis.com/pay-prod-public",
    );
    assert!(classes(reads).contains(&"data-read"));

    let pool = r.trust_facts.iter().find(|t| t.trusted.ends_with("/github/*")).unwrap();
    assert!(pool.weak_guards[0].contains("every identity of pool `github`"));
    let narrow = r.trust_facts.iter().find(|t| t.trusted.contains("attribute.repository")).unwrap();
    assert!(narrow.weak_guards.is_empty() && narrow.missing_guards.is_empty());

    let key = r.credential_facts.iter().find(|c| c.credential_id.ends_with("/aaaa")).unwrap();
    assert_eq!((key.no_expiry, key.age_days), (Some(true), Some(879)));
    assert_eq!(key.last_used_at.unwrap().to_date(), "2025-09-02");
    assert!(r.credential_facts.iter().all(|c| !c.credential_id.ends_with("/cccc")));

    let agent = r.identity_facts.iter().find(|i| i.principal_id.starts_with("agent-ops@")).unwrap();
    assert_eq!(agent.never_active, Some(true));
    assert!(agent.idle_days.is_some_and(|d| d >= 364), "{:?}", agent.idle_days);

    let unused = held(&r, "group:platform@", "roles/iam.serviceAccountTokenCreator", project);
    assert_eq!((unused.used, unused.idle_days), (Some(false), Some(91)));
}

#[test]
fn conditions_and_denies_at_three_levels() {
    let past = "request.time < timestamp('2026-01-01T00:00:00Z')";
    let future = "request.time < timestamp('2027-01-01T00:00:00Z')";
    let unknown = "resource.name.startsWith('x')";
    let level = |i: usize| {
        json!([
            bind("roles/secretmanager.admin", &[&format!("user:past{i}@x.example")], Some(past)),
            bind(
                "roles/secretmanager.admin",
                &[&format!("user:future{i}@x.example")],
                Some(future)
            ),
            bind(
                "roles/secretmanager.admin",
                &[&format!("user:maybe{i}@x.example"), &format!("user:exempt{i}@x.example")],
                Some(unknown)
            ),
            bind(
                "roles/secretmanager.admin",
                &[&format!("user:plain{i}@x.example"), &format!("user:free{i}@x.example")],
                None
            ),
        ])
    };
    let deny = json!([{
        "name": "policies/cloudresourcemanager.googleapis.com%2Ffolders%2F2/denypolicies/d", "kind": "DenyPolicy", "uid": "u",
        "rules": [{"denyRule": {
            "deniedPrincipals": ["principalSet://goog/public:all"],
            "exceptionPrincipals": (0..3).map(|i| format!("principal://goog/subject/free{i}@x.example")).collect::<Vec<_>>(),
            "deniedPermissions": ["secretmanager.googleapis.com/versions.access", "secretmanager.googleapis.com/secrets.setIamPolicy"],
        }}]
    }]);
    let r = of(&[("p.json", levels(level(0), level(1), level(2))), ("d.json", deny)]);
    let role = "roles/secretmanager.admin";
    for (i, scope) in ["organizations/1", "folders/2", "projects/p"].into_iter().enumerate() {
        let one = |who: &str| held(&r, &format!("{who}{i}@"), role, scope);
        // At and below the folder the deny takes the secrets away, except for those let through.
        let denied = i > 0;
        assert_eq!(one("past").standing, Standing::Residue);
        assert!(one("past").classes.is_empty());
        assert_eq!(one("future").standing, Standing::TimeBound);
        assert_eq!(one("maybe").standing, Standing::Standing);
        assert!(one("maybe").classes.is_empty() && !one("maybe").conditions.is_empty());
        for who in ["future", "plain"] {
            assert_eq!(one(who).reads_secrets, Some(!denied), "{who} at {scope}");
        }
        let possible = |h: &Holding| h.classes_possible.iter().any(|c| &**c == "secrets");
        assert_eq!(possible(one("maybe")), !denied, "{scope}");
        assert_eq!(one("free").reads_secrets, Some(true));
    }
}

#[test]
fn a_deny_for_a_group_of_unknown_members_is_undecided() {
    let deny = json!([{
        "name": "policies/cloudresourcemanager.googleapis.com%2Fprojects%2F3/denypolicies/d", "kind": "DenyPolicy", "uid": "u", "displayName": "no secrets",
        "rules": [{"denyRule": {
            "deniedPrincipals": ["principalSet://goog/group/ops@x.example"],
            "deniedPermissions": ["secretmanager.googleapis.com/versions.access"],
        }}]
    }]);
    let p = levels(
        json!([]),
        json!([]),
        json!([bind(
            "roles/secretmanager.secretAccessor",
            &["user:ann@x.example", "user:bob@x.example"],
            None
        )]),
    );
    let r = of(&[("p.json", p.clone()), ("d.json", deny.clone())]);
    let h = held(&r, "ann@", "roles/secretmanager.secretAccessor", "projects/p");
    assert_eq!((h.reads_secrets, h.tier_possible), (Some(false), Some(Tier::T1)));
    assert!(h.conditions[0].contains("`no secrets` may hold"), "{:?}", h.conditions);
    let members = json!([{"kind": "admin#directory#member", "type": "USER", "role": "MEMBER", "email": "ann@x.example"}]);
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("p.json", p.to_string()),
        ("d.json", deny.to_string()),
        ("m.json", members.to_string()),
        ("m.json.realm", "ops@x.example".into()),
    ] {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    let r = judged(dir.path(), &Settings::defaults());
    let of = |who| held(&r, who, "roles/secretmanager.secretAccessor", "projects/p").tier_possible;
    assert_eq!((of("ann@"), of("bob@")), (Some(Tier::T4), Some(Tier::T1)));
}

#[test]
fn halves_meet_across_bindings_and_levels() {
    let run = json!({"name": "projects/p/roles/runs", "title": "r", "includedPermissions": ["run.services.create"]});
    let act = json!({"name": "projects/p/roles/acts", "title": "a", "includedPermissions": ["iam.serviceAccounts.actAs"]});
    let p = levels(
        json!([bind(
            "roles/resourcemanager.organizationAdmin",
            &["serviceAccount:boss@p.iam.gserviceaccount.com"],
            None
        )]),
        json!([bind("projects/p/roles/acts", &["user:ann@x.example"], None)]),
        json!([
            bind("projects/p/roles/runs", &["user:ann@x.example", "user:bob@x.example"], None),
            bind("roles/iam.serviceAccountTokenCreator", &["user:cid@x.example"], None),
        ]),
    );
    let r = of(&[("p.json", p), ("r.json", json!([run, act]))]);
    let bob = held(&r, "bob@", "projects/p/roles/runs", "projects/p");
    assert_eq!((classes(bob), bob.tier), (vec!["escalation (possible)"], Some(Tier::T2)));
    let ann = held(&r, "ann@", "combined", "projects/p");
    assert_eq!((classes(ann), ann.tier), (vec!["escalation"], Some(Tier::T0)));
    let path = |who: &str| r.escalations.iter().find(|e| e.principal_id.starts_with(who));
    let ann = path("ann@").unwrap();
    assert_eq!(&*ann.target_id, "boss@p.iam.gserviceaccount.com");
    assert!(
        ann.steps[0].contains("attaches any service account of `projects/p`"),
        "{:?}",
        ann.steps
    );
    assert_eq!((ann.verdict, &*ann.gain), (Tri::Yes, "principal"));
    let cid = path("cid@").unwrap();
    assert!(cid.steps[0].contains("takes access tokens of"), "{:?}", cid.steps);
    assert!(path("bob@").is_none());
}

#[test]
fn pools_google_apis_and_changes_of_one_resource_are_steps() {
    let role = |name: &str, permission: &str| json!({"name": format!("projects/p/roles/{name}"), "title": "r", "includedPermissions": [permission]});
    let roles = json!([
        role("pools", "iam.googleapis.com/workloadIdentityPoolProviders.update"),
        role("deploys", "deploymentmanager.deployments.create"),
        role("updates", "run.services.update"),
        role("creates", "run.services.create"),
        role("acts", "iam.serviceAccounts.actAs"),
    ]);
    let pool =
        "principalSet://iam.googleapis.com/projects/3/locations/global/workloadIdentityPools/gh/*";
    let p = json!([
        policy(
            PROJECT,
            json!([
                bind(
                    "roles/owner",
                    &[
                        pool,
                        "serviceAccount:3@cloudservices.gserviceaccount.com",
                        "serviceAccount:boss@p.iam.gserviceaccount.com"
                    ],
                    None
                ),
                bind("projects/p/roles/pools", &["user:ann@x.example"], None),
                bind("projects/p/roles/deploys", &["user:bob@x.example"], None),
                bind("projects/p/roles/acts", &["user:cid@x.example", "user:dan@x.example"], None),
            ])
        ),
        policy(
            "//run.googleapis.com/projects/p/locations/l/services/s",
            json!([
                bind("projects/p/roles/updates", &["user:cid@x.example"], None),
                bind("projects/p/roles/creates", &["user:dan@x.example"], None),
            ])
        ),
    ]);
    let r = of(&[("p.json", p), ("r.json", roles)]);
    let steps: Vec<(&str, &str)> =
        r.escalations.iter().map(|e| (&*e.principal_id, &*e.target_id)).collect();
    assert_eq!(
        steps,
        [
            ("ann@x.example", pool),
            ("bob@x.example", "3@cloudservices.gserviceaccount.com"),
            ("cid@x.example", "boss@p.iam.gserviceaccount.com"),
        ]
    );
}

#[test]
fn a_right_on_one_account_reaches_that_account_only() {
    let on = |name: &str| {
        format!("//iam.googleapis.com/projects/p/serviceAccounts/{name}@p.iam.gserviceaccount.com")
    };
    let boss = "serviceAccount:boss@p.iam.gserviceaccount.com";
    let p = json!([
        policy(
            PROJECT,
            json!([
                bind("roles/owner", &[boss], None),
                bind("roles/viewer", &["serviceAccount:low@p.iam.gserviceaccount.com"], None)
            ])
        ),
        policy(
            &on("boss"),
            json!([bind(
                "roles/iam.serviceAccountTokenCreator",
                &["user:ann@x.example"],
                Some("request.time < timestamp('2026-12-01T00:00:00Z')")
            )])
        ),
        policy(
            &on("low"),
            json!([bind("roles/iam.serviceAccountTokenCreator", &["user:bob@x.example"], None)])
        ),
    ]);
    let r = of(&[("p.json", p)]);
    let who: Vec<&str> = r.escalations.iter().map(|e| &*e.principal_id).collect();
    assert_eq!(who, ["ann@x.example"]);
    assert_eq!(r.escalations[0].not_after.unwrap().to_date(), "2026-12-01");
    assert!(r.escalations[0].to_admin);
}

#[test]
fn groups_bring_in_members_until_their_membership_ends() {
    let p = levels(
        json!([]),
        json!([]),
        json!([bind("roles/secretmanager.secretAccessor", &["group:outer@x.example"], None)]),
    );
    let group = |name: &str, mail: &str| json!({"name": name, "groupKey": {"id": mail}});
    let member = |group: &str, mail: &str, kind: &str, end: Option<&str>| {
        let role = match end {
            Some(t) => json!({"name": "MEMBER", "expiryDetail": {"expireTime": t}}),
            None => json!({"name": "MEMBER"}),
        };
        json!({"name": format!("{group}/memberships/{mail}"), "preferredMemberKey": {"id": mail}, "roles": [role], "type": kind})
    };
    let groups = json!([
        group("groups/o", "outer@x.example"),
        group("groups/i", "inner@x.example"),
        member("groups/o", "inner@x.example", "GROUP", None),
        member("groups/i", "outer@x.example", "GROUP", None),
        member("groups/i", "ann@x.example", "USER", Some("2026-09-01T00:00:00Z")),
        member("groups/o", "bob@x.example", "USER", Some("2026-01-01T00:00:00Z")),
        member("groups/o", "cid@x.example", "USER", None),
    ]);
    let r = of(&[("p.json", p), ("g.json", groups)]);
    let one = |who| held(&r, who, "roles/secretmanager.secretAccessor", "projects/p");
    assert_eq!(one("ann@").standing, Standing::TimeBound);
    assert_eq!(one("ann@").not_after.unwrap().to_date(), "2026-09-01");
    assert_eq!(one("ann@").via.len(), 2);
    assert_eq!(one("bob@").residue.as_deref(), Some("expired"));
    assert_eq!(one("cid@").standing, Standing::Standing);
    assert!(!r.holdings.iter().any(|h| h.principal_id.starts_with("group:")));
}

#[test]
fn conditions_that_iam_refuses_are_not_credited() {
    let past = Some("request.time < timestamp('2026-01-01T00:00:00Z')");
    let p = levels(
        json!([]),
        json!([]),
        json!([
            bind("roles/owner", &["user:ann@x.example"], past),
            bind("roles/run.invoker", &["allUsers"], past),
            bind("roles/secretmanager.admin", &["user:bob@x.example"], past),
        ]),
    );
    let r = of(&[("p.json", p)]);
    let ann = held(&r, "ann@", "roles/owner", "projects/p");
    assert_eq!((ann.standing, ann.admin, ann.not_after), (Standing::Standing, Tri::Yes, None));
    assert!(ann.conditions[0].contains("not credited"));
    assert_eq!(
        held(&r, "allUsers", "roles/run.invoker", "projects/p").standing,
        Standing::Standing
    );
    assert_eq!(
        held(&r, "bob@", "roles/secretmanager.admin", "projects/p").standing,
        Standing::Residue
    );
}

#[test]
fn a_guard_on_granted_roles_limits_the_change_of_policies() {
    let guard = |roles: &str| {
        format!(
            "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly([{roles}])"
        )
    };
    let (weak, strong) =
        (guard("'roles/run.invoker'"), guard("'roles/run.invoker', 'roles/owner'"));
    let p = levels(
        json!([]),
        json!([]),
        json!([
            bind("roles/resourcemanager.projectIamAdmin", &["user:ann@x.example"], Some(&weak)),
            bind("roles/resourcemanager.projectIamAdmin", &["user:bob@x.example"], Some(&strong)),
        ]),
    );
    let r = of(&[("p.json", p)]);
    let one = |who| held(&r, who, "roles/resourcemanager.projectIamAdmin", "projects/p");
    assert!(classes(one("ann@")).contains(&"permissions-management (limited)"));
    assert_eq!((one("ann@").tier, one("bob@").tier), (Some(Tier::T1), Some(Tier::T0)));
}

#[test]
fn definitions_win_disabled_roles_give_nothing_and_unknown_ones_say_so() {
    let roles = json!([
        {"name": "roles/owner", "title": "o", "includedPermissions": ["storage.objects.get"]},
        {"name": "organizations/1/roles/off", "title": "x", "stage": "DISABLED", "includedPermissions": ["iam.roles.update"]},
        {"name": "organizations/1/roles/gone", "title": "x", "deleted": true},
    ]);
    let p = levels(
        json!([]),
        json!([]),
        json!([
            bind("roles/owner", &["user:ann@x.example"], None),
            bind("organizations/1/roles/off", &["user:ann@x.example"], None),
            bind("organizations/1/roles/gone", &["user:ann@x.example"], None),
            bind("organizations/1/roles/unknown", &["user:ann@x.example"], None),
        ]),
    );
    let r = of(&[("p.json", p), ("r.json", roles)]);
    let one = |role| held(&r, "ann@", role, "projects/p");
    assert_eq!(
        (classes(one("roles/owner")), one("roles/owner").n_actions),
        (vec!["data-read"], Some(1))
    );
    for off in ["organizations/1/roles/off", "organizations/1/roles/gone"] {
        assert_eq!(one(off).residue.as_deref(), Some("disabled_role"), "{off}");
    }
    assert_eq!(
        one("organizations/1/roles/unknown").content_unknown.as_deref(),
        Some("role_unexpanded")
    );
}

/// The same organisation with every role under another name gives the same classes, tiers and paths.
#[test]
fn names_of_roles_decide_nothing() {
    let names = [
        "roles/editor",
        "roles/iam.securityAdmin",
        "roles/storage.admin",
        "roles/iam.serviceAccountUser",
        "roles/run.admin",
    ];
    let lexicon = crate::privilege::gcp::content::Lexicon::default();
    let build = |renamed: bool| {
        let name = |i: usize| {
            if renamed { format!("organizations/1/roles/r{i}") } else { names[i].to_owned() }
        };
        let bindings: Vec<Value> = (0..names.len())
            .map(|i| bind(&name(i), &[&format!("user:u{i}@x.example")], None))
            .collect();
        let roles: Vec<Value> = (0..names.len())
            .map(|i| {
                let set = lexicon.predefined(names[i]).unwrap();
                let permissions: Vec<&str> = set.ones().map(|id| lexicon.name(id)).collect();
                json!({"name": name(i), "title": "t", "includedPermissions": permissions})
            })
            .collect();
        let r = of(&[
            ("p.json", levels(json!([]), json!([]), json!(bindings))),
            ("r.json", json!(roles)),
        ]);
        r.holdings
            .iter()
            .map(|h| {
                (h.principal_id.clone(), h.classes.clone(), h.tier, h.admin, h.wildcards.clone())
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(build(false), build(true));
}

#[test]
fn platform_accounts_are_counted_and_no_finding() {
    let agent = "serviceAccount:service-3@gcp-sa-cloudasset.iam.gserviceaccount.com";
    let moved = "serviceAccount:service-3@compute-system.iam.gserviceaccount.com";
    let p = json!([
        policy(
            PROJECT,
            json!([
                bind("roles/cloudasset.serviceAgent", &[agent, "user:bad@x.example"], None),
                bind("roles/compute.serviceAgent", &[moved], None),
                bind("roles/owner", &[moved], None),
                bind("roles/editor", &["user:ed@x.example"], None),
            ])
        ),
        policy(
            "//storage.googleapis.com/b",
            json!([bind(
                "roles/storage.legacyBucketOwner",
                &["projectEditor:p", "projectOwner:q"],
                None
            )])
        ),
    ]);
    let r = of(&[("p.json", p)]);
    let owned = |who: &str, role: &str, scope: &str| held(&r, who, role, scope).provider_owned;
    assert!(owned("gcp-sa-cloudasset", "roles/cloudasset.serviceAgent", "projects/p"));
    assert!(!owned("bad@", "roles/cloudasset.serviceAgent", "projects/p"));
    // An agent that holds more than Google gave it is not left alone.
    assert!(!owned("compute-system", "roles/owner", "projects/p"));
    let bucket = "//storage.googleapis.com/b";
    assert!(owned("ed@", "roles/storage.legacyBucketOwner", bucket));
    assert!(owned("projectOwner:q", "roles/storage.legacyBucketOwner", bucket));
}

#[test]
fn outsiders_are_told_by_the_domain_of_the_organisation() {
    let p = levels(
        json!([]),
        json!([]),
        json!([bind(
            "roles/viewer",
            &[
                "user:ann@ours.example",
                "user:eve@evil.example",
                "user:joe@gmail.com",
                "domain:evil.example",
                "serviceAccount:s@p.iam.gserviceaccount.com",
                "serviceAccount:t@elsewhere.iam.gserviceaccount.com",
            ],
            None
        )]),
    );
    let tree = json!([{"name": "organizations/1", "displayName": "ours.example", "owner": {"directoryCustomerId": "C0"}, "lifecycleState": "ACTIVE", "directoryCustomerId": "C0"}]);
    let rows = |r: &Reach| -> Vec<(String, Option<bool>)> {
        r.trust_facts.iter().map(|t| (t.trusted.to_string(), t.external)).collect()
    };
    let known = of(&[("p.json", p.clone()), ("o.json", tree)]);
    assert_eq!(
        rows(&known),
        [
            ("domain:evil.example".into(), Some(true)),
            ("eve@evil.example".into(), Some(true)),
            ("joe@gmail.com".into(), Some(true)),
            ("t@elsewhere.iam.gserviceaccount.com".into(), None),
        ]
    );
    let unknown = of(&[("p.json", p)]);
    assert_eq!(
        rows(&unknown),
        [
            ("joe@gmail.com".into(), Some(true)),
            ("t@elsewhere.iam.gserviceaccount.com".into(), None),
        ]
    );
}

#[test]
fn pools_are_as_open_as_their_providers() {
    let member =
        "principalSet://iam.googleapis.com/projects/3/locations/global/workloadIdentityPools/gh/*";
    let p = levels(json!([]), json!([]), json!([bind("roles/run.admin", &[member], None)]));
    let provider = |condition: Option<&str>, disabled: bool| {
        json!([{
            "name": "projects/3/locations/global/workloadIdentityPools/gh/providers/g", "state": "ACTIVE",
            "attributeCondition": condition, "disabled": disabled,
            "oidc": {"issuerUri": "https://token.actions.githubusercontent.com"},
        }])
    };
    let one = |provider: Value| {
        let r = of(&[("p.json", p.clone()), ("w.json", provider)]);
        let t = r.trust_facts[0].clone();
        (
            t.openness.to_string(),
            t.missing_guards.len(),
            t.weak_guards.len(),
            t.provider.map(|p| p.to_string()),
        )
    };
    let github = Some("github".to_owned());
    assert_eq!(one(provider(None, false)), ("open".into(), 1, 0, github.clone()));
    assert_eq!(
        one(provider(Some("assertion.repository_owner == 'acme'"), false)),
        ("conditional".into(), 0, 1, github)
    );
    assert_eq!(one(provider(None, true)).0, "closed");
}

#[test]
fn one_resource_takes_the_permissions_of_its_service_only() {
    let p = json!([policy(
        "//storage.googleapis.com/b",
        json!([bind("roles/owner", &["user:ann@x.example"], None)])
    )]);
    let r = of(&[("p.json", p)]);
    let h = held(&r, "ann@", "roles/owner", "//storage.googleapis.com/b");
    assert_eq!(h.admin, Tri::No);
    assert!(!classes(h).contains(&"secrets") && classes(h).contains(&"destructive"), "{h:?}");
    assert!(h.n_actions.unwrap() < 200, "{:?}", h.n_actions);
}

#[test]
fn ledgers_learn_tiers_from_the_catalogue() {
    let of = |name| crate::analyze::estate::tier_of(Some("gcp"), name);
    assert_eq!(of("roles/owner"), Some(Tier::T0));
    assert_eq!(of("roles/storage.objectViewer"), Some(Tier::T2));
    assert_eq!(of("secretmanager.versions.access"), Some(Tier::T1));
    assert_eq!(of("roles/none"), None);
}
