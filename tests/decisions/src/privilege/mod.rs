pub mod aws;
#[path = "../../../../src/privilege/glob.rs"]
pub mod glob;
#[path = "../../../../src/privilege/memo.rs"]
pub mod memo;
