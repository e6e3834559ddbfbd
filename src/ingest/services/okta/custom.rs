//! Custom administrator roles of Okta and the resource sets that limit them.
//!
//! Shapes: `api/v1/iam/roles/{id}/permissions` (`{"permissions":[{"label":"okta.users.manage"}]}`),
//! `api/v1/iam/roles` (`{"roles":[...]}`), `api/v1/iam/resource-sets` and
//! `.../resource-sets/{id}/resources` (`{"resources":[{"orn":...}]}`). Permissions and resources do not say
//! whose they are: the key around them, the name of the file or `<file>.realm` does.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::{Rec, Sink};
use super::PLATFORM;
use crate::facts::{Realm, RealmKind, text};
use crate::ingest::ledger::vendor::Doc;

/// Part of the scope of a binding that a resource set limits.
pub const RESOURCE_SET: &str = "resource-set:";
/// Name of a resource set that holds a whole collection (all users, all groups, all applications).
pub const WHOLE: &str = "holds a whole collection";

/// Reads one record; `None` when it is none of these.
pub(super) fn record(r: &Rec<'_>, sink: &mut Sink<'_>) -> Option<Result<(), String>> {
    let d = r.doc;
    let array = |key: &str| d.at(key).filter(|v| v.is_array());
    if let Some(list) = array("permissions") {
        return Some(permissions(r, list, sink));
    }
    if let Some(list) = array("resources") {
        return Some(resources(r, list, sink));
    }
    let id = d.str("id")?;
    // A role of its own list: its name, and no more.
    if id.starts_with("cr0") && d.str("label").is_some() && d.at("assignmentType").is_none() {
        sink.role(PLATFORM, &format!("{PLATFORM}/role/{id}"), d.str("label")?, None);
        return Some(Ok(()));
    }
    if id.starts_with("iam") && d.str("label").is_some() && d.at("assignmentType").is_none() {
        set(r, id, None, sink);
        return Some(Ok(()));
    }
    None
}

/// The id that a record is of: its own, that of a key around it, of the file, of what lies beside.
fn whose(r: &Rec<'_>, prefix: &str) -> Result<String, String> {
    let around = r.keys.iter().rev().map(String::as_str);
    let places = r.doc.str("id").into_iter().chain(around).chain([r.stem]).chain(r.realm);
    let part = |s: &str| -> Option<String> {
        let mut parts = s.split(['/', '_', '.', ' ']);
        parts.find(|p| p.starts_with(prefix) && p.len() > prefix.len()).map(str::to_owned)
    };
    places.into_iter().find_map(part).ok_or_else(|| {
        format!(
            "the answer does not say whose these are; name the file after the id (`{prefix}...`)"
        )
    })
}

fn permissions(r: &Rec<'_>, list: &Value, sink: &mut Sink<'_>) -> Result<(), String> {
    let mut words: BTreeSet<&str> = BTreeSet::new();
    let mut conditional: BTreeSet<&str> = BTreeSet::new();
    for one in list.as_array().into_iter().flatten() {
        let d = Doc(one);
        let word = one.as_str().or(d.str("label")).ok_or("a permission has no label")?;
        if d.at("conditions").is_some_and(|c| !c.is_null()) {
            conditional.insert(word);
        } else {
            words.insert(word);
        }
    }
    let id = whose(r, "cr0")?;
    let document = json!({ "permissions": words, "conditional": conditional });
    let name = r.doc.str("label").unwrap_or(&id);
    sink.role(PLATFORM, &format!("{PLATFORM}/role/{id}"), name, Some(document.to_string()));
    Ok(())
}

fn set(r: &Rec<'_>, id: &str, whole: Option<bool>, sink: &mut Sink<'_>) {
    let (source_id, source_ref) = (sink.batch.source_id.clone(), sink.place.clone());
    let name = match whole {
        Some(true) => Some(text(WHOLE)),
        Some(false) => Some(text("holds named resources")),
        None => r.doc.text("label"),
    };
    sink.batch.facts.realms.push(Realm {
        platform: text(PLATFORM),
        realm_id: text(format!("{RESOURCE_SET}{id}")),
        kind: RealmKind::Group,
        name,
        // Only what lists its resources says how wide it is.
        organisation: whole.map(|_| text("resources")),
        source_id,
        source_ref,
        ..Realm::default()
    });
}

/// Resources of a set: a collection without an id is all there is of its kind.
fn resources(r: &Rec<'_>, list: &Value, sink: &mut Sink<'_>) -> Result<(), String> {
    let id = whose(r, "iam")?;
    let whole = list.as_array().into_iter().flatten().any(|one| {
        let d = Doc(one);
        let orn = one.as_str().or(d.str("orn")).unwrap_or_default();
        let href = d.first(&["_links/self/href", "_links/resource/href"]).unwrap_or_default();
        let last = |s: &str, at: char| {
            let end = s.trim_end_matches('/').rsplit(at).next().unwrap_or_default();
            matches!(end, "users" | "groups" | "apps" | "*" | "devices" | "policies")
        };
        (orn.starts_with("orn:") && last(orn, ':'))
            || (orn.starts_with("http") && last(orn, '/'))
            || last(href, '/')
    });
    set(r, &id, Some(whole), sink);
    Ok(())
}
