//! The audit log of the API server: who did what, and by which binding it was allowed.
//!
//! `audit.k8s.io` events as NDJSON, `EventList`, arrays, or as messages in the output of `aws logs
//! filter-log-events`. Rows are summed up by identity, action, namespace and day. Which binding allowed a
//! call is a row of its own at the granularity of the identity, with the binding as its resource: the
//! authoriser stops at the first match, so a binding that is never named is unused or shadowed.

use std::borrow::Cow;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{Hash, Hasher};

use serde::Deserialize;

use super::Names;
use crate::facts::time::parse_time;
use crate::facts::{Layer, Outcome, Text, Time, Usage, UsageGrain, text};
use crate::ingest::aws::json::elements;
use crate::ingest::records::{self, json_message};
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe};
use crate::ingest::tasks::document::{head_has, is_json};
use crate::ingest::{detect, reader};

/// Format of the log.
pub const FORMAT: &str = "kubernetes-audit";
/// Groups of rows that are told apart; beyond, the namespace is left out.
const MAX_GROUPS: usize = 500_000;

/// Adapter of audit logs.
#[derive(Debug)]
pub struct Audit;

/// Its only instance.
pub static AUDIT: Audit = Audit;

impl Adapter for Audit {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn title(&self) -> &'static str {
        "Kubernetes audit log (NDJSON, EventList, CloudWatch export of EKS)"
    }

    fn layer(&self) -> Layer {
        Layer::Usage
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        // The broker's adapter reads the deletions of its own bindings.
        if !is_json(probe.shape) || head_has(probe, "jit.kubejit.io") {
            return None;
        }
        let event = probe.has(&["kind", "apiVersion", "verb"]) || probe.has(&["kind", "auditID"]);
        let list = probe.has(&["kind", "items"]) || probe.has(&["events"]);
        ((event || list) && head_has(probe, "audit.k8s.io/v1")).then_some(Match::Specific)
    }

    fn read(&self, input: &Input, ctx: &Context<'_>, batch: &mut Batch) -> Result<(), IngestError> {
        let (head, complete) = reader::head(input)?;
        let shape = detect::detect(&head, complete).shape;
        let mut log = Log::new(ctx.realm);
        records::each(input, shape, batch, &mut |place, raw, batch| {
            log.document(raw, &place.to_string(), batch);
            Ok(())
        })?;
        log.close(batch);
        Ok(())
    }
}

/// An event, as far as it is read. Logs of old servers and of forwarders lack parts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow, rename = "auditID")]
    audit_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    stage: Option<Cow<'a, str>>,
    #[serde(borrow)]
    verb: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "requestURI")]
    uri: Option<Cow<'a, str>>,
    #[serde(borrow)]
    user: Option<User<'a>>,
    #[serde(borrow)]
    impersonated_user: Option<User<'a>>,
    #[serde(borrow)]
    object_ref: Option<Object<'a>>,
    response_status: Option<Status>,
    #[serde(borrow)]
    request_received_timestamp: Option<Cow<'a, str>>,
    #[serde(borrow)]
    stage_timestamp: Option<Cow<'a, str>>,
    #[serde(borrow)]
    timestamp: Option<Cow<'a, str>>,
    #[serde(borrow)]
    annotations: Option<BTreeMap<Cow<'a, str>, Cow<'a, str>>>,
    #[serde(borrow)]
    level: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct User<'a> {
    #[serde(borrow)]
    username: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    #[serde(borrow)]
    api_group: Option<Cow<'a, str>>,
    #[serde(borrow)]
    resource: Option<Cow<'a, str>>,
    #[serde(borrow)]
    subresource: Option<Cow<'a, str>>,
    #[serde(borrow)]
    namespace: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Status {
    code: Option<i64>,
}

/// A call as another log tells of it (Google Cloud Audit Logs of a cluster).
#[derive(Debug, Default)]
pub(in crate::ingest) struct Call<'a> {
    /// Identifier of the entry: an entry that is there twice counts once.
    pub id: Option<&'a str>,
    /// Verb.
    pub verb: &'a str,
    /// User by name, as the API server knows it.
    pub user: Option<&'a str>,
    /// API group, empty for core; null for a path that is no resource.
    pub resource: Option<(&'a str, &'a str)>,
    /// Subresource.
    pub subresource: Option<&'a str>,
    /// Namespace.
    pub namespace: Option<&'a str>,
    /// Path, where it is no resource.
    pub path: Option<&'a str>,
    /// Time.
    pub time: &'a str,
    /// HTTP status.
    pub code: i64,
    /// Reason of the authoriser.
    pub reason: Option<&'a str>,
}

