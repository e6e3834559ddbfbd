//! GitHub: who holds what in an organisation: owners, members, collaborators, teams, and the rights of
//! installations, tokens and deploy keys (those lists are read by `github-access`).
//!
//! Specification: cloud semantics 3.4 and 4.4. A person is the login, an app its slug, a team
//! `ORG/SLUG`. A list of users does not say what it lists: the file name or the key around it does.

use serde_json::Value;

use super::{Binding, Export, Rec, Sink, github_guards};
use crate::facts::{Layer, PrincipalKind, Text, text};
use crate::ingest::ledger::github::{key_holder, organisation};
use crate::ingest::ledger::vendor::{Doc, mentions};
use crate::ingest::source::Batch;
use crate::privilege::class::Breadth;

/// Platform word.
const PLATFORM: &str = "github";
/// Scope of an organisation that the record does not name.
const ORGANISATION: &str = "organization";

/// Lists of people and teams.
pub static STATE: Export = Export {
    format: "github-state",
    title: "GitHub organisation members, collaborators, teams, protected branches and environments (REST)",
    layer: Layer::State,
    lower: false,
    recognise: |p| {
        mentions(p, &["\"login\"", "\"site_admin\"", "\"type\""])
            && !mentions(p, &["\"token_id\""])
            && !mentions(p, &["\"app_id\""])
            && !mentions(p, &["\"run_number\""])
            && !mentions(p, &["\"action\""])
            || mentions(p, &["\"slug\"", "\"privacy\"", "\"permission\""])
            || github_guards::recognise(p)
    },
    record,
};

/// What a list of users lists, by the words around it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    Owners,
    Outside,
    Members,
}

fn list(r: &Rec<'_>) -> Option<List> {
    let around = r.key().unwrap_or(r.stem).to_lowercase();
    let by = |w: &[&str]| w.iter().any(|w| around.contains(w));
    if by(&["outside"]) {
        Some(List::Outside)
    } else if by(&["admin", "owner"]) {
        Some(List::Owners)
    } else if by(&["member"]) {
        Some(List::Members)
    } else {
        None
    }
}

