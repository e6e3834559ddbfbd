//! The organisation's tree: which policies lie above an account, level by level (AWS, section 5.4.3).

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{Facts, GuardrailKind, RealmKind};
use crate::privilege::aws::tri::Tri;

/// A node of the tree and the policies attached to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level<'f> {
    /// Node, or `level N` where a file gives levels instead of nodes.
    pub node: String,
    /// Keys into `roles`, sorted.
    pub policies: Vec<&'f str>,
    /// Whether it lies above the account; a level that certainly does not is left out.
    pub applies: Tri,
}

#[derive(Clone, Copy, Debug)]
struct Node<'f> {
    parent: Option<&'f str>,
    kind: RealmKind,
    organisation: Option<&'f str>,
    management: Option<bool>,
}

/// The tree and its policies, for one platform.
#[derive(Clone, Debug, Default)]
pub struct Organisation<'f> {
    nodes: BTreeMap<&'f str, Node<'f>>,
    /// Policies by kind and node.
    targets: BTreeMap<(GuardrailKind, &'f str), BTreeSet<&'f str>>,
    /// Policies by kind and level.
    levels: BTreeMap<(GuardrailKind, i64), BTreeSet<&'f str>>,
    kinds: BTreeSet<GuardrailKind>,
}

/// Units that a tree may be deep; AWS allows five. More is a cycle or nonsense.
const DEEPEST: usize = 64;

impl<'f> Organisation<'f> {
    /// Reads the tree of AWS accounts out of the base tables.
    #[must_use]
    pub fn new(facts: &'f Facts) -> Self {
        let mut out = Self::default();
        for r in facts.realms.iter().filter(|r| &*r.platform == "aws") {
            let new = Node {
                parent: r.parent_id.as_deref(),
                kind: r.kind,
                organisation: r.organisation.as_deref(),
                management: r.management,
            };
            out.nodes
                .entry(account_of(&r.realm_id))
                .and_modify(|n| {
                    // Several exports may each say a part.
                    n.parent = n.parent.or(new.parent);
                    n.organisation = n.organisation.or(new.organisation);
                    n.management = n.management.or(new.management);
                })
                .or_insert(new);
        }
        for g in facts.guardrails.iter().filter(|g| &*g.platform == "aws") {
            out.kinds.insert(g.kind);
            if let Some(target) = g.target_id.as_deref() {
                let key = (g.kind, account_of(target));
                out.targets.entry(key).or_default().insert(&g.role_id);
            } else if let Some(level) = g.level {
                out.levels.entry((g.kind, level)).or_default().insert(&g.role_id);
            }
        }
        out
    }

    /// Whether an account manages the organisation. An account of which the inputs do not say so is
    /// taken for a member: there is one management account, and organisation files name it.
    #[must_use]
    pub fn is_management(&self, account: &str) -> bool {
        self.nodes.get(account).and_then(|n| n.management) == Some(true)
    }

    /// The organisation an account or node belongs to, when the inputs say so of it or of a node above it.
    #[must_use]
    pub fn organisation_of(&self, account: &str) -> Option<&'f str> {
        let (path, _) = self.path(account);
        path.iter().find_map(|node| self.nodes.get(node).and_then(|n| n.organisation))
    }

    /// The account's place in the tree as `aws:PrincipalOrgPaths` has it, `o-a1b2c3d4e5/r-ab12/ou-ab12-1/`
    /// (AWS IAM User Guide, global condition keys); `None` unless it is known up to the root.
    #[must_use]
    pub fn path_of(&self, account: &str) -> Option<String> {
        let (path, whole) = self.path(account);
        let organisation = self.organisation_of(account).filter(|_| whole)?;
        let nodes = path.iter().rev().filter(|n| **n != organisation && **n != account);
        Some(std::iter::once(&organisation).chain(nodes).map(|n| format!("{n}/")).collect())
    }

    /// Levels above an account, from the root down; `None` when the inputs hold no policy of this kind.
    #[must_use]
    pub fn above(&self, kind: GuardrailKind, account: &str) -> Option<Vec<Level<'f>>> {
        if !self.kinds.contains(&kind) {
            return None;
        }
        let (path, whole) = self.path(account);
        let mut out: Vec<(usize, Level<'f>)> = Vec::new();
        for ((k, node), policies) in &self.targets {
            if *k != kind {
                continue;
            }
            let depth = path.iter().position(|p| p == node);
            let applies = match depth {
                Some(_) => Tri::T,
                None if whole || is_account(node) => continue,
                None => match (self.organisation_of(account), self.organisation_of(node)) {
                    (Some(a), Some(b)) if a != b => continue,
                    _ => Tri::U,
                },
            };
            let policies = policies.iter().copied().collect();
            let order = depth.map_or(usize::MAX, |d| path.len() - d);
            out.push((order, Level { node: (*node).to_owned(), policies, applies }));
        }
        out.sort_by(|a, b| (a.0, &a.1.node).cmp(&(b.0, &b.1.node)));
        let by_level =
            self.levels.iter().filter(|((k, _), _)| *k == kind).map(|((_, n), p)| Level {
                node: format!("level {n}"),
                policies: p.iter().copied().collect(),
                applies: Tri::T,
            });
        Some(by_level.chain(out.into_iter().map(|(_, l)| l)).collect())
    }

    /// The account and the nodes above it; and whether the path is known up to a root.
    fn path<'a>(&'a self, account: &'a str) -> (Vec<&'a str>, bool) {
        let mut path = vec![account];
        let mut at = account;
        while let Some(parent) = self.nodes.get(at).and_then(|n| n.parent) {
            if path.len() > DEEPEST || path.contains(&parent) {
                return (path, false);
            }
            path.push(parent);
            at = parent;
        }
        let top = |kind: RealmKind| matches!(kind, RealmKind::Root | RealmKind::Organisation);
        let whole = path.len() > 1
            && (self.nodes.get(at).is_some_and(|n| top(n.kind)) || at.starts_with("r-"));
        (path, whole)
    }
}

