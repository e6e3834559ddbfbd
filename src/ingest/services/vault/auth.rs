//! Roles of Vault's auth methods other than AppRole: what an identity of elsewhere must show to log in, and
//! the policies it then has.
//!
//! Shapes: `vault read -format=json auth/MOUNT/role/NAME` (jwt, oidc, kubernetes, aws, gcp, azure),
//! `.../users/NAME` (userpass, ldap), `.../groups/NAME` (ldap), `.../certs/NAME`, `.../map/teams/NAME`
//! (github), `auth/token/roles/NAME`. An answer does not say its own path: the key around it or
//! `<file>.realm` may, as `auth/MOUNT/role/NAME`. Source: vendor pages of the auth methods.

use serde_json::{Map, Value, json};

use super::super::{Rec, Sink, is_text_list};
use super::{PLATFORM, bind, strings};
use crate::facts::{Link, PrincipalKind, Text, text};

/// Kind of the links from an identity of elsewhere to a role that it may log in with.
pub const LOGIN: &str = "vault_login";
/// Most pairs of namespace and service account that one role may name.
const PAIRS: usize = 10_000;

/// An auth method, as far as roles tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Jwt,
    Kubernetes,
    Aws,
    Gcp,
    Azure,
    Cert,
    /// Groups of a directory, teams of an organisation.
    Groups,
    Users,
    /// Roles by which tokens are made.
    Token,
    /// Something that gives policies at login.
    Unknown,
}

impl Method {
    /// Word in the `via` of a binding and in ids.
    fn word(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::Kubernetes => "kubernetes",
            Self::Aws => "aws",
            Self::Gcp => "gcp",
            Self::Azure => "azure",
            Self::Cert => "cert",
            Self::Groups => "group",
            Self::Users => "user",
            Self::Token => "token",
            Self::Unknown => "login",
        }
    }

    fn kind(self) -> PrincipalKind {
        match self {
            Self::Groups => PrincipalKind::Group,
            Self::Users => PrincipalKind::Human,
            Self::Jwt | Self::Unknown | Self::Token => PrincipalKind::Role,
            _ => PrincipalKind::Workload,
        }
    }
}

/// `auth/MOUNT/KIND/NAME`, where something around the answer says so.
fn path<'a>(r: &'a Rec<'_>) -> Option<&'a str> {
    let around = r.keys.iter().rev().map(String::as_str).chain(r.realm);
    around
        .map(|k| k.trim_matches('/'))
        .find(|k| k.starts_with("auth/") && k.matches('/').count() >= 2)
}

/// The method of a role, by the fields that only it has; `None` for what is no role.
pub(super) fn method(r: &Rec<'_>) -> Option<Method> {
    let d = r.doc;
    let any = |keys: &[&str]| keys.iter().any(|k| d.at(k).is_some());
    let of_path = || {
        let path = path(r)?;
        let gives = any(&["policies", "token_policies", "value"]);
        let has = |part: &str| path.contains(part);
        gives.then(|| {
            if has("/groups/") || has("/map/teams/") {
                Method::Groups
            } else if has("/users/") || has("/map/users/") {
                Method::Users
            } else {
                Method::Unknown
            }
        })
    };
    if any(&["bind_secret_id", "secret_id_ttl"]) {
        return None;
    }
    if any(&["bound_service_account_names", "bound_service_account_namespaces"]) {
        Some(Method::Kubernetes)
    } else if any(&[
        "bound_iam_principal_arn",
        "bound_iam_role_arn",
        "bound_ami_id",
        "bound_ec2_instance_id",
    ]) {
        Some(Method::Aws)
    } else if any(&["bound_service_principal_ids", "bound_scale_sets"]) {
        Some(Method::Azure)
    } else if any(&["bound_service_accounts"]) {
        Some(Method::Gcp)
    } else if any(&["user_claim", "bound_claims", "bound_subject"]) {
        Some(Method::Jwt)
    } else if any(&["allowed_common_names", "allowed_dns_sans"])
        && any(&["token_policies", "policies"])
    {
        Some(Method::Cert)
    } else if any(&["allowed_policies", "allowed_policies_glob"]) && any(&["orphan", "renewable"]) {
        Some(Method::Token)
    } else {
        of_path().or_else(|| any(&["token_policies"]).then_some(Method::Unknown))
    }
}

/// A list of texts, or one text with commas.
fn list(r: &Rec<'_>, key: &str) -> Vec<String> {
    match r.doc.at(key) {
        Some(Value::String(s)) => {
            s.split(',').map(|p| p.trim().to_owned()).filter(|p| !p.is_empty()).collect()
        }
        _ => strings(r, key),
    }
}

