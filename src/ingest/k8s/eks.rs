//! Identity mappings of Amazon EKS: access entries, the policies associated with them, pod identities.

use serde_json::Value;

use super::rest::mapped;
use super::{Names, rbac::put};
use crate::facts::{BindingKind, Entitlement, Layer, Link, text};
use crate::ingest::aws::json::documents;
use crate::ingest::records::json_message;
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe};
use crate::ingest::tasks::document::is_json;
use crate::privilege::k8s::content::Place;

/// Adapter of the mappings.
#[derive(Debug)]
pub struct Eks;

/// Its only instance.
pub static EKS: Eks = Eks;

/// Access policies of EKS and the role of the cluster that holds the same rights. The others are not known.
const POLICIES: &[(&str, &str)] = &[
    ("AmazonEKSClusterAdminPolicy", "cluster-admin"),
    ("AmazonEKSAdminPolicy", "admin"),
    ("AmazonEKSEditPolicy", "edit"),
    ("AmazonEKSViewPolicy", "view"),
];

impl Adapter for Eks {
    fn format(&self) -> &'static str {
        "eks-access"
    }

    fn title(&self) -> &'static str {
        "Amazon EKS access entries, access policies, pod identity associations"
    }

    fn layer(&self) -> Layer {
        Layer::State
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        let keys: [&[&str]; 4] = [
            &["accessEntry"],
            &["accessEntries"],
            &["associatedAccessPolicies", "principalArn"],
            &["association"],
        ];
        let pods = probe.has(&["associations"])
            && crate::ingest::aws::json::says(probe, "\"serviceAccount\"");
        let found = is_json(probe.shape) && (pods || keys.iter().any(|k| probe.has(k)));
        found.then_some(Match::Specific)
    }

    fn read(&self, input: &Input, ctx: &Context<'_>, batch: &mut Batch) -> Result<(), IngestError> {
        documents(input, batch, &mut |place, raw, batch| {
            batch.records += 1;
            let place = if place.is_empty() { "/" } else { place };
            let read = serde_json::from_str::<Value>(raw)
                .map_err(|e| json_message(&e))
                .and_then(|value| one(&value, ctx, place, batch));
            if let Err(reason) = read {
                batch.quarantine(place, reason);
            }
        })
    }
}

fn word<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key).and_then(Value::as_str).filter(|s| !s.is_empty() && s.len() < 2048)
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn one(value: &Value, ctx: &Context<'_>, place: &str, batch: &mut Batch) -> Result<(), String> {
    let names = |of: &Value| Names::new(ctx.realm.or_else(|| word(of, "clusterName")));
    if let Some(entry) = value.get("accessEntry") {
        let who = word(entry, "principalArn").ok_or("`accessEntry.principalArn` is missing")?;
        let groups = list(entry, "kubernetesGroups").iter().filter_map(Value::as_str);
        mapped(who, word(entry, "username"), groups, &names(entry), &text(place), batch);
    } else if value.get("associatedAccessPolicies").is_some() {
        policies(value, &names(value), place, batch)?;
    } else if let Some(one) = value.get("association") {
        pod(one, &names(one), place, batch)?;
    } else if value.get("associations").is_some() {
        // The list leaves the roles out.
        let short =
            list(value, "associations").iter().filter(|a| word(a, "roleArn").is_none()).count();
        for a in list(value, "associations").iter().filter(|a| word(a, "roleArn").is_some()) {
            pod(a, &names(a), place, batch)?;
        }
        if short > 0 {
            batch.limitation = Some(text(format!(
                "{short} associations name no role; `describe-pod-identity-association` does"
            )));
        }
    } else if value.get("accessEntries").is_some() {
        let n = list(value, "accessEntries").len();
        batch.limitation = Some(text(format!(
            "a list of {n} identities without groups; `describe-access-entry` names them"
        )));
    } else {
        return Err("no access entry, policy or association".into());
    }
    Ok(())
}

fn policies(value: &Value, names: &Names, place: &str, batch: &mut Batch) -> Result<(), String> {
    let who = word(value, "principalArn").ok_or("`principalArn` is missing")?;
    for (i, policy) in list(value, "associatedAccessPolicies").iter().enumerate() {
        let at = format!("{place}associatedAccessPolicies/{i}");
        let Some(arn) = word(policy, "policyArn") else {
            batch.quarantine_part(at, "`policyArn` is missing");
            continue;
        };
        let name = arn.rsplit('/').next().unwrap_or(arn);
        let role = POLICIES.iter().find(|(p, _)| *p == name).map_or(name, |(_, role)| role);
        let scope = policy.get("accessScope");
        let spaces: Vec<Option<&str>> = match scope.and_then(|s| word(s, "type")) {
            Some("namespace") => {
                let spaces = scope.map(|s| list(s, "namespaces")).unwrap_or_default();
                spaces.iter().take(10_000).map(Value::as_str).filter(Option::is_some).collect()
            }
            _ => vec![None],
        };
        for namespace in spaces {
            let scope = names.scope(namespace);
            batch.facts.entitlements.push(Entitlement {
                entitlement_id: text(format!("k8s|{who}|{name}|{scope}")),
                principal_id: text(who),
                via: vec![text("access entry")],
                role_id: names.role(None, role),
                privilege: text(name),
                scope,
                scope_rank: Some(Place::of(namespace).breadth().rank()),
                platform: text("k8s"),
                binding_kind: BindingKind::Active,
                source_id: batch.source_id.clone(),
                source_ref: text(&at),
                ..Entitlement::default()
            });
        }
    }
    Ok(())
}

fn pod(value: &Value, names: &Names, place: &str, batch: &mut Batch) -> Result<(), String> {
    let need = |key: &str| word(value, key).ok_or(format!("`{key}` is missing"));
    let (namespace, account) = (need("namespace")?, need("serviceAccount")?);
    let row = names.account_row(namespace, account);
    batch.facts.links.push(Link {
        platform: text("k8s"),
        kind: text("pod_identity"),
        principal_id: row.principal_id.clone(),
        target_id: text(need("roleArn")?),
        subject: Some(text(format!("system:serviceaccount:{namespace}:{account}"))),
        source_id: batch.source_id.clone(),
        source_ref: text(place),
        ..Link::default()
    });
    put(row, names, &text(place), batch);
    Ok(())
}
