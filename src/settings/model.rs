//! The settings as typed data, and how the file becomes them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Screening;
use super::limits::{LIMITS, Limits, parse_duration_s};
use crate::facts::cell::Word;
use crate::facts::time::{Time, parse_rfc3339};
use crate::facts::vocab::{Layer, PrincipalKind, Tier};

/// Why the settings could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be opened.
    #[error("cannot read settings `{file}`: {source}")]
    Read {
        /// File.
        file: String,
        /// Cause.
        source: std::io::Error,
    },
    /// The file is not valid.
    #[error("settings `{file}`: {message}")]
    Invalid {
        /// File.
        file: String,
        /// What is wrong and where.
        message: String,
    },
}

/// Settings of a run.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// File the settings came from.
    pub file: Option<PathBuf>,
    /// SHA-256 of the settings text, lower-case hex; of the empty text when there is no file.
    pub digest: String,
    /// Name of the audited entity, for the cover of the report.
    pub entity: Option<String>,
    /// As-of time.
    pub as_of: Option<Time>,
    /// Audited period.
    pub period: Option<(Time, Time)>,
    /// Limits.
    pub limits: Limits,
    /// Longest authorised duration per tier, seconds.
    pub max_duration_s: BTreeMap<Tier, i64>,
    /// Longest authorised duration for a privilege of unknown tier, seconds.
    pub max_duration_unknown_s: Option<i64>,
    /// Approval policy.
    pub approval: ApprovalPolicy,
    /// Declared privileges: tier and longest duration by name pattern. First match wins.
    pub privileges: Vec<DeclaredPrivilege>,
    /// Environments by scope or principal pattern. First match wins.
    pub environments: Vec<Environment>,
    /// Approved roles; empty = no catalogue given.
    pub approved_roles: Vec<String>,
    /// Identity links the user vouches for.
    pub identities: Vec<IdentityLink>,
    /// Patterns of emergency identities.
    pub break_glass: Vec<String>,
    /// Patterns (`*`, `?`) of ticket ids in free text, beside the usual forms (`ABC-123`, `INC0012345`).
    pub ticket_patterns: Vec<String>,
    /// Principals of the broker that gives and takes privileges (full identifiers).
    pub brokers: Vec<String>,
    /// Resources that hold audit logs (ARNs of buckets and log groups).
    pub audit_logs: Vec<String>,
    /// Duties that one identity must not hold together.
    pub duties: Vec<Duties>,
    /// Accounts, tenants and domains that belong to the organisation.
    pub trusted_accounts: Vec<String>,
    /// Windows the user vouches for, by layer.
    pub coverage: Vec<CoverageClaim>,
    /// Forced formats and ledger mappings by file pattern.
    pub mappings: Vec<Mapping>,
    /// Directories with additional or overriding rules, relative to the settings file.
    pub rule_dirs: Vec<PathBuf>,
    /// Rules that are switched off, with the reason. They are listed in every report.
    pub disabled_rules: BTreeMap<String, String>,
    /// File patterns that are not inputs, with the reason.
    pub ignore: Vec<String>,
    /// Controls that the scope statement excludes, with the reason.
    pub not_applicable: Vec<NotApplicable>,
    /// How large ledgers are screened.
    pub screening: Screening,
}

/// A control that is out of scope, as a person decided.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotApplicable {
    /// Framework id (`nist-800-53-r5`).
    pub framework: String,
    /// Control id (`AC-20`).
    pub control: String,
    /// Why it does not apply.
    pub reason: String,
}

/// Which grants need which approval.
#[derive(Clone, Debug)]
pub struct ApprovalPolicy {
    /// Tiers whose grants need an approval.
    pub required_tiers: Vec<Tier>,
    /// Whether a privilege of unknown tier needs an approval.
    pub required_unknown: bool,
    /// Tiers whose grants need a named person.
    pub human_tiers: Vec<Tier>,
    /// Approvals needed per tier; one where absent.
    pub quorum: BTreeMap<Tier, i64>,
    /// Approver sets: pattern of privilege, approvers. First match wins. Empty = not given.
    pub approvers: Vec<ApproverSet>,
}

