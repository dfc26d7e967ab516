//! `/v1/lines/{line}/corrections`: what people said about inspected parts, to train a model with.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::verdicts::VerdictObject;
use crate::api::answer_size::{self, OBJECT, of_text};
use crate::api::json_answer::Json;
use crate::api::rest::error_responses::{LookupErrors, RoleErrors, StoreErrors};
use crate::api::rest::limit::limit;
use crate::api::{ApiError, AppState};
use crate::calls::InspectionAnswer;
use crate::error_code::Code;
use crate::lines::LineError;
use crate::reviews::{Correction, LeftOut, ReviewError};

/// Corrections of a page, at most.
const MOST: usize = 200;

/// Which corrections are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CorrectionQuery {
    /// Only those after this one: `next` of the page before.
    after: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 200, default = 200)]
    limit: Option<usize>,
}

/// A page of corrections, the oldest inspection first.
#[derive(Debug, Serialize, ToSchema)]
pub struct CorrectionList {
    object: &'static str,
    data: Vec<CorrectionObject>,
    /// What to give as `after` for the next page; null on the last one.
    #[schema(required)]
    next: Option<String>,
}

/// What a person said about an inspected part.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Correction)]
pub struct CorrectionObject {
    /// Id of the inspection.
    inspection: String,
    /// Time of the inspection, in milliseconds since 1970.
    created: i64,
    /// What the line decided: `ok`, `ng` or `review`.
    decision: String,
    /// The verdict, OK or NG.
    verdict: VerdictObject,
    /// The part, as the client calls it.
    #[schema(required)]
    part: Option<String>,
    /// Its lot.
    #[schema(required)]
    lot: Option<String>,
    /// The line's version.
    version: i64,
    /// The model.
    model: String,
    /// SHA-256 of the hashes of its images: the same images have the same content.
    content: String,
    /// Number of images.
    images: usize,
    /// The image with the strongest change, counted from 0.
    view: usize,
    /// Null if it may train a model. `audit`: the random audit chose it; `calibration`: its images calibrate the line;
    /// `images deleted`: there is nothing to train with.
    #[schema(required, value_type = Option<String>)]
    left_out: Option<&'static str>,
}

impl CorrectionObject {
    fn of(correction: Correction) -> Result<Self, ReviewError> {
        let answer: InspectionAnswer = serde_json::from_str(&correction.answer)?;
        let strongest = answer
            .regions
            .iter()
            .max_by(|a, b| a.place.strength.total_cmp(&b.place.strength));
        Ok(Self {
            inspection: correction.id,
            created: answer.created,
            decision: correction.decision,
            verdict: correction.verdict.into(),
            view: strongest.map_or(0, |region| region.image),
            part: answer.part,
            lot: answer.lot,
            version: answer.version,
            model: answer.model,
            content: correction.content,
            images: answer.images,
            left_out: correction.left_out.map(LeftOut::name),
        })
    }

    /// Bytes in an answer.
    fn bytes(&self) -> usize {
        let texts = [&self.part, &self.lot];
        let texts = texts.into_iter().flatten().map(String::len).sum::<usize>();
        OBJECT + of_text(texts + self.model.len()) + self.verdict.bytes()
    }
}

/// Lists the parts of a line that people found OK or NG, and says which of them may train a model: none that the random
/// audit chose, and none that calibrates the line.
#[utoipa::path(
    get,
    path = "/v1/lines/{line}/corrections",
    operation_id = "list_corrections",
    tag = "lines",
    params(("line" = String, Path, description = "Name of the line"), CorrectionQuery),
    responses((status = 200, description = "A page of corrections", body = CorrectionList), LookupErrors, RoleErrors, StoreErrors)
)]
pub async fn list(
    State(state): State<Arc<AppState>>,
    Path(line): Path<String>,
    query: Result<Query<CorrectionQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<CorrectionList>, ApiError> {
    let Query(query) =
        query.map_err(|error| ApiError::new(Code::InvalidQuery, error.body_text()))?;
    let limit = limit(query.limit, (MOST, MOST), Code::InvalidQuery)?;
    let after = query.after.unwrap_or_default();
    if after.contains('\0') {
        let message = "after has a zero byte, which no stored text has";
        return Err(ApiError::new(Code::InvalidQuery, message).at("after"));
    }
    let line = state.lines.get(&line).await?;
    let reviews = state.lines.store().await?;
    // One more than wanted says whether there is a next page.
    let found = reviews.corrections(&line.name, &after, limit + 1).await;
    let mut found = found.map_err(LineError::from)?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| last.id.clone());
    let data: Vec<_> = found
        .into_iter()
        .map(CorrectionObject::of)
        .collect::<Result<_, _>>()
        .map_err(LineError::from)?;
    let bytes = data.iter().map(CorrectionObject::bytes);
    answer_size::reserve(&state, bytes.sum())?;
    Ok(Json(CorrectionList {
        object: "list",
        data,
        next,
    }))
}
