//! Vault, GitHub, PostgreSQL, Snowflake and Okta: from their bindings to what is held.

use super::{Edge, Estate, Goal, Held, Platform, Use, World};
use crate::facts::{BindingKind, Entitlement, Standing, Text, Time, text};

pub mod github;
pub mod okta;
pub mod postgres;
pub mod snowflake;
mod tree;
pub mod vault;

/// What a binding says by itself: who, what, where, until when. Its classes are still empty.
fn bound(e: &Entitlement, realm: Option<&str>, as_of: Time) -> Held {
    let gone = e.not_after.is_some_and(|t| t <= as_of);
    let standing = match e.binding_kind {
        _ if gone => Standing::Residue,
        BindingKind::Eligible => Standing::Eligible,
        _ if e.not_after.is_some() => Standing::TimeBound,
        _ => Standing::Standing,
    };
    Held {
        principal: e.principal_id.clone(),
        platform: e.platform.clone(),
        realm: realm.map(text),
        privilege: e.privilege.clone(),
        role_id: e.role_id.clone(),
        scope: e.scope.clone(),
        breadth: e.scope_rank.map_or(
            crate::privilege::class::Breadth::Resource,
            crate::privilege::class::Breadth::from_rank,
        ),
        via: if e.via.is_empty() { vec![text("direct")] } else { e.via.clone() },
        standing,
        residue: gone.then(|| text("expired")),
        not_before: e.not_before,
        not_after: e.not_after,
        refs: vec![source(e)],
        ..Held::default()
    }
}

fn source(e: &Entitlement) -> (Text, Text) {
    (e.source_id.clone(), e.source_ref.clone())
}

#[cfg(test)]
mod tests;
