//! A bounded memory of OK patches, and the distance to the nearest of them.

use super::patches::Patches;
use crate::inspection::error::InspectionError;
use ndarray::{Array2, ArrayView1, Axis, concatenate, linalg::general_mat_mul};
use serde::{Deserialize, Serialize};

/// What is remembered and how it is searched.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MemorySettings {
    /// The most patches that are kept, 1 or more.
    pub most: usize,
    /// Numbers that a patch is projected to, 1 or more: distances are kept within some 1 / √(2 · dimensions).
    pub dimensions: usize,
    /// How far the nearest patch may lie from a patch's own position, in patches of the map. `None`: anywhere. Needs
    /// pictures that are aligned.
    pub window: Option<usize>,
    /// Seed of the projection: the same seed gives the same memory.
    pub seed: u64,
}

impl Default for MemorySettings {
    /// 1024 patches of 48 numbers, found anywhere.
    fn default() -> Self {
        Self {
            most: 1024,
            dimensions: 48,
            window: None,
            seed: 1,
        }
    }
}

/// OK patches, spread as evenly as possible over all that were seen (PatchCore, arXiv 2106.08265).
///
/// Patches are projected by a random matrix (Johnson and Lindenstrauss, 1984) for the choice and for the search alike. When
/// there are too many, those are kept that a greedy k-centre search picks (Sener and Savarese, arXiv 1708.00489).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Memory {
    settings: MemorySettings,
    /// `[dimensions, channels]`.
    projection: Array2<f32>,
    /// `[patches, dimensions]`.
    kept: Array2<f32>,
    origins: Vec<Origin>,
}

/// Where a remembered patch comes from.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Origin {
    image: u32,
    row: u32,
    column: u32,
}

impl Memory {
    /// An empty memory for patches of `channels` numbers.
    pub fn new(channels: usize, settings: MemorySettings) -> Result<Self, InspectionError> {
        let range = |what, found: usize| InspectionError::Range {
            what,
            range: "1 to 65536",
            found: found as f64,
        };
        if !(1..=65_536).contains(&settings.most) {
            return Err(range("the size of the memory", settings.most));
        }
        if !(1..=65_536).contains(&settings.dimensions) {
            return Err(range("the dimensions of the memory", settings.dimensions));
        }
        let dimensions = settings.dimensions.min(channels);
        let mut random = fastrand::Rng::with_seed(settings.seed);
        let scale = 1.0 / (dimensions as f32).sqrt();
        // Signs do as well as normal numbers (Achlioptas, 2003).
        let projection = Array2::from_shape_simple_fn((dimensions, channels), || {
            if random.bool() { scale } else { -scale }
        });
        Ok(Self {
            settings,
            projection,
            kept: Array2::zeros((0, dimensions)),
            origins: Vec::new(),
        })
    }

    /// Remembers the patches of an OK image.
    pub fn add(&mut self, patches: &Patches, image: u32) {
        let projected = self.project(patches);
        let origins = patches.positions.iter().map(|position| {
            let (row, column) = patches.grid.at(*position);
            Origin {
                image,
                row: row as u32,
                column: column as u32,
            }
        });
        self.origins.extend(origins);
        // Rows of equal length always fit together.
        if let Ok(all) = concatenate(Axis(0), &[self.kept.view(), projected.view()]) {
            self.kept = all;
        }
        if self.origins.len() > self.settings.most {
            let chosen = spread(&self.kept, self.settings.most);
            self.kept = self.kept.select(Axis(0), &chosen);
            self.origins = chosen.iter().map(|index| self.origins[*index]).collect();
        }
    }

