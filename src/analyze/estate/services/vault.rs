//! Vault: the policies of tokens, AppRole roles, entities and groups, decided together.
//!
//! The policies of one identity are united before anything is read out of them, since a `deny` of one
//! limits the others. Sets of policies are few, identities many: each set is decided once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::tree::{Bundle, Right, once};
use super::{Edge, Estate, Goal, Held, Platform, World, bound, source};
use crate::facts::{Entitlement, Membership, Role, Standing, Text, Tier, Time, Tri, text};
use crate::privilege::class::{Breadth, Class, ClassSet};
use crate::privilege::vault::{Acl, Caps, Rule, parse};

mod logins;

/// The platform.
#[derive(Debug)]
pub struct Vault;

/// Its only instance.
pub static VAULT: Vault = Vault;

/// Platform word.
const PLATFORM: &str = "vault";
/// Scope of everything in one Vault.
const SCOPE: &str = "vault";
/// Policy that bypasses all policies.
const ROOT: &str = "root";
/// Policy that every token has unless told otherwise.
const DEFAULT: &str = "default";
/// Mark of a policy that a complete list names.
const LISTED: &str = "listed";
/// End of paths: whoever can take any policy.
const ANY_POLICY: &str = "vault#any policy";

impl Platform for Vault {
    fn names(&self) -> &'static [&'static str] {
        &[PLATFORM]
    }

    fn read(&self, world: &World<'_>) -> Estate {
        let mut out = State::new(world).estate();
        logins::fill(world, &mut out);
        out
    }

    fn tier_of(&self, privilege: &str) -> Option<Tier> {
        (privilege == ROOT).then_some(Tier::T0)
    }
}

/// One identity with one policy, over all its tokens.
struct Binding<'a> {
    first: &'a Entitlement,
    standing: Standing,
    not_after: Option<Time>,
    via: BTreeSet<Text>,
    refs: Vec<(Text, Text)>,
}

/// What a set of policies gives.
struct Decided {
    /// By policy.
    bundles: HashMap<Text, Bundle>,
    /// Policies of the set without known content.
    missing: BTreeSet<Text>,
    acl: Acl,
    templated: Vec<Text>,
}

struct State<'a> {
    as_of: Time,
    policies: HashMap<&'a str, Result<Vec<Rule>, &'a str>>,
    roles: BTreeMap<&'a str, &'a Role>,
    held: BTreeMap<&'a Text, BTreeMap<&'a Text, Binding<'a>>>,
    groups: HashMap<&'a str, Vec<&'a Membership>>,
    approles: Vec<&'a Text>,
    /// Roles by which tokens are made.
    token_roles: Vec<&'a Text>,
    /// Names of all policies there are, where a complete list was read.
    listed: BTreeSet<&'a str>,
    realms: HashMap<&'a str, &'a Text>,
}

impl<'a> State<'a> {
    fn new(world: &World<'a>) -> Self {
        let facts = world.facts;
        let mut policies: HashMap<&str, Result<Vec<Rule>, &str>> = HashMap::new();
        let mut roles = BTreeMap::new();
        for r in facts.roles.iter().filter(|r| &*r.platform == PLATFORM) {
            let Some(document) = r.document.as_deref() else { continue };
            roles.insert(&*r.role_id, r);
            let parsed = parse(document).map_err(|_| "malformed");
            policies.insert(&r.role_id, parsed);
        }
        let mut held: BTreeMap<&Text, BTreeMap<&Text, Binding<'_>>> = BTreeMap::new();
        for e in once(&facts.entitlements, PLATFORM) {
            let own = bound(e, None, world.as_of);
            let slot = held.entry(&e.principal_id).or_default();
            let b = slot.entry(&e.role_id).or_insert_with(|| Binding {
                first: e,
                standing: own.standing,
                not_after: own.not_after,
                via: BTreeSet::new(),
                refs: Vec::new(),
            });
            // Of several tokens the longest life counts.
            if rank(own.standing) > rank(b.standing) {
                (b.standing, b.not_after) = (own.standing, own.not_after);
            } else if own.standing == b.standing && b.not_after.is_some() {
                b.not_after = b.not_after.max(own.not_after);
            }
            b.via.extend(own.via);
            if b.refs.len() < 8 {
                b.refs.push(source(e));
            }
        }
        let mut groups: HashMap<&str, Vec<&Membership>> = HashMap::new();
        for m in facts.memberships.iter().filter(|m| held.contains_key(&m.group_id)) {
            groups.entry(&m.principal_id).or_default().push(m);
        }
        let of = |p: &&crate::facts::Principal| p.platform.as_deref() == Some(PLATFORM);
        let approles = facts
            .principals
            .iter()
            .filter(of)
            .map(|p| &p.principal_id)
            .filter(|id| id.starts_with("auth/approle/role/"))
            .collect();
        let token_roles = facts
            .principals
            .iter()
            .filter(of)
            .map(|p| &p.principal_id)
            .filter(|id| id.starts_with("auth/token/role"))
            .collect();
        let listed = facts
            .roles
            .iter()
            .filter(|r| &*r.platform == PLATFORM && r.version.as_deref() == Some(LISTED))
            .map(|r| &*r.role_id)
            .collect();
        let realms = facts
            .principals
            .iter()
            .filter(of)
            .filter_map(|p| Some((&*p.principal_id, p.realm.as_ref()?)))
            .collect();
        Self {
            as_of: world.as_of,
            policies,
            roles,
            held,
            groups,
            approles,
            token_roles,
            listed,
            realms,
        }
    }

