#!/usr/bin/env python3
"""Ledgers of a million grants and more: our CPU seconds and memory beside DuckDB's, and the counts of both.

    scripts/bench_ledger.py --work DIR [--rows 1000000] [--copies 1,2,5,10] [--bin PATH]
                            [--python PYTHON_WITH_DUCKDB] [--csv] [--runs 1] [--tools ../shared/tools]

DIR keeps the generated data. `--copies` replicates the generated rows with suffixed ids as Parquet, so 10
copies of a million are ten million grants. Every size is run by both tools on the same files, in turn. The
result is docs/benchmarks/ledger.csv and the plot docs/images/ledger-growth.svg. Standard library only;
DuckDB runs in the interpreter that --python names.
"""
import argparse
import csv
import json
import os
import re
import statistics
import subprocess
import sys

from growth import picture
from program import ROOT, measured

CODES = {
    "V01_OUTLIVED_TASK": "GRT-003", "V02_NO_EXPIRY": "GRT-001", "V03+V04": "GRT-005", "V05_TTL_TOO_LONG": "GRT-002",
    "V06_SELF_APPROVED": "APR-002", "V07_NOT_APPROVED": "APR-001", "V08_APPROVED_LATE": "APR-003", "V09+V15": "GRT-012",
    "V10_RENEWAL_CHAIN": "GRT-007", "V11_USED_AFTER_END": "USE-001", "V12_NEVER_USED": "GRT-010",
    "V13_REVOKED_LATE": "GRT-011", "V14_DUPLICATE_ACTIVE": "GRT-009",
}
REPLICATE = """
import duckdb, os, sys
src, dst, copies = sys.argv[1], sys.argv[2], int(sys.argv[3])
os.makedirs(dst, exist_ok=True)
c = duckdb.connect()
c.execute("SET threads=2; SET memory_limit='6GB'")
ids = {'grants': ['grant_id', 'task_id', 'approval_id', 'principal'], 'tasks': ['task_id', 'owner'],
       'approvals': ['approval_id', 'grant_id'], 'usage': ['grant_id', 'principal']}
for t, columns in ids.items():
    c.execute(f"CREATE VIEW {t} AS SELECT * FROM read_csv('{src}/{t}.csv', header=true, nullstr='')")
    parts = []
    for i in range(copies):
        new = [f"{x} || '-{i}' AS {x}" for x in columns]
        if t == 'approvals':
            new.append(f"CASE WHEN approver LIKE 'approver%' THEN approver ELSE approver || '-{i}' END AS approver")
        parts.append(f"SELECT * REPLACE ({', '.join(new)}) FROM {t}" if copies > 1 else f"SELECT * FROM {t}")
    c.execute(f"COPY ({' UNION ALL '.join(parts)}) TO '{dst}/{t}.parquet' (FORMAT parquet, COMPRESSION zstd)")
"""


def prepare(a, copies):
    base = os.path.join(a.work, "base")
    if not os.path.exists(os.path.join(base, "truth.json")):
        command = [sys.executable, os.path.join(a.tools, "gen_ledger.py"), "--rows", str(a.rows), "--usage", "--rate", "0.01", "--seed", "11", "--out", base]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    if a.csv:
        return base
    data = os.path.join(a.work, f"parquet-{copies}")
    if not os.path.exists(os.path.join(data, "truth.json")):
        subprocess.run([a.python, "-c", REPLICATE, base, data, str(copies)], check=True)
        with open(os.path.join(base, "truth.json"), encoding="utf-8") as f:
            truth = json.load(f)
        for key in ("rows", "violations"):
            truth[key] = {k: v * copies for k, v in truth[key].items()}
        with open(os.path.join(data, "truth.json"), "w", encoding="utf-8") as f:
            json.dump(truth, f)
    return data


def counts_of(bundle):
    """Exceptions that are certain, by rule; those of a chain count its members."""
    found = {}
    with open(os.path.join(bundle, "exceptions.csv"), encoding="utf-8", newline="") as f:
        for row in csv.DictReader(f):
            if row["certainty"] == "certain":
                found[row["rule"]] = found.get(row["rule"], 0) + 1
    return found


