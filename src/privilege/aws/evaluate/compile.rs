//! From document to compiled statements.

use super::super::action::Expander;
use super::super::arn::{Home, Spreader};
use super::super::document::{Document, Statement};
use super::{Compiled, Policy};

/// Compiles documents; remembers expansions.
#[derive(Debug, Default)]
pub struct Compiler {
    expander: Expander,
    spreader: Spreader,
}

const PERSONAL: [&str; 3] = ["aws:principalarn", "aws:username", "aws:userid"];

impl Compiler {
    /// Compiles a document for principals of this partition and account.
    pub fn compile(&self, document: &Document, home: &Home) -> Policy {
        let statements: Vec<Compiled> = document
            .statements
            .iter()
            .map(|s| self.statement(s, home, document.variables))
            .collect();
        let personal = statements.iter().any(|s| {
            s.condition
                .keys()
                .iter()
                .any(|k| PERSONAL.contains(k) || k.starts_with("aws:principaltag/"))
                || (s.variables && s.condition_text.contains("${"))
                || s.resources.iter().flatten().any(|r| s.variables && r.contains("${"))
        });
        Policy { statements, malformed: document.malformed.clone(), personal }
    }

    /// Compiles an organisation policy: a resource pattern with fewer than six parts is filled up only
    /// when its last part ends in `*`, else it matches nothing (5.2.3).
    pub fn compile_guardrail(&self, document: &Document, home: &Home) -> Policy {
        self.compile(&as_guardrail(document), home)
    }

    fn statement(&self, s: &Statement, home: &Home, variables: bool) -> Compiled {
        let actions = self.expander.list(&s.actions.list, s.actions.negate);
        let (resources, negate, spread) = match &s.resources {
            None => (None, false, None),
            Some(p) => (Some(p.list.clone()), p.negate, Some(self.spreader.list(home, &p.list))),
        };
        let own = !negate
            && variables
            && resources.as_ref().is_some_and(|list| {
                !list.is_empty()
                    && list.iter().all(|r| {
                        let r = r.to_ascii_lowercase();
                        r.ends_with("/${aws:username}") || r.ends_with("/${aws:userid}")
                    })
            });
        let sid = s.sid.as_deref().map(|sid| format!(" ({sid})")).unwrap_or_default();
        Compiled {
            label: format!("statement {}{sid}", s.index),
            effect: s.effect,
            actions,
            patterns: s.actions.clone(),
            resources,
            negate,
            spread,
            condition: s.condition.clone(),
            condition_text: s.condition_text.clone(),
            variables,
            doubtful: s.doubtful,
            own,
        }
    }
}

/// A document as an organisation policy reads it: without the resource patterns that match nothing
/// there (5.2.3).
#[must_use]
pub fn as_guardrail(document: &Document) -> Document {
    let mut document = document.clone();
    for p in document.statements.iter_mut().filter_map(|s| s.resources.as_mut()) {
        p.list.retain(|r| r.ends_with('*') || r.splitn(6, ':').count() == 6);
    }
    document
}
