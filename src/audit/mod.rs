//! Finds what is wrong with a training set before it is trained on: `clip-in audit`.
//!
//! ```text
//! files → sources (records) → measure (decode, hash, tokenise, embed) → set (what is kept) → nearest → report → gate
//! ```
//!
//! Of a record it keeps the place, two hashes and an embedding for each image, and a hash for each caption. Images and texts are
//! not kept, so the memory is that of the embeddings and about 200 bytes for each image.

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
mod vectors;
mod words;

pub use self::flow::{Interrupted, read_set, records_at_a_time};
pub use self::gate::{Threshold, verdicts};
pub use self::measure::Measurer;
pub use self::near_duplicates::{leaked_near, near_duplicates};
pub use self::render::{Style, render};
pub use self::report::{Report, report};
pub use self::set::{Set, Settings};
pub use self::sources::{Source, find, total};
