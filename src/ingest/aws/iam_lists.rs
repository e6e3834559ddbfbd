//! `iam get-role`, `list-roles`, `get-user` and `list-users`: what the authorization details leave out,
//! above all the longest session of a role.
//!
//! Beside the authorization details of an account these add to its identities. Alone they show that an
//! identity exists and who may assume it, and nothing of what it holds; it then does not count as
//! inventoried.

use std::collections::{BTreeMap, BTreeSet};

use super::authorization_details::{AuthorizationDetails, read_lists};
use super::json::{self, Obj, at, refuse};
use super::{account_of, name_of, realm};
use crate::facts::*;
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe};

/// Adapter of lists of roles and users.
#[derive(Debug)]
pub struct IamLists;

const FORMAT: &str = "aws-iam-lists";

impl Adapter for IamLists {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn title(&self) -> &'static str {
        "AWS IAM roles and users (get-role, list-roles, get-user, list-users)"
    }

    fn layer(&self) -> Layer {
        Layer::Context
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        if !json::is_json(probe) {
            return None;
        }
        let says = |word: &str| json::says(probe, word);
        let roles = (probe.has(&["Roles"]) || probe.has(&["Role"])) && says("\"RoleName\"");
        let users = (probe.has(&["Users"]) || probe.has(&["User"]))
            && says("\"UserName\"")
            && says("\"Arn\"");
        (roles || users).then_some(Match::Specific)
    }

    fn read(
        &self,
        input: &Input,
        _ctx: &Context<'_>,
        batch: &mut Batch,
    ) -> Result<(), IngestError> {
        let mut truncated = false;
        json::documents(input, batch, &mut |place, raw, batch| {
            let o = match Obj::parse(raw) {
                Ok(o) => o,
                Err(e) => return refuse(batch, place, e),
            };
            truncated |= o.flag("IsTruncated") == Some(true) || o.has("NextToken");
            let mut roles: Vec<(String, &str)> = Vec::new();
            let mut users: Vec<(String, &str)> = Vec::new();
            for (one, many, into) in [("Role", "Roles", &mut roles), ("User", "Users", &mut users)]
            {
                into.extend(o.raw(one).map(|r| (format!("{place}/{one}"), r)));
                let list = o.list(many).into_iter().enumerate();
                into.extend(list.map(|(i, r)| (format!("{place}/{many}/{i}"), r)));
            }
            if roles.is_empty() && users.is_empty() && !o.has("Roles") && !o.has("Users") {
                return refuse(batch, place, "neither roles nor users");
            }
            for (place, raw) in &roles {
                session(raw, &at(place, ""), batch);
            }
            read_lists(&users, &roles, batch);
        })?;
        for p in &mut batch.facts.principals {
            p.inventoried = false;
        }
        batch.completeness =
            if truncated { Completeness::Truncated } else { Completeness::Complete };
        batch.limitation = Some(text(if truncated {
            "the export says `IsTruncated`: further pages are missing"
        } else {
            "a list of identities does not say what they hold"
        }));
        Ok(())
    }
}

/// Longest session of a role.
fn session(raw: &str, here: &Text, batch: &mut Batch) {
    let Ok(o) = Obj::parse(raw) else { return };
    let Some(arn) = o.str(&["Arn"]) else { return };
    // An hour to twelve (IAM API reference, `MaxSessionDuration`).
    let Some(seconds) = o.int("MaxSessionDuration").filter(|s| (3600..=43_200).contains(s)) else {
        if o.has("MaxSessionDuration") {
            batch.quarantine_part(
                here,
                "`MaxSessionDuration` is no number of seconds from 3600 to 43200",
            );
        }
        return;
    };
    batch.facts.roles.push(Role {
        role_id: text(&arn),
        platform: text("aws"),
        realm: account_of(&arn).map(realm),
        name: text(o.str(&["RoleName"]).as_deref().unwrap_or_else(|| name_of(&arn))),
        kind: RoleKind::Role,
        max_session_s: Some(seconds),
        source_id: batch.source_id.clone(),
        source_ref: here.clone(),
        ..Role::default()
    });
}

