//! Embeds the rule files, so that a new rule is one new file and nothing else.
//!
//! The generated table names files relative to the package: the build gives the same bytes wherever
//! it stands.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=rules");
    println!("cargo::rerun-if-changed=build.rs");
    let mut files = Vec::new();
    collect(Path::new("rules"), &mut files)?;
    files.sort();
    let mut out = String::from("/// Embedded rule files: path and text, by path.\n");
    out.push_str("pub const EMBEDDED: &[(&str, &str)] = &[\n");
    for file in &files {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "    ({file:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {:?}))),",
            format!("/{file}")
        );
    }
    out.push_str("];\n");
    let dir = std::env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("OUT_DIR is not set"))?;
    std::fs::write(PathBuf::from(dir).join("embedded_rules.rs"), out)
}

/// All YAML files below a directory but those of the frameworks, with `/` separators.
fn collect(dir: &Path, files: &mut Vec<String>) -> io::Result<()> {
    if dir.ends_with("rules/frameworks") || !dir.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "yaml") {
            let parts: Vec<_> =
                path.components().map(|c| c.as_os_str().to_string_lossy()).collect();
            files.push(parts.join("/"));
        }
    }
    Ok(())
}
