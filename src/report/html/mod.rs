//! `report.html`: one self-contained file, readable without scripts, printable, without any request.
//!
//! Input text reaches the page only through [`format_value`], which escapes it and makes deceptive
//! characters visible. Besides, the page's own policy allows no script and no style but those whose
//! digest it names, and no address at all.

mod page;

use minijinja::{Environment, Output, State, UndefinedBehavior, Value, value::Serde};
use sha2::{Digest, Sha256};

use super::charts::canvas::{dark_rules, escape};
use super::text::{anchor, clip, counted, duration, percent, short, when, words};
use super::view::Summary;
use super::{Format, OutputFile, ReportError, View, charts};
use crate::findings::Severity;

const TEMPLATE: &str = include_str!("../../../templates/report.html.j2");
const STYLE: &str = include_str!("../../../templates/report.css");
const SCRIPT: &str = include_str!("../../../templates/report.js");
/// Characters of one value on the page; the data files hold it whole.
const MAX_VALUE: usize = 600;

/// The HTML format: the report and its charts.
#[derive(Clone, Copy, Debug)]
pub struct Html;

impl Format for Html {
    fn name(&self) -> &'static str {
        "html"
    }

    fn title(&self) -> &'static str {
        "The report as one HTML file, with its charts as SVG"
    }

    fn render<'v>(&self, view: &'v View) -> Result<Vec<OutputFile<'v>>, ReportError> {
        let mut files = charts::files(view)?;
        files.push(OutputFile::new("report.html", "text/html; charset=utf-8", |out| {
            out.write_all(document(view).map_err(std::io::Error::other)?.as_bytes())
        }));
        Ok(files)
    }
}

fn document(view: &View) -> Result<String, ReportError> {
    let style = style();
    let script = SCRIPT.replace('\r', "");
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; \
         base-uri 'none'; form-action 'none'",
        base64(&Sha256::digest(style.as_bytes())),
        base64(&Sha256::digest(script.as_bytes()))
    );
    let env = environment().map_err(fail)?;
    let template = env.get_template("report.html").map_err(fail)?;
    let page = page::page(view)?;
    template
        .render(minijinja::context! {
            policy => policy,
            style => style,
            script => script,
            page => Value::from(Serde(&page)),
        })
        .map_err(fail)
}

fn fail(e: minijinja::Error) -> ReportError {
    let mut message = e.to_string();
    let mut cause = std::error::Error::source(&e);
    while let Some(e) = cause {
        message.push_str(": ");
        message.push_str(&e.to_string());
        cause = e.source();
    }
    ReportError::Render { format: "html", message }
}

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_formatter(format_value);
    env.add_filter("duration", |s: i64| duration(s));
    env.add_filter("count", |n: u64| super::text::count(n));
    env.add_filter("when", |s: String| when(&s).into_owned());
    env.add_filter("day", |s: String| super::text::day(&s).into_owned());
    env.add_filter("pieces", |s: String| super::text::pieces(&s));
    env.add_filter("arn", |s: String| {
        let (account, name) = super::text::arn(&s);
        vec![account.to_string(), name.to_string()]
    });
    env.add_filter("words", |s: String| words(&s));
    env.add_filter("short", |s: String| short(&s));
    env.add_filter("anchor", |s: String| anchor(&s));
    env.add_filter("clip", |s: String| clip(&s, MAX_VALUE).into_owned());
    // Lines that hold only a tag of the template leave none in the page.
    env.add_template_owned("report.html", TEMPLATE.replace('\r', "").replace("%}\n", "%}"))?;
    Ok(env)
}

/// Writes a value into the page. The only texts that pass unescaped are the style, the script and
/// the drawings, which the template marks.
fn format_value(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    match value.as_str() {
        Some(s) if !value.is_safe() => Ok(out.write_str(&escape(s))?),
        _ => minijinja::escape_formatter(out, state, value),
    }
}

