//! What is unlike the OK parts, from all layers of a comparison, in the pixels of the posted picture.

use super::error::InspectionError;
use super::map::{AnomalyMap, STANDS_OUT};
use super::reference::PatchMap;
use super::regions::{Region, regions};
use super::text_map::Placed;
use super::transform::Transform;

/// A smaller place, in pixels of the encoder's input, is noise: two patches of the finest map.
const LEAST_AREA: usize = 32;

/// The most boxes of a picture.
pub const MOST_REGIONS: usize = 20;

/// The maps of a comparison, and where their picture lies.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerMap {
    layers: Vec<PatchMap>,
    placed: Placed,
}

impl LayerMap {
    /// Of the layers that have places: more than one patch. `None` if there are none.
    #[must_use]
    pub fn new(mut layers: Vec<PatchMap>, placed: Placed) -> Option<Self> {
        layers.retain(|layer| layer.grid.len() > 1);
        (!layers.is_empty()).then_some(Self { layers, placed })
    }

    /// Width and height of the posted picture.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        self.placed.posted
    }

    /// The map of some rows of the posted picture.
    ///
    /// # Errors
    /// As [`AnomalyMap::of_layers`].
    pub fn band(&self, first: usize, rows: usize) -> Result<AnomalyMap, InspectionError> {
        let to_input = Transform::shift(0.0, first as f64).then(&self.placed.to_input);
        let size = (self.placed.posted.0, rows);
        AnomalyMap::of_layers(&self.layers, self.placed.input, &to_input, size)
    }

    /// The places that stand out, strongest first, in pixels of the posted picture: at most [`MOST_REGIONS`]. They are found
    /// at the size of the encoder's input.
    ///
    /// # Errors
    /// As [`AnomalyMap::of_layers`].
    pub fn regions(&self) -> Result<Vec<Region>, InspectionError> {
        // Between patches the map is linear, so that no pixel is above the largest of them: most good parts end here.
        let mut patches = self.layers.iter().flat_map(|layer| &layer.values);
        if patches.all(|value| value.is_none_or(|value| value < STANDS_OUT)) {
            return Ok(Vec::new());
        }
        let (small, posted) = (self.placed.input, self.placed.posted);
        let to_input = Transform::resize(small, posted).then(&self.placed.to_input);
        let map = AnomalyMap::standing_out(&self.layers, small, &to_input, small)?;
        let scaled = |at: usize, length: usize, from: usize, to: usize| {
            // A picture may be smaller than the input.
            let first = (at * to / from).min(to - 1);
            let end = ((at + length) * to).div_ceil(from).clamp(first + 1, to);
            (first, end - first)
        };
        let place = |region: Region| {
            let (x, width) = scaled(region.x, region.width, small.0, posted.0);
            let (y, height) = scaled(region.y, region.height, small.1, posted.1);
            Region {
                x,
                y,
                width,
                height,
                strength: region.strength,
                area: region.area * posted.0 * posted.1 / (small.0 * small.1),
            }
        };
        let found = regions(&map, LEAST_AREA, MOST_REGIONS);
        Ok(found.into_iter().map(place).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspection::Shape;
    use crate::inspection::reference::{Grid, Sampling};

    /// A map of 16 x 16 patches of 4 pixels, with a spot of two patches.
    fn map(posted: (usize, usize), moved: f64) -> LayerMap {
        let shape = Shape {
            channels: 1,
            height: 16,
            width: 16,
        };
        let grid = Grid::new(shape, &Sampling::default());
        let spot = |position: usize| matches!(grid.at(position), (6, 9 | 10));
        let values = (0..grid.len()).map(|position| Some(if spot(position) { 5.0 } else { 0.0 }));
        let placed = Placed {
            posted,
            input: (64, 64),
            to_input: Transform::resize(posted, (64, 64)).then(&Transform::shift(-moved, 0.0)),
        };
        let layers = vec![PatchMap {
            grid,
            values: values.collect(),
        }];
        LayerMap::new(layers, placed).expect("there are places")
    }

    #[test]
    fn places_lie_in_the_posted_picture() {
        for (posted, moved) in [
            ((64, 64), 0.0),
            ((640, 320), 0.0),
            ((640, 320), 8.0),
            ((16, 16), 0.0),
        ] {
            let found = map(posted, moved).regions().expect("it fits");
            assert_eq!(found.len(), 1, "{found:?}");
            let across = |pixel: f64| (pixel + moved) * posted.0 as f64 / 64.0;
            let down = |pixel: f64| pixel * posted.1 as f64 / 64.0;
            let middle = (
                found[0].x as f64 + found[0].width as f64 / 2.0,
                found[0].y as f64 + found[0].height as f64 / 2.0,
            );
            // Between the two patches.
            let off = (
                (middle.0 - across(40.0)).abs(),
                (middle.1 - down(26.0)).abs(),
            );
            assert!(
                off.0 <= across(1.0).max(1.0) && off.1 <= down(1.0).max(1.0),
                "{posted:?} {found:?}"
            );
            let whole = map(posted, moved).band(0, posted.1).expect("small");
            let rows = map(posted, moved).band(posted.1 / 2, 1).expect("small");
            assert_eq!(
                rows.values(),
                &whole.values()[posted.1 / 2 * posted.0..][..posted.0]
            );
        }
    }
}
