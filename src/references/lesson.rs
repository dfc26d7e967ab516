//! Reads the patches of the images of a reference and of their copies, and gathers the statistics.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::error::ReferenceError;
use super::frame::Frame;
use super::layers::{self, Layer};
use super::learnt::{compared, grids};
use super::seen::{Seen, see};
use crate::engine::{EmbedOptions, ImageSource, Model};
use crate::inspection::reference::{ImageFeatures, ImagePatches, OkStatistics};
use crate::inspection::registration::RegistrationReference;
use crate::inspection::{InspectionError, Rgb, copies};
use crate::preprocess::{Picture, RgbImage};

/// Pictures that are worked on at a time, so that other requests have their turns.
pub const AT_A_TIME: usize = 4;

/// Pictures whose patches (3.5 MB each at 448 pixels) are kept between learning and scoring; others are computed again.
const KEPT: usize = 32;

/// A single image and its copies are scored in so many groups, each from the other groups.
const GROUPS: usize = 4;

/// Copies of one image are more alike than good parts are: see [`OkStatistics::with_least_spread`].
const SPREAD: f64 = 0.1;

/// Microseconds of the work on the maps of one picture, at worst.
const WORK: u64 = 20_000;

/// The name of an image in errors.
pub fn field(index: usize) -> String {
    format!("images[{index}]")
}

/// An image for the engine.
pub fn source(image: &Bytes) -> ImageSource {
    ImageSource::Bytes(image.clone())
}

/// An image, scaled and aligned.
///
/// # Errors
/// [`ReferenceError`] with the image.
pub async fn seen(
    model: &Arc<Model>,
    image: &Bytes,
    index: usize,
    frame: &Frame,
    registration: &Arc<RegistrationReference>,
    options: EmbedOptions,
) -> Result<Seen, ReferenceError> {
    let (its_frame, its_registration) = (*frame, registration.clone());
    let filter = model.image_spec().interpolation;
    let work = move |picture: Picture| {
        let size = (
            picture.image.width() as usize,
            picture.image.height() as usize,
        );
        if !its_frame.fits(size) {
            return Err(ReferenceError::Shape {
                field: field(index),
                found: size,
                expected: its_frame.posted,
            });
        }
        Ok(see(&picture.image, filter, &its_frame, &its_registration)?)
    };
    let done = model.with_picture(source(image), options, work).await;
    done.map_err(|error| ReferenceError::of_image(error, || field(index)))?
}

/// What learning needs.
pub struct Lesson<'a> {
    pub model: &'a Arc<Model>,
    pub images: &'a [Bytes],
    pub options: EmbedOptions,
    pub frame: Frame,
    pub registration: Arc<RegistrationReference>,
    pub layers: Arc<Vec<Layer>>,
    pub kept: Arc<Option<Vec<Vec<bool>>>>,
    /// Of no image.
    pub empty: Arc<OkStatistics>,
    /// Copies beside each image.
    pub copies: u64,
}

/// The patches of an image and of its copies.
type Views = Arc<Vec<ImagePatches>>;

impl Lesson<'_> {
    /// A single image and its copies, in groups: each group is an image of its own.
    pub async fn of_one(&self) -> Result<OkStatistics, ReferenceError> {
        let views = self.views(0).await?;
        let mut statistics = self.empty.as_ref().clone().with_least_spread(SPREAD);
        self.model
            .on_pool(self.options, WORK * 2 * (self.copies + 1), move || {
                let views: Vec<_> = views.iter().collect();
                let groups = || views.chunks(views.len().div_ceil(GROUPS).max(1));
                for group in groups() {
                    statistics.learn_patches(group)?;
                }
                for (number, group) in groups().enumerate() {
                    statistics.hold_out_patches(number as u32, group, group.len())?;
                }
                Ok(statistics)
            })
            .await?
            .map_err(|error: InspectionError| error.into())
    }

    /// Each image with its copies is scored from all others.
    pub async fn of_several(&self) -> Result<OkStatistics, ReferenceError> {
        let mut statistics = self.empty.as_ref().clone();
        let mut kept: Vec<Views> = Vec::new();
        for index in 0..self.images.len() {
            let views = self.views(index).await?;
            if (kept.len() + 1) * views.len() <= KEPT {
                kept.push(views.clone());
            }
            let learn = move || {
                statistics.learn_patches(&views.iter().collect::<Vec<_>>())?;
                Ok::<_, InspectionError>(statistics)
            };
            let work = WORK * (self.copies + 1);
            statistics = self.model.on_pool(self.options, work, learn).await??;
        }
        for index in 0..self.images.len() {
            let views = match kept.get(index) {
                Some(views) => views.clone(),
                None => self.views(index).await?,
            };
            let hold_out = move || {
                let views: Vec<_> = views.iter().collect();
                statistics.hold_out_patches(index as u32, &views, views.len())?;
                Ok::<_, InspectionError>(statistics)
            };
            let work = WORK * (self.copies + 1);
            statistics = self.model.on_pool(self.options, work, hold_out).await??;
        }
        Ok(statistics)
    }

    /// The patches of an image, then those of its copies.
    async fn views(&self, index: usize) -> Result<Views, ReferenceError> {
        let image = self.images.get(index).ok_or(ReferenceError::NoImages)?;
        let (frame, registration) = (&self.frame, &self.registration);
        let seen = seen(self.model, image, index, frame, registration, self.options).await?;
        let seen = Arc::new(seen);
        let views = (0..=self.copies).map(|copy| self.view(index, seen.clone(), copy));
        let views: Vec<_> = stream::iter(views)
            .buffered(AT_A_TIME)
            .try_collect()
            .await?;
        Ok(Arc::new(views))
    }

    /// The patches of an image (0) or of a copy of it (1, …).
    async fn view(
        &self,
        index: usize,
        seen: Arc<Seen>,
        copy: u64,
    ) -> Result<ImagePatches, ReferenceError> {
        let (model, options) = (self.model, self.options);
        let picture = match copy.checked_sub(1) {
            None => seen.picture.clone(),
            Some(number) => {
                // Different copies of different images.
                let number = index as u64 * self.copies + number;
                let seen = seen.clone();
                let copied = model.on_pool(options, WORK, move || copy_of(&seen.picture, number));
                copied.await??
            }
        };
        let maps = layers::maps(model, &self.frame, picture, options).await;
        let maps = maps.map_err(|error| ReferenceError::of_features(error, || field(index)))?;
        let (layers, kept, empty) = (self.layers.clone(), self.kept.clone(), self.empty.clone());
        let frame = self.frame;
        let patches = move || {
            let inside = seen.inside.as_deref();
            let keep = compared(grids(&layers), &frame, kept.as_deref(), inside);
            empty.patches(&ImageFeatures {
                layers: &maps.views()?,
                keep: keep.as_deref(),
            })
        };
        Ok(model.on_pool(options, WORK, patches).await??)
    }
}

fn copy_of(picture: &RgbImage, number: u64) -> Result<RgbImage, InspectionError> {
    let (width, height) = (picture.width(), picture.height());
    let pixels = {
        let picture = Rgb::new(width as usize, height as usize, picture.pixels())?;
        copies::copy(&picture, number)
    };
    let found = pixels.len();
    RgbImage::new(width, height, pixels).ok_or(InspectionError::Length {
        what: "a copy",
        expected: width as usize * height as usize * 3,
        found,
    })
}
