//! Parties of resource-based policies: whom `Principal` and `NotPrincipal` name (5.4.5, 5.4.8).

use super::program::Line;
use super::{Caller, CallerKind};
use crate::privilege::aws::document::{self, Effect};
use crate::privilege::aws::tri::Tri;
use crate::privilege::glob;

/// One named party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Party {
    who: Who,
    negate: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Anybody,
    /// An account, by number or as `:root`.
    Account(String),
    /// User, role or federated user by ARN.
    Arn(String),
    /// Role session: account, role name, session name.
    Session(String, String, String),
    /// A unique id (`AIDA...`, `AROA...`), as AWS stores who was named.
    Id(String),
    /// An ARN with wildcards, which AWS does not accept.
    Wild(String),
    Service(String),
    Federated(String),
    /// A canonical user id: which account it stands for is in no export.
    Canonical,
    Unreadable,
}

impl Party {
    pub(super) fn new(p: &document::Party) -> Self {
        let v = p.value.as_str();
        let digits = v.len() == 12 && v.bytes().all(|b| b.is_ascii_digit());
        let account = |arn: &str| arn.split(':').nth(4).unwrap_or_default().to_owned();
        let who = match p.kind.as_str() {
            "*" => Who::Anybody,
            "AWS" if v == "*" => Who::Anybody,
            "AWS" if digits => Who::Account(v.to_owned()),
            "AWS" if v.starts_with("arn:") && v.contains(['*', '?']) => Who::Wild(v.to_owned()),
            "AWS" if v.starts_with("arn:") && v.ends_with(":root") => Who::Account(account(v)),
            "AWS" if v.contains(":assumed-role/") => {
                let mut names = v.split('/').skip(1);
                let (role, session) = (names.next(), names.next());
                Who::Session(
                    account(v),
                    role.unwrap_or_default().to_owned(),
                    session.unwrap_or_default().to_owned(),
                )
            }
            "AWS" if v.starts_with("arn:") => Who::Arn(v.to_owned()),
            "AWS" if v.starts_with("AIDA") || v.starts_with("AROA") => Who::Id(v.to_owned()),
            "Service" => Who::Service(v.to_owned()),
            "Federated" => Who::Federated(v.to_owned()),
            "CanonicalUser" => Who::Canonical,
            _ => Who::Unreadable,
        };
        Self { who, negate: p.negate }
    }
}

/// How surely a caller is named, by the way it is named; the ways differ in what limits them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// As user, service, provider, or as one of everybody.
    pub(super) itself: Tri,
    /// By the ARN of its role.
    pub(super) role: Tri,
    /// By the ARN of its role session.
    pub(super) session: Tri,
    /// By its account.
    pub(super) account: Tri,
}

impl Named {
    pub(super) const NOBODY: Self =
        Self { itself: Tri::F, role: Tri::F, session: Tri::F, account: Tri::F };

    pub(super) fn any(self) -> Tri {
        self.itself.or(self.role).or(self.session).or(self.account)
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self {
            itself: self.itself.or(other.itself),
            role: self.role.or(other.role),
            session: self.session.or(other.session),
            account: self.account.or(other.account),
        }
    }

    pub(super) fn and(self, m: Tri) -> Self {
        Self {
            itself: self.itself.and(m),
            role: self.role.and(m),
            session: self.session.and(m),
            account: self.account.and(m),
        }
    }

    fn itself(m: Tri) -> Self {
        Self { itself: m, ..Self::NOBODY }
    }
}

fn named(who: &Who, caller: &Caller<'_>) -> Named {
    let role = caller.kind == CallerKind::Role;
    let inside = caller.kind.has_account();
    let nobody = Named::NOBODY;
    match who {
        Who::Anybody => Named::itself(Tri::T),
        Who::Unreadable => Named::itself(Tri::U),
        Who::Service(s) if caller.kind == CallerKind::Service => {
            Named::itself(Tri::from_bool(s.eq_ignore_ascii_case(caller.arn)))
        }
        Who::Federated(p) if caller.kind == CallerKind::Federated => {
            Named::itself(Tri::from_bool(p == caller.arn))
        }
        Who::Service(_) | Who::Federated(_) => nobody,
        _ if !inside => nobody,
        Who::Canonical => Named::itself(Tri::U),
        Who::Account(a) => Named { account: Tri::from_bool(a == caller.account), ..nobody },
        Who::Arn(a) => {
            let m = Tri::from_bool(a == caller.arn && caller.kind != CallerKind::Root);
            if role { Named { role: m, ..nobody } } else { Named::itself(m) }
        }
        Who::Id(id) => {
            let m = match caller.unique_id {
                Some(own) => Tri::from_bool(own == id),
                None => Tri::U.and(Tri::from_bool(match caller.kind {
                    CallerKind::Role => id.starts_with("AROA"),
                    CallerKind::User => id.starts_with("AIDA"),
                    _ => false,
                })),
            };
            if role { Named { role: m, ..nobody } } else { Named::itself(m) }
        }
        Who::Session(account, name, session) => {
            let same = role && account == caller.account && name == caller.name();
            let m = match caller.session {
                Some(own) => Tri::from_bool(same && own == session),
                // Whoever assumes the role chooses the name of the session.
                None => Tri::U.and(Tri::from_bool(same)),
            };
            Named { session: m, ..nobody }
        }
        Who::Wild(pattern) => {
            let hit = glob::matches(pattern, caller.arn)
                || pattern.strip_suffix(":root").is_some_and(|p| {
                    p.rsplit(':').next().is_some_and(|a| glob::matches(a, caller.account))
                });
            Named::itself(Tri::U.and(Tri::from_bool(hit)))
        }
    }
}

/// How a statement of a resource-based policy names the caller. A statement that names nobody cannot
/// be read.
pub(super) fn of(line: &Line, caller: &Caller<'_>) -> Named {
    if line.parties.is_empty() {
        return Named::itself(Tri::U);
    }
    let mut plain = Named::NOBODY;
    let (mut listed, mut complement) = (Tri::F, false);
    for p in &line.parties {
        let n = named(&p.who, caller);
        if p.negate {
            complement = true;
            listed = listed.or(n.any());
        } else {
            plain = plain.or(n);
        }
    }
    if complement {
        // A boundary makes a principal fall under every such Deny (5.4.8).
        let bounded = line.effect == Effect::Deny && caller.bounded;
        let rest = if bounded { Tri::T } else { !listed };
        plain = plain.or(Named::itself(rest));
    }
    plain
}
