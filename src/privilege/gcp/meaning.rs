//! What one permission allows, as classes (cloud semantics, section 8): a table of dangerous
//! permissions first, then the service and the verb of the name.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::privilege::class::{Class, ClassSet};

static TABLE: &str = include_str!("../../../rules/privilege/gcp_permissions.csv");

/// Permission to attach a service account to what runs code; the second lock of many steps.
pub const ACT_AS: &str = "iam.serviceAccounts.actAs";

/// What one permission allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meaning {
    /// Classes that it gives by itself.
    pub classes: ClassSet,
    /// It escalates together with [`ACT_AS`] and not without.
    pub needs_act_as: bool,
    /// It is [`ACT_AS`].
    pub act_as: bool,
}

/// A row of the table.
#[derive(Clone, Debug, Default)]
pub struct Dangerous {
    /// Class as the table words it.
    pub class: String,
    /// It needs [`ACT_AS`] beside it.
    pub needs_act_as: bool,
    /// What it is good for.
    pub why: String,
}

/// The table of dangerous permissions.
#[must_use]
pub fn table() -> &'static BTreeMap<String, Dangerous> {
    static CELL: OnceLock<BTreeMap<String, Dangerous>> = OnceLock::new();
    CELL.get_or_init(|| {
        let mut reader = csv::Reader::from_reader(TABLE.as_bytes());
        let rows = reader.records().filter_map(Result::ok);
        rows.filter_map(|r| {
            let cell = |i: usize| r.get(i).map(str::to_owned);
            let row =
                Dangerous { class: cell(1)?, needs_act_as: cell(2)? == ACT_AS, why: cell(3)? };
            Some((cell(0)?, row))
        })
        .collect()
    })
}

/// What a permission allows.
#[must_use]
pub fn of(permission: &str) -> Meaning {
    if let Some(row) = table().get(permission) {
        return listed(permission, row);
    }
    let (resource, verb) = permission.rsplit_once('.').unwrap_or(("", permission));
    let service = resource.split(['.', '/']).next().unwrap_or_default();
    let mut classes = ClassSet::EMPTY;
    classes.insert(by_verb(service, resource, verb));
    Meaning { classes, ..Meaning::default() }
}

fn listed(permission: &str, row: &Dangerous) -> Meaning {
    let act_as = permission == ACT_AS;
    let half = row.needs_act_as || act_as;
    let class = match row.class.as_str() {
        "permissions-management"
            if permission.ends_with(".setIamPolicy") && !decides(permission) =>
        {
            Class::PermissionsLimited
        }
        "permissions-management" => Class::Permissions,
        "escalation" if !half => Class::Escalation,
        "escalation" | "escalation-tag" => Class::EscalationPossible,
        "secrets" => Class::Secrets,
        "resource-policy" => Class::PermissionsLimited,
        "data-read" => Class::DataRead,
        "data-write" => Class::DataWrite,
        "destructive" => Class::Destructive,
        _ => Class::Read,
    };
    let mut classes = ClassSet::EMPTY;
    classes.insert(class);
    Meaning { classes, needs_act_as: row.needs_act_as, act_as }
}

/// Whether who may do what is decided for principals or containers, and not for one kind of data or
/// workload (section 8: the other policies of resources are a class below).
fn decides(permission: &str) -> bool {
    let resource = permission.strip_suffix(".setIamPolicy").unwrap_or_default();
    let containers = [
        "resourcemanager.projects",
        "resourcemanager.folders",
        "resourcemanager.organizations",
        "iam.serviceAccounts",
        "billing.accounts",
        "privilegedaccessmanager.entitlements",
    ];
    containers.contains(&resource)
        || resource.ends_with("workloadIdentityPools")
        || resource.ends_with("workforcePools")
}

/// Order among permissions of one class, for a reader who sees the first few: those that decide who may do
/// what in a container first, then those about accounts, roles and pools, then all others.
#[must_use]
pub fn rank(permission: &str) -> u8 {
    let policy = permission.ends_with(".setIamPolicy") && decides(permission);
    if policy && permission.starts_with("resourcemanager.") {
        0
    } else if policy || permission.starts_with("iam.") {
        1
    } else {
        2
    }
}

