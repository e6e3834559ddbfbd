//! Azure and Entra: what each assignment gives, after conditions, deny assignments and schedules, and
//! by which steps one identity becomes another (cloud semantics, sections 4.3, 6 and 7).

use std::collections::{BTreeMap, BTreeSet};

use super::{Estate, Held, Platform, Use, World};
use crate::facts::{BindingKind, Entitlement, Outcome, Standing, Text, Tier, Time, text};
use crate::privilege::azure::catalogue::{Reach, catalogue};
use crate::privilege::azure::classes::{Question, Roster, verdict};
use crate::privilege::azure::permission::{Block, Plane};
use crate::privilege::azure::scope::Tree;
use crate::privilege::azure::{HOME_TENANT, ORPHAN, SCHEDULED};
use crate::privilege::class::{Breadth, ClassSet};

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
        let tree = Tree::new(realms.filter_map(|r| Some((&r.realm_id, r.parent_id.as_ref()?))));
        let members = Members::new(world);
        let reader = Reader {
            world,
            contents: &contents,
            roster: &roster,
            denies: deny::Denies::new(world, &tree),
            members: &members,
            used: used(world),
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

/// Last use of an operation on a scope, by principal.
type Used<'a> = BTreeMap<&'a str, Vec<(&'a str, &'a str, Time)>>;

fn used<'a>(world: &World<'a>) -> Used<'a> {
    let mut last: BTreeMap<(&str, &str, &str), Time> = BTreeMap::new();
    for u in &world.facts.usage {
        let (Some(id), Some(action), Some(at)) = (&u.principal_id, &u.action, &u.scope) else {
            continue;
        };
        let Some(t) = u.last_at.filter(|t| *t <= world.as_of) else { continue };
        if u.platform.as_deref() == Some("azure") && u.outcome == Outcome::Allowed {
            let slot = last.entry((id, action, at)).or_insert(t);
            *slot = (*slot).max(t);
        }
    }
    let mut out: Used<'_> = BTreeMap::new();
    for ((id, action, at), t) in last {
        out.entry(id).or_default().push((action, at, t));
    }
    out
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
            let against = self.denies.against(&denied, &member.id, self.members);
            let rights = if against.is_empty() {
                whole.clone()
            } else {
                self.contents.rights(entry, e, &against, self.roster)
            };
            let mut held = self.held(e, &member, &rights, breadth);
            held.standing = joined(standing, &member);
            held.residue.clone_from(&residue);
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
            privilege: e.privilege.clone(),
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
        let last = self
            .used
            .get(id)?
            .iter()
            .filter(|(action, at, _)| gives(action) && self.tree.contains(&e.scope, at))
            .map(|(_, _, t)| *t)
            .max()?;
        let activity = self.world.activity;
        let idle = activity.as_of.days_since(last).max(0);
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