/// Folds the lists into the authorization details: an identity is one, with the tags of both. Called
/// once with all facts of a run.
pub fn finish(facts: &mut Facts) {
    let of = |format: &str| -> BTreeSet<Text> {
        let sources = facts.sources.iter().filter(|s| &*s.format == format);
        sources.map(|s| s.source_id.clone()).collect()
    };
    let (lists, full) = (of(FORMAT), of(AuthorizationDetails.format()));
    if lists.is_empty() {
        return;
    }
    let known: BTreeMap<Text, usize> = facts
        .principals
        .iter()
        .enumerate()
        .filter(|(_, p)| full.contains(&p.source_id))
        .map(|(i, p)| (p.principal_id.clone(), i))
        .collect();
    let mut tags: Vec<(usize, Principal)> = Vec::new();
    let mut seen = BTreeSet::new();
    for p in facts.principals.iter().filter(|p| lists.contains(&p.source_id)) {
        if let Some(i) = known.get(&p.principal_id) {
            tags.push((*i, p.clone()));
        }
    }
    for (i, more) in tags {
        let Some(p) = facts.principals.get_mut(i) else { continue };
        if p.tags.is_empty() {
            p.tags = more.tags;
            p.break_glass |= more.break_glass;
            p.environment = p.environment.take().or(more.environment);
            // A tag may say what the identity is for.
            if p.kind == PrincipalKind::Unknown || more.kind == PrincipalKind::Agent {
                p.kind = more.kind;
                p.is_nhi = more.is_nhi;
            }
        }
        p.created_at = p.created_at.or(more.created_at);
    }
    facts.principals.retain(|p| {
        !lists.contains(&p.source_id)
            || (!known.contains_key(&p.principal_id) && seen.insert(p.principal_id.clone()))
    });
    let drop = |source: &Text, id: &Text| lists.contains(source) && known.contains_key(id);
    let owned: BTreeSet<Text> = facts
        .owners
        .iter()
        .filter(|o| full.contains(&o.source_id))
        .map(|o| o.principal.clone())
        .collect();
    facts.aliases.retain(|a| !drop(&a.source_id, &a.principal_id));
    facts.trusts.retain(|t| !drop(&t.source_id, &t.principal_id));
    facts.usage.retain(|u| !drop(&u.source_id, &u.principal));
    facts.owners.retain(|o| !lists.contains(&o.source_id) || !owned.contains(&o.principal));
    // Two lists that name one role say one thing.
    let mut seen = BTreeSet::new();
    facts.roles.retain(|r| {
        !lists.contains(&r.source_id) || seen.insert((r.role_id.clone(), r.max_session_s))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::{Ingested, ingest};
    use crate::settings::Settings;

    fn read(files: &[(&str, &str)]) -> Ingested {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(dir.path().join(name), content).unwrap();
        }
        let found = ingest(&[dir.path().to_path_buf()], &Settings::defaults()).unwrap();
        assert!(found.unknown.is_empty() && found.failed.is_empty(), "{:?}", found.unknown);
        found
    }

    const ROLE: &str = r#"{"Path":"/","RoleName":"r","RoleId":"AROA1","Arn":"arn:aws:iam::111122223333:role/r","CreateDate":"2026-01-01T00:00:00Z","AssumeRolePolicyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]},"MaxSessionDuration":43200,"Tags":[{"Key":"owner","Value":"team-a"}],"RoleLastUsed":{"LastUsedDate":"2026-02-01T00:00:00Z","Region":"us-east-1"}}"#;

    #[test]
    fn a_role_is_one_and_gains_what_was_missing() {
        let list = format!(r#"{{"Roles":[{ROLE}]}}"#);
        let one = format!(r#"{{"Role":{ROLE}}}"#);
        let full = r#"{"RoleDetailList":[{"RoleName":"r","RoleId":"AROA1","Arn":"arn:aws:iam::111122223333:role/r","AssumeRolePolicyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]},"RoleLastUsed":{}}]}"#;
        let users = r#"{"Users":[{"UserName":"u","UserId":"AIDA1","Arn":"arn:aws:iam::111122223333:user/u","CreateDate":"2026-01-01T00:00:00Z","Path":"/"}]}"#;
        let found =
            read(&[("a.json", &list), ("b.json", &one), ("z.json", full), ("u.json", users)]);
        let f = &found.facts;
        assert!(f.quarantine.is_empty(), "{:?}", f.quarantine);
        let rows: Vec<_> =
            f.principals.iter().map(|p| (&*p.principal_id, p.inventoried, p.tags.len())).collect();
        assert_eq!(
            rows,
            [
                ("arn:aws:iam::111122223333:user/u", false, 0),
                ("arn:aws:iam::111122223333:role/r", true, 1)
            ]
        );
        assert_eq!(f.roles.len(), 1);
        assert_eq!((f.roles[0].kind, f.roles[0].max_session_s), (RoleKind::Role, Some(43_200)));
        assert_eq!((f.trusts.len(), f.usage.len()), (1, 1));
        let alone = read(&[("a.json", &list)]);
        let f = &alone.facts;
        assert_eq!(
            (f.principals.len(), f.trusts.len(), f.principals[0].inventoried),
            (1, 1, false)
        );
        assert_eq!(f.usage[0].last_at.unwrap().to_date(), "2026-02-01");
    }

    #[test]
    fn hostile_lists_cost_themselves_only() {
        let deep = "[".repeat(20_000) + &"]".repeat(20_000);
        let found = read(&[
            (
                "a.json",
                &format!(
                    r#"{{"Roles":[{{"RoleName":"x","Arn":{deep}}},null,{},{}],"IsTruncated":true}}"#,
                    ROLE.replace("43200", "-1"),
                    "7"
                ),
            ),
            ("b.json", r#"{"Users":{"UserName":"x","Arn":"y"}}"#),
        ]);
        assert_eq!(found.facts.principals.len(), 1);
        assert_eq!(found.facts.quarantine.len(), 4, "{:?}", found.facts.quarantine);
        assert_eq!(found.facts.sources[0].completeness, Completeness::Truncated);
    }
}
