//! The facts: every table the stages exchange, defined once.
//!
//! `facts` is one of the two contracts of the house (the other is [`crate::findings`]); it imports
//! nothing of ours. One `table!` block per table gives the row struct that adapters and analysis
//! fill, the column documentation that `overstay facts` prints, the Parquet schema and the names
//! and types the rule checker accepts.

pub mod base;
pub mod cell;
pub mod derived;
pub mod docs;
pub mod identity;
pub mod json;
pub mod schema;
pub mod store;
pub mod time;
pub mod vocab;

pub use base::*;
pub use cell::{Cell, ColType, Text, text};
pub use derived::*;
pub use schema::{ColumnDef, Row, TableDef};
pub use store::{Derived, Facts};
pub use time::Time;
pub use vocab::*;
