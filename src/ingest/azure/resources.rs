//! Resources: the tree of management groups and subscriptions, key vaults, and whatever runs under a
//! managed identity.

use serde_json::Value;

use super::Rec;
use super::assignments::{Named, alias, principal};
use crate::facts::{
    BindingKind, Confidence, Entitlement, PrincipalKind, Realm, RealmKind, Role, RoleKind, Text,
    Workload, text,
};
use crate::ingest::source::Batch;
use crate::privilege::azure::{MANAGED, RESOURCE, scope};

/// Levels of management groups that are followed; the service allows six and the root.
const DEEPEST: usize = 16;

fn realm(
    id: &str,
    kind: RealmKind,
    parent: Option<Text>,
    r: Rec<'_>,
    place: &Text,
    batch: &mut Batch,
) {
    batch.facts.realms.push(Realm {
        platform: text("azure"),
        realm_id: text(id),
        kind,
        parent_id: parent,
        organisation: r.id(&["tenantId"]),
        name: r.str(&["displayName"]).map(text),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Realm::default()
    });
}

/// `az account management-group show -e -r`, `list`, Resource Manager.
pub(super) fn management_group(r: Rec<'_>, place: &Text, batch: &mut Batch) -> Result<(), String> {
    let id = scope::canonical(r.need(&["id"])?);
    let parent = r.str(&["details/parent/id", "parent/id"]).map(|p| text(scope::canonical(p)));
    realm(&id, RealmKind::Unit, parent, r, place, batch);
    children(r, &id, place, 0, batch)
}

fn children(
    r: Rec<'_>,
    id: &str,
    place: &Text,
    depth: usize,
    batch: &mut Batch,
) -> Result<(), String> {
    if depth >= DEEPEST {
        return Err(format!("management groups nest deeper than {DEEPEST}"));
    }
    for (i, child) in r.list("children").enumerate() {
        let here = text(format!("{place}/children/{i}"));
        let own = scope::canonical(child.need(&["id"])?);
        let subscription = own.starts_with("/subscriptions/");
        let kind = if subscription { RealmKind::Account } else { RealmKind::Unit };
        realm(&own, kind, Some(text(id)), child, &here, batch);
        children(child, &own, &here, depth + 1, batch)?;
    }
    Ok(())
}

/// `az account list`, and subscriptions as entities of a management group.
pub(super) fn subscription(r: Rec<'_>, place: &Text, batch: &mut Batch) -> Result<(), String> {
    let id = scope::canonical(r.need(&["subscriptionId", "id", "name"])?);
    // `/providers/Microsoft.Management/managementGroups/G/subscriptions/S` names both.
    let (within, id) = match id.rsplit_once("/subscriptions/") {
        Some((group, own)) if scope::is_group(group) => {
            (Some(text(group)), format!("/subscriptions/{own}"))
        }
        _ if id.starts_with('/') => (None, id),
        _ => (None, format!("/subscriptions/{id}")),
    };
    let chain: Vec<&str> = r
        .list("managementGroupAncestorsChain")
        .filter_map(|g| g.str(&["name"]))
        .take(DEEPEST)
        .collect();
    let nearest = chain.first().map(|g| text(scope::group(g)));
    let stated = r.str(&["parent/id", "managementGroupId"]).map(|p| text(scope::canonical(p)));
    realm(&id, RealmKind::Account, within.or(stated).or(nearest), r, place, batch);
    // Resource Graph lists the groups above, nearest first.
    let mut above = chain.iter();
    while let Some(group) = above.next() {
        let parent = above.as_slice().first().map(|g| text(scope::group(g)));
        batch.facts.realms.push(Realm {
            platform: text("azure"),
            realm_id: text(scope::group(group)),
            kind: RealmKind::Unit,
            parent_id: parent,
            organisation: r.id(&["tenantId"]),
            source_id: batch.source_id.clone(),
            source_ref: place.clone(),
            ..Realm::default()
        });
    }
    let own = batch.facts.realms.iter_mut().rev().find(|own| *own.realm_id == *id);
    if let Some(realm) = own {
        realm.name = realm.name.take().or_else(|| r.str(&["name"]).map(text));
    }
    Ok(())
}

/// Permissions of an access policy and the data actions they stand for.
const POLICIES: [(&str, &[(&str, &str)]); 3] = [
    (
        "secrets",
        &[
            ("get", "getSecret/action"),
            ("list", "readMetadata/action"),
            ("set", "setSecret/action"),
            ("delete", "delete"),
            ("backup", "backup/action"),
            ("restore", "restore/action"),
            ("recover", "recover/action"),
            ("purge", "purge/action"),
        ],
    ),
    (
        "keys",
        &[
            ("get", "read"),
            ("list", "read"),
            ("decrypt", "decrypt/action"),
            ("unwrapkey", "unwrap/action"),
            ("sign", "sign/action"),
            ("encrypt", "encrypt/action"),
            ("wrapkey", "wrap/action"),
            ("verify", "verify/action"),
            ("create", "create/action"),
            ("import", "import/action"),
            ("update", "update/action"),
            ("delete", "delete"),
            ("backup", "backup/action"),
            ("restore", "restore/action"),
            ("recover", "recover/action"),
            ("purge", "purge/action"),
        ],
    ),
    (
        "certificates",
        &[
            ("get", "read"),
            ("list", "read"),
            ("create", "create/action"),
            ("import", "import/action"),
            ("update", "update/action"),
            ("delete", "delete"),
            ("backup", "backup/action"),
            ("restore", "restore/action"),
            ("recover", "recover/action"),
            ("purge", "purge/action"),
        ],
    ),
];

