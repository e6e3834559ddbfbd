//! A proposal for a narrower policy: the actions that were used, on the resources they were used on.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::privilege::aws::action::catalogue;

/// One use of an action.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Action, by index.
    pub action: usize,
    /// Resource as the log names it.
    pub resource: Option<&'a str>,
}

/// More actions than this make no useful proposal.
const ACTIONS: usize = 60;
/// More resources than this for one action become `*`.
const RESOURCES: usize = 10;

/// The policy as JSON text; `None` when nothing was used or too much.
///
/// Actions with the same resources share a statement. An action without a resource type, or one of
/// whose uses the log names no ARN, is proposed on `*`: the log does not tell how to narrow it.
/// `kept` are granted actions whose use no log shows; they come back on `*`, to be narrowed by hand.
pub fn policy(seen: &[Seen<'_>], kept: &[&str]) -> Option<String> {
    let mut by_action: BTreeMap<usize, Option<BTreeSet<&str>>> = BTreeMap::new();
    for s in seen {
        let slot = by_action.entry(s.action).or_insert_with(|| Some(BTreeSet::new()));
        let arn = s.resource.filter(|r| r.starts_with("arn:"));
        match (arn, slot.as_mut()) {
            (Some(arn), Some(set)) if set.len() < RESOURCES || set.contains(arn) => {
                set.insert(arn);
            }
            _ => *slot = None,
        }
    }
    if by_action.is_empty() || by_action.len() > ACTIONS {
        return None;
    }
    let star = BTreeSet::from(["*"]);
    let mut statements: BTreeMap<BTreeSet<&str>, Vec<&str>> = BTreeMap::new();
    for (action, resources) in &by_action {
        let free = catalogue().wildcard_only().contains(*action);
        let on = match resources {
            Some(set) if !free && !set.is_empty() => set,
            _ => &star,
        };
        statements.entry(on.clone()).or_default().push(catalogue().name(*action));
    }
    if !kept.is_empty() {
        statements.entry(star).or_default().extend(kept);
    }
    let statements: Vec<serde_json::Value> = statements
        .into_iter()
        .map(|(resources, mut actions)| {
            actions.sort_unstable();
            actions.dedup();
            json!({"Effect": "Allow", "Action": actions, "Resource": resources})
        })
        .collect();
    Some(json!({"Version": "2012-10-17", "Statement": statements}).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen<'a>(action: &str, resource: Option<&'a str>) -> Seen<'a> {
        Seen { action: catalogue().id(action).unwrap(), resource }
    }

    #[test]
    fn actions_share_the_resources_they_were_used_on() {
        let arn = Some("arn:aws:s3:::b/x");
        let text = policy(
            &[
                seen("s3:PutObject", arn),
                seen("s3:GetObject", arn),
                seen("s3:GetObject", arn),
                seen("ec2:DescribeInstances", Some("arn:aws:ec2:eu-west-1:1:instance/i")),
                seen("sqs:SendMessage", Some("queue")),
            ],
            &["iam:PassRole"],
        );
        assert_eq!(
            text.unwrap(),
            r#"{"Statement":[{"Action":["ec2:DescribeInstances","iam:PassRole","sqs:SendMessage"],"Effect":"Allow","Resource":["*"]},{"Action":["s3:GetObject","s3:PutObject"],"Effect":"Allow","Resource":["arn:aws:s3:::b/x"]}],"Version":"2012-10-17"}"#
        );
    }

    #[test]
    fn nothing_or_too_much_gives_no_proposal() {
        assert_eq!(policy(&[], &["iam:PassRole"]), None);
        let all: Vec<Seen<'_>> =
            (0..=ACTIONS).map(|action| Seen { action, resource: None }).collect();
        assert_eq!(policy(&all, &[]), None);
        let names: Vec<String> = (0..=RESOURCES).map(|i| format!("arn:aws:s3:::b/{i}")).collect();
        let many: Vec<Seen<'_>> = names.iter().map(|n| seen("s3:GetObject", Some(n))).collect();
        assert!(policy(&many, &[]).unwrap().contains(r#""Resource":["*"]"#));
    }
}
