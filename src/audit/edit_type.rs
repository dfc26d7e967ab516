//! Classifies what an edit changes by the words that differ. This is a simple rule, not a trained classifier.
//!
//! 1. A quoted text differs → `text`.
//! 2. The same words in another order → `position`.
//! 3. Both captions have words of a class that the other has not (red / blue) → that class: the first of colour, count,
//!    position, size, material. If several classes differ, the class that the edit prompt names wins.
//! 4. The edit prompt begins with add, remove and the like, or one caption has words and the other has none or a negation →
//!    `presence`.
//! 5. The edit prompt has words of one class alone → that class.
//! 6. `other`: the rule does not apply.

use std::collections::BTreeMap;

use super::word_classes::classes;

/// The class of edits to which no rule applies.
pub const OTHER: &str = "other";

const NEGATIONS: [&str; 5] = ["no", "not", "nothing", "without", "none"];
const PRESENCE_VERBS: [&str; 11] = [
    "add",
    "remove",
    "put",
    "place",
    "insert",
    "delete",
    "erase",
    "take",
    "include",
    "hide",
    "eliminate",
];
/// Words that do not describe the picture.
const STOP_WORDS: [&str; 36] = [
    "a", "an", "the", "and", "or", "of", "in", "on", "at", "to", "with", "its", "it", "is", "are",
    "by", "for", "from", "as", "that", "this", "there", "be", "has", "have", "her", "his", "their",
    "one's", "near", "beside", "nearby", "next", "together", "else", "into",
];

/// The words of a text, in lower case, in order.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '-'))
        .map(|word| word.trim_matches(['\'', '-']).to_lowercase())
        .filter(|word| !word.is_empty())
}

/// Words of the first text that the second lacks or has less often.
pub fn only_in(first: &str, second: &str) -> Vec<String> {
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for word in words(second) {
        *counts.entry(word).or_default() += 1;
    }
    words(first)
        .filter(|word| match counts.get_mut(word) {
            Some(left) if *left > 0 => {
                *left -= 1;
                false
            }
            _ => true,
        })
        .collect()
}

/// The class of an edit; None if the captions are equal.
pub fn edit_type(source: &str, target: &str, prompt: Option<&str>) -> Option<&'static str> {
    if source == target {
        return None;
    }
    if codes(source) != codes(target) {
        return Some("text");
    }
    let content = |mut words: Vec<String>| {
        words.retain(|word| !STOP_WORDS.contains(&word.as_str()));
        words
    };
    let (before, after) = (
        content(only_in(source, target)),
        content(only_in(target, source)),
    );
    let prompt_words: Vec<_> = prompt.map(|it| words(it).collect()).unwrap_or_default();
    let named = classes(&prompt_words);
    let (of_before, of_after) = (classes(&before), classes(&after));
    let both: Vec<_> = of_before
        .into_iter()
        .filter(|class| of_after.contains(class))
        .collect();
    if before.is_empty() && after.is_empty() {
        let moved = words(source).ne(words(target));
        return Some(if moved { "position" } else { OTHER });
    }
    if let Some(class) = both.iter().find(|it| named.contains(it)).or(both.first()) {
        return Some(class);
    }
    let negated = |words: &[String]| words.iter().any(|it| NEGATIONS.contains(&it.as_str()));
    let verb = prompt_words.first().map(String::as_str).unwrap_or_default();
    if PRESENCE_VERBS.contains(&verb)
        || before.is_empty() != after.is_empty()
        || negated(&before) != negated(&after)
    {
        return Some("presence");
    }
    Some(match named[..] {
        [class] => class,
        _ => OTHER,
    })
}

/// The text written in the picture, in captions in double quotes.
fn codes(text: &str) -> Vec<String> {
    let text = text.replace(['\u{201c}', '\u{201d}'], "\"");
    let mut codes: Vec<_> = text
        .split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    codes.sort_unstable();
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quad_rule_equals_its_definition() {
        let of = |source, target, prompt| edit_type(source, target, prompt).unwrap_or("same");
        for (source, target, prompt, wanted) in [
            ("a red bolt", "a red bolt", None, "same"),
            ("a red bolt", "a blue bolt", None, "color"),
            ("two bolts", "three bolts", None, "count"),
            ("2 bolts", "3 bolts", None, "count"),
            ("a mug on the left", "a mug on the right", None, "position"),
            ("a cat above a dog", "a dog above a cat", None, "position"),
            ("a small mug", "a large mug", None, "size"),
            ("a wooden chair", "a metal chair", None, "material"),
            ("a tag \"AB\"", "a tag \"AC\"", None, "text"),
            (
                "a street",
                "a street with a dog",
                Some("Add a dog"),
                "presence",
            ),
            (
                "a cup with a leaf",
                "a cup with nothing else",
                None,
                "presence",
            ),
            ("a dog", "a cat", Some("turn it into a cat"), "other"),
            (
                "a dull sky",
                "a warm sky",
                Some("make the sky red"),
                "color",
            ),
        ] {
            assert_eq!(of(source, target, prompt), wanted, "{source} | {target}");
        }
    }
}
