//! IAM Identity Center: permission sets and their content, assignments to accounts, and the users,
//! groups and memberships of its identity store. Output of the `sso-admin` and `identitystore`
//! commands, one command per file or merged under their keys in one document.

use std::collections::{BTreeMap, BTreeSet};

use super::json::{self, Obj, at, in_name, is_account, refuse};
use super::{alias, realm};
use crate::facts::time::parse_duration;
use crate::facts::*;
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe};

mod content;

pub use content::finish;

/// Adapter of IAM Identity Center.
#[derive(Debug)]
pub struct IdentityCenter;

/// Format id.
pub const FORMAT: &str = "aws-identity-center";

impl Adapter for IdentityCenter {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn title(&self) -> &'static str {
        "AWS IAM Identity Center: permission sets, assignments, users and groups"
    }

    fn layer(&self) -> Layer {
        Layer::State
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        if !json::is_json(probe) {
            return None;
        }
        let has = |key: &str| probe.has(&[key]);
        let says = |word: &str| json::says(probe, word);
        let few = probe.keys.len() <= 4;
        let found = has("AccountAssignments")
            || has("CustomerManagedPolicyReferences")
            || (has("AttachedManagedPolicies") && few)
            || (has("InlinePolicy") && few)
            || (has("PermissionsBoundary") && few)
            || (has("PermissionSet") && says(":permissionSet/"))
            || (has("PermissionSets") && says("permissionSet"))
            || (has("GroupMemberships") && says("\"MemberId\""))
            || ((has("Users") || has("Groups")) && says("\"IdentityStoreId\""))
            || (has("Instances") && says(":sso:"));
        found.then_some(Match::Specific)
    }

    fn read(
        &self,
        input: &Input,
        _ctx: &Context<'_>,
        batch: &mut Batch,
    ) -> Result<(), IngestError> {
        let mut reader = Reader { name: &input.name, truncated: false, bindings: false };
        json::documents(input, batch, &mut |place, raw, batch| reader.document(place, raw, batch))?;
        batch.completeness = if reader.truncated {
            batch.limitation = Some(text("the export says `NextToken`: further pages are missing"));
            Completeness::Truncated
        } else {
            Completeness::Complete
        };
        // Names and contents alone do not show what is bound.
        if !reader.bindings {
            batch.layer = Some(Layer::Context);
        }
        Ok(())
    }
}

/// Parts of a permission set that commands print one by one. They travel in `version` from the files
/// to [`finish`], which joins them and leaves it empty.
const INLINE: &str = "part:inline";
const MANAGED: &str = "part:managed";
const CUSTOMER: &str = "part:customer";
const BOUNDARY: &str = "part:boundary";

struct Reader<'n> {
    name: &'n str,
    truncated: bool,
    bindings: bool,
}

