//! The text encoder in a manifest.

use serde::{Deserialize, Serialize};

use super::graph::{Element, yes};

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
