//! Runs a graph, and reads the embeddings in its output.

use std::borrow::Cow;
use std::sync::Arc;

use ort::session::{Session, SessionInputValue, SessionOutputs};

use super::RuntimeError;

/// One row of an encoder's output.
pub type Embedding = Arc<[f32]>;

/// What the image encoder computes for an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    /// The normalised embedding.
    pub embedding: Embedding,
    /// Its patches, `[patches, embedding_dim]`, row by row of the picture; only if they were asked for.
    pub patches: Option<Arc<[f32]>>,
}

/// The output with the embeddings.
#[derive(Debug)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Whether it is normalised already.
    pub normalised: bool,
}

/// The output with the patches of images.
#[derive(Debug)]
pub struct PatchOutput {
    /// Its name.
    pub name: String,
    /// Patches of an image.
    pub patches: usize,
}

/// Runs a graph whose output has `shape`, and returns the first `wanted` rows, normalised.
pub fn run(
    session: &mut Session,
    inputs: Vec<(Cow<'_, str>, SessionInputValue<'_>)>,
    output: &Output,
    shape: [usize; 2],
    wanted: usize,
) -> Result<Vec<Embedding>, RuntimeError> {
    let failed = |e: ort::Error| RuntimeError::of_run(&e);
    let outputs = session.run(inputs).map_err(failed)?;
    embeddings(&outputs, output, shape, wanted)
}

/// Like [`run`], and reads the patches of the images that `patches_of` names, `[patches, shape[1]]` each.
pub fn run_with_patches(
    session: &mut Session,
    inputs: Vec<(Cow<'_, str>, SessionInputValue<'_>)>,
    output: &Output,
    shape: [usize; 2],
    patches: &PatchOutput,
    patches_of: &[bool],
) -> Result<Vec<Encoded>, RuntimeError> {
    let failed = |e: ort::Error| RuntimeError::of_run(&e);
    let outputs = session.run(inputs).map_err(failed)?;
    let embeddings = embeddings(&outputs, output, shape, patches_of.len())?;
    let [rows, width] = shape;
    let all = values(&outputs, &patches.name, &[rows, patches.patches, width])?;
    let each = all.chunks_exact((patches.patches * width).max(1));
    let encoded = embeddings.into_iter().zip(each.zip(patches_of));
    encoded
        .map(|(embedding, (patches_of_it, wanted))| {
            Ok(Encoded {
                embedding,
                patches: match wanted {
                    true => Some(finite(&patches.name, patches_of_it)?.into()),
                    false => None,
                },
            })
        })
        .collect()
}

/// Checks and normalises the first `wanted` rows of an output.
fn embeddings(
    outputs: &SessionOutputs<'_>,
    output: &Output,
    shape: [usize; 2],
    wanted: usize,
) -> Result<Vec<Embedding>, RuntimeError> {
    let name = &output.name;
    let width = shape[1].max(1);
    let all = values(outputs, name, &shape)?;
    let all = finite(name, all.get(..wanted * width).unwrap_or(all))?;
    let rows = all.chunks_exact(width);
    if output.normalised {
        return Ok(rows.map(Arc::from).collect());
    }
    rows.map(unit)
        .collect::<Option<_>>()
        .ok_or_else(|| RuntimeError::Run(format!("{name} contains a vector of zeros")))
}

/// The numbers of an output of this shape.
fn values<'o>(
    outputs: &'o SessionOutputs<'_>,
    name: &str,
    shape: &[usize],
) -> Result<&'o [f32], RuntimeError> {
    let failed = |e: ort::Error| RuntimeError::of_run(&e);
    let found = outputs.get(name).ok_or_else(|| RuntimeError::Output {
        expected: format!("an output named {name}"),
        found: "without it".to_owned(),
    })?;
    let (found, values) = found.try_extract_tensor::<f32>().map_err(failed)?;
    let expected: Vec<_> = shape.iter().map(|side| *side as i64).collect();
    if found[..] != expected[..] {
        return Err(RuntimeError::Output {
            expected: format!("{name} of shape {expected:?}"),
            found: format!("{found:?}"),
        });
    }
    Ok(values)
}

fn finite<'v>(name: &str, values: &'v [f32]) -> Result<&'v [f32], RuntimeError> {
    if values.iter().all(|value| value.is_finite()) {
        return Ok(values);
    }
    Err(RuntimeError::Run(format!(
        "{name} contains a value that is not a number"
    )))
}

/// The normalised vector; `None` if it has no direction.
fn unit(row: &[f32]) -> Option<Embedding> {
    let norm = row
        .iter()
        .map(|value| f64::from(*value).powi(2))
        .sum::<f64>()
        .sqrt();
    (norm > 0.0).then(|| {
        row.iter()
            .map(|value| (f64::from(*value) / norm) as f32)
            .collect()
    })
}
