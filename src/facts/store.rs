//! The two stores: base facts from ingest, derived facts from analysis, and their data frames.

use std::collections::BTreeMap;

use polars::prelude::{DataFrame, PolarsResult};
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

            /// What builds the data frame of each table, in order: for those who need one after
            /// the other and not all at once.
            #[must_use]
            pub fn builders(&self) -> Vec<(&'static str, FrameBuilder<'_>)> {
                vec![ $( (
                    <$row as Row>::TABLE.name,
                    Box::new(|| <$row as Row>::frame(&self.$field)) as FrameBuilder<'_>,
                ), )* ]
            }

            /// Data frames by table name.
            ///
            /// # Errors
            /// When Polars cannot build a frame.
            pub fn frames(&self) -> PolarsResult<Frames> {
                let all = self.builders().into_par_iter();
                all.map(|(name, build)| Ok((name, build()?))).collect()
            }
        }
    };
}

/// Builds one data frame.
pub type FrameBuilder<'a> = Box<dyn Fn() -> PolarsResult<DataFrame> + Send + Sync + 'a>;

/// Data frames by table name.
pub type Frames = BTreeMap<&'static str, DataFrame>;

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
