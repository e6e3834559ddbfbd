//! Who is let in from outside: the public, other organisations, and federated identities.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::{Held, World};
use super::tree::Tree;
use crate::facts::store::evidence_ref;
use crate::facts::{Entitlement, Link, PrincipalKind, Text, Tier, TrustFact, text};
use crate::privilege::gcp::BASIC;
use crate::privilege::gcp::condition::Condition;
use crate::privilege::gcp::member::{self, Member, Party};
use crate::privilege::glob;

/// What is ours.
struct Ours<'w> {
    domains: BTreeSet<String>,
    /// Projects by name.
    projects: &'w BTreeSet<Text>,
    /// Projects by number.
    numbers: BTreeSet<&'w str>,
    allowed: &'w [String],
}

impl Ours<'_> {
    fn domain(&self, domain: &str) -> Option<bool> {
        if self.allowed.iter().any(|p| glob::matches(p, domain)) || self.domains.contains(domain) {
            return Some(true);
        }
        (member::is_consumer(domain) || !self.domains.is_empty()).then_some(false)
    }

    fn project(&self, project: &str) -> Option<bool> {
        let scope = format!("projects/{project}");
        if self.projects.contains(scope.as_str())
            || self.numbers.contains(scope.as_str())
            || self.allowed.iter().any(|p| glob::matches(p, project) || glob::matches(p, &scope))
        {
            return Some(true);
        }
        // A project that the inputs lack may still be ours: an export shows what its maker may see.
        None
    }

    /// Whether a member is outside; `None` where that is not known or no question.
    fn outside(&self, member: &Member) -> Option<bool> {
        match &member.party {
            Party::User | Party::Group | Party::Domain => {
                self.domain(member.domain()?).map(|ours| !ours)
            }
            Party::ServiceAccount => {
                self.project(member::project_of(&member.id)?).map(|ours| !ours)
            }
            Party::Public => Some(true),
            _ => None,
        }
    }
}

/// Rows of `trust_facts`, one per scope and member from outside.
pub fn rows(
    world: &World<'_>,
    tree: &Tree,
    bound: &[&Entitlement],
    held: &[Held],
) -> Vec<TrustFact> {
    let allowed = &world.settings.trusted_accounts;
    let ours = Ours {
        domains: tree.domains.iter().map(|d| d.to_string()).collect(),
        projects: &tree.projects,
        numbers: world
            .facts
            .aliases
            .iter()
            .filter(|a| &*a.alias_type == "project_number")
            .map(|a| &*a.alias)
            .collect(),
        allowed,
    };
    let providers = providers(world);
    let tiers = tiers(held);
    let mut rows: BTreeMap<(Text, Text), TrustFact> = BTreeMap::new();
    for e in bound {
        let member = member::of_id(&e.principal_id);
        let Some(seen) = seen(&member, &ours, &providers) else { continue };
        let dead = e.condition.as_deref().is_some_and(|c| {
            let c = Condition::parse(c);
            !c.maybe.has(world.as_of) && c.maybe.next(world.as_of).is_none()
        });
        let credited = !BASIC.contains(&&*e.role_id) && member.party != Party::Public;
        let openness = match (&e.condition, credited) {
            _ if dead && credited => "closed",
            (Some(_), true) => "conditional",
            _ => seen.openness,
        };
        let key = (e.scope.clone(), e.principal_id.clone());
        let tier = tiers.get(&key).copied();
        let row = rows.entry(key).or_insert_with(|| TrustFact {
            principal_id: e.scope.clone(),
            principal_kind: PrincipalKind::Unknown,
            resource_kind: text(resource_kind(&e.scope)),
            platform: text("gcp"),
            trusted: e.principal_id.clone(),
            trusted_kind: text(seen.kind),
            relation: text(seen.relation),
            provider: seen.provider.clone(),
            external: seen.external,
            openness: text(openness),
            missing_guards: seen.missing.clone(),
            weak_guards: seen.weak.clone(),
            tier,
            ..TrustFact::default()
        });
        // The binding that is most open counts.
        let rank = |o: &str| ["closed", "conditional", "open"].iter().position(|w| *w == o);
        if rank(openness) > rank(&row.openness) {
            row.openness = text(openness);
        }
        if !row.actions.contains(&e.privilege) {
            row.actions.push(e.privilege.clone());
            row.actions.sort_unstable();
        }
        let at = evidence_ref(&e.source_id, &e.source_ref);
        if !row.refs.contains(&at) {
            row.refs.push(at);
            row.refs.sort_unstable();
        }
    }
    rows.into_values().collect()
}

/// Strongest tier that a member holds at a scope.
fn tiers(held: &[Held]) -> HashMap<(Text, Text), Tier> {
    let mut out: HashMap<(Text, Text), Tier> = HashMap::new();
    for h in held.iter().filter(|h| h.unknown.is_none() && h.residue.is_none()) {
        let tier = h.possible.tier_at(h.breadth);
        let slot = out.entry((h.scope.clone(), h.principal.clone())).or_insert(tier);
        *slot = (*slot).min(tier);
    }
    out
}

