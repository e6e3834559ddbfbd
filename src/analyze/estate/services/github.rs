//! GitHub: owners, collaborators, installed apps, tokens, deploy keys.
//!
//! Tier zero are owners, and apps and tokens that write anything in every repository (cloud semantics
//! 1.4). The right of a token is that of its user as far as the token goes: what is not known of the
//! user is possible, not certain.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::super::repositories::{repositories_of, repository as repository_node};
use super::tree::once;
use super::{Edge, Estate, Held, Platform, Use, World, bound, source};
use crate::facts::{Entitlement, PrincipalKind, Standing, Text, Tier, Tri, TrustFact, text};
use crate::privilege::class::{Breadth, Class, ClassSet};
use crate::privilege::dangerous;

/// Platform word.
const PLATFORM: &str = "github";

/// The platform.
#[derive(Debug)]
pub struct GitHub;

/// Its only instance.
pub static GITHUB: GitHub = GitHub;

impl Platform for GitHub {
    fn names(&self) -> &'static [&'static str] {
        &[PLATFORM]
    }

    fn read(&self, world: &World<'_>) -> Estate {
        let mut out = Estate::default();
        let mut contents: HashMap<&str, Content> = HashMap::new();
        for r in world.facts.roles.iter().filter(|r| &*r.platform == PLATFORM) {
            let Some(content) = r.document.as_deref().and_then(content) else { continue };
            let tier = content.by.iter().map(|(b, c)| c.tier_at(*b)).min();
            out.put_tier(text(PLATFORM), r.role_id.clone(), tier);
            out.put_tier(text(PLATFORM), r.name.clone(), tier);
            contents.insert(&r.role_id, content);
        }
        let all: Vec<&Entitlement> = once(&world.facts.entitlements, PLATFORM).collect();
        let owners: BTreeSet<&str> = all
            .iter()
            .filter(|e| &*e.role_id == "github/organization/owner")
            .map(|e| &*e.principal_id)
            .collect();
        let mut members: BTreeMap<&str, Vec<&Text>> = BTreeMap::new();
        for m in &world.facts.memberships {
            members.entry(&m.group_id).or_default().push(&m.principal_id);
        }
        for e in all {
            let like = bound(e, None, world.as_of);
            let Some(content) = contents.get(&*e.role_id) else {
                out.held.push(Held { unknown: Some(text("role_unexpanded")), ..like });
                continue;
            };
            if &*e.role_id == "github/organization/outside collaborator" {
                out.trusts.push(outside(e));
            }
            let like = Held { used: used(e, world), ..like };
            let own = rows(content, e, &like, owners.contains(&*e.principal_id));
            let in_force = own.iter().any(super::super::rows::in_force);
            if let Some(edge) =
                push(content, e, &like, owners.contains(&*e.principal_id)).filter(|_| in_force)
            {
                match members.get(&*e.principal_id) {
                    Some(list) => out
                        .edges
                        .extend(list.iter().map(|m| Edge { from: (**m).clone(), ..edge.clone() })),
                    None => out.edges.push(edge),
                }
            }
            for row in own {
                match members.get(&*e.principal_id) {
                    Some(list) => out.held.extend(list.iter().map(|m| Held {
                        principal: (**m).clone(),
                        via: vec![text(format!("team:{}", e.principal_id))],
                        ..row.clone()
                    })),
                    None => out.held.push(row),
                }
            }
        }
        out
    }

    fn tier_of(&self, privilege: &str) -> Option<Tier> {
        let class = match privilege {
            "owner" => Class::Admin,
            scope => dangerous::class("github-pat-classic", scope)
                .or_else(|| dangerous::class("github-app", scope))?,
        };
        Some(class.tier_at(Breadth::Account))
    }
}

/// What a role gives, by breadth.
#[derive(Clone, Debug, Default)]
struct Content {
    by: BTreeMap<Breadth, ClassSet>,
    /// Permissions, strongest first.
    what: Vec<(Class, String)>,
    suspended: bool,
    /// Limited by the rights of the user behind it.
    of_user: bool,
    /// Where it may push.
    push: Push,
}

/// Where somebody may push, and so decide what runs do there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Push {
    #[default]
    Nowhere,
    /// To the repository of the binding.
    Here,
    /// To every repository of the organisation; workflows themselves too, or what they run only.
    Everywhere { workflows: bool },
    /// To repositories that the record does not name.
    Selected { workflows: bool },
}

