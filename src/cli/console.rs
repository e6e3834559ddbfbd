//! Standard output as the user wants it: colour or none, and how wide.

use std::io::IsTerminal;

use super::ColorChoice;

/// Standard output that strips styles where colour is not wanted.
#[must_use]
pub fn stdout(choice: ColorChoice) -> anstream::AutoStream<std::io::Stdout> {
    let choice = match choice {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    };
    anstream::AutoStream::new(std::io::stdout(), choice)
}

/// Whether styles should be written at all.
#[must_use]
pub fn wants_colour(choice: ColorChoice) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            std::io::stdout().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
        }
    }
}

/// Width of the terminal in columns: `COLUMNS` if set, the terminal's own, else 100; between 60 and 140.
#[must_use]
pub fn width() -> usize {
    std::env::var("COLUMNS")
        .ok()
        .and_then(|v| v.parse().ok())
        .or_else(|| terminal_size::terminal_size().map(|(w, _)| usize::from(w.0)))
        .unwrap_or(100)
        .clamp(60, 140)
}
