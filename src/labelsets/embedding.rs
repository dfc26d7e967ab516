//! Embeds a label set's texts and images: one vector for each label.

use serde::{Deserialize, Serialize};

use super::LabelSetError;
use super::definition::Definition;
use crate::engine::{EmbedError, EmbedOptions, Encoding, ImageSource, Item, Lane, Model};
use crate::matching::{Prototypes, mean_direction};
use crate::named::Storable;
use crate::preprocess::ImageOptions;

/// Number of items that are embedded at a time: a large set must share the queue with other work.
const AT_A_TIME: usize = 128;

/// Vectors of a set's labels, and the model that computed them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Embedded {
    /// Name of the model.
    pub model: String,
    /// The model's content: see [`Model::fingerprint`].
    pub fingerprint: String,
    /// The image options of its example images.
    #[serde(default)]
    pub image_options: ImageOptions,
    /// The vectors.
    pub prototypes: Prototypes,
}

impl Storable for Embedded {
    fn bytes(&self) -> usize {
        self.prototypes.bytes()
    }
}

/// Embeds a definition.
///
/// # Errors
/// [`LabelSetError::Item`] with the field, or [`LabelSetError::Engine`].
pub async fn embed(definition: &Definition, model: &Model) -> Result<Embedded, LabelSetError> {
    let labels = definition.labels.len();
    let texts = texts_of(definition);
    let images = images_of(definition);
    Ok(Embedded {
        model: model.name().to_owned(),
        fingerprint: model.fingerprint().to_owned(),
        image_options: options_of(definition, model),
        prototypes: Prototypes {
            texts: means(labels, texts, definition, model).await?,
            images: means(labels, images, definition, model).await?,
        },
    })
}

/// The image options for a set's example images; they do not matter for a set without images.
pub fn options_of(definition: &Definition, model: &Model) -> ImageOptions {
    match definition.images().next() {
        Some(_) => definition.image_options().or(model.image_options()),
        None => ImageOptions::default(),
    }
}

/// The index of a label, the field of its item for errors, and the item.
type Part = (usize, String, Item);

fn texts_of(definition: &Definition) -> impl Iterator<Item = Part> {
    definition.texts().map(|(label, text)| {
        let field = format!("labels[{label}].texts");
        (label, field, Item::Text(text))
    })
}

fn images_of(definition: &Definition) -> impl Iterator<Item = Part> {
    definition.images().map(|(label, k, image)| {
        let field = format!("labels[{label}].images[{k}]");
        let image = ImageSource::Base64(image.to_owned());
        (label, field, Item::Image(image))
    })
}

/// The mean direction of each label's items; `None` if there are no items. Items are made when they are needed, so that of a
/// large set only those being embedded are in memory twice.
async fn means(
    labels: usize,
    parts: impl Iterator<Item = Part>,
    definition: &Definition,
    model: &Model,
) -> Result<Option<Vec<Vec<f32>>>, LabelSetError> {
    let mut vectors: Vec<Vec<Encoding>> = vec![Vec::new(); labels];
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return Ok(None);
    }
    while parts.peek().is_some() {
        let some = parts.by_ref().take(AT_A_TIME);
        let (places, items): (Vec<_>, Vec<_>) = some
            .map(|(label, field, item)| ((label, field), item))
            .unzip();
        // A label must not be described in more words than the model reads, so truncation is an error.
        let options = EmbedOptions {
            lane: Lane::Bulk,
            truncate: false,
            images: definition.image_options(),
            ..EmbedOptions::default()
        };
        let encodings = model.embed(items, options).await;
        let encodings = encodings.map_err(|error| match error {
            EmbedError::Item { index, error } => LabelSetError::Item {
                field: places
                    .get(index)
                    .map_or_else(String::new, |(_, field)| field.clone()),
                error,
            },
            EmbedError::Engine(error) => LabelSetError::Engine(error),
        })?;
        for ((label, _), encoding) in places.iter().zip(encodings) {
            if let Some(of_label) = vectors.get_mut(*label) {
                of_label.push(encoding);
            }
        }
    }
    Ok(Some(vectors.iter().map(|v| mean_direction(v)).collect()))
}
