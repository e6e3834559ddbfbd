//! Fingerprints and state digests, version 1 (specification: compliance, section 3).

use sha2::{Digest, Sha256};

/// Identity fields of a finding. Names, times, severity, counts, files and lines are not identity.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity<'a> {
    /// Rule id.
    pub rule: &'a str,
    /// Tenant, account or cluster.
    pub realm: &'a str,
    /// Platform.
    pub platform: &'a str,
    /// Principal, canonical.
    pub principal: &'a str,
    /// Privilege or role.
    pub privilege: &'a str,
    /// Scope.
    pub scope: &'a str,
    /// Grant or credential, where the rule is per grant or credential; else empty.
    pub item: &'a str,
}

/// SHA-256 over length-prefixed UTF-8 fields, lower-case hex.
#[must_use]
pub fn digest(fields: &[&str]) -> String {
    let mut hash = Sha256::new();
    for field in fields {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field.as_bytes());
    }
    hex(&hash.finalize())
}

/// Fingerprint version 1.
#[must_use]
pub fn fingerprint(id: &Identity<'_>) -> String {
    digest(&[
        "overstay-fingerprint-v1",
        id.rule,
        id.realm,
        id.platform,
        id.principal,
        id.privilege,
        id.scope,
        id.item,
    ])
}

/// State digest version 1 over normalised state fields.
#[must_use]
pub fn state_digest(fields: &[&str]) -> String {
    let mut all = vec!["overstay-state-v1"];
    all.extend_from_slice(fields);
    digest(&all)
}

/// Lower-case hex of bytes.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from(if n < 10 { b'0' + n } else { b'a' + (n - 10) });
    let mut out = String::with_capacity(bytes.len() * 2);
    for b in bytes {
        out.push(digit(b >> 4));
        out.push(digit(b & 15));
    }
    out
}

/// SHA-256 of bytes, lower-case hex.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Whether text is a SHA-256 in lower-case hex.
#[must_use]
pub fn is_sha256(s: &str) -> bool {
    s.len() == 64 && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_prefix_keeps_fields_apart() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
    }

    #[test]
    fn bytes_as_hex() {
        assert_eq!(hex(&[0, 9, 10, 0x7f, 0xa0, 0xff]), "00090a7fa0ff");
    }

    #[test]
    fn fingerprint_is_stable() {
        let id = Identity { rule: "GRT-003", principal: "p", item: "g1", ..Identity::default() };
        assert_eq!(fingerprint(&id), fingerprint(&id));
        assert_eq!(fingerprint(&id).len(), 64);
    }
}
