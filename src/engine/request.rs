//! A request to the engine, and its result.

use super::error::ItemError;
use super::fair_queue::Tenant;
use super::image_source::ImageSource;
use super::job::{Deadline, Embedding, Lane};
use crate::preprocess::{ImageOptions, Pixels};

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

/// Embeddings of a request, in order of its items.
#[derive(Debug, Clone, Default)]
pub struct Embedded {
    /// One for each item.
    pub embeddings: Vec<Embedding>,
    /// Tokens of the texts, including start and end tokens.
    pub tokens: usize,
    /// Tokens that did not fit into the context.
    pub truncated: usize,
    /// Indices of the 16-bit images whose values look like those of fewer bits: see [`crate::preprocess::Picture`].
    pub in_low_bits: Vec<usize>,
}

/// The result for each item of a request, in order.
#[derive(Debug, Clone, Default)]
pub struct EmbeddedEach {
    /// An embedding, or the error of the item.
    pub embeddings: Vec<Result<Embedding, ItemError>>,
    /// Tokens of the texts, as in [`Embedded`]; those of invalid items are not counted.
    pub tokens: usize,
    /// Tokens that did not fit into the context.
    pub truncated: usize,
    /// As in [`Embedded`].
    pub in_low_bits: Vec<usize>,
}
