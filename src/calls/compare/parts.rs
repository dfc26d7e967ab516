//! The parts of a score, by name.

use serde::ser::{Serialize, Serializer};

/// Names and numbers, in a fixed order.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts(pub Vec<(String, f64)>);

impl Serialize for Parts {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
