//! Prepares encoder inputs: decodes and resizes images, tokenises texts. An invalid item is found here, before anything is
//! queued.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::try_join_all;

use super::caches::{CacheKey, Caches};
use super::cost;
use super::cpu_pool::CpuPool;
use super::error::{EngineError, ItemError};
use super::fair_queue::Flow;
use super::image_source::ImageSource;
use super::job::Input;
use super::request::{EmbedOptions, Encoding, Item};
use super::settings::EngineSettings;
use crate::bundle::{Bundle, BundleError};
use crate::preprocess::{self, ImageOptions, ImageSpec, InputLayout, Limits, Pixels, Stop};
use crate::telemetry::Metrics;
use crate::tokenize::{TextTokenizer, TokenCount};

/// An item, ready for the next step.
#[derive(Debug)]
pub enum Prepared {
    /// A cache had its encoding.
    Cached(Encoding),
    /// An encoder must run.
    Missing(EncoderInput),
}

/// An encoder input, and what is known about its item.
#[derive(Debug)]
pub struct EncoderInput {
    pub input: Input,
    pub tokens: TokenCount,
    /// For an image: see [`preprocess::Picture`].
    pub in_low_bits: bool,
    /// The place of the encoding in a cache.
    pub key: CacheKey,
}

impl EncoderInput {
    /// Of an item that the client prepared.
    fn of(input: Input) -> Self {
        Self {
            input,
            tokens: TokenCount::default(),
            in_low_bits: false,
            key: CacheKey::None,
        }
    }
}

/// The parts of a model that preparing needs.
#[derive(Debug)]
pub struct Preparer {
    pub spec: ImageSpec,
    pub tokenizer: TextTokenizer,
    pub context_length: usize,
    pub limits: Limits,
    /// The defaults of the image options.
    pub image_options: ImageOptions,
    pub max_text_bytes: usize,
    pub caches: Caches,
    pub metrics: Arc<Metrics>,
}

/// Number of texts per task of the pool: enough that the overhead of a task does not matter.
const TEXTS_AT_A_TIME: usize = 64;

/// Bytes of text after which a task of the pool ends. Some characters become twenty before they are tokenised, at 10 µs per
/// byte and more: other requests wait for one such task, not for sixty.
const TEXT_BYTES_AT_A_TIME: usize = 16 << 10;

impl Preparer {
    /// Preprocessing and tokenizer of a bundle.
    pub fn new(
        bundle: &Bundle,
        settings: &EngineSettings,
        metrics: Arc<Metrics>,
    ) -> Result<Self, BundleError> {
        let manifest = &bundle.manifest;
        let unsupported = |reason| BundleError::Manifest {
            path: bundle.root().join("bundle.json"),
            reason,
        };
        Ok(Self {
            spec: manifest.image.spec().map_err(unsupported)?,
            tokenizer: TextTokenizer::load(bundle)?,
            context_length: manifest.text.context_length,
            limits: settings.image_limits,
            image_options: settings.image_options,
            max_text_bytes: settings.max_text_bytes,
            caches: Caches::new(settings, manifest.embedding_dim, &metrics),
            metrics,
        })
    }

    /// Prepares all items, in order. Each has its own result.
    pub async fn prepare(
        self: &Arc<Self>,
        pool: &CpuPool,
        items: Vec<Item>,
        options: EmbedOptions,
    ) -> Result<Vec<Result<Prepared, ItemError>>, EngineError> {
        let mut pieces = Vec::new();
        let mut piece: Vec<Item> = Vec::new();
        let mut bytes = 0;
        for item in items {
            let alone = matches!(item, Item::Image(_));
            if let Item::Text(text) = &item {
                bytes += text.len();
            }
            let full = piece.len() == TEXTS_AT_A_TIME || bytes > TEXT_BYTES_AT_A_TIME;
            if !piece.is_empty() && (alone || full) {
                pieces.push(std::mem::take(&mut piece));
                bytes = 0;
            }
            if alone {
                pieces.push(vec![item])
            } else {
                piece.push(item)
            }
        }
        if !piece.is_empty() {
            pieces.push(piece);
        }
        let flow = Flow::next(options.tenant);
        let work = pieces.into_iter().map(|piece| {
            let this = self.clone();
            let cost = piece.iter().map(|item| cost::of(item, &self.limits)).sum();
            pool.run(options.lane, flow, cost, move |stop| {
                piece
                    .into_iter()
                    // The rest of a task whose request was cancelled is skipped.
                    .take_while(|_| !stop.is_gone())
                    .map(|item| this.prepare_one(item, options, stop))
                    .collect::<Vec<_>>()
            })
        });
        Ok(try_join_all(work).await?.into_iter().flatten().collect())
    }

