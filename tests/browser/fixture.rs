// Two runs to render: one as an auditor would meet it, one as an attacker would like it. Included
// by the unit tests of the report and by the browser test; the including module imports the types.

/// A run of a small organisation: two platforms, seven findings, one layer missing.
pub fn plausible() -> View {
    View {
        version: 1,
        findings_total: None,
        tool: Tool { name: "overstay".into(), version: "0.1.0".into(), rules: 70 },
        entity: Some("Northwind Payments".into()),
        as_of: "2026-03-31T00:00:00Z".into(),
        period: Some(("2026-01-01T00:00:00Z".into(), "2026-03-31T00:00:00Z".into())),
        report_id: "5b1f0c9a7d3e".repeat(5) + "abcd",
        summary: summary(),
        coverage: coverage(),
        sources: sources(),
        quarantine: vec![QuarantineRow {
            file: "jira/changes.csv".into(),
            place: "L482".into(),
            reason: "`resolved` is before `created`".into(),
        }],
        unread: vec![UnreadRow {
            file: "vault/audit.log.gz".into(),
            why: "could not be read: compressed data ends too early".into(),
            remedy: "repair or export the file again".into(),
        }],
        rules: rule_results(),
        findings: findings(),
        fix_first: findings()
            .iter()
            .filter(|f| f.status == Status::Open)
            .map(|f| FixFirst {
                fingerprint: f.fingerprint.clone(),
                why: "used after the task ended; tier T0".into(),
            })
            .collect(),
        frameworks: frameworks(),
        crosswalk: vec![CrosswalkRow {
            cited_framework: "OWASP NHI Top 10".into(),
            cited_id: "NHI-07".into(),
            meaning: "Long-lived secrets".into(),
            verdict: "Resolves: NHI7:2025 is Long-Lived Secrets.".into(),
            official: vec![control("owasp-nhi-2025", "NHI7:2025", "tests")],
        }],
        waivers: vec![WaiverRow {
            id: "W-014".into(),
            state: "urgent".into(),
            matches: "STD-001 arn:aws:iam::210987654321:role/legacy-batch".into(),
            reason: Some("Migration to short-lived credentials ends in April".into()),
            owner: Some("platform@northwind.example".into()),
            approver: Some("ciso@northwind.example".into()),
            ticket: Some("SEC-4411".into()),
            expires: Some("2026-04-05T00:00:00Z".into()),
            matched: 1,
        }],
        changes: Some(Changes {
            against: "baseline of 2026-03-01".into(),
            new: vec![fingerprint(1), fingerprint(3)],
            updated: vec![fingerprint(2)],
            unchanged: 4,
            absent: vec![fingerprint(90)],
            unknown: vec![],
        }),
        not_assessed: not_assessed(),
        charts: charts(),
        grants: grants(),
        stories: stories(),
        metrics: metrics(),
        principals: vec![PrincipalRow {
            principal: "arn:aws:iam::210987654321:role/oncall-db".into(),
            name: Some("On call, <databases>".into()),
            kind: "role".into(),
            standing_hours: Some((12.0, 30.5)),
            privilege_hours: Some((40.0, 58.5)),
            overstay_hours: Some((148.0, 148.0)),
            idle_hours: None,
            blast_radius: Some(80.0),
            grants: 7,
        }],
        grants_total: 1204,
        settings: settings_rows(),
        digests: [("settings", "c1"), ("rules", "d2"), ("inputs", "e3"), ("baseline", "f4")]
            .map(|(k, v)| (k.to_string(), v.repeat(32)))
            .into(),
    }
}

/// Payloads that must stay text in every format.
pub const PAYLOADS: [&str; 12] = [
    "<script>document.title='owned'</script>",
    "\"><img src=x onerror=\"document.title='owned'\">",
    "=HYPERLINK(\"http://127.0.0.1:9/x\")",
    "\u{1b}[31mred\u{1b}]8;;http://127.0.0.1:9/\u{7}link",
    "a|b`c`*d*_e_[f](http://127.0.0.1:9/g)<br>\r\n# h",
    "invoice\u{202e}fdp.exe\u{2066}x\u{2069}",
    "@import url(http://127.0.0.1:9/a.css);</style><style>*{display:none}",
    "</title></textarea></script><svg/onload=document.title='owned'>",
    "{{ 7 * 7 }}{% raw %}${7*7}#{7*7}",
    "javascript:document.title='owned'//\u{0}",
    "\t@SUM(1+1)*cmd|' /C calc'!A0",
    "]]></desc></svg><script>document.title='owned'</script>&#x3c;img src=http://127.0.0.1:9/p&gt;",
];

