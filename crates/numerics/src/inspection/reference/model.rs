//! Compares a picture with what is known of OK images.

use super::fitted::Fitted;
use super::layer::{PartName, Spread};
use super::layer_statistics::{ImageFeatures, LayerStatistics, patches};
use super::patches::Grid;
use super::statistics::OkStatistics;
use crate::inspection::error::InspectionError;
use crate::inspection::fuse::Fusion;
use crate::inspection::ranks::OkScores;
use crate::inspection::scale::Scale;

/// The share of the pixels of an OK image that all layers together may colour; the promise is 1 %.
const COLOURED: f64 = 0.004;

/// A fitted reference.
#[derive(Debug, Clone)]
pub struct ReferenceModel {
    layers: Vec<LayerStatistics>,
    fitted: Vec<Fitted>,
    scales: Vec<Scale>,
    /// Of the distances from what is shown at a place.
    place_scales: Vec<Scale>,
    names: Vec<PartName>,
    fusion: Fusion,
    ok: OkScores,
    images: u32,
    spread: Spread,
}

/// What a comparison says about one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// One score from all parts: high where the picture is unlike the OK ones. About 1 where all is OK.
    pub score: f64,
    /// The share of OK images with a lower score, 0..1.
    pub rank: f64,
    /// The parts.
    pub parts: Vec<PartScore>,
    /// A map a layer.
    pub maps: Vec<PatchMap>,
}

/// One part of a score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PartScore {
    /// Which part.
    pub name: PartName,
    /// Standard deviations of OK images above their mean.
    pub deviation: f64,
    /// What it weighs in the fused score, 0..1.
    pub weight: f64,
}

/// How unlike OK patches the patches of one layer are.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchMap {
    /// Where the patches lie.
    pub grid: Grid,
    /// A value a position of the grid: 0 is usual, 1 the limit that hardly any OK patch passes; `None` where nothing was
    /// compared.
    pub values: Vec<Option<f32>>,
}

impl ReferenceModel {
    fn new(known: &OkStatistics) -> Result<Self, InspectionError> {
        if known.images == 0 || known.held_out.is_empty() {
            return Err(InspectionError::NoReference);
        }
        let names = known
            .layers
            .iter()
            .enumerate()
            .flat_map(|(layer, statistics)| {
                statistics
                    .settings
                    .kinds()
                    .into_iter()
                    .map(move |kind| PartName { layer, kind })
            });
        let layers = known.layers.iter();
        let with_places = layers.clone().filter(|layer| layer.places.is_some());
        let passing = COLOURED / (layers.len() + with_places.count()).max(1) as f64;
        Ok(Self {
            fitted: layers
                .clone()
                .map(|layer| layer.fitted(known.images))
                .collect::<Result<_, _>>()?,
            scales: layers
                .clone()
                .map(|layer| Scale::new(&layer.distances, passing))
                .collect(),
            place_scales: layers
                .clone()
                .map(|layer| Scale::new(&layer.place_distances, passing))
                .collect(),
            names: names.collect(),
            fusion: Fusion::fit(&known.held_out, known.least_spread)?,
            ok: OkScores::new(Fusion::held_out(&known.held_out, known.least_spread)?),
            images: known.images,
            spread: known.spread(),
            layers: layers.map(LayerStatistics::without_places).collect(),
        })
    }

    /// Compares one picture. Nothing but the picture and the reference has a part in the answer, so a picture alone and
    /// in any batch gives the same numbers.
    pub fn compare(&self, image: &ImageFeatures<'_>) -> Result<Comparison, InspectionError> {
        let patches = patches(&self.layers, image)?;
        let (mut parts, mut maps) = (Vec::new(), Vec::new());
        for (index, (layer, patches)) in self.layers.iter().zip(&patches).enumerate() {
            let memory = layer.memory.as_ref();
            let (scores, distances) =
                layer
                    .settings
                    .scores(&self.fitted[index], memory, patches, None, self.spread)?;
            parts.extend(scores);
            let mut values = vec![None; patches.grid.len()];
            for (number, (position, distance)) in
                patches.positions.iter().zip(distances.smoothed).enumerate()
            {
                let value = self.scales[index].value(distance);
                let of_place = distances.of_places.get(number).copied().flatten();
                let of_place = of_place.map(|distance| self.place_scales[index].value(distance));
                values[*position] = Some(of_place.map_or(value, |other| value.max(other)));
            }
            maps.push(PatchMap {
                grid: patches.grid,
                values,
            });
        }
        let score = self.fusion.score(&parts)?;
        let deviations = self.fusion.standardised(&parts);
        let named = self.names.iter().zip(deviations).zip(self.fusion.weights());
        Ok(Comparison {
            score,
            rank: self.ok.rank(score),
            parts: named
                .map(|((name, deviation), weight)| PartScore {
                    name: *name,
                    deviation,
                    weight,
                })
                .collect(),
            maps,
        })
    }

    /// The grid of each layer.
    pub fn grids(&self) -> impl Iterator<Item = Grid> + '_ {
        let grid = |layer: &LayerStatistics| Grid::new(layer.shape, &layer.settings.sampling);
        self.layers.iter().map(grid)
    }

    /// Number of OK images.
    #[must_use]
    pub fn images(&self) -> u32 {
        self.images
    }

    /// Scores of the OK images, each held out.
    #[must_use]
    pub fn ok_scores(&self) -> &OkScores {
        &self.ok
    }
}

impl OkStatistics {
    /// The model that compares pictures with all that was learnt.
    pub fn fit(&self) -> Result<ReferenceModel, InspectionError> {
        ReferenceModel::new(self)
    }
}
