//! Google Cloud exports: policies, roles, accounts, keys, deny policies, groups, federation, and what was
//! used (cloud semantics, 3.2). Field names in `camelCase` and `snake_case`; objects, arrays, pages and
//! NDJSON, and files that hold several of these.

use std::collections::BTreeSet;

use serde_json::Value;

use super::ledger::vendor::{Doc, mentions};
use super::records::{self, Place, json_message};
use super::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe, Shape};
use super::{detect, reader};
use crate::facts::*;
use crate::privilege::gcp::member::{self, Member};

mod accounts;
mod assets;
mod audit;
mod cluster;
mod deny;
mod federation;
mod finish;
mod groups;
mod policies;
mod roles;
mod scope;
mod usage;

pub use finish::finish;

/// One export format. All are read record by record, by what each record is.
#[derive(Debug)]
pub struct Format {
    format: &'static str,
    title: &'static str,
    layer: Layer,
    /// Words that must be near the begin of the file, and a top-level key of its records, one of which
    /// must be there (none: the words do).
    words: &'static [&'static [&'static str]],
}

/// The adapters of this folder.
pub static ADAPTERS: &[&dyn Adapter] = &[
    &AUDIT,
    &ACTIVITY,
    &INSIGHTS,
    &ASSETS,
    &POLICIES,
    &DENY,
    &KEYS,
    &ROLES,
    &ACCOUNTS,
    &GROUPS,
    &POOLS,
    &ENTITLEMENTS,
    &API_KEYS,
    &TREE,
];

static AUDIT: Format = Format {
    format: "gcp-audit",
    title: "Google Cloud Audit Logs",
    layer: Layer::Usage,
    words: &[&["\"protoPayload\"", "methodName"]],
};
static ACTIVITY: Format = Format {
    format: "gcp-query-activity",
    title: "Google Cloud last authentication of service accounts and keys (policy-intelligence query-activity)",
    layer: Layer::Usage,
    words: &[&["\"activityType\"", "\"observationPeriod\"", "\"fullResourceName\""]],
};
static INSIGHTS: Format = Format {
    format: "gcp-iam-insights",
    title: "Google Cloud IAM recommender insights (permissions exercised by binding)",
    layer: Layer::Usage,
    words: &[&["\"insightSubtype\"", "\"exercisedPermissions\""]],
};
static ASSETS: Format = Format {
    format: "gcp-assets",
    title: "Google Cloud Asset Inventory (asset export or list, search-all-iam-policies)",
    layer: Layer::State,
    words: &[
        &["\"asset_type\"", "googleapis.com"],
        &["\"assetType\"", "googleapis.com"],
        &["\"attached_resource\"", "\"policy\"", "\"bindings\""],
    ],
};
static POLICIES: Format = Format {
    format: "gcp-iam-policy",
    title: "Google Cloud IAM policy of a project, folder, organisation or resource (get-iam-policy, get-ancestors-iam-policy)",
    layer: Layer::State,
    words: &[
        &["\"bindings\"", "\"members\"", "\"role\"", "\"roles/"],
        &["\"bindings\"", "\"members\"", "\"role\"", "/roles/"],
        &["\"bindings\"", "\"etag\"", "\"version\""],
    ],
};
static DENY: Format = Format {
    format: "gcp-deny-policies",
    title: "Google Cloud deny policies (iam policies list and get)",
    layer: Layer::State,
    words: &[&["denypolicies/", "\"uid\""], &["\"denyRule\""], &["\"DenyPolicy\""]],
};
static KEYS: Format = Format {
    format: "gcp-service-account-keys",
    title: "Google Cloud service account keys (iam service-accounts keys list)",
    layer: Layer::Credential,
    words: &[&["/serviceAccounts/", "/keys/", "\"validAfterTime\""]],
};
static ROLES: Format = Format {
    format: "gcp-roles",
    title: "Google Cloud roles (iam roles describe and list)",
    layer: Layer::State,
    words: &[
        &["\"includedPermissions\""],
        &["\"name\"", "\"roles/", "\"title\""],
        &["\"name\"", "/roles/", "\"title\"", "\"etag\""],
    ],
};
static ACCOUNTS: Format = Format {
    format: "gcp-service-accounts",
    title: "Google Cloud service accounts (iam service-accounts list)",
    layer: Layer::State,
    words: &[&["gserviceaccount.com", "\"uniqueId\"", "\"email\""]],
};
static GROUPS: Format = Format {
    format: "gcp-groups",
    title: "Google groups, their members and Workspace users (Cloud Identity, Admin SDK)",
    layer: Layer::State,
    words: &[
        &["\"preferredMemberKey\""],
        &["\"groupKey\""],
        &["\"admin#directory#"],
        &["\"primaryEmail\"", "\"isAdmin\""],
    ],
};
static POOLS: Format = Format {
    format: "gcp-workload-identity-pools",
    title: "Google Cloud workload identity pools and providers",
    layer: Layer::State,
    words: &[&["/workloadIdentityPools/", "\"state\""]],
};
static ENTITLEMENTS: Format = Format {
    format: "gcp-pam-entitlements",
    title: "Google Cloud Privileged Access Manager, entitlements (pam entitlements list)",
    layer: Layer::State,
    words: &[&["\"eligibleUsers\"", "\"privilegedAccess\""]],
};
static API_KEYS: Format = Format {
    format: "gcp-api-keys",
    title: "Google Cloud API keys (services api-keys list)",
    layer: Layer::Credential,
    words: &[
        &["/locations/global/keys/", "\"createTime\"", "\"uid\""],
        &["/locations/global/keys/", "\"restrictions\""],
    ],
};
static TREE: Format = Format {
    format: "gcp-resource-manager",
    title: "Google Cloud organisations, folders and projects (list)",
    layer: Layer::Context,
    words: &[
        &["\"projectNumber\"", "\"projectId\"", "\"lifecycleState\""],
        &["\"folders/", "\"parent\"", "\"displayName\""],
        &["\"organizations/", "\"displayName\"", "\"directoryCustomerId\""],
    ],
};

impl Adapter for Format {
    fn format(&self) -> &'static str {
        self.format
    }

