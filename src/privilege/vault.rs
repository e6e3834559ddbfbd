//! Vault policies: the language as far as policies use it, and which rule decides about a path.
//!
//! Specification: cloud semantics 4.4; vendor page "Policies". The most specific pattern that matches
//! decides: an exact path, else the pattern whose first wildcard comes latest, that does not end in `*`,
//! has fewer `+`, is longer, or comes later in the alphabet. Rules of equal path are united over the
//! policies of a token; `deny` among them wins.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use super::class::{Breadth, Class, ClassSet};

mod hcl;

pub use hcl::parse;

/// Capabilities as a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps(u16);

/// Capabilities in the order of their bits.
const WORDS: [&str; 9] =
    ["create", "read", "update", "delete", "list", "sudo", "deny", "patch", "subscribe"];

impl Caps {
    /// Creates.
    pub const CREATE: Self = Self(1);
    /// Reads.
    pub const READ: Self = Self(2);
    /// Updates.
    pub const UPDATE: Self = Self(4);
    /// Deletes.
    pub const DELETE: Self = Self(8);
    /// Lists.
    pub const LIST: Self = Self(16);
    /// Root-protected paths.
    pub const SUDO: Self = Self(32);
    /// Nothing, whatever else is there.
    pub const DENY: Self = Self(64);
    /// Patches.
    pub const PATCH: Self = Self(128);

    /// Set of a word; `None` for an unknown one.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        let bit = WORDS.iter().position(|w| *w == word)?;
        Some(Self(1u16 << bit))
    }

    /// Set of a word of the language before capabilities (`policy = "read"`).
    #[must_use]
    pub fn legacy(word: &str) -> Option<Self> {
        let write = Self::CREATE.0 | Self::READ.0 | Self::UPDATE.0 | Self::DELETE.0 | Self::LIST.0;
        Some(match word {
            "deny" => Self::DENY,
            "read" => Self(Self::READ.0 | Self::LIST.0),
            "write" => Self(write),
            "sudo" => Self(write | Self::SUDO.0),
            _ => return None,
        })
    }

    /// Both sets.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any of these is in.
    #[must_use]
    pub fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether all of these are in.
    #[must_use]
    pub fn all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The words, joined with commas.
    #[must_use]
    pub fn words(self) -> String {
        let list: Vec<&str> = WORDS
            .iter()
            .enumerate()
            .filter(|(i, _)| self.0 & (1 << i) != 0)
            .map(|(_, w)| *w)
            .collect();
        list.join(",")
    }
}

/// One rule of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Path without leading slash; `+` is one segment, `*` at the end is any rest.
    pub path: String,
    /// Capabilities.
    pub caps: Caps,
    /// Parameters of requests are limited.
    pub limited: bool,
    /// Approval by others is needed (`control_group`, `mfa_methods`).
    pub guarded: bool,
}

impl Rule {
    /// Whether parts of the path are filled in from the identity of the caller.
    #[must_use]
    pub fn templated(&self) -> bool {
        self.path.contains("{{")
    }
}

/// Which of two patterns decides when both match: the greater one.
#[must_use]
pub fn priority(a: &str, b: &str) -> Ordering {
    let key = |p: &str| {
        let star = p.ends_with('*');
        let body = p.strip_suffix('*').unwrap_or(p);
        let mut at = 0;
        let mut first = None;
        let mut plus = 0usize;
        for segment in body.split('/') {
            if segment == "+" {
                plus += 1;
                first.get_or_insert(at);
            }
            at += segment.len() + 1;
        }
        let first = first.or(star.then_some(body.len())).unwrap_or(usize::MAX);
        (first, !star, std::cmp::Reverse(plus), p.len())
    };
    key(a).cmp(&key(b)).then_with(|| a.cmp(b))
}

/// Whether a pattern matches a path.
#[must_use]
pub fn matches(pattern: &str, path: &str) -> bool {
    let (body, star) = match pattern.strip_suffix('*') {
        Some(body) => (body, true),
        None => (pattern, false),
    };
    let mut rest = path;
    let mut segments = body.split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        if last && star {
            // `+*` has no meaning of its own: the plus is a letter there.
            return rest.starts_with(segment);
        }
        let (head, tail) = match rest.split_once('/') {
            Some((head, tail)) => (head, Some(tail)),
            None => (rest, None),
        };
        if segment != head && segment != "+" {
            return false;
        }
        match (last, tail) {
            (true, None) => return true,
            (true, Some(_)) | (false, None) => return false,
            (false, Some(tail)) => rest = tail,
        }
    }
    false
}

