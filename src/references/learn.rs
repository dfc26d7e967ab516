//! Learns the images of a reference: aligns them with the first, computes their maps, and scores each from all others.
//!
//! With few images, copies stand beside them (see `inspection::copies`), so that there are enough held-out scores. The copies
//! of an image are never among the others that it is scored from; only the copies of a single image are scored from one
//! another.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::definition::{Definition, Photograph, Places};
use super::error::ReferenceError;
use super::frame::Frame;
use super::layers;
use super::learnt::{Brightness, Learnt, Parts, grids, masked};
use super::lesson::{AT_A_TIME, Lesson, field, seen, source};
use super::seen::grey;
use crate::engine::{EmbedError, EmbedOptions, Item, Model};
use crate::inspection::masks::{Mask, Polygon};
use crate::inspection::reference::OkStatistics;
use crate::inspection::registration::RegistrationReference;
use crate::inspection::{InspectionError, Rgb};
use crate::matching::mean_direction;
use crate::preprocess::{ImageOptions, Interpolation, Picture};

/// Held-out scores that there should be at least where images have copies.
const SCORES: usize = 12;

/// From so many images on there are no copies. A copy differs from its image in light, focus and noise by more than good
/// parts of most lines do: the spread of a score that copies have part in hides small defects.
const ENOUGH: usize = 10;

/// Below this similarity with the first image, OK images are a pattern that lies differently in each.
const LIES_STILL: f64 = 0.5;

/// Similarity that a picture may lack beside the least similar OK image, before it is another pose; and the usual limit.
const POSE_MARGIN: f64 = 0.1;
const POSE_BELOW: f64 = 0.25;

/// Learns images of good parts.
///
/// # Errors
/// [`ReferenceError`] with the image.
pub async fn learn(
    model: &Arc<Model>,
    definition: &Definition,
    options: EmbedOptions,
) -> Result<Learnt, ReferenceError> {
    let images = definition.images.iter().map(|image| image.0.clone());
    let (images, places) = (&*images.collect::<Vec<_>>(), &definition.places);
    let image_options = definition.image_options.or(model.image_options());
    let options = EmbedOptions {
        images: image_options,
        ..options
    };
    let (frame, brightness) = first(model, images, definition.resolution, options).await?;
    places.check_inside(frame.posted)?;
    let mut registration = Arc::new(brightness.registration(-1.0, true)?);
    let least = least_similar(model, images, &frame, &registration, options).await?;
    let lies_still = least >= LIES_STILL;
    if !lies_still {
        registration = Arc::new(brightness.registration(-1.0, false)?);
    }
    let layers = layers::layers(model, &frame, lies_still, images.len());
    let settings: Vec<_> = layers
        .iter()
        .map(|layer| (layer.settings, layer.shape))
        .collect();
    let empty = OkStatistics::new(&settings)?;
    let kept = match places.is_everything() {
        true => None,
        false => {
            let painted = painted(model, places, frame, options).await?;
            let mask = mask(places, painted, &frame)?;
            Some(masked(grids(&layers), &frame, &mask)?)
        }
    };
    let lesson = Lesson {
        model,
        images,
        options,
        frame,
        registration,
        layers: Arc::new(layers),
        kept: Arc::new(kept),
        empty: Arc::new(empty),
        copies: copies(images.len()),
    };
    let statistics = match images {
        [_] => lesson.of_one().await?,
        _ => lesson.of_several().await?,
    };
    let embedding = embedding(model, images, options).await?;
    let layers = lesson.layers.iter().map(|layer| layer.name.clone());
    let learnt = Learnt::from(Parts {
        model: model.name().to_owned(),
        fingerprint: model.fingerprint().to_owned(),
        image_options,
        frame,
        images: images.len(),
        embedding,
        layers: layers.collect(),
        pose_below: POSE_BELOW.min(least - POSE_MARGIN).max(-1.0),
        lies_still,
        kept: lesson.kept.as_ref().clone(),
        statistics,
        first: brightness,
    });
    Ok(learnt)
}

/// Copies beside each of so many images.
fn copies(images: usize) -> u64 {
    match images {
        0..ENOUGH => SCORES.div_ceil(images.max(1)).saturating_sub(1) as u64,
        _ => 0,
    }
}

