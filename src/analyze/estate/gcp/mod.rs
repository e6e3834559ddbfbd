//! Google Cloud: bindings at their scope, after conditions over time, deny policies and roles that are
//! switched off (cloud semantics, 4.2 to 8).

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use super::{Estate, Held, Platform, Use, World};
use crate::facts::{BindingKind, Entitlement, Standing, Text, Tier, Time, Tri, text};
use crate::privilege::class::{Breadth, Class, ClassSet};
use crate::privilege::gcp::BASIC;
use crate::privilege::gcp::catalogue::catalogue;
use crate::privilege::gcp::condition::Condition;
use crate::privilege::gcp::content::{self, Content, Lexicon};
use crate::privilege::gcp::meaning;
use crate::privilege::gcp::member::{self, Member, Party};

mod denied;
mod groups;
pub(super) mod junctions;
mod roles;
mod steps;
mod tree;
mod trusts;
pub(super) mod ways;

use denied::{Denies, Signature};
use groups::{Groups, Joined};
use roles::{InForce, Roles};
use tree::Tree;

/// Semantics of Google Cloud IAM.
#[derive(Debug)]
pub struct Gcp;

/// Its only instance.
pub static GCP: Gcp = Gcp;

impl Platform for Gcp {
    fn names(&self) -> &'static [&'static str] {
        &["gcp"]
    }

    fn read(&self, world: &World<'_>) -> Estate {
        Reading::new(world).run()
    }

    fn tier_of(&self, privilege: &str) -> Option<Tier> {
        static LEXICON: OnceLock<Lexicon> = OnceLock::new();
        if catalogue().id(privilege).is_some() {
            return Some(meaning::of(privilege).classes.tier_at(Breadth::Account));
        }
        let lexicon = LEXICON.get_or_init(Lexicon::default);
        let set = lexicon.predefined(privilege)?;
        Some(lexicon.judge(&set).classes.tier_at(Breadth::Account))
    }
}

/// What a role gives at a kind of resource, after deny.
#[derive(Debug)]
struct Judged {
    /// Whatever denies hold in doubt taken away.
    certain: Content,
    /// Only what is surely denied taken away.
    possible: Content,
    /// Steps to other identities, with whether they are certain.
    powers: Vec<ways::Power>,
}

/// Key of [`Judged`]: role, service of the resource, and the deny rules that hold.
type JudgedKey = (usize, Option<Text>, Arc<Signature>);

struct Reading<'w> {
    world: &'w World<'w>,
    tree: Tree,
    groups: Groups,
    roles: Roles,
    denies: Denies,
    conditions: HashMap<Text, Arc<Condition>>,
    judged: HashMap<JudgedKey, Arc<Judged>>,
    used: HashMap<(Text, Text, Text), Use>,
    listed: Listed,
    /// Rows so far that are of members of groups.
    expanded: usize,
    out: Estate,
    steps: steps::Steps,
}

/// Service accounts that an inventory lists, and the projects whose list it is.
#[derive(Debug, Default)]
struct Listed {
    accounts: BTreeSet<Text>,
    projects: BTreeSet<Text>,
}

impl<'w> Reading<'w> {
    fn new(world: &'w World<'w>) -> Self {
        let tree = Tree::new(world.facts);
        let groups = Groups::new(world.facts, world.as_of);
        let mut roles = Roles::new(world.facts);
        let denies = Denies::new(world.facts, &mut roles.lexicon);
        Self {
            used: used(world),
            listed: listed(world),
            world,
            tree,
            groups,
            roles,
            denies,
            conditions: HashMap::new(),
            judged: HashMap::new(),
            expanded: 0,
            out: Estate::default(),
            steps: steps::Steps::default(),
        }
    }

    fn run(mut self) -> Estate {
        let mut bound: Vec<&Entitlement> = self
            .world
            .facts
            .entitlements
            .iter()
            .filter(|e| &*e.platform == "gcp" && e.unbound_at_hi.is_none())
            .collect();
        bound.sort_by(|a, b| a.entitlement_id.cmp(&b.entitlement_id));
        let basics = self.basics(&bound);
        for e in &bound {
            self.binding(e, &basics);
        }
        for (role, content) in self.roles.all() {
            let tier = content.map(|c| c.classes.tier_at(Breadth::Account));
            self.out.put_tier(text("gcp"), role, tier);
        }
        self.out.trusts = trusts::rows(self.world, &self.tree, &bound, &self.out.held);
        self.agents();
        self.steps.finish(self.world, &self.tree, &mut self.out);
        self.out
    }

