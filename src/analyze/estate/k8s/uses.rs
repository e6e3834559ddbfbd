//! Which bindings the audit log shows in use (cloud semantics, section 9).
//!
//! The authoriser asks ClusterRoleBindings first, then the RoleBindings of the namespace, and stops at the
//! first that allows. So a binding that the log names is used; one that it never names is unused, or shadowed
//! by those it names; and it is redundant where those give all it gives.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Estate, Held, Use, World};
use super::roles::{Found, Roles};
use super::{OBJECTS, place_of};
use crate::facts::{Outcome, Standing, Text, Time, Usage, UsageGrain, text};
use crate::privilege::k8s::content::{Place, allows};
use crate::privilege::k8s::rbac::{Request, Rule, covers};

/// Format of the log that a cluster writes itself.
const FORMAT: &str = "kubernetes-audit";
/// Format of the log that holds calls to clusters among others: what it says of a cluster begins and ends
/// with those, and reads are in it only where somebody switched them on (section 9).
const CLOUD: &str = "gcp-audit";
/// Verbs that read.
const READS: &[&str] = &["get", "list", "watch"];
/// Days that a log may end before the as-of time and still speak of now.
const FRESH_DAYS: i64 = 7;

/// Rules of the bindings in use, by principal and scope, each once.
type InUse = BTreeMap<Text, BTreeMap<Text, BTreeSet<Rule>>>;

/// What the logs of one cluster say.
#[derive(Default)]
struct Log<'a> {
    first: Option<Time>,
    last: Option<Time>,
    /// Last use by binding, scope and actor.
    named: BTreeMap<(&'a str, &'a str), BTreeMap<&'a str, Time>>,
    /// Reads may be missing.
    cloud: bool,
    /// Some read is in it.
    reads: bool,
    /// What was done, by actor.
    done: BTreeMap<&'a str, BTreeSet<(&'a str, &'a str)>>,
}

/// Fills `used` of what bindings give.
pub fn fill(world: &World<'_>, roles: &Roles<'_>, estate: &mut Estate) {
    let logs = read(world);
    if logs.is_empty() {
        return;
    }
    // Bindings in use by principal: their rules may make others redundant.
    let mut in_use = InUse::new();
    let mut found: Vec<Option<Use>> = Vec::with_capacity(estate.held.len());
    for h in &estate.held {
        let cluster = place_of(&h.scope).0;
        let used = logs.get(cluster).and_then(|log| named(log, h, world.as_of));
        if used.is_some()
            && let Found::Role(role) = roles.find(cluster, &h.role_id)
        {
            let at = in_use.entry(h.principal.clone()).or_default();
            let scope = text(h.scope.split(OBJECTS).next().unwrap_or_default());
            at.entry(scope).or_default().extend(role.content.rules.iter().cloned());
        }
        found.push(used);
    }
    for (h, used) in estate.held.iter_mut().zip(found) {
        let Some(log) = logs.get(place_of(&h.scope).0) else { continue };
        if h.standing == Standing::Residue || h.via.first().is_none_or(|v| !v.contains(':')) {
            continue;
        }
        h.used = Some(used.unwrap_or_else(|| unnamed(log, h, roles, &in_use, world)));
    }
}

/// Logs that say which binding allowed a call; others say nothing about bindings.
fn read<'a>(world: &World<'a>) -> BTreeMap<&'a str, Log<'a>> {
    let sources: BTreeMap<&str, (bool, Option<Time>, Option<Time>)> = world
        .facts
        .sources
        .iter()
        .filter(|s| matches!(&*s.format, FORMAT | CLOUD))
        .map(|s| (&*s.source_id, (&*s.format == CLOUD, s.first_time, s.last_time)))
        .collect();
    let mut logs: BTreeMap<&str, Log<'_>> = BTreeMap::new();
    let mut with_reasons: BTreeSet<&str> = BTreeSet::new();
    let ours = |u: &&Usage| u.outcome == Outcome::Allowed && u.platform.as_deref() == Some("k8s");
    for u in world.facts.usage.iter().filter(ours) {
        let Some((cloud, first, last)) = sources.get(&*u.source_id).copied() else { continue };
        let Some(scope) = u.scope.as_deref() else { continue };
        let (first, last) = if cloud { (u.first_at, u.last_at) } else { (first, last) };
        let (cluster, namespace) = place_of(scope);
        let log = logs.entry(cluster).or_default();
        log.cloud |= cloud;
        log.reads |= u.action.as_deref().is_some_and(reads);
        log.first = [log.first, first].into_iter().flatten().min();
        log.last = log.last.max(last);
        let who = u.principal_id.as_deref().unwrap_or(&u.principal);
        match (binding_of(u), &u.action) {
            (Some(binding), _) => {
                with_reasons.insert(cluster);
                if let Some(t) = u.last_at {
                    let by = log.named.entry((binding, scope)).or_default();
                    let slot = by.entry(who).or_insert(t);
                    *slot = t.max(*slot);
                }
            }
            (None, Some(action)) => {
                log.done.entry(who).or_default().insert((action, namespace.unwrap_or("")));
            }
            (None, None) => {}
        }
    }
    logs.retain(|cluster, _| with_reasons.contains(cluster));
    logs
}

