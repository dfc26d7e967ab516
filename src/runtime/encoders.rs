//! The two sessions of a model. They belong to one thread, because running one needs `&mut`.

use std::path::PathBuf;

use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::Session;
use ort::value::{DynValue, PrimitiveTensorElementType, Tensor};

use super::assembly::{fill_images, fill_mask, fill_texts};
use super::output::{Embedding, Encoded, Output, PatchOutput, run, run_with_patches};
use super::shared_weights::SharedWeights;
use super::{Build, Device, RuntimeError, SessionSettings, environment, session};
use crate::bundle::{Bundle, Element, PadTo, Variant};
use crate::preprocess::Pixels;

/// Image and text encoder of one model at one precision.
#[derive(Debug)]
pub struct Encoders {
    image: Session,
    text: Session,
    shape: Shape,
    /// Page-locked memory, from which a GPU copies without the CPU.
    pinned: Option<Allocator>,
}

/// The parts of the manifest that every batch needs.
#[derive(Debug)]
struct Shape {
    embedding_dim: usize,
    size: [usize; 2],
    image_input: String,
    image_output: Output,
    /// `None` if the graph has no patches.
    patch_output: Option<PatchOutput>,
    image_element: Element,
    text_input: String,
    text_mask: Option<String>,
    text_output: Output,
    context_length: usize,
    pad_id: u32,
    end_id: u32,
    pad_to: PadTo,
}

/// Weights of both graphs of a variant, for sessions that share them.
pub struct VariantWeights {
    image: SharedWeights,
    text: SharedWeights,
}

impl VariantWeights {
    /// Reads the weights.
    ///
    /// # Errors
    /// [`RuntimeError::Session`] if a graph is not readable.
    pub fn read(bundle: &Bundle, variant: &Variant) -> Result<Self, RuntimeError> {
        // Before the first tensor, which would otherwise search for the library itself, and panic without it.
        environment(Build::Plain)?;
        let read = |name: &str| {
            let path = path(bundle, name)?;
            SharedWeights::read(&path).map_err(|reason| RuntimeError::Session {
                graph: path.display().to_string(),
                reason,
            })
        };
        Ok(Self {
            image: read(&variant.image)?,
            text: read(&variant.text)?,
        })
    }
}

pub(super) fn path(bundle: &Bundle, name: &str) -> Result<PathBuf, RuntimeError> {
    bundle.resolve(name).map_err(|e| RuntimeError::Session {
        graph: bundle.root().join(name).display().to_string(),
        reason: e.to_string(),
    })
}

impl Encoders {
    /// Loads both graphs of a variant.
    ///
    /// # Errors
    /// [`RuntimeError`] if a graph or its provider is not available.
    pub fn load(
        bundle: &Bundle,
        variant: &Variant,
        settings: &SessionSettings,
        shared: Option<&VariantWeights>,
    ) -> Result<Self, RuntimeError> {
        let graph = |name: &str, weights: Option<&SharedWeights>| {
            session::load(&path(bundle, name)?, settings, weights)
        };
        let image = graph(&variant.image, shared.map(|weights| &weights.image))?;
        let text = graph(&variant.text, shared.map(|weights| &weights.text))?;
        let pinned = match settings.device {
            Device::Cpu => None,
            Device::Cuda(index) => Some(pinned(&image, index)?),
        };
        let manifest = &bundle.manifest;
        Ok(Self {
            image,
            text,
            pinned,
            shape: Shape {
                embedding_dim: manifest.embedding_dim,
                size: manifest.image.size,
                image_input: manifest.image.input.name.clone(),
                image_output: Output {
                    name: manifest.image.output.clone(),
                    normalised: manifest.image.output_normalised,
                },
                patch_output: manifest
                    .image
                    .patches()
                    .map(|(name, [rows, columns])| PatchOutput {
                        name: name.to_owned(),
                        patches: rows * columns,
                    }),
                image_element: manifest.image.input.element,
                text_input: manifest.text.input.name.clone(),
                text_mask: manifest.text.input.attention_mask.clone(),
                text_output: Output {
                    name: manifest.text.output.clone(),
                    normalised: manifest.text.output_normalised,
                },
                context_length: manifest.text.context_length,
                pad_id: manifest.text.pad_id,
                end_id: manifest.text.eot_id,
                pad_to: manifest.text.pad_to,
            },
        })
    }

    /// Computes embeddings of preprocessed images, in order.
    ///
    /// The graph runs on `rows` images (at least as many as the batch has; padded with zeros), so that a device that prefers
    /// few different shapes gets few.
    ///
    /// # Errors
    /// [`RuntimeError::Run`] or [`RuntimeError::Output`].
    pub fn encode_images(
        &mut self,
        batch: &[&Pixels],
        rows: usize,
    ) -> Result<Vec<Embedding>, RuntimeError> {
        let rows = rows.max(batch.len());
        let input = self.images(batch, rows)?;
        let (name, output) = (&self.shape.image_input, &self.shape.image_output);
        let shape = [rows, self.shape.embedding_dim];
        let inputs = ort::inputs![name => input];
        run(&mut self.image, inputs, output, shape, batch.len())
    }

