//! The known escalation paths as data.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use super::action::catalogue;

/// What a path acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    OwnUser,
    OwnRole,
    OwnGroup,
    OwnPolicy,
    AnyGroup,
    OtherUser,
    OtherRole,
    PolicyOfOtherRole,
    NewRole,
    /// Services that are handed a role.
    PassRole(Vec<String>),
    /// Service whose existing resource already runs with a role.
    Existing(Option<&'static str>),
}

/// One known path.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) actions: Vec<usize>,
    pub(super) target: Target,
    /// Further facts about the target.
    pub(super) needs: BTreeSet<String>,
}

const TABLE: &str = include_str!("../../../rules/privilege/aws_escalation_paths.csv");
/// The path that only assumes a role.
pub(super) const ASSUME: &str = "sts-001";
pub(super) const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// Service that assumes the role of an existing resource of a kind.
const EXISTING: &[(&str, &str)] = &[
    ("apprunner_service", "tasks.apprunner.amazonaws.com"),
    ("autoscaling", "ec2.amazonaws.com"),
    ("bedrock", "bedrock-agentcore.amazonaws.com"),
    ("cloudformation", "cloudformation.amazonaws.com"),
    ("codebuild", "codebuild.amazonaws.com"),
    ("ec2", "ec2.amazonaws.com"),
    ("ecs", "ecs-tasks.amazonaws.com"),
    ("glue", "glue.amazonaws.com"),
    ("lambda", "lambda.amazonaws.com"),
    ("sagemaker", "sagemaker.amazonaws.com"),
];

pub(super) fn paths() -> &'static [Path] {
    static PATHS: OnceLock<Vec<Path>> = OnceLock::new();
    PATHS.get_or_init(|| {
        csv::Reader::from_reader(TABLE.as_bytes())
            .records()
            .flatten()
            .filter_map(|row| Path::parse(row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            .collect()
    })
}

impl Path {
    /// `None` for a path whose service is retired, or with an action that the catalogue lacks.
    fn parse(id: &str, name: &str, actions: &str, condition: &str) -> Option<Self> {
        let mut target = None;
        let mut needs = BTreeSet::new();
        for term in condition.split(';') {
            let found = match term {
                "retired_service" => return None,
                "self:user" => Target::OwnUser,
                "self:role" => Target::OwnRole,
                "self_group" => Target::OwnGroup,
                "self_policy" => Target::OwnPolicy,
                "any_group" => Target::AnyGroup,
                "other_user" => Target::OtherUser,
                "other_role" => Target::OtherRole,
                "policy_of_other_role" => Target::PolicyOfOtherRole,
                "new_role" => Target::NewRole,
                _ => match term.split_once(':') {
                    Some(("pass_role", services)) => {
                        Target::PassRole(services.split(',').map(str::to_owned).collect())
                    }
                    Some(("existing", kind)) if target.is_none() => Target::Existing(
                        EXISTING.iter().find(|(k, _)| kind.starts_with(k)).map(|(_, s)| *s),
                    ),
                    _ => {
                        needs.insert(term.to_owned());
                        continue;
                    }
                },
            };
            target.get_or_insert(found);
        }
        let actions = actions.split('|').map(|a| catalogue().id(a)).collect::<Option<Vec<_>>>()?;
        Some(Self { id: id.into(), name: name.into(), actions, target: target?, needs })
    }
}
