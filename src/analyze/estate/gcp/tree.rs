//! Organisation, folders, projects, resources.

use std::collections::HashMap;

use crate::facts::{Facts, Text, text};

/// Most levels that are climbed: ten folders, and room for a tree that is none.
const LEVELS: usize = 24;

/// Parent of each node, and the domains of the organisations.
#[derive(Debug, Default)]
pub struct Tree {
    parents: HashMap<Text, Text>,
    /// Display names of organisations, which are their primary domains.
    pub domains: Vec<Text>,
    /// Projects that the inputs name as nodes.
    pub projects: std::collections::BTreeSet<Text>,
}

impl Tree {
    /// Reads the nodes.
    pub fn new(facts: &Facts) -> Self {
        let mut out = Self::default();
        for r in facts.realms.iter().filter(|r| &*r.platform == "gcp") {
            if let Some(parent) = &r.parent_id {
                out.parents.entry(r.realm_id.clone()).or_insert_with(|| parent.clone());
            }
            if r.realm_id.starts_with("organizations/")
                && let Some(name) = r.name.as_ref().filter(|n| n.contains('.'))
            {
                out.domains.push(text(name.to_lowercase()));
            }
            if r.realm_id.starts_with("projects/") {
                out.projects.insert(r.realm_id.clone());
            }
        }
        out
    }

    /// Parent of a node; the project of a resource is in its name where the tree does not say.
    pub fn parent(&self, scope: &str) -> Option<Text> {
        self.parents.get(scope).cloned().or_else(|| {
            let rest = scope.strip_prefix("//")?;
            let at = rest.find("/projects/")? + "/projects/".len();
            let id = rest.get(at..)?.split('/').next().filter(|p| !p.is_empty() && *p != "_")?;
            let parent = text(format!("projects/{id}"));
            (*parent != *scope).then_some(parent)
        })
    }

    /// The node and those above it, nearest first.
    pub fn up(&self, scope: &Text) -> Vec<Text> {
        let mut out = vec![scope.clone()];
        let mut at = scope.clone();
        while let Some(parent) = self.parent(&at).filter(|p| out.len() < LEVELS && !out.contains(p))
        {
            out.push(parent.clone());
            at = parent;
        }
        out
    }

    /// Project of a scope, else the container itself.
    pub fn realm(&self, scope: &Text) -> Option<Text> {
        self.up(scope).into_iter().find(|s| !s.starts_with("//"))
    }

    /// All nodes with their parents.
    pub fn nodes(&self) -> impl Iterator<Item = (&Text, &Text)> {
        self.parents.iter()
    }
}