/// The style sheet, with the inks of the drawings on dark pages.
fn style() -> String {
    let rules = dark_rules("");
    let dark = dark_rules(":root[data-theme=dark] ");
    format!(
        "{}\n@media screen and (prefers-color-scheme:dark){{{}}}\n@media screen{{{dark}}}\n",
        STYLE.replace('\r', "").trim_end(),
        rules
            .replace(".fill-", ":root:not([data-theme=light]) .fill-")
            .replace(".line-", ":root:not([data-theme=light]) .line-"),
    )
}

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4_usize {
            let digit = ALPHABET.get((group >> (18 - 6 * i)) as usize & 63);
            out.push(if i > chunk.len() { '=' } else { digit.map_or('=', |b| char::from(*b)) });
        }
    }
    out
}

/// The result in one sentence.
#[must_use]
pub fn headline(s: &Summary) -> String {
    let total: u64 = s.open.values().sum();
    if total == 0 {
        return "No open findings in what was assessed.".into();
    }
    let parts: Vec<String> = Severity::ALL
        .iter()
        .rev()
        .filter_map(|v| {
            let n = s.open.get(v.as_str()).copied().filter(|n| *n > 0)?;
            Some(format!("{} {v}", super::text::count(n)))
        })
        .collect();
    format!("{}: {}.", counted(total, "open finding", "open findings"), parts.join(", "))
}

/// What was assessed and what was not, in sentences. Every report begins with them.
#[must_use]
pub fn honest_lines(view: &View) -> Vec<String> {
    let s = &view.summary;
    let mut out = vec![rules_line(s), layers_line(view)];
    if s.quarantined > 0 {
        out.push(format!(
            "{} of {} records ({}) could not be read and are in quarantine.",
            super::text::count(s.quarantined),
            super::text::count(s.records),
            percent(s.quarantined, s.records)
        ));
    }
    let inputs = |kind: &str| -> Vec<&str> {
        let whole = view.not_assessed.iter().filter(|n| n.kind == kind && n.items == 0);
        whole.map(|n| n.what.as_str()).collect()
    };
    let unread = inputs("input");
    if !unread.is_empty() {
        let n = counted(unread.len() as u64, "input was", "inputs were");
        out.push(format!("{n} not read: {}.", some(&unread)));
    }
    let ignored = inputs("ignored");
    if !ignored.is_empty() {
        out.push(format!("Left out by the settings: {}.", some(&ignored)));
    }
    out.extend(defaults_line(s));
    for (basis, n) in &s.embedded_content {
        let what = counted(*n, "holding is of a role", "holdings are of roles");
        out.push(format!(
            "{what} that the inputs do not define: judged by the {}.",
            clip(basis, 200)
        ));
    }
    let loose = view.settings.iter().filter(|r| r.loosened).count();
    if loose > 0 {
        let n = counted(u64::try_from(loose).unwrap_or(u64::MAX), "setting is", "settings are");
        out.push(format!("{n} looser than frameworks and common practice allow."));
    }
    out
}

/// How much of what is held the platforms made themselves, where any did.
fn defaults_line(s: &Summary) -> Option<String> {
    let total: u64 = s.provider_holdings.values().sum();
    let by: Vec<String> = s
        .provider_holdings
        .iter()
        .map(|(platform, n)| format!("{} {}", clip(platform, 80), super::text::count(*n)))
        .collect();
    (total > 0).then(|| {
        format!(
            "{} that the platforms make themselves {} counted and not reported ({}).",
            counted(total, "binding", "bindings"),
            if total == 1 { "was" } else { "were" },
            by.join(", ")
        )
    })
}

fn rules_line(s: &Summary) -> String {
    let all = s.rules_assessed + s.rules_partial + s.rules_not_assessed;
    if all == 0 {
        return "No rule was run: nothing was assessed.".into();
    }
    format!(
        "{} of {} assessed in full, {} in part, {} not at all.",
        super::text::count(s.rules_assessed),
        counted(all, "rule was", "rules were"),
        super::text::count(s.rules_partial),
        super::text::count(s.rules_not_assessed)
    )
}