/// Segment that no policy names, for paths in the middle of a pattern.
const ANY: &str = "\u{1}any";

/// A path that both patterns match and that is as little special as possible; `None` when there is none.
#[must_use]
pub fn witness(a: &str, b: &str) -> Option<String> {
    let split = |p: &str| -> (Vec<String>, bool) {
        let star = p.ends_with('*');
        let body = p.strip_suffix('*').unwrap_or(p);
        (body.split('/').map(str::to_owned).collect(), star)
    };
    let ((xs, xstar), (ys, ystar)) = (split(a), split(b));
    let mut out: Vec<String> = Vec::new();
    let longest = xs.len().max(ys.len());
    for i in 0..longest {
        let x = part(&xs, xstar, i);
        let y = part(&ys, ystar, i);
        out.push(meet(x?, y?)?);
    }
    Some(out.join("/"))
}

/// What a pattern says about a segment.
#[derive(Clone, Copy)]
enum Part<'a> {
    Exact(&'a str),
    One,
    Starts(&'a str),
    Free,
}

fn part(segments: &[String], star: bool, i: usize) -> Option<Part<'_>> {
    let last = segments.len().saturating_sub(1);
    match segments.get(i) {
        Some(s) if i == last && star => Some(Part::Starts(s)),
        Some(s) if s == "+" => Some(Part::One),
        Some(s) => Some(Part::Exact(s)),
        // Behind the end of a pattern only a star goes on.
        None => star.then_some(Part::Free),
    }
}

fn meet(a: Part<'_>, b: Part<'_>) -> Option<String> {
    use Part::{Exact, Free, One, Starts};
    match (a, b) {
        (Exact(x), Exact(y)) => (x == y).then(|| x.to_owned()),
        (Exact(x), Starts(y)) | (Starts(y), Exact(x)) => x.starts_with(y).then(|| x.to_owned()),
        (Exact(x), One | Free) | (One | Free, Exact(x)) => Some(x.to_owned()),
        (Starts(x), Starts(y)) if x.starts_with(y) => Some(format!("{x}{ANY}")),
        (Starts(x), Starts(y)) if y.starts_with(x) => Some(format!("{y}{ANY}")),
        (Starts(_), Starts(_)) => None,
        (Starts(x), One | Free) | (One | Free, Starts(x)) => Some(format!("{x}{ANY}")),
        (One | Free, One | Free) => Some(ANY.to_owned()),
    }
}

/// Rules of all policies of one token, united.
#[derive(Clone, Debug, Default)]
pub struct Acl {
    /// Strongest first.
    rules: Vec<United>,
    /// Rules without wildcard, by path.
    exact: HashMap<String, usize>,
    /// Rules with one, strongest first, by first segment; those wild from the start under the empty text.
    wild: HashMap<String, Vec<usize>>,
}

/// First segment of a pattern; empty when it is wild there already.
fn first(pattern: &str) -> &str {
    match pattern.split_once('/') {
        Some((head, _)) if head != "+" => head,
        _ => "",
    }
}

/// Rules of equal path.
#[derive(Clone, Debug)]
pub struct United {
    /// Path.
    pub path: String,
    /// Capabilities of all of them.
    pub caps: Caps,
    /// Every one of them limits parameters.
    pub limited: bool,
    /// Every one of them needs others.
    pub guarded: bool,
    /// Policies that have it.
    pub policies: Vec<usize>,
}

impl Acl {
    /// Unites policies.
    #[must_use]
    pub fn new(policies: &[&[Rule]]) -> Self {
        let mut by: BTreeMap<&str, United> = BTreeMap::new();
        for (i, rules) in policies.iter().enumerate() {
            for r in *rules {
                let slot = by.entry(&r.path).or_insert_with(|| United {
                    path: r.path.clone(),
                    caps: Caps::default(),
                    limited: true,
                    guarded: true,
                    policies: Vec::new(),
                });
                slot.caps = slot.caps.or(r.caps);
                slot.limited &= r.limited;
                slot.guarded &= r.guarded;
                if slot.policies.last() != Some(&i) {
                    slot.policies.push(i);
                }
            }
        }
        let mut rules: Vec<United> = by.into_values().collect();
        rules.sort_by(|a, b| priority(&b.path, &a.path));
        let mut out = Self { rules, exact: HashMap::new(), wild: HashMap::new() };
        for (i, r) in out.rules.iter().enumerate() {
            if r.path.ends_with('*') || r.path.split('/').any(|s| s == "+") {
                out.wild.entry(first(&r.path).to_owned()).or_default().push(i);
            } else {
                out.exact.insert(r.path.clone(), i);
            }
        }
        out
    }

