//! What of a picture is compared: the maps of the model's features, or of its image encoder where it has no features.

use std::sync::Arc;
use std::time::Instant;

use super::frame::Frame;
use crate::bundle::{FeatureOutput, ImageSide};
use crate::engine::{EmbedError, EmbedOptions, Encoding, FeaturesError, Item, Model};
use crate::inspection::reference::{LayerSettings, MemorySettings, Sampling};
use crate::inspection::{FeatureMap, InspectionError, Shape};
use crate::preprocess::{self, Pixels, RgbImage};

/// The tower's activation at stride 4, where its map is taken before it: see docs/src/reference/bundle.md.
const RELU6: (f32, f32) = (0.0, 6.0);

/// How far the nearest OK patch of a part may lie from its own place, in patches of stride 16.
const WINDOW: usize = 3;

/// One map of each picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Its name in the parts of a score.
    pub name: String,
    /// How it is compared.
    pub settings: LayerSettings,
    /// The shape of the map.
    pub shape: Shape,
}

/// The maps of one picture, in the order of the layers.
#[derive(Debug, Clone)]
pub struct Maps(Vec<(Shape, Arc<[f32]>)>);

impl Maps {
    /// As the functions of inspection take them.
    ///
    /// # Errors
    /// [`InspectionError`] for numbers that are not finite.
    pub fn views(&self) -> Result<Vec<FeatureMap<'_>>, InspectionError> {
        let maps = self.0.iter();
        maps.map(|(shape, values)| FeatureMap::new(*shape, values))
            .collect()
    }
}

/// The layers of a model. Where `lies_still`, OK parts lie in the same way in all pictures, so that a place is compared with
/// the same place of the reference and its surroundings; otherwise, as in a weave, with all places. If there is
/// but one of `images`, nothing tells how good parts vary at a place: its copies vary less.
pub fn layers(model: &Model, frame: &Frame, lies_still: bool, images: usize) -> Vec<Layer> {
    let manifest = model.manifest();
    let places = lies_still && images > 1;
    let Some(side) = &manifest.features else {
        return of_encoder(&manifest.image, manifest.embedding_dim, lies_still, places);
    };
    let coarsest = side.multiple_of();
    let layer = |output: &FeatureOutput| {
        let is_coarsest = output.stride == coarsest;
        let memory = MemorySettings {
            window: lies_still.then_some(WINDOW),
            ..MemorySettings::default()
        };
        let settings = LayerSettings {
            sampling: Sampling {
                clamp: (output.stride <= 4).then_some(RELU6),
                offset: Some(output.offset),
                ..Sampling::default()
            },
            // A change of the whole picture shows in the mean and in the spread of the deepest map.
            distribution: is_coarsest,
            shift: is_coarsest,
            places: is_coarsest && places,
            memory: is_coarsest.then_some(memory),
            ..LayerSettings::default()
        };
        let stride = output.stride.max(1);
        let shape = Shape {
            channels: output.channels,
            height: frame.input.1 / stride,
            width: frame.input.0 / stride,
        };
        Layer {
            name: output.name.clone(),
            settings,
            shape,
        }
    };
    side.outputs.iter().map(layer).collect()
}

/// The layers of an image encoder: the embedding of the whole picture, and those of its patches if it has them.
fn of_encoder(side: &ImageSide, channels: usize, lies_still: bool, places: bool) -> Vec<Layer> {
    // Few pictures say little about so many directions: those that no picture had must not count as impossible.
    let settings = LayerSettings {
        ridge: 1.0,
        distribution: false,
        ..LayerSettings::default()
    };
    let whole = Layer {
        name: "embedding".to_owned(),
        settings,
        shape: Shape {
            channels,
            height: 1,
            width: 1,
        },
    };
    let patches = side.patches().map(|(_, [height, width])| Layer {
        name: "patches".to_owned(),
        settings: LayerSettings {
            sampling: Sampling {
                border: 0,
                ..Sampling::default()
            },
            places,
            memory: Some(MemorySettings {
                window: lies_still.then_some(1),
                ..MemorySettings::default()
            }),
            ..settings
        },
        shape: Shape {
            channels,
            height,
            width,
        },
    });
    std::iter::once(whole).chain(patches).collect()
}

/// The maps of a picture that was scaled to the frame.
///
/// # Errors
/// [`FeaturesError`].
pub async fn maps(
    model: &Model,
    frame: &Frame,
    picture: RgbImage,
    options: EmbedOptions,
) -> Result<Maps, FeaturesError> {
    let started = Instant::now();
    let maps = if model.manifest().features.is_some() {
        let size = [frame.input.1, frame.input.0];
        let pixels = Pixels::U8(picture.into_pixels());
        let maps = model.features_of_pixels(pixels, size, options).await?;
        let one = |map: crate::runtime::FeatureMap| {
            let shape = Shape {
                channels: map.output.channels,
                height: map.rows,
                width: map.columns,
            };
            (shape, map.values)
        };
        maps.into_iter().map(one).collect()
    } else {
        let pixels = preprocess::to_input(&picture, model.image_spec());
        let options = EmbedOptions {
            patches: model.manifest().image.patches().is_some(),
            ..options
        };
        let encodings = model.embed(vec![Item::Pixels(pixels)], options).await;
        let encodings = encodings.map_err(|error| match error {
            EmbedError::Item { error, .. } => FeaturesError::Image(error),
            EmbedError::Engine(error) => FeaturesError::Engine(error),
        })?;
        encodings.into_iter().flat_map(of_encoding).collect()
    };
    model
        .metrics()
        .compare
        .features_seconds
        .observe(started.elapsed().as_secs_f64());
    Ok(Maps(maps))
}

/// The embedding of a picture and those of its patches, as maps.
fn of_encoding(encoding: Encoding) -> Vec<(Shape, Arc<[f32]>)> {
    let channels = encoding.embedding.len();
    let shape = |height, width| Shape {
        channels,
        height,
        width,
    };
    let mut maps = vec![(shape(1, 1), encoding.embedding)];
    if let Some(patches) = encoding.patches {
        let vectors = &patches.vectors;
        // From a vector a patch to a plane a channel.
        let planes =
            (0..channels).flat_map(|channel| vectors.iter().skip(channel).step_by(channels.max(1)));
        maps.push((
            shape(patches.rows, patches.columns),
            planes.copied().collect(),
        ));
    }
    maps
}
