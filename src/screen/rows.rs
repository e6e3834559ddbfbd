//! Rows of fixed width: what the sweep keeps of a record.

use super::id::Id;
use super::store::{Bytes, Packed, put_id};
use crate::facts::Time;

/// No instant.
pub const NEVER: i64 = i64::MIN;

/// An instant of a row.
#[must_use]
#[inline]
pub fn at(us: i64) -> Option<Time> {
    (us != NEVER).then(|| Time::from_micros(us))
}

/// An instant for a row.
#[must_use]
#[inline]
pub fn micros(t: Option<Time>) -> i64 {
    t.map_or(NEVER, Time::micros)
}

/// Place of a record: number of the file in the upper half, row or line in the lower.
pub type Place = u64;

/// The place of a record.
#[must_use]
#[inline]
pub fn place(file: usize, row: u32) -> Place {
    (file as u64) << 32 | u64::from(row)
}

/// Bits of [`Grant::bits`].
pub mod bit {
    /// No reason is given.
    pub const NO_REASON: u32 = 1;
    /// No scope is given.
    pub const NO_SCOPE: u32 = 1 << 1;
    /// The reference may name a system in front of the task.
    pub const SYSTEM_TASK: u32 = 1 << 2;
    /// The name of the beneficiary holds a session, which may name a task.
    pub const SESSION: u32 = 1 << 3;
    /// It started before it was requested.
    pub const BEFORE_REQUEST: u32 = 1 << 4;
    /// Its scope may lie in another, or hold another.
    pub const NESTS: u32 = 1 << 5;
    /// It was approved before it was requested.
    pub const APPROVED_EARLY: u32 = 1 << 6;
    /// Somebody is named who approved.
    pub const APPROVER: u32 = 1 << 7;
    /// Too few independent people approved.
    pub const SELF: u32 = 1 << 8;
    /// Policies alone approved.
    pub const BY_RULE: u32 = 1 << 9;
    /// A person approved.
    pub const BY_PERSON: u32 = 1 << 10;
    /// The task is there.
    pub const TASK: u32 = 1 << 11;
    /// The task runs.
    pub const RUNNING: u32 = 1 << 12;
    /// The task ended before it began.
    pub const TASK_INVERTED: u32 = 1 << 13;
    /// It names an approval.
    pub const NAMES_APPROVAL: u32 = 1 << 14;
}

/// What a grant's record says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Grant {
    /// Its own id.
    pub id: Id,
    /// Task that it names.
    pub task: Id,
    /// Approval that it names.
    pub approval: Id,
    /// Beneficiary, canonical.
    pub principal: Id,
    /// Scope as written.
    pub scope: Id,
    /// Canonical scope.
    pub spot: u64,
    /// Privilege and scope together, as a use names them.
    pub what: u64,
    /// Platform and privilege, in the vocabulary of the run.
    pub privilege: u32,
    /// Ledger system, in the vocabulary of the run.
    pub system: u32,
    /// Place.
    pub place: Place,
    /// Request.
    pub requested: i64,
    /// Start.
    pub start: i64,
    /// Authorised end.
    pub due: i64,
    /// Recorded end.
    pub ended: i64,
    /// [`bit`].
    pub bits: u32,
}

impl Packed for Grant {
    fn put(&self, out: &mut Vec<u8>) {
        for id in [self.id, self.task, self.approval, self.principal, self.scope] {
            put_id(id, out);
        }
        for n in [self.spot, self.what, self.place] {
            out.extend_from_slice(&n.to_le_bytes());
        }
        for n in [self.requested, self.start, self.due, self.ended] {
            out.extend_from_slice(&n.to_le_bytes());
        }
        for n in [self.privilege, self.system, self.bits] {
            out.extend_from_slice(&n.to_le_bytes());
        }
    }

    fn take(b: &mut Bytes<'_>) -> Option<Self> {
        let (id, task, approval, principal, scope) = (b.id()?, b.id()?, b.id()?, b.id()?, b.id()?);
        let (spot, what, place) = (b.long()?, b.long()?, b.long()?);
        let (requested, start) = (b.signed()?, b.signed()?);
        let (due, ended) = (b.signed()?, b.signed()?);
        let (privilege, system, bits) = (b.word()?, b.word()?, b.word()?);
        Some(Self {
            id,
            task,
            approval,
            principal,
            scope,
            spot,
            what,
            privilege,
            system,
            place,
            requested,
            start,
            due,
            ended,
            bits,
        })
    }
}

