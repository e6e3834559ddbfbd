//! A run over a large flat ledger: the screening counts everything and names every exception, the row
//! engine writes the findings of the first of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use super::{Accepted, PipelineError, Run, Scan, ScanRequest, Sealed, Texts, analyse, unread};
use crate::evidence::files::EXCEPTIONS;
use crate::facts::Text;
use crate::ingest::source::{Input, Shape};
use crate::ingest::{self, Collected, Ingested};
use crate::privilege::aws::compare::Snapshot;
use crate::report::OutputFile;
use crate::report::view::{NotAssessed, View};
use crate::rules::Pack;
use crate::screen::judge::Hit;
use crate::screen::plan::{self, File, Refusal};
use crate::screen::rows::Place;
use crate::screen::{self, Screened};
use crate::settings::Settings;

/// Every exception of a screening.
#[derive(Clone, Debug, Default)]
pub struct Exceptions {
    rules: Vec<String>,
    /// Source id and, in front of the number of a record, `R` or `L`.
    files: Vec<(Text, char)>,
    hits: Vec<Hit>,
    chains: BTreeMap<Place, Vec<Place>>,
}

impl Exceptions {
    /// Number of exceptions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hits.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hits.is_empty()
    }

    /// The file of the bundle.
    #[must_use]
    pub fn file(&self) -> OutputFile<'_> {
        OutputFile::new(EXCEPTIONS, "text/csv", |out| self.write(out))
    }

    /// One line per exception: the rule, whether it is certain, and the record of the grant. An exception of
    /// a chain has a line for each member, which names the first one.
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut out = io::BufWriter::with_capacity(1 << 16, out);
        out.write_all(b"rule,certainty,source_id,record,chain_from\n")?;
        let record = |place: Place| {
            let (id, mark) = self.files.get((place >> 32) as usize)?;
            Some((id, format!("{mark}{}", place as u32)))
        };
        for hit in &self.hits {
            let rule = self.rules.get(hit.rule).map_or("", String::as_str);
            let certainty = if hit.certain { "certain" } else { "possible" };
            let members = self.chains.get(&hit.place).filter(|_| hit.chain);
            let first = members.and(record(hit.place)).map_or(String::new(), |(_, r)| r);
            for place in members.map_or(std::slice::from_ref(&hit.place), Vec::as_slice) {
                let Some((id, record)) = record(*place) else { continue };
                writeln!(out, "{rule},{certainty},{id},{record},{first}")?;
            }
        }
        out.flush()
    }
}

/// Inputs that a screening may take, with the files to sweep or why there are none.
type Planned = (Collected, Result<Vec<File>, Refusal>);

/// Looks whether the inputs are a large flat ledger; `None` when that cannot be known beforehand.
pub(super) fn plan(request: &ScanRequest, settings: &Settings) -> Option<Planned> {
    let stdin = request.inputs.iter().any(|p| p.as_os_str() == "-");
    if stdin || request.inputs.iter().any(|p| !p.exists()) {
        return None;
    }
    let collected = ingest::collect(&request.inputs, settings);
    let files = if request.screen {
        plan::files(&collected, settings, settings.screening.from_grants)
    } else {
        Err(Refusal::NotFlat("this command needs every finding in full".into()))
    };
    Some((collected, files))
}

/// Whether it is known already that the inputs are no large ledger.
pub(super) fn is_small(planned: Option<&Planned>) -> bool {
    planned.is_some_and(|(_, files)| matches!(files, Err(Refusal::Small)))
}

/// Why a run is not a screening.
pub(super) enum Stop {
    /// The row engine judges, and the reader is told why.
    Told(String),
    /// Nobody can judge.
    Ended(PipelineError),
}

