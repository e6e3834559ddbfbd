//! Groups and their members (Cloud Identity and Admin SDK), and users of the directory.

use super::Sink;
use crate::facts::*;
use crate::ingest::ledger::vendor::Doc;
use crate::ingest::source::Batch;
use crate::privilege::gcp::member;

/// A group, a membership or a user; `None` for anything else. `key` is the key that the list stands
/// under, which in some exports is the group.
pub fn record(
    sink: &mut Sink<'_>,
    doc: Doc<'_>,
    key: Option<&str>,
    place: &Text,
    batch: &mut Batch,
) -> Option<Result<(), String>> {
    if doc.at("preferredMemberKey").is_some() {
        let name = doc.str("name").unwrap_or_default();
        let of = name.split_once("/memberships/").map(|(group, _)| group);
        return Some(cloud_identity(sink, doc, of.or(key), place, batch));
    }
    if doc.at("groupKey").is_some() {
        return Some(group(sink, doc.str("groupKey/id"), doc, place, batch));
    }
    match doc.str("kind") {
        Some("admin#directory#group") => {
            return Some(group(sink, doc.str("email"), doc, place, batch));
        }
        Some("admin#directory#user") => return Some(user(sink, doc, place, batch)),
        Some("admin#directory#member") => return Some(directory(sink, doc, key, place, batch)),
        _ => {}
    }
    if doc.str("primaryEmail").is_some() {
        return Some(user(sink, doc, place, batch));
    }
    let typed = matches!(doc.str("type"), Some("USER" | "GROUP" | "CUSTOMER" | "EXTERNAL"));
    (typed && doc.str("role").is_some()).then(|| directory(sink, doc, key, place, batch))
}

fn group(
    sink: &mut Sink<'_>,
    mail: Option<&str>,
    doc: Doc<'_>,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    let member = member::parse(&format!("group:{}", mail.ok_or("the group has no address")?));
    sink.member(&member, place, batch);
    // Memberships name the group by its resource name.
    if let Some(name) = doc.str("name").filter(|n| n.starts_with("groups/")) {
        batch.facts.aliases.push(Alias {
            principal_id: member.id,
            alias_type: text("group_name"),
            alias: text(name),
            confidence: Confidence::Exact,
            rule: text("A1"),
            source_id: batch.source_id.clone(),
            source_ref: place.clone(),
            ..Alias::default()
        });
    }
    Ok(())
}

fn user(sink: &mut Sink<'_>, doc: Doc<'_>, place: &Text, batch: &mut Batch) -> Result<(), String> {
    let member = member::parse(&format!("user:{}", doc.need("primaryEmail")?));
    let last = doc.time("lastLoginTime")?.filter(|t| t.secs() > 0);
    if sink.seen.insert(member.id.clone()) {
        let off = doc.flag("suspended").unwrap_or(false) || doc.flag("archived").unwrap_or(false);
        batch.facts.principals.push(Principal {
            email: Some(member.id.clone()),
            principal_id: member.id.clone(),
            kind: PrincipalKind::Human,
            name: doc.text("name/fullName"),
            is_nhi: Some(false),
            created_at: doc.time("creationTime")?,
            disabled: Some(off),
            inventoried: true,
            source_id: batch.source_id.clone(),
            source_ref: place.clone(),
            ..Principal::default()
        });
    }
    batch.facts.usage.push(Usage {
        principal: member.id,
        platform: Some(text("gcp")),
        first_at: last,
        last_at: last,
        outcome: Outcome::Allowed,
        grain: UsageGrain::Identity,
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Usage::default()
    });
    if doc.flag("isAdmin") == Some(true) {
        sink.aside("users are super administrators of the directory, which policies do not show");
    }
    Ok(())
}

/// Group as a membership names it: an address, or a resource name that an alias resolves.
fn group_id(sink: &Sink<'_>, of: Option<&str>) -> Result<Text, String> {
    let of = match of {
        Some(name) if name.contains('@') || name.starts_with("groups/") => name,
        _ => sink.realm.ok_or(
            "a membership that does not name its group; put the group's address into a file \
             `<name>.realm` beside it",
        )?,
    };
    Ok(if of.contains('@') {
        member::parse(&format!("group:{}", of.trim_start_matches("group:"))).id
    } else {
        text(of)
    })
}

fn cloud_identity(
    sink: &mut Sink<'_>,
    doc: Doc<'_>,
    of: Option<&str>,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    // A list of one group's members names the group only by number, unless something says it.
    let of = match (of, sink.realm) {
        (Some(name), Some(realm)) if !name.contains('@') && realm.contains('@') => Some(realm),
        (of, _) => of,
    };
    let group = group_id(sink, of)?;
    let kind = doc.str("type").unwrap_or_default();
    let mail = doc.need("preferredMemberKey/id")?;
    let ends = doc
        .list("roles")
        .filter(|r| r.str("name") == Some("MEMBER"))
        .find_map(|r| r.time("expiryDetail/expireTime").transpose())
        .transpose()?;
    join(sink, (mail, kind), (&group, ends), place, batch);
    Ok(())
}

fn directory(
    sink: &mut Sink<'_>,
    doc: Doc<'_>,
    key: Option<&str>,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    let group = group_id(sink, key)?;
    let kind = doc.str("type").unwrap_or_default();
    if kind == "CUSTOMER" {
        sink.aside("groups hold everybody of the customer; who that is, is not in the inputs");
        return Ok(());
    }
    if doc.str("status").is_some_and(|s| s == "SUSPENDED") {
        sink.aside("memberships are suspended");
        return Ok(());
    }
    join(sink, (doc.need("email")?, kind), (&group, None), place, batch);
    Ok(())
}

/// One membership: a member by address and type, in a group until an end.
fn join(
    sink: &mut Sink<'_>,
    (mail, kind): (&str, &str),
    (group, ends): (&Text, Option<Time>),
    place: &Text,
    batch: &mut Batch,
) {
    let word = if kind == "GROUP" {
        "group"
    } else if kind == "SERVICE_ACCOUNT" || mail.ends_with(".gserviceaccount.com") {
        "serviceAccount"
    } else {
        "user"
    };
    let member = member::parse(&format!("{word}:{mail}"));
    sink.member(&member, place, batch);
    batch.facts.memberships.push(Membership {
        principal_id: member.id,
        group_id: group.clone(),
        not_before: None,
        not_after: ends,
        binding_kind: BindingKind::Active,
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
    });
}
