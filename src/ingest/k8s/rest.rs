//! What stands beside roles and pods: namespaces, nodes, token secrets, certificate requests, the mapping
//! of AWS identities, the version of the server.

use serde_json::Value;

use super::Names;
use super::objects::Object;
use super::rbac::{created, put};
use crate::facts::time::{parse_rfc3339, parse_time};
use crate::facts::{
    Credential, CredentialKind, Guardrail, GuardrailKind, Link, Principal, PrincipalKind, Realm,
    RealmKind, Text, text,
};
use crate::ingest::source::Batch;

/// Label that says which pods a namespace takes.
const PSA: &str = "pod-security.kubernetes.io/enforce";
/// Days of validity of a client certificate that a request asks for without a number: the limit of the
/// signer, one year by default (`--cluster-signing-duration`).
const CERTIFICATE_S: i64 = 365 * 86_400;
/// Identities that one config map maps.
const MAX_MAPPED: usize = 20_000;

/// `/version`: what the cluster runs.
pub(super) fn version(value: &Value, names: &Names, place: &Text, batch: &mut Batch) {
    let Some(version) = value.get("gitVersion").and_then(Value::as_str) else {
        return batch.quarantine(&**place, "`gitVersion` is not text");
    };
    let version: String = version.chars().take(100).collect();
    let kind = if version.contains("-gke.") {
        "Google Kubernetes Engine"
    } else if version.contains("-eks-") {
        "Amazon EKS"
    } else {
        "Kubernetes"
    };
    batch.facts.realms.push(Realm {
        platform: text("k8s"),
        realm_id: names.cluster(),
        kind: RealmKind::Cluster,
        name: Some(text(format!("{kind} {version}"))),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Realm::default()
    });
}

/// A namespace and the pods it takes.
pub(super) fn namespace(o: &Object<'_>, batch: &mut Batch) -> Result<(), String> {
    let name = o.name()?;
    let id = o.names.scope(Some(name));
    batch.facts.realms.push(Realm {
        platform: text("k8s"),
        realm_id: id.clone(),
        kind: RealmKind::Group,
        parent_id: Some(o.names.cluster()),
        name: Some(text(name)),
        source_id: batch.source_id.clone(),
        source_ref: o.place.clone(),
        ..Realm::default()
    });
    if let Some(level) = o.map("labels").get(PSA).filter(|l| l.len() < 64) {
        batch.facts.guardrails.push(Guardrail {
            platform: text("k8s"),
            kind: GuardrailKind::Deny,
            target_id: Some(id),
            role_id: text(format!("pod-security/{level}")),
            name: text(format!("{PSA}={level}")),
            source_id: batch.source_id.clone(),
            source_ref: o.place.clone(),
            ..Guardrail::default()
        });
    }
    Ok(())
}

/// A node.
pub(super) fn node(o: &Object<'_>, batch: &mut Batch) -> Result<(), String> {
    let name = o.name()?;
    batch.facts.realms.push(Realm {
        platform: text("k8s"),
        realm_id: text(format!("{}/node/{name}", o.names.cluster())),
        kind: RealmKind::Resource,
        parent_id: Some(o.names.cluster()),
        name: Some(text(name)),
        source_id: batch.source_id.clone(),
        source_ref: o.place.clone(),
        ..Realm::default()
    });
    Ok(())
}

/// Metadata of a secret that is the token of a service account. Values are never looked at; the answer is
/// whether there were any.
pub(super) fn secret(o: &Object<'_>, batch: &mut Batch) -> Result<bool, String> {
    let filled =
        |key: &str| o.value.get(key).and_then(Value::as_object).is_some_and(|map| !map.is_empty());
    let with_data = filled("data") || filled("stringData");
    let name = o.name()?;
    let kind = o.value.get("type").and_then(Value::as_str);
    if kind != Some("kubernetes.io/service-account-token") {
        return Ok(with_data);
    }
    let namespace = o.meta("namespace").unwrap_or("default");
    let annotations = o.map("annotations");
    let labels = o.map("labels");
    let Some(account) = annotations.get("kubernetes.io/service-account.name") else {
        // A collector leaves the annotation out: whose token it is cannot be said.
        return Ok(with_data);
    };
    let used = labels.get("kubernetes.io/legacy-token-last-used");
    let invalid = labels.get("kubernetes.io/legacy-token-invalid-since");
    let date = |d: &&str| parse_time(d).ok().flatten().map(|t| t.lo);
    let row = o.names.account_row(namespace, account);
    batch.facts.credentials.push(Credential {
        credential_id: text(format!("secret {namespace}/{name}")),
        kind: CredentialKind::Token,
        principal: row.principal_id.clone(),
        active: Some(invalid.is_none()),
        issued_at: created(o),
        rotated_at: created(o),
        no_expiry: Some(true),
        revoked_at: invalid.and_then(date),
        last_used_at: used.and_then(date),
        // The server writes the label on the first use; without one nothing says that it tracks.
        use_tracked: used.is_some(),
        source_id: batch.source_id.clone(),
        source_ref: o.place.clone(),
        ..Credential::default()
    });
    put(row, o.names, &o.place, batch);
    Ok(with_data)
}

