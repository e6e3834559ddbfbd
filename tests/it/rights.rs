//! The gate on two AWS exports: wider effective rights fail it in any wording, a rewording passes.

use std::path::Path;

use serde_json::{Value, json};

use crate::program::{Ran, ran};

const ACCOUNT: &str = "111122223333";

fn document(statements: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// An export of one user with one inline policy.
fn export(policy: &str, statements: &Value, boundary: Option<&Value>) -> Value {
    let mut user = json!({
        "Path": "/", "UserName": "deployer", "UserId": "AIDAEXAMPLE",
        "Arn": format!("arn:aws:iam::{ACCOUNT}:user/deployer"),
        "CreateDate": "2026-01-01T00:00:00Z",
        "UserPolicyList": [{"PolicyName": policy, "PolicyDocument": document(statements)}],
        "GroupList": [], "AttachedManagedPolicies": [], "Tags": []
    });
    let mut policies = Vec::new();
    if let Some(limit) = boundary {
        let arn = format!("arn:aws:iam::{ACCOUNT}:policy/limit");
        user["PermissionsBoundary"] =
            json!({"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn});
        policies.push(json!({
            "PolicyName": "limit", "PolicyId": "ANPAEXAMPLE", "Arn": arn, "Path": "/",
            "DefaultVersionId": "v1", "AttachmentCount": 0, "PermissionsBoundaryUsageCount": 1,
            "IsAttachable": true, "CreateDate": "2026-01-01T00:00:00Z",
            "UpdateDate": "2026-01-01T00:00:00Z",
            "PolicyVersionList": [{"Document": document(limit), "VersionId": "v1",
                "IsDefaultVersion": true, "CreateDate": "2026-01-01T00:00:00Z"}]
        }));
    }
    json!({"UserDetailList": [user], "GroupDetailList": [], "RoleDetailList": [], "Policies": policies})
}

fn write(path: &Path, value: &Value) {
    std::fs::write(path, value.to_string()).unwrap();
}

/// The gate on `new` with a baseline made of `old`.
fn gate(old: &Value, new: &Value, by_bundle: bool) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let [export, baseline, bundle] =
        ["iam.json", "baseline.jsonl", "out"].map(|n| folder.path().join(n));
    let as_of = ["--as-of", "2026-11-01T00:00:00Z"];
    write(&export, old);
    ran!["baseline", "create", &export, as_of[0], as_of[1], "-o", &baseline].exits(0);
    write(&export, new);
    let input = if by_bundle {
        ran!["scan", &export, as_of[0], as_of[1], "-o", &bundle].exits(0);
        bundle
    } else {
        export
    };
    ran!["gate", &input, as_of[0], as_of[1], "--baseline", &baseline, "--fail-on", "new:low"]
}

#[test]
fn rewordings_pass_and_wider_rights_do_not() {
    let allow = |action: Value| json!([{"Effect": "Allow", "Action": action, "Resource": "*"}]);
    let old = export("ops", &allow(json!(["iam:*", "s3:*"])), None);
    let same = [
        // Another name, upper case, statements split, a list for a wildcard that means the same.
        export("operations", &allow(json!(["iam:*", "s3:*"])), None),
        export("ops", &allow(json!(["S3:*", "IAM:*"])), None),
        export(
            "ops2",
            &json!([
                {"Sid": "A", "Effect": "Allow", "Action": "iam:*", "Resource": ["*"]},
                {"Sid": "B", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}
            ]),
            None,
        ),
        // Fewer rights under another name.
        export("less", &allow(json!(["iam:*", "s3:Get*"])), None),
    ];
    for new in &same {
        for by_bundle in [false, true] {
            gate(&old, new, by_bundle).exits(0).tells(&["gate passed"]);
        }
    }
    let wider = [
        export("ops", &allow(json!(["iam:*", "s3:*", "kms:*"])), None),
        export("ops", &json!([{"Effect": "Allow", "NotAction": "ec2:*", "Resource": "*"}]), None),
        export("renamed", &allow(json!("*")), None),
    ];
    for new in &wider {
        gate(&old, new, false).exits(1).tells(&["STD-009", "deployer"]);
    }
}

#[test]
fn a_lifted_boundary_is_wider_access() {
    let all = json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}]);
    let some = json!([{"Effect": "Allow", "Action": ["s3:*", "kms:*"], "Resource": "*"}]);
    let bounded = export("ops", &all, Some(&some));
    gate(&bounded, &export("ops", &all, None), false).exits(1).tells(&["STD-009"]);
    gate(&export("ops", &all, None), &bounded, false).exits(0);
}
