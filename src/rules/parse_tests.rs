use std::time::{Duration, Instant};

use polars::prelude::*;
use proptest::prelude::*;

use super::*;
use crate::facts::{Row, Time, store};
use crate::rules::eval::{Env, eval, trace};
use crate::rules::lower::lower;
use crate::rules::value::Table;
use crate::settings::Limits;

fn table() -> TableDef {
    store::table("grant_facts").unwrap()
}

fn ok(text: &str) -> Node {
    predicate(text, &table()).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn err(text: &str) -> String {
    match predicate(text, &table()) {
        Ok(node) => panic!("{text} was accepted as {node}"),
        Err(e) => e,
    }
}

#[test]
fn accepts_the_language() {
    for text in [
        "overstay_s > limits.task_grace_s",
        "tier <= 'T3' AND NOT COALESCE(open_ended, FALSE)",
        "tier IS NULL OR tier IN ('T0', 'T1')",
        "task_state NOT IN ('failed', 'canceled')",
        "use_count BETWEEN 1 AND 10",
        "privilege LIKE 'prod-%' AND scope NOT LIKE '%_'",
        "CONTAINS(evidence_missing, 'task') OR 'end' = ANY(evidence_missing)",
        "LENGTH(contradictions) > 0 OR LENGTH(privilege) > 3",
        "as_of - started_at > 86400",
        "started_at + limits.pre_task_s < task_started_at",
        "ended_at >= TIMESTAMP '2026-01-01T00:00:00Z'",
        "CASE WHEN open_ended THEN duration_s ELSE held_s END > 10",
        "CASE end_kind WHEN 'expired' THEN TRUE ELSE FALSE END",
        "COALESCE(use_count, 0) = 0",
        "COALESCE(task_state, 'none') = 'none'",
        "approved = FALSE",
        "approved",
        "-lead_s > -5 AND duration_s * 2.5 / 3 > 1e3",
        "TRUE",
        "NULL",
        "(duration_s > 1) IS NULL",
        "open_ended != revoked",
    ] {
        ok(text);
    }
}

#[test]
fn refuses_what_is_not_sound_and_says_what_to_write() {
    for (text, part) in [
        ("(overstay_s > 1) IS NOT TRUE", "COALESCE((overstay_s > 1), FALSE) = FALSE"),
        ("approved IS TRUE", "COALESCE(approved, FALSE)"),
        ("approved IS FALSE", "COALESCE(approved, TRUE) = FALSE"),
        ("approved IS NOT FALSE", "COALESCE(approved, TRUE)"),
        ("approved IS UNKNOWN", "IS NULL"),
        ("approved = NULL", "IS NULL"),
        ("oversty_s > 1", "did you mean `overstay_s`"),
        ("overstay_s > limits.task_grac_s", "did you mean `task_grace_s`"),
        ("settings.task_grace_s > 1", "limits.<name>"),
        ("tier < 'T7'", "its words are T0, T1, T2, T3, T4"),
        ("end_kind = 'finished'", "never is 'finished'"),
        ("end_kind IN ('expired', 'finished')", "never is 'finished'"),
        ("COALESCE(end_kind, 'x') = 'y'", "never is 'y'"),
        ("end_kind LIKE 'zzz%'", "no word"),
        ("end_kind > 'expired'", "no order"),
        ("approved > FALSE", "no order"),
        ("overstay_s > 'x'", "cannot be compared"),
        ("started_at > '2026-01-01'", "TIMESTAMP"),
        ("overstay_s", "not true or false"),
        ("overstay_s > 1; DROP TABLE x", "unexpected `;`"),
        ("overstay_s > 1 overstay_s", "unexpected"),
        ("EXISTS (SELECT 1)", "queries are not allowed"),
        ("overstay_s IN (SELECT 1)", "queries are not allowed"),
        ("overstay_s > (SELECT 1)", "queries are not allowed"),
        ("read_csv('/etc/passwd') = 1", "functions of rules"),
        ("now() > started_at", "as_of"),
        ("CURRENT_TIMESTAMP > started_at", "as_of"),
        ("CAST(overstay_s AS TEXT) = 'x'", "casts"),
        ("overstay_s::text = 'x'", "casts"),
        ("privilege ILIKE 'x'", "LIKE"),
        ("privilege LIKE 'x' ESCAPE '!'", "LIKE"),
        ("privilege LIKE scope", "literal"),
        ("privilege || 'x' = 'y'", "operator"),
        ("overstay_s % 2 = 0", "operator"),
        ("'x' <> ANY(evidence_missing)", "= ANY"),
        ("'x' = ALL(evidence_missing)", "= ANY"),
        ("evidence_missing = 'x'", "CONTAINS"),
        ("CONTAINS(privilege, 'x')", "list"),
        ("LENGTH(DISTINCT privilege) > 1", "plain"),
        ("SUM(overstay_s) OVER () > 1", "not allowed"),
        ("started_at > DATE '2026-01-01'", "TIMESTAMP"),
        ("started_at > TIMESTAMP 'yesterday'", "not a time"),
        ("started_at + INTERVAL '1 day' > as_of", "seconds"),
        ("started_at + started_at > as_of", "cannot join"),
        ("overstay_s IN (n_tasks)", "literals only"),
        ("\"privilege' = 'x'", "cannot read"),
        ("\"prod\" = privilege", "single quotes"),
        ("", "empty"),
        ("approved AND", "cannot read"),
        ("approved\0", "control character"),
        ("CASE WHEN approved THEN 1 ELSE 'x' END = 1", "differ in type"),
        ("COALESCE(NULL, NULL)", "all results are NULL"),
        ("$1 = 1", ""),
        ("t.privilege = 'x'", "without a table"),
        ("privilege = X'00'", "literals are"),
        ("*", ""),
    ] {
        let message = err(text);
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn messages_name_the_place() {
    let message = err("approved AND\n  oversty_s > 1");
    assert!(message.contains("line 2, column 3"), "{message}");
}

#[test]
fn hostile_text_is_refused_quickly() {
    let many = |s: &str, n: usize| s.repeat(n);
    let inputs = [
        many("(", 10_000),
        format!("{}TRUE{}", many("(", 10_000), many(")", 10_000)),
        format!("{}TRUE{}", many("(", 1_000), many(")", 1_000)),
        format!("{}TRUE{}", many("(", 25), many(")", 25)),
        many("NOT ", 1_000),
        many("- ", 2_000),
        many("CASE WHEN ", 400),
        many("CASE ", 800),
        format!("TRUE{}", many(" OR TRUE", 500)),
        format!("1{} > 0", many("+1", 2_000)),
        format!("approved{}", many(" IN (TRUE)", 400)),
        format!("approved{}", many(" IS NULL", 500)),
        many("x", 1_000_000),
        format!("privilege = '{}'", many("a", 1_000_000)),
        many("f(", 1_500),
        many("a.", 2_000),
        many("[", 2_000),
        many("'", 4_095),
        many("1 BETWEEN ", 400),
        many("\u{202e}é", 500),
        "\0".into(),
        "privilege = '\u{0}'".into(),
        "99999999999999999999999999 > overstay_s".into(),
        "1e999 > overstay_s".into(),
        "-9223372036854775808 < overstay_s".into(),
    ];
    for text in &inputs {
        let start = Instant::now();
        let result = predicate(text, &table());
        let shown: String = text.chars().take(30).collect();
        assert!(start.elapsed() < Duration::from_secs(2), "{shown}: slow");
        if let Err(message) = result {
            assert!(message.len() < 1_000, "{shown}: the message repeats the input");
        }
    }
    assert!(predicate(&inputs[1], &table()).is_err());
    assert!(predicate(&inputs[2], &table()).is_err());
    assert!(predicate(&inputs[8], &table()).is_ok(), "long chains are flat");
}

#[test]
fn a_case_subject_cannot_explode() {
    let mut text = String::from("use_count");
    for _ in 0..5 {
        let arms = "WHEN 1 THEN 1 ".repeat(50);
        text = format!("CASE {text} {arms} ELSE 1 END");
    }
    let text = format!("{text} = 1");
    let start = Instant::now();
    assert!(predicate(&text, &table()).is_err());
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[test]
fn display_reads_back_as_the_same_expression() {
    for text in [
        "overstay_s > limits.task_grace_s AND (NOT COALESCE(open_ended, FALSE) OR tier IN ('T0', NULL))",
        "CASE WHEN approved THEN 1 ELSE 2 END BETWEEN -1 AND 3",
        "started_at - as_of NOT BETWEEN 1 AND 2",
        "'it''s' = ANY(drift) AND privilege NOT LIKE '%''_'",
        "-lead_s - -5 > 2 * (1 + 3)",
    ] {
        let once = ok(text).to_string();
        assert_eq!(ok(&once).to_string(), once);
    }
}

#[test]
fn traces_show_values() {
    let limits = Limits::default();
    let frame = crate::facts::GrantFact::frame(&[crate::facts::GrantFact {
        overstay_s: Some(7200),
        ..Default::default()
    }])
    .unwrap();
    let t = Table::open(&table(), &frame).unwrap();
    let env = Env { limits: &limits, as_of: Time::from_secs(0) };
    let shown = trace(&ok("overstay_s > limits.task_grace_s"), &t, 0, env);
    assert_eq!(shown.text, "overstay_s > limits.task_grace_s");
    assert_eq!(shown.filled.as_deref(), Some("7200 > 900"));
    assert_eq!(shown.value, Value::Bool(true));
    assert_eq!(shown.parts.len(), 2);
}

/// A random well-typed expression as text.
fn boolean() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("approved".to_string()),
        Just("open_ended".to_string()),
        Just("TRUE".to_string()),
        Just("NULL".to_string()),
        prop_oneof![Just("T0"), Just("T2"), Just("T4")].prop_flat_map(|t| prop_oneof![
            Just("="),
            Just("<>"),
            Just("<"),
            Just(">=")
        ]
        .prop_map(move |op| format!("tier {op} '{t}'"))),
        Just("tier IN ('T0', 'T3')".to_string()),
        Just("tier NOT IN ('T0', NULL)".to_string()),
        Just("use_count IN (0, 1, NULL)".to_string()),
        "[%_aé.]{0,4}".prop_map(|p| format!("scope LIKE '{p}'")),
        "[%_aé.]{0,4}".prop_map(|p| format!("scope NOT LIKE '{p}'")),
        Just("scope < privilege".to_string()),
        Just("CONTAINS(drift, 'end')".to_string()),
        Just("'role' = ANY(drift)".to_string()),
        Just("drift IS NULL".to_string()),
        Just("CASE scope WHEN 'a' THEN approved WHEN 'aé' THEN NULL ELSE FALSE END".to_string()),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) AND ({b})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a}) OR ({b}) OR ({c})")),
            inner.clone().prop_map(|a| format!("NOT ({a})")),
            inner
                .clone()
                .prop_filter("literals need no test", |a| a != "TRUE" && a != "NULL")
                .prop_map(|a| format!("({a}) IS NULL")),
            (inner.clone(), inner.clone())
                .prop_filter("typed", |(a, b)| a != "NULL" && b != "NULL")
                .prop_map(|(a, b)| format!("({a}) = ({b})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("CASE WHEN {a} THEN {b} ELSE {c} END = TRUE"))
                .prop_filter("typed", |s| !s.contains("THEN NULL ELSE NULL")),
            (inner.clone(), number()).prop_map(|(a, n)| format!("({a}) OR {n} > 0")),
            (number(), number(), prop_oneof![Just("="), Just("<>"), Just("<="), Just(">")])
                .prop_map(|(a, b, op)| format!("{a} {op} {b}")),
            (number(), number(), number()).prop_map(|(a, b, c)| format!("{a} BETWEEN {b} AND {c}")),
            (number(), number(), number())
                .prop_map(|(a, b, c)| format!("{a} NOT BETWEEN {b} AND {c}")),
            (instant(), instant()).prop_map(|(a, b)| format!("{a} < {b}")),
            (inner, Just("COALESCE(approved, FALSE)"))
                .prop_map(|(a, b)| format!("({a}) <> {b}"))
                .prop_filter("typed", |s| !s.starts_with("(NULL)")),
        ]
    })
}

