//! Base tables: what ingest fills. Specification: grants model, section 1.
//!
//! Conventions. Identifier columns that end in `_id` hold canonical ids after identity resolution
//! ([`crate::facts::store::Facts`]); the columns without `_id` (`beneficiary`, `approver`, ...) hold
//! the text of the source. Times are naive UTC microseconds; ends are pairs (`_lo`, `_hi`): earliest
//! instant the thing may have ended, earliest instant it had surely ended. Null is unknown.
//! `source_id` points to `sources`, `source_ref` is `L<line>` for line formats (1-based, header
//! included), `R<row>` for row formats without lines (1-based) or a JSON pointer.

mod ledger;
mod organisation;
mod sources;
mod state;
mod work;

pub use ledger::*;
pub use organisation::*;
pub use sources::*;
pub use state::*;
pub use work::*;
