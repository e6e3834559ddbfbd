//! From entitlement rows to evaluated rights: documents compiled once, principals with the same set of
//! policies evaluated once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rayon::prelude::*;

use super::later;
use super::people::People;
use crate::analyze::organisation::Organisation;
use crate::facts::store::evidence_ref;
use crate::facts::{
    BindingKind, Facts, GuardrailKind, PolicyInForce, PrincipalKind, Role, RoleKind, Text, Time,
    text,
};
use crate::privilege::aws::arn::Home;
use crate::privilege::aws::compare::{Layer, document_digest};
use crate::privilege::aws::document::{Document, UNSEEN_BOUNDARY};
use crate::privilege::aws::evaluate::{
    Bound, Boundary, Compiler, Guardrail, Policy, Rights, Subject, SubjectKind,
};
use crate::privilege::aws::tri::Tri;
use crate::privilege::memo::Memo;

pub use super::judge::{Outcome, judge};

mod policies;
pub(super) mod sessions;

pub use policies::{policy_subject, policy_tiers};

/// Compiled policies, by text and account.
#[derive(Debug, Default)]
pub struct Store {
    compiler: Compiler,
    documents: BTreeMap<Text, Document>,
    index: BTreeMap<(Text, Home), usize>,
    guardrails: BTreeMap<(Text, Home), usize>,
    /// Policies.
    pub policies: Vec<Policy>,
    /// Digests of their documents, in the same order.
    digests: Vec<Text>,
}

impl Store {
    /// A document as parsed; known after [`Store::policy`] has seen it.
    pub fn document(&self, text: &Text) -> Option<&Document> {
        self.documents.get(text)
    }

    /// Place of the compiled policy of a document for principals of an account.
    pub fn policy(&mut self, document: &Text, home: &Home) -> usize {
        if let Some(known) = self.index.get(&(document.clone(), home.clone())) {
            return *known;
        }
        let parsed =
            self.documents.entry(document.clone()).or_insert_with(|| Document::parse(document));
        let id = self.policies.len();
        self.policies.push(self.compiler.compile(parsed, home));
        self.digests.push(document_digest(document));
        self.index.insert((document.clone(), home.clone()), id);
        id
    }

    /// Compiles documents, each for principals of an account, side by side. Places are given in the order
    /// of the list, as if [`Store::policy`] had been asked one after the other.
    pub fn prepare<'d>(&mut self, wanted: impl IntoIterator<Item = (&'d Text, Home)>) {
        let mut new: Vec<(&Text, Home)> = Vec::new();
        let mut seen = BTreeSet::new();
        for (document, home) in wanted {
            let key = (document.clone(), home.clone());
            if !self.index.contains_key(&key) && seen.insert(key) {
                new.push((document, home));
            }
        }
        let unread: BTreeSet<&Text> = new.iter().map(|(d, _)| *d).collect();
        let unread: Vec<&Text> =
            unread.into_iter().filter(|d| !self.documents.contains_key(*d)).collect();
        let read: Vec<Document> = unread.par_iter().map(|d| Document::parse(d)).collect();
        self.documents.extend(unread.into_iter().cloned().zip(read));
        let compiled: Vec<Option<(Policy, Text)>> = new
            .par_iter()
            .map(|(document, home)| {
                let parsed = self.documents.get(*document)?;
                Some((self.compiler.compile(parsed, home), document_digest(document)))
            })
            .collect();
        for ((document, home), done) in new.into_iter().zip(compiled) {
            let Some((policy, digest)) = done else { continue };
            self.index.insert((document.clone(), home), self.policies.len());
            self.policies.push(policy);
            self.digests.push(digest);
        }
    }

    /// Forgets what only further documents would need.
    pub fn close(&mut self) {
        later((std::mem::take(&mut self.compiler), std::mem::take(&mut self.documents)));
    }

    /// An organisation policy, which reads short patterns in its own way.
    fn guardrail(&mut self, document: &Text, home: &Home) -> usize {
        let key = (document.clone(), home.clone());
        if let Some(known) = self.guardrails.get(&key) {
            return *known;
        }
        let parsed =
            self.documents.entry(document.clone()).or_insert_with(|| Document::parse(document));
        let id = self.policies.len();
        self.policies.push(self.compiler.compile_guardrail(parsed, home));
        self.digests.push(document_digest(document));
        self.guardrails.insert(key, id);
        id
    }
}

