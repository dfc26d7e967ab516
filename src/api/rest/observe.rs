//! Around every request: its place, its time limit, its metrics, its log line.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{admin, v2};
use crate::api::admission::drain;
use crate::api::trace::add_server_timing;
use crate::api::{ApiError, AppState};
use crate::telemetry::spans::request_span;
use crate::telemetry::{InFlight, stages};

/// Lets a request in if there is a place, gives it its time, and writes down how it went.
pub async fn observe(State(state): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = match request.extensions().get::<MatchedPath>() {
        Some(path) => path.as_str().to_owned(),
        // Unknown paths share one label: a scanner must not create a metric a guess.
        None => "other".to_owned(),
    };
    // What only shows that the server lives, and the admin routes, which have a token of their own, need no key.
    let caller = if is_api(&route) && !route.starts_with(admin::PREFIX) {
        state.keys.check(request.headers())
    } else {
        Ok(None)
    };
    let caller = match caller {
        Ok(caller) => caller,
        Err(error) => {
            drain(request.into_body()).await;
            return finish(&state, &route, started, error.into_response());
        }
    };
    let mut request = request;
    if let Some(caller) = caller.clone() {
        request.extensions_mut().insert(caller);
    }
    let (place, limit) = if route.starts_with(admin::PREFIX) {
        // An overloaded server can still be given another model.
        (Ok(None), admin::TIME)
    } else if request.method() == Method::POST {
        (state.admission.enter().map(Some), state.request_time)
    } else {
        // Monitoring must see an overloaded server: only work is counted against the bound.
        (Ok(None), state.request_time)
    };
    let response = match place {
        Ok(place) => {
            let under_way = InFlight::of(&state.metrics.requests_in_flight);
            let answered = tokio::time::timeout(limit, next.run(request)).await;
            drop(under_way);
            drop(place);
            answered.unwrap_or_else(|_| {
                let message = format!("the request took longer than {} s", limit.as_secs());
                ApiError::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message)
                    .into_response()
            })
        }
        Err(error) => {
            drain(request.into_body()).await;
            error.into_response()
        }
    };
    drop(caller);
    finish(&state, &route, started, response)
}

/// Whether a route is of an API, and not of the page or of monitoring.
fn is_api(route: &str) -> bool {
    ["/v1/", "/v2/models", "/v2/rerank"]
        .iter()
        .any(|prefix| route.starts_with(prefix))
}

/// Writes down how a request went, and says in its response how long it took.
fn finish(state: &AppState, route: &str, started: Instant, mut response: Response) -> Response {
    let status = response.status();
    let error = response.extensions().get::<ApiError>().cloned();
    let code = error.as_ref().map_or("", |error| error.code);
    let total = started.elapsed();
    if is_api(route) {
        add_server_timing(&mut response, total);
        stages::observe(&state.metrics);
    }
    request_span::note_http_answer(route, status.as_u16(), code);
    let seconds = total.as_secs_f64();
    state
        .metrics
        .requests
        .with_label_values(&[route, status.as_str(), code])
        .inc();
    state
        .metrics
        .request_seconds
        .with_label_values(&[route])
        .observe(seconds);
    tracing::debug!(
        route,
        status = status.as_u16(),
        code,
        milliseconds = seconds * 1e3,
        "request"
    );
    match error {
        Some(error) if v2::is_ours(route) => v2::respond_with(&error, response),
        _ => response,
    }
}