    fn estate(self) -> Estate {
        let mut out = Estate::default();
        let mut sets: BTreeMap<Vec<&Text>, (usize, Decided)> = BTreeMap::new();
        let members: BTreeSet<&str> =
            self.groups.values().flatten().map(|m| &*m.group_id).collect();
        let holders: BTreeSet<&Text> = self
            .held
            .keys()
            .copied()
            .chain(self.groups.values().flatten().map(|m| &m.principal_id))
            .collect();
        for who in holders {
            let through = self.through(who);
            let mut all: BTreeSet<&Text> = BTreeSet::new();
            for id in through.keys() {
                all.extend(self.held.get(id).into_iter().flat_map(|b| b.keys()).copied());
            }
            let key: Vec<&Text> = all.into_iter().collect();
            let next = sets.len();
            let (number, decided) =
                sets.entry(key.clone()).or_insert_with(|| (next, self.decide(&key)));
            // Members of a group hold what it gives, each by its own row.
            if !members.contains(&**who) {
                for (holder, via) in &through {
                    for b in self.held.get(holder).into_iter().flat_map(BTreeMap::values) {
                        self.binding(who, via.as_ref(), b, decided, &mut out);
                    }
                }
            }
            out.edges.push(Edge::relation((*who).clone(), text(format!("vault#set {number}"))));
        }
        for (number, decided) in sets.values() {
            self.edges(*number, decided, &mut out);
        }
        out.goals.push(Goal {
            node: text(ANY_POLICY),
            title: text("a token with any policy of Vault"),
            tier: Tier::T0,
            admin: true,
        });
        for (id, role) in &self.roles {
            let only = [text(*id)];
            let decided = self.decide(&only.iter().collect::<Vec<_>>());
            let tier = decided.bundles.get(*id).map(|b| b.tier().unwrap_or(Tier::T4));
            out.put_tier(text(PLATFORM), role.role_id.clone(), tier);
            out.put_tier(text(PLATFORM), role.name.clone(), tier);
        }
        out
    }

