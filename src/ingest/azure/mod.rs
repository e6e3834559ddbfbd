//! Azure and Microsoft Entra: exports of the `az` command line, of Az PowerShell, of Azure Resource
//! Manager and of Microsoft Graph.
//!
//! A record is known by its own keys, in either letter case, flat or below `properties`; files may
//! hold records of several kinds. Shapes: cloud semantics, section 3.3.

use serde_json::Value;

use super::ledger::vendor;
use super::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe, Shape};
use super::{detect, reader, records, table};
use crate::facts::{Completeness, Facts, Layer, Text, Time, text};

mod activation;
mod assignments;
mod delegation;
mod directory;
mod finish;
mod groups;
mod logs;
mod record;
mod resources;

pub(in crate::ingest) use assignments::role_name;
pub use logs::sign_in;
pub use record::Rec;

/// The adapters of this folder.
pub static ADAPTERS: &[&dyn Adapter] = &[
    &Export {
        format: "azure-role-assignments",
        title: "Azure role assignments (az, Resource Manager, Az PowerShell JSON and CSV)",
        layer: Layer::State,
        kinds: &[Kind::Assignment, Kind::ClassicAdministrator],
    },
    &Export {
        format: "azure-delegations",
        title: "Azure Lighthouse: access delegated to other tenants",
        layer: Layer::State,
        kinds: &[Kind::Delegation, Kind::DelegationAssignment],
    },
    &Export {
        format: "entra-pim-policies",
        title: "Microsoft Entra PIM, what activating a role asks for (Graph, ARM)",
        layer: Layer::Context,
        kinds: &[Kind::ActivationPolicy],
    },
    &Export {
        format: "entra-pim-instances",
        title: "Microsoft Entra PIM, role schedule instances (Graph, ARM)",
        layer: Layer::State,
        kinds: &[Kind::Instance],
    },
    &Export {
        format: "azure-role-definitions",
        title: "Azure and Entra role definitions",
        layer: Layer::Context,
        kinds: &[Kind::Definition, Kind::DirectoryDefinition],
    },
    &Export {
        format: "azure-deny-assignments",
        title: "Azure deny assignments",
        layer: Layer::Context,
        kinds: &[Kind::Deny],
    },
    &Export {
        format: "entra-role-assignments",
        title: "Entra directory role assignments and application permissions (Graph)",
        layer: Layer::State,
        kinds: &[
            Kind::DirectoryAssignment,
            Kind::DirectoryRole,
            Kind::AppRoleAssignment,
            Kind::DelegatedGrant,
        ],
    },
    &Export {
        format: "entra-applications",
        title: "Entra applications, service principals, their credentials and federation",
        layer: Layer::Credential,
        kinds: &[
            Kind::Application,
            Kind::ServicePrincipal,
            Kind::SecretOrCertificate,
            Kind::FederatedCredential,
        ],
    },
    &Export {
        format: "entra-directory",
        title: "Entra users, groups, members, owners and administrative units",
        layer: Layer::State,
        kinds: &[Kind::User, Kind::Group, Kind::Member, Kind::AdministrativeUnit],
    },
    &Export {
        format: "azure-resources",
        title: "Azure management groups, subscriptions, key vaults, identities of resources",
        layer: Layer::Context,
        kinds: &[Kind::ManagementGroup, Kind::Subscription, Kind::KeyVault, Kind::Resource],
    },
    &Export {
        format: "entra-sign-in-activity",
        title: "Entra service principal sign-in activity",
        layer: Layer::Usage,
        kinds: &[Kind::SignInActivity],
    },
    &Export {
        format: "entra-sign-ins",
        title: "Entra sign-in logs",
        layer: Layer::Usage,
        kinds: &[Kind::SignIn],
    },
    &Export {
        format: "azure-activity-log",
        title: "Azure activity log",
        layer: Layer::Usage,
        kinds: &[Kind::Activity],
    },
];

/// Joins what several files of a run say. Called once with all facts, before anything is resolved.
pub fn finish(facts: &mut Facts) {
    finish::finish(facts);
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Assignment,
    ClassicAdministrator,
    Delegation,
    DelegationAssignment,
    ActivationPolicy,
    DirectoryAssignment,
    Instance,
    Definition,
    DirectoryDefinition,
    DirectoryRole,
    Deny,
    Application,
    ServicePrincipal,
    SecretOrCertificate,
    FederatedCredential,
    AppRoleAssignment,
    DelegatedGrant,
    User,
    Group,
    Member,
    AdministrativeUnit,
    ManagementGroup,
    Subscription,
    KeyVault,
    Resource,
    SignInActivity,
    SignIn,
    Activity,
}

