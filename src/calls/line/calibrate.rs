//! Labels parts and calibrates a line. Both need the right of [`MayCalibrate`]: nothing else in the server declares labels
//! fit for a calibration, and labels from the review queue have no way in.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use super::measure::{line_scored_by, measure};
use crate::api::{ApiError, AppState, MayCalibrate};
use crate::engine::EmbedOptions;
use crate::error_code::Code;
use crate::lines::{self, Calibrating, Declared, Line, LineError, Report};
use crate::monitors::camera::Figures;
use crate::promise::{
    CalibrationPart, Class, Decision, Declaration, Inspected, Part, Reason, Score,
};
use crate::reviews::{self, ImageHash, NewPart, StoredCalibration, new_id, now};

/// Declarations in a report, at most.
const MOST_DECLARATIONS: usize = 50;

/// Labelled parts of a line, at most.
const MOST_PARTS: u64 = 200_000;

/// A part whose class a person knows.
#[derive(Debug)]
pub struct LabelledPart {
    /// Its lot or shift.
    pub lot: String,
    /// What it is.
    pub class: Class,
    /// Its image, or its views.
    pub images: Vec<Bytes>,
}

/// A window whose random audit calibrates too. All audited inspections need a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audited {
    /// First millisecond since 1970.
    pub from: i64,
    /// First millisecond after it.
    pub before: i64,
}

/// A calibration that is asked for.
#[derive(Debug, Default)]
pub struct CalibrateCall {
    /// The audit that counts.
    pub audited: Option<Audited>,
}

/// What is known after parts were added.
#[derive(Debug, Serialize, ToSchema)]
pub struct PartsAdded {
    /// Parts of the request that were not known.
    pub added: u64,
    /// OK parts that may calibrate the line now.
    pub ok: u64,
    /// NG parts that may calibrate the line now.
    pub ng: u64,
    /// Parts that another model or another version of the reference scored: send them again to use them.
    pub left_out: u64,
}

/// Adds labelled parts to a line: each is compared with the reference, and its score is stored. `declared` says which parts
/// they are, and that they were labelled as they came.
///
/// # Errors
/// [`ApiError`] with the part; nothing is stored then.
pub async fn add_parts(
    state: &AppState,
    right: &MayCalibrate,
    line: &Line,
    parts: Vec<LabelledPart>,
    declared: &str,
    options: EmbedOptions,
) -> Result<PartsAdded, ApiError> {
    let reviews = state.lines.store().await?;
    let declaration = declaration(right.who(), declared)?;
    let known = reviews
        .count_parts(&line.name, "")
        .await
        .map_err(LineError::from)?
        .2;
    if known + parts.len() as u64 > MOST_PARTS {
        let message =
            format!("the line has {known} labelled parts; at most {MOST_PARTS} are allowed");
        return Err(ApiError::new(Code::TooManyItems, message).at("parts"));
    }
    let mut new = Vec::with_capacity(parts.len());
    let mut scored_by = None;
    for (number, part) in parts.into_iter().enumerate() {
        let place = || format!("parts[{number}]");
        let hashes: Vec<_> = part
            .images
            .iter()
            .map(|image| ImageHash::of(image))
            .collect();
        let sent = reviews
            .reviewed_with(&line.name, &hashes)
            .await
            .map_err(LineError::from)?;
        if let Some(inspection) = sent {
            return Err(ApiError::from(LineError::FromReview(inspection)).at(place()));
        }
        let measured = measure(state, line, &part.images, options).await;
        let measured = measured.map_err(|error| error.at(place()))?;
        let Some(score) = measured.score else {
            let message = "an image of the part has another shape than the reference";
            return Err(ApiError::new(Code::ImageOfOtherShape, message).at(place()));
        };
        let first = scored_by.get_or_insert_with(|| measured.scored_by.clone());
        if *first != measured.scored_by {
            let message = "the model or the reference was replaced meanwhile; send the parts again";
            return Err(ApiError::new(Code::LoadInProgress, message));
        }
        let camera = serde_json::to_string(&measured.cameras);
        new.push(NewPart {
            lot: part.lot,
            class: name_of(part.class),
            score: score.value(),
            camera: camera
                .map_err(reviews::ReviewError::from)
                .map_err(LineError::from)?,
            content: ImageHash::of_all(&hashes),
        });
    }
    let scored_by = match scored_by {
        Some(scored_by) => scored_by,
        None => current(state, line)?,
    };
    let who = (declaration.who(), declaration.what());
    let added = reviews.add_parts(&line.name, &scored_by, &new, who).await;
    let added = added.map_err(LineError::from)?;
    let counts = reviews.count_parts(&line.name, &scored_by).await;
    let (ok, ng, left_out) = counts.map_err(LineError::from)?;
    Ok(PartsAdded {
        added,
        ok,
        ng,
        left_out,
    })
}