    /// Who holds which basic role on which project: old resource policies name these by convenience.
    fn basics(&self, bound: &[&Entitlement]) -> HashMap<(Text, Text), Vec<Text>> {
        let mut out: HashMap<(Text, Text), Vec<Text>> = HashMap::new();
        let basic = |e: &&&Entitlement| {
            BASIC.contains(&&*e.role_id)
                && e.scope.starts_with("projects/")
                && e.binding_kind == BindingKind::Active
        };
        for e in bound.iter().filter(basic) {
            let key = (e.role_id.clone(), e.scope.clone());
            out.entry(key).or_default().push(e.principal_id.clone());
        }
        out
    }

    fn binding(&mut self, e: &Entitlement, basics: &HashMap<(Text, Text), Vec<Text>>) {
        let member = member::of_id(&e.principal_id);
        let timing = self.timing(e, &member);
        let own = |id: &Text, via: Vec<Text>| Joined {
            member: id.clone(),
            via,
            not_after: None,
            expired: false,
            refs: Vec::new(),
        };
        let direct = || own(&e.principal_id, e.via.clone());
        let holders: Vec<Joined> = match &member.party {
            Party::Group => {
                let members = self.groups.members(&e.principal_id);
                let n = members.len();
                if members.is_empty() {
                    vec![direct()]
                } else if self.takes(&e.principal_id, n) {
                    self.groups.members(&e.principal_id).to_vec()
                } else {
                    vec![direct()]
                }
            }
            Party::Convenience { role, project } => {
                let key = (text(role), text(format!("projects/{project}")));
                match basics.get(&key) {
                    Some(list) if self.takes(&e.principal_id, list.len()) => {
                        let via = vec![e.principal_id.clone()];
                        list.iter().map(|id| own(id, via.clone())).collect()
                    }
                    _ => vec![direct()],
                }
            }
            _ => vec![direct()],
        };
        for holder in holders {
            let held = self.held(e, &member, &timing, &holder);
            self.out.held.push(held);
        }
    }

    /// Whether what a group holds is told of each of its members as well. Beyond a bound on all such rows
    /// groups hold the rest themselves, and their facts say so.
    fn takes(&mut self, group: &Text, members: usize) -> bool {
        self.expanded = self.expanded.saturating_add(members);
        if self.expanded <= MAX_EXPANDED {
            return true;
        }
        self.expanded -= members;
        let why = format!("what `{group}` holds is not told of each of its {members} members");
        self.out.unknown.insert(group.clone(), text(why));
        false
    }

    /// Standing state of a binding by its condition and kind.
    fn timing(&mut self, e: &Entitlement, member: &Member) -> Timing {
        let mut timing = Timing { value: Tri::Yes, ..Timing::default() };
        let Some(written) = &e.condition else {
            timing.standing = if e.binding_kind == BindingKind::Eligible {
                Standing::Eligible
            } else {
                Standing::Standing
            };
            return timing;
        };
        if BASIC.contains(&&*e.role_id) || member.party == Party::Public {
            // IAM refuses conditions on these, so nothing is credited to one.
            timing.conditions.push(text(format!(
                "not credited, since basic roles and public members take no conditions: {written}"
            )));
            timing.standing = Standing::Standing;
            return timing;
        }
        let as_of = self.world.as_of;
        let c = self
            .conditions
            .entry(written.clone())
            .or_insert_with(|| Arc::new(Condition::parse(written)))
            .clone();
        timing.not_before = c.maybe.begin();
        timing.not_after = c.maybe.end();
        timing.delegable = c.delegable.clone();
        if c.maybe.has(as_of) {
            let sure = c.within.has(as_of) || c.surely.has(as_of);
            timing.value = if sure { Tri::Yes } else { Tri::Conditional };
            if c.undecided {
                timing.conditions.push(written.clone());
            }
        } else if let Some(start) = c.maybe.next(as_of) {
            timing.value = Tri::Conditional;
            timing.not_before = Some(start);
            timing.conditions.push(text(format!("not before {}", start.to_rfc3339())));
        } else {
            timing.value = Tri::No;
        }
        let brokered = e.origin_hint.as_deref().is_some_and(|h| h.contains("PAM"));
        timing.standing = match () {
            () if timing.value == Tri::No => Standing::Residue,
            () if e.binding_kind == BindingKind::Eligible => Standing::Eligible,
            () if c.recurring => Standing::Recurring,
            () if timing.not_after.is_some() && brokered => Standing::Activated,
            () if timing.not_after.is_some() => Standing::TimeBound,
            () => Standing::Standing,
        };
        timing
    }

