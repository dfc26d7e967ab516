//! Shows where in an image a text holds: a map for each pair, from the patches of the image.

use std::sync::Arc;

use super::{Warning, check_items, embed_both, fetch_images, no_images};
use crate::api::answer_size::{self, Growing, OBJECT, of_text};
use crate::api::{ApiError, AppState};
use crate::engine::{EmbedOptions, Encoding, EngineError, ImageSource, Item, Model, Patches};
use crate::error_code::Code;
use crate::inspection::map_file::{self, MapFile};
use crate::inspection::text_map::{MOST_REGIONS, PatchVectors, Placed, TextMap};
use crate::inspection::{InspectionError, Region, Transform};
use crate::matching::cosine;
use crate::preprocess::{Picture, placement};
use crate::tokenize::TokenCount;

/// A text that says nothing about a picture: what a patch has in common with it, it has in common with any text.
const NEUTRAL: &str = "a picture";

/// Microseconds for the boxes of a text, and for a million pixels of a map, at worst.
const REGIONS: u64 = 5_000;
const MAP_MEGAPIXEL: u64 = 50_000;

/// Images and texts to explain.
#[derive(Debug)]
pub struct ExplainCall {
    /// The model; the default one if none is named.
    pub model: Option<String>,
    /// At least one image.
    pub images: Vec<ImageSource>,
    /// At least one text.
    pub texts: Vec<String>,
    /// The PNG that is wanted of each map, if one is.
    pub map: Option<MapKind>,
    /// Lane, deadline, and whether long texts are truncated.
    pub options: EmbedOptions,
}

/// What the PNG of a map shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapKind {
    /// Colours where the text stands out, transparent elsewhere.
    Colours,
    /// 16-bit values.
    Values,
    /// The picture under the colours: of one image and one text.
    Overlay,
}

/// A result for each image.
#[derive(Debug)]
pub struct Explanations {
    /// The model's name.
    pub model: String,
    /// In the order of the images.
    pub images: Vec<ExplainedImage>,
    /// The tokens of the call.
    pub tokens: TokenCount,
    /// Notes about single images.
    pub warnings: Vec<Warning>,
}

/// An image with its texts.
#[derive(Debug)]
pub struct ExplainedImage {
    /// Its width as it was read, in pixels: what regions and maps refer to.
    pub width: usize,
    /// Its height.
    pub height: usize,
    /// In the order of the texts.
    pub explanations: Vec<Explanation>,
}

/// Where a text holds in an image.
#[derive(Debug)]
pub struct Explanation {
    /// The text.
    pub text: Arc<str>,
    /// The cosine of image and text.
    pub score: f32,
    /// Places where it stands out, strongest first.
    pub regions: Vec<Region>,
    /// The map as PNG.
    pub map: Option<Vec<u8>>,
}

