//! A model on disk: a folder with a manifest, two or three graphs, a tokenizer and golden embeddings.
//!
//! [`Bundle::open`] reads the manifest and checks that every file is the exported one. The golden check ([`golden`]) needs
//! sessions and verifies that the graphs compute the same as PyTorch.

mod external_data;
mod files;
pub mod golden;
mod golden_features;
mod manifest;
mod models_root;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub use files::sha256;
pub use golden_features::{GoldenFeatures, GoldenMaps, Sampled};
pub use manifest::{
    Cleaning, Element, FORMAT_VERSION, FeatureOutput, FeatureParity, FeaturesSide, GoldenScores,
    ImageInput, ImageSide, Layout, MAX_PIXELS, Manifest, PadTo, Parity, ParityPair, Positions,
    Similarity, SimilarityKind, StatementsSide, TextInput, TextSide, Variant,
};
pub use models_root::{ModelsRoot, NotInRoot};
use serde::Deserialize;

use crate::byte_order_mark;

/// A bundle whose manifest is valid and whose files have their checksums.
#[derive(Debug, Clone)]
pub struct Bundle {
    root: PathBuf,
    /// The manifest.
    pub manifest: Manifest,
}

/// The reason why a folder is not a usable bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// There is no manifest.
    #[error("{0} has no bundle.json: give the folder that the export wrote")]
    NotABundle(PathBuf),
    /// The manifest cannot be used.
    #[error("{path}: {reason}")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The wrong field and its error.
        reason: String,
    },
    /// A file is missing or cannot be read.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        reason: String,
    },
    /// A file name leads outside the bundle, or the manifest has no checksum for it.
    #[error("{path}: {reason}")]
    BadReference {
        /// The name in the manifest.
        path: String,
        /// The problem.
        reason: String,
    },
    /// A file differs from the exported one.
    #[error(
        "{path} has sha256 {found}, the manifest says {expected}: the file was changed or damaged; copy the bundle again"
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// Checksum in the manifest.
        expected: String,
        /// Checksum of the file.
        found: String,
    },
    /// A file has the correct checksum but wrong content.
    #[error("{path}: {reason}")]
    Content {
        /// The file.
        path: PathBuf,
        /// The problem.
        reason: String,
    },
    /// The graphs compute other results than at export.
    #[error(
        "golden check of {variant} failed for {item}: 1 - cosine = {distance:.2e}, allowed is {tolerance:.2e}; the graph, the \
         preprocessing or the runtime does not agree with training"
    )]
    Golden {
        /// Precision of the variant.
        variant: String,
        /// The image file or the text.
        item: String,
        /// 1 − cosine.
        distance: f64,
        /// The variant's tolerance.
        tolerance: f64,
    },
    /// The graph of features computes other results than at export.
    #[error(
        "golden check of the features failed for {output} of {item}: the relative distance is {distance:.2e}, allowed is \
         {tolerance:.2e}; the graph, the preprocessing or the runtime does not agree with the export"
    )]
    GoldenFeatures {
        /// The image file.
        item: String,
        /// The graph's output.
        output: String,
        /// ‖difference‖ / ‖expected‖.
        distance: f64,
        /// The manifest's tolerance.
        tolerance: f64,
    },
}

/// An example scene for the server's page.
#[derive(Debug, Clone, Deserialize, serde::Serialize)]
pub struct Sample {
    /// File name inside the bundle.
    pub file: String,
    /// A title.
    pub title: String,
    /// Example descriptions.
    pub texts: Vec<String>,
}

impl Bundle {
    /// Opens a bundle: reads the manifest, then checks every file against its checksum.
    pub fn open(root: &Path) -> Result<Self, BundleError> {
        let bundle = Self::open_unverified(root)?;
        bundle.verify()?;
        Ok(bundle)
    }

    /// Checks every file against its checksum in the manifest as read when the bundle was opened, and checks that the graphs
    /// take their weights from such files only.
    ///
    /// # Errors
    /// [`BundleError::Checksum`] or [`BundleError::Unreadable`] for the first file that differs from the manifest,
    /// [`BundleError::Content`] for a graph with weights in a file that has no checksum.
    pub fn verify(&self) -> Result<(), BundleError> {
        for (name, expected) in &self.manifest.files {
            files::verify(&self.resolve(name)?, expected)?;
        }
        let graphs: BTreeSet<&str> = self.graphs().collect();
        graphs
            .into_iter()
            .try_for_each(|graph| self.verify_weights(graph))
    }

