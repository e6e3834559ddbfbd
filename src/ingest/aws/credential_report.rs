//! IAM credential report: CSV, or the JSON that carries it base64-encoded.

use serde::Deserialize;

use super::{account_of, alias, name_of, parse_date, realm, reason, utf8};
use crate::facts::*;
use crate::ingest::reader;
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe};

/// Adapter of the credential report.
#[derive(Debug)]
pub struct CredentialReport;

const COLUMNS: [&str; 4] = ["user", "arn", "user_creation_time", "password_enabled"];

#[derive(Deserialize)]
struct Wrapped {
    #[serde(rename = "Content")]
    content: String,
    #[serde(rename = "GeneratedTime")]
    generated: Option<serde_json::Value>,
}

impl Adapter for CredentialReport {
    fn format(&self) -> &'static str {
        "aws-credential-report"
    }

    fn title(&self) -> &'static str {
        "AWS IAM credential report (get-credential-report)"
    }

    fn layer(&self) -> Layer {
        Layer::Credential
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        let wrapped = probe.has(&["Content"])
            && (probe.has(&["ReportFormat"]) || probe.has(&["GeneratedTime"]));
        (probe.has(&COLUMNS) || wrapped).then_some(Match::Specific)
    }

    fn read(
        &self,
        input: &Input,
        _ctx: &Context<'_>,
        batch: &mut Batch,
    ) -> Result<(), IngestError> {
        let bytes = reader::read_all(input)?;
        let text = utf8(input, &bytes)?;
        let decoded;
        let table = if text.trim_start().starts_with('{') {
            let wrapped: Wrapped = serde_json::from_str(text)
                .map_err(|e| super::malformed(input, format!("line {}", e.line()), reason(&e)))?;
            batch.collected_at = wrapped.generated.as_ref().and_then(|v| match v {
                serde_json::Value::String(s) => parse_date(s),
                other => other.as_f64().and_then(super::from_epoch),
            });
            decoded = base64(&wrapped.content).ok_or_else(|| {
                super::malformed(input, "/Content", "not base64; export the report again")
            })?;
            utf8(input, &decoded)?
        } else {
            text
        };
        rows(input, table, batch)
    }
}

/// Decodes base64 of either alphabet, white space and padding ignored.
fn base64(s: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(s.len() / 4 * 3);
    let (mut acc, mut bits) = (0u32, 0u32);
    for b in s.bytes() {
        let v = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' | b'\n' | b'\r' | b' ' | b'\t' => continue,
            _ => return None,
        };
        acc = (acc << 6) | u32::from(v);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from((acc >> bits) & 0xFF).ok()?);
        }
    }
    Some(out)
}

/// One line of the report by column name.
struct Line<'a> {
    header: &'a csv::StringRecord,
    record: &'a csv::StringRecord,
    place: Text,
}

/// A cell that may be a date.
enum Cell {
    At(Time),
    /// `N/A`, `no_information`, `not_supported` or empty.
    Never,
    Bad(String),
}

impl Line<'_> {
    fn get(&self, column: &str) -> &str {
        let at = self.header.iter().position(|h| h.trim() == column);
        at.and_then(|i| self.record.get(i)).map_or("", str::trim)
    }

    /// `None` when the report does not say.
    fn flag(&self, column: &str) -> Option<bool> {
        match self.get(column) {
            "true" | "TRUE" | "True" => Some(true),
            "false" | "FALSE" | "False" => Some(false),
            _ => None,
        }
    }

    fn cell(&self, column: &str) -> Cell {
        match self.get(column) {
            "" | "N/A" | "no_information" | "not_supported" => Cell::Never,
            s => parse_date(s).map_or_else(|| Cell::Bad(column.to_owned()), Cell::At),
        }
    }
}

fn rows(input: &Input, table: &str, batch: &mut Batch) -> Result<(), IngestError> {
    let mut csv = csv::ReaderBuilder::new().flexible(true).from_reader(table.as_bytes());
    let header =
        csv.headers().map_err(|e| super::malformed(input, "line 1", e.to_string()))?.clone();
    for column in COLUMNS {
        if !header.iter().any(|h| h.trim() == column) {
            return Err(super::malformed(
                input,
                "line 1",
                format!("column `{column}` is missing; give the unchanged credential report"),
            ));
        }
    }
    for record in csv.records() {
        batch.records += 1;
        let record = match record {
            Ok(r) => r,
            Err(e) => {
                let line = e.position().map_or(0, csv::Position::line);
                batch.quarantine(format!("L{line}"), "not a readable CSV record");
                continue;
            }
        };
        let place = text(format!("L{}", record.position().map_or(0, csv::Position::line)));
        if record.len() < header.len().min(22) {
            batch.quarantine(&place, format!("{} fields, expected {}", record.len(), header.len()));
            continue;
        }
        let line = Line { header: &header, record: &record, place };
        if account_of(line.get("arn")).is_none() {
            batch.quarantine(&line.place, "no account in column `arn`");
            continue;
        }
        read_line(&line, batch);
    }
    batch.completeness = Completeness::Complete;
    Ok(())
}

