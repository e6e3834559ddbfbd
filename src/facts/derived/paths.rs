//! Ways from what a principal holds to more.

use crate::facts::cell::Text;
use crate::facts::schema::table;
use crate::facts::time::Time;
use crate::facts::vocab::*;

table! {
    derived "escalations"
    /// The shortest path from a principal to each kind of gain (administration; else the strongest principal in reach).
    pub struct Escalation {
        /// Principal at the start.
        pub principal_id: Text,
        /// Kind of the principal.
        pub principal_kind: PrincipalKind,
        /// Platform.
        pub platform: Text,
        /// Account, tenant or cluster of the start.
        pub realm: Option<Text>,
        /// Environment of the start; null when not declared.
        pub environment: Option<Text>,
        /// Tier the principal holds without the path; null when unknown.
        pub tier: Option<Tier>,
        /// Principal or resource at the end (the principal itself where it raises itself).
        pub target_id: Text,
        /// Tier at the end; null when unknown.
        pub target_tier: Option<Tier>,
        /// `self_grant` (raises itself), `principal` (takes over another), `potential` (needs an existing resource that the inputs do not show).
        pub gain: Text,
        /// Ends in full or equivalent administration.
        pub to_admin: bool,
        /// Holds for certain, or only under conditions.
        pub verdict: Tri,
        /// Number of hops.
        pub n_hops: i64,
        /// The hops in order, one readable sentence each: who does what on what, by which policy.
        pub steps: Vec<Text>,
        /// Identifiers of the known techniques, one per hop (`iam-005`).
        pub techniques: Vec<Text>,
        /// Principals passed through, in order, from start to end.
        pub through: Vec<Text>,
        /// Undecided conditions on the way.
        pub conditions: Vec<Text>,
        /// Earliest end of validity of the permissions on the way; null when they have none (standing).
        pub not_after: Option<Time>,
        /// The principal is provider-owned.
        pub provider_owned: bool,
        /// Emergency identity.
        pub break_glass: bool,
        /// Owner.
        pub owner: Option<Text>,
        /// Evidence records.
        pub refs: Vec<Text>,
    }
}
