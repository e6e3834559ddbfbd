//! Where uses are seen: which log shows what, who acted in a session, and by what name.
//!
//! Specification: grants model, section 5, metric 3 (only where a usage source covers the realm and service)
//! and rule A5 of section 3.

use std::collections::BTreeSet;

use super::index::Window;
use super::scope;
use crate::facts::{Source, Time};

/// A source that lists uses.
#[derive(Debug)]
pub struct UsageSource<'a> {
    /// Time that it covers.
    pub window: Window,
    /// Platforms whose uses it lists; `None` for any.
    pub platforms: Option<BTreeSet<&'a str>>,
    /// The one account, project or tenant that it is of.
    pub realm: Option<&'a str>,
}

impl UsageSource<'_> {
    /// Whether it would show use at a place.
    #[must_use]
    pub fn shows(&self, place: Place<'_>) -> bool {
        let platform = match (&self.platforms, place.platform) {
            (None, _) | (_, None) => true,
            (Some(set), Some(p)) => set.contains(p),
        };
        platform && !elsewhere(self.realm, place) && !place.behind_the_log()
    }
}

/// Whether the log of one account or project cannot show what happens at a place, which is another.
fn elsewhere(realm: Option<&str>, place: Place<'_>) -> bool {
    let Some(realm) = realm else { return false };
    let at = place.scope.map(|s| scope::canonical(place.platform, s));
    if let Some(account) = realm.strip_prefix("aws:") {
        let own = at.as_deref().and_then(scope::aws_account);
        let own = own.or_else(|| scope::aws_account(place.principal));
        return own.is_some_and(|own| own != account);
    }
    realm.starts_with("projects/")
        && at.is_some_and(|at| at.starts_with("projects/") && !scope::contains(realm, &at))
}

/// Where a privilege is used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'p> {
    /// Platform; `None` when it is not known.
    pub platform: Option<&'p str>,
    /// Privilege.
    pub privilege: &'p str,
    /// Scope, as written.
    pub scope: Option<&'p str>,
    /// Who uses it.
    pub principal: &'p str,
}

/// Parts of the paths at which Vault issues credentials of other systems.
const ISSUES: [&str; 6] = ["/creds/", "/static-creds/", "/issue/", "/sign/", "/sts/", "/roleset/"];

impl Place<'_> {
    /// The log of the platform cannot show the use: what Vault issues for another system is used there.
    fn behind_the_log(self) -> bool {
        matches!(self.platform, Some("vault" | "openbao"))
            && ISSUES.iter().any(|part| self.privilege.contains(part))
    }
}

/// The permission set behind a role that IAM Identity Center made: the name of such a role is
/// `AWSReservedSSO_<permission set>_<16 hex>`.
#[must_use]
pub fn reserved_set(role: &str) -> Option<&str> {
    let (_, path) = role.split_once(":role/")?;
    let name = path.rsplit('/').next()?.strip_prefix("AWSReservedSSO_")?;
    let (set, hex) = name.rsplit_once('_')?;
    let numbered = hex.len() == 16 && hex.bytes().all(|b| b.is_ascii_hexdigit());
    (numbered && !set.is_empty()).then_some(set)
}

/// Window that a source covers: stated, else the span of its records.
#[must_use]
pub fn source_window(s: &Source) -> Window {
    match (s.window_start, s.window_end) {
        (None, None) => (s.first_time, s.last_time),
        stated => stated,
    }
}

/// Whether an instant is inside a window; an unknown end is open, an unknown window covers nothing.
#[must_use]
pub fn inside(window: Window, t: Time) -> bool {
    match window {
        (None, None) => false,
        (a, b) => a.is_none_or(|a| t >= a) && b.is_none_or(|b| t <= b),
    }
}
