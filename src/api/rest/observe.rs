//! Around every request: its place, its time limit, its metrics, its log line.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{admin, cohere_embed, v2};
use crate::api::admission::drain;
use crate::api::awaited::Awaited;
use crate::api::held::Held;
use crate::api::routes::{self, Access, Place, Route};
use crate::api::trace::add_server_timing;
use crate::api::{ApiError, AppState, answer_body, gzip_answer};
use crate::telemetry::InFlight;
use crate::telemetry::spans::request_span;

/// Lets a request in if there is a place, gives it its time, and writes down how it went.
pub async fn observe(State(state): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let pattern = request.extensions().get::<MatchedPath>().cloned();
    let pattern = pattern.as_ref().map(MatchedPath::as_str);
    let rule = routes::of_rest(request.method(), pattern);
    let entered = match rule.access {
        // The admin routes ask for a token of their own.
        Access::Open | Access::Admin => Ok(None),
        Access::Key => state.keys.check(request.headers()),
    };
    let entered = entered.and_then(|caller| {
        let place = match rule.place {
            Place::Request => Some(state.admission.enter()?),
            // Monitoring must see an overloaded server, and it can still be given another model.
            _ => None,
        };
        Ok((caller, place))
    });
    let limit = match rule.access {
        Access::Admin => admin::TIME,
        _ => state.request_time,
    };
    let (held, open) = (Held::default(), state.open.clone());
    let response = match entered {
        Ok((caller, place)) => {
            let mut request = match &place {
                Some(place) => request.map(|body| Body::new(Awaited::new(body, place.clone()))),
                None => request,
            };
            if let Some(caller) = caller.clone() {
                request.extensions_mut().insert(caller);
            }
            let under_way = InFlight::of(&state.metrics.requests_in_flight);
            let gzip = gzip_answer::is_accepted(request.headers());
            let counted = place.is_some();
            let answer = held.during(async {
                let answer = next.run(request).await;
                if counted {
                    gzip_answer::packed(&state, gzip, answer).await
                } else {
                    answer
                }
            });
            let answered = tokio::time::timeout(limit, answer).await;
            drop((under_way, place, caller));
            answered.unwrap_or_else(|_| ApiError::request_timeout(limit).into_response())
        }
        Err(error) => {
            drain(request.into_body()).await;
            error.into_response()
        }
    };
    let response = finish(&state, &rule, started, response);
    answer_body::holding(response, held, open)
}

/// Writes down how a request went, and says in its response how long it took.
fn finish(state: &AppState, rule: &Route, started: Instant, mut response: Response) -> Response {
    let route = rule.path;
    let status = response.status();
    let error = response.extensions().get::<ApiError>().cloned();
    let code = error.as_ref().map_or("", |error| error.code.name());
    let total = started.elapsed();
    if rule.access != Access::Open {
        add_server_timing(&mut response, total);
        state.metrics.observe_stages();
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
        Some(error) if route == cohere_embed::PATH => cohere_embed::respond_with(&error, response),
        _ => response,
    }
}
