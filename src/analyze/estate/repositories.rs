//! Runs of GitHub Actions as identities: what trusts the repository, and who writes what runs there (cloud
//! semantics, section 2).
//!
//! A repository is the principal `repo:OWNER/NAME`. Its runs sign in to AWS, Google Cloud, Entra and Vault by
//! the subject of their token. Whoever pushes to it decides what a run of a new branch does; before runs of
//! named branches and environments stand the protections of the repository ([`super::protections`]).

use std::collections::{BTreeMap, BTreeSet};

use super::cross::{Federated, MAX_PAIRS, TOO_MANY};
use super::protections::Protections;
use super::{Edge, Estate, World};
use crate::analyze::reach::people::Person;
use crate::facts::{Facts, Link, PrincipalKind, Text, Tri, text};
use crate::privilege::class::Breadth;
use crate::privilege::gcp::member;
use crate::privilege::glob;

/// Host of the tokens of runs.
pub const HOST: &str = "token.actions.githubusercontent.com";
/// Platform of those who write code.
const GITHUB: &str = "github";

/// What takes the runs of repositories in.
struct Way {
    /// Identity that a run becomes.
    to: Text,
    /// Pattern of subjects (`repo:acme/app:*`).
    subjects: String,
    technique: &'static str,
    /// What a run does, behind its name.
    does: String,
    conditions: Vec<Text>,
    refs: Vec<(Text, Text)>,
    /// The step from a junction of the platform stands there already.
    relation: bool,
}

/// A repository by its name in lower case.
struct Repository {
    name: String,
    refs: Vec<(Text, Text)>,
}

type Repositories = BTreeMap<String, Repository>;

fn principal(name: &str) -> Text {
    text(format!("repo:{name}"))
}

/// Junction of what runs in a repository, which whoever pushes to it decides; names have no case.
pub(super) fn repository(name: &str) -> Text {
    text(format!("github#repository {}", name.to_lowercase()))
}

/// Junction of the repositories of an organisation, for rights that name none.
pub(super) fn repositories_of(organisation: &str) -> Text {
    text(format!("github#repositories of {}", organisation.to_lowercase()))
}

/// Owner and name at the start of a subject; `None` unless both are whole.
fn named(subject: &str) -> Option<&str> {
    let rest = subject.strip_prefix("repo:")?;
    let name = rest.split(':').next()?;
    let (owner, repo) = name.split_once('/')?;
    let whole = !owner.is_empty() && !repo.is_empty() && !name.contains(['*', '?']);
    whole.then_some(name)
}

/// Adds the steps of runs, and of those who write what runs.
pub fn add(world: &World<'_>, trusts: &[Federated<'_>], estate: &mut Estate) {
    let mut ways = aws(trusts);
    ways.extend(google(world.facts));
    ways.extend(entra(world.facts));
    ways.extend(vault(world.facts));
    if ways.is_empty() {
        return;
    }
    let mut repositories = Repositories::new();
    for w in &ways {
        if let Some(name) = named(&w.subjects) {
            put(&mut repositories, name, w.refs.first().cloned());
        }
    }
    for h in estate.held.iter().filter(|h| &*h.platform == GITHUB) {
        if h.breadth == Breadth::Resource && h.scope.split('/').count() == 2 {
            put(&mut repositories, &h.scope, h.refs.first().cloned());
        }
    }
    let mut signed: BTreeSet<String> = BTreeSet::new();
    runs(&ways, &repositories, &Protections::new(world.facts), &mut signed, estate);
    repositories.retain(|key, _| signed.contains(key));
    of_owners(&repositories, estate);
    for r in repositories.into_values() {
        let person = Person {
            kind: PrincipalKind::Workload,
            is_nhi: Some(true),
            platform: Some(text(GITHUB)),
            realm: r.name.split_once('/').map(|(owner, _)| text(owner)),
            name: Some(text(&r.name)),
            refs: r.refs,
            ..Person::default()
        };
        estate.people.insert(principal(&r.name), person);
    }
}

fn put(repositories: &mut Repositories, name: &str, at: Option<(Text, Text)>) {
    let repository = || Repository { name: name.to_owned(), refs: Vec::new() };
    let r = repositories.entry(name.to_lowercase()).or_insert_with(repository);
    if r.refs.len() < 8 {
        r.refs.extend(at);
    }
}