    fn title(&self) -> &'static str {
        self.title
    }

    fn layer(&self) -> Layer {
        self.layer
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        self.words.iter().any(|all| mentions(probe, all)).then_some(Match::Specific)
    }

    fn read(&self, input: &Input, ctx: &Context<'_>, batch: &mut Batch) -> Result<(), IngestError> {
        let (head, complete) = reader::head(input)?;
        let shape = detect::detect(&head, complete).shape;
        let mut sink = Sink::new(ctx);
        records::each(input, shape, batch, &mut |place: &Place, raw, batch| {
            let at = if shape == Shape::JsonObject { String::new() } else { place.to_string() };
            match serde_json::from_str::<Value>(raw) {
                Ok(value) => sink.top(&value, &at, batch),
                Err(e) => batch.quarantine(place.to_string(), json_message(&e)),
            }
            Ok(())
        })?;
        sink.close(batch);
        Ok(())
    }
}

/// Deepest level at which lists of records are looked for: a page in a file of pages by name.
const LEVELS: usize = 4;

/// What is known while a file is read.
#[derive(Debug)]
struct Sink<'c> {
    /// What the file is about, where something beside it says so.
    realm: Option<&'c str>,
    /// Principals that have a row already.
    seen: BTreeSet<Text>,
    /// Roles that have a row already.
    roles: BTreeSet<Text>,
    /// Nodes of the tree that have a row already.
    realms: BTreeSet<(Text, Option<Text>)>,
    /// Notes about the limits of the file.
    notes: BTreeSet<String>,
    /// Calls to clusters, by cluster.
    clusters: cluster::Logs,
    /// Records that say nothing about access, by what they are.
    aside: std::collections::BTreeMap<&'static str, i64>,
}

impl<'c> Sink<'c> {
    fn new(ctx: &Context<'c>) -> Self {
        Self {
            realm: ctx.realm,
            seen: BTreeSet::new(),
            roles: BTreeSet::new(),
            realms: BTreeSet::new(),
            notes: BTreeSet::new(),
            clusters: cluster::Logs::default(),
            aside: std::collections::BTreeMap::new(),
        }
    }

