//! Cosine, logits and probabilities of images against texts.

use crate::bundle::{Similarity, SimilarityKind};
use clip_in_numerics::dot::cosine;

/// Images × texts, three ways.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Cosine, −1..1.
    pub cosines: Vec<Vec<f32>>,
    /// `logit_scale · cosine + logit_bias`.
    pub logits: Vec<Vec<f32>>,
    /// Softmax over an image's texts (CLIP), or the sigmoid of each pair (SigLIP).
    pub probabilities: Vec<Vec<f32>>,
}

/// Scores every image against every text.
pub fn score<E: AsRef<[f32]>>(images: &[E], texts: &[E], rule: &Similarity) -> Scores {
    let cosines: Vec<Vec<f32>> = images
        .iter()
        .map(|image| {
            texts
                .iter()
                .map(|text| cosine(image.as_ref(), text.as_ref()))
                .collect()
        })
        .collect();
    let rows = cosines.iter().map(|row| probabilities(row, rule, 1.0));
    let (logits, probabilities) = rows.unzip();
    Scores {
        cosines,
        logits,
        probabilities,
    }
}

/// Logits and probabilities of one image's cosines. The logits are divided by `temperature`: values above 1 make the
/// probabilities less extreme (calibration after Guo et al., arXiv 1706.04599).
pub fn probabilities(cosines: &[f32], rule: &Similarity, temperature: f32) -> (Vec<f32>, Vec<f32>) {
    let logits: Vec<f32> = cosines
        .iter()
        .map(|cosine| (rule.logit_scale * cosine + rule.logit_bias) / temperature)
        .collect();
    let probabilities = match rule.kind {
        SimilarityKind::Softmax => softmax(&logits),
        SimilarityKind::Sigmoid => logits.iter().map(|logit| sigmoid(*logit)).collect(),
    };
    (logits, probabilities)
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f64> = logits
        .iter()
        .map(|logit| f64::from(logit - largest).exp())
        .collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.iter().map(|e| (e / sum) as f32).collect()
}

fn sigmoid(logit: f32) -> f32 {
    (1.0 / (1.0 + (-f64::from(logit)).exp())) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(kind: SimilarityKind) -> Similarity {
        Similarity {
            kind,
            logit_scale: 10.0,
            logit_bias: if kind == SimilarityKind::Sigmoid {
                -5.0
            } else {
                0.0
            },
        }
    }

    #[test]
    fn softmax_over_texts_and_sigmoid_per_pair() {
        let images = [vec![1.0, 0.0]];
        let texts = [vec![1.0, 0.0], vec![0.0, 1.0], vec![0.6, 0.8]];
        let clip = score(&images, &texts, &rule(SimilarityKind::Softmax));
        assert_eq!(clip.cosines, [[1.0, 0.0, 0.6]]);
        assert_eq!(clip.logits, [[10.0, 0.0, 6.0]]);
        // exp(0), exp(-10), exp(-4) over their sum, by hand
        let expected = [0.981_97, 0.000_044_58, 0.017_985_4];
        for (found, expected) in clip.probabilities[0].iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        }
        let siglip = score(&images, &texts, &rule(SimilarityKind::Sigmoid));
        assert!((siglip.probabilities[0][0] - 0.993_307).abs() < 1e-6);
        assert!((siglip.probabilities[0][1] - 0.006_693).abs() < 1e-6);
    }

    #[test]
    fn large_logits_do_not_overflow() {
        assert_eq!(softmax(&[1e4, 0.0]), [1.0, 0.0]);
        assert_eq!(sigmoid(-1e4), 0.0);
    }
}