impl Content {
    fn put(&mut self, breadth: Breadth, class: Class, what: &str) {
        self.by.entry(breadth).or_default().insert(class);
        self.what.push((class, what.to_owned()));
    }
}

/// Class of one permission of an app or a fine-grained token.
fn permission(name: &str, level: &str) -> Class {
    dangerous::class("github-app", &format!("{name}:{level}")).unwrap_or(match (name, level) {
        ("contents" | "packages" | "artifact_metadata", "read") => Class::DataRead,
        ("packages", _) => Class::DataWrite,
        (
            "organization_secrets" | "organization_actions_variables" | "dependabot_secrets",
            "write" | "admin",
        ) => Class::Escalation,
        (
            "organization_administration"
            | "organization_custom_roles"
            | "organization_custom_org_roles",
            "write" | "admin",
        ) => Class::Admin,
        ("secret_scanning_alerts", _) => Class::Secrets,
        (_, "read") => Class::Read,
        _ => Class::Write,
    })
}

fn app(permissions: &Value, all: bool, out: &mut Content) {
    let mut list: Vec<(bool, &str, &str)> = Vec::new();
    for (name, level) in permissions.as_object().into_iter().flatten() {
        match level {
            Value::String(level) => {
                let org = name.starts_with("organization_") || name == "members";
                list.push((org, name, level));
            }
            // Tokens group theirs.
            Value::Object(inner) => list.extend(
                inner
                    .iter()
                    .filter_map(|(n, l)| Some((name == "organization", n.as_str(), l.as_str()?))),
            ),
            _ => {}
        }
    }
    let writes = list.iter().any(|(org, _, level)| !org && *level != "read");
    for (org, name, level) in &list {
        let breadth = if *org || all { Breadth::Tenant } else { Breadth::Resource };
        out.put(breadth, permission(name, level), &format!("{name}:{level}"));
    }
    let has = |want: &str| list.iter().any(|(_, n, l)| *n == want && *l != "read");
    if has("contents") {
        let workflows = has("workflows");
        out.push = if all { Push::Everywhere { workflows } } else { Push::Selected { workflows } };
    }
    if all && writes {
        out.put(Breadth::Tenant, Class::Admin, "writes in every repository");
    }
}

/// Meaning of the right to a repository.
fn repository(word: &str, out: &mut Content) {
    let classes: &[Class] = match word {
        "admin" => &[
            Class::PermissionsLimited,
            Class::EscalationPossible,
            Class::Destructive,
            Class::DataWrite,
            Class::DataRead,
        ],
        // Who writes code writes the definition of what CI runs.
        "maintain" | "push" | "write" => {
            &[Class::EscalationPossible, Class::DataWrite, Class::DataRead]
        }
        "triage" => &[Class::Write, Class::DataRead],
        _ => &[Class::DataRead],
    };
    if matches!(word, "admin" | "maintain" | "push" | "write") {
        out.push = Push::Here;
    }
    for class in classes {
        out.put(Breadth::Resource, *class, word);
    }
}

fn content(document: &str) -> Option<Content> {
    let doc: Value = serde_json::from_str(document).ok()?;
    let mut out = Content::default();
    let all = doc.get("repository_selection").and_then(Value::as_str) == Some("all");
    if let Some(permissions) = doc.get("app") {
        app(permissions, all, &mut out);
        out.suspended = doc.get("suspended_at").is_some_and(Value::is_string);
    } else if let Some(permissions) = doc.get("token") {
        app(permissions, all, &mut out);
        out.of_user = true;
    } else if let Some(scopes) = doc.get("classic").and_then(Value::as_array) {
        for scope in scopes.iter().filter_map(Value::as_str) {
            let class = dangerous::class("github-pat-classic", scope).unwrap_or_else(|| {
                let area = scope.split(':').next().unwrap_or(scope);
                match area {
                    "read" | "user" | "notifications" => Class::Read,
                    "manage_runners" | "write" | "admin" => Class::Escalation,
                    _ => Class::Write,
                }
            });
            if scope == "repo" {
                out.push = Push::Everywhere {
                    workflows: scopes.iter().any(|s| s.as_str() == Some("workflow")),
                };
            }
            out.put(Breadth::Tenant, class, scope);
        }
        out.of_user = true;
    } else if let Some(word) = doc.get("organization").and_then(Value::as_str) {
        match word {
            "owner" => {
                out.push = Push::Everywhere { workflows: true };
                out.put(Breadth::Tenant, Class::Admin, "organization owner");
            }
            _ => out.put(Breadth::Tenant, Class::Read, word),
        }
    } else if let Some(word) = doc.get("repository").and_then(Value::as_str) {
        repository(word, &mut out);
    } else if let Some(word) = doc.get("deploy_key").and_then(Value::as_str) {
        repository(if word == "write" { "push" } else { "pull" }, &mut out);
    } else {
        return None;
    }
    out.what.sort();
    out.what.dedup();
    Some(out)
}

