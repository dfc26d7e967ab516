//! Classification: selects labels for images. The labels come with the call or from a label set.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Warning, check_items, embed_both, no_images};
use crate::api::answer_size::{self, OBJECT, of_text};
use crate::api::{ApiError, AppState};
use crate::engine::{EmbedOptions, ImageSource};
use crate::error_code::Code;
use crate::labelsets::LabelSet;
use crate::matching::{RankedLabel, probabilities, rank, score};
use crate::quoted::quoted;
use crate::tokenize::TokenCount;

/// Images to classify.
#[derive(Debug)]
pub struct ClassifyCall {
    /// The model; the label set's, or the default one, if none is named.
    pub model: Option<String>,
    /// At least one image.
    pub images: Vec<ImageSource>,
    /// The labels.
    pub labels: Labels,
    /// Lane, deadline, and whether long labels are truncated.
    pub options: EmbedOptions,
}

/// The labels to choose from.
#[derive(Debug)]
pub enum Labels {
    /// These labels; at least one.
    Inline(Vec<String>),
    /// A label set, by name.
    Set(String),
}

/// One result per image.
#[derive(Debug)]
pub struct Classified {
    /// The model's name.
    pub model: String,
    /// The label set's name.
    pub labelset: Option<String>,
    /// Results in the order of the images.
    pub results: Vec<Classification>,
    /// The tokens of the call.
    pub tokens: TokenCount,
    /// Notes about single images.
    pub warnings: Vec<Warning>,
}

/// The labels of one image.
#[derive(Debug)]
pub struct Classification {
    /// Best first.
    pub labels: Vec<LabelScore>,
    /// The decision of a label set.
    pub decision: Option<Decision>,
}

/// A label with its scores.
#[derive(Debug, Serialize, ToSchema)]
pub struct LabelScore {
    /// The label, shared by all images: repeated names take memory in the written answer only.
    #[schema(value_type = String)]
    pub label: Arc<str>,
    /// Index of the label in the call or the set.
    pub index: usize,
    /// Probability: the scores of an image add up to 1 for a softmax model.
    pub score: f32,
    /// Cosine.
    pub similarity: f32,
}

/// The decision of a label set.
#[derive(Debug, Serialize, ToSchema)]
pub struct Decision {
    /// The best label; none if it does not reach the set's threshold, so that a person should decide.
    #[schema(value_type = Option<String>)]
    pub label: Option<Arc<str>>,
    /// Probability of the best label.
    pub score: f32,
    /// Its lead over the second probability; the probability itself if there is only one label.
    pub margin: f32,
}

impl Decision {
    fn new(labels: &[LabelScore], threshold: Option<f32>) -> Option<Self> {
        let best = labels.first()?;
        let next = labels.get(1).map_or(0.0, |label| label.score);
        let sure = threshold.is_none_or(|threshold| best.score >= threshold);
        Some(Self {
            label: sure.then(|| best.label.clone()),
            score: best.score,
            margin: best.score - next,
        })
    }
}

/// Classifies.
///
/// # Errors
/// [`ApiError`] with the invalid item.
pub async fn classify(state: &AppState, call: ClassifyCall) -> Result<Classified, ApiError> {
    if call.images.is_empty() {
        return Err(no_images());
    }
    let ClassifyCall {
        model,
        images,
        labels,
        options,
    } = call;
    match labels {
        Labels::Inline(labels) if labels.is_empty() => {
            let error = ApiError::new(Code::NoTexts, "at least one label is needed");
            Err(error.at("labels"))
        }
        Labels::Inline(labels) => {
            check_items(images.len() + labels.len(), state.max_items)?;
            with_labels(state, model, images, labels, options).await
        }
        Labels::Set(name) => {
            check_items(images.len(), state.max_items)?;
            let set = state.labelsets.get(&name)?;
            with_set(state, model, images, &set, options).await
        }
    }
}

async fn with_labels(
    state: &AppState,
    model: Option<String>,
    images: Vec<ImageSource>,
    labels: Vec<String>,
    options: EmbedOptions,
) -> Result<Classified, ApiError> {
    let model = state.model(model.as_deref())?;
    let lengths = labels.iter().map(String::len);
    answer_size::reserve(state, size_of_answer(images.len(), lengths))?;
    let both = embed_both(state, &model, images, &labels, "labels", options).await?;
    let names: Vec<Arc<str>> = labels.into_iter().map(Arc::from).collect();
    let scores = score(&both.images, &both.texts, &model.manifest().similarity);
    let rows = scores.cosines.iter().zip(&scores.probabilities);
    let results = rows.map(|(cosines, probabilities)| Classification {
        labels: named(rank(cosines, probabilities), &names),
        decision: None,
    });
    Ok(Classified {
        model: model.name().to_owned(),
        labelset: None,
        results: results.collect(),
        tokens: both.tokens,
        warnings: both.warnings,
    })
}

async fn with_set(
    state: &AppState,
    asked: Option<String>,
    images: Vec<ImageSource>,
    set: &Arc<LabelSet>,
    options: EmbedOptions,
) -> Result<Classified, ApiError> {
    let definition = &set.definition;
    let model = state.model(definition.model.as_deref())?;
    // The set's threshold and temperature are chosen for one model.
    let is_other = |name: &&String| {
        let other = state.model(Some(name.as_str()));
        other.map_or(true, |other| other.name() != model.name())
    };
    if let Some(other) = asked.as_ref().filter(is_other) {
        let message = format!(
            "the label set {} is for the model {}, not {}; leave the model out, or put a set for it",
            quoted(&set.name),
            quoted(model.name()),
            quoted(other)
        );
        return Err(ApiError::new(Code::LabelsetOfOtherModel, message).at("model"));
    }
    let lengths = definition.labels.iter().map(|label| label.label.len());
    answer_size::reserve(state, size_of_answer(images.len(), lengths))?;
    let embedded = state.labelsets.embedded_by(set, &model).await?;
    let options = EmbedOptions {
        images: options.images.or(definition.image_options()),
        ..options
    };
    let both = embed_both(state, &model, images, &[], "labels", options).await?;
    let names = definition.labels.iter().map(|label| &*label.label);
    let names: Vec<Arc<str>> = names.map(Arc::from).collect();
    let results = both.images.iter().map(|image| {
        let cosines = embedded.prototypes.cosines(&image.embedding);
        let rule = &model.manifest().similarity;
        let (_, probabilities) = probabilities(&cosines, rule, definition.temperature);
        let labels = named(rank(&cosines, &probabilities), &names);
        let decision = Decision::new(&labels, definition.threshold);
        if let Some(Decision { label, score, .. }) = &decision {
            state.labelsets.count(set, label.is_some(), *score);
        }
        Classification { labels, decision }
    });
    Ok(Classified {
        model: model.name().to_owned(),
        labelset: Some(set.name.clone()),
        results: results.collect(),
        tokens: both.tokens,
        warnings: both.warnings,
    })
}

/// Bytes of an answer that ranks labels with names of these lengths for each image.
fn size_of_answer(images: usize, names: impl Iterator<Item = usize>) -> usize {
    let row: usize = names.map(|bytes| OBJECT + of_text(bytes)).sum();
    images.saturating_mul(row)
}

fn named(ranked: Vec<RankedLabel>, names: &[Arc<str>]) -> Vec<LabelScore> {
    let labels = ranked.into_iter().map(|label| LabelScore {
        label: names.get(label.index).cloned().unwrap_or_default(),
        index: label.index,
        score: label.score,
        similarity: label.cosine,
    });
    labels.collect()
}
