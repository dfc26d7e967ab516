//! Is this part different from the good one, where, and which statement about the difference is true: pure functions on
//! vectors, maps and pixels. No HTTP, no sessions, no files.

mod components;
mod error;
mod feature_map;
pub mod metrics;
pub mod registration;
mod transform;

pub use error::InspectionError;
pub use feature_map::{FeatureMap, Shape};
pub use transform::Transform;
