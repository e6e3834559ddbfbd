//! How a principal raises itself: on itself, its groups, its policies, a role it makes, or by taking
//! away what limits it (5.6, admin_equivalent and bounded_self_grant).

use std::collections::BTreeSet;

use super::action::catalogue;
use super::classes::classes;
use super::condition::{Context, Known, Seen};
use super::document::Effect;
use super::escalation::{Node, Source};
use super::evaluate::{Grants, Rights, Scope, Setting, SubjectKind};
use super::named::{BOUNDARY, Lacking};
use super::paths::{Path, Target, administrator, paths};
use super::tri::Tri;

/// One way in which a principal raises itself.
#[derive(Clone, Debug)]
pub(super) struct Own {
    /// Place in the list of known paths.
    pub(super) path: usize,
    /// Verdict.
    pub(super) verdict: Tri,
    /// Gives administration; else more than is held.
    pub(super) to_admin: bool,
    /// Only within a boundary that stays, or within the policies of the organisation.
    pub(super) bounded: bool,
    /// What the actions are done on.
    pub(super) resource: String,
    /// What is gained, when it is not administration.
    pub(super) gained: Option<Grants>,
}

/// Everything a principal can do to its own permissions.
#[derive(Clone, Debug)]
pub(super) struct OwnPaths {
    /// Ways, in the order of the known paths.
    pub(super) found: Vec<Own>,
    /// Can give itself everything.
    pub(super) admin: Tri,
    /// Can give itself permissions, and a boundary that it cannot take away, or the organisation, limits them.
    pub(super) bounded: Tri,
}

/// Policies whose removal is tried one by one before all at once: more than this many are only tried
/// together, so that work stays linear.
const SINGLY: usize = 16;

/// Judges the paths of one principal on itself.
pub(super) fn own_paths(node: &Node<'_>, nodes: &[Node<'_>]) -> OwnPaths {
    let mut out = OwnPaths { found: Vec::new(), admin: Tri::F, bounded: Tri::F };
    let held = node.rights.grants.possible(Scope::Some);
    if node.provider_owned || classes().full_admin(&node.rights.grants) == Tri::T {
        return out;
    }
    let mut room = None;
    for (index, path) in paths().iter().enumerate().filter(|(_, p)| !p.retired) {
        if !path.actions.iter().all(|a| held.contains(*a)) {
            continue;
        }
        let mut put = |verdict: Tri, to_admin: bool, resource: String, gained: Option<Grants>| {
            if verdict.possible() {
                if to_admin {
                    out.admin = out.admin.or(verdict);
                }
                out.found.push(Own {
                    path: index,
                    verdict,
                    to_admin,
                    bounded: false,
                    resource,
                    gained,
                });
            }
        };
        // Whoever may rewrite the policy that bounds it is bounded by nothing.
        if path.target == Target::OwnPolicy
            && !path.needs.contains("stronger_inactive_version")
            && node.rights.unbounded.is_some()
            && let Some(policy) = &node.boundary_policy
        {
            let free = node.rights.freed();
            let verdict = own(node, node.rights, path, policy);
            after(node, nodes, &free, verdict, policy, &mut put);
        }
        if path.needs.contains("has_boundary") {
            if fits(node, path) && node.rights.unbounded.is_some() {
                let free = node.rights.freed();
                let verdict = own(node, node.rights, path, &node.subject.arn);
                after(node, nodes, &free, verdict, &node.subject.arn, &mut put);
            }
        } else if path.needs.iter().any(|n| n.starts_with("deny_in_")) {
            remove_denies(node, nodes, path, &mut put);
        } else if path.needs.contains("stronger_inactive_version") {
            choose_versions(node, nodes, path, &mut put);
        } else if let Some((admin, kept, resource)) = ways(node, nodes, node.rights, path) {
            put(admin, true, resource.clone(), None);
            if kept.possible() {
                let room = room.get_or_insert_with(|| node.rights.headroom());
                if let Some(room) = room.as_ref().filter(|r| r.exceeds(&node.rights.grants)) {
                    out.found.push(Own {
                        path: index,
                        verdict: kept,
                        to_admin: false,
                        bounded: true,
                        resource,
                        gained: Some(room.clone()),
                    });
                }
                out.bounded = out.bounded.or(kept);
            }
        }
    }
    out
}

