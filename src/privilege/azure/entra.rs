//! Roles of the directory by their content: resource actions of Microsoft Entra role definitions, and
//! values of application permissions.
//!
//! Sources: Microsoft Learn, "Microsoft Entra built-in roles" (the form of resource actions) and
//! "Microsoft Graph permissions reference" (the form of permission values).

use serde::Deserialize;

use super::catalogue::Reach;
use crate::privilege::class::{Class, ClassSet};

/// Parts of a resource action behind the last-but-two slash, and what they give. The first that fits
/// counts; reading is told by the end.
const ACTIONS: &[(&str, &str, Class, Option<Reach>)] = &[
    ("microsoft.directory/roleassignments/", "", Class::Permissions, None),
    ("microsoft.directory/roledefinitions/", "", Class::Permissions, None),
    ("microsoft.directory/roleeligibilityschedulerequest", "", Class::Permissions, None),
    ("microsoft.directory/roleassignmentschedulerequest", "", Class::Permissions, None),
    ("microsoft.directory/directoryroles/", "", Class::Permissions, None),
    ("microsoft.directory/privilegedidentitymanagement/", "", Class::Permissions, None),
    ("microsoft.directory/groupsassignabletoroles/", "", Class::Permissions, None),
    ("microsoft.directory/entitlementmanagement/", "", Class::Permissions, None),
    ("microsoft.directory/serviceprincipals/managepermissiongrants", "", Class::Permissions, None),
    ("microsoft.directory/serviceprincipals/approleassignedto/", "", Class::Permissions, None),
    ("microsoft.directory/permissiongrantpolicies/", "", Class::Permissions, None),
    ("microsoft.directory/applications/credentials/", "", Class::Escalation, Some(Reach::Apps)),
    ("microsoft.directory/applications/owners/", "", Class::Escalation, Some(Reach::Apps)),
    ("microsoft.directory/applications/allproperties/", "", Class::Escalation, Some(Reach::Apps)),
    (
        "microsoft.directory/serviceprincipals/credentials/",
        "",
        Class::Escalation,
        Some(Reach::Apps),
    ),
    ("microsoft.directory/serviceprincipals/owners/", "", Class::Escalation, Some(Reach::Apps)),
    (
        "microsoft.directory/serviceprincipals/allproperties/",
        "",
        Class::Escalation,
        Some(Reach::Apps),
    ),
    ("microsoft.directory/users/password/", "", Class::Escalation, Some(Reach::Members)),
    (
        "microsoft.directory/users/authenticationmethods/",
        "",
        Class::Escalation,
        Some(Reach::Members),
    ),
    ("microsoft.directory/groups", "/members/update", Class::Escalation, Some(Reach::Groups)),
    ("microsoft.directory/groups", "/owners/update", Class::Escalation, Some(Reach::Groups)),
    ("microsoft.directory/groups", "/allproperties/update", Class::Escalation, Some(Reach::Groups)),
    (
        "microsoft.directory/groups",
        "/allproperties/alltasks",
        Class::Escalation,
        Some(Reach::Groups),
    ),
    ("microsoft.directory/conditionalaccesspolicies/", "", Class::Escalation, None),
    ("microsoft.directory/authorizationpolicy/", "", Class::Escalation, None),
    ("microsoft.directory/domains/", "", Class::Escalation, None),
    ("microsoft.directory/hybridauthenticationpolicy/", "", Class::Escalation, None),
    ("microsoft.directory/organization/", "", Class::Escalation, None),
    ("microsoft.directory/deviceslocalcredentials/", "", Class::Secrets, None),
    ("microsoft.directory/bitlockerkeys/", "", Class::Secrets, None),
    ("microsoft.directory/devicelocalcredentials/", "", Class::Secrets, None),
];

/// Content of a directory role.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// Classes.
    pub classes: ClassSet,
    /// Strongest actions, at most twelve.
    pub strongest: Vec<String>,
    /// Number of actions.
    pub n_actions: i64,
    /// Whom it reaches.
    pub reach: Vec<Reach>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    #[serde(default)]
    allowed_resource_actions: Vec<String>,
}

