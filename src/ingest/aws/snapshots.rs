//! Several exports of one account: the latest says what is bound now, and the ones before are history.

use std::collections::{BTreeMap, BTreeSet};

use super::authorization_details::AuthorizationDetails;
use crate::facts::{Completeness, Facts, Source, Text, Time, text};
use crate::ingest::source::Adapter;

/// Limitation text of an export that a later one replaces.
pub const SUPERSEDED: &str =
    "a later export of the same account is given; bindings are read from that one";

/// Instant of an export, or its lower bound.
fn instant(s: &Source) -> Option<Time> {
    s.collected_at.or(s.window_end).or(s.last_time)
}

/// `user`, `group` or `role`: exports may be limited to one of them.
fn kind(id: &str) -> &str {
    id.splitn(6, ':').nth(5).and_then(|r| r.split('/').next()).unwrap_or_default()
}

/// Takes out of the facts what older exports say of users, groups or roles that a later whole export
/// of the account lists too. What the later one lacks was removed: it stays as a principal that is
/// gone. Two exports of the same principals are two snapshots; pages of one never share a principal.
pub fn supersede(facts: &mut Facts) {
    let times: BTreeMap<Text, (Time, bool)> = facts
        .sources
        .iter()
        .filter(|s| &*s.format == AuthorizationDetails.format())
        .filter_map(|s| {
            let whole = s.completeness == Completeness::Complete;
            Some((s.source_id.clone(), (instant(s)?, whole)))
        })
        .collect();
    let mut listed: BTreeMap<&Text, BTreeSet<&Text>> = BTreeMap::new();
    for p in facts.principals.iter().filter(|p| times.contains_key(&p.source_id)) {
        listed.entry(&p.principal_id).or_default().insert(&p.source_id);
    }
    // Source and kind that a later source replaces, with its instant.
    let mut over: BTreeMap<(Text, Text), Time> = BTreeMap::new();
    for (id, sources) in &listed {
        let newest = sources.iter().filter_map(|s| times.get(*s)).max();
        for s in sources {
            if let (Some((then, _)), Some((now, true))) = (times.get(*s), newest)
                && then < now
            {
                over.insert(((*s).clone(), text(kind(id))), *now);
            }
        }
    }
    if over.is_empty() {
        return;
    }
    let now: BTreeSet<Text> = facts
        .principals
        .iter()
        .filter(|p| !over.contains_key(&key(&p.source_id, &p.principal_id)))
        .map(|p| p.principal_id.clone())
        .collect();
    facts.principals.retain_mut(|p| match over.get(&key(&p.source_id, &p.principal_id)) {
        None => true,
        Some(_) if now.contains(&p.principal_id) => false,
        Some(at) => {
            p.inventoried = false;
            p.deleted_at = p.deleted_at.or(Some(*at));
            true
        }
    });
    let current = |source: &Text, id: &Text| !over.contains_key(&key(source, id));
    facts.entitlements.retain(|e| current(&e.source_id, &e.principal_id));
    facts.trusts.retain(|t| current(&t.source_id, &t.principal_id));
    facts.memberships.retain(|m| current(&m.source_id, &m.principal_id));
    // Of a policy in several exports the latest version counts.
    let mut latest: BTreeMap<Text, Time> = BTreeMap::new();
    for r in facts.roles.iter().filter(|r| r.document.is_some()) {
        if let Some((at, _)) = times.get(&r.source_id) {
            let slot = latest.entry(r.role_id.clone()).or_insert(*at);
            *slot = (*slot).max(*at);
        }
    }
    facts.roles.retain(|r| match (times.get(&r.source_id), latest.get(&r.role_id)) {
        (Some((at, _)), Some(last)) => at >= last,
        _ => true,
    });
    let old: BTreeSet<&Text> = over.keys().map(|(s, _)| s).collect();
    for s in facts.sources.iter_mut().filter(|s| old.contains(&s.source_id)) {
        s.limitation.get_or_insert_with(|| text(SUPERSEDED));
    }
}

fn key(source: &Text, id: &str) -> (Text, Text) {
    (source.clone(), text(kind(id)))
}

#[cfg(test)]
mod tests {
    use crate::facts::Facts;
    use crate::ingest::ingest;
    use crate::settings::Settings;

    fn user(name: &str, policies: &[&str], day: &str) -> String {
        let attached: Vec<String> = policies
            .iter()
            .map(|p| format!(r#"{{"PolicyName":"{p}","PolicyArn":"arn:aws:iam::1:policy/{p}"}}"#))
            .collect();
        format!(
            r#"{{"UserName":"{name}","Arn":"arn:aws:iam::1:user/{name}","CreateDate":"{day}","AttachedManagedPolicies":[{}]}}"#,
            attached.join(",")
        )
    }

    fn export(users: &[String], truncated: bool) -> String {
        let role = r#"{"RoleName":"r","Arn":"arn:aws:iam::1:role/r","AttachedManagedPolicies":[{"PolicyName":"R","PolicyArn":"arn:aws:iam::1:policy/R"}]}"#;
        let roles = if users.len() > 1 { role } else { "" };
        format!(
            r#"{{"UserDetailList":[{}],"RoleDetailList":[{roles}],"IsTruncated":{truncated}}}"#,
            users.join(",")
        )
    }

    fn read(old: &str, new: &str) -> Facts {
        let dir = tempfile::tempdir().unwrap();
        // The later export sorts first: the order of files must not matter.
        std::fs::create_dir(dir.path().join("a")).unwrap();
        std::fs::write(dir.path().join("a/now.json"), new).unwrap();
        std::fs::write(dir.path().join("then.json"), old).unwrap();
        ingest(&[dir.path().to_path_buf()], &Settings::defaults()).unwrap().facts
    }

    #[test]
    fn the_latest_export_says_what_is_bound() {
        let (then, now) = ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
        let old = export(&[user("ann", &["A", "B"], then), user("bob", &["A"], then)], false);
        let new = export(&[user("ann", &["A"], now)], false);
        let f = read(&old, &new);
        let mut bound: Vec<_> =
            f.entitlements.iter().map(|e| (&*e.principal_id, &*e.privilege)).collect();
        bound.sort_unstable();
        // The later export lists no roles, so the role of the earlier one still stands.
        assert_eq!(bound, [("arn:aws:iam::1:role/r", "R"), ("arn:aws:iam::1:user/ann", "A")]);
        let bob = f.principals.iter().find(|p| p.principal_id.ends_with("/bob")).unwrap();
        assert!(!bob.inventoried && bob.deleted_at.is_some());
        let limits: Vec<_> = f.sources.iter().map(|s| s.limitation.as_deref()).collect();
        assert_eq!(limits, [None, Some(super::SUPERSEDED)]);
        // A later export that is not whole proves no removal.
        let f = read(&old, &export(&[user("ann", &["A"], now)], true));
        assert!(f.entitlements.iter().any(|e| &*e.privilege == "B"));
    }
}
