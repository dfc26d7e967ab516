//! Compares one picture.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use super::MapForm;
use super::parts::Parts;
use crate::api::ApiError;
use crate::engine::{EmbedOptions, ImageSource, Model};
use crate::inspection::reference::{Comparison, ImageFeatures};
use crate::inspection::registration::{Registration, RegistrationStatus};
use crate::inspection::{AnomalyMap, InspectionError, Region, Transform, picture, regions};
use crate::preprocess::Picture;
use crate::references::{self, Frame, Learnt, Maps, ReferenceError, Seen};
use crate::telemetry::Step;

/// Places of one picture in an answer, at most.
pub const MOST_REGIONS: usize = 20;

/// A smaller place, in pixels of the frame's input, is noise: two patches of the finest map.
const LEAST_AREA: usize = 32;

/// Microseconds from features to scores, and of writing a map, at worst.
const COMPARE: u64 = 10_000;

/// Pixels of a map that are written in a microsecond.
const PIXELS_PER_MICROSECOND: u64 = 50;

/// Whether a picture is changed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Changed {
    /// About 1 where all is good, and higher by one for each standard deviation of the part that stands out.
    pub score: f64,
    /// The share of good images with a lower score, 0 to 1. Each of them was scored by what was learnt of the others.
    #[schema(minimum = 0, maximum = 1)]
    pub rank: f64,
    /// Each part of the score, in standard deviations of good images from their mean.
    #[schema(value_type = std::collections::HashMap<String, f64>)]
    pub parts: Parts,
}

/// How a part lies in a picture, compared with the reference.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Lies {
    /// `aligned`: moved, and compared after the transform was applied. `identity`: compared as it is. `pose`: it lies in
    /// another way than can be corrected, or is another thing, and the rest of the answer is not to be trusted.
    #[schema(inline)]
    pub status: LiesStatus,
    /// Mean structural similarity with the reference, -1 to 1.
    pub score: f64,
    /// From a pixel (x, y, 1) of the first reference image to the pixel of the image that shows the same: two rows of three
    /// numbers. With `pose` a guess that was not applied.
    #[schema(value_type = Vec<Vec<f64>>)]
    pub transform: [[f64; 3]; 2],
}

/// See [`Lies::status`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LiesStatus {
    /// Moved.
    Aligned,
    /// As the reference.
    Identity,
    /// In another way.
    Pose,
}

impl LiesStatus {
    fn name(self) -> &'static str {
        match self {
            Self::Aligned => "aligned",
            Self::Identity => "identity",
            Self::Pose => "pose",
        }
    }
}

/// A changed place, in pixels of the image as it was posted.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Place {
    /// First column.
    pub x: usize,
    /// First row.
    pub y: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Its largest value of the map: 1 is the limit that hardly any place of a good image passes.
    pub strength: f32,
}

/// What is known of one picture, without statements.
#[derive(Debug)]
pub struct One {
    pub changed: Changed,
    pub registration: Lies,
    pub regions: Vec<Place>,
    pub map: Option<Bytes>,
    /// See [`Picture::in_low_bits`].
    pub in_low_bits: bool,
}

/// The reason why a picture was not compared.
pub struct NotCompared(ReferenceError);

impl NotCompared {
    /// The error of the image with this index in the request.
    pub fn at_image(self, index: usize) -> ApiError {
        let field = || format!("images[{index}]");
        match self.0 {
            ReferenceError::Item { error, .. } => ApiError::from(error).at(field()),
            ReferenceError::Shape {
                found, expected, ..
            } => ReferenceError::Shape {
                field: field(),
                found,
                expected,
            }
            .into(),
            other => other.into(),
        }
    }
}

