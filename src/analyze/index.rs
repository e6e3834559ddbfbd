//! Look-ups over base facts that several derivations share. Built once; holds references only.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::names::Names;
pub use super::names::{TaskRef, system_key};
use super::observe::{Place, UsageSource, reserved_set};
pub use super::observe::{inside, source_window};
use super::survey::Survey;
use crate::facts::identity::{Resolution, SIGN_IN, normalise};
use crate::facts::{
    Approval, Confidence, Facts, Grant, GrantEvent, Layer, Owner, Principal, PrincipalKind,
    RoleKind, Task, TaskState, Text, Tier, Time, Usage, UsageGrain,
};
use crate::privilege::glob;
use crate::settings::{DeclaredPrivilege, Environment, Settings};

/// Answers the tier of a privilege or an action from its content.
pub trait Tiers: Sync {
    /// Tier of an action such as `iam:CreateUser`.
    fn of_action(&self, platform: Option<&str>, action: &str) -> Option<Tier>;
    /// Tier of a role or policy by its identifier or its name, from its content.
    fn of_privilege(&self, platform: Option<&str>, privilege: &str) -> Option<Tier>;
}

/// Knows nothing; for runs without an IAM export.
#[derive(Clone, Copy, Debug)]
pub struct NoTiers;

impl Tiers for NoTiers {
    fn of_action(&self, _: Option<&str>, _: &str) -> Option<Tier> {
        None
    }
    fn of_privilege(&self, _: Option<&str>, _: &str) -> Option<Tier> {
        None
    }
}

/// Window of a layer: start and end, each null when unknown.
pub type Window = (Option<Time>, Option<Time>);

/// Platform and name of a privilege.
type Named<'a> = (Option<&'a str>, &'a str);

/// Tier and longest authorised duration (seconds) of a privilege.
type Weight = (Option<Tier>, Option<i64>);

/// Shared look-ups.
pub struct Index<'a> {
    /// Facts.
    pub facts: &'a Facts,
    /// Settings.
    pub settings: &'a Settings,
    /// Identity resolution.
    pub resolution: &'a Resolution,
    /// As-of time.
    pub as_of: Time,
    /// Tiers from content.
    pub tiers: &'a dyn Tiers,
    /// What the whole of the inputs shows, when the facts are a part of them.
    pub survey: Option<&'a Survey>,
    principals: HashMap<&'a str, &'a Principal>,
    tasks: Names<'a>,
    task_names: Names<'a>,
    /// Task systems, in the form that [`system_key`] gives.
    task_systems: BTreeSet<String>,
    tasks_by_principal: HashMap<&'a str, Vec<&'a Task>>,
    approvals_by_id: HashMap<&'a str, Vec<&'a Approval>>,
    approvals_by_grant: HashMap<&'a str, Vec<&'a Approval>>,
    usage_by_grant: HashMap<&'a str, Vec<&'a Usage>>,
    usage_by_principal: HashMap<&'a str, Vec<&'a Usage>>,
    events_by_grant: HashMap<&'a str, Vec<&'a GrantEvent>>,
    /// Ids of grants.
    grant_ids: HashSet<&'a str>,
    /// Grant ids that more than one ledger uses.
    shared_ids: BTreeSet<&'a str>,
    /// Names of people, as sessions carry them, to their canonical ids; none where two have the name.
    people: HashMap<Text, Option<&'a Text>>,
    /// Names of permission sets by their ids.
    permission_sets: HashMap<&'a str, &'a str>,
    owners: HashMap<&'a str, &'a Owner>,
    windows: BTreeMap<Layer, Vec<Window>>,
    ledger_windows: Vec<Window>,
    usage_sources: Vec<UsageSource<'a>>,
    privilege_cache: HashMap<Named<'a>, Weight>,
    scope_environments: HashMap<&'a str, Option<usize>>,
    principal_environments: HashMap<&'a str, Option<usize>>,
}

