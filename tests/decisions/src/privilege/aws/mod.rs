#[path = "../../../../../src/privilege/aws/action.rs"]
pub mod action;
#[path = "../../../../../src/privilege/aws/arn.rs"]
pub mod arn;
#[path = "../../../../../src/privilege/aws/condition/mod.rs"]
pub mod condition;
#[path = "../../../../../src/privilege/aws/decide/mod.rs"]
pub mod decide;
#[path = "../../../../../src/privilege/aws/document.rs"]
pub mod document;
#[path = "../../../../../src/privilege/aws/set.rs"]
pub mod set;
#[path = "../../../../../src/privilege/aws/subject.rs"]
pub mod subject;
#[path = "../../../../../src/privilege/aws/tri.rs"]
pub mod tri;
#[path = "../../../../../src/privilege/aws/variable.rs"]
pub mod variable;

/// Where the package has the principals.
pub mod evaluate {
    pub use super::subject::{Setting, Subject, SubjectKind};
}
