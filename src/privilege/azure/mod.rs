//! Azure role-based access control and Microsoft Entra: permission blocks, conditions, scopes, classes.
//!
//! Pure semantics over text; reading exports and joining facts is done elsewhere. Source: cloud
//! semantics, sections 4.3, 7 and 8.

pub mod catalogue;
pub mod classes;
pub mod condition;
pub mod entra;
pub mod permission;
pub mod scope;

/// Mark in `entitlements.origin_hint` of an assignment whose principal the directory no longer has.
pub const ORPHAN: &str = "the principal is not in the directory";
/// Begin of `entitlements.origin_hint` of an assignment that a schedule made.
pub const SCHEDULED: &str = "schedule: ";
/// Begin of the ids of roles that stand for delegated permissions (`oauth2PermissionGrants`).
pub const DELEGATED: &str = "delegated:";
/// Tag of a group whose members directory roles may be given to, which only few may change.
pub const ROLE_ASSIGNABLE: &str = "isAssignableToRole=true";
/// Begin of the tag that names the tenant an application belongs to.
pub const HOME_TENANT: &str = "appOwnerOrganizationId=";
/// Begin of the tag that names the resource of a managed identity.
pub const RESOURCE: &str = "resource=";
/// Begin of the ids of the roles that hold what activating a role at a scope asks for.
pub const ACTIVATION: &str = "activation:";
/// Tag of a principal of another tenant that holds by delegation (Azure Lighthouse).
pub const DELEGATED_TO: &str = "delegation=lighthouse";
/// Tag of a managed identity.
pub const MANAGED: &str = "servicePrincipalType=ManagedIdentity";
