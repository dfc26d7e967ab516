//! Around every gRPC request: its place, its share of the byte budget, its metrics, its log line.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;

use super::metered_body::{MeteredBody, SharedBytes};
use super::status::CODE;
use crate::api::trace::add_server_timing;
use crate::api::{AppState, Caller};
use crate::telemetry::spans::request_span::{self, RequestSpan};
use crate::telemetry::{InFlight, stages};

/// Lets a request in if there is a place, and writes down how it went.
pub async fn observe(State(state): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = known(request.uri().path());
    // Monitoring must see an overloaded server: only work is counted against the bound.
    let is_work = route.starts_with("/clip_in.") || route.starts_with("/inference.");
    let place = if is_work {
        let caller = state.keys.check(request.headers());
        caller.and_then(|caller| {
            let place = state.admission.enter()?;
            let stream = (route == STREAM).then(|| state.admission.enter_stream());
            Ok((caller, Some((place, stream.transpose()?))))
        })
    } else {
        Ok((None, None))
    };
    let mut response = match place {
        Ok((caller, place)) => {
            let share = SharedBytes::new(state.admission.share());
            let mut request = request.map(|body| Body::new(MeteredBody::new(body, share.clone())));
            request.extensions_mut().insert(share.clone());
            if let Some(caller) = caller.clone() {
                request.extensions_mut().insert(caller);
            }
            let under_way = InFlight::of(&state.metrics.requests_in_flight);
            let response = next.run(request).await;
            drop(under_way);
            // A stream's answers come after this: the place is theirs until the body ends. Any other answer is there, and is
            // sent at the client's pace: who does not take it shall hold no place.
            let holds = (!is_work || route == STREAM).then_some((place, share, caller));
            response.map(|body| {
                Body::new(Answer {
                    body,
                    _holds: holds,
                    span: tracing::Span::current(),
                    exported: request_span::current(),
                })
            })
        }
        Err(error) => Status::from(error).into_http(),
    };
    let total = started.elapsed();
    // A stream has only begun.
    if is_work && route != STREAM {
        add_server_timing(&mut response, total);
        stages::observe(&state.metrics);
    }
    request_span::note_grpc_call(route);
    note_status(response.headers());
    let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok());
    // Trailers of an error that comes before any message are headers.
    let status = header("grpc-status").unwrap_or("0").to_owned();
    let code = header(CODE).unwrap_or_default().to_owned();
    let seconds = total.as_secs_f64();
    let metrics = &state.metrics;
    let labels = [route, &format!("grpc-{status}"), &code];
    metrics.requests.with_label_values(&labels).inc();
    let duration = metrics.request_seconds.with_label_values(&[route]);
    duration.observe(seconds);
    tracing::debug!(route, status, code, milliseconds = seconds * 1e3, "request");
    response
}

/// The call whose answers come while its items are still sent.
const STREAM: &str = "/clip_in.v1.ClipIn/EmbedStream";

/// The path as a label: what is not ours shares one, so that a scanner cannot make a metric a guess.
fn known(path: &str) -> &'static str {
    const PATHS: [&str; 6] = [
        "/clip_in.v1.ClipIn/Embed",
        STREAM,
        "/clip_in.v1.ClipIn/Similarity",
        "/clip_in.v1.ClipIn/Classify",
        "/clip_in.v1.ClipIn/Rerank",
        "/inference.GRPCInferenceService/ModelInfer",
    ];
    PATHS
        .into_iter()
        .find(|known| *known == path)
        .unwrap_or("other")
}

/// Notes for the request's span what trailers say.
fn note_status(trailers: &HeaderMap) {
    let text = |name: &str| trailers.get(name).and_then(|value| value.to_str().ok());
    if let Some(status) = text("grpc-status").and_then(|status| status.parse().ok()) {
        request_span::note_grpc_status(status, text(CODE).unwrap_or_default());
    }
}

/// What a request takes of the server while it is worked on: its place and, of a stream, that among the streams; its bytes;
/// its place among its key's.
type Holds = (
    Option<(OwnedSemaphorePermit, Option<OwnedSemaphorePermit>)>,
    SharedBytes,
    Option<Caller>,
);

/// A response's body.
struct Answer {
    body: Body,
    _holds: Option<Holds>,
    /// What a stream logs is its request's.
    span: tracing::Span,
    /// For a collector, if there is one: it ends with the body.
    exported: Option<RequestSpan>,
}

impl http_body::Body for Answer {
    type Data = bytes::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let _entered = this.span.enter();
        let body = std::pin::Pin::new(&mut this.body);
        let Some(exported) = &this.exported else {
            return body.poll_frame(context);
        };
        exported.around_body(|| {
            let frame = body.poll_frame(context);
            if let std::task::Poll::Ready(Some(Ok(frame))) = &frame
                && let Some(trailers) = frame.trailers_ref()
            {
                note_status(trailers);
            }
            frame
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
