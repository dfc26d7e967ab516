//! The golden check: does this machine compute what training computed?

use super::image_source::ImageSource;
use super::job::Input;
use super::model::{EngineSettings, LoadError};
use super::prepare::{Item, Known, Preparer};
use crate::bundle::golden::{Golden, compare};
use crate::bundle::{Bundle, BundleError, Variant};
use crate::runtime::{Encoders, SessionSettings};
use crate::telemetry::Metrics;

/// Recomputes the golden embeddings with the same code that requests run through; gives each item with its 1 − cosine.
///
/// # Errors
/// The first item beyond the variant's tolerance. The check is also the warm-up of the sessions.
pub fn check_golden(
    bundle: &Bundle,
    variant: &Variant,
    preparer: &Preparer,
    encoders: &mut Encoders,
) -> Result<Vec<(String, f64)>, LoadError> {
    let golden = Golden::read(bundle)?;
    let content = |name: &str, reason: String| {
        LoadError::from(BundleError::Content {
            path: bundle.root().join(name),
            reason,
        })
    };
    let mut distances = Vec::new();
    for image in &golden.images {
        let item = Item::Image(ImageSource::Bytes(bundle.read(&image.file)?.into()));
        let prepared = preparer
            .prepare_one(item, true)
            .map_err(|e| content(&image.file, e.to_string()))?;
        if let Known::Input(Input::Image(pixels)) = &prepared.input {
            for found in encoders.encode_images(&[pixels], 1)? {
                distances.push((
                    image.file.clone(),
                    compare(variant, &image.file, &image.embedding, &found)?,
                ));
            }
        }
    }
    for text in &golden.texts {
        let item = Item::Text(text.text.clone());
        let prepared = preparer
            .prepare_one(item, true)
            .map_err(|e| content(&bundle.manifest.golden, e.to_string()))?;
        if let Known::Input(Input::Text(ids)) = &prepared.input {
            for found in encoders.encode_texts(&[ids], 1, 0)? {
                distances.push((
                    text.text.clone(),
                    compare(variant, &text.text, &text.embedding, &found)?,
                ));
            }
        }
    }
    Ok(distances)
}

/// The golden check of one variant, without a server around it.
///
/// # Errors
/// As [`check_golden`], and if a graph or the tokenizer cannot be loaded.
pub fn verify(bundle: &Bundle, variant: &Variant) -> Result<Vec<(String, f64)>, LoadError> {
    let metrics = Metrics::new().map_err(std::io::Error::other)?;
    let preparer = Preparer::new(bundle, &EngineSettings::default(), metrics.into())?;
    let session = SessionSettings {
        bf16: variant.precision == "bf16",
        ..SessionSettings::cpu(1)
    };
    let mut encoders = Encoders::load(bundle, variant, &session, None)?;
    check_golden(bundle, variant, &preparer, &mut encoders)
}
