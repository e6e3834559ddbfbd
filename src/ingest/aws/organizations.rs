//! AWS Organizations: the tree of accounts, service and resource control policies, and what they are
//! attached to. Output of the `organizations` commands, trees of plain policy documents, and the short
//! form `{"levels": [[document, ...], ...]}`.

use std::collections::BTreeMap;

use super::json::{self, Obj, at, in_name, is_account, refuse};
use crate::facts::*;
use crate::ingest::detect::place_name;
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe};
use crate::privilege::aws::document::{Document, Effect};
use crate::settings::Mapping;

mod tree;

pub use tree::finish;

/// Adapter of organisations, their accounts and their policies.
#[derive(Debug)]
pub struct Organizations;

/// Format id.
pub const FORMAT: &str = "aws-organizations";

/// Limitation text of a file whose policies no input attaches.
pub const UNATTACHED: &str = "a policy without a known attachment limits nothing here; give \
     `list-policies-for-target` or `list-targets-for-policy`, or put it in a folder named after its \
     root, unit or account";

impl Adapter for Organizations {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn title(&self) -> &'static str {
        "AWS Organizations: accounts, units, service and resource control policies"
    }

    fn layer(&self) -> Layer {
        Layer::Context
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        if !json::is_json(probe) {
            return None;
        }
        let says = |word: &str| json::says(probe, word);
        let named = || says("_CONTROL_POLICY\"");
        let commands = (probe.has(&["Policy"]) && says("\"PolicySummary\""))
            || (probe.has(&["Policies"]) && named())
            || (probe.has(&["Targets"]) && says("\"TargetId\""))
            || (probe.has(&["Organization"]) && says(":organizations::"))
            || (probe.has(&["Roots"]) && says(":organizations::"))
            || probe.has(&["OrganizationalUnits"])
            || (probe.has(&["Accounts"]) && says(":organizations::"))
            || (probe.has(&["Parents"]) && (says("\"ROOT\"") || says("ORGANIZATIONAL_UNIT\"")));
        let short = probe.keys.len() == 1 && probe.has(&["levels"]);
        let bare = probe.has(&["Statement"])
            && !probe.has(&["PolicyDocument"])
            && (kind_of_place(probe.name).is_some() || limits_resources(probe.head));
        (commands || short || bare).then_some(Match::Specific)
    }

    fn read(&self, input: &Input, ctx: &Context<'_>, batch: &mut Batch) -> Result<(), IngestError> {
        let place_name = place_name(input).to_lowercase();
        let mut reader = Reader {
            name: &input.name,
            kind: kind_of_mapping(ctx.mapping).or_else(|| kind_of_place(&place_name)),
            other: 0,
            truncated: false,
        };
        json::documents(input, batch, &mut |place, raw, batch| reader.document(place, raw, batch))?;
        batch.completeness =
            if reader.truncated { Completeness::Truncated } else { Completeness::Complete };
        if reader.truncated {
            batch.limitation = Some(text("the export says `NextToken`: further pages are missing"));
        } else if reader.other > 0 {
            batch.limitation = Some(text(format!(
                "{} policies are neither service nor resource control policies",
                reader.other
            )));
        }
        Ok(())
    }
}

/// Kind that a folder or file name states: a part `scp` or `rcp`.
fn kind_of_place(name: &str) -> Option<GuardrailKind> {
    let word = |part: &str| match part {
        "scp" | "scps" => Some(GuardrailKind::Scp),
        "rcp" | "rcps" => Some(GuardrailKind::Rcp),
        _ => None,
    };
    name.rsplit('/').find_map(|segment| segment.split(['_', '.', '-', ' ', '=']).find_map(word))
}

/// Kind that a mapping states: `constants = { kind = "scp" }`.
fn kind_of_mapping(mapping: Option<&Mapping>) -> Option<GuardrailKind> {
    GuardrailKind::from_word(&mapping?.constants.get("kind")?.to_lowercase())
}

/// A resource control policy by its content: it only denies, to everybody, on every resource.
fn limits_resources(head: &[u8]) -> bool {
    std::str::from_utf8(head).is_ok_and(|t| is_rcp(&Document::parse(t)))
}

fn is_rcp(d: &Document) -> bool {
    !d.statements.is_empty()
        && d.statements.iter().all(|s| {
            s.effect == Effect::Deny
                && !s.parties.is_empty()
                && s.parties.iter().all(|p| p.value == "*" && !p.negate)
                && s.resources.as_ref().is_some_and(|r| !r.negate && r.list == ["*"])
        })
}

fn is_root(s: &str) -> bool {
    s.strip_prefix("r-").is_some_and(|t| (4..=32).contains(&t.len()) && is_word(t))
}

