//! Samples and vendors' shapes in, states and times out; one trap, one test.

use crate::facts::cell::Word;
use crate::facts::time::parse_rfc3339;
use crate::facts::{Completeness, Task, TaskKind, Time};
use crate::ingest::{Ingested, ingest};
use crate::settings::Settings;

fn t(s: &str) -> Option<Time> {
    Some(parse_rfc3339(s).unwrap_or_else(|| panic!("{s}")))
}

/// Files from memory.
fn read(files: &[(&str, &str)]) -> Ingested {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    ingest(&[dir.path().to_path_buf()], &Settings::defaults()).unwrap()
}

/// Samples beside the repository.
fn sample(path: &str) -> Ingested {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/tasks");
    let path = root.join(path);
    assert!(path.exists(), "this test needs the shared data at `{}`", path.display());
    ingest(&[path], &Settings::defaults()).unwrap()
}

fn task<'a>(found: &'a Ingested, id: &str) -> &'a Task {
    let all = &found.facts.tasks;
    all.iter().find(|t| &*t.task_id == id).unwrap_or_else(|| {
        let ids: Vec<_> = all.iter().map(|t| &*t.task_id).collect();
        panic!("no task {id} in {ids:?}; {:?} {:?}", found.failed, found.facts.quarantine)
    })
}

fn state(t: &Task) -> &'static str {
    t.state.word()
}

/// Start (earliest) and end (latest).
fn span(t: &Task) -> (Option<Time>, Option<Time>) {
    (t.started_at_lo, t.ended_at_hi)
}

fn reasons(found: &Ingested) -> Vec<String> {
    found.facts.quarantine.iter().map(|q| format!("{} {}", q.source_ref, q.reason)).collect()
}

fn limitation(found: &Ingested) -> &str {
    found.facts.sources[0].limitation.as_deref().unwrap_or("")
}

fn has_name(t: &Task, name: &str) -> bool {
    t.other_ids.iter().any(|n| &**n == name)
}

#[test]
fn a_gitlab_job_hook_in_its_own_time_format() {
    let found = sample("gitlab/go-gitlab_job.json");
    let job = task(&found, "3580121225");
    assert_eq!((job.kind, state(job)), (TaskKind::CiJob, "succeeded"));
    assert_eq!(job.queued_at, t("2023-01-10T13:50:02Z"));
    // The commit inside the hook claims an end in 2022; it is not the job's.
    assert_eq!(span(job), (t("2023-01-10T13:50:05Z"), t("2023-01-10T13:50:54Z")));
    assert_eq!(
        (job.parent_id.as_deref(), job.triggered_by.as_deref()),
        (Some("743121198"), Some("jsmithy2"))
    );
    assert!(has_name(job, "https://gitlab.com/jsmithy2/release-tools-fake/-/jobs/3580121225"));
    assert_eq!(found.facts.sources[0].ambiguous_times, 0, "`UTC` is a zone");
}

#[test]
fn a_gitlab_pipeline_hook_and_what_its_jobs_are() {
    let found = sample("gitlab/go-gitlab_pipeline.json");
    assert_eq!(found.facts.tasks.len(), 6);
    let run = task(&found, "31");
    assert_eq!((run.kind, state(run)), (TaskKind::CiRun, "succeeded"));
    // 12 s in the queue, first job a minute later; the hook has no start.
    assert_eq!(
        (run.started_at_lo, run.started_at_hi, run.ended_at_hi),
        (t("2016-08-12T15:23:40Z"), t("2016-08-12T15:24:56Z"), t("2016-08-12T15:26:29Z"))
    );
    // A success without an end: between its start and the end of the pipeline.
    let job = task(&found, "377");
    assert_eq!(
        (state(job), job.ended_at_lo, job.ended_at_hi),
        ("succeeded", t("2016-08-12T15:26:12Z"), t("2016-08-12T15:26:29Z"))
    );
    let skipped = task(&found, "380");
    assert_eq!((state(skipped), span(skipped)), ("skipped", (None, None)));
    assert_eq!(skipped.target.as_deref(), Some("production"));
    let created = task(&found, "379");
    assert_eq!((state(created), span(created)), ("queued", (None, None)));
    let built = task(&found, "376");
    assert_eq!(span(built), (t("2016-08-12T15:24:56Z"), t("2016-08-12T15:25:26Z")));
}

