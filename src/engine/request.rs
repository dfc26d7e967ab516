//! What a request asks of the engine, and what it gets.

use super::error::ItemError;
use super::fair_queue::Tenant;
use super::image_source::ImageSource;
use super::job::{Deadline, Embedding, Lane};
use crate::preprocess::{ImageOptions, Pixels};

/// Something to embed.
#[derive(Debug, Clone)]
pub enum Item {
    /// A picture as it came.
    Image(ImageSource),
    /// A text.
    Text(String),
    /// Pixels as the image encoder takes them: the client did the preprocessing.
    Pixels(Pixels),
    /// Token ids as the text encoder takes them: the client did the tokenising.
    Tokens(Vec<u32>),
}

impl Item {
    /// Whether the image encoder runs it.
    pub fn is_image(&self) -> bool {
        matches!(self, Self::Image(_) | Self::Pixels(_))
    }
}

/// Rules of one request.
#[derive(Debug, Clone, Copy)]
pub struct EmbedOptions {
    /// Which queue.
    pub lane: Lane,
    /// When the answer is of no use any more.
    pub deadline: Deadline,
    /// Cut texts that are too long (and say so), or refuse them.
    pub truncate: bool,
    /// How images are read, where this is not left to the model's settings.
    pub images: ImageOptions,
    /// Who takes turns with others while items are prepared.
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

/// Embeddings of a request, in its order.
#[derive(Debug, Clone, Default)]
pub struct Embedded {
    /// One for each item.
    pub embeddings: Vec<Embedding>,
    /// Tokens that the text encoder read, start and end tokens included.
    pub tokens: usize,
    /// Tokens that did not fit into the context.
    pub truncated: usize,
    /// Positions of the 16-bit images whose values look like those of fewer bits: see [`crate::preprocess::Picture`].
    pub in_low_bits: Vec<usize>,
}

/// What became of each item of a request, in its order.
#[derive(Debug, Clone, Default)]
pub struct EmbeddedEach {
    /// An embedding, or what is wrong with the item.
    pub embeddings: Vec<Result<Embedding, ItemError>>,
    /// Tokens that the text encoder read, as in [`Embedded`]; those of bad items are not counted.
    pub tokens: usize,
    /// Tokens that did not fit into the context.
    pub truncated: usize,
    /// As in [`Embedded`].
    pub in_low_bits: Vec<usize>,
}
