//! What is known of one layer of the OK images, and the patches that a picture has in it.

use super::fitted::{Distances, Fitted};
use super::gaussian::Gaussian;
use super::layer::LayerSettings;
use super::memory::Memory;
use super::moments::Moments;
use super::patches::{Grid, Patches};
use super::places::Places;
use crate::inspection::error::InspectionError;
use crate::inspection::feature_map::{FeatureMap, Shape};
use crate::inspection::scale::Histogram;
use serde::{Deserialize, Serialize};

/// The features of one picture.
#[derive(Debug, Clone, Copy)]
pub struct ImageFeatures<'a> {
    /// A map for each layer, in the order of the settings.
    pub layers: &'a [FeatureMap<'a>],
    /// For each layer which positions of its [`Grid`](super::Grid) are compared; `None`: all.
    pub keep: Option<&'a [Vec<bool>]>,
}

/// The compared patches of one picture, of every layer: a fraction of its features, for pictures that are needed twice.
#[derive(Debug, Clone)]
pub struct ImagePatches(pub(super) Vec<Patches>);

/// What is known of one layer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LayerStatistics {
    pub(super) settings: LayerSettings,
    pub(super) shape: Shape,
    pub(super) moments: Moments,
    pub(super) memory: Option<Memory>,
    /// What is shown at each place, if the settings compare places.
    #[serde(default)]
    pub(super) places: Option<Places>,
    /// Smoothed distances of the patches of held-out images.
    pub(super) distances: Histogram,
    /// Their distances from what is shown at their places.
    #[serde(default)]
    pub(super) place_distances: Histogram,
}

impl LayerStatistics {
    /// Of no image.
    pub(super) fn new(settings: LayerSettings, shape: Shape) -> Result<Self, InspectionError> {
        let places = || Places::none(shape.channels, Grid::new(shape, &settings.sampling).len());
        Ok(Self {
            settings,
            shape,
            moments: Moments::none(shape.channels),
            memory: settings
                .memory
                .map(|memory| Memory::new(shape.channels, memory))
                .transpose()?,
            places: settings.places.then(places),
            distances: Histogram::default(),
            place_distances: Histogram::default(),
        })
    }

    /// Learns the patches of a view of an image.
    pub(super) fn learn(&mut self, patches: &Patches, image: u32) {
        self.moments.add(&Moments::of(patches));
        if let Some(memory) = &mut self.memory {
            memory.add(patches, image);
        }
        if let Some(places) = &mut self.places {
            places.add(patches);
        }
    }

    /// What is known without these views of one of so many images.
    pub(super) fn without<'a>(
        &self,
        views: impl Iterator<Item = &'a Patches>,
        images: u32,
    ) -> Result<Fitted, InspectionError> {
        let (mut moments, mut places) = (self.moments.clone(), self.places.clone());
        for view in views {
            moments.remove(&Moments::of(view));
            if let Some(places) = &mut places {
                places.remove(view);
            }
        }
        self.of(&moments, places.as_ref(), images.saturating_sub(1))
    }

    /// The same without the sums of places, which are the largest of all: what is fitted to them is enough to compare.
    pub(super) fn without_places(&self) -> Self {
        Self {
            settings: self.settings,
            shape: self.shape,
            moments: self.moments.clone(),
            memory: self.memory.clone(),
            places: None,
            distances: self.distances.clone(),
            place_distances: self.place_distances.clone(),
        }
    }

    /// All that is known of so many images.
    pub(super) fn fitted(&self, images: u32) -> Result<Fitted, InspectionError> {
        self.of(&self.moments, self.places.as_ref(), images)
    }

    fn of(
        &self,
        moments: &Moments,
        places: Option<&Places>,
        images: u32,
    ) -> Result<Fitted, InspectionError> {
        Ok(Fitted {
            gaussian: self.gaussian(moments)?,
            places: places.map(|places| places.fit(moments, images)),
        })
    }

    /// Notes the distances of a held-out image.
    pub(super) fn note_held_out(&mut self, distances: &Distances) {
        self.distances.add(&distances.smoothed);
        let known: Vec<_> = distances.of_places.iter().flatten().copied().collect();
        self.place_distances.add(&known);
    }

    /// Forgets them.
    pub(super) fn forget_held_out(&mut self) {
        self.distances = Histogram::default();
        self.place_distances = Histogram::default();
    }

    fn patches(
        &self,
        map: &FeatureMap<'_>,
        keep: Option<&[bool]>,
    ) -> Result<Patches, InspectionError> {
        if map.shape() != self.shape {
            return Err(InspectionError::Shape {
                what: "a feature map",
                expected: format!("{} of the reference", self.shape),
                found: map.shape().to_string(),
            });
        }
        Patches::new(map, &self.settings.sampling, keep)
    }

    /// The Gaussian of these moments, by the settings of the layer.
    pub(super) fn gaussian(&self, moments: &Moments) -> Result<Gaussian, InspectionError> {
        Gaussian::fit(moments, self.settings.ridge, self.settings.explained)
    }
}

/// The patches of every layer of a picture.
pub(super) fn patches(
    layers: &[LayerStatistics],
    image: &ImageFeatures<'_>,
) -> Result<Vec<Patches>, InspectionError> {
    let wrong = |what, found: usize| InspectionError::Length {
        what,
        expected: layers.len(),
        found,
    };
    if image.layers.len() != layers.len() {
        return Err(wrong("the list of feature maps", image.layers.len()));
    }
    if let Some(keep) = image.keep.filter(|keep| keep.len() != layers.len()) {
        return Err(wrong("the list of masks", keep.len()));
    }
    let of = |(index, layer): (usize, &LayerStatistics)| {
        layer.patches(
            &image.layers[index],
            image.keep.map(|keep| keep[index].as_slice()),
        )
    };
    layers.iter().enumerate().map(of).collect()
}
