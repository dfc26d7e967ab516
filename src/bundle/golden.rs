//! Golden embeddings: a few images and texts with the embeddings that PyTorch computed at export. For an imported model, its
//! graphs computed them at import.
//!
//! The server computes them again before it reports ready, so a ready server agrees with training.

use serde::{Deserialize, Serialize};

use super::{Bundle, BundleError, StatementsSide, Variant};
use crate::inspection::statements::{Pictures, Statement, features, scores};
use crate::matching::dot;

/// Content of `golden.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// Images with their embeddings.
    pub images: Vec<GoldenImage>,
    /// Texts with their embeddings.
    pub texts: Vec<GoldenText>,
}

/// An image file and its embedding.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenImage {
    /// File name inside the bundle.
    pub file: String,
    /// Its embedding at export.
    pub embedding: Vec<f32>,
}

/// A text and its embedding.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenText {
    /// The text as a client would send it.
    pub text: String,
    /// Its embedding at export.
    pub embedding: Vec<f32>,
}

impl Golden {
    /// Reads the bundle's golden embeddings. An empty set is an error, because it would prove nothing.
    pub fn read(bundle: &Bundle) -> Result<Self, BundleError> {
        let golden: Self = bundle.read_json(&bundle.manifest.golden)?;
        let width = bundle.manifest.embedding_dim;
        let images = golden.images.iter().map(|image| image.embedding.len());
        let widths_fit = images
            .chain(golden.texts.iter().map(|text| text.embedding.len()))
            .all(|n| n == width);
        if golden.images.is_empty() || golden.texts.is_empty() || !widths_fit {
            let path = bundle.resolve(&bundle.manifest.golden)?;
            let reason = format!(
                "needs at least one image and one text, each with an embedding of {width} numbers"
            );
            return Err(BundleError::Content { path, reason });
        }
        Ok(golden)
    }

    /// Computes the scores of statements from the golden embeddings and compares them with those of the training, so that
    /// the server ranks statements as the weights were fitted. A bundle without weights has none.
    ///
    /// # Errors
    /// [`BundleError::Content`] if they differ.
    pub fn check_scores(&self, bundle: &Bundle) -> Result<(), BundleError> {
        let Some(side) = &bundle.manifest.statements else {
            return Ok(());
        };
        self.scores_agree(side).map_err(|reason| {
            let path = bundle.root().join("bundle.json");
            BundleError::Content { path, reason }
        })
    }

    fn scores_agree(&self, side: &StatementsSide) -> Result<(), String> {
        let Some(expected) = &side.golden else {
            return Ok(());
        };
        let image = |index: usize| {
            let image = self.images.get(index);
            image.map(|image| image.embedding.as_slice())
        };
        let text = |index: usize| {
            let text = self.texts.get(index);
            text.map(|text| text.embedding.as_slice())
        };
        let pictures = image(expected.picture)
            .zip(image(expected.reference))
            .map(|(picture, reference)| Pictures { picture, reference });
        let statement = |index: &usize| {
            Some(Statement {
                text: text(*index)?,
                reference_text: Some(text(expected.reference_text)?),
            })
        };
        let statements: Option<Vec<_>> = expected.texts.iter().map(statement).collect();
        let (Some(pictures), Some(statements)) = (pictures, statements) else {
            return Err(
                "statements.golden: names an image or a text that is not in the golden file"
                    .to_owned(),
            );
        };
        let found = features(&pictures, &statements);
        let found = found.map_err(|error| format!("statements.golden: {error}"))?;
        let found = scores(&found, Some(&side.weights()));
        let alike = |(a, b): (&f64, &f64)| (a - b).abs() <= SCORE_TOLERANCE * a.abs().max(1.0);
        if found.len() == expected.scores.len() && found.iter().zip(&expected.scores).all(alike) {
            return Ok(());
        }
        Err(format!(
            "statements.golden: the scores are {found:.6?}, and the training computed {:.6?}; \
             fit the weights again (`clip-in-training statements`)",
            expected.scores
        ))
    }
}

/// Largest difference between a golden score and the one that is computed of the same vectors, relative above 1.
const SCORE_TOLERANCE: f64 = 1e-5;

/// Compares one embedding with the golden one; returns 1 − cosine.
///
/// # Errors
/// [`BundleError::Golden`] if the distance exceeds the variant's tolerance or is not a number.
pub fn compare(
    variant: &Variant,
    item: &str,
    expected: &[f32],
    found: &[f32],
) -> Result<f64, BundleError> {
    let cosine = dot(expected, found) / (dot(expected, expected) * dot(found, found)).sqrt();
    let distance = 1.0 - cosine;
    // Written so that NaN fails.
    if distance <= variant.golden_tolerance {
        return Ok(distance.max(0.0));
    }
    Err(BundleError::Golden {
        variant: variant.precision.clone(),
        item: item.to_owned(),
        distance,
        tolerance: variant.golden_tolerance,
    })
}
