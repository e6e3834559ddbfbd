//! Conclusions per control, from rule results and findings.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::blind;
use super::catalogue::{Catalogue, MAIN, catalogue};
use super::wording::{Counts, Style, counted, note, number, statement};
use crate::findings::{Finding, RuleResult, Status};
use crate::report::view::{Conclusion, FrameworkView};
use crate::settings::NotApplicable;

/// Most fingerprints listed with one conclusion.
const MAX_FINDINGS: usize = 50;

/// Limits that act through a derived column and not through the predicate of the rule.
const INDIRECT: &[(&str, &str)] =
    &[("waiver_max_days", "EVD-004"), ("waiver_max_days_high", "EVD-004")];

/// What conclusions rest on, beside results and findings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Basis<'a> {
    /// Limits set looser than their bound ([`crate::settings::Limits::loosened`]).
    pub loosened: &'a [&'a str],
    /// Files that were given and of which nothing could be read: no population is known to be whole.
    pub unread: &'a [&'a str],
    /// Controls that the scope statement excludes.
    pub not_applicable: &'a [NotApplicable],
    /// Frameworks to conclude on; all main ones when absent.
    pub select: Option<&'a [String]>,
    /// Number of sources read, for the sentences; 0 leaves it out.
    pub sources: u64,
    /// Audited period as printed, for the sentences.
    pub period: Option<(&'a str, &'a str)>,
}

/// The fixed vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    ExceptionsNoted,
    ExceptionsAccepted,
    NoExceptionsNoted,
    PartiallyAssessed,
    NotAssessed,
    NotApplicable,
}

impl Word {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ExceptionsNoted => "exceptions_noted",
            Self::ExceptionsAccepted => "exceptions_accepted",
            Self::NoExceptionsNoted => "no_exceptions_noted",
            Self::PartiallyAssessed => "partially_assessed",
            Self::NotAssessed => "not_assessed",
            Self::NotApplicable => "not_applicable",
        }
    }
}

/// Rules that map one control.
#[derive(Default)]
struct Mapped<'a> {
    testing: Vec<&'a RuleResult>,
    supporting: Vec<&'a RuleResult>,
}

impl<'a> Mapped<'a> {
    fn all(&self) -> impl Iterator<Item = &'a RuleResult> + '_ {
        self.testing.iter().chain(&self.supporting).copied()
    }

    /// Rules whose population the conclusion speaks about.
    fn basis(&self) -> &[&'a RuleResult] {
        if self.testing.is_empty() { &self.supporting } else { &self.testing }
    }
}

/// Findings of each rule with their rank among all ([`Finding::sort_key`]).
type ByRule<'a> = BTreeMap<&'a str, Vec<(usize, &'a Finding)>>;

/// Concludes on every control of the main frameworks that a rule maps, and lists the blind spots as not assessed.
///
/// Only a rule that *tests* a control can note an exception of it. A control without an exception is concluded
/// on only when all its rules ran over their whole population with limits inside their bounds.
#[must_use]
pub fn conclude(
    results: &[RuleResult],
    findings: &[Finding],
    basis: &Basis<'_>,
) -> Vec<FrameworkView> {
    let mut by_rule = ByRule::new();
    // The keys of findings are long texts: they are compared once, and not for each control.
    let mut ranked: Vec<&Finding> = findings.iter().collect();
    if !ranked.is_sorted_by(|a, b| a.sort_key() <= b.sort_key()) {
        ranked.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
    }
    for (rank, finding) in ranked.into_iter().enumerate() {
        by_rule.entry(finding.rule.as_str()).or_default().push((rank, finding));
    }
    MAIN.par_iter()
        .filter(|id| basis.select.is_none_or(|wanted| wanted.iter().any(|w| w == *id)))
        .filter_map(|id| catalogue(id))
        .map(|known| framework(known, results, &by_rule, basis))
        .collect()
}

fn framework(
    known: &Catalogue,
    results: &[RuleResult],
    by_rule: &ByRule<'_>,
    basis: &Basis<'_>,
) -> FrameworkView {
    let mut mapped: BTreeMap<&str, Mapped<'_>> = BTreeMap::new();
    for result in results {
        for control in result.controls.iter().filter(|c| c.framework == known.id) {
            let entry = mapped.entry(control.id.as_str()).or_default();
            if control.relation == "tests" {
                entry.testing.push(result);
            } else {
                entry.supporting.push(result);
            }
        }
    }
    for rules in mapped.values_mut() {
        rules.testing.sort_by(|a, b| a.rule.cmp(&b.rule));
        rules.supporting.sort_by(|a, b| a.rule.cmp(&b.rule));
    }
    let mut conclusions = Vec::new();
    for control in &known.controls {
        let rules = mapped.remove(control.id.as_str());
        let excluded = out_of_scope(basis, &known.id, &control.id).is_some();
        if let Some(rules) = rules {
            conclusions.push(conclusion(known, &control.id, &rules, by_rule, basis));
        } else if excluded || blind::listed(&known.id, &control.id) {
            conclusions.push(conclusion(known, &control.id, &Mapped::default(), by_rule, basis));
        }
    }
    // Ids that only a user's own rule knows: listed last, never dropped.
    for (id, rules) in &mapped {
        conclusions.push(conclusion(known, id, rules, by_rule, basis));
    }
    FrameworkView {
        id: known.id.clone(),
        name: known.name.clone(),
        version: known.version.clone(),
        note: note(&known.id),
        conclusions,
    }
}

fn out_of_scope<'a>(basis: &Basis<'a>, framework: &str, control: &str) -> Option<&'a str> {
    basis
        .not_applicable
        .iter()
        .find(|n| n.framework == framework && n.control == control)
        .map(|n| n.reason.as_str())
}

