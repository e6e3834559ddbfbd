//! Generic tables of owners and of resources.

use crate::facts::{Layer, Owner, OwnerSource, Resource, text};

use super::source::Batch;
use super::table::{Row, TableAdapter};

/// Owners: who answers for an identity.
pub const OWNERS: TableAdapter = owner::ADAPTER;
/// Resources: environment and sensitivity.
pub const RESOURCES: TableAdapter = resource::ADAPTER;

mod owner {
    use super::*;
    use crate::ingest::table::fields;

    fields! {
        Principal = "principal" | "identity" | "principal_id",
        OwnerOf = "owner" | "owner_email" | "responsible",
        Team = "team" | "owner_team",
        Active = "active" | "owner_active",
        ValidFrom = "valid_from" | "since",
        ValidTo = "valid_to" | "until",
        Source = "source" | "owner_source",
    }

    pub(super) const ADAPTER: TableAdapter = TableAdapter {
        format: "owners-generic",
        title: "Owners of identities (generic table)",
        layer: Layer::Owner,
        fields: FIELDS,
        required: &[&["principal"], &["owner", "team"]],
        recognise: |n| {
            n.any(&["principal", "identity", "principal_id"])
                && n.any(&["owner", "owner_email", "team", "responsible"])
                && !n.any(&[
                    "grant_id",
                    "task_id",
                    "credential_id",
                    "opened_at",
                    "decision",
                    "count",
                ])
        },
        row,
    };

    fn row(row: &Row<'_>, batch: &mut Batch) -> Result<(), String> {
        let owner_source = match row.word(F::Source) {
            None => OwnerSource::Manual,
            Some(w) => OwnerSource::from_word(&w).ok_or_else(|| row.unknown_word(F::Source))?,
        };
        let nobody =
            |s: &&str| !matches!(s.to_ascii_lowercase().as_str(), "none" | "null" | "n/a" | "-");
        batch.facts.owners.push(Owner {
            principal: text(row.need(F::Principal)?),
            principal_id: None,
            owner: row.get(F::OwnerOf).filter(nobody).map(|s| row.share(s)),
            team: row.shared(F::Team),
            active: row.flag(F::Active)?,
            valid_from: row.instant(F::ValidFrom)?,
            valid_to: row.time(F::ValidTo)?.map(|p| p.hi),
            owner_source,
            source_id: row.source_id.clone(),
            source_ref: row.source_ref.clone(),
        });
        Ok(())
    }
}

mod resource {
    use super::*;
    use crate::ingest::table::fields;

    fields! {
        ResourceId = "resource" | "resource_id" | "scope",
        Environment = "environment" | "env",
        Sensitivity = "sensitivity" | "classification" | "criticality",
    }

    pub(super) const ADAPTER: TableAdapter = TableAdapter {
        format: "resources-generic",
        title: "Resources with environment and sensitivity (generic table)",
        layer: Layer::Context,
        fields: FIELDS,
        required: &[&["resource"], &["environment", "sensitivity"]],
        recognise: |n| {
            n.any(&["resource", "resource_id"])
                && n.any(&["environment", "env", "sensitivity", "classification"])
                && !n.any(&["principal", "grant_id", "task_id", "action"])
        },
        row,
    };

    fn row(row: &Row<'_>, batch: &mut Batch) -> Result<(), String> {
        batch.facts.resources.push(Resource {
            resource_id: text(row.need(F::ResourceId)?),
            environment: row.get(F::Environment).map(|s| row.share(&s.to_lowercase())),
            sensitivity: row.get(F::Sensitivity).map(|s| row.share(&s.to_lowercase())),
            source_id: row.source_id.clone(),
            source_ref: row.source_ref.clone(),
        });
        Ok(())
    }
}
