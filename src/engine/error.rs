//! Errors of an item, of the engine, and of loading a model.

use std::path::PathBuf;

use crate::bundle::BundleError;
use crate::config::Alias;
use crate::preprocess::ImageError;
use crate::quoted::quoted;
use crate::runtime::RuntimeError;

/// The reason why one item cannot be embedded.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ItemError {
    /// The picture is damaged, unsupported or too large.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The text is not valid base64 of a picture.
    #[error("the image is neither base64 nor a base64 data URI: {0}")]
    Base64(String),
    /// The image is a URL, and this server does not fetch images.
    #[error(
        "image URLs are not fetched by this server; send the image itself, as base64 or as a form field"
    )]
    UrlNotAllowed,
    /// The text exceeds the server's limit.
    #[error("the text has {bytes} bytes; at most {most} are allowed; send it in parts")]
    TextTooLong {
        /// Its size.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// The text does not fit into the context, and the request does not allow truncation.
    #[error(
        "the text is {truncated} tokens longer than the model's context of {context} tokens; shorten it or allow truncation"
    )]
    WouldTruncate {
        /// Tokens that would be cut off.
        truncated: usize,
        /// The model's context.
        context: usize,
    },
    /// Pixels that do not fit the image encoder.
    #[error(
        "the model takes {expected} pixel values of type {element} per image; this has {found}"
    )]
    Pixels {
        /// Number of values per image.
        expected: usize,
        /// Their type.
        element: &'static str,
        /// The values that were given.
        found: String,
    },
    /// Token ids that do not fit the text encoder.
    #[error("{0}")]
    Tokens(String),
    /// The tokenizer failed.
    #[error("the text cannot be tokenised: {0}")]
    Tokenize(String),
}

/// The reason why an embedding could not be computed, if the item itself is valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The queue is full.
    #[error("the server is busy: {queued} items are waiting; try again in {retry_after_seconds} s")]
    Overloaded {
        /// Items that wait.
        queued: usize,
        /// Seconds after which a retry makes sense, from the measured service rate.
        retry_after_seconds: u64,
    },
    /// The deadline passed before the item was run.
    #[error("the deadline passed before the item was run")]
    DeadlineExceeded,
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
    /// No worker is left to run it.
    #[error("no worker is alive; the server must be restarted")]
    Dead,
    /// The device's memory was too small for the item's batch, and for the item alone.
    #[error("{0}; other items are still answered: try again, or with less at a time")]
    OutOfMemory(String),
    /// The runtime failed.
    #[error("{0}")]
    Inference(String),
}

/// The reason why a request got no embeddings.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EmbedError {
    /// One item is invalid.
    #[error("item {index}: {error}")]
    Item {
        /// Index in the request.
        index: usize,
        /// The error of the item.
        error: ItemError,
    },
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// The reason why a model cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bundle is not usable.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// ONNX Runtime refused it.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The bundle has no variant with that precision.
    #[error("{model} has no {precision} variant; it has: {available}")]
    NoSuchPrecision {
        /// The model.
        model: String,
        /// The requested precision.
        precision: String,
        /// The existing ones.
        available: String,
    },
    /// A thread could not be started.
    #[error("cannot start a worker: {0}")]
    Thread(#[from] std::io::Error),
}

/// The reason why the list of models could not be created or changed. It is unchanged then.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The model cannot be served.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Two bundles to be served at the same time have the same name.
    #[error(
        "{first} and {second} are both named {name}: change \"name\" in the bundle.json of one of them, or serve only one"
    )]
    SameName {
        /// The name in both manifests.
        name: String,
        /// Folder of the first one.
        first: PathBuf,
        /// Folder of the second one.
        second: PathBuf,
    },
    /// A model has the same name as an alias.
    #[error("{} is an alias and the name of a model: one name cannot be both", quoted(.0))]
    NameIsAlias(String),
    /// An alias names a model that is not served.
    #[error("--alias {alias}: unknown model; the models are: {models}")]
    AliasOfNothing {
        /// The alias.
        alias: Alias,
        /// The names of the served models.
        models: String,
    },
    /// An alias is given twice.
    #[error("--alias {0}: one alias cannot name two models")]
    SameAlias(String),
    /// No model is given.
    #[error("no model is given")]
    Empty,
    /// Another load is running.
    #[error("another model is being loaded; try again later")]
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