/// Services whose resources hold the customer's data.
const DATA: [&str; 21] = [
    "alloydb",
    "artifactregistry",
    "bigquery",
    "bigtable",
    "biglake",
    "cloudsql",
    "dataflow",
    "dataplex",
    "datastore",
    "dicomstore",
    "firebasedatabase",
    "firebasestorage",
    "firestore",
    "healthcare",
    "memcache",
    "pubsub",
    "pubsublite",
    "redis",
    "source",
    "spanner",
    "storage",
];

/// Verbs that read, by their first word.
const READS: [&str; 24] = [
    "get",
    "list",
    "search",
    "query",
    "view",
    "read",
    "fetch",
    "lookup",
    "check",
    "test",
    "validate",
    "count",
    "describe",
    "resolve",
    "watch",
    "verify",
    "browse",
    "analyze",
    "calculate",
    "simulate",
    "preview",
    "aggregate",
    "sample",
    "explain",
];

fn by_verb(service: &str, resource: &str, verb: &str) -> Class {
    let first = verb.find(|c: char| c.is_ascii_uppercase()).and_then(|i| verb.get(..i));
    let first = first.unwrap_or(verb);
    if verb == "setIamPolicy" {
        return if decides(&format!("{resource}.{verb}")) {
            Class::Permissions
        } else {
            Class::PermissionsLimited
        };
    }
    if matches!(verb, "deletePolicyBinding" | "updatePolicyBinding") {
        // Takes a principal access boundary away from a set of principals.
        return Class::Permissions;
    }
    let secret = (service == "cloudkms"
        && ["useToDecrypt", "useToSign", "useToDecapsulate"].iter().any(|v| verb.starts_with(v)))
        || (resource == "container.secrets" && matches!(verb, "get" | "list" | "watch"));
    if secret {
        return Class::Secrets;
    }
    if matches!(first, "delete" | "destroy" | "drop" | "purge" | "shutdown")
        && !verb.ends_with("TagBinding")
    {
        return Class::Destructive;
    }
    let traces = ["logging.sinks", "logging.exclusions", "logging.buckets"];
    if traces.contains(&resource) && verb == "update" {
        return Class::Destructive;
    }
    if DATA.contains(&service) {
        let reads = matches!(
            verb,
            "getData"
                | "readRows"
                | "readData"
                | "exportData"
                | "export"
                | "download"
                | "executeSql"
                | "executeQuery"
                | "consume"
                | "read"
                | "select"
        );
        let writes = matches!(
            verb,
            "updateData" | "mutateRows" | "write" | "import" | "upload" | "publish" | "restore"
        );
        if reads {
            return Class::DataRead;
        }
        if writes {
            return Class::DataWrite;
        }
    }
    if READS.contains(&first) { Class::Read } else { Class::Write }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(permission: &str) -> Vec<&'static str> {
        of(permission).classes.iter().map(Class::word).collect()
    }

    #[test]
    fn the_table_comes_before_the_verb() {
        assert_eq!(table().len(), 156);
        for (permission, want) in [
            ("resourcemanager.projects.setIamPolicy", "permissions-management"),
            ("storage.buckets.setIamPolicy", "permissions-management (limited)"),
            ("pubsub.topics.setIamPolicy", "permissions-management (limited)"),
            ("run.services.setIamPolicy", "permissions-management (limited)"),
            ("iam.serviceAccounts.setIamPolicy", "permissions-management"),
            ("cloudkms.cryptoKeyVersions.useToEncrypt", "data-write (control plane)"),
            ("iam.googleapis.com/workforcePools.setIamPolicy", "permissions-management"),
            ("iam.serviceAccountKeys.create", "escalation"),
            ("iam.serviceAccounts.actAs", "escalation (possible)"),
            ("run.services.update", "escalation (possible)"),
            ("storage.buckets.createTagBinding", "escalation (possible)"),
            ("secretmanager.versions.access", "secrets"),
            ("cloudkms.cryptoKeyVersions.useToDecryptViaDelegation", "secrets"),
            ("storage.objects.get", "data-read"),
            ("bigtable.authorizedViews.readRows", "data-read"),
            ("logging.sinks.update", "destructive"),
            ("compute.disks.delete", "destructive"),
            ("compute.disks.deleteTagBinding", "data-write (control plane)"),
            ("compute.disks.create", "data-write (control plane)"),
            ("compute.disks.getIamPolicy", "read"),
            ("a", "data-write (control plane)"),
            ("", "data-write (control plane)"),
        ] {
            assert_eq!(classes(permission), [want], "{permission}");
        }
        assert!(of("run.services.update").needs_act_as && of(ACT_AS).act_as);
    }
}
