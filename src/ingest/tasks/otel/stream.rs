//! OTLP JSON as a stream: one span at a time, whatever the size of the document.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::io::{self, BufReader, Read};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::values::{AttributeList, Member, Scalar};
use crate::facts::Time;
use crate::ingest::reader::{self, BOUNDS};
use crate::ingest::records::{self, json_message};
use crate::ingest::source::{Batch, IngestError, Input, Shape};

/// Attributes that are read (semantic conventions for GenAI, MCP, CI/CD and users).
pub const ATTRIBUTES: [&str; 25] = [
    "gen_ai.operation.name",
    "gen_ai.agent.id",
    "gen_ai.agent.name",
    "gen_ai.conversation.id",
    "gen_ai.tool.name",
    "gen_ai.tool.call.id",
    "gen_ai.workflow.name",
    "mcp.method.name",
    "mcp.session.id",
    "cicd.pipeline.name",
    "cicd.pipeline.run.id",
    "cicd.pipeline.run.state",
    "cicd.pipeline.run.url.full",
    "cicd.pipeline.result",
    "cicd.pipeline.task.name",
    "cicd.pipeline.task.run.id",
    "cicd.pipeline.task.run.result",
    "cicd.pipeline.task.run.url.full",
    "deployment.environment.name",
    "deployment.environment",
    "enduser.id",
    "user.id",
    "user.email",
    "service.name",
    "error.type",
];

/// Attributes by their key in [`ATTRIBUTES`].
pub type Attributes = BTreeMap<&'static str, String>;

/// A span that was kept.
#[derive(Clone, Debug, Default)]
pub struct Span {
    /// Trace id.
    pub trace: String,
    /// Span id.
    pub id: String,
    /// Id of the parent span; empty for a root.
    pub parent: String,
    /// Start.
    pub start: Option<Time>,
    /// End; absent when the span was exported before it.
    pub end: Option<Time>,
    /// The span's own attributes.
    pub own: Attributes,
    /// Attributes of its resource.
    pub resource: Attributes,
    /// Status is an error.
    pub failed: bool,
    /// Place in the source.
    pub place: String,
}

/// What links a span that was not kept to its parent, and the user it names.
#[derive(Clone, Debug, Default)]
pub struct Link {
    /// Id of the parent span.
    pub parent: String,
    /// User.
    pub user: Option<String>,
}

/// Links by trace and span id.
pub type Links = HashMap<(String, String), Link>;

/// What a pass collects.
#[derive(Debug)]
pub enum Mode {
    /// Spans about work.
    Spans,
    /// Links of these traces.
    Links(HashSet<String>),
}

/// Collects what a pass is for.
#[derive(Debug)]
pub struct Collector {
    mode: Mode,
    /// Spans seen.
    pub n_spans: i64,
    /// Spans that could not be read.
    pub n_bad: usize,
    /// Spans about work, in order.
    pub spans: Vec<Span>,
    /// Links.
    pub links: Links,
    /// Places and reasons of what could not be read.
    pub bad: Vec<(String, String)>,
    /// Place of the document in the file.
    above: String,
    /// Indices of the resource, scope and span that are being read.
    at: [usize; 3],
}

/// Parts of the document, in their nesting.
const PARTS: [&str; 3] = ["resourceSpans", "scopeSpans", "spans"];

impl Collector {
    /// Empty collector.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            n_spans: 0,
            n_bad: 0,
            spans: Vec::new(),
            links: HashMap::new(),
            bad: Vec::new(),
            above: String::new(),
            at: [0; 3],
        }
    }

    /// Traces in which a kept span's parent was not kept.
    #[must_use]
    pub fn open_traces(&self) -> HashSet<String> {
        let kept: BTreeSet<(&str, &str)> =
            self.spans.iter().map(|s| (s.trace.as_str(), s.id.as_str())).collect();
        self.spans
            .iter()
            .filter(|s| !s.parent.is_empty() && !kept.contains(&(&s.trace, &s.parent)))
            .map(|s| s.trace.clone())
            .collect()
    }

    /// Whether the pass has anything to look for.
    #[must_use]
    pub fn wants_anything(&self) -> bool {
        !matches!(&self.mode, Mode::Links(traces) if traces.is_empty())
    }

    fn place(&self) -> String {
        use fmt::Write as _;
        let mut out = self.above.clone();
        for (part, i) in PARTS.iter().zip(self.at) {
            let _ = write!(out, "/{part}/{i}");
        }
        out
    }

    fn take(&mut self, raw: RawSpan) {
        self.n_spans += 1;
        match &self.mode {
            Mode::Links(wanted) => {
                let trace = id(raw.trace.as_deref());
                if wanted.contains(&trace) {
                    let link = Link { parent: id(raw.parent.as_deref()), user: user(&raw.own) };
                    self.links.insert((trace, id(raw.id.as_deref())), link);
                }
            }
            Mode::Spans if is_work(&raw.own) => match raw.span(self.place()) {
                Ok(span) => self.spans.push(span),
                Err(reason) => {
                    self.n_bad += 1;
                    self.bad.push((self.place(), reason));
                }
            },
            Mode::Spans => {}
        }
    }
}