fn read_line(line: &Line<'_>, batch: &mut Batch) {
    let id = text(line.get("arn"));
    let root = line.get("user") == "<root_account>" || id.ends_with(":root");
    let account = account_of(&id).map(realm);
    batch.realm = batch.realm.take().or_else(|| account.clone());
    let before = batch.facts.credentials.len();
    password(line, &id, root, batch);
    for n in ["1", "2"] {
        key(line, &id, n, batch);
        certificate(line, &id, n, batch);
    }
    let active = batch.facts.credentials.iter().skip(before).any(|c| c.active == Some(true));
    let kind = match (root, line.flag("password_enabled")) {
        (true, _) | (_, Some(true)) => PrincipalKind::Human,
        (false, Some(false)) if active => PrincipalKind::ServiceAccount,
        _ => PrincipalKind::Unknown,
    };
    let is_nhi = match kind {
        PrincipalKind::Unknown => None,
        kind => Some(kind != PrincipalKind::Human),
    };
    let name = if root { "root" } else { name_of(&id) };
    let created_at = take(line, "user_creation_time", batch);
    if !root {
        let mut row = alias(batch, &id, "name", name, &line.place);
        row.issuer = account.clone();
        row.confidence = Confidence::Strong;
        batch.facts.aliases.push(row);
    }
    batch.facts.principals.push(Principal {
        principal_id: id.clone(),
        kind,
        platform: Some(text("aws")),
        realm: account,
        name: Some(text(name)),
        is_nhi,
        created_at,
        inventoried: true,
        source_id: batch.source_id.clone(),
        source_ref: line.place.clone(),
        ..Principal::default()
    });
}

/// Date of a column; a cell that is neither a date nor one of the report's words goes to quarantine.
fn take(line: &Line<'_>, column: &str, batch: &mut Batch) -> Option<Time> {
    match line.cell(column) {
        Cell::At(t) => {
            batch.see(t);
            Some(t)
        }
        Cell::Never => None,
        Cell::Bad(column) => {
            batch.quarantine_part(
                &line.place,
                format!("column `{column}`: not a date; the rest of the line is read"),
            );
            None
        }
    }
}

/// A credential and its last use.
fn push(line: &Line<'_>, id: &Text, credential: Credential, batch: &mut Batch) {
    if credential.use_tracked && credential.active.is_some() {
        batch.facts.usage.push(Usage {
            principal: id.clone(),
            principal_id: Some(id.clone()),
            credential_id: Some(credential.credential_id.clone()),
            platform: Some(text("aws")),
            last_at: credential.last_used_at,
            count: credential.last_used_at.is_none().then_some(0),
            grain: UsageGrain::Credential,
            source_id: batch.source_id.clone(),
            source_ref: line.place.clone(),
            ..Usage::default()
        });
    }
    batch.facts.credentials.push(credential);
}

fn base(line: &Line<'_>, id: &Text, name: &str, kind: CredentialKind, batch: &Batch) -> Credential {
    let who = if id.ends_with(":root") { "root" } else { name_of(id) };
    Credential {
        credential_id: text(format!("{name} of {who}")),
        kind,
        principal: id.clone(),
        principal_id: Some(id.clone()),
        no_expiry: Some(true),
        source_id: batch.source_id.clone(),
        source_ref: line.place.clone(),
        ..Credential::default()
    }
}

fn password(line: &Line<'_>, id: &Text, root: bool, batch: &mut Batch) {
    // The report says `not_supported` of the root user, whatever is the case: a member account may have
    // none. Whether there is a password is not known.
    let enabled = if root { None } else { line.flag("password_enabled") };
    let (used, changed) =
        (take(line, "password_last_used", batch), take(line, "password_last_changed", batch));
    let next = take(line, "password_next_rotation", batch);
    if !root && enabled != Some(true) && used.is_none() && changed.is_none() {
        return;
    }
    let mut c = base(line, id, "password", CredentialKind::Password, batch);
    c.active = enabled;
    c.issued_at = changed;
    c.rotated_at = changed;
    c.expires_at = next;
    c.no_expiry = Some(next.is_none());
    c.last_used_at = used;
    c.use_tracked = true;
    c.mfa = line.flag("mfa_active");
    push(line, id, c, batch);
}

