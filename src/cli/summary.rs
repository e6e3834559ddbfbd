//! The summary a run prints on the terminal: what was not assessed first, then what was found.
//!
//! All text of the inputs passes [`visible`], so that no log line of an attacker moves the cursor,
//! hides a finding or turns a name around.

use std::io::{self, Write};

use anstyle::{AnsiColor, Effects, Style};

use crate::findings::{Finding, Severity};
use crate::report::View;
use crate::report::html::{headline, honest_lines};
use crate::report::text::{clip, count, counted, duration, percent, visible};

const BOLD: Style = Style::new().effects(Effects::BOLD);
const DIM: Style = Style::new().effects(Effects::DIMMED);
const WARN: Style = AnsiColor::Yellow.on_default();
/// Narrowest and widest text; beyond it lines are hard to read.
const WIDTHS: (usize, usize) = (40, 120);
/// Lines of what was not assessed.
const GAPS: usize = 6;
/// Characters of one value before it is cut.
const MAX_VALUE: usize = 400;
/// Characters of a message; the report has it whole.
const MAX_MESSAGE: usize = 220;
/// Steps of a path that are printed.
const STEPS: usize = 6;
/// Characters of a step.
const MAX_STEP: usize = 330;

/// Where and how to print.
struct Printer<'a> {
    out: &'a mut dyn Write,
    colour: bool,
    width: usize,
}

/// Prints the summary of a report. With `colour` the text carries ANSI styles; `width` is that of
/// the terminal in columns.
///
/// # Errors
/// When the output cannot be written.
pub fn print(out: &mut dyn Write, view: &View, colour: bool, width: usize) -> io::Result<()> {
    let mut p = Printer { out, colour, width: width.clamp(WIDTHS.0, WIDTHS.1) };
    p.coverage(view)?;
    p.counts(view)?;
    p.fix_first(view)?;
    p.foot(view)
}

fn style_of(severity: Severity) -> Style {
    match severity {
        Severity::Critical => AnsiColor::Red.on_default().effects(Effects::BOLD),
        Severity::High => AnsiColor::Red.on_default(),
        Severity::Medium => AnsiColor::Yellow.on_default(),
        Severity::Low => AnsiColor::Blue.on_default(),
        Severity::Info => DIM,
    }
}

fn clean(s: &str) -> String {
    visible(&clip(s, MAX_VALUE)).into_owned()
}

/// Columns a text takes; wide East Asian characters and emoji take two.
fn columns(s: &str) -> usize {
    s.chars().map(|c| if is_wide(c) { 2 } else { 1 }).sum()
}

fn is_wide(c: char) -> bool {
    matches!(u32::from(c),
        0x1100..=0x115F | 0x2E80..=0x303E | 0x3041..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF
        | 0xFE30..=0xFE6F | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x1F300..=0x1FAFF | 0x20000..=0x3FFFD)
}

