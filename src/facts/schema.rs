//! Table definitions and the `table!` macro that makes a row struct and its schema from one text.

use polars::prelude::{DataFrame, PolarsResult, Schema};

use super::cell::ColType;

/// One column of a fact table.
#[derive(Clone, Copy, Debug)]
pub struct ColumnDef {
    /// Column name; the identifier that rules use.
    pub name: &'static str,
    /// Logical type.
    pub ty: ColType,
    /// Whether null may occur; null always means unknown or not applicable, never zero.
    pub nullable: bool,
    /// Closed vocabulary, empty when the column is free.
    pub words: &'static [&'static str],
    /// Meaning, unit and meaning of null.
    pub doc: &'static str,
}

/// One fact table.
#[derive(Clone, Copy, Debug)]
pub struct TableDef {
    /// Table name; the Parquet file in the bundle is `facts/<name>.parquet`.
    pub name: &'static str,
    /// What one row is.
    pub doc: &'static str,
    /// True for tables that the analysis derives, false for tables that ingest fills.
    pub derived: bool,
    /// Columns in storage order.
    pub columns: &'static [ColumnDef],
}

impl TableDef {
    /// Finds a column by its exact name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&'static ColumnDef> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// The Polars schema of the table.
    #[must_use]
    pub fn schema(&self) -> Schema {
        self.columns.iter().map(|c| (c.name.into(), c.ty.dtype())).collect()
    }
}

/// A row of a fact table.
pub trait Row: Sized {
    /// Definition of the table.
    const TABLE: TableDef;
    /// Builds the data frame of these rows with the columns that `wanted` names, in the order and with
    /// the types of [`Row::TABLE`].
    ///
    /// # Errors
    /// When Polars refuses the columns, which the generated code does not provoke.
    fn part(rows: &[&Self], wanted: &dyn Fn(&str) -> bool) -> PolarsResult<DataFrame>;
    /// Builds the data frame of these rows with all columns.
    ///
    /// # Errors
    /// As [`Row::part`].
    fn frame(rows: &[Self]) -> PolarsResult<DataFrame> {
        Self::part(&rows.iter().collect::<Vec<_>>(), &|_| true)
    }
}

/// Declares fact tables. `stage` is `base` or `derived`.
macro_rules! table {
    ($( $stage:ident $name:literal
        #[doc = $tdoc:literal]
        pub struct $row:ident {
            $( #[doc = $doc:literal] pub $field:ident : $ty:ty, )*
        }
    )*) => { $(
        #[doc = $tdoc]
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $row {
            $( #[doc = $doc] pub $field: $ty, )*
        }

        impl $crate::facts::schema::Row for $row {
            const TABLE: $crate::facts::schema::TableDef = $crate::facts::schema::TableDef {
                name: $name,
                doc: $tdoc,
                derived: $crate::facts::schema::is_derived(stringify!($stage)),
                columns: &[ $( $crate::facts::schema::ColumnDef {
                    name: stringify!($field),
                    ty: <$ty as $crate::facts::cell::Cell>::TYPE,
                    nullable: <$ty as $crate::facts::cell::Cell>::NULLABLE,
                    words: <$ty as $crate::facts::cell::Cell>::WORDS,
                    doc: $doc,
                }, )* ],
            };

            fn part(
                rows: &[&Self],
                wanted: &dyn Fn(&str) -> bool,
            ) -> polars::prelude::PolarsResult<polars::prelude::DataFrame> {
                let mut columns = Vec::new();
                $( if wanted(stringify!($field)) {
                    columns.push(<$ty as $crate::facts::cell::Cell>::column(
                        stringify!($field), rows.iter().map(|r| &r.$field)));
                } )*
                polars::prelude::DataFrame::new(rows.len(), columns)
            }
        }
    )* };
}
pub(crate) use table;

/// True when the stage word of `table!` is `derived`.
#[must_use]
pub const fn is_derived(stage: &str) -> bool {
    matches!(stage.as_bytes(), b"derived")
}
