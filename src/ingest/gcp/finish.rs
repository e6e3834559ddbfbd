//! What several files of Google Cloud say together: numbers and names of projects, one binding in many
//! exports, bindings that later exports lack, dates out of logs, last use of keys.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::ACTIVITY;
use super::audit::FROM_LOG;
use super::policies::id;
use crate::facts::*;
use crate::ingest::source::Adapter;
use crate::privilege::gcp::catalogue::catalogue;

/// Joins what several files of a run say. Called once with all facts, before anything is resolved.
pub fn finish(facts: &mut Facts) {
    super::cluster::names(facts);
    let ours = |p: &Text| &**p == "gcp";
    let any = facts.entitlements.iter().any(|e| ours(&e.platform))
        || facts.realms.iter().any(|r| ours(&r.platform))
        || facts.usage.iter().any(|u| u.platform.as_ref().is_some_and(ours))
        || facts.memberships.iter().any(|m| m.group_id.starts_with("group"));
    if !any {
        return;
    }
    numbers(facts);
    groups(facts);
    tree(facts);
    bindings(facts);
    roles(facts);
    fallbacks(facts);
    guardrails(facts);
    keys(facts);
}

/// Numbers of projects become their names wherever a scope carries one.
fn numbers(facts: &mut Facts) {
    let mut names: HashMap<Text, Option<Text>> = HashMap::new();
    for a in facts.aliases.iter().filter(|a| &*a.alias_type == "project_number") {
        let slot = names.entry(a.alias.clone()).or_insert_with(|| Some(a.principal_id.clone()));
        if slot.as_ref().is_some_and(|have| *have != a.principal_id) {
            // Two names for one number: neither can be told.
            *slot = None;
        }
    }
    let mut seen = BTreeSet::new();
    facts.aliases.retain(|a| {
        &*a.alias_type != "project_number" || seen.insert((a.alias.clone(), a.principal_id.clone()))
    });
    if names.is_empty() {
        return;
    }
    let renamed = |scope: &Text| -> Option<Text> {
        if let Some(name) = names.get(scope) {
            return name.clone();
        }
        let at = scope.find("/projects/").filter(|_| scope.starts_with("//"))? + 1;
        let rest = scope.get(at..)?;
        let len = rest.get("projects/".len()..)?.find('/')? + "projects/".len();
        let name = names.get(rest.get(..len)?)?.as_ref()?;
        Some(text(format!("{}{name}{}", scope.get(..at)?, rest.get(len..)?)))
    };
    let fix = |scope: &mut Text| {
        if let Some(new) = renamed(scope) {
            *scope = new;
        }
    };
    for e in facts.entitlements.iter_mut().filter(|e| &*e.platform == "gcp") {
        if let Some(new) = renamed(&e.scope) {
            e.scope = new;
            e.entitlement_id = id(&e.principal_id, &e.role_id, &e.scope, e.condition.as_deref());
        }
    }
    for r in facts.realms.iter_mut().filter(|r| &*r.platform == "gcp") {
        fix(&mut r.realm_id);
        r.parent_id.as_mut().map(fix);
    }
    for g in facts.guardrails.iter_mut().filter(|g| &*g.platform == "gcp") {
        g.target_id.as_mut().map(fix);
    }
    for u in facts.usage.iter_mut().filter(|u| u.platform.as_deref() == Some("gcp")) {
        u.scope.as_mut().map(fix);
    }
    for p in facts.principals.iter_mut().filter(|p| p.platform.as_deref() == Some("gcp")) {
        p.realm.as_mut().map(fix);
    }
    for w in facts.workloads.iter_mut().filter(|w| &*w.platform == "gcp") {
        fix(&mut w.workload_id);
        w.realm.as_mut().map(fix);
    }
    for g in facts.grants.iter_mut().filter(|g| g.platform.as_deref() == Some("gcp")) {
        g.scope.as_mut().map(fix);
    }
}

/// Groups that memberships name by their resource name.
fn groups(facts: &mut Facts) {
    let names: HashMap<Text, Text> = facts
        .aliases
        .iter()
        .filter(|a| &*a.alias_type == "group_name")
        .map(|a| (a.alias.clone(), a.principal_id.clone()))
        .collect();
    for m in &mut facts.memberships {
        if let Some(id) = names.get(&m.group_id) {
            m.group_id = id.clone();
        }
    }
}

/// One row per node and parent; a row without a parent only where none is known.
fn tree(facts: &mut Facts) {
    let placed: BTreeSet<Text> = facts
        .realms
        .iter()
        .filter(|r| &*r.platform == "gcp" && (r.parent_id.is_some() || r.name.is_some()))
        .map(|r| r.realm_id.clone())
        .collect();
    let mut seen = BTreeSet::new();
    facts.realms.retain(|r| {
        if &*r.platform != "gcp" {
            return true;
        }
        let bare = r.parent_id.is_none() && r.name.is_none();
        if bare && placed.contains(&r.realm_id) {
            return false;
        }
        seen.insert((r.realm_id.clone(), r.parent_id.clone(), r.name.clone()))
    });
}

