//! Fact tables as files: Parquet, or newline-delimited JSON in a build without it.

use std::io::Write;
use std::ops::Range;
use std::path::Path;

use polars::prelude::*;

use crate::facts::json;
use crate::facts::store::Rows;
use crate::report::OutputFile;

use super::bundle::BundleError;

/// Rows of one row group; fixed, so that the bytes do not depend on the machine. One group of each table
/// that is being written is in memory as a frame.
const ROW_GROUP: usize = 16_384;

/// The same of tables whose rows hold hundreds of texts each, or long ones. Rows share them; a frame has each
/// of its own.
const HEAVY_ROW_GROUP: usize = 2_048;
/// Tables of such rows.
const HEAVY: [&str; 2] = ["policy_facts", "roles"];

/// Suffix of the table files of this build.
pub const SUFFIX: &str = if cfg!(feature = "columnar-io") { "parquet" } else { "ndjson" };

/// The file of one table. It is built, encoded and written one group of rows after the other.
pub fn file<'a>(name: &str, rows: &'a dyn Rows) -> OutputFile<'a> {
    let media_type = if cfg!(feature = "columnar-io") {
        "application/vnd.apache.parquet"
    } else {
        "application/x-ndjson"
    };
    let table = name.to_owned();
    OutputFile::new(format!("facts/{name}.{SUFFIX}"), media_type, move |out| {
        let group = if HEAVY.contains(&table.as_str()) { HEAVY_ROW_GROUP } else { ROW_GROUP };
        encode(rows, group, out).map_err(|e| {
            let message = e.to_string();
            std::io::Error::other(BundleError::Table { table: table.clone(), message })
        })
    })
}

/// Ranges of rows, one a row group.
fn groups(rows: &dyn Rows, group: usize) -> impl Iterator<Item = Range<usize>> {
    let height = rows.height();
    (0..height).step_by(group).map(move |from| from..height.min(from + group))
}

#[cfg(feature = "columnar-io")]
fn encode(rows: &dyn Rows, group: usize, out: &mut dyn Write) -> PolarsResult<()> {
    let schema = rows.piece(0..0, &|_| true)?.schema().clone();
    let mut writer = ParquetWriter::new(out)
        .with_compression(ParquetCompression::Zstd(None))
        .set_parallel(false)
        .batched(&schema)?;
    for range in groups(rows, group) {
        let mut frame = rows.piece(range, &|_| true)?;
        // Chunk borders follow how the frame was built; one chunk gives one row group and one layout of pages.
        frame.rechunk_mut_par();
        writer.write_batch(&frame)?;
    }
    writer.finish().map(|_| ())
}

#[cfg(not(feature = "columnar-io"))]
fn encode(rows: &dyn Rows, group: usize, out: &mut dyn Write) -> PolarsResult<()> {
    groups(rows, group).try_for_each(|range| write_ndjson(&rows.piece(range, &|_| true)?, out))
}

/// Reads a Parquet table back.
///
/// # Errors
/// When the file cannot be read or is not Parquet, or the build has no Parquet.
pub fn read_parquet(path: &Path) -> Result<DataFrame, BundleError> {
    let failed =
        |message: String| BundleError::Table { table: path.display().to_string(), message };
    #[cfg(feature = "columnar-io")]
    {
        let file = std::fs::File::open(path).map_err(|e| failed(e.to_string()))?;
        // A file made to confuse the decoder must end in a message, not in a crash.
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ParquetReader::new(file).finish()))
            .map_err(|_| failed("the file is malformed and made the Parquet reader fail".into()))?
            .map_err(|e| failed(e.to_string()))
    }
    #[cfg(not(feature = "columnar-io"))]
    Err(failed(
        "this build has no Parquet reader; use a build with the feature `columnar-io`".into(),
    ))
}

/// Writes the rows of a frame as newline-delimited JSON, keys in column order.
///
/// # Errors
/// When the writer fails.
pub fn write_ndjson(frame: &DataFrame, out: &mut dyn Write) -> PolarsResult<()> {
    let names: Vec<String> = frame.get_column_names().iter().map(ToString::to_string).collect();
    let columns = frame.columns();
    for row in 0..frame.height() {
        out.write_all(b"{")?;
        for (i, (name, column)) in names.iter().zip(columns).enumerate() {
            if i > 0 {
                out.write_all(b",")?;
            }
            let key = serde_json::Value::from(name.as_str());
            write!(out, "{key}:{}", json::cell(&column.get(row)?))?;
        }
        out.write_all(b"}\n")?;
    }
    Ok(())
}