/// What tells rows apart.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone)]
struct Key {
    principal: Text,
    behind: Option<Text>,
    scope: Option<Text>,
    what: What,
    day: i64,
    outcome: Outcome,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone)]
enum What {
    Action(Text),
    /// Binding that allowed it, and its role where the log names it.
    Binding(Text, Option<Text>),
}

#[derive(Debug)]
struct Sum {
    first: Time,
    last: Time,
    count: i64,
    place: Text,
}

/// Calls of one cluster, summed up.
#[derive(Debug)]
pub(in crate::ingest) struct Log {
    names: Names,
    rows: BTreeMap<Key, Sum>,
    seen: HashSet<u64>,
    texts: BTreeMap<String, Text>,
    duplicates: u64,
    nameless: u64,
    coarse: bool,
    levels: BTreeSet<String>,
    reasons: bool,
}

impl Log {
    /// An empty log of a cluster; null when its name is not known.
    pub(in crate::ingest) fn new(realm: Option<&str>) -> Self {
        Self {
            names: Names::new(realm),
            rows: BTreeMap::new(),
            seen: HashSet::new(),
            texts: BTreeMap::new(),
            duplicates: 0,
            nameless: 0,
            coarse: false,
            levels: BTreeSet::new(),
            reasons: false,
        }
    }

    /// An event, a list of events, or an entry that holds one as text.
    fn document(&mut self, raw: &str, place: &str, batch: &mut Batch) {
        let mut parts: Vec<(String, &str)> = Vec::new();
        let read = records::object(raw, &mut |key, value| {
            if matches!(key, "items" | "events" | "message" | "verb" | "kind") {
                parts.push((key.to_owned(), value));
            }
            Ok(())
        });
        if let Err(e) = read {
            return batch.quarantine(place, e);
        }
        let part = |key: &str| parts.iter().find(|(k, _)| k == key).map(|(_, v)| *v);
        if part("verb").is_none()
            && let Some((key, list)) = ["items", "events"].iter().find_map(|k| Some((*k, part(k)?)))
        {
            let list = elements(list);
            batch.records += i64::try_from(list.len()).unwrap_or(i64::MAX).saturating_sub(1);
            for (i, element) in list.into_iter().enumerate() {
                self.entry(element, &format!("/{key}/{i}"), batch);
            }
            return;
        }
        self.entry(raw, place, batch);
    }

