//! Aligns a picture with its reference: coarse by phase correlation, fine by Gauss-Newton on a pyramid, and only where it
//! makes the pictures more alike.

mod grey;
mod normal_equations;
mod refine;
mod spectrum;
mod ssim;
mod warp;

pub use grey::GreyImage;

use super::error::InspectionError;
use super::transform::Transform;
use grey::working_size;
use refine::Level;
use spectrum::{Spectrum, Transforms};
use warp::warp;

/// The longest side that pictures are compared at: larger ones are shrunk.
pub const WORKING_SIDE: usize = 256;
/// The longest side that phase correlation and the choice among starts work at.
const COARSE_SIDE: usize = 128;
/// A shorter side than this cannot be aligned.
const SHORTEST_SIDE: usize = 16;
/// A picture with less contrast (standard deviation of 0..1) cannot be aligned.
const LEAST_CONTRAST: f32 = 2e-3;
/// What the similarity has to rise by for a transform to be applied.
const LEAST_GAIN: f64 = 0.005;
/// A start with this similarity at the coarse size is good enough: no turn is looked for.
const GOOD_START: f64 = 0.9;
/// Pictures that are this similar as they are need no transform.
const ALIKE: f64 = 0.995;
/// The share of the reference that has to be seen in the aligned picture.
const LEAST_OVERLAP: f64 = 0.5;

/// What motion is corrected, and what is another pose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RegistrationSettings {
    /// The largest turn that is corrected, in degrees, 0..45.
    pub turn: f64,
    /// The largest scale that is corrected, and the inverse of the smallest: 1 or more.
    pub scale: f64,
    /// The largest shift of the centre that is corrected, as a share of the longer side, 0..0.5.
    pub shift: f64,
    /// A similarity below this, −1..1, is another pose. A pattern that lies differently in every picture, such as a
    /// weave, has a low similarity in OK pictures too: set it below the lowest of the OK pictures.
    pub pose_below: f64,
    /// Whether pictures are corrected at all. A pattern that lies differently in every picture has no place to be moved to:
    /// the transform found is chance, and the interpolation that it costs changes the texture.
    pub corrects: bool,
}

impl Default for RegistrationSettings {
    /// 15 degrees, 15 %, 20 % of the side, a similarity of 0.25.
    fn default() -> Self {
        Self {
            turn: 15.0,
            scale: 1.15,
            shift: 0.2,
            pose_below: 0.25,
            corrects: true,
        }
    }
}

/// What was found out about the position of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationStatus {
    /// The transform makes the pictures more alike and is to be applied.
    Aligned,
    /// The picture lies as the reference does, or no transform makes them more alike.
    Identity,
    /// The part lies differently by more than may be corrected, or is not like the reference at all. What is compared
    /// position by position means nothing then.
    Pose,
}

/// How a picture lies, compared with its reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Registration {
    /// What is to be done.
    pub status: RegistrationStatus,
    /// Mean structural similarity under `transform`, −1..1, over what is seen in both.
    pub score: f64,
    /// Mean structural similarity of the pictures as they are.
    pub unaligned_score: f64,
    /// From a pixel of the reference to the pixel of the picture that shows the same. The identity unless the status is
    /// [`Aligned`](RegistrationStatus::Aligned); with [`Pose`](RegistrationStatus::Pose) the best guess, not to be
    /// applied.
    pub transform: Transform,
}

/// A reference picture with everything that aligning needs of it: about 3 MB, whatever its size.
#[derive(Debug, Clone)]
pub struct RegistrationReference {
    size: (usize, usize),
    settings: RegistrationSettings,
    fine: Level,
    /// The coarse levels, the coarsest first.
    coarse: Vec<Level>,
    transforms: Transforms,
    spectrum: Spectrum,
    contrast: f32,
}