impl Default for ApprovalPolicy {
    fn default() -> Self {
        Self {
            required_tiers: vec![Tier::T0, Tier::T1, Tier::T2],
            required_unknown: true,
            human_tiers: vec![Tier::T0, Tier::T1],
            quorum: BTreeMap::new(),
            approvers: Vec::new(),
        }
    }
}

/// People who may approve a privilege.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproverSet {
    /// Pattern of the privilege (`*` and `?`).
    pub privilege: String,
    /// Approvers as the ledger writes them.
    pub approvers: Vec<String>,
}

/// A privilege whose content no export shows; the user declares its tier.
#[derive(Clone, Debug)]
pub struct DeclaredPrivilege {
    /// Pattern of the privilege name (`*` and `?`).
    pub pattern: String,
    /// Platform it applies to; all when absent.
    pub platform: Option<String>,
    /// Tier.
    pub tier: Option<Tier>,
    /// Longest authorised duration, seconds.
    pub max_duration_s: Option<i64>,
}

/// An environment and what belongs to it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Name (`prod`).
    pub name: String,
    /// Patterns of scopes.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Patterns of principals.
    #[serde(default)]
    pub principals: Vec<String>,
    /// Access only through grants: use without one is an exception.
    #[serde(default)]
    pub jit_only: bool,
}

/// Two duties that policy keeps apart (NIST 800-53 AC-5).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duties {
    /// Name of the pair; of a preset when nothing else is given.
    pub name: String,
    /// Actions (`kms:PutKeyPolicy`, `kms:Put*`) of the first duty.
    #[serde(default)]
    pub first: Vec<String>,
    /// Actions of the second duty.
    #[serde(default)]
    pub second: Vec<String>,
    /// Patterns of privileges (policies, roles) that are the first duty.
    #[serde(default)]
    pub first_privileges: Vec<String>,
    /// Patterns of privileges that are the second duty.
    #[serde(default)]
    pub second_privileges: Vec<String>,
}

/// Pairs of duties that are well known; in force only when the settings name them.
const PRESETS: &[(&str, &[&str], &[&str])] = &[
    (
        "key administration and key use",
        &["kms:PutKeyPolicy", "kms:CreateGrant", "kms:ScheduleKeyDeletion", "kms:DisableKey"],
        &["kms:Decrypt", "kms:ReEncryptFrom"],
    ),
    (
        "log deletion and data access",
        &[
            "cloudtrail:DeleteTrail",
            "cloudtrail:StopLogging",
            "logs:DeleteLogGroup",
            "logs:DeleteLogStream",
        ],
        &["s3:GetObject", "dynamodb:GetItem", "secretsmanager:GetSecretValue"],
    ),
];

impl Duties {
    /// Fills in a preset that is only named.
    fn resolve(mut self) -> Result<Self, String> {
        let given = |a: &[String], b: &[String]| !a.is_empty() || !b.is_empty();
        let first = given(&self.first, &self.first_privileges);
        let second = given(&self.second, &self.second_privileges);
        if first != second {
            return Err(format!("duties `{}`: both sides must say what they are", self.name));
        }
        if first {
            return Ok(self);
        }
        let Some((_, a, b)) = PRESETS.iter().find(|(name, ..)| *name == self.name) else {
            let known: Vec<&str> = PRESETS.iter().map(|(name, ..)| *name).collect();
            return Err(format!(
                "duties `{}`: say `first` and `second`, or use a preset: {}",
                self.name,
                known.join(", ")
            ));
        };
        self.first = a.iter().map(|s| (*s).to_owned()).collect();
        self.second = b.iter().map(|s| (*s).to_owned()).collect();
        Ok(self)
    }
}

