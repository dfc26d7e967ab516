//! `/v1/admin/deliveries`: how it goes with the sinks of what lines decide, and messages that were given up.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error_responses::{AdminErrors, StoreErrors};
use super::limit::limit;
use crate::api::answer_size::{self, OBJECT, of_text};
use crate::api::json_answer::Json;
use crate::api::{ApiError, AppState};
use crate::deliveries::{Backlog, DeadLetter, LastError, Outbox, Sink};
use crate::error_code::Code;
use crate::lines::LineError;
use crate::quoted::quoted;
use crate::reviews::ReviewError;

/// Messages of a page, at most.
const MOST: usize = 200;

/// Messages of a page unless more or fewer are asked for.
const USUAL: usize = 50;

/// All sinks.
#[derive(Debug, Serialize, ToSchema)]
pub struct SinkList {
    object: &'static str,
    data: Vec<SinkObject>,
}

/// A sink, and how it goes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sink)]
pub struct SinkObject {
    sink: String,
    /// `webhook`, `mqtt` or `folder`.
    kind: &'static str,
    /// Messages that wait.
    pending: i64,
    /// Since when the first of them waits, in milliseconds since 1970.
    #[schema(required)]
    oldest: Option<i64>,
    /// Messages that were given up.
    dead: i64,
    /// Whether the receiver answered the last attempt of this server; null before the first one.
    #[schema(required)]
    connected: Option<bool>,
    /// Whether this server delivers: of those that share a database, one does.
    delivers: bool,
    #[schema(required, inline)]
    last_error: Option<LastErrorObject>,
}

/// The last attempt that failed.
#[derive(Debug, Serialize, ToSchema)]
pub struct LastErrorObject {
    /// Milliseconds since 1970.
    at: i64,
    /// Why.
    reason: String,
}

impl From<LastError> for LastErrorObject {
    fn from(error: LastError) -> Self {
        Self {
            at: error.at,
            reason: error.reason,
        }
    }
}

/// Lists the sinks, with what waits for each of them.
#[utoipa::path(
    get,
    path = "/v1/admin/deliveries",
    operation_id = "list_deliveries",
    tag = "admin",
    responses((status = 200, description = "The sinks", body = SinkList), AdminErrors, StoreErrors)
)]
pub async fn list(State(state): State<Arc<AppState>>) -> Result<Json<SinkList>, ApiError> {
    let mut data = Vec::new();
    for sink in state.couriers.sinks() {
        let backlog = match outbox(&state) {
            Some(outbox) => outbox.backlog(sink.name()).await.map_err(of_store)?,
            None => Backlog::default(),
        };
        let now = sink.status.now();
        data.push(SinkObject {
            sink: sink.name().to_owned(),
            kind: sink.kind(),
            pending: backlog.pending,
            oldest: backlog.oldest,
            dead: backlog.dead,
            connected: now.connected,
            delivers: now.delivers,
            last_error: now.last_error.map(LastErrorObject::from),
        });
    }
    answer_size::reserve(&state, data.len() * 4 * OBJECT)?;
    let object = "list";
    Ok(Json(SinkList { object, data }))
}

/// Which messages are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeadQuery {
    /// Only those after this one: `next` of the page before.
    after: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
}

/// A page of messages that were given up.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadList {
    object: &'static str,
    data: Vec<DeadObject>,
    /// What to give as `after` for the next page; null on the last one.
    #[schema(required)]
    next: Option<String>,
}

/// A message that was given up.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub struct DeadObject {
    id: String,
    line: String,
    /// `inspection`, `verdict`, `verdict_undone` or `drift`.
    event: String,
    /// Id of the inspection that it tells of.
    inspection: String,
    /// Since when it waited, in milliseconds since 1970.
    queued: i64,
    /// When it was given up, in milliseconds since 1970.
    dead: i64,
    /// How many times the receiver has refused it.
    refusals: i64,
    /// Why it was given up.
    error: String,
}

impl From<DeadLetter> for DeadObject {
    fn from(letter: DeadLetter) -> Self {
        Self {
            id: letter.id,
            line: letter.line,
            event: letter.event,
            inspection: letter.inspection,
            queued: letter.queued,
            dead: letter.dead,
            refusals: letter.refusals,
            error: letter.error,
        }
    }
}

/// Lists messages of a sink that were given up.
#[utoipa::path(
    get,
    path = "/v1/admin/deliveries/{sink}/dead",
    operation_id = "list_dead_letters",
    tag = "admin",
    params(("sink" = String, Path, description = "Name of the sink"), DeadQuery),
    responses((status = 200, description = "A page of messages", body = DeadList), AdminErrors, StoreErrors)
)]
pub async fn dead(
    State(state): State<Arc<AppState>>,
    Path(name): Path<String>,
    query: Result<Query<DeadQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<DeadList>, ApiError> {
    let Query(query) =
        query.map_err(|error| ApiError::new(Code::InvalidQuery, error.body_text()))?;
    let limit = limit(query.limit, (USUAL, MOST), Code::InvalidQuery)?;
    let after = query.after.unwrap_or_default();
    if after.contains('\0') {
        // PostgreSQL has no text with a zero.
        return Err(ApiError::new(Code::InvalidQuery, "after is an id").at("after"));
    }
    let sink = sink(&state, &name)?;
    let (data, next) = match outbox(&state) {
        Some(outbox) => {
            let page = outbox.dead(sink.name(), &after, limit).await;
            let page = page.map_err(of_store)?;
            (page.data, page.next)
        }
        None => (Vec::new(), None),
    };
    let bytes = data.iter().map(|one| 2 * OBJECT + of_text(one.error.len()));
    answer_size::reserve(&state, bytes.sum())?;
    Ok(Json(DeadList {
        object: "list",
        data: data.into_iter().map(DeadObject::from).collect(),
        next,
    }))
}

/// The result of putting messages back.
#[derive(Debug, Serialize, ToSchema)]
pub struct PutBack {
    sink: String,
    /// Number of messages that wait again.
    retried: u64,
}

/// Puts all messages of a sink back that were given up: they are delivered as if they were new, each line's in the order of
/// their ids.
#[utoipa::path(
    post,
    path = "/v1/admin/deliveries/{sink}/retry",
    operation_id = "retry_dead_letters",
    tag = "admin",
    params(("sink" = String, Path, description = "Name of the sink")),
    responses((status = 200, description = "The messages wait again", body = PutBack), AdminErrors, StoreErrors)
)]
pub async fn retry(
    State(state): State<Arc<AppState>>,
    Path(name): Path<String>,
) -> Result<Json<PutBack>, ApiError> {
    let sink = sink(&state, &name)?;
    let retried = match outbox(&state) {
        Some(outbox) => outbox.put_back(sink.name()).await.map_err(of_store)?,
        None => 0,
    };
    tracing::info!(sink = name, messages = retried, "messages are put back");
    Ok(Json(PutBack {
        sink: name,
        retried,
    }))
}

fn sink<'a>(state: &'a AppState, name: &str) -> Result<&'a Arc<Sink>, ApiError> {
    let unknown = || {
        let message = format!(
            "no sink {}; GET /v1/admin/deliveries lists them",
            quoted(name)
        );
        ApiError::new(Code::SinkNotFound, message)
    };
    state.couriers.sink(name).ok_or_else(unknown)
}

/// None without a store: then there is nothing to deliver.
fn outbox(state: &AppState) -> Option<&Outbox> {
    Some(state.lines.reviews()?.outbox())
}

fn of_store(error: sqlx::Error) -> ApiError {
    LineError::from(ReviewError::from(error)).into()
}