/// One policy that reaches a principal, by one or more ways.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Key into `roles`.
    pub role_id: Text,
    /// Name.
    pub privilege: Text,
    /// Scope.
    pub scope: Text,
    /// Ways, sorted.
    pub via: BTreeSet<Text>,
    /// Compiled policy; `None` when the inputs lack the document.
    pub policy: Option<usize>,
    /// Why the content is unknown, or a part of it.
    pub unknown: Option<&'static str>,
    /// A boundary that the inputs do not hold comes with it.
    pub bounded: bool,
    /// Start of validity.
    pub not_before: Option<Time>,
    /// End of validity.
    pub not_after: Option<Time>,
    /// The source shows signs of a temporary purpose.
    pub temporary: bool,
    /// Customer-managed policy.
    pub customer_managed: bool,
    /// Evidence: source and place, as rows name it.
    pub refs: Vec<Text>,
}

/// One level of organisation policies: compiled policies (`None` when a document is missing), and whether
/// the level lies above the account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LevelPlan {
    /// Word of the layer in `policies_in_force`.
    layer: Text,
    /// Key into `roles` and compiled policy.
    policies: Vec<(Text, Option<usize>)>,
    applies: Tri,
}

impl LevelPlan {
    fn compiled(&self) -> impl Iterator<Item = usize> + '_ {
        self.policies.iter().filter_map(|(_, policy)| *policy)
    }
}

/// A principal with what is bound to it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Canonical id.
    pub principal: Text,
    /// As conditions see it.
    pub subject: Subject,
    /// Policies, own and through groups, sorted by role id.
    pub bindings: Vec<Binding>,
    /// Boundary: `Some(None)` when its document is missing.
    pub boundary: Option<Option<usize>>,
    /// Service control policies above the account, level by level.
    pub guardrails: Arc<[LevelPlan]>,
    /// The policy that is the boundary; empty without one.
    pub boundary_id: Text,
    /// Rows of `entitlements` that reach the principal.
    pub n_entitlements: i64,
    /// Groups by place in the list of plans.
    pub groups: Vec<usize>,
    /// The group has members.
    pub has_members: bool,
}

/// Plans of all AWS principals that are inventoried or hold a binding, by id.
pub fn plan(facts: &Facts, people: &People, store: &mut Store, as_of: Time) -> Vec<Plan> {
    let unique: BTreeMap<&str, &str> = facts
        .aliases
        .iter()
        .filter(|a| &*a.alias_type == "unique_id")
        .map(|a| (&*a.principal_id, &*a.alias))
        .collect();
    let mut plans: Vec<Plan> = people
        .iter()
        .filter(|(id, p)| {
            p.platform.as_deref() == Some("aws") && p.inventoried && !id.ends_with(":root")
        })
        .map(|(id, p)| Plan {
            principal: id.clone(),
            subject: subject(id, p.kind, &p.tags, unique.get(&**id).copied(), as_of),
            bindings: Vec::new(),
            boundary: None,
            guardrails: Arc::default(),
            boundary_id: Text::default(),
            n_entitlements: 0,
            groups: Vec::new(),
            has_members: false,
        })
        .collect();
    let at: BTreeMap<Text, usize> =
        plans.iter().enumerate().map(|(i, p)| (p.principal.clone(), i)).collect();
    bind(facts, store, &mut plans, &at);
    join_groups(facts, &mut plans, &at);
    let mut plans = sessions::split(plans);
    limit(facts, store, &mut plans);
    for p in &mut plans {
        p.bindings.sort_by(|a, b| (&a.role_id, &a.scope).cmp(&(&b.role_id, &b.scope)));
    }
    plans
}

