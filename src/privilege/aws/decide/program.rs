//! Documents made ready for decisions: compiled once per distinct text, for every layer alike.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::party::Party;
use super::{Action, Target};
use crate::privilege::aws::action::{ActionSet, Expander, pattern_covers};
use crate::privilege::aws::arn;
use crate::privilege::aws::condition::{Condition, Context};
use crate::privilege::aws::document::{Document, Effect, Patterns, Statement};
use crate::privilege::aws::tri::Tri;
use crate::privilege::aws::variable;
use crate::privilege::glob;

/// What stands in the place of the parts that a resource pattern with fewer than six lacks (5.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// Anything: identity policies, boundaries, session policies.
    Always,
    /// Anything, if the last part ends in `*`: service control policies.
    TrailingStar,
    /// Nothing: resource control policies, for which no filling up is known.
    Never,
    /// Anything, if the last part holds a `*`: resource policies.
    AnyStar,
}

/// One resource pattern.
#[derive(Clone, Debug)]
struct Pattern {
    text: String,
    /// Nothing but `*`.
    any: bool,
    /// The first five parts, joined; empty when there are fewer or one of them has a wildcard.
    plain_head: String,
    parts: Vec<String>,
    tail: String,
    variables: bool,
    wild_product: bool,
}

impl Pattern {
    fn new(text: &str) -> Self {
        let parts: Vec<String> = text.splitn(6, ':').map(str::to_owned).collect();
        let (head, tail) = arn::split_tail(text).unwrap_or_default();
        let plain = !head.contains(['*', '?']);
        Self {
            text: text.to_owned(),
            any: arn::is_any(text),
            plain_head: if plain { head.to_owned() } else { String::new() },
            tail: tail.to_owned(),
            variables: tail.contains("${"),
            wild_product: arn::wild_product(text),
            parts,
        }
    }

    /// Whether a short pattern is filled up in this layer.
    fn padded(&self, padding: Padding) -> bool {
        let last = self.parts.last().map_or("", String::as_str);
        match padding {
            Padding::Always => true,
            Padding::TrailingStar => last.ends_with('*'),
            Padding::Never => false,
            Padding::AnyStar => last.contains('*'),
        }
    }

    fn matches(
        &self,
        target: &Target<'_>,
        padding: Padding,
        variables: bool,
        context: &dyn Context,
    ) -> Tri {
        if self.any {
            return Tri::T;
        }
        let Some((head, tail)) = target.arn else { return Tri::F };
        if self.parts.len() < 6 {
            let mut pairs = self.parts.iter().zip(head.split(':'));
            let fits = self.padded(padding) && pairs.all(|(p, v)| glob::matches_ignore_case(p, v));
            return Tri::from_bool(fits);
        }
        let fits = if self.plain_head.is_empty() {
            let mut pairs = self.parts.iter().zip(head.split(':'));
            pairs.all(|(p, v)| glob::matches_ignore_case(p, v))
        } else {
            self.plain_head.eq_ignore_ascii_case(head)
        };
        if !fits {
            Tri::F
        } else if variables && self.variables {
            variable::fill(&self.tail, context, true).matches(tail)
        } else {
            Tri::from_bool(glob::matches(&self.tail, tail))
        }
    }
}

/// One statement.
#[derive(Clone, Debug)]
pub struct Line {
    /// Place in the document, from 0.
    pub index: usize,
    /// Sid.
    pub sid: Option<String>,
    /// Effect.
    pub effect: Effect,
    /// Condition as compact JSON; empty when there is none.
    pub condition_text: String,
    /// Condition.
    pub condition: Condition,
    /// The statement could not be read in full (5.1.1).
    pub doubtful: bool,
    /// Policy variables are substituted.
    pub variables: bool,
    /// Who is addressed; empty in identity policies.
    pub(super) parties: Vec<Party>,
    actions: Arc<ActionSet>,
    patterns: Patterns,
    resources: Option<Vec<Pattern>>,
    not_resource: bool,
}

