//! What usage sources say of a principal: identity, credential and service granularity.

use std::collections::BTreeMap;

use super::profiles::LAST_ACCESSED;
use super::tracked::Actions;
use crate::facts::{Facts, Outcome, Text, Time, UsageGrain};
use crate::privilege::aws::action::catalogue;
use crate::settings::Settings;

/// Format of the sources that tell unused credentials and services, and no others.
const ANALYZER: &str = "aws-access-analyzer";

/// Use by one principal.
#[derive(Clone, Debug, Default)]
pub struct Used {
    /// Last activity of any kind and where it was seen.
    pub last: Option<(Time, Text)>,
    /// Some input tracks activity of this principal.
    pub tracked: bool,
    /// The identity record itself: looked at, and the last use it shows.
    pub identity: Option<Option<Time>>,
    /// Start of the window in which a source that looks back for a time only saw no activity.
    pub window: Option<Time>,
    /// Service -> last use; `None` = looked and never.
    pub services: BTreeMap<String, Option<Time>>,
    /// Last use of the actions that a report of last access tracks one by one.
    pub actions: Actions,
    /// The services are a full account (a service-level source), not only what a log happened to show.
    pub by_service: bool,
    /// Start of the window in which the service source looked.
    pub since: Option<Time>,
    /// End of that window: of later use the source knows nothing. Null when it does not say.
    pub until: Option<Time>,
    /// End of the last window of the sources that track this principal; null when one of them is open.
    pub looked_until: Option<Option<Time>>,
    /// A credential that was never used took the place of another by then, whose use nobody kept.
    pub replaced_at: Option<Time>,
    /// Some input tells the use of one credential or service, and of no other.
    pub in_part: bool,
}

impl Used {
    /// Notes that a source tracks the principal, up to an instant if it says which.
    fn track(&mut self, until: Option<Time>) {
        self.tracked = true;
        self.looked_until = Some(match self.looked_until {
            None => until,
            Some(have) => have.zip(until).map(|(a, b)| a.max(b)),
        });
    }
}

/// Use by all principals.
#[derive(Debug)]
pub struct Activity {
    used: BTreeMap<Text, Used>,
    nobody: Used,
    /// Window after which something counts as idle, days.
    pub idle_days: i64,
    /// As-of time.
    pub as_of: Time,
}

