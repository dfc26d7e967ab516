//! Checks a training set before training: `clip-in audit`.
//!
//! ```text
//! files → sources (records) → measure (decode, hash, tokenise, embed) → set (what is kept) → nearest → report → gate
//! ```
//!
//! For each record it stores the place, two hashes and an embedding per image, and a hash per caption. Images and texts are
//! not stored, so memory is that of the embeddings plus about 200 bytes for each image.

mod balance;
mod edit_type;
mod findings;
mod flow;
mod gate;
mod lengths;
mod measure;
mod near_duplicates;
mod nearest;
mod quality;
mod record;
mod render;
mod report;
mod set;
mod sources;
mod spread;
mod swaps;
mod vectors;
mod word_classes;
mod words;

pub use self::flow::{Interrupted, read_set, records_at_a_time};
pub use self::gate::{Threshold, verdicts};
pub use self::measure::Measurer;
pub use self::near_duplicates::{leaked_near, near_duplicates};
pub use self::render::{Style, render};
pub use self::report::{Report, report};
pub use self::set::{Set, Settings};
pub use self::sources::{Source, find, total};
