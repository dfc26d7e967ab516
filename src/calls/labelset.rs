//! Stores a label set.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::by_url;
use crate::api::{ApiError, AppState};
use crate::engine::url_of_image;
use crate::labelsets::{Definition, LabelSet};

/// Creates or replaces a label set; true if it is new. Example images that are named by URL are fetched now and stored as
/// images, so that the set does not change with later answers of a host.
///
/// # Errors
/// [`ApiError`] with the invalid field.
pub async fn put_labelset(
    state: &AppState,
    name: &str,
    mut definition: Definition,
) -> Result<(Arc<LabelSet>, bool), ApiError> {
    let model = state.model(definition.model.as_deref())?;
    // Nothing is fetched for a set that will be refused.
    state.labelsets.check(name, &definition)?;
    let mut fetched = None;
    if let Some(fetcher) = &state.images_by_url {
        let urls = definition.images().filter_map(|(label, k, image)| {
            let url = url_of_image(image)?.to_owned();
            Some(((label, k), url))
        });
        let found = by_url::fetch(state, fetcher, urls.collect(), None).await;
        let found = fetched.insert(found.map_err(|e| match e.place {
            Some((label, k)) => e.error.at(format!("labels[{label}].images[{k}]")),
            None => e.error,
        })?);
        for ((label, k), image) in found.images.drain(..) {
            let label = definition.labels.get_mut(label);
            if let Some(place) = label.and_then(|label| label.images.get_mut(k)) {
                *place = STANDARD.encode(image);
            }
        }
    }
    let put = state.labelsets.put(name, definition, &model).await?;
    // The bytes count towards the request until the set holds them.
    drop(fetched);
    Ok(put)
}