/// What a task's record says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Task {
    /// Its id.
    pub id: Id,
    /// Start.
    pub start: i64,
    /// End.
    pub end: i64,
    /// Place of its state in the vocabulary, and above the lowest byte the number of its file.
    pub state: u32,
}

impl Packed for Task {
    fn put(&self, out: &mut Vec<u8>) {
        put_id(self.id, out);
        out.extend_from_slice(&self.start.to_le_bytes());
        out.extend_from_slice(&self.end.to_le_bytes());
        out.extend_from_slice(&self.state.to_le_bytes());
    }

    fn take(b: &mut Bytes<'_>) -> Option<Self> {
        Some(Self { id: b.id()?, start: b.signed()?, end: b.signed()?, state: b.word()? })
    }
}

/// Verdict of an approval.
pub mod verdict {
    /// Approved.
    pub const APPROVE: u32 = 1;
    /// Denied.
    pub const DENY: u32 = 2;
    /// Decided by a policy.
    pub const POLICY: u32 = 4;
}

/// What an approval's record says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Approval {
    /// Its id.
    pub id: Id,
    /// Grant that it names.
    pub grant: Id,
    /// Approver, canonical.
    pub approver: Id,
    /// Time of the decision.
    pub at: i64,
    /// [`verdict`].
    pub verdict: u32,
    /// Place.
    pub place: Place,
}

impl Packed for Approval {
    fn put(&self, out: &mut Vec<u8>) {
        for id in [self.id, self.grant, self.approver] {
            put_id(id, out);
        }
        out.extend_from_slice(&self.at.to_le_bytes());
        out.extend_from_slice(&self.verdict.to_le_bytes());
        out.extend_from_slice(&self.place.to_le_bytes());
    }

    fn take(b: &mut Bytes<'_>) -> Option<Self> {
        Some(Self {
            id: b.id()?,
            grant: b.id()?,
            approver: b.id()?,
            at: b.signed()?,
            verdict: b.word()?,
            place: b.long()?,
        })
    }
}

/// What a record of use says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Use {
    /// Grant that it names.
    pub grant: Id,
    /// Privilege and scope together.
    pub what: u64,
    /// First use.
    pub first: i64,
    /// Last use.
    pub last: i64,
    /// Number of uses; negative when the record does not say.
    pub count: i64,
    /// All of them failed.
    pub failed: u32,
}

impl Packed for Use {
    fn put(&self, out: &mut Vec<u8>) {
        put_id(self.grant, out);
        out.extend_from_slice(&self.what.to_le_bytes());
        for n in [self.first, self.last, self.count] {
            out.extend_from_slice(&n.to_le_bytes());
        }
        out.extend_from_slice(&self.failed.to_le_bytes());
    }

    fn take(b: &mut Bytes<'_>) -> Option<Self> {
        Some(Self {
            grant: b.id()?,
            what: b.long()?,
            first: b.signed()?,
            last: b.signed()?,
            count: b.signed()?,
            failed: b.word()?,
        })
    }
}

/// A reference from one record to another, by place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mention {
    /// What is named.
    pub id: Id,
    /// Who names it.
    pub place: Place,
}

impl Packed for Mention {
    fn put(&self, out: &mut Vec<u8>) {
        put_id(self.id, out);
        out.extend_from_slice(&self.place.to_le_bytes());
    }

    fn take(b: &mut Bytes<'_>) -> Option<Self> {
        Some(Self { id: b.id()?, place: b.long()? })
    }
}

/// A decision of an approver on a grant.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decision {
    /// Approver.
    pub approver: Id,
    /// Who asked.
    pub asked: Id,
    /// What is decided, by the id of the approval.
    pub request: Id,
    /// Time of the decision.
    pub at: i64,
    /// Time of the request.
    pub requested: i64,
    /// [`verdict`].
    pub verdict: u32,
    /// Place of the approval.
    pub place: Place,
}

impl Packed for Decision {
    fn put(&self, out: &mut Vec<u8>) {
        for id in [self.approver, self.asked, self.request] {
            put_id(id, out);
        }
        out.extend_from_slice(&self.at.to_le_bytes());
        out.extend_from_slice(&self.requested.to_le_bytes());
        out.extend_from_slice(&self.verdict.to_le_bytes());
        out.extend_from_slice(&self.place.to_le_bytes());
    }

    fn take(b: &mut Bytes<'_>) -> Option<Self> {
        Some(Self {
            approver: b.id()?,
            asked: b.id()?,
            request: b.id()?,
            at: b.signed()?,
            requested: b.signed()?,
            verdict: b.word()?,
            place: b.long()?,
        })
    }
}

