//! Guards of a trust: what its condition asks of the party, what it should ask and does not, and
//! what it asks too loosely.
//!
//! Sources: AWS IAM User Guide, "Create a role for OpenID Connect federation" and "The confused
//! deputy problem"; GitHub Docs, "OpenID Connect reference" (subject claims); GitLab Docs, "ID token
//! payload"; HCP Terraform Docs, "Workload identity"; Bitbucket Cloud Docs, "OpenID Connect".

use crate::facts::{Text, text};
use crate::privilege::aws::condition::Condition;

/// A condition, or why it could not be read.
pub type Parsed = Result<Condition, String>;

/// Identity providers that sign tokens for every customer of theirs: host, word.
const SHARED: [(&str, &str); 12] = [
    ("token.actions.githubusercontent.com", "github"),
    ("gitlab.com", "gitlab"),
    ("app.terraform.io", "terraform"),
    ("api.bitbucket.org", "bitbucket"),
    ("oidc.circleci.com", "circleci"),
    ("agent.buildkite.com", "buildkite"),
    ("accounts.google.com", "google"),
    ("cognito-identity.amazonaws.com", "cognito"),
    ("www.amazon.com", "amazon"),
    ("graph.facebook.com", "facebook"),
    ("oidc.vercel.com", "vercel"),
    ("api.pulumi.com", "pulumi"),
];

/// Host of an OIDC provider, without the path that some issuers have.
fn host(trusted: &str) -> &str {
    let name = trusted.split_once(":oidc-provider/").map_or(trusted, |(_, rest)| rest);
    name.split('/').next().unwrap_or(name)
}

/// Word of a well-known identity provider by its host; null for others, and for what is none.
pub fn provider(kind: &str, trusted: &str) -> Option<Text> {
    if kind != "oidc" {
        return None;
    }
    let host = host(trusted);
    let known = SHARED.iter().find(|(h, _)| host.eq_ignore_ascii_case(h)).map(|(_, word)| *word);
    // Clusters have an issuer of their own; so have Vercel's teams and others.
    let cluster = host.starts_with("oidc.eks.").then_some("kubernetes");
    known.or(cluster).map(text)
}

/// Open when nothing narrows; a pattern that matches everything does not narrow.
pub fn openness(condition: Option<&Parsed>) -> &'static str {
    match condition {
        None => "open",
        Some(Err(_)) => "conditional",
        Some(Ok(c)) if c.is_empty() => "open",
        Some(Ok(c)) => {
            let wide = |k: &&str| {
                let values = c.values_of(k);
                !values.is_empty() && values.iter().any(|v| matches_all(v))
            };
            // Audience alone lets in every customer of the identity provider.
            let audience = |k: &&str| k.ends_with(":aud");
            let keys = c.keys();
            if !keys.is_empty() && keys.iter().all(|k| wide(k) || audience(k)) {
                if keys.iter().any(|k| k.starts_with("saml:")) { "conditional" } else { "open" }
            } else {
                "conditional"
            }
        }
    }
}

/// A condition that nobody can meet: a wildcard compared as plain text, which no real value contains.
pub fn dead(condition: Option<&Parsed>) -> bool {
    let Some(Ok(c)) = condition else { return false };
    c.plain_values().iter().any(|(key, values)| {
        key.ends_with(":sub") && !values.is_empty() && values.iter().all(|v| v.contains('*'))
    })
}

/// `*`, `repo:*` and the like: a subject pattern without a name in it.
fn matches_all(value: &str) -> bool {
    let rest = value.strip_prefix("repo:").unwrap_or(value);
    !rest.is_empty() && rest.chars().all(|c| matches!(c, '*' | '/' | ':' | '?'))
}

/// Services that say for which account or resource they act when they assume a role (service guides of AWS,
/// "Cross-service confused deputy prevention"). Others send no such keys: a condition on them would shut
/// them out.
const SOURCED: [&str; 20] = [
    "airflow.amazonaws.com",
    "bedrock.amazonaws.com",
    "cloudtrail.amazonaws.com",
    "codebuild.amazonaws.com",
    "config.amazonaws.com",
    "datasync.amazonaws.com",
    "ecs-tasks.amazonaws.com",
    "events.amazonaws.com",
    "firehose.amazonaws.com",
    "glue.amazonaws.com",
    "iot.amazonaws.com",
    "kendra.amazonaws.com",
    "logs.amazonaws.com",
    "personalize.amazonaws.com",
    "sagemaker.amazonaws.com",
    "scheduler.amazonaws.com",
    "ssm.amazonaws.com",
    "states.amazonaws.com",
    "transfer.amazonaws.com",
    "vpc-flow-logs.amazonaws.com",
];

