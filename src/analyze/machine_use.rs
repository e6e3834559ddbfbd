//! Signs that a person sat behind a machine identity.
//!
//! Source of the rule: compliance specification, section 5, USE-004. A browser or a console is a
//! sign; an address that a person used on the same day is a hint only, since people and machines
//! leave by the same gateways. Working hours are not judged: schedules follow them too.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::index::Index;
use crate::facts::store::evidence_ref;
use crate::facts::{MachineUse, Outcome, PrincipalKind, Text, Time, Usage, text};

/// Evidence references of one identity.
const MAX_REFS: usize = 12;
/// Clients named for one identity.
const MAX_AGENTS: usize = 4;
/// Addresses named for one identity.
const MAX_ADDRESSES: usize = 8;
/// An address that more people or more machines than this use on one day is a gateway.
const MAX_SHARERS: usize = 3;
const DAY_S: i64 = 86_400;

/// Fragments of clients that a person drives, lower case.
const BROWSERS: [&str; 1] = ["mozilla/"];
/// Fragments of the consoles of providers, lower case.
const CONSOLES: [&str; 6] = [
    "signin.amazonaws.com",
    "console.amazonaws.com",
    "s3console/",
    "aws-console",
    "cloudshell",
    "azureportal",
];
/// Browsers that programs drive, and programs that pose as browsers, lower case.
const DRIVEN: [&str; 6] =
    ["headless", "playwright", "puppeteer", "selenium", "compatible;", "electron"];

/// Who used an address on one day.
#[derive(Default)]
struct Sharers<'a> {
    people: BTreeSet<&'a str>,
    machines: BTreeSet<&'a str>,
}

type Addresses<'a> = HashMap<(&'a str, i64), Sharers<'a>>;

/// One row per machine identity with recorded use, sorted by identity.
#[must_use]
pub fn machine_uses(ix: &Index<'_>) -> Vec<MachineUse> {
    let mut addresses: Addresses<'_> = HashMap::new();
    let mut machines: BTreeMap<&str, Vec<&Usage>> = BTreeMap::new();
    for u in ix.facts.usage.iter().filter(|u| is_use(u, ix.as_of)) {
        let Some(who) = u.principal_id.as_deref() else { continue };
        let machine = is_machine(ix.kind(who));
        if machine {
            machines.entry(who).or_default().push(u);
        }
        let Some(ip) = address(u) else { continue };
        if machine || ix.kind(who) == PrincipalKind::Human {
            for day in days(u, ix.as_of) {
                let sharers = addresses.entry((ip, day)).or_default();
                let side = if machine { &mut sharers.machines } else { &mut sharers.people };
                // One more than the limit is all that has to be known.
                if side.len() <= MAX_SHARERS {
                    side.insert(who);
                }
            }
        }
    }
    machines.into_iter().map(|(who, uses)| row(ix, who, uses, &addresses)).collect()
}

/// A use that had happened by the as-of time.
fn is_use(u: &Usage, as_of: Time) -> bool {
    u.outcome != Outcome::Denied
        && u.count != Some(0)
        && u.first_at.is_some_and(|first| first <= as_of)
}

/// Last use of a record up to the as-of time.
fn last(u: &Usage, as_of: Time) -> Option<Time> {
    u.last_at.filter(|t| *t <= as_of).or(u.first_at)
}

/// Whether no person is behind it by its kind.
#[must_use]
pub fn is_machine(kind: PrincipalKind) -> bool {
    matches!(
        kind,
        PrincipalKind::ServiceAccount
            | PrincipalKind::Workload
            | PrincipalKind::Agent
            | PrincipalKind::Bot
            | PrincipalKind::App
    )
}

/// Address of the caller; a name of the provider's own service is none.
fn address(u: &Usage) -> Option<&str> {
    u.source_ip.as_deref().filter(|ip| ip.parse::<std::net::IpAddr>().is_ok())
}

