//! Conditions of role assignments and of permission blocks (Azure attribute-based access control).
//!
//! The usual form is a guard per action, `(!(ActionMatches{'A'})) OR (expression)`, joined by AND: it
//! limits the action A only, and every other action stays free. So a condition is asked about one
//! operation at a time: it is free, forbidden, or left with a rest that depends on attributes. For the
//! writing of role assignments the rest says which roles may be given (constrained delegation).
//! Grammar: Microsoft Learn, "Azure role assignment condition format and syntax".

use std::collections::BTreeSet;

use crate::facts::Time;
use crate::facts::time::parse_time;

use super::permission::Pattern;

/// Longest condition that is read, bytes; the service allows 8 KiB.
const LONGEST: usize = 64 * 1024;
/// Deepest nesting that is read.
const DEEPEST: usize = 64;

/// A condition as written, and as read.
#[derive(Clone, Debug)]
pub struct Condition {
    /// As written, blanks folded.
    pub text: String,
    /// `None` when it could not be read: it may then limit every operation.
    expr: Option<Expr>,
}

/// An expression without negations other than of its leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expr {
    All(Vec<Expr>),
    Any(Vec<Expr>),
    /// The operation asked about matches (`true`) or does not.
    Action(Pattern, bool),
    Leaf(Leaf),
}

/// A comparison of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Leaf {
    /// `@Request[...]`, lower case; empty for what is no comparison.
    attribute: String,
    /// Operator, lower case.
    operator: String,
    /// Values, lower case.
    values: Vec<String>,
    /// As it stands; `false` = negated.
    holds: bool,
}

/// What a condition makes of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grade {
    /// It does not limit the operation.
    Free,
    /// It forbids the operation.
    Never,
    /// It depends on attributes. The roles count for operations that assign roles only.
    Depends(Delegable),
}

/// Roles that may be assigned, by their ids without hyphens, lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roles {
    /// All but these; none excepted is any role.
    AllBut(BTreeSet<String>),
    /// These.
    Only(BTreeSet<String>),
}

/// Roles that may be assigned for certain, and if what the inputs do not show is so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegable {
    /// For certain.
    pub certain: Roles,
    /// For certain or perhaps.
    pub possible: Roles,
}

impl Roles {
    /// Every role.
    #[must_use]
    pub fn any() -> Self {
        Self::AllBut(BTreeSet::new())
    }

    /// No role.
    #[must_use]
    pub fn none() -> Self {
        Self::Only(BTreeSet::new())
    }

    /// Whether a role is among them.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        match self {
            Self::AllBut(out) => !out.contains(id),
            Self::Only(list) => list.contains(id),
        }
    }

    fn not(self) -> Self {
        match self {
            Self::AllBut(s) => Self::Only(s),
            Self::Only(s) => Self::AllBut(s),
        }
    }

    fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Only(a), Self::Only(b)) => Self::Only(a & b),
            (Self::Only(a), Self::AllBut(b)) | (Self::AllBut(b), Self::Only(a)) => {
                Self::Only(a - b)
            }
            (Self::AllBut(a), Self::AllBut(b)) => Self::AllBut(a | b),
        }
    }

    fn or(&self, other: &Self) -> Self {
        self.clone().not().and(&other.clone().not()).not()
    }
}

impl Delegable {
    fn exactly(roles: Roles) -> Self {
        Self { certain: roles.clone(), possible: roles }
    }

    fn unknown() -> Self {
        Self { certain: Roles::none(), possible: Roles::any() }
    }
}

/// An id of a role as conditions compare it: without hyphens, lower case.
#[must_use]
pub fn bare_id(id: &str) -> String {
    id.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect()
}

