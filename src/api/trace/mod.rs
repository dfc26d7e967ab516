//! Around every request of either protocol: its id, its trace, the log span that carries both, and the span for a collector.

mod request_id;
mod traceparent;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;
use tracing::field::Empty;

use super::routes;
use crate::telemetry::{Spans, stages};

pub use request_id::REQUEST_ID;
use traceparent::TraceContext;

/// Times of the stages of a request.
pub const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Gives a request its id and its place in a trace. Its log lines contain both, and its response contains the id. With
/// `spans`, a request to an API gets a span.
pub async fn trace(State(spans): State<Option<Spans>>, request: Request, next: Next) -> Response {
    let id = request_id::of(request.headers());
    let mut context = TraceContext::of(request.headers());
    let exported = spans
        .filter(|_| routes::of_path(request.uri().path()).has_span())
        .map(|spans| {
            let exported = spans.begin(context.parent(), &id, request.method().as_str());
            // A trace that begins here gets its id from the span.
            context.trace_id = exported.trace_id();
            exported
        });
    // At the highest level, so that the filter never removes it.
    let span = tracing::error_span!(
        "request",
        request_id = id.as_str(),
        trace_id = %format_args!("{:032x}", context.trace_id),
        parent_id = Empty,
    );
    if let Some(parent) = context.parent_id {
        span.record(
            "parent_id",
            tracing::field::display(format_args!("{parent:016x}")),
        );
    }
    let answer = stages::measured(next.run(request)).instrument(span);
    let mut response = match exported {
        Some(exported) => exported.around(answer).await,
        None => answer.await,
    };
    // Both are visible ASCII: every id is a valid header.
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Says in a response how long the stages of the current request took.
pub fn add_server_timing(response: &mut Response, total: std::time::Duration) {
    if let Ok(value) = HeaderValue::try_from(stages::server_timing(total)) {
        response.headers_mut().insert(SERVER_TIMING, value);
    }
}
