//! Each row of the table of known paths: a minimal export that shows it, and near misses that do not.

use rayon::prelude::*;

use super::*;

const TABLE: &str = include_str!("../../../../rules/privilege/aws_escalation_paths.csv");
const ACCOUNT: &str = "arn:aws:iam::111122223333";

/// A row of the table, as written.
struct Row {
    id: String,
    actions: Vec<String>,
    terms: Vec<String>,
}

fn table() -> Vec<Row> {
    let mut reader = csv::Reader::from_reader(TABLE.as_bytes());
    reader
        .records()
        .map(|r| {
            let r = r.unwrap();
            let list = |i: usize, by: char| r[i].split(by).map(str::to_owned).collect();
            Row { id: r[0].to_owned(), actions: list(2, '|'), terms: list(3, ';') }
        })
        .collect()
}

impl Row {
    fn has(&self, term: &str) -> bool {
        self.terms.iter().any(|t| t == term)
    }

    fn services(&self) -> Option<Vec<&str>> {
        self.terms.iter().find_map(|t| t.strip_prefix("pass_role:")).map(|s| s.split(',').collect())
    }

    fn existing(&self) -> Option<&str> {
        self.terms.iter().find_map(|t| t.strip_prefix("existing:"))
    }

    /// What an action of the row is allowed on.
    fn resource(&self, action: &str) -> String {
        let own = |kind: &str| format!("{ACCOUNT}:{kind}/p");
        if !action.starts_with("iam:") && !action.starts_with("sts:")
            || action.contains("Profile") && action.contains("Instance")
        {
            return "*".into();
        }
        if action.ends_with("PolicyVersion") {
            let name = if self.has("self_policy") { "own" } else { "boss" };
            return format!("{ACCOUNT}:policy/{name}");
        }
        match () {
            () if self.has("self_group") => format!("{ACCOUNT}:group/team"),
            () if self.has("any_group") => format!("{ACCOUNT}:group/boss"),
            () if self.has("self:user") => own("user"),
            () if self.has("self:role") => own("role"),
            () if self.has("new_role") => format!("{ACCOUNT}:role/*"),
            () if self.has("other_user") => format!("{ACCOUNT}:user/boss"),
            () => format!("{ACCOUNT}:role/boss"),
        }
    }
}

/// What a variant changes: each is a near miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Miss {
    Nothing,
    /// One action is not held.
    Action(usize),
    /// One action is held on something else.
    Elsewhere(usize),
    /// What the row says about the target does not hold.
    Fact,
    /// The target is no stronger than the principal.
    Weak,
}

fn policy(name: &str, versions: &[&str]) -> String {
    let n = versions.len();
    let list: Vec<String> = versions
        .iter()
        .enumerate()
        .map(|(i, s)| {
            let v = n - i;
            format!(r#"{{"VersionId":"v{v}","IsDefaultVersion":{},"Document":{}}}"#, i == 0, doc(s))
        })
        .collect();
    format!(
        r#"{{"PolicyName":"{name}","Arn":"{ACCOUNT}:policy/{name}","DefaultVersionId":"v{n}","PolicyVersionList":[{}]}}"#,
        list.join(",")
    )
}

fn attached(name: &str) -> String {
    format!(
        r#","AttachedManagedPolicies":[{{"PolicyName":"{name}","PolicyArn":"{ACCOUNT}:policy/{name}"}}]"#
    )
}

fn group(name: &str, statement: &str) -> String {
    format!(
        r#"{{"Path":"/","GroupName":"{name}","GroupId":"AGPA{name}","Arn":"{ACCOUNT}:group/{name}","GroupPolicyList":[{{"PolicyName":"g","PolicyDocument":{}}}]}}"#,
        doc(statement)
    )
}

const HARMLESS: &str = r#"{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}"#;

/// Services of roles that existing resources of a kind run with.
fn service_of(kind: &str) -> &'static str {
    match kind {
        k if k.starts_with("apprunner") => "tasks.apprunner.amazonaws.com",
        k if k.starts_with("bedrock") => "bedrock-agentcore.amazonaws.com",
        k if k.starts_with("cloudformation") => "cloudformation.amazonaws.com",
        k if k.starts_with("codebuild") => "codebuild.amazonaws.com",
        k if k.starts_with("ecs") => "ecs-tasks.amazonaws.com",
        k if k.starts_with("ec2") || k.starts_with("autoscaling") => "ec2.amazonaws.com",
        k if k.starts_with("glue") => "glue.amazonaws.com",
        k if k.starts_with("lambda") => "lambda.amazonaws.com",
        k if k.starts_with("sagemaker") => "sagemaker.amazonaws.com",
        other => panic!("no service for `{other}`"),
    }
}

