//! Frameworks: the embedded catalogues, the crosswalk of cited ids, and the conclusions per control.
//!
//! Ids are kept with framework and version, because numbers move between versions. Conclusions use the
//! fixed vocabulary of the compliance specification, section 6.1; nothing here ever says "compliant".

pub mod blind;
pub mod catalogue;
pub mod conclude;
pub mod crosswalk;
mod wording;

pub use blind::blind_spots;
pub use catalogue::{Catalogue, Control, MAIN, catalogue, catalogues};
pub use conclude::{Basis, conclude};
pub use crosswalk::{cited_as, crosswalk};
