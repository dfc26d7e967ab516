//! Runs a batch on a pair of sessions.

use super::batching::BatchPolicy;
use super::job::{Input, Job, Modality};
use crate::runtime::{Embedding, Encoded, Encoders, RuntimeError};

/// Encodes a batch, in order, with the patches of the images for which they are asked. The policy says how many rows, and
/// texts of which length, the graph gets.
///
/// # Errors
/// [`RuntimeError`] of the run; it does not say which item is at fault.
pub fn run(
    encoders: &mut Encoders,
    policy: &BatchPolicy,
    modality: Modality,
    jobs: &[Job],
) -> Result<Vec<Encoded>, RuntimeError> {
    let rows = policy.rows(modality, jobs.len());
    match modality {
        Modality::Image => {
            let pixels = jobs.iter().filter_map(|job| match &job.input {
                Input::Image(pixels) => Some(pixels),
                Input::Text(_) => None,
            });
            let pixels: Vec<_> = pixels.collect();
            let patches_of: Vec<_> = jobs.iter().map(|job| job.patches).collect();
            if patches_of.contains(&true) {
                encoders.encode_images_with_patches(&pixels, rows, &patches_of)
            } else {
                encoders.encode_images(&pixels, rows).map(embedded)
            }
        }
        Modality::Text => {
            let texts = jobs.iter().filter_map(|job| match &job.input {
                Input::Text(ids) => Some(ids.as_slice()),
                Input::Image(_) => None,
            });
            let texts: Vec<_> = texts.collect();
            let longest = texts.iter().map(|ids| ids.len()).max().unwrap_or(0);
            let length = policy.length(longest);
            encoders.encode_texts(&texts, rows, length).map(embedded)
        }
    }
}

/// Embeddings without patches.
fn embedded(embeddings: Vec<Embedding>) -> Vec<Encoded> {
    let alone = |embedding| Encoded {
        embedding,
        patches: None,
    };
    embeddings.into_iter().map(alone).collect()
}