    fn entry(&mut self, raw: &str, place: &str, batch: &mut Batch) {
        #[derive(Deserialize)]
        struct Entry<'a> {
            #[serde(borrow)]
            message: Option<Cow<'a, str>>,
        }
        let message = match serde_json::from_str::<Entry<'_>>(raw) {
            Ok(entry) => entry.message,
            Err(e) => return batch.quarantine(place, json_message(&e)),
        };
        // A message that is no event (another log of the control plane) is none of ours.
        let event = match &message {
            Some(inner) if inner.contains("audit.k8s.io") => {
                serde_json::from_str::<Event<'_>>(inner)
            }
            Some(_) => return,
            None => serde_json::from_str::<Event<'_>>(raw),
        };
        match event {
            Ok(event) => {
                if let Err(why) = self.event(&event, place, batch) {
                    batch.quarantine(place, why);
                }
            }
            Err(e) => batch.quarantine(place, json_message(&e)),
        }
    }

    /// One call out of another log.
    pub(in crate::ingest) fn call(
        &mut self,
        c: &Call<'_>,
        place: &str,
        batch: &mut Batch,
    ) -> Result<(), String> {
        let cow = |s: Option<&'_ str>| s.map(|s| Cow::Owned(s.to_owned()));
        let reason = c.reason.map(|r| (Cow::Borrowed("authorization.k8s.io/reason"), r.into()));
        let event = Event {
            audit_id: cow(c.id),
            stage: None,
            verb: cow(Some(c.verb)),
            uri: cow(c.path),
            user: Some(User { username: cow(c.user) }),
            impersonated_user: None,
            object_ref: c.resource.map(|(group, resource)| Object {
                api_group: cow(Some(group)),
                resource: cow(Some(resource)),
                subresource: cow(c.subresource),
                namespace: cow(c.namespace),
            }),
            response_status: Some(Status { code: Some(c.code) }),
            request_received_timestamp: None,
            stage_timestamp: cow(Some(c.time)),
            timestamp: None,
            annotations: Some(reason.into_iter().collect()),
            level: None,
        };
        self.event(&event, place, batch)
    }

    fn event(&mut self, e: &Event<'_>, place: &str, batch: &mut Batch) -> Result<(), String> {
        let Some(verb) = e.verb.as_deref().filter(|v| !v.is_empty()) else {
            return Err("an event without `verb`".into());
        };
        // A call is logged at several stages; the last says what came of it.
        if !matches!(e.stage.as_deref(), None | Some("" | "ResponseComplete")) {
            return Ok(());
        }
        let time = [&e.stage_timestamp, &e.request_received_timestamp, &e.timestamp];
        let time = time.into_iter().flatten().find(|t| !t.is_empty()).ok_or("no time")?;
        let at = parse_time(time).ok().flatten().ok_or("the time cannot be read")?.lo;
        if let Some(id) = e.audit_id.as_deref().filter(|i| !i.is_empty()) {
            let mut h = DefaultHasher::new();
            id.hash(&mut h);
            if !self.seen.insert(h.finish()) {
                self.duplicates += 1;
                return Ok(());
            }
        }
        batch.see(at);
        if let Some(level) = e.level.as_deref().filter(|l| l.len() < 40) {
            self.levels.insert(level.to_owned());
        }
        let name = |u: &Option<User<'_>>| {
            u.as_ref()
                .and_then(|u| u.username.as_deref())
                .filter(|n| !n.is_empty())
                .map(str::to_owned)
        };
        let (own, other) = (name(&e.user), name(&e.impersonated_user));
        let Some(who) = other.clone().or_else(|| own.clone()) else {
            self.nameless += 1;
            return Ok(());
        };
        let principal = self.names.user(&who);
        let behind = other.and(own).map(|o| self.names.user(&o));
        let code = e.response_status.as_ref().and_then(|s| s.code).unwrap_or(200);
        let outcome = match code {
            401 | 403 => Outcome::Denied,
            400.. => Outcome::Error,
            _ => Outcome::Allowed,
        };
        let (action, namespace) = action(e, verb);
        let what = What::Action(self.text(&action));
        let scope = Some(self.names.scope(namespace.as_deref()));
        let day = at.secs().div_euclid(86_400);
        let key = Key { principal, behind, scope, what, day, outcome };
        if outcome == Outcome::Allowed
            && let Some((binding, role, scope)) = self.allowed_by(e)
        {
            self.reasons = true;
            let what = What::Binding(self.text(&binding), role.map(|r| self.text(&r)));
            self.put(Key { what, scope, behind: None, ..key.clone() }, at, place);
        }
        self.put(key, at, place);
        Ok(())
    }

    fn text(&mut self, s: &str) -> Text {
        if let Some(have) = self.texts.get(s) {
            return have.clone();
        }
        let new = text(s);
        self.texts.insert(s.to_owned(), new.clone());
        new
    }

    fn put(&mut self, mut key: Key, at: Time, place: &str) {
        if self.rows.len() >= MAX_GROUPS && !self.rows.contains_key(&key) {
            key.scope = None;
            self.coarse = true;
        }
        let sum = self.rows.entry(key).or_insert_with(|| Sum {
            first: at,
            last: at,
            count: 0,
            place: text(place),
        });
        sum.first = sum.first.min(at);
        sum.last = sum.last.max(at);
        sum.count += 1;
    }

    /// Binding, role and place out of the reason that the authoriser notes.
    fn allowed_by(&self, e: &Event<'_>) -> Option<(String, Option<String>, Option<Text>)> {
        let reason = e.annotations.as_ref()?.get("authorization.k8s.io/reason")?;
        let (binding, role) = reason_parts(reason)?;
        let scope = match binding.split_once(':') {
            Some(("RoleBinding", rest)) => {
                // `name/namespace`; shorter forms leave the namespace to the request.
                let own = rest.split_once('/').map(|(_, ns)| ns);
                let of = e.object_ref.as_ref().and_then(|o| o.namespace.as_deref());
                self.names.scope(own.or(of))
            }
            _ => self.names.cluster(),
        };
        let name = binding.split('/').next().unwrap_or(&binding).to_owned();
        Some((name, role, Some(scope)))
    }

    fn close(mut self, batch: &mut Batch) {
        self.rows(batch);
        let mut says = Vec::new();
        if !self.levels.is_empty() {
            let levels: Vec<String> = self.levels.into_iter().take(6).collect();
            says.push(format!(
                "events at the levels {}; what the audit policy leaves out cannot be seen",
                levels.join(", ")
            ));
        }
        if !self.reasons {
            says.push("no event says which binding allowed it".to_owned());
        }
        if self.nameless > 0 {
            says.push(format!("{} events name no identity", self.nameless));
        }
        if self.duplicates > 0 {
            says.push(format!("{} events occur twice and count once", self.duplicates));
        }
        if self.coarse {
            says.push("further namespaces are not told apart".to_owned());
        }
        batch.limitation = Some(text(says.join("; ")));
        if batch.realm.is_none() {
            batch.realm = self.names.realm();
        }
    }

    /// Hands over the rows.
    pub(in crate::ingest) fn rows(&mut self, batch: &mut Batch) {
        for (key, sum) in std::mem::take(&mut self.rows) {
            let row = Usage {
                principal: key.principal,
                on_behalf_of: key.behind,
                platform: Some(text("k8s")),
                scope: key.scope,
                first_at: Some(sum.first),
                last_at: Some(sum.last),
                count: Some(sum.count),
                errors: (key.outcome == Outcome::Error).then_some(sum.count),
                outcome: key.outcome,
                source_id: batch.source_id.clone(),
                source_ref: sum.place,
                ..Usage::default()
            };
            batch.facts.usage.push(match key.what {
                What::Action(action) => {
                    let one = sum.count == 1;
                    let grain = if one { UsageGrain::Event } else { UsageGrain::Action };
                    Usage { action: Some(action), grain, ..row }
                }
                What::Binding(binding, role) => Usage {
                    resource: Some(binding),
                    privilege: role,
                    grain: UsageGrain::Identity,
                    ..row
                },
            });
        }
    }

    /// Whether some call says which binding allowed it.
    pub(in crate::ingest) fn says_reasons(&self) -> bool {
        self.reasons
    }
}

