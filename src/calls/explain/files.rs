//! The PNG files of an answer, each counted before it is made.

use super::maps::failed;
use crate::api::answer_size::Growing;
use crate::api::{ApiError, AppState};
use crate::calls::map_kind::{MapKind, at_worst, base64_bytes};
use crate::engine::{EmbedOptions, ImageSource, Model};
use crate::inspection::map_file::{self, MapFile};
use crate::inspection::text_map::TextMap;
use crate::preprocess::Picture;

/// Microseconds for a million pixels, at worst.
const MEGAPIXEL: u64 = 50_000;

/// Writes the maps of a request as PNG.
pub struct Files<'a> {
    model: &'a Model,
    options: EmbedOptions,
    kind: Option<MapKind>,
    /// The picture under the map.
    under: Option<ImageSource>,
    growing: Growing,
    /// Bytes of what is written, in memory and in the answer.
    written: usize,
}

impl<'a> Files<'a> {
    /// Nothing is written yet.
    pub fn new(
        state: &AppState,
        model: &'a Model,
        options: EmbedOptions,
        kind: Option<MapKind>,
        under: Option<ImageSource>,
    ) -> Self {
        Self {
            model,
            options,
            kind,
            under,
            growing: Growing::new(state),
            written: 0,
        }
    }

    /// The PNG of a map; `None` if none is wanted.
    ///
    /// # Errors
    /// 413 or 429 if it does not fit into the answer.
    pub async fn write(&mut self, map: TextMap) -> Result<Option<Vec<u8>>, ApiError> {
        let Some(kind) = self.kind else {
            return Ok(None);
        };
        let (width, height) = map.size();
        let pixels = width.saturating_mul(height);
        let cost = pixels as u64 * MEGAPIXEL / 1_000_000;
        let most = self.written.saturating_add(at_worst(pixels, kind));
        self.growing.resize(most)?;
        let (model, options) = (self.model, self.options);
        let file = match (kind, &self.under) {
            (MapKind::Overlay, Some(image)) => {
                let over = move |picture: Picture| {
                    map_file::write(&map, MapFile::Overlay(picture.image.pixels()))
                };
                let work = model.with_picture(image.clone(), options, over).await;
                work.map_err(|error| ApiError::from_embed(error, |_| "images[0]".to_owned()))?
            }
            (MapKind::Values, _) => {
                let work = move || map_file::write(&map, MapFile::Values);
                model.on_pool(options, cost, work).await?
            }
            _ => {
                let work = move || map_file::write(&map, MapFile::Colours);
                model.on_pool(options, cost, work).await?
            }
        };
        let file = file.map_err(|error| failed(&error))?;
        self.written += file.capacity() + base64_bytes(file.len());
        self.growing.resize(self.written)?;
        Ok(Some(file))
    }

    /// Keeps the bytes until the answer is sent.
    pub fn keep(self) {
        self.growing.keep();
    }
}
