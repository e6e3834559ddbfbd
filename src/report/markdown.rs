//! `summary.md`: one page for a pull request or a CI job summary.
//!
//! Input text can neither format, link, mention nor break the table it stands in: see [`plain`] and
//! [`code`].

use std::fmt::Write as _;

use super::text::{clip, count, counted, duration, percent, pieces, short, visible, when, words};
use super::view::{Conclusion, PrincipalRow};
use super::{Format, OutputFile, ReportError, View};
use crate::findings::{Finding, Status};

/// The Markdown format.
#[derive(Clone, Copy, Debug)]
pub struct Markdown;

/// Findings in the table after the ten to fix first; the rest is in `findings.csv` or `report.html`.
const MAX_ROWS: usize = 50;
/// Characters of one cell.
const MAX_CELL: usize = 200;

impl Format for Markdown {
    fn name(&self) -> &'static str {
        "md"
    }

    fn title(&self) -> &'static str {
        "One-page Markdown summary"
    }

    fn render<'v>(&self, view: &'v View) -> Result<Vec<OutputFile<'v>>, ReportError> {
        Ok(vec![OutputFile::new("summary.md", "text/markdown; charset=utf-8", |out| {
            let page = page(view).map_err(std::io::Error::other)?;
            out.write_all(page.as_bytes())
        })])
    }
}

/// Input text as literal Markdown text. Punctuation becomes character references; where GitHub links
/// or mentions on decoded text (`@`, `://`, `www.`), an empty comment keeps the parts apart.
fn plain(s: &str) -> String {
    let text = clip(s, MAX_CELL);
    let text = visible(&text);
    let mut out = String::with_capacity(text.len() + 16);
    let mut chars = text.chars().peekable();
    let mut before = String::new();
    while let Some(c) = chars.next() {
        match c {
            '@' => out.push_str("@<!-- -->"),
            ':' if chars.peek() == Some(&'/') => out.push_str(":<!-- -->"),
            '.' if before.ends_with("www") => out.push_str("<!-- -->."),
            '&' | '<' | '>' | '"' | '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!'
            | '$' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c => out.push(c),
        }
        before.push(c.to_ascii_lowercase());
    }
    out
}

/// A message: what stands between back-ticks becomes a code span.
fn prose(s: &str) -> String {
    let part = |(i, p): (usize, &String)| match i % 2 {
        0 => plain(p),
        _ if p.trim().is_empty() => plain(&format!("`{p}`")),
        _ => code(p),
    };
    pieces(&clip(s, 2 * MAX_CELL)).iter().enumerate().map(part).collect()
}

/// Input text as a code span that holds whatever back-ticks it has.
fn code(s: &str) -> String {
    let text = clip(s, MAX_CELL);
    let text = visible(&text);
    if text.trim().is_empty() {
        return "–".into();
    }
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

fn code_or_dash(s: Option<&String>) -> String {
    s.map_or_else(|| "–".into(), |s| code(s))
}

/// A code span inside a table cell, where a bar would end the cell.
fn cell(s: Option<&String>) -> String {
    code_or_dash(s).replace('|', "\\|")
}

fn page(view: &View) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    head(&mut out, view)?;
    fix_first(&mut out, view)?;
    coverage(&mut out, view)?;
    metrics(&mut out, view)?;
    principals(&mut out, view)?;
    open_findings(&mut out, view)?;
    frameworks(&mut out, view)?;
    foot(&mut out, view)?;
    Ok(out)
}

fn head(out: &mut String, view: &View) -> std::fmt::Result {
    let entity = view.entity.as_deref().map_or(String::new(), |e| format!(": {}", plain(e)));
    writeln!(out, "# Privileges that overstay their task{entity}\n")?;
    for line in super::html::honest_lines(view) {
        writeln!(out, "> - {}", plain(&line))?;
    }
    writeln!(out, "\n**{}**\n", super::html::headline(&view.summary))?;
    let s = &view.summary;
    writeln!(
        out,
        "Possible, not certain: {}. Accepted by the baseline: {}. Waived: {}.\n",
        count(s.possible),
        count(s.baselined),
        count(s.waived)
    )
}

