//! One statement, ready to be compared with others.

use std::sync::Arc;

use super::within;
use crate::privilege::aws::action::{ActionSet, Expander};
use crate::privilege::aws::arn::{self, Home, Spread, Spreader};
use crate::privilege::aws::condition::Condition;
use crate::privilege::aws::document::{Effect, Patterns, Statement};
use crate::privilege::glob;

const EVERYTHING: &[String] = &[];

/// A statement with its actions as a set.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Place in the document and Sid.
    pub label: String,
    /// Effect.
    pub effect: Effect,
    /// Actions of the catalogue.
    pub actions: Arc<ActionSet>,
    written: Patterns,
    strange: Vec<String>,
    resources: Option<Patterns>,
    shapes: Vec<String>,
    /// What each shape touches, in their order.
    spread: Vec<Arc<Spread>>,
    condition: Condition,
    condition_text: String,
    variables: bool,
    doubtful: bool,
}

impl Rule {
    /// Reads a statement for a principal of this partition and account.
    pub fn new(
        s: &Statement,
        variables: bool,
        home: &Home,
        expander: &mut Expander,
        spreader: &mut Spreader,
    ) -> Self {
        let actions = expander.list(&s.actions.list, s.actions.negate);
        // A text that is no action pattern at all matches nothing (5.2.1).
        let shaped = |p: &&String| p.contains(':') && !p.contains(char::is_whitespace);
        let strange = s
            .actions
            .list
            .iter()
            .filter(shaped)
            .filter(|p| expander.list(std::slice::from_ref(*p), false).is_clear())
            .cloned()
            .collect();
        let shapes = match &s.resources {
            Some(p) if !p.negate => p.list.clone(),
            _ => vec!["*".to_owned()],
        };
        let spread = shapes.iter().map(|p| spreader.list(home, std::slice::from_ref(p))).collect();
        let sid = s.sid.as_deref().map(|sid| format!(" ({sid})")).unwrap_or_default();
        Self {
            label: format!("statement {}{sid}", s.index),
            effect: s.effect,
            actions,
            written: s.actions.clone(),
            strange,
            resources: s.resources.clone(),
            shapes,
            spread,
            condition: s.condition.clone(),
            condition_text: s.condition_text.clone(),
            variables,
            doubtful: s.doubtful,
        }
    }

    /// Resource patterns; `*` for a statement without resources and for a complement.
    pub fn shapes(&self) -> &[String] {
        &self.shapes
    }

    /// Action patterns, exceptions of a complement among them, that stand for nothing in the catalogue.
    pub fn strange(&self) -> impl Iterator<Item = &str> {
        self.strange.iter().map(String::as_str)
    }

    /// Actions that can have a resource of this shape.
    pub fn on_shape(&self, shape: &str) -> ActionSet {
        let mut out = (*self.actions).clone();
        let place = self.shapes.iter().position(|s| s == shape);
        if let Some(spread) = place.and_then(|i| self.spread.get(i))
            && !spread.everything
        {
            out.intersect_with(&spread.touched);
        }
        out
    }

    /// Applies whatever the request.
    pub fn always(&self) -> bool {
        self.condition.is_empty() && !self.doubtful
    }

    /// Applies whenever `other` applies.
    pub fn holds_when(&self, other: &Self) -> bool {
        if self.doubtful {
            return other.doubtful && self.same_words(other);
        }
        self.condition.is_empty()
            || ((self.variables == other.variables || !self.condition_text.contains("${"))
                && (self.condition_text == other.condition_text
                    || other.condition.implies(&self.condition)))
    }

    fn same_words(&self, other: &Self) -> bool {
        self.written == other.written
            && self.resources == other.resources
            && self.condition_text == other.condition_text
    }

    /// Patterns that a complement spares.
    fn spared(&self) -> &[String] {
        match &self.resources {
            Some(p) if p.negate => &p.list,
            _ => EVERYTHING,
        }
    }

    /// Whether this takes in all of a shape of `rule`, but for the patterns given back; `None` when it
    /// does not.
    pub fn covers(&self, rule: &Self, shape: &str) -> Option<Vec<&str>> {
        let same = self.variables == rule.variables;
        match &self.resources {
            None => Some(Vec::new()),
            Some(p) if !p.negate => p.list.iter().any(|r| within(shape, r, same)).then(Vec::new),
            Some(p) => Some(
                p.list
                    .iter()
                    .filter(|r| {
                        arn::overlaps(&arn::widen_variables(r), &arn::widen_variables(shape))
                    })
                    .filter(|r| !rule.spared().iter().any(|mine| within(r, mine, same)))
                    .map(String::as_str)
                    .collect(),
            ),
        }
    }

    /// Whether this takes in every resource of a shape of `rule`.
    pub fn takes_in(&self, rule: &Self, shape: &str) -> bool {
        self.covers(rule, shape).is_some_and(|e| e.is_empty())
            // A wildcard in the product part of a Deny is undecided (5.2.3).
            && (self.effect == Effect::Allow || !self.shapes.iter().any(|r| arn::wild_product(r)))
    }

    /// Whether this takes in every resource of a pattern.
    pub fn takes_in_pattern(&self, pattern: &str) -> bool {
        match &self.resources {
            None => true,
            Some(p) if p.negate => !p
                .list
                .iter()
                .any(|r| arn::overlaps(&arn::widen_variables(r), &arn::widen_variables(pattern))),
            Some(p) => p.list.iter().any(|r| !arn::wild_product(r) && within(pattern, r, false)),
        }
    }

    /// Whether some resource of a shape of `rule` is taken in.
    pub fn touches(&self, rule: &Self, shape: &str) -> bool {
        match &self.resources {
            None => true,
            Some(p) if p.negate => !p.list.iter().any(|r| within(shape, r, false)),
            Some(p) => p.list.iter().any(|r| {
                arn::overlaps(&arn::widen_variables(r), &arn::widen_variables(shape))
                    && !rule.spared().iter().any(|mine| within(r, mine, false))
            }),
        }
    }

    /// Whether the actions as written contain all that this pattern stands for.
    pub fn names(&self, pattern: &str) -> bool {
        let list = &self.written.list;
        if self.written.negate {
            !list.iter().any(|p| overlap(p, pattern))
        } else {
            list.iter().any(|p| contain(p, pattern))
        }
    }

    /// Whether the actions as written contain something that this pattern stands for.
    pub fn meets(&self, pattern: &str) -> bool {
        let list = &self.written.list;
        if self.written.negate {
            !list.iter().any(|p| contain(p, pattern))
        } else {
            list.iter().any(|p| overlap(p, pattern))
        }
    }
}

fn contain(outer: &str, inner: &str) -> bool {
    outer == "*" || both(outer, inner, glob::contains_ignore_case)
}

fn overlap(a: &str, b: &str) -> bool {
    a == "*" || both(a, b, glob::overlaps_ignore_case)
}

/// Applies a question to the service parts and to the names of two action patterns.
fn both(a: &str, b: &str, ask: impl Fn(&str, &str) -> bool) -> bool {
    let (Some((s, x)), Some((t, y))) = (a.split_once(':'), b.split_once(':')) else { return false };
    ask(s, t) && ask(x, y)
}
