//! Scopes as a hierarchy of text: equality, nesting, canonical form.

use std::borrow::Cow;

use crate::privilege::azure::scope as azure;

/// Canonical form of a scope: a trailing `/*` or `/` is dropped (the subtree is the node), and the
/// forms of an AWS account (`123456789012`, `arn:aws:iam::123456789012:root`) become
/// `aws:123456789012`.
#[must_use]
pub fn canonical<'a>(platform: Option<&str>, scope: &'a str) -> Cow<'a, str> {
    let scope = scope.trim();
    // Paths of the resource manager have no case; its root is a scope of its own.
    if platform == Some("azure") && scope.starts_with('/') {
        return Cow::Owned(azure::canonical(scope));
    }
    let scope = scope.strip_suffix("/*").or_else(|| scope.strip_suffix('/')).unwrap_or(scope);
    let aws = platform.is_none_or(|p| p == "aws");
    // Brokers of Kubernetes write the bare name of a namespace.
    if platform == Some("k8s")
        && !scope.is_empty()
        && !scope.contains(['/', ':', '*'])
        && scope != "k8s"
    {
        return Cow::Owned(format!("k8s/ns/{scope}"));
    }
    if aws && is_account(scope) {
        return Cow::Owned(format!("aws:{scope}"));
    }
    if let Some(account) = arn_account(scope)
        && scope.ends_with(":root")
    {
        return Cow::Owned(format!("aws:{account}"));
    }
    Cow::Borrowed(scope)
}

/// Account that a canonical AWS scope lies in.
#[must_use]
pub fn aws_account(scope: &str) -> Option<&str> {
    scope.strip_prefix("aws:").filter(|a| is_account(a)).or_else(|| arn_account(scope))
}

fn is_account(s: &str) -> bool {
    s.len() == 12 && s.bytes().all(|b| b.is_ascii_digit())
}

/// Account field of an ARN, when it holds one.
fn arn_account(s: &str) -> Option<&str> {
    let mut parts = s.splitn(6, ':');
    (parts.next() == Some("arn")).then_some(())?;
    parts.nth(3).filter(|a| is_account(a))
}

/// Scopes that contain this canonical scope, nearest first, without the scope itself: path prefixes
/// at `/`, and the account of an ARN.
pub fn ancestors(scope: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let prefixes = std::iter::successors(scope.rsplit_once('/'), |(head, _)| head.rsplit_once('/'))
        .map(|(head, _)| Cow::Borrowed(head))
        .filter(|s| !s.is_empty());
    let account = arn_account(scope).map(|a| Cow::Owned(format!("aws:{a}")));
    prefixes.chain(account).chain(in_any_cluster(scope))
}

/// The same place of a Kubernetes cluster, and the cluster, without the cluster's name: a ledger that names
/// no cluster speaks of any.
fn in_any_cluster(scope: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let named = scope.starts_with("k8s:");
    let place = scope.find("/ns/").filter(|_| named).and_then(|at| scope.get(at..));
    let namespace = place.map(|rest| Cow::Owned(format!("k8s{rest}")));
    namespace.into_iter().chain(named.then_some(Cow::Borrowed("k8s")))
}

/// Whether `outer` is `inner` or contains it. Both canonical. `*` contains everything.
#[must_use]
pub fn contains(outer: &str, inner: &str) -> bool {
    outer == inner
        || outer == "*"
        || (outer == "/" && inner.starts_with('/'))
        || ancestors(inner).any(|a| a == outer)
        || google_cloud(outer, inner)
}

/// Whether the inputs would have to show a tree to tell if `outer` holds `inner`: management groups of
/// Azure and what may hang below them. Both canonical.
#[must_use]
pub fn undecided(outer: &str, inner: &str) -> bool {
    azure::undecided(outer, inner)
}

/// Containment that names of Google Cloud show besides the path: a project is named inside of a full
/// resource name, and an organisation holds every folder, project and resource. Which folder holds a
/// project no name says.
fn google_cloud(outer: &str, inner: &str) -> bool {
    if let Some(id) = outer.strip_prefix("organizations/") {
        let below = ["folders/", "projects/", "//"].iter().any(|p| inner.starts_with(p));
        return !id.contains('/') && below;
    }
    let Some(project) = outer.strip_prefix("projects/").filter(|p| !p.contains('/')) else {
        return false;
    };
    inner.starts_with("//")
        && inner
            .split_once("/projects/")
            .is_some_and(|(_, rest)| rest.split('/').next() == Some(project))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_forms() {
        assert_eq!(canonical(Some("aws"), "111122223333"), "aws:111122223333");
        assert_eq!(canonical(Some("aws"), "arn:aws:iam::111122223333:root"), "aws:111122223333");
        assert_eq!(canonical(Some("k8s"), "111122223333"), "k8s/ns/111122223333");
        assert_eq!(canonical(Some("k8s"), "k8s:prod/ns/pay"), "k8s:prod/ns/pay");
        assert_eq!(canonical(Some("k8s"), "k8s"), "k8s");
        assert_eq!(canonical(None, "projects/a/*"), "projects/a");
        assert_eq!(canonical(Some("azure"), "/subscriptions/S/"), "/subscriptions/s");
        assert_eq!(canonical(Some("azure"), "/"), "/");
    }

    #[test]
    fn nesting() {
        assert!(contains("projects/a", "projects/a/topics/t"));
        assert!(!contains("projects/a", "projects/ab"));
        assert!(contains("aws:111122223333", "arn:aws:iam::111122223333:role/x/y"));
        assert!(contains("k8s:prod", "k8s:prod/ns/pay"));
        assert!(contains("k8s/ns/pay", "k8s:prod/ns/pay"));
        assert!(contains("k8s", "k8s:prod/ns/pay"));
        assert!(!contains("k8s:prod", "k8s:test/ns/pay"));
        assert!(!contains("k8s/ns/pay", "k8s:prod/ns/other"));
        assert!(contains("*", "x"));
        assert!(contains("/", "/subscriptions/s") && !contains("/", "entra"));
        assert!(!contains("projects/a/topics/t", "projects/a"));
        let account = "//iam.googleapis.com/projects/a/serviceAccounts/x@a.iam.gserviceaccount.com";
        assert!(contains("projects/a", account) && !contains("projects/b", account));
        assert!(contains("organizations/1", account) && contains("organizations/1", "folders/2"));
        assert!(
            !contains("organizations/1", "aws:111122223333")
                && !contains("folders/2", "projects/a")
        );
    }
}
