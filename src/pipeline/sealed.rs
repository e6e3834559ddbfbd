//! Tables that are encoded as soon as nothing asks for their rows any more. When only the bundle is wanted
//! the rows go then: as files they take a tenth of the room, and what is done next needs it.

use std::collections::BTreeSet;

use super::{PipelineError, internal};
use crate::evidence::tables;
use crate::facts::schema::Row;
use crate::facts::store::Rows;
use crate::facts::{Derived, Facts};
use crate::report::OutputFile;

/// Encoded tables, and what is still asked about them.
#[derive(Clone, Debug, Default)]
pub struct Sealed {
    files: Vec<OutputFile<'static>>,
    /// Number of entitlements among them.
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

fn seal<R: Row + std::fmt::Debug + Send + Sync>(
    rows: Vec<R>,
    files: &mut Vec<OutputFile<'static>>,
) -> Result<(), PipelineError> {
    if rows.is_empty() {
        return Ok(());
    }
    let file = tables::file(R::TABLE.name, &rows as &dyn Rows);
    let bytes = file.to_bytes().map_err(internal)?;
    files.push(OutputFile::of_bytes(file.path.clone(), file.media_type, bytes));
    Ok(())
}

impl Sealed {
    /// Encodes tables, one after the other: a table that is being encoded takes much room.
    ///
    /// # Errors
    /// When a table cannot be encoded.
    pub(super) fn of(done: Done) -> Result<Self, PipelineError> {
        let mut out = Self { entitlements: done.facts.entitlements.len(), ..Self::default() };
        let Done { facts, derived } = done;
        macro_rules! each {
            ($from:ident: $($table:ident),*) => { $( seal($from.$table, &mut out.files)?; )* };
        }
        each!(facts: roles, entitlements, aliases, memberships, trusts);
        each!(derived: policy_facts, exposures, policies_in_force, identity_facts, escalations, use_profiles);
        Ok(out)
    }

    /// Adds what was sealed later.
    pub(super) fn extend(&mut self, more: Self) {
        self.files.extend(more.files);
        self.entitlements += more.entitlements;
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