    /// One top-level value, already counted as a record.
    fn top(&mut self, value: &Value, at: &str, batch: &mut Batch) {
        let before = batch.records;
        if !self.record(value, at, None, 0, batch) {
            batch.quarantine(
                if at.is_empty() { "/" } else { at },
                "no record of Google Cloud that is known",
            );
            return;
        }
        // A page is no record of its own.
        if batch.records > before {
            batch.records -= 1;
        }
    }

    /// Reads one value; lists inside count their elements. `key` is the key that the value stands under.
    fn record(
        &mut self,
        value: &Value,
        at: &str,
        key: Option<&str>,
        level: usize,
        batch: &mut Batch,
    ) -> bool {
        let doc = Doc(value);
        let place = text(if at.is_empty() { "/" } else { at });
        if let Some(result) = self.known(doc, &place, key, batch) {
            if let Err(why) = result {
                batch.quarantine(&place, why);
            }
            return true;
        }
        let Some(object) = value.as_object().filter(|_| level < LEVELS) else { return false };
        let mut found = false;
        for (name, inner) in object {
            let here = format!("{at}/{}", short_key(name));
            match inner {
                Value::Array(list) if list.iter().any(Value::is_object) || list.is_empty() => {
                    found |= !list.is_empty() || object.len() <= 2;
                    for (i, element) in list.iter().enumerate() {
                        batch.records += 1;
                        let here = format!("{here}/{i}");
                        let before = batch.records;
                        if !self.record(element, &here, Some(name), level + 1, batch) {
                            batch.quarantine(&here, "no record of Google Cloud that is known");
                        } else if batch.records > before {
                            batch.records -= 1;
                        }
                    }
                }
                Value::Object(_) => {
                    batch.records += 1;
                    let before = batch.records;
                    if self.record(inner, &here, Some(name), level + 1, batch) {
                        found = true;
                        if batch.records > before {
                            batch.records -= 1;
                        }
                    } else {
                        batch.records -= 1;
                    }
                }
                _ => {}
            }
        }
        let next = ["nextPageToken", "next_page_token"];
        if found && next.iter().any(|k| doc.str(k).is_some()) {
            batch.completeness = Completeness::Truncated;
            self.notes.insert("a page names a next one; whether it is there is not known".into());
        }
        found
    }

    /// Reads a record of a known kind; `None` for others.
    fn known(
        &mut self,
        doc: Doc<'_>,
        place: &Text,
        key: Option<&str>,
        batch: &mut Batch,
    ) -> Option<Result<(), String>> {
        let has = |k: &str| doc.at(k).is_some();
        let name = doc.str("name").unwrap_or_default();
        if has("protoPayload") && cluster::is_call(doc) {
            return Some(cluster::entry(self, doc, place, batch));
        }
        if has("protoPayload") {
            return Some(audit::entry(self, doc, place, batch));
        }
        if has("activityType") && has("activity") {
            return Some(usage::activity(self, doc, place, batch));
        }
        if has("insightSubtype") && has("content") {
            return Some(usage::insight(self, doc, place, batch));
        }
        if has("assetType") || has("asset_type") {
            return Some(assets::asset(self, doc, place, batch));
        }
        if has("attached_resource") || has("attachedResource") {
            return Some(policies::attached(self, doc, place, batch));
        }
        if name.contains("/denypolicies/") || doc.str("kind") == Some("DenyPolicy") {
            return Some(deny::policy(self, doc, None, place, batch));
        }
        if has("policy") && has("type") && has("id") {
            return Some(policies::ancestor(self, doc, place, batch));
        }
        if has("eligibleUsers") && has("privilegedAccess") {
            return Some(policies::entitlement(self, doc, place, batch));
        }
        if has("bindings") || (has("etag") && has("version") && !has("name")) {
            return Some(policies::bare(self, doc, place, batch));
        }
        if has("includedPermissions") || name.starts_with("roles/") || name.contains("/roles/") {
            return Some(roles::role(self, doc, place, batch));
        }
        if has("validAfterTime") || has("keyType") {
            return Some(accounts::key(self, doc, place, batch));
        }
        if name.contains("/serviceAccounts/") && has("email") {
            return Some(accounts::account(self, doc, place, batch));
        }
        if name.contains("/workloadIdentityPools/") || name.contains("/workforcePools/") {
            return Some(federation::pool(self, doc, place, batch));
        }
        if name.contains("/locations/global/keys/") {
            return Some(accounts::api_key(self, doc, place, batch));
        }
        if let Some(read) = groups::record(self, doc, key, place, batch) {
            return Some(read);
        }
        assets::node(self, doc, place, batch)
    }

