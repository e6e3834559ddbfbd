//! Assignments of IAM Identity Center as the log shows them: when they were made and removed, which
//! no export of their state tells.

use super::*;

/// `CreateAccountAssignment` and `DeleteAccountAssignment`. The service accepts them and works on: what
/// the log gives is the earliest instant of the change.
pub(super) fn changed(s: &Seen<'_, '_>, batch: &mut Batch) {
    let made = match &*s.action {
        "sso:CreateAccountAssignment" => true,
        "sso:DeleteAccountAssignment" => false,
        _ => return,
    };
    if s.outcome != Outcome::Allowed {
        return;
    }
    let Some(request) = s.event.request.and_then(|r| Obj::parse(r.get()).ok()) else {
        return batch.quarantine(s.place, "an assignment without readable `requestParameters`");
    };
    let kind = match request.str(&["principalType"]).as_deref() {
        Some("USER") => "user",
        Some("GROUP") => "group",
        _ => return batch.quarantine(s.place, "`principalType` is neither USER nor GROUP"),
    };
    let (Some(principal), Some(set), Some(account)) = (
        request.str(&["principalId"]),
        request.str(&["permissionSetArn"]),
        request.str(&["targetId"]).filter(|a| json::is_account(a)),
    ) else {
        return batch.quarantine(s.place, "an assignment that does not name all its parts");
    };
    let principal = text(format!("arn:aws:identitystore:::{kind}/{principal}"));
    let scope = super::super::realm(&account);
    batch.facts.entitlements.push(Entitlement {
        entitlement_id: text(format!("aws|{principal}|{set}|{scope}")),
        principal_id: principal,
        via: vec![text("assignment")],
        privilege: text(set.rsplit('/').next().unwrap_or(&set)),
        role_id: text(set),
        scope,
        scope_rank: Some(2),
        platform: text("aws"),
        bound_at_lo: made.then_some(s.at),
        unbound_at_lo: (!made).then_some(s.at),
        source_id: batch.source_id.clone(),
        source_ref: text(s.place),
        ..Entitlement::default()
    });
}

/// Pairs what was made with what was removed, and gives the bindings of an export the instant at which
/// they were made. A removal without its making bounds nothing that is known, and is left as it is.
pub(super) fn finish(facts: &mut Facts, logs: &BTreeSet<Text>) {
    let (events, mut rest): (Vec<Entitlement>, Vec<Entitlement>) =
        std::mem::take(&mut facts.entitlements)
            .into_iter()
            .partition(|e| logs.contains(&e.source_id));
    let exported = facts
        .sources
        .iter()
        .any(|s| &*s.format == super::super::identity_center::FORMAT && s.layer == Layer::State);
    let mut changes: BTreeMap<Text, Vec<Entitlement>> = BTreeMap::new();
    for e in events {
        changes.entry(e.entitlement_id.clone()).or_default().push(e);
    }
    let mut state: BTreeMap<Text, usize> = BTreeMap::new();
    for (i, e) in rest.iter().enumerate() {
        state.insert(e.entitlement_id.clone(), i);
    }
    for (id, mut list) in changes {
        list.sort_by_key(|e| (e.bound_at_lo.or(e.unbound_at_lo), e.bound_at_lo.is_none()));
        let mut open: Option<Entitlement> = None;
        for e in list {
            match (e.bound_at_lo, open.take()) {
                // Made twice without a removal between: the first stands, as the service has it.
                (Some(_), Some(first)) => open = Some(first),
                (Some(_), None) => open = Some(e),
                (None, Some(mut first)) => {
                    first.unbound_at_lo = e.unbound_at_lo;
                    first.unbound_at_hi = e.unbound_at_lo;
                    first.bound_at_hi = first.bound_at_lo;
                    rest.push(first);
                }
                (None, None) => {
                    let gone = Entitlement { unbound_at_hi: e.unbound_at_lo, ..e };
                    rest.push(gone);
                }
            }
        }
        let Some(mut last) = open else { continue };
        last.bound_at_hi = last.bound_at_lo;
        match state.get(&id).and_then(|i| rest.get_mut(*i)) {
            Some(bound) => {
                bound.bound_at_lo = last.bound_at_lo;
                bound.bound_at_hi = last.bound_at_hi;
            }
            // An export that lacks it says that it is gone; when, nobody says.
            None if exported => {}
            None => {
                last.first_seen = last.bound_at_lo;
                last.last_seen = last.bound_at_lo;
                rest.push(last);
            }
        }
    }
    facts.entitlements = rest;
}
