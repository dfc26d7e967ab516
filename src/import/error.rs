//! Errors of the import.

use std::path::{Path, PathBuf};

use crate::bundle::BundleError;
use crate::engine::LoadError;
use crate::runtime::RuntimeError;

/// The reason why a model cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A setting that this program cannot reproduce exactly.
    #[error("{file}: {field}: {reason}")]
    Refused {
        /// The file in the layout.
        file: String,
        /// The field, with its parent fields.
        field: String,
        /// The problem.
        reason: String,
    },
    /// The files do not specify the numbers of the similarity.
    #[error("{0}")]
    Similarity(String),
    /// A file of the layout is missing.
    #[error("{} has no {file}; the layout is that of the Hub's ONNX exports", folder.display())]
    Missing {
        /// The file.
        file: String,
        /// The folder in which it should be.
        folder: PathBuf,
    },
    /// A file has invalid content.
    #[error("{file}: {reason}")]
    Content {
        /// The file in the layout.
        file: String,
        /// The problem.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        reason: String,
    },
    /// The bundle's folder exists already.
    #[error("{0} exists already; name a new folder")]
    Exists(PathBuf),
    /// Not a valid name of a model on the Hub.
    #[error(
        "{0:?} is not a name on the Hub; give hf:org/name, and a branch, tag or commit as --revision"
    )]
    BadRepository(String),
    /// The Hub has no such file.
    #[error("{url} does not exist")]
    NotOnHub {
        /// The file.
        url: String,
    },
    /// The Hub did not return a file.
    #[error("{url}: {reason}")]
    Hub {
        /// The file.
        url: String,
        /// The error.
        reason: String,
    },
    /// A graph cannot be loaded.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The bundle that was written cannot be used.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The bundle that was written cannot be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

impl ImportError {
    /// An error about a file that the system could not read or write.
    pub fn file(path: &Path, error: &std::io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            reason: error.to_string(),
        }
    }
}