impl Reader<'_> {
    fn document(&mut self, place: &str, raw: &str, batch: &mut Batch) {
        let o = match Obj::parse(raw) {
            Ok(o) => o,
            Err(e) => return refuse(batch, place, e),
        };
        self.truncated |= o.has("NextToken");
        let store = o.str(&["IdentityStoreId"]).map(|s| s.into_owned());
        let store = store.as_deref();
        let mut known = false;
        let mut each = |key: &str, take: &mut dyn FnMut(&str, &Text, &mut Batch)| {
            known |= o.has(key);
            for (i, raw) in o.list(key).into_iter().enumerate() {
                take(raw, &at(place, &format!("/{key}/{i}")), batch);
            }
        };
        each("Users", &mut |raw, here, batch| {
            object(raw, here, batch, |u, b| user(u, store, here, b))
        });
        each("Groups", &mut |raw, here, batch| {
            object(raw, here, batch, |g, b| group(g, store, here, b))
        });
        each("GroupMemberships", &mut |raw, here, batch| {
            object(raw, here, batch, |m, b| member(m, here, b));
        });
        each("Instances", &mut |raw, here, batch| object(raw, here, batch, |_, _| Ok(())));
        let whole = &o;
        each("AccountAssignments", &mut |raw, here, batch| {
            object(raw, here, batch, |a, b| self.assignment(a, whole, here, b));
        });
        self.bindings |= o.raw("AccountAssignments").is_some();
        for (i, raw) in o.list("PermissionSets").into_iter().enumerate() {
            known = true;
            let here = at(place, &format!("/PermissionSets/{i}"));
            self.listed_set(raw, &here, batch);
        }
        if let Some(raw) = o.raw("PermissionSet") {
            known = true;
            let here = at(place, "/PermissionSet");
            object(raw, &here, batch, |s, b| self.set(s, &here, b));
        }
        let parts = [
            "InlinePolicy",
            "AttachedManagedPolicies",
            "CustomerManagedPolicyReferences",
            "PermissionsBoundary",
        ];
        if parts.iter().any(|p| o.entries().any(|(k, _)| k == *p)) && !o.has("PermissionSets") {
            known = true;
            let here = at(place, "");
            batch.records += 1;
            let described = o.obj("PermissionSet");
            match self.set_of(described.as_ref().unwrap_or(&o)).or_else(|| self.set_of(&o)) {
                Some(id) => write_parts(&o, &id, &here, batch),
                None => batch.quarantine(
                    &here,
                    "the output does not name its permission set; add \"PermissionSetArn\" to it, \
                     or put the set's id (`ps-...`) into the file name",
                ),
            }
        }
        if !known {
            refuse(batch, place, "no part of IAM Identity Center");
        }
    }

    /// Key of the permission set that a record or the file's name states.
    fn set_of(&self, o: &Obj<'_>) -> Option<String> {
        o.str(&["PermissionSetArn"]).map(|s| s.into_owned()).or_else(|| {
            in_name(self.name, |s| s.starts_with("ps-") && s.len() > 6).map(str::to_owned)
        })
    }

    /// An element of `PermissionSets`: an ARN as `list-permission-sets` prints it, or a merged record.
    fn listed_set(&self, raw: &str, here: &Text, batch: &mut Batch) {
        if !raw.starts_with('"') {
            return object(raw, here, batch, |s, b| {
                self.set(s, here, b)?;
                if let Some(id) = self.set_of(s) {
                    write_parts(s, &id, here, b);
                }
                Ok(())
            });
        }
        batch.records += 1;
        match serde_json::from_str::<String>(raw) {
            Ok(arn) if arn.contains(":permissionSet/") => {
                let row = set_row(&arn, None, here, batch);
                batch.facts.roles.push(row);
            }
            _ => batch.quarantine(here, "not the ARN of a permission set"),
        }
    }

    /// `describe-permission-set`.
    fn set(&self, s: &Obj<'_>, here: &Text, batch: &mut Batch) -> Result<(), String> {
        let id = self.set_of(s).ok_or("a permission set without `PermissionSetArn`")?;
        let mut row = set_row(&id, None, here, batch);
        if let Some(name) = s.str(&["Name"]) {
            row.name = text(name);
        }
        if let Some(length) = s.str(&["SessionDuration"]) {
            let seconds = parse_duration(&length, 1.0).filter(|n| *n > 0);
            row.max_session_s = Some(seconds.ok_or("`SessionDuration` is no ISO 8601 duration")?);
        } else if s.has("Name") {
            // An hour is what a set without a setting gives (IAM Identity Center API reference).
            row.max_session_s = Some(3600);
        }
        batch.facts.roles.push(row);
        Ok(())
    }

    fn assignment(
        &self,
        a: &Obj<'_>,
        whole: &Obj<'_>,
        here: &Text,
        batch: &mut Batch,
    ) -> Result<(), String> {
        let account = a
            .str(&["AccountId"])
            .or_else(|| whole.str(&["AccountId"]))
            .filter(|s| is_account(s))
            .ok_or("an assignment without account number in `AccountId`")?;
        let set = self.set_of(a).ok_or("an assignment without `PermissionSetArn`")?;
        let (kind, id) = if let Some(id) = a.str(&["PrincipalId"]) {
            match a.str(&["PrincipalType"]).as_deref() {
                Some("USER") => ("user", id),
                Some("GROUP") => ("group", id),
                _ => return Err("`PrincipalType` is neither USER nor GROUP".into()),
            }
        } else if let Some(id) = a.str(&["UserId"]) {
            ("user", id)
        } else {
            ("group", a.str(&["GroupId"]).ok_or("an assignment without `PrincipalId`")?)
        };
        let principal = principal_arn(kind, &id);
        let scope = realm(&account);
        batch.facts.entitlements.push(Entitlement {
            entitlement_id: text(format!("aws|{principal}|{set}|{scope}")),
            principal_id: principal,
            via: vec![text("assignment")],
            privilege: text(set.rsplit('/').next().unwrap_or(&set)),
            role_id: text(set),
            scope,
            scope_rank: Some(2),
            platform: text("aws"),
            source_id: batch.source_id.clone(),
            source_ref: here.clone(),
            ..Entitlement::default()
        });
        Ok(())
    }
}

