//! The typed form of a predicate. Only [`super::parse`] makes it, so whatever is here has been
//! checked: columns exist, types agree, depth and size are bounded.
//!
//! [`super::lower`] turns it into a Polars expression for whole tables, [`super::eval`] evaluates it
//! for one row; a property test holds the two equal.

use super::value::Value;
use crate::facts::ColumnDef;

/// Type of a sub-expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ty {
    /// True, false or null.
    Bool,
    /// 64-bit integer.
    Int,
    /// 64-bit float.
    Float,
    /// Text, compared by bytes.
    Text,
    /// Instant.
    Time,
    /// List of text.
    List,
    /// The literal NULL before its place gives it a type.
    Null,
}

impl Ty {
    /// The word that messages use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Int => "integer",
            Self::Float => "float",
            Self::Text => "text",
            Self::Time => "time",
            Self::List => "list of text",
            Self::Null => "null",
        }
    }
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cmp {
    /// `=`
    Eq,
    /// `<>`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl Cmp {
    /// The sign as rules write it.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "<>",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }

    /// The comparison with its sides exchanged.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Eq | Self::Ne => self,
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
        }
    }

    /// Whether the comparison needs an order.
    #[must_use]
    pub fn ordered(self) -> bool {
        !matches!(self, Self::Eq | Self::Ne)
    }

    /// The answer for an ordering of left and right.
    #[must_use]
    pub fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
        }
    }
}

/// An arithmetic operation. Integer results beyond 64 bits, results that are not finite, and
/// division by zero are null: the value is unknown, not wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arith {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`, always of floats: `3 / 2` is 1.5.
    Div,
}

impl Arith {
    /// The sign as rules write it.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
        }
    }
}

/// A typed expression.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it computes.
    pub kind: Kind,
    /// Type of the result.
    pub ty: Ty,
}

/// What a node computes.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A column of the table.
    Column(&'static ColumnDef),
    /// A limit of the settings.
    Limit(&'static str),
    /// The as-of time of the run.
    AsOf,
    /// A literal.
    Lit(Value),
    /// An integer as float.
    ToFloat(Box<Node>),
    /// A float as whole seconds, cut towards zero.
    ToWhole(Box<Node>),
    /// Kleene NOT.
    Not(Box<Node>),
    /// Kleene AND of two or more.
    And(Vec<Node>),
    /// Kleene OR of two or more.
    Or(Vec<Node>),
    /// A comparison of two values of one type.
    Compare(Cmp, Box<Node>, Box<Node>),
    /// `IS NULL`, or `IS NOT NULL` when negated.
    IsNull {
        /// What is asked about.
        operand: Box<Node>,
        /// `IS NOT NULL`.
        negated: bool,
    },
    /// `IN` a list of literals.
    In {
        /// What is looked for.
        operand: Box<Node>,
        /// Literals of the operand's type.
        list: Vec<Node>,
        /// `NOT IN`.
        negated: bool,
    },
    /// `BETWEEN`, both ends included.
    Between {
        /// What is compared.
        operand: Box<Node>,
        /// Lower end.
        low: Box<Node>,
        /// Upper end.
        high: Box<Node>,
        /// `NOT BETWEEN`.
        negated: bool,
    },
    /// `LIKE` with `%` (any run) and `_` (one character).
    Like {
        /// Text.
        operand: Box<Node>,
        /// Pattern.
        pattern: String,
        /// `NOT LIKE`.
        negated: bool,
    },
    /// Arithmetic of two integers or two floats.
    Arith(Arith, Box<Node>, Box<Node>),
    /// Unary minus.
    Neg(Box<Node>),
    /// Time minus time, whole seconds, cut towards zero.
    Seconds(Box<Node>, Box<Node>),
    /// Time moved by whole seconds.
    Shift {
        /// Time.
        time: Box<Node>,
        /// Seconds.
        seconds: Box<Node>,
        /// Subtract instead of add.
        back: bool,
    },
    /// `CASE WHEN`; a condition that is null does not hold.
    Case {
        /// Conditions and results.
        arms: Vec<(Node, Node)>,
        /// Result when no condition holds.
        otherwise: Box<Node>,
    },
    /// First value that is not null.
    Coalesce(Vec<Node>),
    /// Whether a list has an item.
    Contains {
        /// List.
        list: Box<Node>,
        /// Item.
        item: String,
    },
    /// Number of items of a list, or of characters of a text.
    Length(Box<Node>),
}

impl Node {
    /// A node.
    #[must_use]
    pub fn new(kind: Kind, ty: Ty) -> Self {
        Self { kind, ty }
    }

    /// Direct sub-expressions, in order of the text.
    #[must_use]
    pub fn children(&self) -> Vec<&Self> {
        match &self.kind {
            Kind::Column(_) | Kind::Limit(_) | Kind::AsOf | Kind::Lit(_) => Vec::new(),
            Kind::ToFloat(a) | Kind::ToWhole(a) | Kind::Not(a) | Kind::Neg(a) | Kind::Length(a) => {
                vec![a]
            }
            Kind::And(all) | Kind::Or(all) | Kind::Coalesce(all) => all.iter().collect(),
            Kind::Compare(_, a, b) | Kind::Arith(_, a, b) | Kind::Seconds(a, b) => vec![a, b],
            Kind::IsNull { operand, .. } | Kind::Like { operand, .. } => vec![operand],
            Kind::In { operand, list, .. } => {
                std::iter::once(operand.as_ref()).chain(list).collect()
            }
            Kind::Between { operand, low, high, .. } => vec![operand, low, high],
            Kind::Shift { time, seconds, .. } => vec![time, seconds],
            Kind::Case { arms, otherwise } => arms
                .iter()
                .flat_map(|(when, then)| [when, then])
                .chain(std::iter::once(otherwise.as_ref()))
                .collect(),
            Kind::Contains { list, .. } => vec![list],
        }
    }

    /// Calls `see` for this node and all below it.
    pub fn walk<'a>(&'a self, see: &mut dyn FnMut(&'a Self)) {
        see(self);
        for child in self.children() {
            child.walk(see);
        }
    }

    /// Whether the value can be null for some row. Cautious: `true` when in doubt.
    #[must_use]
    pub fn can_be_null(&self) -> bool {
        match &self.kind {
            // A float column may hold values that are not finite, which count as null.
            Kind::Column(c) => c.nullable || self.ty == Ty::Float,
            Kind::Limit(_) | Kind::AsOf | Kind::IsNull { .. } => false,
            Kind::Lit(v) => v.is_null(),
            // Arithmetic may overflow.
            Kind::Arith(..) | Kind::Neg(_) | Kind::Seconds(..) | Kind::Shift { .. } => true,
            Kind::Coalesce(all) => all.iter().all(Self::can_be_null),
            Kind::Case { arms, otherwise } => {
                otherwise.can_be_null() || arms.iter().any(|(_, then)| then.can_be_null())
            }
            _ => self.children().into_iter().any(Self::can_be_null),
        }
    }

    /// Size after lowering, where some forms repeat their operand. Saturates.
    #[must_use]
    pub fn weight(&self) -> usize {
        // Each part is measured once: measuring twice would itself grow with the depth's power.
        let parts: Vec<usize> = self.children().into_iter().map(Self::weight).collect();
        let below = parts.iter().fold(1usize, |sum, w| sum.saturating_add(*w));
        let operand = parts.first().copied().unwrap_or(0);
        match &self.kind {
            Kind::In { list, .. } => below.saturating_add(operand.saturating_mul(list.len())),
            Kind::Between { .. } => below.saturating_add(operand),
            _ => below,
        }
    }

    /// The text, in parentheses unless it is one operand.
    fn operand(&self) -> String {
        match &self.kind {
            Kind::ToFloat(inner) | Kind::ToWhole(inner) => inner.operand(),
            Kind::Column(_)
            | Kind::Limit(_)
            | Kind::AsOf
            | Kind::Lit(_)
            | Kind::Coalesce(_)
            | Kind::Contains { .. }
            | Kind::Length(_)
            | Kind::Case { .. } => self.to_string(),
            _ => format!("({self})"),
        }
    }
}

fn join(items: &[Node], with: &str) -> String {
    items.iter().map(Node::operand).collect::<Vec<_>>().join(with)
}

fn not(negated: bool) -> &'static str {
    if negated { "NOT " } else { "" }
}

