//! Inspects a part: compares, judges, stores, and only then answers.

use bytes::Bytes;

use super::judged::{FoundRegion, FoundStatement, InspectionAnswer, ScoreParts};
use super::measure::{Measured, measure};
use crate::api::{ApiError, AppState, answer_size};
use crate::engine::EmbedOptions;
use crate::error_code::Code;
use crate::lines::{Judgement, Line, LineError, Offered, Seen, Statement, Store, Trigger};
use crate::promise::Score;
use crate::reviews::{
    ImageHash, Inserted, Known, NewImage, NewInspection, ReviewError, new_id, now,
};

/// Images of a part, at most.
pub const MOST_VIEWS: usize = 16;

/// Longest name of a part, lot or station, and longest key, in bytes.
const LONGEST: usize = 200;

/// A part to inspect.
#[derive(Debug)]
pub struct InspectCall {
    /// One image or several views.
    pub images: Vec<Bytes>,
    /// What the client calls the part.
    pub part: Option<String>,
    /// Its lot.
    pub lot: Option<String>,
    /// Where it is inspected.
    pub station: Option<String>,
    /// The number of the camera's trigger.
    pub trigger: Option<i64>,
    /// The same key means the same part.
    pub idempotency_key: Option<String>,
    /// Lane, deadline, and how images are read.
    pub options: EmbedOptions,
}

/// The answer.
#[derive(Debug)]
pub struct Inspected {
    /// JSON of an [`InspectionAnswer`], as it is stored.
    pub answer: String,
    /// Whether it is that of an earlier request with the same key.
    pub duplicate: bool,
    /// Whether it waits in a file for the database.
    pub queued: bool,
}

/// Inspects a part. What is answered is stored.
///
/// # Errors
/// [`ApiError`] with the invalid item; nothing is stored then.
pub async fn inspect(
    state: &AppState,
    line: &str,
    call: InspectCall,
) -> Result<Inspected, ApiError> {
    check(&call)?;
    let line = state.lines.get(line).await?;
    let reviews = state.lines.store().await?;
    let names = [&call.part, &call.lot, &call.station];
    let texts: usize = names.into_iter().flatten().map(String::len).sum();
    let statements = &line.definition.statements;
    let bytes = InspectionAnswer::bytes(call.images.len(), statements, texts);
    answer_size::reserve(state, bytes)?;
    let hashes: Vec<_> = call
        .images
        .iter()
        .map(|image| ImageHash::of(image))
        .collect();
    let may_wait = line.definition.store == Store::Queued;
    if !may_wait {
        reviews.check_reachable().map_err(LineError::from)?;
    }
    if let Some(key) = &call.idempotency_key {
        let content = ImageHash::of_all(&hashes);
        let answered = reviews.answered(&line.name, key, &content, may_wait).await;
        if let Some(known) = answered.map_err(LineError::from)? {
            return Ok(known.into());
        }
    }
    let measured = measure(state, &line.definition, &call.images, call.options).await?;
    if call.trigger.is_some() {
        let station = call.station.as_deref().unwrap_or_default();
        if line.needs_trigger(station) {
            let last = reviews.last_trigger(&line.name, station);
            let last = if may_wait {
                reviews.unless_outage(last).await
            } else {
                last.await
            };
            if let Some(last) = last.map_err(LineError::from)? {
                line.last_trigger(station, last);
            }
        }
    }
    let id = new_id();
    let trigger = call.trigger.map(|number| Trigger {
        station: call.station.clone().unwrap_or_default(),
        number,
    });
    let seen = Seen {
        camera: measured.wrong_shape,
        pose: measured.pose,
        ..Seen::default()
    };
    let judged = line.judge(
        &id,
        (&measured.scored_by, measured.evidence),
        seen,
        &measured.cameras,
        trigger.as_ref(),
    );
    // Shared, not copied.
    let images = call.images.clone();
    let audit = state.lines.audit(&line.definition).await?.chooses(&id);
    let new = row(&line, call, hashes, measured, id, &judged, audit)?;
    let inserted = if may_wait {
        reviews.insert_or_wait(&new, &judged.events).await
    } else {
        reviews.insert(&new, &judged.events).await
    };
    if !matches!(inserted, Ok(Inserted::New | Inserted::Waits)) {
        line.not_stored();
    }
    if may_wait {
        state.metrics.lines.waiting(reviews.waiting());
    }
    Ok(match inserted.map_err(LineError::from)? {
        stored @ (Inserted::New | Inserted::Waits) => {
            let offered = state.shadows.offer(&line, &new.id, judged.decided, &images);
            if offered == Offered::Dropped {
                state.metrics.lines.shadowed(&line.name, "dropped");
            }
            let reasons = judged.reasons.iter().map(|reason| reason.name());
            let metrics = &state.metrics.lines;
            metrics.inspected(&line.name, judged.decided.name(), reasons, judged.missed);
            metrics.drift(&line.name, line.drift().is_some());
            Inspected {
                answer: new.answer,
                duplicate: false,
                queued: matches!(stored, Inserted::Waits),
            }
        }
        Inserted::Known(known) => known.into(),
    })
}