fn metrics() -> Vec<MetricRow> {
    let row = |metric: &str, title: &str, unit: &str, lo, hi, reason: Option<&str>| MetricRow {
        metric: metric.into(),
        title: title.into(),
        unit: unit.into(),
        lo,
        hi,
        outcome: if reason.is_some() { "not_assessed" } else { "assessed" }.into(),
        reason: reason.map(Into::into),
        items: 12,
    };
    vec![
        row("idle_hours", "Granted hours without use", "h", Some(80.0), Some(96.5), None),
        row("duty_cycle", "Share of granted time with use", "share", Some(0.0757), Some(0.0757), None),
        row("blast_radius", "Reach of all principals", "radius", Some(340.0), None, None),
        row("zsp_score", "Share of privilege hours under a grant", "share", None, None, Some("no_source")),
    ]
}

/// The plausible run with every free text replaced by a payload and some of them 10 kB long.
pub fn hostile() -> View {
    let mut n = 0_usize;
    let mut next = || {
        n += 1;
        if n.is_multiple_of(17) {
            return "N".repeat(10_240);
        }
        PAYLOADS[n % PAYLOADS.len()].to_string()
    };
    let mut json = serde_json::to_value(plausible()).unwrap();
    poison(&mut json, "", &mut next);
    let mut view: View = serde_json::from_value(json).unwrap();
    view.entity = Some(PAYLOADS.concat());
    let mut fields = std::collections::BTreeMap::new();
    for payload in PAYLOADS {
        fields.insert(payload.into(), serde_json::json!({ payload: [payload, null, 1.5] }));
    }
    view.findings[0].evidence = fields.into();
    view
}

/// Replaces free text. What the reader of a bundle checks by type or the report maps by word stays,
/// except once each, so that unknown words are met as well.
fn poison(value: &mut serde_json::Value, key: &str, next: &mut impl FnMut() -> String) {
    match value {
        serde_json::Value::String(s) => {
            let fixed = ["severity", "status", "relation", "fingerprint", "from", "at", "conclusion"]
                .contains(&key);
            if !fixed {
                *s = next();
            }
        }
        serde_json::Value::Array(items) => {
            let fixed = key == "fix_first";
            for item in items {
                poison(item, if fixed { "" } else { key }, next);
            }
        }
        serde_json::Value::Object(map) => {
            for (k, v) in map.iter_mut() {
                poison(v, k, next);
            }
        }
        _ => {}
    }
}

fn fingerprint(n: u32) -> String {
    format!("{n:02x}3f9ac2{n:02x}d81e47").repeat(4).chars().take(64).collect()
}

fn control(framework: &str, id: &str, relation: &str) -> ControlRef {
    ControlRef { framework: framework.into(), id: id.into(), relation: relation.into() }
}

fn summary() -> Summary {
    Summary {
        open: [("critical", 1), ("high", 2), ("medium", 2), ("low", 1)]
            .map(|(k, n)| (k.to_string(), n))
            .into(),
        possible: 1,
        baselined: 0,
        waived: 1,
        standing_privileged_principals: 9,
        standing_privileged: 23,
        overstay_assessed: 1013,
        overstayed: 148,
        overstay_median_s: Some(23_400),
        overstay_p95_s: Some(432_000),
        complete_grants: 1101,
        grants: 1204,
        principals: 312,
        principal_kinds: [("agent", 41), ("human", 96), ("role", 175)]
            .map(|(k, n)| (k.to_string(), n))
            .into(),
        provider_holdings: [("aws".to_string(), 3)].into(),
        embedded_content: [].into(),
        entitlements: 1877,
        tasks: 986,
        usage: 48_112,
        records: 52_390,
        quarantined: 1,
        rules_assessed: 52,
        rules_partial: 9,
        rules_not_assessed: 9,
    }
}

