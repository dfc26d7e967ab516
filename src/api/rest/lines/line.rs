//! `/v1/lines/{line}`: creates, describes and deletes lines.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::line_object::{LineObject, describe, size_of};
use super::listed::images_of;
use super::who;
use crate::api::answer_size::{self, OBJECT};
use crate::api::contract::ErrorBody;
use crate::api::json_answer::Json;
use crate::api::rest::error_responses::{InferenceErrors, LookupErrors, RoleErrors, StoreErrors};
use crate::api::rest::item_list::EntryList;
use crate::api::rest::json_body;
use crate::api::rest::reference_form::places_of;
use crate::api::rest::request_form::{Content, RequestForm};
use crate::api::rest::request_headers::RequestHeaders;
use crate::api::rest::schemas::Images;
use crate::api::{ApiError, AppState};
use crate::bounded;
use crate::calls::{self, PutLine};
use crate::engine::ImageSource;
use crate::error_code::Code;
use crate::inspection::masks::Polygon;
use crate::lines::{Promised, Shares, Statement, Store};
use crate::references::check_resolution;

/// Bytes of a report of a calibration in an answer, about.
const REPORT: usize = 32 * OBJECT;

/// A line as it is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LineRequest {
    /// The model that compares. Without it a line keeps its model; a new one has that of its reference, or the default one.
    model: Option<String>,
    /// A stored reference, by name. Without it and without `references` a line keeps its reference.
    reference: Option<String>,
    /// Stored references of the views of a part, in the order of its images, at most 16, instead of `reference`.
    #[serde(default, deserialize_with = "bounded::list")]
    views: Vec<String>,
    /// Images of good parts, for a reference of the line's own.
    #[schema(value_type = Option<Images>)]
    references: Option<EntryList>,
    /// Polygons of corners [x, y] in pixels of the first image in `references`: only what lies inside one is compared.
    #[schema(value_type = Option<Vec<Vec<[f64; 2]>>>)]
    regions: Option<Vec<Polygon>>,
    /// Polygons of corners [x, y] in pixels of the first image in `references`: what lies inside one is not compared.
    #[schema(value_type = Option<Vec<Vec<[f64; 2]>>>)]
    ignore: Option<Vec<Polygon>>,
    /// A picture of the size of the first image in `references`: only where it is bright (grey 128 and above) is compared.
    #[schema(value_type = Option<ImageSource>)]
    mask: Option<String>,
    /// The side of a square, in pixels: parts are compared with as many pixels as it has, in their own shape. Comes with
    /// `references`. Small defects need more pixels; fewer take less time. The model's own by default.
    #[schema(minimum = 128, maximum = 960)]
    resolution: Option<u32>,
    /// Texts about changes, at most 256.
    #[serde(default, deserialize_with = "bounded::list")]
    statements: Vec<Statement>,
    /// What is promised.
    #[serde(default)]
    promise: Promised,
    /// The share of NG parts among all, from 0 to 1, as far as it is known: the report says what follows.
    defect_rate: Option<f64>,
    /// How the lots of labelled parts are divided.
    #[serde(default)]
    split: Shares,
    /// Share of inspections that a keyed hash chooses for a person, from 0 to 1; 0.02 by default.
    audit: Option<f64>,
    /// Days that images of inspections are kept, at least 1; for ever without it.
    retention_days: Option<u32>,
    /// `before` (default): an inspection is stored before it is answered, and refused if it cannot be. `queued`: if the
    /// database is not there, it is answered as soon as it is in a file on the server's disk, and stored later.
    #[serde(default)]
    store: Store,
}

/// All lines.
#[derive(Debug, Serialize, ToSchema)]
pub struct LineList {
    object: &'static str,
    data: Vec<LineObject>,
}

/// The result of deleting a line.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeletedLine {
    object: &'static str,
    name: String,
    deleted: bool,
}

