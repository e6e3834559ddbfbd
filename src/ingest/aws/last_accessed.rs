//! `aws iam get-service-last-accessed-details`: one document, or one per line wrapped with the `Arn`
//! it is about. The document itself names no principal.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{When, account_of, realm, reason, utf8};
use crate::facts::*;
use crate::ingest::reader;
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe};

/// Adapter of service last-accessed details.
#[derive(Debug)]
pub struct LastAccessed;

#[derive(Deserialize)]
struct Details<'a> {
    #[serde(rename = "Arn", borrow)]
    arn: Option<Cow<'a, str>>,
    #[serde(rename = "JobStatus", borrow)]
    status: Option<Cow<'a, str>>,
    #[serde(rename = "JobCompletionDate", borrow)]
    completed: Option<When<'a>>,
    #[serde(rename = "JobCreationDate", borrow)]
    created: Option<When<'a>>,
    #[serde(rename = "IsTruncated")]
    truncated: Option<bool>,
    #[serde(rename = "ServicesLastAccessed", borrow)]
    services: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Service<'a> {
    #[serde(rename = "ServiceNamespace", borrow)]
    namespace: Cow<'a, str>,
    #[serde(rename = "LastAuthenticated", borrow)]
    last: Option<When<'a>>,
    #[serde(rename = "LastAuthenticatedEntity", borrow)]
    entity: Option<Cow<'a, str>>,
    #[serde(rename = "TrackedActionsLastAccessed", borrow)]
    actions: Option<Vec<Action<'a>>>,
}

#[derive(Deserialize)]
struct Action<'a> {
    #[serde(rename = "ActionName", borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(rename = "LastAccessedTime", borrow)]
    last: Option<When<'a>>,
}

impl Adapter for LastAccessed {
    fn format(&self) -> &'static str {
        "aws-service-last-accessed"
    }

    fn title(&self) -> &'static str {
        "AWS IAM service last-accessed details (get-service-last-accessed-details)"
    }

    fn layer(&self) -> Layer {
        Layer::Usage
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        let job = probe.has(&["JobStatus", "JobCreationDate"]);
        (probe.has(&["ServicesLastAccessed"]) || job).then_some(Match::Specific)
    }

    fn read(&self, input: &Input, ctx: &Context<'_>, batch: &mut Batch) -> Result<(), IngestError> {
        let bytes = reader::read_all(input)?;
        let text = utf8(input, &bytes)?;
        let named = ctx
            .mapping
            .and_then(|m| m.constants.get("principal"))
            .cloned()
            .or_else(|| principal_of(&input.name));
        let mut state = State { truncated: false, anonymous: false, pending: false, named };
        let mut read = 0usize;
        // A whole document may span lines; with more than one value each line is one.
        if let Ok(details) = serde_json::from_str::<Details<'_>>(text) {
            state.details(&details, "", batch);
            read += 1;
        } else {
            for (i, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
                let place = format!("L{}", i + 1);
                match serde_json::from_str::<Details<'_>>(line) {
                    Ok(details) => {
                        state.details(&details, &place, batch);
                        read += 1;
                    }
                    Err(e) => {
                        batch.records += 1;
                        batch.quarantine(&place, reason(&e));
                    }
                }
            }
        }
        if read == 0 {
            return Err(super::malformed(
                input,
                "line 1",
                "no last-accessed details could be read; export the file again",
            ));
        }
        state.close(batch);
        Ok(())
    }
}

struct State {
    truncated: bool,
    anonymous: bool,
    pending: bool,
    named: Option<String>,
}

/// Principal that a file name states: `111122223333_role_build.json` gives the ARN, `role_build.json`
/// only the name, which identity resolution may find.
fn principal_of(name: &str) -> Option<String> {
    let stem = name.rsplit('/').next()?.split('.').next()?;
    let is_account = |s: &str| s.len() == 12 && s.bytes().all(|b| b.is_ascii_digit());
    let (account, rest) = match stem.split_once('_') {
        Some((a, rest)) if is_account(a) => (Some(a), rest),
        _ => (None, stem),
    };
    let (kind, name) = rest.split_once('_')?;
    if !matches!(kind, "user" | "role" | "group") || name.is_empty() {
        return None;
    }
    Some(account.map_or_else(|| name.to_owned(), |a| format!("arn:aws:iam::{a}:{kind}/{name}")))
}

/// The start of a name, for messages.
fn cut(name: &str) -> String {
    name.chars().take(60).collect()
}

