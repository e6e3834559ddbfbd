//! `aws iam get-account-authorization-details`: users, groups, roles and policies of an account, as
//! one JSON document, as an array of pages, or as pages one after the other.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{When, account_of, alias, name_of, owner, realm, reason, tag, utf8};
use crate::facts::*;
use crate::ingest::reader;
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe, Shape};
use crate::privilege::aws::document::{Document, Party, Statement, compact_json, url_decoded};

mod rows;

pub use rows::read_lists;

/// Adapter of `get-account-authorization-details`.
#[derive(Debug)]
pub struct AuthorizationDetails;

/// Limitation text of a page that says that more follow.
pub const MORE_PAGES: &str = "the export says `IsTruncated`: further pages are missing";

const LISTS: [&str; 3] = ["UserDetailList", "GroupDetailList", "RoleDetailList"];

impl Adapter for AuthorizationDetails {
    fn format(&self) -> &'static str {
        "aws-authorization-details"
    }

    fn title(&self) -> &'static str {
        "AWS IAM account authorization details (get-account-authorization-details)"
    }

    fn layer(&self) -> Layer {
        Layer::State
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        if !matches!(probe.shape, Shape::JsonObject | Shape::JsonArray | Shape::Ndjson) {
            return None;
        }
        let listed = LISTS.iter().any(|k| probe.has(&[k]));
        let versions = probe.has(&["Policies"])
            && probe.head.windows(19).any(|w| w == b"\"PolicyVersionList\"");
        (listed || versions).then_some(Match::Specific)
    }

    fn expect(&self) {
        // The analysis needs the catalogue; another thread may load it meanwhile.
        rayon::spawn(crate::privilege::aws::load);
    }

    fn read(
        &self,
        input: &Input,
        _ctx: &Context<'_>,
        batch: &mut Batch,
    ) -> Result<(), IngestError> {
        let bytes = reader::read_all(input)?;
        let text = utf8(input, &bytes)?;
        let stream = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
        let (mut pages, mut last_truncated, mut any) = (0usize, false, false);
        let mut unread = 0usize;
        let mut state = Reader::new(batch);
        for item in stream {
            let raw = item.map_err(|e| {
                super::malformed(
                    input,
                    format!("line {}", e.line()),
                    format!("{}; export the file again", reason(&e)),
                )
            })?;
            let list: Vec<&RawValue> = if raw.get().starts_with('[') {
                serde_json::from_str(raw.get()).unwrap_or_default()
            } else {
                vec![raw]
            };
            let many = list.len() > 1 || raw.get().starts_with('[');
            for (i, raw) in list.into_iter().enumerate() {
                let prefix = match (many, pages) {
                    (true, _) => format!("/{i}"),
                    (false, 0) => String::new(),
                    (false, n) => format!("/page{n}"),
                };
                pages += 1;
                let page = serde_json::from_str::<Page<'_>>(raw.get()).map_err(|e| reason(&e));
                match page.and_then(Page::with_lists) {
                    Ok(page) => {
                        any = true;
                        last_truncated = page.truncated.unwrap_or(false);
                        state.page(&page, &prefix);
                    }
                    Err(why) => {
                        unread += 1;
                        state.batch.records += 1;
                        let place = if prefix.is_empty() { "/" } else { prefix.as_str() };
                        state.batch.quarantine(place, why);
                    }
                }
            }
        }
        state.finish();
        if !any {
            return Err(super::malformed(
                input,
                "line 1",
                "no page of authorization details could be read; export the file again",
            ));
        }
        if last_truncated {
            batch.completeness = Completeness::Truncated;
            batch.limitation = Some(text_of(MORE_PAGES));
        } else if unread > 0 {
            batch.completeness = Completeness::Truncated;
            batch.limitation =
                Some(text_of(&format!("{unread} of {pages} pages could not be read")));
        } else {
            batch.completeness = Completeness::Complete;
        }
        Ok(())
    }
}

fn text_of(s: &str) -> Text {
    text(s)
}

/// Joins pages kept in several files. A page that says `IsTruncated` is whole in the company of a last
/// page of the same account in the same folder; without one the account stays truncated. What one page
/// says of a group or policy on another is looked up there. Called once with all facts of a run.
pub fn reconcile_pages(facts: &mut Facts) {
    join_pages(&mut facts.sources);
    find_groups(facts);
    find_bounds(facts);
}

