//! What the descriptions of both graphs have in common.

use serde::{Deserialize, Serialize};

/// Element type of an input tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Element {
    /// 8-bit pixels; the graph normalises.
    Uint8,
    /// Normalised pixels.
    Float32,
    /// Token ids.
    Int64,
}

/// The default, true for every bundle of the training module.
pub(super) fn yes() -> bool {
    true
}