fn instant() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("started_at".to_string()),
        Just("as_of".to_string()),
        Just("TIMESTAMP '2026-01-01T00:00:00Z'".to_string()),
        number().prop_map(|n| format!("(started_at + {n})")),
        number().prop_map(|n| format!("(ended_at - {n})")),
        Just("COALESCE(ended_at, started_at)".to_string()),
    ]
}

fn number() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("use_count".to_string()),
        Just("overstay_s".to_string()),
        Just("n_tasks".to_string()),
        Just("limits.task_grace_s".to_string()),
        Just("LENGTH(drift)".to_string()),
        Just("LENGTH(scope)".to_string()),
        Just("(started_at - ended_at)".to_string()),
        Just("(as_of - started_at)".to_string()),
        (-3i64..4).prop_map(|i| i.to_string()),
        Just("9223372036854775807".to_string()),
        Just("0.5".to_string()),
        Just("1e300".to_string()),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone(), prop_oneof![Just("+"), Just("-"), Just("*"), Just("/")])
                .prop_map(|(a, b, op)| format!("({a} {op} {b})")),
            inner.clone().prop_map(|a| format!("(- {a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("COALESCE({a}, {b})")),
            (inner.clone(), inner)
                .prop_map(|(a, b)| format!("CASE WHEN approved THEN {a} ELSE {b} END")),
        ]
    })
}