/// Whether a statement must say for whom a service acts: any may act on a resource, but only some say so when
/// they assume a role.
fn sourced(service: &str, on_role: bool) -> bool {
    let service = service.strip_suffix(".cn").unwrap_or(service);
    !on_role || SOURCED.iter().any(|s| s.eq_ignore_ascii_case(service))
}

/// Context keys that say for whom a service acts.
fn about_source(key: &str) -> bool {
    matches!(
        key,
        "aws:sourceaccount"
            | "aws:sourcearn"
            | "aws:sourceorgid"
            | "aws:sourceorgpaths"
            | "aws:sourceowner"
            | "kms:calleraccount"
    )
}

/// A source that may be of any account: everything, or an ARN whose account is a wildcard, or which names
/// neither account nor resource.
fn any_source(value: &str) -> bool {
    let mut parts = value.splitn(6, ':').skip(4);
    let free = |s: &str| !s.is_empty() && s.bytes().all(|b| b == b'*');
    match (parts.next(), parts.next()) {
        (Some(account), Some(rest)) => free(account) || account.is_empty() && free(rest),
        _ => matches_all(value),
    }
}

/// Guards that the platform offers for this kind of party and the condition lacks; `on_role`: in the trust
/// policy of a role.
pub fn missing(
    (kind, trusted): (&str, &str),
    on_role: bool,
    external: Option<bool>,
    condition: Option<&Parsed>,
) -> Vec<Text> {
    let c = match condition {
        Some(Ok(c)) => Some(c),
        // A condition that cannot be read cannot be said to lack anything.
        Some(Err(_)) => return Vec::new(),
        None => None,
    };
    let narrow = |test: &dyn Fn(&str) -> bool| {
        c.is_some_and(|c| {
            c.keys().iter().any(|k| {
                let values = c.values_of(k);
                test(k) && !values.is_empty() && !values.iter().any(|v| matches_all(v))
            })
        })
    };
    let mut out = Vec::new();
    match kind {
        "oidc" => {
            if !narrow(&|k| k.ends_with(":aud") || k.ends_with(":app_id")) {
                out.push("aud");
            }
            let subject = |k: &str| {
                k.ends_with(":sub")
                    || (host(trusted) == "cognito-identity.amazonaws.com" && k.ends_with(":amr"))
            };
            if !narrow(&subject) {
                out.push("sub");
            }
        }
        "saml" if !narrow(&|k| k == "saml:aud") => out.push("aud"),
        "account" | "principal" | "any" if external == Some(true) => {
            let guard = |k: &str| {
                k == "sts:externalid"
                    || k.starts_with("aws:principalorg")
                    || k == "aws:principalarn"
            };
            // What may be left out, or may be anything, guards nothing.
            let demanded = |k: &&str| {
                let values = c.map(|c| c.demanded(k)).unwrap_or_default();
                guard(k) && !values.is_empty() && !values.iter().any(|v| matches_all(v))
            };
            let guarded = c.is_some_and(|c| c.keys().iter().any(demanded));
            if !guarded {
                out.push("external_id");
            }
        }
        "service" if sourced(trusted, on_role) => {
            // A source that may be missing is one that other accounts need not send.
            let demanded = |k: &&str| {
                let values = c.map(|c| c.demanded(k)).unwrap_or_default();
                about_source(k) && !values.is_empty() && !values.iter().any(|v| any_source(v))
            };
            if !c.is_some_and(|c| c.keys().iter().any(demanded)) {
                out.push("source_account");
            }
        }
        _ => {}
    }
    out.into_iter().map(text).collect()
}