fn conclusion(
    known: &Catalogue,
    id: &str,
    rules: &Mapped<'_>,
    by_rule: &ByRule<'_>,
    basis: &Basis<'_>,
) -> Conclusion {
    let control = known.control(id);
    let of = |list: &[&RuleResult]| -> Vec<&Finding> {
        let all = list.iter().filter_map(|r| by_rule.get(r.rule.as_str())).flatten();
        let mut all: Vec<(usize, &Finding)> = all.copied().collect();
        all.sort_by_key(|(rank, f)| (f.status, *rank));
        all.into_iter().map(|(_, f)| f).collect()
    };
    let (tested, supported) = (of(&rules.testing), of(&rules.supporting));
    let counts = count(rules, &tested, &supported);
    let gaps = gaps(rules, &counts, &supported, basis);
    let excluded = out_of_scope(basis, &known.id, id);
    let word = decide(rules, &counts, &gaps, excluded.is_some());
    let reason = match word {
        Word::NotApplicable => format!(": {}", excluded.unwrap_or_default()),
        Word::NotAssessed => why_not(known, id, rules, &counts, &gaps),
        _ => gaps.first_text(),
    };
    let label = match (known.id.as_str(), control.and_then(|c| c.kind.as_deref())) {
        ("nist-800-207", Some(kind)) => format!("{kind} {id}"),
        _ => id.to_owned(),
    };
    let listed = tested.iter().chain(&supported);
    Conclusion {
        framework: known.id.clone(),
        control: id.to_owned(),
        title: control
            .map_or_else(|| "not in the catalogue".to_owned(), |c| c.heading().to_owned()),
        conclusion: word.as_str().to_owned(),
        statement: statement(word, Style::of(&known.id), &label, &counts, &reason, basis),
        population: counts.population(),
        exceptions: counts.exceptions,
        accepted: counts.waived + counts.baselined,
        not_assessed: largest(rules.basis(), |r| r.not_assessed).values().sum(),
        rules_testing: ids(&rules.testing),
        rules_supporting: ids(&rules.supporting),
        gaps: gaps.texts(),
        findings: listed.take(MAX_FINDINGS).map(|f| f.fingerprint.clone()).collect(),
    }
}

