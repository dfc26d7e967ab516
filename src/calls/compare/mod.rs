//! Compares pictures with a reference: whether they are changed, where, and which statement about the change is true.

mod cost;
mod given;
mod one;
mod parts;
mod statements;

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

pub use self::given::{Given, against};
pub use self::one::{Changed, Lies, LiesStatus, NotCompared, compare_one, compare_unwritten};
pub use self::parts::Parts;
pub use self::statements::{Judged, Said};

use super::{MapKind, Place, Warning, by_url, check_items, no_images, warnings_of};
use crate::api::{ApiError, AppState, answer_size};
use crate::engine::{EmbedOptions, ImageSource, Model};
use crate::error_code::Code;
use crate::monitors::camera::Figures;
use crate::quoted::quoted;
use crate::references::{Learnt, Reference};
use crate::tokenize::TokenCount;

/// Pictures of a request that are compared at a time, so that other requests have their turns.
const AT_A_TIME: usize = 2;

/// Pictures to compare.
#[derive(Debug)]
pub struct CompareCall {
    /// The model; the reference's, or the default one, if none is named.
    pub model: Option<String>,
    /// The model that learns a stored reference instead of its own, for a line that was promoted to it.
    pub learnt_by: Option<String>,
    /// What they are compared with.
    pub against: Against,
    /// At least one image.
    pub images: Vec<ImageSource>,
    /// Texts about the difference; may be empty.
    pub statements: Vec<Said>,
    /// The map that is wanted of each image.
    pub map: Option<MapKind>,
    /// Lane, deadline, and how texts and images are read.
    pub options: EmbedOptions,
}

/// What pictures are compared with.
#[derive(Debug)]
pub enum Against {
    /// A stored reference, by name.
    Named(String),
    /// Images of good parts.
    Images(Given),
}

/// The results, in the order of the images.
#[derive(Debug)]
pub struct Compared {
    /// The model's name.
    pub model: String,
    /// What they were compared with.
    pub reference: UsedReference,
    /// What scores depend on besides the images: the model, and the version of the reference. Digits of a hash.
    pub scored_by: String,
    /// One for each image.
    pub results: Vec<ComparedImage>,
    /// The tokens of the statements.
    pub tokens: TokenCount,
    /// Notes about single images.
    pub warnings: Vec<Warning>,
}

/// The reference of a comparison.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UsedReference {
    /// Its name; null for images of the request.
    #[schema(required)]
    pub name: Option<String>,
    /// Its version; null for images of the request.
    #[schema(required)]
    pub version: Option<u64>,
    /// Number of its images.
    pub images: usize,
}

/// What is said about one image.
#[derive(Debug)]
pub struct ComparedImage {
    /// Whether it is changed.
    pub changed: Changed,
    /// How it lies.
    pub registration: Lies,
    /// Changed places, the strongest first.
    pub regions: Vec<Place>,
    /// The statements, the best first.
    pub statements: Vec<Judged>,
    /// The map as a PNG file; none if it was not asked for, or if the model has no maps.
    pub map: Option<Vec<u8>>,
    /// Whether the model has a map of it, asked for or not.
    pub has_map: bool,
    /// Light and focus, of the picture at the size at which it was compared.
    pub camera: Option<Figures>,
}

/// Compares.
///
/// # Errors
/// [`ApiError`] with the invalid item.
pub async fn compare(state: &AppState, call: CompareCall) -> Result<Compared, ApiError> {
    check(state, &call)?;
    let (model, known) = model_of(state, &call)?;
    answer_size::reserve(state, cost::of_answer(&call))?;
    let CompareCall {
        against,
        images,
        statements,
        map,
        mut options,
        ..
    } = call;
    let given = match against {
        Against::Named(_) => Given::default(),
        Against::Images(given) => given,
    };
    let (given, images, _fetched) = fetched(state, &model, given, images, options).await?;
    answer_size::reserve(state, cost::of_maps(map, &images, model.image_limits()))?;
    let scored_by = scored_by(model.fingerprint(), known.as_deref());
    let (learnt, reference) = match known {
        Some(known) => {
            options.images = options.images.or(known.definition.image_options);
            let learnt = state.references.learnt_by(&known, &model, options).await?;
            let used = UsedReference {
                name: Some(known.name.clone()),
                version: Some(known.version),
                images: learnt.images,
            };
            (learnt, used)
        }
        None => {
            let definition = given.definition(options.images)?;
            let references = &state.references;
            let learnt = references.learnt_inline(definition, &model, options).await;
            let learnt = learnt.map_err(|error| given::as_reference(error.into()))?;
            let used = UsedReference {
                name: None,
                version: None,
                images: learnt.images,
            };
            (learnt, used)
        }
    };
    fit(&model, &learnt, options).await?;
    let compared = compare_all(&model, &learnt, &images, map, options);
    let judged = statements::judge(&model, &learnt, &images, &statements, options);
    let (compared, judged) = tokio::try_join!(compared, judged)?;
    let in_low_bits = compared.iter().enumerate();
    let in_low_bits = in_low_bits.filter_map(|(i, one)| one.in_low_bits.then_some(i));
    let warnings = warnings_of(state, in_low_bits, |i| format!("images[{i}]"))?;
    let mut of_images = judged.of_images.into_iter();
    let results = compared.into_iter().map(|one| ComparedImage {
        changed: one.changed,
        registration: one.registration,
        regions: one.regions,
        statements: of_images.next().unwrap_or_default(),
        map: one.map,
        has_map: one.has_map,
        camera: one.camera,
    });
    Ok(Compared {
        model: model.name().to_owned(),
        scored_by,
        reference,
        results: results.collect(),
        tokens: judged.tokens,
        warnings,
    })
}