fn coverage() -> Vec<CoverageRow> {
    let row = |layer: &str, outcome: &str, reason: Option<&str>, share: Option<f64>, n: u64| {
        CoverageRow {
            layer: layer.into(),
            outcome: outcome.into(),
            reason: reason.map(Into::into),
            window_start: share.map(|_| "2026-01-01T00:00:00Z".into()),
            window_end: share.map(|_| "2026-03-31T00:00:00Z".into()),
            covered_share: share,
            sources: u64::from(n > 0),
            records: n,
            quarantined: u64::from(layer == "task"),
        }
    };
    vec![
        row("ledger", "assessed", None, Some(1.0), 1204),
        row("task", "assessed", None, Some(1.0), 987),
        row("state", "assessed", None, Some(1.0), 2087),
        row("usage", "partial", Some("out_of_window"), Some(0.83), 48_112),
        row("credential", "not_assessed", Some("no_source"), None, 0),
    ]
}

fn sources() -> Vec<SourceRow> {
    [
        ("aws/authorization-details.json", "aws-authorization-details", "state", 1_877),
        ("jit/grants.csv", "ledger-generic", "ledger", 1_204),
        ("jira/changes.csv", "tasks-generic", "task", 987),
        ("cloudtrail/usage.parquet", "usage-reduced", "usage", 48_112),
    ]
    .iter()
    .enumerate()
    .map(|(i, (file, format, layer, n))| SourceRow {
        id: format!("S{:04}", i + 1),
        file: (*file).into(),
        format: (*format).into(),
        layer: (*layer).into(),
        sha256: format!("{:02x}9b", i + 10).repeat(16),
        bytes: n * 211,
        records: *n,
        accepted: n - u64::from(*layer == "task"),
        quarantined: u64::from(*layer == "task"),
        first_time: Some("2026-01-01T00:04:11Z".into()),
        last_time: Some("2026-03-30T22:51:07Z".into()),
        completeness: if *layer == "usage" { "truncated" } else { "complete" }.into(),
        limitation: (*layer == "usage").then(|| "15 days of logs are missing".into()),
            realm: None,
            window_end: None,
    })
    .collect()
}

fn rule_results() -> Vec<RuleResult> {
    let rule = |id: &str, title: &str, population, exceptions, not_assessed, outcome: &str| {
        RuleResult {
            rule: id.into(),
            title: title.into(),
            table: "grant_facts".into(),
            population,
            exceptions,
            clean: population - exceptions - not_assessed,
            not_assessed,
            reasons: if not_assessed > 0 {
                [("no_task_link".to_string(), not_assessed)].into()
            } else {
                std::collections::BTreeMap::new()
            },
            outcome: outcome.into(),
            reason: (outcome != "assessed").then(|| "no credential source".into()),
            controls: vec![
                control("owasp-nhi-2025", "NHI5:2025", "tests"),
                control("nist-800-53-r5", "AC-6", "supports"),
            ],
            limits: [("task_grace_s".to_string(), "900".to_string())].into(),
        }
    };
    vec![
        rule("APR-001", "Approver approves own access", 1204, 1, 0, "assessed"),
        rule("CRD-003", "Credential outlives grant", 0, 0, 0, "not_assessed"),
        rule("GRT-003", "Grant outlives its task", 1204, 3, 191, "partial"),
        rule("STD-001", "Standing administrator", 1877, 2, 0, "assessed"),
        rule("USE-002", "Privilege used after its end", 1013, 1, 0, "assessed"),
    ]
}

struct Brief {
    n: u32,
    rule: &'static str,
    title: &'static str,
    severity: Severity,
    principal: &'static str,
    privilege: &'static str,
    message: &'static str,
}