/// Counts a record, and puts it into quarantine when it is no object or `take` refuses it.
fn object(
    raw: &str,
    here: &Text,
    batch: &mut Batch,
    take: impl FnOnce(&Obj<'_>, &mut Batch) -> Result<(), String>,
) {
    batch.records += 1;
    if let Err(e) = Obj::parse(raw).and_then(|o| take(&o, batch)) {
        batch.quarantine(here, e);
    }
}

/// ARN of a user or group of the identity store (Service Authorization Reference, "Identity Store").
fn principal_arn(kind: &str, id: &str) -> Text {
    text(format!("arn:aws:identitystore:::{kind}/{id}"))
}

fn directory(o: &Obj<'_>, store: Option<&str>) -> Option<Text> {
    o.str(&["IdentityStoreId"]).as_deref().or(store).map(realm)
}

fn user(u: &Obj<'_>, store: Option<&str>, here: &Text, batch: &mut Batch) -> Result<(), String> {
    let id = u.str(&["UserId"]).ok_or("a user without `UserId`")?;
    let login = u.str(&["UserName"]);
    let emails: Vec<Obj<'_>> =
        u.list("Emails").into_iter().filter_map(|e| Obj::parse(e).ok()).collect();
    let primary =
        emails.iter().find(|e| e.flag("Primary") == Some(true)).or_else(|| emails.first());
    let disabled = match u.str(&["UserStatus"]).as_deref() {
        Some("DISABLED") => Some(true),
        Some("ENABLED") => Some(false),
        _ => None,
    };
    let p = Principal {
        principal_id: principal_arn("user", &id),
        kind: PrincipalKind::Human,
        is_nhi: Some(false),
        realm: directory(u, store),
        name: u.str(&["DisplayName"]).or(login.clone()).map(text),
        email: primary.and_then(|e| e.str(&["Value"])).map(|e| text(e.to_lowercase())),
        disabled,
        ..principal(here, batch)
    };
    batch.realm = batch.realm.take().or_else(|| p.realm.clone());
    let mut unique = alias(batch, &p.principal_id, "unique_id", &id, here);
    unique.rule = text("A2");
    batch.facts.aliases.push(unique);
    if let Some(login) = login {
        let mut row = alias(batch, &p.principal_id, "name", &login, here);
        row.issuer = p.realm.clone();
        row.confidence = Confidence::Strong;
        batch.facts.aliases.push(row);
    }
    for e in u.list("ExternalIds").into_iter().filter_map(|e| Obj::parse(e).ok()) {
        if let (Some(issuer), Some(id)) = (e.str(&["Issuer"]), e.str(&["Id"])) {
            let mut row = alias(batch, &p.principal_id, "external_id", &id, here);
            row.issuer = Some(text(issuer));
            row.confidence = Confidence::Strong;
            batch.facts.aliases.push(row);
        }
    }
    batch.facts.principals.push(p);
    Ok(())
}

fn group(g: &Obj<'_>, store: Option<&str>, here: &Text, batch: &mut Batch) -> Result<(), String> {
    let id = g.str(&["GroupId"]).ok_or("a group without `GroupId`")?;
    let p = Principal {
        principal_id: principal_arn("group", &id),
        kind: PrincipalKind::Group,
        realm: directory(g, store),
        name: g.str(&["DisplayName"]).map(text),
        ..principal(here, batch)
    };
    let mut unique = alias(batch, &p.principal_id, "unique_id", &id, here);
    unique.rule = text("A2");
    batch.facts.aliases.push(unique);
    if let Some(name) = &p.name {
        let mut row = alias(batch, &p.principal_id, "name", name, here);
        row.issuer = p.realm.clone();
        row.confidence = Confidence::Strong;
        batch.facts.aliases.push(row);
    }
    batch.realm = batch.realm.take().or_else(|| p.realm.clone());
    batch.facts.principals.push(p);
    Ok(())
}

fn principal(here: &Text, batch: &Batch) -> Principal {
    Principal {
        platform: Some(text("aws")),
        inventoried: true,
        source_id: batch.source_id.clone(),
        source_ref: here.clone(),
        ..Principal::default()
    }
}

fn member(m: &Obj<'_>, here: &Text, batch: &mut Batch) -> Result<(), String> {
    let group = m.str(&["GroupId"]).ok_or("a membership without `GroupId`")?;
    let member = m.obj("MemberId").ok_or("a membership without `MemberId`")?;
    let user = member.str(&["UserId"]).ok_or("a membership whose member is no user")?;
    batch.facts.memberships.push(Membership {
        principal_id: principal_arn("user", &user),
        group_id: principal_arn("group", &group),
        source_id: batch.source_id.clone(),
        source_ref: here.clone(),
        ..Membership::default()
    });
    Ok(())
}

fn set_row(id: &str, part: Option<&str>, here: &Text, batch: &Batch) -> Role {
    Role {
        role_id: text(id),
        platform: text("aws"),
        name: text(id.rsplit('/').next().unwrap_or(id)),
        kind: RoleKind::PermissionSet,
        version: part.map(text),
        source_id: batch.source_id.clone(),
        source_ref: here.clone(),
        ..Role::default()
    }
}

/// The parts of a set that a document holds. An empty part is known to be empty.
fn write_parts(o: &Obj<'_>, id: &str, here: &Text, batch: &mut Batch) {
    let keys = [
        ("InlinePolicy", INLINE),
        ("AttachedManagedPolicies", MANAGED),
        ("CustomerManagedPolicyReferences", CUSTOMER),
        ("PermissionsBoundary", BOUNDARY),
    ];
    for (key, part) in keys {
        let Some((_, raw)) = o.entries().find(|(k, _)| *k == key) else { continue };
        let mut row = set_row(id, Some(part), here, batch);
        row.document = match part {
            INLINE if matches!(raw, "null" | "\"\"") => None,
            INLINE => Some(json::policy(raw).document),
            _ if raw == "null" => None,
            _ => Some(text(crate::privilege::aws::document::compact_json(raw))),
        };
        batch.facts.roles.push(row);
    }
}

#[cfg(test)]
mod tests;
