//! The records of chosen grants, read again and in full: their rows, and the approvals, tasks and uses
//! that go with them, as the adapters tell them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::id::{Id, Key};
use super::marks::Names;
use super::plan::{File, Kind};
use super::rows::Place;
use super::vocabulary::Map;
use crate::analyze::tasks::referred;
use crate::facts::Facts;
use crate::ingest::detect;
use crate::ingest::source::{Batch, Shape};
use crate::ingest::table::Single;

/// Which rows of a file are wanted: those of these numbers, and those of which a field has one of these
/// names. A name that is met by chance is read in vain, no more.
pub(super) struct Wanted {
    rows: BTreeSet<u32>,
    names: Vec<(&'static str, Sought)>,
    /// Of the names only the first halves are given.
    halves: bool,
}

/// Names that are looked for.
#[derive(Clone, Default)]
struct Sought {
    /// Hashed.
    all: Map<()>,
    /// In words and in order, when those of all of them are known.
    texts: Option<Vec<String>>,
}

impl Sought {
    fn of<'n>(key: &Key, names: impl Iterator<Item = &'n str>) -> Self {
        let texts: BTreeSet<&str> = names.collect();
        Self {
            all: texts.iter().map(|n| (key.id(n.as_bytes()), ())).collect(),
            texts: Some(texts.into_iter().map(str::to_owned).collect()),
        }
    }

    /// Names of which the words are not known.
    fn hashed(all: Map<()>) -> Self {
        Self { all, texts: None }
    }

    /// Adds such names.
    fn and(mut self, more: &Map<()>) -> Self {
        if !more.is_empty() {
            self.all.extend(more);
            self.texts = None;
        }
        self
    }
}

impl Wanted {
    fn is_none(&self) -> bool {
        self.rows.is_empty() && self.names.iter().all(|(_, names)| names.all.is_empty())
    }

    /// By the value of one field.
    pub(super) fn named(field: &'static str, names: Map<()>) -> Self {
        Self { rows: BTreeSet::new(), names: vec![(field, Sought::hashed(names))], halves: false }
    }

    /// By the value of one field, of whose hashes the first halves are given, with nothing behind them.
    pub(super) fn half_named(field: &'static str, names: Map<()>) -> Self {
        Self { halves: true, ..Self::named(field, names) }
    }
}

/// Reads the rows of these grants and what goes with them; with `also` what is marked by name. Records of
/// use in `places` are read too. `sources` stays empty.
///
/// # Errors
/// When a file cannot be read again.
pub fn read(
    files: &[File],
    places: &BTreeSet<Place>,
    also: Option<(&Key, &Names)>,
) -> Result<Facts, String> {
    let mut facts = Facts::default();
    let own = Key::default();
    let none = Names::default();
    let (key, also) = also.unwrap_or((&own, &none));
    let rows = |number: usize| -> BTreeSet<u32> {
        let from = (number as u64) << 32;
        places.range(from..from + (1 << 32)).map(|p| *p as u32).collect()
    };
    let numbered = || files.iter().enumerate();
    for (number, file) in numbered().filter(|(_, f)| f.kind == Kind::Grants) {
        let wanted = Wanted { rows: rows(number), names: Vec::new(), halves: false };
        facts.append(rows_of(file, &wanted, key)?);
    }
    let grants = Sought::of(key, facts.grants.iter().map(|g| &*g.grant_id));
    let tasks = Sought::of(key, facts.grants.iter().flat_map(referred)).and(&also.tasks);
    let approvals = facts.grants.iter().filter_map(|g| g.approval_ref.as_deref());
    let approvals = Sought::of(key, approvals).and(&also.approvals);
    for (number, file) in numbered() {
        let wanted = match file.kind {
            Kind::Grants => continue,
            Kind::Tasks => Wanted {
                rows: BTreeSet::new(),
                names: vec![("task_id", tasks.clone())],
                halves: false,
            },
            Kind::Approvals => Wanted {
                rows: BTreeSet::new(),
                names: vec![("grant_id", grants.clone()), ("approval_id", approvals.clone())],
                halves: false,
            },
            Kind::Usage => {
                let users = Sought::hashed(also.users.clone());
                let names =
                    vec![("grant_id", grants.clone().and(&also.unlisted)), ("principal", users)];
                Wanted { rows: rows(number), names, halves: false }
            }
        };
        let picked = wanted.rows.clone();
        let mut more = rows_of(file, &wanted, key)?;
        // Of a principal that uses something without a grant, what it uses with one is that grant's.
        more.usage.retain(|u| {
            let id = |s: &str| key.id(s.as_bytes());
            let row = || u.source_ref.get(1..).and_then(|n| n.parse().ok());
            match &u.grant_id {
                Some(g)
                    if grants.all.contains_key(&id(g)) || also.unlisted.contains_key(&id(g)) =>
                {
                    true
                }
                None if also.users.contains_key(&id(&u.principal)) => true,
                _ => row().is_some_and(|row: u32| picked.contains(&row)),
            }
        });
        facts.append(more);
    }
    Ok(facts)
}

