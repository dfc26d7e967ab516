//! How a request passes, over REST, gRPC and the Open Inference Protocol alike: its route, its key, its place, its time
//! limit, its answer, and what the metrics, its span and the log say of it. [`Protocol`] is what differs. Before this come
//! the request's id and span ([`super::trace`]) and the rules for browsers ([`super::browsers`]).

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt as _;
use tokio::sync::OwnedSemaphorePermit;

use super::admission::drain;
use super::held::Held;
use super::lease::Lease;
use super::routes::{Access, Place, Route};
use super::trace::add_server_timing;
use super::{ApiError, AppState, Caller};
use crate::telemetry::InFlight;

/// What a protocol does in its own way.
pub trait Protocol: Clone + Send + Sync + 'static {
    /// What stands before an answer's status in the metrics.
    const STATUS_PREFIX: &str;

    /// Whether the body of a refused request is read: HTTP/1.1 clients see the answer only then.
    const DRAINS: bool;

    /// The row of the table of routes.
    fn route(request: &Request) -> Route;

    /// Answers a request that was let in, and counts its body. `place` is its place among all requests, if the route counts it.
    fn answer(
        &self,
        state: &AppState,
        route: &Route,
        place: Option<&Arc<Lease>>,
        request: Request,
        next: Next,
    ) -> impl Future<Output = Response> + Send;

    /// An error as an answer.
    fn refusal(error: ApiError) -> Response;

    /// Puts an answer in the route's words, and tells the request's span how it went: the status, and the error's code, which is
    /// empty if there is none.
    fn finish(route: &Route, response: Response) -> (Response, u16, String);
}

/// What a request takes of the server until it is dropped.
struct Entry {
    /// Has its place among its key's requests.
    caller: Option<Caller>,
    place: Option<Arc<Lease>>,
    _stream: Option<OwnedSemaphorePermit>,
}

/// Lets a request in if its key is known and there is a place, gives it its time, and records how it went.
pub async fn pass<P: Protocol>(
    State((state, protocol)): State<(Arc<AppState>, P)>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let route = P::route(&request);
    let held = Held::default();
    // A stop does not wait for clients that only watch.
    let open = match route.place {
        Place::Control => Arc::default(),
        _ => state.open.clone(),
    };
    let (response, entry) = match enter(&state, &route, request.headers()) {
        Ok(entry) => {
            if let Some(caller) = &entry.caller {
                request.extensions_mut().insert(caller.clone());
            }
            let under_way = InFlight::of(&state.metrics.requests_in_flight);
            let answer = protocol.answer(&state, &route, entry.place.as_ref(), request, next);
            // The beginning of a stream is its answer's head; how long it lasts is its own matter.
            let limit = route.time(state.request_time);
            let answered = tokio::time::timeout(limit, held.during(answer)).await;
            drop(under_way);
            let late = |_| P::refusal(ApiError::request_timeout(limit));
            // A stream keeps its places until its body ends. Any other answer is there, and is sent at the client's pace: a
            // client that does not take it holds no place.
            let entry = route.is_stream().then_some(entry);
            (answered.unwrap_or_else(late), entry)
        }
        Err(error) => {
            if P::DRAINS {
                drain(request.into_body()).await;
            }
            (P::refusal(error), None)
        }
    };
    let response = record::<P>(&state, &route, started.elapsed(), response);
    // Its body owns what the request holds until the answer is taken.
    let holds = (held, open, entry);
    response.map(|body| {
        Body::new(body.map_err(move |error| {
            let _holds = &holds;
            error
        }))
    })
}

/// Asks for the key and the places that a route needs, in this order.
fn enter(state: &AppState, route: &Route, headers: &HeaderMap) -> Result<Entry, ApiError> {
    let caller = match route.access {
        // The admin routes ask for a token of their own.
        Access::Open | Access::Admin => None,
        Access::Key => state.keys.check(headers)?,
    };
    let admission = &state.admission;
    let place = match route.place {
        // Monitoring must see an overloaded server, and it can still be given another model.
        Place::Uncounted | Place::Control => None,
        Place::Request | Place::Stream => Some(admission.enter()?),
    };
    let stream = match route.place {
        Place::Uncounted | Place::Request => None,
        Place::Stream => Some(admission.enter_stream()?),
        Place::Control => Some(admission.enter_control()?),
    };
    Ok(Entry {
        caller,
        place,
        _stream: stream,
    })
}

/// Writes down how a request went, and says in its response how long it took. A stream has only begun.
fn record<P: Protocol>(
    state: &AppState,
    route: &Route,
    total: Duration,
    mut response: Response,
) -> Response {
    let metrics = &state.metrics;
    if route.access != Access::Open && !route.is_stream() {
        add_server_timing(&mut response, total);
        metrics.observe_stages();
    }
    let (response, status, code) = P::finish(route, response);
    let (path, seconds) = (route.path, total.as_secs_f64());
    let labels = [path, &format!("{}{status}", P::STATUS_PREFIX), &code];
    metrics.requests.with_label_values(&labels).inc();
    let duration = metrics.request_seconds.with_label_values(&[path]);
    duration.observe(seconds);
    let milliseconds = seconds * 1e3;
    tracing::debug!(route = path, status, code, milliseconds, "request");
    response
}
