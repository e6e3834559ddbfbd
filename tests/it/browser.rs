//! A report made of hostile text, opened in a real browser: nothing of it may run, and no request
//! may leave the page.

use std::io::Read as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use overstay::report::{View, render};

mod fixture {
    use overstay::findings::*;
    use overstay::report::story::{Lane, Story};
    use overstay::report::view::*;

    include!("../browser/fixture.rs");
}

/// Longest run of the browser.
const PATIENCE: Duration = Duration::from_secs(90);

fn browser() -> PathBuf {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let known = ["chromium", "chromium-browser", "google-chrome"];
    named
        .into_iter()
        .chain(std::env::split_paths(&path).flat_map(|dir| known.map(|name| dir.join(name))))
        .find(|file| file.is_file())
        .expect("no browser found; run scripts/setup-browser.sh, or set CHROMIUM to one")
}

/// Opens a page and returns its document as the browser has it after scripts had their chance.
fn dom(page: &Path, log: &Path) -> String {
    let profile = tempfile::tempdir().unwrap();
    let mut child = Command::new(browser())
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-extensions",
            "--virtual-time-budget=3000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--log-net-log={}", log.display()))
        .arg(format!("file://{}", page.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).map(|_| text)
    });
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("the browser did not finish within {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    reader.join().unwrap().unwrap()
}

/// Counts whoever connects.
fn listen() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            if stream.is_ok() {
                counter.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (port, count)
}

/// Writes the report of a view with the payloads' address set to a port that listens.
fn write(dir: &Path, view: &View, port: u16) -> PathBuf {
    let files = render(view, &["html"]).unwrap();
    for file in &files {
        let path = dir.join(&file.path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, aim(&String::from_utf8(file.to_bytes().unwrap()).unwrap(), port))
            .unwrap();
    }
    dir.join("report.html")
}

/// Payloads name port 9. Neither style nor script of the report do, so their digests still hold.
fn aim(text: &str, port: u16) -> String {
    text.replace("127.0.0.1:9/", &format!("127.0.0.1:{port}/"))
}

fn title(dom: &str) -> &str {
    dom.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>")).unwrap().0
}

#[test]
fn nothing_hostile_runs_and_nothing_leaves_the_page() {
    let dir = tempfile::tempdir().unwrap();
    let (port, requests) = listen();
    let page = write(dir.path(), &fixture::hostile(), port);
    let log = dir.path().join("net.json");
    let dom = dom(&page, &log);
    assert!(title(&dom).starts_with("Access evidence report"), "{}", title(&dom));
    assert_ne!(title(&dom), "owned");
    assert!(!dom.contains("<img"), "an image was made of text");
    assert_eq!(dom.matches("<script").count(), 1, "a script was made of text");
    // Our own script did run: it alone shows the tools.
    assert!(dom.contains("<span class=\"tools\">"), "the report's own script did not run");
    assert_eq!(requests.load(Ordering::SeqCst), 0, "the page asked for something");
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(!log.contains(&format!("127.0.0.1:{port}")), "the browser tried to reach an address");
}

/// The same, with the report that the program makes of a hostile ledger and a hostile export.
#[test]
fn nothing_runs_in_the_report_of_a_hostile_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let (port, requests) = listen();
    let (input, out) = (dir.path().join("in"), dir.path().join("out"));
    crate::names::plant(&input, port);
    crate::program::ran!["--quiet", "scan", &input, "-o", &out].exits(0);
    let mut pages = vec![out.join("report.html")];
    let strips = std::fs::read_dir(out.join("charts")).unwrap().map(|f| f.unwrap().path());
    let hostile = |f: &PathBuf| std::fs::read_to_string(f).unwrap().contains("script&gt;");
    pages.extend(strips.filter(hostile).take(1));
    assert_eq!(pages.len(), 2, "no drawing shows a hostile name");
    for page in &pages {
        let log = dir.path().join("net.json");
        let dom = dom(page, &log);
        let report = page.extension().is_some_and(|e| e == "html");
        assert!(!report || title(&dom).starts_with("Access evidence report"), "{}", title(&dom));
        assert!(dom.contains("script&gt;"), "the payloads are not on {}", page.display());
        assert!(!dom.contains("<img") && !dom.contains("<a href=\"javascript"));
        assert!(!dom.contains("parsererror"), "{} is not well formed", page.display());
        assert_eq!(dom.matches("<script").count(), usize::from(report), "a script of text");
        assert!(!report || dom.contains("<span class=\"tools\">"), "our own script did not run");
        let log = std::fs::read_to_string(&log).unwrap();
        assert!(!log.contains(&format!("127.0.0.1:{port}")), "the browser tried to reach out");
    }
    assert_eq!(requests.load(Ordering::SeqCst), 0, "a page asked for something");
}

#[test]
fn drawings_run_nothing_as_files_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let (port, requests) = listen();
    write(dir.path(), &fixture::hostile(), port);
    let charts = std::fs::read_dir(dir.path().join("charts")).unwrap();
    let mut files: Vec<PathBuf> = charts.map(|f| f.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let strip = files.iter().find(|f| f.to_string_lossy().contains("strip-")).unwrap();
    let dom = dom(strip, &dir.path().join("net.json"));
    assert!(dom.contains("<svg"), "the drawing is no well-formed document: {dom}");
    assert!(!dom.contains("parsererror"), "the drawing is no well-formed document");
    assert!(!dom.contains("<script"), "a script was made of text");
    assert_eq!(requests.load(Ordering::SeqCst), 0, "the drawing asked for something");
}

/// The test above must be able to fail: the same payload, unescaped and without the page's policy.
#[test]
fn the_browser_would_run_and_fetch_if_it_could() {
    let dir = tempfile::tempdir().unwrap();
    let (port, requests) = listen();
    let page = dir.path().join("bad.html");
    let text = format!(
        "<!DOCTYPE html><title>t</title><script>document.title='owned'</script>\
         <img src=\"http://127.0.0.1:{port}/x\">"
    );
    std::fs::write(&page, text).unwrap();
    let dom = dom(&page, &dir.path().join("net.json"));
    assert_eq!(title(&dom), "owned");
    assert!(requests.load(Ordering::SeqCst) > 0);
}
