//! The one binary of tests that look at the program from outside, one module per subject.

mod architecture;
mod browser;
mod determinism;
mod documents;
mod gate;
mod hostile;
#[cfg(unix)]
mod kill;
mod names;
#[cfg(target_os = "linux")]
mod network;
mod program;
mod sample;