/// What a record is, by its keys; the first row that fits.
fn kind(r: Rec<'_>) -> Option<Kind> {
    let has = |keys: &[&str]| keys.iter().all(|k| r.has(k));
    let any = |keys: &[&str]| keys.iter().any(|k| r.has(k));
    let graph = r.str(&["@odata.type"]).unwrap_or_default();
    let arm = r.str(&["type"]).unwrap_or_default().to_ascii_lowercase();
    Some(if any(&["scheduleInfo"]) {
        // Requests and schedules of PIM are the ledger's.
        return None;
    } else if let Some(kind) = named(r, &arm) {
        kind
    } else if has(&["roleDefinitionId", "memberType"])
        && any(&["roleAssignmentScheduleId", "roleEligibilityScheduleId"])
    {
        Kind::Instance
    } else if any(&["directoryScopeId", "appScopeId"]) && has(&["roleDefinitionId"]) {
        Kind::DirectoryAssignment
    } else if has(&["scope"])
        && any(&["roleDefinitionId", "roleDefinitionName"])
        && any(&["principalId", "objectId"])
    {
        Kind::Assignment
    } else if has(&["denyAssignmentName", "principals"]) {
        Kind::Deny
    } else if any(&["rolePermissions"]) || (has(&["templateId"]) && any(&["isBuiltIn"])) {
        Kind::DirectoryDefinition
    } else if has(&["roleTemplateId"]) {
        Kind::DirectoryRole
    } else if has(&["permissions", "assignableScopes"])
        || has(&["permissions", "roleName"])
        || has(&["actions", "notActions", "assignableScopes"])
    {
        Kind::Definition
    } else if has(&["appRoleId", "principalId", "resourceId"]) {
        Kind::AppRoleAssignment
    } else if has(&["clientId", "consentType", "scope"]) {
        Kind::DelegatedGrant
    } else if has(&["issuer", "audiences"]) && any(&["subject", "claimsMatchingExpression"]) {
        Kind::FederatedCredential
    } else if has(&["appId"]) && any(&["lastSignInActivity"]) {
        Kind::SignInActivity
    } else if graph.ends_with(".servicePrincipal")
        || (has(&["appId"])
            && any(&["servicePrincipalType", "servicePrincipalNames", "appOwnerOrganizationId"]))
    {
        Kind::ServicePrincipal
    } else if is_sign_in(r) {
        Kind::SignIn
    } else if graph.ends_with(".application")
        || (has(&["appId"])
            && any(&[
                "passwordCredentials",
                "keyCredentials",
                "requiredResourceAccess",
                "signInAudience",
                "identifierUris",
            ]))
    {
        Kind::Application
    } else if has(&["keyId"]) && any(&["endDateTime", "startDateTime"]) {
        Kind::SecretOrCertificate
    } else if has(&["operationName"])
        && any(&["eventTimestamp", "resourceId", "authorization"])
        && !any(&["targetResources", "loggedByService", "activityDateTime"])
        && !r.str(&["resourceId"]).is_some_and(|id| id.starts_with("/tenants/"))
    {
        Kind::Activity
    } else if arm.ends_with("microsoft.management/managementgroups") {
        Kind::ManagementGroup
    } else if arm == "/subscriptions"
        || arm == "microsoft.resources/subscriptions"
        || arm.ends_with("/managementgroups/subscriptions")
        || (has(&["tenantId", "state"]) && any(&["homeTenantId", "subscriptionId"]))
    {
        Kind::Subscription
    } else if arm == "microsoft.keyvault/vaults" || has(&["vaultUri"]) {
        Kind::KeyVault
    } else if arm.starts_with("microsoft.")
        && r.str(&["id"]).is_some_and(|id| id.to_ascii_lowercase().starts_with("/subscriptions/"))
    {
        Kind::Resource
    } else if graph.ends_with(".administrativeUnit") || has(&["isMemberManagementRestricted"]) {
        Kind::AdministrativeUnit
    } else if any(&["members", "owners", "securityEnabled", "groupTypes", "isAssignableToRole"])
        && has(&["id"])
    {
        Kind::Group
    } else if has(&["userPrincipalName", "id"]) {
        Kind::User
    } else if graph.starts_with("#microsoft.graph.") && has(&["id"]) {
        Kind::Member
    } else {
        return None;
    })
}

