//! Last use by action: reports of last access track the actions of some services one by one (IAM user guide,
//! "action last accessed information"). An action that a report tracks and shows no use of was not used in
//! its window, though its service was; an action that it does not track says nothing beyond its service.

use std::collections::BTreeMap;

use super::activity::{Activity, Used};
use super::judge::Held;
use super::narrower::{self, Seen};
use crate::facts::Time;
use crate::privilege::aws::action::{ActionSet, catalogue};

/// More actions than this make no useful proposal, and a row names no more.
const ACTIONS: usize = 60;

/// Last use of tracked actions, by place in the catalogue; `None` = looked and never.
pub type Actions = BTreeMap<usize, Option<Time>>;

/// Service of an action, as the catalogue writes it.
fn service_of(action: usize) -> &'static str {
    catalogue().name(action).split(':').next().unwrap_or_default()
}

/// Of some granted actions those that reports track, and the services of which they do not track all.
pub fn split(granted: &ActionSet, tracked: &ActionSet) -> (Vec<usize>, Vec<&'static str>) {
    if tracked.is_clear() {
        return (Vec::new(), Vec::new());
    }
    let mut open = granted.clone();
    open.difference_with(tracked);
    let untracked = catalogue().services_in(&open).map(|(name, _)| name).collect();
    (tracked.in_common(granted).collect(), untracked)
}

/// Last use of what a part of a policy holds of one service: by action where all of it is tracked for the
/// principal, else by service. Null: no source tells; `None` inside: looked and never.
#[expect(clippy::option_option, reason = "no answer, and the answer never, are told apart")]
pub fn last_of(held: &Held, used: &Used, service: &str) -> Option<Option<Time>> {
    let by_service = used.services.get(service).copied();
    if used.actions.is_empty() || held.untracked.contains(&service) {
        return by_service;
    }
    let of: Option<Vec<Option<Time>>> = held
        .tracked
        .iter()
        .filter(|a| service_of(**a) == service)
        .map(|a| used.actions.get(a).copied())
        .collect();
    match of {
        Some(of) if !of.is_empty() => Some(of.into_iter().flatten().max()),
        _ => by_service,
    }
}

/// What a report that tracks actions says of what a principal is granted.
#[derive(Debug, Default)]
pub struct ByAction {
    /// Granted actions that were used in the window, by name.
    pub used: Vec<&'static str>,
    /// Those that were not, though another of their service was.
    pub unused: Vec<&'static str>,
    /// The policy that is left without what was not used; none when it would be long.
    pub proposal: Option<String>,
}

/// Compares what is granted with the actions that a report tracks, in the services that were used; `None` when
/// it tracks none of them. `exempt`: actions whose use nothing shows.
pub fn by_action(
    granted: &ActionSet,
    used: &Used,
    live: &[&String],
    recent: impl Fn(Time) -> bool,
    exempt: &[&str],
) -> Option<ByAction> {
    let c = catalogue();
    let mut out = ByAction::default();
    let (mut seen, mut kept) = (Vec::new(), exempt.to_vec());
    let whole: Vec<String> = live.iter().map(|s| format!("{s}:*")).collect();
    for (service, whole) in live.iter().zip(&whole) {
        let Some(range) = c.service(service) else { continue };
        let of: Vec<usize> = range.clone().filter(|a| granted.contains(*a)).collect();
        let mut open = Vec::new();
        let before = (out.used.len(), out.unused.len());
        for action in &of {
            match used.actions.get(action) {
                Some(Some(t)) if recent(*t) => {
                    out.used.push(c.name(*action));
                    seen.push(Seen { action: *action, resource: None });
                }
                Some(_) => out.unused.push(c.name(*action)),
                None => open.push(c.name(*action)),
            }
        }
        if before == (out.used.len(), out.unused.len()) && of.len() == range.len() {
            kept.push(whole);
        } else {
            kept.extend(open);
        }
    }
    if out.used.is_empty() && out.unused.is_empty() {
        return None;
    }
    if seen.len() + kept.len() <= ACTIONS {
        out.proposal = narrower::policy(&seen, &kept);
    }
    out.unused.truncate(ACTIONS);
    Some(out)
}

impl Activity {
    /// Actions that some report of last access tracks.
    pub fn tracked(&self) -> ActionSet {
        let mut out = catalogue().none();
        out.extend(self.all().flat_map(|u| u.actions.keys().copied()));
        out
    }
}
