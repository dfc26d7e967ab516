//! `Inspect` and `InspectStream`: parts in, decisions out.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, TryStreamExt};
use tonic::{Request, Status, Streaming};

use super::proto::inspect_stream_response::Result as Outcome;
use super::streamed::{Answered, answered, when_there_is_room};
use super::{convert, proto};
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

/// Answers a camera's stream, one part after another: in the order of its triggers, so that none seems to be missing. The
/// default lane is interactive.
///
/// # Errors
/// `INVALID_ARGUMENT` for invalid metadata.
pub fn each(
    state: Arc<AppState>,
    request: Request<Streaming<proto::InspectRequest>>,
) -> Result<Answers, Status> {
    let answers = answered(
        state,
        request,
        Lane::Interactive,
        1,
        |state, part, options| async move {
            when_there_is_room(options.deadline, || one(&state, part.clone(), options)).await
        },
    )?;
    Ok(Box::pin(answers.map_ok(message)))
}

fn message(answered: Answered<proto::Inspection>) -> proto::InspectStreamResponse {
    let result = match answered.result {
        Ok(inspection) => Outcome::Inspection(inspection),
        Err(error) => Outcome::Error(error),
    };
    proto::InspectStreamResponse {
        index: answered.index,
        result: Some(result),
    }
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
        queued: found.queued,
    })
}