/// Reads the wanted rows of a file; names are hashed by the key.
///
/// # Errors
/// When the file cannot be read again.
pub(super) fn rows_of(file: &File, wanted: &Wanted, key: &Key) -> Result<Facts, String> {
    if wanted.is_none() {
        return Ok(Facts::default());
    }
    let mut batch = Batch::new(&file.id);
    match file.shape {
        Shape::Parquet => columnar(file, wanted, key, &mut batch)?,
        _ => text_file(file, wanted, key, &mut batch)?,
    }
    // The screening has told them.
    batch.facts.quarantine.clear();
    Ok(batch.facts)
}

fn text_file(file: &File, wanted: &Wanted, key: &Key, batch: &mut Batch) -> Result<(), String> {
    let single = || Single::new(file.adapter, &file.input).map_err(|e| e.to_string());
    let (frame, reader) = (single()?, single()?);
    let (head, detected) = detect::examine(&file.input).map_err(|e| e.to_string())?;
    let place = |name: &str| file.adapter.fields.iter().position(|f| f.name == name);
    let names: Vec<(usize, &Map<()>)> = wanted
        .names
        .iter()
        .filter_map(|(field, names)| Some((place(field)?, &names.all)))
        .collect();
    let mut framing = Batch::new(&file.id);
    let mut each = |cells: &[Option<Cow<'_, str>>], place: &str, _: &mut Batch| {
        let row = || place.get(1..).and_then(|n| n.parse::<u32>().ok());
        let has = |(field, names): &(usize, &Map<()>)| {
            let cell = cells.get(*field).and_then(|c| c.as_deref());
            let id = |s: &str| key.id(s.trim().as_bytes());
            let half = |id: Id| if wanted.halves { Id::new(id.high(), 0) } else { id };
            cell.is_some_and(|s| names.contains_key(&half(id(s))))
        };
        if names.iter().any(has) || row().is_some_and(|n| wanted.rows.contains(&n)) {
            reader.read(cells, place, batch);
        }
    };
    frame.each(&head, &detected, &mut framing, &mut each).map_err(|e| e.to_string())
}

#[cfg(feature = "columnar-io")]
fn columnar(file: &File, wanted: &Wanted, key: &Key, batch: &mut Batch) -> Result<(), String> {
    use rayon::prelude::*;

    use super::columnar::{Names as Filter, Piece, cut, named, pick};
    let single = Single::new(file.adapter, &file.input).map_err(|e| e.to_string())?;
    let cut = cut(file, &single)?;
    let fields: Vec<(&'static str, Filter)> = wanted
        .names
        .iter()
        .filter(|(_, names)| !names.all.is_empty())
        .map(|(field, names)| {
            (*field, Filter::new(names.all.clone(), names.texts.clone(), wanted.halves))
        })
        .collect();
    let read = |piece: &Piece| {
        let (from, rows) = (piece.from, piece.rows);
        let mut batch = Batch::new(&file.id);
        let single = Single::new(file.adapter, &file.input).map_err(|e| e.to_string())?;
        let number = |row: usize| u32::try_from(row).unwrap_or(u32::MAX);
        let numbered = wanted.rows.range(number(from + 1)..=number(from + rows));
        let mut here: Vec<usize> = numbered.map(|row| *row as usize - from - 1).collect();
        for (field, names) in &fields {
            here.extend(named(file, &cut, *piece, field, (key, names))?);
        }
        here.sort_unstable();
        here.dedup();
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
fn columnar(_: &File, _: &Wanted, _: &Key, _: &mut Batch) -> Result<(), String> {
    Ok(())
}
