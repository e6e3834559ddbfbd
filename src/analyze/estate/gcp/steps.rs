//! Steps from one identity to a service account (cloud semantics, section 7): tokens, keys and
//! signatures, code that runs as an account, pairs such as `actAs` and a workload, rights in clusters.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Edge, Estate, Goal, Held, World};
use super::junctions::{self, Junction, Used};
use super::tree::Tree;
use super::ways::{BINDS_KEYS, Pair, Power, Side, Way, verb};
use crate::facts::{Standing, Text, Tier, Time, Tri, text};
use crate::privilege::class::{Breadth, Class, ClassSet};
use crate::privilege::gcp::meaning::ACT_AS;
use crate::privilege::gcp::member::shown;

/// What an API key that is bound to an account is worth hangs on who takes it.
const TAKES_KEYS: &str = "which services take an API key for its account";
/// To bind a tag takes a right on its value and one on the resource.
const BINDS_TAGS: &str = "whether both the value of the tag and the resource may be bound";
/// Functions of conditions that ask for tags.
const ON_TAGS: [&str; 2] = ["resource.matchTag", "resource.hasTagKey"];

/// A half of a pair.
#[derive(Clone, Debug)]
struct Half {
    permission: Text,
    role: Text,
    certain: bool,
    conditions: Vec<Text>,
    not_after: Option<Time>,
    refs: Vec<(Text, Text)>,
}

/// Halves of one principal by scope: what attaches accounts, and what runs them.
#[derive(Clone, Debug, Default)]
struct Halves {
    account: BTreeMap<Text, Half>,
    makes: BTreeMap<Text, Half>,
}

/// A binding that gives something only where a tag is.
#[derive(Clone, Debug)]
struct Tagged {
    scope: Text,
    role: Text,
    classes: ClassSet,
    breadth: Breadth,
    refs: Vec<(Text, Text)>,
}

/// Steps as they are collected.
#[derive(Debug, Default)]
pub struct Steps {
    edges: Vec<Edge>,
    pairs: BTreeMap<(Text, Pair), Halves>,
    tags: BTreeMap<Text, BTreeMap<Text, Half>>,
    tagged: BTreeMap<Text, Vec<Tagged>>,
    used: Used,
}

/// Node that a right over service accounts at a scope reaches.
fn target(scope: &Text) -> Option<Text> {
    if let Some((_, account)) = scope.split_once("/serviceAccounts/") {
        return account.contains('@').then(|| text(account.to_lowercase()));
    }
    is_container(scope).then(|| Junction::Accounts.at(scope))
}

fn is_container(scope: &str) -> bool {
    !scope.starts_with("//")
}

/// The node in words.
fn whom(scope: &Text) -> String {
    match scope.split_once("/serviceAccounts/") {
        Some((_, account)) => format!("`{account}`"),
        None => format!("any service account of `{scope}`"),
    }
}

/// Where a right is held, in words: an account is named by the step already.
fn on(scope: &Text) -> String {
    if scope.contains("/serviceAccounts/") {
        "on the account itself".to_owned()
    } else {
        format!("on `{scope}`")
    }
}

impl Half {
    fn new(p: &Power, held: &Held, sure: bool) -> Self {
        Self {
            permission: p.permission.clone(),
            role: held.privilege.clone(),
            certain: p.certain && sure,
            conditions: held.conditions.clone(),
            not_after: held.not_after,
            refs: held.refs.clone(),
        }
    }

    /// Keeps the surer of two at one scope.
    fn put(self, at: &Text, side: &mut BTreeMap<Text, Self>) {
        match side.get_mut(at) {
            Some(have) if !have.certain && self.certain => *have = self,
            Some(_) => {}
            None => {
                side.insert(at.clone(), self);
            }
        }
    }
}

