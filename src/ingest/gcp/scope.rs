//! Names of resources: one canonical form for the many that commands print.

use crate::facts::{RealmKind, Text, text};
use crate::privilege::class::Breadth;

/// Canonical scope of a resource and its breadth: `organizations/1`, `folders/2`, `projects/p`, else the
/// full resource name (`//storage.googleapis.com/bucket`).
#[must_use]
pub fn canonical(resource: &str) -> (Text, Breadth) {
    let resource = resource.trim().trim_end_matches('/');
    let path = resource.strip_prefix("//cloudresourcemanager.googleapis.com/").unwrap_or(resource);
    if let Some(breadth) = container(path) {
        return (text(path), breadth);
    }
    if let Some(bucket) = resource
        .strip_prefix("gs://")
        .or_else(|| resource.strip_prefix("projects/_/buckets/"))
        .or_else(|| resource.strip_prefix("//storage.googleapis.com/buckets/"))
        .or_else(|| resource.strip_prefix("//storage.googleapis.com/projects/_/buckets/"))
    {
        return (text(format!("//storage.googleapis.com/{bucket}")), Breadth::Resource);
    }
    if resource.starts_with("//") {
        return (text(resource), Breadth::Resource);
    }
    if resource.contains("/serviceAccounts/") {
        return (text(format!("//iam.googleapis.com/{resource}")), Breadth::Resource);
    }
    if let Some((_, host)) = resource.split_once('@')
        && let Some(project) = host.strip_suffix(".iam.gserviceaccount.com")
    {
        let full = format!("//iam.googleapis.com/projects/{project}/serviceAccounts/{resource}");
        return (text(full), Breadth::Resource);
    }
    if !resource.contains(['/', ':']) && !resource.is_empty() {
        // A bare name is that of a project.
        return (text(format!("projects/{resource}")), Breadth::Account);
    }
    (text(resource), Breadth::Resource)
}

fn container(path: &str) -> Option<Breadth> {
    let (kind, id) = path.split_once('/')?;
    if id.is_empty() || id.contains('/') {
        return None;
    }
    match kind {
        "organizations" => Some(Breadth::Tenant),
        "folders" => Some(Breadth::Folder),
        "projects" => Some(Breadth::Account),
        _ => None,
    }
}

/// Kind of a node of the tree; `None` for other resources.
#[must_use]
pub fn kind(id: &str) -> Option<RealmKind> {
    match container(id)? {
        Breadth::Tenant => Some(RealmKind::Organisation),
        Breadth::Folder => Some(RealmKind::Unit),
        _ => Some(RealmKind::Account),
    }
}

/// Project that a resource name carries, as a scope.
#[must_use]
pub fn project_in(resource: &str) -> Option<Text> {
    let at = resource
        .find("projects/")
        .filter(|i| i.checked_sub(1).is_none_or(|b| resource.as_bytes().get(b) == Some(&b'/')))?;
    let rest = resource.get(at + "projects/".len()..)?;
    let id = rest.split('/').next().filter(|p| !p.is_empty() && *p != "_" && *p != "-")?;
    Some(text(format!("projects/{id}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_for_many() {
        for (from, to, breadth) in [
            ("//cloudresourcemanager.googleapis.com/projects/p", "projects/p", Breadth::Account),
            ("organizations/1", "organizations/1", Breadth::Tenant),
            ("folders/2/", "folders/2", Breadth::Folder),
            ("p", "projects/p", Breadth::Account),
            ("gs://b", "//storage.googleapis.com/b", Breadth::Resource),
            ("projects/_/buckets/b", "//storage.googleapis.com/b", Breadth::Resource),
            (
                "a@p.iam.gserviceaccount.com",
                "//iam.googleapis.com/projects/p/serviceAccounts/a@p.iam.gserviceaccount.com",
                Breadth::Resource,
            ),
            (
                "projects/p/serviceAccounts/a@p.iam.gserviceaccount.com",
                "//iam.googleapis.com/projects/p/serviceAccounts/a@p.iam.gserviceaccount.com",
                Breadth::Resource,
            ),
            ("//run.googleapis.com/x", "//run.googleapis.com/x", Breadth::Resource),
        ] {
            assert_eq!(canonical(from), (text(to), breadth), "{from}");
        }
        assert_eq!(
            project_in("//iam.googleapis.com/projects/p/serviceAccounts/a").as_deref(),
            Some("projects/p")
        );
        assert_eq!(project_in("projects/_/buckets/b"), None);
        assert_eq!(project_in("x"), None);
        assert_eq!(kind("projects/a/b"), None);
    }
}
