//! Who can change the controls over itself, and who holds duties that policy keeps apart
//! (compliance, ESC-002 and ESC-003; NIST 800-53 AC-5, AU-9).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::OnceLock;

use rayon::prelude::*;

use super::access::{Outcome, Plan};
use crate::facts::{IdentityFact, Text, text};
use crate::privilege::aws::action::{ActionSet, catalogue};
use crate::privilege::aws::chain;
use crate::privilege::aws::escalation::{Gain, Node, can_assume};
use crate::privilege::aws::evaluate::Scope;
use crate::privilege::aws::tri::Tri;
use crate::privilege::glob;
use crate::settings::{Duties, Settings};

/// Actions that stop, narrow or erase the record of what identities do.
const AUDIT: [&str; 19] = [
    "access-analyzer:DeleteAnalyzer",
    "cloudtrail:DeleteEventDataStore",
    "cloudtrail:DeleteTrail",
    "cloudtrail:PutEventSelectors",
    "cloudtrail:StopEventDataStoreIngestion",
    "cloudtrail:StopLogging",
    "cloudtrail:UpdateTrail",
    "config:DeleteConfigurationRecorder",
    "config:DeleteDeliveryChannel",
    "config:PutConfigurationRecorder",
    "config:StopConfigurationRecorder",
    "ec2:DeleteFlowLogs",
    "guardduty:DeleteDetector",
    "guardduty:DeletePublishingDestination",
    "guardduty:DisassociateFromAdministratorAccount",
    "guardduty:StopMonitoringMembers",
    "guardduty:UpdateDetector",
    "securityhub:DisableSecurityHub",
    "securityhub:DisassociateFromAdministratorAccount",
];
/// Actions that erase or rewrite a store of logs.
const LOG_STORES: [&str; 7] = [
    "logs:DeleteLogGroup",
    "logs:DeleteLogStream",
    "logs:PutRetentionPolicy",
    "s3:DeleteBucket",
    "s3:DeleteObject",
    "s3:PutBucketPolicy",
    "s3:PutLifecycleConfiguration",
];
/// Actions that change what a broker may do, or let somebody act as it.
const BROKER: [&str; 11] = [
    "iam:AttachRolePolicy",
    "iam:AttachUserPolicy",
    "iam:CreateAccessKey",
    "iam:DeleteRole",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:PutRolePolicy",
    "iam:PutUserPolicy",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateLoginProfile",
    "sts:AssumeRole",
];
/// Entries that are listed; the rest is counted.
const SHOWN: usize = 12;

/// What one principal holds against its own controls, and which pairs of duties.
#[derive(Debug)]
pub struct Found {
    controls_itself: (crate::facts::Tri, Vec<Text>),
    duty_conflict: (crate::facts::Tri, Vec<Text>),
}

/// What each principal holds, in the order of the plans.
pub fn found(
    plans: &[Plan],
    nodes: &[Node<'_>],
    judged: &[Outcome],
    settings: &Settings,
) -> Vec<Found> {
    let pairs: Vec<(&Duties, ActionSet, ActionSet)> =
        settings.duties.iter().map(|d| (d, set_of(&d.first), set_of(&d.second))).collect();
    let at: BTreeMap<&str, usize> =
        plans.iter().enumerate().map(|(i, p)| (&*p.principal, i)).collect();
    let brokers: Vec<(&str, Option<&Node<'_>>)> = settings
        .brokers
        .iter()
        .map(|b| (b.as_str(), at.get(b.as_str()).and_then(|i| nodes.get(*i))))
        .collect();
    let of = plans.par_iter().zip(nodes).zip(judged);
    of.map(|((plan, node), outcome)| {
        let mut list = Vec::new();
        own_controls(node, &brokers, outcome, settings, &mut list);
        let mut controls_itself = told(list);
        let list = pairs.iter().filter_map(|(d, a, b)| conflict(plan, node, d, a, b)).collect();
        let mut duty_conflict = told(list);
        if !outcome.unknown.is_empty() {
            // What the inputs lack may hold anything.
            let open = crate::facts::Tri::Conditional;
            controls_itself.0 = super::stronger(controls_itself.0, open);
            if !pairs.is_empty() {
                duty_conflict.0 = super::stronger(duty_conflict.0, open);
            }
        }
        Found { controls_itself, duty_conflict }
    })
    .collect()
}

/// Fills the columns of ESC-002 and ESC-003.
pub fn fill(plans: &[Plan], found: Vec<Found>, identities: &mut [IdentityFact]) {
    let mut of: BTreeMap<&str, Found> = BTreeMap::new();
    for (plan, found) in plans.iter().zip(found) {
        // The strongest of the sessions of a person counts.
        match of.entry(&plan.principal) {
            Entry::Vacant(slot) => {
                slot.insert(found);
            }
            Entry::Occupied(mut slot) => {
                let have = slot.get_mut();
                for (a, b) in [
                    (&mut have.controls_itself, found.controls_itself),
                    (&mut have.duty_conflict, found.duty_conflict),
                ] {
                    if a.0 != b.0 && super::stronger(a.0, b.0) == b.0 {
                        *a = b;
                    }
                }
            }
        }
    }
    for identity in identities {
        if let Some(found) = of.remove(&*identity.principal_id) {
            (identity.controls_itself, identity.controls_itself_by) = found.controls_itself;
            (identity.duty_conflict, identity.duty_conflicts) = found.duty_conflict;
        }
    }
}

/// [`AUDIT`] with the places in the catalogue.
fn audit() -> &'static [(&'static str, Option<usize>)] {
    static PLACES: OnceLock<Vec<(&str, Option<usize>)>> = OnceLock::new();
    PLACES.get_or_init(|| AUDIT.map(|a| (a, catalogue().id(a))).to_vec())
}