impl Steps {
    /// Notes what a holding in force opens. `sure` says that its conditions are met.
    pub fn note(&mut self, powers: &[Power], held: &Held, sure: bool) {
        if !sure && held.conditions.iter().any(|c| ON_TAGS.iter().any(|f| c.contains(f))) {
            self.tagged.entry(held.principal.clone()).or_default().push(Tagged {
                scope: held.scope.clone(),
                role: held.privilege.clone(),
                classes: held.possible,
                breadth: held.breadth,
                refs: held.refs.clone(),
            });
        }
        for p in powers {
            match p.way {
                Way::Half(pair, side) => self.half(pair, side, p, held, sure),
                Way::Tags => {
                    let own = self.tags.entry(held.principal.clone()).or_default();
                    Half::new(p, held, sure).put(&held.scope, own);
                }
                way => self.step(way, p, held, sure),
            }
        }
    }

    fn half(&mut self, pair: Pair, side: Side, p: &Power, held: &Held, sure: bool) {
        let container = is_container(&held.scope);
        if (side == Side::Makes && !container) || (side == Side::Changes && container) {
            return;
        }
        let own = self.pairs.entry((held.principal.clone(), pair)).or_default();
        let list = if side == Side::Account { &mut own.account } else { &mut own.makes };
        Half::new(p, held, sure).put(&held.scope, list);
    }

    /// Node that a step of one holding leads to, and what the step does in words.
    fn end(&mut self, way: Way, p: &Power, scope: &Text) -> Option<(Text, String)> {
        let container = is_container(scope);
        let junction = |j: Junction, used: &mut Used| {
            used.insert(j, scope);
            j.at(scope)
        };
        Some(match way {
            Way::Runs => {
                let service = p.permission.split('.').next().unwrap_or_default();
                let to = junction(junctions::runs(service)?, &mut self.used);
                let does = if container {
                    format!("runs code under the accounts of what is in `{scope}`")
                } else {
                    format!("runs code under the account of `{scope}`")
                };
                (to, does)
            }
            Way::Federates if container => (
                junction(Junction::Federated, &mut self.used),
                format!("decides whom the federated identities of `{scope}` are"),
            ),
            Way::Workforce if scope.starts_with("organizations/") => (
                junction(Junction::Workforce, &mut self.used),
                format!("decides who signs in as the workforce identities of `{scope}`"),
            ),
            Way::Deploys if container => (
                junction(Junction::Apis, &mut self.used),
                format!("deploys as the account of Google's own APIs of `{scope}`"),
            ),
            Way::ReadsKeys if container => (
                junction(Junction::Keys, &mut self.used),
                format!("reads the API keys of `{scope}`, also those bound to an account"),
            ),
            Way::SignsLinks => (
                junction(Junction::Links, &mut self.used),
                format!("signs links to what the load balancers of `{scope}` serve"),
            ),
            Way::Cluster(inside) if container => (
                junction(Junction::Cluster(inside), &mut self.used),
                format!("{} the clusters of `{scope}`", inside.gains()),
            ),
            Way::Becomes | Way::MayBecome => {
                let does = verb(&p.permission).unwrap_or("acts as");
                let to = target(scope)?;
                if container {
                    self.used.insert(Junction::Accounts, scope);
                }
                (to, format!("{does} {}", whom(scope)))
            }
            _ => return None,
        })
    }

    fn step(&mut self, way: Way, p: &Power, held: &Held, sure: bool) {
        let Some((to, does)) = self.end(way, p, &held.scope) else { return };
        if to == held.principal {
            return;
        }
        let mut conditions = held.conditions.clone();
        if way == Way::ReadsKeys {
            conditions.push(text(TAKES_KEYS));
        }
        let certain = p.certain && sure && way != Way::ReadsKeys;
        self.edges.push(Edge {
            technique: text(format!("gcp:{}", p.permission)),
            step: text(format!(
                "{} {does} (`{}` by `{}` {})",
                shown(&held.principal),
                p.permission,
                held.privilege,
                on(&held.scope)
            )),
            verdict: if certain { Tri::Yes } else { Tri::Conditional },
            potential: matches!(way, Way::MayBecome | Way::SignsLinks),
            conditions,
            not_after: held.not_after,
            refs: held.refs.clone(),
            ..Edge::relation(held.principal.clone(), to)
        });
    }

