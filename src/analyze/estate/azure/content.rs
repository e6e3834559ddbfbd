//! Content of the roles that the inputs name: their own definition, else the embedded one.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use super::super::{Estate, World};
use super::{
    BTreeSet, Block, Breadth, ClassSet, Entitlement, Question, Reach, Roster, Text, Time, text,
    verdict,
};
use crate::facts::Tier;
use crate::privilege::azure::catalogue::{Catalogue, catalogue};
use crate::privilege::azure::classes::Verdict;
use crate::privilege::azure::condition::Condition;
use crate::privilege::azure::entra;
use crate::privilege::azure::permission::blocks;
use crate::privilege::azure::{DELEGATED, permission::Plane};

/// Content of one role.
#[derive(Debug)]
pub(super) enum Entry {
    /// Blocks of a role of the resource manager.
    Azure { blocks: Vec<Block>, origin: Option<(Text, Text)> },
    /// A role of the directory or an application permission.
    Directory(Rights),
    /// It could not be read, with the reason.
    Malformed,
    /// It is there and switched off.
    Disabled,
}

/// What a role gives at one assignment.
#[derive(Clone, Debug, Default)]
pub(super) struct Rights {
    pub certain: ClassSet,
    pub possible: ClassSet,
    pub strongest: Vec<Text>,
    pub wildcards: Vec<Text>,
    pub n_operations: Option<i64>,
    /// Operations that run code as an identity or attach one, by place in the catalogue.
    pub steps: Vec<(usize, bool)>,
    /// Whom a directory privilege reaches.
    pub reach: Vec<Reach>,
    pub conditions: Vec<Text>,
    pub normal: String,
    pub unknown: Option<Text>,
    /// Record that defines the role.
    pub origin: Option<(Text, Text)>,
}

impl Rights {
    fn unknown(why: &str) -> Self {
        Self { unknown: Some(text(why)), ..Self::default() }
    }
}

/// What the embedded catalogue says of a built-in role by itself.
pub(super) fn built_in(id: &str) -> Option<&'static Verdict> {
    static ALL: OnceLock<BTreeMap<String, OnceLock<Verdict>>> = OnceLock::new();
    static ROSTER: OnceLock<Roster<'static>> = OnceLock::new();
    let c = catalogue();
    let all = ALL.get_or_init(|| c.roles.keys().map(|k| (k.clone(), OnceLock::new())).collect());
    let role = c.roles.get(id)?;
    let roster = ROSTER.get_or_init(|| Roster::new(c, std::iter::empty()));
    let slot = all.get(id)?;
    Some(slot.get_or_init(|| {
        // A clock in a condition of a built-in role is not known; none has one.
        let q = Question {
            blocks: &role.blocks,
            condition: None,
            denied: &[],
            as_of: Time::from_secs(0),
        };
        verdict(&q, c, roster)
    }))
}

/// Key of a judgement: role, condition of the assignment, deny assignments against the holder.
type Asked = (Text, Option<Text>, Vec<usize>);

/// All roles, judged once per condition and set of denies.
pub(super) struct Contents<'a> {
    own: BTreeMap<&'a str, Entry>,
    names: BTreeMap<(&'a str, &'a str), &'a str>,
    as_of: Time,
    memo: RefCell<HashMap<Asked, Rights>>,
}

impl std::fmt::Debug for Contents<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contents").field("own", &self.own.len()).finish_non_exhaustive()
    }
}

impl<'a> Contents<'a> {
    pub(super) fn new(world: &World<'a>) -> Self {
        let denies: BTreeSet<&str> = world.facts.guardrails.iter().map(|g| &*g.role_id).collect();
        let mut own: BTreeMap<&str, Entry> = BTreeMap::new();
        let mut names = BTreeMap::new();
        for r in &world.facts.roles {
            if !matches!(&*r.platform, "azure" | "entra") || denies.contains(&*r.role_id) {
                continue;
            }
            // Bindings that do not name their role carry its id for a name.
            let name = names.entry((&*r.platform, &*r.role_id)).or_insert(&*r.name);
            if **name == *r.role_id {
                *name = &*r.name;
            }
            if r.version.as_deref() == Some("disabled") {
                own.insert(&r.role_id, Entry::Disabled);
                continue;
            }
            let Some(document) = &r.document else { continue };
            let origin = (r.source_id.clone(), r.source_ref.clone());
            let entry = if &*r.platform == "azure" {
                match blocks(document) {
                    Ok(blocks) => Entry::Azure { blocks, origin: Some(origin) },
                    Err(_) => Entry::Malformed,
                }
            } else {
                match directory(&r.role_id, &r.name, document, origin) {
                    Some(entry) => entry,
                    None => continue,
                }
            };
            // A role that is listed with its content by several files: the first in order counts.
            own.entry(&r.role_id).or_insert(entry);
        }
        Self { own, names, as_of: world.as_of, memo: RefCell::default() }
    }

