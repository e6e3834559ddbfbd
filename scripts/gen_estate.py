#!/usr/bin/env python3
"""A synthetic estate over four platforms, with what must be found in it.

    scripts/gen_estate.py DIR [--bindings 200000] [--seed 1]

Writes one export per platform as its own tool prints it, a quarter of the bindings each: Kubernetes (`kubectl get -o json`
lists of one cluster), GCP (`gcloud asset export`, policies of an organisation, its folders and projects), Azure
(`az role assignment list` per subscription, with built-in roles by their ids) and AWS
(`get-account-authorization-details`).  Nearly all bindings are harmless reading.  truth.json lists what was planted:
`standing` (platform, principal, scope: standing administration), `residue` (principal, word), `bounded` (holds until
a date, so it is not standing), `default` (made by the platform itself, never a finding).
Standard library only; the same arguments give the same bytes.
"""
import argparse
import json
import os
import random

AS_OF = "2026-06-30T00:00:00Z"
ORGANISATION = "organizations/111"
AZURE = {
    "Reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    "Monitoring Reader": "43d0d8ad-25c7-4714-9337-8ba259a9fe05",
    "Owner": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    "User Access Administrator": "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
}


class Truth:
    def __init__(self):
        self.standing, self.residue, self.bounded, self.default = [], [], [], []

    def plant(self, kind, platform, principal, **more):
        getattr(self, kind).append({"platform": platform, "principal": principal, **more})


def write(path, value):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, separators=(",", ":"))
        f.write("\n")


