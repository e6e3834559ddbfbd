//! Whether a use goes beyond the grant it names: in scope, resource or action.
//!
//! Source of the rule: compliance specification, section 5, USE-002. Only a use that names its grant
//! is judged: another use of the same identity may rest on another right. Two scopes are compared
//! only where they are written alike; a log that names the whole account for a grant on one resource
//! is less precise, not wider.

use std::collections::HashMap;

use super::index::Index;
use super::scope;
use crate::facts::{GrantFact, Role, Text, Usage, UsageFact, text};
use crate::privilege::aws::action::pattern_covers;
use crate::privilege::aws::arn;
use crate::privilege::aws::document::{Document, Effect, Patterns};

/// What the granted privileges allow, by name and by id.
pub struct Contents<'a> {
    roles: HashMap<&'a str, Vec<(&'a Role, Option<Document>)>>,
}

impl std::fmt::Debug for Contents<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contents").field("roles", &self.roles.len()).finish()
    }
}

/// One axis: within, beyond, or not comparable.
type Axis = Option<bool>;

impl<'a> Contents<'a> {
    /// Reads the documents of the privileges that uses name through their grants.
    #[must_use]
    pub fn new(ix: &Index<'a>, grants: &[GrantFact]) -> Self {
        let mut roles: HashMap<&str, Vec<(&Role, Option<Document>)>> = HashMap::new();
        let named: std::collections::HashSet<&str> = if ix.facts.usage.iter().any(by_grant) {
            grants.iter().map(|g| &*g.privilege).collect()
        } else {
            std::collections::HashSet::new()
        };
        for role in ix.facts.roles.iter().filter(|r| &*r.platform == "aws") {
            let mut keys = vec![&*role.role_id, &*role.name];
            keys.dedup();
            for key in keys.into_iter().filter(|k| named.contains(k)) {
                let document = role.document.as_deref().map(Document::parse);
                let document = document.filter(|d| d.malformed.is_none());
                roles.entry(key).or_default().push((role, document));
            }
        }
        Self { roles }
    }

    /// Fills the columns of a use that names its grant.
    pub fn judge(&self, u: &Usage, g: &GrantFact, out: &mut UsageFact) {
        out.in_window = window(out, g);
        let platform = g.platform.as_deref();
        let axes = [
            ("scope", u.scope.is_some(), in_scope(platform, g, u.scope.as_deref(), false)),
            ("resource", u.resource.is_some(), in_scope(platform, g, u.resource.as_deref(), true)),
            ("action", u.action.is_some(), self.allowed(g, u)),
        ];
        out.beyond =
            axes.iter().filter(|(_, _, a)| *a == Some(false)).map(|(w, _, _)| text(w)).collect();
        let other_name = u.privilege.as_deref().is_some_and(|p| !same_name(p, &g.privilege));
        // A resource that no scope limits is judged with the action.
        let open = |(word, stated, axis): &(&str, bool, Axis)| {
            *stated && axis.is_none() && !(*word == "resource" && axes[2].2 == Some(true))
        };
        let judged = axes.iter().any(|(_, _, a)| a.is_some()) || u.privilege.is_some();
        if !out.beyond.is_empty() {
            out.beyond_grant = Some(true);
        } else if let Some((word, _, _)) = axes.iter().find(|a| open(a)) {
            let why = if *word == "action" { "role_unexpanded" } else { "scope_not_comparable" };
            out.beyond_unknown = Some(text(why));
        } else if other_name {
            out.beyond_unknown = Some(text("other_privilege_name"));
        } else if judged {
            out.beyond_grant = Some(false);
        } else {
            out.beyond_unknown = Some(text("use_names_nothing"));
        }
        if other_name {
            out.beyond.push(text("privilege"));
        }
    }

    /// Whether the granted policy allows the action, and on the resource where the log gives its ARN.
    fn allowed(&self, g: &GrantFact, u: &Usage) -> Axis {
        let action = u.action.as_deref().filter(|a| !a.contains('*'))?;
        let candidates = self.roles.get(&*g.privilege)?;
        let account = g.scope.as_deref().map(|s| scope::canonical(Some("aws"), s));
        let account = account.as_deref().and_then(scope::aws_account);
        let here: Vec<_> = candidates
            .iter()
            .filter(|(r, _)| match (r.realm.as_deref(), account) {
                (Some(realm), Some(account)) => realm.ends_with(account),
                _ => true,
            })
            .collect();
        // Two policies of one name: nothing says which was granted.
        let [(_, Some(document))] = here.as_slice() else { return None };
        let resource = u.resource.as_deref().filter(|r| r.starts_with("arn:"));
        let mut doubtful = false;
        for s in document.statements.iter().filter(|s| s.effect == Effect::Allow) {
            doubtful |= s.doubtful;
            let acts = covers(&s.actions, |p| pattern_covers(p, action));
            let on = match (&s.resources, resource) {
                (Some(patterns), Some(r)) => {
                    doubtful |= patterns.list.iter().any(|p| p.contains("${"));
                    covers(patterns, |p| arn::matches(p, r))
                }
                _ => true,
            };
            if acts && on {
                return Some(true);
            }
        }
        (!doubtful).then_some(false)
    }
}

fn by_grant(u: &Usage) -> bool {
    u.grant_id.is_some()
}

fn covers(patterns: &Patterns, hit: impl Fn(&str) -> bool) -> bool {
    patterns.list.iter().any(|p| hit(p)) != patterns.negate
}

/// Whether a part of the use lies inside the window of the grant.
fn window(u: &UsageFact, g: &GrantFact) -> Option<bool> {
    let (first, last, start) = (u.first_at?, u.last_at?, g.started_at?);
    Some(last >= start && g.ended_at.is_none_or(|end| first < end))
}

/// A name and the path that ends in it are the same privilege.
fn same_name(a: &str, b: &str) -> bool {
    let inside = |long: &str, short: &str| {
        long.strip_suffix(short).is_some_and(|head| head.is_empty() || head.ends_with('/'))
    };
    inside(a, b) || inside(b, a)
}

/// Whether a scope or resource lies in the scope of the grant; `None` when the two are not written alike.
fn in_scope(platform: Option<&str>, g: &GrantFact, used: Option<&str>, resource: bool) -> Axis {
    let (granted, used) = (g.scope.as_deref()?, used?);
    let (a, b) = (scope::canonical(platform, granted), scope::canonical(platform, used));
    if scope::contains(&a, &b) {
        return Some(true);
    }
    // Less precise than the grant, or only a tree would tell.
    if (!resource && scope::contains(&b, &a)) || scope::undecided(&a, &b) {
        return None;
    }
    match (scope::aws_account(&a), scope::aws_account(&b)) {
        (Some(x), Some(y)) if x != y => return Some(false),
        (Some(_), Some(_)) => return if is_arn(&a) && is_arn(&b) { Some(false) } else { None },
        (None, None) => {}
        _ => return None,
    }
    let (x, y): (Vec<&str>, Vec<&str>) = (a.split('/').collect(), b.split('/').collect());
    let alike = match (x.as_slice(), y.as_slice()) {
        ([_], [_]) => !resource,
        ([kind, _, ..], [other, _, ..]) => kind == other,
        _ => false,
    };
    (alike && !is_arn(&a) && !is_arn(&b)).then_some(false)
}

fn is_arn(s: &str) -> bool {
    s.starts_with("arn:")
}

/// Reason of uses that name no grant.
#[must_use]
pub fn unnamed() -> Text {
    text("no_grant_named")
}
