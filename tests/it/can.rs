//! `can` and `who-can` on the export of a real account.

use std::path::PathBuf;

use serde_json::Value;

use crate::program::{json, ran, root};

fn export() -> PathBuf {
    let path = root().join("../shared/data/aws/authorization_details/cloudsplaining_example.json");
    assert!(path.is_file(), "{} is missing", path.display());
    path
}

const AS_OF: &str = "2026-11-01T00:00:00Z";

/// Principals and what they may do, read off the export.
fn a_user_with_everything(value: &Value) -> (String, String) {
    let admin = "arn:aws:iam::aws:policy/AdministratorAccess";
    let users = value["UserDetailList"].as_array().unwrap();
    let has = |u: &&Value| {
        u["AttachedManagedPolicies"].as_array().unwrap().iter().any(|p| p["PolicyArn"] == admin)
            && u["PermissionsBoundary"].is_null()
    };
    let user = users.iter().find(has).expect("an administrator in the export");
    (user["Arn"].as_str().unwrap().to_owned(), user["UserName"].as_str().unwrap().to_owned())
}

#[test]
fn an_administrator_may_and_the_answer_names_the_statement() {
    let path = export();
    let (arn, name) = a_user_with_everything(&json(&std::fs::read_to_string(&path).unwrap()));
    let bucket = "arn:aws:s3:::example/key";
    ran!["can", &arn, "s3:GetObject", bucket, &path, "--as-of", AS_OF].exits(0).shows(&[
        "allow: ",
        &arn,
        "AdministratorAccess",
        "statement 0",
        "not supplied: service control policies",
    ]);
    let shown =
        ran!["can", &name, "S3:getobject", bucket, &path, "--as-of", AS_OF, "--format", "json"];
    let shown = json(&shown.exits(0).out);
    assert_eq!(shown["principal"], arn.as_str());
    assert_eq!(shown["action"], "s3:GetObject");
    assert_eq!(shown["verdict"], "allow");
    assert!(shown["statements"].as_array().unwrap().iter().any(|s| s["effect"] == "Allow"));
    let key = "arn:aws:kms:eu-west-1:444455556666:key/1";
    ran!["can", &name, "kms:Decrypt", key, &path, "--as-of", AS_OF]
        .exits(4)
        .shows(&["conditional: ", "its policy is not in the inputs"]);
    ran!["can", "s3.amazonaws.com", "s3:GetObject", bucket, &path, "--as-of", AS_OF].exits(1);
}

#[test]
fn an_action_that_nobody_knows_gets_no_plain_answer() {
    let path = export();
    let (arn, _) = a_user_with_everything(&json(&std::fs::read_to_string(&path).unwrap()));
    let key = "arn:aws:s3:::example/key";
    let asked = ["--as-of", AS_OF];
    // Mistyped: a question that nobody meant to ask is not answered.
    for action in ["s3:GetObjet", "s3:RunInstances"] {
        let near = if action == "s3:GetObjet" { "`s3:GetObject`" } else { "`ec2:RunInstances`" };
        let says = ["does not know", "did you mean", near];
        ran!["can", &arn, action, key, &path, asked[0], asked[1]].exits(2).says(&says);
        ran!["who-can", action, key, &path, asked[0], asked[1]].exits(2).says(&says);
    }
    // New: the answer says what it rests on.
    let says = ["the catalogue does not know this action", "holds if AWS has it"];
    let new = "s3:GetObjet";
    ran!["can", &arn, new, key, &path, "--as-written", asked[0], asked[1]].exits(0).shows(&says);
    ran!["can", &arn, "nosuch:Thing", key, &path, asked[0], asked[1]].exits(0).shows(&says);
    ran!["who-can", "nosuch:Thing", key, &path, asked[0], asked[1]].exits(0).shows(&says);
}

#[test]
fn one_answer_whole() {
    let role = "arn:aws:iam::012345678901:role/GOAT";
    let path = root().join("../shared/data/aws/authorization_details/example_authz_v2.json");
    let shown = ran![
        "who-can",
        "s3:GetObject",
        "arn:aws:s3:::example/key",
        &path,
        "--all",
        "--as-of",
        AS_OF
    ];
    insta::assert_snapshot!("who_can", shown.exits(0).out);
    let shown =
        ran!["can", role, "s3:PutObject", "arn:aws:s3:::example/key", &path, "--as-of", AS_OF];
    insta::assert_snapshot!("can", shown.out);
}

