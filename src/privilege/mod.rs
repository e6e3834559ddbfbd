//! What a permission means: globs, action catalogues, classes and tiers, and one evaluator per platform.

pub mod aws;
pub mod class;
pub mod gcp;
pub mod glob;