impl RegistrationReference {
    /// Prepares a reference picture.
    pub fn new(
        picture: &GreyImage,
        settings: RegistrationSettings,
    ) -> Result<Self, InspectionError> {
        check(
            "the largest turn",
            "0 to 45 degrees",
            settings.turn,
            0.0..=45.0,
        )?;
        check("the largest scale", "1 to 2", settings.scale, 1.0..=2.0)?;
        check(
            "the largest shift",
            "0 to 0.5 of the side",
            settings.shift,
            0.0..=0.5,
        )?;
        check(
            "the lowest similarity",
            "-1 to 1",
            settings.pose_below,
            -1.0..=1.0,
        )?;
        let [fine, middle, small] = pyramid(picture);
        let transforms = Transforms::new(COARSE_SIDE);
        let spectrum = transforms.with_polar(transforms.spectrum(middle.values(), middle.width()));
        Ok(Self {
            size: (picture.width(), picture.height()),
            settings,
            contrast: fine.spread().1,
            fine: Level::new(fine),
            coarse: vec![Level::new(small), Level::new(middle)],
            transforms,
            spectrum,
        })
    }

    /// Width and height of the reference picture.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        self.size
    }

    /// Finds how `picture` lies. An error if it has another size than the reference: scale it first.
    ///
    /// Pictures without contrast or with a side under 16 pixels are never aligned, and neither is any if the settings do not
    /// correct: their status is `Identity` or, with a similarity that is too low, `Pose`.
    pub fn register(&self, picture: &GreyImage) -> Result<Registration, InspectionError> {
        if (picture.width(), picture.height()) != self.size {
            return Err(InspectionError::Shape {
                what: "the picture",
                expected: format!("{}x{} of its reference", self.size.0, self.size.1),
                found: format!("{}x{}", picture.width(), picture.height()),
            });
        }
        let [fine, middle, small] = pyramid(picture);
        let unaligned = similarity(&self.fine, fine.values(), None).unwrap_or(1.0);
        let stay = |score: f64| Registration {
            status: if score < self.settings.pose_below {
                RegistrationStatus::Pose
            } else {
                RegistrationStatus::Identity
            },
            score,
            unaligned_score: unaligned,
            transform: Transform::IDENTITY,
        };
        let shorter = fine.width().min(fine.height());
        if !self.settings.corrects
            || shorter < SHORTEST_SIDE
            || self.contrast < LEAST_CONTRAST
            || fine.spread().1 < LEAST_CONTRAST
            || unaligned >= ALIKE
        {
            return Ok(stay(unaligned));
        }
        let start = self.start(&small, &middle);
        let refined = self.fine.refine(&fine, rescaled(&start, &middle, &fine));
        let Some(found) = seen(&self.fine, &fine, &refined) else {
            return Ok(stay(unaligned));
        };
        // Both over the same pixels: what is moved out of the picture must not count for or against either.
        let aligned = similarity(&self.fine, &found.warped, Some(&found.valid));
        let before = similarity(&self.fine, fine.values(), Some(&found.valid));
        let (Some(aligned), Some(before)) = (aligned, before) else {
            return Ok(stay(unaligned));
        };
        if aligned < before + LEAST_GAIN {
            return Ok(stay(unaligned));
        }
        let working = (fine.width(), fine.height());
        let transform = Transform::resize(self.size, working)
            .then(&refined)
            .then(&Transform::resize(working, self.size));
        let kept = self.may_correct(&transform) && aligned >= self.settings.pose_below;
        Ok(Registration {
            status: if kept {
                RegistrationStatus::Aligned
            } else {
                RegistrationStatus::Pose
            },
            score: aligned,
            unaligned_score: unaligned,
            transform,
        })
    }

    /// The best of several starts, at the middle size.
    fn start(&self, small: &GreyImage, middle: &GreyImage) -> Transform {
        let width = middle.width();
        let spectrum = self.transforms.spectrum(middle.values(), width);
        let shifted = self.transforms.shift(self.spectrum.picture(), &spectrum);
        let mut best = (f64::NEG_INFINITY, Transform::IDENTITY);
        let mut consider = |start: Transform| {
            let refined = match &self.coarse[..] {
                [coarsest, coarse] => {
                    let low = coarsest.refine(small, rescaled(&start, middle, small));
                    coarse.refine(middle, rescaled(&low, small, middle))
                }
                _ => start,
            };
            // Once with the coarsest level, which catches larger errors, and once without, for fine patterns.
            let direct = self
                .coarse
                .last()
                .map_or(start, |level| level.refine(middle, start));
            for transform in [refined, direct] {
                let Some(level) = self.coarse.last() else {
                    continue;
                };
                let score = seen(level, middle, &transform)
                    .and_then(|seen| similarity(level, &seen.warped, Some(&seen.valid)));
                if let Some(score) = score.filter(|score| *score > best.0) {
                    best = (score, transform);
                }
            }
            best.0
        };
        if consider(Transform::IDENTITY) > GOOD_START
            || consider(Transform::shift(shifted.0, shifted.1)) > GOOD_START
        {
            return best.1;
        }
        let polar = self.transforms.with_polar(spectrum);
        let (degrees, scale) = self.transforms.turn_and_scale(&self.spectrum, &polar);
        let centre = ((width - 1) as f64 / 2.0, (middle.height() - 1) as f64 / 2.0);
        let turned = Transform::similarity(degrees, scale, (0.0, 0.0), centre);
        let upright = warp(middle, &turned, width, middle.height());
        let spectrum = self.transforms.spectrum(&upright.values, width);
        let (x, y) = self.transforms.shift(self.spectrum.picture(), &spectrum);
        consider(Transform::shift(x, y).then(&turned));
        best.1
    }

    fn may_correct(&self, transform: &Transform) -> bool {
        let (width, height) = (self.size.0 as f64, self.size.1 as f64);
        let (x, y) = ((width - 1.0) / 2.0, (height - 1.0) / 2.0);
        let (u, v) = transform.apply(x, y);
        let scale = transform.scale();
        transform.degrees().abs() <= self.settings.turn
            && scale <= self.settings.scale
            && scale * self.settings.scale >= 1.0
            && (u - x).hypot(v - y) <= self.settings.shift * width.max(height)
    }
}