/// The expression as a rule would write it.
impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.kind {
            Kind::Column(c) => f.write_str(c.name),
            Kind::Limit(name) => write!(f, "limits.{name}"),
            Kind::AsOf => f.write_str("as_of"),
            Kind::Lit(Value::Time(t)) => write!(f, "TIMESTAMP '{t}'"),
            Kind::Lit(Value::Bool(b)) => f.write_str(if *b { "TRUE" } else { "FALSE" }),
            Kind::Lit(Value::Null) => f.write_str("NULL"),
            Kind::Lit(v) => write!(f, "{v}"),
            Kind::ToFloat(a) | Kind::ToWhole(a) => write!(f, "{a}"),
            Kind::Not(a) => write!(f, "NOT {}", a.operand()),
            Kind::And(all) => f.write_str(&join(all, " AND ")),
            Kind::Or(all) => f.write_str(&join(all, " OR ")),
            Kind::Compare(op, a, b) => write!(f, "{} {} {}", a.operand(), op.sign(), b.operand()),
            Kind::IsNull { operand, negated } => {
                write!(f, "{} IS {}NULL", operand.operand(), not(*negated))
            }
            Kind::In { operand, list, negated } => {
                write!(f, "{} {}IN ({})", operand.operand(), not(*negated), join(list, ", "))
            }
            Kind::Between { operand, low, high, negated } => write!(
                f,
                "{} {}BETWEEN {} AND {}",
                operand.operand(),
                not(*negated),
                low.operand(),
                high.operand()
            ),
            Kind::Like { operand, pattern, negated } => write!(
                f,
                "{} {}LIKE '{}'",
                operand.operand(),
                not(*negated),
                pattern.replace('\'', "''")
            ),
            Kind::Arith(op, a, b) => write!(f, "{} {} {}", a.operand(), op.sign(), b.operand()),
            Kind::Neg(a) => write!(f, "-{}", a.operand()),
            Kind::Seconds(a, b) => write!(f, "{} - {}", a.operand(), b.operand()),
            Kind::Shift { time, seconds, back } => {
                let sign = if *back { "-" } else { "+" };
                write!(f, "{} {sign} {}", time.operand(), seconds.operand())
            }
            Kind::Case { arms, otherwise } => {
                f.write_str("CASE")?;
                for (when, then) in arms {
                    write!(f, " WHEN {when} THEN {then}")?;
                }
                write!(f, " ELSE {otherwise} END")
            }
            Kind::Coalesce(all) => {
                let items = all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                write!(f, "COALESCE({items})")
            }
            Kind::Contains { list, item } => {
                write!(f, "CONTAINS({list}, '{}')", item.replace('\'', "''"))
            }
            Kind::Length(a) => write!(f, "LENGTH({a})"),
        }
    }
}
