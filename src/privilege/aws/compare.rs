//! Whether a principal may do more than before (5.6, no-new-access): effective rights compared, whatever
//! the wording.
//!
//! Two snapshots hold the policies in force on each principal, by layer. What the newer one allows is
//! covered when, statement by statement and for every action, the older one allowed it on the same
//! resources under conditions at least as wide, and when every Deny and every ceiling of the older one
//! still cuts as much. The answer is sound: *covered* holds for every request with an action that the
//! catalogue or either side's words know. *Wider* may also be said
//! of a rewording that this comparison cannot follow; it names the statement, so that a person can.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::action::{ActionSet, Expander, catalogue};
use super::arn::{self, Home, Spreader};
use super::document::{Document, Effect};
use super::evaluate::as_guardrail;
use crate::facts::Text;

mod rule;
mod snapshot;

use rule::Rule;
pub use snapshot::{Layer, Part, Snapshot, document_digest};

/// How the access of a principal, or of one of its policies, changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessChange {
    /// The same policies.
    Same,
    /// Other policies or words; nothing is allowed that was not.
    Covered,
    /// More is allowed: why, one line each.
    Wider(Vec<String>),
}

impl AccessChange {
    /// Nothing is allowed that was not.
    #[must_use]
    pub fn is_covered(&self) -> bool {
        !matches!(self, Self::Wider(_))
    }
}

/// Most reasons that are listed.
const REASONS: usize = 5;
/// Most actions that a reason names.
const NAMED: usize = 3;

/// The policies of one principal on one side, read.
#[derive(Clone, Debug, Default)]
struct Side {
    /// Allow statements of identity policies, with the policy.
    allow: Vec<(Text, Rule)>,
    /// Deny statements of all layers.
    deny: Vec<Rule>,
    /// Allow statements of each ceiling whose content is known.
    ceilings: Vec<Vec<Rule>>,
    /// Policies whose content is unknown.
    unknown: BTreeSet<Text>,
    /// Policies of limits of which one has unknown content: what those let through is unknown too.
    veiled: BTreeSet<Part>,
}

/// Compares principals of two snapshots; remembers what it has read.
#[derive(Debug)]
pub struct Comparer<'a> {
    old: &'a Snapshot,
    new: &'a Snapshot,
    /// Documents by digest, and whether they are read as organisation policies.
    documents: BTreeMap<(&'a str, bool), Document>,
    expander: Expander,
    spreader: Spreader,
    /// Both sides of the principal asked last: its policies are asked one after the other.
    last: Option<(String, Arc<(Side, Side)>)>,
}

impl<'a> Comparer<'a> {
    /// Comparison of a newer snapshot with an older one.
    #[must_use]
    pub fn new(old: &'a Snapshot, new: &'a Snapshot) -> Self {
        Self {
            old,
            new,
            documents: BTreeMap::new(),
            expander: Expander::default(),
            spreader: Spreader::default(),
            last: None,
        }
    }

    /// Whether the newer snapshot has policies of a principal.
    #[must_use]
    pub fn knows(&self, id: &str) -> bool {
        !self.new.parts(id).is_empty()
    }

    /// How the whole access of a principal changed.
    pub fn principal(&mut self, id: &str) -> AccessChange {
        self.change(id, None)
    }

    /// How what one policy of a principal gives changed, given all its other policies.
    pub fn policy(&mut self, id: &str, role_id: &str) -> AccessChange {
        self.change(id, Some(role_id))
    }

    fn change(&mut self, id: &str, only: Option<&str>) -> AccessChange {
        let (old, new) = (self.old.parts(id), self.new.parts(id));
        if same(old, new) {
            return AccessChange::Same;
        }
        let sides = self.sides(id, old, new);
        let (old, new) = &*sides;
        let asked = |role: &Text| only.is_none_or(|r| r == &**role);
        let mut reasons: BTreeSet<String> = new
            .unknown
            .difference(&old.unknown)
            .filter(|r| asked(r))
            .map(|r| format!("the content of `{r}` is not in the inputs"))
            .collect();
        for (role, rule) in new.allow.iter().filter(|(role, _)| asked(role)) {
            if let Some(why) = gained(rule, old, new) {
                reasons.insert(format!("`{role}` {}: {why}", rule.label));
            }
        }
        if reasons.is_empty() {
            return AccessChange::Covered;
        }
        let more = reasons.len().saturating_sub(REASONS);
        let mut list: Vec<String> = reasons.into_iter().take(REASONS).collect();
        if more > 0 {
            list.push(format!("and {more} further statements"));
        }
        AccessChange::Wider(list)
    }

    /// Both sides of a principal, read once for all of its policies in a row.
    fn sides(&mut self, id: &str, old: &'a [Part], new: &'a [Part]) -> Arc<(Side, Side)> {
        if let Some((_, sides)) = self.last.as_ref().filter(|(known, _)| known == id) {
            return Arc::clone(sides);
        }
        let home = Home::of(id);
        let (of_old, of_new) = (self.old, self.new);
        let sure = surely_limiting(old, new);
        let sides = Arc::new((
            self.side(old.iter().collect(), of_old, &home),
            self.side(sure, of_new, &home),
        ));
        self.last = Some((id.to_owned(), Arc::clone(&sides)));
        sides
    }