/// Finds a table's file in a bundle, Parquet first.
#[must_use]
pub fn path_in(bundle: &Path, table: &str) -> Option<(std::path::PathBuf, &'static str)> {
    ["parquet", "ndjson"]
        .into_iter()
        .map(|suffix| (bundle.join("facts").join(format!("{table}.{suffix}")), suffix))
        .find(|(path, _)| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::files;
    use crate::facts::{Facts, Quarantined, Source, Time, text};

    fn bytes(frame: &DataFrame) -> Vec<u8> {
        file("quarantine", frame).to_bytes().unwrap()
    }

    fn facts(n: usize) -> Facts {
        let mut f = Facts::default();
        for i in 0..n {
            f.quarantine.push(Quarantined {
                source_id: text("S1"),
                source_ref: text(format!("L{i}")),
                reason: text("bad \"time\"\u{1b}"),
            });
        }
        f.sources.push(Source { first_time: Some(Time::from_secs(1)), ..Source::default() });
        f
    }

    #[test]
    fn same_rows_give_same_bytes() {
        let frames = [facts(1000).frames().unwrap(), facts(1000).frames().unwrap()];
        let [a, b] = frames.each_ref().map(files::facts_files);
        for (x, y) in a.iter().zip(&b) {
            assert_eq!(x.path, y.path);
            assert_eq!(x.to_bytes().unwrap(), y.to_bytes().unwrap(), "{}", x.path);
        }
        let facts = facts(1000);
        let mut late = files::rows_files(facts.rows());
        late.sort_by(|a, b| a.path.cmp(&b.path));
        assert_eq!(late.len(), a.len());
        for (x, y) in a.iter().zip(late) {
            assert_eq!(x.path, y.path);
            assert_eq!(x.to_bytes().unwrap(), y.to_bytes().unwrap(), "{}", x.path);
        }
    }

    #[test]
    fn chunks_do_not_show_in_the_bytes() {
        let whole = facts(10).frames().unwrap().remove("quarantine").unwrap();
        let mut parts = whole.head(Some(4));
        parts.vstack_mut(&whole.slice(4, 6)).unwrap();
        assert_eq!(bytes(&whole), bytes(&parts));
    }

    #[cfg(feature = "columnar-io")]
    #[test]
    fn groups_of_rows_come_back_in_order() {
        let n = ROW_GROUP + 7;
        let facts = facts(n);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q.parquet");
        let from_rows = file("quarantine", &facts.quarantine).to_bytes().unwrap();
        std::fs::write(&path, &from_rows).unwrap();
        let whole = facts.quarantine.whole().unwrap();
        assert!(read_parquet(&path).unwrap().equals_missing(&whole));
        assert_eq!(from_rows, bytes(&whole), "a frame and its rows give the same file");
        let none: Vec<Quarantined> = Vec::new();
        std::fs::write(&path, file("quarantine", &none).to_bytes().unwrap()).unwrap();
        let empty = read_parquet(&path).unwrap();
        assert_eq!(empty.height(), 0);
        assert_eq!(empty.schema(), whole.schema());
    }

    #[test]
    fn rows_are_json_lines() {
        let frames = facts(2).frames().unwrap();
        let mut out = Vec::new();
        write_ndjson(frames.get("quarantine").unwrap(), &mut out).unwrap();
        write_ndjson(frames.get("sources").unwrap(), &mut out).unwrap();
        let lines: Vec<serde_json::Value> = String::from_utf8(out)
            .unwrap()
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        assert_eq!(lines[1]["source_ref"], "L1");
        assert_eq!(lines[2]["first_time"], "1970-01-01T00:00:01Z");
        assert!(lines[2]["last_time"].is_null());
    }

    #[cfg(feature = "columnar-io")]
    #[test]
    fn parquet_comes_back_and_garbage_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let frame = facts(3).frames().unwrap().remove("quarantine").unwrap();
        let bytes = bytes(&frame);
        let path = dir.path().join("q.parquet");
        std::fs::write(&path, &bytes).unwrap();
        assert!(read_parquet(&path).unwrap().equals_missing(&frame));
        for cut in [0, 4, bytes.len() / 2, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            assert!(read_parquet(&path).is_err());
        }
    }
}
