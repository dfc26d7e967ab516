//! Why a model cannot be imported.

use std::path::{Path, PathBuf};

use crate::bundle::BundleError;
use crate::engine::LoadError;
use crate::runtime::RuntimeError;

/// Why a model cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A setting that this program cannot follow exactly.
    #[error("{file}: {field}: {reason}")]
    Refused {
        /// The file in the layout.
        file: String,
        /// The field, with the fields around it.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The files leave the numbers of the similarity open.
    #[error("{0}")]
    Similarity(String),
    /// A file of the layout is not there.
    #[error("{} has no {file}; the layout is that of the Hub's ONNX exports", folder.display())]
    Missing {
        /// The file.
        file: String,
        /// Where it should be.
        folder: PathBuf,
    },
    /// A file has no usable content.
    #[error("{file}: {reason}")]
    Content {
        /// The file in the layout.
        file: String,
        /// What is wrong with it.
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
    /// The bundle's folder is taken.
    #[error("{0} is there already; name a folder that is not")]
    Exists(PathBuf),
    /// No name of a model on the Hub.
    #[error(
        "{0:?} is not a name on the Hub; give hf:org/name, and a branch, tag or commit as --revision"
    )]
    BadRepository(String),
    /// The Hub has no such file.
    #[error("{url}: there is no such file")]
    NotOnHub {
        /// The file.
        url: String,
    },
    /// The Hub did not give a file.
    #[error("{url}: {reason}")]
    Hub {
        /// The file.
        url: String,
        /// What happened.
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
    /// A file that the system did not read or write.
    pub fn file(path: &Path, error: &std::io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            reason: error.to_string(),
        }
    }
}