/// Guards that are there and too loose, one sentence each.
pub fn weak(trusted: &str, condition: Option<&Parsed>) -> Vec<Text> {
    let Some(Ok(c)) = condition else { return Vec::new() };
    let Some(provider) = provider("oidc", trusted) else { return Vec::new() };
    let mut out = Vec::new();
    for key in c.keys().into_iter().filter(|k| k.ends_with(":sub")) {
        for value in c.values_of(key) {
            // Those that match everything are missing guards, not weak ones.
            if !matches_all(value)
                && let Some(why) = loose(&provider, value)
            {
                out.push(text(format!("`{value}`: {why}")));
            }
        }
    }
    out.sort_unstable();
    out.dedup();
    out
}

/// What a subject pattern of a known provider leaves open.
fn loose(provider: &str, value: &str) -> Option<&'static str> {
    match provider {
        "github" => github(value),
        "gitlab" => {
            let Some(rest) = value.strip_prefix("project_path:") else {
                return value.contains('*').then_some("names no project");
            };
            let (path, tail) = rest.split_once(':').unwrap_or((rest, ""));
            if path.split('/').next().is_none_or(|group| group.contains('*')) {
                Some("any group")
            } else if path.contains('*') {
                Some("any project of the group")
            } else if tail.is_empty() || !tail.contains("ref:") || tail.ends_with("ref:*") {
                Some("any branch or tag")
            } else {
                None
            }
        }
        "terraform" => {
            let part =
                |name: &str| value.split(':').skip_while(move |p| *p != name).nth(1).unwrap_or("*");
            if part("organization").contains('*') {
                Some("any organisation")
            } else if part("project") == "*" && part("workspace") == "*" {
                Some("any workspace of the organisation")
            } else if part("run_phase") == "*" {
                Some("plan and apply alike")
            } else {
                None
            }
        }
        "bitbucket" => {
            let repository = value.split(':').next().unwrap_or(value);
            repository.contains('*').then_some("any repository")
        }
        "kubernetes" => {
            let mut parts = value.splitn(4, ':').skip(2);
            let (namespace, name) = (parts.next().unwrap_or("*"), parts.next().unwrap_or("*"));
            if namespace.contains('*') {
                Some("any namespace")
            } else if name.contains('*') {
                Some("any service account of the namespace")
            } else {
                None
            }
        }
        _ => value.contains('*').then_some("has a wildcard"),
    }
}

/// GitHub: `repo:ORG/REPO:CONTEXT`, the context being an environment, a ref, or a pull request.
fn github(value: &str) -> Option<&'static str> {
    let Some(rest) = value.strip_prefix("repo:") else {
        return value.contains('*').then_some("names no repository");
    };
    let (repository, context) = rest.split_once(':').unwrap_or((rest, ""));
    let (org, name) = repository.split_once('/').unwrap_or((repository, "*"));
    if org.contains(['*', '?']) {
        Some("any organisation whose name fits")
    } else if name.contains(['*', '?']) {
        Some("any repository of the organisation")
    } else if context == "pull_request" {
        Some("any pull request")
    } else if context.is_empty()
        || !context.bytes().any(|b| !matches!(b, b'*' | b':' | b'?'))
        || matches!(context, "ref:*" | "ref:refs/*" | "environment:*")
    {
        Some("no environment, branch or tag")
    } else if context == "ref:refs/heads/*" {
        Some("any branch")
    } else {
        None
    }
}

/// Whether a condition lets in only our accounts, our organisation, or named principals of ours. Null:
/// it lets in one organisation, and no input says which organisation is ours.
pub fn names_ours(
    c: &Condition,
    ours: &dyn Fn(&str) -> bool,
    our_organisation: &dyn Fn(&str) -> Option<bool>,
) -> Option<bool> {
    let plain = |v: &str| !v.contains(['*', '?']);
    let mut undecided = false;
    for key in c.keys() {
        let values = c.values_of(key);
        if values.is_empty() {
            continue;
        }
        let inside = match key {
            "aws:principalaccount"
            | "aws:sourceaccount"
            | "aws:sourceowner"
            | "kms:calleraccount" => Some(values.iter().all(|v| plain(v) && ours(v))),
            "aws:principalarn" | "aws:sourcearn" => Some(values.iter().all(|v| {
                v.split(':').nth(4).is_some_and(|a| {
                    // Names of buckets carry no account: they say nothing about whose it is.
                    !a.is_empty() && plain(a) && ours(a)
                })
            })),
            "aws:principalorgid"
            | "aws:sourceorgid"
            | "aws:principalorgpaths"
            | "aws:sourceorgpaths" => {
                // A path begins with the organisation: `o-a1b2c3d4e5/r-ab12/*`.
                let organisations = values.iter().map(|v| v.split('/').next().unwrap_or(v));
                organisations
                    .map(|o| if plain(o) { our_organisation(o) } else { Some(false) })
                    .fold(Some(true), all_of)
            }
            _ => Some(false),
        };
        match inside {
            Some(true) => return Some(true),
            Some(false) => {}
            None => undecided = true,
        }
    }
    if undecided { None } else { Some(false) }
}

