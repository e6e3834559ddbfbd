#!/usr/bin/env python3
"""Sets the holdings of one Kubernetes cluster beside what other scanners say of it, as a Markdown table.

Usage: compare_k8s_peers.py OVERSTAY DATA_DIR

OVERSTAY is the program, DATA_DIR the folder of the cluster with the outputs of the peers in `peer/`
(`rbac-police.json`, `kubiscan.txt`). Standard library only; writes to standard output.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

SEVERE = {"Critical": 0, "High": 1, "Medium": 2, "Low": 3}


def identity(kind, namespace, name):
    if kind == "ServiceAccount":
        return f"{namespace}/{name}"
    return f"{kind.lower()} {name}"


def rbac_police(path):
    found = {}
    for policy in json.loads(path.read_text()):
        for key, kind in [("serviceAccounts", "ServiceAccount"), ("users", "User"),
                          ("groups", "Group")]:
            for v in policy["violations"].get(key) or []:
                name = v if isinstance(v, str) else v["name"]
                who = identity(kind, None if isinstance(v, str) else v.get("namespace"), name)
                found.setdefault(who, []).append((SEVERE.get(policy["severity"], 4),
                                                  policy["severity"]))
    return {who: min(hits)[1] for who, hits in found.items()}


def kubiscan(path):
    found, inside = {}, False
    for line in path.read_text().splitlines():
        if line.startswith("|Risky"):
            inside = "Risky Users" in line or "Risky Subjects" in line
        cells = [c.strip() for c in line.strip("|").split("|")]
        if inside and len(cells) == 4 and cells[1] in ("ServiceAccount", "User", "Group"):
            found[identity(cells[1], cells[2], cells[3])] = cells[0].capitalize()
    return found


def ours(program, data):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        subprocess.run([program, "-q", "scan", data, "--as-of", "2026-06-30T00:00:00Z",
                        "-o", out], check=False, stdout=subprocess.DEVNULL)
        rows = subprocess.run([program, "facts", out, "holdings", "--json"], check=True,
                              capture_output=True, text=True).stdout
    found = {}
    for line in rows.splitlines():
        h = json.loads(line)
        name = h["principal_id"].split("/", 1)[1]
        if name.startswith("system:serviceaccount:"):
            who = "/".join(name.split(":")[2:])
        else:
            who = name.replace(":", " ", 1)
        best = found.setdefault(who, {"tier": "T9", "default": True, "why": ""})
        best["default"] = best["default"] and h["provider_owned"]
        if h["standing"] != "residue" and (h.get("tier") or "T9") < best["tier"]:
            best["tier"] = h["tier"]
            best["why"] = ", ".join((h.get("strongest_actions") or [])[:2])
    return found


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    data = pathlib.Path(sys.argv[2])
    police = rbac_police(data / "peer" / "rbac-police.json")
    scan = kubiscan(data / "peer" / "kubiscan.txt")
    own = ours(sys.argv[1], data)
    print("| identity | here | rbac-police | KubiScan | why |")
    print("|---|---|---|---|---|")
    for who in sorted(set(police) | set(scan) | {w for w, o in own.items() if o["tier"] <= "T1"}):
        mine = own.get(who, {"tier": "T9", "default": False, "why": "holds nothing"})
        tier = "nothing" if mine["tier"] == "T9" else f"tier {mine['tier']}"
        word = f"{tier}, default, counted" if mine["default"] and mine["tier"] != "T9" else tier
        print(f"| {who} | {word} | {police.get(who, '-')} | {scan.get(who, '-')} "
              f"| {'`' + mine['why'] + '`' if mine['why'] else ''} |")


if __name__ == "__main__":
    main()
