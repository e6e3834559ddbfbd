//! Limits: named numbers that rules refer to as `limits.<name>`.

use std::collections::BTreeMap;

/// One limit with its default.
#[derive(Clone, Copy, Debug)]
pub struct LimitDef {
    /// Name used in rules and in `[limits]`.
    pub name: &'static str,
    /// Unit: `s` (seconds; the settings also take `15m`, `4h`, `30d`), `days`, `count`, `share` (0 to 1).
    pub unit: &'static str,
    /// Default value.
    pub default: f64,
    /// Loosest value the frameworks' texts or common practice allow; a looser setting makes conclusions "not assessed at the required threshold". Null bound: none.
    pub bound: Option<f64>,
    /// Whether a larger value is looser.
    pub larger_is_looser: bool,
    /// Meaning.
    pub doc: &'static str,
}

const fn lim(
    name: &'static str,
    unit: &'static str,
    default: f64,
    bound: Option<f64>,
    larger_is_looser: bool,
    doc: &'static str,
) -> LimitDef {
    LimitDef { name, unit, default, bound, larger_is_looser, doc }
}

/// All limits, sorted by name.
pub const LIMITS: &[LimitDef] = &[
    lim(
        "approval_late_s",
        "s",
        120.0,
        Some(3600.0),
        true,
        "Approval may be recorded this long after the start (clock skew between systems).",
    ),
    lim(
        "approval_validity_s",
        "s",
        86_400.0,
        Some(2_592_000.0),
        true,
        "An approval is good for a start within this time.",
    ),
    lim(
        "chain_gap_s",
        "s",
        300.0,
        None,
        false,
        "A grant that starts at most this long after the largest earlier end continues the chain.",
    ),
    lim(
        "chain_max_grants",
        "count",
        5.0,
        None,
        true,
        "More consecutive grants than this are a renewal chain.",
    ),
    lim(
        "chain_max_span_s",
        "s",
        2_592_000.0,
        Some(7_776_000.0),
        true,
        "A chain of two or more grants may not span longer than this.",
    ),
    lim(
        "coverage_min_period_s",
        "s",
        604_800.0,
        None,
        false,
        "Shortest observed period over which a coverage share is judged.",
    ),
    lim(
        "coverage_share",
        "share",
        0.8,
        Some(0.95),
        true,
        "Grants that cover at least this share of the period are standing in effect.",
    ),
    lim(
        "credential_lifetime_days",
        "days",
        90.0,
        Some(365.0),
        true,
        "Longest life of a credential that has an expiry.",
    ),
    lim(
        "emergency_max_s",
        "s",
        28_800.0,
        Some(86_400.0),
        true,
        "Emergency access may stay in force this long.",
    ),
    lim(
        "emergency_review_s",
        "s",
        259_200.0,
        Some(1_209_600.0),
        true,
        "Emergency access must be reviewed within this time of its end.",
    ),
    lim(
        "emergency_uses",
        "count",
        2.0,
        Some(6.0),
        true,
        "More emergencies of one person (or days of use of one emergency identity) inside the window are routine.",
    ),
    lim(
        "emergency_window_days",
        "days",
        90.0,
        None,
        false,
        "Window over which emergencies are counted.",
    ),
    lim(
        "idle_days",
        "days",
        90.0,
        Some(180.0),
        true,
        "An identity without activity for longer is stale.",
    ),
    lim(
        "jit_duty_cycle",
        "share",
        0.1,
        None,
        false,
        "Privileged access that is used on a smaller share of the days is better granted when it is needed.",
    ),
    lim(
        "jit_grant_s",
        "s",
        28_800.0,
        None,
        false,
        "Length of the grants that a just-in-time candidate is counted to have needed.",
    ),
    lim(
        "key_age_days",
        "days",
        90.0,
        Some(365.0),
        true,
        "A static credential must be rotated within this time.",
    ),
    lim(
        "max_active_keys",
        "count",
        1.0,
        Some(2.0),
        true,
        "Active credentials of one kind that one identity may have.",
    ),
    lim(
        "max_period_gap_share",
        "share",
        0.0,
        Some(0.05),
        true,
        "Share of the audited period that a needed source may leave uncovered.",
    ),
    lim(
        "max_quarantined_share",
        "share",
        0.0,
        Some(0.01),
        true,
        "Share of records of a source that may be in quarantine.",
    ),
    lim(
        "max_source_age_days",
        "days",
        30.0,
        Some(90.0),
        true,
        "A source older than this at the as-of time is stale.",
    ),
    lim(
        "overlap_min_s",
        "s",
        0.0,
        None,
        true,
        "Grants that overlap for longer than this are concurrent.",
    ),
    lim(
        "pre_task_s",
        "s",
        3600.0,
        Some(86_400.0),
        true,
        "A grant may start this long before its task.",
    ),
    lim(
        "review_interval_days",
        "days",
        90.0,
        Some(365.0),
        true,
        "Standing privilege must have been reviewed within this time.",
    ),
    lim(
        "review_removal_days",
        "days",
        7.0,
        Some(30.0),
        true,
        "A decision of a review to take access away must be carried out within this time.",
    ),
    lim(
        "revocation_grace_s",
        "s",
        900.0,
        Some(86_400.0),
        true,
        "Removal may lag the due time by this much.",
    ),
    lim(
        "stamp_accepted_share",
        "share",
        0.99,
        None,
        true,
        "An approver who accepts at least this share of many requests may not be looking.",
    ),
    lim(
        "stamp_burst",
        "count",
        10.0,
        Some(50.0),
        true,
        "Approvals of one person within `stamp_burst_s`; more are given unread.",
    ),
    lim(
        "stamp_burst_s",
        "s",
        60.0,
        None,
        false,
        "Window in which a burst of approvals is counted.",
    ),
    lim(
        "stamp_fast_s",
        "s",
        10.0,
        None,
        false,
        "An approval within this time of the request cannot have been read.",
    ),
    lim(
        "stamp_fast_share",
        "share",
        0.5,
        Some(0.9),
        true,
        "Share of fast approvals above which an approver does not look.",
    ),
    lim(
        "stamp_min_approvals",
        "count",
        10.0,
        Some(100.0),
        true,
        "Approvals of one person below which no pattern is judged.",
    ),
    lim(
        "stamp_min_decisions",
        "count",
        100.0,
        None,
        true,
        "Decisions below which the share of acceptance says nothing.",
    ),
    lim(
        "stamp_mutual",
        "count",
        10.0,
        Some(50.0),
        true,
        "Approvals that two people may give each other, in the weaker direction.",
    ),
    lim(
        "state_lag_s",
        "s",
        900.0,
        Some(86_400.0),
        true,
        "IAM may still show a binding this long after the ledger ended it.",
    ),
    lim(
        "steady_duty_cycle",
        "share",
        0.7,
        None,
        false,
        "Harmless access that is used on at least this share of the days gains nothing from grants on demand.",
    ),
    lim(
        "task_grace_s",
        "s",
        900.0,
        Some(86_400.0),
        true,
        "Access may remain this long after the end of the task.",
    ),
    lim(
        "unused_share",
        "share",
        0.9,
        Some(0.98),
        true,
        "Share of the granted and observable actions (or services) that may stay unused.",
    ),
    lim(
        "use_grace_s",
        "s",
        300.0,
        Some(3600.0),
        true,
        "Use may be logged this long outside the window (delivery and clocks).",
    ),
    lim(
        "waiver_max_days",
        "days",
        180.0,
        Some(365.0),
        true,
        "Longest waiver, for findings below high.",
    ),
    lim(
        "waiver_max_days_high",
        "days",
        90.0,
        Some(180.0),
        true,
        "Longest waiver for high and critical findings.",
    ),
];

