//! What a permission means: globs, action catalogues, classes and tiers, and one evaluator per platform.

pub mod aws;
pub mod azure;
pub mod class;
pub mod dangerous;
pub mod gcp;
pub mod glob;
pub mod k8s;
pub mod memo;
pub mod postgres;
pub mod vault;
