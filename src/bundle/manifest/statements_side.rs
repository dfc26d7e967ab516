//! How statements about a change are ranked: weights that were fitted at export.

use serde::{Deserialize, Serialize};

use crate::inspection::statements::{Feature, Weights};

/// The section `statements` of a manifest.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatementsSide {
    weights: ByName,
    /// Scores that the training computed; [`Golden::check_scores`](crate::bundle::golden::Golden::check_scores) computes them again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub golden: Option<GoldenScores>,
}

/// Statements about one golden image beside another one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenScores {
    /// Index of the golden image that the statements are about.
    pub picture: usize,
    /// Index of the golden image in the place of the golden sample.
    pub reference: usize,
    /// Indices of the golden texts that are the statements.
    pub texts: Vec<usize>,
    /// Index of the golden text that is true of the golden sample.
    pub reference_text: usize,
    /// The score of each statement.
    pub scores: Vec<f64>,
}

/// The weight of each [`Feature`], by its name.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ByName {
    text_difference: f64,
    direction: f64,
    change_along: f64,
    not_of_reference: f64,
    same: f64,
}

impl StatementsSide {
    /// The weights.
    #[must_use]
    pub fn weights(&self) -> Weights {
        Weights(Feature::ALL.map(|feature| match feature {
            Feature::TextDifference => self.weights.text_difference,
            Feature::Direction => self.weights.direction,
            Feature::ChangeAlong => self.weights.change_along,
            Feature::NotOfReference => self.weights.not_of_reference,
            Feature::Same => self.weights.same,
        }))
    }

    /// Checks the section by itself.
    pub(super) fn check(&self) -> Result<(), String> {
        let weights = Feature::ALL.iter().zip(self.weights().0);
        for (feature, weight) in weights {
            if !weight.is_finite() || weight.abs() > LARGEST {
                return Err(format!(
                    "statements.weights.{}: {weight} is outside -{LARGEST}..{LARGEST}",
                    feature.name()
                ));
            }
        }
        Ok(())
    }
}

/// Largest absolute weight: with a larger one a score might be no number.
const LARGEST: f64 = 1e6;