/// The sizes, and the first image in grey.
async fn first(
    model: &Arc<Model>,
    images: &[Bytes],
    resolution: Option<u32>,
    options: EmbedOptions,
) -> Result<(Frame, Brightness), ReferenceError> {
    let image = images.first().ok_or(ReferenceError::NoImages)?;
    let its_model = model.clone();
    let work = move |picture: Picture| {
        let image = &picture.image;
        let posted = (image.width() as usize, image.height() as usize);
        let frame = Frame::new(&its_model, posted, resolution)?;
        let scaled = frame.scaled(image, its_model.image_spec().interpolation);
        Ok::<_, ReferenceError>((frame, Brightness::of(&grey(&scaled)?)))
    };
    let done = model.with_picture(source(image), options, work).await;
    done.map_err(|error| ReferenceError::of_image(error, || field(0)))?
}

/// The least similarity of an image with the first; 1 if there is only one.
async fn least_similar(
    model: &Arc<Model>,
    images: &[Bytes],
    frame: &Frame,
    registration: &Arc<RegistrationReference>,
    options: EmbedOptions,
) -> Result<f64, ReferenceError> {
    let others = (1..images.len()).filter_map(|index| Some((index, images.get(index)?.clone())));
    let scores = others.map(|(index, image)| async move {
        let image = &image;
        let seen = seen(model, image, index, frame, registration, options).await?;
        Ok::<_, ReferenceError>(seen.registration.score)
    });
    let scores: Vec<f64> = stream::iter(scores)
        .buffered(AT_A_TIME)
        .try_collect()
        .await?;
    Ok(scores.into_iter().fold(1.0, f64::min))
}

/// The mask that is a picture, in pixels of the frame's input; everything if there is none.
async fn painted(
    model: &Arc<Model>,
    places: &Places,
    frame: Frame,
    options: EmbedOptions,
) -> Result<Mask, ReferenceError> {
    const FIELD: &str = "mask";
    let (width, height) = frame.input;
    let Some(Photograph(file)) = &places.mask else {
        return Ok(Mask::everything(width, height)?);
    };
    // Its values are what is meant, whatever those of the images are.
    let options = EmbedOptions {
        images: ImageOptions {
            value_bits: None,
            ..options.images
        },
        ..options
    };
    let work = move |picture: Picture| {
        let image = &picture.image;
        let size = (image.width() as usize, image.height() as usize);
        if size != frame.posted {
            let reason = format!(
                "{}x{} pixels; the first reference image has {}x{}",
                size.0, size.1, frame.posted.0, frame.posted.1
            );
            let field = FIELD.to_owned();
            return Err(ReferenceError::Invalid { field, reason });
        }
        let scaled = frame.scaled(image, Interpolation::Bilinear);
        let grey = Rgb::new(width, height, scaled.pixels())?.grey();
        let grey: Vec<u8> = grey.map(|value| (value * 255.0).round() as u8).collect();
        Ok(Mask::from_grey(width, height, &grey)?)
    };
    let done = model.with_picture(source(file), options, work).await;
    done.map_err(|error| ReferenceError::of_image(error, || FIELD.to_owned()))?
}

/// What is left of a mask by the polygons, in pixels of the frame's input.
fn mask(places: &Places, painted: Mask, frame: &Frame) -> Result<Mask, InspectionError> {
    let (width, height) = frame.input;
    let (x, y) = (
        width as f64 / frame.posted.0 as f64,
        height as f64 / frame.posted.1 as f64,
    );
    let scaled = |polygons: &[Polygon]| -> Vec<Polygon> {
        let corner = |(a, b): &(f64, f64)| ((a * x).min(width as f64), (b * y).min(height as f64));
        let polygon = |polygon: &Polygon| polygon.iter().map(corner).collect();
        polygons.iter().map(polygon).collect()
    };
    let mut mask = painted;
    if !places.regions.is_empty() {
        mask = mask.only(&scaled(&places.regions))?;
    }
    mask.without(&scaled(&places.ignore))
}

/// The mean direction of the images' embeddings.
async fn embedding(
    model: &Arc<Model>,
    images: &[Bytes],
    options: EmbedOptions,
) -> Result<Vec<f32>, ReferenceError> {
    let mut all = Vec::new();
    for (part, some) in images.chunks(AT_A_TIME).enumerate() {
        let items = some.iter().map(|image| Item::Image(source(image)));
        let encodings = model.embed(items.collect(), options).await;
        all.extend(encodings.map_err(|error| {
            let index = match &error {
                EmbedError::Item { index, .. } => *index,
                EmbedError::Engine(_) => 0,
            };
            ReferenceError::of_image(error, || field(part * AT_A_TIME + index))
        })?);
    }
    Ok(mean_direction(&all))
}
