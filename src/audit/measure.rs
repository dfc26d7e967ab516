//! Measures a record: pixel size and hashes, tokens, embeddings.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::record::{Fault, Picture, Place, Problem, Quality, Record, side_name};
use crate::dataset::pipeline;
use crate::engine::{CpuPool, Embedding, EngineError, Flow, Item, Lane, Model, Tenant};
use crate::preprocess::{self, ImageError, ImageSpec, Limits, Pixels, Stop};
use crate::tokenize::TextTokenizer;

/// An image, decoded and embedded.
#[derive(Debug)]
pub struct MeasuredImage {
    /// Hash of the file's bytes.
    pub bytes: u128,
    /// Hash of size and pixels.
    pub pixels: u128,
    /// Width and height in pixels.
    pub size: (u32, u32),
    pub embedding: Embedding,
}

/// A caption, tokenised.
#[derive(Debug)]
pub struct MeasuredText {
    pub text: String,
    /// Number of tokens, including those beyond the context.
    pub tokens: usize,
    pub lost: usize,
}

/// One side of a record.
#[derive(Debug, Default)]
pub struct MeasuredSide {
    pub image: Option<MeasuredImage>,
    pub caption: Option<MeasuredText>,
    pub long: Option<MeasuredText>,
    /// Embedding of the short caption, if it is needed.
    pub text_embedding: Option<Embedding>,
}

/// A measured record. Broken parts are missing here and listed as problems.
#[derive(Debug)]
pub struct Measured {
    pub place: Place,
    pub sides: Vec<MeasuredSide>,
    /// Problems with the name of their side.
    pub problems: Vec<(&'static str, Problem)>,
    pub prompt: Option<String>,
    pub category: Option<String>,
    pub quality: Quality,
}

/// The encoders and settings for measuring.
#[derive(Debug)]
pub struct Measurer {
    model: Arc<Model>,
    pool: CpuPool,
    tokenizer: Arc<TextTokenizer>,
    spec: Arc<ImageSpec>,
    limits: Limits,
}

/// A decoded image to be encoded.
struct Decoded {
    bytes: u128,
    pixels: u128,
    size: (u32, u32),
    input: Pixels,
}

type Prepared = (
    Result<Decoded, Problem>,
    Option<Result<MeasuredText, Problem>>,
    Option<Result<MeasuredText, Problem>>,
);

impl Measurer {
    /// # Errors
    /// If the bundle's tokenizer or image encoder cannot be used.
    pub fn new(model: Arc<Model>, pool: CpuPool, limits: Limits) -> anyhow::Result<Self> {
        let spec = model.manifest().image.spec().map_err(anyhow::Error::msg)?;
        Ok(Self {
            tokenizer: Arc::new(TextTokenizer::load(model.bundle())?),
            spec: Arc::new(spec),
            model,
            pool,
            limits,
        })
    }

    /// Width and height of the encoder's input, in pixels.
    pub fn input_size(&self) -> (usize, usize) {
        (self.spec.width, self.spec.height)
    }

    /// Measures one record.
    ///
    /// # Errors
    /// If the engine fails. A broken image or caption is a problem of the record instead.
    pub async fn measure(&self, record: Record) -> Result<Measured, EngineError> {
        let (tokenizer, spec, limits) = (self.tokenizer.clone(), self.spec.clone(), self.limits);
        let raw = record.sides;
        let prepare = move |_: &Stop| {
            raw.into_iter()
                .map(|side| {
                    let image = side.image.and_then(|image| decode(image, &spec, &limits));
                    let text = |text: String| tokens(&tokenizer, text);
                    (
                        image,
                        side.caption.map(|short| short.and_then(text)),
                        side.long.map(|long| long.and_then(text)),
                    )
                })
                .collect::<Vec<Prepared>>()
        };
        let prepared = self
            .pool
            .run(Lane::Bulk, Flow::next(Tenant::default()), 1, prepare)
            .await?;
        let mut measured = Measured {
            place: record.place,
            sides: Vec::new(),
            problems: Vec::new(),
            prompt: record.prompt,
            category: record.category,
            quality: record.quality,
        };
        let count = prepared.len();
        let mut waiting = Vec::new();
        for (i, (image, caption, long)) in prepared.into_iter().enumerate() {
            let name = side_name(count, i);
            let mut note = |problem| measured.problems.push((name, problem));
            let side = MeasuredSide {
                caption: caption.and_then(|short| short.map_err(&mut note).ok()),
                long: long.and_then(|long| long.map_err(&mut note).ok()),
                ..MeasuredSide::default()
            };
            waiting.push(image.map_err(&mut note).ok());
            measured.sides.push(side);
        }
        self.embed_images(&mut measured, waiting).await?;
        self.embed_captions(&mut measured).await?;
        Ok(measured)
    }

