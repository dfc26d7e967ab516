//! Runs a batch on a pair of sessions.

use super::batching::BatchPolicy;
use super::job::{Embedding, Input, Job, Modality};
use crate::runtime::{Encoders, RuntimeError};

/// Computes the embeddings of a batch, in order. The policy says how many rows, and texts of which length, the graph gets.
///
/// # Errors
/// [`RuntimeError`] of the run; it does not say which item is at fault.
pub fn run(
    encoders: &mut Encoders,
    policy: &BatchPolicy,
    modality: Modality,
    jobs: &[Job],
) -> Result<Vec<Embedding>, RuntimeError> {
    let rows = policy.rows(modality, jobs.len());
    match modality {
        Modality::Image => {
            let pixels = jobs.iter().filter_map(|job| match &job.input {
                Input::Image(pixels) => Some(pixels),
                Input::Text(_) => None,
            });
            encoders.encode_images(&pixels.collect::<Vec<_>>(), rows)
        }
        Modality::Text => {
            let texts = jobs.iter().filter_map(|job| match &job.input {
                Input::Text(ids) => Some(ids.as_slice()),
                Input::Image(_) => None,
            });
            let texts: Vec<_> = texts.collect();
            let longest = texts.iter().map(|ids| ids.len()).max().unwrap_or(0);
            encoders.encode_texts(&texts, rows, policy.length(longest))
        }
    }
}
