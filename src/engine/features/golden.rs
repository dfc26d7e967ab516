//! The source of a session of features: loads it, and recomputes the golden values with the code that requests use.

use std::sync::Arc;

use super::super::error::LoadError;
use crate::bundle::{Bundle, BundleError, FeaturesSide, GoldenFeatures};
use crate::preprocess::{self, ImageSpec, InputLayout, Limits};
use crate::runtime::{FeatureSession, SessionSettings};

/// The source of the sessions of features of one model.
#[derive(Debug, Clone)]
pub struct FeatureSource {
    pub bundle: Arc<Bundle>,
    pub side: Arc<FeaturesSide>,
    pub settings: SessionSettings,
    pub limits: Limits,
}

impl FeatureSource {
    /// A warm session that passed the golden check. The files may have changed since the model was loaded, so only files that
    /// match the manifest of that time are used.
    ///
    /// # Errors
    /// [`LoadError`] if a file was changed, or if the graph cannot be loaded or computes other results.
    pub fn load(&self) -> Result<FeatureSession, LoadError> {
        self.bundle.verify_features(&self.side)?;
        let mut session = FeatureSession::load(&self.bundle, &self.side, &self.settings)?;
        check_golden(&self.bundle, &self.side, &self.limits, &mut session)?;
        Ok(session)
    }
}

/// The rules of the image encoder, with another size, and pixels as bytes.
pub fn spec(bundle: &Bundle, [height, width]: [usize; 2]) -> Result<ImageSpec, BundleError> {
    let spec = bundle.manifest.image.spec();
    let spec = spec.map_err(|reason| BundleError::Manifest {
        path: bundle.root().join("bundle.json"),
        reason,
    })?;
    Ok(ImageSpec {
        height,
        width,
        layout: InputLayout::NhwcUint8,
        ..spec
    })
}

/// Recomputes the golden values; returns the relative distance of each output of each image.
///
/// # Errors
/// The first output beyond the manifest's tolerance.
fn check_golden(
    bundle: &Bundle,
    side: &FeaturesSide,
    limits: &Limits,
    session: &mut FeatureSession,
) -> Result<Vec<(String, f64)>, LoadError> {
    let mut distances = Vec::new();
    for golden in GoldenFeatures::read(bundle, side)?.images {
        let bytes = bundle.read(&golden.file)?;
        let pixels = preprocess::preprocess(&bytes, limits, &spec(bundle, golden.size)?);
        let pixels = pixels.map_err(|error| BundleError::Content {
            path: bundle.root().join(&golden.file),
            reason: error.to_string(),
        })?;
        for map in session.run(&[&pixels], golden.size)?.into_iter().flatten() {
            let output = &map.output.name;
            let sampled = golden.outputs.get(output);
            let distance = sampled.map_or(f64::INFINITY, |sampled| sampled.distance(&map.values));
            // A distance that is not a number also fails.
            if !matches!(
                distance.partial_cmp(&side.golden_tolerance),
                Some(std::cmp::Ordering::Less | std::cmp::Ordering::Equal)
            ) {
                return Err(LoadError::Bundle(BundleError::GoldenFeatures {
                    item: golden.file,
                    output: output.clone(),
                    distance,
                    tolerance: side.golden_tolerance,
                }));
            }
            distances.push((format!("{}: {output}", golden.file), distance));
        }
    }
    Ok(distances)
}

/// The golden check of the features of a bundle, without a server: each output of each image with its relative distance. Empty
/// if the bundle has no features.
///
/// # Errors
/// [`LoadError`] for the first output beyond the tolerance, or if the graph cannot be loaded.
pub fn verify_features(bundle: &Bundle) -> Result<Vec<(String, f64)>, LoadError> {
    let Some(side) = &bundle.manifest.features else {
        return Ok(Vec::new());
    };
    let mut session = FeatureSession::load(bundle, side, &SessionSettings::cpu(1))?;
    check_golden(bundle, side, &Limits::default(), &mut session)
}
