//! Tests of the built program and of what is shipped with it, one module per subject.

#[cfg(test)]
mod documents;
#[cfg(test)]
mod sample;