    async fn embed_images(
        &self,
        measured: &mut Measured,
        images: Vec<Option<Decoded>>,
    ) -> Result<(), EngineError> {
        let count = images.len();
        let work = images.into_iter().map(async |image| match image {
            None => None,
            Some(image) => {
                let embedding = self.embed(Item::Pixels(image.input)).await;
                Some(embedding.map(|embedding| {
                    embedding.map(|embedding| MeasuredImage {
                        bytes: image.bytes,
                        pixels: image.pixels,
                        size: image.size,
                        embedding,
                    })
                }))
            }
        });
        let embedded = futures_util::future::join_all(work).await;
        for (i, (side, image)) in measured.sides.iter_mut().zip(embedded).enumerate() {
            match image.transpose()? {
                None => {}
                Some(Ok(image)) => side.image = Some(image),
                Some(Err(reason)) => {
                    let problem = Problem::new(Fault::UnreadableImage, reason);
                    measured.problems.push((side_name(count, i), problem));
                }
            }
        }
        Ok(())
    }

    /// The two captions of a complete pair, if they differ; only then can they be swapped.
    async fn embed_captions(&self, measured: &mut Measured) -> Result<(), EngineError> {
        let [source, target] = &mut measured.sides[..] else {
            return Ok(());
        };
        let (Some(before), Some(after)) = (&source.caption, &target.caption) else {
            return Ok(());
        };
        if before.text == after.text || source.image.is_none() || target.image.is_none() {
            return Ok(());
        }
        let (before, after) = futures_util::future::join(
            self.embed(Item::Text(before.text.clone())),
            self.embed(Item::Text(after.text.clone())),
        )
        .await;
        source.text_embedding = before?.ok();
        target.text_embedding = after?.ok();
        Ok(())
    }

    /// The inner error is the item's fault.
    async fn embed(&self, item: Item) -> Result<Result<Embedding, String>, EngineError> {
        let encoding = pipeline::embed(&self.model, item, Lane::Bulk).await?;
        Ok(encoding.map(|encoding| encoding.embedding))
    }
}

fn decode(picture: Picture, spec: &ImageSpec, limits: &Limits) -> Result<Decoded, Problem> {
    let unreadable = |error: ImageError| Problem::new(Fault::UnreadableImage, error.to_string());
    let bytes = match picture {
        Picture::Bytes(bytes) => bytes,
        Picture::File(path) => {
            let missing = |error: std::io::Error| {
                let reason = format!("{} cannot be read: {error}", path.display());
                Problem::new(Fault::MissingImage, reason)
            };
            let size = std::fs::metadata(&path).map_err(missing)?.len();
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            let limit = limits.max_bytes;
            // Checks the size first, so that a video among the pictures is refused without being read.
            if size > limit {
                return Err(unreadable(ImageError::TooManyBytes { bytes: size, limit }));
            }
            std::fs::read(&path).map_err(missing)?.into()
        }
    };
    let image = preprocess::decode(&bytes, limits, spec.exif_orientation).map_err(unreadable)?;
    let mut pixels = Sha256::new();
    pixels.update(image.width().to_le_bytes());
    pixels.update(image.height().to_le_bytes());
    pixels.update(image.pixels());
    Ok(Decoded {
        bytes: hash(&bytes),
        pixels: folded(pixels),
        size: (image.width(), image.height()),
        input: preprocess::to_input(&image, spec),
    })
}

fn tokens(tokenizer: &TextTokenizer, text: String) -> Result<MeasuredText, Problem> {
    let tokens = tokenizer.encode(&text).map_err(|reason| {
        let reason = format!("the caption cannot be tokenised: {reason}");
        Problem::new(Fault::ControlCharacters, reason)
    })?;
    Ok(MeasuredText {
        text,
        tokens: tokens.ids.len() + tokens.truncated,
        lost: tokens.truncated,
    })
}

/// 128 bits of SHA-256: among a billion values, the chance that two collide is less than 1 in 10^20.
pub fn hash(bytes: &[u8]) -> u128 {
    folded(Sha256::new_with_prefix(bytes))
}

fn folded(digest: Sha256) -> u128 {
    let bytes = digest.finalize();
    let first = bytes.iter().take(16);
    first.fold(0, |number, byte| (number << 8) | u128::from(*byte))
}
