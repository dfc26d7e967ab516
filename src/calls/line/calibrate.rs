//! Labels parts and calibrates a line. Both need the right of [`MayCalibrate`]: nothing else in the server declares labels
//! fit for a calibration, and labels from the review queue have no way in.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use super::judged::InspectionAnswer;
use super::measure::{line_scored_by, measure};
use crate::api::{ApiError, AppState, MayCalibrate};
use crate::engine::EmbedOptions;
use crate::error_code::Code;
use crate::lines::{self, Calibrating, Declared, Definition, Line, LineError, Report};
use crate::monitors::camera::Figures;
use crate::promise::{
    CalibrationPart, Class, Decision, Declaration, Evidence, Inspected, Part, Reason, Score, Set,
    Split, Weights,
};
use crate::reviews::{
    self, ImageHash, Inspection, NewImage, NewPart, StoredCalibration, new_id, now,
};

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
        let measured = measure(state, &line.definition, &part.images, options).await;
        let measured = measured.map_err(|error| error.at(place()))?;
        let Some(evidence) = measured.evidence else {
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
            score: evidence.changed,
            statements: evidence.statements,
            camera: camera
                .map_err(reviews::ReviewError::from)
                .map_err(LineError::from)?,
            content: ImageHash::of_all(&hashes),
            images: part
                .images
                .into_iter()
                .zip(hashes)
                .map(NewImage::from)
                .collect(),
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
    let what = Calibrated {
        name: &line.name,
        version: line.version,
        definition: &line.definition,
        audited: call.audited,
    };
    let (report, stored) = calibration(state, right.who(), what).await?;
    state.lines.use_calibration(line, &stored).await?;
    Ok(report)
}

/// What is calibrated.
pub(super) struct Calibrated<'a> {
    /// The line.
    pub name: &'a str,
    /// Its version, which may be the next one.
    pub version: i64,
    /// What that version compares with and promises.
    pub definition: &'a Definition,
    /// The audit that counts.
    pub audited: Option<Audited>,
}

/// A calibration with all labelled parts. Nothing is stored.
///
/// # Errors
/// [`ApiError`].
pub(super) async fn calibration(
    state: &AppState,
    who: &str,
    what: Calibrated<'_>,
) -> Result<(Report, StoredCalibration), ApiError> {
    let (name, definition) = (what.name, what.definition);
    let reviews = state.lines.store().await?;
    let scored_by = line_scored_by(state, definition)?;
    let stored = reviews
        .parts(name, &scored_by)
        .await
        .map_err(LineError::from)?;
    let counts = reviews.count_parts(name, &scored_by).await;
    let (_, _, left_out) = counts.map_err(LineError::from)?;
    let split = definition.split(&state.lines.split_key(name).await?)?;
    let weights = weights(definition, &split, &stored)?;
    let mut parts: Vec<CalibrationPart> = Vec::with_capacity(stored.len());
    let mut camera: Vec<Figures> = Vec::new();
    let mut declarations: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut contents = HashSet::new();
    for part in stored {
        let class = class_of(&part.class)?;
        let declared = declaration(&part.who, &part.declared)?;
        let score = weights.score(evidence(&part));
        let labelled = Part::labelled(&declared, &part.lot, &[score], class);
        parts.push(labelled.map_err(LineError::from)?.into());
        let figures: Vec<Figures> = serde_json::from_str(&part.camera)
            .map_err(reviews::ReviewError::from)
            .map_err(LineError::from)?;
        camera.extend(figures);
        contents.insert(part.content);
        *declarations.entry((part.who, part.declared)).or_default() += 1;
    }
    let mut declared = declared(declarations);
    if let Some(window) = what.audited {
        let known = (name, definition, &*scored_by);
        let found = audited(state, known, weights, window, &contents).await?;
        declared.push(Declared {
            who: "random audit".to_owned(),
            what: format!("inspections from {} before {}", window.from, window.before),
            parts: found.len(),
        });
        parts.extend(found);
    }
    let (id, created, who) = (new_id(), now(), who.to_owned());
    // A hundred thousand scores are sorted in some ten milliseconds; the binomial tails take as long.
    let (its_name, its_definition) = (name.to_owned(), definition.clone());
    let (its_id, its_who, version) = (id.clone(), who.clone(), what.version);
    let work = move || {
        let with = Calibrating {
            name: &its_name,
            version,
            definition: &its_definition,
            split: &split,
            parts,
            camera,
            declared,
            left_out,
            weights,
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
        line: name.to_owned(),
        version,
        scored_by,
        who,
        report: serde_json::to_string(&report)
            .map_err(reviews::ReviewError::from)
            .map_err(LineError::from)?,
        in_force,
    };
    Ok((report, stored))
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
    (name, definition, scored_by): (&str, &Definition, &str),
    weights: Weights,
    window: Audited,
    labelled: &HashSet<String>,
) -> Result<Vec<CalibrationPart>, ApiError> {
    let reviews = state.lines.store().await?;
    let window = (window.from, window.before);
    let found = reviews
        .audited(name, scored_by, window)
        .await
        .map_err(LineError::from)?;
    // What is stored was made with the weights of then.
    let scores = found
        .iter()
        .map(|inspection| score_with(weights, inspection));
    let scores = scores.collect::<Result<Vec<_>, _>>()?;
    let inspected = found
        .iter()
        .zip(scores)
        .filter(|(inspection, _)| !labelled.contains(&inspection.content))
        .map(|(inspection, score)| Inspected {
            id: &inspection.id,
            group: inspection.lot.as_deref().unwrap_or(&inspection.id),
            score,
            decision: match inspection.decision.as_str() {
                "ok" => Decision::Ok,
                "ng" => Decision::Ng,
                _ => Decision::Review(Reason::NotCalibrated),
            },
            verdict: inspection.verdict.as_deref().and_then(named),
        });
    let closed = state.lines.audit(definition).await?.close(inspected);
    let closed = closed.map_err(LineError::from)?;
    Ok(closed
        .parts
        .into_iter()
        .map(CalibrationPart::from)
        .collect())
}

/// The weights of change and statements, fitted on the lots that the line sets aside for it.
fn weights(
    definition: &Definition,
    split: &Split,
    stored: &[reviews::LabelledPart],
) -> Result<Weights, LineError> {
    if !definition.weighs_statements() {
        return Ok(Weights::default());
    }
    let to_fit = stored
        .iter()
        .filter(|part| split.set(&part.lot) == Set::Fit);
    let to_fit = to_fit.map(|part| Ok((evidence(part), class_of(&part.class)?)));
    Ok(Weights::fit(
        &to_fit.collect::<Result<Vec<_>, LineError>>()?,
    ))
}

fn evidence(part: &reviews::LabelledPart) -> Evidence {
    Evidence {
        changed: part.score,
        statements: part.statements,
    }
}

/// The score of an inspection as it is with these weights.
fn score_with(weights: Weights, inspection: &Inspection) -> Result<Option<Score>, LineError> {
    let answer: InspectionAnswer =
        serde_json::from_str(&inspection.answer).map_err(reviews::ReviewError::from)?;
    // Older answers have no parts: their score is the change.
    let evidence = answer.parts.map(Evidence::from);
    let evidence = evidence.or(answer.score.map(|changed| Evidence {
        changed,
        statements: 0.0,
    }));
    Ok(evidence.and_then(|evidence| Score::new(weights.score(evidence))))
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
