//! What to write instead: the remedies that refusals of the predicate parser name.

use sqlparser::ast::Expr as Sql;

/// What to write instead of a construct that is not allowed.
pub(super) fn remedy(sql: &Sql) -> String {
    match sql {
        Sql::IsTrue(e) => {
            format!(
                "IS TRUE hides unknown; write `{e}`, or `COALESCE({e}, FALSE)` if unknown is to count as false"
            )
        }
        Sql::IsNotTrue(e) => {
            format!(
                "IS NOT TRUE hides unknown; write `NOT ({e})`, or `COALESCE({e}, FALSE) = FALSE`"
            )
        }
        Sql::IsFalse(e) => {
            format!("IS FALSE hides unknown; write `NOT ({e})`, or `COALESCE({e}, TRUE) = FALSE`")
        }
        Sql::IsNotFalse(e) => {
            format!("IS NOT FALSE hides unknown; write `{e}`, or `COALESCE({e}, TRUE)`")
        }
        Sql::IsUnknown(e) => format!("write `({e}) IS NULL`"),
        Sql::IsNotUnknown(e) => format!("write `({e}) IS NOT NULL`"),
        Sql::IsDistinctFrom(..) | Sql::IsNotDistinctFrom(..) => {
            "write the comparison and `IS NULL` apart".into()
        }
        Sql::ILike { .. } | Sql::RLike { .. } | Sql::SimilarTo { .. } | Sql::Like { .. } => {
            "only `column LIKE 'pattern'` is allowed, with `%` and `_`, without ESCAPE".into()
        }
        Sql::AnyOp { .. } | Sql::AllOp { .. } => {
            "only `'item' = ANY(list_column)` is allowed; negate it with NOT".into()
        }
        Sql::Subquery(_) | Sql::Exists { .. } | Sql::InSubquery { .. } => {
            "queries are not allowed; a rule sees one row of one table".into()
        }
        Sql::Cast { .. } | Sql::Convert { .. } => "casts are not allowed".into(),
        Sql::Interval(_) => "intervals are not allowed; add or subtract seconds".into(),
        _ => "not allowed in rules; see the rule language in docs/rules.md".into(),
    }
}

/// What to write instead of a function that is not allowed.
pub(super) fn function_remedy(name: &str) -> String {
    match name {
        "NOW" | "CURRENT_TIMESTAMP" | "CURRENT_DATE" | "LOCALTIMESTAMP" => {
            "the clock is not read; write `as_of`".into()
        }
        "ARRAY_CONTAINS" | "LIST_CONTAINS" => "write CONTAINS(list_column, 'item')".into(),
        "ARRAY_LENGTH" | "LEN" | "CARDINALITY" => "write LENGTH(list_column)".into(),
        _ => "the functions of rules are COALESCE, CONTAINS and LENGTH".into(),
    }
}

/// A hint with the most similar name, when one is near.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let name: String = name.chars().take(64).collect();
    known
        .map(|k| (distance(&name, k), k))
        .min()
        .filter(|(d, k)| *d <= 1 + k.len() / 4)
        .map_or_else(String::new, |(_, k)| format!("; did you mean `{k}`?"))
}

/// Edit distance; both sides are short.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let cost = (diagonal + usize::from(x != y)).min(left + 1).min(*cell + 1);
            diagonal = *cell;
            *cell = cost;
            left = cost;
        }
    }
    row.last().copied().unwrap_or(0)
}
