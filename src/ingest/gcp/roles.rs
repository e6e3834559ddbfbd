//! Roles: `iam roles describe`, `roles list`, and the asset of type Role.

use serde_json::{Value, json};

use super::Sink;
use crate::facts::*;
use crate::ingest::ledger::vendor::Doc;
use crate::ingest::source::Batch;

/// Row of a role.
pub fn row(id: &Text, document: Option<Text>, place: &Text, batch: &Batch) -> Role {
    let owner = id.rsplit_once("/roles/").map(|(owner, _)| owner);
    Role {
        role_id: id.clone(),
        platform: text("gcp"),
        realm: owner.map(text),
        name: id.clone(),
        kind: RoleKind::Role,
        provider_managed: id.starts_with("roles/"),
        document,
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Role::default()
    }
}

/// One role. Its document holds its permissions and whether it is in force.
pub fn role(
    sink: &mut Sink<'_>,
    doc: Doc<'_>,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    let id = text(doc.need("name")?);
    let disabled = doc.str("stage") == Some("DISABLED");
    let deleted = doc.flag("deleted").unwrap_or(false);
    let permissions = match doc.at("includedPermissions") {
        Some(Value::Array(list)) => {
            let mut names: Vec<&str> = Vec::with_capacity(list.len());
            for p in list {
                names.push(p.as_str().ok_or("a permission that is no text")?);
            }
            names.sort_unstable();
            names.dedup();
            Some(names)
        }
        Some(_) => return Err("`includedPermissions` is no list".into()),
        // Lists of roles name them only, and a deleted role shows no permissions.
        None if deleted || disabled => Some(Vec::new()),
        None => None,
    };
    let mut row = row(&id, None, place, batch);
    match permissions {
        Some(names) => {
            let mut document = json!({ "includedPermissions": names });
            if let Some(object) = document.as_object_mut() {
                if disabled {
                    object.insert("stage".into(), json!("DISABLED"));
                }
                if deleted {
                    object.insert("deleted".into(), json!(true));
                }
            }
            row.document = Some(text(document.to_string()));
        }
        None => {
            sink.notes.insert(
                "lists of roles name them without their permissions; `gcloud iam roles describe` or an \
                 asset export of type iam.googleapis.com/Role shows them"
                    .into(),
            );
        }
    }
    row.version = doc.str("etag").map(text);
    sink.roles.insert(id);
    batch.facts.roles.push(row);
    Ok(())
}
