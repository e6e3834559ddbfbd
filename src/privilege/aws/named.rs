//! Managed policies that conditions of other policies name (`iam:PolicyARN`, `iam:PermissionsBoundary`):
//! what attaching one of them gives, and what one of them leaves as a boundary (5.3.7, 5.6).

use std::collections::BTreeMap;

use super::arn::Home;
use super::condition::{Context, Known, Seen};
use super::document::Effect;
use super::evaluate::{Bound, Compiled, Setting, Subject};
use super::tri::Tri;
use crate::privilege::aws::action::{ActionSet, catalogue};

/// Policies of the provider that let their holder write policies on every role or user: found by
/// evaluating the 1,645 managed policies that AWS publishes. Whoever may attach one of them to itself may
/// do everything.
const ADMINISTRATING: [&str; 4] = [
    "AdministratorAccess",
    "IAMFullAccess",
    "AdministratorAccess-Amplify",
    "AWSOpsWorksRegisterCLI",
];

/// Keys that name the policy that is attached, and the boundary that is put or is there.
const POLICY: &str = "iam:policyarn";
/// See [`POLICY`].
pub(super) const BOUNDARY: &str = "iam:permissionsboundary";

/// Content of a managed policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its holder administrates.
    pub admin: Tri,
    /// As a boundary it leaves all that full administration needs.
    pub leaves: Tri,
}

/// What is known of policies that conditions name.
#[derive(Debug, Default)]
pub struct Named {
    known: BTreeMap<String, Content>,
}

impl Named {
    /// Notes the content of a policy of the inputs.
    pub fn put(&mut self, arn: &str, content: Content) {
        self.known.insert(arn.to_owned(), content);
    }

    /// Whether no condition names a policy.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Content of a policy by its ARN. Of the provider's policies only those listed administrate, and only
    /// full administration leaves everything; a customer's policy that the inputs lack is unknown, and so
    /// is what a pattern stands for.
    #[must_use]
    pub fn content(&self, arn: &str) -> Content {
        let name = arn.rsplit('/').next().unwrap_or_default();
        if arn.contains(['*', '?', '$']) {
            return Content { admin: Tri::U, leaves: Tri::U };
        }
        if arn.split(':').nth(4) == Some("aws") {
            return Content {
                admin: Tri::from_bool(ADMINISTRATING.contains(&name)),
                leaves: Tri::from_bool(name == "AdministratorAccess"),
            };
        }
        self.known.get(arn).copied().unwrap_or(Content { admin: Tri::U, leaves: Tri::U })
    }

    /// Policies to try where a path attaches one: those of the provider that administrate, and those that
    /// conditions name and that may do so. Without any condition that names a policy, one is as good as
    /// all.
    pub(super) fn attachable(&self, home: &Home) -> Vec<(String, Tri)> {
        let of_provider = |name: &&str| format!("arn:{}:iam::aws:policy/{name}", home.partition);
        let tried = if self.is_empty() { 1 } else { ADMINISTRATING.len() };
        let provider = ADMINISTRATING.iter().take(tried).map(|n| (of_provider(n), Tri::T));
        let own = self.known.iter().filter(|(arn, c)| {
            c.admin.possible() && arn.split(':').nth(4) == Some(home.account.as_str())
        });
        provider.chain(own.map(|(arn, c)| (arn.clone(), c.admin))).collect()
    }

    /// Actions of bindings that only statements give which name the policy or the boundary to be used, and
    /// name none that administrates: with these nobody gives anybody everything.
    #[must_use]
    pub fn limited<'a>(&self, from: &[&Bound<'a>], subject: &Subject) -> ActionSet {
        let (mut limited, mut free) = (catalogue().none(), catalogue().none());
        let live: Vec<(&Compiled, bool)> = from
            .iter()
            .flat_map(|b| b.live(Effect::Allow))
            .map(|(s, m)| (s, m == Tri::U && self.limits(s, subject)))
            .collect();
        if !live.iter().any(|(_, limits)| *limits) {
            return limited;
        }
        for (s, limits) in live {
            if limits {
                limited.union_with(&s.actions);
            } else {
                free.union_with(&s.actions);
            }
        }
        limited.difference_with(&free);
        limited
    }

    /// Whether a statement names the policy or the boundary to be used, and none that administrates.
    fn limits(&self, s: &Compiled, subject: &Subject) -> bool {
        let keys = s.condition.keys();
        let any = format!("arn:{}:iam::{}:policy/-", subject.home.partition, subject.home.account);
        let fails = |key: &str, value: &str| {
            let extra = [(key, value)];
            s.applies_under(&Setting { subject, extra: &extra }) == Tri::F
        };
        let admin = super::paths::administrator(&subject.home.partition);
        let harmless = |key: &str, gives: &dyn Fn(Content) -> Tri| {
            fails(key, &admin)
                && fails(key, &any)
                && s.condition
                    .compared_with(key)
                    .iter()
                    .all(|v| !gives(self.content(v)).possible() || fails(key, v))
        };
        (keys.contains(&POLICY) && harmless(POLICY, &|c| c.admin))
            || (keys.contains(&BOUNDARY)
                && s.applies_under(&Lacking { inner: subject, key: BOUNDARY }) == Tri::F
                && harmless(BOUNDARY, &|c| c.leaves))
    }
}

/// ARNs that conditions compare the attached policy or the boundary with.
pub fn names(s: &Compiled) -> Vec<&str> {
    let keys = s.condition.keys();
    [POLICY, BOUNDARY]
        .into_iter()
        .filter(|k| keys.contains(k))
        .flat_map(|k| s.condition.compared_with(k))
        .collect()
}

/// A context in which one key is known to be absent.
pub(super) struct Lacking<'a> {
    /// All other keys.
    pub(super) inner: &'a dyn Context,
    /// The key, lower case.
    pub(super) key: &'a str,
}

impl Context for Lacking<'_> {
    fn get(&self, key: &str) -> Known {
        if key == self.key { Known::Absent } else { self.inner.get(key) }
    }

    fn look<'s>(&'s self, key: &str) -> Seen<'s> {
        if key == self.key { Seen::Absent } else { self.inner.look(key) }
    }
}
