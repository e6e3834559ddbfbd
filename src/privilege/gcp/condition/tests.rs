use proptest::prelude::*;

use super::*;

fn t(s: &str) -> Time {
    parse_rfc3339(s).unwrap()
}

fn end(condition: &str) -> Option<String> {
    Condition::parse(condition).maybe.end().map(Time::to_rfc3339)
}

#[test]
fn an_upper_bound_in_every_wording_is_an_end() {
    for c in [
        r#"request.time < timestamp("2026-03-01T00:00:00Z")"#,
        r#"timestamp("2026-03-01T00:00:00Z") > request.time"#,
        r#"!(request.time >= timestamp("2026-03-01T00:00:00Z"))"#,
        r#"request.time < timestamp("2026-02-28T00:00:00Z") + duration("24h")"#,
        r#"request.time - timestamp("2026-02-01T00:00:00Z") < duration("672h")"#,
        r#"request.time + duration("1h") < timestamp("2026-03-01T01:00:00Z")"#,
        r#"request.time < timestamp("2026-03-01T00:00:00Z") && resource.name.startsWith("x")"#,
        r#"request.time < timestamp("2026-03-01T00:00:00Z") || request.time < timestamp("2026-02-01T00:00:00Z")"#,
        r#"resource.type == "a" ? request.time < timestamp("2026-03-01T00:00:00Z") : false"#,
        r#"request.time < timestamp('2026-03-01T02:00:00+02:00')"#,
        "request.time.getFullYear() < 2027 && request.time < timestamp('2026-03-01T00:00:00Z')",
    ] {
        assert_eq!(end(c).as_deref(), Some("2026-03-01T00:00:00Z"), "{c}");
    }
    for c in [
        r#"request.time < timestamp("2026-03-01T00:00:00Z") || resource.name == "x""#,
        r#"request.time > timestamp("2026-03-01T00:00:00Z")"#,
        "request.time < timestamp(resource.name)",
        "request.time < duration('1h')",
        "not cel (",
        "",
    ] {
        assert_eq!(end(c), None, "{c}");
    }
    assert_eq!(end("request.time.getFullYear() <= 2026").as_deref(), Some("2027-01-01T00:00:00Z"));
}

#[test]
fn values_are_three() {
    let c = Condition::parse(
        r#"request.time < timestamp("2026-03-01T00:00:00Z") && resource.name == "x""#,
    );
    assert_eq!(c.at(t("2026-02-01T00:00:00Z")), Tri::Conditional);
    assert_eq!(c.at(t("2026-03-01T00:00:00Z")), Tri::No);
    assert!(c.undecided && !c.recurring);
    let c = Condition::parse(
        "resource.name == 'x' || request.time < timestamp('2026-03-01T00:00:00Z')",
    );
    assert_eq!(c.at(t("2026-02-01T00:00:00Z")), Tri::Yes);
    assert_eq!(c.at(t("2026-04-01T00:00:00Z")), Tri::Conditional);
    assert_eq!(Condition::parse("true").at(t("2026-02-01T00:00:00Z")), Tri::Yes);
    assert_eq!(Condition::parse("1 == 2").at(t("2026-02-01T00:00:00Z")), Tri::Conditional);
    let c = Condition::parse("not cel (");
    assert!(c.malformed.is_some() && c.at(t("2026-02-01T00:00:00Z")) == Tri::Conditional);
}

#[test]
fn office_hours_come_round_until_the_end() {
    let c = Condition::parse(
        r#"request.time.getHours("Europe/Berlin") >= 8 && request.time.getHours("Europe/Berlin") < 18 && request.time < timestamp("2026-12-31T00:00:00Z")"#,
    );
    let now = t("2026-06-30T00:00:00Z");
    assert!(c.recurring && !c.undecided);
    assert_eq!(c.at(now), Tri::Conditional);
    assert!(c.within.has(now) && !c.within.has(t("2027-01-01T00:00:00Z")));
    assert_eq!(c.maybe.end().map(Time::to_rfc3339).as_deref(), Some("2026-12-31T00:00:00Z"));
    let c = Condition::parse("!(request.time.getDayOfWeek() == 0)");
    assert!(c.recurring && c.within.has(now));
    let c = Condition::parse("request.time.getHours() > 8 && resource.name == 'a'");
    assert!(c.recurring && c.undecided && !c.within.has(now));
}

#[test]
fn a_guard_on_granted_roles_is_no_undecided_clause() {
    let c = Condition::parse(
        "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly(['roles/viewer', 'roles/run.invoker'])",
    );
    assert!(!c.undecided && c.at(t("2026-06-30T00:00:00Z")) == Tri::Yes);
    assert_eq!(c.delegable.unwrap(), ["roles/viewer", "roles/run.invoker"]);
    let other = Condition::parse(
        "!api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly(['x'])",
    );
    assert!(other.undecided && other.delegable.is_none());
}

