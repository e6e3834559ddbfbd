//! The documents, held against the program: examples that are shown must work.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Parser as _;
use clap::error::ErrorKind;
use overstay::cli::{Cli, exit};
use overstay::findings::Finding;
use overstay::ingest::registry;
use overstay::rules::{Pack, controls};
use overstay::settings::{LIMITS, Settings};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn documents() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = ["", "docs", "sample-data"]
        .iter()
        .flat_map(|dir| std::fs::read_dir(root().join(dir)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect();
    found.sort();
    found
}

/// Fenced blocks of one language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let (mut found, mut inside) = (Vec::<String>::new(), false);
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(rest) if !inside && rest == language => {
                inside = true;
                found.push(String::new());
            }
            Some(_) => inside = false,
            None if inside => {
                let block = found.last_mut().unwrap();
                block.push_str(line);
                block.push('\n');
            }
            None => {}
        }
    }
    found
}

#[test]
fn every_example_of_the_settings_is_accepted() {
    let examples = blocks(&read("docs/settings.md"), "toml");
    assert!(examples.len() >= 8, "{} examples", examples.len());
    for example in examples {
        if let Err(e) = Settings::parse(&example) {
            panic!("{e}\n---\n{example}");
        }
    }
}

#[test]
fn every_limit_is_documented() {
    let text = read("docs/settings.md");
    let missing: Vec<&str> =
        LIMITS.iter().map(|l| l.name).filter(|n| !text.contains(&format!("| `{n}` |"))).collect();
    assert!(missing.is_empty(), "docs/settings.md lacks {missing:?}");
}

#[test]
fn settings_that_are_shipped_are_accepted() {
    for name in ["sample-data/overstay.toml", "tests/data/gen-ledger.toml"] {
        let settings = Settings::load(&root().join(name)).unwrap_or_else(|e| panic!("{e}"));
        assert!(settings.limits.loosened().iter().all(|l| *l == "approval_validity_s"), "{name}");
    }
    let sample = Settings::load(&root().join("sample-data/overstay.toml")).unwrap();
    assert!(sample.as_of.is_some() && sample.period.is_some() && sample.entity.is_some());
}

#[test]
fn links_between_documents_resolve() {
    let mut dead = Vec::new();
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for part in text.split("](").skip(1) {
            let target = part.split([')', '#']).next().unwrap();
            if target.is_empty() || target.starts_with("http") {
                continue;
            }
            if !document.parent().unwrap().join(target).exists() {
                dead.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
}

/// Sections of docs/formats.md by the format id that they state.
fn format_sections() -> BTreeMap<String, String> {
    let text = read("docs/formats.md");
    text.split("\n## ")
        .skip(1)
        .map(|section| {
            let id = section.split("\nFormat `").nth(1).and_then(|rest| rest.split('`').next());
            let id = id.unwrap_or_else(|| panic!("a section states no format id:\n{section}"));
            (id.to_owned(), section.to_owned())
        })
        .collect()
}

/// Texts in backticks.
fn code(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn documented_formats_are_the_ones_that_are_read() {
    let documented: BTreeSet<String> = format_sections().into_keys().collect();
    let known: BTreeSet<String> =
        registry::adapters().iter().map(|a| a.format().to_owned()).collect();
    assert_eq!(documented, known);
}

#[test]
fn documented_columns_are_the_ones_that_are_read() {
    let sections = format_sections();
    for table in registry::TABLES {
        let documented: Vec<(Vec<String>, Vec<String>)> = sections[table.format]
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| {
                let cells: Vec<&str> = line.split('|').collect();
                (code(cells[1]), code(cells[2]))
            })
            .collect();
        let known: Vec<(Vec<String>, Vec<String>)> = table
            .fields
            .iter()
            .map(|f| {
                let also = f.headers.iter().skip(1).map(|h| (*h).to_owned()).collect();
                (vec![f.name.to_owned()], also)
            })
            .collect();
        assert_eq!(documented, known, "{}", table.format);
        for (names, _) in &documented {
            let needed = table.required.iter().any(|group| **group == [names[0].as_str()]);
            let line = sections[table.format]
                .lines()
                .find(|l| l.starts_with(&format!("| `{}` |", names[0])))
                .unwrap();
            let says = line.ends_with("required |") || line.contains("| required");
            assert!(says || !needed, "{}: `{}` is required", table.format, names[0]);
        }
    }
}

#[test]
fn documented_rules_are_the_ones_that_exist() {
    let pack = Pack::builtin().unwrap();
    let ids: BTreeSet<&str> = pack.rules().map(|r| r.id.as_str()).collect();
    let readme = read("README.md");
    assert!(
        readme.contains(&format!("The {} [rules](docs/rules.md)", ids.len())),
        "README.md states another number of rules than {}",
        ids.len()
    );
    let families: BTreeSet<&str> = ids.iter().filter_map(|id| id.split('-').next()).collect();
    let mut unknown = Vec::new();
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')) {
            let Some((family, number)) = word.split_once('-') else { continue };
            let is_id = families.contains(family)
                && number.len() == 3
                && number.bytes().all(|b| b.is_ascii_digit());
            if is_id && !ids.contains(word) {
                unknown.push(format!("{}: {word}", document.display()));
            }
        }
    }
    assert!(unknown.is_empty(), "rules that do not exist:\n{}", unknown.join("\n"));
}

