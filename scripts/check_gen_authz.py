#!/usr/bin/env python3
"""Planted verdicts in synthetic IAM exports, checked against what the program says.

    scripts/check_gen_authz.py [--generator ../shared/tools/gen_aws_authz.py] [--policies ../shared/data/aws/managed_policies.jsonl]
                               [--bin PATH] [--sizes 100,1000] [--seeds 1,2,3]

For each size and seed: run the generator, `overstay scan`, and compare the facts about each planted identity with
the truth.  The other principals are noise out of real policies; some of its roles trust anybody of an organisation,
so that every identity may reach them under a condition that no input decides.  Where nothing was planted, such a
conditional way in by the trust of another role is counted apart.  Ends with 1 unless every verdict is right.
Standard library only.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

from program import ROOT, binary

AS_OF = "2026-06-01T00:00:00Z"


def facts(tool, data, out):
    subprocess.run([tool, "--quiet", "scan", data, "--as-of", AS_OF, "-o", out], check=True)
    run = subprocess.run([tool, "--quiet", "facts", out, "identity_facts", "--json"], check=True, stdout=subprocess.PIPE, encoding="utf-8")
    rows = (json.loads(line) for line in run.stdout.splitlines())
    return {row["principal_id"]: row for row in rows}


def compare(truth, rows):
    """Right, wrong, noise: verdicts by what was asked."""
    right, noise, wrong = {"admin": 0, "escalation": 0}, 0, []
    for case in truth:
        row = rows.get(case["arn"])
        for asked, column in (("admin", "admin"), ("escalation", "escalates")):
            want = case.get(asked)
            if want is None:
                continue
            got = row[column] if row else "missing"
            if got == want:
                right[asked] += 1
            elif want == "no" and got == "conditional" and "whose trust policy lets it in" in "".join(row["path"][:1]):
                noise += 1
            else:
                wrong.append(f"{case['arn']} ({case['pattern']}): {asked} is {want}, found {got}")
    return right, noise, wrong


def main():
    parser = argparse.ArgumentParser(description="planted verdicts in synthetic IAM exports")
    parser.add_argument("--generator", default=os.path.join(ROOT, "..", "shared", "tools", "gen_aws_authz.py"))
    parser.add_argument("--policies", default=os.path.join(ROOT, "..", "shared", "data", "aws", "managed_policies.jsonl"))
    parser.add_argument("--bin")
    parser.add_argument("--sizes", default="100,1000")
    parser.add_argument("--seeds", default="1,2,3")
    a = parser.parse_args()
    for path in (a.generator, a.policies):
        if not os.path.exists(path):
            sys.exit(f"nothing at {path}: name it with --generator or --policies")
    tool, failed = binary(a.bin), False
    print("| principals | seed | planted | admin right | escalation right | conditional by noise | wrong |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for size in a.sizes.split(","):
        for seed in a.seeds.split(","):
            with tempfile.TemporaryDirectory() as folder:
                data, truth = os.path.join(folder, "authz.json"), os.path.join(folder, "truth.json")
                subprocess.run([sys.executable, a.generator, a.policies, "-n", size, "--seed", seed, "-o", data, "--truth", truth], check=True, stdout=subprocess.DEVNULL)
                with open(truth, encoding="utf-8") as f:
                    cases = json.load(f)
                right, noise, wrong = compare(cases, facts(tool, data, os.path.join(folder, "out")))
            print(f"| {size} | {seed} | {len(cases)} | {right['admin']} | {right['escalation']} | {noise} | {len(wrong)} |", flush=True)
            for line in wrong:
                print("  " + line, file=sys.stderr)
            failed = failed or bool(wrong)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
