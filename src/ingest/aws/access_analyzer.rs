//! IAM Access Analyzer: what AWS itself found. Output of `list-findings`, `list-findings-v2`,
//! `get-finding`, `get-finding-v2` and `list-analyzers`, and the events it sends to EventBridge.
//!
//! A finding is evidence beside our own judgement. What a finding about unused access states of a last
//! use becomes a usage row as well.

use std::collections::BTreeMap;

use super::json::{self, Obj, at, refuse};
use super::{account_of, realm};
use crate::facts::*;
use crate::ingest::ledger::credentials::truncate_id;
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe};

/// Adapter of Access Analyzer findings.
#[derive(Debug)]
pub struct AccessAnalyzer;

/// Format id.
pub const FORMAT: &str = "aws-access-analyzer";

/// Limitation text of a list that lacks the details.
const NO_DETAILS: &str = "the list does not say what was unused or since when; export the findings \
     with `get-finding-v2`";

impl Adapter for AccessAnalyzer {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn title(&self) -> &'static str {
        "AWS IAM Access Analyzer findings (list-findings, get-finding, EventBridge)"
    }

    fn layer(&self) -> Layer {
        // A list of what was not used is no log: what it does not name may be used or not looked at.
        Layer::Context
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        if !json::is_json(probe) {
            return None;
        }
        let says = |word: &str| json::says(probe, word);
        let lists = (probe.has(&["findings"]) || probe.has(&["finding"]))
            && says("\"resourceOwnerAccount\"");
        let empty = json::is_empty_list(probe, "findings");
        let single = probe.has(&["id", "resource", "resourceOwnerAccount"])
            || probe.has(&["findingDetails"]);
        let event = probe.has(&["detail-type", "detail"]) && says("aws.access-analyzer");
        let analyzers = probe.has(&["analyzers"]) || probe.has(&["analyzer"]);
        let analyzers = analyzers && says(":access-analyzer:");
        (lists || empty || single || event || analyzers).then_some(Match::Specific)
    }

    fn read(
        &self,
        input: &Input,
        _ctx: &Context<'_>,
        batch: &mut Batch,
    ) -> Result<(), IngestError> {
        let mut reader = Reader::default();
        json::documents(input, batch, &mut |place, raw, batch| reader.document(place, raw, batch))?;
        reader.close(batch);
        Ok(())
    }
}

#[derive(Default)]
struct Reader {
    truncated: bool,
    /// Findings about unused access without their details.
    bare: usize,
    /// Age after which access counts as unused, days, as an analyzer's settings state it.
    ages: Vec<i64>,
    analyzed: Option<Time>,
    realms: std::collections::BTreeSet<Text>,
}

impl Reader {
    fn document(&mut self, place: &str, raw: &str, batch: &mut Batch) {
        let o = match Obj::parse(raw) {
            Ok(o) => o,
            Err(e) => return refuse(batch, place, e),
        };
        self.truncated |= o.has("nextToken");
        if o.has("detail") && o.has("detail-type") {
            let here = at(place, "/detail");
            return match o.obj("detail") {
                Some(detail) => self.finding(&detail, &here, batch),
                None => refuse(batch, &here, "the event has no readable `detail`"),
            };
        }
        if let Some(finding) = o.obj("finding") {
            return self.finding(&finding, &at(place, "/finding"), batch);
        }
        if let Some(analyzer) = o.obj("analyzer") {
            batch.records += 1;
            return self.analyzer(&analyzer);
        }
        let mut lists = false;
        for key in ["findings", "analyzers"] {
            // The key with an empty list is a list too.
            lists |= o.has(key);
            for (i, raw) in o.list(key).into_iter().enumerate() {
                let here = at(place, &format!("/{key}/{i}"));
                match Obj::parse(raw) {
                    Ok(item) if key == "findings" => self.finding(&item, &here, batch),
                    Ok(item) => {
                        batch.records += 1;
                        self.analyzer(&item);
                    }
                    Err(e) => refuse(batch, &here, e),
                }
            }
        }
        if !lists {
            self.finding(&o, &at(place, ""), batch);
        }
    }

