//! The root user of an account. Nobody grants it and nobody can take it away; it stands as an
//! administrator while it can be used without anybody noticing (an active access key) or is in use.

use super::activity::Activity;
use super::people::People;
use super::refs;
use crate::facts::{CredentialKind, Facts, Holding, Standing, Text, Tier, Tri, text};
use crate::findings::fingerprint::digest;
use crate::privilege::aws::classes::Class;

/// Use within these days is use in daily work. Some tasks of an account need root once in a while.
const DAYS: i64 = 30;

/// Rows for root users with an active key or recent use. One that is locked away has no row.
pub fn rows(facts: &Facts, people: &People, activity: &Activity) -> Vec<Holding> {
    let roots = people.iter().filter(|(id, p)| {
        id.ends_with(":root") && p.inventoried && p.platform.as_deref() == Some("aws")
    });
    roots
        .filter_map(|(id, person)| {
            let own = |c: &&crate::facts::Credential| {
                c.principal_id.as_ref().unwrap_or(&c.principal) == id
            };
            let key = facts
                .credentials
                .iter()
                .filter(own)
                .any(|c| c.kind == CredentialKind::Key && c.active == Some(true));
            let last = activity.of(id).last.as_ref().map(|(t, _)| *t);
            let used = last.is_some_and(|t| activity.as_of.days_since(t) <= DAYS);
            let ways = [(key, "active access key"), (used, "used")];
            let via: Vec<Text> =
                ways.iter().filter(|(there, _)| *there).map(|(_, w)| text(w)).collect();
            (!via.is_empty()).then(|| Holding {
                principal_id: id.clone(),
                principal_kind: person.kind,
                platform: text("aws"),
                realm: person.realm.clone(),
                environment: person.environment.clone(),
                privilege: text("root"),
                role_id: text("root"),
                scope: person.realm.clone().unwrap_or_default(),
                classes: vec![text(Class::Admin.word())],
                tier: Some(Tier::T0),
                tier_possible: Some(Tier::T0),
                privileged: Some(true),
                admin: Tri::Yes,
                reads_secrets: Some(true),
                standing: Standing::Standing,
                break_glass: person.break_glass,
                last_used_at: last,
                used: used.then_some(true),
                idle_days: used.then(|| last.map(|t| activity.as_of.days_since(t))).flatten(),
                // Nobody can take root away for want of use; the key is judged as a credential.
                use_unknown: (!used).then(|| text("not_applicable")),
                // The ways come and go; what root may do does not.
                state: text(digest(&["root", Tier::T0.as_str()])),
                owner: person.owner.clone(),
                content_basis: Some(text("inputs")),
                refs: refs(person.refs.iter().map(|(s, r)| (s, r))),
                via,
                ..Holding::default()
            })
        })
        .collect()
}
