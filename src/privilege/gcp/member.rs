//! Members of bindings (cloud semantics, 4.2): whom the text of a policy means.

use crate::facts::{PrincipalKind, Text, text};

/// What kind of party a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Party {
    /// A person by e-mail.
    User,
    /// A service account.
    ServiceAccount,
    /// A Kubernetes service account through the pool of a project (`P.svc.id.goog[ns/name]`).
    Kubernetes {
        /// Project of the pool.
        project: String,
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
    },
    /// A group.
    Group,
    /// Everybody of a Workspace or Cloud Identity domain.
    Domain,
    /// Anybody, or anybody with a Google account.
    Public,
    /// One federated identity.
    Federated,
    /// A set of federated identities; `whole` when it is every identity of the pool.
    FederatedSet {
        /// All identities of the pool.
        whole: bool,
    },
    /// Who holds a basic role on a project, by convenience of old resource policies.
    Convenience {
        /// Basic role.
        role: &'static str,
        /// Project.
        project: String,
    },
    /// A deleted party: the binding has no effect.
    Deleted,
    /// A form that is not known.
    Other,
}

/// A member of a binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Canonical identifier.
    pub id: Text,
    /// What it is.
    pub party: Party,
}

impl Member {
    /// Kind of the principal.
    #[must_use]
    pub fn kind(&self) -> PrincipalKind {
        match self.party {
            Party::User => PrincipalKind::Human,
            Party::ServiceAccount => PrincipalKind::ServiceAccount,
            Party::Kubernetes { .. } | Party::Federated => PrincipalKind::Workload,
            Party::Group | Party::Domain | Party::Public => PrincipalKind::Group,
            Party::FederatedSet { .. } | Party::Convenience { .. } => PrincipalKind::Group,
            Party::Deleted => match self.id.split(':').nth(1) {
                Some("user") => PrincipalKind::Human,
                Some("serviceAccount") => PrincipalKind::ServiceAccount,
                Some("group") => PrincipalKind::Group,
                _ => PrincipalKind::Unknown,
            },
            Party::Other => PrincipalKind::Unknown,
        }
    }

    /// E-mail address, where the identifier is one.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        matches!(self.party, Party::User | Party::ServiceAccount).then_some(&*self.id)
    }

    /// Domain of a person, group or domain member.
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        match self.party {
            Party::User | Party::Group => self.id.rsplit_once('@').map(|(_, d)| d),
            Party::Domain => self.id.strip_prefix("domain:"),
            _ => None,
        }
    }
}

/// Reads a member as a policy writes it.
#[must_use]
pub fn parse(written: &str) -> Member {
    let written = written.trim();
    let (kind, rest) = written.split_once(':').unwrap_or((written, ""));
    let lower = || text(rest.to_lowercase());
    let as_written = |party| Member { id: text(written), party };
    match kind {
        "allUsers" | "allAuthenticatedUsers" => as_written(Party::Public),
        "user" if !rest.is_empty() => Member { id: lower(), party: Party::User },
        "serviceAccount" => match kubernetes(rest) {
            Some(party) => as_written(party),
            None if !rest.is_empty() => Member { id: lower(), party: Party::ServiceAccount },
            None => as_written(Party::Other),
        },
        "group" if !rest.is_empty() => {
            Member { id: text(format!("group:{}", rest.to_lowercase())), party: Party::Group }
        }
        "domain" if !rest.is_empty() => {
            Member { id: text(format!("domain:{}", rest.to_lowercase())), party: Party::Domain }
        }
        "deleted" => as_written(Party::Deleted),
        "principal" => as_written(Party::Federated),
        "principalSet" => {
            as_written(Party::FederatedSet { whole: pool(written).is_some_and(|(_, r)| r == "*") })
        }
        "projectOwner" => as_written(convenience("roles/owner", rest)),
        "projectEditor" => as_written(convenience("roles/editor", rest)),
        "projectViewer" => as_written(convenience("roles/viewer", rest)),
        _ => as_written(Party::Other),
    }
}

/// Reads a canonical identifier back.
#[must_use]
pub fn of_id(id: &str) -> Member {
    if id.contains('@') && !id.contains([':', '/']) {
        let word = if id.ends_with(".gserviceaccount.com") { "serviceAccount" } else { "user" };
        return parse(&format!("{word}:{id}"));
    }
    parse(id)
}

