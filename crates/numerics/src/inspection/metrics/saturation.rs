//! The area of a defect that has to be found for it to count as found whole (MVTec LOCO).

/// Saturation of a ground-truth mask: a missing part cannot be outlined pixel by pixel, so some area is enough
/// (Bergmann et al., *Beyond Dents and Scratches*, IJCV 2022).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Saturation {
    /// The whole mask has to be covered: sPRO is then PRO.
    Whole,
    /// So many pixels are enough: `saturation_threshold` of `defects_config.json`.
    Pixels(usize),
    /// This share of the mask's area is enough: with `relative_saturation`.
    Share(f64),
}

impl Saturation {
    /// Pixels of a mask of `area` pixels that are enough: at least 1, at most all.
    #[must_use]
    pub fn pixels(self, area: usize) -> usize {
        let wanted = match self {
            Self::Whole => area,
            Self::Pixels(pixels) => pixels,
            Self::Share(share) => (share.clamp(0.0, 1.0) * area as f64) as usize,
        };
        wanted.clamp(1, area.max(1))
    }
}
