//! The score of a part: its images are compared with the line's reference.

use bytes::Bytes;
use futures_util::future::try_join_all;

use crate::api::{ApiError, AppState};
use crate::calls::{
    self, Against, CompareCall, Compared, ComparedImage, LiesStatus, Said, compare,
};
use crate::engine::{EmbedOptions, ImageSource};
use crate::error_code::Code;
use crate::lines::{Definition, Line};
use crate::monitors::camera::Figures;
use crate::promise::Score;

/// What is known of a part's images.
#[derive(Debug)]
pub struct Measured {
    /// The model.
    pub model: String,
    /// What the score depends on: model and reference.
    pub scored_by: String,
    /// For each image; none if one has another shape than the reference.
    pub results: Vec<ComparedImage>,
    /// The highest score.
    pub score: Option<Score>,
    /// Light and focus of the images.
    pub cameras: Vec<Figures>,
    /// The part lies in another way in one of them.
    pub pose: bool,
    /// One of them has another shape than the reference.
    pub wrong_shape: bool,
    /// Maps of the changes can be drawn.
    pub has_map: bool,
}

/// Compares the images of a part.
///
/// # Errors
/// [`ApiError`] with the image. One of another shape is none: it is a fault of the camera.
pub async fn measure(
    state: &AppState,
    line: &Line,
    images: &[Bytes],
    options: EmbedOptions,
) -> Result<Measured, ApiError> {
    let compared = match compared(state, line, images, options).await {
        Ok(compared) => compared,
        Err(error) if error.code == Code::ImageOfOtherShape => {
            return Ok(of_other_shape(line));
        }
        Err(error) => return Err(error),
    };
    let scores: Vec<f64> = compared
        .results
        .iter()
        .map(|one| one.changed.score)
        .collect();
    let lies_otherwise = |one: &ComparedImage| one.registration.status == LiesStatus::Pose;
    Ok(Measured {
        score: Score::of_part(&scores).ok(),
        cameras: compared
            .results
            .iter()
            .filter_map(|one| one.camera)
            .collect(),
        pose: compared.results.iter().any(lies_otherwise),
        wrong_shape: false,
        has_map: compared.results.iter().any(|one| one.has_map),
        model: compared.model,
        scored_by: compared.scored_by,
        results: compared.results,
    })
}

/// Compares all images with one reference, or each with that of its view.
async fn compared(
    state: &AppState,
    line: &Line,
    images: &[Bytes],
    options: EmbedOptions,
) -> Result<Compared, ApiError> {
    let definition = &line.definition;
    let call = |reference: &str, images: &[Bytes]| {
        let said = definition.statements.iter().map(|statement| Said {
            text: statement.text.clone(),
            reference_text: statement.reference_text.clone(),
        });
        CompareCall {
            model: None,
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

/// What scores of a line depend on now; see [`Measured::scored_by`].
///
/// # Errors
/// 404 `reference_not_found` or `model_not_found`.
pub fn line_scored_by(state: &AppState, definition: &Definition) -> Result<String, ApiError> {
    let references = definition.references().iter();
    let now = references.map(|reference| calls::scored_by_now(state, reference));
    Ok(joined(now.collect::<Result<_, _>>()?))
}

/// What the score of a part depends on, whose views depend on these.
fn joined(views: Vec<String>) -> String {
    views.join("+")
}

/// Nothing was compared; the calibration in use is not in question.
fn of_other_shape(line: &Line) -> Measured {
    let calibrated = line.calibrated();
    Measured {
        model: String::new(),
        scored_by: calibrated
            .map(|one| one.scored_by.clone())
            .unwrap_or_default(),
        results: Vec::new(),
        score: None,
        cameras: Vec::new(),
        pose: false,
        wrong_shape: true,
        has_map: false,
    }
}
