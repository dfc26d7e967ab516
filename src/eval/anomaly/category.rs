//! Learns references of a category and compares its test images with them.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, bail};
use bytes::Bytes;

use super::measured::Tested;
use super::set::{Category, MaskFile, TestImage};
use crate::calls::{NotCompared, compare_unwritten};
use crate::engine::{EmbedOptions, ImageSource, Model};
use crate::eval::Broken;
use crate::inspection::AnomalyMap;
use crate::inspection::metrics::{PixelMeasure, Saturation};
use crate::preprocess::{ImageOptions, Limits, Stop, decode_whole};
use crate::references::{Definition, Learnt, Photograph, ReferenceError, learn};

/// What a category's test images gave.
pub struct Compared {
    /// The references.
    pub learnt: Arc<Learnt>,
    /// Test images that were compared.
    pub tested: Vec<Tested>,
    /// Their maps against their masks.
    pub pixels: PixelMeasure,
    /// Files that could not be read.
    pub broken: Vec<Broken>,
}

/// Learns the references, and compares all test images, one after the other.
///
/// # Errors
/// If a reference cannot be read or learnt, or if the engine fails.
pub async fn compare(
    model: &Arc<Model>,
    category: &Category,
    references: &[&Path],
    resolution: Option<u32>,
    mut done: impl FnMut(),
) -> anyhow::Result<Compared> {
    let files = references.iter().map(|file| read(file));
    let files = files.collect::<anyhow::Result<Vec<_>>>()?;
    let options = EmbedOptions::default();
    let definition = Definition {
        images: files.into_iter().map(Photograph).collect(),
        resolution,
        ..Definition::default()
    };
    let learnt = learn(model, &definition, options).await;
    let learnt = Arc::new(learnt.with_context(|| format!("references of {}", category.name))?);
    learnt.fitted()?;
    let mut all = Compared {
        learnt,
        tested: Vec::new(),
        pixels: PixelMeasure::default(),
        broken: Vec::new(),
    };
    for (index, image) in category.test.iter().enumerate() {
        all.add(model, index, image).await?;
        done();
    }
    Ok(all)
}

impl Compared {
    async fn add(
        &mut self,
        model: &Arc<Model>,
        index: usize,
        image: &TestImage,
    ) -> anyhow::Result<()> {
        let bytes = match read(&image.file) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.note(&image.file, &error);
                return Ok(());
            }
        };
        let started = Instant::now();
        let source = ImageSource::Bytes(bytes);
        let options = EmbedOptions::default();
        let (one, drawn) = match compare_unwritten(model, &self.learnt, &source, options)
            .await
            .map_err(NotCompared::reason)
        {
            Ok(found) => found,
            Err(error @ (ReferenceError::Item { .. } | ReferenceError::Shape { .. })) => {
                self.note(&image.file, &error.into());
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.tested.push(Tested {
            index,
            score: one.changed.score,
            rank: one.changed.rank,
            milliseconds: started.elapsed().as_secs_f64() * 1e3,
        });
        if let Some(drawn) = drawn
            && (image.defect.is_none() || !image.masks.is_empty())
        {
            let map = drawn.band(0, drawn.size().1)?;
            if let Err(error) = self.add_map(&map, image) {
                self.note(&image.file, &error);
            }
        }
        Ok(())
    }

    fn add_map(&mut self, map: &AnomalyMap, image: &TestImage) -> anyhow::Result<()> {
        let size = (map.width(), map.height());
        let masks = image.masks.iter().map(|mask| read_mask(mask, size));
        let masks = masks.collect::<anyhow::Result<Vec<_>>>()?;
        match masks.as_slice() {
            [] => self
                .pixels
                .add(map.values(), &vec![0; size.0 * size.1], size.0, size.1)?,
            [(mask, None)] => self.pixels.add(map.values(), mask, size.0, size.1)?,
            several => {
                let several: Vec<(&[u8], Saturation)> = several
                    .iter()
                    .map(|(mask, saturation)| {
                        (mask.as_slice(), saturation.unwrap_or(Saturation::Whole))
                    })
                    .collect();
                self.pixels
                    .add_saturated(map.values(), &several, size.0, size.1)?;
            }
        }
        Ok(())
    }

    fn note(&mut self, file: &Path, error: &anyhow::Error) {
        self.broken.push(Broken::new(
            file.display().to_string(),
            format!("{error:#}"),
        ));
    }
}

/// Reads a file.
///
/// # Errors
/// A message with its name.
pub fn read(file: &Path) -> anyhow::Result<Bytes> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(bytes.into())
}

/// The pixels of a mask, one byte each, and its saturation.
fn read_mask(
    mask: &MaskFile,
    (width, height): (usize, usize),
) -> anyhow::Result<(Vec<u8>, Option<Saturation>)> {
    let shown = mask.file.display();
    let bytes = read(&mask.file)?;
    let options = ImageOptions::default();
    let picture = decode_whole(&bytes, &Limits::default(), false, options, &Stop::never());
    let image = picture
        .with_context(|| format!("cannot read {shown}"))?
        .image;
    if (image.width() as usize, image.height() as usize) != (width, height) {
        bail!(
            "{shown} has {} x {} pixels, its image {width} x {height}",
            image.width(),
            image.height()
        );
    }
    let pixels = image.pixels().chunks_exact(3);
    let pixels: Vec<u8> = pixels
        .map(|rgb| rgb.iter().copied().max().unwrap_or(0))
        .collect();
    let Some(saturations) = &mask.saturation else {
        return Ok((pixels, None));
    };
    let value = pixels.iter().copied().max().unwrap_or(0);
    let found = saturations.0.iter().find(|(its, _)| *its == value);
    let (_, saturation) = found.with_context(|| {
        format!("{shown} has the value {value}, which defects_config.json does not name")
    })?;
    Ok((pixels, Some(*saturation)))
}
