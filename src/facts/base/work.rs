//! Work and use: tasks, their links to grants, usage.

use crate::facts::cell::Text;
use crate::facts::schema::table;
use crate::facts::time::Time;
use crate::facts::vocab::*;

table! {
    base "tasks"
    /// A unit of work: CI run, ticket, change, agent run.
    pub struct Task {
        /// Task id as other records refer to it.
        pub task_id: Text,
        /// Parent task (a job's run).
        pub parent_id: Option<Text>,
        /// System the task lives in.
        pub system: Text,
        /// Kind.
        pub kind: TaskKind,
        /// Time it was queued; waiting is not running.
        pub queued_at: Option<Time>,
        /// Start, earliest.
        pub started_at_lo: Option<Time>,
        /// Start, latest.
        pub started_at_hi: Option<Time>,
        /// End, earliest; null while running or unknown (see `state`).
        pub ended_at_lo: Option<Time>,
        /// End, latest.
        pub ended_at_hi: Option<Time>,
        /// State.
        pub state: TaskState,
        /// Identity the task runs as, as written.
        pub principal: Option<Text>,
        /// Identity the task runs as, resolved.
        pub principal_id: Option<Text>,
        /// Who or what triggered it, as written.
        pub triggered_by: Option<Text>,
        /// Privileges the task declares it needs; null when it declares none.
        pub declared_needs: Option<Vec<Text>>,
        /// Target environment.
        pub target: Option<Text>,
        /// Other ids that refer to the same task.
        pub other_ids: Vec<Text>,
        /// Title or name.
        pub title: Option<Text>,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }

    base "task_links"
    /// Link of a grant to a task, with how it was found.
    pub struct TaskLink {
        /// Grant.
        pub grant_id: Text,
        /// Ledger system of the grant (grant ids are unique per system only).
        pub system: Text,
        /// Task.
        pub task_id: Text,
        /// How it was found.
        pub link_kind: LinkKind,
        /// How sure it is.
        pub confidence: Confidence,
        /// The text that links.
        pub evidence: Text,
    }

    base "usage"
    /// Use of a privilege: one event, or an aggregate with a count. `count` 0 says that the source looked and saw no use.
    pub struct Usage {
        /// Principal as written.
        pub principal: Text,
        /// Principal, resolved.
        pub principal_id: Option<Text>,
        /// Person behind it, as written.
        pub on_behalf_of: Option<Text>,
        /// Credential used (truncated id).
        pub credential_id: Option<Text>,
        /// Grant the log names.
        pub grant_id: Option<Text>,
        /// Task the log names.
        pub task_id: Option<Text>,
        /// Platform.
        pub platform: Option<Text>,
        /// Role or privilege the log names.
        pub privilege: Option<Text>,
        /// Scope the log names.
        pub scope: Option<Text>,
        /// Action (`s3:GetObject`); `s3:*` at service granularity; null at identity granularity.
        pub action: Option<Text>,
        /// Resource.
        pub resource: Option<Text>,
        /// First use; null when never.
        pub first_at: Option<Time>,
        /// Last use; null when never.
        pub last_at: Option<Time>,
        /// Number of uses; null when the source gives only times; 0 = looked and none seen.
        pub count: Option<i64>,
        /// Uses that failed.
        pub errors: Option<i64>,
        /// Outcome; denied use never counts as use.
        pub outcome: Outcome,
        /// Granularity.
        pub grain: UsageGrain,
        /// Source address.
        pub source_ip: Option<Text>,
        /// User agent.
        pub user_agent: Option<Text>,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }
}
