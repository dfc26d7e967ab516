//! A request to the engine, and its result.

use super::fair_queue::Tenant;
use super::image_source::ImageSource;
use super::job::{Deadline, Embedding, Lane};
use crate::preprocess::{ImageOptions, Pixels};
use crate::tokenize::TokenCount;

/// An item to embed.
#[derive(Debug, Clone)]
pub enum Item {
    /// A picture as received.
    Image(ImageSource),
    /// A text.
    Text(String),
    /// Preprocessed pixels for the image encoder: the client did the preprocessing.
    Pixels(Pixels),
    /// Token ids for the text encoder: the client did the tokenising.
    Tokens(Vec<u32>),
}

impl Item {
    /// Whether it runs on the image encoder.
    pub fn is_image(&self) -> bool {
        matches!(self, Self::Image(_) | Self::Pixels(_))
    }
}

/// Options of one request.
#[derive(Debug, Clone, Copy)]
pub struct EmbedOptions {
    /// The lane of the queue.
    pub lane: Lane,
    /// When the answer is no longer useful.
    pub deadline: Deadline,
    /// Whether texts that are too long are truncated (and this is reported) or refused.
    pub truncate: bool,
    /// Image options that override the model's settings.
    pub images: ImageOptions,
    /// Whether the patches of [`Item::Pixels`] are wanted too: see [`Encoding::patches`]. The model must have them: see
    /// [`crate::bundle::ImageSide::patches`].
    pub patches: bool,
    /// The tenant and request for fair queueing while items are prepared.
    pub tenant: Tenant,
}

impl Default for EmbedOptions {
    fn default() -> Self {
        Self {
            lane: Lane::Interactive,
            deadline: None,
            truncate: true,
            images: ImageOptions::default(),
            patches: false,
            tenant: Tenant::default(),
        }
    }
}

/// What the engine gives for an item. Caches keep it as it is.
#[derive(Debug, Clone)]
pub struct Encoding {
    /// The L2-normalised embedding.
    pub embedding: Embedding,
    /// The patches of pixels, if they were asked for.
    pub patches: Option<Patches>,
    /// The tokens of a text.
    pub tokens: TokenCount,
    /// Whether the values of a 16-bit image look like those of fewer bits: see [`crate::preprocess::Picture`].
    pub in_low_bits: bool,
}

impl Encoding {
    /// Bytes of memory besides its own size.
    pub fn bytes(&self) -> usize {
        let patches = self.patches.as_ref();
        let patches = patches.map_or(0, |patches| size_of_val::<[f32]>(&patches.vectors));
        size_of_val::<[f32]>(&self.embedding) + patches
    }
}

/// The patches of an image: a vector for each place, in the space of the texts.
#[derive(Debug, Clone)]
pub struct Patches {
    /// `[rows, columns, embedding_dim]`, every number finite. By the format of bundles each vector has length 1.
    pub vectors: Embedding,
    /// Rows of patches, from the top of the encoder's input.
    pub rows: usize,
    /// Patches of a row.
    pub columns: usize,
}

impl AsRef<[f32]> for Encoding {
    fn as_ref(&self) -> &[f32] {
        &self.embedding
    }
}
