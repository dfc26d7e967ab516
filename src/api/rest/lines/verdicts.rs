//! `/v1/inspections/{id}/verdict`: what a person says about a part.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::inspection_form::key_of;
use super::store::reviews;
use super::who;
use crate::api::answer_size::{self, OBJECT, of_text};
use crate::api::contract::ErrorBody;
use crate::api::json_answer::Json;
use crate::api::rest::error_responses::{LookupErrors, RoleErrors, StoreErrors};
use crate::api::rest::json_body;
use crate::api::{ApiError, AppState};
use crate::error_code::Code;
use crate::lines::LineError;
use crate::reviews::{Said, Verdict};

/// Longest text of a verdict, in bytes.
const LONGEST: usize = 2000;

/// Longest idempotency key, in bytes.
const LONGEST_KEY: usize = 200;

/// What a person says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerdictRequest {
    #[schema(inline)]
    verdict: SaidName,
    /// The kind of defect.
    #[schema(max_length = 2000)]
    kind: Option<String>,
    /// A sentence about the difference from a good part.
    #[schema(max_length = 2000)]
    caption: Option<String>,
    /// Why.
    #[schema(max_length = 2000)]
    reason: Option<String>,
}

/// Good, not good, or undecided.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SaidName {
    /// The part is good.
    Ok,
    /// It is not.
    Ng,
    /// The person cannot say.
    Unsure,
}

/// A verdict, or the undoing of one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Verdict)]
pub struct VerdictObject {
    id: String,
    /// Milliseconds since 1970.
    created: i64,
    /// `ok`, `ng`, `unsure`, or `undone`.
    verdict: String,
    #[schema(required)]
    kind: Option<String>,
    #[schema(required)]
    caption: Option<String>,
    #[schema(required)]
    reason: Option<String>,
    /// The name of the API key; "" without keys.
    who: String,
}

impl VerdictObject {
    /// Bytes in an answer.
    pub fn bytes(&self) -> usize {
        let texts = [&self.kind, &self.caption, &self.reason];
        let texts = texts.into_iter().flatten().map(String::len).sum::<usize>();
        OBJECT + of_text(texts + self.who.len())
    }
}

impl From<Verdict> for VerdictObject {
    fn from(verdict: Verdict) -> Self {
        Self {
            id: verdict.id,
            created: verdict.created,
            verdict: verdict.verdict,
            kind: verdict.kind,
            caption: verdict.caption,
            reason: verdict.reason,
            who: verdict.who,
        }
    }
}

/// The result of undoing a verdict.
#[derive(Debug, Serialize, ToSchema)]
pub struct UndoneVerdict {
    /// Id of the inspection.
    id: String,
    undone: bool,
}

/// The headers of a verdict, for `/openapi.json`.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header that is read")]
pub struct VerdictHeaders {
    /// The same key for the same inspection means the same verdict: it is stored once, and answered again.
    #[param(rename = "idempotency-key", min_length = 1, max_length = 200, value_type = String, required = false)]
    idempotency_key: Option<String>,
}

/// Says what an inspected part is. It is never overwritten: undo it first.
#[utoipa::path(
    post,
    path = "/v1/inspections/{id}/verdict",
    operation_id = "give_verdict",
    tag = "lines",
    params(("id" = String, Path, description = "Id of the inspection"), VerdictHeaders),
    request_body = VerdictRequest,
    responses(
        (status = 200, description = "The verdict is stored", body = VerdictObject),
        (status = 409, description = "The inspection has a verdict", body = ErrorBody),
        (status = 413, description = "The body is too large", body = ErrorBody),
        LookupErrors,
        RoleErrors,
        StoreErrors
    )
)]
pub async fn create(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<VerdictObject>, ApiError> {
    let who = who(&request);
    let (parts, body) = request.into_parts();
    let key = key_of(&parts.headers)?;
    let fits = |key: &String| (1..=LONGEST_KEY).contains(&key.len());
    if !key.as_ref().is_none_or(fits) {
        let message = format!("1 to {LONGEST_KEY} bytes are allowed");
        return Err(ApiError::new(Code::InvalidRequest, message).at("idempotency-key"));
    }
    let mut body = state.admission.read_unpacked(&parts.headers, body).await?;
    let asked: VerdictRequest = json_body::parse(&body.bytes)?;
    body.was_parsed();
    let texts = [
        ("kind", &asked.kind),
        ("caption", &asked.caption),
        ("reason", &asked.reason),
    ];
    for (field, text) in texts {
        let fits = |text: &String| text.len() <= LONGEST && !text.contains('\0');
        if !text.as_ref().is_none_or(fits) {
            let message = format!("a text has at most {LONGEST} bytes, none of them zero");
            return Err(ApiError::new(Code::InvalidRequest, message).at(field));
        }
    }
    answer_size::reserve(&state, OBJECT + of_text(3 * LONGEST))?;
    let said = match asked.verdict {
        SaidName::Ok => Said::Ok,
        SaidName::Ng => Said::Ng,
        SaidName::Unsure => Said::Unsure,
    };
    let texts = [asked.kind, asked.caption, asked.reason];
    let stored = reviews(&state)?.judge(&id, said, texts, (&who, key.as_deref()));
    let stored = stored.await;
    Ok(Json(stored.map_err(LineError::from)?.into()))
}

/// Undoes the verdict. Both stay in the history.
#[utoipa::path(
    delete,
    path = "/v1/inspections/{id}/verdict",
    operation_id = "undo_verdict",
    tag = "lines",
    params(("id" = String, Path, description = "Id of the inspection")),
    responses(
        (status = 200, description = "The inspection has no verdict now", body = UndoneVerdict),
        (status = 409, description = "The inspection has no verdict", body = ErrorBody),
        LookupErrors,
        RoleErrors,
        StoreErrors
    )
)]
pub async fn undo(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<UndoneVerdict>, ApiError> {
    let undone = reviews(&state)?.undo(&id, &who(&request)).await;
    undone.map_err(LineError::from)?;
    Ok(Json(UndoneVerdict { id, undone: true }))
}
