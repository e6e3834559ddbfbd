//! Real samples of ledgers through the driver, with the interpretation that their README or the field
//! table of the specification states, and the traps of that table.

use super::*;
use crate::facts::cell::Word;
use crate::facts::time::parse_rfc3339;
use crate::facts::*;

fn t(s: &str) -> Option<Time> {
    Some(parse_rfc3339(s).unwrap())
}

fn sample(path: &str) -> Ingested {
    let found = ingest(&[shared(path)], &Settings::defaults()).unwrap();
    assert!(
        found.unknown.is_empty() && found.failed.is_empty(),
        "{path}: {:?} {:?}",
        found.unknown,
        found.failed
    );
    assert_eq!(found.facts.sources.len(), 1, "{path}");
    balanced(&found);
    found
}

fn balanced(found: &Ingested) {
    for s in &found.facts.sources {
        assert_eq!(s.records, s.accepted + s.quarantined, "{}: a record was lost", s.file);
    }
}

fn one(name: &str, content: &str) -> Ingested {
    let found = read(&[(name, content.as_bytes())]);
    assert!(
        found.unknown.is_empty() && found.failed.is_empty(),
        "{:?} {:?}",
        found.unknown,
        found.failed
    );
    balanced(&found);
    found
}

fn format(found: &Ingested) -> &str {
    &found.facts.sources[0].format
}

fn grant<'a>(found: &'a Ingested, beneficiary: &str) -> &'a Grant {
    let mut all = found.facts.grants.iter().filter(|g| &*g.beneficiary == beneficiary);
    let g = all.next().unwrap_or_else(|| panic!("no grant of {beneficiary}"));
    assert!(all.next().is_none(), "several grants of {beneficiary}");
    g
}

/// Decision and end of a grant.
fn fate(g: &Grant) -> (&'static str, &'static str) {
    (g.decision.word(), g.end_kind.word())
}

fn kinds(found: &Ingested) -> Vec<&'static str> {
    let mut all: Vec<_> = found.facts.grant_events.iter().collect();
    all.sort_by_key(|e| (e.occurred_at, e.kind));
    all.iter().map(|e| e.kind.word()).collect()
}

fn loose(found: &Ingested) -> usize {
    found.facts.grant_events.iter().filter(|e| e.grant_id.is_none()).count()
}

#[test]
fn gcp_pam_a_revoked_grant() {
    let found = sample("grants/gcp_pam/grant_revoked.json");
    assert_eq!(format(&found), "gcp-pam-grants");
    let g = grant(&found, "cruz@example.com");
    assert_eq!(
        (&*g.privilege, g.scope.as_deref()),
        ("roles/storage.admin", Some("projects/my-project"))
    );
    assert_eq!(fate(g), ("approved", "revoked_by_user"));
    assert_eq!(g.justification.as_deref(), Some("Renaming a file to mitigate issue #312"));
    assert_eq!(g.activated_at_lo, t("2024-04-05T00:29:16.703069Z"));
    // Activation and 2,700 s.
    assert_eq!(g.not_after, t("2024-04-05T01:14:16.703069Z"));
    assert_eq!(
        (g.ended_at_lo, g.ended_at_hi),
        (t("2024-04-05T00:29:55.815041Z"), t("2024-04-05T00:29:55.815041Z"))
    );
    assert_eq!(g.request_expires_at, t("2024-04-06T00:27:44.014277Z"));
    // The array lists the approval before the scheduling that came 59 microseconds earlier.
    assert_eq!(kinds(&found), ["requested", "scheduled", "approved", "activated", "revoked"]);
    let a = &found.facts.approvals[0];
    assert_eq!((a.approver.as_deref(), a.verdict), (Some("alex@example.com"), Verdict::Approve));
}

#[test]
fn gcp_pam_ended_and_externally_modified() {
    let found = sample("gcp/shape/pam_grants.json");
    let [a, b] = &found.facts.grants[..] else { panic!("{:?}", found.facts.grants) };
    assert_eq!(fate(a), ("approved", "expired"));
    assert_eq!(a.not_after, t("2026-06-01T12:00:00Z"));
    // Its timeline was cut: without a request in it, a missing approval says nothing.
    assert_eq!(fate(b), ("unknown", "expired"));
    assert!(b.externally_modified);
    assert_eq!(b.requested_at, t("2026-06-10T09:58:00Z"));
    assert_eq!(b.grant_kind.as_deref(), Some("conditional"));
}

fn pam(state: &str, events: &str) -> String {
    format!(
        r#"[{{"name":"projects/p/locations/global/entitlements/e/grants/g","createTime":"2026-01-01T00:00:00Z","requester":"a@x.y","requestedDuration":"3600s","state":"{state}","privilegedAccess":{{"gcpIamAccess":{{"resource":"//cloudresourcemanager.googleapis.com/projects/p","roleBindings":[{{"role":"roles/x"}}]}}}},"timeline":{{"events":[{events}]}}}}]"#
    )
}