    /// The rule that decides about a path.
    #[must_use]
    pub fn decides(&self, path: &str) -> Option<&United> {
        if let Some(i) = self.exact.get(path) {
            return self.rules.get(*i);
        }
        let head = path.split('/').next().unwrap_or_default();
        let of = |key: &str| {
            let list = self.wild.get(key).map_or(&[][..], Vec::as_slice);
            let fits = |i: &&usize| self.rules.get(**i).is_some_and(|r| matches(&r.path, path));
            list.iter().find(fits).copied()
        };
        // The smaller number is the stronger rule.
        let best = match (of(head).filter(|_| !head.is_empty()), of("")) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        best.and_then(|i| self.rules.get(i))
    }

    /// Whether any of these capabilities is held on a path.
    #[must_use]
    pub fn allows(&self, path: &str, any: Caps) -> bool {
        self.decides(path).is_some_and(|r| !r.caps.any(Caps::DENY) && r.caps.any(any))
    }

    /// What the rules give: rule by rule, where that rule is the one that decides.
    #[must_use]
    pub fn gives(&self) -> Vec<Given<'_>> {
        let mut out = Vec::new();
        for rule in self.rules.iter().filter(|r| !r.caps.any(Caps::DENY)) {
            let mut given = Given { rule, by: BTreeMap::new() };
            let all = Caps(0b11_1111 & !Caps::DENY.0);
            if rule.path == "*" && rule.caps.all(all) {
                given.put(Breadth::Tenant, Class::Admin);
            }
            for interest in INTERESTS {
                self.interest(rule, interest, &mut given);
            }
            self.engine(rule, &mut given);
            if given.by.is_empty() {
                given.put(breadth(&rule.path), Class::Read);
            }
            out.push(given);
        }
        out
    }

    fn interest(&self, rule: &United, i: &Interest, given: &mut Given<'_>) {
        if !rule.caps.any(i.any) || !rule.caps.all(i.all) {
            return;
        }
        let Some(path) = witness(&rule.path, i.path) else { return };
        if self.decides(&path).is_none_or(|r| r.path != rule.path) {
            return;
        }
        let class = match i.class {
            Class::Permissions | Class::Escalation if rule.limited => Class::EscalationPossible,
            class => class,
        };
        given.put(Breadth::Tenant, class);
    }

    /// What a rule gives in the engines that hold secrets.
    fn engine(&self, rule: &United, given: &mut Given<'_>) {
        let first = rule.path.split('/').next().unwrap_or_default();
        if matches!(first, "sys" | "auth" | "identity" | "cubbyhole") {
            return;
        }
        let wide = breadth(&rule.path);
        let starred = rule.path.trim_end_matches('*').trim_end_matches('/');
        let segments: Vec<&str> = starred.split('/').collect();
        let second = segments.get(1).copied().unwrap_or_default();
        let (caps, write) = (rule.caps, Caps::CREATE.or(Caps::UPDATE).or(Caps::PATCH));
        if ISSUING.contains(&second) || segments.iter().skip(2).any(|s| ISSUING_LAST.contains(s)) {
            if caps.any(Caps::READ.or(write)) {
                given.put(wide, Class::Secrets);
                // The rights of the login that is issued, the inputs do not show.
                given.put(wide, Class::EscalationPossible);
            }
            return;
        }
        let names_only = matches!(second, "metadata" | "subkeys");
        if caps.any(Caps::READ) {
            given.put(wide, if names_only { Class::Read } else { Class::Secrets });
        }
        if caps.any(Caps::UPDATE) && matches!(second, "decrypt" | "unwrap" | "export") {
            given.put(wide, Class::Secrets);
        }
        if caps.any(write) {
            let destroys = matches!(second, "delete" | "destroy");
            given.put(wide, if destroys { Class::Destructive } else { Class::DataWrite });
        }
        if caps.any(Caps::DELETE) {
            given.put(wide, Class::Destructive);
        }
    }
}

/// Paths of engines under which credentials are issued.
const ISSUING: [&str; 9] =
    ["creds", "static-creds", "sts", "issue", "sign", "sign-verbatim", "token", "issuer", "root"];
/// The same at the end of longer paths (`gcp/roleset/x/token`).
const ISSUING_LAST: [&str; 3] = ["token", "key", "creds"];

