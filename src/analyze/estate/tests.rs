use super::super::reach::activity::Activity;
use super::super::reach::people::{People, Person};
use super::*;
use crate::facts::{IdentityFact, PrincipalKind, text};
use crate::privilege::class::Class;

fn set(classes: &[Class]) -> ClassSet {
    classes.iter().copied().collect()
}

fn held(principal: &str, classes: &[Class], breadth: Breadth) -> Held {
    Held {
        principal: text(principal),
        platform: text("k8s"),
        privilege: text("role"),
        role_id: text("k8s/role"),
        scope: text("k8s"),
        breadth,
        certain: set(classes),
        possible: set(classes),
        ..Held::default()
    }
}

fn step(from: &str, to: &str, words: &str) -> Edge {
    Edge { technique: text("t"), step: text(words), ..Edge::relation(text(from), text(to)) }
}

fn people(names: &[&str]) -> People {
    let person = || Person {
        kind: PrincipalKind::ServiceAccount,
        platform: Some(text("k8s")),
        ..Person::default()
    };
    names.iter().map(|n| (text(n), person())).collect()
}

fn identities(names: &[&str]) -> Vec<IdentityFact> {
    let one = |n: &&str| IdentityFact {
        principal_id: text(n),
        platform: Some(text("k8s")),
        ..IdentityFact::default()
    };
    names.iter().map(one).collect()
}

#[test]
fn the_shortest_certain_path_wins_and_relations_cost_nothing() {
    let mut maybe = step("pod", "admin", "takes it over");
    maybe.verdict = Tri::Conditional;
    let estate = Estate {
        held: vec![held("admin", &[Class::Admin], Breadth::Tenant)],
        edges: vec![
            maybe,
            step("pod", "junction", "reads any secret"),
            Edge::relation(text("junction"), text("mid")),
            step("mid", "admin", "mints a token"),
        ],
        ..Estate::default()
    };
    let names = ["pod", "mid", "admin"];
    let rows = escalations(&estate, &people(&names), &identities(&names));
    let got: Vec<(&str, i64, Tri, usize)> =
        rows.iter().map(|r| (&*r.principal_id, r.n_hops, r.verdict, r.steps.len())).collect();
    assert_eq!(got, [("mid", 1, Tri::Yes, 1), ("pod", 2, Tri::Yes, 2)]);
    let pod = rows.iter().find(|r| &*r.principal_id == "pod").unwrap();
    assert_eq!(pod.through.iter().map(|t| &**t).collect::<Vec<_>>(), ["pod", "mid", "admin"]);
    assert!(pod.to_admin && &*pod.gain == "principal");
}

#[test]
fn conditional_comes_before_potential_and_a_cycle_ends() {
    let mut half = step("a", "goal", "needs a partner");
    half.potential = true;
    let mut maybe = step("b", "goal", "under a condition");
    maybe.verdict = Tri::Conditional;
    let estate = Estate {
        edges: vec![half, maybe, step("a", "b", "acts as b"), step("b", "a", "acts as a")],
        goals: vec![Goal {
            node: text("goal"),
            title: text("the cluster"),
            tier: Tier::T0,
            admin: true,
        }],
        ..Estate::default()
    };
    let rows = escalations(&estate, &people(&["a", "b"]), &identities(&["a", "b"]));
    let got: Vec<(&str, &str, Tri, i64)> =
        rows.iter().map(|r| (&*r.principal_id, &*r.gain, r.verdict, r.n_hops)).collect();
    assert_eq!(
        got,
        [("a", "self_grant", Tri::Conditional, 2), ("b", "self_grant", Tri::Conditional, 1)]
    );
    assert_eq!(&*rows[0].target_id, "the cluster");
}