/// A grant with what approvals, use and task add.
#[derive(Clone, Copy, Debug, Default)]
pub struct Access {
    /// Principal, platform and privilege.
    pub lane: Id,
    /// Task that the grant names.
    pub task: Id,
    /// Scope as written.
    pub scope: Id,
    /// Canonical scope.
    pub spot: u64,
    /// Place.
    pub place: Place,
    /// Start.
    pub start: i64,
    /// Authorised end.
    pub due: i64,
    /// Recorded end.
    pub ended: i64,
    /// Time of the deciding approval.
    pub approved: i64,
    /// First use.
    pub first_use: i64,
    /// Last use.
    pub last_use: i64,
    /// Number of uses.
    pub uses: i64,
    /// Start of the task.
    pub task_start: i64,
    /// End of the task.
    pub task_end: i64,
    /// Platform and privilege.
    pub privilege: u32,
    /// Ledger system.
    pub system: u32,
    /// [`bit`].
    pub bits: u32,
    /// Approvals.
    pub approvals: u32,
    /// State of the task.
    pub state: u32,
}

impl Packed for Access {
    fn put(&self, out: &mut Vec<u8>) {
        for id in [self.lane, self.task, self.scope] {
            put_id(id, out);
        }
        out.extend_from_slice(&self.spot.to_le_bytes());
        out.extend_from_slice(&self.place.to_le_bytes());
        for n in [
            self.start,
            self.due,
            self.ended,
            self.approved,
            self.first_use,
            self.last_use,
            self.uses,
            self.task_start,
            self.task_end,
        ] {
            out.extend_from_slice(&n.to_le_bytes());
        }
        for n in [self.privilege, self.system, self.bits, self.approvals, self.state] {
            out.extend_from_slice(&n.to_le_bytes());
        }
    }

    fn take(b: &mut Bytes<'_>) -> Option<Self> {
        let (lane, task, scope) = (b.id()?, b.id()?, b.id()?);
        let (spot, place) = (b.long()?, b.long()?);
        let (start, due, ended, approved) = (b.signed()?, b.signed()?, b.signed()?, b.signed()?);
        let (first_use, last_use, uses) = (b.signed()?, b.signed()?, b.signed()?);
        let (task_start, task_end) = (b.signed()?, b.signed()?);
        let (privilege, system, bits) = (b.word()?, b.word()?, b.word()?);
        let (approvals, state) = (b.word()?, b.word()?);
        Some(Self {
            lane,
            task,
            scope,
            spot,
            place,
            start,
            due,
            ended,
            approved,
            first_use,
            last_use,
            uses,
            task_start,
            task_end,
            privilege,
            system,
            bits,
            approvals,
            state,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row that lay in a file is the row that went there.
    #[test]
    fn rows_come_back() {
        fn back<T: Packed + std::fmt::Debug>(row: T) {
            let mut bytes = Vec::new();
            row.put(&mut bytes);
            let mut rest = Bytes(&bytes);
            let found = T::take(&mut rest).unwrap();
            assert!(rest.0.is_empty());
            assert_eq!(format!("{found:?}"), format!("{row:?}"));
            assert!(T::take(&mut rest).is_none());
        }
        let id = |n: u64| Id::new(n, 7);
        back(Grant {
            id: id(1),
            task: id(2),
            approval: id(3),
            principal: id(4),
            scope: id(5),
            spot: 6,
            what: 7,
            privilege: 8,
            system: 9,
            place: 10,
            requested: 11,
            start: -12,
            due: 13,
            ended: 14,
            bits: 15,
        });
        back(Task { id: id(1), start: -2, end: 3, state: 4 });
        back(Approval { id: id(1), grant: id(2), approver: id(3), at: 4, verdict: 5, place: 6 });
        back(Use { grant: id(1), what: 2, first: 3, last: 4, count: -5, failed: 1 });
        back(Mention { id: id(1), place: 2 });
        back(Decision {
            approver: id(1),
            asked: id(2),
            request: id(3),
            at: 4,
            requested: 5,
            verdict: 6,
            place: 7,
        });
        back(Access {
            lane: id(1),
            task: id(2),
            scope: id(3),
            spot: 4,
            place: 5,
            start: 6,
            due: 7,
            ended: 8,
            approved: 9,
            first_use: 10,
            last_use: 11,
            uses: 12,
            task_start: 13,
            task_end: 14,
            privilege: 15,
            system: 16,
            bits: 17,
            approvals: 18,
            state: 19,
        });
    }
}