/// `az keyvault show`, `list` and Resource Manager. Access policies count unless the vault is under
/// role-based access control.
pub(super) fn vault(r: Rec<'_>, place: &Text, batch: &mut Batch) -> Result<(), String> {
    let id = scope::canonical(r.need(&["id"])?);
    batch.facts.realms.push(Realm {
        platform: text("azure"),
        realm_id: text(&id),
        kind: RealmKind::Resource,
        name: r.str(&["name"]).map(text),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Realm::default()
    });
    if r.flag("enableRbacAuthorization") == Some(true) {
        return Ok(());
    }
    for (i, policy) in r.list("accessPolicies").enumerate() {
        let here = text(format!("{place}/accessPolicies/{i}"));
        if let Err(reason) = access_policy(policy, &id, &here, batch) {
            batch.quarantine_part(&here, reason);
        }
    }
    Ok(())
}

fn access_policy(r: Rec<'_>, vault: &str, place: &Text, batch: &mut Batch) -> Result<(), String> {
    let object = r.need_id(&["objectId"])?;
    let mut actions: Vec<String> = Vec::new();
    for (kind, table) in POLICIES {
        let path = format!("permissions/{kind}");
        let words = r.at(&path).and_then(|p| p.0.as_array()).map_or(&[][..], Vec::as_slice);
        let words: Vec<String> =
            words.iter().filter_map(Value::as_str).map(str::to_ascii_lowercase).collect();
        let all = words.iter().any(|w| w == "all" || w == "*");
        for (word, action) in table {
            if all || words.iter().any(|w| w == word) {
                actions.push(format!("Microsoft.KeyVault/vaults/{kind}/{action}"));
            }
        }
    }
    actions.sort_unstable();
    actions.dedup();
    principal(
        &Named { id: &object, kind: PrincipalKind::Unknown, name: None, inventoried: false },
        place,
        batch,
    );
    let role = text(format!("{vault}/accesspolicies/{object}"));
    batch.facts.roles.push(Role {
        role_id: role.clone(),
        platform: text("azure"),
        name: text("access policy"),
        kind: RoleKind::InlinePolicy,
        document: Some(text(serde_json::json!([{ "dataActions": actions }]).to_string())),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Role::default()
    });
    batch.facts.entitlements.push(Entitlement {
        entitlement_id: text(format!("azure|{object}|{role}|{vault}")),
        principal_id: object,
        role_id: role,
        privilege: text("access policy"),
        scope: text(vault),
        scope_rank: Some(scope::breadth(vault).rank()),
        platform: text("azure"),
        binding_kind: BindingKind::Active,
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Entitlement::default()
    });
    Ok(())
}

/// `az resource list`, `az identity list`, `az vm list` and their like: a resource with its identities.
pub(super) fn resource(r: Rec<'_>, place: &Text, batch: &mut Batch) -> Result<(), String> {
    let id = scope::canonical(r.need(&["id"])?);
    let kind = r.need(&["type"])?.to_owned();
    let own = kind.eq_ignore_ascii_case("Microsoft.ManagedIdentity/userAssignedIdentities");
    let mut ids: Vec<Text> = Vec::new();
    if own {
        ids.extend(r.id(&["principalId"]));
    }
    if let Some(identity) = r.at("identity") {
        ids.extend(identity.id(&["principalId"]));
        let assigned = identity.get("userAssignedIdentities").and_then(Value::as_object);
        for (path, user) in assigned.into_iter().flatten() {
            // Without its principal the path of the identity leads to it.
            let by_path = || text(scope::canonical(path));
            ids.push(Rec(user).id(&["principalId"]).unwrap_or_else(by_path));
        }
    }
    let name = r.str(&["name"]);
    for principal_id in &ids {
        if !principal_id.starts_with('/') {
            identity(r, principal_id, (own, &id, name), place, batch);
        }
        workload(&id, &kind, Some(principal_id.clone()), place, batch);
    }
    if ids.is_empty() {
        workload(&id, &kind, None, place, batch);
    }
    Ok(())
}

fn identity(
    r: Rec<'_>,
    id: &Text,
    (own, resource, name): (bool, &str, Option<&str>),
    place: &Text,
    batch: &mut Batch,
) {
    let name = name.filter(|_| own);
    principal(&Named { id, kind: PrincipalKind::Workload, name, inventoried: false }, place, batch);
    if let Some(p) = batch.facts.principals.last_mut() {
        p.tags = vec![text(format!("{RESOURCE}{resource}")), text(MANAGED)];
    }
    if own {
        alias(id, "resource_id", resource, Confidence::Exact, place, batch);
        if let Some(client) = r.str(&["clientId"]) {
            alias(id, "app_id", client, Confidence::Exact, place, batch);
        }
    }
}

fn workload(id: &str, kind: &str, principal: Option<Text>, place: &Text, batch: &mut Batch) {
    let mut parts = id.split('/').skip(2);
    let subscription = parts.next().map(|s| text(format!("/subscriptions/{s}")));
    let group = parts.nth(1).map(text);
    batch.facts.workloads.push(Workload {
        platform: text("azure"),
        realm: subscription,
        workload_id: text(id),
        kind: text(kind),
        group,
        principal_id: principal,
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Workload::default()
    });
}
