//! Which statement about the change is true.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use utoipa::ToSchema;

use super::parts::Parts;
use crate::api::ApiError;
use crate::bundle::StatementsSide;
use crate::engine::{EmbedOptions, Encoding, ImageSource, Item, Model};
use crate::inspection::InspectionError;
use crate::inspection::statements::{
    Feature, Features, Pictures, Statement, Weights, features, scores,
};
use crate::references::Learnt;
use crate::telemetry::Step;
use crate::tokenize::TokenCount;

/// A text about the difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// What may be true of the picture.
    pub text: String,
    /// What is true of the good part, said the same way.
    pub reference_text: Option<String>,
}

impl Said {
    /// Number of its texts.
    pub fn texts(&self) -> usize {
        1 + usize::from(self.reference_text.is_some())
    }
}

/// A statement with its score.
#[derive(Debug, Serialize, ToSchema)]
pub struct Judged {
    /// Index of the statement in the request.
    pub index: usize,
    /// The statement, shared by all images.
    #[schema(value_type = String)]
    pub text: Arc<str>,
    /// Ranks the statements of one request: the parts, weighted by what the bundle says, so that exp(score) is in proportion
    /// to the probability that this statement is the true one. Of a bundle without weights, the text difference and the
    /// direction, each in standard deviations of the statements, added; a single statement has 0.
    pub score: f64,
    /// What the score and other uses are made from, by name.
    #[schema(value_type = std::collections::HashMap<String, f64>)]
    pub parts: Parts,
    /// Whether the request says what is true of the reference.
    #[serde(skip)]
    pub has_reference_text: bool,
}

/// The statements of all images.
#[derive(Debug, Default)]
pub struct AllJudged {
    /// For each image the statements, the best first; empty without statements.
    pub of_images: Vec<Vec<Judged>>,
    /// The tokens of all texts.
    pub tokens: TokenCount,
}

/// Embeds images and texts, and judges each statement of each image. Without statements nothing is embedded.
pub async fn judge(
    model: &Arc<Model>,
    learnt: &Arc<Learnt>,
    images: &[ImageSource],
    said: &[Said],
    options: EmbedOptions,
) -> Result<AllJudged, ApiError> {
    if said.is_empty() {
        return Ok(AllJudged::default());
    }
    let (items, fields) = items(images, said);
    let encodings = model.embed(items, options).await;
    let encodings = encodings.map_err(|error| {
        ApiError::from_embed(error, |i| fields.get(i).cloned().unwrap_or_default())
    })?;
    let tokens = encodings.iter().map(|encoding| encoding.tokens).sum();
    let names: Vec<Arc<str>> = said.iter().map(|said| said.text.as_str().into()).collect();
    let with_reference: Vec<_> = said
        .iter()
        .map(|said| said.reference_text.is_some())
        .collect();
    let (learnt, its_model, images) = (learnt.clone(), model.clone(), images.len());
    let cost = 10 * (images * said.len()) as u64;
    let weights = model
        .manifest()
        .statements
        .as_ref()
        .map(StatementsSide::weights);
    let work = move || {
        let (pictures, texts) = encodings.split_at(images.min(encodings.len()));
        let statements = statements(texts, &with_reference);
        let one = |picture: &Encoding| {
            let started = Instant::now();
            let found = of_image(
                &picture.embedding,
                &learnt,
                &statements,
                &names,
                weights.as_ref(),
            );
            its_model
                .metrics()
                .compare
                .note(Step::Statements, started.elapsed());
            found
        };
        pictures.iter().map(one).collect::<Result<Vec<_>, _>>()
    };
    Ok(AllJudged {
        of_images: model.on_pool(options, cost, work).await??,
        tokens,
    })
}

/// The images, the statements and the texts of the reference, each with its name in errors.
fn items(images: &[ImageSource], said: &[Said]) -> (Vec<Item>, Vec<String>) {
    let images = images.iter().enumerate();
    let images = images.map(|(i, image)| (Item::Image(image.clone()), format!("images[{i}]")));
    let texts = said.iter().enumerate();
    let texts = texts
        .clone()
        .map(|(i, said)| (Item::Text(said.text.clone()), format!("statements[{i}]")));
    let others = said.iter().enumerate().filter_map(|(i, said)| {
        let text = said.reference_text.clone()?;
        Some((Item::Text(text), format!("statements[{i}].reference_text")))
    });
    images.chain(texts).chain(others).unzip()
}

/// The vectors of the statements, from those of all texts in the order of [`items`].
fn statements<'a>(texts: &'a [Encoding], with_reference: &[bool]) -> Vec<Statement<'a>> {
    let (texts, others) = texts.split_at(with_reference.len().min(texts.len()));
    let mut others = others.iter();
    let statement = |(text, with_reference): (&'a Encoding, &bool)| Statement {
        text: &text.embedding,
        reference_text: match with_reference {
            true => others.next().map(|other| &*other.embedding),
            false => None,
        },
    };
    texts.iter().zip(with_reference).map(statement).collect()
}

fn of_image(
    picture: &[f32],
    learnt: &Learnt,
    statements: &[Statement<'_>],
    names: &[Arc<str>],
    weights: Option<&Weights>,
) -> Result<Vec<Judged>, InspectionError> {
    let pictures = Pictures {
        picture,
        reference: &learnt.embedding,
    };
    let found = features(&pictures, statements)?;
    let scores = scores(&found, weights);
    let judged = scores
        .into_iter()
        .zip(&found)
        .zip(names)
        .zip(statements)
        .enumerate();
    let judged = judged.map(|(index, (((score, features), text), statement))| Judged {
        index,
        text: text.clone(),
        score,
        parts: parts(features),
        has_reference_text: statement.reference_text.is_some(),
    });
    let mut judged: Vec<_> = judged.collect();
    judged.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.index.cmp(&b.index)));
    Ok(judged)
}

/// The features, by name.
fn parts(features: &Features) -> Parts {
    let named = Feature::ALL.iter().zip(features);
    Parts(
        named
            .map(|(feature, value)| (feature.name().to_owned(), *value))
            .collect(),
    )
}
