//! Role assignments and definitions, deny assignments, schedule instances of Privileged Identity
//! Management, directory roles.
//!
//! Instances are state: what is assigned now, active or eligible. Requests and audits of the same
//! service are its ledger and are read there.

use serde_json::{Map, Value};

use super::record::{principal_kind, tail};
use super::{Reader, Rec, see, short};
use crate::facts::{
    Alias, BindingKind, Confidence, Entitlement, Guardrail, GuardrailKind, Membership, Principal,
    PrincipalKind, Role, RoleKind, Text, text,
};
use crate::ingest::claims::claimed_end;
use crate::ingest::source::Batch;
use crate::privilege::azure::catalogue::catalogue;
use crate::privilege::azure::{ORPHAN, SCHEDULED, scope};

/// Words by which people mark a binding as temporary.
const TEMPORARY: [&str; 8] =
    ["jit", "temporary", "temp ", "until ", "expires", "expiry", "time-bound", "just-in-time"];

/// A principal that a binding names.
pub(super) struct Named<'a> {
    pub id: &'a Text,
    pub kind: PrincipalKind,
    pub name: Option<&'a str>,
    pub inventoried: bool,
}

/// Rows of a principal and its other names.
pub(super) fn principal(n: &Named<'_>, place: &Text, batch: &mut Batch) {
    let mail = n.name.filter(|s| s.contains('@') && n.kind == PrincipalKind::Human);
    batch.facts.principals.push(Principal {
        principal_id: n.id.clone(),
        kind: n.kind,
        platform: Some(text("entra")),
        name: n.name.map(text),
        inventoried: n.inventoried,
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Principal::default()
    });
    if let Some(mail) = mail {
        alias(n.id, "upn", mail, Confidence::Exact, place, batch);
    }
}

/// Another name of a principal.
pub(super) fn alias(
    id: &Text,
    kind: &str,
    value: &str,
    confidence: Confidence,
    place: &Text,
    batch: &mut Batch,
) {
    let value = value.trim().to_ascii_lowercase();
    if value.is_empty() || *value == **id {
        return;
    }
    batch.facts.aliases.push(Alias {
        principal_id: id.clone(),
        alias_type: text(kind),
        alias: text(value),
        confidence,
        rule: text("A1"),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Alias::default()
    });
}

/// A role that a binding names, without its content.
fn named_role(id: &str, name: &str, platform: &str, place: &Text, batch: &mut Batch) {
    batch.facts.roles.push(Role {
        role_id: text(id),
        platform: text(platform),
        name: text(name),
        kind: RoleKind::Role,
        provider_managed: catalogue().roles.contains_key(id) || catalogue().entra.contains_key(id),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Role::default()
    });
}

/// Name of a role: as stated, else by the catalogue, else its id.
pub(in crate::ingest) fn role_name<'a>(stated: Option<&'a str>, id: &'a str) -> &'a str {
    stated
        .or_else(|| catalogue().roles.get(id).map(|r| r.name.as_str()))
        .or_else(|| catalogue().entra.get(id).map(|p| p.name.as_str()))
        .unwrap_or(id)
}