impl std::fmt::Debug for Index<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("as_of", &self.as_of).finish_non_exhaustive()
    }
}

impl<'a> Index<'a> {
    /// Builds the look-ups.
    #[must_use]
    pub fn new(
        facts: &'a Facts,
        settings: &'a Settings,
        resolution: &'a Resolution,
        as_of: Time,
        tiers: &'a dyn Tiers,
    ) -> Self {
        Self::surveyed((facts, None), settings, resolution, as_of, tiers)
    }

    /// Builds the look-ups over a part of the inputs, with what the whole of them shows.
    #[must_use]
    pub fn surveyed(
        (facts, survey): (&'a Facts, Option<&'a Survey>),
        settings: &'a Settings,
        resolution: &'a Resolution,
        as_of: Time,
        tiers: &'a dyn Tiers,
    ) -> Self {
        let mut index = Self {
            survey,
            facts,
            settings,
            resolution,
            as_of,
            tiers,
            principals: facts.principals.iter().map(|p| (&*p.principal_id, p)).collect(),
            tasks: Names::default(),
            task_names: Names::default(),
            task_systems: BTreeSet::new(),
            tasks_by_principal: HashMap::new(),
            approvals_by_id: HashMap::new(),
            approvals_by_grant: HashMap::new(),
            usage_by_grant: HashMap::new(),
            usage_by_principal: HashMap::new(),
            events_by_grant: HashMap::new(),
            grant_ids: HashSet::new(),
            shared_ids: BTreeSet::new(),
            people: HashMap::new(),
            permission_sets: HashMap::new(),
            owners: HashMap::new(),
            windows: BTreeMap::new(),
            ledger_windows: Vec::new(),
            usage_sources: Vec::new(),
            privilege_cache: HashMap::new(),
            scope_environments: HashMap::new(),
            principal_environments: HashMap::new(),
        };
        index.fill_work();
        index.fill_evidence();
        index.fill_people();
        index.fill_windows();
        index.fill_caches();
        index
    }

    fn fill_work(&mut self) {
        let mut systems: HashMap<&str, &str> = HashMap::new();
        for g in &self.facts.grants {
            self.grant_ids.insert(&g.grant_id);
            if **systems.entry(&g.grant_id).or_insert(&g.system) != *g.system {
                self.shared_ids.insert(&g.grant_id);
            }
        }
        let mut last_system: Option<&Text> = None;
        for task in &self.facts.tasks {
            self.tasks.add(&task.task_id, task);
            // Kept apart, so that another task's alias never hides a task's own id.
            for other in &task.other_ids {
                self.task_names.add(other, task);
            }
            if last_system != Some(&task.system) {
                self.task_systems.insert(system_key(&task.system));
                last_system = Some(&task.system);
            }
            if let (Some(p), Some(_)) = (&task.principal_id, task.started_at_lo) {
                self.tasks_by_principal.entry(p).or_default().push(task);
            }
        }
        self.tasks_by_principal
            .values_mut()
            .for_each(|list| list.sort_by_key(|t| (t.started_at_lo, &t.task_id)));
        for a in &self.facts.approvals {
            if !a.approval_id.is_empty() {
                self.approvals_by_id.entry(&a.approval_id).or_default().push(a);
            }
            if let Some(g) = &a.grant_id {
                self.approvals_by_grant.entry(g).or_default().push(a);
            }
        }
        // What happened after the as-of time was not known then.
        for e in self.facts.grant_events.iter().filter(|e| e.occurred_at <= self.as_of) {
            if let Some(g) = &e.grant_id {
                self.events_by_grant.entry(g).or_default().push(e);
            }
        }
    }

