//! Waivers: exceptions somebody answers for, until a date.
//!
//! ```yaml
//! waivers:
//!   - id: W-2026-014
//!     match: {rule: GRT-003, principal: "arn:aws:iam::1:role/deploy", grant_id: g-17}
//!     reason: vendor migration runs until the end of the quarter
//!     owner: alice@example.com
//!     approver: bob@example.com
//!     ticket: SEC-231
//!     created: 2026-10-01
//!     expires: 2026-12-15
//! ```
//!
//! Matches are exact text. A waiver with a fault (no end, no owner, approved by its owner, too
//! long ...) is shown and never applied. All questions of time are answered by [`life`] alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::facts::store::evidence_ref;
use crate::facts::time::parse_rfc3339;
use crate::facts::{Time, WaiverFact, text};
use crate::findings::fingerprint::{is_sha256, sha256};
use crate::findings::{Finding, Severity, Status};
use crate::report::view::WaiverRow;
use crate::settings::Limits;

/// Largest waiver file, bytes.
const MAX_BYTES: u64 = 8 << 20;

/// Why a waiver file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WaiverError {
    /// It cannot be read.
    #[error("cannot read waivers `{file}`: {source}")]
    Read {
        /// File.
        file: String,
        /// Cause.
        source: std::io::Error,
    },
    /// It is not a waiver file.
    #[error("waivers `{file}`: {message}")]
    Invalid {
        /// File.
        file: String,
        /// What is wrong, and where.
        message: String,
    },
}

/// What a waiver covers: a fingerprint, or a rule and a principal with further fields. Exact text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    /// Fingerprint.
    pub fingerprint: Option<String>,
    /// Rule.
    pub rule: Option<String>,
    /// Principal.
    pub principal: Option<String>,
    /// Privilege.
    pub privilege: Option<String>,
    /// Scope.
    pub scope: Option<String>,
    /// Grant.
    pub grant_id: Option<String>,
}

impl Match {
    fn fields(&self) -> [(&'static str, &Option<String>); 6] {
        [
            ("fingerprint", &self.fingerprint),
            ("rule", &self.rule),
            ("principal", &self.principal),
            ("privilege", &self.privilege),
            ("scope", &self.scope),
            ("grant_id", &self.grant_id),
        ]
    }

    fn fault(&self) -> Option<String> {
        for (name, value) in self.fields() {
            match value.as_deref() {
                Some(v) if v.trim().is_empty() => return Some(format!("match.{name} is empty")),
                Some("*" | "?") => {
                    return Some(format!(
                        "match.{name} is a bare wildcard; matches are exact, name the subject or the fingerprint"
                    ));
                }
                _ => {}
            }
        }
        match &self.fingerprint {
            Some(f) if !is_sha256(f) => {
                Some("match.fingerprint is not 64 lower-case hex digits".into())
            }
            Some(_) => None,
            None if self.rule.is_none() || self.principal.is_none() => {
                Some("match needs `fingerprint`, or `rule` and `principal`".into())
            }
            None => None,
        }
    }

    fn has_wildcard(&self) -> bool {
        self.fields().iter().any(|(_, v)| v.as_deref().is_some_and(|v| v.contains(['*', '?'])))
    }

    /// Whether it covers a finding. At tier T0 nothing that looks like a pattern does, even where
    /// the finding has the same text: there the fingerprint must be named.
    #[must_use]
    pub fn covers(&self, f: &Finding) -> bool {
        if f.tier.as_deref() == Some("T0") && self.fingerprint.is_none() && self.has_wildcard() {
            return false;
        }
        let same = |want: &Option<String>, have: Option<&str>| {
            want.as_deref().is_none_or(|w| have == Some(w))
        };
        same(&self.fingerprint, Some(&f.fingerprint))
            && same(&self.rule, Some(&f.rule))
            && same(&self.principal, f.principal.as_deref())
            && same(&self.privilege, f.privilege.as_deref())
            && same(&self.scope, f.scope.as_deref())
            && same(&self.grant_id, f.grant_id.as_deref())
    }
}

impl std::fmt::Display for Match {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<String> = self
            .fields()
            .iter()
            .filter_map(|(name, v)| v.as_ref().map(|v| format!("{name} {v}")))
            .collect();
        f.write_str(&parts.join(", "))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    version: Option<u32>,
    waivers: Vec<RawWaiver>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWaiver {
    id: Option<String>,
    #[serde(default, rename = "match")]
    matches: Match,
    reason: Option<String>,
    owner: Option<String>,
    approver: Option<String>,
    ticket: Option<String>,
    created: Option<String>,
    expires: Option<String>,
    #[serde(default)]
    compensating_controls: Vec<String>,
    evidence: Option<String>,
}

/// One waiver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Waiver {
    /// Id.
    pub id: String,
    /// What it covers.
    pub matches: Match,
    /// Reason.
    pub reason: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Who approved it.
    pub approver: Option<String>,
    /// Ticket.
    pub ticket: Option<String>,
    /// Creation.
    #[serde(skip)]
    pub created: Option<Time>,
    /// First instant at which it no longer holds. A date without time is its midnight, UTC.
    #[serde(skip)]
    pub expires: Option<Time>,
    /// What is done instead.
    pub compensating_controls: Vec<String>,
    /// Link to evidence.
    pub evidence: Option<String>,
    /// What is wrong with it as it is written.
    pub faults: Vec<String>,
}

/// Where a waiver is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Not begun at the as-of time.
    NotBegun,
    /// More than 14 days left.
    Active,
    /// At most 14 days left.
    Warning,
    /// At most 7 days left.
    Urgent,
    /// Over.
    Expired,
}

