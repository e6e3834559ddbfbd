//! Azure and Entra: what each assignment gives, after conditions, deny assignments and schedules, and
//! by which steps one identity becomes another (cloud semantics, sections 4.3, 6 and 7).

use std::collections::{BTreeMap, BTreeSet};

use super::{Estate, Held, Platform, Use, World};
use crate::facts::{BindingKind, Entitlement, Outcome, Standing, Text, Tier, Time, Tri, text};
use crate::privilege::azure::catalogue::{Reach, catalogue};
use crate::privilege::azure::classes::{Question, Roster, verdict};
use crate::privilege::azure::permission::{Block, Plane};
use crate::privilege::azure::scope::{self, Tree};
use crate::privilege::azure::{HOME_TENANT, ORPHAN, SCHEDULED};
use crate::privilege::class::{Breadth, ClassSet};

mod activation;
mod content;
mod deny;
mod edges;
mod members;
mod trusts;

use content::{Contents, Entry, Rights};
use members::{Member, Members};

/// Azure and Entra.
#[derive(Debug)]
pub struct Azure;

/// Its only instance.
pub static AZURE: Azure = Azure;

/// Tenants of Microsoft that own its first-party applications.
const MICROSOFT: [&str; 2] =
    ["f8cdef31-a31e-4b4a-93e4-5f571e91255a", "72f988bf-86f1-41af-91ab-2d7cd011db47"];

impl Platform for Azure {
    fn names(&self) -> &'static [&'static str] {
        &["azure", "entra"]
    }

    fn read(&self, world: &World<'_>) -> Estate {
        let mut estate = Estate::default();
        provider_owned(world, &mut estate);
        let contents = Contents::new(world);
        let roster = contents.roster();
        contents.tiers(&roster, &mut estate);
        let realms = world.facts.realms.iter().filter(|r| &*r.platform == "azure");
        let tree = Tree::new(realms.map(|r| scope::Node {
            id: &r.realm_id,
            parent: r.parent_id.as_deref(),
            tenant: r.organisation.as_deref(),
        }));
        let members = Members::new(world);
        let reader = Reader {
            world,
            contents: &contents,
            roster: &roster,
            denies: deny::Denies::new(world, &tree),
            members: &members,
            activations: activation::Activations::new(world),
            used: Used::new(world, &tree),
            tree: &tree,
        };
        let mut bound = Vec::new();
        for e in &world.facts.entitlements {
            if self.names().contains(&&*e.platform) && e.unbound_at_hi.is_none() {
                reader.binding(e, &mut estate, &mut bound);
            }
        }
        edges::fill(world, &bound, &members, &tree, &mut estate);
        trusts::fill(world, &mut estate);
        reader.activations.edges(world, &contents, &roster, &mut estate);
        estate
    }

    fn tier_of(&self, privilege: &str) -> Option<Tier> {
        let c = catalogue();
        if let Some(p) = c.privilege(privilege) {
            return Some(p.class.tier_at(Breadth::Tenant));
        }
        let id = privilege.rsplit('/').next().unwrap_or(privilege).to_ascii_lowercase();
        let id = if c.roles.contains_key(&id) { &id } else { c.role_named(privilege)? };
        content::built_in(id).map(|v| v.certain.tier_at(Breadth::Account))
    }
}

/// Applications of the provider itself: nobody here can change what they hold.
fn provider_owned(world: &World<'_>, estate: &mut Estate) {
    for p in &world.facts.principals {
        let home = p.tags.iter().find_map(|t| t.strip_prefix(HOME_TENANT));
        if home.is_some_and(|t| MICROSOFT.contains(&t)) {
            estate.provider_owned.insert(p.principal_id.clone());
        }
    }
}

/// Last use of each operation, at one scope.
type Operations<'a> = BTreeMap<&'a str, Time>;

/// What one principal used, by the scopes that the operations lie in.
#[derive(Debug, Default)]
struct UsedBy<'a> {
    /// By every scope that certainly holds the place of the operation, and the place itself.
    within: BTreeMap<String, Operations<'a>>,
    /// By the node of which no export says where it hangs: management groups may stand over it.
    unplaced: BTreeMap<String, Operations<'a>>,
}

/// Last use of operations, by principal.
#[derive(Debug, Default)]
struct Used<'a>(BTreeMap<&'a str, UsedBy<'a>>);

