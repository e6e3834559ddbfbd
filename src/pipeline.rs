//! The one place that joins the stages.
//!
//! Settings, ingest, identities, analysis, rules, acceptance (baseline and waivers), frameworks and
//! the report's view, in this order. Nothing here decides anything about access; it only passes the
//! tables on and turns failures into the few kinds that have an exit code.

mod screened;
mod sealed;

use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use std::path::{Path, PathBuf};

use crate::analyze;
use crate::evidence::{bundle, files, manifest::Manifest};
use crate::facts::{Derived, Facts, Layer, Time, UsageGrain};
use crate::findings::fingerprint::digest;
use crate::findings::{Finding, RuleResult};
use crate::frameworks;
use crate::gate::{accept, baseline::Baseline, held::mark, waivers::Waivers};
use crate::ingest::{self, Ingested};
use crate::privilege::aws::compare::Snapshot;
use crate::report::assemble::{Assemble, assemble};
use crate::report::view::{Changes, WaiverRow};
use crate::report::{View, registry};
use crate::rules::{self, Pack, RunInput, RunOutput};
use crate::settings::Settings;
pub use screened::Exceptions;
use screened::Stop;
use sealed::Done;
pub use sealed::Sealed;

/// What a run is asked to do. Paths are as the user gave them.
#[derive(Clone, Debug, Default)]
pub struct ScanRequest {
    /// Files and directories.
    pub inputs: Vec<PathBuf>,
    /// Settings file; when absent, `overstay.toml` beside the inputs if there is one.
    pub config: Option<PathBuf>,
    /// As-of time; overrides the settings.
    pub as_of: Option<Time>,
    /// Audited period; overrides the settings.
    pub period: Option<(Time, Time)>,
    /// Further rule directories.
    pub rule_dirs: Vec<PathBuf>,
    /// Accepted baseline.
    pub baseline: Option<PathBuf>,
    /// Waiver file.
    pub waivers: Option<PathBuf>,
    /// A large flat ledger may be screened. Whoever decides by findings must see all of them.
    pub screen: bool,
    /// Nothing but the bundle is wanted: rows that nothing asks for any more may go before it is written.
    pub bundle_only: bool,
}

/// Everything a run knows.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Settings in force.
    pub settings: Settings,
    /// As-of time.
    pub as_of: Time,
    /// Base facts.
    pub facts: Facts,
    /// Derived facts.
    pub derived: Derived,
    /// The report's view; it holds the rule results and the findings.
    pub view: View,
    /// Texts that go into the bundle so that it alone can be rerun.
    pub texts: Texts,
    /// Files that no adapter recognises, with what they seem to be.
    pub unknown_files: Vec<(String, String)>,
    /// Files that could not be read, with the error.
    pub failed_files: Vec<(String, String)>,
    /// What screening did, or why a large ledger was not screened.
    pub screening: Option<String>,
    /// Every exception of a screening.
    pub exceptions: Option<Exceptions>,
    /// Tables whose rows are gone.
    pub sealed: Sealed,
}

impl Scan {
    /// Files and records that could not be read.
    #[must_use]
    pub fn unreadable(&self) -> usize {
        self.facts.quarantine.len() + self.unknown_files.len() + self.failed_files.len()
    }
}

/// Texts of the files a run was configured with.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// Settings; empty when there is no file.
    pub settings: String,
    /// Baseline.
    pub baseline: Option<String>,
    /// Waivers.
    pub waivers: Option<String>,
}

/// Why a run could not finish. Each variant maps to one exit code.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// Wrong settings, rules or arguments (exit 2).
    #[error("{0}")]
    Config(String),
    /// No usable input (exit 3).
    #[error("{0}")]
    NoInput(String),
    /// Baseline or waiver file invalid (exit 5).
    #[error("{0}")]
    Baseline(String),
    /// Output could not be written (exit 70).
    #[error("{0}")]
    Internal(String),
}

fn config(e: impl std::fmt::Display) -> PipelineError {
    PipelineError::Config(e.to_string())
}

fn internal(e: impl std::fmt::Display) -> PipelineError {
    PipelineError::Internal(e.to_string())
}