/// `az role assignment list`, Resource Manager, `Get-AzRoleAssignment`.
pub(super) fn assignment(
    r: Rec<'_>,
    place: &Text,
    reader: &mut Reader<'_>,
    batch: &mut Batch,
) -> Result<(), String> {
    let principal_id = r.need_id(&["principalId", "objectId"])?;
    let role = tail(r.need(&["roleDefinitionId", "roleDefinitionName"])?);
    let at = scope::canonical(r.need(&["scope"])?);
    let name = role_name(r.str(&["roleDefinitionName"]), &role).to_owned();
    let kind = r.str(&["principalType", "objectType"]).unwrap_or_default();
    // The command line writes an empty name for an id that the directory does not know, PowerShell the
    // type `Unknown`. No name at all says that nobody asked.
    let blank = r.get("principalName").and_then(Value::as_str).is_some_and(|s| s.trim().is_empty());
    let orphan = blank || kind.eq_ignore_ascii_case("unknown");
    let shell = r.has("objectId");
    reader.seen.assignments = true;
    reader.seen.unnamed |= !shell && !r.has("principalName");
    let kind = principal_kind(kind);
    let shown = r.str(&["signInName", "principalName", "displayName"]);
    principal(
        &Named { id: &principal_id, kind, name: shown.filter(|_| !orphan), inventoried: !orphan },
        place,
        batch,
    );
    if kind == PrincipalKind::App
        && let Some(app) = r.str(&["principalName"])
    {
        alias(&principal_id, "app_id", app, Confidence::Exact, place, batch);
    }
    named_role(&role, &name, "azure", place, batch);
    let created = see(batch, r.time(&["createdOn"])?);
    let description = r.str(&["description"]);
    let claimed = description.and_then(claimed_end);
    let assignment = tail(r.str(&["name", "roleAssignmentName", "id"]).unwrap_or_default());
    batch.facts.entitlements.push(Entitlement {
        entitlement_id: text(format!("azure|{principal_id}|{role}|{at}|{assignment}")),
        principal_id,
        role_id: text(&role),
        privilege: text(&name),
        scope_rank: Some(scope::breadth(&at).rank()),
        scope: text(&at),
        platform: text("azure"),
        binding_kind: BindingKind::Active,
        condition: r.str(&["condition"]).map(text),
        bound_at_lo: created,
        bound_at_hi: created,
        origin_hint: if orphan { Some(text(ORPHAN)) } else { description.map(text) },
        says_temporary: description
            .map(str::to_lowercase)
            .and_then(|d| TEMPORARY.iter().any(|w| d.contains(w)).then_some(true)),
        claimed_end: claimed.as_ref().map(|(t, _)| *t),
        claimed_by: claimed.map(|(_, by)| text(format!("description says {by}"))),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Entitlement::default()
    });
    Ok(())
}

/// Graph `roleManagement/directory/roleAssignments`.
pub(super) fn directory(r: Rec<'_>, place: &Text, batch: &mut Batch) -> Result<(), String> {
    let principal_id = r.need_id(&["principalId"])?;
    let role = tail(r.need(&["roleDefinitionId"])?);
    let at = scope::of_directory(r.str(&["directoryScopeId", "appScopeId"]));
    let name = role_name(r.str(&["roleDefinition/displayName"]), &role).to_owned();
    let kind = principal_kind(r.str(&["principal/@odata.type"]).unwrap_or_default());
    let shown = r.str(&["principal/userPrincipalName", "principal/displayName"]);
    principal(&Named { id: &principal_id, kind, name: shown, inventoried: true }, place, batch);
    named_role(&role, &name, "entra", place, batch);
    let id = tail(r.str(&["id"]).unwrap_or_default());
    batch.facts.entitlements.push(Entitlement {
        entitlement_id: text(format!("entra|{principal_id}|{role}|{at}|{id}")),
        principal_id,
        role_id: text(&role),
        privilege: text(name),
        scope_rank: Some(scope::breadth(&at).rank()),
        scope: text(&at),
        platform: text("entra"),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Entitlement::default()
    });
    Ok(())
}

