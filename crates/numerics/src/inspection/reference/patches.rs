//! The patches of a feature map that are compared: without its border, outside masks, and not more than are needed.

use crate::inspection::error::InspectionError;
use crate::inspection::feature_map::{FeatureMap, Shape};
use crate::inspection::transform::Transform;
use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

const LARGEST: f32 = 1e6;

/// Which patches of a layer are compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// Patches left out at every side. A convolution pads its input there, so these patches differ from all others, and
    /// would be the strongest of every map. 0 where the encoder pads by reflection.
    pub border: usize,
    /// About the most patches of a map, at least 1: above, every second (third, …) row and column is read. Time is
    /// proportional to it.
    pub most: usize,
    /// Numbers are limited to this range before they are compared, as an activation such as ReLU6 (0..6) does; never
    /// beyond ±1e6, so that no square leaves float32.
    pub clamp: Option<(f32, f32)>,
    /// The pixel of the encoder's input, from its left and from its top, on which the first patch of the map is centred.
    /// `None`: the middle of the pixels that are the patch's share of the input.
    pub offset: Option<usize>,
}

impl Default for Sampling {
    /// A border of 1, at most 4096 patches, no limits.
    fn default() -> Self {
        Self {
            border: 1,
            most: 4096,
            clamp: None,
            offset: None,
        }
    }
}

/// The rows and columns of a map of a given shape that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Shape of the map.
    pub shape: Shape,
    /// The first row and column.
    pub border: usize,
    /// Distance between rows, and between columns.
    pub step: usize,
    /// Rows of the grid, at least 1.
    pub rows: usize,
    /// Columns of the grid, at least 1.
    pub columns: usize,
    /// See [`Sampling::offset`].
    pub offset: Option<usize>,
}

impl Grid {
    /// Lays the grid. The border is left out only where something remains.
    #[must_use]
    pub fn new(shape: Shape, sampling: &Sampling) -> Self {
        let fits = shape.height.min(shape.width) > 2 * sampling.border;
        let border = if fits { sampling.border } else { 0 };
        let (height, width) = (shape.height - 2 * border, shape.width - 2 * border);
        let mut step = 1;
        while height.div_ceil(step) * width.div_ceil(step) > sampling.most.max(1) {
            step += 1;
        }
        Self {
            shape,
            border,
            step,
            rows: height.div_ceil(step),
            columns: width.div_ceil(step),
            offset: sampling.offset,
        }
    }

    /// From a column and row of the map to the pixel on which that patch is centred, of an input of this width and height.
    #[must_use]
    pub fn to_input(&self, input: (usize, usize)) -> Transform {
        let even = Transform::resize((self.shape.width, self.shape.height), input);
        let Some(offset) = self.offset else {
            return even;
        };
        let (x, y) = even.apply(0.0, 0.0);
        even.then(&Transform::shift(offset as f64 - x, offset as f64 - y))
    }

    /// Number of positions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows * self.columns
    }

    /// Whether there is none: never.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The quarter of the grid that a position lies in, 0..3.
    pub(super) fn quarter(&self, position: usize) -> usize {
        let (row, column) = (position / self.columns, position % self.columns);
        usize::from(2 * row >= self.rows) * 2 + usize::from(2 * column >= self.columns)
    }

    /// Row and column of the map at a position of the grid.
    #[must_use]
    pub fn at(&self, position: usize) -> (usize, usize) {
        (
            self.border + position / self.columns * self.step,
            self.border + position % self.columns * self.step,
        )
    }
}

/// The compared patches of one map.
#[derive(Debug, Clone)]
pub struct Patches {
    /// `[channels, patches]`.
    pub(super) values: Array2<f32>,
    /// Position in the grid of each patch, rising.
    pub(super) positions: Vec<usize>,
    pub(super) grid: Grid,
}

impl Patches {
    /// Takes the patches of `map` at the positions of the grid for which `keep` (a value a position) holds.
    pub fn new(
        map: &FeatureMap<'_>,
        sampling: &Sampling,
        keep: Option<&[bool]>,
    ) -> Result<Self, InspectionError> {
        let shape = map.shape();
        let grid = Grid::new(shape, sampling);
        if let Some(keep) = keep.filter(|keep| keep.len() != grid.len()) {
            return Err(InspectionError::Length {
                what: "the mask of a layer",
                expected: grid.len(),
                found: keep.len(),
            });
        }
        let kept = |position: &usize| keep.is_none_or(|keep| keep[*position]);
        let positions: Vec<_> = (0..grid.len()).filter(kept).collect();
        if positions.is_empty() {
            return Err(InspectionError::no_patch());
        }
        let offsets: Vec<_> = positions
            .iter()
            .map(|position| grid.at(*position))
            .map(|(y, x)| y * shape.width + x)
            .collect();
        let (low, high) = sampling.clamp.unwrap_or((-LARGEST, LARGEST));
        let (low, high) = (low.max(-LARGEST), high.min(LARGEST));
        let mut values = Array2::zeros((shape.channels, positions.len()));
        for (channel, mut to) in values.rows_mut().into_iter().enumerate() {
            let plane = map.plane(channel);
            for (to, offset) in to.iter_mut().zip(&offsets) {
                *to = plane[*offset].max(low).min(high);
            }
        }
        Ok(Self {
            values,
            positions,
            grid,
        })
    }

    /// Those at the positions for which `keep` holds; `None` if there is none.
    pub(super) fn part(&self, keep: impl Fn(usize) -> bool) -> Option<Self> {
        let columns: Vec<_> = (0..self.len())
            .filter(|column| keep(self.positions[*column]))
            .collect();
        (!columns.is_empty()).then(|| Self {
            values: self.values.select(Axis(1), &columns),
            positions: columns
                .iter()
                .map(|column| self.positions[*column])
                .collect(),
            grid: self.grid,
        })
    }

    /// Number of patches, at least 1.
    pub(super) fn len(&self) -> usize {
        self.positions.len()
    }
}
