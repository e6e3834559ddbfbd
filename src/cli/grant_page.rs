//! One grant on one page, for the terminal: the story that the report tells too, and a time strip.

use std::fmt::Write as _;

use serde_json::Value;

use super::text::safe;
use crate::facts::Time;
use crate::facts::time::parse_rfc3339;
use crate::report::story::{Rows, Story};

/// Width of the time strip, characters.
const WIDTH: i64 = 60;
/// Candidates that an ambiguous id lists, of the number it states.
const MAX_CANDIDATES: usize = 20;

/// Finds the grant that an id means: the ledger's own id, or `system:id` where several ledgers use it.
/// A unique beginning is enough.
///
/// # Errors
/// One line that says why none is meant, with the candidates.
pub fn find(rows: &Rows, id: &str) -> Result<usize, String> {
    fn cell<'r>(row: &'r Value, name: &str) -> Option<&'r str> {
        row.get(name).and_then(Value::as_str)
    }
    let all: Vec<(usize, &Value)> =
        rows.get("grant_facts").into_iter().flatten().enumerate().collect();
    let names = |r: &Value| {
        let own = cell(r, "grant_id").unwrap_or_default().to_owned();
        let full = format!("{}:{own}", cell(r, "system").unwrap_or_default());
        [own, full]
    };
    let exact: Vec<_> = all.iter().filter(|(_, r)| names(r).iter().any(|n| n == id)).collect();
    let hits = if exact.is_empty() && !id.is_empty() {
        all.iter().filter(|(_, r)| names(r).iter().any(|n| n.starts_with(id))).collect()
    } else {
        exact
    };
    match hits.as_slice() {
        [(at, _)] => Ok(*at),
        [] => Err(format!("no grant has the id `{}`, or one that begins with it", safe(id))),
        many => {
            let mut out = format!("`{}` fits {} grants:", safe(id), many.len());
            for (_, r) in many.iter().take(MAX_CANDIDATES) {
                let [_, full] = names(r);
                let who = cell(r, "principal_id").unwrap_or("?");
                let what = cell(r, "privilege").unwrap_or("?");
                let _ = write!(out, "\n  {}  {} to {}", safe(&full), safe(what), safe(who));
            }
            Err(out)
        }
    }
}

/// The story as text.
#[must_use]
pub fn page(story: &Story) -> String {
    let mut out = String::new();
    let mut drawn = false;
    for (name, text) in &story.lines {
        if name == "evidence" {
            strip(story, &mut out);
            drawn = true;
        }
        line(&mut out, name, text);
    }
    if !drawn {
        strip(story, &mut out);
    }
    out
}

fn line(out: &mut String, name: &str, text: &str) {
    let _ = writeln!(out, "{:<12} {}", safe(name), safe(text));
}

/// One lane per layer; `=` is certain, `>` goes on.
fn strip(story: &Story, out: &mut String) {
    let mut lanes: Vec<(&str, Time, Option<Time>)> = Vec::new();
    for l in &story.lanes {
        let Some(from) = parse_rfc3339(&l.from) else { continue };
        lanes.push((&l.name, from, l.until.as_deref().and_then(parse_rfc3339)));
    }
    let ends = lanes.iter().flat_map(|(_, a, b)| [Some(*a), *b]).flatten();
    let (Some(from), Some(until)) = (ends.clone().min(), ends.max()) else { return };
    let span = until.secs_since(from).max(1);
    // The last column is for what goes on after the last known instant.
    let column = |t: Time| {
        let part = i128::from(t.secs_since(from)) * i128::from(WIDTH - 2) / i128::from(span);
        usize::try_from(part).unwrap_or(0)
    };
    let mut drawn: Vec<(&str, String)> = Vec::new();
    for (name, a, b) in lanes {
        let (start, stop) = (column(a), b.map_or(WIDTH as usize - 1, column));
        let bar: String = (0..WIDTH as usize)
            .map(|i| match (i >= start && i <= stop, b) {
                (true, None) if i == WIDTH as usize - 1 => '>',
                (true, _) => '=',
                (false, _) => '.',
            })
            .collect();
        match drawn.iter_mut().find(|(have, _)| *have == name) {
            Some((_, have)) => {
                *have = have
                    .chars()
                    .zip(bar.chars())
                    .map(|(x, y)| if x == '.' { y } else { x })
                    .collect();
            }
            None => drawn.push((name, bar)),
        }
    }
    let title = format!("{} to {}; > goes on", from.to_rfc3339(), until.to_rfc3339());
    line(out, "time", &title);
    for (name, bar) in drawn {
        line(out, "", &format!("{name:<10} {bar}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn the_page_of_a_grant() {
        let view = fixture::plausible();
        insta::assert_snapshot!(page(&view.stories[0]));
    }

    #[test]
    fn a_hostile_story_is_harmless_on_a_terminal() {
        for story in fixture::hostile().stories {
            let shown = page(&story);
            assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
        }
    }

    #[test]
    fn an_id_is_found_by_its_beginning_or_with_its_ledger() {
        let row = |id: &str, system: &str| serde_json::json!({"grant_id": id, "system": system});
        let rows: Rows =
            [("grant_facts".to_owned(), vec![row("g-1", "a"), row("g-1", "b"), row("h-22", "a")])]
                .into();
        assert_eq!(find(&rows, "b:g-1"), Ok(1));
        assert_eq!(find(&rows, "h-"), Ok(2));
        let error = find(&rows, "g-1").unwrap_err();
        assert!(error.contains("fits 2 grants") && error.contains("a:g-1"), "{error}");
        assert!(find(&rows, "zz").unwrap_err().contains("no grant has the id"));
    }
}
