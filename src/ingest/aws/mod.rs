//! AWS exports: identities and their policies, the organisation above them, the resources beside them,
//! what AWS itself found, and what was used.

use std::borrow::Cow;

use serde::Deserialize;

use super::source::{Adapter, Batch, IngestError, Input};
use crate::facts::time::parse_rfc3339;
use crate::facts::{Alias, Confidence, Facts, Owner, OwnerSource, Text, Time, text};

pub mod access_analyzer;
pub mod authorization_details;
pub mod cloudtrail;
pub mod consoleme;
pub mod credential_report;
pub mod iam_lists;
pub mod identity_center;
pub mod json;
pub mod last_accessed;
pub mod organizations;
pub mod resource_policies;
pub mod snapshots;
pub mod sso_elevator;
pub mod team;

/// The adapters of this folder.
pub static ADAPTERS: &[&dyn Adapter] = &[
    &authorization_details::AuthorizationDetails,
    &credential_report::CredentialReport,
    &last_accessed::LastAccessed,
    &organizations::Organizations,
    &access_analyzer::AccessAnalyzer,
    &resource_policies::ResourcePolicies,
    &identity_center::IdentityCenter,
    &cloudtrail::CloudTrail,
    &iam_lists::IamLists,
    &team::Team,
    &sso_elevator::SsoElevator,
    &consoleme::ConsoleMe,
];

/// Joins what several AWS files of a run say. Called once with all facts, before anything is resolved.
pub fn finish(facts: &mut Facts) {
    authorization_details::reconcile_pages(facts);
    snapshots::supersede(facts);
    iam_lists::finish(facts);
    organizations::finish(facts);
    identity_center::finish(facts);
    access_analyzer::finish(facts);
    cloudtrail::finish(facts);
    sso_elevator::finish(facts);
}

/// A date of the AWS CLI: ISO 8601 with `T` or blank, `Z` or an offset, or epoch seconds.
#[derive(Deserialize)]
#[serde(untagged)]
enum When<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Seconds(f64),
}

impl When<'_> {
    fn time(&self) -> Option<Time> {
        match self {
            Self::Text(s) => parse_date(s),
            Self::Seconds(s) => from_epoch(*s),
        }
    }
}

fn from_epoch(s: f64) -> Option<Time> {
    #[expect(clippy::cast_possible_truncation, reason = "bounded to the years 1970 to 9999")]
    (0.0..253_402_300_800.0).contains(&s).then(|| Time::from_micros((s * 1e6).round() as i64))
}

/// Reads any date form that AWS exports show.
fn parse_date(s: &str) -> Option<Time> {
    let s = s.trim();
    if let Some(t) = parse_rfc3339(s) {
        return Some(t);
    }
    // `2026-01-01T00:00:00+0000`, `2026-01-01 00:00:00 UTC`, epoch seconds as text.
    let s = s.strip_suffix(" UTC").unwrap_or(s);
    if let Ok(seconds) = s.parse::<f64>() {
        return from_epoch(seconds);
    }
    let (head, tail) = s.split_at_checked(s.len().checked_sub(2)?)?;
    parse_rfc3339(s).or_else(|| parse_rfc3339(&format!("{head}:{tail}")))
}

/// Account field of an ARN; `None` when it is empty or `aws`.
fn account_of(arn: &str) -> Option<&str> {
    let account = arn.split(':').nth(4)?;
    (!account.is_empty() && account != "aws").then_some(account)
}

/// Realm of an account.
fn realm(account: &str) -> Text {
    text(format!("aws:{account}"))
}

/// Name after the path: last part of the sixth field.
fn name_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// Value of the first tag with one of these keys, without regard to case.
fn tag<'a>(tags: &'a [(String, String)], keys: &[&str]) -> Option<&'a str> {
    keys.iter().find_map(|key| {
        tags.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, v)| v.as_str())
    })
}

/// An alias row.
fn alias(batch: &Batch, id: &Text, kind: &str, value: &str, place: &Text) -> Alias {
    Alias {
        principal_id: id.clone(),
        alias_type: text(kind),
        alias: text(value),
        confidence: Confidence::Exact,
        rule: text("A1"),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Alias::default()
    }
}

/// An owner row out of a tag.
fn owner(batch: &Batch, id: &Text, tags: &[(String, String)], place: &Text) -> Option<Owner> {
    let team = tag(tags, &["team"]);
    let name = tag(tags, &["owner"]).or(team)?;
    Some(Owner {
        principal: id.clone(),
        principal_id: Some(id.clone()),
        owner: Some(text(name)),
        team: team.map(text),
        owner_source: OwnerSource::Tag,
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Owner::default()
    })
}

fn malformed(input: &Input, place: impl Into<String>, message: impl Into<String>) -> IngestError {
    IngestError::Malformed {
        file: input.name.clone(),
        place: place.into(),
        message: message.into(),
    }
}

/// Text of an input without byte order mark.
fn utf8<'a>(input: &Input, bytes: &'a [u8]) -> Result<&'a str, IngestError> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|e| {
        malformed(input, format!("byte {}", e.valid_up_to()), "not UTF-8; export it again as UTF-8")
    })
}

/// A parser's message without the record's values.
fn reason(e: &serde_json::Error) -> String {
    e.to_string().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All date forms of the exports.
    #[test]
    fn dates() {
        for (s, want) in [
            ("2022-08-07 12:55:42+00:00", "2022-08-07T12:55:42Z"),
            ("2022-08-07T12:55:42+00:00", "2022-08-07T12:55:42Z"),
            ("2022-08-07T14:55:42+0200", "2022-08-07T12:55:42Z"),
            ("2022-08-07T12:55:42Z", "2022-08-07T12:55:42Z"),
            ("2022-08-07T12:55:42.5Z", "2022-08-07T12:55:42.500000Z"),
            ("1659876942", "2022-08-07T12:55:42Z"),
        ] {
            assert_eq!(parse_date(s).unwrap().to_rfc3339(), want, "{s}");
        }
        for s in ["", "N/A", "no_information", "é", "-5", "1e300"] {
            assert_eq!(parse_date(s), None, "{s}");
        }
        assert_eq!(account_of("arn:aws:iam::aws:policy/X"), None);
        assert_eq!(account_of("arn:aws:iam::1:role/X"), Some("1"));
        assert_eq!(account_of("x"), None);
    }
}