/// Puts the service control policies of the account over each plan (5.4.3); the management account and
/// service-linked roles are free of them (5.4.7). Conditions learn the organisation (5.3.7).
fn limit(facts: &Facts, store: &mut Store, plans: &mut [Plan]) {
    let organisation = Organisation::new(facts);
    let roles = contents(facts);
    let mut of_account: BTreeMap<Home, Arc<[LevelPlan]>> = BTreeMap::new();
    for plan in plans {
        let home = &plan.subject.home;
        plan.subject.organisation = organisation.organisation_of(&home.account).map(str::to_owned);
        if organisation.is_management(&home.account)
            || plan.principal.contains(":role/aws-service-role/")
        {
            continue;
        }
        let levels = of_account.entry(home.clone()).or_insert_with(|| {
            let above = organisation.above(GuardrailKind::Scp, &home.account).unwrap_or_default();
            above
                .iter()
                .map(|l| LevelPlan {
                    layer: text(Layer::guardrail(&l.node, l.applies).word()),
                    policies: l
                        .policies
                        .iter()
                        .map(|id| {
                            let document = roles.get(id).and_then(|r| r.document.as_ref());
                            (text(id), document.map(|d| store.guardrail(d, home)))
                        })
                        .collect(),
                    applies: l.applies,
                })
                .collect()
        });
        plan.guardrails = Arc::clone(levels);
    }
}

/// A principal as conditions see it.
pub fn subject(
    id: &Text,
    kind: PrincipalKind,
    tags: &[Text],
    unique: Option<&str>,
    as_of: Time,
) -> Subject {
    let resource = id.splitn(6, ':').nth(5).unwrap_or_default();
    // The ARN says what the principal is for conditions; `kind` may say what it is for people.
    let kind = match resource.split('/').next() {
        Some("user") => SubjectKind::User,
        Some("group") => SubjectKind::Group,
        _ if kind == PrincipalKind::Group => SubjectKind::Group,
        _ => SubjectKind::Role,
    };
    Subject {
        arn: id.to_string(),
        kind,
        home: Home::of(id),
        name: resource.rsplit('/').next().unwrap_or_default().to_owned(),
        unique_id: unique.map(str::to_owned),
        tags: tags
            .iter()
            .filter_map(|t| t.split_once('='))
            .map(|(k, v)| (k.to_ascii_lowercase(), v.to_owned()))
            .collect(),
        organisation: None,
        as_of,
    }
}

/// The content of each role record: the one of the latest source that has a document.
pub fn contents(facts: &Facts) -> BTreeMap<&str, &Role> {
    let mut out: BTreeMap<&str, &Role> = BTreeMap::new();
    for r in facts.roles.iter().filter(|r| &*r.platform == "aws") {
        let better =
            out.get(&*r.role_id).is_none_or(|have| r.document.is_some() || have.document.is_none());
        if better {
            out.insert(&r.role_id, r);
        }
    }
    out
}

fn bind(facts: &Facts, store: &mut Store, plans: &mut [Plan], at: &BTreeMap<Text, usize>) {
    let roles = contents(facts);
    let held = facts.entitlements.iter().filter(|e| &*e.platform == "aws");
    store.prepare(held.filter_map(|e| {
        let plan = at.get(&e.principal_id).and_then(|i| plans.get(*i))?;
        let document = roles.get(&*e.role_id)?.document.as_ref()?;
        Some((document, sessions::home(&plan.subject, &e.scope)))
    }));
    let mut places: HashMap<&str, Text> = HashMap::new();
    for e in facts.entitlements.iter().filter(|e| &*e.platform == "aws") {
        let Some(plan) = at.get(&e.principal_id).and_then(|i| plans.get_mut(*i)) else { continue };
        let role = roles.get(&*e.role_id);
        let document = role.and_then(|r| r.document.as_ref());
        let policy = document.map(|d| store.policy(d, &sessions::home(&plan.subject, &e.scope)));
        match e.binding_kind {
            BindingKind::Ceiling => {
                // Exports that name two boundaries leave open which one is set.
                let two = plan.boundary.is_some() && plan.boundary_id != e.role_id;
                plan.boundary = Some(policy.filter(|_| !two));
                plan.boundary_id = e.role_id.clone();
                continue;
            }
            BindingKind::Active => {}
            BindingKind::Eligible | BindingKind::Assumable => continue,
        }
        // A binding that was gone at the last snapshot is history, not access.
        if e.unbound_at_hi.is_some() {
            continue;
        }
        plan.n_entitlements += 1;
        let malformed =
            policy.and_then(|p| store.policies.get(p)).is_some_and(|p| p.malformed.is_some());
        // Of a permission set a part may be in no input: what is known of it holds, and there is more.
        let partial = role.filter(|r| r.kind == RoleKind::PermissionSet);
        let missing = partial.and_then(|r| r.malformed.as_deref());
        let unknown = match (policy, malformed) {
            (_, true) => Some("malformed"),
            (None, _) => Some("role_unexpanded"),
            _ => missing.map(|_| "role_unexpanded"),
        };
        // Many principals hold one policy, and its place is one text for all of them.
        let of_role = role.map(|r| {
            let known = places.entry(&r.role_id);
            known.or_insert_with(|| evidence_ref(&r.source_id, &r.source_ref)).clone()
        });
        let own = evidence_ref(&e.source_id, &e.source_ref);
        let refs = std::iter::once(own).chain(of_role).collect();
        add(
            plan,
            Binding {
                role_id: e.role_id.clone(),
                privilege: e.privilege.clone(),
                scope: e.scope.clone(),
                via: e.via.iter().cloned().collect(),
                policy,
                unknown,
                bounded: missing.is_some_and(|m| m.contains(UNSEEN_BOUNDARY)),
                not_before: e.not_before,
                not_after: e.not_after,
                temporary: e.says_temporary == Some(true)
                    || e.origin_hint.is_some()
                    || e.not_after.is_some(),
                customer_managed: role.map_or_else(
                    || e.role_id.split(':').nth(4).is_some_and(|a| a != "aws"),
                    |r| !r.provider_managed,
                ) && is_policy(&e.role_id),
                refs,
            },
        );
    }
}

