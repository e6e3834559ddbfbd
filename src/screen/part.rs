//! The records of chosen grants, read again and in full: their rows, and the approvals, tasks and uses
//! that go with them, as the adapters tell them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::plan::{File, Kind};
use super::rows::Place;
use crate::analyze::tasks::{issue_numbers, ticket_ids};
use crate::facts::{Facts, Text};
use crate::ingest::detect;
use crate::ingest::source::{Batch, Shape};
use crate::ingest::table::Single;

/// Which rows of a file are wanted.
enum Wanted {
    /// By row or line.
    Rows(BTreeSet<u32>),
    /// By the value of a field.
    Named(&'static str, BTreeSet<Text>),
}

/// Reads the rows of these grants and what goes with them. `sources` stays empty.
///
/// # Errors
/// When a file cannot be read again.
pub fn read(files: &[File], places: &BTreeSet<Place>) -> Result<Facts, String> {
    let mut facts = Facts::default();
    for (number, file) in files.iter().enumerate().filter(|(_, f)| f.kind == Kind::Grants) {
        let from = (number as u64) << 32;
        let rows: BTreeSet<u32> = places.range(from..from + (1 << 32)).map(|p| *p as u32).collect();
        facts.append(rows_of(file, &Wanted::Rows(rows))?);
    }
    let grants: BTreeSet<Text> = facts.grants.iter().map(|g| g.grant_id.clone()).collect();
    let mut tasks: BTreeSet<Text> =
        facts.grants.iter().filter_map(|g| g.task_ref.clone()).collect();
    for reason in facts.grants.iter().filter_map(|g| g.justification.as_deref()) {
        tasks.extend(ticket_ids(reason).chain(issue_numbers(reason)).map(crate::facts::text));
    }
    for file in files {
        let wanted = match file.kind {
            Kind::Grants => continue,
            Kind::Tasks => Wanted::Named("task_id", tasks.clone()),
            Kind::Approvals | Kind::Usage => Wanted::Named("grant_id", grants.clone()),
        };
        facts.append(rows_of(file, &wanted)?);
    }
    Ok(facts)
}

fn rows_of(file: &File, wanted: &Wanted) -> Result<Facts, String> {
    let none = match wanted {
        Wanted::Rows(rows) => rows.is_empty(),
        Wanted::Named(_, names) => names.is_empty(),
    };
    if none {
        return Ok(Facts::default());
    }
    let mut batch = Batch::new(&file.id);
    match file.shape {
        Shape::Parquet => columnar(file, wanted, &mut batch)?,
        _ => text_file(file, wanted, &mut batch)?,
    }
    // The screening has told them.
    batch.facts.quarantine.clear();
    Ok(batch.facts)
}

fn text_file(file: &File, wanted: &Wanted, batch: &mut Batch) -> Result<(), String> {
    let single = || Single::new(file.adapter, &file.input).map_err(|e| e.to_string());
    let (frame, reader) = (single()?, single()?);
    let (head, detected) = detect::examine(&file.input).map_err(|e| e.to_string())?;
    let field = match wanted {
        Wanted::Named(name, _) => file.adapter.fields.iter().position(|f| f.name == *name),
        Wanted::Rows(_) => None,
    };
    let mut framing = Batch::new(&file.id);
    let mut each = |cells: &[Option<Cow<'_, str>>], place: &str, _: &mut Batch| {
        let take = match wanted {
            Wanted::Rows(rows) => place
                .get(1..)
                .and_then(|n| n.parse::<u32>().ok())
                .is_some_and(|n| rows.contains(&n)),
            Wanted::Named(_, names) => field
                .and_then(|f| cells.get(f)?.as_deref())
                .is_some_and(|s| names.contains(s.trim())),
        };
        if take {
            reader.read(cells, place, batch);
        }
    };
    frame.each(&head, &detected, &mut framing, &mut each).map_err(|e| e.to_string())
}

#[cfg(feature = "columnar-io")]
fn columnar(file: &File, wanted: &Wanted, batch: &mut Batch) -> Result<(), String> {
    use rayon::prelude::*;

    use super::columnar::{Names, Piece, cut, named, pick};
    use super::id::Key;
    use super::vocabulary::Map;
    let single = Single::new(file.adapter, &file.input).map_err(|e| e.to_string())?;
    let cut = cut(file, &single)?;
    let key = Key::default();
    // A name that is met by chance is read in vain, no more.
    let hashes = Names::new(match wanted {
        Wanted::Rows(_) => Map::default(),
        Wanted::Named(_, names) => names.iter().map(|n| (key.id(n.as_bytes()), ())).collect(),
    });
    let read = |piece: &Piece| {
        let (from, rows) = (piece.from, piece.rows);
        let mut batch = Batch::new(&file.id);
        let single = Single::new(file.adapter, &file.input).map_err(|e| e.to_string())?;
        let here = match wanted {
            Wanted::Rows(all) => {
                let number = |row: usize| u32::try_from(row).unwrap_or(u32::MAX);
                all.range(number(from + 1)..=number(from + rows))
                    .map(|row| *row as usize - from - 1)
                    .collect()
            }
            Wanted::Named(name, _) => named(file, &cut, *piece, name, (&key, &hashes))?,
        };
        pick(file, &cut, *piece, &here, &single, &mut batch)?;
        Ok(batch)
    };
    let parts: Vec<Result<Batch, String>> =
        cut.pieces.par_iter().with_max_len(1).map(read).collect();
    for part in parts {
        let part = part?;
        batch.facts.append(part.facts);
    }
    Ok(())
}

#[cfg(not(feature = "columnar-io"))]
fn columnar(_: &File, _: &Wanted, _: &mut Batch) -> Result<(), String> {
    Ok(())
}
