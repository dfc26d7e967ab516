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
            tenant: Tenant::default(),
        }
    }
}

/// What the engine gives for an item. Caches keep it as it is.
#[derive(Debug, Clone)]
pub struct Encoding {
    /// The L2-normalised embedding.
    pub embedding: Embedding,
    /// The tokens of a text.
    pub tokens: TokenCount,
    /// Whether the values of a 16-bit image look like those of fewer bits: see [`crate::preprocess::Picture`].
    pub in_low_bits: bool,
}

impl Encoding {
    /// Bytes of memory besides its own size.
    pub fn bytes(&self) -> usize {
        size_of_val::<[f32]>(&self.embedding)
    }
}

impl AsRef<[f32]> for Encoding {
    fn as_ref(&self) -> &[f32] {
        &self.embedding
    }
}
