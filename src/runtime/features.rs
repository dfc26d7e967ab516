//! The session of a bundle's features. It belongs to one thread, because running it needs `&mut`.

use std::sync::Arc;

use ort::session::Session;
use ort::value::Tensor;

use super::assembly::fill_images;
use super::encoders::path;
use super::{RuntimeError, SessionSettings, session};
use crate::bundle::{Bundle, FeatureOutput, FeaturesSide};
use crate::preprocess::Pixels;

/// A map of features of one image.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureMap {
    /// The output that it comes from.
    pub output: Arc<FeatureOutput>,
    /// Height of the input divided by the stride.
    pub rows: usize,
    /// Width of the input divided by the stride.
    pub columns: usize,
    /// `[channels, rows, columns]`, all of them finite.
    pub values: Arc<[f32]>,
}

/// A session that computes features.
#[derive(Debug)]
pub struct FeatureSession {
    session: Session,
    input: String,
    outputs: Vec<Arc<FeatureOutput>>,
}

impl FeatureSession {
    /// Loads the graph of features of a bundle.
    ///
    /// # Errors
    /// [`RuntimeError`] if the graph or its provider is not available.
    pub fn load(
        bundle: &Bundle,
        side: &FeaturesSide,
        settings: &SessionSettings,
    ) -> Result<Self, RuntimeError> {
        Ok(Self {
            session: session::load(&path(bundle, &side.graph)?, settings, None)?,
            input: side.input.name.clone(),
            outputs: side.outputs.iter().cloned().map(Arc::new).collect(),
        })
    }

    /// Computes the maps of images of one size, uint8 `[height, width, 3]`: for each image one map per output, in the
    /// manifest's order.
    ///
    /// # Errors
    /// [`RuntimeError::Run`], [`RuntimeError::OutOfMemory`], or [`RuntimeError::Output`] if the graph differs from the
    /// manifest.
    pub fn run(
        &mut self,
        batch: &[&Pixels],
        [height, width]: [usize; 2],
    ) -> Result<Vec<Vec<FeatureMap>>, RuntimeError> {
        let failed = |e: ort::Error| RuntimeError::of_run(&e);
        let item = height * width * 3;
        let mut pixels = vec![0_u8; batch.len() * item];
        fill_images(batch, item, &mut pixels, |pixels| match pixels {
            Pixels::U8(values) => Some(values),
            Pixels::F32(_) => None,
        })?;
        let input =
            Tensor::from_array(([batch.len(), height, width, 3], pixels)).map_err(failed)?;
        let found = self.session.run(ort::inputs![self.input.as_str() => input]);
        let found = found.map_err(failed)?;
        let mut images = vec![Vec::with_capacity(self.outputs.len()); batch.len()];
        for output in &self.outputs {
            let stride = output.stride.max(1);
            let (rows, columns) = (height / stride, width / stride);
            let name = output.name.as_str();
            let values = found.get(name).ok_or_else(|| RuntimeError::Output {
                expected: format!("an output named {name}"),
                found: "without it".to_owned(),
            })?;
            let (shape, values) = values.try_extract_tensor::<f32>().map_err(failed)?;
            let expected = [batch.len(), output.channels, rows, columns].map(|side| side as i64);
            if shape[..] != expected[..] {
                return Err(RuntimeError::Output {
                    expected: format!("{name} of shape {expected:?}"),
                    found: format!("{shape:?}"),
                });
            }
            if values.iter().any(|value| !value.is_finite()) {
                return Err(RuntimeError::Run(format!(
                    "{name} contains a value that is not a number"
                )));
            }
            let each = values.chunks_exact((output.channels * rows * columns).max(1));
            for (maps, values) in images.iter_mut().zip(each) {
                maps.push(FeatureMap {
                    output: output.clone(),
                    rows,
                    columns,
                    values: values.into(),
                });
            }
        }
        Ok(images)
    }
}
