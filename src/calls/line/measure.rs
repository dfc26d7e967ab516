//! The score of a part: its images are compared with the line's reference.

use bytes::Bytes;

use crate::api::{ApiError, AppState};
use crate::calls::{Against, CompareCall, ComparedImage, LiesStatus, Said, compare};
use crate::engine::{EmbedOptions, ImageSource};
use crate::error_code::Code;
use crate::lines::Line;
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
    let said = line.definition.statements.iter().map(|statement| Said {
        text: statement.text.clone(),
        reference_text: statement.reference_text.clone(),
    });
    let call = CompareCall {
        model: None,
        against: Against::Named(line.definition.reference.clone()),
        images: images.iter().cloned().map(ImageSource::Bytes).collect(),
        statements: said.collect(),
        map: None,
        options,
    };
    let compared = match compare(state, call).await {
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
