//! Sessions that STS issued: credentials, and the delegation each of them is.

use super::*;
use crate::ingest::ledger::credentials::truncate_id;

/// Name of a session: its cut key id and the instant it was issued. The cut id alone is not unique
/// among the thousands of sessions of a day.
pub(super) fn id(who: &Identity<'_>) -> Option<Text> {
    let key = who.key.as_deref().filter(|k| k.starts_with("ASIA"))?;
    let issued = who.session.as_ref()?.attributes.as_ref()?.created.as_deref()?;
    Some(named(key, super::super::parse_date(issued)?))
}

fn named(key: &str, issued: Time) -> Text {
    text(format!("{} of {}", truncate_id(key), issued.to_rfc3339()))
}

/// A session that the event issued.
pub(super) fn issued(s: &Seen<'_, '_>, batch: &mut Batch) {
    let name = s.event.name.as_deref().unwrap_or_default();
    if !s.action.starts_with("sts:") || !names::is_sts(name) || s.outcome != Outcome::Allowed {
        return;
    }
    let request = s.event.request.and_then(|r| Obj::parse(r.get()).ok()).unwrap_or_default();
    let response = s.event.response.and_then(|r| Obj::parse(r.get()).ok()).unwrap_or_default();
    let federated = response.obj("federatedUser").and_then(|f| f.str(&["arn"]));
    let assumed = response.obj("assumedRoleUser").and_then(|f| f.str(&["arn"]));
    let role = request
        .str(&["roleArn"])
        .or_else(|| {
            let mut listed = s.event.resources.iter().flatten().filter_map(|r| r.arn.clone());
            listed.find(|a| a.contains(":role/")).map(|a| Cow::Owned(a.into_owned()))
        })
        .or(assumed);
    let caller = s.principal.clone();
    let Some(holder) = federated.or(role.clone()).map(text).or_else(|| caller.clone()) else {
        return;
    };
    let credentials = response.obj("credentials").unwrap_or_default();
    let stated = credentials.str(&["expiration"]).and_then(|e| expiration(&e));
    let length = request.int("durationSeconds").filter(|n| (1..=129_600).contains(n));
    let expires = stated.or_else(|| Some(s.at.plus_secs(length?)));
    if let Some(key) = credentials.str(&["accessKeyId"]) {
        if credentials.has("expiration") && stated.is_none() {
            batch.quarantine_part(s.place, "`expiration` of the session is no date");
        }
        batch.facts.credentials.push(Credential {
            credential_id: named(&key, s.at),
            kind: CredentialKind::Sts,
            principal: holder.clone(),
            issued_at: Some(s.at),
            rotated_at: Some(s.at),
            expires_at: expires,
            no_expiry: Some(false),
            use_tracked: true,
            source_id: batch.source_id.clone(),
            source_ref: text(s.place),
            ..Credential::default()
        });
    }
    let Some(caller) = caller.filter(|c| *c != holder) else { return };
    let kind = s.event.who.as_ref().and_then(|w| w.kind.as_deref());
    let evidence = match kind {
        Some("AssumedRole") => "role_chain",
        Some("AWSService") => "service",
        Some("WebIdentityUser") => "web_identity",
        Some("SAMLUser") => "saml",
        _ => "assume_role",
    };
    let hop = |parent: Text, evidence: &str, batch: &Batch| Delegation {
        parent,
        child: holder.clone(),
        privilege: role.as_deref().map(text),
        scope: super::super::account_of(&holder).map(super::super::realm),
        // STS decides each call by the role's trust policy.
        decided: Some(true),
        from: Some(s.at),
        until: expires,
        evidence: text(evidence),
        source_id: batch.source_id.clone(),
        source_ref: text(s.place),
        ..Delegation::default()
    };
    let first = hop(caller.clone(), evidence, batch);
    batch.facts.delegations.push(first);
    if let Some(person) = request.str(&["sourceIdentity"]).map(text).filter(|p| *p != caller) {
        let second = hop(person, "source_identity", batch);
        batch.facts.delegations.push(second);
    }
}

/// `Jul 10, 2023, 12:31:14 PM` and `Apr 25, 2023 7:24:50 PM`, both UTC; newer events are ISO 8601
/// (grants model, 4.9).
fn expiration(s: &str) -> Option<Time> {
    if let Some(t) = super::super::parse_date(s) {
        return Some(t);
    }
    // Some writers put a narrow no-break space before the half of the day.
    let plain = s.replace(['\u{202f}', '\u{a0}', ','], " ");
    let mut parts = plain.split_whitespace();
    let month = parts.next()?;
    let (day, year): (u32, i32) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let clock = parts.next()?;
    let half = parts.next()?;
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS.iter().position(|m| *m == month)? + 1;
    let mut clock = clock.split(':').map(|n| n.parse::<u32>().ok());
    let (h, m, sec) = (clock.next()??, clock.next()??, clock.next()??);
    if clock.next().is_some() || parts.next().is_some() || !(1..=12).contains(&h) {
        return None;
    }
    let hour = match half {
        "AM" => h % 12,
        "PM" => h % 12 + 12,
        _ => return None,
    };
    time::parse_rfc3339(&format!("{year:04}-{month:02}-{day:02}T{hour:02}:{m:02}:{sec:02}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_expiration() {
        for (s, want) in [
            ("Jul 10, 2023, 12:31:14 PM", Some("2023-07-10T12:31:14Z")),
            ("Apr 25, 2023 7:24:50 PM", Some("2023-04-25T19:24:50Z")),
            ("Aug 2, 2024, 12:05:00 AM", Some("2024-08-02T00:05:00Z")),
            ("Aug 2, 2024, 8:45:00\u{202f}AM", Some("2024-08-02T08:45:00Z")),
            ("2024-08-02T08:45:00Z", Some("2024-08-02T08:45:00Z")),
            ("Feb 30, 2024, 8:45:00 AM", None),
            ("Aug 2, 2024, 13:45:00 AM", None),
            ("Aug 2, 2024, 8:45 AM", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(expiration(s).map(Time::to_rfc3339).as_deref(), want, "{s}");
        }
    }
}
