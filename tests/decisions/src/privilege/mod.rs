pub mod aws;
#[path = "../../../../src/privilege/glob.rs"]
pub mod glob;
