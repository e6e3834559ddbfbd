//! Rows of fixed width: what the sweep keeps of a record.

use super::id::Id;
use super::store::{Bytes, Field, Packed};
use crate::facts::Time;

/// No instant.
pub const NEVER: i64 = i64::MIN;

/// Nobody.
pub const NOBODY: u32 = u32::MAX;

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

/// No place: the record is of a grant that no ledger lists.
pub const NOWHERE: Place = Place::MAX;

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
    /// It names a task.
    pub const NAMES_TASK: u32 = 1 << 15;
    /// Its reason names a task that is there.
    pub const TICKETED: u32 = 1 << 16;
    /// The row engine judges it, with the rest of its lane.
    pub const ASIDE: u32 = 1 << 17;
    /// Nobody is named who asked.
    pub const NO_REQUESTER: u32 = 1 << 18;
    /// The ledger itself says that it was approved.
    pub const APPROVED_WORD: u32 = 1 << 19;
    /// The ledger itself says that a policy approved it.
    pub const AUTO_WORD: u32 = 1 << 20;
    /// Its approvals have no ids of their own.
    pub const BARE: u32 = 1 << 21;
    /// The ledger calls it active, whatever its end.
    pub const ACTIVE_WORD: u32 = 1 << 22;
    /// The ledger says that it expired.
    pub const EXPIRED_WORD: u32 = 1 << 23;
}

/// Where a grant lies: its place in its partition in the lower half, the partition, and in the topmost 16
/// bits a number that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot(pub u64);

impl Spot {
    /// Of a place in a partition, with a number.
    #[must_use]
    #[inline]
    pub fn new(part: usize, at: u32, number: u16) -> Self {
        Self(u64::from(number) << 48 | (part as u64 & 0xffff) << 32 | u64::from(at))
    }

    /// Partition.
    #[must_use]
    #[inline]
    pub fn part(self) -> usize {
        (self.0 >> 32) as usize & 0xffff
    }

    /// Place in the partition.
    #[must_use]
    #[inline]
    pub fn at(self) -> u32 {
        self.0 as u32
    }

    /// The number.
    #[must_use]
    #[inline]
    pub fn number(self) -> u16 {
        (self.0 >> 48) as u16
    }
}

macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $field:ident: $kind:ty,)* })*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name { $($(#[$of])* pub $field: $kind,)* }

        impl Packed for $name {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)*
            }

            fn take(from: &mut Bytes<'_>) -> Option<Self> {
                $(let $field = <$kind>::take(from)?;)*
                Some(Self { $($field,)* })
            }
        }
    )* };
}

rows! {
    /// What a grant's record says, by principal and privilege.
    Grant {
        /// Beneficiary, canonical.
        principal: Id,
        /// Platform and privilege, in the vocabulary of the run.
        privilege: u32,
        /// Canonical scope.
        spot: u64,
        /// Privilege and scope as written together, as a use names them.
        what: u64,
        /// First half of the approval that it names.
        approval: u64,
        /// Request.
        requested: i64,
        /// Start.
        start: i64,
        /// Authorised end.
        due: i64,
        /// Recorded end.
        ended: i64,
        /// [`bit`].
        bits: u32,
        /// Row or line.
        row: u32,
        /// Number of the file.
        file: u16,
        /// Ledger system, in the vocabulary of the run.
        system: u16,
    }

    /// A name of a grant, or one that it refers to, and where the grant lies ([`Spot`]).
    Key {
        /// The name.
        id: Id,
        /// First half of [`Spot`].
        high: u32,
        /// Second half.
        low: u32,
    }

    /// A name, to see whether it occurs twice.
    Name {
        /// The name.
        id: Id,
    }

    /// What a task's record says.
    Task {
        /// Its id.
        id: Id,
        /// Start.
        start: i64,
        /// End.
        end: i64,
        /// Place of its state in the vocabulary.
        state: u32,
    }

    /// What an approval's record says.
    Approval {
        /// Its id.
        id: Id,
        /// Grant that it names.
        grant: Id,
        /// Number of the approver; [`NOBODY`] without one.
        approver: u32,
        /// Time of the decision.
        at: i64,
        /// [`verdict`].
        verdict: u32,
    }

    /// What a record of use says.
    Use {
        /// Grant that it names.
        grant: Id,
        /// Privilege and scope together.
        what: u64,
        /// First use.
        first: i64,
        /// Last use.
        last: i64,
        /// Number of uses; negative when the record does not say.
        count: i64,
        /// All of them failed.
        failed: u32,
    }

    /// The approval of a grant, by its place in its partition.
    Approved {
        /// The grant.
        grant: u32,
        /// Number of the approver and [`verdict`]: see [`Approved::approver`].
        who: u32,
        /// First half of the id of the approval.
        id: u64,
        /// Time of the decision.
        at: i64,
    }

    /// A use of a grant, by its place in its partition.
    Used {
        /// The grant.
        grant: u32,
        /// Half of the hash of privilege and scope together.
        what: u32,
        /// First use.
        first: i64,
        /// Last use.
        last: i64,
        /// Number of uses, doubled; negative when the record does not say. Odd when all of them failed.
        counted: i64,
    }

    /// The task of a grant, by its place in its partition.
    Worked {
        /// The grant.
        grant: u32,
        /// Place of the state in the vocabulary, or [`TICKET`].
        state: u32,
        /// Start.
        start: i64,
        /// End.
        end: i64,
    }

    /// An approval of a grant that no ledger lists, or that names none.
    Loose {
        /// Its id.
        id: Id,
        /// Number of the approver; [`NOBODY`] without one.
        approver: u32,
        /// Time of the decision.
        at: i64,
        /// [`verdict`].
        verdict: u32,
    }

    /// When the ledger itself says that a grant was approved.
    Said {
        /// Place of the grant in its partition.
        grant: u32,
        /// Instant.
        at: i64,
    }

    /// An approval that its grant does not name.
    Stray {
        /// First half of its id.
        id: u64,
        /// Place of the grant's record, or [`NOWHERE`].
        place: u64,
    }

    /// A decision of an approver on a grant.
    Decision {
        /// Number of the approver.
        approver: u32,
        /// Number of the one who asked, when that one decides too; else [`NOBODY`].
        asked: u32,
        /// [`verdict`].
        verdict: u32,
        /// Time of the decision.
        at: i64,
        /// Time of the request.
        requested: i64,
    }
}

