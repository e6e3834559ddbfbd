//! The modules that decide an AWS request, taken from the sources of the package.
#![cfg_attr(test, allow(clippy::all))]

pub mod facts;
pub mod privilege;