/// Whether a path on the caller itself is for principals of this kind.
fn fits(node: &Node<'_>, path: &Path) -> bool {
    match path.target {
        Target::OwnUser => node.subject.kind == SubjectKind::User,
        Target::OwnRole => node.subject.kind == SubjectKind::Role,
        _ => false,
    }
}

/// Verdict and resource of a path on the principal itself; `None` when it is not such a path.
fn on_itself(
    node: &Node<'_>,
    nodes: &[Node<'_>],
    rights: &Rights<'_>,
    path: &Path,
) -> Option<(Tri, String)> {
    let me = node.subject;
    match &path.target {
        Target::OwnUser | Target::OwnRole => {
            fits(node, path).then(|| (own(node, rights, path, &me.arn), me.arn.clone()))
        }
        Target::OwnGroup if me.kind == SubjectKind::User => Some(best(
            node.groups
                .iter()
                .filter_map(|g| nodes.get(*g))
                .map(|g| (own(node, rights, path, &g.subject.arn), g.subject.arn.clone())),
        )),
        Target::OwnPolicy => {
            Some(best(node.own_policies.iter().map(|p| (own(node, rights, path, p), p.clone()))))
        }
        Target::NewRole => Some(new_role(node, rights, path, None)),
        _ => None,
    }
}

/// How surely a path on the principal itself gives everything, how surely only what a limit leaves, and
/// the resource; `None` when it is not such a path.
fn ways(
    node: &Node<'_>,
    nodes: &[Node<'_>],
    rights: &Rights<'_>,
    path: &Path,
) -> Option<(Tri, Tri, String)> {
    let (verdict, resource) = on_itself(node, nodes, rights, path)?;
    let unbounded = bounded(node, rights, path);
    let (mut admin, mut kept) = (verdict.and(unbounded), verdict.and(!unbounded));
    let mut resource = resource;
    if path.target == Target::NewRole && verdict != Tri::T {
        // A role that must carry a boundary has what that leaves.
        for boundary in boundaries(rights, path) {
            let (verdict, name) = new_role(node, rights, path, Some(boundary));
            if verdict.possible() {
                let leaves = node.named.content(boundary).leaves.and(unbounded);
                admin = admin.or(verdict.and(leaves));
                kept = kept.or(verdict.and(!leaves));
                resource = if resource.is_empty() { name } else { resource };
            }
        }
    }
    Some((admin, kept, resource))
}

/// Boundaries that conditions of the actions of a path name.
fn boundaries<'r>(rights: &'r Rights<'_>, path: &Path) -> BTreeSet<&'r str> {
    let allows = rights.bindings.iter().flat_map(|b| b.live(Effect::Allow));
    let about = allows.filter(|(s, _)| path.actions.iter().any(|a| s.actions.contains(*a)));
    let mut out = BTreeSet::new();
    for (s, _) in about {
        out.extend(s.condition.compared_with(BOUNDARY));
    }
    out
}

/// Whether what the principal gives itself may be everything: no boundary, one wide enough, or one it
/// can take away, now or once it has given itself the right to; and no organisation policy in the way,
/// which no self-grant lifts.
fn bounded(node: &Node<'_>, rights: &Rights<'_>, path: &Path) -> Tri {
    let above = rights.guardrails_leave(classes().critical());
    if path.target == Target::NewRole {
        // Boundaries that conditions ask for are tried one by one.
        return above;
    }
    let leaves = rights.boundary_leaves(classes().critical());
    if leaves == Tri::T {
        return above;
    }
    let me = node.subject;
    let drops = boundary_actions(me.kind)
        .iter()
        .filter_map(|a| catalogue().id(a))
        .map(|a| rights.decide(a, &me.arn, me).or(rights.headroom_decides(a, &me.arn, me)));
    let rewrites = node.boundary_policy.as_deref().zip(catalogue().id("iam:CreatePolicyVersion"));
    let rewrites =
        rewrites.map(|(p, a)| rights.decide(a, p, me).or(rights.headroom_decides(a, p, me)));
    leaves.or(Tri::any(drops)).or(rewrites.unwrap_or(Tri::F)).and(above)
}

pub(super) fn boundary_actions(kind: SubjectKind) -> &'static [&'static str] {
    match kind {
        SubjectKind::User => {
            &["iam:DeleteUserPermissionsBoundary", "iam:PutUserPermissionsBoundary"]
        }
        SubjectKind::Role => {
            &["iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary"]
        }
        SubjectKind::Group | SubjectKind::Policy => &[],
    }
}

pub(super) fn best(found: impl Iterator<Item = (Tri, String)>) -> (Tri, String) {
    found.fold((Tri::F, String::new()), |a, b| if b.0 > a.0 { b } else { a })
}

fn own(node: &Node<'_>, rights: &Rights<'_>, path: &Path, resource: &str) -> Tri {
    with_any_policy(node, path, resource, |a, context| rights.decide(a, resource, context))
}

/// Policies that a path may attach, each with whether its holder administrates; of a path that attaches none
/// one entry that changes nothing.
pub(super) fn attachable(node: &Node<'_>, path: &Path) -> Vec<(String, Tri)> {
    let home = &node.subject.home;
    if path.actions.iter().any(|a| catalogue().name(*a).starts_with("iam:Attach")) {
        node.named.attachable(home)
    } else {
        vec![(administrator(&home.partition), Tri::T)]
    }
}

/// [`with_keys`] with the policy that serves best, where the path attaches one.
pub(super) fn with_any_policy(
    node: &Node<'_>,
    path: &Path,
    resource: &str,
    mut decide: impl FnMut(usize, &dyn Context) -> Tri,
) -> Tri {
    let mut best = Tri::F;
    for (policy, admin) in attachable(node, path) {
        best = best.or(admin.and(with_policy(node, path, resource, &policy, &mut decide)));
        if best == Tri::T {
            break;
        }
    }
    best
}

/// All actions of a path, each with the context keys that the path itself sets.
pub(super) fn with_keys(
    node: &Node<'_>,
    path: &Path,
    resource: &str,
    decide: impl FnMut(usize, &dyn Context) -> Tri,
) -> Tri {
    with_policy(node, path, resource, &administrator(&node.subject.home.partition), decide)
}

/// [`with_keys`] where the path attaches this policy.
fn with_policy(
    node: &Node<'_>,
    path: &Path,
    resource: &str,
    policy: &str,
    mut decide: impl FnMut(usize, &dyn Context) -> Tri,
) -> Tri {
    Tri::all(path.actions.iter().enumerate().map(|(i, a)| {
        let extra = keys(path, i, resource, policy);
        decide(*a, &Setting { subject: node.subject, extra: &extra })
    }))
}

/// Context keys that the caller chooses when it does the action at this place of the path.
pub(super) fn keys<'k>(
    path: &'k Path,
    place: usize,
    resource: &'k str,
    admin: &'k str,
) -> Vec<(&'k str, &'k str)> {
    let Some(action) = path.actions.get(place) else { return Vec::new() };
    let name = catalogue().name(*action);
    let mut out: Vec<(&str, &str)> = Vec::new();
    if place + 1 == path.actions.len()
        && let Some((key, value)) = &path.setting
    {
        // The table writes the policy in the partition `aws`.
        let other = key == "iam:policyarn" && value.ends_with(":policy/AdministratorAccess");
        out.push((key.as_str(), if other { admin } else { value.as_str() }));
    }
    if name.starts_with("iam:Attach") {
        out.push(("iam:policyarn", admin));
    } else if name.starts_with("iam:Detach") && resource.contains(":policy/") {
        out.push(("iam:policyarn", resource));
    } else if name.starts_with("iam:Put") && name.ends_with("PermissionsBoundary") {
        out.push(("iam:permissionsboundary", admin));
    }
    out
}

