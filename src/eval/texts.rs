//! The texts of a benchmark, without repetition.

use std::collections::HashMap;

/// Texts in order of first occurrence.
#[derive(Debug, Default)]
pub struct Texts {
    texts: Vec<String>,
    /// The first occurrence of each, for messages.
    places: Vec<String>,
    known: HashMap<String, usize>,
}

impl Texts {
    /// Index of a text; `place` names its position in the data.
    pub fn add(&mut self, text: String, place: impl FnOnce() -> String) -> usize {
        if let Some(index) = self.known.get(&text) {
            return *index;
        }
        let index = self.texts.len();
        self.places.push(place());
        self.known.insert(text.clone(), index);
        self.texts.push(text);
        index
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// All texts.
    pub fn all(&self) -> &[String] {
        &self.texts
    }

    /// The first occurrence of a text.
    pub fn place(&self, index: usize) -> &str {
        self.places.get(index).map_or("", String::as_str)
    }
}