fn record(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<bool, String> {
    let d = r.doc;
    if let Some(read) = github_guards::record(r, sink) {
        return read.map(|()| true);
    }
    if d.str("slug").is_some() && d.at("permission").is_some() {
        return team(r, sink);
    }
    if d.str("role").is_some() && d.str("user/login").is_some() {
        // A membership: the only answer that names role and organisation itself.
        let org = d.str("organization/login").or(r.realm).unwrap_or(ORGANISATION);
        let role = d.str("role");
        let which = if role == Some("admin") { List::Owners } else { List::Members };
        let login = text(d.need("user/login")?);
        person(&login, d.str("user/type"), sink);
        if d.str("state") != Some("pending") {
            member(&login, org, which, sink);
        }
        return Ok(true);
    }
    let Some(login) = d.str("login").filter(|_| d.at("site_admin").is_some()) else {
        return Ok(false);
    };
    let login = text(login);
    person(&login, d.str("type"), sink);
    if let Some(permissions) = d.at("permissions").map(Doc) {
        let best = ["admin", "maintain", "push", "triage", "pull"]
            .into_iter()
            .find(|p| permissions.flag(p) == Some(true));
        let Some(best) = best else { return Ok(true) };
        let repo = r.key().filter(|k| k.contains('/')).or(r.realm).or(Some(r.stem));
        let name = d.str("role_name").unwrap_or(best);
        collaborator(&login, (name, best), repo.unwrap_or_default(), sink);
        return Ok(true);
    }
    // Members of a team, as `{"ORG/SLUG": [...]}`.
    if let Some(team) = r.key().filter(|k| k.contains('/')) {
        sink.member(&login, &text(team));
        return Ok(true);
    }
    match list(r) {
        Some(which) => member(&login, r.realm.unwrap_or(ORGANISATION), which, sink),
        None => sink.limit(
            "a list of users does not say what it lists; name the file after it (owners, members, outside_collaborators)",
        ),
    }
    Ok(true)
}

fn person(login: &Text, kind: Option<&str>, sink: &mut Sink<'_>) {
    if sink.first(&text(format!("principal {login}"))) {
        let kind = match kind {
            Some("Bot") => PrincipalKind::Bot,
            _ => PrincipalKind::Human,
        };
        sink.principal((login, PLATFORM, kind), |_| {});
    }
}

fn content(sink: &mut Sink<'_>, id: &str, name: &str, document: &Value) {
    if sink.first(&text(format!("role {id}"))) {
        sink.role(PLATFORM, id, name, Some(document.to_string()));
    }
}

fn member(login: &Text, org: &str, which: List, sink: &mut Sink<'_>) {
    let name = match which {
        List::Owners => "owner",
        List::Members => "member",
        List::Outside => "outside collaborator",
    };
    let id = format!("{PLATFORM}/organization/{name}");
    content(sink, &id, name, &serde_json::json!({ "organization": name }));
    sink.entitlement(&Binding {
        platform: PLATFORM,
        who: login,
        role_id: id,
        privilege: name,
        scope: org,
        breadth: Breadth::Tenant,
    });
}

fn collaborator(login: &Text, (name, best): (&str, &str), repo: &str, sink: &mut Sink<'_>) {
    let id = format!("{PLATFORM}/repository/{best}");
    content(sink, &id, best, &serde_json::json!({ "repository": best }));
    sink.entitlement(&Binding {
        platform: PLATFORM,
        who: login,
        role_id: id,
        privilege: name,
        scope: repo,
        breadth: Breadth::Resource,
    });
}

fn team(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<bool, String> {
    let d = r.doc;
    let slug = d.need("slug")?;
    let org = d
        .str("organization/login")
        .or(d.str("html_url").and_then(|u| u.split("/orgs/").nth(1)?.split('/').next()))
        .or(r.realm)
        .unwrap_or(ORGANISATION);
    let id = text(format!("{org}/{slug}"));
    if sink.first(&id) {
        sink.principal((&id, PLATFORM, PrincipalKind::Group), |p| p.name = d.text("name"));
    }
    // In a list of a repository's teams the permission is that on the repository.
    if let (Some(repo), Some(word)) = (r.key().filter(|k| k.contains('/')), d.str("permission")) {
        collaborator(&id, (word, word), repo, sink);
    }
    Ok(true)
}

/// An installed app, out of a list of those that are installed.
pub(crate) fn installation(
    d: Doc<'_>,
    privilege: &str,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    let sink = &mut Sink { batch, place: place.clone(), seen: &mut seen };
    let id = d.id("id").ok_or("`id` is missing")?;
    let who = match d.str("app_slug") {
        Some(slug) => text(slug),
        None => text(format!("app/{}", d.id("app_id").unwrap_or_default())),
    };
    let created = d.time("created_at")?;
    sink.principal((&who, PLATFORM, PrincipalKind::App), |p| p.created_at = created);
    let scope = d.first(&["account/login", "account/slug"]).unwrap_or(ORGANISATION);
    let document = serde_json::json!({
        "app": d.at("permissions").unwrap_or(&Value::Null),
        "repository_selection": d.str("repository_selection"),
        "suspended_at": d.str("suspended_at"),
    });
    put(sink, &who, (&format!("installation/{id}"), privilege, scope), &document);
    if let Some(e) = sink.batch.facts.entitlements.last_mut() {
        (e.bound_at_lo, e.bound_at_hi) = (created, created);
    }
    Ok(())
}

fn put(sink: &mut Sink<'_>, who: &Text, (id, name, scope): (&str, &str, &str), document: &Value) {
    let id = format!("{PLATFORM}/{id}");
    sink.role(PLATFORM, &id, name, Some(document.to_string()));
    sink.entitlement(&Binding {
        platform: PLATFORM,
        who,
        role_id: id,
        privilege: name,
        scope,
        breadth: Breadth::Tenant,
    });
}

/// A fine-grained token that the organisation let in.
pub(crate) fn token(
    d: Doc<'_>,
    privilege: &str,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    // A request gives nothing yet.
    let Some(granted) = d.time("access_granted_at")? else { return Ok(()) };
    let mut seen = std::collections::BTreeSet::new();
    let sink = &mut Sink { batch, place: place.clone(), seen: &mut seen };
    let id = d.id("token_id").ok_or("`token_id` is missing")?;
    let who = text(d.need("owner/login")?);
    sink.principal((&who, PLATFORM, PrincipalKind::Human), |_| {});
    let org = organisation(d.str("repositories_url"));
    let document = serde_json::json!({
        "token": d.at("permissions").unwrap_or(&Value::Null),
        "repository_selection": d.str("repository_selection"),
    });
    let scope = org.as_deref().unwrap_or(ORGANISATION);
    put(sink, &who, (&format!("pat/{id}"), privilege, scope), &document);
    if let Some(e) = sink.batch.facts.entitlements.last_mut() {
        e.via = vec![text(format!("token {}", d.str("token_name").unwrap_or(&id)))];
        (e.bound_at_lo, e.bound_at_hi) = (Some(granted), Some(granted));
        e.not_after = d.time("token_expires_at")?;
        e.last_used_at = d.time("token_last_used_at")?;
    }
    Ok(())
}

/// A classic token or key that a member authorised for single sign-on.
pub(crate) fn classic(d: Doc<'_>, place: &Text, batch: &mut Batch) -> Result<(), String> {
    let scopes: Vec<&str> = d
        .at("scopes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let (Some(id), false) = (d.id("credential_id"), scopes.is_empty()) else { return Ok(()) };
    let mut seen = std::collections::BTreeSet::new();
    let sink = &mut Sink { batch, place: place.clone(), seen: &mut seen };
    let who = text(d.need("login")?);
    sink.principal((&who, PLATFORM, PrincipalKind::Human), |_| {});
    let document = serde_json::json!({ "classic": scopes });
    put(sink, &who, (&format!("classic/{id}"), &scopes.join(", "), ORGANISATION), &document);
    let granted = d.time("credential_authorized_at")?;
    if let Some(e) = sink.batch.facts.entitlements.last_mut() {
        e.via = vec![text("classic token")];
        (e.bound_at_lo, e.bound_at_hi) = (granted, granted);
        e.not_after = d.time("authorized_credential_expires_at")?;
        e.last_used_at = d.time("credential_accessed_at")?;
    }
    Ok(())
}

/// A deploy key of a repository.
pub(crate) fn deploy_key(d: Doc<'_>, repo: Option<&str>, place: &Text, batch: &mut Batch) {
    let from_url = d
        .str("url")
        .and_then(|u| u.split_once("/repos/")?.1.split_once("/keys/"))
        .map(|(repo, _)| repo);
    let repo = repo.or(from_url);
    if d.flag("enabled") == Some(false) {
        return;
    }
    let mut seen = std::collections::BTreeSet::new();
    let sink = &mut Sink { batch, place: place.clone(), seen: &mut seen };
    let who = key_holder(d, repo);
    sink.principal((&who, PLATFORM, PrincipalKind::Workload), |p| {
        p.created_at = d.time("created_at").ok().flatten();
    });
    let write = d.flag("read_only") == Some(false);
    let word = if write { "write" } else { "read" };
    let id = format!("{PLATFORM}/deploy_key/{word}");
    content(sink, &id, word, &serde_json::json!({ "deploy_key": word }));
    sink.entitlement(&Binding {
        platform: PLATFORM,
        who: &who,
        role_id: id,
        privilege: word,
        scope: repo.unwrap_or("an unnamed repository"),
        breadth: Breadth::Resource,
    });
}
