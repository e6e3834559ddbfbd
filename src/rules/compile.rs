//! A rule made ready to run: expressions typed, columns resolved, the message compiled. Whatever is
//! wrong is collected, so that one look shows all of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::error::{Problem, RuleError};
use super::expr::{Kind, Node};
use super::message::{GLOBALS, Message};
use super::model::Rule;
use super::{parse, severity};
use crate::facts::{ColumnDef, TableDef, Text, store, text};
use crate::findings::{ControlRef, Severity};

/// Frameworks whose controls are outcomes or threats that a rule supports but never tests.
const ALWAYS_SUPPORTS: [&str; 3] = ["owasp-asi-2026", "csa-maestro-2025", "nist-ai-rmf-1.0"];

/// A rule ready to run.
#[derive(Debug)]
pub struct Compiled<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// Its title; findings share this and the next two.
    pub title: Text,
    /// Remedy.
    pub remediation: Text,
    /// Names of the columns that are evidence, in order, each once.
    pub evidence: Arc<[Text]>,
    /// Its table.
    pub table: TableDef,
    /// Filter of the population.
    pub filter: Option<Node>,
    /// Exception.
    pub exception: Node,
    /// Possible exception.
    pub possible: Option<Node>,
    /// Severity modifiers: condition, up (or down), reason.
    pub modifiers: Vec<(Node, bool, &'a str)>,
    /// Basis of the severity.
    pub basis: severity::Basis,
    /// Column of the tier that the severity and the finding go by.
    pub tier_column: &'a str,
    /// Columns whose null explains why a row is not assessed, in order.
    pub unknown: Vec<(&'static str, Reason<'a>)>,
    /// Identity columns.
    pub identity: IdentityColumns,
    /// Message.
    pub message: Message,
    /// Controls.
    pub controls: Arc<[ControlRef]>,
}

/// Where the reason of a row not assessed comes from.
#[derive(Clone, Copy, Debug)]
pub enum Reason<'a> {
    /// A reason code.
    Code(&'a str),
    /// A column that holds the reason.
    Column(&'static str),
}

/// Columns that identify a finding; `None` where the table has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdentityColumns {
    /// Principal.
    pub subject: Option<&'static str>,
    /// Privilege.
    pub privilege: Option<&'static str>,
    /// Scope.
    pub scope: Option<&'static str>,
    /// Grant, credential, waiver or source.
    pub item: Option<&'static str>,
}

/// Makes a rule ready to run.
///
/// # Errors
/// Everything that is wrong with it.
pub fn compile<'a>(rule: &'a Rule, file: &str) -> Result<Compiled<'a>, RuleError> {
    let mut problems = Problems { file, rule: &rule.id, found: Vec::new() };
    let Some(table) = store::table(&rule.population.table) else {
        let known = store::all_tables().iter().map(|t| t.name).collect::<Vec<_>>().join(", ");
        problems.add(
            "population.table",
            format!("unknown table `{}`; known: {known}", rule.population.table),
        );
        return Err(RuleError::Invalid { problems: problems.found });
    };
    let filter = rule
        .population
        .filter
        .as_deref()
        .map(|t| problems.predicate("population.where", t, &table));
    let exception = problems.predicate("exception", &rule.exception, &table);
    let possible = rule.possible.as_deref().map(|t| problems.predicate("possible", t, &table));
    let modifiers = problems.modifiers(rule, &table);
    let (word, tier_column) = severity::tier_column(&rule.severity.0);
    let basis = severity::Basis::read(word);
    match &basis {
        None => problems.add(
            "severity",
            format!(
                "unknown severity `{}`; use tier, tier+1, tier-1, tier of COLUMN, critical, high, medium, low or info",
                rule.severity.0
            ),
        ),
        Some(severity::Basis::Tier(_)) if table.column(tier_column).is_none() => {
            problems
                .add("severity", format!("table `{}` has no column `{tier_column}`", table.name));
        }
        Some(_) => {}
    }
    let unknown = problems.unknown(rule, &table);
    let identity = problems.identity(rule, &table);
    for (field, names) in [("evidence", &rule.evidence), ("state", &rule.state)] {
        for name in names {
            problems.column(field, name, &table);
        }
    }
    let message = problems.message(&rule.message, &table);
    match (filter.transpose_all(), exception, possible.transpose_all(), basis, message) {
        (Some(filter), Some(exception), Some(possible), Some(basis), Some(message))
            if problems.found.is_empty() =>
        {
            Ok(Compiled {
                rule,
                title: text(&rule.title),
                remediation: text(&rule.remediation),
                evidence: rule
                    .evidence
                    .iter()
                    .map(text)
                    .collect::<BTreeSet<_>>()
                    .into_iter()
                    .collect(),
                table,
                filter,
                exception,
                possible,
                modifiers,
                basis,
                tier_column,
                unknown,
                identity,
                message,
                controls: controls(rule).into(),
            })
        }
        _ => Err(RuleError::Invalid { problems: problems.found }),
    }
}

/// Controls of a rule with their relation: the first id of a framework tests, later ones support.
#[must_use]
pub fn controls(rule: &Rule) -> Vec<ControlRef> {
    let mut all = Vec::new();
    for (framework, ids) in &rule.controls {
        for (i, id) in ids.iter().enumerate() {
            let tests = i == 0 && !ALWAYS_SUPPORTS.contains(&framework.as_str());
            all.push(ControlRef {
                framework: framework.clone(),
                id: id.clone(),
                relation: if tests { "tests" } else { "supports" }.into(),
            });
        }
    }
    all
}

