//! The texts of a benchmark, each once.

use std::collections::HashMap;

/// Texts in the order in which they were first met.
#[derive(Debug, Default)]
pub struct Texts {
    texts: Vec<String>,
    /// Where each occurs first, for messages.
    places: Vec<String>,
    known: HashMap<String, usize>,
}

impl Texts {
    /// Place of a text; `place` names where it stands in the data.
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

    /// How many there are.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// All of them.
    pub fn all(&self) -> &[String] {
        &self.texts
    }

    /// Where a text occurs first.
    pub fn place(&self, index: usize) -> &str {
        self.places.get(index).map_or("", String::as_str)
    }
}
