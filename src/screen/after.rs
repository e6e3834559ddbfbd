//! What follows the reading: partitions are put together, swept and judged; what the sweep does not carry
//! goes to the row engine; then approvers and machine identities, which are sums over everything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use super::aside::{self, Aside, Ground};
use super::id::Id;
use super::judge::{Judge, Sums};
use super::lanes::{self, Observed};
use super::plan::Refusal;
use super::rows::{NOWHERE, micros};
use super::shared::{self, Shared};
use super::vocabulary::Map;
use super::whole::{self, Demands};
use super::{Input, MACHINES, approvers, each, failed, judge, lock, store, usage, vocabulary};
use crate::analyze::index::{Window, source_window};
use crate::analyze::machine_use::is_machine;
use crate::analyze::survey::{Fills, Survey};
use crate::facts::cell::Word;
use crate::facts::{ApproverFact, Layer, Source, Text, Tier, Time};
use crate::privilege::glob;
use crate::rules::value::Value;
use crate::rules::vector::{Bits, Chunk, Number, Vector};

/// What the sweep gives.
pub(super) struct Swept {
    pub tallies: Sums,
    pub survey: Survey,
    pub approvers: Vec<ApproverFact>,
    /// What the row engine says of the grants that the sweep does not carry, when there are some.
    pub aside: Option<Aside>,
}

/// The part of a screening that follows the reading.
pub(super) struct Sweep<'a> {
    pub input: &'a Input<'a>,
    pub shared: &'a Shared<'a>,
    pub judge: &'a Judge<'a>,
    pub sums: shared::Sums,
    pub sources: &'a [Source],
    pub as_of: Time,
}

