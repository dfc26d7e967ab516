//! The golden check: does this machine compute the same as the training did?

use super::error::LoadError;
use super::job::{Embedding, Input};
use super::prepare::Preparer;
use super::settings::EngineSettings;
use crate::bundle::golden::{Golden, GoldenImage, GoldenText, compare};
use crate::bundle::{Bundle, BundleError, Variant};
use crate::preprocess;
use crate::runtime::{Encoders, SessionSettings};
use crate::telemetry::Metrics;

/// Recomputes the golden embeddings with the code that requests use; returns each item with its 1 − cosine.
///
/// # Errors
/// The first item beyond the variant's tolerance. The check also warms up the sessions.
pub fn check_golden(
    bundle: &Bundle,
    variant: &Variant,
    preparer: &Preparer,
    encoders: &mut Encoders,
) -> Result<Vec<(String, f64)>, LoadError> {
    let golden = Golden::read(bundle)?;
    let mut distances = Vec::new();
    for image in &golden.images {
        let pixels = [image_input(bundle, preparer, &image.file)?];
        for found in encode(encoders, &pixels)? {
            let distance = compare(variant, &image.file, &image.embedding, &found)?;
            distances.push((image.file.clone(), distance));
        }
    }
    for text in &golden.texts {
        let ids = [text_input(bundle, preparer, &text.text)?];
        for found in encode(encoders, &ids)? {
            let distance = compare(variant, &text.text, &text.embedding, &found)?;
            distances.push((text.text.clone(), distance));
        }
    }
    // After the embeddings: if these are others, so are the scores, and the embeddings say more.
    golden.check_scores(bundle)?;
    Ok(distances)
}

/// The encoder input of a file, made by the functions that requests use. It does not use [`Preparer::prepare_one`], because
/// caches and metrics are for clients only.
fn image_input(bundle: &Bundle, preparer: &Preparer, file: &str) -> Result<Input, LoadError> {
    let bytes = bundle.read(file)?;
    let pixels = preprocess::preprocess(&bytes, &preparer.limits, &preparer.spec);
    let pixels = pixels.map_err(|error| content(bundle, file, error.to_string()))?;
    Ok(Input::Image(pixels))
}

/// The same for a text.
fn text_input(bundle: &Bundle, preparer: &Preparer, text: &str) -> Result<Input, LoadError> {
    let tokens = preparer.tokenizer.encode(text);
    let tokens = tokens.map_err(|reason| content(bundle, &bundle.manifest.golden, reason))?;
    Ok(Input::Text(tokens.ids))
}

fn content(bundle: &Bundle, file: &str, reason: String) -> BundleError {
    BundleError::Content {
        path: bundle.root().join(file),
        reason,
    }
}

/// Embeddings of items of one kind, as one batch.
fn encode(encoders: &mut Encoders, batch: &[Input]) -> Result<Vec<Embedding>, LoadError> {
    let (mut images, mut texts) = (Vec::new(), Vec::<&[u32]>::new());
    for input in batch {
        match input {
            Input::Image(pixels) => images.push(pixels),
            Input::Text(ids) => texts.push(ids),
        }
    }
    if images.is_empty() {
        return Ok(encoders.encode_texts(&texts, texts.len(), 0)?);
    }
    Ok(encoders.encode_images(&images, images.len())?)
}

/// Computes golden embeddings of files and texts with the bundle's own fp32 graphs, for a model that has none.
///
/// # Errors
/// If a graph cannot be run, or if an item has different embeddings in a batch and alone.
pub fn compute(bundle: &Bundle, files: &[String], texts: &[&str]) -> Result<Golden, LoadError> {
    let (preparer, mut encoders) = without_server(bundle, fp32(bundle)?)?;
    let mut embed = |names: &[&str], inputs: &[Input]| {
        let together = encode(&mut encoders, inputs)?;
        let mut embeddings = Vec::new();
        for ((name, input), in_batch) in names.iter().zip(inputs).zip(&together) {
            let alone = encode(&mut encoders, std::slice::from_ref(input))?;
            let embedding = alone.first().map(|row| row.to_vec()).unwrap_or_default();
            compare(fp32(bundle)?, name, &embedding, in_batch)?;
            embeddings.push(embedding);
        }
        Ok::<_, LoadError>(embeddings)
    };
    let names: Vec<&str> = files.iter().map(String::as_str).collect();
    let inputs = names
        .iter()
        .map(|file| image_input(bundle, &preparer, file));
    let images = embed(&names, &inputs.collect::<Result<Vec<_>, _>>()?)?;
    let inputs = texts.iter().map(|text| text_input(bundle, &preparer, text));
    let written = embed(texts, &inputs.collect::<Result<Vec<_>, _>>()?)?;
    Ok(Golden {
        images: files
            .iter()
            .zip(images)
            .map(|(file, embedding)| GoldenImage {
                file: file.clone(),
                embedding,
            })
            .collect(),
        texts: texts
            .iter()
            .zip(written)
            .map(|(text, embedding)| GoldenText {
                text: (*text).to_owned(),
                embedding,
            })
            .collect(),
    })
}

fn fp32(bundle: &Bundle) -> Result<&Variant, LoadError> {
    bundle
        .variant("fp32")
        .ok_or_else(|| LoadError::NoSuchPrecision {
            model: bundle.manifest.name.clone(),
            precision: "fp32".to_owned(),
            available: String::new(),
        })
}

/// The golden check of one variant, without a server.
///
/// # Errors
/// Those of `check_golden`, or if a graph or the tokenizer cannot be loaded.
pub fn verify(bundle: &Bundle, variant: &Variant) -> Result<Vec<(String, f64)>, LoadError> {
    let (preparer, mut encoders) = without_server(bundle, variant)?;
    check_golden(bundle, variant, &preparer, &mut encoders)
}

fn without_server(bundle: &Bundle, variant: &Variant) -> Result<(Preparer, Encoders), LoadError> {
    let metrics = Metrics::new().map_err(std::io::Error::other)?;
    let settings = EngineSettings {
        text_cache_bytes: 0,
        ..EngineSettings::default()
    };
    let preparer = Preparer::new(bundle, &settings, metrics.into())?;
    let session = SessionSettings {
        bf16: variant.precision == "bf16",
        ..SessionSettings::cpu(1)
    };
    let encoders = Encoders::load(bundle, variant, &session, None)?;
    Ok((preparer, encoders))
}
