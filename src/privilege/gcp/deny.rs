//! Deny policies (cloud semantics, 4.2): names of permissions as they write them, and whom they mean.

use std::collections::BTreeMap;

use super::member::{self, Member, Party};
use crate::facts::Tri;

/// Services that deny policies name otherwise than permissions do.
const SERVICES: [(&str, &str); 3] = [
    ("cloudresourcemanager", "resourcemanager"),
    ("sqladmin", "cloudsql"),
    ("bigtableadmin", "bigtable"),
];

/// One rule of a deny policy.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// Principals as written.
    pub principals: Vec<String>,
    /// Principals that are let through.
    pub exceptions: Vec<String>,
    /// Permissions as written.
    pub permissions: Vec<String>,
    /// Permissions that are let through.
    pub exempt: Vec<String>,
    /// Condition; it may ask for tags only, which the inputs do not hold.
    pub condition: Option<String>,
}

/// Pattern of permission names of roles that a deny policy's permission stands for: exact, or with a
/// `*` at the end or in place of the resource.
#[must_use]
pub fn permission(written: &str) -> Option<Vec<String>> {
    let (host, rest) = written.split_once('/')?;
    let service = host.strip_suffix(".googleapis.com")?;
    if service.is_empty() || rest.is_empty() || rest.contains('/') {
        return None;
    }
    let own = SERVICES.iter().find(|(from, _)| *from == service).map_or(service, |(_, to)| to);
    // Permissions of federation carry the host in their own names.
    Some(vec![format!("{own}.{rest}"), written.to_owned()])
}

/// Whether a pattern of a deny policy stands for a permission of a role.
#[must_use]
pub fn names(pattern: &str, permission: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == permission,
        Some((head, tail)) => {
            permission.len() >= head.len() + tail.len()
                && permission.starts_with(head)
                && permission.ends_with(tail)
        }
    }
}

/// Membership in groups, as far as the inputs show it.
pub trait Groups {
    /// Whether a principal is in a group; conditional when the members are not known.
    fn holds(&self, group: &str, principal: &str) -> Tri;
}

/// Groups of which nothing is known.
#[derive(Debug)]
pub struct NoGroups;

impl Groups for NoGroups {
    fn holds(&self, group: &str, principal: &str) -> Tri {
        if group == principal { Tri::Yes } else { Tri::Conditional }
    }
}

/// Whether a principal as a deny policy writes it means this member.
#[must_use]
pub fn means(written: &str, member: &Member, groups: &dyn Groups) -> Tri {
    let yes = |b: bool| if b { Tri::Yes } else { Tri::No };
    if written == "principalSet://goog/public:all" || written == "allUsers" {
        return Tri::Yes;
    }
    if let Some(mail) = written.strip_prefix("principal://goog/subject/") {
        return yes(member.party == Party::User && mail.eq_ignore_ascii_case(&member.id));
    }
    if let Some(mail) = written.strip_prefix("principalSet://goog/group/") {
        return groups.holds(&format!("group:{}", mail.to_lowercase()), &member.id);
    }
    if let Some((_, account)) = written.split_once("/serviceAccounts/") {
        return yes(
            member.party == Party::ServiceAccount && account.eq_ignore_ascii_case(&member.id)
        );
    }
    if written.starts_with("deleted:") {
        return Tri::No;
    }
    if let Some((pool, part)) = member::pool(written) {
        let Some((own, own_part)) = member::pool(&member.id) else { return Tri::No };
        if pool != own {
            return Tri::No;
        }
        return match part {
            "*" => Tri::Yes,
            part if part == own_part => Tri::Yes,
            // Whether the identities of one set have the attribute of another is not in the inputs.
            _ => Tri::Conditional,
        };
    }
    // Customers, all accounts of a project or organisation, and forms to come.
    Tri::Conditional
}

impl Rule {
    /// Whether the rule holds for a member; conditional where the inputs do not decide.
    #[must_use]
    pub fn applies(&self, member: &Member, groups: &dyn Groups) -> Tri {
        let any = |list: &[String]| {
            list.iter().map(|p| means(p, member, groups)).fold(Tri::No, strongest)
        };
        let denied = any(&self.principals);
        let exempt = any(&self.exceptions);
        match (denied, exempt) {
            (Tri::No, _) | (_, Tri::Yes) => Tri::No,
            (Tri::Yes, Tri::No) if self.condition.is_none() => Tri::Yes,
            _ => Tri::Conditional,
        }
    }

