//! How large ledgers are screened.

use serde::Deserialize;

/// `[screening]` of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Screening {
    /// Ledgers of at least so many grants are screened.
    pub from_grants: usize,
    /// Memory that rows may take while they are joined, MiB; beyond it they go to a temporary file.
    pub memory_mib: usize,
    /// Ledgers of more grants than this end with an error where they cannot be screened: judged row by
    /// row, a grant with its task, approval and use takes about 10 KiB.
    pub rows_up_to: usize,
    /// Exceptions of each rule that become full findings, the first in order of the records.
    pub findings_per_rule: usize,
}

impl Default for Screening {
    fn default() -> Self {
        Self {
            from_grants: 200_000,
            memory_mib: 1024,
            rows_up_to: 2_000_000,
            findings_per_rule: 100,
        }
    }
}