    /// Content of the role of an assignment; `None` when neither the inputs nor the catalogue has it.
    pub(super) fn of(&self, e: &Entitlement) -> Option<&Entry> {
        self.own.get(&*e.role_id).or_else(|| fallback().get(&*e.role_id))
    }

    /// Name of a role: as the inputs write it, else by the catalogue, else its id.
    pub(super) fn name<'n>(&'n self, platform: &'n str, role: &'n str) -> &'n str {
        let c = catalogue();
        let own = self.names.get(&(platform, role)).copied();
        own.or_else(|| c.roles.get(role).map(|r| r.name.as_str()))
            .or_else(|| c.entra.get(role).map(|p| p.name.as_str()))
            .unwrap_or(role)
    }

    /// Whether the role is switched off.
    pub(super) fn disabled(&self, e: &Entitlement) -> bool {
        matches!(self.own.get(&*e.role_id), Some(Entry::Disabled))
    }

    /// What the role gives under the condition of the assignment, less what is denied.
    pub(super) fn rights(
        &self,
        entry: Option<&Entry>,
        e: &Entitlement,
        denied: &[(usize, &Block)],
        roster: &Roster<'_>,
    ) -> Rights {
        if e.role_id.starts_with(DELEGATED) {
            return delegated(&e.role_id);
        }
        match entry {
            None => Rights::unknown("role_unexpanded"),
            Some(Entry::Malformed) => Rights::unknown("malformed"),
            Some(Entry::Disabled) => Rights::default(),
            Some(Entry::Directory(rights)) => {
                let mut rights = rights.clone();
                if let Some(c) = &e.condition {
                    rights.conditions.push(c.clone());
                    rights.certain = ClassSet::EMPTY;
                }
                rights
            }
            Some(Entry::Azure { blocks, origin }) => {
                let ids: Vec<usize> = denied.iter().map(|(i, _)| *i).collect();
                let key = (e.role_id.clone(), e.condition.clone(), ids);
                if let Some(known) = self.memo.borrow().get(&key) {
                    return known.clone();
                }
                let condition = e.condition.as_deref().map(Condition::parse);
                let denied: Vec<&Block> = denied.iter().map(|(_, b)| *b).collect();
                let q = Question {
                    blocks,
                    condition: condition.as_ref(),
                    denied: &denied,
                    as_of: self.as_of,
                };
                let v = verdict(&q, catalogue(), roster);
                let mut rights = of_verdict(v, blocks);
                rights.origin.clone_from(origin);
                if !denied.is_empty() {
                    rights.normal.push_str("|denied ");
                    rights.normal.push_str(&format!("{:?}", key.2));
                }
                self.memo.borrow_mut().insert(key, rights.clone());
                rights
            }
        }
    }

    /// All roles that a condition may let be given away.
    pub(super) fn roster(&self) -> Roster<'_> {
        let own = self.own.iter().filter_map(|(id, e)| match e {
            Entry::Azure { blocks, .. } => Some((*id, blocks.as_slice())),
            _ => None,
        });
        Roster::new(catalogue(), own)
    }

    /// Tiers by id and by name, on a whole subscription or tenant.
    pub(super) fn tiers(&self, roster: &Roster<'_>, estate: &mut Estate) {
        for ((platform, id), name) in &self.names {
            let tier = self.tier(platform, id, roster);
            estate.put_tier(text(platform), text(id), tier);
            estate.put_tier(text(platform), text(name), tier);
        }
    }

    fn tier(&self, platform: &str, id: &str, roster: &Roster<'_>) -> Option<Tier> {
        let e =
            Entitlement { role_id: text(id), platform: text(platform), ..Entitlement::default() };
        let rights = self.rights(self.of(&e), &e, &[], roster);
        let wide = if platform == "entra" { Breadth::Tenant } else { Breadth::Account };
        rights.unknown.is_none().then(|| rights.certain.tier_at(wide))
    }
}