#[test]
fn gcp_pam_words_mean_what_they_mean_there() {
    let requested =
        r#"{"eventTime":"2026-01-01T00:00:00Z","requested":{"expireTime":"2026-01-02T00:00:00Z"}}"#;
    let after =
        |what: &str| format!(r#"{requested},{{"eventTime":"2026-01-01T00:05:00Z",{what}}}"#);
    for (state, events, want) in [
        // The request lapsed; no access was ever given.
        ("EXPIRED", after(r#""expired":{}"#), ("lapsed", "unknown")),
        ("DENIED", after(r#""denied":{"actor":"b@x.y"}"#), ("denied", "unknown")),
        ("WITHDRAWN", after(r#""withdrawn":{}"#), ("withdrawn", "withdrawn")),
        (
            "ACTIVATION_FAILED",
            after(r#""activationFailed":{"error":{"message":"no"}}"#),
            ("failed", "failed"),
        ),
        ("APPROVAL_AWAITED", requested.to_owned(), ("pending", "unknown")),
        // Nobody was asked, and the timeline is whole.
        ("ACTIVE", after(r#""activated":{}"#), ("auto_approved", "open")),
    ] {
        let found = one("g.json", &pam(state, &events));
        assert_eq!(fate(grant(&found, "a@x.y")), want, "{state}");
    }
    let found = one("g.json", &pam("NEW_WORD", requested));
    assert!(found.facts.grants.is_empty());
    assert!(quarantine(&found)[0].1.contains("NEW_WORD"));
    // Several roles are several grants.
    let two = pam("ACTIVE", &after(r#""activated":{}"#))
        .replace(r#"{"role":"roles/x"}"#, r#"{"role":"roles/x"},{"role":"roles/y"}"#);
    let found = one("g.json", &two);
    let roles: Vec<_> = found.facts.grants.iter().map(|g| &*g.privilege).collect();
    assert_eq!(roles, ["roles/x", "roles/y"]);
}

#[test]
fn gcp_pam_audit_log_of_one_grant() {
    // Built after the audit reference of the service: no sample of the log is published.
    let name = |project: &str| {
        format!(
            "{project}/locations/global/entitlements/e/grants/0f8fad5b-d9cb-469f-a165-70867728950e"
        )
    };
    let (id, number) = (name("projects/p"), name("projects/123"));
    let entry = |time: &str, method: &str, rest: &str| {
        format!(
            r#"{{"protoPayload":{{"serviceName":"privilegedaccessmanager.googleapis.com","methodName":"{method}"{rest}}},"timestamp":"{time}"}}"#
        )
    };
    let who = |who: &str| format!(r#","authenticationInfo":{{"principalEmail":"{who}"}}"#);
    let long = "google.cloud.privilegedaccessmanager.v1alpha.PrivilegedAccessManager";
    let response = format!(
        r#","response":{{"name":"{id}","requester":"a@x.y","requestedDuration":"3600s","state":"APPROVAL_AWAITED","privilegedAccess":{{"gcpIamAccess":{{"resource":"//cloudresourcemanager.googleapis.com/projects/p","roleBindings":[{{"role":"roles/x"}}]}}}}}}"#
    );
    let mut lines = [
        entry("2026-01-01T00:00:00Z", &format!("{long}.CreateGrant"), &(response + &who("a@x.y"))),
        entry("2026-01-01T00:01:00Z", &format!("{long}.ApproveGrant"), &(format!(r#","resourceName":"{id}""#) + &who("b@x.y"))),
        // The system event names the project by number and has no principal.
        entry("2026-01-01T00:01:02Z", "PAMActivateGrant", &format!(r#","resourceName":"{number}""#)),
        entry("2026-01-01T00:10:00Z", &format!("{long}.RevokeGrant"), &(format!(r#","resourceName":"{id}""#) + &who("b@x.y"))).replace(r#""timestamp""#, r#""operation":{"id":"o","first":true},"timestamp""#),
        entry("2026-01-01T00:10:02Z", &format!("{long}.RevokeGrant"), &(format!(r#","resourceName":"{id}""#) + &who("b@x.y"))).replace(r#""timestamp""#, r#""operation":{"id":"o","last":true},"timestamp""#),
        entry("2026-01-01T00:10:02Z", &format!("{long}.ListGrants"), ""),
        r#"{"protoPayload":{"serviceName":"storage.googleapis.com","methodName":"x"},"timestamp":"2026-01-01T00:00:00Z"}"#.to_owned(),
    ];
    let want = one("log.ndjson", &lines.join("\n"));
    assert_eq!(format(&want), "gcp-pam-audit");
    let g = grant(&want, "a@x.y");
    assert_eq!(fate(g), ("approved", "revoked_by_user"));
    assert_eq!(g.activated_at_lo, t("2026-01-01T00:01:02Z"));
    // Accepted first, done two seconds later: two facts, a pair.
    assert_eq!(
        (g.ended_at_lo, g.ended_at_hi),
        (t("2026-01-01T00:10:00Z"), t("2026-01-01T00:10:02Z"))
    );
    assert_eq!(g.revoke_requested_at, t("2026-01-01T00:10:00Z"));
    assert!(want.facts.sources[0].limitation.as_deref().unwrap().contains("other services"));
    lines.reverse();
    assert_eq!(one("log.ndjson", &lines.join("\n")).facts.grants[0].ended_at_hi, g.ended_at_hi);
}

#[test]
fn jit_groups_the_user_is_in_the_message_and_the_end_in_a_label() {
    // Built after the fields that the source of the application writes: no sample is published.
    let entry = |time: &str, event: &str, message: &str, expiry: &str| {
        format!(
            r#"{{"jsonPayload":{{"message":"{message}"}},"labels":{{"event/id":"{event}","event/type":"audit","group/id":"prod.db.admins"{expiry},"join/input/ticket":"CASE-7"}},"timestamp":"{time}"}}"#
        )
    };
    let expiry = |t: &str| format!(r#","group/expiry":"{t}""#);
    let log = [
        entry("2026-01-01T00:00:00Z", "api.groups.join", "User 'ann@x.y' asked to join", ""),
        entry(
            "2026-01-01T00:05:00Z",
            "api.groups.approve",
            "User 'bob@x.y' approved 'ann@x.y'",
            &expiry("2026-01-01T01:05:00Z"),
        ),
        // Extended while it ran, and later joined anew: the log has no ends.
        entry(
            "2026-01-01T00:30:00Z",
            "api.groups.join",
            "User 'ann@x.y' joined",
            &expiry("2026-01-01T02:00:00Z"),
        ),
        entry(
            "2026-01-03T00:00:00Z",
            "api.groups.join",
            "User 'ann@x.y' joined",
            &expiry("2026-01-03T01:00:00Z"),
        ),
        entry("2026-01-03T02:00:00Z", "api.groups.constraintFailed", "User 'eve@x.y' failed", ""),
        entry("2026-01-03T02:00:00Z", "api.groups.join", "somebody joined", ""),
    ]
    .join("\n");
    let found = one("log.ndjson", &log);
    assert_eq!(format(&found), "jit-groups-audit");
    let g = &found.facts.grants;
    assert_eq!(g.len(), 2, "{g:#?}");
    assert_eq!(fate(&g[0]), ("approved", "unknown"));
    assert_eq!((g[0].n_extensions, g[0].not_after), (1, t("2026-01-01T02:00:00Z")));
    assert_eq!(g[0].justification.as_deref(), Some("ticket=CASE-7"));
    assert_eq!(
        (g[1].activated_at_lo, g[1].not_after),
        (t("2026-01-03T00:00:00Z"), t("2026-01-03T01:00:00Z"))
    );
    assert_eq!(found.facts.approvals[0].approver.as_deref(), Some("bob@x.y"));
    assert_eq!(quarantine(&found).len(), 1);
    assert!(quarantine(&found)[0].1.contains("names no user"));
    let raw = r#"{"message":"User a@x.y","logging.googleapis.com/labels":{"event/id":"api.groups.join","group/id":"g"}}"#;
    let found = one("raw.json", raw);
    assert!(quarantine(&found)[0].1.contains("Cloud Logging"), "{:?}", quarantine(&found));
}

#[test]
fn entra_pim_requests_in_both_spellings() {
    let found = sample("grants/entra_pim/graph_role_assignment_schedule_requests.json");
    assert_eq!(format(&found), "entra-pim-requests");
    let g = &found.facts.grants[0];
    // Assigned by an administrator, for ever: a standing grant in the ledger.
    assert_eq!((g.not_after, g.grant_kind.as_deref()), (None, Some("assignment")));
    assert_eq!(fate(g), ("unknown", "unknown"));
    assert_eq!((g.platform.as_deref(), g.scope.as_deref()), (Some("entra"), Some("entra")));
    assert_eq!(g.requester.as_deref(), Some("3fbd929d-8c56-4462-851e-0eb9a7b3a2a5"));
    assert_eq!(
        (g.activated_at_lo, g.activated_at_hi),
        (t("2022-04-11T11:50:05.999934Z"), t("2022-04-11T11:50:06Z"))
    );

    let found = sample("grants/entra_pim/arm_role_assignment_schedule_requests.json");
    let g = &found.facts.grants[0];
    assert_eq!((&*g.privilege, g.platform.as_deref()), ("Contributor", Some("azure")));
    assert_eq!(g.scope.as_deref(), Some("/subscriptions/dfa2a084-766f-4003-8ae1-c4aeb893a99f"));
    // Activated by whoever is eligible; no approval was asked for.
    assert_eq!(fate(g).0, "auto_approved");
    assert_eq!((g.duration_requested_s, g.not_after), (Some(28_800), t("2020-09-10T05:35:27.91Z")));
}

#[test]
fn entra_pim_requests_for_one_schedule_are_one_grant() {
    let r = |id: &str, action: &str, status: &str, created: &str, end: &str, more: &str| {
        format!(
            r#"{{"id":"{id}","action":"{action}","status":"{status}","createdDateTime":"{created}","completedDateTime":"{created}","principalId":"p","roleDefinitionId":"r","directoryScopeId":"/","targetScheduleId":"s1","createdBy":{{"user":{{"id":"p"}}}},"scheduleInfo":{{"startDateTime":"2026-01-01T08:00:00Z","expiration":{{"type":"afterDateTime","endDateTime":"{end}"}}}}{more}}}"#
        )
    };
    let page = |rows: &[String]| format!(r#"{{"value":[{}]}}"#, rows.join(","));
    let start = r(
        "a",
        "selfActivate",
        "Provisioned",
        "2026-01-01T08:00:00Z",
        "2026-01-01T12:00:00Z",
        r#","approvalId":"ap1","ticketInfo":{"ticketNumber":"CHG-1","ticketSystem":"snow"}"#,
    );
    let found = one(
        "r.json",
        &page(&[
            r("c", "selfDeactivate", "Revoked", "2026-01-01T13:00:00Z", "2026-01-01T13:00:00Z", ""),
            r("b", "selfExtend", "Provisioned", "2026-01-01T11:00:00Z", "2026-01-01T16:00:00Z", ""),
            start.clone(),
            r(
                "v",
                "selfActivate",
                "Provisioned",
                "2026-01-02T08:00:00Z",
                "2026-01-02T12:00:00Z",
                r#","isValidationOnly":true"#,
            ),
        ]),
    );
    let g = grant(&found, "p");
    assert_eq!(fate(g), ("approved", "revoked_by_owner"));
    assert_eq!((g.n_extensions, g.not_after), (1, t("2026-01-01T16:00:00Z")));
    assert_eq!(g.ended_at_lo, t("2026-01-01T13:00:00Z"));
    assert_eq!((g.ticket_id.as_deref(), g.ticket_system.as_deref()), (Some("CHG-1"), Some("snow")));
    assert!(
        found.facts.sources[0].limitation.as_deref().unwrap().contains("1 records are validations")
    );
    for (status, want) in [
        ("PendingApproval", ("pending", "unknown")),
        ("Denied", ("denied", "unknown")),
        ("TimedOut", ("lapsed", "unknown")),
        ("Canceled", ("withdrawn", "withdrawn")),
        ("FailedAsResourceIsLocked", ("failed", "failed")),
        ("Revoked", ("approved", "revoked_by_admin")),
    ] {
        let found = one("r.json", &page(&[start.replace("Provisioned", status)]));
        assert_eq!(fate(grant(&found, "p")), want, "{status}");
    }
    let found = one("r.json", &page(&[start.replace("Provisioned", "Fancy")]));
    assert!(quarantine(&found)[0].1.contains("Fancy"));
    assert_eq!(quarantine(&found)[0].0, "/value/0");
    // A removal that failed leaves access in doubt.
    let failed =
        r("c", "adminRemove", "Failed", "2026-01-01T13:00:00Z", "2026-01-01T13:00:00Z", "");
    let found = one("r.json", &page(&[start, failed]));
    assert_eq!(fate(grant(&found, "p")), ("approved", "failed_to_revoke"));
}

#[test]
fn entra_pim_instances_are_state() {
    let found = sample("grants/entra_pim/graph_role_assignment_schedule_instances.json");
    assert_eq!(
        (format(&found), found.facts.sources[0].layer),
        ("entra-pim-instances", Layer::State)
    );
    assert!(found.facts.grants.is_empty());
    let e = &found.facts.entitlements;
    assert_eq!(e.len(), 2);
    // Permanent: no begin, no end, and not temporary by its own word.
    assert!(
        e.iter()
            .all(|e| (e.bound_at_lo, e.not_after, e.says_temporary) == (None, None, Some(false)))
    );

    let found = sample("grants/entra_pim/arm_role_assignment_schedule_instances.json");
    let e = &found.facts.entitlements[0];
    // `Assigned` with a link to an eligible assignment and an end contradicts itself.
    assert_eq!(e.says_temporary, None);
    assert_eq!(
        (e.bound_at_lo, e.not_after),
        (t("2020-09-09T21:35:27.91Z"), t("2020-09-10T05:35:17.91Z"))
    );
    assert_eq!((&*e.privilege, e.scope_rank), ("Contributor", Some(2)));
    assert!(e.origin_hint.as_deref().unwrap().contains("linked to an eligible"));

    let found = sample("azure/shape/pim_roleAssignmentScheduleInstances.json");
    let says: Vec<_> = found.facts.entitlements.iter().map(|e| e.says_temporary).collect();
    assert_eq!(says, [Some(false), Some(true), Some(true)]);
    for path in [
        "azure/shape/graph_roleEligibilityScheduleInstances.json",
        "azure/shape/pim_roleEligibilityScheduleInstances.json",
    ] {
        let found = sample(path);
        assert!(!found.facts.entitlements.is_empty());
        assert!(
            found.facts.entitlements.iter().all(|e| e.binding_kind == BindingKind::Eligible),
            "{path}"
        );
    }
}

#[test]
fn entra_pim_directory_audits() {
    let found = sample("grants/entra_pim/panther_directory_audits.jsonl");
    assert_eq!(format(&found), "entra-pim-audit");
    let g = &found.facts.grants[0];
    assert_eq!(found.facts.grants.len(), 1);
    // Requested and completed, for ever; the row of the core directory and four others are no grants.
    assert_eq!(
        (&*g.privilege, g.not_after, g.justification.as_deref()),
        ("Application Administrator", None, Some("test assign"))
    );
    assert_eq!(g.requester.as_deref(), Some("radahn@starscourge.onmicrosoft.com"));
    assert_eq!(kinds(&found), ["requested", "activated"]);
    assert!(
        found.facts.sources[0]
            .limitation
            .as_deref()
            .unwrap()
            .contains("5 records are of other activities")
    );
}

#[test]
fn entra_pim_audits_of_one_activation_fold() {
    let row = |time: &str, activity: &str, details: &str, by: &str| {
        format!(
            r#"{{"activityDateTime":"{time}","activityDisplayName":"{activity}","category":"RoleManagement","loggedByService":"PIM","result":"success","initiatedBy":{{"user":{{"userPrincipalName":"{by}"}}}},"targetResources":[{{"type":"Role","displayName":"Global Administrator","id":"r"}},{{"type":"User","userPrincipalName":"Ann@x.y","id":"u"}}],"additionalDetails":[{details}]}}"#
        )
    };
    let end = r#"{"key":"ExpirationTime","value":"2026-01-01T09:00:00Z"},{"key":"TicketNumber","value":"INC1"}"#;
    let log = [
        row(
            "2026-01-01T08:00:00Z",
            "Add member to role requested (PIM activation)",
            end,
            "ANN@x.y",
        ),
        row(
            "2026-01-01T08:00:30Z",
            "Add member to role request approved (PIM activation)",
            "",
            "bob@x.y",
        ),
        row(
            "2026-01-01T08:00:31Z",
            "Add member to role completed (PIM activation)",
            end,
            "ann@x.y",
        ),
        row(
            "2026-01-01T08:00:33Z",
            "Add member to role completed (PIM activation)",
            end,
            "ann@x.y",
        ),
        row(
            "2026-01-01T09:00:01.7Z",
            "Remove member from role (PIM activation expired)",
            "",
            "ann@x.y",
        ),
        row(
            "2026-01-01T09:00:06.95Z",
            "Remove member from role (PIM activation expired)",
            "",
            "ann@x.y",
        ),
        // Asked for again, and nobody answered.
        row("2026-01-02T08:00:00Z", "Add member to role requested (PIM activation)", "", "ann@x.y"),
        row("2026-01-03T08:00:00Z", "PIM activation request expired", "", "ann@x.y"),
        row(
            "2026-01-04T08:00:00Z",
            "Add eligible member to role in PIM completed (permanent)",
            "",
            "adm@x.y",
        ),
        row("2026-01-04T10:00:00Z", "Add member to role outside of PIM (permanent)", "", "svc"),
        row("2026-01-04T12:00:00Z", "Add member to role outside of PIM (permanent)", "", "svc"),
        row("2026-01-04T14:00:00Z", "Add member to role outside of PIM (permanent)", "", "svc"),
    ];
    let found = one("audit.json", &format!(r#"{{"value":[{}]}}"#, log.join(",")));
    let g = &found.facts.grants;
    assert_eq!(g.len(), 3, "{g:#?}");
    let by =
        |kind: &str| g.iter().filter(|g| g.grant_kind.as_deref() == Some(kind)).collect::<Vec<_>>();
    let [first, second] = by("activation")[..] else { panic!("{g:#?}") };
    assert_eq!(fate(first), ("approved", "expired"));
    assert_eq!(
        (first.activated_at_lo, first.ended_at_lo),
        (t("2026-01-01T08:00:31Z"), t("2026-01-01T09:00:01.7Z"))
    );
    assert_eq!((&*first.beneficiary, first.ticket_id.as_deref()), ("ann@x.y", Some("INC1")));
    assert_eq!(fate(second), ("lapsed", "unknown"));
    let [outside] = by("outside of PIM")[..] else { panic!("{g:#?}") };
    assert!(outside.externally_modified);
    assert_eq!(outside.activated_at_lo, t("2026-01-04T10:00:00Z"));
    let said = found.facts.sources[0].limitation.as_deref().unwrap();
    assert!(said.contains("3 records repeat a start"), "{said}");
}

/// The request of one activation, and its three audits; `{}` stands for more of the details.
const PIM_REQUEST: &str = r#"{"value":[{"id":"REQ-1","action":"selfActivate","status":"Provisioned","createdDateTime":"2026-05-01T10:00:00Z","completedDateTime":"2026-05-01T10:00:05Z","approvalId":"ap-1","principalId":"1111AAAA-1111-4111-8111-111111111111","roleDefinitionId":"62E90394-69f5-4237-9190-012177145e10","directoryScopeId":"/","targetScheduleId":"sch-1","justification":"x","createdBy":{"user":{"id":"1111aaaa-1111-4111-8111-111111111111"}},"scheduleInfo":{"startDateTime":"2026-05-01T10:00:05Z","expiration":{"type":"afterDuration","duration":"PT2H"}}}]}"#;

fn pim_audits(shift: i64, details: &str) -> String {
    let row = |at: &str, activity: &str, end: &str| {
        let at = parse_rfc3339(at).unwrap().plus_secs(shift).to_rfc3339();
        let details = [details, end].into_iter().filter(|d| !d.is_empty()).collect::<Vec<_>>();
        format!(
            r#"{{"activityDateTime":"{at}","activityDisplayName":"{activity}","category":"RoleManagement","loggedByService":"PIM","result":"success","initiatedBy":{{"user":{{"id":"1111aaaa-1111-4111-8111-111111111111","userPrincipalName":"ana@x.example"}}}},"targetResources":[{{"type":"Role","displayName":"Global Administrator","id":"62e90394-69f5-4237-9190-012177145e10"}},{{"type":"User","userPrincipalName":"ana@x.example","id":"1111aaaa-1111-4111-8111-111111111111"}}],"additionalDetails":[{}]}}"#,
            details.join(",")
        )
    };
    let end = |at: &str| format!(r#"{{"key":"ExpirationTime","value":"{at}"}}"#);
    let rows = [
        row(
            "2026-05-01T10:00:00Z",
            "Add member to role requested (PIM activation)",
            &end("2026-05-01T12:00:00Z"),
        ),
        row(
            "2026-05-01T10:00:06Z",
            "Add member to role completed (PIM activation)",
            &end("2026-05-01T12:00:05Z"),
        ),
        row("2026-05-01T12:00:12Z", "Remove member from role (PIM activation expired)", ""),
    ];
    format!(r#"{{"value":[{}]}}"#, rows.join(","))
}

#[test]
fn entra_pim_requests_and_audits_of_one_activation_are_one_grant() {
    let both = |names: [&str; 2], shift: i64, details: &str| {
        let audits = pim_audits(shift, details);
        read(&[(names[0], PIM_REQUEST.as_bytes()), (names[1], audits.as_bytes())])
    };
    let by_id = r#"{"key":"RequestId","value":"req-1"}"#;
    let mut all = Vec::new();
    for names in [["a.json", "b.json"], ["b.json", "a.json"]] {
        let found = both(names, 0, by_id);
        assert_eq!(found.facts.grants.len(), 1, "{:#?}", found.facts.grants);
        let g = found.facts.grants[0].clone();
        assert_eq!((&*g.grant_id, &*g.privilege), ("sch-1", "Global Administrator"));
        assert_eq!((fate(&g), g.ended_at_lo), (("approved", "expired"), t("2026-05-01T12:00:12Z")));
        assert_eq!(g.justification.as_deref(), Some("x"));
        assert!(found.facts.grant_events.iter().all(|e| e.grant_id.as_deref() == Some("sch-1")));
        let alias = &found.facts.aliases[0];
        assert_eq!(
            (&*alias.alias, &*alias.principal_id),
            ("ana@x.example", "1111aaaa-1111-4111-8111-111111111111")
        );
        all.push(Grant { source_id: text(""), source_ref: text(""), ..g });
    }
    assert_eq!(all[0], all[1], "whatever the order of the files");
    // Without the id of the request, role, principal and time decide.
    assert_eq!(both(["a.json", "b.json"], 10, "").facts.grants.len(), 1);
    assert_eq!(both(["a.json", "b.json"], 600, "").facts.grants.len(), 2);
    // Alone, the audits tell of the same grant: no reason was stated, and what was given decides.
    let alone = one("audit.json", &pim_audits(0, by_id));
    let g = &alone.facts.grants[0];
    assert_eq!((g.justification.as_deref(), g.not_after), (None, t("2026-05-01T12:00:05Z")));
}

#[test]
fn github_permission_that_changes_is_another_grant() {
    let row = |action: &str, ms: i64, more: &str| {
        format!(
            r#"{{"action":"{action}","actor":"adm","user":"bob","org":"o","created_at":{ms}{more}}}"#
        )
    };
    let add = row("org.add_member", 1_777_626_000_000, r#","permission":"read""#);
    let promote = row(
        "org.update_member",
        1_777_629_600_000,
        r#","permission":"admin","old_permission":"read""#,
    );
    let remove = row("org.remove_member", 1_777_633_200_000, "");
    let (noon, one_pm) = (t("2026-05-01T10:00:00Z"), t("2026-05-01T11:00:00Z"));
    let found = one("a.jsonl", &[&*remove, &*promote, &*add].join("\n"));
    let g = &found.facts.grants;
    assert_eq!(g.len(), 2, "{g:#?}");
    let of = |p: &str| g.iter().find(|g| &*g.privilege == p).unwrap();
    assert_eq!((of("read").ended_at_lo, fate(of("read")).1), (noon, "superseded"));
    let admin = of("admin");
    assert_eq!((admin.activated_at_lo, admin.ended_at_lo), (noon, one_pm));
    assert_eq!(fate(admin).1, "revoked_by_admin");
    // Whoever was a member before the log begins is an administrator since then.
    let found = one("a.jsonl", &format!("{promote}\n{promote}\n"));
    assert_eq!((found.facts.grants.len(), &*found.facts.grants[0].privilege), (1, "admin"));
    // The same permission again changes nothing.
    let same = promote.replace("\"admin\"", "\"read\"");
    assert_eq!(one("a.jsonl", &format!("{add}\n{same}\n")).facts.grants.len(), 1);
}

#[test]
fn snowflake_roles_that_were_taken_back_are_grants() {
    let rows = r#""CREATED_ON","DELETED_ON","ROLE","GRANTED_TO","GRANTEE_NAME","GRANTED_BY"
"2026-05-01 10:00:00.000 -0700","2026-05-01 12:00:00.000 -0700","ACCOUNTADMIN","USER","ANA","SECURITYADMIN"
"2026-05-02 10:00:00.000 -0700","","ACCOUNTADMIN","USER","BOB","SECURITYADMIN"
"#;
    let found = one("a.csv", rows);
    assert_eq!(found.facts.sources[0].layer, Layer::State);
    let g = grant(&found, "snowflake/user:ANA");
    assert_eq!(found.facts.grants.len(), 1);
    assert_eq!((&*g.privilege, g.scope.as_deref()), ("ACCOUNTADMIN", Some("account")));
    assert_eq!(
        (g.activated_at_lo, g.ended_at_hi),
        (t("2026-05-01T17:00:00Z"), t("2026-05-01T19:00:00Z"))
    );
    assert_eq!(kinds(&found), ["activated", "revoked"]);
    assert_eq!(found.facts.grant_events[0].actor.as_deref(), Some("SECURITYADMIN"));
    assert_eq!(found.facts.entitlements.len(), 1, "what is held now");
}

#[test]
fn github_fine_grained_tokens() {
    let found = sample("grants/github/cartography_fine_grained_pats.json");
    assert_eq!(format(&found), "github-access");
    let g = grant(&found, "hjsimpson");
    assert_eq!(
        &*g.privilege,
        "organization/members:read, repository/contents:read, repository/metadata:read"
    );
    assert_eq!(
        (g.activated_at_lo, g.not_after),
        (t("2025-01-16T15:47:09Z"), t("2025-04-16T15:47:09Z"))
    );
    assert_eq!((fate(g), g.scope.as_deref()), (("unknown", "open"), Some("organizations/652551")));
    let g = grant(&found, "mbsimpson");
    assert_eq!((fate(g).1, g.ended_at_lo), ("expired", t("2025-02-17T15:47:09Z")));
    let c = &found.facts.credentials;
    assert_eq!(c.len(), 2);
    assert_eq!((c[0].last_used_at, c[0].active), (t("2025-02-16T15:47:09Z"), Some(true)));
    assert!(
        c.iter().all(|c| c.kind == CredentialKind::Pat && c.use_tracked && c.grant_id.is_some())
    );
    // A request is the same record without access.
    let request = r#"[{"id":1,"reason":"CI","owner":{"login":"ann"},"repository_selection":"all","permissions":{"repository":{"contents":"write"}},"created_at":"2026-01-01T00:00:00Z","token_id":7,"token_expired":false,"token_expires_at":null,"token_last_used_at":null}]"#;
    let found = one("requests.json", request);
    let g = grant(&found, "ann");
    assert_eq!((fate(g), g.justification.as_deref()), (("pending", "unknown"), Some("CI")));
    assert!(found.facts.credentials.is_empty());
}

#[test]
fn github_installations_keys_and_sso() {
    let found = sample("other/github/org_installations.json");
    let (bot, lint) = (grant(&found, "deploy-bot"), grant(&found, "lint"));
    assert_eq!(
        &*bot.privilege,
        "administration:write, contents:write, metadata:read, secrets:write"
    );
    assert_eq!((fate(bot).1, bot.not_after), ("open", None));
    assert_eq!((fate(lint).1, lint.ended_at_lo), ("revoked_by_admin", t("2025-06-01T00:00:00Z")));

    let found = sample("grants/github/octokit_installation.json");
    assert_eq!(found.facts.sources[0].records, 5);
    assert!(found.facts.quarantine.is_empty(), "{:?}", quarantine(&found));
    assert!(found.facts.grants.iter().any(|g| g.end_kind == EndKind::RevokedByAdmin
        && g.ended_at_lo.is_some()
        && g.ended_at_hi.is_none()));

    let found = sample("other/github/deploy_keys.json");
    let keys: Vec<_> = found
        .facts
        .grants
        .iter()
        .map(|g| (&*g.privilege, g.scope.as_deref(), g.not_after))
        .collect();
    assert_eq!(keys, [("write", Some("contoso/pay"), None), ("read", Some("contoso/pay"), None)]);
    assert_eq!(found.facts.grants[0].requester.as_deref(), Some("left-user"));
    assert!(found.facts.credentials.iter().all(|c| c.no_expiry == Some(true)));

    let found = sample("grants/github/octokit_deploy_key.json");
    let g = &found.facts.grants[0];
    assert_eq!(
        (&*g.privilege, g.scope.as_deref(), g.requester.as_deref()),
        ("read", Some("Codertocat/Hello-World"), Some("Codertocat"))
    );
    let all = format!("{:?}", found.facts);
    assert!(!all.contains("ssh-rsa"), "key material was kept");

    let found = sample("grants/github/cartography_saml_credential_authorizations.json");
    assert_eq!(
        (found.facts.credentials.len(), found.facts.sources[0].layer),
        (2, Layer::Credential)
    );
    assert!(found.facts.grants.is_empty());
}

#[test]
fn github_audit_log() {
    let found = sample("grants/github/panther_audit.jsonl");
    assert_eq!(format(&found), "github-audit");
    let s = &found.facts.sources[0];
    // Two records have no time at all.
    assert_eq!((s.records, s.quarantined), (12, 2));
    assert!(quarantine(&found).iter().all(|(_, why)| why == "`created_at` is missing"));
    // Epoch milliseconds.
    let cat = found
        .facts
        .grants
        .iter()
        .find(|g| &*g.beneficiary == "cat" && &*g.privilege == "organisation member")
        .unwrap();
    assert_eq!((cat.activated_at_lo, fate(cat).1), (t("2021-05-18T02:31:58.553Z"), "open"));
    // A collaborator, added and removed in one instant; bob's removal from the organisation has no begin.
    let c = found.facts.grants.iter().find(|g| &*g.privilege == "collaborator").unwrap();
    assert_eq!((c.scope.as_deref(), fate(c).1), (Some("my-org/my-repo"), "revoked_by_admin"));
    assert_eq!(loose(&found), 2);
    assert_eq!(grant(&found, "my-org/my-team").beneficiary_kind, Some(PrincipalKind::Group));
    assert!(
        found.facts.grants.iter().any(|g| &*g.beneficiary == "Datadog CI"
            && g.activated_at_lo == t("2022-12-02T17:40:08.671Z"))
    );
}

#[test]
fn github_audit_newest_first_with_tokens_and_runs() {
    let log = r#"[
        {"action":"personal_access_token.access_revoked","actor":"boss","user":"ann","org":"o","token_id":7,"created_at":1767312000000},
        {"action":"workflows.completed_workflow_run","workflow_run_id":9,"repo":"o/r","created_at":1767230000000,"started_at":"2026-01-01T00:00:00Z","completed_at":"2026-01-01T00:10:00Z","conclusion":"success"},
        {"action":"personal_access_token.access_granted","actor":"boss","user":"ann","org":"o","token_id":7,"created_at":1767229200000},
        {"action":"personal_access_token.request_created","actor":"ann","user":"ann","org":"o","token_id":7,"created_at":1767225600000},
        {"action":"repo.create","actor":"ann","repo":"o/r","created_at":1767225600000}
    ]"#;
    let found = one("audit.json", log);
    let g = grant(&found, "ann");
    assert_eq!(fate(g), ("approved", "revoked_by_admin"));
    assert_eq!(
        (g.requested_at, g.activated_at_lo, g.ended_at_lo),
        (t("2026-01-01T00:00:00Z"), t("2026-01-01T01:00:00Z"), t("2026-01-02T00:00:00Z"))
    );
    assert_eq!(found.facts.approvals[0].approver.as_deref(), Some("boss"));
    assert_eq!(found.facts.tasks.len(), 1);
    assert!(!g.grant_id.contains("|7"), "the id of a token stands in `{}`", g.grant_id);
}

#[test]
fn okta_system_log() {
    let found = sample("grants/okta/panther_system_log.jsonl");
    assert_eq!(format(&found), "okta-system-log");
    assert!(found.facts.quarantine.is_empty());
    let roles: Vec<_> = found
        .facts
        .grants
        .iter()
        .filter(|g| &*g.beneficiary == "alice@acme.io")
        .map(|g| &*g.privilege)
        .collect();
    // One record gives several roles.
    assert_eq!(
        roles,
        [
            "Application administrator (all)",
            "Organization administrator",
            "Read only admin",
            "Super administrator"
        ]
    );
    assert!(
        found
            .facts
            .grants
            .iter()
            .all(|g| g.activated_at_lo.is_some() && g.end_kind == EndKind::Open)
    );
    let support = grant(&found, "Okta Support");
    assert_eq!(
        (support.requester.as_deref(), &*support.privilege),
        (Some("homer@springfield.gov"), "impersonation")
    );
    // A token, made and revoked in one instant; its id is cut.
    let [c] = &found.facts.credentials[..] else { panic!() };
    assert_eq!(
        (&*c.principal, c.issued_at, c.revoked_at, c.active),
        (
            "user@example.com",
            t("2021-01-08T21:28:34.875Z"),
            t("2021-01-08T21:28:34.875Z"),
            Some(false)
        )
    );
    assert_eq!(&*c.credential_id, "00Tp...u2p4");
    assert!(
        found.facts.usage.iter().any(|u| &*u.principal == "jack@acme.io" && u.count == Some(2))
    );
}

#[test]
fn okta_requests_and_removals() {
    let e = |time: &str, event: &str, result: &str, target: &str, debug: &str| {
        format!(
            r#"{{"published":"{time}","eventType":"{event}","legacyEventType":"x","actor":{{"id":"1","alternateId":"adm@x.y","type":"User"}},"outcome":{{"result":"{result}"}},"target":[{target}],"debugContext":{{"debugData":{{{debug}}}}}}}"#
        )
    };
    let user = r#"{"id":"u1","type":"User","alternateId":"ann@x.y"}"#;
    let req = r#"{"id":"r1","type":"AccessRequest","displayName":"Prod DB"}"#;
    let both = format!("{user},{req}");
    let log = [
        e("2026-01-01T00:00:00Z", "access.request.create", "SUCCESS", &both, ""),
        e("2026-01-01T01:00:00Z", "access.request.resolve", "SUCCESS", &both, ""),
        e(
            "2026-01-01T00:00:00Z",
            "access.request.create",
            "SUCCESS",
            &both.replace("r1", "r2"),
            "",
        ),
        e(
            "2026-01-01T02:00:00Z",
            "access.request.expire",
            "SUCCESS",
            &both.replace("r1", "r2"),
            "",
        ),
        e(
            "2026-01-02T00:00:00Z",
            "user.account.privilege.grant",
            "SUCCESS",
            user,
            r#""privilegeGranted":"Help desk""#,
        ),
        e(
            "2026-01-02T01:00:00Z",
            "user.account.privilege.revoke",
            "FAILURE",
            user,
            r#""privilegeRevoked":"Help desk""#,
        ),
        e("2026-01-02T02:00:00Z", "user.account.privilege.revoke", "SUCCESS", user, ""),
        e("2026-01-02T03:00:00Z", "user.session.start", "SUCCESS", user, ""),
    ]
    .join("\n");
    let found = one("log.ndjson", &log);
    let by = |p: &str| {
        found.facts.grants.iter().filter(|g| &*g.privilege == p).map(fate).collect::<Vec<_>>()
    };
    // How a request was resolved, the record does not say.
    assert_eq!(by("Prod DB"), [("unknown", "unknown"), ("lapsed", "unknown")]);
    // A removal that failed, and one that names no role, end nothing for certain.
    assert_eq!(by("Help desk"), [("unknown", "failed_to_revoke")]);
    assert_eq!(loose(&found), 1);
    assert!(
        found.facts.sources[0]
            .limitation
            .as_deref()
            .unwrap()
            .contains("1 records are of other types")
    );
}

#[test]
fn openai_audit_log() {
    let found = sample("grants/openai/panther_audit.jsonl");
    assert_eq!(format(&found), "openai-audit");
    let s = &found.facts.sources[0];
    // One key record lacks its content.
    assert_eq!((s.records, s.quarantined), (14, 1));
    assert!(quarantine(&found)[0].1.contains("`api_key.created` is missing"));
    let g = grant(&found, "user-newadmin456");
    assert_eq!(
        (&*g.privilege, g.scope.as_deref(), g.not_after),
        ("role-api-organization-owner", Some("org-abc123"), None)
    );
    assert_eq!(g.activated_at_lo, t("2023-12-18T00:00:00Z"));
    assert_eq!(grant(&found, "group-engineering001").beneficiary_kind, Some(PrincipalKind::Group));
    // Five assignments and four keys; one removal, two changes and one deletion of what began before.
    assert_eq!((found.facts.grants.len(), loose(&found)), (9, 4));
    let key = grant(&found, "contractor@external.com");
    assert_eq!(
        (&*key.privilege, key.broker_kind),
        ("all, models:write, organization:write", BrokerKind::Credential)
    );
    assert_eq!(found.facts.credentials.len(), 4);
    for c in &found.facts.credentials {
        let id = c.grant_id.as_ref().unwrap();
        assert!(found.facts.grants.iter().any(|g| g.grant_id == *id), "{id}");
        assert!(c.credential_id.contains("..."), "{}", c.credential_id);
    }
}

#[test]
fn openai_audit_log_as_the_api_writes_it() {
    // The sample has underscores for the dots of the keys; the API has the dots.
    let file = std::fs::read_to_string(shared("grants/openai/panther_audit.jsonl")).unwrap();
    let mut dotted = String::new();
    for line in file.lines() {
        let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
        let inner = record.get("event").is_some_and(serde_json::Value::is_object);
        let map = if inner { &mut record["event"] } else { &mut record };
        let map = map.as_object_mut().unwrap();
        if let Some(event) = map.get("type").and_then(|t| t.as_str()).map(str::to_owned)
            && let Some(says) = map.remove(&event.replace('.', "_"))
        {
            map.insert(event, says);
        }
        dotted += &format!("{record}\n");
    }
    assert!(dotted.contains("\"role.assignment.created\":{"));
    let (api, sample) = (one("audit.jsonl", &dotted), sample("grants/openai/panther_audit.jsonl"));
    assert_eq!(quarantine(&api), quarantine(&sample));
    assert_eq!(api.facts.grants, sample.facts.grants);
    assert!(!api.facts.grants.is_empty());
}

#[test]
fn anthropic_activity_log() {
    let found = sample("grants/anthropic/panther_activity.jsonl");
    assert_eq!(format(&found), "anthropic-activity");
    let s = &found.facts.sources[0];
    // One assignment names neither who nor what.
    assert_eq!((s.records, s.quarantined), (13, 1));
    assert!(s.limitation.as_deref().unwrap().contains("1 records are of other types"));
    let role = grant(&found, "user_01DEF");
    assert_eq!(
        (&*role.privilege, role.scope.as_deref()),
        ("chat_project:viewer", Some("claude_proj_01ABC"))
    );
    let servers: Vec<_> =
        found.facts.grants.iter().filter(|g| &*g.privilege == "MCP server").collect();
    assert_eq!(servers.len(), 2);
    let ended: Vec<_> =
        servers.iter().map(|g| (g.activated_at_lo, g.ended_at_lo, fate(g).1)).collect();
    assert!(ended.contains(&(
        t("2026-04-28T19:26:58Z"),
        t("2026-05-05T21:46:28Z"),
        "revoked_by_admin"
    )));
    assert!(ended.contains(&(t("2026-05-05T21:52:51Z"), None, "open")));
    // Keys are not named: two creations of each kind stay four grants, the removals stay unjoined.
    assert_eq!((found.facts.grants.len(), loose(&found)), (7, 3));
}

#[test]
fn databricks_audit_log() {
    let found = sample("grants/databricks/panther_audit.jsonl");
    assert_eq!(format(&found), "databricks-audit");
    let s = &found.facts.sources[0];
    // Three records have no time; one renames a metastore.
    assert_eq!((s.records, s.quarantined), (30, 3));
    assert!(s.limitation.as_deref().unwrap().contains("1 records are of other actions"));
    // Times of tokens are texts of milliseconds: 7 days, 100 days, 24 hours.
    let mut lives: Vec<_> = found
        .facts
        .credentials
        .iter()
        .map(|c| c.expires_at.unwrap().secs_since(c.issued_at.unwrap()))
        .collect();
    lives.sort_unstable();
    assert_eq!(lives, [86_400, 604_800, 8_640_000]);
    // Refused calls give nothing.
    assert!(found.facts.grants.iter().all(|g| &*g.beneficiary != "attacker@example.com"));
    assert!(
        found
            .facts
            .usage
            .iter()
            .any(|u| &*u.principal == "attacker@example.com" && u.outcome == Outcome::Denied)
    );
    let by = |p: &str| {
        found.facts.grants.iter().find(|g| &*g.privilege == p).unwrap_or_else(|| panic!("no {p}"))
    };
    assert_eq!(by("account owner").beneficiary.as_ref(), "newowner@example.com");
    assert_eq!(by("metastore owner").scope.as_deref(), Some("metastore/metastore-123"));
    assert_eq!(fate(by("group account-admins")).1, "revoked_by_admin");
    assert_eq!(
        by("group workspace-administrators").beneficiary.as_ref(),
        "12345678-1234-1234-1234-123456789012"
    );
}

#[test]
fn postgres_roles_and_members() {
    let found = sample("grants/postgres/pg_roles.csv");
    assert_eq!((format(&found), found.facts.sources[0].layer), ("postgres-roles", Layer::State));
    assert_eq!(found.facts.principals.len(), 7);
    let password = |who: &str| {
        found
            .facts
            .credentials
            .iter()
            .find(|c| *c.principal == format!("postgres/{who}"))
            .map(|c| (c.expires_at, c.no_expiry))
    };
    // The end of a password, never of access; `infinity` and nothing are none.
    assert_eq!(password("v_token_readonly_9fj2"), Some((t("2020-01-01T00:00:00Z"), Some(false))));
    assert_eq!(password("svc_batch"), Some((None, Some(true))));
    assert_eq!(password("app_owner"), None);
    assert!(found.facts.entitlements.iter().all(|e| e.not_after.is_none()));
    let held: Vec<_> =
        found.facts.entitlements.iter().map(|e| (&*e.principal_id, &*e.privilege)).collect();
    assert_eq!(held.len(), 5);
    assert!(held.iter().all(|(who, _)| *who == "postgres/postgres"), "{held:?}");

    let found = sample("grants/postgres/pg_auth_members.csv");
    let e = &found.facts.entitlements;
    assert_eq!(e.len(), 3);
    assert_eq!(
        (&*e[1].principal_id, &*e[1].privilege, e[1].condition.as_deref()),
        ("postgres/svc_batch", "app_owner", Some("admin option"))
    );
    // The catalogue has no times.
    assert!(e.iter().all(|e| e.bound_at_lo.is_none()));
    let found =
        one("m.csv", "role,member,grantor,admin_option,inherit_option,set_option\na,b,c,f,f,f\n");
    assert_eq!(found.facts.entitlements[0].condition.as_deref(), Some("no inherit, no set role"));
}

#[test]
fn postgres_server_log() {
    let found = sample("grants/postgres/server_log.txt");
    assert_eq!(format(&found), "postgres-log");
    let s = &found.facts.sources[0];
    assert_eq!((s.records, s.quarantined, s.ambiguous_times), (29, 0, 0));
    assert_eq!(found.facts.grants.len(), 3);
    let alice = grant(&found, "jit_alice");
    assert_eq!(
        (alice.activated_at_lo, alice.ended_at_lo, fate(alice).1),
        (t("2026-11-22T02:04:56.543Z"), t("2026-11-22T02:04:56.548Z"), "revoked_by_admin")
    );
    let batch = grant(&found, "svc_batch");
    assert_eq!(
        (batch.grant_kind.as_deref(), fate(batch).1),
        (Some("membership with admin option"), "open")
    );
    // A role whose password ended in 2020 connected in 2026: use, and no end of access.
    let token = grant(&found, "v_token_readonly_9fj2");
    assert_eq!((token.not_after, fate(token).1), (None, "open"));
    let c =
        found.facts.credentials.iter().find(|c| &*c.principal == "v_token_readonly_9fj2").unwrap();
    assert_eq!(c.expires_at, t("2020-01-01T00:00:00Z"));
    let u = found.facts.usage.iter().find(|u| &*u.principal == "v_token_readonly_9fj2").unwrap();
    assert_eq!(
        (u.first_at, u.last_at, u.count),
        (t("2026-11-22T02:04:56.689Z"), t("2026-11-22T02:04:56.695Z"), Some(1))
    );
    // The later statement moves the end of the password.
    let c = found.facts.credentials.iter().find(|c| &*c.principal == "jit_alice").unwrap();
    assert_eq!(c.expires_at, t("2026-12-01T00:00:00Z"));
    assert!(!format!("{:?}", found.facts).contains("PASSWORD"));
}

#[test]
fn sudo_json_with_repeated_keys() {
    let found = sample("grants/sudo/sudo_log_format_json.json");
    assert_eq!(format(&found), "sudo-json");
    // accept, exit, accept, exit, reject in one object.
    assert_eq!(found.facts.sources[0].records, 5);
    let g = &found.facts.grants;
    assert_eq!(g.len(), 3);
    let given: Vec<_> = g.iter().filter(|g| g.activated_at_lo.is_some()).collect();
    assert_eq!(given.len(), 2);
    for g in given {
        assert_eq!(
            (&*g.beneficiary, &*g.privilege, g.scope.as_deref()),
            ("unix:vm/agent1", "root", Some("vm"))
        );
        assert_eq!(fate(g), ("auto_approved", "revoked_by_owner"));
        let lasted = g.ended_at_lo.unwrap().micros() - g.activated_at_lo.unwrap().micros();
        assert!((15_000..20_000).contains(&lasted), "{lasted}");
    }
    let refused = g.iter().find(|g| g.decision == Decision::Denied).unwrap();
    assert_eq!((refused.activated_at_lo, refused.broker_kind), (None, BrokerKind::Session));
    let u = found.facts.usage.iter().find(|u| u.outcome == Outcome::Denied).unwrap();
    assert_eq!(
        (u.action.as_deref(), u.grant_id.as_ref()),
        (Some("/usr/bin/whoami"), Some(&refused.grant_id))
    );
    let compact = r#"{"sudo":{"accept":{"uuid":"a","server_time":{"seconds":1795313136},"submituser":"u","command":"/bin/x","runargv":["/bin/x","s3cret"]}}}
{"sudo":{"exit":{"uuid":"a","exit_time":{"seconds":1795313140}}}}
{"sudo":{"accept":{"uuid":"b","server_time":{"seconds":-1},"submituser":"u"}}}"#;
    let found = one("sudo.json", compact);
    assert_eq!((found.facts.grants.len(), found.facts.quarantine.len()), (1, 1));
    assert_eq!(found.facts.grants[0].ended_at_lo.unwrap().secs(), 1_795_313_140);
    assert!(!format!("{:?}", found.facts).contains("s3cret"));
}

#[test]
fn sudo_text_needs_a_year() {
    let found = sample("grants/sudo/sudo_log_format_sudo.txt");
    assert_eq!(format(&found), "sudo-text");
    // Five entries, one of them on two lines; none has a year and nothing is guessed.
    let s = &found.facts.sources[0];
    assert_eq!((s.records, s.quarantined), (5, 5));
    assert!(quarantine(&found).iter().all(|(_, why)| why.contains("no year")));
    let settings = settings(
        "[[mapping]]\nfile = \"sudo_log_format_sudo.txt\"\nconstants = { year = \"2026\" }\n",
    );
    let found = ingest(&[shared("grants/sudo/sudo_log_format_sudo.txt")], &settings).unwrap();
    assert!(found.facts.quarantine.is_empty(), "{:?}", quarantine(&found));
    assert_eq!(found.facts.sources[0].ambiguous_times, 5);
    let g = &found.facts.grants;
    assert_eq!(g.len(), 3);
    assert_eq!(
        (g[0].activated_at_lo, g[0].ended_at_lo),
        (t("2026-11-22T02:04:49Z"), t("2026-11-22T02:04:49Z"))
    );
    assert_eq!(fate(&g[2]), ("denied", "unknown"));
    assert_eq!(found.facts.usage[2].action.as_deref(), Some("/usr/bin/whoami"));
    let syslog = "2026-11-22T02:04:49+00:00 vm sudo[12]:   ann : TTY=pts/0 ; PWD=/home ; USER=db ; COMMAND=/bin/psql -c x\n2026-11-22T02:04:50+00:00 vm sshd[1]: x\n";
    let found = one("auth.log", syslog);
    let g = grant(&found, "unix:vm/ann");
    assert_eq!((&*g.privilege, g.scope.as_deref()), ("db", Some("vm")));
    // The same name on another host is somebody else.
    let two = one("auth.log", &format!("{syslog}{}", syslog.replace(" vm ", " db1 ")));
    assert_eq!(grant(&two, "unix:db1/ann").scope.as_deref(), Some("db1"));
}

#[test]
fn polkit_lines() {
    // After the sentences of polkitd 122; no sample is among the shared data.
    let line = |time: &str, what: &str, action: &str| {
        format!(
            "{time} vm polkitd[585]: Operator of unix-session:2 {what} authorization for action {action} for system-bus-name::1.85 [systemctl start x] (owned by unix-user:ann)\n"
        )
    };
    let log = line(
        "2026-01-01T00:00:00Z",
        "successfully authenticated as unix-user:root to gain TEMPORARY",
        "a.b",
    ) + &line(
        "2026-01-01T00:00:01Z",
        "successfully authenticated as unix-user:ann to gain ONE-SHOT",
        "c.d",
    ) + &line("2026-01-01T00:00:02Z", "FAILED to authenticate to gain", "e.f")
        + "2026-01-01T00:00:03Z vm polkitd[585]: Registered Authentication Agent\n"
        + &line("Jan  1 00:00:04", "FAILED to authenticate to gain", "e.f");
    let found = one("journal.txt", &log);
    assert_eq!(format(&found), "polkit-log");
    let fates: Vec<_> = found.facts.grants.iter().map(|g| (&*g.privilege, fate(g))).collect();
    // When a temporary authorisation ends, only the bus knows.
    assert_eq!(
        fates,
        [
            ("a.b", ("auto_approved", "unknown")),
            ("c.d", ("auto_approved", "expired")),
            ("e.f", ("denied", "unknown"))
        ]
    );
    assert_eq!(quarantine(&found).len(), 1);
    assert!(found.facts.grants.iter().all(|g| &*g.beneficiary == "unix:vm/ann"));
}

/// Samples whose every value is replaced by values that do not belong there.
const SAMPLES: [&str; 17] = [
    "grants/gcp_pam/grant_revoked.json",
    "gcp/shape/pam_grants.json",
    "grants/entra_pim/graph_role_assignment_schedule_requests.json",
    "grants/entra_pim/arm_role_assignment_schedule_requests.json",
    "grants/entra_pim/graph_role_assignment_schedule_instances.json",
    "grants/entra_pim/arm_role_assignment_schedule_instances.json",
    "grants/entra_pim/panther_directory_audits.jsonl",
    "grants/github/cartography_fine_grained_pats.json",
    "grants/github/octokit_deploy_key.json",
    "other/github/org_installations.json",
    "other/github/deploy_keys.json",
    "grants/github/panther_audit.jsonl",
    "grants/okta/panther_system_log.jsonl",
    "grants/openai/panther_audit.jsonl",
    "grants/anthropic/panther_activity.jsonl",
    "grants/databricks/panther_audit.jsonl",
    "grants/sudo/sudo_log_format_json.json",
];

/// Replaces the `n`th value, counted depth first; returns how many there are.
fn replace(v: &mut serde_json::Value, n: usize, with: &serde_json::Value, seen: &mut usize) {
    *seen += 1;
    if *seen == n {
        *v = with.clone();
        return;
    }
    match v {
        serde_json::Value::Array(a) => a.iter_mut().for_each(|v| replace(v, n, with, seen)),
        serde_json::Value::Object(o) => o.values_mut().for_each(|v| replace(v, n, with, seen)),
        _ => {}
    }
}

#[test]
fn values_that_do_not_belong_there_cost_records_and_nothing_else() {
    use serde_json::{Value, json};
    let wrong = [
        json!(null),
        json!(-1),
        json!(1e300),
        json!("9999999999999999999999"),
        json!("\u{0}\u{202e}|@="),
        json!([[], {}]),
        json!({"id": {"id": []}}),
        json!("\"'; DROP".repeat(500)),
    ];
    for path in SAMPLES {
        let text = std::fs::read_to_string(shared(path)).unwrap();
        // One record a line for logs; else the document.
        let lines = path.ends_with("jsonl");
        let docs: Vec<Value> = if lines {
            text.lines().take(2).map(|l| serde_json::from_str(l).unwrap()).collect()
        } else {
            vec![serde_json::from_str(&text).unwrap()]
        };
        for doc in docs {
            let mut count = 0;
            replace(&mut doc.clone(), usize::MAX, &json!(0), &mut count);
            for n in 1..=count.min(60) {
                let with = &wrong[n % wrong.len()];
                let mut bad = doc.clone();
                replace(&mut bad, n, with, &mut 0);
                let bytes = if lines { format!("{bad}\n{text}") } else { bad.to_string() };
                let found = crate::ingest::driver::ingest_bytes(
                    "x",
                    bytes.as_bytes(),
                    &Settings::defaults(),
                )
                .unwrap();
                balanced(&found);
                assert!(found.failed.is_empty(), "{path} {n}: {:?}", found.failed);
            }
        }
        // Cut anywhere, a file fails by name or reads in part.
        for at in (1..text.len()).step_by(text.len() / 12 + 1) {
            let Some(cut) = text.get(..at) else { continue };
            let found =
                crate::ingest::driver::ingest_bytes("x", cut.as_bytes(), &Settings::defaults())
                    .unwrap();
            balanced(&found);
        }
    }
}

#[test]
fn lists_and_logs_of_one_grant_are_one_grant() {
    let list = std::fs::read_to_string(shared("grants/gcp_pam/grant_revoked.json")).unwrap();
    let name = "projects/my-project/locations/global/entitlements/ENTITLEMENT_ID/grants/GRANT_ID";
    let grant: serde_json::Value = serde_json::from_str(&list).unwrap();
    let created = serde_json::json!({
        "timestamp": "2024-04-05T00:27:43.9Z",
        "protoPayload": {
            "serviceName": "privilegedaccessmanager.googleapis.com",
            "methodName": "google.cloud.privilegedaccessmanager.v1.PrivilegedAccessManager.CreateGrant",
            "response": grant[0],
        }
    });
    let ended = serde_json::json!({
        "timestamp": "2024-04-05T00:29:58Z",
        "protoPayload": {
            "serviceName": "privilegedaccessmanager.googleapis.com",
            "methodName": "PAMEndGrant", "resourceName": name,
        }
    });
    let log = format!("{created}\n{ended}\n");
    let found = read(&[("a.json", list.as_bytes()), ("b.ndjson", log.as_bytes())]);
    assert_eq!(found.facts.sources.len(), 2);
    assert!(found.facts.quarantine.is_empty(), "{:?}", quarantine(&found));
    let [g] = &found.facts.grants[..] else { panic!("{:?}", found.facts.grants) };
    assert_eq!(fate(g), ("approved", "revoked_by_user"));
    assert_eq!(
        (g.ended_at_lo, g.ended_at_hi),
        (t("2024-04-05T00:29:55.815041Z"), t("2024-04-05T00:29:58Z"))
    );
}
