//! Compares one picture.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use utoipa::ToSchema;

use super::parts::Parts;
use crate::api::ApiError;
use crate::calls::{MapKind, Place};
use crate::engine::{EmbedOptions, ImageSource, Model};
use crate::inspection::layer_map::LayerMap;
use crate::inspection::map_file::{self, MapFile};
use crate::inspection::reference::{Comparison, ImageFeatures};
use crate::inspection::registration::{Registration, RegistrationStatus};
use crate::inspection::text_map::Placed;
use crate::inspection::{InspectionError, Transform};
use crate::monitors::camera::Figures;
use crate::preprocess::Picture;
use crate::references::{self, Frame, Learnt, Maps, ReferenceError, Seen};
use crate::telemetry::Step;

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

/// What is known of one picture, without statements.
#[derive(Debug)]
pub struct One {
    pub changed: Changed,
    pub registration: Lies,
    pub regions: Vec<Place>,
    pub map: Option<Vec<u8>>,
    /// A map can be drawn.
    pub has_map: bool,
    /// See [`Picture::in_low_bits`].
    pub in_low_bits: bool,
    /// Light and focus.
    pub camera: Option<Figures>,
}

/// The reason why a picture was not compared.
pub struct NotCompared(ReferenceError);

impl NotCompared {
    /// The error, without a place in a request.
    pub fn reason(self) -> ReferenceError {
        self.0
    }

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
    map: Option<MapKind>,
    options: EmbedOptions,
) -> Result<One, NotCompared> {
    let (mut one, drawn) = compare_unwritten(model, learnt, image, options).await?;
    if let (Some(kind), Some(drawn)) = (map, drawn) {
        one.map = Some(file(model, drawn, kind, image, options).await?);
    }
    Ok(one)
}

/// As [`compare_one`], with the map as numbers instead of a file; there is none if the model has no maps.
pub async fn compare_unwritten(
    model: &Arc<Model>,
    learnt: &Arc<Learnt>,
    image: &ImageSource,
    options: EmbedOptions,
) -> Result<(One, Option<LayerMap>), NotCompared> {
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
        camera,
    } = seen;
    let maps = references::maps(model, &learnt.frame, picture, options).await;
    let maps = maps.map_err(|error| ReferenceError::of_features(error, String::new))?;
    let placed = placed(&learnt.frame, size, &found);
    let (its_learnt, its_model) = (learnt.clone(), model.clone());
    let work = move || {
        let started = Instant::now();
        let comparison = scored(&its_learnt, &maps, inside.as_deref())?;
        let drawn = LayerMap::new(comparison.maps.clone(), placed);
        let regions = drawn.as_ref().map(LayerMap::regions).transpose()?;
        its_model
            .metrics()
            .compare
            .note(Step::Compare, started.elapsed());
        Ok::<_, InspectionError>((comparison, drawn, regions.unwrap_or_default()))
    };
    let (comparison, drawn, regions) = model.on_pool(options, COMPARE, work).await??;
    let names = comparison.parts.iter().map(|part| {
        let layer = learnt
            .layers
            .get(part.name.layer)
            .map_or("", |name| name.as_str());
        (format!("{layer}_{}", part.name.kind.name()), part.deviation)
    });
    let one = One {
        changed: Changed {
            score: comparison.score,
            rank: comparison.rank,
            parts: Parts(names.collect()),
        },
        registration,
        regions: regions.into_iter().map(Place::from).collect(),
        map: None,
        has_map: drawn.is_some(),
        in_low_bits,
        camera,
    };
    Ok((one, drawn))
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

/// Where the pixels of a posted picture lie in what was compared.
fn placed(frame: &Frame, posted: (usize, usize), found: &Registration) -> Placed {
    let back = match found.status {
        RegistrationStatus::Aligned => found.transform.inverse(),
        RegistrationStatus::Identity | RegistrationStatus::Pose => None,
    };
    let scaled = Transform::resize(posted, frame.input);
    Placed {
        posted,
        input: frame.input,
        to_input: scaled.then(&back.unwrap_or(Transform::IDENTITY)),
    }
}

/// From maps to scores.
fn scored(
    learnt: &Learnt,
    maps: &Maps,
    inside: Option<&[bool]>,
) -> Result<Comparison, InspectionError> {
    let fitted = learnt.fitted()?;
    let keep = references::compared(
        fitted.model.grids(),
        &learnt.frame,
        learnt.kept.as_deref(),
        inside,
    );
    fitted.model.compare(&ImageFeatures {
        layers: &maps.views()?,
        keep: keep.as_deref(),
    })
}

/// The map as a PNG file.
async fn file(
    model: &Arc<Model>,
    map: LayerMap,
    kind: MapKind,
    image: &ImageSource,
    options: EmbedOptions,
) -> Result<Vec<u8>, NotCompared> {
    let (width, height) = map.size();
    let cost = COMPARE + (width * height) as u64 / PIXELS_PER_MICROSECOND;
    let its_model = model.clone();
    let write = move |file: MapFile<'_>| {
        let started = Instant::now();
        let written = map_file::write(&map, file);
        let metrics = &its_model.metrics().compare;
        metrics.note(Step::Map, started.elapsed());
        written
    };
    Ok(match kind {
        MapKind::Colours => {
            let work = move || write(MapFile::Colours);
            model.on_pool(options, cost, work).await??
        }
        MapKind::Values => {
            let work = move || write(MapFile::Values);
            model.on_pool(options, cost, work).await??
        }
        // Decoded once more: held since it was aligned, it would take memory while it waits for its features.
        MapKind::Overlay => {
            let work = move |picture: Picture| write(MapFile::Overlay(picture.image.pixels()));
            let done = model.with_picture(image.clone(), options, work).await;
            done.map_err(|error| ReferenceError::of_image(error, String::new))??
        }
    })
}