/// Breaks text into lines of at most `width` columns, at blanks where there are any.
fn wrap(s: &str, width: usize) -> Vec<String> {
    let width = width.max(8);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in s.split(' ').filter(|w| !w.is_empty()) {
        if !line.is_empty() && columns(&line) + 1 + columns(word) <= width {
            line.push(' ');
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for c in word.chars() {
            if columns(&line) + usize::from(is_wide(c)) + 1 > width {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

impl Printer<'_> {
    fn paint(&self, style: Style, s: &str) -> String {
        if self.colour { format!("{style}{s}{style:#}") } else { s.to_string() }
    }

    /// Text with a hanging indent; `lead` stands before the first line and is not wrapped.
    fn block(&mut self, lead: &str, lead_columns: usize, s: &str, style: Style) -> io::Result<()> {
        let room = self.width.saturating_sub(lead_columns);
        for (i, line) in wrap(s, room).iter().enumerate() {
            let text = self.paint(style, line);
            if i == 0 {
                writeln!(self.out, "{lead}{text}")?;
            } else {
                writeln!(self.out, "{:lead_columns$}{text}", "")?;
            }
        }
        Ok(())
    }

    fn heading(&mut self, s: &str) -> io::Result<()> {
        let text = self.paint(BOLD, s);
        writeln!(self.out, "{text}")
    }

    fn coverage(&mut self, view: &View) -> io::Result<()> {
        self.heading("What was assessed")?;
        for line in honest_lines(view) {
            self.block("  ", 2, &clean(&line), WARN)?;
        }
        // Layers without a source are named above already; here is what a reader can mend.
        let gaps: Vec<_> = view
            .not_assessed
            .iter()
            .filter(|n| n.kind == "input")
            .filter_map(|n| Some((n, n.remedy.as_deref()?)))
            .collect();
        for (n, remedy) in gaps.iter().take(GAPS) {
            let text = format!("{}: {}; {}", clean(&n.what), clean(&n.why), clean(remedy));
            self.block("  - ", 4, &text, Style::new())?;
        }
        if gaps.len() > GAPS {
            writeln!(self.out, "  - {} more in the report", gaps.len() - GAPS)?;
        }
        writeln!(self.out)
    }

    fn counts(&mut self, view: &View) -> io::Result<()> {
        let s = &view.summary;
        let line = headline(s);
        self.block("", 0, &line, BOLD)?;
        let mut notes = Vec::new();
        if s.possible > 0 {
            notes.push(format!("{} possible, not certain", count(s.possible)));
        }
        if s.baselined > 0 {
            notes.push(format!("{} accepted by the baseline", count(s.baselined)));
        }
        if s.waived > 0 {
            notes.push(format!("{} waived", count(s.waived)));
        }
        if s.standing_privileged > 0 {
            notes.push(format!(
                "{} at tier T0 or T1, held by {}",
                counted(s.standing_privileged, "privilege stands", "privileges stand"),
                counted(s.standing_privileged_principals, "principal", "principals"),
            ));
        }
        if s.overstay_assessed > 0 {
            let mut text = format!(
                "{} of {} outlived it ({})",
                count(s.overstayed),
                counted(s.overstay_assessed, "grant with a task", "grants with a task"),
                percent(s.overstayed, s.overstay_assessed)
            );
            if let Some(median) = s.overstay_median_s {
                text.push_str(&format!(", median excess {}", duration(median)));
            }
            notes.push(text);
        }
        for note in notes {
            self.block("  ", 2, &note, DIM)?;
        }
        writeln!(self.out)
    }

    fn fix_first(&mut self, view: &View) -> io::Result<()> {
        let items: Vec<(&Finding, &str)> = view
            .fix_first
            .iter()
            .filter_map(|item| {
                let f = view.findings.iter().find(|f| f.fingerprint == item.fingerprint)?;
                Some((f, item.why.as_str()))
            })
            .collect();
        if items.is_empty() {
            return Ok(());
        }
        self.heading("Fix first")?;
        for (i, (f, why)) in items.iter().enumerate() {
            let word = format!("{:<8}", f.severity.as_str());
            let rule = visible(&f.rule).chars().take(12).collect::<String>();
            let mut notes = Vec::new();
            if f.certainty != "certain" {
                notes.push("possible".to_string());
            }
            notes.extend(f.owner.as_deref().map(|o| format!("owner {}", clean(o))));
            if !why.is_empty() {
                notes.push(clean(why));
            }
            // What `explain` takes; narrow terminals have no room for it.
            let room = if self.width < 60 { 0 } else { 8 };
            let digits: String =
                f.fingerprint.chars().filter(char::is_ascii_hexdigit).take(room).collect();
            let lead_columns = 17 + columns(&rule) + digits.len();
            let severity = self.paint(style_of(f.severity), &word);
            let place = format!("{:>3}. ", i + 1);
            let digits = self.paint(DIM, &digits);
            let lead = format!("{place}{severity} {} {digits}  ", self.paint(BOLD, &rule));
            let notes =
                shorten(&notes.join(" · "), self.width.saturating_sub(lead_columns).max(12));
            self.block(&lead, lead_columns, &notes, DIM)?;
            self.told(f)?;
        }
        writeln!(self.out)
    }

    /// The message of a finding. A path stands step by step below it: cut off in one line, it would end
    /// before it says where it leads.
    fn told(&mut self, f: &Finding) -> io::Result<()> {
        let message = clean(&f.message);
        let steps: Vec<String> = f.path_steps().iter().map(|(_, step)| clean(step)).collect();
        // The message may be cut itself, so the begin of the first step has to do.
        let first: String = steps.iter().take(1).flat_map(|s| s.chars().take(50)).collect();
        // Both may begin with the name of the principal.
        let before = message.match_indices(&*first).map(|(at, _)| at).find(|at| *at > 0);
        let before = before.filter(|_| !first.is_empty());
        let Some(before) = before.and_then(|at| message.get(..at)) else {
            return self.block("     ", 5, &shorten(&message, MAX_MESSAGE), Style::new());
        };
        let before = before.trim_end_matches([' ', ':']);
        self.block("     ", 5, &shorten(before, MAX_MESSAGE), Style::new())?;
        for step in steps.iter().take(STEPS) {
            self.block("     - ", 7, &shorten(step, MAX_STEP), Style::new())?;
        }
        if steps.len() > STEPS {
            writeln!(self.out, "     - {} more steps", steps.len() - STEPS)?;
        }
        match f.path_end() {
            Some(end) => {
                let end = clean(&end);
                // Who it is need not be said twice.
                let told = |who: &str| {
                    steps.last().is_some_and(|step| step.contains(who.trim_matches('`')))
                };
                let short = end.split_once(", as ").filter(|(_, who)| told(who));
                let end = format!("ends at {}", short.map_or(end.as_str(), |(what, _)| what));
                self.block("     - ", 7, &shorten(&end, MAX_STEP), DIM)
            }
            None => Ok(()),
        }
    }

    fn foot(&mut self, view: &View) -> io::Result<()> {
        let s = &view.summary;
        let line = format!(
            "Rules: {} assessed, {} in part, {} not assessed. {} from {}, as of {}.",
            count(s.rules_assessed),
            count(s.rules_partial),
            count(s.rules_not_assessed),
            counted(s.records, "record", "records"),
            counted(u64::try_from(view.sources.len()).unwrap_or(u64::MAX), "source", "sources"),
            clean(&view.as_of)
        );
        self.block("", 0, &line, Style::new())
    }
}

/// Cuts at a blank and says so by an ellipsis.
fn shorten(s: &str, max: usize) -> String {
    if s.chars().count() <= max {
        return s.to_string();
    }
    let cut: String = s.chars().take(max - 1).collect();
    let whole = cut.rfind(' ').filter(|at| *at > max / 2).and_then(|at| cut.get(..at));
    format!("{}…", whole.unwrap_or(&cut).trim_end())
}

/// Says where the report lies.
///
/// # Errors
/// When the output cannot be written.
pub fn print_location(out: &mut dyn Write, bundle: &std::path::Path) -> io::Result<()> {
    writeln!(out, "Report: {}", visible(&bundle.join("report.html").display().to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::fixture;
    use crate::report::text::is_deceptive;

    fn text(view: &View, colour: bool, width: usize) -> String {
        let mut out = Vec::new();
        print(&mut out, view, colour, width).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn at_eighty_columns() {
        insta::assert_snapshot!("terminal_80", text(&fixture::plausible(), false, 80));
    }

    #[test]
    fn at_a_hundred_and_twenty_columns() {
        insta::assert_snapshot!("terminal_120", text(&fixture::plausible(), false, 120));
    }

    #[test]
    fn hostile_text_is_shown_not_run() {
        let printed = text(&fixture::hostile(), false, 80);
        let odd = printed.chars().filter(|c| *c != '\n').find(|c| is_deceptive(*c));
        assert_eq!(odd, None);
        insta::assert_snapshot!("terminal_hostile", printed);
    }

    #[test]
    fn lines_fit_the_terminal() {
        for width in [40, 80, 120] {
            for view in [fixture::plausible(), fixture::hostile(), View::default()] {
                for line in text(&view, false, width).lines() {
                    assert!(columns(line) <= width, "{width}: {line}");
                }
            }
        }
    }

    #[test]
    fn colour_only_when_asked() {
        let view = fixture::plausible();
        assert!(!text(&view, false, 80).contains('\u{1b}'));
        let coloured = text(&view, true, 80);
        assert!(coloured.contains('\u{1b}'));
        assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), text(&view, false, 80));
    }

    #[test]
    fn what_was_not_assessed_comes_first() {
        let printed = text(&fixture::plausible(), false, 80);
        let gap = printed.find("Not assessed").unwrap();
        assert!(gap < printed.find("open findings").unwrap());
    }

    proptest! {
        #[test]
        fn wrapping_loses_nothing(s in any::<String>(), width in 8usize..60) {
            let lines = wrap(&s, width);
            prop_assert!(lines.iter().all(|l| columns(l) <= width.max(8)));
            let kept: String = lines.concat().split(' ').collect();
            let given: String = s.split(' ').collect();
            prop_assert_eq!(kept, given);
        }
    }
}