fn rows() -> impl Strategy<Value = Vec<crate::facts::GrantFact>> {
    use crate::facts::{GrantFact, Tier, text};
    let int = || {
        proptest::option::of(prop_oneof![
            -2i64..4,
            Just(i64::MAX),
            Just(i64::MIN),
            Just(900),
            Just((1i64 << 53) + 1),
        ])
    };
    let time = || {
        proptest::option::of(prop_oneof![
            Just(i64::MAX),
            Just(i64::MIN),
            Just(-1_500_000i64),
            -3_000_000i64..3_000_000,
            Just(1_767_225_600_000_000),
        ])
    };
    let string = || proptest::option::of("[aé.\n]{0,3}");
    let list = proptest::option::of(proptest::collection::vec(
        prop_oneof![Just("end"), Just("role")],
        0..3,
    ));
    let tier = proptest::option::of(prop_oneof![Just(Tier::T0), Just(Tier::T2), Just(Tier::T4)]);
    let bools = (proptest::option::of(any::<bool>()), any::<bool>());
    let row = (int(), int(), time(), time(), string(), (list, tier, bools)).prop_map(
        |(use_count, overstay_s, started, ended, scope, (drift, tier, (approved, open_ended)))| {
            GrantFact {
                use_count,
                overstay_s,
                started_at: started.map(Time::from_micros),
                ended_at: ended.map(Time::from_micros),
                scope: scope.map(text),
                privilege: text("a"),
                drift: drift.map(|l| l.into_iter().map(text).collect()),
                tier,
                approved,
                open_ended: Some(open_ended),
                n_tasks: 2,
                ..GrantFact::default()
            }
        },
    );
    proptest::collection::vec(row, 1..12)
}

