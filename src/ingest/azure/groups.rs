//! Users, groups, members, owners and administrative units of the directory.
//!
//! Lists of members and owners do not say of what: `<file>.realm` beside them does, with
//! `groups/ID/members`, `groups/ID/owners`, `servicePrincipals/ID/owners` or `applications/ID/owners`.

use super::assignments::{Named, alias, membership, principal};
use super::record::{principal_kind, tail};
use super::{Reader, Rec, see};
use crate::facts::{Confidence, Link, PrincipalKind, Realm, RealmKind, Text, text};
use crate::ingest::source::Batch;
use crate::privilege::azure::{ROLE_ASSIGNABLE, scope};

/// What a list of objects is of.
enum About {
    Members(Text),
    Owners(Text),
    Nothing,
}

/// Reads what stands beside the file, or the address of the page.
fn about(reader: &Reader<'_>) -> About {
    let path = reader.realm.map(str::to_owned).or_else(|| {
        // `...$metadata#groups('ID')/members`, as some tools write it.
        let (_, rest) = reader.page.as_deref()?.split_once('#')?;
        rest.contains("('").then(|| rest.replace("('", "/").replace("')", ""))
    });
    let Some(path) = path else { return About::Nothing };
    let low = path.trim_matches('/').to_ascii_lowercase();
    if let Some(id) = low.strip_suffix("/members") {
        About::Members(text(tail(id)))
    } else if let Some(id) = low.strip_suffix("/owners") {
        About::Owners(text(tail(id)))
    } else {
        About::Nothing
    }
}

fn relate(id: &Text, place: &Text, reader: &Reader<'_>, batch: &mut Batch) {
    match about(reader) {
        About::Members(group) => membership(id.clone(), &group, place, batch),
        About::Owners(target) => owner(id.clone(), &target, place, batch),
        About::Nothing => {}
    }
}

fn owner(id: Text, target: &Text, place: &Text, batch: &mut Batch) {
    batch.facts.links.push(Link {
        platform: text("entra"),
        kind: text("owner"),
        principal_id: id,
        target_id: target.clone(),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Link::default()
    });
}

/// Owners inside a record (`$expand=owners`).
pub(super) fn owners(
    r: Rec<'_>,
    target: &Text,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    for (i, o) in r.list("owners").enumerate() {
        let here = text(format!("{place}/owners/{i}"));
        let id = object(o, None, false, &here, batch)?;
        owner(id, target, &here, batch);
    }
    Ok(())
}

/// An object of the directory, however a list shows it: its row, its other names, what it says of
/// itself. The kind is that of the list, else the object's own word.
fn object(
    r: Rec<'_>,
    kind: Option<PrincipalKind>,
    inventoried: bool,
    place: &Text,
    batch: &mut Batch,
) -> Result<Text, String> {
    let id = r.need_id(&["id"])?;
    let created = see(batch, r.time(&["createdDateTime"])?);
    let kind = kind.unwrap_or_else(|| principal_kind(r.str(&["@odata.type"]).unwrap_or_default()));
    let upn = r.str(&["userPrincipalName"]);
    let name = r.str(&["displayName"]).or(upn);
    principal(&Named { id: &id, kind, name: upn.or(name), inventoried }, place, batch);
    if let Some(p) = batch.facts.principals.last_mut() {
        p.name = name.map(text);
        p.created_at = created;
        p.disabled = r.flag("accountEnabled").map(|on| !on);
        p.email = r.str(&["mail"]).map(|m| text(m.to_lowercase()));
        if let Some(word) = r.str(&["userType"]) {
            p.tags.push(text(format!("userType={word}")));
        }
        if r.flag("isAssignableToRole") == Some(true) {
            p.tags.push(text(ROLE_ASSIGNABLE));
        }
    }
    if let Some(mail) = r.str(&["mail"]).filter(|_| kind == PrincipalKind::Human) {
        alias(&id, "email", mail, Confidence::Strong, place, batch);
    }
    Ok(id)
}

/// Graph `users`, `az ad user list`.
pub(super) fn user(
    r: Rec<'_>,
    place: &Text,
    reader: &mut Reader<'_>,
    batch: &mut Batch,
) -> Result<(), String> {
    r.need(&["userPrincipalName"])?;
    let id = object(r, Some(PrincipalKind::Human), true, place, batch)?;
    relate(&id, place, reader, batch);
    Ok(())
}

/// Graph `groups`, `az ad group list`; members and owners inside when they were expanded.
pub(super) fn group(
    r: Rec<'_>,
    place: &Text,
    reader: &mut Reader<'_>,
    batch: &mut Batch,
) -> Result<(), String> {
    let id = object(r, Some(PrincipalKind::Group), true, place, batch)?;
    for (i, m) in r.list("members").enumerate() {
        let here = text(format!("{place}/members/{i}"));
        let member = object(m, None, false, &here, batch)?;
        membership(member, &id, &here, batch);
    }
    owners(r, &id, place, batch)?;
    relate(&id, place, reader, batch);
    Ok(())
}

/// An object in a list of members or owners.
pub(super) fn member(
    r: Rec<'_>,
    place: &Text,
    reader: &mut Reader<'_>,
    batch: &mut Batch,
) -> Result<(), String> {
    if matches!(about(reader), About::Nothing) {
        return Err("the list does not say of what: put `groups/ID/members` or `.../owners` into `<file>.realm`".to_owned());
    }
    let id = object(r, None, false, place, batch)?;
    relate(&id, place, reader, batch);
    Ok(())
}

/// Graph `administrativeUnits`.
pub(super) fn unit(r: Rec<'_>, place: &Text, batch: &mut Batch) -> Result<(), String> {
    let id = r.need(&["id"])?;
    batch.facts.realms.push(Realm {
        platform: text("entra"),
        realm_id: text(format!("{}/administrativeUnits/{id}", scope::DIRECTORY)),
        kind: RealmKind::Unit,
        parent_id: Some(text(scope::DIRECTORY)),
        name: r.str(&["displayName"]).map(text),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Realm::default()
    });
    Ok(())
}
