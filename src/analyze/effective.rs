//! Single questions to the base tables: may this principal do this action on this resource, and who may?
//! Every layer that the inputs hold takes part; those that they lack are named.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::organisation::{Level as TreeLevel, Organisation};
use super::reach::{contents, subject};
use crate::facts::{BindingKind, Facts, GuardrailKind, Role, RoleKind, Text, Time, text};
use crate::privilege::aws::condition::{Context, Known, Seen};
use crate::privilege::aws::decide::{
    Action, Attached, Caller, CallerKind, Explanation, Layers, Level, Program, Programs, Request,
    ResourcePolicy, Target, Verdict, asks_trust, decide, explain, lacks_policies,
};
use crate::privilege::aws::evaluate::Subject;
use crate::privilege::aws::tri::Tri;

mod find;
mod trust;

pub use find::{NotFound, Who};

/// A policy as a layer holds it.
#[derive(Clone, Debug)]
struct Held {
    id: Text,
    version: Option<Text>,
    program: Option<Arc<Program>>,
}

impl Held {
    fn attached(&self) -> Attached<'_> {
        Attached {
            id: &self.id,
            version: self.version.as_deref(),
            program: self.program.as_deref(),
        }
    }
}

fn attached(list: &[Held]) -> Vec<Attached<'_>> {
    list.iter().map(Held::attached).collect()
}

/// A user or role of the inputs.
#[derive(Clone, Debug)]
struct Principal {
    subject: Subject,
    kind: CallerKind,
    policies: Vec<Held>,
    boundary: Option<Held>,
}

/// One level of organisation policies.
#[derive(Clone, Debug)]
struct HeldLevel {
    node: String,
    policies: Vec<Held>,
    applies: Tri,
}

/// What is asked, whoever asks.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// `service:Action`.
    pub action: String,
    /// Full ARN, or `*` for an action without resource type.
    pub resource: String,
    /// Account that owns the resource, when the ARN does not say.
    pub resource_account: Option<String>,
    /// Context keys with their values, keys lower case; an empty list says that the key is absent.
    pub keys: BTreeMap<String, Vec<String>>,
}

/// The tables made ready for questions.
#[derive(Debug)]
pub struct Effective<'f> {
    facts: &'f Facts,
    as_of: Time,
    organisation: Organisation<'f>,
    roles: BTreeMap<&'f str, &'f Role>,
    programs: Programs,
    principals: BTreeMap<Text, Principal>,
    roots: BTreeSet<Text>,
}

/// Policies by group, and the order in which they are met.
type ByPrincipal<'f> = BTreeMap<&'f str, Vec<&'f crate::facts::Entitlement>>;

impl<'f> Effective<'f> {
    /// Collects policies, groups and boundaries. Identities must be resolved.
    #[must_use]
    pub fn new(facts: &'f Facts, as_of: Time) -> Self {
        let mut out = Self {
            facts,
            as_of,
            organisation: Organisation::new(facts),
            roles: contents(facts),
            programs: Programs::default(),
            principals: BTreeMap::new(),
            roots: BTreeSet::new(),
        };
        let mut bound: ByPrincipal<'f> = BTreeMap::new();
        for e in facts.entitlements.iter().filter(|e| &*e.platform == "aws") {
            // A binding that was gone at the last snapshot is history, not access.
            if e.unbound_at_hi.is_none() {
                bound.entry(&e.principal_id).or_default().push(e);
            }
        }
        let mut groups: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for m in &facts.memberships {
            groups.entry(&m.principal_id).or_default().insert(&m.group_id);
        }
        let known: BTreeSet<&str> =
            facts.principals.iter().filter(|p| p.inventoried).map(|p| &*p.principal_id).collect();
        let unique: BTreeMap<&str, &str> = facts
            .aliases
            .iter()
            .filter(|a| &*a.alias_type == "unique_id")
            .map(|a| (&*a.principal_id, &*a.alias))
            .collect();
        for p in &facts.principals {
            let aws = p.platform.as_deref() == Some("aws") && p.inventoried;
            let id = &p.principal_id;
            if aws && id.ends_with(":root") {
                out.roots.insert(id.clone());
            }
            let kind = match id.splitn(6, ':').nth(5).and_then(|t| t.split('/').next()) {
                Some("user") => CallerKind::User,
                Some("role") => CallerKind::Role,
                _ => continue,
            };
            if !aws || out.principals.contains_key(id) {
                continue;
            }
            let subject = subject(id, p.kind, &p.tags, unique.get(&**id).copied(), as_of);
            let mut of: Vec<&str> = vec![id];
            of.extend(groups.get(&**id).into_iter().flatten());
            let (policies, boundary) = out.held(&of, &bound, &known);
            out.principals.insert(id.clone(), Principal { subject, kind, policies, boundary });
        }
        out
    }