/// `roleAssignmentScheduleInstances` and `roleEligibilityScheduleInstances` of both services.
pub(super) fn instance(r: Rec<'_>, place: &Text, batch: &mut Batch) -> Result<(), String> {
    let principal_id = r.need_id(&["principalId"])?;
    let role = tail(r.need(&["roleDefinitionId"])?);
    let (platform, at) = match r.str(&["scope"]) {
        Some(path) => ("azure", scope::canonical(path)),
        None => ("entra", scope::of_directory(r.str(&["directoryScopeId", "appScopeId"]))),
    };
    let named = ["expandedProperties/roleDefinition/displayName", "roleDefinition/displayName"];
    let name = role_name(r.str(&named), &role).to_owned();
    let kind = ["principalType", "expandedProperties/principal/type", "principal/@odata.type"];
    let shown = ["expandedProperties/principal/displayName", "principal/displayName"];
    principal(
        &Named {
            id: &principal_id,
            kind: principal_kind(r.str(&kind).unwrap_or_default()),
            name: r.str(&shown),
            inventoried: true,
        },
        place,
        batch,
    );
    named_role(&role, &name, platform, place, batch);
    let assigned = r.str(&["assignmentType"]);
    let eligible = r.str(&["roleAssignmentScheduleId"]).is_none()
        && r.str(&["roleEligibilityScheduleId"]).is_some();
    let start = r.time(&["startDateTime"])?;
    let bound = r.time(&["createdOn"])?.or(start);
    let end = r.time(&["endDateTime"])?;
    for t in bound.into_iter().chain(start) {
        batch.see(t);
    }
    let member = r.str(&["memberType"]).unwrap_or("Direct");
    // An activation comes from an eligible assignment. `Assigned` with such a link contradicts itself:
    // the link and the window decide nothing, the word stays in the hint.
    let linked = r.str(&["linkedRoleEligibilityScheduleId"]).is_some();
    let activated = assigned.is_some_and(|a| a.eq_ignore_ascii_case("activated"));
    let temporary = match (eligible, activated, linked, end) {
        (true, ..) => None,
        (_, true, ..) => Some(true),
        (_, false, _, None) => Some(false),
        (_, false, true, Some(_)) => None,
        (_, false, false, Some(_)) => Some(true),
    };
    let schedule = r.str(&["roleAssignmentScheduleId", "roleEligibilityScheduleId"]).map(tail);
    let schedule = schedule.as_deref().unwrap_or("not stated");
    batch.facts.entitlements.push(Entitlement {
        entitlement_id: text(format!("{platform}|{principal_id}|{role}|{at}|{schedule}")),
        principal_id,
        via: if member.eq_ignore_ascii_case("direct") {
            Vec::new()
        } else {
            vec![text(member.to_ascii_lowercase())]
        },
        role_id: text(&role),
        privilege: text(name),
        scope_rank: Some(scope::breadth(&at).rank()),
        scope: text(&at),
        platform: text(platform),
        binding_kind: if eligible { BindingKind::Eligible } else { BindingKind::Active },
        not_before: start,
        not_after: end,
        condition: r.str(&["condition"]).map(text),
        bound_at_lo: bound,
        bound_at_hi: bound,
        origin_hint: Some(text(format!(
            "{SCHEDULED}{}; {schedule}{}",
            assigned.unwrap_or(if eligible { "Eligible" } else { "Assigned" }),
            if linked { "; linked to an eligible assignment" } else { "" }
        ))),
        says_temporary: temporary,
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Entitlement::default()
    });
    Ok(())
}

/// The four lists of a permission block, compact, without the empty ones.
fn block(r: Rec<'_>) -> Value {
    let mut out = Map::new();
    for key in ["actions", "notActions", "dataActions", "notDataActions"] {
        let list: Vec<Value> =
            r.texts(key).into_iter().map(|s| Value::String(s.to_owned())).collect();
        if !list.is_empty() {
            out.insert(key.to_owned(), Value::Array(list));
        }
    }
    if let Some(c) = r.str(&["condition"]) {
        out.insert("condition".to_owned(), Value::String(c.to_owned()));
    }
    Value::Object(out)
}

/// Blocks of a definition; Az PowerShell prints the lists of the only one without a block.
fn blocks(r: Rec<'_>) -> Vec<Value> {
    if r.has("permissions") {
        return r.list("permissions").map(block).collect();
    }
    vec![block(r)]
}

/// `az role definition list`, Resource Manager, `Get-AzRoleDefinition`.
pub(super) fn definition(r: Rec<'_>, place: &Text, batch: &mut Batch) -> Result<(), String> {
    let named = r.str(&["roleName"]);
    // Without a name of the role beside it, `name` is that name and `id` the identifier.
    let id = match named {
        Some(_) => r.need(&["name", "id"])?,
        None => r.need(&["id"])?,
    };
    let id = tail(id);
    let name = named.or_else(|| r.str(&["name"])).unwrap_or(&id).to_owned();
    let kind = r.str(&["roleType"]).unwrap_or_default();
    let built_in = kind.to_ascii_lowercase().starts_with("builtin")
        || r.flag("isCustom") == Some(false)
        || catalogue().roles.contains_key(&id);
    let updated = see(batch, r.time(&["updatedOn"])?);
    batch.facts.roles.push(Role {
        role_id: text(&id),
        platform: text("azure"),
        name: text(name),
        kind: RoleKind::Role,
        provider_managed: built_in,
        document: Some(text(Value::Array(blocks(r)).to_string())),
        updated_at: updated,
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Role::default()
    });
    Ok(())
}