/// Whether an identifier is that of a managed policy, which can be changed by itself; permission sets
/// and inline policies are none.
pub fn is_policy(id: &str) -> bool {
    let mut parts = id.splitn(6, ':');
    parts.next() == Some("arn")
        && parts.nth(1) == Some("iam")
        && parts.nth(2).is_some_and(|tail| tail.starts_with("policy/"))
}

/// Adds a binding; the same policy by another way widens the ways.
fn add(plan: &mut Plan, binding: Binding) {
    let same =
        plan.bindings.iter_mut().find(|b| b.role_id == binding.role_id && b.scope == binding.scope);
    match same {
        Some(b) => {
            b.via.extend(binding.via);
            b.refs.extend(binding.refs);
            b.temporary |= binding.temporary;
        }
        None => plan.bindings.push(binding),
    }
}

fn join_groups(facts: &Facts, plans: &mut [Plan], at: &BTreeMap<Text, usize>) {
    // A group's name is unique in its account, whatever its path.
    let by_name: BTreeMap<(Home, String), usize> = plans
        .iter()
        .enumerate()
        .filter(|(_, p)| p.subject.kind == SubjectKind::Group)
        .map(|(i, p)| ((p.subject.home.clone(), p.subject.name.clone()), i))
        .collect();
    for m in &facts.memberships {
        let Some(&member) = at.get(&m.principal_id) else { continue };
        let name = m.group_id.rsplit('/').next().unwrap_or_default().to_owned();
        let group = at
            .get(&m.group_id)
            .or_else(|| by_name.get(&(Home::of(&m.group_id), name.clone())))
            .copied();
        let here = evidence_ref(&m.source_id, &m.source_ref);
        let via = text(format!("group:{name}"));
        let mut bindings = match group.and_then(|g| plans.get_mut(g)) {
            Some(g) => {
                g.has_members = true;
                g.bindings.clone()
            }
            // The group is not in the inputs: what it gives is unknown, not nothing.
            None => vec![Binding {
                role_id: m.group_id.clone(),
                privilege: via.clone(),
                scope: text(format!("aws:{}", Home::of(&m.group_id).account)),
                via: BTreeSet::new(),
                policy: None,
                unknown: Some("role_unexpanded"),
                bounded: false,
                not_before: None,
                not_after: None,
                temporary: false,
                customer_managed: false,
                refs: Vec::new(),
            }],
        };
        let Some(plan) = plans.get_mut(member) else { continue };
        if group.is_some_and(|g| plan.groups.contains(&g)) {
            continue;
        }
        plan.groups.extend(group);
        for b in &mut bindings {
            b.via = BTreeSet::from([via.clone()]);
            b.refs.push(here.clone());
            plan.n_entitlements += 1;
        }
        for b in bindings {
            add(plan, b);
        }
    }
}

