//! sso-elevator: the audit entries that it writes, one JSON object per operation (one file each, or many
//! in one file).
//!
//! An entry of a removal names no grant but, sometimes, the request; else it belongs to the latest open
//! grant of the same person, role and account (grants model, section 8). Files of one run are joined
//! when all are read.

use std::collections::{BTreeMap, BTreeSet};

use super::json::{self, Obj, at, is_account};
use super::realm;
use crate::facts::*;
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe};

/// Adapter of sso-elevator's audit entries.
#[derive(Debug)]
pub struct SsoElevator;

/// Format id, and ledger system.
const FORMAT: &str = "aws-sso-elevator";

/// Mark of a removal on its way to [`finish`].
const REMOVAL: &str = "removal";

impl Adapter for SsoElevator {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn title(&self) -> &'static str {
        "sso-elevator audit entries (grant, revoke, group synchronisation)"
    }

    fn layer(&self) -> Layer {
        Layer::Ledger
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        (json::is_json(probe)
            && probe.has(&["operation_type", "permission_duration", "requester_email"]))
        .then_some(Match::Specific)
    }

    fn read(
        &self,
        input: &Input,
        _ctx: &Context<'_>,
        batch: &mut Batch,
    ) -> Result<(), IngestError> {
        let mut observed = 0usize;
        json::documents(input, batch, &mut |place, raw, batch| {
            let here = at(place, "");
            batch.records += 1;
            match Obj::parse(raw).and_then(|o| entry(&o, &here, batch)) {
                Ok(true) => {}
                Ok(false) => observed += 1,
                Err(e) => batch.quarantine(&here, e),
            }
        })?;
        if observed > 0 {
            batch.limitation = Some(text(format!(
                "{observed} entries tell of assignments that were found, not of grants"
            )));
        }
        Ok(())
    }
}

/// A field; `NA` is how the tool writes that it has none.
fn field(o: &Obj<'_>, key: &str) -> Option<String> {
    o.scalar(&[key]).map(|s| s.trim().to_owned()).filter(|s| s != "NA" && !s.is_empty())
}

/// Reads an entry; `false` for one that tells of no grant.
fn entry(o: &Obj<'_>, here: &Text, batch: &mut Batch) -> Result<bool, String> {
    let operation = field(o, "operation_type").ok_or("an entry without `operation_type`")?;
    let (gives, sync) = match operation.as_str() {
        "grant" => (true, false),
        "sync_add" => (true, true),
        "revoke" => (false, false),
        "sync_remove" => (false, true),
        "manual_detected" => return Ok(false),
        _ => return Err("`operation_type` is none that sso-elevator has".into()),
    };
    // `time` has no zone; `timestamp` counts milliseconds of UTC.
    let millis = o.int("timestamp").filter(|n| (0..253_402_300_800_000).contains(n));
    let when = millis.map(|ms| Time::from_micros(ms * 1000)).ok_or("`timestamp` is no time")?;
    let requester = field(o, "requester_email");
    let principal = field(o, "sso_user_principal_id");
    let who = principal
        .as_deref()
        .map(|id| format!("arn:aws:identitystore:::user/{id}"))
        .or_else(|| requester.clone().filter(|_| gives))
        .or_else(|| requester.clone())
        .ok_or("an entry without `sso_user_principal_id` and `requester_email`")?;
    let account = field(o, "account_id").filter(|a| is_account(a));
    let privilege = match (field(o, "role_name"), field(o, "group_name").or(field(o, "group_id"))) {
        (Some(role), _) if account.is_some() => role,
        (_, Some(group)) => format!("group:{group}"),
        _ => return Err("an entry without role and account, and without group".into()),
    };
    let request = field(o, "request_id");
    let duration = match field(o, "permission_duration") {
        None => None,
        Some(s) => Some(
            s.parse::<i64>()
                .ok()
                .filter(|n| (1..=31_536_000_000).contains(n))
                .ok_or("`permission_duration` is no number of seconds")?,
        ),
    };
    batch.see(when);
    let id = request.clone().unwrap_or_else(|| format!("{}:{who}:{privilege}", when.to_rfc3339()));
    let mut g = Grant {
        grant_id: text(&id),
        system: text(FORMAT),
        platform: Some(text("aws")),
        beneficiary: text(&who),
        beneficiary_kind: Some(PrincipalKind::Human),
        requester: requester.as_deref().map(text),
        privilege: text(privilege),
        scope: account.as_deref().map(realm),
        broker_kind: BrokerKind::Binding,
        justification: field(o, "reason").map(text),
        source_id: batch.source_id.clone(),
        source_ref: here.clone(),
        ..Grant::default()
    };
    let approver = field(o, "approver_email");
    if !gives {
        g.grant_kind = Some(text(REMOVAL));
        g.task_ref = request.map(text);
        g.ended_at_lo = Some(when);
        g.ended_at_hi = Some(when);
        let scheduled = g.justification.as_deref().is_some_and(|r| r.contains("scheduled"));
        g.end_kind = match (sync, scheduled, &requester) {
            (true, ..) => EndKind::RevokedBySystem,
            (_, true, _) => EndKind::Expired,
            (_, _, Some(_)) if principal.is_none() => EndKind::RevokedByUser,
            _ => EndKind::Unknown,
        };
        batch.facts.grants.push(g);
        return Ok(true);
    }
    g.decision = if sync { Decision::AutoApproved } else { Decision::Approved };
    g.decided_at = Some(when);
    g.not_before = Some(when);
    g.activated_at_lo = Some(when);
    g.activated_at_hi = Some(when);
    g.duration_requested_s = duration;
    g.not_after = duration.map(|s| when.plus_secs(s));
    g.end_kind = if duration.is_none() { EndKind::Open } else { EndKind::Unknown };
    if sync {
        g.grant_kind = Some(text("synchronised"));
    }
    if let Some(approver) = approver {
        batch.facts.approvals.push(Approval {
            grant_id: Some(g.grant_id.clone()),
            approver: Some(text(approver)),
            verdict: Verdict::Approve,
            at: Some(when),
            method: ApprovalMethod::Human,
            privilege: Some(g.privilege.clone()),
            scope: g.scope.clone(),
            source_id: batch.source_id.clone(),
            source_ref: here.clone(),
            ..Approval::default()
        });
    }
    batch.facts.grants.push(g);
    Ok(true)
}

