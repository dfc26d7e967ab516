//! The two sessions of a model. They belong to one thread: running one needs `&mut`.

use std::sync::Arc;

use ndarray::{Array2, Array4};
use ort::session::{Session, builder::GraphOptimizationLevel};
use ort::value::{DynValue, Tensor};

use super::{RuntimeError, environment};
use crate::bundle::{Bundle, Element, PadTo, Variant};
use crate::preprocess::Pixels;

/// How sessions are made.
#[derive(Debug, Clone, Copy)]
pub struct SessionSettings {
    /// Threads inside one operator.
    pub threads: usize,
}

/// Image and text encoder of one model at one precision.
#[derive(Debug)]
pub struct Encoders {
    image: Session,
    text: Session,
    shape: Shape,
}

/// What is needed of the manifest at every batch.
#[derive(Debug)]
struct Shape {
    embedding_dim: usize,
    size: [usize; 2],
    image_input: String,
    image_output: String,
    image_element: Element,
    text_input: String,
    text_output: String,
    context_length: usize,
    pad_id: u32,
    pad_to: PadTo,
}

impl Encoders {
    /// Loads both graphs of a variant.
    pub fn load(
        bundle: &Bundle,
        variant: &Variant,
        settings: SessionSettings,
    ) -> Result<Self, RuntimeError> {
        let manifest = &bundle.manifest;
        Ok(Self {
            image: session(bundle, &variant.image, settings)?,
            text: session(bundle, &variant.text, settings)?,
            shape: Shape {
                embedding_dim: manifest.embedding_dim,
                size: manifest.image.size,
                image_input: manifest.image.input.name.clone(),
                image_output: manifest.image.output.clone(),
                image_element: manifest.image.input.element,
                text_input: manifest.text.input.name.clone(),
                text_output: manifest.text.output.clone(),
                context_length: manifest.text.context_length,
                pad_id: manifest.text.pad_id,
                pad_to: manifest.text.pad_to,
            },
        })
    }

    /// Embeddings of preprocessed images, in order.
    pub fn encode_images(&mut self, batch: &[&Pixels]) -> Result<Vec<Arc<[f32]>>, RuntimeError> {
        let [height, width] = self.shape.size;
        let n = batch.len();
        let input = match self.shape.image_element {
            Element::Uint8 => {
                let values = gather(batch, n * height * width * 3, |pixels| match pixels {
                    Pixels::U8(values) => Some(values.as_slice()),
                    Pixels::F32(_) => None,
                })?;
                tensor(Array4::from_shape_vec((n, height, width, 3), values))?
            }
            _ => {
                let values = gather(batch, n * height * width * 3, |pixels| match pixels {
                    Pixels::F32(values) => Some(values.as_slice()),
                    Pixels::U8(_) => None,
                })?;
                tensor(Array4::from_shape_vec((n, 3, height, width), values))?
            }
        };
        run(
            &mut self.image,
            &self.shape.image_input,
            input,
            &self.shape.image_output,
            n,
            self.shape.embedding_dim,
        )
    }

    /// Embeddings of tokenised texts, in order. The batch is padded as the manifest says.
    pub fn encode_texts(&mut self, batch: &[&[u32]]) -> Result<Vec<Arc<[f32]>>, RuntimeError> {
        let n = batch.len();
        let longest = batch.iter().map(|ids| ids.len()).max().unwrap_or(0);
        let length = match self.shape.pad_to {
            PadTo::Longest => longest,
            PadTo::ContextLength => self.shape.context_length.max(longest),
        };
        let mut ids = Array2::from_elem((n, length), i64::from(self.shape.pad_id));
        for (mut row, text) in ids.rows_mut().into_iter().zip(batch) {
            for (cell, id) in row.iter_mut().zip(*text) {
                *cell = i64::from(*id);
            }
        }
        let input = tensor(Ok(ids))?;
        run(
            &mut self.text,
            &self.shape.text_input,
            input,
            &self.shape.text_output,
            n,
            self.shape.embedding_dim,
        )
    }
}

fn session(
    bundle: &Bundle,
    graph: &str,
    settings: SessionSettings,
) -> Result<Session, RuntimeError> {
    let failed = |reason: String| RuntimeError::Session {
        graph: bundle.root().join(graph).display().to_string(),
        reason,
    };
    let path = bundle.resolve(graph).map_err(|e| failed(e.to_string()))?;
    let build = || -> ort::Result<Session> {
        let builder = Session::builder(environment().map_err(|e| ort::Error::new(e.to_string()))?)?;
        let mut builder = builder
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(settings.threads)?
            .with_inter_threads(1)?
            // A spinning thread burns a core that decoding needs: 174 ms against 103 ms a batch on a busy machine.
            .with_intra_op_spinning(false)?
            // Shapes change from batch to batch; a pattern a shape would be memory that only grows.
            .with_memory_pattern(false)?;
        builder.commit_from_file(&path)
    };
    build().map_err(|e| failed(e.to_string()))
}

fn gather<T: Copy>(
    batch: &[&Pixels],
    expected: usize,
    values_of: impl Fn(&Pixels) -> Option<&[T]>,
) -> Result<Vec<T>, RuntimeError> {
    let mut values = Vec::with_capacity(expected);
    for pixels in batch {
        let found = values_of(pixels)
            .ok_or_else(|| RuntimeError::Run("pixels of another element type".to_owned()))?;
        values.extend_from_slice(found);
    }
    Ok(values)
}

fn tensor<T, D>(
    array: Result<ndarray::Array<T, D>, ndarray::ShapeError>,
) -> Result<DynValue, RuntimeError>
where
    T: ort::value::PrimitiveTensorElementType + Clone + std::fmt::Debug + 'static,
    D: ndarray::Dimension + 'static,
{
    let array = array.map_err(|e| RuntimeError::Run(e.to_string()))?;
    let tensor = Tensor::from_array(array).map_err(|e| RuntimeError::Run(e.to_string()))?;
    Ok(tensor.into_dyn())
}

fn run(
    session: &mut Session,
    input: &str,
    value: DynValue,
    output: &str,
    rows: usize,
    width: usize,
) -> Result<Vec<Arc<[f32]>>, RuntimeError> {
    let failed = |e: ort::Error| RuntimeError::Run(e.to_string());
    let outputs = session.run(ort::inputs![input => value]).map_err(failed)?;
    let found = outputs.get(output).ok_or_else(|| RuntimeError::Output {
        expected: format!("an output named {output}"),
        found: "without it".to_owned(),
    })?;
    let (shape, values) = found.try_extract_tensor::<f32>().map_err(failed)?;
    let expected = [rows as i64, width as i64];
    if shape[..] != expected[..] {
        return Err(RuntimeError::Output {
            expected: format!("{expected:?}"),
            found: format!("{shape:?}"),
        });
    }
    if values.iter().any(|value| !value.is_finite()) {
        return Err(RuntimeError::Run(format!(
            "{output} holds a value that is not a number"
        )));
    }
    Ok(values.chunks_exact(width).map(Arc::from).collect())
}
