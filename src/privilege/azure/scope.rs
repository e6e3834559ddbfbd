//! Scopes of Azure and Entra: paths of the resource manager, lower case, and the directory.
//!
//! A scope is a path prefix, compared without case: `/` is the root, a management group stands over
//! subscriptions by the tree of the tenant and not by its text (cloud semantics, 4.3).

use std::collections::BTreeMap;

use crate::facts::Text;
use crate::privilege::class::Breadth;

/// The directory as a scope.
pub const DIRECTORY: &str = "entra";

const GROUPS: &str = "/providers/microsoft.management/managementgroups/";

/// Canonical form: lower case, no trailing slash but of the root itself.
#[must_use]
pub fn canonical(scope: &str) -> String {
    let low = scope.trim().to_ascii_lowercase();
    let cut = low.trim_end_matches('/');
    if cut.is_empty() { "/".to_owned() } else { cut.to_owned() }
}

/// Scope of a directory role: `/` is the tenant, everything else a part of it.
#[must_use]
pub fn of_directory(path: Option<&str>) -> String {
    match path.map(|p| p.trim().trim_matches('/')).filter(|p| !p.is_empty()) {
        None => DIRECTORY.to_owned(),
        Some(part) => format!("{DIRECTORY}/{part}"),
    }
}

/// Breadth of a canonical scope.
#[must_use]
pub fn breadth(scope: &str) -> Breadth {
    if scope == "/" || scope == DIRECTORY {
        return Breadth::Tenant;
    }
    if scope.starts_with("entra/") {
        // An administrative unit is a part of the directory; an object is one resource.
        return if scope.to_ascii_lowercase().starts_with("entra/administrativeunits/") {
            Breadth::Group
        } else {
            Breadth::Resource
        };
    }
    if let Some(rest) = scope.strip_prefix(GROUPS) {
        return if rest.contains('/') { Breadth::Resource } else { Breadth::Folder };
    }
    let parts: Vec<&str> = scope.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["subscriptions", _] => Breadth::Account,
        ["subscriptions", _, "resourcegroups", _] => Breadth::Group,
        _ => Breadth::Resource,
    }
}

/// The tree of management groups and subscriptions: child to parent, canonical.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    parents: BTreeMap<String, String>,
}

impl Tree {
    /// A tree of pairs of child and parent.
    pub fn new<'a>(pairs: impl Iterator<Item = (&'a Text, &'a Text)>) -> Self {
        let parents = pairs.map(|(c, p)| (canonical(c), canonical(p))).collect();
        Self { parents }
    }

    /// Whether the tree says where a scope hangs.
    #[must_use]
    pub fn knows(&self, scope: &str) -> bool {
        self.parents.contains_key(scope)
    }

    /// Scopes above a canonical one, nearest first, without itself.
    #[must_use]
    pub fn above(&self, scope: &str) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        let mut at = scope.to_owned();
        // No real path is deeper; a tree with a cycle ends here too.
        while out.len() < 64 {
            let next = match self.parents.get(&at) {
                Some(parent) => parent.clone(),
                None => match above_by_text(&at) {
                    Some(parent) => parent.to_owned(),
                    None => break,
                },
            };
            if out.contains(&next) {
                break;
            }
            out.push(next.clone());
            at = next;
        }
        out
    }

    /// Whether `outer` is `inner` or stands over it.
    #[must_use]
    pub fn contains(&self, outer: &str, inner: &str) -> bool {
        outer == inner || (outer == "/" && inner.starts_with('/')) || {
            self.above(inner).iter().any(|s| s == outer)
        }
    }
}

/// The scope above, as far as the text tells.
fn above_by_text(scope: &str) -> Option<&str> {
    if scope == "/" || scope == DIRECTORY {
        return None;
    }
    if scope.starts_with("entra/") {
        return Some(DIRECTORY);
    }
    let body = scope.strip_prefix('/')?;
    // `subscriptions/S`, `resourcegroups/G` below it, then `providers/P/type/name/type/name`.
    let pair = match scope.rsplit_once("/providers/") {
        Some((head, tail)) if tail.split('/').count() <= 3 => {
            return Some(if head.is_empty() { "/" } else { head });
        }
        None if body.split('/').count() <= 2 => return Some("/"),
        _ => 2,
    };
    let (end, _) = scope.rmatch_indices('/').nth(pair - 1)?;
    scope.get(..end).filter(|s| !s.is_empty()).or(Some("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::text;

    const VM: &str =
        "/subscriptions/s/resourcegroups/g/providers/microsoft.compute/virtualmachines/v";

    #[test]
    fn breadths_and_canonical_forms() {
        for (scope, want) in [
            ("/", Breadth::Tenant),
            ("entra", Breadth::Tenant),
            ("/providers/Microsoft.Management/managementGroups/contoso/", Breadth::Folder),
            ("/subscriptions/S", Breadth::Account),
            ("/subscriptions/S/resourceGroups/G", Breadth::Group),
            (VM, Breadth::Resource),
            ("entra/administrativeUnits/au1", Breadth::Group),
            ("entra/app1", Breadth::Resource),
        ] {
            assert_eq!(breadth(&canonical(scope)), want, "{scope}");
        }
        assert_eq!(canonical(""), "/");
        assert_eq!(of_directory(Some("/")), "entra");
        assert_eq!(of_directory(Some("/administrativeUnits/a")), "entra/administrativeUnits/a");
    }

    #[test]
    fn paths_and_the_tree() {
        let mg = |n: &str| text(format!("/providers/Microsoft.Management/managementGroups/{n}"));
        let pairs = [(text("/subscriptions/S"), mg("child")), (mg("child"), mg("root"))];
        let tree = Tree::new(pairs.iter().map(|(a, b)| (a, b)));
        let above = tree.above(&format!("{VM}/extensions/e"));
        assert_eq!(
            above,
            [
                VM,
                "/subscriptions/s/resourcegroups/g",
                "/subscriptions/s",
                &canonical(&mg("child")),
                &canonical(&mg("root")),
                "/"
            ]
        );
        assert!(tree.contains("/", VM) && tree.contains(&canonical(&mg("root")), VM));
        assert!(!tree.contains(&canonical(&mg("other")), VM));
        assert!(!tree.contains("/subscriptions/s/resourcegroups/gg", VM));
        assert!(!Tree::default().contains(&canonical(&mg("root")), VM), "text alone cannot tell");
        // A cycle ends.
        let pairs = [(text("/a/b"), text("/c/d")), (text("/c/d"), text("/a/b"))];
        assert!(Tree::new(pairs.iter().map(|(a, b)| (a, b))).above("/a/b").len() < 3);
    }
}