/// Identifiers of one identity.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityLink {
    /// Canonical id.
    pub principal: String,
    /// Other names.
    #[serde(default)]
    pub same_as: Vec<String>,
    /// Kind, when the user states it.
    #[serde(default)]
    pub kind: Option<String>,
    /// Person behind it (one person with several accounts), for self-approval.
    #[serde(default)]
    pub person: Option<String>,
}

impl IdentityLink {
    /// Kind as vocabulary.
    #[must_use]
    pub fn kind(&self) -> Option<PrincipalKind> {
        self.kind.as_deref().and_then(PrincipalKind::from_word)
    }
}

/// A window a layer's sources cover, on the user's word.
#[derive(Clone, Debug)]
pub struct CoverageClaim {
    /// Layer word (`ledger`, `task`, `state`, `usage`).
    pub layer: String,
    /// File pattern the claim is about; all files of the layer when absent.
    pub file: Option<String>,
    /// Start.
    pub start: Option<Time>,
    /// End.
    pub end: Option<Time>,
    /// The sources are whole.
    pub complete: bool,
}

/// How to read a file: forced format, and column names of a generic ledger (grants model, section 10).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// File pattern (`*` and `?`), matched against the path relative to the input and the file name.
    pub file: String,
    /// Format id to force.
    #[serde(default)]
    pub format: Option<String>,
    /// What the file is about when it does not say so itself: the name of a cluster, `projects/p`, a subscription.
    #[serde(default)]
    pub realm: Option<String>,
    /// Our field -> column name of the file.
    #[serde(default)]
    pub columns: BTreeMap<String, String>,
    /// Fixed values for fields the file lacks (`platform = "aws"`).
    #[serde(default)]
    pub constants: BTreeMap<String, String>,
    /// Field -> (value of the file -> our word), for `decision`, `end_kind`, `state`, `kind`.
    #[serde(default)]
    pub values: BTreeMap<String, BTreeMap<String, String>>,
    /// `rfc3339` (default, all formats of the grants model accepted), `epoch_s`, `epoch_ms`, or a chrono format.
    #[serde(default)]
    pub time_format: Option<String>,
    /// Offset of times without zone, as `+02:00`; UTC when absent.
    #[serde(default)]
    pub time_offset: Option<String>,
    /// Unit of the `duration` column: `s`, `m`, `h`, `ms`, `iso8601`.
    #[serde(default)]
    pub duration_unit: Option<String>,
    /// What a missing end means: `open` (still held) or `unknown` (default).
    #[serde(default)]
    pub missing_end_means: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Raw {
    entity: Option<String>,
    as_of: Option<String>,
    period: Option<String>,
    #[serde(default)]
    limits: BTreeMap<String, toml::Value>,
    #[serde(default)]
    max_duration: BTreeMap<String, String>,
    #[serde(default)]
    approval: RawApproval,
    #[serde(default, rename = "privilege")]
    privileges: Vec<RawPrivilege>,
    #[serde(default, rename = "environment")]
    environments: Vec<Environment>,
    #[serde(default)]
    approved_roles: Vec<String>,
    #[serde(default, rename = "identity")]
    identities: Vec<IdentityLink>,
    #[serde(default)]
    break_glass: Vec<String>,
    #[serde(default)]
    ticket_patterns: Vec<String>,
    #[serde(default)]
    brokers: Vec<String>,
    #[serde(default)]
    audit_logs: Vec<String>,
    #[serde(default)]
    duties: Vec<Duties>,
    #[serde(default)]
    trusted_accounts: Vec<String>,
    #[serde(default)]
    coverage: Vec<RawCoverage>,
    #[serde(default, rename = "mapping")]
    mappings: Vec<Mapping>,
    #[serde(default)]
    rule_dirs: Vec<PathBuf>,
    #[serde(default)]
    disabled_rules: BTreeMap<String, String>,
    #[serde(default)]
    ignore: Vec<String>,
    #[serde(default)]
    not_applicable: Vec<NotApplicable>,
    #[serde(default)]
    screening: Screening,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawApproval {
    required_for: Option<Vec<String>>,
    human_for: Option<Vec<String>>,
    #[serde(default)]
    quorum: BTreeMap<String, i64>,
    #[serde(default)]
    approvers: Vec<ApproverSet>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPrivilege {
    pattern: String,
    platform: Option<String>,
    tier: Option<String>,
    max_duration: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCoverage {
    layer: String,
    file: Option<String>,
    start: Option<String>,
    end: Option<String>,
    #[serde(default)]
    complete: bool,
}

/// Durations per tier when the settings say nothing, seconds.
fn default_durations() -> BTreeMap<Tier, i64> {
    BTreeMap::from([
        (Tier::T0, 4 * 3600),
        (Tier::T1, 8 * 3600),
        (Tier::T2, 12 * 3600),
        (Tier::T3, 24 * 3600),
        (Tier::T4, 7 * 86_400),
    ])
}

impl Settings {
    /// Settings of a run without a file.
    #[must_use]
    pub fn defaults() -> Self {
        Self {
            max_duration_s: default_durations(),
            max_duration_unknown_s: Some(12 * 3600),
            digest: crate::findings::fingerprint::digest(&[]),
            ..Self::default()
        }
    }

    /// Reads a settings file.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, has unknown keys or values out of range.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| SettingsError::Read { file: file.clone(), source })?;
        let mut settings =
            Self::parse(&text).map_err(|message| SettingsError::Invalid { file, message })?;
        let base = path.parent().unwrap_or_else(|| Path::new("."));
        for dir in &mut settings.rule_dirs {
            *dir = base.join(&*dir);
        }
        settings.file = Some(path.to_path_buf());
        Ok(settings)
    }

    /// Reads settings text.
    ///
    /// # Errors
    /// A message with the place and the remedy.
    pub fn parse(text: &str) -> Result<Self, String> {
        let raw: Raw = toml::from_str(text).map_err(|e| e.to_string())?;
        let mut out = Self::defaults();
        out.digest = crate::findings::fingerprint::hex(&<sha2::Sha256 as sha2::Digest>::digest(
            text.as_bytes(),
        ));
        out.entity = raw.entity;
        out.as_of = raw.as_of.map(|s| time("as_of", &s)).transpose()?;
        out.period = raw.period.map(|s| parse_period(&s)).transpose()?;
        for (name, value) in &raw.limits {
            out.limits.set(name, limit_value(name, value)?).map_err(|e| {
                let known = LIMITS.iter().map(|l| l.name).collect::<Vec<_>>().join(", ");
                format!("{e}; known limits: {known}")
            })?;
        }
        for (name, value) in &raw.max_duration {
            let s = whole_duration("max_duration", value)?;
            if name == "unknown" {
                out.max_duration_unknown_s = Some(s);
            } else {
                out.max_duration_s.insert(tier(name)?, s);
            }
        }
        apply_approval(&mut out.approval, raw.approval)?;
        for p in raw.privileges {
            out.privileges.push(DeclaredPrivilege {
                tier: p.tier.as_deref().map(tier).transpose()?,
                max_duration_s: p
                    .max_duration
                    .as_deref()
                    .map(|s| whole_duration("max_duration", s))
                    .transpose()?,
                pattern: p.pattern,
                platform: p.platform,
            });
        }
        for c in raw.coverage {
            if Layer::from_word(&c.layer).is_none() {
                let known = Layer::ALL.join(", ");
                return Err(format!("coverage: unknown layer `{}`; use one of {known}", c.layer));
            }
            out.coverage.push(CoverageClaim {
                start: c.start.as_deref().map(|s| time("coverage.start", s)).transpose()?,
                end: c.end.as_deref().map(|s| time("coverage.end", s)).transpose()?,
                layer: c.layer,
                file: c.file,
                complete: c.complete,
            });
        }
        for link in &raw.identities {
            if let Some(kind) = &link.kind
                && PrincipalKind::from_word(kind).is_none()
            {
                return Err(format!("identity `{}`: unknown kind `{kind}`", link.principal));
            }
        }
        out.environments = raw.environments;
        out.approved_roles = raw.approved_roles;
        out.identities = raw.identities;
        out.break_glass = raw.break_glass;
        out.ticket_patterns = raw.ticket_patterns;
        out.brokers = raw.brokers;
        out.audit_logs = raw.audit_logs;
        out.duties = raw.duties.into_iter().map(Duties::resolve).collect::<Result<_, String>>()?;
        out.trusted_accounts = raw.trusted_accounts;
        out.mappings = raw.mappings;
        out.rule_dirs = raw.rule_dirs;
        out.disabled_rules = raw.disabled_rules;
        out.ignore = raw.ignore;
        out.not_applicable = raw.not_applicable;
        out.screening = raw.screening;
        Ok(out)
    }
}

fn apply_approval(policy: &mut ApprovalPolicy, raw: RawApproval) -> Result<(), String> {
    if let Some(words) = raw.required_for {
        policy.required_unknown = words.iter().any(|w| w == "unknown");
        policy.required_tiers = tiers(&words)?;
    }
    if let Some(words) = raw.human_for {
        policy.human_tiers = tiers(&words)?;
    }
    for (name, n) in &raw.quorum {
        if !(1..=100).contains(n) {
            return Err(format!("approval.quorum.{name}: `{n}` is not between 1 and 100"));
        }
        policy.quorum.insert(tier(name)?, *n);
    }
    policy.approvers = raw.approvers;
    Ok(())
}

fn tiers(words: &[String]) -> Result<Vec<Tier>, String> {
    words.iter().filter(|w| *w != "unknown").map(|w| tier(w)).collect()
}

fn tier(word: &str) -> Result<Tier, String> {
    Tier::from_word(word).ok_or_else(|| format!("unknown tier `{word}`; use T0 to T4"))
}

fn time(key: &str, s: &str) -> Result<Time, String> {
    parse_rfc3339(s).ok_or_else(|| format!("{key}: `{s}` is not a time; use 2026-11-01T00:00:00Z"))
}

fn whole_duration(key: &str, s: &str) -> Result<i64, String> {
    let v = parse_duration_s(s)
        .ok_or_else(|| format!("{key}: `{s}` is not a duration; use 90s, 15m, 4h or 30d"))?;
    #[expect(clippy::cast_possible_truncation, reason = "bounded to 1000 years")]
    Ok(v.min(31_536_000_000.0) as i64)
}

fn limit_value(name: &str, value: &toml::Value) -> Result<f64, String> {
    let parsed = match value {
        #[expect(clippy::cast_precision_loss, reason = "limits are small")]
        toml::Value::Integer(i) => Some(*i as f64),
        toml::Value::Float(f) => Some(*f),
        toml::Value::String(s) if name.ends_with("_days") => {
            parse_duration_s(s).map(|v| v / 86_400.0)
        }
        toml::Value::String(s) => parse_duration_s(s),
        _ => None,
    };
    parsed
        .filter(|v| v.is_finite() && (0.0..=1e12).contains(v))
        .ok_or_else(|| format!("limits.{name}: `{value}` is not a number or duration of 0 or more"))
}

/// Reads `A..B` as a half-open period.
///
/// # Errors
/// When an end is not a time or the order is wrong.
pub fn parse_period(s: &str) -> Result<(Time, Time), String> {
    let (a, b) = s
        .split_once("..")
        .ok_or_else(|| format!("period: `{s}` has no `..`; use 2026-01-01..2026-04-01"))?;
    let (a, b) = (time("period", a)?, time("period", b)?);
    if b <= a {
        return Err(format!("period: `{s}` ends before it begins"));
    }
    Ok((a, b))
}
