//! The steps of every request, over REST, gRPC and the Open Inference Protocol: route, key, place, time limit, answer, and then
//! metrics, span and log. [`Protocol`] has the steps that differ. The request's id and span ([`super::trace`]) and the rules
//! for browsers ([`super::browsers`]) come before.

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

/// The steps that differ between protocols.
pub trait Protocol: Clone + Send + Sync + 'static {
    /// Prefix of a status in the metrics.
    const STATUS_PREFIX: &str;

    /// Whether the body of a refused request is read. HTTP/1.1 clients need this to see the answer.
    const DRAINS: bool;

    /// The row of the table of routes.
    fn route(request: &Request) -> Route;

    /// Answers an admitted request, and counts its body. `place` is its place among all requests, if the route counts it.
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

    /// Gives an error the shape that the route's clients expect, and sets the result of the request's span. Returns the status and
    /// the error's code too; the code is empty if there is no error.
    fn finish(route: &Route, response: Response) -> (Response, u16, String);
}

/// The places that a request occupies until this is dropped.
struct Entry {
    /// Holds the place among the requests of its key.
    caller: Option<Caller>,
    place: Option<Arc<Lease>>,
    _stream: Option<OwnedSemaphorePermit>,
}

/// Admits a request if its key is known and there is a place, limits its time, and records its result.
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
            // For a stream, the limit applies until its answer begins, not to its length.
            let limit = route.time(state.request_time);
            let answered = tokio::time::timeout(limit, held.during(answer)).await;
            drop(under_way);
            let late = |_| P::refusal(ApiError::request_timeout(limit));
            // A stream keeps its places until its body ends. Any other answer is complete now: a client that reads it slowly
            // occupies no place.
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

/// Checks the key and its roles, then takes the places that the route needs.
fn enter(state: &AppState, route: &Route, headers: &HeaderMap) -> Result<Entry, ApiError> {
    let caller = match route.access {
        // The admin routes check their own token.
        Access::Open | Access::Admin => None,
        Access::Key => state.keys.check(headers)?,
    };
    // Without keys there are no roles.
    if let Some(caller) = &caller {
        caller.check_roles(route.roles)?;
    }
    let admission = &state.admission;
    let place = match route.place {
        // Monitoring and the admin routes must work on an overloaded server.
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

/// Records the result of a request in metrics and log, and adds its duration to the response. A stream has only begun.
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