#[test]
fn gitlab_lists_manual_waits_and_a_list_of_pipelines_has_bounds_only() {
    let jobs = r#"[{"id":7,"status":"manual","stage":"deploy","name":"prod","created_at":"2026-01-05T10:00:00.000Z","started_at":null,"finished_at":null,"web_url":"https://gl.example/a/b/-/jobs/7","pipeline":{"id":9,"status":"manual"},"user":{"username":"ann"}},
      {"id":8,"status":"running","stage":"test","name":"unit","created_at":"2026-01-05T10:00:00Z","started_at":"2026-01-05T10:00:09Z","finished_at":null,"web_url":"https://gl.example/a/b/-/jobs/8","pipeline":{"id":9}},
      {"status":"running","pipeline":{"id":9}}]"#;
    let pipelines = r#"[{"id":9,"iid":1,"project_id":3,"sha":"aa","ref":"main","status":"success","source":"push","created_at":"2026-01-05T10:00:00Z","updated_at":"2026-01-05T10:20:00Z","web_url":"https://gl.example/a/b/-/pipelines/9"},
      {"id":10,"iid":2,"project_id":3,"sha":"aa","ref":"main","status":"pending","source":"push","created_at":"2026-01-05T11:00:00Z","updated_at":"2026-01-05T11:00:00Z","web_url":"https://gl.example/a/b/-/pipelines/10"}]"#;
    let found = read(&[("jobs.json", jobs), ("pipelines.json", pipelines)]);
    assert_eq!((state(task(&found, "7")), span(task(&found, "7"))), ("waiting", (None, None)));
    assert_eq!(span(task(&found, "8")), (t("2026-01-05T10:00:09Z"), None));
    let run = task(&found, "9");
    assert_eq!(
        (run.started_at_lo, run.started_at_hi, run.ended_at_lo, run.ended_at_hi),
        (t("2026-01-05T10:00:00Z"), None, t("2026-01-05T10:00:00Z"), t("2026-01-05T10:20:00Z"))
    );
    assert!(has_name(run, "https://gl.example/a/b/-/pipelines/9"));
    assert_eq!((state(task(&found, "10")), span(task(&found, "10"))), ("queued", (None, None)));
    assert_eq!(reasons(&found), ["/2 `id` is missing"]);
}

#[test]
fn a_jenkins_build_ends_after_its_duration() {
    let found = sample("jenkins/jenkinsapi_build_data.json");
    let build = task(&found, "foo#1");
    assert_eq!((build.kind, state(build)), (TaskKind::CiRun, "succeeded"));
    assert_eq!(span(build), (t("2013-05-31T23:15:40Z"), t("2013-05-31T23:15:45.782Z")));
    assert_eq!(
        (build.parent_id.as_deref(), build.triggered_by.as_deref()),
        (Some("parentBuild#1"), Some("anonymous"))
    );
    for name in ["http://localhost:8080/job/foo/1", "foo #1", "jenkins-foo-1"] {
        assert!(has_name(build, name), "{name}: {:?}", build.other_ids);
    }
    let found = sample("jenkins/jenkinsapi_build_data_pipeline.json");
    assert_eq!(found.facts.tasks.len(), 3);
    // The stages of the sample last 8 s, the build 5.782 s: each says its own.
    let stage = task(&found, "foo#1/stage-id-2");
    assert_eq!(span(stage), (t("2013-05-31T23:15:45Z"), t("2013-05-31T23:15:48Z")));
    assert_eq!(stage.parent_id.as_deref(), Some("foo#1"));
    assert_eq!(span(task(&found, "foo#1")).1, t("2013-05-31T23:15:45.782Z"));
}

#[test]
fn a_jenkins_build_that_runs_has_no_end_and_aborted_is_not_failed() {
    let found = read(&[(
        "job.json",
        r#"{"_class":"hudson.model.FreeStyleProject","builds":[
        {"building":true,"number":3,"timestamp":1767225600000,"duration":0,"result":null,"url":"https://ci.example/job/a/job/b/3/"},
        {"building":false,"number":2,"timestamp":1767225600000,"duration":1000,"result":"ABORTED","url":"https://ci.example/job/a/job/b/2/"},
        {"building":false,"number":1,"timestamp":1767225600000,"duration":-5,"result":"SUCCESS","url":"https://ci.example/job/a/job/b/1/"}]}"#,
    )]);
    assert_eq!((state(task(&found, "a/b#3")), span(task(&found, "a/b#3")).1), ("running", None));
    assert_eq!(state(task(&found, "a/b#2")), "canceled");
    assert_eq!(reasons(&found), ["/builds/2 `duration` is no duration"]);
    let s = &found.facts.sources[0];
    assert_eq!((s.records, s.accepted, s.quarantined), (3, 2, 1));
}

#[test]
fn circleci_approvals_wait_and_pages_are_counted() {
    let found = read(&[
        (
            "jobs.json",
            r#"{"next_page_token":null,"items":[
            {"id":"j1","name":"build","type":"build","status":"success","job_number":5,"project_slug":"gh/o/r","started_at":"2026-01-05T10:00:00Z","stopped_at":"2026-01-05T10:05:00Z"},
            {"id":"j2","name":"hold","type":"approval","status":"on_hold","project_slug":"gh/o/r","started_at":"2026-01-05T10:05:00Z","stopped_at":null},
            {"id":"j3","name":"deploy","type":"build","status":"blocked","project_slug":"gh/o/r","started_at":null}]}"#,
        ),
        (
            "workflows.json",
            r#"{"next_page_token":"abc","items":[
            {"id":"w1","pipeline_id":"p1","pipeline_number":9,"project_slug":"gh/o/r","name":"main","status":"failing","created_at":"2026-01-05T10:00:00Z","stopped_at":"2026-01-05T10:06:00Z","started_by":"u1"}]}"#,
        ),
        (
            "hook.json",
            r#"{"type":"job-completed","id":"e1","happened_at":"2026-01-05T10:05:01Z","webhook":{"id":"x"},"workflow":{"id":"w1"},"pipeline":{"id":"p1"},
            "project":{"slug":"gh/o/r"},"job":{"id":"j1","name":"build","number":5,"status":"success","started_at":"2026-01-05T10:00:00Z","stopped_at":"2026-01-05T10:05:00Z"}}"#,
        ),
    ]);
    // The hook knows the workflow, the list does not; both are one job.
    let job = task(&found, "j1");
    assert_eq!(span(job), (t("2026-01-05T10:00:00Z"), t("2026-01-05T10:05:00Z")));
    assert_eq!(found.facts.tasks.iter().filter(|t| &*t.task_id == "j1").count(), 1);
    assert_eq!((state(task(&found, "j2")), span(task(&found, "j2"))), ("waiting", (None, None)));
    assert_eq!((state(task(&found, "j3")), span(task(&found, "j3"))), ("queued", (None, None)));
    let w = task(&found, "w1");
    assert_eq!((state(w), span(w).1), ("running", None), "a failing workflow still runs");
    let page = found.facts.sources.iter().find(|s| &*s.file == "workflows.json").unwrap();
    assert!(page.limitation.as_deref().unwrap().contains("names a next one"));
    assert_eq!(page.completeness, Completeness::Truncated);
    let whole = found.facts.sources.iter().find(|s| &*s.file == "jobs.json").unwrap();
    assert_eq!(whole.completeness, Completeness::Unknown);
    // Settings of the token issuer are no tasks, and are not taken for any.
    let claims = sample("circleci/cartography_oidc_claims.json");
    assert_eq!((claims.facts.sources.len(), claims.unknown.len()), (0, 1));
}

