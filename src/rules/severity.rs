//! Severity of a finding: basis, modifiers, and the reasons in words.

use crate::facts::Tier;
use crate::findings::Severity;

/// Basis of the severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The rule states it.
    Fixed(Severity),
    /// From the tier of the privilege, moved by this many steps.
    Tier(i8),
}

impl Basis {
    /// Reads the words of a rule file.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        match word {
            "tier" => Some(Self::Tier(0)),
            "tier+1" => Some(Self::Tier(1)),
            "tier-1" => Some(Self::Tier(-1)),
            other => Severity::from_word(other).map(Self::Fixed),
        }
    }
}

/// Splits `tier of COLUMN` into the basis and the column that holds the tier; `tier` without one.
#[must_use]
pub fn tier_column(word: &str) -> (&str, &str) {
    match word.strip_prefix("tier of ") {
        Some(column) => ("tier", column.trim()),
        None => (word, "tier"),
    }
}

/// Tier of what a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Known tier.
    Known(Tier),
    /// Tier only if undecided conditions are met.
    Possible(Tier),
    /// Content of the privilege not supplied.
    Unknown,
}

/// Severity with its reasons. `modifiers` are those that apply: up or down, and why.
#[must_use]
pub fn judge(
    basis: Basis,
    subject: Subject,
    modifiers: &[(bool, &str)],
) -> (Severity, Vec<String>) {
    let mut reasons = Vec::new();
    let mut severity = match basis {
        Basis::Fixed(s) => {
            reasons.push(format!("the rule states {s}"));
            s
        }
        Basis::Tier(step) => {
            let base = match subject {
                Subject::Known(tier) => {
                    let s = of_tier(tier);
                    reasons.push(format!("tier {tier} ({}): {s}", meaning(tier)));
                    s
                }
                Subject::Possible(tier) => {
                    let s = of_tier(tier);
                    reasons.push(format!(
                        "tier {tier} if undecided conditions are met ({}): {s}",
                        meaning(tier)
                    ));
                    s
                }
                Subject::Unknown => {
                    reasons.push("tier unknown: content of the privilege not supplied".into());
                    Severity::Medium
                }
            };
            match step {
                0 => base,
                up if up > 0 => {
                    reasons.push("one step up: the rule is graver than the tier alone".into());
                    base.up()
                }
                _ => {
                    reasons
                        .push("one step down: the rule is less grave than the tier alone".into());
                    base.down()
                }
            }
        }
    };
    let ups = modifiers.iter().filter(|(up, _)| *up).count();
    let downs = modifiers.len() - ups;
    for (up, reason) in modifiers {
        reasons.push(format!("one step {}: {reason}", if *up { "up" } else { "down" }));
    }
    if ups.abs_diff(downs) > 1 {
        reasons.push("modifiers together move one step at most".into());
    }
    severity = match ups.cmp(&downs) {
        std::cmp::Ordering::Greater => severity.up(),
        std::cmp::Ordering::Less => severity.down(),
        std::cmp::Ordering::Equal => severity,
    };
    (severity, reasons)
}

fn of_tier(tier: Tier) -> Severity {
    match tier {
        Tier::T0 => Severity::Critical,
        Tier::T1 => Severity::High,
        Tier::T2 => Severity::Medium,
        Tier::T3 => Severity::Low,
        Tier::T4 => Severity::Info,
    }
}

fn meaning(tier: Tier) -> &'static str {
    match tier {
        Tier::T0 => "controls identity, policy, broker, logs or a whole tenant",
        Tier::T1 => "administers a production account or reads all its secrets",
        Tier::T2 => "writes production, or reads sensitive data or single secrets",
        Tier::T3 => "writes outside production",
        Tier::T4 => "reads without sensitivity",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        assert_eq!(Basis::read("tier+1"), Some(Basis::Tier(1)));
        assert_eq!(Basis::read("high"), Some(Basis::Fixed(Severity::High)));
        assert_eq!(Basis::read("tier+2"), None);
    }

    #[test]
    fn modifiers_move_one_step_at_most() {
        let tier = Subject::Known(Tier::T2);
        let sev = |m: &[(bool, &str)]| judge(Basis::Tier(0), tier, m).0;
        assert_eq!(sev(&[]), Severity::Medium);
        assert_eq!(sev(&[(true, "a"), (true, "b")]), Severity::High);
        assert_eq!(sev(&[(false, "a"), (false, "b"), (true, "c")]), Severity::Low);
        assert_eq!(sev(&[(false, "a"), (true, "c")]), Severity::Medium);
        assert_eq!(judge(Basis::Tier(0), tier, &[(true, "a"), (true, "b")]).1.len(), 4);
    }

    #[test]
    fn ends_of_the_scale_hold() {
        assert_eq!(
            judge(Basis::Tier(1), Subject::Known(Tier::T0), &[(true, "x")]).0,
            Severity::Critical
        );
        assert_eq!(judge(Basis::Tier(-1), Subject::Known(Tier::T4), &[]).0, Severity::Info);
        let (s, why) = judge(Basis::Tier(0), Subject::Unknown, &[]);
        assert_eq!(s, Severity::Medium);
        assert_eq!(why, ["tier unknown: content of the privilege not supplied"]);
    }
}
