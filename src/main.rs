//! The `overstay` program: parses the command line, runs it, maps failures to exit codes.

use std::process::ExitCode;

use clap::Parser;
use overstay::cli::{Cli, run};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            anstream::eprintln!("error: {:#}", failure.error);
            ExitCode::from(failure.code)
        }
    }
}
