//! The formats this build can write, and how a list of names becomes files.

use super::{Format, OutputFile, ReportError, View};

/// All formats, in the order they are written. A new format is one file and one line here.
pub static FORMATS: &[&dyn Format] = &[
    &super::html::Html,
    &super::markdown::Markdown,
    &super::csv::Csv,
    &super::json::Json,
    &super::sarif::Sarif,
];

/// Names of all formats, for help texts and messages.
#[must_use]
pub fn names() -> Vec<&'static str> {
    FORMATS.iter().map(|f| f.name()).collect()
}

/// Finds a format by name.
///
/// # Errors
/// [`ReportError::Unknown`] with the known names.
pub fn format(name: &str) -> Result<&'static dyn Format, ReportError> {
    FORMATS
        .iter()
        .find(|f| f.name() == name)
        .copied()
        .ok_or_else(|| ReportError::Unknown { name: name.into(), known: names().join(", ") })
}

/// Renders the view in the named formats; `all` stands for every format. Files come out sorted by
/// path and each only once, however often its format is named.
///
/// # Errors
/// When a name is unknown or a template fails.
pub fn render<'v>(view: &'v View, names: &[&str]) -> Result<Vec<OutputFile<'v>>, ReportError> {
    let asked: Vec<&dyn Format> = if names.contains(&"all") {
        FORMATS.to_vec()
    } else {
        let mut asked = names.iter().map(|n| format(n)).collect::<Result<Vec<_>, _>>()?;
        asked.sort_by_key(|f| f.name());
        asked.dedup_by_key(|f| f.name());
        asked
    };
    let mut files = Vec::new();
    for format in asked {
        files.extend(format.render(view)?);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn all_formats_write_the_named_files() {
        let view = fixture::plausible();
        let files = render(&view, &["all"]).unwrap();
        let paths: Vec<&str> = files.iter().map(|f| f.path.as_str()).collect();
        for want in [
            "charts/overstay.svg",
            "charts/standing.svg",
            "conclusions.csv",
            "findings.csv",
            "grants.csv",
            "report.html",
            "report.json",
            "sarif/findings.sarif",
            "summary.md",
        ] {
            assert!(paths.contains(&want), "{want} is missing in {paths:?}");
        }
        let mut unique = paths.clone();
        unique.dedup();
        assert_eq!(unique, paths, "a path is written twice");
    }

    #[test]
    fn naming_a_format_twice_writes_it_once() {
        let view = fixture::plausible();
        let files = render(&view, &["json", "json"]).unwrap();
        assert_eq!(files.len(), 1);
    }

    #[test]
    fn unknown_format_names_the_known_ones() {
        let error = render(&View::default(), &["docx"]).unwrap_err().to_string();
        assert_eq!(error, "unknown report format `docx`; known: html, md, csv, json, sarif");
    }

    #[test]
    fn same_view_same_bytes() {
        for view in [fixture::plausible(), fixture::hostile(), View::default()] {
            let (a, b) = (render(&view, &["all"]).unwrap(), render(&view, &["all"]).unwrap());
            for (x, y) in a.iter().zip(&b) {
                assert_eq!(x.path, y.path);
                assert_eq!(x.to_bytes().unwrap(), y.to_bytes().unwrap(), "{}", x.path);
            }
        }
    }
}