/// What a junction leads to may hang on something as a step does.
#[test]
fn relations_carry_their_conditions_and_ends() {
    let end = crate::facts::time::parse_rfc3339("2026-07-01T00:00:00Z").unwrap();
    let maybe = Edge {
        verdict: Tri::Conditional,
        conditions: vec![text("whether it runs")],
        not_after: Some(end),
        ..Edge::relation(text("junction"), text("admin"))
    };
    let unseen = Edge { potential: true, ..Edge::relation(text("elsewhere"), text("admin")) };
    let estate = Estate {
        held: vec![held("admin", &[Class::Admin], Breadth::Tenant)],
        edges: vec![
            step("a", "junction", "runs any pod"),
            maybe,
            step("b", "elsewhere", "runs any code"),
            unseen,
        ],
        ..Estate::default()
    };
    let names = ["a", "b", "admin"];
    let rows = escalations(&estate, &people(&names), &identities(&names));
    assert_eq!((rows[0].verdict, rows[0].not_after), (Tri::Conditional, Some(end)));
    assert_eq!(rows[0].conditions, [text("whether it runs")]);
    assert_eq!((&*rows[1].principal_id, &*rows[1].gain), ("b", "potential"));
}

#[test]
fn a_path_goes_on_into_aws_and_stops_at_six_hops() {
    let mut ids = identities(&["sa"]);
    ids.push(IdentityFact {
        principal_id: text("arn:aws:iam::1:role/r"),
        platform: Some(text("aws")),
        escalates_to_admin: Tri::Yes,
        ..IdentityFact::default()
    });
    let estate = Estate {
        edges: vec![step("sa", "arn:aws:iam::1:role/r", "assumes the role by its token")],
        ..Estate::default()
    };
    let rows = escalations(&estate, &people(&["sa", "arn:aws:iam::1:role/r"]), &ids);
    assert_eq!(rows.len(), 1);
    assert_eq!(&*rows[0].target_id, "arn:aws:iam::1:role/r");

    let names: Vec<String> = (0..9).map(|i| format!("n{i}")).collect();
    let mut edges: Vec<Edge> = names.windows(2).map(|w| step(&w[0], &w[1], "goes on")).collect();
    edges.reverse();
    let estate = Estate {
        held: vec![held("n8", &[Class::Admin], Breadth::Tenant)],
        edges,
        ..Estate::default()
    };
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let rows = escalations(&estate, &people(&all), &identities(&all));
    let starts: Vec<&str> = rows.iter().map(|r| &*r.principal_id).collect();
    assert_eq!(starts, ["n2", "n3", "n4", "n5", "n6", "n7"]);
}

#[test]
fn platform_identities_are_no_start_and_administrators_need_no_path() {
    let estate = Estate {
        held: vec![
            held("admin", &[Class::Admin], Breadth::Tenant),
            held("second", &[Class::Permissions], Breadth::Account),
        ],
        edges: vec![
            step("controller", "admin", "x"),
            step("second", "admin", "x"),
            step("user", "admin", "x"),
        ],
        provider_owned: [text("controller")].into(),
        ..Estate::default()
    };
    let names = ["controller", "second", "user", "admin"];
    let rows = escalations(&estate, &people(&names), &identities(&names));
    assert_eq!(rows.iter().map(|r| &*r.principal_id).collect::<Vec<_>>(), ["user"]);
}

#[test]
fn holdings_carry_class_tier_and_residue() {
    let mut gone = held("sa", &[Class::Admin], Breadth::Tenant);
    gone.standing = Standing::Residue;
    gone.residue = Some(text("missing_role"));
    let mut unknown = held("sa", &[], Breadth::Group);
    unknown.unknown = Some(text("role_unexpanded"));
    let mut maybe = held("sa", &[Class::Read], Breadth::Account);
    maybe.possible = set(&[Class::Read, Class::Secrets]);
    let estate = Estate { held: vec![gone, unknown, maybe], ..Estate::default() };
    let facts = Facts::default();
    let settings = Settings::defaults();
    let activity = Activity::new(
        &facts,
        &settings,
        crate::facts::time::parse_rfc3339("2026-06-30T00:00:00Z").unwrap(),
    );
    let rows = holdings(&estate, &people(&["sa"]), &activity);
    assert_eq!((rows[0].admin, rows[0].residue.as_deref()), (Tri::No, Some("missing_role")));
    assert_eq!((rows[1].tier, rows[1].content_unknown.as_deref()), (None, Some("role_unexpanded")));
    assert_eq!((rows[2].tier, rows[2].tier_possible), (Some(Tier::T4), Some(Tier::T1)));
    assert_eq!(rows[2].classes_possible.iter().map(|t| &**t).collect::<Vec<_>>(), ["secrets"]);
    let mut ids = identities(&["sa"]);
    on_identities(&estate, &mut ids);
    assert_eq!(ids[0].admin, Tri::Conditional);
}
