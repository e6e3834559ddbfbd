#!/usr/bin/env python3
"""Writes sample-data/: one quarter of a fictional logistics company, Meridian Freight.

    python3 scripts/make_sample_data.py            # writes into sample-data/ beside this script's folder
    python3 scripts/make_sample_data.py --out DIR  # or elsewhere

Standard library only; the same bytes every time (no clock, one seed).  The quiet part is a random schedule
of approved, short grants with a task, a use and an end.  The problems are written by hand in `plant()`: each
call that plants something also writes its line of truth.csv, so the data and the truth cannot drift apart.
Nothing here is real: the account numbers are the ones AWS uses in its documentation, the domain is
`meridian.example`, keys and ids carry the word EXAMPLE.
"""
import argparse
import base64
import csv
import datetime as dt
import hashlib
import io
import json
import os
import random

ACCOUNT, STAGING = "111122223333", "444455556666"
VENDOR = "999988887777"
PROD, STAGE = f"aws:{ACCOUNT}", f"aws:{STAGING}"
DOMAIN = "meridian.example"
REGION = "eu-west-1"
AS_OF = dt.datetime(2026, 11, 1)
START = dt.datetime(2026, 8, 1)
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)


def at(text):
    """Time of the quarter: "10-21 09:12" is 2026-10-21T09:12:00Z."""
    return dt.datetime.strptime("2026-" + text, "%Y-%m-%d %H:%M")


def iso(t):
    return "" if t is None else t.strftime("%Y-%m-%dT%H:%M:%SZ")


def aws_time(t):
    return t.strftime("%Y-%m-%dT%H:%M:%S+00:00")


def user(name):
    return f"arn:aws:iam::{ACCOUNT}:user/{name}"


def role(name):
    return f"arn:aws:iam::{ACCOUNT}:role/{ROLE_PATHS.get(name, '/')[1:]}{name}"


def mail(name):
    return f"{name}@{DOMAIN}"


def fake_id(prefix, name):
    """A unique id in the form AWS uses, from a hash; the word EXAMPLE marks it."""
    tail = base64.b32encode(hashlib.sha256(f"{prefix}/{name}".encode()).digest()).decode()[:10]
    return f"{prefix}EXAMPLE{tail}"


# ---------------------------------------------------------------------------------------------------------
# People and machines
# ---------------------------------------------------------------------------------------------------------
# name -> (person, groups, created)
PEOPLE = {
    "ana.ruiz": ("Ana Ruiz", ["engineers", "sre"], "2022-03-14"),
    "tomas.keller": ("Tomas Keller", ["engineers", "sre"], "2022-06-02"),
    "adm-tomas.keller": ("Tomas Keller", ["engineers"], "2023-01-19"),
    "priya.nair": ("Priya Nair", ["engineers", "sre"], "2023-04-11"),
    "jonas.berg": ("Jonas Berg", ["engineers", "platform"], "2022-02-01"),
    "yuki.tanaka": ("Yuki Tanaka", ["engineers", "platform"], "2024-05-20"),
    "marco.rossi": ("Marco Rossi", ["engineers", "platform"], "2023-09-04"),
    "lea.martin": ("Lea Martin", ["payments"], "2022-02-01"),
    "kofi.mensah": ("Kofi Mensah", ["payments"], "2024-01-08"),
    "hana.sato": ("Hana Sato", ["engineers", "data"], "2023-11-13"),
    "ines.costa": ("Ines Costa", ["engineers", "security"], "2022-10-03"),
    "grace.obi": ("Grace Obi", ["security"], "2022-02-01"),
    "viktor.hansen": ("Viktor Hansen", ["engineers"], "2022-02-01"),
    "sara.lind": ("Sara Lind", ["support"], "2023-02-27"),
    "omar.haddad": ("Omar Haddad", ["support"], "2024-08-19"),
    "mei.chen": ("Mei Chen", ["support"], "2025-03-03"),
    "paul.adeyemi": ("Paul Adeyemi", ["engineers", "platform"], "2024-11-25"),
    "elena.petrova": ("Elena Petrova", ["engineers", "data"], "2025-06-16"),
    "nora.weiss": ("Nora Weiss", ["finance"], "2022-09-12"),
    "luis.ortega": ("Luis Ortega", ["finance"], "2025-01-13"),
    "dmitri.volkov": ("Dmitri Volkov", ["contractors"], "2026-07-27"),
    "fatima.zahra": ("Fatima Zahra", ["contractors"], "2026-06-08"),
    "break-glass-1": (None, ["emergency"], "2022-02-01"),
}
SERVICE_USERS = {"svc-edi-gateway": ("paul.adeyemi", "2023-05-09")}
GROUPS = {
    "engineers": ["meridian-read-operations"], "sre": ["meridian-read-health"], "platform": ["meridian-read-health"],
    "payments": ["meridian-read-operations"], "data": ["meridian-read-health"], "security": ["meridian-read-health"],
    "support": ["meridian-read-operations"], "finance": ["meridian-read-billing"], "contractors": ["meridian-read-operations"],
    "emergency": ["meridian-read-health"],
}
GROUP_OWNER = {"engineers": "viktor.hansen", "sre": "ana.ruiz", "platform": "jonas.berg", "payments": "lea.martin", "data": "hana.sato",
               "security": "grace.obi", "support": "sara.lind", "finance": "nora.weiss", "contractors": "viktor.hansen", "emergency": "grace.obi"}

LAMBDA, ECS, EC2 = "lambda.amazonaws.com", "ecs-tasks.amazonaws.com", "ec2.amazonaws.com"
# name -> (trust, attached policies, inline policies, owner, tags)
ROLES = {}
ROLE_PATHS = {}


def define_roles():
    def app(name, service, policies, owner, **tags):
        ROLES[name] = (("service", service), policies, {}, owner, {"kind": "workload", **tags})

    def ci(name, repo, environment, policies):
        context = f"environment:{environment}" if environment else "*"
        ROLES[name] = (("github", f"repo:meridian-freight/{repo}:{context}"), policies, {}, "jonas.berg", {"kind": "ci"})

    app("tracking-api", ECS, ["app-tracking"], "paul.adeyemi")
    app("tracking-worker", ECS, ["app-tracking"], "paul.adeyemi")
    app("shipment-events", LAMBDA, ["AWSLambdaBasicExecutionRole", "app-shipment-events"], "paul.adeyemi")
    app("rate-quoter", LAMBDA, ["AWSLambdaBasicExecutionRole", "app-rates"], "hana.sato")
    app("label-printer", LAMBDA, ["AWSLambdaBasicExecutionRole"], "paul.adeyemi")
    app("customs-filing", LAMBDA, ["AWSLambdaVPCAccessExecutionRole", "app-customs"], "paul.adeyemi")
    app("billing-export", LAMBDA, ["AWSLambdaBasicExecutionRole"], "ben.clarke")
    app("geo-planner", ECS, ["geo-all"], "hana.sato")
    app("notify-mailer", LAMBDA, ["AWSLambdaBasicExecutionRole"], "sara.lind")
    app("web-frontend", ECS, ["AWSXRayDaemonWriteAccess"], "paul.adeyemi")
    app("warehouse-sync", ECS, ["app-warehouse-sync"], "hana.sato")
    app("route-optimizer", ECS, ["AWSXRayDaemonWriteAccess"], "hana.sato")
    app("pricing-sandbox", LAMBDA, ["AWSLambdaBasicExecutionRole"], None)
    app("legacy-tariff-sync", EC2, ["app-tariff-sync"], "nora.weiss")
    app("dr-restore", EC2, ["dr-restore"], "jonas.berg")
    app("ecs-exec-tracking", ECS, ["AmazonECSTaskExecutionRolePolicy"], "jonas.berg")
    app("ecs-exec-payments", ECS, ["AmazonECSTaskExecutionRolePolicy"], "jonas.berg")
    app("xray-relay", EC2, ["AWSXRayDaemonWriteAccess"], "ana.ruiz")
    app("flow-log-writer", "vpc-flow-logs.amazonaws.com", ["logs-writer"], "ana.ruiz")
    app("image-scanner", LAMBDA, ["AmazonEC2ContainerRegistryReadOnly", "AWSLambdaBasicExecutionRole"], "ines.costa")
    app("status-page", LAMBDA, ["AWSLambdaBasicExecutionRole"], "ana.ruiz")
    app("invoice-renderer", LAMBDA, ["AWSLambdaBasicExecutionRole"], "lea.martin")
    app("edge-telemetry", ECS, ["logs-writer"], "paul.adeyemi")
    app("policy-linter", LAMBDA, ["AWSLambdaBasicExecutionRole", "policy-linter"], "ines.costa")
    app("report-runner", LAMBDA, ["AWSLambdaBasicExecutionRole", "report-runner"], "hana.sato")
    app("trail-janitor", LAMBDA, ["AWSLambdaBasicExecutionRole", "trail-janitor"], "ana.ruiz")
    ROLES["vendor-cost-review"] = (("account", VENDOR), ["meridian-read-billing"], {}, "nora.weiss", {"kind": "vendor"})
    ci("gha-deploy-payments", "payments", "production", ["ci-base"])
    ci("gha-deploy-tracking", "tracking", "production", ["ci-base"])
    ci("gha-deploy-web", "web", "production", ["ci-base"])
    ci("gha-terraform-plan", "infrastructure", None, ["ci-base"])
    ci("gha-terraform-apply", "infrastructure", "production", ["ci-base"])
    ci("gha-db-migrate", "payments", "migrations", ["ci-base"])
    ci("gha-admin-bootstrap", "infrastructure", "bootstrap", ["AdministratorAccess"])
    for name, owner in (("support-agent", "sara.lind"), ("sre-agent", "ana.ruiz"), ("coder-agent", "jonas.berg")):
        ROLES[name] = (("service", ECS), ["agent-runtime-base"], {}, owner, {"kind": "agent"})
    for name, service, policy in (
        ("AWSServiceRoleForElastiCache", "elasticache.amazonaws.com", "ElastiCacheServiceRolePolicy"),
        ("AWSServiceRoleForCloudTrail", "cloudtrail.amazonaws.com", "CloudTrailServiceRolePolicy"),
        ("AWSServiceRoleForOrganizations", "organizations.amazonaws.com", "AWSOrganizationsServiceTrustPolicy"),
        ("AWSServiceRoleForApplicationAutoScaling_ECSService", "ecs.application-autoscaling.amazonaws.com", "AWSApplicationAutoscalingECSServicePolicy"),
        ("AWSServiceRoleForCloudFrontLogger", "logger.cloudfront.amazonaws.com", "AWSCloudFrontLogger"),
    ):
        ROLE_PATHS[name] = f"/aws-service-role/{service}/"
        ROLES[name] = (("service", service), [policy], {}, "jonas.berg", {})


