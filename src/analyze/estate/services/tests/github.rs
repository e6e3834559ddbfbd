use super::*;

#[test]
fn installations_and_deploy_keys() {
    let (facts, reach) = folder("other/github");
    assert_eq!(
        held(&reach, "github"),
        [
            "deploy key jenkins of contoso/pay | write | contoso/pay | T3 | escalation (possible), data-write, data-read",
            "deploy key mirror of contoso/pay | read | contoso/pay | T3 | data-read",
            "deploy-bot | administration:write, contents:write, metadata:read, secrets:write | organization | T0 | admin, permissions-management, escalation, data-write, read",
            "lint | checks:write, contents:read, metadata:read | organization | T3 | data-read, data-write (control plane), read | residue",
        ]
    );
    let keys: Vec<(&str, Option<bool>)> =
        facts.credentials.iter().map(|c| (&*c.principal, c.no_expiry)).collect();
    assert_eq!(keys.len(), 2);
    assert!(keys.iter().all(|(_, none)| *none == Some(true)));
    // The record of an installation is no grant that would explain it.
    assert!(reach.holdings.iter().all(|h| h.covered_by_grant != Some(true)));
}

#[test]
fn owners_outsiders_and_tokens() {
    let people = |names: &[&str]| {
        let one = |n: &&str| {
            format!("{{\"login\":\"{n}\",\"id\":1,\"type\":\"User\",\"site_admin\":false}}")
        };
        format!("[{}]", names.iter().map(one).collect::<Vec<_>>().join(","))
    };
    let token = |login: &str, id: u32, selection: &str| {
        format!(
            r#"{{"id":{id},"token_id":{id},"token_name":"t","owner":{{"login":"{login}"}},"repository_selection":"{selection}","repositories_url":"https://api.github.com/organizations/7/x","permissions":{{"repository":{{"contents":"write"}}}},"access_granted_at":"2026-01-01T00:00:00Z","token_expired":false,"token_expires_at":"2026-12-01T00:00:00Z","token_last_used_at":null}}"#
        )
    };
    let (_, reach) = files(&[
        ("owners.json", &people(&["boss"])),
        ("outside_collaborators.json", &people(&["guest"])),
        (
            "collaborators.json",
            r#"{"acme/pay":[{"login":"dev","site_admin":false,"type":"User","role_name":"write","permissions":{"admin":false,"push":true,"pull":true}}]}"#,
        ),
        ("tokens.json", &format!("[{},{}]", token("boss", 1, "all"), token("dev", 2, "all"))),
    ]);
    assert_eq!(
        held(&reach, "github"),
        [
            "boss | owner | organization | T0 | admin",
            "boss | repository/contents:write | organizations/7 | T0 | admin, data-write | time_bound until 2026-12-01T00:00:00Z",
            "dev | write | acme/pay | T3 | escalation (possible), data-write, data-read",
            "dev | repository/contents:write | organizations/7 | T4 |  | possibly admin, data-write | time_bound until 2026-12-01T00:00:00Z",
            "guest | outside collaborator | organization | T4 | read",
        ]
    );
    let outside: Vec<&str> = reach.trust_facts.iter().map(|t| &*t.trusted).collect();
    assert_eq!(outside, ["guest"]);
}

#[test]
fn tokens_of_the_cartography_sample() {
    let (_, reach) = judged(
        ingest(&[shared("other/cartography/github_pats.json")], &Settings::defaults()).unwrap(),
    );
    let rows = held(&reach, "github");
    assert_eq!(rows.len(), 4, "{}", rows.join("\n"));
    assert!(rows.iter().all(|r| r.contains("hjsimpson") || r.contains("mbsimpson")));
}

