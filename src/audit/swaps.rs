//! Counts, for each class of words, the pairs whose captions swap its words. A word that captions state and no pair changes
//! is one that the loss never compares with another: the model need not learn what it means.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::edit_type::{only_in, words};
use super::word_classes::{CLASSES, belongs};

/// Number of swaps that a report lists for each class.
const LISTED: usize = 5;

/// How the pairs change the words of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassChanges {
    /// Pairs whose captions have different words of the class (red ↔ blue).
    pub swapped: u64,
    /// Pairs in which only one caption has a word of the class that the other lacks (none ↔ red).
    pub one_sided: u64,
    /// The most frequent swaps, as `blue ↔ red` with the number of pairs.
    pub most_frequent: Vec<(String, u64)>,
    /// Words of the class that captions state and no pair swaps for another word of it.
    pub never_swapped: Vec<String>,
}

/// Counts of one class.
#[derive(Debug, Clone, Default)]
struct Counts {
    swapped: u64,
    one_sided: u64,
    swaps: HashMap<(String, String), u64>,
    /// By word: whether a pair swaps it.
    stated: BTreeMap<String, bool>,
}

/// Counts of every class of [`CLASSES`].
#[derive(Debug, Clone, Default)]
pub struct Swaps([Counts; CLASSES.len()]);

impl Swaps {
    /// Counts the captions of a pair.
    pub fn add(&mut self, source: &str, target: &str) {
        let (before, after) = (only_in(source, target), only_in(target, source));
        let stated: Vec<String> = words(source).chain(words(target)).collect();
        for (counts, class) in self.0.iter_mut().zip(CLASSES) {
            for word in stated.iter().filter(|word| belongs(word, class)) {
                counts.stated.entry(word.clone()).or_default();
            }
            let of_class = |words: &[String]| {
                let mut found: Vec<String> = words.to_vec();
                found.retain(|word| belongs(word, class));
                found.sort_unstable();
                found.dedup();
                found
            };
            counts.add(&of_class(&before), &of_class(&after));
        }
    }

    /// The changes by class. Classes whose words occur in no caption are left out.
    pub fn by_class(&self) -> BTreeMap<&'static str, ClassChanges> {
        let stated = CLASSES.into_iter().zip(&self.0);
        let stated = stated.filter(|(_, counts)| !counts.stated.is_empty());
        stated
            .map(|((class, _), counts)| (class, counts.changes()))
            .collect()
    }
}

impl Counts {
    /// Counts the words of the class that differ: those that only the first caption has, and those that only the second has.
    fn add(&mut self, before: &[String], after: &[String]) {
        if before.is_empty() || after.is_empty() {
            self.one_sided += u64::from(before.len() != after.len());
            return;
        }
        self.swapped += 1;
        for word in before.iter().chain(after) {
            self.stated.insert(word.clone(), true);
        }
        // Which of several words became which is not known.
        if let ([one], [other]) = (before, after) {
            let swap = (one.min(other).clone(), one.max(other).clone());
            *self.swaps.entry(swap).or_default() += 1;
        }
    }

    fn changes(&self) -> ClassChanges {
        let mut swaps: Vec<_> = self.swaps.iter().collect();
        swaps.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let listed = swaps.into_iter().take(LISTED);
        let never = self.stated.iter().filter(|(_, swapped)| !**swapped);
        ClassChanges {
            swapped: self.swapped,
            one_sided: self.one_sided,
            most_frequent: listed
                .map(|((one, other), count)| (format!("{one} ↔ {other}"), *count))
                .collect(),
            never_swapped: never.map(|(word, _)| word.clone()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_swapped_if_another_one_of_its_class_takes_its_place() {
        let mut swaps = Swaps::default();
        for (source, target) in [
            ("a red bolt on the left", "a blue bolt on the left"),
            ("a blue nut", "a red nut"),
            ("a nut", "a green nut"),
            ("2 small nuts", "three small nuts"),
            ("a red bolt", "a red bolt"),
        ] {
            swaps.add(source, target);
        }
        let found = swaps.by_class();
        assert_eq!(
            found["color"],
            ClassChanges {
                swapped: 2,
                one_sided: 1,
                most_frequent: vec![("blue ↔ red".to_owned(), 2)],
                never_swapped: vec!["green".to_owned()],
            }
        );
        assert_eq!(found["count"].most_frequent, [("2 ↔ three".to_owned(), 1)]);
        assert_eq!(found["position"].never_swapped, ["left"]);
        assert_eq!((found["size"].swapped, found["size"].one_sided), (0, 0));
        assert!(!found.contains_key("material"));
    }
}