/// Reads, analyses and judges.
///
/// # Errors
/// See [`PipelineError`].
pub fn scan(request: &ScanRequest) -> Result<Scan, PipelineError> {
    let (mut settings, settings_text) = load_settings(request)?;
    settings.period = request.period.or(settings.period);
    // Inputs that nobody will screen are read meanwhile.
    let (pack, (planned, mut read)) = rayon::join(
        || load_rules(request, &settings),
        || {
            let planned = screened::plan(request, &settings);
            let read = screened::is_small(planned.as_ref())
                .then(|| ingest::ingest(&request.inputs, &settings));
            (planned, read)
        },
    );
    let pack = pack?;
    let (baseline, waivers, mut texts) = load_acceptance(request)?;
    texts.settings = settings_text;
    let screening = match screened::screen(request, &settings, &pack, planned) {
        Ok(Some(screened)) => return screened::finish(settings, pack, texts, screened),
        Ok(None) => None,
        Err(Stop::Told(why)) => Some(format!("The ledger is large and was not screened: {why}.")),
        Err(Stop::Ended(e)) => return Err(e),
    };
    let read = read.take().unwrap_or_else(|| ingest::ingest(&request.inputs, &settings));
    let mut ingested = read.map_err(config)?;
    let as_of = as_of(request, &settings, &ingested)?;
    let mut derived = analyse(&mut ingested.facts, &settings, as_of, &pack, None);
    derived.coverage.extend(unread(&ingested, &settings));
    let access = match &baseline {
        Some(b) => {
            let access = access(&ingested.facts, &derived);
            mark(b, &access, &mut derived.holdings);
            access
        }
        None => Snapshot::default(),
    };
    let mut run = Run {
        sealed: Sealed::default(),
        bundle_only: request.bundle_only,
        settings,
        pack,
        as_of,
        ingested,
        derived,
        baseline: baseline.map(|b| (request.baseline.clone().unwrap_or_default(), b)),
        access,
        waivers,
    };
    let view = run.judge()?;
    Ok(Scan { screening, ..run.finish(view, texts) })
}

/// Inputs read and identities resolved, for a question that needs no judgement.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Settings in force.
    pub settings: Settings,
    /// As-of time.
    pub as_of: Time,
    /// Base facts.
    pub facts: Facts,
    /// Files and records that could not be read.
    pub unreadable: usize,
}

/// Reads inputs without analysing them.
///
/// # Errors
/// See [`PipelineError`].
pub fn read(request: &ScanRequest) -> Result<Reading, PipelineError> {
    let (settings, _) = load_settings(request)?;
    let mut ingested = ingest::ingest(&request.inputs, &settings).map_err(config)?;
    let as_of = as_of(request, &settings, &ingested)?;
    analyze::identities(&mut ingested.facts, &settings);
    let unreadable =
        ingested.facts.quarantine.len() + ingested.unknown.len() + ingested.failed.len();
    Ok(Reading { settings, as_of, facts: ingested.facts, unreadable })
}

/// Settings file of a request: the one asked for, else `overstay.toml` in or beside an input.
fn settings_path(request: &ScanRequest) -> Option<PathBuf> {
    if request.config.is_some() {
        return request.config.clone();
    }
    request.inputs.iter().find_map(|input| {
        let dir = if input.is_dir() { Some(input.as_path()) } else { input.parent() };
        dir.map(|d| d.join("overstay.toml")).filter(|p| p.is_file())
    })
}

fn load_settings(request: &ScanRequest) -> Result<(Settings, String), PipelineError> {
    let Some(path) = settings_path(request) else {
        return Ok((Settings::defaults(), String::new()));
    };
    let settings = Settings::load(&path).map_err(config)?;
    let text = std::fs::read_to_string(&path).map_err(config)?;
    Ok((settings, text))
}

fn load_rules(request: &ScanRequest, settings: &Settings) -> Result<Pack, PipelineError> {
    let mut pack = Pack::builtin().map_err(internal)?;
    for dir in settings.rule_dirs.iter().chain(&request.rule_dirs) {
        pack.add_dir(dir).map_err(config)?;
    }
    for id in settings.disabled_rules.keys() {
        if pack.get(id).is_none() {
            let file = settings.file.as_ref().map(|f| format!("settings `{}`: ", f.display()));
            return Err(PipelineError::Config(format!(
                "{}disabled_rules: there is no rule `{id}`; see `overstay rules list`",
                file.unwrap_or_default()
            )));
        }
    }
    Ok(pack)
}

type Acceptance = (Option<Baseline>, Option<Waivers>, Texts);

