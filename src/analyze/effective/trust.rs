//! The trust policy of a role, put together again from the rows of `trusts`.

use std::collections::BTreeMap;

use crate::facts::{Facts, Trust};
use crate::privilege::aws::condition::Condition;
use crate::privilege::aws::document::{Document, Effect, Party, Patterns, Statement};

/// The document; `None` when the inputs have no statement of it. Of several sources the last one counts.
pub fn document(facts: &Facts, role: &str) -> Option<Document> {
    let rows: Vec<&Trust> = facts.trusts.iter().filter(|t| &*t.principal_id == role).collect();
    let last = &rows.last()?.source_id;
    let rows = rows.iter().copied().filter(|t| t.source_id == *last);
    Some(Document { variables: true, statements: statements(rows), malformed: None })
}

/// The statements that rows of one role stand for, each with all its parties.
pub fn statements<'f>(rows: impl IntoIterator<Item = &'f Trust>) -> Vec<Statement> {
    let mut out: BTreeMap<(&str, &str), Statement> = BTreeMap::new();
    for t in rows {
        let next = out.len();
        let place = (&*t.source_id, &*t.source_ref);
        out.entry(place).or_insert_with(|| empty(t, next)).parties.push(party(t));
    }
    out.into_values().collect()
}

fn empty(t: &Trust, next: usize) -> Statement {
    let parsed = t.condition.as_deref().map(Condition::parse);
    let index = t.source_ref.rsplit('/').next().and_then(|n| n.parse().ok()).unwrap_or(next);
    let negate = t.actions.iter().any(|a| a.starts_with("not:"));
    let list = t.actions.iter().map(|a| a.strip_prefix("not:").unwrap_or(a).to_owned()).collect();
    Statement {
        index,
        sid: None,
        effect: if t.allow { Effect::Allow } else { Effect::Deny },
        actions: Patterns { list, negate },
        resources: None,
        parties: Vec::new(),
        doubtful: matches!(parsed, Some(Err(_))),
        condition: parsed.and_then(Result::ok).unwrap_or_default(),
        condition_text: t.condition.as_deref().unwrap_or_default().to_owned(),
    }
}

fn party(t: &Trust) -> Party {
    let (value, negate) = match t.trusted.strip_prefix("not:") {
        Some(rest) => (rest, true),
        None => (&*t.trusted, false),
    };
    let kind = match &*t.trusted_kind {
        "service" => "Service",
        "oidc" | "saml" => "Federated",
        "canonical_user" => "CanonicalUser",
        // Of a complement the table keeps the text only.
        _ if value.ends_with(".amazonaws.com") => "Service",
        _ if value.contains(":oidc-provider/") || value.contains(":saml-provider/") => "Federated",
        _ if value == "*" => "*",
        _ => "AWS",
    };
    Party { kind: kind.to_owned(), value: value.to_owned(), negate }
}