    /// Prepares one item. `stop` is checked while an image is decoded.
    pub fn prepare_one(
        &self,
        item: Item,
        options: EmbedOptions,
        stop: &Stop,
    ) -> Result<Prepared, ItemError> {
        Ok(Prepared::Missing(match item {
            Item::Image(source) => return self.image(&source, options.images, stop),
            Item::Pixels(pixels) => {
                self.check_pixels(&pixels)?;
                EncoderInput::of(Input::Image(pixels))
            }
            Item::Tokens(ids) => {
                self.check_tokens(&ids)?;
                let (read, truncated) = (ids.len(), 0);
                EncoderInput {
                    tokens: TokenCount { read, truncated },
                    ..EncoderInput::of(Input::Text(ids))
                }
            }
            Item::Text(text) => self.text(text, options.truncate)?,
        }))
    }

    fn image(
        &self,
        source: &ImageSource,
        options: ImageOptions,
        stop: &Stop,
    ) -> Result<Prepared, ItemError> {
        let started = Instant::now();
        let bytes = source.bytes()?;
        let options = options.or(self.image_options);
        let key = match self.caches.image(&bytes, options) {
            Ok(encoding) => return Ok(Prepared::Cached(encoding)),
            Err(key) => key,
        };
        let picture = preprocess::decode_for(&bytes, &self.limits, &self.spec, options, stop)?;
        let decoded = started.elapsed();
        let pixels = preprocess::to_input(&picture.image, &self.spec);
        let resized = started.elapsed() - decoded;
        let metrics = &self.metrics;
        metrics.decode_seconds.observe(decoded.as_secs_f64());
        metrics.resize_seconds.observe(resized.as_secs_f64());
        Ok(Prepared::Missing(EncoderInput {
            in_low_bits: picture.in_low_bits,
            key,
            ..EncoderInput::of(Input::Image(pixels))
        }))
    }

    fn text(&self, text: String, truncate: bool) -> Result<EncoderInput, ItemError> {
        let started = Instant::now();
        if text.len() > self.max_text_bytes {
            return Err(ItemError::TextTooLong {
                bytes: text.len(),
                most: self.max_text_bytes,
            });
        }
        let tokens = self.tokenizer.encode(&text).map_err(ItemError::Tokenize)?;
        let count = tokens.count();
        if count.truncated > 0 && !truncate {
            return Err(ItemError::WouldTruncate {
                truncated: count.truncated,
                context: self.context_length,
            });
        }
        let (took, metrics) = (started.elapsed(), &self.metrics);
        metrics.tokenize_seconds.observe(took.as_secs_f64());
        metrics.truncated_tokens.inc_by(count.truncated as u64);
        if count.truncated > 0 {
            metrics.truncated_texts.inc();
        }
        Ok(EncoderInput {
            tokens: count,
            key: self.caches.key_of_text(text),
            ..EncoderInput::of(Input::Text(tokens.ids))
        })
    }

    fn check_pixels(&self, pixels: &Pixels) -> Result<(), ItemError> {
        let expected = self.spec.width * self.spec.height * 3;
        let (element, found) = match (self.spec.layout, pixels) {
            (InputLayout::NhwcUint8, Pixels::U8(values)) if values.len() == expected => {
                return Ok(());
            }
            (InputLayout::NchwFloat32, Pixels::F32(values)) if values.len() == expected => {
                return Ok(());
            }
            (InputLayout::NhwcUint8, _) => ("UINT8", describe(pixels)),
            (InputLayout::NchwFloat32, _) => ("FP32", describe(pixels)),
        };
        Err(ItemError::Pixels {
            expected,
            element,
            found,
        })
    }

    fn check_tokens(&self, ids: &[u32]) -> Result<(), ItemError> {
        let (most, known) = (self.context_length, self.tokenizer.vocabulary_size());
        if ids.is_empty() || ids.len() > most {
            let message = format!(
                "a text must have 1 to {most} tokens; this has {}",
                ids.len()
            );
            return Err(ItemError::Tokens(message));
        }
        match ids.iter().find(|id| **id as usize >= known) {
            None => Ok(()),
            Some(id) => Err(ItemError::Tokens(format!(
                "token id {id} is not below the {known} ids of the model"
            ))),
        }
    }
}

fn describe(pixels: &Pixels) -> String {
    match pixels {
        Pixels::U8(values) => format!("{} of type UINT8", values.len()),
        Pixels::F32(values) => format!("{} of type FP32", values.len()),
    }
}
