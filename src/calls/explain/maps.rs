//! The maps of an image: for each text, how much it holds at each place.

use std::sync::Arc;

use super::prepared::Prepared;
use crate::api::ApiError;
use crate::engine::{EmbedOptions, Embedding, Encoding, Item, Model};
use crate::error_code::Code;
use crate::inspection::text_map::{Placed, Places, TextMap};
use crate::inspection::{InspectionError, Region, Transform};
use crate::preprocess::{Coverable, Window, placement};

/// Places of a row and of a column that are covered one after another. A cover is two places wide and high.
pub const SIDE: usize = 8;

/// Covered images in the queue at a time.
pub const COVERS_AT_A_TIME: usize = 16;

/// What a value of 1 is: by how much the logit falls when a place is covered. On drawn scenes 2 % of what lies outside of the
/// named part is above, and 0.5 % above twice this.
const COVER_LOGITS: f32 = 4.0;

/// By how much the logit of a patch is above that of the neutral text. The same share is above.
const PATCH_LOGITS: f32 = 6.0;

/// Microseconds for the map and the boxes of a text, at worst.
const OF_A_TEXT: u64 = 5_000;

/// What the images of a request have in common.
pub struct Explainer<'a> {
    pub model: &'a Model,
    pub options: EmbedOptions,
    pub texts: Arc<[Encoding]>,
    /// For patches.
    pub neutral: Option<Embedding>,
}

/// Vectors of places, row by row.
struct Vectors {
    values: Vec<f32>,
    rows: usize,
    columns: usize,
}

impl Explainer<'_> {
    /// The maps of all texts of an image, and what stands out in them.
    pub async fn maps(
        &self,
        image: Prepared,
        whole: &Encoding,
    ) -> Result<Vec<(TextMap, Vec<Region>)>, ApiError> {
        let placed = self.placed(image.picture);
        let scale = self.model.manifest().similarity.logit_scale;
        let cost = OF_A_TEXT * self.texts.len() as u64;
        let texts = self.texts.clone();
        let found = if let Some(neutral) = self.neutral.clone() {
            let patches = whole.patches.clone().ok_or_else(incomplete)?;
            let work = move || {
                let places = Places {
                    vectors: &patches.vectors,
                    rows: patches.rows,
                    columns: patches.columns,
                };
                let factor = scale / PATCH_LOGITS;
                all(&texts, |text| {
                    TextMap::of_patches(places, text, &neutral, factor, placed)
                })
            };
            self.model.on_pool(self.options, cost, work).await?
        } else {
            let covered = self.covered(&image.input).await?;
            let whole = whole.embedding.clone();
            let work = move || {
                let places = Places {
                    vectors: &covered.values,
                    rows: covered.rows,
                    columns: covered.columns,
                };
                let factor = scale / COVER_LOGITS;
                all(&texts, |text| {
                    TextMap::of_covered(&whole, places, text, factor, placed)
                })
            };
            self.model.on_pool(self.options, cost, work).await?
        };
        found.map_err(|error| failed(&error))
    }

    /// Where the pixels of a picture of this width and height lie in the encoder's input.
    fn placed(&self, picture: (usize, usize)) -> Placed {
        let spec = self.model.image_spec();
        let place = placement(picture.0, picture.1, spec);
        let shift = Transform::shift(place.at.0 as f64, place.at.1 as f64);
        Placed {
            posted: picture,
            input: (spec.width, spec.height),
            to_input: Transform::resize(picture, place.scaled).then(&shift),
        }
    }

    /// The embeddings of an image with each place covered.
    async fn covered(&self, input: &Coverable) -> Result<Vectors, ApiError> {
        let spec = self.model.image_spec();
        let options = EmbedOptions {
            patches: false,
            ..self.options
        };
        let windows: Vec<_> = (0..SIDE * SIDE)
            .map(|place| window(place % SIDE, place / SIDE, (spec.width, spec.height)))
            .collect();
        let width = self.model.manifest().embedding_dim;
        let mut values = Vec::with_capacity(windows.len() * width);
        for some in windows.chunks(COVERS_AT_A_TIME) {
            let items = some
                .iter()
                .map(|window| Item::Pixels(input.covered(*window)));
            let found = self.model.embed(items.collect(), options).await;
            let found =
                found.map_err(|error| ApiError::from_embed(error, |_| "images".to_owned()))?;
            values.extend(found.iter().flat_map(|encoding| encoding.embedding.iter()));
        }
        Ok(Vectors {
            values,
            rows: SIDE,
            columns: SIDE,
        })
    }
}

/// The cover around the place of a column and row, of an input of this width and height.
fn window(column: usize, row: usize, (width, height): (usize, usize)) -> Window {
    // Half a place to each side.
    let edge = |place: isize, length: usize| {
        let at = place * length as isize / (2 * SIDE as isize);
        at.clamp(0, length as isize) as usize
    };
    let (column, row) = (2 * column as isize, 2 * row as isize);
    let (x, y) = (edge(column - 1, width), edge(row - 1, height));
    Window {
        x,
        y,
        width: edge(column + 3, width) - x,
        height: edge(row + 3, height) - y,
    }
}

fn all(
    texts: &[Encoding],
    map: impl Fn(&[f32]) -> Result<TextMap, InspectionError>,
) -> Result<Vec<(TextMap, Vec<Region>)>, InspectionError> {
    let maps = texts.iter().map(|text| {
        let map = map(&text.embedding)?;
        let regions = map.regions()?;
        Ok((map, regions))
    });
    maps.collect()
}

/// A map that cannot be made. Its size is bounded by the limits of images, so only an image with too many pixels is.
pub fn failed(error: &InspectionError) -> ApiError {
    let code = match error {
        InspectionError::TooMany { .. } => Code::ImageTooLarge,
        _ => Code::InternalError,
    };
    ApiError::new(code, error.to_string())
}

/// The encoders left something out: a mistake of ours.
fn incomplete() -> ApiError {
    ApiError::new(
        Code::InternalError,
        "the answer of the engine is incomplete",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covers_lie_around_their_places_and_inside() {
        let all: Vec<_> = (0..64)
            .map(|place| window(place % 8, place / 8, (128, 64)))
            .collect();
        let first = Window {
            x: 0,
            y: 0,
            width: 24,
            height: 12,
        };
        let inner = Window {
            x: 24,
            y: 4,
            width: 32,
            height: 16,
        };
        assert_eq!((all[0], all[10]), (first, inner));
        assert!(
            all.iter()
                .all(|w| w.x + w.width <= 128 && w.y + w.height <= 64)
        );
        // An input of one pixel is covered as a whole somewhere.
        assert!((0..64).any(|place| window(place % 8, place / 8, (1, 1)).width == 1));
    }
}
