//! The settings in force as rows, with what is looser than its bound marked.

use crate::facts::Tier;
use crate::report::text::{count, counted, duration};
use crate::report::view::SettingRow;
use crate::settings::{ApprovalPolicy, LimitDef, Settings};

fn limit(def: &LimitDef, value: f64) -> String {
    match def.unit {
        "s" => duration(value as i64),
        "days" => counted(value as u64, "day", "days"),
        "share" => format!("{} %", value * 100.0),
        _ => count(value as u64),
    }
}

fn tiers(tiers: &[Tier], unknown: bool) -> String {
    let mut words: Vec<&str> = tiers.iter().map(|t| t.as_str()).collect();
    words.sort_unstable();
    if unknown {
        words.push("unknown");
    }
    if words.is_empty() { "none".into() } else { words.join(", ") }
}

fn row(name: impl Into<String>, value: String, default: String, loosened: bool) -> SettingRow {
    SettingRow { name: name.into(), value, default, loosened }
}

/// All settings that decide a result.
pub(super) fn rows(settings: &Settings) -> Vec<SettingRow> {
    let loosened = settings.limits.loosened();
    let mut out: Vec<SettingRow> = settings
        .limits
        .iter()
        .map(|(def, value)| {
            let name = format!("limits.{}", def.name);
            row(name, limit(def, value), limit(def, def.default), loosened.contains(&def.name))
        })
        .collect();
    out.extend(durations(settings));
    out.extend(approval(&settings.approval));
    out.extend(lists(settings));
    out
}

fn durations(settings: &Settings) -> Vec<SettingRow> {
    let defaults = Settings::defaults();
    let show = |s: Option<i64>| s.map_or("none".into(), duration);
    let mut out: Vec<SettingRow> = [Tier::T0, Tier::T1, Tier::T2, Tier::T3, Tier::T4]
        .into_iter()
        .map(|t| {
            let (value, default) =
                (settings.max_duration_s.get(&t), defaults.max_duration_s.get(&t));
            // Without a limit nothing is ever too long.
            let loosened = value.is_none();
            row(format!("max_duration.{t}"), show(value.copied()), show(default.copied()), loosened)
        })
        .collect();
    out.push(row(
        "max_duration.unknown",
        show(settings.max_duration_unknown_s),
        show(defaults.max_duration_unknown_s),
        settings.max_duration_unknown_s.is_none(),
    ));
    out
}

fn approval(policy: &ApprovalPolicy) -> Vec<SettingRow> {
    let default = ApprovalPolicy::default();
    let fewer = |have: &[Tier], want: &[Tier]| want.iter().any(|t| !have.contains(t));
    let required_loose = fewer(&policy.required_tiers, &default.required_tiers)
        || (default.required_unknown && !policy.required_unknown);
    vec![
        row(
            "approval.required_for",
            tiers(&policy.required_tiers, policy.required_unknown),
            tiers(&default.required_tiers, default.required_unknown),
            required_loose,
        ),
        row(
            "approval.human_for",
            tiers(&policy.human_tiers, false),
            tiers(&default.human_tiers, false),
            fewer(&policy.human_tiers, &default.human_tiers),
        ),
        row(
            "approval.quorum",
            if policy.quorum.is_empty() {
                "1".into()
            } else {
                let parts: Vec<String> =
                    policy.quorum.iter().map(|(t, n)| format!("{t} {n}")).collect();
                parts.join(", ")
            },
            "1".into(),
            false,
        ),
    ]
}

fn lists(settings: &Settings) -> Vec<SettingRow> {
    let entries = |n: usize| counted(u64::try_from(n).unwrap_or(u64::MAX), "entry", "entries");
    let list = |name: &str, n: usize, loosened| row(name, entries(n), entries(0), loosened);
    let mut out = vec![
        list("approval.approvers", settings.approval.approvers.len(), false),
        list("approved_roles", settings.approved_roles.len(), false),
        list("audit_logs", settings.audit_logs.len(), false),
        list("break_glass", settings.break_glass.len(), false),
        list("brokers", settings.brokers.len(), false),
        list("coverage", settings.coverage.len(), false),
        list("duties", settings.duties.len(), false),
        list("environment", settings.environments.len(), false),
        list("identity", settings.identities.len(), false),
        list("mapping", settings.mappings.len(), false),
        list("privilege", settings.privileges.len(), false),
        list("trusted_accounts", settings.trusted_accounts.len(), false),
    ];
    for (rule, reason) in &settings.disabled_rules {
        out.push(row(format!("disabled_rules.{rule}"), reason.clone(), "not set".into(), true));
    }
    for pattern in &settings.ignore {
        out.push(row("ignore", pattern.clone(), "not set".into(), false));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_not_loose() {
        let rows = rows(&Settings::defaults());
        assert!(rows.iter().all(|r| !r.loosened && r.value == r.default), "{rows:#?}");
    }

    #[test]
    fn looser_settings_are_marked() {
        let settings = Settings::parse(
            "ignore = [\"*.bak\"]\n[limits]\nidle_days = 400\n[approval]\nrequired_for = [\"T0\"]\n\
             [disabled_rules]\nGRT-003 = \"noise\"\n",
        )
        .unwrap();
        let rows = rows(&settings);
        let loose: Vec<&str> =
            rows.iter().filter(|r| r.loosened).map(|r| r.name.as_str()).collect();
        assert_eq!(loose, ["limits.idle_days", "approval.required_for", "disabled_rules.GRT-003"]);
    }
}