/// What was done, as `group/resource:verb`, and in which namespace.
fn action(e: &Event<'_>, verb: &str) -> (String, Option<String>) {
    let short = |s: &str| s.chars().take(120).collect::<String>();
    let Some(o) = &e.object_ref else {
        let path = e.uri.as_deref().unwrap_or("").split('?').next().unwrap_or("");
        return (format!("url{}:{}", short(path), short(verb)), None);
    };
    let group = o.api_group.as_deref().filter(|g| !g.is_empty()).unwrap_or("core");
    let resource = o.resource.as_deref().unwrap_or("");
    let sub = o.subresource.as_deref().filter(|s| !s.is_empty());
    let sub = sub.map_or_else(String::new, |s| format!("/{}", short(s)));
    let namespace = o.namespace.as_deref().filter(|n| !n.is_empty() && n.len() < 300);
    (
        format!("{}/{}{sub}:{}", short(group), short(resource), short(verb)),
        namespace.map(str::to_owned),
    )
}

/// Binding (`ClusterRoleBinding:name`, `RoleBinding:name/namespace`) and role out of a reason. Newer servers
/// quote names and add role and subject; older ones and edited logs do not.
fn reason_parts(reason: &str) -> Option<(String, Option<String>)> {
    let rest = reason.split_once("allowed by ")?.1.trim();
    let (kind, rest) = rest.split_once(' ')?;
    if !matches!(kind, "ClusterRoleBinding" | "RoleBinding") {
        return None;
    }
    let (name, rest) = word(rest)?;
    let role = rest
        .trim_start()
        .strip_prefix("of ")
        .and_then(|r| r.split_once(' '))
        .and_then(|(_, name)| word(name))
        .map(|(name, _)| name.to_owned());
    Some((format!("{kind}:{name}"), role))
}

/// A name, quoted or not, and what is behind it.
fn word(s: &str) -> Option<(&str, &str)> {
    let s = s.trim_start();
    let (name, rest) = match s.strip_prefix('"') {
        Some(inner) => inner.split_once('"')?,
        None => s.split_once(' ').unwrap_or((s, "")),
    };
    (!name.is_empty() && name.len() < 600).then_some((name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_of_old_and_new_servers() {
        let parts = |r: &str| reason_parts(r);
        let pair = |b: &str, r: Option<&str>| Some((b.to_owned(), r.map(str::to_owned)));
        assert_eq!(
            parts(r#"RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "r" to Group "g""#),
            pair("ClusterRoleBinding:b", Some("r"))
        );
        assert_eq!(
            parts(r#"RBAC: allowed by RoleBinding "b/ns" of Role "r" to ServiceAccount "s/ns""#),
            pair("RoleBinding:b/ns", Some("r"))
        );
        assert_eq!(
            parts("RBAC: allowed by ClusterRoleBinding reader-role"),
            pair("ClusterRoleBinding:reader-role", None)
        );
        for none in [
            "",
            "node authorizer",
            "RBAC: allowed by ",
            "RBAC: allowed by X y",
            "allowed by RoleBinding \"a",
        ] {
            assert_eq!(parts(none), None, "{none}");
        }
    }
}
