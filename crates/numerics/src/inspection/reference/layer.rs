//! The parts of a score that one layer gives.

use super::fitted::{Distances, Fitted};
use super::gaussian::Whitened;
use super::memory::{Memory, MemorySettings};
use super::patches::{Patches, Sampling};
use crate::inspection::aggregate::{mean, smoothed, top};
use crate::inspection::error::InspectionError;
use serde::{Deserialize, Serialize};

/// How a layer is compared. Nothing in it needs a defect.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LayerSettings {
    /// Which patches are compared.
    pub sampling: Sampling,
    /// Added to the variance of every direction, as a share of the mean variance, above 0 to 1.
    pub ridge: f64,
    /// Share of the variance that the main directions hold, 0..1.
    pub explained: f64,
    /// The share of patches that make a peak, 0..1.
    pub peak: f64,
    /// Whether the distance from the main directions is a part.
    pub residual: bool,
    /// Whether the spread of the patches of the whole picture is a part. Costs one more matrix product.
    pub distribution: bool,
    /// Whether the place of the mean of all patches is a part. Costs little beside the others.
    #[serde(default)]
    pub shift: bool,
    /// Whether the distance from what OK pictures show at the same place is a part. For parts that lie in the same way in
    /// every picture.
    #[serde(default)]
    pub places: bool,
    /// Whether the distance to the nearest OK patch is a part.
    pub memory: Option<MemorySettings>,
}

impl Default for LayerSettings {
    /// A ridge of 1e-3, main directions with 99 % of the variance, peaks of 0.2 % of the patches; the distribution, and
    /// neither shift, places, residual nor memory.
    fn default() -> Self {
        Self {
            sampling: Sampling::default(),
            ridge: 1e-3,
            explained: 0.99,
            peak: 0.002,
            residual: false,
            distribution: true,
            shift: false,
            places: false,
            memory: None,
        }
    }
}

impl LayerSettings {
    pub(super) fn check(&self) -> Result<(), InspectionError> {
        let share = |what, found: f64| {
            let holds = (0.0..=1.0).contains(&found);
            holds.then_some(()).ok_or(InspectionError::Range {
                what,
                range: "0 to 1",
                found,
            })
        };
        share("the ridge", self.ridge)?;
        share("the explained share", self.explained)?;
        share("the share of a peak", self.peak)
    }

    /// The parts of this layer, in the order of their scores.
    pub(super) fn kinds(&self) -> Vec<PartKind> {
        let mut kinds = vec![PartKind::Peak, PartKind::Mean];
        if self.residual {
            kinds.extend([PartKind::ResidualPeak, PartKind::ResidualMean]);
        }
        if self.memory.is_some() {
            kinds.extend([PartKind::NearestPeak, PartKind::NearestMean]);
        }
        if self.distribution {
            kinds.push(PartKind::Distribution);
        }
        if self.shift {
            kinds.push(PartKind::Shift);
        }
        if self.places {
            kinds.push(PartKind::PlacePeak);
        }
        kinds
    }

    /// The scores of a picture's patches, and the distances of each patch.
    pub(super) fn scores(
        &self,
        fitted: &Fitted,
        memory: Option<&Memory>,
        patches: &Patches,
        without: Option<u32>,
        spread: Spread,
    ) -> Result<(Vec<f64>, Distances), InspectionError> {
        let gaussian = &fitted.gaussian;
        let whitened = gaussian.whiten(patches);
        let mut parts = Vec::new();
        let mut pair = |distances: &[f32]| {
            let smooth = smoothed(distances, &patches.positions, &patches.grid);
            parts.extend([top(&smooth, self.peak), mean(distances)]);
            smooth
        };
        let smoothed = pair(&gaussian.distances(&whitened));
        if self.residual {
            pair(&gaussian.residuals(&whitened));
        }
        if let (Some(_), Some(memory)) = (self.memory, memory) {
            pair(&memory.distances(patches, without));
        }
        if self.distribution || self.shift {
            let sets = match spread {
                Spread::Whole => vec![whitened],
                Spread::Quarters => {
                    let quarter = |index: usize| patches.grid.quarter(patches.positions[index]);
                    let of = |number| whitened.part(|index| quarter(index) == number);
                    (0..4).filter_map(of).collect()
                }
            };
            // Logarithms, as for all others: what is 100 times as far is not 100 times as bad.
            let mut part = |values: Vec<f64>| {
                let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
                parts.push(mean.max(1e-9).ln());
            };
            if self.distribution {
                let divergences = sets.iter().map(|set| gaussian.divergence(set));
                part(divergences.collect::<Result<_, _>>()?);
            }
            if self.shift {
                part(sets.iter().map(Whitened::shift).collect());
            }
        }
        // Of a single picture, no other shows what belongs at its places.
        let places = fitted.places.as_ref().filter(|_| spread == Spread::Whole);
        let of_places = places.map_or_else(Vec::new, |places| places.distances(patches));
        if self.places {
            let known: Vec<_> = of_places.iter().flatten().copied().collect();
            parts.push(top(&known, self.peak));
        }
        Ok((
            parts,
            Distances {
                smoothed,
                of_places,
            },
        ))
    }
}

/// Over which patches the spread of a picture's patches is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spread {
    /// All of them.
    Whole,
    /// Each quarter of the picture, and then the mean: what compares with held-out quarters.
    Quarters,
}

/// What a part of a score says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PartKind {
    /// Some place is unlike the OK patches (Mahalanobis distance).
    Peak,
    /// All places are a little unlike them.
    Mean,
    /// Some place does not lie in the main directions of the OK patches (PCA residual).
    ResidualPeak,
    /// All places do not quite lie in them.
    ResidualMean,
    /// Some place has no OK patch like it nearby.
    NearestPeak,
    /// All places are a little unlike their nearest OK patches.
    NearestMean,
    /// The patches are spread in another way than those of OK pictures.
    Distribution,
    /// The mean of all patches lies elsewhere than that of OK pictures.
    Shift,
    /// Some place is unlike the same place of OK pictures.
    PlacePeak,
}

impl PartKind {
    /// Its name in answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Peak => "peak",
            Self::Mean => "mean",
            Self::ResidualPeak => "residual_peak",
            Self::ResidualMean => "residual_mean",
            Self::NearestPeak => "nearest_peak",
            Self::NearestMean => "nearest_mean",
            Self::Distribution => "distribution",
            Self::Shift => "shift",
            Self::PlacePeak => "place_peak",
        }
    }
}

/// A part of a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PartName {
    /// Index of the layer among those that are compared.
    pub layer: usize,
    /// What it says.
    pub kind: PartKind,
}
