//! Rows of the fact tables out of the lists of a page.

use rayon::prelude::*;

use super::*;

/// Reads users and roles of other commands of IAM, which print them with the same fields; each with its
/// place.
pub fn read_lists(users: &[(String, &str)], roles: &[(String, &str)], batch: &mut Batch) {
    let mut state = Reader::new(batch);
    for (place, raw) in users {
        state.one(raw, place, Reader::user);
    }
    for (place, raw) in roles {
        state.one(raw, place, Reader::role);
    }
    state.finish();
}

/// Records that are decoded at one time.
const DECODED: usize = 512;

/// What users, groups and roles have in common.
struct Holder<'r, 'a> {
    id: Text,
    place: Text,
    inline: &'r [Inline<'a>],
    inline_key: &'static str,
    attached: &'r [Attached<'a>],
    boundary: Option<&'r Boundary<'a>>,
}

impl<'b> Reader<'b> {
    pub(super) fn new(batch: &'b mut Batch) -> Self {
        Self {
            batch,
            group_arns: BTreeMap::new(),
            members: Vec::new(),
            realms: BTreeSet::new(),
            bounds: BTreeMap::new(),
            attachments: Vec::new(),
            texts: HashSet::new(),
        }
    }

    /// A text that other rows have too.
    fn shared(&mut self, s: &str) -> Text {
        if let Some(known) = self.texts.get(s) {
            return known.clone();
        }
        let new = text_of(s);
        self.texts.insert(new.clone());
        new
    }

    /// The realm of an account.
    fn realm_of(&mut self, account: &str) -> Text {
        let new = realm(account);
        self.shared(&new)
    }

    pub(super) fn page(&mut self, page: &Page<'_>, prefix: &str) {
        self.list(page.users.as_deref(), prefix, "UserDetailList", Self::user);
        self.list(page.groups.as_deref(), prefix, "GroupDetailList", Self::group);
        self.list(page.roles.as_deref(), prefix, "RoleDetailList", Self::role);
        self.list(page.policies.as_deref(), prefix, "Policies", Self::managed);
    }