impl Condition {
    /// Reads a condition. What cannot be read is kept as text and limits everything perhaps.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let expr = (text.len() <= LONGEST)
            .then(|| Parser { left: tokens(text)?, depth: 0 }.whole())
            .flatten();
        Self { text: folded, expr }
    }

    /// Whether it was understood.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.expr.is_some()
    }

    /// What it makes of an operation, lower case, at an instant.
    #[must_use]
    pub fn grade(&self, operation: &str, as_of: Time) -> Grade {
        match &self.expr {
            None => Grade::Depends(Delegable::unknown()),
            Some(expr) => reduce(expr, operation, as_of),
        }
    }
}

fn reduce(expr: &Expr, operation: &str, as_of: Time) -> Grade {
    let of = |free: bool| if free { Grade::Free } else { Grade::Never };
    match expr {
        Expr::Action(pattern, holds) => of(pattern.matches(operation) == *holds),
        Expr::Leaf(leaf) => match leaf.at(as_of) {
            Some(answer) => of(answer),
            None => Grade::Depends(leaf.delegable()),
        },
        Expr::All(list) => {
            let mut rest: Option<Delegable> = None;
            for part in list {
                match reduce(part, operation, as_of) {
                    Grade::Free => {}
                    Grade::Never => return Grade::Never,
                    Grade::Depends(d) => {
                        rest = Some(match rest {
                            None => d,
                            Some(have) => Delegable {
                                certain: have.certain.and(&d.certain),
                                possible: have.possible.and(&d.possible),
                            },
                        });
                    }
                }
            }
            rest.map_or(Grade::Free, Grade::Depends)
        }
        Expr::Any(list) => {
            let mut rest: Option<Delegable> = None;
            for part in list {
                match reduce(part, operation, as_of) {
                    Grade::Free => return Grade::Free,
                    Grade::Never => {}
                    Grade::Depends(d) => {
                        rest = Some(match rest {
                            None => d,
                            Some(have) => Delegable {
                                certain: have.certain.or(&d.certain),
                                possible: have.possible.or(&d.possible),
                            },
                        });
                    }
                }
            }
            rest.map_or(Grade::Never, Grade::Depends)
        }
    }
}

impl Leaf {
    fn opaque() -> Self {
        Self { attribute: String::new(), operator: String::new(), values: Vec::new(), holds: true }
    }

    /// The answer, where only the instant decides: comparisons with `@Environment[UtcNow]`.
    fn at(&self, as_of: Time) -> Option<bool> {
        if self.attribute != "@environment[utcnow]" {
            return None;
        }
        let [value] = self.values.as_slice() else { return None };
        let bound = parse_time(&value.to_ascii_uppercase()).ok().flatten()?.lo;
        let answer = match self.operator.as_str() {
            "datetimelessthan" => as_of < bound,
            "datetimelessthanequals" => as_of <= bound,
            "datetimegreaterthan" => as_of > bound,
            "datetimegreaterthanequals" => as_of >= bound,
            _ => return None,
        };
        Some(answer == self.holds)
    }

    /// Roles that the comparison lets be assigned. Who assigns chooses the role and the type of the
    /// receiver, so these are met at will; which receivers are named, and attributes of the resource or
    /// the environment, are not.
    fn delegable(&self) -> Delegable {
        let request = |name: &str| {
            let full = format!("@request[microsoft.authorization/roleassignments:{name}]");
            self.attribute == full
        };
        if request("principaltype") {
            return Delegable::exactly(Roles::any());
        }
        let ids = || self.values.iter().map(|v| bare_id(v)).collect::<BTreeSet<_>>();
        let schedules = self.attribute.ends_with("schedulerequests:roledefinitionid]")
            && self.attribute.starts_with("@request[");
        if !request("roledefinitionid") && !schedules {
            return Delegable::unknown();
        }
        let operator = self.operator.rsplit(':').next().unwrap_or(&self.operator);
        let quantifier = self.operator.split_once(':').map(|(q, _)| q).unwrap_or_default();
        let roles = match (operator, quantifier) {
            ("guidequals", "" | "foranyofanyvalues" | "forallofanyvalues") => Roles::Only(ids()),
            ("guidnotequals", "" | "foranyofallvalues" | "forallofallvalues") => {
                Roles::AllBut(ids())
            }
            _ => return Delegable::unknown(),
        };
        Delegable::exactly(if self.holds { roles } else { roles.not() })
    }
}

