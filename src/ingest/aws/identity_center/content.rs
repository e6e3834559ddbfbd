//! Joins what several files say of one permission set.

use super::*;
use crate::privilege::aws::document::UNSEEN_BOUNDARY;

/// What the parts of a set add up to.
#[derive(Default)]
struct Set {
    row: Option<Role>,
    inline: Option<Option<Text>>,
    managed: Option<Vec<Text>>,
    customer: Option<bool>,
    boundary: bool,
    /// Files that speak of the set.
    sources: BTreeSet<Text>,
}

/// One row per permission set, with the union of its policies where all of them are in the inputs, and
/// one binding per assignment. Called once with all facts of a run.
pub fn finish(facts: &mut Facts) {
    let ids = arns(facts);
    let full = |id: &Text| ids.get(id).cloned().unwrap_or_else(|| id.clone());
    let mut sets: BTreeMap<Text, Set> = BTreeMap::new();
    let is_set = |r: &Role| r.kind == RoleKind::PermissionSet && &*r.platform == "aws";
    if !facts.roles.iter().any(is_set) && !facts.sources.iter().any(|s| &*s.format == FORMAT) {
        return;
    }
    let (parts, rest): (Vec<Role>, Vec<Role>) =
        std::mem::take(&mut facts.roles).into_iter().partition(is_set);
    facts.roles = rest;
    for r in parts {
        let id = full(&r.role_id);
        sets.entry(id.clone()).or_default().add(Role { role_id: id, ..r });
    }
    let documents: BTreeMap<Text, Text> = facts
        .roles
        .iter()
        .filter(|r| r.kind == RoleKind::ManagedPolicy && &*r.platform == "aws")
        .filter_map(|r| Some((r.role_id.clone(), r.document.clone()?)))
        .collect();
    let mut limits: BTreeMap<Text, BTreeSet<&'static str>> = BTreeMap::new();
    for set in sets.into_values() {
        let (content, missing) = set.content(&documents);
        for s in &set.sources {
            limits.entry(s.clone()).or_default().extend(missing.iter().copied());
        }
        if let Some(mut row) = set.row {
            row.malformed = (!missing.is_empty()).then(|| text(missing.join("; ")));
            row.document = content;
            facts.roles.push(row);
        }
    }
    bind(facts, &full);
    for s in facts.sources.iter_mut().filter(|s| &*s.format == FORMAT) {
        if let Some(missing) = limits.get(&s.source_id).filter(|m| !m.is_empty()) {
            let list: Vec<&str> = missing.iter().copied().collect();
            s.limitation.get_or_insert_with(|| {
                text(format!(
                    "the content of a permission set is not known from the inputs: {}",
                    list.join("; ")
                ))
            });
        }
    }
}

/// ARN of each set by the short id that file names use; an id of two instances stands for none.
fn arns(facts: &Facts) -> BTreeMap<Text, Text> {
    let mut out: BTreeMap<Text, Option<Text>> = BTreeMap::new();
    let named =
        facts.roles.iter().filter(|r| r.kind == RoleKind::PermissionSet).map(|r| &r.role_id);
    let bound = facts.entitlements.iter().map(|e| &e.role_id);
    for arn in named.chain(bound).filter(|id| id.contains(":permissionSet/")) {
        let Some(short) = arn.rsplit('/').next() else { continue };
        let slot = out.entry(text(short)).or_insert_with(|| Some(arn.clone()));
        if slot.as_ref().is_some_and(|have| have != arn) {
            *slot = None;
        }
    }
    out.into_iter().filter_map(|(k, v)| Some((k, v?))).collect()
}

