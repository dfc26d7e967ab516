//! `/v1/lines/{line}/planted`: copies of inspections whose answer is known, which measure reviewers.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::who;
use crate::api::answer_size::{self, OBJECT};
use crate::api::contract::ErrorBody;
use crate::api::json_answer::Json;
use crate::api::rest::error_responses::{LookupErrors, RoleErrors, StoreErrors};
use crate::api::rest::json_body;
use crate::api::{ApiError, AppState};
use crate::calls::InspectionAnswer;
use crate::error_code::Code;
use crate::lines::{Decided, LineError, Reason};
use crate::reviews::{Planted, ReviewError, now};

/// Which inspection is copied.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlantedRequest {
    /// Id of an inspection whose verdict is OK or NG: the answer that reviewers should give.
    #[schema(max_length = 200)]
    inspection: String,
}

/// A planted item.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Planted)]
pub struct PlantedObject {
    /// Its id, which looks like that of an inspection.
    id: String,
    /// Milliseconds since 1970.
    created: i64,
    /// The inspection that it is a copy of.
    inspection: String,
    /// What reviewers should say: `ok` or `ng`.
    verdict: String,
    /// The name of the API key that planted it; "" without keys.
    who: String,
    /// Whether it is still given to reviewers.
    in_queue: bool,
    /// Number of reviewers who have answered.
    answers: i64,
    /// Number of those who were right.
    right: i64,
}

impl From<Planted> for PlantedObject {
    fn from(planted: Planted) -> Self {
        Self {
            id: planted.id,
            created: planted.created,
            inspection: planted.inspection,
            verdict: planted.verdict,
            who: planted.who,
            in_queue: planted.in_queue,
            answers: planted.answers,
            right: planted.right,
        }
    }
}

/// Planted items, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlantedList {
    object: &'static str,
    data: Vec<PlantedObject>,
}

/// The result of taking an item out of the queue.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlantedDeleted {
    id: String,
    deleted: bool,
}

/// Puts a copy of an inspection among what reviewers look at, each of them once. Its verdict is the answer that they should
/// give. The copy has a part name with other digits, and counts nowhere else.
#[utoipa::path(
    post,
    path = "/v1/lines/{line}/planted",
    operation_id = "plant_review",
    tag = "lines",
    params(("line" = String, Path, description = "Name of the line")),
    request_body = PlantedRequest,
    responses(
        (status = 200, description = "The item is planted", body = PlantedObject),
        (status = 409, description = "The inspection has no verdict of OK or NG, or the line has enough planted items", body = ErrorBody),
        (status = 410, description = "The images of the inspection were deleted", body = ErrorBody),
        (status = 413, description = "The body is too large", body = ErrorBody),
        LookupErrors,
        RoleErrors,
        StoreErrors
    )
)]
pub async fn create(
    State(state): State<Arc<AppState>>,
    Path(line): Path<String>,
    request: Request,
) -> Result<Json<PlantedObject>, ApiError> {
    let who = who(&request);
    let (asked, _body): (PlantedRequest, _) = json_body::read(&state, request).await?;
    if asked.inspection.contains('\0') {
        let error = LineError::from(ReviewError::NoInspection);
        return Err(ApiError::from(error).at("inspection"));
    }
    let line = state.lines.get(&line).await?;
    answer_size::reserve(&state, 2 * OBJECT)?;
    let reviews = state.lines.store().await?;
    let planted = reviews
        .plant(&line.name, &asked.inspection, &who, copied)
        .await;
    let planted = planted.map_err(|error| match error {
        ReviewError::NoInspection => ApiError::from(LineError::from(error)).at("inspection"),
        ReviewError::NoVerdict => {
            let message = "the inspection has no verdict of OK or NG, which is the answer that reviewers should give";
            ApiError::new(Code::NoVerdict, message).at("inspection")
        }
        error => LineError::from(error).into(),
    })?;
    Ok(Json(planted.into()))
}

/// The answer of a copy: as the line gives it about a part that it is unsure about.
fn copied(id: &str, answer: &str) -> Result<String, ReviewError> {
    let mut answer: InspectionAnswer = serde_json::from_str(answer)?;
    answer.map_url = answer.map_url.map(|_| format!("/v1/inspections/{id}/map"));
    id.clone_into(&mut answer.id);
    answer.created = now();
    answer.part = answer.part.map(|part| other_number(&part));
    answer.trigger = None;
    answer.missed_triggers = 0;
    answer.audit = false;
    if answer.decision != Decided::Review {
        answer.decision = Decided::Review;
        answer.reasons = vec![Reason::Ambiguous];
    }
    Ok(serde_json::to_string(&answer)?)
}

/// A name like those of other parts: without one, or with that of the original, a copy would be recognised.
fn other_number(part: &str) -> String {
    let digit = |letter: char| {
        if letter.is_ascii_digit() {
            fastrand::digit(10)
        } else {
            letter
        }
    };
    part.chars().map(digit).collect()
}

/// Lists the planted items of a line, with how reviewers answered.
#[utoipa::path(
    get,
    path = "/v1/lines/{line}/planted",
    operation_id = "list_planted_reviews",
    tag = "lines",
    params(("line" = String, Path, description = "Name of the line")),
    responses((status = 200, description = "All planted items", body = PlantedList), LookupErrors, RoleErrors, StoreErrors)
)]
pub async fn list(
    State(state): State<Arc<AppState>>,
    Path(line): Path<String>,
) -> Result<Json<PlantedList>, ApiError> {
    let line = state.lines.get(&line).await?;
    let all = state.lines.store().await?.planted(&line.name).await;
    let all = all.map_err(LineError::from)?;
    answer_size::reserve(&state, (1 + all.len()) * 2 * OBJECT)?;
    Ok(Json(PlantedList {
        object: "list",
        data: all.into_iter().map(PlantedObject::from).collect(),
    }))
}

/// Takes a planted item out of the queue and deletes its images, which retention leaves alone. What reviewers said of it stays.
#[utoipa::path(
    delete,
    path = "/v1/lines/{line}/planted/{id}",
    operation_id = "delete_planted_review",
    tag = "lines",
    params(
        ("line" = String, Path, description = "Name of the line"),
        ("id" = String, Path, description = "Id of the planted item")
    ),
    responses((status = 200, description = "Nobody gets it any more", body = PlantedDeleted), LookupErrors, RoleErrors, StoreErrors)
)]
pub async fn delete(
    State(state): State<Arc<AppState>>,
    Path((line, id)): Path<(String, String)>,
    request: Request,
) -> Result<Json<PlantedDeleted>, ApiError> {
    let who = who(&request);
    let line = state.lines.get(&line).await?;
    let reviews = state.lines.store().await?;
    let known = !id.contains('\0')
        && reviews
            .unplant(&line.name, &id, &who)
            .await
            .map_err(LineError::from)?;
    if !known {
        return Err(LineError::from(ReviewError::NoInspection).into());
    }
    // Retention does not delete the images of planted items: they go with them.
    let deleted = reviews.delete_images_of(&id, &who).await;
    deleted.map_err(LineError::from)?;
    Ok(Json(PlantedDeleted { id, deleted: true }))
}