const DAY: i64 = 86_400;

/// Where a waiver is in its life. The one place that compares its times with the as-of time. Times
/// are compared whole, not by days: at the instant of expiry it is over.
#[must_use]
pub fn life(created: Option<Time>, expires: Time, as_of: Time) -> Life {
    if as_of >= expires {
        return Life::Expired;
    }
    if created.is_some_and(|c| c > as_of) {
        return Life::NotBegun;
    }
    if as_of >= expires.plus_secs(-7 * DAY) {
        Life::Urgent
    } else if as_of >= expires.plus_secs(-14 * DAY) {
        Life::Warning
    } else {
        Life::Active
    }
}

/// What became of the waivers in a run.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// Rows for the report.
    pub rows: Vec<WaiverRow>,
    /// Rows for the rule about governance of exceptions.
    pub facts: Vec<WaiverFact>,
    /// Faults by waiver id, those included that only the matched findings show.
    pub faults: BTreeMap<String, Vec<String>>,
}

/// The waivers of a file, in its order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Waivers {
    /// File, as named in evidence.
    pub file: String,
    /// SHA-256 of the text.
    pub digest: String,
    /// Waivers.
    pub list: Vec<Waiver>,
}

impl Waivers {
    /// Reads a waiver file.
    ///
    /// # Errors
    /// When it cannot be read or is not a list of waivers. A single waiver with a fault is no error.
    pub fn load(path: &Path) -> Result<Self, WaiverError> {
        let file = path.display().to_string();
        let read = |source| WaiverError::Read { file: file.clone(), source };
        let size = std::fs::metadata(path).map_err(read)?.len();
        if size > MAX_BYTES {
            let message = format!("is {size} bytes long; the most is {MAX_BYTES}");
            return Err(WaiverError::Invalid { file, message });
        }
        let text = std::fs::read_to_string(path).map_err(read)?;
        let name =
            path.file_name().map_or_else(|| file.clone(), |n| n.to_string_lossy().into_owned());
        Self::parse(&text, &name).map_err(|e| match e {
            WaiverError::Invalid { message, .. } => WaiverError::Invalid { file, message },
            other => other,
        })
    }

    /// Reads waiver text. `file` names it in evidence.
    ///
    /// # Errors
    /// When it is not a list of waivers, or two have the same id.
    pub fn parse(text: &str, file: &str) -> Result<Self, WaiverError> {
        let invalid = |message: String| WaiverError::Invalid { file: file.to_owned(), message };
        let raw: RawFile = serde_saphyr::from_str(text).map_err(|e| invalid(e.to_string()))?;
        if let Some(v) = raw.version.filter(|v| *v != 1) {
            return Err(invalid(format!(
                "version {v} is not known; this version of overstay knows 1"
            )));
        }
        let mut seen = BTreeSet::new();
        let mut list = Vec::with_capacity(raw.waivers.len());
        for (i, w) in raw.waivers.into_iter().enumerate() {
            let waiver = build(w, i);
            if !seen.insert(waiver.id.clone()) {
                return Err(invalid(format!("the id `{}` is there twice", waiver.id)));
            }
            list.push(waiver);
        }
        let digest = sha256(text.as_bytes());
        Ok(Self { file: file.to_owned(), digest, list })
    }

