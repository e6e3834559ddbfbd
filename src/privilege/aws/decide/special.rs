//! What holds whatever the policies say (5.4.7), and which services ask for consent (5.4.5) or know
//! resource control policies (5.4.3).

use std::collections::BTreeSet;
use std::sync::OnceLock;

use super::{CallerKind, Request, Verdict};
use crate::privilege::aws::action::{Level, catalogue};

/// Services under resource control policies, each with the source that says so (AWS Organizations user
/// guide, services that support them). Those with a date are under them since there are such policies;
/// since when the others are, the guide does not say, and the list grows.
const UNDER_RCP: &str = include_str!("../../../../rules/privilege/aws_rcp_services.csv");

/// What resource control policies leave alone in these services (same guide, permissions that they do not
/// impact).
const NOT_UNDER_RCP: [&str; 1] = ["kms:retiregrant"];

/// Prefixes of the services under resource control policies, in order.
fn services_under_rcp() -> &'static BTreeSet<&'static str> {
    static SERVICES: OnceLock<BTreeSet<&str>> = OnceLock::new();
    SERVICES.get_or_init(|| {
        let rows = UNDER_RCP.lines().skip(1);
        rows.filter_map(|row| row.split(',').next().filter(|s| !s.is_empty())).collect()
    })
}

/// Actions that a role's trust policy decides.
const ASSUME: [&str; 5] = [
    "sts:assumerole",
    "sts:assumerolewithsaml",
    "sts:assumerolewithwebidentity",
    "sts:tagsession",
    "sts:setsourceidentity",
];

/// Changes to a policy.
const CHANGES_POLICY: [&str; 6] = [
    "iam:createpolicyversion",
    "iam:deletepolicy",
    "iam:deletepolicyversion",
    "iam:setdefaultpolicyversion",
    "iam:tagpolicy",
    "iam:untagpolicy",
];

/// Changes to service-linked roles that their owners may make.
const LINKED_ROLE_CARE: [&str; 3] =
    ["iam:createservicelinkedrole", "iam:deleteservicelinkedrole", "iam:updateroledescription"];

/// Changes to a key alias.
const CHANGES_ALIAS: [&str; 3] = ["kms:createalias", "kms:updatealias", "kms:deletealias"];

fn one_of(list: &[&str], action: &str) -> bool {
    list.iter().any(|a| a.eq_ignore_ascii_case(action))
}

fn service(action: &str) -> &str {
    action.split_once(':').map_or("", |(s, _)| s)
}

/// Whether an action is decided by the trust policy of a role.
#[must_use]
pub fn asks_trust(action: &str) -> bool {
    one_of(&ASSUME, action)
}

/// Whether what an action is on has no policy of its own: nothing of IAM has but the trust policy of a
/// role (IAM user guide, services that work with IAM).
#[must_use]
pub fn lacks_policies(action: &str) -> bool {
    service(action).eq_ignore_ascii_case("iam")
}

/// Whether the policy of the resource must agree even in the same account: roles to be assumed, keys.
pub(super) fn needs_consent(request: &Request<'_>) -> bool {
    let tail = request.target.arn.map_or("", |(_, tail)| tail);
    asks_trust(request.action.text) && tail.starts_with("role/")
        || service(request.action.text).eq_ignore_ascii_case("kms") && tail.starts_with("key/")
}

/// Whether resource control policies reach this action.
pub(super) fn under_rcp(action: &str) -> bool {
    services_under_rcp().contains(&*service(action).to_ascii_lowercase())
        && !one_of(&NOT_UNDER_RCP, action)
}

/// A verdict that no policy changes, with its reason.
pub(super) fn fixed(request: &Request<'_>) -> Option<(Verdict, &'static str)> {
    let action = request.action.text;
    if action.eq_ignore_ascii_case("sts:GetCallerIdentity") {
        return Some((Verdict::Allow, "everybody may ask who it is"));
    }
    if request.caller.kind == CallerKind::Root && one_of(&ASSUME, action) {
        return Some((Verdict::Deny, "the root user cannot assume roles"));
    }
    if !matches!(service(action), s if s.eq_ignore_ascii_case("iam") || s.eq_ignore_ascii_case("kms"))
    {
        return None;
    }
    let (head, tail) = request.target.arn?;
    if head.ends_with(":iam::aws") && one_of(&CHANGES_POLICY, action) {
        return Some((Verdict::Deny, "policies of the provider cannot be changed"));
    }
    // Services make the aliases and roles that are reserved for them.
    if !request.caller.kind.has_account() {
        return None;
    }
    if tail.starts_with("alias/aws/") && one_of(&CHANGES_ALIAS, action) {
        return Some((Verdict::Deny, "aliases of the provider cannot be changed"));
    }
    let reserved = tail.starts_with("role/aws-reserved/");
    let linked = tail.starts_with("role/aws-service-role/");
    if reserved || linked && !one_of(&LINKED_ROLE_CARE, action) {
        let level = request.action.id.map(|id| catalogue().level(id));
        if !matches!(level, Some(Level::List | Level::Read)) {
            return Some((Verdict::Deny, "reserved roles can be neither changed nor passed"));
        }
    }
    None
}