/// Screens, when the inputs are a large flat ledger; `Ok(None)` when nobody needs to be told why not.
///
/// # Errors
/// Why not.
pub(super) fn screen(
    request: &ScanRequest,
    settings: &Settings,
    pack: &Pack,
    planned: Option<Planned>,
) -> Result<Option<(Screened, Vec<File>, Collected)>, Stop> {
    let Some((collected, files)) = planned else { return Ok(None) };
    match files.and_then(|files| attempt(request, settings, pack, files)) {
        Ok((screened, files)) => Ok(Some((screened, files, collected))),
        Err(Refusal::Small) => Ok(None),
        Err(Refusal::Temporary(why)) => Err(Stop::Ended(PipelineError::Internal(format!(
            "the temporary file of the screening in `{}` failed: {why}; free space there (about 500 bytes for \
             each grant), name another folder in TMPDIR, or raise `screening.memory_mib` in the settings",
            std::env::temp_dir().display()
        )))),
        Err(why) => {
            let (grants, most) =
                (plan::grants(&collected, settings), settings.screening.rows_up_to);
            if grants <= most {
                return if request.screen { Err(Stop::Told(why.to_string())) } else { Ok(None) };
            }
            Err(Stop::Ended(PipelineError::NoInput(format!(
                "the ledger has about {grants} grants and was not screened: {why}. Row by row no more than \
                 {most} are judged; take out what is named here, split the export by system or time, or raise \
                 `screening.rows_up_to` in the settings (10 KiB of memory for each grant)"
            ))))
        }
    }
}

fn attempt(
    request: &ScanRequest,
    settings: &Settings,
    pack: &Pack,
    files: Vec<File>,
) -> Result<(Screened, Vec<File>), Refusal> {
    // What was accepted is told by fingerprints, and only findings have those.
    if request.baseline.is_some() || request.waivers.is_some() {
        return Err(Refusal::NotFlat("a baseline or waivers are given".into()));
    }
    // Where rows could judge all of it, to judge half of it twice is no gain.
    let of = |f: &&File| f.kind == plan::Kind::Grants;
    let grants = files.iter().filter(of).map(|f| f.rows).fold(0, usize::saturating_add);
    let most = settings.screening.rows_up_to;
    let most_aside = if grants <= most { grants / 2 } else { most };
    // Partitions are taken and given back in turn, and all are of one size.
    overstay_heap::keep_for(Duration::from_secs(1));
    let input = screen::Input {
        files: &files,
        settings,
        pack,
        as_of: request.as_of,
        memory: settings.screening.memory_mib.saturating_mul(1 << 20),
        most_aside,
    };
    Ok((screen::screen(&input)?, files))
}

/// Makes the run of a screening: findings of the first exceptions, counts of all.
///
/// # Errors
/// See [`PipelineError`].
pub(super) fn finish(
    settings: Settings,
    pack: Pack,
    texts: Texts,
    (screened, files, collected): (Screened, Vec<File>, Collected),
) -> Result<Scan, PipelineError> {
    let chosen = choose(&screened, settings.screening.findings_per_rule);
    let mut facts = screen::part::read(&files, &chosen, None).map_err(PipelineError::NoInput)?;
    facts.sources.clone_from(&screened.facts.sources);
    ingest::fold::finish(&mut facts);
    // Contradicting records are counted already.
    facts.sources.clone_from(&screened.facts.sources);
    facts.quarantine.clone_from(&screened.facts.quarantine);
    let as_of = screened.as_of;
    let mut derived = analyse(&mut facts, &settings, as_of, &pack, Some(&screened.survey));
    derived.approver_facts.clone_from(&screened.approvers);
    let ingested = Ingested {
        facts,
        unknown: unknown(&collected, &settings),
        failed: collected.failed.clone(),
        ignored: collected.ignored.clone(),
        inputs: BTreeMap::new(),
    };
    derived.coverage.extend(unread(&ingested, &settings));
    let run = Run {
        sealed: Sealed::default(),
        bundle_only: false,
        settings,
        pack,
        as_of,
        ingested,
        derived,
        baseline: None,
        access: Snapshot::default(),
        waivers: None,
    };
    let mut out = run.run_rules(false)?;
    let last = run.run_rules(true)?;
    out.results.extend(last.results);
    out.findings.extend(last.findings);
    out.results.retain(|r| !screen::sweeps(&r.table));
    out.results.extend(screened.results.iter().cloned());
    out.results.sort_by(|a, b| a.rule.cmp(&b.rule));
    out.findings.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
    let shown = out.findings.len();
    let mut view = run.view(out.results, out.findings, Accepted::default());
    whole(&mut view, &screened, &files);
    let mut note = format!(
        "The ledger was screened: {} grants, {} exceptions, all of them in {EXCEPTIONS}; {shown} findings in full.",
        screened.grants,
        screened.hits.len(),
    );
    let (aside, why) = &screened.aside;
    if !why.is_empty() {
        _ = write!(note, " {aside} of the grants were judged row by row: {}.", why.join("; "));
    }
    view.not_assessed.insert(
        0,
        NotAssessed {
            kind: "input".into(),
            what: format!(
                "findings beyond the first {} of each rule",
                run.settings.screening.findings_per_rule
            ),
            why: note.clone(),
            remedy: Some("raise `screening.findings_per_rule` in the settings".into()),
            items: (screened.hits.len() as u64).saturating_sub(shown as u64),
        },
    );
    let mut scan = run.finish(view, texts);
    scan.screening = Some(note);
    scan.exceptions = Some(exceptions(screened, &files));
    Ok(scan)
}