impl<'a> Used<'a> {
    fn new(world: &World<'a>, tree: &Tree) -> Self {
        let mut last: BTreeMap<(&str, &str, &str), Time> = BTreeMap::new();
        for u in &world.facts.usage {
            let (Some(id), Some(action), Some(at)) = (&u.principal_id, &u.action, &u.scope) else {
                continue;
            };
            let Some(t) = u.last_at.filter(|t| *t <= world.as_of) else { continue };
            if u.platform.as_deref() == Some("azure") && u.outcome == Outcome::Allowed {
                let slot = last.entry((id, at, action)).or_insert(t);
                *slot = (*slot).max(t);
            }
        }
        let mut out = Self::default();
        let mut ways: BTreeMap<&str, (Vec<String>, Option<String>)> = BTreeMap::new();
        for ((id, at, action), t) in last {
            let (above, unplaced) =
                ways.entry(at).or_insert_with(|| (tree.above(at), tree.unplaced(at)));
            let of = out.0.entry(id).or_default();
            let own = std::iter::once(at).chain(above.iter().map(String::as_str));
            for scope in own {
                put(&mut of.within, scope, action, t);
            }
            if let Some(top) = unplaced {
                put(&mut of.unplaced, top, action, t);
            }
        }
        out
    }
}

fn put<'a>(map: &mut BTreeMap<String, Operations<'a>>, scope: &str, action: &'a str, t: Time) {
    if !map.contains_key(scope) {
        map.insert(scope.to_owned(), Operations::new());
    }
    if let Some(slot) = map.get_mut(scope).map(|of| of.entry(action).or_insert(t)) {
        *slot = (*slot).max(t);
    }
}

/// A binding and what it gives, for the steps it opens.
struct Bound<'a> {
    entitlement: &'a Entitlement,
    rights: Rights,
    breadth: Breadth,
    /// End of validity.
    not_after: Option<Time>,
}

struct Reader<'a> {
    world: &'a World<'a>,
    contents: &'a Contents<'a>,
    roster: &'a Roster<'a>,
    denies: deny::Denies<'a>,
    members: &'a Members,
    activations: activation::Activations<'a>,
    used: Used<'a>,
    tree: &'a Tree,
}

impl<'a> Reader<'a> {
    /// What one assignment gives, to whom.
    fn binding(&self, e: &'a Entitlement, estate: &mut Estate, bound: &mut Vec<Bound<'a>>) {
        let breadth = Breadth::from_rank(e.scope_rank.unwrap_or(0));
        let hint = e.origin_hint.as_deref().unwrap_or_default();
        let (standing, residue) = self.standing(e, hint);
        let entry = self.contents.of(e);
        let denied = self.denies.on(&e.scope);
        let maybe = self.denies.perhaps_on(&e.scope);
        let whole = self.contents.rights(entry, e, &[], self.roster);
        let holders = self.members.of(&e.principal_id);
        if standing != Standing::Residue && standing != Standing::Eligible {
            bound.push(Bound {
                entitlement: e,
                rights: whole.clone(),
                breadth,
                not_after: e.not_after,
            });
        }
        for member in holders {
            let mut against = self.denies.against(&denied, &member.id, self.members);
            let mut rights = if against.is_empty() {
                whole.clone()
            } else {
                self.contents.rights(entry, e, &against, self.roster)
            };
            let perhaps = self.denies.against(&maybe, &member.id, self.members);
            if let Some((first, _)) = perhaps.first() {
                // Certain is what is left if the management group of the deny holds the scope.
                let group = self.denies.scope_of(*first).unwrap_or_default();
                against.extend(&perhaps);
                let less = self.contents.rights(entry, e, &against, self.roster);
                if less.certain != rights.certain {
                    rights.conditions.push(text(format!(
                        "whether `{group}`, where something is denied, holds `{}`: no input holds the tree",
                        e.scope
                    )));
                }
                rights.certain = less.certain;
                rights.normal = less.normal;
            }
            let mut held = self.held(e, &member, &rights, breadth);
            held.standing = joined(standing, &member);
            held.residue.clone_from(&residue);
            if held.standing == Standing::Eligible {
                held.activation = self.activations.of(&e.scope, &e.role_id);
            }
            held.used = self.use_of(&member.id, e, entry);
            estate.held.push(held);
        }
    }