/// Rows of `policies_in_force` of all principals but groups, whose policies count for their members.
pub fn in_force(plans: &[Plan], store: &Store) -> Vec<PolicyInForce> {
    let digest = |policy: Option<usize>| policy.and_then(|i| store.digests.get(i)).cloned();
    let (identity, boundary) = (text(Layer::Identity.word()), text(Layer::Boundary.word()));
    let mut out = Vec::new();
    for plan in plans.iter().filter(|p| p.subject.kind != SubjectKind::Group) {
        let mut row = |layer: &Text, role_id: &Text, digest: Option<Text>| {
            out.push(PolicyInForce {
                principal_id: plan.principal.clone(),
                layer: layer.clone(),
                role_id: role_id.clone(),
                digest,
            });
        };
        for b in &plan.bindings {
            row(&identity, &b.role_id, digest(b.policy));
        }
        if let Some(policy) = plan.boundary {
            row(&boundary, &plan.boundary_id, digest(policy));
        }
        for level in plan.guardrails.iter() {
            for (role_id, policy) in &level.policies {
                row(&level.layer, role_id, digest(*policy));
            }
        }
    }
    out
}

/// Rights of all plans; equal sets of policies share one evaluation.
#[derive(Debug)]
pub struct Evaluated<'s> {
    rights: Vec<Rights<'s>>,
    of_plan: Vec<usize>,
    /// Frame of each of the distinct rights: rights of one number cut what a policy gives alike.
    frames: Vec<usize>,
}

impl<'s> Evaluated<'s> {
    /// Rights of all plans, each once.
    pub fn distinct(&self) -> &[Rights<'s>] {
        &self.rights
    }

    /// Place of the rights of a plan among the distinct ones.
    pub fn place(&self, plan: usize) -> Option<usize> {
        self.of_plan.get(plan).copied()
    }

    /// The distinct rights, and the place of each plan's among them.
    pub fn into_parts(self) -> (Vec<Rights<'s>>, Vec<usize>) {
        (self.rights, self.of_plan)
    }

    /// Number of the frame of the distinct rights at a place.
    pub fn frame(&self, place: usize) -> usize {
        self.frames.get(place).copied().unwrap_or(usize::MAX)
    }

    /// Rights of a plan.
    pub fn of(&self, plan: usize) -> Option<&Rights<'s>> {
        self.of_plan.get(plan).and_then(|i| self.rights.get(*i))
    }
}

/// Evaluates every plan.
pub fn evaluate<'s>(plans: &[Plan], store: &'s Store) -> Evaluated<'s> {
    // The first plan of each distinct set of policies stands for all that have it.
    let mut first: Vec<(&Plan, Vec<usize>)> = Vec::new();
    let mut known = BTreeMap::new();
    let mut of_plan = Vec::with_capacity(plans.len());
    for p in plans {
        let policies: Vec<usize> = p.bindings.iter().filter_map(|b| b.policy).collect();
        let personal = policies
            .iter()
            .chain(p.boundary.iter().flatten())
            .copied()
            .chain(p.guardrails.iter().flat_map(LevelPlan::compiled))
            .any(|i| store.policies.get(i).is_some_and(|x| x.personal));
        let key = (
            p.subject.kind,
            p.subject.home.clone(),
            policies.clone(),
            p.boundary,
            Arc::clone(&p.guardrails),
            personal.then(|| p.principal.clone()),
        );
        let id = *known.entry(key).or_insert_with(|| {
            first.push((p, policies));
            first.len() - 1
        });
        of_plan.push(id);
    }
    let allowed = Memo::default();
    let rights = first.par_iter().map(|(p, policies)| {
        let bound = |i: &usize| store.policies.get(*i).map(|x| Bound::new(x, &p.subject));
        let boundary = match &p.boundary {
            None => Boundary::Absent,
            Some(None) => Boundary::Missing,
            Some(Some(i)) => bound(i).map_or(Boundary::Missing, Boundary::Known),
        };
        let guardrails = p.guardrails.iter().map(|l| {
            let known: Vec<Bound<'_>> = l.compiled().filter_map(|i| bound(&i)).collect();
            let missing = known.len() < l.policies.len();
            Guardrail::new(known, l.applies, missing)
        });
        let guardrails = guardrails.collect();
        let bindings = policies.iter().filter_map(bound).collect();
        Rights::remembered(bindings, boundary, guardrails, &allowed)
    });
    let rights: Vec<Rights<'_>> = rights.collect();
    let mut numbers = HashMap::new();
    let frames = rights.iter().map(|r| {
        let next = numbers.len();
        *numbers.entry(r.frame()).or_insert(next)
    });
    let frames = frames.collect();
    Evaluated { rights, of_plan, frames }
}
