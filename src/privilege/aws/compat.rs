//! What cloudsplaining 0.9.1 lists for one policy document, for people who compare (AWS semantics,
//! 3.1). It is not what we think of the policy: [`super::exposure`] says that. The ways in which it
//! differs are kept on purpose: any condition makes a statement safe, only the resource `*` is
//! unconstrained, Deny counts by the name of the action, and only for three of the lists.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use super::action::{ActionSet, Catalogue, Level, catalogue};
use super::document::{Document, Effect, Statement};
use super::exposure::listed;
use crate::privilege::glob;

/// The five lists. The first two run to thousands and are sets of catalogue actions; the others are
/// sorted, without repetition, and spelt as cloudsplaining does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compat {
    /// Changes without a resource constraint, and seven reading actions it always lists.
    pub infrastructure_modification: ActionSet,
    /// Permissions management without a resource constraint.
    pub resource_exposure: ActionSet,
    /// Five reading actions.
    pub data_exfiltration: Vec<String>,
    /// Actions that return credentials.
    pub credentials_exposure: Vec<String>,
    /// Services written `service:*`, or all for `*`.
    pub service_wildcard: Vec<String>,
}

/// The lists of five and of 45 actions in the data file.
const EXFILTRATION: &str = "data_exfiltration";
const CREDENTIALS: &str = "credentials_exposure";

/// Reading actions that it lists as modification by default.
const ALWAYS: [&str; 7] = [
    "s3:GetObject",
    "ssm:GetParameter",
    "ssm:GetParameters",
    "ssm:GetParametersByPath",
    "secretsmanager:GetSecretValue",
    "rds:CopyDBSnapshot",
    "rds:CreateDBSnapshot",
];

/// Actions of a statement: those of the catalogue, and texts that it does not spell like that.
#[derive(Debug, Default)]
struct Expanded {
    known: ActionSet,
    odd: BTreeSet<String>,
}

fn expand(s: &Statement, c: &Catalogue) -> Expanded {
    let mut out = Expanded { known: c.none(), odd: BTreeSet::new() };
    for pattern in &s.actions.list {
        if pattern == "*" {
            out.known = c.every();
        } else if pattern.contains('*') {
            let hits = in_service(pattern, c);
            if hits.is_clear() {
                out.odd.insert(pattern.clone());
            }
            out.known.union_with(&hits);
        } else {
            match c.id(pattern) {
                Some(id) if c.name(id) == pattern => out.known.insert(id),
                _ => {
                    out.odd.insert(pattern.clone());
                }
            }
        }
    }
    if s.actions.negate {
        // A complement counts only where the resource is `*`; of a Deny it counts for nothing.
        let open = s.effect == Effect::Allow && any_star(s);
        for odd in &out.odd {
            if let Some(id) = c.id(odd) {
                out.known.insert(id);
            }
        }
        out.odd.clear();
        if open {
            let mut rest = c.every();
            rest.difference_with(&out.known);
            out.known = rest;
        } else {
            out.known = c.none();
        }
    }
    out
}

/// The service is taken as written, in lower case only; the action without regard to case.
fn in_service(pattern: &str, c: &Catalogue) -> ActionSet {
    let mut out = c.none();
    let Some((service, action)) = pattern.split_once(':') else { return out };
    // A service in another case is none.
    let lower = !service.bytes().any(|b| b.is_ascii_uppercase());
    let range = c.service(service).filter(|_| lower);
    for id in range.into_iter().flatten() {
        let tail = c.name(id).split_once(':').map_or("", |(_, tail)| tail);
        if glob::matches_ignore_case(action, tail) {
            out.insert(id);
        }
    }
    out
}

fn plain_resources(s: &Statement) -> &[String] {
    match &s.resources {
        Some(p) if !p.negate => &p.list,
        _ => &[],
    }
}

fn any_star(s: &Statement) -> bool {
    plain_resources(s).iter().any(|r| r == "*")
}

/// Actions that can be restricted to a resource; odd spellings become those of the catalogue.
fn restrictable(e: &Expanded, c: &Catalogue) -> ActionSet {
    let mut out = e.known.clone();
    for odd in &e.odd {
        let prefix = odd.split_once(':').map_or("", |(service, _)| service);
        if prefix.bytes().all(|b| !b.is_ascii_uppercase())
            && let Some(id) = c.id(odd)
        {
            out.insert(id);
        }
    }
    out.difference_with(c.wildcard_only());
    out
}

