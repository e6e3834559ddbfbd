//! Sessions of IAM Identity Center. A person acts in one account with one permission set at a time (IAM
//! Identity Center User Guide, "Permission sets"): what two of them give never adds up, and each is under
//! the service control policies of its account (AWS semantics, 5.4.3).

use super::Plan;
use crate::facts::text;
use crate::privilege::aws::arn::Home;
use crate::privilege::aws::evaluate::{Subject, SubjectKind};

/// Whether the principal is of the identity store, which is of no account.
pub fn of_identity_store(id: &str) -> bool {
    id.split(':').nth(2) == Some("identitystore")
}

/// Account in which a principal has what is bound to it in a scope.
pub fn home(subject: &Subject, scope: &str) -> Home {
    let mut home = subject.home.clone();
    if of_identity_store(&subject.arn) {
        home.account = scope.strip_prefix("aws:").unwrap_or_default().to_owned();
    }
    home
}

/// One plan per assignment of people and groups of the identity store; all others stay as they are, in
/// their order. The ARN of the role that stands for a permission set in an account is not known, so that a
/// session is a policy of somebody in the account.
pub fn split(plans: Vec<Plan>) -> Vec<Plan> {
    let mut place = Vec::with_capacity(plans.len());
    let (mut kept, mut sessions) = (Vec::with_capacity(plans.len()), Vec::new());
    for mut plan in plans {
        if !of_identity_store(&plan.principal) || plan.bindings.is_empty() {
            place.push(kept.len());
            kept.push(plan);
            continue;
        }
        place.push(usize::MAX);
        // Sessions are in no group: what a group has is bound to its members already.
        plan.groups.clear();
        for (i, binding) in std::mem::take(&mut plan.bindings).into_iter().enumerate() {
            let mut one = plan.clone();
            one.n_entitlements = 1;
            one.subject.home = home(&plan.subject, &binding.scope);
            if plan.subject.kind != SubjectKind::Group {
                one.subject.kind = SubjectKind::Policy;
                one.subject.name = binding.privilege.to_string();
                one.subject.unique_id = None;
            }
            let Home { partition, account } = &one.subject.home;
            let (set, who) = (last(&binding.role_id), last(&plan.principal));
            one.subject.arn = format!("arn:{partition}:sso::{account}:session/{set}/{who}/{i}");
            if binding.bounded {
                one.boundary = Some(None);
                one.boundary_id = text(format!("{}#boundary", binding.role_id));
            }
            one.bindings.push(binding);
            sessions.push(one);
        }
    }
    for groups in kept.iter_mut().map(|p| &mut p.groups) {
        for g in groups.iter_mut() {
            *g = place.get(*g).copied().unwrap_or(usize::MAX);
        }
    }
    sessions.sort_by(|a, b| a.subject.arn.cmp(&b.subject.arn));
    kept.extend(sessions);
    kept
}

fn last(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}
