//! What OK pictures show at each place, for parts that lie in the same way in every picture.
//!
//! A part that is missing leaves a surface that is good anywhere else, and a faint mark on a plain surface looks like an
//! edge elsewhere. Only what belongs at that place tells.

use super::moments::Moments;
use super::patches::Patches;
use ndarray::{Array2, Zip};
use serde::{Deserialize, Serialize};

/// Added to the variance of a channel at one place, as a share of its variance over all places, with `MANY` images or more.
/// Fewer say less about the variance at a place: the share is the larger, up to `MANY` times as large for one image.
const SHARE: f32 = 0.02;
const MANY: f32 = 10.0;

/// Sums over OK pictures, a place: a Gaussian with a variance for each channel can be fitted to them (PaDiM, arXiv
/// 2011.08785), and a picture can be taken out again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Places {
    /// Pictures that show the place.
    counts: Vec<f32>,
    /// `[channels, places]`.
    sums: Array2<f32>,
    /// Of squares.
    squares: Array2<f32>,
}

/// A Gaussian a place.
#[derive(Debug, Clone)]
pub struct PlaceGaussians {
    is_known: Vec<bool>,
    /// `[channels, places]`.
    means: Array2<f32>,
    /// 1 / variance / number of channels.
    weights: Array2<f32>,
}

impl Places {
    /// Of no picture.
    #[must_use]
    pub fn none(channels: usize, places: usize) -> Self {
        Self {
            counts: vec![0.0; places],
            sums: Array2::zeros((channels, places)),
            squares: Array2::zeros((channels, places)),
        }
    }

    /// Adds the patches of an OK picture.
    pub fn add(&mut self, patches: &Patches) {
        self.scaled(patches, 1.0);
    }

    /// Takes out a picture that was added before.
    pub fn remove(&mut self, patches: &Patches) {
        self.scaled(patches, -1.0);
    }

    fn scaled(&mut self, patches: &Patches, sign: f32) {
        for position in &patches.positions {
            self.counts[*position] += sign;
        }
        let rows = self.sums.rows_mut().into_iter();
        let rows = rows.zip(self.squares.rows_mut());
        for ((mut sums, mut squares), values) in rows.zip(patches.values.rows()) {
            for (position, value) in patches.positions.iter().zip(values) {
                sums[*position] += sign * value;
                squares[*position] += sign * value * value;
            }
        }
    }

    /// Fits a Gaussian to each place. `moments` are those of all places together, and `images` the number of OK images, which
    /// may have been added with copies.
    #[must_use]
    pub fn fit(&self, moments: &Moments, images: u32) -> PlaceGaussians {
        let share = SHARE * (MANY / (images as f32).max(1.0)).max(1.0);
        let (_, covariance) = moments.mean_and_covariance();
        let channels = self.sums.nrows().max(1) as f32;
        let mut means = self.sums.clone();
        let mut weights = self.squares.clone();
        let rows = means.rows_mut().into_iter().zip(weights.rows_mut());
        for ((means, weights), everywhere) in rows.zip(covariance.diag()) {
            // Constant channels: any difference from them is large, and finite.
            let least = (share * *everywhere as f32).max(1e-6);
            Zip::from(means)
                .and(weights)
                .and(ndarray::ArrayView1::from(&self.counts))
                .for_each(|mean, weight, count| {
                    *mean /= count.max(1.0);
                    let about_mean = (*weight / count.max(1.0) - *mean * *mean).max(0.0);
                    let variance = about_mean * count / (count - 1.0).max(1.0);
                    *weight = 1.0 / (variance + least) / channels;
                });
        }
        PlaceGaussians {
            is_known: self.counts.iter().map(|count| *count > 0.5).collect(),
            means,
            weights,
        }
    }
}

