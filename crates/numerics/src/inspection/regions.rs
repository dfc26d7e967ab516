//! Places that stand out, as boxes.

use super::components::components;
use super::map::{AnomalyMap, STANDS_OUT};

/// A place of a picture that stands out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Region {
    /// First column, in pixels of the posted picture.
    pub x: usize,
    /// First row.
    pub y: usize,
    /// Columns, at least 1.
    pub width: usize,
    /// Rows, at least 1.
    pub height: usize,
    /// Its largest value of the map, 1 or more.
    pub strength: f32,
    /// Its pixels; fewer than the box has.
    pub area: usize,
}

/// The connected places with values of 1 or more and at least `least_area` pixels, strongest first, at most `most`.
#[must_use]
pub fn regions(map: &AnomalyMap, least_area: usize, most: usize) -> Vec<Region> {
    let found = components(map.width(), map.height(), |pixel| {
        map.values()[pixel] >= STANDS_OUT
    });
    // First and last column and row, and strength.
    let mut boxes = vec![(usize::MAX, usize::MAX, 0, 0, 0.0_f32); found.areas.len()];
    for (pixel, label) in found
        .labels
        .iter()
        .enumerate()
        .filter(|(_, label)| **label != 0)
    {
        let (x, y) = (pixel % map.width(), pixel / map.width());
        let (left, top, right, bottom, strength) = &mut boxes[*label as usize - 1];
        (*left, *top) = ((*left).min(x), (*top).min(y));
        (*right, *bottom) = ((*right).max(x), (*bottom).max(y));
        *strength = strength.max(map.values()[pixel]);
    }
    let large = boxes
        .into_iter()
        .zip(found.areas)
        .filter(|(_, area)| *area >= least_area);
    let mut regions: Vec<_> = large
        .map(|((x, y, right, bottom, strength), area)| Region {
            x,
            y,
            width: right + 1 - x,
            height: bottom + 1 - y,
            strength,
            area,
        })
        .collect();
    regions.sort_by(|a, b| {
        b.strength
            .total_cmp(&a.strength)
            .then((a.y, a.x).cmp(&(b.y, b.x)))
    });
    regions.truncate(most);
    regions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_come_strongest_first_and_bounded() {
        let mut values = vec![0.0; 10 * 8];
        for (x, y, value) in [
            (1, 1, 1.5),
            (2, 2, 1.2),
            (7, 0, 3.0),
            (7, 1, 1.0),
            (9, 7, 2.0),
        ] {
            values[y * 10 + x] = value;
        }
        let map = AnomalyMap::new(10, 8, values).expect("finite");
        let found = regions(&map, 1, 9);
        let boxes: Vec<_> = found
            .iter()
            .map(|r| (r.x, r.y, r.width, r.height, r.area))
            .collect();
        assert_eq!(boxes, [(7, 0, 1, 2, 2), (9, 7, 1, 1, 1), (1, 1, 2, 2, 2)]);
        assert_eq!(found[0].strength, 3.0);
        assert_eq!(
            (regions(&map, 2, 9).len(), regions(&map, 1, 1).len()),
            (2, 1)
        );
    }
}