    /// Checks the files that the graph of features needs, as [`Bundle::verify`] does.
    ///
    /// # Errors
    /// Those of [`Bundle::verify`].
    pub(crate) fn verify_features(&self, side: &FeaturesSide) -> Result<(), BundleError> {
        for name in [&side.graph, &side.golden] {
            if let Some(expected) = self.manifest.files.get(name) {
                files::verify(&self.resolve(name)?, expected)?;
            }
        }
        self.verify_weights(&side.graph)
    }

    fn verify_weights(&self, graph: &str) -> Result<(), BundleError> {
        let path = self.resolve(graph)?;
        let locations = external_data::locations(files::read(&path)?);
        let checked = locations.and_then(|locations| {
            locations.iter().try_for_each(|location| {
                let name = external_data::name_in_bundle(graph, location)?;
                match self.manifest.files.contains_key(&name) {
                    true => Ok(()),
                    false => Err(format!(
                        "its weights lie in {name}, for which the manifest's `files` has no checksum"
                    )),
                }
            })
        });
        checked.map_err(|reason| BundleError::Content { path, reason })
    }

    /// Opens a bundle and reads only its manifest.
    pub fn open_unverified(root: &Path) -> Result<Self, BundleError> {
        let path = root.join("bundle.json");
        if !path.is_file() {
            return Err(BundleError::NotABundle(root.to_owned()));
        }
        let text = files::read_to_string(&path)?;
        let manifest = Manifest::parse(byte_order_mark::dropped_from(&text))
            .map_err(|reason| BundleError::Manifest { path, reason })?;
        let bundle = Self {
            root: root.to_owned(),
            manifest,
        };
        for name in bundle.references() {
            bundle.resolve(name)?;
            if !bundle.manifest.files.contains_key(name) {
                let reason = "the manifest's `files` has no checksum for it".to_owned();
                return Err(BundleError::BadReference {
                    path: name.to_owned(),
                    reason,
                });
            }
        }
        Ok(bundle)
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The variant with a precision.
    pub fn variant(&self, precision: &str) -> Option<&Variant> {
        self.manifest
            .variants
            .iter()
            .find(|variant| variant.precision == precision)
    }

    /// Path of a file that the manifest names. A name cannot lead outside the bundle.
    pub fn resolve(&self, name: &str) -> Result<PathBuf, BundleError> {
        let plain = Path::new(name)
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        if name.is_empty() || !plain {
            let reason = "a file of a bundle is named relative to it, without `..`".to_owned();
            return Err(BundleError::BadReference {
                path: name.to_owned(),
                reason,
            });
        }
        Ok(self.root.join(name))
    }

    /// Content of a file that the manifest names.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, BundleError> {
        files::read(&self.resolve(name)?)
    }

    /// The sample scenes; empty if the bundle has none.
    pub fn samples(&self) -> Result<Vec<Sample>, BundleError> {
        match &self.manifest.samples {
            Some(name) => self.read_json(name),
            None => Ok(Vec::new()),
        }
    }

    /// A JSON file of the bundle as a value of type `T`.
    pub(crate) fn read_json<T: serde::de::DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<T, BundleError> {
        let path = self.resolve(name)?;
        let bytes = files::read(&path)?;
        serde_json::from_slice(byte_order_mark::dropped(&bytes)).map_err(|e| BundleError::Content {
            path,
            reason: e.to_string(),
        })
    }

    /// The graphs of all variants, and that of features.
    fn graphs(&self) -> impl Iterator<Item = &str> {
        let variants = self.manifest.variants.iter();
        let features = self.manifest.features.iter();
        variants
            .flat_map(|v| [v.image.as_str(), v.text.as_str()])
            .chain(features.map(|features| features.graph.as_str()))
    }

    fn references(&self) -> impl Iterator<Item = &str> {
        let manifest = &self.manifest;
        let graphs = self.graphs();
        let others = [
            Some(&manifest.tokenizer),
            Some(&manifest.golden),
            manifest.samples.as_ref(),
            manifest.features.as_ref().map(|features| &features.golden),
        ];
        graphs.chain(others.into_iter().flatten().map(String::as_str))
    }
}
