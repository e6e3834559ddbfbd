//! Applications and service principals: their credentials, federation and permissions.
//!
//! A credential may sit on the application or on its service principal, where the list of applications
//! does not show it. What an application asks for (`requiredResourceAccess`) is no permission; what was
//! granted is in `appRoleAssignments` and `oauth2PermissionGrants`.

use super::assignments::{Named, alias, principal};
use super::groups::owners;
use super::record::{principal_kind, tail, truncated};
use super::{Reader, Rec, see};
use crate::facts::{
    Confidence, Credential, CredentialKind, Entitlement, Link, PrincipalKind, Role, RoleKind, Text,
    text,
};
use crate::ingest::source::Batch;
use crate::privilege::azure::catalogue::catalogue;
use crate::privilege::azure::{DELEGATED, HOME_TENANT, MANAGED, RESOURCE, scope};

/// Tenants of Microsoft that own its first-party applications.
const MICROSOFT: [&str; 2] =
    ["f8cdef31-a31e-4b4a-93e4-5f571e91255a", "72f988bf-86f1-41af-91ab-2d7cd011db47"];
/// Delegated permissions that open nothing but signing in.
const BASIC: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// `az ad app list`, Graph `applications`. The object is no principal: its credentials and owners are
/// those of the service principal with the same `appId`.
pub(super) fn application(r: Rec<'_>, place: &Text, batch: &mut Batch) -> Result<(), String> {
    let app = r.need_id(&["appId"])?;
    credentials(r, &app, None, place, batch)?;
    owners(r, &app, place, batch)?;
    for (i, f) in r.list("federatedIdentityCredentials").enumerate() {
        let here = text(format!("{place}/federatedIdentityCredentials/{i}"));
        federation(f, &app, &here, batch)?;
    }
    // The object id of the application leads to its service principal, for files that name only it.
    if let Some(object) = r.id(&["id"]) {
        batch.facts.links.push(Link {
            platform: text("entra"),
            kind: text("application"),
            principal_id: object,
            target_id: app,
            source_id: batch.source_id.clone(),
            source_ref: place.clone(),
            ..Link::default()
        });
    }
    Ok(())
}

/// `az ad sp list`, Graph `servicePrincipals`.
pub(super) fn service_principal(
    r: Rec<'_>,
    place: &Text,
    reader: &mut Reader<'_>,
    batch: &mut Batch,
) -> Result<(), String> {
    let id = r.need_id(&["id", "objectId"])?;
    let kind = r.str(&["servicePrincipalType"]).unwrap_or("Application");
    let managed = kind.eq_ignore_ascii_case("ManagedIdentity");
    let created = see(batch, r.time(&["createdDateTime"])?);
    principal(
        &Named {
            id: &id,
            kind: PrincipalKind::App,
            name: r.str(&["displayName"]),
            inventoried: true,
        },
        place,
        batch,
    );
    let home = r.id(&["appOwnerOrganizationId"]);
    let mut tags = Vec::new();
    if managed {
        tags.push(text(MANAGED));
        let paths = r.texts("alternativeNames");
        if let Some(path) = paths.iter().find(|p| p.starts_with("/subscriptions/")) {
            tags.push(text(format!("{RESOURCE}{}", scope::canonical(path))));
            alias(&id, "resource_id", path, Confidence::Exact, place, batch);
        }
    }
    tags.extend(home.as_ref().map(|t| text(format!("{HOME_TENANT}{t}"))));
    if let Some(p) = batch.facts.principals.last_mut() {
        p.created_at = created;
        p.disabled = r.flag("accountEnabled").map(|on| !on);
        p.kind = if managed { PrincipalKind::Workload } else { PrincipalKind::App };
        p.is_nhi = Some(true);
        p.tags = tags;
    }
    if let Some(app) = r.str(&["appId"]) {
        alias(&id, "app_id", app, Confidence::Exact, place, batch);
    }
    if let Some(name) = r.str(&["displayName"]) {
        alias(&id, "display_name", name, Confidence::Weak, place, batch);
    }
    if managed {
        let keys = r.list("keyCredentials").count() + r.list("passwordCredentials").count();
        reader.seen.first_party += u64::try_from(keys).unwrap_or(u64::MAX);
    } else if !home.as_deref().is_some_and(|t| MICROSOFT.contains(&t)) {
        let enabled = r.flag("accountEnabled");
        credentials(r, &id, enabled, place, batch)?;
    }
    owners(r, &id, place, batch)?;
    for role in r.list("appRoles") {
        if let (Some(role_id), Some(value)) = (role.id(&["id"]), role.str(&["value"])) {
            app_role_definition(&role_id, value, place, batch);
        }
    }
    Ok(())
}

