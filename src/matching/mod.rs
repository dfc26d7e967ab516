//! Arithmetic on embeddings: pure functions, no HTTP, no sessions.

mod dimensions;
mod nearest;
mod prototypes;
mod ranking;
mod scores;

pub use clip_in_numerics::dot::{cosine, dot};
pub use dimensions::shorten;
pub use nearest::{Neighbour, nearest};
pub use prototypes::{Prototypes, mean_direction};
pub use ranking::{RankedLabel, rank};
pub use scores::{Scores, probabilities, score};
