//! REST: one file per resource. docs/src/reference/http.md describes it.

mod admin;
#[doc(hidden)]
pub mod bodies;
mod choice;
mod classify;
mod cohere_embed;
mod compare;
mod deliveries;
mod docs;
mod embeddings;
mod encoding;
mod error_responses;
mod explain;
mod health;
mod image_option_fields;
mod images_and_texts;
mod item_list;
mod json_body;
mod labelsets;
mod limit;
mod lines;
mod map_field;
mod method_field;
mod models;
pub mod openapi;
mod png;
mod protocol;
mod reference_form;
mod references;
mod request_form;
mod request_headers;
mod rerank;
mod schemas;
mod similarity;
mod surrogates;
mod usage;
pub mod v2;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::protocol::Rest;
use super::{ApiError, AppState, frame, page};
use crate::error_code::Code;

/// All routes: those of the API with their description, and the pages.
pub fn router(state: Arc<AppState>) -> Router {
    let (api, document) = OpenApiRouter::with_openapi(openapi::Document::openapi())
        .routes(routes!(embeddings::create))
        .routes(routes!(similarity::create))
        .routes(routes!(classify::create))
        .routes(routes!(explain::create))
        .routes(routes!(rerank::create))
        .routes(routes!(rerank::create_at_v2))
        .routes(routes!(cohere_embed::create))
        .routes(routes!(labelsets::list))
        .routes(routes!(labelsets::put, labelsets::one, labelsets::delete))
        .routes(routes!(compare::create))
        .routes(routes!(references::list))
        .routes(routes!(
            references::put,
            references::one,
            references::delete
        ))
        .routes(routes!(references::add))
        .routes(routes!(models::list))
        .routes(routes!(models::one))
        .merge(lines::routes())
        .merge(v2::routes())
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .merge(admin::routes(&state))
        .split_for_parts();
    api.merge(page::routes())
        .merge(docs::routes(document))
        .fallback(no_such_route)
        .method_not_allowed_fallback(wrong_method)
        // Admission limits bodies before any extractor reads them.
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(axum::middleware::from_fn_with_state(
            (state.clone(), Rest),
            frame::pass,
        ))
        .with_state(state)
}

async fn no_such_route(uri: Uri) -> Response {
    let error = ApiError::new(
        Code::NotFound,
        "unknown path; GET /openapi.json lists those that exist",
    );
    let response = error.clone().into_response();
    if uri.path().starts_with("/v2/") {
        // The protocol's clients use more routes than this server has, and only understand this format.
        v2::respond_with(&error, response)
    } else {
        response
    }
}

async fn wrong_method() -> ApiError {
    let message = "this path exists, but not for this method";
    ApiError::new(Code::MethodNotAllowed, message)
}

/// A panic in a handler gives a 500 for its request and has no other effect.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    let message = "internal error; the reason is logged";
    ApiError::new(Code::InternalError, message).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;
    use axum::http::StatusCode;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;
    use crate::api::trace;

    async fn buggy() -> Response {
        panic!("a bug")
    }

    #[tokio::test]
    async fn a_panic_is_answered_with_the_request_id() {
        let router: Router = Router::new()
            .route("/", get(buggy))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(axum::middleware::from_fn_with_state(None, trace::trace));
        let request = Request::builder().header(trace::REQUEST_ID, "mine");
        let request = request.body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()[trace::REQUEST_ID], "mine");
        assert!(response.extensions().get::<ApiError>().is_some());
    }
}