#[test]
fn the_index_fields_name_the_controls_that_rules_test() {
    let pack = Pack::builtin().unwrap();
    let tested: BTreeSet<String> = pack
        .rules()
        .flat_map(controls)
        .filter(|c| c.framework == "owasp-nhi-2025" && c.relation == "tests")
        .map(|c| c.id.split(':').next().unwrap().to_owned())
        .collect();
    let readme = read("README.md");
    let line = readme.lines().find(|l| l.starts_with("| OWASP NHI ids |")).unwrap();
    let named: BTreeSet<String> = line
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| word.strip_prefix("NHI").is_some_and(|n| n.parse::<u8>().is_ok()))
        .map(str::to_owned)
        .collect();
    assert_eq!(named, tested);
}

#[test]
fn documented_exit_codes_are_the_ones_in_use() {
    let codes = [
        exit::OK,
        exit::FINDINGS,
        exit::USAGE,
        exit::NO_INPUT,
        exit::WEAK_EVIDENCE,
        exit::BAD_BASELINE,
        exit::INTERNAL,
    ];
    let readme = read("README.md");
    let table = readme.split("| exit code |").nth(1).unwrap().split("\n\n").next().unwrap();
    let documented: Vec<u8> =
        table.lines().filter_map(|line| line.split('|').nth(1)?.trim().parse().ok()).collect();
    assert_eq!(documented, codes);
}

/// Calls of the program in a text: lines of shell blocks, and code within sentences.
fn calls(text: &str) -> Vec<String> {
    let mut found: Vec<String> = blocks(text, "sh").iter().flat_map(|b| lines(b)).collect();
    let mut prose = String::new();
    for (i, part) in text.split("```").enumerate() {
        if i % 2 == 0 {
            prose.push_str(part);
        }
    }
    found.extend(code(&prose.replace('\n', " ")));
    found
        .iter()
        .filter_map(|line| {
            let line =
                line.split(" -- ").last().filter(|_| line.starts_with("cargo run")).map_or_else(
                    || line.strip_prefix("overstay ").map(str::to_owned),
                    |rest| Some(rest.to_owned()),
                )?;
            let line = line.split(" #").next().unwrap().split('>').next().unwrap();
            Some(line.trim().to_owned())
        })
        .collect()
}

fn lines(block: &str) -> Vec<String> {
    block.lines().map(|l| l.trim().to_owned()).collect()
}

