//! All adapters. Adding a format is one line here.

use super::source::{Adapter, Match, Probe};
use super::table::TableAdapter;
use super::{aws, azure, gcp, k8s, ledger, owners, reviews, services, subject, tasks, usage};

/// Generic tables; mappings can configure these.
pub static TABLES: &[TableAdapter] = &[
    ledger::grants::ADAPTER,
    ledger::approvals::ADAPTER,
    ledger::events::ADAPTER,
    ledger::credentials::ADAPTER,
    tasks::generic::ADAPTER,
    usage::generic::ADAPTER,
    reviews::ADAPTER,
    owners::OWNERS,
    owners::RESOURCES,
];

/// All adapters in order of registration; among equal matches the first wins.
#[must_use]
pub fn adapters() -> Vec<&'static dyn Adapter> {
    let mut all: Vec<&'static dyn Adapter> = vec![&subject::SUBJECT];
    all.extend_from_slice(aws::ADAPTERS);
    all.extend_from_slice(azure::ADAPTERS);
    all.extend_from_slice(k8s::ADAPTERS);
    // Before the tasks: the log also holds runs, and its adapter hands those on.
    all.push(&ledger::github_audit::AUDIT);
    all.extend_from_slice(tasks::ADAPTERS);
    all.extend(ledger::LEDGERS);
    all.extend_from_slice(gcp::ADAPTERS);
    all.extend_from_slice(services::ADAPTERS);
    all.extend(TABLES.iter().map(|t| t as &dyn Adapter));
    all
}

/// Adapter by format id.
#[must_use]
pub fn by_format(format: &str) -> Option<&'static dyn Adapter> {
    adapters().into_iter().find(|a| a.format() == format)
}

/// Generic table by format id.
#[must_use]
pub fn table_by_format(format: &str) -> Option<&'static TableAdapter> {
    TABLES.iter().find(|t| t.format == format)
}

/// The adapter that is surest that a file is its own.
#[must_use]
pub fn recognise(probe: &Probe<'_>) -> Option<&'static dyn Adapter> {
    let mut best: Option<(Match, &'static dyn Adapter)> = None;
    for adapter in adapters() {
        if let Some(m) = adapter.recognise(probe)
            && best.as_ref().is_none_or(|(b, _)| m > *b)
        {
            best = Some((m, adapter));
            // Nobody can be surer, and of equals the first wins: the others need not look.
            if m == Match::Specific {
                break;
            }
        }
    }
    best.map(|(_, a)| a)
}
