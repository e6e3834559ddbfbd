//! The sentences of conclusions. Words such as "compliant", "certified" or "passed" do not occur here.

use std::collections::BTreeMap;

use super::conclude::{Basis, Word};

/// Numbers behind a sentence.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// Items by table.
    pub items: BTreeMap<String, u64>,
    /// Open certain exceptions under rules that test the control.
    pub exceptions: u64,
    /// Open possible exceptions under rules that test the control.
    pub possible: u64,
    /// Waived exceptions.
    pub waived: u64,
    /// Exceptions accepted by the baseline.
    pub baselined: u64,
    /// Open findings under rules that only support the control.
    pub supporting: u64,
}

impl Counts {
    /// Items of all tables.
    pub(super) fn population(&self) -> u64 {
        self.items.values().sum()
    }
}

/// How a framework wants to be spoken about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Controls and risks.
    Control,
    /// Tenets and sections of SP 800-207.
    Tenet,
    /// Outcomes of the AI RMF.
    Outcome,
}

impl Style {
    /// Style of a framework.
    pub(super) fn of(framework: &str) -> Self {
        match framework {
            "nist-800-207" => Self::Tenet,
            "nist-ai-rmf-1.0" => Self::Outcome,
            _ => Self::Control,
        }
    }
}

/// Note on the wording of a framework, printed above its conclusions.
pub(super) fn note(framework: &str) -> Option<String> {
    let text = match framework {
        "owasp-nhi-2025" => {
            "Risks of non-human identities. Conclusions speak about the assessed aspects only; leakage of secrets is not assessed."
        }
        "owasp-asi-2026" | "csa-maestro-2025" => {
            "All mappings support an item and none tests it: findings concern aspects of the item, and no exception is stated for it."
        }
        "nist-800-53-r5" | "nist-csf-2.0" => {
            "These controls concern the whole organisation. Exceptions are noted, or none in the assessed aspects; no control is declared satisfied."
        }
        "nist-800-207" => {
            "Tenets, not controls. Evidence is consistent or not consistent with a tenet in the assessed aspects."
        }
        "nist-ai-rmf-1.0" => {
            "Subcategories are outcomes. Findings are indicators of them and state no exception."
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// The sentence of a conclusion. `label` is the control as the sentence names it, `reason` the first gap.
pub(super) fn statement(
    word: Word,
    style: Style,
    label: &str,
    counts: &Counts,
    reason: &str,
    basis: &Basis<'_>,
) -> String {
    let place = place(counts, basis);
    match word {
        Word::ExceptionsNoted => noted(style, label, counts.exceptions, &place, ""),
        Word::ExceptionsAccepted => {
            let how = format!(
                "; all of them are accepted ({} by waiver, {} by the baseline)",
                number(counts.waived),
                number(counts.baselined)
            );
            noted(style, label, counts.waived + counts.baselined, &place, &how)
        }
        Word::NoExceptionsNoted => match style {
            Style::Control => {
                format!("No exceptions were noted for the assessed aspects of {label} {place}.")
            }
            Style::Tenet => format!(
                "In the assessed aspects the evidence is consistent with {label}: no exceptions were noted {place}."
            ),
            Style::Outcome => {
                format!(
                    "No adverse indicators were found for the assessed aspects of {label} {place}."
                )
            }
        },
        Word::PartiallyAssessed => partial(style, label, counts, &place, reason),
        Word::NotAssessed => format!("{} was not assessed{reason}.", upper(label)),
        Word::NotApplicable => format!("{} is not applicable{reason}.", upper(label)),
    }
}

fn noted(style: Style, label: &str, n: u64, place: &str, how: &str) -> String {
    let count = counted(n, "exception was", "exceptions were");
    if style == Style::Tenet {
        format!("The evidence is not consistent with {label}: {count} noted {place}{how}.")
    } else {
        format!("{} noted for {label} {place}{how}.", upper(&count))
    }
}

fn partial(style: Style, label: &str, counts: &Counts, place: &str, reason: &str) -> String {
    if counts.supporting > 0 {
        let found = match style {
            Style::Outcome => {
                counted(counts.supporting, "finding is an indicator", "findings are indicators")
            }
            _ => counted(counts.supporting, "finding concerns", "findings concern"),
        };
        let link = if style == Style::Outcome { "for" } else { "aspects of" };
        return format!("{} is partially assessed: {found} {link} it {place}.", upper(label));
    }
    let lead = if style == Style::Tenet {
        "nothing inconsistent was noted"
    } else {
        "no exceptions were noted"
    };
    format!(
        "{} is partially assessed: {lead} {place}, and part could not be tested{reason}.",
        upper(label)
    )
}

/// `in the population of 1,204 entitlements and 30 grants from 3 sources between A and B`.
fn place(counts: &Counts, basis: &Basis<'_>) -> String {
    let mut parts: Vec<String> = counts
        .items
        .iter()
        .filter(|(_, n)| **n > 0)
        .map(|(table, n)| {
            let (one, many) = nouns(table);
            counted(*n, one, many)
        })
        .collect();
    let last = parts.pop().unwrap_or_else(|| "0 items".to_owned());
    let mut out = if parts.is_empty() {
        format!("in the population of {last}")
    } else {
        format!("in the population of {} and {last}", parts.join(", "))
    };
    if basis.sources > 0 {
        out.push_str(&format!(" from {}", counted(basis.sources, "source", "sources")));
    }
    if let Some((from, until)) = basis.period {
        out.push_str(&format!(" between {from} and {until}"));
    }
    out
}

/// What one row of a table is.
fn nouns(table: &str) -> (&str, &str) {
    match table {
        "grant_facts" => ("grant", "grants"),
        "chains" => ("chain of grants", "chains of grants"),
        "access_spans" => ("span of access", "spans of access"),
        "segments" => ("time segment", "time segments"),
        "holdings" => ("entitlement", "entitlements"),
        "identity_facts" => ("identity", "identities"),
        "credential_facts" => ("credential", "credentials"),
        "usage_facts" => ("use", "uses"),
        "trust_facts" => ("trust statement", "trust statements"),
        "approver_facts" => ("approver", "approvers"),
        "emergency_facts" => ("emergency", "emergencies"),
        "machine_uses" => {
            ("machine identity with recorded use", "machine identities with recorded use")
        }
        "coverage" => ("evidence layer or source", "evidence layers and sources"),
        "waiver_facts" => ("waiver", "waivers"),
        _ => ("item", "items"),
    }
}

/// Number and noun.
pub(super) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(n), if n == 1 { one } else { many })
}

/// Number with thousands separated by commas.
pub(super) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// First letter in upper case.
fn upper(s: &str) -> String {
    let mut chars = s.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1204), "1,204");
        assert_eq!(number(1_000_000), "1,000,000");
        assert_eq!(counted(1, "grant", "grants"), "1 grant");
    }

    #[test]
    fn the_place_names_population_sources_and_period() {
        let counts = Counts {
            items: BTreeMap::from([("grant_facts".into(), 30), ("holdings".into(), 1204)]),
            ..Counts::default()
        };
        let basis = Basis { sources: 3, period: Some(("A", "B")), ..Basis::default() };
        assert_eq!(
            place(&counts, &basis),
            "in the population of 30 grants and 1,204 entitlements from 3 sources between A and B"
        );
        assert_eq!(place(&Counts::default(), &Basis::default()), "in the population of 0 items");
    }
}