    /// Completes the pairs and opens the junctions down to the accounts.
    pub fn finish(&mut self, world: &World<'_>, tree: &Tree, out: &mut Estate) {
        let pairs = std::mem::take(&mut self.pairs);
        for ((principal, pair), halves) in &pairs {
            self.complete(*pair, principal, halves, tree, out);
        }
        self.tag(tree, out);
        if self.edges.is_empty() {
            return;
        }
        for scope in self.used.at(Junction::Links) {
            out.goals.push(Goal {
                node: Junction::Links.at(scope),
                title: text(format!("what signed links of `{scope}` open")),
                tier: Tier::T2,
                admin: false,
            });
        }
        out.edges.append(&mut self.edges);
        junctions::relations(world, tree, &self.used, out);
    }

    /// The pairs of one principal: both halves meet where one scope lies in the other, or on an account
    /// and a resource of one project.
    fn complete(
        &mut self,
        pair: Pair,
        principal: &Text,
        halves: &Halves,
        tree: &Tree,
        out: &mut Estate,
    ) {
        let mut done: BTreeSet<Text> = BTreeSet::new();
        let mut put = |steps: &mut Self, a: (&Text, &Half), m: (&Text, &Half)| {
            steps.pair((pair, principal), (a, m), tree, &mut done, out);
        };
        for (at, act) in &halves.account {
            for node in tree.up(at) {
                if let Some(make) = halves.makes.get(&node) {
                    put(self, (at, act), (&node, make));
                }
            }
        }
        for (at, make) in &halves.makes {
            for node in tree.up(at) {
                if let Some(act) = halves.account.get(&node).filter(|_| node != *at) {
                    put(self, (&node, act), (at, make));
                }
            }
        }
        // Resources beside each other: an account may be attached to what is in its own project. Beyond
        // it `iam.disableCrossProjectServiceAccountUsage` forbids that unless somebody lifts it.
        let mut by_project: BTreeMap<Text, (&Text, &Half)> = BTreeMap::new();
        for (at, make) in halves.makes.iter().filter(|(at, _)| !is_container(at)) {
            let Some(project) = tree.realm(at) else { continue };
            let slot = by_project.entry(project).or_insert((at, make));
            if !slot.1.certain && make.certain {
                *slot = (at, make);
            }
        }
        for (at, act) in halves.account.iter().filter(|(at, _)| !is_container(at)) {
            if let Some(make) = tree.realm(at).and_then(|p| by_project.get(&p)) {
                put(self, (at, act), *make);
            }
        }
    }

