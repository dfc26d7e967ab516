//! The span of one request. Like the times of its stages it belongs to the task that answers the request, so attributes can
//! be set anywhere in the code without passing the span. Without a span, nothing happens.

use std::fmt;
use std::sync::Arc;

use opentelemetry::trace::{Span as _, SpanKind, Status, Tracer};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use parking_lot::Mutex;

use crate::telemetry::stages::{self, Stage};

/// A span that ends with its last user, also if the client has disconnected.
#[derive(Clone)]
pub struct RequestSpan(Arc<Mutex<Record>>);

struct Record {
    span: Span,
    /// A standard HTTP method; all others share one name.
    method: &'static str,
    /// Each name once: the SDK keeps repeated attributes.
    attributes: Vec<KeyValue>,
}

impl fmt::Debug for RequestSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestSpan").finish_non_exhaustive()
    }
}

tokio::task_local! {
    static CURRENT: RequestSpan;
}

impl RequestSpan {
    /// Begins the span of a request with this id and method.
    pub(super) fn start(tracer: &SdkTracer, context: &Context, id: &str, method: &str) -> Self {
        const METHODS: [&str; 9] = [
            "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT",
        ];
        let known = METHODS.into_iter().find(|known| *known == method);
        let method = known.unwrap_or("_OTHER");
        // The route gives it a better name.
        let span = tracer.span_builder(method).with_kind(SpanKind::Server);
        let mut record = Record {
            span: tracer.build_with_context(span, context),
            method,
            attributes: Vec::new(),
        };
        if record.span.is_recording() {
            record.set("clip_in.request_id", id.to_owned());
            record.set("http.request.method", method);
        }
        Self(Arc::new(Mutex::new(record)))
    }

    /// Its trace: the caller's, or a new one.
    pub fn trace_id(&self) -> u128 {
        let record = self.0.lock();
        u128::from_be_bytes(record.span.span_context().trace_id().to_bytes())
    }

    /// Runs a request under this span.
    pub async fn around<F: Future>(self, request: F) -> F::Output {
        CURRENT.scope(self, request).await
    }

    /// Runs the response's body under this span.
    pub fn around_body<T>(&self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self.clone(), work)
    }
}

impl Record {
    fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        let known = self.attributes.iter_mut();
        match known.into_iter().find(|known| known.key.as_str() == name) {
            Some(known) => known.value = value.into(),
            None => self.attributes.push(KeyValue::new(name, value)),
        }
    }

    fn set_outcome(&mut self, code: &str, is_fault: bool) {
        if !code.is_empty() {
            self.set("error.type", code.to_owned());
        }
        if is_fault {
            self.span.set_status(Status::error(code.to_owned()));
        }
    }

    /// The seconds of the stages, as in the metrics: the longest of several items.
    fn set_stages(&mut self) {
        for (stage, time) in stages::times() {
            let name = match stage {
                Stage::Read => "clip_in.stage.read_seconds",
                Stage::Prepare => "clip_in.stage.prepare_seconds",
                Stage::Queue => "clip_in.stage.queue_seconds",
                Stage::Inference => "clip_in.stage.inference_seconds",
                Stage::Post => "clip_in.stage.post_seconds",
            };
            self.set(name, time.as_secs_f64());
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // Then the span is dropped, which ends it.
        self.span
            .set_attributes(std::mem::take(&mut self.attributes));
    }
}

/// The span of the current request, if it has one.
pub fn current() -> Option<RequestSpan> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Sets the model that answers the current request.
pub fn note_model(name: &str) {
    note(|record| record.set("clip_in.model", name.to_owned()));
}

/// Sets the lane of its items.
pub fn note_lane(name: &'static str) {
    note(|record| record.set("clip_in.lane", name));
}

/// Sets the result of a REST request. `code` is the error's, empty if there is none.
pub fn note_http_answer(route: &str, status: u16, code: &str) {
    note(|record| {
        let name = format!("{} {route}", record.method);
        record.span.update_name(name);
        record.set("http.route", route.to_owned());
        record.set("http.response.status_code", i64::from(status));
        record.set_outcome(code, status >= 500);
        record.set_stages();
    });
}

/// Sets the method of a gRPC request, and its stages so far. `path` must be a known one.
pub fn note_grpc_call(path: &'static str) {
    note(|record| {
        let name = path.trim_start_matches('/');
        record.span.update_name(name);
        record.set("rpc.system", "grpc");
        if let Some((service, method)) = name.split_once('/') {
            record.set("rpc.service", service);
            record.set("rpc.method", method);
        }
        record.set_stages();
    });
}

/// How a request over gRPC went: its status as a number, and the error's code, empty if there is none.
pub fn note_grpc_status(status: u16, code: &str) {
    note(|record| {
        record.set("rpc.grpc.status_code", i64::from(status));
        // Unknown, deadline exceeded, unimplemented, internal, unavailable, data loss: the others are the caller's doing.
        record.set_outcome(code, matches!(status, 2 | 4 | 12..=15));
    });
}

fn note(note: impl FnOnce(&mut Record)) {
    // Without a span, for example without a collector, nothing happens.
    let _ = CURRENT.try_with(|current| {
        let mut record = current.0.lock();
        if record.span.is_recording() {
            note(&mut record);
        }
    });
}