    /// An analyzer tells the age that counts as unused and when it looked.
    fn analyzer(&mut self, a: &Obj<'_>) {
        let age = a
            .obj("configuration")
            .and_then(|c| c.obj("unusedAccess"))
            .and_then(|u| u.int("unusedAccessAge"))
            .filter(|d| (1..=365).contains(d));
        self.ages.extend(age);
        let looked = a.time("lastResourceAnalyzedAt").ok().flatten();
        self.analyzed = self.analyzed.max(looked);
    }

    fn finding(&mut self, f: &Obj<'_>, here: &Text, batch: &mut Batch) {
        let Some(resource) = f.str(&["resource"]) else {
            return refuse(batch, here, "a finding without `resource`");
        };
        let Some(id) = f.str(&["id", "findingId"]) else {
            return refuse(batch, here, "a finding without `id`");
        };
        batch.records += 1;
        let mut row = ProviderFinding {
            platform: text("aws"),
            finding_id: text(&id),
            status: text(f.str(&["status"]).unwrap_or_default().to_uppercase()),
            resource_id: text(&resource),
            resource_type: f.str(&["resourceType"]).map(text),
            source_id: batch.source_id.clone(),
            source_ref: here.clone(),
            ..ProviderFinding::default()
        };
        let owner = f.str(&["resourceOwnerAccount", "accountId"]);
        row.realm = account_of(&resource).or(owner.as_deref()).map(realm);
        self.realms.extend(row.realm.clone());
        for (key, slot) in [
            ("analyzedAt", &mut row.analyzed_at),
            ("createdAt", &mut row.created_at),
            ("updatedAt", &mut row.updated_at),
        ] {
            match f.time(key) {
                Ok(at) => *slot = at,
                Err(e) => batch.quarantine_part(format!("{here}/{key}"), e),
            }
        }
        for t in [row.created_at, row.updated_at, row.analyzed_at].into_iter().flatten() {
            batch.see(t);
        }
        self.analyzed = self.analyzed.max(row.analyzed_at);
        if f.flag("isDeleted") == Some(true) {
            row.status = text("DELETED");
        }
        if let Some(age) = f.int("unusedAccessAge").filter(|d| (1..=365).contains(d)) {
            self.ages.push(age);
        }
        external(f, &mut row);
        let details: Vec<Obj<'_>> =
            f.list("findingDetails").into_iter().filter_map(|d| Obj::parse(d).ok()).collect();
        let mut kinds: Vec<&str> = Vec::new();
        let mut usage = Vec::new();
        let mut access = Vec::new();
        for d in &details {
            for (key, kind) in DETAILS {
                let Some(detail) = d.obj(key) else { continue };
                kinds.push(kind);
                if kind.starts_with("Unused") {
                    unused(kind, &detail, &mut row, &mut usage);
                } else {
                    access.push(detail);
                }
            }
        }
        let kind = f.str(&["findingType"]).map(|k| k.into_owned());
        // The first version of the service knew one kind only.
        row.kind = text(kind.as_deref().or(kinds.first().copied()).unwrap_or("ExternalAccess"));
        if row.kind.starts_with("Unused") && details.is_empty() {
            self.bare += 1;
        }
        // What a resolved finding said is no longer so.
        if matches!(&*row.status, "ACTIVE" | "ARCHIVED") && f.str(&["error"]).is_none() {
            batch.facts.usage.append(&mut usage);
        }
        // Each detail is an access of its own: one party, its actions, its condition.
        for detail in access.iter().skip(1) {
            let mut one = row.clone();
            external(detail, &mut one);
            batch.facts.provider_findings.push(one);
        }
        if let Some(first) = access.first() {
            external(first, &mut row);
        }
        batch.facts.provider_findings.push(row);
    }

    fn close(self, batch: &mut Batch) {
        batch.collected_at = self.analyzed;
        let mut ages = self.ages;
        ages.sort_unstable();
        ages.dedup();
        // Several ages in one file do not say which finding has which.
        if let ([days], Some(end)) = (ages.as_slice(), self.analyzed) {
            batch.window = Some((Some(end.plus_secs(-days * 86_400)), Some(end)));
        } else if let Some(end) = self.analyzed {
            batch.window = Some((None, Some(end)));
        }
        let mut realms = self.realms.into_iter();
        if let (Some(only), None) = (realms.next(), realms.next()) {
            batch.realm = Some(only);
        }
        batch.completeness =
            if self.truncated { Completeness::Truncated } else { Completeness::Unknown };
        batch.limitation = if self.truncated {
            Some(text("the export says `nextToken`: further pages are missing"))
        } else {
            (self.bare > 0).then(|| text(NO_DETAILS))
        };
    }
}