    fn pair(
        &mut self,
        (pair, principal): (Pair, &Text),
        ((act_at, act), (make_at, make)): ((&Text, &Half), (&Text, &Half)),
        tree: &Tree,
        done: &mut BTreeSet<Text>,
        out: &mut Estate,
    ) {
        // Accounts that can be attached, in what can be made: the narrower of both.
        let narrow = if !is_container(act_at) || !make_at.starts_with("projects/") {
            act_at
        } else {
            make_at
        };
        let Some(to) = target(narrow).filter(|to| to != principal) else { return };
        if !done.insert(to.clone()) {
            return;
        }
        if is_container(narrow) {
            self.used.insert(Junction::Accounts, narrow);
        }
        let mut conditions = act.conditions.clone();
        conditions.extend(make.conditions.iter().cloned());
        let (lock, does) = match pair {
            Pair::Attach => (ACT_AS, format!("attaches {} to what it runs", whom(narrow))),
            Pair::Key => {
                conditions.push(text(TAKES_KEYS));
                (BINDS_KEYS, format!("makes API keys that act as {}", whom(narrow)))
            }
        };
        let certain = act.certain && make.certain && pair == Pair::Attach;
        let mut refs = act.refs.clone();
        refs.extend(make.refs.iter().cloned());
        let not_after = super::earlier(act.not_after, make.not_after);
        self.edges.push(Edge {
            technique: text(format!("gcp:{lock}+{}", make.permission)),
            step: text(format!(
                "{} {does} (`{lock}` by `{}` {}, `{}` by `{}` on `{make_at}`)",
                shown(principal),
                act.role,
                on(act_at),
                make.permission,
                make.role
            )),
            verdict: if certain { Tri::Yes } else { Tri::Conditional },
            potential: false,
            conditions: conditions.clone(),
            not_after,
            refs: refs.clone(),
            ..Edge::relation(principal.clone(), to)
        });
        if pair == Pair::Key || (act_at == make_at && act.role == make.role) {
            // A key is no right over what runs; one role that holds both says so itself.
            return;
        }
        let breadth = match narrow.split('/').next() {
            Some("organizations") => Breadth::Tenant,
            Some("folders") => Breadth::Folder,
            Some("projects") => Breadth::Account,
            _ => Breadth::Resource,
        };
        let classes = [Class::Escalation].into_iter().collect();
        out.held.push(Held {
            principal: principal.clone(),
            platform: text("gcp"),
            realm: tree.realm(narrow),
            privilege: text("combined"),
            role_id: text(format!("{}+{}", act.role, make.role)),
            scope: narrow.clone(),
            breadth,
            via: vec![text("combined")],
            certain: if certain { classes } else { Default::default() },
            possible: classes,
            standing: if not_after.is_some() { Standing::TimeBound } else { Standing::Standing },
            not_after,
            conditions,
            n_actions: Some(2),
            strongest: vec![text(ACT_AS), make.permission.clone()],
            normal: format!("{ACT_AS}+{}", make.permission),
            refs,
            ..Held::default()
        });
    }

    /// Whoever binds tags meets the conditions of its own bindings that ask for one.
    fn tag(&mut self, tree: &Tree, out: &mut Estate) {
        let tagged = std::mem::take(&mut self.tagged);
        for (principal, list) in &tagged {
            let Some(tags) = self.tags.get(principal) else { continue };
            let mut below: BTreeMap<Text, (&Text, &Half)> = BTreeMap::new();
            for (at, half) in tags {
                for node in tree.up(at) {
                    below.entry(node).or_insert((at, half));
                }
            }
            for b in list {
                let above = || tree.up(&b.scope).into_iter().find_map(|n| tags.get_key_value(&n));
                let Some((at, half)) = below.get(&b.scope).copied().or_else(above) else {
                    continue;
                };
                let title = format!("`{}` on `{}`, which a tag opens", b.role, b.scope);
                let node = text(format!("gcp#{title} for {principal}"));
                let tier = b.classes.tier_at(b.breadth);
                let admin = b.classes.contains(Class::Admin) && b.breadth <= Breadth::Account;
                out.goals.push(Goal { node: node.clone(), title: text(title), tier, admin });
                let mut conditions = half.conditions.clone();
                conditions.push(text(BINDS_TAGS));
                let mut refs = half.refs.clone();
                refs.extend(b.refs.iter().cloned());
                self.edges.push(Edge {
                    technique: text(format!("gcp:{}", half.permission)),
                    step: text(format!(
                        "{} binds the tag that its own `{}` on `{}` asks for (`{}` by `{}` on `{at}`)",
                        shown(principal),
                        b.role,
                        b.scope,
                        half.permission,
                        half.role
                    )),
                    verdict: Tri::Conditional,
                    conditions,
                    not_after: half.not_after,
                    refs,
                    ..Edge::relation(principal.clone(), node)
                });
            }
        }
    }
}
