//! The `overstay` program: parses the command line, runs it, maps failures to exit codes.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use overstay::cli::{Cli, run, text::safe};

/// Tables, sets and findings are many small and short-lived allocations, on several threads.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            // Errors name files, and whoever wrote a file chose its name. Lines stay lines.
            let text = format!("error: {:#}", failure.error);
            for line in text.lines() {
                // Nothing can be done when standard error is closed.
                let _ = writeln!(anstream::stderr(), "{}", safe(line));
            }
            ExitCode::from(failure.code)
        }
    }
}