/// Names of sets on the bindings; an assignment that two commands print is one binding.
fn bind(facts: &mut Facts, full: &dyn Fn(&Text) -> Text) {
    let names: BTreeMap<Text, Text> = facts
        .roles
        .iter()
        .filter(|r| r.kind == RoleKind::PermissionSet)
        .map(|r| (r.role_id.clone(), r.name.clone()))
        .collect();
    let mine: BTreeSet<Text> = facts
        .sources
        .iter()
        .filter(|s| &*s.format == FORMAT)
        .map(|s| s.source_id.clone())
        .collect();
    let mut seen = BTreeSet::new();
    facts.entitlements.retain_mut(|e| {
        if !mine.contains(&e.source_id) {
            return true;
        }
        e.role_id = full(&e.role_id);
        if let Some(name) = names.get(&e.role_id) {
            e.privilege = name.clone();
        }
        e.entitlement_id = text(format!("aws|{}|{}|{}", e.principal_id, e.role_id, e.scope));
        seen.insert(e.entitlement_id.clone())
    });
    // The same user or group in two exports is one.
    let mut seen = BTreeSet::new();
    facts
        .principals
        .retain(|p| !mine.contains(&p.source_id) || seen.insert(p.principal_id.clone()));
    let mut seen = BTreeSet::new();
    facts.memberships.retain(|m| {
        !mine.contains(&m.source_id) || seen.insert((m.principal_id.clone(), m.group_id.clone()))
    });
    let mut seen = BTreeSet::new();
    facts.aliases.retain(|a| {
        !mine.contains(&a.source_id)
            || seen.insert((a.principal_id.clone(), a.alias_type.clone(), a.alias.clone()))
    });
}

impl Set {
    fn add(&mut self, mut r: Role) {
        self.sources.insert(r.source_id.clone());
        let part = r.version.take();
        let document = r.document.take();
        match part.as_deref() {
            Some(INLINE) => self.inline = Some(document),
            Some(MANAGED) => {
                let list = document.map(|d| {
                    let items = json::elements(&d);
                    items
                        .into_iter()
                        .filter_map(|raw| Obj::parse(raw).ok()?.str(&["Arn"]).map(text))
                        .collect()
                });
                self.managed = Some(list.unwrap_or_default());
            }
            Some(CUSTOMER) => {
                self.customer = Some(document.is_some_and(|d| !json::elements(&d).is_empty()));
            }
            Some(BOUNDARY) => {
                self.boundary |= document
                    .is_some_and(|d| Obj::parse(&d).is_ok_and(|o| o.entries().next().is_some()));
            }
            _ => {}
        }
        let short = r.role_id.rsplit('/').next().unwrap_or_default().to_owned();
        match &mut self.row {
            None => self.row = Some(r),
            Some(have) => {
                // A name beats the id that stands in for it.
                if *have.name == *short && *r.name != *short {
                    have.name = r.name;
                    have.source_id = r.source_id;
                    have.source_ref = r.source_ref;
                }
                have.max_session_s = have.max_session_s.or(r.max_session_s);
            }
        }
    }

    /// One document with the statements of all policies that the inputs have, or nothing when none can be
    /// seen; and what is missing. A part that is missing leaves the known ones as they are (5.1.1); only a
    /// boundary that is not known may take away from them.
    fn content(&self, documents: &BTreeMap<Text, Text>) -> (Option<Text>, Vec<&'static str>) {
        let mut missing = Vec::new();
        if self.inline.is_none() {
            missing.push("its inline policy was not exported");
        }
        if self.managed.is_none() {
            missing.push("its managed policies were not exported");
        }
        match self.customer {
            None => missing.push("its customer managed policies were not exported"),
            Some(true) => {
                missing.push("a customer managed policy of it may differ from account to account");
            }
            Some(false) => {}
        }
        if self.boundary {
            missing.push(UNSEEN_BOUNDARY);
        }
        let managed = self.managed.as_deref().unwrap_or_default();
        let texts: Vec<&Text> = managed.iter().filter_map(|arn| documents.get(arn)).collect();
        if texts.len() < managed.len() {
            missing.push("a managed policy of it is in no input");
        }
        let inline = self.inline.iter().flatten();
        let mut statements: Vec<&str> = Vec::new();
        for document in texts.into_iter().chain(inline) {
            let Ok(o) = Obj::parse(document) else {
                return (None, vec!["a policy of it cannot be read"]);
            };
            // Variables are read only under the newer version; a union must not change that.
            if o.str(&["Version"]).as_deref() != Some("2012-10-17") {
                return (None, vec!["a policy of it has another version than 2012-10-17"]);
            }
            match o.raw("Statement") {
                Some(list) if list.starts_with('[') => statements.extend(json::elements(list)),
                Some(one) => statements.push(one),
                None => return (None, vec!["a policy of it cannot be read"]),
            }
        }
        if statements.is_empty() && !missing.is_empty() {
            return (None, missing);
        }
        let union = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","));
        (Some(text(union)), missing)
    }
}