impl PlaceGaussians {
    /// The logarithm of each patch's squared distance from the mean of OK patches at its place, a channel, in units of the
    /// variance there: about 0 where all is OK. `None` at places that no OK picture shows.
    #[must_use]
    pub fn distances(&self, patches: &Patches) -> Vec<Option<f32>> {
        let mut sums = vec![1e-6_f32; patches.len()];
        let rows = self.means.rows().into_iter().zip(self.weights.rows());
        for ((means, weights), values) in rows.zip(patches.values.rows()) {
            for ((sum, position), value) in sums.iter_mut().zip(&patches.positions).zip(values) {
                *sum += weights[*position] * (value - means[*position]).powi(2);
            }
        }
        let known = |(sum, position): (f32, &usize)| {
            self.is_known[*position].then(|| sum.min(f32::MAX).ln())
        };
        sums.into_iter()
            .zip(&patches.positions)
            .map(known)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspection::feature_map::{FeatureMap, Shape};
    use crate::inspection::reference::Sampling;
    use proptest::prelude::*;

    const SHAPE: Shape = Shape {
        channels: 3,
        height: 4,
        width: 5,
    };

    fn patches(seed: u64, keep: Option<&[bool]>) -> Patches {
        let mut random = fastrand::Rng::with_seed(seed);
        let values: Vec<_> = (0..60).map(|i| (i % 7) as f32 + random.f32()).collect();
        let sampling = Sampling {
            border: 0,
            ..Sampling::default()
        };
        let map = FeatureMap::new(SHAPE, &values).expect("the length is right");
        Patches::new(&map, &sampling, keep).expect("there are patches")
    }

    fn all(seeds: std::ops::Range<u64>) -> (Places, Moments) {
        let (mut places, mut moments) = (Places::none(3, 20), Moments::none(3));
        for seed in seeds {
            places.add(&patches(seed, None));
            moments.add(&Moments::of(&patches(seed, None)));
        }
        (places, moments)
    }

    proptest! {
        /// Against the definition in float64.
        #[test]
        fn a_distance_is_in_units_of_the_variance_at_its_place(count in 2_u64..9, seed in 100_u64..999) {
            let (places, moments) = all(0..count);
            let asked = patches(seed, None);
            let found = places.fit(&moments, count as u32).distances(&asked);
            let share = 0.02 * 10.0 / count as f64;
            let (_, everywhere) = moments.mean_and_covariance();
            for (place, found) in found.iter().enumerate() {
                let mut sum = 1e-6;
                for channel in 0..3 {
                    let at = |patches: &Patches| f64::from(patches.values[[channel, place]]);
                    let known: Vec<_> = (0..count).map(|seed| at(&patches(seed, None))).collect();
                    let mean = known.iter().sum::<f64>() / known.len() as f64;
                    let squares: f64 = known.iter().map(|value| (value - mean).powi(2)).sum();
                    let variance = squares / (known.len() - 1) as f64 + share * everywhere[[channel, channel]];
                    sum += (at(&asked) - mean).powi(2) / variance / 3.0;
                }
                let found = f64::from(found.expect("all places are known"));
                prop_assert!((found - sum.ln()).abs() < 1e-3, "{found} {}", sum.ln());
            }
        }
    }

    #[test]
    fn a_picture_that_is_taken_out_leaves_no_trace() {
        let ((mut more, moments), (fewer, _)) = (all(0..6), all(0..5));
        more.remove(&patches(5, None));
        let asked = patches(50, None);
        let distances = [more, fewer].map(|places| places.fit(&moments, 5).distances(&asked));
        for (a, b) in distances[0].iter().zip(&distances[1]) {
            assert!((a.expect("known") - b.expect("known")).abs() < 1e-3);
        }
    }

    #[test]
    fn places_that_no_picture_shows_have_no_distance() {
        let keep: Vec<_> = (0..20).map(|place| place != 7).collect();
        let mut places = Places::none(3, 20);
        places.add(&patches(1, Some(&keep)));
        let moments = Moments::of(&patches(1, None));
        let found = places.fit(&moments, 1).distances(&patches(2, None));
        let unknown: Vec<_> = (0..20).filter(|place| found[*place].is_none()).collect();
        assert_eq!(unknown, [7]);
    }
}
