//! Event names to IAM actions. The log names API calls; policies name permissions, and for some
//! services the two differ.

use crate::facts::{Text, text};

/// Event sources whose permissions have another prefix (Service Authorization Reference).
const SERVICES: [(&str, &str); 9] = [
    ("monitoring", "cloudwatch"),
    ("email", "ses"),
    ("tagging", "tag"),
    ("applicationinsights", "applicationinsights"),
    ("elasticmapreduce", "elasticmapreduce"),
    ("states", "states"),
    ("entitlement.marketplace", "aws-marketplace"),
    ("application-autoscaling", "application-autoscaling"),
    ("sso-directory", "sso-directory"),
];

/// Calls of Amazon S3 whose permission has another name (Amazon S3 User Guide, "Required permissions
/// for Amazon S3 API operations").
const S3: [(&str, &str); 17] = [
    ("ListBuckets", "ListAllMyBuckets"),
    ("HeadObject", "GetObject"),
    ("HeadBucket", "ListBucket"),
    ("ListObjects", "ListBucket"),
    ("ListObjectsV2", "ListBucket"),
    ("ListObjectVersions", "ListBucketVersions"),
    ("DeleteObjects", "DeleteObject"),
    ("CopyObject", "PutObject"),
    ("CreateMultipartUpload", "PutObject"),
    ("UploadPart", "PutObject"),
    ("CompleteMultipartUpload", "PutObject"),
    ("ListMultipartUploads", "ListBucketMultipartUploads"),
    ("ListParts", "ListMultipartUploadParts"),
    ("GetBucketEncryption", "GetEncryptionConfiguration"),
    ("PutBucketEncryption", "PutEncryptionConfiguration"),
    ("GetBucketLifecycle", "GetLifecycleConfiguration"),
    ("PutBucketLifecycle", "PutLifecycleConfiguration"),
];

/// IAM action of an event, `service:Name`.
pub(super) fn action(source: Option<&str>, name: &str) -> Text {
    let source = match source {
        Some(s) if !s.is_empty() => s,
        // Entries of `lookup-events` may leave the source out.
        _ if is_sts(name) => "sts.amazonaws.com",
        _ => "unknown",
    };
    let host = source.strip_suffix(".amazonaws.com").unwrap_or(source);
    let service = SERVICES.iter().find(|(s, _)| *s == host).map_or(host, |(_, p)| p);
    let name = match service {
        "s3" => S3.iter().find(|(n, _)| *n == name).map_or(name, |(_, a)| a),
        "lambda" | "cloudfront" => without_version(name),
        _ => name,
    };
    text(format!("{service}:{name}"))
}

/// Calls that STS answers with credentials.
pub(super) fn is_sts(name: &str) -> bool {
    name.starts_with("AssumeRo") || matches!(name, "GetSessionToken" | "GetFederationToken")
}

/// Older services put the date of their API behind the name: `Invoke20150331`, `GetFunction20150331v2`,
/// `CreateDistribution2020_05_31`.
fn without_version(name: &str) -> &str {
    let cut = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
    let versioned = |rest: &str| rest.bytes().filter(u8::is_ascii_digit).count() >= 8;
    if versioned(name.get(cut.len()..).unwrap_or_default()) {
        return cut;
    }
    match cut.strip_suffix('v') {
        Some(inner) => {
            let shorter = inner.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
            if versioned(inner.get(shorter.len()..).unwrap_or_default()) { shorter } else { name }
        }
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_to_actions() {
        for (source, name, want) in [
            (Some("s3.amazonaws.com"), "HeadObject", "s3:GetObject"),
            (Some("lambda.amazonaws.com"), "GetFunction20150331v2", "lambda:GetFunction"),
            (Some("lambda.amazonaws.com"), "Invoke", "lambda:Invoke"),
            (
                Some("cloudfront.amazonaws.com"),
                "CreateDistribution2020_05_31",
                "cloudfront:CreateDistribution",
            ),
            (Some("monitoring.amazonaws.com"), "DescribeAlarms", "cloudwatch:DescribeAlarms"),
            (Some("ec2.amazonaws.com"), "RunInstances", "ec2:RunInstances"),
            (None, "AssumeRoleWithWebIdentity", "sts:AssumeRoleWithWebIdentity"),
            (None, "Other", "unknown:Other"),
        ] {
            assert_eq!(&*action(source, name), want);
        }
    }
}