    fn held(&mut self, e: &Entitlement, bound: &Member, timing: &Timing, who: &Joined) -> Held {
        let breadth = Breadth::from_rank(e.scope_rank.unwrap_or(2));
        let mut held = Held {
            principal: who.member.clone(),
            platform: text("gcp"),
            realm: self.tree.realm(&e.scope),
            privilege: e.privilege.clone(),
            role_id: e.role_id.clone(),
            scope: e.scope.clone(),
            breadth,
            via: who.via.clone(),
            standing: timing.standing,
            not_before: timing.not_before,
            not_after: earlier(timing.not_after, who.not_after),
            conditions: timing.conditions.clone(),
            temporary: e.says_temporary == Some(true) || e.origin_hint.is_some_and_pam(),
            used: self.used.get(&key(e)).cloned(),
            refs: vec![(e.source_id.clone(), e.source_ref.clone())],
            ..Held::default()
        };
        held.refs.extend(who.refs.iter().cloned());
        if who.not_after.is_some() && held.standing == Standing::Standing {
            held.standing = Standing::TimeBound;
        }
        let role = self.roles.index(&e.role_id);
        held.residue = self.residue(bound, timing, who, role).map(text);
        if held.residue.is_some() {
            held.standing = Standing::Residue;
        }
        self.content(&mut held, e, timing, role);
        held.provider_owned = baseline(&held, bound);
        held
    }

    fn residue(
        &self,
        bound: &Member,
        timing: &Timing,
        who: &Joined,
        role: usize,
    ) -> Option<&'static str> {
        if bound.party == Party::Deleted || who.member.starts_with("deleted:") {
            return Some("deleted_principal");
        }
        if timing.value == Tri::No || who.expired {
            return Some("expired");
        }
        if self.roles.state(role) == InForce::No {
            return Some("disabled_role");
        }
        let gone = member::project_of(&who.member).is_some_and(|p| {
            self.listed.projects.contains(&*format!("projects/{p}"))
                && !self.listed.accounts.contains(&who.member)
        });
        (gone && !member::is_service_agent(&who.member)).then_some("missing_principal")
    }

    fn content(&mut self, held: &mut Held, e: &Entitlement, timing: &Timing, role: usize) {
        if self.roles.state(role) == InForce::Unknown {
            held.unknown = Some(text("role_unexpanded"));
            return;
        }
        held.basis = self.roles.basis(role);
        let service = content::service_of(&e.scope).map(text);
        let who = member::of_id(&held.principal);
        let signature = self.denies.signature(&self.tree, &e.scope, &who, &self.groups);
        for note in &signature.notes {
            held.conditions.push(note.clone());
        }
        let judged = self.judge(role, service, &signature);
        held.refs.extend(self.denies.refs(&signature));
        let (mut certain, mut possible) = (judged.certain.classes, judged.possible.classes);
        if let Some(roles) = &timing.delegable {
            for set in [&mut certain, &mut possible] {
                self.guarded(set, roles);
            }
            held.conditions.push(text(format!("may grant and take only: {}", roles.join(", "))));
        }
        // What has no effect gives nothing now; what it would give is still shown.
        let effect = timing.value == Tri::Yes && held.residue.is_none();
        held.certain = if effect { certain } else { ClassSet::EMPTY };
        held.possible = possible;
        held.n_actions = i64::try_from(judged.certain.n).ok();
        held.strongest.clone_from(&judged.possible.strongest);
        held.normal.clone_from(&judged.possible.normal);
        if judged.possible.n >= WIDE {
            held.wildcards.push(text(format!("* ({} permissions)", judged.possible.n)));
        }
        if held.residue.is_none() && held.standing != Standing::Eligible {
            let sure = timing.value == Tri::Yes;
            self.steps.note(&judged.powers, held, sure);
        }
    }

    /// Classes of a binding that may grant and take only some roles: the change of policies is worth what
    /// those roles are worth.
    fn guarded(&mut self, set: &mut ClassSet, roles: &[String]) {
        if !set.contains(Class::Permissions) && !set.contains(Class::Admin) {
            return;
        }
        let strong = roles.iter().any(|r| {
            let index = self.roles.index(&text(r));
            self.roles.content(index).is_none_or(|c| {
                c.classes.contains(Class::Admin)
                    || c.classes.contains(Class::Permissions)
                    || c.classes.contains(Class::Escalation)
            })
        });
        if !strong {
            set.remove(Class::Permissions);
            set.remove(Class::Admin);
            set.insert(Class::PermissionsLimited);
        }
    }

    fn judge(
        &mut self,
        role: usize,
        service: Option<Text>,
        signature: &Arc<Signature>,
    ) -> Arc<Judged> {
        let key = (role, service.clone(), signature.clone());
        if let Some(known) = self.judged.get(&key) {
            return known.clone();
        }
        let mut set = self.roles.set(role).cloned().unwrap_or_default();
        if let Some(service) = &service {
            let lexicon = &self.roles.lexicon;
            let on = |id: usize| {
                let name = lexicon.name(id);
                name.strip_prefix(&**service).is_some_and(|r| r.starts_with(['.', '/']))
            };
            let own: Vec<usize> = set.ones().filter(|id| on(*id)).collect();
            set.clear();
            own.into_iter().for_each(|id| set.insert(id));
        }
        let mut possible = set;
        self.denies.take(&signature.certain, &mut possible);
        let mut certain = possible.clone();
        self.denies.take(&signature.maybe, &mut certain);
        let lexicon = &self.roles.lexicon;
        let judged = Arc::new(Judged {
            powers: ways::powers(lexicon, &certain, &possible),
            certain: lexicon.judge(&certain),
            possible: lexicon.judge(&possible),
        });
        self.judged.insert(key, judged.clone());
        judged
    }

    /// Service agents that hold nothing but what Google gives them.
    fn agents(&mut self) {
        let mut own: HashMap<&Text, bool> = HashMap::new();
        for h in &self.out.held {
            if member::is_service_agent(&h.principal) {
                *own.entry(&h.principal).or_insert(true) &= h.provider_owned;
            }
        }
        self.out.provider_owned =
            own.into_iter().filter(|(_, all)| *all).map(|(id, _)| id.clone()).collect();
    }
}

