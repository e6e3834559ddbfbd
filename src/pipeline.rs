//! The one place that joins the stages.

use std::path::PathBuf;

use crate::facts::{Derived, Facts, Time};
use crate::findings::{Finding, RuleResult};
use crate::report::View;
use crate::settings::Settings;

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
    /// Rule results.
    pub results: Vec<RuleResult>,
    /// Findings with their status, worst first.
    pub findings: Vec<Finding>,
    /// The report's view.
    pub view: View,
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

/// Reads, analyses and judges.
///
/// # Errors
/// See [`PipelineError`].
pub fn scan(_request: &ScanRequest) -> Result<Scan, PipelineError> {
    Err(PipelineError::Internal("not built yet".into()))
}
