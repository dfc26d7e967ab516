//! `/openapi.json` and `/docs/`: Swagger UI, which shows it. Its files are in the binary; nothing is loaded from elsewhere.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

use crate::api::{ApiError, AppState};
use crate::error_code::Code;

/// Content security policy: Swagger UI sets inline styles and uses data URIs for icons.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// The document and the page.
pub fn routes(document: OpenApi) -> Router<Arc<AppState>> {
    // By default it asks an external server whether the document is valid.
    let config = Config::from("/openapi.json")
        .validator_url("none")
        .try_it_out_enabled(true);
    let config = Arc::new(config);
    let index = config.clone();
    // Written once, because it takes milliseconds and anyone may request it any number of times.
    let document = document.to_json().ok().map(Bytes::from);
    Router::new()
        .route(
            "/openapi.json",
            get(move || std::future::ready(described(document.as_ref()))),
        )
        .route("/docs", get(|| async { Redirect::permanent("/docs/") }))
        .route(
            "/docs/",
            get(move || std::future::ready(file("index.html", index))),
        )
        .route(
            "/docs/{*name}",
            get(move |Path(name): Path<String>| std::future::ready(file(&name, config))),
        )
}

fn described(document: Option<&Bytes>) -> Result<Response, ApiError> {
    let document = document.ok_or_else(|| {
        let message = "the description of the interface cannot be written";
        ApiError::new(Code::InternalError, message)
    })?;
    let json = [(header::CONTENT_TYPE, "application/json")];
    Ok((json, document.clone()).into_response())
}

fn file(name: &str, config: Arc<Config<'static>>) -> Result<Response, ApiError> {
    let found = utoipa_swagger_ui::serve(name, config)
        .map_err(|reason| ApiError::new(Code::InternalError, reason.to_string()))?;
    let file = found.ok_or_else(|| {
        let message = "the documentation has no such file".to_owned();
        ApiError::new(Code::NotFound, message)
    })?;
    let headers = [
        (header::CONTENT_TYPE, file.content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY.to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
    ];
    Ok((headers, file.bytes.into_owned()).into_response())
}