/// Most rows of members of groups, over all bindings: a gigabyte or so.
const MAX_EXPANDED: usize = if cfg!(test) { 20_000 } else { 2_000_000 };

/// Permissions from which on a role counts as a wildcard: no task needs a fifth of all there are. It is
/// what basic roles hold, whatever they are called.
const WIDE: usize = 2_700;

/// Timing of one binding.
#[derive(Clone, Debug, Default)]
struct Timing {
    value: Tri,
    standing: Standing,
    not_before: Option<Time>,
    not_after: Option<Time>,
    conditions: Vec<Text>,
    delegable: Option<Vec<String>>,
}

/// Whether a hint names the Privileged Access Manager.
trait Hint {
    fn is_some_and_pam(&self) -> bool;
}

impl Hint for Option<Text> {
    fn is_some_and_pam(&self) -> bool {
        self.as_deref().is_some_and(|h| h.contains("PAM") || h.contains("Privileged Access"))
    }
}

fn earlier(a: Option<Time>, b: Option<Time>) -> Option<Time> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Whether Google made a binding and would make it again: a service agent with the role of its service,
/// the editor role of the account of Google's own APIs, and the convenience members of old buckets.
fn baseline(held: &Held, bound: &Member) -> bool {
    let given = held.role_id.strip_prefix("roles/").is_some_and(|r| {
        r.len() >= 12
            && r.get(r.len() - 12..).is_some_and(|t| t.eq_ignore_ascii_case("serviceAgent"))
    });
    let apis = held.principal.ends_with("@cloudservices.gserviceaccount.com")
        && &*held.role_id == "roles/editor";
    let agent = member::is_service_agent(&held.principal) && (given || apis);
    let legacy = matches!(bound.party, Party::Convenience { .. })
        && held.role_id.starts_with("roles/storage.legacy");
    agent || legacy
}

fn key(e: &Entitlement) -> (Text, Text, Text) {
    (e.principal_id.clone(), e.role_id.clone(), e.scope.clone())
}

/// Use by binding, as the recommender saw it.
fn used(world: &World<'_>) -> HashMap<(Text, Text, Text), Use> {
    let windows: HashMap<&Text, Option<Time>> = world
        .facts
        .sources
        .iter()
        .filter(|s| &*s.format == "gcp-iam-insights")
        .map(|s| (&s.source_id, s.window_start))
        .collect();
    let mut out: HashMap<(Text, Text, Text), Use> = HashMap::new();
    for u in &world.facts.usage {
        let Some(start) = windows.get(&u.source_id) else { continue };
        let (Some(role), Some(scope)) = (&u.privilege, &u.scope) else { continue };
        let who = u.principal_id.as_ref().unwrap_or(&u.principal);
        let some = u.count != Some(0);
        let slot = out.entry((who.clone(), role.clone(), scope.clone())).or_default();
        slot.used = Some(slot.used == Some(true) || some);
        slot.idle_days = match (slot.used, start) {
            (Some(false), Some(t)) => Some(world.as_of.days_since(*t).max(0)),
            _ => None,
        };
    }
    out
}

fn listed(world: &World<'_>) -> Listed {
    let lists: BTreeSet<&Text> = world
        .facts
        .sources
        .iter()
        .filter(|s| &*s.format == "gcp-service-accounts")
        .map(|s| &s.source_id)
        .collect();
    let mut out = Listed::default();
    for p in world.facts.principals.iter().filter(|p| lists.contains(&p.source_id)) {
        out.accounts.insert(p.principal_id.clone());
        out.projects.extend(p.realm.clone());
    }
    out
}

#[cfg(test)]
mod step_tests;
#[cfg(test)]
mod tests;