fn join_pages(sources: &mut [Source]) {
    let folder = |s: &Source| s.file.rsplit_once('/').map_or(String::new(), |(d, _)| d.to_owned());
    let mine = |s: &Source| &*s.format == AuthorizationDetails.format();
    let mut whole: BTreeSet<(Option<Text>, String)> = BTreeSet::new();
    for s in sources.iter().filter(|s| mine(s) && s.completeness == Completeness::Complete) {
        whole.insert((s.realm.clone(), folder(s)));
    }
    for s in sources.iter_mut() {
        // A last page that lists nothing but policies of the provider names no account.
        let last =
            whole.contains(&(s.realm.clone(), folder(s))) || whole.contains(&(None, folder(s)));
        if mine(s)
            && s.completeness == Completeness::Truncated
            && s.limitation.as_deref() == Some(MORE_PAGES)
            && last
        {
            s.completeness = Completeness::Complete;
            s.limitation =
                Some(text_of("one of several pages; a missing middle page cannot be seen"));
        }
    }
}

/// Members name their groups without path: a group on another page is found by account and name,
/// which are unique together.
fn find_groups(facts: &mut Facts) {
    let groups: BTreeMap<(&str, &str), &Text> = facts
        .principals
        .iter()
        .filter(|p| p.kind == PrincipalKind::Group && p.platform.as_deref() == Some("aws"))
        .filter_map(|p| {
            let account = account_of(&p.principal_id)?;
            Some(((account, name_of(&p.principal_id)), &p.principal_id))
        })
        .collect();
    for m in &mut facts.memberships {
        let key = account_of(&m.group_id).map(|a| (a, name_of(&m.group_id)));
        let found = key.and_then(|k| groups.get(&k)).map(|id| (*id).clone());
        if let Some(id) = found {
            m.group_id = id;
        }
    }
}

/// Time bounds of attached policies whose documents are on another page.
fn find_bounds(facts: &mut Facts) {
    let documents: BTreeMap<&Text, (&Text, &Text)> = facts
        .roles
        .iter()
        .filter(|r| r.kind == RoleKind::ManagedPolicy && &*r.platform == "aws")
        .filter_map(|r| Some((&r.role_id, (r.document.as_ref()?, &r.source_id))))
        .collect();
    let mut known: BTreeMap<Text, (Option<Time>, Option<Time>)> = BTreeMap::new();
    for e in facts.entitlements.iter_mut().filter(|e| &*e.platform == "aws") {
        let elsewhere = documents.get(&e.role_id).filter(|(_, source)| **source != e.source_id);
        let Some((document, _)) = elsewhere else { continue };
        if (e.not_before, e.not_after) == (None, None) && e.binding_kind == BindingKind::Active {
            (e.not_before, e.not_after) = *known
                .entry(e.role_id.clone())
                .or_insert_with(|| Document::parse(document).time_bounds());
        }
    }
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(rename = "UserDetailList", borrow, default)]
    users: Option<Vec<&'a RawValue>>,
    #[serde(rename = "GroupDetailList", borrow, default)]
    groups: Option<Vec<&'a RawValue>>,
    #[serde(rename = "RoleDetailList", borrow, default)]
    roles: Option<Vec<&'a RawValue>>,
    #[serde(rename = "Policies", borrow, default)]
    policies: Option<Vec<&'a RawValue>>,
    #[serde(rename = "IsTruncated")]
    truncated: Option<bool>,
}

impl Page<'_> {
    /// A page has at least one of the lists; what has none is something else, and not an empty account.
    fn with_lists(self) -> Result<Self, String> {
        let lists = [&self.users, &self.groups, &self.roles, &self.policies];
        if lists.iter().any(|list| list.is_some()) {
            Ok(self)
        } else {
            Err(format!("a page without any of {}, Policies", LISTS.join(", ")))
        }
    }
}

#[derive(Deserialize)]
struct User<'a> {
    #[serde(rename = "UserName", borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "UserId", borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(rename = "Arn", borrow)]
    arn: Cow<'a, str>,
    #[serde(rename = "CreateDate", borrow)]
    created: Option<When<'a>>,
    #[serde(rename = "UserPolicyList", borrow)]
    inline: Option<Vec<Inline<'a>>>,
    #[serde(rename = "GroupList", borrow)]
    groups: Option<Vec<Cow<'a, str>>>,
    #[serde(rename = "AttachedManagedPolicies", borrow)]
    attached: Option<Vec<Attached<'a>>>,
    #[serde(rename = "PermissionsBoundary", borrow)]
    boundary: Option<Boundary<'a>>,
    #[serde(rename = "Tags", borrow)]
    tags: Option<Vec<Tag<'a>>>,
}

