use super::*;
use crate::facts::Tier;
use crate::privilege::k8s::permissions::default_roles;
use crate::privilege::k8s::rbac::Document;

fn content(rules: &str) -> Content {
    let doc = Document::parse(&format!("{{\"rules\":{rules}}}")).unwrap();
    Content::new(doc.rules)
}

fn has(rules: &str, place: Place, id: &str) -> bool {
    let position = catalogue().position(id).unwrap();
    content(rules).at(place).all & (1 << position) != 0
}

const BIND: &str = "rbac.authorization.k8s.io/clusterroles:bind";

#[test]
fn d1_bind_is_asked_on_roles_and_not_on_bindings() {
    let right = r#"[{"apiGroups":["rbac.authorization.k8s.io"],"resources":["clusterroles"],"verbs":["bind"]},
        {"apiGroups":["rbac.authorization.k8s.io"],"resources":["clusterrolebindings"],"verbs":["create"]}]"#;
    let wrong = r#"[{"apiGroups":["rbac.authorization.k8s.io"],"resources":["clusterrolebindings","rolebindings"],"verbs":["bind"]}]"#;
    assert!(has(right, Place::Cluster, BIND));
    assert!(!has(wrong, Place::Cluster, BIND));
    let given = content(right);
    assert!(given.at(Place::Cluster).classes.contains(Class::Permissions));
    assert_eq!(content(wrong).at(Place::Cluster).classes.tier_at(Breadth::Tenant), Tier::T3);
}

#[test]
fn d3_watch_reads_every_secret() {
    let rules = r#"[{"apiGroups":[""],"resources":["secrets"],"verbs":["watch"]}]"#;
    assert!(content(rules).at(Place::Cluster).classes.contains(Class::Secrets));
    assert!(content(rules).at(Place::Namespace).classes.contains(Class::Secrets));
}

#[test]
fn d4_get_on_the_proxy_of_nodes_is_enough() {
    let rules = r#"[{"apiGroups":[""],"resources":["nodes/proxy"],"verbs":["get"]}]"#;
    assert!(content(rules).at(Place::Cluster).classes.contains(Class::Escalation));
    assert!(content(rules).at(Place::Namespace).classes.is_empty());
}

#[test]
fn d6_a_wildcard_verb_on_bindings_counts() {
    let rules = r#"[{"apiGroups":["rbac.authorization.k8s.io"],"resources":["clusterrolebindings"],"verbs":["*"]}]"#;
    assert!(content(rules).at(Place::Cluster).classes.contains(Class::PermissionsLimited));
}

#[test]
fn d7_the_view_role_does_not_execute_in_pods() {
    let view = default_roles().get("view").unwrap();
    let given = Content::new(view.document.rules.clone());
    let given = given.at(Place::Cluster);
    assert!(!given.classes.contains(Class::Escalation));
    assert!(!given.classes.contains(Class::Secrets));
    assert_eq!(given.classes.tier_at(Breadth::Group), Tier::T3);
}

#[test]
fn d8_everything_of_another_api_group_is_no_administration() {
    let rules = r#"[{"apiGroups":["custom.metrics.k8s.io"],"resources":["*"],"verbs":["*"]}]"#;
    let c = content(rules);
    let given = c.at(Place::Cluster);
    assert!(!given.admin && given.all == 0);
    assert_eq!(c.wildcards, ["custom.metrics.k8s.io/*:*"]);
    assert_eq!(given.classes.tier_at(Breadth::Tenant), Tier::T2);
}

#[test]
fn d9_core_and_apps_groups_are_matched_as_written() {
    for (rules, id) in [
        (
            r#"[{"apiGroups":[""],"resources":["pods/exec"],"verbs":["create"]}]"#,
            "core/pods/exec:create+get",
        ),
        (
            r#"[{"apiGroups":[""],"resources":["pods/ephemeralcontainers"],"verbs":["patch"]}]"#,
            "core/pods/ephemeralcontainers:update+patch",
        ),
        (
            r#"[{"apiGroups":["apps"],"resources":["deployments"],"verbs":["create"]}]"#,
            "apps/deployments:create+update+patch",
        ),
    ] {
        assert!(has(rules, Place::Namespace, id), "{id}");
    }
}

#[test]
fn d10_secrets_are_plural_and_each_role_is_judged_by_its_own_rules() {
    let secret = r#"[{"apiGroups":[""],"resources":["secret"],"verbs":["get"]}]"#;
    assert!(!content(secret).at(Place::Cluster).classes.contains(Class::Secrets));
    let secrets = r#"[{"apiGroups":[""],"resources":["secrets"],"verbs":["get"]}]"#;
    assert!(content(secrets).at(Place::Cluster).classes.contains(Class::Secrets));
}

