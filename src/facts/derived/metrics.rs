//! Metrics over the whole of the inputs.

use crate::facts::cell::Text;
use crate::facts::schema::table;
use crate::facts::vocab::*;

table! {
    derived "metrics"
    /// One row per metric over the whole of the inputs (grants model, section 5), each as a pair of bounds, not assessed or not applicable. Metrics of single grants are columns of `grant_facts`, those of a principal and privilege of `access_spans`.
    pub struct Metric {
        /// Id: `idle_hours`, `unobserved_hours`, `duty_cycle`, `duty_cycle_credentials`, `privilege_hours`, `standing_privilege_hours`, `standing_principals`, `zsp_score`, `zsp_task_score`, `jit_coverage_issue`, `jit_coverage_use`, `jit_coverage_task`, `ticket_coverage`, `blast_radius`, `blast_radius_largest`, `exposure`, `renewal_factor`, `extension_ratio`, `right_size`, `unused_grants`.
        pub metric: Text,
        /// What it says, in a few words.
        pub title: Text,
        /// Unit: `h` hours, `share` of 1, `ratio`, `count`, `radius` (weight of scope times weight of privilege), `radius_h` (the same over hours).
        pub unit: Text,
        /// Lower bound; null when not assessed or not applicable.
        pub lo: Option<f64>,
        /// Upper bound; null when none is known: the lower bound is then "at least".
        pub hi: Option<f64>,
        /// `assessed`, `not_assessed`, `not_applicable`.
        pub outcome: Text,
        /// Why it is not assessed or not applicable.
        pub reason: Option<Text>,
        /// Items that it is over: grants, spans, uses, principals, credentials, bindings.
        pub items: i64,
    }

    derived "principal_metrics"
    /// Metrics of single principals (grants model, section 5, metrics 1, 3, 6, 8 and 11), of the hundred with the most standing privilege, then with the most time after their tasks, without use, and the widest reach; identities that the provider owns are left out. Hours are pairs: proved, and possible where the name ends in `_hi`. Null: the layer that tells is not among the inputs, or nothing could be measured.
    pub struct PrincipalMetric {
        /// Principal.
        pub principal_id: Text,
        /// Kind.
        pub principal_kind: PrincipalKind,
        /// Name, where the id does not tell it.
        pub principal_name: Option<Text>,
        /// Owner.
        pub owner: Option<Text>,
        /// Hours of privilege (tier T0 to T2) held in IAM; hours of several privileges at one time add up.
        pub privilege_hours: Option<f64>,
        /// The same, possible.
        pub privilege_hours_hi: Option<f64>,
        /// Of these, hours without a grant in force.
        pub standing_hours: Option<f64>,
        /// The same, possible.
        pub standing_hours_hi: Option<f64>,
        /// Of the hours held, those without a grant whose task ran.
        pub off_task_hours: Option<f64>,
        /// The same, possible.
        pub off_task_hours_hi: Option<f64>,
        /// Hours of access after the end of the task, summed over its grants.
        pub overstay_hours: Option<f64>,
        /// The same, possible.
        pub overstay_hours_hi: Option<f64>,
        /// Granted hours without use, as far as a log of use covers them.
        pub idle_hours: Option<f64>,
        /// The same, possible.
        pub idle_hours_hi: Option<f64>,
        /// Sum over its widest scopes of the weights of scope and privilege, without assumed roles: at least.
        pub blast_radius: Option<f64>,
        /// Weights of scope and privilege times hours held: at least.
        pub exposure: Option<f64>,
        /// Grants that gave it access.
        pub n_grants: i64,
        /// Of these, ended without a use; null when no log of use covers any.
        pub n_unused: Option<i64>,
    }
}
