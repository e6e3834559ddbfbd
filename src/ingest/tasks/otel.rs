//! OpenTelemetry traces in OTLP JSON: spans of agents and their tools (GenAI semantic conventions)
//! and of pipeline runs and their tasks (CI/CD semantic conventions).
//!
//! The file is read as a stream and only spans about work are kept. When the parent of a kept span is
//! another kind of span, a second pass collects the links of those traces, so that an agent that was
//! called over HTTP still finds the agent that called it.

mod spans;
mod stream;
mod values;

use crate::facts::{Layer, text};
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe, Shape};
use crate::ingest::{detect, reader};

use super::document::{head_has, is_json};
use stream::{Collector, Mode};

/// The format.
#[derive(Debug)]
pub struct Otel;

impl Adapter for Otel {
    fn format(&self) -> &'static str {
        "otlp-traces"
    }

    fn title(&self) -> &'static str {
        "OpenTelemetry spans of agents and pipelines (OTLP JSON)"
    }

    fn layer(&self) -> Layer {
        Layer::Task
    }

    fn recognise(&self, p: &Probe<'_>) -> Option<Match> {
        let keys = p.has(&["resourceSpans"]) || p.has(&["resource_spans"]);
        let list = p.shape == Shape::JsonArray && head_has(p, "\"resourceSpans\"");
        (is_json(p.shape) && (keys || list)).then_some(Match::Specific)
    }

    fn read(&self, input: &Input, _: &Context<'_>, batch: &mut Batch) -> Result<(), IngestError> {
        let (head, complete) = reader::head(input)?;
        let shape = detect::detect(&head, complete).shape;
        let mut first = Collector::new(Mode::Spans);
        stream::read(input, shape, &mut first)?;
        let wanted = first.open_traces();
        let mut second = Collector::new(Mode::Links(wanted));
        if second.wants_anything() {
            stream::read(input, shape, &mut second)?;
        }
        batch.records += first.n_spans;
        for (place, reason) in std::mem::take(&mut first.bad) {
            // A line that is no JSON holds no span that was counted.
            batch.records += i64::from(place.starts_with('L') && !place.contains('/'));
            batch.quarantine(place, reason);
        }
        let other = first.n_spans - i64::try_from(first.spans.len() + first.n_bad).unwrap_or(0);
        if other > 0 {
            batch.limitation = Some(text(format!(
                "{other} spans are about other things than agents and pipelines"
            )));
        }
        spans::tasks(&first.spans, &second.links, batch);
        Ok(())
    }
}