fn load_acceptance(request: &ScanRequest) -> Result<Acceptance, PipelineError> {
    let refuse = |e: &dyn std::fmt::Display| PipelineError::Baseline(e.to_string());
    let mut texts = Texts::default();
    let mut baseline = None;
    if let Some(path) = &request.baseline {
        baseline = Some(Baseline::load(path).map_err(|e| refuse(&e))?);
        texts.baseline = Some(std::fs::read_to_string(path).map_err(|e| refuse(&e))?);
    }
    let mut waivers = None;
    if let Some(path) = &request.waivers {
        waivers = Some(Waivers::load(path).map_err(|e| refuse(&e))?);
        texts.waivers = Some(std::fs::read_to_string(path).map_err(|e| refuse(&e))?);
    }
    Ok((baseline, waivers, texts))
}

/// As-of time: asked for, else set, else the newest evidence. The wall clock is never read.
fn as_of(
    request: &ScanRequest,
    settings: &Settings,
    read: &Ingested,
) -> Result<Time, PipelineError> {
    // A ledger without rows is evidence; one of which no row could be read is none.
    let sources = &read.facts.sources;
    let nothing_read = sources.iter().all(|s| s.accepted == 0);
    if sources.is_empty() || (nothing_read && sources.iter().any(|s| s.quarantined > 0)) {
        return Err(PipelineError::NoInput(no_input(request, read)));
    }
    let newest = read
        .facts
        .sources
        .iter()
        .flat_map(|s| [s.last_time, s.collected_at, s.window_end])
        .flatten()
        .max();
    request.as_of.or(settings.as_of).or(newest).ok_or_else(|| {
        PipelineError::Config(
            "no input carries a time; say at which instant to judge with `--as-of`".into(),
        )
    })
}

fn no_input(request: &ScanRequest, read: &Ingested) -> String {
    let paths: Vec<String> = request.inputs.iter().map(|p| format!("`{}`", p.display())).collect();
    let mut out = format!("nothing to assess in {}", paths.join(", "));
    for f in read.failed.iter().take(10) {
        out.push_str(&format!("\n  {}", f.error));
    }
    for u in read.unknown.iter().take(10) {
        out.push_str(&format!("\n  `{}` is of no known format: {}", u.file, u.why));
    }
    for s in read.facts.sources.iter().filter(|s| s.quarantined > 0).take(10) {
        let first = read.facts.quarantine.iter().find(|q| q.source_id == s.source_id);
        let first = first.map_or_else(String::new, |q| format!("; {}: {}", q.source_ref, q.reason));
        out.push_str(&format!(
            "\n  `{}`: none of its {} records could be read{first}",
            s.file, s.records
        ));
    }
    out.push_str("\n  `overstay inspect` shows how each file is seen");
    out
}

fn analyse(
    facts: &mut Facts,
    settings: &Settings,
    as_of: Time,
    pack: &Pack,
    survey: Option<&analyze::survey::Survey>,
) -> Derived {
    let resolution = analyze::identities(facts, settings);
    let needed = |layer: Layer| {
        pack.rules().any(|r| {
            !settings.disabled_rules.contains_key(&r.id)
                && r.needs.iter().any(|n| n == layer.as_str())
        })
    };
    let options = analyze::Options { as_of, needed: &needed, survey };
    analyze::derive(facts, settings, &resolution, &options)
}

/// Coverage of the files of which nothing could be read.
fn unread<'a>(
    ingested: &'a Ingested,
    settings: &'a Settings,
) -> impl Iterator<Item = crate::facts::Coverage> + 'a {
    let failed = ingested.failed.iter().map(|f| (&f.file, &f.error));
    let unknown = ingested.unknown.iter().map(|u| (&u.file, &u.why));
    failed.chain(unknown).map(|(file, why)| analyze::coverage::unread(settings, file, why))
}

/// The policies in force on each principal, with their documents.
#[must_use]
pub fn access(facts: &Facts, derived: &Derived) -> Snapshot {
    let documents = facts.roles.iter().filter_map(|r| r.document.as_ref());
    Snapshot::new(&derived.policies_in_force, documents)
}

/// Whether rows of this granularity say what was used, and not only when somebody was last seen.
fn lists_use(grain: UsageGrain) -> bool {
    matches!(grain, UsageGrain::Event | UsageGrain::Action | UsageGrain::Service)
}

/// Rule that judges waivers; it runs last, because it needs what the waivers matched.
const WAIVER_RULE: &str = "EVD-004";