/// The time of its making tells a version from one of a reference that was deleted and made again.
fn scored_by(fingerprint: &str, reference: Option<&Reference>) -> String {
    let reference = reference.map(|known| (&known.name, known.version, known.created));
    let digest = Sha256::digest(format!("{fingerprint} {reference:?}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What scores of comparisons with a stored reference depend on now, by its own model or by another one; see
/// [`Compared::scored_by`].
///
/// # Errors
/// 404 `reference_not_found` or `model_not_found`.
pub fn scored_by_now(
    state: &AppState,
    reference: &str,
    model: Option<&str>,
) -> Result<String, ApiError> {
    let known = state.references.get(reference)?;
    let model = state.model(model.or(known.definition.model.as_deref()))?;
    Ok(scored_by(model.fingerprint(), Some(&known)))
}

fn check(state: &AppState, call: &CompareCall) -> Result<(), ApiError> {
    if call.images.is_empty() {
        return Err(no_images());
    }
    let given = match &call.against {
        Against::Named(_) => 0,
        Against::Images(given) => {
            given.check()?;
            given.images.len()
        }
    };
    let texts = call.statements.iter().map(Said::texts).sum::<usize>();
    check_items(call.images.len() + given + texts, state.max_items)
}

/// The model, and the stored reference if one is named.
fn model_of(
    state: &AppState,
    call: &CompareCall,
) -> Result<(Arc<Model>, Option<Arc<Reference>>), ApiError> {
    let Against::Named(name) = &call.against else {
        return Ok((state.model(call.model.as_deref())?, None));
    };
    let known = state.references.get(name)?;
    let own = call.learnt_by.as_deref();
    let model = state.model(own.or(known.definition.model.as_deref()))?;
    // What is usual for the reference's parts was learnt by one model.
    let is_other = |name: &&String| {
        let other = state.model(Some(name.as_str()));
        other.map_or(true, |other| other.name() != model.name())
    };
    if let Some(other) = call.model.as_ref().filter(is_other) {
        let message = format!(
            "the reference {} is for the model {}, not {}; leave the model out, or put a reference for it",
            quoted(&known.name),
            quoted(model.name()),
            quoted(other)
        );
        return Err(ApiError::new(Code::ReferenceOfOtherModel, message).at("model"));
    }
    Ok((model, Some(known)))
}

/// Reference images and images, those that were named by URL fetched. The last value counts them towards the budget.
async fn fetched(
    state: &AppState,
    model: &Model,
    mut given: Given,
    mut images: Vec<ImageSource>,
    options: EmbedOptions,
) -> Result<
    (
        Given,
        Vec<ImageSource>,
        Option<by_url::Fetched<(bool, usize)>>,
    ),
    ApiError,
> {
    let Some(fetcher) = &state.images_by_url else {
        return Ok((given, images, None));
    };
    let urls = |is_reference: bool, images: &[ImageSource]| {
        let urls = images.iter().enumerate();
        let urls = urls.filter_map(|(i, image)| Some(((is_reference, i), image.url()?.to_owned())));
        urls.collect::<Vec<_>>()
    };
    let mut all = urls(true, &given.images);
    all.extend(urls(false, &images));
    if all.is_empty() {
        return Ok((given, images, None));
    }
    model.admits(all.len(), options)?;
    let found = by_url::fetch(state, fetcher, all, options.deadline).await;
    let mut found = found.map_err(|e| match e.place {
        Some((true, i)) => e.error.at(format!("references[{i}]")),
        Some((false, i)) => e.error.at(format!("images[{i}]")),
        None => e.error,
    })?;
    for ((is_reference, i), image) in found.images.drain(..) {
        let list = if is_reference {
            &mut given.images
        } else {
            &mut images
        };
        if let Some(place) = list.get_mut(i) {
            *place = ImageSource::Bytes(image);
        }
    }
    Ok((given, images, Some(found)))
}

/// Prepares what comparisons need of the reference, on the pool.
async fn fit(
    model: &Arc<Model>,
    learnt: &Arc<Learnt>,
    options: EmbedOptions,
) -> Result<(), ApiError> {
    if learnt.is_fitted() {
        return Ok(());
    }
    let learnt = learnt.clone();
    let fitted = model.on_pool(options, 100_000, move || learnt.fitted().map(drop));
    Ok(fitted.await??)
}

async fn compare_all(
    model: &Arc<Model>,
    learnt: &Arc<Learnt>,
    images: &[ImageSource],
    map: Option<MapKind>,
    options: EmbedOptions,
) -> Result<Vec<one::One>, ApiError> {
    let all = (0..images.len()).map(|i| async move {
        let image = images.get(i).ok_or_else(no_images)?;
        let compared = compare_one(model, learnt, image, map, options).await;
        compared.map_err(|error| error.at_image(i))
    });
    stream::iter(all).buffered(AT_A_TIME).try_collect().await
}
