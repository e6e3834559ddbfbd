#!/usr/bin/env python3
"""Cost of the AWS analysis by number of principals, and beside cloudsplaining.

    scripts/bench_aws.py [--sizes 1000,3000,10000,30000,100000] [--runs 3] [--bin PATH]
                         [--generator ../shared/tools/gen_aws_authz.py] [--policies ../shared/data/aws/managed_policies.jsonl]
                         [--peer PATH/cloudsplaining] [--peer-sizes 1000] [--peer-runs 3] [--data DIR]
                         [--csv docs/benchmarks/aws-growth.csv] [--svg docs/images/aws-growth.svg]
    scripts/bench_aws.py --plot

Writes synthetic exports with the generator (kept in --data, made once), runs a full `scan` with all formats on each, and
writes a table: wall time and CPU time (user and system) of the best run, and the largest peak of resident memory of all
runs.  With --peer, cloudsplaining and overstay take turns on the same file.  --plot only draws the picture from the table.
The load of the machine is part of the table: on a busy machine wall times say little.  Standard library only.
"""
import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile

from growth import picture
from program import ROOT, binary, measured

AS_OF = "2026-11-01T00:00:00Z"
COLUMNS = ["program", "principals", "runs", "wall_s", "cpu_s", "rss_mib", "load"]


def export(a, size):
    path = os.path.join(a.data, f"aws{size}.json")
    if not os.path.exists(path):
        for needed in (a.generator, a.policies):
            if not os.path.exists(needed):
                sys.exit(f"nothing at {needed}: name it with --generator or --policies")
        part = path + ".part"
        command = [sys.executable, a.generator, a.policies, "-n", str(size), "--seed", "7", "-o", part, "--truth", os.path.join(a.data, f"truth{size}.json")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        os.rename(part, path)
    return path


def ours(tool, data):
    with tempfile.TemporaryDirectory() as folder:
        return measured([tool, "--quiet", "scan", data, "--as-of", AS_OF, "--format", "all", "-o", os.path.join(folder, "out")])


def theirs(tool, data):
    with tempfile.TemporaryDirectory() as folder:
        return measured([tool, "scan", "--input-file", data, "--output", folder, "--skip-open-report"])


def row(program, size, runs):
    best = {"wall_s": min(r[0] for r in runs), "cpu_s": min(r[1] for r in runs)}
    out = {"program": program, "principals": size, "runs": len(runs), "rss_mib": round(max(r[2] for r in runs)), "load": round(os.getloadavg()[0], 1)}
    out.update({k: round(v, 2) for k, v in best.items()})
    print("  ".join(f"{k} {out[k]}" for k in COLUMNS), flush=True)
    return out


def measure(a):
    tool, rows = binary(a.bin, ("release",)), []
    peers = [int(s) for s in a.peer_sizes.split(",")] if a.peer else []
    for size in (int(s) for s in a.sizes.split(",")):
        data = export(a, size)
        if size in peers:
            pairs = [(ours(tool, data), theirs(a.peer, data)) for _ in range(a.peer_runs)]
            rows.append(row("overstay", size, [p[0] for p in pairs] + [ours(tool, data) for _ in range(a.runs - len(pairs))]))
            rows.append(row("cloudsplaining", size, [p[1] for p in pairs]))
        else:
            rows.append(row("overstay", size, [ours(tool, data) for _ in range(a.runs)]))
    with open(a.csv, "w", newline="", encoding="utf-8") as f:
        table = csv.DictWriter(f, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def plot(table, path):
    with open(table, newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))

    def side(title, column):
        mine = [(int(r["principals"]), float(r[column])) for r in rows if r["program"] == "overstay"]
        peers = [(int(r["principals"]), float(r[column]), r["program"]) for r in rows if r["program"] != "overstay"]
        return title, "principals in the export", mine, peers

    title = "CPU time and memory of overstay scan by number of principals"
    picture(path, title, side("CPU time, seconds", "cpu_s"), side("Peak memory, MiB", "rss_mib"))


def main():
    parser = argparse.ArgumentParser(description="cost of the AWS analysis by number of principals")
    parser.add_argument("--generator", default=os.path.join(ROOT, "..", "shared", "tools", "gen_aws_authz.py"))
    parser.add_argument("--policies", default=os.path.join(ROOT, "..", "shared", "data", "aws", "managed_policies.jsonl"))
    parser.add_argument("--bin")
    parser.add_argument("--sizes", default="1000,3000,10000,30000,100000")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peer", help="the program `cloudsplaining`")
    parser.add_argument("--peer-sizes", default="1000")
    parser.add_argument("--peer-runs", type=int, default=3)
    parser.add_argument("--data", help="folder that keeps the exports; a temporary one when absent")
    parser.add_argument("--csv", default=os.path.join(ROOT, "docs", "benchmarks", "aws-growth.csv"))
    parser.add_argument("--svg", default=os.path.join(ROOT, "docs", "images", "aws-growth.svg"))
    parser.add_argument("--plot", action="store_true", help="only draw the picture from the table")
    a = parser.parse_args()
    if not a.plot:
        kept, a.data = a.data, a.data or tempfile.mkdtemp()
        os.makedirs(a.data, exist_ok=True)
        try:
            measure(a)
        finally:
            if not kept:
                shutil.rmtree(a.data, ignore_errors=True)
    plot(a.csv, a.svg)


if __name__ == "__main__":
    main()
