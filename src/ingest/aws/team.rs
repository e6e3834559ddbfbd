//! AWS TEAM (Temporary Elevated Access Management for IAM Identity Center): the `requests` records as
//! GraphQL returns them, as a scan of the table prints them, or plain, one per line or in an array.
//!
//! Traps (grants model, section 8): the start is overwritten when access begins; `expired` is a request
//! that nobody answered; `ended` and `revoked` mean that Identity Center accepted the removal, not that it
//! is done (section 4.3: only the lower end is known); `error` may be a grant or a removal that failed; the exported CSV rewrites
//! every state to `approved` and is no ledger.

use super::json::{self, Obj, at, is_account, refuse};
use super::realm;
use crate::facts::identity::SIGN_IN;
use crate::facts::time::parse_duration;
use crate::facts::*;
use crate::ingest::records;
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe};

/// Adapter of AWS TEAM requests.
#[derive(Debug)]
pub struct Team;

/// Ledger system.
const SYSTEM: &str = "aws-team";

impl Adapter for Team {
    fn format(&self) -> &'static str {
        "aws-team"
    }

    fn title(&self) -> &'static str {
        "AWS TEAM elevated access requests (GraphQL, DynamoDB)"
    }

    fn layer(&self) -> Layer {
        Layer::Ledger
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        if !json::is_json(probe) {
            return None;
        }
        let says = |word: &str| json::says(probe, word);
        let fields = || {
            ["\"roleId\"", "\"startTime\"", "\"duration\"", "\"accountId\""].iter().all(|w| says(w))
        };
        let bare = probe.has(&["accountId", "role", "roleId", "startTime", "duration"]);
        let scan = probe.has(&["Items"]) && fields();
        let graphql = probe.has(&["data"]) && fields();
        (bare || scan || graphql).then_some(Match::Specific)
    }

    fn read(
        &self,
        input: &Input,
        _ctx: &Context<'_>,
        batch: &mut Batch,
    ) -> Result<(), IngestError> {
        let mut truncated = false;
        json::documents(input, batch, &mut |place, raw, batch| {
            let whole = match Obj::parse(raw) {
                Ok(o) => o,
                Err(e) => return refuse(batch, place, e),
            };
            truncated |= whole.has("LastEvaluatedKey") || whole.has("nextToken");
            let (list, path) = items(&whole);
            let Some(list) = list else {
                return one(raw, &at(place, ""), batch);
            };
            truncated |= list.1;
            for (i, raw) in list.0.into_iter().enumerate() {
                one(raw, &at(place, &format!("{path}/{i}")), batch);
            }
        })?;
        let key = |a: &Alias| (a.alias.clone(), a.principal_id.clone());
        batch.facts.aliases.sort_by_cached_key(key);
        batch.facts.aliases.dedup_by_key(|a| key(a));
        batch.completeness =
            if truncated { Completeness::Truncated } else { Completeness::Unknown };
        if truncated {
            batch.limitation = Some(text("the export says that further pages follow"));
        }
        Ok(())
    }
}

