#!/usr/bin/env python3
"""What was planted in a synthetic estate, checked against what the program finds; time and memory of the scan.

    scripts/check_estate.py [--bindings 200000] [--seeds 1] [--bin PATH]
    scripts/check_estate.py --growth 25000,50000,100000,200000 [--csv FILE] [--svg FILE] [--seeds 1] [--bin PATH]
    scripts/check_estate.py --plot [--csv FILE] [--svg FILE]

Standing administration (STD-001) must be found for exactly the planted principals, residue (REC-005) for exactly the
planted ones with the planted word, and nothing for what holds until a date or what the platform made itself.  With
--growth the sizes are scanned in turn, and seconds, CPU and peak memory are written to docs/benchmarks/estate.csv and
drawn in docs/images/estate-growth.svg; --plot only draws.  Ends with 1 unless all is right.  Standard library only.
"""
import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile

from growth import picture
from program import ROOT, binary, measured


def findings(out):
    with open(os.path.join(out, "findings.jsonl"), encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def compare(truth, found, rows):
    wrong = []
    want = {p["principal"] for p in truth["standing"]}
    got = {f["principal"] for f in found if f["rule"] == "STD-001"}
    wrong += [f"STD-001 misses {p}" for p in sorted(want - got)]
    wrong += [f"STD-001 says {p}, which was not planted" for p in sorted(got - want)]
    want = {(p["principal"], p["word"]) for p in truth["residue"]}
    got = {(r["principal_id"], r["residue"]) for r in rows if r["standing"] == "residue"}
    wrong += [f"residue misses {p}" for p in sorted(want - got)]
    wrong += [f"residue says {p}, which was not planted" for p in sorted(got - want)]
    bounded = {p["principal"] for p in truth["bounded"]}
    got = {r["principal_id"] for r in rows if r["standing"] == "time_bound"}
    wrong += [f"not seen as bounded: {p}" for p in sorted(bounded ^ got)]
    default = {p["principal"] for p in truth["default"]}
    wrong += [f"{f['rule']} about {f['principal']}, which the platform made" for f in found if f["principal"] in default]
    return wrong


def run(tool, bindings, seed, work):
    data = os.path.join(work, f"estate-{bindings}-{seed}")
    subprocess.run([sys.executable, os.path.join(ROOT, "scripts", "gen_estate.py"), data, "--bindings", str(bindings), "--seed", str(seed)], check=True)
    out = os.path.join(work, "out")
    wall, cpu, peak, _ = measured([tool, "--quiet", "scan", os.path.join(data, "inputs"), "-o", out])
    with open(os.path.join(data, "truth.json"), encoding="utf-8") as f:
        truth = json.load(f)
    shown = subprocess.run([tool, "--quiet", "facts", out, "holdings", "--json"], check=True, stdout=subprocess.PIPE, encoding="utf-8")
    rows = [json.loads(line) for line in shown.stdout.splitlines()]
    with open(os.path.join(out, "report.json"), encoding="utf-8") as f:
        unread = len(json.load(f)["quarantine"])
    wrong = compare(truth, findings(out), rows)
    if unread:
        wrong.append(f"{unread} records in quarantine")
    planted = sum(len(v) for v in truth.values())
    print(f"{bindings} bindings, seed {seed}: {len(rows)} holdings, {planted} planted, {len(wrong)} wrong; {wall:.1f} s, CPU {cpu:.1f} s, {peak:.0f} MiB")
    for line in wrong[:20]:
        print("  " + line)
    return wrong, (bindings, round(wall, 2), round(cpu, 2), round(peak))


def plot(table, path):
    with open(table, newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))

    def side(title, column):
        return title, "bindings in the estate", [(int(r["bindings"]), float(r[column])) for r in rows]

    title = "CPU time and memory of overstay scan by number of bindings"
    picture(path, title, side("CPU time, seconds", "cpu_s"), side("Peak memory, MiB", "peak_mib"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bindings", type=int, default=200_000)
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--bin")
    parser.add_argument("--growth")
    parser.add_argument("--csv", default=os.path.join(ROOT, "docs", "benchmarks", "estate.csv"))
    parser.add_argument("--svg", default=os.path.join(ROOT, "docs", "images", "estate-growth.svg"))
    parser.add_argument("--plot", action="store_true", help="only draw the picture from the table")
    args = parser.parse_args()
    if args.plot:
        return plot(args.csv, args.svg)
    tool = binary(args.bin)
    failed, table = False, []
    sizes = [int(s) for s in args.growth.split(",")] if args.growth else [args.bindings]
    for bindings in sizes:
        for seed in (int(s) for s in args.seeds.split(",")):
            with tempfile.TemporaryDirectory() as work:
                wrong, row = run(tool, bindings, seed, work)
            failed |= bool(wrong)
            table.append(row)
    if args.growth:
        with open(args.csv, "w", newline="", encoding="utf-8") as f:
            writer = csv.writer(f, lineterminator="\n")
            writer.writerow(["bindings", "wall_s", "cpu_s", "peak_mib"])
            writer.writerows(table)
        plot(args.csv, args.svg)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