fn set_of(patterns: &[String]) -> ActionSet {
    let mut out = catalogue().none();
    for p in patterns {
        out.union_with(&catalogue().expand(p));
    }
    out
}

/// Strongest verdict, and the entries: certain ones first, then by text.
fn told(mut found: Vec<(Tri, String)>) -> (crate::facts::Tri, Vec<Text>) {
    found.sort_by(|a, b| (std::cmp::Reverse(a.0), &a.1).cmp(&(std::cmp::Reverse(b.0), &b.1)));
    found.dedup();
    let verdict = Tri::any(found.iter().map(|f| f.0));
    let more = found.len().saturating_sub(SHOWN);
    let line =
        |(t, s): (Tri, String)| text(if t == Tri::T { s } else { format!("{s} (conditional)") });
    let mut out: Vec<Text> = found.into_iter().take(SHOWN).map(line).collect();
    if more > 0 {
        out.push(text(format!("and {more} more")));
    }
    (verdict.word(), out)
}

fn own_controls(
    node: &Node<'_>,
    brokers: &[(&str, Option<&Node<'_>>)],
    outcome: &Outcome,
    settings: &Settings,
    found: &mut Vec<(Tri, String)>,
) {
    for path in outcome.reached.found.iter().filter(|f| f.gain == Gain::SelfGrant) {
        let ids: Vec<&str> = path.hops.iter().filter_map(chain::technique).map(|t| t.id).collect();
        found.push((path.verdict, format!("its own grants ({})", ids.join(", "))));
    }
    let held = |id: Option<usize>| {
        let Some(id) = id else { return Tri::F };
        let g = &node.rights.grants;
        if g.certain(Scope::Some).contains(id) {
            Tri::T
        } else {
            Tri::from_bool(g.possible(Scope::Some).contains(id)).and(Tri::U)
        }
    };
    for (action, id) in audit() {
        let verdict = held(*id);
        if verdict.possible() {
            found.push((verdict, (*action).to_owned()));
        }
    }
    let on = |action: &str, resource: &str| match catalogue().id(action) {
        Some(id) if held(Some(id)).possible() => node.rights.decide(id, resource, node.subject),
        _ => Tri::F,
    };
    for store in &settings.audit_logs {
        // Objects are addressed below their bucket.
        let object = format!("{}/*", store.trim_end_matches("/*"));
        for action in LOG_STORES {
            let resource = if action == "s3:DeleteObject" { &object } else { store };
            let verdict = on(action, resource);
            if verdict.possible() {
                found.push((verdict, format!("{action} on `{store}`")));
            }
        }
    }
    for (broker, target) in brokers.iter().filter(|(b, _)| *b != node.subject.arn) {
        for action in BROKER {
            let mut verdict = on(action, broker);
            if action == "sts:AssumeRole" {
                verdict = target.map_or(Tri::F, |t| can_assume(node, t));
            }
            if verdict.possible() {
                found.push((verdict, format!("{action} on the broker `{broker}`")));
            }
        }
    }
}

/// One pair of duties in one identity, by actions of its whole set of policies or by privileges bound
/// to it directly or through groups.
fn conflict(
    plan: &Plan,
    node: &Node<'_>,
    duties: &Duties,
    first: &ActionSet,
    second: &ActionSet,
) -> Option<(Tri, String)> {
    let side = |set: &ActionSet, patterns: &[String]| {
        let g = &node.rights.grants;
        let bound = plan.bindings.iter().find(|b| {
            patterns.iter().any(|p| glob::matches(p, &b.privilege) || glob::matches(p, &b.role_id))
        });
        let one = |held: &ActionSet| set.in_common(held).next().map(|id| catalogue().name(id));
        match (bound, one(g.certain(Scope::Some)), one(g.possible(Scope::Some))) {
            (Some(b), ..) => Some((Tri::T, b.privilege.to_string())),
            (None, Some(name), _) => Some((Tri::T, name.to_owned())),
            (None, None, Some(name)) => Some((Tri::U, name.to_owned())),
            (None, None, None) => None,
        }
    };
    let (a, x) = side(first, &duties.first_privileges)?;
    let (b, y) = side(second, &duties.second_privileges)?;
    Some((a.and(b), format!("{}: {x} and {y}", duties.name)))
}
