//! The values of all layers at the positions of one grid, and between them.

use std::ops::Range;

use super::reference::PatchMap;
use super::transform::Transform;

/// All layers at the positions of the finest grid.
pub(super) struct Plane {
    pub(super) columns: usize,
    rows: usize,
    values: Vec<f32>,
    /// From a pixel of the encoder's input to column and row.
    pub(super) from_input: Transform,
}

impl Plane {
    pub(super) fn joined(finest: &PatchMap, layers: &[PatchMap], input: (usize, usize)) -> Self {
        let mut plane = Self::of(finest, input);
        let Some(to_input) = plane.from_input.inverse() else {
            return plane;
        };
        for layer in layers.iter().filter(|layer| !std::ptr::eq(*layer, finest)) {
            let other = Self::of(layer, input);
            let way = to_input.then(&other.from_input);
            for row in 0..plane.rows {
                for column in 0..plane.columns {
                    let (x, y) = way.apply(column as f64, row as f64);
                    let value = &mut plane.values[row * plane.columns + column];
                    *value = value.max(other.at(x as f32, y as f32));
                }
            }
        }
        plane
    }

    fn of(layer: &PatchMap, input: (usize, usize)) -> Self {
        let grid = &layer.grid;
        // It neither flattens nor is infinite: a grid has a patch, and so has the input.
        let patches = grid
            .to_input(input)
            .inverse()
            .unwrap_or(Transform::IDENTITY);
        let (border, step) = (grid.border as f64, 1.0 / grid.step as f64);
        let to_grid = Transform([[step, 0.0, -border * step], [0.0, step, -border * step]]);
        Self {
            columns: grid.columns,
            rows: grid.rows,
            values: layer
                .values
                .iter()
                .map(|value| value.unwrap_or(0.0))
                .collect(),
            from_input: patches.then(&to_grid),
        }
    }

    /// The columns and rows of a picture outside of which all is below `least`; `way` takes its pixels to columns and rows of
    /// the grid.
    pub(super) fn pixels_around(
        &self,
        least: f32,
        way: &Transform,
        (width, height): (usize, usize),
    ) -> (Range<usize>, Range<usize>) {
        let hot = |(_, value): &(usize, &f32)| **value >= least;
        let places = self.values.iter().enumerate().filter(hot);
        let (mut across, mut down) = (Extent::default(), Extent::default());
        for (position, _) in places {
            across.add(position % self.columns, self.columns);
            down.add(position / self.columns, self.rows);
        }
        let (Some(back), true) = (way.inverse(), across.first < across.end) else {
            return match across.first < across.end {
                true => (0..width, 0..height),
                false => (0..0, 0..0),
            };
        };
        let corners =
            [across.first, across.end].map(|x| [down.first, down.end].map(|y| back.apply(x, y)));
        let corners = corners.as_flattened();
        let range = |of: fn(&(f64, f64)) -> f64, side: usize| {
            let least = corners.iter().map(of).fold(f64::INFINITY, f64::min);
            let most = corners.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
            // A cast keeps what a number may be: 0 and more.
            let first = (least.floor() as usize).min(side);
            first..(most.ceil() as usize).saturating_add(1).clamp(first, side)
        };
        (range(|at| at.0, width), range(|at| at.1, height))
    }

    /// Linear between the four nearest positions; beyond the outermost ones as they are.
    pub(super) fn at(&self, column: f32, row: f32) -> f32 {
        let (across, down) = (self.column(column), Place::new(row, self.rows));
        let line = |row: usize| across.between(&self.values[row * self.columns..][..self.columns]);
        let (upper, lower) = (line(down.first), line(down.second));
        upper + (lower - upper) * down.share
    }

    pub(super) fn column(&self, column: f32) -> Place {
        Place::new(column, self.columns)
    }

    /// The values at a row, between two rows linear.
    pub(super) fn line(&self, row: f32, line: &mut [f32]) {
        let down = Place::new(row, self.rows);
        let of = |row: usize| &self.values[row * self.columns..][..self.columns];
        for (to, (upper, lower)) in line
            .iter_mut()
            .zip(of(down.first).iter().zip(of(down.second)))
        {
            *to = upper + (lower - upper) * down.share;
        }
    }
}

/// From where to where on an axis of the grid values depend on some of its positions; none if `end` is not above `first`.
struct Extent {
    first: f64,
    end: f64,
}

impl Default for Extent {
    fn default() -> Self {
        Self {
            first: f64::INFINITY,
            end: f64::NEG_INFINITY,
        }
    }
}

impl Extent {
    /// Adds one of `count` positions: between it and the next ones, and all beyond it if it is the outermost.
    fn add(&mut self, position: usize, count: usize) {
        let beyond = 4.0 * count as f64 + 1e4;
        let (at, is_last) = (position as f64, position + 1 == count);
        let first = if position == 0 { -beyond } else { at - 1.0 };
        self.first = self.first.min(first);
        self.end = self.end.max(if is_last { at + beyond } else { at + 1.0 });
    }
}

/// A place on an axis: between which two positions it lies, and what share of the way.
pub(super) struct Place {
    first: usize,
    second: usize,
    share: f32,
}

impl Place {
    fn new(at: f32, count: usize) -> Self {
        let at = at.clamp(0.0, (count - 1) as f32);
        let first = at as usize;
        Self {
            first,
            second: (first + 1).min(count - 1),
            share: at - first as f32,
        }
    }

    pub(super) fn between(&self, line: &[f32]) -> f32 {
        let (first, second) = (line[self.first], line[self.second]);
        first + (second - first) * self.share
    }
}