def kubernetes(folder, n, rng, truth):
    os.makedirs(folder)
    rbac = "rbac.authorization.k8s.io"
    spaces = [f"ns-{i}" for i in range(max(4, n // 400))]
    per = max(1, n // (len(spaces) * 2))
    accounts = [(space, f"sa-{i}") for space in spaces for i in range(per)]

    def rule(verbs, resources, group=""):
        return {"apiGroups": [group], "resources": resources, "verbs": verbs}

    def role(name, rules, labels=None, kind="ClusterRole"):
        meta = {"name": name, "creationTimestamp": "2026-01-15T00:00:00Z"}
        if labels:
            meta["labels"] = labels
        return {"apiVersion": f"{rbac}/v1", "kind": kind, "metadata": meta, "rules": rules}

    harmless = [
        role(f"read-{what}", [rule(["get", "list", "watch"], [what], group)])
        for what, group in (("pods", ""), ("services", ""), ("endpoints", ""), ("deployments", "apps"), ("jobs", "batch"), ("events", ""))
    ]
    roles = harmless + [
        role("everything", [rule(["*"], ["*"], "*")]),
        role("cluster-admin", [rule(["*"], ["*"], "*")], {"kubernetes.io/bootstrapping": "rbac-defaults"}),
    ]
    bindings, cluster_bindings = [], []

    def subject(space, name):
        return {"kind": "ServiceAccount", "name": name, "namespace": space}

    def bind(name, target, subjects, space=None, labels=None):
        meta = {"name": name, "creationTimestamp": "2026-02-03T00:00:00Z"}
        if labels:
            meta["labels"] = labels
        if space:
            meta["namespace"] = space
        item = {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding" if space else "ClusterRoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": target},
            "subjects": subjects,
        }
        (bindings if space else cluster_bindings).append(item)

    def principal(space, name):
        return f"k8s:estate/system:serviceaccount:{space}:{name}"

    picked = rng.sample(range(len(accounts)), min(30, len(accounts)))
    for k, at in enumerate(picked):
        space, name = accounts[at]
        if k < 10:
            bind(f"plant-{k}", "everything", [subject(space, name)])
            truth.plant("standing", "k8s", principal(space, name), scope="k8s:estate")
        elif k < 20:
            bind(f"plant-{k}", "gone", [subject(space, name)], space)
            truth.plant("residue", "k8s", principal(space, name), word="missing_role")
        else:
            bind(f"plant-{k}", "read-pods", [subject(space, "left")], space)
            truth.plant("residue", "k8s", principal(space, "left"), word="missing_principal")
    bind("cluster-admin", "cluster-admin", [{"kind": "Group", "apiGroup": rbac, "name": "system:masters"}], labels={"kubernetes.io/bootstrapping": "rbac-defaults"})
    truth.plant("default", "k8s", "k8s:estate/group:system:masters")
    for i in range(n - len(picked) - 1):
        space, name = accounts[rng.randrange(len(accounts))]
        bind(f"b-{i}", rng.choice(harmless)["metadata"]["name"], [subject(space, name)], space)

    def listed(items):
        return {"apiVersion": "v1", "kind": "List", "items": items, "metadata": {"resourceVersion": ""}}

    write(os.path.join(folder, "clusterroles.json"), listed(roles))
    write(os.path.join(folder, "rolebindings.json"), listed(bindings))
    write(os.path.join(folder, "clusterrolebindings.json"), listed(cluster_bindings))
    meta = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": space, "creationTimestamp": "2026-01-20T00:00:00Z"}}
        for space, name in accounts
    ]
    write(os.path.join(folder, "serviceaccounts.json"), listed(meta))
    with open(os.path.join(folder, "cluster_name"), "w", encoding="utf-8") as f:
        f.write("estate\n")


def gcp(folder, n, rng, truth):
    os.makedirs(folder)
    folders = [f"folders/{200 + i}" for i in range(max(2, n // 5000))]
    projects = [f"p-{i}" for i in range(max(4, n // 250))]
    harmless = ["roles/logging.viewer", "roles/monitoring.viewer", "roles/cloudtrace.user", "roles/storage.objectViewer"]
    policies = {ORGANISATION: {}, **{f: {} for f in folders}, **{f"projects/{p}": {} for p in projects}}

    def add(where, role, member, condition=None):
        key = (role, json.dumps(condition, sort_keys=True) if condition else "")
        policies[where].setdefault(key, []).append(member)

    def until(day):
        return {"title": f"until {day}", "expression": f'request.time < timestamp("{day}T00:00:00Z")'}

    for k in range(10):
        mail = f"owner-{k}@estate.example"
        where = f"projects/{projects[rng.randrange(len(projects))]}"
        add(where, "roles/owner", f"user:{mail}")
        truth.plant("standing", "gcp", mail, scope=where)
        mail = f"past-{k}@estate.example"
        add(f"projects/{projects[rng.randrange(len(projects))]}", "roles/resourcemanager.projectIamAdmin", f"user:{mail}", until("2026-03-01"))
        truth.plant("residue", "gcp", mail, word="expired")
        mail = f"until-{k}@estate.example"
        where = folders[rng.randrange(len(folders))] if k % 2 else f"projects/{projects[rng.randrange(len(projects))]}"
        add(where, "roles/resourcemanager.projectIamAdmin", f"user:{mail}", until("2026-12-31"))
        truth.plant("bounded", "gcp", mail)
    sizes = {where: 0 for where in policies}
    for i in range(n - 30):
        where = f"projects/{projects[i % len(projects)]}"
        kind = rng.randrange(3)
        member = f"user:u-{rng.randrange(n // 4)}@estate.example" if kind else f"serviceAccount:s-{rng.randrange(n // 8)}@{projects[i % len(projects)]}.iam.gserviceaccount.com"
        add(where, rng.choice(harmless), member)
        sizes[where] += 1
    parent = {p: folders[i % len(folders)] for i, p in enumerate(projects)}
    with open(os.path.join(folder, "assets.ndjson"), "w", encoding="utf-8") as f:
        for where, bindings in policies.items():
            kind = {"organizations": "Organization", "folders": "Folder", "projects": "Project"}[where.split("/")[0]]
            above = [where]
            if kind == "Project":
                above.append(parent[where.split("/")[1]])
            if kind != "Organization":
                above.append(ORGANISATION)
            rows = []
            for (role, condition), members in sorted(bindings.items()):
                row = {"role": role, "members": sorted(set(members))}
                if condition:
                    row["condition"] = json.loads(condition)
                rows.append(row)
            version = 3 if any("condition" in r for r in rows) else 1
            asset = {
                "name": f"//cloudresourcemanager.googleapis.com/{where}",
                "asset_type": f"cloudresourcemanager.googleapis.com/{kind}",
                "iam_policy": {"bindings": rows, "etag": "BwX0aaaaaaa=", "version": version},
                "ancestors": above,
                "update_time": AS_OF,
            }
            f.write(json.dumps(asset, separators=(",", ":")) + "\n")


def guid(kind, i):
    return f"{kind:08x}-0000-4000-8000-{i:012x}"


def azure(folder, n, rng, truth):
    os.makedirs(folder)
    subscriptions = [guid(0x5AB, i) for i in range(max(2, n // 2500))]
    rows = {s: [] for s in subscriptions}

    def assign(sub, role, principal, kind, name="someone@estate.example"):
        i = len(rows[sub])
        where = f"/subscriptions/{sub}"
        base = f"{where}/providers/Microsoft.Authorization"
        rows[sub].append({
            "id": f"{base}/roleAssignments/{guid(0xA5, i)}",
            "name": guid(0xA5, i),
            "type": "Microsoft.Authorization/roleAssignments",
            "scope": where,
            "roleDefinitionId": f"{base}/roleDefinitions/{AZURE[role]}",
            "roleDefinitionName": role,
            "principalId": principal,
            "principalName": name,
            "principalType": kind,
            "createdOn": "2026-02-01T00:00:00.000000+00:00",
            "updatedOn": "2026-02-01T00:00:00.000000+00:00",
        })
        return where

    for k in range(10):
        who = guid(0xAD, k)
        sub = subscriptions[rng.randrange(len(subscriptions))]
        where = assign(sub, "Owner" if k % 2 else "User Access Administrator", who, "ServicePrincipal", f"app-{k}")
        truth.plant("standing", "azure", who, scope=where)
        who = guid(0xDEAD, k)
        assign(subscriptions[rng.randrange(len(subscriptions))], "Reader", who, "User", "")
        truth.plant("residue", "azure", who, word="missing_principal")
    for i in range(n - 20):
        sub = subscriptions[i % len(subscriptions)]
        user = rng.randrange(n // 4)
        assign(sub, rng.choice(["Reader", "Monitoring Reader"]), guid(0xBEE, user), "User", f"u-{user}@estate.example")
    for i, sub in enumerate(subscriptions):
        write(os.path.join(folder, f"subscription-{i}.json"), rows[sub])


def aws(folder, n, rng, truth):
    os.makedirs(folder)
    account = "111122223333"
    harmless = [
        ("ReadMetrics", ["cloudwatch:GetMetricData", "cloudwatch:ListMetrics"]),
        ("ReadQueues", ["sqs:ListQueues", "sqs:GetQueueAttributes"]),
        ("ReadStacks", ["cloudformation:DescribeStacks"]),
        ("ReadHosts", ["ec2:DescribeInstances", "ec2:DescribeTags"]),
        ("ReadTopics", ["sns:ListTopics"]),
    ]

    def policy(name, actions):
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
        return {
            "PolicyName": name,
            "PolicyId": "ANPA" + name.upper()[:16].ljust(16, "A"),
            "Arn": f"arn:aws:iam::{account}:policy/{name}",
            "Path": "/",
            "DefaultVersionId": "v1",
            "AttachmentCount": 1,
            "PermissionsBoundaryUsageCount": 0,
            "IsAttachable": True,
            "CreateDate": "2025-01-01T00:00:00+00:00",
            "UpdateDate": "2025-01-01T00:00:00+00:00",
            "PolicyVersionList": [{"Document": document, "VersionId": "v1", "IsDefaultVersion": True, "CreateDate": "2025-01-01T00:00:00+00:00"}],
        }

    users, left, i = [], n, 0
    while left > 0:
        attached = rng.sample([name for name, _ in harmless], min(left, 1 + rng.randrange(3)))
        left -= len(attached)
        if i < 10:
            attached = ["Everything"]
            truth.plant("standing", "aws", f"arn:aws:iam::{account}:user/u-{i}", scope=f"aws:{account}")
        users.append({
            "Path": "/",
            "UserName": f"u-{i}",
            "UserId": f"AIDA{i:016d}",
            "Arn": f"arn:aws:iam::{account}:user/u-{i}",
            "CreateDate": "2025-02-01T00:00:00+00:00",
            "GroupList": [],
            "AttachedManagedPolicies": [{"PolicyName": p, "PolicyArn": f"arn:aws:iam::{account}:policy/{p}"} for p in sorted(attached)],
            "Tags": [],
        })
        i += 1
    policies = [policy(name, actions) for name, actions in harmless] + [policy("Everything", ["*"])]
    write(os.path.join(folder, "authorization-details.json"), {"UserDetailList": users, "GroupDetailList": [], "RoleDetailList": [], "Policies": policies})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir")
    parser.add_argument("--bindings", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.bindings < 400:
        parser.error("--bindings: at least 400, or there is no room for what is planted")
    os.makedirs(args.dir)
    inputs = os.path.join(args.dir, "inputs")
    os.makedirs(inputs)
    truth = Truth()
    for i, (name, make) in enumerate((("kubernetes", kubernetes), ("gcp", gcp), ("azure", azure), ("aws", aws))):
        make(os.path.join(inputs, name), args.bindings // 4, random.Random(args.seed * 10 + i), truth)
    with open(os.path.join(inputs, "overstay.toml"), "w", encoding="utf-8") as f:
        f.write(f'as_of = "{AS_OF}"\n')
    write(os.path.join(args.dir, "truth.json"), truth.__dict__)


if __name__ == "__main__":
    main()
