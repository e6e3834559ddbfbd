//! Tables that are encoded when the analysis is done. When only the bundle is wanted, the rows that nothing
//! asks for any more go then: as files they take a tenth of the room, and the findings need it. Of the others
//! the rows go when rules and report have read them, and nothing needs to be encoded beside the findings.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::{PipelineError, internal};
use crate::evidence::tables;
use crate::facts::schema::Row;
use crate::facts::store::Rows;
use crate::facts::{Derived, Facts, WaiverFact};
use crate::report::OutputFile;

/// Encoded tables, and what is still asked about them.
#[derive(Clone, Debug, Default)]
pub struct Sealed {
    files: Vec<OutputFile<'static>>,
    /// Number of entitlements whose rows are gone.
    pub(super) entitlements: usize,
}

/// Rows that nothing asks for any more.
#[derive(Debug, Default)]
pub(super) struct Done {
    facts: Facts,
    derived: Derived,
}

impl Done {
    /// Takes the base tables that only the analysis asks for, which must be done, and of the derived
    /// tables those that neither a rule nor the report asks for. `asked`: whether a rule reads a table.
    pub(super) fn analysed(
        facts: &mut Facts,
        derived: &mut Derived,
        asked: &dyn Fn(&str) -> bool,
    ) -> Self {
        let mut out = Self::default();
        macro_rules! take {
            ($from:ident: $($table:ident),*) => { $( out.$from.$table = std::mem::take(&mut $from.$table); )* };
        }
        take!(facts: aliases, entitlements, memberships, roles, trusts);
        macro_rules! unless_asked {
            ($($table:ident),*) => { $( if !asked(stringify!($table)) { take!(derived: $table); } )* };
        }
        unless_asked!(escalations, exposures, policies_in_force, policy_facts);
        out
    }

    /// Takes the derived tables that only rules ask for, which must have run.
    pub(super) fn judged(derived: &mut Derived) -> Self {
        let mut out = Self::default();
        macro_rules! take {
            ($($table:ident),*) => { $( out.derived.$table = std::mem::take(&mut derived.$table); )* };
        }
        take!(
            escalations,
            exposures,
            policies_in_force,
            policy_facts,
            identity_facts,
            use_profiles
        );
        out
    }
}

/// Tables that take the longest to encode, the longest first. Those that take the most room are apart.
const LONG: [&str; 9] = [
    "policy_facts",
    "exposures",
    "holdings",
    "identity_facts",
    "entitlements",
    "policies_in_force",
    "use_profiles",
    "roles",
    "escalations",
];

/// A table that waits to be encoded; rows that it owns go when that is done.
struct Waiting<'a> {
    table: &'static str,
    encode: Box<dyn FnOnce() -> Result<OutputFile<'static>, PipelineError> + Send + 'a>,
}

impl<'a> Waiting<'a> {
    /// `None` without rows.
    fn owned<R: Row + std::fmt::Debug + Send + Sync + 'a>(rows: Vec<R>) -> Option<Self> {
        let table = R::TABLE.name;
        let there = !rows.is_empty();
        there.then(|| Self { table, encode: Box::new(move || encode(table, &rows)) })
    }

    /// `None` without rows.
    fn kept(table: &'static str, rows: &'a dyn Rows) -> Option<Self> {
        let there = rows.height() > 0;
        there.then(|| Self { table, encode: Box::new(move || encode(table, rows)) })
    }
}

fn encode(table: &str, rows: &dyn Rows) -> Result<OutputFile<'static>, PipelineError> {
    let file = tables::file(table, rows);
    let bytes = file.to_bytes().map_err(internal)?;
    Ok(OutputFile::of_bytes(file.path.clone(), file.media_type, bytes))
}

