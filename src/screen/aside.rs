//! The grants of a screening that the sweep does not carry, judged by the row engine, and what it says put
//! to what the sweep says. The marked grants are closed under everything that the row engine looks at
//! together (see [`super::marks`]), so it says of them what it would say of the whole ledger.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::id::{Id, Key};
use super::join::decides;
use super::judge::{Hit, Judge, Sums};
use super::marks::{Names, canonical};
use super::part::{self, Wanted};
use super::plan::{File, Kind, Refusal};
use super::rows::{Decision, NEVER, NOBODY, Place, micros, place};
use super::shared::{self, Filled};
use super::told::verdict_in;
use super::vocabulary::Map;
use crate::analyze::approvers::{Request, Requests};
use crate::analyze::survey::Survey;
use crate::analyze::{self, Options};
use crate::facts::{Derived, Facts, Source, Text, Verdict};
use crate::ingest::fold;
use crate::rules::eval::Env;
use crate::rules::run;
use crate::settings::Settings;

/// What the judgement reads besides the marked grants.
#[derive(Debug)]
pub struct Ground<'a> {
    /// Files.
    pub files: &'a [File],
    /// Settings.
    pub settings: &'a Settings,
    /// Rules.
    pub judge: &'a Judge<'a>,
    /// Key of names.
    pub key: &'a Key,
    /// What is marked by name.
    pub names: &'a Names,
    /// Sums over all rows.
    pub sums: &'a shared::Sums,
    /// Names of ledger systems by their number.
    pub systems: &'a [Text],
    /// Rows of `sources`.
    pub sources: &'a [Source],
    /// Numbers of approvers.
    pub deciders: &'a Map<u32>,
}

/// What the row engine says.
#[derive(Debug, Default)]
pub struct Aside {
    /// Sources, with their contradicting records counted, and these as quarantine; no other table has rows.
    pub facts: Facts,
    /// Decisions of approvers.
    pub decisions: Vec<Decision>,
    /// Grants that repeat or contradict others, and count no more.
    pub dropped: u64,
    /// The same of records that refuse a request.
    pub denials: u64,
}

/// Tables that are judged here; the others are sums over all rows.
const TABLES: [&str; 4] = ["grant_facts", "chains", "access_spans", "usage_facts"];

/// Adds the principals of uses that name a grant which no ledger lists: all their grants go aside.
///
/// # Errors
/// When the files cannot be read again.
pub fn users(files: &[File], key: &Key, names: &mut Names) -> Result<(), Refusal> {
    if names.unlisted.is_empty() {
        return Ok(());
    }
    for file in files.iter().filter(|f| f.kind == Kind::Usage) {
        let wanted = Wanted::named("grant_id", names.unlisted.clone());
        let facts = part::rows_of(file, &wanted, key).map_err(Refusal::Failed)?;
        names.principals.extend(facts.usage.iter().map(|u| (canonical(key, &u.principal), ())));
    }
    Ok(())
}