fn convenience(role: &'static str, project: &str) -> Party {
    Party::Convenience { role, project: project.to_owned() }
}

fn kubernetes(rest: &str) -> Option<Party> {
    let (pool, subject) = rest.strip_suffix(']')?.split_once('[')?;
    let project = pool.strip_suffix(".svc.id.goog")?;
    let (namespace, name) = subject.split_once('/')?;
    Some(Party::Kubernetes {
        project: project.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}

/// Pool of a federated member (`projects/N/locations/global/workloadIdentityPools/P`) and what is taken
/// from it: `*`, `subject/S`, `group/G`, `attribute.A/V`.
#[must_use]
pub fn pool(member: &str) -> Option<(&str, &str)> {
    let path = member.split_once("://iam.googleapis.com/")?.1;
    let word = ["/workloadIdentityPools/", "/workforcePools/"];
    let (start, len) = word
        .iter()
        .find_map(|w| Some((path.find(w)?, w.len())))
        .or_else(|| path.starts_with("locations/").then_some((0, 0)))?;
    let name_at = start.checked_add(len)?;
    let name_len = path.get(name_at..)?.find('/')?;
    let end = name_at.checked_add(name_len)?;
    Some((path.get(..end)?, path.get(end + 1..)?))
}

/// A member as a sentence names it: federated identities by what is taken from which pool, for their full
/// names fill lines; all others as they are.
#[must_use]
pub fn shown(id: &str) -> String {
    let Some((pool, rest)) = pool(id) else { return format!("`{id}`") };
    let pool = pool.rsplit('/').next().unwrap_or(pool);
    match rest {
        "*" => format!("every identity of the pool `{pool}`"),
        rest => format!("`{rest}` of the pool `{pool}`"),
    }
}

/// Mail domains that anybody can have an account at.
const CONSUMER: [&str; 12] = [
    "gmail.com",
    "googlemail.com",
    "outlook.com",
    "hotmail.com",
    "live.com",
    "yahoo.com",
    "icloud.com",
    "me.com",
    "proton.me",
    "protonmail.com",
    "gmx.de",
    "gmx.net",
];

/// Whether anybody can have an account at a mail domain.
#[must_use]
pub fn is_consumer(domain: &str) -> bool {
    CONSUMER.contains(&domain)
}

/// Domains of accounts that Google's own services act as (service agents). Customers cannot make
/// projects whose names begin with `gcp-sa-`; the older ones have names of their own.
const AGENTS: [&str; 26] = [
    "bigquery-encryption",
    "cloud-filer",
    "cloud-memcache-sa",
    "cloud-ml",
    "cloud-redis",
    "cloud-tpu",
    "cloudcomposer-accounts",
    "compute-system",
    "container-analysis",
    "container-engine-robot",
    "containerregistry",
    "dataflow-service-producer-prod",
    "dataproc-accounts",
    "dlp-api",
    "endpoints-portal",
    "firebase-rules",
    "gae-api-prod",
    "gcf-admin-robot",
    "gcp-gae-service",
    "genomics-api",
    "gs-project-accounts",
    "remotebuildexecution",
    "serverless-robot-prod",
    "service-consumer-management",
    "service-networking",
    "sourcerepo-service-accounts",
];

/// Whether a service account is one of Google's own services (a service agent), by its address.
#[must_use]
pub fn is_service_agent(email: &str) -> bool {
    let Some((name, host)) = email.rsplit_once('@') else { return false };
    if host == "cloudservices.gserviceaccount.com" {
        return !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
    }
    let Some(project) = host.strip_suffix(".iam.gserviceaccount.com") else { return false };
    project.starts_with("gcp-sa-") || AGENTS.contains(&project)
}

/// Project of a service account, by its address; `None` for accounts that Google names by number.
#[must_use]
pub fn project_of(email: &str) -> Option<&str> {
    let (_, host) = email.rsplit_once('@')?;
    host.strip_suffix(".iam.gserviceaccount.com").filter(|p| !p.is_empty())
}

/// Number of the project of an account that carries it in its name (default compute, Google APIs, Cloud
/// Build).
#[must_use]
pub fn number_of(email: &str) -> Option<&str> {
    let (name, host) = email.rsplit_once('@')?;
    let number = match host {
        "developer.gserviceaccount.com" => name.strip_suffix("-compute")?,
        "cloudservices.gserviceaccount.com" | "cloudbuild.gserviceaccount.com" => name,
        _ => return None,
    };
    (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_pools_are_short_in_sentences() {
        let pool = "//iam.googleapis.com/projects/3/locations/global/workloadIdentityPools/gh";
        for (id, want) in [
            (format!("principalSet:{pool}/*"), "every identity of the pool `gh`"),
            (
                format!("principalSet:{pool}/attribute.repository/acme/app"),
                "`attribute.repository/acme/app` of the pool `gh`",
            ),
            (format!("principal:{pool}/subject/x"), "`subject/x` of the pool `gh`"),
            ("ann@x.example".to_owned(), "`ann@x.example`"),
        ] {
            assert_eq!(shown(&id), want);
        }
    }

    #[test]
    fn forms_of_members() {
        let of = |s: &str| (parse(s).id.to_string(), parse(s).kind());
        for (written, id, kind) in [
            ("user:Ann@Example.com", "ann@example.com", PrincipalKind::Human),
            (
                "serviceAccount:A@p.iam.gserviceaccount.com",
                "a@p.iam.gserviceaccount.com",
                PrincipalKind::ServiceAccount,
            ),
            ("group:Ops@Example.com", "group:ops@example.com", PrincipalKind::Group),
            ("domain:Example.com", "domain:example.com", PrincipalKind::Group),
            ("allUsers", "allUsers", PrincipalKind::Group),
            (
                "deleted:serviceAccount:x@p?uid=1",
                "deleted:serviceAccount:x@p?uid=1",
                PrincipalKind::ServiceAccount,
            ),
            (
                "serviceAccount:p.svc.id.goog[ns/sa]",
                "serviceAccount:p.svc.id.goog[ns/sa]",
                PrincipalKind::Workload,
            ),
            ("nonsense", "nonsense", PrincipalKind::Unknown),
            ("user:", "user:", PrincipalKind::Unknown),
        ] {
            assert_eq!(of(written), (id.to_owned(), kind), "{written}");
        }
        let set = "principalSet://iam.googleapis.com/projects/4400/locations/global/workloadIdentityPools/github/attribute.repository/example/pay";
        assert_eq!(
            pool(set),
            Some((
                "projects/4400/locations/global/workloadIdentityPools/github",
                "attribute.repository/example/pay"
            ))
        );
        assert_eq!(parse(set).party, Party::FederatedSet { whole: false });
        let all = "principalSet://iam.googleapis.com/projects/4400/locations/global/workloadIdentityPools/github/*";
        assert_eq!(parse(all).party, Party::FederatedSet { whole: true });
        assert_eq!(
            pool("principalSet://iam.googleapis.com/locations/global/workforcePools/staff/*"),
            Some(("locations/global/workforcePools/staff", "*"))
        );
    }

    #[test]
    fn agents_are_known_by_domains_that_customers_cannot_have() {
        for (email, agent) in [
            ("service-1@gcp-sa-cloudasset.iam.gserviceaccount.com", true),
            ("service-1@compute-system.iam.gserviceaccount.com", true),
            ("12345@cloudservices.gserviceaccount.com", true),
            ("service-12345@notiam.gserviceaccount.com", false),
            ("service-12345@acme.iam.gserviceaccount.com", false),
            ("12345-compute@developer.gserviceaccount.com", false),
            ("x", false),
        ] {
            assert_eq!(is_service_agent(email), agent, "{email}");
        }
        assert_eq!(number_of("12345-compute@developer.gserviceaccount.com"), Some("12345"));
        assert_eq!(project_of("a@p.iam.gserviceaccount.com"), Some("p"));
    }

    proptest! {
        #[test]
        fn never_panics(s in "\\PC{0,60}") {
            let m = parse(&s);
            let _ = (m.kind(), m.domain().is_some(), pool(&s).is_some(), is_service_agent(&s), number_of(&s).is_some());
        }
    }
}
