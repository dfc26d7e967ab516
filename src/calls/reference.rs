//! Stores references.

use std::sync::Arc;

use bytes::Bytes;

use super::by_url;
use crate::api::{ApiError, AppState};
use crate::engine::{EmbedOptions, ImageSource};
use crate::references::{Definition, Photograph, Reference};

/// Creates or replaces a reference; true if it is new. Images that are named by URL are fetched now and stored as images.
///
/// # Errors
/// [`ApiError`] with the invalid field.
pub async fn put_reference(
    state: &AppState,
    name: &str,
    mut definition: Definition,
    images: Vec<ImageSource>,
    options: EmbedOptions,
) -> Result<(Arc<Reference>, bool), ApiError> {
    let model = state.model(definition.model.as_deref())?;
    // Nothing is fetched for a reference that will be refused.
    definition.images = vec![Photograph(Bytes::new()); images.len()];
    state.references.check(name, &definition)?;
    let (images, _fetched) = photographs(state, images, options).await?;
    definition.images = images;
    let put = state.references.put(name, definition, &model, options);
    Ok(put.await?)
}

/// Adds images to a reference, which gets the next version.
///
/// # Errors
/// [`ApiError`] with the invalid field.
pub async fn add_to_reference(
    state: &AppState,
    name: &str,
    images: Vec<ImageSource>,
    options: EmbedOptions,
) -> Result<Arc<Reference>, ApiError> {
    state.references.get(name)?;
    let (images, _fetched) = photographs(state, images, options).await?;
    let model_of = |definition: &Definition| state.model(definition.model.as_deref());
    let added = state.references.add(name, images, model_of, options);
    added.await
}

/// The bytes of images. The last value counts those that were fetched towards the budget.
async fn photographs(
    state: &AppState,
    mut images: Vec<ImageSource>,
    options: EmbedOptions,
) -> Result<(Vec<Photograph>, Option<by_url::Fetched<usize>>), ApiError> {
    let mut fetched = None;
    if let Some(fetcher) = &state.images_by_url {
        let urls = images.iter().enumerate();
        let urls = urls.filter_map(|(i, image)| Some((i, image.url()?.to_owned())));
        let found = by_url::fetch(state, fetcher, urls.collect(), options.deadline).await;
        let found = fetched.insert(found.map_err(|e| match e.place {
            Some(i) => e.error.at(format!("images[{i}]")),
            None => e.error,
        })?);
        for (i, image) in found.images.drain(..) {
            if let Some(place) = images.get_mut(i) {
                *place = ImageSource::Bytes(image);
            }
        }
    }
    let one = |(i, image): (usize, ImageSource)| match image {
        // A part of a form would keep the whole form in memory.
        ImageSource::Bytes(bytes) => Ok(Photograph(Bytes::copy_from_slice(&bytes))),
        base64 => {
            let bytes = base64
                .bytes()
                .map(|bytes| Photograph(bytes.into_owned().into()));
            bytes.map_err(|error| ApiError::from(error).at(format!("images[{i}]")))
        }
    };
    let images = images.into_iter().enumerate().map(one);
    Ok((images.collect::<Result<_, _>>()?, fetched))
}