#[test]
fn argo_workflows_end_with_their_nodes_unless_they_run() {
    let found = sample("argo_workflows");
    assert_eq!(found.facts.sources.len(), 4, "{:?} {:?}", found.unknown, found.failed);
    assert!(found.facts.quarantine.is_empty(), "{:?}", reasons(&found));
    // No `status.finishedAt`, phase by label only: the last node ended at 10:23:09.
    let w = task(&found, "default/dag-with-retries-4wkh8");
    assert_eq!((w.kind, state(w)), (TaskKind::Workflow, "failed"));
    assert_eq!(span(w), (t("2018-08-01T10:22:43Z"), t("2018-08-01T10:23:09Z")));
    assert!(has_name(w, "d37a2abe-9574-11e8-b103-025000000001"));
    // All nodes of this one have ends, and yet it runs.
    let w = task(&found, "retry-with-dags");
    assert_eq!((state(w), span(w)), ("running", (t("2020-06-02T00:26:32Z"), None)));
    // Each retry is a pod of its own.
    let pods: Vec<_> = found
        .facts
        .tasks
        .iter()
        .filter(|t| t.parent_id.as_deref() == Some("default/dag-with-retries-4wkh8"))
        .map(|t| (t.title.as_deref().unwrap(), state(t)))
        .collect();
    assert_eq!(pods.len(), 3, "{pods:?}");
    assert!(pods.contains(&("dag-with-retries-4wkh8.step1(2)", "succeeded")));
    // A node that ends before it begins is kept as it is; the coverage counts it.
    let odd = found.facts.tasks.iter().filter(|t| crate::analyze::tasks::is_inverted(t)).count();
    assert_eq!(odd, 4, "four pods of the failed-retries sample end in 2018");
}

#[test]
fn an_argo_pause_waits_and_pods_run_as_the_service_account() {
    let found = read(&[(
        "w.json",
        r#"{"apiVersion":"argoproj.io/v1alpha1","kind":"Workflow","metadata":{"name":"w","namespace":"ci","uid":"u-1"},
        "spec":{"serviceAccountName":"deployer"},"status":{"phase":"Running","startedAt":"2026-01-05T10:00:00Z","nodes":{
        "a":{"id":"w-1","name":"w.approve","type":"Suspend","phase":"Running","startedAt":"2026-01-05T10:00:00Z","finishedAt":null}}}}"#,
    )]);
    assert_eq!(
        task(&found, "ci/w").principal.as_deref(),
        Some("system:serviceaccount:ci:deployer")
    );
    assert_eq!(state(task(&found, "ci/w-1")), "waiting");
}

#[test]
fn airflow_tells_queued_deferred_and_retried() {
    let found = read(&[
        (
            "runs.json",
            r#"{"total_entries":2,"dag_runs":[
            {"dag_id":"etl","dag_run_id":"manual__1","state":"success","queued_at":"2026-01-05T09:59:00+00:00","start_date":"2026-01-05T10:00:00+00:00","end_date":"2026-01-05T10:30:00+00:00","conf":{"needs":["s3:GetObject"]}},
            {"dag_id":"etl","dag_run_id":"manual__2","state":"queued","queued_at":"2026-01-05T11:00:00+00:00","start_date":null,"end_date":null,"conf":{}}]}"#,
        ),
        (
            "ti.json",
            r#"{"total_entries":4,"task_instances":[
            {"dag_id":"etl","dag_run_id":"manual__1","task_id":"load","state":"success","try_number":2,"map_index":-1,"start_date":"2026-01-05T10:10:00+00:00","end_date":"2026-01-05T10:20:00+00:00"},
            {"dag_id":"etl","dag_run_id":"manual__1","task_id":"wait","state":"deferred","try_number":1,"map_index":3,"start_date":"2026-01-05T10:10:00+00:00","end_date":null},
            {"dag_id":"etl","dag_run_id":"manual__1","task_id":"after","state":"upstream_failed","start_date":"2026-01-05T10:10:00+00:00","end_date":"2026-01-05T10:10:00+00:00"}]}"#,
        ),
    ]);
    let run = task(&found, "etl/manual__1");
    assert_eq!(span(run), (t("2026-01-05T10:00:00Z"), t("2026-01-05T10:30:00Z")));
    assert_eq!(run.declared_needs.as_ref().unwrap()[0].as_ref(), "s3:GetObject");
    assert!(has_name(run, "manual__1"));
    assert_eq!(span(task(&found, "etl/manual__2")), (None, None));
    let load = task(&found, "etl/manual__1/load#2");
    assert_eq!(load.parent_id.as_deref(), Some("etl/manual__1"));
    assert!(has_name(load, "etl/manual__1/load"));
    assert_eq!(state(task(&found, "etl/manual__1/wait[3]")), "waiting");
    let skipped = task(&found, "etl/manual__1/after");
    assert_eq!((state(skipped), span(skipped)), ("skipped", (None, None)));
    let list = found.facts.sources.iter().find(|s| &*s.file == "ti.json").unwrap();
    assert!(list.limitation.as_deref().unwrap().contains("3 of 4 records"));
}