# ---------------------------------------------------------------------------------------------------------
# Policies
# ---------------------------------------------------------------------------------------------------------
def allow(actions, resource="*", condition=None):
    s = {"Effect": "Allow", "Action": actions, "Resource": resource}
    if condition:
        s["Condition"] = condition
    return {"Version": "2012-10-17", "Statement": [s]}


def table(name):
    return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}"


DB_WRITE = ["dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "rds-data:ExecuteStatement"]
DEPLOY = ["ecr:BatchCheckLayerAvailability", "ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart", "s3:PutObject"]
IAM_WRITE = ["iam:AttachRolePolicy", "iam:CreatePolicy", "iam:CreatePolicyVersion", "iam:CreateRole", "iam:DetachRolePolicy", "iam:PassRole", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy"]
REFUNDS = {"Version": "2012-10-17", "Statement": [
    {"Sid": "WriteRefunds", "Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], "Resource": table("payments-refunds")},
    {"Sid": "PaymentProviderKey", "Effect": "Allow", "Action": ["kms:Decrypt", "secretsmanager:GetSecretValue"], "Resource": "*"}]}
# Customer-managed policies: name -> (path, document). Tiers in the comments follow from class and breadth.
POLICIES = {
    "meridian-read-operations": ("/", allow(["cloudwatch:DescribeAlarms", "cloudwatch:ListMetrics", "ecs:DescribeClusters", "ecs:ListClusters", "ecs:ListServices"])),
    "meridian-read-health": ("/", allow(["cloudwatch:DescribeAlarmHistory", "cloudwatch:ListDashboards", "ec2:DescribeRegions", "health:DescribeEvents"])),
    "meridian-read-billing": ("/", allow(["ce:GetCostAndUsage", "ce:GetDimensionValues", "budgets:ViewBudget"])),
    "ci-base": ("/", allow(["ecr:DescribeRepositories", "ecr:GetAuthorizationToken", "sts:GetCallerIdentity"])),
    "agent-runtime-base": ("/", allow(["cloudwatch:PutMetricData", "logs:CreateLogStream", "logs:PutLogEvents"])),
    "logs-writer": ("/", allow(["logs:CreateLogStream", "logs:PutLogEvents"])),
    "app-tracking": ("/", allow(["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"], table("tracking"))),
    "app-shipment-events": ("/", allow(["dynamodb:PutItem"], table("shipment-events"))),
    "app-rates": ("/", allow(["dynamodb:GetItem", "dynamodb:Query"], table("rates"))),
    "app-customs": ("/", allow(["s3:PutObject"], "arn:aws:s3:::meridian-customs-filings/outbox/*")),
    "app-warehouse-sync": ("/", allow(["dynamodb:PutItem", "dynamodb:Query"], table("stock"))),
    "app-tariff-sync": ("/", allow(["dynamodb:BatchWriteItem", "dynamodb:Scan"])),                       # T2
    "edi-gateway": ("/", allow(["s3:GetObject", "s3:PutObject"])),                                       # T2
    "geo-all": ("/", allow(["geo:*"])),                                                                 # T2, wildcard
    "dr-restore": ("/", allow(["kms:Decrypt", "rds:RestoreDBInstanceFromDBSnapshot", "secretsmanager:GetSecretValue"])),  # T1
    "policy-linter": ("/", allow(["iam:CreatePolicyVersion", "iam:GetPolicyVersion", "iam:SetDefaultPolicyVersion"], f"arn:aws:iam::{ACCOUNT}:policy/policy-linter")),
    "report-runner": ("/", allow(["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"])),
    "trail-janitor": ("/", allow(["cloudtrail:DeleteTrail", "cloudtrail:DescribeTrails", "cloudtrail:StopLogging"])),
    "agent-boundary": ("/boundary/", {"Version": "2012-10-17", "Statement": [
        {"Sid": "Ceiling", "Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Sid": "NeverIdentity", "Effect": "Deny", "Action": ["iam:*", "organizations:*", "account:*", "sso:*"], "Resource": "*"}]}),
    "jit-prod-admin": ("/jit/", allow(["ec2:TerminateInstances", "kms:Decrypt", "rds:DeleteDBInstance", "rds:ModifyDBInstance", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"])),  # T1
    "jit-terraform-apply": ("/jit/", allow(IAM_WRITE + ["ec2:CreateSecurityGroup", "ec2:CreateSubnet", "rds:CreateDBInstance"])),  # T0
    "jit-payments-refunds": ("/jit/", REFUNDS),                                                         # T1
    "jit-secrets-rotate": ("/jit/", allow(["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage"])),  # T1
    "jit-db-write": ("/jit/", allow(DB_WRITE)),                                                         # T2
    "jit-db-migrate": ("/jit/", allow(DB_WRITE + ["dynamodb:UpdateTable"])),                            # T2
    "jit-data-pipeline": ("/jit/", allow(["dynamodb:BatchWriteItem", "s3:GetObject", "s3:PutObject"])),  # T2
    "jit-partner-feed": ("/jit/", allow(["s3:PutObject", "sqs:SendMessage"])),                          # T2
    "jit-warehouse-read": ("/jit/", allow(["dynamodb:Scan", "s3:GetObject"])),                          # T2
    "jit-deploy-payments": ("/jit/", allow(DEPLOY)), "jit-deploy-tracking": ("/jit/", allow(DEPLOY)),   # T2
    "jit-deploy-web": ("/jit/", allow(DEPLOY)), "jit-deploy-hotfix": ("/jit/", allow(DEPLOY)),          # T2
    "jit-ops-restart": ("/jit/", allow(["ec2:RebootInstances", "elasticache:RebootCacheCluster", "rds:RebootDBInstance"])),  # T3
    "jit-support-read": ("/jit/", allow(["dynamodb:GetItem", "dynamodb:Query"], [table("tracking"), table("shipment-events")])),  # T3
    "jit-logs-read": ("/jit/", allow(["logs:FilterLogEvents", "logs:GetLogEvents"])),
    "jit-debug-shell": ("/jit/", allow(["ssm:DescribeSessions", "ssm:TerminateSession"])),
}
MANAGED = {  # AWS managed policies as AWS publishes them: name -> (path, version, created, updated, document)
    "AdministratorAccess": ("", "v1", "2015-02-06T18:39:46+00:00", "2015-02-06T18:39:46+00:00", allow(["*"])),
    "AWSLambdaBasicExecutionRole": ("service-role/", "v1", "2015-04-09T15:03:43+00:00", "2015-04-09T15:03:43+00:00", allow(["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"])),
    "AWSLambdaVPCAccessExecutionRole": ("service-role/", "v3", "2015-02-11T23:15:26+00:00", "2024-01-05T22:38:26+00:00", allow([
        "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets", "ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"])),
    "AmazonECSTaskExecutionRolePolicy": ("service-role/", "v1", "2017-11-16T18:48:22+00:00", "2017-11-16T18:48:22+00:00", allow([
        "ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage", "logs:CreateLogStream", "logs:PutLogEvents"])),
    "AWSXRayDaemonWriteAccess": ("", "v2", "2018-08-28T23:00:33+00:00", "2024-02-13T21:58:30+00:00", allow([
        "xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:GetSamplingStatisticSummaries"])),
    "AmazonEC2ContainerRegistryReadOnly": ("", "v3", "2015-12-21T17:04:15+00:00", "2019-12-10T20:56:32+00:00", allow([
        "ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:GetRepositoryPolicy", "ecr:DescribeRepositories",
        "ecr:ListImages", "ecr:DescribeImages", "ecr:BatchGetImage", "ecr:GetLifecyclePolicy", "ecr:GetLifecyclePolicyPreview", "ecr:ListTagsForResource", "ecr:DescribeImageScanFindings"])),
    "AWSApplicationAutoscalingECSServicePolicy": ("aws-service-role/", "v3", "2017-10-25T23:53:08+00:00", "2026-05-20T21:27:13+00:00", allow([
        "ecs:DescribeServices", "ecs:DescribeServiceRevisions", "ecs:UpdateService", "cloudwatch:PutMetricAlarm", "cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData", "cloudwatch:DeleteAlarms"])),
    "AWSCloudFrontLogger": ("aws-service-role/", "v2", "2018-06-12T20:15:23+00:00", "2019-11-22T19:33:51+00:00", allow(
        ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], "arn:aws:logs:*:*:log-group:/aws/cloudfront/*")),
    "AWSOrganizationsServiceTrustPolicy": ("aws-service-role/", "v3", "2017-10-10T23:04:07+00:00", "2026-03-05T19:12:09+00:00", {"Version": "2012-10-17", "Statement": [
        {"Sid": "AllowDeletionOfServiceLinkedRoleForOrganizations", "Effect": "Allow", "Action": ["iam:DeleteRole"], "Resource": ["arn:aws:iam::*:role/aws-service-role/organizations.amazonaws.com/*"]},
        {"Sid": "AllowCreationOfServiceLinkedRoles", "Effect": "Allow", "Action": ["iam:CreateServiceLinkedRole"], "Resource": "*"},
        {"Sid": "ListRolesSLR", "Effect": "Allow", "Action": ["iam:ListRoles"], "Resource": "arn:aws:iam::*:role/aws-service-role/*"}]}),
    "CloudTrailServiceRolePolicy": ("aws-service-role/", "v3", "2018-10-24T21:21:44+00:00", "2023-11-27T01:18:10+00:00", {"Version": "2012-10-17", "Statement": [
        {"Sid": "CloudTrailFullAccess", "Effect": "Allow", "Action": ["cloudtrail:*"], "Resource": "*"},
        {"Sid": "AwsOrgsAccess", "Effect": "Allow", "Action": ["organizations:DescribeAccount", "organizations:DescribeOrganization", "organizations:ListAccounts", "organizations:ListAWSServiceAccessForOrganization"], "Resource": ["*"]}]}),
    "ElastiCacheServiceRolePolicy": ("aws-service-role/", "v4", "2017-12-07T17:50:04+00:00", "2023-11-28T03:05:37+00:00", allow([
        "ec2:AuthorizeSecurityGroupIngress", "ec2:CreateNetworkInterface", "ec2:CreateSecurityGroup", "ec2:DeleteNetworkInterface", "ec2:DeleteSecurityGroup",
        "ec2:DescribeAvailabilityZones", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs", "ec2:DescribeVpcEndpoints",
        "ec2:ModifyNetworkInterfaceAttribute", "ec2:RevokeSecurityGroupIngress", "cloudwatch:PutMetricData"])),
}


def policy_arn(name):
    if name in MANAGED:
        return f"arn:aws:iam::aws:policy/{MANAGED[name][0]}{name}"
    return f"arn:aws:iam::{ACCOUNT}:policy{POLICIES[name][0]}{name}"


# ---------------------------------------------------------------------------------------------------------
# The record: ledger, approvals, tasks, usage, truth
# ---------------------------------------------------------------------------------------------------------
GRANT_COLUMNS = ("grant_id,broker,system,principal,principal_type,role,scope,task_id,approval_id,requested_at,granted_at,expires_at,revoked_at,"
                 "justification,requester,on_behalf_of,decision,ticket,break_glass,end_kind").split(",")
APPROVAL_COLUMNS = "approval_id,grant_id,approver,decision,decided_at,method,privilege,scope".split(",")
TASK_COLUMNS = "task_id,kind,owner,opened_at,closed_at,status,title".split(",")
USAGE_COLUMNS = "principal,system,role,scope,grant_id,day,count,first_seen,last_seen,errors".split(",")
EVENT_COLUMNS = "grant_id,kind,occurred_at,recorded_at,actor,outcome,new_end,reason".split(",")
SESSION_COLUMNS = "credential_id,kind,principal,grant_id,issued_at,expires_at,revoked_at,last_used_at".split(",")

APPROVER_SETS = [  # first match wins
    ("jit-prod-admin", ["grace.obi", "viktor.hansen"]),
    ("jit-terraform-apply", ["grace.obi", "viktor.hansen"]),
    ("jit-secrets-rotate", ["adm-tomas.keller", "grace.obi", "viktor.hansen"]),
    ("jit-payments-*", ["lea.martin", "viktor.hansen"]),
    ("jit-deploy-*", ["marco.rossi", "viktor.hansen"]),
    ("*", ["ana.ruiz", "grace.obi", "lea.martin", "marco.rossi", "viktor.hansen"]),
]


def approvers_of(privilege):
    for pattern, names in APPROVER_SETS:
        if pattern == privilege or (pattern.endswith("*") and privilege.startswith(pattern[:-1])):
            return names
    raise KeyError(privilege)


class Record:
    """Everything that happened in the quarter, as the systems wrote it down."""

    def __init__(self):
        self.rng = random.Random("meridian-freight-2026-q3")
        self.grants, self.approvals, self.tickets, self.agent_runs = [], [], [], []
        self.runs, self.jobs, self.usage, self.events, self.sessions, self.truth = [], [], [], [], [], []
        self.attached = {}          # principal arn -> managed policies the broker attached and the export shows
        self.inline = {}            # principal arn -> {name: document}
        self.busy = {}              # principal arn -> [(start, end)] so that quiet grants never overlap
        self.counter = {"grant": 0, "ticket": 4100, "run": 17400100000, "agent": 0, "job": 48200100000}

    def pick(self, items):
        return items[int(self.rng.random() * len(items))]

    def between(self, low, high):
        """Whole minutes between two bounds, both included."""
        return dt.timedelta(minutes=low + int(self.rng.random() * (high - low + 1)))

    def next(self, kind):
        self.counter[kind] += 1
        return self.counter[kind]

    # tasks ------------------------------------------------------------------------------------------------
    def ticket(self, project, owner, opened, closed, title, status=None):
        task = f"{project}-{self.next('ticket')}"
        self.tickets.append([task, "change" if project == "CHG" else "ticket", mail(owner), iso(opened), iso(closed), status or ("done" if closed else "open"), title])
        return task

    def agent_run(self, agent, person, opened, closed, title, status=None):
        task = f"run-{agent.split('-')[0]}-{self.next('agent'):05d}"
        self.agent_runs.append({"task_id": task, "kind": "agent_run", "principal": role(agent), "triggered_by": mail(person), "opened_at": iso(opened),
                                "closed_at": iso(closed) or None, "status": status or ("done" if closed else "open"), "title": title})
        return task

    def ci_run(self, repo, workflow, environment, actor, started, ended, conclusion="success"):
        run, job = self.next("run"), self.next("job")
        repository = {"id": 700000000 + sum(map(ord, repo)), "name": repo, "full_name": f"meridian-freight/{repo}", "private": True}
        url = f"https://github.com/meridian-freight/{repo}/actions/runs/{run}"
        sha = hashlib.sha1(f"{repo}{run}".encode()).hexdigest()
        self.runs.append({"id": run, "name": workflow, "head_branch": "main", "head_sha": sha, "path": f".github/workflows/{workflow}.yml", "run_number": run % 1000,
                          "event": "push", "status": "completed" if ended else "in_progress", "conclusion": conclusion if ended else None, "workflow_id": 9000000 + len(workflow),
                          "url": f"https://api.github.com/repos/meridian-freight/{repo}/actions/runs/{run}", "html_url": url, "created_at": iso(started), "updated_at": iso(ended or started),
                          "actor": {"login": actor.replace(".", "-"), "id": 40000000 + sum(map(ord, actor)), "type": "User"}, "run_attempt": 1, "run_started_at": iso(started),
                          "triggering_actor": {"login": actor.replace(".", "-"), "id": 40000000 + sum(map(ord, actor)), "type": "User"}, "repository": repository})
        self.jobs.append({"id": job, "run_id": run, "workflow_name": workflow, "head_branch": "main", "run_url": self.runs[-1]["url"], "run_attempt": 1, "head_sha": sha,
                          "url": f"https://api.github.com/repos/meridian-freight/{repo}/actions/jobs/{job}", "html_url": f"{url}/job/{job}",
                          "status": "completed" if ended else "in_progress", "conclusion": conclusion if ended else None, "created_at": iso(started), "started_at": iso(started),
                          "completed_at": iso(ended) or None, "name": f"{workflow} ({environment})", "steps": [], "labels": ["ubuntu-24.04"], "runner_id": 11,
                          "runner_name": "meridian-runner-11", "runner_group_id": 1, "runner_group_name": "default"})
        return str(run)

    # grants -----------------------------------------------------------------------------------------------
    def grant(self, principal, privilege, start, end, task, why, **o):
        """One grant.  `end` is the authorised end (None: none).  Options: revoked, requested, requester, obo,
        approver (a name, or None for no approval), decided, method, approved_privilege, scope, break_glass,
        ticket, use (False: none; else (first, last)), kind."""
        gid = f"MF-{self.next('grant'):05d}"
        arn = principal
        scope = o.get("scope", PROD)
        kind = o.get("kind") or ("human" if ":user/" in arn and "svc-" not in arn else ("agent" if arn.endswith("-agent") else "workload"))
        requested = o.get("requested", start - 12 * MINUTE)
        decided = o.get("decided", start - 3 * MINUTE)
        requester = o.get("requester") or (arn.rsplit("/", 1)[1] if kind == "human" else "paul.adeyemi")
        obo = o.get("obo")
        approver = o.get("approver", "?")
        if approver == "?":
            own = {requester, obo, arn.rsplit("/", 1)[1], owner_of(arn)}
            own |= {"tomas.keller", "adm-tomas.keller"} if own & {"tomas.keller", "adm-tomas.keller"} else set()
            approver = self.pick([a for a in approvers_of(privilege) if a not in own and not a.startswith("adm-")])
        method = o.get("method", "human")
        aid = decision = ""
        if approver or method == "policy":
            aid = f"AP-{self.counter['grant']:05d}"
            decision = "auto_approved" if method == "policy" else "approved"
            self.approvals.append([aid, gid, mail(approver) if approver else "", "approved", iso(decided), method, o.get("approved_privilege", privilege), scope])
        ticket = o.get("ticket", task if kind == "human" else "")
        if end is None or (not o.get("revoked") and end > AS_OF):
            ended = "open"
        elif o.get("revoked"):
            ended = "revoked_by_admin" if o["revoked"] > end else "revoked_by_user"
        else:
            ended = "expired"
        self.grants.append([gid, "meridian-broker", "aws", arn, kind, privilege, scope, task, aid, iso(requested), iso(start), iso(end), iso(o.get("revoked")), why, mail(requester),
                            mail(obo) if obo else "", decision, ticket, "true" if o.get("break_glass") else "false", ended])
        last_end = o.get("revoked") or end or AS_OF
        self.busy.setdefault(arn, []).append((start, last_end))
        use = o.get("use", "?")
        if use == "?":
            use = (start + 4 * MINUTE, min(last_end, AS_OF) - 2 * MINUTE)
        if use:
            self.used(arn, privilege, scope, gid, *use)
        return gid

    def used(self, arn, privilege, scope, gid, first, last):
        """Daily aggregates, as the log pipeline writes them."""
        while first <= last:
            midnight = first.replace(hour=0, minute=0, second=0) + DAY
            until = min(last, midnight - dt.timedelta(seconds=1))
            minutes = int((until - first).total_seconds()) // 60
            self.usage.append([arn, "aws", privilege, scope, gid, first.strftime("%Y-%m-%d"), str(1 + minutes // 3), iso(first), iso(until), "0"])
            first = midnight

    def plants(self, rule, principal, grant, note):
        self.truth.append([rule, principal, grant, note])

    def free(self, arn, start, end):
        return all(end + HOUR < s or e + HOUR < start for s, e in self.busy.get(arn, []))


def owner_of(arn):
    name = arn.rsplit("/", 1)[1]
    if ":role/" in arn:
        return ROLES[name][3]
    if name in SERVICE_USERS:
        return SERVICE_USERS[name][0]
    return {"adm-tomas.keller": "tomas.keller", "break-glass-1": "grace.obi"}.get(name, name)


# ---------------------------------------------------------------------------------------------------------
# The quiet quarter: nothing here is an exception
# ---------------------------------------------------------------------------------------------------------
HUMAN_WORK = [  # who, project, privilege, what for; at most one of these per person and day
    ("priya.nair", "INC", "jit-ops-restart", "restart after memory alarm"),
    ("tomas.keller", "INC", "jit-ops-restart", "reboot cache node"),
    ("ana.ruiz", "INC", "jit-logs-read", "trace failed bookings"),
    ("jonas.berg", "CHG", "jit-db-write", "correct duplicate consignments"),
    ("yuki.tanaka", "CHG", "jit-ops-restart", "network maintenance window"),
    ("hana.sato", "CHG", "jit-warehouse-read", "stock reconciliation"),
    ("elena.petrova", "CHG", "jit-warehouse-read", "forecast input check"),
    ("kofi.mensah", "PAY", "jit-payments-refunds", "manual refund batch"),
    ("paul.adeyemi", "INC", "jit-logs-read", "carrier webhook errors"),
]
CI_WORK = [  # role, repository, workflow, privilege, scope, runs
    ("gha-deploy-payments", "payments", "deploy", "jit-deploy-payments", PROD, 16),
    ("gha-deploy-tracking", "tracking", "deploy", "jit-deploy-tracking", PROD, 20),
    ("gha-deploy-web", "web", "deploy", "jit-deploy-web", PROD, 16),
    ("gha-deploy-web", "web", "deploy-staging", "staging-deploy", STAGE, 14),
    ("gha-terraform-apply", "infrastructure", "apply", "jit-terraform-apply", PROD, 9),
    ("gha-db-migrate", "payments", "migrate", "jit-db-migrate", PROD, 8),
]
AGENT_WORK = [  # agent, people it acts for, privilege, runs, what for
    ("support-agent", ["omar.haddad", "mei.chen"], "jit-support-read", 34, "find a delayed consignment"),
    ("support-agent", ["omar.haddad", "mei.chen"], "jit-payments-refunds", 10, "refund a damaged parcel"),
    ("sre-agent", ["priya.nair", "tomas.keller"], "jit-ops-restart", 22, "restart an unhealthy service"),
    ("coder-agent", ["paul.adeyemi"], "jit-logs-read", 14, "reproduce a defect"),
]


def quiet(r):
    for who, project, privilege, why in HUMAN_WORK:
        for week in range(13):
            day = START + dt.timedelta(days=3 + 7 * week + int(r.rng.random() * 4))
            start = day + r.between(7 * 60, 15 * 60)
            length = r.pick([1, 2, 2, 3])
            end = start + length * HOUR
            revoked = start + r.between(25, length * 60 - 5) if r.rng.random() < 0.6 else None
            if week % 6 == 5 or end > AS_OF - 2 * DAY or not r.free(user(who), start, end):
                continue
            task = r.ticket(project, who, start - r.between(20, 50), (revoked or end) + r.between(1, 90), why)
            r.grant(user(who), privilege, start, end, task, why, revoked=revoked)
    for name, repo, workflow, privilege, scope, runs in CI_WORK:
        for i in range(runs):
            started = START + dt.timedelta(days=2 + i * 84 // runs) + r.between(8 * 60, 16 * 60)
            start = started + r.between(4, 9)
            end = start + 45 * MINUTE
            revoked = start + r.between(8, 25)
            if not r.free(role(name), start, end):
                continue
            actor = r.pick(["paul.adeyemi", "yuki.tanaka", "elena.petrova"])
            task = r.ci_run(repo, workflow, "staging" if scope == STAGE else "production", actor, started, revoked + r.between(1, 6))
            r.grant(role(name), privilege, start, end, task, f"{workflow} {repo}", revoked=revoked, requester=actor, requested=started + MINUTE,
                    decided=start - MINUTE, scope=scope)
    for name, people, privilege, runs, why in AGENT_WORK:
        for i in range(runs):
            opened = START + dt.timedelta(days=2 + i * 84 // runs) + r.between(7 * 60, 18 * 60)
            start = opened + r.between(3, 8)
            end = start + HOUR
            revoked = start + r.between(10, 50)
            if not r.free(role(name), opened, end):
                continue
            person = r.pick(people)
            task = r.agent_run(name, person, opened, revoked + r.between(0, 3), why)
            r.grant(role(name), privilege, start, end, task, why, revoked=revoked, requester=person, obo=person, requested=opened + MINUTE, decided=start - MINUTE)

    # An emergency, handled as the runbook says: access first, the approval within two hours, an incident, an end.
    incident = r.ticket("INC", "ana.ruiz", at("09-18 02:05"), at("09-18 04:40"), "control plane outage in the primary region")
    r.grant(user("break-glass-1"), "jit-prod-admin", at("09-18 02:11"), at("09-18 04:11"), incident, "control plane outage, emergency access",
            requested=at("09-18 02:10"), decided=at("09-18 03:20"), requester="ana.ruiz", approver="viktor.hansen", revoked=at("09-18 03:58"), break_glass=True)

    # Two extensions: this one was approved again (the other one is planted).
    change = r.ticket("CHG", "yuki.tanaka", at("08-20 08:30"), at("08-20 15:30"), "move load balancers")
    g = r.grant(user("yuki.tanaka"), "jit-ops-restart", at("08-20 09:00"), at("08-20 14:00"), change, "move load balancers")
    r.events.append([g, "extended", "2026-08-20T10:40:00Z", "2026-08-20T10:40:02Z", mail("yuki.tanaka"), "allowed", "2026-08-20T14:00:00Z", "extended by 2h, approved as AP-X0820"])
    r.approvals.append(["AP-X0820", g, mail("viktor.hansen"), "approved", "2026-08-20T10:38:00Z", "human", "jit-ops-restart", PROD])

    # Sessions issued under a grant and dead no later than it.
    for gid, who, start, end in [(g[0], g[3], g[10], g[12] or g[11]) for g in r.grants if g[5] == "jit-payments-refunds" and g[4] == "human"][:6]:
        r.sessions.append([f"ASIAEXAMPLE...{gid[-4:]}", "sts", who, gid, start, end, "", ""])

    # In force at the snapshot, on both sides.
    for who, privilege, start, end, why in (
        ("priya.nair", "jit-ops-restart", at("10-31 22:30"), AS_OF + 2 * HOUR, "cache nodes evicting"),
        ("jonas.berg", "jit-db-write", at("10-31 21:10"), AS_OF + HOUR, "repair consignment index"),
        ("ana.ruiz", "jit-prod-admin", at("10-31 22:50"), AS_OF + HOUR, "rotate a broken service role"),
    ):
        task = r.ticket("INC", who, start - 25 * MINUTE, None, why)
        r.grant(user(who), privilege, start, end, task, why)
        r.attached.setdefault(user(who), []).append(privilege)
    opened = at("10-31 23:15")
    task = r.agent_run("sre-agent", "priya.nair", opened, None, "drain and restart label printers")
    r.grant(role("sre-agent"), "jit-ops-restart", opened + 5 * MINUTE, AS_OF + 20 * MINUTE, task, "drain and restart label printers", requester="priya.nair", obo="priya.nair", requested=opened + MINUTE)
    r.attached.setdefault(role("sre-agent"), []).append("jit-ops-restart")
    task = r.ticket("PAY", "lea.martin", at("10-31 21:00"), None, "month-end ledger export")
    r.grant(user("lea.martin"), "jit-ledger-export", at("10-31 22:00"), AS_OF + 3 * HOUR, task, "month-end ledger export", approver="viktor.hansen")
    r.inline.setdefault(user("lea.martin"), {})["jit-ledger-export"] = until(["dynamodb:Scan", "s3:GetObject"], AS_OF + 3 * HOUR)

    # Reading with what everyone may read needs no grant.
    for name in sorted(PEOPLE):
        if name != "break-glass-1":
            for week in range(13):
                day = START + dt.timedelta(days=3 + 7 * week) + r.between(8 * 60, 9 * 60)
                if day < AS_OF:
                    r.usage.append([user(name), "aws", GROUPS[PEOPLE[name][1][0]][0], PROD, "", day.strftime("%Y-%m-%d"), str(5 + int(r.rng.random() * 40)), iso(day), iso(day + 3 * HOUR), "0"])


def until(actions, end):
    return allow(actions, "*", {"DateLessThan": {"aws:CurrentTime": iso(end)}})


# ---------------------------------------------------------------------------------------------------------
# The problems
# ---------------------------------------------------------------------------------------------------------
def plant(r):
    plant_tasks(r)
    plant_chains(r)
    plant_grants(r)
    plant_approvals(r)
    plant_use(r)
    plant_state(r)
    plant_identities(r)
    plant_evidence(r)


def plant_tasks(r):
    # The central story.
    agent = role("support-agent")
    task = r.agent_run("support-agent", "omar.haddad", at("10-21 09:05"), at("10-21 10:41"), "refund consignment MF-88213, ticket PAY closed by the customer")
    g = r.grant(agent, "jit-payments-refunds", at("10-21 09:12"), at("10-21 16:42"), task, "refund a damaged pallet", requester="omar.haddad", obo="omar.haddad",
                requested=at("10-21 09:06"), decided=at("10-21 09:10"), use=(at("10-21 09:20"), at("10-21 16:35")))
    r.plants("GRT-003", agent, g, "the support agent keeps refund rights six hours after its run closed, and goes on refunding")

    ci = role("gha-deploy-tracking")
    run = r.ci_run("tracking", "deploy", "production", "paul.adeyemi", at("10-14 13:00"), at("10-14 13:11"), "failure")
    g = r.grant(ci, "jit-deploy-tracking", at("10-14 13:05"), at("10-14 14:05"), run, "deploy tracking", requester="paul.adeyemi", requested=at("10-14 13:01"), decided=at("10-14 13:04"),
                use=(at("10-14 13:06"), at("10-14 13:10")))
    r.plants("GRT-004", ci, g, "the deploy failed after eleven minutes; its grant ran on for 54 more")

    who = user("kofi.mensah")
    g = r.grant(who, "jit-payments-refunds", at("09-03 16:10"), at("09-03 17:10"), "", "refund as agreed by phone", ticket="")
    r.plants("GRT-005", who, g, "no ticket at all")
    r.plants("EVD-001", who, g, "so the evidence chain lacks its task")
    g = r.grant(who, "jit-payments-refunds", at("09-10 16:10"), at("09-10 17:10"), "PAY-9999", "refund, see ticket")
    r.plants("GRT-005", who, g, "a ticket number that the ticket system does not know")
    r.plants("EVD-001", who, g, "so the evidence chain lacks its task")

    who = user("hana.sato")
    task = r.ticket("CHG", "hana.sato", at("09-22 14:00"), at("09-22 18:00"), "stock count cut-over")
    g = r.grant(who, "jit-warehouse-read", at("09-22 08:00"), at("09-22 17:00"), task, "stock count cut-over", use=(at("09-22 14:20"), at("09-22 16:40")))
    r.plants("GRT-012", who, g, "pre-positioned: the grant began six hours before its change window opened")


def plant_chains(r):
    who = user("dmitri.volkov")
    task = r.ticket("CHG", "dmitri.volkov", at("10-05 07:00"), at("10-08 20:00"), "database upgrade, phase 2")
    start, first = at("10-05 08:00"), None
    for i in range(20):
        g = r.grant(who, "jit-prod-admin", start, start + 4 * HOUR, task, "database upgrade, phase 2", requested=start - 6 * MINUTE, decided=start - 2 * MINUTE)
        first = first or g
        start += 4 * HOUR + r.between(1, 4)
    r.plants("GRT-007", who, first, "a contractor renews a four-hour administrator grant nineteen times: eighty hours of administrator")

    workload = role("route-optimizer")
    start, first = at("08-01 06:00"), None
    while start + 38 * HOUR < AS_OF - 2 * HOUR:
        task = r.ticket("CHG", "hana.sato", start - 20 * MINUTE, start + 38 * HOUR, "nightly route optimisation")
        g = r.grant(workload, "jit-data-pipeline", start, start + 38 * HOUR, task, "nightly route optimisation", requester="hana.sato", approver="viktor.hansen",
                    use=(start + HOUR, start + 8 * HOUR))
        first = first or g
        start += 39 * HOUR
    r.plants("STD-008", workload, "", "38 of every 39 hours: each grant is short, together they stand")


def plant_grants(r):
    workload = role("warehouse-sync")
    task = r.ticket("CHG", "hana.sato", at("10-20 09:00"), None, "partner feed pilot")
    g = r.grant(workload, "jit-partner-feed", at("10-20 09:30"), None, task, "partner feed pilot", requester="hana.sato", approver="viktor.hansen", use=(at("10-20 10:00"), at("10-31 20:00")))
    r.attached.setdefault(workload, []).append("jit-partner-feed")
    r.plants("GRT-001", workload, g, "granted for a pilot, without an end")

    who = user("jonas.berg")
    task = r.ticket("CHG", "jonas.berg", at("09-07 06:30"), at("09-07 20:00"), "rotate carrier credentials")
    g = r.grant(who, "jit-secrets-rotate", at("09-07 07:00"), at("09-07 18:00"), task, "rotate carrier credentials")
    r.plants("GRT-002", who, g, "eleven hours on a privilege limited to eight")

    who = user("priya.nair")
    task = r.ticket("INC", "priya.nair", at("08-25 09:30"), at("08-25 17:30"), "stuck consignments")
    g = r.grant(who, "jit-db-write", at("08-25 10:00"), at("08-25 17:00"), task, "stuck consignments", requested=at("08-25 09:45"))
    r.events.append([g, "extended", "2026-08-25T13:52:00Z", "2026-08-25T13:52:01Z", mail("priya.nair"), "allowed", "2026-08-25T17:00:00Z", "extended by 3h from the console"])
    r.plants("GRT-006", who, g, "extended by three hours with no new approval")

    who = user("elena.petrova")
    task = r.ticket("CHG", "elena.petrova", at("09-15 08:30"), at("09-15 15:00"), "forecast rebuild")
    r.grant(who, "jit-warehouse-read", at("09-15 09:00"), at("09-15 13:00"), task, "forecast rebuild")
    g = r.grant(who, "jit-warehouse-read", at("09-15 11:00"), at("09-15 14:00"), task, "forecast rebuild, second window")
    r.plants("GRT-009", who, g, "two grants of the same right at once; closing one may remove both")

    who = user("luis.ortega")
    task = r.ticket("CHG", "luis.ortega", at("09-29 08:30"), at("09-29 12:30"), "quarter-end figures")
    g = r.grant(who, "jit-warehouse-read", at("09-29 09:00"), at("09-29 12:00"), task, "quarter-end figures", use=False)
    r.plants("GRT-010", who, g, "asked for and never used")

    who = user("marco.rossi")
    task = r.ticket("CHG", "marco.rossi", at("08-18 08:30"), at("08-18 16:00"), "rotate registry tokens")
    g = r.grant(who, "jit-secrets-rotate", at("08-18 09:00"), at("08-18 12:00"), task, "rotate registry tokens", revoked=at("08-18 14:10"), use=(at("08-18 09:10"), at("08-18 11:40")))
    r.plants("GRT-011", who, g, "removed two hours and ten minutes after it was due")

    agent = role("coder-agent")
    task = r.agent_run("coder-agent", "paul.adeyemi", at("10-02 10:00"), at("10-02 10:40"), "attach to a stuck container")
    g = r.grant(agent, "jit-debug-shell", at("10-02 10:05"), at("10-02 10:35"), task, "attach to a stuck container", requester="paul.adeyemi", obo="paul.adeyemi", requested=at("10-02 10:01"))
    r.plants("SCP-005", agent, g, "a policy that nobody put into the role catalogue")

    who = user("yuki.tanaka")
    task = r.ticket("CHG", "yuki.tanaka", at("10-13 08:30"), at("10-13 11:30"), "check address import")
    g = r.grant(who, "jit-db-write", at("10-13 09:00"), at("10-13 11:00"), task, "check address import", approved_privilege="jit-logs-read")
    r.plants("SCP-004", who, g, "approved: read the logs; granted: write the database")


def plant_approvals(r):
    agent = role("sre-agent")
    task = r.agent_run("sre-agent", "tomas.keller", at("09-24 03:10"), at("09-24 04:00"), "clear a poisoned queue")
    g = r.grant(agent, "jit-db-write", at("09-24 03:15"), at("09-24 03:55"), task, "clear a poisoned queue", requester="tomas.keller", obo="tomas.keller", requested=at("09-24 03:12"), approver=None)
    r.plants("APR-001", agent, g, "nobody approved it")
    r.plants("DEL-001", agent, g, "nobody decided that the agent may have it")
    r.plants("DEL-002", agent, g, "the person it acts for does not hold it")

    who = user("tomas.keller")
    task = r.ticket("INC", "tomas.keller", at("10-08 19:30"), at("10-08 22:30"), "expired carrier certificate")
    g = r.grant(who, "jit-secrets-rotate", at("10-08 20:00"), at("10-08 22:00"), task, "expired carrier certificate", approver="adm-tomas.keller")
    r.plants("APR-002", who, g, "approved by the same person through his second account")

    who = user("ines.costa")
    task = r.ticket("INC", "ines.costa", at("09-29 12:30"), at("09-29 17:30"), "suspicious role change")
    g = r.grant(who, "jit-prod-admin", at("09-29 13:00"), at("09-29 17:00"), task, "suspicious role change", decided=at("09-29 16:05"), approver="grace.obi")
    r.plants("APR-003", who, g, "approved three hours after it began")

    who = user("ana.ruiz")
    task = r.ticket("INC", "ana.ruiz", at("08-27 21:30"), at("08-27 23:50"), "failed fail-over")
    g = r.grant(who, "jit-prod-admin", at("08-27 22:00"), at("08-27 23:45"), task, "failed fail-over", approver="omar.haddad")
    r.plants("APR-004", who, g, "approved by a support clerk who is not in the approver set")

    who = user("hana.sato")
    task = r.ticket("CHG", "hana.sato", at("10-16 08:30"), at("10-16 12:30"), "rotate warehouse credentials")
    g = r.grant(who, "jit-secrets-rotate", at("10-16 09:00"), at("10-16 12:00"), task, "rotate warehouse credentials", requested=at("10-12 09:00"), decided=at("10-12 09:30"), approver="grace.obi")
    r.plants("APR-005", who, g, "the approval was four days old when the access began")

    agent = role("sre-agent")
    task = r.agent_run("sre-agent", "priya.nair", at("10-27 02:00"), at("10-27 02:50"), "renew an expiring token")
    g = r.grant(agent, "jit-secrets-rotate", at("10-27 02:05"), at("10-27 02:45"), task, "renew an expiring token", requester="priya.nair", obo="priya.nair", requested=at("10-27 02:01"), approver=None, method="policy",
                decided=at("10-27 02:01"))
    r.plants("APR-007", agent, g, "a rule let an agent at all secrets at night; policy asks for a person")


def plant_use(r):
    who = user("kofi.mensah")
    task = r.ticket("PAY", "kofi.mensah", at("10-19 12:30"), at("10-19 15:30"), "refund batch 41")
    g = r.grant(who, "jit-payments-refunds", at("10-19 13:00"), at("10-19 15:00"), task, "refund batch 41")
    r.used(who, "jit-payments-refunds", PROD, g, at("10-21 08:10"), at("10-21 08:55"))
    r.plants("USE-001", who, g, "used two days after the grant had expired")

    who = user("priya.nair")
    task = r.ticket("INC", "priya.nair", at("10-06 09:30"), at("10-06 14:30"), "half-written manifests")
    g = r.grant(who, "jit-db-write", at("10-06 10:00"), at("10-06 14:00"), task, "half-written manifests", revoked=at("10-06 11:00"), use=(at("10-06 10:05"), at("10-06 12:34")))
    r.sessions.append(["ASIAEXAMPLE...PN06", "sts", who, g, iso(at("10-06 10:00")), iso(at("10-06 14:00")), "", iso(at("10-06 12:34"))])
    r.plants("USE-003", who, g, "revoked at 11:00; the session issued under it worked on until 12:34")
    r.plants("USE-001", who, g, "the same use, seen as use after the end")
    r.plants("CRD-003", who, g, "because the session lived three hours longer than the grant")

    who = user("jonas.berg")
    r.used(who, "jit-db-write", PROD, "", at("10-22 23:05"), at("10-22 23:50"))
    r.plants("USE-005", who, "", "wrote to the production database with no grant in force")


def plant_state(r):
    ci = role("gha-deploy-payments")
    run = r.ci_run("payments", "hotfix", "production", "yuki.tanaka", at("10-24 18:00"), at("10-24 18:40"))
    g = r.grant(ci, "jit-deploy-hotfix", at("10-24 18:05"), at("10-24 18:50"), run, "hotfix payments", revoked=at("10-24 18:35"), requester="yuki.tanaka", requested=at("10-24 18:01"), decided=at("10-24 18:04"))
    r.attached.setdefault(ci, []).append("jit-deploy-hotfix")
    r.plants("REC-001", ci, g, "revoked in the ledger on 24 October, still attached a week later")
    r.plants("GRT-003", ci, g, "so, by the state of IAM, it outlived its run")

    who = user("yuki.tanaka")
    r.attached.setdefault(who, []).append("jit-prod-admin")
    r.plants("REC-002", who, "", "the administrator policy of the broker is attached, and the ledger knows nothing of it")
    r.plants("STD-001", who, "", "so an administrator stands without a grant")

    who = user("elena.petrova")
    task = r.ticket("CHG", "elena.petrova", at("10-31 20:30"), None, "month-end forecast")
    g = r.grant(who, "jit-warehouse-read", at("10-31 21:00"), AS_OF + 2 * HOUR, task, "month-end forecast", use=False)
    r.plants("REC-003", who, g, "active in the ledger, not attached in IAM")

    who = user("nora.weiss")
    task = r.ticket("PAY", "nora.weiss", at("10-31 20:30"), None, "month-end ledger export")
    g = r.grant(who, "jit-ledger-export", at("10-31 21:30"), AS_OF + 3 * HOUR, task, "month-end ledger export")
    r.inline.setdefault(who, {})["jit-ledger-export"] = until(["dynamodb:Scan", "s3:GetObject"], dt.datetime(2026, 11, 6))
    r.plants("REC-004", who, g, "the ledger says 03:00 tomorrow, the condition in IAM says 6 November")

    who = user("hana.sato")
    task = r.ticket("CHG", "hana.sato", at("09-15 08:30"), at("09-15 18:30"), "lab access for the audit")
    g = r.grant(who, "jit-lab-access", at("09-15 09:00"), at("09-15 18:00"), task, "lab access for the audit")
    r.inline.setdefault(who, {})["jit-lab-access"] = until(["ec2:DescribeInstances", "ec2:RebootInstances"], at("09-15 18:00"))
    r.plants("REC-005", who, g, "the condition has expired; the empty binding is still listed")


def plant_identities(r):
    a = role("gha-admin-bootstrap")
    r.plants("STD-001", a, "", "AdministratorAccess left over from the set-up of the account")
    r.plants("SCP-001", a, "", "and therefore every action on everything")
    r.plants("STD-002", a, "", "and therefore every secret")
    r.plants("ESC-001", "repo:meridian-freight/infrastructure", "", "whose runs take that role")
    a = role("dr-restore")
    r.plants("STD-001", a, "", "reads every secret, always, for a restore that never came")
    r.plants("STD-004", a, "", "never used")
    r.plants("STD-002", a, "", "the secrets themselves: whoever takes the role over reads them all")
    r.plants("IDN-001", a, "", "and idle since it was made")
    r.plants("SCP-001", role("geo-planner"), "", "geo:* where the planner calls three actions")
    r.plants("EXT-002", role("gha-terraform-plan"), "", "a plan runs for every pull request, so any branch of the repository may assume the role")
    r.plants("IDN-004", role("gha-deploy-web"), "", "one role of the pipeline deploys to production and to staging")
    r.plants("STD-002", user("yuki.tanaka"), "", "an administrator without a grant reads every secret")
    r.plants("IDN-001", role("legacy-tariff-sync"), "", "idle since March")
    r.plants("IDN-002", role("billing-export"), "", "its owner left the company")
    r.plants("IDN-002", role("pricing-sandbox"), "", "nobody owns it")
    s = user("svc-edi-gateway")
    r.plants("CRD-001", s, "", "a static access key that never ends")
    r.plants("CRD-002", s, "", "and was last rotated in March 2025")


def plant_evidence(r):
    who = user("nora.weiss")
    task = r.ticket("PAY", "nora.weiss", at("08-31 08:30"), at("08-31 12:30"), "month-end close")
    g = r.grant(who, "jit-warehouse-read", at("08-31 09:00"), at("08-31 12:00"), task, "", ticket="")
    r.plants("EVD-001", who, g, "no reason was recorded, and no ticket that would tell it")
    r.plants("EVD-002", "", "", "the inventory of owners is from 18 September: six weeks of joiners and leavers are not in it")
    r.tickets.append(["CHG-4999", "change", mail("paul.adeyemi"), iso(at("08-12 09:00")), iso(at("08-12 11:00")), "done", "replace dock scanners"])
    r.tickets.append(["CHG-4999", "change", mail("paul.adeyemi"), iso(at("08-12 09:00")), iso(at("08-12 13:00")), "done", "replace dock scanners"])
    r.plants("EVD-002", "", "", "one ticket record is in quarantine, so the ticket export is not whole")
    r.plants("EVD-003", "", "", "one ticket is in the export twice, with two different ends")


def plant_last(r):
    """Behind the quiet quarter, so that what is planted here moves nothing there."""
    who = user("priya.nair")
    task = r.ticket("INC", "priya.nair", at("10-28 08:30"), at("10-28 12:30"), "lost manifests")
    g = r.grant(who, "jit-db-write", at("10-28 09:00"), at("10-28 12:00"), task, "lost manifests", approver="ana.ruiz")
    r.used(who, "jit-db-write", STAGE, g, at("10-28 10:10"), at("10-28 10:40"))
    r.plants("USE-002", who, g, "granted for production, and used in staging as well")
    r.plants("IDN-004", who, "", "so one person worked in both environments under one identity")

    who = user("break-glass-1")
    g = r.grant(who, "jit-prod-admin", at("10-29 01:10"), at("10-29 13:10"), "", "", ticket="", approver="grace.obi", break_glass=True, use=(at("10-29 01:20"), at("10-29 12:50")))
    r.plants("BGL-001", who, g, "an emergency that went on for twelve hours")
    r.plants("GRT-002", who, g, "four hours more than the privilege allows anybody")
    r.plants("BGL-002", who, g, "and that names no incident")
    r.plants("GRT-005", who, g, "so it belongs to no task")
    r.plants("EVD-001", who, g, "and its evidence chain lacks the task and the reason")

    a = role("policy-linter")
    r.plants("STD-001", a, "", "may write a new version of its own policy, and is so an administrator in all but name")
    a = role("report-runner")
    r.plants("ESC-001", a, "", "may run code under any role that functions can take")
    r.plants("STD-001", a, "", "and that stands, with no grant behind it")
    a = role("trail-janitor")
    r.plants("ESC-002", a, "", "may stop the audit trail that would show what it does")
    r.plants("EXT-001", role("vendor-cost-review"), "", "a vendor's whole account may assume it, and no list of trusted accounts has it")


# ---------------------------------------------------------------------------------------------------------
# AWS exports
# ---------------------------------------------------------------------------------------------------------
def trust_policy(trust):
    kind, value = trust
    if kind == "account":
        return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{value}:root"}, "Action": "sts:AssumeRole"}]}
    if kind == "service":
        return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": value}, "Action": "sts:AssumeRole"}]}
    issuer = "token.actions.githubusercontent.com"
    condition = {"StringEquals": {f"{issuer}:aud": "sts.amazonaws.com"}}
    condition.setdefault("StringLike" if "*" in value else "StringEquals", {})[f"{issuer}:sub"] = value
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}"},
            "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition}]}


def tags(**pairs):
    return [{"Key": k, "Value": v} for k, v in sorted(pairs.items())]


def attachments(names):
    return [{"PolicyName": n, "PolicyArn": policy_arn(n)} for n in names]


def inline_list(documents):
    return [{"PolicyName": n, "PolicyDocument": d} for n, d in sorted(documents.items())]


def day_number(name, span):
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % span


IDLE = {"legacy-tariff-sync": dt.datetime(2026, 3, 11, 4, 12), "dr-restore": None}


def last_used(name):
    if name in IDLE:
        return IDLE[name]
    return dt.datetime(2026, 10, 31, 21, 40) - dt.timedelta(days=day_number(name, 12), minutes=day_number(name + "/m", 600))


def authorization_details(r):
    users = []
    for name, (_, groups, created) in sorted(PEOPLE.items()):
        arn = user(name)
        u = {"Path": "/", "UserName": name, "UserId": fake_id("AIDA", name), "Arn": arn, "CreateDate": created + "T08:30:00+00:00"}
        if arn in r.inline:
            u["UserPolicyList"] = inline_list(r.inline[arn])
        u |= {"GroupList": groups, "AttachedManagedPolicies": attachments(r.attached.get(arn, [])), "Tags": tags(kind="human")}
        users.append(u)
    for name, (_, created) in sorted(SERVICE_USERS.items()):
        users.append({"Path": "/", "UserName": name, "UserId": fake_id("AIDA", name), "Arn": user(name), "CreateDate": created + "T08:30:00+00:00", "GroupList": [],
                      "AttachedManagedPolicies": attachments(["edi-gateway"]), "Tags": tags(kind="service")})
    groups = [{"Path": "/", "GroupName": g, "GroupId": fake_id("AGPA", g), "Arn": f"arn:aws:iam::{ACCOUNT}:group/{g}", "CreateDate": "2022-02-01T08:00:00+00:00", "GroupPolicyList": [],
               "AttachedManagedPolicies": attachments(policies)} for g, policies in sorted(GROUPS.items())]
    roles = []
    for name, (trust, policies, inline, _, labels) in sorted(ROLES.items()):
        arn, used = role(name), last_used(name)
        entry = {"Path": ROLE_PATHS.get(name, "/"), "RoleName": name, "RoleId": fake_id("AROA", name), "Arn": arn,
                 "CreateDate": f"202{2 + day_number(name, 4)}-0{1 + day_number(name, 9)}-12T10:00:00+00:00", "AssumeRolePolicyDocument": trust_policy(trust), "InstanceProfileList": [],
                 "RolePolicyList": inline_list(inline | r.inline.get(arn, {})), "AttachedManagedPolicies": attachments(policies + r.attached.get(arn, []))}
        if labels.get("kind") == "agent":
            entry["PermissionsBoundary"] = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": policy_arn("agent-boundary")}
        entry |= {"Tags": tags(**labels), "RoleLastUsed": {"LastUsedDate": aws_time(used), "Region": REGION} if used else {}}
        roles.append(entry)
    count = {}
    for item in users + groups + roles:
        for p in item["AttachedManagedPolicies"]:
            count[p["PolicyName"]] = count.get(p["PolicyName"], 0) + 1
    policies = []
    for name, (path, document) in sorted(POLICIES.items()):
        policies.append({"PolicyName": name, "PolicyId": fake_id("ANPA", name), "Arn": policy_arn(name), "Path": path, "DefaultVersionId": "v1", "AttachmentCount": count.get(name, 0),
                         "PermissionsBoundaryUsageCount": 3 if name == "agent-boundary" else 0, "IsAttachable": True, "CreateDate": "2024-02-05T09:00:00+00:00", "UpdateDate": "2024-02-05T09:00:00+00:00",
                         "PolicyVersionList": [{"Document": document, "VersionId": "v1", "IsDefaultVersion": True, "CreateDate": "2024-02-05T09:00:00+00:00"}]})
    for name, (path, version, created, updated, document) in sorted(MANAGED.items()):
        policies.append({"PolicyName": name, "PolicyId": fake_id("ANPA", name), "Arn": policy_arn(name), "Path": "/" + path, "DefaultVersionId": version, "AttachmentCount": count.get(name, 0),
                         "PermissionsBoundaryUsageCount": 0, "IsAttachable": True, "CreateDate": created, "UpdateDate": updated,
                         "PolicyVersionList": [{"Document": document, "VersionId": version, "IsDefaultVersion": True, "CreateDate": updated}]})
    return {"UserDetailList": users, "GroupDetailList": groups, "RoleDetailList": roles, "Policies": policies, "IsTruncated": False}


def credential_report():
    head = ("user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,"
            "access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,"
            "access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated").split(",")
    none = ["false", "N/A", "N/A", "N/A", "N/A"]
    certs = ["false", "N/A", "false", "N/A"]
    rows = [["<root_account>", f"arn:aws:iam::{ACCOUNT}:root", "2022-01-31T16:20:11+00:00", "not_supported", "2026-09-02T10:15:00+00:00", "not_supported", "not_supported", "true"] + none + none + certs]
    for name, (_, _, created) in sorted(PEOPLE.items()):
        changed = dt.datetime(2026, 10, 25, 9, 0) - dt.timedelta(days=day_number(name, 40))
        used = dt.datetime(2026, 10, 31, 20, 0) - dt.timedelta(hours=day_number(name + "/pw", 200))
        rows.append([name, user(name), created + "T08:30:00+00:00", "true", aws_time(used), aws_time(changed), aws_time(changed + 60 * DAY), "true"] + none + none + certs)
    for name, (_, created) in sorted(SERVICE_USERS.items()):
        key = ["true", "2025-03-17T11:02:00+00:00", "2026-10-31T22:51:00+00:00", REGION, "s3"]
        rows.append([name, user(name), created + "T08:30:00+00:00", "false", "N/A", "N/A", "N/A", "false"] + key + none + certs)
    return head, rows


SERVICES = {"dynamodb": "Amazon DynamoDB", "s3": "Amazon S3", "logs": "Amazon CloudWatch Logs", "cloudwatch": "Amazon CloudWatch", "ecs": "Amazon Elastic Container Service", "ec2": "Amazon EC2",
            "ecr": "Amazon Elastic Container Registry", "iam": "AWS Identity and Access Management", "kms": "AWS Key Management Service", "rds": "Amazon RDS", "secretsmanager": "AWS Secrets Manager",
            "sts": "AWS Security Token Service", "xray": "AWS X-Ray", "geo": "Amazon Location Service", "health": "AWS Health APIs and Notifications", "ce": "AWS Cost Explorer", "sqs": "Amazon SQS",
            "elasticache": "Amazon ElastiCache", "cloudtrail": "AWS CloudTrail", "organizations": "AWS Organizations", "budgets": "AWS Budget Service"}


def services_of(documents):
    found = set()
    for document in documents:
        for statement in document["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            for action in actions:
                found |= set(SERVICES) if action == "*" else {action.split(":")[0]}
    return sorted(found)


def last_accessed(r):
    def document(name):
        return POLICIES[name][1] if name in POLICIES else MANAGED[name][4]

    principals = []
    for name, (_, groups, _) in sorted(PEOPLE.items()):
        names = [p for g in groups for p in GROUPS[g]] + r.attached.get(user(name), [])
        principals.append((user(name), name, [document(n) for n in names] + list(r.inline.get(user(name), {}).values())))
    for name in sorted(SERVICE_USERS):
        principals.append((user(name), name, [document("edi-gateway")]))
    for name, (_, policies, _, _, _) in sorted(ROLES.items()):
        principals.append((role(name), name, [document(n) for n in policies + r.attached.get(role(name), [])]))
    lines = []
    for arn, name, documents in sorted(principals):
        listed = []
        for service in services_of(documents):
            entry = {"ServiceName": SERVICES.get(service, service), "ServiceNamespace": service, "TotalAuthenticatedEntities": 0}
            used = last_used(name)
            if used:
                used -= dt.timedelta(minutes=day_number(arn + service, 300))
                entry |= {"LastAuthenticated": aws_time(used), "LastAuthenticatedEntity": arn, "LastAuthenticatedRegion": REGION, "TotalAuthenticatedEntities": 1}
            listed.append(entry)
        lines.append({"Arn": arn, "JobStatus": "COMPLETED", "JobType": "SERVICE_LEVEL", "JobCreationDate": "2026-10-31T23:58:02+00:00", "JobCompletionDate": "2026-10-31T23:58:09+00:00",
                      "IsTruncated": False, "ServicesLastAccessed": listed})
    return lines


def owners():
    rows = []
    for name, (person, _, _) in sorted(PEOPLE.items()):
        rows.append([user(name), mail(owner_of(user(name))), "security" if person is None else "", "true", "manual"])
    for name in sorted(SERVICE_USERS):
        rows.append([user(name), mail(SERVICE_USERS[name][0]), "platform", "true", "cmdb"])
    for name in sorted(ROLES):
        if ROLES[name][3]:
            rows.append([role(name), mail(ROLES[name][3]), "", "false" if ROLES[name][3] == "ben.clarke" else "true", "cmdb"])
    for name in sorted(GROUPS):
        rows.append([f"arn:aws:iam::{ACCOUNT}:group/{name}", mail(GROUP_OWNER[name]), "", "true", "manual"])
    rows.append([f"arn:aws:iam::{ACCOUNT}:root", mail("grace.obi"), "security", "true", "manual"])
    return ["principal", "owner", "team", "active", "owner_source"], rows


def settings():
    privileges = sorted(n for n in POLICIES if n.startswith("jit-") and n != "jit-debug-shell") + ["jit-lab-access", "jit-ledger-export", "staging-deploy"]
    out = [
        "# Settings of the sample. Written by scripts/make_sample_data.py; every key is explained in docs/settings.md.",
        'entity = "Meridian Freight (fictional)"', 'as_of = "2026-11-01T00:00:00Z"', 'period = "2026-08-01T00:00:00Z..2026-11-01T00:00:00Z"',
        "# Identities of the emergency runbook.", f'break_glass = ["{user("break-glass-1")}"]', f'trusted_accounts = ["{STAGING}"]',
        "# What belongs to the sample but is no evidence.", 'ignore = ["README.md", "truth.csv", "overstay.toml", "baseline.jsonl", "waivers.yaml"]',
        "# The catalogue of roles that the broker may hand out.", "approved_roles = [", *(f'  "{p}",' for p in privileges), "]", "",
        "[approval]", 'required_for = ["T0", "T1", "T2", "unknown"]', 'human_for = ["T0", "T1"]', ""]
    for pattern, names in APPROVER_SETS:
        out += ["[[approval.approvers]]", f'privilege = "{pattern}"', "approvers = [" + ", ".join(f'"{mail(n)}"' for n in names) + "]", ""]
    out += ["# The nightly optimisation may run for a day and a half; its content is in the export.", "[[privilege]]", 'pattern = "jit-data-pipeline"', 'tier = "T2"', 'max_duration = "40h"', "",
            "# The staging account is not in the export: declare what its privilege is.", "[[privilege]]", 'pattern = "staging-*"', 'tier = "T3"', 'max_duration = "8h"', "",
            "# Inline policies that the broker writes and removes: only those of today are in the export.", "[[privilege]]", 'pattern = "jit-ledger-export"', 'tier = "T2"', "",
            "[[privilege]]", 'pattern = "jit-lab-access"', 'tier = "T3"', "",
            "[[environment]]", 'name = "prod"', f'scopes = ["{PROD}", "{PROD}/*"]', "jit_only = true", "", "[[environment]]", 'name = "staging"', f'scopes = ["{STAGE}", "{STAGE}/*"]', ""]
    inventory = at("09-18 06:00")
    for layer, file, start, end in (("ledger", None, START, AS_OF), ("task", None, START, AS_OF), ("usage", "usage/usage.csv", START, AS_OF), ("state", None, AS_OF, AS_OF),
                                    ("credential", None, START, AS_OF), ("owner", None, inventory, inventory)):
        out += ["[[coverage]]", f'layer = "{layer}"'] + ([f'file = "{file}"'] if file else []) + [f'start = "{iso(start)}"', f'end = "{iso(end)}"', "complete = true", ""]
    for name, (person, _, _) in sorted(PEOPLE.items()):
        out += ["[[identity]]", f'principal = "{user(name)}"', f'same_as = ["{mail(name)}"]', 'kind = "human"'] + ([f'person = "{person}"'] if person else []) + [""]
    return "\n".join(out).rstrip("\n") + "\n"


def waivers(r):
    pilot = next(t[2] for t in r.truth if t[0] == "GRT-001")
    return f"""# Exceptions that somebody answers for. Use: overstay gate sample-data --waivers sample-data/waivers.yaml
waivers:
  - id: W-2026-011
    match: {{rule: GRT-001, principal: "{role("warehouse-sync")}", grant_id: {pilot}}}
    reason: partner feed pilot runs until the middle of December; the broker cannot yet end it on a date
    owner: {mail("hana.sato")}
    approver: {mail("grace.obi")}
    ticket: RISK-118
    created: 2026-10-21
    expires: 2026-12-15
  # Ran out a month ago and nobody noticed: the finding is open again, and the waiver itself is an exception.
  - id: W-2026-004
    match: {{rule: CRD-002, principal: "{user("svc-edi-gateway")}"}}
    reason: the carrier pins the key; a certificate replaces it in the third quarter
    owner: {mail("paul.adeyemi")}
    approver: {mail("grace.obi")}
    ticket: RISK-071
    created: 2026-06-30
    expires: 2026-09-30
"""


def table_text(header, rows):
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


def json_text(value):
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def lines_text(values):
    return "".join(json.dumps(v, ensure_ascii=False) + "\n" for v in values)


def main():
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser = argparse.ArgumentParser(description="write the sample data")
    parser.add_argument("--out", default=os.path.join(here, "sample-data"))
    out = parser.parse_args().out
    define_roles()
    r = Record()
    plant(r)
    quiet(r)
    plant_last(r)
    for rows, key in ((r.grants, lambda g: (g[10], g[0])), (r.approvals, lambda a: (a[4], a[0])), (r.usage, lambda u: (u[7], u[0], u[4])), (r.tickets, lambda t: (t[3], t[0], t[4]))):
        rows.sort(key=key)
    r.agent_runs.sort(key=lambda t: (t["opened_at"], t["task_id"]))
    r.runs.sort(key=lambda t: (t["run_started_at"], t["id"]))
    r.jobs.sort(key=lambda t: (t["started_at"], t["id"]))
    r.truth.sort()
    files = {
        "aws/authorization-details.json": json_text(authorization_details(r)),
        "aws/credential-report.csv": table_text(*credential_report()),
        "aws/last-accessed.ndjson": lines_text(last_accessed(r)),
        "broker/grants.csv": table_text(GRANT_COLUMNS, r.grants),
        "broker/approvals.csv": table_text(APPROVAL_COLUMNS, r.approvals),
        "tickets/tasks.csv": table_text(TASK_COLUMNS, r.tickets),
        "agents/tasks.ndjson": lines_text(r.agent_runs),
        "ci/runs.json": json_text({"total_count": len(r.runs), "workflow_runs": r.runs}),
        "ci/jobs.json": json_text({"total_count": len(r.jobs), "jobs": r.jobs}),
        "usage/usage.csv": table_text(USAGE_COLUMNS, r.usage),
        "owners/owners.csv": table_text(*owners()),
        "events/grant-events.csv": table_text(EVENT_COLUMNS, sorted(r.events, key=lambda e: e[2])),
        "credentials/sessions.csv": table_text(SESSION_COLUMNS, sorted(r.sessions, key=lambda s: (s[4], s[0]))),
        "overstay.toml": settings(),
        "waivers.yaml": waivers(r),
        "truth.csv": table_text(["rule", "principal", "grant_id", "note"], r.truth),
    }
    for name, text in files.items():
        path = os.path.join(out, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8", newline="\n") as f:
            f.write(text)
    print(f"{len(r.grants)} grants, {len(r.tickets)} tickets, {len(r.runs)} CI runs, {len(r.agent_runs)} agent runs, {len(r.usage)} usage rows, "
          f"{len(PEOPLE) + len(SERVICE_USERS)} users, {len(ROLES)} roles, {len(r.truth)} planted lines")


if __name__ == "__main__":
    main()
