//! The one binary of tests that look at the program from outside, one module per subject.

mod architecture;
mod browser;
mod documents;
mod sample;