/// Both, in three values.
fn all_of(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An external id that may be missing, or may be anything, is no guard.
    #[test]
    fn only_what_is_demanded_guards() {
        let says = |condition: &str| {
            let c: Parsed = Condition::parse(condition);
            missing(("account", "999988887777"), true, Some(true), Some(&c)).len()
        };
        for (open, condition) in [
            (0, r#"{"StringEquals":{"sts:ExternalId":"abc"}}"#),
            (0, r#"{"StringLike":{"sts:ExternalId":"abc-*"}}"#),
            (0, r#"{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}"#),
            (1, r#"{"StringEqualsIfExists":{"sts:ExternalId":"abc"}}"#),
            (1, r#"{"ForAllValues:StringEquals":{"sts:ExternalId":"abc"}}"#),
            (1, r#"{"StringLike":{"sts:ExternalId":"*"}}"#),
            (1, r#"{"StringNotEquals":{"sts:ExternalId":"abc"}}"#),
            (1, r#"{"Null":{"sts:ExternalId":"false"}}"#),
            (1, r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#),
        ] {
            assert_eq!(says(condition), open, "{condition}");
        }
    }

    /// Who may be the source of a service's call: what is demanded and names an account, organisation or
    /// resource guards.
    #[test]
    fn sources_of_services() {
        let lacks = |service: &str, on_role: bool, condition: &str| {
            let c: Parsed = Condition::parse(condition);
            !missing(("service", service), on_role, Some(false), Some(&c)).is_empty()
        };
        let s3 = "delivery.logs.amazonaws.com";
        for (open, condition) in [
            (false, r#"{"StringEquals":{"aws:SourceAccount":"111122223333"}}"#),
            (false, r#"{"StringEquals":{"aws:SourceOrgID":"o-abc"}}"#),
            (false, r#"{"ArnLike":{"aws:SourceArn":"arn:aws:logs:*:111122223333:*"}}"#),
            (false, r#"{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::ours"}}"#),
            (false, r#"{"StringEquals":{"kms:CallerAccount":"111122223333"}}"#),
            (true, r#"{"ArnLike":{"aws:SourceArn":"arn:aws:logs:*:*:*"}}"#),
            (true, r#"{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::*"}}"#),
            (true, r#"{"StringLike":{"aws:SourceAccount":"*"}}"#),
            (true, r#"{"StringEqualsIfExists":{"aws:SourceAccount":"111122223333"}}"#),
            (true, r#"{"StringNotEquals":{"aws:SourceAccount":"111122223333"}}"#),
            (true, r#"{"Null":{"aws:SourceAccount":"false"}}"#),
            (true, r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#),
            (true, r#"{"StringEquals":{"s3:x-amz-acl":"bucket-owner-full-control"}}"#),
        ] {
            assert_eq!(lacks(s3, false, condition), open, "{condition}");
        }
        // A role is asked only where the service sends its source.
        for (service, open) in [
            ("vpc-flow-logs.amazonaws.com", true),
            ("states.amazonaws.com.cn", true),
            ("ec2.amazonaws.com", false),
            ("lambda.amazonaws.com", false),
        ] {
            assert_eq!(lacks(service, true, "{}"), open, "{service}");
        }
        assert!(lacks("ec2.amazonaws.com", false, "{}"));
        assert!(missing(("service", s3), false, None, None).len() == 1);
        assert!(missing(("service", s3), false, None, Some(&Err(String::new()))).is_empty());
    }

    fn github_says(sub: &str) -> Option<&'static str> {
        loose("github", sub)
    }

    /// GitHub's subjects, from none to narrow enough.
    #[test]
    fn subjects_of_github() {
        for (sub, why) in [
            ("repo:acme/app:ref:refs/heads/main", None),
            ("repo:acme/app:environment:prod", None),
            ("repo:acme/app:ref:refs/tags/v*", None),
            (
                "repo:acme/app:job_workflow_ref:acme/ci/.github/workflows/x.yml@refs/heads/main",
                None,
            ),
            ("repo:acme/app:*", Some("no environment, branch or tag")),
            ("repo:acme/app", Some("no environment, branch or tag")),
            ("repo:acme/app:ref:refs/heads/*", Some("any branch")),
            ("repo:acme/app:pull_request", Some("any pull request")),
            ("repo:acme/*", Some("any repository of the organisation")),
            ("repo:acme/*:*", Some("any repository of the organisation")),
            ("repo:acme*/app:ref:refs/heads/main", Some("any organisation whose name fits")),
            ("org:acme:*", Some("names no repository")),
        ] {
            assert_eq!(github_says(sub), why, "{sub}");
        }
    }

    #[test]
    fn subjects_of_others() {
        for (provider, sub, why) in [
            ("gitlab", "project_path:grp/app:ref_type:branch:ref:main", None),
            ("gitlab", "project_path:grp/app:ref_type:branch:ref:*", Some("any branch or tag")),
            (
                "gitlab",
                "project_path:grp/*:ref_type:branch:ref:main",
                Some("any project of the group"),
            ),
            ("gitlab", "project_path:*/app:ref_type:branch:ref:main", Some("any group")),
            ("terraform", "organization:o:project:p:workspace:w:run_phase:apply", None),
            (
                "terraform",
                "organization:o:project:p:workspace:w:run_phase:*",
                Some("plan and apply alike"),
            ),
            (
                "terraform",
                "organization:o:project:*:workspace:*:run_phase:*",
                Some("any workspace of the organisation"),
            ),
            (
                "terraform",
                "organization:*:project:p:workspace:w:run_phase:*",
                Some("any organisation"),
            ),
            ("bitbucket", "{1}:{2}:{3}", None),
            ("bitbucket", "*:{3}", Some("any repository")),
            ("kubernetes", "system:serviceaccount:pay:api", None),
            (
                "kubernetes",
                "system:serviceaccount:pay:*",
                Some("any service account of the namespace"),
            ),
            ("kubernetes", "system:serviceaccount:*:api", Some("any namespace")),
            ("circleci", "org/*/user/*", Some("has a wildcard")),
        ] {
            assert_eq!(loose(provider, sub), why, "{provider} {sub}");
        }
    }

    #[test]
    fn providers_by_host() {
        let of = |t: &str| provider("oidc", t).map(|p| p.to_string());
        let arn = |h: &str| format!("arn:aws:iam::1:oidc-provider/{h}");
        assert_eq!(of(&arn("token.actions.githubusercontent.com")).as_deref(), Some("github"));
        assert_eq!(
            of(&arn("api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc"))
                .as_deref(),
            Some("bitbucket")
        );
        assert_eq!(
            of(&arn("oidc.eks.eu-west-1.amazonaws.com/id/AB")).as_deref(),
            Some("kubernetes")
        );
        assert_eq!(of(&arn("notgitlab.com")), None);
        assert_eq!(of("accounts.google.com").as_deref(), Some("google"));
        assert_eq!(provider("saml", "gitlab.com"), None);
    }

    /// A wildcard in a plain comparison never matches a real subject.
    #[test]
    fn a_wildcard_compared_as_text_is_dead() {
        let c = |op: &str| {
            Some(Condition::parse(&format!(r#"{{"{op}":{{"x.com:sub":"repo:acme/*"}}}}"#)))
        };
        assert!(dead(c("StringEquals").as_ref()));
        assert!(!dead(c("StringLike").as_ref()));
        assert!(!dead(c("StringNotEquals").as_ref()));
        assert!(!dead(None));
    }
}