#[test]
fn hostile_conditions_are_bounded() {
    let deep = format!("{}true{}", "(".repeat(50_000), ")".repeat(50_000));
    let long = "request.time < timestamp('2026-03-01T00:00:00Z') || ".repeat(20_000) + "true";
    let nots = "!".repeat(10_000) + "true";
    let wide = (0..200)
        .map(|i| format!("request.time == timestamp('2026-03-01T00:00:{:02}.{:03}Z')", i % 60, i))
        .collect::<Vec<_>>()
        .join(" || ");
    let minus = format!("request.time < {}", "-".repeat(5_000));
    for c in [&deep, &long, &nots, &minus] {
        let c = Condition::parse(c);
        assert!(c.at(t("2026-06-30T00:00:00Z")) != Tri::No);
    }
    assert!(Condition::parse(&wide).malformed.is_none());
    assert!(duration("99999999999999999999h").is_none() && duration("1").is_none());
    assert_eq!(duration("1h1m1.5s"), Some(3_661_500_000));
    assert_eq!(duration("-2ms"), Some(-2000));
}

/// A condition over few instants, to be read and to be evaluated at an instant.
#[derive(Clone, Debug)]
enum Tree {
    Before(u8, bool),
    After(u8, bool),
    Resource,
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    Not(Box<Tree>),
    If(Box<Tree>, Box<Tree>, Box<Tree>),
}

fn stamp(i: u8) -> String {
    format!("timestamp(\"2026-01-{:02}T00:00:00Z\")", i % 20 + 1)
}

impl Tree {
    fn text(&self) -> String {
        match self {
            Self::Before(i, false) => format!("request.time < {}", stamp(*i)),
            Self::Before(i, true) => format!("{} >= request.time", stamp(*i)),
            Self::After(i, false) => format!("{} + duration(\"24h\") < request.time", stamp(*i)),
            Self::After(i, true) => format!("request.time >= {}", stamp(*i)),
            Self::Resource => "resource.name == \"x\"".into(),
            Self::And(a, b) => format!("({} && {})", a.text(), b.text()),
            Self::Or(a, b) => format!("({} || {})", a.text(), b.text()),
            Self::Not(a) => format!("!({})", a.text()),
            Self::If(a, b, c) => format!("({} ? {} : {})", a.text(), b.text(), c.text()),
        }
    }

    /// Value at an hour of January, `None` for unknown (Kleene).
    fn at(&self, hour: i64) -> Option<bool> {
        let mark = |i: &u8| i64::from(i % 20) * 24;
        match self {
            Self::Before(i, false) => Some(hour < mark(i)),
            Self::Before(i, true) => Some(hour <= mark(i)),
            Self::After(i, false) => Some(hour > mark(i) + 24),
            Self::After(i, true) => Some(hour >= mark(i)),
            Self::Resource => None,
            Self::And(a, b) => match (a.at(hour), b.at(hour)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(a, b) => match (a.at(hour), b.at(hour)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Self::Not(a) => a.at(hour).map(|v| !v),
            Self::If(a, b, c) => match a.at(hour) {
                Some(true) => b.at(hour),
                Some(false) => c.at(hour),
                // Either branch may be taken: known only where they agree.
                None => match (b.at(hour), c.at(hour)) {
                    (Some(x), Some(y)) if x == y => Some(x),
                    _ => None,
                },
            },
        }
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        (any::<u8>(), any::<bool>()).prop_map(|(i, b)| Tree::Before(i, b)),
        (any::<u8>(), any::<bool>()).prop_map(|(i, b)| Tree::After(i, b)),
        Just(Tree::Resource),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Tree::And(a.into(), b.into())),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Tree::Or(a.into(), b.into())),
            inner.clone().prop_map(|a| Tree::Not(a.into())),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| Tree::If(
                a.into(),
                b.into(),
                c.into()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn intervals_agree_with_evaluation_at_instants(tree in trees()) {
        let c = Condition::parse(&tree.text());
        prop_assert!(c.malformed.is_none(), "{}", tree.text());
        let start = t("2026-01-01T00:00:00Z");
        for hour in -30..(22 * 24) {
            let want = match tree.at(hour) {
                Some(true) => Tri::Yes,
                Some(false) => Tri::No,
                None => Tri::Conditional,
            };
            prop_assert_eq!(c.at(start.plus_secs(hour * 3600)), want, "hour {} of {}", hour, tree.text());
        }
    }

    #[test]
    fn never_panics(s in "\\PC{0,80}") {
        let _ = Condition::parse(&s);
    }

    #[test]
    fn never_panics_near_conditions(s in "(request\\.time|timestamp\\(\"2026-01-01T00:00:00Z\"\\)|[<>=!&|()? :+-]| |duration\\(\"1h\"\\)|x){0,30}") {
        let _ = Condition::parse(&s);
    }
}
