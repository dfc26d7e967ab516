//! From a value a patch to a score a picture.

use super::reference::Grid;

/// Mean of the largest `share` (0..1) of the values, at least of one: high where a small place is off. 0 without values.
#[must_use]
pub fn top(values: &[f32], share: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let count =
        ((share.clamp(0.0, 1.0) * values.len() as f64).round() as usize).clamp(1, values.len());
    let mut values = values.to_vec();
    let (before, nth, _) = values.select_nth_unstable_by(count - 1, |a, b| b.total_cmp(a));
    (before.iter().map(|value| f64::from(*value)).sum::<f64>() + f64::from(*nth)) / count as f64
}

/// Mean of the values: high where the whole picture is a little off. 0 without values.
#[must_use]
pub fn mean(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len().max(1) as f64
}

/// The mean of each patch and its up to eight neighbours on the grid, as far as they are compared: a single loud patch is
/// noise, a group of them is a defect.
///
/// `positions` are those of the values in the grid, rising.
#[must_use]
pub fn smoothed(values: &[f32], positions: &[usize], grid: &Grid) -> Vec<f32> {
    let (rows, columns) = (grid.rows, grid.columns);
    // Value and number, a position.
    let mut plane = vec![(0.0_f32, 0.0_f32); rows * columns];
    for (value, position) in values.iter().zip(positions) {
        plane[*position] = (*value, 1.0);
    }
    let sum = |a: (f32, f32), b: &(f32, f32)| (a.0 + b.0, a.1 + b.1);
    let mut across = plane.clone();
    for (to, from) in across
        .chunks_exact_mut(columns)
        .zip(plane.chunks_exact(columns))
    {
        for (column, to) in to.iter_mut().enumerate() {
            let window = &from[column.saturating_sub(1)..(column + 2).min(columns)];
            *to = window.iter().fold((0.0, 0.0), sum);
        }
    }
    let one = |position: &usize| {
        let (row, column) = (position / columns, position % columns);
        let window = row.saturating_sub(1)..(row + 2).min(rows);
        let (total, count) = window
            .map(|row| across[row * columns + column])
            .fold((0.0, 0.0), |a, b| sum(a, &b));
        total / count.max(1.0)
    };
    positions.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspection::{Shape, reference::Sampling};
    use proptest::prelude::*;

    #[test]
    fn the_top_share_is_of_one_value_at_least() {
        let values = [3.0, 1.0, 2.0, 0.0];
        assert_eq!(
            (
                top(&values, 0.002),
                top(&values, 0.5),
                top(&values, 1.0),
                top(&[], 0.5)
            ),
            (3.0, 2.5, 1.5, 0.0)
        );
        assert_eq!((mean(&values), mean(&[])), (1.5, 0.0));
    }

    proptest! {
        /// Against the definition, with holes.
        #[test]
        fn smoothing_is_the_mean_of_compared_neighbours(
            rows in 1_usize..6, columns in 1_usize..6, keep in any::<u64>(), seed in 1_u64..9999,
        ) {
            let shape = Shape { channels: 1, height: rows, width: columns };
            let grid = Grid::new(shape, &Sampling { border: 0, ..Sampling::default() });
            let positions: Vec<_> = (0..rows * columns).filter(|i| keep >> i & 1 == 1).collect();
            let mut random = fastrand::Rng::with_seed(seed);
            let values: Vec<_> = positions.iter().map(|_| random.f32()).collect();
            let smooth = smoothed(&values, &positions, &grid);
            for (index, position) in positions.iter().enumerate() {
                let near = positions.iter().zip(&values).filter(|(other, _)| {
                    (*other / columns).abs_diff(position / columns) <= 1 && (*other % columns).abs_diff(position % columns) <= 1
                });
                let near: Vec<_> = near.map(|(_, value)| *value).collect();
                let mean = near.iter().sum::<f32>() / near.len() as f32;
                prop_assert!((smooth[index] - mean).abs() < 1e-5);
            }
        }
    }
}
