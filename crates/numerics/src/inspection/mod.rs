//! Is this part different from the good one, where, and which statement about the difference is true: pure functions on
//! vectors, maps and pixels. No HTTP, no sessions, no files.

mod aggregate;
mod components;
pub mod copies;
mod error;
mod feature_map;
mod fuse;
pub mod layer_map;
pub mod map;
pub mod map_file;
pub mod masks;
pub mod metrics;
pub mod picture;
mod plane;
mod ranks;
pub mod reference;
mod regions;
pub mod registration;
mod scale;
pub mod statements;
pub mod text_map;
mod transform;
mod warp;

pub use aggregate::{mean, smoothed, top};
pub use error::InspectionError;
pub use feature_map::{FeatureMap, Shape};
pub use fuse::{Fusion, joined};
pub use map::AnomalyMap;
pub use ranks::OkScores;
pub use regions::{Region, regions};
pub use scale::{Histogram, Scale};
pub use transform::Transform;
pub use warp::Rgb;
