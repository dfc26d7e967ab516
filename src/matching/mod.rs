//! Arithmetic on embeddings: pure functions, no HTTP, no sessions.

mod dimensions;
mod nearest;
mod prototypes;
mod ranking;
mod similarity;

pub use dimensions::shorten;
pub use nearest::{Neighbour, nearest};
pub use prototypes::{Prototypes, mean_direction};
pub use ranking::{RankedLabel, rank};
pub use similarity::{Scores, cosine, probabilities, score};
