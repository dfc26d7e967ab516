//! The precisions of a model, and what was measured of each.

use serde::{Deserialize, Serialize};

/// One precision of the two towers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// `fp32`, `fp16`, `int8`, …
    pub precision: String,
    /// File of the image graph.
    pub image: String,
    /// File of the text graph.
    pub text: String,
    /// Distance from fp32 PyTorch, measured at export; `None` if there was no reference.
    #[serde(default)]
    pub parity: Option<ParityPair>,
    /// Change of the mean pair accuracy against fp32, in points; `None` if it was not measured.
    #[serde(default)]
    pub benchmark_delta: Option<f64>,
    /// Speed relative to fp32, measured at export on one thread; `None` if it was not measured.
    #[serde(default)]
    pub speedup: Option<f64>,
    /// Largest `1 - cosine` at which the golden check passes.
    pub golden_tolerance: f64,
    /// Whether an item's embedding depends on the other items of its batch, for example if activations are quantised with a
    /// range over the whole batch. Such a variant runs item by item.
    #[serde(default)]
    pub batch_dependent: bool,
}

/// Parity of both towers.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ParityPair {
    /// The image encoder.
    pub image: Parity,
    /// The text encoder.
    pub text: Parity,
}

/// Distance of an exported graph from PyTorch, over the check set of the export.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Parity {
    /// Largest `1 - cosine`.
    pub worst: f64,
    /// Mean `1 - cosine`.
    pub mean: f64,
    /// Largest absolute difference of a coordinate.
    pub max_abs: f64,
}