/// Records that say by a word of their own what they are.
fn named(r: Rec<'_>, arm: &str) -> Option<Kind> {
    let policy = r.has("effectiveRules")
        || (r.has("policyId") && r.has("scopeType"))
        || arm.ends_with("/rolemanagementpolicyassignments")
        || arm.ends_with("/rolemanagementpolicies");
    if policy {
        Some(Kind::ActivationPolicy)
    } else if arm.ends_with("/registrationdefinitions") {
        Some(Kind::Delegation)
    } else if arm.ends_with("/registrationassignments") {
        Some(Kind::DelegationAssignment)
    } else {
        delegation::is_classic(r).then_some(Kind::ClassicAdministrator)
    }
}

/// A sign-in of the log, as Graph prints it or as diagnostic settings send it.
fn is_sign_in(r: Rec<'_>) -> bool {
    let category = r.str(&["category"]).unwrap_or_default();
    category.ends_with("SignInLogs")
        || (r.has("createdDateTime")
            && r.has("ipAddress")
            && r.has("resourceDisplayName")
            && (r.has("userPrincipalName") || r.has("servicePrincipalId")))
}

/// One group of record kinds; all of them are read by the same code.
#[derive(Debug)]
struct Export {
    format: &'static str,
    title: &'static str,
    layer: Layer,
    kinds: &'static [Kind],
}

/// What readers of records may consult and note.
pub(super) struct Reader<'a> {
    /// What the file is about, when something beside it says so.
    realm: Option<&'a str>,
    /// Name of the file.
    name: &'a str,
    /// `@odata.context` of the page that is read.
    page: Option<String>,
    /// Kinds of records seen.
    seen: Seen,
}

/// What a file showed, for its limitation.
#[derive(Debug, Default)]
struct Seen {
    assignments: bool,
    /// Some assignment had no `principalName` key: the directory was not asked.
    unnamed: bool,
    intermediate: u64,
    first_party: u64,
    basic_scopes: u64,
    nameless: u64,
    holderless: u64,
    next: bool,
    /// Policies of group memberships, and policies whose role nothing says.
    group_policies: u64,
    loose_policies: u64,
    /// Definitions of delegations, which hold where they are assigned.
    definitions: u64,
    classic: u64,
}

impl Adapter for Export {
    fn format(&self) -> &'static str {
        self.format
    }

    fn title(&self) -> &'static str {
        self.title
    }

    fn layer(&self) -> Layer {
        self.layer
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        let first = first_record(probe)?;
        let kind = kind(Rec(&first))?;
        self.kinds.contains(&kind).then_some(Match::Specific)
    }

    fn read(&self, input: &Input, ctx: &Context<'_>, batch: &mut Batch) -> Result<(), IngestError> {
        let mut reader =
            Reader { realm: ctx.realm, name: &input.name, page: None, seen: Seen::default() };
        let (head, complete) = reader::head(input)?;
        let shape = detect::detect(&head, complete).shape;
        if shape == Shape::Csv {
            csv_rows(input, batch, &mut |r, place, batch| one(r, place, &mut reader, batch))?;
        } else {
            records::each(input, shape, batch, &mut |place, raw, batch| {
                let at = if shape == Shape::JsonObject { String::new() } else { place.to_string() };
                match serde_json::from_str::<Value>(raw) {
                    Err(e) => batch.quarantine(place.to_string(), records::json_message(&e)),
                    Ok(value) => document(&value, &at, &mut reader, batch),
                }
                Ok(())
            })?;
        }
        conclude(&reader.seen, batch);
        Ok(())
    }
}

