//! The 48 reconciliation cells. Specification: grants model, section 6.

use crate::findings::Severity;

/// Ledger axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ledger {
    /// Never granted.
    Never,
    /// Requested but denied, pending, lapsed or failed.
    Denied,
    /// Ended.
    Ended,
    /// Active.
    Active,
}

/// Task axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// No linked task.
    None,
    /// Linked, before its start.
    Before,
    /// Linked, after its end.
    After,
    /// Linked and running.
    Running,
}

/// One point of the table: severity `None` means "ok".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Name.
    pub name: &'static str,
    /// Severity; `None` = ok.
    pub severity: Option<Severity>,
}

const fn cell(name: &'static str, severity: Option<Severity>) -> Cell {
    Cell { name, severity }
}

const OK: Option<Severity> = None;
const I: Option<Severity> = Some(Severity::Info);
const L: Option<Severity> = Some(Severity::Low);
const M: Option<Severity> = Some(Severity::Medium);
const H: Option<Severity> = Some(Severity::High);
const C: Option<Severity> = Some(Severity::Critical);

/// The cell of a state: ledger, task, bound in IAM, used.
#[must_use]
pub fn lookup(ledger: Ledger, work: Work, bound: bool, used: bool) -> Cell {
    match (ledger, bound, used) {
        (Ledger::Never, false, false) => match work {
            Work::Running => cell("task without access", I),
            _ => cell("quiet", OK),
        },
        (Ledger::Never, true, false) => match work {
            Work::None => cell("dormant standing privilege", M),
            Work::Running => cell("parked privilege", M),
            _ => cell("standing between tasks", M),
        },
        (Ledger::Never, false, true) => match work {
            Work::None => cell("ghost use", C),
            Work::Running => cell("grantless task use", H),
            _ => cell("ghost use off-task", C),
        },
        (Ledger::Never, true, true) => match work {
            Work::None => cell("unledgered standing use", H),
            Work::Running => cell("standing consumed by task", M),
            _ => cell("unledgered off-task use", H),
        },
        (Ledger::Denied, false, false) if work == Work::Running => cell("blocked task", I),
        (Ledger::Denied, false, false) => cell("denied, absent", OK),
        (Ledger::Denied, true, false) if work == Work::Running => {
            cell("denied but bound, task running", H)
        }
        (Ledger::Denied, true, false) => cell("denied but bound", H),
        (Ledger::Denied, false, true) if work == Work::Running => {
            cell("denied but used in task", C)
        }
        (Ledger::Denied, false, true) => cell("denied but used", C),
        (Ledger::Denied, true, true) if work == Work::Running => cell("broker bypass in task", C),
        (Ledger::Denied, true, true) => cell("broker bypass", C),
        (Ledger::Ended, false, false) => match work {
            Work::None => cell("closed", OK),
            Work::Running => cell("starved task", I),
            _ => cell("closed after task", OK),
        },
        (Ledger::Ended, true, false) => match work {
            Work::None => cell("zombie binding", H),
            Work::Running => cell("silent extension", H),
            _ => cell("orphaned overstay", H),
        },
        (Ledger::Ended, false, true) => match work {
            Work::None => cell("residual credential use", C),
            Work::Running => cell("session carry-over", M),
            _ => cell("residual session after task", C),
        },
        (Ledger::Ended, true, true) => match work {
            Work::None => cell("zombie in use", C),
            Work::Running => cell("unrenewed continuation", H),
            _ => cell("overstay in use", C),
        },
        (Ledger::Active, false, false) => match work {
            Work::None => cell("paper grant", L),
            Work::Running => cell("provisioning gap", L),
            _ => cell("released early", OK),
        },
        (Ledger::Active, true, false) => match work {
            Work::None => cell("untasked idle grant", M),
            Work::Running => cell("granted, unused", L),
            Work::Before => cell("premature grant", L),
            Work::After => cell("overstay idle", M),
        },
        (Ledger::Active, false, true) => match work {
            Work::None => cell("off-state use, untasked", M),
            Work::Running => cell("state blind spot", I),
            _ => cell("off-task use off-state", H),
        },
        (Ledger::Active, true, true) => match work {
            Work::None => cell("untasked use", M),
            Work::Running => cell("conforming", OK),
            Work::Before => cell("premature use", H),
            Work::After => cell("off-task use", H),
        },
    }
}