/// The records of a scan or of a GraphQL answer, whether more follow, and where they are.
fn items<'a>(o: &Obj<'a>) -> (Option<(Vec<&'a str>, bool)>, String) {
    if o.has("Items") {
        return (Some((o.list("Items"), false)), "/Items".to_owned());
    }
    let data = o.obj("data").unwrap_or_default();
    for (key, _) in data.entries() {
        if let Some(list) = data.obj(key).filter(|l| l.has("items")) {
            return (
                Some((list.list("items"), list.has("nextToken"))),
                format!("/data/{key}/items"),
            );
        }
    }
    (None, String::new())
}

/// Value of a field, plain or wrapped as DynamoDB writes it (`{"S": "..."}`).
fn field(o: &Obj<'_>, key: &str) -> Option<String> {
    let raw = o.raw(key)?;
    let plain = match Obj::parse(raw) {
        Ok(typed) => typed.scalar(&["S", "N"])?.into_owned(),
        Err(_) => records::scalar(raw).ok().flatten()?.into_owned(),
    };
    let plain = plain.trim();
    (!plain.is_empty()).then(|| plain.to_owned())
}

fn one(raw: &str, here: &Text, batch: &mut Batch) {
    batch.records += 1;
    let result = Obj::parse(raw).and_then(|o| grant(&o, here, batch).map(|told| (o, told)));
    match result {
        Ok((o, (grant, approval))) => {
            for t in [grant.requested_at, grant.activated_at_lo, grant.ended_at_lo] {
                t.into_iter().for_each(|t| batch.see(t));
            }
            batch.facts.aliases.extend(sign_in(&o, &grant, batch, here));
            batch.facts.approvals.extend(approval);
            batch.facts.grants.push(grant);
        }
        Err(e) => batch.quarantine(here, e),
    }
}

/// Login in the identity store, without the prefix of the sign-in service.
fn login(o: &Obj<'_>) -> Option<String> {
    field(o, "username").map(|u| u.trim_start_matches("idc_").to_owned())
}

/// The name that sessions of Identity Center carry for the person whom the ledger names by an address. A bare
/// name is anybody's elsewhere: the alias is weak, and joins sessions of permission sets only (rule A5).
fn sign_in(o: &Obj<'_>, grant: &Grant, batch: &Batch, here: &Text) -> Option<Alias> {
    let name = login(o).filter(|n| !n.is_empty() && !n.eq_ignore_ascii_case(&grant.beneficiary))?;
    Some(Alias {
        principal_id: grant.beneficiary.clone(),
        alias_type: text(SIGN_IN),
        alias: text(name.to_lowercase()),
        confidence: Confidence::Weak,
        rule: text("A5"),
        source_id: batch.source_id.clone(),
        source_ref: here.clone(),
        ..Alias::default()
    })
}

fn time(o: &Obj<'_>, key: &str) -> Result<Option<Time>, String> {
    match field(o, key) {
        None => Ok(None),
        Some(s) => super::parse_date(&s).map(Some).ok_or_else(|| format!("`{key}` is no time")),
    }
}

fn grant(o: &Obj<'_>, here: &Text, batch: &Batch) -> Result<(Grant, Option<Approval>), String> {
    let need = |key: &str| field(o, key).ok_or_else(|| format!("a request without `{key}`"));
    let id = need("id")?;
    let who =
        field(o, "email").or_else(|| login(o)).ok_or("a request without `email` and `username`")?;
    let account = need("accountId")?;
    if !is_account(&account) {
        return Err("`accountId` is no account number".into());
    }
    let hours = need("duration")?;
    let duration = hours
        .parse::<f64>()
        .ok()
        .and_then(|_| parse_duration(&hours, 3600.0))
        .filter(|s| *s > 0)
        .ok_or("`duration` is no number of hours")?;
    let start = time(o, "startTime")?.ok_or("a request without `startTime`")?;
    let end = time(o, "endTime")?;
    let updated = time(o, "updatedAt")?;
    let revoker = field(o, "revoker");
    let not_after = start.plus_secs(duration);
    let status = need("status")?.to_lowercase();
    let approver = field(o, "approver");
    // Where no approval is asked for, the request goes on without an approver.
    let approved = if approver.is_some() { Decision::Approved } else { Decision::AutoApproved };
    let by = |owner: &str| revoker.as_deref().is_some_and(|r| r.eq_ignore_ascii_case(owner));
    let revoked = if by(&who) { EndKind::RevokedByUser } else { EndKind::RevokedByAdmin };
    // An error at or after the due time, or after somebody revoked, is one of the removal; an earlier
    // one is of the grant. Without the time of the change it can be either.
    let failure = match updated {
        _ if revoker.is_some() => (approved, EndKind::FailedToRevoke, true),
        Some(t) if t >= not_after => (approved, EndKind::FailedToRevoke, true),
        Some(_) => (Decision::Failed, EndKind::Failed, false),
        None => (approved, EndKind::Unknown, true),
    };
    let (decision, end_kind, active) = match status.as_str() {
        "pending" => (Decision::Pending, EndKind::Open, false),
        "approved" | "scheduled" => (approved, EndKind::Open, false),
        "in progress" | "in_progress" => (approved, EndKind::Open, true),
        "ended" => (approved, EndKind::Expired, true),
        "revoked" => (approved, revoked, true),
        "rejected" => (Decision::Denied, EndKind::Unknown, false),
        "cancelled" | "canceled" => (Decision::Withdrawn, EndKind::Withdrawn, false),
        "expired" => (Decision::Lapsed, EndKind::Unknown, false),
        "error" => failure,
        _ => return Err("`status` is none that AWS TEAM has".into()),
    };
    let gone = matches!(status.as_str(), "ended" | "revoked");
    let ended = end.filter(|_| gone);
    let session = field(o, "session_duration").and_then(|s| parse_duration(&s, 3600.0));
    let grant = Grant {
        grant_id: text(&id),
        system: text(SYSTEM),
        platform: Some(text("aws")),
        beneficiary: text(&who),
        beneficiary_kind: Some(PrincipalKind::Human),
        requester: Some(text(&who)),
        privilege: text(need("role")?),
        scope: Some(realm(&account)),
        broker_kind: BrokerKind::Binding,
        requested_at: time(o, "createdAt")?,
        decision,
        not_before: Some(start),
        not_after: Some(not_after),
        duration_requested_s: Some(duration),
        activated_at_lo: active.then_some(start),
        activated_at_hi: active.then_some(start),
        // The removal was accepted then; the service carries it out later and does not say when.
        ended_at_lo: ended,
        ended_at_hi: None,
        end_kind: if gone && end.is_none() { EndKind::Unknown } else { end_kind },
        // Sessions started just before the end live on for their own length.
        residual_until: ended.zip(session).map(|(t, s)| t.plus_secs(s)),
        justification: field(o, "justification").map(text),
        ticket_id: field(o, "ticketNo").map(text),
        session_duration_s: session,
        source_id: batch.source_id.clone(),
        source_ref: here.clone(),
        ..Grant::default()
    };
    let verdict = match decision {
        Decision::Approved => Verdict::Approve,
        Decision::Denied => Verdict::Deny,
        Decision::Lapsed => Verdict::Lapsed,
        _ => Verdict::Unknown,
    };
    let approval = approver.map(|approver| Approval {
        grant_id: Some(text(&id)),
        approver: Some(text(approver)),
        verdict,
        method: ApprovalMethod::Human,
        privilege: Some(grant.privilege.clone()),
        scope: grant.scope.clone(),
        source_id: batch.source_id.clone(),
        source_ref: here.clone(),
        ..Approval::default()
    });
    Ok((grant, approval))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::{Ingested, ingest};
    use crate::settings::Settings;

    fn read(content: &str) -> Ingested {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("requests.json"), content).unwrap();
        let found = ingest(&[dir.path().to_path_buf()], &Settings::defaults()).unwrap();
        assert!(found.unknown.is_empty() && found.failed.is_empty(), "{:?}", found.unknown);
        assert_eq!(&*found.facts.sources[0].format, "aws-team");
        found
    }

    fn request(status: &str, more: &str) -> String {
        format!(
            r#"{{"id":"{status}","email":"ann@corp.example","username":"idc_ann","accountId":"111122223333","accountName":"prod","role":"Admin","roleId":"arn:aws:sso:::permissionSet/ssoins-1/ps-1","startTime":"2026-01-01T10:00:00.000Z","duration":"2","justification":"fix","ticketNo":"INC-7","status":"{status}","session_duration":"PT1H","createdAt":"2026-01-01T09:50:00.000Z"{more}}}"#
        )
    }

    const DONE: &str = r#","approver":"bob@corp.example","endTime":"2026-01-01T12:00:05.000Z","updatedAt":"2026-01-01T12:00:05.000Z""#;

    #[test]
    fn what_each_status_means() {
        let late = r#","approver":"bob@corp.example","updatedAt":"2026-01-01T12:00:03.000Z""#;
        let early = r#","approver":"bob@corp.example","updatedAt":"2026-01-01T10:00:03.000Z""#;
        let own = r#","approver":"bob@corp.example","revoker":"Ann@corp.example","endTime":"2026-01-01T11:00:00Z""#;
        for (status, more, decision, end, active) in [
            ("pending", "", "pending", "open", false),
            ("scheduled", "", "auto_approved", "open", false),
            ("in progress", early, "approved", "open", true),
            ("ended", DONE, "approved", "expired", true),
            ("ended", "", "auto_approved", "unknown", true),
            ("revoked", own, "approved", "revoked_by_user", true),
            ("rejected", early, "denied", "unknown", false),
            ("cancelled", "", "withdrawn", "withdrawn", false),
            ("expired", "", "lapsed", "unknown", false),
            ("error", late, "approved", "failed_to_revoke", true),
            ("error", early, "failed", "failed", false),
        ] {
            let found = read(&request(status, more));
            let g = &found.facts.grants[0];
            assert_eq!(
                (g.decision.as_str(), g.end_kind.as_str(), g.activated_at_lo.is_some()),
                (decision, end, active),
                "{status}"
            );
            assert_eq!(g.ended_at_lo.is_some(), matches!(end, "expired" | "revoked_by_user"));
        }
    }

    #[test]
    fn the_record_in_its_three_wrappings() {
        let plain = request("ended", DONE);
        let typed: serde_json::Value = {
            let o: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(&plain).unwrap();
            o.into_iter().map(|(k, v)| (k, serde_json::json!({ "S": v }))).collect()
        };
        let scan =
            format!(r#"{{"Items":[{typed}],"Count":1,"LastEvaluatedKey":{{"id":{{"S":"x"}}}}}}"#);
        let graphql =
            format!(r#"{{"data":{{"listRequests":{{"items":[{plain}],"nextToken":null}}}}}}"#);
        for (content, truncated) in [(&plain, false), (&graphql, false), (&scan, true)] {
            let found = read(content);
            let f = &found.facts;
            assert!(f.quarantine.is_empty(), "{:?}", f.quarantine);
            let g = &f.grants[0];
            assert_eq!((&*g.privilege, g.scope.as_deref()), ("Admin", Some("aws:111122223333")));
            assert_eq!(g.not_after.unwrap().to_rfc3339(), "2026-01-01T12:00:00Z");
            assert_eq!(g.residual_until.unwrap().to_rfc3339(), "2026-01-01T13:00:05Z");
            assert_eq!((g.ticket_id.as_deref(), g.session_duration_s), (Some("INC-7"), Some(3600)));
            let a = &f.approvals[0];
            assert_eq!(
                (a.approver.as_deref(), a.verdict),
                (Some("bob@corp.example"), Verdict::Approve)
            );
            assert_eq!(f.sources[0].completeness == Completeness::Truncated, truncated);
        }
    }

    #[test]
    fn a_removal_that_was_accepted_has_no_latest_end() {
        let found = read(&request("ended", DONE));
        let g = &found.facts.grants[0];
        assert_eq!(g.ended_at_lo.unwrap().to_rfc3339(), "2026-01-01T12:00:05Z");
        assert_eq!((g.ended_at_hi, g.end_kind), (None, EndKind::Expired));
    }

    #[test]
    fn hostile_records_cost_themselves_only() {
        let deep = "[".repeat(20_000) + &"]".repeat(20_000);
        let good = request("ended", DONE);
        let found = read(&format!(
            r#"[{good},{},{},{},{{"id":{deep}}},null,7]"#,
            request("sideways", ""),
            good.replace("\"duration\":\"2\"", "\"duration\":\"1e999\""),
            good.replace("111122223333", "x"),
        ));
        assert_eq!(found.facts.grants.len(), 1);
        assert_eq!(found.facts.quarantine.len(), 6, "{:?}", found.facts.quarantine);
    }
}
