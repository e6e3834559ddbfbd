//! Names that several tasks may have.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::facts::Task;

/// Tasks by name. Most names are of one task; those of several are kept apart, so that the common case
/// costs one reference.
#[derive(Debug, Default)]
pub struct Names<'a> {
    first: HashMap<&'a str, &'a Task>,
    more: HashMap<&'a str, Vec<&'a Task>>,
}

impl<'a> Names<'a> {
    /// Adds a task under a name.
    pub fn add(&mut self, name: &'a str, task: &'a Task) {
        match self.first.entry(name) {
            Entry::Vacant(free) => {
                free.insert(task);
            }
            Entry::Occupied(_) => self.more.entry(name).or_default().push(task),
        }
    }

    /// Tasks of a name, in the order of the inputs.
    #[must_use]
    pub fn get(&self, name: &str) -> Vec<&'a Task> {
        let Some(first) = self.first.get(name) else { return Vec::new() };
        let more = self.more.get(name).map_or(&[][..], Vec::as_slice);
        std::iter::once(*first).chain(more.iter().copied()).collect()
    }
}

/// What a reference to a task means.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskRef<'a> {
    /// No task of the inputs.
    Nothing,
    /// These, which are one work: a task, or the attempts of a run.
    These(Vec<&'a Task>),
    /// One of these, and nothing says which.
    Ambiguous(Vec<&'a Task>),
}

/// Name of a system without what spellings differ in: `Service Now` and `servicenow` are one.
#[must_use]
pub fn system_key(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