    fn side(&mut self, parts: Vec<&'a Part>, of: &'a Snapshot, home: &Home) -> Side {
        let mut out = Side::default();
        let mut ceilings: BTreeMap<&Layer, Option<Vec<Rule>>> = BTreeMap::new();
        for part in &parts {
            let rules = part
                .digest
                .as_ref()
                .and_then(|d| of.documents.get(d).map(|t| (&**d, t)))
                .map(|(digest, t)| self.rules(digest, t, home, &part.layer));
            let Some(rules) = rules else {
                if part.layer == Layer::Identity {
                    out.unknown.insert(part.role_id.clone());
                } else {
                    ceilings.insert(&part.layer, None);
                }
                continue;
            };
            let (allow, deny): (Vec<Rule>, Vec<Rule>) =
                rules.into_iter().partition(|r| r.effect == Effect::Allow);
            out.deny.extend(deny);
            match &part.layer {
                Layer::Identity => {
                    out.allow.extend(allow.into_iter().map(|r| (part.role_id.clone(), r)));
                }
                layer => {
                    if let Some(list) = ceilings.entry(layer).or_insert_with(|| Some(Vec::new())) {
                        list.extend(allow);
                    }
                }
            }
        }
        // What one policy of a level does not say leaves the whole level open.
        let veiled = |p: &&&Part| matches!(ceilings.get(&p.layer), Some(None));
        out.veiled = parts.iter().filter(veiled).map(|p| (*p).clone()).collect();
        out.ceilings = ceilings.into_values().flatten().collect();
        out
    }

    fn rules(&mut self, digest: &'a str, document: &str, home: &Home, layer: &Layer) -> Vec<Rule> {
        let above = matches!(layer, Layer::Guardrail(_));
        let document = self.documents.entry((digest, above)).or_insert_with(|| {
            let document = Document::parse(document);
            if above { as_guardrail(&document) } else { document }
        });
        document
            .statements
            .iter()
            .map(|s| Rule::new(s, document.variables, home, &mut self.expander, &mut self.spreader))
            .collect()
    }
}

fn same(old: &[Part], new: &[Part]) -> bool {
    old == new && new.iter().all(|p| p.digest.is_some())
}

/// Parts of the newer side without levels that may not lie above the account: such a level limits only
/// where the older side has the very same.
fn surely_limiting<'a>(old: &'a [Part], new: &'a [Part]) -> Vec<&'a Part> {
    let of = |parts: &'a [Part], layer: &Layer| -> Vec<&'a Part> {
        parts.iter().filter(|p| p.layer == *layer).collect()
    };
    new.iter().filter(|p| p.layer.is_sure() || of(old, &p.layer) == of(new, &p.layer)).collect()
}

/// What a statement allows now and did not before; `None` for nothing.
fn gained(rule: &Rule, old: &Side, new: &Side) -> Option<String> {
    let before: Vec<&Rule> = old.allow.iter().map(|(_, r)| r).collect();
    for shape in rule.shapes() {
        let mut mine = rule.on_shape(shape);
        for deny in new.deny.iter().filter(|d| d.always() && d.takes_in(rule, shape)) {
            mine.difference_with(&deny.actions);
        }
        for ceiling in &new.ceilings {
            let mut open = catalogue().none();
            for c in ceiling.iter().filter(|c| c.touches(rule, shape)) {
                open.union_with(&c.actions);
            }
            mine.intersect_with(&open);
        }
        let fresh = uncovered(rule, shape, &mine, &before, &new.deny);
        if !fresh.is_clear() {
            return Some(say("allows", &fresh, shape));
        }
        if let Some(pattern) = odd_gain(rule, shape, old, new) {
            return Some(format!("allows `{pattern}` on `{shape}`"));
        }
        let freed = no_longer_denied(rule, shape, &mine, old, new);
        if !freed.is_clear() {
            return Some(say("is no longer denied", &freed, shape));
        }
        let lifted = no_longer_limited(rule, shape, &mine, old, new);
        if !lifted.is_clear() {
            return Some(say(
                "is no longer limited by a boundary or organisation policy for",
                &lifted,
                shape,
            ));
        }
    }
    None
}

fn say(what: &str, actions: &ActionSet, shape: &str) -> String {
    let names: Vec<&str> = actions.ones().take(NAMED).map(|id| catalogue().name(id)).collect();
    let more = actions.count_ones(..).saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more actions") } else { String::new() };
    format!("{what} {}{more} on `{shape}`", names.join(", "))
}

