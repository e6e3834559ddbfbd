//! Rules of Kubernetes RBAC and what they match (cloud semantics, section 4.1; the matching follows the
//! behaviour of the API server's RBAC authoriser, `pkg/registry/rbac`, v1.20).

use std::collections::BTreeMap;

use serde_json::Value;

/// Rules of one role that are read; more is hostile. The largest role of a default cluster has 40.
pub const MAX_RULES: usize = 20_000;
/// Combinations that [`covers`] looks at for one rule.
const MAX_SINGLES: usize = 20_000;

/// One rule of a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rule {
    /// Verbs; `*` is every verb.
    pub verbs: Vec<String>,
    /// API groups; the empty text is the core group, `*` every group.
    pub groups: Vec<String>,
    /// Resources: `pods`, `pods/exec`, `*/scale`, `*`.
    pub resources: Vec<String>,
    /// Names of objects; empty = all.
    pub names: Vec<String>,
    /// URLs beside the API, with `*` at the end only.
    pub urls: Vec<String>,
}

/// A request for a resource.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Verb.
    pub verb: &'a str,
    /// API group.
    pub group: &'a str,
    /// Resource with its subresource (`pods/exec`).
    pub resource: &'a str,
    /// Name of the object; empty when the request carries none (`create`, `list` without selector).
    pub name: &'a str,
}

impl Rule {
    /// Whether the rule allows a request for a resource.
    #[must_use]
    pub fn allows(&self, r: &Request<'_>) -> bool {
        self.has_verb(r.verb)
            && self.has_group(r.group)
            && self.has_resource(r.resource)
            && self.has_name(r.name)
    }

    /// Whether the rule allows a verb on a URL beside the API.
    #[must_use]
    pub fn allows_url(&self, verb: &str, url: &str) -> bool {
        self.has_verb(verb) && self.urls.iter().any(|u| url_matches(u, url))
    }

    /// Whether a verb is named or covered by `*`.
    #[must_use]
    pub fn has_verb(&self, verb: &str) -> bool {
        self.verbs.iter().any(|v| v == "*" || v == verb)
    }

    /// Whether an API group is named or covered by `*`.
    #[must_use]
    pub fn has_group(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == "*" || g == group)
    }

    /// Whether a resource is named: `*` is every resource and subresource, `*/sub` a subresource of all;
    /// `pods` does not stand for `pods/exec`.
    #[must_use]
    pub fn has_resource(&self, resource: &str) -> bool {
        self.resources.iter().any(|r| resource_matches(r, resource))
    }

    /// Whether a name is among the rule's. No name (as in `create`) is matched by a rule without names only.
    #[must_use]
    pub fn has_name(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|n| n == name)
    }
}

fn resource_matches(rule: &str, resource: &str) -> bool {
    if rule == "*" || rule == resource {
        return true;
    }
    match (rule.strip_prefix("*/"), resource.split_once('/')) {
        (Some(own), Some((_, sub))) => !sub.is_empty() && own == sub,
        _ => false,
    }
}

fn url_matches(rule: &str, url: &str) -> bool {
    rule == "*" || rule == url || rule.strip_suffix('*').is_some_and(|head| url.starts_with(head))
}

/// Whether rules together give everything that one rule gives: what the API server asks before it lets
/// somebody write a role or a binding without `escalate` or `bind`. A rule of more combinations than can be
/// looked at counts as not covered.
#[must_use]
pub fn covers(own: &[Rule], wanted: &Rule) -> bool {
    let urls = wanted.urls.len().saturating_mul(wanted.verbs.len());
    let singles = [&wanted.verbs, &wanted.groups, &wanted.resources]
        .iter()
        .map(|l| l.len())
        .fold(wanted.names.len().max(1), usize::saturating_mul);
    if urls.saturating_add(singles) > MAX_SINGLES {
        return false;
    }
    let no_name = vec![String::new()];
    let names = if wanted.names.is_empty() { &no_name } else { &wanted.names };
    for verb in &wanted.verbs {
        for url in &wanted.urls {
            if !own.iter().any(|o| o.has_verb(verb) && o.urls.iter().any(|u| url_covers(u, url))) {
                return false;
            }
        }
        for group in &wanted.groups {
            for resource in &wanted.resources {
                for name in names {
                    let request = Request { verb, group, resource, name };
                    if !own.iter().any(|o| o.allows(&request)) {
                        return false;
                    }
                }
            }
        }
    }
    true
}