fn findings() -> Vec<Finding> {
    let briefs = [
        (1, "STD-001", "Standing administrator", Severity::Critical, "arn:aws:iam::210987654321:role/deploy-runner", "AdministratorAccess", "deploy-runner holds AdministratorAccess on account 210987654321 without a task, a grant or an end"),
        (2, "GRT-003", "Grant outlives its task", Severity::High, "arn:aws:iam::210987654321:role/oncall-db", "db-admin", "oncall-db kept db-admin on prod-ledger for 6 d 4 h after task CHG-2291 ended"),
        (3, "USE-002", "Privilege used after its end", Severity::High, "arn:aws:iam::210987654321:role/oncall-db", "db-admin", "oncall-db used db-admin 14 times after its grant JIT-0418 had ended, last 3 d 2 h later"),
        (4, "APR-001", "Approver approves own access", Severity::Medium, "mira.lang@northwind.example", "prod-support", "mira.lang@northwind.example approved the own request JIT-0733"),
        (5, "GRT-003", "Grant outlives its task", Severity::Medium, "ServiceAccount:payments/reconcile", "cluster-view", "payments/reconcile kept cluster-view for 9 h 20 min after run 88213 ended"),
        (6, "GRT-003", "Grant outlives its task", Severity::Low, "agent:invoice-triage", "tickets-write", "invoice-triage kept tickets-write for 1 h 5 min after its run ended"),
        (7, "STD-001", "Standing administrator", Severity::Critical, "arn:aws:iam::210987654321:role/legacy-batch", "PowerUserAccess", "legacy-batch holds PowerUserAccess on account 210987654321 without a task, a grant or an end"),
    ];
    let mut all: Vec<Finding> = briefs
        .into_iter()
        .map(|(n, rule, title, severity, principal, privilege, message)| {
            finding(&Brief { n, rule, title, severity, principal, privilege, message })
        })
        .collect();
    all.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
    all
}

fn finding(b: &Brief) -> Finding {
    let grant = b.rule != "STD-001";
    Finding {
        fingerprint: fingerprint(b.n),
        state_digest: fingerprint(b.n + 40),
        rule: b.rule.into(),
        title: b.title.into(),
        severity: b.severity,
        severity_reasons: vec!["tier T0".into(), "production: one step up".into()],
        certainty: if b.n == 5 { "possible" } else { "certain" }.into(),
        confidence: "high".into(),
        status: if b.n == 7 { Status::Waived } else { Status::Open },
        principal: Some(b.principal.into()),
        principal_kind: Some("role".into()),
        privilege: Some(b.privilege.into()),
        scope: Some("aws:210987654321".into()),
        platform: Some("aws".into()),
        tier: Some("T0".into()),
        grant_id: grant.then(|| format!("JIT-{:04}", 416 + b.n)),
        task_id: grant.then(|| "CHG-2291".into()),
        credential_id: None,
        message: b.message.into(),
        remediation: "Remove the binding now, then let the broker end access with the task.".into(),
        evidence: [
            ("overstay_s".into(), serde_json::json!(532_800)),
            ("task_ended_at".into(), serde_json::json!("2026-03-12T17:30:00Z")),
            ("ended_at".into(), serde_json::json!("2026-03-18T21:30:00Z")),
            ("via".into(), serde_json::json!(["attached", "group:admins"])),
            ("approver_id".into(), serde_json::Value::Null),
        ]
        .into(),
        sources: vec![
            SourceRef {
                file: "jit/grants.csv".into(),
                place: format!("L{}", 100 + b.n),
                sha256: "0b9b".repeat(16).into(),
            },
            SourceRef {
                file: "aws/authorization-details.json".into(),
                place: "/RoleDetailList/17".into(),
                sha256: "0a9b".repeat(16).into(),
            },
        ],
        controls: [
            control("owasp-nhi-2025", "NHI5:2025", "tests"),
            control("nist-800-53-r5", "AC-3(8)", "tests"),
            control("nist-800-53-r5", "AC-6", "supports"),
        ]
        .into(),
        first_seen: "2026-03-14T00:00:00Z".into(),
        owner: (b.n != 3).then(|| "platform@northwind.example".into()),
    }
}