    fn list<'a, T: Deserialize<'a> + Send>(
        &mut self,
        items: Option<&[&'a RawValue]>,
        prefix: &str,
        name: &str,
        take: impl Fn(&mut Self, T, Text),
    ) {
        let mut place = 0_usize;
        for some in items.unwrap_or_default().chunks(DECODED) {
            // Decoded side by side, taken one after the other.
            let decoded: Vec<Result<T, serde_json::Error>> =
                some.par_iter().map(|raw| serde_json::from_str(raw.get())).collect();
            for item in decoded {
                self.decoded(item, &format!("{prefix}/{name}/{place}"), &take);
                place += 1;
            }
        }
    }

    fn one<'a, T: Deserialize<'a>>(
        &mut self,
        raw: &'a str,
        place: &str,
        take: impl Fn(&mut Self, T, Text),
    ) {
        self.decoded(serde_json::from_str(raw), place, take);
    }

    fn decoded<T>(
        &mut self,
        item: Result<T, serde_json::Error>,
        place: &str,
        take: impl Fn(&mut Self, T, Text),
    ) {
        self.batch.records += 1;
        match item {
            Ok(item) => take(self, item, text_of(place)),
            Err(e) => self.batch.quarantine(place, reason(&e)),
        }
    }

    fn principal(&mut self, arn: &str, name: &str, kind: PrincipalKind, place: &Text) -> Principal {
        let realm = account_of(arn).map(|a| self.realm_of(a));
        self.realms.extend(realm.clone());
        Principal {
            principal_id: text_of(arn),
            kind,
            platform: Some(self.shared("aws")),
            realm,
            name: Some(text_of(name)),
            inventoried: true,
            source_id: self.batch.source_id.clone(),
            source_ref: place.clone(),
            ..Principal::default()
        }
    }

    /// Creation time, tags and what tags declare.
    fn describe(
        &mut self,
        p: &mut Principal,
        created: Option<&When<'_>>,
        tags: Option<&[Tag<'_>]>,
    ) {
        if let Some(when) = created {
            p.created_at = when.time();
            match p.created_at {
                Some(t) => self.batch.see(t),
                None => self.batch.quarantine_part(
                    format!("{}/CreateDate", p.source_ref),
                    "not a date; the rest of the record is read",
                ),
            }
        }
        let mut pairs: Vec<(String, String)> = tags
            .unwrap_or_default()
            .iter()
            .map(|t| (t.key.to_string(), t.value.as_deref().unwrap_or_default().to_owned()))
            .collect();
        pairs.sort_unstable();
        p.break_glass = tag(&pairs, &["break-glass", "BreakGlass"])
            .is_some_and(|v| v.eq_ignore_ascii_case("true"));
        p.environment = tag(&pairs, &["environment", "env"]).map(|e| self.shared(e));
        if p.kind != PrincipalKind::Group {
            let declared = tag(&pairs, &["kind"]).and_then(PrincipalKind::from_word);
            let agent = tag(&pairs, &["agent"]).is_some_and(|v| !v.eq_ignore_ascii_case("false"));
            if let Some(kind) = declared {
                p.kind = kind;
            } else if agent {
                p.kind = PrincipalKind::Agent;
            }
        }
        p.is_nhi = match p.kind {
            PrincipalKind::Unknown | PrincipalKind::Group => None,
            kind => Some(kind != PrincipalKind::Human),
        };
        self.batch.facts.owners.extend(owner(self.batch, &p.principal_id, &pairs, &p.source_ref));
        p.tags = pairs.iter().map(|(k, v)| self.shared(&format!("{k}={v}"))).collect();
    }

    fn names(&mut self, p: &Principal, unique: Option<&str>, name: &str) {
        if let Some(unique) = unique {
            let mut row = alias(self.batch, &p.principal_id, "unique_id", unique, &p.source_ref);
            row.rule = text_of("A2");
            self.batch.facts.aliases.push(row);
        }
        let mut row = alias(self.batch, &p.principal_id, "name", name, &p.source_ref);
        row.issuer = p.realm.clone();
        row.confidence = Confidence::Strong;
        self.batch.facts.aliases.push(row);
    }

    fn user(&mut self, u: User<'_>, place: Text) {
        let mut p = self.principal(&u.arn, &u.name, PrincipalKind::Unknown, &place);
        self.describe(&mut p, u.created.as_ref(), u.tags.as_deref());
        self.names(&p, u.id.as_deref(), &u.name);
        let account = account_of(&u.arn).unwrap_or_default();
        for group in u.groups.iter().flatten() {
            self.members.push((
                p.principal_id.clone(),
                account.to_owned(),
                group.to_string(),
                place.clone(),
            ));
        }
        self.bindings(&Holder {
            id: p.principal_id.clone(),
            place,
            inline: u.inline.as_deref().unwrap_or_default(),
            inline_key: "UserPolicyList",
            attached: u.attached.as_deref().unwrap_or_default(),
            boundary: u.boundary.as_ref(),
        });
        self.batch.facts.principals.push(p);
    }

    fn group(&mut self, g: Group<'_>, place: Text) {
        let mut p = self.principal(&g.arn, &g.name, PrincipalKind::Group, &place);
        self.describe(&mut p, g.created.as_ref(), None);
        self.names(&p, g.id.as_deref(), &g.name);
        let account = account_of(&g.arn).unwrap_or_default();
        self.group_arns.insert(format!("{account}/{}", g.name), p.principal_id.clone());
        self.bindings(&Holder {
            id: p.principal_id.clone(),
            place,
            inline: g.inline.as_deref().unwrap_or_default(),
            inline_key: "GroupPolicyList",
            attached: g.attached.as_deref().unwrap_or_default(),
            boundary: None,
        });
        self.batch.facts.principals.push(p);
    }

    fn role(&mut self, r: IamRole<'_>, place: Text) {
        let mut p = self.principal(&r.arn, &r.name, PrincipalKind::Role, &place);
        self.describe(&mut p, r.created.as_ref(), r.tags.as_deref());
        self.names(&p, r.id.as_deref(), &r.name);
        // The session ARN drops the path of the role (A1).
        if let Some(account) = account_of(&r.arn) {
            let partition = r.arn.split(':').nth(1).unwrap_or("aws");
            let session = format!("arn:{partition}:sts::{account}:assumed-role/{}", r.name);
            let mut row = alias(self.batch, &p.principal_id, "assumed_role", &session, &place);
            row.confidence = Confidence::Strong;
            self.batch.facts.aliases.push(row);
        }
        for profile in r.profiles.iter().flatten() {
            if let Some(arn) = &profile.arn {
                let row = alias(self.batch, &p.principal_id, "instance_profile", arn, &place);
                self.batch.facts.aliases.push(row);
            }
        }
        self.last_used(&p, r.last_used.as_ref(), &place);
        if let Some(trust) = &r.trust {
            self.trusts(&p.principal_id, &trust.parsed, &place);
        }
        self.bindings(&Holder {
            id: p.principal_id.clone(),
            place,
            inline: r.inline.as_deref().unwrap_or_default(),
            inline_key: "RolePolicyList",
            attached: r.attached.as_deref().unwrap_or_default(),
            boundary: r.boundary.as_ref(),
        });
        self.batch.facts.principals.push(p);
    }

    /// `RoleLastUsed`: an empty record is "looked, none seen" in the 400 days that are tracked. A date that
    /// cannot be read says that there was use, and not when: that is no answer.
    fn last_used(&mut self, p: &Principal, last: Option<&LastUsed<'_>>, place: &Text) {
        let Some(last) = last else { return };
        let here = text_of(&format!("{place}/RoleLastUsed"));
        let at = last.at.as_ref().and_then(When::time);
        if last.at.is_some() && at.is_none() {
            self.batch.quarantine_part(
                format!("{here}/LastUsedDate"),
                "not a date; the rest of the record is read",
            );
            return;
        }
        self.batch.facts.usage.push(Usage {
            principal: p.principal_id.clone(),
            principal_id: Some(p.principal_id.clone()),
            platform: p.platform.clone(),
            first_at: None,
            last_at: at,
            count: if at.is_none() { Some(0) } else { None },
            grain: UsageGrain::Identity,
            source_id: self.batch.source_id.clone(),
            source_ref: here,
            ..Usage::default()
        });
        if let Some(t) = at {
            self.batch.see(t);
        }
    }

    /// Tells of a condition that stays undecided because a date in it cannot be read: with the policy, and of
    /// the source where nothing graver is to be told of it.
    fn lint(&mut self, document: Option<&Document>, place: &Text) -> Option<Text> {
        let why = document.and_then(Document::unreadable_date)?;
        self.batch.limitation.get_or_insert_with(|| text_of(&format!("{place}: {why}")));
        Some(text_of(&why))
    }

    fn bindings(&mut self, h: &Holder<'_, '_>) {
        for (i, inline) in h.inline.iter().enumerate() {
            let place = text_of(&format!("{}/{}/{i}", h.place, h.inline_key));
            let role_id = format!("inline:{}/{}", h.id, inline.name);
            let document = inline.document.as_ref();
            let bounds = document.map_or((None, None), |d| d.parsed.time_bounds());
            let lint = self.lint(document.map(|d| &d.parsed), &place);
            let mut row = self.entitlement(h, &role_id, &inline.name, "inline", &place);
            (row.not_before, row.not_after) = bounds;
            self.batch.facts.roles.push(Role {
                role_id: row.role_id.clone(),
                platform: row.platform.clone(),
                realm: account_of(&h.id).is_some().then(|| row.scope.clone()),
                name: row.privilege.clone(),
                kind: RoleKind::InlinePolicy,
                malformed: document
                    .and_then(|d| d.parsed.malformed.as_deref())
                    .map(text_of)
                    .or(lint),
                document: document.map(|d| text_of(&d.text)),
                source_id: self.batch.source_id.clone(),
                source_ref: place.clone(),
                ..Role::default()
            });
            self.batch.facts.entitlements.push(row);
        }
        for (i, attached) in h.attached.iter().enumerate() {
            let place = text_of(&format!("{}/AttachedManagedPolicies/{i}", h.place));
            let name = attached.name.as_deref().unwrap_or_else(|| name_of(&attached.arn));
            let row = self.entitlement(h, &attached.arn, name, "attached", &place);
            self.attachments.push((self.batch.facts.entitlements.len(), attached.arn.to_string()));
            self.batch.facts.entitlements.push(row);
        }
        if let Some(b) = h.boundary {
            let place = text_of(&format!("{}/PermissionsBoundary", h.place));
            let mut row = self.entitlement(h, &b.arn, name_of(&b.arn), "boundary", &place);
            row.binding_kind = BindingKind::Ceiling;
            row.entitlement_id = text_of(&format!("{}|boundary", row.entitlement_id));
            self.batch.facts.entitlements.push(row);
        }
    }

    fn entitlement(
        &mut self,
        h: &Holder<'_, '_>,
        role_id: &str,
        name: &str,
        via: &str,
        place: &Text,
    ) -> Entitlement {
        let scope = match account_of(&h.id) {
            Some(account) => self.realm_of(account),
            None => self.shared("aws"),
        };
        Entitlement {
            entitlement_id: text_of(&format!("aws|{}|{role_id}|{scope}", h.id)),
            principal_id: h.id.clone(),
            via: vec![self.shared(via)],
            role_id: self.shared(role_id),
            privilege: self.shared(name),
            scope,
            scope_rank: Some(2),
            platform: self.shared("aws"),
            source_id: self.batch.source_id.clone(),
            source_ref: place.clone(),
            ..Entitlement::default()
        }
    }

    fn managed(&mut self, m: Managed<'_>, place: Text) {
        let versions = m.versions.as_deref().unwrap_or_default();
        let marked = versions.iter().position(|v| v.is_default == Some(true));
        let named =
            m.default.as_ref().and_then(|d| versions.iter().position(|v| v.id.as_ref() == Some(d)));
        let mut wrong = None;
        if let (Some(a), Some(b)) = (marked, named)
            && a != b
        {
            wrong = Some("`DefaultVersionId` and `IsDefaultVersion` disagree".to_owned());
            self.batch.quarantine_part(
                format!("{place}/DefaultVersionId"),
                "`DefaultVersionId` and `IsDefaultVersion` disagree; the marked version is used",
            );
        }
        let version = marked.or(named).and_then(|i| versions.get(i));
        let document = version.and_then(|v| v.document.as_ref());
        if let Some(Doc(text)) = document {
            let parsed = Document::parse(text);
            self.bounds.insert(m.arn.to_string(), parsed.time_bounds());
            let lint = self.lint(Some(&parsed), &place);
            wrong = parsed.malformed.or_else(|| lint.map(|l| l.to_string()));
        }
        let provider_managed = m.arn.split(':').nth(4) == Some("aws");
        let other_versions = versions
            .iter()
            .enumerate()
            .filter(|(i, _)| !provider_managed && marked.or(named) != Some(*i))
            .filter_map(|(_, v)| {
                let name = v.id.as_deref().unwrap_or("?");
                Some(text_of(&format!("{name} {}", v.document.as_ref()?.0)))
            })
            .collect();
        let updated_at = m.updated.as_ref().and_then(When::time);
        if let Some(t) = updated_at {
            self.batch.see(t);
        }
        let realm = account_of(&m.arn).map(|a| self.realm_of(a));
        self.realms.extend(realm.clone());
        let (role_id, platform) = (self.shared(&m.arn), self.shared("aws"));
        self.batch.facts.roles.push(Role {
            role_id,
            platform,
            realm,
            name: text_of(m.name.as_deref().unwrap_or_else(|| name_of(&m.arn))),
            kind: RoleKind::ManagedPolicy,
            provider_managed,
            document: document.map(|d| text_of(&d.0)),
            other_versions,
            version: version.and_then(|v| v.id.as_deref()).map(text_of),
            updated_at,
            malformed: wrong.as_deref().map(text_of),
            source_id: self.batch.source_id.clone(),
            source_ref: place,
            ..Role::default()
        });
    }

    fn trusts(&mut self, role: &Text, parsed: &Document, place: &Text) {
        let pointer = format!("{place}/AssumeRolePolicyDocument");
        if let Some(wrong) = &parsed.malformed {
            self.batch.quarantine_part(&pointer, format!("trust policy: {wrong}"));
        }
        let own = account_of(role).unwrap_or_default().to_owned();
        for s in &parsed.statements {
            let condition = (!s.condition_text.is_empty()).then(|| self.shared(&s.condition_text));
            // What could not be read must not look unconditional, nor bound by its condition alone.
            let condition = if s.doubtful { Some(unreadable(s)) } else { condition };
            let actions: Vec<Text> = if s.actions.negate {
                s.actions.list.iter().map(|a| self.shared(&format!("not:{a}"))).collect()
            } else {
                s.actions.list.iter().map(|a| self.shared(a)).collect()
            };
            // Who is let in, or kept out, by what cannot be read may be anybody.
            let anybody = Party { kind: "*".into(), value: "*".into(), negate: false };
            let unseen = s.doubtful && s.parties.iter().all(|p| p.kind == "unreadable");
            let parties = if unseen { std::slice::from_ref(&anybody) } else { &s.parties };
            for party in parties {
                let (trusted, kind, external) = trusted(party, &own);
                let external = external.filter(|_| !unseen);
                let (trusted, kind) = (self.shared(&trusted), self.shared(kind));
                self.batch.facts.trusts.push(Trust {
                    principal_id: role.clone(),
                    trusted,
                    trusted_kind: kind,
                    external,
                    condition: condition.clone(),
                    allow: s.effect == crate::privilege::aws::document::Effect::Allow,
                    actions: actions.clone(),
                    source_id: self.batch.source_id.clone(),
                    source_ref: text_of(&format!("{pointer}/Statement/{}", s.index)),
                });
            }
        }
    }

    pub(super) fn finish(&mut self) {
        for (member, account, name, place) in std::mem::take(&mut self.members) {
            let partition = member.split(':').nth(1).unwrap_or("aws").to_owned();
            // A group on another page: its path is unknown, its name is unique in the account.
            let group_id =
                self.group_arns.get(&format!("{account}/{name}")).cloned().unwrap_or_else(|| {
                    text_of(&format!("arn:{partition}:iam::{account}:group/{name}"))
                });
            self.batch.facts.memberships.push(Membership {
                principal_id: member,
                group_id,
                source_id: self.batch.source_id.clone(),
                source_ref: place,
                ..Membership::default()
            });
        }
        for (row, arn) in std::mem::take(&mut self.attachments) {
            if let Some(bounds) = self.bounds.get(&arn)
                && let Some(e) = self.batch.facts.entitlements.get_mut(row)
            {
                (e.not_before, e.not_after) = *bounds;
            }
        }
        let mut realms = std::mem::take(&mut self.realms).into_iter();
        if let (Some(only), None) = (realms.next(), realms.next()) {
            self.batch.realm = Some(only);
        }
    }
}

/// Condition of a statement that could not be read in full: its own where that could be read, and one
/// that nothing decides.
fn unreadable(s: &Statement) -> Text {
    match s.condition_text.strip_prefix('{').filter(|_| !s.condition.is_empty()) {
        Some(rest) => text_of(&format!("{{\"unreadable\":{{}},{rest}")),
        None => text_of("{\"unreadable\":{}}"),
    }
}

/// Text, kind and externality of a trusted party.
fn trusted(party: &Party, own: &str) -> (String, &'static str, Option<bool>) {
    let v = party.value.as_str();
    let text = if party.negate { format!("not:{v}") } else { v.to_owned() };
    let outside = |account: &str| (!own.is_empty()).then(|| account != own);
    let is_account = v.len() == 12 && v.bytes().all(|b| b.is_ascii_digit());
    let (kind, external) = match party.kind.as_str() {
        _ if v == "*" || party.negate => ("any", Some(true)),
        "Service" => ("service", Some(false)),
        "CanonicalUser" => ("canonical_user", None),
        "Federated" if v.contains(":saml-provider/") => ("saml", account_of(v).and_then(outside)),
        "Federated" => ("oidc", account_of(v).and_then(outside)),
        _ if is_account => ("account", outside(v)),
        _ if v.starts_with("arn:") => match account_of(v) {
            Some(a) if a.contains(['*', '?']) => ("any", Some(true)),
            Some(a) if v.ends_with(":root") => ("account", outside(a)),
            Some(a) => ("principal", outside(a)),
            None => ("principal", None),
        },
        // `AIDA...` and `AROA...` are what AWS shows for a deleted principal.
        _ if v.starts_with("AIDA") || v.starts_with("AROA") => ("deleted", None),
        _ => ("principal", None),
    };
    (text, kind, external)
}