fn is_unit(s: &str) -> bool {
    s.strip_prefix("ou-").and_then(|t| t.split_once('-')).is_some_and(|(a, b)| {
        (4..=32).contains(&a.len()) && (8..=32).contains(&b.len()) && is_word(a) && is_word(b)
    })
}

fn is_policy(s: &str) -> bool {
    s.strip_prefix("p-")
        .is_some_and(|t| t.len() >= 8 && t.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn is_word(s: &str) -> bool {
    s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn is_node(s: &str) -> bool {
    is_root(s) || is_unit(s) || is_account(s)
}

/// Kind of a node by its identifier.
fn kind_of(id: &str) -> RealmKind {
    match id.get(..2) {
        Some("o-") => RealmKind::Organisation,
        Some("r-") => RealmKind::Root,
        Some("ou") => RealmKind::Unit,
        _ => RealmKind::Account,
    }
}

/// Organisation named in an ARN of the service: `arn:aws:organizations::111122223333:ou/o-.../ou-...`.
fn organisation_of(arn: &str) -> Option<&str> {
    arn.splitn(6, ':').nth(5)?.split('/').nth(1).filter(|o| o.starts_with("o-"))
}

struct Reader<'n> {
    name: &'n str,
    kind: Option<GuardrailKind>,
    /// Policies of kinds that limit no access.
    other: usize,
    truncated: bool,
}

impl Reader<'_> {
    fn document(&mut self, place: &str, raw: &str, batch: &mut Batch) {
        let o = match Obj::parse(raw) {
            Ok(o) => o,
            Err(e) => return refuse(batch, place, e),
        };
        self.truncated |= o.has("NextToken");
        let mut known = false;
        if let Some(p) = o.obj("Policy") {
            known = true;
            self.policy(&p, &at(place, "/Policy"), batch);
        }
        for (key, take) in [
            ("Policies", Self::attached as fn(&mut Self, &Obj<'_>, &Obj<'_>, &Text, &mut Batch)),
            ("Targets", Self::target),
            ("Roots", Self::node),
            ("OrganizationalUnits", Self::node),
            ("Accounts", Self::node),
            ("Parents", Self::parent),
        ] {
            if !o.has(key) {
                continue;
            }
            known = true;
            for (i, raw) in o.list(key).into_iter().enumerate() {
                let here = at(place, &format!("/{key}/{i}"));
                match Obj::parse(raw) {
                    Ok(item) => take(self, &item, &o, &here, batch),
                    Err(e) => refuse(batch, &here, e),
                }
            }
        }
        if let Some(org) = o.obj("Organization") {
            known = true;
            self.organisation(&org, &at(place, "/Organization"), batch);
        }
        if o.has("levels") {
            known = true;
            self.levels(&o, place, batch);
        }
        if o.has("Statement") {
            known = true;
            self.plain(raw, place, batch);
        }
        if !known {
            refuse(batch, place, "neither a policy nor a part of an organisation");
        }
    }

    /// `describe-policy`.
    fn policy(&mut self, p: &Obj<'_>, here: &Text, batch: &mut Batch) {
        let Some(summary) = p.obj("PolicySummary") else {
            return refuse(batch, here, "a policy without `PolicySummary`");
        };
        let Some(kind) = self.kind_of_type(&summary, batch) else { return };
        let Some(content) = p.raw("Content") else {
            return refuse(batch, here, "a policy without `Content`");
        };
        let Some(id) = policy_id(&summary) else {
            return refuse(batch, here, "a policy without `Id` and `Arn`");
        };
        batch.records += 1;
        let policy = json::policy(content);
        let name = summary.str(&["Name", "Id"]).unwrap_or_default();
        let row = Role {
            document: Some(policy.document),
            malformed: policy.malformed,
            provider_managed: summary.flag("AwsManaged").unwrap_or(false),
            ..role(&id, &name, kind, here, batch)
        };
        batch.facts.roles.push(row);
        push(batch, kind, None, None, &id, &name, here);
    }

    /// Kind of a policy summary; policies of other kinds are counted, not read.
    fn kind_of_type(&mut self, summary: &Obj<'_>, batch: &mut Batch) -> Option<GuardrailKind> {
        match summary.str(&["Type"]).as_deref() {
            Some("SERVICE_CONTROL_POLICY") => Some(GuardrailKind::Scp),
            Some("RESOURCE_CONTROL_POLICY") => Some(GuardrailKind::Rcp),
            _ => {
                batch.records += 1;
                self.other += 1;
                None
            }
        }
    }

    /// One policy of `list-policies-for-target`, or of `list-policies` when no target is known.
    fn attached(&mut self, p: &Obj<'_>, whole: &Obj<'_>, here: &Text, batch: &mut Batch) {
        let Some(kind) = self.kind_of_type(p, batch) else { return };
        let Some(id) = policy_id(p) else {
            return refuse(batch, here, "a policy without `Id` and `Arn`");
        };
        batch.records += 1;
        let name = p.str(&["Name", "Id"]).unwrap_or_default();
        let target = self.stated(whole, &["TargetId"], is_node);
        let mut row = role(&id, &name, kind, here, batch);
        row.provider_managed = p.flag("AwsManaged").unwrap_or(false);
        batch.facts.roles.push(row);
        push(batch, kind, target.as_deref(), None, &id, &name, here);
    }

    /// One target of `list-targets-for-policy`.
    fn target(&mut self, t: &Obj<'_>, whole: &Obj<'_>, here: &Text, batch: &mut Batch) {
        let Some(id) = t.str(&["TargetId"]) else {
            return refuse(batch, here, "a target without `TargetId`");
        };
        let Some(policy) = self
            .stated(whole, &["PolicyArn", "PolicyId"], |s| is_policy(s) || s.starts_with("arn:"))
        else {
            return refuse(
                batch,
                here,
                "the output does not name its policy; wrap it as {\"PolicyId\": \"p-...\", \
                 \"Targets\": [...]} or put the id into the file name",
            );
        };
        batch.records += 1;
        let kind = kind_of_arn(&policy).or(self.kind).unwrap_or_default();
        push(batch, kind, Some(&id), None, &policy, &policy, here);
        if let Some(arn) = t.str(&["Arn"]) {
            let mut row = realm(&id, here, batch);
            row.organisation = organisation_of(&arn).map(text);
            row.name = t.str(&["Name"]).map(text);
            batch.facts.realms.push(row);
        }
    }

    /// Text of a wrapper key, else the part of the file's name that fits.
    fn stated(&self, o: &Obj<'_>, keys: &[&str], is: impl Fn(&str) -> bool) -> Option<String> {
        o.str(keys)
            .map(std::borrow::Cow::into_owned)
            .or_else(|| in_name(self.name, is).map(str::to_owned))
    }

    fn organisation(&mut self, o: &Obj<'_>, here: &Text, batch: &mut Batch) {
        let Some(id) = o.str(&["Id"]) else {
            return refuse(batch, here, "an organisation without `Id`");
        };
        batch.records += 1;
        batch.realm = Some(text(format!("aws:{id}")));
        let mut row = realm(&id, here, batch);
        row.organisation = Some(text(&id));
        batch.facts.realms.push(row);
        // `MasterAccountId` is the service's older name, still in use.
        if let Some(account) = o.str(&["ManagementAccountId", "MasterAccountId"]) {
            let mut row = realm(&account, here, batch);
            row.organisation = Some(text(&id));
            row.management = Some(true);
            batch.facts.realms.push(row);
        }
    }

    /// A root, a unit or an account.
    fn node(&mut self, n: &Obj<'_>, whole: &Obj<'_>, here: &Text, batch: &mut Batch) {
        let Some(id) = n.str(&["Id"]).filter(|id| is_node(id)) else {
            return refuse(batch, here, "no identifier of a root, unit or account in `Id`");
        };
        batch.records += 1;
        let arn = n.str(&["Arn"]).unwrap_or_default();
        let mut row = realm(&id, here, batch);
        row.organisation = organisation_of(&arn).map(text);
        row.name = n.str(&["Name"]).map(text);
        row.parent_id = if is_root(&id) {
            row.organisation.clone()
        } else {
            n.str(&["ParentId"]).map(text).or_else(|| {
                let parent = |s: &str| is_root(s) || is_unit(s);
                self.stated(whole, &["ParentId"], parent).map(text)
            })
        };
        if is_account(&id) && row.organisation.is_some() {
            // The ARN of a member is issued by the account that manages the organisation.
            row.management = super::account_of(&arn).map(|issuer| issuer == id);
        }
        batch.facts.realms.push(row);
    }

    /// One parent of `list-parents`.
    fn parent(&mut self, p: &Obj<'_>, whole: &Obj<'_>, here: &Text, batch: &mut Batch) {
        let Some(parent) = p.str(&["Id"]).filter(|id| is_root(id) || is_unit(id)) else {
            return refuse(batch, here, "no identifier of a root or unit in `Id`");
        };
        let child = |s: &str| is_unit(s) || is_account(s);
        let Some(id) = self.stated(whole, &["ChildId"], child) else {
            return refuse(
                batch,
                here,
                "the output does not name the child; wrap it as {\"ChildId\": \"...\", \
                 \"Parents\": [...]} or put the id into the file name",
            );
        };
        batch.records += 1;
        let mut row = realm(&id, here, batch);
        row.parent_id = Some(text(&parent));
        batch.facts.realms.push(row);
    }

    /// Levels of plain documents from the root down.
    fn levels(&mut self, o: &Obj<'_>, place: &str, batch: &mut Batch) {
        for (level, raw) in o.list("levels").into_iter().enumerate() {
            for (i, raw) in json::elements(raw).into_iter().enumerate() {
                let here = at(place, &format!("/levels/{level}/{i}"));
                if let Err(e) = Obj::parse(raw) {
                    refuse(batch, &here, e);
                    continue;
                }
                batch.records += 1;
                let id = format!("{}#{here}", self.name);
                let name = format!("level {level}, policy {i}");
                let level = i64::try_from(level).ok();
                self.write(raw, &id, &name, None, level, &here, batch);
            }
        }
    }

    /// A plain document; where it lies says what it is and what it is attached to.
    fn plain(&mut self, raw: &str, place: &str, batch: &mut Batch) {
        batch.records += 1;
        let here = at(place, "");
        let file = self.name.rsplit('/').next().unwrap_or(self.name);
        let name = file.strip_suffix(".json").unwrap_or(file).to_owned();
        let name = if place.is_empty() { name } else { format!("{name}{place}") };
        let target = in_name(self.name, is_node).map(str::to_owned);
        let id = format!("{}{place}", self.name);
        self.write(raw, &id, &name, target.as_deref(), None, &here, batch);
    }

    #[expect(clippy::too_many_arguments, reason = "the columns of one attachment")]
    fn write(
        &self,
        raw: &str,
        id: &str,
        name: &str,
        target: Option<&str>,
        level: Option<i64>,
        here: &Text,
        batch: &mut Batch,
    ) {
        let policy = json::policy(raw);
        let by_content =
            if is_rcp(&policy.parsed) { GuardrailKind::Rcp } else { GuardrailKind::Scp };
        let kind = self.kind.unwrap_or(by_content);
        let id = format!("{kind}:{id}");
        let row = Role {
            document: Some(policy.document),
            malformed: policy.malformed,
            ..role(&id, name, kind, here, batch)
        };
        batch.facts.roles.push(row);
        push(batch, kind, target, level, &id, name, here);
    }
}

/// Key of a policy: its ARN, else its id.
fn policy_id(summary: &Obj<'_>) -> Option<String> {
    summary.str(&["Arn", "Id"]).map(std::borrow::Cow::into_owned)
}

/// Kind that the ARN of a policy names.
fn kind_of_arn(arn: &str) -> Option<GuardrailKind> {
    match arn.splitn(6, ':').nth(5)?.split('/').find(|p| p.ends_with("_control_policy"))? {
        "service_control_policy" => Some(GuardrailKind::Scp),
        "resource_control_policy" => Some(GuardrailKind::Rcp),
        _ => None,
    }
}

fn role(id: &str, name: &str, kind: GuardrailKind, here: &Text, batch: &Batch) -> Role {
    Role {
        role_id: text(id),
        platform: text("aws"),
        name: text(name),
        kind: match kind {
            GuardrailKind::Rcp => RoleKind::ResourceControlPolicy,
            _ => RoleKind::ServiceControlPolicy,
        },
        source_id: batch.source_id.clone(),
        source_ref: here.clone(),
        ..Role::default()
    }
}

fn realm(id: &str, here: &Text, batch: &Batch) -> Realm {
    Realm {
        platform: text("aws"),
        realm_id: text(id),
        kind: kind_of(id),
        source_id: batch.source_id.clone(),
        source_ref: here.clone(),
        ..Realm::default()
    }
}

#[expect(clippy::too_many_arguments, reason = "the columns of one attachment")]
fn push(
    batch: &mut Batch,
    kind: GuardrailKind,
    target: Option<&str>,
    level: Option<i64>,
    id: &str,
    name: &str,
    here: &Text,
) {
    batch.facts.guardrails.push(Guardrail {
        platform: text("aws"),
        kind,
        target_id: target.map(text),
        level,
        role_id: text(id),
        name: text(name),
        source_id: batch.source_id.clone(),
        source_ref: here.clone(),
    });
}

/// The content of the two policies that AWS attaches by itself, which exports name and rarely hold
/// (AWS Organizations User Guide, "SCP syntax" and "RCP syntax").
fn well_known(policy: &str) -> Option<&'static str> {
    match policy {
        "p-FullAWSAccess" => Some(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
        ),
        "p-RCPFullAWSAccess" => Some(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#,
        ),
        _ => None,
    }
}

/// Realms by identifier, for [`finish`].
type Nodes = BTreeMap<(Text, Text), usize>;

#[cfg(test)]
mod tests;