/// Parts of `findingDetails` and the kinds they tell.
const DETAILS: [(&str, &str); 6] = [
    ("externalAccessDetails", "ExternalAccess"),
    ("internalAccessDetails", "InternalAccess"),
    ("unusedPermissionDetails", "UnusedPermission"),
    ("unusedIamRoleDetails", "UnusedIAMRole"),
    ("unusedIamUserAccessKeyDetails", "UnusedIAMUserAccessKey"),
    ("unusedIamUserPasswordDetails", "UnusedIAMUserPassword"),
];

/// Party, actions and condition of access from outside, or from inside the organisation.
fn external(d: &Obj<'_>, row: &mut ProviderFinding) {
    row.public = d.flag("isPublic").or(row.public);
    row.actions.extend(d.texts("action"));
    if let Some(c) = d.raw("condition").filter(|c| c.starts_with('{'))
        && Obj::parse(c).is_ok_and(|o| o.entries().next().is_some())
    {
        row.condition = Some(text(crate::privilege::aws::document::compact_json(c)));
    }
    if let Some(p) = d.obj("principal") {
        let parties: Vec<String> =
            p.entries().flat_map(|(k, _)| p.texts(k)).map(|t| t.to_string()).collect();
        if !parties.is_empty() {
            row.party = Some(text(parties.join(" ")));
        }
    } else if let Some(arn) = d.str(&["principal"]) {
        row.party = Some(text(arn));
    }
}

/// What a finding about unused access states of a last use.
fn unused(kind: &str, d: &Obj<'_>, row: &mut ProviderFinding, usage: &mut Vec<Usage>) {
    let last = d.time("lastAccessed").ok().flatten();
    // A text that is no date says nothing, and is not "never".
    let unreadable = d.has("lastAccessed") && last.is_none();
    row.last_used_at = row.last_used_at.max(last);
    let base = Usage {
        principal: row.resource_id.clone(),
        principal_id: Some(row.resource_id.clone()),
        platform: Some(text("aws")),
        source_id: row.source_id.clone(),
        source_ref: row.source_ref.clone(),
        ..Usage::default()
    };
    let mut push = |grain, action: Option<String>, last: Option<Time>| {
        usage.push(Usage {
            action: action.map(text),
            last_at: last,
            count: last.is_none().then_some(0),
            grain,
            ..base.clone()
        });
    };
    match kind {
        "UnusedIAMRole" if !unreadable => push(UsageGrain::Identity, None, last),
        "UnusedIAMUserAccessKey" | "UnusedIAMUserPassword" if !unreadable => {
            push(UsageGrain::Credential, None, last);
            let id = d.str(&["accessKeyId"]).map(|id| text(truncate_id(&id)));
            if let Some(u) = usage.last_mut() {
                u.credential_id = Some(id.unwrap_or_else(|| text("password")));
            }
        }
        "UnusedPermission" => {
            let Some(service) = d.str(&["serviceNamespace"]) else { return };
            let actions = d.list("actions");
            row.actions.push(text(format!("{service}:*")));
            if actions.is_empty() && !unreadable {
                return push(UsageGrain::Service, Some(format!("{service}:*")), last);
            }
            // With actions listed, the others of the service may be in use.
            row.actions.pop();
            for a in actions.into_iter().filter_map(|a| Obj::parse(a).ok()) {
                let Some(name) = a.str(&["action"]) else { continue };
                let action = if name.contains(':') {
                    name.into_owned()
                } else {
                    format!("{service}:{name}")
                };
                row.actions.push(text(&action));
                match a.time("lastAccessed") {
                    Ok(at) => {
                        row.last_used_at = row.last_used_at.max(at);
                        push(UsageGrain::Action, Some(action), at);
                    }
                    Err(_) => continue,
                }
            }
        }
        _ => {}
    }
}

