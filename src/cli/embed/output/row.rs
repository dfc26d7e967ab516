//! One row of the output.

use crate::cli::embed::item::Kind;
use crate::engine::Embedding;

/// An embedded item.
pub struct Row {
    pub id: String,
    pub kind: Kind,
    /// For a text.
    pub text: Option<String>,
    pub embedding: Embedding,
}
