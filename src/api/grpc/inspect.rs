//! `Inspect` and `InspectStream`: parts in, decisions out.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use tonic::{Request, Status, Streaming};

use super::message_share::SharedBytes;
use super::patience::{Activity, while_heard};
use super::proto::inspect_stream_response::Result as Outcome;
use super::stream::is_the_item_s;
use super::{convert, options, proto};
use crate::api::{ApiError, AppState};
use crate::calls::{self, InspectCall, Inspected, InspectionAnswer};
use crate::engine::{EmbedOptions, Lane};
use crate::error_code::Code;
use crate::lines::{Decided, LineError};
use crate::reviews::ReviewError;

type Answers = Pin<Box<dyn Stream<Item = Result<proto::InspectStreamResponse, Status>> + Send>>;

/// Inspects one part.
///
/// # Errors
/// [`ApiError`]; nothing is stored then.
pub async fn one(
    state: &AppState,
    part: proto::InspectRequest,
    options: EmbedOptions,
) -> Result<proto::Inspection, ApiError> {
    let trigger = part.trigger.map(i64::try_from).transpose().map_err(|_| {
        let message = "trigger is at most 9223372036854775807";
        ApiError::new(Code::InvalidRequest, message).at("trigger")
    })?;
    let call = InspectCall {
        images: part.images,
        part: part.part,
        lot: part.lot,
        station: part.station,
        trigger,
        idempotency_key: part.idempotency_key,
        options: EmbedOptions {
            images: convert::image_options(part.image_options)?,
            ..options
        },
    };
    inspection(&calls::inspect(state, &part.line, call).await?)
}

/// Answers a camera's stream, one part after another: in the order of its triggers, so that none seems to be missing.
///
/// # Errors
/// `INVALID_ARGUMENT` for invalid metadata.
pub fn each(
    state: Arc<AppState>,
    request: Request<Streaming<proto::InspectRequest>>,
) -> Result<Answers, Status> {
    let options = options::read(
        request.metadata(),
        request.extensions(),
        Lane::Interactive,
        false,
        None,
    )?;
    let share = request.extensions().get::<SharedBytes>().cloned();
    let activity = Activity::begin();
    let messages = while_heard(request.into_inner(), activity.clone(), state.request_time);
    let answers = messages.enumerate().then(move |(index, message)| {
        let (state, activity) = (state.clone(), activity.clone());
        let cost = share.as_ref().map(SharedBytes::next_message);
        async move {
            let answer = one(&state, message?, options).await;
            activity.answered();
            drop(cost);
            let result = match answer {
                Ok(inspection) => Outcome::Inspection(inspection),
                Err(error) if is_the_item_s(&error) => {
                    let (code, message) = (error.code.name().to_owned(), error.message);
                    Outcome::Error(proto::Error { code, message })
                }
                Err(error) => return Err(error.into()),
            };
            Ok(proto::InspectStreamResponse {
                index: index as u64,
                result: Some(result),
            })
        }
    });
    Ok(Box::pin(answers))
}

/// The stored answer as a message.
fn inspection(found: &Inspected) -> Result<proto::Inspection, ApiError> {
    let answer: InspectionAnswer = serde_json::from_str(&found.answer)
        .map_err(|error| LineError::from(ReviewError::from(error)))?;
    let decision = match answer.decision {
        Decided::Ok => proto::LineDecision::Ok,
        Decided::Ng => proto::LineDecision::Ng,
        Decided::Review => proto::LineDecision::Review,
    };
    let statement = |found: calls::FoundStatement| proto::InspectedStatement {
        text: found.text,
        kind: found.kind.unwrap_or_default(),
        score: found.score,
    };
    let region = |found: calls::FoundRegion| proto::InspectedRegion {
        image: convert::count(found.image),
        region: Some(convert::region(found.place)),
    };
    let reasons = answer.reasons.iter().map(|reason| reason.name().to_owned());
    Ok(proto::Inspection {
        id: answer.id,
        line: answer.line,
        version: answer.version.unsigned_abs(),
        created: answer.created,
        model: answer.model,
        decision: decision.into(),
        reasons: reasons.collect(),
        score: answer.score,
        p_ok: answer.p_ok,
        p_ng: answer.p_ng,
        calibration: answer.calibration,
        statements: answer.statements.into_iter().map(statement).collect(),
        regions: answer.regions.into_iter().map(region).collect(),
        missed_triggers: answer.missed_triggers.unsigned_abs(),
        audit: answer.audit,
        duplicate: found.duplicate,
    })
}