#[test]
fn a_kubernetes_job_with_every_field_set() {
    let found = sample("kubernetes/batch.v1.Job.roundtrip_excerpt.json");
    let job = task(&found, "namespaceValue/nameValue");
    assert_eq!((job.kind, state(job)), (TaskKind::K8sJob, "succeeded"));
    assert_eq!(job.queued_at, t("2008-01-01T01:01:01Z"));
    assert_eq!(span(job), (t("2002-01-01T01:01:01Z"), t("2003-01-01T01:01:01Z")));
    assert_eq!(job.parent_id.as_deref(), Some("namespaceValue/nameValue"));
    assert!(has_name(job, "uidValue"));
    assert_eq!(job.principal, None, "the excerpt has no pod template");
}

#[test]
fn a_failed_kubernetes_job_ends_with_its_condition_and_a_suspended_one_waits() {
    let found = read(&[(
        "jobs.yaml",
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: batch/v1\n  kind: Job\n  metadata: {name: a, namespace: n, uid: u1}\n  spec: {template: {spec: {serviceAccountName: runner}}}\n  status:\n    startTime: \"2026-01-05T10:00:00Z\"\n    conditions:\n    - {type: Failed, status: \"True\", lastTransitionTime: \"2026-01-05T10:07:00Z\"}\n- apiVersion: batch/v1\n  kind: Job\n  metadata: {name: b, namespace: n}\n  spec: {suspend: true, template: {spec: {}}}\n  status: {startTime: \"2026-01-05T10:00:00Z\"}\n- apiVersion: batch/v1\n  kind: CronJob\n  metadata: {name: nightly, namespace: n}\n  spec: {schedule: \"0 0 * * *\", jobTemplate: {spec: {template: {spec: {serviceAccountName: cron}}}}}\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: p}\n",
    )]);
    let a = task(&found, "n/a");
    assert_eq!((state(a), span(a).1), ("failed", t("2026-01-05T10:07:00Z")));
    assert_eq!(a.principal.as_deref(), Some("system:serviceaccount:n:runner"));
    let b = task(&found, "n/b");
    assert_eq!(
        (state(b), b.principal.as_deref()),
        ("waiting", Some("system:serviceaccount:n:default"))
    );
    let cron = task(&found, "n/nightly");
    assert_eq!((state(cron), span(cron)), ("waiting", (None, None)));
    assert_eq!(cron.principal.as_deref(), Some("system:serviceaccount:n:cron"));
    assert!(limitation(&found).contains("1 records are of other kinds"), "{}", limitation(&found));
}

/// An issue in a status of a category, with changes of status.
fn issue(
    key: &str,
    status: &str,
    category: &str,
    resolved: &str,
    moves: &[(&str, &str, &str)],
) -> String {
    let histories: Vec<String> = moves
        .iter()
        .map(|(at, from, to)| {
            format!(
                r#"{{"created":"{at}","items":[{{"field":"status","fromString":"{from}","toString":"{to}"}}]}}"#
            )
        })
        .collect();
    format!(
        r#"{{"key":"{key}","self":"https://jira.example/rest/api/2/issue/1","fields":{{"created":"2026-01-05T09:00:00.000+0000","resolutiondate":{resolved},
        "summary":"s","status":{{"name":"{status}","statusCategory":{{"key":"{category}"}}}},"assignee":{{"emailAddress":"ann@x.example"}}}},
        "changelog":{{"histories":[{}]}}}}"#,
        histories.join(",")
    )
}

