//! From items to embeddings: decode on a CPU pool, queue, batch across requests, run, answer.
//!
//! ```text
//! Registry → Model::embed → CpuPool (decode, resize, tokenise) → Queue → worker thread (one pair of sessions) → answer
//! ```
//!
//! The engine knows nothing of HTTP. An item is prepared whole before it is queued, so that a broken one fails alone; a
//! request that is gone or late leaves the queue unrun; a full queue is an answer, not a wait. A run that fails costs what
//! is at fault: an item, a batch that was too large, or sessions, which are rebuilt once (see `recovery`).

mod alias;
mod backlog;
mod batching;
mod cpu_pool;
mod embed;
mod embedding_cache;
mod golden;
mod health;
mod image_source;
mod intake;
mod job;
mod model;
mod precision;
mod prepare;
mod queue;
mod recovery;
mod registry;
mod retirement;
mod service_rate;
mod sessions;
mod statistics;
mod worker;

pub use batching::BatchPolicy;
pub use cpu_pool::{CpuPool, Tenant, Turn};
pub use embed::{EmbedError, EmbedOptions, Embedded, EmbeddedEach};
pub use golden::{compute as compute_golden, verify};
pub use health::Health;
pub use image_source::{ImageSource, url as url_of_image};
pub use job::{Deadline, Embedding, Lane, Modality};
pub use model::{EngineSettings, LoadError, Model};
pub use precision::{Choice, choices, obstacle};
pub use prepare::{Item, ItemError};
pub use registry::{Loaded, Loader, Registry, RegistryError};
pub use statistics::{Statistics, Timed};

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
