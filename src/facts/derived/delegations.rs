//! Acting on behalf of another identity, hop by hop.

use crate::facts::cell::Text;
use crate::facts::schema::table;
use crate::facts::time::Time;
use crate::facts::vocab::*;

table! {
    derived "delegation_facts"
    /// One row per hop of acting on behalf of another identity, set against what the parent holds and how long it does.
    pub struct DelegationFact {
        /// What tells the hop from others: parent, child, and the grant or the chain.
        pub delegation_id: Text,
        /// Identity that acts (the child).
        pub principal_id: Text,
        /// Kind of the child.
        pub principal_kind: PrincipalKind,
        /// Identity on whose behalf it acts (the parent).
        pub parent_id: Text,
        /// Kind of the parent.
        pub parent_kind: PrincipalKind,
        /// Platform; null when neither the record nor the grant says it.
        pub platform: Option<Text>,
        /// Environment of the scope or the child; null when not declared.
        pub environment: Option<Text>,
        /// Privilege the child receives by the hop; null when the record names none.
        pub privilege: Option<Text>,
        /// Scope the child receives; null when the record names none.
        pub scope: Option<Text>,
        /// Tier of the privilege; null when unknown.
        pub tier: Option<Tier>,
        /// Number of the hop in its chain, from 1 at the origin.
        pub hop: i64,
        /// Identities of the chain from its origin to the child.
        pub chain: Vec<Text>,
        /// First identity of the chain: the one the record names, else the first that any hop shows.
        pub root_id: Text,
        /// Kind of the first identity.
        pub root_kind: PrincipalKind,
        /// The hop crosses a privilege boundary: it hands out a privilege, or the child used one meanwhile. Null: the record names none and use is not observable.
        pub boundary: Option<bool>,
        /// A decision of its own was made for the hop (a grant, a token exchange with a check). Null: the sources cannot tell.
        pub decided: Option<bool>,
        /// Why `decided` or `boundary` is null.
        pub decided_unknown: Option<Text>,
        /// What the child receives is contained in what the parent holds: privilege and scope. Null: not comparable.
        pub contained: Option<bool>,
        /// Why `contained` is null.
        pub contained_unknown: Option<Text>,
        /// What the parent held at the time, as `privilege on scope`, at most twelve.
        pub parent_holds: Vec<Text>,
        /// Start of the hop.
        pub started_at: Option<Time>,
        /// End of the hop; null when open or unknown.
        pub until: Option<Time>,
        /// End of what the parent had: its own run, hop, grant or account; null when it has no end or none is known.
        pub parent_until: Option<Time>,
        /// End of the child minus end of the parent, seconds, up to the as-of time; positive = the child outlived it, 0 when the parent's right has no end. Null = not assessed.
        pub outlives_s: Option<i64>,
        /// Why `outlives_s` is null.
        pub outlives_unknown: Option<Text>,
        /// The origin of the chain is known at this hop: a person, or an identity that the record names. False: the chain has lost or contradicts it. Null: the sources do not record origins.
        pub origin_known: Option<bool>,
        /// Why `origin_known` is null.
        pub origin_unknown: Option<Text>,
        /// How the hop is evidenced.
        pub evidence: Text,
        /// Grant the hop runs under.
        pub grant_id: Option<Text>,
        /// Owner of the child.
        pub owner: Option<Text>,
        /// Evidence records.
        pub refs: Vec<Text>,
    }
}