#[derive(Deserialize)]
struct Group<'a> {
    #[serde(rename = "GroupName", borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "GroupId", borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(rename = "Arn", borrow)]
    arn: Cow<'a, str>,
    #[serde(rename = "CreateDate", borrow)]
    created: Option<When<'a>>,
    #[serde(rename = "GroupPolicyList", borrow)]
    inline: Option<Vec<Inline<'a>>>,
    #[serde(rename = "AttachedManagedPolicies", borrow)]
    attached: Option<Vec<Attached<'a>>>,
}

#[derive(Deserialize)]
struct IamRole<'a> {
    #[serde(rename = "RoleName", borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "RoleId", borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(rename = "Arn", borrow)]
    arn: Cow<'a, str>,
    #[serde(rename = "CreateDate", borrow)]
    created: Option<When<'a>>,
    #[serde(rename = "AssumeRolePolicyDocument")]
    trust: Option<Read>,
    #[serde(rename = "InstanceProfileList", borrow)]
    profiles: Option<Vec<Profile<'a>>>,
    #[serde(rename = "RolePolicyList", borrow)]
    inline: Option<Vec<Inline<'a>>>,
    #[serde(rename = "AttachedManagedPolicies", borrow)]
    attached: Option<Vec<Attached<'a>>>,
    #[serde(rename = "PermissionsBoundary", borrow)]
    boundary: Option<Boundary<'a>>,
    #[serde(rename = "Tags", borrow)]
    tags: Option<Vec<Tag<'a>>>,
    #[serde(rename = "RoleLastUsed", borrow)]
    last_used: Option<LastUsed<'a>>,
}

#[derive(Deserialize)]
struct Profile<'a> {
    #[serde(rename = "Arn", borrow)]
    arn: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct LastUsed<'a> {
    #[serde(rename = "LastUsedDate", borrow)]
    at: Option<When<'a>>,
}

#[derive(Deserialize)]
struct Inline<'a> {
    #[serde(rename = "PolicyName", borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "PolicyDocument")]
    document: Option<Read>,
}

#[derive(Deserialize)]
struct Attached<'a> {
    #[serde(rename = "PolicyName", borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(rename = "PolicyArn", borrow)]
    arn: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Boundary<'a> {
    #[serde(rename = "PermissionsBoundaryArn", borrow)]
    arn: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(rename = "Key", borrow)]
    key: Cow<'a, str>,
    #[serde(rename = "Value", borrow)]
    value: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Managed<'a> {
    #[serde(rename = "PolicyName", borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(rename = "Arn", borrow)]
    arn: Cow<'a, str>,
    #[serde(rename = "DefaultVersionId", borrow)]
    default: Option<Cow<'a, str>>,
    #[serde(rename = "UpdateDate", borrow)]
    updated: Option<When<'a>>,
    #[serde(rename = "PolicyVersionList", borrow)]
    versions: Option<Vec<Version<'a>>>,
}

#[derive(Deserialize)]
struct Version<'a> {
    #[serde(rename = "Document")]
    document: Option<Doc>,
    #[serde(rename = "VersionId", borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(rename = "IsDefaultVersion")]
    is_default: Option<bool>,
}

/// What the pages of one file add up to.
struct Reader<'b> {
    batch: &'b mut Batch,
    group_arns: BTreeMap<String, Text>,
    members: Vec<(Text, String, String, Text)>,
    realms: BTreeSet<Text>,
    bounds: BTreeMap<String, (Option<Time>, Option<Time>)>,
    attachments: Vec<(usize, String)>,
    /// Texts that many rows have, so that each is kept once.
    texts: HashSet<Text>,
}

/// The text of a document, made where the record around it is decoded: that is done side by side.
struct Doc(String);

impl<'de> Deserialize<'de> for Doc {
    fn deserialize<D: serde::Deserializer<'de>>(decoder: D) -> Result<Self, D::Error> {
        Ok(Self(document_text(<&RawValue>::deserialize(decoder)?)))
    }
}

/// A document with its text.
struct Read {
    text: String,
    parsed: Document,
}

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: serde::Deserializer<'de>>(decoder: D) -> Result<Self, D::Error> {
        let Doc(text) = Doc::deserialize(decoder)?;
        Ok(Self { parsed: Document::parse(&text), text })
    }
}

/// Text of a document: an object, or a string that holds one, perhaps URL-encoded.
fn document_text(raw: &RawValue) -> String {
    let raw = raw.get();
    if raw.starts_with('"')
        && let Ok(inner) = serde_json::from_str::<String>(raw)
    {
        return compact_json(&url_decoded(&inner));
    }
    compact_json(raw)
}

#[cfg(test)]
mod tests;