    /// Policies and boundary of a principal, given itself and its groups.
    fn held(
        &mut self,
        of: &[&str],
        bound: &ByPrincipal<'f>,
        known: &BTreeSet<&str>,
    ) -> (Vec<Held>, Option<Held>) {
        let mut policies: BTreeMap<Text, Held> = BTreeMap::new();
        let mut boundary = None;
        for (i, holder) in of.iter().enumerate() {
            if i > 0 && !known.contains(holder) && !bound.contains_key(holder) {
                // The group is not in the inputs: what it gives is unknown, not nothing.
                let held = Held { id: text(holder), version: None, program: None };
                policies.insert(held.id.clone(), held);
            }
            for e in bound.get(holder).into_iter().flatten() {
                match e.binding_kind {
                    BindingKind::Ceiling if i == 0 => {
                        let mut set = self.policy(&e.role_id);
                        // Exports that name two boundaries leave open which one is set.
                        if boundary.as_ref().is_some_and(|b: &Held| b.id != set.id) {
                            set.program = None;
                        }
                        boundary = Some(set);
                    }
                    BindingKind::Active => {
                        let held = self.policy(&e.role_id);
                        // Of a permission set a part may be in no input; a session is limited by a
                        // boundary, and by policies of its account, which is not told apart here.
                        if let Some(open) = self.open_part(e) {
                            let unknown = |id: Text| Held { id, version: None, program: None };
                            policies.insert(open.clone(), unknown(open));
                        }
                        policies.insert(held.id.clone(), held);
                    }
                    _ => {}
                }
            }
        }
        (policies.into_values().collect(), boundary)
    }

    /// What is not known of a permission set bound in an account: a part that the inputs lack, or the
    /// service control policies of that account.
    fn open_part(&self, e: &crate::facts::Entitlement) -> Option<Text> {
        let role = self.roles.get(&*e.role_id)?;
        if role.kind != RoleKind::PermissionSet {
            return None;
        }
        let account = e.scope.strip_prefix("aws:").unwrap_or(&e.scope);
        let limited = self
            .organisation
            .above(GuardrailKind::Scp, account)
            .is_some_and(|levels| !levels.is_empty() && !self.organisation.is_management(account));
        let why = match (&role.malformed, limited) {
            (Some(_), _) => "a part of it that the inputs lack",
            (None, true) => "the service control policies of the account",
            (None, false) => return None,
        };
        Some(text(format!("{} ({why})", e.role_id)))
    }

    fn policy(&mut self, id: &str) -> Held {
        let role = self.roles.get(id);
        let document = role.and_then(|r| r.document.as_ref());
        Held {
            id: text(id),
            version: role.and_then(|r| r.version.clone()),
            program: document.map(|d| self.programs.of(d)),
        }
    }

    fn levels(&mut self, kind: GuardrailKind, account: &str) -> Option<Vec<HeldLevel>> {
        let above: Vec<TreeLevel<'f>> = self.organisation.above(kind, account)?;
        let mut out = Vec::with_capacity(above.len());
        for l in above {
            let policies = l.policies.iter().map(|id| self.policy(id)).collect();
            out.push(HeldLevel { node: l.node, policies, applies: l.applies });
        }
        Some(out)
    }

    /// Prepares a question: what depends on the resource alone.
    pub fn prepare(&mut self, question: &Question) -> Prepared {
        let resource = question.resource.as_str();
        let policy = if asks_trust(&question.action) && resource.contains(":role/") {
            self.trust_of(resource)
        } else {
            self.policy_of(resource)
        };
        let stated = resource.split(':').nth(4).filter(|a| !a.is_empty()).map(str::to_owned);
        let recorded = policy.account.clone();
        let account = question.resource_account.clone().or(stated).or(recorded);
        let rcps = account.as_deref().and_then(|a| self.levels(GuardrailKind::Rcp, a));
        Prepared { question: question.clone(), account, policy, rcps, scps: BTreeMap::new() }
    }

