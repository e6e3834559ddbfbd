//! Scopes of Azure and Entra: paths of the resource manager, lower case, and the directory.
//!
//! A scope is a path prefix, compared without case: `/` is the root, a management group stands over
//! subscriptions by the tree of the tenant and not by its text (cloud semantics, 4.3).

use std::collections::BTreeMap;

use crate::facts::Tri;
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

/// Whether a canonical scope is a management group itself.
#[must_use]
pub fn is_group(scope: &str) -> bool {
    scope.strip_prefix(GROUPS).is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
}

/// Whether a canonical scope is a subscription itself.
#[must_use]
pub fn is_subscription(scope: &str) -> bool {
    scope
        .strip_prefix("/subscriptions/")
        .is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
}

/// Canonical scope of a management group by its name.
#[must_use]
pub fn group(name: &str) -> String {
    canonical(&format!("{GROUPS}{name}"))
}

/// Whether no text of two canonical scopes can tell if the first holds the second: the first is a
/// management group, the second a subscription, something in one, or another management group.
#[must_use]
pub fn undecided(outer: &str, inner: &str) -> bool {
    outer != inner
        && is_group(outer)
        && (inner.starts_with("/subscriptions/") || inner.starts_with(GROUPS))
        && !inner.starts_with(&format!("{outer}/"))
}

/// What an export says of one node of the tree.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// Management group or subscription.
    pub id: &'a str,
    /// Node above it; `/` for the root management group, `None` when not said.
    pub parent: Option<&'a str>,
    /// Tenant.
    pub tenant: Option<&'a str>,
}

/// The tree of management groups and subscriptions: child to parent, canonical.
///
/// Where the inputs do not place a node, nothing is concluded from that: [`Tree::relation`] is then
/// conditional.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    parents: BTreeMap<String, String>,
    /// Tenant of nodes, and the root group of a tenant: the one that has the tenant's id for a name.
    tenants: BTreeMap<String, String>,
}