/// A word of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    OpenSet,
    CloseSet,
    Comma,
    Not,
    And,
    Or,
    /// `@Request[...]`, lower case.
    Attribute(String),
    /// Between quotes.
    Quoted(String),
    /// A name, a number, an id.
    Word(String),
}

/// Words in reverse order; `None` when some character belongs to none.
fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut out = Vec::new();
    let mut left = text.trim_start();
    while let Some(c) = left.chars().next() {
        let (token, rest) = match c {
            '(' => (Token::Open, left.get(1..)?),
            ')' => (Token::Close, left.get(1..)?),
            '{' => (Token::OpenSet, left.get(1..)?),
            '}' => (Token::CloseSet, left.get(1..)?),
            ',' => (Token::Comma, left.get(1..)?),
            '!' => (Token::Not, left.get(1..)?),
            '&' => (Token::And, left.strip_prefix("&&")?),
            '|' => (Token::Or, left.strip_prefix("||")?),
            '\'' | '"' => quoted(left, c)?,
            '@' => {
                let end = left.find(']')?;
                let name: String =
                    left.get(..=end)?.chars().filter(|c| !c.is_whitespace()).collect();
                (Token::Attribute(name.to_ascii_lowercase()), left.get(end + 1..)?)
            }
            c if is_word(c) => {
                let end = left.find(|c: char| !is_word(c)).unwrap_or(left.len());
                let (word, rest) = left.split_at_checked(end)?;
                let token = match word.to_ascii_lowercase().as_str() {
                    "and" => Token::And,
                    "or" => Token::Or,
                    "not" => Token::Not,
                    _ => Token::Word(word.to_owned()),
                };
                (token, rest)
            }
            _ => return None,
        };
        out.push(token);
        left = rest.trim_start();
    }
    out.reverse();
    Some(out)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/' | '+' | '*' | '$')
}

fn quoted(text: &str, quote: char) -> Option<(Token, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((i, c)) = chars.next() {
        match c {
            '\\' => out.push(chars.next()?.1),
            c if c == quote => return Some((Token::Quoted(out), text.get(i + c.len_utf8()..)?)),
            c => out.push(c),
        }
    }
    None
}

/// Recursive descent with bounded depth. Words come from the end of `left`.
struct Parser {
    left: Vec<Token>,
    depth: usize,
}

impl Parser {
    fn whole(mut self) -> Option<Expr> {
        let expr = self.any(true)?;
        self.left.is_empty().then_some(expr)
    }

