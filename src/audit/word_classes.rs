//! Classes of words that captions state and edits change: colours, numbers, places, sizes, materials.

pub const CLASSES: [(&str, &[&str]); 5] = [
    (
        "color",
        &[
            "red",
            "orange",
            "yellow",
            "green",
            "blue",
            "purple",
            "violet",
            "pink",
            "brown",
            "black",
            "white",
            "grey",
            "gray",
            "golden",
            "silver",
            "turquoise",
            "beige",
            "cyan",
            "magenta",
            "colour",
            "color",
            "colored",
            "coloured",
        ],
    ),
    (
        "count",
        &[
            "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
            "eleven", "twelve", "single", "pair", "couple", "several", "many", "few", "dozen",
        ],
    ),
    (
        "position",
        &[
            "left",
            "right",
            "top",
            "bottom",
            "upper",
            "lower",
            "above",
            "below",
            "under",
            "beneath",
            "behind",
            "front",
            "center",
            "centre",
            "middle",
            "up",
            "down",
            "upwards",
            "downwards",
            "leftwards",
            "rightwards",
            "inside",
            "outside",
            "foreground",
            "background",
            "corner",
            "upside",
        ],
    ),
    (
        "size",
        &[
            "small", "large", "big", "tiny", "huge", "little", "giant", "tall", "short", "long",
            "wide", "narrow", "thin", "thick", "smaller", "larger", "bigger", "taller", "shorter",
        ],
    ),
    (
        "material",
        &[
            "wood",
            "wooden",
            "metal",
            "metallic",
            "plastic",
            "glass",
            "stone",
            "paper",
            "leather",
            "gold",
            "marble",
            "fabric",
            "cloth",
            "steel",
            "iron",
            "concrete",
            "brick",
            "ceramic",
            "rubber",
            "cardboard",
        ],
    ),
];

/// The class of numbers, which also holds numbers in digits.
const COUNT: &str = "count";

/// Whether a word, in lower case, belongs to a class of [`CLASSES`].
pub fn belongs(word: &str, (class, list): (&str, &[&str])) -> bool {
    list.contains(&word) || class == COUNT && word.len() < 3 && word.parse::<u8>().is_ok()
}

/// Classes with at least one word in the text, in the order of [`CLASSES`].
pub fn classes(words: &[String]) -> Vec<&'static str> {
    let has = |class| words.iter().any(|word| belongs(word, class));
    let found = CLASSES.into_iter().filter(|class| has(*class));
    found.map(|(class, _)| class).collect()
}