/// Files that no adapter recognises. The screening has recognised the others.
fn unknown(collected: &Collected, settings: &Settings) -> Vec<ingest::Unknown> {
    let mut rest = Collected::default();
    let known = |i: &&Input| ingest::driver::recognised(i, settings).is_some();
    rest.inputs.extend(collected.inputs.iter().filter(|i| !known(i)).cloned());
    ingest::driver::ingest_collected(&rest, settings).unknown
}

/// The grants whose findings are written: the lanes of the first exceptions of each rule. A lane goes as a
/// whole, since a chain or an overlap is of several grants.
fn choose(screened: &Screened, per_rule: usize) -> BTreeSet<Place> {
    let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
    let mut places = BTreeSet::new();
    for hit in &screened.hits {
        let n = taken.entry(hit.rule).or_default();
        if *n >= per_rule {
            continue;
        }
        let Some(lane) = screened.lanes.get(hit.lane as usize) else { continue };
        // One identity that takes one privilege all day would crowd out everything else.
        if lane.len() <= per_rule.saturating_mul(10).max(100) {
            *n += 1;
            places.extend(lane);
        }
    }
    places
}

fn exceptions(screened: Screened, files: &[File]) -> Exceptions {
    let mark = |f: &File| {
        let columnar = f.shape == Shape::Parquet;
        (f.id.clone(), if columnar { 'R' } else { 'L' })
    };
    Exceptions {
        rules: screened.rules,
        files: files.iter().map(mark).collect(),
        hits: screened.hits,
        chains: screened.chains,
    }
}

/// Sums of the summary that a part of the rows cannot give.
fn whole(view: &mut View, screened: &Screened, files: &[File]) {
    use crate::screen::plan::Kind;
    let accepted = |kind| {
        let of = files.iter().zip(&screened.facts.sources).filter(move |(f, _)| f.kind == kind);
        of.map(|(_, s)| u64::try_from(s.accepted).unwrap_or(0)).sum::<u64>()
    };
    let rule = |id: &str| view.rules.iter().find(|r| r.rule == id);
    // The two rules part the grants by how their task ended.
    let late = ["GRT-003", "GRT-004"]
        .map(|id| rule(id).map_or((0, 0), |r| (r.population - r.not_assessed, r.exceptions)));
    let overstay = late.iter().fold((0, 0), |(all, bad), (n, m)| (all + n, bad + m));
    let complete = rule("EVD-001").map_or((0, 0), |r| (r.population, r.clean));
    let s = &mut view.summary;
    (s.overstay_assessed, s.overstayed) = overstay;
    (s.grants, s.complete_grants) = complete;
    (s.overstay_median_s, s.overstay_p95_s) = (None, None);
    s.tasks = accepted(Kind::Tasks);
    s.usage = accepted(Kind::Usage);
    view.grants_total = screened.grants;
}