/// Values of the limits in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits(BTreeMap<&'static str, f64>);

impl Default for Limits {
    fn default() -> Self {
        Self(LIMITS.iter().map(|l| (l.name, l.default)).collect())
    }
}

impl Limits {
    /// Value of a limit; `None` for an unknown name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// Whole seconds (or days, or count) of a limit that the code itself needs.
    #[must_use]
    pub fn whole(&self, name: &str) -> i64 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "limits are small; the parser bounds them"
        )]
        self.get(name).map_or(0, |v| v as i64)
    }

    /// Sets a limit.
    ///
    /// # Errors
    /// When no limit has this name.
    pub fn set(&mut self, name: &str, value: f64) -> Result<(), String> {
        match LIMITS.iter().find(|l| l.name == name) {
            Some(def) => {
                self.0.insert(def.name, value);
                Ok(())
            }
            None => Err(format!("unknown limit `{name}`")),
        }
    }

    /// All limits with their values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static LimitDef, f64)> + '_ {
        LIMITS.iter().map(|d| (d, self.get(d.name).unwrap_or(d.default)))
    }

    /// Limits that are set looser than their bound.
    #[must_use]
    pub fn loosened(&self) -> Vec<&'static str> {
        self.iter()
            .filter(|(d, v)| {
                d.bound.is_some_and(|b| if d.larger_is_looser { *v > b } else { *v < b })
            })
            .map(|(d, _)| d.name)
            .collect()
    }
}

/// Reads a duration such as `90s`, `15m`, `4h`, `30d`, `2w`, or a bare number of seconds.
#[must_use]
pub fn parse_duration_s(s: &str) -> Option<f64> {
    let s = s.trim();
    if let Ok(v) = s.parse::<f64>() {
        return (v.is_finite() && v >= 0.0).then_some(v);
    }
    let (number, unit) = s.split_at_checked(s.len().checked_sub(1)?)?;
    let value: f64 = number.trim().parse().ok()?;
    let factor = match unit {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        "w" => 604_800.0,
        _ => return None,
    };
    (value.is_finite() && value >= 0.0).then_some(value * factor)
}
