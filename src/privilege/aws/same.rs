//! Principals with the same rights, of which one stands for all.

use std::collections::BTreeMap;

use super::escalation::Node;
use super::evaluate::SubjectKind;

/// Nodes with the same rights, kind and account: the first of each, and for each node its place there.
pub(super) fn share(nodes: &[Node<'_>]) -> (Vec<usize>, Vec<usize>) {
    let mut known: BTreeMap<(usize, SubjectKind), usize> = BTreeMap::new();
    let mut first = Vec::new();
    let mut of = Vec::with_capacity(nodes.len());
    for (i, n) in nodes.iter().enumerate() {
        let key = (std::ptr::from_ref(n.rights).addr(), n.subject.kind);
        of.push(*known.entry(key).or_insert_with(|| {
            first.push(i);
            first.len() - 1
        }));
    }
    (first, of)
}