/// Says what the file does not show.
fn conclude(seen: &Seen, batch: &mut Batch) {
    let mut limits: Vec<String> = Vec::new();
    batch.completeness = if seen.next { Completeness::Truncated } else { Completeness::Unknown };
    if seen.next {
        limits.push("a page names a next one; whether it is there is not known".into());
    }
    if seen.assignments {
        let origin = &crate::privilege::azure::catalogue::catalogue().origin;
        limits.push(format!(
            "one file shows one subscription or scope of the tenant; roles that no export defines are read from the built-in roles of {origin}"
        ));
    }
    if seen.unnamed {
        limits.push(
            "assignments without `principalName`: the directory was not asked, so principals that are gone are not recognised".into(),
        );
    }
    for (n, what) in [
        (seen.intermediate, "records are steps of an operation whose end is another record"),
        (seen.nameless, "records of the log name no caller"),
        (
            seen.holderless,
            "credentials do not say of which application they are: put its appId into `<file>.realm`",
        ),
        (seen.first_party, "credentials of managed identities are rotated by the platform"),
        (seen.basic_scopes, "delegated permissions are those of signing in only"),
        (seen.group_policies, "policies are of memberships in groups, which are not judged"),
        (
            seen.loose_policies,
            "policies do not say of which role they are: ask for `roleManagementPolicyAssignments`",
        ),
        (seen.definitions, "delegations are definitions, in force where an assignment of them is"),
        (seen.classic, "classic administrators: the platform retired them on 2024-08-31"),
    ] {
        if n > 0 {
            limits.push(format!("{n} {what}"));
        }
    }
    if !limits.is_empty() {
        batch.limitation = Some(text(limits.join("; ")));
    }
}

/// Key under which pages hold their records.
const LISTS: [&str; 3] = ["value", "records", "data"];

/// The list of a page, its key, and the page's own record, if it is one.
fn page_of(value: &Value) -> Option<(&str, &Vec<Value>)> {
    let map = value.as_object()?;
    if ["id", "name", "operationName"].iter().any(|k| map.contains_key(*k)) {
        return None;
    }
    map.iter().find_map(|(k, v)| {
        let list = v.as_array()?;
        LISTS.iter().any(|l| k.eq_ignore_ascii_case(l)).then_some((k.as_str(), list))
    })
}

/// A record, or a page of them.
fn document(value: &Value, at: &str, reader: &mut Reader<'_>, batch: &mut Batch) {
    let value = match value.get("event") {
        Some(inner) if inner.is_object() => inner,
        _ => value,
    };
    if let Some((key, list)) = page_of(value) {
        let page = Rec(value);
        reader.page = page.str(&["@odata.context"]).map(str::to_owned);
        reader.seen.next |= page.has("@odata.nextLink") || page.has("nextLink");
        // The page itself was counted as one record.
        batch.records += i64::try_from(list.len()).unwrap_or(i64::MAX) - 1;
        for (i, v) in list.iter().enumerate() {
            one(Rec(v), &text(format!("{at}/{key}/{i}")), reader, batch);
        }
        return;
    }
    let place = text(if at.is_empty() { "L1" } else { at });
    one(Rec(value), &place, reader, batch);
}

/// One record; what cannot be read goes to quarantine.
fn one(r: Rec<'_>, place: &Text, reader: &mut Reader<'_>, batch: &mut Batch) {
    if !r.0.is_object() {
        batch.quarantine(place, "not a JSON object");
        return;
    }
    let read = match kind(r) {
        None => Err("not a record of a known kind".to_owned()),
        Some(kind) => match kind {
            Kind::Assignment => assignments::assignment(r, place, reader, batch),
            Kind::ClassicAdministrator => delegation::classic(r, place, reader, batch),
            Kind::Delegation => delegation::definition(r, place, reader, batch),
            Kind::DelegationAssignment => delegation::assignment(r, place, batch),
            Kind::ActivationPolicy => activation::policy(r, place, reader, batch),
            Kind::DirectoryAssignment => assignments::directory(r, place, batch),
            Kind::Instance => assignments::instance(r, place, batch),
            Kind::Definition => assignments::definition(r, place, batch),
            Kind::DirectoryDefinition => assignments::directory_definition(r, place, batch),
            Kind::DirectoryRole => assignments::directory_role(r, place, batch),
            Kind::Deny => assignments::deny(r, place, batch),
            Kind::Application => directory::application(r, place, batch),
            Kind::ServicePrincipal => directory::service_principal(r, place, reader, batch),
            Kind::SecretOrCertificate => directory::loose_credential(r, place, reader, batch),
            Kind::FederatedCredential => directory::federated(r, place, reader, batch),
            Kind::AppRoleAssignment => directory::app_role(r, place, batch),
            Kind::DelegatedGrant => directory::delegated(r, place, reader, batch),
            Kind::User => groups::user(r, place, reader, batch),
            Kind::Group => groups::group(r, place, reader, batch),
            Kind::Member => groups::member(r, place, reader, batch),
            Kind::AdministrativeUnit => groups::unit(r, place, batch),
            Kind::ManagementGroup => resources::management_group(r, place, batch),
            Kind::Subscription => resources::subscription(r, place, batch),
            Kind::KeyVault => resources::vault(r, place, batch),
            Kind::Resource => resources::resource(r, place, batch),
            Kind::SignInActivity => logs::sign_in_activity(r, place, batch),
            Kind::SignIn => sign_in(r, place, batch),
            Kind::Activity => logs::activity(r, place, reader, batch),
        },
    };
    if let Err(reason) = read {
        batch.quarantine(place, reason);
    }
}