    fn close(self, batch: &mut Batch) {
        let mut notes: Vec<String> = self.notes.into_iter().collect();
        notes.extend(self.clusters.close(batch));
        notes.extend(self.aside.iter().map(|(what, n)| format!("{n} {what}")));
        if !notes.is_empty() {
            batch.limitation = Some(text(notes.join("; ")));
        }
        if batch.realm.is_none() {
            batch.realm = self.realm.map(|r| scope::canonical(r).0);
        }
    }

    /// Row of a member, once per file.
    fn member(&mut self, member: &Member, place: &Text, batch: &mut Batch) {
        if !self.seen.insert(member.id.clone()) {
            return;
        }
        let person = member.party == member::Party::User;
        let account = member.party == member::Party::ServiceAccount;
        let agent = account && member::is_service_agent(&member.id);
        let kind = if agent { PrincipalKind::System } else { member.kind() };
        batch.facts.principals.push(Principal {
            principal_id: member.id.clone(),
            kind,
            // People are known by their address on every platform.
            platform: (!person).then(|| text("gcp")),
            realm: account
                .then(|| member::project_of(&member.id))
                .flatten()
                .filter(|_| !agent)
                .map(|p| text(format!("projects/{p}"))),
            email: member.email().map(text),
            is_nhi: identity::is_nhi(kind),
            deleted_at: None,
            inventoried: true,
            source_id: batch.source_id.clone(),
            source_ref: place.clone(),
            ..Principal::default()
        });
    }

    /// Row of a role that only a binding names, once per file.
    fn role(&mut self, id: &str, place: &Text, batch: &mut Batch) -> Text {
        if let Some(known) = self.roles.get(id) {
            return known.clone();
        }
        let id = text(id);
        self.roles.insert(id.clone());
        batch.facts.roles.push(roles::row(&id, None, place, batch));
        id
    }

    /// Node of the tree, once per file and parent.
    fn realm(
        &mut self,
        id: &Text,
        parent: Option<Text>,
        organisation: Option<Text>,
        place: &Text,
        batch: &mut Batch,
    ) {
        let Some(kind) = scope::kind(id) else { return };
        if !self.realms.insert((id.clone(), parent.clone())) {
            return;
        }
        batch.facts.realms.push(Realm {
            platform: text("gcp"),
            realm_id: id.clone(),
            kind,
            parent_id: parent,
            organisation,
            name: None,
            management: None,
            source_id: batch.source_id.clone(),
            source_ref: place.clone(),
        });
    }

    /// A project by its number and its name.
    fn number(&mut self, number: &str, project: &str, place: &Text, batch: &mut Batch) {
        let (number, project) =
            (number.trim_start_matches("projects/"), project.trim_start_matches("projects/"));
        if number == project || !number.bytes().all(|b| b.is_ascii_digit()) || number.is_empty() {
            return;
        }
        let (number, project) =
            (text(format!("projects/{number}")), text(format!("projects/{project}")));
        if self.realms.insert((number.clone(), Some(project.clone()))) {
            batch.facts.aliases.push(Alias {
                principal_id: project,
                alias_type: text("project_number"),
                alias: number,
                confidence: Confidence::Exact,
                rule: text("A1"),
                source_id: batch.source_id.clone(),
                source_ref: place.clone(),
                ..Alias::default()
            });
        }
    }

    fn aside(&mut self, what: &'static str) {
        *self.aside.entry(what).or_default() += 1;
    }
}

/// A key as a part of a place: short, and without what would make a pointer ambiguous.
fn short_key(name: &str) -> String {
    name.chars().take(60).map(|c| if c == '/' || c.is_control() { '~' } else { c }).collect()
}

#[cfg(test)]
mod tests;