/// The first names of a list, and how many more there are.
fn some(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let first: Vec<String> = names.iter().take(SHOWN).map(|n| clip(n, 80).into_owned()).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn layers_line(view: &View) -> String {
    // A word this program does not know is no claim that anything was assessed.
    let class = |outcome: &str| match outcome {
        "assessed" => 2,
        "partial" => 1,
        _ => 0,
    };
    let mut parts = Vec::new();
    for (rank, lead) in ["Not assessed", "In part", "Assessed"].iter().enumerate() {
        // Layers with one reason stand together before it.
        let mut groups: Vec<(Option<&str>, Vec<&str>)> = Vec::new();
        for c in view.coverage.iter().filter(|c| class(&c.outcome) == rank) {
            let reason = c.reason.as_deref().filter(|_| rank < 2);
            match groups.iter_mut().find(|(r, _)| *r == reason) {
                Some((_, layers)) => layers.push(&c.layer),
                None => groups.push((reason, vec![&c.layer])),
            }
        }
        let groups: Vec<String> = groups
            .into_iter()
            .map(|(reason, layers)| match reason {
                Some(reason) => format!("{} ({})", layers.join(", "), words(reason)),
                None => layers.join(", "),
            })
            .collect();
        if !groups.is_empty() {
            parts.push(format!("{lead}: {}.", groups.join("; ")));
        }
    }
    if parts.is_empty() { "No evidence layer was read.".into() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn base64_follows_the_standard() {
        for (raw, want) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(raw.as_bytes()), want);
        }
    }

    #[test]
    fn only_own_texts_pass_unescaped() {
        let marked: Vec<&str> =
            TEMPLATE.split("{{").skip(1).filter_map(|s| s.split("}}").next()).collect();
        let safe: Vec<&str> =
            marked.iter().map(|s| s.trim()).filter(|s| s.contains("safe")).collect();
        assert!(
            safe.iter().all(|s| ["style | safe", "script | safe", "chart.svg | safe"].contains(s)),
            "{safe:?}"
        );
        assert!(!TEMPLATE.contains("autoescape"), "escaping is never switched off");
    }

    #[test]
    fn hostile_text_opens_no_element() {
        let page = document(&fixture::hostile()).unwrap();
        for forbidden in
            ["<img", "<svg/onload", "onerror=\"", "\u{202e}", "\u{1b}", "\0", "@import"]
        {
            let found = page.contains(forbidden);
            let harmless = forbidden == "onerror=\"" || forbidden == "@import";
            assert!(!found || harmless, "{forbidden:?} is in the page");
        }
        assert_eq!(page.matches("<script").count(), 1);
        assert_eq!(page.matches("</script>").count(), 1);
        assert_eq!(page.matches("<style").count(), 1);
        assert!(page.contains("&lt;script&gt;document.title="));
    }

    #[test]
    fn no_attribute_holds_an_address_or_a_handler() {
        for view in [fixture::plausible(), fixture::hostile()] {
            let page = document(&view).unwrap();
            for tag in page.split('<').filter_map(|t| t.split('>').next()) {
                let tag = tag.to_ascii_lowercase();
                let Some((_, attributes)) = tag.split_once(char::is_whitespace) else { continue };
                for attribute in attributes.split("\" ") {
                    let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
                    let name = name.trim();
                    assert!(!name.starts_with("on"), "{tag}");
                    assert!(name != "src" && name != "style", "{tag}");
                    if name == "href" {
                        let value = value.trim_matches('"');
                        assert!(value.starts_with('#') || value == "data:,", "{tag}");
                    }
                }
            }
        }
    }

    #[test]
    fn links_lead_to_anchors_of_the_page() {
        let page = document(&fixture::plausible()).unwrap();
        for link in page.split("href=\"#").skip(1).filter_map(|s| s.split('"').next()) {
            assert!(page.contains(&format!("id=\"{link}\"")), "#{link}");
        }
        let mut ids: Vec<&str> =
            page.split(" id=\"").skip(1).filter_map(|s| s.split('"').next()).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "an id occurs twice");
    }

    #[test]
    fn thousands_of_findings_stay_readable() {
        let mut view = fixture::plausible();
        let one = view.findings.remove(0);
        view.findings = (0..3000)
            .map(|n| {
                let mut f = one.clone();
                f.fingerprint = crate::findings::fingerprint::digest(&[&format!("{n}")]);
                f
            })
            .collect();
        let page = document(&view).unwrap();
        assert_eq!(page.matches("class=\"finding\"").count(), 200);
        assert!(page.contains("800 more findings"), "the cut is stated");
        assert!(page.len() < 4_000_000, "{} bytes", page.len());
    }

    #[test]
    fn evidence_findings_stand_apart() {
        let mut view = fixture::plausible();
        let mut f = view.findings[0].clone();
        f.rule = "EVD-001".into();
        f.fingerprint = "ab".repeat(32);
        view.findings.insert(0, f);
        let page = document(&view).unwrap();
        let apart = page.find("About the evidence itself").unwrap();
        assert!(page.find("id=\"f-abababababababab\"").unwrap() > apart);
        assert!(page.contains("1 of them about the evidence itself"));
    }

    #[test]
    fn fix_first_and_exceptions_lead_to_each_other() {
        let view = fixture::plausible();
        let page = document(&view).unwrap();
        let first = anchor(&view.fix_first[0].fingerprint);
        assert!(page.contains(&format!("<a href=\"#{first}\">")));
        assert!(page.contains("<a href=\"#first-1\">") && page.contains("<li id=\"first-1\">"));
    }

    #[test]
    fn the_steps_of_a_path_are_shown_once() {
        let mut view = fixture::plausible();
        let f = &mut view.findings[0];
        f.message = "`ci` can reach administration: first `a` may b; then `b` may c (2 more ways in the evidence).".into();
        let steps = ["first `a` may b", "`b` may c"];
        f.evidence.insert("path".into(), steps.into());
        f.evidence.insert("path_techniques".into(), ["iam-005", "sts-001"].into());
        f.evidence.insert("path_end".into(), "ops".into());
        let anchor = format!("id=\"{}\"", anchor(&f.fingerprint));
        let block = |view: &View| {
            let page = document(view).unwrap();
            let (_, block) = page.split_once(&anchor).unwrap();
            block.split_once("class=\"finding\"").map_or(block, |(b, _)| b).to_owned()
        };
        let shown = block(&view);
        assert_eq!(shown.matches("may b").count(), 1, "{shown}");
        assert_eq!(shown.matches("sts-001").count(), 1);
        assert!(shown.contains("can reach administration by the path shown (2 more ways"));
        // What the message does not tell word for word stays.
        view.findings[0].message = "`ci` may b and more".into();
        assert!(block(&view).contains("may b and more"));
    }

    #[test]
    fn layers_with_one_reason_stand_together() {
        let mut view = fixture::plausible();
        for c in &mut view.coverage {
            c.outcome = "not_assessed".into();
            c.reason = Some("no_source".into());
        }
        let line = layers_line(&view);
        assert_eq!(line.matches("(no source)").count(), 1, "{line}");
        assert!(view.coverage.iter().all(|c| line.contains(&c.layer)), "{line}");
    }

    #[test]
    fn scripts_stay_small() {
        assert!(SCRIPT.len() < 15_000);
    }

    #[test]
    fn an_empty_run_says_that_nothing_was_assessed() {
        let page = document(&View::default()).unwrap();
        assert!(page.contains("nothing was assessed"));
        assert!(page.contains("No evidence layer was read."));
        assert!(!page.contains("<svg"), "no empty chart");
    }

    #[test]
    fn sections_come_in_the_auditors_order() {
        let page = document(&fixture::plausible()).unwrap();
        let places: Vec<usize> = [
            "summary",
            "fix-first",
            "coverage",
            "charts",
            "population",
            "conclusions",
            "exceptions",
            "grants",
            "waivers",
            "changes",
            "settings",
            "crosswalk",
            "blind-spots",
            "reproduction",
        ]
        .iter()
        .map(|id| page.find(&format!("<section id=\"{id}\"")).unwrap_or_else(|| panic!("{id}")))
        .collect();
        assert!(places.is_sorted(), "{places:?}");
    }
}