/// Tables write accounts as `123456789012` or `aws:123456789012`.
fn account_of(id: &str) -> &str {
    id.strip_prefix("aws:").unwrap_or(id)
}

fn is_account(id: &str) -> bool {
    id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Guardrail, Realm, text};

    fn realm(id: &str, kind: RealmKind, parent: Option<&str>) -> Realm {
        Realm {
            platform: text("aws"),
            realm_id: text(id),
            kind,
            parent_id: parent.map(text),
            ..Realm::default()
        }
    }

    fn guardrail(target: Option<&str>, level: Option<i64>, policy: &str) -> Guardrail {
        Guardrail {
            platform: text("aws"),
            target_id: target.map(text),
            level,
            role_id: text(policy),
            ..Guardrail::default()
        }
    }

    const A: &str = "111122223333";
    const B: &str = "444455556666";

    fn tree() -> Facts {
        Facts {
            realms: vec![
                realm("r-1", RealmKind::Root, None),
                realm("ou-1", RealmKind::Unit, Some("r-1")),
                realm("ou-2", RealmKind::Unit, Some("r-1")),
                realm(A, RealmKind::Account, Some("ou-1")),
            ],
            guardrails: vec![
                guardrail(Some(A), None, "p-account"),
                guardrail(Some("ou-1"), None, "p-unit"),
                guardrail(Some("ou-2"), None, "p-elsewhere"),
                guardrail(Some("r-1"), None, "p-root"),
                guardrail(Some(B), None, "p-other"),
                guardrail(None, None, "p-nowhere"),
            ],
            ..Facts::default()
        }
    }

    fn shown(facts: &Facts, account: &str) -> Option<Vec<(String, Tri)>> {
        let levels = Organisation::new(facts).above(GuardrailKind::Scp, account)?;
        Some(levels.into_iter().map(|l| (l.policies.join(" "), l.applies)).collect())
    }

    #[test]
    fn levels_of_a_known_path() {
        let want = ["p-root", "p-unit", "p-account"].map(|p| (p.to_owned(), Tri::T));
        assert_eq!(shown(&tree(), A).unwrap(), want);
        assert_eq!(Organisation::new(&tree()).above(GuardrailKind::Rcp, A), None);
        assert_eq!(shown(&Facts::default(), A), None);
    }

    /// What is said of the root holds for the accounts below it.
    #[test]
    fn the_organisation_and_the_place_in_it() {
        let mut facts = tree();
        assert_eq!(Organisation::new(&facts).organisation_of(A), None);
        assert_eq!(Organisation::new(&facts).path_of(A), None);
        if let Some(root) = facts.realms.first_mut() {
            root.organisation = Some(text("o-1"));
        }
        let o = Organisation::new(&facts);
        assert_eq!(o.organisation_of(A), Some("o-1"));
        assert_eq!(o.path_of(A).as_deref(), Some("o-1/r-1/ou-1/"));
        assert_eq!((o.organisation_of(B), o.path_of(B)), (None, None));
        facts.realms.push(realm("o-1", RealmKind::Organisation, None));
        if let Some(root) = facts.realms.first_mut() {
            root.parent_id = Some(text("o-1"));
        }
        assert_eq!(Organisation::new(&facts).path_of(A).as_deref(), Some("o-1/r-1/ou-1/"));
    }

    /// A policy above of which nobody says where the account hangs cuts nothing for certain.
    #[test]
    fn an_unknown_path_is_undecided() {
        let got = shown(&tree(), B).unwrap();
        assert!(got.contains(&("p-other".into(), Tri::T)), "{got:?}");
        for unsure in ["p-root", "p-unit", "p-elsewhere"] {
            assert!(got.contains(&(unsure.into(), Tri::U)), "{got:?}");
        }
        assert!(!got.iter().any(|(p, _)| p == "p-account" || p == "p-nowhere"), "{got:?}");
    }

    #[test]
    fn levels_without_nodes_reach_every_account() {
        let facts = Facts {
            guardrails: vec![guardrail(None, Some(1), "b"), guardrail(None, Some(0), "a")],
            ..Facts::default()
        };
        assert_eq!(shown(&facts, A).unwrap(), [("a".into(), Tri::T), ("b".into(), Tri::T)]);
    }

    #[test]
    fn a_cycle_ends() {
        let facts = Facts {
            realms: vec![
                realm("ou-1", RealmKind::Unit, Some("ou-2")),
                realm("ou-2", RealmKind::Unit, Some("ou-1")),
                realm(A, RealmKind::Account, Some("ou-1")),
            ],
            guardrails: vec![guardrail(Some("ou-9"), None, "p")],
            ..Facts::default()
        };
        assert_eq!(shown(&facts, A).unwrap(), [("p".into(), Tri::U)]);
    }
}