    /// Terms joined by OR. `holds` is false below an odd number of negations, where AND and OR change
    /// places.
    fn any(&mut self, holds: bool) -> Option<Expr> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let mut list = vec![self.all(holds)?];
        while self.left.last() == Some(&Token::Or) {
            self.left.pop();
            list.push(self.all(holds)?);
        }
        self.depth -= 1;
        Some(joined(list, !holds))
    }

    fn all(&mut self, holds: bool) -> Option<Expr> {
        let mut list = vec![self.term(holds)?];
        while self.left.last() == Some(&Token::And) {
            self.left.pop();
            list.push(self.term(holds)?);
        }
        Some(joined(list, holds))
    }

    fn term(&mut self, mut holds: bool) -> Option<Expr> {
        while self.left.last() == Some(&Token::Not) {
            self.left.pop();
            holds = !holds;
        }
        match self.left.pop()? {
            Token::Open => {
                // A value in parentheses is rare; an expression in them is the rule.
                let inner = self.any(holds)?;
                (self.left.pop()? == Token::Close).then_some(inner)
            }
            Token::Word(word) if self.left.last() == Some(&Token::OpenSet) => {
                self.left.pop();
                let values = self.set()?;
                match word.to_ascii_lowercase().as_str() {
                    "actionmatches" => {
                        let list =
                            values.iter().map(|v| Expr::Action(Pattern::new(v), holds)).collect();
                        Some(joined(list, !holds))
                    }
                    "suboperationmatches" => Some(Expr::Leaf(Leaf::opaque())),
                    _ => None,
                }
            }
            Token::Word(word) if word.eq_ignore_ascii_case("exists") => {
                matches!(self.left.pop()?, Token::Attribute(_)).then(|| Expr::Leaf(Leaf::opaque()))
            }
            Token::Attribute(attribute) => {
                let Token::Word(operator) = self.left.pop()? else { return None };
                let values = self.values()?;
                let operator = operator.to_ascii_lowercase();
                let leaf = match values {
                    // Two attributes are compared with each other.
                    None => Leaf::opaque(),
                    Some(values) => Leaf { attribute, operator, values, holds },
                };
                Some(Expr::Leaf(leaf))
            }
            // A value first, then the attribute.
            Token::Quoted(_) | Token::Word(_) => self.reversed(),
            Token::OpenSet => {
                self.set()?;
                self.reversed()
            }
            _ => None,
        }
    }

    /// The rest of a comparison that begins with its value: which roles it means is left open.
    fn reversed(&mut self) -> Option<Expr> {
        let Token::Word(_) = self.left.pop()? else { return None };
        self.values()?;
        Some(Expr::Leaf(Leaf::opaque()))
    }

    /// The right side of a comparison; `Some(None)` for an attribute.
    fn values(&mut self) -> Option<Option<Vec<String>>> {
        match self.left.pop()? {
            Token::Attribute(_) => Some(None),
            Token::Quoted(v) | Token::Word(v) => Some(Some(vec![v.to_ascii_lowercase()])),
            Token::OpenSet => self.set().map(Some),
            _ => None,
        }
    }

    /// Values up to the closing brace.
    fn set(&mut self) -> Option<Vec<String>> {
        let mut out = Vec::new();
        loop {
            match self.left.pop()? {
                Token::CloseSet => return Some(out),
                Token::Comma => {}
                Token::Quoted(v) | Token::Word(v) => out.push(v.to_ascii_lowercase()),
                _ => return None,
            }
        }
    }
}

