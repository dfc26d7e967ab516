//! Whether a picture is like those of the calibration: light, overexposure, focus.
//!
//! These figures see a dimmed lamp or a moved lens in one picture, long before scores show it.

use std::ops::RangeInclusive;

/// Fewest pictures that limits are made of.
pub const FEWEST: usize = 20;
/// How many robust standard deviations a figure may be from the median of the references.
const DEVIATIONS: f64 = 6.0;
/// Standard deviations in a median absolute deviation of normal numbers.
const DEVIATION_OF_MAD: f64 = 1.4826;
/// Narrowest limits around the median: exposure and clipped shares (of 1), logarithm of the focus.
const NARROWEST: [f64; 4] = [0.02, 0.01, 0.01, 0.1];

/// A grey picture: rows from the top, 0 is black, 255 is white.
#[derive(Debug, Clone, Copy)]
pub struct Grey<'a> {
    width: usize,
    pixels: &'a [u8],
}

impl<'a> Grey<'a> {
    /// `None` if there are not exactly `width` · `height` pixels, or fewer than 2 in a row or column.
    pub fn new(width: usize, height: usize, pixels: &'a [u8]) -> Option<Self> {
        let fits = width >= 2 && height >= 2 && width.checked_mul(height) == Some(pixels.len());
        fits.then_some(Self { width, pixels })
    }
}

/// Figures of a picture.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Figures {
    /// Mean grey, from 0 (black) to 1 (white).
    pub exposure: f64,
    /// Share of the pixels that are black (0), from 0 to 1.
    pub black: f64,
    /// Share of the pixels that are white (255), from 0 to 1.
    pub white: f64,
    /// Variance of the Laplacian, in squared grey levels: the sum of the four neighbours less four times the pixel, mirrored
    /// at the border. As in OpenCV.
    pub focus: f64,
}

impl Figures {
    /// Figures of a picture.
    pub fn of(picture: Grey<'_>) -> Self {
        let (mut sum, mut black, mut white) = (0_u64, 0_u64, 0_u64);
        for pixel in picture.pixels {
            sum += u64::from(*pixel);
            black += u64::from(*pixel == 0);
            white += u64::from(*pixel == 255);
        }
        let pixels = picture.pixels.len() as f64;
        Self {
            exposure: sum as f64 / pixels / 255.0,
            black: black as f64 / pixels,
            white: white as f64 / pixels,
            focus: variance_of_laplacian(picture),
        }
    }

    /// Numbers whose spread is about the same for all pictures of a camera: the focus as its logarithm.
    fn compared(&self) -> [f64; 4] {
        [
            self.exposure,
            self.black,
            self.white,
            (self.focus + 1e-3).ln(),
        ]
    }
}

fn variance_of_laplacian(picture: Grey<'_>) -> f64 {
    let rows: Vec<&[u8]> = picture.pixels.chunks_exact(picture.width).collect();
    let (mut sum, mut squares) = (0_i64, 0_i64);
    for (y, row) in rows.iter().enumerate() {
        // At the border the neighbour outside is the one inside.
        let above = y
            .checked_sub(1)
            .or(Some(1))
            .and_then(|y| rows.get(y))
            .unwrap_or(row);
        let below = rows
            .get(y + 1)
            .or_else(|| rows.get(y.saturating_sub(1)))
            .unwrap_or(row);
        let last = row.len().saturating_sub(1);
        for (x, ((pixel, above), below)) in row.iter().zip(*above).zip(*below).enumerate() {
            let left = if x == 0 { 1 } else { x - 1 };
            let right = if x == last {
                last.saturating_sub(1)
            } else {
                x + 1
            };
            let beside = |x: usize| i64::from(row.get(x).copied().unwrap_or(*pixel));
            let around = beside(left) + beside(right) + i64::from(*above) + i64::from(*below);
            let laplacian = around - 4 * i64::from(*pixel);
            sum += laplacian;
            squares += laplacian * laplacian;
        }
    }
    let pixels = picture.pixels.len() as f64;
    let mean = sum as f64 / pixels;
    (squares as f64 / pixels - mean * mean).max(0.0)
}

/// What may be wrong with a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Darker or lighter than the references.
    Exposure,
    /// More black pixels.
    Black,
    /// More white pixels.
    White,
    /// Less sharp, or sharper.
    Focus,
}

/// What pictures of a line look like.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    exposure: RangeInclusive<f64>,
    black: RangeInclusive<f64>,
    white: RangeInclusive<f64>,
    log_focus: RangeInclusive<f64>,
}

