//! The known escalation paths as data.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use super::action::{ActionSet, catalogue};
use super::escalation::Node;
use super::evaluate::SubjectKind;

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
    /// The same, each with one of the actions that take a boundary away ([`lifts`]) before them; in the
    /// order of those.
    pub(super) lifted: Vec<Vec<usize>>,
    pub(super) target: Target,
    /// Further facts about the target.
    pub(super) needs: BTreeSet<String>,
    /// Those of them that a target is asked for.
    pub(super) target_needs: Vec<Need>,
    /// The target's own trust policy must let the principal in (`role_trusts_principal`).
    pub(super) trusted: bool,
    /// The path rewrites the trust policy of its target.
    pub(super) rewrites_trust: bool,
    /// Needs an existing resource that an export of IAM does not show (`existing:*`).
    pub(super) potential: bool,
    /// The service takes no new customers: information only.
    pub(super) retired: bool,
    /// Writes a policy of its target before becoming it: ends in administration within the target's
    /// ceilings, whatever the target holds now.
    pub(super) raises: bool,
    /// Key and value that the last action is judged with (`condition:KEY=VALUE`), key lower case.
    pub(super) setting: Option<(String, String)>,
}

/// A fact about the target that a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    FewerKeysThanTwo,
    TwoKeys,
    LoginProfile,
    NoLoginProfile,
    InstanceProfile,
    NoInstanceProfile,
    /// Something that no input says.
    Unseen,
}

impl Need {
    /// `None` for what is judged where the principal is known.
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "access_keys<2" => Self::FewerKeysThanTwo,
            "access_keys=2" => Self::TwoKeys,
            "login_profile" => Self::LoginProfile,
            "no_login_profile" => Self::NoLoginProfile,
            "instance_profile" => Self::InstanceProfile,
            "no_instance_profile" => Self::NoInstanceProfile,
            "role_trusts_principal" | "principal=user" => return None,
            _ => Self::Unseen,
        })
    }
}

/// Place of `sts:AssumeRole` in the catalogue.
pub(super) fn assume_role() -> Option<usize> {
    static ID: OnceLock<Option<usize>> = OnceLock::new();
    *ID.get_or_init(|| catalogue().id("sts:AssumeRole"))
}

/// Place of `iam:PassRole` in the catalogue.
pub(super) fn pass_role() -> Option<usize> {
    static ID: OnceLock<Option<usize>> = OnceLock::new();
    *ID.get_or_init(|| catalogue().id("iam:PassRole"))
}

/// Actions that free a principal of its permissions boundary: they remove it, put another in its place, or
/// rewrite the policy that it is.
pub(super) fn lifts() -> &'static [usize] {
    static IDS: OnceLock<Vec<usize>> = OnceLock::new();
    IDS.get_or_init(|| {
        let names = [
            "iam:DeleteRolePermissionsBoundary",
            "iam:PutRolePermissionsBoundary",
            "iam:DeleteUserPermissionsBoundary",
            "iam:PutUserPermissionsBoundary",
            "iam:CreatePolicyVersion",
        ];
        names.iter().filter_map(|a| catalogue().id(a)).collect()
    })
}

/// Whether an action is on a policy, not on the principal that holds it.
pub(super) fn on_policy(action: usize) -> bool {
    static IDS: OnceLock<[Option<usize>; 2]> = OnceLock::new();
    let ids = IDS.get_or_init(|| {
        ["iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion"].map(|a| catalogue().id(a))
    });
    ids.contains(&Some(action))
}

const TABLE: &str = include_str!("../../../rules/privilege/aws_escalation_paths.csv");
/// The path that only assumes a role.
pub(super) const ASSUME: &str = "sts-001";

/// The managed policy that allows everything, in the partition of a principal.
pub(super) fn administrator(partition: &str) -> String {
    format!("arn:{partition}:iam::aws:policy/AdministratorAccess")
}

/// Actions that write a policy of another principal.
const WRITES: [&str; 5] = [
    "iam:AttachRolePolicy",
    "iam:AttachUserPolicy",
    "iam:CreatePolicyVersion",
    "iam:PutRolePolicy",
    "iam:PutUserPolicy",
];

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

/// All actions that some path needs.
pub fn path_actions() -> &'static ActionSet {
    static ACTIONS: OnceLock<ActionSet> = OnceLock::new();
    ACTIONS.get_or_init(|| {
        let mut set = catalogue().none();
        set.extend(paths().iter().flat_map(|p| p.actions.iter().copied()));
        set
    })
}

impl Path {
    /// Whether the path leads to principals of the kind and account of the target at all.
    pub(super) fn may_end_at(&self, node: &Node<'_>, target: &Node<'_>) -> bool {
        if self.id == ASSUME {
            return target.subject.kind == SubjectKind::Role;
        }
        let kind = match &self.target {
            Target::AnyGroup => SubjectKind::Group,
            Target::OtherUser => SubjectKind::User,
            Target::OtherRole
            | Target::PolicyOfOtherRole
            | Target::PassRole(_)
            | Target::Existing(_) => SubjectKind::Role,
            Target::OwnUser
            | Target::OwnRole
            | Target::OwnGroup
            | Target::OwnPolicy
            | Target::NewRole => return false,
        };
        target.subject.kind == kind && target.subject.home == node.subject.home
    }

    /// `None` for a path with an action that the catalogue lacks: no principal can be shown to hold it.
    /// Of the table this is one row (`rhino-23`), whose service is retired and whose action AWS lists no more.
    fn parse(id: &str, name: &str, actions: &str, condition: &str) -> Option<Self> {
        let mut target = None;
        let mut needs = BTreeSet::new();
        let (mut potential, mut retired, mut setting) = (false, false, None);
        for term in condition.split(';') {
            potential |= term.starts_with("existing:");
            let found = match term {
                "retired_service" => {
                    retired = true;
                    continue;
                }
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
                    Some(("existing", _)) => continue,
                    Some(("condition", pair)) => {
                        let (key, value) = pair.split_once('=')?;
                        setting = Some((key.to_ascii_lowercase(), value.to_owned()));
                        continue;
                    }
                    _ => {
                        needs.insert(term.to_owned());
                        continue;
                    }
                },
            };
            target.get_or_insert(found);
        }
        let raises = matches!(
            target,
            Some(Target::OtherUser | Target::OtherRole | Target::PolicyOfOtherRole)
        ) && actions.split('|').any(|a| WRITES.contains(&a));
        let rewrites_trust = actions.split('|').any(|a| a == "iam:UpdateAssumeRolePolicy");
        let actions = actions.split('|').map(|a| catalogue().id(a)).collect::<Option<Vec<_>>>()?;
        let with = |lift: &usize| [std::slice::from_ref(lift), &actions].concat();
        Some(Self {
            id: id.into(),
            name: name.into(),
            lifted: lifts().iter().map(with).collect(),
            actions,
            target: target?,
            target_needs: needs.iter().filter_map(|n| Need::parse(n)).collect(),
            trusted: needs.contains("role_trusts_principal"),
            rewrites_trust,
            needs,
            potential,
            retired,
            raises,
            setting,
        })
    }
}