/// A role that the principal may both create and give rights, with this boundary or with none; tried on
/// the names its patterns allow.
fn new_role(
    node: &Node<'_>,
    rights: &Rights<'_>,
    path: &Path,
    boundary: Option<&str>,
) -> (Tri, String) {
    let home = &node.subject.home;
    let prefix = format!("arn:{}:iam::{}:role/", home.partition, home.account);
    let mut names = vec![format!("{prefix}example")];
    for action in &path.actions {
        for shape in rights.shapes(*action) {
            if let Some((_, tail)) = shape.split_once(":role/") {
                names.push(format!("{prefix}{}", tail.replace(['*', '?'], "x")));
            }
        }
    }
    names.sort_unstable();
    names.dedup();
    let decide = |name: &str, a: usize, context: &dyn Context| match boundary {
        None => rights.decide(a, name, &Lacking { inner: context, key: BOUNDARY }),
        Some(b) => rights.decide(a, name, &With { inner: context, key: BOUNDARY, value: b }),
    };
    let admins = node.named.attachable(&node.subject.home);
    let one = |name: &str| {
        Tri::any(admins.iter().map(|(policy, admin)| {
            admin.and(with_policy(node, path, name, policy, |a, c| decide(name, a, c)))
        }))
    };
    best(names.into_iter().map(|n| (one(&n), n)))
}