impl State {
    fn details(&mut self, d: &Details<'_>, place: &str, batch: &mut Batch) {
        self.truncated |= d.truncated.unwrap_or(false);
        self.pending |= d.status.as_deref().is_some_and(|s| s != "COMPLETED");
        let looked = d.completed.as_ref().or(d.created.as_ref()).and_then(When::time);
        if let Some(t) = looked {
            batch.see(t);
            batch.collected_at = batch.collected_at.max(Some(t));
            // The service keeps 400 days.
            let start = t.plus_secs(-400 * 86_400);
            let (a, b) = batch.window.unwrap_or((None, None));
            batch.window = Some((a.map_or(Some(start), |x| Some(x.max(start))), b.max(Some(t))));
        }
        let arn = d.arn.as_deref().map(str::to_owned).or_else(|| self.named.clone());
        for (i, raw) in d.services.iter().flatten().enumerate() {
            batch.records += 1;
            let at = if place.is_empty() {
                text(format!("/ServicesLastAccessed/{i}"))
            } else {
                text(format!("{place}/ServicesLastAccessed/{i}"))
            };
            match serde_json::from_str::<Service<'_>>(raw.get()) {
                Ok(s) => self.service(&s, arn.as_deref(), &at, batch),
                Err(e) => batch.quarantine(&at, reason(&e)),
            }
        }
    }

    fn service(&mut self, s: &Service<'_>, arn: Option<&str>, at: &Text, batch: &mut Batch) {
        let last = s.last.as_ref().and_then(When::time);
        if s.last.is_some() && last.is_none() {
            batch.quarantine(at, "`LastAuthenticated` is not a date");
            return;
        }
        // Without a principal only a use with its entity says something; "never" says it of nobody.
        let who = match (arn, s.entity.as_deref()) {
            (Some(a), _) => a,
            (None, Some(e)) => {
                self.anonymous = true;
                e
            }
            (None, None) => {
                self.anonymous = true;
                return;
            }
        };
        batch.realm = batch.realm.take().or_else(|| account_of(who).map(realm));
        let mut row = Usage {
            principal: text(who),
            principal_id: None,
            platform: Some(text("aws")),
            action: Some(text(format!("{}:*", s.namespace))),
            last_at: last,
            count: last.is_none().then_some(0),
            grain: UsageGrain::Service,
            source_id: batch.source_id.clone(),
            source_ref: at.clone(),
            ..Usage::default()
        };
        row.principal_id = row.principal.starts_with("arn:").then(|| row.principal.clone());
        if let Some(t) = last {
            batch.see(t);
        }
        for action in s.actions.iter().flatten() {
            let Some(name) = &action.name else { continue };
            let last = action.last.as_ref().and_then(When::time);
            if action.last.is_some() && last.is_none() {
                batch.quarantine_part(
                    at,
                    format!("`LastAccessedTime` of `{}` is not a date", cut(name)),
                );
                continue;
            }
            let mut one = row.clone();
            one.action = Some(text(format!("{}:{name}", s.namespace)));
            one.last_at = last;
            one.count = last.is_none().then_some(0);
            one.grain = UsageGrain::Action;
            batch.facts.usage.push(one);
        }
        batch.facts.usage.push(row);
    }

    fn close(&self, batch: &mut Batch) {
        batch.completeness = if self.truncated || self.pending {
            Completeness::Truncated
        } else {
            Completeness::Complete
        };
        let mut limits = Vec::new();
        if self.truncated {
            limits.push("the export says `IsTruncated`: further pages are missing");
        }
        if self.pending {
            limits.push("the job had not completed");
        }
        if self.anonymous {
            limits.push(
                "the file names no principal: only the last entity of each service is known; \
                 name the file `<account>_<type>_<name>.json` or set the mapping constant `principal`",
            );
        }
        if !limits.is_empty() {
            batch.limitation = Some(text(limits.join("; ")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, content: &str) -> Batch {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, content).unwrap();
        let input = Input { path, name: name.into(), size: 0 };
        let settings = crate::settings::Settings::defaults();
        let id = text("S1");
        let ctx = Context { settings: &settings, mapping: None, realm: None, source_id: &id };
        let mut batch = Batch::new(&id);
        LastAccessed.read(&input, &ctx, &mut batch).unwrap();
        batch
    }

    const DOC: &str = r#"{"JobStatus":"COMPLETED","JobCompletionDate":"2026-05-01T00:00:00Z","IsTruncated":false,
        "ServicesLastAccessed":[{"ServiceNamespace":"s3","LastAuthenticated":"2026-04-01T00:00:00+00:00","LastAuthenticatedEntity":"arn:aws:iam::1:user/x"},
        {"ServiceNamespace":"ec2"},{"ServiceNamespace":7},{"ServiceNamespace":"sqs","LastAuthenticated":"later"}]}"#;

    #[test]
    fn principal_by_name_wrapper_or_entity() {
        let named = read("dir/111122223333_role_build.json", DOC);
        assert!(
            named
                .facts
                .usage
                .iter()
                .all(|u| &*u.principal == "arn:aws:iam::111122223333:role/build")
        );
        assert_eq!(named.facts.usage.len(), 2);
        assert_eq!(named.facts.usage[1].count, Some(0));
        assert_eq!(named.facts.quarantine.len(), 2);
        assert_eq!(&*named.facts.quarantine[0].source_ref, "/ServicesLastAccessed/2");
        assert!(named.limitation.is_none());
        let bare = read("role_build.json", DOC);
        assert_eq!(
            (&*bare.facts.usage[0].principal, &bare.facts.usage[0].principal_id),
            ("build", &None)
        );
        let nobody = read("export.json", DOC);
        assert_eq!(nobody.facts.usage.len(), 1, "never is said of nobody");
        assert!(nobody.limitation.is_some());
    }

    #[test]
    fn lines_with_a_bad_one() {
        let line = r#"{"Arn":"arn:aws:iam::1:user/a","JobStatus":"IN_PROGRESS","ServicesLastAccessed":[]}"#;
        let b = read("x.jsonl", &format!("{line}\nnot json\n\n{line}\n"));
        assert_eq!(&*b.facts.quarantine[0].source_ref, "L2");
        assert_eq!(b.completeness, Completeness::Truncated);
    }
}
