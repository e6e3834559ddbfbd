//! Nothing of ours reaches the network: a scan has no socket, and without any network it gives the same
//! bytes.

use std::process::{Command, Stdio};

use crate::program::{PROGRAM, files, sample, sample_bundle};

/// Runs a program in a network of its own, which has no way out.
fn isolated() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "--map-root-user", "--"]).stdin(Stdio::null());
    command
}

fn available() {
    let tried = isolated().arg("true").output().unwrap_or_else(|e| {
        panic!("`unshare` cannot be run ({e}); install util-linux: it takes the network away")
    });
    assert!(
        tried.status.success(),
        "`unshare --net --map-root-user` is refused ({}); run as root, or allow user namespaces \
         (sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0)",
        String::from_utf8_lossy(&tried.stderr).trim()
    );
}

#[test]
fn a_scan_opens_no_socket_and_needs_no_network() {
    available();
    let devices = isolated().args(["cat", "/proc/net/dev"]).output().unwrap();
    let devices = String::from_utf8_lossy(&devices.stdout).lines().skip(2).count();
    assert!(devices <= 1, "the isolated network has {devices} devices: it is not isolated");

    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    // `unshare` becomes the program, so this is the process to look at.
    let mut child = isolated()
        .arg(PROGRAM)
        .args(["--quiet", "scan"])
        .arg(sample())
        .arg("-o")
        .arg(&out)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let fds = format!("/proc/{}/fd", child.id());
    let (mut looks, mut sockets) = (0, Vec::new());
    while child.try_wait().unwrap().is_none() {
        let open = std::fs::read_dir(&fds).into_iter().flatten().flatten();
        let targets = open.filter_map(|e| std::fs::read_link(e.path()).ok());
        sockets.extend(targets.filter(|t| t.to_string_lossy().starts_with("socket:")));
        looks += 1;
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert!(child.wait().unwrap().success(), "the scan fails without a network");
    assert!(looks > 20, "the process was seen {looks} times only");
    assert_eq!(sockets, Vec::<std::path::PathBuf>::new());
    assert!(files(&out) == files(sample_bundle()), "without a network the bundle differs");
}