/// An application role of a resource, by the value that its permission has.
fn app_role_definition(id: &Text, value: &str, place: &Text, batch: &mut Batch) {
    batch.facts.roles.push(Role {
        role_id: id.clone(),
        platform: text("entra"),
        name: text(value),
        kind: RoleKind::Role,
        provider_managed: true,
        document: Some(text(serde_json::json!({ "value": value }).to_string())),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Role::default()
    });
}

/// Secrets and certificates of an application or a service principal.
fn credentials(
    r: Rec<'_>,
    holder: &Text,
    enabled: Option<bool>,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    let kinds =
        [("passwordCredentials", CredentialKind::Key), ("keyCredentials", CredentialKind::Cert)];
    for (key, kind) in kinds {
        for (i, c) in r.list(key).enumerate() {
            let here = text(format!("{place}/{key}/{i}"));
            if let Err(reason) = credential(c, kind, holder, enabled, &here, batch) {
                batch.quarantine_part(&here, reason);
            }
        }
    }
    Ok(())
}

fn credential(
    c: Rec<'_>,
    kind: CredentialKind,
    holder: &Text,
    enabled: Option<bool>,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    let id = c.need(&["keyId"])?;
    let issued = see(batch, c.time(&["startDateTime", "startDate"])?);
    let end = c.time(&["endDateTime", "endDate"])?;
    batch.facts.credentials.push(Credential {
        credential_id: truncated(id),
        kind,
        principal: holder.clone(),
        // A credential that is listed works while its holder may sign in.
        active: Some(enabled != Some(false)),
        issued_at: issued,
        rotated_at: issued,
        expires_at: end,
        no_expiry: Some(end.is_none()),
        use_tracked: false,
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Credential::default()
    });
    Ok(())
}

/// Whom a file without a holder is about: what stands beside the file, or the page's own address.
fn holder(reader: &Reader<'_>) -> Option<Text> {
    let stated =
        reader.realm.map(|r| tail(r.trim_end_matches("/owners").trim_end_matches("/members")));
    let page = || {
        let context = reader.page.as_deref()?;
        let (_, rest) = context.split_once("('")?;
        rest.split_once('\'').map(|(id, _)| id.to_ascii_lowercase())
    };
    stated.or_else(page).map(text)
}

/// `az ad app credential list`, which does not say whose they are.
pub(super) fn loose_credential(
    r: Rec<'_>,
    place: &Text,
    reader: &mut Reader<'_>,
    batch: &mut Batch,
) -> Result<(), String> {
    let whose = holder(reader).ok_or_else(|| {
        "the file does not say whose credentials these are: put the appId into `<file>.realm`"
            .to_owned()
    })?;
    let kind =
        if r.str(&["type", "usage"]).is_some() || r.has("customKeyIdentifier") && r.has("key") {
            CredentialKind::Cert
        } else {
            CredentialKind::Key
        };
    credential(r, kind, &whose, None, place, batch)
}

/// `az ad app federated-credential list`, which does not say of which application, and the form of
/// Graph, whose address does.
pub(super) fn federated(
    r: Rec<'_>,
    place: &Text,
    reader: &mut Reader<'_>,
    batch: &mut Batch,
) -> Result<(), String> {
    let whose = holder(reader).unwrap_or_else(|| {
        reader.seen.holderless += 1;
        text(format!("entra/application of {}", reader.name))
    });
    federation(r, &whose, place, batch)
}