/// Files, each with what is to be said about it.
type Named = Vec<(String, String)>;

/// A run between analysis and report.
struct Run {
    sealed: Sealed,
    bundle_only: bool,
    settings: Settings,
    pack: Pack,
    as_of: Time,
    ingested: Ingested,
    derived: Derived,
    baseline: Option<(PathBuf, Baseline)>,
    /// Policies in force; empty without a baseline, which alone asks for them.
    access: Snapshot,
    waivers: Option<Waivers>,
}

impl Run {
    /// Words of `needs` that are there.
    fn present(&self) -> BTreeSet<String> {
        let facts = &self.ingested.facts;
        let mut out: BTreeSet<String> =
            facts.sources.iter().map(|s| s.layer.as_str().to_owned()).collect();
        let s = &self.settings;
        let also = [
            (!facts.credentials.is_empty(), "credential"),
            (!facts.owners.is_empty(), "owner"),
            (facts.usage.iter().any(|u| lists_use(u.grain)), "usage"),
            (!facts.reviews.is_empty(), "review"),
            (self.baseline.is_some(), "baseline"),
            (self.waivers.is_some(), "waivers"),
            (!s.approved_roles.is_empty(), "settings:approved_roles"),
            (!s.duties.is_empty(), "settings:duties"),
            (!s.approval.approvers.is_empty(), "settings:approval.approvers"),
            (s.environments.iter().any(|e| e.jit_only), "settings:environment"),
        ];
        out.extend(also.iter().filter(|(there, _)| *there).map(|(_, word)| (*word).to_owned()));
        out
    }

    fn run_rules(&self, waiver_rule: bool) -> Result<RunOutput, PipelineError> {
        let only: BTreeSet<String> = self
            .pack
            .rules()
            .map(|r| r.id.clone())
            .filter(|id| (id == WAIVER_RULE) == waiver_rule)
            .collect();
        let present = self.present();
        let input = RunInput {
            tables: self.derived.rows().into_iter().collect(),
            limits: &self.settings.limits,
            as_of: self.as_of,
            sources: &self.ingested.facts.sources,
            present: &present,
            disabled: &self.settings.disabled_rules,
            only: Some(&only),
        };
        rules::run(&self.pack, &input).map_err(config)
    }

    fn judge(&mut self) -> Result<View, PipelineError> {
        if self.bundle_only {
            let asked = |table: &str| self.pack.rules().any(|r| r.population.table == table);
            let done = Done::analysed(&mut self.ingested.facts, &mut self.derived, &asked);
            // First of all: what goes then makes room for the findings.
            self.sealed = Sealed::of(done, &self.ingested.facts, &self.derived)?;
        }
        let mut out = self.run_rules(false)?;
        if let Some(w) = &self.waivers {
            // A trial run: what the waivers match is itself evidence that a rule judges.
            let mut trial = out.findings.clone();
            self.derived.waiver_facts =
                w.apply(&mut trial, self.as_of, &self.settings.limits).facts;
        }
        let last = self.run_rules(true)?;
        out.results.extend(last.results);
        out.results.sort_by(|a, b| a.rule.cmp(&b.rule));
        // Both lists are sorted; to sort the whole again takes room for half of it.
        if !last.findings.is_empty() {
            out.findings.extend(last.findings);
            out.findings.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        }
        if self.bundle_only {
            let gone = Done::judged(&mut self.derived);
            rayon::spawn(move || drop(gone));
        }
        let mut view = self.view(out.results, out.findings, Accepted::default());
        if let Some((path, b)) = &self.baseline {
            b.check_scope(&path.display().to_string(), &view)
                .map_err(|e| PipelineError::Baseline(e.to_string()))?;
        }
        if self.baseline.is_some() || self.waivers.is_some() {
            let (_, applied) = accept::accept(
                &mut view,
                self.baseline.as_ref().map(|(_, b)| ("baseline", b)),
                &self.access,
                self.waivers.as_ref(),
                self.as_of,
                &self.settings.limits,
            );
            // Conclusions and counts follow from what is open, so the view is made anew.
            let accepted = Accepted {
                waivers: applied.map(|a| a.rows).unwrap_or_default(),
                changes: view.changes.take(),
            };
            let (results, findings) = (take(&mut view.rules), take(&mut view.findings));
            view = self.view(results, findings, accepted);
        }
        Ok(view)
    }