impl<E: Into<ReferenceError>> From<E> for NotCompared {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// Compares a picture. The answer depends on the picture and on what was learnt alone, not on other pictures.
pub async fn compare_one(
    model: &Arc<Model>,
    learnt: &Arc<Learnt>,
    image: &ImageSource,
    map: Option<MapForm>,
    options: EmbedOptions,
) -> Result<One, NotCompared> {
    let metrics = &model.metrics().compare;
    let started = Instant::now();
    let (seen, in_low_bits) = aligned(model, learnt, image, options).await?;
    metrics.note(Step::Align, started.elapsed());
    let registration = lies(&learnt.frame, &seen);
    metrics.count(registration.status.name());
    let Seen {
        size,
        picture,
        inside,
        registration: found,
    } = seen;
    let maps = references::maps(model, &learnt.frame, picture, options).await;
    let maps = maps.map_err(|error| ReferenceError::of_features(error, String::new))?;
    let way = Way::new(&learnt.frame, size, &found);
    let (its_learnt, its_model) = (learnt.clone(), model.clone());
    let work = move || {
        let started = Instant::now();
        let done = scored(&its_learnt, &maps, inside.as_deref(), &way);
        its_model
            .metrics()
            .compare
            .note(Step::Compare, started.elapsed());
        Ok::<_, InspectionError>((done?, way))
    };
    let ((comparison, places), way) = model.on_pool(options, COMPARE, work).await??;
    let names = comparison.parts.iter().map(|part| {
        let layer = learnt
            .layers
            .get(part.name.layer)
            .map_or("", |name| name.as_str());
        (format!("{layer}_{}", part.name.kind.name()), part.deviation)
    });
    Ok(One {
        changed: Changed {
            score: comparison.score,
            rank: comparison.rank,
            parts: Parts(names.collect()),
        },
        registration,
        regions: places,
        map: match map {
            Some(form) => drawn(model, comparison, way, form, image, options).await?,
            None => None,
        },
        in_low_bits,
    })
}

/// The picture as it is compared, and whether its values seem to have few bits.
async fn aligned(
    model: &Arc<Model>,
    learnt: &Arc<Learnt>,
    image: &ImageSource,
    options: EmbedOptions,
) -> Result<(Seen, bool), NotCompared> {
    let filter = model.image_spec().interpolation;
    let its_learnt = learnt.clone();
    let work = move |picture: Picture| {
        let frame = &its_learnt.frame;
        let size = (
            picture.image.width() as usize,
            picture.image.height() as usize,
        );
        if !frame.fits(size) {
            return Err(ReferenceError::Shape {
                field: String::new(),
                found: size,
                expected: frame.posted,
            });
        }
        let fitted = its_learnt.fitted()?;
        let seen = references::see(&picture.image, filter, frame, &fitted.registration)?;
        Ok((seen, picture.in_low_bits))
    };
    let done = model.with_picture(image.clone(), options, work).await;
    Ok(done.map_err(|error| ReferenceError::of_image(error, String::new))??)
}

fn lies(frame: &Frame, seen: &Seen) -> Lies {
    let found = &seen.registration;
    Lies {
        status: match found.status {
            RegistrationStatus::Aligned => LiesStatus::Aligned,
            RegistrationStatus::Identity => LiesStatus::Identity,
            RegistrationStatus::Pose => LiesStatus::Pose,
        },
        score: found.score,
        transform: frame.in_posted_pixels(&found.transform, seen.size).0,
    }
}

/// The way from a posted picture to the pixels that were compared.
#[derive(Debug, Clone)]
struct Way {
    /// Width and height of the frame's input.
    input: (usize, usize),
    /// Width and height of the posted picture.
    posted: (usize, usize),
    /// From the picture, scaled to the input, to what was compared.
    back: Transform,
}

impl Way {
    fn new(frame: &Frame, posted: (usize, usize), found: &Registration) -> Self {
        let back = match found.status {
            RegistrationStatus::Aligned => found.transform.inverse(),
            RegistrationStatus::Identity | RegistrationStatus::Pose => None,
        };
        Self {
            input: frame.input,
            posted,
            back: back.unwrap_or(Transform::IDENTITY),
        }
    }

    /// The map in pixels of the posted picture, or of the same picture at another size. `None` if no layer has places.
    fn map(
        &self,
        comparison: &Comparison,
        size: (usize, usize),
    ) -> Result<Option<AnomalyMap>, InspectionError> {
        let layers = comparison.maps.iter().filter(|map| map.grid.len() > 1);
        let layers: Vec<_> = layers.cloned().collect();
        if layers.is_empty() {
            return Ok(None);
        }
        let to_input = Transform::resize(size, self.input).then(&self.back);
        AnomalyMap::of_layers(&layers, self.input, &to_input, size).map(Some)
    }

    /// Changed places, in pixels of the posted picture.
    fn places(&self, comparison: &Comparison) -> Result<Vec<Place>, InspectionError> {
        let Some(map) = self.map(comparison, self.input)? else {
            return Ok(Vec::new());
        };
        let scaled = |at: usize, length: usize, from: usize, to: usize| {
            let first = at * to / from;
            let end = ((at + length) * to).div_ceil(from).clamp(first + 1, to);
            (first, end - first)
        };
        let place = |region: Region| {
            let (x, width) = scaled(region.x, region.width, self.input.0, self.posted.0);
            let (y, height) = scaled(region.y, region.height, self.input.1, self.posted.1);
            Place {
                x,
                y,
                width,
                height,
                strength: region.strength,
            }
        };
        let found = regions(&map, LEAST_AREA, MOST_REGIONS);
        Ok(found.into_iter().map(place).collect())
    }
}

/// From maps to scores and places.
fn scored(
    learnt: &Learnt,
    maps: &Maps,
    inside: Option<&[bool]>,
    way: &Way,
) -> Result<(Comparison, Vec<Place>), InspectionError> {
    let fitted = learnt.fitted()?;
    let keep = references::compared(
        fitted.model.grids(),
        &learnt.frame,
        learnt.kept.as_deref(),
        inside,
    );
    let comparison = fitted.model.compare(&ImageFeatures {
        layers: &maps.views()?,
        keep: keep.as_deref(),
    })?;
    let places = way.places(&comparison)?;
    Ok((comparison, places))
}

/// The map as a PNG file.
async fn drawn(
    model: &Arc<Model>,
    comparison: Comparison,
    way: Way,
    form: MapForm,
    image: &ImageSource,
    options: EmbedOptions,
) -> Result<Option<Bytes>, NotCompared> {
    let (its_model, posted) = (model.clone(), way.posted);
    let draw = move |below: Option<&[u8]>| {
        let started = Instant::now();
        let map = way.map(&comparison, way.posted)?;
        let file = map.map(|map| match below {
            Some(pixels) => picture::overlay(&map, pixels),
            None => picture::values(&map),
        });
        its_model
            .metrics()
            .compare
            .note(Step::Map, started.elapsed());
        Ok::<_, InspectionError>(file.transpose()?.map(Bytes::from))
    };
    Ok(match form {
        MapForm::Values => {
            let pixels = (posted.0 * posted.1) as u64;
            let cost = COMPARE + pixels / PIXELS_PER_MICROSECOND;
            model.on_pool(options, cost, move || draw(None)).await??
        }
        // Decoded once more: held since it was aligned, it would take memory while it waits for its features.
        MapForm::Overlay => {
            let work = move |picture: Picture| draw(Some(picture.image.pixels()));
            let done = model.with_picture(image.clone(), options, work).await;
            done.map_err(|error| ReferenceError::of_image(error, String::new))??
        }
    })
}
