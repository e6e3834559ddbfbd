//! What only the whole of the inputs shows, for an analysis of a part of them: a screening reads all
//! records, and the rows of the worst of them alone are analysed in full.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{Text, Time};

/// Fields that a ledger system fills at least once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fills {
    /// Task, ticket or run reference.
    pub task: bool,
    /// Reason.
    pub reason: bool,
    /// Scope.
    pub scope: bool,
    /// Who asked.
    pub requester: bool,
    /// Extensions.
    pub extensions: bool,
    /// Approvals of at least one grant are among the inputs.
    pub approvals: bool,
}

/// What only the whole of the inputs shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Grants are among the inputs.
    pub grants: bool,
    /// Ledger systems.
    pub systems: BTreeMap<Text, Fills>,
    /// Approvals are among the inputs.
    pub approvals: bool,
    /// Platforms that each source of use names; `None` for rows that name none.
    pub grains: BTreeMap<Text, BTreeSet<Option<Text>>>,
    /// Earliest start of a grant.
    pub first_start: Option<Time>,
    /// Tasks that ended before they began, by source.
    pub inverted_tasks: BTreeMap<Text, i64>,
}
