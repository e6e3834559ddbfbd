//! Workload identity pools and their providers: who may come in from outside.

use serde_json::json;

use super::{Sink, scope};
use crate::facts::*;
use crate::ingest::ledger::vendor::Doc;
use crate::ingest::source::Batch;

/// A pool, or a provider of one.
pub fn pool(
    sink: &mut Sink<'_>,
    doc: Doc<'_>,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    let name = doc.need("name")?;
    let (pool, provider) = name.split_once("/providers/").unwrap_or((name, ""));
    let off = doc.flag("disabled").unwrap_or(false) || doc.str("state") == Some("DELETED");
    if provider.is_empty() {
        // Every identity of the pool, as bindings name it.
        let id = text(format!("principalSet://iam.googleapis.com/{pool}/*"));
        if sink.seen.insert(id.clone()) {
            batch.facts.principals.push(Principal {
                principal_id: id,
                kind: PrincipalKind::Group,
                platform: Some(text("gcp")),
                realm: scope::project_in(pool),
                name: doc.text("displayName"),
                disabled: Some(off),
                inventoried: true,
                source_id: batch.source_id.clone(),
                source_ref: place.clone(),
                ..Principal::default()
            });
        }
        return Ok(());
    }
    let issuer = doc
        .first(&["oidc/issuerUri", "oidc/issuer_uri"])
        .map(text)
        .or_else(|| doc.id("aws/accountId").map(|a| text(format!("aws:{a}"))))
        .or_else(|| doc.at("saml").map(|_| text("saml")));
    let audiences =
        doc.list("oidc/allowedAudiences").filter_map(|a| a.0.as_str()).map(text).collect();
    let mapping = doc.at("attributeMapping").map(|m| m.to_string());
    let condition = doc.str("attributeCondition");
    batch.facts.links.push(Link {
        platform: text("gcp"),
        kind: text("federation_provider"),
        principal_id: text(name),
        target_id: text(pool),
        issuer,
        subject: None,
        audiences,
        condition: Some(text(
            json!({ "attributeCondition": condition, "attributeMapping": mapping, "disabled": off })
                .to_string(),
        )),
        not_before: None,
        not_after: None,
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
    });
    Ok(())
}
