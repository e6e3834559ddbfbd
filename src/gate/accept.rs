//! Judging a finished view against a baseline and waivers again, without another analysis.

use crate::facts::Time;
use crate::findings::Status;
use crate::privilege::aws::compare::Snapshot;
use crate::report::View;
use crate::settings::Limits;

use super::baseline::Baseline;
use super::compare::Comparison;
use super::waivers::{Applied, Waivers};

/// Sets the status of every finding from the given baseline and waivers, and the parts of the view
/// that follow from it. Without a baseline (or waivers) the statuses that came from one stay.
pub fn accept(
    view: &mut View,
    baseline: Option<(&str, &Baseline)>,
    access: &Snapshot,
    waivers: Option<&Waivers>,
    as_of: Time,
    limits: &Limits,
) -> (Option<Comparison>, Option<Applied>) {
    for f in &mut view.findings {
        if (f.status == Status::Baselined && baseline.is_some())
            || (f.status == Status::Waived && waivers.is_some())
        {
            f.status = Status::Open;
        }
    }
    let comparison = baseline.map(|(name, b)| {
        let c = b.compare(name, view, access);
        c.apply(&b.findings, &mut view.findings);
        view.changes = Some(c.to_changes());
        c
    });
    let applied = waivers.map(|w| {
        let a = w.apply(&mut view.findings, as_of, limits);
        view.waivers.clone_from(&a.rows);
        a
    });
    recount(view);
    (comparison, applied)
}

fn recount(view: &mut View) {
    let count = |s: Status| view.findings.iter().filter(|f| f.status == s).count() as u64;
    view.summary.baselined = count(Status::Baselined);
    view.summary.waived = count(Status::Waived);
    view.summary.open.clear();
    view.summary.possible = 0;
    for f in view.findings.iter().filter(|f| f.status == Status::Open) {
        *view.summary.open.entry(f.severity.as_str().to_owned()).or_default() += 1;
        view.summary.possible += u64::from(f.certainty != "certain");
    }
}
