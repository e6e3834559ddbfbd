//! The order of reading: grants, then the tasks that they name, then approvals and uses, which name them.

use rayon::prelude::*;

#[cfg(feature = "columnar-io")]
use super::columnar;
use super::join::{self, Stage};
use super::plan::{File, Kind, Refusal};
use super::read::Worker;
use super::rows::Spot;
use super::shared::Shared;
use super::store::Budget;
use super::table::{Known, Wanted};
use super::{each_part, failed, refused};
use crate::ingest::reader;
use crate::ingest::source::Shape;
use crate::ingest::table::Single;

/// Digest and size of each file.
///
/// # Errors
/// When a file cannot be read.
pub fn digests(files: &[File]) -> Result<Vec<(String, u64)>, Refusal> {
    let digest = |f: &File| {
        reader::digest(&f.input.path)
            .map_err(|e| Refusal::Failed(format!("cannot read `{}`: {e}", f.input.name)))
    };
    files.par_iter().map(digest).collect()
}

/// Reads everything: grants, then what names them or is named by them.
///
/// # Errors
/// Why the inputs cannot be screened.
pub fn all(shared: &Shared<'_>, files: &[File], budget: &Budget) -> Result<(), Refusal> {
    let numbered: Vec<(usize, &File)> = files.iter().enumerate().collect();
    let (columnar, text): (Vec<_>, Vec<_>) =
        numbered.into_iter().partition(|(_, f)| f.shape == Shape::Parquet);
    // A text is read by one worker, so all of them are read at once, and what is no grant waits.
    let of = |kinds: &[Kind]| -> Vec<(usize, &File)> {
        columnar.iter().copied().filter(|(_, f)| kinds.contains(&f.kind)).collect()
    };
    let (a, b) = rayon::join(
        || read_columnar(shared, &of(&[Kind::Grants]), &|| Ok(())),
        || read_text(shared, &text),
    );
    a.and(b)?;
    refused(shared)?;
    if shared.has_tasks {
        let wanted = Wanted::new(&shared.wanted, budget).map_err(failed)?;
        shared.wanted.close();
        rest(shared, &of(&[Kind::Tasks]), Stage::Tasks(&wanted))?;
        shared.tasks.close();
        each_part(shared, |at| join::idle_tasks(shared, at))?;
        shared.sides.idle.close();
    }
    let again = |a: Spot, b: Spot| {
        if a.number() != b.number() {
            shared.refuse("a grant id of two ledgers");
        }
        shared.marks.grant("a grant id that occurs twice", a);
        shared.marks.grant("a grant id that occurs twice", b);
    };
    let known = Known::new(&shared.keys, budget, again).map_err(failed)?;
    shared.keys.close();
    rest(shared, &of(&[Kind::Approvals, Kind::Usage]), Stage::Rest(&known))?;
    shared.approvals.close();
    shared.uses.close();
    each_part(shared, |at| join::shared_approvals(shared, at))?;
    shared.named.close();
    shared.sides.loose.close();
    Ok(())
}

/// Reads what finds its grants now, and takes up what waited.
fn rest(shared: &Shared<'_>, files: &[(usize, &File)], stage: Stage<'_>) -> Result<(), Refusal> {
    let waiting = || join::waiting(shared, stage).map_err(failed);
    waiting()?;
    read_columnar(shared, files, &waiting)?;
    refused(shared)
}

#[cfg(feature = "columnar-io")]
fn read_columnar(
    shared: &Shared<'_>,
    files: &[(usize, &File)],
    after: &dyn Fn() -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    columnar::read(shared, files, after)
}

#[cfg(not(feature = "columnar-io"))]
fn read_columnar(
    _: &Shared<'_>,
    _: &[(usize, &File)],
    _: &dyn Fn() -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    Ok(())
}

fn read_text(shared: &Shared<'_>, files: &[(usize, &File)]) -> Result<(), Refusal> {
    let done: Vec<Result<(), String>> = files
        .par_iter()
        .with_max_len(1)
        .map(|(number, file)| {
            let single = || Single::new(file.adapter, &file.input).map_err(|e| e.to_string());
            let mut worker = Worker::new(shared, *number, file, single()?);
            worker.text_file(&single()?)?;
            worker.finish();
            Ok(())
        })
        .collect();
    done.into_iter().collect::<Result<(), String>>().map_err(Refusal::Failed)
}
