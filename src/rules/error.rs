//! Errors of the rule engine.

use std::path::PathBuf;

/// Why rules could not be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// A rule file or directory could not be read.
    #[error("cannot read rules from `{}`: {source}", path.display())]
    Read {
        /// File or directory.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// A rule file is not a rule.
    #[error("rule file `{file}`{place}: {message}")]
    File {
        /// File.
        file: String,
        /// `, line 3` or empty.
        place: String,
        /// What is wrong, and the remedy.
        message: String,
    },
    /// Two files of one pack state the same id.
    #[error("rule id `{id}` is stated by `{first}` and by `{second}`; give one of them a new id")]
    Duplicate {
        /// Id.
        id: String,
        /// First file, by path.
        first: String,
        /// Second file.
        second: String,
    },
    /// A rule is well-formed but wrong.
    #[error("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid {
        /// All that is wrong.
        problems: Vec<Problem>,
    },
    /// No rule has this id.
    #[error("unknown rule `{id}`; `overstay rules list` names all rules")]
    Unknown {
        /// Id asked for.
        id: String,
    },
    /// A fact table is missing or does not have the columns of its definition.
    #[error("fact table `{table}`: {message}; write the bundle again with this version")]
    Frame {
        /// Table.
        table: String,
        /// What is wrong.
        message: String,
    },
    /// The engine failed on a checked expression.
    #[error("rule {rule} cannot be evaluated: {source}")]
    Engine {
        /// Rule.
        rule: String,
        /// Cause.
        source: polars::prelude::PolarsError,
    },
    /// A message template failed on a row.
    #[error("rule {rule}: the message cannot be written: {message}")]
    Message {
        /// Rule.
        rule: String,
        /// Cause.
        message: String,
    },
}

/// One thing wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// File of the rule.
    pub file: String,
    /// Rule id.
    pub rule: String,
    /// Field of the rule file (`exception`, `tests[2]`).
    pub field: String,
    /// What is wrong, and the remedy.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: rule {}: {}: {}", self.file, self.rule, self.field, self.message)
    }
}
