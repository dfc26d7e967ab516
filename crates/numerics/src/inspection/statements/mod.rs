//! Which statement about the difference between a picture and its reference is true.

use crate::inspection::error::InspectionError;

/// The vectors that statements are judged by, all of one length and in the model's joint space.
#[derive(Debug, Clone, Copy)]
pub struct Pictures<'a> {
    /// Embedding of the picture.
    pub picture: &'a [f32],
    /// Embedding of the reference; of several, their mean.
    pub reference: &'a [f32],
    /// What the patches say, where the model has patch embeddings.
    pub patches: Option<ChangedPatches<'a>>,
    /// Embeddings of the changed box, cut out of the picture and of the reference at full resolution: a second look.
    pub second_look: Option<(&'a [f32], &'a [f32])>,
}

/// Patch embeddings of both pictures, one vector after the other, position by position, after registration.
#[derive(Debug, Clone, Copy)]
pub struct ChangedPatches<'a> {
    /// Of the picture.
    pub picture: &'a [f32],
    /// Of the reference.
    pub reference: &'a [f32],
    /// How much each patch has changed, 0 or more, such as the anomaly map there.
    pub change: &'a [f32],
}

/// A text about the picture.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'a> {
    /// Its embedding.
    pub text: &'a [f32],
    /// Embedding of what is true of the reference, said the same way.
    pub reference_text: Option<&'a [f32]>,
}

/// What can be asked of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Feature {
    /// cos(I, T) − cos(I, Tᵣ): the picture is closer to the statement than to what is true of the reference.
    TextDifference,
    /// cos(I − Iᵣ, T − Tᵣ): the pictures differ in the direction in which the texts do (StyleGAN-NADA, arXiv 2108.00946).
    Direction,
    /// The same for the patches, each weighed by how much it has changed.
    ChangedDirection,
    /// The largest change of a patch along T − Tᵣ.
    StrongestPatch,
    /// cos(Iᵣ, Tᵣ) − cos(Iᵣ, T): the statement is not true of the reference.
    NotOfReference,
    /// The direction once more, in the changed box cut out at full resolution.
    SecondLook,
}

impl Feature {
    /// All features, in the order of their values.
    pub const ALL: [Self; 6] = [
        Self::TextDifference,
        Self::Direction,
        Self::ChangedDirection,
        Self::StrongestPatch,
        Self::NotOfReference,
        Self::SecondLook,
    ];

    /// Its name in answers and in a bundle.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TextDifference => "text_difference",
            Self::Direction => "direction",
            Self::ChangedDirection => "changed_direction",
            Self::StrongestPatch => "strongest_patch",
            Self::NotOfReference => "not_of_reference",
            Self::SecondLook => "second_look",
        }
    }
}

/// The features of one statement, in the order of [`Feature::ALL`]; `None` where the vectors for one were not given.
pub type Features = [Option<f64>; Feature::ALL.len()];

/// Computes the features of every statement.
///
/// A statement without a `reference_text` is measured against the mean of all statements' texts: what they have in common
/// is true of both pictures. Of a single one nothing is subtracted.
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
    let patches = pictures
        .patches
        .map(|patches| PatchChanges::new(&patches, length))
        .transpose()?;
    let look = pictures.second_look.map(|(picture, reference)| {
        check("the embedding of the changed box", picture, length)?;
        check("the embedding of the reference's box", reference, length)?;
        Ok::<_, InspectionError>(minus(&unit(picture), &unit(reference)))
    });
    let look = look.transpose()?;
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
        Ok([
            Some(dot(&picture, &along)),
            Some(cosine(&change, &along)),
            patches
                .as_ref()
                .map(|patches| cosine(&patches.pooled, &along)),
            patches.as_ref().map(|patches| patches.strongest(&along)),
            Some(-dot(&reference, &along)),
            look.as_ref().map(|look| cosine(look, &along)),
        ])
    };
    statements.iter().zip(&texts).map(one).collect()
}

/// A logistic regression on the features, fitted at export and kept in the bundle.
#[derive(Debug, Clone, PartialEq)]
pub struct Logistic {
    /// Added to the sum.
    pub bias: f64,
    /// For each of [`Feature::ALL`]: mean, standard deviation (above 0) and weight. What is missing counts as its mean.
    pub terms: [Term; Feature::ALL.len()],
}

/// One term of a [`Logistic`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// Mean of the feature where the weights were fitted.
    pub mean: f64,
    /// Its standard deviation there, above 0.
    pub spread: f64,
    /// Its weight.
    pub weight: f64,
}

impl Logistic {
    /// That the statement is true of the change, 0..1.
    #[must_use]
    pub fn probability(&self, features: &Features) -> f64 {
        let term = |(term, value): (&Term, &Option<f64>)| {
            value.map_or(0.0, |value| {
                term.weight * (value - term.mean) / term.spread.max(f64::MIN_POSITIVE)
            })
        };
        let sum = self.bias + self.terms.iter().zip(features).map(term).sum::<f64>();
        1.0 / (1.0 + (-sum).exp())
    }
}

/// Scores without weights: the text difference and the direction, each standardised over the statements that are asked
/// for, and added. These numbers rank statements of one request; a single statement has 0.
#[must_use]
pub fn standardised_sums(features: &[Features]) -> Vec<f64> {
    let mut sums = vec![0.0; features.len()];
    for feature in [Feature::TextDifference, Feature::Direction] {
        let index = feature as usize;
        let values: Vec<_> = features
            .iter()
            .map(|features| features[index].unwrap_or(0.0))
            .collect();
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

struct PatchChanges {
    changes: Vec<Vec<f64>>,
    /// Mean of the changes, weighed by the map.
    pooled: Vec<f64>,
}

impl PatchChanges {
    fn new(patches: &ChangedPatches<'_>, length: usize) -> Result<Self, InspectionError> {
        let count = patches.change.len();
        check("the change of each patch", patches.change, count.max(1))?;
        check(
            "the patches of the picture",
            patches.picture,
            count.saturating_mul(length),
        )?;
        check(
            "the patches of the reference",
            patches.reference,
            count.saturating_mul(length),
        )?;
        let pairs = patches
            .picture
            .chunks_exact(length)
            .zip(patches.reference.chunks_exact(length));
        let changes: Vec<_> = pairs
            .map(|(picture, reference)| minus(&unit(picture), &unit(reference)))
            .collect();
        let mut pooled = vec![0.0; length];
        for (change, weight) in changes.iter().zip(patches.change) {
            let weight = f64::from(weight.max(0.0));
            pooled
                .iter_mut()
                .zip(change)
                .for_each(|(sum, value)| *sum += weight * value);
        }
        Ok(Self { changes, pooled })
    }

    fn strongest(&self, along: &[f64]) -> f64 {
        let length = dot(along, along).sqrt().max(f64::MIN_POSITIVE);
        self.changes
            .iter()
            .map(|change| dot(change, along) / length)
            .fold(f64::NEG_INFINITY, f64::max)
    }
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
