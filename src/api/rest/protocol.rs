//! The steps of a request that are special to REST, with the Open Inference Protocol over REST.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{cohere_embed, v2};
use crate::api::awaited::Awaited;
use crate::api::frame::Protocol;
use crate::api::lease::Lease;
use crate::api::routes::{self, Route};
use crate::api::{ApiError, AppState, gzip_answer};
use crate::telemetry::spans::request_span;

/// REST: errors are JSON, and large answers may be compressed.
#[derive(Clone)]
pub struct Rest;

impl Protocol for Rest {
    const STATUS_PREFIX: &str = "";
    const DRAINS: bool = true;

    fn route(request: &Request) -> Route {
        let pattern = request.extensions().get::<MatchedPath>();
        routes::of_rest(request.method(), pattern.map(MatchedPath::as_str))
    }

    async fn answer(
        &self,
        state: &AppState,
        _route: &Route,
        place: Option<&Arc<Lease>>,
        request: Request,
        next: Next,
    ) -> Response {
        let Some(place) = place else {
            return next.run(request).await;
        };
        let gzip = gzip_answer::is_accepted(request.headers());
        let request = request.map(|body| Body::new(Awaited::new(body, place.clone())));
        let answer = next.run(request).await;
        gzip_answer::packed(state, gzip, answer).await
    }

    fn refusal(error: ApiError) -> Response {
        error.into_response()
    }

    fn finish(route: &Route, response: Response) -> (Response, u16, String) {
        let error = response.extensions().get::<ApiError>().cloned();
        let status = response.status().as_u16();
        let code = error.as_ref().map_or("", |error| error.code.name());
        request_span::note_http_answer(route.path, status, code);
        let response = match error {
            Some(error) if v2::is_ours(route.path) => v2::respond_with(&error, response),
            Some(error) if route.path == cohere_embed::PATH => {
                cohere_embed::respond_with(&error, response)
            }
            _ => response,
        };
        (response, status, code.to_owned())
    }
}