impl Compiled<'_> {
    /// Severity of the rule where it does not depend on the row.
    #[must_use]
    pub fn fixed_severity(&self) -> Option<Severity> {
        match self.basis {
            severity::Basis::Fixed(s) => Some(s),
            severity::Basis::Tier(_) => None,
        }
    }

    /// Names of the limits that the rule's expressions read.
    #[must_use]
    pub fn limits(&self) -> BTreeSet<&'static str> {
        let mut names = BTreeSet::new();
        for node in self.expressions() {
            node.walk(&mut |n| {
                if let Kind::Limit(name) = n.kind {
                    names.insert(name);
                }
            });
        }
        names
    }

    /// Columns that the filter and the exceptions read.
    #[must_use]
    pub fn columns(&self) -> BTreeSet<&'static str> {
        let mut names = BTreeSet::new();
        for node in self.filter.iter().chain([&self.exception]).chain(&self.possible) {
            node.walk(&mut |n| {
                if let Kind::Column(c) = n.kind {
                    names.insert(c.name);
                }
            });
        }
        names
    }

    /// All expressions of the rule.
    pub fn expressions(&self) -> impl Iterator<Item = &Node> {
        self.filter
            .iter()
            .chain([&self.exception])
            .chain(&self.possible)
            .chain(self.modifiers.iter().map(|(node, ..)| node))
    }
}

/// Turns "there is one, and it was read" into "it was read": absent is fine, unreadable is not.
trait TransposeAll<T> {
    fn transpose_all(self) -> Option<Option<T>>;
}

impl<T> TransposeAll<T> for Option<Option<T>> {
    fn transpose_all(self) -> Option<Option<T>> {
        match self {
            None => Some(None),
            Some(Some(x)) => Some(Some(x)),
            Some(None) => None,
        }
    }
}

struct Problems<'a> {
    file: &'a str,
    rule: &'a str,
    found: Vec<Problem>,
}

impl Problems<'_> {
    fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.found.push(Problem {
            file: self.file.into(),
            rule: self.rule.into(),
            field: field.into(),
            message: message.into(),
        });
    }

    fn predicate(&mut self, field: &str, text: &str, table: &TableDef) -> Option<Node> {
        match parse::predicate(text, table) {
            Ok(node) => Some(node),
            Err(message) => {
                self.add(field, message);
                None
            }
        }
    }

    fn column(&mut self, field: &str, name: &str, table: &TableDef) -> Option<&'static ColumnDef> {
        let column = table.column(name);
        if column.is_none() {
            self.add(field, format!("table `{}` has no column `{name}`", table.name));
        }
        column
    }

    fn modifiers<'r>(&mut self, rule: &'r Rule, table: &TableDef) -> Vec<(Node, bool, &'r str)> {
        let mut all = Vec::new();
        for (i, modifier) in rule.modifiers.iter().enumerate() {
            let field = format!("modifiers[{i}]");
            let up = match modifier.step.as_str() {
                "up" => true,
                "down" => false,
                other => {
                    self.add(&field, format!("unknown step `{other}`; use up or down"));
                    continue;
                }
            };
            if modifier.reason.trim().is_empty() {
                self.add(&field, "a modifier states its reason");
            }
            if let Some(node) = self.predicate(&format!("{field}.when"), &modifier.when, table) {
                all.push((node, up, modifier.reason.as_str()));
            }
        }
        all
    }

    fn unknown<'r>(&mut self, rule: &'r Rule, table: &TableDef) -> Vec<(&'static str, Reason<'r>)> {
        let mut all = Vec::new();
        for (i, pair) in rule.not_assessed.iter().enumerate() {
            let field = format!("not_assessed[{i}]");
            if pair.len() != 1 {
                self.add(&field, "each item names one column and its reason (`- column: reason`)");
            }
            for (name, reason) in pair {
                let Some(column) = self.column(&field, name, table) else { continue };
                let reason = match reason.strip_prefix('@') {
                    Some(other) => match self.column(&field, other, table) {
                        Some(c) => Reason::Column(c.name),
                        None => continue,
                    },
                    None if is_code(reason) => Reason::Code(reason),
                    None => {
                        self.add(
                            &field,
                            format!(
                                "`{reason}` is not a reason code; use lower-case words joined by `_`, or `@column`"
                            ),
                        );
                        continue;
                    }
                };
                all.push((column.name, reason));
            }
        }
        all
    }

    fn identity(&mut self, rule: &Rule, table: &TableDef) -> IdentityColumns {
        let given = &rule.identity;
        let mut pick = |field: &str, name: &str, default: Option<&str>| {
            if name.is_empty() {
                return default.and_then(|d| table.column(d)).map(|c| c.name);
            }
            self.column(&format!("identity.{field}"), name, table).map(|c| c.name)
        };
        IdentityColumns {
            subject: pick("subject", &given.subject, Some("principal_id")),
            privilege: pick("privilege", &given.privilege, Some("privilege")),
            scope: pick("scope", &given.scope, Some("scope")),
            item: pick("item", &given.item, None),
        }
    }

    fn message(&mut self, text: &str, table: &TableDef) -> Option<Message> {
        let message = match Message::new(text) {
            Ok(message) => message,
            Err(e) => {
                self.add("message", e);
                return None;
            }
        };
        let before = self.found.len();
        for name in message.names() {
            let known = match name.split_once('.') {
                Some(("limits", limit)) => crate::settings::LIMITS.iter().any(|l| l.name == limit),
                Some((first, _)) => table.column(first).is_some(),
                None => GLOBALS.contains(&name.as_str()) || table.column(name).is_some(),
            };
            if !known {
                self.add(
                    "message",
                    format!(
                        "`{name}` is not a column of `{}`, not `as_of` and not a limit",
                        table.name
                    ),
                );
            }
        }
        if self.found.len() == before
            && let Err(e) = message.rehearse(table)
        {
            self.add("message", e);
        }
        Some(message)
    }
}

/// Whether a text is a reason code.
fn is_code(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}
