//! Embeds a label set's texts and images: one vector for each label.

use super::definition::Definition;
use super::{Embedded, LabelSetError};
use crate::engine::{EmbedError, EmbedOptions, Embedding, ImageSource, Item, Lane, Model};
use crate::matching::{Prototypes, mean_direction};
use crate::preprocess::ImageOptions;

/// Number of items that are embedded at a time: a large set must share the queue with other work.
const AT_A_TIME: usize = 128;

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

/// An item, the index of its label, and its field for errors.
struct Part {
    label: usize,
    field: String,
    item: Item,
}

fn texts_of(definition: &Definition) -> Vec<Part> {
    let texts = definition.texts().map(|(label, text)| Part {
        label,
        field: format!("labels[{label}].texts"),
        item: Item::Text(text),
    });
    texts.collect()
}

fn images_of(definition: &Definition) -> Vec<Part> {
    let images = definition.images().map(|(label, k, image)| Part {
        label,
        field: format!("labels[{label}].images[{k}]"),
        item: Item::Image(ImageSource::Base64(image.to_owned())),
    });
    images.collect()
}

/// The mean direction of each label's items; `None` if there are no items.
async fn means(
    labels: usize,
    parts: Vec<Part>,
    definition: &Definition,
    model: &Model,
) -> Result<Option<Vec<Vec<f32>>>, LabelSetError> {
    let mut vectors: Vec<Vec<Embedding>> = vec![Vec::new(); labels];
    if parts.is_empty() {
        return Ok(None);
    }
    for some in parts.chunks(AT_A_TIME) {
        let items = some.iter().map(|part| part.item.clone()).collect();
        // A label must not be described in more words than the model reads, so truncation is an error.
        let options = EmbedOptions {
            lane: Lane::Bulk,
            truncate: false,
            images: definition.image_options(),
            ..EmbedOptions::default()
        };
        let embedded = model.embed(items, options).await;
        let embedded = embedded.map_err(|error| match error {
            EmbedError::Item { index, error } => LabelSetError::Item {
                field: some
                    .get(index)
                    .map_or_else(String::new, |part| part.field.clone()),
                error,
            },
            EmbedError::Engine(error) => LabelSetError::Engine(error),
        })?;
        for (part, vector) in some.iter().zip(embedded.embeddings) {
            if let Some(of_label) = vectors.get_mut(part.label) {
                of_label.push(vector);
            }
        }
    }
    Ok(Some(vectors.iter().map(|v| mean_direction(v)).collect()))
}
