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

use super::message_body::{MessageBody, MessageRules, SharedBytes};
use super::status::CODE;
use super::wire_cost::WireCosts;
use crate::api::admission::UNCOUNTED_BYTES;
use crate::api::answer_body::Open;
use crate::api::held::Held;
use crate::api::lease::Lease;
use crate::api::routes::{self, Access, Place, Route};
use crate::api::trace::add_server_timing;
use crate::api::{ApiError, AppState, Caller, answer_body};
use crate::telemetry::InFlight;
use crate::telemetry::spans::request_span::{self, RequestSpan};

/// What the frame around gRPC requests needs.
#[derive(Clone)]
pub struct Frame {
    /// The server.
    pub state: Arc<AppState>,
    /// What messages cost.
    pub costs: Arc<WireCosts>,
}

/// Lets a request in if there is a place, gives it its time, and writes down how it went.
pub async fn observe(State(frame): State<Frame>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let state = &frame.state;
    let rule = routes::of_grpc(request.uri().path());
    let route = rule.path;
    let held = Held::default();
    // A stop does not wait for who only watches.
    let open = match rule.place {
        Place::Control => Open::default(),
        _ => state.open.clone(),
    };
    let response = match enter(state, rule, request.headers()) {
        Ok(place) => {
            let share = match &place.place {
                Some(_) => state.admission.body_share(),
                None => state.admission.share(),
            };
            let share = SharedBytes::new(share);
            let rules = MessageRules {
                path: request.uri().path().to_owned(),
                costs: frame.costs.clone(),
                place: place.place.clone().filter(|_| rule.place == Place::Request),
                most: match rule.place {
                    Place::Request | Place::Stream => state.admission.max_body_bytes(),
                    Place::Uncounted | Place::Control => UNCOUNTED_BYTES,
                },
                // Watchers send one message; what embeds streams knows better when it waits for its client.
                patience: match rule.place {
                    Place::Control if !route.ends_with("/Watch") => Some(state.request_time),
                    _ => None,
                },
            };
            let (parts, body) = request.into_parts();
            let body = MessageBody::new(body, &parts.headers, rules, share.clone());
            let mut request = Request::from_parts(parts, Body::new(body));
            request.extensions_mut().insert(share.clone());
            if let Some(caller) = &place.caller {
                request.extensions_mut().insert(caller.clone());
            }
            let under_way = InFlight::of(&state.metrics.requests_in_flight);
            let answer = held.during(next.run(request));
            // The beginning of a stream is its answer's head; how long it lasts is its own matter.
            let response = match tokio::time::timeout(state.request_time, answer).await {
                Ok(response) => response,
                Err(_) => Status::from(ApiError::request_timeout(state.request_time)).into_http(),
            };
            drop(under_way);
            // A stream's answers come after this: the place is theirs until the body ends. Any other answer is there, and is
            // sent at the client's pace: who does not take it shall hold no place.
            let lasts = matches!(rule.place, Place::Stream | Place::Control);
            let holds = lasts.then_some((place, share));
            let response = response.map(|body| {
                Body::new(Answer {
                    body,
                    _holds: holds,
                    span: tracing::Span::current(),
                    exported: request_span::current(),
                })
            });
            answer_body::holding(response, held, open)
        }
        Err(error) => Status::from(error).into_http(),
    };
    let mut response = response;
    let total = started.elapsed();
    // A stream has only begun.
    if rule.place == Place::Request {
        add_server_timing(&mut response, total);
        state.metrics.observe_stages();
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

/// Asks for the key and the places that a route needs.
fn enter(state: &AppState, rule: &Route, headers: &HeaderMap) -> Result<Entry, ApiError> {
    let caller = match rule.access {
        Access::Open => None,
        Access::Key | Access::Admin => state.keys.check(headers)?,
    };
    let admission = &state.admission;
    let place = match rule.place {
        Place::Request | Place::Stream => Some(admission.enter()?),
        Place::Uncounted | Place::Control => None,
    };
    let stream = match rule.place {
        Place::Stream => Some(admission.enter_stream()?),
        Place::Control => Some(admission.enter_control()?),
        Place::Uncounted | Place::Request => None,
    };
    Ok(Entry {
        caller,
        place,
        _stream: stream,
    })
}

/// Notes for the request's span what trailers say.
fn note_status(trailers: &HeaderMap) {
    let text = |name: &str| trailers.get(name).and_then(|value| value.to_str().ok());
    if let Some(status) = text("grpc-status").and_then(|status| status.parse().ok()) {
        request_span::note_grpc_status(status, text(CODE).unwrap_or_default());
    }
}

/// What a request takes of the server while it is worked on: its place among its key's, and its places among all.
struct Entry {
    caller: Option<Caller>,
    place: Option<Arc<Lease>>,
    _stream: Option<OwnedSemaphorePermit>,
}

/// A response's body.
struct Answer {
    body: Body,
    _holds: Option<(Entry, SharedBytes)>,
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
