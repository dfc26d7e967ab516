//! Shows where in an image a text holds: a map for each pair.
//!
//! An image is explained by covering it, place by place: where the score falls, the text holds. That is 64 runs of the image
//! encoder, whatever the number of texts, and works for every model. The patches of a model that has some are one run, and
//! say less.

mod files;
mod maps;
mod prepared;

use std::sync::Arc;

use self::files::Files;
use self::maps::{COVERS_AT_A_TIME, Explainer, SIDE};
use self::prepared::prepare;
use super::map_kind::MapKind;
use super::place::Place;
use super::{Warning, check_items, fetch_images, no_images, tokens_of, warnings};
use crate::api::answer_size::{self, OBJECT, of_text};
use crate::api::{ApiError, AppState};
use crate::engine::{EmbedOptions, Encoding, EngineError, ImageSource, Item, Model};
use crate::error_code::Code;
use crate::inspection::text_map::MOST_REGIONS;
use crate::matching::cosine;
use crate::tokenize::TokenCount;

/// A text that says little about a picture: what a patch has in common with it, it has in common with any text.
const NEUTRAL: &str = "a scene";

/// Images and texts to explain.
#[derive(Debug)]
pub struct ExplainCall {
    /// The model; the default one if none is named.
    pub model: Option<String>,
    /// At least one image.
    pub images: Vec<ImageSource>,
    /// At least one text.
    pub texts: Vec<String>,
    /// How maps are made.
    pub method: Method,
    /// The PNG that is wanted of each map, if one is.
    pub map: Option<MapKind>,
    /// Lane, deadline, and whether long texts are truncated.
    pub options: EmbedOptions,
}

/// How maps are made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Method {
    /// Each place of the image is covered, and the score compared.
    #[default]
    Cover,
    /// Each patch of the image is compared with the text; only for bundles with patches.
    Patches,
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
    pub regions: Vec<Place>,
    /// The map as PNG.
    pub map: Option<Vec<u8>>,
}

/// Explains each image by each text.
///
/// # Errors
/// [`ApiError`] with the invalid item; 400 `model_has_no_patches`.
pub async fn explain(state: &AppState, call: ExplainCall) -> Result<Explanations, ApiError> {
    check(&call, state.max_items)?;
    let model = state.model(call.model.as_deref())?;
    reserve(state, &model, &call)?;
    let deadline = call.options.deadline;
    let work = explained(state, &model, call);
    match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline.into(), work)
            .await
            .unwrap_or_else(|_| Err(EngineError::DeadlineExceeded.into())),
        None => work.await,
    }
}