/// One row per binding. A later policy of the same resource that lacks a binding says that it was taken
/// away; changes in logs date bindings.
fn bindings(facts: &mut Facts) {
    let (mut ours, others): (Vec<Entitlement>, Vec<Entitlement>) =
        std::mem::take(&mut facts.entitlements).into_iter().partition(|e| &*e.platform == "gcp");
    facts.entitlements = others;
    let is_log = |e: &Entitlement| e.origin_hint.as_deref() == Some(FROM_LOG);
    let (log, mut state): (Vec<Entitlement>, Vec<Entitlement>) = ours.drain(..).partition(is_log);
    // Newest instant at which each policy was read.
    let mut newest: HashMap<Text, Time> = HashMap::new();
    for e in &state {
        if let Some(t) = e.last_seen {
            let slot = newest.entry(e.scope.clone()).or_insert(t);
            *slot = (*slot).max(t);
        }
    }
    state.sort_by(|a, b| {
        (&a.entitlement_id, a.last_seen.is_none(), a.last_seen, &a.source_id, &a.source_ref).cmp(&(
            &b.entitlement_id,
            b.last_seen.is_none(),
            b.last_seen,
            &b.source_id,
            &b.source_ref,
        ))
    });
    let mut out: Vec<Entitlement> = Vec::with_capacity(state.len());
    for e in state {
        match out.last_mut().filter(|have| have.entitlement_id == e.entitlement_id) {
            // Rows without an instant come last and add nothing to those that have one.
            Some(have) => {
                have.last_seen = have.last_seen.max(e.last_seen);
                have.first_seen = match (have.first_seen, e.first_seen) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
            }
            None => out.push(e),
        }
    }
    for e in &mut out {
        if let (Some(seen), Some(now)) = (e.last_seen, newest.get(&e.scope))
            && seen < *now
            && e.binding_kind == BindingKind::Active
        {
            e.unbound_at_lo = Some(seen);
            e.unbound_at_hi = Some(*now);
        }
    }
    date(&mut out, log);
    facts.entitlements.append(&mut out);
}

/// Dates of bindings out of changes in logs. What the log shows as taken away and no policy shows is
/// history; what it shows as added and no policy shows is not known to be there.
fn date(state: &mut Vec<Entitlement>, log: Vec<Entitlement>) {
    let mut changes: BTreeMap<Text, Vec<Entitlement>> = BTreeMap::new();
    for e in log {
        changes.entry(e.entitlement_id.clone()).or_default().push(e);
    }
    for e in state.iter_mut() {
        let Some(mut list) = changes.remove(&e.entitlement_id) else { continue };
        list.sort_by_key(|c| c.bound_at_hi.or(c.unbound_at_hi));
        let added = list.iter().rev().find(|c| c.bound_at_hi.is_some());
        e.bound_at_lo = added.and_then(|c| c.bound_at_lo);
        e.bound_at_hi = added.and_then(|c| c.bound_at_hi);
        e.origin_hint = e.origin_hint.take().or_else(|| added.and_then(|c| c.origin_hint.clone()));
    }
    for mut list in changes.into_values() {
        list.sort_by_key(|c| c.bound_at_hi.or(c.unbound_at_hi));
        let Some(removed) = list.iter().rposition(|c| c.unbound_at_hi.is_some()) else { continue };
        let bound = list.iter().take(removed).rev().find_map(|c| c.bound_at_hi);
        if let Some(last) = list.get(removed) {
            state.push(Entitlement { bound_at_lo: bound, bound_at_hi: bound, ..last.clone() });
        }
    }
}

/// One row per role: a definition wins over a mere mention, the last one over those before.
fn roles(facts: &mut Facts) {
    let mut best: HashMap<Text, usize> = HashMap::new();
    for (i, r) in facts.roles.iter().enumerate().filter(|(_, r)| &*r.platform == "gcp") {
        let slot = best.entry(r.role_id.clone()).or_insert(i);
        let have = facts.roles.get(*slot).is_some_and(|h| h.document.is_some());
        if r.document.is_some() || !have {
            *slot = i;
        }
    }
    let keep: BTreeSet<usize> = best.into_values().collect();
    let mut i = 0usize;
    facts.roles.retain(|r| {
        let kept = &*r.platform != "gcp" || keep.contains(&i);
        i += 1;
        kept
    });
}

/// Says in the source of a policy which roles the dated catalogue stands in for.
fn fallbacks(facts: &mut Facts) {
    let mut by: BTreeMap<Text, usize> = BTreeMap::new();
    for r in facts.roles.iter().filter(|r| &*r.platform == "gcp" && r.document.is_none()) {
        if catalogue().role(&r.role_id).is_some() {
            *by.entry(r.source_id.clone()).or_default() += 1;
        }
    }
    for s in &mut facts.sources {
        let Some(n) = by.get(&s.source_id) else { continue };
        let note = format!(
            "the content of {n} predefined roles is not in the inputs and is taken from a dated \
             catalogue ({})",
            catalogue().origin
        );
        s.limitation = Some(match &s.limitation {
            Some(have) => text(format!("{have}; {note}")),
            None => text(note),
        });
    }
}

/// One row per attachment of a deny policy.
fn guardrails(facts: &mut Facts) {
    let mut seen = BTreeSet::new();
    facts
        .guardrails
        .retain(|g| &*g.platform != "gcp" || seen.insert((g.role_id.clone(), g.target_id.clone())));
}

/// Keys of which the activity is known learn their last use.
fn keys(facts: &mut Facts) {
    let sources: BTreeSet<&Text> = facts
        .sources
        .iter()
        .filter(|s| &*s.format == ACTIVITY.format())
        .map(|s| &s.source_id)
        .collect();
    let mut last: BTreeMap<Text, Option<Time>> = BTreeMap::new();
    for u in facts.usage.iter().filter(|u| sources.contains(&u.source_id)) {
        if let Some(key) = &u.credential_id {
            let slot = last.entry(key.clone()).or_default();
            *slot = (*slot).max(u.last_at);
        }
    }
    for c in &mut facts.credentials {
        if let Some(t) = last.get(&c.credential_id) {
            c.last_used_at = c.last_used_at.max(*t);
            c.use_tracked = true;
        }
    }
}
