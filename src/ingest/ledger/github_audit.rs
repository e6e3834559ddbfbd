//! The audit log of a GitHub organisation or enterprise.
//!
//! Field table: grants model, section 8; names of actions from the reference of audit log events. The
//! log has no ids of memberships: one runs from its `add` to its `remove`, or to an `update` that gives
//! another permission in its place. `created_at` is epoch milliseconds, in streams also text.

use super::history::{History, Keys, Style, Told, opaque};
use super::vendor::{Doc, JsonAdapter, contains, mentions};
use crate::facts::{
    ApprovalMethod, BrokerKind, Decision, EndKind, EventKind, Grant, Layer, Outcome, PrincipalKind,
    Text, text,
};
use crate::ingest::source::Batch;

/// The log as JSON array, NDJSON or stream.
pub static AUDIT: JsonAdapter = JsonAdapter {
    format: "github-audit",
    title: "GitHub organisation audit log",
    layer: Layer::Ledger,
    recognise: |p| {
        mentions(p, &["\"action\""])
            && (mentions(p, &["\"actor\""]) || mentions(p, &["\"actor_id\""]))
            && ACTIONS.iter().any(|(name, ..)| contains(p, &format!("\"{name}\"")))
    },
    style: Style {
        system: "github",
        platform: Some("github"),
        keys: Keys::Slot,
        missing_end: EndKind::Open,
        missing_decision: Decision::Unknown,
    },
    record,
};

/// What kind of access an action is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    OrgMember,
    EnterpriseAdmin,
    Collaborator,
    TeamMember,
    TeamRepository,
    Installation,
    PublicKey,
    DeployKey,
    Token,
    OauthGrant,
    SsoCredential,
}

const ACTIONS: &[(&str, What, EventKind)] = {
    use EventKind as K;
    use What as W;
    &[
        ("org.add_member", W::OrgMember, K::Activated),
        ("org.remove_member", W::OrgMember, K::Revoked),
        ("org.update_member", W::OrgMember, K::RequestUpdated),
        ("business.add_admin", W::EnterpriseAdmin, K::Activated),
        ("business.remove_admin", W::EnterpriseAdmin, K::Revoked),
        ("repo.add_member", W::Collaborator, K::Activated),
        ("repo.remove_member", W::Collaborator, K::Revoked),
        ("repo.update_member", W::Collaborator, K::RequestUpdated),
        ("team.add_member", W::TeamMember, K::Activated),
        ("team.remove_member", W::TeamMember, K::Revoked),
        ("team.add_repository", W::TeamRepository, K::Activated),
        ("team.remove_repository", W::TeamRepository, K::Revoked),
        ("integration_installation.create", W::Installation, K::Activated),
        ("integration_installation.destroy", W::Installation, K::Revoked),
        ("integration_installation.suspend", W::Installation, K::Revoked),
        ("integration_installation.unsuspend", W::Installation, K::Activated),
        ("public_key.create", W::PublicKey, K::Activated),
        ("public_key.delete", W::PublicKey, K::Revoked),
        ("deploy_key.create", W::DeployKey, K::Activated),
        ("deploy_key.destroy", W::DeployKey, K::Revoked),
        ("personal_access_token.request_created", W::Token, K::Requested),
        ("personal_access_token.request_cancelled", W::Token, K::Withdrawn),
        ("personal_access_token.request_denied", W::Token, K::Denied),
        ("personal_access_token.access_granted", W::Token, K::Activated),
        ("personal_access_token.access_revoked", W::Token, K::Revoked),
        ("oauth_authorization.create", W::OauthGrant, K::Activated),
        ("oauth_authorization.destroy", W::OauthGrant, K::Revoked),
        ("org_credential_authorization.grant", W::SsoCredential, K::Activated),
        ("org_credential_authorization.revoke", W::SsoCredential, K::Revoked),
        ("org_credential_authorization.deauthorized", W::SsoCredential, K::Revoked),
    ]
};