/// Rows of a table as records, so that one reader serves both.
fn csv_rows(
    input: &Input,
    batch: &mut Batch,
    each: &mut dyn FnMut(Rec<'_>, &Text, &mut Batch),
) -> Result<(), IngestError> {
    let bytes = reader::read_all(input)?;
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let delimiter = detect::detect(bytes.get(..reader::HEAD).unwrap_or(bytes), true).delimiter;
    let mut csv = csv::ReaderBuilder::new().flexible(true).delimiter(delimiter).from_reader(bytes);
    let header = match csv.headers() {
        Ok(h) => h.clone(),
        Err(e) => {
            return Err(IngestError::Malformed {
                file: input.name.clone(),
                place: "line 1".into(),
                message: e.to_string(),
            });
        }
    };
    for row in csv.records() {
        batch.records += 1;
        let row = match row {
            Ok(row) => row,
            Err(e) => {
                let line = e.position().map_or(0, csv::Position::line);
                batch.quarantine(format!("L{line}"), "not a readable CSV record");
                continue;
            }
        };
        let place = text(format!("L{}", row.position().map_or(0, csv::Position::line)));
        if row.len() != header.len() {
            batch.quarantine(&place, format!("{} fields, expected {}", row.len(), header.len()));
            continue;
        }
        let cells = header.iter().zip(row.iter());
        let map = cells.map(|(k, v)| (k.trim().to_owned(), Value::String(v.to_owned()))).collect();
        each(Rec(&Value::Object(map)), &place, batch);
    }
    Ok(())
}

/// The first record in the head of a file, which may be cut; else what its keys alone show.
fn first_record(probe: &Probe<'_>) -> Option<Value> {
    let by_keys = || {
        let keys = probe.keys.iter().map(|k| (k.clone(), Value::Bool(true)));
        Value::Object(keys.collect())
    };
    if probe.shape == Shape::Csv {
        return Some(by_keys());
    }
    if !vendor::mentions(probe, &[]) {
        return None;
    }
    let head = String::from_utf8_lossy(probe.head);
    let body = head.trim_start_matches('\u{feff}').trim_start();
    let first = |s: &str| serde_json::Deserializer::from_str(s).into_iter::<Value>().next()?.ok();
    let found = match body.strip_prefix('[') {
        Some(inner) => first(inner),
        None => first(body).or_else(|| first(list_of(body)?)),
    };
    let Some(found) = found else { return Some(by_keys()) };
    let found = match found.get("event") {
        Some(inner) if inner.is_object() => inner.clone(),
        _ => found,
    };
    match page_of(&found) {
        Some((_, list)) => list.first().cloned(),
        None => Some(found),
    }
}

/// Text behind the bracket of the list of a page that is cut.
fn list_of(body: &str) -> Option<&str> {
    let at = LISTS.iter().filter_map(|k| body.find(&format!("\"{k}\""))).min()?;
    body.get(at..)?.split_once('[').map(|(_, rest)| rest)
}

/// Sees a time in the span of the source.
fn see(batch: &mut Batch, t: Option<Time>) -> Option<Time> {
    if let Some(t) = t {
        batch.see(t);
    }
    t
}

/// A value short enough for a message.
fn short(s: &str) -> String {
    table::short(s).into_owned()
}

#[cfg(test)]
mod tests;