/// The lists of one document; empty for a document that cloudsplaining cannot read.
#[must_use]
pub fn compat(document: &Document) -> Compat {
    let c = catalogue();
    if document.malformed.is_some() {
        return Compat::default();
    }
    let mut denied = Expanded { known: c.none(), odd: BTreeSet::new() };
    let mut open = c.none();
    let mut open_odd: BTreeSet<String> = BTreeSet::new();
    let (mut modification, mut opening) = (c.none(), c.none());
    let mut services: BTreeSet<String> = BTreeSet::new();
    for s in &document.statements {
        let e = expand(s, c);
        if s.effect == Effect::Deny {
            denied.known.union_with(&e.known);
            denied.odd.extend(e.odd);
            continue;
        }
        if !s.condition_text.is_empty() {
            continue;
        }
        let restricted = restrictable(&e, c);
        if any_star(s) {
            open.union_with(&restricted);
            opening.union_with(&restricted);
        }
        if matches!(plain_resources(s), [only] if only == "*") {
            modification.union_with(&restricted);
        }
        // What has no resource type counts wherever it is allowed, and so does an odd spelling.
        let mut free = e.known.clone();
        free.intersect_with(c.wildcard_only());
        open.union_with(&free);
        open_odd.extend(e.odd);
        if !s.actions.negate {
            wildcards(&s.actions.list, c, &mut services);
        }
    }
    open.difference_with(&denied.known);
    open_odd.retain(|odd| !denied.odd.contains(odd));
    let (may_modify, may_open) = levels(c);
    modification.intersect_with(may_modify);
    opening.intersect_with(may_open);
    Compat {
        infrastructure_modification: modification,
        resource_exposure: opening,
        data_exfiltration: specific(EXFILTRATION, &open, &open_odd, c),
        credentials_exposure: specific(CREDENTIALS, &open, &open_odd, c),
        service_wildcard: services.into_iter().collect(),
    }
}

fn wildcards(patterns: &[String], c: &Catalogue, out: &mut BTreeSet<String>) {
    for pattern in patterns {
        if pattern == "*" {
            out.extend(c.services().map(|(name, _)| name.to_owned()));
        } else if let Some((service, "*")) = pattern.split_once(':') {
            out.insert(service.to_owned());
        }
    }
}

fn of_level(c: &Catalogue, levels: &[Level]) -> ActionSet {
    let mut set = c.none();
    set.extend((0..c.len()).filter(|id| levels.contains(&c.level(*id))));
    set
}

/// Actions that its lists of modification and of resource exposure may name.
fn levels(c: &Catalogue) -> &'static (ActionSet, ActionSet) {
    static LEVELS: OnceLock<(ActionSet, ActionSet)> = OnceLock::new();
    LEVELS.get_or_init(|| {
        let mut set = of_level(c, &[Level::Write, Level::Permissions, Level::Tagging]);
        set.extend(ALWAYS.iter().filter_map(|a| c.id(a)));
        (set, of_level(c, &[Level::Permissions]))
    })
}

/// Listed actions among those allowed: by the catalogue's spelling, else as the policy spells them.
fn specific(
    class: &'static str,
    open: &ActionSet,
    odd: &BTreeSet<String>,
    c: &Catalogue,
) -> Vec<String> {
    let mut out = BTreeSet::new();
    for (asked, id) in asked(class, c) {
        match id {
            Some(id) if open.contains(*id) => {
                out.insert(c.name(*id).to_owned());
            }
            _ => out.extend(odd.iter().filter(|o| o.eq_ignore_ascii_case(asked)).cloned()),
        }
    }
    out.into_iter().collect()
}

/// Actions that it looks for, with their place in the catalogue.
type Asked = Vec<(String, Option<usize>)>;

