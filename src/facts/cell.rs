//! The value types a fact column may hold, and how a slice of them becomes a Polars column.

use std::sync::Arc;

use polars::prelude::*;

use super::time::Time;

/// Shared immutable text. Cloning copies a pointer, so rows can share long identifiers.
pub type Text = Arc<str>;

/// Builds a [`Text`].
#[must_use]
pub fn text(s: impl AsRef<str>) -> Text {
    Arc::from(s.as_ref())
}

/// Logical column type: what `overstay facts` prints and what the rule checker knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColType {
    /// UTF-8 text.
    Text,
    /// Signed 64-bit integer; counts and seconds.
    Int,
    /// 64-bit float; shares and ratios.
    Float,
    /// True or false.
    Bool,
    /// Instant, naive UTC, microseconds.
    Time,
    /// List of text.
    List,
}

impl ColType {
    /// The Polars data type that stores this logical type.
    #[must_use]
    pub fn dtype(self) -> DataType {
        match self {
            Self::Text => DataType::String,
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Bool => DataType::Boolean,
            Self::Time => DataType::Datetime(TimeUnit::Microseconds, None),
            Self::List => DataType::List(Box::new(DataType::String)),
        }
    }

    /// The word the documentation uses.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Int => "integer",
            Self::Float => "float",
            Self::Bool => "boolean",
            Self::Time => "time",
            Self::List => "list of text",
        }
    }
}

/// A Rust type that can stand in a fact column.
pub trait Cell: Sized {
    /// Logical type of the column.
    const TYPE: ColType;
    /// Whether null (unknown or not applicable) may occur.
    const NULLABLE: bool;
    /// Closed vocabulary, when the column has one.
    const WORDS: &'static [&'static str] = &[];
    /// Collects values of this type into a Polars column.
    fn column<'a>(name: &str, values: impl Iterator<Item = &'a Self>) -> Column
    where
        Self: 'a;
}

/// A closed vocabulary stored as text; implemented by `vocab!`.
pub trait Word: Copy + 'static {
    /// All words, in declaration order.
    const ALL: &'static [&'static str];
    /// The stored word.
    fn word(self) -> &'static str;
}

impl<W: Word> Cell for W {
    const TYPE: ColType = ColType::Text;
    const NULLABLE: bool = false;
    const WORDS: &'static [&'static str] = W::ALL;
    fn column<'a>(name: &str, values: impl Iterator<Item = &'a Self>) -> Column {
        StringChunked::from_iter_values(name.into(), values.map(|w| w.word())).into_column()
    }
}

impl<W: Word> Cell for Option<W> {
    const TYPE: ColType = ColType::Text;
    const NULLABLE: bool = true;
    const WORDS: &'static [&'static str] = W::ALL;
    fn column<'a>(name: &str, values: impl Iterator<Item = &'a Self>) -> Column {
        StringChunked::from_iter_options(name.into(), values.map(|w| w.map(Word::word)))
            .into_column()
    }
}

impl Cell for Text {
    const TYPE: ColType = ColType::Text;
    const NULLABLE: bool = false;
    fn column<'a>(name: &str, values: impl Iterator<Item = &'a Self>) -> Column {
        StringChunked::from_iter_values(name.into(), values.map(AsRef::as_ref)).into_column()
    }
}

impl Cell for Option<Text> {
    const TYPE: ColType = ColType::Text;
    const NULLABLE: bool = true;
    fn column<'a>(name: &str, values: impl Iterator<Item = &'a Self>) -> Column {
        StringChunked::from_iter_options(name.into(), values.map(Option::as_deref)).into_column()
    }
}

macro_rules! numeric {
    ($ty:ty, $chunked:ty, $col:expr) => {
        impl Cell for $ty {
            const TYPE: ColType = $col;
            const NULLABLE: bool = false;
            fn column<'a>(name: &str, values: impl Iterator<Item = &'a Self>) -> Column {
                <$chunked>::from_iter_values(name.into(), values.copied()).into_column()
            }
        }
        impl Cell for Option<$ty> {
            const TYPE: ColType = $col;
            const NULLABLE: bool = true;
            fn column<'a>(name: &str, values: impl Iterator<Item = &'a Self>) -> Column {
                <$chunked>::from_iter_options(name.into(), values.copied()).into_column()
            }
        }
    };
}
numeric!(i64, Int64Chunked, ColType::Int);
numeric!(f64, Float64Chunked, ColType::Float);

impl Cell for bool {
    const TYPE: ColType = ColType::Bool;
    const NULLABLE: bool = false;
    fn column<'a>(name: &str, values: impl Iterator<Item = &'a Self>) -> Column {
        BooleanChunked::from_iter_values(name.into(), values.copied()).into_column()
    }
}

impl Cell for Option<bool> {
    const TYPE: ColType = ColType::Bool;
    const NULLABLE: bool = true;
    fn column<'a>(name: &str, values: impl Iterator<Item = &'a Self>) -> Column {
        BooleanChunked::from_iter_options(name.into(), values.copied()).into_column()
    }
}

impl Cell for Time {
    const TYPE: ColType = ColType::Time;
    const NULLABLE: bool = false;
    fn column<'a>(name: &str, values: impl Iterator<Item = &'a Self>) -> Column {
        Int64Chunked::from_iter_values(name.into(), values.map(|t| t.micros()))
            .into_datetime(TimeUnit::Microseconds, None)
            .into_column()
    }
}

impl Cell for Option<Time> {
    const TYPE: ColType = ColType::Time;
    const NULLABLE: bool = true;
    fn column<'a>(name: &str, values: impl Iterator<Item = &'a Self>) -> Column {
        Int64Chunked::from_iter_options(name.into(), values.map(|t| t.map(Time::micros)))
            .into_datetime(TimeUnit::Microseconds, None)
            .into_column()
    }
}

impl Cell for Vec<Text> {
    const TYPE: ColType = ColType::List;
    const NULLABLE: bool = false;
    fn column<'a>(name: &str, values: impl Iterator<Item = &'a Self>) -> Column {
        list_column(name, values.map(Some))
    }
}

impl Cell for Option<Vec<Text>> {
    const TYPE: ColType = ColType::List;
    const NULLABLE: bool = true;
    fn column<'a>(name: &str, values: impl Iterator<Item = &'a Self>) -> Column {
        list_column(name, values.map(Option::as_ref))
    }
}

fn list_column<'a>(name: &str, values: impl Iterator<Item = Option<&'a Vec<Text>>>) -> Column {
    let (low, _) = values.size_hint();
    let mut builder = ListStringChunkedBuilder::new(name.into(), low, low);
    for value in values {
        match value {
            Some(list) => builder.append_values_iter(list.iter().map(AsRef::as_ref)),
            None => builder.append_null(),
        }
    }
    builder.finish().into_column()
}