/// Whether a grant names one of these approvals, which are given by the first halves of their hashes.
///
/// # Errors
/// When the files cannot be read again.
pub fn naming(files: &[File], key: &Key, approvals: &Map<()>) -> Result<bool, Refusal> {
    for file in files.iter().filter(|f| f.kind == Kind::Grants) {
        let wanted = Wanted::half_named("approval", approvals.clone());
        let facts = part::rows_of(file, &wanted, key).map_err(Refusal::Failed)?;
        if !facts.grants.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Judges the marked grants and adds what is found to `sums` and `survey`.
///
/// # Errors
/// When the files cannot be read again, or a record that goes is the only one to tell something about all.
pub fn judge(
    cx: &Ground<'_>,
    places: &BTreeSet<Place>,
    sums: &mut Sums,
    survey: &mut Survey,
) -> Result<Aside, Refusal> {
    let mut facts =
        part::read(cx.files, places, Some((cx.key, cx.names))).map_err(Refusal::Failed)?;
    let numbers: HashMap<&str, usize> =
        cx.files.iter().enumerate().map(|(i, f)| (&*f.id, i)).collect();
    let at = |source: &str, record: &str| -> Option<Place> {
        Some(place(*numbers.get(source)?, record.get(1..)?.parse().ok()?))
    };
    let before = Tally::of(&facts, &at);
    facts.sources = cx.sources.to_vec();
    fold::finish(&mut facts);
    let after = Tally::of(&facts, &at);
    cx.still_told(&before, &after)?;
    for (source, n) in &before.inverted {
        let less = n - after.inverted.get(source).unwrap_or(&0);
        if let Some(all) = survey.inverted_tasks.get_mut(source) {
            *all -= less;
        }
    }
    let resolution = analyze::identities(&mut facts, cx.settings);
    let decisions = cx.decisions(&facts);
    let needed = |_| false;
    let options = Options { as_of: cx.judge.as_of, needed: &needed, survey: Some(survey) };
    let derived = analyze::derive(&mut facts, cx.settings, &resolution, &options);
    let whole = Whole::of(&facts, &derived, &at);
    cx.rules(&derived, &whole, sums)?;
    Ok(Aside {
        dropped: (before.grants.len() - after.grants.len()) as u64,
        denials: before.denials - after.denials,
        decisions,
        facts: Facts { sources: facts.sources, quarantine: facts.quarantine, ..Facts::default() },
    })
}

/// What grants and tasks say about the inputs as a whole.
struct Tally {
    grants: BTreeMap<Place, i64>,
    /// By ledger system, grants that fill a field.
    fills: BTreeMap<Text, Filled>,
    inverted: BTreeMap<Text, i64>,
    /// Approvals that were refused.
    denials: u64,
}

impl Tally {
    fn of(facts: &Facts, at: &dyn Fn(&str, &str) -> Option<Place>) -> Self {
        let denied = facts.approvals.iter().filter(|a| a.verdict == Verdict::Deny);
        let mut out = Self {
            grants: BTreeMap::new(),
            fills: BTreeMap::new(),
            inverted: BTreeMap::new(),
            denials: denied.count() as u64,
        };
        for g in &facts.grants {
            let start = g.activated_at_lo.or(g.not_before);
            out.grants.extend(at(&g.source_id, &g.source_ref).map(|at| (at, micros(start))));
            let fills = out.fills.entry(g.system.clone()).or_default();
            let filled = [
                g.task_ref.is_some() || g.ticket_id.is_some(),
                g.justification.is_some(),
                g.scope.is_some(),
                g.requester.is_some(),
                g.n_extensions > 0,
            ];
            fills.iter_mut().zip(filled).for_each(|(n, yes)| *n += u64::from(yes));
        }
        for t in facts.tasks.iter().filter(|t| analyze::tasks::is_inverted(t)) {
            *out.inverted.entry(t.source_id.clone()).or_default() += 1;
        }
        out
    }
}

impl Ground<'_> {
    /// A record that contradicts another goes. What it told about all is to be told by one that stays.
    fn still_told(&self, before: &Tally, after: &Tally) -> Result<(), Refusal> {
        let gone = |at: &Place| before.grants.contains_key(at) && !after.grants.contains_key(at);
        let starts = |us: i64| after.grants.values().any(|start| *start == us);
        let first = self.sums.first_start.is_some_and(|(us, at)| gone(&at) && !starts(us));
        let kinds = self.sums.kinds.values().any(|(at, _)| gone(at));
        let left = |system: &Text, all: &Filled| {
            let [was, is] =
                [before, after].map(|t| t.fills.get(system).copied().unwrap_or_default());
            all.iter().zip(was).zip(is).any(|((all, was), is)| *all > 0 && all - was + is == 0)
        };
        let mut fills = self.sums.fills.iter();
        let fills = fills
            .any(|(n, all)| self.systems.get(*n as usize).is_some_and(|system| left(system, all)));
        if first || kinds || fills {
            return Err(Refusal::NotFlat(
                "a record that contradicts another tells what no other record tells".into(),
            ));
        }
        Ok(())
    }

    /// Decisions on these grants, each once, as [`analyze::approvers`] has them.
    fn decisions(&self, facts: &Facts) -> Vec<Decision> {
        let requests = Requests::new(&facts.grants);
        let number = |who: &Option<Text>| -> u32 {
            let id: Option<Id> = who.as_deref().map(|s| canonical(self.key, s));
            id.and_then(|id| self.deciders.get(&id).copied()).unwrap_or(NOBODY)
        };
        let mut out: BTreeMap<(u32, Request<'_>), Decision> = BTreeMap::new();
        for a in &facts.approvals {
            let grant = requests.of(a);
            let row = Decision {
                approver: number(&a.approver_id),
                asked: grant.map_or(NOBODY, |g| {
                    number(if g.requester_id.is_some() {
                        &g.requester_id
                    } else {
                        &g.beneficiary_id
                    })
                }),
                verdict: verdict_in(a),
                at: micros(a.at),
                requested: micros(grant.and_then(|g| g.requested_at)),
            };
            if !decides(row.approver, row.verdict) {
                continue;
            }
            // Of one that several records repeat the earliest, and one without a time last.
            let late = |d: &Decision| (d.at == NEVER, d.at);
            let have = out.entry((row.approver, Request::of(a))).or_insert(row);
            if late(&row) < late(have) {
                *have = row;
            }
        }
        out.into_values().collect()
    }

    /// Counts and exceptions of the rules.
    fn rules(&self, derived: &Derived, whole: &Whole, sums: &mut Sums) -> Result<(), Refusal> {
        let lanes = u32::try_from(sums.lanes.len()).unwrap_or(u32::MAX);
        let env = Env { limits: self.judge.limits, as_of: self.judge.as_of };
        for (name, rows) in derived.rows().into_iter().filter(|(n, _)| TABLES.contains(n)) {
            let Some(rules) = self.judge.rules.get(name) else { continue };
            let judged =
                run::exceptions(rules, rows, env).map_err(|e| Refusal::Failed(e.to_string()))?;
            for (rule, counts, found) in judged {
                sums.counts.entry(rule).or_default().absorb(counts);
                for (row, certain) in found {
                    let Some(about) = whole.rows(name).get(row) else { continue };
                    let Some(place) = about.first().copied() else { continue };
                    let lane = whole.piece.get(&place).copied().unwrap_or_default();
                    let chain = name == "chains";
                    if chain {
                        sums.chains.insert(place, about.clone());
                    }
                    let lane = lanes.saturating_add(lane);
                    sums.hits.push(Hit { place, rule, certain, lane, chain });
                }
            }
        }
        sums.lanes.extend(whole.pieces.iter().cloned());
        Ok(())
    }
}

/// Which records the rows of the derived tables are about, and which records belong together.
struct Whole {
    grants: Vec<Vec<Place>>,
    chains: Vec<Vec<Place>>,
    spans: Vec<Vec<Place>>,
    uses: Vec<Vec<Place>>,
    /// Records that must be analysed together.
    pieces: Vec<Vec<Place>>,
    /// Number of the piece of each record.
    piece: HashMap<Place, u32>,
}

impl Whole {
    fn of(facts: &Facts, derived: &Derived, at: &dyn Fn(&str, &str) -> Option<Place>) -> Self {
        let ids: HashMap<&str, Place> = facts
            .grants
            .iter()
            .filter_map(|g| Some((&*g.grant_id, at(&g.source_id, &g.source_ref)?)))
            .collect();
        let named = |all: &[Text]| -> Vec<Place> {
            all.iter().filter_map(|id| ids.get(&**id).copied()).collect()
        };
        let record = |r: &Text| r.split_once('#').and_then(|(source, record)| at(source, record));
        let one = |id: &Text| ids.get(&**id).copied().into_iter().collect();
        let (pieces, piece) = pieces(facts, at);
        Self {
            grants: derived.grant_facts.iter().map(|g| one(&g.grant_id)).collect(),
            chains: derived.chains.iter().map(|c| named(&c.grant_ids)).collect(),
            spans: derived.access_spans.iter().map(|s| named(&s.grant_ids)).collect(),
            uses: derived
                .usage_facts
                .iter()
                .map(|u| u.refs.first().and_then(record).into_iter().collect())
                .collect(),
            pieces,
            piece,
        }
    }

    fn rows(&self, table: &str) -> &[Vec<Place>] {
        match table {
            "grant_facts" => &self.grants,
            "chains" => &self.chains,
            "access_spans" => &self.spans,
            _ => &self.uses,
        }
    }
}

/// Grants and uses that share a principal, a grant or an approval, directly or through others.
fn pieces(
    facts: &Facts,
    at: &dyn Fn(&str, &str) -> Option<Place>,
) -> (Vec<Vec<Place>>, HashMap<Place, u32>) {
    let mut sets = Sets::default();
    let mut records: Vec<(Place, usize)> = Vec::new();
    for g in &facts.grants {
        let own = sets.of(('g', &g.grant_id));
        let who = sets.of(('p', g.beneficiary_id.as_deref().unwrap_or("")));
        sets.join(own, who);
        if let Some(id) = &g.approval_ref {
            let approval = sets.of(('a', id));
            sets.join(own, approval);
        }
        records.extend(at(&g.source_id, &g.source_ref).map(|place| (place, own)));
    }
    for a in &facts.approvals {
        let Some(grant) = &a.grant_id else { continue };
        let (own, grant) = (sets.of(('a', &a.approval_id)), sets.of(('g', grant)));
        sets.join(own, grant);
    }
    for u in &facts.usage {
        let who = sets.of(('p', u.principal_id.as_deref().unwrap_or("")));
        let own = u.grant_id.as_deref().map_or(who, |id| sets.of(('g', id)));
        sets.join(own, who);
        records.extend(at(&u.source_id, &u.source_ref).map(|place| (place, own)));
    }
    let mut numbers: HashMap<usize, u32> = HashMap::new();
    let mut out: Vec<Vec<Place>> = Vec::new();
    let mut piece = HashMap::new();
    for (place, set) in records {
        let number = *numbers.entry(sets.root(set)).or_insert_with(|| {
            out.push(Vec::new());
            u32::try_from(out.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(list) = out.get_mut(number as usize) {
            list.push(place);
        }
        piece.insert(place, number);
    }
    (out, piece)
}

/// Sets of things by name that are joined as it is found that they belong together.
#[derive(Default)]
struct Sets<'a> {
    names: HashMap<(char, &'a str), usize>,
    parents: Vec<usize>,
}

impl<'a> Sets<'a> {
    fn of(&mut self, name: (char, &'a str)) -> usize {
        let next = self.parents.len();
        let at = *self.names.entry(name).or_insert(next);
        if at == next {
            self.parents.push(next);
        }
        at
    }

    fn root(&mut self, mut at: usize) -> usize {
        while let Some(up) = self.parents.get(at).copied().filter(|up| *up != at) {
            let over = self.parents.get(up).copied().unwrap_or(up);
            if let Some(slot) = self.parents.get_mut(at) {
                *slot = over;
            }
            at = over;
        }
        at
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        if let Some(slot) = self.parents.get_mut(a.max(b)) {
            *slot = a.min(b);
        }
    }
}
