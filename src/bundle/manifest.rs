//! `bundle.json`: the description of a model as data. `docs/src/reference/bundle.md` describes the format field by field.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::features::FeaturesSide;
use crate::preprocess::{CropRounding, ImageSpec, InputLayout, Interpolation, ResizeMode};

/// The only manifest format that this version reads.
pub const FORMAT_VERSION: u32 = 1;

/// The manifest of a bundle.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format; [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The model's name in the API.
    pub name: String,
    /// A one-line description.
    #[serde(default)]
    pub description: String,
    /// Width of the embeddings.
    pub embedding_dim: usize,
    /// The image side.
    pub image: ImageSide,
    /// The text side.
    pub text: TextSide,
    /// How two embeddings become a score.
    pub similarity: Similarity,
    /// The same towers at several precisions; the first is fp32.
    pub variants: Vec<Variant>,
    /// The graph of features for inspection, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<FeaturesSide>,
    /// File name of the tokenizer.
    pub tokenizer: String,
    /// File name of the golden embeddings.
    pub golden: String,
    /// File name of the sample scenes, if there are any.
    #[serde(default)]
    pub samples: Option<String>,
    /// sha256 (hex) of every file of the bundle except the manifest.
    pub files: BTreeMap<String, String>,
    /// Origin of the model: recipe, data fingerprint, code revision, benchmark table.
    #[serde(default)]
    pub provenance: serde_json::Value,
}

/// The image encoder: its input and outputs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSide {
    /// Height and width of the input, in pixels.
    pub size: [usize; 2],
    /// Mean to subtract, in units of pixel / 255.
    pub mean: [f32; 3],
    /// Standard deviation to divide by, in units of pixel / 255.
    pub std: [f32; 3],
    /// How a picture of another shape is fitted to `size`.
    pub resize_mode: ResizeMode,
    /// The filter, as Pillow names it.
    pub interpolation: Interpolation,
    /// Start of the centre crop if the number of pixels to drop is odd.
    #[serde(default)]
    pub crop_rounding: CropRounding,
    /// Grey level of the padding that `longest` adds.
    #[serde(default)]
    pub fill_color: u8,
    /// Whether EXIF orientation is applied first.
    #[serde(default)]
    pub exif_orientation: bool,
    /// The graph's input.
    pub input: ImageInput,
    /// Name of the graph's embedding output, `[batch, embedding_dim]`.
    pub output: String,
    /// Whether that output is L2-normalised already; otherwise the runtime normalises it.
    #[serde(default = "yes")]
    pub output_normalised: bool,
    /// Name of the output with one embedding per patch, `[batch, rows * cols, embedding_dim]`.
    #[serde(default)]
    pub patch_output: Option<String>,
    /// Rows and columns of the patches.
    #[serde(default)]
    pub patch_grid: Option<[usize; 2]>,
}

/// Input of the image graph.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageInput {
    /// Name of the input.
    pub name: String,
    /// Order of the axes.
    pub layout: Layout,
    /// Element type.
    #[serde(rename = "type")]
    pub element: Element,
}

/// The default, true for every bundle of the training module.
fn yes() -> bool {
    true
}

/// Order of the axes of an image tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layout {
    /// batch, height, width, channel
    #[serde(rename = "NHWC")]
    Nhwc,
    /// batch, channel, height, width
    #[serde(rename = "NCHW")]
    Nchw,
}

/// Element type of an input tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Element {
    /// 8-bit pixels; the graph normalises.
    Uint8,
    /// Normalised pixels.
    Float32,
    /// Token ids.
    Int64,
}

/// The text encoder: its input and output.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextSide {
    /// Longest text in tokens, start and end token included.
    pub context_length: usize,
    /// Token before the text, if the model has one.
    #[serde(default)]
    pub sot_id: Option<u32>,
    /// Token after the text; the embedding is pooled there.
    pub eot_id: u32,
    /// Token that pads the shorter texts of a batch.
    pub pad_id: u32,
    /// How texts of a batch are padded.
    pub pad_to: PadTo,
    /// Text cleaning before `tokenizer.json`.
    pub cleaning: Cleaning,
    /// Kind of positions, for information.
    pub positions: Positions,
    /// The graph's input.
    pub input: TextInput,
    /// Name of the embedding output, `[batch, embedding_dim]`.
    pub output: String,
    /// Whether that output is L2-normalised already; otherwise the runtime normalises it.
    #[serde(default = "yes")]
    pub output_normalised: bool,
}

