//! How wide what is granted reaches, against where it is used: the resources and environments of use and
//! of tasks, and the environments that share the account (compliance, SCP-002).

use std::collections::{BTreeMap, BTreeSet};

use super::spans::{Places, declared};
use crate::facts::{Facts, Text, Usage, UseProfile, text};
use crate::privilege::aws::action::{ActionSet, catalogue};
use crate::privilege::glob;
use crate::settings::Settings;

/// Resources that a row names.
const RESOURCES: usize = 12;

/// Where things lie, for all rows of a run.
pub struct Breadth<'a> {
    settings: &'a Settings,
    places: Places<'a>,
    /// At least two environments are declared.
    enough: bool,
    /// Environments with a labelled resource, by account.
    labelled: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// Environments of tasks, by principal; null = some task cannot be placed.
    tasks: BTreeMap<&'a str, Option<BTreeSet<Text>>>,
    reached: BTreeMap<String, BTreeSet<Text>>,
}

impl<'a> Breadth<'a> {
    /// Reads what the inputs and settings declare.
    pub fn new(facts: &'a Facts, settings: &'a Settings) -> Self {
        let declared = declared(facts, settings);
        let mut labelled: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for r in &facts.resources {
            if let (Some(account), Some(e)) = (account_of(&r.resource_id), r.environment.as_deref())
            {
                labelled.entry(account).or_default().insert(e);
            }
        }
        let mut tasks: BTreeMap<&str, Option<BTreeSet<Text>>> = BTreeMap::new();
        for t in &facts.tasks {
            let Some(id) = &t.principal_id else { continue };
            let all = tasks.entry(id).or_insert_with(|| Some(BTreeSet::new()));
            let place = t
                .target
                .as_deref()
                .and_then(|target| declared.iter().find(|d| d.eq_ignore_ascii_case(target)));
            match (place, all.as_mut()) {
                (Some(name), Some(set)) => {
                    set.insert(text(name));
                }
                // One task that may have run anywhere leaves open where they all ran.
                (None, _) => *all = None,
                (_, None) => {}
            }
        }
        Self {
            settings,
            places: Places::new(facts, settings),
            enough: declared.len() > 1,
            labelled,
            tasks,
            reached: BTreeMap::new(),
        }
    }

    /// Fills the columns of one row. `wide` are the actions granted on whole types; `used` are the rows of the log about granted actions; `None` when no
    /// log of events covers the principal.
    pub fn fill(&mut self, row: &mut UseProfile, mut wide: ActionSet, used: Option<&[&Usage]>) {
        wide.difference_with(catalogue().wildcard_only());
        row.n_account_wide = i64::try_from(wide.count_ones(..)).ok();
        if let Some(used) = used {
            self.resources(row, used);
        }
        if !self.enough {
            return;
        }
        if let Some(Some(of_tasks)) = self.tasks.get(&*row.principal_id) {
            row.task_environments = of_tasks.iter().cloned().collect();
            row.n_task_environments = i64::try_from(of_tasks.len()).ok();
        }
        let account = row.principal_id.split(':').nth(4).unwrap_or_default().to_owned();
        let reached = self.reach(account);
        row.reach_environments = reached.iter().cloned().collect();
        row.n_reach_environments = i64::try_from(reached.len()).ok();
    }

    fn resources(&mut self, row: &mut UseProfile, used: &[&Usage]) {
        let c = catalogue();
        let (mut resources, mut environments) = (BTreeSet::new(), BTreeSet::new());
        let (mut named, mut placed) = (true, true);
        for u in used {
            let id = u.action.as_deref().and_then(|a| c.id(a));
            // What takes no resource could not have been limited to one.
            if id.is_none_or(|id| c.wildcard_only().contains(id)) {
                continue;
            }
            let Some(resource) = u.resource.as_ref().filter(|r| !r.contains('*')) else {
                (named, placed) = (false, false);
                continue;
            };
            resources.insert(resource);
            match self.places.of(resource) {
                Some(e) => {
                    environments.insert(e);
                }
                None => placed = false,
            }
        }
        row.used_resources = resources.iter().take(RESOURCES).copied().cloned().collect();
        row.n_used_resources = i64::try_from(resources.len()).ok().filter(|_| named);
        row.used_environments = environments.iter().cloned().collect();
        row.n_used_environments =
            i64::try_from(environments.len()).ok().filter(|_| placed && self.enough);
    }

    /// Environments with a place in an account: by a pattern of the settings, or by a labelled resource.
    fn reach(&mut self, account: String) -> &BTreeSet<Text> {
        let (settings, labelled) = (self.settings, &self.labelled);
        self.reached.entry(account).or_insert_with_key(|account| {
            let realm = format!("aws:{account}");
            let inside = |p: &String| {
                // The account as a whole, a part of it, or a resource that names it.
                glob::matches(p, &realm)
                    || p.strip_prefix(&realm).is_some_and(|rest| rest.starts_with('/'))
                    || account_of(p) == Some(account)
            };
            let declared = settings.environments.iter().filter(|e| e.scopes.iter().any(inside));
            let mut out: BTreeSet<Text> = declared.map(|e| text(&e.name)).collect();
            out.extend(labelled.get(account.as_str()).into_iter().flatten().map(text));
            out
        })
    }
}

/// Account in the ARN of a resource, or of a pattern of resources.
fn account_of(arn: &str) -> Option<&str> {
    let account = arn.strip_prefix("arn:")?.split(':').nth(3)?;
    (!account.is_empty() && !account.contains(['*', '?'])).then_some(account)
}
