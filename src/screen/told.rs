//! Records in words, between a file and the rows of fixed width, and what is asked of their texts.

use std::borrow::Cow;

use super::cell::{NO_CODE, Odd};
use super::id::{Id, Key};
use super::rows::{NEVER, bit, verdict};
use crate::facts::{
    Approval, ApprovalMethod, BrokerKind, Decision, EndKind, Grant, PrincipalKind, TaskState,
    Verdict,
};
use crate::ingest::ledger;

/// Places of the names of a record in the dictionaries of their columns; [`NO_CODE`] for those in none.
#[derive(Clone, Copy, Debug)]
pub struct Codes {
    /// Principal.
    pub who: u32,
    /// Broker, system and platform together.
    pub home: Option<u64>,
    /// Platform.
    pub platform: u32,
    /// Privilege.
    pub privilege: u32,
    /// Scope.
    pub scope: u32,
}

impl Codes {
    /// All of them in none.
    pub const NONE: Self =
        Self { who: NO_CODE, home: None, platform: NO_CODE, privilege: NO_CODE, scope: NO_CODE };
}

/// What only a grant tells that its adapter has read.
#[derive(Clone, Copy, Debug)]
pub struct More {
    /// Somebody asked.
    pub requester: bool,
    /// It was extended.
    pub extended: bool,
    /// It has a ticket.
    pub ticket: bool,
    /// What the ledger itself says: [`bit::APPROVED_WORD`] or [`bit::AUTO_WORD`], [`bit::ACTIVE_WORD`] or
    /// [`bit::EXPIRED_WORD`].
    pub said: u32,
    /// When it was approved, by the ledger's own word.
    pub decided: i64,
}

impl Default for More {
    fn default() -> Self {
        Self { requester: false, extended: false, ticket: false, said: 0, decided: NEVER }
    }
}

/// What no grant of a screened ledger may tell, since it concerns more than the grant.
#[must_use]
pub fn beyond(g: &Grant) -> Option<&'static str> {
    if g.on_behalf_of.is_some() {
        return Some("a grant on behalf of somebody");
    }
    if g.break_glass == Some(true) {
        return Some("emergency access");
    }
    (!g.task_hints.is_empty()).then_some("a session, a tag or a claim that may name a task")
}

/// What the ledger says about the end of a grant, as bits; `None` for what the sweep does not carry. Without
/// a word a grant is open when it has no end, and of others nobody says how they ended.
fn ends(g: &Grant) -> Option<u32> {
    let ends = g.ended_at_lo.or(g.not_after).is_some();
    match g.end_kind {
        EndKind::Unknown if ends => Some(0),
        EndKind::Open if !ends => Some(0),
        EndKind::Open => Some(bit::ACTIVE_WORD),
        EndKind::Expired if ends => Some(bit::EXPIRED_WORD),
        _ => None,
    }
}

/// What the ledger itself says of a grant, as [`More::said`].
#[must_use]
pub fn said(g: &Grant) -> u32 {
    let decided = match g.decision {
        Decision::Approved => bit::APPROVED_WORD,
        Decision::AutoApproved => bit::AUTO_WORD,
        _ => 0,
    };
    decided | ends(g).unwrap_or(0)
}

/// What a grant tells that the sweep does not carry.
#[must_use]
pub fn uncarried(g: &Grant) -> Option<&'static str> {
    let start = g.activated_at_lo.or(g.not_before);
    let words =
        !matches!(g.decision, Decision::Unknown | Decision::Approved | Decision::AutoApproved);
    // Then it may have begun with its approval.
    let begun = g.decision != Decision::Unknown && start.is_none();
    let early = g.decided_at.zip(g.requested_at).is_some_and(|(at, asked)| at < asked);
    let tickets = g.ticket_id.as_ref().is_some_and(|t| {
        g.task_ref.is_some() || g.ticket_system.is_some() || t.contains([',', ';', ':'])
    });
    let counted = g.n_extensions != 0 || g.n_renewals != 0;
    let changed = g.externally_modified || g.approved_privilege.is_some();
    let ended = g.residual_until.is_some() || g.revoke_requested_at.is_some();
    [
        (g.ended_at_lo != g.ended_at_hi, "a grant with an end of the precision of a day"),
        (g.activated_at_lo != g.activated_at_hi, "a grant with a start of the precision of a day"),
        (g.not_before != start, "a grant that began earlier or later than it was meant to"),
        (words || begun, "a request that was refused, failed or waits"),
        (ends(g).is_none(), "a word of the ledger about how a grant ended"),
        (early, "a decision before the request"),
        (tickets, "a ticket beside a task, or several"),
        (counted, "an extension or a renewal"),
        (changed, "a grant that was changed, or is another than was approved"),
        (ended, "a credential or a revocation beside the end of the grant"),
        (g.broker_kind != BrokerKind::Binding, "a grant that is no binding"),
        (g.session_duration_s.is_some(), "the length of sessions"),
    ]
    .into_iter()
    .find_map(|(there, why)| there.then_some(why))
}

