//! Around every request of either protocol: its id, its trace, and the log span that carries both.

mod request_id;
mod traceparent;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::telemetry::stages;

pub use request_id::REQUEST_ID;
pub use traceparent::TraceContext;

/// How long the stages of a request took.
pub const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Gives a request its id and its place in a trace. Both stand in its log lines, and the id in its response.
pub async fn trace(mut request: Request, next: Next) -> Response {
    let id = request_id::of(request.headers());
    let context = TraceContext::of(request.headers());
    // Of the highest level, so that it is there whatever the filter leaves out.
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
    request.extensions_mut().insert(context);
    let answer = stages::measured(next.run(request));
    let mut response = answer.instrument(span).await;
    // Visible ASCII both: there is no id that is no header.
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
