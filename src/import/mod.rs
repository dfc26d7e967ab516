//! Converts a model in the layout of the Hub's ONNX exports (transformers.js, optimum) to a bundle.
//!
//! ```text
//! config.json              → architecture   preprocessor_config.json → image
//! tokenizer*.json          → tokens         onnx/*.onnx              → graphs
//! options, model.safetensors → similarity
//! ```
//!
//! The import reproduces each file exactly, or refuses it and names the file and the field. Nothing is guessed.

mod architecture;
mod document;
mod error;
mod graphs;
mod hub;
mod image;
mod logit_scale;
mod safetensors;
mod samples;
mod spelling;
mod tokenizer_file;
mod tokens;
mod write;

use std::path::{Path, PathBuf};

use architecture::Architecture;
pub use error::ImportError;
pub use hub::Repository;
use image::Preprocessing;
use safetensors::Learnt;
use tokens::Tokens;

use crate::runtime::signature;

/// The source of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A folder with the layout.
    Folder(PathBuf),
    /// A model on the Hub.
    Hub(Repository),
}

/// Settings that the files do not contain.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The model's name in the API; by default that of its source.
    pub name: Option<String>,
    /// Factor of the cosine, already exponentiated.
    pub logit_scale: Option<f32>,
    /// Added to the scaled cosine.
    pub logit_bias: Option<f32>,
}

/// The parsed content of the layout's files.
struct Layout {
    architecture: Architecture,
    preprocessing: Preprocessing,
    tokens: Tokens,
    image: (String, String),
    text: (String, Option<String>, String),
}

impl Layout {
    fn read(folder: &Path) -> Result<Self, ImportError> {
        let architecture = Architecture::read(folder)?;
        let preprocessing = Preprocessing::read(folder, &architecture)?;
        let tokens = Tokens::read(folder, &architecture)?;
        let graph = |name: &str| {
            let path = folder.join(name);
            if !path.is_file() {
                return Err(ImportError::Missing {
                    file: name.to_owned(),
                    folder: folder.to_owned(),
                });
            }
            Ok(signature(&path)?)
        };
        Ok(Self {
            architecture,
            preprocessing,
            tokens,
            image: graphs::image(&graph(graphs::IMAGE)?, &architecture)?,
            text: graphs::text(&graph(graphs::TEXT)?, &architecture)?,
        })
    }
}

/// Writes a model as a bundle at `out`, which must not exist yet, and verifies that the bundle works. `progress` is called
/// with each step.
///
/// # Errors
/// [`ImportError`]; `out` does not exist then.
pub fn import(
    source: &Source,
    out: &Path,
    options: &Options,
    progress: impl Fn(&str),
) -> Result<(), ImportError> {
    if out.symlink_metadata().is_ok() {
        return Err(ImportError::Exists(out.to_owned()));
    }
    let parent = match out.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let failed = |e: std::io::Error| ImportError::file(parent, &e);
    std::fs::create_dir_all(parent).map_err(failed)?;
    // On the same file system as `out`, so that the finished bundle can be renamed.
    let scratch = tempfile::Builder::new()
        .prefix(".clip-in-import-")
        .tempdir_in(parent)
        .map_err(failed)?;
    let mut origin = write::Origin::of(source);
    let (folder, learnt) = match source {
        Source::Folder(folder) => (folder.clone(), Learnt::find(folder)?),
        Source::Hub(repository) => {
            let folder = scratch.path().join("hub");
            let fetched = hub::fetch(repository, &folder, |file| {
                progress(&format!("fetching {file}"));
            })?;
            origin.commit = fetched.commit;
            (folder, fetched.learnt)
        }
    };
    progress("reading the layout");
    let layout = Layout::read(&folder)?;
    let family = layout.architecture.family;
    let similarity =
        logit_scale::similarity(family, options.logit_scale, options.logit_bias, learnt)?;
    let bundle = scratch.path().join("bundle");
    progress("computing golden embeddings");
    write::write(&folder, &bundle, layout, similarity, &origin, options)?;
    std::fs::rename(&bundle, out).map_err(|e| ImportError::file(out, &e))
}