/// Whether one URL pattern stands for all that another stands for.
fn url_covers(own: &str, wanted: &str) -> bool {
    own == wanted
        || own == "*"
        || own.strip_suffix('*').is_some_and(|head| wanted.starts_with(head))
}

/// One selector of an aggregation rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    labels: Vec<(String, String)>,
    expressions: Vec<(String, String, Vec<String>)>,
}

impl Selector {
    fn read(value: &Value) -> Self {
        let labels = value
            .get("matchLabels")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
            .collect();
        let expressions = value
            .get("matchExpressions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|e| {
                let word = |key| e.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
                (word("key"), word("operator"), strings(e.get("values")))
            })
            .collect();
        Self { labels, expressions }
    }

    /// Whether an object with these labels is selected. An empty selector selects everything; an operator
    /// that is not known selects nothing.
    #[must_use]
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        let equal = |(k, v): &(String, String)| labels.get(k) == Some(v);
        let fits = |(key, operator, values): &(String, String, Vec<String>)| {
            let have = labels.get(key);
            match operator.as_str() {
                "In" => have.is_some_and(|h| values.contains(h)),
                "NotIn" => have.is_none_or(|h| !values.contains(h)),
                "Exists" => have.is_some(),
                "DoesNotExist" => have.is_none(),
                _ => false,
            }
        };
        self.labels.iter().all(equal) && self.expressions.iter().all(fits)
    }
}

/// Content of a role, as `roles.document` holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Own rules.
    pub rules: Vec<Rule>,
    /// Selectors of the roles whose rules are taken over.
    pub aggregation: Vec<Selector>,
    /// Labels, by which other roles take this one over.
    pub labels: BTreeMap<String, String>,
    /// The API server wrote the object, so that the rules of an aggregated role are filled in.
    pub live: bool,
}

impl Document {
    /// Reads the text of a document.
    ///
    /// # Errors
    /// When it is no JSON object, or a rule has another form than the API has.
    pub fn parse(document: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(document).map_err(|e| e.to_string())?;
        Self::read(&value)
    }

    /// Reads a decoded document.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn read(value: &Value) -> Result<Self, String> {
        if !value.is_object() {
            return Err("not an object".into());
        }
        let selectors = value.get("aggregationRule").and_then(|a| a.get("clusterRoleSelectors"));
        let labels = value.get("labels").and_then(Value::as_object);
        Ok(Self {
            rules: rules(value.get("rules"))?,
            aggregation: list(selectors).iter().map(Selector::read).collect(),
            labels: labels
                .into_iter()
                .flatten()
                .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
                .collect(),
            live: value.get("live").and_then(Value::as_bool).unwrap_or(false),
        })
    }
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn strings(value: Option<&Value>) -> Vec<String> {
    list(value).iter().filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

/// Rules of a role as the API writes them; null is none.
///
/// # Errors
/// When it is no list of objects, or a field is no list of text.
pub fn rules(value: Option<&Value>) -> Result<Vec<Rule>, String> {
    let Some(value) = value.filter(|v| !v.is_null()) else { return Ok(Vec::new()) };
    let items = value.as_array().ok_or("`rules` is not a list")?;
    if items.len() > MAX_RULES {
        return Err(format!("more than {MAX_RULES} rules"));
    }
    items
        .iter()
        .enumerate()
        .map(|(i, item)| rule(item).map_err(|e| format!("rule {i}: {e}")))
        .collect()
}

fn rule(value: &Value) -> Result<Rule, String> {
    let map = value.as_object().ok_or("not an object")?;
    let texts = |key: &str| -> Result<Vec<String>, String> {
        match map.get(key) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => items
                .iter()
                .map(|i| {
                    i.as_str().map(str::to_owned).ok_or(format!("`{key}` holds other than text"))
                })
                .collect(),
            Some(_) => Err(format!("`{key}` is not a list")),
        }
    };
    Ok(Rule {
        verbs: texts("verbs")?,
        groups: texts("apiGroups")?,
        resources: texts("resources")?,
        names: texts("resourceNames")?,
        urls: texts("nonResourceURLs")?,
    })
}

#[cfg(test)]
#[path = "rbac_tests.rs"]
mod tests;