fn resource_kind(scope: &str) -> &str {
    match scope.strip_prefix("//").and_then(|r| r.split('.').next()) {
        Some(service) => service,
        None => scope.split('/').next().map_or("resource", |w| w.trim_end_matches('s')),
    }
}

/// What a member from outside looks like.
struct Seen {
    kind: &'static str,
    relation: &'static str,
    external: Option<bool>,
    openness: &'static str,
    provider: Option<Text>,
    missing: Vec<Text>,
    weak: Vec<Text>,
}

fn seen(member: &Member, ours: &Ours<'_>, providers: &HashMap<&str, Vec<&Link>>) -> Option<Seen> {
    let plain = |kind, relation, external| Seen {
        kind,
        relation,
        external,
        openness: "open",
        provider: None,
        missing: Vec::new(),
        weak: Vec::new(),
    };
    match &member.party {
        Party::Public => Some(plain("any", "any", Some(true))),
        Party::User | Party::Group | Party::Domain | Party::ServiceAccount => {
            let agent = member::is_service_agent(&member.id);
            let outside = ours.outside(member);
            // What is ours is no trust in somebody else. Whether an account of a project that the inputs
            // do not show is ours stays open; people of unknown domains are asked for by domain once.
            if agent || outside == Some(false) {
                return None;
            }
            let relation = if outside == Some(true) { "unknown_account" } else { "unknown" };
            (outside == Some(true)
                || member.party == Party::ServiceAccount
                    && member::project_of(&member.id).is_some())
            .then(|| plain("principal", relation, outside))
        }
        Party::Federated | Party::FederatedSet { .. } => Some(federated(member, ours, providers)),
        _ => None,
    }
}

/// Federated identities: what lets which of them in.
fn federated(member: &Member, ours: &Ours<'_>, providers: &HashMap<&str, Vec<&Link>>) -> Seen {
    let whole = member.party == (Party::FederatedSet { whole: true });
    let pool = member::pool(&member.id).map(|(pool, _)| pool);
    let of = pool.and_then(|p| providers.get(p));
    let short = pool.and_then(|p| p.rsplit('/').next()).unwrap_or("?");
    let mut seen = Seen {
        kind: "oidc",
        relation: "oidc",
        // Whose the pool is; whom it lets in is a question of its providers.
        external: pool
            .and_then(|p| p.strip_prefix("projects/")?.split('/').next())
            .and_then(|project| ours.project(project))
            .map(|own| !own),
        openness: "conditional",
        provider: None,
        missing: Vec::new(),
        weak: Vec::new(),
    };
    if let Some(list) = of {
        let on: Vec<&&Link> = list.iter().filter(|l| !says(l, "disabled")).collect();
        if on.is_empty() {
            seen.openness = "closed";
            return seen;
        }
        if on.iter().all(|l| l.issuer.as_deref().is_some_and(|i| i.starts_with("aws:"))) {
            seen.kind = "account";
            seen.relation = "unknown_account";
            seen.external = None;
        }
        if on.iter().all(|l| l.issuer.as_deref() == Some("saml")) {
            seen.kind = "saml";
            seen.relation = "saml";
        }
        seen.provider = on.iter().find_map(|l| known(l.issuer.as_deref()?)).map(text);
        let bare = on.iter().any(|l| !says(l, "attributeCondition"));
        if whole && bare {
            seen.openness = "open";
            seen.missing.push(text("sub"));
        } else if whole {
            seen.weak.push(text(format!(
                "every identity that the providers of pool `{short}` accept, by their attribute conditions"
            )));
        }
    } else if whole {
        seen.weak.push(text(format!(
            "every identity of pool `{short}`; whom its providers accept is not in the inputs"
        )));
    }
    seen
}

/// Whether the condition document of a provider sets a key to something that counts.
fn says(link: &Link, key: &str) -> bool {
    let value: Option<serde_json::Value> =
        link.condition.as_deref().and_then(|c| serde_json::from_str(c).ok());
    match value.as_ref().and_then(|v| v.get(key)) {
        Some(serde_json::Value::Bool(b)) => *b,
        Some(serde_json::Value::String(s)) => !matches!(s.trim(), "" | "true"),
        _ => false,
    }
}

/// Well-known identity provider by its issuer.
fn known(issuer: &str) -> Option<&'static str> {
    let host = issuer.trim_start_matches("https://");
    [
        ("token.actions.githubusercontent.com", "github"),
        ("gitlab.com", "gitlab"),
        ("app.terraform.io", "terraform"),
        ("api.bitbucket.org", "bitbucket"),
        ("oidc.circleci.com", "circleci"),
        ("sts.windows.net", "entra"),
        ("login.microsoftonline.com", "entra"),
        ("container.googleapis.com", "kubernetes"),
        ("oidc.eks.", "kubernetes"),
    ]
    .iter()
    .find(|(head, _)| host.starts_with(head))
    .map(|(_, word)| *word)
}

fn providers<'w>(world: &World<'w>) -> HashMap<&'w str, Vec<&'w Link>> {
    let mut out: HashMap<&str, Vec<&Link>> = HashMap::new();
    for l in world.facts.links.iter().filter(|l| &*l.kind == "federation_provider") {
        out.entry(&l.target_id).or_default().push(l);
    }
    out
}