impl Limits {
    /// Median ± 6 robust standard deviations of the references, and not narrower than 0.02 (exposure), 0.01 (clipped
    /// shares) and a tenth (focus). `None` with fewer than [`FEWEST`] references.
    pub fn of(references: &[Figures]) -> Option<Self> {
        if references.len() < FEWEST {
            return None;
        }
        let figures: Vec<[f64; 4]> = references.iter().map(Figures::compared).collect();
        let range = |which: fn(&[f64; 4]) -> f64| {
            let narrowest = which(&NARROWEST);
            let median_of = |mut numbers: Vec<f64>| {
                numbers.sort_unstable_by(f64::total_cmp);
                numbers.get(numbers.len() / 2).copied().unwrap_or_default()
            };
            let middle = median_of(figures.iter().map(which).collect());
            let mad = median_of(figures.iter().map(|f| (which(f) - middle).abs()).collect());
            let far = (DEVIATIONS * DEVIATION_OF_MAD * mad).max(narrowest);
            middle - far..=middle + far
        };
        Some(Self {
            exposure: range(|figures| figures[0]),
            black: range(|figures| figures[1]),
            white: range(|figures| figures[2]),
            log_focus: range(|figures| figures[3]),
        })
    }

    /// What is wrong with a picture: nothing, if it is like the references. Figures that are not numbers are wrong.
    pub fn faults(&self, picture: &Figures) -> Vec<Fault> {
        let [exposure, black, white, log_focus] = picture.compared();
        let checks = [
            (self.exposure.contains(&exposure), Fault::Exposure),
            // Fewer clipped pixels are no fault.
            (black <= *self.black.end(), Fault::Black),
            (white <= *self.white.end(), Fault::White),
            (self.log_focus.contains(&log_focus), Fault::Focus),
        ];
        checks
            .into_iter()
            .filter(|(right, _)| !right)
            .map(|(_, fault)| fault)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;
    use crate::promise::drawn::normal;

    #[derive(serde::Deserialize)]
    struct Case {
        width: usize,
        height: usize,
        pixels: Vec<u8>,
        focus: f64,
        exposure: f64,
    }

    #[test]
    fn figures_agree_with_scipy() {
        let cases: Vec<Case> = serde_json::from_str(include_str!(
            "../../../../tests/fixtures/camera_figures.json"
        ))
        .unwrap();
        for case in cases {
            let figures = Figures::of(Grey::new(case.width, case.height, &case.pixels).unwrap());
            assert!(
                (figures.focus - case.focus).abs() <= 1e-9 * case.focus.max(1.0),
                "{figures:?}"
            );
            assert!(
                (figures.exposure - case.exposure).abs() < 1e-12,
                "{figures:?}"
            );
        }
    }

    #[test]
    fn clipped_pixels_are_counted() {
        let figures = Figures::of(Grey::new(2, 2, &[0, 255, 255, 7]).unwrap());
        assert_eq!((figures.black, figures.white), (0.25, 0.5));
        assert!(Grey::new(2, 2, &[0; 5]).is_none());
        assert!(Grey::new(1, 4, &[0; 4]).is_none());
        assert!(Grey::new(usize::MAX, 2, &[0; 4]).is_none());
    }

    const SIDE: usize = 48;

    /// A part in front of a grey wall: stripes, noise of the camera, a lamp that flickers by 1 %.
    fn picture(rng: &mut Rng, lamp: f64, blurred: bool) -> Figures {
        let lamp = lamp * (1.0 + 0.01 * normal(rng));
        let mut sharp = [[0.0; SIDE]; SIDE];
        for (y, row) in sharp.iter_mut().enumerate() {
            for (x, grey) in row.iter_mut().enumerate() {
                let part = (12..36).contains(&x) && (12..36).contains(&y);
                *grey = if part && (x / 3) % 2 == 0 {
                    210.0
                } else {
                    90.0
                };
            }
        }
        let mut pixels = vec![];
        for y in 0..SIDE {
            for x in 0..SIDE {
                let around = |by: usize| by.saturating_sub(1)..(by + 2).min(SIDE);
                let window: Vec<f64> = around(y)
                    .flat_map(|y| sharp[y][around(x)].to_vec())
                    .collect();
                let mean = window.iter().sum::<f64>() / window.len() as f64;
                let grey = if blurred { mean } else { sharp[y][x] };
                pixels.push((lamp * grey + 2.0 * normal(rng)).round().clamp(0.0, 255.0) as u8);
            }
        }
        Figures::of(Grey::new(SIDE, SIDE, &pixels).unwrap())
    }

    #[test]
    fn faults_of_the_camera_are_seen_in_one_picture() {
        let mut rng = Rng::with_seed(4);
        let references: Vec<_> = (0..40).map(|_| picture(&mut rng, 1.0, false)).collect();
        assert!(Limits::of(&references[..FEWEST - 1]).is_none());
        let limits = Limits::of(&references).unwrap();
        for _ in 0..300 {
            assert_eq!(limits.faults(&picture(&mut rng, 1.0, false)), []);
        }
        for _ in 0..20 {
            let faults = |figures| limits.faults(&figures);
            assert!(faults(picture(&mut rng, 0.85, false)).contains(&Fault::Exposure));
            assert_eq!(faults(picture(&mut rng, 1.0, true)), [Fault::Focus]);
            assert!(faults(picture(&mut rng, 1.4, false)).contains(&Fault::White));
            assert!(faults(picture(&mut rng, 0.005, false)).contains(&Fault::Black));
        }
        let broken = Figures {
            exposure: f64::NAN,
            black: f64::NAN,
            white: f64::NAN,
            focus: f64::NAN,
        };
        assert_eq!(limits.faults(&broken).len(), 4);
    }
}