    fn finish(self, view: View, texts: Texts) -> Scan {
        let pairs = self.files();
        Scan {
            as_of: self.as_of,
            settings: self.settings,
            facts: self.ingested.facts,
            derived: self.derived,
            view,
            texts,
            unknown_files: pairs.0,
            failed_files: pairs.1,
            screening: None,
            exceptions: None,
            sealed: self.sealed,
        }
    }

    fn view(&self, results: Vec<RuleResult>, findings: Vec<Finding>, accepted: Accepted) -> View {
        let loosened = self.settings.limits.loosened();
        let period = self.settings.period.map(|(a, b)| (a.to_rfc3339(), b.to_rfc3339()));
        let (unknown_files, failed_files) = self.files();
        let unread: Vec<&str> =
            failed_files.iter().chain(&unknown_files).map(|(file, _)| file.as_str()).collect();
        let basis = frameworks::Basis {
            loosened: &loosened,
            not_applicable: &self.settings.not_applicable,
            unread: &unread,
            sources: self.ingested.facts.sources.len() as u64,
            period: period.as_ref().map(|(a, b)| (a.as_str(), b.as_str())),
            ..frameworks::Basis::default()
        };
        let frameworks = frameworks::conclude(&results, &findings, &basis);
        assemble(Assemble {
            settings: &self.settings,
            as_of: self.as_of,
            period: self.settings.period,
            facts: &self.ingested.facts,
            entitlements: self.sealed.entitlements + self.ingested.facts.entitlements.len(),
            derived: &self.derived,
            results,
            findings,
            frameworks,
            crosswalk: frameworks::crosswalk(),
            waivers: accepted.waivers,
            changes: accepted.changes,
            blind_spots: frameworks::blind_spots(),
            unknown_files,
            failed_files,
            digests: self.digests(),
            rules_total: self.pack.len(),
        })
    }

    fn files(&self) -> (Named, Named) {
        let unknown =
            self.ingested.unknown.iter().map(|u| (u.file.clone(), u.why.clone())).collect();
        let failed =
            self.ingested.failed.iter().map(|f| (f.file.clone(), f.error.clone())).collect();
        (unknown, failed)
    }

    fn digests(&self) -> BTreeMap<String, String> {
        let inputs: Vec<&str> =
            self.ingested.facts.sources.iter().flat_map(|s| [&*s.file, &*s.sha256]).collect();
        let mut out = BTreeMap::from([
            ("inputs".to_owned(), digest(&inputs)),
            ("rule_pack".to_owned(), self.pack.digest()),
            ("settings".to_owned(), self.settings.digest.clone()),
        ]);
        if let Some((_, b)) = &self.baseline {
            out.insert("baseline".to_owned(), b.header.body_sha256.clone());
        }
        if let Some(w) = &self.waivers {
            out.insert("waivers".to_owned(), w.digest.clone());
        }
        out
    }
}

/// What baseline and waivers made of the findings.
#[derive(Default)]
struct Accepted {
    waivers: Vec<WaiverRow>,
    changes: Option<Changes>,
}

/// Writes the evidence bundle of a run.
///
/// # Errors
/// When a format is unknown ([`PipelineError::Config`]) or the bundle cannot be written.
pub fn write_bundle(scan: &Scan, dir: &Path, formats: &[String]) -> Result<(), PipelineError> {
    let names: Vec<&str> = formats.iter().map(String::as_str).collect();
    let mut out = files::view_files(&scan.view);
    let rendered = registry::render(&scan.view, &names).map_err(config)?;
    out.extend(rendered.into_iter().filter(|f| f.path != files::REPORT));
    out.push(files::settings_file(&scan.settings, &scan.texts.settings));
    out.extend(scan.texts.baseline.as_deref().map(files::baseline_file));
    out.extend(scan.texts.waivers.as_deref().map(files::waivers_file));
    out.extend(scan.exceptions.as_ref().map(Exceptions::file));
    out.push(files::reproduce_file(&scan.view, formats));
    let tables = files::rows_files(scan.facts.rows());
    let tables = tables.into_iter().chain(files::rows_files(scan.derived.rows()));
    out.extend(scan.sealed.with(tables));
    let epoch = std::env::var("SOURCE_DATE_EPOCH").ok();
    let manifest = Manifest::new(&scan.view, formats, epoch.as_deref());
    bundle::write(dir, out, manifest).map_err(|e| match e {
        bundle::BundleError::NotABundle { .. } => config(e),
        other => internal(other),
    })
}
