//! polkit: authorisations that `polkitd` writes to the journal or to syslog.
//!
//! The daemon writes "gain TEMPORARY authorization" for one that is kept for some minutes and
//! "ONE-SHOT" for a single action (strings of polkitd 122; grants model, section 8). When a temporary
//! one ends is known on the bus only, so that its end stays unknown.

use super::in_realm;
use super::lines::{self, head_time};
use super::vendor::contains;
use crate::facts::{
    BrokerKind, Decision, EndKind, EventKind, Grant, GrantEvent, Layer, Outcome, Text, Usage,
    UsageGrain, text,
};
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe, Shape};

/// Lines of `polkitd`.
#[derive(Debug)]
pub struct Polkit;

impl Adapter for Polkit {
    fn format(&self) -> &'static str {
        "polkit-log"
    }

    fn title(&self) -> &'static str {
        "polkit authorisations (journal, syslog)"
    }

    fn layer(&self) -> Layer {
        Layer::Ledger
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        let text = matches!(probe.shape, Shape::Text | Shape::Csv);
        (text && contains(probe, "polkitd") && contains(probe, " authorization for action "))
            .then_some(Match::Specific)
    }

    fn read(&self, input: &Input, ctx: &Context<'_>, batch: &mut Batch) -> Result<(), IngestError> {
        let year = lines::stated_year(ctx);
        let mut others = 0;
        lines::each(input, batch, &mut |line, n, batch| {
            let Some((_, message)) = line.split_once("Operator of ") else {
                others += 1;
                return Ok(());
            };
            if !line.contains("polkitd") || !message.contains(" authorization for action ") {
                others += 1;
                return Ok(());
            }
            let (at, rest) = head_time(line, year, batch)?;
            let host = rest.split_ascii_whitespace().next().filter(|h| !h.starts_with("polkitd"));
            let Some(said) = read(message) else { return Err("not a sentence of polkitd".into()) };
            let place = text(format!("L{n}"));
            keep(&said, (at, host), &place, batch);
            Ok(())
        })?;
        lines::note_others(batch, others);
        Ok(())
    }
}

/// What a sentence says.
#[derive(Debug, PartialEq, Eq)]
struct Said<'l> {
    /// Who acts: the owner of the process.
    user: &'l str,
    /// Who authenticated for it; `None` when that failed.
    by: Option<&'l str>,
    action: &'l str,
    temporary: bool,
}

fn read(message: &str) -> Option<Said<'_>> {
    let (head, tail) = message.split_once(" authorization for action ")?;
    let action = tail.split_ascii_whitespace().next()?;
    // The bracket holds a command line and may hold anything; the owner stands last.
    let user = tail.rsplit_once("(owned by unix-user:").and_then(|(_, u)| u.split_once(')'))?.0;
    let by = head
        .split_once("successfully authenticated as unix-user:")
        .and_then(|(_, u)| u.split_ascii_whitespace().next());
    if by.is_none() && !head.contains("FAILED to authenticate") {
        return None;
    }
    Some(Said { user, by, action, temporary: head.ends_with("gain TEMPORARY") })
}

fn keep(
    said: &Said<'_>,
    (at, host): (crate::facts::Time, Option<&str>),
    place: &Text,
    batch: &mut Batch,
) {
    batch.see(at);
    let user = in_realm("unix", host, said.user);
    let given = Some(at).filter(|_| said.by.is_some());
    let id = text(format!("{}|{}|{}@{}", host.unwrap_or(""), said.user, said.action, place));
    let source_id = batch.source_id.clone();
    // A one-shot authorisation is used up by the action it was for.
    let used_up = given.filter(|_| !said.temporary);
    batch.facts.grants.push(Grant {
        grant_id: id.clone(),
        system: text("polkit"),
        platform: Some(text("unix")),
        beneficiary: user.clone(),
        requester: Some(user.clone()),
        privilege: text(said.action),
        scope: host.map(text),
        broker_kind: BrokerKind::Session,
        requested_at: Some(at),
        decided_at: Some(at),
        decision: if given.is_some() { Decision::AutoApproved } else { Decision::Denied },
        not_before: given,
        activated_at_lo: given,
        activated_at_hi: given,
        ended_at_lo: used_up,
        ended_at_hi: used_up,
        end_kind: if used_up.is_some() { EndKind::Expired } else { EndKind::Unknown },
        grant_kind: Some(text(if said.temporary { "temporary" } else { "one-shot" })),
        source_id: source_id.clone(),
        source_ref: place.clone(),
        ..Grant::default()
    });
    batch.facts.grant_events.push(GrantEvent {
        grant_id: Some(id.clone()),
        kind: if given.is_some() { EventKind::Activated } else { EventKind::Denied },
        occurred_at: at,
        actor: said.by.map(|by| in_realm("unix", host, by)),
        source_id: source_id.clone(),
        source_ref: place.clone(),
        ..GrantEvent::default()
    });
    batch.facts.usage.push(Usage {
        principal: user,
        grant_id: Some(id),
        platform: Some(text("unix")),
        privilege: Some(text(said.action)),
        scope: host.map(text),
        action: Some(text(said.action)),
        first_at: Some(at),
        last_at: Some(at),
        count: Some(1),
        outcome: if given.is_some() { Outcome::Allowed } else { Outcome::Denied },
        grain: UsageGrain::Event,
        source_id,
        source_ref: place.clone(),
        ..Usage::default()
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_of_the_daemon() {
        let temporary = "unix-session:2 successfully authenticated as unix-user:root to gain \
            TEMPORARY authorization for action org.freedesktop.systemd1.manage-units for \
            system-bus-name::1.150 [x (owned by unix-user:eve)] (owned by unix-user:ann)";
        assert_eq!(
            read(temporary),
            Some(Said {
                user: "ann",
                by: Some("root"),
                action: "org.freedesktop.systemd1.manage-units",
                temporary: true
            })
        );
        let once = temporary.replace("TEMPORARY", "ONE-SHOT");
        assert!(read(&once).is_some_and(|s| !s.temporary && s.by == Some("root")));
        let failed = "unix-session:2 FAILED to authenticate to gain authorization for action a.b \
            for unix-process:1:2 [x] (owned by unix-user:ann)";
        assert!(read(failed).is_some_and(|s| s.by.is_none() && s.action == "a.b"));
        for bad in
            ["", "x authorization for action ", "a authorization for action b (owned by unix-user:"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
