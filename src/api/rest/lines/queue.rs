//! Pages of a line's inspections.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::reviewed::listed;
use crate::api::json_answer::Json;
use crate::api::rest::error_responses::{LookupErrors, RoleErrors, StoreErrors};
use crate::api::rest::limit::limit;
use crate::api::{ApiError, AppState};
use crate::calls::InspectionAnswer;
use crate::error_code::Code;
use crate::lines::LineError;
use crate::reviews::Filter;

/// Inspections of a page, at most.
const MOST: usize = 200;

/// Inspections of a page unless more or fewer are asked for.
const USUAL: usize = 50;

/// Which inspections are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct QueueQuery {
    /// Only those that were decided so.
    #[param(inline)]
    decision: Option<DecisionName>,
    /// Only those with this verdict; `none`: without one.
    #[param(inline)]
    verdict: Option<VerdictName>,
    /// Only those that a keyed hash chose for a person, or only the others.
    audit: Option<bool>,
    /// Only those of this part, as the client calls it.
    #[param(max_length = 200)]
    part: Option<String>,
    /// Only those of this lot.
    #[param(max_length = 200)]
    lot: Option<String>,
    /// The newest first, and not the oldest.
    #[serde(default)]
    #[param(default = false, required = false)]
    newest: bool,
    /// Only those after this one: `next` of the page before.
    after: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
}

/// What a line decides.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DecisionName {
    /// Good.
    Ok,
    /// Not good.
    Ng,
    /// A person decides.
    Review,
}

/// What a person said, or `none`.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum VerdictName {
    /// Good.
    Ok,
    /// Not good.
    Ng,
    /// The person could not say.
    Unsure,
    /// There is no verdict, or it was undone.
    None,
}

/// A page of inspections, the oldest first unless the newest are asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct InspectionList {
    object: &'static str,
    #[schema(value_type = Vec<InspectionListed>)]
    data: Vec<Box<RawValue>>,
    /// What to give as `after` for the next page; null on the last one.
    #[schema(required)]
    next: Option<String>,
}

/// An inspection in a list.
#[derive(Serialize, ToSchema)]
pub struct InspectionListed {
    #[schema(inline)]
    #[serde(flatten)]
    inspection: InspectionAnswer,
    /// The last verdict that was not undone, or null.
    #[schema(required)]
    verdict: Option<String>,
}

/// Lists inspections of a line: with `decision=review&verdict=none`, what waits for a person.
#[utoipa::path(
    get,
    path = "/v1/lines/{line}/inspections",
    operation_id = "list_inspections",
    tag = "lines",
    params(("line" = String, Path, description = "Name of the line"), QueueQuery),
    responses((status = 200, description = "A page of inspections", body = InspectionList), LookupErrors, RoleErrors, StoreErrors)
)]
pub async fn page(
    State(state): State<Arc<AppState>>,
    Path(line): Path<String>,
    query: Result<Query<QueueQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<InspectionList>, ApiError> {
    let Query(query) =
        query.map_err(|error| ApiError::new(Code::InvalidQuery, error.body_text()))?;
    let limit = limit(query.limit, (USUAL, MOST), Code::InvalidQuery)?;
    let texts = [
        ("part", &query.part),
        ("lot", &query.lot),
        ("after", &query.after),
    ];
    for (name, text) in texts {
        if text.as_ref().is_some_and(|text| text.contains('\0')) {
            let message = format!("{name} has a zero byte, which no stored text has");
            return Err(ApiError::new(Code::InvalidQuery, message).at(name));
        }
    }
    let line = state.lines.get(&line).await?;
    let filter = Filter {
        decision: query.decision.map(|decision| match decision {
            DecisionName::Ok => "ok",
            DecisionName::Ng => "ng",
            DecisionName::Review => "review",
        }),
        verdict: query.verdict.map(|verdict| match verdict {
            VerdictName::Ok => "ok",
            VerdictName::Ng => "ng",
            VerdictName::Unsure => "unsure",
            VerdictName::None => "none",
        }),
        audit: query.audit,
        part: query.part,
        lot: query.lot,
        newest: query.newest,
        after: query.after,
        limit,
    };
    let reviews = state.lines.store().await?;
    let page = reviews
        .page(&line.name, &filter)
        .await
        .map_err(LineError::from)?;
    Ok(Json(InspectionList {
        object: "list",
        data: listed(&state, page.data)?,
        next: page.next,
    }))
}