/// Explains each image by each text.
///
/// # Errors
/// [`ApiError`] with the invalid item; 400 `model_has_no_patches`.
pub async fn explain(state: &AppState, call: ExplainCall) -> Result<Explanations, ApiError> {
    let (images, texts) = (call.images.len(), call.texts.len());
    check(&call, state.max_items)?;
    let model = state.model(call.model.as_deref())?;
    let no_patches = || {
        let message = format!(
            "{} has no patches of images: its bundle.json has no \"patch_output\"",
            model.name()
        );
        ApiError::new(Code::ModelHasNoPatches, message).at("model")
    };
    let [rows, columns] = model.manifest().image.patches().ok_or_else(no_patches)?.1;
    let width = model.manifest().embedding_dim;
    let patches = images * rows * columns * width * size_of::<f32>();
    // Of one image at a time.
    let maps = texts * rows * columns * size_of::<Option<f32>>();
    let text_bytes: usize = call.texts.iter().map(|text| of_text(text.len())).sum();
    let pairs = images * (texts * (1 + MOST_REGIONS) * OBJECT + text_bytes);
    answer_size::reserve(state, patches.saturating_add(maps).saturating_add(pairs))?;

    let options = EmbedOptions {
        patches: true,
        ..call.options
    };
    let mut items: Vec<_> = call.images.into_iter().map(Item::Image).collect();
    let image_at = |i: usize| format!("images[{i}]");
    let fetched = fetch_images(state, &model, &mut items, options, image_at).await?;
    let images: Vec<_> = items.into_iter().filter_map(source).collect();
    // Once more, for the picture under the map.
    let picture = match (call.map, images.first()) {
        (Some(MapKind::Overlay), Some(image)) => Some(copy(state, image)?),
        _ => None,
    };
    let neutral = vec![Item::Text(NEUTRAL.to_owned())];
    let neutral = async {
        let found = model.embed(neutral, options).await;
        found.map_err(|error| ApiError::from_embed(error, |_| "texts".to_owned()))
    };
    let both = embed_both(state, &model, images, &call.texts, "texts", options);
    let (both, neutral) = tokio::try_join!(both, neutral)?;
    let explainer = Explainer {
        model: &model,
        options,
        neutral: neutral.into_iter().next().ok_or_else(incomplete)?,
        names: call.texts.into_iter().map(Arc::from).collect(),
        texts: both.texts.into(),
        map: call.map,
        picture,
    };
    let mut files = Files {
        growing: Growing::new(state),
        written: 0,
    };
    let work = explainer.all(both.images, &mut files);
    let images = match options.deadline {
        Some(deadline) => tokio::time::timeout_at(deadline.into(), work)
            .await
            .unwrap_or_else(|_| Err(EngineError::DeadlineExceeded.into())),
        None => work.await,
    };
    drop(fetched);
    files.growing.keep();
    Ok(Explanations {
        model: model.name().to_owned(),
        images: images?,
        tokens: both.tokens,
        warnings: both.warnings,
    })
}

fn check(call: &ExplainCall, most: usize) -> Result<(), ApiError> {
    if call.images.is_empty() {
        return Err(no_images());
    }
    if call.texts.is_empty() {
        let error = ApiError::new(Code::NoTexts, "at least one text is needed");
        return Err(error.at("texts"));
    }
    let (images, texts) = (call.images.len(), call.texts.len());
    check_items(images + texts, most)?;
    let pairs = images.saturating_mul(texts);
    if pairs > most {
        let message = format!(
            "{images} images and {texts} texts are {pairs} explanations; at most {most} are given at a time"
        );
        return Err(ApiError::new(Code::TooManyItems, message));
    }
    if call.map == Some(MapKind::Overlay) && pairs > 1 {
        let message =
            "the picture under its map is given for one image and one text; ask for colours";
        return Err(ApiError::new(Code::InvalidRequest, message).at("map"));
    }
    Ok(())
}

fn source(item: Item) -> Option<ImageSource> {
    match item {
        Item::Image(image) => Some(image),
        _ => None,
    }
}

/// A second handle of an image. That of base64 is a copy, which is counted.
fn copy(state: &AppState, image: &ImageSource) -> Result<ImageSource, ApiError> {
    if let ImageSource::Base64(text) = image {
        answer_size::reserve(state, text.len())?;
    }
    Ok(image.clone())
}

/// The PNGs of an answer.
struct Files {
    growing: Growing,
    /// Bytes of those that are written, in memory and in the answer.
    written: usize,
}

/// What the pairs of a request have in common.
struct Explainer<'a> {
    model: &'a Model,
    options: EmbedOptions,
    neutral: Encoding,
    names: Vec<Arc<str>>,
    texts: Arc<[Encoding]>,
    map: Option<MapKind>,
    /// The picture under the map.
    picture: Option<ImageSource>,
}