    /// Number of patches that are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.origins.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// The logarithm of each patch's squared distance to the nearest remembered patch within the window, a channel.
    /// Patches of the image `without` are passed over, for a held-out score. A patch with nothing in its window is compared
    /// with all: of a plain surface few patches are kept, and none may lie near. With nothing at all to compare it with, a
    /// patch is as far as it is long.
    #[must_use]
    pub fn distances(&self, patches: &Patches, without: Option<u32>) -> Vec<f32> {
        let projected = self.project(patches);
        let mut products = Array2::<f32>::zeros((projected.nrows(), self.kept.nrows()));
        general_mat_mul(1.0, &projected, &self.kept.t(), 0.0, &mut products);
        let squares: Vec<_> = self.kept.rows().into_iter().map(square).collect();
        let window = self
            .settings
            .window
            .map_or(u32::MAX, |window| window.min(u32::MAX as usize) as u32);
        let channels = patches.values.nrows() as f32;
        let one = |(index, row): (usize, ArrayView1<'_, f32>)| {
            let own = square(projected.row(index));
            let (y, x) = patches.grid.at(patches.positions[index]);
            let known = |origin: &Origin| without != Some(origin.image);
            let mut nearest = f32::INFINITY;
            if window < u32::MAX {
                nearest = self.nearest(row, &squares, |origin| {
                    origin.row.abs_diff(y as u32) <= window
                        && origin.column.abs_diff(x as u32) <= window
                        && known(origin)
                });
            }
            if nearest.is_infinite() {
                nearest = self.nearest(row, &squares, known);
            }
            let distance = if nearest.is_finite() {
                (own + nearest).max(0.0)
            } else {
                own
            };
            (distance / channels + 1e-6).ln()
        };
        products.rows().into_iter().enumerate().map(one).collect()
    }

    /// The least |m|² − 2 m·p over the remembered patches m that count, from the products m·p of a patch p and the |m|²;
    /// infinite without one.
    fn nearest(
        &self,
        products: ArrayView1<'_, f32>,
        squares: &[f32],
        counts: impl Fn(&Origin) -> bool,
    ) -> f32 {
        let all = products.iter().zip(squares).zip(&self.origins);
        all.filter(|(_, origin)| counts(origin))
            .map(|((product, square), _)| square - 2.0 * product)
            .fold(f32::INFINITY, f32::min)
    }

    /// `[patches, dimensions]`.
    fn project(&self, patches: &Patches) -> Array2<f32> {
        let mut projected = Array2::zeros((patches.len(), self.projection.nrows()));
        general_mat_mul(
            1.0,
            &patches.values.t(),
            &self.projection.t(),
            0.0,
            &mut projected,
        );
        projected
    }
}

/// Indices of `count` rows, each the farthest from all before it; the first is the one farthest from the mean. Rising.
fn spread(rows: &Array2<f32>, count: usize) -> Vec<usize> {
    let mean = rows
        .mean_axis(Axis(0))
        .unwrap_or_else(|| ndarray::Array1::zeros(rows.ncols()));
    let mut nearest: Vec<_> = rows
        .rows()
        .into_iter()
        .map(|row| distance(row, mean.view()))
        .collect();
    let mut chosen = Vec::with_capacity(count);
    for turn in 0..count.min(rows.nrows()) {
        let Some(next) =
            (0..nearest.len()).max_by(|a, b| nearest[*a].total_cmp(&nearest[*b]).then(b.cmp(a)))
        else {
            break;
        };
        if turn == 0 {
            nearest.fill(f32::INFINITY);
        }
        chosen.push(next);
        let centre = rows.row(next);
        for (index, near) in nearest.iter_mut().enumerate() {
            *near = near.min(distance(rows.row(index), centre));
        }
        // Never twice, even among equal rows.
        nearest[next] = f32::NEG_INFINITY;
    }
    chosen.sort_unstable();
    chosen
}

fn square(row: ArrayView1<'_, f32>) -> f32 {
    row.dot(&row)
}

fn distance(a: ArrayView1<'_, f32>, b: ArrayView1<'_, f32>) -> f32 {
    match (a.as_slice(), b.as_slice()) {
        (Some(a), Some(b)) => {
            let mut sums = [0.0_f32; 8];
            let (left, right) = (a.chunks_exact(8), b.chunks_exact(8));
            let rest: f32 = left
                .remainder()
                .iter()
                .zip(right.remainder())
                .map(|(a, b)| (a - b).powi(2))
                .sum();
            for (a, b) in left.zip(right) {
                for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                    *sum += (a - b) * (a - b);
                }
            }
            sums.iter().sum::<f32>() + rest
        }
        _ => a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum(),
    }
}
