//! Ledgers that cannot know a binding: they lost records, are cut off, or begin after it was made.
//!
//! Specification: grants model, section 7, row "L shrunken"; landscape, scenario 20 (a ledger that had lost its
//! schedules made every assignment look unledgered, and all of them were revoked). What such a ledger lacks is
//! no evidence: its bindings are judged as without a ledger, and the coverage calls it truncated.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::index::Index;
use super::state::directory;
use crate::facts::store::evidence_ref;
use crate::facts::{
    Completeness, Entitlement, GrantFact, Holding, Layer, Source, Standing, Text, Time, text,
};

/// What the ledgers of the inputs cannot know.
#[derive(Debug, Default)]
pub struct Shrunken<'a> {
    /// Marked records of brokers whose ledger lost records.
    rows: BTreeSet<Text>,
    /// When what records show was made, where the platform tells.
    made: HashMap<Text, Time>,
    /// Ledgers, with the platforms that their grants are of.
    ledgers: Vec<(&'a Source, BTreeSet<Option<&'a str>>)>,
    /// What ledgers lost that do not say so themselves, in words, by source.
    lost: BTreeMap<Text, Text>,
}

/// The ledger system whose mark a binding carries.
fn broker_of(e: &Entitlement) -> Option<&'static str> {
    let hint = e.origin_hint.as_deref()?;
    let pam = hint.contains("PAM") || hint == "Privileged Access Manager";
    match (&*e.platform, hint) {
        ("gcp", _) if pam => Some("gcp-pam"),
        (_, "kube-jit") => Some("kube-jit"),
        _ => None,
    }
}

/// Bindings in effect with the mark of one broker.
#[derive(Default)]
struct Marked {
    n: usize,
    /// Of these, made before every ledger of the broker begins.
    before: usize,
}

impl<'a> Shrunken<'a> {
    /// Sets the ledgers against the bindings.
    #[must_use]
    pub fn new(ix: &Index<'a>, facts: &[GrantFact], holdings: &[Holding]) -> Self {
        let mut out = Self::default();
        let mut platforms: HashMap<&str, BTreeSet<Option<&str>>> = HashMap::new();
        let mut systems: HashMap<&str, BTreeSet<&str>> = HashMap::new();
        for g in &ix.facts.grants {
            platforms.entry(&g.source_id).or_default().insert(g.platform.as_deref());
            systems.entry(&g.system).or_default().insert(&g.source_id);
        }
        for s in ix.facts.sources.iter().filter(|s| s.layer == Layer::Ledger) {
            out.ledgers.push((s, platforms.remove(&*s.source_id).unwrap_or_default()));
        }
        let mut marked: HashMap<Text, &'static str> = HashMap::new();
        for e in &ix.facts.entitlements {
            let (system, made) = (broker_of(e), e.bound_at_lo.or(e.bound_at_hi));
            if system.is_none() && made.is_none() {
                continue;
            }
            let at = evidence_ref(&e.source_id, &e.source_ref);
            out.made.extend(made.map(|t| (at.clone(), t)));
            marked.extend(system.map(|system| (at, system)));
        }
        let none = BTreeSet::new();
        let of = |system: &str| {
            let ids = systems.get(system).unwrap_or(&none);
            let mine = out.ledgers.iter().filter(|(s, _)| ids.contains(&*s.source_id));
            mine.map(|(s, _)| *s).collect::<Vec<&Source>>()
        };
        let mut bound: BTreeMap<&'static str, Marked> = BTreeMap::new();
        for h in holdings {
            let system = h.refs.iter().find_map(|r| marked.get(r)).copied();
            let holds = !matches!(h.standing, Standing::Residue | Standing::Eligible);
            if let Some(system) = system.filter(|_| holds) {
                let all = bound.entry(system).or_default();
                all.n += 1;
                all.before += usize::from(begin_after(&of(system), out.made_at(h)));
            }
        }
        let open = |system: &str| {
            let mine = facts.iter().filter(|f| &*f.system == system && f.effective);
            mine.filter(|f| f.active_now != Some(false)).count()
        };
        let mut lost: BTreeMap<Text, Text> = BTreeMap::new();
        let mut shrunken: BTreeSet<&str> = BTreeSet::new();
        for (system, Marked { n, before }) in bound {
            let open = open(system);
            let why = if open < n {
                shrunken.insert(system);
                format!("{open} open grants of `{system}`, of which IAM shows {n} bindings")
            } else if before > 0 {
                format!("it begins after {before} bindings of `{system}` were made")
            } else {
                continue;
            };
            lost.extend(of(system).iter().map(|s| (s.source_id.clone(), text(&why))));
        }
        out.lost = lost;
        let rows = marked.into_iter().filter(|(_, s)| shrunken.contains(s)).map(|(r, _)| r);
        out.rows = rows.collect();
        out
    }