/// Gives files of findings the age that an analyzer beside them states. Called once with all facts.
pub fn finish(facts: &mut Facts) {
    let mine = |s: &Source| &*s.format == FORMAT;
    let folder = |s: &Source| s.file.rsplit_once('/').map_or(String::new(), |(d, _)| d.to_owned());
    let mut ages: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for s in facts.sources.iter().filter(|s| mine(s)) {
        if let (Some(a), Some(b)) = (s.window_start, s.window_end) {
            ages.entry(folder(s)).or_default().push(b.secs_since(a));
        }
    }
    for s in facts.sources.iter_mut().filter(|s| mine(s) && s.window_start.is_none()) {
        let Some(list) = ages.get_mut(&folder(s)) else { continue };
        list.sort_unstable();
        list.dedup();
        if let ([one], Some(end)) = (list.as_slice(), s.window_end) {
            s.window_start = Some(end.plus_secs(-one));
        }
    }
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
        ingest(&[dir.path().to_path_buf()], &Settings::defaults()).unwrap()
    }

    #[test]
    fn the_samples() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../shared/data/aws/access_analyzer");
        assert!(path.exists(), "this test needs the shared data at `{}`", path.display());
        let found = ingest(&[path], &Settings::defaults()).unwrap();
        assert!(found.unknown.is_empty() && found.failed.is_empty(), "{:?}", found.unknown);
        assert!(found.facts.quarantine.is_empty(), "{:?}", found.facts.quarantine);
        assert!(found.facts.sources.iter().all(|s| &*s.format == FORMAT));
        let kinds = |k: &str, status: &str| {
            found
                .facts
                .provider_findings
                .iter()
                .filter(|f| &*f.kind == k && &*f.status == status)
                .count()
        };
        // v1: 4 + 1, v2: 2, one finding in detail, blog 2, events 2.
        assert_eq!(found.facts.provider_findings.len(), 12);
        assert_eq!(
            (kinds("ExternalAccess", "ACTIVE"), kinds("ExternalAccess", "RESOLVED")),
            (6, 2)
        );
        assert_eq!((kinds("UnusedPermission", "ACTIVE"), kinds("UnusedIAMRole", "ACTIVE")), (3, 1));
        let of = |id: &str| {
            found.facts.provider_findings.iter().find(|f| f.finding_id.starts_with(id)).unwrap()
        };
        let queue = of("b90c8d49");
        assert_eq!((queue.party.as_deref(), queue.public), (Some("*"), Some(true)));
        assert_eq!((queue.actions.len(), queue.condition.as_deref()), (11, None));
        let pool = found
            .facts
            .provider_findings
            .iter()
            .find(|f| f.finding_id.starts_with("0910eedb"))
            .unwrap();
        assert_eq!(pool.party.as_deref(), Some("cognito-identity.amazonaws.com"));
        assert!(pool.condition.as_deref().unwrap().contains("us-west-2:EXAMPLE0"));
        assert_eq!(of("b01a34f2").realm.as_deref(), Some("aws:123456789012"));
        assert!(found.facts.usage.is_empty(), "no sample states a last use");
    }

    /// Every detail of access is kept: what the last one says is not what all say.
    #[test]
    fn each_access_of_a_finding_is_a_row() {
        let detail = |public: bool, party: &str| {
            format!(
                r#"{{"externalAccessDetails":{{"action":["s3:GetObject"],"condition":{{}},"isPublic":{public},"principal":{{"AWS":"{party}"}}}}}}"#
            )
        };
        let text = format!(
            r#"{{"id":"f","resource":"arn:aws:s3:::b","resourceType":"AWS::S3::Bucket","resourceOwnerAccount":"1","status":"ACTIVE","findingType":"ExternalAccess","analyzedAt":"2026-03-02T00:00:00Z","findingDetails":[{},{}]}}"#,
            detail(true, "*"),
            detail(false, "888877776666")
        );
        let found = read(&[("f.json", &text)]);
        let mut rows: Vec<_> = found
            .facts
            .provider_findings
            .iter()
            .map(|f| (f.party.as_deref(), f.public, f.actions.len(), &*f.finding_id))
            .collect();
        rows.sort_unstable();
        assert_eq!(
            rows,
            [(Some("*"), Some(true), 1, "f"), (Some("888877776666"), Some(false), 1, "f")]
        );
    }

    #[test]
    fn an_empty_list_is_an_answer() {
        let found = read(&[("a.json", "{\"findings\": []}\n")]);
        assert_eq!((found.facts.sources.len(), found.facts.sources[0].records), (1, 0));
        let other = read(&[("a.json", r#"{"findings":[{"tool":"x"}],"errors":[]}"#)]);
        assert_eq!(other.unknown.len(), 1, "lists of findings of other tools are not ours");
    }

    const DETAIL: &str = r#"{"id":"1","resource":"arn:aws:iam::1:role/r","resourceType":"AWS::IAM::Role","resourceOwnerAccount":"1","status":"ACTIVE","findingType":"UnusedPermission","analyzedAt":"2026-03-02T00:00:00Z","createdAt":"2026-03-01T00:00:00Z","updatedAt":"2026-03-01T00:00:00Z","findingDetails":[
        {"unusedPermissionDetails":{"serviceNamespace":"s3","lastAccessed":"2025-11-01T00:00:00Z"}},
        {"unusedPermissionDetails":{"serviceNamespace":"sqs"}},
        {"unusedPermissionDetails":{"serviceNamespace":"iam","actions":[{"action":"PassRole"},{"action":"GetRole","lastAccessed":"2025-10-01T00:00:00Z"}]}}]}"#;

    #[test]
    fn details_are_use() {
        let analyzers = r#"{"analyzers":[{"arn":"arn:aws:access-analyzer:us-east-1:1:analyzer/u","type":"ACCOUNT_UNUSED_ACCESS","lastResourceAnalyzedAt":"2026-03-02T00:00:00Z","configuration":{"unusedAccess":{"unusedAccessAge":90}}}]}"#;
        let key = r#"{"id":"2","resource":"arn:aws:iam::1:user/u","resourceOwnerAccount":"1","status":"ARCHIVED","analyzedAt":"2026-03-02T00:00:00Z","findingDetails":[{"unusedIamUserAccessKeyDetails":{"accessKeyId":"AKIAIOSFODNN7EXAMPLE"}},{"unusedIamUserPasswordDetails":{"lastAccessed":"soon"}}]}"#;
        let gone = DETAIL.replace("ACTIVE", "RESOLVED");
        let found =
            read(&[("a.json", analyzers), ("b.json", DETAIL), ("c.json", key), ("d.json", &gone)]);
        assert!(found.unknown.is_empty() && found.failed.is_empty(), "{:?}", found.unknown);
        let rows: Vec<_> = found
            .facts
            .usage
            .iter()
            .map(|u| (u.action.as_deref(), u.last_at.map(Time::to_date), u.count, u.grain.as_str()))
            .collect();
        let day = |s: &str| Some(s.to_owned());
        assert_eq!(
            rows,
            [
                (Some("s3:*"), day("2025-11-01"), None, "service"),
                (Some("sqs:*"), None, Some(0), "service"),
                (Some("iam:PassRole"), None, Some(0), "action"),
                (Some("iam:GetRole"), day("2025-10-01"), None, "action"),
                (None, None, Some(0), "credential"),
            ]
        );
        assert_eq!(found.facts.usage[4].credential_id.as_deref(), Some("AKIA...MPLE"));
        let window = &found.facts.sources[1];
        assert_eq!(window.window_start.map(Time::to_date), day("2025-12-02"));
        assert_eq!(found.facts.provider_findings[1].kind.as_ref(), "UnusedIAMUserAccessKey");
    }

    #[test]
    fn hostile_documents_cost_themselves_only() {
        let deep = "[".repeat(20_000) + &"]".repeat(20_000);
        let found = read(&[
            (
                "a.json",
                &format!(
                    r#"{{"findings":[{{"id":"1","resource":"x","resourceOwnerAccount":"1","findingDetails":{deep},"analyzedAt":"never"}},{{"id":5}},null,7,{{"resource":"r"}}],"nextToken":"t"}}"#
                ),
            ),
            (
                "b.ndjson",
                "{\"detail-type\":\"x\",\"source\":\"aws.access-analyzer\",\"detail\":7}\n{\n",
            ),
        ]);
        assert!(
            found.unknown.is_empty() && found.failed.is_empty(),
            "{:?} {:?}",
            found.unknown,
            found.failed
        );
        assert_eq!(found.facts.provider_findings.len(), 1);
        assert_eq!(found.facts.quarantine.len(), 1 + 4 + 2, "{:?}", found.facts.quarantine);
        assert_eq!(found.facts.sources[0].completeness, Completeness::Truncated);
    }
}
