//! A box in an answer.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::inspection::Region;

/// A place that stands out, in pixels of the image as it was posted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Place {
    /// First column.
    pub x: usize,
    /// First row.
    pub y: usize,
    /// Columns, at least 1.
    pub width: usize,
    /// Rows, at least 1.
    pub height: usize,
    /// The largest value of the map in it: 1 is where a place begins to stand out.
    pub strength: f32,
}

impl From<Region> for Place {
    fn from(region: Region) -> Self {
        Self {
            x: region.x,
            y: region.y,
            width: region.width,
            height: region.height,
            strength: region.strength,
        }
    }
}
