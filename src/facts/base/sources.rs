//! Sources, quarantine, and what the organisation says about its resources and identities.

use crate::facts::cell::Text;
use crate::facts::schema::table;
use crate::facts::time::Time;
use crate::facts::vocab::*;

table! {
    base "sources"
    /// One ingested file: what it is, what it covers, what was accepted and what was not. Without it, "absent" means nothing.
    pub struct Source {
        /// Id of the source inside this run (`S0001`, in the order of sorted paths).
        pub source_id: Text,
        /// Path as given, relative to the input it was found under, with `/` separators.
        pub file: Text,
        /// Adapter that read it (`aws-authorization-details`, `ledger-generic`, ...).
        pub format: Text,
        /// Evidence layer the file feeds.
        pub layer: Layer,
        /// Account, tenant, cluster or organisation covered; null when the format does not say.
        pub realm: Option<Text>,
        /// SHA-256 of the file as stored on disk (compressed form included), lower-case hex.
        pub sha256: Text,
        /// Size on disk, bytes.
        pub bytes: i64,
        /// Records the adapter saw.
        pub records: i64,
        /// Records accepted into facts, in whole or but for a part that is in quarantine.
        pub accepted: i64,
        /// Rows in quarantine: records that could not be read, and parts of records whose rest was accepted.
        pub quarantined: i64,
        /// First record time; null when the format carries none.
        pub first_time: Option<Time>,
        /// Last record time; null when the format carries none.
        pub last_time: Option<Time>,
        /// Start of the window the source covers, from the file or the settings; null when unknown.
        pub window_start: Option<Time>,
        /// End of the window the source covers; for a snapshot the instant of collection.
        pub window_end: Option<Time>,
        /// Instant of export or snapshot; null when unknown.
        pub collected_at: Option<Time>,
        /// Whether the export is whole.
        pub completeness: Completeness,
        /// What limits it (a query, a missing page, a version), or null.
        pub limitation: Option<Text>,
        /// Records with an id seen before and different content.
        pub conflicting_duplicates: i64,
        /// Times without zone that were read as UTC.
        pub ambiguous_times: i64,
    }

    base "quarantine"
    /// One record that could not be read; it is counted, shown, and never silently lost.
    pub struct Quarantined {
        /// Source the record is in.
        pub source_id: Text,
        /// Place in the source: `L<line>`, `R<row>` or a JSON pointer.
        pub source_ref: Text,
        /// Why it could not be read; never contains the record's values beyond the offending one.
        pub reason: Text,
    }

    base "resources"
    /// A resource with its environment and sensitivity.
    pub struct Resource {
        /// Resource or scope id.
        pub resource_id: Text,
        /// Environment.
        pub environment: Option<Text>,
        /// Sensitivity label.
        pub sensitivity: Option<Text>,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }

    base "owners"
    /// Who answers for an identity.
    pub struct Owner {
        /// Identity as written.
        pub principal: Text,
        /// Identity, resolved.
        pub principal_id: Option<Text>,
        /// Owner (person or team) as written; null = the record says there is none.
        pub owner: Option<Text>,
        /// Team.
        pub team: Option<Text>,
        /// Whether the owner is active; null when not recorded.
        pub active: Option<bool>,
        /// Start of ownership.
        pub valid_from: Option<Time>,
        /// End of ownership.
        pub valid_to: Option<Time>,
        /// Where it comes from.
        pub owner_source: OwnerSource,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }

    base "reviews"
    /// A recorded access review decision.
    pub struct Review {
        /// Identity as written.
        pub principal: Text,
        /// Identity, resolved.
        pub principal_id: Option<Text>,
        /// Privilege reviewed.
        pub privilege: Text,
        /// Scope reviewed.
        pub scope: Option<Text>,
        /// Decision (`keep`, `narrow`, `move_to_jit`, `remove`).
        pub decision: Text,
        /// Reviewer.
        pub reviewer: Option<Text>,
        /// Time.
        pub at: Option<Time>,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }
}