fn joined(mut list: Vec<Expr>, all: bool) -> Expr {
    match list.pop() {
        Some(only) if list.is_empty() => only,
        Some(last) => {
            list.push(last);
            if all { Expr::All(list) } else { Expr::Any(list) }
        }
        None => Expr::Leaf(Leaf::opaque()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITE: &str = "microsoft.authorization/roleassignments/write";
    const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
    const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

    fn at() -> Time {
        parse_time("2026-06-30T00:00:00Z").unwrap().unwrap().lo
    }

    fn grade(text: &str, operation: &str) -> Grade {
        let c = Condition::parse(text);
        assert!(c.is_read(), "{text}");
        c.grade(operation, at())
    }

    fn may(text: &str, id: &str) -> (bool, bool) {
        match grade(text, WRITE) {
            Grade::Depends(d) => (d.certain.has(&bare_id(id)), d.possible.has(&bare_id(id))),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_guard_limits_its_own_action_only() {
        let c = format!(
            "((!(ActionMatches{{'{WRITE}'}})) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {{{READER}}}))"
        );
        assert_eq!(grade(&c, "microsoft.authorization/roleassignments/delete"), Grade::Free);
        assert_eq!(may(&c, READER), (true, true));
        assert_eq!(may(&c, OWNER), (false, false));
        let both = format!(
            "{c} AND ((!(ActionMatches{{'*/delete'}})) OR (@Resource[x:y] StringEquals 'a'))"
        );
        assert!(matches!(grade(&both, "a/delete"), Grade::Depends(_)));
        assert_eq!(grade(&both, "a/read"), Grade::Free);
        assert_eq!(may(&both, READER), (true, true));
    }

    #[test]
    fn all_but_and_without_hyphens_and_negated() {
        let all_but = format!(
            "@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAllValues:GuidNotEquals {{{}}}",
            bare_id(OWNER)
        );
        assert_eq!((may(&all_but, READER), may(&all_but, OWNER)), ((true, true), (false, false)));
        let negated = format!("NOT ({all_but})");
        assert_eq!((may(&negated, READER), may(&negated, OWNER)), ((false, false), (true, true)));
    }

    #[test]
    fn what_who_assigns_does_not_choose_is_only_possible() {
        let one = format!(
            "@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] GuidEquals {READER}"
        );
        assert_eq!(
            may(&format!("{one} && @Resource[HasObotoken] boolequals true"), READER),
            (false, true)
        );
        let kind = "@Request[Microsoft.Authorization/roleAssignments:PrincipalType] StringEqualsIgnoreCase 'ServicePrincipal'";
        assert_eq!(may(&format!("({one}) AND ({kind})"), READER), (true, true));
        let who = format!(
            "@Request[Microsoft.Authorization/roleAssignments:PrincipalId] GuidEquals {READER}"
        );
        assert_eq!(may(&format!("({one}) AND ({who})"), READER), (false, true));
        assert_eq!(may(&format!("({one}) OR ({who})"), OWNER), (false, true));
        assert_eq!(may(&format!("({one}) OR ({who})"), READER), (true, true));
    }

    #[test]
    fn the_clock_is_decided() {
        let c = |op: &str, t: &str| grade(&format!("@Environment[UtcNow] {op} '{t}'"), "a/read");
        assert_eq!(c("DateTimeLessThan", "2026-06-01T00:00:00Z"), Grade::Never);
        assert_eq!(c("DateTimeLessThan", "2026-07-01T00:00:00.0Z"), Grade::Free);
        assert_eq!(c("DateTimeGreaterThan", "2026-07-01T00:00:00.0Z"), Grade::Never);
        assert_eq!(
            grade("NOT @Environment[UtcNow] DateTimeGreaterThan '2026-07-01T00:00:00Z'", "a"),
            Grade::Free
        );
    }

    #[test]
    fn sub_operations_and_other_forms_are_read_and_left_open() {
        let c = "((!(ActionMatches{'a/read'} AND NOT SubOperationMatches{'Blob.List'})) OR (@Resource[c:name] StringEquals 'reports'))";
        assert!(matches!(grade(c, "a/read"), Grade::Depends(_)));
        assert_eq!(grade(c, "a/write"), Grade::Free);
        for c in [
            "Exists @Principal[x:y]",
            "'a' StringEquals @Resource[x:y]",
            "{'a', 'b'} ForAnyOfAnyValues:StringEquals @Resource[x:y]",
            "@Resource[x:y] StringEquals @Principal[x:y]",
            "@Resource[x:y] StringEquals 'it\\'s'",
        ] {
            assert!(matches!(grade(c, "a"), Grade::Depends(_)), "{c}");
        }
    }

    #[test]
    fn hostile_conditions_end_and_limit_everything_perhaps() {
        let deep = "(".repeat(20_000);
        let nots = "!".repeat(50_000) + "ActionMatches{'a'}";
        for c in
            ["", "(", ")", "'", "@", "@x", "a b c d", "ActionMatches{", "é", "x{y}", "{}", &deep]
        {
            let read = Condition::parse(c);
            assert!(!read.is_read(), "{c}");
            assert_eq!(read.grade("a", at()), Grade::Depends(Delegable::unknown()));
        }
        assert_eq!(grade(&nots, "a"), Grade::Free);
        assert!(!Condition::parse(&"a ".repeat(40_000)).is_read());
        let wide = vec!["ActionMatches{'a'}"; 2_500].join(" AND ");
        assert_eq!(grade(&wide, "a"), Grade::Free);
    }
}
