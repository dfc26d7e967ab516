//! One Gaussian over the OK patches of a layer: how far a patch is from it, what of a patch lies outside its main
//! directions, and how the patches of a whole picture are spread compared with it.

use super::moments::Moments;
use super::patches::Patches;
use crate::inspection::error::InspectionError;
use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2, Axis, linalg::general_mat_mul};

/// Added to the covariance of a picture before its logarithm is taken, in units of the OK variance.
const FLOOR: f64 = 1e-3;

/// A fitted Gaussian, in the form that scoring needs: a whitening that is sorted by variance.
#[derive(Debug, Clone)]
pub struct Gaussian {
    /// `[channels, channels]`: row i is eigenvector i divided by its standard deviation, largest variance first.
    whitening: Array2<f32>,
    /// The whitened mean.
    offset: Array1<f32>,
    /// Variance of each row, with the ridge.
    variances: Vec<f32>,
    /// Rows from here on are outside the main directions.
    main: usize,
}

/// Patches in units of the OK patches: `[channels, patches]`, mean 0 and variance 1 where all is OK.
#[derive(Debug, Clone)]
pub struct Whitened(Array2<f32>);

impl Whitened {
    /// The patches for which `keep` holds, by their index; `None` if there is none.
    #[must_use]
    pub fn part(&self, keep: impl Fn(usize) -> bool) -> Option<Self> {
        let columns: Vec<_> = (0..self.0.ncols()).filter(|column| keep(*column)).collect();
        (!columns.is_empty()).then(|| Self(self.0.select(Axis(1), &columns)))
    }

    /// The squared distance of the mean of all patches from that of OK patches, a channel: 0 where they agree. A small change
    /// of the whole picture moves the mean by more than chance does, long before a single patch stands out.
    #[must_use]
    pub fn shift(&self) -> f64 {
        let (channels, patches) = self.0.dim();
        let mean = |row: ndarray::ArrayView1<'_, f32>| {
            row.iter().map(|value| f64::from(*value)).sum::<f64>() / patches.max(1) as f64
        };
        let squares = self.0.rows().into_iter().map(|row| mean(row).powi(2));
        squares.sum::<f64>() / channels.max(1) as f64
    }
}

impl Gaussian {
    /// Fits the Gaussian (PaDiM, arXiv 2011.08785, with one for all positions) with a `ridge` that is a share of the mean
    /// variance; the main directions hold `explained` (0..1) of the variance (SubspaceAD, arXiv 2602.23013).
    pub fn fit(moments: &Moments, ridge: f64, explained: f64) -> Result<Self, InspectionError> {
        if moments.count < 1.0 {
            return Err(InspectionError::NoReference);
        }
        let (mean, covariance) = moments.mean_and_covariance();
        let channels = mean.len();
        let total: f64 = covariance
            .diag()
            .iter()
            .map(|variance| variance.max(0.0))
            .sum();
        // Constant patches have no variance: any difference from them is then large, and finite.
        let ridge = (ridge * total / channels as f64).max(1e-9);
        let matrix = DMatrix::from_fn(channels, channels, |i, j| {
            (covariance[[i, j]] + covariance[[j, i]]) / 2.0
        });
        let eigen = SymmetricEigen::try_new(matrix, 1e-12, 10_000)
            .filter(|eigen| eigen.eigenvalues.iter().all(|value| value.is_finite()))
            .ok_or(InspectionError::Numeric(
                "the covariance of the reference patches",
            ))?;
        let mut order: Vec<_> = (0..channels).collect();
        order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
        let variance = |index: &usize| eigen.eigenvalues[*index].max(0.0);
        let mut held = 0.0;
        let main = order.iter().take_while(|index| {
            let before = held;
            held += variance(index);
            before < explained * total
        });
        let main = main.count();
        let mut whitening = Array2::zeros((channels, channels));
        let mut offset = Array1::zeros(channels);
        for (row, index) in order.iter().enumerate() {
            let scale = 1.0 / (variance(index) + ridge).sqrt();
            let mut along = 0.0;
            for channel in 0..channels {
                let weight = eigen.eigenvectors[(channel, *index)] * scale;
                whitening[[row, channel]] = weight as f32;
                along += weight * mean[channel];
            }
            offset[row] = along as f32;
        }
        let variances = order
            .iter()
            .map(|index| (variance(index) + ridge) as f32)
            .collect();
        Ok(Self {
            whitening,
            offset,
            variances,
            main,
        })
    }

