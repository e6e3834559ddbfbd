//! ConsoleMe: self-service policy requests, as its API returns them or as the table of requests holds
//! them. Each change that adds rights is a grant of its own.
//!
//! Traps (grants model, section 8): the expiry is a date (`20260131`), a daily job removes what
//! expired, and the time of the change is not recorded.

use super::json::{self, Obj, at, refuse};
use super::{account_of, name_of, realm};
use crate::facts::*;
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe};

/// Adapter of ConsoleMe requests.
#[derive(Debug)]
pub struct ConsoleMe;

/// Ledger system.
const SYSTEM: &str = "aws-consoleme";

impl Adapter for ConsoleMe {
    fn format(&self) -> &'static str {
        "aws-consoleme"
    }

    fn title(&self) -> &'static str {
        "ConsoleMe policy requests"
    }

    fn layer(&self) -> Layer {
        Layer::Ledger
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        let request = probe.has(&["request_status", "changes", "requester_email"]);
        let stored = probe.has(&["extended_request"]);
        let answer = probe.has(&["request"]) && json::says(probe, "\"request_status\"");
        (json::is_json(probe) && (request || stored || answer)).then_some(Match::Specific)
    }

    fn read(
        &self,
        input: &Input,
        _ctx: &Context<'_>,
        batch: &mut Batch,
    ) -> Result<(), IngestError> {
        let mut other = 0usize;
        json::documents(input, batch, &mut |place, raw, batch| {
            let whole = match Obj::parse(raw) {
                Ok(o) => o,
                Err(e) => return refuse(batch, place, e),
            };
            // The table keeps the request inside; the API of one request does too.
            let inner =
                ["extended_request", "request"].iter().find_map(|k| Some((*k, whole.obj(k)?)));
            let (request, here) = match inner {
                Some((key, inner)) => (inner, at(place, &format!("/{key}"))),
                None => (whole, at(place, "")),
            };
            batch.records += 1;
            match read_request(&request, &here, batch) {
                Ok(n) => other += n,
                Err(e) => batch.quarantine(&here, e),
            }
        })?;
        if other > 0 {
            batch.limitation =
                Some(text(format!("{other} changes take rights away or are of other kinds")));
        }
        Ok(())
    }
}

/// Kinds of change that add rights to a role.
const ADDS: [&str; 4] =
    ["inline_policy", "managed_policy", "policy_condenser", "sts_resource_policy"];

/// Reads a request; the number of changes that are no grants.
fn read_request(o: &Obj<'_>, here: &Text, batch: &mut Batch) -> Result<usize, String> {
    let id = o.str(&["id", "request_id"]).ok_or("a request without `id`")?;
    let requester = o.str(&["requester_email"]).ok_or("a request without `requester_email`")?;
    let at = o.time("timestamp")?.ok_or("a request without `timestamp`")?;
    let status = o.str(&["request_status"]).unwrap_or_default().to_lowercase();
    let decision = match status.as_str() {
        "pending" | "" => Decision::Pending,
        "approved" => Decision::Approved,
        "rejected" => Decision::Denied,
        "cancelled" | "canceled" => Decision::Withdrawn,
        _ => return Err("`request_status` is none that ConsoleMe has".into()),
    };
    batch.see(at);
    let principal = principal(o);
    let changes = o.obj("changes").map(|c| c.list("changes")).unwrap_or_else(|| o.list("changes"));
    let reviewer = o.str(&["reviewer"]).filter(|_| decision != Decision::Pending);
    let mut other = 0;
    for (i, raw) in changes.into_iter().enumerate() {
        let place = text(format!("{}/changes/{i}", here.trim_end_matches('/')));
        let change = match Obj::parse(raw) {
            Ok(c) => c,
            Err(e) => {
                batch.records += 1;
                batch.quarantine(&place, e);
                continue;
            }
        };
        let kind = change.str(&["change_type"]).unwrap_or_default();
        let detaches = change.str(&["action"]).is_some_and(|a| a.eq_ignore_ascii_case("detach"));
        if detaches || !ADDS.contains(&&*kind) {
            other += 1;
            continue;
        }
        let role = self::principal(&change).or_else(|| principal.clone());
        let Some(role) = role else {
            batch.records += 1;
            batch.quarantine(&place, "a change without `principal_arn`");
            continue;
        };
        let privilege = change
            .str(&["policy_name"])
            .map(|n| n.into_owned())
            .or_else(|| change.str(&["arn"]).map(|a| name_of(&a).to_owned()))
            .unwrap_or_else(|| kind.clone().into_owned());
        let end = match expiry(&change).or_else(|| expiry(o)) {
            Some(Err(e)) => {
                batch.records += 1;
                batch.quarantine(&place, e);
                continue;
            }
            Some(Ok(t)) => Some(t),
            None => None,
        };
        let applied = change.str(&["status"]).as_deref() == Some("applied");
        let grant_id = text(format!("{id}/{i}"));
        batch.facts.approvals.extend(approval(
            &grant_id,
            decision,
            reviewer.as_deref(),
            &place,
            batch,
        ));
        batch.facts.grants.push(Grant {
            grant_id,
            system: text(SYSTEM),
            platform: Some(text("aws")),
            scope: account_of(&role).map(realm),
            beneficiary: text(role),
            beneficiary_kind: Some(PrincipalKind::Role),
            requester: Some(text(&requester)),
            privilege: text(privilege),
            broker_kind: BrokerKind::Binding,
            requested_at: Some(at),
            decision,
            // Applied at some time after the request; when, is not recorded.
            not_before: applied.then_some(at),
            not_after: end,
            activated_at_lo: applied.then_some(at),
            end_kind: if applied && end.is_some() { EndKind::Unknown } else { EndKind::Open },
            justification: o.str(&["justification"]).map(text),
            source_id: batch.source_id.clone(),
            source_ref: place,
            ..Grant::default()
        });
    }
    Ok(other)
}