impl Sealed {
    /// Encodes tables, each thread one after the other: a table that is being encoded takes much room. Rows
    /// that are done go; those of the other tables, which must not change any more, stay.
    ///
    /// # Errors
    /// When a table cannot be encoded.
    pub(super) fn of(done: Done, facts: &Facts, derived: &Derived) -> Result<Self, PipelineError> {
        let mut out = Self { entitlements: done.facts.entitlements.len(), files: Vec::new() };
        let mut all: Vec<Waiting<'_>> = Vec::new();
        macro_rules! each {
            ($from:ident: $($table:ident),*) => { $( all.extend(Waiting::owned(done.$from.$table)); )* };
        }
        each!(facts: roles, entitlements, aliases, memberships, trusts);
        each!(derived: policy_facts, exposures, policies_in_force, escalations);
        let kept = facts.rows().into_iter().chain(derived.rows());
        // Facts about waivers come after the findings.
        let kept = kept.filter(|(table, _)| *table != WaiverFact::TABLE.name);
        all.extend(kept.filter_map(|(table, rows)| Waiting::kept(table, rows)));
        let rank = |w: &Waiting<'_>| LONG.iter().position(|long| *long == w.table);
        // Taken from the end.
        all.sort_by_key(|w| std::cmp::Reverse(rank(w).unwrap_or(LONG.len())));
        let left = Mutex::new(all);
        let made: Mutex<Vec<Result<OutputFile<'static>, PipelineError>>> = Mutex::default();
        let next = || left.lock().unwrap_or_else(PoisonError::into_inner).pop();
        rayon::scope(|scope| {
            for _ in 0..rayon::current_num_threads() {
                scope.spawn(|_| {
                    while let Some(waiting) = next() {
                        let file = (waiting.encode)();
                        made.lock().unwrap_or_else(PoisonError::into_inner).push(file);
                    }
                });
            }
        });
        let made = made.into_inner().unwrap_or_else(PoisonError::into_inner);
        out.files = made.into_iter().collect::<Result<_, _>>()?;
        // In one order, whoever was done first.
        out.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(out)
    }

    /// The files of all tables: those sealed, and of the others one each.
    pub(super) fn with<'a>(
        &'a self,
        others: impl Iterator<Item = OutputFile<'a>>,
    ) -> Vec<OutputFile<'a>> {
        let sealed: BTreeSet<&str> = self.files.iter().map(|f| f.path.as_str()).collect();
        let others = others.filter(|f| !sealed.contains(f.path.as_str()));
        self.files.iter().cloned().chain(others).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{ScanRequest, scan, write_bundle};

    const EXPORT: &str = r#"{"UserDetailList":[{"Path":"/","UserName":"a","UserId":"AIDAA","Arn":"arn:aws:iam::111122223333:user/a","CreateDate":"2025-01-01T00:00:00Z","GroupList":["g"],"UserPolicyList":[{"PolicyName":"p","PolicyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"*"}]}}]}],"GroupDetailList":[{"Path":"/","GroupName":"g","GroupId":"AGPAG","Arn":"arn:aws:iam::111122223333:group/g","CreateDate":"2025-01-01T00:00:00Z","GroupPolicyList":[]}],"RoleDetailList":[{"Path":"/","RoleName":"r","RoleId":"AROAR","Arn":"arn:aws:iam::111122223333:role/r","CreateDate":"2025-01-01T00:00:00Z","AssumeRolePolicyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]},"InstanceProfileList":[],"RolePolicyList":[{"PolicyName":"p","PolicyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}}]}],"Policies":[],"IsTruncated":false}"#;

    fn bundle(input: &Path, out: &Path, bundle_only: bool) -> Vec<(String, Vec<u8>)> {
        let request = ScanRequest {
            inputs: vec![input.to_path_buf()],
            as_of: crate::facts::time::parse_rfc3339("2026-06-01T00:00:00Z"),
            bundle_only,
            ..ScanRequest::default()
        };
        let scan = scan(&request).unwrap();
        assert_eq!(scan.facts.roles.is_empty(), bundle_only);
        assert_eq!(scan.derived.exposures.is_empty(), bundle_only);
        write_bundle(&scan, out, &["all".to_owned()]).unwrap();
        let manifest = crate::evidence::bundle::read(out).unwrap();
        let paths = manifest.outputs.into_iter().map(|o| o.path);
        let mut all: Vec<(String, Vec<u8>)> =
            paths.map(|p| (p.clone(), std::fs::read(out.join(&p)).unwrap())).collect();
        all.sort();
        all
    }

    #[test]
    fn sealed_tables_are_the_same_files() {
        let dir = tempfile::tempdir().unwrap();
        let input = dir.path().join("authz.json");
        std::fs::write(&input, EXPORT).unwrap();
        let plain = bundle(&input, &dir.path().join("plain"), false);
        let sealed = bundle(&input, &dir.path().join("sealed"), true);
        assert!(plain.iter().any(|(p, _)| p.starts_with("facts/roles.")));
        let names = |all: &[(String, Vec<u8>)]| -> Vec<String> {
            all.iter().map(|(p, _)| p.clone()).collect()
        };
        assert_eq!(names(&plain), names(&sealed));
        for ((path, a), (_, b)) in plain.iter().zip(&sealed) {
            assert!(a == b, "{path} differs");
        }
    }
}