/// Whom the role that is passed or taken trusts.
fn trust(row: &Row, fact: bool) -> String {
    match (row.services(), row.existing()) {
        (Some(services), _)
            if fact || row.has("instance_profile") || row.has("no_instance_profile") =>
        {
            trusts(&format!(r#"{{"Service":{services:?}}}"#))
        }
        (None, Some(kind)) if fact && !row.has("retired_service") => {
            trusts(&format!(r#"{{"Service":"{}"}}"#, service_of(kind)))
        }
        _ if row.has("role_trusts_principal") && fact => {
            trusts(&format!(r#"{{"AWS":"{ACCOUNT}:root"}}"#))
        }
        _ => trusts(r#"{"Service":"unknown.amazonaws.com"}"#),
    }
}

/// The role that is passed or taken.
fn boss(row: &Row, fact: bool, strength: &str, trust: &str) -> String {
    let profile =
        (row.has("instance_profile") && fact) || (row.has("no_instance_profile") && !fact);
    let mut boss = if row.has("policy_of_other_role") {
        role("boss", &[], trust, &attached("boss"))
    } else {
        role("boss", &[strength], trust, "")
    };
    if profile {
        boss = boss.replace(
            r#""InstanceProfileList":[]"#,
            &format!(r#""InstanceProfileList":[{{"Arn":"{ACCOUNT}:instance-profile/b"}}]"#),
        );
    }
    boss
}

/// The export of a row, and what its credential report says of the target user: keys, password.
fn world(row: &Row, miss: Miss) -> (Facts, Vec<String>) {
    let fact = miss != Miss::Fact;
    let mut docs: Vec<String> = row
        .actions
        .iter()
        .enumerate()
        .filter(|(i, _)| miss != Miss::Action(*i))
        .map(|(i, a)| {
            let on = if miss == Miss::Elsewhere(i) {
                row.resource(a).replace("111122223333", "999988887777")
            } else {
                row.resource(a)
            };
            format!(r#"{{"Effect":"Allow","Action":"{a}","Resource":"{on}"}}"#)
        })
        .collect();
    docs.push(HARMLESS.into());
    let mut policies = Vec::new();
    let mut groups = Vec::new();
    let mut extra = String::new();
    let own = &row.actions[0];
    let spare = if miss == Miss::Action(0) { "iam:GetUser" } else { own };
    let everything_but = format!(r#"{{"Effect":"Deny","NotAction":"{spare}","Resource":"*"}}"#);
    if row.has("has_boundary") {
        docs = vec![STAR.into()];
        if fact {
            let room =
                format!(r#"{{"Effect":"Allow","Action":["{spare}","s3:*"],"Resource":"*"}}"#);
            policies.push(policy("bound", &[&room]));
            extra = format!(
                r#","PermissionsBoundary":{{"PermissionsBoundaryType":"Policy","PermissionsBoundaryArn":"{ACCOUNT}:policy/bound"}}"#
            );
        } else {
            docs = vec![HARMLESS.into()];
        }
    }
    if row.has("deny_in_inline_policy") {
        docs = vec![STAR.into()];
        if fact {
            docs.push(everything_but.clone());
        } else {
            policies.push(policy("deny", &[&everything_but]));
            extra = attached("deny");
        }
    }
    if row.has("deny_in_attached_policy") {
        docs = vec![STAR.into()];
        if fact {
            policies.push(policy("deny", &[&everything_but]));
            extra = attached("deny");
        } else {
            docs.push(everything_but.clone());
        }
    }
    if row.has("deny_in_group_policy") {
        docs = vec![STAR.into()];
        if !fact {
            docs.push(everything_but.clone());
        }
        groups.push(group("team", if fact { &everything_but } else { HARMLESS }));
        extra = r#","GroupList":["team"]"#.into();
    } else if row.has("self_group") {
        groups.push(group("team", HARMLESS));
        extra = if fact { r#","GroupList":["team"]"#.into() } else { String::new() };
    }
    if row.has("self_policy") {
        let dormant = if fact { STAR } else { HARMLESS };
        if row.has("stronger_inactive_version") {
            policies.push(policy("own", &[HARMLESS, dormant]));
            extra = attached("own");
        } else {
            policies.push(policy("own", &[HARMLESS]));
            extra = if fact { attached("own") } else { String::new() };
        }
    }
    let strength = if miss == Miss::Weak { HARMLESS } else { STAR };
    groups.push(group("boss", strength));
    policies.push(policy("boss", &[strength]));
    let trust = trust(row, fact);
    let boss = boss(row, fact, strength, &trust);
    let texts: Vec<&str> = docs.iter().map(String::as_str).collect();
    let mut users = vec![user("boss", &[strength], "")];
    let mut roles = vec![boss];
    if row.has("self:role") {
        roles.push(role("p", &texts, &trusts(r#"{"Service":"other.amazonaws.com"}"#), &extra));
    } else {
        users.push(user("p", &texts, &extra));
    }
    let mut facts =
        export(&users.join(","), &groups.join(","), &roles.join(","), &policies.join(","));
    let want = |yes: &str, no: &str| match (row.has(yes), row.has(no)) {
        (true, _) => fact,
        (_, true) => !fact,
        _ => true,
    };
    let (second_key, password) =
        (want("access_keys=2", "access_keys<2"), want("login_profile", "no_login_profile"));
    report(&mut facts, second_key, password);
    let r = run(&facts);
    let p = r.identity_facts.iter().find(|i| i.name.as_deref() == Some("p")).unwrap();
    (facts, p.proof.iter().map(ToString::to_string).collect())
}

/// A credential report: one key or two, password or none, for both users.
fn report(facts: &mut Facts, second_key: bool, password: bool) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("report.csv");
    let header = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated";
    let key = |on: bool| {
        if on { "true,2026-01-01T00:00:00+00:00,N/A,N/A,N/A" } else { "false,N/A,N/A,N/A,N/A" }
    };
    let line = format!(
        "boss,{ACCOUNT}:user/boss,2025-01-01T00:00:00+00:00,{password},N/A,N/A,N/A,true,{},{},false,N/A,false,N/A",
        key(true),
        key(second_key)
    );
    std::fs::write(&path, format!("{header}\n{line}\n")).unwrap();
    let batch = read(facts, "aws-credential-report", &path);
    assert!(batch.facts.quarantine.is_empty(), "{:?}", batch.facts.quarantine);
}

/// Techniques that the names of the labelled account tell, by the middle part of the name. Where the
/// technique is for the other kind of principal, the account's own README pairs it with that kind.
const LABELS: &[(&str, &[&str], &str)] = &[
    ("privesc1-", &["iam-001"], "user role"),
    ("privesc2-", &["rhino-02"], "user role"),
    ("privesc3-", &["ec2-001"], "user role"),
    ("privesc4-", &["iam-002", "iam-003"], "user role"),
    ("privesc5-", &["iam-004"], "user role"),
    ("privesc6-", &["iam-006"], "user role"),
    ("privesc7-", &["iam-008"], "user"),
    ("privesc8-", &["iam-010"], "user"),
    ("privesc9-", &["iam-009"], "role"),
    ("privesc10-", &["iam-007"], "user"),
    ("privesc11-", &["iam-011"], "user"),
    ("privesc12-", &["iam-005"], "role"),
    ("privesc13-", &["iam-013"], "user"),
    ("privesc14-", &["iam-012", "rhino-14"], "user role"),
    ("privesc15-", &["lambda-001"], "user role"),
    ("privesc16-", &["lambda-002", "cs-lambda-newdynamo"], "user role"),
    ("privesc17-", &["lambda-003"], "user role"),
    ("privesc18-", &["glue-001"], "user role"),
    ("privesc19-", &["glue-002"], "user role"),
    ("privesc20-", &["cloudformation-001"], "user role"),
    ("privesc21-", &["datapipeline-001"], "user role"),
    ("privesc-AssumeRole-start", &["sts-001"], "user role"),
    ("privesc-CloudFormationUpdateStack-", &["cloudformation-002"], "user role"),
    ("privesc-codeBuildCreateProjectPassRole-", &["codebuild-001"], "user role"),
    ("privesc-ec2InstanceConnect-", &["ec2instanceconnect-003"], "user role"),
    ("privesc-sageMakerCreateNotebookPassRole-", &["sagemaker-001"], "user role"),
    ("privesc-sageMakerCreatePresignedNotebookURL-", &["sagemaker-004"], "user role"),
    ("privesc-sageMakerCreateProcessingJobPassRole-", &["sagemaker-003"], "user role"),
    ("privesc-sageMakerCreateTrainingJobPassRole-", &["sagemaker-002"], "user role"),
    ("privesc-ssmSendCommand-", &["ssm-002"], "user role"),
    ("privesc-ssmStartSession-", &["ssm-001"], "user role"),
];

/// A real account whose principals are named for the technique they are open to.
#[test]
fn labelled_account() {
    let mut facts = Facts::default();
    let path = shared("data/aws/authorization_details/cloudsplaining_example.json");
    read(&mut facts, "aws-authorization-details", &path);
    let r = reach(&facts, &Settings::defaults(), as_of("2023-06-01T00:00:00Z"));
    let (mut missed, mut found) = (Vec::new(), 0);
    for i in &r.identity_facts {
        let Some(name) = i.name.as_deref().filter(|n| n.starts_with("privesc")) else { continue };
        let label = LABELS.iter().find(|(start, ..)| name.starts_with(start));
        let Some((_, techniques, kinds)) = label else { continue };
        let kind = if i.principal_id.contains(":user/") { "user" } else { "role" };
        if !kinds.contains(kind) {
            continue;
        }
        let has = |t: &&str| i.proof.iter().any(|p| p.starts_with(&format!("{t} ")));
        if techniques.iter().any(has) {
            found += 1;
        } else {
            missed.push(format!("{name}: {:?}", i.proof));
        }
    }
    let misses: Vec<&str> = missed.iter().filter_map(|m| m.split(':').next()).collect();
    // What the names promise and this export does not hold: a policy with one version has nothing to
    // switch to, no role trusts both services of a data pipeline, and the starting user has no policy,
    // no group, and is named by no trust policy.
    let known = [
        "privesc2-SetExistingDefaultPolicyVersion-role",
        "privesc21-PassExistingRoleToNewDataPipeline-role",
        "privesc-AssumeRole-start-user",
        "privesc2-SetExistingDefaultPolicyVersion-user",
        "privesc21-PassExistingRoleToNewDataPipeline-user",
    ];
    assert_eq!(misses, known, "{}", missed.join("\n"));
    assert!(found >= 45, "{found} of the labelled principals");
}

/// The ways to break a row: an action less, an action elsewhere, without its fact, with a weak target.
fn misses(row: &Row) -> Vec<Miss> {
    let mut misses: Vec<Miss> = (0..row.actions.len()).map(Miss::Action).collect();
    for (i, a) in row.actions.iter().enumerate() {
        // Where an administrator is held down, its policy is not narrowed.
        let held_down =
            row.has("has_boundary") || row.terms.iter().any(|t| t.starts_with("deny_in"));
        if row.resource(a) != "*" && !held_down {
            misses.push(Miss::Elsewhere(i));
        }
    }
    let bare = row.terms.iter().all(|t| {
        ["self:user", "self:role", "new_role", "other_user", "other_role", "policy_of_other_role"]
            .contains(&t.as_str())
            || t.starts_with("condition:")
            || t.starts_with("any_group")
            || t.starts_with("principal=")
    });
    if !bare {
        misses.push(Miss::Fact);
    }
    let others = ["any_group", "other_user", "other_role", "policy_of_other_role"];
    let writes = row.actions.iter().any(|a| {
        ["iam:Attach", "iam:PutRolePolicy", "iam:PutUserPolicy", "iam:CreatePolicyVersion"]
            .iter()
            .any(|w| a.starts_with(w))
    });
    if (others.iter().any(|t| row.has(t)) || row.services().is_some() || row.existing().is_some())
        && !writes
    {
        misses.push(Miss::Weak);
    }
    misses
}

/// What is wrong with the findings about one row, and how many of its lines were shown.
fn judged(row: &Row) -> (Vec<String>, usize) {
    let mut wrong = Vec::new();
    let mut shown = 0;
    let found = |miss: Miss| {
        let (_, proof) = world(row, miss);
        let line = proof.iter().find(|p| p.starts_with(&format!("{} ", row.id))).cloned();
        (line, proof)
    };
    let (line, proof) = found(Miss::Nothing);
    if row.has("retired_service") {
        if line.is_some() {
            wrong.push(format!("{}: a retired service opens no path", row.id));
        }
        // One of them needs an action that is no more.
        let listed = row.actions.iter().all(|a| catalogue().id(a).is_some());
        let told = |miss: Miss| {
            let r = run(&world(row, miss).0);
            let p = r.identity_facts.iter().find(|i| i.name.as_deref() == Some("p")).unwrap();
            p.retired_paths.iter().any(|p| p.starts_with(&format!("{} ", row.id)))
        };
        if told(Miss::Nothing) != listed || told(Miss::Action(0)) {
            wrong.push(format!("{}: not told for information", row.id));
        }
        return (wrong, shown);
    }
    match &line {
        None => wrong.push(format!("{} is not found: {proof:?}", row.id)),
        Some(line) => {
            shown += 1;
            let unseen = row.existing().is_some();
            if line.contains("(conditional)") != unseen {
                wrong.push(format!("{}: wrong certainty: {line}", row.id));
            }
            if !line.contains("gives administrator") {
                wrong.push(format!("{}: wrong gain: {line}", row.id));
            }
        }
    }
    for miss in misses(row) {
        // Taking the identity's permission away leaves a role that the path rewrites or that trusts it.
        if let (Some(line), proof) = found(miss) {
            wrong.push(format!("{} with {miss:?} is still found: {line} {proof:?}", row.id));
        }
    }
    (wrong, shown)
}

#[test]
fn every_row_of_the_table() {
    let rows = table();
    assert_eq!(rows.len(), 94);
    let all: Vec<(Vec<String>, usize)> = rows.par_iter().map(judged).collect();
    let wrong: Vec<String> = all.iter().flat_map(|(w, _)| w.clone()).collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(all.iter().map(|(_, n)| n).sum::<usize>(), 91);
}
