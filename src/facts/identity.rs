//! Identity resolution: from names as written to canonical principals.
//!
//! Specification: grants model, section 3. Exact and strong aliases resolve; weak ones never do.
//! Names alone never merge two principals. An alias that points to two principals resolves to none
//! and is counted as a contradiction.

use std::collections::BTreeMap;

use super::base::Principal;
use super::cell::{Text, text};
use super::store::Facts;
use super::vocab::{Confidence, PrincipalKind, TaskKind};

/// A link between identifiers that the user vouches for.
#[derive(Clone, Debug)]
pub struct DeclaredIdentity {
    /// Canonical id.
    pub principal: Text,
    /// Other identifiers of the same principal.
    pub same_as: Vec<Text>,
    /// Kind, when stated.
    pub kind: Option<PrincipalKind>,
    /// Person behind it.
    pub person: Option<Text>,
}

/// What resolution did.
#[derive(Clone, Debug, Default)]
pub struct Resolution {
    /// Aliases that point to more than one principal.
    pub contradictions: Vec<Text>,
    /// Principal to the person behind it, where declared.
    pub persons: BTreeMap<Text, Text>,
}

impl Resolution {
    /// Person behind a principal: the declared one, else the principal itself.
    #[must_use]
    pub fn person<'a>(&'a self, principal: &'a str) -> &'a str {
        self.persons.get(principal).map_or(principal, AsRef::as_ref)
    }
}

/// Canonical form of an identifier as written: blanks trimmed, e-mail addresses and GUIDs lower case
/// (compared case-insensitively; ARNs and everything else are case-sensitive).
#[must_use]
pub fn normalise(raw: &str) -> Text {
    let raw = raw.trim();
    if is_email(raw) {
        text(raw.to_lowercase())
    } else if is_guid(raw) {
        text(raw.to_ascii_lowercase())
    } else {
        text(raw)
    }
}

