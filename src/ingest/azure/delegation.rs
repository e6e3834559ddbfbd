//! Access that other tenants have by delegation (Azure Lighthouse), and classic administrators.
//!
//! A registration definition lists principals of the managing tenant with their roles; an assignment of it
//! puts it in force on a subscription or resource group. They may come in different files and are joined
//! when all are read. Classic administrators (service and co-administrators of a subscription) were retired
//! by the platform on 31 August 2024; exports still list them.

use serde_json::Value;

use super::assignments::{Named, principal};
use super::finish::{Authorization, Definition, definition_rows};
use super::record::tail;
use super::{Reader, Rec};
use crate::facts::time::parse_time;
use crate::facts::{
    BindingKind, Entitlement, Link, PrincipalKind, Realm, RealmKind, Role, RoleKind, Text, text,
};
use crate::ingest::source::Batch;
use crate::privilege::azure::scope;

/// Kind of the links that carry one authorisation of a definition until its assignments are known.
pub(super) const DEFINED: &str = "lighthouse_definition";
/// Kind of the links that carry an assignment of a definition.
pub(super) const ASSIGNED: &str = "lighthouse_assignment";

/// The definition in a record: its managing tenant and what it gives.
fn authorizations(r: Rec<'_>) -> Result<Definition, String> {
    let tenant = r.need_id(&["managedByTenantId"])?;
    let mut list = Vec::new();
    for (key, eligible) in [("authorizations", false), ("eligibleAuthorizations", true)] {
        for a in r.list(key) {
            list.push(Authorization {
                principal: a.need_id(&["principalId"])?,
                name: a.str(&["principalIdDisplayName"]).map(text),
                role: text(tail(a.need(&["roleDefinitionId"])?)),
                delegable: a
                    .texts("delegatedRoleDefinitionIds")
                    .into_iter()
                    .map(|d| text(tail(d)))
                    .collect(),
                eligible,
            });
        }
    }
    Ok(Definition { tenant, list })
}

/// `az managedservices definition list`.
pub(super) fn definition(
    r: Rec<'_>,
    place: &Text,
    reader: &mut Reader<'_>,
    batch: &mut Batch,
) -> Result<(), String> {
    let id = text(tail(r.need(&["id", "name"])?));
    let found = authorizations(r)?;
    reader.seen.definitions += 1;
    managee(r, place, batch);
    for (i, a) in found.list.iter().enumerate() {
        batch.facts.links.push(Link {
            platform: text("azure"),
            kind: text(DEFINED),
            principal_id: a.principal.clone(),
            target_id: id.clone(),
            issuer: Some(found.tenant.clone()),
            subject: Some(a.role.clone()),
            audiences: a.delegable.clone(),
            condition: a.eligible.then(|| text("eligible")),
            source_id: batch.source_id.clone(),
            source_ref: text(format!("{place}/authorizations/{i}")),
            ..Link::default()
        });
    }
    Ok(())
}

/// `az managedservices assignment list [--include-definition]`.
pub(super) fn assignment(r: Rec<'_>, place: &Text, batch: &mut Batch) -> Result<(), String> {
    let id = r.need(&["id"])?;
    let low = id.to_ascii_lowercase();
    let Some((at, _)) = low.split_once("/providers/microsoft.managedservices/") else {
        return Err(format!("`id` is `{}`: it names no scope", super::short(id)));
    };
    let at = text(scope::canonical(at));
    if let Some(inner) = r.at("registrationDefinition").filter(|d| d.has("authorizations")) {
        let found = authorizations(inner)?;
        managee(inner, place, batch);
        for a in &found.list {
            let (source_id, source_ref) = (batch.source_id.clone(), place.clone());
            definition_rows(&mut batch.facts, &found.tenant, a, &at, (&source_id, &source_ref));
        }
        return Ok(());
    }
    let definition = text(tail(r.need(&["registrationDefinitionId"])?));
    batch.facts.links.push(Link {
        platform: text("azure"),
        kind: text(ASSIGNED),
        principal_id: definition,
        target_id: at,
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Link::default()
    });
    Ok(())
}

/// The tenant that delegates is ours.
fn managee(r: Rec<'_>, place: &Text, batch: &mut Batch) {
    if let Some(tenant) = r.id(&["manageeTenantId"]) {
        batch.facts.realms.push(Realm {
            platform: text("entra"),
            realm_id: tenant,
            kind: RealmKind::Organisation,
            source_id: batch.source_id.clone(),
            source_ref: place.clone(),
            ..Realm::default()
        });
    }
}

/// Whether a record is of a classic administrator: of its own list, or among role assignments with words
/// in place of ids.
pub(super) fn is_classic(r: Rec<'_>) -> bool {
    let ends = |key: &str, word: &str| {
        r.str(&[key]).is_some_and(|s| s.to_ascii_lowercase().ends_with(word))
    };
    let na =
        r.get("roleDefinitionId").and_then(Value::as_str).is_some_and(|s| s.starts_with("NA("));
    let listed = || {
        let id = r.str(&["id"]).unwrap_or_default().to_ascii_lowercase();
        id.contains("/providers/microsoft.authorization/classicadministrators/")
    };
    na || ends("type", "/classicadministrators")
        || ends("objectType", "/classicadministrators")
        || listed()
}

/// A classic administrator.
pub(super) fn classic(
    r: Rec<'_>,
    place: &Text,
    reader: &mut Reader<'_>,
    batch: &mut Batch,
) -> Result<(), String> {
    let mail = r.need(&["emailAddress", "principalName", "signInName", "displayName"])?;
    let words = r.need(&["role", "roleDefinitionName"])?;
    // The account administrator pays, and is nobody in access control by that.
    let strong = words.split([';', ',']).map(str::trim).find(|w| {
        let w = w.to_ascii_lowercase();
        w.starts_with("serviceadmin") || w.starts_with("coadmin") || w.starts_with("co-admin")
    });
    let Some(word) = strong else { return Ok(()) };
    let at = match r.str(&["scope"]) {
        Some(at) => scope::canonical(at),
        None => {
            let id = r.str(&["id"]).unwrap_or_default().to_ascii_lowercase();
            match id.split_once("/providers/") {
                Some((at, _)) if at.starts_with("/subscriptions/") => scope::canonical(at),
                _ => return Err("the record does not say of which subscription".to_owned()),
            }
        }
    };
    reader.seen.classic += 1;
    let own = r.str(&["principalId", "objectId"]).filter(|id| !id.starts_with("NA"));
    let id = text(own.unwrap_or(mail).to_ascii_lowercase());
    principal(
        &Named { id: &id, kind: PrincipalKind::Human, name: Some(mail), inventoried: false },
        place,
        batch,
    );
    let role = format!("classic/{}", word.to_ascii_lowercase());
    batch.facts.roles.push(Role {
        role_id: text(&role),
        platform: text("azure"),
        name: text(word),
        kind: RoleKind::Role,
        provider_managed: true,
        document: Some(text(r#"[{"actions":["*"]}]"#)),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Role::default()
    });
    let retired = parse_time("2024-08-31T00:00:00Z").ok().flatten().map(|t| t.lo);
    batch.facts.entitlements.push(Entitlement {
        entitlement_id: text(format!("azure|{id}|{role}|{at}")),
        principal_id: id,
        role_id: text(role),
        privilege: text(word),
        scope_rank: Some(scope::breadth(&at).rank()),
        scope: text(at),
        platform: text("azure"),
        binding_kind: BindingKind::Active,
        not_after: retired,
        origin_hint: Some(text("classic administrator, retired by the platform on 2024-08-31")),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Entitlement::default()
    });
    Ok(())
}