fn fix_first(out: &mut String, view: &View) -> std::fmt::Result {
    if view.fix_first.is_empty() {
        return Ok(());
    }
    writeln!(out, "## Fix first\n")?;
    for item in &view.fix_first {
        let Some(f) = view.findings.iter().find(|f| f.fingerprint == item.fingerprint) else {
            continue;
        };
        writeln!(out, "1. **{}** {}: {}  ", f.severity, code(&f.rule), prose(&f.message))?;
        let mut notes = Vec::new();
        if f.certainty != "certain" {
            notes.push("possible".to_string());
        }
        notes.extend(f.owner.as_ref().map(|o| format!("owner {}", code(o))));
        if !item.why.is_empty() {
            notes.push(plain(&item.why));
        }
        if !notes.is_empty() {
            writeln!(out, "   _{}._  ", notes.join("; "))?;
        }
        for (technique, step) in f.path_steps() {
            let technique = technique.map_or_else(String::new, |t| format!("{} ", code(&t)));
            writeln!(out, "   - {technique}{}", prose(&step))?;
        }
        if let Some(end) = f.path_end() {
            writeln!(out, "   - ends at {}\n", prose(&end))?;
        }
        writeln!(out, "   {}", prose(&f.remediation))?;
    }
    writeln!(out)
}

fn metrics(out: &mut String, view: &View) -> std::fmt::Result {
    if view.metrics.is_empty() {
        return Ok(());
    }
    writeln!(out, "## Metrics\n\n| metric | value | over |\n| --- | --- | ---: |")?;
    for m in &view.metrics {
        writeln!(out, "| {} | {} | {} |", plain(&m.title), plain(&m.shown()), count(m.items))?;
    }
    writeln!(out)
}

fn principals(out: &mut String, view: &View) -> std::fmt::Result {
    if view.principals.is_empty() {
        return Ok(());
    }
    writeln!(out, "## Principals that stand out\n")?;
    writeln!(out, "| principal | {} |", PrincipalRow::HEADS.join(" | "))?;
    writeln!(out, "| --- |{}", " ---: |".repeat(PrincipalRow::HEADS.len()))?;
    for p in &view.principals {
        let name = p.name.as_deref().map_or_else(String::new, |n| format!(" ({})", plain(n)));
        writeln!(out, "| {}{name} | {} |", plain(&p.principal), p.cells().join(" | "))?;
    }
    writeln!(out)
}

fn coverage(out: &mut String, view: &View) -> std::fmt::Result {
    writeln!(out, "## What was assessed\n")?;
    if view.coverage.is_empty() {
        writeln!(out, "No evidence layer was read.\n")?;
    } else {
        writeln!(out, "| layer | outcome | period covered | records | quarantined | reason |")?;
        writeln!(out, "| --- | --- | ---: | ---: | ---: | --- |")?;
        for row in &view.coverage {
            let share = row.covered_share.map_or_else(|| "–".into(), share);
            let reason = row.reason.as_deref().map_or_else(|| "–".into(), |r| plain(&words(r)));
            writeln!(
                out,
                "| {} | {} | {share} | {} | {} | {reason} |",
                plain(&row.layer),
                plain(&words(&row.outcome)),
                count(row.records),
                count(row.quarantined),
            )?;
        }
        writeln!(out)?;
    }
    if !view.not_assessed.is_empty() {
        writeln!(out, "<details><summary>Not assessed: {}</summary>\n", view.not_assessed.len())?;
        for item in view.not_assessed.iter().take(MAX_ROWS) {
            let items = if item.items > 0 {
                format!(" ({})", counted(item.items, "item", "items"))
            } else {
                String::new()
            };
            let remedy =
                item.remedy.as_deref().map_or(String::new(), |r| format!(" Remedy: {}.", plain(r)));
            writeln!(
                out,
                "- {} {}: {}{items}.{remedy}",
                plain(&words(&item.kind)),
                plain(&item.what),
                plain(&item.why),
            )?;
        }
        rest(out, view.not_assessed.len(), "entry", "entries")?;
        writeln!(out, "\n</details>\n")?;
    }
    Ok(())
}

/// Share as a percentage with one digit, cut, not rounded.
fn share(v: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0 to 1000 before the cast"
    )]
    let tenths = (v.clamp(0.0, 1.0) * 1000.0) as u64;
    percent(tenths, 1000)
}

fn open_findings(out: &mut String, view: &View) -> std::fmt::Result {
    let open: Vec<&Finding> = view.findings.iter().filter(|f| f.status == Status::Open).collect();
    writeln!(out, "## Open findings\n")?;
    if open.is_empty() {
        return writeln!(out, "None in what was assessed.\n");
    }
    writeln!(out, "| severity | rule | principal | privilege | finding | owner |")?;
    writeln!(out, "| --- | --- | --- | --- | --- | --- |")?;
    for f in open.iter().take(MAX_ROWS) {
        let possible = if f.certainty == "certain" { "" } else { " (possible)" };
        writeln!(
            out,
            "| {}{possible} | {} | {} | {} | {} | {} |",
            f.severity,
            cell(Some(&f.rule)),
            cell(f.principal.as_ref()),
            cell(f.privilege.as_ref()),
            prose(&f.message).replace('|', "\\|"),
            cell(f.owner.as_ref()),
        )?;
    }
    rest(out, open.len(), "finding", "findings")?;
    writeln!(out)
}