async fn explained(
    state: &AppState,
    model: &Model,
    call: ExplainCall,
) -> Result<Explanations, ApiError> {
    let count = call.images.len();
    let param_of = |i: usize| match i.checked_sub(count) {
        None => format!("images[{i}]"),
        Some(text) => format!("texts[{text}]"),
    };
    let options = EmbedOptions {
        patches: call.method == Method::Patches,
        ..call.options
    };
    let mut items: Vec<_> = call.images.into_iter().map(Item::Image).collect();
    let fetched = fetch_images(state, model, &mut items, options, param_of).await?;
    let sources: Vec<_> = items.into_iter().filter_map(source).collect();
    // Once more, for the picture under the map.
    let under = match (call.map, sources.first()) {
        (Some(MapKind::Overlay), Some(image)) => Some(image.clone()),
        _ => None,
    };
    // An overloaded server does not decode what it will refuse.
    model.admits(count, options)?;
    let prepared = sources.into_iter().enumerate();
    let prepared = prepared.map(|(i, source)| prepare(model, source, options, param_of(i)));
    let prepared = futures_util::future::try_join_all(prepared).await?;

    let pixels = prepared
        .iter()
        .map(|image| Item::Pixels(image.input.pixels().clone()));
    let texts = call.texts.iter().cloned().map(Item::Text);
    let neutral = options.patches.then(|| Item::Text(NEUTRAL.to_owned()));
    let items = pixels.chain(texts).chain(neutral).collect();
    let encodings = model.embed(items, options).await;
    let mut images = encodings.map_err(|error| ApiError::from_embed(error, param_of))?;
    for (encoding, image) in images.iter_mut().zip(&prepared) {
        encoding.in_low_bits = image.in_low_bits;
    }
    let warnings = warnings(state, images.iter().take(count).enumerate(), param_of)?;
    let mut texts = images.split_off(count);
    let neutral: Vec<Encoding> = texts.split_off(call.texts.len());
    let tokens = tokens_of(&texts);
    let explainer = Explainer {
        model,
        options,
        texts: texts.into(),
        neutral: neutral.first().map(|neutral| neutral.embedding.clone()),
    };
    let names: Vec<Arc<str>> = call.texts.into_iter().map(Arc::from).collect();
    let mut files = Files::new(state, model, options, call.map, under);
    let mut results = Vec::with_capacity(count);
    for (image, whole) in prepared.into_iter().zip(images) {
        let (width, height) = image.picture;
        let maps = explainer.maps(image, &whole).await?;
        let mut explanations = Vec::with_capacity(names.len());
        let texts = names.iter().zip(explainer.texts.iter());
        for ((map, regions), (name, text)) in maps.into_iter().zip(texts) {
            explanations.push(Explanation {
                text: name.clone(),
                score: cosine(&whole.embedding, &text.embedding),
                regions: regions.into_iter().map(Place::from).collect(),
                map: files.write(map).await?,
            });
        }
        results.push(ExplainedImage {
            width,
            height,
            explanations,
        });
    }
    files.keep();
    // The bytes count towards the budget until they are no longer needed.
    drop(fetched);
    Ok(Explanations {
        model: model.name().to_owned(),
        images: results,
        tokens,
        warnings,
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
    let runs = match call.method {
        Method::Cover => images.saturating_mul(1 + SIDE * SIDE),
        Method::Patches => images,
    };
    check_items(images + texts, most)?;
    let pairs = images.saturating_mul(texts);
    if runs > most || pairs > most {
        let message = format!(
            "{images} images are {runs} runs of the encoder, and with {texts} texts {pairs} explanations; at most {most} of \
             each are possible; send fewer images"
        );
        return Err(ApiError::new(Code::TooManyItems, message).at("images"));
    }
    if call.map == Some(MapKind::Overlay) && pairs > 1 {
        let message =
            "the picture under its map is given for one image and one text; ask for colours";
        return Err(ApiError::new(Code::InvalidRequest, message).at("map"));
    }
    Ok(())
}

/// Takes the bytes of what is held at a time, and of the answer without PNG files.
fn reserve(state: &AppState, model: &Model, call: &ExplainCall) -> Result<(), ApiError> {
    let (images, texts) = (call.images.len(), call.texts.len());
    let manifest = model.manifest();
    let (spec, width) = (model.image_spec(), manifest.embedding_dim);
    let input = spec.width * spec.height * 3 * size_of::<f32>();
    // Inputs twice, since one is run while the other is kept to be covered.
    let (places, inputs) = match call.method {
        Method::Cover => (SIDE * SIDE, 2 * images + COVERS_AT_A_TIME),
        Method::Patches => {
            let [rows, columns] = grid(model)?;
            (images * rows * columns, 2 * images)
        }
    };
    let vectors = places * width * size_of::<f32>();
    let maps = texts * places * size_of::<Option<f32>>();
    let text_bytes: usize = call.texts.iter().map(|text| of_text(text.len())).sum();
    let answer = images * (texts * (1 + MOST_REGIONS) * OBJECT + text_bytes);
    let again = match (call.map, call.images.first()) {
        (Some(MapKind::Overlay), Some(ImageSource::Base64(text))) => text.len(),
        _ => 0,
    };
    let bytes = inputs.saturating_mul(input).saturating_add(vectors);
    let bytes = bytes.saturating_add(maps).saturating_add(answer);
    answer_size::reserve(state, bytes.saturating_add(again))
}

/// Rows and columns of patches.
fn grid(model: &Model) -> Result<[usize; 2], ApiError> {
    let patches = model.manifest().image.patches();
    patches.map(|(_, grid)| grid).ok_or_else(|| {
        let message = format!(
            "{} has no patches of images: its bundle.json has no \"patch_output\"; leave method out",
            model.name()
        );
        ApiError::new(Code::ModelHasNoPatches, message).at("method")
    })
}

fn source(item: Item) -> Option<ImageSource> {
    match item {
        Item::Image(image) => Some(image),
        _ => None,
    }
}