/// Roles that trust runs.
fn aws(trusts: &[Federated<'_>]) -> Vec<Way> {
    let mut out = Vec::new();
    for f in trusts.iter().filter(|f| f.trust.trusted.contains(HOST)) {
        let all = [String::from("*")];
        let subjects = if f.subjects.is_empty() { &all[..] } else { &f.subjects[..] };
        for subject in subjects {
            out.push(Way {
                to: f.trust.principal_id.clone(),
                subjects: subject.clone(),
                technique: "aws:github_oidc",
                does: format!("takes the role `{}`", f.trust.principal_id),
                conditions: Vec::new(),
                refs: vec![(f.trust.source_id.clone(), f.trust.source_ref.clone())],
                relation: false,
            });
        }
    }
    out
}

/// Members of bindings that stand for runs: by the attribute of the repository or of its owner, by the
/// subject, or as everybody whom the pool takes in.
fn google(facts: &Facts) -> Vec<Way> {
    let mut providers: BTreeMap<&str, Vec<&Link>> = BTreeMap::new();
    for l in facts.links.iter().filter(|l| &*l.kind == "federation_provider") {
        providers.entry(&l.target_id).or_default().push(l);
    }
    let mut out = Vec::new();
    let mut seen: BTreeSet<&Text> = BTreeSet::new();
    for e in facts.entitlements.iter().filter(|e| &*e.platform == "gcp") {
        let Some((pool, rest)) = member::pool(&e.principal_id) else { continue };
        if !seen.insert(&e.principal_id) {
            continue;
        }
        let of_pool = providers.get(pool).map_or(&[][..], Vec::as_slice);
        let subjects = match rest.split_once('/') {
            None if rest == "*" => "repo:*".to_owned(),
            Some(("attribute.repository", name)) => format!("repo:{name}:*"),
            Some(("attribute.repository_owner", owner)) => format!("repo:{owner}/*"),
            Some(("subject", subject)) if subject.starts_with("repo:") => subject.to_owned(),
            _ => continue,
        };
        // A pool that nothing shows to be of GitHub is one only where its members name repositories.
        if rest == "*" && of_pool.is_empty() {
            continue;
        }
        let short = pool.rsplit('/').next().unwrap_or(pool);
        let Some((limits, conditions)) = admitted(of_pool, short) else { continue };
        let subjects = narrower(subjects, limits);
        out.push(Way {
            to: e.principal_id.clone(),
            does: format!("signs in as {}", member::shown(&e.principal_id)),
            subjects,
            technique: "gcp:github_oidc",
            conditions,
            refs: vec![(e.source_id.clone(), e.source_ref.clone())],
            relation: false,
        });
    }
    out
}

/// Whether the providers of a pool take runs: `None` when the inputs show them and none does; else the
/// repository or owner to which they limit them, and what stays open.
fn admitted(providers: &[&Link], pool: &str) -> Option<(Option<String>, Vec<Text>)> {
    if providers.is_empty() {
        let open = format!("whether a provider of the pool `{pool}` takes runs of GitHub");
        return Some((None, vec![text(open)]));
    }
    let mut best: Option<(Option<String>, Vec<Text>)> = None;
    for l in providers.iter().filter(|l| l.issuer.as_deref().is_some_and(|i| i.contains(HOST))) {
        let said: serde_json::Value =
            l.condition.as_deref().and_then(|c| serde_json::from_str(c).ok()).unwrap_or_default();
        if said.get("disabled").and_then(serde_json::Value::as_bool) == Some(true) {
            continue;
        }
        let condition = said.get("attributeCondition").and_then(|c| c.as_str()).unwrap_or("true");
        let one = match limit(condition) {
            Some(limit) => (limit, Vec::new()),
            None => (None, vec![text(format!("the attribute condition `{condition}`"))]),
        };
        let better = |have: &(Option<String>, Vec<Text>)| {
            (one.1.len(), one.0.is_some()) < (have.1.len(), have.0.is_some())
        };
        if best.as_ref().is_none_or(better) {
            best = Some(one);
        }
    }
    best
}

/// Subjects that an attribute condition lets in, where it only names the repository or its owner; the outer
/// `None` is a condition that says something else.
fn limit(condition: &str) -> Option<Option<String>> {
    let condition = condition.trim();
    if matches!(condition, "" | "true") {
        return Some(None);
    }
    let (attribute, value) = condition.split_once("==")?;
    let value = value.trim();
    let quote = value.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let value = value.strip_prefix(quote)?.strip_suffix(quote)?;
    if value.contains([quote, '*', '?', '\\']) {
        return None;
    }
    match attribute.trim() {
        "assertion.repository_owner" | "attribute.repository_owner" => {
            Some(Some(format!("repo:{value}/*")))
        }
        "assertion.repository" | "attribute.repository" => Some(Some(format!("repo:{value}:*"))),
        _ => None,
    }
}

/// The narrower of two patterns of which one lies in the other; where they do not, a pattern that nothing
/// fits.
fn narrower(subjects: String, limit: Option<String>) -> String {
    let Some(limit) = limit else { return subjects };
    if glob::matches(&limit, &subjects) {
        subjects
    } else if glob::matches(&subjects, &limit) {
        limit
    } else {
        String::new()
    }
}

/// Applications whose federated credentials name runs.
fn entra(facts: &Facts) -> Vec<Way> {
    let mut out = Vec::new();
    for l in facts.links.iter().filter(|l| &*l.kind == "federated_credential") {
        if !l.issuer.as_deref().is_some_and(|i| i.contains(HOST)) {
            continue;
        }
        let refs = vec![(l.source_id.clone(), l.source_ref.clone())];
        let way = |to: Text, subjects: String, does: String, relation| Way {
            to,
            subjects,
            technique: "entra:github_oidc",
            does,
            conditions: Vec::new(),
            refs: refs.clone(),
            relation,
        };
        if let Some(subject) = l.subject.as_deref() {
            // A subject is compared letter by letter; the platform's own step begins at it.
            if !subject.contains('*') {
                out.push(way(l.principal_id.clone(), subject.to_owned(), String::new(), true));
            }
        } else if let Some(pattern) = l.condition.as_deref().and_then(matched) {
            let does = format!("signs in as the application `{}`", l.target_id);
            out.push(way(l.target_id.clone(), pattern, does, false));
        }
    }
    out
}

/// Roles of Vault that take tokens of runs.
fn vault(facts: &Facts) -> Vec<Way> {
    let of = |l: &&Link| {
        &*l.platform == "vault" && &*l.kind == "vault_login" && l.principal_id.starts_with("repo:")
    };
    let way = |l: &Link| Way {
        to: l.target_id.clone(),
        subjects: l.principal_id.to_string(),
        technique: "vault:login",
        does: format!("logs in to Vault as `{}`", l.target_id),
        conditions: Vec::new(),
        refs: vec![(l.source_id.clone(), l.source_ref.clone())],
        relation: false,
    };
    facts.links.iter().filter(of).map(way).collect()
}

/// Pattern out of `claims['sub'] matches 'repo:acme/app:*'`, the one form of flexible credentials that is
/// about the subject alone.
fn matched(expression: &str) -> Option<String> {
    let rest = expression.trim().strip_prefix("claims['sub']")?.trim_start();
    let (word, value) = rest.split_once(' ')?;
    let value = value.trim().strip_prefix('\'')?.strip_suffix('\'')?;
    let exact = word == "eq" && !value.contains(['*', '?']);
    ((word == "matches" || exact) && !value.contains('\'')).then(|| value.to_owned())
}

/// Steps of runs, by each way in.
fn runs(
    ways: &[Way],
    repositories: &Repositories,
    protections: &Protections,
    signed: &mut BTreeSet<String>,
    estate: &mut Estate,
) {
    let (mut pairs, mut told) = (0usize, false);
    for w in ways {
        let exact = named(&w.subjects).map(str::to_lowercase);
        let one = exact.as_ref().and_then(|key| repositories.get_key_value(key));
        if let Some((key, r)) = one {
            signed.insert(key.clone());
            run(w, &r.name, protections, estate);
            continue;
        }
        pairs = pairs.saturating_add(repositories.len());
        if exact.is_some() || w.subjects.is_empty() {
            continue;
        }
        if pairs > MAX_PAIRS {
            if !told {
                signed.extend(repositories.keys().cloned());
                let open = repositories.values().map(|r| (principal(&r.name), text(TOO_MANY)));
                estate.unknown.extend(open);
                told = true;
            }
            continue;
        }
        for (key, r) in repositories {
            // A pattern fits a repository when it fits some subject of it.
            let some = [":ref:refs/heads/main", ":environment:production", ":pull_request"];
            let fits = some.iter().any(|s| {
                let subject = format!("repo:{}{s}", r.name);
                glob::matches(&w.subjects, &subject)
            });
            if fits {
                signed.insert(key.clone());
                run(w, &r.name, protections, estate);
            }
        }
    }
}

/// Runs of a repository are what the way takes in; whoever pushes to it gets such a run as far as nothing
/// stands before branches and environments.
fn run(w: &Way, name: &str, protections: &Protections, estate: &mut Estate) {
    // The subject as a pattern for this repository: behind its name stands what the way asks for.
    let rest =
        w.subjects.strip_prefix("repo:").and_then(|s| s.split_once(':')).map_or("*", |r| r.1);
    let (pushed, mut guarded) = protections.of(&format!("repo:{name}:{rest}"));
    guarded.extend(w.conditions.iter().cloned());
    let own = (principal(name), Tri::Yes, w.conditions.clone());
    for (from, verdict, conditions) in [own, (repository(name), pushed, guarded)] {
        if from == w.to {
            continue;
        }
        let verdict = if w.conditions.is_empty() { verdict } else { Tri::Conditional };
        let edge = Edge {
            verdict,
            conditions,
            refs: w.refs.clone(),
            ..Edge::relation(from, w.to.clone())
        };
        estate.edges.push(if w.relation {
            edge
        } else {
            Edge {
                technique: text(w.technique),
                step: text(format!("a run of `{name}` (`{}`) {}", w.subjects, w.does)),
                ..edge
            }
        });
    }
}

/// Rights on all repositories of an owner reach each of them.
fn of_owners(repositories: &Repositories, estate: &mut Estate) {
    for r in repositories.values() {
        let owner = r.name.split('/').next().unwrap_or_default();
        // A list that does not name its organisation; the steps of its rights say so.
        for of in [owner, "organization"] {
            estate.edges.push(Edge::relation(repositories_of(of), repository(&r.name)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_equalities_are_understood() {
        for (condition, want) in [
            ("", Some(None)),
            (" true ", Some(None)),
            ("assertion.repository_owner == 'acme'", Some(Some("repo:acme/*"))),
            ("assertion.repository==\"acme/app\"", Some(Some("repo:acme/app:*"))),
            ("assertion.repository == 'acme/*'", None),
            ("assertion.repository == 'a' || true == 'b'", None),
            ("assertion.ref == 'refs/heads/main'", None),
            ("assertion.repository_owner != 'acme'", None),
            ("'acme' == assertion.repository_owner", None),
            ("assertion.repository == '", None),
        ] {
            let got = limit(condition);
            assert_eq!(got.as_ref().map(Option::as_deref), want, "{condition}");
        }
        for (expression, want) in [
            ("claims['sub'] matches 'repo:acme/app:*'", Some("repo:acme/app:*")),
            ("claims['sub'] eq 'repo:acme/app:pull_request'", Some("repo:acme/app:pull_request")),
            ("claims['sub'] eq 'repo:acme/*'", None),
            ("claims['sub'] matches 'a' and claims['x'] eq 'b'", None),
            ("claims['job_workflow_ref'] matches 'x'", None),
            ("", None),
        ] {
            assert_eq!(matched(expression).as_deref(), want, "{expression}");
        }
    }

    #[test]
    fn patterns_meet_where_one_lies_in_the_other() {
        let meet = |a: &str, b: &str| narrower(a.into(), Some(b.into()));
        assert_eq!(meet("repo:*", "repo:acme/*"), "repo:acme/*");
        assert_eq!(meet("repo:acme/app:*", "repo:acme/*"), "repo:acme/app:*");
        assert_eq!(meet("repo:acme/app:*", "repo:other/*"), "");
        assert_eq!(narrower("repo:x/y".into(), None), "repo:x/y");
        for (subject, want) in [
            ("repo:acme/app:ref:refs/heads/main", Some("acme/app")),
            ("repo:acme/app", Some("acme/app")),
            ("repo:acme/*", None),
            ("repo:acme", None),
            ("repo:/app", None),
            ("acme/app", None),
        ] {
            assert_eq!(named(subject), want, "{subject}");
        }
    }
}