/// Lists all lines.
#[utoipa::path(
    get,
    path = "/v1/lines",
    operation_id = "list_lines",
    tag = "lines",
    responses((status = 200, description = "All lines", body = LineList), LookupErrors, RoleErrors, StoreErrors)
)]
pub async fn list(State(state): State<Arc<AppState>>) -> Result<Json<LineList>, ApiError> {
    let lines = state.lines.all().await?;
    let bytes = lines.iter().map(|line| size_of(&line.definition) + REPORT);
    answer_size::reserve(&state, bytes.sum())?;
    let mut data = Vec::with_capacity(lines.len());
    for line in lines {
        data.push(describe(&state, &line).await?);
    }
    Ok(Json(LineList {
        object: "list",
        data,
    }))
}

/// Returns one line.
#[utoipa::path(
    get,
    path = "/v1/lines/{line}",
    operation_id = "get_line",
    tag = "lines",
    params(("line" = String, Path, description = "Name of the line")),
    responses((status = 200, description = "The line", body = LineObject), LookupErrors, RoleErrors, StoreErrors)
)]
pub async fn one(
    State(state): State<Arc<AppState>>,
    Path(line): Path<String>,
) -> Result<Json<LineObject>, ApiError> {
    let line = state.lines.get(&line).await?;
    answer_size::reserve(&state, size_of(&line.definition) + REPORT)?;
    Ok(Json(describe(&state, &line).await?))
}

/// Creates a line (201), or adds a version to it (200). A new version is not calibrated; labelled parts stay.
#[utoipa::path(
    put,
    path = "/v1/lines/{line}",
    operation_id = "put_line",
    tag = "lines",
    params(
        ("line" = String, Path, description = "1 to 59 ASCII letters, digits, -, _ and ., not beginning with a .", pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,58}$"),
        RequestHeaders
    ),
    request_body = LineRequest,
    responses(
        (status = 200, description = "The line has this definition now", body = LineObject),
        (status = 201, description = "The line was created", body = LineObject),
        (status = 409, description = "The maximum number of lines, or the maximum size of all references is reached", body = ErrorBody),
        LookupErrors,
        InferenceErrors,
        RoleErrors
    )
)]
pub async fn put(
    State(state): State<Arc<AppState>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<LineObject>), ApiError> {
    let who = who(&request);
    let mut form = RequestForm::read(&state, request).await?;
    let Content::Json(body) = &form.content else {
        let message = "send a JSON object with the content type application/json";
        return Err(ApiError::new(Code::UnsupportedContentType, message));
    };
    let asked: LineRequest = bounded::within(state.max_items, || json_body::parse(body))?;
    form.was_parsed();
    let references = images_of("references", asked.references.unwrap_or_default())?;
    let places = places_of(asked.regions, asked.ignore, asked.mask)?;
    form.will_learn(&references, &places)?;
    places.check()?;
    check_resolution(asked.resolution)?;
    let call = PutLine {
        model: asked.model,
        reference: asked.reference,
        views: asked.views,
        references,
        places,
        resolution: asked.resolution,
        statements: asked.statements,
        promise: asked.promise,
        defect_rate: asked.defect_rate,
        split: asked.split,
        audit: asked.audit,
        retention_days: asked.retention_days,
        store: asked.store,
        options: form.options,
    };
    let (line, is_new) = calls::put_line(&state, &name, call, &who).await?;
    answer_size::reserve(&state, size_of(&line.definition) + REPORT)?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(describe(&state, &line).await?)))
}

/// Deletes a line. What it decided, and what people said about it, stays.
#[utoipa::path(
    delete,
    path = "/v1/lines/{line}",
    operation_id = "delete_line",
    tag = "lines",
    params(("line" = String, Path, description = "Name of the line")),
    responses((status = 200, description = "The line was deleted", body = DeletedLine), LookupErrors, RoleErrors, StoreErrors)
)]
pub async fn delete(
    State(state): State<Arc<AppState>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Json<DeletedLine>, ApiError> {
    state.lines.delete(&name, &who(&request)).await?;
    state.metrics.lines.forget(&name);
    Ok(Json(DeletedLine {
        object: "line",
        name,
        deleted: true,
    }))
}