fn frameworks() -> Vec<FrameworkView> {
    let conclusion = |framework: &str, control: &str, title: &str, word: &str, exceptions| Conclusion {
        framework: framework.into(),
        control: control.into(),
        title: title.into(),
        conclusion: word.into(),
        statement: match word {
            "exceptions_noted" => format!("{exceptions} exceptions were noted for the assessed aspects of {control} in the population of 1,204 grants from 4 sources."),
            "no_exceptions_noted" => format!("No exceptions were noted for the assessed aspects of {control} in the population of 1,204 grants from 4 sources."),
            "partially_assessed" => format!("{control} was assessed in part; no exception was found in the part assessed."),
            _ => format!("{control} was not assessed."),
        },
        population: if word == "not_assessed" { 0 } else { 1204 },
        exceptions,
        accepted: 0,
        not_assessed: 191,
        rules_testing: vec!["GRT-003".into()],
        rules_supporting: vec!["STD-001".into()],
        gaps: if word == "no_exceptions_noted" { vec![] } else { vec!["no credential source".into()] },
        findings: (0..exceptions).map(|n| fingerprint(u32::try_from(n).unwrap() + 1)).collect(),
    };
    vec![
        FrameworkView {
            id: "owasp-nhi-2025".into(),
            name: "OWASP Non-Human Identities Top 10".into(),
            version: "2025".into(),
            note: None,
            conclusions: vec![
                conclusion("owasp-nhi-2025", "NHI1:2025", "Improper Offboarding", "no_exceptions_noted", 0),
                conclusion("owasp-nhi-2025", "NHI2:2025", "Secret Leakage", "not_assessed", 0),
                conclusion("owasp-nhi-2025", "NHI5:2025", "Overprivileged NHI", "exceptions_noted", 5),
            ],
        },
        FrameworkView {
            id: "nist-800-53-r5".into(),
            name: "NIST SP 800-53".into(),
            version: "5.1.1".into(),
            note: Some("Organisation-wide controls: only assessed aspects are concluded.".into()),
            conclusions: vec![
                conclusion("nist-800-53-r5", "AC-3(8)", "Revocation of access authorizations", "exceptions_noted", 3),
                conclusion("nist-800-53-r5", "AC-6", "Least privilege", "partially_assessed", 0),
            ],
        },
    ]
}

fn not_assessed() -> Vec<NotAssessed> {
    let item = |kind: &str, what: &str, why: &str, remedy: Option<&str>, items| NotAssessed {
        kind: kind.into(),
        what: what.into(),
        why: why.into(),
        remedy: remedy.map(Into::into),
        items,
    };
    vec![
        item("layer", "credential", "no source", Some("add a credential report"), 0),
        item("layer", "usage", "83 % of the period is covered", Some("add the missing logs"), 0),
        item("rule", "CRD-003 Credential outlives grant", "no credential source", Some("add a credential report"), 0),
        item("rule", "GRT-003 Grant outlives its task", "no task link", None, 191),
        item("input", "jira/changes.csv", "1 of 987 records is in quarantine", None, 1),
        item("blind_spot", "NHI2:2025 Secret Leakage", "no input shows leaked secrets", None, 0),
    ]
}

fn charts() -> Charts {
    let standing = |platform: &str, tier: &str, count| StandingCount {
        platform: platform.into(),
        tier: tier.into(),
        count,
    };
    let bar = |lane: &str, kind: &str, from: &str, until: Option<&str>, label: &str| Bar {
        lane: lane.into(),
        kind: kind.into(),
        from: from.into(),
        until: until.map(Into::into),
        label: label.into(),
    };
    let mark =
        |lane: &str, at: &str, label: &str| Mark { lane: lane.into(), at: at.into(), label: label.into() };
    Charts {
        standing: vec![
            standing("aws", "T0", 8),
            standing("aws", "T1", 11),
            standing("aws", "T2", 64),
            standing("aws", "T3", 210),
            standing("github", "T1", 3),
            standing("github", "T2", 9),
            standing("k8s", "T0", 1),
            standing("k8s", "T2", 37),
            standing("k8s", "unknown", 12),
        ],
        overstay_curve: (0..60)
            .map(|i| {
                let i = f64::from(i);
                #[expect(clippy::cast_possible_truncation, reason = "small")]
                ((1.27_f64.powf(i)) as i64, 0.62 + 0.38 * (i / 59.0).powf(1.6))
            })
            .collect(),
        overstay_grace_s: 900,
        reconciliation: [
            ("matched", 902),
            ("drift", 31),
            ("shadow", 12),
            ("residue", 7),
            ("still present", 24),
            ("missing", 5),
            ("not assessed", 235),
        ]
        .map(|(k, n)| (k.to_string(), n))
        .into(),
        completeness: [
            ("requester", 1204),
            ("reason", 1188),
            ("approver", 1160),
            ("scope", 1204),
            ("start", 1204),
            ("end", 1199),
            ("task", 1013),
        ]
        .map(|(k, n)| (k.to_string(), n, 1204))
        .into(),
        strips: vec![Strip {
            fingerprint: fingerprint(2),
            title: "JIT-0418: oncall-db, db-admin".into(),
            bars: vec![
                bar("Task", "task", "2026-03-12T09:00:00Z", Some("2026-03-12T17:30:00Z"), "CHG-2291"),
                bar("Grant", "grant", "2026-03-12T08:50:00Z", Some("2026-03-12T17:30:00Z"), "JIT-0418"),
                bar("Grant", "excess", "2026-03-12T17:30:00Z", Some("2026-03-18T21:30:00Z"), "+6 d 4 h"),
                bar("IAM", "state", "2026-03-12T08:50:00Z", None, "present"),
                bar("Use", "use", "2026-03-12T10:10:00Z", Some("2026-03-15T19:30:00Z"), "14 uses"),
                bar("Credential", "credential", "2026-03-12T08:50:00Z", Some("2026-03-19T05:30:00Z"), "session"),
            ],
            marks: vec![
                mark("Grant", "2026-03-12T08:30:00Z", "requested"),
                mark("Grant", "2026-03-12T08:45:00Z", "approved by r.voss"),
            ],
        }],
    }
}