/// Actions of `mine` that no statement of `by` allows on the whole shape under conditions as wide.
fn uncovered(
    rule: &Rule,
    shape: &str,
    mine: &ActionSet,
    by: &[&Rule],
    denies: &[Rule],
) -> ActionSet {
    let mut left = mine.clone();
    for q in by.iter().filter(|q| q.holds_when(rule)) {
        if left.is_clear() {
            break;
        }
        if let Some(except) = q.covers(rule, shape) {
            let mut took = (*q.actions).clone();
            // What the older statement spares must be denied by the newer side.
            for spared in except {
                let mut denied = catalogue().none();
                for d in denies.iter().filter(|d| d.always() && d.takes_in_pattern(spared)) {
                    denied.union_with(&d.actions);
                }
                took.intersect_with(&denied);
            }
            left.difference_with(&took);
        }
    }
    left
}

/// An action pattern of either side that stands for nothing in the catalogue, and that is allowed now
/// and was not: the sets of actions cannot tell, the words can.
fn odd_gain<'o>(rule: &Rule, shape: &str, old: &'o Side, new: &'o Side) -> Option<&'o str> {
    let words = [old, new].into_iter().flat_map(|side| {
        let allow = side.allow.iter().map(|(_, r)| r);
        allow.chain(&side.deny).chain(side.ceilings.iter().flatten())
    });
    let odd: BTreeSet<&str> = words.flat_map(|r| r.strange()).filter(|t| rule.meets(t)).collect();
    odd.into_iter().find(|t| odd_now(rule, shape, t, new) && !odd_before(rule, shape, t, old, new))
}

fn odd_now(rule: &Rule, shape: &str, odd: &str, new: &Side) -> bool {
    !new.deny.iter().any(|d| d.always() && d.takes_in(rule, shape) && d.names(odd))
        && new
            .ceilings
            .iter()
            .all(|limit| limit.iter().any(|c| c.touches(rule, shape) && c.meets(odd)))
}

fn odd_before(rule: &Rule, shape: &str, odd: &str, old: &Side, new: &Side) -> bool {
    let whole = |q: &Rule, r: &Rule, s: &str| {
        q.holds_when(r) && q.covers(r, s).is_some_and(|e| e.is_empty()) && q.names(odd)
    };
    let still_denied = |d: &Rule| {
        let covers = |n: &Rule| {
            n.holds_when(d) && n.names(odd) && d.shapes().iter().all(|s| n.takes_in(d, s))
        };
        new.deny.iter().any(covers)
    };
    let still_limited = |limit: &[Rule]| {
        limit.iter().any(|l| whole(l, rule, shape))
            || new.ceilings.iter().any(|ceiling| {
                ceiling
                    .iter()
                    .filter(|c| c.touches(rule, shape) && c.meets(odd))
                    .all(|c| c.shapes().iter().all(|s| limit.iter().any(|l| whole(l, c, s))))
            })
    };
    old.allow.iter().any(|(_, q)| whole(q, rule, shape))
        && old.deny.iter().filter(|d| d.touches(rule, shape) && d.meets(odd)).all(still_denied)
        && old.ceilings.iter().all(|limit| still_limited(limit))
}

/// Actions that a Deny of the older side cut on part of the shape and that nothing cuts now.
fn no_longer_denied(
    rule: &Rule,
    shape: &str,
    mine: &ActionSet,
    old: &Side,
    new: &Side,
) -> ActionSet {
    let mut out = catalogue().none();
    for deny in old.deny.iter().filter(|d| d.touches(rule, shape)) {
        let mut lost = (*deny.actions).clone();
        lost.intersect_with(mine);
        for d in new.deny.iter().filter(|d| d.holds_when(deny)) {
            let whole = deny.shapes().iter().all(|s| d.takes_in(deny, s));
            if whole {
                lost.difference_with(&d.actions);
            }
        }
        out.union_with(&lost);
    }
    out
}

/// Actions that a ceiling of the older side cut on part of the shape and that no ceiling cuts as much now.
fn no_longer_limited(
    rule: &Rule,
    shape: &str,
    mine: &ActionSet,
    old: &Side,
    new: &Side,
) -> ActionSet {
    let mut out = catalogue().none();
    // What an unknown limit let through is unknown: only the same unknown is as narrow.
    if !old.veiled.is_subset(&new.veiled) {
        out.union_with(mine);
    }
    for limit in &old.ceilings {
        let limit: Vec<&Rule> = limit.iter().collect();
        let mut left = uncovered(rule, shape, mine, &limit, &new.deny);
        for ceiling in &new.ceilings {
            if left.is_clear() {
                break;
            }
            let mut beyond = catalogue().none();
            for c in ceiling.iter().filter(|c| c.touches(rule, shape)) {
                for s in c.shapes() {
                    let mut set = c.on_shape(s);
                    set.intersect_with(&left);
                    beyond.union_with(&uncovered(c, s, &set, &limit, &new.deny));
                }
            }
            left = beyond;
        }
        out.union_with(&left);
    }
    out
}

/// Whether `inner` is within `outer`, both resource patterns, variables standing for anything.
fn within(inner: &str, outer: &str, same_version: bool) -> bool {
    (inner == outer && (same_version || !inner.contains("${")))
        || (!outer.contains("${") && arn::contains(outer, &arn::widen_variables(inner)))
}

#[cfg(test)]
mod tests;