impl Tree {
    /// A tree of nodes, as one or several exports state them. Of two parents the first in order counts.
    pub fn new<'a>(nodes: impl Iterator<Item = Node<'a>>) -> Self {
        let mut out = Self::default();
        for n in nodes {
            let id = canonical(n.id);
            if let Some(tenant) = n.tenant {
                let tenant = tenant.to_ascii_lowercase();
                // The root group bears the name of its tenant; only `/` is above it.
                out.parents.insert(group(&tenant), "/".to_owned());
                out.tenants.entry(id.clone()).or_insert(tenant);
            }
            if let Some(parent) = n.parent.map(canonical).filter(|p| *p != id) {
                out.parents.entry(id).or_insert(parent);
            }
        }
        out
    }

    /// Node above a canonical scope. The root group of a tenant holds whatever of the tenant no export
    /// places.
    fn up(&self, scope: &str) -> Option<String> {
        if let Some(parent) = self.parents.get(scope) {
            return Some(parent.clone());
        }
        if is_group(scope) || is_subscription(scope) {
            let root = self.tenants.get(scope).map(|t| group(t));
            if let Some(root) = root.filter(|r| self.parents.contains_key(r)) {
                return Some(root);
            }
        }
        above_by_text(scope).map(str::to_owned)
    }

    /// Scopes above a canonical one, nearest first, without itself. What lies between a node that no
    /// export places and the root is missing; [`Tree::unplaced`] says whether there is such a node.
    #[must_use]
    pub fn above(&self, scope: &str) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        let mut at = scope.to_owned();
        // No real path is deeper; a tree with a cycle ends here too.
        while out.len() < 64 {
            let Some(next) = self.up(&at) else { break };
            if out.contains(&next) {
                break;
            }
            out.push(next.clone());
            at = next;
        }
        out
    }

    /// Whether `outer` certainly is `inner` or stands over it.
    #[must_use]
    pub fn contains(&self, outer: &str, inner: &str) -> bool {
        outer == inner || (outer == "/" && inner.starts_with('/')) || {
            self.above(inner).iter().any(|s| s == outer)
        }
    }

    /// The management group or subscription, at or above a canonical scope, of which no export says
    /// where it hangs; `None` when the way up to the root is known, or the scope is none of the
    /// resource manager.
    #[must_use]
    pub fn unplaced(&self, scope: &str) -> Option<String> {
        let above = self.above(scope);
        let mut way = std::iter::once(scope).chain(above.iter().map(String::as_str));
        way.find(|s| (is_group(s) || is_subscription(s)) && !self.parents.contains_key(*s))
            .map(str::to_owned)
    }

    /// Whether `outer` is `inner` or stands over it: conditional where only the tree could tell and the
    /// inputs do not hold that part of it (cloud semantics, 4.3: a management group is no textual
    /// prefix of its subscriptions).
    #[must_use]
    pub fn relation(&self, outer: &str, inner: &str) -> Tri {
        if self.contains(outer, inner) {
            return Tri::Yes;
        }
        if !is_group(outer) {
            return Tri::No;
        }
        match self.unplaced(inner) {
            // What hangs below a node does not stand over it.
            Some(top) if !self.contains(&top, outer) => Tri::Conditional,
            _ => Tri::No,
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

    fn tree(pairs: &[(&str, &str)]) -> Tree {
        Tree::new(pairs.iter().map(|(id, parent)| Node { id, parent: Some(parent), tenant: None }))
    }

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
        let mg = |n: &str| format!("/providers/Microsoft.Management/managementGroups/{n}");
        let (child, root) = (mg("child"), mg("root"));
        let known = tree(&[("/subscriptions/S", &child), (&child, &root), (&root, "/")]);
        let above = known.above(&format!("{VM}/extensions/e"));
        assert_eq!(
            above,
            [
                VM,
                "/subscriptions/s/resourcegroups/g",
                "/subscriptions/s",
                &canonical(&child),
                &canonical(&root),
                "/"
            ]
        );
        assert!(known.contains("/", VM) && known.contains(&canonical(&root), VM));
        assert!(!known.contains(&canonical(&mg("other")), VM));
        assert!(!known.contains("/subscriptions/s/resourcegroups/gg", VM));
        assert!(!Tree::default().contains(&canonical(&root), VM), "text alone cannot tell");
        // A cycle ends.
        assert!(tree(&[("/a/b", "/c/d"), ("/c/d", "/a/b")]).above("/a/b").len() < 3);
    }

    #[test]
    fn what_no_tree_shows_is_possible_and_never_no() {
        let mg =
            |n: &str| canonical(&format!("/providers/Microsoft.Management/managementGroups/{n}"));
        let none = Tree::default();
        assert_eq!(none.relation(&mg("a"), VM), Tri::Conditional);
        assert_eq!(none.relation(&mg("a"), &mg("b")), Tri::Conditional);
        assert_eq!(none.relation(&mg("a"), "/"), Tri::No, "nothing stands over the root");
        assert_eq!(none.relation("/subscriptions/t", VM), Tri::No);
        assert_eq!(none.relation(&mg("a"), DIRECTORY), Tri::No);
        assert_eq!(none.relation("/", VM), Tri::Yes);
        assert!(undecided(&mg("a"), VM) && !undecided("/subscriptions/s", VM));
        // A branch up to the root decides both ways.
        let whole = tree(&[("/subscriptions/s", &mg("a")), (&mg("a"), &mg("r")), (&mg("r"), "/")]);
        assert_eq!(whole.relation(&mg("r"), VM), Tri::Yes);
        assert_eq!(whole.relation(&mg("b"), VM), Tri::No);
        assert_eq!(whole.relation(&mg("b"), "/subscriptions/t/x/y"), Tri::Conditional);
        // One that ends below the root decides for what hangs on it only.
        let part = tree(&[("/subscriptions/s", &mg("a")), (&mg("b"), &mg("a"))]);
        assert_eq!(part.relation(&mg("a"), VM), Tri::Yes);
        assert_eq!(part.relation(&mg("b"), VM), Tri::No, "it is another branch of the same group");
        assert_eq!(part.relation(&mg("c"), VM), Tri::Conditional, "it may stand over `a`");
        assert_eq!(part.unplaced(VM), Some(mg("a")));
    }

    #[test]
    fn the_root_group_of_a_tenant_holds_the_whole_tenant() {
        let root = group("T1");
        let node = |id, tenant| Node { id, parent: None, tenant: Some(tenant) };
        let tree = Tree::new(
            [node(&*root, "T1"), node("/subscriptions/s", "t1"), node("/subscriptions/o", "t2")]
                .into_iter(),
        );
        assert_eq!(tree.relation(&root, VM), Tri::Yes);
        assert_eq!(
            tree.relation(&group("a"), VM),
            Tri::Conditional,
            "groups between are not shown"
        );
        assert_eq!(tree.relation(&root, "/subscriptions/o"), Tri::Conditional);
        assert_eq!(tree.unplaced(&root), None);
    }
}
