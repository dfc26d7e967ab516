//! A tensor's shape in JSON: a list of dimensions.

use std::fmt;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};

/// More dimensions than any tensor here has.
const MOST_SIDES: usize = 16;

/// Parses a shape.
///
/// # Errors
/// The deserializer's error, or an error for more than 16 dimensions.
pub fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i64>, D::Error> {
    deserializer.deserialize_seq(Sides)
}

struct Sides;

impl<'de> Visitor<'de> for Sides {
    type Value = Vec<i64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of sides")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<i64>, A::Error> {
        let mut sides = Vec::new();
        while let Some(side) = list.next_element()? {
            if sides.len() == MOST_SIDES {
                return Err(A::Error::custom(format!("more than {MOST_SIDES} sides")));
            }
            sides.push(side);
        }
        Ok(sides)
    }
}