    /// Applies the waivers: sets `waived` on the findings they cover and says what each did. Run it
    /// after the baseline, over all findings.
    pub fn apply(&self, findings: &mut [Finding], as_of: Time, limits: &Limits) -> Applied {
        let mut out = Applied::default();
        for (i, w) in self.list.iter().enumerate() {
            let matched: Vec<usize> = if w.matches.fault().is_none() {
                findings
                    .iter()
                    .enumerate()
                    .filter(|(_, f)| w.matches.covers(f))
                    .map(|(i, _)| i)
                    .collect()
            } else {
                Vec::new()
            };
            let severity =
                matched.iter().filter_map(|i| findings.get(*i)).map(|f| f.severity).max();
            let max_days = max_days(severity, limits);
            let mut faults = w.faults.clone();
            faults.extend(w.too_long(max_days, severity));
            let life = w.expires.map(|e| life(w.created, e, as_of));
            if faults.is_empty() && !matches!(life, None | Some(Life::Expired | Life::NotBegun)) {
                for i in &matched {
                    if let Some(f) = findings.get_mut(*i) {
                        f.status = Status::Waived;
                    }
                }
            }
            out.rows.push(w.row(&faults, life, matched.len() as u64));
            out.facts.push(w.fact(&self.file, i, as_of, (severity, max_days, matched.len())));
            out.faults.insert(w.id.clone(), faults);
        }
        out
    }
}

fn max_days(severity: Option<Severity>, limits: &Limits) -> i64 {
    let name = match severity {
        Some(Severity::High | Severity::Critical) => "waiver_max_days_high",
        _ => "waiver_max_days",
    };
    limits.whole(name)
}

impl Waiver {
    fn too_long(&self, max_days: i64, severity: Option<Severity>) -> Option<String> {
        let seconds = self.expires?.secs_since(self.created?);
        let what = severity.map_or_else(|| "a waiver".to_owned(), |s| format!("a {s} finding"));
        (seconds > max_days.saturating_mul(DAY)).then(|| {
            format!("lasts {} days, {what} may be waived for {max_days}", seconds.div_euclid(DAY))
        })
    }

    /// State word: a fault first, then over, then without effect, then how long it has left.
    fn row(&self, faults: &[String], life: Option<Life>, matched: u64) -> WaiverRow {
        let state = match life {
            _ if !faults.is_empty() => "invalid",
            None => "invalid",
            Some(Life::Expired) => "expired",
            _ if matched == 0 => "unused",
            Some(Life::NotBegun) => "unused",
            Some(Life::Active) => "active",
            Some(Life::Warning) => "warning",
            Some(Life::Urgent) => "urgent",
        };
        WaiverRow {
            id: self.id.clone(),
            state: state.into(),
            matches: self.matches.to_string(),
            reason: self.reason.clone(),
            owner: self.owner.clone(),
            approver: self.approver.clone(),
            ticket: self.ticket.clone(),
            expires: self.expires.map(Time::to_rfc3339),
            matched,
        }
    }

    fn fact(
        &self,
        file: &str,
        index: usize,
        as_of: Time,
        (severity, max_days, matched): (Option<Severity>, i64, usize),
    ) -> WaiverFact {
        let opt = |s: &Option<String>| s.as_deref().map(text);
        WaiverFact {
            waiver_id: text(&self.id),
            matches: text(self.matches.to_string()),
            owner: opt(&self.owner),
            approver: opt(&self.approver),
            self_approved: self.self_approved(),
            reason: opt(&self.reason),
            ticket: opt(&self.ticket),
            created_at: self.created,
            expires_at: self.expires,
            expired: self.expires.map(|e| life(None, e, as_of) == Life::Expired),
            length_days: self.expires.zip(self.created).map(|(e, c)| e.days_since(c)),
            max_length_days: Some(max_days),
            n_matched: i64::try_from(matched).unwrap_or(i64::MAX),
            severity: severity.map(|s| text(s.as_str())),
            refs: vec![evidence_ref(file, &format!("/waivers/{index}"))],
        }
    }