/// An approved request for a client certificate. Who it is made out to stands in the request itself, which
/// is not decoded; the holder is who asked.
pub(super) fn request(o: &Object<'_>, batch: &mut Batch) -> Result<(), String> {
    let name = o.name()?;
    let spec = o.value.get("spec").unwrap_or(o.value);
    let status = o.value.get("status").unwrap_or(o.value);
    let word = |keys: &[&str]| keys.iter().find_map(|k| spec.get(k).and_then(Value::as_str));
    let signer = word(&["signerName", "signer_name"]).unwrap_or("");
    if !signer.starts_with("kubernetes.io/kube-apiserver-client") {
        return Ok(());
    }
    let conditions = status.get("conditions").and_then(Value::as_array);
    let approved = conditions.into_iter().flatten().find(|c| {
        c.get("type").and_then(Value::as_str) == Some("Approved")
            && c.get("status").and_then(Value::as_str).is_none_or(|s| s == "True")
    });
    let Some(approved) = approved else { return Ok(()) };
    let by = word(&["username"]).ok_or("`spec.username` is missing")?;
    let at = ["lastUpdateTime", "lastTransitionTime"]
        .iter()
        .find_map(|k| parse_rfc3339(approved.get(k)?.as_str()?))
        .or_else(|| created(o));
    let seconds = spec.get("expirationSeconds").and_then(Value::as_i64).filter(|s| *s > 0);
    let end = at.map(|t| t.plus_secs(seconds.unwrap_or(CERTIFICATE_S)));
    let row = o.names.user_row(by);
    batch.facts.credentials.push(Credential {
        credential_id: text(format!("csr {name}")),
        kind: CredentialKind::Cert,
        principal: row.principal_id.clone(),
        issued_at: at,
        rotated_at: at,
        expires_at: end,
        no_expiry: Some(false),
        source_id: batch.source_id.clone(),
        source_ref: o.place.clone(),
        ..Credential::default()
    });
    put(row, o.names, &o.place, batch);
    Ok(())
}

/// The config map by which EKS maps AWS identities; `false` for any other.
pub(super) fn config_map(o: &Object<'_>, batch: &mut Batch) -> Result<bool, String> {
    if o.name()? != "aws-auth" || o.meta("namespace") != Some("kube-system") {
        return Ok(false);
    }
    let Some(data) = o.value.get("data") else { return Ok(true) };
    let mut n = 0usize;
    for (key, arn) in [("mapRoles", "rolearn"), ("mapUsers", "userarn")] {
        let Some(document) = data.get(key).and_then(Value::as_str) else { continue };
        let options = serde_saphyr::options! { strict_booleans: true };
        let entries: Value = serde_saphyr::from_str_with_options(document, options)
            .map_err(|_| format!("`{key}` is not YAML of a known form"))?;
        for (i, entry) in entries.as_array().into_iter().flatten().enumerate() {
            n += 1;
            if n > MAX_MAPPED {
                return Err(format!("more than {MAX_MAPPED} mapped identities"));
            }
            let Some(who) = entry.get(arn).and_then(Value::as_str) else {
                batch.quarantine_part(
                    format!("{}/data/{key}/{i}", o.place),
                    format!("`{arn}` is missing"),
                );
                continue;
            };
            let user = entry.get("username").and_then(Value::as_str);
            let groups = entry.get("groups").and_then(Value::as_array);
            let groups = groups.into_iter().flatten().filter_map(Value::as_str);
            mapped(who, user, groups, o.names, &o.place, batch);
        }
    }
    // Who may change it may map an identity to any group.
    Ok(true)
}

/// An AWS identity that acts as a user and in groups of the cluster.
pub(super) fn mapped<'a>(
    who: &str,
    user: Option<&str>,
    groups: impl Iterator<Item = &'a str>,
    names: &Names,
    place: &Text,
    batch: &mut Batch,
) {
    let mut rows: Vec<Principal> = groups.map(|g| names.group_row(g)).collect();
    // A template is a different user for each session.
    rows.extend(user.filter(|u| !u.contains("{{")).map(|u| names.user_row(u)));
    for row in rows {
        batch.facts.links.push(Link {
            platform: text("k8s"),
            kind: text("access_entry"),
            principal_id: text(who),
            target_id: row.principal_id.clone(),
            source_id: batch.source_id.clone(),
            source_ref: place.clone(),
            ..Link::default()
        });
        if row.kind == PrincipalKind::Group {
            put(row, names, place, batch);
        }
    }
}