/// Class of one resource action.
#[must_use]
pub fn class(action: &str) -> (Class, Option<Reach>) {
    let low = action.trim().to_ascii_lowercase();
    let secrets = low.contains("localcredentials/") || low.contains("bitlockerkeys/");
    if low.ends_with("/read") && !secrets {
        return (Class::Read, None);
    }
    let fits = |(begin, end, ..): &&(&str, &str, Class, Option<Reach>)| {
        low.starts_with(begin) && low.ends_with(end)
    };
    match ACTIONS.iter().find(fits) {
        Some((_, _, class, reach)) => (*class, *reach),
        None if low.ends_with("/delete") => (Class::Destructive, None),
        None => (Class::Write, None),
    }
}

/// Reads the document of a directory role; `None` when it lists no action, which exports do for roles
/// that are built in.
///
/// # Errors
/// Why it cannot be read.
pub fn content(document: &str) -> Result<Option<Content>, String> {
    let written: Vec<Written> = serde_json::from_str(document)
        .map_err(|e| e.to_string().chars().take(200).collect::<String>())?;
    let mut all: Vec<(Class, Option<Reach>, &str)> = Vec::new();
    for action in written.iter().flat_map(|w| &w.allowed_resource_actions) {
        let (class, reach) = class(action);
        all.push((class, reach, action));
    }
    if all.is_empty() {
        return Ok(None);
    }
    all.sort_unstable();
    all.dedup();
    let mut reach: Vec<Reach> = all.iter().filter_map(|(_, r, _)| *r).collect();
    reach.sort_unstable();
    reach.dedup();
    Ok(Some(Content {
        classes: all.iter().map(|(c, ..)| *c).collect(),
        strongest: all
            .iter()
            .filter(|(c, ..)| *c != Class::Read)
            .take(12)
            .map(|(_, _, a)| (*a).to_owned())
            .collect(),
        n_actions: i64::try_from(all.len()).unwrap_or(i64::MAX),
        reach,
    }))
}

/// Class of an application permission that the catalogue does not list, by the form of its value
/// (`Mail.Read`, `Sites.ReadWrite.All`).
#[must_use]
pub fn by_value(value: &str) -> Class {
    let verb = value.split('.').nth(1).unwrap_or_default();
    let low = verb.to_ascii_lowercase();
    if low.starts_with("read") && !low.contains("write") && !low.contains("update") {
        Class::DataRead
    } else {
        Class::DataWrite
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_of_roles() {
        for (action, want) in [
            ("microsoft.directory/applications/credentials/update", Class::Escalation),
            ("microsoft.directory/groupsAssignableToRoles/members/update", Class::Permissions),
            ("microsoft.directory/groups.security/members/update", Class::Escalation),
            ("microsoft.directory/users/standard/read", Class::Read),
            ("microsoft.directory/bitlockerKeys/key/read", Class::Secrets),
            ("microsoft.directory/contacts/delete", Class::Destructive),
            ("microsoft.office365.exchange/allEntities/basic/allTasks", Class::Write),
            ("microsoft.directory/contacts/create", Class::Write),
        ] {
            assert_eq!(class(action).0, want, "{action}");
        }
    }

    #[test]
    fn content_of_a_definition() {
        let c = content(
            r#"[{"allowedResourceActions":["microsoft.directory/users/password/update","microsoft.directory/users/standard/read"]}]"#,
        )
        .unwrap()
        .unwrap();
        assert!(c.classes.contains(Class::Escalation) && c.n_actions == 2);
        assert_eq!((c.reach, c.strongest.len()), (vec![Reach::Members], 1));
        assert!(content("[]").unwrap().is_none() && content("{").is_err());
        assert!(content(&"[".repeat(9_000)).is_err());
        assert_eq!(by_value("Mail.Read"), Class::DataRead);
        assert_eq!(by_value("Files.ReadWrite.All"), Class::DataWrite);
        assert_eq!(by_value(""), Class::DataWrite);
    }
}
