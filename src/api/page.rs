//! The pages: at `/`, which description fits an image and what has changed on a part; at `/review`, what people decide. All
//! their files are in the binary and the bundle.

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

/// A file of the pages: its path, and its content from the folder `web/`.
macro_rules! files {
    ($($path:literal = $file:literal,)*) => {
        [$(($path, $file, include_str!(concat!("../../web/", $file)))),*]
    };
}

/// The files of the pages: path, name, content.
const FILES: &[(&str, &str, &str)] = &files! {
    "/" = "index.html",
    "/compare.js" = "compare.js",
    "/comparison.js" = "comparison.js",
    "/describe.js" = "describe.js",
    "/dom.js" = "dom.js",
    "/maps.js" = "maps.js",
    "/page.css" = "page.css",
    "/page.js" = "page.js",
    "/samples.js" = "samples.js",
    "/server.js" = "server.js",
    "/review" = "review/review.html",
    "/viewer.js" = "viewer.js",
    "/zoom.js" = "zoom.js",
};

/// What the page at `/review` loads from `/review/`.
const REVIEW: &[(&str, &str, &str)] = &files! {
    "api.js" = "review/api.js",
    "assistant.js" = "review/assistant.js",
    "claims.js" = "review/claims.js",
    "dashboard.js" = "review/dashboard.js",
    "decide.js" = "review/decide.js",
    "en.js" = "review/en.js",
    "history.js" = "review/history.js",
    "item.js" = "review/item.js",
    "ja.js" = "review/ja.js",
    "keys.js" = "review/keys.js",
    "main.js" = "review/main.js",
    "outbox.js" = "review/outbox.js",
    "panes.js" = "review/panes.js",
    "pictures.js" = "review/pictures.js",
    "plots.js" = "review/plots.js",
    "queue.js" = "review/queue.js",
    "references.js" = "review/references.js",
    "review.css" = "review/review.css",
    "status.js" = "review/status.js",
    "strings.js" = "review/strings.js",
    "why.js" = "review/why.js",
};

/// Routes of the page and its samples.
pub fn routes() -> Router<Arc<AppState>> {
    let files = FILES
        .iter()
        .fold(Router::new(), |router, (path, name, content)| {
            router.route(path, get(async || file(content_type(name), content)))
        });
    files
        .route("/review/{file}", get(review))
        .route("/samples", get(samples))
        .route("/samples/{name}", get(sample))
}

/// A file of the page at `/review`.
async fn review(Path(asked): Path<String>) -> Result<Response, ApiError> {
    let found = REVIEW.iter().find(|(path, ..)| *path == asked);
    let missing = || ApiError::new(Code::NotFound, "the page has no such file");
    let (_, name, content) = found.ok_or_else(missing)?;
    Ok(file(content_type(name), content))
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        _ => "text/javascript; charset=utf-8",
    }
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