fn federation(r: Rec<'_>, app: &Text, place: &Text, batch: &mut Batch) -> Result<(), String> {
    let issuer = r.need(&["issuer"])?;
    let subject = r.str(&["subject"]);
    let expression = r.str(&["claimsMatchingExpression/value", "claimsMatchingExpression"]);
    if subject.is_none() && expression.is_none() {
        return Err("neither `subject` nor `claimsMatchingExpression`".to_owned());
    }
    batch.facts.links.push(Link {
        platform: text("entra"),
        kind: text("federated_credential"),
        principal_id: text(subject.unwrap_or("*")),
        target_id: app.clone(),
        issuer: Some(text(issuer)),
        subject: subject.map(text),
        audiences: r.texts("audiences").into_iter().map(text).collect(),
        condition: expression.map(text),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Link::default()
    });
    Ok(())
}

/// Graph `appRoleAssignments`: application permissions that were granted.
pub(super) fn app_role(r: Rec<'_>, place: &Text, batch: &mut Batch) -> Result<(), String> {
    let principal_id = r.need_id(&["principalId"])?;
    let role = r.need_id(&["appRoleId"])?;
    // The default access of an application without roles: being allowed to sign in to it.
    if role.bytes().all(|b| matches!(b, b'0' | b'-')) {
        return Ok(());
    }
    let kind = principal_kind(r.str(&["principalType"]).unwrap_or("ServicePrincipal"));
    principal(
        &Named {
            id: &principal_id,
            kind,
            name: r.str(&["principalDisplayName"]),
            inventoried: true,
        },
        place,
        batch,
    );
    let resource = r.str(&["resourceDisplayName", "resourceId"]).unwrap_or_default();
    let known = catalogue().entra.get(&*role).map(|p| p.name.clone());
    let name = known.unwrap_or_else(|| format!("{resource} role {role}"));
    let created = see(batch, r.time(&["createdDateTime", "creationTimestamp"])?);
    let graph =
        resource.eq_ignore_ascii_case("Microsoft Graph") || catalogue().entra.contains_key(&*role);
    let at = if graph {
        scope::DIRECTORY.to_owned()
    } else {
        format!("{}/applications/{}", scope::DIRECTORY, r.id(&["resourceId"]).unwrap_or_default())
    };
    batch.facts.entitlements.push(Entitlement {
        entitlement_id: text(format!("entra|{principal_id}|{role}|{at}")),
        principal_id,
        role_id: role,
        privilege: text(name),
        scope_rank: Some(scope::breadth(&at).rank()),
        scope: text(at),
        platform: text("entra"),
        bound_at_lo: created,
        bound_at_hi: created,
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Entitlement::default()
    });
    Ok(())
}

/// Graph `oauth2PermissionGrants`: what an application may do as the user who signed in.
pub(super) fn delegated(
    r: Rec<'_>,
    place: &Text,
    reader: &mut Reader<'_>,
    batch: &mut Batch,
) -> Result<(), String> {
    let client = r.need_id(&["clientId"])?;
    let everybody = r.need(&["consentType"])?.eq_ignore_ascii_case("AllPrincipals");
    let at = if everybody {
        scope::DIRECTORY.to_owned()
    } else {
        format!("{}/users/{}", scope::DIRECTORY, r.need_id(&["principalId"])?)
    };
    let end = r.time(&["expiryTime"])?;
    principal(
        &Named { id: &client, kind: PrincipalKind::App, name: None, inventoried: false },
        place,
        batch,
    );
    for value in r.need(&["scope"])?.split_whitespace() {
        if BASIC.contains(&value.to_ascii_lowercase().as_str()) {
            reader.seen.basic_scopes += 1;
            continue;
        }
        let role = format!("{DELEGATED}{value}");
        batch.facts.entitlements.push(Entitlement {
            entitlement_id: text(format!("entra|{client}|{role}|{at}")),
            principal_id: client.clone(),
            role_id: text(&role),
            privilege: text(format!("{value} (delegated)")),
            scope_rank: Some(scope::breadth(&at).rank()),
            scope: text(&at),
            platform: text("entra"),
            // The time is kept by the service and no longer enforced.
            origin_hint: end.map(|t| text(format!("expiryTime {}", t.to_rfc3339()))),
            source_id: batch.source_id.clone(),
            source_ref: place.clone(),
            ..Entitlement::default()
        });
    }
    Ok(())
}
