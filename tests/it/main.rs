//! Tests of the built program, one module per subject.

#[cfg(test)]
mod sample;