    /// Like [`Encoders::encode_images`], with the patches of the images for which `patches_of` (one for each image) is true.
    ///
    /// # Errors
    /// As [`Encoders::encode_images`], also if the graph has no patches.
    pub fn encode_images_with_patches(
        &mut self,
        batch: &[&Pixels],
        rows: usize,
        patches_of: &[bool],
    ) -> Result<Vec<Encoded>, RuntimeError> {
        let rows = rows.max(batch.len());
        let input = self.images(batch, rows)?;
        let patches = self.shape.patch_output.as_ref();
        let missing = || RuntimeError::Run("the image graph has no patches".to_owned());
        let patches = patches.ok_or_else(missing)?;
        let (name, output) = (&self.shape.image_input, &self.shape.image_output);
        let shape = [rows, self.shape.embedding_dim];
        let inputs = ort::inputs![name => input];
        run_with_patches(&mut self.image, inputs, output, shape, patches, patches_of)
    }

    /// The input of the image graph: a batch, padded with zeros to `rows` images.
    fn images(&self, batch: &[&Pixels], rows: usize) -> Result<DynValue, RuntimeError> {
        let [height, width] = self.shape.size;
        let item = height * width * 3;
        match self.shape.image_element {
            Element::Uint8 => self.input([rows, height, width, 3], |values: &mut [u8]| {
                fill_images(batch, item, values, |pixels| match pixels {
                    Pixels::U8(values) => Some(values),
                    Pixels::F32(_) => None,
                })
            }),
            _ => self.input([rows, 3, height, width], |values: &mut [f32]| {
                fill_images(batch, item, values, |pixels| match pixels {
                    Pixels::F32(values) => Some(values),
                    Pixels::U8(_) => None,
                })
            }),
        }
    }

    /// Computes embeddings of tokenised texts, in order. The batch is padded as the manifest says, and to at least `rows`
    /// texts of at least `length` tokens.
    ///
    /// # Errors
    /// [`RuntimeError::Run`] or [`RuntimeError::Output`].
    pub fn encode_texts(
        &mut self,
        batch: &[&[u32]],
        rows: usize,
        length: usize,
    ) -> Result<Vec<Embedding>, RuntimeError> {
        let rows = rows.max(batch.len());
        let longest = batch.iter().map(|ids| ids.len()).max().unwrap_or(0);
        let length = match self.shape.pad_to {
            PadTo::Longest => longest.max(length.min(self.shape.context_length)).max(1),
            PadTo::ContextLength => self.shape.context_length.max(longest),
        };
        let pad = i64::from(self.shape.pad_id);
        let input = self.input([rows, length], |values: &mut [i64]| {
            fill_texts(batch, length, pad, values);
            Ok(())
        })?;
        let mask = self.shape.text_mask.as_ref().map(|name| {
            let mask = self.input([rows, length], |values: &mut [i64]| {
                fill_mask(batch, length, values);
                Ok(())
            })?;
            Ok::<_, RuntimeError>((name, mask))
        });
        let (name, output) = (&self.shape.text_input, &self.shape.text_output);
        let inputs = match mask.transpose()? {
            None => ort::inputs![name => input],
            Some((mask_name, mask)) => ort::inputs![name => input, mask_name => mask],
        };
        let shape = [rows, self.shape.embedding_dim];
        run(&mut self.text, inputs, output, shape, batch.len())
    }

    /// Maximum length of a text in tokens.
    pub fn context_length(&self) -> usize {
        self.shape.context_length
    }

    /// The shortest text, for warming up: its end. Of a text without any token, models that take a mean over tokens make no
    /// numbers.
    pub fn shortest_text(&self) -> [u32; 1] {
        [self.shape.end_id]
    }

    /// Pixels of a black image, for warming up.
    pub fn blank(&self) -> Pixels {
        let [height, width] = self.shape.size;
        match self.shape.image_element {
            Element::Uint8 => Pixels::U8(vec![0; height * width * 3]),
            _ => Pixels::F32(vec![0.0; height * width * 3]),
        }
    }

    /// A tensor filled by `fill`; page-locked if the device needs that.
    fn input<T, const N: usize>(
        &self,
        shape: [usize; N],
        fill: impl FnOnce(&mut [T]) -> Result<(), RuntimeError>,
    ) -> Result<DynValue, RuntimeError>
    where
        T: PrimitiveTensorElementType + Clone + Default + std::fmt::Debug + 'static,
    {
        let failed = |e: ort::Error| RuntimeError::of_run(&e);
        let Some(pinned) = &self.pinned else {
            let mut values = vec![T::default(); shape.iter().product()];
            fill(&mut values)?;
            return Ok(Tensor::from_array((shape, values))
                .map_err(failed)?
                .into_dyn());
        };
        let mut tensor = Tensor::<T>::new(pinned, shape).map_err(failed)?;
        let (_, values) = tensor.extract_tensor_mut();
        values.fill(T::default());
        fill(values)?;
        Ok(tensor.into_dyn())
    }
}

fn pinned(session: &Session, index: u16) -> Result<Allocator, RuntimeError> {
    MemoryInfo::new(
        AllocationDevice::CUDA_PINNED,
        index.into(),
        AllocatorType::Device,
        MemoryType::CPUInput,
    )
    .and_then(|memory| Allocator::new(session, memory))
    .map_err(|e| RuntimeError::Run(format!("no page-locked memory for cuda:{index}: {e}")))
}