    fn fill_evidence(&mut self) {
        for u in self.facts.usage.iter().filter(|u| u.first_at.is_none_or(|t| t <= self.as_of)) {
            if let Some(g) = &u.grant_id {
                self.usage_by_grant.entry(g).or_default().push(u);
            }
            if let Some(p) = &u.principal_id {
                self.usage_by_principal.entry(p).or_default().push(u);
            }
        }
        for o in &self.facts.owners {
            let Some(p) = &o.principal_id else { continue };
            let current = o.valid_to.is_none_or(|t| t > self.as_of)
                && o.valid_from.is_none_or(|t| t <= self.as_of);
            // Whoever owned it before, or will, does not own it now.
            let later = |have: &&Owner| have.valid_from > o.valid_from;
            if current && !self.owners.get(&**p).is_some_and(later) {
                self.owners.insert(p, o);
            }
        }
    }

    /// Names under which sessions of IAM Identity Center show a person: aliases, addresses, and what
    /// ledgers call a beneficiary.
    fn fill_people(&mut self) {
        let facts = self.facts;
        let mut note = |name: &str, id: &'a Text| {
            let slot = self.people.entry(normalise(name)).or_insert(Some(id));
            *slot = slot.filter(|have| *have == id);
        };
        for g in &facts.grants {
            if let Some(id) = &g.beneficiary_id {
                note(&g.beneficiary, id);
            }
        }
        for p in &facts.principals {
            if let Some(email) = &p.email {
                note(email, &p.principal_id);
            }
        }
        for a in facts.aliases.iter().filter(|a| a.confidence != Confidence::Weak) {
            note(&a.alias, &a.principal_id);
        }
        // Names for sign-in join nothing but these sessions. Whoever the ledger names by an address goes by
        // the id of that address.
        for a in facts.aliases.iter().filter(|a| &*a.alias_type == SIGN_IN) {
            let known = self.people.get(&normalise(&a.principal_id)).copied().flatten();
            let id = known.unwrap_or(&a.principal_id);
            let slot = self.people.entry(normalise(&a.alias)).or_insert(Some(id));
            *slot = slot.filter(|have| *have == id);
        }
        for r in facts.roles.iter().filter(|r| r.kind == RoleKind::PermissionSet) {
            self.permission_sets.insert(&r.role_id, &r.name);
            if let Some((_, last)) = r.role_id.rsplit_once('/') {
                self.permission_sets.insert(last, &r.name);
            }
        }
    }

    /// Who acted in a use, and with which privilege, as far as the log says. A session of a role that
    /// Identity Center made for a permission set (`AWSReservedSSO_<set>_<16 hex>`) is named after its user:
    /// grants of the set are made to that person (grants model, rule A5).
    #[must_use]
    pub fn actor(&self, u: &'a Usage) -> Option<(&'a str, Option<&'a str>)> {
        let own = u.principal_id.as_deref()?;
        if let (Some(set), Some(person)) = (reserved_set(own), u.on_behalf_of.as_deref())
            && let Some(Some(id)) = self.people.get(&normalise(person))
        {
            return Some((&***id, Some(set)));
        }
        Some((own, u.privilege.as_deref()))
    }

    /// One name for a privilege: that of a permission set for its id.
    #[must_use]
    pub fn privilege_name<'p>(&self, privilege: &'p str) -> &'p str
    where
        'a: 'p,
    {
        match self.permission_sets.get(privilege) {
            Some(name) => name,
            None => privilege,
        }
    }

    /// Whether a grant of this id is among the inputs.
    #[must_use]
    pub fn has_grant(&self, id: &str) -> bool {
        self.grant_ids.contains(id)
    }

    fn fill_windows(&mut self) {
        // A source covers the use of grants only if it lists uses, not last-used times.
        let mut grains: HashMap<&str, BTreeSet<Option<&'a str>>> = HashMap::new();
        for u in &self.facts.usage {
            if matches!(u.grain, UsageGrain::Event | UsageGrain::Action) {
                grains.entry(&u.source_id).or_default().insert(u.platform.as_deref());
            }
        }
        for (source, platforms) in self.survey.iter().flat_map(|s| &s.grains) {
            let own = grains.entry(source).or_default();
            own.extend(platforms.iter().map(Option::as_deref));
        }
        for s in &self.facts.sources {
            let window = source_window(s);
            self.windows.entry(s.layer).or_default().push((s.window_start, s.window_end));
            if s.layer == Layer::Ledger {
                self.ledger_windows.push(window);
            }
            // A ledger that shows some uses by the way does not say that it shows all of them.
            let claimed = s.window_start.is_some() && s.window_end.is_some();
            let lists = match s.layer {
                Layer::Context => false,
                Layer::Ledger => claimed,
                _ => true,
            };
            if let Some(platforms) = grains.get(&*s.source_id).filter(|_| lists) {
                let named: BTreeSet<&str> = platforms.iter().flatten().copied().collect();
                let all = platforms.contains(&None);
                self.usage_sources.push(UsageSource {
                    window,
                    platforms: (!all).then_some(named),
                    realm: s.realm.as_deref(),
                });
            }
        }
    }

    fn fill_caches(&mut self) {
        for g in &self.facts.grants {
            let key = (g.platform.as_deref(), &*g.privilege);
            if !self.privilege_cache.contains_key(&key) {
                let value = self.judge_privilege(key.0, key.1);
                self.privilege_cache.insert(key, value);
            }
        }
        let scopes = self.facts.grants.iter().filter_map(|g| g.scope.as_deref());
        let used = self.facts.usage.iter().filter_map(|u| u.scope.as_deref());
        for s in scopes.chain(used) {
            let hit = find_environment(self.settings, |e| &e.scopes, s);
            self.scope_environments.entry(s).or_insert(hit);
        }
        for p in &self.facts.principals {
            let hit = find_environment(self.settings, |e| &e.principals, &p.principal_id);
            self.principal_environments.insert(&p.principal_id, hit);
        }
    }

    fn judge_privilege(&self, platform: Option<&str>, name: &str) -> (Option<Tier>, Option<i64>) {
        let declared = self.declared(platform, name);
        // A definition in an export wins over the user's word.
        let tier =
            self.tiers.of_privilege(platform, name).or_else(|| declared.and_then(|d| d.tier));
        let limit = declared.and_then(|d| d.max_duration_s).or_else(|| match tier {
            Some(t) => self.settings.max_duration_s.get(&t).copied(),
            None => self.settings.max_duration_unknown_s,
        });
        (tier, limit)
    }

    fn declared(&self, platform: Option<&str>, name: &str) -> Option<&'a DeclaredPrivilege> {
        self.settings.privileges.iter().find(|d| {
            glob::matches(&d.pattern, name)
                && (d.platform.is_none() || d.platform.as_deref() == platform)
        })
    }

    /// Tier and longest authorised duration (seconds) of a privilege.
    #[must_use]
    pub fn privilege(&self, platform: Option<&str>, name: &str) -> (Option<Tier>, Option<i64>) {
        match self.privilege_cache.get(&(platform, name)) {
            Some(hit) => *hit,
            None => self.judge_privilege(platform, name),
        }
    }

    /// Principal row.
    #[must_use]
    pub fn principal(&self, id: &str) -> Option<&'a Principal> {
        self.principals.get(id).copied()
    }

    /// Kind of a principal.
    #[must_use]
    pub fn kind(&self, id: &str) -> PrincipalKind {
        self.principal(id).map_or(PrincipalKind::Unknown, |p| p.kind)
    }

    /// Task by id or other id, when only one can be meant.
    #[must_use]
    pub fn task(&self, id: &str) -> Option<&'a Task> {
        match self.resolve_task(id, None) {
            TaskRef::These(tasks) => tasks.first().copied(),
            _ => None,
        }
    }

    /// Tasks that a reference means. A system narrows it to tasks of that system, where the inputs have
    /// tasks of it; `system:id` does the same. Attempts of one run are one work.
    #[must_use]
    pub fn resolve_task(&self, id: &str, system: Option<&str>) -> TaskRef<'a> {
        let mut found = self.tasks.get(id);
        if found.is_empty() {
            found = self.task_names.get(id);
        }
        if found.is_empty() {
            return match id.split_once(':') {
                Some((system, rest)) if self.task_systems.contains(&system_key(system)) => {
                    self.resolve_task(rest, Some(system))
                }
                _ => TaskRef::Nothing,
            };
        }
        if let Some(key) = system.map(system_key)
            && self.task_systems.contains(&key)
        {
            found.retain(|t| system_key(&t.system) == key);
        }
        let run =
            |t: &Task| t.task_id.split_once('#').map_or(&*t.task_id, |(run, _)| run).to_owned();
        match found.as_slice() {
            [] => TaskRef::Nothing,
            [_] => TaskRef::These(found),
            [first, rest @ ..]
                if rest.iter().all(|t| {
                    t.system == first.system && t.kind == first.kind && run(t) == run(first)
                }) =>
            {
                TaskRef::These(found)
            }
            _ => TaskRef::Ambiguous(found),
        }
    }

    /// Tasks that a principal ran at some time in `[from, until)`, at most so many; by their start.
    pub fn tasks_of_principal(
        &self,
        id: &str,
        from: Time,
        until: Time,
    ) -> impl Iterator<Item = &'a Task> + '_ {
        let list = self.tasks_by_principal.get(id).map_or(&[][..], Vec::as_slice);
        let upto = list.partition_point(|t| t.started_at_lo < Some(until));
        let near = list.iter().take(upto).rev().take(MAX_OVERLAPS).copied();
        near.filter(move |t| {
            let ended = t.ended_at_hi.or(t.ended_at_lo);
            // One that has neither an end nor a state may have ended long before.
            ended.map_or(t.state == TaskState::Running, |e| e > from)
        })
    }

    /// Approvals with this id.
    #[must_use]
    pub fn approvals_by_id(&self, id: &str) -> &[&'a Approval] {
        self.approvals_by_id.get(id).map_or(&[], Vec::as_slice)
    }

    /// Whether more than one ledger uses this grant id, so that the id alone names no grant.
    #[must_use]
    pub fn is_shared(&self, grant_id: &str) -> bool {
        self.shared_ids.contains(grant_id)
    }

    /// Whether a record that names a grant by its id means this one: where several ledgers use the id,
    /// it must come from the same file or name the same principal.
    fn means(&self, g: &Grant, source_id: &str, principal: Option<&Text>) -> bool {
        !self.is_shared(&g.grant_id)
            || *source_id == *g.source_id
            || principal.is_some() && principal == g.beneficiary_id.as_ref()
    }

    /// Approvals that name this grant.
    #[must_use]
    pub fn approvals_of_grant(&self, g: &Grant) -> Vec<&'a Approval> {
        let all = self.approvals_by_grant.get(&*g.grant_id).map_or(&[][..], Vec::as_slice);
        all.iter().copied().filter(|a| self.means(g, &a.source_id, None)).collect()
    }

    /// Usage rows that name this grant.
    #[must_use]
    pub fn usage_of_grant(&self, g: &Grant) -> Vec<&'a Usage> {
        let all = self.usage_by_grant.get(&*g.grant_id).map_or(&[][..], Vec::as_slice);
        let own = |u: &&Usage| self.means(g, &u.source_id, u.principal_id.as_ref());
        all.iter().copied().filter(own).collect()
    }

    /// Usage rows of a principal.
    #[must_use]
    pub fn usage_of_principal(&self, id: &str) -> &[&'a Usage] {
        self.usage_by_principal.get(id).map_or(&[], Vec::as_slice)
    }

    /// Events of a grant.
    #[must_use]
    pub fn events_of_grant(&self, g: &Grant) -> Vec<&'a GrantEvent> {
        let all = self.events_by_grant.get(&*g.grant_id).map_or(&[][..], Vec::as_slice);
        all.iter().copied().filter(|e| self.means(g, &e.source_id, None)).collect()
    }

    /// Current owner record of a principal.
    #[must_use]
    pub fn owner(&self, id: &str) -> Option<&'a Owner> {
        self.owners.get(id).copied()
    }

    /// Name of the current owner.
    #[must_use]
    pub fn owner_name(&self, id: &str) -> Option<Text> {
        self.owner(id).and_then(|o| o.owner.clone().or_else(|| o.team.clone()))
    }

    /// Environment of a scope, else of a principal (settings first, then the inventory's tag).
    #[must_use]
    pub fn environment(&self, scope: Option<&str>, principal: &str) -> Option<Text> {
        if let Some(e) = self.declared_environment(scope, principal) {
            return Some(crate::facts::text(&e.name));
        }
        self.principal(principal).and_then(|p| p.environment.clone())
    }

    /// Environment entry of the settings for a scope, else for a principal.
    #[must_use]
    pub fn declared_environment(
        &self,
        scope: Option<&str>,
        principal: &str,
    ) -> Option<&'a Environment> {
        let by_scope = scope.and_then(|s| match self.scope_environments.get(s) {
            Some(hit) => *hit,
            None => find_environment(self.settings, |e| &e.scopes, s),
        });
        let by_principal = || match self.principal_environments.get(principal) {
            Some(hit) => *hit,
            None => find_environment(self.settings, |e| &e.principals, principal),
        };
        by_scope.or_else(by_principal).and_then(|i| self.settings.environments.get(i))
    }

    /// Whether any source feeds the layer.
    #[must_use]
    pub fn has_layer(&self, layer: Layer) -> bool {
        self.windows.contains_key(&layer)
    }

    /// Whether a source of the layer covers the instant: `None` when sources exist and none states a
    /// window, so that absence is judged "in the given sources".
    #[must_use]
    pub fn covers(&self, layer: Layer, t: Time) -> Option<bool> {
        let windows = self.windows.get(&layer)?;
        let stated: Vec<&Window> =
            windows.iter().filter(|(a, b)| a.is_some() || b.is_some()).collect();
        (!stated.is_empty()).then(|| stated.iter().any(|w| inside(**w, t)))
    }

    /// Whether a ledger covers the instant, by stated window or by the span of its records.
    #[must_use]
    pub fn ledger_covers(&self, t: Time) -> bool {
        self.ledger_windows.iter().any(|w| inside(*w, t))
    }

    /// Whether use of what is given at a place during `[from, until]` would have been seen. `Err` is the
    /// reason code.
    ///
    /// # Errors
    /// `no_source` when no usage source lists uses on the platform and in the account or project,
    /// `out_of_window` when none covers the whole span.
    pub fn use_observable(
        &self,
        place: Place<'_>,
        from: Time,
        until: Time,
    ) -> Result<(), &'static str> {
        let mut seen = false;
        for s in &self.usage_sources {
            if s.shows(place) {
                seen = true;
                if inside(s.window, from) && inside(s.window, until) {
                    return Ok(());
                }
            }
        }
        Err(if seen { "out_of_window" } else { "no_source" })
    }

    /// Person behind a principal.
    #[must_use]
    pub fn person(&'a self, id: &'a str) -> &'a str {
        self.resolution.person(id)
    }
}

/// Tasks of one principal looked through for one grant.
const MAX_OVERLAPS: usize = 256;

fn find_environment(
    settings: &Settings,
    patterns: impl Fn(&Environment) -> &Vec<String>,
    name: &str,
) -> Option<usize> {
    settings.environments.iter().position(|e| patterns(e).iter().any(|p| glob::matches(p, name)))
}