fn ids(rules: &[&RuleResult]) -> Vec<String> {
    rules.iter().map(|r| r.rule.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Largest number per table: rules of one table test overlapping items, so a sum would count them twice.
fn largest(rules: &[&RuleResult], of: impl Fn(&RuleResult) -> u64) -> BTreeMap<String, u64> {
    let mut out: BTreeMap<String, u64> = BTreeMap::new();
    for rule in rules {
        let n = out.entry(rule.table.clone()).or_default();
        *n = (*n).max(of(rule));
    }
    out
}

fn count(rules: &Mapped<'_>, tested: &[&Finding], supported: &[&Finding]) -> Counts {
    let n = |list: &[&Finding], keep: &dyn Fn(&Finding) -> bool| {
        list.iter().filter(|f| keep(f)).count() as u64
    };
    Counts {
        items: largest(rules.basis(), |r| r.population),
        exceptions: n(tested, &|f| f.status == Status::Open && certain(f)),
        possible: n(tested, &|f| f.status == Status::Open && !certain(f)),
        waived: n(tested, &|f| f.status == Status::Waived && certain(f)),
        baselined: n(tested, &|f| f.status == Status::Baselined && certain(f)),
        supporting: n(supported, &|f| f.status == Status::Open && certain(f)),
    }
}

fn certain(finding: &Finding) -> bool {
    finding.certainty == "certain"
}

/// What keeps a conclusion from being full, in the order of importance.
struct Gaps {
    /// Rules that did not run, or not over all items; possible exceptions; supporting findings.
    open: Vec<String>,
    /// Limits looser than their bound.
    loosened: Vec<String>,
}

impl Gaps {
    fn texts(&self) -> Vec<String> {
        self.open.iter().chain(&self.loosened).cloned().collect()
    }

    fn first_text(&self) -> String {
        let rest = (self.open.len() + self.loosened.len()).saturating_sub(1);
        match self.open.iter().chain(&self.loosened).next() {
            Some(first) if rest > 0 => {
                format!(": {first}, and {}", counted(rest as u64, "more gap", "more gaps"))
            }
            Some(first) => format!(": {first}"),
            None => String::new(),
        }
    }
}

fn gaps(rules: &Mapped<'_>, counts: &Counts, supported: &[&Finding], basis: &Basis<'_>) -> Gaps {
    let mut open = Vec::new();
    // What nobody could read may hold items of any rule.
    if rules.all().next().is_some() {
        open.extend(unread_gap(basis.unread));
    }
    for rule in rules.all() {
        open.extend(rule_gap(rule));
    }
    if counts.possible > 0 {
        open.push(counted(
            counts.possible,
            "possible exception is undecided",
            "possible exceptions are undecided",
        ));
    }
    let supporting: Vec<_> = supported.iter().filter(|f| f.status == Status::Open).collect();
    if !supporting.is_empty() {
        let by: BTreeSet<&str> = supporting.iter().map(|f| f.rule.as_str()).collect();
        open.push(format!(
            "{} under supporting rules ({})",
            counted(supporting.len() as u64, "finding", "findings"),
            by.into_iter().collect::<Vec<_>>().join(", ")
        ));
    }
    let mut loosened = Vec::new();
    for limit in basis.loosened {
        let users: BTreeSet<&str> = rules
            .all()
            .filter(|r| {
                r.limits.contains_key(*limit) || INDIRECT.contains(&(*limit, r.rule.as_str()))
            })
            .map(|r| r.rule.as_str())
            .collect();
        if !users.is_empty() {
            let users = users.into_iter().collect::<Vec<_>>().join(", ");
            loosened.push(format!("limit `{limit}` of {users} is looser than its bound"));
        }
    }
    Gaps { open, loosened }
}

/// Files named in a gap.
const MAX_UNREAD: usize = 5;

fn unread_gap(files: &[&str]) -> Option<String> {
    let first = files.first()?;
    if files.len() == 1 {
        return Some(format!("`{first}` was given and could not be read"));
    }
    let named: Vec<String> = files.iter().take(MAX_UNREAD).map(|f| format!("`{f}`")).collect();
    let more = if files.len() > MAX_UNREAD { ", ..." } else { "" };
    let n = number(files.len() as u64);
    Some(format!("{n} files were given and could not be read ({}{more})", named.join(", ")))
}

fn rule_gap(rule: &RuleResult) -> Option<String> {
    let reason = rule.reason.as_deref().unwrap_or("no reason recorded");
    if rule.outcome == "not_assessed" {
        return Some(format!("{} could not be tested: {reason}", rule.rule));
    }
    if rule.not_assessed > 0 {
        let reasons = rule
            .reasons
            .iter()
            .map(|(word, n)| format!("{word} {}", number(*n)))
            .collect::<Vec<_>>()
            .join(", ");
        return Some(format!(
            "{} could not test {} of {} ({reasons})",
            rule.rule,
            number(rule.not_assessed),
            counted(rule.population, "item", "items"),
        ));
    }
    (rule.outcome == "partial").then(|| format!("{} is partial: {reason}", rule.rule))
}

fn decide(rules: &Mapped<'_>, counts: &Counts, gaps: &Gaps, excluded: bool) -> Word {
    if excluded {
        return Word::NotApplicable;
    }
    if counts.exceptions > 0 {
        return Word::ExceptionsNoted;
    }
    let ran = rules.all().any(|r| r.outcome != "not_assessed" && r.population > 0);
    if !ran {
        return Word::NotAssessed;
    }
    let accepted = counts.waived + counts.baselined;
    if accepted > 0 && counts.possible == 0 {
        return Word::ExceptionsAccepted;
    }
    if !gaps.open.is_empty() {
        return Word::PartiallyAssessed;
    }
    // Supporting rules had items; if those that test the control had none, it was not tested.
    if gaps.loosened.is_empty() && counts.population() > 0 {
        Word::NoExceptionsNoted
    } else {
        Word::NotAssessed
    }
}

/// Reason of a control that was not assessed, as the end of its sentence.
fn why_not(
    known: &Catalogue,
    id: &str,
    rules: &Mapped<'_>,
    counts: &Counts,
    gaps: &Gaps,
) -> String {
    if let Some(why) = blind::no_input(&known.id, id) {
        return format!(": {why}");
    }
    if rules.all().next().is_none() {
        return ": no rule of the pack concerns it".to_owned();
    }
    if gaps.open.is_empty() && !gaps.loosened.is_empty() {
        return format!(" at the required threshold{}", gaps.first_text());
    }
    if gaps.open.is_empty() && counts.population() == 0 {
        return ": its rules ran and found no items to test".to_owned();
    }
    gaps.first_text()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::findings::{ControlRef, Severity};

    fn control(framework: &str, id: &str, relation: &str) -> ControlRef {
        ControlRef { framework: framework.into(), id: id.into(), relation: relation.into() }
    }

    /// A rule that tests AC-6 over ten grants, all clean.
    fn rule(id: &str) -> RuleResult {
        RuleResult {
            rule: id.into(),
            table: "grant_facts".into(),
            population: 10,
            clean: 10,
            outcome: "assessed".into(),
            controls: vec![control("nist-800-53-r5", "AC-6", "tests")],
            ..RuleResult::default()
        }
    }

    fn finding(rule: &str, status: Status, certainty: &str) -> Finding {
        Finding {
            fingerprint: format!("{rule}-{status:?}-{certainty}"),
            state_digest: String::new(),
            rule: rule.into(),
            title: "".into(),
            severity: Severity::High,
            severity_reasons: vec![],
            certainty: certainty.into(),
            confidence: "high".into(),
            status,
            principal: None,
            principal_kind: None,
            privilege: None,
            scope: None,
            platform: None,
            tier: None,
            grant_id: None,
            task_id: None,
            credential_id: None,
            message: String::new(),
            remediation: "".into(),
            evidence: crate::findings::Evidence::default(),
            sources: vec![],
            controls: [].into(),
            first_seen: "".into(),
            owner: None,
        }
    }

    fn of(
        framework: &str,
        id: &str,
        results: &[RuleResult],
        findings: &[Finding],
        basis: &Basis<'_>,
    ) -> Conclusion {
        let views = conclude(results, findings, basis);
        let view = views.iter().find(|v| v.id == framework).unwrap();
        view.conclusions.iter().find(|c| c.control == id).unwrap().clone()
    }

    fn ac6(results: &[RuleResult], findings: &[Finding]) -> Conclusion {
        of("nist-800-53-r5", "AC-6", results, findings, &Basis::default())
    }

    #[test]
    fn clean_over_the_whole_population() {
        let basis =
            Basis { sources: 3, period: Some(("2026-01-01", "2026-04-01")), ..Basis::default() };
        let c = of("nist-800-53-r5", "AC-6", &[rule("R-1")], &[], &basis);
        assert_eq!(c.conclusion, "no_exceptions_noted");
        assert_eq!(
            c.statement,
            "No exceptions were noted for the assessed aspects of AC-6 in the population of 10 grants from 3 sources between 2026-01-01 and 2026-04-01."
        );
        assert_eq!((c.population, c.exceptions, c.accepted), (10, 0, 0));
        assert!(c.gaps.is_empty());
    }

    #[test]
    fn an_open_exception_is_noted_whatever_else_is_missing() {
        let mut other = rule("R-2");
        other.outcome = "not_assessed".into();
        other.population = 0;
        let found =
            [finding("R-1", Status::Open, "certain"), finding("R-1", Status::Waived, "certain")];
        let c = ac6(&[rule("R-1"), other], &found);
        assert_eq!(c.conclusion, "exceptions_noted");
        assert_eq!(c.statement, "1 exception was noted for AC-6 in the population of 10 grants.");
        assert_eq!((c.exceptions, c.accepted), (1, 1));
        assert_eq!(c.findings, ["R-1-Open-certain", "R-1-Waived-certain"]);
        assert_eq!(c.rules_testing, ["R-1", "R-2"]);
    }

    #[test]
    fn accepted_exceptions_are_no_clean_result() {
        let found = [
            finding("R-1", Status::Waived, "certain"),
            finding("R-1", Status::Baselined, "certain"),
        ];
        let c = ac6(&[rule("R-1")], &found);
        assert_eq!(c.conclusion, "exceptions_accepted");
        assert!(c.statement.contains("2 exceptions were noted"), "{}", c.statement);
        assert!(c.statement.contains("1 by waiver, 1 by the baseline"), "{}", c.statement);
    }

    #[test]
    fn untested_items_make_it_partial() {
        let mut partial = rule("R-1");
        partial.not_assessed = 4;
        partial.clean = 6;
        partial.outcome = "partial".into();
        partial.reasons = BTreeMap::from([("no_task_link".into(), 4)]);
        let c = ac6(&[partial, rule("R-2")], &[]);
        assert_eq!(c.conclusion, "partially_assessed");
        assert_eq!(c.not_assessed, 4);
        assert_eq!(c.gaps, ["R-1 could not test 4 of 10 items (no_task_link 4)"]);
        let mut missing = rule("R-2");
        missing.outcome = "not_assessed".into();
        missing.reason = Some("no_source: usage".into());
        missing.population = 0;
        let c = ac6(&[rule("R-1"), missing], &[]);
        assert_eq!(c.conclusion, "partially_assessed");
        assert_eq!(c.gaps, ["R-2 could not be tested: no_source: usage"]);
    }

    #[test]
    fn a_file_that_could_not_be_read_leaves_a_gap() {
        let basis = Basis { unread: &["bad/grants.csv.gz"], ..Basis::default() };
        let c = of("nist-800-53-r5", "AC-6", &[rule("R-1")], &[], &basis);
        assert_eq!(c.conclusion, "partially_assessed");
        assert_eq!(c.gaps, ["`bad/grants.csv.gz` was given and could not be read"]);
        assert!(c.statement.contains("bad/grants.csv.gz"), "{}", c.statement);
        let many = ["a", "b", "c", "d", "e", "f"];
        let basis = Basis { unread: &many, ..Basis::default() };
        let c = of("nist-800-53-r5", "AC-6", &[rule("R-1")], &[], &basis);
        assert_eq!(
            c.gaps,
            ["6 files were given and could not be read (`a`, `b`, `c`, `d`, `e`, ...)"]
        );
        // An exception stays one.
        let found = [finding("R-1", Status::Open, "certain")];
        let c = of("nist-800-53-r5", "AC-6", &[rule("R-1")], &found, &basis);
        assert_eq!(c.conclusion, "exceptions_noted");
    }

    #[test]
    fn possible_exceptions_are_neither_noted_nor_clean() {
        let c = ac6(&[rule("R-1")], &[finding("R-1", Status::Open, "possible")]);
        assert_eq!(c.conclusion, "partially_assessed");
        assert_eq!(c.exceptions, 0);
        assert_eq!(c.gaps, ["1 possible exception is undecided"]);
    }

    #[test]
    fn nothing_ran_or_nothing_to_test() {
        let mut none = rule("R-1");
        none.outcome = "not_assessed".into();
        none.reason = Some("no_source: state".into());
        none.population = 0;
        let c = ac6(&[none], &[]);
        assert_eq!(c.conclusion, "not_assessed");
        assert_eq!(
            c.statement,
            "AC-6 was not assessed: R-1 could not be tested: no_source: state."
        );
        let mut empty = rule("R-1");
        empty.population = 0;
        empty.clean = 0;
        let c = ac6(&[empty], &[]);
        assert_eq!(c.conclusion, "not_assessed");
        assert!(c.statement.contains("found no items"), "{}", c.statement);
    }

    #[test]
    fn a_loosened_limit_never_gives_a_clean_result() {
        let mut tuned = rule("R-1");
        tuned.limits = BTreeMap::from([("task_grace_s".into(), "999999".into())]);
        let basis = Basis { loosened: &["task_grace_s"], ..Basis::default() };
        let c = of("nist-800-53-r5", "AC-6", &[tuned.clone()], &[], &basis);
        assert_eq!(c.conclusion, "not_assessed");
        assert!(c.statement.contains("at the required threshold"), "{}", c.statement);
        let found = [finding("R-1", Status::Open, "certain")];
        let c = of("nist-800-53-r5", "AC-6", &[tuned], &found, &basis);
        assert_eq!(c.conclusion, "exceptions_noted");
        // Limits of other rules do not matter.
        let c = of("nist-800-53-r5", "AC-6", &[rule("R-2")], &[], &basis);
        assert_eq!(c.conclusion, "no_exceptions_noted");
    }

    #[test]
    fn a_limit_that_acts_through_the_facts_counts() {
        let basis = Basis { loosened: &["waiver_max_days"], ..Basis::default() };
        let c = of("nist-800-53-r5", "AC-6", &[rule("EVD-004")], &[], &basis);
        assert_eq!(c.conclusion, "not_assessed");
    }

    #[test]
    fn the_scope_statement_excludes_with_its_reason() {
        let settings = crate::settings::Settings::parse(
            "[[not_applicable]]\nframework = 'nist-800-53-r5'\ncontrol = 'AC-20'\nreason = 'no external systems are in scope'",
        )
        .unwrap();
        let basis = Basis { not_applicable: &settings.not_applicable, ..Basis::default() };
        let c = of("nist-800-53-r5", "AC-20", &[rule("R-1")], &[], &basis);
        assert_eq!(c.conclusion, "not_applicable");
        assert_eq!(c.statement, "AC-20 is not applicable: no external systems are in scope.");
    }

    #[test]
    fn support_never_notes_an_exception() {
        let mut supporting = rule("R-1");
        supporting.controls = vec![
            control("owasp-asi-2026", "ASI03", "supports"),
            control("nist-ai-rmf-1.0", "MANAGE 2.4", "supports"),
        ];
        let found = [finding("R-1", Status::Open, "certain")];
        for (framework, id, words) in [
            ("owasp-asi-2026", "ASI03", "1 finding concerns aspects of it"),
            ("nist-ai-rmf-1.0", "MANAGE 2.4", "1 finding is an indicator for it"),
        ] {
            let c = of(framework, id, &[supporting.clone()], &found, &Basis::default());
            assert_eq!(c.conclusion, "partially_assessed");
            assert_eq!(c.exceptions, 0);
            assert!(c.statement.contains(words), "{}", c.statement);
            let c = of(framework, id, &[supporting.clone()], &[], &Basis::default());
            assert_eq!(c.conclusion, "no_exceptions_noted");
            assert!(c.statement.contains("assessed aspects"), "{}", c.statement);
        }
    }

    #[test]
    fn tenets_are_consistent_or_not() {
        let mut tenet = rule("R-1");
        tenet.controls = vec![
            control("nist-800-207", "2.1-T3", "tests"),
            control("nist-800-207", "7.3.1", "tests"),
        ];
        let found = [finding("R-1", Status::Open, "certain")];
        let results = [tenet];
        let c = of("nist-800-207", "2.1-T3", &results, &found, &Basis::default());
        assert_eq!(
            c.statement,
            "The evidence is not consistent with tenet 2.1-T3: 1 exception was noted in the population of 10 grants."
        );
        let c = of("nist-800-207", "7.3.1", &results, &[], &Basis::default());
        assert!(c.statement.contains("is consistent with section 7.3.1"), "{}", c.statement);
    }

    #[test]
    fn blind_spots_are_listed_as_not_assessed() {
        let c = of("owasp-nhi-2025", "NHI2:2025", &[rule("R-1")], &[], &Basis::default());
        assert_eq!(c.conclusion, "not_assessed");
        assert!(c.statement.contains("where secrets leak to"), "{}", c.statement);
        let c = of("owasp-asi-2026", "ASI07", &[], &[], &Basis::default());
        assert_eq!(c.statement, "ASI07 was not assessed: no rule of the pack concerns it.");
    }

    #[test]
    fn frameworks_can_be_selected_and_unknown_ids_stay() {
        let mut custom = rule("R-1");
        custom.controls = vec![control("nist-800-53-r5", "XX-1", "tests")];
        let wanted = ["nist-800-53-r5".to_owned()];
        let basis = Basis { select: Some(&wanted), ..Basis::default() };
        let views = conclude(&[custom], &[], &basis);
        assert_eq!(views.len(), 1);
        let last = views[0].conclusions.last().unwrap();
        assert_eq!((last.control.as_str(), last.title.as_str()), ("XX-1", "not in the catalogue"));
        assert_eq!(conclude(&[], &[], &Basis::default()).len(), MAIN.len());
    }

    #[test]
    fn a_testing_rule_without_items_concludes_nothing() {
        let mut supporting = rule("R-1");
        supporting.controls = vec![control("nist-800-53-r5", "AC-6", "supports")];
        let empty = RuleResult { population: 0, clean: 0, ..rule("R-2") };
        let c = of("nist-800-53-r5", "AC-6", &[supporting, empty], &[], &Basis::default());
        assert_eq!((c.conclusion.as_str(), c.population), ("not_assessed", 0));
        assert!(c.statement.contains("no items to test"), "{}", c.statement);
    }

    proptest! {
        /// Whatever the evidence: the words that let a control off need whole evidence, no sentence uses a
        /// forbidden word, and the order of the inputs has no effect.
        #[test]
        fn invariants(
            rules in prop::collection::vec(
                (0u64..3, 0u64..3, prop::bool::ANY, prop::bool::ANY), 0..4),
            found in prop::collection::vec((0usize..4, 0usize..3, prop::bool::ANY), 0..6),
        ) {
            let results: Vec<RuleResult> = rules.iter().enumerate().map(|(i, (pop, missing, ran, tests))| {
                let missing = if *ran { (*missing).min(*pop) } else { 0 };
                RuleResult {
                    rule: format!("R-{i}"),
                    table: "holdings".into(),
                    population: if *ran { *pop } else { 0 },
                    not_assessed: missing,
                    outcome: match (ran, missing) {
                        (false, _) => "not_assessed",
                        (_, 0) => "assessed",
                        _ => "partial",
                    }.into(),
                    controls: vec![control("nist-800-53-r5", "AC-6", if *tests { "tests" } else { "supports" })],
                    ..RuleResult::default()
                }
            }).collect();
            let findings: Vec<Finding> = found.iter().map(|(r, status, sure)| {
                let status = [Status::Open, Status::Waived, Status::Baselined][*status];
                finding(&format!("R-{r}"), status, if *sure { "certain" } else { "possible" })
            }).collect();
            let views = conclude(&results, &findings, &Basis::default());
            let back: Vec<Finding> = findings.iter().rev().cloned().collect();
            let results_back: Vec<RuleResult> = results.iter().rev().cloned().collect();
            let again = conclude(&results_back, &back, &Basis::default());
            let pick = |v: &[FrameworkView]| v[3].conclusions.iter().find(|c| c.control == "AC-6").cloned();
            let (one, two) = (pick(&views), pick(&again));
            prop_assert_eq!(one.is_some(), !results.is_empty());
            if let (Some(c), Some(d)) = (one, two) {
                prop_assert_eq!(&c, &d);
                if c.conclusion == "no_exceptions_noted" {
                    prop_assert!(c.gaps.is_empty() && c.population > 0);
                    prop_assert_eq!(c.exceptions + c.accepted, 0);
                }
                if c.exceptions > 0 {
                    prop_assert_eq!(&c.conclusion, "exceptions_noted");
                    prop_assert!(!c.rules_testing.is_empty());
                }
                let text = c.statement.to_lowercase();
                for word in ["compliant", "certified", "passed", "score"] {
                    prop_assert!(!text.contains(word), "{}", c.statement);
                }
            }
        }
    }
}
