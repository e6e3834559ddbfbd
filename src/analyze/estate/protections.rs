//! What stands between a push and a run that takes an identity elsewhere: protected branches, rulesets and
//! environments of GitHub, as conditions on the subject of a run's token.
//!
//! A run of an environment waits for its reviewers; a run on a protected branch needs a change that somebody
//! else approved; any other subject is taken by whoever may push to the repository. Source: GitHub Docs,
//! "OpenID Connect reference" (subjects), REST reference of branch protection, rules and environments.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::facts::{Facts, GuardrailKind, Role, Text, Tri, text};
use crate::privilege::glob;

/// What the adapter wrote.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Written {
    /// Approvals that a change needs.
    reviews: i64,
    /// Who may let a run of an environment go on.
    reviewers: Vec<String>,
    /// Minutes that a run of an environment waits.
    wait_minutes: i64,
    /// The environment takes runs of protected branches or named ones only.
    branches: Option<String>,
    /// It holds for the default branch, whichever that is.
    default_branch: bool,
}

/// All protections, by repository.
#[derive(Debug, Default)]
pub(super) struct Protections {
    environments: BTreeMap<String, BTreeMap<String, Written>>,
    branches: BTreeMap<String, Vec<(String, Written)>>,
}

/// A subject of a run, in parts.
enum Subject<'s> {
    Environment(&'s str),
    Branch(&'s str),
    Any,
}

fn parts(subject: &str) -> Option<(String, Subject<'_>)> {
    let rest = subject.strip_prefix("repo:")?;
    let (repo, rest) = rest.split_once(':').unwrap_or((rest, ""));
    let wild = |s: &str| s.contains(['*', '?']);
    let kind = match rest.strip_prefix("environment:") {
        Some(name) if !wild(name) => Subject::Environment(name),
        _ => match rest.strip_prefix("ref:refs/heads/") {
            Some(branch) if !wild(branch) => Subject::Branch(branch),
            _ => Subject::Any,
        },
    };
    Some((repo.to_lowercase(), kind))
}

impl Protections {
    /// Reads what the inputs say of repositories.
    pub(super) fn new(facts: &Facts) -> Self {
        let ours = |p: &str| p == "github";
        let roles: BTreeMap<&str, &Role> =
            facts.roles.iter().filter(|r| ours(&r.platform)).map(|r| (&*r.role_id, r)).collect();
        let mut out = Self::default();
        for g in &facts.guardrails {
            if g.kind != GuardrailKind::Activation || !ours(&g.platform) {
                continue;
            }
            let Some((repo, what)) = g.target_id.as_deref().and_then(|t| t.split_once('#')) else {
                continue;
            };
            let repo = repo.to_lowercase();
            let document = roles.get(&*g.role_id).and_then(|r| r.document.as_deref());
            let written: Written =
                document.and_then(|d| serde_json::from_str(d).ok()).unwrap_or_default();
            if what == "environments" {
                out.environments.entry(repo).or_default();
            } else if let Some(name) = what.strip_prefix("environment:") {
                out.environments.entry(repo).or_default().insert(name.to_owned(), written);
            } else if let Some(pattern) = what.strip_prefix("branch:") {
                out.branches.entry(repo).or_default().push((pattern.to_owned(), written));
            }
        }
        out
    }

    /// Whether whoever pushes to the repository gets a run with this subject, and on what it hangs.
    pub(super) fn of(&self, subject: &str) -> (Tri, Vec<Text>) {
        let Some((repo, kind)) = parts(subject) else { return (Tri::Yes, Vec::new()) };
        let open = |what: String| (Tri::Conditional, vec![text(what)]);
        match kind {
            Subject::Any => (Tri::Yes, Vec::new()),
            Subject::Environment(name) => match self.environments.get(&repo) {
                None => open(format!(
                    "whether the environment `{name}` of `{repo}` asks for a review: no input says"
                )),
                Some(all) => match all.get(name) {
                    // An environment that a workflow names and that is not there is made without guards.
                    None => (Tri::Yes, Vec::new()),
                    Some(w) if !w.reviewers.is_empty() => open(format!(
                        "a reviewer of the environment `{name}` of `{repo}` lets the run go on ({})",
                        w.reviewers.join(", ")
                    )),
                    Some(w) => match &w.branches {
                        Some(which) => open(format!(
                            "the environment `{name}` of `{repo}` takes runs of {which} branches only"
                        )),
                        // Waiting alone keeps nobody out.
                        None => (Tri::Yes, Vec::new()),
                    },
                },
            },
            Subject::Branch(branch) => match self.branches.get(&repo) {
                None => open(format!(
                    "whether a change to `{branch}` of `{repo}` needs a review: no input says"
                )),
                Some(rules) => {
                    let asks = |w: &Written| w.reviews > 0;
                    let fits = |p: &str| p == branch || glob::matches(p, branch);
                    if rules.iter().any(|(p, w)| !w.default_branch && fits(p) && asks(w)) {
                        open(format!("somebody else approves the change to `{branch}` of `{repo}`"))
                    } else if rules.iter().any(|(_, w)| w.default_branch && asks(w)) {
                        open(format!(
                            "if `{branch}` is the default branch of `{repo}`, somebody else approves the change"
                        ))
                    } else {
                        (Tri::Yes, Vec::new())
                    }
                }
            },
        }
    }
}
