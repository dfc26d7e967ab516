//! `/v1/lines/{line}/reviews`: what a reviewer's page looks at next.

use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::queue::InspectionListed;
use super::reviewed::listed_for_review;
use super::who;
use crate::api::contract::ErrorBody;
use crate::api::json_answer::Json;
use crate::api::rest::error_responses::{LookupErrors, RoleErrors, StoreErrors};
use crate::api::rest::json_body;
use crate::api::rest::limit::limit;
use crate::api::{ApiError, AppState};
use crate::error_code::Code;
use crate::lines::LineError;
use crate::reviews::{Claim, LEASE};

/// Inspections that a session holds, at most.
const MOST: usize = 20;

/// Those that it holds unless more or fewer are asked for: one that is shown, and three that are fetched ahead.
const USUAL: usize = 4;

/// Longest name of a session, in bytes.
const LONGEST: usize = 64;

/// Longest name of a lot and longest id, in bytes.
const LONGEST_NAME: usize = 200;

/// Probability with which a planted item comes with an inspection, as long as there is one that the reviewer has not seen.
const PLANTED: f64 = 0.05;

/// What a page asks for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewsRequest {
    /// A random word for each page. An inspection is claimed by one session at a time.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")]
    session: String,
    /// Inspections that the session holds afterwards, at most.
    #[serde(default, deserialize_with = "json_body::whole_number")]
    #[schema(value_type = Option<u8>, minimum = 1, maximum = 20, default = 4)]
    limit: Option<usize>,
    /// Only what a keyed hash chose for a person, or only what the line was unsure about.
    audit: Option<bool>,
    /// Only parts of this lot.
    #[schema(max_length = 200)]
    lot: Option<String>,
    /// Id of an inspection whose verdict was undone: it comes first.
    #[schema(max_length = 200)]
    again: Option<String>,
}

/// An inspection that a session holds.
#[derive(Serialize, ToSchema)]
pub struct ReviewItem {
    #[schema(inline)]
    #[serde(flatten)]
    inspection: InspectionListed,
    /// Whether the line's model and the one that decides beside it have decided differently. Such inspections come first.
    disputed: bool,
}

/// What a session holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReviewList {
    object: &'static str,
    /// The inspections, in the order in which the session got them.
    #[schema(value_type = Vec<ReviewItem>)]
    data: Vec<Box<RawValue>>,
    /// Number of inspections without a verdict that the line was unsure about; 1000 stands for more.
    waiting: i64,
    /// Seconds until other sessions may claim these inspections. Each call of the session renews its claims.
    lease_seconds: i64,
}

/// Gives a reviewer's page its next inspections, the oldest first, which no other session gets meanwhile. Asked again, it
/// renews what the session holds and adds what is missing. A verdict ends the claim on an inspection. Some items may be
/// planted: copies of inspections whose answer is known.
#[utoipa::path(
    post,
    path = "/v1/lines/{line}/reviews",
    operation_id = "claim_reviews",
    tag = "lines",
    params(("line" = String, Path, description = "Name of the line")),
    request_body = ReviewsRequest,
    responses(
        (status = 200, description = "What the session holds", body = ReviewList),
        (status = 413, description = "The body is too large", body = ErrorBody),
        LookupErrors,
        RoleErrors,
        StoreErrors
    )
)]
pub async fn claim(
    State(state): State<Arc<AppState>>,
    Path(line): Path<String>,
    request: Request,
) -> Result<Json<ReviewList>, ApiError> {
    let who = who(&request);
    let (asked, _body): (ReviewsRequest, _) = json_body::read(&state, request).await?;
    check_session(&asked.session)
        .map_err(|message| ApiError::new(Code::InvalidRequest, message).at("session"))?;
    let limit = limit(asked.limit, (USUAL, MOST), Code::InvalidRequest)?;
    for (field, text) in [("lot", &asked.lot), ("again", &asked.again)] {
        let fits = |text: &String| text.len() <= LONGEST_NAME && !text.contains('\0');
        if !text.as_ref().is_none_or(fits) {
            let message = format!("at most {LONGEST_NAME} bytes are allowed, none of them zero");
            return Err(ApiError::new(Code::InvalidRequest, message).at(field));
        }
    }
    let line = state.lines.get(&line).await?;
    let claim = Claim {
        line: &line.name,
        session: &asked.session,
        who: &who,
        limit,
        audit: asked.audit,
        lot: asked.lot.as_deref(),
        again: asked.again.as_deref(),
        planted: PLANTED,
    };
    let held = state.lines.store().await?.claim(&claim).await;
    let held = held.map_err(LineError::from)?;
    Ok(Json(ReviewList {
        object: "list",
        data: listed_for_review(&state, held.data, &held.disputed)?,
        waiting: held.waiting,
        lease_seconds: LEASE / 1000,
    }))
}

/// Whose inspections are given back.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReleaseQuery {
    /// The session.
    #[param(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")]
    session: String,
}

/// The result of giving inspections back.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReleasedReviews {
    line: String,
    /// Number of inspections that the session held.
    released: u64,
}

/// Gives back what a session holds, so that others get it at once.
#[utoipa::path(
    delete,
    path = "/v1/lines/{line}/reviews",
    operation_id = "release_reviews",
    tag = "lines",
    params(("line" = String, Path, description = "Name of the line"), ReleaseQuery),
    responses((status = 200, description = "The session holds nothing now", body = ReleasedReviews), LookupErrors, RoleErrors, StoreErrors)
)]
pub async fn release(
    State(state): State<Arc<AppState>>,
    Path(line): Path<String>,
    query: Result<Query<ReleaseQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<ReleasedReviews>, ApiError> {
    let Query(query) =
        query.map_err(|error| ApiError::new(Code::InvalidQuery, error.body_text()))?;
    check_session(&query.session)
        .map_err(|message| ApiError::new(Code::InvalidQuery, message).at("session"))?;
    let line = state.lines.get(&line).await?;
    let reviews = state.lines.store().await?;
    let released = reviews.release(&line.name, &query.session).await;
    Ok(Json(ReleasedReviews {
        line: line.name.clone(),
        released: released.map_err(LineError::from)?,
    }))
}

fn check_session(session: &str) -> Result<(), String> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if (1..=LONGEST).contains(&session.len()) && session.bytes().all(is_word) {
        return Ok(());
    }
    Err(format!(
        "a session is a random word of 1 to {LONGEST} letters, digits, _ and -"
    ))
}