/// What raises or lowers the severity of a cell.
#[derive(Clone, Copy, Debug, Default)]
pub struct Modifiers {
    /// The privilege is strong (tier T0 or T1) or its scope wide: medium becomes high, high critical.
    pub privileged: bool,
    /// Emergency grant: high becomes medium; the evidence stays.
    pub break_glass: bool,
    /// Credential or session broker and the use names the grant: missing state under an active grant is expected.
    pub linked_credential: bool,
    /// The broker reports an outside change or a failed revocation: presence after the end is critical.
    pub tampered: bool,
}

/// The cell with its severity after the modifiers.
#[must_use]
pub fn judge(ledger: Ledger, work: Work, bound: bool, used: bool, m: Modifiers) -> Cell {
    let mut c = lookup(ledger, work, bound, used);
    if m.linked_credential && ledger == Ledger::Active && !bound && used {
        c.severity = c.severity.map(|_| Severity::Info);
        return c;
    }
    if m.tampered && ledger == Ledger::Ended && bound {
        c.severity = Some(Severity::Critical);
    }
    if m.privileged {
        c.severity = c.severity.map(|s| match s {
            Severity::Medium | Severity::High => s.up(),
            other => other,
        });
    }
    if m.break_glass && c.severity == Some(Severity::High) {
        c.severity = Some(Severity::Medium);
    }
    c
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the specification: ledger, task, then name and severity of S0U0, S1U0, S0U1, S1U1.
    /// `<` is a task before its start, `>` one after its end.
    const TABLE: &str = "\
N - | quiet ok | dormant standing privilege m | ghost use c | unledgered standing use h
N > | quiet ok | standing between tasks m | ghost use off-task c | unledgered off-task use h
N R | task without access i | parked privilege m | grantless task use h | standing consumed by task m
D - | denied, absent ok | denied but bound h | denied but used c | broker bypass c
D > | denied, absent ok | denied but bound h | denied but used c | broker bypass c
D R | blocked task i | denied but bound, task running h | denied but used in task c | broker bypass in task c
E - | closed ok | zombie binding h | residual credential use c | zombie in use c
E > | closed after task ok | orphaned overstay h | residual session after task c | overstay in use c
E R | starved task i | silent extension h | session carry-over m | unrenewed continuation h
A - | paper grant l | untasked idle grant m | off-state use, untasked m | untasked use m
A > | released early ok | overstay idle m | off-task use off-state h | off-task use h
A < | released early ok | premature grant l | off-task use off-state h | premature use h
A R | provisioning gap l | granted, unused l | state blind spot i | conforming ok";

    #[test]
    fn table_equals_the_specification() {
        for row in TABLE.lines() {
            let mut parts = row.split(" | ");
            let axes: Vec<&str> = parts.next().unwrap().split(' ').collect();
            let ledger = match axes[0] {
                "N" => Ledger::Never,
                "D" => Ledger::Denied,
                "E" => Ledger::Ended,
                _ => Ledger::Active,
            };
            let work = match axes[1] {
                "-" => Work::None,
                "<" => Work::Before,
                ">" => Work::After,
                _ => Work::Running,
            };
            for (i, want) in parts.enumerate() {
                let (name, severity) = want.rsplit_once(' ').unwrap();
                let severity = match severity {
                    "ok" => OK,
                    "i" => I,
                    "l" => L,
                    "m" => M,
                    "h" => H,
                    _ => C,
                };
                let got = lookup(ledger, work, i % 2 == 1, i >= 2);
                assert_eq!((got.name, got.severity), (name, severity), "{row} {i}");
            }
        }
    }

    #[test]
    fn modifiers() {
        let strong = Modifiers { privileged: true, ..Modifiers::default() };
        assert_eq!(judge(Ledger::Ended, Work::None, true, false, strong).severity, C);
        let glass = Modifiers { break_glass: true, ..Modifiers::default() };
        assert_eq!(judge(Ledger::Ended, Work::None, true, false, glass).severity, M);
        let session = Modifiers { linked_credential: true, ..Modifiers::default() };
        assert_eq!(judge(Ledger::Active, Work::None, false, true, session).severity, I);
    }
}