/// Table-wise result of an expression, as the engine computes it.
fn vectorised(node: &Node, frame: &DataFrame, env: Env<'_>) -> Vec<Option<bool>> {
    let out = frame
        .clone()
        .lazy()
        .with_columns([lower(node, env).alias("__out")])
        .without_optimizations()
        .collect()
        .unwrap_or_else(|e| {
            panic!("{node}: {}", e.to_string().chars().take(400).collect::<String>())
        });
    out.column("__out").unwrap().bool().unwrap().iter().collect()
}

/// The rows as columns, as the screening makes them. What it has no plain vector for is given as values.
fn chunk(rows: &[crate::facts::GrantFact]) -> crate::rules::vector::Chunk {
    use std::sync::Arc;

    use crate::facts::{Tier, Time, cell::Word};
    use crate::rules::value::Value;
    use crate::rules::vector::{Bits, Chunk, Number, Vector};

    let whole = |all: Vec<Option<i64>>, number| Vector::Whole {
        known: Arc::new(Bits::of(&all, Option::is_some)),
        data: Arc::new(all.into_iter().map(Option::unwrap_or_default).collect()),
        number,
    };
    let int = |f: &dyn Fn(&crate::facts::GrantFact) -> Option<i64>| {
        whole(rows.iter().map(f).collect(), Number::Int)
    };
    let time = |f: &dyn Fn(&crate::facts::GrantFact) -> Option<Time>| {
        whole(rows.iter().map(|r| f(r).map(Time::micros)).collect(), Number::Time)
    };
    let truth = |f: &dyn Fn(&crate::facts::GrantFact) -> Option<bool>| Vector::Bool {
        yes: Bits::of(rows, |r| f(r) == Some(true)),
        known: Bits::of(rows, |r| f(r).is_some()),
    };
    let values = |f: &dyn Fn(&crate::facts::GrantFact) -> Value| {
        Vector::Values(Arc::new(rows.iter().map(f).collect()))
    };
    let tier = |r: &crate::facts::GrantFact| {
        let word = r.tier.and_then(|t| Tier::ALL.iter().position(|w| *w == t.word()));
        word.and_then(|w| u8::try_from(w).ok()).unwrap_or(u8::MAX)
    };
    let columns = [
        ("use_count", int(&|r| r.use_count)),
        ("overstay_s", int(&|r| r.overstay_s)),
        ("n_tasks", int(&|r| Some(r.n_tasks))),
        ("started_at", time(&|r| r.started_at)),
        ("ended_at", time(&|r| r.ended_at)),
        ("approved", truth(&|r| r.approved)),
        ("open_ended", truth(&|r| r.open_ended)),
        ("effective", truth(&|r| Some(r.effective))),
        (
            "tier",
            Vector::Word { codes: Arc::new(rows.iter().map(tier).collect()), words: Tier::ALL },
        ),
        ("scope", values(&|r| r.scope.clone().map_or(Value::Null, Value::Text))),
        ("privilege", values(&|r| Value::Text(r.privilege.clone()))),
        ("drift", values(&|r| r.drift.clone().map_or(Value::Null, Value::List))),
    ];
    Chunk { rows: rows.len(), columns: columns.into_iter().collect() }
}

