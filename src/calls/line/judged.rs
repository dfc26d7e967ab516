//! The answer to an inspection, as it is stored.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::answer_size::{OBJECT, of_text};
use crate::calls::Place;
use crate::lines::{Decided, Reason, Statement};
use crate::promise::Evidence;

/// What is said about a part. It is stored as it was given, and given again for the same idempotency key.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Inspection)]
pub struct InspectionAnswer {
    /// The id: ids are in the order of time.
    pub id: String,
    /// The line.
    pub line: String,
    /// The line's version.
    pub version: i64,
    /// Milliseconds since 1970.
    pub created: i64,
    /// The model.
    pub model: String,
    /// `ok`, `ng` or `review`.
    #[schema(value_type = String)]
    pub decision: Decided,
    /// Why a person decides: `camera`, `pose`, `drift`, `not calibrated`, `ambiguous`, `unlike anything calibrated`.
    #[schema(value_type = Vec<String>)]
    pub reasons: Vec<Reason>,
    /// The highest score of the images; null if one could not be compared.
    #[schema(required)]
    pub score: Option<f64>,
    /// What the score is made of; null if an image could not be compared.
    #[serde(default)]
    #[schema(required)]
    pub parts: Option<ScoreParts>,
    /// How usual the score is for an OK part of the calibration, 0 to 1.
    #[schema(required)]
    pub p_ok: Option<f64>,
    /// How usual the score is for an NG part of the calibration, 0 to 1.
    #[schema(required)]
    pub p_ng: Option<f64>,
    /// The calibration that decided.
    #[schema(required)]
    pub calibration: Option<String>,
    /// The line's statements, the best first, of the image with the highest score.
    pub statements: Vec<FoundStatement>,
    /// Changed places of all images, the strongest of each first.
    pub regions: Vec<FoundRegion>,
    /// The part, as the client calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub part: Option<String>,
    /// Its lot.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub lot: Option<String>,
    /// Where it was inspected.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub station: Option<String>,
    /// The number of the camera's trigger.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub trigger: Option<i64>,
    /// Triggers that are missing before this one.
    pub missed_triggers: i64,
    /// Whether a keyed hash chose the part for a person, whatever was decided.
    pub audit: bool,
    /// Number of images.
    pub images: usize,
    /// Where a map of the change is drawn when it is asked for: a PNG, with `?view=` of an image. Null if nothing was
    /// compared, and for a model without maps.
    #[serde(default)]
    #[schema(required)]
    pub map_url: Option<String>,
}

/// What the score of a part is made of. The calibration says how much each counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ScoreParts {
    /// How much the part is changed: the highest score of its images.
    pub changed: f64,
    /// How much the picture has moved from what is true of the reference towards one of the statements that have a
    /// `reference_text`: the highest of its images and statements. 0 without such statements.
    pub statements: f64,
}

impl From<Evidence> for ScoreParts {
    fn from(evidence: Evidence) -> Self {
        Self {
            changed: evidence.changed,
            statements: evidence.statements,
        }
    }
}

impl From<ScoreParts> for Evidence {
    fn from(parts: ScoreParts) -> Self {
        Self {
            changed: parts.changed,
            statements: parts.statements,
        }
    }
}

/// A statement about the change.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FoundStatement {
    /// The text.
    pub text: String,
    /// The kind of defect that it describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub kind: Option<String>,
    /// Ranks the statements.
    pub score: f64,
}

/// A changed place.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FoundRegion {
    /// Index of the image.
    pub image: usize,
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
}

impl InspectionAnswer {
    /// Bytes of an answer about so many images, at most, with these texts.
    pub fn bytes(images: usize, statements: &[Statement], texts: usize) -> usize {
        let of_statement = |statement: &Statement| {
            let kind = statement.kind.as_ref().map_or(0, String::len);
            OBJECT + of_text(statement.text.len() + kind)
        };
        let statements = statements.iter().map(of_statement).sum::<usize>();
        // At most 20 places of an image.
        let regions = images.saturating_mul(20 * OBJECT);
        (8 * OBJECT + of_text(texts) + statements).saturating_add(regions)
    }
}