/// From a right to push over a run to a role of AWS, and what stands between.
#[test]
fn pushes_lead_where_runs_may_go() {
    let trust = |role: &str, subject: &str| {
        format!(
            r#"{{"Path":"/","RoleName":"{role}","RoleId":"AROA{role}","Arn":"arn:aws:iam::111122223333:role/{role}","CreateDate":"2025-01-01T00:00:00+00:00","AssumeRolePolicyDocument":{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Federated":"arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"}},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{{"StringLike":{{"token.actions.githubusercontent.com:sub":"{subject}"}},"StringEquals":{{"token.actions.githubusercontent.com:aud":"sts.amazonaws.com"}}}}}}]}},"InstanceProfileList":[],"RolePolicyList":[{{"PolicyName":"all","PolicyDocument":{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"*","Resource":"*"}}]}}}}],"AttachedManagedPolicies":[],"Tags":[]}}"#
        )
    };
    let aws = |roles: &[String]| {
        format!(
            r#"{{"UserDetailList":[],"GroupDetailList":[],"Policies":[],"RoleDetailList":[{}]}}"#,
            roles.join(",")
        )
    };
    let people = r#"{"acme/web":[{"login":"dev","site_admin":false,"type":"User","role_name":"write","permissions":{"admin":false,"push":true,"pull":true}},{"login":"seer","site_admin":false,"type":"User","role_name":"read","permissions":{"admin":false,"push":false,"pull":true}}]}"#;
    let found = |subject: &str, more: &[(&str, &str)]| {
        let details = aws(&[trust("deploy", subject)]);
        let mut inputs = vec![("details.json", details.as_str()), ("collaborators.json", people)];
        inputs.extend(more);
        let (facts, reach) = files(&inputs);
        assert!(facts.quarantine.is_empty(), "{:?}", facts.quarantine);
        assert!(!reach.escalations.iter().any(|e| &*e.principal_id == "seer"));
        let all: Vec<_> = reach.escalations.iter().filter(|e| &*e.principal_id == "dev").collect();
        assert_eq!(all.len(), 1, "{subject}: {:#?}", reach.escalations);
        assert!(all[0].to_admin && &*all[0].techniques[0] == "github:push", "{:?}", all[0]);
        (all[0].verdict.to_string(), all[0].conditions.join("; "))
    };
    let yes = ("yes".to_owned(), String::new());
    // Any branch, any pull request: whoever may push.
    assert_eq!(found("repo:acme/web:*", &[]), yes);
    assert_eq!(found("repo:acme/*", &[]), yes);
    assert_eq!(found("repo:acme/web:pull_request", &[]), yes);
    // An environment or a branch whose guards no input shows.
    let (verdict, why) = found("repo:acme/web:environment:prod", &[]);
    assert!(verdict == "conditional" && why.contains("no input says"), "{why}");
    let environments = |rules: &str| {
        format!(
            r#"{{"total_count":1,"environments":[{{"id":1,"name":"prod","url":"https://api.github.com/repos/acme/web/environments/prod","protection_rules":[{rules}],"deployment_branch_policy":null}}]}}"#
        )
    };
    let reviewed = environments(
        r#"{"id":1,"type":"required_reviewers","reviewers":[{"type":"User","reviewer":{"login":"boss"}}]},{"id":2,"type":"wait_timer","wait_timer":30}"#,
    );
    let (verdict, why) =
        found("repo:acme/web:environment:prod", &[("environments.json", &reviewed)]);
    assert!(verdict == "conditional" && why.contains("(boss)"), "{why}");
    let waits = environments(r#"{"id":2,"type":"wait_timer","wait_timer":30}"#);
    assert_eq!(found("repo:acme/web:environment:prod", &[("environments.json", &waits)]), yes);
    assert_eq!(
        found("repo:acme/web:environment:new", &[("environments.json", &reviewed)]),
        yes,
        "an environment that is not there is made without guards"
    );
    let protection = |reviews: &str| {
        format!(
            r#"{{"url":"https://api.github.com/repos/acme/web/branches/main/protection","enforce_admins":{{"enabled":true}},"restrictions":null{reviews}}}"#
        )
    };
    let asks =
        protection(r#","required_pull_request_reviews":{"required_approving_review_count":1}"#);
    let (verdict, why) = found("repo:acme/web:ref:refs/heads/main", &[("main.json", &asks)]);
    assert!(verdict == "conditional" && why.contains("somebody else approves"), "{why}");
    assert_eq!(found("repo:acme/web:ref:refs/heads/main", &[("main.json", &protection(""))]), yes);
    let ruleset = r#"{"id":7,"name":"main","target":"branch","source_type":"Repository","source":"acme/web","enforcement":"active","conditions":{"ref_name":{"include":["refs/heads/rel*"],"exclude":[]}},"rules":[{"type":"pull_request","parameters":{"required_approving_review_count":2}}]}"#;
    let (verdict, why) = found("repo:acme/web:ref:refs/heads/release", &[("rules.json", ruleset)]);
    assert!(verdict == "conditional" && why.contains("somebody else approves"), "{why}");
}

/// An app that writes in every repository, and one that writes where it was let in.
#[test]
fn apps_that_push() {
    let details = r#"{"UserDetailList":[],"GroupDetailList":[],"Policies":[],"RoleDetailList":[{"Path":"/","RoleName":"deploy","RoleId":"AROA1","Arn":"arn:aws:iam::111122223333:role/deploy","CreateDate":"2025-01-01T00:00:00+00:00","AssumeRolePolicyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringLike":{"token.actions.githubusercontent.com:sub":"repo:acme/web:*"}}}]},"InstanceProfileList":[],"RolePolicyList":[{"PolicyName":"all","PolicyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}}],"AttachedManagedPolicies":[],"Tags":[]}]}"#;
    let app = |id: u32, slug: &str, selection: &str| {
        format!(
            r#"{{"id":{id},"app_id":{id},"app_slug":"{slug}","account":{{"login":"acme"}},"repository_selection":"{selection}","permissions":{{"contents":"write"}},"created_at":"2026-01-01T00:00:00Z","suspended_at":null,"events":[]}}"#
        )
    };
    let apps = format!(r#"{{"total_count":1,"installations":[{}]}}"#, app(2, "some", "selected"));
    let (_, reach) = files(&[("details.json", details), ("installations.json", &apps)]);
    let some: Vec<_> = reach.escalations.iter().filter(|e| &*e.principal_id == "some").collect();
    assert_eq!(some.len(), 1, "{:#?}", reach.escalations);
    assert_eq!((&*some[0].gain, some[0].verdict.as_str()), ("potential", "conditional"));
    assert!(some[0].conditions.iter().any(|c| c.contains("were selected")));
}

/// Policies, trusts and credentials of three clouds that let runs of `acme/app` in, each as an administrator.
fn clouds(sub: &str, attribute: &str, subject: &str) -> Vec<(&'static str, String)> {
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Federated":"arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"}},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{{"StringLike":{{"token.actions.githubusercontent.com:sub":"{sub}"}}}}}}]}}"#
    );
    let aws = format!(
        r#"{{"UserDetailList":[],"GroupDetailList":[],"Policies":[],"RoleDetailList":[{{"Path":"/","RoleName":"ops","RoleId":"AROAEXAMPLEID","Arn":"arn:aws:iam::111122223333:role/ops","CreateDate":"2026-01-01T00:00:00Z","AssumeRolePolicyDocument":{trust},"InstanceProfileList":[],"RolePolicyList":[{{"PolicyName":"all","PolicyDocument":{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"*","Resource":"*"}}]}}}}],"AttachedManagedPolicies":[],"Tags":[]}}]}}"#
    );
    let pool = "projects/3/locations/global/workloadIdentityPools/gh";
    let gcp = format!(
        r#"[{{"assetType":"cloudresourcemanager.googleapis.com/Project","resource":"//cloudresourcemanager.googleapis.com/projects/p","project":"projects/3","folders":[],"organization":"organizations/1","policy":{{"bindings":[{{"role":"roles/owner","members":["principalSet://iam.googleapis.com/{pool}/{attribute}"]}}]}}}}]"#
    );
    let provider = format!(
        r#"[{{"name":"{pool}/providers/g","state":"ACTIVE","attributeCondition":"assertion.repository_owner == 'acme'","oidc":{{"issuerUri":"https://token.actions.githubusercontent.com"}}}}]"#
    );
    let app = "11111111-1111-4111-8111-111111111111";
    let sp = "22222222-2222-4222-8222-222222222222";
    let apps = format!(
        r##"[{{"@odata.type":"#microsoft.graph.application","id":"33333333-3333-4333-8333-333333333333","appId":"{app}","displayName":"deploy","passwordCredentials":[],"keyCredentials":[],"requiredResourceAccess":[],"federatedIdentityCredentials":[{{"id":"f","name":"gh","issuer":"https://token.actions.githubusercontent.com","subject":"{subject}","audiences":["api://AzureADTokenExchange"]}}]}}]"##
    );
    let sps = format!(
        r##"[{{"@odata.type":"#microsoft.graph.servicePrincipal","id":"{sp}","appId":"{app}","displayName":"deploy","servicePrincipalType":"Application","passwordCredentials":[],"keyCredentials":[]}}]"##
    );
    let assignments = format!(
        r#"[{{"id":"/subscriptions/44444444-4444-4444-8444-444444444444/providers/Microsoft.Authorization/roleAssignments/55555555-5555-4555-8555-555555555555","name":"55555555-5555-4555-8555-555555555555","type":"Microsoft.Authorization/roleAssignments","scope":"/subscriptions/44444444-4444-4444-8444-444444444444","roleDefinitionId":"/subscriptions/44444444-4444-4444-8444-444444444444/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635","roleDefinitionName":"Owner","principalId":"{sp}","principalType":"ServicePrincipal","principalName":"deploy"}}]"#
    );
    vec![
        ("aws.json", aws),
        ("gcp.json", gcp),
        ("pools.json", provider),
        ("apps.json", apps),
        ("sps.json", sps),
        ("assignments.json", assignments),
    ]
}

const WRITERS: &str = r#"{"acme/app":[{"login":"dev","site_admin":false,"type":"User","role_name":"write","permissions":{"admin":false,"push":true,"pull":true}},{"login":"eve","site_admin":false,"type":"User","role_name":"read","permissions":{"admin":false,"push":false,"pull":true}}],"other/app":[{"login":"zoe","site_admin":false,"type":"User","role_name":"write","permissions":{"push":true}}]}"#;

fn scan(mut inputs: Vec<(&'static str, String)>, only: &[&str]) -> Reach {
    inputs.retain(|(name, _)| only.contains(name));
    inputs.push(("collaborators.json", WRITERS.to_owned()));
    let inputs: Vec<(&str, &str)> = inputs.iter().map(|(n, c)| (*n, c.as_str())).collect();
    files(&inputs).1
}

/// Runs of a repository sign in to each cloud, and whoever writes its code decides what they do.
#[test]
fn a_repository_is_a_way_into_three_clouds() {
    let branch = "repo:acme/app:ref:refs/heads/main";
    let all = || clouds("repo:acme/app:*", "attribute.repository/acme/app", branch);
    for (inputs, end, sure) in [
        (&["aws.json"][..], "arn:aws:iam::111122223333:role/ops", true),
        (&["gcp.json", "pools.json"][..], "attribute.repository/acme/app", true),
        (&["apps.json", "sps.json", "assignments.json"][..], "", false),
    ] {
        let r = scan(all(), inputs);
        let of = |who: &str| r.escalations.iter().find(|e| &*e.principal_id == who);
        let repo =
            of("repo:acme/app").unwrap_or_else(|| panic!("{inputs:?}: {:#?}", r.escalations));
        assert!(repo.to_admin && repo.target_id.contains(end), "{repo:?}");
        assert_eq!((repo.verdict, repo.n_hops), (crate::facts::Tri::Yes, 1), "{repo:?}");
        let dev = of("dev").unwrap_or_else(|| panic!("{inputs:?}"));
        assert!(dev.steps[0].contains("pushes to `acme/app`") && dev.to_admin, "{dev:?}");
        // A token for one branch is had by whoever gets past its protection.
        let want = if sure { crate::facts::Tri::Yes } else { crate::facts::Tri::Conditional };
        assert_eq!((dev.verdict, dev.n_hops), (want, 2), "{dev:?}");
        assert!(of("eve").is_none() && of("zoe").is_none() && of("repo:other/app").is_none());
        let fact = r.identity_facts.iter().find(|f| &*f.principal_id == "repo:acme/app").unwrap();
        assert_eq!(fact.platform.as_deref(), Some("github"));
    }
}

#[test]
fn trust_in_an_owner_reaches_the_repositories_that_are_known() {
    let of = |sub: &str, attribute: &str| {
        let r = scan(clouds(sub, attribute, "x"), &["aws.json", "gcp.json", "pools.json"]);
        let who = r.escalations.iter().map(|e| format!("{} {}", e.principal_id, e.verdict));
        who.collect::<Vec<_>>()
    };
    // The role takes any repository of the owner; the pool is limited to it by its condition.
    assert_eq!(of("repo:acme/*", "attribute.x/y"), ["dev yes", "repo:acme/app yes"]);
    let none = "repo:none/none yes";
    assert_eq!(of("repo:none/none", "*"), ["dev yes", "repo:acme/app yes", none]);
    // A repository that the condition of the only provider keeps out.
    assert_eq!(of("repo:none/none", "attribute.repository/other/app"), [none]);
    // Environments stand behind protections that nobody exported.
    assert_eq!(
        of("repo:acme/app:environment:prod", "attribute.x/y"),
        ["dev conditional", "repo:acme/app yes"]
    );
}
