//! Classes of the permissions of Vault, GitHub, Okta, PostgreSQL and Snowflake: a small catalogue
//! (cloud semantics, section 8; data of 2026-11 out of vendor documentation).
//!
//! Names in it are words of the vendor (a scope of a token, an attribute, a standard administrator
//! type, a role that the system defines). Names that a customer gives are never looked up here.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::class::Class;

/// Date of the catalogue, for the evidence of what rests on it.
pub const DATED: &str = "2026-11";

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dangerous {
    /// Permission as the catalogue words it.
    pub permission: &'static str,
    /// Class.
    pub class: Class,
    /// Why.
    pub why: &'static str,
}

static ROWS: LazyLock<BTreeMap<&'static str, Vec<Dangerous>>> = LazyLock::new(|| {
    let mut out: BTreeMap<&'static str, Vec<Dangerous>> = BTreeMap::new();
    for line in include_str!("../../rules/privilege/other_permissions.csv").lines().skip(1) {
        let [platform, permission, word, why] = cells(line)[..] else { continue };
        let class = match word {
            "write" => Some(Class::Write),
            word => Class::from_word(word),
        };
        // `public` is no class: it says who holds something.
        if let Some(class) = class {
            out.entry(platform).or_default().push(Dangerous { permission, class, why });
        }
    }
    out
});

/// Cells of a line; quotes stand around cells and doubled ones within them are kept.
fn cells(line: &'static str) -> Vec<&'static str> {
    let mut out = Vec::new();
    let mut rest = Some(line);
    while let Some(s) = rest {
        let quoted = s.strip_prefix('"').and_then(|s| {
            // A quote that is doubled does not close.
            let mut at = 0;
            loop {
                let i = at + s.get(at..)?.find('"')?;
                if s.get(i + 1..)?.starts_with('"') {
                    at = i + 2;
                } else {
                    return Some((s.get(..i)?, s.get(i + 1..)?));
                }
            }
        });
        if let Some((cell, tail)) = quoted {
            out.push(cell);
            rest = tail.strip_prefix(',');
        } else {
            match s.split_once(',') {
                Some((cell, tail)) => {
                    out.push(cell);
                    rest = Some(tail);
                }
                None => {
                    out.push(s);
                    rest = None;
                }
            }
        }
    }
    out
}

/// All rows of a platform (`vault`, `github-app`, `github-pat-classic`, `github`, `okta`, `postgres`,
/// `snowflake`).
#[must_use]
pub fn of(platform: &str) -> &'static [Dangerous] {
    ROWS.get(platform).map_or(&[], Vec::as_slice)
}

/// Class of a permission by its exact word.
#[must_use]
pub fn class(platform: &str, permission: &str) -> Option<Class> {
    of(platform).iter().find(|d| d.permission == permission).map(|d| d.class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_read() {
        let all: usize = [
            "vault",
            "github-app",
            "github-pat-classic",
            "github",
            "okta",
            "postgres",
            "snowflake",
        ]
        .iter()
        .map(|p| of(p).len())
        .sum();
        // 90 rows, one of which (`grantee PUBLIC`) is no class.
        let lines = include_str!("../../rules/privilege/other_permissions.csv").lines().count();
        assert_eq!(all, lines - 2);
        assert_eq!(class("okta", "SUPER_ADMIN"), Some(Class::Admin));
        assert_eq!(class("okta", "MOBILE_ADMIN"), Some(Class::Write));
        assert_eq!(class("github-app", "contents:write"), Some(Class::DataWrite));
        assert_eq!(class("vault", "path \"\"*\"\" with sudo"), Some(Class::Admin));
        assert_eq!(class("okta", "Super Admin"), None);
    }
}