/// Whether an action only reads.
fn reads(action: &str) -> bool {
    action.rsplit(':').next().is_some_and(|verb| READS.contains(&verb))
}

fn binding_of(u: &Usage) -> Option<&str> {
    let binding = u.resource.as_deref().filter(|_| u.grain == UsageGrain::Identity)?;
    (binding.starts_with("ClusterRoleBinding:") || binding.starts_with("RoleBinding:"))
        .then_some(binding)
}

/// Use of a binding that the log names: by the principal itself, or for a group by anybody.
fn named(log: &Log<'_>, h: &Held, as_of: Time) -> Option<Use> {
    let scope = h.scope.split(OBJECTS).next()?;
    let by = log.named.get(&(&**h.via.first()?, scope))?;
    let group = h.principal.contains("/group:");
    let last = match by.get(&*h.principal) {
        Some(t) => *t,
        None if group => *by.values().max()?,
        None => return None,
    };
    Some(Use {
        last: Some(last),
        used: Some(true),
        idle_days: Some(as_of.days_since(last).max(0)),
        unknown: None,
    })
}

fn unnamed(log: &Log<'_>, h: &Held, roles: &Roles<'_>, in_use: &InUse, world: &World<'_>) -> Use {
    let not_known = |why: &str| Use { unknown: Some(text(why)), ..Use::default() };
    let (Some(first), Some(last)) = (log.first, log.last) else { return not_known("no_source") };
    let days = world.as_of.days_since(first);
    if days < world.activity.idle_days || world.as_of.days_since(last) > FRESH_DAYS {
        return not_known("window_too_short");
    }
    let unused = Use { used: Some(false), idle_days: Some(days), ..Use::default() };
    let (cluster, namespace) = place_of(&h.scope);
    let Found::Role(role) = roles.find(cluster, &h.role_id) else { return not_known("shadowed") };
    let reading = || role.content.rules.iter().any(|r| READS.iter().any(|v| r.has_verb(v)));
    if log.cloud && !log.reads && reading() {
        return not_known("reads_not_logged");
    }
    if h.principal.contains("/group:") {
        // Members may have been allowed by bindings of their own.
        return not_known("shadowed");
    }
    let place = Place::of(namespace);
    let matched =
        log.done.get(&*h.principal).into_iter().flatten().any(|(action, ns)| {
            namespace.is_none_or(|own| own == *ns)
                && request(action).is_some_and(|(group, resource, verb)| {
                    allows(&role.content.rules, place, &Request { verb, group, resource, name: "" })
                        || role.content.rules.iter().any(|r| {
                            r.has_verb(verb) && r.has_group(group) && r.has_resource(resource)
                        })
                })
        });
    if !matched {
        return unused;
    }
    let own = in_use.get(&h.principal);
    let at = |scope: &str| own.and_then(|o| o.get(scope)).into_iter().flatten().cloned();
    let mut wide: Vec<Rule> = at(cluster).collect();
    if namespace.is_some() {
        wide.extend(at(h.scope.split(OBJECTS).next().unwrap_or_default()));
    }
    // What is used gives all of it: taking it away changes nothing.
    let redundant = role.content.rules.iter().all(|rule| covers(&wide, rule));
    if redundant { unused } else { not_known("shadowed") }
}

/// Group, resource and verb of an action as the log's adapter writes it.
fn request(action: &str) -> Option<(&str, &str, &str)> {
    let (kind, verb) = action.rsplit_once(':')?;
    let (group, resource) = kind.split_once('/')?;
    Some((if group == "core" { "" } else { group }, resource, verb))
}