/// Breadth of what a pattern reaches in an engine.
fn breadth(path: &str) -> Breadth {
    let mut fixed = 0;
    for segment in path.split('/') {
        if matches!(segment, "*" | "+" | "") {
            break;
        }
        // Version 2 of the key-value engine has a word behind the mount.
        if fixed == 0 || !matches!(segment, "data" | "metadata") {
            fixed += 1;
        }
    }
    let wild = path.ends_with('*') || path.split('/').any(|s| s == "+");
    match (wild, fixed) {
        (false, _) => Breadth::Resource,
        (true, 0) => Breadth::Tenant,
        (true, 1) => Breadth::Account,
        _ => Breadth::Group,
    }
}

/// What one rule gives.
#[derive(Clone, Debug)]
pub struct Given<'a> {
    /// The rule.
    pub rule: &'a United,
    /// Classes by breadth.
    pub by: BTreeMap<Breadth, ClassSet>,
}

impl Given<'_> {
    fn put(&mut self, breadth: Breadth, class: Class) {
        self.by.entry(breadth).or_default().insert(class);
    }
}

/// Control of Vault itself.
struct Interest {
    path: &'static str,
    /// One of these is needed.
    any: Caps,
    /// And all of these: root-protected paths need `sudo`.
    all: Caps,
    class: Class,
}

const WRITE: Caps = Caps(Caps::CREATE.0 | Caps::UPDATE.0 | Caps::PATCH.0);
const NONE: Caps = Caps(0);

const fn on(path: &'static str, any: Caps, all: Caps, class: Class) -> Interest {
    Interest { path, any, all, class }
}

/// What matters beyond the engines (`rules/privilege/other_permissions.csv`; a test holds both together).
const INTERESTS: &[Interest] = &[
    on("sys/policies/acl/+", WRITE, NONE, Class::Permissions),
    on("sys/policies/rgp/+", WRITE, NONE, Class::Permissions),
    on("sys/policies/egp/+", WRITE, NONE, Class::Permissions),
    on("sys/policy/+", WRITE, NONE, Class::Permissions),
    // A child has at most the policies of its parent, unless the parent has `sudo` here.
    on("auth/token/create", WRITE, Caps::SUDO, Class::Escalation),
    on("auth/token/create", WRITE, NONE, Class::EscalationPossible),
    on("auth/token/create-orphan", WRITE.or_const(Caps::SUDO), Caps::SUDO, Class::Escalation),
    // With the policies that the role of the token allows, which policies do not show.
    on("auth/token/create/+", WRITE, NONE, Class::EscalationPossible),
    on("auth/token/roles/+", WRITE, NONE, Class::Permissions),
    on("auth/+/role/+", WRITE, NONE, Class::Permissions),
    on("auth/+/role/+/policies", WRITE, NONE, Class::Permissions),
    on("auth/+/role/+/token-policies", WRITE, NONE, Class::Permissions),
    on("auth/+/users/+", WRITE, NONE, Class::Permissions),
    on("auth/+/users/+/policies", WRITE, NONE, Class::Permissions),
    on("auth/+/groups/+", WRITE, NONE, Class::Permissions),
    on("auth/+/certs/+", WRITE, NONE, Class::Permissions),
    on("auth/+/map/+/+", WRITE, NONE, Class::Permissions),
    on("auth/approle/role/+/secret-id", WRITE, NONE, Class::Escalation),
    on("auth/approle/role/+/custom-secret-id", WRITE, NONE, Class::Escalation),
    on("identity/entity*", WRITE, NONE, Class::Permissions),
    on("identity/group*", WRITE, NONE, Class::Permissions),
    on("sys/auth/+", WRITE, Caps::SUDO, Class::Permissions),
    on("sys/mounts/+", WRITE.or_const(Caps::DELETE), NONE, Class::Destructive),
    on("sys/audit/+", WRITE.or_const(Caps::DELETE), Caps::SUDO, Class::Destructive),
    on("sys/raw/*", Caps::READ, Caps::SUDO, Class::Secrets),
    on("sys/seal", WRITE, Caps::SUDO, Class::Destructive),
    on("sys/leases/revoke-prefix/*", WRITE, Caps::SUDO, Class::Destructive),
    on("sys/leases/revoke-force/*", WRITE, Caps::SUDO, Class::Destructive),
    on("auth/token/revoke-accessor", WRITE, NONE, Class::Destructive),
    // Unauthenticated, and useless without the unseal keys.
    on("sys/generate-root/*", WRITE, NONE, Class::EscalationPossible),
];

impl Caps {
    const fn or_const(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests;
