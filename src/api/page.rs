//! The page at `/`: which description fits an image, and what has changed on a part. All its files are in the binary and the bundle.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::json_answer::Json;
use super::{ApiError, AppState};
use crate::error_code::Code;

/// Content security policy: no external and no inline resources; the page loads only what this server serves.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The files of the page, from the folder `web/`: path, content type, content.
const FILES: [(&str, &str, &str); 11] = [
    (
        "/",
        "text/html; charset=utf-8",
        include_str!("../../web/index.html"),
    ),
    (
        "/page.css",
        "text/css; charset=utf-8",
        include_str!("../../web/page.css"),
    ),
    ("/page.js", SCRIPT, include_str!("../../web/page.js")),
    ("/compare.js", SCRIPT, include_str!("../../web/compare.js")),
    (
        "/comparison.js",
        SCRIPT,
        include_str!("../../web/comparison.js"),
    ),
    (
        "/describe.js",
        SCRIPT,
        include_str!("../../web/describe.js"),
    ),
    ("/dom.js", SCRIPT, include_str!("../../web/dom.js")),
    ("/maps.js", SCRIPT, include_str!("../../web/maps.js")),
    ("/samples.js", SCRIPT, include_str!("../../web/samples.js")),
    ("/server.js", SCRIPT, include_str!("../../web/server.js")),
    ("/viewer.js", SCRIPT, include_str!("../../web/viewer.js")),
];

/// Routes of the page and its samples.
pub fn routes() -> Router<Arc<AppState>> {
    let files = FILES
        .into_iter()
        .fold(Router::new(), |router, (path, content_type, content)| {
            router.route(path, get(async move || file(content_type, content)))
        });
    files
        .route("/samples", get(samples))
        .route("/samples/{name}", get(sample))
}

fn file(content_type: &'static str, content: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, content).into_response()
}

/// The sample scenes of the default model: `{"samples": [{"url", "title", "texts"}]}`.
async fn samples(State(state): State<Arc<AppState>>) -> Json<Value> {
    let model = state.models.default_model();
    let samples = model.samples().iter().map(|sample| {
        json!({"url": format!("/samples/{}", base_name(&sample.file)), "title": sample.title, "texts": sample.texts})
    });
    Json(json!({"samples": samples.collect::<Vec<_>>()}))
}

/// The image of one sample scene. Only files that the bundle lists as samples are served.
async fn sample(
    State(state): State<Arc<AppState>>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let missing = || ApiError::new(Code::NotFound, "the model has no such sample");
    let model = state.models.default_model();
    let sample = model
        .samples()
        .iter()
        .find(|s| base_name(&s.file) == name)
        .ok_or_else(missing)?;
    let path = model
        .bundle()
        .resolve(&sample.file)
        .map_err(|_| missing())?;
    let bytes = tokio::fs::read(path).await.map_err(|_| missing())?;
    let content_type = match sample.file.rsplit('.').next() {
        Some("png") => "image/png",
        Some("webp") => "image/webp",
        Some("jpg" | "jpeg") => "image/jpeg",
        _ => "application/octet-stream",
    };
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, bytes).into_response())
}

fn base_name(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}