/// Calibrates a line with all its labelled parts, and uses the result. Too few parts are no error: the report says so.
///
/// # Errors
/// [`ApiError`].
pub async fn calibrate(
    state: &AppState,
    right: &MayCalibrate,
    line: &Arc<Line>,
    call: CalibrateCall,
) -> Result<Report, ApiError> {
    let reviews = state.lines.store().await?;
    let scored_by = current(state, line)?;
    let stored = reviews
        .parts(&line.name, &scored_by)
        .await
        .map_err(LineError::from)?;
    let counts = reviews.count_parts(&line.name, &scored_by).await;
    let (_, _, left_out) = counts.map_err(LineError::from)?;
    let mut parts: Vec<CalibrationPart> = Vec::with_capacity(stored.len());
    let mut camera: Vec<Figures> = Vec::new();
    let mut declarations: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut contents = HashSet::new();
    for part in stored {
        let class = class_of(&part.class)?;
        let declared = declaration(&part.who, &part.declared)?;
        let labelled = Part::labelled(&declared, &part.lot, &[part.score], class);
        parts.push(labelled.map_err(LineError::from)?.into());
        let figures: Vec<Figures> = serde_json::from_str(&part.camera)
            .map_err(reviews::ReviewError::from)
            .map_err(LineError::from)?;
        camera.extend(figures);
        contents.insert(part.content);
        *declarations.entry((part.who, part.declared)).or_default() += 1;
    }
    let mut declared = declared(declarations);
    if let Some(window) = call.audited {
        let found = audited(state, line, &scored_by, window, &contents).await?;
        declared.push(Declared {
            who: "random audit".to_owned(),
            what: format!("inspections from {} before {}", window.from, window.before),
            parts: found.len(),
        });
        parts.extend(found);
    }
    let split = line.definition.split(&state.lines.split_key(line).await?)?;
    let (id, created, who) = (new_id(), now(), right.who().to_owned());
    // A hundred thousand scores are sorted in some ten milliseconds; the binomial tails take as long.
    let (its_line, its_id, its_who) = (line.clone(), id.clone(), who.clone());
    let work = move || {
        let with = Calibrating {
            line: &its_line,
            split: &split,
            parts,
            camera,
            declared,
            left_out,
        };
        lines::calibrate(with, (&its_id, created, &its_who))
    };
    let done = tokio::task::spawn_blocking(work).await;
    let (report, in_force) = done.map_err(|error| {
        tracing::error!(%error, "a calibration failed unexpectedly");
        ApiError::new(
            Code::InternalError,
            "the calibration failed unexpectedly; the reason is logged",
        )
    })??;
    let stored = StoredCalibration {
        id,
        created,
        line: line.name.clone(),
        version: line.version,
        scored_by,
        who,
        report: serde_json::to_string(&report)
            .map_err(reviews::ReviewError::from)
            .map_err(LineError::from)?,
        in_force,
    };
    state.lines.use_calibration(line, &stored).await?;
    Ok(report)
}

/// The declarations of a report: the first ones, and a sum of all others.
fn declared(declarations: BTreeMap<(String, String), usize>) -> Vec<Declared> {
    let mut all = declarations
        .into_iter()
        .map(|((who, what), parts)| Declared { who, what, parts });
    let mut declared: Vec<_> = all.by_ref().take(MOST_DECLARATIONS).collect();
    let others: Vec<_> = all.collect();
    if !others.is_empty() {
        declared.push(Declared {
            who: "others".to_owned(),
            what: format!("{} more declarations", others.len()),
            parts: others.iter().map(|one| one.parts).sum(),
        });
    }
    declared
}

/// The audited parts of a window, without those that were labelled too.
async fn audited(
    state: &AppState,
    line: &Line,
    scored_by: &str,
    window: Audited,
    labelled: &HashSet<String>,
) -> Result<Vec<CalibrationPart>, ApiError> {
    let reviews = state.lines.store().await?;
    let window = (window.from, window.before);
    let found = reviews
        .audited(&line.name, scored_by, window)
        .await
        .map_err(LineError::from)?;
    let inspected = found
        .iter()
        .filter(|inspection| !labelled.contains(&inspection.content))
        .map(|inspection| Inspected {
            id: &inspection.id,
            group: inspection.lot.as_deref().unwrap_or(&inspection.id),
            score: inspection.score.and_then(Score::new),
            decision: match inspection.decision.as_str() {
                "ok" => Decision::Ok,
                "ng" => Decision::Ng,
                _ => Decision::Review(Reason::NotCalibrated),
            },
            verdict: inspection.verdict.as_deref().and_then(named),
        });
    let closed = state.lines.audit(line).await?.close(inspected);
    let closed = closed.map_err(LineError::from)?;
    Ok(closed
        .parts
        .into_iter()
        .map(CalibrationPart::from)
        .collect())
}

/// What scores depend on now.
fn current(state: &AppState, line: &Line) -> Result<String, ApiError> {
    line_scored_by(state, &line.definition)
}

/// Only here in the server are labels declared fit for a calibration.
fn declaration(who: &str, what: &str) -> Result<Declaration, ApiError> {
    // A server without keys knows no names of callers.
    let who = if who.is_empty() { "anyone" } else { who };
    Declaration::new(who, what).ok_or_else(|| {
        let message = "say which parts these are and that they were labelled as they came, such as \"all of lots 12 to 40\"";
        ApiError::new(Code::InvalidRequest, message).at("declared")
    })
}

fn name_of(class: Class) -> &'static str {
    match class {
        Class::Ok => "ok",
        Class::Ng => "ng",
    }
}

fn named(name: &str) -> Option<Class> {
    match name {
        "ok" => Some(Class::Ok),
        "ng" => Some(Class::Ng),
        _ => None,
    }
}

fn class_of(stored: &str) -> Result<Class, LineError> {
    let wrong = || reviews::ReviewError::Content(format!("the class {stored:?}"));
    Ok(named(stored).ok_or_else(wrong)?)
}
