//! A bounded memory of OK patches, and the distance to the nearest of them.

use super::patches::Patches;
use crate::inspection::error::InspectionError;
use crate::inspection::feature_map::Shape;
use ndarray::{Array2, ArrayView1, Axis, concatenate, linalg::general_mat_mul};
use serde::{Deserialize, Serialize};
use std::ops::Range;

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
        let squares = match self.settings.window {
            Some(window) => self.near(&projected, patches, window, without),
            None => self.anywhere(&projected, without),
        };
        let channels = patches.values.nrows() as f32;
        let logarithm = |(square_distance, own): (f32, ArrayView1<'_, f32>)| {
            let found = square_distance.is_finite();
            let distance = if found { square_distance } else { square(own) };
            (distance.max(0.0) / channels + 1e-6).ln()
        };
        squares
            .into_iter()
            .zip(projected.rows())
            .map(logarithm)
            .collect()
    }

    /// The squared distance of each patch to the nearest remembered one; infinite if there is none. One matrix product.
    fn anywhere(&self, projected: &Array2<f32>, without: Option<u32>) -> Vec<f32> {
        if self.is_empty() {
            return vec![f32::INFINITY; projected.nrows()];
        }
        let mut products = Array2::<f32>::zeros((projected.nrows(), self.kept.nrows()));
        general_mat_mul(1.0, projected, &self.kept.t(), 0.0, &mut products);
        // A patch that is passed over is infinitely far.
        let squares = self.kept.rows().into_iter().zip(&self.origins);
        let squares: Vec<_> = squares
            .map(|(row, origin)| match without == Some(origin.image) {
                true => f32::INFINITY,
                false => square(row),
            })
            .collect();
        let rows = products.as_slice().unwrap_or_default();
        let one = |(products, own): (&[f32], ArrayView1<'_, f32>)| {
            square(own) + least_distance(products, &squares)
        };
        rows.chunks_exact(squares.len())
            .zip(projected.rows())
            .map(one)
            .collect()
    }

    /// The same within the window, and anywhere where the window is empty. Few pairs are near each other, so that single
    /// distances cost less than a product of all with all.
    fn near(
        &self,
        projected: &Array2<f32>,
        patches: &Patches,
        window: usize,
        without: Option<u32>,
    ) -> Vec<f32> {
        let places = self.by_place(patches.grid.shape, without);
        let mut near = Vec::new();
        let mut lonely = Vec::new();
        let mut squares = Vec::with_capacity(patches.len());
        for (index, own) in projected.rows().into_iter().enumerate() {
            let (y, x) = patches.grid.at(patches.positions[index]);
            let around = |at: usize, most: usize| {
                at.saturating_sub(window)..at.saturating_add(window).saturating_add(1).min(most)
            };
            near.clear();
            for row in around(y, patches.grid.shape.height) {
                near.extend(places.of_row(row, around(x, patches.grid.shape.width)));
            }
            if near.is_empty() {
                lonely.push(index);
            }
            squares.push(nearest(own, &self.kept, &near));
        }
        let anywhere = self.anywhere(&projected.select(Axis(0), &lonely), without);
        for (index, found) in lonely.into_iter().zip(anywhere) {
            squares[index] = found;
        }
        squares
    }

    /// Where the remembered patches lie in maps of this shape, but those of the image `without`.
    fn by_place(&self, shape: Shape, without: Option<u32>) -> ByPlace {
        let cell = |origin: &Origin| {
            let (row, column) = (origin.row as usize, origin.column as usize);
            let is_known = without != Some(origin.image);
            (is_known && row < shape.height && column < shape.width)
                .then_some(row * shape.width + column)
        };
        let mut sorted: Vec<_> = self.origins.iter().map(cell).enumerate().collect();
        sorted.retain(|(_, cell)| cell.is_some());
        sorted.sort_by_key(|(_, cell)| *cell);
        let before = |limit: usize| sorted.partition_point(|(_, cell)| *cell < Some(limit));
        ByPlace {
            width: shape.width,
            first: (0..=shape.height * shape.width).map(before).collect(),
            patches: sorted.iter().map(|(index, _)| *index).collect(),
        }
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

/// Remembered patches by their place.
struct ByPlace {
    /// Columns of the map.
    width: usize,
    /// For each place, row by row, and one more, the index in `patches` of the first patch that lies there or beyond.
    first: Vec<usize>,
    /// The patches, in the order of their places.
    patches: Vec<usize>,
}

impl ByPlace {
    /// The patches in some columns of a row.
    fn of_row(&self, row: usize, columns: Range<usize>) -> &[usize] {
        let place = |column: usize| self.first[row * self.width + column];
        &self.patches[place(columns.start)..place(columns.end)]
    }
}

/// The least of `square - 2 * product`, eight at a time; infinite if there are none.
fn least_distance(products: &[f32], squares: &[f32]) -> f32 {
    let (products, squares) = (products.as_chunks::<8>(), squares.as_chunks::<8>());
    let mut least = [f32::INFINITY; 8];
    for (products, squares) in products.0.iter().zip(squares.0) {
        for lane in 0..8 {
            least[lane] = least[lane].min(squares[lane] - 2.0 * products[lane]);
        }
    }
    let rest = products.1.iter().zip(squares.1);
    let rest = rest.map(|(product, square)| square - 2.0 * product);
    least.into_iter().chain(rest).fold(f32::INFINITY, f32::min)
}

/// The squared distance to the nearest of some rows; infinite if there are none.
fn nearest(own: ArrayView1<'_, f32>, rows: &Array2<f32>, among: &[usize]) -> f32 {
    let among = among.iter().map(|index| rows.row(*index));
    among
        .map(|row| distance(own, row))
        .fold(f32::INFINITY, f32::min)
}

fn distance(a: ArrayView1<'_, f32>, b: ArrayView1<'_, f32>) -> f32 {
    match (a.as_slice(), b.as_slice()) {
        (Some(a), Some(b)) => distance_of_slices(a, b),
        _ => a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum(),
    }
}

/// Eight sums at a time.
#[inline]
fn distance_of_slices(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (left, right) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in left.0.iter().zip(right.0) {
        for lane in 0..8 {
            sums[lane] += (a[lane] - b[lane]) * (a[lane] - b[lane]);
        }
    }
    let rest = left.1.iter().zip(right.1);
    sums.iter().sum::<f32>() + rest.map(|(a, b)| (a - b).powi(2)).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspection::feature_map::{FeatureMap, Shape};
    use crate::inspection::reference::Sampling;
    use proptest::prelude::*;

    const SHAPE: Shape = Shape {
        channels: 5,
        height: 7,
        width: 9,
    };

    fn patches(seed: u64) -> Patches {
        let mut random = fastrand::Rng::with_seed(seed);
        let values: Vec<_> = (0..5 * 7 * 9).map(|_| random.f32()).collect();
        let map = FeatureMap::new(SHAPE, &values).expect("finite");
        let everywhere = Sampling {
            border: 0,
            ..Sampling::default()
        };
        Patches::new(&map, &everywhere, None).expect("some")
    }

    fn memory(most: usize, window: Option<usize>) -> Memory {
        let settings = MemorySettings {
            most,
            dimensions: 5,
            window,
            ..MemorySettings::default()
        };
        let mut memory = Memory::new(5, settings).expect("in range");
        memory.add(&patches(1), 0);
        memory.add(&patches(2), 1);
        memory
    }

    /// The two ways of searching agree where the window is the whole picture, and where it is empty.
    #[test]
    fn a_window_over_everything_finds_what_is_found_anywhere() {
        for without in [None, Some(1)] {
            let anywhere = memory(1000, None).distances(&patches(3), without);
            for window in [9, usize::MAX] {
                let near = memory(1000, Some(window)).distances(&patches(3), without);
                for (a, b) in anywhere.iter().zip(&near) {
                    assert!((a - b).abs() < 1e-3, "{a} {b}");
                }
            }
        }
        // One patch is remembered, which is within the window of few others and compared with all.
        let (anywhere, near) = (memory(1, None), memory(1, Some(1)));
        let pairs = anywhere.distances(&patches(3), None);
        for (a, b) in pairs.iter().zip(near.distances(&patches(3), None)) {
            assert!((a - b).abs() < 1e-3, "{a} {b}");
        }
    }

    proptest! {
        /// Against all pairs.
        #[test]
        fn the_nearest_within_the_window_is_found(
            most in 1_usize..130, window in 0_usize..5, seeds in (10_u64..99, 100_u64..199), is_held_out in any::<bool>(),
        ) {
            let without = is_held_out.then_some(1);
            let (memory, asked) = (memory(most, Some(window)), patches(seeds.0 + seeds.1));
            let projected = memory.project(&asked);
            let found = memory.distances(&asked, without);
            for (index, found) in found.into_iter().enumerate() {
                let (y, x) = asked.grid.at(asked.positions[index]);
                let to = |number: usize| distance(projected.row(index), memory.kept.row(number));
                let known = (0..memory.len()).filter(|number| without != Some(memory.origins[*number].image));
                let near = known.clone().filter(|number| {
                    let origin = &memory.origins[*number];
                    (origin.row as usize).abs_diff(y) <= window && (origin.column as usize).abs_diff(x) <= window
                });
                let mut nearest = near.map(to).fold(f32::INFINITY, f32::min);
                if !nearest.is_finite() {
                    nearest = known.map(to).fold(f32::INFINITY, f32::min);
                }
                if !nearest.is_finite() {
                    nearest = square(projected.row(index));
                }
                let wanted = (nearest / 5.0 + 1e-6).ln();
                prop_assert!((found - wanted).abs() < 1e-3, "{found} {wanted}");
            }
        }
    }

    #[test]
    fn with_nothing_to_compare_it_with_a_patch_is_as_far_as_it_is_long() {
        for window in [None, Some(2)] {
            let settings = MemorySettings {
                window,
                ..MemorySettings::default()
            };
            let empty = Memory::new(5, settings).expect("in range");
            let only_own = {
                let mut memory = empty.clone();
                memory.add(&patches(1), 0);
                memory
            };
            for (memory, without) in [(empty, None), (only_own, Some(0))] {
                let (asked, projected) = (patches(3), memory.project(&patches(3)));
                let found = memory.distances(&asked, without);
                assert_eq!(found.len(), asked.len());
                for (found, own) in found.into_iter().zip(projected.rows()) {
                    assert!((found - (square(own) / 5.0 + 1e-6).ln()).abs() < 1e-4);
                }
            }
        }
    }

    #[test]
    fn a_narrow_window_finds_the_same_place_only() {
        let near = memory(1000, Some(0)).distances(&patches(1), None);
        assert!(near.iter().all(|distance| *distance < -10.0), "{near:?}");
        // Without its own image each patch is compared with the one at its place of the other.
        let other = memory(1000, Some(0)).distances(&patches(1), Some(0));
        let anywhere = memory(1000, None).distances(&patches(1), Some(0));
        assert!(other.iter().zip(&anywhere).all(|(a, b)| a >= &(b - 1e-3)));
        assert!(other.iter().zip(&anywhere).any(|(a, b)| a > &(b + 0.1)));
    }
}
