#!/usr/bin/env python3
"""Packs the Kubernetes permission catalogue and the default roles into the files that the binary embeds.

Usage: build_k8s_data.py DATA_DIR [OUT_DIR]

DATA_DIR holds `dangerous_permissions.csv` (own compilation) and `cluster-kps/clusterroles.json` and
`cluster-kps/roles.json`, whose roles with the label `kubernetes.io/bootstrapping: rbac-defaults` are
those of Kubernetes v1.20.2 (plugin/pkg/auth/authorizer/rbac/bootstrappolicy, Apache-2.0), aggregated
rules filled in. OUT_DIR defaults to `rules/privilege` beside this script. Standard library only; the
same input gives the same bytes.

  k8s_permissions.csv       id,group,resource,verbs,scope,class
  k8s_default_roles.ndjson  one role a line: kind, namespace, name, labels, aggregationRule, rules
"""
import csv
import json
import pathlib
import sys

# The other halves of conjunctions in the catalogue, which are no danger by themselves.
PARTNERS = [
    ["certificates.k8s.io/certificatesigningrequests/status:update+patch", "certificates.k8s.io",
     "certificatesigningrequests/status", "update patch", "cluster", "write"],
    ["admissionregistration.k8s.io/mutatingadmissionpolicybindings:create+update+patch",
     "admissionregistration.k8s.io", "mutatingadmissionpolicybindings", "create update patch",
     "cluster", "write"],
]


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    src = pathlib.Path(sys.argv[1])
    here = pathlib.Path(__file__).resolve().parent.parent
    out = pathlib.Path(sys.argv[2]) if len(sys.argv) == 3 else here / "rules" / "privilege"
    with open(src / "dangerous_permissions.csv", newline="", encoding="utf-8") as handle:
        rows = [[r["permission"], r["api_group"], r["resource"], r["verbs"], r["scope"], r["class"]]
                for r in csv.DictReader(handle) if r["platform"] == "k8s"]
    rows = sorted(rows + PARTNERS)
    if any("," in cell for row in rows for cell in row):
        sys.exit("a cell holds a comma: the reader takes none")
    with open(out / "k8s_permissions.csv", "w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["id", "group", "resource", "verbs", "scope", "class"])
        writer.writerows(rows)
    roles = []
    for name in ["clusterroles.json", "roles.json"]:
        with open(src / "cluster-kps" / name, encoding="utf-8") as handle:
            for item in json.load(handle)["items"]:
                meta = item["metadata"]
                labels = meta.get("labels") or {}
                if labels.get("kubernetes.io/bootstrapping") != "rbac-defaults":
                    continue
                role = {"kind": item["kind"], "name": meta["name"], "labels": labels,
                        "rules": item.get("rules") or []}
                if meta.get("namespace"):
                    role["namespace"] = meta["namespace"]
                if item.get("aggregationRule"):
                    role["aggregationRule"] = item["aggregationRule"]
                roles.append(role)
    roles.sort(key=lambda r: (r["kind"], r.get("namespace", ""), r["name"]))
    with open(out / "k8s_default_roles.ndjson", "w", encoding="utf-8") as handle:
        for role in roles:
            handle.write(json.dumps(role, sort_keys=True, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
