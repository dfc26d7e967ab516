//! Which statement about the difference between a picture and its reference is true.

use crate::inspection::error::InspectionError;

/// The vectors that statements are judged by, both of one length and in the model's joint space.
#[derive(Debug, Clone, Copy)]
pub struct Pictures<'a> {
    /// Embedding of the picture.
    pub picture: &'a [f32],
    /// Embedding of the reference; of several, their mean.
    pub reference: &'a [f32],
}

/// A text about the picture.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'a> {
    /// Its embedding.
    pub text: &'a [f32],
    /// Embedding of what is true of the reference, said the same way.
    pub reference_text: Option<&'a [f32]>,
}

/// What can be asked of a statement. I and Iᵣ are the unit vectors of the picture and of the reference, T and Tᵣ those of the
/// statement and of what is true of the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Feature {
    /// I · (T − Tᵣ): the picture is closer to the statement than to what is true of the reference.
    TextDifference,
    /// cos(I − Iᵣ, T − Tᵣ): the pictures differ in the direction in which the texts do (StyleGAN-NADA, arXiv 2108.00946).
    Direction,
    /// (I − Iᵣ) · (T − Tᵣ) / |T − Tᵣ|: how far the picture has moved in the direction in which the texts differ.
    ChangeAlong,
    /// −Iᵣ · (T − Tᵣ): the statement is not true of the reference.
    NotOfReference,
    /// 1 where the statement is what is true of the reference ("nothing has changed"), so that all else is 0; 0 elsewhere.
    Same,
}

impl Feature {
    /// All features, in the order of their values.
    pub const ALL: [Self; 5] = [
        Self::TextDifference,
        Self::Direction,
        Self::ChangeAlong,
        Self::NotOfReference,
        Self::Same,
    ];

    /// Its name in answers and in a bundle.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TextDifference => "text_difference",
            Self::Direction => "direction",
            Self::ChangeAlong => "change_along",
            Self::NotOfReference => "not_of_reference",
            Self::Same => "same",
        }
    }
}

/// The features of one statement, in the order of [`Feature::ALL`].
pub type Features = [f64; Feature::ALL.len()];

/// A difference of unit vectors that is shorter than this is none: the same text has slightly different vectors in different
/// batches, by up to about 1e-3 at half precision.
const NO_LENGTH: f64 = 1e-3;

/// Computes the features of every statement.
///
/// A statement without a `reference_text` is measured against the mean of all statements' texts: what they have in common
/// is true of both pictures. Of a single one nothing is subtracted.
///
/// # Errors
/// If a vector has another length than the picture's, or a number that is not finite.
pub fn features(
    pictures: &Pictures<'_>,
    statements: &[Statement<'_>],
) -> Result<Vec<Features>, InspectionError> {
    let length = pictures.picture.len();
    check(
        "the embedding of the picture",
        pictures.picture,
        length.max(1),
    )?;
    check("the embedding of the reference", pictures.reference, length)?;
    let (picture, reference) = (unit(pictures.picture), unit(pictures.reference));
    let change = minus(&picture, &reference);
    let mut texts = Vec::with_capacity(statements.len());
    for statement in statements {
        check("the embedding of a statement", statement.text, length)?;
        texts.push(unit(statement.text));
    }
    let mut common = vec![0.0; length];
    for text in &texts {
        common
            .iter_mut()
            .zip(text)
            .for_each(|(sum, value)| *sum += value / texts.len() as f64);
    }
    let one = |(statement, text): (&Statement<'_>, &Vec<f64>)| {
        let other = match statement.reference_text {
            Some(text) => {
                check("the embedding of a reference text", text, length)?;
                unit(text)
            }
            None if statements.len() > 1 => common.clone(),
            None => vec![0.0; length],
        };
        let along = minus(text, &other);
        if length_of(&along) <= NO_LENGTH {
            return Ok([0.0, 0.0, 0.0, 0.0, 1.0]);
        }
        let direction = cosine(&change, &along);
        Ok([
            dot(&picture, &along),
            direction,
            direction * length_of(&change),
            -dot(&reference, &along),
            0.0,
        ])
    };
    statements.iter().zip(&texts).map(one).collect()
}

/// The weight of each feature, in the order of [`Feature::ALL`]: a conditional logistic regression (McFadden 1974) that is
/// fitted at export and kept in the bundle. All weights are finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights(pub [f64; Feature::ALL.len()]);

impl Weights {
    /// The weighted sum. exp(score) is in proportion to the probability that this statement is the true one among those
    /// that are asked for.
    #[must_use]
    pub fn score(&self, features: &Features) -> f64 {
        self.0
            .iter()
            .zip(features)
            .map(|(weight, value)| weight * value)
            .sum()
    }
}

/// The scores that rank statements: by weights, or, without, [`standardised_sums`].
#[must_use]
pub fn scores(features: &[Features], weights: Option<&Weights>) -> Vec<f64> {
    match weights {
        Some(weights) => features
            .iter()
            .map(|features| weights.score(features))
            .collect(),
        None => standardised_sums(features),
    }
}

/// Scores without weights: the text difference and the direction, each standardised over the statements that are asked
/// for, and added. These numbers rank statements of one request; a single statement has 0.
#[must_use]
pub fn standardised_sums(features: &[Features]) -> Vec<f64> {
    let mut sums = vec![0.0; features.len()];
    for feature in [Feature::TextDifference, Feature::Direction] {
        let index = feature as usize;
        let values: Vec<_> = features.iter().map(|features| features[index]).collect();
        let count = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / count;
        let spread = (values
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>()
            / count)
            .sqrt();
        if spread > 1e-12 {
            sums.iter_mut()
                .zip(values)
                .for_each(|(sum, value)| *sum += (value - mean) / spread);
        }
    }
    sums
}

fn check(what: &'static str, vector: &[f32], expected: usize) -> Result<(), InspectionError> {
    if vector.len() != expected {
        return Err(InspectionError::Length {
            what,
            expected,
            found: vector.len(),
        });
    }
    match vector.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(InspectionError::NotFinite { what, at }),
        None => Ok(()),
    }
}

/// The vector with a length of 1; a zero vector stays what it is.
fn unit(vector: &[f32]) -> Vec<f64> {
    let length = vector
        .iter()
        .map(|value| f64::from(*value).powi(2))
        .sum::<f64>()
        .sqrt();
    let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
    vector
        .iter()
        .map(|value| f64::from(*value) * scale)
        .collect()
}

fn minus(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn length_of(vector: &[f64]) -> f64 {
    dot(vector, vector).sqrt()
}

/// 0 where one of them has no length.
fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths > 1e-12 {
        (dot(a, b) / lengths).clamp(-1.0, 1.0)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests;