/// Input of the text graph.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextInput {
    /// Name of the input.
    pub name: String,
    /// Element type: int64.
    #[serde(rename = "type")]
    pub element: Element,
    /// Name of a second input of the same shape and type, if the graph has one: 1 for a token, 0 for padding.
    #[serde(default)]
    pub attention_mask: Option<String>,
}

/// How the texts of a batch are padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PadTo {
    /// To the longest text of the batch: correct where attention is causal and pooling is at the end token.
    Longest,
    /// Always to the context length: SigLIP's rule.
    ContextLength,
}

/// Text cleaning before the tokenizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cleaning {
    /// None: the tokenizer's own normaliser does everything.
    None,
}

/// Kind of position embedding in the text encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Positions {
    /// Rotary.
    Rope,
    /// A learned table.
    Absolute,
}

/// How cosines become logits and probabilities.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Similarity {
    /// Family of the loss that the model was trained with.
    pub kind: SimilarityKind,
    /// Factor of the cosine; already exponentiated.
    pub logit_scale: f32,
    /// Added to the scaled cosine.
    #[serde(default)]
    pub logit_bias: f32,
}

/// How logits become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SimilarityKind {
    /// CLIP: softmax over the texts.
    Softmax,
    /// SigLIP: each pair separately.
    Sigmoid,
}

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

impl ImageSide {
    /// The settings of preprocessing, or why their combination is not supported.
    pub fn spec(&self) -> Result<ImageSpec, String> {
        let layout = match (self.input.layout, self.input.element) {
            (Layout::Nhwc, Element::Uint8) => InputLayout::NhwcUint8,
            (Layout::Nchw, Element::Float32) => InputLayout::NchwFloat32,
            (layout, element) => {
                return Err(format!(
                    "image.input: {layout:?} with {element:?} is not supported; use NHWC with uint8 or NCHW with float32"
                ));
            }
        };
        Ok(ImageSpec {
            height: self.size[0],
            width: self.size[1],
            mean: self.mean,
            std: self.std,
            resize_mode: self.resize_mode,
            interpolation: self.interpolation,
            crop_rounding: self.crop_rounding,
            fill_color: self.fill_color,
            exif_orientation: self.exif_orientation,
            layout,
        })
    }
}

impl Manifest {
    /// Reads a manifest and checks everything that does not need another file.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        // The version is checked first: a newer format may differ in every other field.
        let version: Version = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if version.format_version != FORMAT_VERSION {
            return Err(format!(
                "format_version {} is not supported; this version of clip-in reads {FORMAT_VERSION}",
                version.format_version
            ));
        }
        let manifest: Self = serde_json::from_str(text).map_err(|e| e.to_string())?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        let name_is_plain =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
        if self.name.is_empty() || self.name.len() > 128 || !self.name.chars().all(name_is_plain) {
            return Err(format!(
                "name: {:?} must be 1 to 128 characters of a-z 0-9 . _ -",
                self.name
            ));
        }
        if !(1..=65_536).contains(&self.embedding_dim) {
            return Err(format!(
                "embedding_dim: {} is outside 1..65536",
                self.embedding_dim
            ));
        }
        if self
            .image
            .size
            .iter()
            .any(|side| !(1..=4096).contains(side))
        {
            return Err(format!(
                "image.size: {:?} is outside 1..4096",
                self.image.size
            ));
        }
        if self.image.std.iter().any(|s| !s.is_finite() || *s <= 0.0) {
            return Err("image.std: every entry must be greater than 0".to_owned());
        }
        if self.image.mean.iter().any(|m| !m.is_finite()) {
            return Err("image.mean: every entry must be a finite number".to_owned());
        }
        self.image.spec()?;
        if !(2..=65_536).contains(&self.text.context_length) {
            return Err(format!(
                "text.context_length: {} is outside 2..65536",
                self.text.context_length
            ));
        }
        if self.text.input.element != Element::Int64 {
            return Err("text.input.type: only int64 is supported".to_owned());
        }
        if !self.similarity.logit_scale.is_finite() || !self.similarity.logit_bias.is_finite() {
            return Err("similarity: logit_scale and logit_bias must be finite numbers".to_owned());
        }
        if let Some(features) = &self.features {
            features.check()?;
        }
        match self.variants.first() {
            Some(first) if first.precision == "fp32" => Ok(()),
            _ => Err("variants: the first one must be fp32".to_owned()),
        }
    }
}