/// A picture as it is seen under a transform.
struct Seen {
    warped: Vec<f32>,
    valid: Vec<bool>,
}

/// `None` where too little of the reference is seen.
fn seen(level: &Level, picture: &GreyImage, transform: &Transform) -> Option<Seen> {
    let (width, height) = (level.image.width(), level.image.height());
    let warped = warp(picture, transform, width, height);
    (warped.seen() as f64 >= LEAST_OVERLAP * warped.values.len() as f64).then(|| Seen {
        valid: warped.valid(),
        warped: warped.values,
    })
}

/// Similarity of the reference and a picture of its size, over what is seen of it.
fn similarity(level: &Level, picture: &[f32], valid: Option<&[bool]>) -> Option<f64> {
    ssim::ssim(level.image.values(), picture, level.image.width(), valid)
}

/// The picture at the working size, at the coarse size and at half of that.
fn pyramid(picture: &GreyImage) -> [GreyImage; 3] {
    let (width, height) = working_size(picture.width(), picture.height(), WORKING_SIDE);
    let fine = picture.shrunk(width, height);
    let (width, height) = working_size(width, height, COARSE_SIDE);
    let middle = fine.shrunk(width, height);
    let (width, height) = working_size(width, height, COARSE_SIDE / 2);
    let small = middle.shrunk(width, height);
    [fine, middle, small]
}

fn rescaled(transform: &Transform, from: &GreyImage, to: &GreyImage) -> Transform {
    let (from, to) = ((from.width(), from.height()), (to.width(), to.height()));
    Transform::resize(to, from)
        .then(transform)
        .then(&Transform::resize(from, to))
}

fn check(
    what: &'static str,
    range: &'static str,
    found: f64,
    allowed: std::ops::RangeInclusive<f64>,
) -> Result<(), InspectionError> {
    if allowed.contains(&found) {
        Ok(())
    } else {
        Err(InspectionError::Range { what, range, found })
    }
}

#[cfg(test)]
mod tests;