/// User that attributes name.
#[must_use]
pub fn user(own: &Attributes) -> Option<String> {
    ["enduser.id", "user.email", "user.id"].iter().find_map(|k| own.get(k).cloned())
}

/// Whether a span is about work: an agent, a tool, a workflow, a pipeline run or a task of one. Creating
/// an agent is none, and a resource that names a pipeline run makes not every span one.
fn is_work(own: &Attributes) -> bool {
    let operation = own.get("gen_ai.operation.name").map(String::as_str);
    matches!(operation, Some("invoke_agent" | "execute_tool" | "invoke_workflow"))
        || own.get("mcp.method.name").is_some_and(|m| m == "tools/call")
        || own.keys().any(|k| k.starts_with("cicd.pipeline.") && *k != "cicd.pipeline.name")
}

/// Hexadecimal ids are the same in either case.
fn id(raw: Option<&str>) -> String {
    let raw = raw.unwrap_or("").trim();
    if raw.bytes().all(|b| b == b'0') {
        return String::new();
    }
    if raw.bytes().all(|b| b.is_ascii_hexdigit()) {
        raw.to_ascii_lowercase()
    } else {
        raw.to_owned()
    }
}

/// A span as written.
#[derive(Debug, Default)]
struct RawSpan {
    trace: Option<String>,
    id: Option<String>,
    parent: Option<String>,
    start: Option<String>,
    end: Option<String>,
    own: Attributes,
    failed: bool,
}

impl RawSpan {
    fn span(self, place: String) -> Result<Span, String> {
        let (trace, span) = (id(self.trace.as_deref()), id(self.id.as_deref()));
        if trace.is_empty() || span.is_empty() {
            return Err("`traceId` or `spanId` is missing".to_owned());
        }
        let start = instant("startTimeUnixNano", self.start.as_deref())?;
        Ok(Span {
            trace,
            id: span,
            parent: id(self.parent.as_deref()),
            start: Some(start.ok_or("`startTimeUnixNano` is missing")?),
            end: instant("endTimeUnixNano", self.end.as_deref())?,
            own: self.own,
            resource: Attributes::new(),
            failed: self.failed,
            place,
        })
    }
}

/// Nanoseconds since the epoch, as a text or a number; zero is no time.
fn instant(name: &str, raw: Option<&str>) -> Result<Option<Time>, String> {
    let Some(raw) = raw else { return Ok(None) };
    let nanos: u64 =
        raw.parse().map_err(|_| format!("`{name}` is `{}`", crate::ingest::table::short(raw)))?;
    let micros = i64::try_from(nanos / 1000).unwrap_or(i64::MAX);
    Ok((nanos > 0).then(|| Time::from_micros(micros)))
}

/// Reads a file into a collector.
pub fn read(input: &Input, shape: Shape, into: &mut Collector) -> Result<(), IngestError> {
    if shape == Shape::Ndjson {
        let mut scratch = Batch::default();
        return records::each(input, shape, &mut scratch, &mut |place, raw, scratch| {
            into.above = place.to_string();
            let mut de = serde_json::Deserializer::from_str(raw);
            let read = Document(&mut *into).deserialize(&mut de).and_then(|()| de.end());
            if let Err(e) = read {
                into.bad.push((place.to_string(), json_message(&e)));
            }
            // Lines that are no text were quarantined by the reader of lines.
            for q in scratch.facts.quarantine.drain(..) {
                into.bad.push((q.source_ref.to_string(), q.reason.to_string()));
            }
            Ok(())
        })
        .map(|()| {
            for q in scratch.facts.quarantine.drain(..) {
                into.bad.push((q.source_ref.to_string(), q.reason.to_string()));
            }
        });
    }
    let stream = TokenGuard { inner: reader::open(input)?, run: 0 };
    let mut de =
        serde_json::Deserializer::from_reader(BufReader::with_capacity(256 * 1024, stream));
    let result = if shape == Shape::JsonArray {
        List(&mut *into, |c: &mut Collector, i: usize| c.above = format!("/{i}"), Kind::Document)
            .deserialize(&mut de)
    } else {
        Document(&mut *into).deserialize(&mut de)
    };
    result.and_then(|()| de.end()).map_err(|e| {
        if e.is_io() {
            return reader::explain(input, e.into());
        }
        IngestError::Malformed {
            file: input.name.clone(),
            place: format!("line {}, column {}", e.line(), e.column()),
            message: json_message(&e),
        }
    })
}

/// Stops a stream whose text or number grows beyond a bound, so that none is held without end.
struct TokenGuard<R> {
    inner: R,
    run: usize,
}