fn rest(out: &mut String, total: usize, one: &str, many: &str) -> std::fmt::Result {
    match total.checked_sub(MAX_ROWS) {
        Some(left) if left > 0 => writeln!(
            out,
            "\n{} more in `report.html`.",
            counted(u64::try_from(left).unwrap_or(u64::MAX), one, many)
        ),
        _ => Ok(()),
    }
}

fn frameworks(out: &mut String, view: &View) -> std::fmt::Result {
    if view.frameworks.is_empty() {
        return Ok(());
    }
    writeln!(out, "## Conclusions\n")?;
    writeln!(
        out,
        "| framework | exceptions noted | accepted | none noted | partial | not assessed |"
    )?;
    writeln!(out, "| --- | ---: | ---: | ---: | ---: | ---: |")?;
    for f in &view.frameworks {
        let n = |word: &str| {
            f.conclusions.iter().filter(|c: &&Conclusion| c.conclusion == word).count()
        };
        writeln!(
            out,
            "| {} {} | {} | {} | {} | {} | {} |",
            plain(&f.name),
            plain(&f.version),
            n("exceptions_noted"),
            n("exceptions_accepted"),
            n("no_exceptions_noted"),
            n("partially_assessed"),
            n("not_assessed"),
        )?;
    }
    writeln!(out, "\nConclusions hold for the assessed aspects of a control only.\n")
}

fn foot(out: &mut String, view: &View) -> std::fmt::Result {
    let s = &view.summary;
    if let (Some(median), Some(p95)) = (s.overstay_median_s, s.overstay_p95_s) {
        writeln!(
            out,
            "Excess after the end of the task: median {}, 95th percentile {}.\n",
            duration(median),
            duration(p95)
        )?;
    }
    writeln!(
        out,
        "<sub>{} {} · as of {} · report {}</sub>",
        plain(&view.tool.name),
        plain(&view.tool.version),
        plain(&when(&view.as_of)),
        plain(&short(&view.report_id))
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::fixture;

    fn text(view: &View) -> String {
        String::from_utf8(Markdown.render(view).unwrap().remove(0).to_bytes().unwrap()).unwrap()
    }

    #[test]
    fn plausible_page() {
        insta::assert_snapshot!("markdown_plausible", text(&fixture::plausible()));
    }

    #[test]
    fn hostile_page() {
        insta::assert_snapshot!("markdown_hostile", text(&fixture::hostile()));
    }

    #[test]
    fn empty_view_has_a_page() {
        let page = text(&View::default());
        assert!(page.contains("No evidence layer was read."), "{page}");
    }

    #[test]
    fn code_spans_hold_back_ticks() {
        assert_eq!(code("a``b"), "```a``b```");
        assert_eq!(code("`x"), "`` `x ``");
        assert_eq!(cell(Some(&"a|b\n".into())), "`a\\|b\\n`");
    }

    #[test]
    fn links_and_mentions_are_broken_up() {
        assert_eq!(plain("see http://x.y"), "see http:<!-- -->//x.y");
        assert_eq!(plain("@team"), "@<!-- -->team");
        assert_eq!(plain("WWW.x"), "WWW<!-- -->.x");
        assert_eq!(plain("[a](b)"), "&#91;a&#93;(b)");
    }

    proptest! {
        #[test]
        fn plain_text_has_no_markup(s in any::<String>()) {
            let out = plain(&s).replace("<!-- -->", "");
            prop_assert!(!out.contains(['<', '>', '`', '|', '*', '_', '[', ']', '\n', '\r', '\\']));
        }

        #[test]
        fn a_table_row_stays_one_row(s in any::<String>()) {
            let mut view = fixture::plausible();
            view.findings.truncate(1);
            view.findings[0].principal = Some(s.clone());
            view.findings[0].message = s;
            let page = text(&view);
            let row = page.lines().find(|l| l.starts_with("| critical | `STD-001`")).unwrap();
            let bars = row.replace("\\|", "").matches('|').count();
            prop_assert_eq!(bars, 7, "{}", row);
        }
    }
}
