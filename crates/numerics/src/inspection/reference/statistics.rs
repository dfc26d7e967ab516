//! Statistics of OK images, gathered one image at a time.

use super::fitted::{Distances, Fitted};
use super::layer::{LayerSettings, Spread};
use super::layer_statistics::{ImageFeatures, ImagePatches, LayerStatistics, patches};
use super::memory::Memory;
use super::moments::Moments;
use super::patches::Patches;
use crate::inspection::error::InspectionError;
use crate::inspection::feature_map::Shape;
use serde::{Deserialize, Serialize};

/// The most OK images of a reference.
const MOST_IMAGES: usize = 4096;

/// What is known of the OK images of a reference. Its size does not grow with the images, but for a few numbers each. It can
/// be stored.
///
/// Call [`learn`](Self::learn) for every OK image, then [`hold_out`](Self::hold_out) for every one, then
/// [`fit`](Self::fit). Images can be added to a fitted reference in the same way: what was held out before stays as it
/// was scored then, with fewer images. (What was held out of a single image in quarters is forgotten with the second.)
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OkStatistics {
    pub(super) layers: Vec<LayerStatistics>,
    pub(super) images: u32,
    /// Parts of each held-out image.
    pub(super) held_out: Vec<Vec<f64>>,
    /// See [`with_least_spread`](Self::with_least_spread).
    #[serde(default)]
    pub(super) least_spread: f64,
}

impl OkStatistics {
    /// Of no image. One entry a layer: how it is compared, and the shape of its maps.
    pub fn new(layers: &[(LayerSettings, Shape)]) -> Result<Self, InspectionError> {
        let of = |(settings, shape): &(LayerSettings, Shape)| {
            settings.check()?;
            LayerStatistics::new(*settings, *shape)
        };
        Ok(Self {
            layers: layers.iter().map(of).collect::<Result<_, _>>()?,
            images: 0,
            held_out: Vec::new(),
            least_spread: 0.0,
        })
    }

    /// The least spread (standard deviation) of every part of a score: for images that are copies of one, which are more alike
    /// than good parts are. 0 by default; a tenth is a usual spread of these logarithms.
    #[must_use]
    pub fn with_least_spread(mut self, spread: f64) -> Self {
        self.least_spread = spread.max(0.0);
        self
    }

    /// The compared patches of a picture.
    pub fn patches(&self, image: &ImageFeatures<'_>) -> Result<ImagePatches, InspectionError> {
        patches(&self.layers, image).map(ImagePatches)
    }

    /// Learns an OK image: itself and any copies that are as good, such as turned or mirrored ones. Returns its number.
    pub fn learn(&mut self, views: &[ImageFeatures<'_>]) -> Result<u32, InspectionError> {
        // Before anything is changed, so that an error leaves all as it was.
        let views: Vec<_> = views
            .iter()
            .map(|view| self.patches(view))
            .collect::<Result<_, _>>()?;
        self.learn_patches(&views.iter().collect::<Vec<_>>())
    }

    /// Like [`learn`](Self::learn), from patches that were read with these statistics.
    pub fn learn_patches(&mut self, views: &[&ImagePatches]) -> Result<u32, InspectionError> {
        if self.images as usize >= MOST_IMAGES {
            let found = self.images as usize + 1;
            return Err(InspectionError::TooMany {
                what: "OK images of a reference",
                found,
                most: MOST_IMAGES,
            });
        }
        for view in views {
            for (layer, patches) in self.layers.iter_mut().zip(&view.0) {
                layer.learn(patches, self.images);
            }
        }
        if self.images == 1 {
            self.held_out.clear();
            self.layers
                .iter_mut()
                .for_each(LayerStatistics::forget_held_out);
        }
        self.images += 1;
        Ok(self.images - 1)
    }

    /// Scores an image that was learnt, `number`, as if it had not been: from all others. `views` as for `learn`; the first
    /// is scored. Where it is the only image, each quarter of it is scored from the other three.
    pub fn hold_out(
        &mut self,
        number: u32,
        views: &[ImageFeatures<'_>],
    ) -> Result<(), InspectionError> {
        let views: Vec<_> = views
            .iter()
            .map(|view| self.patches(view))
            .collect::<Result<_, _>>()?;
        self.hold_out_patches(number, &views.iter().collect::<Vec<_>>(), 1)
    }

    /// Like [`hold_out`](Self::hold_out), from patches that were read with these statistics; the first `scored` views are
    /// scored, each as a held-out picture.
    pub fn hold_out_patches(
        &mut self,
        number: u32,
        views: &[&ImagePatches],
        scored: usize,
    ) -> Result<(), InspectionError> {
        let ImagePatches(own) = views.first().ok_or(InspectionError::NoReference)?;
        if self.images == 1 {
            return self.hold_out_quarters(own);
        }
        let scored = views.get(..scored).unwrap_or(views);
        let mut rows = vec![(Vec::new(), Vec::new()); scored.len()];
        for (index, layer) in self.layers.iter().enumerate() {
            let others = layer.without(views.iter().map(|view| &view.0[index]), self.images)?;
            for ((row, maps), view) in rows.iter_mut().zip(scored) {
                let (parts, map) = layer.settings.scores(
                    &others,
                    layer.memory.as_ref(),
                    &view.0[index],
                    Some(number),
                    Spread::Whole,
                )?;
                row.extend(parts);
                maps.push(map);
            }
        }
        for (row, maps) in rows {
            self.note_held_out(row, &maps);
        }
        Ok(())
    }

    fn hold_out_quarters(&mut self, own: &[Patches]) -> Result<(), InspectionError> {
        for quarter in 0..4 {
            let mut row = Vec::new();
            let mut maps = Vec::new();
            for (layer, patches) in self.layers.iter().zip(own) {
                let grid = patches.grid;
                let inside = |position: usize| grid.quarter(position) == quarter;
                // A picture of very few patches has no quarters: it is scored from itself.
                let (held, rest) = match (
                    patches.part(inside),
                    patches.part(|position| !inside(position)),
                ) {
                    (Some(held), Some(rest)) => (held, rest),
                    _ => (patches.clone(), patches.clone()),
                };
                let others = Fitted {
                    gaussian: layer.gaussian(&Moments::of(&rest))?,
                    places: None,
                };
                let memory = layer
                    .settings
                    .memory
                    .map(|settings| Memory::new(layer.shape.channels, settings))
                    .transpose()?;
                let memory = memory.map(|mut memory| {
                    memory.add(&rest, 0);
                    memory
                });
                let (parts, map) =
                    layer
                        .settings
                        .scores(&others, memory.as_ref(), &held, None, Spread::Whole)?;
                row.extend(parts);
                maps.push(map);
            }
            self.note_held_out(row, &maps);
        }
        Ok(())
    }

    /// The parts of a held-out image, and the distances of its patches, a layer.
    fn note_held_out(&mut self, parts: Vec<f64>, maps: &[Distances]) {
        self.held_out.push(parts);
        for (layer, map) in self.layers.iter_mut().zip(maps) {
            layer.note_held_out(map);
        }
    }

    /// How the spread of a picture is taken, so that it compares with the held-out ones.
    pub(super) fn spread(&self) -> Spread {
        if self.images == 1 {
            Spread::Quarters
        } else {
            Spread::Whole
        }
    }

    /// Number of images that were learnt.
    #[must_use]
    pub fn images(&self) -> u32 {
        self.images
    }
}
