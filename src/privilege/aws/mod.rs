//! AWS: policy documents, the action catalogue, resource and condition matching, the evaluation of a
//! principal's whole set of policies, what the result can do, and how it can reach more.

pub mod action;
mod alike;
pub mod arn;
mod bounded;
pub mod chain;
pub mod classes;
pub mod compare;
pub mod compat;
pub mod condition;
pub mod decide;
pub mod document;
pub mod escalation;
pub mod evaluate;
pub mod exposure;
pub mod grants;
mod hops;
pub mod named;
mod own;
mod paths;
pub mod reached;
mod same;
mod search;
pub mod set;
mod short;
mod stronger;
pub mod subject;
pub mod tri;
pub mod variable;

/// Loads the embedded data, so that who asks first need not wait for it.
pub fn load() {
    classes::classes();
    exposure::exposures();
    escalation::path_actions();
}
