//! Two exports of one system that tell of the same grants under different names.
//!
//! Schedule requests of Entra PIM name a grant by its schedule, its holder and role by object ids. The
//! directory audits have no id of a grant; they name the request, the principal and the role. Rows are
//! one grant by the id of the request, else by role, principal and a request within 15 seconds (grants
//! model, section 4.4).

use std::collections::{BTreeMap, BTreeSet};

use super::history::join_views;
use crate::facts::identity::normalise;
use crate::facts::{Alias, Confidence, Facts, Grant, Text, Time, text};

/// What is known of a grant beyond its row, to find the same grant in another export.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The grant has an id of its own there; else it is named after holder, role and start.
    native: bool,
    /// Ids of the requests that belong to it.
    requests: BTreeSet<Text>,
    /// Object ids of holder and role.
    ids: Option<(Text, Text)>,
}

/// Views by ledger system and grant id.
pub type Views = BTreeMap<(Text, Text), View>;

impl View {
    /// Adds what one record says.
    pub fn add(&mut self, native: bool, request: Option<&Text>, ids: Option<&(Text, Text)>) {
        self.native |= native;
        self.requests.extend(request.cloned());
        if self.ids.is_none() {
            self.ids = ids.cloned();
        }
    }

    /// Adds what another file says.
    pub fn absorb(&mut self, other: Self) {
        self.native |= other.native;
        self.requests.extend(other.requests);
        self.ids = self.ids.take().or(other.ids);
    }
}

/// Seconds between the records of one request in two exports, at most.
const NEAR_S: i64 = 15;

/// Requests of one holder within that time that are compared by role.
const MOST_NEAR: usize = 32;

/// Joins grants without an id of their own to the ones that have one. One that fits several is left.
pub fn join(views: &Views, facts: &mut Facts) {
    let pairs = pairs(views, facts);
    if pairs.is_empty() {
        return;
    }
    let rows: BTreeMap<(Text, Text), usize> = facts
        .grants
        .iter()
        .enumerate()
        .map(|(i, g)| ((g.system.clone(), g.grant_id.clone()), i))
        .collect();
    let mut joined: BTreeMap<Text, Text> = BTreeMap::new();
    let mut gone = vec![false; facts.grants.len()];
    for ((system, slot), native) in pairs {
        let row = |id: &Text| rows.get(&(system.clone(), id.clone())).copied();
        let (Some(i), Some(j)) = (row(&native), row(&slot)) else { continue };
        let (Some(a), Some(b)) = (facts.grants.get(i), facts.grants.get(j)) else { continue };
        let Some(one) = one(a, b) else { continue };
        facts.aliases.extend(alias(a, b));
        if let Some(place) = facts.grants.get_mut(i) {
            *place = one;
        }
        if let Some(flag) = gone.get_mut(j) {
            *flag = true;
        }
        joined.insert(slot, native);
    }
    let mut flags = gone.into_iter();
    facts.grants.retain(|_| !flags.next().unwrap_or(false));
    let renamed = |id: &mut Option<Text>| {
        if let Some(native) = id.as_ref().and_then(|id| joined.get(id)) {
            *id = Some(native.clone());
        }
    };
    facts.grant_events.iter_mut().for_each(|e| renamed(&mut e.grant_id));
    facts.approvals.iter_mut().for_each(|a| renamed(&mut a.grant_id));
}

/// For grants without an id of their own the one grant with an id that they are.
fn pairs(views: &Views, facts: &Facts) -> Vec<((Text, Text), Text)> {
    let mut by_request: BTreeMap<(&Text, &Text), BTreeSet<&Text>> = BTreeMap::new();
    for ((system, id), view) in views.iter().filter(|(_, v)| v.native) {
        for request in &view.requests {
            by_request.entry((system, request)).or_default().insert(id);
        }
    }
    if by_request.is_empty() {
        return Vec::new();
    }
    let mut asked: BTreeMap<(&Text, &Text), Time> = BTreeMap::new();
    // By system and holder, in the order of their requests.
    let mut of_holder: BTreeMap<(&Text, Text), Vec<(Time, &Grant)>> = BTreeMap::new();
    for g in &facts.grants {
        let Some(view) = views.get(&(g.system.clone(), g.grant_id.clone())) else { continue };
        let Some(at) = g.requested_at else { continue };
        if view.native {
            of_holder.entry((&g.system, normalise(&g.beneficiary))).or_default().push((at, g));
        } else {
            asked.insert((&g.system, &g.grant_id), at);
        }
    }
    of_holder
        .values_mut()
        .for_each(|v| v.sort_by(|a, b| (a.0, &a.1.grant_id).cmp(&(b.0, &b.1.grant_id))));
    let mut out = Vec::new();
    for (key, view) in views.iter().filter(|(_, v)| !v.native) {
        let (system, id) = key;
        let mut fit: BTreeSet<&Text> = view
            .requests
            .iter()
            .filter_map(|r| by_request.get(&(system, r)))
            // Two are as ambiguous as a thousand.
            .flat_map(|natives| natives.iter().take(2))
            .copied()
            .collect();
        if let (true, Some((who, role)), Some(at)) =
            (fit.is_empty(), &view.ids, asked.get(&(system, id)))
        {
            let near = of_holder.get(&(system, normalise(who))).map_or(&[][..], Vec::as_slice);
            let from = near.partition_point(|(t, _)| *t < at.plus_secs(-NEAR_S));
            let near = near.iter().skip(from).take_while(|(t, _)| *t <= at.plus_secs(NEAR_S));
            let near = near.take(MOST_NEAR);
            let same = near.filter(|(_, g)| is_role(&g.privilege, role, id));
            fit.extend(same.map(|(_, g)| &g.grant_id));
        }
        if let (1, Some(native)) = (fit.len(), fit.first()) {
            out.push((key.clone(), (*native).clone()));
        }
    }
    out
}

/// Whether a role goes by this id, or by the name in the key of the other grant.
fn is_role(privilege: &str, role: &str, slot: &str) -> bool {
    privilege.eq_ignore_ascii_case(role) || slot.split('|').any(|part| part == privilege)
}

/// Both rows as one, under the names of the one that has an id.
fn one(native: &Grant, slot: &Grant) -> Option<Grant> {
    let slot = Grant {
        beneficiary: native.beneficiary.clone(),
        requester: native.requester.clone().or_else(|| slot.requester.clone()),
        privilege: native.privilege.clone(),
        scope: native.scope.clone(),
        platform: native.platform.clone(),
        ..slot.clone()
    };
    let mut g = join_views(native, &slot)?;
    g.beneficiary_kind = g.beneficiary_kind.or(slot.beneficiary_kind);
    Some(g)
}

/// The principal name that the other export has for the holder (identity rule E1).
fn alias(native: &Grant, slot: &Grant) -> Option<Alias> {
    let (id, name) = (normalise(&native.beneficiary), normalise(&slot.beneficiary));
    (id != name && name.contains('@')).then(|| Alias {
        principal_id: id,
        alias_type: text("upn"),
        alias: name,
        confidence: Confidence::Strong,
        rule: text("E1"),
        source_id: slot.source_id.clone(),
        source_ref: slot.source_ref.clone(),
        ..Alias::default()
    })
}