/// [`Worked::state`] of a task that only the reason of the grant names.
pub const TICKET: u32 = u32::MAX;

/// Verdict of an approval.
pub mod verdict {
    /// Approved.
    pub const APPROVE: u32 = 1;
    /// Denied.
    pub const DENY: u32 = 2;
    /// Decided by a policy.
    pub const POLICY: u32 = 4;
    /// The record has no id of its own: a column of the grant names who approved.
    pub const BARE: u32 = 8;
    /// It says more than that, and the row engine judges its grant.
    pub const MORE: u32 = 16;
    /// Number of these bits.
    pub const BITS: u32 = 5;
    /// The record names no grant; the grant names it, or nobody does.
    pub const NO_GRANT: u32 = 32;
}

impl Stray {
    /// Partition.
    #[must_use]
    pub fn part(self, parts: usize) -> usize {
        (self.id >> 32) as usize & (parts - 1)
    }
}

/// Stands for [`NOBODY`] where a verdict shares the field.
const LAST: u32 = NOBODY >> verdict::BITS;

impl Approved {
    /// Of an approver, or of [`NOBODY`], and a verdict.
    #[must_use]
    #[inline]
    pub fn new(grant: u32, (approver, verdict): (u32, u32), id: u64, at: i64) -> Self {
        let verdict = verdict & ((1 << verdict::BITS) - 1);
        Self { grant, who: approver.min(LAST) << verdict::BITS | verdict, id, at }
    }

    /// Number of the approver; [`NOBODY`] without one.
    #[must_use]
    #[inline]
    pub fn approver(&self) -> u32 {
        let number = self.who >> verdict::BITS;
        if number == LAST { NOBODY } else { number }
    }

    /// [`verdict`].
    #[must_use]
    #[inline]
    pub fn verdict(&self) -> u32 {
        self.who & ((1 << verdict::BITS) - 1)
    }
}

/// Bit of [`Use::failed`].
const BARE: u32 = 2;

impl Use {
    /// A use of which the row engine judges the grant: it names nothing that could be the grant's.
    #[must_use]
    pub fn bare(grant: Id) -> Self {
        Self { grant, what: 0, first: NEVER, last: NEVER, count: 0, failed: BARE }
    }

    /// Whether it is one of those.
    #[must_use]
    #[inline]
    pub fn is_bare(&self) -> bool {
        self.failed & BARE != 0
    }
}

impl Used {
    /// Of a record of use.
    #[must_use]
    #[inline]
    pub fn new(grant: u32, u: &Use) -> Self {
        // Nobody uses a grant a billion billion times.
        let count = u.count.clamp(-1, i64::MAX >> 2);
        let counted = count << 1 | i64::from(u.failed & 1);
        Self { grant, what: u.what as u32, first: u.first, last: u.last, counted }
    }

