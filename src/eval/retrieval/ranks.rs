//! The number of items ranked before the correct one.

use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;

use crate::matching::cosine;

/// A caption's embedding, and the index of its image.
#[derive(Debug, Clone, Copy)]
pub struct Caption<'a> {
    pub text: &'a [f32],
    pub image: usize,
}

/// Number of wrong items that are at least as near as the correct one. Below k: correct at k.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranks {
    /// For each image: captions of other images, compared with the nearest of its own.
    pub of_images: Vec<u32>,
    /// For each caption: other images, compared with its own.
    pub of_captions: Vec<u32>,
}

/// Ranks of all images and captions. Every image has a caption. One row of scores per core is in memory at a time, and each
/// score is computed once.
pub fn ranks(images: &[&[f32]], captions: &[Caption]) -> Ranks {
    let own: Vec<f32> = captions
        .par_iter()
        .map(|caption| {
            let image = images.get(caption.image);
            image.map_or(f32::NEG_INFINITY, |image| cosine(image, caption.text))
        })
        .collect();
    let of_captions: Vec<AtomicU32> = captions.iter().map(|_| AtomicU32::new(0)).collect();
    let mut best = vec![f32::NEG_INFINITY; images.len()];
    for (caption, own) in captions.iter().zip(&own) {
        if let Some(best) = best.get_mut(caption.image) {
            *best = best.max(*own);
        }
    }
    let of_images = images
        .par_iter()
        .zip(&best)
        .enumerate()
        .map(|(place, (image, best))| {
            let mut before = 0;
            for ((caption, own), of_caption) in captions.iter().zip(&own).zip(&of_captions) {
                if caption.image == place {
                    continue;
                }
                let score = cosine(image, caption.text);
                before += u32::from(score >= *best);
                if score >= *own {
                    of_caption.fetch_add(1, Ordering::Relaxed);
                }
            }
            before
        })
        .collect();
    Ranks {
        of_images,
        of_captions: of_captions.into_iter().map(AtomicU32::into_inner).collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By sorting: the rank of the correct one, the last among equals.
    fn sorted(scores: &[(f32, bool)]) -> u32 {
        let mut scores = scores.to_vec();
        // The nearest first; among equals, wrong ones first.
        scores.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        scores.iter().position(|(_, right)| *right).unwrap() as u32
    }

    fn naive(images: &[&[f32]], captions: &[Caption]) -> Ranks {
        let score = |image: usize, caption: &Caption| cosine(images[image], caption.text);
        let all = 0..images.len();
        let of_images = all.clone().map(|image| {
            let row = captions.iter().map(|c| (score(image, c), c.image == image));
            sorted(&row.collect::<Vec<_>>())
        });
        let of_captions = captions.iter().map(|caption| {
            let column = all.clone().map(|i| (score(i, caption), caption.image == i));
            sorted(&column.collect::<Vec<_>>())
        });
        Ranks {
            of_images: of_images.collect(),
            of_captions: of_captions.collect(),
        }
    }

    /// Few directions, so that there are many ties.
    fn direction(n: u8) -> Vec<f32> {
        let radians = f32::from(n) * 0.3;
        vec![radians.cos(), radians.sin()]
    }

    proptest! {
        #[test]
        fn ranks_equal_those_by_sorting(
            images in prop::collection::vec(0_u8..12, 1..14),
            more in prop::collection::vec((0_u8..12, any::<prop::sample::Index>()), 0..30),
            first in prop::collection::vec(0_u8..12, 14),
        ) {
            let images: Vec<_> = images.into_iter().map(direction).collect();
            // One caption per image, and some more for random images.
            let mut texts: Vec<_> = images.iter().zip(first).enumerate().map(|(i, (_, n))| (direction(n), i)).collect();
            texts.extend(more.into_iter().map(|(n, image)| (direction(n), image.index(images.len()))));
            let images: Vec<&[f32]> = images.iter().map(Vec::as_slice).collect();
            let captions: Vec<_> = texts.iter().map(|(text, image)| Caption { text, image: *image }).collect();
            prop_assert_eq!(ranks(&images, &captions), naive(&images, &captions));
        }
    }

    #[test]
    fn equal_items_rank_before_the_correct_one() {
        let (a, b) = (direction(0), direction(5));
        let images: [&[f32]; 3] = [&a, &b, &a];
        let caption = |text, image| Caption { text, image };
        let captions = [
            caption(&a[..], 0),
            caption(&b[..], 1),
            caption(&a[..], 2),
            caption(&b[..], 2),
        ];
        let found = ranks(&images, &captions);
        // The first and the third image are equal, so neither ranks its own caption before the other's.
        assert_eq!(found.of_images, [1, 1, 1]);
        assert_eq!(found.of_captions, [1, 0, 1, 2]);
    }
}