/// Whether a text has the form of a GUID (`8-4-4-4-12` hexadecimal digits), in either case.
#[must_use]
pub fn is_guid(s: &str) -> bool {
    s.len() == 36
        && s.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

fn is_email(s: &str) -> bool {
    match s.split_once('@') {
        Some((user, host)) => {
            !user.is_empty()
                && host.contains('.')
                && !host.contains('@')
                && !s.contains([' ', '/', ':'])
        }
        None => false,
    }
}

/// Type of an alias that is the name of a person for signing in to AWS IAM Identity Center.
pub const SIGN_IN: &str = "sign_in";

/// Resolves every `*_id` column of the base tables and adds a principal row for each name that only
/// logs mention, so that every id in the facts is in `principals`.
pub fn resolve(facts: &mut Facts, declared: &[DeclaredIdentity]) -> Resolution {
    let mut book = AliasBook::new(facts, declared);
    book.rename_inventory(facts);
    merge_principals(facts, declared);
    book.fill_columns(facts);
    add_unlisted(facts, declared);
    facts.principals.sort_by(|a, b| a.principal_id.cmp(&b.principal_id));
    let persons = declared
        .iter()
        .filter_map(|d| d.person.as_ref().map(|p| (normalise(&d.principal), book.lookup(p))))
        .collect();
    Resolution { contradictions: book.contradictions, persons }
}

/// Alias to canonical id. `None` marks a contradiction.
struct AliasBook {
    canonical: BTreeMap<Text, Option<Text>>,
    /// Declared renames, applied to inventory ids too.
    renames: BTreeMap<Text, Text>,
    /// Bare names of inventories: by platform the principal, or none where two have the name.
    names: BTreeMap<Text, BTreeMap<Text, Option<Text>>>,
    contradictions: Vec<Text>,
}

impl AliasBook {
    fn new(facts: &Facts, declared: &[DeclaredIdentity]) -> Self {
        let mut book = Self {
            canonical: BTreeMap::new(),
            renames: BTreeMap::new(),
            names: BTreeMap::new(),
            contradictions: Vec::new(),
        };
        for d in declared {
            let id = normalise(&d.principal);
            for other in &d.same_as {
                book.renames.insert(normalise(other), id.clone());
            }
        }
        let mut claims: BTreeMap<Text, (Confidence, Text, bool)> = BTreeMap::new();
        for p in &facts.principals {
            claim(&mut claims, &p.principal_id, Confidence::Exact, &book.renamed(&p.principal_id));
            if let Some(email) = &p.email {
                claim(
                    &mut claims,
                    &normalise(email),
                    Confidence::Strong,
                    &book.renamed(&p.principal_id),
                );
            }
        }
        for a in facts.aliases.iter().filter(|a| a.confidence != Confidence::Weak) {
            claim(&mut claims, &normalise(&a.alias), a.confidence, &book.renamed(&a.principal_id));
        }
        let platforms: BTreeMap<&Text, &Text> = facts
            .principals
            .iter()
            .filter_map(|p| Some((&p.principal_id, p.platform.as_ref()?)))
            .collect();
        for a in facts.aliases.iter().filter(|a| &*a.alias_type == "name") {
            if let Some(platform) = platforms.get(&a.principal_id) {
                let id = book.renamed(&a.principal_id);
                let of = book.names.entry(normalise(&a.alias)).or_default();
                of.entry((*platform).clone())
                    .and_modify(|have| *have = have.take().filter(|have| *have == id))
                    .or_insert(Some(id.clone()));
            }
        }
        for (alias, (_, id, clash)) in claims {
            if clash {
                book.contradictions.push(alias.clone());
            }
            book.canonical.insert(alias, (!clash).then_some(id));
        }
        book
    }

    fn renamed(&self, id: &Text) -> Text {
        self.renames.get(&normalise(id)).cloned().unwrap_or_else(|| id.clone())
    }

    /// Canonical id of a name as written. Declared links win over aliases.
    fn lookup(&self, raw: &str) -> Text {
        let name = normalise(raw);
        if let Some(id) = self.renames.get(&name) {
            return id.clone();
        }
        if let Some(Some(id)) = self.canonical.get(&name) {
            return id.clone();
        }
        // STS session ARNs name the role and a session; the role form is an alias of the role
        // (rule A1). The path of the role is missing from them, hence the alias.
        if let Some(role) = assumed_role_alias(&name)
            && let Some(Some(id)) = self.canonical.get(role)
        {
            return id.clone();
        }
        name
    }

    /// Canonical id of a name that a record of one platform uses. A bare name of another platform's
    /// inventory is somebody else's, unless a declared link says otherwise.
    fn lookup_on(&self, raw: &str, platform: Option<&str>) -> Text {
        let name = normalise(raw);
        let named =
            platform.zip(self.names.get(&name)).filter(|_| !self.renames.contains_key(&name));
        match named {
            Some((platform, by)) => match by.get(platform) {
                // Two principals of one name there: not known which is meant.
                Some(own) => own.clone().unwrap_or(name),
                None => name,
            },
            None => self.lookup(raw),
        }
    }

    fn rename_inventory(&self, facts: &mut Facts) {
        for p in &mut facts.principals {
            p.principal_id = self.renamed(&p.principal_id);
        }
        for e in &mut facts.entitlements {
            e.principal_id = self.renamed(&e.principal_id);
        }
        for m in &mut facts.memberships {
            m.principal_id = self.renamed(&m.principal_id);
            m.group_id = self.renamed(&m.group_id);
        }
        for t in &mut facts.trusts {
            t.principal_id = self.renamed(&t.principal_id);
        }
        for l in &mut facts.links {
            l.principal_id = self.renamed(&l.principal_id);
            l.target_id = self.renamed(&l.target_id);
        }
        for w in &mut facts.workloads {
            w.principal_id = w.principal_id.as_ref().map(|id| self.renamed(id));
        }
        for a in &mut facts.aliases {
            a.principal_id = self.renamed(&a.principal_id);
        }
    }

    fn fill_columns(&mut self, facts: &mut Facts) {
        let mut cache: BTreeMap<(Text, Option<Text>), Text> = BTreeMap::new();
        let mut id_on = |raw: &Text, platform: Option<&Text>| -> Text {
            // Few names are bare names of an inventory; the others need not be told apart.
            let platform = platform.filter(|_| self.names.contains_key(&normalise(raw)));
            let key = (raw.clone(), platform.cloned());
            if let Some(hit) = cache.get(&key) {
                return hit.clone();
            }
            let found = self.lookup_on(raw, platform.map(AsRef::as_ref));
            cache.insert(key, found.clone());
            found
        };
        for g in &mut facts.grants {
            let platform = g.platform.as_ref();
            g.beneficiary_id = Some(id_on(&g.beneficiary, platform));
            g.requester_id = g.requester.as_ref().map(|r| id_on(r, platform));
            g.on_behalf_of_id = g.on_behalf_of.as_ref().map(|r| id_on(r, platform));
        }
        for u in &mut facts.usage {
            u.principal_id = Some(id_on(&u.principal, u.platform.as_ref()));
        }
        let mut id = |raw: &Text| id_on(raw, None);
        for a in &mut facts.approvals {
            a.approver_id = a.approver.as_ref().map(&mut id);
        }
        for t in &mut facts.tasks {
            t.principal_id = t.principal.as_ref().map(&mut id);
        }
        for c in &mut facts.credentials {
            c.principal_id = Some(id(&c.principal));
        }
        for d in &mut facts.delegations {
            d.parent_id = Some(id(&d.parent));
            d.child_id = Some(id(&d.child));
        }
        for o in &mut facts.owners {
            o.principal_id = Some(id(&o.principal));
        }
        for r in &mut facts.reviews {
            r.principal_id = Some(id(&r.principal));
        }
    }
}

fn claim(
    claims: &mut BTreeMap<Text, (Confidence, Text, bool)>,
    alias: &Text,
    confidence: Confidence,
    id: &Text,
) {
    match claims.get_mut(alias) {
        None => {
            claims.insert(alias.clone(), (confidence, id.clone(), false));
        }
        // A rule never overwrites a higher confidence; equal confidence with another principal clashes.
        Some((have, owner, clash)) if owner != id => match confidence.cmp(have) {
            std::cmp::Ordering::Less => {
                (*have, *owner, *clash) = (confidence, id.clone(), false);
            }
            std::cmp::Ordering::Equal => *clash = true,
            std::cmp::Ordering::Greater => {}
        },
        Some(_) => {}
    }
}

/// `arn:aws:sts::1:assumed-role/ROLE` out of `arn:aws:sts::1:assumed-role/ROLE/SESSION`.
fn assumed_role_alias(arn: &str) -> Option<&str> {
    let (head, _session) = arn.rsplit_once('/')?;
    (head.contains(":assumed-role/") && head.starts_with("arn:")).then_some(head)
}

/// Folds principal rows that a declared link made equal: the inventoried row wins, its blanks are
/// filled from the other.
fn merge_principals(facts: &mut Facts, declared: &[DeclaredIdentity]) {
    let rows = std::mem::take(&mut facts.principals);
    let mut merged: BTreeMap<Text, Principal> = BTreeMap::new();
    for row in rows {
        match merged.get_mut(&row.principal_id) {
            None => {
                merged.insert(row.principal_id.clone(), row);
            }
            Some(have) => fold(have, row),
        }
    }
    for d in declared {
        if let (Some(kind), Some(p)) = (d.kind, merged.get_mut(&normalise(&d.principal))) {
            p.kind = kind;
            p.is_nhi = is_nhi(kind);
        }
    }
    facts.principals = merged.into_values().collect();
}

fn fold(have: &mut Principal, other: Principal) {
    let (mut keep, fill) = if other.inventoried && !have.inventoried {
        (other, have.clone())
    } else {
        (have.clone(), other)
    };
    if keep.kind == PrincipalKind::Unknown {
        keep.kind = fill.kind;
    }
    keep.is_nhi = is_nhi(keep.kind).or(keep.is_nhi).or(fill.is_nhi);
    keep.platform = keep.platform.or(fill.platform);
    keep.realm = keep.realm.or(fill.realm);
    keep.name = keep.name.or(fill.name);
    keep.email = keep.email.or(fill.email);
    keep.created_at = keep.created_at.or(fill.created_at);
    keep.disabled_at = keep.disabled_at.or(fill.disabled_at);
    keep.disabled = keep.disabled.or(fill.disabled);
    keep.deleted_at = keep.deleted_at.or(fill.deleted_at);
    keep.environment = keep.environment.or(fill.environment);
    keep.break_glass |= fill.break_glass;
    for tag in fill.tags {
        if !keep.tags.contains(&tag) {
            keep.tags.push(tag);
        }
    }
    keep.tags.sort();
    *have = keep;
}

/// Whether a kind is non-human; `None` when the kind does not tell.
#[must_use]
pub fn is_nhi(kind: PrincipalKind) -> Option<bool> {
    match kind {
        PrincipalKind::Human => Some(false),
        PrincipalKind::Unknown | PrincipalKind::Group => None,
        _ => Some(true),
    }
}

fn add_unlisted(facts: &mut Facts, declared: &[DeclaredIdentity]) {
    let known: std::collections::BTreeSet<Text> =
        facts.principals.iter().map(|p| p.principal_id.clone()).collect();
    let mut found: BTreeMap<Text, Principal> = BTreeMap::new();
    let mut see = |id: &Option<Text>, kind: Option<PrincipalKind>, at: (&Text, &Text)| {
        let Some(id) = id else { return };
        if known.contains(id) {
            return;
        }
        let row = found.entry(id.clone()).or_insert_with(|| Principal {
            principal_id: id.clone(),
            email: is_email(id).then(|| id.clone()),
            source_id: at.0.clone(),
            source_ref: at.1.clone(),
            ..Principal::default()
        });
        if row.kind == PrincipalKind::Unknown {
            row.kind = kind.unwrap_or_else(|| kind_by_form(id));
            row.is_nhi = is_nhi(row.kind);
        }
    };
    for g in &facts.grants {
        let at = (&g.source_id, &g.source_ref);
        see(&g.beneficiary_id, g.beneficiary_kind, at);
        see(&g.requester_id, None, at);
        see(&g.on_behalf_of_id, Some(PrincipalKind::Human), at);
    }
    for a in &facts.approvals {
        see(&a.approver_id, None, (&a.source_id, &a.source_ref));
    }
    for t in &facts.tasks {
        let kind = (t.kind == TaskKind::AgentRun).then_some(PrincipalKind::Agent);
        see(&t.principal_id, kind, (&t.source_id, &t.source_ref));
    }
    for u in &facts.usage {
        see(&u.principal_id, None, (&u.source_id, &u.source_ref));
    }
    for c in &facts.credentials {
        see(&c.principal_id, None, (&c.source_id, &c.source_ref));
    }
    for d in &facts.delegations {
        // Who stands at the origin of a chain of agents is the user of the first.
        let user = d.origin.is_some() && d.origin.as_ref() == Some(&d.parent);
        let at = (&d.source_id, &d.source_ref);
        see(&d.parent_id, user.then_some(PrincipalKind::Human), at);
        see(&d.child_id, None, at);
    }
    for o in &facts.owners {
        see(&o.principal_id, None, (&o.source_id, &o.source_ref));
    }
    for d in declared {
        if let (Some(kind), Some(p)) = (d.kind, found.get_mut(&normalise(&d.principal))) {
            p.kind = kind;
            p.is_nhi = is_nhi(kind);
        }
    }
    facts.principals.extend(found.into_values());
}

/// Kind that the form of an identifier proves; names prove nothing.
#[must_use]
pub fn kind_by_form(id: &str) -> PrincipalKind {
    let mut parts = id.splitn(6, ':');
    if parts.next() == Some("arn")
        && let Some(resource) = parts.nth(4)
    {
        if resource.starts_with("role/") || resource.starts_with("assumed-role/") {
            return PrincipalKind::Role;
        }
        if resource.starts_with("group/") {
            return PrincipalKind::Group;
        }
    }
    if id.starts_with("system:serviceaccount:") || id.ends_with(".gserviceaccount.com") {
        return PrincipalKind::ServiceAccount;
    }
    PrincipalKind::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Alias, Grant};

    fn principal(id: &str, email: Option<&str>) -> Principal {
        Principal {
            principal_id: text(id),
            email: email.map(text),
            inventoried: true,
            ..Principal::default()
        }
    }

    fn grant(who: &str) -> Grant {
        Grant { beneficiary: text(who), ..Grant::default() }
    }

    #[test]
    fn a_bare_name_belongs_to_the_platform_of_its_inventory() {
        let arn = "arn:aws:iam::1:user/alice";
        let on = |platform: Option<&str>| Grant { platform: platform.map(text), ..grant("alice") };
        let mut facts = Facts {
            principals: vec![Principal { platform: Some(text("aws")), ..principal(arn, None) }],
            aliases: vec![Alias {
                principal_id: text(arn),
                alias_type: text("name"),
                alias: text("alice"),
                confidence: Confidence::Strong,
                ..Alias::default()
            }],
            grants: vec![on(Some("gcp")), on(Some("aws")), on(None)],
            ..Facts::default()
        };
        resolve(&mut facts, &[]);
        let ids: Vec<_> = facts.grants.iter().map(|g| g.beneficiary_id.as_deref()).collect();
        assert_eq!(ids, [Some("alice"), Some(arn), Some(arn)]);
    }

    #[test]
    fn guids_match_case_insensitively() {
        let upper = "AAAAAAAA-1111-4111-8111-11111111111F";
        assert_eq!(&*normalise(upper), upper.to_ascii_lowercase());
        for other in
            ["AAAAAAAA-1111-4111-8111-11111111111G", "AAAAAAAA1111-4111-8111-11111111111FF"]
        {
            assert_eq!(&*normalise(other), other);
        }
        let mut facts = Facts { grants: vec![grant(upper)], ..Facts::default() };
        resolve(&mut facts, &[]);
        assert_eq!(facts.grants[0].beneficiary_id.as_deref(), Some(&*upper.to_ascii_lowercase()));
    }

    #[test]
    fn email_matches_case_insensitively_and_arn_does_not() {
        let mut facts = Facts {
            principals: vec![principal("arn:aws:iam::1:user/Al", Some("al@x.example"))],
            grants: vec![grant("AL@x.example"), grant("arn:aws:iam::1:user/al")],
            ..Facts::default()
        };
        resolve(&mut facts, &[]);
        assert_eq!(facts.grants[0].beneficiary_id.as_deref(), Some("arn:aws:iam::1:user/Al"));
        assert_eq!(facts.grants[1].beneficiary_id.as_deref(), Some("arn:aws:iam::1:user/al"));
        assert_eq!(facts.principals.len(), 2, "the unknown ARN gets a row of its own");
    }

    #[test]
    fn bare_names_are_told_apart_by_platform() {
        let on = |platform: &str| {
            let mut p = principal(&format!("{platform}/bob"), None);
            p.platform = Some(text(platform));
            p
        };
        let alias = |platform: &str| Alias {
            principal_id: text(format!("{platform}/bob")),
            alias_type: text("name"),
            alias: text("bob"),
            confidence: Confidence::Strong,
            ..Alias::default()
        };
        let of = |platform: &str| Grant { platform: Some(text(platform)), ..grant("bob") };
        let mut facts = Facts {
            principals: vec![on("postgres"), on("k8s")],
            aliases: vec![alias("postgres"), alias("k8s")],
            grants: vec![of("postgres"), of("k8s"), of("aws")],
            ..Facts::default()
        };
        resolve(&mut facts, &[]);
        let ids: Vec<_> = facts.grants.iter().map(|g| g.beneficiary_id.as_deref()).collect();
        assert_eq!(ids, [Some("postgres/bob"), Some("k8s/bob"), Some("bob")]);
    }

    #[test]
    fn weak_aliases_and_contradictions_do_not_resolve() {
        let alias = |id: &str, c| Alias {
            principal_id: text(id),
            alias: text("bob"),
            confidence: c,
            ..Alias::default()
        };
        let mut facts = Facts {
            principals: vec![principal("p1", None), principal("p2", None)],
            aliases: vec![alias("p1", Confidence::Weak)],
            grants: vec![grant("bob")],
            ..Facts::default()
        };
        resolve(&mut facts, &[]);
        assert_eq!(facts.grants[0].beneficiary_id.as_deref(), Some("bob"));
        facts.aliases = vec![alias("p1", Confidence::Strong), alias("p2", Confidence::Strong)];
        let r = resolve(&mut facts, &[]);
        // `bob` is by now a principal of its own, so the exact id wins over both.
        assert_eq!(facts.grants[0].beneficiary_id.as_deref(), Some("bob"));
        assert!(r.contradictions.is_empty());
        let mut fresh = Facts {
            principals: vec![principal("p1", None), principal("p2", None)],
            aliases: facts.aliases.clone(),
            grants: vec![grant("bob")],
            ..Facts::default()
        };
        let r = resolve(&mut fresh, &[]);
        assert_eq!(r.contradictions.len(), 1);
        assert_eq!(fresh.grants[0].beneficiary_id.as_deref(), Some("bob"));
    }

    #[test]
    fn declared_links_rename_the_inventory_and_name_the_person() {
        let mut facts = Facts {
            principals: vec![principal("arn:aws:iam::1:user/ann-adm", None)],
            grants: vec![grant("ann@x.example")],
            ..Facts::default()
        };
        let declared = vec![DeclaredIdentity {
            principal: text("arn:aws:iam::1:user/ann-adm"),
            same_as: vec![text("Ann@x.example")],
            kind: Some(PrincipalKind::Human),
            person: Some(text("ann")),
        }];
        let r = resolve(&mut facts, &declared);
        assert_eq!(facts.grants[0].beneficiary_id.as_deref(), Some("arn:aws:iam::1:user/ann-adm"));
        assert_eq!(r.person("arn:aws:iam::1:user/ann-adm"), "ann");
        assert_eq!(facts.principals.len(), 1);
        assert_eq!(facts.principals[0].kind, PrincipalKind::Human);
    }

    #[test]
    fn sts_session_resolves_to_its_role() {
        let mut facts = Facts {
            principals: vec![principal("arn:aws:iam::1:role/ci/deploy", None)],
            aliases: vec![Alias {
                principal_id: text("arn:aws:iam::1:role/ci/deploy"),
                alias: text("arn:aws:sts::1:assumed-role/deploy"),
                confidence: Confidence::Strong,
                ..Alias::default()
            }],
            grants: vec![grant("arn:aws:sts::1:assumed-role/deploy/run-17")],
            ..Facts::default()
        };
        resolve(&mut facts, &[]);
        assert_eq!(
            facts.grants[0].beneficiary_id.as_deref(),
            Some("arn:aws:iam::1:role/ci/deploy")
        );
    }
}