fn record(
    doc: Doc<'_>,
    place: &Text,
    history: &mut History,
    batch: &mut Batch,
) -> Result<(), String> {
    let action = doc.need("action")?;
    if action.starts_with("workflows.") {
        // Runs are tasks; the adapter of GitHub Actions reads them.
        if !crate::ingest::tasks::github::audited(doc.0, place, batch)? {
            history.other("are of other actions");
        }
        return Ok(());
    }
    let Some((_, what, kind)) = ACTIONS.iter().find(|(name, ..)| *name == action) else {
        history.other("are of other actions");
        return Ok(());
    };
    let at = doc
        .time("created_at")?
        .or(doc.time("@timestamp")?)
        .or(doc.time("at_sign_timestamp")?)
        .ok_or("`created_at` is missing")?;
    let actor = doc.text("actor");
    let (key, grant) = access(*what, doc)?;
    let own = actor.as_ref() == Some(&grant.beneficiary);
    if let Some(actor) = actor.as_ref().filter(|_| !own) {
        history.used(actor, action, grant.scope.as_ref(), Outcome::Allowed, (at, place));
    }
    let told = Told {
        key,
        kind: *kind,
        at,
        actor: actor.clone(),
        reason: doc
            .text("explanation")
            .or_else(|| doc.text("permission").filter(|_| *kind == EventKind::RequestUpdated)),
        end_kind: match (kind, own) {
            (EventKind::Revoked, true) => EndKind::RevokedByOwner,
            (EventKind::Revoked, false) => EndKind::RevokedByAdmin,
            (EventKind::RequestUpdated, _) if changes_permission(doc) => EndKind::Superseded,
            _ => EndKind::Unknown,
        },
        method: ApprovalMethod::Human,
        about: Some(Box::new(grant)),
        place: place.clone(),
        ..Told::default()
    };
    if *what == What::Token && *kind == EventKind::Activated && !own {
        // Who lets a token in decides on its request.
        history.tell(Told { kind: EventKind::Approved, ..told.clone() });
    }
    history.tell(told);
    Ok(())
}

/// Whether the record gives another permission in place of the one before; where that is not said, it is
/// taken for another.
fn changes_permission(doc: Doc<'_>) -> bool {
    let to = doc.first(&["permission", "data/permission"]);
    to.is_some() && to != doc.first(&["old_permission", "data/old_permission"])
}

/// Key and content of the access that a record is about. The key holds no permission: a removal does
/// not name it.
fn access(what: What, doc: Doc<'_>) -> Result<(String, Grant), String> {
    let (org, repo) = (doc.first(&["org", "business"]), doc.first(&["repo", "repository"]));
    let team = doc.first(&["team", "data/team"]);
    let user = doc.first(&["user", "actor"]);
    let permission = doc.first(&["permission", "data/permission"]);
    let token = || doc.id("token_id").or_else(|| doc.id("credential_id")).map(|id| opaque(&id));
    let name = || doc.first(&["fingerprint", "title", "name", "external_identity_nameid"]);
    let (who, kind, word, scope, detail) = match what {
        What::OrgMember => (user, PrincipalKind::Human, "organisation member", org, None),
        What::EnterpriseAdmin => {
            (user, PrincipalKind::Human, "enterprise owner", doc.str("business").or(org), None)
        }
        What::Collaborator => (user, PrincipalKind::Human, "collaborator", repo, None),
        What::TeamMember => (user, PrincipalKind::Human, "team member", team, None),
        What::TeamRepository => (team, PrincipalKind::Group, "team access", repo, None),
        What::Installation => (
            doc.first(&["name", "integration"]),
            PrincipalKind::App,
            "app installation",
            org.or(repo),
            None,
        ),
        What::PublicKey => {
            (user, PrincipalKind::Human, "SSH key", repo.or(org), name().map(opaque))
        }
        What::DeployKey => (name(), PrincipalKind::Workload, "deploy key", repo, None),
        What::Token => (user, PrincipalKind::Human, "fine-grained token", org, token()),
        What::OauthGrant => (
            user,
            PrincipalKind::Human,
            "OAuth app authorisation",
            org,
            doc.first(&["oauth_application_name", "oauth_application_id"]).map(str::to_owned),
        ),
        What::SsoCredential => (user, PrincipalKind::Human, "SSO credential", org, token()),
    };
    let who = who.ok_or("the record does not say whose access it is")?;
    let key = format!(
        "{who}|{word}|{}{}",
        scope.unwrap_or(""),
        detail.as_ref().map(|d| format!("|{d}")).unwrap_or_default()
    );
    let credential =
        matches!(what, What::PublicKey | What::DeployKey | What::Token | What::SsoCredential);
    let grant = Grant {
        beneficiary: text(who),
        beneficiary_kind: Some(kind),
        privilege: text(permission.unwrap_or(word)),
        scope: scope.map(text),
        broker_kind: if credential { BrokerKind::Credential } else { BrokerKind::Binding },
        not_after: doc.time("token_expires_at").ok().flatten(),
        grant_kind: Some(text(word)),
        ..Grant::default()
    };
    Ok((key, grant))
}
