//! Measures of maps against ground-truth masks: AU-PRO and sPRO.

use super::Saturation;
use crate::inspection::components::components;

/// Collects the pixels of one category, image by image, and integrates the per-region overlap over the share of false
/// positives (Bergmann et al., *MVTec AD*, IJCV 2021). Maps and masks have the size of the image on disk: a map is
/// scaled up, a mask is never scaled down, and no map is stretched to its own range.
///
/// Holds 4 bytes a pixel of background and 8 a pixel of a defect.
#[derive(Debug, Default)]
pub struct PixelMeasure {
    background: Vec<f32>,
    /// Score, region.
    defects: Vec<(f32, u32)>,
    /// Pixels that are enough, a region.
    enough: Vec<usize>,
}

/// Why a map or a mask cannot be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PixelMeasureError {
    /// Another number of pixels than the image has.
    #[error(
        "{what} has {found} pixels, the image has {expected}; scale the map up to the size of the mask on disk"
    )]
    Size {
        /// "the map" or "the mask".
        what: &'static str,
        /// Pixels it has.
        found: usize,
        /// Pixels of the image.
        expected: usize,
    },
    /// A score that cannot be ordered.
    #[error("the map holds a value that is not a number at pixel {0}")]
    NotANumber(usize),
    /// More regions than can be counted.
    #[error("the masks hold more than 4294967295 regions")]
    TooMany,
}

impl PixelMeasure {
    /// Adds an image whose mask is one picture: every 8-connected component of its pixels other than 0 is a region that
    /// has to be covered whole. An image without a defect has no pixel other than 0.
    pub fn add(
        &mut self,
        map: &[f32],
        mask: &[u8],
        width: usize,
        height: usize,
    ) -> Result<(), PixelMeasureError> {
        check("the mask", mask.len(), width * height)?;
        let found = components(width, height, |pixel| mask[pixel] != 0);
        let regions: Vec<_> = found
            .areas
            .iter()
            .map(|area| Saturation::Whole.pixels(*area))
            .collect();
        self.add_regions(map, width * height, &regions, |pixel| {
            found.labels[pixel].checked_sub(1)
        })
    }

    /// Adds an image of MVTec LOCO: each mask is one region, whether connected or not, with its own saturation. Where
    /// masks overlap, a pixel counts for each.
    pub fn add_saturated(
        &mut self,
        map: &[f32],
        masks: &[(&[u8], Saturation)],
        width: usize,
        height: usize,
    ) -> Result<(), PixelMeasureError> {
        let pixels = width * height;
        for (mask, _) in masks {
            check("the mask", mask.len(), pixels)?;
        }
        let first = self.first_region(masks.len())?;
        let any = |pixel: usize| masks.iter().any(|(mask, _)| mask[pixel] != 0);
        self.add_regions(map, pixels, &[], |pixel| any(pixel).then_some(u32::MAX))?;
        self.defects.retain(|(_, region)| *region != u32::MAX);
        let drawn = masks
            .iter()
            .filter(|(mask, _)| mask.iter().any(|pixel| *pixel != 0));
        for (region, (mask, saturation)) in (first..).zip(drawn) {
            let covered = mask.iter().zip(map).filter(|(pixel, _)| **pixel != 0);
            let before = self.defects.len();
            self.defects
                .extend(covered.map(|(_, score)| (*score, region)));
            self.enough
                .push(saturation.pixels(self.defects.len() - before));
        }
        Ok(())
    }

    fn first_region(&self, more: usize) -> Result<u32, PixelMeasureError> {
        // The last number marks a pixel of several masks.
        let regions = self.enough.len().saturating_add(more);
        let fits = u32::try_from(regions).is_ok_and(|regions| regions < u32::MAX);
        fits.then_some(self.enough.len() as u32)
            .ok_or(PixelMeasureError::TooMany)
    }

    fn add_regions(
        &mut self,
        map: &[f32],
        pixels: usize,
        enough: &[usize],
        region: impl Fn(usize) -> Option<u32>,
    ) -> Result<(), PixelMeasureError> {
        check("the map", map.len(), pixels)?;
        if let Some(pixel) = map.iter().position(|value| value.is_nan()) {
            return Err(PixelMeasureError::NotANumber(pixel));
        }
        let first = self.first_region(enough.len())?;
        self.enough.extend_from_slice(enough);
        for (pixel, score) in map.iter().enumerate() {
            match region(pixel) {
                None => self.background.push(*score),
                Some(region) => self.defects.push((*score, first.saturating_add(region))),
            }
        }
        Ok(())
    }

    /// Number of regions so far.
    #[must_use]
    pub fn regions(&self) -> usize {
        self.enough.len()
    }

    /// Area under the curve of mean overlap over the false-positive rate, from 0 to `limit`, divided by `limit`: AU-PRO
    /// (0.3 for MVTec AD, VisA and Real-IAD; 0.05 for MVTec AD 2) or, with saturations, AU-sPRO. Between two points of
    /// the curve it is linear. `None` without a region or without background, or with a `limit` outside 0..1.
    #[must_use]
    pub fn area(&self, limit: f64) -> Option<f64> {
        if self.background.is_empty() || self.enough.is_empty() || !(limit > 0.0 && limit <= 1.0) {
            return None;
        }
        let mut background = self.background.clone();
        background.sort_unstable_by(|a, b| b.total_cmp(a));
        let mut defects = self.defects.clone();
        defects.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));

        let mut left: Vec<usize> = self.enough.clone();
        let (mut overlap, mut area) = (0.0, 0.0);
        let (mut previous_rate, mut previous_overlap) = (0.0, 0.0);
        let (mut negatives, mut positives) = (0, 0);
        while negatives < background.len() || positives < defects.len() {
            let threshold = match (background.get(negatives), defects.get(positives)) {
                (Some(a), Some((b, _))) => a.max(*b),
                (Some(a), None) => *a,
                (None, Some((b, _))) => *b,
                (None, None) => break,
            };
            while background
                .get(negatives)
                .is_some_and(|score| *score >= threshold)
            {
                negatives += 1;
            }
            while let Some((score, region)) = defects
                .get(positives)
                .filter(|(score, _)| *score >= threshold)
            {
                debug_assert!(!score.is_nan());
                let region = *region as usize;
                if left[region] > 0 {
                    left[region] -= 1;
                    overlap += 1.0 / self.enough[region] as f64;
                }
                positives += 1;
            }
            let rate = negatives as f64 / background.len() as f64;
            let mean = overlap / self.enough.len() as f64;
            if rate > limit {
                let at_limit = previous_overlap
                    + (mean - previous_overlap) * (limit - previous_rate) / (rate - previous_rate);
                area += (limit - previous_rate) * (previous_overlap + at_limit) / 2.0;
                return Some(area / limit);
            }
            area += (rate - previous_rate) * (previous_overlap + mean) / 2.0;
            (previous_rate, previous_overlap) = (rate, mean);
        }
        // The curve ends at a rate of 1, which is the limit.
        Some(area / limit)
    }
}

fn check(what: &'static str, found: usize, expected: usize) -> Result<(), PixelMeasureError> {
    if found == expected {
        return Ok(());
    }
    Err(PixelMeasureError::Size {
        what,
        found,
        expected,
    })
}
