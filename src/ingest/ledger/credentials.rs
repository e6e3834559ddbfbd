//! Generic inventory of credentials. Ids are cut before they enter the facts; a secret that stands
//! in the id column by mistake does not leave the file.

use crate::facts::{Credential, CredentialKind, Layer, text};
use crate::ingest::source::Batch;
use crate::ingest::table::{Row, TableAdapter, fields};

fields! {
    CredentialId = "credential_id" | "key_id" | "token_id" | "accessor",
    Kind = "kind" | "credential_kind" | "type",
    Principal = "principal" | "holder" | "identity",
    GrantId = "grant_id",
    Active = "active",
    IssuedAt = "issued_at" | "created_at",
    RotatedAt = "rotated_at" | "last_rotated_at",
    ExpiresAt = "expires_at",
    NoExpiry = "no_expiry",
    TtlS = "ttl_s" | "ttl",
    MaxExpiresAt = "max_expires_at",
    RevokedAt = "revoked_at",
    LastUsedAt = "last_used_at" | "last_used",
    Mfa = "mfa",
}

/// The format.
pub const ADAPTER: TableAdapter = TableAdapter {
    format: "credentials-generic",
    title: "Credentials (generic table)",
    layer: Layer::Credential,
    fields: FIELDS,
    required: &[&["credential_id"], &["principal"], &["issued_at", "expires_at", "last_used_at"]],
    recognise: |n| {
        n.any(&["credential_id", "key_id", "token_id"])
            && n.any(&["principal", "holder", "identity"])
            && n.any(&["issued_at", "created_at", "expires_at", "last_used_at"])
            && !n.any(&["count", "first_seen", "action", "role"])
    },
    row,
};

/// First and last four characters of an id; a short one only partly, so that it is never shown whole.
#[must_use]
pub fn truncate_id(id: &str) -> String {
    let chars: Vec<char> = id.chars().collect();
    let keep = if chars.len() > 12 { 4 } else { chars.len() / 3 };
    let head: String = chars.iter().take(keep).collect();
    let tail: String = chars.iter().skip(chars.len() - keep).collect();
    format!("{head}...{tail}")
}

fn row(row: &Row<'_>, batch: &mut Batch) -> Result<(), String> {
    let kind = match row.word(F::Kind).as_deref() {
        None => CredentialKind::Key,
        Some("certificate" | "x509") => CredentialKind::Cert,
        Some("access_key" | "api_key" | "secret_key") => CredentialKind::Key,
        Some("session") => CredentialKind::Sts,
        Some(w) => CredentialKind::from_word(w).ok_or_else(|| row.unknown_word(F::Kind))?,
    };
    let expires_at = row.time(F::ExpiresAt)?.map(|p| p.hi);
    // A word such as `never` in the column says that there is no end; an empty cell says nothing.
    let never = row.get(F::ExpiresAt).is_some_and(|s| {
        ["never", "none", "infinity"].iter().any(|w| s.eq_ignore_ascii_case(w))
            || s.starts_with("9999-12-31")
    });
    let issued_at = row.instant(F::IssuedAt)?;
    let revoked_at = row.instant(F::RevokedAt)?;
    let last_used_at = row.instant(F::LastUsedAt)?;
    let credential = Credential {
        credential_id: text(truncate_id(row.need(F::CredentialId)?)),
        kind,
        principal: row.share(row.need(F::Principal)?),
        principal_id: None,
        grant_id: row.text(F::GrantId),
        active: row.flag(F::Active)?.or(revoked_at.map(|_| false)),
        issued_at,
        rotated_at: row.instant(F::RotatedAt)?.or(issued_at),
        expires_at,
        no_expiry: row.flag(F::NoExpiry)?.or(never.then_some(true)).or(expires_at.map(|_| false)),
        ttl_s: row.duration(F::TtlS)?.filter(|s| *s > 0),
        max_expires_at: row.time(F::MaxExpiresAt)?.map(|p| p.hi),
        revoked_at,
        last_used_at,
        use_tracked: last_used_at.is_some() || row.get(F::LastUsedAt).is_some(),
        mfa: row.flag(F::Mfa)?,
        source_id: row.source_id.clone(),
        source_ref: row.source_ref.clone(),
    };
    for t in [issued_at, revoked_at, last_used_at].into_iter().flatten() {
        batch.see(t);
    }
    batch.facts.credentials.push(credential);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::truncate_id;

    #[test]
    fn ids_are_never_whole() {
        assert_eq!(truncate_id("AKIAIOSFODNN7EXAMPLE"), "AKIA...MPLE");
        assert_eq!(truncate_id("abcdef"), "ab...ef");
        assert_eq!(truncate_id("ab"), "...");
        assert_eq!(truncate_id(""), "...");
        assert_eq!(truncate_id("éééééééééééééééé"), "éééé...éééé");
    }
}