/// The step from a right to push to what the runs of the repository may do.
fn push(content: &Content, e: &Entitlement, like: &Held, owner: bool) -> Option<Edge> {
    let mut open: Vec<Text> = Vec::new();
    let mut unnamed = false;
    let (to, place) = match content.push {
        Push::Nowhere => return None,
        Push::Here => (repository_node(&e.scope), format!("`{}`", e.scope)),
        Push::Everywhere { workflows } | Push::Selected { workflows } => {
            if !workflows {
                open.push(text("a workflow of the repository runs what is pushed"));
            }
            if matches!(content.push, Push::Selected { .. }) {
                unnamed = true;
                open.push(text("the repository is among those that were selected"));
            }
            if &*e.scope == "organization" {
                open.push(text(
                    "the repository is of the organisation, which the record does not name",
                ));
            }
            (repositories_of(&e.scope), format!("the repositories of `{}`", e.scope))
        }
    };
    if content.of_user && !owner {
        open.push(text(format!("as far as the rights of `{}` go", e.principal_id)));
    }
    Some(Edge {
        technique: text("github:push"),
        step: text(format!(
            "pushes to {place} (`{}`) and so decides what its runs do",
            e.privilege
        )),
        verdict: if open.is_empty() { Tri::Yes } else { Tri::Conditional },
        potential: unnamed,
        conditions: open,
        not_after: like.not_after,
        refs: vec![source(e)],
        ..Edge::relation(e.principal_id.clone(), to)
    })
}

fn rows(content: &Content, e: &Entitlement, like: &Held, owner: bool) -> Vec<Held> {
    let mut like = like.clone();
    if content.suspended {
        like.standing = Standing::Residue;
        like.residue = Some(text("suspended"));
    }
    let unsure = content.of_user && !owner;
    if unsure {
        let who = &e.principal_id;
        like.conditions = vec![text(format!("as far as the rights of `{who}` go"))];
    }
    like.strongest = content.what.iter().take(12).map(|(_, w)| text(w)).collect();
    like.n_actions = i64::try_from(content.what.len()).ok();
    if content.by.is_empty() {
        return vec![Held { normal: "nothing".into(), ..like }];
    }
    let one = |(breadth, classes): (&Breadth, &ClassSet)| Held {
        breadth: *breadth,
        certain: if unsure { ClassSet::EMPTY } else { *classes },
        possible: *classes,
        normal: like.strongest.join(","),
        ..like.clone()
    };
    content.by.iter().map(one).collect()
}

/// Use of a token, which its list tracks.
fn used(e: &Entitlement, world: &World<'_>) -> Option<Use> {
    let tracked = e.role_id.starts_with("github/pat/") || e.role_id.starts_with("github/classic/");
    let since = e.last_used_at.or(e.bound_at_lo);
    tracked.then(|| Use {
        last: e.last_used_at,
        used: Some(e.last_used_at.is_some_and(|t| world.activity.recent(t))),
        idle_days: since.map(|t| world.as_of.days_since(t).max(0)),
        unknown: None,
    })
}

/// Somebody outside of the organisation who is let into some of its repositories.
fn outside(e: &Entitlement) -> TrustFact {
    TrustFact {
        principal_id: e.scope.clone(),
        principal_kind: PrincipalKind::Unknown,
        resource_kind: text("organization"),
        platform: text(PLATFORM),
        trusted: e.principal_id.clone(),
        trusted_kind: text("principal"),
        relation: text("unknown_account"),
        external: Some(true),
        openness: text("open"),
        refs: vec![crate::facts::store::evidence_ref(&e.source_id, &e.source_ref)],
        ..TrustFact::default()
    }
}
