//! Metrics over the whole of the inputs.

use crate::facts::cell::Text;
use crate::facts::schema::table;

table! {
    derived "metrics"
    /// One row per metric over the whole of the inputs (grants model, section 5), each as a pair of bounds, not assessed or not applicable. Metrics of single grants are columns of `grant_facts`, those of a principal and privilege of `access_spans`.
    pub struct Metric {
        /// Id: `idle_hours`, `unobserved_hours`, `duty_cycle`, `duty_cycle_credentials`, `privilege_hours`, `standing_privilege_hours`, `standing_principals`, `zsp_score`, `zsp_task_score`, `jit_coverage_issue`, `jit_coverage_use`, `jit_coverage_task`, `blast_radius`, `blast_radius_largest`, `exposure`, `renewal_factor`, `extension_ratio`, `right_size`, `unused_grants`.
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
        /// Items that it is over: grants, spans, uses, principals, credentials.
        pub items: i64,
    }
}