/// Graph `roleManagement/directory/roleDefinitions`.
pub(super) fn directory_definition(
    r: Rec<'_>,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    let id = tail(r.need(&["id", "templateId"])?);
    let parts: Vec<Value> = r
        .list("rolePermissions")
        .map(|p| {
            let actions = p.texts("allowedResourceActions").into_iter();
            let list = actions.map(|s| Value::String(s.to_owned())).collect();
            let mut out = Map::new();
            out.insert("allowedResourceActions".to_owned(), Value::Array(list));
            if let Some(c) = p.str(&["condition"]) {
                out.insert("condition".to_owned(), Value::String(c.to_owned()));
            }
            Value::Object(out)
        })
        .collect();
    // Exports of built-in roles often come without their permissions.
    let document = (!parts.is_empty()).then(|| text(Value::Array(parts).to_string()));
    batch.facts.roles.push(Role {
        role_id: text(&id),
        platform: text("entra"),
        name: text(r.str(&["displayName"]).unwrap_or(&id)),
        kind: RoleKind::Role,
        provider_managed: r.flag("isBuiltIn") == Some(true),
        document,
        version: (r.flag("isEnabled") == Some(false)).then(|| text("disabled")),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Role::default()
    });
    Ok(())
}

/// Graph `directoryRoles`, with `$expand=members`.
pub(super) fn directory_role(r: Rec<'_>, place: &Text, batch: &mut Batch) -> Result<(), String> {
    let role = tail(r.need(&["roleTemplateId"])?);
    let name = role_name(r.str(&["displayName"]), &role).to_owned();
    named_role(&role, &name, "entra", place, batch);
    for (i, member) in r.list("members").enumerate() {
        let here = text(format!("{place}/members/{i}"));
        let principal_id = member.need_id(&["id"])?;
        let kind = principal_kind(member.str(&["@odata.type"]).unwrap_or_default());
        let shown = member.str(&["userPrincipalName", "displayName"]);
        principal(&Named { id: &principal_id, kind, name: shown, inventoried: true }, &here, batch);
        batch.facts.entitlements.push(Entitlement {
            entitlement_id: text(format!("entra|{principal_id}|{role}|{}", scope::DIRECTORY)),
            principal_id,
            role_id: text(&role),
            privilege: text(&name),
            scope: text(scope::DIRECTORY),
            scope_rank: Some(scope::breadth(scope::DIRECTORY).rank()),
            platform: text("entra"),
            source_id: batch.source_id.clone(),
            source_ref: here,
            ..Entitlement::default()
        });
    }
    Ok(())
}

/// `az role deny-assignment list`, Resource Manager.
pub(super) fn deny(r: Rec<'_>, place: &Text, batch: &mut Batch) -> Result<(), String> {
    let at = scope::canonical(r.need(&["scope"])?);
    let id = r.need_id(&["id", "name"])?;
    let name = r.str(&["denyAssignmentName"]).unwrap_or(&id).to_owned();
    let ids = |key: &str| -> Vec<Value> {
        let one = |p: Rec<'_>| p.id(&["id"]).map(|s| Value::String(s.to_string()));
        r.list(key).filter_map(one).collect()
    };
    if ids("principals").is_empty() {
        return Err(format!("the deny assignment `{}` names no principal", short(&name)));
    }
    let mut out = Map::new();
    let mut permissions = blocks(r);
    if let Some(c) = r.str(&["condition"]) {
        for p in permissions.iter_mut().filter_map(Value::as_object_mut) {
            p.insert("condition".to_owned(), Value::String(c.to_owned()));
        }
    }
    out.insert("permissions".to_owned(), Value::Array(permissions));
    out.insert("principals".to_owned(), Value::Array(ids("principals")));
    out.insert("excludePrincipals".to_owned(), Value::Array(ids("excludePrincipals")));
    let here_only = r.flag("doNotApplyToChildScopes") == Some(true);
    out.insert("doNotApplyToChildScopes".to_owned(), Value::Bool(here_only));
    batch.facts.roles.push(Role {
        role_id: id.clone(),
        platform: text("azure"),
        name: text(&name),
        kind: RoleKind::Role,
        provider_managed: r.flag("isSystemProtected") == Some(true),
        document: Some(text(Value::Object(out).to_string())),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Role::default()
    });
    batch.facts.guardrails.push(Guardrail {
        platform: text("azure"),
        kind: GuardrailKind::Deny,
        target_id: Some(text(at)),
        role_id: id,
        name: text(name),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Guardrail::default()
    });
    Ok(())
}

/// A membership row.
pub(super) fn membership(member: Text, group: &Text, place: &Text, batch: &mut Batch) {
    batch.facts.memberships.push(Membership {
        principal_id: member,
        group_id: group.clone(),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Membership::default()
    });
}
