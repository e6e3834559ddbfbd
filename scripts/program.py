"""What the scripts that run the program share: where it is, and what a run costs.  Standard library only."""
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def binary(given, profiles=("release", "dist", "debug")):
    """The program that was named, else the one that was built, the fastest profile first."""
    if given:
        return given
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    for profile in profiles:
        path = os.path.join(target, profile, "overstay")
        if os.path.exists(path):
            return path
    sys.exit("no binary: build one with `cargo build --release --locked`, or name it with --bin")


def measured(command):
    """Wall seconds, CPU seconds, peak of resident memory (MiB) and standard output of a command; ends if it fails."""
    started = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace")
    out = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - started
    if child.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {child.returncode}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, out