    /// The policy of the resource itself, or for an object that of its bucket.
    fn policy_of(&mut self, resource: &str) -> Policy {
        let bucket = resource
            .split_once(":s3:::")
            .and_then(|(_, tail)| tail.split_once('/'))
            .and_then(|(_, key)| resource.strip_suffix(key)?.strip_suffix('/'));
        let id = bucket.unwrap_or(resource);
        let mut rows = self.facts.resource_policies.iter().filter(|p| &*p.resource_id == id);
        let Some(row) = rows.next_back() else { return Policy::default() };
        let account = row.realm.as_deref().map(|r| r.strip_prefix("aws:").unwrap_or(r).to_owned());
        let held = row.document.as_ref().map(|d| Held {
            id: text(format!("policy of {id}")),
            version: None,
            program: Some(self.programs.of(d)),
        });
        Policy { held, supplied: true, account }
    }

    fn trust_of(&mut self, role: &str) -> Policy {
        match trust::document(self.facts, role) {
            Some(d) => Policy {
                held: Some(Held {
                    id: text(format!("trust policy of {role}")),
                    version: None,
                    program: Some(Arc::new(self.programs.compile(&d))),
                }),
                supplied: true,
                account: None,
            },
            None => Policy::default(),
        }
    }

    /// Verdict with its reasons.
    pub fn explain(&mut self, who: &Who, prepared: &mut Prepared) -> Explanation {
        self.with(who, prepared, explain)
    }

    /// Verdict alone.
    pub fn verdict(&mut self, who: &Who, prepared: &mut Prepared) -> Verdict {
        self.with(who, prepared, decide)
    }

    fn with<T>(
        &mut self,
        who: &Who,
        prepared: &mut Prepared,
        f: impl FnOnce(&Request<'_>, &Layers<'_>) -> T,
    ) -> T {
        let account = who.account().to_owned();
        if !prepared.scps.contains_key(&account) {
            let levels = self.levels(GuardrailKind::Scp, &account);
            prepared.scps.insert(account.clone(), levels);
        }
        let principal = self.principals.get(&who.arn);
        let none = Vec::new();
        let identity = attached(principal.map_or(&none, |p| &p.policies));
        let boundary = principal.and_then(|p| p.boundary.as_ref());
        let scps = prepared.scps.get(&account).and_then(Option::as_deref).map(tree);
        let rcps = prepared.rcps.as_deref().map(tree);
        let (scps, rcps) = (scps.as_deref().map(nodes), rcps.as_deref().map(nodes));
        let layers = Layers {
            identity: &identity,
            boundary: boundary.map(Held::attached),
            session: None,
            scps: scps.as_deref(),
            rcps: rcps.as_deref(),
            resource: match (&prepared.policy.held, prepared.policy.supplied) {
                (Some(h), _) => ResourcePolicy::Policy(h.attached()),
                (None, true) => ResourcePolicy::Absent,
                // What is in another account stays out of reach.
                _ if lacks_policies(&prepared.question.action) => ResourcePolicy::Absent,
                (None, false) => ResourcePolicy::NotSupplied,
            },
            endpoint: None,
        };
        let action = Action::new(&prepared.question.action);
        let keys = Keys {
            given: &prepared.question.keys,
            subject: principal.map(|p| &p.subject),
            service: (who.kind == CallerKind::Service).then_some(&*who.arn),
            resource_account: prepared.account.as_deref(),
            organisation: self.organisation.organisation_of(&account),
            organisation_path: self.organisation.path_of(&account),
            root: (who.kind == CallerKind::Root).then_some((&*who.arn, account.as_str())),
            as_of: self.as_of,
        };
        // An ARN without account names a resource of the caller's own, unless something says otherwise.
        let owner = prepared.account.as_deref().unwrap_or(&account);
        let request = Request {
            caller: Caller {
                kind: who.kind,
                arn: &who.arn,
                account: &account,
                session: who.session.as_deref(),
                unique_id: principal.and_then(|p| p.subject.unique_id.as_deref()),
                management: Tri::from_bool(self.organisation.is_management(&account)),
                bounded: boundary.is_some(),
            },
            target: Target::new(&action, &prepared.question.resource),
            action,
            resource_account: Some(owner),
            resource_management: Tri::from_bool(self.organisation.is_management(owner)),
            context: &keys,
        };
        f(&request, &layers)
    }

