//! Closed vocabularies of the fact tables. Stored as text, so every reader of the Parquet files
//! sees words; typed here, so no code compares vendor strings.

use super::cell::Word;

macro_rules! vocab {
    ($( #[doc = $doc:literal] pub enum $name:ident { $( $(#[$m:meta])* $variant:ident = $word:literal, )* } )*) => { $(
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $( $(#[$m])* #[doc = concat!("`", $word, "`")] $variant, )* }

        impl Word for $name {
            const ALL: &'static [&'static str] = &[ $( $word, )* ];
            fn word(self) -> &'static str { match self { $( Self::$variant => $word, )* } }
        }

        impl $name {
            /// The stored word.
            #[must_use]
            pub fn as_str(self) -> &'static str { self.word() }
            /// Reads the stored word back; `None` for any other text.
            #[must_use]
            pub fn from_word(s: &str) -> Option<Self> {
                match s { $( $word => Some(Self::$variant), )* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }
    )* };
}

vocab! {
    /// Evidence layer that a source feeds. `context` is no evidence of its own: environments, sensitivity.
    pub enum Layer { #[default] Ledger = "ledger", Task = "task", State = "state", Usage = "usage", Credential = "credential", Owner = "owner", Review = "review", Context = "context", }
    /// Whether a source is whole (pagination ended, no row limit hit).
    pub enum Completeness { Complete = "complete", Truncated = "truncated", #[default] Unknown = "unknown", }
    /// Kind of a principal.
    pub enum PrincipalKind { Human = "human", ServiceAccount = "service_account", Role = "role", Workload = "workload", Agent = "agent", Bot = "bot", App = "app", Group = "group", System = "system", #[default] Unknown = "unknown", }
    /// How sure a link or an alias is. Weak never clears a finding and yields at most a possible one.
    pub enum Confidence { Exact = "exact", Strong = "strong", #[default] Weak = "weak", }
    /// What an entitlement is. `eligible` is not held privilege; `assumable` is a trust edge; `ceiling` is a permission boundary or service control policy.
    pub enum BindingKind { #[default] Active = "active", Eligible = "eligible", Assumable = "assumable", Ceiling = "ceiling", }
    /// What a broker hands out: a binding in IAM, a credential, or a proxied session.
    pub enum BrokerKind { #[default] Binding = "binding", Credential = "credential", Session = "session", }
    /// Outcome of a request for access.
    pub enum Decision { Approved = "approved", Denied = "denied", AutoApproved = "auto_approved", Withdrawn = "withdrawn", Lapsed = "lapsed", Pending = "pending", Failed = "failed", #[default] Unknown = "unknown", }
    /// How a grant ended.
    pub enum EndKind { Expired = "expired", RevokedByUser = "revoked_by_user", RevokedByOwner = "revoked_by_owner", RevokedByAdmin = "revoked_by_admin", RevokedBySystem = "revoked_by_system", Withdrawn = "withdrawn", Superseded = "superseded", LedgerDeleted = "ledger_deleted", Failed = "failed", FailedToRevoke = "failed_to_revoke", Open = "open", #[default] Unknown = "unknown", }
    /// Canonical grant event kinds; the order of declaration is the tie-break order at equal times.
    pub enum EventKind { #[default] Requested = "requested", RequestUpdated = "request_updated", Reviewed = "reviewed", Approved = "approved", AutoApproved = "auto_approved", Denied = "denied", Withdrawn = "withdrawn", Lapsed = "lapsed", Scheduled = "scheduled", ActivationFailed = "activation_failed", Activated = "activated", CredentialIssued = "credential_issued", Renewed = "renewed", Extended = "extended", Used = "used", ExternallyModified = "externally_modified", RevokeRequested = "revoke_requested", RevokeFailed = "revoke_failed", Revoked = "revoked", Expired = "expired", UnboundObserved = "unbound_observed", LedgerDeleted = "ledger_deleted", Reopened = "reopened", }
    /// Outcome of an event or of a use.
    pub enum Outcome { #[default] Allowed = "allowed", Denied = "denied", Error = "error", }
    /// What an approver said. Only `approve` and `deny` are decisions; `lapsed` is a request nobody answered.
    pub enum Verdict { Approve = "approve", Deny = "deny", Lapsed = "lapsed", #[default] Unknown = "unknown", }
    /// How a decision was made.
    pub enum ApprovalMethod { Human = "human", Policy = "policy", BreakGlass = "break_glass", #[default] Unknown = "unknown", }
    /// Kind of a task.
    pub enum TaskKind { CiRun = "ci_run", CiJob = "ci_job", Workflow = "workflow", K8sJob = "k8s_job", Ticket = "ticket", ChangeWindow = "change_window", AgentRun = "agent_run", ToolCall = "tool_call", Session = "session", #[default] Other = "other", }
    /// State of a task.
    pub enum TaskState { Queued = "queued", Waiting = "waiting", Running = "running", Succeeded = "succeeded", Failed = "failed", Canceled = "canceled", Skipped = "skipped", #[default] Unknown = "unknown", }
    /// How a grant was linked to a task. `time_overlap` alone is weak and never clears a finding.
    pub enum LinkKind { NativeId = "native_id", SessionTag = "session_tag", OidcClaim = "oidc_claim", TicketField = "ticket_field", TicketText = "ticket_text", Annotation = "annotation", TraceId = "trace_id", SessionName = "session_name", #[default] TimeOverlap = "time_overlap", }
    /// Granularity of a usage row. Below `event` the row is an aggregate with a count.
    pub enum UsageGrain { #[default] Event = "event", Action = "action", Service = "service", Credential = "credential", Identity = "identity", }
    /// Kind of a credential.
    pub enum CredentialKind { Sts = "sts", Cert = "cert", Lease = "lease", Token = "token", #[default] Key = "key", Password = "password", Pat = "pat", DeployKey = "deploy_key", AppInstall = "app_install", Svid = "svid", Cookie = "cookie", }
    /// Where an ownership statement comes from.
    pub enum OwnerSource { Tag = "tag", Annotation = "annotation", Codeowners = "codeowners", Cmdb = "cmdb", #[default] Manual = "manual", }
    /// Kind of a role record.
    pub enum RoleKind { #[default] ManagedPolicy = "managed_policy", InlinePolicy = "inline_policy", PermissionSet = "permission_set", Role = "role", DeclaredRole = "declared_role", ServiceControlPolicy = "service_control_policy", ResourceControlPolicy = "resource_control_policy", }
    /// Kind of a node in an organisation's tree. `unit` is also a folder or management group, `account` also a project or subscription, `group` a namespace, resource group or schema.
    pub enum RealmKind { Organisation = "organisation", Root = "root", Unit = "unit", #[default] Account = "account", Cluster = "cluster", Group = "group", Resource = "resource", }
    /// Kind of an organisation policy. An `scp` limits what principals of an account may do, an `rcp` what may be done to its resources; `deny` is a deny policy or deny assignment, `activation` what an eligible assignment, or a run of a protected branch or environment, asks for first.
    pub enum GuardrailKind { #[default] Scp = "scp", Rcp = "rcp", Deny = "deny", Activation = "activation", }
    /// Privilege tier (specification: compliance, section 5). T0 controls identity, policy, broker or logs of a whole tenant; T4 is harmless reading.
    pub enum Tier { T0 = "T0", T1 = "T1", T2 = "T2", T3 = "T3", #[default] T4 = "T4", }
    /// Standing state of a holding (specification: cloud semantics, section 6).
    pub enum Standing { #[default] Standing = "standing", TimeBound = "time_bound", Recurring = "recurring", Activated = "activated", Eligible = "eligible", Residue = "residue", }
    /// Three-valued answer about a principal: yes, no, or only under conditions that the inputs do not decide.
    pub enum Tri { Yes = "yes", #[default] No = "no", Conditional = "conditional", }
    /// Certainty of a segment or a finding: certain if it holds for every completion of the unknowns, possible if for some.
    pub enum Certainty { #[default] Certain = "certain", Possible = "possible", }
}