    fn self_approved(&self) -> Option<bool> {
        let same = |a: &str, b: &str| a.trim().to_lowercase() == b.trim().to_lowercase();
        Some(same(self.owner.as_deref()?, self.approver.as_deref()?))
    }
}

fn build(raw: RawWaiver, index: usize) -> Waiver {
    let mut faults = Vec::new();
    let filled = |s: Option<String>| s.map(|s| s.trim().to_owned()).filter(|s| !s.is_empty());
    let id = filled(raw.id).unwrap_or_else(|| {
        faults.push("has no id".to_owned());
        format!("#{}", index + 1)
    });
    faults.extend(raw.matches.fault());
    let mut time = |name: &str, value: Option<String>| {
        let Some(value) = filled(value) else {
            faults.push(format!("has no `{name}`"));
            return None;
        };
        let time = parse_rfc3339(&value);
        if time.is_none() {
            faults.push(format!("{name}: `{value}` is not a time; use 2026-12-31"));
        }
        time
    };
    let created = time("created", raw.created);
    let expires = time("expires", raw.expires);
    let out = Waiver {
        id,
        matches: raw.matches,
        reason: filled(raw.reason),
        owner: filled(raw.owner),
        approver: filled(raw.approver),
        ticket: filled(raw.ticket),
        created,
        expires,
        compensating_controls: raw.compensating_controls,
        evidence: filled(raw.evidence),
        faults: Vec::new(),
    };
    for (name, value) in
        [("reason", &out.reason), ("owner", &out.owner), ("approver", &out.approver)]
    {
        if value.is_none() {
            faults.push(format!("has no `{name}`"));
        }
    }
    if out.self_approved() == Some(true) {
        faults.push("owner and approver are the same".into());
    }
    if out.created.zip(out.expires).is_some_and(|(c, e)| e <= c) {
        faults.push("expires before it is created".into());
    }
    Waiver { faults, ..out }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::testing::finding;

    const GOOD: &str = "
waivers:
  - id: W-1
    match: {rule: GRT-003, principal: alice}
    reason: migration
    owner: carol@example.com
    approver: dave@example.com
    ticket: SEC-1
    created: 2026-10-01
    expires: 2026-12-01
    compensating_controls: [monitoring]
    evidence: https://example.com/1
";

    fn at(s: &str) -> Time {
        parse_rfc3339(s).unwrap()
    }

    fn applied(text: &str, as_of: &str, f: &mut [Finding]) -> Applied {
        Waivers::parse(text, "w.yaml").unwrap().apply(f, at(as_of), &Limits::default())
    }

    fn state(text: &str, as_of: &str) -> (String, Status) {
        let mut f = [finding("alice", Severity::Medium), finding("bob", Severity::Medium)];
        let a = applied(text, as_of, &mut f);
        assert_eq!(f[1].status, Status::Open);
        (a.rows[0].state.clone(), f[0].status)
    }

    #[test]
    fn boundaries_of_life() {
        for (as_of, want, status) in [
            ("2026-09-30T23:59:59Z", "unused", Status::Open),
            ("2026-10-01", "active", Status::Waived),
            ("2026-11-16T23:59:59.999999Z", "active", Status::Waived),
            ("2026-11-17", "warning", Status::Waived),
            ("2026-11-23T23:59:59Z", "warning", Status::Waived),
            ("2026-11-24", "urgent", Status::Waived),
            ("2026-11-30T23:59:59.999999Z", "urgent", Status::Waived),
            ("2026-12-01", "expired", Status::Open),
            ("2027-06-01", "expired", Status::Open),
        ] {
            let (got, s) = state(GOOD, as_of);
            // Not begun covers findings but has no effect yet.
            assert_eq!((got.as_str(), s), (want, status), "{as_of}");
        }
    }

    #[test]
    fn faults_disarm_a_waiver() {
        for (from, to, word) in [
            ("    expires: 2026-12-01\n", "", "no `expires`"),
            ("expires: 2026-12-01", "expires: soon", "not a time"),
            ("    owner: carol@example.com\n", "", "no `owner`"),
            ("approver: dave@example.com", "approver: ' CAROL@example.com'", "same"),
            ("reason: migration", "reason: '  '", "no `reason`"),
            ("principal: alice", "principal: '*'", "bare wildcard"),
            (", principal: alice", "", "needs `fingerprint`"),
            ("rule: GRT-003, principal: alice", "fingerprint: abc", "64 lower-case"),
            ("created: 2026-10-01", "created: 2026-12-02", "expires before"),
            ("created: 2026-10-01", "created: 2026-01-01", "lasts 334 days"),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD);
            let mut f = [finding("alice", Severity::Medium)];
            let a = applied(&text, "2026-11-01", &mut f);
            assert_eq!((a.rows[0].state.as_str(), f[0].status), ("invalid", Status::Open), "{to}");
            let faults = a.faults["W-1"].join("; ");
            assert!(faults.contains(word), "{word}: {faults}");
        }
    }

    #[test]
    fn the_longest_term_follows_the_severity() {
        let text = GOOD.replacen("2026-12-01", "2027-02-01", 1);
        let mut f = [finding("alice", Severity::Medium)];
        assert_eq!(applied(&text, "2026-11-01", &mut f).rows[0].state, "active");
        let mut f = [finding("alice", Severity::High)];
        let a = applied(&text, "2026-11-01", &mut f);
        assert_eq!((a.rows[0].state.as_str(), f[0].status), ("invalid", Status::Open));
        assert_eq!(a.facts[0].max_length_days, Some(90));
        assert_eq!(a.facts[0].length_days, Some(123));
        // Exactly the limit is allowed.
        let text = GOOD.replacen("2026-12-01", "2026-12-30", 1);
        let mut f = [finding("alice", Severity::High)];
        assert_eq!(applied(&text, "2026-11-01", &mut f).rows[0].state, "active");
    }

    #[test]
    fn patterns_never_cover_the_highest_tier() {
        let text = GOOD.replacen("principal: alice", "principal: alice, scope: 'arn:*'", 1);
        let mut f = [finding("alice", Severity::Medium)];
        f[0].scope = Some("arn:*".into());
        assert_eq!(applied(&text, "2026-11-01", &mut f).rows[0].matched, 1);
        f[0].tier = Some("T0".into());
        f[0].status = Status::Open;
        assert_eq!(applied(&text, "2026-11-01", &mut f).rows[0].matched, 0);
        assert_eq!(f[0].status, Status::Open);
    }

    #[test]
    fn facts_are_what_the_governance_rule_needs() {
        let mut f = [finding("alice", Severity::High)];
        let a = applied(GOOD, "2026-12-01", &mut f);
        let w = &a.facts[0];
        assert_eq!((w.expired, w.self_approved, w.n_matched), (Some(true), Some(false), 1));
        assert_eq!(w.severity.as_deref(), Some("high"));
        assert_eq!(&*w.refs[0], "w.yaml#/waivers/0");
    }

    #[test]
    fn hostile_files_are_errors() {
        let bomb = format!("a: &a [x,x,x,x,x,x,x,x,x]\n{}waivers: []\n", (0..30).map(|i| {
            let prev = if i == 0 { "a".to_owned() } else { format!("b{}", i - 1) };
            format!("b{i}: &b{i} [*{prev},*{prev},*{prev},*{prev},*{prev},*{prev},*{prev},*{prev}]\n")
        }).collect::<String>());
        let deep = format!("waivers: {}{}", "[".repeat(50_000), "]".repeat(50_000));
        for text in [
            "",
            "[]",
            "waivers: 3",
            "waivers: [3]",
            "waiver: []",
            "waivers: []\nx: 1",
            "version: 2\nwaivers: []",
            "\u{0}",
            "waivers: [{id: a, mach: {}}]",
            &bomb,
            &deep,
            "waivers: [{id: a}, {id: a}]",
        ] {
            assert!(
                Waivers::parse(text, "w").is_err(),
                "{}",
                text.chars().take(60).collect::<String>()
            );
        }
        assert_eq!(Waivers::parse("waivers: []", "w").unwrap().list, vec![]);
    }
}