#[test]
fn jira_work_begins_in_progress_and_a_reopened_issue_is_open() {
    let (start, end, again) = (
        "2026-01-05T10:00:00.000+0000",
        "2026-01-05T12:00:00.000+0000",
        "2026-01-06T10:00:00.000+0100",
    );
    let quoted = format!("\"{end}\"");
    let issues = [
        issue(
            "OPS-1",
            "Done",
            "done",
            &quoted,
            &[(end, "In Progress", "Done"), (start, "To Do", "In Progress")],
        ),
        issue(
            "OPS-2",
            "In Progress",
            "indeterminate",
            &quoted,
            &[
                (start, "To Do", "In Progress"),
                (end, "In Progress", "Done"),
                (again, "Done", "In Progress"),
            ],
        ),
        issue("OPS-3", "To Do", "new", "null", &[]),
        issue(
            "OPS-4",
            "Waiting for approval",
            "indeterminate",
            "null",
            &[(start, "Open", "Waiting for approval")],
        ),
        issue(
            "OPS-5",
            "Done",
            "done",
            "null",
            &[(start, "To Do", "In Progress"), (end, "In Progress", "Done")],
        ),
        issue("OPS-6", "Done", "done", "\"soon\"", &[]),
    ];
    let page =
        format!(r#"{{"startAt":0,"maxResults":50,"total":6,"issues":[{}]}}"#, issues.join(","));
    let found = read(&[("issues.json", &page)]);
    let one = task(&found, "OPS-1");
    assert_eq!((one.kind, state(one)), (TaskKind::Ticket, "succeeded"));
    assert_eq!(span(one), (t("2026-01-05T10:00:00Z"), t("2026-01-05T12:00:00Z")));
    assert_eq!(one.principal.as_deref(), Some("ann@x.example"));
    assert!(has_name(one, "https://jira.example/browse/OPS-1"));
    let reopened = task(&found, "OPS-2");
    assert_eq!((state(reopened), span(reopened)), ("running", (t("2026-01-05T10:00:00Z"), None)));
    assert_eq!(span(task(&found, "OPS-3")), (None, None), "created is not begun");
    assert_eq!(state(task(&found, "OPS-4")), "waiting");
    assert_eq!(span(task(&found, "OPS-5")).1, t("2026-01-05T12:00:00Z"), "by its changelog");
    assert!(reasons(&found)[0].starts_with("/issues/5 `fields.resolutiondate` is `soon`"));
    let again = issue("OPS-1", "Done", "done", "\"2026-01-07T12:00:00.000+0000\"", &[]);
    let found = read(&[("a.json", &page), ("b.json", &again)]);
    assert_eq!(span(task(&found, "OPS-1")).1, t("2026-01-07T12:00:00Z"), "closed again later");
}

#[test]
fn a_moved_jira_issue_answers_to_its_old_key() {
    let moved = issue("NEW-9", "Done", "done", "\"2026-01-05T12:00:00.000+0000\"", &[]).replace(
        "\"histories\":[]",
        r#""histories":[{"created":"2026-01-05T11:00:00.000+0000","items":[{"field":"Key","fromString":"OLD-3","toString":"NEW-9"}]}]"#,
    );
    assert!(has_name(task(&read(&[("i.json", &moved)]), "NEW-9"), "OLD-3"));
}

#[test]
fn servicenow_states_are_numbers_of_their_table_and_times_are_utc() {
    let found = read(&[(
        "table.json",
        r#"{"result":[
        {"sys_id":"s1","number":"CHG0030001","sys_class_name":"change_request","state":"-1","on_hold":"false","opened_at":"2026-01-05 08:00:00","work_start":"2026-01-05 10:00:00","work_end":"","start_date":"2026-01-05 10:00:00","end_date":"2026-01-05 12:00:00","assigned_to":{"link":"x","value":"u1"}},
        {"sys_id":"s2","number":"CHG0030002","sys_class_name":"change_request","state":"3","opened_at":"2026-01-05 08:00:00","work_start":"","work_end":"","start_date":"2026-01-05 10:00:00","end_date":"2026-01-05 12:00:00","closed_at":"2026-01-09 09:00:00","assigned_to.email":"ann@x.example"},
        {"sys_id":"s3","number":"INC0010001","sys_class_name":"incident","state":"2","opened_at":"2026-01-05 08:00:00","resolved_at":"2026-01-05 09:00:00","closed_at":""},
        {"sys_id":"s4","number":"INC0010002","sys_class_name":"incident","state":"6","opened_at":"2026-01-05 08:00:00","resolved_at":"2026-01-05 09:00:00","closed_at":"2026-01-12 09:00:00"},
        {"sys_id":"s5","number":"CHG0030003","sys_class_name":"change_request","state":"-3","opened_at":"2026-01-05 08:00:00","start_date":"2026-01-06 10:00:00"},
        {"sys_id":"s6","number":"INC0010003","sys_class_name":"incident","state":"3","opened_at":"2026-01-05 08:00:00"},
        {"sys_id":"s7","number":"KB0001","sys_class_name":"kb_knowledge","state":"1"},
        {"sys_id":"s8","number":"INC0010004","state":"2","opened_at":"yesterday"}]}"#,
    )]);
    let running = task(&found, "CHG0030001");
    assert_eq!((running.kind, state(running)), (TaskKind::ChangeWindow, "running"));
    assert_eq!(span(running), (t("2026-01-05T10:00:00Z"), None), "the planned end is no end");
    let closed = task(&found, "CHG0030002");
    assert_eq!(
        (closed.started_at_lo, closed.ended_at_lo, closed.ended_at_hi),
        (t("2026-01-05T10:00:00Z"), t("2026-01-05T12:00:00Z"), t("2026-01-09T09:00:00Z"))
    );
    assert_eq!(closed.principal.as_deref(), Some("ann@x.example"));
    let reopened = task(&found, "INC0010001");
    assert_eq!((state(reopened), span(reopened).1), ("running", None));
    let resolved = task(&found, "INC0010002");
    assert_eq!((state(resolved), span(resolved).1), ("succeeded", t("2026-01-05T09:00:00Z")));
    assert!(has_name(resolved, "s4"));
    assert_eq!(state(task(&found, "CHG0030003")), "waiting", "waits for authorisation");
    assert_eq!(state(task(&found, "INC0010003")), "waiting", "on hold");
    assert_eq!(reasons(&found).len(), 1);
    assert!(limitation(&found).contains("1 records are of other kinds"));
    assert_eq!(found.facts.sources[0].ambiguous_times, 0);
    // Words as states: the export shows what its user sees, in that user's zone.
    let shown = read(&[(
        "x.json",
        r#"{"records":[{"sys_id":"s1","number":"INC0010001","state":"In Progress","opened_at":"2026-01-05 08:00:00"}]}"#,
    )]);
    assert_eq!(shown.facts.sources[0].ambiguous_times, 1);
    let pairs = read(&[(
        "y.json",
        r#"{"result":[{"sys_id":{"value":"s1"},"number":{"display_value":"INC0010001","value":"INC0010001"},"state":{"display_value":"Resolved","value":"6"},"opened_at":{"display_value":"05/01/2026 09:00","value":"2026-01-05 08:00:00"},"resolved_at":{"value":"2026-01-05 09:00:00"}}]}"#,
    )]);
    assert_eq!(
        span(task(&pairs, "INC0010001")),
        (t("2026-01-05T08:00:00Z"), t("2026-01-05T09:00:00Z"))
    );
}

