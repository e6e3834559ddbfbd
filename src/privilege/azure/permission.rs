//! Permission blocks of an Azure role: `(actions − notActions)` and `(dataActions − notDataActions)`
//! per block, blocks of a role united (cloud semantics, 4.3). A `notActions` entry is no deny: another
//! block or another role may still give what it takes out.

use serde::Deserialize;

use super::condition::Condition;

/// Longest list of patterns that is read; the service allows far fewer.
const MOST: usize = 20_000;

/// Pattern of an operation: `*` stands for any run of characters, also across `/`. Letter case does not
/// count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    /// Lower case.
    text: Box<str>,
    /// Pieces between the wildcards.
    pieces: Vec<Box<str>>,
}

impl Pattern {
    /// Compiles a pattern.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        let text = pattern.trim().to_ascii_lowercase();
        let pieces = text.split('*').map(Into::into).collect();
        Self { text: text.into(), pieces }
    }

    /// The pattern, lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it has a wildcard.
    #[must_use]
    pub fn is_wild(&self) -> bool {
        self.pieces.len() > 1
    }

    /// What every operation that it matches begins with, lower case.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.pieces.first().map_or("", AsRef::as_ref)
    }

    /// Whether it matches an operation, which must be lower case.
    #[must_use]
    pub fn matches(&self, operation: &str) -> bool {
        let Some((first, rest)) = self.pieces.split_first() else { return operation.is_empty() };
        let Some((last, middle)) = rest.split_last() else { return **first == *operation };
        let Some(mut left) = operation.strip_prefix(&**first) else { return false };
        for piece in middle {
            let Some(at) = left.find(&**piece) else { return false };
            left = left.get(at + piece.len()..).unwrap_or("");
        }
        left.ends_with(&**last)
    }
}

/// Which of the two planes an operation is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Plane {
    /// Management of resources: `actions`.
    Control,
    /// Data in resources: `dataActions`.
    Data,
}

/// What a list of patterns leaves over after another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Patterns that give.
    pub give: Vec<Pattern>,
    /// Patterns that take out again.
    pub except: Vec<Pattern>,
}

impl Difference {
    /// Whether an operation, lower case, is left.
    #[must_use]
    pub fn has(&self, operation: &str) -> bool {
        self.give.iter().any(|p| p.matches(operation))
            && !self.except.iter().any(|p| p.matches(operation))
    }
}

/// One block of permissions.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// Management of resources.
    pub control: Difference,
    /// Data in resources.
    pub data: Difference,
    /// Condition that the role itself puts on the block.
    pub condition: Option<Condition>,
}

impl Block {
    /// One plane.
    #[must_use]
    pub fn plane(&self, plane: Plane) -> &Difference {
        match plane {
            Plane::Control => &self.control,
            Plane::Data => &self.data,
        }
    }
}

/// A block as exports and our own documents write it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    #[serde(default)]
    actions: Option<Vec<String>>,
    #[serde(default)]
    not_actions: Option<Vec<String>>,
    #[serde(default)]
    data_actions: Option<Vec<String>>,
    #[serde(default)]
    not_data_actions: Option<Vec<String>>,
    #[serde(default)]
    condition: Option<String>,
}

impl Written {
    fn block(self) -> Result<Block, String> {
        let list = |names: Option<Vec<String>>| {
            let names = names.unwrap_or_default();
            if names.len() > MOST {
                return Err(format!("{} patterns; at most {MOST} are read", names.len()));
            }
            Ok(names.iter().map(|n| Pattern::new(n)).collect::<Vec<_>>())
        };
        let plane =
            |give, except| Ok::<_, String>(Difference { give: list(give)?, except: list(except)? });
        Ok(Block {
            control: plane(self.actions, self.not_actions)?,
            data: plane(self.data_actions, self.not_data_actions)?,
            condition: self
                .condition
                .filter(|c| !c.trim().is_empty())
                .map(|c| Condition::parse(&c)),
        })
    }
}

/// Reads the document of a role: an array of blocks as JSON text.
///
/// # Errors
/// Why it cannot be read.
pub fn blocks(document: &str) -> Result<Vec<Block>, String> {
    let written: Vec<Written> = serde_json::from_str(document)
        .map_err(|e| e.to_string().chars().take(200).collect::<String>())?;
    written.into_iter().map(Written::block).collect()
}

/// A block out of lists of patterns, for catalogues.
#[must_use]
pub fn block(lists: [&[String]; 4], condition: Option<&str>) -> Block {
    let list = |names: &[String]| names.iter().map(|n| Pattern::new(n)).collect();
    let [actions, not_actions, data_actions, not_data_actions] = lists;
    Block {
        control: Difference { give: list(actions), except: list(not_actions) },
        data: Difference { give: list(data_actions), except: list(not_data_actions) },
        condition: condition.map(Condition::parse),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Character by character, with every way to read a `*` tried.
    fn slow(pattern: &[u8], s: &[u8]) -> bool {
        match (pattern.split_first(), s.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => {
                slow(rest, s) || s.split_first().is_some_and(|(_, tail)| slow(pattern, tail))
            }
            (Some((a, rest)), Some((b, tail))) => a.eq_ignore_ascii_case(b) && slow(rest, tail),
            _ => false,
        }
    }

    fn slow_role(blocks: &[[Vec<String>; 2]], operation: &str) -> bool {
        blocks.iter().any(|[give, except]| {
            let any =
                |list: &[String]| list.iter().any(|p| slow(p.as_bytes(), operation.as_bytes()));
            any(give) && !any(except)
        })
    }

    #[test]
    fn wildcards_span_segments_and_case_does_not_count() {
        let p = Pattern::new("Microsoft.Compute/*/read");
        assert!(p.matches("microsoft.compute/virtualmachines/extensions/read") && p.is_wild());
        assert!(!p.matches("microsoft.compute/read"));
        // Overlapping ends must not count twice.
        assert!(!Pattern::new("ab*ba").matches("aba") && Pattern::new("*a*a").matches("aa"));
        assert!(Pattern::new("*").matches("") && !Pattern::new("").matches("x"));
        assert_eq!(Pattern::new("A/b*/c").prefix(), "a/b");
    }

    #[test]
    fn not_actions_are_no_deny_and_blocks_are_united() {
        let list = blocks(
            r#"[{"actions":["*"],"notActions":["*/delete"]},
                {"actions":["Microsoft.Web/sites/delete"],"dataActions":["a/b"],"condition":null}]"#,
        )
        .unwrap();
        let has = |op: &str| list.iter().any(|b| b.control.has(op));
        assert!(has("microsoft.web/sites/delete") && !has("microsoft.sql/servers/delete"));
        assert!(list.iter().any(|b| b.data.has("a/b")) && !has("a/delete"));
        assert!(blocks("{}").is_err() && blocks("[1]").is_err());
        assert!(blocks(&format!("{}1{}", "[".repeat(9000), "]".repeat(9000))).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        /// The compiled matcher equals the slow one for whole roles of several blocks.
        #[test]
        fn blocks_equal_the_slow_reference(
            roles in prop::collection::vec(
                [prop::collection::vec("[aB/*]{0,6}", 0..4), prop::collection::vec("[aB/*]{0,6}", 0..3)],
                1..4,
            ),
            operation in "[ab/]{0,8}",
        ) {
            let fast = roles.iter().any(|[give, except]| {
                block([give, except, &[], &[]], None).control.has(&operation)
            });
            prop_assert_eq!(fast, slow_role(&roles, &operation));
        }
    }
}