def compare(truth, found, duck):
    wrong = []
    for codes, rule in CODES.items():
        parts = [c for c in truth if c.split("_")[0] in codes.replace("+", " ").split() or c == codes]
        want = sum(truth[c] for c in parts)
        # What DuckDB counts of the two codes can name one grant twice; so can the truth.
        if found.get(rule, 0) != want or (duck and sum(duck.get(c, 0) for c in parts) != want):
            wrong.append(f"{codes}: truth {want}, {rule} {found.get(rule, 0)}, DuckDB {sum(duck.get(c, 0) for c in parts)}")
    return wrong


def plot(rows, path):
    """CPU seconds and peak memory against grants."""

    def side(title, column):
        mine = [(r["grants"] / 1e6, r[column]) for r in rows if r["tool"] == "overstay"]
        peers = [(r["grants"] / 1e6, r[column], "DuckDB") for r in rows if r["tool"] != "overstay"]
        return title, "million grants", mine, peers

    title = "CPU time and memory of overstay scan by number of grants"
    picture(path, title, side("CPU time, seconds", "cpu_s"), side("Peak memory, MiB", "peak_mib"))


def main():
    parser = argparse.ArgumentParser(description="our CPU seconds and memory on large ledgers beside DuckDB's")
    parser.add_argument("--work", required=True)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--copies", default="1,2,5,10")
    parser.add_argument("--tools", default=os.path.join(ROOT, "..", "shared", "tools"))
    parser.add_argument("--bin", default=os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release", "overstay"))
    parser.add_argument("--python", help="interpreter with duckdb; without it only we are measured")
    parser.add_argument("--config", default=os.path.join(ROOT, "tests", "data", "gen-ledger.toml"))
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--csv", action="store_true", help="measure the CSV files as generated")
    parser.add_argument("--out", default=os.path.join(ROOT, "docs"))
    a = parser.parse_args()
    rows, failed = [], False
    for copies in [1] if a.csv else [int(c) for c in a.copies.split(",")]:
        data = prepare(a, copies)
        with open(os.path.join(data, "truth.json"), encoding="utf-8") as f:
            truth = json.load(f)
        ours, peer, duck = [], [], {}
        for _ in range(a.runs):
            bundle = os.path.join(a.work, "bundle")
            subprocess.run(["rm", "-rf", bundle], check=True)
            ours.append(measured([a.bin, "--quiet", "scan", data, "--config", a.config, "--as-of", truth["asof"], "-o", bundle]))
            if a.python:
                peer.append(measured([a.python, os.path.join(a.tools, "baseline_ledger_duckdb.py"), data]))
                duck = {c: int(n) for c, n in re.findall(r"'(V\d\d_\w+)', (\d+)", peer[-1][3])}
        wrong = compare(truth["violations"], counts_of(bundle), duck)
        failed |= bool(wrong)
        for tool, runs in (("overstay", ours), ("duckdb", peer)):
            if runs:
                row = {"tool": tool, "input": "csv" if a.csv else "parquet", "grants": truth["rows"]["grants"],
                       "cpu_s": round(statistics.median(r[1] for r in runs), 2), "wall_s": round(statistics.median(r[0] for r in runs), 2),
                       "peak_mib": round(statistics.median(r[2] for r in runs)), "runs": len(runs), "counts": "differ" if wrong else "equal to the truth"}
                rows.append(row)
                print(row, flush=True)
        for line in wrong:
            print("  " + line)
    os.makedirs(os.path.join(a.out, "benchmarks"), exist_ok=True)
    name = "ledger-csv.csv" if a.csv else "ledger.csv"
    with open(os.path.join(a.out, "benchmarks", name), "w", encoding="utf-8", newline="") as f:
        writer = csv.DictWriter(f, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    if not a.csv:
        os.makedirs(os.path.join(a.out, "images"), exist_ok=True)
        plot(rows, os.path.join(a.out, "images", "ledger-growth.svg"))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
