//! The two stores: base facts from ingest, derived facts from analysis, and their data frames.

use std::collections::BTreeMap;
use std::ops::Range;

use polars::prelude::{DataFrame, IdxCa, IdxSize, PolarsResult};
use rayon::prelude::*;

use super::base::*;
use super::derived::*;
use super::schema::{Row, TableDef};

macro_rules! store {
    ($(#[$meta:meta])* $name:ident { $($field:ident : $row:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default)]
        pub struct $name {
            $( #[doc = concat!("Rows of `", stringify!($field), "`.")] pub $field: Vec<$row>, )*
        }

        impl $name {
            /// Definitions of all tables in this store, in order.
            #[must_use]
            pub fn tables() -> Vec<TableDef> {
                vec![ $( <$row as Row>::TABLE, )* ]
            }

            /// Adds the rows of another store behind these, table by table.
            pub fn append(&mut self, mut other: Self) {
                $( self.$field.append(&mut other.$field); )*
            }

            /// The rows of each table, in order, for those who make frames of them piece by piece.
            #[must_use]
            pub fn rows(&self) -> Vec<(&'static str, &dyn Rows)> {
                vec![ $( (<$row as Row>::TABLE.name, &self.$field as &dyn Rows), )* ]
            }

            /// Data frames by table name.
            ///
            /// # Errors
            /// When Polars cannot build a frame.
            pub fn frames(&self) -> PolarsResult<Frames> {
                let all = self.rows().into_par_iter();
                all.map(|(name, rows)| Ok((name, rows.whole()?))).collect()
            }
        }
    };
}

/// Data frames by table name.
pub type Frames = BTreeMap<&'static str, DataFrame>;

/// Rows by table name.
pub type Tables<'a> = BTreeMap<&'static str, &'a dyn Rows>;

/// Frames as tables of rows.
#[must_use]
pub fn tables_of(frames: &Frames) -> Tables<'_> {
    frames.iter().map(|(name, frame)| (*name, frame as &dyn Rows)).collect()
}

/// Rows of one table, of which frames are made as they are needed: a frame of all rows and columns costs
/// as much memory as the rows themselves.
pub trait Rows: std::fmt::Debug + Send + Sync {
    /// Number of rows.
    fn height(&self) -> usize;
    /// Frame of the rows of a range, with the columns that `wanted` names. Rows beyond the end are left
    /// out.
    ///
    /// # Errors
    /// When Polars cannot build the frame.
    fn piece(&self, range: Range<usize>, wanted: &dyn Fn(&str) -> bool) -> PolarsResult<DataFrame>;
    /// Frame of single rows with all columns, in the order given.
    ///
    /// # Errors
    /// When Polars cannot build the frame, or a frame has no such row.
    fn pick(&self, rows: &[usize]) -> PolarsResult<DataFrame>;
    /// Frame of all rows and columns.
    ///
    /// # Errors
    /// When Polars cannot build the frame.
    fn whole(&self) -> PolarsResult<DataFrame> {
        self.piece(0..self.height(), &|_| true)
    }
}

impl<R: Row + std::fmt::Debug + Send + Sync> Rows for Vec<R> {
    fn height(&self) -> usize {
        self.len()
    }

    fn piece(&self, range: Range<usize>, wanted: &dyn Fn(&str) -> bool) -> PolarsResult<DataFrame> {
        let rows: Vec<&R> = self.iter().take(range.end).skip(range.start).collect();
        R::part(&rows, wanted)
    }

    fn pick(&self, rows: &[usize]) -> PolarsResult<DataFrame> {
        let rows: Vec<&R> = rows.iter().filter_map(|i| self.get(*i)).collect();
        R::part(&rows, &|_| true)
    }
}

impl Rows for DataFrame {
    fn height(&self) -> usize {
        Self::height(self)
    }

    fn piece(&self, range: Range<usize>, wanted: &dyn Fn(&str) -> bool) -> PolarsResult<DataFrame> {
        let names = self.get_column_names().into_iter().filter(|n| wanted(n)).cloned();
        let offset = i64::try_from(range.start).unwrap_or(i64::MAX);
        self.select(names).map(|part| part.slice(offset, range.len()))
    }

    fn pick(&self, rows: &[usize]) -> PolarsResult<DataFrame> {
        let rows = rows.iter().filter_map(|i| IdxSize::try_from(*i).ok()).collect();
        self.take(&IdxCa::from_vec("rows".into(), rows))
    }
}

store! {
    /// Base facts.
    Facts {
        sources: Source,
        quarantine: Quarantined,
        principals: Principal,
        aliases: Alias,
        memberships: Membership,
        entitlements: Entitlement,
        roles: Role,
        grants: Grant,
        grant_events: GrantEvent,
        approvals: Approval,
        tasks: Task,
        task_links: TaskLink,
        usage: Usage,
        credentials: Credential,
        delegations: Delegation,
        links: Link,
        workloads: Workload,
        trusts: Trust,
        realms: Realm,
        guardrails: Guardrail,
        resource_policies: ResourcePolicy,
        provider_findings: ProviderFinding,
        resources: Resource,
        owners: Owner,
        reviews: Review,
    }
}

store! {
    /// Derived facts.
    Derived {
        grant_facts: GrantFact,
        chains: Chain,
        access_spans: AccessSpan,
        segments: Segment,
        holdings: Holding,
        identity_facts: IdentityFact,
        credential_facts: CredentialFact,
        usage_facts: UsageFact,
        trust_facts: TrustFact,
        escalations: Escalation,
        policies_in_force: PolicyInForce,
        exposures: ExposureFact,
        policy_facts: PolicyFact,
        use_profiles: UseProfile,
        delegation_facts: DelegationFact,
        approver_facts: ApproverFact,
        emergency_facts: EmergencyFact,
        machine_uses: MachineUse,
        metrics: Metric,
        principal_metrics: PrincipalMetric,
        coverage: Coverage,
        waiver_facts: WaiverFact,
    }
}

/// All table definitions, base tables first.
#[must_use]
pub fn all_tables() -> Vec<TableDef> {
    let mut all = Facts::tables();
    all.extend(Derived::tables());
    all
}

/// Finds a table by name.
#[must_use]
pub fn table(name: &str) -> Option<TableDef> {
    all_tables().into_iter().find(|t| t.name == name)
}

/// Joins provenance columns to the form that `refs` columns hold.
#[must_use]
pub fn evidence_ref(source_id: &str, source_ref: &str) -> super::Text {
    super::text(format!("{source_id}#{source_ref}"))
}