impl Explainer<'_> {
    async fn all(
        &self,
        images: Vec<Encoding>,
        files: &mut Files,
    ) -> Result<Vec<ExplainedImage>, ApiError> {
        let mut results = Vec::with_capacity(images.len());
        for image in images {
            let patches = image.patches.ok_or_else(incomplete)?;
            let (width, height) = patches.picture;
            let mut explanations = Vec::with_capacity(self.names.len());
            let maps = self.maps(patches).await?;
            for ((map, regions), (name, text)) in maps
                .into_iter()
                .zip(self.names.iter().zip(self.texts.iter()))
            {
                explanations.push(Explanation {
                    text: name.clone(),
                    score: cosine(&image.embedding, &text.embedding),
                    regions,
                    map: match self.map {
                        Some(kind) => Some(self.file(map, kind, files).await?),
                        None => None,
                    },
                });
            }
            results.push(ExplainedImage {
                width,
                height,
                explanations,
            });
        }
        Ok(results)
    }

    /// The maps of all texts of an image, and what stands out in them.
    async fn maps(&self, patches: Patches) -> Result<Vec<(TextMap, Vec<Region>)>, ApiError> {
        let spec = self.model.image_spec();
        let (width, height) = patches.picture;
        let place = placement(width, height, spec);
        let to_scaled = Transform::resize((width, height), place.scaled);
        let placed = Placed {
            posted: (width, height),
            input: (spec.width, spec.height),
            to_input: to_scaled.then(&Transform::shift(place.at.0 as f64, place.at.1 as f64)),
        };
        let factor = self.model.manifest().similarity.logit_scale;
        let (texts, neutral) = (self.texts.clone(), self.neutral.embedding.clone());
        let cost = REGIONS * texts.len() as u64;
        let work = move || {
            let vectors = PatchVectors {
                vectors: &patches.vectors,
                rows: patches.rows,
                columns: patches.columns,
            };
            let maps = texts.iter().map(|text| {
                let map = TextMap::new(vectors, &text.embedding, &neutral, factor, placed)?;
                let regions = map.regions()?;
                Ok((map, regions))
            });
            maps.collect::<Result<Vec<_>, InspectionError>>()
        };
        let found = self.model.on_pool(self.options, cost, work).await?;
        found.map_err(|error| failed(&error))
    }

    /// The PNG of a map, counted before it is made.
    async fn file(
        &self,
        map: TextMap,
        kind: MapKind,
        files: &mut Files,
    ) -> Result<Vec<u8>, ApiError> {
        let (width, height) = map.size();
        let pixels = width.saturating_mul(height);
        let cost = pixels as u64 * MAP_MEGAPIXEL / 1_000_000;
        let most = files.written.saturating_add(at_worst(pixels, kind));
        files.growing.resize(most)?;
        let (model, options) = (self.model, self.options);
        let file = match (kind, &self.picture) {
            (MapKind::Overlay, Some(image)) => {
                let over = move |picture: Picture| {
                    map_file::write(&map, MapFile::Overlay(picture.image.pixels()))
                };
                let work = model.with_picture(image.clone(), options, over).await;
                work.map_err(|error| ApiError::from_embed(error, |_| "images[0]".to_owned()))?
            }
            (MapKind::Values, _) => {
                let work = move || map_file::write(&map, MapFile::Values);
                model.on_pool(options, cost, work).await?
            }
            _ => {
                let work = move || map_file::write(&map, MapFile::Colours);
                model.on_pool(options, cost, work).await?
            }
        };
        let file = file.map_err(|error| failed(&error))?;
        files.written += file.capacity() + base64_bytes(file.len());
        files.growing.resize(files.written)?;
        Ok(file)
    }
}

/// Bytes of a map of this many pixels while it is made, at worst.
pub(super) fn at_worst(pixels: usize, kind: MapKind) -> usize {
    let (a_pixel, under) = match kind {
        MapKind::Colours => (MapFile::Colours.bytes_a_pixel(), 0),
        MapKind::Values => (MapFile::Values.bytes_a_pixel(), 0),
        MapKind::Overlay => (MapFile::Overlay(&[]).bytes_a_pixel(), 3),
    };
    // What cannot be compressed grows by less than a hundredth, and a growing list may have twice what it needs.
    let file = pixels.saturating_mul(a_pixel);
    file.saturating_add(file / 100 + (64 << 10))
        .saturating_mul(2)
        .saturating_add(pixels.saturating_mul(under))
}

/// Length of these bytes in JSON.
pub(super) fn base64_bytes(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// The encoders left something out: a mistake of ours.
fn incomplete() -> ApiError {
    ApiError::new(
        Code::InternalError,
        "the answer of the engine is incomplete",
    )
}

/// A map that cannot be made. Its size is bounded by the limits of images, so only an image with too many pixels is.
fn failed(error: &InspectionError) -> ApiError {
    let code = match error {
        InspectionError::TooMany { .. } => Code::ImageTooLarge,
        _ => Code::InternalError,
    };
    ApiError::new(code, error.to_string())
}
