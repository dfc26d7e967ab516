//! `bundle.json`: the description of a model as data. `docs/src/reference/bundle.md` describes the format field by field.

mod check;
mod features_side;
mod graph;
mod image_side;
mod statements_side;
mod text_side;
mod variant;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::features_side::{FeatureOutput, FeatureParity, FeaturesSide, MAX_PIXELS};
pub use self::graph::Element;
pub use self::image_side::{ImageInput, ImageSide, Layout};
pub use self::statements_side::{GoldenScores, StatementsSide};
pub use self::text_side::{Cleaning, PadTo, Positions, TextInput, TextSide};
pub use self::variant::{Parity, ParityPair, Variant};

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
    /// How statements about a change are ranked, if that was fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statements: Option<StatementsSide>,
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
}