/// First and last day of a record, which may sum up several.
fn days(u: &Usage, as_of: Time) -> BTreeSet<i64> {
    let day = |t: Time| t.secs_since(Time::from_secs(0)).div_euclid(DAY_S);
    [u.first_at, last(u, as_of)].into_iter().flatten().map(day).collect()
}

/// The sign that a record gives by itself.
fn sign(u: &Usage) -> Option<&'static str> {
    let action = u.action.as_deref().unwrap_or_default();
    let action = action.rsplit(':').next().unwrap_or_default();
    if action.eq_ignore_ascii_case("ConsoleLogin") {
        return Some("console_sign_in");
    }
    let agent = u.user_agent.as_deref()?.to_ascii_lowercase();
    if DRIVEN.iter().any(|d| agent.contains(d)) {
        return None;
    }
    if CONSOLES.iter().any(|c| agent.contains(c)) {
        return Some("console");
    }
    BROWSERS.iter().any(|b| agent.starts_with(b)).then_some("browser")
}

fn row(ix: &Index<'_>, who: &str, mut uses: Vec<&Usage>, addresses: &Addresses<'_>) -> MachineUse {
    uses.sort_by_key(|u| (u.first_at, &u.source_id, &u.source_ref));
    let interactive: Vec<(&Usage, &'static str)> =
        uses.iter().filter_map(|u| Some((*u, sign(u)?))).collect();
    let described = uses
        .iter()
        .filter(|u| u.user_agent.is_some() || address(u).is_some() || sign(u).is_some())
        .count();
    let mut signals: BTreeSet<&str> = interactive.iter().map(|(_, s)| *s).collect();
    let mut shared: BTreeSet<&str> = BTreeSet::new();
    let mut people: BTreeSet<&str> = BTreeSet::new();
    let mut hints: Vec<&Usage> = Vec::new();
    for u in &uses {
        let Some(ip) = address(u) else { continue };
        let near: Vec<&Sharers<'_>> =
            days(u, ix.as_of).iter().filter_map(|d| addresses.get(&(ip, *d))).collect();
        let gateway = |s: &&&Sharers<'_>| {
            s.people.len() <= MAX_SHARERS && s.machines.len() <= MAX_SHARERS && !s.people.is_empty()
        };
        let hit: Vec<&&Sharers<'_>> = near.iter().filter(gateway).collect();
        if !hit.is_empty() {
            shared.insert(ip);
            people.extend(hit.iter().flat_map(|s| s.people.iter().copied()));
            hints.push(u);
        }
    }
    if !people.is_empty() {
        signals.insert("address_of_a_person");
    }
    let agents: BTreeSet<&Text> =
        interactive.iter().filter_map(|(u, _)| u.user_agent.as_ref()).collect();
    let shown: Vec<&Usage> = match (interactive.is_empty(), hints.is_empty()) {
        (false, _) => interactive.iter().map(|(u, _)| *u).collect(),
        (true, false) => hints,
        (true, true) => uses.clone(),
    };
    let scope = uses.iter().find_map(|u| u.scope.as_deref());
    MachineUse {
        principal_id: text(who),
        principal_kind: ix.kind(who),
        platform: uses.iter().find_map(|u| u.platform.clone()),
        environment: ix.environment(scope, who),
        n_records: count(uses.len()),
        n_described: count(described),
        n_interactive: (described > 0).then(|| count(interactive.len())),
        signals: signals.into_iter().map(text).collect(),
        user_agents: agents.into_iter().take(MAX_AGENTS).cloned().collect(),
        shared_addresses: shared.into_iter().take(MAX_ADDRESSES).map(text).collect(),
        people: people.into_iter().map(text).collect(),
        first_interactive_at: interactive.iter().filter_map(|(u, _)| u.first_at).min(),
        last_interactive_at: interactive.iter().filter_map(|(u, _)| last(u, ix.as_of)).max(),
        clients_unknown: (described == 0).then(|| text("client_not_recorded")),
        owner: ix.owner_name(who),
        refs: shown
            .into_iter()
            .take(MAX_REFS)
            .map(|u| evidence_ref(&u.source_id, &u.source_ref))
            .collect(),
    }
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