#[test]
fn a_role_binding_does_not_reach_what_lies_in_no_namespace() {
    let rules = r#"[{"apiGroups":["admissionregistration.k8s.io"],"resources":["mutatingwebhookconfigurations"],"verbs":["create"]},
        {"apiGroups":[""],"resources":["nodes"],"verbs":["delete"]},
        {"nonResourceURLs":["*"],"verbs":["get"]}]"#;
    let c = content(rules);
    assert!(c.at(Place::Namespace).classes.is_empty());
    assert!(c.at(Place::Cluster).classes.contains(Class::Escalation));
}

#[test]
fn bind_in_a_namespace_counts_although_cluster_roles_lie_in_none() {
    let rules = r#"[{"apiGroups":["rbac.authorization.k8s.io"],"resources":["clusterroles"],"verbs":["bind"]},
        {"apiGroups":["rbac.authorization.k8s.io"],"resources":["rolebindings"],"verbs":["create"]}]"#;
    let c = content(rules);
    assert!(c.at(Place::Namespace).classes.contains(Class::Permissions));
    assert_eq!(c.at(Place::Namespace).classes.tier_at(Breadth::Group), Tier::T1);
}

#[test]
fn names_limit_or_say_which_privilege() {
    let c = content(
        r#"[{"apiGroups":[""],"resources":["secrets"],"resourceNames":["db"],"verbs":["get","create"]}]"#,
    );
    let given = c.at(Place::Cluster);
    assert!(given.classes.is_empty() && given.classes_named.contains(Class::Secrets));
    assert!(!given.classes_named.contains(Class::DataWrite));
    let masters = r#"[{"apiGroups":[""],"resources":["groups"],"resourceNames":["system:masters"],"verbs":["impersonate"]}]"#;
    assert!(content(masters).at(Place::Cluster).classes.contains(Class::Escalation));
    let other = r#"[{"apiGroups":[""],"resources":["groups"],"resourceNames":["ops"],"verbs":["impersonate"]}]"#;
    assert!(!content(other).at(Place::Cluster).classes.contains(Class::Escalation));
    let bind = r#"[{"apiGroups":["rbac.authorization.k8s.io"],"resources":["clusterroles"],"resourceNames":["view"],"verbs":["bind"]}]"#;
    assert!(content(bind).at(Place::Cluster).classes_named.contains(Class::PermissionsLimited));
    // One deployment that may be rewritten is any pod of the namespace; none can be made.
    let patch = r#"[{"apiGroups":["apps"],"resources":["deployments"],"resourceNames":["web"],"verbs":["patch"]}]"#;
    assert!(content(patch).at(Place::Namespace).classes.contains(Class::Escalation));
    let create = r#"[{"apiGroups":["apps"],"resources":["deployments"],"resourceNames":["web"],"verbs":["create"]}]"#;
    assert!(content(create).at(Place::Namespace).classes.is_empty());
}

#[test]
fn half_of_a_pair_is_possible_and_both_are_certain() {
    let approve = r#"{"apiGroups":["certificates.k8s.io"],"resources":["signers"],"resourceNames":["kubernetes.io/kube-apiserver-client"],"verbs":["approve"]}"#;
    let approval = r#"{"apiGroups":["certificates.k8s.io"],"resources":["certificatesigningrequests/approval"],"verbs":["update"]}"#;
    let half = content(&format!("[{approve}]"));
    assert!(!half.at(Place::Cluster).classes.contains(Class::Escalation));
    assert!(half.at(Place::Cluster).classes.contains(Class::EscalationPossible));
    let both = content(&format!("[{approve},{approval}]"));
    assert!(both.at(Place::Cluster).classes.contains(Class::Escalation));
    let secrets = content(r#"[{"apiGroups":[""],"resources":["secrets"],"verbs":["create"]}]"#);
    assert!(!secrets.at(Place::Cluster).classes.contains(Class::Escalation));
}

#[test]
fn default_roles_have_the_tiers_that_their_content_says() {
    let tier = |name: &str, place: Place| {
        let role = default_roles().get(name).unwrap();
        Content::new(role.document.rules.clone()).at(place).classes.tier_at(place.breadth())
    };
    assert_eq!(tier("cluster-admin", Place::Cluster), Tier::T0);
    assert_eq!(tier("cluster-admin", Place::Namespace), Tier::T1);
    assert_eq!(tier("admin", Place::Namespace), Tier::T1);
    assert_eq!(tier("edit", Place::Namespace), Tier::T1);
    assert_eq!(tier("view", Place::Namespace), Tier::T3);
    assert_eq!(tier("system:discovery", Place::Cluster), Tier::T4);
    assert_eq!(tier("system:basic-user", Place::Cluster), Tier::T4);
}
