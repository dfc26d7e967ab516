//! The parts of a score, by name.

use serde::ser::{Serialize, Serializer};

/// Names and numbers, in a fixed order.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts(pub Vec<(String, f64)>);

impl Parts {
    /// The number with a name.
    pub fn get(&self, name: &str) -> Option<f64> {
        let mut parts = self.0.iter();
        parts.find(|(own, _)| own == name).map(|(_, value)| *value)
    }
}

impl Serialize for Parts {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