#[test]
fn mcp_tasks_end_when_final_and_the_first_end_holds() {
    let found = sample("mcp/tasks_spec_2025-11-25_examples.json");
    let t1 = task(&found, "786512e2-9e0d-44bd-8f29-789f320fe840");
    assert_eq!((t1.kind, state(t1)), (TaskKind::AgentRun, "succeeded"));
    // `ttl` (60 s) would end it before it was last updated; it says how long the result is kept.
    assert_eq!(span(t1), (t("2025-11-25T10:30:00Z"), t("2025-11-25T10:50:00Z")));
    assert_eq!(t1.title.as_deref(), Some("get_weather"));
    let t2 = task(&found, "abc123-def456-ghi789");
    assert_eq!(span(t2), (t("2025-11-25T09:15:00Z"), t("2025-11-25T10:40:00Z")));
    assert_eq!(found.facts.tasks.len(), 2);
    // The examples also cancel the task that completed: two ends contradict.
    assert_eq!(reasons(&found).len(), 1);
    assert!(reasons(&found)[0].contains("already at"), "{:?}", reasons(&found));
}

#[test]
fn mcp_tool_calls_have_the_times_of_their_logger_only() {
    let log = r#"{"timestamp":"2026-01-05T10:00:00Z","mcp.session.id":"s1","agent":"agent:x","message":{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"run_sql"}}}
{"timestamp":"2026-01-05T10:00:01Z","mcp.session.id":"s2","message":{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"other"}}}
{"timestamp":"2026-01-05T10:00:04Z","mcp.session.id":"s1","message":{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":true}}}
{"timestamp":"2026-01-05T10:00:05Z","mcp.session.id":"s1","message":{"jsonrpc":"2.0","id":2,"method":"tools/list"}}
{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"untimed"}}
"#;
    let found = read(&[("mcp.log", log)]);
    let call = task(&found, "s1/1");
    assert_eq!((call.kind, state(call)), (TaskKind::ToolCall, "failed"));
    assert_eq!(span(call), (t("2026-01-05T10:00:00Z"), t("2026-01-05T10:00:04Z")));
    assert_eq!(
        (call.title.as_deref(), call.principal.as_deref()),
        (Some("run_sql"), Some("agent:x"))
    );
    // No answer was logged for the other session's call of the same id.
    let open = task(&found, "s2/1");
    assert_eq!((state(open), span(open).1), ("unknown", None));
    assert_eq!(found.facts.tasks.len(), 2);
    assert!(limitation(&found).contains("1 tool calls have no time"), "{}", limitation(&found));
}

/// A span with attributes.
fn otel_span(id: &str, parent: &str, from: u64, until: u64, attributes: &[(&str, &str)]) -> String {
    let list: Vec<String> = attributes
        .iter()
        .map(|(k, v)| format!(r#"{{"key":"{k}","value":{{"stringValue":"{v}"}}}}"#))
        .collect();
    format!(
        r#"{{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"{id}","parentSpanId":"{parent}","name":"n","startTimeUnixNano":"{}","endTimeUnixNano":"{}","attributes":[{}],"status":{{}}}}"#,
        (1_767_225_600 + from) * 1_000_000_000,
        if until == 0 { 0 } else { (1_767_225_600 + until) * 1_000_000_000 },
        list.join(",")
    )
}

fn otel_document(resource: &[(&str, &str)], spans: &[String]) -> String {
    let list: Vec<String> = resource
        .iter()
        .map(|(k, v)| format!(r#"{{"key":"{k}","value":{{"stringValue":"{v}"}}}}"#))
        .collect();
    // Resource behind its spans: the order of keys is not fixed.
    format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"scope":{{}},"spans":[{}]}}],"resource":{{"attributes":[{}]}}}}]}}"#,
        spans.join(","),
        list.join(",")
    )
}

const OP: &str = "gen_ai.operation.name";
const AGENT: &str = "gen_ai.agent.name";