/// Reads one role.
pub(super) fn login(method: Method, r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<bool, String> {
    for key in ["policies", "token_policies", "allowed_policies"] {
        if r.doc.at(key).is_some_and(|v| !is_text_list(v) && !v.is_string() && !v.is_null()) {
            return Err(format!("`{key}` is no list of names"));
        }
    }
    let name = r.doc.first(&["role_name", "name", "display_name"]).or(r.key()).unwrap_or(r.stem);
    let who = match path(r) {
        Some(path) => text(path),
        None => {
            sink.limit(
                "some roles do not say at which path they are mounted; put it as the key around them or into `<file>.realm` (`auth/MOUNT/role/NAME`)",
            );
            text(format!("auth/{}/role/{name}", method.word()))
        }
    };
    sink.principal((&who, PLATFORM, method.kind()), |p| {
        p.name = who.rsplit('/').next().map(text);
        p.realm = r.realm.filter(|realm| !realm.starts_with("auth/")).map(text);
    });
    let mut policies = list(r, "token_policies");
    policies.extend(list(r, "policies"));
    policies.extend(list(r, "value"));
    if method == Method::Token {
        policies = list(r, "allowed_policies");
        if !list(r, "allowed_policies_glob").is_empty() {
            sink.limit("a role of tokens allows policies by pattern, which are not all listed");
        }
    } else if r.flag("token_no_default_policy")? != Some(true) {
        policies.push("default".into());
    }
    policies.sort_unstable();
    policies.dedup();
    for name in &policies {
        if let Some(e) = sink.entitlement(&bind(&who, name)) {
            e.via = vec![text(method.word())];
        }
    }
    links(method, r, &who, sink)?;
    Ok(true)
}

/// Who may log in with the role.
fn links(method: Method, r: &Rec<'_>, who: &Text, sink: &mut Sink<'_>) -> Result<(), String> {
    match method {
        Method::Kubernetes => {
            let names = list(r, "bound_service_account_names");
            let spaces = list(r, "bound_service_account_namespaces");
            if names.len().saturating_mul(spaces.len()) > PAIRS {
                return Err(format!("names more than {PAIRS} service accounts"));
            }
            for space in &spaces {
                for name in &names {
                    let subject = format!("system:serviceaccount:{space}:{name}");
                    link(sink, &text(&subject), who, |l| l.subject = Some(text(&subject)));
                }
            }
            if !list(r, "bound_service_account_namespace_selector").is_empty() {
                sink.limit("a role takes service accounts by labels of their namespace");
            }
        }
        Method::Jwt => jwt(r, who, sink)?,
        Method::Aws => {
            let mut arns = list(r, "bound_iam_principal_arn");
            arns.extend(list(r, "bound_iam_role_arn"));
            for arn in arns {
                link(sink, &text(arn), who, |_| {});
            }
        }
        Method::Gcp => {
            for account in list(r, "bound_service_accounts") {
                link(sink, &text(account.to_lowercase()), who, |_| {});
            }
        }
        Method::Azure => {
            for id in list(r, "bound_service_principal_ids") {
                link(sink, &text(id.to_lowercase()), who, |_| {});
            }
        }
        _ => {}
    }
    Ok(())
}

fn link(sink: &mut Sink<'_>, from: &Text, to: &Text, with: impl FnOnce(&mut Link)) {
    sink.link((PLATFORM, LOGIN), (from, to), None);
    if let Some(l) = sink.batch.facts.links.last_mut() {
        with(l);
    }
}

/// Subject, audiences and claims that a token must carry.
fn jwt(r: &Rec<'_>, who: &Text, sink: &mut Sink<'_>) -> Result<(), String> {
    let mut claims: Map<String, Value> = match r.doc.at("bound_claims") {
        None => Map::new(),
        Some(Value::Object(map)) => map.clone(),
        Some(_) => return Err("`bound_claims` is no map".to_owned()),
    };
    let glob = r.doc.str("bound_claims_type") == Some("glob");
    let mut subjects: Vec<String> =
        r.doc.str("bound_subject").map(str::to_owned).into_iter().collect();
    if let Some(of) = claims.remove("sub") {
        match &of {
            Value::String(s) => subjects.push(s.clone()),
            Value::Array(list) => {
                subjects.extend(list.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            _ => return Err("`bound_claims/sub` is no text".to_owned()),
        }
    }
    // Runs of GitHub may be named by repository in place of the subject.
    let repositories = claims.get("repository").into_iter().flat_map(|v| match v {
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().into_iter().collect::<Vec<&str>>(),
    });
    if subjects.is_empty() {
        subjects.extend(repositories.map(|repo| format!("repo:{repo}:*")));
    }
    let whole = json!({
        "claims": claims,
        "glob": glob,
        "oidc": r.doc.str("role_type") == Some("oidc"),
    });
    let audiences: Vec<Text> = list(r, "bound_audiences").into_iter().map(text).collect();
    let open = subjects.is_empty();
    if open {
        subjects.push("*".to_owned());
    }
    for subject in &subjects {
        link(sink, &text(subject), who, |l| {
            l.subject = (!open).then(|| text(subject));
            l.audiences = audiences.clone();
            l.condition = Some(text(whole.to_string()));
        });
    }
    Ok(())
}
