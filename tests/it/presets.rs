//! Mappings for closed brokers: each documented preset reads the table of its test as its page says.

use std::fs;

use crate::program::{json, ran, root};

#[test]
fn every_preset_reads_its_table() {
    let mut names: Vec<String> = fs::read_dir(root().join("docs/presets"))
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["apono.toml", "cyberark.toml"]);
    let page = fs::read_to_string(root().join("docs/settings.md")).unwrap();
    for file in names {
        assert!(page.contains(&format!("presets/{file}")), "{file} is not on the settings page");
        let name = file.trim_end_matches(".toml");
        let folder = root().join("tests/data/presets").join(name);
        let work = tempfile::tempdir().unwrap();
        let inputs = work.path().join("in");
        fs::create_dir(&inputs).unwrap();
        for table in fs::read_dir(folder.join("in")).unwrap() {
            let table = table.unwrap();
            fs::copy(table.path(), inputs.join(table.file_name())).unwrap();
        }
        let preset = fs::read_to_string(root().join("docs/presets").join(&file)).unwrap();
        let settings = format!("as_of = \"2026-03-02T00:00:00Z\"\n\n{preset}");
        fs::write(inputs.join("overstay.toml"), settings).unwrap();
        let bundle = work.path().join("out");
        ran!["--quiet", "scan", &inputs, "-o", &bundle].exits(0);
        let expect = json(&fs::read_to_string(folder.join("expect.json")).unwrap());
        for (table, rows) in expect.as_object().unwrap() {
            let shown = ran!["facts", &bundle, table, "--json"].exits(0);
            let all: Vec<_> = shown.out.lines().map(json).collect();
            assert_eq!(all.len(), rows.as_array().unwrap().len(), "{name}: {table} {all:#?}");
            for want in rows.as_array().unwrap() {
                let hit = all.iter().any(|row| {
                    want.as_object().unwrap().iter().all(|(k, v)| row.get(k) == Some(v))
                });
                assert!(hit, "{name}: no {want} in {all:#?}");
            }
        }
    }
}