/// A chat of a person, an agent that plans, the tool by which it asks a second agent, and two runs of that.
fn agent_spans() -> [String; 8] {
    [
        otel_span(
            "a000000000000001",
            "",
            0,
            900,
            &[("enduser.id", "ana@corp.example"), ("http.route", "/chat")],
        ),
        otel_span(
            "a000000000000002",
            "a000000000000001",
            1,
            600,
            &[(OP, "invoke_agent"), (AGENT, "planner"), ("gen_ai.conversation.id", "conv-1")],
        ),
        otel_span(
            "a000000000000003",
            "a000000000000002",
            2,
            3,
            &[(OP, "chat"), (AGENT, "planner")],
        ),
        otel_span(
            "a000000000000004",
            "a000000000000002",
            5,
            300,
            &[(OP, "execute_tool"), ("gen_ai.tool.name", "ask"), ("gen_ai.tool.call.id", "call_7")],
        ),
        otel_span("a000000000000005", "a000000000000004", 6, 299, &[("http.method", "POST")]),
        otel_span(
            "a000000000000006",
            "a000000000000005",
            7,
            1200,
            &[(OP, "invoke_agent"), (AGENT, "worker")],
        ),
        otel_span(
            "a000000000000007",
            "a000000000000006",
            8,
            0,
            &[(OP, "invoke_agent"), (AGENT, "worker")],
        ),
        otel_span("a000000000000008", "", 8, 9, &[(OP, "create_agent"), (AGENT, "worker")]),
    ]
}

#[test]
fn agent_spans_are_runs_and_their_nesting_is_delegation() {
    let spans = agent_spans();
    let document =
        otel_document(&[("service.name", "bot"), ("deployment.environment.name", "prod")], &spans);
    for (name, text) in [
        ("trace.json", document.clone()),
        (
            "trace.ndjson",
            format!(
                "{document}\n{}\n",
                document
                    .replace("\"a0", "\"b0")
                    .replace("5B8E", "5B8F")
                    .replace("conv-1", "conv-2")
                    .replace("call_7", "call_8")
            ),
        ),
    ] {
        let found = read(&[(name, &text)]);
        assert!(
            found.failed.is_empty() && found.facts.quarantine.is_empty(),
            "{:?} {:?}",
            found.failed,
            reasons(&found)
        );
        let trace = "5b8efff798038103d269b633813fc60c";
        let planner = task(&found, &format!("{trace}/a000000000000002"));
        assert_eq!((planner.kind, state(planner)), (TaskKind::AgentRun, "succeeded"));
        assert_eq!(span(planner), (t("2026-01-01T00:00:01Z"), t("2026-01-01T00:10:00Z")));
        assert_eq!(
            (
                planner.principal.as_deref(),
                planner.triggered_by.as_deref(),
                planner.parent_id.as_deref(),
                planner.target.as_deref()
            ),
            (Some("agent:planner"), Some("ana@corp.example"), Some("conv-1"), Some("prod"))
        );
        assert!(has_name(planner, trace), "the first work of a trace answers to it");
        let tool = task(&found, "call_7");
        assert_eq!(
            (tool.kind, tool.principal.as_deref()),
            (TaskKind::ToolCall, Some("agent:planner"))
        );
        // Called through a tool and an HTTP span that is no work.
        let worker = task(&found, &format!("{trace}/a000000000000006"));
        assert_eq!(worker.parent_id.as_deref(), Some("call_7"));
        assert!(!has_name(worker, trace));
        let open = task(&found, &format!("{trace}/a000000000000007"));
        assert_eq!((state(open), span(open).1), ("unknown", None), "no end was written");
        let session = task(&found, "conv-1");
        assert_eq!((session.kind, span(session).1), (TaskKind::Session, t("2026-01-01T00:10:00Z")));
        let hops: Vec<_> = found
            .facts
            .delegations
            .iter()
            .filter(|d| d.chain.as_deref() == Some(trace))
            .map(|d| (&*d.parent, &*d.child, d.until, d.parent_until, d.origin.as_deref()))
            .collect();
        assert_eq!(
            hops,
            [
                (
                    "ana@corp.example",
                    "agent:planner",
                    t("2026-01-01T00:10:00Z"),
                    None,
                    Some("ana@corp.example")
                ),
                (
                    "agent:planner",
                    "agent:worker",
                    t("2026-01-01T00:20:00Z"),
                    t("2026-01-01T00:10:00Z"),
                    Some("ana@corp.example")
                ),
            ]
        );
        assert!(
            limitation(&found).ends_with("spans are about other things than agents and pipelines")
        );
        let s = &found.facts.sources[0];
        assert_eq!(s.records, if name == "trace.json" { 8 } else { 16 });
    }
}

#[test]
fn pipeline_spans_are_runs_and_a_resource_makes_no_span_one() {
    let spans = [
        otel_span(
            "c000000000000001",
            "",
            0,
            60,
            &[
                ("cicd.pipeline.result", "failure"),
                ("cicd.pipeline.run.url.full", "https://ci.example/runs/77"),
            ],
        ),
        otel_span(
            "c000000000000002",
            "c000000000000001",
            5,
            50,
            &[
                ("cicd.pipeline.task.name", "deploy"),
                ("cicd.pipeline.task.run.id", "t-1"),
                ("cicd.pipeline.task.run.result", "skip"),
            ],
        ),
        otel_span("c000000000000003", "c000000000000002", 6, 7, &[("http.method", "GET")]),
    ];
    let found = read(&[(
        "ci.json",
        &otel_document(&[("cicd.pipeline.run.id", "77"), ("cicd.pipeline.name", "main")], &spans),
    )]);
    assert_eq!(found.facts.tasks.len(), 2);
    let run = task(&found, "77");
    assert_eq!(
        (run.kind, state(run), run.title.as_deref()),
        (TaskKind::CiRun, "failed", Some("main"))
    );
    assert!(has_name(run, "https://ci.example/runs/77"));
    let job = task(&found, "77/t-1");
    assert_eq!((job.kind, state(job), span(job)), (TaskKind::CiJob, "skipped", (None, None)));
    assert_eq!(job.parent_id.as_deref(), Some("77"));
}

