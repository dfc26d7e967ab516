//! Runs a graph, and reads the embeddings in its output.

use std::borrow::Cow;
use std::sync::Arc;

use ort::session::{Session, SessionInputValue};

use super::RuntimeError;

/// One row of an encoder's output.
pub type Embedding = Arc<[f32]>;

/// The output with the embeddings.
#[derive(Debug)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Whether it is normalised already.
    pub normalised: bool,
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
    let name = &output.name;
    let found = outputs.get(name).ok_or_else(|| RuntimeError::Output {
        expected: format!("an output named {name}"),
        found: "without it".to_owned(),
    })?;
    let (found, values) = found.try_extract_tensor::<f32>().map_err(failed)?;
    let expected = shape.map(|side| side as i64);
    if found[..] != expected[..] {
        return Err(RuntimeError::Output {
            expected: format!("{expected:?}"),
            found: format!("{found:?}"),
        });
    }
    let rows = values.chunks_exact(shape[1].max(1)).take(wanted);
    if rows.clone().flatten().any(|value| !value.is_finite()) {
        return Err(RuntimeError::Run(format!(
            "{name} contains a value that is not a number"
        )));
    }
    if output.normalised {
        return Ok(rows.map(Arc::from).collect());
    }
    rows.map(unit)
        .collect::<Option<_>>()
        .ok_or_else(|| RuntimeError::Run(format!("{name} contains a vector of zeros")))
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
