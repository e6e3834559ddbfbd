//! `overstay`: finds the privileges that overstay their task.
//!
//! The way data takes, in one direction:
//!
//! ```text
//!  files -> ingest -> facts -> analyze -> rules -> findings -> frameworks -> report
//!                                                                   gate -> exit code
//! ```
//!
//! [`facts`] and [`findings`] are the contracts between the stages; [`pipeline`] is the only place
//! that joins stages.

pub mod analyze;
pub mod cli;
pub mod evidence;
pub mod facts;
pub mod findings;
pub mod frameworks;
pub mod gate;
pub mod ingest;
pub mod pipeline;
pub mod privilege;
pub mod report;
pub mod rules;
pub mod screen;
pub mod settings;