    /// Identities whose policies somebody has: its own and those of its groups, with the way.
    fn through(&self, who: &'a Text) -> BTreeMap<&'a Text, Option<Text>> {
        let mut out: BTreeMap<&Text, Option<Text>> = BTreeMap::new();
        out.insert(who, None);
        let mut queue = vec![who];
        while let Some(next) = queue.pop() {
            for m in self.groups.get(&**next).into_iter().flatten() {
                if !out.contains_key(&m.group_id) {
                    out.insert(&m.group_id, Some(text(format!("group:{}", m.group_id))));
                    queue.push(&m.group_id);
                }
            }
        }
        out
    }

    fn decide(&self, set: &[&Text]) -> Decided {
        let mut missing = BTreeSet::new();
        let mut names: Vec<&Text> = Vec::new();
        let mut rules: Vec<&[Rule]> = Vec::new();
        let mut templated = Vec::new();
        for id in set {
            match self.policies.get(&***id) {
                Some(Ok(list)) => {
                    names.push(id);
                    rules.push(list);
                    templated.extend(list.iter().filter(|r| r.templated()).map(|r| {
                        text(format!("what `{}` stands for is filled in at login", r.path))
                    }));
                }
                _ => {
                    missing.insert((*id).clone());
                }
            }
        }
        let acl = Acl::new(&rules);
        let mut bundles: HashMap<Text, Bundle> =
            names.iter().map(|n| ((*n).clone(), Bundle::default())).collect();
        for given in acl.gives() {
            let unsure = given.rule.guarded || given.rule.path.contains("{{");
            for (breadth, classes) in &given.by {
                let right = Right {
                    scope: text(SCOPE),
                    breadth: *breadth,
                    certain: if unsure { ClassSet::EMPTY } else { *classes },
                    possible: *classes,
                    what: text(format!("{} ({})", given.rule.path, given.rule.caps.words())),
                    source: self.source(names.first()),
                };
                for i in &given.rule.policies {
                    let Some(name) = names.get(*i) else { continue };
                    let right = Right { source: self.source(Some(name)), ..right.clone() };
                    if let Some(bundle) = bundles.get_mut(*name) {
                        bundle.add(&right, SCOPE);
                    }
                }
            }
        }
        Decided { bundles, missing, acl, templated }
    }

    fn source(&self, policy: Option<&&Text>) -> (Text, Text) {
        let role = policy.and_then(|p| self.roles.get(&***p));
        role.map_or_else(Default::default, |r| (r.source_id.clone(), r.source_ref.clone()))
    }

    fn binding(
        &self,
        who: &Text,
        via: Option<&Text>,
        b: &Binding<'_>,
        decided: &Decided,
        out: &mut Estate,
    ) {
        let realm = self.realms.get(&**who).map(|r| (**r).clone());
        let like = Held {
            principal: who.clone(),
            realm,
            via: via.map_or_else(|| b.via.iter().cloned().collect(), |v| vec![v.clone()]),
            standing: b.standing,
            residue: (b.standing == Standing::Residue).then(|| text("expired")),
            not_after: b.not_after,
            refs: b.refs.clone(),
            conditions: decided.templated.clone(),
            ..bound(b.first, None, self.as_of)
        };
        let name = &*b.first.privilege;
        if name == ROOT {
            let admin: ClassSet = [Class::Admin].into_iter().collect();
            out.held.push(Held {
                certain: admin,
                possible: admin,
                strongest: vec![text("every path (root)")],
                wildcards: vec![text("*")],
                normal: ROOT.into(),
                ..like
            });
        } else if decided.missing.contains(&b.first.role_id)
            && !self.listed.is_empty()
            && !self.listed.contains(&*b.first.role_id)
        {
            // The list of all policies does not name it: a token with it has nothing by it.
            out.held.push(Held {
                standing: Standing::Residue,
                residue: Some(text("missing_role")),
                normal: "missing".into(),
                ..like
            });
        } else if decided.missing.contains(&b.first.role_id) {
            let own = name == DEFAULT;
            out.held.push(Held {
                // The policy as Vault ships it lets a token look after itself.
                unknown: (!own).then(|| {
                    let bad = self.roles.contains_key(&*b.first.role_id);
                    text(if bad { "malformed" } else { "role_unexpanded" })
                }),
                provider_owned: own,
                normal: "unknown".into(),
                ..like
            });
        } else if let Some(bundle) = decided.bundles.get(&b.first.role_id) {
            let wildcards: Vec<Text> = self
                .policies
                .get(&*b.first.role_id)
                .into_iter()
                .flat_map(|p| p.as_ref().into_iter().flatten())
                .filter(|r| r.path == "*" || r.path == "+/*" || r.path == "sys/*")
                .map(|r| text(&r.path))
                .collect();
            if bundle.parts.is_empty() {
                out.held.push(Held { normal: "nothing".into(), ..like.clone() });
            }
            for row in bundle.held(&like) {
                let wide =
                    if row.breadth <= Breadth::Account { wildcards.clone() } else { Vec::new() };
                out.held.push(Held { wildcards: wide, ..row });
            }
        }
    }

    fn edges(&self, number: usize, decided: &Decided, out: &mut Estate) {
        let from = text(format!("vault#set {number}"));
        let acl = &decided.acl;
        let write = Caps::CREATE.or(Caps::UPDATE);
        // With `sudo` on the path of the request a new token may have policies that its parent lacks.
        for path in ["auth/token/create", "auth/token/create-orphan"] {
            if acl.decides(path).is_some_and(|r| {
                r.caps.any(write) && r.caps.any(Caps::SUDO) && !r.caps.any(Caps::DENY) && !r.limited
            }) {
                out.edges.push(Edge {
                    technique: text("vault:token_create"),
                    step: text(format!("It creates a token with any policy (`{path}` with sudo)")),
                    ..Edge::relation(from.clone(), text(ANY_POLICY))
                });
            }
        }
        for role in &self.token_roles {
            let name = role.rsplit('/').next().unwrap_or(role);
            if acl.allows(&format!("auth/token/create/{name}"), write) {
                out.edges.push(Edge {
                    technique: text("vault:token_role"),
                    step: text(format!("It creates a token by the role `{role}`")),
                    ..Edge::relation(from.clone(), (**role).clone())
                });
            }
        }
        for role in &self.approles {
            if !acl.allows(&format!("{role}/secret-id"), write) {
                continue;
            }
            let knows = acl.allows(&format!("{role}/role-id"), Caps::READ);
            out.edges.push(Edge {
                technique: text("vault:secret_id"),
                step: text(format!("It makes a secret id of `{role}` and logs in with it")),
                verdict: if knows { Tri::Yes } else { Tri::Conditional },
                conditions: if knows {
                    Vec::new()
                } else {
                    vec![text(format!("the role id of `{role}`, which is no secret, is known"))]
                },
                ..Edge::relation(from.clone(), (**role).clone())
            });
        }
    }
}

fn rank(s: Standing) -> u8 {
    match s {
        Standing::Standing | Standing::Recurring => 4,
        Standing::Activated => 3,
        Standing::TimeBound => 2,
        Standing::Eligible => 1,
        Standing::Residue => 0,
    }
}