impl Activity {
    /// Gathers usage and credential rows.
    pub fn new(facts: &Facts, settings: &Settings, as_of: Time) -> Self {
        let sources: BTreeMap<&str, _> = facts.sources.iter().map(|s| (&*s.source_id, s)).collect();
        let format = |id: &Text, grain: UsageGrain| {
            sources
                .get(&**id)
                .map_or_else(|| crate::facts::text(grain.as_str()), |s| s.format.clone())
        };
        let end = |id: &Text| sources.get(&**id).and_then(|s| s.window_end);
        let analyzer = |id: &Text| sources.get(&**id).is_some_and(|s| &*s.format == ANALYZER);
        let of_report = |id: &Text| sources.get(&**id).is_some_and(|s| &*s.format == LAST_ACCESSED);
        let mut used: BTreeMap<Text, Used> = BTreeMap::new();
        for u in &facts.usage {
            let Some(id) = &u.principal_id else { continue };
            if u.outcome != Outcome::Allowed {
                continue;
            }
            let entry = used.entry(id.clone()).or_default();
            let last = u.last_at.or(u.first_at).filter(|t| *t <= as_of);
            if let Some(t) = last {
                see(entry, t, format(&u.source_id, u.grain));
            }
            match u.grain {
                UsageGrain::Identity => {
                    entry.track(end(&u.source_id));
                    let have = entry.identity.flatten();
                    entry.identity = Some(have.max(last));
                    if u.count == Some(0) {
                        let start = sources.get(&*u.source_id).and_then(|s| s.window_start);
                        entry.window = match (entry.window, start) {
                            (Some(a), Some(b)) => Some(a.min(b)),
                            (a, b) => a.or(b),
                        };
                    }
                }
                // A list of unused credentials or services does not name the used ones.
                UsageGrain::Credential | UsageGrain::Service if analyzer(&u.source_id) => {
                    entry.in_part = true;
                }
                UsageGrain::Credential => entry.track(end(&u.source_id)),
                UsageGrain::Service => {
                    let until = end(&u.source_id);
                    entry.track(until);
                    entry.by_service = true;
                    // Of several reports the window of the latest counts.
                    let start = sources.get(&*u.source_id).and_then(|s| s.window_start);
                    entry.since = entry.since.max(start);
                    entry.until = entry.until.max(until);
                }
                UsageGrain::Action if of_report(&u.source_id) => {
                    if let Some(id) = u.action.as_deref().and_then(|a| catalogue().id(a)) {
                        let slot = entry.actions.entry(id).or_default();
                        *slot = (*slot).max(last);
                    }
                }
                UsageGrain::Event | UsageGrain::Action => {}
            }
            let service = u.action.as_deref().and_then(|a| a.split_once(':'));
            if let Some((service, _)) = service {
                let slot = entry.services.entry(service.to_ascii_lowercase()).or_default();
                *slot = (*slot).max(last);
            }
        }
        seen_in_logs(facts, as_of, &mut used);
        for c in &facts.credentials {
            let Some(id) = &c.principal_id else { continue };
            let entry = used.entry(id.clone()).or_default();
            if c.use_tracked && c.active.is_some() {
                entry.track(end(&c.source_id));
                if c.last_used_at.is_none() {
                    // AWS judges a credential without use from its last rotation (5.6, "unused").
                    let placed = c.rotated_at.or(c.issued_at).filter(|t| *t <= as_of);
                    entry.replaced_at = entry.replaced_at.max(placed);
                }
            }
            if let Some(t) = c.last_used_at.filter(|t| *t <= as_of) {
                see(entry, t, format(&c.source_id, UsageGrain::Credential));
            }
        }
        Self { used, nobody: Used::default(), idle_days: settings.limits.whole("idle_days"), as_of }
    }

    /// Use by each principal.
    pub(super) fn all(&self) -> impl Iterator<Item = &Used> {
        self.used.values()
    }

    /// Use by one principal.
    pub fn of(&self, id: &str) -> &Used {
        self.used.get(id).unwrap_or(&self.nobody)
    }

    /// Whether somebody looked until so long ago that use within the observation window would not show.
    pub fn too_old(&self, until: Option<Time>) -> bool {
        until.is_some_and(|t| self.as_of.days_since(t) > self.idle_days)
    }

    /// Whether an instant lies in the observation window.
    pub fn recent(&self, t: Time) -> bool {
        self.as_of.days_since(t) <= self.idle_days
    }
}

/// Adds what logs of events show of actions that a report tracks: they may be newer than it.
fn seen_in_logs(facts: &Facts, as_of: Time, used: &mut BTreeMap<Text, Used>) {
    if used.values().all(|u| u.actions.is_empty()) {
        return;
    }
    for u in facts.usage.iter().filter(|u| u.grain == UsageGrain::Event) {
        let entry = u.principal_id.as_ref().and_then(|id| used.get_mut(id));
        let Some(entry) = entry.filter(|e| !e.actions.is_empty()) else { continue };
        let last = u.last_at.or(u.first_at).filter(|t| *t <= as_of);
        if u.outcome == Outcome::Allowed
            && let Some(id) = u.action.as_deref().and_then(|a| catalogue().id(a))
            && let Some(slot) = entry.actions.get_mut(&id)
        {
            *slot = (*slot).max(last);
        }
    }
}

fn see(entry: &mut Used, t: Time, source: Text) {
    if entry.last.as_ref().is_none_or(|(have, s)| (t, &source) > (*have, s)) {
        entry.last = Some((t, source));
    }
}