/// A context in which one key has a value.
struct With<'a> {
    inner: &'a dyn Context,
    key: &'a str,
    value: &'a str,
}

impl Context for With<'_> {
    fn get(&self, key: &str) -> Known {
        self.look(key).known()
    }

    fn look<'s>(&'s self, key: &str) -> Seen<'s> {
        if key == self.key { Seen::One(self.value.into()) } else { self.inner.look(key) }
    }
}

/// Administration that rights give at once, or by one more change of the own permissions.
pub(super) fn admin_with(node: &Node<'_>, nodes: &[Node<'_>], rights: &Rights<'_>) -> Tri {
    let at_once = classes().admin(&rights.grants);
    if at_once == Tri::T {
        return at_once;
    }
    let held = rights.grants.possible(Scope::Some);
    let known = paths().iter().filter(|p| {
        !p.retired
            && !p.needs.contains("has_boundary")
            && !p.needs.iter().any(|n| n.starts_with("deny_in_"))
            && !p.needs.contains("stronger_inactive_version")
            && p.actions.iter().all(|a| held.contains(*a))
    });
    at_once
        .or(Tri::any(known.filter_map(|p| ways(node, nodes, rights, p).map(|(admin, ..)| admin))))
}

/// Notes what a principal has after a change of its own permissions, when that is more than before.
fn after(
    node: &Node<'_>,
    nodes: &[Node<'_>],
    free: &Rights<'_>,
    verdict: Tri,
    resource: &str,
    put: &mut impl FnMut(Tri, bool, String, Option<Grants>),
) {
    if !verdict.possible() {
        return;
    }
    let admin = verdict.and(admin_with(node, nodes, free));
    if admin == verdict {
        put(admin, true, resource.to_owned(), None);
        return;
    }
    put(admin, true, resource.to_owned(), None);
    if free.grants.exceeds(&node.rights.grants) {
        put(verdict, false, resource.to_owned(), Some(free.grants.clone()));
    }
}

/// Taking away policies that deny gives what the others allow.
fn remove_denies(
    node: &Node<'_>,
    nodes: &[Node<'_>],
    path: &Path,
    put: &mut impl FnMut(Tri, bool, String, Option<Grants>),
) {
    let me = node.subject;
    if path.target == Target::OwnGroup {
        if me.kind != SubjectKind::User {
            return;
        }
        for &g in &node.groups {
            let Some(group) = nodes.get(g) else { continue };
            // Leaving a group takes away what only this group gives.
            let drop = places(node, |s| s.groups == [g] && !s.inline && !s.attached);
            if drop.iter().any(|i| node.rights.denies(*i)) {
                let verdict = own(node, node.rights, path, &group.subject.arn);
                let free = node.rights.changed(&drop, None);
                after(node, nodes, &free, verdict, &group.subject.arn, put);
            }
        }
        return;
    }
    if !fits(node, path) {
        return;
    }
    let inline = path.needs.contains("deny_in_inline_policy");
    let removable = |s: &Source<'_>| {
        s.groups.is_empty() && if inline { s.inline } else { s.attached && !s.inline }
    };
    let verdict_of = |i: usize| {
        if inline {
            return own(node, node.rights, path, &me.arn);
        }
        let policy = node.sources.get(i).map_or("", |s| s.policy.as_str());
        with_keys(node, path, policy, |a, context| node.rights.decide(a, &me.arn, context))
    };
    let all: Vec<usize> =
        places(node, removable).into_iter().filter(|i| node.rights.denies(*i)).collect();
    let mut sets: Vec<Vec<usize>> = Vec::new();
    if all.len() <= SINGLY {
        sets.extend(all.iter().map(|i| vec![*i]));
    }
    if all.len() > 1 {
        sets.push(all);
    }
    let mut found: Vec<(Tri, bool, String, Option<Grants>)> = Vec::new();
    for set in sets {
        let verdict = Tri::all(set.iter().map(|i| verdict_of(*i)));
        let free = node.rights.changed(&set, None);
        let name = set.iter().filter_map(|i| node.sources.get(*i)).map(|s| s.policy.clone());
        let name = name.collect::<Vec<_>>().join(", ");
        let mut keep = |v: Tri, a: bool, r: String, g: Option<Grants>| found.push((v, a, r, g));
        after(node, nodes, &free, verdict, &name, &mut keep);
    }
    strongest(found, put);
}

/// Of several outcomes of one path the strongest stands for it.
fn strongest(
    mut found: Vec<(Tri, bool, String, Option<Grants>)>,
    put: &mut impl FnMut(Tri, bool, String, Option<Grants>),
) {
    found.retain(|f| f.0.possible());
    found.sort_by_key(|(v, a, ..)| std::cmp::Reverse((*a, *v)));
    if let Some((v, a, r, g)) = found.into_iter().next() {
        put(v, a, r, g);
    }
}

fn places(node: &Node<'_>, wanted: impl Fn(&Source<'_>) -> bool) -> Vec<usize> {
    let all = node.sources.iter().enumerate();
    all.filter(|(_, s)| wanted(s)).map(|(i, _)| i).collect()
}

