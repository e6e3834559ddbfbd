//! The one binary of tests that look at the program from outside, one module per subject.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test stops at the first surprise"
)]

mod architecture;
mod browser;
mod can;
mod determinism;
mod documents;
mod estate;
mod gate;
mod hostile;
#[cfg(unix)]
mod kill;
mod names;
#[cfg(target_os = "linux")]
mod network;
mod presets;
mod program;
mod rights;
mod sample;
mod scenarios;
mod screening;
