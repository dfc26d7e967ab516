//! The score of a part: its images are compared with the line's reference.

use bytes::Bytes;
use futures_util::future::try_join_all;
use sha2::{Digest as _, Sha256};

use crate::api::{ApiError, AppState};
use crate::calls::{
    self, Against, CompareCall, Compared, ComparedImage, LiesStatus, Parts, Said, compare,
};
use crate::engine::{EmbedOptions, ImageSource};
use crate::error_code::Code;
use crate::inspection::statements::Feature;
use crate::lines::Definition;
use crate::monitors::camera::Figures;
use crate::promise::{Evidence, Score};

/// What is known of a part's images.
#[derive(Debug)]
pub struct Measured {
    /// The model.
    pub model: String,
    /// What the score depends on: model and reference.
    pub scored_by: String,
    /// For each image; none if one has another shape than the reference.
    pub results: Vec<ComparedImage>,
    /// What its score is made of; `None` if an image could not be compared.
    pub evidence: Option<Evidence>,
    /// Light and focus of the images.
    pub cameras: Vec<Figures>,
    /// The part lies in another way in one of them.
    pub pose: bool,
    /// One of them has another shape than the reference.
    pub wrong_shape: bool,
    /// Maps of the changes can be drawn.
    pub has_map: bool,
}

/// Compares the images of a part, as a line defines it.
///
/// # Errors
/// [`ApiError`] with the image. One of another shape is none: it is a fault of the camera.
pub async fn measure(
    state: &AppState,
    definition: &Definition,
    images: &[Bytes],
    options: EmbedOptions,
) -> Result<Measured, ApiError> {
    let compared = match compared(state, definition, images, options).await {
        Ok(compared) => compared,
        Err(error) if error.code == Code::ImageOfOtherShape => {
            return Ok(of_other_shape(line_scored_by(state, definition)?));
        }
        Err(error) => return Err(error),
    };
    let evidence = evidence(&compared.results);
    let lies_otherwise = |one: &ComparedImage| one.registration.status == LiesStatus::Pose;
    Ok(Measured {
        evidence,
        cameras: compared
            .results
            .iter()
            .filter_map(|one| one.camera)
            .collect(),
        pose: compared.results.iter().any(lies_otherwise),
        wrong_shape: false,
        has_map: compared.results.iter().any(|one| one.has_map),
        model: compared.model,
        scored_by: with_statements(definition, compared.scored_by),
        results: compared.results,
    })
}

/// The highest of all images; `None` if there is none, or if a score is not a number.
fn evidence(results: &[ComparedImage]) -> Option<Evidence> {
    let changes: Vec<f64> = results.iter().map(|one| one.changed.score).collect();
    let judged = results.iter().flat_map(|one| &one.statements);
    let statements = judged.filter(|judged| judged.has_reference_text);
    let statements = statements.filter_map(|judged| moved_towards(&judged.parts));
    Some(Evidence {
        changed: Score::of_part(&changes).ok()?.value(),
        statements: statements.reduce(f64::max).unwrap_or_default(),
    })
}

/// (I − Iᵣ) · (T − Tᵣ): how much the picture has moved from the reference's text towards the statement.
fn moved_towards(parts: &Parts) -> Option<f64> {
    let of_picture = parts.get(Feature::TextDifference.name())?;
    let not_of_reference = parts.get(Feature::NotOfReference.name())?;
    Some(of_picture + not_of_reference).filter(|sum| sum.is_finite())
}

/// Compares all images with one reference, or each with that of its view.
async fn compared(
    state: &AppState,
    definition: &Definition,
    images: &[Bytes],
    options: EmbedOptions,
) -> Result<Compared, ApiError> {
    let call = |reference: &str, images: &[Bytes]| {
        let said = definition.statements.iter().map(|statement| Said {
            text: statement.text.clone(),
            reference_text: statement.reference_text.clone(),
        });
        CompareCall {
            model: None,
            learnt_by: definition.model.clone(),
            against: Against::Named(reference.to_owned()),
            images: images.iter().cloned().map(ImageSource::Bytes).collect(),
            statements: said.collect(),
            map: None,
            options,
        }
    };
    if definition.views.is_empty() {
        return compare(state, call(&definition.reference, images)).await;
    }
    if images.len() != definition.views.len() {
        let message = format!(
            "the line has {} views, and the part {} images: send one of each view, in their order",
            definition.views.len(),
            images.len()
        );
        return Err(ApiError::new(Code::InvalidRequest, message).at("image"));
    }
    let views = definition.views.iter().zip(images).enumerate();
    let views = views.map(|(view, (reference, image))| async move {
        let compared = compare(state, call(reference, std::slice::from_ref(image))).await;
        // An error about its only image is one about the image of this view.
        compared.map_err(|error| match &error.param {
            Some(param) if param.starts_with("images") => error.at(format!("images[{view}]")),
            _ => error,
        })
    });
    let mut views = try_join_all(views).await?.into_iter();
    let first = views.next();
    let mut all = first.ok_or_else(|| ApiError::new(Code::NoImages, "a part has no view"))?;
    let mut parts = vec![std::mem::take(&mut all.scored_by)];
    for view in views {
        parts.push(view.scored_by);
        all.results.extend(view.results);
    }
    all.scored_by = joined(parts);
    Ok(all)
}

/// The name of the model that compares for a line.
///
/// # Errors
/// 404 `reference_not_found` or `model_not_found`.
pub fn model_of_line(state: &AppState, definition: &Definition) -> Result<String, ApiError> {
    let reference = state.references.get(&definition.reference)?;
    let own = definition.model.as_deref();
    let model = state.model(own.or(reference.definition.model.as_deref()))?;
    Ok(model.name().to_owned())
}

/// What scores of a line depend on now; see `Measured::scored_by`.
///
/// # Errors
/// 404 `reference_not_found` or `model_not_found`.
pub fn line_scored_by(state: &AppState, definition: &Definition) -> Result<String, ApiError> {
    let references = definition.references().iter();
    let model = definition.model.as_deref();
    let now = references.map(|reference| calls::scored_by_now(state, reference, model));
    let now = joined(now.collect::<Result<_, _>>()?);
    Ok(with_statements(definition, now))
}

/// Scores that statements are part of depend on the statements, too.
fn with_statements(definition: &Definition, scored_by: String) -> String {
    if !definition.weighs_statements() {
        return scored_by;
    }
    let texts = definition.statements.iter().filter_map(|statement| {
        let reference_text = statement.reference_text.as_ref()?;
        Some((&statement.text, reference_text))
    });
    let texts = format!("{:?}", texts.collect::<Vec<_>>());
    let digest = Sha256::digest(format!("{scored_by} {texts}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the score of a part depends on, whose views depend on these.
fn joined(views: Vec<String>) -> String {
    views.join("+")
}

/// Nothing was compared; the calibration in use is not in question.
fn of_other_shape(scored_by: String) -> Measured {
    Measured {
        model: String::new(),
        scored_by,
        results: Vec::new(),
        evidence: None,
        cameras: Vec::new(),
        pose: false,
        wrong_shape: true,
        has_map: false,
    }
}