/// A grant in words.
#[derive(Debug)]
pub struct Told<'a> {
    /// Its own id.
    pub id: &'a str,
    /// Ledger system.
    pub system: &'a str,
    /// Platform.
    pub platform: Option<Cow<'a, str>>,
    /// Principal as written.
    pub who: &'a str,
    /// Kind of the principal.
    pub kind: Option<PrincipalKind>,
    /// Privilege.
    pub privilege: &'a str,
    /// Scope.
    pub scope: Option<&'a str>,
    /// Reason.
    pub reason: Option<&'a str>,
    /// Task or ticket that it names.
    pub task: Option<&'a str>,
    /// What most do not tell.
    pub more: More,
    /// Approval that it names.
    pub approval: Option<&'a str>,
    /// Request.
    pub requested: i64,
    /// Start.
    pub start: i64,
    /// Authorised end.
    pub due: i64,
    /// Recorded end.
    pub ended: i64,
    /// The row engine judges it.
    pub aside: bool,
    /// Dictionaries.
    pub codes: Codes,
}

/// A use in words.
#[derive(Debug)]
pub struct ToldUse<'a> {
    /// Principal as written.
    pub who: &'a str,
    /// Platform.
    pub platform: Option<Cow<'a, str>>,
    /// Privilege.
    pub privilege: Option<&'a str>,
    /// Scope.
    pub scope: Option<&'a str>,
    /// Grant that it names.
    pub grant: &'a str,
    /// First use.
    pub first: i64,
    /// Last use.
    pub last: i64,
    /// Number of uses; negative when the record does not say.
    pub count: i64,
    /// All of them failed.
    pub failed: bool,
    /// Dictionaries.
    pub codes: Codes,
}

/// Clock skew between systems below which an order is no contradiction, seconds (as the row engine).
pub const SKEW_S: i64 = 120;

/// Privilege and scope together.
#[must_use]
pub fn what(key: &Key, privilege: Id, scope: Id) -> u64 {
    key.join([privilege.high(), scope.high(), u64::from(privilege.low()), u64::from(scope.low())])
        .high()
}

/// Lower case, as platforms are compared.
#[must_use]
pub fn lower(s: &str) -> Cow<'_, str> {
    if s.is_ascii() && !s.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Borrowed(s)
    } else {
        Cow::Owned(s.to_lowercase())
    }
}

/// Ledger system and platform, out of the columns for broker, system and platform. As the adapter reads
/// them: a column `system` names the broker beside one for the platform.
#[must_use]
pub fn home_words<'a>(
    broker: Option<&'a str>,
    system: Option<&'a str>,
    platform: Option<&'a str>,
) -> (&'a str, Option<Cow<'a, str>>) {
    let (broker, platform) = match (broker, platform) {
        (None, Some(p)) => (system, Some(p)),
        (b, p) => (b, p.or(system)),
    };
    (broker.unwrap_or("ledger"), platform.map(lower))
}

/// A task that goes on has not ended.
#[must_use]
pub fn open(state: TaskState) -> bool {
    matches!(state, TaskState::Queued | TaskState::Waiting | TaskState::Running)
}

/// Whether a reason may hold the id of a ticket (a capital before another or a digit), and whether it may
/// hold the number of an issue (`#`).
#[must_use]
pub fn may_name_ticket(reason: &str) -> (bool, bool) {
    let (mut pair, mut hash, mut capital) = (false, false, false);
    for c in reason.as_bytes() {
        let own = c.is_ascii_uppercase();
        pair |= capital & (own | c.is_ascii_digit());
        hash |= *c == b'#';
        capital = own;
    }
    (pair, hash)
}

/// Kind of a principal, out of the word of its column.
#[must_use]
pub fn kind_of(word: Option<&str>) -> Option<PrincipalKind> {
    match word {
        None | Some("workload" | "agent" | "human") => word.and_then(PrincipalKind::from_word),
        Some(w) => {
            let word = w.to_ascii_lowercase().replace([' ', '-'], "_");
            ledger::grants::principal_kind(&word)
        }
    }
}

/// State of a task, out of the word of its column.
#[must_use]
pub fn task_state(word: Option<&str>) -> TaskState {
    match word {
        None => TaskState::Unknown,
        Some("done") => TaskState::Succeeded,
        Some("open") => TaskState::Running,
        Some(w) => {
            crate::ingest::tasks::generic::state(&w.to_ascii_lowercase().replace([' ', '-'], "_"))
        }
    }
}

/// Verdict of an approval, as its adapter tells it.
#[must_use]
pub fn verdict_in(a: &Approval) -> u32 {
    let verdict = match a.verdict {
        Verdict::Approve => verdict::APPROVE,
        Verdict::Deny => verdict::DENY,
        _ => 0,
    };
    verdict | if a.method == ApprovalMethod::Policy { verdict::POLICY } else { 0 }
}

/// Verdict of an approval, out of the word of its column.
///
/// # Errors
/// For a word that only the adapter understands.
pub fn verdict_of(word: Option<&str>) -> Result<u32, Odd> {
    match word {
        Some("approved") => Ok(verdict::APPROVE),
        Some("denied") => Ok(verdict::DENY),
        Some("expired") => Ok(0),
        _ => Err(Odd),
    }
}