    /// All users and roles of the inputs, by ARN.
    pub fn everybody(&self) -> Vec<Who> {
        let who =
            |(arn, p): (&Text, &Principal)| Who { arn: arn.clone(), kind: p.kind, session: None };
        self.principals.iter().map(who).collect()
    }
}

type Tree<'a> = Vec<(&'a str, Tri, Vec<Attached<'a>>)>;

fn tree(levels: &[HeldLevel]) -> Tree<'_> {
    levels.iter().map(|l| (l.node.as_str(), l.applies, attached(&l.policies))).collect()
}

fn nodes<'a>(tree: &'a [(&'a str, Tri, Vec<Attached<'a>>)]) -> Vec<Level<'a>> {
    tree.iter().map(|(id, applies, policies)| Level { id, policies, applies: *applies }).collect()
}

/// The policy of the resource, as far as the inputs have it.
#[derive(Clone, Debug, Default)]
struct Policy {
    held: Option<Held>,
    supplied: bool,
    account: Option<String>,
}

/// A question with what depends on the resource alone.
#[derive(Clone, Debug)]
pub struct Prepared {
    question: Question,
    account: Option<String>,
    policy: Policy,
    rcps: Option<Vec<HeldLevel>>,
    scps: BTreeMap<String, Option<Vec<HeldLevel>>>,
}

impl Prepared {
    /// Account that owns the resource; `None` = nothing says so, and the caller's own is assumed.
    #[must_use]
    pub fn resource_account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// Whether the inputs hold the policy of the resource, or say that it has none.
    #[must_use]
    pub fn has_resource_policy(&self) -> bool {
        self.policy.supplied
    }
}

/// Context keys: as given, else as the inputs show (5.3.7).
struct Keys<'a> {
    given: &'a BTreeMap<String, Vec<String>>,
    subject: Option<&'a Subject>,
    service: Option<&'a str>,
    resource_account: Option<&'a str>,
    organisation: Option<&'a str>,
    organisation_path: Option<String>,
    /// ARN and account of a root user.
    root: Option<(&'a str, &'a str)>,
    as_of: Time,
}

impl Context for Keys<'_> {
    fn get(&self, key: &str) -> Known {
        self.look(key).known()
    }

    fn look<'s>(&'s self, key: &str) -> Seen<'s> {
        match self.given.get(key).map(Vec::as_slice) {
            Some([]) => return Seen::Absent,
            Some([one]) => return Seen::One(one.into()),
            Some(many) => return Seen::Many(many.into()),
            None => {}
        }
        match (key, self.service, self.subject) {
            ("aws:resourceaccount", ..) if self.resource_account.is_some() => {
                self.resource_account.map_or(Seen::Unknown, |a| Seen::One(a.into()))
            }
            ("aws:currenttime", ..) => Seen::One(self.as_of.to_rfc3339().into()),
            ("aws:epochtime", ..) => Seen::One(self.as_of.secs().to_string().into()),
            ("aws:principalisawsservice", Some(_), _) => Seen::One("true".into()),
            ("aws:principalservicename", Some(s), _) => Seen::One(s.into()),
            ("aws:principalorgid", None, _) if self.subject.is_some() || self.root.is_some() => {
                self.organisation.map_or(Seen::Unknown, |o| Seen::One(o.into()))
            }
            ("aws:principalorgpaths", None, _) if self.subject.is_some() || self.root.is_some() => {
                let path = self.organisation_path.clone();
                path.map_or(Seen::Unknown, |p| Seen::Many(vec![p].into()))
            }
            (_, None, Some(subject)) => subject.look(key),
            _ => self.root.map_or(Seen::Unknown, |root| of_root(key, root)),
        }
    }
}

/// Keys of a root user (AWS IAM User Guide, "Principal key values": its ARN and its account number).
fn of_root<'s>(key: &str, (arn, account): (&'s str, &'s str)) -> Seen<'s> {
    match key {
        "aws:principalarn" => Seen::One(arn.into()),
        "aws:principalaccount" | "aws:userid" => Seen::One(account.into()),
        "aws:principaltype" => Seen::One("Account".into()),
        "aws:principalisawsservice" => Seen::One("false".into()),
        "aws:username" => Seen::Absent,
        _ => Seen::Unknown,
    }
}

#[cfg(test)]
mod tests;