impl Sweep<'_> {
    /// Sweeps and judges.
    ///
    /// # Errors
    /// Why the inputs cannot be screened.
    pub fn run(mut self) -> Result<Swept, Refusal> {
        let shared = self.shared;
        let parts = shared.grants.parts();
        let demands = self.demands();
        let names = shared.approvers.entries();
        let approvers: Vec<Id> = names.iter().map(|(id, _)| *id).collect();
        let deciders = approvers.iter().copied().zip(0u32..).collect();
        let mut marked = shared.marks.names();
        aside::users(self.input.files, &shared.key, &mut marked)?;
        let mut survey = self.survey();
        let systems = self.systems(&survey);
        let observed = self.observed(&survey);
        let limits = &self.input.settings.limits;
        let period = self.period(&survey);
        let period_s = period.1.secs_since(period.0);
        let until: Vec<i64> =
            self.sources.iter().map(|s| micros(s.window_end.or(s.collected_at))).collect();
        let whole = whole::Context {
            until: &until,
            shared,
            demands: &demands,
            approvers: &approvers,
            deciders: &deciders,
            principals: &marked.principals,
            as_of: self.as_of,
            lone: self.sums.named == 0,
            judge: self.judge,
        };
        let sweep = lanes::Context {
            shared,
            demands: &demands,
            observed: &observed,
            systems: &systems,
            task_windows: self.stated(Layer::Task),
            as_of: self.as_of,
            period,
            long_enough: period_s > 0 && period_s >= limits.whole("coverage_min_period_s"),
            gap_s: limits.whole("chain_gap_s"),
            judge: self.judge,
        };
        let mut tallies = each(parts, |at, sums| {
            let mut part = whole::grants(&whole, at)?;
            loop {
                let mut own = Sums::default();
                lanes::sweep(&sweep, &mut part.rows, &mut own);
                let odd = usage::judge(&whole, &part.rows, &part.uses, &mut own);
                if odd.is_empty() {
                    sums.absorb(own);
                    break;
                }
                shared.marks.say("a finding about a single use");
                odd.iter().for_each(|at| whole::aside(&mut part.rows, *at));
            }
            part.hand_on(shared)
        })?;
        // What the disk must hold at once is a matter of gigabytes.
        shared.grants.close();
        shared.sides.close();
        self.strays()?;
        let settings = self.input.settings;
        let ground = Ground {
            files: self.input.files,
            settings,
            judge: self.judge,
            key: &shared.key,
            names: &marked,
            sums: &self.sums,
            systems: &shared.systems.entries(),
            sources: self.sources,
            deciders: &deciders,
        };
        let aside = self.aside(&ground, &mut tallies, &mut survey)?;
        let approvers = approvers::facts(shared, &names, &self.sums, settings).map_err(failed)?;
        tallies.absorb(self.machines());
        Ok(Swept { tallies, survey, approvers, aside })
    }

    /// Has the row engine judge what is marked, when something is.
    fn aside(
        &self,
        ground: &Ground<'_>,
        tallies: &mut Sums,
        survey: &mut Survey,
    ) -> Result<Option<Aside>, Refusal> {
        let why = self.shared.marks.reasons();
        let places = std::mem::take(&mut tallies.aside);
        if why.is_empty() {
            return Ok(None);
        }
        let (n, most) = (places.len(), self.input.most_aside);
        if n > most {
            let why = why.join("; ");
            return Err(Refusal::NotFlat(format!(
                "{n} of its grants need to be judged row by row, more than {most}: {why}"
            )));
        }
        let mut aside = aside::judge(ground, &places, tallies, survey)?;
        tallies.aside = places;
        self.shared.denials.fetch_sub(aside.denials, Ordering::Relaxed);
        let decisions = &self.shared.sides.decisions;
        let mut gathered = store::gather(decisions.parts());
        for d in aside.decisions.drain(..) {
            store::push(&mut gathered, d.part(decisions.parts()), d);
        }
        decisions.add(&mut gathered).map_err(failed)?;
        Ok(Some(aside))
    }

    /// Approvals that their grants do not name are theirs alone: no other grant has or names them, be it one
    /// that no ledger lists.
    fn strays(&self) -> Result<(), Refusal> {
        let several = || Err(Refusal::NotFlat("an approval of several grants".into()));
        let strays = &self.shared.sides.strays;
        let mut all: Map<()> = Map::default();
        for at in 0..strays.parts() {
            let mut rows = strays.take(at).map_err(failed)?;
            rows.sort_unstable_by_key(|s| (s.id, s.place));
            if rows.windows(2).any(|w| matches!(w, [a, b] if a.id == b.id && a.place != b.place)) {
                return several();
            }
            if self.sums.named > 0 {
                let listed = rows.iter().filter(|s| s.place != NOWHERE);
                all.extend(listed.map(|s| (Id::new(s.id, 0), ())));
            }
        }
        strays.close();
        if all.is_empty() {
            return Ok(());
        }
        let named = aside::naming(self.input.files, &self.shared.key, &all)?;
        if named { several() } else { Ok(()) }
    }

    /// What each privilege asks for, by its number.
    fn demands(&self) -> Vec<Demands> {
        let s = self.input.settings;
        let of = |p: &vocabulary::Privilege| {
            let declared = s.privileges.iter().find(|d| {
                glob::matches(&d.pattern, &p.name)
                    && (d.platform.is_none() || d.platform.as_deref() == p.platform.as_deref())
            });
            let tier = declared.and_then(|d| d.tier);
            let limit = declared.and_then(|d| d.max_duration_s).or_else(|| match tier {
                Some(t) => s.max_duration_s.get(&t).copied(),
                None => s.max_duration_unknown_s,
            });
            let policy = &s.approval;
            let (approval, human, quorum) = match tier {
                Some(t) => (
                    policy.required_tiers.contains(&t),
                    policy.human_tiers.contains(&t),
                    policy.quorum.get(&t).copied().unwrap_or(1),
                ),
                None => (policy.required_unknown, false, 1),
            };
            let word = tier.and_then(|t| Tier::ALL.iter().position(|w| *w == t.word()));
            Demands {
                tier: word.and_then(|w| u8::try_from(w).ok()).unwrap_or(u8::MAX),
                max_duration_s: limit,
                approval,
                human,
                needed: if approval { quorum } else { 0 },
                catalogued: (!s.approved_roles.is_empty())
                    .then(|| s.approved_roles.iter().any(|r| glob::matches(r, &p.name))),
            }
        };
        self.shared.privileges.entries().iter().map(of).collect()
    }

    fn survey(&mut self) -> Survey {
        let names = self.shared.systems.entries();
        let approved = lock(&self.shared.approved_systems);
        let mut systems: BTreeMap<Text, Fills> = BTreeMap::new();
        for (number, filled) in &self.sums.fills {
            if let Some(name) = names.get(*number as usize) {
                let [task, reason, scope, requester, extensions] = filled.map(|n| n > 0);
                let approvals = approved.contains(number);
                let fills = Fills { task, reason, scope, requester, extensions, approvals };
                systems.insert(name.clone(), fills);
            }
        }
        let source = |n: &usize| self.input.files.get(*n).map(|f| f.id.clone());
        let grains = std::mem::take(&mut self.sums.grains);
        Survey {
            grants: self.sums.grants > 0,
            systems,
            approvals: self.sums.approvals > 0,
            grains: grains.iter().filter_map(|(n, p)| Some((source(n)?, p.clone()))).collect(),
            first_start: self.sums.first_start.map(|(us, _)| Time::from_micros(us)),
            inverted_tasks: std::mem::take(&mut self.sums.inverted)
                .iter()
                .filter_map(|(n, tasks)| Some((source(n)?, *tasks)))
                .collect(),
        }
    }

    fn systems(&self, survey: &Survey) -> Vec<Fills> {
        let recorded = |own: bool| survey.approvals && (survey.systems.len() < 2 || own);
        let of = |name: &Text| {
            let f = survey.systems.get(name).copied().unwrap_or_default();
            let approvals = recorded(f.approvals);
            Fills { approvals, ..f }
        };
        self.shared.systems.entries().iter().map(of).collect()
    }

    /// Windows in which use of each privilege would have been seen, by its number.
    fn observed(&self, survey: &Survey) -> Vec<Observed> {
        let of = |p: &vocabulary::Privilege| {
            let fits = |platforms: &BTreeSet<Option<Text>>| {
                platforms.contains(&None) || p.platform.is_none() || platforms.contains(&p.platform)
            };
            let sources = self.sources.iter().filter(|s| s.layer != Layer::Context);
            let windows = sources
                .filter(|s| survey.grains.get(&s.source_id).is_some_and(fits))
                .map(source_window);
            Observed { windows: windows.collect() }
        };
        self.shared.privileges.entries().iter().map(of).collect()
    }

    /// Windows that sources of a layer state; `None` when none does.
    fn stated(&self, layer: Layer) -> Option<Vec<Window>> {
        let of = self.sources.iter().filter(|s| s.layer == layer);
        let windows: Vec<Window> =
            of.map(|s| (s.window_start, s.window_end)).filter(|w| *w != (None, None)).collect();
        (!windows.is_empty()).then_some(windows)
    }

    fn period(&self, survey: &Survey) -> (Time, Time) {
        match self.input.settings.period {
            Some((a, b)) => (a, b.min(self.as_of).max(a)),
            None => {
                let first = survey.first_start.filter(|t| *t <= self.as_of);
                (first.unwrap_or(self.as_of), self.as_of)
            }
        }
    }

    /// Machine identities with recorded use. The tables of the sweep name no client.
    fn machines(&self) -> Sums {
        let mut out = Sums::default();
        if !self.judge.asks(MACHINES.table) {
            return out;
        }
        let mut records: Vec<i64> = self
            .sums
            .users
            .iter()
            .filter(|(id, (by_name, _))| {
                is_machine(self.sums.kinds.get(id).map_or(*by_name, |(_, kind)| *kind))
            })
            .map(|(_, (_, n))| *n)
            .collect();
        records.sort_unstable();
        for part in records.chunks(judge::CHUNK) {
            let rows = part.len();
            let known = std::sync::Arc::new(Bits::all(rows, true));
            let data = std::sync::Arc::new(part.to_vec());
            let why = std::sync::Arc::new(vec![0u8; rows]);
            let none = std::sync::Arc::new(vec![0u16; rows]);
            let columns = [
                ("n_records", Vector::Whole { data, known, number: Number::Int }),
                ("n_described", Vector::Same(Value::Int(0))),
                ("n_interactive", Vector::Same(Value::Null)),
                ("people", Vector::Marks { masks: none, words: &[] }),
                ("clients_unknown", Vector::Word { codes: why, words: &["client_not_recorded"] }),
            ];
            let chunk = Chunk { rows, columns: columns.into_iter().collect() };
            self.judge.chunk(MACHINES.table, &chunk, &mut out.counts, &mut |_, _, _| {
                self.shared.refuse("a finding about a machine identity");
            });
        }
        out
    }
}
