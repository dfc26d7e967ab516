//! Sums over patches, from which a Gaussian is fitted: they can be added, and an image can be taken out again.

use super::patches::Patches;
use ndarray::{Array1, Array2, ArrayView2, Axis, linalg::general_mat_mul};
use serde::{Deserialize, Serialize};

/// Number, sum and sum of outer products of the patches of any number of images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    pub(super) count: f64,
    pub(super) sum: Array1<f64>,
    pub(super) products: Array2<f64>,
}

impl Moments {
    /// Of no patch at all.
    #[must_use]
    pub fn none(channels: usize) -> Self {
        Self {
            count: 0.0,
            sum: Array1::zeros(channels),
            products: Array2::zeros((channels, channels)),
        }
    }

    /// Of the patches of one image.
    #[must_use]
    pub fn of(patches: &Patches) -> Self {
        Self::of_columns(patches.values.view())
    }

    /// Of columns. Products are taken about the mean of these columns: about 0, a mean that is large beside the spread
    /// would leave nothing of the spread in float32.
    pub(super) fn of_columns(columns: ArrayView2<'_, f32>) -> Self {
        let channels = columns.nrows();
        let count = columns.ncols() as f64;
        let sum = columns.map_axis(Axis(1), |row| {
            row.iter().map(|value| f64::from(*value)).sum::<f64>()
        });
        let mut centred = columns.to_owned();
        for (mut row, sum) in centred.rows_mut().into_iter().zip(&sum) {
            let mean = (sum / count.max(1.0)) as f32;
            row.iter_mut().for_each(|value| *value -= mean);
        }
        let mut about_mean = Array2::<f32>::zeros((channels, channels));
        general_mat_mul(1.0, &centred, &centred.t(), 0.0, &mut about_mean);
        let mut products = about_mean.mapv(f64::from);
        for ((i, j), product) in products.indexed_iter_mut() {
            let (a, b) = (
                f64::from((sum[i] / count.max(1.0)) as f32),
                f64::from((sum[j] / count.max(1.0)) as f32),
            );
            // Σ xy = Σ (x − a)(y − b) + b Σ x + a Σ y − n a b
            *product += b * sum[i] + a * sum[j] - count * a * b;
        }
        Self {
            count,
            sum,
            products,
        }
    }

    /// Adds those of other patches.
    pub fn add(&mut self, other: &Self) {
        self.scaled(other, 1.0);
    }

    /// Takes out patches that were added before.
    pub fn remove(&mut self, other: &Self) {
        self.scaled(other, -1.0);
    }

    fn scaled(&mut self, other: &Self, sign: f64) {
        self.count += sign * other.count;
        self.sum.scaled_add(sign, &other.sum);
        self.products.scaled_add(sign, &other.products);
    }

    /// Mean and covariance.
    pub(super) fn mean_and_covariance(&self) -> (Array1<f64>, Array2<f64>) {
        let mean = &self.sum / self.count.max(1.0);
        let mut covariance = &self.products / self.count.max(1.0);
        for ((i, j), value) in covariance.indexed_iter_mut() {
            *value -= mean[i] * mean[j];
        }
        (mean, covariance)
    }
}