/// Choosing another version of an own policy gives what that version says.
fn choose_versions(
    node: &Node<'_>,
    nodes: &[Node<'_>],
    path: &Path,
    put: &mut impl FnMut(Tri, bool, String, Option<Grants>),
) {
    let mut found: Vec<(Tri, bool, String, Option<Grants>)> = Vec::new();
    for (i, source) in node.sources.iter().enumerate() {
        if !node.own_policies.contains(&source.policy) {
            continue;
        }
        let verdict = own(node, node.rights, path, &source.policy);
        if !verdict.possible() {
            continue;
        }
        for (version, bound) in &source.versions {
            let free = node.rights.changed(&[i], Some(bound.clone()));
            let name = format!("{} version {version}", source.policy);
            let mut keep = |v: Tri, a: bool, r: String, g: Option<Grants>| found.push((v, a, r, g));
            after(node, nodes, &free, verdict, &name, &mut keep);
        }
    }
    // Another version of the policy that bounds the principal bounds it otherwise.
    if let Some(policy) =
        node.boundary_policy.as_deref().filter(|_| !node.boundary_versions.is_empty())
    {
        let verdict = own(node, node.rights, path, policy);
        for (version, bound) in node.boundary_versions.iter().filter(|_| verdict.possible()) {
            let free = node.rights.bounded_by(bound.clone());
            let name = format!("{policy} version {version}");
            let mut keep = |v: Tri, a: bool, r: String, g: Option<Grants>| found.push((v, a, r, g));
            after(node, nodes, &free, verdict, &name, &mut keep);
        }
    }
    strongest(found, put);
}