#[test]
fn commands_that_are_shown_are_understood() {
    let mut all: Vec<(String, String)> = Vec::new();
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        all.extend(calls(&text).into_iter().map(|call| (document.display().to_string(), call)));
    }
    for line in read(".pre-commit-hooks.yaml").lines() {
        if let Some(call) = line.trim().strip_prefix("entry: overstay ") {
            // Hooks with files get them appended.
            let file = if call.ends_with("lint") { " FILE" } else { "" };
            all.push((".pre-commit-hooks.yaml".into(), format!("{call}{file}")));
        }
    }
    let option = |part: &str| {
        let rest = part.split("arguments+=(").nth(1)?;
        rest.split_whitespace().next().map(|o| o.trim_end_matches(')').to_owned())
    };
    for name in read("action.yml").lines().filter_map(option).filter(|o| o.len() > 2) {
        if let Some(name) = name.strip_prefix("--").filter(|n| !n.is_empty()) {
            let value = match name {
                "as-of" => "2026-11-01T00:00:00Z",
                "fail-on" => "new:high",
                _ => "x",
            };
            all.push(("action.yml".into(), format!("gate --{name} {value} PATH")));
        }
    }
    assert!(all.len() >= 30, "{} calls: {all:?}", all.len());

    let refused: Vec<String> = all
        .iter()
        .filter_map(|(document, call)| {
            let arguments = std::iter::once("overstay").chain(call.split_whitespace());
            let error = Cli::try_parse_from(arguments).err()?;
            let fine = match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
                // A sentence may name a verb without saying what it is applied to.
                ErrorKind::MissingRequiredArgument => !call.contains(' '),
                _ => false,
            };
            (!fine).then(|| format!("{document}: `overstay {call}`: {error}"))
        })
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

/// Copies a folder.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// The shell blocks of a document, run from top to bottom with the sample data as the export.
fn walk_through(document: &str) {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    copy(&root().join("sample-data"), &here.join("export"));
    std::fs::copy(here.join("export/waivers.yaml"), here.join("waivers.yaml")).unwrap();
    // The sample plants one ticket that is there twice; such a run makes no baseline.
    let tickets = here.join("export/tickets/tasks.csv");
    let (mut seen, mut whole) = (BTreeSet::new(), String::new());
    for line in std::fs::read_to_string(&tickets).unwrap().lines() {
        if seen.insert(line.split(',').next().unwrap().to_owned()) {
            whole += &format!("{line}\n");
        }
    }
    std::fs::write(&tickets, whole).unwrap();

    let mut ran = 0;
    for line in blocks(&read(document), "sh").iter().flat_map(|block| lines(block)) {
        let Some(call) = line.split(" #").next().unwrap().strip_prefix("overstay ") else {
            continue;
        };
        let mut call = call.trim().to_owned();
        if call.contains("FINGERPRINT") {
            let findings = std::fs::read_to_string(here.join("out/findings.jsonl")).unwrap();
            let first: Finding = serde_json::from_str(findings.lines().next().unwrap()).unwrap();
            call = call.replace("FINGERPRINT", first.fingerprint.get(..6).unwrap());
        }
        let run = assert_cmd::Command::cargo_bin("overstay")
            .unwrap()
            .current_dir(here)
            .args(call.split_whitespace())
            .output()
            .unwrap();
        assert!(
            run.status.success(),
            "{document}: `overstay {call}` ends with {:?}\n{}{}",
            run.status.code(),
            String::from_utf8_lossy(&run.stdout),
            String::from_utf8_lossy(&run.stderr)
        );
        ran += 1;
    }
    assert!(ran >= 5, "{document}: only {ran} commands");
}

#[test]
fn the_readme_can_be_followed() {
    walk_through("README.md");
}

#[test]
fn the_user_guide_can_be_followed() {
    walk_through("docs/user-guide.md");
}

#[test]
fn every_fuzz_target_is_registered_and_described() {
    let (manifest, text) = (read("fuzz/Cargo.toml"), read("fuzz/README.md"));
    let mut targets = 0;
    for entry in std::fs::read_dir(root().join("fuzz/fuzz_targets")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
        assert!(text.contains(&format!("`{name}`")), "fuzz/README.md lacks {name}");
        targets += 1;
    }
    assert_eq!(manifest.matches("[[bin]]").count(), targets);
}
