//! Arithmetic on embeddings: pure functions, no HTTP, no sessions.

mod dimensions;
mod ranking;
mod similarity;

pub use dimensions::shorten;
pub use ranking::{RankedLabel, rank};
pub use similarity::{Scores, cosine, score};