    /// Permissions of roles that the rule takes away, out of all that are known, and the names that no
    /// known permission bears.
    #[must_use]
    pub fn denied<'n>(
        &self,
        known: impl Iterator<Item = &'n str> + Clone,
    ) -> (Vec<usize>, Vec<String>) {
        let patterns = |list: &[String]| -> (Vec<String>, BTreeMap<String, bool>) {
            let mut out = Vec::new();
            let mut met = BTreeMap::new();
            for written in list {
                met.insert(written.clone(), false);
                out.extend(permission(written).into_iter().flatten());
            }
            (out, met)
        };
        let (deny, _) = patterns(&self.permissions);
        let (exempt, _) = patterns(&self.exempt);
        let mut ids = Vec::new();
        for (id, name) in known.clone().enumerate() {
            if deny.iter().any(|p| names(p, name)) && !exempt.iter().any(|p| names(p, name)) {
                ids.push(id);
            }
        }
        let unmapped = self
            .permissions
            .iter()
            .filter(|w| {
                permission(w)
                    .is_none_or(|ps| !known.clone().any(|n| ps.iter().any(|p| names(p, n))))
            })
            .cloned()
            .collect();
        (ids, unmapped)
    }
}

fn strongest(a: Tri, b: Tri) -> Tri {
    match (a, b) {
        (Tri::Yes, _) | (_, Tri::Yes) => Tri::Yes,
        (Tri::Conditional, _) | (_, Tri::Conditional) => Tri::Conditional,
        _ => Tri::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privilege::gcp::catalogue::catalogue;

    fn rule(principals: &[&str], exceptions: &[&str]) -> Rule {
        let own = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect();
        Rule { principals: own(principals), exceptions: own(exceptions), ..Rule::default() }
    }

    #[test]
    fn names_map_onto_permissions_of_roles() {
        let names_of = |denied: &[&str], exempt: &[&str]| {
            let own = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect();
            let rule = Rule { permissions: own(denied), exempt: own(exempt), ..Rule::default() };
            let all = &catalogue().permissions;
            let (ids, unmapped) = rule.denied(all.iter().map(String::as_str));
            (ids.into_iter().map(|i| all[i].clone()).collect::<Vec<_>>(), unmapped)
        };
        assert_eq!(
            names_of(
                &[
                    "iam.googleapis.com/serviceAccountKeys.create",
                    "cloudresourcemanager.googleapis.com/projects.setIamPolicy"
                ],
                &[]
            ),
            (
                vec![
                    "iam.serviceAccountKeys.create".into(),
                    "resourcemanager.projects.setIamPolicy".into()
                ],
                vec![]
            )
        );
        let (pools, none) = names_of(&["iam.googleapis.com/workloadIdentityPools.create"], &[]);
        assert_eq!(
            (pools, none.len()),
            (vec!["iam.googleapis.com/workloadIdentityPools.create".into()], 0)
        );
        let (all, _) = names_of(
            &["storage.googleapis.com/buckets.*"],
            &["storage.googleapis.com/buckets.get"],
        );
        assert!(
            all.contains(&"storage.buckets.delete".to_owned())
                && !all.contains(&"storage.buckets.get".to_owned())
        );
        let (none, unmapped) = names_of(&["acme.googleapis.com/x.y", "nonsense"], &[]);
        assert!(none.is_empty());
        assert_eq!(unmapped, ["acme.googleapis.com/x.y", "nonsense"]);
    }

    #[test]
    fn exceptions_win_and_unknown_groups_stay_open() {
        struct Ops;
        impl Groups for Ops {
            fn holds(&self, group: &str, principal: &str) -> Tri {
                match (group, principal) {
                    ("group:ops@x.example", "ann@x.example") => Tri::Yes,
                    ("group:ops@x.example", _) => Tri::No,
                    _ => Tri::Conditional,
                }
            }
        }
        let of = |r: &Rule, m: &str| r.applies(&member::parse(m), &Ops);
        let all = "principalSet://goog/public:all";
        let r = rule(&[all], &["principalSet://goog/group/ops@x.example"]);
        assert_eq!(of(&r, "user:ann@x.example"), Tri::No);
        assert_eq!(of(&r, "user:bob@x.example"), Tri::Yes);
        let r = rule(&[all], &["principalSet://goog/group/other@x.example"]);
        assert_eq!(of(&r, "user:bob@x.example"), Tri::Conditional);
        let r = rule(&["principal://goog/subject/Ann@x.example"], &[]);
        assert_eq!(
            (of(&r, "user:ann@x.example"), of(&r, "user:bob@x.example")),
            (Tri::Yes, Tri::No)
        );
        let sa =
            "principal://iam.googleapis.com/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com";
        assert_eq!(of(&rule(&[sa], &[]), "serviceAccount:a@p.iam.gserviceaccount.com"), Tri::Yes);
        assert_eq!(
            of(&rule(&["principalSet://goog/cloudIdentityCustomerId/C0"], &[]), "user:a@b.c"),
            Tri::Conditional
        );
        let mut conditional = rule(&[all], &[]);
        conditional.condition = Some("resource.matchTag('a/b','c')".into());
        assert_eq!(of(&conditional, "user:ann@x.example"), Tri::Conditional);
    }
}