fn of_verdict(v: Verdict, blocks: &[Block]) -> Rights {
    let mut normal: Vec<String> = blocks
        .iter()
        .map(|b| {
            let side = |plane| {
                let d = b.plane(plane);
                let list = |p: &[crate::privilege::azure::permission::Pattern]| {
                    let mut names: Vec<&str> = p.iter().map(|p| p.as_str()).collect();
                    names.sort_unstable();
                    names.dedup();
                    names.join(" ")
                };
                format!("{}-{}", list(&d.give), list(&d.except))
            };
            let c = b.condition.as_ref().map(|c| c.text.as_str()).unwrap_or_default();
            format!("{}/{}?{c}", side(Plane::Control), side(Plane::Data))
        })
        .collect();
    normal.sort_unstable();
    Rights {
        certain: v.certain,
        possible: v.possible,
        strongest: v.strongest.into_iter().map(text).collect(),
        wildcards: v.wildcards.into_iter().map(text).collect(),
        n_operations: v.n_operations,
        steps: v.steps,
        conditions: v.conditions.into_iter().map(text).collect(),
        normal: normal.join("\n"),
        ..Rights::default()
    }
}

/// A privilege of the catalogue.
fn listed(id: &str) -> Option<Rights> {
    let p = catalogue().entra.get(id)?;
    let set: ClassSet = std::iter::once(p.class).collect();
    Some(Rights {
        certain: set,
        possible: set,
        strongest: if p.role { vec![text(&p.why)] } else { vec![text(&p.name), text(&p.why)] },
        reach: p.reach.into_iter().collect(),
        normal: id.to_owned(),
        ..Rights::default()
    })
}

/// Content of a directory role, or of an application role that a resource defines. A role that is built
/// in and comes without its actions is left to the catalogue.
fn directory(id: &str, name: &str, document: &str, origin: (Text, Text)) -> Option<Entry> {
    if document.starts_with('{') {
        if let Some(known) = listed(id) {
            return Some(Entry::Directory(known));
        }
        let set: ClassSet = std::iter::once(entra::by_value(name)).collect();
        return Some(Entry::Directory(Rights {
            certain: set,
            possible: set,
            strongest: vec![text(name)],
            n_operations: Some(1),
            normal: name.to_owned(),
            origin: Some(origin),
            ..Rights::default()
        }));
    }
    match entra::content(document) {
        Err(_) => Some(Entry::Malformed),
        Ok(None) => None,
        Ok(Some(content)) => {
            let mut set = content.classes;
            let mut reach = content.reach;
            // What is known of a built-in role beyond its actions: that it administers everything.
            if let Some(known) = listed(id) {
                set.extend(known.certain);
                reach.extend(known.reach);
            }
            reach.sort_unstable();
            reach.dedup();
            Some(Entry::Directory(Rights {
                certain: set,
                possible: set,
                strongest: content.strongest.into_iter().map(text).collect(),
                n_operations: Some(content.n_actions),
                reach,
                normal: document.to_owned(),
                origin: Some(origin),
                ..Rights::default()
            }))
        }
    }
}

/// A delegated permission: at most what the user may who signed in, so never certain.
fn delegated(role_id: &str) -> Rights {
    let value = role_id.strip_prefix(DELEGATED).unwrap_or(role_id);
    let known = catalogue().privilege(value).filter(|p| !p.role).map(|p| p.class);
    let class = known.unwrap_or_else(|| entra::by_value(value));
    Rights {
        possible: std::iter::once(class).collect(),
        strongest: vec![text(value)],
        conditions: vec![text("only with the rights of the user who signed in")],
        n_operations: Some(1),
        normal: role_id.to_owned(),
        ..Rights::default()
    }
}

/// The catalogue as contents.
fn fallback() -> &'static BTreeMap<String, Entry> {
    static ALL: OnceLock<BTreeMap<String, Entry>> = OnceLock::new();
    ALL.get_or_init(|| {
        let c: &Catalogue = catalogue();
        let azure = c
            .roles
            .iter()
            .map(|(id, r)| (id.clone(), Entry::Azure { blocks: r.blocks.clone(), origin: None }));
        let entra =
            c.entra.keys().filter_map(|id| Some((id.clone(), Entry::Directory(listed(id)?))));
        azure.chain(entra).collect()
    })
}