/// Person, privilege and scope: what a removal shares with its grant.
type Access = (Text, Text, Option<Text>);

fn access(g: &Grant) -> Access {
    (g.beneficiary.clone(), g.privilege.clone(), g.scope.clone())
}

/// Gives each grant its removal, and folds a grant that was approved twice. Called once with all facts
/// of a run.
pub fn finish(facts: &mut Facts) {
    let mine = |g: &Grant| &*g.system == FORMAT;
    if !facts.grants.iter().any(mine) {
        return;
    }
    let (entries, rest): (Vec<Grant>, Vec<Grant>) =
        std::mem::take(&mut facts.grants).into_iter().partition(mine);
    facts.grants = rest;
    let (mut removals, mut grants): (Vec<Grant>, Vec<Grant>) =
        entries.into_iter().partition(|g| g.grant_kind.as_deref() == Some(REMOVAL));
    grants.sort_by(|a, b| (a.not_before, &a.grant_id).cmp(&(b.not_before, &b.grant_id)));
    // A second approval of one request starts nothing new.
    let mut seen: BTreeSet<(Text, Access)> = BTreeSet::new();
    grants.retain(|g| seen.insert((g.grant_id.clone(), access(g))));
    removals.sort_by_key(|g| g.ended_at_lo);
    let mut of: BTreeMap<Access, Vec<usize>> = BTreeMap::new();
    let mut by_request: BTreeMap<Text, usize> = BTreeMap::new();
    for (i, g) in grants.iter().enumerate() {
        of.entry(access(g)).or_default().push(i);
        by_request.insert(g.grant_id.clone(), i);
    }
    for r in removals {
        let open = |i: &usize| {
            grants.get(*i).is_some_and(|g| g.ended_at_lo.is_none() && g.not_before <= r.ended_at_lo)
        };
        let named = r.task_ref.as_ref().and_then(|id| by_request.get(id)).copied();
        let found = match named {
            Some(i) => Some(i).filter(|i| open(i)),
            None => of.get(&access(&r)).and_then(|l| l.iter().rev().copied().find(|i| open(i))),
        };
        // One assignment serves all grants of it: its removal ends them all.
        let also: Vec<usize> = of
            .get(&access(&r))
            .into_iter()
            .flatten()
            .copied()
            .filter(|i| named.is_none() && Some(*i) != found && open(i))
            .collect();
        match found {
            Some(i) => {
                for i in also.into_iter().chain([i]) {
                    let Some(g) = grants.get_mut(i) else { continue };
                    g.ended_at_lo = r.ended_at_lo;
                    g.ended_at_hi = r.ended_at_hi;
                    g.end_kind = r.end_kind;
                }
            }
            None => facts.grant_events.push(GrantEvent {
                kind: EventKind::Revoked,
                occurred_at: r.ended_at_lo.unwrap_or_default(),
                actor: r.requester,
                reason: Some(text("a removal whose grant is in no input")),
                source_id: r.source_id,
                source_ref: r.source_ref,
                ..GrantEvent::default()
            }),
        }
    }
    facts.grants.append(&mut grants);
}