fn asked(class: &'static str, c: &Catalogue) -> &'static Asked {
    static LISTS: OnceLock<BTreeMap<&str, Asked>> = OnceLock::new();
    static NONE: Asked = Vec::new();
    let of = |class| -> Asked {
        let spelt = listed(class).filter_map(|(action, origin)| match origin {
            "cloudsplaining" => Some(action.to_owned()),
            // The two entries it misspells match only a policy that misspells them too.
            "corrected" => Some(action.replacen("gamelift:", "gamelist:", 1)),
            _ => None,
        });
        spelt.map(|asked| (c.id(&asked), asked)).map(|(id, asked)| (asked, id)).collect()
    };
    let lists = LISTS.get_or_init(|| [EXFILTRATION, CREDENTIALS].map(|n| (n, of(n))).into());
    lists.get(class).unwrap_or(&NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lists by name.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Named {
        infrastructure_modification: Vec<String>,
        resource_exposure: Vec<String>,
        data_exfiltration: Vec<String>,
        credentials_exposure: Vec<String>,
        service_wildcard: Vec<String>,
    }

    fn names(set: &ActionSet) -> Vec<String> {
        set.ones().map(|id| catalogue().name(id).to_owned()).collect()
    }

    fn lists(statements: &str) -> Named {
        let found = compat(&Document::parse(&format!(
            r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#
        )));
        Named {
            infrastructure_modification: names(&found.infrastructure_modification),
            resource_exposure: names(&found.resource_exposure),
            data_exfiltration: found.data_exfiltration,
            credentials_exposure: found.credentials_exposure,
            service_wildcard: found.service_wildcard,
        }
    }

    fn allow(action: &str, resource: &str) -> String {
        format!(r#"{{"Effect":"Allow","Action":{action},"Resource":{resource}}}"#)
    }

    /// Its semantics, one line each (3.1, "How"), defects included.
    #[test]
    fn its_lists() {
        let c = lists(&allow(r#"["s3:GetObject","s3:PutBucketPolicy","ec2:*"]"#, r#""*""#));
        assert_eq!(c.data_exfiltration, ["s3:GetObject"]);
        assert!(c.resource_exposure.contains(&"ec2:CreateNetworkInterfacePermission".to_owned()));
        assert!(c.resource_exposure.contains(&"s3:PutBucketPolicy".to_owned()));
        assert!(c.infrastructure_modification.contains(&"s3:GetObject".to_owned()));
        assert_eq!(c.service_wildcard, ["ec2"]);
        assert_eq!(c.credentials_exposure, ["ec2:GetPasswordData"]);
    }

    /// Defect 2: other ways of writing "all" count as a constraint; a star beside an ARN counts for some lists.
    #[test]
    fn only_the_bare_star_is_unconstrained() {
        for resource in [r#""arn:aws:s3:::*""#, r#""**""#, r#"["arn:*"]"#] {
            assert_eq!(lists(&allow(r#""s3:PutBucketPolicy""#, resource)), Named::default());
        }
        let both = lists(&allow(r#""s3:PutBucketPolicy""#, r#"["*","arn:aws:s3:::b"]"#));
        assert_eq!(both.resource_exposure, ["s3:PutBucketPolicy"]);
        assert!(both.infrastructure_modification.is_empty());
    }

    /// Defects 1, 3 and 4: Deny by name and for some lists only, case of the service, any condition.
    #[test]
    fn deny_case_and_conditions() {
        let deny = r#"{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::b"}"#;
        let c = lists(&format!(
            "{},{deny}",
            allow(r#"["s3:GetObject","s3:PutBucketPolicy"]"#, r#""*""#)
        ));
        assert!(c.data_exfiltration.is_empty());
        assert_eq!(c.resource_exposure, ["s3:PutBucketPolicy"]);
        let c = lists(&allow(r#""S3:*""#, r#""*""#));
        assert!(c.data_exfiltration.is_empty());
        assert_eq!(c.service_wildcard, ["S3"]);
        let conditional = r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringLike":{"aws:PrincipalArn":"*"}}}"#;
        assert_eq!(lists(conditional), Named::default());
    }

    /// A spelling that is not the catalogue's counts wherever it is allowed.
    #[test]
    fn odd_spellings() {
        let c = lists(&allow(r#""s3:getobject""#, r#""arn:aws:s3:::b/*""#));
        assert_eq!(c.data_exfiltration, ["s3:getobject"]);
        let c = lists(&allow(r#""gamelift:GetComputeAccess""#, r#""*""#));
        assert!(c.credentials_exposure.is_empty());
    }

    /// A complement counts with the resource `*` only.
    #[test]
    fn complements() {
        let of = |resource: &str| {
            lists(&format!(r#"{{"Effect":"Allow","NotAction":"iam:*","Resource":{resource}}}"#))
        };
        let c = of(r#""*""#);
        assert!(c.data_exfiltration.contains(&"s3:GetObject".to_owned()));
        assert!(!c.infrastructure_modification.iter().any(|a| a.starts_with("iam:")));
        assert!(c.service_wildcard.is_empty());
        assert_eq!(of(r#""arn:aws:s3:::b/*""#), Named::default());
        assert_eq!(lists("3"), Named::default());
    }
}
