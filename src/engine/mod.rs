//! From items to embeddings: decode on a CPU pool, queue, batch across requests, run, answer.
//!
//! ```text
//! Registry → Model::embed → CpuPool (decode, resize, tokenise) → Queue → worker thread (one pair of sessions) → answer
//! ```
//!
//! The engine does not depend on HTTP. An item is prepared completely before it is queued, so that an invalid one fails
//! alone. Items of a cancelled or late request leave the queue without running. A full queue gives an error at once. A
//! failed run only affects what is at fault: an item, a batch that was too large, or sessions, which are rebuilt once (see
//! `recovery`). A batch that is alone runs on sessions that use all cores (see `wide`). Features for inspection have their own sessions and queue (see `features`).

mod alias;
mod backlog;
mod batch_run;
mod batching;
mod caches;
mod cost;
mod cpu_pool;
mod embed;
mod embedding_cache;
mod error;
mod fair_queue;
mod features;
mod golden;
mod health;
mod image_source;
mod intake;
mod job;
mod model;
mod pictures;
mod precision;
mod prepare;
mod queue;
mod recovery;
mod registry;
mod request;
mod retirement;
mod service_rate;
mod session_source;
mod sessions;
mod settings;
mod statistics;
mod wide;
mod worker;

pub use batching::BatchPolicy;
pub use cpu_pool::CpuPool;
pub use error::{EmbedError, EngineError, ItemError, LoadError, RegistryError};
pub use fair_queue::{Flow, Tenant};
pub use features::{FeaturesError, verify_features};
pub use golden::{compute as compute_golden, verify};
pub use health::Health;
pub use image_source::{ImageSource, url as url_of_image};
pub use job::{Deadline, Embedding, Lane, Modality};
pub use model::Model;
pub use precision::{Choice, choices, unsupported_reason};
pub use registry::{Loaded, Loader, Registry};
pub use request::{EmbedOptions, Encoding, Item, Patches};
pub use settings::EngineSettings;
pub use statistics::{Statistics, Timed};