impl<R: Read> Read for TokenGuard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        let got = buffer.get(..n).unwrap_or(&[]);
        self.run = match got.iter().rposition(|b| *b == b'"') {
            Some(at) => n - at - 1,
            None => self.run + n,
        };
        if self.run > BOUNDS.line {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("a value is longer than {} MiB; no span holds one", BOUNDS.line >> 20),
            ));
        }
        Ok(n)
    }
}

/// What the elements of a list are.
#[derive(Clone, Copy)]
enum Kind {
    Document,
    Resource,
    Scope,
    Span,
}

/// A list whose elements are read one by one.
struct List<'c, F: Fn(&mut Collector, usize)>(&'c mut Collector, F, Kind);

impl<'de, F: Fn(&mut Collector, usize)> DeserializeSeed<'de> for List<'_, F> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de, F: Fn(&mut Collector, usize)> Visitor<'de> for List<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self(c, mark, kind) = self;
        for i in 0.. {
            mark(c, i);
            let more = match kind {
                Kind::Document => seq.next_element_seed(Document(c))?.is_some(),
                Kind::Resource => seq.next_element_seed(Resource(c))?.is_some(),
                Kind::Scope => seq.next_element_seed(Scope(c))?.is_some(),
                Kind::Span => match seq.next_element_seed(SpanSeed)? {
                    Some(span) => {
                        c.take(span);
                        true
                    }
                    None => false,
                },
            };
            if !more {
                break;
            }
        }
        Ok(())
    }
}

macro_rules! object_seed {
    ($name:ident, $c:ident, $key:ident, $map:ident, { $($pattern:pat => $body:expr,)* } $(, after $after:expr)?) => {
        struct $name<'c>(&'c mut Collector);

        impl<'de> DeserializeSeed<'de> for $name<'_> {
            type Value = ();
            fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
                d.deserialize_map(self)
            }
        }

        impl<'de> Visitor<'de> for $name<'_> {
            type Value = ();

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut $map: A) -> Result<(), A::Error> {
                let $c = self.0;
                while let Some($key) = $map.next_key::<String>()? {
                    match $key.as_str() {
                        $($pattern => $body,)*
                        _ => {
                            $map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(())
            }
        }
    };
}

object_seed!(Document, c, key, map, {
    "resourceSpans" | "resource_spans" => map.next_value_seed(List(&mut *c, |c: &mut Collector, i| {
        if let Some(at) = c.at.get_mut(0) { *at = i; }
    }, Kind::Resource))?,
});

object_seed!(Scope, c, key, map, {
    "spans" => map.next_value_seed(List(&mut *c, |c: &mut Collector, i| {
        if let Some(at) = c.at.get_mut(2) { *at = i; }
    }, Kind::Span))?,
});

/// Spans of one resource; its attributes may come before or behind them.
struct Resource<'c>(&'c mut Collector);

impl<'de> DeserializeSeed<'de> for Resource<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Resource<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let c = self.0;
        let from = c.spans.len();
        let mut attributes = Attributes::new();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "resource" => attributes = map.next_value_seed(SpanSeed)?.own,
                "scopeSpans" | "scope_spans" | "instrumentationLibrarySpans" => {
                    map.next_value_seed(List(
                        &mut *c,
                        |c: &mut Collector, i| {
                            if let Some(at) = c.at.get_mut(1) {
                                *at = i;
                            }
                        },
                        Kind::Scope,
                    ))?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        for span in c.spans.iter_mut().skip(from) {
            span.resource = attributes.clone();
        }
        Ok(())
    }
}

/// A span (or a resource, which has attributes alone). Values of another type than they should have are
/// absent, and the span is judged by what is there.
struct SpanSeed;

impl<'de> DeserializeSeed<'de> for SpanSeed {
    type Value = RawSpan;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<RawSpan, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for SpanSeed {
    type Value = RawSpan;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a span")
    }

    fn visit_unit<E>(self) -> Result<RawSpan, E> {
        Ok(RawSpan::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawSpan, A::Error> {
        let mut out = RawSpan::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "traceId" | "trace_id" => out.trace = map.next_value_seed(Scalar)?,
                "spanId" | "span_id" => out.id = map.next_value_seed(Scalar)?,
                "parentSpanId" | "parent_span_id" => out.parent = map.next_value_seed(Scalar)?,
                "startTimeUnixNano" | "start_time_unix_nano" => {
                    out.start = map.next_value_seed(Scalar)?;
                }
                "endTimeUnixNano" | "end_time_unix_nano" => {
                    out.end = map.next_value_seed(Scalar)?
                }
                "status" => {
                    let code = map.next_value_seed(Member("code"))?;
                    out.failed = matches!(code.as_deref(), Some("2" | "STATUS_CODE_ERROR"));
                }
                "attributes" => map.next_value_seed(AttributeList(&mut out.own))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(out)
    }
}