#[test]
fn who_can_agrees_with_can() {
    let path = export();
    let (action, user) = ("iam:CreateAccessKey", "arn:aws:iam::012345678901:user/x");
    let shown = ran!["who-can", action, user, &path, "--all", "--as-of", AS_OF, "--format", "json"];
    let shown = json(&shown.exits(0).out);
    for (word, code) in [("allow", 0), ("conditional", 4), ("deny", 1)] {
        let list = shown[word].as_array().unwrap();
        let arns: Vec<&str> = list.iter().map(|a| a.as_str().unwrap()).collect();
        assert!(arns.is_sorted());
        for arn in arns.iter().take(3) {
            ran!["can", *arn, action, user, &path, "--as-of", AS_OF].exits(code);
        }
    }
    assert!(!shown["allow"].as_array().unwrap().is_empty());
    assert_eq!(shown["denied"], shown["deny"].as_array().unwrap().len());
}

#[test]
fn what_is_no_question_is_refused() {
    let path = export();
    let bucket = "arn:aws:s3:::example/key";
    ran!["can", "nobody-of-that-name", "s3:GetObject", bucket, &path, "--as-of", AS_OF]
        .exits(2)
        .says(&["no user or role `nobody-of-that-name`"]);
    ran!["can", "obama", "s3:Get*", bucket, &path, "--as-of", AS_OF]
        .exits(2)
        .says(&["not one action"]);
    ran!["can", "obama", "s3:GetObject", "arn:aws:s3:::*", &path, "--as-of", AS_OF]
        .exits(2)
        .says(&["stands for many resources"]);
    ran!["can", "obama", "s3:GetObject", "bucket", &path, "--as-of", AS_OF]
        .exits(2)
        .says(&["not the ARN of a resource"]);
    ran!["can", "obama", "s3:GetObject", bucket, &path, "--context", "novalue"]
        .exits(2)
        .says(&["KEY=VALUE"]);
    ran!["who-can", "s3:GetObject", bucket, "/nonexistent-input"].exits(2);
}

/// Names that somebody chose reach no terminal; `Ran` checks each stream.
#[test]
fn hostile_names_are_harmless() {
    let folder = tempfile::tempdir().unwrap();
    crate::names::plant(folder.path(), 9);
    ran!["who-can", "s3:GetObject", "arn:aws:s3:::b/\u{1b}[31mk\u{202e}", folder.path()].exits(0);
    ran!["who-can", "s3:GetObject", "arn:aws:s3:::b/k", folder.path(), "--format", "json"].exits(0);
    ran!["can", "owned", "s3:GetObject", "arn:aws:s3:::b/k", folder.path()]
        .exits(2)
        .says(&["similar are"]);
    let name = &crate::names::payloads(9)[7];
    let arn = format!("arn:aws:iam::111122223333:user/{name}");
    ran!["can", arn, "s3:GetObject", "arn:aws:s3:::b/k", folder.path()]
        .exits(0)
        .shows(&["allow: "]);
}

/// A trust policy that names one session of a role: whoever assumes that role under this name, and nobody
/// else.
#[test]
fn trust_in_one_session_of_a_role() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authz.json");
    let account = "arn:aws:iam::111122223333";
    let role = |name: &str, trusted: &str| {
        format!(
            r#"{{"RoleName":"{name}","RoleId":"AROA{name}","Arn":"{account}:role/{name}","AssumeRolePolicyDocument":{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{trusted},"Action":"sts:AssumeRole"}}]}},"RolePolicyList":[]}}"#
        )
    };
    let session = |name: &str| format!("arn:aws:sts::111122223333:assumed-role/entry/{name}");
    let roles = [
        role("entry", r#"{"Service":"ec2.amazonaws.com"}"#),
        role("other", r#"{"Service":"ec2.amazonaws.com"}"#),
        role("boss", &format!(r#"{{"AWS":"{}"}}"#, session("deploy"))),
    ];
    let text = format!(r#"{{"RoleDetailList":[{}],"IsTruncated":false}}"#, roles.join(","));
    std::fs::write(&path, text).unwrap();
    let boss = format!("{account}:role/boss");
    let asked = |who: &str, code: i32| {
        ran!["can", who, "sts:AssumeRole", &boss, &path, "--as-of", AS_OF].exits(code)
    };
    asked(&format!("{account}:role/entry"), 4).shows(&["depends on the session"]);
    asked(&session("deploy"), 0);
    asked(&session("other"), 1);
    asked(&format!("{account}:role/other"), 1);
    ran!["who-can", "sts:AssumeRole", &boss, &path, "--as-of", AS_OF]
        .exits(0)
        .shows(&["conditional: 1\n  arn:aws:iam::111122223333:role/entry"]);
}