impl Line {
    fn new(s: &Statement, variables: bool, expander: &mut Expander) -> Self {
        let resources = s.resources.as_ref();
        Self {
            index: s.index,
            // The console writes an empty one.
            sid: s.sid.clone().filter(|sid| !sid.is_empty()),
            effect: s.effect,
            condition_text: s.condition_text.clone(),
            condition: s.condition.clone(),
            doubtful: s.doubtful,
            variables,
            parties: s.parties.iter().map(Party::new).collect(),
            actions: expander.list(&s.actions.list, s.actions.negate),
            patterns: s.actions.clone(),
            resources: resources.map(|p| p.list.iter().map(|r| Pattern::new(r)).collect()),
            not_resource: resources.is_some_and(|p| p.negate),
        }
    }

    fn covers(&self, action: &Action<'_>) -> bool {
        match action.id {
            Some(id) => self.actions.contains(id),
            None => {
                let any = self.patterns.list.iter().any(|p| pattern_covers(p, action.text));
                any != self.patterns.negate
            }
        }
    }

    /// Whether the resource element takes the target in (5.2.3 to 5.2.6).
    fn takes_in(&self, target: &Target<'_>, padding: Padding, context: &dyn Context) -> Tri {
        let Some(list) = &self.resources else { return Tri::T };
        let mut any = Tri::F;
        for p in list {
            let mut m = p.matches(target, padding, self.variables, context);
            if m == Tri::T && p.wild_product && self.effect == Effect::Deny {
                m = Tri::U;
            }
            if m == Tri::F && self.not_resource && self.variables && p.variables {
                // What an absent variable means in a complement is not settled (5.2.6).
                m = if variable::may_lack(&p.tail, context) { Tri::U } else { m };
            }
            any = any.or(m);
            if any == Tri::T {
                break;
            }
        }
        if self.not_resource { !any } else { any }
    }

    /// Whether the statement speaks about the request, its parties aside (5.4.1).
    pub(super) fn speaks(
        &self,
        action: &Action<'_>,
        target: &Target<'_>,
        padding: Padding,
        context: &dyn Context,
    ) -> Tri {
        if !self.covers(action) {
            return Tri::F;
        }
        let mut m = self.takes_in(target, padding, context);
        if m == Tri::F {
            return m;
        }
        if self.doubtful {
            m = Tri::U;
        }
        if self.condition.is_empty() {
            m
        } else {
            m.and(self.condition.evaluate(context, self.variables))
        }
    }

    /// Lower-case keys of variables in the resource element that the context does not know, sorted.
    pub(super) fn open_variables(&self, context: &dyn Context) -> Vec<String> {
        let mut out = Vec::new();
        for p in self.resources.iter().flatten().filter(|p| p.variables && self.variables) {
            out.extend(variable::unknown_keys(&p.text, context));
        }
        out.sort_unstable();
        out.dedup();
        out
    }

    /// A Deny pattern has a wildcard in the product part of an ARN (5.2.3).
    pub(super) fn wild_product(&self) -> bool {
        self.effect == Effect::Deny && self.resources.iter().flatten().any(|p| p.wild_product)
    }
}

/// A document ready for decisions.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// Statements in order.
    pub lines: Vec<Line>,
    /// What is wrong with the document.
    pub malformed: Option<String>,
}

impl Program {
    /// Compiles one document; [`Programs`] shares the work between many.
    #[must_use]
    pub fn new(document: &Document, expander: &mut Expander) -> Self {
        let variables = document.variables;
        let lines = document.statements.iter().map(|s| Line::new(s, variables, expander));
        Self { lines: lines.collect(), malformed: document.malformed.clone() }
    }
}

/// Compiled documents by text.
#[derive(Debug, Default)]
pub struct Programs {
    expander: Expander,
    known: BTreeMap<String, Arc<Program>>,
}

impl Programs {
    /// The program of a document's text (JSON).
    pub fn of(&mut self, text: &str) -> Arc<Program> {
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        let made = Arc::new(Program::new(&Document::parse(text), &mut self.expander));
        self.known.insert(text.to_owned(), made.clone());
        made
    }

    /// The program of a document that was read already.
    pub fn compile(&mut self, document: &Document) -> Program {
        Program::new(document, &mut self.expander)
    }
}