fn stories() -> Vec<Story> {
    let line = |name: &str, text: &str| (name.to_string(), text.to_string());
    vec![Story {
        grant_id: "JIT-0418".into(),
        system: "broker".into(),
        principal: "oncall-db".into(),
        privilege: "db-admin".into(),
        findings: vec![fingerprint(2)],
        lines: vec![
            line("grant", "JIT-0418 of broker"),
            line("findings", "GRT-003 high: outlived its task by 6 d 4 h"),
            line("request", "2026-03-12T08:30:00Z by mira.lang@northwind.example"),
            line("", "reason: index rebuild"),
            line("", "[ledger.csv L12]"),
            line("evidence", "complete"),
        ],
        lanes: vec![Lane {
            name: "grant".into(),
            from: "2026-03-12T08:50:00Z".into(),
            until: Some("2026-03-18T21:30:00Z".into()),
        }],
    }]
}

fn grants() -> Vec<GrantRow> {
    (1..=8)
        .map(|n: u32| GrantRow {
            grant_id: format!("JIT-{:04}", 415 + n),
            principal: if n.is_multiple_of(2) { "oncall-db" } else { "payments/reconcile" }.into(),
            on_behalf_of: (n == 6).then(|| "mira.lang@northwind.example".into()),
            privilege: "db-admin".into(),
            scope: Some("prod-ledger".into()),
            tier: Some("T1".into()),
            requester: Some("mira.lang@northwind.example".into()),
            approver: (n != 4).then(|| "r.voss@northwind.example".into()),
            started_at: Some("2026-03-12T08:50:00Z".into()),
            not_after: Some("2026-03-12T20:50:00Z".into()),
            ended_at: (n != 5).then(|| "2026-03-18T21:30:00Z".into()),
            end_kind: if n == 5 { "open" } else { "expired" }.into(),
            task_id: Some("CHG-2291".into()),
            task_ended_at: Some("2026-03-12T17:30:00Z".into()),
            overstay_s: (n != 7).then_some(i64::from(n) * 7200 - 10_000),
            use_count: (n != 3).then_some(i64::from(n)),
            complete: n != 4,
            missing: if n == 4 { vec!["approver".into()] } else { vec![] },
            findings: if n == 2 { vec![fingerprint(2)] } else { vec![] },
        })
        .collect()
}

fn settings_rows() -> Vec<SettingRow> {
    let row = |name: &str, value: &str, default: &str, loosened| SettingRow {
        name: name.into(),
        value: value.into(),
        default: default.into(),
        loosened,
    };
    vec![
        row("limits.idle_days", "200 days", "90 days", true),
        row("limits.task_grace_s", "15 min", "15 min", false),
        row("max_duration.T0", "4 h", "4 h", false),
    ]
}