/// The same by chunks of plain vectors.
fn in_chunks(node: &Node, rows: &[crate::facts::GrantFact], env: Env<'_>) -> Vec<Option<bool>> {
    let (yes, known) = crate::rules::vector::eval(node, &chunk(rows), env).three(rows.len());
    (0..rows.len()).map(|i| known.has(i).then(|| yes.has(i))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn all_evaluators_agree(text in boolean(), rows in rows()) {
        let node = match predicate(&text, &table()) {
            Ok(node) => node,
            // Random nesting may pass the bounds, and random COALESCE may be of NULL only.
            Err(e) => { prop_assume!(e.contains("deep") || e.contains("large") || e.contains("NULL")); return Ok(()) }
        };
        let frame = crate::facts::GrantFact::frame(&rows).unwrap();
        let limits = Limits::default();
        let env = Env { limits: &limits, as_of: Time::from_secs(1_767_225_600) };
        let t = Table::open(&table(), &frame).unwrap();
        let by_row: Vec<Option<bool>> =
            (0..rows.len()).map(|i| eval(&node, &t, i, env).truth()).collect();
        prop_assert_eq!(&vectorised(&node, &frame, env), &by_row, "{}", node);
        prop_assert_eq!(in_chunks(&node, &rows, env), by_row, "{}", node);
    }

    #[test]
    fn random_text_never_panics(text in "[a-z_'()<>=+*/., 0-9A-Z%\\-]{0,80}") {
        let _ = predicate(&text, &table());
    }

    #[test]
    fn token_soup_never_panics_and_what_is_accepted_reads_back(words in proptest::collection::vec(
        prop_oneof![
            Just("approved"), Just("overstay_s"), Just("("), Just(")"), Just("AND"), Just("OR"), Just("NOT"),
            Just("IS"), Just("NULL"), Just("IN"), Just("BETWEEN"), Just("1"), Just("'x'"), Just(">"), Just("="),
            Just("-"), Just("CASE"), Just("WHEN"), Just("THEN"), Just("END"), Just("limits"), Just("."), Just(","),
            Just("ANY"), Just("LIKE"), Just("SELECT"), Just("TIMESTAMP"), Just("COALESCE"), Just("["), Just("{"),
        ], 0..40)) {
        let text = words.join(" ");
        if let Ok(node) = predicate(&text, &table()) {
            let shown = node.to_string();
            prop_assert_eq!(predicate(&shown, &table()).unwrap().to_string(), shown);
        }
    }
}