impl From<Known> for Inspected {
    fn from(known: Known) -> Self {
        Self {
            answer: known.answer,
            duplicate: true,
            queued: known.waits,
        }
    }
}

fn check(call: &InspectCall) -> Result<(), ApiError> {
    if call.images.is_empty() {
        let message = "send the part's image as the body, or its views as a form with image files";
        return Err(ApiError::new(Code::NoImages, message).at("image"));
    }
    if call.images.len() > MOST_VIEWS {
        let found = call.images.len();
        let message = format!("{found} images of one part; at most {MOST_VIEWS} are allowed");
        return Err(ApiError::new(Code::TooManyItems, message).at("image"));
    }
    let names = [
        ("part", &call.part),
        ("lot", &call.lot),
        ("station", &call.station),
        ("idempotency-key", &call.idempotency_key),
    ];
    for (field, name) in names {
        if name
            .as_ref()
            .is_some_and(|name| name.is_empty() || name.len() > LONGEST || name.contains('\0'))
        {
            // PostgreSQL has no text with a zero.
            let message = format!("1 to {LONGEST} bytes are allowed, none of them zero");
            return Err(ApiError::new(Code::InvalidRequest, message).at(field));
        }
    }
    Ok(())
}

/// What is stored of an inspection.
fn row(
    line: &Line,
    call: InspectCall,
    hashes: Vec<ImageHash>,
    measured: Measured,
    id: String,
    judged: &Judgement,
    audit: bool,
) -> Result<NewInspection, ApiError> {
    let created = now();
    let score = judged.score.map(Score::value);
    let answer = InspectionAnswer {
        id: id.clone(),
        line: line.name.clone(),
        version: line.version,
        created,
        model: measured.model.clone(),
        decision: judged.decided,
        reasons: judged.reasons.clone(),
        score,
        parts: measured.evidence.map(ScoreParts::from),
        p_ok: judged.p.map(|p| p.ok),
        p_ng: judged.p.map(|p| p.ng),
        calibration: judged.calibration.clone(),
        statements: statements(&line.definition.statements, &measured),
        regions: regions(&measured),
        part: call.part.clone(),
        lot: call.lot.clone(),
        station: call.station.clone(),
        trigger: call.trigger,
        missed_triggers: judged.missed,
        audit,
        images: call.images.len(),
        map_url: measured
            .has_map
            .then(|| format!("/v1/inspections/{id}/map")),
    };
    let text = serde_json::to_string(&answer);
    let text = text.map_err(|error| LineError::from(ReviewError::from(error)))?;
    let images = call.images.into_iter().zip(hashes).map(NewImage::from);
    Ok(NewInspection {
        id,
        created,
        line: answer.line,
        version: answer.version,
        model: answer.model,
        scored_by: measured.scored_by,
        calibration: answer.calibration,
        decision: judged.decided.name().into(),
        score,
        p_ok: answer.p_ok,
        p_ng: answer.p_ng,
        part: call.part,
        lot: call.lot,
        station: call.station,
        trigger: call.trigger,
        idempotency_key: call.idempotency_key,
        audit,
        observed: judged.observed,
        answer: text,
        images: images.collect(),
    })
}

/// The line's statements about the image with the highest score, the best first.
fn statements(of_line: &[Statement], measured: &Measured) -> Vec<FoundStatement> {
    let highest = measured
        .results
        .iter()
        .max_by(|a, b| a.changed.score.total_cmp(&b.changed.score));
    let judged = highest
        .map(|image| image.statements.iter())
        .into_iter()
        .flatten();
    let found = judged.map(|judged| FoundStatement {
        text: judged.text.to_string(),
        kind: of_line.get(judged.index).and_then(|said| said.kind.clone()),
        score: judged.score,
    });
    found.collect()
}

fn regions(measured: &Measured) -> Vec<FoundRegion> {
    let images = measured.results.iter().enumerate();
    let of_image = images.flat_map(|(image, found)| {
        let places = found.regions.iter().cloned();
        places.map(move |place| FoundRegion { image, place })
    });
    of_image.collect()
}