fn key(line: &Line<'_>, id: &Text, n: &str, batch: &mut Batch) {
    let active = line.flag(&format!("access_key_{n}_active"));
    let rotated = take(line, &format!("access_key_{n}_last_rotated"), batch);
    let used = take(line, &format!("access_key_{n}_last_used_date"), batch);
    // An inactive key without dates is a slot that holds no key.
    if active != Some(true) && rotated.is_none() && used.is_none() {
        return;
    }
    let mut c = base(line, id, &format!("access key {n}"), CredentialKind::Key, batch);
    c.active = active;
    c.issued_at = rotated;
    c.rotated_at = rotated;
    c.last_used_at = used;
    c.use_tracked = true;
    push(line, id, c, batch);
}

fn certificate(line: &Line<'_>, id: &Text, n: &str, batch: &mut Batch) {
    let active = line.flag(&format!("cert_{n}_active"));
    let rotated = take(line, &format!("cert_{n}_last_rotated"), batch);
    if active != Some(true) && rotated.is_none() {
        return;
    }
    let mut c = base(line, id, &format!("signing certificate {n}"), CredentialKind::Cert, batch);
    c.active = active;
    c.issued_at = rotated;
    c.rotated_at = rotated;
    // The certificate's own end is not in the report.
    c.no_expiry = None;
    c.use_tracked = false;
    push(line, id, c, batch);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(table: &str) -> Batch {
        let input = Input { path: "x".into(), name: "x.csv".into(), size: 0 };
        let mut batch = Batch::new(&text("S1"));
        rows(&input, table, &mut batch).unwrap();
        batch
    }

    fn header() -> String {
        let mut h = vec![
            "user",
            "arn",
            "user_creation_time",
            "password_enabled",
            "password_last_used",
            "password_last_changed",
            "password_next_rotation",
            "mfa_active",
        ]
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
        for n in 1..=2 {
            for c in [
                "active",
                "last_rotated",
                "last_used_date",
                "last_used_region",
                "last_used_service",
            ] {
                h.push(format!("access_key_{n}_{c}"));
            }
        }
        for n in 1..=2 {
            h.push(format!("cert_{n}_active"));
            h.push(format!("cert_{n}_last_rotated"));
        }
        h.join(",")
    }

    #[test]
    fn words_of_the_report() {
        let b = read(&format!(
            "{}\n<root_account>,arn:aws:iam::1:root,2007-10-13T16:49:50+00:00,not_supported,2016-11-25T14:19:48+00:00,not_supported,not_supported,false,true,2011-08-19T05:12:23+00:00,2015-07-04T15:09:00+00:00,us-east-1,s3,false,2007-10-13T16:49:50+00:00,N/A,N/A,N/A,true,2008-06-25T02:07:10+00:00,false,N/A\n\
             bob,arn:aws:iam::1:user/x/bob,2018-05-30T19:46:19+00:00,true,no_information,2018-06-01T00:02:54+00:00,N/A,true,true,2018-06-01T00:02:57+00:00,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A\n\
             bot,arn:aws:iam::1:user/bot,2018-05-30T19:46:19+00:00,false,N/A,N/A,N/A,false,true,2018-06-01T00:02:57+00:00,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A\n\
             idle,arn:aws:iam::1:user/idle,garbage,false,N/A,N/A,N/A,false,false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A\nshort,arn\n",
            header()
        ));
        assert_eq!(b.records, 5);
        assert_eq!(b.facts.quarantine.len(), 2, "{:?}", b.facts.quarantine);
        let kinds: Vec<_> = b.facts.principals.iter().map(|p| p.kind).collect();
        use PrincipalKind::{Human, ServiceAccount, Unknown};
        assert_eq!(kinds, [Human, Human, ServiceAccount, Unknown]);
        let bob: Vec<_> =
            b.facts.credentials.iter().filter(|c| c.principal.ends_with("bob")).collect();
        assert_eq!(bob.len(), 2);
        assert_eq!(&*bob[0].credential_id, "password of bob");
        assert!(bob[0].use_tracked && bob[0].last_used_at.is_none() && bob[0].mfa == Some(true));
        let root: Vec<_> =
            b.facts.credentials.iter().filter(|c| c.principal.ends_with("root")).collect();
        assert_eq!(root.len(), 4, "password, two keys, one certificate");
        assert_eq!(root[0].active, None, "the report does not say whether root has a password");
        assert_eq!(root[2].active, Some(true));
        let never = b.facts.usage.iter().filter(|u| u.count == Some(0)).count();
        assert_eq!(never, 4, "bob's password and key, bot's key, root's second key");
    }

    #[test]
    fn base64_both_ways() {
        assert_eq!(base64("aGk_\nPz4=").as_deref(), Some(&b"hi??>"[..]));
        assert_eq!(base64("a!"), None);
    }
}