    /// Number of uses; negative when the record does not say.
    #[must_use]
    #[inline]
    pub fn count(&self) -> i64 {
        self.counted >> 1
    }

    /// Whether all of them failed.
    #[must_use]
    #[inline]
    pub fn failed(&self) -> bool {
        self.counted & 1 == 1
    }
}

impl Grant {
    /// One word for its principal and privilege; the sweep sees when two share it.
    #[must_use]
    #[inline]
    pub fn lane(&self) -> u64 {
        let privilege = u64::from(self.privilege).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (self.principal.high() ^ u64::from(self.principal.low())).wrapping_add(privilege)
    }

    /// One of so many partitions, a power of two.
    #[must_use]
    #[inline]
    pub fn part(&self, parts: usize) -> usize {
        (self.lane().wrapping_mul(0xd6e8_feb8_6659_fd93) >> 48) as usize & (parts - 1)
    }

    /// Place of its record.
    #[must_use]
    #[inline]
    pub fn place(&self) -> Place {
        place(usize::from(self.file), self.row)
    }
}

impl Decision {
    /// One of so many partitions, a power of two, by the approver.
    #[must_use]
    #[inline]
    pub fn part(&self, parts: usize) -> usize {
        self.approver as usize & (parts - 1)
    }
}

impl Key {
    /// Of a name and the place of a grant.
    #[must_use]
    #[inline]
    pub fn new(id: Id, spot: Spot) -> Self {
        Self { id, high: (spot.0 >> 32) as u32, low: spot.0 as u32 }
    }

    /// Where the grant lies.
    #[must_use]
    #[inline]
    pub fn spot(&self) -> Spot {
        Spot(u64::from(self.high) << 32 | u64::from(self.low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row that lay in a file is the row that went there.
    #[test]
    fn rows_come_back() {
        fn back<T: Packed + PartialEq + std::fmt::Debug>(row: T) {
            let mut bytes = Vec::new();
            row.put(&mut bytes);
            let mut rest = Bytes(&bytes);
            assert_eq!(T::take(&mut rest), Some(row));
            assert!(rest.0.is_empty());
            assert_eq!(T::take(&mut rest), None);
        }
        let id = |n: u64| Id::new(n, 7);
        back(Grant {
            principal: id(1),
            privilege: 2,
            spot: 3,
            what: 4,
            approval: 5,
            requested: 6,
            start: -7,
            due: 8,
            ended: NEVER,
            bits: 9,
            row: 10,
            file: 11,
            system: 12,
        });
        back(Key { id: id(1), high: 2, low: 3 });
        back(Name { id: id(1) });
        back(Task { id: id(1), start: -2, end: 3, state: 4 });
        back(Approval { id: id(1), grant: id(2), approver: 3, at: 4, verdict: 5 });
        back(Use { grant: id(1), what: 2, first: 3, last: 4, count: -5, failed: 1 });
        back(Approved { grant: 1, who: 2, id: 3, at: 4 });
        back(Used { grant: 1, what: 2, first: 3, last: 4, counted: -5 });
        back(Worked { grant: 1, state: 2, start: 3, end: 4 });
        back(Loose { id: id(1), approver: 2, at: 3, verdict: 4 });
        back(Said { grant: 1, at: 2 });
        back(Stray { id: 1, place: 2 });
        back(Decision { approver: 1, asked: 2, verdict: 3, at: 4, requested: 5 });
    }

    #[test]
    fn what_shares_a_field_keeps_apart() {
        for approver in [0, 1, 1000, NOBODY] {
            for verdict in [0, verdict::APPROVE, verdict::DENY | verdict::POLICY] {
                let row = Approved::new(1, (approver, verdict), 2, 3);
                assert_eq!((row.approver(), row.verdict()), (approver, verdict));
            }
        }
        for count in [-1, 0, 1, 7, i64::MAX >> 2] {
            for failed in [0, 1] {
                let u = Use { count, failed, ..Use::default() };
                let row = Used::new(1, &u);
                assert_eq!((row.count(), row.failed()), (count, failed == 1));
            }
        }
        let row = Used::new(1, &Use { count: -1, ..Use::default() });
        assert!(row.count() < 0);
    }

    #[test]
    fn a_place_in_a_partition_keeps_its_parts() {
        let spot = Spot::new(1023, u32::MAX, 65_535);
        assert_eq!((spot.part(), spot.at(), spot.number()), (1023, u32::MAX, 65_535));
        let key = Key::new(Id::new(1, 2), Spot::new(5, 6, 7));
        assert_eq!((key.spot().part(), key.spot().at(), key.spot().number()), (5, 6, 7));
    }
}
