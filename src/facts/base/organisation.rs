//! What stands above and beside identities: the tree of accounts, the policies that limit it, the
//! policies of resources, and what a provider's own analyser found.

use crate::facts::cell::Text;
use crate::facts::schema::table;
use crate::facts::time::Time;
use crate::facts::vocab::*;

table! {
    base "realms"
    /// One node of an organisation's tree: organisation, root, unit or folder, account or project.
    pub struct Realm {
        /// Platform (`aws`, `gcp`, `azure`).
        pub platform: Text,
        /// Identifier as the platform writes it (`o-exampleorgid`, `r-a1b2`, `ou-a1b2-c3d4e5f6`, `123456789012`).
        pub realm_id: Text,
        /// Kind.
        pub kind: RealmKind,
        /// Parent in the tree; null at the top or when the inputs do not say.
        pub parent_id: Option<Text>,
        /// Organisation it belongs to; null when the inputs do not say.
        pub organisation: Option<Text>,
        /// Display name.
        pub name: Option<Text>,
        /// The account that manages the organisation, which its policies do not limit; null when unknown.
        pub management: Option<bool>,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }

    base "guardrails"
    /// One attachment of an organisation policy (service or resource control policy) to a node of the tree.
    pub struct Guardrail {
        /// Platform.
        pub platform: Text,
        /// Kind of policy.
        pub kind: GuardrailKind,
        /// Node of `realms` it is attached to; null for a policy whose attachments the inputs do not give (it then limits nothing and is reported).
        pub target_id: Option<Text>,
        /// Level counted from the root, for a file that gives levels instead of targets: such a guardrail limits every account of the inputs but the management account. Null when `target_id` is given.
        pub level: Option<i64>,
        /// Policy: key into `roles`.
        pub role_id: Text,
        /// Name of the policy.
        pub name: Text,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }

    base "resource_policies"
    /// The policy of one resource (bucket, key, queue, topic, function, secret). Trust policies of roles are in `trusts`.
    pub struct ResourcePolicy {
        /// Platform.
        pub platform: Text,
        /// Resource (full ARN).
        pub resource_id: Text,
        /// Service of the resource (`s3`, `kms`).
        pub service: Text,
        /// Account that owns the resource; null when neither the ARN nor the file says.
        pub realm: Option<Text>,
        /// Policy document as compact JSON text; null when the record says that the resource has none.
        pub document: Option<Text>,
        /// What is wrong with the document, or null.
        pub malformed: Option<Text>,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }

    base "provider_findings"
    /// What a provider's own analyser (AWS IAM Access Analyzer, ...) found. It is evidence beside our own judgement, never instead of it.
    pub struct ProviderFinding {
        /// Platform.
        pub platform: Text,
        /// Identifier.
        pub finding_id: Text,
        /// Kind as the provider words it (`ExternalAccess`, `UnusedPermission`, `UnusedIAMRole`, ...).
        pub kind: Text,
        /// Status as the provider words it, upper case (`ACTIVE`, `ARCHIVED`, `RESOLVED`).
        pub status: Text,
        /// Resource.
        pub resource_id: Text,
        /// Type of the resource (`AWS::IAM::Role`).
        pub resource_type: Option<Text>,
        /// Account that owns the resource.
        pub realm: Option<Text>,
        /// Party that has access, for findings about external access; `*` = anybody.
        pub party: Option<Text>,
        /// Anybody may have access; null when the provider does not say.
        pub public: Option<bool>,
        /// Actions the finding names.
        pub actions: Vec<Text>,
        /// Condition as compact JSON; null when none.
        pub condition: Option<Text>,
        /// Last use that the finding states.
        pub last_used_at: Option<Time>,
        /// Time of the analysis.
        pub analyzed_at: Option<Time>,
        /// First seen by the provider.
        pub created_at: Option<Time>,
        /// Last change.
        pub updated_at: Option<Time>,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }
}
