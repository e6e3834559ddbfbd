//! `overstay facts`.

use super::{Cli, Outcome, exit};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the verb.
///
/// # Errors
/// A failure with its exit code.
pub fn run(_cli: &Cli, _args: &Args) -> Outcome {
    Ok(exit::OK)
}
