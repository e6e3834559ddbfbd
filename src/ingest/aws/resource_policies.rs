//! Policies of resources: what the `get-...-policy` commands print, and a simple file that gives each
//! policy under the ARN of its resource.

use super::json::{self, Obj, at, in_name, is_account, refuse};
use super::{account_of, realm};
use crate::facts::*;
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe};

/// Adapter of resource policies.
#[derive(Debug)]
pub struct ResourcePolicies;

/// Keys under which a record names its resource.
const RESOURCE: [&str; 8] =
    ["arn", "Arn", "ARN", "ResourceArn", "resource_arn", "resourceArn", "resource", "SecretARN"];

/// Keys under which a record holds its policy.
const POLICY: [&str; 7] = [
    "policy",
    "Policy",
    "ResourcePolicy",
    "resource_policy",
    "resourcePolicy",
    "PolicyDocument",
    "document",
];

impl Adapter for ResourcePolicies {
    fn format(&self) -> &'static str {
        "aws-resource-policies"
    }

    fn title(&self) -> &'static str {
        "AWS resource policies (buckets, keys, queues, topics, functions, secrets)"
    }

    fn layer(&self) -> Layer {
        Layer::Context
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        if !json::is_json(probe) {
            return None;
        }
        let any = |list: &[&str]| list.iter().any(|k| probe.has(&[k]));
        let says = |word: &str| json::says(probe, word);
        let few = probe.keys.len() <= 6;
        let statements = || says("Statement");
        let map = !probe.keys.is_empty() && probe.keys.iter().all(|k| is_arn(k)) && statements();
        let pair = few && any(&RESOURCE) && any(&POLICY) && statements();
        let attributes =
            probe.has(&["Attributes"]) && (says("\"QueueArn\"") || says("\"TopicArn\""));
        // `Policy` alone may be a managed policy; here it is the text of a document.
        let alone =
            few && probe.has(&["Policy"]) && text_follows(probe.head, "\"Policy\"") && statements();
        let secret = probe.has(&["ResourcePolicy"]) && statements();
        let none = probe.has(&["ARN", "Name"]) && probe.keys.len() == 2 && says(":secret:");
        (map || pair || attributes || alone || secret || none).then_some(Match::Specific)
    }

    fn read(
        &self,
        input: &Input,
        _ctx: &Context<'_>,
        batch: &mut Batch,
    ) -> Result<(), IngestError> {
        json::documents(input, batch, &mut |place, raw, batch| {
            document(&input.name, place, raw, batch)
        })?;
        batch.completeness = Completeness::Complete;
        let mut realms: Vec<&Text> =
            batch.facts.resource_policies.iter().filter_map(|r| r.realm.as_ref()).collect();
        realms.sort_unstable();
        realms.dedup();
        if let [only] = realms.as_slice() {
            batch.realm = Some((*only).clone());
        }
        Ok(())
    }
}

fn is_arn(s: &str) -> bool {
    s.starts_with("arn:") && s.splitn(6, ':').count() == 6
}

/// Whether the value of the first such key is a string.
fn text_follows(head: &[u8], key: &str) -> bool {
    String::from_utf8_lossy(head)
        .split_once(key)
        .and_then(|(_, rest)| rest.trim_start().strip_prefix(':'))
        .is_some_and(|rest| rest.trim_start().starts_with('"'))
}

fn document(name: &str, place: &str, raw: &str, batch: &mut Batch) {
    let o = match Obj::parse(raw) {
        Ok(o) => o,
        Err(e) => return refuse(batch, place, e),
    };
    let mut keys = o.entries().peekable();
    if keys.peek().is_some() && keys.all(|(k, _)| is_arn(k)) {
        for (arn, policy) in o.entries() {
            write(arn, Some(policy), None, name, &at(place, &format!("/{}", pointer(arn))), batch);
        }
        return;
    }
    let here = at(place, "");
    if let Some(attributes) = o.obj("Attributes") {
        let Some(arn) = attributes.str(&["QueueArn", "TopicArn"]) else {
            return refuse(batch, &here, "attributes without `QueueArn` or `TopicArn`");
        };
        return write(&arn, attributes.raw("Policy"), None, name, &here, batch);
    }
    let policy = POLICY.iter().find_map(|k| o.raw(k));
    let account = o.str(&["Account", "AccountId", "account"]);
    match resource(&o, policy, name) {
        Ok(arn) => write(&arn, policy, account.as_deref(), name, &here, batch),
        Err(why) => refuse(batch, &here, why),
    }
}

