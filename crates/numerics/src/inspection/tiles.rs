//! Pictures much larger than the encoder's input: overlapping tiles, and one map of all of them.

use super::error::InspectionError;
use super::map::AnomalyMap;

/// The most tiles of a picture.
pub const MOST_TILES: usize = 1024;

/// A part of a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    /// First column.
    pub x: usize,
    /// First row.
    pub y: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// Covers a picture with tiles of one size that overlap by at least `overlap` pixels, evenly spread, row by row. A side of
/// the picture that is not longer than the tile's is one tile.
pub fn tiles(
    picture: (usize, usize),
    tile: (usize, usize),
    overlap: usize,
) -> Result<Vec<Tile>, InspectionError> {
    let (width, height) = (tile.0.min(picture.0), tile.1.min(picture.1));
    if width == 0 || height == 0 {
        return Err(InspectionError::Length {
            what: "a tile",
            expected: 1,
            found: 0,
        });
    }
    if overlap >= tile.0.min(tile.1) {
        let range = "less than the shorter side of a tile";
        return Err(InspectionError::Range {
            what: "the overlap of tiles",
            range,
            found: overlap as f64,
        });
    }
    let count = |side: usize, tile: usize| {
        1 + (side - tile).div_ceil(if side > tile { tile - overlap } else { 1 })
    };
    let (across, down) = (count(picture.0, width), count(picture.1, height));
    let found = across.saturating_mul(down);
    if found > MOST_TILES {
        return Err(InspectionError::TooMany {
            what: "tiles of a picture",
            found,
            most: MOST_TILES,
        });
    }
    let at = |index: usize, count: usize, room: usize| {
        if count > 1 {
            index * room / (count - 1)
        } else {
            0
        }
    };
    let one = |index: usize| Tile {
        x: at(index % across, across, picture.0 - width),
        y: at(index / across, down, picture.1 - height),
        width,
        height,
    };
    Ok((0..found).map(one).collect())
}

/// Joins the maps of tiles to that of the picture. Where tiles overlap, each weighs more the farther a pixel is from its
/// border, so that there is no seam. An error if a map has another size than its tile, or if a tile leaves the picture.
/// Pixels without a tile are 0.
pub fn join(
    picture: (usize, usize),
    maps: &[(Tile, AnomalyMap)],
) -> Result<AnomalyMap, InspectionError> {
    let (width, height) = picture;
    let mut sums = AnomalyMap::new(
        width,
        height,
        vec![0.0; width.saturating_mul(height).min(super::map::MOST_PIXELS)],
    )?
    .values()
    .to_vec();
    let mut weights = vec![0.0_f32; sums.len()];
    for (tile, map) in maps {
        let inside = tile
            .x
            .checked_add(tile.width)
            .is_some_and(|right| right <= width)
            && tile
                .y
                .checked_add(tile.height)
                .is_some_and(|bottom| bottom <= height);
        if !inside || (map.width(), map.height()) != (tile.width, tile.height) {
            return Err(InspectionError::Shape {
                what: "the map of a tile",
                expected: format!(
                    "{}x{} at ({}, {}) inside {width}x{height}",
                    tile.width, tile.height, tile.x, tile.y
                ),
                found: format!("{}x{}", map.width(), map.height()),
            });
        }
        let (across, down) = (ramp(tile.width), ramp(tile.height));
        for (row, values) in map.values().chunks_exact(tile.width).enumerate() {
            let start = (tile.y + row) * width + tile.x;
            let to = sums[start..].iter_mut().zip(&mut weights[start..]);
            for ((value, across), (sum, weight)) in values.iter().zip(&across).zip(to) {
                let own = across * down[row];
                *sum += own * value;
                *weight += own;
            }
        }
    }
    for (sum, weight) in sums.iter_mut().zip(weights) {
        *sum /= if weight > 0.0 { weight } else { 1.0 };
    }
    AnomalyMap::new(width, height, sums)
}

/// 1 at the middle of a side, falling evenly to its ends, nowhere 0.
fn ramp(length: usize) -> Vec<f32> {
    let at = |index: usize| (index + 1).min(length - index) as f32 / length.div_ceil(2) as f32;
    (0..length).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Every pixel is covered, neighbours overlap, and a map that is cut up comes back whole.
        #[test]
        fn what_is_cut_up_comes_back(
            width in 1_usize..90, height in 1_usize..60, tile in 8_usize..40, overlap in 0_usize..4,
        ) {
            let cut = tiles((width, height), (tile, tile), overlap).expect("few tiles");
            for pair in cut.windows(2).filter(|pair| pair[0].y == pair[1].y) {
                prop_assert!(pair[1].x > pair[0].x && pair[1].x + overlap <= pair[0].x + pair[0].width);
            }
            let value = |x: usize, y: usize| (x * 3 + y * 5) as f32;
            let map = |tile: &Tile| {
                let pixels = (0..tile.width * tile.height).map(|i| value(tile.x + i % tile.width, tile.y + i / tile.width));
                AnomalyMap::new(tile.width, tile.height, pixels.collect()).expect("finite")
            };
            let maps: Vec<_> = cut.iter().map(|tile| (*tile, map(tile))).collect();
            let joined = join((width, height), &maps).expect("they fit");
            for (pixel, found) in joined.values().iter().enumerate() {
                prop_assert!((found - value(pixel % width, pixel / width)).abs() < 1e-2);
            }
        }
    }

    /// Tiles that disagree meet without a step.
    #[test]
    fn there_is_no_seam() {
        let cut = tiles((160, 40), (100, 100), 40).expect("few tiles");
        let map = |value: f32| AnomalyMap::new(100, 40, vec![value; 4000]).expect("finite");
        let maps: Vec<_> = cut
            .iter()
            .zip([1.0, 2.0])
            .map(|(tile, value)| (*tile, map(value)))
            .collect();
        let joined = join((160, 40), &maps).expect("they fit");
        let row = &joined.values()[20 * 160..21 * 160];
        assert_eq!((row[0], row[159]), (1.0, 2.0));
        assert!(
            row.windows(2)
                .all(|pair| pair[1] >= pair[0] && pair[1] - pair[0] < 0.06),
            "{row:?}"
        );
    }

    #[test]
    fn a_line_scan_is_cut_and_nonsense_is_refused() {
        let cut = tiles((8192, 200), (448, 448), 64).expect("few tiles");
        assert_eq!(
            (cut.len(), cut[0].height, cut[cut.len() - 1].x + 448),
            (22, 200, 8192)
        );
        assert!(tiles((100, 100), (0, 10), 0).is_err() && tiles((100, 100), (10, 10), 10).is_err());
        assert!(tiles((1 << 40, 1 << 40), (10, 10), 2).is_err());
        let map = AnomalyMap::new(10, 10, vec![0.0; 100]).expect("finite");
        let outside = Tile {
            x: usize::MAX,
            y: 0,
            width: 10,
            height: 10,
        };
        assert!(join((20, 20), &[(outside, map)]).is_err());
    }
}
