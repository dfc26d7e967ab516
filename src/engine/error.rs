//! What can go wrong: with an item, with the engine, and with a model that is to be served.

use std::path::PathBuf;

use crate::bundle::BundleError;
use crate::config::Alias;
use crate::preprocess::ImageError;
use crate::quoted::quoted;
use crate::runtime::RuntimeError;

/// Why one item cannot be embedded.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ItemError {
    /// The picture is broken, unsupported or too large.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The text that should spell the picture's bytes does not.
    #[error("the image is neither base64 nor a base64 data URI: {0}")]
    Base64(String),
    /// The image is a URL, and this server fetches none.
    #[error(
        "image URLs are not fetched by this server; send the image itself, as base64 or as a form field"
    )]
    UrlNotAllowed,
    /// The text is longer than the server reads.
    #[error("the text has {bytes} bytes, at most {most} are read; send it in parts")]
    TextTooLong {
        /// Its size.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// The text does not fit into the context, and the request asked not to cut it.
    #[error(
        "the text is {truncated} tokens longer than the model's context of {context} tokens; shorten it or allow truncation"
    )]
    WouldTruncate {
        /// Tokens that would be cut off.
        truncated: usize,
        /// The model's context.
        context: usize,
    },
    /// Pixels that the image encoder cannot take.
    #[error("the model takes {expected} pixel values of type {element} an image, this has {found}")]
    Pixels {
        /// Values of an image.
        expected: usize,
        /// Their type.
        element: &'static str,
        /// What came.
        found: String,
    },
    /// Token ids that the text encoder cannot take.
    #[error("{0}")]
    Tokens(String),
    /// The tokenizer failed.
    #[error("the text cannot be tokenised: {0}")]
    Tokenize(String),
}

/// Why an embedding could not be computed, when the item itself is not at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The queue has no room.
    #[error("the server is busy: {queued} items are waiting; try again in {retry_after_seconds} s")]
    Overloaded {
        /// Items that wait.
        queued: usize,
        /// When trying again makes sense, from the measured service rate.
        retry_after_seconds: u64,
    },
    /// The deadline passed before the item was run.
    #[error("the deadline passed before the item was run")]
    DeadlineExceeded,
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
    /// No worker is left that could run it.
    #[error("no worker is alive; the server must be restarted")]
    Dead,
    /// The device's memory was too small for the item's batch, and for the item alone.
    #[error("{0}; other items are still answered: try again, or with less at a time")]
    OutOfMemory(String),
    /// The runtime failed.
    #[error("{0}")]
    Inference(String),
}

/// Why a request got no embeddings.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EmbedError {
    /// One item is at fault.
    #[error("item {index}: {error}")]
    Item {
        /// Position in the request.
        index: usize,
        /// What is wrong with it.
        error: ItemError,
    },
    /// The engine could not do it.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Why a model cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bundle is not usable.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// ONNX Runtime refused it.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// There is no variant of that precision.
    #[error("{model} has no {precision} variant; it has: {available}")]
    NoSuchPrecision {
        /// The model.
        model: String,
        /// What was asked for.
        precision: String,
        /// What there is.
        available: String,
    },
    /// A thread could not be started.
    #[error("cannot start a worker: {0}")]
    Thread(#[from] std::io::Error),
}

/// Why the list of models could not be made or changed. It stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The model cannot be served.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Two bundles that are to be served at the same time have one name.
    #[error(
        "{first} and {second} are both named {name}: change \"name\" in the bundle.json of one of them, or serve only one"
    )]
    SameName {
        /// The name in both manifests.
        name: String,
        /// Folder of the one.
        first: PathBuf,
        /// Folder of the other.
        second: PathBuf,
    },
    /// A model has the name of an alias.
    #[error("{} is an alias and the name of a model: one name cannot be both", quoted(.0))]
    NameIsAlias(String),
    /// An alias stands for a model that is not served.
    #[error("--alias {alias}: there is no such model; there is: {models}")]
    AliasOfNothing {
        /// The alias.
        alias: Alias,
        /// The names of what is served.
        models: String,
    },
    /// An alias is given twice.
    #[error("--alias {0}: one alias cannot stand for two models")]
    SameAlias(String),
    /// There is nothing to serve.
    #[error("no model is given")]
    Empty,
    /// A load is under way.
    #[error("another model is being loaded; try again when that is done")]
    Busy,
    /// No model has that name.
    #[error("there is no model {} here; GET /v1/models lists what is served", quoted(.0))]
    Unknown(String),
    /// The default model cannot be unloaded.
    #[error(
        "{0} answers requests that name no model, so it cannot be unloaded; load another bundle of that name to replace it"
    )]
    IsDefault(String),
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}