/// Escapes a key for a JSON pointer.
fn pointer(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The resource that a record is about: its own field, the resource of its statements where they speak
/// of one only, else the file's name.
fn resource(o: &Obj<'_>, policy: Option<&str>, name: &str) -> Result<String, String> {
    if let Some(arn) = o.str(&RESOURCE) {
        return if is_arn(&arn) {
            Ok(arn.into_owned())
        } else {
            Err("the resource is not named by its ARN".to_owned())
        };
    }
    if let Some(bucket) = o.str(&["Bucket", "BucketName"]) {
        return Ok(format!("arn:aws:s3:::{bucket}"));
    }
    if let Some(arn) = policy.and_then(stated) {
        return Ok(arn);
    }
    let is_key = o.has("PolicyName");
    let named = if is_key { key_of_name(name) } else { bucket_of_name(name) };
    named.ok_or_else(|| {
        "which resource the policy is of is not said; wrap it as {\"Arn\": \"arn:...\", \
         \"Policy\": ...}, or name the file after it"
            .to_owned()
    })
}

/// The one bucket, queue, topic, function or secret that the statements of a policy name.
fn stated(policy: &str) -> Option<String> {
    let parsed = json::policy(policy).parsed;
    let mut found: Option<String> = None;
    let named = parsed.statements.iter().flat_map(|s| s.resources.iter().flat_map(|r| &r.list));
    for r in named.filter(|r| r.as_str() != "*") {
        if !is_arn(r) {
            return None;
        }
        let mut parts = r.splitn(6, ':');
        let service = parts.nth(2)?;
        let base = match service {
            // Objects lie in the bucket.
            "s3" => r.split('/').next()?,
            _ => r.as_str(),
        };
        if base.contains(['*', '?', '$']) || found.as_deref().is_some_and(|f| f != base) {
            return None;
        }
        found = Some(base.to_owned());
    }
    found
}

/// `bucket-policy_<bucket>.json`, `get-bucket-policy_<bucket>.json` or `<bucket>.json` inside a folder
/// whose name says what the files are.
fn bucket_of_name(name: &str) -> Option<String> {
    let mut segments = name.rsplit('/');
    let file = segments.next()?;
    let stem = file.strip_suffix(".gz").unwrap_or(file);
    let stem = stem.strip_suffix(".json").unwrap_or(stem);
    let says = |s: &str| s.contains("bucket");
    let bucket = match stem.split_once('_') {
        Some((prefix, rest)) if says(prefix) => rest,
        _ if segments.any(says) => stem,
        _ => return None,
    };
    // Rules of general purpose bucket names (Amazon S3 User Guide, "Bucket naming rules").
    let fits = (3..=63).contains(&bucket.len())
        && bucket
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b));
    fits.then(|| format!("arn:aws:s3:::{bucket}"))
}

/// `<anything>_<region>_<account>_<key id>.json`, or folders of these names.
fn key_of_name(name: &str) -> Option<String> {
    let id = in_name(name, is_key_id)?;
    let account = in_name(name, is_account)?;
    let region = in_name(name, is_region)?;
    Some(format!("arn:aws:kms:{region}:{account}:key/{id}"))
}

fn is_key_id(s: &str) -> bool {
    let hex = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_hexdigit());
    s.strip_prefix("mrk-").is_some_and(|t| t.len() == 32 && hex(t))
        || (s.len() == 36 && s.split('-').count() == 5 && s.split('-').all(hex))
}

fn is_region(s: &str) -> bool {
    let mut parts = s.split('-');
    s.split('-').count() >= 3
        && parts.next().is_some_and(|p| p.len() == 2)
        && s.rsplit('-')
            .next()
            .is_some_and(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()))
}

fn write(
    arn: &str,
    policy: Option<&str>,
    account: Option<&str>,
    name: &str,
    here: &Text,
    batch: &mut Batch,
) {
    batch.records += 1;
    let policy = policy.filter(|p| *p != "null" && *p != "\"\"").map(json::policy);
    if let Some(wrong) = policy.as_ref().and_then(|p| p.malformed.as_deref()) {
        batch.quarantine_part(
            here,
            format!("policy of the resource: {wrong}; what it says is unknown"),
        );
    }
    let owner =
        account_of(arn).or(account.filter(|a| is_account(a))).or_else(|| in_name(name, is_account));
    batch.facts.resource_policies.push(ResourcePolicy {
        platform: text("aws"),
        resource_id: text(arn),
        service: text(arn.split(':').nth(2).unwrap_or_default()),
        realm: owner.map(realm),
        document: policy.as_ref().map(|p| p.document.clone()),
        malformed: policy.and_then(|p| p.malformed),
        source_id: batch.source_id.clone(),
        source_ref: here.clone(),
    });
}

#[cfg(test)]
mod tests {
    use crate::ingest::{Ingested, ingest};
    use crate::settings::Settings;

    fn read(files: &[(&str, String)]) -> Ingested {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        ingest(&[dir.path().to_path_buf()], &Settings::defaults()).unwrap()
    }