    fn made_at(&self, h: &Holding) -> Option<Time> {
        h.refs.iter().filter_map(|r| self.made.get(r)).min().copied()
    }

    /// Why the ledgers, which do not name a holding, may all the same have given it: `incomplete_ledger` when
    /// records are missing, `out_of_window` when all of them begin after it was made.
    #[must_use]
    pub fn may_hide(&self, h: &Holding) -> Option<&'static str> {
        let speaks = |platforms: &BTreeSet<Option<&str>>| {
            let same = |p: &Option<&str>| p.is_none_or(|p| directory(p) == directory(&h.platform));
            platforms.is_empty() || platforms.iter().any(same)
        };
        let of: Vec<&Source> =
            self.ledgers.iter().filter(|(_, p)| speaks(p)).map(|(s, _)| *s).collect();
        let cut = of.iter().any(|s| s.completeness == Completeness::Truncated);
        if cut || h.refs.iter().any(|r| self.rows.contains(r)) {
            return Some("incomplete_ledger");
        }
        begin_after(&of, self.made_at(h)).then_some("out_of_window")
    }

    /// What a ledger lost, in words; `None` when nothing shows that it did.
    #[must_use]
    pub fn lost(&self, source_id: &str) -> Option<&Text> {
        self.lost.get(source_id)
    }
}