#[cfg(test)]
mod tests {
    use crate::ingest::{Ingested, ingest};
    use crate::settings::Settings;

    fn read(files: &[(&str, String)]) -> Ingested {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(dir.path().join(name), content).unwrap();
        }
        let found = ingest(&[dir.path().to_path_buf()], &Settings::defaults()).unwrap();
        assert!(found.unknown.is_empty() && found.failed.is_empty(), "{:?}", found.unknown);
        found
    }

    /// An entry with the fields that the tool writes.
    fn entry(operation: &str, second: i64, request: &str, duration: &str, reason: &str) -> String {
        format!(
            r#"{{"reason":"{reason}","operation_type":"{operation}","permission_duration":"{duration}","sso_user_principal_id":"u-1","audit_entry_type":"account","version":1,"role_name":"Admin","account_id":"111122223333","requester_slack_id":"U1","requester_email":"ann@corp.example","request_id":"{request}","approver_slack_id":"U2","approver_email":"bob@corp.example","group_name":"NA","group_id":"NA","group_membership_id":"NA","time":"2026-01-01 10:00:00.000000","timestamp":{}}}"#,
            (1_767_261_600 + second) * 1000
        )
    }

    #[test]
    fn removals_find_their_grants_across_files() {
        let found = read(&[
            ("1.json", entry("revoke", 3605, "NA", "NA", "scheduled_revocation")),
            ("2.json", entry("grant", 0, "r-1", "3600", "fix")),
            // The same request, approved a second time.
            ("3.json", entry("grant", 20, "r-1", "3600", "fix")),
            ("4.json", entry("grant", 9000, "NA", "1800", "again")),
            ("5.json", entry("manual_detected", 9001, "NA", "NA", "")),
        ]);
        let f = &found.facts;
        assert!(f.quarantine.is_empty(), "{:?}", f.quarantine);
        let rows: Vec<_> = f
            .grants
            .iter()
            .map(|g| {
                let end = g.ended_at_lo.map(|t| t.secs() - 1_767_261_600);
                (g.not_after.unwrap().secs() - 1_767_261_600, end, g.end_kind.as_str())
            })
            .collect();
        assert_eq!(rows, [(3600, Some(3605), "expired"), (10_800, None, "unknown")]);
        let g = &f.grants[0];
        assert_eq!(
            (&*g.beneficiary, g.requester.as_deref()),
            ("arn:aws:identitystore:::user/u-1", Some("ann@corp.example"))
        );
        assert_eq!((&*g.privilege, g.scope.as_deref()), ("Admin", Some("aws:111122223333")));
        assert!(f.grant_events.is_empty());
        let limit = f.sources.iter().find_map(|s| s.limitation.as_deref()).unwrap();
        assert!(limit.starts_with("1 entries"), "{limit}");
    }

    #[test]
    fn one_removal_ends_all_grants_of_one_assignment() {
        let lines = [
            entry("grant", 0, "NA", "7200", "a"),
            entry("grant", 600, "NA", "3600", "b"),
            entry("revoke", 4200, "NA", "NA", "scheduled_revocation"),
            entry("revoke", 7200, "NA", "NA", "scheduled_revocation"),
        ];
        let found = read(&[("audit.ndjson", lines.join("\n"))]);
        let ends: Vec<_> =
            found.facts.grants.iter().map(|g| g.ended_at_lo.unwrap().secs()).collect();
        assert_eq!(ends, [1_767_265_800, 1_767_265_800], "the first expiry removes both");
        assert_eq!(found.facts.grant_events.len(), 1, "the second finds nothing");
    }

    #[test]
    fn hostile_entries_cost_themselves_only() {
        let good = entry("grant", 0, "r", "60", "x");
        let found = read(&[(
            "a.ndjson",
            [
                good.clone(),
                good.replace("\"60\"", "\"-5\""),
                good.replace("\"grant\"", "\"x\""),
                good.replace("1767261600000", "99999999999999999999"),
                "{".into(),
                "[[[]]]".into(),
            ]
            .join("\n"),
        )]);
        assert_eq!(found.facts.grants.len(), 1);
        assert_eq!(found.facts.quarantine.len(), 5, "{:?}", found.facts.quarantine);
    }
}
