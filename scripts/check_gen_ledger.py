#!/usr/bin/env python3
"""Precision and recall on a synthetic ledger whose violations are known.

    scripts/check_gen_ledger.py [--generator ../shared/tools/gen_ledger.py] [--bin PATH] [--rows 100000] [--seeds 1,2,3]

For each seed: run the generator, `overstay scan`, and compare findings.jsonl with truth.csv, per violation
code; of a ledger so large that it is screened, exceptions.csv.  Only what is `certain` counts.  Ends with 1 unless every precision and recall is 1.
Standard library only.
"""
import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile

from program import ROOT, binary

# Codes of the generator that are one question for us, the rules that answer it, and rules that may answer it too.
GROUPS = [
    (("V01_OUTLIVED_TASK",), ("GRT-003",), ()),
    (("V02_NO_EXPIRY",), ("GRT-001",), ()),
    (("V03_UNKNOWN_TASK", "V04_NO_TASK"), ("GRT-005",), ()),
    (("V05_TTL_TOO_LONG",), ("GRT-002",), ()),
    (("V06_SELF_APPROVED",), ("APR-002",), ()),
    (("V07_NOT_APPROVED",), ("APR-001",), ()),
    (("V08_APPROVED_LATE",), ("APR-003",), ()),
    # An inverted interval may be told as a contradiction or as doubtful evidence.
    (("V09_GRANTED_EARLY", "V15_BAD_INTERVAL"), ("GRT-012",), ("EVD-003",)),
    (("V10_RENEWAL_CHAIN",), ("GRT-007",), ()),
    (("V11_USED_AFTER_END",), ("USE-001", "USE-003"), ()),
    (("V12_NEVER_USED",), ("GRT-010",), ()),
    (("V13_REVOKED_LATE",), ("GRT-011",), ()),
    (("V14_DUPLICATE_ACTIVE",), ("GRT-009",), ()),
]


def read_truth(folder):
    truth = {}
    with open(os.path.join(folder, "truth.csv"), encoding="utf-8", newline="") as f:
        for row in csv.DictReader(f):
            truth.setdefault(row["code"], set()).add(row["grant_id"])
    return truth


def read_exceptions(path, data):
    """What a screening found: its file names records, here lines of grants.csv."""
    with open(os.path.join(data, "grants.csv"), encoding="utf-8", newline="") as f:
        ids = {f"L{n}": row[0] for n, row in enumerate(csv.reader(f), 1)}
    found = {}
    with open(path, encoding="utf-8", newline="") as f:
        for row in csv.DictReader(f):
            if row["certainty"] == "certain":
                found.setdefault(row["rule"], set()).add(ids[row["record"]])
    return found


def read_findings(bundle, data):
    screened = os.path.join(bundle, "exceptions.csv")
    if os.path.exists(screened):
        return read_exceptions(screened, data)
    found = {}
    with open(os.path.join(bundle, "findings.jsonl"), encoding="utf-8") as f:
        for line in f:
            finding = json.loads(line)
            if finding["certainty"] != "certain":
                continue
            grants = [finding["grant_id"]]
            if finding["rule"] == "GRT-007":
                grants = finding["evidence"]["grant_ids"]
            found.setdefault(finding["rule"], set()).update(g for g in grants if g)
    return found


def share(part, whole):
    return 1.0 if whole == 0 else part / whole


def compare(truth, found):
    """Rows of the table, and examples of what differs."""
    rows, wrong = [], []
    for codes, rules, also in GROUPS:
        expected = set().union(*(truth.get(c, set()) for c in codes))
        strict = set().union(*(found.get(r, set()) for r in rules))
        extra = set().union(*(found.get(r, set()) for r in also)) & expected
        hits = expected & (strict | extra)
        precision, recall = share(len(strict & expected), len(strict)), share(len(hits), len(expected))
        rows.append((" ".join(c.split("_")[0] for c in codes), " ".join(rules), len(expected), len(strict), precision, recall))
        if strict - expected:
            wrong.append(f"{' '.join(rules)}: found and not true: {', '.join(sorted(strict - expected)[:5])}")
        if expected - hits:
            wrong.append(f"{' '.join(rules)}: true and not found: {', '.join(sorted(expected - hits)[:5])}")
    return rows, wrong


def main():
    parser = argparse.ArgumentParser(description="precision and recall on a synthetic ledger")
    parser.add_argument("--generator", default=os.path.join(ROOT, "..", "shared", "tools", "gen_ledger.py"))
    parser.add_argument("--bin")
    parser.add_argument("--rows", default="100000")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--config", default=os.path.join(ROOT, "tests", "data", "gen-ledger.toml"))
    a = parser.parse_args()
    if not os.path.exists(a.generator):
        sys.exit(f"no generator at {a.generator}: name it with --generator")
    tool, failed = binary(a.bin), False
    for seed in a.seeds.split(","):
        with tempfile.TemporaryDirectory() as folder:
            data, out = os.path.join(folder, "data"), os.path.join(folder, "out")
            subprocess.run([sys.executable, a.generator, "--rows", a.rows, "--usage", "--seed", seed, "--out", data], check=True, stderr=subprocess.DEVNULL)
            with open(os.path.join(data, "truth.json"), encoding="utf-8") as f:
                as_of = json.load(f)["asof"]
            truth = read_truth(data)
            # The answers must not lie beside the questions.
            for name in ("truth.csv", "truth.json"):
                os.unlink(os.path.join(data, name))
            subprocess.run([tool, "--quiet", "scan", data, "--config", a.config, "--as-of", as_of, "-o", out], check=True)
            rows, wrong = compare(truth, read_findings(out, data))
        print(f"seed {seed}, {a.rows} base grants, as of {as_of}")
        print(f"{'code':10} {'rule':16} {'truth':>7} {'found':>7} {'precision':>10} {'recall':>7}")
        for code, rule, expected, got, precision, recall in rows:
            print(f"{code:10} {rule:16} {expected:7d} {got:7d} {precision:10.4f} {recall:7.4f}")
        for line in wrong:
            print("  " + line)
        failed = failed or bool(wrong)
        print()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
