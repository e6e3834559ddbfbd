//! Which policies are in force on whom.

use crate::facts::cell::Text;
use crate::facts::schema::table;

table! {
    derived "policies_in_force"
    /// One policy in force on a principal, by what it does there: what effective rights are computed from, and what two runs are compared by.
    pub struct PolicyInForce {
        /// Principal.
        pub principal_id: Text,
        /// `identity` (grants), `boundary` or `guardrail:<node>` (limits; `guardrail:?<node>` where the inputs do not say whether the node lies above the account).
        pub layer: Text,
        /// Policy: key into `roles`.
        pub role_id: Text,
        /// SHA-256 of its document; null when the inputs lack it.
        pub digest: Option<Text>,
    }
}