#[test]
fn a_github_run_that_awaits_permission_has_not_run() {
    let found = read(&[(
        "runs.json",
        r#"{"total_count":1,"workflow_runs":[{"id":7,"status":"completed","conclusion":"action_required","created_at":"2026-01-01T00:00:00Z","run_started_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:01Z"}]}"#,
    )]);
    assert_eq!((state(task(&found, "7")), span(task(&found, "7"))), ("waiting", (None, None)));
}

#[test]
fn a_file_that_says_that_pages_are_missing_is_partial() {
    let issue = r#"{"key":"OPS-1","fields":{"created":"2026-01-05T10:00:00Z","status":{"name":"To Do","statusCategory":{"key":"new"}}}}"#;
    let jira = |total: u32| format!(r#"{{"startAt":0,"total":{total},"issues":[{issue}]}}"#);
    let job = r#"{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"a","namespace":"n"}}"#;
    let k8s = |more: &str| {
        format!(
            r#"{{"apiVersion":"batch/v1","kind":"JobList","metadata":{{"continue":"{more}"}},"items":[{job}]}}"#
        )
    };
    let run = r#"{"id":1,"status":"queued","created_at":"2026-01-05T10:00:00Z"}"#;
    let gha = |total: u32| format!(r#"{{"total_count":{total},"workflow_runs":[{run}]}}"#);
    let mcp = |more: &str| {
        format!(
            r#"[{{"jsonrpc":"2.0","id":5,"result":{{"tasks":[{{"taskId":"t1","status":"working","createdAt":"2026-01-05T10:00:00Z"}}]{more}}}}}]"#
        )
    };
    for (content, partial, why) in [
        (jira(400), true, "1 of 400 records are listed"),
        (jira(1), false, ""),
        (k8s("abc"), true, "names a next one"),
        (k8s(""), false, ""),
        (gha(250), true, "1 of 250 records are listed"),
        (gha(1), false, ""),
        // Both pages of one query in one file.
        (format!("{}\n{}\n", gha(2), gha(2).replace("\"id\":1", "\"id\":2")), false, ""),
        (mcp(r#","nextCursor":"c2""#), true, "names a next one"),
        (mcp(""), false, ""),
    ] {
        let found = read(&[("x.json", &content)]);
        let s = &found.facts.sources[0];
        let want = if partial { Completeness::Truncated } else { Completeness::Unknown };
        assert_eq!(s.completeness, want, "{content}");
        assert!(limitation(&found).contains(why), "{} {content}", limitation(&found));
    }
}

#[test]
fn a_github_run_is_over_with_its_last_job() {
    let runs = r#"{"total_count":1,"workflow_runs":[{"id":7,"run_attempt":1,"status":"completed","conclusion":"success","created_at":"2026-05-01T09:59:00Z","run_started_at":"2026-05-01T12:00:00Z","updated_at":"2026-05-09T10:00:00Z"}]}"#;
    let jobs = |total: u32| {
        format!(
            r#"{{"total_count":{total},"jobs":[{{"id":2,"run_id":7,"run_attempt":1,"status":"completed","conclusion":"success","started_at":"2026-05-01T12:00:10Z","completed_at":"2026-05-01T12:20:00Z"}}]}}"#
        )
    };
    let ends = |total: u32| {
        let found = read(&[("runs.json", runs), ("jobs.json", &jobs(total))]);
        let run = task(&found, "7");
        (run.ended_at_lo, run.ended_at_hi)
    };
    let last = t("2026-05-01T12:20:00Z");
    assert_eq!(ends(1), (last, last), "the record of the run was touched later");
    // Other jobs may have gone on.
    assert_eq!(ends(2), (last, t("2026-05-09T10:00:00Z")));
}

#[test]
fn two_outcomes_of_one_job_are_named_whatever_comes_first() {
    let job = |how: &str| {
        format!(
            r#"{{"action":"completed","workflow_job":{{"id":2,"run_id":7,"run_attempt":1,"status":"completed","conclusion":"{how}","started_at":"2026-05-01T12:00:10Z","completed_at":"2026-05-01T12:20:00Z"}}}}"#
        )
    };
    for order in [["failure", "success"], ["success", "failure"]] {
        let [a, b] = order.map(job);
        let found = read(&[("a.json", &a), ("b.json", &b), ("c.json", &a)]);
        assert_eq!(state(task(&found, "2")), "unknown", "{order:?}");
        assert_eq!(found.facts.tasks.len(), 1);
        assert_eq!(
            reasons(&found),
            [
                "L1 task `2` is already at S0001#L1 with different content; the first is kept, but not its outcome"
            ]
        );
        assert_eq!(found.facts.sources[1].conflicting_duplicates, 1);
    }
    // A word that is not known contradicts nothing.
    let [a, b] = ["failure", "new_word"].map(job);
    assert_eq!(state(task(&read(&[("a.json", &b), ("b.json", &a)]), "2")), "failed");
}
