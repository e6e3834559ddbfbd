//! Deny policies at and above a scope.

use std::collections::HashMap;
use std::sync::Arc;

use fixedbitset::FixedBitSet;
use serde_json::Value;

use super::groups::Groups;
use super::tree::Tree;
use crate::facts::{Facts, GuardrailKind, Text, Tri, text};
use crate::privilege::gcp::content::Lexicon;
use crate::privilege::gcp::deny::Rule;
use crate::privilege::gcp::member::Member;

/// Rules that hold for one principal at one scope, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signature {
    /// They surely hold.
    pub certain: Vec<usize>,
    /// The inputs do not decide whether they hold.
    pub maybe: Vec<usize>,
    /// What remains undecided, in words.
    pub notes: Vec<Text>,
}

#[derive(Debug)]
struct Denied {
    rule: Rule,
    /// Permissions that it takes away.
    set: FixedBitSet,
    name: Text,
    at: (Text, Text),
}

/// All deny rules.
#[derive(Debug, Default)]
pub struct Denies {
    rules: Vec<Denied>,
    by_target: HashMap<Text, Vec<usize>>,
    none: Arc<Signature>,
}

impl Denies {
    /// Reads the policies and their attachments. Rules that cannot be read hold in doubt for everything
    /// that cannot be read: they are listed in quarantine by the adapter.
    pub fn new(facts: &Facts, lexicon: &mut Lexicon) -> Self {
        let documents: HashMap<&Text, &Text> = facts
            .roles
            .iter()
            .filter(|r| &*r.platform == "gcp")
            .filter_map(|r| Some((&r.role_id, r.document.as_ref()?)))
            .collect();
        // Names that only custom roles hold must have numbers before rules are set against them.
        let mut out = Self::default();
        let attached = facts
            .guardrails
            .iter()
            .filter(|g| &*g.platform == "gcp" && g.kind == GuardrailKind::Deny);
        for g in attached {
            let (Some(target), Some(document)) = (&g.target_id, documents.get(&g.role_id)) else {
                continue;
            };
            let Ok(value) = serde_json::from_str::<Value>(document) else { continue };
            let rules = value.get("rules").and_then(Value::as_array);
            for r in rules.into_iter().flatten() {
                let Some(rule) = r.get("denyRule").map(read) else { continue };
                let (ids, _) = rule.denied(lexicon.names().iter().map(|n| &**n));
                let mut set = FixedBitSet::with_capacity(lexicon.names().len());
                ids.into_iter().for_each(|i| set.insert(i));
                out.by_target.entry(target.clone()).or_default().push(out.rules.len());
                out.rules.push(Denied {
                    rule,
                    set,
                    name: g.name.clone(),
                    at: (g.source_id.clone(), g.source_ref.clone()),
                });
            }
        }
        out
    }

    /// Rules that hold for a principal at a scope: those attached to it or above it.
    pub fn signature(
        &self,
        tree: &Tree,
        scope: &Text,
        who: &Member,
        groups: &Groups,
    ) -> Arc<Signature> {
        if self.rules.is_empty() {
            return self.none.clone();
        }
        let mut out = Signature::default();
        for node in tree.up(scope) {
            for i in self.by_target.get(&node).into_iter().flatten() {
                let Some(d) = self.rules.get(*i) else { continue };
                match d.rule.applies(who, groups) {
                    Tri::Yes => out.certain.push(*i),
                    Tri::Conditional => {
                        out.maybe.push(*i);
                        out.notes.push(text(format!("deny policy `{}` may hold", d.name)));
                    }
                    Tri::No => {}
                }
            }
        }
        if out == Signature::default() {
            return self.none.clone();
        }
        out.notes.sort_unstable();
        out.notes.dedup();
        Arc::new(out)
    }

    /// Takes what some rules deny out of a set.
    pub fn take(&self, rules: &[usize], set: &mut FixedBitSet) {
        for d in rules.iter().filter_map(|i| self.rules.get(*i)) {
            set.difference_with(&d.set);
        }
    }

    /// Evidence of the rules of a signature.
    pub fn refs(&self, signature: &Signature) -> Vec<(Text, Text)> {
        let all = signature.certain.iter().chain(&signature.maybe);
        all.filter_map(|i| self.rules.get(*i)).map(|d| d.at.clone()).take(4).collect()
    }
}

fn read(value: &Value) -> Rule {
    let list = |key: &str| -> Vec<String> {
        let items = value.get(key).and_then(Value::as_array);
        items.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let condition = value.pointer("/denialCondition/expression").and_then(Value::as_str);
    Rule {
        principals: list("deniedPrincipals"),
        exceptions: list("exceptionPrincipals"),
        permissions: list("deniedPermissions"),
        exempt: list("exceptionPermissions"),
        condition: condition.filter(|c| !c.trim().is_empty()).map(str::to_owned),
    }
}
