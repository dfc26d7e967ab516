//! Two images and two texts that differ in one thing: MMVP-VLM, Winoground, pairs of edits.

use super::scoring::ScoredItem;
use super::{Broken, Vectors};
use crate::matching::cosine;

/// Two images and two texts: the first ones belong together, and the second ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quad {
    pub id: String,
    pub group: String,
    pub images: [usize; 2],
    pub texts: [usize; 2],
}

/// Names of the two directions and of both together.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    /// Each text prefers its own image.
    pub text_to_image: &'static str,
    /// Each image prefers its own text.
    pub image_to_text: &'static str,
    /// Both.
    pub both: Option<&'static str>,
}

impl Names {
    /// Names that are understandable without the paper.
    pub const PLAIN: Self = Self {
        text_to_image: "text_to_image",
        image_to_text: "image_to_text",
        both: Some("both_ways"),
    };
}

/// Scores the quads with all four embeddings.
pub fn score(quads: &[Quad], vectors: &Vectors, names: Names) -> Vec<ScoredItem> {
    let scored = quads.iter().filter_map(|quad| {
        let [i0, i1] = quad.images.map(|index| vectors.image(index));
        let [t0, t1] = quad.texts.map(|index| vectors.text(index));
        let (i0, i1, t0, t1) = (i0?, i1?, t0?, t1?);
        let (s00, s01) = (cosine(i0, t0), cosine(i0, t1));
        let (s10, s11) = (cosine(i1, t0), cosine(i1, t1));
        let text_to_image = s00 > s10 && s11 > s01;
        let image_to_text = s00 > s01 && s11 > s10;
        let both = names
            .both
            .map(|name| (name, text_to_image && image_to_text));
        let outcomes = [
            (names.text_to_image, text_to_image),
            (names.image_to_text, image_to_text),
        ];
        Some(ScoredItem {
            id: quad.id.clone(),
            group: quad.group.clone(),
            outcomes: outcomes
                .into_iter()
                .chain(both)
                .map(|(name, right)| (name.to_owned(), right.into()))
                .collect(),
        })
    });
    scored.collect()
}

/// Keeps only the first quad of each id, because outcomes are paired by id.
pub fn unique(quads: Vec<Quad>, broken: &mut Vec<Broken>) -> Vec<Quad> {
    let mut ids = std::collections::HashSet::new();
    quads
        .into_iter()
        .filter(|quad| {
            let new = ids.insert(quad.id.clone());
            if !new {
                let reason = "an earlier record has the same id";
                broken.push(Broken::new(quad.id.clone(), reason));
            }
            new
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Embedding;

    fn unit(degrees: f32) -> Option<Embedding> {
        let radians = degrees.to_radians();
        Some([radians.cos(), radians.sin()].into())
    }

    fn outcome(images: [f32; 2], texts: [f32; 2]) -> (bool, bool) {
        let vectors = Vectors {
            images: images.map(unit).into(),
            texts: texts.map(unit).into(),
            weights: None,
        };
        let quad = Quad {
            id: "1".to_owned(),
            group: String::new(),
            images: [0, 1],
            texts: [0, 1],
        };
        let found = score(&[quad], &vectors, Names::PLAIN);
        let right = |name: &str| found[0].outcomes[name].right == 1;
        assert_eq!(
            right("both_ways"),
            right("text_to_image") && right("image_to_text")
        );
        (right("text_to_image"), right("image_to_text"))
    }

    #[test]
    fn directions_are_distinguished_and_a_tie_is_wrong() {
        assert_eq!(outcome([0.0, 90.0], [10.0, 80.0]), (true, true));
        assert_eq!(outcome([0.0, 90.0], [80.0, 10.0]), (false, false));
        // Both texts are nearer to the second image, each image has its own text.
        assert_eq!(outcome([0.0, 90.0], [60.0, 80.0]), (false, true));
        // Both images are nearer to the second text, each text has its own image.
        assert_eq!(outcome([60.0, 80.0], [0.0, 90.0]), (true, false));
        assert_eq!(outcome([0.0, 0.0], [10.0, 80.0]), (false, false));
        assert_eq!(outcome([0.0, 90.0], [45.0, 45.0]), (false, false));
    }
}
