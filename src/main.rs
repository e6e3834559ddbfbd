//! The `overstay` program: parses the command line, runs it, maps failures to exit codes.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use overstay::cli::{Cli, run, text::safe};
use overstay_heap::MiMalloc;

/// Tables, sets and findings are many small and short-lived allocations, on several threads.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// A run makes tables of many kinds once, one after the other: what one gave back is seldom of use to the next.
const KEPT: Duration = Duration::from_millis(30);

fn main() -> ExitCode {
    overstay_heap::keep_for(KEPT);
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