fn approval(
    grant: &Text,
    decision: Decision,
    reviewer: Option<&str>,
    here: &Text,
    batch: &Batch,
) -> Option<Approval> {
    let verdict = match decision {
        Decision::Approved => Verdict::Approve,
        Decision::Denied => Verdict::Deny,
        _ => return None,
    };
    Some(Approval {
        grant_id: Some(grant.clone()),
        approver: Some(text(reviewer?)),
        verdict,
        source_id: batch.source_id.clone(),
        source_ref: here.clone(),
        ..Approval::default()
    })
}

fn principal(o: &Obj<'_>) -> Option<String> {
    let p = o.obj("principal")?;
    p.str(&["principal_arn"]).map(|a| a.into_owned())
}

/// End of the day that `expiration_date` (`20260131`) names: the daily job runs on it.
fn expiry(o: &Obj<'_>) -> Option<Result<Time, String>> {
    let raw = o.scalar(&["expiration_date"])?;
    let parts = (raw.get(..4), raw.get(4..6), raw.get(6..));
    let time = match parts {
        (Some(y), Some(m), Some(d)) if raw.len() == 8 => {
            time::parse_rfc3339(&format!("{y}-{m}-{d}T00:00:00Z"))
        }
        _ => None,
    };
    Some(time.map(|t| t.plus_secs(86_400)).ok_or_else(|| "`expiration_date` is no date".into()))
}

#[cfg(test)]
mod tests {
    use crate::facts::*;
    use crate::ingest::{Ingested, ingest};
    use crate::settings::Settings;

    fn read(content: &str) -> Ingested {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("requests.json"), content).unwrap();
        let found = ingest(&[dir.path().to_path_buf()], &Settings::defaults()).unwrap();
        assert!(found.unknown.is_empty() && found.failed.is_empty(), "{:?}", found.unknown);
        found
    }

    const REQUEST: &str = r#"{"id":"r-1","principal":{"principal_arn":"arn:aws:iam::111122223333:role/app","principal_type":"AwsResource"},"timestamp":"2026-01-10T10:00:00+00:00","justification":"debug","requester_email":"ann@corp.example","approvers":[],"request_status":"approved","reviewer":"bob@corp.example","changes":{"changes":[
        {"change_type":"inline_policy","policy_name":"cm_ann_deleteon_20260112","status":"applied","expiration_date":20260112,"policy":{"policy_document":{}}},
        {"change_type":"managed_policy","arn":"arn:aws:iam::aws:policy/ReadOnlyAccess","action":"attach","status":"not_applied"},
        {"change_type":"managed_policy","arn":"arn:aws:iam::aws:policy/X","action":"detach","status":"applied"}]},"comments":[]}"#;

    #[test]
    fn every_adding_change_is_a_grant() {
        let stored =
            format!(r#"{{"request_id":"r-1","status":"approved","extended_request":{REQUEST}}}"#);
        for content in [REQUEST, &format!("[{REQUEST}]"), &stored] {
            let found = read(content);
            let f = &found.facts;
            assert!(f.quarantine.is_empty(), "{:?}", f.quarantine);
            let rows: Vec<_> = f
                .grants
                .iter()
                .map(|g| {
                    (&*g.privilege, g.activated_at_lo.is_some(), g.not_after.map(Time::to_rfc3339))
                })
                .collect();
            assert_eq!(
                rows,
                [
                    ("cm_ann_deleteon_20260112", true, Some("2026-01-13T00:00:00Z".to_owned())),
                    ("ReadOnlyAccess", false, None),
                ]
            );
            let g = &f.grants[0];
            assert_eq!(
                (&*g.beneficiary, g.requester.as_deref()),
                ("arn:aws:iam::111122223333:role/app", Some("ann@corp.example"))
            );
            assert_eq!((g.decision, g.activated_at_hi), (Decision::Approved, None));
            assert_eq!(f.approvals.len(), 2);
            assert!(f.sources[0].limitation.as_deref().unwrap().starts_with("1 changes"));
        }
    }

    #[test]
    fn hostile_requests_cost_themselves_only() {
        let deep = "[".repeat(20_000) + &"]".repeat(20_000);
        let found = read(&format!(
            r#"[{REQUEST},{},{},{},{{"id":{deep}}},null]"#,
            REQUEST.replace("20260112,", "\"2026-é\","),
            REQUEST.replace("\"approved\"", "\"maybe\""),
            REQUEST.replace("2026-01-10T10:00:00+00:00", "then"),
        ));
        assert_eq!(found.facts.grants.len(), 2, "the same request twice is one");
        assert_eq!(found.facts.quarantine.len(), 5, "{:?}", found.facts.quarantine);
    }
}