    fn held(&self, e: &Entitlement, member: &Member, rights: &Rights, breadth: Breadth) -> Held {
        let mut via = member.via.clone();
        via.extend(e.via.iter().cloned());
        let mut refs = vec![(e.source_id.clone(), e.source_ref.clone())];
        refs.extend(member.refs.iter().cloned());
        refs.extend(rights.origin.clone());
        let min = |a: Option<Time>, b: Option<Time>| a.into_iter().chain(b).min();
        Held {
            principal: member.id.clone(),
            platform: e.platform.clone(),
            realm: realm(&e.scope),
            privilege: if e.privilege == e.role_id {
                text(self.contents.name(&e.platform, &e.role_id))
            } else {
                e.privilege.clone()
            },
            role_id: e.role_id.clone(),
            scope: e.scope.clone(),
            breadth,
            via,
            certain: rights.certain,
            possible: rights.possible,
            unknown: rights.unknown.clone(),
            not_before: e.not_before.max(member.not_before),
            not_after: min(e.not_after, member.not_after),
            conditions: rights.conditions.clone(),
            wildcards: rights.wildcards.clone(),
            n_actions: rights.n_operations,
            strongest: rights.strongest.clone(),
            by_provider: catalogue().roles.contains_key(&*e.role_id),
            claimed: e.claimed_end.zip(e.claimed_by.clone()),
            temporary: e.says_temporary == Some(true),
            normal: rights.normal.clone(),
            refs,
            ..Held::default()
        }
    }

    /// State of an assignment on the time axis (section 6). Service principals cannot activate, so one
    /// without an end stands.
    fn standing(&self, e: &Entitlement, hint: &str) -> (Standing, Option<Text>) {
        let gone = e.not_after.is_some_and(|t| t <= self.world.as_of);
        if gone {
            return (Standing::Residue, Some(text("expired")));
        }
        if hint == ORPHAN {
            return (Standing::Residue, Some(text("missing_principal")));
        }
        if self.contents.disabled(e) {
            return (Standing::Residue, Some(text("disabled_role")));
        }
        if e.binding_kind == BindingKind::Eligible {
            return (Standing::Eligible, None);
        }
        let word = hint.strip_prefix(SCHEDULED).unwrap_or_default().to_ascii_lowercase();
        let state = if word.starts_with("activated") {
            Standing::Activated
        } else if e.not_after.is_some() {
            Standing::TimeBound
        } else {
            Standing::Standing
        };
        (state, None)
    }

    /// Use of a binding that the activity log shows: an operation that the role gives, in its scope. The
    /// log holds no reads, so that nothing in it proves no disuse.
    fn use_of(&self, id: &str, e: &Entitlement, entry: Option<&Entry>) -> Option<Use> {
        let Some(Entry::Azure { blocks, .. }) = entry else { return None };
        let gives = |action: &str| blocks.iter().any(|b| b.plane(Plane::Control).has(action));
        let latest = |of: &Operations<'_>| {
            of.iter().filter(|(action, _)| gives(action)).map(|(_, t)| *t).max()
        };
        let of = self.used.0.get(id)?;
        let last = of.within.get(&*e.scope).and_then(latest);
        let possible = || {
            let tops = of
                .unplaced
                .iter()
                .filter(|(top, _)| self.tree.relation(&e.scope, top) == Tri::Conditional);
            tops.filter_map(|(_, of)| latest(of)).max()
        };
        let maybe = if scope::is_group(&e.scope) { possible() } else { None };
        let activity = self.world.activity;
        if maybe > last && !last.is_some_and(|t| activity.recent(t)) {
            return Some(Use { last, unknown: Some(text("scope_tree_missing")), ..Use::default() });
        }
        let last = last?;
        // Days by date, as the reports of the service count them.
        let idle = activity.as_of.dates_since(last).max(0);
        Some(Use {
            last: Some(last),
            used: activity.recent(last).then_some(true),
            idle_days: Some(idle),
            unknown: (!activity.recent(last)).then(|| text("reads_not_logged")),
        })
    }
}

/// A right through a membership lasts no longer than it, and waits for it where it must be activated.
fn joined(standing: Standing, member: &Member) -> Standing {
    match (standing, member.eligible) {
        (Standing::Residue, _) => Standing::Residue,
        (_, true) => Standing::Eligible,
        (Standing::Standing, false) if member.not_after.is_some() => Standing::TimeBound,
        (other, _) => other,
    }
}

/// Subscription of a scope; the directory and what is above subscriptions has none.
fn realm(scope: &str) -> Option<Text> {
    let rest = scope.strip_prefix("/subscriptions/")?;
    let id = rest.split('/').next().unwrap_or(rest);
    Some(text(format!("/subscriptions/{id}")))
}

#[cfg(test)]
mod tests;