    fn doc(resource: &str) -> String {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"{resource}"}}]}}"#
        )
    }

    fn quoted(s: &str) -> String {
        serde_json::to_string(s).unwrap()
    }

    #[test]
    fn every_form_names_its_resource() {
        let d = doc("*");
        let q = quoted(&d);
        let function = "arn:aws:lambda:us-east-1:111122223333:function:f";
        let queue = "arn:aws:sqs:us-east-1:111122223333:q";
        let topic = "arn:aws:sns:us-east-1:111122223333:t";
        let secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:s-AbCdEf";
        let key = "1234abcd-12ab-34cd-56ef-1234567890ab";
        let found = read(&[
            ("a-map.json", format!(r#"{{"arn:aws:s3:::a":{d},"{queue}":null}}"#)),
            (
                "b-array.json",
                format!(
                    r#"[{{"arn":"arn:aws:s3:::b","policy":{d}}},{{"arn":"arn:aws:s3:::b2","policy":{q},"account":"444455556666"}}]"#
                ),
            ),
            (
                "c-lines.ndjson",
                format!(
                    "{{\"arn\":\"arn:aws:s3:::c\",\"policy\":{q}}}\n{{\"arn\":\"arn:aws:s3:::c2\",\"policy\":{d}}}\n"
                ),
            ),
            ("d/444455556666/get-bucket-policy_d-bucket.json", format!(r#"{{"Policy":{q}}}"#)),
            ("e.json", format!(r#"{{"Policy":{}}}"#, quoted(&doc("arn:aws:s3:::e/*")))),
            (
                &format!("f_us-east-1_111122223333_{key}.json"),
                format!(r#"{{"Policy":{q},"PolicyName":"default"}}"#),
            ),
            ("g.json", format!(r#"{{"Attributes":{{"QueueArn":"{queue}","Policy":{q}}}}}"#)),
            ("h.json", format!(r#"{{"Attributes":{{"TopicArn":"{topic}","Policy":{q}}}}}"#)),
            ("i.json", format!(r#"{{"Policy":{},"RevisionId":"x"}}"#, quoted(&doc(function)))),
            ("j.json", format!(r#"{{"ARN":"{secret}","Name":"s","ResourcePolicy":{q}}}"#)),
            ("k.json", format!(r#"{{"ARN":"{secret}","Name":"s"}}"#)),
            ("l.json", format!(r#"{{"Policy":{q}}}"#)),
        ]);
        assert!(found.unknown.is_empty() && found.failed.is_empty(), "{:?}", found.unknown);
        let rows: Vec<_> = found
            .facts
            .resource_policies
            .iter()
            .map(|r| (&*r.resource_id, &*r.service, r.realm.as_deref(), r.document.is_some()))
            .collect();
        let kms = format!("arn:aws:kms:us-east-1:111122223333:key/{key}");
        let one = Some("aws:111122223333");
        assert_eq!(
            rows,
            [
                ("arn:aws:s3:::a", "s3", None, true),
                (queue, "sqs", one, false),
                ("arn:aws:s3:::b", "s3", None, true),
                ("arn:aws:s3:::b2", "s3", Some("aws:444455556666"), true),
                ("arn:aws:s3:::c", "s3", None, true),
                ("arn:aws:s3:::c2", "s3", None, true),
                ("arn:aws:s3:::d-bucket", "s3", Some("aws:444455556666"), true),
                ("arn:aws:s3:::e", "s3", None, true),
                (kms.as_str(), "kms", one, true),
                (queue, "sqs", one, true),
                (topic, "sns", one, true),
                (function, "lambda", one, true),
                (secret, "secretsmanager", one, true),
                (secret, "secretsmanager", one, false),
            ]
        );
        // Whose policy the last one is cannot be known, and that is said.
        assert_eq!(found.facts.quarantine.len(), 1);
        assert!(found.facts.quarantine[0].reason.contains("which resource"));
    }

    #[test]
    fn hostile_documents_cost_themselves_only() {
        let deep = "[".repeat(20_000) + &"]".repeat(20_000);
        let found = read(&[
            (
                "a.json",
                format!(
                    r#"{{"arn:aws:s3:::a":{{"Statement":{deep}}},"arn:aws:s3:::b":"Statement %7B","arn:aws:s3:::b2":7}}"#
                ),
            ),
            (
                "b.ndjson",
                format!(
                    "{{\"arn\":\"arn:aws:s3:::c\",\"policy\":{}}}\nnot json\n{{\"arn\":\"x\",\"policy\":{{}}}}\n{{\"arn\":1,\"arn\":2}}\n7\n",
                    doc("*")
                ),
            ),
        ]);
        assert!(found.unknown.is_empty() && found.failed.is_empty(), "{:?}", found.failed);
        let rows = &found.facts.resource_policies;
        assert_eq!(rows.len(), 4);
        assert!(rows[..3].iter().all(|r| r.malformed.is_some()), "{rows:?}");
        let places: Vec<_> = found.facts.quarantine.iter().map(|q| &*q.source_ref).collect();
        let unread = ["/arn:aws:s3:::a", "/arn:aws:s3:::b", "/arn:aws:s3:::b2"];
        assert_eq!(places, [&unread[..], &["L2", "L3", "L4", "L5"]].concat());
    }
}