/// Whether ledgers there are, and all of them state that they begin after an instant.
fn begin_after(ledgers: &[&Source], made: Option<Time>) -> bool {
    let begins = |s: &&Source| s.window_start.zip(made).is_some_and(|(begin, made)| made < begin);
    !ledgers.is_empty() && ledgers.iter().all(begins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::coverage::coverage;
    use crate::analyze::grants::Profile;
    use crate::analyze::index::NoTiers;
    use crate::analyze::state::reconcile_holdings;
    use crate::facts::identity::Resolution;
    use crate::facts::{Facts, Grant};
    use crate::settings::Settings;

    fn day(d: i64) -> Time {
        Time::from_secs(d * 86_400)
    }

    /// A ledger of Privileged Access Manager, two bindings with its mark and one without.
    fn facts() -> Facts {
        let made = |n: usize, hint: Option<&str>| Entitlement {
            platform: text("gcp"),
            origin_hint: hint.map(text),
            bound_at_lo: Some(day(10)),
            bound_at_hi: Some(day(10)),
            source_id: text("S1"),
            source_ref: text(format!("L{n}")),
            ..Entitlement::default()
        };
        let mark = Some("Created by: PAM");
        Facts {
            sources: vec![
                Source { source_id: text("S1"), layer: Layer::State, ..Source::default() },
                Source { source_id: text("S2"), layer: Layer::Ledger, ..Source::default() },
            ],
            entitlements: vec![made(0, mark), made(1, mark), made(2, None)],
            grants: vec![Grant {
                grant_id: text("g"),
                system: text("gcp-pam"),
                platform: Some(text("gcp")),
                source_id: text("S2"),
                ..Grant::default()
            }],
            ..Facts::default()
        }
    }

    fn pam(id: &str, who: usize, open: bool) -> GrantFact {
        GrantFact {
            grant_id: text(id),
            system: text("gcp-pam"),
            platform: Some(text("gcp")),
            principal_id: text(format!("user:{who}@x.example")),
            privilege: text("roles/owner"),
            effective: true,
            active_now: Some(open),
            ..GrantFact::default()
        }
    }

    type Told = Vec<(Option<bool>, Option<String>)>;

    /// What the ledger knows of each binding, and the outcome and reason of the ledger's coverage.
    fn told(f: &Facts, grants: &[GrantFact]) -> (Told, String, String) {
        let (settings, resolution) = (Settings::defaults(), Resolution::default());
        let ix = Index::new(f, &settings, &resolution, day(100), &NoTiers);
        let mut held: Vec<Holding> = (0..f.entitlements.len())
            .map(|n| Holding {
                principal_id: text(format!("user:{n}@x.example")),
                platform: text("gcp"),
                privilege: text("roles/owner"),
                scope: text("projects/p"),
                refs: vec![evidence_ref("S1", &format!("L{n}"))],
                ..Holding::default()
            })
            .collect();
        let shrunken = Shrunken::new(&ix, grants, &held);
        reconcile_holdings(&ix, grants, &shrunken, &mut held);
        let rows = coverage(&ix, &Profile::new(&ix), &shrunken, &|_| true);
        let ledger = rows.iter().find(|c| &*c.coverage_id == "layer:ledger").unwrap();
        let own = rows.iter().find(|c| &*c.coverage_id == "S2").unwrap();
        assert_eq!(own.completeness, ledger.completeness);
        let each = held.iter();
        let why = |h: &Holding| h.ledger_unknown.as_deref().map(str::to_owned);
        (
            each.map(|h| (h.known_to_ledger, why(h))).collect(),
            ledger.outcome.to_string(),
            ledger.reason.as_deref().unwrap_or_default().to_owned(),
        )
    }

    fn lost() -> (Option<bool>, Option<String>) {
        (None, Some("incomplete_ledger".to_owned()))
    }

    const KNOWN: (Option<bool>, Option<String>) = (Some(true), None);
    const SHADOW: (Option<bool>, Option<String>) = (Some(false), None);

    #[test]
    fn a_ledger_with_fewer_open_grants_than_marked_bindings_lost_records() {
        let f = facts();
        // A binding without the mark is judged as ever.
        let (rows, outcome, why) = told(&f, &[]);
        assert_eq!(rows, [lost(), lost(), SHADOW]);
        assert!(outcome == "partial" && why.contains("truncated"), "{outcome}: {why}");
        assert!(why.contains("0 open grants of `gcp-pam`, of which IAM shows 2 bindings"), "{why}");
        // One open grant for two bindings: the one that it explains is known.
        assert_eq!(told(&f, &[pam("g", 0, true), pam("h", 9, false)]).0, [KNOWN, lost(), SHADOW]);
        // As many open grants as bindings: the ledger is whole, and one binding is not its own.
        let (rows, outcome, _) = told(&f, &[pam("g", 0, true), pam("h", 9, true)]);
        assert_eq!((rows, outcome.as_str()), (vec![KNOWN, SHADOW, SHADOW], "assessed"));
    }

    #[test]
    fn a_ledger_that_is_cut_off_shows_no_absence() {
        let mut f = facts();
        f.sources[1].completeness = Completeness::Truncated;
        let whole = [pam("g", 0, true), pam("h", 9, true)];
        let (rows, outcome, why) = told(&f, &whole);
        assert_eq!(rows, [KNOWN, lost(), lost()]);
        assert!(outcome == "partial" && why.contains("truncated"), "{outcome}: {why}");
        // That of another platform says nothing about these.
        f.grants[0].platform = Some(text("aws"));
        assert_eq!(told(&f, &whole).0, [KNOWN, SHADOW, SHADOW]);
    }

    #[test]
    fn a_ledger_that_begins_later_cannot_know() {
        let mut f = facts();
        let whole = [pam("g", 0, true), pam("h", 9, true)];
        f.sources[1].window_start = Some(day(20));
        let early = (None, Some("out_of_window".to_owned()));
        let (rows, outcome, why) = told(&f, &whole);
        assert_eq!(rows, [KNOWN, early.clone(), early.clone()]);
        assert!(outcome == "partial" && why.contains("begins after 2 bindings"), "{why}");
        // Another ledger that begins earlier, or does not say when, would know.
        f.sources.push(Source { source_id: text("S3"), ..f.sources[1].clone() });
        f.sources[2].window_start = None;
        assert_eq!(told(&f, &whole).0, [KNOWN, SHADOW, SHADOW]);
        f.sources[2].window_start = Some(day(5));
        assert_eq!(told(&f, &whole).0, [KNOWN, SHADOW, SHADOW]);
        f.sources[1].window_start = Some(day(10));
        assert_eq!(told(&f, &whole).0, [KNOWN, SHADOW, SHADOW]);
        // Where the platform does not tell when it was made, nothing follows.
        let mut f = facts();
        f.sources[1].window_start = Some(day(20));
        f.entitlements[2].bound_at_lo = None;
        f.entitlements[2].bound_at_hi = None;
        assert_eq!(told(&f, &whole).0, [KNOWN, early, SHADOW]);
    }
}
