//! What activating an eligible role asks for: policies of Privileged Identity Management.
//!
//! Shapes: Resource Manager `roleManagementPolicyAssignments` (`effectiveRules`), Graph
//! `policies/roleManagementPolicyAssignments` with `$expand=policy($expand=rules)`. A policy holds for one
//! role at one scope and is not inherited. Rules for `EndUser` with `Assignment` in their id are those of an
//! activation; the others bind administrators.

use serde_json::json;

use super::record::tail;
use super::{Reader, Rec};
use crate::facts::{Guardrail, GuardrailKind, Link, Role, RoleKind, Text, text};
use crate::ingest::ledger::vendor::Doc;
use crate::ingest::source::Batch;
use crate::privilege::azure::{ACTIVATION, scope};

/// What the rules of a policy say of an activation.
#[derive(Debug, Default)]
struct Rules<'v> {
    approval: Option<bool>,
    approvers: Vec<Text>,
    reason: Option<bool>,
    mfa: Option<bool>,
    max_s: Option<i64>,
    /// Some rule was there.
    any: bool,
    unread: Vec<&'v str>,
}

/// One assignment of a policy to a role at a scope.
pub(super) fn policy(
    r: Rec<'_>,
    place: &Text,
    reader: &mut Reader<'_>,
    batch: &mut Batch,
) -> Result<(), String> {
    let kind = r.str(&["scopeType"]).unwrap_or_default().to_ascii_lowercase();
    if kind == "group" {
        // Membership of a group, not a role.
        reader.seen.group_policies += 1;
        return Ok(());
    }
    let Some(role) = r.str(&["roleDefinitionId"]).map(tail) else {
        // The policy itself; which role it is of says its assignment.
        reader.seen.loose_policies += 1;
        return Ok(());
    };
    let directory = kind.starts_with("directory") || r.str(&["scope"]).is_none();
    let (platform, at) = if directory {
        ("entra", scope::of_directory(r.str(&["scopeId", "directoryScopeId"])))
    } else {
        ("azure", scope::canonical(r.need(&["scope"])?))
    };
    let mut rules = Rules::default();
    for list in ["effectiveRules", "rules"] {
        r.list(list).for_each(|rule| one(rule, &mut rules));
    }
    if let Some(policy) = r.at("policy") {
        for list in ["effectiveRules", "rules"] {
            policy.list(list).for_each(|rule| one(rule, &mut rules));
        }
    }
    if !rules.any {
        return Err(
            "the policy comes without its rules: ask for `effectiveRules`, or expand `policy($expand=rules)`"
                .to_owned(),
        );
    }
    if let Some(first) = rules.unread.first() {
        return Err(format!("the rule `{}` cannot be read", super::short(first)));
    }
    rules.approvers.sort_unstable();
    rules.approvers.dedup();
    let approvers: Vec<&str> = rules.approvers.iter().map(|a| &**a).collect();
    let document = json!({
        "role": role,
        "approval": rules.approval,
        "approvers": approvers,
        "reason": rules.reason,
        "mfa": rules.mfa,
        "max_s": rules.max_s,
    });
    let id = text(format!("{ACTIVATION}{role}@{at}"));
    batch.facts.roles.push(Role {
        role_id: id.clone(),
        platform: text(platform),
        name: text(format!("activation of {role}")),
        kind: RoleKind::Role,
        document: Some(text(document.to_string())),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Role::default()
    });
    batch.facts.guardrails.push(Guardrail {
        platform: text(platform),
        kind: GuardrailKind::Activation,
        target_id: Some(text(&at)),
        role_id: id.clone(),
        name: text(format!("activation of {role}")),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Guardrail::default()
    });
    for approver in rules.approvers.iter().filter(|_| rules.approval == Some(true)) {
        batch.facts.links.push(Link {
            platform: text(platform),
            kind: text("approver"),
            principal_id: approver.clone(),
            target_id: id.clone(),
            source_id: batch.source_id.clone(),
            source_ref: place.clone(),
            ..Link::default()
        });
    }
    Ok(())
}

fn one<'v>(rule: Rec<'v>, out: &mut Rules<'v>) {
    let Some(id) = rule.str(&["id"]) else { return };
    out.any = true;
    let low = id.to_ascii_lowercase();
    let Some(what) = low.strip_suffix("_enduser_assignment") else { return };
    match what {
        "approval" => {
            let Some(setting) = rule.at("setting") else {
                out.unread.push(id);
                return;
            };
            out.approval = setting.flag("isApprovalRequired");
            for stage in setting.list("approvalStages") {
                for approver in stage.list("primaryApprovers") {
                    out.approvers.extend(approver.id(&["userId", "groupId", "id"]));
                }
                // They answer when nobody of the first ones did.
                for approver in stage.list("escalationApprovers") {
                    out.approvers.extend(approver.id(&["userId", "groupId", "id"]));
                }
            }
            if out.approval.is_none() {
                out.unread.push(id);
            }
        }
        "enablement" => {
            let has = |word: &str| {
                rule.texts("enabledRules").iter().any(|w| w.eq_ignore_ascii_case(word))
            };
            out.reason = Some(has("Justification") || has("Ticketing"));
            // A sign-in of a stated strength may be asked for instead.
            out.mfa = Some(out.mfa == Some(true) || has("MultiFactorAuthentication"));
        }
        "authenticationcontext" if rule.flag("isEnabled") == Some(true) => out.mfa = Some(true),
        "expiration" => match rule.get("maximumDuration") {
            None => {}
            Some(_) => match Doc(rule.0).duration("maximumDuration") {
                Ok(Some(s)) if s > 0 => out.max_s = Some(s),
                _ => out.unread.push(id),
            },
        },
        _ => {}
    }
}