    /// Whitens patches: one matrix product, the largest cost of a comparison.
    #[must_use]
    pub fn whiten(&self, patches: &Patches) -> Whitened {
        let mut whitened = Array2::zeros(patches.values.raw_dim());
        for (mut row, offset) in whitened.rows_mut().into_iter().zip(&self.offset) {
            row.fill(-offset);
        }
        general_mat_mul(1.0, &self.whitening, &patches.values, 1.0, &mut whitened);
        Whitened(whitened)
    }

    /// The logarithm of the squared Mahalanobis distance of each patch, divided by the number of channels: about 0
    /// where all is OK. A logarithm, so that a rare OK patch does not outweigh many patches that are a little off.
    #[must_use]
    pub fn distances(&self, whitened: &Whitened) -> Vec<f32> {
        let weights = vec![1.0 / self.variances.len() as f32; self.variances.len()];
        weighted_squares(&whitened.0, 0, &weights)
    }

    /// The logarithm of each patch's squared distance from the main directions, in units of its mean: the PCA residual.
    #[must_use]
    pub fn residuals(&self, whitened: &Whitened) -> Vec<f32> {
        let outside = &self.variances[self.main.min(self.variances.len() - 1)..];
        let mean: f32 = outside.iter().sum();
        let weights: Vec<_> = outside.iter().map(|variance| variance / mean).collect();
        weighted_squares(&whitened.0, self.variances.len() - outside.len(), &weights)
    }

    /// Kullback-Leibler divergence of the picture's own Gaussian from this one, a channel: a change of the texture all
    /// over the picture, in which no single patch stands out. It falls with the number of patches, so only numbers of
    /// pictures with about as many can be compared.
    pub fn divergence(&self, whitened: &Whitened) -> Result<f64, InspectionError> {
        let (mean, covariance) = Moments::of_columns(whitened.0.view()).mean_and_covariance();
        let channels = mean.len();
        // Beside large variances, float32 leaves small ones uncertain.
        let floor = FLOOR
            + 1e-5
                * covariance
                    .diag()
                    .iter()
                    .map(|variance| variance.abs())
                    .sum::<f64>();
        let matrix = DMatrix::from_fn(channels, channels, |i, j| {
            (covariance[[i, j]] + covariance[[j, i]]) / 2.0 + if i == j { floor } else { 0.0 }
        });
        let trace = matrix.trace();
        let logarithm = 2.0
            * matrix
                .cholesky()
                .ok_or(InspectionError::Numeric(
                    "the covariance of the picture's patches",
                ))?
                .l_dirty()
                .diagonal()
                .iter()
                .map(|value| value.ln())
                .sum::<f64>();
        let shift: f64 = mean.iter().map(|value| value * value).sum();
        Ok((trace - channels as f64 - logarithm + shift) / 2.0 / channels as f64)
    }
}

/// ln Σ weight · square over the rows from `first` on, a column.
fn weighted_squares(whitened: &Array2<f32>, first: usize, weights: &[f32]) -> Vec<f32> {
    let mut sums = vec![1e-6_f32; whitened.ncols()];
    for (row, weight) in whitened.axis_iter(Axis(0)).skip(first).zip(weights) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += weight * value * value;
        }
    }
    // A value beyond float32's range squares to infinity; the largest number is as far as anything can be.
    sums.iter().map(|sum| sum.min(f32::MAX).ln()).collect()
}
